#include "common/result.h"

#include <math.h>
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
    uint8_t digest[32];
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
    plan_digest(f->plan, f->digest);
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
                                  .digest = f->digest,
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

static void points_are_columns(void **state)
{
    const struct aggregate_point points[] = {{.k = -1, .started = 2},
                                             {.k = 0, .p999_us = 77, .paused_us = 5}};
    json_t *columns = result_points(points, 2);

    (void)state;
    assert_int_equal(json_integer_value(json_array_get(json_object_get(columns, "k"), 0)), -1);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(columns, "requests"), 0)),
                     2);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(columns, "p999Us"), 1)), 77);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(columns, "pausedUs"), 1)),
                     5);
    assert_int_equal(json_array_size(json_object_get(columns, "maxUs")), 2);
    json_decref(columns);
    columns = result_points(NULL, 0);
    assert_int_equal(json_object_size(columns), 17);
    json_decref(columns);
}

// One second of a worker with everything in it.
static void work(struct aggregate *a, uint32_t source, int64_t k)
{
    struct metrics_window *w = metrics_window_new(k, 1);
    struct metrics_series *s = w->series;

    s->n = (struct metrics_counters){.started = 1000,
                                     .completed = 996,
                                     .failed = 3,
                                     .aborted = 1,
                                     .bytes_sent = 80000,
                                     .bytes_received = 1234567,
                                     .body_received = 1100000,
                                     .connects = 3,
                                     .reused = 997};
    s->status[200] = 984;
    s->status[404] = 7;
    s->status[503] = 5;
    metrics_record_error(s, METRICS_ERROR_REFUSED, k, "connect to 127.0.0.1:8080: refused");
    metrics_record_error(s, METRICS_ERROR_REFUSED, k, "");
    metrics_record_error(s, METRICS_ERROR_TIMEOUT_FIRST_BYTE, 1,
                         "GET http://127.0.0.1:8080/a/path/that/does/not/end/before/the/line/does");
    for (uint64_t i = 0; i < 996; i++) {
        hist_record(&s->latency[METRICS_SERVICE], 90 + i * i / 3);
        hist_record(&s->latency[METRICS_WAIT], 60 + i * i / 4);
        hist_record(&s->latency[METRICS_RECEIVE], 5 + i);
    }
    hist_record(&s->latency[METRICS_TCP], 81);
    aggregate_add(a, source, w);
    metrics_window_free(w);
}

static json_t *busy_result(struct fixture *f)
{
    for (uint32_t source = 0; source < 2; source++) {
        for (int64_t k = 0; k < 2; k++)
            work(f->aggregate, source, k);
        f->members[source].merged.started = 2000;
        f->members[source].errors = 30;
    }
    f->members[1].state = RESULT_MEMBER_LOST;
    f->members[1].reason = "stream lost";
    return result_build(&f->in);
}

static void the_summary_is_this(void **state)
{
    static const char golden[] =
        "Shop   2 workers   run 0f1e2d3c\n"
        "\n"
        "  requests     4,000 sent, 3,984 completed, 12 failed, 4 aborted\n"
        "  rate         1,992/s completed in 2.00 s\n"
        "  errors       60 (1.50 %)\n"
        "  status       200: 3,936    404: 28    503: 20\n"
        "  failed by    refused                     8   seconds 0 to 1\n"
        "                 connect to 127.0.0.1:8080: refused\n"
        "               timeout-first-byte          4   second 1\n"
        "                 GET http://127.0.0.1:8080/a/path/that/does/not/end/before/th...\n"
        "\n"
        "  latency        min    mean     p50     p90     p95     p99   p99.9     max\n"
        "  service      90 us  110 ms 82.4 ms  268 ms  298 ms  324 ms  330 ms  330 ms\n"
        "    tcp        81 us   81 us   81 us   81 us   81 us   81 us   81 us   81 us\n"
        "    wait       60 us 82.6 ms 61.8 ms  201 ms  224 ms  243 ms  248 ms  248 ms\n"
        "    receive     5 us  503 us  502 us  901 us  951 us  991 us 1.00 ms 1.00 ms\n"
        "  no schedule: service latency only, from sending to the last byte\n"
        "\n"
        "  bytes        312 KiB sent (bodies 0 B), 4.7 MiB received (bodies 4.2 MiB)\n"
        "  connections  12 opened, reused for 3,988 requests\n"
        "\n"
        "  worker  state       requests    errors   start skew\n"
        "  w1      done           2,000        30   -0.40 +- 0.10 ms\n"
        "  w2      lost           2,000        30   +0.20 +- 0.10 ms   data to second 1\n"
        "\n"
        "this node\n"
        "\n"
        "  requests     4,000 sent, 3,984 completed, 12 failed, 4 aborted\n"
        "  rate         1,992/s completed in 2.00 s\n"
        "  errors       60 (1.50 %)\n"
        "  status       200: 3,936    404: 28    503: 20\n"
        "  failed by    refused                     8   seconds 0 to 1\n"
        "                 connect to 127.0.0.1:8080: refused\n"
        "               timeout-first-byte          4   second 1\n"
        "                 GET http://127.0.0.1:8080/a/path/that/does/not/end/before/th...\n"
        "\n"
        "  latency        min    mean     p50     p90     p95     p99   p99.9     max\n"
        "  service      90 us  110 ms 82.4 ms  268 ms  298 ms  324 ms  330 ms  330 ms\n"
        "\n"
        "  bytes        312 KiB sent (bodies 0 B), 4.7 MiB received (bodies 4.2 MiB)\n"
        "  connections  12 opened, reused for 3,988 requests\n"
        "\n"
        "  DEGRADED     exit code 4\n"
        "               w2 was lost (stream lost): data to second 1\n"
        "               1 of 2 workers came to the end\n";
    json_t *result = busy_result(*state);
    char *text = result_format(result, result, 80, false);

    assert_string_equal(text, golden);
    free(text);
    json_decref(result);
}

static int columns_of(const char *line)
{
    int n = 0;

    for (; *line != '\0'; line++) {
        if (*line == '\033')
            line = strchr(line, 'm');
        else
            n += ((unsigned char)*line & 0xc0) != 0x80;
    }
    return n;
}

static void the_summary_keeps_to_any_width(void **state)
{
    json_t *result = busy_result(*state);

    json_object_set_new(json_object_get(result, "run"), "plan",
                        json_string("M\xc3\xbcnchen M\xc3\xbcnchen M\xc3\xbcnchen"));
    for (int width = 1; width <= 120; width++) {
        char *text = result_format(result, result, width, width % 2), *rest = text, *line;
        while ((line = strsep(&rest, "\n")) != NULL)
            assert_true(columns_of(line) <= width);
        free(text);
    }
    json_decref(result);
}

static void a_member_of_many_is_a_row_only_when_it_matters(void **state)
{
    struct fixture *f = *state;
    struct result_member many[40];

    for (int i = 0; i < 40; i++)
        many[i] = f->members[0];
    answer(f, 200, 100);
    f->in.members = many;
    f->in.n_members = 40;
    json_t *result = result_build(&f->in);
    char *text = result_format(result, NULL, 0, false);
    assert_non_null(strstr(text, "all 40 done"));
    free(text);
    json_decref(result);
    many[17] = (struct result_member){.node = "lost1", .state = RESULT_MEMBER_LOST, .last_k = -1};
    result = result_build(&f->in);
    text = result_format(result, NULL, 0, false);
    assert_non_null(strstr(text, "  lost1"));
    assert_non_null(strstr(text, "no data"));
    assert_non_null(strstr(text, "and 39 more"));
    free(text);
    json_decref(result);
}

static void a_document_of_other_types_is_no_crash(void **state)
{
    static const char *const documents[] = {
        "{}",
        "[]",
        "{\"verdict\":{\"reasons\":[1,null,{}],\"status\":7},\"run\":{\"flags\":[1]},"
        "\"workers\":[1,{}],\"late\":{\"windows\":1e300,\"requests\":-1e300},"
        "\"hosts\":[1,{\"host\":7,\"latencyUs\":1}],"
        "\"totals\":{\"statusCodes\":{\"\":1e300},\"errorKinds\":[1],"
        "\"latencyUs\":{\"service\":{\"min\":-1,\"max\":1e300}},\"bytes\":{\"sent\":-1e300}}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        json_t *document = json_loads(documents[i], 0, NULL);
        assert_non_null(document);
        char *text = result_format(document, document, 80, true);
        assert_non_null(strstr(text, "RUNNING"));
        assert_int_equal(result_exit_code(document), RESULT_CLUSTER);
        free(text);
        json_decref(document);
    }
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

static const char hosts_text[] =
    "{\"name\":\"Hosts\",\"rounds\":[{\"name\":\"r\",\"iterations\":["
    "{\"name\":\"a\",\"mode\":\"R\",\"httpRequest\":{\"url\":\"http://b.example:8080/1\"}},"
    "{\"name\":\"b\",\"mode\":\"R\",\"httpRequest\":{\"url\":\"http://a.example/\"}}]},"
    "{\"name\":\"s\",\"iterations\":["
    "{\"name\":\"c\",\"mode\":\"R\",\"httpRequest\":{\"url\":\"https://A.example/x\"}},"
    "{\"name\":\"d\",\"mode\":\"R\",\"httpRequest\":{\"url\":\"http://b.example:8080/2\"}},"
    "{\"name\":\"e\",\"mode\":\"R\",\"httpRequest\":{\"url\":\"http://c.example/\"}}]}]}";

// Series i of the plan above got 10^i answers, of i + 1 ms each.
static void use_hosts(struct fixture *f)
{
    struct diag d = {0};
    uint64_t n = 1;

    plan_free(f->plan);
    assert_int_equal(plan_parse(hosts_text, strlen(hosts_text), &d, &f->plan), 0);
    aggregate_free(f->aggregate);
    f->in.plan = f->plan;
    f->in.aggregate = f->aggregate = aggregate_new(5, 10);
    struct metrics_window *w = metrics_window_new(0, 5);
    for (uint64_t i = 0; i < 4; i++, n *= 10) {
        w->series[i].n = (struct metrics_counters){.started = n, .completed = n};
        w->series[i].status[i == 1 ? 404 : 200] = n;
        for (uint64_t k = 0; k < n; k++)
            hist_record(&w->series[i].latency[METRICS_SERVICE], (i + 1) * 1000);
    }
    aggregate_add(f->aggregate, 0, w);
    metrics_window_free(w);
}

static json_int_t int_at(const json_t *json, const char *name)
{
    return json_integer_value(json_object_get(json, name));
}

// What the five series of the plan above came to.
static void judge_hosts(struct judge_verdict *verdicts)
{
    const struct judge_verdict all[] = {
        {JUDGE_SUCCESS, NULL, 0, -1},
        {JUDGE_FAILED, (char *)"ErrorRate > 0.05", 1, -1},
        {JUDGE_TERMINATED, (char *)"TotalTime.P95 > 2.5", 3.001, 12},
        {JUDGE_TERMINATED, (char *)"${Metrics.r.a.Throughput.RPS} > 3", NAN, 7},
        {JUDGE_NOT_STARTED, NULL, 0, -1},
    };

    memcpy(verdicts, all, sizeof all);
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

static void several_iterations_are_a_line_each(void **state)
{
    static const char lines[] = "  iteration  status         requests    errors     p50     p99\n"
                                "  r/a        success               1         0 1.00 ms 1.00 ms\n"
                                "  r/b        failed               10        10 2.00 ms 2.00 ms\n"
                                "  s/c        terminated          100         0 3.00 ms 3.00 ms\n"
                                "  s/d        terminated        1,000         0 4.00 ms 4.00 ms\n"
                                "  s/e        not started           0         0       -       -\n";
    struct fixture *f = *state;
    struct judge_verdict verdicts[5];

    use_hosts(f);
    judge_hosts(verdicts);
    f->in.verdicts = verdicts;
    json_t *result = result_build(&f->in);
    char *text = result_format(result, NULL, 80, false);
    assert_non_null(strstr(text, lines));
    free(text);
    json_decref(result);
}

static void of_many_iterations_only_those_that_were_not_well_are_lines(void **state)
{
    struct fixture *f = *state;

    answer(f, 200, 1);
    json_t *result = result_build(&f->in), *series = json_object_get(result, "series");
    char *text = result_format(result, NULL, 80, false), *rest, *line;
    assert_null(strstr(text, "  iteration "));
    free(text);
    json_t *one = json_array_get(series, 0);
    json_object_set_new(one, "iteration",
                        json_string("\xc3\xa9-a-name-of-forty-characters-and-a-few"));
    json_object_set_new(one, "status", json_string("success"));
    for (int i = 0; i < 16; i++)
        json_array_append(series, one);
    text = result_format(result, NULL, 80, false);
    assert_non_null(strstr(text, "\n  all 17 well\n"));
    free(text);
    json_t *bad = json_deep_copy(one);
    json_object_set_new(bad, "status", json_string("terminated"));
    json_array_append_new(series, bad);
    rest = text = result_format(result, NULL, 80, false);
    assert_non_null(strstr(text, "  r/\xc3\xa9-a-name-of-forty-charact   terminated            1"));
    assert_non_null(strstr(text, "\n  and 17 more\n"));
    while ((line = strsep(&rest, "\n")) != NULL)
        assert_true(columns_of(line) <= 80);
    free(text);
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

static void what_servers_say_is_below_the_phases(void **state)
{
    static const char lines[] = "    server   4.00 ms 4.00 ms 4.00 ms 4.00 ms 4.00 ms 4.00 ms "
                                "4.00 ms 4.00 ms\n"
                                "      cache    30 us   30 us   30 us   30 us   30 us   30 us   30 "
                                "us   30 us\n";
    struct fixture *f = *state;
    struct metrics_window *w = metrics_window_new(0, 1);

    answer(f, 200, 1);
    hist_record(&w->series[0].latency[METRICS_SERVER], 4000);
    hist_record(&w->series[0].latency[METRICS_SERVER_CACHE], 30);
    aggregate_add(f->aggregate, 0, w);
    metrics_window_free(w);
    json_t *result = result_build(&f->in);
    char *text = result_format(result, NULL, 80, false);
    assert_non_null(strstr(text, lines));
    free(text);
    json_decref(result);
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

static void several_hosts_are_a_line_each_and_one_is_none(void **state)
{
    static const char lines[] =
        "  host              requests    errors    completed     p50     p99\n"
        "  b.example:8080       1,001         0      500.5/s 4.00 ms 4.00 ms\n"
        "  a.example              110        10      55.00/s 3.00 ms 3.00 ms\n"
        "  c.example                0         0       0.00/s       -       -\n";
    struct fixture *f = *state;

    answer(f, 200, 1);
    json_t *result = result_build(&f->in);
    assert_int_equal(json_array_size(json_object_get(result, "hosts")), 1);
    char *text = result_format(result, NULL, 80, false);
    assert_null(strstr(text, "  host "));
    free(text);
    json_decref(result);
    use_hosts(f);
    result = result_build(&f->in);
    text = result_format(result, NULL, 80, false);
    assert_non_null(strstr(text, lines));
    free(text);
    json_decref(result);
}

static void a_row_of_many_hosts_is_cut_and_so_are_the_rows(void **state)
{
    struct fixture *f = *state;

    answer(f, 200, 1);
    json_t *result = result_build(&f->in);
    json_t *hosts = json_object_get(result, "hosts"), *one = json_array_get(hosts, 0);
    json_object_set_new(one, "host", json_string("a-host-with-a-name-of-many-labels.example.org"));
    for (int i = 0; i < 16; i++)
        json_array_append(hosts, one);
    char *text = result_format(result, NULL, 80, false), *rest = text, *line;
    assert_non_null(strstr(text, "  a-host-with-a-name-of-many           1         0"));
    assert_non_null(strstr(text, "\n  and 1 more\n"));
    while ((line = strsep(&rest, "\n")) != NULL)
        assert_true(strlen(line) <= 80);
    free(text);
    json_decref(result);
}

// 1000 requests on a schedule, some of them late, and as many that were never sent.
static void keep_time(struct fixture *f)
{
    struct metrics_window *w = metrics_window_new(0, 1);
    struct metrics_series *s = w->series;

    s->n = (struct metrics_counters){.started = 1000, .completed = 1000, .dropped = 1000};
    s->status[200] = 1000;
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t lag = i < 900 ? 40 : 100 * (i - 899);
        hist_record(&s->latency[METRICS_SERVICE], 1000 + i);
        hist_record(&s->latency[METRICS_LAG], lag);
        hist_record(&s->latency[METRICS_RESPONSE], 1000 + i + lag);
    }
    aggregate_add(f->aggregate, 0, w);
    metrics_window_free(w);
}

static void a_schedule_shows_response_before_service_and_what_was_dropped(void **state)
{
    static const char requests[] =
        "  requests     1,000 sent, 1,000 completed, 1,000 dropped\n"
        "               dropped: due but never sent, as no more requests may be in\n"
        "               flight; the target met less load than was asked for\n";
    static const char latency[] =
        "  latency        min    mean     p50     p90     p95     p99   p99.9     max\n"
        "  response   1.04 ms 2.04 ms 1.54 ms 1.94 ms 6.95 ms 11.0 ms 11.9 ms 12.0 ms\n"
        "  service    1.00 ms 1.50 ms 1.50 ms 1.90 ms 1.95 ms 1.99 ms 2.00 ms 2.00 ms\n"
        "  lag          40 us  541 us   40 us   40 us 5.00 ms 9.01 ms 9.90 ms 10.0 ms\n"
        "  response: from when it was due   service: from sending   lag: between\n";
    struct fixture *f = *state;

    keep_time(f);
    json_t *result = result_build(&f->in);
    char *text = result_format(result, NULL, 80, false);
    assert_non_null(strstr(text, requests));
    assert_non_null(strstr(text, latency));
    assert_null(strstr(text, "no schedule"));
    assert_null(strstr(text, "were on a schedule"));
    free(text);
    json_decref(result);
    answer(f, 200, 500);
    result = result_build(&f->in);
    text = result_format(result, NULL, 80, false);
    assert_non_null(strstr(text, "\n  of 1,500 requests 1,000 were on a schedule\n"));
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
        T(a_running_run_has_no_verdict_but_flags),
        T(a_reason_of_any_bytes_still_degrades),
        T(too_few_workers_at_the_end_degrade),
        T(a_run_of_which_nothing_was_answered_fails),
        T(the_worst_start_is_that_of_those_who_began_with_the_run),
        T(points_are_columns),
        T(the_summary_is_this),
        T(the_summary_keeps_to_any_width),
        T(a_member_of_many_is_a_row_only_when_it_matters),
        T(a_document_of_other_types_is_no_crash),
        T(each_series_says_what_it_came_to_and_why),
        T(an_iteration_that_failed_or_was_terminated_fails_the_run),
        T(a_running_series_shows_that_it_was_ended),
        T(several_iterations_are_a_line_each),
        T(of_many_iterations_only_those_that_were_not_well_are_lines),
        T(errors_are_those_that_the_rules_name),
        T(a_run_whose_requests_were_all_skipped_passes),
        T(what_servers_say_is_below_the_phases),
        T(series_of_one_host_are_one_in_the_order_of_the_plan),
        T(several_hosts_are_a_line_each_and_one_is_none),
        T(a_row_of_many_hosts_is_cut_and_so_are_the_rows),
        T(a_schedule_shows_response_before_service_and_what_was_dropped),
        T(the_summary_fits_the_terminal_and_names_the_numbers),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
