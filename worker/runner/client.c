#include "worker/runner/client.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/str.h"
#include "worker/runner/channel.h"
#include "worker/runner/cookies.h"
#include "worker/runner/hop.h"

// What TLS remembers of a server, as a browser does for its next connection.
struct client_session {
    struct client_session *next;
    uint32_t origin;
    SSL_SESSION *session;
};

// What few clients have.
struct client_extra {
    struct client_session *sessions;
    struct cookies cookies;
    struct list held; // exchanges, by their on_answer
};

static struct client_extra *extra_of(struct client *c)
{
    if (c->extra == NULL) {
        c->extra = xcalloc(1, sizeof *c->extra);
        list_init(&c->extra->held);
    }
    return c->extra;
}

static struct channel *of_link(struct list *link)
{
    return container_of(link, struct channel, link);
}

static struct client_session *find_session(const struct client *c, uint32_t origin)
{
    struct client_session *s = c->extra != NULL ? c->extra->sessions : NULL;

    while (s != NULL && s->origin != origin)
        s = s->next;
    return s;
}

void client_keep_session(struct client *c, uint32_t origin, SSL_SESSION *session)
{
    struct client_session *s = find_session(c, origin);

    if (session == NULL || c->is_closing) {
        SSL_SESSION_free(session);
        return;
    }
    if (s == NULL) {
        s = xcalloc(1, sizeof *s);
        s->next = extra_of(c)->sessions;
        s->origin = origin;
        c->extra->sessions = s;
    }
    SSL_SESSION_free(s->session);
    s->session = session;
}

static void open_channel(struct client *c, struct exchange *x)
{
    struct client_session *s = find_session(c, x->out->origin);

    channel_open(c, x, s != NULL ? s->session : NULL);
}

static struct channel *find_ready(struct client *c, uint32_t origin)
{
    for (struct list *at = c->ready.next, *next; at != &c->ready; at = next) {
        struct channel *ch = of_link(at);
        next = at->next;
        if (ch->conn.origin != origin)
            continue;
        if (!channel_is_worn(ch))
            return ch;
        channel_settle(ch);
    }
    return NULL;
}

static bool may_be_http2(const struct client_net *net, uint32_t origin)
{
    return origins_get(net->origins, origin)->may_http2 && !net->is_http1[origin];
}

static bool may_open(const struct client *c, uint32_t origin)
{
    const struct client_net *net = c->net;
    bool may_http2 = may_be_http2(net, origin);
    uint32_t n = 0;

    if (!may_http2 && c->n_channels < net->config.connections_max)
        return true;
    for (struct list *at = c->busy.next; at != &c->busy; at = at->next) {
        const struct channel *ch = of_link(at);
        if (ch->conn.origin != origin)
            continue;
        if (may_http2 && !channel_is_known(ch))
            return false;
        n++;
    }
    // Those that are ready are of other origins.
    return n < net->config.connections_max;
}

static bool place(struct client *c, struct exchange *x)
{
    struct channel *ch = find_ready(c, x->out->origin);

    if (ch != NULL)
        channel_send(ch, x);
    else if (may_open(c, x->out->origin))
        open_channel(c, x);
    else
        return false;
    return true;
}

// Its time is up: its timeout, which is due, tells so, and no connection is opened for it.
static bool is_late(const struct client_net *net, const struct exchange *x)
{
    return net->config.timeout_ns > 0 && x->timeout.due_ns <= loop_now(net->loop);
}

void client_on_room(struct client *c, uint32_t origin)
{
    for (struct list *at = c->waiting.next; at != &c->waiting;) {
        struct exchange *x = container_of(at, struct exchange, link);
        at = at->next;
        if (x->out->origin != origin || is_late(c->net, x))
            continue;
        list_remove(&x->link);
        if (!place(c, x)) {
            list_prepend(&c->waiting, &x->link); // still the first of its origin
            return;
        }
        at = c->waiting.next; // a failure may have changed the list
    }
}

static inline void make_room(struct client *c, uint32_t origin)
{
    if (!list_is_empty(&c->waiting))
        client_on_room(c, origin);
}

static struct hop *hop_of(struct exchange *x)
{
    if (x->hop == NULL)
        x->hop = xcalloc(1, sizeof *x->hop);
    return x->hop;
}

static int64_t unix_s(struct client_net *net)
{
    int64_t now = loop_now(net->loop);

    if (net->unix_s == 0 || now - net->unix_read_ns >= NS_PER_S) {
        net->unix_s = clock_wall_ms() / 1000;
        net->unix_read_ns = now;
    }
    return net->unix_s;
}

static bool has_cookies(const struct client *c)
{
    return c->extra != NULL && c->extra->cookies.n > 0;
}

// The Cookie field of a request to this URL, or NULL; borrowed from x.
static const char *cookie_for(struct exchange *x, const struct plan_url *url)
{
    struct client *c = x->client;

    if (!has_cookies(c))
        return NULL;
    struct hop *hop = hop_of(x);
    hop->cookie.len = 0;
    return cookies_append(&c->extra->cookies, url, unix_s(c->net), &hop->cookie) ? hop->cookie.data
                                                                                 : NULL;
}

static __attribute__((noinline)) void add_cookies(struct exchange *x)
{
    const struct request *asked = x->out;
    const char *cookie = cookie_for(x, &asked->parts.url);

    if (cookie == NULL)
        return;
    request_make(&x->hop->request, &asked->parts, cookie,
                 origins_get(x->client->net->origins, asked->origin), asked->origin);
    x->out = &x->hop->request;
}

static void go_out(struct client *c, struct exchange *x)
{
    x->channel = NULL;
    x->is_reused = x->is_resent = x->is_whole = x->has_byte = false;
    if (x->answer != NULL)
        answer_reset(x->answer);
    if (!place(c, x))
        list_append(&c->waiting, &x->link);
}

void client_send(struct client *c, struct exchange *x)
{
    struct client_net *net = c->net;
    int64_t now = loop_now(net->loop);

    x->client = c;
    x->out = x->request != NULL ? x->request : &net->config.requests->requests[x->series];
    x->times = (struct record_times){.begin_ns = now};
    if (x->hop != NULL)
        hop_reset(x->hop);
    if (has_cookies(c))
        add_cookies(x);
    if (!x->is_part)
        record_started(net->record, x->series, now);
    if (net->config.timeout_ns > 0)
        loop_fifo_add(net->loop, &net->timeout, &x->timeout);
    go_out(c, x);
}

void client_on_head(struct exchange *x, unsigned status, const char *reason, size_t len)
{
    if (x->answer != NULL)
        answer_head(x->answer, status, reason, len);
}

static bool is_called(const char *name, size_t len, const char *wanted)
{
    return strlen(wanted) == len && strncasecmp(name, wanted, len) == 0;
}

static void note_server_time(struct exchange *x, const char *value, size_t len)
{
    struct buf *text = &hop_of(x)->server_time;

    buf_puts(text, text->len > 0 ? ", " : "");
    buf_append(text, value, len);
}

void client_on_field(struct exchange *x, const char *name, size_t name_len, const char *value,
                     size_t value_len)
{
    struct client *c = x->client;
    const char *server_time = c->net->config.server_time_header;

    if (is_called(name, name_len, "Set-Cookie")) {
        cookies_set(&extra_of(c)->cookies, &x->out->parts.url, value, value_len, unix_s(c->net));
    } else if (is_called(name, name_len, "Location")) {
        struct hop *hop = hop_of(x);
        if (hop->location == NULL)
            hop->location = xstrndup(value, value_len);
    }
    if (server_time != NULL && is_called(name, name_len, server_time))
        note_server_time(x, value, value_len);
    if (x->answer != NULL)
        answer_field(x->answer, name, name_len, value, value_len);
}

void client_on_open(struct channel *ch, struct exchange *x)
{
    struct client *c = ch->client;
    uint32_t origin = ch->conn.origin;

    channel_send(ch, x);
    make_room(c, origin);
}

static void end(struct exchange *x)
{
    loop_fifo_remove(&x->timeout);
    x->channel = NULL;
}

// True: the next request of x goes out, where a redirect led. Not inlined, as add_cookies and those
// below: who does not need it is not to pay for its frame.
static __attribute__((noinline)) bool follow(struct exchange *x, unsigned status)
{
    struct client *c = x->client;
    struct hop *hop = x->hop;
    uint32_t origin_before = x->out->origin;
    struct request_parts parts;
    const struct request_origin *origin;

    if (!hop_follow(hop, &x->out->parts, status, &parts))
        return false;
    uint32_t id = client_net_origin(c->net, &parts, &origin);
    if (id == UINT32_MAX)
        return false;
    request_make(&hop->request, &parts, cookie_for(x, &parts.url), origin, id);
    x->out = &hop->request;
    go_out(c, x);
    make_room(c, origin_before);
    return true;
}

static __attribute__((noinline)) void record_server_time(struct exchange *x)
{
    const struct client_net *net = x->client->net;
    const struct buf *text = &x->hop->server_time;

    if (text->len == 0 || x->is_part)
        return;
    const struct server_timing t =
        server_timing_parse(net->config.server_time_format, text->data, text->len);
    record_server_times(net->record, x->series, x->times.done_ns, &t);
}

static inline void complete(struct exchange *x, int64_t over_ns)
{
    if (!x->is_part)
        record_completed(x->client->net->record, x->series, &x->times, x->intended_ns, over_ns,
                         x->status, x->is_reused);
    x->on_done(x, true);
}

// True: its owner tells when all of it is over.
static __attribute__((noinline)) bool hold(struct exchange *x)
{
    list_append(&extra_of(x->client)->held, &x->link);
    if (x->on_answer(x, x->status))
        return true;
    list_remove(&x->link);
    return false;
}

void client_on_answer(struct exchange *x, unsigned status)
{
    if (x->hop != NULL && follow(x, status))
        return;
    end(x);
    x->status = (uint16_t)status;
    make_room(x->client, x->out->origin);
    if (x->answer != NULL)
        answer_end(x->answer);
    if (x->hop != NULL)
        record_server_time(x);
    if (x->on_answer == NULL || !hold(x))
        complete(x, x->times.done_ns);
}

void client_finish(struct client *c, struct exchange *x)
{
    list_remove(&x->link);
    complete(x, loop_clock(c->net->loop));
}

void client_on_failure(struct exchange *x, enum metrics_error kind, const char *why, bool again)
{
    struct client *c = x->client;
    struct client_net *net = c->net;
    uint32_t origin = x->out->origin;

    if (again && !x->is_resent) {
        x->is_resent = true;
        x->is_reused = x->is_whole = false;
        loop_fifo_remove(&x->first_byte);
        x->channel = NULL;
        if (x->answer != NULL)
            answer_reset(x->answer);
        if (!may_be_http2(net, origin))
            open_channel(c, x);
        else if (!place(c, x))
            list_append(&c->waiting, &x->link);
        return;
    }
    end(x);
    loop_fifo_remove(&x->first_byte);
    x->times.done_ns = loop_clock(net->loop);
    if (x->answer != NULL)
        answer_reset(x->answer);
    if (!x->is_part)
        record_failed(net->record, x->series, x->times.done_ns, kind, why, x->is_reused);
    make_room(c, origin);
    x->on_done(x, false);
}

// x is over as it is; its channel too, where it has one for itself.
static void give_up(struct exchange *x, enum metrics_error kind, const char *why)
{
    if (x->channel != NULL)
        channel_drop(x->channel, x);
    else
        list_remove(&x->link);
    client_on_failure(x, kind, why, false);
}

static void on_timeout(struct loop_timeout *timeout)
{
    struct exchange *x = container_of(timeout, struct exchange, timeout);
    enum conn_state state = x->channel != NULL ? x->channel->conn.state : CONN_CLOSED;

    if (state == CONN_CLOSED)
        give_up(x, METRICS_ERROR_TIMEOUT_CONNECT, "no free connection in time");
    else if (state == CONN_NAME)
        give_up(x, METRICS_ERROR_DNS, "the name was not resolved in time");
    else if (state == CONN_QUEUED)
        give_up(x, METRICS_ERROR_TIMEOUT_CONNECT, "no turn to connect in time");
    else if (state != CONN_OPEN)
        give_up(x, METRICS_ERROR_TIMEOUT_CONNECT, "no connection in time");
    else if (x->has_byte)
        give_up(x, METRICS_ERROR_TIMEOUT_BODY, "the answer was not whole in time");
    else if (x->is_whole)
        give_up(x, METRICS_ERROR_TIMEOUT_FIRST_BYTE, "no answer in time");
    else
        give_up(x, METRICS_ERROR_TIMEOUT_FIRST_BYTE, "the request was not taken in time");
}

static void on_no_byte(struct loop_timeout *timeout)
{
    give_up(container_of(timeout, struct exchange, first_byte), METRICS_ERROR_TIMEOUT_FIRST_BYTE,
            "no answer in time");
}

static void on_idle(struct loop_timeout *timeout)
{
    channel_close(container_of(timeout, struct channel, idle));
}

void client_init(struct client *c, struct client_net *net)
{
    *c = (struct client){.net = net};
    list_init(&c->ready);
    list_init(&c->busy);
    list_init(&c->waiting);
}

static void abort_exchange(struct client *c, struct exchange *x)
{
    list_remove(&x->link);
    end(x);
    loop_fifo_remove(&x->first_byte);
    if (!x->is_part)
        record_aborted(c->net->record, x->series, loop_clock(c->net->loop), x->is_reused);
    exchange_free(c->net, x);
}

static void abort_channel(struct client *c, struct channel *ch)
{
    struct exchange *x;

    while ((x = channel_take(ch)) != NULL)
        abort_exchange(c, x);
    channel_close(ch);
}

static void abort_all(struct client *c, struct list *exchanges)
{
    while (!list_is_empty(exchanges))
        abort_exchange(c, container_of(exchanges->next, struct exchange, link));
}

static void abort_series(struct client *c, struct list *exchanges, uint32_t series)
{
    for (struct list *at = exchanges->next, *next; at != exchanges; at = next) {
        struct exchange *x = container_of(at, struct exchange, link);
        next = at->next;
        if (x->series == series)
            abort_exchange(c, x);
    }
}

// An exchange of this series that a channel has; NULL: none.
static struct exchange *find_in_channels(struct list *channels, uint32_t series)
{
    for (struct list *at = channels->next; at != channels; at = at->next) {
        struct exchange *x = channel_find(of_link(at), series);
        if (x != NULL)
            return x;
    }
    return NULL;
}

void client_cut(struct client *c, uint32_t series)
{
    struct exchange *x;

    abort_series(c, &c->waiting, series);
    if (c->extra != NULL)
        abort_series(c, &c->extra->held, series);
    while ((x = find_in_channels(&c->busy, series)) != NULL ||
           (x = find_in_channels(&c->ready, series)) != NULL) {
        uint32_t origin = x->out->origin;
        channel_drop(x->channel, x);
        abort_exchange(c, x);
        make_room(c, origin);
    }
}

static void free_extra(struct client *c)
{
    struct client_extra *extra = c->extra;

    if (extra == NULL)
        return;
    abort_all(c, &extra->held);
    while (extra->sessions != NULL) {
        struct client_session *s = extra->sessions;
        extra->sessions = s->next;
        SSL_SESSION_free(s->session);
        free(s);
    }
    cookies_done(&extra->cookies);
    free(extra);
    c->extra = NULL;
}

void client_close(struct client *c)
{
    c->is_closing = true;
    abort_all(c, &c->waiting);
    while (!list_is_empty(&c->busy))
        abort_channel(c, of_link(c->busy.next));
    while (!list_is_empty(&c->ready))
        abort_channel(c, of_link(c->ready.next));
    free_extra(c);
}

struct exchange *exchange_new(struct client_net *net)
{
    struct list *spare = net->spare.next;

    if (spare == &net->spare)
        return xcalloc(1, sizeof(struct exchange));
    list_remove(spare);
    struct exchange *x = container_of(spare, struct exchange, link);
    x->request = NULL;
    x->answer = NULL;
    x->on_answer = NULL;
    x->is_part = x->is_skipped = false;
    return x;
}

void exchange_free(struct client_net *net, struct exchange *x)
{
    if (x->hop != NULL)
        hop_reset(x->hop);
    list_prepend(&net->spare, &x->link);
}

// Of the plan's certificates: a redirect or a template leads to no other.
static const struct tls_identity *find_identity(const struct client_net *net,
                                                const struct request_origin *origin)
{
    const struct conn_net_config *conn = &net->config.conn;

    for (uint32_t i = 0; i < conn->n_origins && origin->certificate[0] != '\0'; i++)
        if (request_origin_has_identity(&conn->origins[i], origin))
            return conn->identities[i];
    return NULL;
}

uint32_t client_net_origin(struct client_net *net, const struct request_parts *parts,
                           const struct request_origin **ret_origin)
{
    const struct request_origin wanted =
        request_origin_of(parts, net->config.by_proxy, net->config.by_proxy_arg);
    uint32_t n = origins_n(net->origins);
    uint32_t id = origins_intern(net->origins, &wanted, CLIENT_ORIGINS_MAX);

    if (id == UINT32_MAX)
        return id;
    *ret_origin = origins_get(net->origins, id);
    if (id < n)
        return id;
    conn_net_add_origin(net->conn, *ret_origin, find_identity(net, *ret_origin));
    if (id >= net->is_http1_cap) {
        net->is_http1_cap = 2 * id + 1;
        net->is_http1 = xreallocarray(net->is_http1, net->is_http1_cap, sizeof *net->is_http1);
    }
    net->is_http1[id] = false;
    return id;
}

struct client_net *client_net_new(const struct client_net_config *config, char *why, size_t size)
{
    struct client_net *net = xcalloc(1, sizeof *net);

    net->config = *config;
    net->config.conn.ops = &channel_conn_ops;
    net->conn = conn_net_new(&net->config.conn, why, size);
    if (net->conn == NULL) {
        free(net);
        return NULL;
    }
    net->loop = config->conn.loop;
    net->origins = origins_new(config->conn.origins, config->conn.n_origins);
    net->is_http1_cap = config->conn.n_origins;
    net->is_http1 = xcalloc(net->is_http1_cap, sizeof *net->is_http1);
    net->known = xcalloc(config->requests->n_requests, sizeof *net->known);
    net->late.on_late = channel_flush_all;
    list_init(&net->flush);
    list_init(&net->spare);
    loop_fifo_init(net->loop, &net->timeout, config->timeout_ns, on_timeout);
    loop_fifo_init(net->loop, &net->first_byte, config->first_byte_ns, on_no_byte);
    loop_fifo_init(net->loop, &net->idle, config->idle_ns, on_idle);
    return net;
}

void client_net_free(struct client_net *net)
{
    if (net == NULL)
        return;
    while (!list_is_empty(&net->spare)) {
        struct exchange *x = container_of(net->spare.next, struct exchange, link);
        list_remove(&x->link);
        if (x->hop != NULL)
            hop_done(x->hop);
        free(x->hop);
        free(x);
    }
    conn_net_free(net->conn);
    origins_free(net->origins);
    free(net->is_http1);
    free(net->known);
    free(net);
}

void client_net_set_record(struct client_net *net, struct record *record)
{
    net->record = record;
}

const uint64_t *client_net_n_fds(const struct client_net *net)
{
    return conn_net_n_fds(net->conn);
}
