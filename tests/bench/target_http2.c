#include "tests/bench/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/str.h"

#define DRIP_NS      (100 * NS_PER_MS)
#define FRAME_HEAD   9
#define WINDOW       (1 << 20)
#define HEADERS_SIZE (2 << 20)

struct stream {
    struct wait wait; // for the answer, or for more of it
    struct conn *conn;
    LIST_ENTRY(stream) link;    // of the connection
    SLIST_ENTRY(stream) unused; // of the loop
    int32_t id;
    bool is_head;
    char target[TARGET_MAX];
    struct arrival arrival;
    struct reply reply;
    uint64_t allowed, done; // of the body
    char status[4], length[24];
    char *json; // of /count
    size_t json_len;
};

static nghttp2_session_callbacks *callbacks;
static nghttp2_option *option;

// --- Answers ---

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)name,
                        .value = (uint8_t *)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value),
                        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

static void on_drip(struct wait *w)
{
    struct stream *s = (struct stream *)w;

    s->allowed++;
    nghttp2_session_resume_data(s->conn->h2, s->id);
    conn_later(s->conn);
}

static ssize_t body_end(struct stream *s, uint32_t *flags)
{
    struct conn *c = s->conn;
    nghttp2_nv trailer = field("x-trailer", "behind it all");

    if (s->reply.ending == END_CLOSE) {
        c->ending = END_CLOSE;
        nghttp2_submit_goaway(c->h2, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(c->h2),
                              NGHTTP2_INTERNAL_ERROR, NULL, 0);
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (s->reply.shape == SHAPE_TRAILERS) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer(c->h2, s->id, &trailer, 1);
    }
    return 0;
}

static ssize_t on_read(nghttp2_session *h2, int32_t id, uint8_t *buf, size_t size, uint32_t *flags,
                       nghttp2_data_source *source, void *arg)
{
    struct stream *s = source->ptr;
    uint64_t left = s->allowed - s->done;

    (void)h2;
    (void)id;
    (void)buf;
    (void)arg;
    if (s->done == s->reply.sent)
        return body_end(s, flags);
    if (left == 0) {
        wait_start(s->conn->loop, &s->wait, DRIP_NS, on_drip);
        return NGHTTP2_ERR_DEFERRED;
    }
    if (left > size)
        left = size;
    s->done += left;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (s->done == s->reply.sent && s->reply.ending != END_CLOSE)
        body_end(s, flags);
    return (ssize_t)left;
}

static int on_send_data(nghttp2_session *h2, nghttp2_frame *frame, const uint8_t *head, size_t size,
                        nghttp2_data_source *source, void *arg)
{
    struct loop *l = ((struct conn *)arg)->loop;

    (void)h2;
    (void)frame;
    (void)source;
    if (l->out_len >= OUT_BATCH)
        return NGHTTP2_ERR_WOULDBLOCK; // the same frame comes again
    memcpy(l->out + l->out_len, head, FRAME_HEAD);
    memcpy(l->out + l->out_len + FRAME_HEAD, block_fill, size);
    l->out_len += FRAME_HEAD + size;
    return 0;
}

static void submit_head(struct stream *s, const char *type, bool has_length)
{
    const struct reply *r = &s->reply;
    nghttp2_session *h2 = s->conn->h2;
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = on_read};
    nghttp2_nv few[4], interim[2] = {field(":status", "103"), field("link", "</style>")};
    nghttp2_nv *nv = r->n_headers == 0 ? few : xcalloc(r->n_headers + 4, sizeof *nv);
    size_t n = 0;
    bool bodiless = s->is_head || reply_is_bodiless(r) || (r->body == 0 && has_length);

    for (uint32_t i = 0; i < r->n_interim; i++)
        nghttp2_submit_headers(h2, NGHTTP2_FLAG_NONE, s->id, NULL, interim, 2, NULL);
    snprintf(s->status, sizeof s->status, "%d", r->status);
    snprintf(s->length, sizeof s->length, "%llu", (unsigned long long)r->body);
    nv[n++] = field(":status", s->status);
    nv[n++] = field("content-type", type);
    if (has_length && !reply_is_bodiless(r))
        nv[n++] = field("content-length", s->length);
    for (uint32_t i = 0; i < r->n_headers; i++)
        nv[n++] = field("x-more", "one more line");
    nghttp2_submit_response(h2, s->id, nv, n, bodiless ? NULL : &body);
    if (nv != few)
        free(nv);
}

// JSON is no block: it is copied by the library.
static ssize_t on_read_count(nghttp2_session *h2, int32_t id, uint8_t *buf, size_t size,
                             uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct stream *s = source->ptr;
    size_t n = s->json_len - (size_t)s->done;

    (void)h2;
    (void)id;
    (void)arg;
    if (n > size)
        n = size;
    else
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    memcpy(buf, s->json + s->done, n);
    s->done += n;
    return (ssize_t)n;
}

static void submit_count(struct stream *s)
{
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = on_read_count};
    nghttp2_nv nv[] = {field(":status", "200"), field("content-type", "application/json")};

    s->json = xcalloc(1, JSON_MAX);
    s->json_len = stat_json(s->json, JSON_MAX);
    nghttp2_submit_response(s->conn->h2, s->id, nv, 2, s->is_head ? NULL : &body);
}

static void submit(struct stream *s)
{
    struct conn *c = s->conn;

    if (s->reply.shape != SHAPE_NOTHING)
        stat_answered(&s->arrival);
    switch (s->reply.shape) {
    case SHAPE_RAW: // there is no such thing in HTTP/2
        s->reply = (struct reply){.status = 404, .shape = SHAPE_FILL, .body = 12, .sent = 12};
        break;
    case SHAPE_COUNT:
        submit_count(s);
        return;
    case SHAPE_HEADERS:
        c->endless = s->id;
        return;
    case SHAPE_GARBAGE:
        c->garbage = s->reply.raw;
        return;
    case SHAPE_NOTHING:
        return;
    default:
        break;
    }
    s->allowed = s->reply.shape == SHAPE_DRIP ? 0 : s->reply.sent;
    submit_head(s, "text/plain", s->reply.shape == SHAPE_FILL || s->reply.shape == SHAPE_DRIP);
}

static void on_due(struct wait *w)
{
    struct stream *s = (struct stream *)w;

    submit(s);
    conn_later(s->conn);
}

// A request that is disowned: GOAWAY closes all streams above the last answered one.
static void drop(struct stream *s)
{
    struct conn *c = s->conn;

    if (s->id < c->answered_max)
        nghttp2_submit_rst_stream(c->h2, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_REFUSED_STREAM);
    nghttp2_submit_goaway(c->h2, NGHTTP2_FLAG_NONE, c->answered_max, NGHTTP2_NO_ERROR, NULL, 0);
}

static void answer(struct stream *s)
{
    struct conn *c = s->conn;
    uint64_t nth = stat_arrived(c->loop, &s->arrival, c->number);

    s->reply = reply_to(s->target, c->served++, nth);
    if (s->reply.ending == END_DROP) {
        drop(s);
        return;
    }
    if (c->answered_max < s->id)
        c->answered_max = s->id;
    if (s->reply.ending == END_RESET)
        nghttp2_submit_rst_stream(c->h2, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_INTERNAL_ERROR);
    else if (s->reply.ending == END_CLOSE && s->reply.shape == SHAPE_NOTHING)
        c->ending = END_CLOSE;
    else if (s->reply.delay_ns > 0)
        wait_start(c->loop, &s->wait, s->reply.delay_ns, on_due);
    else
        submit(s);
}

// --- Requests ---

static int on_begin(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
    struct conn *c = arg;
    struct stream *s = SLIST_FIRST(&c->loop->streams);

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (s != NULL)
        SLIST_REMOVE_HEAD(&c->loop->streams, unused);
    else
        s = xcalloc(1, sizeof *s);
    s->conn = c;
    s->id = frame->hd.stream_id;
    s->is_head = false;
    s->target[0] = '\0';
    s->arrival = (struct arrival){.http2 = true};
    s->allowed = s->done = 0;
    LIST_INSERT_HEAD(&c->streams, s, link);
    nghttp2_session_set_stream_user_data(h2, s->id, s);
    return 0;
}

static int on_field(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                    size_t name_len, const uint8_t *value, size_t len, uint8_t flags, void *arg)
{
    struct stream *s = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);

    (void)flags;
    (void)arg;
    if (s == NULL || name[0] != ':')
        return 0;
    if (name_len == 5 && memcmp(name, ":path", 5) == 0) {
        size_t n = strcspn((const char *)value, "?");
        if (n > len)
            n = len;
        if (n >= TARGET_MAX)
            n = TARGET_MAX - 1;
        memcpy(s->target, value, n);
        s->target[n] = '\0';
        if (strpbrk(s->target, "\"\\") != NULL) // it goes into JSON as it is
            strcpy(s->target, "/");
    } else if (name_len == 7 && len == 4 && memcmp(value, "HEAD", 4) == 0) {
        s->is_head = true;
    }
    return 0;
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
    struct conn *c = arg;
    struct stream *s;

    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    s = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    if (s == NULL)
        return 0;
    s->arrival.bytes += frame->hd.length + FRAME_HEAD;
    if (frame->hd.type == NGHTTP2_DATA)
        s->arrival.body_bytes += frame->hd.length - frame->data.padlen;
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    if (c->ending != END_KEEP)
        return 0; // too late: the connection is about to close
    if (strcmp(s->target, "/count") == 0)
        s->arrival.path = NULL;
    else if (c->last_path != NULL && strcmp(c->last_path->text, s->target) == 0)
        s->arrival.path = c->last_path;
    else
        s->arrival.path = c->last_path = stat_path(s->target);
    answer(s);
    return 0;
}

static void stream_free(struct stream *s)
{
    struct loop *l = s->conn->loop;

    wait_stop(l, &s->wait);
    free(s->json);
    s->json = NULL;
    LIST_REMOVE(s, link);
    SLIST_INSERT_HEAD(&l->streams, s, unused);
}

static int on_close(nghttp2_session *h2, int32_t id, uint32_t error, void *arg)
{
    struct stream *s = nghttp2_session_get_stream_user_data(h2, id);

    (void)error;
    (void)arg;
    if (s != NULL)
        stream_free(s);
    return 0;
}

// --- Connections ---

void http2_init(void)
{
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_option_new(&option);
    nghttp2_option_set_max_send_header_block_length(option, HEADERS_SIZE);
    nghttp2_option_set_no_closed_streams(option, 1);
}

void http2_open(struct conn *c)
{
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)options.n_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW}};

    if (nghttp2_session_server_new2(&c->h2, callbacks, c, option) != 0)
        die("nghttp2");
    nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(c->h2, NGHTTP2_FLAG_NONE, 0, WINDOW);
}

void http2_close(struct conn *c)
{
    struct stream *s;

    while ((s = LIST_FIRST(&c->streams)) != NULL)
        stream_free(s);
    nghttp2_session_del(c->h2);
    c->h2 = NULL;
}

static void frame_head(char *at, size_t size, uint8_t type, int32_t id)
{
    const uint8_t head[FRAME_HEAD] = {
        (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size,      type,       0,
        (uint8_t)(id >> 24),   (uint8_t)(id >> 16),  (uint8_t)(id >> 8), (uint8_t)id};

    memcpy(at, head, sizeof head);
}

// HEADERS, and CONTINUATION after CONTINUATION, none of them the last (RFC 9113 section 6.10).
static void put_endless(struct conn *c)
{
    static const char status[] = "\x88"; // RFC 7541 appendix A: ":status: 200"
    static const char more[] = "\x00\x06x-more\x10"
                               "and one more...."; // section 6.2.2
    struct loop *l = c->loop;

    if (!c->endless_begun) {
        frame_head(l->out + l->out_len, 1, NGHTTP2_HEADERS, c->endless);
        memcpy(l->out + l->out_len + FRAME_HEAD, status, 1);
        l->out_len += FRAME_HEAD + 1;
    }
    c->endless_begun = true;
    while (l->out_len < OUT_BATCH) {
        size_t n = 64 * (sizeof more - 1);
        frame_head(l->out + l->out_len, n, NGHTTP2_CONTINUATION, c->endless);
        for (size_t i = 0; i < 64; i++)
            memcpy(l->out + l->out_len + FRAME_HEAD + i * (sizeof more - 1), more, sizeof more - 1);
        l->out_len += FRAME_HEAD + n;
    }
}

// Frames into the loop's out; false: the session is broken.
static bool put_frames(struct conn *c)
{
    struct loop *l = c->loop;
    const uint8_t *frames;
    ssize_t n;

    while (l->out_len < OUT_BATCH && (n = nghttp2_session_mem_send(c->h2, &frames)) != 0) {
        if (n < 0)
            return false;
        memcpy(l->out + l->out_len, frames, (size_t)n);
        l->out_len += (size_t)n;
    }
    if (c->endless != 0)
        put_endless(c);
    if (c->garbage != NULL) {
        memcpy(l->out + l->out_len, c->garbage, strlen(c->garbage));
        l->out_len += strlen(c->garbage);
        c->garbage = NULL;
        c->ending = END_CLOSE;
    }
    return true;
}

// As conn_flush, for what the session has to say.
static int flush(struct conn *c)
{
    for (int turn = 0; turn < TURNS_MAX; turn++) {
        int rc = conn_flush(c);
        if (rc <= 0)
            return rc;
        if (!put_frames(c))
            return -1;
        if (c->loop->out_len == 0)
            return 1;
    }
    conn_later(c);
    return conn_flush(c) < 0 ? -1 : 0;
}

bool http2_run(struct conn *c)
{
    struct loop *l = c->loop;

    for (int turn = 0; turn < TURNS_MAX; turn++) {
        size_t have = l->in_len - l->in_off;
        if (have > 0 && nghttp2_session_mem_recv(c->h2, (uint8_t *)l->in + l->in_off, have) < 0) {
            flush(c); // the GOAWAY that says why
            return false;
        }
        l->in_off = l->in_len;
        int rc = flush(c);
        if (rc <= 0)
            return rc == 0;
        if (c->ending != END_KEEP ||
            (!nghttp2_session_want_read(c->h2) && !nghttp2_session_want_write(c->h2)))
            return false;
        ssize_t n = conn_recv(c);
        if (n <= 0)
            return n == 0;
    }
    conn_later(c);
    return true;
}
