// Rounds of clients in stages, and rounds at a rate.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/plan_test_util.h"

// --- Stages ---

static void stages_add_up_to_the_clients_of_a_round(void **state)
{
    struct plan *plan =
        accepts(ROUND("\"startupDelay\":9,\"stages\":[{\"numberOfClients\":2,\"arrivalDelay\":100},"
                      "{\"numberOfClients\":3,\"arrivalDelay\":50,\"startupDelay\":300}]"));
    const struct plan_round *round = &plan->rounds[0];

    (void)state;
    assert_int_equal(round->startup_delay_ms, 9);
    assert_int_equal(round->n_clients, 5);
    assert_int_equal(plan_max_clients(plan), 5);
    assert_int_equal(round->n_stages, 2);
    assert_int_equal(round->stages[0].n_clients, 2);
    assert_int_equal(round->stages[0].arrival_delay_ms, 100);
    assert_int_equal(round->stages[0].startup_delay_ms, 0);
    assert_int_equal(round->stages[1].startup_delay_ms, 300);
    plan_free(plan);
}

static void one_stage_without_delay_is_no_stage(void **state)
{
    struct plan *a = accepts(ROUND("\"stages\":[{\"numberOfClients\":2,\"arrivalDelay\":7}]"));
    struct plan *b = accepts(ROUND("\"numberOfClients\":2,\"arrivalDelay\":7"));
    struct plan *c = accepts(
        ROUND("\"stages\":[{\"numberOfClients\":2,\"arrivalDelay\":7,\"startupDelay\":1}]"));
    char *x = plan_format(a), *y = plan_format(b), *z = plan_format(c);

    (void)state;
    assert_string_equal(x, y);
    assert_null(strstr(x, "stages"));
    assert_non_null(
        strstr(z, "\"stages\":[{\"arrivalDelay\":7,\"numberOfClients\":2,\"startupDelay\":1}]"));
    free(x);
    free(y);
    free(z);
    plan_free(a);
    plan_free(b);
    plan_free(c);
}

static void stages_and_clients_contradict_each_other(void **state)
{
    (void)state;
    refuses(ROUND("\"stages\":[" ONE "],\"numberOfClients\":1"),
            "rounds[0]: found \"numberOfClients\" and \"stages\"");
    refuses(ROUND("\"stages\":[" ONE "],\"arrivalDelay\":0"),
            "rounds[0]: found \"arrivalDelay\" and \"stages\"");
    refuses(ROUND("\"stages\":[]"), "rounds[0].stages: found an empty list");
    refuses(ROUND("\"stages\":{}"), "rounds[0].stages: found an object, expected a list");
    refuses(ROUND("\"stages\":[1]"), "rounds[0].stages[0]: found 1, expected an object");
    refuses(ROUND("\"stages\":[{}]"), "rounds[0].stages[0]: found no \"numberOfClients\"");
    refuses(ROUND("\"stages\":[{\"numberOfClients\":0}]"),
            "rounds[0].stages[0].numberOfClients: found 0");
    refuses(ROUND("\"stages\":[{\"numberOfClients\":1,\"delay\":1}]"),
            "rounds[0].stages[0]: unknown key \"delay\"");
    refuses(ROUND("\"stages\":[{\"numberOfClients\":600000},{\"numberOfClients\":400001}]"),
            "rounds[0].stages: found 1000001 clients together, expected at most 1000000");
    plan_free(
        accepts(ROUND("\"stages\":[{\"numberOfClients\":600000},{\"numberOfClients\":400000}]")));
}

static void a_thousand_stages_are_the_limit(void **state)
{
    static const char before[] = "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"stages\":[",
                      after[] = "],\"iterations\":[{\"name\":\"i\"," REQUEST "}]}]}";
    char *text = with_list(before, ONE, PLAN_STAGES_MAX, after);

    (void)state;
    plan_free(accepts(text));
    free(text);
    text = with_list(before, ONE, PLAN_STAGES_MAX + 1, after);
    refuses(text, "rounds[0].stages: found 1001 elements, expected at most 1000");
    free(text);
}

// --- Rates ---

static void a_rate_opens_the_round(void **state)
{
    struct plan *plan = accepts(RATED("\"rate\":33.333,\"duration\":60"));
    char *text = plan_format(plan);

    (void)state;
    assert_true(plan->rounds[0].is_open);
    assert_true(first(plan)->is_open);
    assert_int_equal(first(plan)->rate_mhz, 33333);
    assert_int_equal(first(plan)->duration_s, 60);
    assert_int_equal(first(plan)->n_ramp, 0);
    assert_int_equal(plan->rounds[0].n_clients, 1000);
    assert_int_equal(plan->rounds[0].n_stages, 1);
    assert_int_equal(plan->rounds[0].stages[0].n_clients, 1000);
    assert_string_equal(text,
                        "{\"name\":\"p\",\"rounds\":[{\"iterations\":[{\"duration\":60,"
                        "\"httpRequest\":{\"headers\":{},\"method\":\"GET\",\"supportH2C\":false,"
                        "\"url\":\"http://a/\",\"version\":\"2.0\"},\"mode\":\"D\",\"name\":\"i\","
                        "\"rate\":33.333}],\"name\":\"r\",\"numberOfClients\":1000,"
                        "\"pacing\":\"precise\",\"runInParallel\":false,\"startupDelay\":0}]}");
    free(text);
    plan_free(plan);
}

static void rates_have_three_decimals_and_one_spelling(void **state)
{
    static const struct {
        const char *spelled, *canonical;
        uint64_t mhz;
    } good[] = {
        {"0.001", "\"rate\":0.001", 1},
        {"0.5", "\"rate\":0.5", 500},
        {"1", "\"rate\":1}", 1000},
        {"1.0", "\"rate\":1}", 1000},
        {"1e3", "\"rate\":1000}", 1000000},
        {"4.35", "\"rate\":4.35}", 4350}, // 4349.999... in binary
        {"9999999.999", "\"rate\":9999999.999", 9999999999},
        {"10000000", "\"rate\":10000000}", 10000000000},
    };
    static const char *const bad[] = {
        "0",      "0.0",    "-1",           "-0.5",  "0.0005",
        "0.0001", "1.0005", "10000000.001", "1e300", "9223372036854775807",
        "\"5\"",  "true",   "null",         "[]"};
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(text, sizeof text, RATED("\"duration\":1,\"rate\":%s"), good[i].spelled);
        struct plan *plan = accepts(text);
        char *formatted = plan_format(plan);
        assert_true(first(plan)->rate_mhz == good[i].mhz);
        if (strstr(formatted, good[i].canonical) == NULL)
            fail_msg("%s: %s", good[i].spelled, formatted);
        free(formatted);
        plan_free(plan);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, RATED("\"duration\":1,\"rate\":%s"), bad[i]);
        refuses(text, AT "rate: found ");
    }
    refuses(RATED("\"duration\":1,\"rate\":0"),
            AT "rate: found 0, expected a number above 0 and up to 10000000 with at most 3");
}

static void every_rate_of_three_decimals_comes_back(void **state)
{
    char text[512];

    (void)state;
    for (uint64_t mhz = 1; mhz < PLAN_RATE_MAX_MHZ; mhz += 1 + mhz / 97) {
        snprintf(text, sizeof text, RATED("\"duration\":1,\"rate\":%d.%03d"), (int)(mhz / 1000),
                 (int)(mhz % 1000));
        struct plan *plan = accepts(text);
        assert_true(first(plan)->rate_mhz == mhz);
        char *formatted = plan_format(plan);
        struct plan *again = accepts(formatted);
        assert_true(first(again)->rate_mhz == mhz);
        plan_free(again);
        free(formatted);
        plan_free(plan);
    }
}

static void a_ramp_has_its_own_duration_and_begins_at_the_rate(void **state)
{
    struct plan *plan = accepts(
        RATED("\"rate\":10,\"ramp\":[{\"rate\":100,\"duration\":30},{\"rate\":0,\"duration\":5}]"));
    char *text = plan_format(plan);

    (void)state;
    assert_true(first(plan)->is_open);
    assert_int_equal(first(plan)->rate_mhz, 10000);
    assert_int_equal(first(plan)->duration_s, 35);
    assert_int_equal(first(plan)->n_ramp, 2);
    assert_int_equal(first(plan)->ramp[0].rate_mhz, 100000);
    assert_int_equal(first(plan)->ramp[1].rate_mhz, 0);
    assert_int_equal(first(plan)->ramp[1].duration_s, 5);
    assert_non_null(strstr(
        text,
        "\"ramp\":[{\"duration\":30,\"rate\":100},{\"duration\":5,\"rate\":0}],\"rate\":10}"));
    free(text);
    plan_free(plan);
    plan = accepts(RATED("\"ramp\":[{\"rate\":0.5,\"duration\":1}]"));
    text = plan_format(plan);
    assert_int_equal(first(plan)->rate_mhz, 0);
    assert_non_null(strstr(text, "\"rate\":0}"));
    free(text);
    plan_free(plan);
    // From 5 down to nothing sends, too.
    plan_free(accepts(RATED("\"rate\":5,\"ramp\":[{\"rate\":0,\"duration\":1}]")));
}

static void ramps_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    refuses(RATED("\"ramp\":[{\"rate\":0,\"duration\":1},{\"rate\":0,\"duration\":1}]"),
            AT "ramp: found no rate above 0");
    refuses(RATED("\"ramp\":[" STEP "],\"duration\":1"), IT "found \"duration\" and \"ramp\"");
    refuses(RATED("\"ramp\":[]"), AT "ramp: found an empty list");
    refuses(RATED("\"ramp\":1"), AT "ramp: found 1, expected a list");
    refuses(RATED("\"ramp\":[2]"), AT "ramp[0]: found 2, expected an object");
    refuses(RATED("\"ramp\":[{\"rate\":1}]"), AT "ramp[0]: found no \"duration\"");
    refuses(RATED("\"ramp\":[{\"duration\":1}]"), AT "ramp[0]: found no \"rate\"");
    refuses(RATED("\"ramp\":[{\"rate\":-1,\"duration\":1}]"),
            AT "ramp[0].rate: found -1, expected a number from 0 and up to");
    refuses(RATED("\"ramp\":[{\"rate\":1,\"duration\":0}]"), AT "ramp[0].duration: found 0");
    refuses(RATED("\"ramp\":[{\"rate\":1,\"duration\":1,\"x\":1}]"), AT "ramp[0]: unknown key");
    refuses(RATED("\"ramp\":[{\"rate\":1,\"duration\":31536000}," STEP "]"),
            AT "ramp: found durations of 31536001 s together, expected at most 31536000");
}

static void a_thousand_ramps_are_the_limit(void **state)
{
    static const char before[] =
        "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"i\","
        "\"mode\":\"D\"," REQUEST ",\"ramp\":[";
    char *text = with_list(before, STEP, PLAN_STAGES_MAX, "]}]}]}");

    (void)state;
    plan_free(accepts(text));
    free(text);
    text = with_list(before, STEP, PLAN_STAGES_MAX + 1, "]}]}]}");
    refuses(text, AT "ramp: found 1001 elements, expected at most 1000");
    free(text);
}

static void only_mode_d_has_a_rate(void **state)
{
    (void)state;
    refuses(ITERATION("\"rate\":1"), IT "found \"rate\", expected none in mode R");
    refuses(ITERATION("\"ramp\":[" STEP "]"), IT "found \"ramp\", expected none in mode R");
    refuses(ITERATION("\"mode\":\"CB\",\"rate\":1," BATCH),
            IT "found \"rate\", expected none in mode CB");
    refuses(RATED("\"rate\":1"), IT "found no \"duration\"");
    refuses(RATED("\"rate\":1,\"duration\":1,\"requestCount\":1"),
            IT "found \"requestCount\", expected none in mode D");
}

// A round with these members, whose iterations are these.
#define WITH(members, iterations) \
    "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\"," members "\"iterations\":[" iterations "]}]}"
#define OPEN(name)   "{\"name\":\"" name "\"," REQUEST ",\"mode\":\"D\",\"rate\":5,\"duration\":3}"
#define CLOSED(name) "{\"name\":\"" name "\"," REQUEST "}"

static void a_round_is_open_or_closed(void **state)
{
    struct plan *plan =
        accepts(WITH("\"numberOfClients\":7,\"startupDelay\":2,\"runInParallel\":true,"
                     "\"pacing\":\"batched\",",
                     OPEN("a") "," OPEN("b")));

    (void)state;
    assert_true(plan->rounds[0].is_open);
    assert_true(plan->rounds[0].is_parallel);
    assert_int_equal(plan->rounds[0].pacing, PLAN_PACING_BATCHED);
    assert_int_equal(plan->rounds[0].n_clients, 7);
    assert_int_equal(plan->rounds[0].startup_delay_ms, 2);
    plan_free(plan);
    refuses(WITH("", OPEN("a") "," CLOSED("b") "," CLOSED("c")),
            "rounds[0]: found 1 with a rate and 2 without, expected one kind: a round is open or "
            "closed");
    refuses(WITH("\"arrivalDelay\":0,", OPEN("a")),
            "rounds[0]: found \"arrivalDelay\", expected none in a round whose");
    refuses(WITH("\"stages\":[" ONE "],", OPEN("a")),
            "rounds[0]: found \"stages\", expected none in a round whose");
    refuses(RATED("\"rate\":1,\"duration\":1,\"delay\":0"),
            IT "found \"delay\", expected none with a rate");
    refuses(RATED("\"rate\":1,\"duration\":1,\"startupDelay\":0"),
            IT "found \"startupDelay\", expected none with a");
    refuses(WITH("\"pacing\":\"fast\",", CLOSED("a")),
            "rounds[0].pacing: found \"fast\", expected \"precise\" or");
    refuses(WITH("\"runInParallel\":1,", CLOSED("a")),
            "rounds[0].runInParallel: found 1, expected true or false");
}

static void creation_of_clients_is_always_late(void **state)
{
    struct plan *plan = accepts(ROUND("\"delayClientCreationUntilIsNeeded\":true"));
    char *text = plan_format(plan);

    (void)state;
    assert_null(strstr(text, "delayClient"));
    free(text);
    plan_free(plan);
    refuses(ROUND("\"delayClientCreationUntilIsNeeded\":2"),
            "rounds[0].delayClientCreationUntilIsNeeded: found 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_add_up_to_the_clients_of_a_round),
        cmocka_unit_test(one_stage_without_delay_is_no_stage),
        cmocka_unit_test(stages_and_clients_contradict_each_other),
        cmocka_unit_test(a_thousand_stages_are_the_limit),
        cmocka_unit_test(a_rate_opens_the_round),
        cmocka_unit_test(rates_have_three_decimals_and_one_spelling),
        cmocka_unit_test(every_rate_of_three_decimals_comes_back),
        cmocka_unit_test(a_ramp_has_its_own_duration_and_begins_at_the_rate),
        cmocka_unit_test(ramps_that_make_no_sense_are_refused),
        cmocka_unit_test(a_thousand_ramps_are_the_limit),
        cmocka_unit_test(only_mode_d_has_a_rate),
        cmocka_unit_test(a_round_is_open_or_closed),
        cmocka_unit_test(creation_of_clients_is_always_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
