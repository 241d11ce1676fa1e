// Holds back requests while this host is under pressure, so that it does not fall over. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lps.pb-c.h"

enum watchdog_state {
    WATCHDOG_UNDEFINED = 0,
    WATCHDOG_COOL,
    WATCHDOG_HOT,
    WATCHDOG_COOLING, // below the limits, not yet below the cool-down ones
    WATCHDOG_RESUMED, // hot for too long: requests flow for a while, whatever the pressure
    WATCHDOG_BLIND,   // there is no sample: requests flow
    WATCHDOG__COUNT,
};

struct watchdog_sample {
    uint64_t memory_mb;
    double cpu_percent; // of all cores
    uint64_t in_flight; // of the host name that has most
    const char *host;   // which; borrowed. May be NULL where in_flight is 0
};

struct watchdog {
    const Lps__V1__WatchdogSettings *settings; // borrowed
    enum watchdog_state state;
    int64_t since_ns; // hot without a pause, or resumed
};

void watchdog_init(struct watchdog *w, const Lps__V1__WatchdogSettings *settings);
// Whether requests are to be held back from now on. sample NULL: it could not be taken. why (of
// size): one line for people where the answer is another than before, or blindness begins, with the
// limits that are passed and their values; else "".
bool watchdog_look(struct watchdog *w, const struct watchdog_sample *sample, int64_t now_ns,
                   char *why, size_t size);
