// Merging of windows: over workers within a second, over seconds into totals and a timeline. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/generator.h"
#include "common/metrics.h"

// One second of the whole cluster, small enough to keep all of a run.
struct aggregate_point {
    int64_t k;
    uint64_t n_sources;                          // workers whose window k is in
    uint64_t started, completed, failed, errors; // errors: metrics_n_errors
    uint64_t dropped;
    uint64_t paused_us; // that a watchdog held requests back, on the worker where it was longest
    uint64_t generator; // enum generator_state of the worker that was worst
    uint64_t bytes_sent, bytes_received;
    uint64_t in_flight; // each source's latest up to k; none of one silent for keep_s
    uint64_t p50_us, p90_us, p95_us, p99_us, p999_us, max_us; // service latency of this second
};

struct aggregate;

// Windows below the horizon (newest k minus keep_s) are merged into the totals for good; a later
// one for such a k still counts in totals and in its point's counters, not in its percentiles.
struct aggregate *aggregate_new(uint32_t n_series, uint32_t keep_s);
void aggregate_free(struct aggregate *a);

// Borrows w. k from -1 to 31536000 and at most AGGREGATE_GAP_MAX beyond the newest (one window must
// not ask for points of a year), else -ERANGE and nothing is counted. source < 100000 identifies
// who sent it, for n_sources and the gauges.
#define AGGREGATE_GAP_MAX 86400
int aggregate_add(struct aggregate *a, uint32_t source, const struct metrics_window *w);

// One source's share in a window that those of several were merged into.
struct aggregate_share {
    uint32_t source;
    uint64_t in_flight;
    struct generator_look look;
};
struct aggregate_share aggregate_share(uint32_t source, const struct metrics_window *w);
// The same, of a window that n sources have a share in.
int aggregate_add_merged(struct aggregate *a, const struct aggregate_share *shares, size_t n,
                         const struct metrics_window *w);

// Borrowed until the next call that takes a non-const a. Totals: n_series series, histograms
// included.
const struct metrics_series *aggregate_totals(const struct aggregate *a);
// All series in one, histograms included.
const struct metrics_series *aggregate_total(const struct aggregate *a);
// Points in ascending k without holes from 0 (or the least k).
const struct aggregate_point *aggregate_points(const struct aggregate *a, size_t *ret_n);
// The point of k, or NULL.
const struct aggregate_point *aggregate_point_at(const struct aggregate *a, int64_t k);
// n_sources of that point, else 0: to be asked after each window, of which the others take a merge.
uint64_t aggregate_n_sources(const struct aggregate *a, int64_t k);
// The merged window k while it is above the horizon, else NULL: for heat maps, per-series rates and
// the store.
const struct metrics_window *aggregate_window(const struct aggregate *a, int64_t k);
int64_t aggregate_newest(const struct aggregate *a); // -1: none yet
// Of this source's seconds; of seconds before T0 nothing.
const struct generator *aggregate_generator(const struct aggregate *a, uint32_t source);
