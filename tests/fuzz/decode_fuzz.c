// The first byte picks the encoding and where the body is cut: pieces come to what the whole does.
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "worker/runner/decode.h"

#define OUT_MAX 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int decode_in(const char *encoding, const uint8_t *data, size_t size, size_t piece,
                     struct buf *out)
{
    struct decode *d;

    assert(decode_new(encoding, OUT_MAX, &d) == 0);
    for (size_t i = 0; i < size; i += piece)
        decode_feed(d, data + i, size - i < piece ? size - i : piece, out);
    int r = decode_end(d);
    decode_free(d);
    assert(r == 0 || r == -EBADMSG || r == -EFBIG);
    assert(out->len <= OUT_MAX && (r != -EFBIG || out->len == OUT_MAX));
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const encodings[] = {"gzip", "deflate", "identity", "x-gzip"};
    struct buf whole = {0}, pieces = {0};

    if (size == 0)
        return 0;
    const char *encoding = encodings[data[0] & 3];
    size_t piece = 1 + (data[0] >> 2);
    int r = decode_in(encoding, data + 1, size - 1, size, &whole);
    assert(decode_in(encoding, data + 1, size - 1, piece, &pieces) == r);
    assert(whole.len == pieces.len);
    assert(whole.len == 0 || memcmp(whole.data, pieces.data, whole.len) == 0);
    buf_done(&whole);
    buf_done(&pieces);
    return 0;
}
