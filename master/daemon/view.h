// What the master shows: the state document, frames of a run, one line of status. PURE.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "master/daemon/cluster.h"
#include "master/daemon/run.h"

struct view {
    const struct cluster *cluster;
    const struct run *run; // NULL: none yet
    const char *node;
    bool master_is_worker;
    uint32_t expected;
    uint64_t bad_messages, bad_requests, late_windows, late_requests;
    int64_t now_ns, now_ms; // CLOCK_BOOTTIME; Unix time
};

// "no run", "1/2 workers", "2/2 workers, starts in 1.9 s", "2 workers, 14 s, 1402 requests"; into
// out, returns out.
char *view_status(const struct view *v, char *out, size_t size);
// The document "lps.state/1" of docs/api.md; a new reference.
json_t *view_state(const struct view *v);
// The data of a "frame" event with these points; a new reference.
json_t *view_frame(const struct run *run, const struct aggregate_point *points, size_t n);
// What the run's result would be flagged with now; a new reference.
json_t *view_flags(const struct cluster_run *state, const struct run *run);
