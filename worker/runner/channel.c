#include "worker/runner/channel.h"

#include <stdlib.h>

#include "common/str.h"

// Body bytes ahead from which on it is worth a read of their own to leave them in the kernel.
#define DISCARD_MIN 4096

static struct channel *of_conn(struct conn *c)
{
    return container_of(c, struct channel, conn);
}

static bool is_http2(const struct channel *ch)
{
    return ch->protocol == CHANNEL_HTTP2;
}

static bool is_empty(const struct channel *ch)
{
    return is_http2(ch) ? list_is_empty(&ch->http2.streams) : ch->exchange == NULL;
}

static void unlink_stream(struct exchange *x)
{
    list_remove(&x->link);
    for (struct exchange **at = &x->channel->http2.sent; *at != NULL; at = &(*at)->next_sent) {
        if (*at == x) {
            *at = x->next_sent;
            break;
        }
    }
}

static void free_channel(struct channel *ch)
{
    if (is_http2(ch)) {
        http2_free(ch->http2.session);
        buf_done(&ch->http2.out);
    } else {
        http1_done(&ch->http1);
    }
    free(ch);
}

void channel_close(struct channel *ch)
{
    if (ch->is_gone)
        return;
    if (ch->conn.tls != NULL && ch->protocol != CHANNEL_CONNECTING)
        client_keep_session(ch->client, ch->conn.origin, tls_take_session(ch->conn.tls));
    conn_close(&ch->conn);
    list_remove(&ch->link);
    loop_fifo_remove(&ch->idle);
    ch->client->n_channels--;
    if (is_http2(ch))
        list_remove(&ch->http2.flush);
    if (ch->n_holds > 0)
        ch->is_gone = true;
    else
        free_channel(ch);
}

// Between the two a call-back may close the channel, but not free it.
static void hold(struct channel *ch)
{
    ch->n_holds++;
}

// Whether it is still there.
static bool release(struct channel *ch)
{
    if (--ch->n_holds > 0 || !ch->is_gone)
        return !ch->is_gone;
    free_channel(ch);
    return false;
}

// Too old, or its server did not take a request.
static bool is_stale(const struct channel *ch)
{
    const struct client_net *net = ch->net;

    return ch->is_refusing || (net->config.lifetime_ns > 0 &&
                               loop_now(net->loop) - ch->opened_ns >= net->config.lifetime_ns);
}

bool channel_is_worn(const struct channel *ch)
{
    return is_stale(ch) || (is_http2(ch) && http2_is_over(ch->http2.session));
}

bool channel_is_known(const struct channel *ch)
{
    return is_http2(ch) ? http2_has_settings(ch->http2.session) : ch->protocol == CHANNEL_HTTP1;
}

static void set_ready(struct channel *ch, bool can)
{
    ch->is_ready = can;
    list_remove(&ch->link);
    list_prepend(can ? &ch->client->ready : &ch->client->busy, &ch->link);
}

void channel_settle(struct channel *ch)
{
    bool has_room = is_http2(ch) ? http2_room(ch->http2.session) > 0 : is_empty(ch);
    bool is_worn = has_room ? is_stale(ch) : channel_is_worn(ch); // no room where it is over
    bool can = has_room && !is_worn;

    if (is_worn && is_empty(ch)) {
        channel_close(ch);
        return;
    }
    if (can != ch->is_ready)
        set_ready(ch, can);
    if (ch->net->config.idle_ns > 0 && is_empty(ch) && ch->idle.link.next == NULL)
        loop_fifo_add(ch->net->loop, &ch->net->idle, &ch->idle);
}

struct exchange *channel_take(struct channel *ch)
{
    struct exchange *x = ch->exchange;

    ch->exchange = NULL;
    if (x != NULL || !is_http2(ch) || list_is_empty(&ch->http2.streams))
        return x;
    x = container_of(ch->http2.streams.next, struct exchange, link);
    unlink_stream(x);
    http2_cancel(ch->http2.session, x->stream);
    return x;
}

struct exchange *channel_find(struct channel *ch, uint32_t series)
{
    if (ch->exchange != NULL && ch->exchange->series == series)
        return ch->exchange;
    if (!is_http2(ch))
        return NULL;
    for (struct list *at = ch->http2.streams.next; at != &ch->http2.streams; at = at->next) {
        struct exchange *x = container_of(at, struct exchange, link);
        if (x->series == series)
            return x;
    }
    return NULL;
}

void channel_open(struct client *c, struct exchange *x, SSL_SESSION *session)
{
    struct channel *ch = xcalloc(1, sizeof *ch);

    ch->conn.net = c->net->conn;
    ch->client = c;
    ch->net = c->net;
    ch->series = x->series;
    ch->exchange = x;
    x->channel = ch;
    list_prepend(&c->busy, &ch->link);
    c->n_channels++;
    conn_connect(&ch->conn, x->out->origin, session);
}

// x goes out now.
static void mark_sent(struct exchange *x, int64_t now_ns)
{
    x->times.send_ns = now_ns;
    if (x->times.sent_ns == 0)
        x->times.sent_ns = now_ns;
}

static void mark_whole(struct client_net *net, struct exchange *x)
{
    x->is_whole = true;
    if (net->config.first_byte_ns > 0 && !x->has_byte)
        loop_fifo_add(net->loop, &net->first_byte, &x->first_byte);
}

static void mark_first(struct client_net *net, struct exchange *x)
{
    x->has_byte = true;
    x->times.first_ns = loop_now(net->loop);
    if (!x->is_whole) // answered before it was asked in full
        x->times.whole_ns = x->times.first_ns;
    loop_fifo_remove(&x->first_byte);
}

// Whether more of the head is of use than where it leads and its cookies.
static bool wants_head(const struct client_net *net, const struct exchange *x)
{
    return x->answer != NULL || net->config.server_time_header != NULL;
}

static bool wants_body(const struct exchange *x)
{
    return x->answer != NULL && x->answer->wants_body;
}

// HTTP/1

static struct exchange *of_http1(struct http1 *p)
{
    return container_of(p, struct channel, http1)->exchange;
}

static void on_head_http1(struct http1 *p, unsigned status, const char *reason, size_t len)
{
    client_on_head(of_http1(p), status, reason, len);
}

static void on_field_http1(struct http1 *p, const char *name, size_t name_len, const char *value,
                           size_t value_len)
{
    client_on_field(of_http1(p), name, name_len, value, value_len);
}

static void on_body_http1(struct http1 *p, const char *bytes, size_t n)
{
    answer_body(of_http1(p)->answer, bytes, n);
}

static const struct http1_ops http1_ops[] = {
    {HTTP1_WANTS_NOTHING, on_head_http1, on_field_http1, on_body_http1},
    {HTTP1_WANTS_NOTED, on_head_http1, on_field_http1, on_body_http1},
    {HTTP1_WANTS_HEAD, on_head_http1, on_field_http1, on_body_http1},
    {HTTP1_WANTS_ALL, on_head_http1, on_field_http1, on_body_http1},
};

static enum http1_wants wants_of(const struct client_net *net, const struct exchange *x)
{
    if (wants_body(x))
        return HTTP1_WANTS_ALL;
    return wants_head(net, x) ? HTTP1_WANTS_HEAD : HTTP1_WANTS_NOTED;
}

static void send_http1(struct channel *ch, struct exchange *x)
{
    ch->exchange = x;
    http1_start(&ch->http1, x->out->is_head, &ch->net->known[x->series],
                &http1_ops[wants_of(ch->net, x)]);
    mark_sent(x, loop_now(ch->net->loop));
    if (ch->is_ready)
        set_ready(ch, false);
    conn_send(&ch->conn, x->out->bytes, x->out->len);
}

static size_t beyond(size_t n, size_t limit)
{
    return n > limit ? n - limit : 0;
}

static void on_sent_http1(struct channel *ch, size_t n)
{
    struct client_net *net = ch->net;
    struct exchange *x = ch->exchange;
    size_t head_len = x->out->head_len, sent = ch->conn.out_sent;

    // The second of two readings a response: the next event of this pass begins here.
    x->times.whole_ns = x->times.first_ns = loop_clock(net->loop);
    record_sent(net->record, x->series, x->times.whole_ns, n,
                beyond(sent, head_len) - beyond(sent - n, head_len));
    if (conn_is_sent(&ch->conn))
        mark_whole(net, x);
}

// is_clean: the connection holds nothing that belongs to no response.
static void complete_http1(struct channel *ch, bool is_clean)
{
    struct exchange *x = ch->exchange;
    unsigned status = ch->http1.status;

    x->times.done_ns = loop_clock(ch->net->loop);
    ch->exchange = NULL;
    ch->n_served++;
    if (!is_clean || ch->conn.peer_closed || !conn_is_sent(&ch->conn) ||
        !http1_is_reusable(&ch->http1) || x->out->says_close)
        channel_close(ch);
    else
        channel_settle(ch);
    client_on_answer(x, status);
}

// A kept connection that the server closed before the request reached it says nothing about the
// server: an idempotent request goes out once more on a fresh one, as with browsers (RFC 9110
// section 9.2.2, RFC 9112 section 9.3.1).
static bool may_go_again(const struct exchange *x, enum metrics_error kind)
{
    return x->is_reused && !x->has_byte && x->out->is_idempotent &&
           (kind == METRICS_ERROR_RESET || kind == METRICS_ERROR_CLOSED);
}

static void fail_http1(struct channel *ch, enum metrics_error kind, const char *why)
{
    struct exchange *x = ch->exchange;

    channel_close(ch);
    if (x != NULL)
        client_on_failure(x, kind, why, may_go_again(x, kind));
}

static bool feed_http1(struct channel *ch, const char *bytes, size_t n)
{
    struct client_net *net = ch->net;
    struct exchange *x = ch->exchange;
    uint64_t body_len = ch->http1.body_len;
    size_t used = n;
    enum http1_result result;

    if (x == NULL) { // bytes that nobody asked for
        channel_close(ch);
        return false;
    }
    if (!x->has_byte)
        mark_first(net, x);
    result =
        bytes == NULL ? http1_discarded(&ch->http1, n) : http1_feed(&ch->http1, bytes, n, &used);
    record_received(net->record, x->series, loop_now(net->loop), n, ch->http1.body_len - body_len);
    if (result == HTTP1_MORE) {
        uint64_t ahead = wants_body(x) ? 0 : http1_discardable(&ch->http1);
        conn_discard(&ch->conn, ahead >= DISCARD_MIN ? ahead : 0);
        return true;
    }
    if (result == HTTP1_DONE)
        complete_http1(ch, used == n);
    else
        fail_http1(ch, ch->http1.error, ch->http1.why);
    return false;
}

// HTTP/2

static void on_first(void *stream)
{
    struct exchange *x = stream;

    mark_first(x->client->net, x);
}

static void on_head(void *stream, unsigned status)
{
    client_on_head(stream, status, "", 0);
}

static void on_field(void *stream, const char *name, size_t name_len, const char *value,
                     size_t value_len)
{
    client_on_field(stream, name, name_len, value, value_len);
}

static void on_body(void *stream, const char *bytes, size_t n)
{
    struct exchange *x = stream;
    struct client_net *net = x->client->net;

    record_received(net->record, x->series, loop_now(net->loop), 0, n);
    if (wants_body(x))
        answer_body(x->answer, bytes, n);
}

static void on_stream_sent(void *stream, size_t n, size_t body)
{
    struct exchange *x = stream;
    struct client_net *net = x->client->net;

    if (x->times.send_ns == 0)
        mark_sent(x, loop_now(net->loop));
    record_sent(net->record, x->series, loop_now(net->loop), n, body);
    x->channel->n_sent += (uint32_t)n;
}

static void on_whole(void *stream)
{
    struct exchange *x = stream;

    x->next_sent = x->channel->http2.sent;
    x->channel->http2.sent = x;
}

static void on_stream_end(void *stream, unsigned status)
{
    struct exchange *x = stream;
    struct channel *ch = x->channel;

    x->times.done_ns = loop_clock(ch->net->loop);
    unlink_stream(x);
    ch->n_served++;
    channel_settle(ch);
    client_on_answer(x, status);
}

static void on_stream_fail(void *stream, enum metrics_error kind, const char *why, bool unprocessed)
{
    struct exchange *x = stream;
    struct channel *ch = x->channel;

    unlink_stream(x);
    ch->is_refusing |= unprocessed; // it goes out on another connection
    channel_settle(ch);
    // A reset of the stream alone is an answer; with the whole connection gone it may be none.
    bool lost = http2_is_over(ch->http2.session) && may_go_again(x, kind);
    client_on_failure(x, kind, why, unprocessed || lost);
}

static void on_wire(void *stream, size_t n, void *arg)
{
    struct channel *ch = arg;
    struct exchange *x = stream;
    struct client_net *net = ch->net;

    record_received(net->record, x != NULL ? x->series : ch->series, loop_now(net->loop), n, 0);
}

static const struct http2_ops http2_ops = {
    .on_first = on_first,
    .on_head = on_head,
    .on_field = on_field,
    .on_body = on_body,
    .on_sent = on_stream_sent,
    .on_whole = on_whole,
    .on_end = on_stream_end,
    .on_fail = on_stream_fail,
    .on_wire = on_wire,
};

static void note_sent(struct channel *ch, size_t n)
{
    struct client_net *net = ch->net;
    int64_t now = loop_clock(net->loop);

    record_sent(net->record, ch->series, now, n - ch->n_sent, 0);
    for (struct exchange *x = ch->http2.sent; x != NULL; x = x->next_sent) {
        x->times.whole_ns = x->times.first_ns = now;
        mark_whole(net, x);
    }
    ch->http2.sent = NULL;
}

static void flush(struct channel *ch)
{
    struct client_net *net = ch->net;

    if (ch->is_flushing)
        return;
    ch->is_flushing = true;
    hold(ch);
    while (!ch->is_gone && ch->conn.send_errno == 0 && conn_is_sent(&ch->conn)) {
        ch->n_sent = 0;
        size_t n = http2_output(ch->http2.session, net->out, sizeof net->out);
        if (n == 0 || ch->is_gone)
            break;
        conn_send(&ch->conn, net->out, n);
        note_sent(ch, n);
        conn_keep(&ch->conn, &ch->http2.out);
    }
    ch->is_flushing = false;
    release(ch);
}

static void flush_late(struct channel *ch)
{
    struct client_net *net = ch->net;

    if (ch->n_holds > 0 || ch->http2.flush.next != NULL)
        return; // who holds it flushes
    list_append(&net->flush, &ch->http2.flush);
    loop_late(net->loop, &net->late);
}

void channel_flush_all(struct loop_late *late)
{
    struct client_net *net = container_of(late, struct client_net, late);

    while (!list_is_empty(&net->flush)) {
        struct channel *ch = container_of(net->flush.next, struct channel, http2.flush);
        list_remove(&ch->http2.flush);
        flush(ch);
    }
}

static void send_http2(struct channel *ch, struct exchange *x)
{
    list_append(&ch->http2.streams, &x->link);
    x->times.send_ns = 0;
    if (http2_request(ch->http2.session, x->out, wants_head(ch->net, x), x, &x->stream) < 0)
        abort(); // as any allocation that fails
    channel_settle(ch);
    flush_late(ch);
}

// All streams end; the connection is no more.
static void fail_http2(struct channel *ch, enum metrics_error kind, const char *why)
{
    hold(ch);
    http2_end(ch->http2.session, kind, why);
    if (release(ch))
        channel_close(ch);
}

static bool feed_http2(struct channel *ch, const char *bytes, size_t n)
{
    uint32_t n_served = ch->n_served;
    int rc;

    hold(ch);
    rc = http2_feed(ch->http2.session, bytes, n);
    if (!ch->is_gone && rc == 0)
        channel_settle(ch);
    if (!ch->is_gone && ch->is_ready)
        client_on_room(ch->client, ch->conn.origin);
    if (!ch->is_gone)
        flush(ch);
    if (!release(ch))
        return false;
    if (rc < 0 || (channel_is_worn(ch) && is_empty(ch))) {
        channel_close(ch);
        return false;
    }
    // One read is enough where answers came whole: what comes later has an edge of its own. Where
    // none did, a reset may be hidden behind the data.
    return ch->n_served == n_served || ch->conn.peer_closed || n >= LOOP_BUFFER_SIZE;
}

// Either

void channel_send(struct channel *ch, struct exchange *x)
{
    x->channel = ch;
    x->is_reused = ch->is_used;
    ch->is_used = true;
    loop_fifo_remove(&ch->idle);
    if (is_http2(ch))
        send_http2(ch, x);
    else
        send_http1(ch, x);
}

void channel_drop(struct channel *ch, struct exchange *x)
{
    if (!is_http2(ch)) {
        channel_close(ch);
        return;
    }
    unlink_stream(x);
    http2_cancel(ch->http2.session, x->stream);
    flush_late(ch);
    channel_settle(ch);
}

static void on_open(struct conn *c)
{
    struct channel *ch = of_conn(c);
    struct exchange *x = ch->exchange;
    struct client_net *net = ch->net;
    const struct request_origin *origin = origins_get(net->origins, c->origin);

    ch->opened_ns = loop_now(net->loop);
    if (!x->is_part)
        record_connected(net->record, ch->series, ch->opened_ns, c->dns_ns, c->tcp_ns, c->tls_ns);
    if (x->times.sent_ns == 0)
        x->times.begin_ns = c->begin_ns; // not the wait for a turn to connect
    ch->exchange = NULL;
    if (origin->may_http2 && (c->tls == NULL || tls_is_http2(c->tls))) {
        ch->protocol = CHANNEL_HTTP2;
        ch->http2.session = http2_new(&http2_ops, ch);
        list_init(&ch->http2.streams);
    } else {
        ch->protocol = CHANNEL_HTTP1;
        net->is_http1[c->origin] |= origin->may_http2;
    }
    client_on_open(ch, x);
}

static void on_sent(struct conn *c, size_t n)
{
    struct channel *ch = of_conn(c);

    if (!is_http2(ch))
        on_sent_http1(ch, n);
    else if (conn_is_sent(c))
        flush(ch);
}

static bool on_data(struct conn *c, const char *bytes, size_t n)
{
    struct channel *ch = of_conn(c);

    return is_http2(ch) ? feed_http2(ch, bytes, n) : feed_http1(ch, bytes, n);
}

static void on_end(struct conn *c)
{
    struct channel *ch = of_conn(c);

    if (is_http2(ch))
        fail_http2(ch, METRICS_ERROR_CLOSED, "closed by the peer before the answer was whole");
    else if (ch->exchange != NULL && http1_end(&ch->http1) == HTTP1_DONE)
        complete_http1(ch, false);
    else
        fail_http1(ch, ch->http1.error, ch->http1.why);
}

static void on_fail(struct conn *c, enum metrics_error kind, const char *why)
{
    struct channel *ch = of_conn(c);

    if (is_http2(ch))
        fail_http2(ch, kind, why);
    else
        fail_http1(ch, kind, why);
}

const struct conn_ops channel_conn_ops = {
    .on_open = on_open,
    .on_sent = on_sent,
    .on_data = on_data,
    .on_end = on_end,
    .on_fail = on_fail,
};
