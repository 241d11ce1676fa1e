#!/usr/bin/python3
"""Whether latencies and instants are true, against what the target saw: known delays, schedules, stalls."""
import contextlib
import itertools
import math
import os
import random
import signal
import time

import lps
from lps import main, test, until
from watched import (NS_PER_US, PROTOCOLS, ROUNDING_US, Watched, by_connection, driving, ended, iteration, lie_between, runner, start,
                     sums_agree, top_is_at_least)


# --- Delays ---

DELAY_MEAN_MS, N_DELAYS, ROUNDS_OF_DELAYS = 16, 32, 6  # quantiles of the exponential distribution
DELAYS_MS = [round(-DELAY_MEAN_MS * math.log(1 - (i + 0.5) / N_DELAYS), 1) for i in range(N_DELAYS)]
random.Random(1).shuffle(DELAYS_MS)
DELAYS_PATH = "/delays/" + ",".join(map(str, DELAYS_MS))


def held(exchanges):
    """How long the target kept each: a service latency is no shorter."""
    return [x.answered_ns - x.arrived_ns for x in exchanges]


def spans(chain):
    """From the answer before each request to the arrival after it, first and last left out: a service latency is no longer."""
    return [after.arrived_ns - before.answered_ns for before, after in zip(chain, chain[2:])]


@test
def latencies_agree_with_a_known_distribution(t):
    target, clients = Watched(t), 4
    each = N_DELAYS * ROUNDS_OF_DELAYS // clients
    for name, (scheme, version, _) in PROTOCOLS.items():
        url = getattr(target, scheme)
        before = len(target.exchanges())
        with driving(runner.plan(clients, [iteration("first", url + "/bytes/1", version, mode="R", requestCount=2),
                                           iteration("delays", url + DELAYS_PATH, version, mode="R", requestCount=each),
                                           iteration("last", url + "/bytes/1", version, mode="R", requestCount=1)])) as driven:
            outcome = driven.outcome()
        chains = by_connection(target.exchanges()[before:])
        assert len(chains) == clients and all(len(chain) == each + 3 for chain in chains), (name, list(map(len, chains)))
        measured = list(itertools.chain(*(chain[2:-1] for chain in chains)))
        assert all(x.path == DELAYS_PATH for x in measured), (name, measured)
        assert outcome.counters[1]["completed"] == len(measured) == clients * each, (name, outcome.counters)

        service, ttfb, wait = outcome.of("service", 1), outcome.of("ttfb", 1), outcome.of("wait", 1)
        send, receive = outcome.of("send", 1), outcome.of("receive", 1)
        lower = held(measured)
        upper = list(itertools.chain(*(spans(chain[1:]) for chain in chains)))
        known = sorted(int(1e6 * ms) for ms in DELAYS_MS * ROUNDS_OF_DELAYS)
        lie_between(f"{name}: service", service, known, upper)
        lie_between(f"{name}: service", service, lower, upper)
        lie_between(f"{name}: first byte", ttfb, [ns - NS_PER_US * receive.max_us for ns in lower], upper)
        late_us = send.max_us + receive.max_us
        lie_between(f"{name}: wait", wait, [ns - NS_PER_US * late_us for ns in lower], upper)
        sums_agree(f"{name}: phases", service, [send, wait, receive])
        # The answer is one segment, and so is the request: the delay is in neither.
        assert send.median_us() < 1000 and receive.median_us() < 1000, (name, send.median_us(), receive.median_us())
        low, measured, high = (100 * (ns / sum(known) - 1) for ns in (sum(lower), NS_PER_US * service.sum_us, sum(upper)))
        print(f"# {name}: {measured:.2f} % above the delays; the target says {low:.2f} to {high:.2f} %")


@test
def percentiles_in_the_result_agree_with_a_known_distribution(t):
    target = Watched(t)
    began_ns = time.monotonic_ns()
    totals = ended(start(t, target.http + DELAYS_PATH, "-hv", "1.1", "-rc", str(2 * N_DELAYS)))["totals"]
    ended_ns = time.monotonic_ns()
    (chain,) = by_connection(target.exchanges())
    assert len(chain) == totals["completed"] == 2 * N_DELAYS, totals
    lower = sorted(held(chain))
    upper = sorted([chain[1].arrived_ns - began_ns, *spans(chain), ended_ns - chain[-2].answered_ns])
    found = totals["latencyUs"]["service"]
    for name, part in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)):
        rank = math.ceil(part * len(chain)) - 1
        least, most = lower[rank] / NS_PER_US - ROUNDING_US, upper[rank] / NS_PER_US * 1025 / 1024 + ROUNDING_US
        assert least <= found[name] <= most, (name, found, least, most)


@test
def response_is_lag_and_service(t):
    target, rate = Watched(t), 100
    with driving(runner.plan(50, [iteration("delays", target.http + DELAYS_PATH, mode="D", rate=rate, duration=2)])) as driven:
        outcome = driven.outcome()
    seen = target.exchanges()
    counters, response, lag, service = outcome.counters[0], *map(outcome.of, ("response", "lag", "service"))
    assert counters["completed"] == len(seen) == 2 * rate and counters["dropped"] == 0, (len(seen), counters)
    due_ns = sum(driven.start_ns + int(1e9 * k / rate) for k in range(2 * rate))
    arrived_ns, answered_ns = (sum(getattr(x, field) for x in seen) for field in ("arrived_ns", "answered_ns"))
    slack_us = ROUNDING_US * len(seen)
    sums_agree("response", response, [lag, service])
    assert lag.sum_us - slack_us <= (arrived_ns - due_ns) / NS_PER_US, "requests came in before they were sent"
    assert service.sum_us + slack_us >= (answered_ns - arrived_ns) / NS_PER_US
    assert response.sum_us + slack_us >= (answered_ns - due_ns) / NS_PER_US


# --- Schedules ---

def ramped(segments):
    """Instants in ns of a rate that goes from one value to the next within so many seconds: [(from, to, seconds), ...]."""
    due, total, begin = [], 0.0, 0.0
    for low, high, seconds in segments:
        area, gain = (low + high) * seconds / 2, (high - low) / seconds
        while len(due) < total + area - 1e-9:
            left = len(due) - total
            due.append(int(1e9 * (begin + (2 * left / (low + math.sqrt(low * low + 2 * gain * left)) if left > 0 else 0.0))))
        total, begin = total + area, begin + seconds
    return due


def batches(n, size, cool_down_ms):
    return [k // size * cool_down_ms * 10**6 for k in range(n)]


def every(n, ms, after_ms=0):
    return [(after_ms + i * ms) * 10**6 for i in range(n)]


def shifted(due, by):
    return [at + client for client in by for at in due]


SCHEDULES = {  # round, iteration, and when its requests are due
    "rate": ({"numberOfClients": 1000, "startupDelay": 200}, {"mode": "D", "rate": 150, "duration": 2},
             shifted(every(300, 1000 / 150), [200 * 10**6])),
    "batched-rate": ({"numberOfClients": 1000, "pacing": "batched"}, {"mode": "D", "rate": 150.5, "duration": 2},
                     every(301, 1000 / 150.5)),
    "ramp": ({"numberOfClients": 1000}, {"mode": "D", "ramp": [{"rate": 200, "duration": 2}]}, ramped([(0, 200, 2)])),
    "ramps": ({"numberOfClients": 1000},
              {"mode": "D", "rate": 20, "ramp": [{"rate": rate, "duration": 1} for rate in (120, 120, 0)]},
              ramped([(20, 120, 1), (120, 120, 1), (120, 0, 1)])),
    "CRB": ({"numberOfClients": 3, "arrivalDelay": 70}, {"mode": "CRB", "requestCount": 23, "batchSize": 5, "coolDownTime": 150},
            shifted(batches(23, 5, 150), every(3, 70))),
    "DCB": ({"numberOfClients": 2}, {"mode": "DCB", "duration": 1, "batchSize": 4, "coolDownTime": 300},
            shifted(batches(16, 4, 300), every(2, 0))),
    "arrivals": ({"numberOfClients": 30, "arrivalDelay": 40, "startupDelay": 300}, {"mode": "R", "requestCount": 1, "delay": 100},
                 every(30, 40, after_ms=400)),
    "stages": ({"stages": [{"numberOfClients": 5, "arrivalDelay": 60},
                           {"numberOfClients": 8, "arrivalDelay": 20, "startupDelay": 500}]},
               {"mode": "R", "requestCount": 1}, every(5, 60) + every(8, 20, after_ms=740)),
}


def keeps_schedule(name, due_ns, outcome, seen):
    """Due and arrived in order: each came after it was due, none is missing or too many, most came at once."""
    counters = outcome.counters[0]
    assert counters["completed"] == counters["started"] == len(seen) == len(due_ns), (name, len(due_ns), len(seen), counters)
    late = sorted(x.arrived_ns - due for x, due in zip(seen, sorted(due_ns)))
    assert late[0] >= -NS_PER_US, f"{name}: {late[0]} ns after it was due"
    assert late[len(late) // 2] < 50e6 * lps.patience, f"{name}: half of the requests come {late[len(late) // 2] / 1e6} ms late"
    if len(outcome.of("lag")) > 0:
        assert outcome.of("lag").sum_us <= sum(late) / NS_PER_US + ROUNDING_US * len(late), f"{name}: arrived before it was sent"
    print(f"# {name}: late by {late[len(late) // 2] / 1e6:.2f} ms, at most {late[-1] / 1e6:.2f} ms")


@test
def schedules_are_kept_at_the_target(t):
    """The answers take longer than the pause from one batch to the next: they change nothing."""
    target = Watched(t)
    with contextlib.ExitStack() as all_of_them:
        runs = []
        for i, (name, (round_keys, keys, due)) in enumerate(SCHEDULES.items()):
            path = f"/delay/{200 + i}"
            requests = iteration("i", target.http + path, **keys)
            plan = {"name": name, "rounds": [{"name": "r", "iterations": [requests], **round_keys}]}
            runs.append((name, path, due, all_of_them.enter_context(driving(plan))))
        for name, path, due, driven in runs:
            outcome = driven.outcome()
            keeps_schedule(name, [driven.start_ns + at for at in due], outcome, target.exchanges(path))


# --- Stalls ---

def own_lateness_us(outcome):
    """What the runner's own stalls explain: a timer, its turn, and the events of a new connection, one late after the other."""
    return 6 * outcome.stall_us + 10000


def goes_on_during_a_stall(t, pacing):
    target, rate = Watched(t, "--stall", "400:1000"), 200
    plan = runner.plan(1000, [iteration("i", target.http + "/", mode="D", rate=rate, duration=2)], pacing=pacing)
    with driving(plan, threads=1) as driven:
        outcome = driven.outcome()
    due = [driven.start_ns + int(1e9 * k / rate) for k in range(2 * rate)]
    seen = target.exchanges()
    counters = outcome.counters[0]
    assert counters["completed"] == len(seen) == len(due) and counters["dropped"] == 0, counters
    assert all(x.arrived_ns >= at for x, at in zip(seen, due)), "a request came before it was due"
    last, first = max(zip(seen, seen[1:]), key=lambda pair: pair[1].arrived_ns - pair[0].arrived_ns)
    inside = [at for at in due if last.arrived_ns < at < first.arrived_ns]
    assert len(inside) >= rate / 2, f"{len(inside)} requests were due in the stall"
    # Nothing that was due in the stall was taken before its end: each waited until then, on the way or at the target.
    waited = [first.arrived_ns - at for at in inside]
    response, lag, service = map(outcome.of, ("response", "lag", "service"))
    top_is_at_least("response", response, waited)
    assert lag.max_us <= own_lateness_us(outcome), f"lag up to {lag.max_us} us, and it was away for {outcome.stall_us} us"
    top_is_at_least("service", service, [ns - NS_PER_US * lag.max_us for ns in waited])
    sums_agree("response", response, [lag, service])
    print(f"# {len(inside)} due in the stall, lag at most {lag.max_us} us, its own stalls {outcome.stall_us} us")


@test
def a_stall_of_the_target_is_service_when_precise(t):
    goes_on_during_a_stall(t, "precise")


@test
def a_stall_of_the_target_is_service_when_batched(t):
    goes_on_during_a_stall(t, "batched")


def is_stopped(pid):
    def state(task):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0]
    return all(state(task) == "T" for task in os.listdir(f"/proc/{pid}/task"))


@test
def a_stall_of_the_runner_is_lag(t):
    target, rate = Watched(t), 200
    plan = runner.plan(1000, [iteration("i", target.http + "/", mode="D", rate=rate, duration=2)])
    with driving(plan, threads=1) as driven:
        until("it sends", lambda: len(target.exchanges()) >= 20)
        os.kill(driven.popen.pid, signal.SIGSTOP)
        until("it is stopped", lambda: is_stopped(driven.popen.pid))
        stopped = time.monotonic_ns()
        until("half a second is over", lambda: time.monotonic_ns() - stopped > 5e8)
        went_on = time.monotonic_ns()
        os.kill(driven.popen.pid, signal.SIGCONT)
        outcome = driven.outcome()
    due = [driven.start_ns + int(1e9 * k / rate) for k in range(2 * rate)]
    inside = [at for at in due if stopped < at < went_on]
    counters, seen = outcome.counters[0], target.exchanges()
    assert counters["completed"] + counters["dropped"] == len(due) and counters["completed"] == len(seen), counters
    assert counters["dropped"] == 0 and len(inside) > 0, (counters, len(inside))
    response, lag, service = map(outcome.of, ("response", "lag", "service"))
    missed = [went_on - at for at in inside]
    top_is_at_least("lag", lag, missed)
    top_is_at_least("response", response, missed)
    assert NS_PER_US * lag.sum_us <= sum(x.arrived_ns for x in seen) - sum(due) + NS_PER_US * ROUNDING_US * len(seen)
    sums_agree("response", response, [lag, service])
    assert outcome.stall_us >= (went_on - stopped) / NS_PER_US - 1e6 / rate, f"it was away, it says, for {outcome.stall_us} us"

if __name__ == "__main__":
    main()
