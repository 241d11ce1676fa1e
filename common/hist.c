#include "common/hist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint32_t hist_bucket(uint64_t us)
{
    if (us > HIST_MAX_US)
        us = HIST_MAX_US;
    // The top 11 bits of the value: 1024 buckets an octave. Below 2048 nothing is shifted out.
    uint32_t shift = 53 - (uint32_t)__builtin_clzll(us | HIST_PAGE);
    return shift * HIST_PAGE + (uint32_t)(us >> shift);
}

uint64_t hist_lowest(uint32_t bucket)
{
    if (bucket < 2 * HIST_PAGE)
        return bucket;
    uint32_t shift = bucket / HIST_PAGE - 1;
    return (uint64_t)(bucket - shift * HIST_PAGE) << shift;
}

uint64_t hist_highest(uint32_t bucket)
{
    return bucket < 2 * HIST_PAGE ? bucket : hist_lowest(bucket + 1) - 1;
}

static uint64_t *slot(struct hist *h, uint32_t bucket)
{
    uint64_t **page = &h->page[bucket / HIST_PAGE];

    if (__builtin_expect(*page == NULL, 0))
        *page = xcalloc(HIST_PAGE, sizeof **page);
    return &(*page)[bucket % HIST_PAGE];
}

static void widen(struct hist *h, uint64_t min, uint64_t max)
{
    if (h->count == 0 || min < h->min)
        h->min = min;
    if (max > h->max)
        h->max = max;
}

void hist_record(struct hist *h, uint64_t us)
{
    if (us > HIST_MAX_US)
        us = HIST_MAX_US;
    *slot(h, hist_bucket(us)) += 1;
    widen(h, us, us);
    h->count++;
    h->sum += us;
}

// A second's histogram is mostly zeros: cache lines of them (8 counts) leave `into` out of the
// cache.
static void merge_page(uint64_t *into, const uint64_t *from)
{
    for (uint32_t i = 0; i < HIST_PAGE; i += 8) {
        const uint64_t *f = from + i;
        if ((f[0] | f[1] | f[2] | f[3] | f[4] | f[5] | f[6] | f[7]) == 0)
            continue;
        for (uint32_t j = 0; j < 8; j++)
            into[i + j] += f[j];
    }
}

void hist_merge(struct hist *into, const struct hist *from)
{
    if (from->count == 0)
        return;
    uint32_t last = hist_bucket(from->max) / HIST_PAGE;
    for (uint32_t p = hist_bucket(from->min) / HIST_PAGE; p <= last; p++) {
        if (from->page[p] != NULL)
            merge_page(slot(into, p * HIST_PAGE), from->page[p]);
    }
    widen(into, from->min, from->max);
    into->count += from->count;
    into->sum += from->sum;
}

void hist_reset(struct hist *h)
{
    if (h->count == 0)
        return;
    for (uint32_t p = 0; p < HIST_PAGES; p++) {
        if (h->page[p] != NULL)
            memset(h->page[p], 0, HIST_PAGE * sizeof *h->page[p]);
    }
    h->count = h->sum = h->min = h->max = 0;
}

void hist_done(struct hist *h)
{
    for (uint32_t p = 0; p < HIST_PAGES; p++)
        free(h->page[p]);
    *h = (struct hist){0};
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
    uint64_t rank = rank_of(p, h->count), seen = 0;

    if (h->count == 0)
        return 0;
    for (uint32_t b = 0; b < HIST_N_BUCKETS; b++) {
        if (h->page[b / HIST_PAGE] == NULL) {
            b += HIST_PAGE - 1;
            continue;
        }
        seen += h->page[b / HIST_PAGE][b % HIST_PAGE];
        if (seen >= rank) {
            uint64_t us = hist_highest(b);
            return us > h->max ? h->max : us < h->min ? h->min : us;
        }
    }
    return h->max;
}

double hist_mean(const struct hist *h)
{
    return h->count == 0 ? 0 : (double)h->sum / (double)h->count;
}

static void put_varint(struct buf *out, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;

    do {
        bytes[n] = (uint8_t)(v & 127);
        v >>= 7;
        bytes[n++] |= v != 0 ? 128 : 0;
    } while (v != 0);
    buf_append(out, bytes, n);
}

// 0 or -EBADMSG.
static int get_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret_value)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        if (shift == 63 && byte > 1)
            return -EBADMSG;
        v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *ret_value = v;
            return 0;
        }
    }
    return -EBADMSG;
}

void hist_encode(const struct hist *h, struct buf *out)
{
    uint32_t previous = 0;

    for (uint32_t p = 0; p < HIST_PAGES; p++) {
        for (uint32_t i = 0; h->page[p] != NULL && i < HIST_PAGE; i++) {
            if (h->page[p][i] == 0)
                continue;
            put_varint(out, p * HIST_PAGE + i - previous);
            put_varint(out, h->page[p][i]);
            previous = p * HIST_PAGE + i;
        }
    }
}

// One pair. The first gap may be 0, later ones not.
static int get_pair(const uint8_t **at, const uint8_t *end, bool first, uint32_t *bucket,
                    uint64_t *ret_count)
{
    uint64_t gap, count;

    if (get_varint(at, end, &gap) < 0 || get_varint(at, end, &count) < 0)
        return -EBADMSG;
    if ((gap == 0 && !first) || gap >= HIST_N_BUCKETS - *bucket || count == 0)
        return -EBADMSG;
    *bucket += (uint32_t)gap;
    *ret_count = count;
    return 0;
}

// Whether some samples from min to max can add up to sum. In quotients: products could overflow.
static bool is_possible(uint64_t count, uint64_t sum, uint64_t min, uint64_t max)
{
    if (count == 0)
        return sum == 0 && min == 0 && max == 0;
    return min <= max && max <= HIST_MAX_US && sum / count >= min &&
           sum / count + (sum % count > 0) <= max;
}

// The buckets alone: ascending, as many samples as count, from the bucket of min to that of max.
static int check(const uint8_t *bytes, size_t len, uint64_t count, uint64_t min, uint64_t max)
{
    const uint8_t *at = bytes, *end = bytes + len;
    uint32_t bucket = 0, lowest = 0;
    uint64_t seen = 0, n;

    while (at < end) {
        bool first = at == bytes;
        if (get_pair(&at, end, first, &bucket, &n) < 0 || n > count - seen)
            return -EBADMSG;
        if (first)
            lowest = bucket;
        seen += n;
    }
    if (seen != count || hist_bucket(min) != lowest || hist_bucket(max) != bucket)
        return -EBADMSG;
    return 0;
}

int hist_decode_add(struct hist *h, const uint8_t *bytes, size_t len, uint64_t count, uint64_t sum,
                    uint64_t min, uint64_t max)
{
    if (len == 0)
        bytes = (const uint8_t *)""; // protobuf gives NULL, to which nothing may be added
    const uint8_t *at = bytes, *end = bytes + len;
    uint32_t bucket = 0;
    uint64_t n;

    if (!is_possible(count, sum, min, max) || count > UINT64_MAX - h->count ||
        check(bytes, len, count, min, max) < 0)
        return -EBADMSG;
    if (count == 0)
        return 0;
    while (at < end && get_pair(&at, end, at == bytes, &bucket, &n) == 0)
        *slot(h, bucket) += n;
    widen(h, min, max);
    h->count += count;
    h->sum += sum;
    return 0;
}
