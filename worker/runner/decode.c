#include "worker/runner/decode.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <zlib.h>

enum coding {
    CODING_UNDEFINED = 0,
    CODING_IDENTITY,
    CODING_GZIP,
    CODING_DEFLATE,
};

enum state {
    STATE_BEGIN = 1, // of all; of deflate: its first bytes are not here yet
    STATE_WITHIN,
    STATE_BETWEEN, // a gzip member is over, another may follow (RFC 1952 section 2.2)
    STATE_OVER,
};

struct decode {
    enum coding coding;
    enum state state;
    int error;
    uint64_t left; // bytes that may still come out
    unsigned char head[2];
    size_t head_len;
    bool has_stream;
    z_stream stream;
};

static enum coding coding_of(const char *encoding)
{
    static const struct {
        const char *name;
        enum coding coding;
    } names[] = {
        {"", CODING_IDENTITY},   {"identity", CODING_IDENTITY}, {"gzip", CODING_GZIP},
        {"x-gzip", CODING_GZIP}, {"deflate", CODING_DEFLATE},
    };
    size_t len;

    encoding += strspn(encoding, " \t");
    for (len = strlen(encoding); len > 0 && strchr(" \t", encoding[len - 1]) != NULL; len--)
        ;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == len && strncasecmp(encoding, names[i].name, len) == 0)
            return names[i].coding;
    return CODING_UNDEFINED;
}

int decode_new(const char *encoding, uint64_t max, struct decode **ret_decode)
{
    enum coding coding = coding_of(encoding == NULL ? "" : encoding);

    if (coding == CODING_UNDEFINED)
        return -EOPNOTSUPP;
    struct decode *d = xcalloc(1, sizeof *d);
    d->coding = coding;
    d->state = STATE_BEGIN;
    d->left = max;
    *ret_decode = d;
    return 0;
}

void decode_free(struct decode *d)
{
    if (d == NULL)
        return;
    if (d->has_stream)
        inflateEnd(&d->stream);
    free(d);
}

static int copy(struct decode *d, const void *bytes, size_t n, struct buf *out)
{
    size_t fits = n > d->left ? (size_t)d->left : n;

    buf_append(out, bytes, fits);
    d->left -= fits;
    return fits < n ? -EFBIG : 0;
}

// window: as inflateInit2 takes it: +16 with gzip's frame, negative without any.
static void open_stream(struct decode *d, int window)
{
    int r = inflateInit2(&d->stream, window);

    // The other reasons would be ours.
    if (r == Z_MEM_ERROR)
        abort();
    assert(r == Z_OK);
    d->has_stream = true;
    d->state = STATE_WITHIN;
}

// To the end of the stream or of the bytes, of which *n are left then.
static int inflate_some(struct decode *d, const unsigned char **bytes, size_t *n, struct buf *out)
{
    unsigned char piece[16384];
    int r = Z_OK;

    while (r == Z_OK && (*n > 0 || d->stream.avail_out == 0)) {
        uInt n_in = *n > UINT_MAX ? UINT_MAX : (uInt)*n;
        // One byte more than may come out: the frame's end needs none, and too much shows.
        uInt n_out = d->left < sizeof piece ? (uInt)d->left + 1 : (uInt)sizeof piece;
        d->stream.next_in = (unsigned char *)(uintptr_t)*bytes;
        d->stream.avail_in = n_in;
        d->stream.next_out = piece;
        d->stream.avail_out = n_out;
        r = inflate(&d->stream, Z_NO_FLUSH);
        *bytes += n_in - d->stream.avail_in;
        *n -= n_in - d->stream.avail_in;
        int full = copy(d, piece, n_out - d->stream.avail_out, out);
        if (full < 0)
            return full;
    }
    if (r == Z_STREAM_END)
        d->state = d->coding == CODING_GZIP ? STATE_BETWEEN : STATE_OVER;
    // Z_BUF_ERROR: it has all that there is, and waits for more.
    return r == Z_OK || r == Z_BUF_ERROR || r == Z_STREAM_END ? 0 : -EBADMSG;
}

// Whether deflate has its zlib frame is in its first two bytes (RFC 1950 section 2.2).
static int begin_deflate(struct decode *d, const unsigned char **bytes, size_t *n, struct buf *out)
{
    while (d->head_len < 2 && *n > 0) {
        d->head[d->head_len++] = *(*bytes)++;
        --*n;
    }
    if (d->head_len < 2)
        return 0;
    bool is_framed = (d->head[0] & 0x0f) == Z_DEFLATED && (d->head[0] << 8 | d->head[1]) % 31 == 0;
    const unsigned char *head = d->head;
    size_t n_head = 2;
    open_stream(d, is_framed ? MAX_WBITS : -MAX_WBITS);
    return inflate_some(d, &head, &n_head, out);
}

static int step(struct decode *d, const unsigned char **bytes, size_t *n, struct buf *out)
{
    switch (d->state) {
    case STATE_BEGIN:
        if (d->coding == CODING_DEFLATE)
            return begin_deflate(d, bytes, n, out);
        open_stream(d, MAX_WBITS + 16);
        return 0;
    case STATE_WITHIN:
        return inflate_some(d, bytes, n, out);
    case STATE_BETWEEN:
        // Anything but a member's first byte is padding, or a careless server's.
        d->state = **bytes == 0x1f ? STATE_WITHIN : STATE_OVER;
        inflateReset(&d->stream);
        return 0;
    case STATE_OVER:
        *n = 0;
        return 0;
    }
    return 0;
}

int decode_feed(struct decode *d, const void *bytes, size_t n, struct buf *out)
{
    const unsigned char *p = bytes;

    if (d->error == 0 && d->coding == CODING_IDENTITY)
        d->error = copy(d, bytes, n, out);
    while (d->error == 0 && d->coding != CODING_IDENTITY && n > 0)
        d->error = step(d, &p, &n, out);
    return d->error;
}

int decode_end(const struct decode *d)
{
    if (d->error < 0)
        return d->error;
    bool is_whole = d->coding == CODING_IDENTITY || d->state == STATE_OVER ||
                    d->state == STATE_BETWEEN || (d->state == STATE_BEGIN && d->head_len == 0);
    return is_whole ? 0 : -EBADMSG;
}
