#include "worker/runner/client.h"

#include <stdlib.h>

#include "common/str.h"
#include "worker/runner/channel.h"

// What TLS remembers of a server, as a browser does for its next connection.
struct client_session {
    struct client_session *next;
    uint32_t origin;
    SSL_SESSION *session;
};

static struct channel *of_link(struct list *link)
{
    return container_of(link, struct channel, link);
}

static struct client_session *find_session(const struct client *c, uint32_t origin)
{
    struct client_session *s = c->sessions;

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
        s->next = c->sessions;
        s->origin = origin;
        c->sessions = s;
    }
    SSL_SESSION_free(s->session);
    s->session = session;
}

static void open_channel(struct client *c, struct exchange *x)
{
    struct client_session *s = find_session(c, x->request->origin);

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
    return net->config.requests->origins[origin].may_http2 && !net->is_http1[origin];
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
    struct channel *ch = find_ready(c, x->request->origin);

    if (ch != NULL)
        channel_send(ch, x);
    else if (may_open(c, x->request->origin))
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
        if (x->request->origin != origin || is_late(c->net, x))
            continue;
        list_remove(&x->link);
        if (!place(c, x)) {
            list_prepend(&c->waiting, &x->link); // still the first of its origin
            return;
        }
        at = c->waiting.next; // a failure may have changed the list
    }
}

void client_send(struct client *c, struct exchange *x)
{
    struct client_net *net = c->net;
    int64_t now = loop_now(net->loop);

    x->client = c;
    x->channel = NULL;
    x->request = &net->config.requests->requests[x->series];
    x->is_reused = x->is_resent = x->is_whole = x->has_byte = false;
    x->times = (struct record_times){.intended_ns = x->intended_ns, .begin_ns = now};
    record_started(net->record, x->series, now);
    if (net->config.timeout_ns > 0)
        loop_fifo_add(net->loop, &net->timeout, &x->timeout);
    if (!place(c, x))
        list_append(&c->waiting, &x->link);
}

static void end(struct exchange *x)
{
    loop_fifo_remove(&x->timeout);
    x->channel = NULL;
}

void client_on_open(struct channel *ch, struct exchange *x)
{
    struct client *c = ch->client;
    uint32_t origin = ch->conn.origin;

    channel_send(ch, x);
    if (!list_is_empty(&c->waiting))
        client_on_room(c, origin);
}

void client_on_answer(struct exchange *x, unsigned status)
{
    struct client *c = x->client;

    end(x);
    record_completed(c->net->record, x->series, &x->times, status, x->is_reused);
    if (!list_is_empty(&c->waiting))
        client_on_room(c, x->request->origin);
    x->on_done(x, true);
}

void client_on_failure(struct exchange *x, enum metrics_error kind, const char *why, bool again)
{
    struct client *c = x->client;
    struct client_net *net = c->net;
    uint32_t origin = x->request->origin;

    if (again && !x->is_resent) {
        x->is_resent = true;
        x->is_reused = x->is_whole = false;
        loop_fifo_remove(&x->first_byte);
        x->channel = NULL;
        if (!may_be_http2(net, origin))
            open_channel(c, x);
        else if (!place(c, x))
            list_append(&c->waiting, &x->link);
        return;
    }
    end(x);
    loop_fifo_remove(&x->first_byte);
    x->times.done_ns = loop_clock(net->loop);
    record_failed(net->record, x->series, x->times.done_ns, kind, why, x->is_reused);
    if (!list_is_empty(&c->waiting))
        client_on_room(c, origin);
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

void client_close(struct client *c)
{
    c->is_closing = true;
    while (!list_is_empty(&c->waiting))
        abort_exchange(c, container_of(c->waiting.next, struct exchange, link));
    while (!list_is_empty(&c->busy))
        abort_channel(c, of_link(c->busy.next));
    while (!list_is_empty(&c->ready))
        abort_channel(c, of_link(c->ready.next));
    while (c->sessions != NULL) {
        struct client_session *s = c->sessions;
        c->sessions = s->next;
        SSL_SESSION_free(s->session);
        free(s);
    }
}

struct exchange *exchange_new(struct client_net *net)
{
    struct list *spare = net->spare.next;

    if (spare == &net->spare)
        return xcalloc(1, sizeof(struct exchange));
    list_remove(spare);
    return container_of(spare, struct exchange, link);
}

void exchange_free(struct client_net *net, struct exchange *x)
{
    list_prepend(&net->spare, &x->link);
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
    net->is_http1 = xcalloc(config->requests->n_origins, sizeof *net->is_http1);
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
        struct list *spare = net->spare.next;
        list_remove(spare);
        free(container_of(spare, struct exchange, link));
    }
    conn_net_free(net->conn);
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
