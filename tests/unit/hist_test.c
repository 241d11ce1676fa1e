#include "common/hist.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/hist_page.h"

static uint64_t state = 88172645463325252ULL;

// xorshift64 (Marsaglia 2003).
static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int decode(struct hist *into, const struct hist *from, const struct buf *bytes)
{
    return hist_decode_add(into, (const uint8_t *)bytes->data, bytes->len, from->count, from->sum,
                           from->min, from->max);
}

static void assert_same(const struct hist *a, const struct hist *b)
{
    struct buf x = {0}, y = {0};

    hist_encode(a, &x);
    hist_encode(b, &y);
    assert_int_equal(x.len, y.len);
    if (x.len > 0)
        assert_memory_equal(x.data, y.data, x.len);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->sum, b->sum);
    assert_int_equal(a->min, b->min);
    assert_int_equal(a->max, b->max);
    buf_done(&x);
    buf_done(&y);
}

// What a histogram is to say, in the plainest way.
struct plain {
    uint64_t bucket[HIST_N_BUCKETS];
    uint64_t count, sum, min, max;
};

static void plain_record(struct plain *p, uint64_t us)
{
    us = us > HIST_MAX_US ? HIST_MAX_US : us;
    p->bucket[hist_bucket(us)]++;
    p->min = p->count == 0 || us < p->min ? us : p->min;
    p->max = us > p->max ? us : p->max;
    p->count++;
    p->sum += us;
}

static uint64_t count_in(const struct hist *h, uint32_t bucket)
{
    static struct hist_counts counts;

    if (h->page == NULL || h->page[bucket / HIST_PAGE] == NULL)
        return 0;
    hist_page_unpack(h->page[bucket / HIST_PAGE], &counts);
    for (uint32_t i = 0; i < counts.n; i++) {
        if (counts.at[i] == bucket % HIST_PAGE)
            return counts.count[i];
    }
    return 0;
}

static void assert_is(const struct hist *h, const struct plain *p)
{
    static struct hist_counts counts;
    uint64_t seen = 0;

    assert_true(h->count == p->count && h->sum == p->sum && h->min == p->min && h->max == p->max);
    for (uint32_t page = 0; h->page != NULL && page < HIST_PAGES; page++) {
        if (h->page[page] == NULL)
            continue;
        hist_page_unpack(h->page[page], &counts);
        for (uint32_t i = 0; i < counts.n; i++) {
            assert_true(counts.count[i] == p->bucket[page * HIST_PAGE + counts.at[i]]);
            seen += counts.count[i];
        }
    }
    assert_true(seen == p->count);
}

static void assert_percentiles(const struct hist *h, const struct plain *p)
{
    uint64_t seen = 0;
    uint32_t bucket = 0;

    for (uint64_t percent = 1; percent <= 100; percent++) {
        uint64_t rank = (p->count * percent + 99) / 100;
        for (; seen + p->bucket[bucket] < rank; bucket++)
            seen += p->bucket[bucket];
        uint64_t us = hist_highest(bucket);
        assert_true(hist_percentile(h, (double)percent) == (us > p->max ? p->max : us));
    }
}

// A standard normal deviate, near enough: twelve uniform ones add up to a variance of 1.
static double next_normal(void)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += (double)(next_random() >> 11) / 9007199254740992.0;
    return sum;
}

static uint64_t next_lognormal(double median, double sigma)
{
    double x = 1 + sigma * next_normal() / 1024; // x^1024 is e^(sigma z) within 2 %

    for (int i = 0; i < 10; i++)
        x *= x;
    return (uint64_t)(median * x);
}

enum spread {
    UNIFORM,
    UNIFORM_WIDE,
    LOGNORMAL_03,
    LOGNORMAL_06,
    LOGNORMAL_10,
    LOGNORMAL_15,
    LOGNORMAL_15_SLOW,
    BIMODAL,
    SPIKES,
    ONE_BUCKET,
    EVERY_OCTAVE,
    N_SPREADS,
};

static uint64_t next_sample(enum spread spread)
{
    switch (spread) {
    case UNIFORM:
        return next_random() % 5000000;
    case UNIFORM_WIDE:
        return next_random() % HIST_MAX_US;
    case LOGNORMAL_03:
        return next_lognormal(3000, 0.3);
    case LOGNORMAL_06:
        return next_lognormal(30000, 0.6);
    case LOGNORMAL_10:
        return next_lognormal(30000, 1);
    case LOGNORMAL_15:
        return next_lognormal(3000, 1.5);
    case LOGNORMAL_15_SLOW:
        return next_lognormal(300000, 1.5);
    case BIMODAL:
        return next_random() % 10 != 0 ? next_lognormal(800, 0.2) : next_lognormal(200000, 0.4);
    case SPIKES:
        return next_random() % 2 ? 1000 + next_random() % 3 : 50000 + next_random() % 200;
    case ONE_BUCKET:
        return 777;
    default:
        return next_random() >> (32 + next_random() % 31);
    }
}

// From text of '0', '1' and blanks, the first bit lowest.
static struct buf bits_of(const char *text)
{
    struct buf out = {0};
    uint32_t n = 0;

    for (; *text != '\0'; text++) {
        if (*text == ' ')
            continue;
        if (n % 8 == 0)
            buf_append(&out, "", 1);
        out.data[out.len - 1] |= (char)((*text - '0') << n++ % 8);
    }
    return out;
}

static void an_empty_histogram_has_no_percentile(void **unused)
{
    struct hist h = {0};

    (void)unused;
    assert_int_equal(hist_percentile(&h, 50), 0);
    assert_true(hist_mean(&h) == 0);
    hist_done(&h);
}

static void buckets_are_in_order_and_within_a_thousandth(void **unused)
{
    (void)unused;
    for (uint32_t b = 0; b + 1 < hist_bucket(HIST_MAX_US); b++) {
        assert_int_equal(hist_bucket(hist_lowest(b)), b);
        assert_int_equal(hist_bucket(hist_highest(b)), b);
        assert_int_equal(hist_highest(b) + 1, hist_lowest(b + 1));
        assert_true((double)(hist_highest(b) - hist_lowest(b)) <= (double)hist_lowest(b) / 1000);
    }
    assert_true(hist_bucket(HIST_MAX_US) < HIST_N_BUCKETS);
}

static void one_sample_is_every_percentile(void **unused)
{
    struct hist h = {0};

    (void)unused;
    hist_record(&h, 123457);
    assert_int_equal(hist_percentile(&h, 0.001), 123457);
    assert_int_equal(hist_percentile(&h, 50), 123457);
    assert_int_equal(hist_percentile(&h, 100), 123457);
    hist_done(&h);
}

static void percentiles_are_nearest_rank(void **unused)
{
    struct hist h = {0};

    (void)unused;
    for (uint64_t us = 1; us <= 100; us++)
        hist_record(&h, us);
    assert_int_equal(hist_percentile(&h, 50), 50);
    assert_int_equal(hist_percentile(&h, 50.1), 51);
    assert_int_equal(hist_percentile(&h, 99), 99);
    assert_int_equal(hist_percentile(&h, 100), 100);
    hist_done(&h);
}

static void ranks_are_exact_where_doubles_are_not(void **unused)
{
    struct hist h = {0};

    (void)unused;
    for (uint64_t us = 1; us <= 2000; us++) {
        hist_record(&h, us);
        // The smallest rank r with r / us >= 99.9 %.
        uint64_t rank = (us * 999 + 999) / 1000;
        assert_int_equal(hist_percentile(&h, 99.9), rank);
        assert_int_equal(hist_percentile(&h, 95), (us * 95 + 99) / 100);
        assert_int_equal(hist_percentile(&h, 0.001), 1);
    }
    hist_done(&h);
}

static void a_count_near_the_limit_of_64_bits_has_percentiles(void **unused)
{
    struct hist h = {0}, one = {0};
    const uint64_t n = UINT64_MAX / 8;
    struct buf bytes;

    (void)unused;
    hist_record(&one, 1);
    for (uint64_t made = 1; made < n; made = one.count) { // double it, and one more
        struct hist copy = {0};
        hist_merge(&copy, &one);
        hist_merge(&one, &copy);
        hist_record(&one, 1);
        hist_done(&copy);
    }
    assert_true(one.count == n);
    bytes = (struct buf){0};
    hist_encode(&one, &bytes);
    for (int i = 0; i < 8; i++)
        assert_int_equal(decode(&h, &one, &bytes), 0);
    assert_true(h.count == 8 * n && count_in(&h, 1) == 8 * n);
    assert_int_equal(hist_percentile(&h, 50), 1);
    assert_int_equal(hist_percentile(&h, 100), 1);
    assert_int_equal(decode(&h, &one, &bytes), -EBADMSG);
    hist_merge(&h, &one);
    assert_true(h.count == 8 * n);
    hist_done(&one);
    buf_done(&bytes);
    hist_encode(&h, &bytes);
    assert_int_equal(decode(&one, &h, &bytes), 0);
    assert_same(&one, &h);
    buf_done(&bytes);
    hist_done(&h);
    hist_done(&one);
}

static void a_sum_beyond_64_bits_is_refused(void **unused)
{
    struct hist h = {0}, half = {0};
    struct buf bytes = {0};

    (void)unused;
    hist_record(&half, HIST_MAX_US);
    while (half.sum <= UINT64_MAX / 2) {
        struct hist copy = {0};
        hist_merge(&copy, &half);
        hist_merge(&half, &copy);
        hist_done(&copy);
    }
    hist_encode(&half, &bytes);
    assert_int_equal(decode(&h, &half, &bytes), 0);
    assert_int_equal(decode(&h, &half, &bytes), -EBADMSG);
    hist_merge(&h, &half);
    assert_same(&h, &half);
    buf_done(&bytes);
    hist_done(&h);
    hist_done(&half);
}

static void an_empty_histogram_is_small(void **unused)
{
    struct hist h = {0};

    (void)unused;
    assert_int_equal(hist_bytes(&h), sizeof h);
    assert_true(sizeof h <= 64);
    hist_record(&h, 1);
    assert_true(hist_bytes(&h) <= 1024);
    hist_done(&h);
}

static void ten_thousand_samples_are_small(void **unused)
{
    static struct plain p;

    (void)unused;
    for (enum spread spread = 0; spread < EVERY_OCTAVE; spread++) {
        struct hist h = {0};
        struct buf bytes = {0};
        memset(&p, 0, sizeof p);
        for (int i = 0; i < 10000; i++) {
            uint64_t us = next_sample(spread);
            hist_record(&h, us);
            plain_record(&p, us);
        }
        assert_is(&h, &p);
        assert_percentiles(&h, &p);
        hist_encode(&h, &bytes);
        assert_in_range(hist_bytes(&h), 1, 8 * 1024);
        assert_in_range(bytes.len, 1, 3 * 1024);
        buf_done(&bytes);
        hist_done(&h);
    }
}

static void any_histograms_merge_and_survive_the_wire(void **unused)
{
    static struct plain p;

    (void)unused;
    for (int round = 0; round < 300; round++) {
        struct hist sum = {0}, part = {0};
        memset(&p, 0, sizeof p);
        for (uint64_t parts = next_random() % 5; parts > 0; parts--) {
            enum spread spread = (enum spread)(next_random() % N_SPREADS);
            for (uint64_t n = next_random() >> (52 + next_random() % 12); n > 0; n--) {
                uint64_t us = next_sample(spread);
                hist_record(&part, us);
                plain_record(&p, us);
            }
            if (next_random() % 2) {
                hist_merge(&sum, &part);
            } else {
                struct buf bytes = {0};
                hist_encode(&part, &bytes);
                assert_int_equal(decode(&sum, &part, &bytes), 0);
                buf_done(&bytes);
            }
            hist_reset(&part); // its pages stay
        }
        assert_is(&sum, &p);
        assert_percentiles(&sum, &p);
        hist_done(&part);
        hist_done(&sum);
    }
}

// A page with n samples in one bucket and one in each of its neighbours.
static void set(struct hist *h, struct plain *p, uint64_t n)
{
    struct hist power = {0}, copy = {0};

    for (uint64_t us = 70; us <= 72; us++) {
        hist_record(h, us);
        plain_record(p, us);
    }
    hist_record(&power, 71);
    for (n--; n > 0; n >>= 1) {
        if (n & 1) {
            hist_merge(h, &power);
            p->bucket[71] += power.count;
            p->count += power.count;
            p->sum += power.sum;
        }
        hist_merge(&copy, &power);
        hist_merge(&power, &copy);
        hist_reset(&copy);
    }
    hist_done(&power);
    hist_done(&copy);
}

static const uint64_t full[] = {3, 15, 255, 65535, UINT32_MAX, 1ULL << 40};

static void a_full_counter_widens_and_its_neighbours_stay(void **unused)
{
    static struct plain p;

    (void)unused;
    for (size_t i = 0; i < sizeof full / sizeof *full; i++) {
        struct hist h = {0};
        memset(&p, 0, sizeof p);
        set(&h, &p, full[i]);
        assert_is(&h, &p);
        size_t bytes = hist_bytes(&h);
        for (int n = 0; n < 3; n++) {
            hist_record(&h, 71);
            plain_record(&p, 71);
            assert_is(&h, &p);
        }
        if (full[i] <= UINT32_MAX)
            assert_true(hist_bytes(&h) > bytes);
        hist_record(&h, 73);
        plain_record(&p, 73);
        assert_is(&h, &p);
        hist_done(&h);
    }
}

static void pages_of_any_two_widths_merge(void **unused)
{
    static struct plain p;

    (void)unused;
    for (size_t i = 0; i < sizeof full / sizeof *full; i++) {
        for (size_t j = 0; j < sizeof full / sizeof *full; j++) {
            struct hist a = {0}, b = {0};
            memset(&p, 0, sizeof p);
            set(&a, &p, full[i]);
            set(&b, &p, full[j]);
            hist_merge(&a, &b);
            assert_is(&a, &p);
            hist_done(&a);
            hist_done(&b);
        }
    }
}

static void samples_beyond_an_hour_are_clamped(void **unused)
{
    struct hist h = {0};

    (void)unused;
    hist_record(&h, HIST_MAX_US);
    hist_record(&h, HIST_MAX_US + 1);
    hist_record(&h, UINT64_MAX);
    assert_int_equal(h.max, HIST_MAX_US);
    assert_int_equal(h.sum, 3 * HIST_MAX_US);
    assert_int_equal(hist_percentile(&h, 99), HIST_MAX_US);
    hist_done(&h);
}

static void merged_parts_equal_the_whole_to_the_bucket(void **unused)
{
    struct hist whole = {0}, part[7] = {0}, merged = {0};

    (void)unused;
    for (int i = 0; i < 100000; i++) {
        uint64_t us = next_random() >> (next_random() % 60);
        hist_record(&whole, us);
        hist_record(&part[next_random() % 7], us);
    }
    for (int i = 0; i < 7; i++) {
        hist_merge(&merged, &part[i]);
        hist_done(&part[i]);
    }
    assert_same(&whole, &merged);
    for (double p = 0.1; p <= 100; p += 0.1)
        assert_int_equal(hist_percentile(&whole, p), hist_percentile(&merged, p));
    hist_done(&whole);
    hist_done(&merged);
}

static void what_is_encoded_decodes_to_the_same(void **unused)
{
    struct hist h = {0}, copy = {0};
    struct buf bytes = {0};

    (void)unused;
    for (int i = 0; i < 10000; i++)
        hist_record(&h, next_random() % 5000000);
    hist_record(&h, 0);
    hist_encode(&h, &bytes);
    assert_int_equal(decode(&copy, &h, &bytes), 0);
    assert_same(&h, &copy);
    hist_done(&h);
    hist_done(&copy);
    buf_done(&bytes);
}

static void a_reset_histogram_is_empty_and_usable(void **unused)
{
    struct hist h = {0}, fresh = {0};

    (void)unused;
    hist_record(&h, 5);
    hist_reset(&h);
    assert_same(&h, &fresh);
    hist_record(&h, 7);
    hist_record(&fresh, 7);
    assert_same(&h, &fresh);
    hist_done(&h);
    hist_done(&fresh);
}

static void a_reset_histogram_keeps_its_pages_to_itself(void **unused)
{
    struct hist h = {0}, sum = {0};
    struct buf bytes = {0};

    (void)unused;
    for (int i = 0; i < 5000; i++)
        hist_record(&h, next_sample(LOGNORMAL_15));
    size_t full_bytes = hist_bytes(&h);
    hist_reset(&h);
    assert_int_equal(hist_bytes(&h), full_bytes);
    hist_encode(&h, &bytes);
    assert_int_equal(bytes.len, 0);
    hist_record(&h, 0);
    hist_record(&h, HIST_MAX_US);
    assert_int_equal(hist_percentile(&h, 50), 0);
    hist_merge(&sum, &h);
    assert_true(hist_bytes(&sum) < 1200);
    hist_encode(&h, &bytes);
    assert_int_equal(decode(&sum, &h, &bytes), 0);
    assert_int_equal(sum.count, 4);
    buf_done(&bytes);
    hist_done(&h);
    hist_done(&sum);
}

static void the_code_is_as_documented(void **unused)
{
    struct hist h = {0}, copy = {0};
    struct buf bytes = {0}, want = bits_of("1 00000000 010 000000  01 10 1");

    (void)unused;
    hist_record(&h, 5);
    hist_encode(&h, &bytes);
    assert_int_equal(bytes.len, want.len);
    assert_memory_equal(bytes.data, want.data, want.len);
    buf_done(&want);
    // Any orders will do: 3 of bucket 5, 1 of bucket 7, 2 of bucket 261.
    want = bits_of("1 10000000 000 100000  000001 01 0  01 1 0  1 00000000 110 000000  1 101 01");
    assert_int_equal(
        hist_decode_add(&copy, (uint8_t *)want.data, want.len, 6, 15 + 7 + 522, 5, 261), 0);
    assert_int_equal(count_in(&copy, 5), 3);
    assert_int_equal(count_in(&copy, 7), 1);
    assert_int_equal(count_in(&copy, 261), 2);
    buf_done(&want);
    buf_done(&bytes);
    hist_done(&h);
    hist_done(&copy);
}

static void counts_of_any_size_survive_the_wire(void **unused)
{
    static struct hist_counts counts, back;

    (void)unused;
    for (int round = 0; round < 1000; round++) {
        struct hist h = {.page = xcalloc(HIST_PAGES, sizeof(*h.page))}, copy = {0};
        struct buf bytes = {0};
        uint32_t at = 0, sparse = (uint32_t)(next_random() % 8), large = next_random() % 56;
        counts.n = 0;
        for (; at < HIST_PAGE; at += 1 + next_random() % (1U << sparse)) {
            uint64_t most = 1ULL << (round % 2 ? large : next_random() % 56);
            counts.at[counts.n] = (uint8_t)at;
            counts.count[counts.n] = most - next_random() % most / 2;
            h.count += counts.count[counts.n++];
        }
        h.page[0] = hist_page_pack(&counts);
        h.max = counts.at[counts.n - 1];
        hist_encode(&h, &bytes);
        assert_int_equal(decode(&copy, &h, &bytes), 0);
        hist_page_unpack(copy.page[0], &back);
        assert_int_equal(back.n, counts.n);
        assert_memory_equal(back.at, counts.at, counts.n);
        assert_memory_equal(back.count, counts.count, counts.n * sizeof *counts.count);
        buf_done(&bytes);
        hist_done(&h);
        hist_done(&copy);
    }
}

#define ZEROS_63 "000000000000000000000000000000000000000000000000000000000000000"
#define ONES_63  "111111111111111111111111111111111111111111111111111111111111111"
#define FIVE     "1 00000000 000 000000 000001 1" // one sample of 5 us

static void malformed_bytes_are_refused_and_change_nothing(void **unused)
{
    struct hist h = {0}, before = {0};
    static const struct {
        const char *bits;
        uint64_t count, sum, min, max;
    } bad[] = {
        {"1", 1, 5, 5, 5},                                         // no page
        {"1 00000000 000 000000 000001", 1, 5, 5, 5},              // no count
        {"1 00000000 000 000000 000000", 1, 5, 5, 5},              // no end of a gap
        {"1 00000000 000 000100 000001 1 0", 1, 5, 5, 5},          // half of a count
        {"1 10000000 000 000000 000001 1", 1, 5, 5, 5},            // one pair of two
        {FIVE, 2, 10, 5, 5},                                       // counts do not sum up
        {"1 00000000 000 000000 000001 01", 1, 5, 5, 5},           // the same, too many
        {"1 10000000 000 000000 000001 1 1 1", 1, 5, 5, 5},        // the same, later
        {FIVE "00000000", 1, 5, 5, 5},                             // a byte more
        {FIVE FIVE, 1, 5, 5, 5},                                   // a page more
        {FIVE "1", 1, 5, 5, 5},                                    // a bit more
        {"1 00000000 111 000000 001 0000000 1", 1, 256, 256, 256}, // bucket 256 of a page
        {"1 10000000 111 000000 01 1111111 1 1 0000000 1", 2, 511, 255, 256}, // the same, later
        {FIVE, 1, 5, 4, 5},                                           // min in another bucket
        {FIVE, 1, 5, 5, 6},                                           // max in another bucket
        {FIVE, 1, 5, 6, 5},                                           // min beyond max
        {FIVE, 1, 4, 5, 5},                                           // sum too small
        {FIVE, 1, 6, 5, 5},                                           // sum too large
        {"1 10000000 000 000000 000001 1 1 1", 2, 13, 5, 6},          // the same
        {FIVE, 1, HIST_MAX_US + 1, HIST_MAX_US + 1, HIST_MAX_US + 1}, // > 1 h
        {"", 1, 0, 0, 0},                                             // nothing, but a count
        {"", 0, 1, 0, 0},                                             // nothing, but a sum
        {FIVE, 0, 0, 0, 0},                                           // something, but no count
        {"0", 0, 0, 0, 0},                                            // the same
        {"1 00000000 000 111111 000001 001" ZEROS_63, 1, 5, 5, 5},    // 2^64 + 1 is no 1
        {"1 10000000 000 111111 000001 1" ONES_63 "1 01" ZEROS_63, 1, 5, 5, 6}, // nor is a sum
    };

    (void)unused;
    hist_record(&h, 77);
    hist_record(&before, 77);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buf bytes = bits_of(bad[i].bits);
        assert_int_equal(hist_decode_add(&h, (const uint8_t *)bytes.data, bytes.len, bad[i].count,
                                         bad[i].sum, bad[i].min, bad[i].max),
                         -EBADMSG);
        assert_same(&h, &before);
        assert_int_equal(hist_bytes(&h), hist_bytes(&before));
        buf_done(&bytes);
    }
    struct buf five = bits_of(FIVE);
    assert_int_equal(hist_decode_add(&h, (uint8_t *)five.data, five.len, 1, 5, 5, 5), 0);
    buf_done(&five);
    hist_done(&h);
    hist_done(&before);
}

static void the_last_page_and_no_page_beyond_is_decoded(void **unused)
{
    const uint32_t last = hist_bucket(HIST_MAX_US);
    struct hist h = {0}, copy = {0};

    (void)unused;
    hist_record(&h, HIST_MAX_US);
    for (uint32_t page = last / HIST_PAGE; page <= HIST_PAGES + 1; page++) {
        struct buf text = {0};
        for (uint32_t i = 0; i < page; i++)
            buf_puts(&text, "0");
        buf_puts(&text, "1 00000000 000 000000 ");
        for (uint32_t i = 0; i < last % HIST_PAGE; i++)
            buf_puts(&text, "0");
        buf_puts(&text, "1 1");
        struct buf bytes = bits_of(text.data);
        assert_int_equal(decode(&copy, &h, &bytes), page == last / HIST_PAGE ? 0 : -EBADMSG);
        buf_done(&bytes);
        buf_done(&text);
    }
    assert_same(&copy, &h);
    hist_done(&h);
    hist_done(&copy);
}

static void bytes_cut_or_flipped_are_refused_or_as_many_samples(void **unused)
{
    struct hist h = {0}, copy = {0};
    struct buf bytes = {0};
    size_t refused = 0;

    (void)unused;
    for (int i = 0; i < 300; i++)
        hist_record(&h, next_sample(BIMODAL));
    hist_encode(&h, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        uint8_t *cut = xmemdup(bytes.data, len); // so that a sanitizer sees one byte too far
        assert_int_equal(hist_decode_add(&copy, cut, len, h.count, h.sum, h.min, h.max), -EBADMSG);
        free(cut);
    }
    for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
        bytes.data[bit / 8] ^= (char)(1 << bit % 8);
        if (decode(&copy, &h, &bytes) == 0)
            assert_int_equal(copy.count, h.count);
        else
            refused++;
        hist_done(&copy);
        bytes.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_true(refused > 4 * bytes.len);
    buf_done(&bytes);
    hist_done(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_histogram_has_no_percentile),
        cmocka_unit_test(buckets_are_in_order_and_within_a_thousandth),
        cmocka_unit_test(one_sample_is_every_percentile),
        cmocka_unit_test(percentiles_are_nearest_rank),
        cmocka_unit_test(ranks_are_exact_where_doubles_are_not),
        cmocka_unit_test(a_count_near_the_limit_of_64_bits_has_percentiles),
        cmocka_unit_test(a_sum_beyond_64_bits_is_refused),
        cmocka_unit_test(an_empty_histogram_is_small),
        cmocka_unit_test(ten_thousand_samples_are_small),
        cmocka_unit_test(any_histograms_merge_and_survive_the_wire),
        cmocka_unit_test(a_full_counter_widens_and_its_neighbours_stay),
        cmocka_unit_test(pages_of_any_two_widths_merge),
        cmocka_unit_test(samples_beyond_an_hour_are_clamped),
        cmocka_unit_test(merged_parts_equal_the_whole_to_the_bucket),
        cmocka_unit_test(what_is_encoded_decodes_to_the_same),
        cmocka_unit_test(a_reset_histogram_is_empty_and_usable),
        cmocka_unit_test(a_reset_histogram_keeps_its_pages_to_itself),
        cmocka_unit_test(the_code_is_as_documented),
        cmocka_unit_test(counts_of_any_size_survive_the_wire),
        cmocka_unit_test(malformed_bytes_are_refused_and_change_nothing),
        cmocka_unit_test(the_last_page_and_no_page_beyond_is_decoded),
        cmocka_unit_test(bytes_cut_or_flipped_are_refused_or_as_many_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
