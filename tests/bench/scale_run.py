"""One run of tests/cluster/swarm against an lps-masterd of its own, and what both say of it."""
import http.client
import json
import os
import re
import resource
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import lps  # noqa: E402

START_LEAD_S = 2
DEFAULTS = {"StartLead": START_LEAD_S, "Lease": 3, "ReconnectDelay": 0.5, "ReconnectDelayMax": 5, "RejoinGrace": 10,
            "DrainTimeout": 5}  # the product's
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Viewer(threading.Thread):
    """A dashboard's event stream: when its events came."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.came, self.longest = {"state": [], "frame": []}, 0
        self.http.request("GET", "/api/v1/events")
        self.reply = self.http.getresponse()
        self.start()

    def run(self):
        event = None
        try:
            for line in self.reply:
                self.longest = max(self.longest, len(line))
                if line.startswith(b"event:"):
                    event = line.split(b":", 1)[1].strip().decode()
                elif line == b"\n" and event in self.came:
                    self.came[event].append(time.monotonic())
                    event = None
        except (OSError, ValueError, http.client.HTTPException):
            pass  # the master ended

    def seen(self, event, begin, end):
        """(how many came between two instants, longest wait in seconds)."""
        came = [t for t in self.came[event] if begin <= t <= end]
        marks = [begin, *came, end]
        return len(came), max(b - a for a, b in zip(marks, marks[1:]))


def raise_descriptors():
    """For the processes that are started from now on."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def cpu_s(path):
    with open(path, encoding="ascii", errors="replace") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def threads_s(pid):
    """CPU seconds of a process by thread; those with one name together."""
    total = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii", errors="replace") as f:
                name = "main" if int(task) == pid else f.read().strip()
            total[name] = total.get(name, 0) + cpu_s(f"/proc/{pid}/task/{task}/stat")
        except OSError:
            pass  # it ended meanwhile
    return total


def memory_mib(pid, key):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        return int(re.search(rf"^{key}:\s+(\d+)", f.read(), re.MULTILINE)[1]) / 1024


def database_bytes(stage_dir):
    where = os.path.join(stage_dir, "m1")
    return sum(os.path.getsize(os.path.join(where, name)) for name in os.listdir(where) if name.startswith("master.db"))


def connections(port):
    """Of clients to a port of this host, as ss counts them."""
    out = subprocess.run(["ss", "-Htn", "state", "established", f"sport = :{port}"], stdout=subprocess.PIPE, text=True, check=True)
    return len(out.stdout.splitlines())


def run(stage, workers, series, seconds, requests):
    """A dict of what was measured. The stage is struck by the caller."""
    cluster = lps.Cluster(stage, expected=workers, **DEFAULTS)
    master = cluster.start_master()
    viewer = Viewer(cluster.rest_port)
    idle_cpu_s, database = cpu_s(f"/proc/{master.pid}/stat"), database_bytes(stage.dir)
    began = time.monotonic()
    swarm = stage.start("swarm", lps.program("cluster/swarm"), f"127.0.0.1:{cluster.port}", str(workers), str(series), str(seconds),
                        str(requests))
    swarm.await_text("^first second", 180)
    first = time.monotonic()
    before, threads, swarm_before = cpu_s(f"/proc/{master.pid}/stat"), threads_s(master.pid), cpu_s(f"/proc/{swarm.pid}/stat")
    n_connections = connections(cluster.port)
    swarm.await_text("^last second", seconds + 300)
    last = time.monotonic()
    after, threads_after, swarm_after = cpu_s(f"/proc/{master.pid}/stat"), threads_s(master.pid), cpu_s(f"/proc/{swarm.pid}/stat")
    rss = memory_mib(master.pid, "VmRSS")
    code = swarm.wait(400)
    assert code in (0, 1), swarm.err
    ended = time.monotonic()
    said = swarm.json()
    document = lps.get(f"{cluster.rest}/api/v1/runs/{said['run']}", timeout=60)
    span = last - first
    frames, states = viewer.seen("frame", first, last), viewer.seen("state", first, last)
    return {
        "swarm": said, "whole": code == 0, "workers": workers, "seconds": seconds, "connections": n_connections,
        "readyToLastMs": round(said["ready"]["spreadMs"], 1),
        "startS": round(first - began - 1 - START_LEAD_S, 2), "startCpuS": round(before - idle_cpu_s, 2),
        "cores": round((after - before) / span, 4),
        "coresOf": {name: round((s - threads.get(name, 0)) / span, 4) for name, s in sorted(threads_after.items())
                    if s - threads.get(name, 0) >= 0.005 * span},
        "swarmCores": round((swarm_after - swarm_before) / span, 3),
        "endS": round(ended - last, 2), "endCpuS": round(cpu_s(f"/proc/{master.pid}/stat") - after, 2),
        "rssMib": round(rss, 1), "rssMostMib": round(memory_mib(master.pid, "VmHWM"), 1),
        "databaseBytes": database_bytes(stage.dir) - database,
        "frames": frames[0], "frameGapS": round(frames[1], 2), "states": states[0], "stateGapS": round(states[1], 2),
        "longestEventBytes": viewer.longest,
        "totals": {name: document["totals"][name] for name in ("requests", "completed", "failed")},
        "verdict": document["verdict"]["status"], "flags": document["run"]["flags"],
    }


def disagreements(row):
    """What of a run is not as it must be, whatever the load; in words."""
    said, totals = row["swarm"], row["totals"]
    found = []
    for name in ("requests", "completed", "failed"):
        if totals[name] != said["totals"][name]:
            found.append(f"the master counts {totals[name]} {name}, the workers {said['totals'][name]}")
    sent = row["workers"] * row["seconds"]
    if not said["windows"]["sent"] == said["windows"]["acknowledged"] == sent:
        found.append(f"{sent} windows, {said['windows']['sent']} sent, {said['windows']['acknowledged']} acknowledged")
    if said["windows"]["totalsAcknowledged"] != row["workers"] or said["results"] != row["workers"]:
        found.append(f"{said['windows']['totalsAcknowledged']} totals acknowledged, {said['results']} results")
    return found
