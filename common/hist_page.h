// One page of a histogram: counters of 2 to 64 bits, all of one width, in words that add up at
// once. PURE; for hist and hist_code alone.
#pragma once

#include <stdbool.h>

#include "common/hist.h"

struct hist_page {
    uint32_t log_bits; // a counter has 2^log_bits bits
    uint64_t word[];   // the first counter is in the lowest bits of the first word
};

// The counters that are not 0.
struct hist_counts {
    uint32_t n;
    uint8_t at[HIST_PAGE]; // ascending
    uint64_t count[HIST_PAGE];
};

extern const uint64_t hist_page_full[7]; // the largest counter of 2^i bits

static inline uint64_t hist_low_bits(uint32_t n) // n < 64
{
    return (1ULL << n) - 1;
}

// False: the counter is full, and nothing is changed.
static inline bool hist_page_increment(struct hist_page *page, uint32_t at)
{
    uint32_t bit = at << page->log_bits;
    uint64_t *word = &page->word[bit / 64], sum = *word + (1ULL << bit % 64);

    if ((sum >> bit % 64 & hist_page_full[page->log_bits]) == 0)
        return false;
    *word = sum;
    return true;
}

// *page may be NULL, and may move.
void hist_page_add(struct hist_page **page, uint32_t at, uint64_t n);
void hist_page_merge(struct hist_page **into, const struct hist_page *from);
void hist_page_clear(struct hist_page *page);
size_t hist_page_bytes(const struct hist_page *page);

void hist_page_unpack(const struct hist_page *page, struct hist_counts *ret_counts);
// A new page, with the narrowest counters that will do.
struct hist_page *hist_page_pack(const struct hist_counts *counts);
