#include "common/rule.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_OF(array) (sizeof(array) / sizeof *(array))

static struct rule parse(const char *metric, const char *codes)
{
    char why[300] = "";
    struct rule rule;

    if (rule_parse(metric, &rule, why, sizeof why) < 0 ||
        rule_parse_codes(codes, &rule.codes, why, sizeof why) < 0)
        fail_msg("%s, %s: %s", metric, codes == NULL ? "" : codes, why);
    return rule;
}

static void metrics_have_one_spelling(void **state)
{
    static const char *const spellings[][2] = {
        {"errorrate>0.05", "ErrorRate > 0.05"},
        {" SKIPPEDRATIO  >=  1 ", "SkipRatio >= 1"},
        {"SkippedRequestsRatio < 1", "SkipRatio < 1"},
        {"SkippedCount != 0", "SkippedRequestsCount != 0"},
        {"rps <= 99.5", "Throughput <= 99.5"},
        {"RequestsPerSecond = 10", "Throughput = 10"},
        {"RPSCD < 2", "RequestsRatePerCoolDownPeriod < 2"},
        {"dropped > 0", "Dropped > 0"},
        {"TotalTime > 500", "TotalTime.Average > 500"},
        {"Service.Max > 500", "TotalTime.Max > 500"},
        {"TotalTime.p95\t>500", "TotalTime.P95 > 500"},
        {"TotalTime.P10 > 1", "TotalTime.P10 > 1"},
        {"TotalTime.P99.9 > 1", "TotalTime.P99.9 > 1"},
        {"TotalTime.P99.999 > 1", "TotalTime.P99.999 > 1"},
        {"TotalTime.P100 > 1", "TotalTime.P100 > 1"},
        {"TimeToFirstByte.avg between 1 AND 2", "TTFB.Average between 1 and 2"},
        {"Waiting.Min BETWEEN 5 and 5", "WaitingTime.Min between 5 and 5"},
        {"TCP.Sum > 1", "TCPHandshake.Sum > 1"},
        {"TLS > 1", "TLSHandshake.Average > 1"},
        {"SSL > 1", "TLSHandshake.Average > 1"},
        {"SSLHandshake > 1", "TLSHandshake.Average > 1"},
        {"Sending > 1", "SendingTime.Average > 1"},
        {"Upload > 1", "SendingTime.Average > 1"},
        {"Upstream > 1", "SendingTime.Average > 1"},
        {"Receiving > 1", "ReceivingTime.Average > 1"},
        {"Download > 1", "ReceivingTime.Average > 1"},
        {"Downstream > 1", "ReceivingTime.Average > 1"},
        {"Server.P50 > 1", "ServerTime.P50 > 1"},
        {"DB > 1", "ServerTimeDB.Average > 1"},
        {"Database > 1", "ServerTimeDB.Average > 1"},
        {"Cache > 1", "ServerTimeCache.Average > 1"},
        {"App > 1", "ServerTimeApp.Average > 1"},
        {"Application > 1", "ServerTimeApp.Average > 1"},
        {"Response.P95 > 1", "Response.P95 > 1"},
        {"DNS > 1", "DNS.Average > 1"},
        {"Lag > 1", "Lag.Average > 1"},
        {"GeneratorLag > 1", "Lag.P99 > 1"},
        {"GeneratorLag.Max > 0.00001", "Lag.Max > 0.00001"},
        {"ErrorRate = 999999999999999", "ErrorRate = 999999999999999"},
    };

    (void)state;
    for (size_t i = 0; i < N_OF(spellings); i++) {
        struct rule rule = parse(spellings[i][0], NULL);
        char *text = rule_format(&rule);
        assert_string_equal(text, spellings[i][1]);
        free(text);
        rule = parse(spellings[i][1], ">= 500");
        text = rule_format(&rule);
        assert_memory_equal(text, spellings[i][1], strlen(spellings[i][1]));
        assert_string_equal(text + strlen(spellings[i][1]), " [codes >= 500]");
        free(text);
    }
}

static void what_is_no_metric_is_named(void **state)
{
    static const char *const wrong[][2] = {
        {"", "found no name, expected a metric, such as ErrorRate or TotalTime.P95"},
        {"> 5", "found no name, expected a metric, such as ErrorRate or TotalTime.P95"},
        {"ErorRate > 5", "found the metric \"ErorRate\", did you mean \"ErrorRate\"?"},
        {"P95 > 5", "found the metric \"P95\", did you mean \"TotalTime.P95\"?"},
        {"maxErrorCount > 5", "found the metric \"maxErrorCount\", expected ErrorRate, Throughput, "
                              "TotalTime.P95 or the like"},
        {"ErrorRate.P95 > 5",
         "found a statistic of ErrorRate, expected none: it is a single number"},
        {"TTFB. > 5",
         "found nothing more, expected a statistic: P50, P95, P99.9, Average, Min, Max or Sum"},
        {"TTFB.Median > 5",
         "found \"Median\", expected a statistic: P50, P95, P99.9, Average, Min, Max or Sum"},
        {"TTFB.P0 > 5",
         "found \"P0\", expected a statistic: P50, P95, P99.9, Average, Min, Max or Sum"},
        {"TTFB.P100.1 > 5",
         "found \"P100.1\", expected a statistic: P50, P95, P99.9, Average, Min, Max or Sum"},
        {"TTFB.P99.9999 > 5",
         "found \"P99.9999\", expected a statistic: P50, P95, P99.9, Average, Min, Max or Sum"},
        {"TTFB", "found nothing more, expected >, <, >=, <=, =, != or between"},
        {"TTFB is 5", "found \"is\", expected >, <, >=, <=, =, != or between"},
        {"TTFB between5 and 6", "found \"between5\", expected >, <, >=, <=, =, != or between"},
        {"TTFB >", "found nothing more, expected a number, such as 500 or 0.05"},
        {"TTFB == 5", "found \"=\", expected a number, such as 500 or 0.05"},
        {"TTFB > -1", "found \"-1\", expected a number, such as 500 or 0.05"},
        {"TTFB > 5ms", "found \"5ms\", expected a number, such as 500 or 0.05"},
        {"TTFB > 0x5", "found \"0x5\", expected a number, such as 500 or 0.05"},
        {"TTFB > 5.", "found \"5.\", expected a number, such as 500 or 0.05"},
        {"TTFB > nan", "found \"nan\", expected a number, such as 500 or 0.05"},
        {"TTFB > 1000000000000000",
         "found \"1000000000000000\", expected a number of fewer digits"},
        {"TTFB > 5 and 6", "found \"and 6\", expected nothing after the number"},
        {"TTFB between 5", "found nothing more, expected \"and\" and the second number"},
        {"TTFB between 5 or 6", "found \"or\", expected \"and\" and the second number"},
        {"TTFB between 5 and", "found nothing more, expected a number, such as 500 or 0.05"},
        {"TTFB between 5 and 6 7", "found \"7\", expected nothing after the second number"},
        {"TTFB between 6 and 5", "found between 6 and 5, expected the smaller number first"},
    };
    struct rule rule = {.a = 7};

    (void)state;
    for (size_t i = 0; i < N_OF(wrong); i++) {
        char why[300] = "";
        assert_int_equal(rule_parse(wrong[i][0], &rule, why, sizeof why), -EINVAL);
        assert_string_equal(why, wrong[i][1]);
    }
    assert_true(rule.a == 7);
}

static void a_reason_is_cut_to_its_room(void **state)
{
    struct rule rule;
    char why[8] = "", long_text[RULE_BYTES_MAX + 2];

    (void)state;
    assert_int_equal(rule_parse("x", &rule, why, sizeof why), -EINVAL);
    assert_string_equal(why, "found t");
    memset(long_text, ' ', sizeof long_text);
    memcpy(long_text, "RPS > 1", strlen("RPS > 1"));
    long_text[RULE_BYTES_MAX + 1] = '\0';
    assert_int_equal(rule_parse(long_text, &rule, why, sizeof why), -EINVAL);
    long_text[RULE_BYTES_MAX] = '\0';
    assert_int_equal(rule_parse(long_text, &rule, why, sizeof why), 0);
}

static void codes_are_one_comparison(void **state)
{
    static const struct {
        const char *text;
        struct rule_codes codes;
    } good[] = {
        {NULL, {0}},
        {"", {0}},
        {"  ", {0}},
        {">=500", {RULE_AT_LEAST, 500, 500}},
        {" = 0 ", {RULE_EQUAL, 0, 0}},
        {"> 100", {RULE_ABOVE, 100, 100}},
        {"< 599", {RULE_BELOW, 599, 599}},
        {"Between 400 And 499", {RULE_BETWEEN, 400, 499}},
        {"between 0 and 599", {RULE_BETWEEN, 0, 599}},
    };
    static const char *const wrong[][2] = {
        {"500", "found \"500\", expected >, <, >=, <=, =, != or between"},
        {"400,500", "found \"400,500\", expected one operator and its code, such as >= 500 or "
                    "between 400 and 499"},
        {"> 99", "found the code 99, expected 100 to 599, or 0: no answer"},
        {"> 600", "found the code 600, expected 100 to 599, or 0: no answer"},
        {"> 404.5", "found the code 404.5, expected 100 to 599, or 0: no answer"},
        {"between 400 and 999", "found the code 999, expected 100 to 599, or 0: no answer"},
        {"between 400", "found nothing more, expected \"and\" and the second number"},
    };

    (void)state;
    for (size_t i = 0; i < N_OF(good); i++) {
        struct rule_codes codes = {RULE_BELOW, 7, 7};
        char why[300] = "";
        assert_int_equal(rule_parse_codes(good[i].text, &codes, why, sizeof why), 0);
        assert_memory_equal(&codes, &good[i].codes, sizeof codes);
    }
    for (size_t i = 0; i < N_OF(wrong); i++) {
        struct rule_codes codes;
        char why[300] = "";
        assert_int_equal(rule_parse_codes(wrong[i][0], &codes, why, sizeof why), -EINVAL);
        assert_string_equal(why, wrong[i][1]);
    }
}

static void spans_are_clock_times_or_have_a_unit(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"", 0},
        {"0", 0},
        {"00:00", 0},
        {"00:01", 60000},
        {"1:2:3", 3723000},
        {"00:00:10", 10000},
        {"23:59:59.9999999", 86399999},
        {"00:00:00.05", 50},
        {"1.02:00:00", 93600000},
        {"365.00:00", RULE_SPAN_MAX_MS},
        {"10s", 10000},
        {" 500 MS ", 500},
        {"2m", 120000},
        {"1h", 3600000},
        {"365d", RULE_SPAN_MAX_MS},
    };
    static const char *const wrong[] = {
        "10",
        "-1s",
        "1.5s",
        "s",
        "10 weeks",
        "1:2:3:4",
        "24:00",
        "00:60",
        "00:00:60",
        "00:00:",
        ":00",
        "000:00",
        "00:00:00.",
        "1.5:",
        "00:00.5",
        ".00:00",
        "366d",
        "365.00:00:01",
        "1.1.00:00",
        "00:00:00.12345678",
        "999999999999999999999d",
        "00:00 x",
    };
    int64_t ms;
    char why[300] = "";

    (void)state;
    for (size_t i = 0; i < N_OF(good); i++) {
        ms = -1;
        if (rule_parse_span(good[i].text, &ms, why, sizeof why) != 0 || ms != good[i].ms)
            fail_msg("%s: %ld, %s", good[i].text, (long)ms, why);
    }
    for (size_t i = 0; i < N_OF(wrong); i++)
        if (rule_parse_span(wrong[i], &ms, why, sizeof why) != -EINVAL)
            fail_msg("%s: %ld", wrong[i], (long)ms);
    assert_int_equal(rule_parse_span("10", &ms, why, sizeof why), -EINVAL);
    assert_string_equal(why, "found \"10\", expected a unit after the number: s, ms, m, h or d");
}

// --- Values ---

static double value_of(const char *metric, const char *codes, const struct metrics_series *s,
                       int64_t elapsed_ms, uint64_t cool_down_ms)
{
    struct rule rule = parse(metric, codes);
    struct rule_errors errors;

    rule_errors_init(&errors, NULL, 0);
    return rule_value(&rule, s, &errors, elapsed_ms, cool_down_ms);
}

static bool fires(const char *metric, const char *codes, const struct metrics_series *s)
{
    struct rule rule = parse(metric, codes);

    return rule_holds(&rule, value_of(metric, codes, s, 0, 0));
}

// 200: 90, 404: 6, 503: 3, no answer: 1.
static void fill(struct metrics_series *s)
{
    *s = (struct metrics_series){
        .n = {.started = 100, .completed = 99, .failed = 1, .skipped = 25, .dropped = 4}};
    s->status[200] = 90;
    s->status[404] = 6;
    s->status[503] = 3;
}

#define assert_near(x, y) assert_true((x) > (y)-1e-9 && (x) < (y) + 1e-9)

static void an_error_rate_counts_its_own_codes(void **state)
{
    static const struct {
        const char *metric, *codes;
        double value;
        bool fires;
    } cases[] = {
        {"ErrorRate > 0.05", NULL, 0.10, true},
        {"ErrorRate > 0.05", ">= 400", 0.09, true},
        {"ErrorRate > 0.05", ">= 500", 0.03, false},
        {"ErrorRate > 0", "= 0", 0.01, true},
        {"ErrorRate > 0.09", "between 400 and 499", 0.06, false},
        {"ErrorRate < 1", "between 0 and 599", 1, false},
        {"ErrorRate = 0.1", "!= 200", 0.1, true},
    };
    struct metrics_series s;

    (void)state;
    fill(&s);
    for (size_t i = 0; i < N_OF(cases); i++) {
        assert_near(value_of(cases[i].metric, cases[i].codes, &s, 0, 0), cases[i].value);
        assert_int_equal(fires(cases[i].metric, cases[i].codes, &s), cases[i].fires);
    }
}

static void counters_are_what_they_say(void **state)
{
    struct metrics_series s;

    (void)state;
    fill(&s);
    assert_near(value_of("SkipRatio > 0", NULL, &s, 0, 0), 0.2);
    assert_near(value_of("SkippedCount > 0", NULL, &s, 0, 0), 25);
    assert_near(value_of("Dropped > 0", NULL, &s, 0, 0), 4);
    assert_near(value_of("ServerTimeDB.P95 > 0", NULL, &s, 0, 0), 0);
}

static bool uses(const char *const *metrics_and_codes, size_t n, unsigned code)
{
    struct plan_rule rules[4] = {0};
    struct rule_errors errors;

    for (size_t i = 0; i < n; i++) {
        rules[i].metric = (char *)metrics_and_codes[2 * i];
        rules[i].codes = (char *)metrics_and_codes[2 * i + 1];
    }
    rule_errors_init(&errors, rules, n);
    return errors.code[code];
}

static void errors_are_of_any_error_rate_rule_else_400_and_above(void **state)
{
    static const char *const none[] = {"TTFB > 1", ">= 500", NULL, NULL};
    static const char *const two[] = {"ErrorRate > 0", "= 404",           "TTFB > 1",
                                      "= 302",         "errorrate > 0.5", ">= 500"};
    static const char *const usual[] = {"ErrorRate > 0", NULL, "ErrorRate > 0", "= 302"};
    static const struct {
        const char *const *rules;
        size_t n;
        unsigned code;
        bool is_error;
    } cases[] = {
        {NULL, 0, 0, true},    {NULL, 0, 399, false},  {NULL, 0, 400, true},  {NULL, 0, 599, true},
        {none, 2, 0, true},    {none, 2, 404, true},   {two, 3, 0, false},    {two, 3, 302, false},
        {two, 3, 403, false},  {two, 3, 404, true},    {two, 3, 500, true},   {usual, 2, 0, true},
        {usual, 2, 302, true}, {usual, 2, 301, false}, {usual, 2, 400, true},
    };

    (void)state;
    for (size_t i = 0; i < N_OF(cases); i++)
        if (uses(cases[i].rules, cases[i].n, cases[i].code) != cases[i].is_error)
            fail_msg("case %zu: code %u", i, cases[i].code);
}

static void displayed_errors_are_those_of_the_rules(void **state)
{
    struct plan_rule rule = {.metric = (char *)"ErrorRate > 0.05", .codes = (char *)">= 500"};
    struct rule_errors errors;
    struct metrics_series s;

    (void)state;
    fill(&s);
    rule_errors_init(&errors, &rule, 1);
    assert_int_equal(rule_n_errors(&errors, &s), 3);
    rule_errors_init(&errors, NULL, 0);
    assert_int_equal(rule_n_errors(&errors, &s), 10);
}

static void rates_take_the_errors_of_the_iteration(void **state)
{
    struct plan_rule failure = {.metric = (char *)"ErrorRate > 0.05", .codes = (char *)">= 500"};
    struct rule rule = parse("RPS > 0", NULL), own = parse("RPS > 0", "= 200");
    struct rule_errors errors;
    struct metrics_series s;

    (void)state;
    fill(&s);
    rule_errors_init(&errors, &failure, 1);
    assert_near(rule_value(&rule, &s, &errors, 1000, 0), 96);
    assert_near(rule_value(&own, &s, &errors, 1000, 0), 9);
}

static void rates_wait_for_their_first_period_and_have_two_decimals(void **state)
{
    struct metrics_series s;

    (void)state;
    fill(&s);
    assert_near(value_of("RPS > 0", NULL, &s, 999, 0), 0);
    assert_near(value_of("RPS > 0", NULL, &s, 1000, 0), 90);
    assert_near(value_of("RPS > 0", NULL, &s, 7000, 0), 12.86);
    assert_near(value_of("RPS > 0", ">= 500", &s, 1000, 0), 96);
    assert_near(value_of("RPS > 0", "= 0", &s, 1000, 0), 99);
    assert_near(value_of("RPS > 0", NULL, &s, -1, 0), 0);
    assert_near(value_of("RPSCD > 0", NULL, &s, 1000, 0), 0);
    assert_near(value_of("RPSCD > 0", NULL, &s, 499, 500), 0);
    assert_near(value_of("RPSCD > 0", NULL, &s, 1000, 500), 45);
}

static void latencies_are_milliseconds(void **state)
{
    struct metrics_series s = {0};

    (void)state;
    for (uint64_t us = 100; us <= 1000; us += 100)
        hist_record(&s.latency[METRICS_SERVICE], us);
    hist_record(&s.latency[METRICS_TTFB], 7);
    assert_near(value_of("TotalTime > 0", NULL, &s, 0, 0), 0.55);
    assert_near(value_of("TotalTime.Min > 0", NULL, &s, 0, 0), 0.1);
    assert_near(value_of("TotalTime.Max > 0", NULL, &s, 0, 0), 1);
    assert_near(value_of("TotalTime.Sum > 0", NULL, &s, 0, 0), 5.5);
    assert_near(value_of("TotalTime.P50 > 0", NULL, &s, 0, 0), 0.5);
    assert_near(value_of("TotalTime.P95 > 0", NULL, &s, 0, 0), 1);
    assert_near(value_of("TTFB.P1 > 0", NULL, &s, 0, 0), 0.007);
    assert_near(value_of("TLS > 0", NULL, &s, 0, 0), 0);
    metrics_series_done(&s);
}

static void each_phase_has_its_metric(void **state)
{
    static const struct {
        const char *metric;
        enum metrics_latency latency;
    } phases[] = {
        {"TotalTime > 0", METRICS_SERVICE},
        {"Response > 0", METRICS_RESPONSE},
        {"Lag > 0", METRICS_LAG},
        {"DNS > 0", METRICS_DNS},
        {"TCP > 0", METRICS_TCP},
        {"TLS > 0", METRICS_TLS},
        {"Sending > 0", METRICS_SEND},
        {"Waiting > 0", METRICS_WAIT},
        {"Receiving > 0", METRICS_RECEIVE},
        {"TTFB > 0", METRICS_TTFB},
        {"ServerTime > 0", METRICS_SERVER},
        {"ServerTimeDB > 0", METRICS_SERVER_DB},
        {"Cache > 0", METRICS_SERVER_CACHE},
        {"App > 0", METRICS_SERVER_APP},
    };

    (void)state;
    assert_int_equal(N_OF(phases), METRICS_LATENCY__COUNT - 1);
    for (size_t i = 0; i < N_OF(phases); i++) {
        struct rule rule = parse(phases[i].metric, NULL);
        assert_int_equal(rule.what, RULE_LATENCY);
        assert_int_equal(rule.latency, phases[i].latency);
    }
}

static void comparisons_hold_at_their_ends(void **state)
{
    static const struct {
        const char *rule;
        double value;
        bool holds;
    } cases[] = {
        {"RPS > 5", 5, false},
        {"RPS > 5", 5.00001, true},
        {"RPS < 5", 5, false},
        {"RPS >= 5", 5, true},
        {"RPS <= 5", 5, true},
        {"RPS <= 5", 5.00001, false},
        {"RPS = 5", 5.00009, true},
        {"RPS = 5", 4.99991, true},
        {"RPS = 5", 5.0002, false},
        {"RPS != 5", 5.00009, false},
        {"RPS != 5", 5.0002, true},
        {"RPS between 5 and 6", 5, true},
        {"RPS between 5 and 6", 6, true},
        {"RPS between 5 and 6", 6.00001, false},
        {"RPS between 5 and 6", 4.99999, false},
    };
    struct rule none = {0};

    (void)state;
    for (size_t i = 0; i < N_OF(cases); i++) {
        struct rule rule = parse(cases[i].rule, NULL);
        if (rule_holds(&rule, cases[i].value) != cases[i].holds)
            fail_msg("%s at %g", cases[i].rule, cases[i].value);
    }
    assert_false(rule_holds(&none, 0));
}

static void without_rules_errors_are_few(void **state)
{
    struct metrics_series s = {0};
    double value = -1;

    (void)state;
    assert_null(rule_default(&s, &value));
    s.status[200] = 95;
    s.status[404] = 4;
    s.n.failed = 1;
    assert_null(rule_default(&s, &value));
    assert_true(value == -1);
    s.n.failed = 2;
    assert_string_equal(rule_default(&s, &value), "ErrorRate > 0.05");
    assert_near(value, 6 / 101.0);
    s = (struct metrics_series){.status = {[200] = 99, [500] = 1}};
    assert_null(rule_default(&s, &value));
    s.status[599] = 1;
    assert_string_equal(rule_default(&s, &value), "ErrorRate > 0.01 [codes >= 500]");
    assert_near(value, 2 / 101.0);
}

static void a_termination_waits_for_its_grace(void **state)
{
    struct rule_clock c;

    (void)state;
    rule_clock_init(&c);
    assert_true(rule_clock_look(&c, true, 0, 0));
    rule_clock_init(&c);
    assert_false(rule_clock_look(&c, false, 0, 0));
    assert_false(rule_clock_look(&c, true, 1000, 0));
    assert_false(rule_clock_look(&c, true, 1000, 999));
    assert_false(rule_clock_look(&c, false, 1000, 1000)); // begins anew
    assert_false(rule_clock_look(&c, true, 1000, 1500));
    assert_false(rule_clock_look(&c, true, 1000, 2499));
    assert_true(rule_clock_look(&c, true, 1000, 2500));
    assert_true(rule_clock_look(&c, true, 1000, 2600));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_have_one_spelling),
        cmocka_unit_test(what_is_no_metric_is_named),
        cmocka_unit_test(a_reason_is_cut_to_its_room),
        cmocka_unit_test(codes_are_one_comparison),
        cmocka_unit_test(spans_are_clock_times_or_have_a_unit),
        cmocka_unit_test(an_error_rate_counts_its_own_codes),
        cmocka_unit_test(counters_are_what_they_say),
        cmocka_unit_test(errors_are_of_any_error_rate_rule_else_400_and_above),
        cmocka_unit_test(displayed_errors_are_those_of_the_rules),
        cmocka_unit_test(rates_take_the_errors_of_the_iteration),
        cmocka_unit_test(rates_wait_for_their_first_period_and_have_two_decimals),
        cmocka_unit_test(latencies_are_milliseconds),
        cmocka_unit_test(each_phase_has_its_metric),
        cmocka_unit_test(comparisons_hold_at_their_ends),
        cmocka_unit_test(without_rules_errors_are_few),
        cmocka_unit_test(a_termination_waits_for_its_grace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
