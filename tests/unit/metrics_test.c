#include "common/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_kind_has_a_name_of_its_own(void **unused)
{
    (void)unused;
    for (int i = 0; i < METRICS_ERROR__COUNT; i++) {
        assert_non_null(metrics_error_name[i]);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(metrics_error_name[i], metrics_error_name[j]);
    }
    for (int i = 0; i < METRICS_LATENCY__COUNT; i++) {
        assert_non_null(metrics_latency_name[i]);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(metrics_latency_name[i], metrics_latency_name[j]);
    }
}

static void any_event_makes_a_series_not_empty(void **unused)
{
    struct metrics_window *w = metrics_window_new(0, 1);
    struct metrics_series *s = &w->series[0];

    (void)unused;
    assert_true(metrics_series_is_empty(s));
    s->n.in_flight = 1;
    assert_false(metrics_series_is_empty(s));
    metrics_window_reset(w, 1);
    assert_true(metrics_series_is_empty(s));
    s->status[599] = 1;
    assert_false(metrics_series_is_empty(s));
    metrics_window_reset(w, 2);
    assert_true(metrics_series_is_empty(s));
    metrics_record_error(s, METRICS_ERROR_LOCAL, 2, "");
    assert_false(metrics_series_is_empty(s));
    metrics_window_reset(w, 3);
    assert_true(metrics_series_is_empty(s));
    hist_record(&s->latency[METRICS_TTFB], 0);
    assert_false(metrics_series_is_empty(s));
    metrics_window_reset(w, 4);
    assert_true(metrics_series_is_empty(s));
    assert_int_equal(w->k, 4);
    metrics_window_free(w);
    metrics_window_free(NULL);
}

static void a_window_may_have_no_series(void **unused)
{
    struct metrics_window *w = metrics_window_new(0, 0);

    (void)unused;
    assert_int_equal(w->n_series, 0);
    metrics_window_reset(w, 1);
    assert_int_equal(w->k, 1);
    metrics_window_free(w);
}

static void an_error_keeps_its_first_example_and_both_ends(void **unused)
{
    struct metrics_series s = {0};
    const struct metrics_error_count *e = &s.error[METRICS_ERROR_TLS];

    (void)unused;
    metrics_record_error(&s, METRICS_ERROR_TLS, 3, "first");
    metrics_record_error(&s, METRICS_ERROR_TLS, 8, "second");
    assert_int_equal(e->count, 2);
    assert_int_equal(e->first_k, 3);
    assert_int_equal(e->last_k, 8);
    assert_string_equal(e->example, "first");
}

static void an_example_is_cut_in_whole_characters(void **unused)
{
    struct metrics_series s = {0};
    char example[METRICS_EXAMPLE_MAX + 20];

    (void)unused;
    memset(example, 'x', sizeof example);
    example[METRICS_EXAMPLE_MAX] = '\0';
    metrics_record_error(&s, METRICS_ERROR_DNS, 0, example);
    assert_int_equal(strlen(s.error[METRICS_ERROR_DNS].example), METRICS_EXAMPLE_MAX);
    memcpy(example + METRICS_EXAMPLE_MAX - 1, "\xc3\xbc", 3);
    metrics_record_error(&s, METRICS_ERROR_TLS, 0, example);
    assert_int_equal(strlen(s.error[METRICS_ERROR_TLS].example), METRICS_EXAMPLE_MAX - 1);
    metrics_record_error(&s, METRICS_ERROR_RESET, 0, "\x1b\xffx");
    assert_string_equal(s.error[METRICS_ERROR_RESET].example, "??x");
}

static void merged_errors_keep_the_earliest_example(void **unused)
{
    struct metrics_series a = {0}, b = {0}, none = {0};
    const struct metrics_error_count *e = &a.error[METRICS_ERROR_RESET];

    (void)unused;
    metrics_record_error(&a, METRICS_ERROR_RESET, 5, "later");
    metrics_record_error(&b, METRICS_ERROR_RESET, 2, "earlier");
    metrics_merge_later(&a, &b);
    metrics_merge_later(&a, &none);
    assert_int_equal(e->count, 2);
    assert_int_equal(e->first_k, 2);
    assert_int_equal(e->last_k, 5);
    assert_string_equal(e->example, "earlier");
}

static void gauges_add_up_over_peers_and_are_replaced_over_time(void **unused)
{
    struct metrics_window *a = metrics_window_new(0, 1), *b = metrics_window_new(0, 1);
    struct metrics_series total = {0};

    (void)unused;
    a->series[0].n = (struct metrics_counters){.started = 1, .in_flight = 3, .in_flight_max = 9};
    b->series[0].n = (struct metrics_counters){.started = 2, .in_flight = 4, .in_flight_max = 5};
    a->health = (struct metrics_health){
        .loop_stall_us = 7, .cpu_us = 1, .fds = 10, .busy_us = 3, .steal_us = 8};
    b->health = (struct metrics_health){
        .loop_stall_us = 5, .cpu_us = 2, .fds = 20, .busy_us = 4, .steal_us = 6};

    metrics_merge_later(&total, &a->series[0]);
    metrics_merge_later(&total, &b->series[0]);
    assert_int_equal(total.n.started, 3);
    assert_int_equal(total.n.in_flight, 4);
    assert_int_equal(total.n.in_flight_max, 9);

    struct metrics_health later = a->health;
    metrics_merge_later_health(&later, &b->health);
    assert_int_equal(later.loop_stall_us, 7);
    assert_int_equal(later.cpu_us, 3);
    assert_int_equal(later.fds, 20);
    assert_int_equal(later.busy_us, 4);
    assert_int_equal(later.steal_us, 8);
    metrics_merge_peer(a, b);
    assert_int_equal(a->series[0].n.started, 3);
    assert_int_equal(a->series[0].n.in_flight, 7);
    assert_int_equal(a->series[0].n.in_flight_max, 14);
    assert_int_equal(a->health.loop_stall_us, 7);
    assert_int_equal(a->health.cpu_us, 3);
    assert_int_equal(a->health.fds, 30);
    assert_int_equal(a->health.busy_us, 4);
    assert_int_equal(a->health.steal_us, 8);
    metrics_window_free(a);
    metrics_window_free(b);
}

// Every field has a value of its own, so that one left out or taken twice shows.
static void all_counters_add_up(void **unused)
{
    struct metrics_window *a = metrics_window_new(0, 1), *b = metrics_window_new(0, 1);
    struct metrics_series total = {0};
    uint64_t values[sizeof(struct metrics_counters) / sizeof(uint64_t)], sums[14];

    (void)unused;
    assert_int_equal(sizeof values, sizeof sums);
    for (size_t i = 0; i < 14; i++)
        values[i] = 1000 + i;
    memcpy(&a->series[0].n, values, sizeof values);
    memcpy(&b->series[0].n, values, sizeof values);
    metrics_merge_peer(a, b);
    memcpy(sums, &a->series[0].n, sizeof sums);
    for (size_t i = 0; i < 14; i++)
        assert_int_equal(sums[i], 2 * values[i]);
    metrics_merge_later(&total, &b->series[0]);
    metrics_merge_later(&total, &b->series[0]);
    memcpy(sums, &total.n, sizeof sums);
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(sums[i], 2 * values[i]);
    metrics_window_free(a);
    metrics_window_free(b);
}

static void errors_are_failed_requests_and_statuses_from_400(void **unused)
{
    struct metrics_series s = {.n = {.failed = 2}};

    (void)unused;
    s.status[399] = 100;
    s.status[400] = 10;
    s.status[499] = 20;
    s.status[500] = 30;
    s.status[599] = 40;
    assert_int_equal(metrics_n_errors(&s), 102);
    assert_int_equal(metrics_n_5xx(&s), 70);
}

static void counters_are_compared_but_for_gauges(void **unused)
{
    struct metrics_counters a = {.started = 1, .in_flight = 1}, b = {.started = 1, .reused = 0};

    (void)unused;
    b.in_flight_max = 7;
    assert_true(metrics_counters_equal(&a, &b));
    b.reused = 1;
    assert_false(metrics_counters_equal(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_name_of_its_own),
        cmocka_unit_test(any_event_makes_a_series_not_empty),
        cmocka_unit_test(a_window_may_have_no_series),
        cmocka_unit_test(an_error_keeps_its_first_example_and_both_ends),
        cmocka_unit_test(an_example_is_cut_in_whole_characters),
        cmocka_unit_test(merged_errors_keep_the_earliest_example),
        cmocka_unit_test(gauges_add_up_over_peers_and_are_replaced_over_time),
        cmocka_unit_test(all_counters_add_up),
        cmocka_unit_test(errors_are_failed_requests_and_statuses_from_400),
        cmocka_unit_test(counters_are_compared_but_for_gauges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
