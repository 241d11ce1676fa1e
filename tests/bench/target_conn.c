#include "tests/bench/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/str.h"

static const char preface[] = NGHTTP2_CLIENT_MAGIC;

static void on_event(struct loop *l, struct source *s, uint32_t events)
{
    struct conn *c = (struct conn *)s;

    (void)l;
    if (c->fd < 0)
        return;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        c->hung_up = true;
    if (events & EPOLLIN || c->hung_up)
        c->readable = true;
    if (events & EPOLLOUT || c->hung_up)
        c->writable = true;
    conn_run(c);
}

// Edge-triggered: what is wanted never changes, so that a request takes no epoll_ctl.
struct conn *conn_new(struct loop *l, int fd, bool secure)
{
    struct conn *c = xcalloc(1, sizeof *c);
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                            .data.ptr = &c->source};

    c->source.on_event = on_event;
    c->loop = l;
    c->fd = fd;
    LIST_INIT(&c->streams);
    if (secure)
        c->ssl = tls_new(c);
    epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e);
    return c;
}

static void conn_leave_ready(struct conn *c)
{
    if (!c->in_ready)
        return;
    c->in_ready = false;
    c->loop->n_ready--;
    TAILQ_REMOVE(&c->loop->ready, c, link);
}

void conn_close(struct conn *c, bool reset)
{
    struct loop *l = c->loop;

    if (c->peer != NULL) {
        c->peer->peer = NULL;
        conn_later(c->peer);
    }
    if (c->h2 != NULL)
        http2_close(c);
    wait_stop(l, &c->wait);
    if (reset) {
        struct linger now = {.l_onoff = 1};
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    } else if (c->ssl != NULL && c->handshaken) {
        SSL_shutdown(c->ssl);
    }
    SSL_free(c->ssl);
    close(c->fd);
    free(c->rest);
    free(c->held);
    conn_leave_ready(c);
    c->fd = -1;
    TAILQ_INSERT_TAIL(&l->dead, c, link);
}

void conn_later(struct conn *c)
{
    if (c->in_ready || c->fd < 0)
        return;
    c->in_ready = true;
    c->loop->n_ready++;
    TAILQ_INSERT_TAIL(&c->loop->ready, c, link);
}

void conn_run_ready(struct loop *l)
{
    struct conn *c;

    for (size_t n = l->n_ready; n > 0 && (c = TAILQ_FIRST(&l->ready)) != NULL; n--) {
        conn_leave_ready(c);
        conn_run(c);
    }
}

static ssize_t plain_recv(struct conn *c, char *into, size_t size)
{
    ssize_t n = recv(c->fd, into, size, 0);

    if (n == 0 || (n < 0 && errno != EAGAIN))
        return -1;
    if (n < (ssize_t)size && !c->hung_up)
        c->readable = false; // drained: more will be an edge
    return n < 0 ? 0 : n;
}

ssize_t conn_recv(struct conn *c)
{
    struct loop *l = c->loop;

    if (!c->readable && (c->ssl == NULL || c->handshaken))
        return 0;
    l->in_len -= l->in_off;
    if (l->in_off > 0)
        memmove(l->in, l->in + l->in_off, l->in_len);
    l->in_off = 0;
    if (l->in_len == IN_MAX)
        return -1;
    size_t size = IN_MAX - l->in_len;
    ssize_t n = c->ssl != NULL ? tls_recv(c, l->in + l->in_len, size)
                               : plain_recv(c, l->in + l->in_len, size);
    if (n <= 0)
        return n;
    l->in_len += (size_t)n;
    l->now_ns = clock_now().ns;
    return n;
}

// What is to be sent next, at most three pieces; the first is the loop's out, unless something is
// held.
static size_t pieces(struct conn *c, size_t out_off, struct iovec *piece)
{
    struct loop *l = c->loop;
    size_t n = 0, off = c->tail_off;
    uint64_t left = c->tail_left;

    if (c->held != NULL)
        piece[n++] = (struct iovec){c->held + c->held_off, c->held_len - c->held_off};
    else if (l->out_len > out_off)
        piece[n++] = (struct iovec){l->out + out_off, l->out_len - out_off};
    while (left > 0 && n < 3) {
        size_t size = c->tail_size - off;
        if (size > left)
            size = (size_t)left;
        piece[n++] = (struct iovec){(char *)c->tail + off, size};
        left -= size;
        off = 0;
    }
    return n;
}

static ssize_t send_pieces(struct conn *c, struct iovec *piece, size_t n)
{
    if (c->ssl != NULL)
        return tls_send(c, piece[0].iov_base, piece[0].iov_len);
    struct msghdr message = {.msg_iov = piece, .msg_iovlen = n};
    ssize_t sent = n == 1 ? send(c->fd, piece[0].iov_base, piece[0].iov_len, MSG_NOSIGNAL)
                          : sendmsg(c->fd, &message, MSG_NOSIGNAL);
    if (sent >= 0)
        return sent;
    if (errno != EAGAIN)
        return -1;
    c->writable = false;
    return 0;
}

static void sent_pieces(struct conn *c, size_t *out_off, size_t n)
{
    struct loop *l = c->loop;
    size_t first = c->held != NULL ? c->held_len - c->held_off : l->out_len - *out_off;

    if (first > n)
        first = n;
    if (c->held == NULL) {
        *out_off += first;
    } else if ((c->held_off += first) == c->held_len) {
        free(c->held);
        c->held = NULL;
    }
    c->tail_left -= n - first;
    if (n > first)
        c->tail_off = (c->tail_off + n - first) % c->tail_size;
}

int conn_flush(struct conn *c)
{
    struct loop *l = c->loop;
    struct iovec piece[3];
    size_t out_off = 0, n;
    int turn = 0;

    while ((n = pieces(c, out_off, piece)) > 0 && c->writable && turn++ < TURNS_MAX) {
        ssize_t sent = send_pieces(c, piece, n);
        if (sent < 0)
            return -1;
        sent_pieces(c, &out_off, (size_t)sent);
    }
    if (l->out_len > out_off) {
        c->held = xmemdup(l->out + out_off, l->out_len - out_off);
        c->held_len = l->out_len - out_off;
        c->held_off = 0;
    }
    l->out_len = 0;
    if (n > 0 && c->writable)
        conn_later(c);
    return n == 0;
}

// By ALPN, or by the first bytes. False: not known yet.
static bool find_protocol(struct conn *c)
{
    struct loop *l = c->loop;
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;
    size_t n = l->in_len < sizeof preface - 1 ? l->in_len : sizeof preface - 1;

    if (c->ssl != NULL)
        SSL_get0_alpn_selected(c->ssl, &alpn, &alpn_len);
    if (alpn_len > 0)
        c->protocol = alpn_len == 2 ? PROTO_HTTP2 : PROTO_HTTP1;
    else if (memcmp(l->in, preface, n) != 0)
        c->protocol = PROTO_HTTP1;
    else if (n == sizeof preface - 1)
        c->protocol = PROTO_HTTP2;
    if (c->protocol == PROTO_HTTP2)
        http2_open(c);
    return c->protocol != PROTO_UNKNOWN;
}

static bool run_protocol(struct conn *c)
{
    while (c->protocol == PROTO_UNKNOWN && (c->loop->in_len == 0 || !find_protocol(c))) {
        ssize_t n = conn_recv(c);
        if (n <= 0)
            return n == 0;
    }
    if (c->protocol == PROTO_HTTP2)
        return http2_run(c);
    if (c->protocol == PROTO_HTTP1 && !http1_run(c))
        return false;
    return c->protocol != PROTO_TUNNEL || tunnel_run(c);
}

void conn_run(struct conn *c)
{
    struct loop *l = c->loop;

    l->in_off = l->out_len = 0;
    l->in_len = c->rest_len;
    if (c->rest_len > 0) {
        memcpy(l->in, c->rest, c->rest_len);
        free(c->rest);
        c->rest = NULL;
        c->rest_len = 0;
    }
    if (!run_protocol(c)) {
        conn_close(c, c->ending == END_RESET);
    } else if (l->in_len > l->in_off) {
        c->rest_len = l->in_len - l->in_off;
        c->rest = xmemdup(l->in + l->in_off, c->rest_len);
    }
}
