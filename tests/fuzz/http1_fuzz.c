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
    http1_start(&pieces, head, NULL);
    enum http1_result result = feed(&pieces, data + 1, size - 1, data[0] / 2 + 1);
    for (int i = 0; i < 2; i++) {
        http1_start(&whole, head, &known);
        assert_alike(&whole, feed(&whole, data + 1, size - 1, size), &pieces, result);
    }
    http1_done(&whole);
    http1_done(&pieces);
    return 0;
}
