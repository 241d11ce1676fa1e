// One transport connection: name, TCP, proxy, TLS, bytes. Completion-shaped: what was asked for is
// reported by a call-back, so that another backend than readiness fits. The thread of its loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event_struct.h>

#include "common/metrics.h"
#include "common/str.h"
#include "worker/runner/loop.h"
#include "worker/runner/request.h"
#include "worker/runner/resolve.h"
#include "worker/runner/tls.h"

// Beyond it connections wait their turn, so that a thousand clients that arrive at once do not
// flood a listen queue; waiting counts into the request's timeout.
#define CONN_HANDSHAKES_MAX 256

struct conn;

struct conn_ops {
    // In this one the connection may be sent on, but not closed.
    void (*on_sent)(struct conn *c, size_t n); // n >= 0 more bytes were taken; see conn_is_sent
    // In these it may be closed and used again, and what it is embedded in freed.
    void (*on_open)(struct conn *c);
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
    const struct tls_identity *const *identities; // by origin, NULL: none; borrowed
    const struct conn_ops *ops;
    struct tls_net_config tls; // of which ca has to stay
    const char *proxy_host;    // borrowed; of origins that go by proxy
    uint16_t proxy_port;
    const union resolve_address *sources; // local addresses, taken in turn; borrowed
    uint32_t n_sources;                   // 0: the system chooses
    uint32_t first_source;                // where the turn begins
    int64_t connect_ns;                   // TCP, proxy and TLS may take so long; 0: no limit
};

// NULL, and into why: no TLS to be had, or no PEM in the authorities.
struct conn_net *conn_net_new(const struct conn_net_config *config, char *why, size_t size);
// After its connections were closed, and the resolver too.
void conn_net_free(struct conn_net *net);
// One more origin, by the next index; both are borrowed.
void conn_net_add_origin(struct conn_net *net, const struct request_origin *request,
                         const struct tls_identity *identity);
const uint64_t *conn_net_n_fds(const struct conn_net *net); // descriptors open now

enum conn_state {
    CONN_CLOSED = 0,
    CONN_QUEUED, // for one of CONN_HANDSHAKES_MAX
    CONN_NAME,
    CONN_TCP,
    CONN_PROXY, // asked for a tunnel
    CONN_TLS,
    CONN_OPEN,
};

// Zero-initialise and set net; small, as there may be a million.
struct conn {
    struct conn_net *net;
    struct event ev;
    struct tls *tls;       // NULL: plain
    SSL_SESSION *session;  // to resume with, until open
    struct tunnel *tunnel; // while CONN_PROXY
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
    struct loop_timeout limit;      // of connecting
    int64_t begin_ns, step_ns;      // of the connect; of its present step
    int64_t dns_ns, tcp_ns, tls_ns; // how long each step took, -1: there was none
};

// From CLOSED. on_fail may come before it returns. session: to resume, or NULL.
void conn_connect(struct conn *c, uint32_t origin, SSL_SESSION *session);
// From OPEN, when all before is sent. Borrows bytes until sent or closed. on_sent may come before
// it returns; nothing else does.
void conn_send(struct conn *c, const char *bytes, size_t n);
bool conn_is_sent(const struct conn *c);
// What is not sent yet moves to out, and is borrowed from there.
void conn_keep(struct conn *c, struct buf *out);
// The next n bytes are of no interest. Holds for the next read.
void conn_discard(struct conn *c, uint64_t n);
void conn_close(struct conn *c); // CLOSED is fine; no call-back
