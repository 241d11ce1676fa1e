// A virtual user: sends its requests one after another, each after the answer to the last. The
// thread of its loop.
#pragma once

#include <stdint.h>

#include "common/plan.h"
#include "worker/runner/conn.h"
#include "worker/runner/record.h"
#include "worker/runner/request.h"
#include "worker/runner/resolve.h"

// What the virtual users of a thread share. The first part is set by the owner.
struct vuser_env {
    struct loop *loop;
    const struct request_set *requests;
    struct resolve *resolve;
    void (*on_done)(struct vuser_env *env); // one virtual user has ended

    struct conn_net *net;
    struct record *record;    // set by the owner too, before the first vuser_start
    struct loop_fifo timeout; // of one request
    struct list users;
    uint64_t n_users;
    bool stopping;             // no new requests
    int64_t first_dispatch_ns; // 0: none yet
};

// After the first part is set. 0 or -ENOMEM.
int vuser_env_init(struct vuser_env *env, int64_t timeout_ns);
// Once all users have ended and the resolver was closed.
void vuser_env_done(struct vuser_env *env);

// Begins at once; due_ns is when it should have, and where its first duration counts from. Lives
// until its iterations are over, or vuser_stop_all.
void vuser_start(struct vuser_env *env, const struct plan_round *round, uint32_t first_series,
                 int64_t due_ns);
// Those that wait end now; requests in flight go on, or are cut and counted as aborted.
void vuser_stop_all(struct vuser_env *env, bool abort);
