// Asks the watchdog at its pace whether requests are to be held back, and remembers when they were.
// Main thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/plan.h"
#include "lps.pb-c.h"
#include "worker/runner/loop.h"

struct gate;

struct gate_config {
    const struct plan *plan;                   // borrowed
    const Lps__V1__WatchdogSettings *settings; // borrowed
    struct loop *loop;
    int64_t k_origin_ns;
    uint64_t (*in_flight)(uint32_t series, void *arg); // now
    void (*on_change)(bool is_paused, void *arg);
    void (*on_warning)(const char *text, void *arg);
    void *arg;
};

struct gate *gate_start(const struct gate_config *config);
void gate_stop(struct gate *g); // no more looks; NULL is fine, as below
void gate_free(struct gate *g);
// How long requests were held back within second k, up to now. k no less than at the last call.
uint64_t gate_paused_us(struct gate *g, int64_t k);
