// The HTTP client of one virtual user: its connections, and the requests that wait for one. The
// thread of its loop.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "worker/runner/answer.h"
#include "worker/runner/conn.h"
#include "worker/runner/record.h"
#include "worker/runner/request.h"

#define CLIENT_ORIGINS_MAX 10000 // of a thread

struct client;

// What the clients of a thread share.
struct client_net;

struct client_net_config {
    struct conn_net_config conn; // but for ops
    const struct request_set *requests;
    int64_t timeout_ns, first_byte_ns; // of a request; 0: no limit
    int64_t lifetime_ns, idle_ns;      // of a connection; the same
    uint32_t connections_max;          // of a client to one origin
    request_by_proxy_fn *by_proxy;     // of origins that the plan does not have; NULL: none
    const void *by_proxy_arg;
    const char *server_time_header; // borrowed; NULL: none
    enum server_timing_format server_time_format;
};

// NULL, and into why: as conn_net_new.
struct client_net *client_net_new(const struct client_net_config *config, char *why, size_t size);
void client_net_free(struct client_net *net); // after its clients
// Before the first request.
void client_net_set_record(struct client_net *net, struct record *record);
const uint64_t *client_net_n_fds(const struct client_net *net);
// Where a request made of these parts goes: one of the plan's, or a new one. UINT32_MAX: there are
// too many (CLIENT_ORIGINS_MAX). Borrowed until client_net_free.
uint32_t client_net_origin(struct client_net *net, const struct request_parts *parts,
                           const struct request_origin **ret_origin);

// One request and its answer. From exchange_new to exchange_free; between client_send and on_done
// it is the client's.
struct exchange {
    // Set by the owner; exchange_new leaves what may be left out (is_, request, answer, on_answer)
    // empty.
    uint32_t series;
    bool is_part;        // of another request, as images are of a page: only its bytes are counted
    bool is_skipped;     // nothing was sent
    uint16_t status;     // the client's: of the answer
    int64_t intended_ns; // 0: it has no schedule
    // Its outcome is recorded. It may be sent again or freed, and the client closed, in here; a
    // failure may come before client_send returns.
    void (*on_done)(struct exchange *x, bool ok);
    void *owner;
    const struct request *request; // NULL: that of its series. Borrowed until on_done
    struct answer *answer;         // what is kept of the answer; NULL: nothing
    // The answer is whole, redirects were followed: true: client_finish tells later, not in here,
    // that all of it is over. NULL: it is over.
    bool (*on_answer)(struct exchange *x, unsigned status);

    struct list link; // in the client's waiting or held ones, or among the streams of a channel
    struct client *client;
    const struct request *out;  // that goes out now, or has the answer; also for on_answer
    struct hop *hop;            // cookies and redirects; NULL: not yet needed
    struct channel *channel;    // NULL: waits for one
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
    struct list ready, busy, waiting; // channels with and without room, exchanges without one
    uint32_t n_channels;
    bool is_closing;
    struct client_extra *extra; // NULL: not needed so far, as there may be a million clients
};

void client_init(struct client *c, struct client_net *net);
void client_send(struct client *c, struct exchange *x);
// After on_answer gave true: now it is over.
void client_finish(struct client *c, struct exchange *x);
// The exchanges of this series are recorded as aborted and freed, without on_done.
void client_cut(struct client *c, uint32_t series);
// What is in flight is recorded as aborted and freed, without on_done; connections close. May be
// called again.
void client_close(struct client *c);
