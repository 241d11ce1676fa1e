// What was measured in a run: merged windows, each member's part, and the result at its end. PURE.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "common/aggregate.h"
#include "common/judge.h"
#include "common/plan.h"
#include "common/result.h"

#include "master/daemon/cluster.h"

// What a member reported in its FIN.
struct run_fin {
    struct metrics_counters totals; // over all series
    bool no_totals;                 // its runner died before it told them
    char *failure;                  // NULL: went to its end
    bool has_start;
    int64_t start_skew_ns, start_error_ns, joined_ns;
};

// A member's part, by cluster_member.source.
struct run_part {
    int64_t last_k;                 // -1: none
    struct metrics_counters merged; // over all series, from its windows
    uint64_t errors;
    bool has_fin; // committed
    struct run_fin fin;
};

struct run {
    char id[CLUSTER_RUN_ID_MAX + 1];
    struct plan *plan;
    char *plan_text; // canonical JSON
    struct aggregate *aggregate;
    struct judge *judge;
    int64_t judged_k;            // newest second that it has seen; -2: none
    struct metrics_window *late; // what came for seconds that it had seen
    bool has_late;
    struct run_part *parts;
    size_t n_parts;
    int64_t opened_ms, started_ms, ended_ms; // Unix time; 0: not yet
    int64_t last_fin_ns;                     // CLOCK_BOOTTIME when the newest FIN came
    bool durable;
    int64_t hold_ns; // until then workers may be on their way back after a restart of the master
    struct result_outage *outages;
    size_t n_outages;
    char *reason; // why it could not go on; NULL: it could
    uint64_t late_windows, late_requests;
    json_t *result;    // once it is over
    int64_t changed_k; // least k changed since run_take_changed; INT64_MAX: none
};

// Takes plan. warn: as judge_new.
struct run *run_new(const char *id, struct plan *plan, int64_t now_ms,
                    void (*warn)(void *arg, const char *text), void *arg);
void run_free(struct run *run);

// A committed window of a member.
void run_add_window(struct run *run, uint32_t source, const struct metrics_window *w);
// Shows the judge the seconds that are new: each once every active member's window of it is in, or
// 2 s after its end; all of them when the run is over. How many ends are new, the last of
// judge_ends.
size_t run_judge(struct run *run, const struct cluster_run *state, int64_t now_ns);
// A FIN as it came; it counts with run_commit_fin. Takes fin's text.
void run_add_fin(struct run *run, uint32_t source, struct run_fin *fin, int64_t now_ns);
void run_commit_fin(struct run *run, uint32_t source);
void run_add_late(struct run *run, uint64_t windows, uint64_t requests);
// --- After a restart of the master ---

// What was stored of a member; fin_ns: when its FIN came. Before any window. Takes part's text.
void run_restore_part(struct run *run, uint32_t source, struct run_part *part, int64_t fin_ns);
// A part of a second that was stored, ascending. The judge sees the seconds before it, as far as
// it saw them when they came.
void run_restore_window(struct run *run, const struct cluster_run *state,
                        const struct aggregate_share *shares, size_t n,
                        const struct metrics_window *w);
// No second is overdue before until_ns: whoever is lost may still hand it over.
void run_hold(struct run *run, int64_t until_ns);
// The master was not there, by CLOCK_BOOTTIME.
void run_add_outage(struct run *run, int64_t from_ns, int64_t to_ns);

// Never NULL; all zero before a member's first window.
const struct run_part *run_part_at(const struct run *run, uint32_t source);

// T0 to the last completion known, as far as the run got.
int64_t run_duration_ns(const struct run *run, const struct cluster_run *state, int64_t now_ns);
// The document of docs/result.md, without a verdict while the run is open; a new reference.
json_t *run_result(const struct run *run, const struct cluster_run *state, int64_t now_ns);
// Points that changed since the last time, as far as they are among the newest max; all true: all.
// NULL: none. Borrowed like aggregate_points.
const struct aggregate_point *run_take_changed(struct run *run, bool all, size_t max,
                                               size_t *ret_n);
