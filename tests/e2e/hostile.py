#!/usr/bin/python3
"""Peers that send what they should not: refused and counted, and everything else goes on."""
import json
import os
import random
import socket
import struct
import time
import uuid

from lps import Skip, get, main, talk, test, until


def still_works(cluster, target, n=5):
    lps = cluster.lps("w1", "-u", target.http, "-rc", str(n), "--json")
    assert lps.wait() == 0, lps.err
    assert lps.json()["totals"]["requests"] == n


def plan(url="http://127.0.0.1:9/"):
    return {"name": "p", "rounds": [{"name": "r", "iterations": [
        {"name": "i", "mode": "R", "requestCount": 1, "httpRequest": {"url": url, "method": "GET"}}]}]}


@test
def worker_socket(t):
    cluster, target = t.cluster().start(1), t.target()
    good = {"submissionId": str(uuid.uuid4()), "plan": plan()}
    cases = [
        ("no JSON", b"this is not JSON", (400,)),
        ("empty", b"", (400,)),
        ("an array", b"[]", (400,)),
        ("cut off", json.dumps(good).encode()[:-5], (400,)),
        ("a NUL", b'{"submissionId": "\x00"}', (400,)),
        ("no UTF-8", b'{"submissionId": "\xff\xfe"}', (400,)),
        ("nested a million deep", b"[" * 1000000, (400, 413)),
        ("a key twice", b'{"submissionId": "a", "submissionId": "b"}', (400,)),
        ("no plan", json.dumps({"submissionId": str(uuid.uuid4())}).encode(), (400,)),
        ("no id", json.dumps({"plan": plan()}).encode(), (400,)),
        ("an id that is none", json.dumps({**good, "submissionId": "../../etc/passwd"}).encode(), (400,)),
        ("an unknown mode", json.dumps({**good, "plan": {**plan(), "rounds": "none"}}).encode(), (400,)),
        ("a file that is no base64", json.dumps({**good, "files": {"00" * 32: "***"}}).encode(), (400,)),
        ("a file of another content", json.dumps({**good, "files": {"00" * 32: "aGVsbG8="}}).encode(), (400,)),
        ("a negative wait", json.dumps({**good, "waitSeconds": -1}).encode(), (400,)),
        ("64 MiB", b" " * (64 << 20), (413,)),
    ]
    for name, raw, wanted in cases:
        status, body = cluster.call("w1", "/v1/submissions", raw=raw, method="POST")
        assert status in wanted, f"{name}: {status} {body[:200]}"
        if status == 400:
            assert json.loads(body)["error"]["message"], f"{name}: {body[:200]}"
    for method, path, wanted in (("GET", "/v1/nothing", 404), ("GET", "/v1/submissions/" + "a" * 36, 404), ("PUT", "/v1/status", 405),
                                 ("GET", "/../../../etc/passwd", 404), ("GET", "/%00", (400, 404))):
        status, body = cluster.call("w1", path, method=method)
        assert status in (wanted if isinstance(wanted, tuple) else (wanted,)), f"{method} {path}: {status}"
    still_works(cluster, target)


@test
def bytes_that_are_no_http(t):
    cluster, target = t.cluster().start(1), t.target()
    dice = random.Random(7)
    for address in (cluster.socket("w1"), ("127.0.0.1", cluster.rest_port), ("127.0.0.1", cluster.port)):
        for data in (b"\r\n\r\n", b"\x16\x03\x01" + dice.randbytes(500), dice.randbytes(100000) + b"\r\n\r\n",
                     b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"a" * 200000 + b" HTTP/1.1\r\n\r\n",
                     b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 50000 + b"\r\n",
                     b"POST /v1/submissions HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
                     b"POST /v1/submissions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
            try:
                status, _ = talk(address, data, timeout=0.3)
            except TimeoutError:
                status = 0  # it may wait for the rest; its idle limit ends that
            assert status == 0 or status >= 400, (address, data[:40], status)
    still_works(cluster, target)


@test
def rest(t):
    cluster, target = t.cluster().start(1), t.target()
    before = cluster.state()["counters"]["badRequests"]
    where = ("127.0.0.1", cluster.rest_port)
    head = "{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n"
    for method, path, host, length, wanted in (
            ("POST", "/api/v1/runs", "127.0.0.1", 4_000_000, (405, 413)),
            ("DELETE", "/api/v1/state", "127.0.0.1", 0, (405, 501)),
            ("GET", "/api/v1/state", "evil.example", 0, (403,)),  # a page elsewhere that rebinds its name to us
            ("GET", "/api/v1/runs?limit=0", "127.0.0.1", 0, (400,)),
            ("GET", "/api/v1/runs?limit=x", "127.0.0.1", 0, (400,)),
            ("GET", "/api/v1/runs?limit=1001", "127.0.0.1", 0, (400,)),
    ):
        status, body = talk(where, head.format(method, path, host, length).encode() + b"x" * length)
        assert status in wanted, f"{method} {path} {host}: {status} {body[:100]}"
    for path in ("/api/v1/runs/nothing", "/api/v1/runs/" + "a" * 3000, "/../etc/passwd", "/no/such/page"):
        status, _ = talk(where, head.format("GET", path, "127.0.0.1", 0).encode())
        assert status == 404, (path, status)
    assert cluster.state()["counters"]["badRequests"] >= before + 6, cluster.state()["counters"]
    still_works(cluster, target)


@test
def many_idle_connections(t):
    cluster, target = t.cluster().start(1), t.target()
    idle = []
    for address, family in ((cluster.socket("w1"), socket.AF_UNIX), (("127.0.0.1", cluster.rest_port), socket.AF_INET)):
        for _ in range(300):
            s = socket.socket(family)
            s.settimeout(5)
            idle.append(s)
            until("there is room in the queue", lambda s=s, address=address: s.connect_ex(address) == 0)
            s.sendall(b"GET /healthz HTTP/1.1\r\n")
    still_works(cluster, target)
    for s in idle:
        s.close()


@test
def slow_event_reader(t):
    """A viewer that never reads costs the master nothing and delays nobody."""
    cluster, target = t.cluster().start(1), t.target()
    viewers = []
    for _ in range(8):
        s = socket.create_connection(("127.0.0.1", cluster.rest_port))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        viewers.append(s)
    still_works(cluster, target, 200)
    assert cluster.state()["state"] in ("Created", "Stopped")
    for s in viewers:
        s.close()


def grpc():
    try:
        import grpc as module
    except ImportError:
        raise Skip("no python3-grpcio (grpcio)") from None
    return module


def raw_session(cluster, messages, hold=False):
    """Sends raw bytes as messages of a Session: the status code it ended with, or None while it stays open."""
    g = grpc()
    done = []
    with g.insecure_channel(f"127.0.0.1:{cluster.port}") as channel:
        call = channel.stream_stream("/lps.v1.Cluster/Session", request_serializer=bytes, response_deserializer=bytes)

        def requests():
            yield from messages
            while hold and not done:
                time.sleep(0.02)
        session = call(requests(), timeout=5)
        try:
            for _ in session:
                pass
            return session.code()
        except g.RpcError as error:
            return error.code()
        finally:
            done.append(True)


def varint(n):
    out = b""
    while n > 0x7F:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def hello(node="evil", instance=b"i" * 16):
    return field(1, field(1, node) + field(2, instance) + field(3, "0"))


@test
def malformed_protobuf(t):
    g = grpc()
    cluster, target = t.cluster().start(1), t.target()
    before = cluster.state()["counters"]["badMessages"]
    dice = random.Random(11)
    submit = field(3, field(1, str(uuid.uuid4())) + field(2, b"d" * 32) + field(3, "p") + field(4, b"no plan"))
    window = field(5, field(1, "no-such-run") + field(2, 1) + field(3, field(1, 5)))
    cases = {
        "noise": [dice.randbytes(200)],
        "an empty message first": [b""],
        "a clock before Hello": [field(2, field(1, 5))],
        "a node name with a slash": [hello("a/b")],
        "an empty node name": [hello("")],
        "a node name of 65": [hello("n" * 65)],
        "a node name that is no UTF-8": [hello(b"\xff\xfe")],
        "an instance of 15 bytes": [hello(instance=b"i" * 15)],
        "two Hellos": [hello(), hello()],
        "Hello, then noise": [hello(), b"\xff" * 50],
        "Hello, then nothing in a message": [hello(), b""],
        "a message of 2 MiB": [hello(), b"x" * (2 << 20)],
        "a window that unpacks to gigabytes": [hello(), field(5, field(1, "r") + field(3, b"\x12\x00" * 500000))],
    }
    for name, messages in cases.items():
        code = raw_session(cluster, messages, hold=True)
        assert code in (g.StatusCode.INVALID_ARGUMENT, g.StatusCode.RESOURCE_EXHAUSTED, g.StatusCode.FAILED_PRECONDITION,
                        g.StatusCode.NOT_FOUND), f"{name}: {code}"
    for messages in ([hello(), submit], [hello(), window]):
        raw_session(cluster, messages)  # well-formed: it may be answered with a refusal instead
    assert cluster.state()["run"] is None, "no run was opened by any of it"
    until("they are counted", lambda: cluster.state()["counters"]["badMessages"] >= before + 10, 3)
    for _ in range(200):
        raw_session(cluster, [hello(f"n{dice.randrange(5)}"), dice.randbytes(dice.randrange(1, 60))])
    with g.insecure_channel(f"127.0.0.1:{cluster.port}") as channel:
        try:
            channel.unary_unary("/lps.v1.Cluster/Nothing", request_serializer=bytes, response_deserializer=bytes)(b"", timeout=3)
            raise AssertionError("a method that is none was answered")
        except g.RpcError as error:
            assert error.code() == g.StatusCode.UNIMPLEMENTED, error.code()
    still_works(cluster, target)


@test
def http2_noise(t):
    cluster, target = t.cluster().start(1), t.target()
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for frames in (b"\xff" * 5000, struct.pack(">I", 0x00ffffff)[1:] + b"\x00\x00" + b"\x00" * 4, os.urandom(20000)):
        try:
            talk(("127.0.0.1", cluster.port), preface + frames, timeout=0.3)
        except TimeoutError:
            pass
    still_works(cluster, target)
    assert get(cluster.rest + "/healthz") == {"status": "ok"}


if __name__ == "__main__":
    main()
