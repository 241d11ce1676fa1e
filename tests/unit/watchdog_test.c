#include "worker/runner/watchdog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"

static Lps__V1__WatchdogSettings limits(bool all)
{
    Lps__V1__WatchdogSettings s = LPS__V1__WATCHDOG_SETTINGS__INIT;

    s.max_memory_mb = 500;
    s.cool_memory_mb = 400;
    s.max_cpu_percent = 80;
    s.cool_cpu_percent = 60;
    s.max_in_flight = 30;
    s.cool_in_flight = 15;
    s.sample_ms = 100;
    s.max_cooling_ms = 3000;
    s.resume_ms = 9000;
    s.all = all;
    return s;
}

struct look {
    int64_t at_ms;
    uint64_t memory_mb;
    double cpu;
    uint64_t in_flight;
    enum watchdog_state state; // after it
    const char *why;           // NULL: as before
};

static const uint64_t no_sample = UINT64_MAX; // as memory_mb

static void follows_from(const Lps__V1__WatchdogSettings *settings, enum watchdog_state state,
                         const struct look *looks, size_t n)
{
    struct watchdog w;
    char why[300];

    watchdog_init(&w, settings);
    assert_int_equal(w.state, WATCHDOG_COOL);
    w.state = state;
    for (size_t i = 0; i < n; i++) {
        const struct look *look = &looks[i];
        struct watchdog_sample sample = {.memory_mb = look->memory_mb,
                                         .cpu_percent = look->cpu,
                                         .in_flight = look->in_flight,
                                         .host = look->in_flight > 0 ? "h" : NULL};
        memset(why, 'x', sizeof why);
        bool held = watchdog_look(&w, look->memory_mb != no_sample ? &sample : NULL,
                                  look->at_ms * NS_PER_MS, why, sizeof why);
        if (w.state != look->state)
            fail_msg("look %zu: %d instead of %d", i, w.state, look->state);
        assert_int_equal(held, w.state == WATCHDOG_HOT || w.state == WATCHDOG_COOLING);
        assert_string_equal(why, look->why != NULL ? look->why : "");
    }
}

#define follows(settings, looks) \
    follows_from(&(settings), WATCHDOG_COOL, looks, sizeof(looks) / sizeof *(looks))

static void any_limit_that_is_passed_holds_requests_back(void **state)
{
    static const struct {
        struct watchdog_sample sample;
        bool held;
        const char *why;
    } cases[] = {
        {{0, 0, 0, NULL}, false, ""},
        {{500, 79.99, 30, "h"}, false, ""},
        {{501, 0, 0, NULL}, true, "requests are held back: 501 MiB of memory, limit 500"},
        {{0, 80, 0, NULL}, true, "requests are held back: 80.0 % of CPU, limit 80"},
        {{0, 0, 31, "::1"}, true, "requests are held back: 31 in flight to ::1, limit 30"},
        {{501, 79, 31, "h"},
         true,
         "requests are held back: 501 MiB of memory, limit 500; 31 in flight to h, limit 30"},
        {{UINT64_MAX, 1e9, UINT64_MAX, "h"},
         true,
         "requests are held back: 18446744073709551615 MiB of memory, limit 500; "
         "1000000000.0 % of CPU, limit 80; 18446744073709551615 in flight to h, limit 30"},
    };
    Lps__V1__WatchdogSettings settings = limits(false);
    struct watchdog w;
    char why[300];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        watchdog_init(&w, &settings);
        assert_int_equal(watchdog_look(&w, &cases[i].sample, 1, why, sizeof why), cases[i].held);
        assert_string_equal(why, cases[i].why);
    }
}

static void all_limits_that_are_set_must_be_passed_where_it_says_so(void **state)
{
    Lps__V1__WatchdogSettings all = limits(true), two = all, none = all;
    static const struct look of_three[] = {
        {0, 501, 80, 30, WATCHDOG_COOL, NULL},
        {1, 501, 79, 31, WATCHDOG_COOL, NULL},
        {2, 500, 80, 31, WATCHDOG_COOL, NULL},
        {3, 501, 80, 31, WATCHDOG_HOT,
         "requests are held back: 501 MiB of memory, limit 500; 80.0 % of CPU, limit 80; 31 in "
         "flight to h, limit 30"},
        {4, 401, 60, 16, WATCHDOG_COOLING, NULL},
        {5, 9999, 100, 15, WATCHDOG_COOL, "requests flow again after 0.00 s"},
    };
    static const struct look of_two[] = {
        {0, 501, 79, 0, WATCHDOG_COOL, NULL},
        {1, 501, 80, 0, WATCHDOG_HOT,
         "requests are held back: 501 MiB of memory, limit 500; 80.0 % of CPU, limit 80"},
        {2, 501, 80, 9999, WATCHDOG_HOT, NULL},
        {3, 400, 80, 9999, WATCHDOG_COOL, "requests flow again after 0.00 s"},
    };
    static const struct look of_none[] = {{0, 9999, 100, 9999, WATCHDOG_COOL, NULL}};

    (void)state;
    follows(all, of_three);
    two.max_in_flight = two.cool_in_flight = 0;
    follows(two, of_two);
    none.max_memory_mb = none.max_cpu_percent = 0;
    none.max_in_flight = 0;
    follows(none, of_none);
    none.all = false;
    follows(none, of_none);
}

static void requests_flow_again_only_at_the_cool_down_limits(void **state)
{
    static const struct look memory[] = {
        {0, 501, 0, 0, WATCHDOG_HOT, "requests are held back: 501 MiB of memory, limit 500"},
        {100, 500, 0, 0, WATCHDOG_COOLING, NULL},
        {200, 501, 0, 0, WATCHDOG_HOT, NULL},
        {300, 401, 0, 0, WATCHDOG_COOLING, NULL},
        {1200, 400, 0, 0, WATCHDOG_COOL, "requests flow again after 1.20 s"},
        {1300, 500, 0, 0, WATCHDOG_COOL, NULL},
    };
    static const struct look cpu[] = {
        {0, 0, 99.5, 0, WATCHDOG_HOT, "requests are held back: 99.5 % of CPU, limit 80"},
        {100, 0, 60, 0, WATCHDOG_COOLING, NULL},
        {200, 0, 59.9, 0, WATCHDOG_COOL, "requests flow again after 0.20 s"},
    };
    static const struct look in_flight[] = {
        {0, 0, 0, 31, WATCHDOG_HOT, "requests are held back: 31 in flight to h, limit 30"},
        {100, 0, 0, 16, WATCHDOG_COOLING, NULL},
        {200, 0, 0, 15, WATCHDOG_COOL, "requests flow again after 0.20 s"},
    };
    // One that comes meanwhile keeps them back as well.
    static const struct look another[] = {
        {0, 0, 0, 31, WATCHDOG_HOT, "requests are held back: 31 in flight to h, limit 30"},
        {100, 450, 0, 0, WATCHDOG_COOLING, NULL},
        {200, 400, 60, 0, WATCHDOG_COOLING, NULL},
        {300, 400, 59, 15, WATCHDOG_COOL, "requests flow again after 0.30 s"},
    };
    Lps__V1__WatchdogSettings settings = limits(false);

    (void)state;
    follows(settings, memory);
    follows(settings, cpu);
    follows(settings, in_flight);
    follows(settings, another);
}

static void a_pause_has_an_end_and_a_respite_after_it(void **state)
{
#define HELD    "requests are held back: 501 MiB of memory, limit 500"
#define RESPITE "requests flow for 9 s, whatever the pressure, after 3.00 s"
    static const struct look looks[] = {
        {1000, 501, 0, 0, WATCHDOG_HOT, HELD},
        {2000, 450, 0, 0, WATCHDOG_COOLING, NULL}, // no new beginning
        {3999, 501, 0, 0, WATCHDOG_HOT, NULL},
        {4000, 501, 0, 0, WATCHDOG_RESUMED, RESPITE},
        {5000, 0, 0, 0, WATCHDOG_RESUMED, NULL},
        {12999, 999, 100, 99, WATCHDOG_RESUMED, NULL},
        {13000, 501, 0, 0, WATCHDOG_HOT, HELD},
        {16000, 450, 0, 0, WATCHDOG_RESUMED, RESPITE},
        {25000, 500, 0, 0, WATCHDOG_COOL, NULL},
        {25100, 501, 0, 0, WATCHDOG_HOT, HELD},
        {28100, 400, 0, 0, WATCHDOG_COOL, "requests flow again after 3.00 s"},
        {28200, 501, 0, 0, WATCHDOG_HOT, HELD},
        {31199, 501, 0, 0, WATCHDOG_HOT, NULL},
    };
    Lps__V1__WatchdogSettings settings = limits(false);

    (void)state;
    follows(settings, looks);
}

static void without_samples_requests_flow(void **state)
{
#define BLIND "requests flow: this host's memory and CPU cannot be read"
    static const struct look looks[] = {
        {0, no_sample, 0, 0, WATCHDOG_BLIND, BLIND},   {100, no_sample, 0, 0, WATCHDOG_BLIND, NULL},
        {200, 500, 0, 0, WATCHDOG_COOL, NULL},         {300, 501, 0, 0, WATCHDOG_HOT, HELD},
        {400, no_sample, 0, 0, WATCHDOG_BLIND, BLIND}, {500, 450, 0, 0, WATCHDOG_COOL, NULL},
        {600, no_sample, 0, 0, WATCHDOG_BLIND, BLIND}, {700, 501, 0, 0, WATCHDOG_HOT, HELD},
    };
    Lps__V1__WatchdogSettings settings = limits(false);

    (void)state;
    follows(settings, looks);
}

// What each state becomes by each kind of sample, early and late in it.
static void every_state_has_an_answer_to_every_sample(void **state)
{
    enum { COLD, WARM, HOT, NONE, N_KINDS };
    static const struct watchdog_sample samples[] = {
        [COLD] = {.memory_mb = 400}, [WARM] = {.memory_mb = 450}, [HOT] = {.memory_mb = 501}};
    static const enum watchdog_state early[][N_KINDS] = {
        [WATCHDOG_COOL] = {WATCHDOG_COOL, WATCHDOG_COOL, WATCHDOG_HOT, WATCHDOG_BLIND},
        [WATCHDOG_HOT] = {WATCHDOG_COOL, WATCHDOG_COOLING, WATCHDOG_HOT, WATCHDOG_BLIND},
        [WATCHDOG_COOLING] = {WATCHDOG_COOL, WATCHDOG_COOLING, WATCHDOG_HOT, WATCHDOG_BLIND},
        [WATCHDOG_RESUMED] = {WATCHDOG_RESUMED, WATCHDOG_RESUMED, WATCHDOG_RESUMED, WATCHDOG_BLIND},
        [WATCHDOG_BLIND] = {WATCHDOG_COOL, WATCHDOG_COOL, WATCHDOG_HOT, WATCHDOG_BLIND},
    };
    static const enum watchdog_state late[][N_KINDS] = {
        [WATCHDOG_COOL] = {WATCHDOG_COOL, WATCHDOG_COOL, WATCHDOG_HOT, WATCHDOG_BLIND},
        [WATCHDOG_HOT] = {WATCHDOG_COOL, WATCHDOG_RESUMED, WATCHDOG_RESUMED, WATCHDOG_BLIND},
        [WATCHDOG_COOLING] = {WATCHDOG_COOL, WATCHDOG_RESUMED, WATCHDOG_RESUMED, WATCHDOG_BLIND},
        [WATCHDOG_RESUMED] = {WATCHDOG_COOL, WATCHDOG_COOL, WATCHDOG_HOT, WATCHDOG_BLIND},
        [WATCHDOG_BLIND] = {WATCHDOG_COOL, WATCHDOG_COOL, WATCHDOG_HOT, WATCHDOG_BLIND},
    };
    Lps__V1__WatchdogSettings settings = limits(false);
    struct watchdog w;
    char why[300];

    (void)state;
    for (int s = WATCHDOG_COOL; s < WATCHDOG__COUNT; s++)
        for (int kind = 0; kind < N_KINDS; kind++)
            for (int is_late = 0; is_late < 2; is_late++) {
                watchdog_init(&w, &settings);
                w.state = (enum watchdog_state)s;
                watchdog_look(&w, kind != NONE ? &samples[kind] : NULL,
                              is_late ? 9000 * NS_PER_MS : 2999 * NS_PER_MS, why, sizeof why);
                if (w.state != (is_late ? late : early)[s][kind])
                    fail_msg("state %d, sample %d, late %d: %d", s, kind, is_late, w.state);
            }
}

static void a_text_that_is_too_long_is_cut(void **state)
{
    Lps__V1__WatchdogSettings settings = limits(false);
    struct watchdog_sample sample = {501, 80, 31, "h"};
    struct watchdog w;
    char why[300];

    (void)state;
    for (size_t size = 1; size < 130; size++) {
        memset(why, '#', sizeof why);
        watchdog_init(&w, &settings);
        assert_true(watchdog_look(&w, &sample, 0, why, size));
        assert_true(strlen(why) < size);
        assert_int_equal(why[size], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_limit_that_is_passed_holds_requests_back),
        cmocka_unit_test(all_limits_that_are_set_must_be_passed_where_it_says_so),
        cmocka_unit_test(requests_flow_again_only_at_the_cool_down_limits),
        cmocka_unit_test(a_pause_has_an_end_and_a_respite_after_it),
        cmocka_unit_test(without_samples_requests_flow),
        cmocka_unit_test(every_state_has_an_answer_to_every_sample),
        cmocka_unit_test(a_text_that_is_too_long_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
