#include "common/hist.h"

#include <stdlib.h>

#include "common/hist_page.h"

// The top 11 bits of the value: 1024 buckets an octave. Below 2048 nothing is shifted out.
static uint32_t bucket_of(uint32_t us)
{
    uint32_t shift = (31 ^ (uint32_t)__builtin_clz(us | HIST_OCTAVE)) - 10;
    return shift * HIST_OCTAVE + (us >> shift);
}

uint32_t hist_bucket(uint64_t us)
{
    if (us > HIST_MAX_US)
        us = HIST_MAX_US;
    return bucket_of((uint32_t)us);
}

uint64_t hist_lowest(uint32_t bucket)
{
    if (bucket < 2 * HIST_OCTAVE)
        return bucket;
    uint32_t shift = bucket / HIST_OCTAVE - 1;
    return (uint64_t)(bucket - shift * HIST_OCTAVE) << shift;
}

uint64_t hist_highest(uint32_t bucket)
{
    return bucket < 2 * HIST_OCTAVE ? bucket : hist_lowest(bucket + 1) - 1;
}

static void reach_table(struct hist *h)
{
    if (h->page == NULL)
        h->page = xcalloc(HIST_PAGES, sizeof(*h->page));
}

static void note_ends(struct hist *h, uint64_t min, uint64_t max)
{
    if (h->count == 0 || min < h->min)
        h->min = min;
    if (max > h->max)
        h->max = max;
}

// What hist_record does seldom: a new minimum or maximum, a page to make or to widen.
static __attribute__((noinline)) void record_slowly(struct hist *h, uint64_t us)
{
    if (us > HIST_MAX_US)
        us = HIST_MAX_US;
    reach_table(h);
    uint32_t bucket = hist_bucket(us);
    hist_page_add(&h->page[bucket / HIST_PAGE], bucket % HIST_PAGE, 1);
    note_ends(h, us, us);
    h->count++;
    h->sum += us;
}

void hist_record(struct hist *h, uint64_t us)
{
    if (us >= h->min && us <= h->max && h->page != NULL) {
        uint32_t bucket = bucket_of((uint32_t)us);
        struct hist_page *page = h->page[bucket / HIST_PAGE];
        if (page != NULL && hist_page_increment(page, bucket % HIST_PAGE)) {
            h->count++;
            h->sum += us;
            return;
        }
    }
    record_slowly(h, us);
}

void hist_merge(struct hist *into, const struct hist *from)
{
    if (from->count == 0 || from->count > UINT64_MAX - into->count ||
        from->sum > UINT64_MAX - into->sum)
        return;
    reach_table(into);
    uint32_t last = hist_bucket(from->max) / HIST_PAGE;
    for (uint32_t p = hist_bucket(from->min) / HIST_PAGE; p <= last; p++) {
        if (from->page[p] != NULL)
            hist_page_merge(&into->page[p], from->page[p]);
    }
    note_ends(into, from->min, from->max);
    into->count += from->count;
    into->sum += from->sum;
}

void hist_reset(struct hist *h)
{
    if (h->count == 0)
        return;
    uint32_t last = hist_bucket(h->max) / HIST_PAGE;
    for (uint32_t p = hist_bucket(h->min) / HIST_PAGE; p <= last; p++) {
        if (h->page[p] != NULL)
            hist_page_clear(h->page[p]);
    }
    h->count = h->sum = h->min = h->max = 0;
}

void hist_done(struct hist *h)
{
    for (uint32_t p = 0; h->page != NULL && p < HIST_PAGES; p++)
        free(h->page[p]);
    free(h->page);
    *h = (struct hist){0};
}

size_t hist_bytes(const struct hist *h)
{
    size_t n = sizeof *h;

    if (h->page == NULL)
        return n;
    n += HIST_PAGES * sizeof(*h->page);
    for (uint32_t p = 0; p < HIST_PAGES; p++)
        n += h->page[p] != NULL ? hist_page_bytes(h->page[p]) : 0;
    return n;
}

// The rank of percentile p, 1 to count. In integers: 99.9 % of 1000 are 999, not 999.0000000000001.
static uint64_t rank_of(double p, uint64_t count)
{
    const uint64_t whole = 100000; // p counts to a thousandth
    uint64_t part = p < 100 ? (uint64_t)(p * 1000 + 0.5) : whole;
    uint64_t rank = count / whole * part + (count % whole * part + whole - 1) / whole;

    return rank > 0 ? rank : 1;
}

uint64_t hist_percentile(const struct hist *h, double p)
{
    struct hist_counts counts;
    uint64_t rank = rank_of(p, h->count), seen = 0;

    for (uint32_t page = 0; h->count > 0 && page < HIST_PAGES; page++) {
        if (h->page[page] == NULL)
            continue;
        hist_page_unpack(h->page[page], &counts);
        for (uint32_t i = 0; i < counts.n; i++) {
            seen += counts.count[i];
            if (seen < rank)
                continue;
            uint64_t us = hist_highest(page * HIST_PAGE + counts.at[i]);
            return us > h->max ? h->max : us < h->min ? h->min : us;
        }
    }
    return h->max;
}

double hist_mean(const struct hist *h)
{
    return h->count == 0 ? 0 : (double)h->sum / (double)h->count;
}
