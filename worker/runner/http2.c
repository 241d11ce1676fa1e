#include "worker/runner/http2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "common/str.h"
#include "worker/runner/list.h"

#define FRAME_HEAD 9         // RFC 9113 section 4.1
#define PREFACE    24        // section 3.4
#define WINDOW     (1 << 30) // so that WINDOW_UPDATE is rare: nothing that comes is kept
// Those that cross our SETTINGS are refused one by one, and nghttp2 sets no limit to its refusals.
#define PUSHES_MAX 100
// HPACK's cost of a field beside its bytes (RFC 7541 section 4.1): an indexed one is a byte on the
// wire, and must not come for nothing.
#define FIELD_OVERHEAD 32

struct stream {
    struct list link; // open ones in the order of their ids, or spare
    void *user;
    const struct request *request;
    size_t body_sent;
    const char *why; // what was wrong with its answer; NULL: not known
    int32_t id;
    uint32_t head_len;
    uint16_t status; // 0 until known
    bool has_first, is_reset;
    bool all_fields; // are handed out
    bool in_head;    // of the answer itself
    bool is_begun;   // some bytes of the request went out
    bool is_ending;  // the frame that ends it did, at least its head
};

// Where in the frames of one direction its bytes are.
struct walk {
    uint8_t head[FRAME_HEAD];
    size_t n_head;
    size_t left; // of the payload
    int32_t id;
    uint8_t type, flags;
};

struct http2 {
    nghttp2_session *session;
    const struct http2_ops *ops;
    void *arg;
    struct list open, spare;
    uint32_t n_open, n_pushes;
    struct walk in, out;
    struct stream *current; // of the frame that is coming in
    const uint8_t *pending; // of a frame from nghttp2: what is not output yet
    size_t pending_len;
    const char *why;   // what nghttp2 complained about in this feed; NULL: nothing
    char *goaway;      // why the server sent it; NULL: it did not
    bool has_settings; // the server's
    bool is_broken;    // all has failed
    bool is_dead;      // and nghttp2 has nothing more to say
};

// By code (RFC 9113 section 7): of RST_STREAM, and of a GOAWAY before the end.
static const struct {
    const char *reset, *closed;
} code_why[] = {
#define CODE(x) \
    [NGHTTP2_##x] = {"stream reset by the peer: " #x, "connection closed by the peer: " #x}
    CODE(NO_ERROR),
    CODE(PROTOCOL_ERROR),
    CODE(INTERNAL_ERROR),
    CODE(FLOW_CONTROL_ERROR),
    CODE(SETTINGS_TIMEOUT),
    CODE(STREAM_CLOSED),
    CODE(FRAME_SIZE_ERROR),
    CODE(REFUSED_STREAM),
    CODE(CANCEL),
    CODE(COMPRESSION_ERROR),
    CODE(CONNECT_ERROR),
    CODE(ENHANCE_YOUR_CALM),
    CODE(INADEQUATE_SECURITY),
    CODE(HTTP_1_1_REQUIRED),
#undef CODE
};

static const char *reset_why(uint32_t code)
{
    if (code >= sizeof code_why / sizeof *code_why)
        return "stream reset by the peer: unknown code";
    return code_why[code].reset;
}

static const char *goaway_why(uint32_t code)
{
    if (code >= sizeof code_why / sizeof *code_why)
        return "connection closed by the peer: unknown code";
    return code_why[code].closed;
}

// Takes bytes of at most one frame; how many. n > 0.
static size_t walk(struct walk *w, const uint8_t *bytes, size_t n, size_t *ret_payload)
{
    size_t used = 0;

    if (w->n_head == FRAME_HEAD && w->left == 0)
        w->n_head = 0;
    if (w->n_head < FRAME_HEAD) {
        used = FRAME_HEAD - w->n_head < n ? FRAME_HEAD - w->n_head : n;
        memcpy(w->head + w->n_head, bytes, used);
        w->n_head += used;
        w->left = 0;
        if (w->n_head == FRAME_HEAD) {
            const uint8_t *h = w->head;
            w->left = (size_t)h[0] << 16 | (size_t)h[1] << 8 | h[2];
            w->type = h[3];
            w->flags = h[4];
            w->id = (int32_t)((uint32_t)(h[5] & 0x7f) << 24 | (uint32_t)h[6] << 16 |
                              (uint32_t)h[7] << 8 | h[8]);
        }
    }
    *ret_payload = w->left < n - used ? w->left : n - used;
    w->left -= *ret_payload;
    return used + *ret_payload;
}

// Bytes of a frame's head that came before the present ones, and belong to no stream as yet.
static size_t walk_held(const struct walk *w)
{
    return w->n_head % FRAME_HEAD;
}

// An open stream that nghttp2 knows: it does from the first output on. Or NULL.
static struct stream *find(const struct http2 *h, int32_t id)
{
    struct stream *s = id > 0 ? nghttp2_session_get_stream_user_data(h->session, id) : NULL;

    return s != NULL && s->id == id ? s : NULL;
}

static void forget(struct http2 *h, struct stream *s)
{
    nghttp2_session_set_stream_user_data(h->session, s->id, NULL);
    if (h->current == s)
        h->current = NULL;
    s->id = 0;
    list_remove(&s->link);
    list_append(&h->spare, &s->link);
    h->n_open--;
}

static void fail(struct http2 *h, struct stream *s, enum metrics_error kind, const char *why,
                 bool unprocessed)
{
    void *user = s->user;

    forget(h, s);
    h->ops->on_fail(user, kind, why, unprocessed);
}

static void reset(struct http2 *h, int32_t id)
{
    // Without memory for it the server goes on sending what nobody looks at.
    (void)nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
}

static void fail_all(struct http2 *h, enum metrics_error kind, const char *why)
{
    while (!list_is_empty(&h->open)) {
        struct stream *s = container_of(h->open.next, struct stream, link);
        fail(h, s, kind, why, !s->is_begun);
    }
}

static void break_down(struct http2 *h, enum metrics_error kind, const char *why)
{
    h->is_broken = true;
    fail_all(h, kind, why);
}

// Its code, and the text that may be behind it (RFC 9113 section 6.8).
static void keep_goaway(struct http2 *h, const nghttp2_goaway *goaway)
{
    size_t n = goaway->opaque_data_len;
    char *said = n > 0 ? xstrndup((const char *)goaway->opaque_data, n) : xstrdup("");
    char *text = str_clean(said, METRICS_EXAMPLE_MAX);

    free(h->goaway);
    h->goaway =
        xasprintf("%s%s%s", goaway_why(goaway->error_code), *text != '\0' ? ": " : "", text);
    free(text);
    free(said);
}

// The streams that the server will not look at: the last ones.
static void on_goaway(struct http2 *h, const nghttp2_goaway *goaway)
{
    keep_goaway(h, goaway);
    while (!list_is_empty(&h->open)) {
        struct stream *s = container_of(h->open.prev, struct stream, link);
        if (s->id <= goaway->last_stream_id)
            return;
        fail(h, s, METRICS_ERROR_RESET, "not processed: the server sent GOAWAY", true);
    }
}

// Call-backs of nghttp2.

static struct stream *current(void *arg, int32_t id)
{
    struct http2 *h = arg;

    return h->current != NULL && h->current->id == id ? h->current : NULL;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http2 *h = arg;
    struct stream *s = current(arg, frame->hd.stream_id);

    (void)session;
    if (s != NULL && !s->has_first) {
        s->has_first = true;
        h->ops->on_first(s->user);
    }
    return 0;
}

static bool fits_head(struct http2 *h, struct stream *s, size_t name_len, size_t value_len)
{
    size_t n = name_len + value_len + FIELD_OVERHEAD;

    if (n <= HTTP2_HEAD_MAX - s->head_len) {
        s->head_len += (uint32_t)n;
        return true;
    }
    reset(h, s->id);
    fail(h, s, METRICS_ERROR_TOO_LARGE, "head larger than 64 KiB", false);
    return false;
}

static void take_status(struct http2 *h, struct stream *s, const uint8_t *value)
{
    s->status = (uint16_t)((value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0'));
    if (s->status < 100 || s->status > 599) {
        reset(h, s->id);
        fail(h, s, METRICS_ERROR_PROTOCOL, "status code outside 100 to 599", false);
        return;
    }
    s->in_head = s->status >= 200;
    if (s->in_head && s->all_fields)
        h->ops->on_head(s->user, s->status);
}

static bool is_noted(const uint8_t *name, size_t len)
{
    return (len == 8 && memcmp(name, "location", 8) == 0) ||
           (len == 10 && memcmp(name, "set-cookie", 10) == 0);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    struct http2 *h = arg;
    struct stream *s = current(arg, frame->hd.stream_id);

    (void)session;
    (void)flags;
    if (s == NULL || !fits_head(h, s, name_len, value_len))
        return 0;
    // The only one with a colon in an answer; that it has three digits was checked.
    if (name[0] == ':')
        take_status(h, s, value);
    else if (s->in_head && (s->all_fields || is_noted(name, name_len)))
        h->ops->on_field(s->user, (const char *)name, name_len, (const char *)value, value_len);
    return 0;
}

// Fields with characters that RFC 9113 section 8.2.1 forbids are skipped, as in HTTP/1, but take
// room.
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_len, const uint8_t *value,
                             size_t value_len, uint8_t flags, void *arg)
{
    struct stream *s = current(arg, frame->hd.stream_id);

    (void)session;
    (void)name;
    (void)value;
    (void)flags;
    if (s != NULL)
        fits_head(arg, s, name_len, value_len);
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                         size_t n, void *arg)
{
    struct http2 *h = arg;
    struct stream *s = current(arg, id);

    (void)session;
    (void)flags;
    if (s != NULL)
        h->ops->on_body(s->user, (const char *)bytes, n);
    return 0;
}

static void end(struct http2 *h, struct stream *s)
{
    void *user = s->user;
    unsigned status = s->status;

    // An answer may be whole before its request is: RFC 9113 section 8.1.
    if (nghttp2_session_get_stream_local_close(h->session, s->id) == 0)
        reset(h, s->id);
    forget(h, s);
    h->ops->on_end(user, status);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http2 *h = arg;
    struct stream *s = current(arg, frame->hd.stream_id);

    (void)session;
    h->has_settings |=
        frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        on_goaway(h, &frame->goaway);
    if (s == NULL)
        return 0;
    s->in_head = false;
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        s->is_reset = true;
    else if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
             (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        end(h, s);
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *arg)
{
    struct http2 *h = arg;
    struct stream *s = current(arg, frame->hd.stream_id);

    (void)session;
    h->why = nghttp2_strerror(error);
    if (s != NULL)
        s->why = h->why;
    return 0;
}

// Only streams that did not end well: what did is forgotten.
static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct http2 *h = arg;
    struct stream *s = find(h, id);

    (void)session;
    if (s == NULL)
        return 0;
    if (s->is_reset)
        fail(h, s, METRICS_ERROR_RESET, reset_why(code), code == NGHTTP2_REFUSED_STREAM);
    else if (!s->is_begun)
        fail(h, s, METRICS_ERROR_RESET, "not sent: the server sent GOAWAY", true);
    else
        fail(h, s, METRICS_ERROR_PROTOCOL, s->why != NULL ? s->why : "malformed response", false);
    return 0;
}

// GOAWAY is only sent by nghttp2 itself, when the server broke the rules. Mostly http2_feed finds
// that out at once; not after the server's own GOAWAY.
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http2 *h = arg;

    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY && !h->is_broken)
        break_down(h, METRICS_ERROR_PROTOCOL, "HTTP/2 protocol error");
    return 0;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct stream *s = find(arg, id);

    (void)session;
    (void)source;
    if (s == NULL)
        return NGHTTP2_ERR_DEFERRED; // its RST_STREAM is on its way
    const struct request *r = s->request;
    size_t left = r->len - r->head_len - s->body_sent;
    size_t n = left < size ? left : size;

    memcpy(out, r->bytes + r->head_len + s->body_sent, n);
    s->body_sent += n;
    if (n == left)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static int new_session(struct http2 *h)
{
    nghttp2_session_callbacks *cb = NULL;
    nghttp2_option *option = NULL;
    int rv = -ENOMEM;

    if (nghttp2_session_callbacks_new(&cb) != 0 || nghttp2_option_new(&option) != 0)
        goto out;
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(cb, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_sent);
    nghttp2_option_set_no_closed_streams(option, 1);
    // The headers of a plan are bounded by its own size; a field costs some bytes more.
    nghttp2_option_set_max_send_header_block_length(option, 2 * PLAN_BYTES_MAX);
    if (nghttp2_session_client_new2(&h->session, cb, h, option) == 0)
        rv = 0;
out:
    nghttp2_session_callbacks_del(cb);
    nghttp2_option_del(option);
    return rv;
}

struct http2 *http2_new(const struct http2_ops *ops, void *arg)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
    };
    struct http2 *h = xcalloc(1, sizeof *h);

    h->ops = ops;
    h->arg = arg;
    h->out.n_head = FRAME_HEAD;
    h->out.left = PREFACE; // of stream 0, as it were
    list_init(&h->open);
    list_init(&h->spare);
    if (new_session(h) != 0 ||
        nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings,
                                sizeof settings / sizeof *settings) != 0 ||
        nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, WINDOW) != 0) {
        http2_free(h);
        return NULL;
    }
    return h;
}

static void free_streams(struct list *list)
{
    while (!list_is_empty(list)) {
        struct stream *s = container_of(list->next, struct stream, link);
        list_remove(&s->link);
        free(s);
    }
}

void http2_free(struct http2 *h)
{
    if (h == NULL)
        return;
    nghttp2_session_del(h->session);
    free_streams(&h->open);
    free_streams(&h->spare);
    free(h->goaway);
    free(h);
}

bool http2_is_over(const struct http2 *h)
{
    return h->is_broken || nghttp2_session_check_request_allowed(h->session) == 0;
}

bool http2_has_settings(const struct http2 *h)
{
    return h->has_settings;
}

uint32_t http2_room(const struct http2 *h)
{
    if (http2_is_over(h))
        return 0;
    uint32_t most = h->has_settings ? nghttp2_session_get_remote_settings(
                                          h->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
                                    : 1;
    uint32_t ids = (INT32_MAX - nghttp2_session_get_next_stream_id(h->session)) / 2 + 1;
    uint32_t room = most > h->n_open ? most - h->n_open : 0;

    return room < ids ? room : ids;
}

static struct stream *take_spare(struct http2 *h)
{
    if (list_is_empty(&h->spare))
        return xcalloc(1, sizeof(struct stream));
    struct stream *s = container_of(h->spare.next, struct stream, link);
    list_remove(&s->link);
    return s;
}

int http2_request(struct http2 *h, const struct request *request, bool all_fields, void *stream,
                  int32_t *ret_id)
{
    static const nghttp2_data_provider body = {.read_callback = read_body};
    struct stream *s = take_spare(h);

    *s = (struct stream){.user = stream, .request = request, .all_fields = all_fields};
    int32_t id = nghttp2_submit_request(h->session, NULL, request->nv, request->n_nv,
                                        request->len > request->head_len ? &body : NULL, s);
    if (id < 0) {
        list_append(&h->spare, &s->link);
        return -ENOMEM;
    }
    s->id = id;
    list_append(&h->open, &s->link);
    h->n_open++;
    *ret_id = id;
    return 0;
}

void http2_cancel(struct http2 *h, int32_t id)
{
    struct stream *s = find(h, id);

    if (s == NULL) { // it may not be output yet: then it is among the last
        for (struct list *l = h->open.prev; l != &h->open && s == NULL; l = l->prev)
            if (container_of(l, struct stream, link)->id == id)
                s = container_of(l, struct stream, link);
        if (s == NULL)
            return;
    }
    forget(h, s);
    reset(h, id);
}

// nghttp2 has found the session broken, and will say so with GOAWAY.
static bool is_terminating(const struct http2 *h)
{
    return h->goaway == NULL && nghttp2_session_get_next_stream_id(h->session) <= INT32_MAX &&
           nghttp2_session_check_request_allowed(h->session) == 0;
}

static void feed_frame(struct http2 *h, const uint8_t *bytes, size_t n)
{
    ssize_t used = nghttp2_session_mem_recv(h->session, bytes, n);

    if (used == (ssize_t)n) {
        if (is_terminating(h))
            break_down(h, METRICS_ERROR_PROTOCOL,
                       h->why != NULL ? h->why : "HTTP/2 protocol error");
        return;
    }
    h->is_dead = true;
    if (used == NGHTTP2_ERR_NOMEM)
        break_down(h, METRICS_ERROR_LOCAL, "out of memory");
    else
        break_down(h, METRICS_ERROR_PROTOCOL,
                   used < 0 ? nghttp2_strerror((int)used) : "HTTP/2 protocol error");
}

// The head of a frame goes to nghttp2 in one piece: it counts the pieces of a CONTINUATION's as
// so many CONTINUATIONs (1.52).
int http2_feed(struct http2 *h, const char *bytes, size_t n)
{
    const uint8_t *at = (const uint8_t *)bytes;

    h->why = NULL;
    while (n > 0 && !h->is_broken) {
        size_t held = walk_held(&h->in), payload;
        size_t took = walk(&h->in, at, n, &payload);

        if (h->in.n_head == FRAME_HEAD) {
            if (took > payload) { // its head is whole now
                h->current = find(h, h->in.id);
                h->n_pushes += h->in.type == NGHTTP2_PUSH_PROMISE;
            }
            h->ops->on_wire(h->current != NULL ? h->current->user : NULL, held + took, h->arg);
            if (h->n_pushes > PUSHES_MAX)
                break_down(h, METRICS_ERROR_PROTOCOL, "PUSH_PROMISE although push is disabled");
            else if (held == 0)
                feed_frame(h, at, took);
            else
                feed_frame(h, h->in.head, FRAME_HEAD);
            if (held > 0 && payload > 0 && !h->is_broken)
                feed_frame(h, at + took - payload, payload);
        }
        at += took;
        n -= took;
    }
    if (n > 0)
        h->ops->on_wire(NULL, n, h->arg);
    return h->is_broken ? -EPROTO : 0;
}

void http2_end(struct http2 *h, enum metrics_error kind, const char *why)
{
    size_t held = walk_held(&h->in);

    if (held > 0)
        h->ops->on_wire(NULL, held, h->arg);
    h->in.n_head = 0;
    break_down(h, kind, h->goaway != NULL ? h->goaway : why);
}

// False: nothing is to be sent.
static bool next_frame(struct http2 *h)
{
    if (h->pending_len > 0)
        return true;
    if (h->is_dead)
        return false;
    ssize_t n = nghttp2_session_mem_send(h->session, &h->pending);
    if (n < 0) {
        h->is_dead = true;
        break_down(h, METRICS_ERROR_LOCAL, "out of memory");
    }
    h->pending_len = n > 0 ? (size_t)n : 0;
    return n > 0;
}

// Bytes of at most one frame have been output.
static size_t report_sent(struct http2 *h, const uint8_t *bytes, size_t n)
{
    struct walk *w = &h->out;
    size_t held = walk_held(w), payload;
    size_t took = walk(w, bytes, n, &payload);
    struct stream *s = w->n_head == FRAME_HEAD ? find(h, w->id) : NULL;

    if (s == NULL)
        return took;
    bool is_data = w->type == NGHTTP2_DATA;
    s->is_begun = true;
    s->is_ending |=
        (w->flags & NGHTTP2_FLAG_END_STREAM) != 0 && (is_data || w->type == NGHTTP2_HEADERS);
    bool is_whole =
        s->is_ending && w->left == 0 && (is_data || (w->flags & NGHTTP2_FLAG_END_HEADERS) != 0);
    h->ops->on_sent(s->user, held + took, is_data ? payload : 0);
    if (is_whole && (s = find(h, w->id)) != NULL) // it may have been cancelled
        h->ops->on_whole(s->user);
    return took;
}

size_t http2_output(struct http2 *h, char *out, size_t size)
{
    size_t len = 0;

    while (len < size && next_frame(h)) {
        size_t n = h->pending_len < size - len ? h->pending_len : size - len;

        memcpy(out + len, h->pending, n);
        h->pending += n;
        h->pending_len -= n;
        for (size_t at = 0; at < n;)
            at += report_sent(h, (const uint8_t *)out + len + at, n - at);
        len += n;
    }
    return len;
}
