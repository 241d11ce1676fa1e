// Bytes of a server while three streams are open. The first byte says how: bit 0, call-backs cancel
// and open streams; the rest, the size of the pieces. Whole and in pieces must end alike, and every
// stream ends once, also where output goes on in between.
#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "worker/runner/http2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define N_MOST 16 // streams in all

struct session;

struct stream {
    struct session *session;
    int32_t id;
    bool is_open, is_whole;
    unsigned n_first, status;
    enum metrics_error kind;
};

struct session {
    struct http2 *http2;
    bool acts;
    struct stream streams[N_MOST];
    size_t n_streams;
    size_t n_wire;
};

#define FIELD(n, v)                                                                \
    {                                                                              \
        .name = (uint8_t *)(n), .value = (uint8_t *)(v), .namelen = sizeof(n) - 1, \
        .valuelen = sizeof(v) - 1,                                                 \
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,     \
    }

static nghttp2_nv get[] = {FIELD(":method", "GET"), FIELD(":scheme", "http"),
                           FIELD(":authority", "a"), FIELD(":path", "/")};
static nghttp2_nv head[] = {FIELD(":method", "HEAD"), FIELD(":scheme", "http"),
                            FIELD(":authority", "a"), FIELD(":path", "/")};
static nghttp2_nv post[] = {FIELD(":method", "POST"), FIELD(":scheme", "http"),
                            FIELD(":authority", "a"), FIELD(":path", "/")};
static char body[100000];

static const struct request requests[] = {
    {.nv = get, .n_nv = 4},
    {.nv = head, .n_nv = 4, .is_head = true},
    {.nv = post, .n_nv = 4, .bytes = body, .len = sizeof body},
};

static void open_stream(struct session *s)
{
    struct stream *t = &s->streams[s->n_streams];
    int32_t id;

    if (s->n_streams == N_MOST || http2_room(s->http2) == 0)
        return;
    int rv = http2_request(s->http2, &requests[s->n_streams % 3], false, t, &id);
    assert(rv == 0);
    *t = (struct stream){.session = s, .id = id, .is_open = true};
    s->n_streams++;
}

static void on_first(void *stream)
{
    struct stream *t = stream;

    assert(t->is_open && t->n_first == 0);
    t->n_first++;
    for (size_t i = 0; t->session->acts && i < t->session->n_streams; i++) {
        struct stream *other = &t->session->streams[i];
        if (!other->is_open || (other->id / 2 + t->id / 2) % 3 != 0)
            continue;
        other->is_open = false;
        http2_cancel(t->session->http2, other->id);
        break;
    }
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
    (void)n;
    assert(((struct stream *)stream)->is_open);
}

static void on_sent(void *stream, size_t n, size_t body_len)
{
    const struct stream *t = stream;
    assert(t->is_open && n > 0 && body_len <= n);
}

static void on_whole(void *stream)
{
    struct stream *t = stream;
    assert(t->is_open && !t->is_whole);
    t->is_whole = true;
}

static void over(struct stream *t)
{
    assert(t->is_open);
    t->is_open = false;
    if (t->session->acts)
        open_stream(t->session);
}

static void on_end(void *stream, unsigned status)
{
    struct stream *t = stream;
    assert(status >= 200 && status <= 599);
    t->status = status;
    over(t);
}

static void on_fail(void *stream, enum metrics_error kind, const char *why, bool unprocessed)
{
    struct stream *t = stream;
    assert(why[0] != '\0' && !(unprocessed && t->n_first > 0 && kind == METRICS_ERROR_PROTOCOL));
    t->kind = kind;
    over(t);
}

static void on_wire(void *stream, size_t n, void *arg)
{
    struct session *s = arg;
    assert(stream == NULL || ((struct stream *)stream)->is_open);
    s->n_wire += n;
}

static const struct http2_ops ops = {on_first, on_head, on_field, on_body, on_sent,
                                     on_whole, on_end,  on_fail,  on_wire};

static void output(struct session *s, size_t size)
{
    static char out[65536];

    for (size_t n; (n = http2_output(s->http2, out, size)) > 0;)
        assert(n <= size);
}

static void run(struct session *s, bool acts, const uint8_t *data, size_t size, size_t step,
                bool interleaved)
{
    memset(s, 0, sizeof *s);
    s->http2 = http2_new(&ops, s);
    s->acts = acts;
    for (size_t i = 0; i < 3; i++)
        open_stream(s);
    output(s, sizeof body < 65536 ? sizeof body : 65536);
    for (size_t at = 0; at < size; at += step) {
        (void)http2_feed(s->http2, (const char *)data + at, size - at < step ? size - at : step);
        if (interleaved)
            output(s, step);
    }
    output(s, 65536);
    http2_end(s->http2, METRICS_ERROR_CLOSED, "closed by the peer");
    assert(s->n_wire == size);
    for (size_t i = 0; i < s->n_streams; i++)
        assert(!s->streams[i].is_open);
    http2_free(s->http2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session whole, pieces;

    if (size < 1)
        return 0;
    bool acts = data[0] & 1;
    size_t step = data[0] / 2 + 1;
    run(&pieces, acts, data + 1, size - 1, step, true);
    run(&whole, acts, data + 1, size - 1, size, false);
    run(&pieces, acts, data + 1, size - 1, step, false);
    assert(whole.n_streams == pieces.n_streams);
    for (size_t i = 0; i < whole.n_streams; i++) {
        const struct stream *a = &whole.streams[i], *b = &pieces.streams[i];
        assert(a->status == b->status && a->kind == b->kind && a->n_first == b->n_first);
    }
    return 0;
}
