#!/usr/bin/python3
"""What the runner sends and counts, against web servers of others and what they log: nginx, Apache, nghttpd, node, OpenSSL."""
import collections
import itertools
import json
import signal
import ssl
import urllib.request

from lps import children, main, test, until
from servers import BIG, HELLO, PROTOCOLS, Apache, Nghttpd, Nginx, Node, OpensslServer, certificate

POSTED = 100 * 1024
# What is asked for: path, options, status, bytes of body.
GET = ("/hello", (), 200, len(HELLO))
DOWNLOAD = ("/big", (), 200, BIG)
HEAD = ("/big", ("-hm", "HEAD"), 200, 0)
CHUNKED = ("/chunked", (), 200, BIG)
NO_CONTENT = ("/none", (), 204, 0)
NOT_MODIFIED = ("/hello", ("-h", "If-None-Match: *"), 304, 0)
POST = ("/post", ("-hm", "POST"), 200, len(HELLO))
SOME = (GET, DOWNLOAD, POST)
ALL = (*SOME, HEAD, CHUNKED, NO_CONTENT, NOT_MODIFIED)
WORKS = {"HTTP/1.1": ALL, "HTTP/1.1 over TLS": SOME, "HTTP/2 over TLS": ALL, "HTTP/2 in clear text": SOME}

_queries = itertools.count(1)


class Run:
    """A local run; `totals` and the server's `lines` of it once it is finished."""

    def __init__(self, t, server, protocol, path, *args, **settings):
        scheme, self.version, options = PROTOCOLS[protocol]
        self.what = f"{protocol} {path} {' '.join(args)}"
        query = next(_queries)
        self.server, self.path = server, f"{path}?{query}"
        if settings:
            args += ("--config", t.file(f"lps-{query}.json", json.dumps(settings)))
        if "POST" in args:
            args += ("-p", "Path:" + t.file(f"posted-{query}", bytes(POSTED)))
        self.lps = t.lps("--local", "--json", "--quiet", "--url", server.urls[scheme] + self.path, *options, *args)

    def finish(self, exit_code=0, lost=0):
        """Everything that was sent is in the server's log, by this protocol, on the connections that were counted. lost: so many may
        have been reset on new connections."""
        assert self.lps.wait(60) == exit_code, f"{self.what}: exit {self.lps.popen.returncode}: {self.lps.err} {self.lps.out}"
        self.totals = totals = self.lps.json()["totals"]
        answered = totals["requests"] - totals["failed"]
        assert totals["failed"] <= lost and answered == totals["completed"] + totals["aborted"], (self.what, totals)
        assert {error["kind"] for error in totals["errorKinds"]} <= {"reset", "closed"}, (self.what, totals)
        self.lines = self.server.await_lines(self.path, answered)
        assert answered <= len(self.lines) <= totals["requests"], (self.what, len(self.lines), totals)
        assert {line.version for line in self.lines} == {self.version}, (self.what, self.lines[0])
        self.opened, self.bytes = totals["connections"]["opened"], totals["bytes"]
        assert self.opened - totals["failed"] <= len(self.peers()) <= self.opened, (self.what, self.peers(), totals["connections"])
        return self

    def peers(self, fits=lambda line: True):
        """Connections, with how many requests of each fit."""
        return collections.Counter(line.peer for line in self.lines if fits(line))

    def sum(self, field):
        return sum(getattr(line, field) for line in self.lines)

    def statuses(self):
        return {str(status): n for status, n in collections.Counter(line.status for line in self.lines).items()}

    def check_all(self, n, status=200, body=len(HELLO)):
        """All n were answered so; the log has the same."""
        assert self.totals["statusCodes"] == self.statuses() == {str(status): n}, (self.what, self.totals, self.statuses())
        assert self.totals["completed"] == n, (self.what, self.totals)
        assert self.bytes["bodyReceived"] == n * body, (self.what, self.bytes)
        return self


def answers(t, server, works_of=WORKS):
    """The works of each protocol, side by side; each of three clients that keep their connections."""
    for protocol, works in works_of.items():
        runs = [(work, Run(t, server, protocol, work[0], *work[1], "-rc", "5", "-nc", "3")) for work in works]
        for (_, options, status, body), run in runs:
            run.finish().check_all(15, status, body)
            assert run.totals["connections"] == {"opened": 3, "reused": 12}, (run.what, run.totals["connections"])
            posted = 15 * POSTED * ("POST" in options)
            assert run.bytes["bodySent"] == posted <= server.received(run.path), (run.what, run.bytes, server.received(run.path))
            yield run


def multiplexes(t, server, *protocols):
    """Batches of ten in HTTP/2 share one connection, and have one each in HTTP/1.1."""
    for protocol in protocols:
        run = Run(t, server, protocol, "/hello", "-im", "CRB", "-rc", "20", "-bs", "10", "-cdt", "20", "-nc", "2")
        run.finish().check_all(40)
        fits = run.opened == 2 if "HTTP/2" in protocol else 20 <= run.opened <= 40
        assert fits, (run.what, run.opened)


def is_chunked(server):
    with urllib.request.urlopen(server.urls["http"] + "/chunked", timeout=10) as reply:
        return reply.headers["Transfer-Encoding"] == "chunked" and len(reply.read()) == BIG


@test
def nginx_is_spoken_to(t):
    server = Nginx(t)
    assert is_chunked(server)
    for run in answers(t, server):
        if run.version == "HTTP/1.1":
            # It counts what TLS carries, as the runner does.
            assert run.bytes["received"] == run.sum("sent"), (run.what, run.bytes, run.sum("sent"))
            assert run.bytes["sent"] == run.sum("received"), (run.what, run.bytes, run.sum("received"))
    multiplexes(t, server, *PROTOCOLS)


@test
def apache_is_spoken_to(t):
    server = Apache(t)
    assert is_chunked(server)
    for run in answers(t, server):
        if run.what.startswith("HTTP/1.1 /"):
            assert run.bytes["received"] == run.sum("sent"), (run.what, run.bytes, run.sum("sent"))
    multiplexes(t, server, "HTTP/2 over TLS", "HTTP/2 in clear text")


@test
def node_is_spoken_to(t):
    server = Node(t)
    assert is_chunked(server)
    for run in answers(t, server):
        assert run.bytes["bodyReceived"] == run.sum("body"), (run.what, run.bytes, run.sum("body"))
    multiplexes(t, server, "HTTP/2 over TLS", "HTTP/2 in clear text")


@test
def a_server_without_http2_is_spoken_to_in_http1(t):
    server = Node(t)
    server.urls["https"] = server.urls["https1"]
    for run in answers(t, server, {"HTTP/1.1 over TLS": SOME}):
        assert {line.tls for line in run.lines} == {"TLSv1.3"}, run.lines[0]
    run = Run(t, server, "HTTP/2 over TLS", "/hello", "-rc", "10", "-nc", "3")
    run.version = "HTTP/1.1"
    run.finish().check_all(30)
    assert run.opened == 3, run.totals


@test
def nghttpd_is_spoken_to(t):
    not_modified = ("/hello", ("-h", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"), 304, 0)
    works = (GET, DOWNLOAD, HEAD, not_modified, ("/hello", *POST[1:]))
    for tls, protocol in ((True, "HTTP/2 over TLS"), (False, "HTTP/2 in clear text")):
        server = Nghttpd(t, tls)
        for run in answers(t, server, {protocol: works}):
            assert run.bytes["bodyReceived"] == run.sum("body"), (run.what, run.bytes, run.sum("body"))
        multiplexes(t, server, protocol)


@test
def openssl_is_spoken_to(t):
    servers = [OpensslServer(t, "-WWW", version) for version in ("-tls1_2", "-tls1_3")]
    for path, body in (("/hello", len(HELLO)), ("/big", BIG)):
        runs = [(server, t.lps("--local", "--json", "--quiet", "--url", server.urls["https"] + path, "-rc", "5", "-nc", "2"))
                for server in servers]
        for server, lps in runs:
            assert lps.wait(60) == 0, (path, lps.err, lps.out)
            totals = lps.json()["totals"]
            # Its bodies end with the connection.
            assert totals["statusCodes"] == {"200": 10} and totals["connections"]["opened"] == 10, (path, totals)
            assert totals["bytes"]["bodyReceived"] == 10 * body, (path, totals["bytes"])
            assert server.files().count(path[1:]) == 10, (path, server.files())


@test
def openssl_resumes_the_sessions_of_a_client(t):
    for version in ("-tls1_2", "-tls1_3"):
        server = OpensslServer(t, "-www", version)
        lps = t.lps("--local", "--json", "--quiet", "--url", server.urls["https"] + "/", "-rc", "5", "-nc", "2")
        assert lps.wait(60) == 0 and lps.json()["totals"]["statusCodes"] == {"200": 10}, (version, lps.err, lps.out)
        context = ssl.create_default_context(cafile=certificate(t)[0])
        context.check_hostname = False
        with urllib.request.urlopen(server.urls["https"] + "/", context=context, timeout=10) as page:
            counters = server.counters(page.read().decode())
        # The first connection of each client had nothing to resume; nor had this one.
        assert counters == {"finished": 11, "hits": 8}, (version, counters)


@test
def connections_that_a_server_limits_lose_nothing(t):
    http1 = [name for name in PROTOCOLS if "HTTP/1.1" in name]
    node = Node(t, keep_alive=10)
    node.urls["https"] = node.urls["https1"]
    # Apache counts only those after the first.
    for server, protocols, most in ((Nginx(t, "keepalive_requests 10;"), PROTOCOLS, 10),
                                    (Apache(t, "MaxKeepAliveRequests 10"), http1, 11), (node, http1, 10)):
        runs = [Run(t, server, protocol, "/hello", "-rc", "40", "-nc", "3") for protocol in protocols]
        for run in runs:
            run.finish().check_all(120)
            # A client resumes the TLS session of the connection before.
            assert max(run.peers().values()) == most and run.opened == 12, (server.process.name, run.what, run.peers())
            resumed = run.peers(lambda line: line.resumed)
            assert len(resumed) == (9 if "TLS" in run.what else 0), (server.process.name, run.what, resumed)


@test
def tls_sessions_of_either_version_are_resumed(t):
    for version in ("TLSv1.2", "TLSv1.3"):
        server = Nginx(t, "keepalive_requests 5;", workers=2, tls=version)
        runs = [Run(t, server, protocol, "/hello", "-rc", "20", "-nc", "3") for protocol in PROTOCOLS if "TLS" in protocol]
        for run in runs:
            run.finish().check_all(60)
            assert {line.tls for line in run.lines} == {version}, (run.what, run.lines[0])
            assert run.opened == 12 and len(run.peers(lambda line: line.resumed)) == 9, (version, run.what, run.peers())
        server.process.stop()


@test
def batches_keep_to_the_streams_that_a_server_allows(t):
    batches = ("-im", "CRB", "-rc", "40", "-bs", "20", "-cdt", "50", "-nc", "2")
    server = Nginx(t, "http2_max_concurrent_streams 5;")
    for protocol in ("HTTP/2 over TLS", "HTTP/2 in clear text"):
        Run(t, server, protocol, "/hello", *batches).finish().check_all(80)
    server = Nghttpd(t, True, "-m", "5")
    Run(t, server, "HTTP/2 over TLS", "/hello", *batches).finish().check_all(80)


@test
def answers_that_come_before_the_body_count(t):
    nginx, apache = Nginx(t), Apache(t)
    for server, path, protocol in ((nginx, "/ignored", "HTTP/1.1"), (nginx, "/ignored", "HTTP/2 over TLS"),
                                   (apache, "/hello", "HTTP/1.1"), (apache, "/hello", "HTTP/2 in clear text")):
        run = Run(t, server, protocol, path, "-hm", "POST", "-rc", "5", "-nc", "3").finish().check_all(15)
        assert run.opened == 3 and run.bytes["bodySent"] <= 15 * POSTED, (run.what, run.totals)


@test
def the_access_log_is_the_summary(t):
    server = Nginx(t, "keepalive_requests 1000000;")
    for way in (("-d", "2", "-nc", "10"), ("--rate", "200", "-d", "2")):
        runs = [Run(t, server, protocol, "/hello", *way) for protocol in PROTOCOLS]
        for run in runs:
            run.finish().check_all(run.totals["requests"])
            assert run.bytes["bodyReceived"] == run.sum("body"), (run.what, run.bytes, run.sum("body"))
            if "--rate" in way:
                assert run.totals["requests"] + run.totals["dropped"] == 400, (run.what, run.totals)
            else:
                assert run.opened == 10 < len(run.lines), (run.what, run.totals)


@test
def what_a_cancel_cuts_short_is_in_the_log_too(t):
    server = Nginx(t)
    runs = [Run(t, server, protocol, "/slow", "-rc", "1", "-nc", "5", Cluster={"DrainTimeout": 0}) for protocol in PROTOCOLS]
    until("all requests are being answered", lambda: server.answering() == 5 * len(runs))
    for run in runs:
        run.lps.interrupt()
    for run in runs:
        run.finish(130)
        assert run.totals["aborted"] == 5 and run.totals["completed"] == 0, (run.what, run.totals)
        assert run.bytes["bodyReceived"] <= run.sum("body") < 5 * BIG, (run.what, run.bytes, run.sum("body"))


@test
def servers_that_reload_fail_no_kept_connection(t):
    # An old worker of nginx does not end a connection of HTTP/2 that was busy when the reload came; a limit of requests does.
    nginx, apache = Nginx(t, "keepalive_requests 300;", workers=2), Apache(t, "MaxKeepAliveRequests 0")
    for server, reload in ((nginx, signal.SIGHUP), (apache, signal.SIGUSR1)):
        way = ("/hello", "-d", "300", "-nc", "5")
        runs = [Run(t, server, protocol, *way, Cluster={"DrainTimeout": 60}) for protocol in PROTOCOLS]
        for run in runs:
            until(f"{run.what} has its connections", lambda run=run: len({line.peer for line in server.lines(run.path)}) >= 5)
        for _ in range(2):
            old = set(children(server.process.pid))
            server.process.signal(reload)
            # They go once their last connection is closed.
            until("the old workers are gone", lambda old=old: not old & set(children(server.process.pid)), 30)
        for run in runs:
            run.lps.interrupt()
        for run in runs:
            # An old worker resets what it took just before it goes: its failure, and no re-sending hides it.
            run.finish(130, lost=10).check_all(run.totals["completed"])
            assert run.opened >= 10, (run.what, run.totals)


if __name__ == "__main__":
    main()
