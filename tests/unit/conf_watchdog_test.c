// The section Watchdog: its keys, and the limits that go together.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"
#include "tests/unit/conf_test_util.h"

static void every_key_has_its_field(void **state)
{
    struct conf *conf = accepts(
        "{\"Watchdog\": {\"SuspensionMode\": \"All\", \"MaxMemoryMB\": 5000,"
        " \"CoolDownMemoryMB\": 4000, \"MaxCPUPercentage\": 80, \"CoolDownCPUPercentage\": 60,"
        " \"MaxConcurrentConnectionsCountPerHostName\": 3000,"
        " \"CoolDownConcurrentConnectionsCountPerHostName\": 1500,"
        " \"CoolDownRetryTimeInMs\": 250, \"MaxCoolingPeriod\": 31, \"ResumeCoolingAfter\": 0.5}}");

    (void)state;
    assert_int_equal(conf->watchdog.suspension, CONF_SUSPENSION_ALL);
    assert_int_equal(conf->watchdog.max_memory_mb, 5000);
    assert_int_equal(conf->watchdog.cool_memory_mb, 4000);
    assert_int_equal(conf->watchdog.max_cpu, 80);
    assert_int_equal(conf->watchdog.cool_cpu, 60);
    assert_int_equal(conf->watchdog.max_in_flight, 3000);
    assert_int_equal(conf->watchdog.cool_in_flight, 1500);
    assert_int_equal(conf->watchdog.sample_ms, 250);
    assert_int_equal(conf->watchdog.max_cooling_ms, 31000);
    assert_int_equal(conf->watchdog.resume_ms, 500);
    assert_null(conf->ignored);
    conf_free(conf);
}

static void numbers_end_at_their_range(void **state)
{
    static const struct {
        const char *key, *good[2], *bad[2];
    } cases[] = {
        {"MaxMemoryMB", {"0", "2147483647"}, {"-1", "2147483648"}},
        {"MaxCPUPercentage", {"0", "100"}, {"101", "80.5"}},
        {"MaxConcurrentConnectionsCountPerHostName", {"0", "2147483647"}, {"2147483648", "null"}},
        {"CoolDownRetryTimeInMs", {"10", "60000"}, {"9", "60001"}},
        {"MaxCoolingPeriod", {"0.001", "86400"}, {"0", "86400.001"}},
        {"ResumeCoolingAfter", {"0.001", "86400"}, {"0", "86400.001"}},
        {"SuspensionMode", {"\"any\"", "1"}, {"2", "\"Some\""}},
        {"CoolDownMemoryMB", {"0", "0"}, {"-1", "\"a\""}},
        {"CoolDownCPUPercentage", {"0", "0"}, {"101", "-1"}},
        {"CoolDownConcurrentConnectionsCountPerHostName", {"0", "0"}, {"-1", "[]"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t k = 0; k < 2; k++) {
            conf_free(accepts_key("Watchdog", cases[i].key, cases[i].good[k]));
            char *text = xasprintf("{\"Watchdog\": {\"%s\": %s}}", cases[i].key, cases[i].bad[k]);
            struct conf *conf = NULL;
            struct diag d = {0};
            assert_int_equal(conf_parse(text, strlen(text), &d, &conf), -EINVAL);
            char *begin = xasprintf("Watchdog.%s: found ", cases[i].key);
            assert_int_equal(strncmp(d.entry[0].text, begin, strlen(begin)), 0);
            free(begin);
            free(text);
            diag_done(&d);
        }
    refuses("{\"Watchdog\": {\"MaxMemory\": 1}}", 1, 15,
            "Watchdog: unknown key \"MaxMemory\", did you mean \"MaxMemoryMB\"?");
}

static void a_cool_down_is_below_its_limit(void **state)
{
    static const char *const pairs[][2] = {
        {"MaxMemoryMB", "CoolDownMemoryMB"},
        {"MaxCPUPercentage", "CoolDownCPUPercentage"},
        {"MaxConcurrentConnectionsCountPerHostName",
         "CoolDownConcurrentConnectionsCountPerHostName"},
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const char *max = pairs[i][0], *cool = pairs[i][1];
        char *text = xasprintf("{\"Watchdog\": {\"%s\": 79, \"%s\": 80}}", cool, max);
        conf_free(accepts(text));
        free(text);
        text = xasprintf("{\"Watchdog\": {\"%s\": 80, \"%s\": 80}}", cool, max);
        char *begin = xasprintf("Watchdog: found %s 80, expected less than %s, 80", cool, max);
        refuses(text, 1, 14, begin);
        free(begin);
        free(text);
        text = xasprintf("{\"Watchdog\": {\"%s\": 1}}", cool);
        begin = xasprintf("Watchdog: found %s 1, expected less than %s, 0", cool, max);
        refuses(text, 1, 14, begin);
        free(begin);
        free(text);
    }
}

static void a_value_that_is_none_is_the_only_complaint(void **state)
{
    (void)state;
    refuses("{\"Watchdog\": {\"CoolDownCPUPercentage\": 3, \"MaxCPUPercentage\": \"much\"}}", 1, 63,
            "Watchdog.MaxCPUPercentage: found \"much\", expected a whole number, 0 to 100");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_has_its_field),
        cmocka_unit_test(numbers_end_at_their_range),
        cmocka_unit_test(a_cool_down_is_below_its_limit),
        cmocka_unit_test(a_value_that_is_none_is_the_only_complaint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
