// The canonical form of what the test language has: hooks, conditions, rules, retries, captures,
// parts, variables, reads.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"
#include "tests/unit/plan_test_util.h"

#define ROOT(members)          \
    "{\"name\":\"p\"," members \
    ",\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"i\"," REQUEST "}]}]}"
#define VARIABLE "{\"name\":\"a\",\"value\":\"1\"}"
#define RULE     "{\"metric\":\"ErrorRate > 0.1\"}"
#define FIELD    "{\"name\":\"a\",\"value\":\"b\"}"
#define FILES    "{\"multipart\":{\"files\":[{\"name\":\"a\",\"file\":\"" HASH "\"}]}}"

static void lists_have_their_limits(void **state)
{
    static const struct {
        const char *before, *element;
        size_t max;
        const char *after, *refusal;
    } rows[] = {
        {"{\"name\":\"p\",\"variables\":[", VARIABLE, PLAN_VARIABLES_MAX,
         "],\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"i\"," REQUEST "}]}]}",
         "variables: found 1001 elements"},
        {"{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"i\"," REQUEST
         ",\"before\":[",
         "\"a\"", PLAN_HOOKS_MAX, "]}]}]}", AT "before: found 101 elements"},
        {"{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"i\"," REQUEST
         ",\"failureRules\":[",
         RULE, PLAN_RULES_MAX, "]}]}]}", AT "failureRules: found 101 elements"},
        {"{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"i\","
         "\"httpRequest\":{" URL ",\"payload\":{\"multipart\":{\"fields\":[",
         FIELD, PLAN_PARTS_MAX, "]}}}}]}]}", REQ "payload.multipart.fields: found 101 elements"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = with_list(rows[i].before, rows[i].element, rows[i].max, rows[i].after);
        plan_free(accepts(text));
        free(text);
        text = with_list(rows[i].before, rows[i].element, rows[i].max + 1, rows[i].after);
        refuses(text, rows[i].refusal);
        free(text);
    }
}

static void fields_and_files_share_a_limit(void **state)
{
    char *text = with_list("{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":"
                           "\"i\",\"httpRequest\":{" URL ",\"payload\":{\"multipart\":{\"files\":"
                           "[{\"name\":\"f\",\"file\":\"" HASH "\"}],\"fields\":[",
                           FIELD, PLAN_PARTS_MAX, "]}}}}]}]}");

    (void)state;
    refuses(text, REQ "payload.multipart: found 101 parts, expected at most 100");
    free(text);
}

static void a_secret_may_have_no_value_here(void **state)
{
    struct plan *plan =
        accepts(ROOT("\"variables\":[{\"name\":\"a\",\"secret\":true}],\"reads\":[{\"source\":"
                     "\"env\",\"name\":\"B\",\"secret\":true}]"));

    (void)state;
    assert_true(plan->variables[0].is_secret);
    assert_null(plan->variables[0].value);
    assert_true(plan->reads[0].is_env);
    assert_string_equal(plan->reads[0].file, "");
    plan_free(plan);
    refuses(ROOT("\"variables\":[{\"name\":\"a\"}]"), "variables[0]: found no \"value\"");
    refuses(ROOT("\"reads\":[{\"source\":\"env\",\"name\":\"B\"}]"), "reads[0]: found no \"file\"");
    refuses(ROOT("\"reads\":[{\"source\":\"url\",\"name\":\"B\",\"file\":\"" HASH "\"}]"),
            "reads[0].source: found \"url\"");
}

static void values_are_not_worked_out_here(void **state)
{
    struct plan *plan = accepts(ROOT("\"variables\":[{\"name\":\"a\",\"as\":\"qjson\",\"value\":"
                                     "\"${b}\",\"regex\":\"x+\"}]"));

    (void)state;
    assert_int_equal(plan->variables[0].type, VALUE_JSON);
    assert_true(plan->variables[0].is_quoted);
    assert_string_equal(plan->variables[0].value, "${b}");
    assert_string_equal(plan->variables[0].regex, "x+");
    plan_free(plan);
    refuses(ROOT("\"variables\":null"), "variables: found null, expected a list");
}

static void a_grace_period_is_a_span(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } rows[] = {{"0", 0}, {"10s", 10000}, {"00:00:00.250", 250}, {"1.00:00:00", 86400000}};
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(
            text, sizeof text,
            ITERATION("\"terminationRules\":[{\"expression\":\"1 = 1\",\"gracePeriod\":\"%s\"}]"),
            rows[i].text);
        struct plan *plan = accepts(text);
        assert_int_equal(first(plan)->termination[0].grace_ms, rows[i].ms);
        assert_null(first(plan)->termination[0].metric);
        plan_free(plan);
    }
    refuses(ITERATION("\"terminationRules\":[{\"metric\":\"ErrorRate > 1\",\"gracePeriod\":10}]"),
            AT "terminationRules[0].gracePeriod: found 10, expected a text");
}

static void bodies_that_have_no_paths_are_strings(void **state)
{
    static const struct {
        const char *as;
        enum value_type type;
        bool is_quoted;
    } rows[] = {
        {"", VALUE_UNDEFINED, false}, {"json", VALUE_JSON, false},
        {"QXml", VALUE_XML, true},    {"csvstring", VALUE_CSV, false},
        {"int", VALUE_STRING, false}, {"response", VALUE_STRING, false},
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text, SENDS("\"capture\":{\"to\":\"x\",\"as\":\"%s\"}"), rows[i].as);
        struct plan *plan = accepts(text);
        assert_int_equal(first(plan)->capture->type, rows[i].type);
        assert_int_equal(first(plan)->capture->is_quoted, rows[i].is_quoted);
        plan_free(plan);
    }
    struct plan *plan = accepts(SENDS("\"capture\":{\"to\":\"x\"}"));
    assert_int_equal(first(plan)->capture->type, VALUE_STRING);
    plan_free(plan);
}

static void retries_have_defaults_and_ranges(void **state)
{
    struct plan *plan = accepts(SENDS("\"retry\":{}"));

    (void)state;
    assert_null(first(plan)->retry->condition);
    assert_int_equal(first(plan)->retry->max, 1);
    assert_int_equal(first(plan)->retry->delay_ms, 100);
    assert_false(first(plan)->retry->is_exponential);
    plan_free(plan);
    plan = accepts(SENDS("\"retry\":{\"maxRetries\":0,\"strategy\":\"Exponential\","
                         "\"maxDelayInMs\":100}"));
    assert_int_equal(first(plan)->retry->max, 0);
    assert_int_equal(first(plan)->retry->max_delay_ms, 100);
    plan_free(plan);
    plan_free(accepts(SENDS("\"retry\":{\"maxRetries\":1000,\"delayInMs\":86400000}")));
    refuses(SENDS("\"retry\":{\"maxRetries\":1001}"), REQ "retry.maxRetries: found 1001");
    refuses(SENDS("\"retry\":{\"delayInMs\":0}"), REQ "retry.delayInMs: found 0");
    refuses(SENDS("\"retry\":{\"strategy\":\"fixed\"}"), REQ "retry.strategy: found \"fixed\"");
}

static void think_time_is_a_time_or_two(void **state)
{
    struct plan *plan = accepts(ITERATION("\"thinkTime\":5"));

    (void)state;
    assert_int_equal(first(plan)->think_min_ms, 5);
    assert_int_equal(first(plan)->think_max_ms, 5);
    plan_free(plan);
    plan = accepts(ITERATION("\"thinkTime\":{\"min\":0,\"max\":86400000}"));
    assert_int_equal(first(plan)->think_max_ms, 86400000);
    plan_free(plan);
    refuses(ITERATION("\"thinkTime\":86400001"), AT "thinkTime: found 86400001");
    refuses(ITERATION("\"thinkTime\":\"5\""), AT "thinkTime: found \"5\"");
    refuses(ITERATION("\"mode\":\"CB\"," BATCH ",\"thinkTime\":5"),
            IT "found \"thinkTime\", expected none in mode CB");
}

static void files_of_a_form_have_a_type(void **state)
{
    struct plan *plan = accepts(SENDS("\"payload\":" FILES));

    (void)state;
    assert_int_equal(first(plan)->payload_kind, PLAN_PAYLOAD_MULTIPART);
    assert_string_equal(first(plan)->parts[0].content_type, "application/octet-stream");
    assert_string_equal(first(plan)->parts[0].file, HASH);
    plan_free(plan);
    plan_free(accepts(SENDS("\"payload\":{\"type\":\"Raw\"}")));
    refuses(SENDS("\"payload\":{\"multipart\":{\"files\":[{\"file\":\"" HASH "\"}]}}"),
            REQ "payload.multipart.files[0]: found no name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_have_their_limits),
        cmocka_unit_test(fields_and_files_share_a_limit),
        cmocka_unit_test(a_secret_may_have_no_value_here),
        cmocka_unit_test(values_are_not_worked_out_here),
        cmocka_unit_test(a_grace_period_is_a_span),
        cmocka_unit_test(bodies_that_have_no_paths_are_strings),
        cmocka_unit_test(retries_have_defaults_and_ranges),
        cmocka_unit_test(think_time_is_a_time_or_two),
        cmocka_unit_test(files_of_a_form_have_a_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
