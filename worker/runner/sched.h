// When virtual users arrive, and until when they work. PURE.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// The arrivals of one round that fall to one of n_threads threads: client i is due at
// start_ns + i * delay_ms and belongs to thread i mod n_threads.
struct sched {
    int64_t start_ns, delay_ms;
    uint64_t n_clients; // of all threads
    uint64_t next;      // client; >= n_clients: none is left
    uint32_t n_threads;
};

void sched_init(struct sched *s, int64_t start_ns, uint64_t delay_ms, uint64_t n_clients,
                uint32_t thread, uint32_t n_threads);
// Due time of the next arrival of this thread; false: none is left. INT64_MAX stands for beyond.
bool sched_peek(const struct sched *s, int64_t *ret_due_ns);
void sched_pop(struct sched *s);

// When a client that began at begin_ns ends; INT64_MAX stands for beyond.
int64_t sched_end_ns(int64_t begin_ns, uint64_t duration_s);
// How long a client waits after its n-th failure in a row, n >= 1.
int64_t sched_pause_ns(unsigned n, bool counted);
