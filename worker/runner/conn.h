// One transport connection: name, TCP, TLS, bytes. Completion-shaped: what was asked for is
// reported by a call-back, so that another backend than readiness fits. The thread of its loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event_struct.h>
#include <openssl/types.h>

#include "common/metrics.h"
#include "worker/runner/loop.h"
#include "worker/runner/request.h"
#include "worker/runner/resolve.h"

// Beyond it connections wait their turn, so that a thousand clients that arrive at once do not
// flood a listen queue; waiting counts into the request's timeout.
#define CONN_HANDSHAKES_MAX 256

struct conn;

struct conn_ops {
    // In these two the connection may be sent on, but not closed.
    void (*on_open)(struct conn *c);
    void (*on_sent)(struct conn *c, size_t n); // n more bytes went out; see conn_is_sent
    // In these three it may be closed and used again, and what it is embedded in freed.
    // bytes is NULL for n bytes that were thrown away as conn_discard allowed. True: read on;
    // false: not before the peer sends again.
    bool (*on_data)(struct conn *c, const char *bytes, size_t n);
    void (*on_end)(struct conn *c); // the peer will send no more; the connection is still to close
    void (*on_fail)(struct conn *c, enum metrics_error kind, const char *why); // is closed
};

// What the connections of one thread share.
struct conn_net;

struct conn_net_config {
    struct loop *loop;
    struct resolve *resolve;
    const struct request_origin *origins; // borrowed
    uint32_t n_origins;
    const struct conn_ops *ops;
};

struct conn_net *conn_net_new(const struct conn_net_config *config); // NULL: no TLS to be had
// After its connections were closed, and the resolver too.
void conn_net_free(struct conn_net *net);
const uint64_t *conn_net_n_fds(const struct conn_net *net); // descriptors open now

enum conn_state {
    CONN_CLOSED = 0,
    CONN_QUEUED, // for one of CONN_HANDSHAKES_MAX
    CONN_NAME,
    CONN_TCP,
    CONN_TLS,
    CONN_OPEN,
};

// Zero-initialise and set net; small, as there may be a million.
struct conn {
    struct conn_net *net;
    struct event ev;
    SSL *ssl; // NULL: plain
    int fd;
    enum conn_state state;
    uint32_t origin;
    uint8_t address, n_tried; // index in the origin's answer
    bool peer_closed;         // its end was seen beside data
    bool is_early;            // it spoke before it was asked
    int send_errno;           // sending has failed; what can be read comes first
    const char *out;          // being sent
    size_t out_len, out_sent;
    uint64_t discard;
    struct list link;               // queue for a handshake, for a name, or to be read again
    struct loop_timeout next_try;   // of another address
    int64_t begin_ns, step_ns;      // of the connect; of its present step
    int64_t dns_ns, tcp_ns, tls_ns; // how long each step took, -1: there was none
};

// From CLOSED. on_fail may come before it returns.
void conn_connect(struct conn *c, uint32_t origin);
// From OPEN, when all before is sent. Borrows bytes until sent or closed. on_sent may come before
// it returns; nothing else does.
void conn_send(struct conn *c, const char *bytes, size_t n);
bool conn_is_sent(const struct conn *c);
// The next n bytes are of no interest. Holds for the next read.
void conn_discard(struct conn *c, uint64_t n);
void conn_close(struct conn *c); // CLOSED is fine; no call-back
