#include "worker/runner/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/clock.h"

static void no_clients_means_no_arrival(void **unused)
{
    struct sched s;
    int64_t due;

    (void)unused;
    sched_init(&s, 5, 100, 0, 0, 1);
    assert_false(sched_peek(&s, &due));
}

static void a_thread_beyond_the_clients_gets_none(void **unused)
{
    struct sched s;
    int64_t due;

    (void)unused;
    sched_init(&s, 5, 100, 3, 3, 4);
    assert_false(sched_peek(&s, &due));
}

static void threads_share_all_arrivals_between_them(void **unused)
{
    enum { CLIENTS = 7, THREADS = 3 };
    unsigned seen[CLIENTS] = {0};

    (void)unused;
    for (uint32_t t = 0; t < THREADS; t++) {
        struct sched s;
        int64_t due;
        sched_init(&s, 1000, 200, CLIENTS, t, THREADS);
        for (; sched_peek(&s, &due); sched_pop(&s)) {
            int64_t i = (due - 1000) / (200 * NS_PER_MS);
            assert_int_equal(due, 1000 + i * 200 * NS_PER_MS);
            assert_int_equal(i % THREADS, t);
            seen[i]++;
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(seen[i], 1);
}

static void without_a_delay_all_are_due_at_the_start(void **unused)
{
    struct sched s;
    int64_t due;

    (void)unused;
    sched_init(&s, 7, 0, 1000000, 1, 2);
    s.next = 999999;
    assert_true(sched_peek(&s, &due));
    assert_int_equal(due, 7);
    sched_pop(&s);
    assert_false(sched_peek(&s, &due));
}

static void a_time_beyond_the_clock_is_never(void **unused)
{
    struct sched s;
    int64_t due;

    (void)unused;
    sched_init(&s, INT64_MAX - 1, 1, 2, 1, 2);
    assert_true(sched_peek(&s, &due));
    assert_int_equal(due, INT64_MAX);
    sched_init(&s, 0, UINT64_MAX, 2, 1, 2);
    assert_true(sched_peek(&s, &due));
    assert_int_equal(due, INT64_MAX);
    assert_int_equal(sched_end_ns(1, UINT64_MAX), INT64_MAX);
    assert_int_equal(sched_end_ns(INT64_MAX - NS_PER_S, 1), INT64_MAX);
    assert_int_equal(sched_end_ns(5, 2), 5 + 2 * NS_PER_S);
}

static void pauses_double_up_to_a_second_by_duration(void **unused)
{
    int64_t want = 10 * NS_PER_MS;

    (void)unused;
    for (unsigned n = 1; n <= 7; n++, want *= 2)
        assert_int_equal(sched_pause_ns(n, false), want);
    assert_int_equal(sched_pause_ns(8, false), NS_PER_S);
    assert_int_equal(sched_pause_ns(4000000000, false), NS_PER_S);
}

static void pauses_stay_short_by_count(void **unused)
{
    (void)unused;
    assert_int_equal(sched_pause_ns(1, true), 10 * NS_PER_MS);
    assert_int_equal(sched_pause_ns(1000, true), 10 * NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_clients_means_no_arrival),
        cmocka_unit_test(a_thread_beyond_the_clients_gets_none),
        cmocka_unit_test(threads_share_all_arrivals_between_them),
        cmocka_unit_test(without_a_delay_all_are_due_at_the_start),
        cmocka_unit_test(a_time_beyond_the_clock_is_never),
        cmocka_unit_test(pauses_double_up_to_a_second_by_duration),
        cmocka_unit_test(pauses_stay_short_by_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
