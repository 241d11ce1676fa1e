#include "worker/daemon/spool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/metrics.h"
#include "common/wire.h"

#define N_SERIES 2

// Second k with k + 1 requests in series 0; latencies spread over `spread` buckets.
static Lps__V1__Window *window_of(int64_t k, uint64_t spread)
{
    struct metrics_window *w = metrics_window_new(k, N_SERIES);

    w->series[0].n.started = w->series[0].n.completed = (uint64_t)k + 1;
    w->series[0].n.in_flight = (uint64_t)k;
    for (uint64_t i = 0; i < spread; i++)
        hist_record(&w->series[0].latency[METRICS_SERVICE], 1 + i);
    Lps__V1__Window *message = wire_window_encode(w);
    metrics_window_free(w);
    return message;
}

static void add(struct spool *sp, int64_t k, uint64_t spread)
{
    Lps__V1__Window *message = window_of(k, spread);

    spool_add(sp, message);
    lps__v1__window__free_unpacked(message, NULL);
}

// Sends the next one; its number, or 0 when there is none.
static uint64_t send_one(struct spool *sp, int64_t *ret_k, uint64_t *ret_started)
{
    Lps__V1__Window *message;
    uint64_t seq, started = 0;

    if (!spool_peek(sp, &seq, &message))
        return 0;
    for (size_t i = 0; i < message->n_series; i++)
        started += message->series[i]->counters->started;
    if (ret_k != NULL)
        *ret_k = message->k;
    if (ret_started != NULL)
        *ret_started = started;
    assert_true(lps__v1__window__get_packed_size(message) <= SPOOL_WINDOW_MAX);
    lps__v1__window__free_unpacked(message, NULL);
    spool_sent(sp);
    return seq;
}

static void an_empty_spool_has_nothing_to_send(void **state)
{
    struct spool *sp = spool_new(SPOOL_BYTES_MAX, N_SERIES);

    (void)state;
    assert_int_equal(send_one(sp, NULL, NULL), 0);
    assert_true(spool_is_empty(sp));
    assert_true(spool_all_sent(sp));
    assert_int_equal(spool_next_seq(sp), 1);
    spool_ack(sp, 10);
    assert_int_equal(spool_resume(sp, 0), 0);
    spool_free(sp);
    spool_free(NULL);
}

static void windows_are_numbered_in_order_and_kept_until_acknowledged(void **state)
{
    struct spool *sp = spool_new(SPOOL_BYTES_MAX, N_SERIES);
    int64_t k;

    (void)state;
    for (int64_t i = 0; i < 3; i++)
        add(sp, i, 1);
    for (int64_t i = 0; i < 3; i++) {
        assert_int_equal(send_one(sp, &k, NULL), i + 1);
        assert_int_equal(k, i);
    }
    assert_true(spool_all_sent(sp));
    assert_false(spool_is_empty(sp));
    spool_ack(sp, 2);
    assert_false(spool_is_empty(sp));
    spool_ack(sp, 3);
    assert_true(spool_is_empty(sp));
    assert_int_equal(spool_bytes(sp), 0);
    assert_int_equal(spool_next_seq(sp), 4);
    spool_free(sp);
}

static void a_peek_that_was_not_sent_takes_no_number(void **state)
{
    struct spool *sp = spool_new(SPOOL_BYTES_MAX, N_SERIES);
    Lps__V1__Window *message;
    uint64_t seq;

    (void)state;
    add(sp, 0, 1);
    for (int i = 0; i < 2; i++) {
        assert_true(spool_peek(sp, &seq, &message));
        assert_int_equal(seq, 1);
        lps__v1__window__free_unpacked(message, NULL);
    }
    assert_int_equal(spool_next_seq(sp), 1);
    spool_free(sp);
}

static void a_new_stream_gets_what_was_not_committed_with_the_same_numbers(void **state)
{
    struct spool *sp = spool_new(SPOOL_BYTES_MAX, N_SERIES);
    int64_t k;

    (void)state;
    for (int64_t i = 0; i < 4; i++)
        add(sp, i, 1);
    for (int i = 0; i < 3; i++)
        send_one(sp, NULL, NULL);
    assert_int_equal(spool_resume(sp, 1), 0);
    assert_int_equal(send_one(sp, &k, NULL), 2);
    assert_int_equal(k, 1);
    assert_int_equal(send_one(sp, NULL, NULL), 3);
    assert_int_equal(send_one(sp, &k, NULL), 4);
    assert_int_equal(k, 3);
    assert_int_equal(send_one(sp, NULL, NULL), 0);
    spool_free(sp);
}

static void an_acknowledgement_of_what_was_never_sent_drops_nothing(void **state)
{
    struct spool *sp = spool_new(SPOOL_BYTES_MAX, N_SERIES);

    (void)state;
    add(sp, 0, 1);
    spool_ack(sp, UINT64_MAX);
    assert_false(spool_is_empty(sp));
    assert_int_equal(send_one(sp, NULL, NULL), 1);
    spool_free(sp);
}

static void acknowledgements_out_of_order_and_twice_are_fine(void **state)
{
    struct spool *sp = spool_new(SPOOL_BYTES_MAX, N_SERIES);

    (void)state;
    for (int64_t i = 0; i < 3; i++)
        add(sp, i, 1);
    for (int i = 0; i < 3; i++)
        send_one(sp, NULL, NULL);
    spool_ack(sp, 2);
    spool_ack(sp, 1);
    spool_ack(sp, 2);
    assert_int_equal(spool_resume(sp, 2), 0);
    assert_int_equal(send_one(sp, NULL, NULL), 3);
    spool_free(sp);
}

static void a_master_that_lost_what_it_acknowledged_is_noticed(void **state)
{
    struct spool *sp = spool_new(SPOOL_BYTES_MAX, N_SERIES);

    (void)state;
    add(sp, 0, 1);
    add(sp, 1, 1);
    send_one(sp, NULL, NULL);
    send_one(sp, NULL, NULL);
    spool_ack(sp, 2);
    assert_int_equal(spool_resume(sp, 1), -ENODATA);
    assert_int_equal(spool_resume(sp, 2), 0);
    spool_free(sp);
}

static void a_full_spool_merges_neighbours_and_loses_no_request(void **state)
{
    const size_t max = 64 * 1024;
    struct spool *sp = spool_new(max, N_SERIES);
    uint64_t total = 0, sum = 0, started, n = 0;
    int64_t k, last_k = -1;

    (void)state;
    for (int64_t i = 0; i < 500; i++) {
        add(sp, i, 500);
        sum += (uint64_t)i + 1;
        assert_true(spool_bytes(sp) <= max);
    }
    while (spool_resume(sp, n) == 0 && send_one(sp, &k, &started) == n + 1) {
        total += started;
        assert_true(k > last_k);
        last_k = k;
        n++;
    }
    assert_true(n > 1 && n < 500);
    assert_int_equal(total, sum);
    assert_int_equal(last_k, 499);
    spool_free(sp);
}

static void what_was_sent_is_never_merged(void **state)
{
    struct spool *sp = spool_new(16 * 1024, N_SERIES);
    uint64_t started;
    int64_t k;

    (void)state;
    for (int64_t i = 0; i < 3; i++) {
        add(sp, i, 100);
        assert_int_equal(send_one(sp, NULL, NULL), i + 1);
    }
    for (int64_t i = 3; i < 200; i++)
        add(sp, i, 500);
    assert_int_equal(spool_resume(sp, 0), 0);
    for (int64_t i = 0; i < 3; i++) {
        assert_int_equal(send_one(sp, &k, &started), i + 1);
        assert_int_equal(k, i);
        assert_int_equal(started, i + 1);
    }
    spool_free(sp);
}

static void a_merged_window_carries_the_later_second_and_gauge(void **state)
{
    struct spool *sp = spool_new(1, N_SERIES);
    Lps__V1__Window *message;
    uint64_t seq;

    (void)state;
    add(sp, 7, 1);
    add(sp, 8, 1);
    assert_true(spool_peek(sp, &seq, &message));
    assert_int_equal(message->k, 8);
    assert_int_equal(message->n_series, 1);
    assert_int_equal(message->series[0]->counters->started, 8 + 9);
    assert_int_equal(message->series[0]->counters->in_flight, 8);
    assert_int_equal(message->series[0]->latency[0]->hist->count, 2);
    lps__v1__window__free_unpacked(message, NULL);
    spool_free(sp);
}

static void half_of_the_spool_may_be_on_its_way(void **state)
{
    struct spool *sp = spool_new(8 * 1024, N_SERIES);
    uint64_t n = 0, seq;

    (void)state;
    for (int64_t i = 0; i < 40; i++)
        add(sp, i, 500);
    while ((seq = send_one(sp, NULL, NULL)) != 0)
        n = seq;
    assert_true(n > 1);
    assert_false(spool_all_sent(sp));
    spool_ack(sp, n);
    assert_int_equal(send_one(sp, NULL, NULL), n + 1);
    spool_free(sp);
}

static void a_window_too_large_for_a_message_goes_in_pieces(void **state)
{
    enum { SERIES = 120 };
    struct spool *sp = spool_new(SPOOL_BYTES_MAX, SERIES);
    struct metrics_window *w = metrics_window_new(5, SERIES);
    uint64_t total = 0, started, pieces = 0;
    int64_t k;

    (void)state;
    for (uint32_t i = 0; i < SERIES; i++) {
        w->series[i].n.started = i + 1;
        for (int kind = METRICS_SERVICE; kind <= METRICS_DNS; kind++)
            for (uint64_t us = 0; us < 12000; us++)
                hist_record(&w->series[i].latency[kind], 3 * us);
    }
    Lps__V1__Window *message = wire_window_encode(w);
    assert_true(lps__v1__window__get_packed_size(message) > SPOOL_WINDOW_MAX);
    spool_add(sp, message);
    while (send_one(sp, &k, &started) != 0) {
        assert_int_equal(k, 5);
        total += started;
        pieces++;
    }
    assert_true(pieces > 1);
    assert_int_equal(total, SERIES * (SERIES + 1) / 2);
    lps__v1__window__free_unpacked(message, NULL);
    metrics_window_free(w);
    spool_free(sp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_spool_has_nothing_to_send),
        cmocka_unit_test(windows_are_numbered_in_order_and_kept_until_acknowledged),
        cmocka_unit_test(a_peek_that_was_not_sent_takes_no_number),
        cmocka_unit_test(a_new_stream_gets_what_was_not_committed_with_the_same_numbers),
        cmocka_unit_test(an_acknowledgement_of_what_was_never_sent_drops_nothing),
        cmocka_unit_test(acknowledgements_out_of_order_and_twice_are_fine),
        cmocka_unit_test(a_master_that_lost_what_it_acknowledged_is_noticed),
        cmocka_unit_test(a_full_spool_merges_neighbours_and_loses_no_request),
        cmocka_unit_test(what_was_sent_is_never_merged),
        cmocka_unit_test(a_merged_window_carries_the_later_second_and_gauge),
        cmocka_unit_test(half_of_the_spool_may_be_on_its_way),
        cmocka_unit_test(a_window_too_large_for_a_message_goes_in_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
