#!/usr/bin/python3
"""Many runs: their history, results of before, runs that are left and come back to, those that wait behind another.

RUNS=1000 tests/e2e/history.py many_runs_leave_nothing_behind   prints descriptors and memory of both daemons as it goes.
"""
import json
import os
import re

from lps import main, sanitized, test, until

RUN = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


def finish(cluster, node, *args, code=0):
    lps = cluster.lps(node, *args)
    assert lps.wait() == code, (lps.popen.returncode, lps.err)
    return lps


def last_lines(text, n=5):
    return text.rstrip("\n").split("\n")[-n:]


# --- History ---

@test(fast=True)
def the_history_is_a_table_with_the_newest_first(t):
    cluster, target = t.cluster().start(1), t.target()
    assert finish(cluster, "w1", "runs").out == "no runs yet\n"
    finish(cluster, "w1", "-u", target.http, "-rc", "7", "-n", "First")
    finish(cluster, "w1", "-u", "http://127.0.0.1:1/", "-rc", "2", "-n", "Second", code=1)
    head, second, first = finish(cluster, "w1", "runs").out.splitlines()
    assert head.split() == ["run", "plan", "state", "verdict", "when", "duration", "workers", "requests"], head
    assert re.fullmatch(r"[0-9a-f]{8}  First +Stopped  passed +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\d+\.\d s +1 +7", first), first
    assert re.fullmatch(r"[0-9a-f]{8}  Second +Stopped  failed .* 1 +2", second), second
    assert len(finish(cluster, "w1", "runs", "--limit", "1").out.splitlines()) == 2
    runs = finish(cluster, "w1", "runs", "--json").json()["runs"]
    assert [(r["plan"], r["exitCode"], r["requests"]) for r in runs] == [("Second", 1, 2), ("First", 0, 7)], runs
    assert second.startswith(runs[0]["id"][:8]) and first.startswith(runs[1]["id"][:8])


@test(fast=True)
def a_result_is_shown_as_it_was(t):
    cluster, target = t.cluster().start(2), t.target()
    first = finish(cluster, "w1", "-u", target.http, "-rc", "3", "-n", "First")
    failed = finish(cluster, "w1", "-u", "http://127.0.0.1:1/", "-rc", "2", "-n", "Second", "--json", code=1)
    run = failed.json()["run"]["id"]
    assert finish(cluster, "w2", "show", run, "--json").json() == failed.json(), "asked for on any node"
    begins = re.search(r"run ([0-9a-f]{8})", first.out)[1]
    assert finish(cluster, "w2", "show", begins).out == first.out
    assert "exit code 1" in finish(cluster, "w1", "show", run[:8]).out
    missing = finish(cluster, "w1", "show", "ffff-is-none", code=3)
    assert missing.err == "lps: no run ffff-is-none\n" and missing.out == "", missing.err
    assert "expected the id of a run" in finish(cluster, "w1", "show", "../status", code=2).err


@test
def of_a_run_that_goes_on_the_result_so_far_is_shown(t):
    cluster, target = t.cluster(expected=1).start(2), t.target()
    lps = cluster.lps("w1", "-u", target.http + "/delay/2", "-d", "60")
    run = cluster.await_run("Running")["id"]
    until("a second has passed", lambda: cluster.state()["run"]["k"] >= 1)
    document = finish(cluster, "w2", "show", run, "--json").json()
    assert document["verdict"] is None and document["totals"]["requests"] > 0
    assert "RUNNING" in finish(cluster, "w2", "show", run).out
    row = finish(cluster, "w2", "runs").out.splitlines()[1]
    assert re.search(r"Running +- .* - +", row), row
    away = finish(cluster, "w2", "attach", run, code=3)
    assert "goes on without this worker" in away.err, away.err
    lps.interrupt()
    assert lps.wait() == 130


@test
def what_has_not_started_has_no_result(t):
    cluster, target = t.cluster(expected=2).start(1), t.target()
    lps = cluster.lps("w1", "-u", target.http, "-rc", "1")
    run = cluster.await_members(1)["id"]
    assert "waits for its start" in finish(cluster, "w1", "show", run[:8], code=3).err
    lps.interrupt()
    assert lps.wait() == 130
    assert "never started" in finish(cluster, "w1", "show", run, code=3).err


@test(fast=True)
def without_a_daemon_or_a_master_it_is_said(t):
    lonely = t.lps("runs", LPS_SOCKET=os.path.join(t.dir, "none.sock"))
    assert lonely.wait(5) == 3 and "lps-workerd does not answer" in lonely.err, lonely.err
    cluster = t.cluster()
    cluster.start_worker()
    until("the master was called", lambda: b"Connection refused" in cluster.call("w1", "/v1/status")[1])
    for args in (("runs",), ("show", "abc"), ("attach", "abc")):
        assert "Connection refused" in finish(cluster, "w1", *args, code=3).err, args
    assert finish(cluster, "w1", "attach", code=3).err == "lps: no test is open on this worker\n"


@test
def a_result_larger_than_a_message_comes_whole(t):
    cluster, target = t.cluster().start(1), t.target()
    names = [f"iteration {i}" for i in range(400)]
    plan = {"name": "Wide", "rounds": [{"name": "r", "runInParallel": True, "iterations": [
        {"name": name, "mode": "R", "requestCount": 1, "httpRequest": {"url": target.http, "httpMethod": "GET"}} for name in names]}]}
    done = finish(cluster, "w1", "run", t.file("wide.json", json.dumps(plan)), "--json")
    shown = finish(cluster, "w1", "show", done.json()["run"]["id"], "--json")
    assert len(shown.out.encode()) > 5 * 64 * 1024, len(shown.out)
    assert [s["iteration"] for s in shown.json()["series"]] == names
    assert shown.json()["totals"] == done.json()["totals"]


# --- To leave and to come back ---

@test(fast=True)
def who_detaches_leaves_when_the_run_is_joined_and_can_come_back(t):
    cluster, target = t.cluster(expected=2).start(2), t.target()
    left = finish(cluster, "w1", "-u", target.http, "-rc", "20", "-nc", "2", "--detach")
    run = left.out.strip()
    assert RUN.fullmatch(run) and run == cluster.state()["run"]["id"], left.out
    back, again = cluster.lps("w1", "attach", run[:8]), cluster.lps("w1", "attach")
    back.await_text(r"1 of 2 workers")
    again.await_text(r"1 of 2 workers")
    other = cluster.lps("w2", "-u", target.http, "-rc", "20", "-nc", "2")
    assert (back.wait(), again.wait(), other.wait()) == (0, 0, 0)
    assert back.out == again.out and re.search(r"requests +80\b", back.out), back.out
    assert last_lines(back.out) == last_lines(other.out)
    over = finish(cluster, "w1", "attach", run)
    assert over.out == back.out, "the run is over, and its result is still here"


@test
def attach_leaves_with_the_code_of_the_run_however_old(t):
    cluster, target = t.cluster(StartLead=0.05).start(1), t.target()
    run = finish(cluster, "w1", "-u", "http://127.0.0.1:1/", "-rc", "2", "--detach").out.strip()
    assert "exit code 1" in finish(cluster, "w1", "attach", run, code=1).out
    for _ in range(9):  # the worker keeps eight
        finish(cluster, "w1", "-u", target.http, "-rc", "1")
    assert cluster.call("w1", f"/v1/submissions/{run}")[0] == 404
    assert "exit code 1" in finish(cluster, "w1", "attach", run, code=1).out
    assert finish(cluster, "w1", "attach", "ffff-is-none", code=3).err == "lps: no run ffff-is-none\n"


@test
def ctrl_c_in_attach_cancels_and_its_death_does_not(t):
    cluster, target = t.cluster().start(1), t.target()
    run = finish(cluster, "w1", "-u", target.http + "/delay/2", "-d", "60", "--detach").out.strip()
    dies, cancels = cluster.lps("w1", "attach"), cluster.lps("w1", "attach", run)
    dies.await_text(r"\brequests\b|running")
    cancels.await_text(r"\brequests\b|running")
    dies.kill()
    until("two seconds passed", lambda: cluster.state()["run"]["k"] >= 2)
    assert cluster.state()["run"]["stop"] == "none"
    cancels.interrupt()
    assert cancels.wait() == 130 and "CANCELLED" in cancels.out, cancels.out
    assert "CANCELLED" in finish(cluster, "w1", "show", run).out


@test
def who_comes_back_hears_what_was_said_and_the_numbers_so_far(t):
    cluster, target = t.cluster().start(1), t.target()
    plan = {"name": "Ends", "rounds": [{"name": "r", "runInParallel": True, "iterations": [
        {"name": "short", "mode": "D", "duration": 60, "httpRequest": {"url": target.http + "/delay/2", "httpMethod": "GET"},
         "terminationRules": [{"expression": "1 = 1"}]},
        {"name": "long", "mode": "D", "duration": 60, "httpRequest": {"url": target.http + "/delay/2", "httpMethod": "GET"}}]}]}
    finish(cluster, "w1", "run", t.file("ends.json", json.dumps(plan)), "--detach")
    until("the rule fired", lambda: cluster.state()["run"]["ended"])
    until("and a second passed", lambda: cluster.state()["run"]["k"] >= 2)
    back = cluster.lps("w1", "attach")
    back.await_text(r"r, short ends: a termination rule fired")
    back.await_text(r"[1-9]\d* requests")
    assert finish(cluster, "w1", "cancel").out.startswith("cancelling ")
    assert back.wait() == 130


@test
def who_detaches_waits_for_a_master_no_longer_than_asked(t):
    cluster = t.cluster()
    cluster.start_worker()
    lps = cluster.lps("w1", "-u", "http://127.0.0.1:9/", "--detach", "--wait", "0.5")
    assert lps.wait() == 3 and lps.out == "", (lps.out, lps.err)


# --- To wait behind another ---

@test(fast=True)
def a_second_test_of_a_node_is_refused_or_waits(t):
    cluster, target = t.cluster().start(1), t.target()
    first = cluster.lps("w1", "-u", target.http + "/delay/2", "-d", "60", "-n", "First")
    run = cluster.await_run("Running")["id"]
    refused = finish(cluster, "w1", "-u", target.http, "-rc", "1", code=3)
    assert re.search(rf"run {run} \(First\).*lps attach {run[:8]}.*--queue", refused.err), refused.err
    second = cluster.lps("w1", "-u", target.http, "-rc", "2", "-n", "Second", "--queue", "--json")
    second.await_text(rf"queued behind run {run} \(First\)")
    third = cluster.lps("w1", "-u", target.http, "-rc", "3", "-n", "Third", "--queue", "--json")
    third.await_text(rf"queued behind run {run} \(First\), as number 2")
    status = finish(cluster, "w1", "status").out
    assert len(re.findall(r"^submission .* queued: queued behind", status, re.M)) == 2, status
    assert finish(cluster, "w1", "cancel").out  # the run, not those that wait
    assert (first.wait(), second.wait(), third.wait()) == (130, 0, 0), (second.err, third.err)
    plans = [r["plan"] for r in finish(cluster, "w1", "runs", "--json").json()["runs"]]
    assert plans == ["Third", "Second", "First"], plans
    assert (second.json()["totals"]["requests"], third.json()["totals"]["requests"]) == (2, 3)


@test
def another_nodes_plan_is_waited_for(t):
    cluster, target = t.cluster().start(2), t.target()
    first = cluster.lps("w1", "-u", target.http + "/delay/2", "-d", "60", "-n", "First")
    run = cluster.await_run("Running")["id"]
    refused = finish(cluster, "w2", "-u", target.http, "-rc", "1", code=3)
    assert f"run {run} (First) is Running with another plan" in refused.err, refused.err
    second = cluster.lps("w2", "-u", target.http, "-rc", "2", "-n", "Second", "--queue", "--json")
    second.await_text(rf"queued behind run {run} \(First\)")
    cluster.workers["w2"].await_text("queued behind run")
    joins = finish(cluster, "w2", "-u", target.http + "/delay/2", "-d", "60", "-n", "First", "--detach")
    assert joins.out.strip() == run, "one that fits the open run need not wait"
    first.interrupt()
    assert first.wait() == 130
    assert second.wait() == 0 and second.json()["run"]["plan"] == "Second", second.err


@test
def all_that_wait_have_their_turn(t):
    cluster, target = t.cluster(StartLead=0.05).start(3), t.target()
    first = cluster.lps("w1", "-u", target.http + "/delay/2", "-d", "60")
    cluster.await_run("Running")
    waiting = [cluster.lps(node, "-u", target.http, "-rc", str(i + 1), "-n", f"{node}-{i}", "--queue", "--json")
               for i in range(3) for node in ("w1", "w2", "w3")]
    for lps in waiting:
        lps.await_text("queued behind run")
    first.interrupt()
    assert first.wait() == 130
    assert [lps.wait(60) for lps in waiting] == [0] * 9, [lps.err for lps in waiting]
    assert sorted(lps.json()["run"]["plan"] for lps in waiting) == sorted(f"{n}-{i}" for i in range(3) for n in ("w1", "w2", "w3"))


@test
def the_wait_in_the_queue_is_bounded_can_be_left_and_cancelled(t):
    cluster, target = t.cluster().start(1), t.target()
    first = cluster.lps("w1", "-u", target.http + "/delay/2", "-d", "60", "-n", "First")
    run = cluster.await_run("Running")["id"]
    bounded = finish(cluster, "w1", "-u", target.http, "-rc", "1", "--queue", "--wait", "0.5", code=3)
    assert f"gave up after 0.5 s: queued behind run {run} (First)" in bounded.err, bounded.err
    left = finish(cluster, "w1", "-u", target.http, "-rc", "4", "-n", "Left", "--queue", "--detach").out.strip()
    cancelled = cluster.lps("w1", "-u", target.http, "-rc", "5", "-n", "Cancelled", "--queue")
    cancelled.await_text("queued behind")
    cancelled.interrupt()
    assert cancelled.wait() == 130
    back = cluster.lps("w1", "attach", left)
    back.await_text("queued behind")
    first.interrupt()
    assert (first.wait(), back.wait()) == (130, 0), back.err
    assert [r["plan"] for r in finish(cluster, "w1", "runs", "--json").json()["runs"]] == ["Left", "First"]


@test
def the_queue_has_an_end(t):
    cluster, target = t.cluster().start(1), t.target()
    first = cluster.lps("w1", "-u", target.http + "/delay/2", "-d", "60", "-n", "First")
    cluster.await_run("Running")
    ids = [finish(cluster, "w1", "-u", target.http, "-rc", "1", "-n", f"q{i}", "--queue", "--detach").out.strip() for i in range(8)]
    assert "8 submissions are queued" in finish(cluster, "w1", "-u", target.http, "-rc", "1", "--queue", code=3).err
    for submission in ids[1:]:
        finish(cluster, "w1", "cancel", submission)
    first.interrupt()
    assert first.wait() == 130
    finish(cluster, "w1", "attach", ids[0])


@test
def a_queue_survives_the_master(t):
    cluster, target = t.cluster(MasterLossTimeout=1.0).start(1), t.target()
    first = cluster.lps("w1", "-u", target.http + "/delay/2", "-d", "60", "-n", "First")
    cluster.await_run("Running")
    second = cluster.lps("w1", "-u", target.http, "-rc", "2", "-n", "Second", "--queue", "--json")
    second.await_text("queued behind run")
    cluster.master.stop()
    first.interrupt()
    assert first.wait() == 3, "it has its own part only"
    cluster.start_master()
    assert second.wait() == 0 and second.json()["totals"]["requests"] == 2, second.err


# --- Many ---

def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def resident_kib(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
        return int(re.search(r"^VmRSS:\s+(\d+)", f.read(), re.M)[1])


@test(fast=True)
def many_runs_leave_nothing_behind(t):
    n_runs = int(os.environ.get("RUNS", 30))
    cluster, target = t.cluster(StartLead=0.02).start(1), t.target()
    daemons = {"master": cluster.master, "worker": cluster.workers["w1"]}
    counts = {}
    for i in range(n_runs):
        finish(cluster, "w1", "-u", target.http, "-rc", "2", "-n", f"Run {i}", "--quiet")
        if i in (9, n_runs - 1) or i % 100 == 99:
            counts[i + 1] = {name: (descriptors(p), resident_kib(p)) for name, p in daemons.items()}
            print(f"# after {i + 1} runs, (descriptors, KiB): {counts[i + 1]}", flush=True)
    runs = finish(cluster, "w1", "runs", "--limit", "1000", "--json").json()["runs"]
    assert [r["plan"] for r in runs] == [f"Run {i}" for i in reversed(range(n_runs))][:1000]
    assert target.counts()["requests"] == 2 * n_runs
    early, late = counts[10], counts[n_runs]
    for name in daemons:
        assert late[name][0] <= early[name][0] + 2, (name, counts)
        # A sanitizer keeps what is freed for a while.
        assert sanitized() or late[name][1] <= early[name][1] + 4096, (name, counts)


if __name__ == "__main__":
    main()
