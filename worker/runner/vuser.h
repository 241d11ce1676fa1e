// A virtual user: sends its requests one after another, each after the answer to the last. The
// thread of its loop.
#pragma once

#include <stdint.h>

#include "common/plan.h"
#include "worker/runner/conn.h"
#include "worker/runner/record.h"
#include "worker/runner/request.h"
#include "worker/runner/resolve.h"

// What the virtual users of a thread share. The first part is set by the owner before the first
// vuser_start.
struct vuser_env {
    struct conn_env conn;
    struct record *record;
    const struct request_set *requests;
    struct resolve *resolve;
    struct resolve_answer *answers;         // by origin; n = 0: not known yet
    struct loop_fifo timeout;               // of one request
    void (*on_done)(struct vuser_env *env); // one virtual user has ended

    struct list users, zombies;
    uint64_t n_users;
    bool stopping;             // no new requests
    int64_t first_dispatch_ns; // 0: none yet
};

// After conn and the rest of the first part are set.
void vuser_env_init(struct vuser_env *env, int64_t timeout_ns);
// Once no question to resolve can be answered any more.
void vuser_env_done(struct vuser_env *env);

// Begins at once. Lives until its iterations are over, or vuser_stop_all.
void vuser_start(struct vuser_env *env, const struct plan_round *round, uint32_t first_series);
// Those that wait end now; requests in flight go on, or are cut and counted as aborted.
void vuser_stop_all(struct vuser_env *env, bool abort);
