#include "worker/runner/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct outcome {
    enum http1_result result;
    unsigned status;
    uint64_t body;
    size_t used;
    bool reusable;
    enum metrics_error error;
};

// Feeds text in pieces of at most step bytes; the end of it is the end of the stream when closes.
static struct outcome parse_known(struct http1_known *known, const char *text, size_t len,
                                  size_t step, bool head, bool closes)
{
    struct http1 p = {0};
    struct outcome o = {.result = HTTP1_MORE};
    size_t at = 0;

    http1_start(&p, head, known, NULL);
    while (o.result == HTTP1_MORE && at < len) {
        size_t used, n = len - at < step ? len - at : step;
        char *piece =
            xmemdup(text + at, n); // of its own, so that a sanitizer sees one byte too far
        o.result = http1_feed(&p, piece, n, &used);
        free(piece);
        assert_true(used <= n);
        if (o.result == HTTP1_MORE)
            assert_int_equal(used, n);
        at += used;
    }
    if (o.result == HTTP1_MORE && closes)
        o.result = http1_end(&p);
    o.status = p.status;
    o.body = p.body_len;
    o.used = at;
    o.reusable = o.result == HTTP1_DONE && http1_is_reusable(&p);
    o.error = o.result == HTTP1_FAILED ? p.error : METRICS_ERROR_UNDEFINED;
    if (o.result == HTTP1_FAILED)
        assert_non_null(p.why);
    http1_done(&p);
    return o;
}

static struct outcome parse(const char *text, size_t len, size_t step, bool head, bool closes)
{
    return parse_known(NULL, text, len, step, head, closes);
}

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
    const char *name, *text;
    bool head, closes;
    struct outcome want;
} cases[] = {
    {"length",
     OK "Content-Length: 5\r\n\r\nhello",
     false,
     false,
     {HTTP1_DONE, 200, 5, 43, true, 0}},
    {"length, more to come",
     OK "Content-Length: 5\r\n\r\nhell",
     false,
     false,
     {HTTP1_MORE, 200, 4, 42, false, 0}},
    {"closed early",
     OK "Content-Length: 5\r\n\r\nhell",
     false,
     true,
     {HTTP1_FAILED, 200, 4, 42, false, METRICS_ERROR_CLOSED}},
    {"no body", OK "Content-Length: 0\r\n\r\n", false, false, {HTTP1_DONE, 200, 0, 38, true, 0}},
    {"left over",
     OK "Content-Length: 1\r\n\r\nabc",
     false,
     false,
     {HTTP1_DONE, 200, 1, 39, true, 0}},
    {"chunked",
     OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
     false,
     false,
     {HTTP1_DONE, 200, 5, 62, true, 0}},
    {"chunk extension",
     OK "Transfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n",
     false,
     false,
     {HTTP1_DONE, 200, 1, 62, true, 0}},
    {"trailers",
     OK "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\n\r\n",
     false,
     false,
     {HTTP1_DONE, 200, 1, 64, true, 0}},
    {"bad chunk size",
     OK "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
     false,
     false,
     {HTTP1_FAILED, 200, 0, 0, false, METRICS_ERROR_PROTOCOL}},
    {"chunk without its end",
     OK "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n",
     false,
     false,
     {HTTP1_FAILED, 200, 1, 0, false, METRICS_ERROR_PROTOCOL}},
    {"chunk size beyond 64 bits",
     OK "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
     false,
     false,
     {HTTP1_FAILED, 200, 0, 0, false, METRICS_ERROR_PROTOCOL}},
    {"until close", OK "\r\nhello", false, true, {HTTP1_DONE, 200, 5, 24, false, 0}},
    {"says close",
     OK "Connection: close\r\nContent-Length: 0\r\n\r\n",
     false,
     false,
     {HTTP1_DONE, 200, 0, 57, false, 0}},
    {"1.0 closes",
     "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
     false,
     false,
     {HTTP1_DONE, 200, 0, 38, false, 0}},
    {"1.0 keep-alive",
     "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
     false,
     false,
     {HTTP1_DONE, 200, 0, 62, true, 0}},
    {"204", "HTTP/1.1 204 No Content\r\n\r\n", false, false, {HTTP1_DONE, 204, 0, 27, true, 0}},
    {"304 with a length",
     "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
     false,
     false,
     {HTTP1_DONE, 304, 0, 48, true, 0}},
    {"HEAD with a length",
     OK "Content-Length: 9\r\n\r\n",
     true,
     false,
     {HTTP1_DONE, 200, 0, 38, true, 0}},
    {"100 first",
     "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 0\r\n\r\n",
     false,
     false,
     {HTTP1_DONE, 200, 0, 63, true, 0}},
    {"no reason",
     "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
     false,
     false,
     {HTTP1_DONE, 200, 0, 35, true, 0}},
    {"bare LF",
     "HTTP/1.1 200 OK\nContent-Length: 1\n\nx",
     false,
     false,
     {HTTP1_DONE, 200, 1, 36, true, 0}},
    {"two lengths",
     OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
     false,
     false,
     {HTTP1_FAILED, 200, 0, 0, false, METRICS_ERROR_PROTOCOL}},
    {"one length twice",
     OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
     false,
     false,
     {HTTP1_DONE, 200, 1, 58, true, 0}},
    {"signed length",
     OK "Content-Length: -1\r\n\r\n",
     false,
     false,
     {HTTP1_FAILED, 200, 0, 0, false, METRICS_ERROR_PROTOCOL}},
    {"both framings",
     OK "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     false,
     false,
     {HTTP1_DONE, 200, 0, 71, false, 0}},
    {"folded framing",
     OK "Content-Length: 1\r\n 2\r\n\r\n",
     false,
     false,
     {HTTP1_FAILED, 200, 0, 0, false, METRICS_ERROR_PROTOCOL}},
    {"blank before the colon",
     OK "Content-Length : 1\r\n\r\nx",
     false,
     false,
     {HTTP1_FAILED, 200, 0, 0, false, METRICS_ERROR_PROTOCOL}},
    {"no colon",
     OK "nonsense\r\n\r\n",
     false,
     false,
     {HTTP1_FAILED, 200, 0, 0, false, METRICS_ERROR_PROTOCOL}},
    {"garbage",
     "SSH-2.0-OpenSSH_9.2\r\n",
     false,
     false,
     {HTTP1_FAILED, 0, 0, 0, false, METRICS_ERROR_PROTOCOL}},
    {"status 99",
     "HTTP/1.1 099 Low\r\n\r\n",
     false,
     false,
     {HTTP1_FAILED, 0, 0, 0, false, METRICS_ERROR_PROTOCOL}},
    {"status 600",
     "HTTP/1.1 600 High\r\n\r\n",
     false,
     false,
     {HTTP1_FAILED, 0, 0, 0, false, METRICS_ERROR_PROTOCOL}},
    {"garbage that never ends a line",
     "SSH-2.0",
     false,
     false,
     {HTTP1_FAILED, 0, 0, 0, false, METRICS_ERROR_PROTOCOL}},
    {"another major version",
     "HTTP/2 200\r\n\r\n",
     false,
     false,
     {HTTP1_FAILED, 0, 0, 0, false, METRICS_ERROR_PROTOCOL}},
    {"101 is final",
     "HTTP/1.1 101 Switching Protocols\r\n\r\n",
     false,
     false,
     {HTTP1_DONE, 101, 0, 36, false, 0}},
    {"a list of one length",
     OK "Content-Length: 1, 1\r\n\r\nx",
     false,
     false,
     {HTTP1_DONE, 200, 1, 42, true, 0}},
    {"a list that ends in nothing",
     OK "Content-Length: 1,\r\n\r\nx",
     false,
     false,
     {HTTP1_FAILED, 200, 0, 0, false, METRICS_ERROR_PROTOCOL}},
    {"length beyond 63 bits",
     OK "Content-Length: 9223372036854775808\r\n\r\n",
     false,
     false,
     {HTTP1_FAILED, 200, 0, 0, false, METRICS_ERROR_PROTOCOL}},
    {"folded field of no concern",
     OK "X: a\r\n b\r\nContent-Length: 1\r\n\r\nx",
     false,
     false,
     {HTTP1_DONE, 200, 1, 49, true, 0}},
    {"another coding than chunked",
     OK "Transfer-Encoding: gzip\r\n\r\nabc",
     false,
     true,
     {HTTP1_DONE, 200, 3, 47, false, 0}},
    {"chunked is not last",
     OK "Transfer-Encoding: chunked, gzip\r\n\r\n",
     false,
     false,
     {HTTP1_FAILED, 200, 0, 0, false, METRICS_ERROR_PROTOCOL}},
    {"chunked in 1.0",
     "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     false,
     false,
     {HTTP1_DONE, 200, 0, 76, false, 0}},
    {"chunk longer than its size, without a line end",
     OK "Transfer-Encoding: chunked\r\n\r\n1\r\nabcd",
     false,
     false,
     {HTTP1_FAILED, 200, 1, 0, false, METRICS_ERROR_PROTOCOL}},
    {"nothing", "", false, true, {HTTP1_FAILED, 0, 0, 0, false, METRICS_ERROR_CLOSED}},
};

#define N_CASES (sizeof cases / sizeof *cases)

static void assert_case(size_t i, struct outcome o, const char *how, size_t n)
{
    const struct outcome *want = &cases[i].want;

    if (o.result != want->result || o.error != want->error || o.reusable != want->reusable ||
        (o.result != HTTP1_FAILED &&
         (o.status != want->status || o.body != want->body || o.used != want->used)))
        fail_msg("%s, %s %zu: result %d, status %u, body %lu, used %zu, reusable %d, error %d",
                 cases[i].name, how, n, o.result, o.status, (unsigned long)o.body, o.used,
                 o.reusable, o.error);
}

static void every_case_ends_the_same_in_any_split(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < N_CASES; i++) {
        size_t len = strlen(cases[i].text);
        for (size_t step = 1; step <= len + 1; step++)
            assert_case(i, parse(cases[i].text, len, step, cases[i].head, cases[i].closes),
                        "in pieces of", step);
    }
}

static void every_case_ends_the_same_after_any_other_head(void **unused)
{
    (void)unused;
    for (size_t before = 0; before < N_CASES; before++) {
        struct http1_known known = {0};
        for (size_t i = before; i < N_CASES; i++) {
            for (int twice = 0; twice < 2; twice++)
                assert_case(i,
                            parse_known(&known, cases[i].text, strlen(cases[i].text), SIZE_MAX,
                                        cases[i].head, cases[i].closes),
                            "after", before);
        }
    }
}

static void a_head_that_is_known_is_not_read_again(void **unused)
{
    const char text[] = OK "Content-Length: 5\r\n\r\nhello";
    struct http1_known known = {0};

    (void)unused;
    parse_known(&known, text, strlen(text), SIZE_MAX, false, false);
    assert_int_equal(known.len, strlen(text) - 5);
    known.after.status = 299; // shows whose it is
    assert_int_equal(parse_known(&known, text, strlen(text), SIZE_MAX, false, false).status, 299);
    assert_int_equal(parse_known(&known, text, strlen(text), SIZE_MAX, true, false).status, 200);
}

static void a_head_at_the_limit_is_taken_and_one_beyond_refused(void **unused)
{
    struct buf text = {0};

    (void)unused;
    buf_puts(&text, OK "Content-Length: 0\r\nX: ");
    while (text.len < HTTP1_HEAD_MAX - 4)
        buf_puts(&text, "a");
    buf_puts(&text, "\r\n\r\n");
    assert_int_equal(text.len, HTTP1_HEAD_MAX);
    assert_int_equal(parse(text.data, text.len, 4096, false, false).result, HTTP1_DONE);
    text.len -= 4;
    buf_puts(&text, "a\r\n\r\n");
    assert_int_equal(parse(text.data, text.len, 4096, false, false).error, METRICS_ERROR_TOO_LARGE);
    buf_done(&text);
}

static void an_endless_storm_of_interim_responses_is_refused(void **unused)
{
    struct buf text = {0};

    (void)unused;
    while (text.len <= HTTP1_HEAD_MAX)
        buf_puts(&text, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    assert_int_equal(parse(text.data, text.len, 4096, false, false).error, METRICS_ERROR_TOO_LARGE);
    buf_done(&text);
}

static void endless_trailers_are_refused(void **unused)
{
    struct buf text = {0};

    (void)unused;
    buf_puts(&text, OK "Transfer-Encoding: chunked\r\n\r\n0\r\n");
    while (text.len <= HTTP1_HEAD_MAX)
        buf_puts(&text, "T: x\r\n");
    assert_int_equal(parse(text.data, text.len, 4096, false, false).error, METRICS_ERROR_TOO_LARGE);
    buf_done(&text);
}

static void a_body_can_be_discarded_unseen(void **unused)
{
    struct http1 p = {0};
    const char head[] = OK "Content-Length: 100000\r\n\r\n";
    size_t used;

    (void)unused;
    http1_start(&p, false, NULL, NULL);
    assert_int_equal(http1_feed(&p, head, strlen(head), &used), HTTP1_MORE);
    assert_int_equal(http1_discardable(&p), 100000);
    assert_int_equal(http1_discarded(&p, 99999), HTTP1_MORE);
    assert_int_equal(http1_discarded(&p, 1), HTTP1_DONE);
    assert_int_equal(p.body_len, 100000);
    http1_done(&p);
}

// What is handed out, as "200 reason|name=value|body".
static struct buf heard;

static void on_head(struct http1 *p, unsigned status, const char *reason, size_t len)
{
    assert_int_equal(status, p->status);
    buf_printf(&heard, "%u ", status);
    buf_append(&heard, reason, len);
    buf_puts(&heard, "|");
}

static void on_field(struct http1 *p, const char *name, size_t name_len, const char *value,
                     size_t value_len)
{
    (void)p;
    buf_append(&heard, name, name_len);
    buf_puts(&heard, "=");
    buf_append(&heard, value, value_len);
    buf_puts(&heard, "|");
}

static void on_body(struct http1 *p, const char *bytes, size_t n)
{
    (void)p;
    buf_append(&heard, bytes, n);
}

static const struct http1_ops heard_ops[] = {
    {HTTP1_WANTS_NOTHING, on_head, on_field, on_body},
    {HTTP1_WANTS_NOTED, on_head, on_field, on_body},
    {HTTP1_WANTS_HEAD, on_head, on_field, on_body},
    {HTTP1_WANTS_ALL, on_head, on_field, on_body},
};

// Of one answer after another, in pieces of step bytes.
static void hear(struct http1 *p, struct http1_known *known, enum http1_wants wants,
                 const char *text, size_t step)
{
    size_t len = strlen(text);

    heard.len = 0;
    buf_puts(&heard, "");
    http1_start(p, false, known, &heard_ops[wants]);
    for (size_t at = 0, used; at < len; at += used) {
        size_t n = len - at < step ? len - at : step;
        assert_int_not_equal(http1_feed(p, text + at, n, &used), HTTP1_FAILED);
        assert_int_equal(used, n);
    }
    assert_int_equal(p->state, HTTP1_OVER);
}

static void what_is_asked_for_is_handed_out_in_any_split(void **unused)
{
    static const struct {
        const char *text, *heard[4]; // by what is asked for
    } answers[] = {
        {OK "Content-Length: 5\r\nX:y\r\n\r\nhello",
         {"", "", "200 OK|Content-Length=5|X=y|", "200 OK|Content-Length=5|X=y|hello"}},
        {"HTTP/1.1 302\r\nlocation: \t/a b \r\nContent-Length: 0\r\nset-cookie:a=1\r\n"
         "Set-Cookie:\r\n\r\n",
         {"", "location=/a b|set-cookie=a=1|Set-Cookie=|",
          "302 |location=/a b|Content-Length=0|set-cookie=a=1|Set-Cookie=|",
          "302 |location=/a b|Content-Length=0|set-cookie=a=1|Set-Cookie=|"}},
        // Neither an interim response nor trailers nor a folded line.
        {"HTTP/1.1 103 Hints\r\nLocation: /no\r\n\r\n" OK
         "Transfer-Encoding: chunked\r\nLocations: x\r\n  Location: /no\r\n\r\n"
         "3\r\nhel\r\n2;x\r\nlo\r\n0\r\nSet-Cookie: no=1\r\n\r\n",
         {"", "", "200 OK|Transfer-Encoding=chunked|Locations=x|",
          "200 OK|Transfer-Encoding=chunked|Locations=x|hello"}},
    };
    struct http1 p = {0};

    (void)unused;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        for (enum http1_wants wants = HTTP1_WANTS_NOTHING; wants <= HTTP1_WANTS_ALL; wants++) {
            for (size_t step = 1; step < 100; step++) {
                hear(&p, NULL, wants, answers[i].text, step);
                assert_string_equal(heard.data, answers[i].heard[wants]);
            }
        }
    }
    http1_done(&p);
    buf_done(&heard);
}

static void a_head_that_is_known_hides_nothing_that_is_asked_for(void **unused)
{
    static const char plain[] = OK "Content-Length: 0\r\nX: y\r\n\r\n",
                      noted[] = OK "Content-Length: 0\r\nSet-Cookie: a=1\r\n\r\n";
    struct http1_known known = {0};
    struct http1 p = {0};

    (void)unused;
    for (int i = 0; i < 3; i++) {
        hear(&p, &known, HTTP1_WANTS_NOTED, plain, SIZE_MAX);
        assert_string_equal(heard.data, "");
        assert_int_equal(known.len, strlen(plain));
        hear(&p, &known, HTTP1_WANTS_NOTED, noted, SIZE_MAX);
        assert_string_equal(heard.data, "Set-Cookie=a=1|");
        hear(&p, &known, HTTP1_WANTS_HEAD, plain, SIZE_MAX);
        assert_string_equal(heard.data, "200 OK|Content-Length=0|X=y|");
        hear(&p, &known, HTTP1_WANTS_NOTHING, noted, SIZE_MAX);
        assert_string_equal(heard.data, "");
    }
    http1_done(&p);
    buf_done(&heard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_ends_the_same_in_any_split),
        cmocka_unit_test(every_case_ends_the_same_after_any_other_head),
        cmocka_unit_test(a_head_that_is_known_is_not_read_again),
        cmocka_unit_test(a_head_at_the_limit_is_taken_and_one_beyond_refused),
        cmocka_unit_test(an_endless_storm_of_interim_responses_is_refused),
        cmocka_unit_test(endless_trailers_are_refused),
        cmocka_unit_test(a_body_can_be_discarded_unseen),
        cmocka_unit_test(what_is_asked_for_is_handed_out_in_any_split),
        cmocka_unit_test(a_head_that_is_known_hides_nothing_that_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
