"""The programs that are measured: how each is told a work, and what it then says it did."""
import json
import os
import re
import shutil

from runner import Failure

BODY_BYTES = 1024
PLAN = "plan-3templates-capture-rule"
PATHS = {"h1-body100k": "/bytes/102400", PLAN: "/json"}


def version(work):
    return "2.0" if work.startswith("h2-") else "1.1"


def is_tls(work):
    return work.startswith(("tls-", "h2-"))


class Peer:
    """One program, and the works that it can do."""

    name = None
    works = ()
    conns = None  # only at these numbers of connections; None: at all

    def does(self, work, conns):
        return work in self.works and (self.conns is None or conns in self.conns)

    def path(self):
        return shutil.which(self.name)

    def argv(self, work, url, conns, seconds, body):
        raise NotImplementedError

    def requests(self, out):
        """How many were answered well, from what it printed."""
        raise NotImplementedError


def number(pattern, out, who):
    found = re.search(pattern, out)
    if not found:
        raise Failure(f"{who} told no number of requests: {' '.join(out.split())[-200:]}")
    return int(found[1])


class Lps(Peer):
    """`lps --local` with the lps-runner that it starts: both are counted."""

    name = "lps-runner"
    works = ("h1-get", "h1-post1k", "h1-body100k", "tls-get", "h2-get")

    def __init__(self, build):
        self.program = os.path.join(build, "lps")

    def path(self):
        return self.program if os.path.exists(self.program) else None

    def argv(self, work, url, conns, seconds, body):
        argv = [self.program, "--local", "--json", "--quiet", "--url", url, "-nc", str(conns), "-d", str(seconds),
                "-hv", version(work)]
        if work == "h1-post1k":
            argv += ["-hm", "POST", "-p", f"Path:{body}"]
        return argv

    def open_argv(self, url, conns, seconds, rate, pacing):
        return [self.program, "--local", "--json", "--quiet", "--url", url, "-nc", str(conns), "-d", str(seconds),
                "-hv", "1.1", "--rate", str(rate), "--pacing", pacing]

    def requests(self, out):
        return self.result(out)["totals"]["completed"]

    @staticmethod
    def result(out):
        try:
            result = json.loads(out)
        except ValueError:
            raise Failure(f"lps printed no result: {out[-200:]}") from None
        totals = result["totals"]
        if totals["errors"] or totals["failed"]:
            raise Failure(f"lps counts {totals['errors']} errors, such as {totals['errorKinds'][:1]}")
        return result


class LpsPlan(Lps):
    """`lps run --local` of a plan whose requests have three templates, one of which reads what the last answer said."""

    works = (PLAN,)
    conns = (100,)

    def __init__(self, build, directory):
        super().__init__(build)
        self.file = os.path.join(directory, "plan.json")

    def argv(self, work, url, conns, seconds, body):
        request = {"url": url, "method": "GET", "version": version(work),
                   "headers": {"X-User": "${last.Body.user.name}", "X-Number": "$counter(start=1, reset=1000)",
                               "Authorization": "Bearer ${last.Body.token}"},
                   "capture": {"to": "last", "as": "Json"}}
        iteration = {"name": "i", "mode": "D", "duration": seconds, "httpRequest": request,
                     "failureRules": [{"metric": "TotalTime.P95 > 10000"}]}
        first = {"Body": {"user": {"name": "nobody"}, "token": "none"}}
        plan = {"name": "bench", "variables": [{"name": "last", "as": "Json", "value": json.dumps(first)}],
                "rounds": [{"name": "r", "numberOfClients": conns, "iterations": [iteration]}]}
        with open(self.file, "w", encoding="utf-8") as f:
            json.dump(plan, f)
        return [self.program, "run", self.file, "--local", "--json", "--quiet"]


class LpsPlain(Lps):
    """The same requests without all that, for comparison."""

    name = "plain"
    works = (PLAN,)
    conns = (100,)


class Wrk(Peer):
    name = "wrk"
    works = ("h1-get", "h1-post1k", "h1-body100k", "tls-get")

    def argv(self, work, url, conns, seconds, body):
        argv = ["wrk", "-t1", f"-c{conns}", f"-d{seconds}s", "--timeout", "60s"]
        if work == "h1-post1k":
            argv += ["-s", body + ".lua"]
        return [*argv, url]

    def requests(self, out):
        broken = re.search(r"Socket errors:.*|Non-2xx.*", out)
        if broken:
            raise Failure(f"wrk: {broken[0]}")
        return number(r"(\d+) requests in", out, "wrk")


class Ab(Peer):
    name = "ab"
    works = ("h1-get", "h1-post1k", "h1-body100k", "tls-get")

    def argv(self, work, url, conns, seconds, body):
        argv = ["ab", "-q", "-k", "-t", str(seconds), "-n", "100000000", "-c", str(conns)]
        if is_tls(work):
            argv += ["-f", "TLS1.3"]
        if work == "h1-post1k":
            argv += ["-p", body]
        return [*argv, url]

    def requests(self, out):
        if number(r"Failed requests:\s+(\d+)", out, "ab"):
            raise Failure("ab counts failed requests")
        return number(r"Complete requests:\s+(\d+)", out, "ab")


class H2load(Peer):
    name = "h2load"
    works = ("h1-get", "h1-post1k", "h1-body100k", "tls-get", "h2-get", "h2-get-m10")

    def argv(self, work, url, conns, seconds, body):
        argv = ["h2load", "-t1", "-c", str(conns), "-D", str(seconds), "-m", "10" if work == "h2-get-m10" else "1"]
        if not work.startswith("h2-"):
            argv += ["--h1"]
        if work == "h1-post1k":
            argv += ["-d", body]
        return [*argv, url]

    def open_argv(self, url, conns, seconds, rate):
        return ["h2load", "-t1", "--h1", "-c", str(conns), "-D", str(seconds), "--rps", f"{rate / conns:g}", url]

    def requests(self, out):
        failed = re.search(r"succeeded, (\d+) failed, (\d+) errored", out)
        if failed and (int(failed[1]) or int(failed[2])):
            raise Failure(f"h2load counts {failed[0]}")
        return number(r"(\d+) succeeded", out, "h2load")


class Hey(Peer):
    """For information: its cost is that of another league."""

    name = "hey"
    works = ("h1-get", "h1-post1k", "h1-body100k", "tls-get", "h2-get")
    conns = (100,)

    def argv(self, work, url, conns, seconds, body):
        argv = ["hey", "-z", f"{seconds}s", "-c", str(conns), "-cpus", "1"]
        if work == "h2-get":
            argv += ["-h2"]
        if work == "h1-post1k":
            argv += ["-m", "POST", "-D", body]
        return [*argv, url]

    def requests(self, out):
        return number(r"\[200\]\s+(\d+) responses", out, "hey")


class Floor(Peer):
    """tests/bench/floor: the same bytes and no understanding of them."""

    name = "floor"
    works = ("h1-get", "h1-post1k", "h1-body100k")

    def __init__(self, build):
        self.program = os.path.join(build, "bench/floor")

    def path(self):
        return self.program if os.path.exists(self.program) else None

    def argv(self, work, url, conns, seconds, body):
        argv = [self.program, "-c", str(conns), "-d", str(seconds)]
        if work == "h1-post1k":
            argv += ["--post", str(BODY_BYTES)]
        return [*argv, url]

    def requests(self, out):
        return number(r"requests:? (\d+)", out, "floor")


def write_body(where):
    """The file of h1-post1k, and beside it the script that makes wrk send the same."""
    path = os.path.join(where, "body")
    with open(path, "w", encoding="ascii") as f:
        f.write("x" * BODY_BYTES)
    with open(path + ".lua", "w", encoding="ascii") as f:
        f.write(f'wrk.method = "POST"\nwrk.body = string.rep("x", {BODY_BYTES})\n')
    return path
