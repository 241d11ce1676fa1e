#!/usr/bin/python3
"""Targets that misbehave: every failure is counted by its kind, nobody crashes, memory stays bounded."""
import re
import socket

from lps import Skip, children, free_port, main, sanitized, test, until

SETTINGS = '{"HttpClient": {"ClientTimeoutInSeconds": 1}, "Cluster": {"DrainTimeout": 0.5}}'


def local(t, url, *args):
    return t.lps("--local", "--config", t.file("lps.json", SETTINGS), "-u", url, "--json", *args)


def counted_as(t, kind, url, n, *args, code=1):
    lps = local(t, url, "-rc", str(n), *args)
    assert lps.wait() == code, lps.err
    document = lps.json()
    kinds = {e["kind"]: e["count"] for e in document["totals"]["errorKinds"] if e["count"]}
    assert kinds == {kind: n}, kinds
    assert document["totals"]["failed"] == n
    assert document["verdict"]["reasons"], "says which rule fired"
    return document


@test(fast=True)
def refused(t):
    document = counted_as(t, "refused", f"http://127.0.0.1:{free_port()}/", 3)
    assert document["totals"]["completed"] == 0


@test
def resets(t):
    counted_as(t, "reset", t.target().http + "/reset", 3)


@test
def closes_in_mid_body(t):
    counted_as(t, "closed", t.target().http + "/close", 3)


@test
def closes_in_mid_body_of_tls(t):
    counted_as(t, "closed", t.target().https + "/close", 3)


@test
def never_answers(t):
    counted_as(t, "timeout-first-byte", t.target().http + "/hang", 2)


@test
def answers_too_slowly(t):
    lps = local(t, t.target().http + "/slow-body", "-rc", "1")
    lps.wait()
    kinds = {e["kind"] for e in lps.json()["totals"]["errorKinds"] if e["count"]}
    assert kinds <= {"timeout-body"}, kinds  # the body takes as long as the limit


@test
def sends_garbage(t):
    counted_as(t, "protocol", t.target().http + "/garbage", 3)


@test
def speaks_no_tls(t):
    counted_as(t, "tls", t.target().http.replace("http:", "https:") + "/", 2)


@test
def unknown_host(t):
    counted_as(t, "dns", "http://nobody.invalid/", 2)


@test
def does_not_accept(t):
    with socket.socket() as s:  # a full backlog: the kernel drops further connection requests
        s.bind(("127.0.0.1", 0))
        s.listen(0)
        fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(s.getsockname())
            fillers.append(filler)
        counted_as(t, "timeout-connect", f"http://127.0.0.1:{s.getsockname()[1]}/", 1)
        for filler in fillers:
            filler.close()


@test
def http_errors_are_responses(t):
    for status in (404, 503):
        lps = local(t, t.target().http + f"/status/{status}", "-rc", "5")
        assert lps.wait() == 1
        totals = lps.json()["totals"]
        assert totals["statusCodes"] == {str(status): 5} and totals["completed"] == 5 and totals["errors"] == 5, totals


@test
def idle_connections_may_be_closed(t):
    """A server may close a kept connection at any time: no request fails for it (RFC 9112 section 9.6)."""
    target = t.target()
    lps = local(t, target.http + "/drop-after/5", "-rc", "20")
    lps.wait()
    totals = lps.json()["totals"]
    assert totals["requests"] == totals["completed"] + totals["failed"] + totals["aborted"] == 20, totals
    assert totals["connections"]["opened"] >= 4


@test
def every_shape_of_body(t):
    target = t.target()
    for path, n in (("/bytes/0", 0), ("/bytes/1", 1), ("/bytes/300000", 300000), ("/chunked/0", 0), ("/chunked/123456", 123456),
                    ("/status/204", 0)):
        lps = local(t, target.http + path, "-rc", "3")
        assert lps.wait() == 0, path
        assert lps.json()["totals"]["bytes"]["bodyReceived"] == 3 * n, path
    assert target.counts()["requests"] == 18


@test
def runner_memory_is_bounded(t):
    """20 clients against each misbehaviour at once, as fast as it goes; the runner's peak stays small."""
    if sanitized():
        raise Skip("a sanitizer's memory is not the runner's")
    target = t.target()
    for path in ("/garbage", "/reset", "/close", "/bytes/5000000"):
        lps = local(t, target.http + path, "-d", "2", "-nc", "20")
        runner = until("the runner is there", lambda lps=lps: children(lps.pid))[0]
        peak = 0
        while lps.popen.poll() is None:
            try:
                with open(f"/proc/{runner}/status", encoding="ascii") as f:
                    peak = int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])
            except (OSError, TypeError):
                break
        lps.wait()
        assert 0 < peak < 100 * 1024, f"{path}: {peak} KiB"


@test
def through_a_cluster(t):
    cluster = t.cluster(expected=2, timeout_s=1).start(2)
    target = t.target()
    for path, kind in (("/reset", "reset"), ("/close", "closed"), ("/hang", "timeout-first-byte"), ("/garbage", "protocol")):
        all_lps = [cluster.lps(node, "-u", target.http + path, "-rc", "2", "--json") for node in ("w1", "w2")]
        assert [lps.wait() for lps in all_lps] == [1, 1], path
        kinds = {e["kind"]: e["count"] for e in all_lps[0].json()["totals"]["errorKinds"] if e["count"]}
        assert kinds == {kind: 4}, (path, kinds)
    refusing = f"http://127.0.0.1:{free_port()}/"
    all_lps = [cluster.lps(node, "-u", refusing, "-rc", "2", "--json") for node in ("w1", "w2")]
    assert [lps.wait() for lps in all_lps] == [1, 1], "a run in which everything was refused does not exit 0"


if __name__ == "__main__":
    main()
