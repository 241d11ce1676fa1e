#include "tests/bench/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/str.h"

#define DELAY_MAX_MS 3600000
#define SMALL        12 // bytes of a body that is about nothing

char block_fill[BLOCK_MAX], block_chunks[CHUNK_FRAMED * 256], block_headers[32 * 1024];

struct asked {
    const char *tail; // of the target, behind the prefix
    uint64_t n;       // the same as a number
    uint64_t served, nth;
};

struct route {
    const char *prefix; // with a number behind it when max > 0
    uint64_t max;
    struct reply (*reply)(const struct asked *a);
    const char *raw; // instead
    enum ending ending;
    bool fixed;
};

void reply_blocks(void)
{
    static const char line[] = "X-Endless: and one more line..\r\n";
    _Static_assert(sizeof line == 33, "whole lines fill the block");

    memset(block_fill, 'x', sizeof block_fill);
    for (size_t i = 0; i < sizeof block_chunks; i += CHUNK_FRAMED) {
        memcpy(block_chunks + i, "3e8\r\n", 5);
        memset(block_chunks + i + 5, 'x', CHUNK);
        memcpy(block_chunks + i + 5 + CHUNK, "\r\n", 2);
    }
    for (size_t i = 0; i < sizeof block_headers; i += 32)
        memcpy(block_headers + i, line, 32);
}

static struct reply fill(uint64_t n)
{
    return (struct reply){.status = 200, .shape = SHAPE_FILL, .body = n, .sent = n};
}

static struct reply reply_root(const struct asked *a)
{
    (void)a;
    return fill(SMALL);
}

static struct reply reply_count(const struct asked *a)
{
    (void)a;
    return (struct reply){.status = 200, .shape = SHAPE_COUNT};
}

static struct reply reply_bytes(const struct asked *a)
{
    return fill(a->n);
}

static struct reply reply_big(const struct asked *a)
{
    return fill(a->n << 30);
}

static struct reply reply_status(const struct asked *a)
{
    struct reply r = fill(SMALL);

    r.status = a->n < 200 ? 404 : (int)a->n;
    if (reply_is_bodiless(&r))
        r.body = r.sent = 0;
    return r;
}

static struct reply reply_delay(const struct asked *a)
{
    struct reply r = fill(SMALL);

    r.delay_ns = (int64_t)a->n * NS_PER_MS;
    return r;
}

// The request's turn in the list of milliseconds.
static struct reply reply_delays(const struct asked *a)
{
    struct reply r = fill(SMALL);
    const char *at = a->tail;
    uint64_t n = 1;

    for (const char *c = at; *c != '\0'; c++)
        n += *c == ',';
    for (uint64_t skip = a->nth % n; skip > 0; skip--)
        at = strchr(at, ',') + 1;
    r.delay_ns = (int64_t)(strtod(at, NULL) * (double)NS_PER_MS);
    if (r.delay_ns < 0 || r.delay_ns > DELAY_MAX_MS * NS_PER_MS)
        return (struct reply){.status = 404, .shape = SHAPE_FILL};
    return r;
}

static struct reply reply_stall(const struct asked *a)
{
    stall_begin((int64_t)a->n * NS_PER_MS);
    loop_stall();
    return fill(SMALL);
}

static struct reply reply_hang(const struct asked *a)
{
    (void)a;
    return (struct reply){.shape = SHAPE_NOTHING, .delay_ns = INT64_MAX};
}

static struct reply reply_chunked(const struct asked *a)
{
    return (struct reply){.status = 200, .shape = SHAPE_CHUNKS, .body = a->n, .sent = a->n};
}

static struct reply reply_endless_chunks(const struct asked *a)
{
    (void)a;
    return (struct reply){
        .status = 200, .shape = SHAPE_CHUNKS, .body = 1ULL << 60, .sent = 1ULL << 60};
}

static struct reply reply_trailers(const struct asked *a)
{
    (void)a;
    return (struct reply){.status = 200, .shape = SHAPE_TRAILERS, .body = SMALL, .sent = SMALL};
}

static struct reply reply_slow_body(const struct asked *a)
{
    uint64_t n = a->n > 0 ? a->n : 10;

    return (struct reply){.status = 200, .shape = SHAPE_DRIP, .body = n, .sent = n};
}

static struct reply reply_close(const struct asked *a)
{
    (void)a;
    return (struct reply){
        .status = 200, .shape = SHAPE_FILL, .body = 1000, .sent = 500, .ending = END_CLOSE};
}

static struct reply reply_early_close(const struct asked *a)
{
    return (struct reply){
        .status = 200, .shape = SHAPE_FILL, .body = a->n, .sent = a->n / 2, .ending = END_SHORT};
}

static struct reply reply_drop_after(const struct asked *a)
{
    if (a->served >= a->n)
        return (struct reply){.shape = SHAPE_NOTHING, .ending = END_DROP};
    return fill(SMALL);
}

static struct reply reply_reset(const struct asked *a)
{
    (void)a;
    return (struct reply){.shape = SHAPE_NOTHING, .ending = END_RESET};
}

// splitmix64, https://prng.di.unimi.it/splitmix64.c: one in n, and always the same ones.
static bool is_unlucky(const struct asked *a)
{
    uint64_t z = (a->nth + 1) * 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return a->n > 0 && z % a->n == 0;
}

static struct reply reply_flaky(const struct asked *a)
{
    if (!is_unlucky(a))
        return fill(SMALL);
    stat_add(COUNT_FLAKY, 1);
    return (struct reply){.shape = SHAPE_NOTHING, .ending = END_CLOSE};
}

static struct reply reply_flaky_reset(const struct asked *a)
{
    if (!is_unlucky(a))
        return fill(SMALL);
    stat_add(COUNT_FLAKY_RESET, 1);
    return reply_reset(a);
}

static struct reply reply_headers(const struct asked *a)
{
    struct reply r = fill(SMALL);

    r.n_headers = (uint32_t)a->n;
    return r;
}

static struct reply reply_interim(const struct asked *a)
{
    struct reply r = fill(SMALL);

    r.n_interim = (uint32_t)a->n;
    return r;
}

static struct reply reply_endless_headers(const struct asked *a)
{
    (void)a;
    return (struct reply){.status = 200, .shape = SHAPE_HEADERS};
}

static struct reply reply_garbage(const struct asked *a)
{
    (void)a;
    return (struct reply){
        .shape = SHAPE_GARBAGE, .ending = END_CLOSE, .raw = "\x16\x03garbage, not HTTP\r\n\r\n"};
}

#define ONE_TIB (1ULL << 40)

static const struct route routes[] = {
    {"/", .reply = reply_root, .fixed = true},
    {"/bytes/", .max = ONE_TIB, .reply = reply_bytes, .fixed = true},
    {"/count", .reply = reply_count},
    {"/status/", .max = 599, .reply = reply_status, .fixed = true},
    {"/delay/", .max = DELAY_MAX_MS, .reply = reply_delay},
    {"/delays/", .reply = reply_delays},
    {"/stall/", .max = DELAY_MAX_MS, .reply = reply_stall},
    {"/flaky/", .max = UINT32_MAX, .reply = reply_flaky},
    {"/flaky-reset/", .max = UINT32_MAX, .reply = reply_flaky_reset},
    {"/hang", .reply = reply_hang},
    {"/chunked/", .max = ONE_TIB, .reply = reply_chunked},
    {"/slow-body", .reply = reply_slow_body},
    {"/slow-body/", .max = UINT32_MAX, .reply = reply_slow_body},
    {"/close", .reply = reply_close},
    {"/early-close/", .max = ONE_TIB, .reply = reply_early_close},
    {"/drop-after/", .max = UINT32_MAX, .reply = reply_drop_after},
    {"/reset", .reply = reply_reset},
    {"/garbage", .reply = reply_garbage},
    {"/big/", .max = 1024, .reply = reply_big},
    {"/headers/", .max = HEADERS_MAX, .reply = reply_headers},
    {"/1xx/", .max = INTERIM_MAX, .reply = reply_interim},
    {"/endless-headers", .reply = reply_endless_headers},
    {"/endless-chunks", .reply = reply_endless_chunks},
    {"/trailers", .reply = reply_trailers},
    {"/json", .raw =
                  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 55\r\n\r\n"
                  "{\"token\": \"t-81c9-44\", \"user\": {\"id\": 7, \"name\": \"Bo\"}}"},
    {"/obs-fold", .raw = "HTTP/1.1 200 Fine\r\nX-Folded: one\r\n two\r\n\tthree\r\n"
                         "Content-Length: 2\r\n\r\nok"},
    {"/bare-lf", .raw = "HTTP/1.1 200 Fine\nContent-Type: text/plain\nContent-Length: 2\n\nok"},
    {"/both-lengths", .raw = "HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
    {"/bad-chunk", .raw = "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "2\r\nok\r\nzz\r\nno\r\n0\r\n\r\n"},
    {"/http10", .raw = "HTTP/1.0 200 Fine\r\nContent-Type: text/plain\r\n\r\nxxxxxxxxxxxx",
     .ending = END_CLOSE},
    {"/http10-keep", .raw = "HTTP/1.0 200 Fine\r\nConnection: keep-alive\r\n"
                            "Content-Length: 12\r\n\r\nxxxxxxxxxxxx"},
};

static bool matches(const struct route *route, struct asked *a)
{
    size_t len = strlen(route->prefix);

    if (strncmp(a->tail, route->prefix, len) != 0)
        return false;
    if (route->max > 0)
        return str_parse_u64(a->tail + len, 0, route->max, &a->n) == 0;
    if (route->reply == reply_delays)
        return a->tail[len] != '\0';
    return a->tail[len] == '\0';
}

struct reply reply_to(const char *target, uint64_t served, uint64_t nth)
{
    struct asked a = {.tail = target, .served = served, .nth = nth};
    struct reply r = {.status = 404, .shape = SHAPE_FILL, .body = SMALL, .sent = SMALL};

    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        const struct route *route = &routes[i];
        if (!matches(route, &a))
            continue;
        a.tail += strlen(route->prefix);
        if (route->raw != NULL)
            return (struct reply){.shape = SHAPE_RAW, .raw = route->raw, .ending = route->ending};
        r = route->reply(&a);
        r.fixed = route->fixed;
        break;
    }
    return r;
}

bool reply_is_bodiless(const struct reply *r)
{
    return r->status < 200 || r->status == 204 || r->status == 304;
}
