#include "common/metrics_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/script/value.h"

#define N_OF(array) (sizeof(array) / sizeof *(array))

static struct plan_iteration iterations[2] = {{.name = (char *)"a", .cool_down_ms = 500},
                                              {.name = (char *)"say \"b\""}};
static struct plan_round rounds[2] = {
    {.name = (char *)"r", .iterations = &iterations[0], .n_iterations = 1},
    {.name = (char *)"\xc3\xa9", .iterations = &iterations[1], .n_iterations = 1}};
static const struct plan plan = {.name = (char *)"p", .rounds = rounds, .n_rounds = 2};
static const int64_t elapsed_ms[] = {4000, 0};

static void fill(struct metrics_series *s)
{
    s->n = (struct metrics_counters){.started = 102,
                                     .completed = 99,
                                     .failed = 1,
                                     .skipped = 7,
                                     .body_sent = 408,
                                     .body_received = 1020,
                                     .bytes_sent = 5000,
                                     .in_flight = 2,
                                     .in_flight_max = 9};
    s->status[200] = 90;
    s->status[404] = 6;
    s->status[503] = 3;
    for (uint64_t us = 100; us <= 1000; us += 100)
        hist_record(&s->latency[METRICS_SERVICE], us);
    hist_record(&s->latency[METRICS_SERVER_DB], 2500);
}

static void each_member_is_read_by_its_path(void **state)
{
    static const char *const cases[][2] = {
        {".r.a.Throughput.RequestsCount", "102"},
        {".r.a.Throughput.SkippedRequestsCount", "7"},
        {".r.a.Throughput.CurrentActiveRequests", "2"},
        {".r.a.Throughput.MaxConcurrentRequests", "9"},
        {".r.a.Throughput.SuccessfulRequestCount", "90"},
        {".r.a.Throughput.FailedRequestsCount", "10"},
        {".r.a.Throughput.TimeElapsed", "4000"},
        {".r.a.Throughput.TimeElapsedMs", "4000"},
        {".r.a.Throughput.RequestsRate.Every", "1s"},
        {".r.a.Throughput.RequestsRate.Value", "22.5"},
        {".r.a.Throughput.RPS", "22.5"},
        {".r.a.Throughput.RequestsPerSecond", "22.5"},
        {".r.a.Throughput.RequestsRatePerCoolDownPeriod.Every", "500ms"},
        {".r.a.Throughput.RequestsRatePerCoolDownPeriod.Value", "11.25"},
        {".r.a.Throughput.RequestsRatePerCoolDown", "11.25"},
        {".r.a.Throughput.RPSCD", "11.25"},
        {".r.a.Throughput.ErrorRate", "0.1"},
        {".r.a.Duration.TotalTime.Sum", "5.5"},
        {".r.a.Duration.TotalTime.Average", "0.55"},
        {".r.a.Duration.TotalTime.Min", "0.1"},
        {".r.a.Duration.TotalTime.Max", "1.0"},
        {".r.a.Duration.TotalTime.P50", "0.5"},
        {".r.a.Duration.TotalTime.P90", "0.9"},
        {".r.a.Duration.TotalTime.P95", "1.0"},
        {".r.a.Duration.TotalTime.P99", "1.0"},
        {".r.a.Duration.DBServerTime.P95", "2.5"},
        {".r.a.Duration.ServerTimeDB.P95", "2.5"},
        {".r.a.Duration.SSLHandshakeTime.Max", "0.0"},
        {".r.a.ResponseCode.ResponseSummaries[0].HttpStatusCode", "0"},
        {".r.a.ResponseCode.ResponseSummaries[2].HttpStatusCode", "404"},
        {".r.a.ResponseCode.ResponseSummaries[2].Count", "6"},
        {".r.a.DataTransmission.DataSent", "408"},
        {".r.a.DataTransmission.DataReceived", "1020"},
        {".r.a.DataTransmission.AverageDataSent", "4.0"},
        {".r.a.DataTransmission.AverageDataReceived", "10.0"},
        {".r.a.DataTransmission.UpstreamThroughputBps", "102.0"},
        {".r.a.DataTransmission.DownstreamThroughputBps", "255.0"},
        {".r.a.DataTransmission.ThroughputBps", "357.0"},
        {".r.a.DataTransmission.TimeElpased", "4000"},
        {"['\xc3\xa9']['say \"b\"'].Throughput.RequestsCount", "0"},
        {"['\xc3\xa9']['say \"b\"'].Throughput.ErrorRate", "0.0"},
        {"['\xc3\xa9']['say \"b\"'].Duration.TotalTime.P99", "0.0"},
    };
    struct metrics_series totals[2] = {0};
    struct value value = {0};
    size_t len;

    (void)state;
    fill(&totals[0]);
    char *text = metrics_tree_format(&plan, totals, elapsed_ms, &len);
    assert_int_equal(len, strlen(text));
    assert_int_equal(value_set(&value, VALUE_JSON, false, text, len), 0);
    for (size_t i = 0; i < N_OF(cases); i++) {
        struct buf out = {0};
        char why[200] = "";
        if (value_append(&value, cases[i][0], &out, why, sizeof why) < 0 ||
            strcmp(out.data, cases[i][1]) != 0)
            fail_msg("%s: %s, %s", cases[i][0], out.data, why);
        buf_done(&out);
    }
    value_done(&value);
    free(text);
    metrics_series_done(&totals[0]);
}

static void errors_are_those_of_the_rules(void **state)
{
    struct plan_rule rule = {.metric = (char *)"ErrorRate > 0.05", .codes = (char *)">= 500"};
    struct metrics_series totals[2] = {0};
    size_t len;

    (void)state;
    fill(&totals[0]);
    iterations[0].failure = &rule;
    iterations[0].n_failure = 1;
    char *text = metrics_tree_format(&plan, totals, elapsed_ms, &len);
    assert_non_null(strstr(text, "\"SuccessfulRequestCount\":97,\"FailedRequestsCount\":3,"));
    assert_non_null(strstr(text, "\"ErrorRate\":0.03"));
    free(text);
    iterations[0].n_failure = 0;
    metrics_series_done(&totals[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_member_is_read_by_its_path),
        cmocka_unit_test(errors_are_those_of_the_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
