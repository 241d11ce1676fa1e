#include "common/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/result_test_util.h"

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

static void the_generator_says_what_the_numbers_are_worth(void **state)
{
    static const struct {
        const char *state, *limit, *node, *expected;
    } cases[] = {
        {"unknown", "", "", ""},
        {"clean", "", "", "  generator    clean\n"},
        {"degraded", "event-loop", "w2",
         "  generator    degraded by event-loop on w2\n               why\n"},
        {"generator-limited", "cpu", "w2",
         "  generator    LIMITED by cpu on w2\n               why\n"
         "               the target may well do better than these numbers\n"},
    };
    json_t *result = busy_result(*state);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_object_set_new(result, "generator",
                            json_pack("{s:s s:s s:s s:s}", "state", cases[i].state, "limit",
                                      cases[i].limit, "node", cases[i].node, "text", "why"));
        char *text = result_format(result, NULL, 80, false);
        const char *found = strstr(text, "  generator");
        size_t len = strlen(cases[i].expected);
        if (len == 0)
            assert_null(found);
        else if (found == NULL || strncmp(found, cases[i].expected, len) != 0)
            fail_msg("%s: %s", cases[i].state, text);
        free(text);
    }
    json_decref(result);
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
        "\"outages\":[1,{},{\"second\":1e300,\"seconds\":\"x\"}],"
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
        T(the_summary_is_this),
        T(the_generator_says_what_the_numbers_are_worth),
        T(the_summary_keeps_to_any_width),
        T(a_member_of_many_is_a_row_only_when_it_matters),
        T(a_document_of_other_types_is_no_crash),
        T(several_iterations_are_a_line_each),
        T(of_many_iterations_only_those_that_were_not_well_are_lines),
        T(what_servers_say_is_below_the_phases),
        T(several_hosts_are_a_line_each_and_one_is_none),
        T(a_row_of_many_hosts_is_cut_and_so_are_the_rows),
        T(a_schedule_shows_response_before_service_and_what_was_dropped),
        T(the_summary_fits_the_terminal_and_names_the_numbers),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
