// The one stream to the master: Hello, Welcome, heartbeats with the clock, and its return after
// each loss. Loop thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/conf.h"
#include "common/rpc.h"
#include "lps.pb-c.h"

struct uplink;

// Messages are borrowed. Welcome and ClockPong are the uplink's own.
struct uplink_ops {
    void (*on_up)(const Lps__V1__Welcome *welcome, void *arg);
    // A stream was lost or an attempt failed; text says it for people: "master 127.0.0.1:5001:
    // Connection refused (after 0.0 s)". fresh: for another reason than last time.
    void (*on_down)(const char *text, bool fresh, void *arg);
    void (*on_message)(const Lps__V1__MasterMessage *message, void *arg);
    void (*on_clock)(void *arg);   // uplink_map works from now on, until on_down
    void (*on_drained)(void *arg); // after -EAGAIN: send on
};

// Starts to connect at once. conf is borrowed.
struct uplink *uplink_new(struct rpc_loop *loop, struct event_base *base, const struct conf *conf,
                          const struct uplink_ops *ops, void *arg);
// No call-back from then on. Before rpc_loop_free, which frees the rest.
void uplink_free(struct uplink *u);

bool uplink_is_up(const struct uplink *u); // Welcome came
// 0, -EAGAIN (on_drained will come) or -EPIPE: not up.
int uplink_send(struct uplink *u, const Lps__V1__WorkerMessage *message);
// An instant of the master's CLOCK_BOOTTIME on the own CLOCK_MONOTONIC. 0; -EAGAIN: too few clock
// samples yet; -ESTALE: of another boot of the master, or no instant.
int uplink_map(const struct uplink *u, const char *boot_id, int64_t master_ns, int64_t *ret_own_ns,
               int64_t *ret_error_ns);
const char *uplink_address(const struct uplink *u);
const char *uplink_trouble(const struct uplink *u); // NULL: none, or no attempt has ended yet
