// The first byte says how: bit 0 HEAD, the rest the size of the pieces. Whole and in pieces must
// end alike.
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http1 whole = {0}, pieces = {0};

    if (size < 1)
        return 0;
    bool head = data[0] & 1;
    http1_start(&whole, head);
    http1_start(&pieces, head);
    enum http1_result a = feed(&whole, data + 1, size - 1, size),
                      b = feed(&pieces, data + 1, size - 1, data[0] / 2 + 1);
    assert(a == b && whole.error == pieces.error);
    if (a == HTTP1_DONE) {
        assert(whole.status == pieces.status && whole.body_len == pieces.body_len);
        assert(http1_is_reusable(&whole) == http1_is_reusable(&pieces));
    }
    http1_done(&whole);
    http1_done(&pieces);
    return 0;
}
