"""A target that writes down what it is sent, and answers as a test wants it.

Recorders listen on ports of their own on 127.0.0.1 and speak HTTP/1.1 on one event loop in one thread, so that several plans may
run at the same time. A test reads `requests` once the load is over.
"""
import asyncio
import gzip
import http
import json
import threading
import time

REASONS = {status.value: status.phrase for status in http.HTTPStatus}


class Request:
    """at: monotonic seconds when it was there in full; done: just before its answer was written, so that whoever waited for the
    answer came later. connection: counts from 1."""

    def __init__(self, line, headers, connection):
        self.method, _, rest = line.partition(" ")
        self.target, _, self.version = rest.rpartition(" ")
        self.path, _, self.query = self.target.partition("?")
        self.headers, self.connection = headers, connection
        self.body, self.at, self.done, self.status = b"", 0.0, 0.0, 0

    def header(self, name):
        """Its value; None: not there; several: joined as they came."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    @property
    def text(self):
        return self.body.decode()

    def __repr__(self):
        return f"<{self.connection}: {self.method} {self.target} {self.body[:40]!r}>"


class Reply:
    """after: a path; the answer waits (5 s at most) until a request of it came. delay: seconds."""

    def __init__(self, body=b"ok", status=200, headers=(), delay=0.0, after=None):
        self.body = body.encode() if isinstance(body, str) else body
        self.status, self.headers, self.delay, self.after = status, list(headers), delay, after

    def encode(self, method):
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Whatever')}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        has_body = self.status >= 200 and self.status not in (204, 304)
        lines += [f"Content-Length: {len(self.body)}"] * has_body
        return "\r\n".join([*lines, "", ""]).encode() + self.body * (has_body and method != "HEAD")


# Answers: a Reply, or a function of a Request that makes one.

CUT = Reply(status=0)  # none: the connection is closed


def reply(body="ok", media="text/plain", status=200, headers=(), **how):
    return Reply(body, status, [("Content-Type", media), *headers], **how)


def json_reply(value, **how):
    return reply(json.dumps(value), "application/json", **how)


def gzip_reply(body, media="text/plain"):
    return Reply(gzip.compress(body.encode()), headers=[("Content-Type", media), ("Content-Encoding", "gzip")])


def redirect(to, status=302, headers=()):
    return Reply("", status, [("Location", to), *headers])


def status(code, **how):
    return reply(str(code), status=code, **how)


def in_turn(*answers):
    """One after another on each connection; the last one for all that come later."""
    seen = {}

    def answer(request):
        n = seen[request.connection] = seen.get(request.connection, -1) + 1
        return answers[min(n, len(answers) - 1)]
    return answer


def echo(request):
    return reply(request.body, request.header("Content-Type") or "text/plain")


def echo_cookies(request):
    return reply(request.header("Cookie") or "")


class _Connection(asyncio.Protocol):
    def __init__(self, recorder):
        self.recorder, self.data, self.request, self.tail = recorder, b"", None, None

    def connection_made(self, transport):
        self.transport = transport
        self.recorder.transports.add(transport)
        self.recorder.n_connections += 1
        self.number = self.recorder.n_connections

    def connection_lost(self, exc):
        self.recorder.transports.discard(self.transport)

    def data_received(self, data):
        self.data += data
        while self.take():
            pass

    def take(self):
        """Whether there was a whole request."""
        if self.request is None:
            head, end, rest = self.data.partition(b"\r\n\r\n")
            if not end:
                return False
            line, *fields = head.decode("latin-1").split("\r\n")
            headers = [(name, value.strip()) for name, _, value in (field.partition(":") for field in fields)]
            self.request, self.data = Request(line, headers, self.number), rest
            if self.request.header("Expect"):
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(self.request.header("Content-Length") or 0)
        if len(self.data) < length:
            return False
        request, self.request = self.request, None
        request.body, self.data = self.data[:length], self.data[length:]
        request.at = time.monotonic()
        self.tail = asyncio.ensure_future(self.answer(request, self.tail))
        return True

    async def answer(self, request, before):
        """In the order of the requests."""
        recorder = self.recorder
        recorder.requests.append(request)
        answer = recorder.answers.get(request.path, recorder.other)
        if " " in request.target or not request.version.startswith("HTTP/1."):
            answer = status(400)  # no HTTP; it is among the requests, for the test to stumble over
        if callable(answer):
            answer = answer(request)
        if answer.delay:
            await asyncio.sleep(answer.delay)
        deadline = time.monotonic() + 5
        while answer.after and not any(r.path == answer.after for r in recorder.requests) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        if before is not None:
            await before
        request.status, request.done = answer.status, time.monotonic()
        if answer is CUT:
            self.transport.close()
            return
        self.transport.write(answer.encode(request.method))
        if request.version == "HTTP/1.0" and (request.header("Connection") or "").lower() != "keep-alive":
            self.transport.close()


_loop = None


def _run(coroutine):
    global _loop
    if _loop is None:
        _loop = asyncio.new_event_loop()
        threading.Thread(target=_loop.run_forever, daemon=True).start()
    return asyncio.run_coroutine_threadsafe(coroutine, _loop).result(10)


class Recorder:
    """answers: by path, without query; other: to all else."""

    def __init__(self, answers=None, other=None):
        self.answers, self.other = dict(answers or {}), other or reply()
        self.requests, self.n_connections, self.transports = [], 0, set()
        _run(self._listen())

    async def _listen(self):
        self.server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=512)
        self.port = self.server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def close(self):
        async def close():
            self.server.close()
            for transport in list(self.transports):
                transport.abort()
        _run(close())

    def of(self, *paths):
        """Requests of the paths, in the order in which they came."""
        return [r for r in self.requests if r.path in paths]

    def counts(self):
        found = {}
        for r in self.requests:
            found[r.path] = found.get(r.path, 0) + 1
        return found

    def by_connection(self, *paths):
        """Lists of requests (of the paths, if any are named), one for each connection."""
        found = {}
        for r in self.requests:
            if not paths or r.path in paths:
                found.setdefault(r.connection, []).append(r)
        return list(found.values())
