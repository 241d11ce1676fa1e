#include <endian.h>
#include <errno.h>
#include <string.h>

#include "common/hist_page.h"

// The layout is in proto/lps.proto, at Hist.buckets.
enum {
    N_BITS = 8,
    GAP_ORDER_BITS = 3,
    COUNT_ORDER_BITS = 6,
    AT_ONCE_MAX = 56, // bits: with up to 7 of a byte that is not full, or begun, they fit 64
    // Of a page: its gap, the header; of each pair two ones, 7 and 63 low bits and the quotients,
    // on average up to 1 and 2 (see order_of); the last 8 bytes that put writes.
    PAGE_BYTES_MAX = (HIST_PAGES + 17 + HIST_PAGE * (2 + 7 + 63 + 1 + 2)) / 8 + 16,
};

struct writer {
    uint8_t *at;
    uint64_t waiting;
    uint32_t n_waiting; // less than 8
};

static inline void put(struct writer *w, uint64_t v, uint32_t n) // n <= AT_ONCE_MAX
{
    uint64_t bits = w->waiting | v << w->n_waiting, little = htole64(bits);

    memcpy(w->at, &little, sizeof little);
    n += w->n_waiting;
    w->at += n / 8;
    w->waiting = bits >> n / 8 * 8;
    w->n_waiting = n % 8;
}

// Rice code of order k: v / 2^k zeros, a one, the low k bits of v. In as many steps as it takes.
static void put_rice(struct writer *w, uint64_t v, uint32_t k)
{
    uint64_t quotient = v >> k;

    for (; quotient >= 32; quotient -= 32)
        put(w, 0, 32);
    put(w, 1ULL << quotient, (uint32_t)quotient + 1);
    put(w, v & hist_low_bits(k < 32 ? k : 32), k < 32 ? k : 32);
    if (k > 32)
        put(w, (v & hist_low_bits(k)) >> 32, k - 32);
}

// Two numbers; nearly always they can be put at once.
static inline void put_pair(struct writer *w, uint64_t v, uint32_t k, uint64_t u, uint32_t l)
{
    uint64_t v_len = (v >> k) + 1 + k, u_len = (u >> l) + 1 + l;

    if (v_len + u_len > AT_ONCE_MAX) { // v_len < 256 + 8
        struct writer slow = *w;       // so that w stays in registers
        put_rice(&slow, v, k);
        put_rice(&slow, u, l);
        *w = slow;
        return;
    }
    uint64_t v_code = ((v & hist_low_bits(k)) << 1 | 1) << (v >> k);
    uint64_t u_code = ((u & hist_low_bits(l)) << 1 | 1) << (u >> l);
    put(w, u_code << v_len | v_code, (uint32_t)(v_len + u_len));
}

// The best order for values of this mean is about its logarithm (Kiely 2004 has the exact bounds).
static uint32_t order_of(uint64_t sum, uint64_t n)
{
    uint64_t mean = sum / n + (sum % n * 2 >= n);

    return mean < 2 ? 0 : 63 - (uint32_t)__builtin_clzll(mean);
}

static void put_page(struct writer *to, const struct hist_counts *c)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < c->n; i++)
        sum += c->count[i] - 1;
    uint32_t gap_order = order_of(c->at[c->n - 1] + 1u - c->n, c->n);
    uint32_t count_order = order_of(sum, c->n);
    put(to, c->n - 1, N_BITS);
    put(to, gap_order, GAP_ORDER_BITS);
    put(to, count_order, COUNT_ORDER_BITS);
    struct writer w = *to; // in registers
    for (uint32_t i = 0, next = 0; i < c->n; i++) {
        put_pair(&w, c->at[i] - next, gap_order, c->count[i] - 1, count_order);
        next = c->at[i] + 1u;
    }
    *to = w;
}

void hist_encode(const struct hist *h, struct buf *out)
{
    struct hist_counts counts;
    struct writer w = {0};
    uint8_t code[PAGE_BYTES_MAX];

    for (uint32_t p = 0, next = 0; h->count > 0 && p < HIST_PAGES; p++) {
        if (h->page[p] == NULL)
            continue;
        hist_page_unpack(h->page[p], &counts);
        if (counts.n == 0) // kept by a reset
            continue;
        w.at = code;
        put_rice(&w, p - next, 0);
        put_page(&w, &counts);
        buf_append(out, code, (size_t)(w.at - code));
        next = p + 1;
    }
    if (w.n_waiting > 0)
        buf_append(out, &(uint8_t){(uint8_t)w.waiting}, 1);
}

struct reader {
    const uint8_t *at, *end;
    uint64_t bits; // the next of them lowest
    uint32_t n;    // so many of bits may be taken; the next byte follows these
    bool is_bad;
};

// At least AT_ONCE_MAX bits, or all there are.
static inline void refill(struct reader *r)
{
    uint64_t little;

    if (r->end - r->at >= (ptrdiff_t)sizeof little) {
        memcpy(&little, r->at, sizeof little);
        r->bits |= le64toh(little) << r->n;
        r->at += (63 - r->n) / 8;
        r->n |= AT_ONCE_MAX;
        return;
    }
    for (; r->n < AT_ONCE_MAX && r->at < r->end; r->n += 8)
        r->bits |= (uint64_t)*r->at++ << r->n;
}

static uint64_t get(struct reader *r, uint32_t n) // n < AT_ONCE_MAX
{
    refill(r);
    if (n > r->n) {
        r->is_bad = true;
        return 0;
    }
    uint64_t v = r->bits & hist_low_bits(n);
    r->bits >>= n;
    r->n -= n;
    return v;
}

// What put_rice wrote, in as many steps as it takes.
static uint64_t get_rice(struct reader *r, uint32_t k)
{
    uint64_t quotient = 0;

    while (!r->is_bad) {
        refill(r);
        uint32_t zeros = (uint32_t)__builtin_ctzll(r->bits | 1ULL << 32);
        quotient += zeros;
        get(r, zeros);
        if (zeros < 32)
            break;
    }
    get(r, 1);
    uint64_t low = get(r, k < 32 ? k : 32);
    low |= get(r, k < 32 ? 0 : k - 32) << 32;
    r->is_bad |= quotient > UINT64_MAX >> k;
    return quotient << k | low;
}

// Two numbers; nearly always one look at the bits is enough for both. False: bad.
static inline bool get_pair(struct reader *r, uint32_t k, uint32_t l, uint64_t *ret_v,
                            uint64_t *ret_u)
{
    const uint64_t stop = 1ULL << (AT_ONCE_MAX - 1);

    refill(r);
    uint32_t v_zeros = (uint32_t)__builtin_ctzll(r->bits | stop), v_len = v_zeros + 1 + k;
    uint64_t rest = r->bits >> v_len;
    uint32_t u_zeros = (uint32_t)__builtin_ctzll(rest | stop), u_len = u_zeros + 1 + l;

    if (v_len + u_len > AT_ONCE_MAX || v_len + u_len > r->n) {
        struct reader slow = *r; // so that r stays in registers
        *ret_v = get_rice(&slow, k);
        *ret_u = get_rice(&slow, l);
        *r = slow;
        return !r->is_bad;
    }
    *ret_v = (uint64_t)v_zeros << k | (r->bits >> (v_zeros + 1) & hist_low_bits(k));
    *ret_u = (uint64_t)u_zeros << l | (rest >> (u_zeros + 1) & hist_low_bits(l));
    r->bits = rest >> u_len;
    r->n -= v_len + u_len;
    return true;
}

// The counters of a page, which add up to at most left; false: they do not, or cannot be.
static bool get_page(struct reader *from, uint64_t *left, struct hist_counts *c)
{
    uint32_t n = (uint32_t)get(from, N_BITS) + 1;
    uint32_t gap_order = (uint32_t)get(from, GAP_ORDER_BITS);
    uint32_t count_order = (uint32_t)get(from, COUNT_ORDER_BITS);
    struct reader r = *from; // in registers

    for (uint32_t i = 0, next = 0; i < n; i++) {
        uint64_t gap, count;
        if (!get_pair(&r, gap_order, count_order, &gap, &count) || gap >= HIST_PAGE - next ||
            count >= *left)
            return false;
        c->at[i] = (uint8_t)(next + gap);
        c->count[i] = count + 1;
        *left -= count + 1;
        next = c->at[i] + 1u;
    }
    c->n = n;
    *from = r;
    return true;
}

// The buckets alone, from the bucket of h->min to that of h->max, as many samples as h->count.
static int decode(struct hist *h, const uint8_t *bytes, size_t len)
{
    struct reader r = {.at = bytes, .end = bytes + len};
    struct hist_counts counts;
    uint64_t left = h->count;
    uint32_t lowest = HIST_N_BUCKETS, highest = 0;

    for (uint32_t next = 0; left > 0; next++) {
        uint64_t gap = get_rice(&r, 0);
        if (r.is_bad || gap >= HIST_PAGES - next)
            return -EBADMSG;
        next += (uint32_t)gap;
        if (!get_page(&r, &left, &counts))
            return -EBADMSG;
        h->page[next] = hist_page_pack(&counts);
        highest = next * HIST_PAGE + counts.at[counts.n - 1];
        if (lowest == HIST_N_BUCKETS)
            lowest = next * HIST_PAGE + counts.at[0];
    }
    bool all = r.at == r.end && r.n < 8 && r.bits == 0;
    return all && hist_bucket(h->min) == lowest && hist_bucket(h->max) == highest ? 0 : -EBADMSG;
}

// Whether some samples from min to max can add up to sum. In quotients: products could overflow.
static bool is_possible(uint64_t count, uint64_t sum, uint64_t min, uint64_t max)
{
    if (count == 0)
        return sum == 0 && min == 0 && max == 0;
    return min <= max && max <= HIST_MAX_US && sum / count >= min &&
           sum / count + (sum % count > 0) <= max;
}

int hist_decode_add(struct hist *h, const uint8_t *bytes, size_t len, uint64_t count, uint64_t sum,
                    uint64_t min, uint64_t max)
{
    if (!is_possible(count, sum, min, max) || count > UINT64_MAX - h->count ||
        sum > UINT64_MAX - h->sum)
        return -EBADMSG;
    if (count == 0 || len == 0) // nothing is NULL in protobuf, to which nothing may be added
        return count == 0 && len == 0 ? 0 : -EBADMSG;

    struct hist fresh = {.count = count, .min = min, .max = max, .sum = sum};
    fresh.page = xcalloc(HIST_PAGES, sizeof(*fresh.page));
    int result = decode(&fresh, bytes, len);
    if (result == 0 && h->count == 0) {
        hist_done(h);
        *h = fresh;
        return 0;
    }
    if (result == 0)
        hist_merge(h, &fresh);
    hist_done(&fresh);
    return result;
}
