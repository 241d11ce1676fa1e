#include "worker/runner/http2.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"

#define N_MOST   300
#define BIG_BODY 300000 // beyond a window of 64 KiB

// What was seen of one request.
struct seen {
    unsigned n_first, n_whole, n_end, n_fail;
    unsigned status;
    enum metrics_error kind;
    const char *why;
    bool unprocessed;
    uint64_t body, wire, sent, body_sent;
    char heard[400]; // status, fields and body that were handed out
};

// What a server does with a request for that path.
struct served {
    char path[16];
    size_t left, got;
    bool is_answered;
};

// Both ends, and how their bytes are cut.
struct world {
    struct http2 *client;
    nghttp2_session *server;
    struct seen seen[N_MOST];
    struct served served[N_MOST];
    size_t n_served;
    int32_t id[N_MOST];
    uint64_t fed, wire, other_wire; // wire: of streams; other_wire: of the connection
    unsigned n_resets;              // by the client
    size_t piece, out_size;         // 0: at random
    uint32_t random;
    bool all_fields; // are asked for
    int result;      // of the last feed
};

static struct world w;

static size_t upto(size_t most, size_t fixed)
{
    w.random = w.random * 1664525 + 1013904223;
    size_t n = fixed > 0 ? fixed : 1 + (w.random >> 8) % 100;
    return n < most ? n : most;
}

// The client's events; after the end of a stream there is none.

static struct seen *alive(void *stream)
{
    struct seen *s = stream;
    assert_int_equal(s->n_end + s->n_fail, 0);
    return s;
}

static void on_first(void *stream)
{
    alive(stream)->n_first++;
}

static void hear(void *stream, const char *bytes, size_t n)
{
    struct seen *s = alive(stream);
    size_t at = strlen(s->heard), room = sizeof s->heard - 1 - at;

    memcpy(s->heard + at, bytes, n < room ? n : room);
}

static void on_head(void *stream, unsigned status)
{
    char text[8];

    hear(stream, text, (size_t)snprintf(text, sizeof text, "%u|", status));
}

static void on_field(void *stream, const char *name, size_t name_len, const char *value,
                     size_t value_len)
{
    hear(stream, name, name_len);
    hear(stream, "=", 1);
    hear(stream, value, value_len);
    hear(stream, "|", 1);
}

static void on_body(void *stream, const char *bytes, size_t n)
{
    hear(stream, bytes, n);
    assert_int_equal(alive(stream)->n_first, 1);
    alive(stream)->body += n;
}

static void on_sent(void *stream, size_t n, size_t body)
{
    assert_true(body <= n);
    alive(stream)->sent += n;
    alive(stream)->body_sent += body;
}

static void on_whole(void *stream)
{
    alive(stream)->n_whole++;
}

static void on_end(void *stream, unsigned status)
{
    struct seen *s = alive(stream);
    assert_int_equal(s->n_first, 1);
    s->status = status;
    s->n_end++;
}

static void on_fail(void *stream, enum metrics_error kind, const char *why, bool unprocessed)
{
    struct seen *s = alive(stream);
    assert_non_null(why);
    s->kind = kind;
    s->why = why;
    s->unprocessed = unprocessed;
    s->n_fail++;
}

static void on_wire(void *stream, size_t n, void *arg)
{
    assert_ptr_equal(arg, &w);
    if (stream == NULL) {
        w.other_wire += n;
        return;
    }
    alive(stream)->wire += n;
    w.wire += n;
}

static const struct http2_ops ops = {on_first, on_head, on_field, on_body, on_sent,
                                     on_whole, on_end,  on_fail,  on_wire};

// Requests

#define FIELD(n, v)                                                            \
    {                                                                          \
        .name = (uint8_t *)(n), .value = (uint8_t *)(v), .namelen = strlen(n), \
        .valuelen = strlen(v),                                                 \
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE, \
    }

// Of index i in the world; kept by the caller until the stream ends.
struct asked {
    nghttp2_nv nv[4];
    struct request request;
};

static struct asked asked[N_MOST];
static char body[BIG_BODY];

static void ask(size_t i, const char *method, const char *path, size_t body_len)
{
    const nghttp2_nv nv[] = {FIELD(":method", method), FIELD(":scheme", "http"),
                             FIELD(":authority", "a"), FIELD(":path", path)};

    assert_true(i < N_MOST);
    memcpy(asked[i].nv, nv, sizeof nv);
    asked[i].request = (struct request){
        .bytes = body, .len = body_len, .nv = asked[i].nv, .n_nv = sizeof nv / sizeof *nv};
    assert_true(http2_room(w.client) > 0);
    assert_int_equal(http2_request(w.client, &asked[i].request, w.all_fields, &w.seen[i], &w.id[i]),
                     0);
}

static void get(size_t i, const char *path)
{
    ask(i, "GET", path, 0);
}

// The server

static ssize_t read_answer(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                           uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct served *s = source->ptr;
    size_t n = s->left < size ? s->left : size;

    (void)arg;
    memset(out, 'x', n);
    s->left -= n;
    if (s->left == 0) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (strcmp(s->path, "/trailers") == 0) {
            const nghttp2_nv trailer[] = {FIELD("location", "/no")};
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            assert_int_equal(nghttp2_submit_trailer(session, id, trailer, 1), 0);
        }
    }
    return (ssize_t)n;
}

static void submit(nghttp2_session *session, int32_t id, struct served *s, size_t body_len)
{
    const nghttp2_nv ok[] = {FIELD(":status", "200"), FIELD("server", "test"),
                             FIELD("set-cookie", "a=1"), FIELD("location", "/next")};
    const nghttp2_data_provider provider = {.source.ptr = s, .read_callback = read_answer};

    s->left = body_len;
    assert_int_equal(nghttp2_submit_response(session, id, ok,
                                             strcmp(s->path, "/noted") == 0 ? 4 : 2,
                                             body_len > 0 ? &provider : NULL),
                     0);
}

// As large as can be; for "/huge+" by a byte larger.
static void huge_head(nghttp2_session *session, int32_t id, const struct served *s)
{
    static char value[10000];
    nghttp2_nv nv[9] = {FIELD(":status", "200")};
    size_t left = HTTP2_HEAD_MAX - (strlen(":status") + strlen("200") + 32);

    memset(value, 'v', sizeof value - 1);
    for (size_t i = 1; i < 9; i++) {
        nv[i] = (nghttp2_nv)FIELD("name", value);
        nv[i].valuelen = i < 8 ? 8000 : left - strlen("name") - 32;
        left -= strlen("name") + nv[i].valuelen + 32;
    }
    nv[8].valuelen += s->path[5] == '+';
    assert_int_equal(nghttp2_submit_response(session, id, nv, 9, NULL), 0);
}

static void answer(nghttp2_session *session, int32_t id, struct served *s)
{
    const nghttp2_nv hint[] = {FIELD(":status", "103"), FIELD("location", "/no")};

    if (s->is_answered || strcmp(s->path, "/hold") == 0)
        return;
    s->is_answered = true;
    if (strcmp(s->path, "/refuse") == 0)
        nghttp2_submit_rst_stream(session, 0, id, NGHTTP2_REFUSED_STREAM);
    else if (strcmp(s->path, "/reset") == 0)
        nghttp2_submit_rst_stream(session, 0, id, NGHTTP2_INTERNAL_ERROR);
    else if (strncmp(s->path, "/huge", 5) == 0)
        huge_head(session, id, s);
    else if (strcmp(s->path, "/interim") == 0) {
        nghttp2_submit_headers(session, 0, id, NULL, hint, 2, NULL);
        nghttp2_submit_headers(session, 0, id, NULL, hint, 2, NULL);
        submit(session, id, s, 5);
    } else
        submit(session, id, s, strcmp(s->path, "/big") == 0 ? BIG_BODY : 5);
}

static int server_begin(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)arg;
    assert_true(w.n_served < N_MOST);
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, &w.served[w.n_served++]);
    return 0;
}

static int server_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                         size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                         void *arg)
{
    struct served *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    (void)flags;
    (void)arg;
    if (name_len == 5 && memcmp(name, ":path", 5) == 0)
        memcpy(s->path, value, value_len < sizeof s->path ? value_len : sizeof s->path - 1);
    return 0;
}

static int server_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                       size_t n, void *arg)
{
    struct served *s = nghttp2_session_get_stream_user_data(session, id);

    (void)flags;
    (void)bytes;
    (void)arg;
    s->got += n;
    return 0;
}

static int server_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct served *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    bool has_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    (void)arg;
    w.n_resets += frame->hd.type == NGHTTP2_RST_STREAM;
    if (s != NULL && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (has_end || strcmp(s->path, "/early") == 0))
        answer(session, frame->hd.stream_id, s);
    return 0;
}

// Both ends

static void world_open(size_t piece, size_t out_size)
{
    memset(&w, 0, sizeof w);
    w.piece = piece;
    w.out_size = out_size;
    w.random = 1;
    w.client = http2_new(&ops, &w);
    assert_non_null(w.client);
}

// most: streams at once; 0: the server does not say.
static void world_serve(uint32_t most)
{
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, most}};
    nghttp2_session_callbacks *cb;

    assert_int_equal(nghttp2_session_callbacks_new(&cb), 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, server_begin);
    nghttp2_session_callbacks_set_on_header_callback(cb, server_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, server_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, server_frame);
    assert_int_equal(nghttp2_session_server_new(&w.server, cb, NULL), 0);
    nghttp2_session_callbacks_del(cb);
    assert_int_equal(nghttp2_submit_settings(w.server, 0, settings, most > 0), 0);
}

static void feed(const void *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t take = upto(n - at, w.piece);
        char *piece = xmemdup((const char *)bytes + at, take); // of its own, for sanitizers
        w.result = http2_feed(w.client, piece, take);
        free(piece);
        at += take;
    }
    w.fed += n;
}

// Until neither has anything to say.
static void pump(void)
{
    static char out[65536];

    for (bool quiet = false; !quiet;) {
        const uint8_t *said;
        ssize_t n;
        size_t got;

        quiet = true;
        while ((got = http2_output(w.client, out, upto(sizeof out, w.out_size))) > 0) {
            assert_int_equal(nghttp2_session_mem_recv(w.server, (uint8_t *)out, got), got);
            quiet = false;
        }
        while ((n = nghttp2_session_mem_send(w.server, &said)) > 0) {
            feed(said, (size_t)n);
            quiet = false;
        }
        assert_int_equal(n, 0);
    }
}

static void world_close(void)
{
    http2_end(w.client, METRICS_ERROR_CLOSED, "closed by the peer");
    for (size_t i = 0; i < N_MOST; i++)
        assert_true(w.seen[i].n_end + w.seen[i].n_fail <= 1);
    assert_int_equal(w.wire + w.other_wire, w.fed);
    http2_free(w.client);
    nghttp2_session_del(w.server);
    w.client = NULL;
    w.server = NULL;
}

static void expect_end(size_t i, unsigned status, uint64_t body_len)
{
    assert_int_equal(w.seen[i].n_end, 1);
    assert_int_equal(w.seen[i].status, status);
    assert_int_equal(w.seen[i].body, body_len);
}

static void expect_fail(size_t i, enum metrics_error kind, bool unprocessed, const char *why)
{
    assert_int_equal(w.seen[i].n_fail, 1);
    assert_int_equal(w.seen[i].kind, kind);
    assert_int_equal(w.seen[i].unprocessed, unprocessed);
    assert_string_equal(w.seen[i].why, why);
}

// Facts

static void an_answer_ends_its_stream(void **unused)
{
    (void)unused;
    world_open(65536, 65536);
    world_serve(0);
    get(0, "/");
    pump();
    expect_end(0, 200, 5);
    assert_int_equal(w.seen[0].n_whole, 1);
    assert_true(w.seen[0].sent > 9);
    assert_true(w.seen[0].wire > 9 + 5);
    assert_false(http2_is_over(w.client));
    world_close();
}

static void many_streams(size_t piece, size_t out_size, struct seen *ret_seen)
{
    static const char *const paths[] = {"/",       "/big",   "/interim", "/trailers",
                                        "/refuse", "/reset", "/early"};

    world_open(piece, out_size);
    world_serve(0);
    pump(); // settings first: they are not counted with a stream
    for (size_t i = 0; i < 21; i++) {
        bool has_body = i % 7 == 6 || i % 2 == 0;
        ask(i, has_body ? "POST" : "GET", paths[i % 7], has_body ? 1000 + i : 0);
    }
    pump();
    memcpy(ret_seen, w.seen, sizeof w.seen);
    world_close();
}

static void any_split_gives_equal_events(void **unused)
{
    static struct seen whole[N_MOST], other[N_MOST];

    (void)unused;
    many_streams(65536, 65536, whole);
    for (size_t i = 0; i < 21; i++) {
        assert_int_equal(whole[i].n_fail, i % 7 == 4 || i % 7 == 5);
        assert_int_equal(whole[i].n_end, !whole[i].n_fail);
        assert_int_equal(whole[i].body, whole[i].n_fail ? 0 : i % 7 == 1 ? BIG_BODY : 5);
        assert_int_equal(whole[i].unprocessed, i % 7 == 4);
    }
    for (size_t piece = 0; piece < 12; piece++) {
        many_streams(piece, 65536, other);
        for (size_t i = 0; i < 21; i++)
            assert_memory_equal(&other[i], &whole[i], sizeof whole[i]);
    }
}

static void what_is_asked_for_is_handed_out(void **unused)
{
    // Neither what interim answers say nor trailers.
    static const struct {
        const char *path, *noted, *all;
    } cases[] = {
        {"/", "xxxxx", "200|server=test|xxxxx"},
        {"/interim", "xxxxx", "200|server=test|xxxxx"},
        {"/trailers", "xxxxx", "200|server=test|xxxxx"},
        {"/noted", "set-cookie=a=1|location=/next|xxxxx",
         "200|server=test|set-cookie=a=1|location=/next|xxxxx"},
    };
    const size_t n = sizeof cases / sizeof *cases;

    (void)unused;
    world_open(1, 65536);
    world_serve(0);
    pump();
    for (size_t i = 0; i < 2 * n; i++) {
        w.all_fields = i >= n;
        get(i, cases[i % n].path);
    }
    pump();
    for (size_t i = 0; i < 2 * n; i++) {
        expect_end(i, 200, 5);
        assert_string_equal(w.seen[i].heard, i < n ? cases[i].noted : cases[i - n].all);
    }
    world_close();
}

static void a_small_output_buffer_changes_nothing(void **unused)
{
    static struct seen whole[N_MOST], other[N_MOST];

    (void)unused;
    many_streams(65536, 65536, whole);
    for (size_t size = 0; size < 12; size++) {
        many_streams(65536, size, other);
        for (size_t i = 0; i < 21; i++) {
            // How far an upload came when its answer was whole does depend on it.
            if (i % 7 >= 4)
                continue;
            assert_int_equal(other[i].n_whole, 1);
            assert_int_equal(other[i].sent, whole[i].sent);
            assert_int_equal(other[i].body_sent, i % 2 == 0 ? 1000 + i : 0);
            assert_int_equal(other[i].body, whole[i].body);
            assert_int_equal(other[i].n_end, 1);
        }
    }
}

static void a_body_larger_than_the_window_waits_for_it(void **unused)
{
    static char out[BIG_BODY];
    size_t n, total = 0;

    (void)unused;
    world_open(0, 0);
    world_serve(0);
    ask(0, "POST", "/", BIG_BODY);
    while ((n = http2_output(w.client, out, sizeof out)) > 0) {
        total += n;
        assert_int_equal(nghttp2_session_mem_recv(w.server, (uint8_t *)out, n), n);
    }
    assert_int_equal(w.seen[0].body_sent, 65535); // RFC 9113 section 6.9.2
    assert_true(w.seen[0].sent < total);
    assert_int_equal(w.seen[0].n_whole, 0);
    pump();
    expect_end(0, 200, 5);
    assert_int_equal(w.seen[0].n_whole, 1);
    assert_int_equal(w.seen[0].body_sent, BIG_BODY);
    assert_int_equal(w.served[0].got, BIG_BODY);
    world_close();
}

static void an_early_answer_stops_the_upload(void **unused)
{
    (void)unused;
    world_open(65536, 65536);
    world_serve(0);
    ask(0, "POST", "/early", BIG_BODY);
    pump();
    expect_end(0, 200, 5);
    assert_int_equal(w.seen[0].n_whole, 0);
    assert_true(w.served[0].got < BIG_BODY);
    assert_int_equal(w.n_resets, 1);
    get(1, "/");
    pump();
    expect_end(1, 200, 5);
    world_close();
}

static void room_is_one_until_the_server_says(void **unused)
{
    (void)unused;
    world_open(65536, 65536);
    world_serve(3);
    assert_int_equal(http2_room(w.client), 1);
    assert_false(http2_has_settings(w.client));
    pump();
    assert_true(http2_has_settings(w.client));
    assert_int_equal(http2_room(w.client), 3);
    for (size_t i = 0; i < 3; i++)
        get(i, "/hold");
    assert_int_equal(http2_room(w.client), 0);
    http2_cancel(w.client, w.id[1]);
    assert_int_equal(http2_room(w.client), 1);
    pump();
    assert_int_equal(http2_room(w.client), 1);
    world_close();
}

static void streams_beyond_a_limit_learnt_late_wait_their_turn(void **unused)
{
    const nghttp2_settings_entry fewer = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2};

    (void)unused;
    world_open(65536, 65536);
    world_serve(100);
    pump();
    for (size_t i = 0; i < 100; i++)
        get(i, "/");
    assert_int_equal(http2_room(w.client), 0);
    assert_int_equal(nghttp2_submit_settings(w.server, 0, &fewer, 1), 0);
    const uint8_t *said;
    ssize_t n = nghttp2_session_mem_send(w.server, &said);
    feed(said, (size_t)n);
    assert_int_equal(http2_room(w.client), 0);
    pump();
    for (size_t i = 0; i < 100; i++)
        if (w.seen[i].n_fail > 0) // its request and the limit crossed
            expect_fail(i, METRICS_ERROR_RESET, true, "stream reset by the peer: REFUSED_STREAM");
        else
            expect_end(i, 200, 5);
    assert_int_equal(http2_room(w.client), 2);
    get(100, "/");
    pump();
    expect_end(100, 200, 5);
    world_close();
}

static void a_refused_stream_was_not_processed(void **unused)
{
    (void)unused;
    world_open(65536, 65536);
    world_serve(0);
    pump();
    get(0, "/refuse");
    get(1, "/reset");
    get(2, "/");
    pump();
    expect_fail(0, METRICS_ERROR_RESET, true, "stream reset by the peer: REFUSED_STREAM");
    expect_fail(1, METRICS_ERROR_RESET, false, "stream reset by the peer: INTERNAL_ERROR");
    expect_end(2, 200, 5);
    world_close();
}

static void goaway_spares_the_streams_before_it(void **unused)
{
    static char out[65536];
    size_t n;

    (void)unused;
    world_open(65536, 65536);
    world_serve(0);
    pump();
    for (size_t i = 0; i < 3; i++)
        get(i, i == 0 ? "/" : "/hold");
    n = http2_output(w.client, out, sizeof out);
    assert_int_equal(nghttp2_session_mem_recv(w.server, (uint8_t *)out, n), n);
    get(3, "/"); // never output
    assert_int_equal(nghttp2_submit_goaway(w.server, 0, w.id[1], 0, NULL, 0), 0);
    pump();
    assert_true(http2_is_over(w.client));
    assert_int_equal(http2_room(w.client), 0);
    expect_end(0, 200, 5);
    assert_int_equal(w.seen[1].n_fail, 0);
    expect_fail(2, METRICS_ERROR_RESET, true, "not processed: the server sent GOAWAY");
    expect_fail(3, METRICS_ERROR_RESET, true, "not processed: the server sent GOAWAY");
    http2_end(w.client, METRICS_ERROR_CLOSED, "closed by the peer");
    expect_fail(1, METRICS_ERROR_CLOSED, false, "connection closed by the peer: NO_ERROR");
    world_close();
}

static void the_end_after_a_goaway_has_its_reason(void **unused)
{
    static const struct {
        uint32_t code;
        const char *text, *why;
    } rows[] = {
        {NGHTTP2_NO_ERROR, "", "connection closed by the peer: NO_ERROR"},
        {NGHTTP2_ENHANCE_YOUR_CALM, "too\nmany",
         "connection closed by the peer: ENHANCE_YOUR_CALM: too?many"},
        {0xdead, "", "connection closed by the peer: unknown code"},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_open(65536, 65536);
        world_serve(0);
        get(0, "/hold");
        pump();
        assert_int_equal(nghttp2_submit_goaway(w.server, 0, w.id[0], rows[i].code,
                                               (const uint8_t *)rows[i].text, strlen(rows[i].text)),
                         0);
        pump();
        assert_int_equal(w.seen[0].n_fail, 0);
        http2_end(w.client, METRICS_ERROR_RESET, "Connection reset by peer");
        expect_fail(0, METRICS_ERROR_RESET, false, rows[i].why);
        world_close();
    }
}

static void a_notice_of_shutdown_takes_no_new_stream(void **unused)
{
    (void)unused;
    world_open(65536, 65536);
    world_serve(0);
    get(0, "/");
    pump();
    get(1, "/");
    assert_int_equal(nghttp2_submit_shutdown_notice(w.server), 0);
    const uint8_t *said;
    ssize_t n = nghttp2_session_mem_send(w.server, &said);
    feed(said, (size_t)n);
    pump();
    expect_fail(1, METRICS_ERROR_RESET, true, "not sent: the server sent GOAWAY");
    assert_int_equal(w.n_served, 1);
    world_close();
}

static void a_head_at_the_limit_is_taken_and_one_beyond_refused(void **unused)
{
    (void)unused;
    world_open(0, 65536);
    world_serve(0);
    pump();
    get(0, "/huge");
    get(1, "/huge+");
    get(2, "/");
    pump();
    expect_end(0, 200, 0);
    expect_fail(1, METRICS_ERROR_TOO_LARGE, false, "head larger than 64 KiB");
    expect_end(2, 200, 5);
    world_close();
}

static void a_cancelled_stream_is_silent(void **unused)
{
    static char out[65536];
    size_t n;

    (void)unused;
    for (unsigned is_output = 0; is_output < 2; is_output++) {
        world_open(65536, 65536);
        world_serve(0);
        pump();
        ask(0, "POST", "/", BIG_BODY);
        get(1, "/");
        if (is_output && (n = http2_output(w.client, out, 30000)) > 0)
            assert_int_equal(nghttp2_session_mem_recv(w.server, (uint8_t *)out, n), n);
        http2_cancel(w.client, w.id[0]);
        http2_cancel(w.client, w.id[0]);
        uint64_t sent = w.seen[0].sent;
        pump();
        assert_int_equal(w.seen[0].n_end + w.seen[0].n_fail, 0);
        assert_int_equal(w.seen[0].sent, sent);
        assert_int_equal(w.n_served, is_output ? 2 : 1);
        expect_end(1, 200, 5);
        world_close();
    }
}

static void the_end_of_the_connection_fails_what_is_open(void **unused)
{
    (void)unused;
    world_open(65536, 65536);
    world_serve(0);
    get(0, "/hold");
    pump();
    get(1, "/"); // never output, so the server cannot have seen it
    http2_end(w.client, METRICS_ERROR_CLOSED, "closed by the peer");
    expect_fail(0, METRICS_ERROR_CLOSED, false, "closed by the peer");
    expect_fail(1, METRICS_ERROR_CLOSED, true, "closed by the peer");
    assert_true(http2_is_over(w.client));
    http2_end(w.client, METRICS_ERROR_CLOSED, "closed by the peer");
    world_close();
}

static void a_request_with_a_large_head_goes_out(void **unused)
{
    static char value[100001];

    (void)unused;
    memset(value, 'v', sizeof value - 1);
    world_open(65536, 1000);
    world_serve(0);
    get(0, "/");
    pump();
    const nghttp2_nv nv[] = {FIELD(":method", "GET"), FIELD(":scheme", "http"),
                             FIELD(":authority", "a"), FIELD(":path", "/"), FIELD("x", value)};
    struct request large = {.nv = (nghttp2_nv *)nv, .n_nv = 5};
    assert_int_equal(http2_request(w.client, &large, false, &w.seen[1], &w.id[1]), 0);
    pump();
    assert_int_equal(w.n_served, 2);
    assert_int_equal(w.seen[1].n_whole, 1);
    assert_true(w.seen[1].sent > 80000); // Huffman: 7 bits each
    world_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_ends_its_stream),
        cmocka_unit_test(any_split_gives_equal_events),
        cmocka_unit_test(what_is_asked_for_is_handed_out),
        cmocka_unit_test(a_small_output_buffer_changes_nothing),
        cmocka_unit_test(a_body_larger_than_the_window_waits_for_it),
        cmocka_unit_test(an_early_answer_stops_the_upload),
        cmocka_unit_test(room_is_one_until_the_server_says),
        cmocka_unit_test(streams_beyond_a_limit_learnt_late_wait_their_turn),
        cmocka_unit_test(a_refused_stream_was_not_processed),
        cmocka_unit_test(goaway_spares_the_streams_before_it),
        cmocka_unit_test(the_end_after_a_goaway_has_its_reason),
        cmocka_unit_test(a_notice_of_shutdown_takes_no_new_stream),
        cmocka_unit_test(a_head_at_the_limit_is_taken_and_one_beyond_refused),
        cmocka_unit_test(a_cancelled_stream_is_silent),
        cmocka_unit_test(the_end_of_the_connection_fails_what_is_open),
        cmocka_unit_test(a_request_with_a_large_head_goes_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
