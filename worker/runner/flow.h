// An open round on one thread: requests leave at the instants of their schedule, whatever the
// answers do. The thread of its loop.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/plan.h"
#include "worker/runner/client.h"
#include "worker/runner/program.h"

struct flow;

struct flow_config {
    struct loop *loop;
    struct client_net *net;
    struct record *record;
    const struct program *program;
    const bool *is_ended;           // by series: nothing of it is to be sent
    const struct plan_round *round; // borrowed
    uint32_t first_series;
    int64_t start_ns; // of the round
    uint32_t thread, n_threads;
    uint64_t first_stream; // see session_new: those from here up to the round's clients
    // All was sent and answered, or stopped. flow_free may be called in it.
    void (*on_done)(void *arg);
    void *arg;
};

// on_done comes later. Requests due before now count as dropped.
struct flow *flow_start(const struct flow_config *config);
// No new requests; those in flight go on, or are cut and counted as aborted. on_done may come
// before it returns.
void flow_stop(struct flow *f, bool abort);
// The iteration of this series, which is_ended has, ends: its requests are cut and counted as
// aborted. on_done may come before it returns.
void flow_cut(struct flow *f, uint32_t series);
// Holds requests back; false: they go on. The schedule does not stop: what was due meanwhile is
// sent late, as far as requests in flight are allowed, and else dropped.
void flow_pause(struct flow *f, bool is_paused);
void flow_free(struct flow *f);                       // NULL is fine
int64_t flow_first_dispatch_ns(const struct flow *f); // 0: none yet
