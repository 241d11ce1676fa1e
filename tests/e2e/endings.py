#!/usr/bin/python3
"""Whether every request is counted however it ends: closes, resets, cancels, timeouts, the end of the run."""
import collections
import contextlib
import ctypes
import fcntl
import itertools
import os
import random
import re
import signal
import socket
import struct
import subprocess
import time

import lps
from lps import Skip, _die_with_parent, main, program, test, until
from watched import PROTOCOLS, Watched, by_connection, driving, ended, iteration, kinds, runner, settings, start


# --- Failures ---

def splitmix64(seed):
    z = (seed + 1) * 0x9e3779b97f4a7c15 % 2**64
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 % 2**64
    z = (z ^ z >> 27) * 0x94d049bb133111eb % 2**64
    return z ^ z >> 31


def foreseen(n, part, goes_again, ends_connection):
    """What one client that sends n requests one after another comes to see where one in `part` is not answered."""
    seen = collections.Counter()
    luck = (splitmix64(i) % part != 0 for i in itertools.count())
    connected = False
    for _ in range(n):
        reused, connected = connected, True
        seen["opened"] += not reused
        seen["arrivals"] += 1
        lucky = next(luck)
        if not lucky and reused and goes_again:
            seen["ends"] += 1
            seen["opened"] += 1
            seen["arrivals"] += 1
            reused, lucky = False, next(luck)
        seen["ends"] += not lucky
        seen["completed" if lucky else "failed"] += 1
        seen["reused"] += reused
        connected = lucky or not ends_connection
    return seen


METHODS = {"GET": ((), True), "POST": (("-hm", "POST", "-p", "x"), False)}  # idempotent or not
FATES = {"closed": ("/flaky/3", "flaky_closed"), "reset": ("/flaky-reset/3", "flaky_reset")}


def is_connections_end(fate, protocol):
    return fate == "closed" or "HTTP/2" not in protocol


def is_of_kind(fate, protocol, totals):
    """Only that kind; but what an HTTP/2 client says of itself may meet a close, and that is a reset."""
    found = kinds(totals)
    may_be_both = fate == "closed" and "HTTP/2" in protocol
    return sum(found.values()) == totals["failed"] and set(found) <= ({"closed", "reset"} if may_be_both else {fate})


def ends_as_foreseen(target, process, protocol, fate, method, n):
    (path, counter), idempotent = FATES[fate], METHODS[method][1]
    # Only where a connection ended may it have ended before the request came: RFC 9110 section 9.2.2.
    ends_connection = is_connections_end(fate, protocol)
    expected = foreseen(n, 3, idempotent and ends_connection, ends_connection)
    totals, counts = ended(process, 1)["totals"], target.counts()
    place = (protocol, fate, method, expected, totals, counts)
    assert counts["paths"][path] == expected["arrivals"] and counts[counter] == expected["ends"], place
    assert (totals["completed"], totals["failed"]) == (expected["completed"], expected["failed"]), place
    assert totals["connections"] == {"opened": expected["opened"], "reused": expected["reused"]}, place
    assert is_of_kind(fate, protocol, totals), place


@test
def random_ends_are_counted_exactly(t):
    n = 120
    for protocol, (scheme, _, options) in PROTOCOLS.items():
        runs = []
        for fate, method in itertools.product(FATES, METHODS):
            target = t.target()
            url = getattr(target, scheme) + FATES[fate][0]
            process = start(t, url, "-rc", str(n), *options, *METHODS[method][0])
            runs.append((target, process, protocol, fate, method, n))
        for run in runs:
            ends_as_foreseen(*run)
            run[0].process.stop()


@test
def random_ends_are_counted_with_many_clients(t):
    for (protocol, (scheme, _, options)), (fate, (path, counter)) in itertools.product(PROTOCOLS.items(), FATES.items()):
        target = t.target()
        totals = ended(start(t, getattr(target, scheme) + path, "-rc", "40", "-nc", "8", *options), 1)["totals"]
        counts = target.counts()
        arrivals, ends = counts["paths"][path], counts[counter]
        place = (protocol, fate, totals, counts)
        assert totals["requests"] == 320 and totals["completed"] == arrivals - ends > 0, place
        assert 0 < totals["failed"] <= ends and is_of_kind(fate, protocol, totals), place
        assert is_connections_end(fate, protocol) or totals["failed"] == ends, place
        target.process.stop()


# --- Cancels ---

MODES = {
    "R": ("-im", "R", "-rc", "1000000"),
    "D": ("-im", "D", "-d", "60"),
    "CB": ("-im", "CB", "-bs", "3", "-cdt", "20"),
    "CRB": ("-im", "CRB", "-rc", "1000000", "-bs", "4", "-cdt", "15"),
    "DCB": ("-im", "DCB", "-d", "60", "-bs", "5", "-cdt", "30"),
    "rate": ("--rate", "300", "-d", "60"),
    "ramp": ("--ramp", "600:2", "--ramp", "600:60", "--pacing", "batched"),
}
CLIENTS = {"rate": "40", "ramp": "300"}  # the bound in flight; and clients elsewhere
PATHS = ("/", "/delay/50", "/flaky/7", "/flaky-reset/7", "/slow-body", "/delays/1,200", "/stalled")
N_CANCELS, AT_ONCE = 32, 8


def has_interrupt(pid, mask):
    """In a mask of signals in its status: SigCgt, those that it catches, or ShdPnd, those it has yet to take."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(rf"^{mask}:\s+(\w+)", f.read(), re.MULTILINE)[1], 16) >> signal.SIGINT - 1 & 1


Case = collections.namedtuple("Case", "protocol mode path first_s second_s")


def cases(rng, n):
    """Each protocol, mode and path comes up as often as any other; who meets whom, and when, is chance."""
    def dealt(what):
        cards = [x for _ in range(-(-n // len(what))) for x in what][:n]
        rng.shuffle(cards)
        return cards
    # The load begins 0.1 s after that, with the connections.
    return [Case(protocol, mode, path, rng.choice((rng.uniform(0, 0.6), rng.uniform(0.08, 0.14))),
                 rng.choice((None, rng.uniform(0, 0.3))))
            for protocol, mode, path in zip(dealt(list(PROTOCOLS)), dealt(list(MODES)), dealt(PATHS))]


class Cancelled:
    """One run on its way to its cancel."""

    def __init__(self, t, case, config):
        self.case = case
        stalled = case.path == "/stalled"
        self.target = t.target(*(("--stall", "200:500") if stalled else ()))
        self.path = "/" if stalled else case.path
        scheme, _, options = PROTOCOLS[case.protocol]
        self.process = start(t, getattr(self.target, scheme) + self.path, "--config", config, *options, *MODES[case.mode],
                             "-nc", CLIENTS.get(case.mode, "4"))
        until("it can be interrupted", lambda: has_interrupt(self.process.pid, "SigCgt"))
        now = time.monotonic()
        self.signals = [now + case.first_s] + ([] if case.second_s is None else [now + case.first_s + case.second_s])

    def look(self):
        """Interrupts it when it is time; whether it is over."""
        while self.signals and self.signals[0] <= time.monotonic():
            self.signals.pop(0)
            if self.process.popen.poll() is None:
                self.process.interrupt()
        return self.process.popen.poll() is not None

    def check(self):
        totals, counts = ended(self.process, 130)["totals"], self.target.counts()
        agree_with_target(self.case, totals, counts, self.path)
        self.target.process.stop()
        return totals


def agree_with_target(what, totals, counts, path):
    arrivals, ends = counts["paths"].get(path, 0), counts["flaky_closed"] + counts["flaky_reset"]
    assert totals["completed"] <= arrivals - ends, (what, totals, counts)
    most = 2 * totals["requests"] if ends > 0 else totals["requests"]  # a connection that ends makes its requests go out again
    assert arrivals <= most, (what, totals, counts)


@test
def random_cancels_leave_no_request_uncounted(t):
    seed = random.randrange(2**32)
    print(f"# seed {seed}")
    config = settings(t, Cluster={"DrainTimeout": 0.4}, HttpClient={"MaxConnectionsPerServer": 2})
    waiting, sums = cases(random.Random(seed), N_CANCELS), collections.Counter()
    while waiting:
        wave, waiting = [Cancelled(t, case, config) for case in waiting[:AT_ONCE]], waiting[AT_ONCE:]
        until("the runs are over", lambda wave=wave: all([run.look() for run in wave]), 30)
        for cancelled in wave:
            sums.update({name: n for name, n in cancelled.check().items() if isinstance(n, int)})
    print(f"# {dict(sums)}")
    assert sums["completed"] > 0 and sums["failed"] > 0 and sums["aborted"] > 0, sums


@test
def random_cancels_through_a_cluster_leave_no_request_uncounted(t):
    seed = random.randrange(2**32)
    print(f"# seed {seed}")
    rng, cluster = random.Random(seed), t.cluster(DrainTimeout=0.3).start(1)
    for case in cases(rng, 4):
        target = t.target()
        path = "/" if case.path == "/stalled" else case.path
        scheme, _, options = PROTOCOLS[case.protocol]
        process = cluster.lps("w1", "--json", "--quiet", "--url", getattr(target, scheme) + path, *options, *MODES[case.mode],
                              "-nc", CLIENTS.get(case.mode, "4"))
        cluster.await_run("Running")
        when = time.monotonic() + case.first_s
        until("it is time", lambda when=when: time.monotonic() >= when)
        assert cluster.lps("w1", "cancel").wait() == 0
        agree_with_target(case, ended(process, 130)["totals"], target.counts(), path)
        target.process.stop()


# --- Cancels while there is no connection yet ---

@contextlib.contextmanager
def mute(backlog):
    """A port that takes connections and says nothing; with a backlog of 0 and a connection that fills it, not even that."""
    with socket.socket() as listener, contextlib.ExitStack() as fillers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(backlog)
        port = listener.getsockname()[1]
        while backlog == 0 and connecting(os.getpid(), port) == 0:
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port


def sockets(pid, protocol, state, port):
    """Those in the network of a process in a state, with this port at the other end: (bytes to send, bytes to read) of each."""
    with open(f"/proc/{pid}/net/{protocol}", encoding="ascii") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return [[int(n, 16) for n in row[4].split(":")] for row in rows if row[3] == state and row[2].endswith(f":{port:04X}")]


def connecting(pid, port):
    return len(sockets(pid, "tcp", "02", port))


def connected(pid, port):
    return len(sockets(pid, "tcp", "01", port))


def cut_short(t, url, ready, config, *args):
    """Totals of a run that is interrupted when it is where it should be."""
    process = start(t, url, "--config", config, *args)
    until(f"{url} {args} is under way", lambda: has_interrupt(process.pid, "SigCgt") and ready(process.pid))
    process.interrupt()
    return ended(process, 130)["totals"]


@test
def what_is_connecting_when_the_drain_is_over_counts_as_aborted(t):
    config = settings(t, Cluster={"DrainTimeout": 0.1})
    batch = ("-im", "CRB", "-rc", "4", "-bs", "3", "-cdt", "60000")
    with mute(0) as full, mute(100) as silent:
        others = connecting(os.getpid(), full)
        for scheme, options in (("http", ("-hv", "1.1")), ("https", ("-hv", "2.0")), ("http", ("-hv", "2.0", "-h2c", "true"))):
            at_once = 3 if "1.1" in options else 1  # HTTP/2 waits for its first connection, which may do
            url = f"{scheme}://127.0.0.1:{full}/"
            totals = cut_short(t, url, lambda pid, n=others + 5 * at_once: connecting(pid, full) == n, config, *batch,
                               "-nc", "5", *options)
            assert totals["requests"] == totals["aborted"] == 15, (scheme, options, totals)
            url = f"{scheme}://127.0.0.1:{silent}/"
            totals = cut_short(t, url, lambda pid, n=connected(os.getpid(), silent) + 5: connected(pid, silent) == n, config,
                               "-rc", "3", "-nc", "5", *options)
            assert totals["requests"] == totals["aborted"] == 5, (scheme, options, totals)


def enter_silent_network(resolv_conf):
    """In a child: a network of its own, in which a name server hears and never answers."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000 | 0x40000000) != 0:  # CLONE_NEWNS, CLONE_NEWNET
        os._exit(99)
    libc.mount(b"none", b"/", None, 0x4000 | 1 << 18, None)  # MS_REC | MS_PRIVATE
    if libc.mount(resolv_conf.encode(), b"/etc/resolv.conf", None, 0x1000, None) != 0:  # MS_BIND
        os._exit(99)
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    server.set_inheritable(True)
    server.detach()


def in_silent_network(t, *args):
    """lps there, once the look-up of a name is under way; close_fds would end the name server."""
    def become_lonely():
        _die_with_parent()
        enter_silent_network(resolv_conf)

    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "-n", "true"], check=False).returncode != 0:
        raise Skip("namespaces cannot be made here (netns)")
    resolv_conf = t.file("resolv.conf", "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n")
    process = t.start("lps", program("lps"), "--local", "--json", "--quiet", "--url", "http://nobody.invalid/", *args,
                      preexec_fn=become_lonely, close_fds=False)
    until("the name server is asked", lambda: any(unread > 0 for _, unread in sockets(process.pid, "udp", "07", 0)))
    return process


@test
def what_waits_for_a_name_counts_as_aborted(t):
    config = settings(t, Cluster={"DrainTimeout": 0.3})
    process = in_silent_network(t, "--config", config, "-im", "CRB", "-rc", "5", "-bs", "4", "-cdt", "60000")
    until("it can be interrupted", lambda: has_interrupt(process.pid, "SigCgt"))
    process.interrupt()
    totals = ended(process, 130)["totals"]
    assert totals["requests"] == totals["aborted"] == 4, totals


@test
def a_name_that_takes_too_long_is_a_failure_of_its_own_kind(t):
    config = settings(t, HttpClient={"ClientTimeoutInSeconds": 1})
    process = in_silent_network(t, "--config", config, "-nc", "4", "-rc", "2")
    totals = ended(process, 1)["totals"]
    assert kinds(totals) == {"dns": 8}, totals


# --- Ends ---

@test
def nothing_begins_after_the_end_of_a_duration(t):
    """And what began before it is done: each client's last request was sent when the one before was answered, before the end."""
    target, clients, duration_s = Watched(t), 3, 1
    with contextlib.ExitStack() as all_of_them:
        runs = []
        for i, (name, (scheme, version, _)) in enumerate(PROTOCOLS.items()):
            path = f"/delay/{60 + i}"
            requests = iteration("i", getattr(target, scheme) + path, version, mode="D", duration=duration_s)
            runs.append((name, path, all_of_them.enter_context(driving(runner.plan(clients, [requests])))))
        for name, path, driven in runs:
            counters, seen = driven.outcome().counters[0], target.exchanges(path)
            end_ns, chains = driven.start_ns + duration_s * 10**9, by_connection(seen)
            assert counters["completed"] == counters["started"] == len(seen) and len(chains) == clients, (name, counters)
            for chain in chains:
                assert chain[-2].answered_ns <= end_ns, (name, chain[-2], end_ns)
            last_ns = max(chain[-1].answered_ns for chain in chains)
            assert last_ns >= end_ns - 500e6, f"{name}: ended {(end_ns - last_ns) / 1e9} s too early"


@test
def a_drain_that_runs_out_counts_what_it_cuts(t):
    drain_s, runs = 1.5 * lps.patience, []
    config = settings(t, Cluster={"DrainTimeout": drain_s})
    for scheme, _, options in PROTOCOLS.values():
        target = t.target()
        url = getattr(target, scheme) + "/delays/500,60000"  # every second one is answered within the drain
        runs.append((target, start(t, url, "--config", config, *options, "-im", "CRB", "-rc", "6", "-bs", "5", "-cdt", "60000",
                                   "-nc", "2")))
    for target, _ in runs:
        until("all requests came", lambda target=target: target.counts()["requests"] == 10)
    began = time.monotonic()
    for _, process in runs:
        process.interrupt()
    until("the first one is over", lambda: any(process.popen.poll() is not None for _, process in runs))
    took_s = time.monotonic() - began
    for target, process in runs:
        totals = ended(process, 130)["totals"]
        assert (totals["requests"], totals["completed"], totals["aborted"]) == (10, 5, 5), totals
        assert target.counts()["requests"] == 10, "something was sent while it drained"
    assert took_s >= drain_s, f"{took_s} s"


@test
def a_second_interrupt_cuts_at_once(t):
    config, target = settings(t, Cluster={"DrainTimeout": 600}), t.target()
    process = start(t, target.http + "/delay/600000", "--config", config, "-nc", "7")
    until("all requests came", lambda: target.counts()["requests"] == 7)
    process.interrupt()
    until("the first one is taken", lambda: not has_interrupt(process.pid, "ShdPnd"))
    process.interrupt()
    totals = ended(process, 130)["totals"]
    assert totals["aborted"] == totals["requests"] == 7, totals


@test
def each_timeout_is_counted_by_its_kind(t):
    limit_s, runs = 0.7 * lps.patience, []
    config, target = settings(t, HttpClient={"ClientTimeoutInSeconds": limit_s}), t.target()
    with mute(0) as full, mute(100) as silent:
        for scheme, _, options in PROTOCOLS.values():
            no_answer = "timeout-connect" if scheme == "https" else "timeout-first-byte"
            for url, kind in ((getattr(target, scheme) + "/hang", "timeout-first-byte"),
                              (getattr(target, scheme) + "/slow-body/600", "timeout-body"),
                              (f"{scheme}://127.0.0.1:{full}/", "timeout-connect"),
                              (f"{scheme}://127.0.0.1:{silent}/", no_answer)):
                runs.append((kind, start(t, url, "--config", config, "-rc", "2", "-nc", "3", *options)))
        for kind, process in runs:
            document = ended(process, 1)
            assert kinds(document["totals"]) == {kind: 6}, (kind, document["totals"])
            assert document["run"]["durationSeconds"] >= 2 * limit_s, (kind, document["run"])
    assert target.counts()["paths"] == {"/hang": 24, "/slow-body/600": 24}, target.counts()


if __name__ == "__main__":
    main()
