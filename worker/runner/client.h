// The HTTP client of one virtual user: its connections, and the requests that wait for one. The
// thread of its loop.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "worker/runner/conn.h"
#include "worker/runner/record.h"
#include "worker/runner/request.h"

struct client;

// What the clients of a thread share.
struct client_net;

struct client_net_config {
    struct conn_net_config conn; // but for ops
    const struct request_set *requests;
    int64_t timeout_ns, first_byte_ns; // of a request; 0: no limit
    int64_t lifetime_ns, idle_ns;      // of a connection; the same
    uint32_t connections_max;          // of a client to one origin
};

// NULL, and into why: as conn_net_new.
struct client_net *client_net_new(const struct client_net_config *config, char *why, size_t size);
void client_net_free(struct client_net *net); // after its clients
// Before the first request.
void client_net_set_record(struct client_net *net, struct record *record);
const uint64_t *client_net_n_fds(const struct client_net *net);

// One request and its answer. From exchange_new to exchange_free; between client_send and on_done
// it is the client's.
struct exchange {
    // The next three are set by the owner.
    uint32_t series;
    int64_t intended_ns; // 0: it has no schedule
    // Its outcome is recorded. It may be sent again or freed, and the client closed, in here; a
    // failure may come before client_send returns.
    void (*on_done)(struct exchange *x, bool ok);
    void *owner;

    struct list link; // in the client's waiting ones, or among the streams of a channel
    struct client *client;
    struct channel *channel; // NULL: waits for one
    const struct request *request;
    int32_t stream;             // HTTP/2
    bool is_reused;             // the connection had served before this request
    bool is_resent;             // on a fresh connection
    bool is_whole;              // the request went out in full
    bool has_byte;              // of the answer
    struct exchange *next_sent; // of one flush
    struct record_times times;
    struct loop_timeout timeout, first_byte;
};

struct exchange *exchange_new(struct client_net *net);
void exchange_free(struct client_net *net, struct exchange *x);

struct client {
    struct client_net *net;
    struct list ready, busy,
        waiting; // channels that can take a request, those that cannot, requests
    uint32_t n_channels;
    struct client_session *sessions; // of TLS, by origin
    bool is_closing;
};

void client_init(struct client *c, struct client_net *net);
void client_send(struct client *c, struct exchange *x);
// What is in flight is recorded as aborted and freed, without on_done; connections close. May be
// called again.
void client_close(struct client *c);
