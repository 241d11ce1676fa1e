#include "worker/runner/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/str.h"
#include "worker/runner/http1.h"
#include "worker/runner/sock.h"

// Where a name has several addresses, one that does not answer is given up for the next after this
// long: above the first retransmission of a SYN (1 s, RFC 6298).
#define NEXT_ADDRESS_NS (2 * NS_PER_S)
// Reads of one connection in a pass of the loop, before it is the others' turn.
#define READS_MAX 64

struct origin {
    const struct request_origin *request;
    const struct tls_identity *identity; // NULL: none
    struct conn_net *net;
    const char *host; // to connect to: its own or the proxy's
    uint16_t port;
    bool is_literal; // its own host is an address
    bool is_tunnel;  // through the proxy, which does not see what goes on
    bool asking;
    uint32_t good; // address that worked last
    int64_t failed_ns;
    struct resolve_answer answer;
    struct resolve_query query; // the resolver's while asking
    struct list waiting;
};

struct conn_net {
    struct conn_net_config config;
    struct tls_net *tls;
    struct origin **origins;
    uint32_t n_origins, origins_cap;
    uint32_t n_handshakes, next_source;
    uint64_t n_fds;
    struct list queue; // for a handshake
    struct list again; // to be read once more
    struct loop_timer turn;
    struct loop_fifo next_try, limit;
};

// The question to a proxy, and its answer so far (RFC 9110 section 9.3.6).
struct tunnel {
    struct http1 answer;
    char *question;
    size_t len;
};

static void read_some(struct conn *c);
static void begin(struct conn *c);

static struct conn *of_link(struct list *link)
{
    return container_of(link, struct conn, link);
}

static struct loop *loop_of(const struct conn *c)
{
    return c->net->config.loop;
}

static void ask_turn(struct conn_net *net)
{
    // One nanosecond on, so that it comes in another pass, after the kernel was asked for events.
    if (net->turn.pos == 0)
        loop_timer_set(net->config.loop, &net->turn, loop_now(net->config.loop) + 1);
}

static void read_again(struct conn *c)
{
    if (c->link.next != NULL)
        return;
    list_append(&c->net->again, &c->link);
    ask_turn(c->net);
}

static void on_turn(struct loop_timer *timer)
{
    struct conn_net *net = container_of(timer, struct conn_net, turn);
    struct list batch;

    // Taken out first: those who are not done append themselves for the turn after this.
    list_init(&batch);
    while (!list_is_empty(&net->again)) {
        struct list *link = net->again.next;
        list_remove(link);
        list_append(&batch, link);
    }
    while (!list_is_empty(&batch)) {
        struct conn *c = of_link(batch.next);
        list_remove(&c->link);
        read_some(c);
    }
    for (int i = 0; i < CONN_HANDSHAKES_MAX && net->n_handshakes < CONN_HANDSHAKES_MAX &&
                    !list_is_empty(&net->queue);
         i++) {
        struct conn *c = of_link(net->queue.next);
        list_remove(&c->link);
        begin(c);
    }
    if (net->n_handshakes < CONN_HANDSHAKES_MAX && !list_is_empty(&net->queue))
        ask_turn(net);
}

static bool is_handshaking(const struct conn *c)
{
    return c->state == CONN_NAME || c->state == CONN_TCP || c->state == CONN_PROXY ||
           c->state == CONN_TLS;
}

static void end_handshake(struct conn *c)
{
    c->net->n_handshakes--;
    loop_fifo_remove(&c->next_try);
    loop_fifo_remove(&c->limit);
    if (!list_is_empty(&c->net->queue))
        ask_turn(c->net);
}

static void drop_tunnel(struct conn *c)
{
    if (c->tunnel == NULL)
        return;
    http1_done(&c->tunnel->answer);
    free(c->tunnel->question);
    free(c->tunnel);
    c->tunnel = NULL;
}

static void drop_socket(struct conn *c)
{
    if (c->fd < 0)
        return;
    event_del(&c->ev);
    drop_tunnel(c);
    tls_free(c->tls);
    c->tls = NULL;
    close(c->fd);
    c->fd = -1;
    c->net->n_fds--;
}

static void drop_session(struct conn *c)
{
    SSL_SESSION_free(c->session);
    c->session = NULL;
}

void conn_close(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    if (is_handshaking(c))
        end_handshake(c);
    drop_socket(c);
    drop_session(c);
    list_remove(&c->link);
    c->state = CONN_CLOSED;
}

static void fail(struct conn *c, enum metrics_error kind, const char *why)
{
    conn_close(c);
    c->net->config.ops->on_fail(c, kind, why);
}

static enum metrics_error kind_of(int error, bool open)
{
    switch (error) {
    case ECONNREFUSED:
        return METRICS_ERROR_REFUSED;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
        return METRICS_ERROR_RESET;
    case EPROTO:
        return METRICS_ERROR_TLS;
    case ETIMEDOUT:
        return open ? METRICS_ERROR_RESET : METRICS_ERROR_TIMEOUT_CONNECT;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
    case EADDRINUSE:
    case EAGAIN: // no free local port, of connect
    case EACCES:
    case EPERM:
        return METRICS_ERROR_LOCAL;
    default:
        return open ? METRICS_ERROR_RESET : METRICS_ERROR_UNREACHABLE;
    }
}

static void fail_errno(struct conn *c, int error)
{
    char why[METRICS_EXAMPLE_MAX + 1], address[INET6_ADDRSTRLEN] = "?";
    const struct origin *o = c->net->origins[c->origin];
    const union resolve_address *a = &o->answer.address[c->address];

    if (error == EPROTO) {
        fail(c, METRICS_ERROR_TLS, tls_why(c->tls, why, sizeof why));
        return;
    }
    inet_ntop(a->any.sa_family,
              a->any.sa_family == AF_INET6 ? (const void *)&a->v6.sin6_addr : &a->v4.sin_addr,
              address, sizeof address);
    snprintf(why, sizeof why, a->any.sa_family == AF_INET6 ? "[%s]:%u: %s" : "%s:%u: %s", address,
             o->port, strerror(error));
    // A handshake that the peer cuts short is a failure of TLS to who reads the result.
    fail(c, c->state == CONN_TLS ? METRICS_ERROR_TLS : kind_of(error, c->state == CONN_OPEN), why);
}

static void on_event(evutil_socket_t fd, short what, void *arg);

static void opened(struct conn *c)
{
    end_handshake(c);
    c->state = CONN_OPEN;
    drop_session(c);
    c->net->origins[c->origin]->good = c->address;
    // No second edge comes for what arrived before; TLS may have read it already.
    if (c->is_early || c->tls != NULL)
        read_again(c);
    c->net->config.ops->on_open(c);
}

static void go_on_tls(struct conn *c)
{
    int rc = tls_handshake(c->tls);

    if (rc == -EAGAIN)
        return;
    if (rc != 0) {
        fail_errno(c, -rc);
        return;
    }
    c->tls_ns = loop_clock(loop_of(c)) - c->step_ns;
    opened(c);
}

// The way to the server is there.
static void begin_tls(struct conn *c)
{
    const struct origin *o = c->net->origins[c->origin];
    char why[METRICS_EXAMPLE_MAX + 1];

    if (!o->request->tls) {
        opened(c);
        return;
    }
    if (c->net->tls == NULL) // the plan had no use for it
        c->net->tls = tls_net_new(&c->net->config.tls, why, sizeof why);
    if (c->net->tls == NULL) {
        fail(c, METRICS_ERROR_TLS, why);
        return;
    }
    c->step_ns = loop_now(loop_of(c));
    c->state = CONN_TLS;
    c->tls =
        tls_new(c->net->tls, &(struct tls_config){.fd = c->fd,
                                                  .host = o->request->host,
                                                  .is_literal = o->is_literal,
                                                  .alpn = o->request->may_http2 ? TLS_ALPN_HTTP2
                                                                                : TLS_ALPN_HTTP1,
                                                  .identity = o->identity,
                                                  .resume = c->session});
    if (c->tls == NULL)
        fail_errno(c, ENOMEM);
    else
        go_on_tls(c);
}

static void begin_tunnel(struct conn *c)
{
    const struct request_origin *r = c->net->origins[c->origin]->request;
    const char *form = strchr(r->host, ':') != NULL ? "[%s]:%u" : "%s:%u";
    char *authority = xasprintf(form, r->host, r->port);

    c->state = CONN_PROXY;
    c->tunnel = xcalloc(1, sizeof *c->tunnel);
    http1_start(&c->tunnel->answer, true, NULL, NULL); // an answer to CONNECT has no body either
    c->tunnel->question =
        xasprintf("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", authority, authority);
    c->tunnel->len = strlen(c->tunnel->question);
    free(authority);
    // So few bytes fit into the buffer of a fresh socket.
    ssize_t n = sock_send(c->fd, c->tunnel->question, c->tunnel->len);
    if (n < 0)
        fail_errno(c, (int)-n);
    else if ((size_t)n < c->tunnel->len)
        fail_errno(c, ENOBUFS);
}

// What comes behind the proxy's answer is the server's, and stays in the socket: only what the
// answer takes of the bytes that wait is read.
static enum http1_result read_answer(struct conn *c, size_t waiting)
{
    char *buffer = loop_buffer(loop_of(c));
    size_t used;
    enum http1_result result = http1_feed(&c->tunnel->answer, buffer, waiting, &used);

    sock_recv(c->fd, buffer, used);
    return result;
}

static void go_on_tunnel(struct conn *c)
{
    char why[METRICS_EXAMPLE_MAX + 1];
    ssize_t n;

    while ((n = recv(c->fd, loop_buffer(loop_of(c)), LOOP_BUFFER_SIZE, MSG_PEEK)) > 0) {
        enum http1_result result = read_answer(c, (size_t)n);
        unsigned status = c->tunnel->answer.status;
        if (result == HTTP1_MORE)
            continue;
        if (result == HTTP1_DONE && status / 100 == 2) {
            drop_tunnel(c);
            c->is_early = true; // no edge comes for what is left in the socket
            begin_tls(c);
            return;
        }
        if (result == HTTP1_DONE)
            snprintf(why, sizeof why, "the proxy answered %u to CONNECT", status);
        else
            snprintf(why, sizeof why, "the proxy: %s", c->tunnel->answer.why);
        fail(c, result == HTTP1_DONE ? METRICS_ERROR_REFUSED : c->tunnel->answer.error, why);
        return;
    }
    if (n == 0)
        fail(c, METRICS_ERROR_CLOSED, "closed by the proxy before it answered");
    else if (errno != EAGAIN && errno != EINTR)
        fail_errno(c, errno);
}

static void tcp_is_up(struct conn *c)
{
    int64_t now_ns = loop_clock(loop_of(c));

    loop_fifo_remove(&c->next_try);
    c->tcp_ns = now_ns - c->step_ns;
    if (c->net->origins[c->origin]->is_tunnel)
        begin_tunnel(c);
    else
        begin_tls(c);
}

// From a source address that was asked for, with a port that the kernel chooses at the connect.
static int bind_source(struct conn_net *net, int fd, int family)
{
    int one = 1;

    for (uint32_t i = 0; i < net->config.n_sources; i++) {
        const union resolve_address *a =
            &net->config.sources[net->next_source++ % net->config.n_sources];
        if (a->any.sa_family != family)
            continue;
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        return bind(fd, &a->any, family == AF_INET6 ? sizeof a->v6 : sizeof a->v4);
    }
    return 0;
}

// A connect to the present address begins. 0 or -errno.
static int try_address(struct conn *c)
{
    const struct origin *o = c->net->origins[c->origin];
    union resolve_address a = o->answer.address[c->address];
    bool v6 = a.any.sa_family == AF_INET6;
    int one = 1;

    if (v6)
        a.v6.sin6_port = htons(o->port);
    else
        a.v4.sin_port = htons(o->port);
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->step_ns = loop_clock(loop_of(c));
    if (bind_source(c->net, fd, a.any.sa_family) != 0 ||
        (connect(fd, &a.any, v6 ? sizeof a.v6 : sizeof a.v4) != 0 && errno != EINPROGRESS)) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    c->fd = fd;
    c->net->n_fds++;
    // All interests, once for the life of the connection: edge-triggered, a writable socket wakes
    // nobody unless a write fell short, so that no later change of interest is needed.
    event_assign(&c->ev, loop_base(loop_of(c)), fd,
                 EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_event, c);
    event_add(&c->ev, NULL);
    return 0;
}

// Tries the addresses that were not, beginning after the present one. error: of the last try.
static void try_next(struct conn *c, int error)
{
    const struct origin *o = c->net->origins[c->origin];

    drop_socket(c);
    loop_fifo_remove(&c->next_try);
    while (c->n_tried < o->answer.n) {
        c->address = (uint8_t)((o->good + c->n_tried++) % o->answer.n);
        int rc = try_address(c);
        if (rc == 0) {
            if (c->n_tried < o->answer.n)
                loop_fifo_add(loop_of(c), &c->net->next_try, &c->next_try);
            return;
        }
        error = -rc;
    }
    fail_errno(c, error);
}

static void on_limit(struct loop_timeout *timeout)
{
    struct conn *c = container_of(timeout, struct conn, limit);

    if (c->state == CONN_NAME)
        fail(c, METRICS_ERROR_DNS, "the name was not resolved in time");
    else
        fail(c, METRICS_ERROR_TIMEOUT_CONNECT, "no connection in time");
}

static void on_next_try(struct loop_timeout *timeout)
{
    try_next(container_of(timeout, struct conn, next_try), ETIMEDOUT);
}

static void has_name(struct conn *c)
{
    c->state = CONN_TCP;
    c->n_tried = 0;
    try_next(c, EADDRNOTAVAIL);
}

static void on_answer(struct loop_post *post)
{
    struct resolve_query *query = container_of(post, struct resolve_query, post);
    struct origin *o = container_of(query, struct origin, query);
    struct list batch;

    o->asking = false;
    o->answer = query->answer;
    o->failed_ns = loop_clock(o->net->config.loop);
    // Only those who wait now: one that fails here may ask again at once.
    list_init(&batch);
    while (!list_is_empty(&o->waiting)) {
        struct list *link = o->waiting.next;
        list_remove(link);
        list_append(&batch, link);
    }
    while (!list_is_empty(&batch)) {
        struct conn *c = of_link(batch.next);
        list_remove(&c->link);
        c->dns_ns = loop_now(loop_of(c)) - c->step_ns;
        if (o->answer.n > 0)
            has_name(c);
        else
            fail(c, METRICS_ERROR_DNS, o->answer.why);
    }
}

static void begin(struct conn *c)
{
    struct origin *o = c->net->origins[c->origin];

    c->net->n_handshakes++;
    c->state = CONN_NAME;
    c->begin_ns = c->step_ns = loop_now(loop_of(c));
    if (c->net->config.connect_ns > 0)
        loop_fifo_add(loop_of(c), &c->net->limit, &c->limit);
    if (o->answer.n > 0) {
        has_name(c);
        return;
    }
    if (!o->asking && o->failed_ns != 0 && c->begin_ns - o->failed_ns < NS_PER_S) {
        fail(c, METRICS_ERROR_DNS, o->answer.why);
        return;
    }
    list_append(&o->waiting, &c->link);
    if (!o->asking) {
        o->asking = true;
        resolve_ask(c->net->config.resolve, &o->query);
    }
}

void conn_connect(struct conn *c, uint32_t origin, SSL_SESSION *session)
{
    struct conn_net *net = c->net;

    c->origin = origin;
    c->session = session != NULL && SSL_SESSION_up_ref(session) ? session : NULL;
    c->fd = -1;
    c->peer_closed = c->is_early = false;
    c->send_errno = 0;
    c->out_len = c->out_sent = 0;
    c->discard = 0;
    c->dns_ns = c->tcp_ns = c->tls_ns = -1;
    if (net->n_handshakes >= CONN_HANDSHAKES_MAX || !list_is_empty(&net->queue)) {
        c->state = CONN_QUEUED;
        list_append(&net->queue, &c->link);
        return;
    }
    begin(c);
}

// As send, with -errno.
static ssize_t send_once(struct conn *c)
{
    size_t left = c->out_len - c->out_sent;

    if (c->tls != NULL)
        return tls_send(c->tls, c->out + c->out_sent, left);
    return sock_send(c->fd, c->out + c->out_sent, left);
}

static void send_some(struct conn *c)
{
    bool is_flush = c->tls != NULL && !tls_is_flushed(c->tls);
    ssize_t n = is_flush ? tls_flush(c->tls) : 0;

    if (is_flush && n == 0)
        c->net->config.ops->on_sent(c, 0);
    while (n >= 0 && c->out_sent < c->out_len) {
        n = send_once(c);
        if (n >= 0) {
            c->out_sent += (size_t)n;
            c->net->config.ops->on_sent(c, (size_t)n);
            if (c->tls != NULL && !tls_is_flushed(c->tls))
                return;
        } else if (n == -EINTR) {
            n = 0;
        }
    }
    if (n < 0 && n != -EAGAIN) {
        // The peer may have answered before it closed: its bytes come first.
        c->send_errno = (int)-n;
        read_again(c);
    }
}

void conn_send(struct conn *c, const char *bytes, size_t n)
{
    c->out = bytes;
    c->out_len = n;
    c->out_sent = 0;
    send_some(c);
}

bool conn_is_sent(const struct conn *c)
{
    return c->out_sent == c->out_len && (c->tls == NULL || tls_is_flushed(c->tls));
}

void conn_keep(struct conn *c, struct buf *out)
{
    if (c->out_sent == c->out_len) {
        buf_done(out);
        return;
    }
    out->len = 0;
    buf_append(out, c->out + c->out_sent, c->out_len - c->out_sent);
    c->out = out->data;
    c->out_len = out->len;
    c->out_sent = 0;
}

void conn_discard(struct conn *c, uint64_t n)
{
    c->discard = n;
}

// As recv, with -errno. *ret_bytes is NULL for what was discarded.
static ssize_t receive(struct conn *c, const char **ret_bytes)
{
    uint64_t discard = c->discard;

    if (c->tls != NULL)
        return tls_recv(c->tls, ret_bytes);
    c->discard = 0;
    *ret_bytes = discard > 0 ? NULL : loop_buffer(loop_of(c));
    if (discard > 0)
        return sock_discard(c->fd, discard < SSIZE_MAX ? (size_t)discard : SSIZE_MAX);
    return sock_recv(c->fd, loop_buffer(loop_of(c)), LOOP_BUFFER_SIZE);
}

static void read_some(struct conn *c)
{
    const struct conn_ops *ops = c->net->config.ops;

    for (int i = 0; i < READS_MAX; i++) {
        uint64_t discard = c->discard;
        const char *bytes;
        ssize_t n = receive(c, &bytes);
        if (n > 0) {
            // A close_notify right behind: no edge of the socket will tell of it.
            if (c->tls != NULL)
                c->peer_closed |= tls_has_early(c->tls);
            // One read is enough where the answer is over. Where it is not, only an empty socket
            // tells that no reset is hidden behind the data, of which no second edge would come.
            if (!ops->on_data(c, bytes, (size_t)n))
                return;
        } else if (n == -EAGAIN && c->send_errno == 0) {
            c->discard = discard;
            return;
        } else if (n == -EINTR) {
            c->discard = discard;
        } else if (n == 0 && (c->send_errno == 0 || c->send_errno == EPIPE)) {
            ops->on_end(c);
            return;
        } else if (c->send_errno != 0) {
            fail_errno(c, c->send_errno);
            return;
        } else {
            fail_errno(c, (int)-n);
            return;
        }
    }
    read_again(c);
}

static void go_on_tcp(struct conn *c)
{
    int error = 0;
    socklen_t len = sizeof error;

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0)
        try_next(c, error);
    else
        tcp_is_up(c);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd;
    c->peer_closed |= (what & EV_CLOSED) != 0;
    switch (c->state) {
    case CONN_TCP:
        c->is_early = (what & (EV_READ | EV_CLOSED)) != 0;
        go_on_tcp(c);
        return;
    case CONN_PROXY:
        go_on_tunnel(c);
        return;
    case CONN_TLS:
        go_on_tls(c);
        return;
    default:
        if (c->send_errno == 0 && !conn_is_sent(c))
            send_some(c);
        read_some(c);
    }
}

void conn_net_add_origin(struct conn_net *net, const struct request_origin *request,
                         const struct tls_identity *identity)
{
    struct origin *o = xcalloc(1, sizeof *o);
    struct resolve_answer own;

    o->request = request;
    o->identity = identity;
    o->net = net;
    o->is_tunnel = request->by_proxy && (request->tls || request->may_http2);
    o->host = request->by_proxy ? net->config.proxy_host : request->host;
    o->port = request->by_proxy ? net->config.proxy_port : request->port;
    o->is_literal = resolve_literal(request->host, &own);
    resolve_literal(o->host, &o->answer);
    o->query = (struct resolve_query){
        .post.on_post = on_answer, .loop = net->config.loop, .host = o->host};
    list_init(&o->waiting);
    if (net->n_origins == net->origins_cap) {
        net->origins_cap = net->origins_cap == 0 ? 8 : 2 * net->origins_cap;
        net->origins = xreallocarray(net->origins, net->origins_cap, sizeof *net->origins);
    }
    net->origins[net->n_origins++] = o;
}

struct conn_net *conn_net_new(const struct conn_net_config *config, char *why, size_t size)
{
    struct conn_net *net = xcalloc(1, sizeof *net);
    bool tls = false;

    net->config = *config;
    net->next_source = config->first_source;
    for (uint32_t i = 0; i < config->n_origins; i++)
        tls |= config->origins[i].tls;
    if (tls && (net->tls = tls_net_new(&config->tls, why, size)) == NULL) {
        free(net);
        return NULL;
    }
    list_init(&net->queue);
    list_init(&net->again);
    net->turn.on_due = on_turn;
    loop_fifo_init(config->loop, &net->next_try, NEXT_ADDRESS_NS, on_next_try);
    loop_fifo_init(config->loop, &net->limit, config->connect_ns, on_limit);
    for (uint32_t i = 0; i < config->n_origins; i++)
        conn_net_add_origin(net, &config->origins[i], config->identities[i]);
    return net;
}

void conn_net_free(struct conn_net *net)
{
    if (net == NULL)
        return;
    tls_net_free(net->tls);
    for (uint32_t i = 0; i < net->n_origins; i++)
        free(net->origins[i]);
    free(net->origins);
    free(net);
}

const uint64_t *conn_net_n_fds(const struct conn_net *net)
{
    return &net->n_fds;
}
