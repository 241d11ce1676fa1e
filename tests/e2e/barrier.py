#!/usr/bin/python3
"""From the command to the common start: who waits for what, what is said meanwhile, and how it is given up."""
import re
import socket
import time

from lps import main, test, until


def says_unreachable(stage, cluster, reason):
    """A worker without a master tells the attached lps in one line, within 3 s."""
    cluster.start_worker("w1")
    lps = cluster.lps("w1", "-u", "http://127.0.0.1:9/", "-rc", "1", "--wait", "20")
    lps.await_text(rf"^.*127\.0\.0\.1:{cluster.port}.*$", seconds=3 - (time.monotonic() - lps.began))
    lines = [line for line in lps.err.splitlines() if f"127.0.0.1:{cluster.port}" in line]
    assert re.search(reason, lines[0]), f"no reason /{reason}/ in: {lines[0]}"
    assert re.search(r"\d(\.\d+)? ?m?s\b", lines[0]), f"no elapsed time in: {lines[0]}"
    until("the journal has it too", lambda: f"127.0.0.1:{cluster.port}" in cluster.workers["w1"].err, 3)
    assert lps.popen.poll() is None, "goes on waiting"
    lps.interrupt()
    assert lps.wait(5) == 130


@test(fast=True)
def closed_port_message(t):
    says_unreachable(t, t.cluster(), "refused")


@test
def silent_port_message(t):
    cluster = t.cluster(ConnectTimeout=2)
    with socket.create_server(("127.0.0.1", cluster.port)):  # accepts in the kernel, never says a word
        says_unreachable(t, cluster, "no answer")


@test
def not_grpc_port_message(t):
    cluster, target = t.cluster(), t.target()
    cluster.port = cluster.cluster["GRPCPort"] = int(target.http.rpartition(":")[2])
    says_unreachable(t, cluster, r"HTTP|gRPC|closed|answer")


@test
def late_master(t):
    cluster, target = t.cluster(), t.target()
    cluster.start_worker("w1")
    lps = cluster.lps("w1", "-u", target.http, "-rc", "20", "--json")
    lps.await_text(rf"127\.0\.0\.1:{cluster.port}", seconds=3)
    cluster.start_master()
    assert lps.wait() == 0
    assert lps.json()["totals"]["requests"] == 20
    assert target.counts()["requests"] == 20


@test
def master_restarts_while_a_worker_waits(t):
    cluster, target = t.cluster(expected=2), t.target()
    cluster.start(2)
    first = cluster.lps("w1", "-u", target.http, "-rc", "5")
    first.await_text("1 of 2")
    cluster.await_members(1)
    assert cluster.master.stop() == 0
    cluster.start_master()
    cluster.await_members(1)
    assert first.popen.poll() is None
    second = cluster.lps("w2", "-u", target.http, "-rc", "5")
    assert (first.wait(), second.wait()) == (0, 0)
    assert target.counts()["requests"] == 10


@test
def barrier_waits_and_cluster_ready(t):
    cluster, target = t.cluster(expected=3).start(2), t.target()
    all_lps = [cluster.lps(node, "-u", target.http, "-rc", "10", "--json") for node in ("w1", "w2")]
    for lps in all_lps:
        lps.await_text("2 of 3")
    run = cluster.await_members(2)
    assert (run["state"], run["missing"]) == ("Created", 1), run
    assert target.counts()["requests"] == 0
    ready = cluster.lps("w1", "cluster", "ready")
    assert ready.wait() == 0
    assert [lps.wait() for lps in all_lps] == [0, 0]
    assert [w["node"] for w in all_lps[0].json()["workers"]] == ["w1", "w2"]
    assert target.counts()["requests"] == 20


@test
def cluster_ready_with_nobody_exit_3(t):
    cluster = t.cluster(expected=2).start(1)
    ready = cluster.lps("w1", "cluster", "ready")
    assert ready.wait() == 3
    assert len(ready.err.splitlines()) == 1, ready.err


@test
def wait_bound_exit_3(t):
    cluster = t.cluster(expected=3).start(2)
    patient = cluster.lps("w2", "-u", "http://127.0.0.1:9/", "-rc", "1")
    cluster.await_members(1)
    lps = cluster.lps("w1", "-u", "http://127.0.0.1:9/", "-rc", "1", "--wait", "2")
    assert lps.wait(6) == 3
    assert time.monotonic() - lps.began >= 2
    assert "2 of 3" in lps.err, lps.err
    cluster.await_members(1)
    assert patient.popen.poll() is None, "the other one waits on"
    patient.interrupt()
    assert patient.wait(5) == 130


@test
def wait_bound_without_a_master_exit_3(t):
    cluster = t.cluster()
    cluster.start_worker("w1")
    lps = cluster.lps("w1", "-u", "http://127.0.0.1:9/", "-rc", "1", "--wait", "0.5")
    assert lps.wait(5) == 3
    assert f"127.0.0.1:{cluster.port}" in lps.err or "master" in lps.err, lps.err


@test
def withdraw_before_ready(t):
    cluster, target = t.cluster(expected=3).start(2), t.target()
    gone, stays = (cluster.lps(node, "-u", target.http, "-rc", "10") for node in ("w1", "w2"))
    cluster.await_members(2)
    gone.interrupt()
    assert gone.wait(5) == 130
    cluster.await_members(1)
    assert stays.popen.poll() is None
    assert cluster.lps("w2", "cluster", "ready").wait() == 0
    assert stays.wait() == 0
    assert target.counts()["requests"] == 10
    assert [w["node"] for w in cluster.result()["workers"] if w["state"] == "done"] == ["w2"]


@test
def last_withdrawal_closes_the_run(t):
    cluster, target = t.cluster(expected=2).start(2), t.target()
    lps = cluster.lps("w1", "-u", "http://127.0.0.1:9/", "-rc", "1")
    cluster.await_members(1)
    lps.interrupt()
    assert lps.wait(5) == 130
    until("no run is open", lambda: cluster.state()["state"] == "Created")
    both = [cluster.lps(node, "-u", target.http, "-rc", "3") for node in ("w1", "w2")]  # another plan is welcome now
    assert [lps.wait() for lps in both] == [0, 0]


@test
def different_plan_refused(t):
    cluster, target = t.cluster(expected=2).start(2), t.target()
    first = cluster.lps("w1", "-u", target.http, "-rc", "10", "--name", "In-The-Way")
    run = cluster.await_members(1)
    other = cluster.lps("w2", "-u", target.http, "-rc", "11", "--name", "Another")
    assert other.wait(5) == 3
    assert "In-The-Way" in other.err or run["id"] in other.err, other.err
    assert first.popen.poll() is None
    same = cluster.lps("w2", "-u", target.http, "-rc", "10", "--name", "In-The-Way")
    assert (first.wait(), same.wait()) == (0, 0)
    assert target.counts()["requests"] == 20


@test
def second_submission_of_a_node_refused(t):
    cluster = t.cluster(expected=2).start(1)
    first = cluster.lps("w1", "-u", "http://127.0.0.1:9/", "-rc", "1")
    cluster.await_members(1)
    second = cluster.lps("w1", "-u", "http://127.0.0.1:9/", "-rc", "1")
    assert second.wait(5) == 3
    assert len(second.err.splitlines()) == 1, second.err
    assert first.popen.poll() is None
    first.interrupt()
    assert first.wait(5) == 130


@test
def two_workers_of_one_name(t):
    cluster, target = t.cluster().start(1), t.target()
    cluster.start_worker("twin", NodeName="w1")
    cluster.workers["twin"].await_text("two workers are called w1")
    lps = cluster.lps("w1", "-u", target.http, "-rc", "5")
    assert lps.wait() == 0, "the first one is not disturbed"


@test
def master_node_is_no_worker(t):
    cluster, target = t.cluster(MasterNodeIsWorker=False).start(1), t.target()
    cluster.start_worker("m1-worker", NodeName="m1")
    watcher = cluster.lps("m1-worker", "-u", target.http, "-rc", "10", "--json")
    until("the master's own submission opened the run", lambda: cluster.state()["run"])
    run = cluster.state()["run"]
    assert (run["counted"], run["state"]) == (0, "Created"), run
    lps = cluster.lps("w1", "-u", target.http, "-rc", "10")
    assert (watcher.wait(), lps.wait()) == (0, 0)
    assert target.counts()["requests"] == 10, "the observer makes no load"
    assert watcher.json()["totals"]["requests"] == 10


if __name__ == "__main__":
    main()
