// A virtual user of a closed round: runs the iterations of its round, one after another or all
// together. The thread of its loop.
#pragma once

#include <stdint.h>

#include "common/plan.h"
#include "worker/runner/client.h"

// What the virtual users of a thread share. The first part is set by the owner.
struct vuser_env {
    struct loop *loop;
    struct client_net *net;
    struct record *record;
    void (*on_done)(struct vuser_env *env); // one virtual user has ended

    struct list users;
    uint64_t n_users;
    bool stopping;             // no new requests
    int64_t first_dispatch_ns; // 0: none yet
};

// Begins at once; due_ns is when it should have, and where its schedule counts from. Lives until
// its iterations are over, or vuser_stop_all.
void vuser_start(struct vuser_env *env, const struct plan_round *round, uint32_t first_series,
                 int64_t due_ns);
// Those that wait end now; requests in flight go on, or are cut and counted as aborted.
void vuser_stop_all(struct vuser_env *env, bool abort);
