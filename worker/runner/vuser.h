// A virtual user of a closed round: runs the iterations of its round, one after another or all
// together. The thread of its loop.
#pragma once

#include <stdint.h>

#include "common/plan.h"
#include "worker/runner/client.h"
#include "worker/runner/program.h"

// What the virtual users of a thread share. The first part is set by the owner, the second by
// vuser_begin_round.
struct vuser_env {
    struct loop *loop;
    struct client_net *net;
    struct record *record;
    const struct program *program;
    uint64_t seed;                          // of think times
    const bool *is_ended;                   // by series: its clients are to go on with the next
    void (*on_done)(struct vuser_env *env); // one virtual user has ended

    const struct plan_round *round;
    uint32_t first_series;
    uint64_t first_stream;
    bool has_sessions; // some iteration needs one

    struct list users;
    uint64_t n_users;
    bool stopping;             // no new requests
    bool is_paused;            // the same, for now
    int64_t first_dispatch_ns; // 0: none yet
};

// stream: of its first client, see session_new; client i has stream + i.
void vuser_begin_round(struct vuser_env *env, const struct plan_round *round, uint32_t first_series,
                       uint64_t first_stream);
// Client i of the round begins at once; due_ns is when it should have, and where its schedule
// counts from. Lives until its iterations are over, or vuser_stop_all.
void vuser_start(struct vuser_env *env, uint32_t i, int64_t due_ns);
// Those that wait end now; requests in flight go on, or are cut and counted as aborted.
void vuser_stop_all(struct vuser_env *env, bool abort);
// The iteration of this series, which is_ended has, ends for all: its requests are cut and counted
// as aborted.
void vuser_cut(struct vuser_env *env, uint32_t series);
// Holds requests back; false: they go on. Schedules do not stop: what was due meanwhile is sent
// late.
void vuser_pause(struct vuser_env *env, bool is_paused);
