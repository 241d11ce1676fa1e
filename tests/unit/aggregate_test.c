#include "common/aggregate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
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
        cmocka_unit_test(two_workers_add_up_within_a_second),
        cmocka_unit_test(seconds_without_data_are_empty_points),
        cmocka_unit_test(a_second_before_the_start_comes_first),
        cmocka_unit_test(late_windows_still_count_in_totals),
        cmocka_unit_test(in_flight_is_the_latest_of_each_worker),
        cmocka_unit_test(absurd_windows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
