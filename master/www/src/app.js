// The dashboard: what is the cluster doing, who is here, what does the target answer.
import { html, render, useEffect, useState } from "./ui.js";
import { Chart } from "./chart.js";
import { follow } from "./feed.js";
import { bytes, clock, count, micros, percent, short } from "./format.js";

const STALE_MS = 4000;
const STEPS = ["Created", "Ready", "Running", "Stopped"];

function Strip({ state, run }) {
  const now = run?.state ?? state.state;
  const at = now === "Failed" ? STEPS.length - 1 : STEPS.indexOf(now);
  const label = (step, i) => {
    if (step === "Created" && run && now === "Created") return `Created · ${run.counted}/${run.expected}`;
    return i === STEPS.length - 1 && now === "Failed" ? "Failed" : step;
  };
  return html`<ol class="strip" data-state=${now}>
    ${STEPS.map((step, i) => html`<li class=${i < at ? "past" : i === at ? "now " + now.toLowerCase() : ""}>${label(step, i)}</li>`)}
  </ol>`;
}

function Header({ feed }) {
  const { state } = feed;
  const run = state.run;
  return html`<header>
    <div class="title">
      <h1>LPS</h1>
      <span class="plan">${run ? run.plan : "no run yet"}</span>
      ${run && html`<code title=${run.id}>${run.id.slice(0, 8)}</code>`}
      ${(run?.flags ?? []).map((flag) => html`<b class="flag">${flag}</b>`)}
      <span class="spring"></span>
      ${run && run.startsAt > 0 && html`<time>${clock((run.elapsedMs ?? 0) / 1000)}</time>`}
      <span class="muted">${state.node} · ${state.version}</span>
    </div>
    <${Strip} state=${state} run=${run} />
    <p class="status">${state.status}</p>
  </header>`;
}

function Tile({ name, value, note, id, bad }) {
  return html`<div class=${"tile" + (bad ? " bad" : "")}><span>${name}</span><strong id=${id}>${value}</strong><small>${note}</small></div>`;
}

function Tiles({ feed }) {
  const { points, totals } = feed;
  const last = points.k.length - 1;
  const running = feed.state.run?.state === "Running";
  const now = (text) => (running ? `${text} now` : "");
  const at = (key) => (last >= 0 ? points[key][last] : null);
  const dropped = totals?.dropped > 0;
  const latency = (response, key) => [now(micros(at(key))), response != null && `response ${micros(response)}`].filter(Boolean).join(", ");
  return html`<div class="tiles" id="tiles" data-run=${feed.run} data-k=${feed.k}>
    <${Tile} name="requests" id="requests" value=${count(totals?.requests)} note=${now(short(at("completed")) + "/s")} />
    ${dropped && html`<${Tile} name="dropped" id="dropped" value=${count(totals.dropped)} bad note="due, and never sent" />`}
    <${Tile} name="errors" id="errors" value=${count(totals?.errors)} bad=${totals?.errors > 0}
      note=${totals ? percent(totals.errors, totals.completed + totals.failed) : "–"} />
    <${Tile} name="p50" id="p50" value=${micros(totals?.p50Us)} note=${latency(totals?.responseP50Us, "p50Us")} />
    <${Tile} name="p99" id="p99" value=${micros(totals?.p99Us)} note=${latency(totals?.responseP99Us, "p99Us")} />
    <${Tile} name="in flight" value=${count(at("inFlight"))} note=${`${count(at("workers"))} workers`} />
    <${Tile} name="received" value=${running && last >= 0 ? bytes(at("bytesReceived")) + "/s" : "–"}
      note=${running && last >= 0 ? `sent ${bytes(at("bytesSent"))}/s` : ""} />
    <${GeneratorTile} run=${feed.state.run} />
  </div>`;
}

// The worst of them: "limited" means that the numbers are rather the generator's than the target's.
const GENERATOR = ["unknown", "clean", "degraded", "generator-limited"];

function GeneratorTile({ run }) {
  const worst = (run?.members ?? []).filter((member) => !member.observer && member.generator)
    .reduce((a, b) => (a && GENERATOR.indexOf(a.generator.state) >= GENERATOR.indexOf(b.generator.state) ? a : b), null);
  const { state, limit, text } = worst?.generator ?? { state: "unknown" };
  return html`<${Tile} name="generator" id="generator" value=${state === "unknown" ? "–" : state.replace("generator-", "")}
    bad=${state === "generator-limited"} note=${limit && html`<span title=${text}>by ${limit} on ${worst.node}</span>`} />`;
}

const MEMBER_WORD = { Created: "waiting", Ready: "armed", Running: "running", Stopped: "done", Failed: "lost" };

function nodeRows(state) {
  const members = new Map((state.run?.members ?? []).map((member) => [member.node, member]));
  const rows = state.nodes.map((node) => ({ ...node, member: members.get(node.node) }));
  for (const member of members.values()) {
    if (!state.nodes.some((node) => node.node === member.node)) rows.push({ node: member.node, connected: false, member });
  }
  return rows.sort((a, b) => a.node.localeCompare(b.node, "en", { numeric: true }));
}

function Nodes({ state }) {
  const run = state.run;
  const word = (row) => {
    if (row.member?.observer) return "observer";
    if (row.member) return MEMBER_WORD[row.member.state] ?? row.member.state;
    return row.connected ? "idle" : "away";
  };
  const missing = run?.state === "Created" ? Math.max(0, run.expected - run.counted) : 0;
  const skew = (member) =>
    member?.startSkewUs == null ? "–" : `${(member.startSkewUs / 1000).toFixed(2)} ± ${(member.startErrorUs / 1000).toFixed(2)} ms`;
  return html`<section class="card nodes">
    <h2>Workers <small>${state.nodes.filter((node) => node.connected).length} connected${missing ? `, ${missing} missing` : ""}</small></h2>
    <div class="scroll"><table>
      <thead><tr><th>worker</th><th>state</th><th class="n">requests</th><th class="n">errors</th><th class="n">in flight</th>
        <th class="n">data to</th><th class="n">start skew</th><th>generator</th><th class="n">round trip</th><th class="n">clock</th><th class="n">CPUs</th><th>version</th></tr></thead>
      <tbody>
        ${nodeRows(state).map((row) => html`<tr key=${row.node} class=${word(row)}>
          <td>${row.node}</td>
          <td><i class="dot"></i>${word(row)}${row.member?.joinedMs > 0 ? ` +${(row.member.joinedMs / 1000).toFixed(1)} s` : ""}
            ${row.member?.reason && html`<small>${row.member.reason}</small>`}</td>
          <td class="n">${count(row.member?.requests)}</td><td class="n">${count(row.member?.errors)}</td>
          <td class="n">${count(row.member?.inFlight)}</td>
          <td class="n">${row.member?.lastK >= 0 ? `${row.member.lastK} s` : "–"}</td>
          <td class="n">${skew(row.member)}</td>
          <td title=${row.member?.generator?.text}>${GENERATOR.indexOf(row.member?.generator?.state) > 0 ? row.member.generator.state.replace("generator-", "") : "–"}</td>
          <td class="n">${row.rttUs > 0 ? micros(row.rttUs) : "–"}</td>
          <td class="n">${row.clockSamples > 0 ? `± ${micros(row.clockErrorUs)}` : "–"}</td>
          <td class="n">${count(row.cpus)}</td><td>${row.version ?? "–"}</td>
        </tr>`)}
        ${Array.from({ length: missing }, (_, i) => html`<tr key=${"missing" + i} class="missing"><td colspan="12"><i class="dot"></i>a worker is missing</td></tr>`)}
        ${state.nodes.length === 0 && !missing && html`<tr class="missing"><td colspan="12">no worker has connected yet: start lps-workerd on each host</td></tr>`}
      </tbody>
    </table></div>
  </section>`;
}

// What each iteration came to, once the run is over.
function Iterations({ run }) {
  const [series, setSeries] = useState([]);
  const over = run?.state === "Stopped" || run?.state === "Failed";
  useEffect(() => {
    let wanted = true;
    setSeries([]);
    if (over)
      fetch(`/api/v1/runs/${run.id}`)
        .then((reply) => reply.json())
        .then((result) => wanted && setSeries(result.series ?? []))
        .catch(() => {});
    return () => (wanted = false);
  }, [run?.id, over]);
  if (series.length === 0) return null;
  const why = (s) => [s.rule, s.value != null && `was ${Number(s.value.toPrecision(6))}`, s.second != null && `at second ${s.second}`].filter(Boolean).join(", ");
  return html`<section class="card iterations">
    <h2>Iterations</h2>
    <div class="scroll"><table>
      <thead><tr><th>iteration</th><th>status</th><th>rule</th><th class="n">requests</th><th class="n">errors</th>
        <th class="n">skipped</th><th class="n">p50</th><th class="n">p99</th></tr></thead>
      <tbody>
        ${series.map((s) => html`<tr key=${s.round + "/" + s.iteration} class=${(s.status ?? "").replace(" ", "-")}>
          <td>${s.round}/${s.iteration}</td><td><i class="dot"></i>${s.status ?? "–"}</td><td>${why(s)}</td>
          <td class="n">${count(s.requests)}</td><td class="n">${count(s.errors)}</td><td class="n">${count(s.skipped)}</td>
          <td class="n">${micros(s.latencyUs.service?.p50)}</td><td class="n">${micros(s.latencyUs.service?.p99)}</td></tr>`)}
      </tbody>
    </table></div>
  </section>`;
}

function Counts({ title, note, rows, bad }) {
  const total = rows.reduce((sum, [, n]) => sum + n, 0);
  return html`<section class="card">
    <h2>${title} <small>${note}</small></h2>
    ${rows.length === 0 && html`<p class="muted">none</p>`}
    <table class="counts"><tbody>
      ${rows.map(([name, n]) => html`<tr key=${name} class=${bad(name) ? "bad" : ""}>
        <td>${name}</td><td class="n">${count(n)}</td><td class="n muted">${percent(n, total)}</td>
        <td class="bar"><progress max=${total} value=${n}></progress></td></tr>`)}
    </tbody></table>
  </section>`;
}

const largest = (counts) => Object.entries(counts ?? {}).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);

function App() {
  const [feed, setFeed] = useState(null);
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const source = follow(setFeed);
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => {
      source.close();
      clearInterval(timer);
    };
  }, []);

  if (!feed?.state) return html`<p class="status">${feed && !feed.live ? "the master does not answer" : "connecting"}</p>`;
  const { state, points, totals } = feed;
  const stale = !feed.live || (state.nodes.some((node) => node.connected) && now - feed.at > STALE_MS);
  return html`
    ${stale && html`<div class="stale" role="alert">No data for ${clock((now - feed.at) / 1000)}: what you see is old.</div>`}
    <${Header} feed=${feed} />
    <main>
      <${Tiles} feed=${feed} />
      ${state.run?.state === "Created" && html`<${Nodes} state=${state} />`}
      <div class="grid" key=${feed.run}>
        <${Chart} title="Requests" note="per second" points=${points} format=${short}
          lines=${[{ key: "completed", label: "completed", color: "--good", fill: true }, { key: "requests", label: "sent", color: "--ink", dash: [4, 3] },
            { key: "dropped", label: "dropped", color: "--warn" }, { key: "errors", label: "errors", color: "--bad", fill: true }]} />
        <${Chart} title="Service time" note="sent to last byte, of each second" points=${points} format=${micros}
          lines=${[{ key: "p50Us", label: "p50", color: "--good" }, { key: "p90Us", label: "p90", color: "--blue" }, { key: "p99Us", label: "p99", color: "--warn" }]} />
        <${Counts} title="Status codes" note=${count(totals?.completed) + " responses"} rows=${largest(totals?.statusCodes)} bad=${(code) => code >= "400"} />
        <${Counts} title="Errors by kind" note="requests without a whole response" rows=${largest(totals?.errorKinds)} bad=${() => true} />
      </div>
      <${Iterations} run=${state.run} />
      ${state.run?.state !== "Created" && html`<${Nodes} state=${state} />`}
    </main>`;
}

render(html`<${App} />`, document.getElementById("app"));
