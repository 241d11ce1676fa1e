#include "tests/bench/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/str.h"

static const char accepted[] = "HTTP/1.1 200 Connection established\r\n\r\n";
static const char failed[] = "HTTP/1.1 502 Not so\r\nContent-Length: 0\r\n\r\n";

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

// host:port, the host being localhost, 127.0.0.0/8 or [::1].
static bool read_address(const char *authority, union address *ret)
{
    const char *colon = strrchr(authority, ':');
    char host[64] = "";
    uint64_t port;
    size_t len = colon != NULL ? (size_t)(colon - authority) : sizeof host;

    if (len >= sizeof host || str_parse_u64(colon + 1, 1, 65535, &port) != 0)
        return false;
    memcpy(host, authority, len);
    if (strcmp(host, "[::1]") == 0) {
        ret->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                        .sin6_port = htons((uint16_t)port),
                                        .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        return true;
    }
    ret->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
                     &ret->v4.sin_addr) == 1 &&
           ntohl(ret->v4.sin_addr.s_addr) >> 24 == 127;
}

bool tunnel_open(struct conn *c, const char *authority)
{
    union address a = {0};
    int on = 1;

    if (!read_address(authority, &a))
        return false;
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, &a.any, a.any.sa_family == AF_INET6 ? sizeof a.v6 : sizeof a.v4) != 0 &&
        errno != EINPROGRESS) {
        close(fd);
        return false;
    }
    struct conn *up = conn_new(c->loop, fd, false);
    up->protocol = c->protocol = PROTO_TUNNEL;
    up->is_connecting = true;
    up->peer = c;
    c->peer = up;
    stat_add(COUNT_TUNNELS, 1);
    return true;
}

// What a connection is to send; it holds nothing yet.
static void hand_over(struct conn *to, const char *bytes, size_t n)
{
    to->held = xmemdup(bytes, n);
    to->held_len = n;
    to->held_off = 0;
    conn_later(to);
}

static bool connected(struct conn *c)
{
    int error = 0;
    socklen_t len = sizeof error;

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    c->is_connecting = false;
    if (error != 0)
        hand_over(c->peer, failed, sizeof failed - 1);
    else
        hand_over(c->peer, accepted, sizeof accepted - 1);
    return error == 0;
}

bool tunnel_run(struct conn *c)
{
    struct loop *l = c->loop;
    struct conn *peer = c->peer;
    bool was_holding = c->held != NULL;

    if (c->is_connecting) {
        if (!c->writable || peer == NULL)
            return peer != NULL;
        if (!connected(c))
            return false;
        was_holding = true;
    }
    int rc = conn_flush(c);
    if (rc < 0 || (rc > 0 && peer == NULL))
        return false;
    if (peer == NULL)
        return true;
    if (rc > 0 && was_holding)
        conn_later(peer); // it may read again
    if (peer->held != NULL || peer->is_connecting)
        return true;
    if (l->in_len == l->in_off) {
        ssize_t n = conn_recv(c);
        if (n <= 0)
            return n == 0;
    }
    hand_over(peer, l->in + l->in_off, l->in_len - l->in_off);
    l->in_off = l->in_len;
    return true;
}
