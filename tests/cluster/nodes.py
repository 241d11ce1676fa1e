#!/usr/bin/python3
"""Hosts and processes that go wrong: killed, frozen, restarted, two with one name, a wall clock that jumps."""
import contextlib
import json
import os
import signal
import struct
import time

from lab import Cluster, agree, await_gone, passed, requests_of
from lps import Skip, children, main, program, sanitized, test, until

RATE = 50


def ended_without(cluster, all_lps, lost, due):
    """The run ends by those who stayed, and the result says who did not."""
    codes = {node: process.wait(30) for node, process in zip(cluster.nodes, all_lps) if node != lost}
    document = cluster.result()
    assert set(codes.values()) == {4}, (codes, document["verdict"])
    assert document["verdict"]["exitCode"] == 4 and document["run"]["flags"] == ["degraded"], document["verdict"]
    assert any(lost in reason for reason in document["verdict"]["reasons"]), document["verdict"]
    agree(cluster, document, lost=(lost,))
    for node in codes:
        assert cluster.due(node) == due, cluster.own_totals(node)
    return document


@test
def a_killed_worker_is_missed_from_its_last_second_on(t):
    cluster = Cluster(t, workers=3, RejoinGrace=0.5).start()
    all_lps = cluster.submit_all(RATE, 5)
    cluster.await_requests(3.5 * RATE, "w2")
    runners = children(cluster.workers["w2"].pid)
    assert len(runners) == 1
    cluster.workers["w2"].kill()
    await_gone(runners)
    ended_without(cluster, all_lps, "w2", 5 * RATE)


@test
def a_killed_runner_is_told_with_its_signal(t):
    cluster = Cluster(t, workers=3).start()
    all_lps = cluster.submit_all(RATE, 5)
    cluster.await_requests(3.5 * RATE, "w2")
    os.kill(children(cluster.workers["w2"].pid)[0], signal.SIGKILL)
    document = ended_without(cluster, all_lps, "w2", 5 * RATE)
    lost = next(w for w in document["workers"] if w["node"] == "w2")
    assert "signal 9" in lost["reason"] or "Killed" in lost["reason"], lost
    assert all_lps[1].wait() == 4, all_lps[1].err
    assert cluster.node("w2")["connected"] and cluster.workers["w2"].popen.poll() is None


def frozen(t, signal_to, thaw, lease_s=1.5):
    cluster = Cluster(t, Lease=lease_s).start()
    all_lps = cluster.submit_all(RATE, 6)
    cluster.await_second(1)
    signal_to(cluster, signal.SIGSTOP)
    thaw(cluster)
    signal_to(cluster, signal.SIGCONT)
    document = passed(cluster, all_lps, 6 * RATE)
    assert [w["state"] for w in document["workers"]] == ["done", "done"], document["workers"]


def the_daemon(cluster, number):
    cluster.workers["w2"].signal(number)


def the_host(cluster, number):
    cluster.signal_all("w2", number)


def before_the_lease_ends(cluster):
    k = cluster.member("w2")["lastK"]
    cluster.await_second(k + 1, "w1")
    assert cluster.node("w2")["connected"]


def after_the_lease(cluster):
    cluster.await_connected("w2", False)


@test
def a_worker_frozen_for_less_than_its_lease_is_not_missed(t):
    frozen(t, the_daemon, before_the_lease_ends, 60)


@test
def a_daemon_frozen_for_longer_hands_over_what_its_runner_did(t):
    frozen(t, the_daemon, after_the_lease)


@test
def a_host_frozen_for_longer_comes_back_and_catches_up(t):
    frozen(t, the_host, after_the_lease)


@test
def a_restarted_worker_is_lost_and_may_join_again(t):
    cluster = Cluster(t).start()
    all_lps = cluster.submit_all(RATE, 6)
    cluster.await_requests(1.5 * RATE, "w2")
    runners = children(cluster.workers["w2"].pid)
    cluster.workers["w2"].kill()
    await_gone(runners)
    cluster.start_worker("w2")
    cluster.await_connected("w2", True)
    until("its member is lost", lambda: cluster.member("w2")["state"] == "Failed")
    again = cluster.submit("w2", RATE, 6)
    until("it joins", lambda: cluster.member("w2")["late"])
    assert [all_lps[0].wait(30), again.wait(30)] == [4, 4], (all_lps[0].err, again.err)
    document = cluster.result()
    lost, late = [w for w in document["workers"] if w["node"] == "w2"]
    assert (lost["state"], late["state"]) == ("lost", "done") and late["joinedAfterSeconds"] > 0, document["workers"]
    assert late["requests"] == cluster.own_totals("w2")["requests"] and cluster.due("w2") == 6 * RATE, late
    agree(cluster, document, lost=("w2",))


@test
def a_second_worker_of_the_same_name_is_refused(t):
    cluster = Cluster(t, spare=1).start()
    all_lps = cluster.submit_all(RATE, 4)
    cluster.await_second(0)
    twin = cluster.start_worker("w3", NodeName="w1")
    twin.await_text("two workers are called w1")
    assert cluster.node("w1")["epoch"] == 1 and len(cluster.state()["nodes"]) == 2, cluster.state()["nodes"]
    passed(cluster, all_lps, 4 * RATE)


@contextlib.contextmanager
def cancelled_while_one_is_frozen(t, **settings):
    """The cluster and each lps; within, w2 is frozen and the others have stopped."""
    cluster = Cluster(t, workers=3, **settings).start()
    all_lps = cluster.submit_all(RATE, 60)
    cluster.await_second(1)
    runners = {node: children(worker.pid) for node, worker in cluster.workers.items()}
    cluster.signal_all("w2", signal.SIGSTOP)
    try:
        assert cluster.lps("w1", "cancel").wait() == 0
        await_gone(runners["w1"] + runners["w3"])
        yield cluster, all_lps
    finally:
        cluster.signal_all("w2", signal.SIGCONT)
    await_gone(runners["w2"])
    assert [process.wait(30) for process in all_lps] == [130, 130, 130]


@test
def a_cancel_reaches_the_others_before_a_frozen_one_is_missed(t):
    with cancelled_while_one_is_frozen(t, Lease=60) as (cluster, _):
        assert cluster.node("w2")["connected"]
    document = cluster.result()
    assert document["run"]["flags"] == ["cancelled"], document["run"]
    agree(cluster, document)


@test
def a_cancelled_run_ends_without_one_that_stays_frozen(t):
    with cancelled_while_one_is_frozen(t, RejoinGrace=0.5) as (cluster, all_lps):
        assert [all_lps[i].wait(30) for i in (0, 2)] == [130, 130]
        document = cluster.result()
    assert "cancelled" in document["run"]["flags"], document["run"]
    agree(cluster, document, lost=("w2",))
    late = cluster.target.count(cluster.network["w2"]) - requests_of(document, "w2")
    until("the rest is counted as late", lambda: cluster.result()["late"]["requests"] == late > 0)


class WallClock:
    """Of a host's daemon and runner: seconds apart from that of the system."""

    def __init__(self, t, cluster, node):
        if sanitized():
            raise Skip("a sanitizer wants to be loaded first")
        self.path = t.file("wallclock", struct.pack("=q", 0))
        cluster.env[node] = {"LD_PRELOAD": program("cluster/wallclock.so"), "WALLCLOCK": self.path}

    def step(self, seconds):
        with open(self.path, "r+b") as f:
            f.write(struct.pack("=q", seconds))


def steps(t, node, look_ms):
    """look_ms(cluster): Unix time that the node's daemon tells."""
    cluster = Cluster(t)
    clock = WallClock(t, cluster, node)
    cluster.start()
    all_lps = cluster.submit_all(RATE, 6)
    for k, seconds in ((0, 3600), (2, -3600), (4, 0)):
        cluster.await_second(k)
        clock.step(seconds)
        until("the daemon has the new time", lambda seconds=seconds: abs(look_ms(cluster) / 1000 - time.time() - seconds) < 60)
    passed(cluster, all_lps, 6 * RATE)


@test
def the_wall_clock_of_a_worker_does_not_matter(t):
    steps(t, "w2", lambda cluster: json.loads(cluster.call("w2", "/v1/status")[1])["submission"]["t"])


@test
def the_wall_clock_of_the_master_does_not_matter(t):
    steps(t, "m1", lambda cluster: cluster.state()["t"])


if __name__ == "__main__":
    main()
