"""Servers within the test, which keep what their clients said and answer what no server should; local runs that meet them."""
import json
import os
import select
import socket
import threading

from lps import program, until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
STATUS_200 = b"\x88"  # RFC 7541 appendix A


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


class Visit:
    """One connection of a client: where from, what it offered in TLS, and the heads it sent."""

    def __init__(self, sock, address):
        self.sock, self.address = sock, address
        self.names, self.protocols, self.version, self.subject = [], [], None, None
        self.heads, self.rest = [], b""

    def greet(self, context):
        self.names, self.protocols = read_hello(self.sock)
        self.sock = context.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
        self.sock.do_handshake()
        self.version = self.sock.version()
        subject = (self.sock.getpeercert() or {}).get("subject", ())
        self.subject = dict(part[0] for part in subject).get("commonName")

    def head(self):
        """The next head; None: no more comes."""
        while b"\r\n\r\n" not in self.rest:
            got = self.sock.recv(65536)
            if not got:
                return None
            self.rest += got
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        self.heads.append(head.decode())
        return self.heads[-1]

    def take(self, n):
        """So many bytes."""
        while len(self.rest) < n:
            got = self.sock.recv(65536)
            if not got:
                raise ConnectionError("closed")
            self.rest += got
        taken, self.rest = self.rest[:n], self.rest[n:]
        return taken

    def frame(self):
        """(type, flags, stream, payload) of the next frame of HTTP/2 (RFC 9113 section 4.1)."""
        head = self.take(9)
        return head[3], head[4], int.from_bytes(head[5:], "big"), self.take(int.from_bytes(head[:3], "big"))

    def stream(self):
        """The stream of the next request."""
        while True:
            kind, _, stream, _ = self.frame()
            if kind == HEADERS:
                return stream

    def say(self, *parts):
        for part in parts:
            self.sock.sendall(part)


def read_hello(sock):
    """Server names and protocols that a ClientHello offers (RFC 8446 section 4.1.2), which stays to be read."""
    hello = b"?" * 5
    while len(hello) < 5 + int.from_bytes(hello[3:5], "big"):
        had, hello = hello, sock.recv(20000, socket.MSG_PEEK)
        if hello in (b"", had):
            raise ConnectionError("no whole ClientHello")
    at = 5 + 4 + 2 + 32
    for size in (1, 2, 1):  # of the lengths of session, ciphers, compressions
        at += size + int.from_bytes(hello[at:at + size], "big")
    found, at = {}, at + 2
    while at < len(hello):
        kind, length = (int.from_bytes(hello[at + i:at + i + 2], "big") for i in (0, 2))
        found[kind] = hello[at + 4:at + 4 + length]
        at += 4 + length
    names, protocols, listed = [], [], found.get(16, b"")[2:]
    if 0 in found:
        names.append(found[0][5:].decode())
    while listed:
        protocols.append(listed[1:1 + listed[0]].decode())
        listed = listed[1 + listed[0]:]
    return names, protocols


# Ways to serve a connection; when one returns, the server closes its side.

def answer_all(visit):
    while visit.head() is not None:
        visit.say(OK)


def answer_once(*parts):
    """These bytes after the first head, and nothing more."""
    def serve(visit):
        if visit.head() is not None:
            visit.say(*parts)
    return serve


def be_silent(visit):
    while visit.sock.recv(65536):
        pass


def read_nothing(visit):
    """Until the client is gone."""
    poll = select.poll()
    poll.register(visit.sock, select.POLLRDHUP)
    poll.poll(60_000)


class Peer:
    """Listens on a loopback address and serves each connection in a thread; tls: an ssl.SSLContext. `visits`, oldest first."""

    def __init__(self, stage, serve=answer_all, host="127.0.0.1", tls=None):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, 0), family=family, backlog=100)
        self.port = self.listener.getsockname()[1]
        self.authority = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.url = ("https://" if tls else "http://") + self.authority
        self.serve, self.tls = serve, tls
        self.visits, self.threads = [], []
        self._start(self._accept)
        stage.cleanups.append(self.close)

    def _start(self, target, *args):
        self.threads.append(threading.Thread(target=target, args=args, daemon=True))
        self.threads[-1].start()

    def _accept(self):
        while True:
            try:
                sock, address = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.visits.append(Visit(sock, address[0]))
            self._start(self._visit, self.visits[-1])

    def _visit(self, visit):
        try:
            if self.tls:
                visit.greet(self.tls)
            self.serve(visit)
        except OSError:
            pass  # the client went first, or TLS came to nothing
        try:
            visit.sock.shutdown(socket.SHUT_WR)
            be_silent(visit)  # to close with bytes unread would be a reset
        except OSError:
            pass
        visit.sock.close()

    def close(self):
        for sock in (self.listener, *(visit.sock for visit in self.visits)):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.listener.close()
        for thread in self.threads:
            thread.join(10)


def reap(process, seconds):
    """Its exit code and the most memory, in KiB, that it or one of the children it waited for ever had."""
    def look():
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        return pid and (os.waitstatus_to_exitcode(status), usage.ru_maxrss)
    process.popen.returncode, memory_kib = until(f"{process.name} ends", look, seconds)
    return process.popen.returncode, memory_kib


class Run:
    """A local run, and what became of it: totals, error kinds with their counts and examples, the runner's memory.

    wait: until its end; else end() does. hosts: text that stands in for /etc/hosts. The rest are settings of HttpClient.
    """

    def __init__(self, t, url, *args, exit_code=0, wait=True, hosts=None, **http_client):
        self.exit_code = exit_code
        config = t.file(f"lps.{len(t.processes)}.json", json.dumps({"HttpClient": http_client}))
        argv = [program("lps"), "--local", "--json", "--quiet", "--config", config, "--url", url, *args]
        if hosts:
            argv = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', t.file("hosts", hosts), *argv]
        self.lps = t.start("lps", *argv)
        if wait:
            self.end()

    def end(self):
        code, self.memory_kib = reap(self.lps, 60)
        assert code == self.exit_code, f"exit {code}, not {self.exit_code}: {self.lps.argv}: {self.lps.err or self.lps.out}"
        self.totals = self.lps.json()["totals"]
        self.errors = {e["kind"]: (e["count"], e["example"]) for e in self.totals["errorKinds"] if e["count"]}
        self.completed, self.opened = self.totals["completed"], self.totals["connections"]["opened"]
        assert self.totals["requests"] == self.completed + self.totals["failed"] + self.totals["aborted"], self.totals
        return self

    def failed_as(self, kind, why, count=None):
        """Whether all failed in this way."""
        n, example = self.errors.get(kind, (0, ""))
        return n == (count or self.totals["requests"]) and why in example
