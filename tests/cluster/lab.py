"""Hosts that are network namespaces on a switch whose links can be made bad, and a cluster with a daemon on each.

A namespace has no name: it goes with its last process and descriptor, whatever becomes of the test.
"""
import collections
import contextlib
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import lps  # noqa: E402
from lps import Skip, children, is_alive, program, until  # noqa: E402

CLONE_NEWNET = 0x40000000
PORT = 8080
_libc = ctypes.CDLL(None, use_errno=True)


def _open_namespace():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _enter(namespace):
    if _libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Host:
    """Within `with host:` this thread is there, and what it starts stays there."""

    def __init__(self, number):
        self.number, self.address, self._left = number, f"10.77.0.{number + 1}", []
        home = _open_namespace()
        try:
            if _libc.unshare(CLONE_NEWNET) != 0:
                raise Skip("namespaces cannot be made here (netns)")
            self.namespace = _open_namespace()
        finally:
            _enter(home)
            os.close(home)

    def __enter__(self):
        self._left.append(_open_namespace())
        _enter(self.namespace)
        return self

    def __exit__(self, *_):
        home = self._left.pop()
        _enter(home)
        os.close(home)

    def configure(self):
        with self:
            commands = f"link set lo up\naddr add {self.address}/24 dev eth0\nlink set eth0 up\n"
            subprocess.run(["ip", "-batch", "-"], input=commands, text=True, check=True)


class Network:
    """Hosts by name, and the faults of their links."""

    def __init__(self, stage, *names):
        if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
            raise Skip("needs root and TAP devices for namespaces (netns)")
        self.hosts = {name: Host(number) for number, name in enumerate(names)}
        for host in self.hosts.values():
            stage.cleanups.append(lambda fd=host.namespace: os.close(fd))
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(10)
        stage.cleanups.append(self._control.close)
        fds = [theirs.fileno(), *(host.namespace for host in self.hosts.values())]
        stage.start("switch", program("cluster/switch"), *map(str, fds), pass_fds=fds)
        theirs.close()
        assert self._control.recv(64) == b"ok"
        for host in self.hosts.values():
            host.configure()

    def __getitem__(self, name):
        return self.hosts[name]

    def _command(self, text):
        self._control.send(text.encode())
        answer = self._control.recv(64)
        assert answer == b"ok", (text, answer)

    def one_way(self, source, to, delay_ms=0, jitter_ms=0, loss=0.0):
        """From now on, from a host to another; by default the link is good."""
        self._command(f"link {self[source].number} {self[to].number} {delay_ms * 1000:.0f} {jitter_ms * 1000:.0f} {loss * 1e6:.0f}")

    def both_ways(self, a, b, **how):
        self.one_way(a, b, **how)
        self.one_way(b, a, **how)

    def reset(self, source, to):
        """The next TCP segment from a host to another ends its connection."""
        self._command(f"reset {self[source].number} {self[to].number}")


class Target:
    """Answers any request and knows who sent it and when: arrivals[address] are instants of CLOCK_MONOTONIC in ns."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def __init__(self, stage, host):
        self.url, self.arrivals = f"http://{host.address}:{PORT}/", collections.defaultdict(list)
        with host:
            self._listener = socket.create_server((host.address, PORT), backlog=1000)
        stage.cleanups.append(lambda: self._listener.shutdown(socket.SHUT_RDWR))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with self._listener:
            while True:
                try:
                    connection, (address, _) = self._listener.accept()
                except OSError:
                    return
                threading.Thread(target=self._serve, args=(connection, self.arrivals[address]), daemon=True).start()

    def _serve(self, connection, arrivals):
        unread = b""
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while got := connection.recv(65536):
                now = time.monotonic_ns()
                *whole, unread = (unread + got).split(b"\r\n\r\n")
                arrivals.extend([now] * len(whole))
                connection.sendall(self.ANSWER * len(whole))

    def count(self, host):
        return len(self.arrivals[host.address])


class Cluster(lps.Cluster):
    """A master m1, workers w1, w2, ... and a target, each on a host of its own. A run waits for a lost worker as long as it takes."""

    def __init__(self, stage, workers=2, spare=0, **settings):
        self.nodes = [f"w{i + 1}" for i in range(workers)]
        self.network = Network(stage, "m1", "target", *self.nodes, *(f"w{workers + i + 1}" for i in range(spare)))
        settings = {"expected": workers, "MasterNodeIP": self.network["m1"].address, "Insecure": True,
                    "RejoinGrace": 60, **settings}
        super().__init__(stage, **settings)
        self.target = Target(stage, self.network["target"])
        self.env = {}

    def start_master(self, node="m1", **cluster):
        with self.network["m1"]:
            return super().start_master(node, **cluster)

    def start_worker(self, node="w1", **cluster):
        with self.network[node]:
            return super().start_worker(node, **cluster)

    def environment(self, node):
        return {**super().environment(node), **self.env.get(node, {})}

    def start(self, n_workers=None):
        return super().start(len(self.nodes) if n_workers is None else n_workers)

    def state(self):
        with self.network["m1"]:
            return super().state()

    def result(self):
        with self.network["m1"]:
            return super().result()

    def submit(self, node, rate=50, seconds=5, *args):
        """A test of `rate` requests a second, the same on every node."""
        return self.lps(node, "--url", self.target.url, "--rate", str(rate), "-d", str(seconds), "-nc", "50", "--json", *args)

    def submit_all(self, *how):
        """On all nodes; they run."""
        all_lps = [self.submit(node, *how) for node in self.nodes]
        self.await_run("Running")
        return all_lps

    def node(self, name):
        return next(node for node in self.state()["nodes"] if node["node"] == name)

    def member(self, name):
        """Its newest."""
        return [member for member in self.state()["run"]["members"] if member["node"] == name][-1]

    def await_second(self, k, *names):
        """The master has the windows to second k of these members."""
        for name in names or self.nodes:
            until(f"the master has second {k} of {name}", lambda name=name: (self.member(name)["lastK"] or 0) >= k)

    def await_requests(self, n, *names):
        """That many of each came to the target."""
        for name in names or self.nodes:
            until(f"{name} sent {n} requests", lambda name=name: self.target.count(self.network[name]) >= n)

    def await_connected(self, name, connected):
        until(f"{name} is {'' if connected else 'not '}connected", lambda: self.node(name)["connected"] == connected)

    def signal_all(self, node, number):
        """To the daemon and its runner."""
        for pid in (*children(self.workers[node].pid), self.workers[node].pid):
            os.kill(pid, number)

    def own_totals(self, node):
        """What the node's runner counted in its newest submission, as the node tells it; it is done."""
        status = json.loads(self.call(node, "/v1/status")[1])
        lines = self.call(node, f"/v1/submissions/{status['submission']['submissionId']}/events")[1].split(b"\n")
        events = [json.loads(line) for line in lines if line.startswith(b"{")]
        return next(event["node"] for event in events if event["event"] == "result")["totals"]

    def due(self, node):
        """How many requests there were to send; a host that is busy drops those for which it is too late."""
        totals = self.own_totals(node)
        return totals["requests"] + totals["dropped"]


def requests_of(document, node):
    return sum(worker["requests"] for worker in document["workers"] if worker["node"] == node)


def await_gone(pids):
    for pid in pids:
        until(f"process {pid} is gone", lambda pid=pid: not is_alive(pid))


def t0_ns(cluster):
    """Of the run, as CLOCK_MONOTONIC, which all hosts share, to a millisecond."""
    return cluster.state()["run"]["startsAt"] * 10**6 - (time.time_ns() - time.monotonic_ns())


def agree_but_for_the_end(cluster, document, node):
    """What the master lacks of a lost member was sent after the last second of it that the master has."""
    arrivals, workers = sorted(cluster.target.arrivals[cluster.network[node].address]), document["workers"]
    lost, *again = sorted((w for w in workers if w["node"] == node), key=lambda w: w["joinedAfterSeconds"])
    arrivals = arrivals[:len(arrivals) - sum(w["requests"] for w in again)]
    last_second = -1 if lost["lastSecond"] is None else lost["lastSecond"]
    # T0 is known here to a millisecond, and to the node to what its clock may be off: far less where links are good.
    since_ns = t0_ns(cluster) + (last_second + 1) * 10**9 - 3 * 10**6
    missing, unacknowledged = len(arrivals) - lost["requests"], sum(at >= since_ns for at in arrivals)
    print(f"# {node}: {len(arrivals)} at the target, {missing} missing, {unacknowledged} after second {last_second}")
    assert lost["state"] == "lost" and lost["reason"] and 0 <= missing <= unacknowledged, (lost, missing, unacknowledged)


def agree(cluster, document, lost=()):
    """The target, the runners and the master have counted the same, but for what nodes that were killed had sent at their end."""
    for node in cluster.nodes:
        if node in lost:
            agree_but_for_the_end(cluster, document, node)
            continue
        arrived, merged = cluster.target.count(cluster.network[node]), requests_of(document, node)
        own = cluster.own_totals(node)["requests"]
        assert arrived == merged == own, f"{node}: {arrived} at the target, {merged} at the master, {own} by its own count"
    totals = document["totals"]
    assert totals["requests"] == sum(requests_of(document, node) for node in cluster.nodes), totals
    assert sum(document["timeline"]["requests"]) == totals["requests"], document["timeline"]
    assert document["reconciliation"] == {"agrees": True, "differences": []}, document["reconciliation"]


def passed(cluster, all_lps, due):
    """Nothing is lost: every lps ends with 0 and shows the whole result, and all count what was due on each node."""
    codes = [process.wait(30) for process in all_lps]
    document = cluster.result()
    assert codes == [0] * len(all_lps), (codes, document["verdict"], document["run"]["flags"])
    assert document["run"]["flags"] == [], document["run"]
    for process in all_lps:
        assert process.json()["totals"] == document["totals"]
    agree(cluster, document)
    for node in cluster.nodes:
        assert cluster.due(node) == due, cluster.own_totals(node)
    return document
