#!/usr/bin/python3
"""What the runner sends and counts, against a target that counts too: every protocol, schedule and misbehaviour."""
from lps import main, test

PROTOCOLS = {
    "HTTP/1.0": ("http", ("-hv", "1.0")),
    "HTTP/1.1": ("http", ("-hv", "1.1")),
    "HTTP/1.1 over TLS": ("https", ("-hv", "1.1")),
    "HTTP/2 over TLS": ("https", ("-hv", "2.0")),
    "HTTP/2 in clear text": ("http", ("-hv", "2.0", "-h2c", "true")),
}


def run(t, url, *args, exit_code=0):
    """Totals of a local run that ended with this code."""
    lps = t.lps("--local", "--json", "--quiet", "--url", url, *args)
    assert lps.wait(60) == exit_code, f"{url} {args}: exit {lps.popen.returncode}: {lps.err}"
    totals = lps.json()["totals"]
    assert totals["requests"] == totals["completed"] + totals["failed"] + totals["aborted"], totals
    return totals


def served(target, path):
    return target.counts()["paths"].get(path, 0)


@test(fast=True)
def each_protocol_counts_what_the_target_counts(t):
    target = t.target()
    for name, (scheme, options) in PROTOCOLS.items():
        before = target.counts()
        totals = run(t, getattr(target, scheme) + "/", "-rc", "40", "-nc", "5", *options)
        after = target.counts()
        assert totals["completed"] == totals["statusCodes"]["200"] == 200, (name, totals)
        version = "http2" if "HTTP/2" in name else "http1"
        assert after[version] - before[version] == 200, (name, before, after)
        opened = 200 if name == "HTTP/1.0" else 5
        assert totals["connections"]["opened"] == opened, (name, totals["connections"])
        assert totals["bytes"]["bodyReceived"] == 200 * 12, (name, totals["bytes"])


@test(fast=True)
def batches_are_sent_whole(t):
    target = t.target()
    crb = ("-im", "CRB", "-rc", "25", "-bs", "10", "-cdt", "50", "-nc", "2")
    dcb = ("-im", "DCB", "-d", "1", "-bs", "2", "-cdt", "400", "-nc", "3")
    for scheme in ("http", "https"):
        before = served(target, "/delay/20")
        assert run(t, getattr(target, scheme) + "/delay/20", *crb)["completed"] == 50
        totals = run(t, getattr(target, scheme) + "/delay/20", *dcb)
        assert totals["completed"] == 18, totals  # at 0, 400 and 800 ms
        assert served(target, "/delay/20") - before == 68
        assert totals["latencyUs"]["response"]["count"] == totals["latencyUs"]["lag"]["count"] == 18


@test
def a_rate_is_kept_exactly_or_what_is_missing_counts_as_dropped(t):
    target = t.target()
    totals = run(t, target.http + "/", "--rate", "500", "-d", "2")
    assert totals["requests"] + totals["dropped"] == 1000, totals
    assert served(target, "/") == totals["completed"], totals
    totals = run(t, target.http + "/", "--ramp", "200:2", "--pacing", "batched")
    assert totals["requests"] + totals["dropped"] == 200, totals
    # Two in flight for 100 ms each: 20 a second of the 100 that are due.
    totals = run(t, target.http + "/delay/100", "--rate", "100", "-d", "1", "-nc", "2")
    assert totals["requests"] + totals["dropped"] == 100 and totals["dropped"] >= 75, totals


@test
def a_stall_shows_in_the_response_latency(t):
    target = t.target("--stall", "500:1000")
    totals = run(t, target.http + "/", "--rate", "200", "-d", "2", "-nc", "1000")
    # What was due before a busy machine had started the runner is dropped.
    assert totals["completed"] + totals["dropped"] == 400 and totals["dropped"] < 20, totals
    response = totals["latencyUs"]["response"]
    # A request is due each 5 ms; those of the stall wait for its end: 200 of them, from 1 s down to nothing.
    assert response["max"] >= 950_000 and response["p90"] >= 700_000, response
    assert response["p99"] >= 900_000, response


@test
def misbehaviour_is_counted_by_kind(t):
    target = t.target()
    http1, http2 = ("http", ("-hv", "1.1")), ("https", ("-hv", "2.0"))
    for (scheme, options), path, kinds in (
            (http1, "/close", {"closed"}), (http1, "/reset", {"reset"}), (http1, "/garbage", {"protocol"}),
            (http1, "/bad-chunk", {"protocol"}), (http1, "/endless-headers", {"too-large"}),
            (http1, "/headers/10000", {"too-large"}), (http1, "/early-close/100", {"closed"}),
            (http2, "/reset", {"reset"}), (http2, "/garbage", {"protocol"}), (http2, "/headers/10000", {"too-large"}),
            (http2, "/close", {"closed", "reset"}), (http2, "/early-close/100", {"protocol"})):
        totals = run(t, getattr(target, scheme) + path, "-rc", "3", "-nc", "2", *options, exit_code=1)
        assert totals["failed"] == 6 and totals["completed"] == 0, (path, totals)
        found = {e["kind"] for e in totals["errorKinds"] if e["count"] > 0}
        assert found and found <= kinds, (scheme, path, found)


@test
def odd_answers_that_are_whole_count_as_answers(t):
    target = t.target()
    for path in ("/both-lengths", "/obs-fold", "/bare-lf", "/1xx/20", "/trailers", "/http10", "/http10-keep", "/chunked/5000"):
        totals = run(t, target.http + path, "-rc", "4", "-nc", "2", "-hv", "1.1")
        assert totals["statusCodes"] == {"200": 8}, (path, totals)
    for options in (("http", "-hv", "1.1"), ("https", "-hv", "2.0")):
        # The last answer of each connection is a plain goodbye: the request goes out again.
        totals = run(t, getattr(target, options[0]) + "/drop-after/3", "-rc", "9", "-nc", "2", *options[1:])
        assert totals["completed"] == 18, totals


if __name__ == "__main__":
    main()
