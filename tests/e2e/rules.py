#!/usr/bin/python3
"""Rules, seeds, unique values and secrets: what a cluster decides together, and what it keeps to itself."""
import json
import os
import time

from lps import get, main, test, until

# Iteration "bad" would go on for a minute.
PLAN = """\
name: ruled
{variables}
rounds:
  - name: Load
    numberOfClients: 2
    iterations:
      - name: bad
        mode: D
        duration: 60
        thinkTime: 20
        {rules}
        httpRequest: {{url: "{url}/status/500"}}
      - name: good
        {good}
        httpRequest: {{url: "{url}/bytes/7"}}
"""
ENDS = 'terminationRules: [{{metric: "ErrorRate > 0.5", gracePeriod: "{grace}"}}]'


def ruled(t, target, rules=ENDS.format(grace="00:00:00"), good="requestCount: 5", variables=""):
    return t.file("plan.yaml", PLAN.format(url=target.http, rules=rules, good=good, variables=variables))


def simple(t, target, path, rules="", request=""):
    return t.file("simple.yaml", f"""\
name: simple
rounds:
  - name: Load
    iterations:
      - name: only
        requestCount: 40
        {rules}
        httpRequest: {{url: "{target.http}{path}"{request}}}
""")


def paths(target):
    return target.counts()["paths"]


def submission(target, name, **members):
    request = {"url": target.http + "/", "method": "GET"}
    iteration = {"name": "i", "mode": "R", "requestCount": 3, "httpRequest": request}
    plan = {"name": "seeded", "rounds": [{"name": "r", "numberOfClients": 1, "iterations": [iteration]}]}
    return {"submissionId": name, "plan": plan, **members}


def submit(cluster, node, body):
    status, answer = cluster.call(node, "/v1/submissions", body)
    assert status == 202, (status, answer)


def outcome(cluster, node, name):
    """The result event of a submission."""
    status, events = cluster.call(node, f"/v1/submissions/{name}/events")
    assert status == 200, events
    lines = [line for line in events.decode().splitlines() if line.startswith("{")]  # between sizes of chunks
    return next(event for event in map(json.loads, lines) if event["event"] == "result")


@test(fast=True)
def a_rule_ends_an_iteration_on_all_workers(t):
    cluster, target = t.cluster(expected=2).start(2), t.target()
    plan = ruled(t, target)
    both = [cluster.lps(node, "run", plan) for node in ("w1", "w2")]
    run = until("the rule fires", lambda: (r := cluster.state()["run"]) and r["ended"] and r)
    [ended] = run["ended"]
    assert (ended["round"], ended["iteration"]) == ("Load", "bad"), ended
    assert "ErrorRate > 0.5" in ended["rule"] and ended["value"] == 1.0, ended
    assert [lps.wait() for lps in both] == [1, 1], "the rule is the verdict"
    assert time.monotonic() - both[0].began < 30
    assert paths(target)["/bytes/7"] == 2 * 2 * 5, "clients of both go on with the next iteration"
    for log in (cluster.master.err, *(w.err for w in cluster.workers.values())):
        assert log.count("event=iteration-ended") == 1, log
    assert all("Load, bad ends" in lps.err for lps in both), both[0].err
    assert cluster.result()["verdict"]["exitCode"] == 1


@test
def a_rule_waits_for_its_grace_period(t):
    cluster, target = t.cluster(expected=1).start(1), t.target()
    lps = cluster.lps("w1", "run", ruled(t, target, ENDS.format(grace="3s")))
    assert lps.wait() == 1
    [ended] = cluster.state()["run"]["ended"]
    assert 3 <= ended["k"] <= 4, ended


@test(fast=True)
def lps_alone_judges_by_the_same_rules(t):
    target = t.target()
    lps = t.lps("run", ruled(t, target), "--local")
    assert lps.wait() == 1
    assert time.monotonic() - lps.began < 30
    assert paths(target)["/bytes/7"] == 10
    assert lps.err.count("Load, bad ends") == 1, lps.err


@test
def late_joiners_obey_at_once(t):
    cluster, target = t.cluster(expected=1).start(2), t.target()
    plan = ruled(t, target, good="{mode: D, duration: 6, thinkTime: 20}"[1:-1].replace(", ", "\n        "))
    first = cluster.lps("w1", "run", plan)
    until("the rule fires", lambda: (r := cluster.state()["run"]) and r["ended"])
    until("the next iteration has begun", lambda: paths(target).get("/bytes/7"))
    bad = paths(target)["/status/500"]
    late = cluster.lps("w2", "run", plan)
    assert (first.wait(), late.wait()) == (1, 1)
    assert cluster.state()["run"]["members"][1]["late"]
    assert paths(target)["/status/500"] - bad <= 4, "the late one hardly begins the iteration that is over"
    assert len(cluster.state()["run"]["ended"]) == 1


@test(fast=True)
def failure_rules_stand_in_for_the_default(t):
    target = t.target()
    strict = 'failureRules: [{metric: "ErrorRate > 0.5"}]'
    lax = 'failureRules: [{metric: "ErrorRate > 0.5", errorStatusCodes: ">= 500"}]'
    for path, rules, code in (("/bytes/1", "", 0), ("/status/404", "", 1), ("/status/404", strict, 1),
                              ("/status/404", lax, 0), ("/status/503", lax, 1), ("/bytes/1", strict, 0)):
        lps = t.lps("run", simple(t, target, path, rules), "--local")
        assert lps.wait() == code, (path, rules, lps.out, lps.err)
        if code == 1 and rules:
            assert "ErrorRate > 0.5" in lps.out + lps.err, lps.out


@test
def a_failure_rule_is_the_verdict_of_all_workers(t):
    cluster, target = t.cluster(expected=2).start(2), t.target()
    plan = simple(t, target, "/status/404", 'failureRules: [{metric: "ErrorRate > 0.5"}]')
    both = [cluster.lps(node, "run", plan) for node in ("w1", "w2")]
    assert [lps.wait() for lps in both] == [1, 1]
    assert all("ErrorRate > 0.5" in lps.out + lps.err for lps in both), both[0].out


@test(fast=True)
def the_first_submission_decides_the_seed(t):
    cluster, target = t.cluster(expected=2).start(2), t.target()
    submit(cluster, "w1", submission(target, "first", seed=7))
    assert cluster.await_members(1)["seed"] == 7
    submit(cluster, "w2", submission(target, "other", seed=8))
    refused = outcome(cluster, "w2", "other")
    assert refused["exitCode"] == 3 and "has the seed 7, not 8" in refused["message"], refused
    submit(cluster, "w2", submission(target, "same", seed=7))
    assert [outcome(cluster, *who)["exitCode"] for who in (("w1", "first"), ("w2", "same"))] == [0, 0]
    assert cluster.state()["run"]["seed"] == 7


@test
def a_run_without_a_seed_gets_one_of_its_own(t):
    cluster, target = t.cluster(expected=1).start(1), t.target()
    seeds = set()
    for name in ("one", "two"):
        submit(cluster, "w1", submission(target, name))
        assert outcome(cluster, "w1", name)["exitCode"] == 0
        seeds.add(cluster.state()["run"]["seed"])
    assert len(seeds) == 2 and all(0 <= seed < 2 ** 53 for seed in seeds), seeds


RANDOM = "/bytes/$randomnumber(min=1, max=100000)"


@test
def a_seed_makes_the_same_values_again(t):
    seen = []
    for args in (("--seed", "5"), ("--seed", "5"), ("--seed", "6"), ()):
        target = t.target()
        lps = t.lps("run", simple(t, target, RANDOM), "--local", "--json", *args)
        assert lps.wait() == 0, lps.err
        assert not args or lps.json()["run"]["seed"] == int(args[1])
        seen.append({path for path in paths(target) if path.startswith("/bytes/")})
    assert seen[0] == seen[1] and len(seen[0] | seen[2]) > 60 and seen[3] != seen[0], seen


@test
def workers_make_values_of_their_own(t):
    cluster, target = t.cluster(expected=2).start(2), t.target()
    both = [cluster.lps(node, "run", simple(t, target, RANDOM), "--seed", "5") for node in ("w1", "w2")]
    assert [lps.wait() for lps in both] == [0, 0]
    assert cluster.result()["run"]["seed"] == 5
    found = [path for path in paths(target) if path.startswith("/bytes/")]
    assert len(found) > 60, "80 requests, each worker with a stream of random values of its own"


@test
def nobody_joins_late_where_values_are_unique(t):
    cluster, target = t.cluster(expected=1).start(2), t.target()
    plan = t.file("unique.yaml", f"""\
name: unique
rounds:
  - name: Load
    iterations:
      - name: only
        mode: D
        duration: 4
        thinkTime: 50
        httpRequest: {{url: "{target.http}/bytes/$counter(start=1, unique=true)"}}
""")
    first = cluster.lps("w1", "run", plan)
    cluster.await_run("Running")
    late = cluster.lps("w2", "run", plan)
    assert late.wait(5) == 3
    assert "nobody joins late" in late.err, late.err
    assert first.wait() == 0


@test
def workers_share_unique_values(t):
    cluster, target = t.cluster(expected=2).start(2), t.target()
    plan = simple(t, target, "/bytes/$counter(start=1, unique=true)")
    both = [cluster.lps(node, "run", plan) for node in ("w1", "w2")]
    assert [lps.wait() for lps in both] == [0, 0]
    counts = {path: n for path, n in paths(target).items() if path.startswith("/bytes/")}
    assert len(counts) == 80 and set(counts.values()) == {1}, counts


@test
def warnings_are_bounded(t):
    cluster, target = t.cluster(expected=1).start(1), t.target()
    plan = simple(t, target, "/bytes/1", request=', headers: {X: "${nobody$counter()}"}')
    lps = cluster.lps("w1", "run", plan)
    assert lps.wait() == 0
    for text in (lps.err, cluster.workers["w1"].err):
        assert 1 <= text.count("nobody") <= 20, text
    assert "20 more warnings were not shown" in lps.err, lps.err


@test
def secrets_stay_on_their_worker(t):
    cluster, target = t.cluster(expected=1).start(1), t.target()
    plan = t.file("secret.yaml", f"""\
name: secret
variables:
  - {{name: pin, value: hush-4711, secret: true}}
rounds:
  - name: Load
    iterations:
      - name: only
        requestCount: 10
        skipIf: '"${{pin}}" = "1"'
        httpRequest:
          url: "{target.http}/bytes/${{pin}}"
          method: POST
          headers: {{X-Pin: "${{pin}}", Authorization: "Bearer hush-4712"}}
          payload: {{raw: "pin=hush-4713"}}
""")
    lps = cluster.lps("w1", "run", plan, "--json")
    lps.wait()
    run = cluster.state()["run"]
    shown = [lps.out, lps.err, cluster.master.err, cluster.workers["w1"].err, json.dumps(cluster.state()),
             json.dumps(get(f"{cluster.rest}/api/v1/runs/{run['id']}")), json.dumps(get(cluster.rest + "/api/v1/runs"))]
    for text in shown:
        assert "hush" not in text, text
    for where, _, names in os.walk(os.path.join(t.dir, "m1")):
        for name in names:
            with open(os.path.join(where, name), "rb") as f:
                assert b"hush" not in f.read(), name


if __name__ == "__main__":
    main()
