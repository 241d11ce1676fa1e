"""Drives lps-runner without lps: speaks the frames of proto/lps.proto over a socket pair whose other end is its descriptor 3."""
import importlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LEAD_NS = 200_000_000  # for the runner to read its plan before the first request is due
FRAME_MAX = 64 * 1024 * 1024
COST_COUNTS = (2000, 22000)  # requests, both divisible by the connections


class Failure(Exception):
    """The runner or a tool did not do what was asked."""


_messages = None


def messages():
    """The module that protoc makes of lps.proto."""
    global _messages
    if _messages is None:
        with tempfile.TemporaryDirectory(prefix="lps-proto-") as where:
            subprocess.run(["protoc", f"--proto_path={ROOT}/proto", f"--python_out={where}", "lps.proto"], check=True)
            sys.path.insert(0, where)
            try:
                sys.modules.pop("lps_pb2", None)
                _messages = importlib.import_module("lps_pb2")
            finally:
                sys.path.remove(where)
    return _messages


def check_protocol(before, after, version):
    """Between two counts of the target all requests came in this version of HTTP."""
    other = "http1" if version == "2.0" else "http2"
    if after[other] != before[other]:
        raise Failure(f"{after[other] - before[other]} requests came by {other}, and HTTP/{version} was asked for")


def request(url, version="1.1", **more):
    return {"url": url, "method": "GET", "version": version, **more}


def plan(clients, iterations, **round_keys):
    return {"name": "Bench", "rounds": [{"name": "r", "numberOfClients": clients, "iterations": iterations, **round_keys}]}


class Runner:
    """A started lps-runner. `wrapper`: words before it, of a tool that watches it; `cpu`: the only one it may use."""

    def __init__(self, program, text, wrapper=(), cpu=None, threads=1, timeout_ms=60000):
        pb = messages()
        ours, theirs = socket.socketpair()
        self.socket, self.rest = ours, b""

        def become_runner():
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})
            os.dup2(theirs.fileno(), 3)

        try:
            self.popen = subprocess.Popen([*wrapper, program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                          stderr=subprocess.PIPE, preexec_fn=become_runner, pass_fds=(3,))
        finally:
            theirs.close()
        start = time.monotonic_ns() + LEAD_NS
        self._send(pb.RunnerCommand(start=pb.RunnerStart(plan=json.dumps(text).encode(), start_ns=start, k_origin_ns=start,
                                                         threads=threads, seed=1, drain_ms=5000,
                                                         http=pb.HttpSettings(timeout_ms=timeout_ms))))

    def _send(self, command):
        frame = command.SerializeToString()
        self.socket.sendall(struct.pack("<I", len(frame)) + frame)

    def stop(self, abort=True):
        pb = messages()
        self._send(pb.RunnerCommand(stop=pb.RunnerStop(abort=abort)))

    def _read(self, n):
        got = bytearray()
        while len(got) < n:
            part = self.socket.recv(n - len(got))
            if not part:
                raise Failure(f"lps-runner ended: {self.popen.stderr.read().decode(errors='replace')[-500:]}")
            got += part
        return bytes(got)

    def totals(self, seconds):
        """Sums of the counters in its last message. Windows are not looked into: their time is the measured one's."""
        self.socket.settimeout(seconds)
        pb = messages()
        while True:
            (length,) = struct.unpack("<I", self._read(4))
            if length > FRAME_MAX:
                raise Failure("lps-runner sent a frame that is too long")
            frame = self._read(length)
            if frame[:1] == b"\x0a":  # field 1, a window
                continue
            event = pb.RunnerEvent.FromString(frame)
            kind = event.WhichOneof("body")
            if kind == "failure":
                raise Failure(event.failure)
            if kind == "fin":
                break
        sums = {}
        for series in event.fin.totals:
            for field, value in series.counters.ListFields():
                sums[field.name] = sums.get(field.name, 0) + value
            errors = [error.example for error in series.errors]
            if errors:
                sums.setdefault("examples", []).extend(errors)
        return sums

    def close(self):
        """Its rusage; it is made to end."""
        self.socket.close()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            pid, status, usage = os.wait4(self.popen.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(0.01)
        else:
            self.popen.kill()
            _, status, usage = os.wait4(self.popen.pid, 0)
        self.popen.returncode = os.waitstatus_to_exitcode(status)
        self.popen.stderr.close()
        return usage


def drive(program, text, seconds=120, **how):
    """(totals, rusage) of a whole run."""
    runner = Runner(program, text, **how)
    try:
        totals = runner.totals(seconds)
    finally:
        usage = runner.close()
    return totals, usage


# --- What a request costs, free of noise: the slope between two request counts ---

def _cost_of(program, url, version, connections, read, wrapper, threads=1):
    """Costs by name at both counts of requests: [(requests, {name: cost}), ...]."""
    points = []
    for n in COST_COUNTS:
        with tempfile.TemporaryDirectory(prefix="lps-cost-") as where:
            out = os.path.join(where, "out")
            iteration = {"name": "i", "mode": "R", "requestCount": n // connections, "httpRequest": request(url, version)}
            totals, _ = drive(program, plan(connections, [iteration]), threads=threads,
                              wrapper=[word.replace("OUT", out) for word in wrapper])
            if totals.get("completed") != n:
                raise Failure(f"{n} requests were asked for, and the runner counts {totals}")
            with open(out, encoding="utf-8", errors="replace") as f:
                points.append((n, read(f.read())))
    return points


def _slopes(points):
    (n1, first), (n2, second) = points
    return {name: (second.get(name, 0) - first.get(name, 0)) / (n2 - n1) for name in sorted({*first, *second})}


def read_callgrind(text):
    found = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
    if not found:
        raise Failure("callgrind wrote no total")
    return {"instructions": int(found[1])}


def read_strace(text):
    """Calls by name of the table of strace -c, and their "total"."""
    calls = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 5 and re.fullmatch(r"[\d.]+", words[0]) and words[3].isdigit():
            calls[words[-1]] = int(words[3])
    if "total" not in calls:
        raise Failure("strace wrote no total")
    return calls


def instructions(program, url, version, connections=10):
    """User instructions a request."""
    wrapper = ["valgrind", "--tool=callgrind", "--callgrind-out-file=OUT", "-q"]
    return _slopes(_cost_of(program, url, version, connections, read_callgrind, wrapper))["instructions"]


def system_calls(program, url, version, connections=10, threads=1):
    """System calls a request by name, and all of them as "total"."""
    wrapper = ["strace", "-f", "-c", "-o", "OUT"]
    return _slopes(_cost_of(program, url, version, connections, read_strace, wrapper, threads))
