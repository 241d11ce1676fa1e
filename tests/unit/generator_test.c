#include "common/generator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct generator_look look_at(struct metrics_health health, uint64_t n_without_socket)
{
    struct metrics_window *w = metrics_window_new(0, 2);

    w->health = health;
    w->series[1].error[METRICS_ERROR_LOCAL].count = n_without_socket;
    struct generator_look look = generator_look(w);
    metrics_window_free(w);
    return look;
}

static void each_limit_is_reached_at_its_bounds(void **state)
{
    static const struct {
        struct metrics_health below, at, beyond; // clean, degraded, limited
        enum generator_limit limit;
        uint64_t value, worse;
    } cases[] = {
        {{.busy_us = 799999}, {.busy_us = 800000}, {.busy_us = 950000}, GENERATOR_CPU, 80, 95},
        {{.steal_us = 49999}, {.steal_us = 50000}, {.steal_us = 3000000}, GENERATOR_STEAL, 5, 300},
        {{.loop_stall_us = 49999},
         {.loop_stall_us = 50000},
         {.loop_stall_us = 500000},
         GENERATOR_LOOP,
         50,
         500},
        {{.paused_us = 999},
         {.paused_us = 1000},
         {.paused_us = 500000},
         GENERATOR_WATCHDOG,
         1,
         500},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct generator_look look = look_at(cases[i].below, 0);
        assert_int_equal(look.state, GENERATOR_CLEAN);
        assert_int_equal(look.limit, GENERATOR_NONE);
        look = look_at(cases[i].at, 0);
        assert_int_equal(look.state, GENERATOR_DEGRADED);
        assert_int_equal(look.limit, cases[i].limit);
        assert_int_equal(look.value, cases[i].value);
        look = look_at(cases[i].beyond, 0);
        assert_int_equal(look.state, GENERATOR_LIMITED);
        assert_int_equal(look.limit, cases[i].limit);
        assert_int_equal(look.value, cases[i].worse);
    }
}

static void the_worst_limit_is_named(void **state)
{
    struct generator_look look =
        look_at((struct metrics_health){.busy_us = 900000, .loop_stall_us = 600000}, 0);

    (void)state;
    assert_int_equal(look.limit, GENERATOR_LOOP);
    assert_int_equal(look.state, GENERATOR_LIMITED);
    look = look_at((struct metrics_health){.busy_us = 1000000, .loop_stall_us = 600000}, 0);
    assert_int_equal(look.limit, GENERATOR_CPU);
    look = look_at((struct metrics_health){.busy_us = 1000000}, 1);
    assert_int_equal(look.limit, GENERATOR_SOCKETS);
    assert_int_equal(look.value, 1);
}

static void add(struct generator *g, unsigned n, struct metrics_health health)
{
    struct generator_look look = look_at(health, 0);

    for (unsigned i = 0; i < n; i++)
        generator_add(g, &look);
}

static void is_judged(const struct generator *g, enum generator_state state,
                      enum generator_limit limit, const char *text)
{
    struct generator_look look = generator_verdict(g);
    char *found = generator_text(g);

    assert_int_equal(look.state, state);
    assert_int_equal(look.limit, limit);
    assert_string_equal(found, text);
    free(found);
}

static void more_than_a_tenth_of_the_seconds_make_the_verdict(void **state)
{
    struct generator g = {0};

    (void)state;
    is_judged(&g, GENERATOR_UNDEFINED, GENERATOR_NONE, "");
    add(&g, 18, (struct metrics_health){0});
    is_judged(&g, GENERATOR_CLEAN, GENERATOR_NONE, "");
    add(&g, 2, (struct metrics_health){.loop_stall_us = 70000});
    is_judged(&g, GENERATOR_CLEAN, GENERATOR_NONE, "");
    add(&g, 1, (struct metrics_health){.busy_us = 990000});
    is_judged(&g, GENERATOR_DEGRADED, GENERATOR_LOOP,
              "an event loop was away for up to 70 ms, in 2 of 21 s");
    add(&g, 1, (struct metrics_health){.busy_us = 980000});
    is_judged(&g, GENERATOR_DEGRADED, GENERATOR_CPU,
              "an event loop had a CPU, or waited for one, up to 99 % of the time, in 2 of 22 s");
    add(&g, 1, (struct metrics_health){.busy_us = 960000});
    is_judged(&g, GENERATOR_LIMITED, GENERATOR_CPU,
              "an event loop had a CPU, or waited for one, up to 99 % of the time, in 3 of 23 s");
}

static void one_request_without_a_socket_is_enough(void **state)
{
    struct generator_look look = look_at((struct metrics_health){0}, 3);
    struct generator g = {0};

    (void)state;
    generator_add(&g, &look);
    add(&g, 99, (struct metrics_health){0});
    is_judged(&g, GENERATOR_LIMITED, GENERATOR_SOCKETS,
              "up to 3 requests a second found no port, descriptor or buffer, in 1 of 100 s");
}

static void every_limit_has_its_text(void **state)
{
    (void)state;
    for (int i = GENERATOR_NONE + 1; i < GENERATOR_LIMIT__COUNT; i++) {
        struct generator_look look = {GENERATOR_LIMITED, i, 7};
        struct generator g = {0};
        generator_add(&g, &look);
        char *text = generator_text(&g);
        assert_true(text[0] != '\0');
        assert_non_null(generator_limit_name[i]);
        free(text);
    }
    for (int i = 0; i < GENERATOR_STATE__COUNT; i++)
        assert_non_null(generator_state_name[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_limit_is_reached_at_its_bounds),
        cmocka_unit_test(the_worst_limit_is_named),
        cmocka_unit_test(more_than_a_tenth_of_the_seconds_make_the_verdict),
        cmocka_unit_test(one_request_without_a_socket_is_enough),
        cmocka_unit_test(every_limit_has_its_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
