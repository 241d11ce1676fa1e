#!/usr/bin/python3
"""What a client does beside sending: cookies, redirects, encodings undone, what servers say of their time; in HTTP/1 and HTTP/2."""
import collections
import json
import os
import shutil
import sys

from lps import ROOT, Skip, main, program, test, until
from servers import certificate

sys.path.insert(0, os.path.join(ROOT, "tests/bench"))
import runner  # noqa: E402

# Each is (scheme of the server, what a request has beside its URL).
PROTOCOLS = {
    "HTTP/1.1": ("http", {"version": "1.1"}),
    "HTTP/1.1 over TLS": ("https", {"version": "1.1"}),
    "HTTP/2 over TLS": ("https", {"version": "2.0"}),
    "HTTP/2 in clear text": ("h2c", {"version": "2.0", "supportH2C": True}),
}

Seen = collections.namedtuple("Seen", "server url version method body peer headers")

SERVERS = """
const fs = require("fs"), http = require("http"), https = require("https"), http2 = require("http2"), zlib = require("zlib");
const { cert, key, log } = JSON.parse(process.argv[2]);
const out = fs.openSync(log, "a");
const urls = {};
const gzip = { gzip: zlib.gzipSync, deflate: zlib.deflateSync, raw: zlib.deflateRawSync };

function serve(name) {
    return (req, res) => {
        let body = "";
        const url = new URL(req.url, "http://" + (req.headers.host || req.headers[":authority"]));
        const [, path, arg] = url.pathname.split("/"), query = url.searchParams;
        const reply = (status, head, text) => {
            res.writeHead(status, head);
            res.end(req.method === "HEAD" ? undefined : text);
        };
        req.on("data", chunk => { body += chunk; });
        req.on("end", () => {
            const socket = req.stream ? req.stream.session.socket : req.socket;
            fs.writeSync(out, JSON.stringify([name, req.url, req.httpVersion, req.method, body, socket.remotePort,
                                              req.headers]) + "\\n");
            if (path === "set")
                reply(200, { "set-cookie": query.getAll("c") }, "set");
            else if (path === "chain")
                reply(+arg > 0 ? 302 : 200, +arg > 0 ? { location: String(arg - 1), "set-cookie": `hop${arg}=1` } : {}, "chain");
            else if (path === "to") {
                const to = query.get("to").replace(/^@(\\w+)/, (_, other) => urls[other]);
                setTimeout(() => reply(+arg, { location: to }, "elsewhere"), +query.get("after"));
            } else if (path === "hang")
                res.on("close", () => fs.writeSync(out, JSON.stringify([name, "closed", "", "", "", 0, {}]) + "\\n"));
            else if (path === "page")
                reply(200, { "content-type": "text/html" }, "<img src=image>");
            else if (path === "coded") {
                const text = JSON.stringify({ word: "undone" });
                reply(200, { "content-type": "application/json", "content-encoding": arg === "raw" ? "deflate" : arg },
                      gzip[arg] ? gzip[arg](text) : text);
            } else if (path === "timed") {
                const location = query.has("to") ? { location: query.get("to") } : {};
                reply(query.has("to") ? 302 : 200, { "server-timing": query.getAll("t"), ...location }, "timed");
            } else
                reply(200, {}, "hello");
        });
    };
}

const tls = { cert: fs.readFileSync(cert), key: fs.readFileSync(key) };
const servers = {
    http: http.createServer(serve("http")),
    other: http.createServer(serve("other")),
    https: http2.createSecureServer({ ...tls, allowHTTP1: true }, serve("https")),
    h2c: http2.createServer(serve("h2c")),
};
let n = Object.keys(servers).length;
for (const name of Object.keys(servers))
    servers[name].listen(0, "127.0.0.1", () => {
        urls[name] = (name === "https" ? "https" : "http") + "://127.0.0.1:" + servers[name].address().port;
        if (--n === 0)
            console.log(JSON.stringify(urls));
    });
"""


class Servers:
    """Of node; `urls` by name."""

    def __init__(self, t):
        node = shutil.which("node")
        if not node:
            raise Skip("no node")
        cert, key = certificate(t)
        self.t, self.path = t, os.path.join(t.dir, "seen.log")
        process = t.start("node", node, t.file("servers.js", SERVERS), json.dumps({"cert": cert, "key": key, "log": self.path}))
        self.urls = json.loads(process.await_text(r"^\{.*\}$", which="out")[0])
        self.n_before = 0

    def seen(self):
        """What came since the last run began, oldest first."""
        with open(self.path, encoding="utf-8") as f:
            return [Seen(*json.loads(line)) for line in f.read().splitlines()][self.n_before:]

    def plan(self, iterations, clients=1):
        once = {"mode": "R", "requestCount": 1}
        made = [{"name": f"i{i}", **({} if "mode" in iteration else once), **iteration} for i, iteration in enumerate(iterations)]
        return {"name": "client", "rounds": [{"name": "r", "numberOfClients": clients, "iterations": made}]}

    def run(self, *iterations, clients=1, exit_code=0, **http_client):
        """The totals of a local run: its iterations come one after another."""
        return self.run_plan(self.plan(iterations, clients), exit_code, **http_client)[0]

    def run_plan(self, plan, exit_code, **http_client):
        """Its totals, and what became of each series."""
        self.n_before += len(self.seen())
        config = self.t.file("settings.json", json.dumps({"HttpClient": http_client}))
        path = self.t.file("plan.json", json.dumps(plan))
        lps = self.t.start("lps", program("lps"), "run", path, "--local", "--json", "--quiet", "--config", config)
        assert lps.wait(60) == exit_code, f"exit {lps.popen.returncode}: {lps.err or lps.out}"
        result = lps.json()
        totals = result["totals"]
        assert totals["requests"] == totals["completed"] + totals["failed"] + totals["aborted"], totals
        return totals, result["series"]


def get(url, more, method="GET", **iteration):
    return {"httpRequest": {"url": url, "method": method, **more}, **iteration}


def cookies(seen):
    return sorted(pair for pair in seen.headers.get("cookie", "").split("; ") if pair)


# --- Cookies ---

@test
def cookies_go_where_they_belong(t):
    servers = Servers(t)
    for name, (scheme, more) in PROTOCOLS.items():
        base = servers.urls[scheme]
        own = {**more, "headers": {"Cookie": "own=1"}}
        servers.run(get(f"{base}/echo", more), get(f"{base}/set?c=a=1&c=b=2;Path=/deep&c=s=3;Secure&c=d=4;Domain=example.org", more),
                    get(f"{base}/echo", more), get(f"{base}/deep/echo", own), get(f"{base}/deeper", more),
                    get(f"{base}/set?c=a=5&c=b=;Path=/deep;Max-Age=0", more), get(f"{base}/deep/echo", more),
                    get(servers.urls["other"] + "/echo", {"version": "1.1"}))
        seen = servers.seen()
        secure = ["s=3"] if scheme == "https" else []
        assert [cookies(s) for s in seen] == [
            [], [], ["a=1", *secure], sorted(["a=1", "b=2", "own=1", *secure]), ["a=1", *secure], ["a=1", *secure], ["a=5", *secure],
            ["a=5"]], (name, [s.headers for s in seen])  # they know hosts, not ports (RFC 6265 section 8.5)
        assert {s.version for s in seen[:-1]} == {"2.0" if more["version"] == "2.0" else "1.1"}, name


@test
def a_cookie_expires(t):
    servers = Servers(t)
    for name in ("HTTP/1.1", "HTTP/2 over TLS"):
        scheme, more = PROTOCOLS[name]
        base = servers.urls[scheme]
        past = "c=past=1;Expires=Thu,%2001%20Jan%201970%2000:00:01%20GMT"
        servers.run(get(f"{base}/set?c=short=1;Max-Age=1&c=long=1;Max-Age=1000&{past}", more), get(f"{base}/echo", more),
                    get(f"{base}/echo", more, delay=3500))
        assert [cookies(s) for s in servers.seen()] == [[], ["long=1", "short=1"], ["long=1"]], name


@test
def each_client_has_a_jar_of_its_own(t):
    servers = Servers(t)
    for name, (scheme, more) in PROTOCOLS.items():
        base = servers.urls[scheme]
        servers.run(get(f"{base}/set?c=id=$uuid()", more), get(f"{base}/echo", more, requestCount=3),
                    clients=4)
        by_cookie = collections.Counter(s.headers.get("cookie") for s in servers.seen())
        assert by_cookie.pop(None) == 4 and sorted(by_cookie.values()) == [3] * 4, (name, by_cookie)


@test
def a_domain_has_its_cookies_also_by_proxy(t):
    servers = Servers(t)
    more = {"version": "1.1"}
    servers.run(get("http://www.a.example/set?c=all=1;Domain=a.example&c=www=1&c=no=1;Domain=b.example", more),
                get("http://www.a.example/echo", more), get("http://a.example/echo", more), get("http://xa.example/echo", more),
                get("http://a.example/to/302?to=http://sub.a.example/echo", more), Proxy=servers.urls["http"])
    seen = servers.seen()
    assert [(s.url.partition("?")[0], cookies(s)) for s in seen] == [
        ("http://www.a.example/set", []), ("http://www.a.example/echo", ["all=1", "www=1"]), ("http://a.example/echo", ["all=1"]),
        ("http://xa.example/echo", []), ("http://a.example/to/302", ["all=1"]), ("http://sub.a.example/echo", ["all=1"])], seen


# --- Redirects ---

@test
def a_chain_is_one_request_up_to_its_limit(t):
    servers = Servers(t)
    for name, (scheme, more) in PROTOCOLS.items():
        base = servers.urls[scheme]
        totals = servers.run(get(f"{base}/chain/5", more))
        seen = servers.seen()
        assert [s.url for s in seen] == [f"/chain/{i}" for i in range(5, -1, -1)], name
        assert cookies(seen[-1]) == [f"hop{i}=1" for i in range(1, 6)], name
        assert len({s.peer for s in seen}) == 1, name
        assert (totals["requests"], totals["completed"], totals["statusCodes"]) == (1, 1, {"200": 1}), (name, totals)
        assert totals["connections"]["opened"] == 1 and totals["bytes"]["bodyReceived"] == 6 * len("chain"), (name, totals)
        for path in ("/chain/6", "/to/307?to="):
            totals = servers.run(get(base + path, more))
            assert len(servers.seen()) == 6, (name, path)
            assert (totals["completed"], totals["failed"]) == (1, 0), (name, totals)
            assert totals["statusCodes"] == {"302" if "chain" in path else "307": 1}, (name, totals)


@test
def the_status_says_what_is_asked_next(t):
    servers = Servers(t)
    payload = {"payload": {"raw": "the body"}, "headers": {"Content-Type": "text/x"}}
    for name, (scheme, more) in PROTOCOLS.items():
        for status, method, expected in ((301, "POST", "GET"), (302, "POST", "GET"), (303, "PUT", "GET"), (303, "HEAD", "HEAD"),
                                         (307, "POST", "POST"), (308, "PUT", "PUT"), (302, "PUT", "PUT")):
            asked = {**more, **payload} if method != "HEAD" else more
            servers.run(get(f"{servers.urls[scheme]}/to/{status}?to=/there?x=y", asked, method))
            first, then = servers.seen()
            assert (first.method, then.method, then.url) == (method, expected, "/there?x=y"), (name, status, then)
            kept = method == expected and method != "HEAD"
            assert (then.body, then.headers.get("content-type")) == (("the body", "text/x") if kept else ("", None)), (name, status, then)


@test
def redirects_lead_across_servers_and_versions(t):
    servers = Servers(t)
    secrets = {"headers": {"Authorization": "Basic x", "X-Mine": "y"}}
    for name, (scheme, more) in PROTOCOLS.items():
        for other in servers.urls:
            if other == scheme or (other == "h2c") != ("supportH2C" in more and other != "https"):
                continue  # prior knowledge is for all servers in clear text, or for none
            totals = servers.run(get(f"{servers.urls[scheme]}/to/307?to=@{other}/end", {**more, **secrets}, requestCount=3))
            seen = servers.seen()
            assert [s.server for s in seen] == [scheme, other] * 3, (name, other, seen)
            assert (totals["completed"], totals["statusCodes"]) == (3, {"200": 3}), (name, other, totals)
            assert totals["connections"]["opened"] == 2, (name, other, totals)
            for first, then in zip(seen[::2], seen[1::2]):
                assert first.headers["authorization"] == "Basic x" and "authorization" not in then.headers, (name, other)
                assert then.headers["x-mine"] == "y", (name, other)
                assert then.version == ("2.0" if more["version"] == "2.0" and other in ("https", "h2c") else "1.1"), (name, other, then)


@test
def what_leads_nowhere_is_the_answer(t):
    servers = Servers(t)
    for name, (scheme, more) in PROTOCOLS.items():
        base = servers.urls[scheme]
        for to in ("mailto:a@example.org", "http://[::/", "http://user@127.0.0.1/", "ftp://127.0.0.1/"):
            totals = servers.run(get(f"{base}/to/302?to={to}", more))
            assert len(servers.seen()) == 1 and totals["statusCodes"] == {"302": 1}, (name, to, totals)
        totals = servers.run(get(f"{base}/to/304?to=/x", more), get(f"{base}/to/201?to=/x", more))
        assert len(servers.seen()) == 2 and totals["statusCodes"] == {"201": 1, "304": 1}, (name, totals)


@test
def a_place_that_is_not_there_is_a_failure(t):
    servers = Servers(t)
    for name, (scheme, more) in PROTOCOLS.items():
        totals = servers.run(get(f"{servers.urls[scheme]}/to/302?to=http://127.0.0.1:1/", more), exit_code=1)
        assert (totals["requests"], totals["failed"], totals["statusCodes"]) == (1, 1, {}), (name, totals)
        assert [e["kind"] for e in totals["errorKinds"] if e["count"]] == ["refused"], (name, totals)


@test
def timeouts_cover_the_whole_chain(t):
    servers = Servers(t)
    for name, (scheme, more) in PROTOCOLS.items():
        base = servers.urls[scheme]
        nested = f"{base}/to/302?after=400&to=/to/302?after=400%26to=/to/302?after=400%2526to=/end"
        totals = servers.run(get(nested, more), ClientTimeoutInSeconds=0.9, exit_code=1)
        assert [e["kind"] for e in totals["errorKinds"] if e["count"]] == ["timeout-first-byte"], (name, totals)
        assert 2 <= len(servers.seen()) <= 3, name
        totals = servers.run(get(nested, more), ClientTimeoutInSeconds=20, FirstByteTimeoutInSeconds=5)
        service, wait = totals["latencyUs"]["service"], totals["latencyUs"]["wait"]
        assert totals["statusCodes"] == {"200": 1} and service["min"] >= 1_200_000 > 400_000 > wait["max"], (name, totals)


@test
def an_abort_amid_a_chain_is_one(t):
    servers = Servers(t)
    for name, (scheme, more) in PROTOCOLS.items():
        plan = servers.plan([get(f"{servers.urls[scheme]}/to/302?to=/hang", more)], clients=3)
        servers.n_before += len(servers.seen())
        driven = runner.Runner(program("lps-runner"), plan)
        try:
            until("the second requests came", lambda: sum(s.url == "/hang" for s in servers.seen()) == 3)
            driven.stop()
            totals = driven.totals(20)
        finally:
            driven.close()
        assert (totals["started"], totals["aborted"], totals.get("completed", 0)) == (3, 3, 0), (name, totals)
        until("the server saw their end", lambda: sum(s.url == "closed" for s in servers.seen()) == 3)


@test
def what_a_rule_ends_is_cut_and_nothing_else(t):
    servers = Servers(t)
    for name, (scheme, more) in PROTOCOLS.items():
        base = servers.urls[scheme]
        ends = {"mode": "DCB", "duration": 60, "batchSize": 4, "coolDownTime": 50000, "terminationRules": [{"expression": "1 = 1"}]}
        plan = servers.plan([get(f"{base}/hang", more, **ends), get(f"{base}/to/200?after=150&to=/", more, requestCount=10, delay=200)])
        plan["rounds"][0]["runInParallel"] = True
        # Two of those that hang have a connection in HTTP/1: two wait for one, and so does the other iteration.
        _, series = servers.run_plan(plan, exit_code=1, MaxConnectionsPerServer=2)
        hang, other = ({s["iteration"]: s for s in series}[f"i{i}"] for i in range(2))
        assert (hang["requests"], hang["aborted"], hang["completed"]) == (4, 4, 0), (name, hang)
        assert (other["requests"], other["completed"]) == (10, 10), (name, other)
        n_sent = sum(s.url == "/hang" for s in servers.seen())
        assert n_sent == (4 if more["version"] == "2.0" else 2), (name, n_sent)
        until("the server saw their end", lambda: sum(s.url == "closed" for s in servers.seen()) == n_sent)


# --- What is read of answers ---

@test
def encodings_are_undone_where_a_body_is_read(t):
    servers = Servers(t)
    for name, (scheme, more) in PROTOCOLS.items():
        base = servers.urls[scheme]
        for coding in ("gzip", "deflate", "raw", "identity"):
            capture = {"capture": {"to": "seen", "as": "Json"}}
            totals = servers.run(get(f"{base}/to/302?to=/coded/{coding}", {**more, **capture}),
                                 get(f"{base}/echo/${{seen.Body.word}}", more))
            assert servers.seen()[-1].url == "/echo/undone", (name, coding, servers.seen()[-1])
            assert totals["completed"] == 2, (name, totals)


@test
def what_a_page_names_is_where_redirects_led(t):
    servers = Servers(t)
    for name, (scheme, more) in PROTOCOLS.items():
        asked = {**more, "downloadHtmlEmbeddedResources": True}
        totals = servers.run(get(f"{servers.urls[scheme]}/to/302?to=/page/there", asked))
        assert [s.url for s in servers.seen()[1:]] == ["/page/there", "/page/image"], (name, servers.seen())
        assert (totals["requests"], totals["completed"]) == (1, 1), (name, totals)
        assert totals["connections"]["opened"] == 1, (name, totals)


@test
def what_a_server_says_of_its_time_is_recorded(t):
    servers = Servers(t)
    for name, (scheme, more) in PROTOCOLS.items():
        path = servers.urls[scheme] + "/timed?t=db;dur=12.5&t=cache;dur=2,app;dur=5"
        totals = servers.run(get(path, more, requestCount=3), ServerTimeHeader="server-TIMING")
        found = {kind: (h["count"], h["max"]) for kind, h in totals["latencyUs"].items() if kind.startswith("server")}
        assert found == {"server": (3, 19500), "server-db": (3, 12500), "server-cache": (3, 2000), "server-app": (3, 5000)}, (name, found)
        totals = servers.run(get(path + "&to=/timed?t=7", more), ServerTimeHeader="Server-Timing", ServerTimeFormat="Milliseconds")
        found = {kind: (h["count"], h["max"]) for kind, h in totals["latencyUs"].items() if kind.startswith("server")}
        assert found == {"server": (1, 7000)}, (name, found)  # the final answer's
        totals = servers.run(get(path, more))
        assert not [kind for kind in totals["latencyUs"] if kind.startswith("server")], (name, totals)


if __name__ == "__main__":
    main()
