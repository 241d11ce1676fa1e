#!/usr/bin/python3
"""A master that is killed and restarted goes on with the run; what is damaged is refused, and left as it is."""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time

from lps import Process, get, main, program, test, until


def start(t, *args, n=2, **settings):
    """A cluster of n workers, each with the same command; requests are slow enough to be counted one by one."""
    settings = {"RejoinGrace": 5, **settings}
    cluster, target = t.cluster(expected=n, **settings).start(n), t.target()
    return cluster, target, [cluster.lps(f"w{i + 1}", "-u", target.http + "/delay/2", *args, "--json") for i in range(n)]


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
    assert len(get(cluster.rest + "/api/v1/runs")["runs"]) == 1, "it is the same run"
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


if __name__ == "__main__":
    main()
