#include "worker/runner/conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/runner/tls.h"

static void on_event(evutil_socket_t fd, short what, void *arg);

void conn_init(struct conn *c, struct conn_env *env, const struct conn_ops *ops)
{
    *c = (struct conn){.env = env, .ops = ops, .fd = -1};
}

enum metrics_error conn_error_kind(int error)
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
        return METRICS_ERROR_TIMEOUT_CONNECT;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
    case EADDRINUSE:
        return METRICS_ERROR_LOCAL;
    default:
        return METRICS_ERROR_UNREACHABLE;
    }
}

// Edge-triggered: registered once for reading, once more for writing only while a write was short.
static void listen_for(struct conn *c, short interest)
{
    if (c->interest == interest)
        return;
    if (c->interest != 0)
        event_del(&c->event);
    c->interest = interest;
    if (interest == 0)
        return;
    event_assign(&c->event, loop_base(c->env->loop), c->fd, (short)(interest | EV_PERSIST | EV_ET),
                 on_event, c);
    event_add(&c->event, NULL);
}

void conn_close(struct conn *c)
{
    if (c->fd < 0)
        return;
    listen_for(c, 0);
    SSL_free(c->ssl);
    c->ssl = NULL;
    close(c->fd);
    c->fd = -1;
    c->env->n_fds--;
    c->state = CONN_CLOSED;
    c->peer_closed = false;
    c->out_len = 0;
}

static void fail(struct conn *c, int error)
{
    char why[160];

    if (error == EPROTO)
        tls_why(why, sizeof why);
    else
        snprintf(why, sizeof why, "%s", strerror(error));
    conn_close(c);
    c->ops->on_error(c, conn_error_kind(error), why);
}

static void set_open(struct conn *c)
{
    int64_t now = loop_clock(c->env->loop);

    c->state = CONN_OPEN;
    listen_for(c, EV_READ | EV_CLOSED);
    c->ops->on_open(c, c->tcp_done_ns - c->begin_ns, c->ssl != NULL ? now - c->tcp_done_ns : -1);
}

static void handshake(struct conn *c)
{
    int r = tls_handshake(c->ssl);

    if (r == 0)
        set_open(c);
    else if (r != -EAGAIN)
        fail(c, r == -EPROTO ? EPROTO : -r);
}

static void set_connected(struct conn *c)
{
    c->tcp_done_ns = loop_clock(c->env->loop);
    if (!c->origin->tls) {
        set_open(c);
        return;
    }
    struct resolve_answer literal;
    c->ssl =
        tls_new(c->env->tls, c->fd, c->origin->host, resolve_literal(c->origin->host, &literal));
    if (c->ssl == NULL) {
        fail(c, ENOMEM);
        return;
    }
    c->state = CONN_HANDSHAKING;
    handshake(c);
}

static int start_connect(struct conn *c, const union resolve_address *address)
{
    union resolve_address to = *address;
    socklen_t len = to.any.sa_family == AF_INET6 ? sizeof to.v6 : sizeof to.v4;

    if (to.any.sa_family == AF_INET6)
        to.v6.sin6_port = htons(c->origin->port);
    else
        to.v4.sin_port = htons(c->origin->port);
    c->fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return -errno;
    c->env->n_fds++;
    // Small requests are whole in one send: waiting to fill a segment would only add delay.
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(c->fd, &to.any, len) < 0 && errno != EINPROGRESS) {
        int error = errno;
        conn_close(c);
        return -error;
    }
    c->state = CONN_CONNECTING;
    listen_for(c, EV_READ | EV_WRITE | EV_CLOSED);
    return 0;
}

// The addresses from next_address on; the last one's error is the connection's.
static void try_addresses(struct conn *c, int error)
{
    while (c->next_address < c->addresses->n) {
        int r = start_connect(c, &c->addresses->address[c->next_address++]);
        if (r == 0)
            return;
        error = -r;
    }
    fail(c, error);
}

void conn_open(struct conn *c, const struct request_origin *origin,
               const struct resolve_answer *addresses)
{
    c->origin = origin;
    c->addresses = addresses;
    c->next_address = 0;
    c->begin_ns = loop_now(c->env->loop);
    try_addresses(c, EADDRNOTAVAIL);
}

static void finish_connect(struct conn *c)
{
    int error = 0;
    socklen_t len = sizeof error;

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error == 0) {
        set_connected(c);
        return;
    }
    conn_close(c);
    try_addresses(c, error);
}

static void write_out(struct conn *c)
{
    while (c->out_len > 0) {
        ssize_t n;
        if (c->ssl != NULL)
            n = tls_send(c->ssl, c->out, c->out_len);
        else if ((n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL)) < 0)
            n = -errno;
        if (n == -EAGAIN) {
            listen_for(c, EV_READ | EV_WRITE | EV_CLOSED);
            return;
        }
        if (n < 0 && n != -EINTR) {
            fail(c, (int)-n);
            return;
        }
        if (n > 0) {
            c->out += n;
            c->out_len -= (size_t)n;
        }
    }
    listen_for(c, EV_READ | EV_CLOSED);
    c->ops->on_sent(c);
}

void conn_send(struct conn *c, const char *bytes, size_t n)
{
    c->out = bytes;
    c->out_len = n;
    write_out(c);
}

ssize_t conn_recv(struct conn *c, char *bytes, size_t n)
{
    ssize_t got;

    if (c->ssl != NULL)
        return tls_recv(c->ssl, bytes, n);
    do // MSG_TRUNC on TCP: the kernel drops the bytes (tcp(7))
        got = recv(c->fd, bytes, n, bytes == NULL ? MSG_TRUNC : 0);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

bool conn_has_more(const struct conn *c, size_t got, size_t asked)
{
    return got == asked || c->ssl != NULL || c->peer_closed;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd;
    if (what & EV_CLOSED)
        c->peer_closed = true;
    if (c->state == CONN_CONNECTING) {
        finish_connect(c);
        return;
    }
    if (c->state == CONN_HANDSHAKING) {
        handshake(c);
        return;
    }
    if ((what & EV_WRITE) && c->out_len > 0)
        write_out(c);
    if ((what & (EV_READ | EV_CLOSED)) && c->state == CONN_OPEN)
        c->ops->on_readable(c);
}
