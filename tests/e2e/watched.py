"""What the target saw of a run and what the runner says of it, to be held against each other.

The target's log gives, on the clock that the runner uses, when each request had come in and when its answer began to go out. What
is compared holds by causality however slow the machine is: nothing comes in before it was sent, nothing is done before it was
answered, and a connection with one request at a time sends the next one when the last one is done.
"""
import collections
import contextlib
import json
import math
import os
import struct
import sys
import time

import lps
from lps import ROOT, Target, program

sys.path.insert(0, os.path.join(ROOT, "tests/bench"))
import runner  # noqa: E402

PROTOCOLS = {
    "HTTP/1.1": ("http", {"version": "1.1"}, ("-hv", "1.1")),
    "HTTP/1.1 over TLS": ("https", {"version": "1.1"}, ("-hv", "1.1")),
    "HTTP/2 over TLS": ("https", {"version": "2.0"}, ("-hv", "2.0")),
    "HTTP/2 in clear text": ("http", {"version": "2.0", "supportH2C": True}, ("-hv", "2.0", "-h2c", "true")),
}
KINDS = {name: i + 1 for i, name in enumerate(
    ("service", "response", "lag", "dns", "tcp", "tls", "send", "wait", "receive", "ttfb"))}  # enum metrics_latency
GAUGES = ("in_flight", "in_flight_max")
ROUNDING_US = 0.5  # of one sample
NS_PER_US = 1000


# --- What the target saw ---

Exchange = collections.namedtuple("Exchange", "path arrived_ns connection answered_ns")


class Watched(Target):
    """A target that logs arrivals and answers."""

    ROOM = 100000
    PATHS, ENTRIES = 4096, 4096 + 256 * 256

    def __init__(self, stage, *options):
        super().__init__(stage, "--answers", "--arrivals-max", str(self.ROOM), *options, arrivals=True)

    def exchanges(self, path=None):
        """All of them, or those of a path, in the order of arrival."""
        with open(self.log, "rb") as f:
            log = f.read()
        count = struct.unpack_from("=Q", log)[0]
        assert count <= self.ROOM, f"{count} requests, and room for {self.ROOM}"
        paths = [log[at:at + 256].rstrip(b"\0").decode() for at in range(self.PATHS, self.ENTRIES, 256)]
        entries = struct.unpack_from(f"={count}Q", log, self.ENTRIES)
        answers = struct.unpack_from(f"={2 * count}Q", log, self.ENTRIES + 8 * self.ROOM)
        found = [Exchange(paths[entry >> 56], entry & (1 << 56) - 1, connection, answered)
                 for entry, connection, answered in zip(entries, answers[::2], answers[1::2])]
        return sorted((x for x in found if path in (None, x.path)), key=lambda x: x.arrived_ns)


def by_connection(exchanges):
    chains = collections.defaultdict(list)
    for x in exchanges:
        chains[x.connection].append(x)
    return list(chains.values())


# --- What the runner says ---

class Bits:
    """Lowest of a byte first."""

    def __init__(self, code):
        self.text, self.at = "".join(f"{byte:08b}"[::-1] for byte in code), 0

    def take(self, n):
        taken = self.text[self.at:self.at + n]
        self.at += n
        return int(taken[::-1] or "0", 2)

    def rice(self, order):
        one = self.text.index("1", self.at)
        zeros, self.at = one - self.at, one + 1
        return zeros << order | self.take(order)


def buckets(message):
    """(bucket, count) pairs of a Hist, as proto/lps.proto says."""
    bits, left, page = Bits(message.buckets), message.count, 0
    while left > 0:
        page += bits.rice(0)
        n, gap_order, count_order = bits.take(8) + 1, bits.take(3), bits.take(6)
        at = 0
        for _ in range(n):
            at += bits.rice(gap_order)
            count = bits.rice(count_order) + 1
            yield page * 256 + at, count
            at, left = at + 1, left - count
        page += 1


def bounds_us(bucket):
    shift = max(bucket // 1024 - 1, 0)
    lowest = bucket - shift * 1024 << shift
    return lowest, lowest + (1 << shift) - 1


class Latencies:
    """Of one kind, over all windows."""

    def __init__(self):
        self.counts, self.sum_us, self.max_us = collections.Counter(), 0, 0

    def add(self, message):
        self.sum_us += message.sum_us
        self.max_us = max(self.max_us, message.max_us)
        for bucket, count in buckets(message):
            self.counts[bucket] += count

    def __len__(self):
        return sum(self.counts.values())

    def ranks(self):
        """(lowest, highest) of each sample, in order."""
        return [bounds_us(bucket) for bucket in sorted(self.counts) for _ in range(self.counts[bucket])]

    def median_us(self):
        return self.ranks()[len(self) // 2][1]


class Outcome:
    """All that a run sent; what its windows add up to is what it counted itself."""

    def __init__(self, windows, fin):
        self.latencies, self.stall_us = collections.defaultdict(Latencies), 0
        sums = collections.defaultdict(collections.Counter)
        for window in windows:
            self.stall_us = max(self.stall_us, window.health.loop_stall_us)
            for series in window.series:
                sums[series.id].update({f.name: n for f, n in series.counters.ListFields() if f.name not in GAUGES})
                for latency in series.latency:
                    self.latencies[series.id, latency.kind].add(latency.hist)
        self.counters = {s.id: collections.Counter({f.name: n for f, n in s.counters.ListFields() if f.name not in GAUGES})
                         for s in fin.totals}
        assert self.counters == {i: n for i, n in sums.items() if n}, (self.counters, sums)
        for n in self.counters.values():
            assert n["started"] == n["completed"] + n["failed"] + n["aborted"], n

    def of(self, kind, series=0):
        return self.latencies[series, KINDS[kind]]


class Driven(runner.Runner):
    """lps-runner without lps, so that its start is known to the nanosecond and its histograms are seen whole."""

    def __init__(self, text, threads=2):
        self.start_ns = 0
        super().__init__(program("lps-runner"), text, threads=threads)

    def _send(self, command):
        if command.WhichOneof("body") == "start":
            self.start_ns = time.monotonic_ns() + int(0.2e9 * lps.patience)
            command.start.start_ns = command.start.k_origin_ns = self.start_ns
        super()._send(command)

    def outcome(self, seconds=30):
        self.socket.settimeout(seconds * lps.patience)
        windows = []
        while True:
            (length,) = struct.unpack("<I", self._read(4))
            event = runner.messages().RunnerEvent.FromString(self._read(length))
            kind = event.WhichOneof("body")
            assert kind in ("window", "fin"), event
            if kind == "fin":
                return Outcome(windows, event.fin)
            windows.append(event.window)


@contextlib.contextmanager
def driving(text, **how):
    driven = Driven(text, **how)
    try:
        yield driven
    finally:
        driven.close()
    assert driven.popen.returncode == 0, f"lps-runner: exit {driven.popen.returncode}"


def iteration(name, url, version=None, **keys):
    return {"name": name, "httpRequest": {"method": "GET", "url": url, **(version or {"version": "1.1"})}, **keys}


def lie_between(what, latencies, lower_ns, upper_ns=None):
    """Rank by rank: where each sample lies between two bounds, so do all percentiles."""
    ranks, lower_ns = latencies.ranks(), sorted(lower_ns)
    upper_ns = [math.inf] * len(lower_ns) if upper_ns is None else sorted(upper_ns)
    assert len(ranks) == len(lower_ns) == len(upper_ns), (what, len(ranks), len(lower_ns), len(upper_ns))
    for rank, ((lowest, highest), low, high) in enumerate(zip(ranks, lower_ns, upper_ns)):
        place = f"{what}: {lowest} to {highest} us at {rank} of {len(ranks)}, which is from {low} to {high} ns"
        assert highest + ROUNDING_US >= low / NS_PER_US and lowest - ROUNDING_US <= high / NS_PER_US, place


def top_is_at_least(what, latencies, lower_ns):
    """As many of the largest samples as there are bounds reach them."""
    ranks = latencies.ranks()[-len(lower_ns):]
    for (_, highest), low in zip(ranks, sorted(lower_ns), strict=True):
        assert highest + ROUNDING_US >= low / NS_PER_US, f"{what}: {highest} us, at least {low} ns"


def sums_agree(what, whole, parts):
    n = len(whole)
    assert all(len(part) == n for part in parts), (what, n, [len(part) for part in parts])
    difference = abs(whole.sum_us - sum(part.sum_us for part in parts))
    assert difference <= ROUNDING_US * n * (1 + len(parts)), f"{what}: {difference} us apart over {n} samples"


# --- What lps says ---

def settings(t, **sections):
    return t.file("settings.json", json.dumps(sections))


def start(t, url, *args):
    return t.lps("--local", "--json", "--quiet", "--url", url, *args)


def ended(process, exit_code=0):
    """The result, in which all adds up."""
    assert process.wait(60) == exit_code, f"{process}: {process.err}"
    document = process.json()
    totals = document["totals"]
    where = json.dumps({name: document[name] for name in ("totals", "series", "reconciliation")})
    assert totals["requests"] == totals["completed"] + totals["failed"] + totals["aborted"], where
    assert sum(totals["statusCodes"].values()) == totals["completed"], where
    assert sum(e["count"] for e in totals["errorKinds"]) == totals["failed"], where
    assert totals["latencyUs"].get("service", {"count": 0})["count"] == totals["completed"], where
    assert document["reconciliation"] == {"agrees": True, "differences": []}, where
    for counter in ("requests", "completed", "failed", "aborted", "dropped"):
        assert sum(series[counter] for series in document["series"]) == totals[counter], (counter, where)
    for counter in ("requests", "completed", "failed"):
        assert sum(document["timeline"][counter]) == totals[counter], (counter, where)
    return document


def kinds(totals):
    return {e["kind"]: e["count"] for e in totals["errorKinds"] if e["count"] > 0}
