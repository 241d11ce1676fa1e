// One connection of a client with the protocol that it speaks: exchanges on it, bytes in it. Only
// for client.c. The thread of its loop.
#pragma once

#include "worker/runner/client.h"
#include "worker/runner/http1.h"
#include "worker/runner/http2.h"
#include "worker/runner/origins.h"

#define CHANNEL_OUT_SIZE (64 * 1024)

struct client_net {
    struct client_net_config config;
    struct conn_net *conn;
    struct loop *loop;
    struct record *record;
    struct loop_fifo timeout, first_byte, idle;
    struct list spare; // exchanges
    struct origins *origins;
    bool *is_http1; // by origin: it was offered HTTP/2 and chose HTTP/1
    uint32_t is_http1_cap;
    struct http1_known *known;    // by series
    struct list flush;            // channels that have something to send at the end of this pass
    struct loop_late late;        // that flushes them
    int64_t unix_s, unix_read_ns; // the time for cookies, and when it was read
    char out[CHANNEL_OUT_SIZE];
};

enum channel_protocol {
    CHANNEL_CONNECTING = 0,
    CHANNEL_HTTP1,
    CHANNEL_HTTP2,
};

struct channel {
    struct conn conn;
    struct list link;       // in the client's ready or busy ones
    struct client *client;  // may be gone when is_gone
    struct client_net *net; // also then
    enum channel_protocol protocol;
    bool is_ready, is_used, is_flushing;
    bool is_refusing;  // its server did not take a request
    bool is_gone;      // closed while held
    uint8_t n_holds;   // HTTP/2: it is at work, and freed after that
    uint32_t n_served; // answers
    uint32_t series;   // that it was opened for
    uint32_t n_sent;   // HTTP/2: bytes of streams in this flush
    int64_t opened_ns;
    struct exchange *exchange; // that it was opened for; HTTP/1: at work
    struct loop_timeout idle;
    union {
        struct http1 http1;
        struct {
            struct http2 *session;
            struct list streams; // exchanges
            struct list flush;
            struct exchange *sent; // whole in this flush, by next_sent
            struct buf out;        // what a full socket did not take
        } http2;
    };
};

// Opens a connection for x.
void channel_open(struct client *c, struct exchange *x, SSL_SESSION *session);
// Sends x; the channel is ready.
void channel_send(struct channel *ch, struct exchange *x);
// x goes no further here: HTTP/1 closes, HTTP/2 resets its stream.
void channel_drop(struct channel *ch, struct exchange *x);
void channel_close(struct channel *ch); // without a word to its exchanges
// One of its exchanges, which it forgets without a word to the server; NULL: it has none.
struct exchange *channel_take(struct channel *ch);
// One of its exchanges that is of this series; NULL: none.
struct exchange *channel_find(struct channel *ch, uint32_t series);
// It is to take no more requests: too old, or its server said so.
bool channel_is_worn(const struct channel *ch);
// How many requests it takes at once is known. Until then it may turn out to have room for all.
bool channel_is_known(const struct channel *ch);
// Into the list that fits what it can do now; closed when it is worn and nobody needs it.
void channel_settle(struct channel *ch);
extern const struct conn_ops channel_conn_ops;
// Sends what streams of this thread wait to send.
void channel_flush_all(struct loop_late *late);

// To client.c, from a channel:
// Of the answer of x: as in http1_ops.
void client_on_head(struct exchange *x, unsigned status, const char *reason, size_t len);
void client_on_field(struct exchange *x, const char *name, size_t name_len, const char *value,
                     size_t value_len);
// The protocol is chosen; x is to be sent on it now.
void client_on_open(struct channel *ch, struct exchange *x);
// x is whole; the channel is closed, or settled in its list.
void client_on_answer(struct exchange *x, unsigned status);
// x failed; the channel is closed, or has forgotten it. again: it may go out once more.
void client_on_failure(struct exchange *x, enum metrics_error kind, const char *why, bool again);
// The channel may have got room, and nothing else tells.
void client_on_room(struct client *c, uint32_t origin);
void client_keep_session(struct client *c, uint32_t origin, SSL_SESSION *session); // takes it
