"""What end-to-end tests share: a cluster of real daemons in a directory of its own, a target, and TAP.

A test is a function with one argument, the stage `t`, under @test. Whatever the stage started is stopped by its end, and shown
when the test failed. Tests wait for events with deadlines; they sleep only between two looks.
"""
import argparse
import array
import ctypes
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SANITIZER = re.compile(r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:")
build = os.path.join(ROOT, "build/release")
patience = 1.0  # factor on deadlines; sanitizers are slow


class Skip(Exception):
    """The reason why a test cannot run here."""


def program(name):
    path = os.path.join(build, name)
    if not os.path.exists(path):
        raise Skip(f"{name} is not built yet")
    return path


def sanitized():
    return "san-" in build


def until(what, look, seconds=10.0):
    """Looks until there is something, and returns that."""
    deadline = time.monotonic() + seconds * patience
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds * patience:.1f} s: {what}"
        time.sleep(0.02)


_reserved = []  # a socket for each port that this process was given


def free_port():
    """Below the ports the kernel gives to clients, so that no connection of a test takes it meanwhile.

    A port is reserved to this process by a name that only one socket can have: tests run side by side, and whoever looks for a
    port before the other has begun to listen would find the same one free.
    """
    while True:
        port = random.randrange(15000, 32000)
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0lps-e2e-port-{port}")
            with socket.socket() as s:
                s.bind(("127.0.0.1", port))
            _reserved.append(name)
            return port
        except OSError:
            name.close()


def get(url, timeout=10):
    """JSON of a URL."""
    with urllib.request.urlopen(url, timeout=timeout) as reply:
        return json.load(reply)


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(child) for child in f.read().split()]
    except OSError:
        return []


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Process:
    """A program with its output in files."""

    def __init__(self, stage, name, argv, env=None, **popen):
        base = os.path.join(stage.dir, name)
        n = 1
        while os.path.exists(f"{base}.{n}.out"):
            n += 1
        self.name, self.argv, self.paths = name, argv, {"out": f"{base}.{n}.out", "err": f"{base}.{n}.err"}
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith("LPS_") and k not in ("NOTIFY_SOCKET", "JOURNAL_STREAM", "LISTEN_FDS", "LISTEN_PID")}
        popen.setdefault("preexec_fn", _die_with_parent)
        with open(self.paths["out"], "wb") as out, open(self.paths["err"], "wb") as err:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                          env={**clean, **(env or {})}, **popen)
        self.pid = self.popen.pid
        self.began = time.monotonic()
        stage.processes.append(self)

    def read(self, which):
        with open(self.paths[which], encoding="utf-8", errors="replace") as f:
            return f.read()

    @property
    def out(self):
        return self.read("out")

    @property
    def err(self):
        return self.read("err")

    def await_text(self, pattern, seconds=10.0, which="err"):
        """Waits for a match in its output; dying first is a failure."""
        def look():
            found = re.search(pattern, self.read(which), re.MULTILINE)
            assert found or self.popen.poll() is None or re.search(pattern, self.read(which), re.MULTILINE), \
                f"{self.name} ended ({self.popen.returncode}) without saying /{pattern}/"
            return found or re.search(pattern, self.read(which), re.MULTILINE)
        return until(f"{self.name} says /{pattern}/", look, seconds)

    def wait(self, seconds=20.0):
        """Its exit code."""
        try:
            return self.popen.wait(seconds * patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {seconds * patience:.0f} s") from None

    def signal(self, number):
        self.popen.send_signal(number)

    def interrupt(self):
        self.signal(signal.SIGINT)

    def kill(self):
        self.popen.kill()
        self.popen.wait()

    def stop(self):
        """Asks, then insists. Returns the exit code."""
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(10 * patience)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.popen.returncode

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"{self.name} (pid {self.pid}, exit {self.popen.poll()}): {' '.join(self.argv)}"


class Target:
    """tests/bench/target with options of its own; `http` and `https` are its base URLs. arrivals: it keeps a log of them."""

    def __init__(self, stage, *options, arrivals=False):
        self.log = tempfile.mktemp(prefix="arrivals-", dir=stage.dir) if arrivals else None
        if arrivals:
            options += ("--arrivals", self.log)
        self.process = Process(stage, "target", [program("bench/target"), *options])
        self.http, self.https = self.process.await_text(r"^listening: (\S+) (\S+)", which="out").groups()

    def counts(self):
        return get(self.http + "/count")

    def arrivals(self, path=None):
        """CLOCK_MONOTONIC instants in ns at which requests (of one path) came, in order."""
        with open(self.log, "rb") as f:
            count, capacity = struct.unpack("=2Q", f.read(16))
            assert count <= capacity, f"{count} requests, and room for {capacity}"
            f.seek(4096)
            paths = [f.read(256).rstrip(b"\0").decode() for _ in range(256)]
            entries = array.array("Q", f.read(8 * count))
        return sorted(e & (1 << 56) - 1 for e in entries if path in (None, paths[e >> 56]))


class Cluster:
    """A master and workers w1, w2, ... on loopback. Nothing runs until it is started."""

    # Seconds; tenths where the product has seconds, so that a test of a bound does not take long.
    DEFAULTS = {"MasterNodeIP": "127.0.0.1", "MasterNodeIsWorker": True, "StartLead": 0.3, "Lease": 1.5, "ReconnectDelay": 0.1,
                "ReconnectDelayMax": 0.4, "RejoinGrace": 0.5, "DrainTimeout": 1.0}

    def __init__(self, stage, expected=1, timeout_s=5, **cluster):
        self.stage = stage
        self.port, self.rest_port = free_port(), free_port()
        self.rest = f"http://127.0.0.1:{self.rest_port}"
        self.cluster = {**self.DEFAULTS, "GRPCPort": self.port, "ExpectedNumberOfWorkers": expected, **cluster}
        self.timeout_s = timeout_s
        self.master, self.workers = None, {}

    def settings(self, node, **cluster):
        path = os.path.join(self.stage.dir, f"{node}.json")
        text = {"Cluster": {**self.cluster, "NodeName": node, **cluster},
                "Dashboard": {"BuiltInDashboard": True, "Port": self.rest_port},
                "HttpClient": {"ClientTimeoutInSeconds": self.timeout_s}}
        with open(path, "w", encoding="utf-8") as f:
            json.dump(text, f, indent=1)
        return path

    def environment(self, node):
        where = os.path.join(self.stage.dir, node)
        os.makedirs(where, exist_ok=True)
        return {"STATE_DIRECTORY": where, "RUNTIME_DIRECTORY": where}

    def socket(self, node):
        return os.path.join(self.stage.dir, f"{node}.sock")

    def start_master(self, node="m1", **cluster):
        self.master = Process(self.stage, node, [program("lps-masterd"), "-c", self.settings(node, **cluster)],
                              self.environment(node))
        until("the master's REST answers", self.state_or_none)
        return self.master

    def start_worker(self, node="w1", **cluster):
        worker = Process(self.stage, node, [program("lps-workerd"), "-c", self.settings(node, **cluster), "-s", self.socket(node)],
                         self.environment(node))
        self.workers[node] = worker
        until(f"{node}'s socket answers", lambda: self.call(node, "/healthz")[0] == 200)
        return worker

    def start(self, n_workers=1):
        self.start_master()
        for i in range(n_workers):
            self.start_worker(f"w{i + 1}")
        until("the workers are connected", lambda: sum(n["connected"] for n in self.state()["nodes"]) == n_workers)
        return self

    def lps(self, node, *args):
        """Starts `lps` on a node."""
        return Process(self.stage, f"lps-{node}", [program("lps"), *args], {"LPS_SOCKET": self.socket(node)})

    def state(self):
        return get(self.rest + "/api/v1/state")

    def state_or_none(self):
        try:
            return self.state()
        except (OSError, ValueError):
            return None

    def await_run(self, state, seconds=10.0):
        def look():
            run = self.state()["run"]
            return run if run and run["state"] == state else None
        return until(f"the run is {state}", look, seconds)

    def await_members(self, n, seconds=10.0):
        """n members are counted by the barrier."""
        def look():
            run = self.state()["run"]
            return run if run and run["counted"] == n else None
        return until(f"{n} members are counted", look, seconds)

    def result(self):
        """The newest run's document, once it has a verdict."""
        def look():
            runs = get(self.rest + "/api/v1/runs")["runs"]
            document = get(f"{self.rest}/api/v1/runs/{runs[0]['id']}") if runs else None
            return document if document and document["verdict"] else None
        return until("the newest run has a verdict", look)

    def call(self, node, path, body=None, method=None, raw=None):
        """(status, bytes) of a request to a worker's socket."""
        data = raw if raw is not None else json.dumps(body).encode() if body is not None else b""
        head = f"{method or ('POST' if data else 'GET')} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n" if data or method == "POST" else "\r\n"
        try:
            return talk(self.socket(node), head.encode() + data)
        except OSError:
            return 0, b""


def talk(address, data, timeout=10):
    """Sends bytes to a socket path or (host, port), reads to the end: (HTTP status or 0, body)."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as s:
        s.settimeout(timeout)
        s.connect(address)
        reply = b""
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR) if not data else None
            while True:
                got = s.recv(65536)
                if not got:
                    break
                reply += got
        except (ConnectionResetError, BrokenPipeError):
            pass  # a refusal need not read what it refuses
        head, _, body = reply.partition(b"\r\n\r\n")
        status = re.match(rb"HTTP/1\.\d (\d+)", head)
        return (int(status[1]) if status else 0), body


class Stage:
    """What one test set up."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="lps-e2e-")
        self.processes, self.cleanups = [], []

    def target(self, *options, **how):
        return Target(self, *options, **how)

    def cluster(self, **settings):
        return Cluster(self, **settings)

    def lps(self, *args, **env):
        return Process(self, "lps", [program("lps"), *args], env)

    def start(self, name, *argv, **popen):
        return Process(self, name, list(argv), **popen)

    def file(self, name, content):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def strike(self):
        """Stops everything, newest first; says what a sanitizer found."""
        runners = [child for p in self.processes for child in children(p.pid)]
        try:
            for process in reversed(self.processes):
                process.stop()
        finally:
            for cleanup in reversed(self.cleanups):
                cleanup()
        for pid in runners:
            until(f"process {pid} is gone", lambda pid=pid: not is_alive(pid), 5)
        found = [p.name for p in self.processes if SANITIZER.search(p.err)]
        assert not found, f"a sanitizer complains in {', '.join(found)}"

    def show(self):
        for process in self.processes:
            print(f"# --- {process}")
            for which in ("out", "err"):
                lines = process.read(which).splitlines()
                for line in lines[-60:]:
                    print(f"#   {which}: {line[:400]}")


_tests = []


def test(function=None, *, fast=False):
    """Registers a test; fast: also one of the part under a minute."""
    if function is None:
        return lambda f: test(f, fast=fast)
    _tests.append((function, fast))
    return function


def _run_one(function):
    """None, or the reason of a skip; raises when the test fails."""
    stage = Stage()
    try:
        function(stage)
        stage.strike()
    except Skip as skip:
        stage.strike()
        return str(skip)
    except BaseException:
        try:
            stage.strike()
        except Exception as error:
            print(f"# and: {error}")
        stage.show()
        raise
    finally:
        shutil.rmtree(stage.dir, ignore_errors=True)
    return None


def _on_term(*_):
    raise SystemExit("terminated")


def main():
    global build, patience
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=build)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("only", nargs="*", help="names of tests")
    args = parser.parse_args()
    build = os.path.abspath(args.build)
    patience = 4.0 if sanitized() else 1.5
    chosen = [f for f, fast in _tests if (fast or not args.fast) and (not args.only or f.__name__ in args.only)]
    signal.signal(signal.SIGTERM, _on_term)
    print(f"1..{len(chosen)}" + " # nothing quick in here" * (not chosen), flush=True)
    failed = 0
    for i, function in enumerate(chosen):
        began = time.monotonic()
        try:
            reason = _run_one(function)
            print(f"ok {i + 1} - {function.__name__}" + (f" # skip {reason}" if reason else ""), flush=True)
        except Exception:
            failed += 1
            for line in traceback.format_exc().splitlines():
                print("#", line)
            print(f"not ok {i + 1} - {function.__name__}", flush=True)
        print(f"# {time.monotonic() - began:.1f} s", flush=True)
    sys.exit(1 if failed else 0)
