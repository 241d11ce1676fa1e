// How much memory and CPU this process takes, for the watchdog. One thread.
#pragma once

#include <stdint.h>

#include "worker/runner/watchdog.h"

struct pressure {
    int statm;             // proc(5); open from the start, as descriptors may run out
    uint32_t n_cpu;        // that the process may use
    int64_t at_ns, cpu_ns; // of the sample before
};

// Always works; then pressure_done. now_ns: CLOCK_MONOTONIC.
void pressure_init(struct pressure *p, int64_t now_ns);
void pressure_done(struct pressure *p);
// CPU that this thread has used, and time that it waited for one.
uint64_t pressure_thread_us(void);
// Since the boot, for each CPU of the host on average; 0 where the system does not tell.
uint64_t pressure_steal_us(void);
// Memory that is the process's own (resident, of no file), and CPU time since the sample before.
// The rest of sample stays. 0; -EINVAL: now_ns is not after the sample before; -errno: the system
// does not tell. sample is untouched then.
int pressure_sample(struct pressure *p, int64_t now_ns, struct watchdog_sample *sample);
