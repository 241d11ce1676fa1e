// The threads of a run: rounds in sequence over all of them, their windows merged into one a
// second. Main thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/metrics.h"
#include "common/plan.h"
#include "lps.pb-c.h"
#include "worker/runner/client.h"
#include "worker/runner/loop.h"
#include "worker/runner/program.h"

struct engine;

struct engine_config {
    const struct plan *plan; // borrowed
    struct program *program; // of the plan, borrowed
    uint64_t seed;
    const Lps__V1__WatchdogSettings *watchdog; // borrowed; NULL: none
    struct client_net_config client; // but for loop, resolver and call-backs; borrows as it says
    struct loop *main;               // call-backs come here
    uint32_t n_threads;
    int64_t start_ns, k_origin_ns, drain_ns;
    // Ascending k, each once, also those without events. Borrowed.
    void (*on_window)(const struct metrics_window *w, void *arg);
    // The watchdog's, when it holds requests back or lets them go.
    void (*on_warning)(const char *text, void *arg);
    // All threads have ended, after the last window.
    void (*on_end)(void *arg);
    void *arg;
};

struct engine_outcome {
    struct metrics_series *totals; // by series, without histograms; borrowed
    bool cancelled;
    int64_t first_dispatch_ns; // 0: none
};

// NULL, and into why what is lacking: threads, descriptors, TLS.
struct engine *engine_start(const struct engine_config *config, char *why, size_t size);
// No new requests; those in flight get drain_ns, or are cut. A second call may only be harder.
void engine_stop(struct engine *e, bool abort);
// The iteration of this series ends: its requests in flight are cut, and clients go on with the
// next one.
void engine_end(struct engine *e, uint32_t series);
// After on_end.
void engine_outcome(const struct engine *e, struct engine_outcome *ret_outcome);
// After on_end, NULL is fine.
void engine_free(struct engine *e);
