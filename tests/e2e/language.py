#!/usr/bin/python3
"""The plans of tests/plans, each run through the whole chain, and what the target saw of it.

NNN-name.yaml (or .json) is a plan that is valid as it stands; a test puts a recorder's address in place of http://target.test.
NNN-name.py says what must come of it, by check(run), and may say before that

  ANSWERS  what the recorder answers, by path         FILES  what lies in the working directory, by name
  ARGS     more arguments of `lps run`                ENV    more environment variables of `lps`
  EXIT     the exit code, else 0                      FAST   also of the part under a minute, on this machine alone
  UNCOUNTED  requests of a worker that the result does not count (redirects, embedded resources); None: not known

check must hold for one worker and for two, each of which runs the whole plan: run.n is how many there are.
"""
import concurrent.futures
import glob
import importlib.util
import json
import os
import queue
import re
import shutil
import time
import traceback

from lps import ROOT, Cluster, Process, Skip, main, program, sanitized, test
from recorder import Recorder, json_reply, reply

TARGET = "http://target.test"
PLANS = os.path.join(ROOT, "tests/plans")
HTTP_CLIENT = {"ClientTimeoutInSeconds": 10, "ServerTimeHeader": "Server-Timing", "ServerTimeFormat": "Auto"}
N_LANES = 3  # plans at the same time: they mostly wait


class PlanCluster(Cluster):
    def settings(self, node, **cluster):
        path = super().settings(node, **cluster)
        with open(path, encoding="utf-8") as f:
            text = json.load(f)
        text["HttpClient"] = HTTP_CLIENT
        with open(path, "w", encoding="utf-8") as f:
            json.dump(text, f)
        return path


class Lane:
    """Where one plan at a time runs: here (no nodes), or on a cluster of n workers. A stage of its own by its directory."""

    def __init__(self, t, number, n_workers):
        self.n = n_workers or 1
        self.dir = os.path.join(t.dir, f"lane{number}")
        os.mkdir(self.dir)
        self.processes = t.processes
        self.cluster = self.start_cluster(n_workers) if n_workers else None
        self.settings = os.path.join(self.dir, "local.json")
        with open(self.settings, "w", encoding="utf-8") as f:
            json.dump({"HttpClient": HTTP_CLIENT}, f)

    def start_cluster(self, n_workers):
        """In the lane's directory: a runner saves answers in the working directory that it has of its daemon."""
        before = os.getcwd()
        os.chdir(self.dir)
        try:
            return PlanCluster(self, expected=n_workers, StartLead=0.5).start(n_workers)
        finally:
            os.chdir(before)

    def ways(self):
        """Arguments that say where, for each `lps` of a run."""
        if self.cluster is None:
            return [("--local", "--config", self.settings)]
        return [("--socket", self.cluster.socket(node)) for node in self.cluster.workers]


class Run:
    """What became of one plan on one lane, for check(run)."""

    def __init__(self, lane, name, path, expected):
        self.lane, self.n, self.expected = lane, lane.n, expected
        self.dir = os.path.join(lane.dir, name)
        os.mkdir(self.dir)
        for file, content in getattr(expected, "FILES", {}).items():
            with open(os.path.join(self.dir, file), "wb") as f:
                f.write(content if isinstance(content, bytes) else content.encode())
        self.recorder = Recorder(getattr(expected, "ANSWERS", {}))
        self.all_lps, self.document = [], None
        self.file = os.path.basename(path)
        with open(path, encoding="utf-8") as f, open(os.path.join(self.dir, self.file), "w", encoding="utf-8") as copy:
            copy.write(f.read().replace(TARGET, self.recorder.url))

    def execute(self):
        args = [program("lps"), "run", self.file, "--json", *getattr(self.expected, "ARGS", ())]
        self.began = time.monotonic()
        self.all_lps = [Process(self, "lps", [*args, *where], getattr(self.expected, "ENV", {}), cwd=self.dir)
                        for where in self.lane.ways()]
        try:
            codes = [one.wait(30) for one in self.all_lps]
        finally:
            self.cancel()
        assert codes == [getattr(self.expected, "EXIT", 0)] * len(codes), f"exit {codes}: {self.err}{self.out[:1000]}"
        self.document = self.all_lps[0].json() if self.all_lps[0].out else None

    def cancel(self):
        """What still runs, so that the lane is free for the next plan."""
        left = [one for one in self.all_lps if one.popen.poll() is None]
        for one in left:
            one.interrupt()
        for one in left:
            one.wait(20)

    @property
    def out(self):
        return "".join(one.out for one in self.all_lps)

    @property
    def err(self):
        return "".join(one.err for one in self.all_lps)

    @property
    def processes(self):  # those of a plan are found with all others of the test
        return self.lane.processes

    def verify(self):
        self.expected.check(self)
        uncounted = getattr(self.expected, "UNCOUNTED", 0)
        if self.document is not None and uncounted is not None:
            counted = self.document["totals"]["requests"]
            assert counted == len(self.requests) - uncounted * self.n, \
                f"{counted} in the result, {len(self.requests)} seen, {uncounted} of each worker aside"

    @property
    def requests(self):
        return self.recorder.requests

    def of(self, *paths):
        return self.recorder.of(*paths)

    def counts(self, expected):
        """Requests by path, of each worker; no others."""
        found = self.recorder.counts()
        assert found == {path: n * self.n for path, n in expected.items()}, f"{found}, expected {self.n} x {expected}"

    def clients(self, *paths):
        """Lists of the requests (of paths) that came on one connection, so of one client."""
        return self.recorder.by_connection(*paths)

    def each(self, value, expected, *paths):
        """What value(request) is, in order, for each client."""
        assert self.clients(*paths), f"nothing came to {paths}"
        for client in self.clients(*paths):
            found = [value(r) for r in client]
            assert found == expected, f"{found}, expected {expected}"

    def targets(self, *expected):
        """Each client sends these, in this order."""
        self.each(lambda r: r.target, list(expected))

    def bodies(self, *expected):
        self.each(lambda r: r.text, list(expected))

    def echoes(self, expected):
        """A header's values by its name, the same in each request; all that differ are told at once."""
        assert self.requests
        for r in self.requests:
            found = {name: r.header(name) for name in expected}
            wrong = {name: (found[name], expected[name]) for name in expected if found[name] != expected[name]}
            assert not wrong, "found, expected: " + "".join(f"\n  {name}: {a!r}, {b!r}" for name, (a, b) in wrong.items())

    def gaps(self, least, client):
        """At least so many seconds between an answer and the next request."""
        found = [after.at - before.done for before, after in zip(client, client[1:])]
        assert len(found) == len(least) and all(a >= b - 0.002 for a, b in zip(found, least)), f"{found}, expected {least}"

    def series(self, iteration):
        """Of the result."""
        one, = (s for s in self.document["series"] if s["iteration"] == iteration)
        return one

    def judged(self, **expected):
        """What became of the iterations: "success", ..., or that with the rule that did it and its value."""
        found = {s["iteration"]: (s["status"], s["rule"], s["value"])[:1 if isinstance(expected[s["iteration"]], str) else 3]
                 for s in self.document["series"]}
        expected = {name: (status,) if isinstance(status, str) else status for name, status in expected.items()}
        assert found == expected, f"{found}, expected {expected}"
        for name, status in expected.items():
            told = any(name in reason for reason in self.document["verdict"]["reasons"])
            assert told == (status[0] in ("failed", "terminated")), self.document["verdict"]

    def never_told(self, secret):
        """Not on any output, nor in what the daemons keep."""
        assert secret not in self.out + self.err, "told by lps"
        cluster = self.lane.cluster
        if cluster is None:
            return
        for process in [cluster.master, *cluster.workers.values()]:
            assert secret not in process.out + process.err, f"told by {process.name}"
        shown = [cluster.state(), cluster.result()] + [cluster.call(node, "/v1/status") for node in cluster.workers]
        assert secret not in str(shown), "told by an API"
        for node in ["m1", *cluster.workers]:
            for path in glob.glob(os.path.join(self.lane.dir, node, "**"), recursive=True):
                if os.path.isfile(path):
                    with open(path, "rb") as f:
                        assert secret.encode() not in f.read(), f"kept in {path}"


def load(path):
    """What is expected of a plan."""
    side = os.path.splitext(path)[0] + ".py"
    spec = importlib.util.spec_from_file_location("expected", side)
    expected = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(expected)
    return expected


def all_plans():
    """{name: (path, what is expected)}; each plan has its expectation, and each expectation a plan."""
    paths = sorted(glob.glob(PLANS + "/*.yaml") + glob.glob(PLANS + "/*.json"))
    stems = [os.path.splitext(path)[0] for path in paths]
    assert sorted(stems) == sorted(p[:-3] for p in glob.glob(PLANS + "/*.py")), "plans and expectations are pairs"
    return {os.path.basename(stem): (path, load(path)) for stem, path in zip(stems, paths)}


def run_one(lane, name, path, expected):
    """None, or what is wrong."""
    run = Run(lane, name, path, expected)
    try:
        run.execute()
        run.verify()
    except Exception as error:
        where = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(PLANS)]
        line = where[0].lineno if where else ""
        return f"{name}:{line} {type(error).__name__}: {error}\n  {run.requests[:12]}\n  {run.err[:600]}"
    finally:
        run.recorder.close()
    return None


def run_all(t, n_workers, chosen=lambda expected: True):
    lanes = queue.Queue()
    for number in range(N_LANES):
        lanes.put(Lane(t, number, n_workers))

    def on_some_lane(item):
        lane = lanes.get()
        try:
            return run_one(lane, item[0], *item[1])
        finally:
            lanes.put(lane)

    only = os.environ.get("LPS_PLANS", "")  # a part of the name, to look at a few plans
    items = [(name, it) for name, it in all_plans().items() if chosen(it[1]) and only in name]
    with concurrent.futures.ThreadPoolExecutor(max_workers=N_LANES) as pool:
        wrong = [one for one in pool.map(on_some_lane, items) if one]
    # Each of them has its say above; outputs of daemons say the rest.
    assert not wrong, f"{len(wrong)} of {len(items)} plans\n" + "\n".join(wrong)


@test(fast=True)
def the_first_plans_do_what_they_say(t):
    run_all(t, 0, lambda expected: getattr(expected, "FAST", False))


@test
def every_plan_does_what_it_says_on_this_machine_alone(t):
    run_all(t, 0)


@test
def every_plan_does_what_it_says_on_a_worker(t):
    run_all(t, 1)


@test
def every_plan_does_what_it_says_on_two_workers(t):
    if sanitized():
        raise Skip("all at once it is too slow for plans with instants; alone and on one worker it is not")
    run_all(t, 2)


def validate(t, directory, name, *args):
    """None, or what `lps validate` says."""
    one = Process(t, "lps", [program("lps"), "validate", name, *args], cwd=directory)
    return None if one.wait(10) == 0 else one.err


@test(fast=True)
def plans_are_valid_as_they_stand(t):
    wrong = {}
    for name, (path, expected) in all_plans().items():
        if getattr(expected, "EXIT", 0) == 2:
            continue
        where = os.path.join(t.dir, name)
        os.mkdir(where)
        for file, content in getattr(expected, "FILES", {}).items():
            t.file(os.path.join(name, file), content)
        wrong[name] = validate(t, where, path, *getattr(expected, "ARGS", ()))
    assert not any(wrong.values()), "\n".join(f"{name}: {text}" for name, text in wrong.items() if text)


@test(fast=True)
def example_plans_are_valid(t):
    directory = os.path.join(ROOT, "config/plans")
    names = sorted(os.path.basename(path) for path in glob.glob(directory + "/*.yaml"))
    assert names
    wrong = {name: validate(t, directory, name) for name in names}
    assert not any(wrong.values()), wrong


def shop(request):
    """What the example plans talk to."""
    if request.path == "/items":
        return json_reply([{"id": "i1", "stock": 0}, {"id": "i2", "stock": 3}])
    if request.path == "/login":
        return json_reply({"token": "t1"})
    return reply()


@test
def example_plans_run(t):
    directory = os.path.join(ROOT, "config/plans")
    shutil.copy(os.path.join(directory, "users.csv"), t.dir)

    def run(path):
        recorder = Recorder(other=shop)
        name = os.path.basename(path)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        smoke = ("-e", "smoke") if "name: smoke" in text else ()
        t.file(name, text.replace("http://127.0.0.1:8080", recorder.url))
        lps = Process(t, "lps", [program("lps"), "run", name, "--local", "--json", *smoke], {"TOKEN": "t0"}, cwd=t.dir)
        try:
            code = lps.wait(40)
            return None if code == 0 and lps.json()["totals"]["requests"] == len(recorder.requests) > 2 \
                else f"{name}: exit {code}, {len(recorder.requests)} requests: {lps.err}"
        finally:
            recorder.close()

    with concurrent.futures.ThreadPoolExecutor(max_workers=N_LANES) as pool:
        wrong = [one for one in pool.map(run, sorted(glob.glob(directory + "/*.yaml"))) if one]
    assert not wrong, "\n".join(wrong)


@test(fast=True)
def plans_in_the_documents_are_valid(t):
    n, wrong = 0, []
    for path in [os.path.join(ROOT, "README.md"), *sorted(glob.glob(ROOT + "/docs/*.md"))]:
        with open(path, encoding="utf-8") as f:
            text = f.read()
        for found in re.finditer(r"^```yaml\n(.*?)^```$", text, re.M | re.S):
            n += 1
            t.file(f"{n}.yaml", found[1])
            for file in re.findall(r"[\w/-]+\.(?:csv|json|bin|txt|pdf|png)\b", found[1]):
                os.makedirs(os.path.join(t.dir, os.path.dirname(file)), exist_ok=True)
                t.file(file, "a,b\n1,2\n")
            said = validate(t, t.dir, f"{n}.yaml")
            if said:
                wrong.append(f"{os.path.basename(path)}:{text[:found.start()].count(chr(10)) + 1}: {said}")
    assert not wrong, "\n".join(wrong)
    assert n > 0, "no plan in the documents"


if __name__ == "__main__":
    main()
