#include "common/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char plan_text[] =
    "{\"name\":\"Shop\",\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"i\",\"mode\":\"R\","
    "\"requestCount\":10,\"httpRequest\":{\"url\":\"http://127.0.0.1/\",\"method\":\"GET\"}}]}]}";

struct fixture {
    struct plan *plan;
    struct aggregate *aggregate;
    struct result_member members[2];
    struct result_input in;
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct diag d = {0};

    if (plan_parse(plan_text, strlen(plan_text), &d, &f->plan) < 0)
        return -1;
    f->aggregate = aggregate_new(1, 10);
    for (int i = 0; i < 2; i++)
        f->members[i] = (struct result_member){.node = i == 0 ? "w1" : "w2",
                                               .state = RESULT_MEMBER_DONE,
                                               .last_k = 1,
                                               .has_start = true,
                                               .start_skew_ns = i == 0 ? -400000 : 200000,
                                               .start_error_ns = 100000};
    f->in = (struct result_input){.run_id = "0f1e2d3c-0000-4000-8000-000000000000",
                                  .plan = f->plan,
                                  .started_wall_ms = 1,
                                  .duration_ns = 2000000000,
                                  .durable = true,
                                  .min_members = 2,
                                  .members = f->members,
                                  .n_members = 2,
                                  .aggregate = f->aggregate};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    aggregate_free(f->aggregate);
    plan_free(f->plan);
    free(f);
    return 0;
}

// n responses of one status, 1 ms each, in second 0 of worker 0.
static void answer(struct fixture *f, unsigned status, uint64_t n)
{
    struct metrics_window *w = metrics_window_new(0, 1);

    w->series[0].n = (struct metrics_counters){.started = n, .completed = n};
    w->series[0].status[status] = n;
    for (uint64_t i = 0; i < n; i++)
        hist_record(&w->series[0].latency[METRICS_SERVICE], 1000);
    aggregate_add(f->aggregate, 0, w);
    metrics_window_free(w);
}

static void refuse(struct fixture *f, uint64_t n)
{
    struct metrics_window *w = metrics_window_new(0, 1);

    w->series[0].n = (struct metrics_counters){.started = n, .failed = n};
    for (uint64_t i = 0; i < n; i++)
        metrics_record_error(&w->series[0], METRICS_ERROR_REFUSED, 0, "Connection refused");
    aggregate_add(f->aggregate, 0, w);
    metrics_window_free(w);
}

static int exit_code(const struct fixture *f)
{
    json_t *result = result_build(&f->in);

    assert_non_null(result);
    int code = result_exit_code(result);
    json_decref(result);
    return code;
}

static void all_well_passes(void **state)
{
    answer(*state, 200, 100);
    assert_int_equal(exit_code(*state), RESULT_PASSED);
}

static void a_run_without_requests_fails(void **state)
{
    assert_int_equal(exit_code(*state), RESULT_FAILED);
}

static void a_run_in_which_everything_was_refused_fails(void **state)
{
    refuse(*state, 100);
    assert_int_equal(exit_code(*state), RESULT_FAILED);
}

static void five_per_cent_of_errors_pass_and_more_fail(void **state)
{
    answer(*state, 200, 95);
    answer(*state, 404, 5);
    assert_int_equal(exit_code(*state), RESULT_PASSED);
    refuse(*state, 1);
    assert_int_equal(exit_code(*state), RESULT_FAILED);
}

static void one_per_cent_of_5xx_passes_and_more_fails(void **state)
{
    answer(*state, 200, 99);
    answer(*state, 503, 1);
    assert_int_equal(exit_code(*state), RESULT_PASSED);
    answer(*state, 503, 1);
    assert_int_equal(exit_code(*state), RESULT_FAILED);
}

static void a_lost_worker_degrades_and_is_named(void **state)
{
    struct fixture *f = *state;

    answer(f, 200, 100);
    f->members[1].state = RESULT_MEMBER_LOST;
    f->members[1].reason = "stream lost";
    json_t *result = result_build(&f->in);
    assert_int_equal(result_exit_code(result), RESULT_DEGRADED);
    char *text = result_format(result, NULL, 80, false);
    assert_non_null(strstr(text, "w2 was lost (stream lost): data to second 1"));
    free(text);
    json_decref(result);
}

static void degraded_comes_before_failed_and_cancelled_before_both(void **state)
{
    struct fixture *f = *state;

    refuse(f, 1);
    f->members[1].state = RESULT_MEMBER_LOST;
    assert_int_equal(exit_code(f), RESULT_DEGRADED);
    f->in.cancelled = true;
    assert_int_equal(exit_code(f), RESULT_CANCELLED);
}

static void totals_that_differ_from_what_was_merged_are_shown(void **state)
{
    struct fixture *f = *state;

    answer(f, 200, 100);
    f->members[0].has_totals = true;
    f->members[0].totals.started = 101;
    f->members[0].merged.started = 100;
    json_t *result = result_build(&f->in);
    assert_int_equal(result_exit_code(result), RESULT_DEGRADED);
    assert_true(
        json_is_false(json_object_get(json_object_get(result, "reconciliation"), "agrees")));
    json_decref(result);
}

static void a_running_run_has_no_verdict(void **state)
{
    struct fixture *f = *state;

    f->in.running = true;
    json_t *result = result_build(&f->in);
    assert_true(json_is_null(json_object_get(result, "verdict")));
    json_decref(result);
}

static void the_summary_fits_the_terminal_and_names_the_numbers(void **state)
{
    struct fixture *f = *state;

    answer(f, 200, 1234567 / 1000);
    refuse(f, 7);
    json_t *result = result_build(&f->in);
    char *text = result_format(result, result, 80, false), *line, *rest = text;
    assert_non_null(strstr(text, "requests     1,241 sent, 1,234 completed, 7 failed"));
    assert_non_null(strstr(text, "Connection refused"));
    assert_non_null(strstr(text, "-0.40 +- 0.10 ms"));
    assert_non_null(strstr(text, "PASSED"));
    assert_null(strchr(text, '\033'));
    while ((line = strsep(&rest, "\n")) != NULL)
        assert_true(strlen(line) <= 80);
    free(text);
    json_decref(result);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(all_well_passes),
        T(a_run_without_requests_fails),
        T(a_run_in_which_everything_was_refused_fails),
        T(five_per_cent_of_errors_pass_and_more_fail),
        T(one_per_cent_of_5xx_passes_and_more_fails),
        T(a_lost_worker_degrades_and_is_named),
        T(degraded_comes_before_failed_and_cancelled_before_both),
        T(totals_that_differ_from_what_was_merged_are_shown),
        T(a_running_run_has_no_verdict),
        T(the_summary_fits_the_terminal_and_names_the_numbers),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
