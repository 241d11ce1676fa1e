"""One measured run: a fresh target on one CPU, a client on another, and what both say of it."""
import contextlib
import json
import os
import re
import select
import signal
import struct
import subprocess
import tempfile
import time
import urllib.request
from collections import namedtuple

from runner import Failure

ARRIVALS_MAX = 1_000_000
ARRIVALS_BEGIN = 4096 + 256 * 256  # of the entries: tests/bench/target.c
ARRIVAL_NS = (1 << 56) - 1
GRACE_S = 30  # for a tool to come to its end

# requests: as the tool counts. cpu_s: user and system of all its processes. rss_kib: the most that all its processes had.
Sample = namedtuple("Sample", "requests cpu_s wall_s rss_kib out")


def cpus():
    """(target's, client's)."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise Failure("measuring needs two CPUs, one for the target and one for the client")
    return allowed[0], allowed[1]


def busy_s():
    """CPU seconds that all programs have used, and what the host took away; not those of interrupts."""
    with open("/proc/stat", encoding="ascii") as f:
        user, nice, system, _, _, _, _, steal = map(int, f.readline().split()[1:9])
    return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK")


def tree(pid):
    """A process and all that descend from it."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{task}/children", encoding="ascii") as f:
                    found += [int(child) for child in f.read().split()]
    return found


def memory_kib(pid, key, file="status"):
    """Of a process tree: VmHWM, the most that it had, or of smaps_rollup Rss, what it has: page by page, where VmRSS may be off
    by what each CPU has yet to add."""
    total = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            with open(f"/proc/{one}/{file}", encoding="ascii", errors="replace") as f:
                found = re.search(rf"^{key}:\s+(\d+)", f.read(), re.MULTILINE)
                total += int(found[1]) if found else 0
    return total


class Target:
    def __init__(self, build, *options, wide=False):
        self.popen = subprocess.Popen([os.path.join(build, "bench/target"), *options], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, text=True,
                                      preexec_fn=None if wide else lambda: os.sched_setaffinity(0, {cpus()[0]}))
        found = re.search(r"^listening: (\S+) (\S+)", self.popen.stdout.readline())
        if not found:
            self.close()
            raise Failure("the target does not start")
        self.http, self.https = found.groups()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def cpu_s(self):
        with open(f"/proc/{self.popen.pid}/stat", encoding="ascii", errors="replace") as f:
            user, system = f.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def count(self):
        with urllib.request.urlopen(self.http + "/count", timeout=30) as reply:
            return json.load(reply)

    def close(self):
        self.popen.terminate()
        try:
            self.popen.wait(5)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.popen.stdout.close()


class Others:
    """How much of a CPU programs have that are neither the target nor the client."""

    def __init__(self, target):
        self.target, self.began = target, time.monotonic()
        self.before = busy_s() - target.cpu_s()

    def cpus(self, client_cpu_s):
        used = busy_s() - self.target.cpu_s() - self.before - client_cpu_s
        return max(0, used / (time.monotonic() - self.began))


class Client:
    """A started tool on the client's CPU."""

    def __init__(self, argv):
        self.out = tempfile.TemporaryFile()
        self.began = time.monotonic()
        self.name = os.path.basename(argv[0])
        self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.out, stderr=subprocess.STDOUT,
                                      start_new_session=True, preexec_fn=lambda: os.sched_setaffinity(0, {cpus()[1]}))
        self.pidfd = os.pidfd_open(self.popen.pid)
        self.usage = None

    def is_over(self, seconds):
        return bool(select.select([self.pidfd], [], [], max(0, seconds))[0])

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)

    def close(self):
        """Its exit code; `usage` then has all of its processes, those that it waited for included."""
        if self.usage is None:
            _, status, self.usage = os.wait4(self.popen.pid, 0)
            self.popen.returncode = os.waitstatus_to_exitcode(status)
            os.close(self.pidfd)
            self.wall_s = time.monotonic() - self.began
            self.out.seek(0)
            self.text = self.out.read().decode(errors="replace")
            self.out.close()
        return self.popen.returncode


def run(argv, requests, seconds):
    """A tool that ends by itself after about so many seconds. requests: reads their number out of its output."""
    client = Client(argv)
    try:
        # A program's end has no memory to look at any more.
        early = client.is_over(seconds * 0.9)
        rss_kib = memory_kib(client.popen.pid, "VmHWM")
        if not early and not client.is_over(seconds + GRACE_S):
            raise Failure(f"{client.name} does not end")
    except BaseException:
        client.kill()
        raise
    finally:
        code = client.close()
    if code != 0:
        raise Failure(f"{client.name} exits with {code}: {' '.join(client.text.split())[-300:]}")
    return Sample(requests(client.text), client.usage.ru_utime + client.usage.ru_stime, client.wall_s, rss_kib, client.text)


def read_arrivals(path):
    """Instants in ns, ascending."""
    with open(path, "rb") as f:
        n, capacity = struct.unpack("<QQ", f.read(16))
        if n > capacity:
            raise Failure(f"{n} requests arrived, and the log has room for {capacity}")
        f.seek(ARRIVALS_BEGIN)
        return sorted(entry & ARRIVAL_NS for entry in struct.unpack(f"<{n}Q", f.read(8 * n)))


def percentile(ordered, p):
    """Nearest rank."""
    return ordered[max(0, -(-len(ordered) * p // 100) - 1)]


def deviation(arrivals, rate):
    """{rate_error, p50_us, p99_us} of sorted arrivals against the grid t0 + k / rate, t0 being what makes the sum of deviations
    least: the median of arrival minus k / rate."""
    n = len(arrivals)
    if n < 2 or arrivals[-1] == arrivals[0]:
        raise Failure(f"{n} requests arrived")
    offsets = sorted(at - arrivals[0] - k * 1e9 / rate for k, at in enumerate(arrivals))
    t0 = offsets[n // 2]
    off = sorted(abs(offset - t0) for offset in offsets)
    real = (n - 1) * 1e9 / (arrivals[-1] - arrivals[0])
    return {"rate_error": real / rate - 1, "p50_us": percentile(off, 50) / 1000, "p99_us": percentile(off, 99) / 1000}
