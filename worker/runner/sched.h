// When clients arrive, when requests are due, and until when. PURE.
//
// All instants are on the caller's monotonic clock, in ns, and computed from the start, never from
// the instant before: nothing drifts. INT64_MAX stands for beyond. With n_threads threads thread i
// has the events k with k mod n_threads = i; k counts over all threads.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/plan.h"

// Arrivals of the clients of a closed round, in order: docs/plan.md, stages.
struct sched_clients {
    const struct plan_round *round; // borrowed
    uint32_t n_threads;
    uint64_t next;        // client, over all stages; >= round->n_clients: none is left
    size_t stage;         // of next
    uint64_t stage_first; // its first client
    int64_t stage_start_ns;
};

// start_ns: when the round begins; its startup delay counts from there.
void sched_clients_init(struct sched_clients *s, const struct plan_round *round, int64_t start_ns,
                        uint32_t thread, uint32_t n_threads);
// Due instant of this thread's next arrival; false: none is left.
bool sched_clients_peek(const struct sched_clients *s, int64_t *ret_due_ns);
void sched_clients_pop(struct sched_clients *s);

// Requests of an open iteration: request k is due when the integral of the rate from the start
// passes k, so the first one at once, unless the rate is 0 for a while at first; only before the
// duration is over, so ceil(integral) in all; while the rate stays 0, none. Exact at a constant
// rate, rounded down to a ns; in a ramp within a few ns. The plan's limits hold: no rate beyond
// PLAN_RATE_MAX_MHZ, no duration (of a ramp the sum) beyond PLAN_DURATION_MAX_S.
struct sched_rate {
    const struct plan_iteration *iteration; // borrowed
    int64_t start_ns;
    uint32_t n_threads;
    uint64_t next;      // k
    size_t segment;     // of the ramp, that of next
    uint64_t before;    // integral up to the segment, in 1/2000 request
    int64_t segment_ns; // its begin, from the start
};

void sched_rate_init(struct sched_rate *s, const struct plan_iteration *iteration, int64_t start_ns,
                     uint32_t thread, uint32_t n_threads);
bool sched_rate_peek(const struct sched_rate *s, int64_t *ret_due_ns);
void sched_rate_pop(struct sched_rate *s);
// Passes over all that were due before now_ns; how many. O(1) in their number.
uint64_t sched_rate_skip(struct sched_rate *s, int64_t now_ns);

// Batches of one client in CB (for ever), CRB (the last may be smaller) and DCB (before the
// duration is over), on the grid start + b * cool-down.
struct sched_batch {
    const struct plan_iteration *iteration; // borrowed
    int64_t start_ns;
    uint64_t next; // batch
};

void sched_batch_init(struct sched_batch *s, const struct plan_iteration *iteration,
                      int64_t start_ns);
// Its due instant, and how many requests it has; false: none is left.
bool sched_batch_peek(const struct sched_batch *s, int64_t *ret_due_ns, uint64_t *ret_n);
void sched_batch_pop(struct sched_batch *s);

// begin_ns + duration.
int64_t sched_after_s(int64_t begin_ns, uint64_t duration_s);
int64_t sched_after_ms(int64_t begin_ns, uint64_t duration_ms);
// How long a client waits after its n-th failure in a row, n >= 1.
int64_t sched_pause_ns(unsigned n, bool counted);
