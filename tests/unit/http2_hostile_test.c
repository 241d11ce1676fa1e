// Frames written by hand, as no server of good will would send them.
#include "worker/runner/http2.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"

// Streams 1 and 3 are open; the first asked by GET, the second as the case says.
struct outcome {
    unsigned n_over; // ends and failures
    unsigned status; // 0: failed
    enum metrics_error kind;
    bool unprocessed;
    uint64_t body;
};

struct world {
    struct http2 *client;
    struct outcome streams[2];
    uint64_t wire;
    int result;
};

static void on_first(void *stream)
{
    assert_int_equal(((struct outcome *)stream)->n_over, 0);
}

static void on_head(void *stream, unsigned status)
{
    (void)stream;
    (void)status;
}

static void on_field(void *stream, const char *name, size_t name_len, const char *value,
                     size_t value_len)
{
    (void)stream;
    (void)name;
    (void)name_len;
    (void)value;
    (void)value_len;
}

static void on_body(void *stream, const char *bytes, size_t n)
{
    (void)bytes;
    ((struct outcome *)stream)->body += n;
}

static void on_sent(void *stream, size_t n, size_t body)
{
    (void)stream;
    assert_true(n > 0 && body == 0);
}

static void on_end(void *stream, unsigned status)
{
    struct outcome *o = stream;
    o->n_over++;
    o->status = status;
}

static void on_fail(void *stream, enum metrics_error kind, const char *why, bool unprocessed)
{
    struct outcome *o = stream;
    assert_non_null(why);
    o->n_over++;
    o->kind = kind;
    o->unprocessed = unprocessed;
}

static void on_wire(void *stream, size_t n, void *arg)
{
    struct world *w = arg;
    if (stream != NULL)
        assert_int_equal(((struct outcome *)stream)->n_over, 0);
    w->wire += n;
}

static const struct http2_ops ops = {on_first, on_head, on_field, on_body, on_sent,
                                     on_first, on_end,  on_fail,  on_wire};

#define FIELD(n, v)                                                            \
    {                                                                          \
        .name = (uint8_t *)(n), .value = (uint8_t *)(v), .namelen = strlen(n), \
        .valuelen = strlen(v)                                                  \
    }

static void output(struct world *w)
{
    char out[1024];

    while (http2_output(w->client, out, sizeof out) > 0)
        ;
}

static void world_open(struct world *w, const char *method)
{
    const char *const methods[] = {"GET", method};

    *w = (struct world){.client = http2_new(&ops, w)};
    for (size_t i = 0; i < 2; i++) {
        nghttp2_nv nv[] = {FIELD(":method", methods[i]), FIELD(":scheme", "http"),
                           FIELD(":authority", "a"), FIELD(":path", "/")};
        const struct request r = {.nv = nv, .n_nv = sizeof nv / sizeof *nv};
        int32_t id;
        assert_int_equal(http2_request(w->client, &r, false, &w->streams[i], &id), 0);
        assert_int_equal(id, 2 * i + 1);
        output(w); // nv lives no longer
    }
}

static void feed(struct world *w, const void *bytes, size_t n, size_t step)
{
    for (size_t at = 0; at < n; at += step) {
        size_t take = n - at < step ? n - at : step;
        char *piece = xmemdup((const char *)bytes + at, take);
        w->result = http2_feed(w->client, piece, take);
        free(piece);
    }
}

static void frame(struct buf *b, unsigned type, unsigned flags, uint32_t id, const void *payload,
                  size_t n)
{
    const uint8_t head[] = {(uint8_t)(n >> 16),  (uint8_t)(n >> 8),  (uint8_t)n,
                            (uint8_t)type,       (uint8_t)flags,     (uint8_t)(id >> 24),
                            (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    buf_append(b, head, sizeof head);
    buf_append(b, payload, n);
}

static void world_close(struct world *w)
{
    output(w);
    http2_end(w->client, METRICS_ERROR_CLOSED, "closed by the peer");
    assert_int_equal(w->streams[0].n_over, 1);
    assert_int_equal(w->streams[1].n_over, 1);
    http2_free(w->client);
}

// A frame as bytes: N is the length of the payload, at most 255; S the stream.
#define FRAME(N, TYPE, FLAGS, S) "\0\0" N TYPE FLAGS "\0\0\0" S
#define DATA                     "\0"
#define HEADERS                  "\1"
#define RST                      "\3"
#define SETTINGS                 "\4"
#define PUSH                     "\5"
#define PING                     "\6"
#define GOAWAY                   "\7"
#define WINDOW                   "\x8"
#define CONTINUATION             "\x9"
#define END                      "\1" // END_STREAM
#define HEAD                     "\4" // END_HEADERS
#define BOTH                     "\5"
#define HELLO                    FRAME("\0", SETTINGS, "\0", "\0")
// HPACK: 0x88 and 0x89 are the indexed fields ":status: 200" and "204"; 0x08 is the name :status.
#define OK_END  FRAME("\1", HEADERS, BOTH, "\1") "\x88"
#define OK_OPEN FRAME("\1", HEADERS, HEAD, "\1") "\x88"
#define HINT    FRAME("\5", HEADERS, HEAD, "\1") "\x08\003103"

#define CLOSED   METRICS_ERROR_CLOSED
#define PROTOCOL METRICS_ERROR_PROTOCOL
// clang-format off
#define OPEN        {1, 0, CLOSED, 0, 0} // until the peer closed
#define FINE        {1, 200, 0, 0, 0}
#define BAD         {1, 0, PROTOCOL, 0, 0}
#define BROKEN_OFF  {1, 0, METRICS_ERROR_RESET, 0, 0}
#define UNPROCESSED {1, 0, METRICS_ERROR_RESET, 1, 0}
// clang-format on
#define TEXT(s) s, sizeof(s) - 1

// Then the peer closes: what is open fails with CLOSED.
static const struct {
    const char *name, *text;
    size_t len;
    int result;
    struct outcome first, second;
    const char *method; // of the second
} cases[] = {
    {"nothing", TEXT(""), 0, OPEN, OPEN, NULL},
    {"a head alone", TEXT(HELLO OK_END), 0, FINE, OPEN, NULL},
    {"body",
     TEXT(HELLO OK_OPEN FRAME("\5", DATA, END, "\1") "hello"),
     0,
     {1, 200, 0, 0, 5},
     OPEN,
     NULL},
    {"padding is no body",
     TEXT(HELLO OK_OPEN FRAME("\5", DATA, "\x9", "\1") "\3h\0\0\0"),
     0,
     {1, 200, 0, 0, 1},
     OPEN,
     NULL},
    {"an empty frame ends it", TEXT(HELLO OK_OPEN FRAME("\0", DATA, END, "\1")), 0, FINE, OPEN,
     NULL},
    {"closed early",
     TEXT(HELLO OK_OPEN FRAME("\5", DATA, END, "\1") "hell"),
     0,
     {1, 0, CLOSED, 0, 4},
     OPEN,
     NULL},
    {"both streams",
     TEXT(HELLO FRAME("\1", HEADERS, BOTH, "\3") "\x89" OK_END),
     0,
     FINE,
     {1, 204, 0, 0, 0},
     NULL},
    {"interim", TEXT(HELLO HINT HINT OK_END), 0, FINE, OPEN, NULL},
    {"interim that ends", TEXT(HELLO FRAME("\5", HEADERS, BOTH, "\1") "\x08\003103"), 0, BAD, OPEN,
     NULL},
    {"101", TEXT(HELLO FRAME("\5", HEADERS, BOTH, "\1") "\x08\003101"), 0, BAD, OPEN, NULL},
    {"trailers", TEXT(HELLO OK_OPEN FRAME("\5", HEADERS, BOTH, "\1") "\0\1t\1x"), 0, FINE, OPEN,
     NULL},
    {"trailers that do not end it", TEXT(HELLO OK_OPEN FRAME("\5", HEADERS, HEAD, "\1") "\0\1t\1x"),
     0, BAD, OPEN, NULL},
    {"a head in pieces",
     TEXT(HELLO FRAME("\0", HEADERS, END, "\1") FRAME("\1", CONTINUATION, HEAD, "\1") "\x88"), 0,
     FINE, OPEN, NULL},
    {"status 599",
     TEXT(HELLO FRAME("\5", HEADERS, BOTH, "\1") "\x08\003599"),
     0,
     {1, 599, 0, 0, 0},
     OPEN,
     NULL},
    {"status 600", TEXT(HELLO FRAME("\5", HEADERS, BOTH, "\1") "\x08\003600"), 0, BAD, OPEN, NULL},
    {"status 099", TEXT(HELLO FRAME("\5", HEADERS, BOTH, "\1") "\x08\003099"), 0, BAD, OPEN, NULL},
    {"status of letters", TEXT(HELLO FRAME("\5", HEADERS, BOTH, "\1") "\x08\0032OO"), 0, BAD, OPEN,
     NULL},
    {"two statuses", TEXT(HELLO FRAME("\2", HEADERS, BOTH, "\1") "\x88\x89"), 0, BAD, OPEN, NULL},
    {"no status", TEXT(HELLO FRAME("\5", HEADERS, BOTH, "\1") "\0\1t\1x"), 0, BAD, OPEN, NULL},
    {"a field of the connection",
     TEXT(HELLO FRAME("\x15", HEADERS, BOTH, "\1") "\x88\0\x0a"
                                                   "connection\7"
                                                   "upgrade"),
     0, BAD, OPEN, NULL},
    {"body shorter than its length",
     TEXT(HELLO FRAME("\5", HEADERS, HEAD, "\1") "\x88\x0f\x0d\0015" FRAME("\4", DATA, END,
                                                                           "\1") "hell"),
     0,
     {1, 0, PROTOCOL, 0, 4},
     OPEN,
     NULL},
    {"body longer than its length",
     TEXT(HELLO FRAME("\5", HEADERS, HEAD, "\1") "\x88\x0f\x0d\0013" FRAME("\4", DATA, END,
                                                                           "\1") "hell"),
     0, BAD, OPEN, NULL},
    {"two lengths", TEXT(HELLO FRAME("\x9", HEADERS, BOTH, "\1") "\x88\x0f\x0d\0010\x0f\x0d\0011"),
     0, BAD, OPEN, NULL},
    {"HEAD with a length", TEXT(HELLO FRAME("\5", HEADERS, BOTH, "\3") "\x88\x0f\x0d\0019" OK_END),
     0, FINE, FINE, "HEAD"},
    {"HEAD with a body",
     TEXT(HELLO FRAME("\1", HEADERS, HEAD, "\3") "\x88" FRAME("\1", DATA, END, "\3") "x" OK_END), 0,
     FINE, BAD, "HEAD"},
    {"304 with a length",
     TEXT(HELLO FRAME("\5", HEADERS, BOTH, "\1") "\x8b\x0f\x0d\0019"),
     0,
     {1, 304, 0, 0, 0},
     OPEN,
     NULL},
    {"204 with a body",
     TEXT(HELLO FRAME("\1", HEADERS, HEAD, "\1") "\x89" FRAME("\1", DATA, END, "\1") "x"), 0, BAD,
     OPEN, NULL},
    {"reset", TEXT(HELLO FRAME("\4", RST, "\0", "\1") "\0\0\0\x8"), 0, BROKEN_OFF, OPEN, NULL},
    {"reset without an error, before the end",
     TEXT(HELLO OK_OPEN FRAME("\4", RST, "\0", "\1") "\0\0\0\0"), 0, BROKEN_OFF, OPEN, NULL},
    {"reset with a code that does not exist", TEXT(HELLO FRAME("\4", RST, "\0", "\1") "\xff\0\0\0"),
     0, BROKEN_OFF, OPEN, NULL},
    {"refused", TEXT(HELLO FRAME("\4", RST, "\0", "\1") "\0\0\0\7"), 0, UNPROCESSED, OPEN, NULL},
    {"an answer after the end", TEXT(HELLO OK_END OK_END), 0, FINE, OPEN, NULL},
    {"a reset after the end", TEXT(HELLO OK_END FRAME("\4", RST, "\0", "\1") "\0\0\0\0"), 0, FINE,
     OPEN, NULL},
    {"GOAWAY for all", TEXT(HELLO FRAME("\x8", GOAWAY, "\0", "\0") "\0\0\0\0\0\0\0\0"), 0,
     UNPROCESSED, UNPROCESSED, NULL},
    {"GOAWAY for the second",
     TEXT(HELLO FRAME("\x8", GOAWAY, "\0", "\0") "\0\0\0\1\0\0\0\0" OK_END), 0, FINE, UNPROCESSED,
     NULL},
    {"GOAWAY for an error", TEXT(HELLO FRAME("\x8", GOAWAY, "\0", "\0") "\0\0\0\3\0\0\0\xff"), 0,
     OPEN, OPEN, NULL},
    {"an error after GOAWAY",
     TEXT(HELLO FRAME("\x8", GOAWAY, "\0", "\0") "\0\0\0\3\0\0\0\0" FRAME("\1", HEADERS, BOTH,
                                                                          "\0") "\x88"),
     0, BAD, BAD, NULL},
    {"HTTP/1", TEXT("HTTP/1.1 400 Bad Request\r\n\r\n"), -EPROTO, BAD, BAD, NULL},
    {"no settings first", TEXT(OK_END), -EPROTO, BAD, BAD, NULL},
    {"a frame too large", TEXT(HELLO "\1\0\0\0\0\0\0\0\1"), -EPROTO, BAD, BAD, NULL},
    {"a body without a head", TEXT(HELLO FRAME("\1", DATA, END, "\1") "x"), -EPROTO, BAD, BAD,
     NULL},
    {"a body of no stream", TEXT(HELLO FRAME("\1", DATA, END, "\0") "x"), -EPROTO, BAD, BAD, NULL},
    {"a head of no stream", TEXT(HELLO FRAME("\1", HEADERS, BOTH, "\0") "\x88"), -EPROTO, BAD, BAD,
     NULL},
    {"a stream that was not asked", TEXT(HELLO FRAME("\1", HEADERS, BOTH, "\5") "\x88"), -EPROTO,
     BAD, BAD, NULL},
    {"a stream of the server's own", TEXT(HELLO FRAME("\1", HEADERS, BOTH, "\2") "\x88"), -EPROTO,
     BAD, BAD, NULL},
    {"a push",
     TEXT(HELLO FRAME("\0", SETTINGS, "\1", "\0") FRAME("\5", PUSH, HEAD, "\1") "\0\0\0\2\x82"),
     -EPROTO, BAD, BAD, NULL},
    {"a push that crossed our settings", TEXT(HELLO FRAME("\5", PUSH, HEAD, "\1") "\0\0\0\2\x82"),
     0, OPEN, OPEN, NULL},
    {"a continuation of nothing", TEXT(HELLO FRAME("\1", CONTINUATION, HEAD, "\1") "\x88"), -EPROTO,
     BAD, BAD, NULL},
    {"a ping within a head",
     TEXT(HELLO FRAME("\0", HEADERS, END, "\1") FRAME("\x8", PING, "\0", "\0") "12345678"), -EPROTO,
     BAD, BAD, NULL},
    {"an index that is not in the table", TEXT(HELLO FRAME("\1", HEADERS, BOTH, "\1") "\xfe"),
     -EPROTO, BAD, BAD, NULL},
    {"a window of the connection by nothing",
     TEXT(HELLO FRAME("\4", WINDOW, "\0", "\0") "\0\0\0\0"), -EPROTO, BAD, BAD, NULL},
    {"a window beyond 31 bits", TEXT(HELLO FRAME("\4", WINDOW, "\0", "\0") "\x7f\xff\xff\xff"),
     -EPROTO, BAD, BAD, NULL},
    {"a setting out of range", TEXT(HELLO FRAME("\6", SETTINGS, "\0", "\0") "\0\4\xff\xff\xff\xff"),
     -EPROTO, BAD, BAD, NULL},
    {"a frame of an unknown type", TEXT(HELLO FRAME("\3", "\xee", "\xff", "\1") "abc" OK_END), 0,
     FINE, OPEN, NULL},
};

// How much of a malformed body was body does depend on its pieces.
static void expect(const char *name, size_t step, const struct outcome *o,
                   const struct outcome *want)
{
    if (o->n_over != want->n_over || o->status != want->status || o->kind != want->kind ||
        o->unprocessed != want->unprocessed || (o->kind != PROTOCOL && o->body != want->body))
        fail_msg("%s in pieces of %zu: over %u, status %u, kind %d, unprocessed %d, body %lu", name,
                 step, o->n_over, o->status, o->kind, o->unprocessed, (unsigned long)o->body);
}

static void every_case_ends_the_same_in_any_split(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t step = 1; step <= cases[i].len + 1; step++) {
            struct world w;
            world_open(&w, cases[i].method != NULL ? cases[i].method : "GET");
            feed(&w, cases[i].text, cases[i].len, step);
            if (w.result != cases[i].result)
                fail_msg("%s in pieces of %zu: %d", cases[i].name, step, w.result);
            world_close(&w);
            expect(cases[i].name, step, &w.streams[0], &cases[i].first);
            expect(cases[i].name, step, &w.streams[1], &cases[i].second);
            assert_int_equal(w.wire, cases[i].len);
        }
    }
}

static void a_stream_that_is_broken_off_disturbs_no_other(void **unused)
{
    struct world w;

    (void)unused;
    world_open(&w, "GET");
    feed(&w, TEXT(HELLO FRAME("\5", HEADERS, HEAD, "\1") "\x08\003600"), 7);
    output(&w);
    feed(&w, TEXT(FRAME("\5", DATA, END, "\1") "hello" FRAME("\1", HEADERS, BOTH, "\3") "\x88"), 7);
    expect("first", 7, &w.streams[0], &(struct outcome){1, 0, PROTOCOL, 0, 0});
    expect("second", 7, &w.streams[1], &(struct outcome){1, 200, 0, 0, 0});
    assert_false(http2_is_over(w.client));
    world_close(&w);
}

// One field of 4,000 bytes, put into the table; then a byte for each time it is repeated.
static void a_bomb_of_indexed_fields_is_too_large(void **unused)
{
    struct world w;
    struct buf b = {0}, block = {0};

    (void)unused;
    buf_append(&block, "\x88\x40\1a\x7f\xa1\x1e",
               7); // 4,000 as 0x7f, then 3,873 in groups of 7 bits
    while (block.len < 4007)
        buf_append(&block, "v", 1);
    while (block.len < 4007 + 1000)
        buf_append(&block, "\xbe", 1);
    world_open(&w, "GET");
    buf_append(&b, HELLO, 9);
    frame(&b, 1, 5, 1, block.data, block.len);
    feed(&w, b.data, b.len, 100);
    assert_int_equal(w.result, 0);
    expect("bomb", 100, &w.streams[0], &(struct outcome){1, 0, METRICS_ERROR_TOO_LARGE, 0, 0});
    buf_done(&b);
    buf_done(&block);
    world_close(&w);
}

static void interim_answers_without_end_are_too_large(void **unused)
{
    struct world w;

    (void)unused;
    world_open(&w, "GET");
    feed(&w, HELLO, 9, 9);
    for (size_t n = 0; n < HTTP2_HEAD_MAX / (10 + 32); n++)
        feed(&w, TEXT(HINT), 100);
    assert_int_equal(w.streams[0].n_over, 0);
    feed(&w, TEXT(HINT), 100);
    expect("interim", 100, &w.streams[0], &(struct outcome){1, 0, METRICS_ERROR_TOO_LARGE, 0, 0});
    world_close(&w);
}

static void trailers_count_into_the_head(void **unused)
{
    struct world w;
    struct buf b = {0}, block = {0};

    (void)unused;
    while (block.len / 5 < (HTTP2_HEAD_MAX - 42) / 34 + 1)
        buf_append(&block, "\0\1t\1x", 5);
    world_open(&w, "GET");
    feed(&w, TEXT(HELLO OK_OPEN), 100);
    frame(&b, 1, 5, 1, block.data, block.len);
    feed(&w, b.data, b.len, 100);
    expect("trailers", 100, &w.streams[0], &(struct outcome){1, 0, METRICS_ERROR_TOO_LARGE, 0, 0});
    buf_done(&b);
    buf_done(&block);
    world_close(&w);
}

static void continuations_without_end_break_the_session(void **unused)
{
    struct world w;

    (void)unused;
    world_open(&w, "GET");
    feed(&w, TEXT(HELLO FRAME("\1", HEADERS, END, "\1") "\x88"), 100);
    for (size_t n = 0; n < 1000 && w.result == 0; n++)
        feed(&w, TEXT(FRAME("\0", CONTINUATION, "\0", "\1")), 100);
    assert_int_equal(w.result, -EPROTO);
    expect("second", 100, &w.streams[1], &(struct outcome){1, 0, PROTOCOL, 0, 0});
    world_close(&w);
}

static void pings_without_end_break_the_session(void **unused)
{
    struct world w;

    (void)unused;
    world_open(&w, "GET");
    feed(&w, HELLO, 9, 9);
    for (size_t n = 0; n < 10000 && w.result == 0; n++) // and no pong is output
        feed(&w, TEXT(FRAME("\x8", PING, "\0", "\0") "12345678"), 100);
    assert_int_equal(w.result, -EPROTO);
    world_close(&w);
}

static void settings_without_end_break_the_session(void **unused)
{
    struct world w;
    struct buf b = {0}, entries = {0};

    (void)unused;
    world_open(&w, "GET");
    while (entries.len < 33 * 6)
        buf_append(&entries, "\0\4\0\0\0\1", 6);
    frame(&b, 4, 0, 0, entries.data, entries.len);
    feed(&w, b.data, b.len, 100);
    assert_int_equal(w.result, -EPROTO);
    buf_done(&b);
    buf_done(&entries);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_ends_the_same_in_any_split),
        cmocka_unit_test(a_stream_that_is_broken_off_disturbs_no_other),
        cmocka_unit_test(a_bomb_of_indexed_fields_is_too_large),
        cmocka_unit_test(interim_answers_without_end_are_too_large),
        cmocka_unit_test(trailers_count_into_the_head),
        cmocka_unit_test(continuations_without_end_break_the_session),
        cmocka_unit_test(pings_without_end_break_the_session),
        cmocka_unit_test(settings_without_end_break_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
