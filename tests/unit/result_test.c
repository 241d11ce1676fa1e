#include "common/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/result_test_util.h"

static int exit_code(const struct fixture *f)
{
    json_t *result = result_build(&f->in);

    assert_non_null(result);
    int code = result_exit_code(result);
    json_decref(result);
    return code;
}

static bool has_flag(const json_t *result, const char *name)
{
    const json_t *flags = json_object_get(json_object_get(result, "run"), "flags"), *flag;
    size_t i;

    json_array_foreach(flags, i, flag)
    {
        if (strcmp(json_string_value(flag), name) == 0)
            return true;
    }
    return false;
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
    f->members[0].totals =
        (struct metrics_counters){.started = 7, .body_received = 101, .in_flight = 3};
    f->members[0].merged = (struct metrics_counters){.started = 7, .body_received = 100};
    json_t *result = result_build(&f->in);
    assert_int_equal(result_exit_code(result), RESULT_DEGRADED);
    assert_true(has_flag(result, "unreconciled"));
    const json_t *reconciliation = json_object_get(result, "reconciliation");
    assert_true(json_is_false(json_object_get(reconciliation, "agrees")));
    const json_t *differences = json_object_get(reconciliation, "differences");
    assert_int_equal(json_array_size(differences), 1);
    char *text = json_dumps(json_array_get(differences, 0), JSON_COMPACT);
    assert_string_equal(text, "{\"node\":\"w1\",\"counter\":\"bodyReceived\",\"counted\":101,"
                              "\"merged\":100}");
    free(text);
    json_decref(result);
    f->members[0].merged.body_received = 101;
    assert_int_equal(exit_code(f), RESULT_PASSED);
}

static void an_outage_of_the_master_is_told_and_changes_no_verdict(void **state)
{
    static const struct result_outage outages[] = {{-500000000, 1000000000},
                                                   {4000000000, 4250000000}};
    struct fixture *f = *state;

    answer(f, 200, 100);
    f->in.outages = outages;
    f->in.n_outages = 2;
    json_t *result = result_build(&f->in);
    assert_int_equal(result_exit_code(result), RESULT_PASSED);
    assert_true(has_flag(result, "master-restarted"));
    char *text = json_dumps(json_object_get(result, "outages"), JSON_COMPACT);
    assert_string_equal(text,
                        "[{\"second\":-0.5,\"seconds\":1.5},{\"second\":4.0,\"seconds\":0.25}]");
    free(text);
    text = result_format(result, NULL, 80, false);
    assert_non_null(strstr(text, "the master was away for 1.5 s from second -0.5 on\n"));
    free(text);
    json_decref(result);
}

static void a_running_run_has_no_verdict_but_flags(void **state)
{
    struct fixture *f = *state;

    f->in.running = true;
    f->in.durable = false;
    json_t *result = result_build(&f->in);
    assert_true(json_is_null(json_object_get(result, "verdict")));
    assert_true(has_flag(result, "not-durable"));
    char *text = result_format(result, NULL, 80, false);
    assert_non_null(strstr(text, "RUNNING"));
    free(text);
    json_decref(result);
}

static void a_reason_of_any_bytes_still_degrades(void **state)
{
    struct fixture *f = *state;

    answer(f, 200, 100);
    f->in.min_members = 1;
    f->members[1].state = RESULT_MEMBER_LOST;
    f->members[1].reason = "killed \xff\x1b[31m";
    json_t *result = result_build(&f->in);
    assert_int_equal(result_exit_code(result), RESULT_DEGRADED);
    assert_int_equal(json_array_size(json_object_get(result, "workers")), 2);
    char *text = result_format(result, NULL, 80, false);
    assert_non_null(strstr(text, "w2 was lost (killed ??[31m): data to second 1"));
    assert_null(strchr(text, '\033'));
    free(text);
    json_decref(result);
}

static void too_few_workers_at_the_end_degrade(void **state)
{
    struct fixture *f = *state;

    answer(f, 200, 100);
    f->in.min_members = 3;
    assert_int_equal(exit_code(f), RESULT_DEGRADED);
    f->members[1].state = RESULT_MEMBER_OBSERVER;
    f->in.min_members = 2;
    assert_int_equal(exit_code(f), RESULT_DEGRADED);
    f->in.min_members = 1;
    assert_int_equal(exit_code(f), RESULT_PASSED);
}

static void a_run_of_which_nothing_was_answered_fails(void **state)
{
    struct fixture *f = *state;
    struct metrics_window *w = metrics_window_new(0, 1);

    w->series[0].n = (struct metrics_counters){.started = 3, .aborted = 3};
    aggregate_add(f->aggregate, 0, w);
    metrics_window_free(w);
    assert_int_equal(exit_code(f), RESULT_FAILED);
}

static void the_worst_start_is_that_of_those_who_began_with_the_run(void **state)
{
    struct fixture *f = *state;

    f->members[0].joined_ns = 37000000000;
    json_t *result = result_build(&f->in);
    assert_true(json_number_value(json_object_get(json_object_get(result, "startSkew"), "maxMs")) ==
                0.2);
    json_decref(result);
    f->members[1].has_start = false;
    result = result_build(&f->in);
    assert_true(json_is_null(json_object_get(result, "startSkew")));
    json_decref(result);
}

static void generator_is(const json_t *generator, const char *state, const char *limit)
{
    const char *found = json_string_value(json_object_get(generator, "limit"));

    assert_string_equal(json_string_value(json_object_get(generator, "state")), state);
    assert_string_equal(found != NULL ? found : "", limit);
}

static void the_worst_generator_speaks_for_all(void **state)
{
    struct fixture *f = *state;
    struct generator clean = {.n_seconds = 10},
                     busy = {.n_seconds = 10,
                             .n_limited = 2,
                             .reach[GENERATOR_CPU] = {2, GENERATOR_LIMITED, 97}};

    answer(f, 200, 1);
    json_t *result = result_build(&f->in);
    generator_is(json_object_get(result, "generator"), "unknown", "");
    json_decref(result);
    f->members[0].generator = &clean;
    result = result_build(&f->in);
    generator_is(json_object_get(result, "generator"), "clean", "");
    assert_true(json_is_null(json_object_get(json_object_get(result, "generator"), "node")));
    json_decref(result);
    f->members[1].generator = &busy;
    result = result_build(&f->in);
    const json_t *all = json_object_get(result, "generator"),
                 *workers = json_object_get(result, "workers");
    generator_is(all, "generator-limited", "cpu");
    assert_string_equal(json_string_value(json_object_get(all, "node")), f->members[1].node);
    generator_is(json_object_get(json_array_get(workers, 0), "generator"), "clean", "");
    generator_is(json_object_get(json_array_get(workers, 1), "generator"), "generator-limited",
                 "cpu");
    assert_int_equal(result_exit_code(result), RESULT_PASSED);
    result_be_strict(result);
    assert_int_equal(result_exit_code(result), RESULT_GENERATOR);
    json_decref(result);
    refuse(f, 100);
    result = result_build(&f->in);
    result_be_strict(result);
    assert_int_equal(result_exit_code(result), RESULT_FAILED);
    json_decref(result);
    f->in.running = true;
    result = result_build(&f->in);
    result_be_strict(result);
    assert_true(json_is_null(json_object_get(result, "verdict")));
    json_decref(result);
}

static void points_are_columns(void **state)
{
    const struct aggregate_point points[] = {
        {.k = -1, .started = 2}, {.k = 0, .p999_us = 77, .paused_us = 5, .generator = 3}};
    json_t *columns = result_points(points, 2);

    (void)state;
    assert_int_equal(json_integer_value(json_array_get(json_object_get(columns, "k"), 0)), -1);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(columns, "requests"), 0)),
                     2);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(columns, "p999Us"), 1)), 77);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(columns, "pausedUs"), 1)),
                     5);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(columns, "generator"), 1)),
                     3);
    assert_int_equal(json_array_size(json_object_get(columns, "maxUs")), 2);
    json_decref(columns);
    columns = result_points(NULL, 0);
    assert_int_equal(json_object_size(columns), 18);
    json_decref(columns);
}

static json_int_t int_at(const json_t *json, const char *name)
{
    return json_integer_value(json_object_get(json, name));
}

static char *dump_at(const json_t *json, const char *name)
{
    return json_dumps(json_object_get(json, name), JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
}

static void each_series_says_what_it_came_to_and_why(void **state)
{
    static const char *const members[] = {"status", "rule", "value", "second"};
    static const char *const expected[][4] = {
        {"\"success\"", "null", "null", "null"},
        {"\"failed\"", "\"ErrorRate > 0.05\"", "1.0", "null"},
        {"\"terminated\"", "\"TotalTime.P95 > 2.5\"", "3.001", "12"},
        {"\"terminated\"", "\"${Metrics.r.a.Throughput.RPS} > 3\"", "null", "7"},
        {"\"not started\"", "null", "null", "null"},
    };
    struct fixture *f = *state;
    struct judge_verdict verdicts[5];

    use_hosts(f);
    judge_hosts(verdicts);
    f->in.verdicts = verdicts;
    json_t *result = result_build(&f->in);
    for (size_t i = 0; i < 5; i++) {
        const json_t *series = json_array_get(json_object_get(result, "series"), i);
        for (size_t m = 0; m < 4; m++) {
            char *text = dump_at(series, members[m]);
            assert_string_equal(text, expected[i][m]);
            free(text);
        }
    }
    json_decref(result);
}

static void an_iteration_that_failed_or_was_terminated_fails_the_run(void **state)
{
    static const char *const reasons[] = {
        "r/b failed: ErrorRate > 0.05 (was 1), the default rule",
        "s/c was terminated at second 12: TotalTime.P95 > 2.5 (was 3.001)",
        "s/d was terminated at second 7: ${Metrics.r.a.Throughput.RPS} > 3",
    };
    struct fixture *f = *state;
    struct judge_verdict verdicts[5];

    use_hosts(f);
    judge_hosts(verdicts);
    f->in.verdicts = verdicts;
    json_t *result = result_build(&f->in);
    assert_int_equal(result_exit_code(result), RESULT_FAILED);
    const json_t *list = json_object_get(json_object_get(result, "verdict"), "reasons");
    assert_int_equal(json_array_size(list), 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(json_string_value(json_array_get(list, i)), reasons[i]);
    json_decref(result);
    f->in.cancelled = true;
    assert_int_equal(exit_code(f), RESULT_CANCELLED);
    f->in.cancelled = false;
    for (size_t i = 1; i < 4; i++)
        verdicts[i] = (struct judge_verdict){JUDGE_SUCCESS, NULL, 0, -1};
    assert_int_equal(exit_code(f), RESULT_PASSED);
    verdicts[3] = (struct judge_verdict){JUDGE_TERMINATED, (char *)"ErrorRate > 0", 1, 0};
    assert_int_equal(exit_code(f), RESULT_FAILED);
}

static void a_running_series_shows_that_it_was_ended(void **state)
{
    const struct judge_end end = {.series = 1, .k = 4, .value = 0.5, .rule = "ErrorRate > 0.1"};
    struct fixture *f = *state;

    use_hosts(f);
    f->in.running = true;
    f->in.ends = &end;
    f->in.n_ends = 1;
    json_t *result = result_build(&f->in), *series = json_object_get(result, "series");
    assert_true(json_is_null(json_object_get(json_array_get(series, 0), "status")));
    const json_t *ended = json_array_get(series, 1);
    assert_string_equal(json_string_value(json_object_get(ended, "status")), "terminated");
    assert_string_equal(json_string_value(json_object_get(ended, "rule")), "ErrorRate > 0.1");
    assert_int_equal(int_at(ended, "second"), 4);
    assert_true(json_is_null(json_object_get(result, "verdict")));
    json_decref(result);
}

static void errors_are_those_that_the_rules_name(void **state)
{
    struct plan_rule rule = {.metric = (char *)"ErrorRate > 0.5", .codes = (char *)">= 500"};
    struct fixture *f = *state;
    struct plan_iteration *it;

    use_hosts(f);
    it = &f->plan->rounds[0].iterations[1];
    it->failure = &rule;
    it->n_failure = 1;
    json_t *result = result_build(&f->in);
    it->failure = NULL;
    it->n_failure = 0;
    assert_int_equal(int_at(json_object_get(result, "totals"), "errors"), 0);
    assert_int_equal(int_at(json_array_get(json_object_get(result, "series"), 1), "errors"), 0);
    assert_int_equal(int_at(json_array_get(json_object_get(result, "hosts"), 1), "errors"), 0);
    json_decref(result);
}

static void a_run_whose_requests_were_all_skipped_passes(void **state)
{
    struct judge_verdict skipped = {JUDGE_SKIPPED, NULL, 0, -1};
    struct fixture *f = *state;
    struct metrics_window *w = metrics_window_new(0, 1);

    w->series[0].n.skipped = 3;
    aggregate_add(f->aggregate, 0, w);
    metrics_window_free(w);
    f->in.verdicts = &skipped;
    assert_int_equal(exit_code(f), RESULT_PASSED);
}

static void series_of_one_host_are_one_in_the_order_of_the_plan(void **state)
{
    static const struct {
        const char *host;
        json_int_t requests, errors, samples, max;
    } cases[] = {
        {"b.example:8080", 1001, 0, 1001, 4000},
        {"a.example", 110, 10, 110, 3000},
        {"c.example", 0, 0, 0, 0},
    };
    struct fixture *f = *state;

    use_hosts(f);
    json_t *result = result_build(&f->in);
    const json_t *hosts = json_object_get(result, "hosts");
    assert_int_equal(json_array_size(hosts), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *host = json_array_get(hosts, i);
        const json_t *service = json_object_get(json_object_get(host, "latencyUs"), "service");
        assert_string_equal(json_string_value(json_object_get(host, "host")), cases[i].host);
        assert_int_equal(int_at(host, "requests"), cases[i].requests);
        assert_int_equal(int_at(host, "errors"), cases[i].errors);
        assert_int_equal(int_at(service, "count"), cases[i].samples);
        assert_int_equal(int_at(service, "max"), cases[i].max);
        // The same members as the totals, and the name.
        assert_int_equal(json_object_size(host),
                         json_object_size(json_object_get(result, "totals")) + 1);
    }
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
        T(an_outage_of_the_master_is_told_and_changes_no_verdict),
        T(a_running_run_has_no_verdict_but_flags),
        T(a_reason_of_any_bytes_still_degrades),
        T(too_few_workers_at_the_end_degrade),
        T(a_run_of_which_nothing_was_answered_fails),
        T(the_worst_start_is_that_of_those_who_began_with_the_run),
        T(the_worst_generator_speaks_for_all),
        T(points_are_columns),
        T(each_series_says_what_it_came_to_and_why),
        T(an_iteration_that_failed_or_was_terminated_fails_the_run),
        T(a_running_series_shows_that_it_was_ended),
        T(errors_are_those_that_the_rules_name),
        T(a_run_whose_requests_were_all_skipped_passes),
        T(series_of_one_host_are_one_in_the_order_of_the_plan),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
