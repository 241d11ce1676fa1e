// Latency histogram: microseconds, 1 us to 1 h, 3 significant decimal digits, mergeable without
// loss. PURE.
#pragma once

#include <stdint.h>

#include "common/str.h"

#define HIST_MAX_US    3600000000ULL // 1 h; longer samples are clamped to it
#define HIST_PAGE      1024          // buckets of one octave
#define HIST_PAGES     23
#define HIST_N_BUCKETS (HIST_PAGE * HIST_PAGES)

// Zero-initialise, then hist_done. A page of buckets exists once a sample fell into its octave.
// Bucket i < 2048 holds the value i exactly; above, each octave has 1024 buckets: relative error <=
// 1/1024.
struct hist {
    uint64_t *page[HIST_PAGES];
    uint64_t count, sum, min, max; // exact (after clamping), us; min is 0 while count is 0
};

// Inline-able and allocation-free once the octave was seen.
void hist_record(struct hist *h, uint64_t us);
void hist_merge(struct hist *into, const struct hist *from);
// Keeps the pages for reuse.
void hist_reset(struct hist *h);
void hist_done(struct hist *h);

// Nearest rank: the smallest value such that at least p per cent (0 < p <= 100, in thousandths) of
// the samples are no larger, as the highest value of its bucket, clamped to the observed min and
// max. 0 when empty.
uint64_t hist_percentile(const struct hist *h, double p);
double hist_mean(const struct hist *h); // exact: sum / count; 0 when empty

// The two ends of bucket i, both inside it.
uint64_t hist_lowest(uint32_t bucket);
uint64_t hist_highest(uint32_t bucket);
uint32_t hist_bucket(uint64_t us);

// Non-empty buckets as varint pairs (index minus the previous non-empty bucket's index, first: the
// index itself; count), appended to out.
void hist_encode(const struct hist *h, struct buf *out);
// Adds what hist_encode wrote. 0, or -EBADMSG with h untouched: truncated, index out of range or
// not ascending, zero count, counts that do not sum up to count, or a sum, min or max that samples
// in these buckets cannot have.
int hist_decode_add(struct hist *h, const uint8_t *bytes, size_t len, uint64_t count, uint64_t sum,
                    uint64_t min, uint64_t max);
