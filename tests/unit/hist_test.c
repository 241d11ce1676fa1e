#include "common/hist.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
    struct hist h = {0};
    struct buf bytes = {0};
    const uint64_t n = UINT64_MAX / 8;

    (void)unused;
    buf_append(&bytes, "\x05\xff\xff\xff\xff\xff\xff\xff\xff\x1f", 10);
    for (int i = 0; i < 8; i++)
        assert_int_equal(hist_decode_add(&h, (uint8_t *)bytes.data, bytes.len, n, 5 * n, 5, 5), 0);
    assert_int_equal(hist_percentile(&h, 50), 5);
    assert_int_equal(hist_percentile(&h, 100), 5);
    assert_int_equal(hist_decode_add(&h, (uint8_t *)bytes.data, bytes.len, n, 5 * n, 5, 5),
                     -EBADMSG);
    assert_true(h.count == 8 * n);
    buf_done(&bytes);
    hist_done(&h);
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

static void malformed_bytes_are_refused_and_change_nothing(void **unused)
{
    struct hist h = {0}, before = {0};
    static const struct {
        const char *bytes;
        size_t len;
        uint64_t count, sum, min, max;
    } bad[] = {
        {"\x05", 1, 1, 5, 5, 5},                                           // no count
        {"\x05\x80", 2, 1, 5, 5, 5},                                       // truncated varint
        {"\x05\x00", 2, 0, 0, 0, 0},                                       // zero count
        {"\x05\x01\x01\x00", 4, 1, 5, 5, 5},                               // the same, later
        {"\x05\x01", 2, 2, 10, 5, 5},                                      // counts do not sum up
        {"\x05\x02", 2, 1, 5, 5, 5},                                       // the same, too many
        {"\x05\x01\x00\x01", 4, 2, 10, 5, 5},                              // not ascending
        {"\x80\xb8\x01\x01", 4, 1, HIST_MAX_US, HIST_MAX_US, HIST_MAX_US}, // bucket 23552
        {"\x05\x01", 2, 1, 5, 4, 5},                                       // min in another bucket
        {"\x05\x01", 2, 1, 5, 5, 6},                                       // max in another bucket
        {"\x05\x01", 2, 1, 5, 6, 5},                                       // min beyond max
        {"\x05\x01", 2, 1, 4, 5, 5},                                       // sum too small
        {"\x05\x01", 2, 1, 6, 5, 5},                                       // sum too large
        {"\x05\x01\x01\x01", 4, 2, 13, 5, 6},                              // the same
        {"\xb4\xb5\x01\x01", 4, 1, HIST_MAX_US + 1, HIST_MAX_US + 1, HIST_MAX_US + 1}, // > 1 h
        {"", 0, 1, 0, 0, 0},                                              // nothing, but a count
        {"", 0, 0, 1, 0, 0},                                              // nothing, but a sum
        {"\x05\x01", 2, 0, 0, 0, 0},                                      // something, but no count
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01", 11, 1, 5, 5, 5}, // beyond 64 bits
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11, 1, 0, 0, 0}, // eleven bytes long
    };

    (void)unused;
    hist_record(&h, 77);
    hist_record(&before, 77);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(hist_decode_add(&h, (const uint8_t *)bad[i].bytes, bad[i].len,
                                         bad[i].count, bad[i].sum, bad[i].min, bad[i].max),
                         -EBADMSG);
        assert_same(&h, &before);
    }
    hist_done(&h);
    hist_done(&before);
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
        cmocka_unit_test(samples_beyond_an_hour_are_clamped),
        cmocka_unit_test(merged_parts_equal_the_whole_to_the_bucket),
        cmocka_unit_test(what_is_encoded_decodes_to_the_same),
        cmocka_unit_test(a_reset_histogram_is_empty_and_usable),
        cmocka_unit_test(malformed_bytes_are_refused_and_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
