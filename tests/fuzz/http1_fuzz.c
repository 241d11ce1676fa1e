// The first byte says how: bit 0 HEAD, the rest the size of the pieces. Whole, in pieces, and again
// when its head is known must end alike.
#include <assert.h>
#include <stdbool.h>

#include "worker/runner/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum http1_result feed(struct http1 *p, const uint8_t *data, size_t size, size_t step)
{
    enum http1_result result = HTTP1_MORE;

    for (size_t at = 0, used; result == HTTP1_MORE && at < size; at += used) {
        size_t n = size - at < step ? size - at : step;
        result = http1_feed(p, (const char *)data + at, n, &used);
        assert(used <= n && (result != HTTP1_MORE || used == n));
    }
    return result == HTTP1_MORE ? http1_end(p) : result;
}

// A sum of what was handed out, in its order but for how the body was cut.
static uint64_t heard, heard_body;

static void add(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        heard = (heard ^ (uint8_t)bytes[i]) * 1099511628211u;
}

static void on_head(struct http1 *p, unsigned status, const char *reason, size_t len)
{
    assert(status == p->status && (status >= 200 || status == 101));
    add(reason, len);
    add("|", 1);
}

static void on_field(struct http1 *p, const char *name, size_t name_len, const char *value,
                     size_t value_len)
{
    assert(p->status >= 200 || p->status == 101);
    add(name, name_len);
    add("=", 1);
    add(value, value_len);
    add("|", 1);
}

static void on_body(struct http1 *p, const char *bytes, size_t n)
{
    (void)p;
    add(bytes, n);
    heard_body += n;
}

static const struct http1_ops noted = {HTTP1_WANTS_NOTED, on_head, on_field, on_body};
static const struct http1_ops all = {HTTP1_WANTS_ALL, on_head, on_field, on_body};

// What is handed out does not depend on the pieces, nor on what is known.
static uint64_t heard_of(const struct http1_ops *ops, struct http1_known *known, bool head,
                         const uint8_t *data, size_t size, size_t step)
{
    struct http1 p = {0};

    heard = heard_body = 0;
    http1_start(&p, head, known, ops);
    enum http1_result result = feed(&p, data, size, step);
    if (ops == &all && result == HTTP1_DONE)
        assert(heard_body == p.body_len);
    http1_done(&p);
    return result == HTTP1_DONE ? heard : 0;
}

static void assert_alike(struct http1 *p, enum http1_result result, struct http1 *q,
                         enum http1_result other)
{
    assert(result == other && p->error == q->error);
    if (result == HTTP1_DONE) {
        assert(p->status == q->status && p->body_len == q->body_len);
        assert(http1_is_reusable(p) == http1_is_reusable(q));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http1_known known; // of the input before, too
    struct http1 whole = {0}, pieces = {0};

    if (size < 1)
        return 0;
    bool head = data[0] & 1;
    http1_start(&pieces, head, NULL, NULL);
    enum http1_result result = feed(&pieces, data + 1, size - 1, data[0] / 2 + 1);
    for (int i = 0; i < 2; i++) {
        http1_start(&whole, head, &known, NULL);
        assert_alike(&whole, feed(&whole, data + 1, size - 1, size), &pieces, result);
    }
    http1_done(&whole);
    http1_done(&pieces);
    size_t step = data[0] / 2 + 1;
    assert(heard_of(&all, NULL, head, data + 1, size - 1, size) ==
           heard_of(&all, NULL, head, data + 1, size - 1, step));
    static struct http1_known known_noted;
    uint64_t want = heard_of(&noted, NULL, head, data + 1, size - 1, step);
    for (int i = 0; i < 2; i++)
        assert(heard_of(&noted, &known_noted, head, data + 1, size - 1, size) == want);
    return 0;
}
