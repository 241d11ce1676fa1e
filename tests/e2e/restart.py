#!/usr/bin/python3
"""A master that is killed and restarted goes on with the run; what is damaged is refused, and left as it is."""
import os
import shutil
import signal
import sqlite3
import time

from lps import Process, get, main, program, test, until


def start_cluster(t, n=2, **settings):
    return t.cluster(expected=n, **{"RejoinGrace": 5, **settings}).start(n)


def submit(t, cluster, *args):
    """The same command on all workers; requests are slow enough to be counted one by one."""
    target = t.target()
    return cluster, target, [cluster.lps(node, "-u", target.http + "/delay/2", *args, "--json") for node in cluster.workers]


def start(t, *args, n=2, **settings):
    return submit(t, start_cluster(t, n, **settings), *args)


def restart(cluster, pause_s=0.0):
    cluster.master.kill()
    time.sleep(pause_s)
    cluster.start_master()


def await_second(cluster, k):
    cluster.await_run("Running")
    until(f"second {k} is merged", lambda: cluster.state()["run"]["k"] >= k)


def went_on(cluster, target, all_lps, n_outages=1):
    """The run came to its end and verdict as if nothing had been, but for the outages; returns the document."""
    assert [lps.wait(40) for lps in all_lps] == [0] * len(all_lps), [lps.err for lps in all_lps]
    documents = [lps.json() for lps in all_lps]
    document = documents[0]
    assert all(d["totals"] == document["totals"] for d in documents), "everybody shows the same numbers"
    assert document["verdict"] == {"exitCode": 0, "status": "passed", "reasons": []}, document["verdict"]
    assert document["run"]["flags"] == (["master-restarted"] if n_outages else []), document["run"]
    assert len(document["outages"]) == n_outages and all(o["seconds"] > 0 for o in document["outages"]), document["outages"]
    totals = document["totals"]
    assert document["reconciliation"] == {"agrees": True, "differences": []}, document["reconciliation"]
    assert target.counts()["requests"] == totals["requests"] == sum(w["requests"] for w in document["workers"]), totals
    assert sum(document["timeline"]["requests"]) == totals["requests"], document["timeline"]
    assert document["late"] == {"windows": 0, "requests": 0}, document["late"]
    assert [w["state"] for w in document["workers"]] == ["done"] * len(all_lps)
    assert document["timeline"]["workers"][0] == len(all_lps), document["timeline"]
    stored = cluster.result()
    assert stored["totals"] == totals and stored["outages"] == document["outages"]
    assert stored["run"]["id"] == document["run"]["id"], "it is the same run"
    return document


def all_counted(target, all_lps):
    """All were told the same, and that is what the target has seen."""
    document = all_lps[0].json()
    assert all(lps.json()["totals"] == document["totals"] for lps in all_lps)
    assert document["totals"]["requests"] == target.counts()["requests"], (document["totals"], target.counts())
    assert document["reconciliation"]["agrees"] and document["late"]["windows"] == 0, document
    return document


@test(fast=True)
def in_the_middle(t):
    cluster, target, all_lps = start(t, "-d", "5", "-nc", "2")
    await_second(cluster, 1)
    before = cluster.state()["run"]
    restart(cluster, 1)
    run = cluster.state()["run"]
    assert run["state"] == "Running" and run["id"] == before["id"] and run["seed"] == before["seed"], run
    assert run["totals"]["requests"] >= before["totals"]["requests"], "what was committed is back"
    document = went_on(cluster, target, all_lps)
    outage, = document["outages"]
    assert outage["second"] >= 0 and outage["seconds"] >= 1, outage
    assert document["run"]["durationSeconds"] < 8, document["run"]
    assert {n["node"]: n["epoch"] for n in cluster.state()["nodes"]} == {"w1": 1, "w2": 1}, "the workers are the same instances"


@test
def in_ready(t):
    """T0 is known to the workers, the master is back before it or after."""
    cluster = start_cluster(t, StartLead=2)
    for pause_s in (0, 2):
        _, target, all_lps = submit(t, cluster, "-rc", "300")
        for lps in all_lps:
            lps.await_text("ready, starting")
        t0_ms = cluster.await_run("Ready")["startsAt"]
        restart(cluster, pause_s)
        assert cluster.state()["run"]["startsAt"] == t0_ms, "T0 is never withdrawn"
        document = went_on(cluster, target, all_lps)
        assert document["totals"]["requests"] == 600 and document["outages"][0]["second"] < 0, document["outages"]
        assert max(abs(w["startSkewMs"]) for w in document["workers"]) < 200, document["workers"]


@test
def as_soon_as_it_says_ready(t):
    """Whoever knows T0 got it from a master that had stored it."""
    cluster = start_cluster(t, StartLead=1.5)
    for _ in range(3):
        _, target, all_lps = submit(t, cluster, "-rc", "100")
        for lps in all_lps:
            lps.await_text("ready, starting")
        restart(cluster)
        went_on(cluster, target, all_lps)


@test
def at_any_moment_of_the_start(t):
    """Before Ready the workers submit anew, after it they go on; either way there is one run, and one result."""
    cluster = start_cluster(t, StartLead=1)
    for pause_s in (0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3):
        _, target, all_lps = submit(t, cluster, "-rc", "100")
        time.sleep(pause_s)
        restart(cluster)
        assert [lps.wait(40) for lps in all_lps] == [0, 0], [lps.err for lps in all_lps]
        assert all_counted(target, all_lps)["totals"]["requests"] == 200


@test
def in_the_first_second(t):
    cluster, target, all_lps = start(t, "-d", "4", "-nc", "2")
    until("requests flow", lambda: target.counts()["requests"] > 0)
    restart(cluster, 0.5)
    went_on(cluster, target, all_lps)


@test
def twice_in_one_run(t):
    cluster, target, all_lps = start(t, "-d", "7", "-nc", "2")
    await_second(cluster, 1)
    restart(cluster, 0.7)
    await_second(cluster, 3)
    restart(cluster)
    document = went_on(cluster, target, all_lps, n_outages=2)
    one, two = document["outages"]
    assert one["second"] + one["seconds"] <= two["second"], document["outages"]


@test
def while_the_run_ends(t):
    """Killed when one worker is done, when both are, and when the result is stored: all are told the same end."""
    cluster = start_cluster(t)
    for pause_s in (0, 0.1, 0.2, 0.3, 0.5):
        _, target, all_lps = submit(t, cluster, "-rc", "300", "-nc", "2")
        cluster.await_run("Running")
        until("all requests were sent", lambda target=target: target.counts()["requests"] == 1200)
        time.sleep(pause_s)
        restart(cluster)
        assert [lps.wait(40) for lps in all_lps] == [0, 0], [lps.err for lps in all_lps]
        document = all_counted(target, all_lps)
        assert document["totals"]["requests"] == 1200
        assert cluster.result()["totals"] == document["totals"]


@test
def the_result_is_told_by_the_next_master(t):
    """The run was over and stored, and a worker was away when it was told."""
    cluster, target, all_lps = start(t, "-rc", "300", "-nc", "2", Lease=20)
    cluster.await_run("Running")
    until("all of w2 is in", lambda: {m["node"]: m["state"] for m in cluster.state()["run"]["members"]}["w2"] == "Stopped")
    cluster.workers["w2"].signal(signal.SIGSTOP)
    assert all_lps[0].wait(20) == 0
    cluster.master.kill()
    cluster.workers["w2"].signal(signal.SIGCONT)
    cluster.start_master()
    assert all_lps[1].wait(20) == 0, all_lps[1].err
    assert cluster.state()["run"]["state"] == "Stopped" and cluster.state()["state"] == "Created"
    assert all_counted(target, all_lps)["outages"] == [], "there was no run any more"


@test
def a_waiting_run_is_submitted_again(t):
    cluster, target = t.cluster(expected=2).start(2), t.target()
    first = cluster.lps("w1", "-u", target.http, "-rc", "20", "--json")
    cluster.await_members(1)
    restart(cluster)
    cluster.await_members(1)
    assert cluster.lps("w2", "-u", target.http, "-rc", "20").wait() == 0 and first.wait() == 0
    assert first.json()["outages"] == [] and target.counts()["requests"] == 40


@test
def a_late_joiner_comes_back_as_one(t):
    cluster, target = t.cluster(expected=1, RejoinGrace=5).start(2), t.target()
    command = ("-u", target.http + "/delay/2", "-d", "5", "--json")
    all_lps = [cluster.lps("w1", *command)]
    await_second(cluster, 0)
    all_lps.append(cluster.lps("w2", *command))
    until("it runs", lambda: any(m["late"] and m["requests"] for m in cluster.state()["run"]["members"]))
    restart(cluster)
    assert [m["late"] for m in cluster.state()["run"]["members"]] == [False, True]
    assert [lps.wait(40) for lps in all_lps] == [0, 0]
    document = all_counted(target, all_lps)
    assert {w["node"]: w["joinedAfterSeconds"] > 0 for w in document["workers"]} == {"w1": False, "w2": True}


@test
def a_cancel_is_not_forgotten(t):
    """Cancelled, then killed at once: whether that was stored or not, a worker says it again."""
    cluster, target, all_lps = start(t, "-d", "60", "-nc", "2")
    await_second(cluster, 0)
    all_lps[0].interrupt()
    until("it is cancelled", lambda: cluster.state()["run"]["stop"] != "none")
    restart(cluster)
    assert [lps.wait(20) for lps in all_lps] == [130, 130]
    document = all_counted(target, all_lps)
    assert document["run"]["flags"] == ["cancelled", "master-restarted"], document["run"]


@test
def a_rule_that_fired_stays_fired(t):
    """Its iteration is over on all workers, and is not ended again."""
    target = t.target()
    cluster = t.cluster(expected=2, RejoinGrace=5).start(2)
    plan = t.file("plan.yaml", f"""name: rules
rounds:
  - name: r
    iterations:
      - name: ends
        mode: D
        duration: 30
        thinkTime: 20
        terminationRules: [{{metric: "ErrorRate > 0.5", gracePeriod: "00:00:01"}}]
        httpRequest: {{url: "{target.http}/status/500"}}
      - name: goes-on
        mode: D
        duration: 4
        httpRequest: {{url: "{target.http}/delay/2"}}
""")
    all_lps = [cluster.lps(node, "run", plan, "--json") for node in ("w1", "w2")]
    cluster.await_run("Running")
    until("the rule has fired", lambda: cluster.state()["run"]["ended"])
    ended = cluster.state()["run"]["ended"]
    time.sleep(0.3)
    restart(cluster, 0.5)
    assert cluster.state()["run"]["ended"] == ended
    assert [lps.wait(40) for lps in all_lps] == [1, 1], [lps.err for lps in all_lps]
    document = all_counted(target, all_lps)
    statuses = {s["iteration"]: s["status"] for s in document["series"]}
    assert statuses == {"ends": "terminated", "goes-on": "success"}, statuses


@test
def after_another_boot_the_run_is_failed(t):
    """T0 was on the clock of a boot that is over."""
    cluster, target, all_lps = start(t, "-d", "6")
    await_second(cluster, 1)
    cluster.master.kill()
    with sqlite3.connect(os.path.join(cluster.stage.dir, "m1", "master.db")) as db:
        db.execute("UPDATE runs SET t0_boot_id = '00000000-0000-0000-0000-000000000000'")
    db.close()
    cluster.start_master()
    assert [lps.wait(20) for lps in all_lps] == [4, 4], [lps.err for lps in all_lps]
    document = all_lps[0].json()
    assert any("booted again" in reason for reason in document["verdict"]["reasons"]), document["verdict"]
    run, = get(cluster.rest + "/api/v1/runs")["runs"]
    assert run["state"] == "Failed" and "booted again" in run["reason"], run
    again = [cluster.lps(node, "-u", target.http, "-rc", "5") for node in ("w1", "w2")]
    assert [lps.wait() for lps in again] == [0, 0], "and everybody is free for the next run"


@test
def a_master_that_stays_away_ends_the_run(t):
    """Each node then shows its own part; what it has goes to a master that comes back, which says why it is incomplete."""
    cluster, target, all_lps = start(t, "-d", "30", MasterLossTimeout=1)
    await_second(cluster, 0)
    cluster.master.kill()
    assert [lps.wait(30) for lps in all_lps] == [3, 3]
    assert sum(lps.json()["totals"]["requests"] for lps in all_lps) == target.counts()["requests"]
    cluster.start_master()
    document = cluster.result()
    assert document["totals"]["requests"] == target.counts()["requests"] and document["reconciliation"]["agrees"]
    assert document["verdict"]["status"] == "degraded" and any("stayed away" in r for r in document["verdict"]["reasons"])


@test
def a_worker_restarted_meanwhile_is_lost(t):
    cluster, target, (one, two) = start(t, "-d", "5")
    await_second(cluster, 0)
    cluster.master.kill()
    cluster.workers["w2"].kill()
    cluster.start_worker("w2")
    cluster.start_master()
    assert one.wait(30) == 4 and two.wait() == 3
    lost = {w["node"]: w for w in one.json()["workers"]}["w2"]
    assert lost["state"] == "lost" and "restarted" in lost["reason"], lost


@test
def a_run_comes_back_as_it_was_measured(t):
    """The document of a running run, before and after: what is merged anew is what was merged at first."""
    cluster, target, all_lps = start(t, "-d", "6", "-nc", "3", Lease=30)
    await_second(cluster, 2)
    for worker in cluster.workers.values():
        worker.signal(signal.SIGSTOP)
    run_id = cluster.state()["run"]["id"]

    def look():
        """The document without what depends on when one looks."""
        document = get(f"{cluster.rest}/api/v1/runs/{run_id}")
        for part in [document["totals"], *document["series"], *document["hosts"]]:
            del part["ratePerSecond"]
        return document

    def is_steady():
        first = look()
        time.sleep(0.5)
        return first["totals"] == look()["totals"] and first
    before = until("nothing comes any more", is_steady)
    restart(cluster)
    after = look()
    for key in ("totals", "series", "hosts", "timeline"):
        assert before[key] == after[key], (key, before[key], after[key])
    keys = ("node", "lastSecond", "requests", "errors", "generator")
    assert [[w[k] for k in keys] for w in before["workers"]] == [[w[k] for k in keys] for w in after["workers"]]
    for worker in cluster.workers.values():
        worker.signal(signal.SIGCONT)
    went_on(cluster, target, all_lps)


def check_store(t, where):
    check = Process(t, "check", [program("lps-masterd"), "--check-store", "-s", where])
    code = check.wait()
    assert check.out.count("\n") == 1 and not check.err, (check.out, check.err)
    return code, check.out


@test
def a_damaged_store_is_refused_and_kept(t):
    cluster, target = t.cluster().start(1), t.target()
    assert cluster.lps("w1", "-u", target.http, "-rc", "20").wait() == 0
    where = os.path.join(t.dir, "m1")
    path = os.path.join(where, "master.db")
    code, said = check_store(t, where)
    assert code == 0 and "sound, 1 runs" in said, said
    cluster.master.stop()
    assert check_store(t, where)[0] == 0
    with open(path, "rb") as f:
        sound = f.read()
    for damaged in (sound[:len(sound) // 2], b"x" * 200 + sound[200:], sound[:8192] + b"\xff" * 4096 + sound[12288:]):
        with open(path, "wb") as f:
            f.write(damaged)
        master = Process(t, "m1-damaged", [program("lps-masterd"), "-c", cluster.settings("m1")], cluster.environment("m1"))
        assert master.wait(10) == 1
        assert path in master.err and "it is left as it is" in master.err and "listening" not in master.err, master.err
        code, said = check_store(t, where)
        assert code == 1 and path in said, said
        with open(path, "rb") as f:
            assert f.read() == damaged, "neither repaired nor overwritten"
    with open(path, "wb") as f:
        f.write(sound)
    cluster.start_master()
    assert cluster.result()["totals"]["requests"] == 20


@test
def a_torn_log_opens_with_what_was_committed(t):
    """As after a power cut while the last transaction was written; the run goes on, as the workers kept what was not acknowledged."""
    cluster, target, all_lps = start(t, "-d", "30", n=1)
    await_second(cluster, 3)
    for worker in cluster.workers.values():
        worker.signal(signal.SIGSTOP)
    cluster.master.kill()
    where = os.path.join(t.dir, "m1")
    log = os.path.join(where, "master.db-wal")
    size = os.path.getsize(log)
    seqs = []
    for cut in (0, 1, 2048, 4120, 9000, size // 4, size // 2):
        copy = os.path.join(t.dir, f"copy-{cut}")
        shutil.copytree(where, copy)
        os.truncate(os.path.join(copy, "master.db-wal"), size - cut)
        code, said = check_store(t, copy)
        assert code == 0, said
        with sqlite3.connect(os.path.join(copy, "master.db")) as db:
            seqs.append((db.execute("SELECT coalesce(max(last_seq), 0) FROM members").fetchone()[0],
                         db.execute("SELECT count(*) FROM windows").fetchone()[0]))
        db.close()
    assert seqs == sorted(seqs, reverse=True) and seqs[0][0] > 3 and seqs[-1] < seqs[0], seqs
    assert all(seq == windows for seq, windows in seqs), "a window and its number are committed together"
    for worker in cluster.workers.values():
        worker.signal(signal.SIGCONT)
    cluster.start_master()
    assert cluster.lps("w1", "cancel").wait(10) == 0 and all_lps[0].wait(20) == 130
    assert all_lps[0].json()["totals"]["requests"] == target.counts()["requests"]


if __name__ == "__main__":
    main()
