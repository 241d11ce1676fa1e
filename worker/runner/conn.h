// One transport connection, plain or TLS, on a thread's loop: connect, send, receive, close. The
// thread of its loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/ssl.h>

#include "common/metrics.h"
#include "worker/runner/loop.h"
#include "worker/runner/request.h"
#include "worker/runner/resolve.h"

// What the connections of a thread share.
struct conn_env {
    struct loop *loop;
    SSL_CTX *tls; // NULL where no request needs it
    uint64_t n_fds;
};

struct conn;

// In none of them may the conn be freed; it may be closed and opened again.
struct conn_ops {
    void (*on_open)(struct conn *c, int64_t tcp_ns, int64_t tls_ns); // tls_ns -1: plain
    void (*on_sent)(struct conn *c);     // all bytes of conn_send are with the kernel
    void (*on_readable)(struct conn *c); // conn_recv until it says so
    void (*on_error)(struct conn *c, enum metrics_error kind,
                     const char *why); // it is closed already
};

enum conn_state { CONN_CLOSED = 0, CONN_CONNECTING, CONN_HANDSHAKING, CONN_OPEN };

struct conn {
    struct conn_env *env;
    const struct conn_ops *ops;
    enum conn_state state;
    int fd;
    SSL *ssl;
    struct event event;
    short interest;
    bool peer_closed; // the end of the stream is in the kernel: read on until it comes
    const struct request_origin *origin;
    const struct resolve_answer *addresses; // borrowed while connecting
    uint32_t next_address;
    int64_t begin_ns, tcp_done_ns;
    const char *out; // borrowed until on_sent
    size_t out_len;
};

void conn_init(struct conn *c, struct conn_env *env, const struct conn_ops *ops);
// Tries all addresses in turn. on_open or on_error follows, the latter perhaps at once.
void conn_open(struct conn *c, const struct request_origin *origin,
               const struct resolve_answer *addresses);
// On an open connection with nothing on its way. on_sent or on_error follows, perhaps at once.
void conn_send(struct conn *c, const char *bytes, size_t n);
// As recv: bytes, 0 at the end, -EAGAIN, -errno; -EPROTO: TLS failed. NULL bytes: discards, on
// plain connections.
ssize_t conn_recv(struct conn *c, char *bytes, size_t n);
// Whether a read that returned got of asked bytes may have left something unread for which no event
// will come.
bool conn_has_more(const struct conn *c, size_t got, size_t asked);
void conn_close(struct conn *c); // closed is fine; no call-back
// The kind of a failed connect, send or receive.
enum metrics_error conn_error_kind(int error);
