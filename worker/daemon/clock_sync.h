// Offset of the master's CLOCK_BOOTTIME from this host's CLOCK_MONOTONIC, from four-timestamp
// exchanges, with a bound of its error. PURE.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_SYNC_KEEP 16 // newest exchanges that are considered
// How fast two clocks may drift apart: two crystals of 50 ppm, the usual tolerance of a PC's.
#define CLOCK_SYNC_DRIFT_PPM 100

struct clock_sync_sample {
    int64_t at_ns; // own clock at receipt
    int64_t offset_ns, rtt_ns;
};

// Zero-initialise.
struct clock_sync {
    struct clock_sync_sample sample[CLOCK_SYNC_KEEP]; // ring
    uint32_t n_kept, next;
    uint32_t n_total; // exchanges since the reset
};

struct clock_sync_estimate {
    int64_t offset_ns; // master minus own
    int64_t error_ns;  // |true - offset_ns| is no larger
    int64_t rtt_ns;    // of the exchange it comes from
};

void clock_sync_reset(struct clock_sync *cs);
// Own clock at sending (t1) and receipt (t4), master's at receipt (t2) and sending (t3). 0, or
// -EBADMSG: no clocks can have shown this. An exchange that contradicts the earlier ones (a host
// was suspended, a clock stepped) takes their place.
int clock_sync_add(struct clock_sync *cs, int64_t t1_ns, int64_t t2_ns, int64_t t3_ns,
                   int64_t t4_ns);
// The least error at the own instant now_ns >= 0, past or to come. False: no exchange yet.
bool clock_sync_estimate(const struct clock_sync *cs, int64_t now_ns,
                         struct clock_sync_estimate *ret_estimate);
