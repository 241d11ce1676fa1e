// Whether a load generator kept up, so that its numbers say what they are worth. PURE.
#pragma once

#include <stdint.h>

#include "common/metrics.h"

enum generator_state {
    GENERATOR_UNDEFINED = 0, // nothing to judge by
    GENERATOR_CLEAN,
    GENERATOR_DEGRADED,
    GENERATOR_LIMITED, // what was measured is rather the generator than the target
    GENERATOR_STATE__COUNT,
};

// In the order in which they are named where several are reached.
enum generator_limit {
    GENERATOR_NONE = 0,
    GENERATOR_SOCKETS, // requests that found no port, descriptor or buffer
    GENERATOR_CPU,   // percent of the time in which the busiest event loop had a CPU or waited for
                     // one
    GENERATOR_STEAL, // percent of the CPUs that the hypervisor gave to others
    GENERATOR_LOOP,  // longest time in ms that an event loop did not look at its sockets
    GENERATOR_WATCHDOG, // ms in which it held requests back
    GENERATOR_LIMIT__COUNT,
};

extern const char *const generator_state_name[GENERATOR_STATE__COUNT]; // "generator-limited"
extern const char *const generator_limit_name[GENERATOR_LIMIT__COUNT]; // "cpu", NULL for none

// From which value on a second is degraded, and limited.
struct generator_bounds {
    uint64_t degraded, limited;
};
extern const struct generator_bounds generator_bounds[GENERATOR_LIMIT__COUNT];

struct generator_look {
    enum generator_state state;
    enum generator_limit limit; // that made it so
    uint64_t value;             // of the limit
};

// Of one second of one worker.
struct generator_look generator_look(const struct metrics_window *w);

// One worker's seconds so far. Zero-initialise.
struct generator {
    uint64_t n_seconds, n_degraded, n_limited; // limited ones are not among the degraded
    struct generator_reach {
        uint64_t n;                 // seconds that it made degraded or limited
        enum generator_state state; // worst of them
        uint64_t value;             // and its value
    } reach[GENERATOR_LIMIT__COUNT];
};

void generator_add(struct generator *g, const struct generator_look *look);
// Of all its seconds: limited (or degraded) where more than a tenth of them were; one request
// without a socket is enough. The limit is the one that was reached in most seconds.
struct generator_look generator_verdict(const struct generator *g);
// "an event loop was away for up to 99 ms, in 12 of 60 s"; "" where it is clean. The caller frees.
char *generator_text(const struct generator *g);
