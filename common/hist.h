// Latency histogram: microseconds, 1 us to 1 h, 3 significant decimal digits, mergeable without
// loss. PURE.
#pragma once

#include <stdint.h>

#include "common/str.h"

#define HIST_MAX_US    3600000000ULL // 1 h; longer samples are clamped to it
#define HIST_OCTAVE    1024          // buckets
#define HIST_N_BUCKETS (23 * HIST_OCTAVE)
#define HIST_PAGE      256 // buckets
#define HIST_PAGES     (HIST_N_BUCKETS / HIST_PAGE)

struct hist_page;

// Zero-initialise, then hist_done. The table of pages exists once there was a sample, a page once
// one fell into it; its counters are as wide as the largest of them needs.
// Bucket i < 2048 holds the value i exactly; above, each octave has 1024 buckets: relative error <=
// 1/1024.
struct hist {
    struct hist_page **page;       // HIST_PAGES, or NULL
    uint64_t count, min, max, sum; // exact (after clamping), us; min is 0 while count is 0
};

// Allocation-free once a page is there and wide enough.
void hist_record(struct hist *h, uint64_t us);
// Two of them, not one with itself. Nothing is added where count or sum would not fit 64 bits.
void hist_merge(struct hist *into, const struct hist *from);
// Keeps the pages, and how wide they are, for reuse.
void hist_reset(struct hist *h);
void hist_done(struct hist *h);
// Memory taken, without the allocator's share.
size_t hist_bytes(const struct hist *h);

// Nearest rank: the smallest value such that at least p per cent (0 < p <= 100, in thousandths) of
// the samples are no larger, as the highest value of its bucket, clamped to the observed min and
// max. 0 when empty.
uint64_t hist_percentile(const struct hist *h, double p);
double hist_mean(const struct hist *h); // exact: sum / count; 0 when empty

// The two ends of bucket i, both inside it.
uint64_t hist_lowest(uint32_t bucket);
uint64_t hist_highest(uint32_t bucket);
uint32_t hist_bucket(uint64_t us);

// Appends the non-empty buckets to out, in the code that proto/lps.proto gives for Hist.buckets.
void hist_encode(const struct hist *h, struct buf *out);
// Adds what hist_encode wrote. 0, or -EBADMSG with h untouched: truncated, a bucket out of range,
// counts that do not sum up to count, anything but less than a byte of zero bits after the last, a
// sum, min or max that samples in these buckets cannot have, or what does not fit 64 bits with h.
int hist_decode_add(struct hist *h, const uint8_t *bytes, size_t len, uint64_t count, uint64_t sum,
                    uint64_t min, uint64_t max);
