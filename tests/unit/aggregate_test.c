#include "common/aggregate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct metrics_window *window(int64_t k, uint64_t requests, uint64_t us, uint64_t in_flight)
{
    struct metrics_window *w = metrics_window_new(k, 1);

    w->series[0].n = (struct metrics_counters){
        .started = requests, .completed = requests, .in_flight = in_flight};
    w->series[0].status[200] = requests;
    for (uint64_t i = 0; i < requests; i++)
        hist_record(&w->series[0].latency[METRICS_SERVICE], us);
    return w;
}

static void add(struct aggregate *a, uint32_t source, int64_t k, uint64_t requests, uint64_t us,
                uint64_t in_flight)
{
    struct metrics_window *w = window(k, requests, us, in_flight);

    assert_int_equal(aggregate_add(a, source, w), 0);
    metrics_window_free(w);
}

static void an_empty_aggregate_has_no_points(void **unused)
{
    struct aggregate *a = aggregate_new(1, 5);
    size_t n;

    (void)unused;
    aggregate_points(a, &n);
    assert_int_equal(n, 0);
    assert_int_equal(aggregate_newest(a), -1);
    assert_null(aggregate_point_at(a, 0));
    assert_null(aggregate_window(a, 0));
    aggregate_free(a);
}

static void add_busy(struct aggregate *a, uint32_t source, int64_t k, uint64_t busy_us)
{
    struct metrics_window *w = metrics_window_new(k, 1);

    w->health.busy_us = busy_us;
    assert_int_equal(aggregate_add(a, source, w), 0);
    metrics_window_free(w);
}

static void generators_are_judged_by_worker_and_second(void **unused)
{
    struct aggregate *a = aggregate_new(1, 5);

    (void)unused;
    add_busy(a, 0, -1, 990000); // before T0
    add_busy(a, 0, 0, 990000);
    add_busy(a, 1, 0, 850000);
    add_busy(a, 1, 1, 0);
    assert_int_equal(aggregate_point_at(a, -1)->generator, GENERATOR_UNDEFINED);
    assert_int_equal(aggregate_point_at(a, 0)->generator, GENERATOR_LIMITED);
    assert_int_equal(aggregate_point_at(a, 1)->generator, GENERATOR_CLEAN);
    assert_int_equal(aggregate_generator(a, 0)->n_seconds, 1);
    assert_int_equal(aggregate_generator(a, 0)->n_limited, 1);
    assert_int_equal(aggregate_generator(a, 1)->n_seconds, 2);
    assert_int_equal(aggregate_generator(a, 1)->n_degraded, 1);
    assert_int_equal(aggregate_generator(a, 7)->n_seconds, 0);
    aggregate_free(a);
}

static void two_workers_add_up_within_a_second(void **unused)
{
    struct aggregate *a = aggregate_new(1, 5);

    (void)unused;
    add(a, 0, 0, 10, 1000, 3);
    add(a, 1, 0, 30, 2000, 4);
    const struct aggregate_point *p = aggregate_point_at(a, 0);
    assert_int_equal(p->n_sources, 2);
    assert_int_equal(p->started, 40);
    assert_int_equal(p->in_flight, 7);
    assert_in_range(p->p50_us, 2000, 2001);
    assert_int_equal(aggregate_total(a)->n.started, 40);
    assert_int_equal(aggregate_totals(a)[0].status[200], 40);
    aggregate_free(a);
}

static void windows_merged_before_are_what_they_were_apart(void **unused)
{
    const struct aggregate_share absurd[] = {{.source = 0}, {.source = 100000}};
    struct aggregate *a = aggregate_new(1, 5), *b = aggregate_new(1, 5);

    (void)unused;
    for (int64_t k = 0; k < 8; k++) {
        struct metrics_window *w = window(k, 10, 1000, 3), *other = window(k, 30, 2000, 4);
        const struct aggregate_share looked[] = {aggregate_share(0, w), aggregate_share(1, other)};
        aggregate_add(a, 0, w);
        aggregate_add(a, 1, other);
        metrics_merge_peer(w, other);
        assert_int_equal(aggregate_add_merged(b, absurd, 2, w), -ERANGE);
        assert_int_equal(aggregate_add_merged(b, looked, 2, w), 0);
        metrics_window_free(w);
        metrics_window_free(other);
    }
    size_t n, m;
    const struct aggregate_point *p = aggregate_points(a, &n), *q = aggregate_points(b, &m);
    assert_int_equal(n, m);
    assert_memory_equal(p, q, n * sizeof *p);
    assert_memory_equal(&aggregate_total(a)->n, &aggregate_total(b)->n,
                        offsetof(struct metrics_counters, in_flight));
    aggregate_free(a);
    aggregate_free(b);
}

static void seconds_without_data_are_empty_points(void **unused)
{
    struct aggregate *a = aggregate_new(1, 5);
    size_t n;

    (void)unused;
    add(a, 0, 3, 1, 10, 0);
    const struct aggregate_point *p = aggregate_points(a, &n);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(p[i].k, i);
    assert_int_equal(p[1].started, 0);
    add(a, 0, 6, 1, 10, 0);
    aggregate_points(a, &n);
    assert_int_equal(n, 7);
    aggregate_free(a);
}

static void a_second_before_the_start_comes_first(void **unused)
{
    struct aggregate *a = aggregate_new(1, 5);
    size_t n;

    (void)unused;
    add(a, 0, 1, 5, 10, 0);
    add(a, 0, -1, 2, 10, 0);
    const struct aggregate_point *p = aggregate_points(a, &n);
    assert_int_equal(n, 3);
    assert_int_equal(p[0].k, -1);
    assert_int_equal(p[0].started, 2);
    assert_int_equal(p[2].started, 5);
    aggregate_free(a);
}

static void late_windows_still_count_in_totals(void **unused)
{
    struct aggregate *a = aggregate_new(1, 2);

    (void)unused;
    add(a, 0, 0, 1, 10, 0);
    add(a, 0, 9, 1, 10, 0);
    add(a, 1, 0, 5, 10, 0);
    assert_int_equal(aggregate_total(a)->n.started, 7);
    assert_int_equal(aggregate_total(a)->latency[METRICS_SERVICE].count, 7);
    assert_int_equal(aggregate_point_at(a, 0)->started, 6);
    assert_null(aggregate_window(a, 0));
    assert_non_null(aggregate_window(a, 9));
    aggregate_free(a);
}

static void in_flight_is_the_latest_of_each_worker(void **unused)
{
    struct aggregate *a = aggregate_new(1, 5);

    (void)unused;
    add(a, 0, 0, 1, 10, 5);
    add(a, 1, 0, 1, 10, 6);
    add(a, 0, 1, 1, 10, 2);
    assert_int_equal(aggregate_point_at(a, 1)->in_flight, 8);
    aggregate_free(a);
}

static void a_worker_that_lags_is_counted_in_its_own_seconds(void **unused)
{
    struct aggregate *a = aggregate_new(1, 5);

    (void)unused;
    add(a, 0, 0, 1, 10, 5);
    add(a, 1, 0, 1, 10, 6);
    add(a, 0, 1, 1, 10, 5);
    add(a, 0, 2, 1, 10, 5);
    add(a, 1, 1, 1, 10, 1);
    assert_int_equal(aggregate_point_at(a, 0)->in_flight, 11);
    assert_int_equal(aggregate_point_at(a, 1)->in_flight, 6);
    assert_int_equal(aggregate_point_at(a, 2)->in_flight, 6);
    add(a, 1, 2, 1, 10, 0);
    assert_int_equal(aggregate_point_at(a, 1)->in_flight, 6);
    assert_int_equal(aggregate_point_at(a, 2)->in_flight, 5);
    aggregate_free(a);
}

static void a_worker_silent_beyond_the_horizon_has_nothing_in_flight(void **unused)
{
    struct aggregate *a = aggregate_new(1, 3);

    (void)unused;
    add(a, 0, 0, 1, 10, 5);
    add(a, 1, 0, 1, 10, 7);
    for (int64_t k = 1; k <= 3; k++)
        add(a, 0, k, 1, 10, 5);
    assert_int_equal(aggregate_point_at(a, 3)->in_flight, 12);
    add(a, 0, 4, 1, 10, 5);
    assert_int_equal(aggregate_point_at(a, 4)->in_flight, 5);
    add(a, 1, 1, 1, 10, 7); // back, with what it could not hand over
    assert_int_equal(aggregate_point_at(a, 4)->in_flight, 12);
    add(a, 1, 4, 1, 10, 1);
    assert_int_equal(aggregate_point_at(a, 4)->in_flight, 6);
    aggregate_free(a);
}

static void a_second_in_two_parts_counts_its_worker_once(void **unused)
{
    struct aggregate *a = aggregate_new(1, 5);

    (void)unused;
    add(a, 0, 2, 3, 10, 4);
    add(a, 0, 2, 2, 10, 1);
    assert_int_equal(aggregate_point_at(a, 2)->n_sources, 1);
    assert_int_equal(aggregate_point_at(a, 2)->started, 5);
    assert_int_equal(aggregate_point_at(a, 2)->in_flight, 1);
    aggregate_free(a);
}

static void percentiles_are_those_of_all_workers_and_series(void **unused)
{
    struct aggregate *a = aggregate_new(2, 5);
    struct hist all = {0};

    (void)unused;
    for (uint32_t source = 0; source < 4; source++) {
        struct metrics_window *w = metrics_window_new(3, 2);
        for (uint64_t i = 0; i < 500; i++) {
            uint64_t us = (i * 7919 + source * 104729) % 300000;
            hist_record(&w->series[i % 2].latency[METRICS_SERVICE], us);
            hist_record(&all, us);
        }
        assert_int_equal(aggregate_add(a, source, w), 0);
        metrics_window_free(w);
    }
    const struct aggregate_point *p = aggregate_point_at(a, 3);
    assert_int_equal(p->p50_us, hist_percentile(&all, 50));
    assert_int_equal(p->p99_us, hist_percentile(&all, 99));
    assert_int_equal(p->p999_us, hist_percentile(&all, 99.9));
    assert_int_equal(p->max_us, all.max);
    const struct hist *total = &aggregate_total(a)->latency[METRICS_SERVICE];
    for (double percent = 0.5; percent <= 100; percent += 0.5)
        assert_int_equal(hist_percentile(total, percent), hist_percentile(&all, percent));
    hist_done(&all);
    aggregate_free(a);
}

static void a_slot_of_the_ring_forgets_the_second_before(void **unused)
{
    struct aggregate *a = aggregate_new(1, 2);

    (void)unused;
    add(a, 0, 0, 5, 9000, 0);
    add(a, 0, 1, 5, 10, 0);
    add(a, 0, 2, 1, 10, 0);
    assert_int_equal(aggregate_window(a, 2)->series[0].n.started, 1);
    assert_int_equal(aggregate_window(a, 2)->series[0].status[200], 1);
    assert_int_equal(aggregate_point_at(a, 2)->max_us, 10);
    assert_null(aggregate_window(a, 0));
    aggregate_free(a);
}

static void one_window_asks_for_a_day_of_points_at_most(void **unused)
{
    struct aggregate *a = aggregate_new(1, 2);
    struct metrics_window *w = window(AGGREGATE_GAP_MAX, 1, 10, 0);
    size_t n;

    (void)unused;
    assert_int_equal(aggregate_add(a, 0, w), -ERANGE);
    w->k = AGGREGATE_GAP_MAX - 1;
    assert_int_equal(aggregate_add(a, 0, w), 0);
    aggregate_points(a, &n);
    assert_int_equal(n, AGGREGATE_GAP_MAX);
    w->k += AGGREGATE_GAP_MAX + 1;
    assert_int_equal(aggregate_add(a, 0, w), -ERANGE);
    w->k--;
    assert_int_equal(aggregate_add(a, 0, w), 0);
    assert_int_equal(aggregate_total(a)->n.started, 2);
    metrics_window_free(w);
    aggregate_free(a);
}

static void absurd_windows_are_refused(void **unused)
{
    struct aggregate *a = aggregate_new(1, 5);
    struct metrics_window *w = window(-2, 1, 1, 0);

    (void)unused;
    assert_int_equal(aggregate_add(a, 0, w), -ERANGE);
    w->k = 31536001;
    assert_int_equal(aggregate_add(a, 0, w), -ERANGE);
    w->k = 0;
    assert_int_equal(aggregate_add(a, 100000, w), -ERANGE);
    metrics_window_free(w);
    w = metrics_window_new(0, 2);
    assert_int_equal(aggregate_add(a, 0, w), -ERANGE);
    metrics_window_free(w);
    assert_int_equal(aggregate_total(a)->n.started, 0);
    aggregate_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_aggregate_has_no_points),
        cmocka_unit_test(generators_are_judged_by_worker_and_second),
        cmocka_unit_test(two_workers_add_up_within_a_second),
        cmocka_unit_test(windows_merged_before_are_what_they_were_apart),
        cmocka_unit_test(seconds_without_data_are_empty_points),
        cmocka_unit_test(a_second_before_the_start_comes_first),
        cmocka_unit_test(late_windows_still_count_in_totals),
        cmocka_unit_test(in_flight_is_the_latest_of_each_worker),
        cmocka_unit_test(a_worker_that_lags_is_counted_in_its_own_seconds),
        cmocka_unit_test(a_worker_silent_beyond_the_horizon_has_nothing_in_flight),
        cmocka_unit_test(a_second_in_two_parts_counts_its_worker_once),
        cmocka_unit_test(percentiles_are_those_of_all_workers_and_series),
        cmocka_unit_test(a_slot_of_the_ring_forgets_the_second_before),
        cmocka_unit_test(one_window_asks_for_a_day_of_points_at_most),
        cmocka_unit_test(absurd_windows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
