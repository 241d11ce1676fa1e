#!/usr/bin/python3
"""Servers that send too much, without end, or what makes no sense: counted by kind, in bounded time and memory."""
from lps import main, sanitized, test
from peer import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY, PUSH_PROMISE,
                  RST_STREAM, SETTINGS, STATUS_200, WINDOW_UPDATE, Peer, Run, answer_once, frame)

GIB = 1 << 30
HEAD_MAX = 64 << 10
HTTP1, HTTP2, H2C = ("-hv", "1.1"), ("-hv", "2.0"), ("-hv", "2.0", "-h2c", "true")
OK1 = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK1 + b"Transfer-Encoding: chunked\r\n\r\n"
NEVER = {"ClientTimeoutInSeconds": 1}  # for a peer that does not come to an end


def is_bounded(run):
    most = 512 if sanitized() else 64  # a sanitizer keeps for a while what was freed
    assert run.memory_kib < most << 10, f"{run.lps.argv}: {run.memory_kib} KiB"
    return run


def met(t, *args, **settings):
    return is_bounded(Run(t, *args, **settings))


def all_fail(t, options, cases, **settings):
    """Two clients for each case, {what: (way to serve, error kind, why)}."""
    runs = [(Run(t, Peer(t, serve).url, "-nc", "2", *options, exit_code=1, wait=False, **settings), what, kind, why)
            for what, (serve, kind, why) in cases.items()]
    for run, what, kind, why in runs:
        assert is_bounded(run.end()).failed_as(kind, why, 2), (what, run.errors)


def flood(visit, block):
    """Until the client has enough."""
    for _ in range(1 << 24):
        visit.say(block)


def without_end(begin, line):
    """A way to serve: after a request this, and then a line over and over."""
    block = line * (1 + 16384 // len(line))

    def serve(visit):
        visit.head()
        visit.say(begin)
        flood(visit, block)
    return serve


def http2(*parts, endless=None, settings=b""):
    """A way to serve HTTP/2: after a request these frames, made for its stream, and one of them over and over."""
    def serve(visit):
        visit.take(24)
        stream = visit.stream()
        visit.say(frame(SETTINGS, payload=settings), frame(SETTINGS, ACK))
        for part in parts:
            visit.say(part(stream))
        if endless:
            one = endless(stream)
            flood(visit, one * (1 + 16384 // len(one)))
    return serve


def promise(stream, promised):
    return frame(PUSH_PROMISE, END_HEADERS, stream, promised.to_bytes(4, "big") + b"\x82\x86\x84\x41\x01a")


def promises(visit):
    """Before SETTINGS that forbid them are acknowledged, which they never are."""
    visit.take(24)
    visit.say(frame(SETTINGS))
    stream = visit.stream()
    for at in range(2, 1 << 30, 2000):
        visit.say(b"".join(promise(stream, i) for i in range(at, at + 2000, 2)))


def begun(stream):
    """The answer's head."""
    return frame(HEADERS, END_HEADERS, stream, STATUS_200)


def head(fields, flags=END_HEADERS):
    return lambda stream: frame(HEADERS, flags, stream, fields)


def same(whole):
    return lambda stream: whole


@test
def bodies_of_a_gibibyte_are_counted_and_not_kept(t):
    target = t.target()
    for url, options, n in ((target.http + "/big/1", HTTP1, 2), (target.http + f"/chunked/{GIB}", HTTP1, 1),
                            (target.http + f"/chunked/{GIB}", H2C, 1), (target.https + "/big/1", HTTP2, 1)):
        run = met(t, url, "-rc", str(n), *options)
        assert run.completed == n, run.totals
        assert run.totals["bytes"]["bodyReceived"] == n * GIB and run.totals["bytes"]["received"] > n * GIB, run.totals["bytes"]


@test(fast=True)
def a_head_may_be_as_long_as_the_limit_and_no_longer(t):
    rest = OK1 + b"Content-Length: 2\r\nX: \r\n\r\n"
    for n, fits in ((HEAD_MAX, True), (HEAD_MAX + 1, False)):
        whole = rest.replace(b"X: ", b"X: " + b"x" * (n - len(rest)))
        run = met(t, Peer(t, answer_once(whole + b"ok")).url, *HTTP1, exit_code=int(not fits))
        assert run.completed == 1 if fits else run.failed_as("too-large", "head larger than 64 KiB"), (n, run.errors)
    # As HTTP/2 counts: 32 bytes a field beside its name and value.
    field = len(":status200") + 32
    for n, fits in ((HEAD_MAX, True), (HEAD_MAX + 1, False)):
        values, left = [], n - field
        while left:
            length = min(left, 10000)
            values.append(b"x" * (length - 33))
            left -= length
        block = STATUS_200 + b"".join(b"\x00\x01x" + number(len(value)) + value for value in values)
        run = met(t, Peer(t, http2(*in_frames(block))).url, *H2C, exit_code=int(not fits))
        assert run.completed == 1 if fits else run.failed_as("too-large", "head larger than 64 KiB"), (n, run.errors)


def number(n, bits=7, first=0):
    """An integer of HPACK (RFC 7541 section 5.1)."""
    most = (1 << bits) - 1
    if n < most:
        return bytes((first | n,))
    out, n = [first | most], n - most
    while n >= 128:
        out.append(n % 128 + 128)
        n //= 128
    return bytes((*out, n))


def in_frames(block, flags=END_STREAM):
    """A header block, in HEADERS and CONTINUATION."""
    parts = [block[at:at + 16384] for at in range(0, len(block), 16384)]
    for i, part in enumerate(parts):
        kind, first = (CONTINUATION, 0) if i else (HEADERS, flags)
        last = END_HEADERS if i == len(parts) - 1 else 0
        yield lambda stream, kind=kind, part=part, all_flags=first | last: frame(kind, all_flags, stream, part)


@test
def endless_heads_are_too_large(t):
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    many, one = b"X-Endless: and one more\r\n", b"x"
    ways = {"header lines": (OK1, many), "a header line": (OK1 + b"X: ", one), "a status line": (b"HTTP/1.1 200 ", one),
            "interim answers": (b"", interim), "header lines of one": (b"HTTP/1.1 103 \r\n", many),
            "trailers": (CHUNKED + b"0\r\n", many), "a trailer": (CHUNKED + b"0\r\nX: ", one),
            "a chunk extension": (CHUNKED + b"1;a=", one), "zeros of a chunk size": (CHUNKED, b"0")}
    all_fail(t, HTTP1, {what: (without_end(*way), "too-large", "head larger than 64 KiB") for what, way in ways.items()},
             ClientTimeoutInSeconds=30)
    target = t.target()
    for path, completed in (("/headers/1000", 2), ("/headers/10000", 0), ("/1xx/500", 2), ("/1xx/10000", 0)):
        for url, options in ((target.http, HTTP1), (target.https, HTTP2)):
            run = met(t, url + path, "-rc", "2", *options, exit_code=int(not completed))
            assert run.completed == completed, (path, options, run.totals)
            assert completed or run.failed_as("too-large", "head larger than 64 KiB"), (path, run.errors)


@test
def chunks_and_lengths_that_make_no_sense_are_errors_of_protocol(t):
    cases = {chunks: (answer_once(CHUNKED + chunks), kind, why) for chunks, kind, why in (
        (b"ffffffffffffffff\r\n", "protocol", "chunk too large"), (b"8000000000000000\r\n", "protocol", "chunk too large"),
        (b"7fffffffffffffff\r\nxx", "closed", "within the body"), (b"-1\r\n", "protocol", "no chunk size"),
        (b"0x10\r\n", "protocol", "no chunk size"), (b"\r\n", "protocol", "no chunk size"),
        (b"2\r\nxxx\r\n0\r\n\r\n", "protocol", "chunk longer than its size"), (b"2\r\nxx\r\n", "closed", "within the body"))}
    all_fail(t, HTTP1, cases)
    all_fail(t, HTTP1, {value: (answer_once(OK1 + b"Content-Length: " + value + b"\r\n\r\n"), "protocol", why) for value, why in (
        (b"99999999999999999999999", "Content-Length too large"), (b"9223372036854775808", "Content-Length too large"),
        (b"-1", "Content-Length is no number"), (b"", "Content-Length is no number"), (b"5, 6", "contradicting Content-Length"))})
    all_fail(t, HTTP1, {begin + line: (without_end(begin, line), "protocol", why) for begin, line, why in (
        (b"", b"x", "no HTTP/1 status line"), (b"", b"\r\n", "no HTTP/1 status line"), (b"", b"\0", "no HTTP/1 status line"),
        (OK1, b":\r\n", "field line without a name"))})


@test
def many_tiny_chunks_are_a_body_like_any_other(t):
    long = (b"1;" + b"e" * 1000, b"0" * 1000 + b"1")
    for chunk, n in ((b"1\r\nx\r\n", 100_000), *((size + b"\r\nx\r\n", 20_000) for size in long)):
        run = met(t, Peer(t, answer_once(CHUNKED, chunk * n, b"0\r\n\r\n")).url, *HTTP1)
        assert run.completed == 1 and run.totals["bytes"]["bodyReceived"] == n, run.totals


@test
def endless_bodies_end_with_the_timeout(t):
    all_fail(t, HTTP1, {what: (without_end(*way), "timeout-body", "the answer was not whole in time") for what, way in {
        "chunks of a byte": (CHUNKED, b"1\r\nx\r\n"), "a body of no length": (OK1 + b"\r\n", b"x"),
        "a chunk of 2^63 - 1": (CHUNKED + b"7fffffffffffffff\r\n", b"x")}.items()}, **NEVER)
    target = t.target()
    for url, options in ((target.http, HTTP1), (target.https, HTTP2)):
        run = met(t, url + "/endless-chunks", "-nc", "2", *options, exit_code=1, **NEVER)
        assert run.failed_as("timeout-body", "the answer was not whole in time", 2), run.errors
        assert run.totals["bytes"]["bodyReceived"] > HEAD_MAX, run.totals


@test
def bytes_that_nobody_asked_for_belong_to_no_answer(t):
    twice = (OK1 + b"Content-Length: 2\r\n\r\nok") * 2

    def serve(visit):
        while visit.head() is not None:
            visit.say(twice)
    run = met(t, Peer(t, serve).url, "-rc", "5", *HTTP1)
    assert (run.completed, run.opened) == (5, 5), run.totals


@test
def floods_of_http2_end(t):
    huge = b"\x00\x01x" + number(16000) + b"x" * 16000
    cases = {
        "CONTINUATION without end": (http2(head(STATUS_200, 0), endless=lambda s: frame(CONTINUATION, 0, s)), "protocol",
                                     "Too many CONTINUATION"),
        "CONTINUATION of fields": (http2(head(STATUS_200, 0), endless=lambda s: frame(CONTINUATION, 0, s, huge)), "too-large",
                                   "head larger than 64 KiB"),
        "SETTINGS": (http2(endless=same(frame(SETTINGS, payload=b"\x00\x03\x00\x00\x00\x64"))), "protocol", "Flooding"),
        "PING": (http2(endless=same(frame(PING, payload=bytes(8)))), "protocol", "Flooding"),
        "interim answers": (http2(endless=head(b"\x08\x03103")), "too-large", "head larger than 64 KiB"),
        "promises": (promises, "protocol", "PUSH_PROMISE although push is disabled"),
        "trailers": (http2(begun, endless=head(b"\x00\x01x\x01y")), "protocol", ""),
    }
    all_fail(t, H2C, cases, ClientTimeoutInSeconds=30)


@test
def frames_without_end_that_are_allowed_end_with_the_timeout(t):
    whole, begin = "the answer was not whole in time", "no answer in time"
    all_fail(t, H2C, {
        "empty DATA": (http2(begun, endless=lambda s: frame(DATA, 0, s)), "timeout-body", whole),
        "DATA of padding": (http2(begun, endless=lambda s: frame(DATA, PADDED, s, b"\xff" + bytes(255))), "timeout-body", whole),
        "no known type": (http2(endless=lambda s: frame(0xbb, 0xff, s, bytes(1000))), "timeout-first-byte", begin),
        "PRIORITY": (http2(endless=lambda s: frame(PRIORITY, 0, s + 2, bytes(5))), "timeout-first-byte", begin),
        "windows": (http2(endless=lambda s: frame(WINDOW_UPDATE, 0, s, b"\0\0\0\1")), "timeout-first-byte", begin)}, **NEVER)


@test
def fields_that_hpack_makes_large_are_too_large(t):
    # A field of 3000 bytes goes into the table, and is said again by a byte each.
    bomb = STATUS_200 + b"\x40\x01x" + number(3000) + b"y" * 3000 + b"\xbe" * 12000
    run = met(t, Peer(t, http2(*in_frames(bomb))).url, "-rc", "2", *H2C, exit_code=1)
    assert run.failed_as("too-large", "head larger than 64 KiB", 2), run.errors
    blocks = {"an index beyond the table": STATUS_200 + b"\xff\x80\x7f", "an integer without end": b"\xff" * 2000,
              "a table larger than allowed": number(1 << 30, 5, 0x20) + STATUS_200,
              "a string longer than the frame": STATUS_200 + b"\x00\x01x" + number(1 << 20),
              "no Huffman code": STATUS_200 + b"\x00\x01x\x84\xff\xff\xff\xff"}
    all_fail(t, H2C, {what: (http2(*in_frames(block)), "protocol", "") for what, block in blocks.items()})


@test
def frames_that_make_no_sense_are_errors_of_protocol(t):
    big = b"\x7f\xff\xff\xff"
    ways = {
        "a window of nothing": http2(lambda s: frame(WINDOW_UPDATE, 0, 0, bytes(4))),
        "a window beyond 2^31": http2(*[same(frame(WINDOW_UPDATE, 0, 0, big))] * 2),
        "a stream's window beyond 2^31": http2(*[lambda s: frame(WINDOW_UPDATE, 0, s, big)] * 2),
        "a first window beyond 2^31": http2(settings=b"\x00\x04\xff\xff\xff\xff"),
        "frames of one byte": http2(settings=b"\x00\x05\x00\x00\x00\x01"),
        "a frame that is too long": http2(begun, lambda s: frame(DATA, 0, s, bytes(16385))),
        "DATA without a head": http2(lambda s: frame(DATA, END_STREAM, s, b"x")),
        "a stream that nobody opened": http2(lambda s: frame(HEADERS, END_HEADERS, s + 98, STATUS_200)),
        "a promise": http2(lambda s: frame(PUSH_PROMISE, END_HEADERS, s, b"\0\0\0\2" + STATUS_200)),
        "no status": http2(head(b"\x00\x01x\x01y", END_HEADERS | END_STREAM)),
        "a header block within another": http2(head(STATUS_200, 0), same(frame(PING, payload=bytes(8)))),
        "padding longer than the frame": http2(begun, lambda s: frame(DATA, PADDED, s, b"\xff")),
        "more than the length": http2(head(STATUS_200 + b"\x0f\x0d\x011"), lambda s: frame(DATA, END_STREAM, s, b"xx")),
        "HTTP/1.1": answer_once(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")}
    all_fail(t, H2C, {what: (serve, "protocol", "") for what, serve in ways.items()})


@test
def streams_that_are_taken_back_are_resets(t):
    cancel, refuse = (bytes((0, 0, 0, code)) for code in (8, 7))
    for what, parts in {"after the head": (begun, lambda s: frame(RST_STREAM, 0, s, cancel)),
                        "refused": (lambda s: frame(RST_STREAM, 0, s, refuse),),
                        "not looked at": (lambda s: frame(GOAWAY, 0, 0, bytes(8)),)}.items():
        run = met(t, Peer(t, http2(*parts)).url, "-rc", "3", *H2C, exit_code=1)
        assert run.failed_as("reset", "", 3), (what, run.errors)
    run = met(t, Peer(t, http2(begun)).url, "-rc", "2", *H2C, exit_code=1)
    assert run.failed_as("closed", "", 2), run.errors


@test
def windows_hold_a_body_back_and_let_it_go_by_the_byte(t):
    body = t.file("body", b"x" * 500)
    shut = b"\x00\x04\x00\x00\x00\x00"

    def serve(visit):
        visit.take(24)
        visit.say(frame(SETTINGS, payload=shut))
        stream, n = visit.stream(), 0
        while n < 500:
            visit.say(frame(WINDOW_UPDATE, 0, stream, b"\0\0\0\1"))
            kind, _, _, payload = visit.frame()
            n += len(payload) if kind == DATA else 0
        visit.say(frame(HEADERS, END_HEADERS | END_STREAM, stream, STATUS_200))
    post = ("-hm", "POST", "-p", f"Path:{body}", *H2C)
    run = met(t, Peer(t, serve).url, *post)
    assert run.completed == 1 and run.totals["bytes"]["bodySent"] == 500, run.totals
    run = met(t, Peer(t, http2(settings=shut)).url, *post, exit_code=1, **NEVER)
    assert run.totals["failed"] == 1, run.errors


if __name__ == "__main__":
    main()
