// The first byte chooses: coded buckets from a peer, against a decoder that goes bit by bit; or
// samples, against plain counters.
#include <stdlib.h>
#include <string.h>

#include "common/hist_page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct plain {
    uint64_t bucket[HIST_N_BUCKETS];
    uint64_t count;
    uint32_t first, last;
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool add(struct plain *p, uint32_t bucket, uint64_t n)
{
    if (n > UINT64_MAX - p->count)
        return false;
    if (p->count == 0 || bucket < p->first)
        p->first = bucket;
    if (bucket > p->last)
        p->last = bucket;
    p->bucket[bucket] += n;
    p->count += n;
    return true;
}

struct bits {
    const uint8_t *bytes;
    size_t at, n;
};

static bool take(struct bits *b, uint32_t n, uint64_t *ret_value)
{
    *ret_value = 0;
    for (uint32_t i = 0; i < n; i++, b->at++) {
        if (b->at == b->n)
            return false;
        *ret_value |= (uint64_t)(b->bytes[b->at / 8] >> b->at % 8 & 1) << i;
    }
    return true;
}

static bool take_rice(struct bits *b, uint64_t k, uint64_t *ret_value)
{
    uint64_t quotient = 0, bit, low;

    for (; take(b, 1, &bit) && bit == 0; quotient++)
        ;
    if (bit == 0 || quotient > UINT64_MAX >> k || !take(b, (uint32_t)k, &low))
        return false;
    *ret_value = quotient << k | low;
    return true;
}

static bool decode_plainly(struct bits *b, struct plain *p)
{
    uint64_t gap, n, g, c, count, rest;

    for (uint64_t page = 0; b->n - b->at >= 8; page++) {
        if (!take_rice(b, 0, &gap) || gap >= HIST_PAGES - page || !take(b, 8, &n) ||
            !take(b, 3, &g) || !take(b, 6, &c))
            return false;
        page += gap;
        uint64_t at = 0;
        for (uint64_t i = 0; i <= n; i++, at++) {
            if (!take_rice(b, g, &gap) || !take_rice(b, c, &count) || gap >= HIST_PAGE - at ||
                count == UINT64_MAX)
                return false;
            at += gap;
            if (!add(p, (uint32_t)(page * HIST_PAGE + at), count + 1))
                return false;
        }
    }
    return take(b, (uint32_t)(b->n - b->at), &rest) && rest == 0;
}

static void must_equal(const struct hist *h, const struct plain *p)
{
    uint64_t seen = 0;

    must(h->count == p->count);
    for (uint32_t page = 0; h->page != NULL && page < HIST_PAGES; page++) {
        struct hist_counts counts;
        if (h->page[page] == NULL)
            continue;
        hist_page_unpack(h->page[page], &counts);
        for (uint32_t i = 0; i < counts.n; i++) {
            must(counts.count[i] == p->bucket[page * HIST_PAGE + counts.at[i]]);
            seen += counts.count[i];
        }
    }
    must(seen == p->count);
    must(hist_percentile(h, 50) >= h->min && hist_percentile(h, 50) <= h->max);
    must(hist_percentile(h, 100) == h->max);
}

static int decode(struct hist *into, const struct hist *like, const struct buf *code)
{
    return hist_decode_add(into, (const uint8_t *)code->data, code->len, like->count, like->sum,
                           like->min, like->max);
}

// Whatever it is, it survives the wire, and twice of it is twice as many.
static void check_trip(const struct hist *h, struct plain *p)
{
    struct hist copy = {0};
    struct buf once = {0}, again = {0};

    hist_encode(h, &once);
    must(decode(&copy, h, &once) == 0);
    must_equal(&copy, p);
    hist_encode(&copy, &again);
    must(once.len == again.len && (once.len == 0 || memcmp(once.data, again.data, once.len) == 0));
    if (h->count <= UINT64_MAX / 2 && h->sum <= UINT64_MAX / 2) {
        hist_merge(&copy, h);
        for (uint32_t i = 0; i < HIST_N_BUCKETS; i++)
            p->bucket[i] *= 2;
        p->count *= 2;
        must_equal(&copy, p);
    }
    hist_done(&copy);
    buf_done(&once);
    buf_done(&again);
}

static void take_code(const uint8_t *data, size_t size, struct plain *p)
{
    struct bits bits = {data, 0, 8 * size};
    struct hist h = {0};
    bool is_good = decode_plainly(&bits, p);
    uint64_t min = hist_lowest(p->first), max = hist_highest(p->last);

    if (max > HIST_MAX_US)
        max = HIST_MAX_US;
    if (p->count == 0 || min > UINT64_MAX / p->count)
        return;
    if (is_good) // the last buckets are beyond HIST_MAX_US
        is_good = p->last <= hist_bucket(HIST_MAX_US);
    int result = hist_decode_add(&h, data, size, p->count, min * p->count, min, max);
    must((result == 0) == is_good);
    if (is_good) {
        must_equal(&h, p);
        check_trip(&h, p);
    }
    hist_done(&h);
}

// Four bytes a sample and how often; then one bit of the code is flipped.
static void take_samples(const uint8_t *data, size_t size, struct plain *p)
{
    struct hist h = {0}, wrong = {0};
    struct buf code = {0};
    uint32_t v = 0;

    for (; size >= sizeof v; data += sizeof v, size -= sizeof v) {
        memcpy(&v, data, sizeof v);
        uint64_t us = (uint64_t)v << 8 >> (v & 31);
        for (uint32_t n = v >> 5 & 15; n <= 15; n++) {
            hist_record(&h, us);
            add(p, hist_bucket(us), 1);
        }
    }
    must_equal(&h, p);
    hist_encode(&h, &code);
    if (code.len > 0)
        code.data[v % code.len] ^= (char)(1U << v % 8);
    if (decode(&wrong, &h, &code) == 0)
        must(wrong.count == h.count && hist_percentile(&wrong, 100) == h.max);
    else
        must(wrong.count == 0 && wrong.page == NULL);
    hist_done(&wrong);
    buf_done(&code);
    check_trip(&h, p);
    hist_reset(&h);
    must(h.count == 0);
    hist_record(&h, v);
    must(hist_percentile(&h, 50) == h.max);
    hist_done(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct plain *p = xcalloc(1, sizeof *p);
    if (data[0] % 2 == 0)
        take_code(data + 1, size - 1, p);
    else
        take_samples(data + 1, size - 1, p);
    free(p);
    return 0;
}
