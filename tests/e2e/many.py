#!/usr/bin/python3
"""Many at once: connections, virtual users that wait, requests at a rate, runs one after another; and what each of them takes."""
import os
import re
import resource
import sys

from lps import ROOT, Skip, children, get, main, program, sanitized, test, until

sys.path.insert(0, os.path.join(ROOT, "tests/bench"))
import measure  # noqa: E402
import runner  # noqa: E402

KIB_PER_PLAIN, KIB_PER_TLS, KIB_PER_HTTP2 = 1, 24, 64
WAITING_MIB = 100
# (seconds from the first connections to the others, seconds to each answer): longer where the machine is slow.
PACES = ((1.5, 6), (6, 20), (10, 40))


def rss_kib(pid):
    """Of a process and all that it started."""
    return measure.memory_kib(pid, "Rss", "smaps_rollup")


def settled_kib(pid):
    """Once two looks agree: what follows a handshake has come in."""
    last = []

    def look():
        last.append(rss_kib(pid))
        return last[-1] if last[-2:-1] == last[-1:] else None
    return until("memory is settled", look)


def n_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def unsanitized():
    if sanitized():
        raise Skip("a sanitizer has memory and descriptors of its own")


# --- Connections that wait for an answer ---

def n_requests(target):
    """Its turn comes after those of thousands of handshakes."""
    return get(target.http + "/count", timeout=60)["requests"]


def held_kib(driven, target, n):
    """Memory while n connections wait, or None when it is too late to see them all."""
    until(f"{n} requests came", lambda: n_requests(target) >= n, 60)
    kib = settled_kib(driven.popen.pid)
    return kib if n_requests(target) == n and n_descriptors(driven.popen.pid) >= n else None


def slope(target, scheme, version, few, many, gap_s, delay_s):
    """KiB of one connection more, or None when the machine was too slow for this pace."""
    iteration = {"name": "i", "mode": "R", "requestCount": 1,
                 "httpRequest": runner.request(f"{getattr(target, scheme)}/delay/{delay_s * 1000}", version)}
    stages = [{"numberOfClients": few}, {"numberOfClients": many - few, "startupDelay": int(gap_s * 1000)}]
    plan = {"name": "Many", "rounds": [{"name": "r", "stages": stages, "iterations": [iteration]}]}
    before = target.counts()
    driven = runner.Runner(program("lps-runner"), plan, timeout_ms=300000)
    try:
        first = held_kib(driven, target, few)
        second = first and held_kib(driven, target, many)
        if second is None:
            return None
        totals = driven.totals(120)
    finally:
        driven.close()
    assert totals == {**totals, "started": many, "completed": many, "connects": many}, totals
    assert totals.get("failed", 0) == totals.get("aborted", 0) == 0, totals
    after = target.counts()
    runner.check_protocol(before, after, version)
    assert after["requests"] == many, after
    return (second - first) / (many - few)


def connections_take_at_most(t, most_kib, scheme, version, few, many):
    unsanitized()
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < many + 100:
        raise Skip(f"fewer than {many + 100} descriptors (ulimit -Hn)")
    found = []
    for pace in PACES:
        kib = slope(t.target(), scheme, version, few, many, *pace)
        if kib is not None:
            found.append(kib)
            print(f"# {kib:.3f} KiB a connection, at most {most_kib}")
            if kib <= most_kib:
                break
    assert found, f"{many} connections do not come up within {PACES[-1][1]} s"
    # Recording a hurried second takes histograms of many values, which are not the connections' and only add: the least counts.
    assert 0.1 < min(found) <= most_kib, f"{min(found):.3f} KiB a connection, at most {most_kib}"


@test
def ten_thousand_plain_connections_wait_in_10_mib(t):
    connections_take_at_most(t, KIB_PER_PLAIN, "http", "1.1", 1000, 10000)


@test
def connections_over_tls_wait_in_24_kib_each(t):
    connections_take_at_most(t, KIB_PER_TLS, "https", "1.1", 300, 3000)


@test
def connections_of_http2_wait_in_64_kib_each(t):
    connections_take_at_most(t, KIB_PER_HTTP2, "https", "2.0", 300, 3000)


# --- Virtual users that wait ---

def waiting(t, n, *args):
    """Memory in MiB of a local run whose n clients, but for the first few, have not arrived; it is then cancelled."""
    target = t.target()
    lps = t.lps("--local", "--json", "--quiet", "--url", target.http + "/", "-nc", str(n), "-ad", "1000", *args)

    def look():
        assert lps.popen.poll() is None, lps.err
        return target.counts()["requests"] >= 2
    until("the first clients have come", look, 20)
    mib = settled_kib(lps.pid) / 1024
    assert children(lps.pid), "its runner is part of that"
    lps.interrupt()
    assert lps.wait() == 130, lps.err
    totals, counts = lps.json()["totals"], target.counts()
    assert totals["requests"] == totals["completed"] == counts["requests"] < n / 1000, (totals, counts)
    print(f"# {n} that wait: {mib:.1f} MiB")
    return mib, lps.err


@test
def a_hundred_thousand_that_wait_for_their_arrival_take_under_100_mib(t):
    unsanitized()
    mib, _ = waiting(t, 100000, "-rc", "1")
    assert mib < WAITING_MIB, f"{mib:.1f} MiB"


@test
def a_million_that_wait_take_no_more(t):
    unsanitized()
    mib, said = waiting(t, 1000000, "-rc", "1")
    assert mib < WAITING_MIB and "warning" not in said, (mib, said)


@test
def a_hundred_thousand_that_have_arrived_and_wait_to_begin_take_under_100_mib(t):
    unsanitized()
    target = t.target()
    iteration = {"name": "i", "mode": "R", "requestCount": 1, "delay": 3600000, "httpRequest": runner.request(target.http + "/")}
    driven = runner.Runner(program("lps-runner"), runner.plan(100000, [iteration]))
    try:
        # Each has an entry in the queue of timers and its own memory: well over a hundred bytes.
        until("they have arrived", lambda: rss_kib(driven.popen.pid) > 10 * 1024, 30)
        mib = settled_kib(driven.popen.pid) / 1024
        driven.stop()
        totals = driven.totals(30)
    finally:
        driven.close()
    print(f"# {mib:.1f} MiB")
    assert mib < WAITING_MIB, f"{mib:.1f} MiB"
    assert totals.get("started", 0) == target.counts()["requests"] == 0, totals


# --- What a plan cannot have is said, and so ---

def limited(t, descriptors, *args):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    return t.start("lps", program("lps"), "--local", "--json", "--quiet", *args, preexec_fn=limit)


@test
def a_million_at_once_are_refused_by_number(t):
    lps = t.lps("--local", "--json", "--url", "http://127.0.0.1:1/", "-nc", "1000000", "-d", "10")
    assert lps.wait() == 2, lps.err
    assert re.search(r"1,000,000 clients at once need 1,000,000 descriptors, and a process may have [\d,]+ here", lps.err)
    lps = t.lps("--local", "--url", "http://127.0.0.1:1/", "-nc", "1000001", "-d", "10")
    assert lps.wait() == 2 and "1000000" in lps.err, lps.err


@test
def as_many_as_are_said_to_fit_do_fit(t):
    unsanitized()
    target = t.target()
    args = ("--url", target.http + "/delay/500", "-hv", "1.1", "-d", "1", "-nc")
    lps = limited(t, 300, *args, "300")
    assert lps.wait() == 2, lps.err
    fit = int(re.search(r"300 clients at once need 300 descriptors, and a process may have (\d+) here", lps.err)[1])
    assert target.counts()["requests"] == 0
    assert limited(t, 300, *args, str(fit + 1)).wait() == 2
    lps = limited(t, 300, *args, str(fit))
    assert lps.wait(60) == 0, lps.err
    totals = lps.json()["totals"]
    assert totals["connections"]["opened"] == fit and totals["failed"] == 0, totals
    assert totals["completed"] >= fit and "warning" not in lps.err, (totals, lps.err)


# --- A rate, and connections as it needs them ---

def rated(t, target, path, *args):
    before = target.counts()["connections"]
    lps = t.lps("--local", "--json", "--quiet", "--url", target.http + path, "-hv", "1.1", *args)
    assert lps.wait(60) == 0, lps.err
    totals = lps.json()["totals"]
    opened = totals["connections"]["opened"]
    # The looks at the counts had one each.
    assert target.counts()["connections"] - before - 1 == opened, (before, opened, target.counts())
    return opened, totals


@test
def a_rate_never_has_more_connections_than_its_bound(t):
    target = t.target()
    opened, totals = rated(t, target, "/delay/100", "--rate", "1000", "-d", "2", "-nc", "20")
    assert opened == 20, totals
    assert totals["requests"] + totals["dropped"] == 2000 and totals["dropped"] >= 1500, totals


@test
def a_rate_opens_connections_only_as_it_needs_them(t):
    opened, totals = rated(t, t.target(), "/", "--rate", "100", "-d", "2", "-nc", "1000")
    assert totals["requests"] + totals["dropped"] == 200, totals
    # As many requests are in flight as fall due within the longest answer; each thread may round that up.
    most = 100 * totals["latencyUs"]["response"]["max"] * 1.01 / 1e6 + len(os.sched_getaffinity(0))
    assert 1 <= opened <= most, f"{opened} connections, at most {most:.1f}: {totals}"


# --- One run after another ---

@test
def daemons_keep_nothing_of_a_run(t):
    unsanitized()
    cluster, target = t.cluster().start(1), t.target()
    daemons = {"lps-workerd": cluster.workers["w1"].pid, "lps-masterd": cluster.master.pid}

    def go():
        lps = cluster.lps("w1", "-u", target.http + "/", "-hv", "1.1", "-nc", "500", "-rc", "2", "--json", "--quiet")
        assert lps.wait(60) == 0, lps.err
        totals = lps.json()["totals"]
        assert totals["completed"] == 1000 and totals["connections"]["opened"] == 500, totals
        until("the runner is gone", lambda: not children(daemons["lps-workerd"]))

    def look():
        get(cluster.rest + "/api/v1/state")
        return {name: (n_descriptors(pid), settled_kib(pid)) for name, pid in daemons.items()}

    for _ in range(9):  # what is made once, and the eight submissions that a worker remembers
        go()
    before = look()
    for _ in range(5):
        go()
    until("connections are closed", lambda: all(look()[name][0] <= before[name][0] for name in daemons))
    after = look()
    print(f"# (descriptors, KiB) before {before}, after {after}")
    for name in daemons:
        assert after[name][1] - before[name][1] <= 320, (before, after)


if __name__ == "__main__":
    main()
