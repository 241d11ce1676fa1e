"""Rows of engine.json as tables for people, with the goals that they are held against."""
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
US = "lps-runner"
TOOLS = ("floor", US, "wrk", "ab", "h2load", "hey")
MISSED = "**missed**"
TEXT = ("work", "rate", "protocol", "program", "ratio")  # columns that stand to the left

# (program, other, connections or None for all, at most): CPU per request of the one over that of the other.
RATIOS = {
    "h1-get": ((US, "wrk", None, 0.70), (US, "floor", None, 1.12), ("floor", "wrk", None, 0.72)),
    "h1-post1k": ((US, "wrk", None, 0.75),),
    "h1-body100k": ((US, "wrk", None, 0.35),),
    "tls-get": ((US, "wrk", 10, 0.70), (US, "wrk", 100, 0.80), (US, "wrk", 1000, 0.70)),
    "h2-get": ((US, "h2load", None, 0.75),),
    "h2-get-m10": ((US, "h2load", None, 1.05),),
    "plan-3templates-capture-rule": ((US, "plain", None, 2.0),),
}
COSTS = {"h1-get": (2000, 2.3), "tls-get": (16000, 2.3), "h2-get": (24000, 2.4)}  # instructions, system calls
RATE_ERROR, P50_US, P99_BETTER, BATCHED_CPU, BATCHED_P50_US = 0.001, 50, 4, 1.3, 500
QUIET_CPUS = 0.1  # what this program and the machine's own daemons have
SCALING = {"scaling-2k": 2000, "scaling-10k": 10000}  # requests a second
SCALING_RATIO = 1.10  # CPU per request of 2 threads over that of 1, at most
IDLE_KIB = {"h1": 1, "tls": 24, "h2": 64}
NAMES = {
    "h1-get": "small GET", "h1-post1k": "POST 1 KiB", "h1-body100k": "100 KiB body", "tls-get": "TLS, small GET",
    "h2-get": "HTTP/2 over TLS", "h2-get-m10": "HTTP/2, 10 streams",
    "plan-3templates-capture-rule": "plan", "open-1k": "1,000/s", "open-10k": "10,000/s",
    "open-30k": "30,000/s", "scaling-2k": "2,000/s", "scaling-10k": "10,000/s", "h1": "plain", "tls": "TLS",
    "h2": "HTTP/2 over TLS",
}


def held(text, met):
    return text if met else f"{text} {MISSED}"


def layout(head, lines):
    """A table in Markdown that reads as well in a terminal; numbers to the right."""
    widths = [max(len(line[i]) for line in (head, *lines)) for i in range(len(head))]
    is_text = [name in TEXT for name in head]

    def show(cells):
        return "| " + " | ".join(cell.ljust(w) if text else cell.rjust(w) for cell, w, text in zip(cells, widths, is_text)) + " |"

    rule = "|" + "|".join("-" * (w + 2) if text else "-" * (w + 1) + ":" for w, text in zip(widths, is_text)) + "|"
    return "\n".join([show(head), rule, *map(show, lines)])


def ratios(row_of, work, conns):
    """Cells such as "0.66 wrk (0.64..0.69; at most 0.70)"."""
    cells = []
    for tool, other, at, limit in RATIOS[work]:
        row = row_of.get(tool, {})
        if at in (None, conns) and other in row.get("ratio_vs", {}):
            ratio, (low, high) = row["ratio_vs"][other], row["spread"][other]
            who = "floor " * (tool == "floor") + f"{ratio:.2f} x {other}"
            cells.append(held(f"{who} ({low:.2f}..{high:.2f}; <= {limit:.2f})", ratio <= limit))
        elif at in (None, conns) and not (other == "floor" and other not in row_of):
            cells.append(held(f"{tool} / {other}: not measured", False))
    return ", ".join(cells)


def closed_table(rows):
    blocks = {}
    for row in rows:
        if row["work"] in RATIOS and ("cpu_us_per_req" in row or "failed" in row):
            blocks.setdefault((row["work"], row["conns"]), {})[row["tool"]] = row
    lines = []
    for (work, conns), row_of in blocks.items():
        cells = []
        for tool in TOOLS:
            row = row_of.get(tool, {})
            odd = "*" * (not row.get("counts_agree", True))
            cells.append("failed" if "failed" in row else f"{row['cpu_us_per_req']:.1f}{odd}" if row else "")
        lines.append([NAMES[work], f"{conns:,}", *cells, ratios(row_of, work, conns)])
    if not lines:
        return ""
    n = max((row.get("rounds", 0) for block in blocks.values() for row in block.values()))
    stray = "\n\n`*` the target counted another number of requests." if any("*" in cell for line in lines for cell in line[2:8]) else ""
    for work, note in sorted({(row["work"], row["note"]) for block in blocks.values() for row in block.values() if "note" in row}):
        stray += f"\n\n{NAMES[work]}: {note}."
    return (f"CPU per request in microseconds; the ratio is the median of {n} interleaved rounds (least..most; goal).\n\n"
            + layout(["work", "connections", *TOOLS, "ratio"], lines) + stray)


def open_table(rows):
    lines = []
    for row in rows:
        if row["work"] not in NAMES or not row["work"].startswith("open-"):
            continue
        ours, name = row["tool"] == US, " ".join(filter(None, (row["tool"], row.get("pacing"))))
        if "failed" in row:
            lines.append([NAMES[row["work"]], name, held("failed", not ours), *[""] * 5])
            continue
        precise = row.get("pacing") == "precise"
        rate, p50 = f"{row['rate_error'] * 100:+.3f} %", f"{row['p50_us']:,.0f}"
        cpu = better = ""
        if ours:
            if precise:
                rate = held(rate, abs(row["rate_error"]) <= RATE_ERROR)
            p50 = held(p50, row["p50_us"] <= (P50_US if precise else BATCHED_P50_US))
            if "ratio_vs" in row:
                low, high = row["spread"]["h2load"]
                cpu = f"{row['ratio_vs']['h2load']:.2f} ({low:.2f}..{high:.2f})"
                if row["work"] == "open-10k" and not precise:
                    cpu = held(cpu, row["ratio_vs"]["h2load"] <= BATCHED_CPU)
                better = "{:.1f} ({:.1f}..{:.1f})".format(row["p99_better"], *row["p99_better_spread"])
                if precise:
                    better = held(better, row["p99_better"] >= P99_BETTER)
            if row["dropped"]:
                name += f" ({row['dropped']:,} dropped)"
        lines.append([NAMES[row["work"]], name, rate, p50, f"{row['p99_us']:,.0f}", better, f"{row['cpu_cores']:.2f}", cpu])
    if not lines:
        return ""
    return ("Constant rate over 100 connections: deviation in microseconds of arrivals at the server from t0 + k / rate. Goals of precise: "
            f"rate within 0.1 %, p50 {P50_US}, p99 {P99_BETTER} times better than h2load; of batched: p50 {BATCHED_P50_US}, "
            f"{BATCHED_CPU} x h2load's CPU at 10,000/s.\n\n"
            + layout(["rate", "program", "rate error", "p50", "p99", "p99: times better", "CPUs", "x h2load's CPU"], lines))


def idle_table(rows):
    lines = []
    for row in rows:
        if row["work"] != "idle-10k-conns":
            continue
        ours, limit = row["tool"] == US, IDLE_KIB[row["protocol"]]
        if "failed" in row:
            lines.append([NAMES[row["protocol"]], row["tool"], held("failed", not ours), "", ""])
            continue
        one = row["rss_kib_per_conn"]
        lines.append([NAMES[row["protocol"]], row["tool"], held(f"{one:.1f}", not ours or one <= limit), f"{row['rss_kib'] / 1024:,.0f}",
                      f"{limit}" if ours else ""])
    if not lines:
        return ""
    return "Memory of 10,000 connections that wait for an answer.\n\n" + layout(
        ["protocol", "program", "KiB a connection", "MiB in all", "goal"], lines)


def scaling_table(rows):
    lines, row_of = [], {(row["work"], row["threads"]): row for row in rows if row["work"] in SCALING}
    for work in SCALING:
        one, two = (row_of.get((work, threads)) for threads in (1, 2))
        if not one or not two:
            continue
        if "failed" in two:
            lines.append([NAMES[work], *[""] * 4, held("failed", False)])
            continue
        ratio, (low, high) = two["ratio_vs"]["1 thread"], two["spread"]["1 thread"]
        lines.append([NAMES[work], *(f"{row[key]:.{digits}f}" for key, digits in (("cpu_us_per_req", 1), ("sleeps_per_req", 2))
                                     for row in (one, two)),
                      held(f"{ratio:.2f} ({low:.2f}..{high:.2f}; <= {SCALING_RATIO:.2f})", ratio <= SCALING_RATIO)])
    if not lines:
        return ""
    return ("Threads: CPU per request of lps-runner in microseconds with one thread and with two, and how often a thread slept per "
            "request. The target shares their CPUs.\n\n"
            + layout(["rate", "1 thread", "2 threads", "sleeps: 1", "2", "ratio"], lines))


def cost_table(rows):
    lines = []
    for row in rows:
        if "costs_failed" in row:
            lines.append([NAMES[row["work"]], held("failed", False), "", "", ""])
        elif "instr_per_req" in row:
            most, calls = COSTS[row["work"]]
            lines.append([NAMES[row["work"]], held(f"{row['instr_per_req']:,}", row["instr_per_req"] <= most), f"{most:,}",
                          held(f"{row['syscalls_per_req']:.2f}", row["syscalls_per_req"] <= calls), f"{calls}"])
    if not lines:
        return ""
    return "What lps-runner itself spends on a request (10 connections).\n\n" + layout(
        ["work", "user instructions", "goal", "system calls", "goal"], lines)


def disturbance(rows):
    most = max((row.get("others_cpus", 0) for row in rows), default=0)
    return f"Other programs had up to {most:.2f} of a CPU during a round: times are less sure than they look." * (most > QUIET_CPUS)


def tables(rows):
    made = (table(rows) for table in (closed_table, open_table, idle_table, scaling_table, cost_table, disturbance))
    return "\n\n".join(filter(None, made))


def into_readme(rows, path):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path} has no lines {BEGIN} and {END}")
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{before}{BEGIN}\n{tables(rows)}\n{END}{after}")
