#!/usr/bin/python3
"""The run itself: two workers and one result, and what becomes of it when somebody goes away."""
import json
import os
import signal
import time
import urllib.request

from lps import children, get, is_alive, main, test, until


def start_together(t, *args, n=2, **settings):
    """A cluster whose n workers run the same command, once requests flow; not so many that they are what is tested."""
    cluster, target = t.cluster(expected=n, **settings).start(n), t.target()
    all_lps = [cluster.lps(f"w{i + 1}", "-u", target.http + "/delay/2", *args) for i in range(n)]
    cluster.await_run("Running")
    until("each worker is measured", lambda: all(m["requests"] > 0 for m in cluster.state()["run"]["members"]))
    return cluster, target, all_lps


def reconciled(document, target):
    totals = document["totals"]
    assert document["reconciliation"]["agrees"], document["reconciliation"]
    assert totals["requests"] == totals["completed"] + totals["failed"] + totals["aborted"], totals
    assert sum(w["requests"] for w in document["workers"]) == totals["requests"], document["workers"]
    assert sum(document["timeline"]["requests"]) == totals["requests"]
    if target:
        assert target.counts()["requests"] == totals["requests"], (target.counts(), totals)


@test(fast=True)
def two_workers_one_result(t):
    cluster, target = t.cluster(expected=2).start(2), t.target()
    all_lps = [cluster.lps(node, "-u", target.http, "-rc", "350", "-nc", "2", "--json") for node in ("w1", "w2")]
    assert [lps.wait() for lps in all_lps] == [0, 0]
    documents = [lps.json() for lps in all_lps]
    assert documents[0]["totals"] == documents[1]["totals"], "everybody shows the same cluster-wide numbers"
    document = documents[0]
    assert document["schema"] == "lps.result/1"
    assert document["verdict"] == {"exitCode": 0, "status": "passed", "reasons": []}
    assert document["totals"]["requests"] == 1400
    assert document["totals"]["statusCodes"] == {"200": 1400}
    assert document["totals"]["bytes"]["bodyReceived"] == 1400 * 12
    latency = document["totals"]["latencyUs"]["service"]
    assert latency["count"] == 1400
    assert latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p999"] <= latency["max"]
    assert [(w["node"], w["state"], w["requests"]) for w in document["workers"]] == [("w1", "done", 700), ("w2", "done", 700)]
    for worker in document["workers"]:
        assert worker["startSkewMs"] is not None and worker["startErrorMs"] is not None, worker
    reconciled(document, target)
    stored = cluster.result()
    assert stored["totals"] == document["totals"] and stored["run"]["id"] == document["run"]["id"]
    assert [(r["id"], r["state"], r["exitCode"], r["requests"], r["workers"]) for r in get(cluster.rest + "/api/v1/runs")["runs"]] \
        == [(stored["run"]["id"], "Stopped", 0, 1400, 2)], "who was told of the end finds it stored"


@test
def summary_for_people(t):
    cluster, target = t.cluster(expected=2).start(2), t.target()
    all_lps = [cluster.lps(node, "-u", target.http, "-rc", "30") for node in ("w1", "w2")]
    assert [lps.wait() for lps in all_lps] == [0, 0]
    for lps, own in zip(all_lps, ("w1", "w2")):
        for word in ("60", "200", "p50", "p90", "p95", "p99", "p99.9", "w1", "w2", "skew"):
            assert word in lps.out, f"no {word} in the summary of {own}"
        assert "\x1b" not in lps.out + lps.err, "no colours on a pipe"


@test
def progress_on_a_pipe_is_a_line_each_5_s(t):
    _, _, all_lps = start_together(t, "-d", "7", "-nc", "2")
    for lps in all_lps:
        assert lps.wait(15) == 0
        assert "\r" not in lps.err
        progress = [line for line in lps.err.splitlines() if "p99" in line or "/s" in line]
        assert 1 <= len(progress) <= 3, lps.err


@test
def mission_example_over_http_and_https(t):
    cluster, target = t.cluster().start(1), t.target()
    for url in (target.http, target.https):
        lps = cluster.lps("w1", "--url", url, "-h", "https://www.example.com", "--requestcount", "700", "--json")
        assert lps.wait(30) == 0
        assert lps.json()["totals"]["statusCodes"] == {"200": 700}
    assert target.counts()["requests"] == 1400


@test
def duration_ends_on_all(t):
    _, target, all_lps = start_together(t, "-d", "2", "-nc", "3", "--json")
    assert [lps.wait() for lps in all_lps] == [0, 0]
    document = all_lps[0].json()
    assert 1.9 <= document["run"]["durationSeconds"] <= 4, document["run"]
    reconciled(document, target)


@test
def late_joiner(t):
    cluster, target = t.cluster(expected=1).start(2), t.target()
    first = cluster.lps("w1", "-u", target.http + "/delay/2", "-d", "4", "--json")
    cluster.await_run("Running")
    until("a second has passed", lambda: cluster.state()["run"]["k"] >= 1)
    late = cluster.lps("w2", "-u", target.http + "/delay/2", "-d", "4", "--json")
    assert (first.wait(), late.wait()) == (0, 0)
    document = late.json()
    joined = {w["node"]: w["joinedAfterSeconds"] for w in document["workers"]}
    assert joined["w1"] == 0 and joined["w2"] >= 1, joined
    assert document["run"]["durationSeconds"] >= 5, "the late one runs the whole command"
    reconciled(document, target)


@test
def detached_run_goes_on(t):
    cluster, target = t.cluster().start(1), t.target()
    lps = cluster.lps("w1", "-u", target.http, "-rc", "50", "--detach")
    assert lps.wait(5) == 0
    submission = lps.out.split()[-1]
    until("it is done", lambda: b'"result"' in cluster.call("w1", f"/v1/submissions/{submission}/events")[1])
    assert cluster.result()["totals"]["requests"] == 50
    assert target.counts()["requests"] == 50


@test
def status_says_what_is_going_on(t):
    cluster, _, all_lps = start_together(t, "-d", "30")
    status = cluster.lps("w1", "status")
    assert status.wait(5) == 0
    assert "w1" in status.out and "unning" in status.out, status.out
    document = cluster.lps("w1", "status", "--json")
    assert document.wait(5) == 0
    assert document.json()["master"]["connected"] is True
    assert document.json()["cluster"]["run"]["state"] == "Running"
    assert cluster.lps("w2", "cancel").wait(5) == 0
    assert [lps.wait(10) for lps in all_lps] == [130, 130]


@test
def ctrl_c_cancels_everywhere(t):
    _, target, all_lps = start_together(t, "-d", "60", "-nc", "2", "--json")
    began = time.monotonic()
    all_lps[0].interrupt()
    assert [lps.wait(10) for lps in all_lps] == [130, 130]
    assert time.monotonic() - began < 6
    document = all_lps[1].json()
    assert document["verdict"]["status"] == "cancelled" and "cancelled" in document["run"]["flags"]
    assert document["totals"]["requests"] > 0, "what was measured is kept"
    reconciled(document, target)


@test
def second_ctrl_c_cuts_requests_in_flight(t):
    cluster, target = t.cluster(timeout_s=50, DrainTimeout=40).start(1), t.target()
    lps = cluster.lps("w1", "-u", target.http + "/hang", "-rc", "1", "--json")
    until("the request is under way", lambda: target.counts()["requests"] == 1)
    lps.interrupt()
    time.sleep(0.3)
    assert lps.popen.poll() is None, "it drains first"
    lps.interrupt()
    assert lps.wait(10) == 130
    assert lps.json()["totals"]["aborted"] == 1


@test
def kill_lps(t):
    cluster, target, (killed, other) = start_together(t, "-d", "3", "--json")
    killed.kill()
    assert other.wait() == 0
    document = other.json()
    assert [w["state"] for w in document["workers"]] == ["done", "done"], "the run goes on without its viewer"
    reconciled(document, target)
    assert cluster.lps("w1", "-u", target.http, "-rc", "1", "--detach").wait(5) == 0, "and the worker takes the next"


@test
def kill_runner(t):
    cluster, target, (one, two) = start_together(t, "-d", "3", "--json")
    runner, = children(cluster.workers["w2"].pid)
    os.kill(runner, signal.SIGKILL)
    assert (one.wait(), two.wait()) == (4, 4)
    document = one.json()
    assert "degraded" in document["run"]["flags"] and document["verdict"]["status"] == "degraded"
    assert any("w2" in reason for reason in document["verdict"]["reasons"]), document["verdict"]
    lost = {w["node"]: w for w in document["workers"]}["w2"]
    assert "signal 9" in lost["reason"], lost
    assert cluster.workers["w2"].popen.poll() is None, "the daemon lives"
    again = [cluster.lps(node, "-u", target.http, "-rc", "5") for node in ("w1", "w2")]
    assert [lps.wait() for lps in again] == [0, 0], "and takes part in the next run"


@test
def kill_worker_daemon(t):
    cluster, _, (one, two) = start_together(t, "-d", "4", "--json")
    runner, = children(cluster.workers["w2"].pid)
    cluster.workers["w2"].kill()
    assert one.wait() == 4
    document = one.json()
    assert "degraded" in document["run"]["flags"]
    assert any("w2" in reason for reason in document["verdict"]["reasons"]), document["verdict"]
    by_node = {w["node"]: w for w in document["workers"]}
    assert by_node["w1"]["state"] == "done" and by_node["w2"]["state"] != "done", by_node
    assert two.wait() == 3, "its lps says that the daemon went away"
    until("its runner is gone as well", lambda: not is_alive(runner), 5)
    cluster.start_worker("w2")
    until("the node is back, as a new instance",
          lambda: {n["node"]: n["epoch"] for n in cluster.state()["nodes"] if n["connected"]}.get("w2") == 2)


@test
def kill_master(t):
    """The workers run on, and the run is over only with the master that comes back; more of it in restart.py."""
    cluster, target, all_lps = start_together(t, "-d", "4", "-nc", "2", "--json", RejoinGrace=5)
    cluster.master.kill()
    time.sleep(0.5)
    cluster.start_master()
    assert [lps.wait(30) for lps in all_lps] == [0, 0]
    document = all_lps[0].json()
    assert document["run"]["flags"] == ["master-restarted"] and document["outages"][0]["seconds"] >= 0.5, document["outages"]
    reconciled(document, target)
    again = [cluster.lps(node, "-u", target.http, "-rc", "5") for node in ("w1", "w2")]
    assert [lps.wait() for lps in again] == [0, 0], "and everybody is free for the next run"


@test
def lost_stream_is_resumed(t):
    cluster, target, all_lps = start_together(t, "-d", "4", "--json", RejoinGrace=5)
    cluster.workers["w2"].signal(signal.SIGSTOP)
    until("the lease has run out", lambda: not all(n["connected"] for n in cluster.state()["nodes"]))
    cluster.workers["w2"].signal(signal.SIGCONT)
    assert [lps.wait(30) for lps in all_lps] == [0, 0]
    reconciled(all_lps[0].json(), target)


@test
def events_equal_rest(t):
    cluster, target, all_lps = start_together(t, "-d", "3", "--json")
    with urllib.request.urlopen(cluster.rest + "/api/v1/events", timeout=20) as stream:
        names, points = set(), {}
        for raw in stream:
            line = raw.decode().rstrip("\n")
            if line.startswith("event: "):
                name = line[7:]
                names.add(name)
            elif line.startswith("data: ") and name == "frame":
                frame = json.loads(line[6:])
                points.update(zip(frame["points"]["k"], frame["points"]["completed"]))
            elif line.startswith("data: ") and json.loads(line[6:])["run"]["state"] == "Stopped":
                break
    assert names == {"state", "frame"}
    assert [lps.wait() for lps in all_lps] == [0, 0]
    document = cluster.result()
    rest = dict(zip(document["timeline"]["k"], document["timeline"]["completed"]))
    assert {k: points[k] for k in (0, 1)} == {k: rest[k] for k in (0, 1)}, (points, rest)
    reconciled(document, target)


if __name__ == "__main__":
    main()
