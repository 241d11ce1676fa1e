#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "common/script/env.h"

static struct value text_value(const char *text)
{
    struct value v = {0};

    assert_int_equal(value_set(&v, VALUE_STRING, false, text, strlen(text)), 0);
    return v;
}

static bool put(struct scope *s, const char *name, const char *text)
{
    struct value v = text_value(text);
    bool is_kept = scope_put(s, name, &v);

    assert_null(v.text); // taken either way
    return is_kept;
}

static void an_empty_scope_has_nothing(void **state)
{
    struct scope s = {0};

    (void)state;
    assert_null(scope_find(&s, "a"));
    assert_null(scope_find(&s, ""));
    scope_done(&s);
}

static void names_are_case_sensitive_and_whole(void **state)
{
    struct scope s = {0};

    (void)state;
    assert_true(put(&s, "name", "1"));
    assert_true(put(&s, "Name", "2"));
    assert_true(put(&s, "nam", "3"));
    assert_string_equal(scope_find(&s, "name")->text, "1");
    assert_string_equal(scope_find(&s, "Name")->text, "2");
    assert_string_equal(scope_find(&s, "nam")->text, "3");
    assert_null(scope_find(&s, "names"));
    scope_done(&s);
}

static void the_last_value_of_a_name_counts(void **state)
{
    struct scope s = {0};

    (void)state;
    assert_true(put(&s, "a", "1"));
    assert_true(put(&s, "a", "2"));
    assert_string_equal(scope_find(&s, "a")->text, "2");
    assert_int_equal(s.n, 1);
    scope_done(&s);
}

static void a_full_scope_takes_no_new_name_but_new_values(void **state)
{
    struct scope s = {0};
    char name[32];

    (void)state;
    for (int i = 0; i < SCOPE_VARIABLES_MAX; i++) {
        snprintf(name, sizeof name, "v%d", i);
        assert_true(put(&s, name, name));
    }
    assert_false(put(&s, "more", "x"));
    assert_null(scope_find(&s, "more"));
    assert_true(put(&s, "v0", "new"));
    assert_string_equal(scope_find(&s, "v0")->text, "new");
    assert_string_equal(scope_find(&s, "v999")->text, "v999");
    scope_done(&s);
}

static void counters_go_round(void **state)
{
    static const struct {
        int64_t start, reset, step, want[5];
    } rows[] = {
        {1, 3, 1, {1, 2, 3, 1, 2}},
        {3, 1, -1, {3, 2, 1, 3, 2}},
        {0, 100000, 1, {0, 1, 2, 3, 4}},
        {0, 5, 2, {0, 2, 4, 0, 2}},
        {0, 4, 2, {0, 2, 4, 0, 2}},
        {0, -5, -3, {0, -3, 0, -3, 0}},
        {7, 7, 1, {7, 7, 7, 7, 7}},
        {7, 7, -1, {7, 7, 7, 7, 7}},
        {7, 3, 1, {7, 7, 7, 7, 7}}, // past reset already
        {3, 7, -1, {3, 3, 3, 3, 3}},
        {3, 7, 0, {3, 3, 3, 3, 3}},
        {INT64_MAX - 1,
         INT64_MAX,
         1,
         {INT64_MAX - 1, INT64_MAX, INT64_MAX - 1, INT64_MAX, INT64_MAX - 1}},
        {INT64_MIN, INT64_MAX, INT64_MAX, {INT64_MIN, -1, INT64_MAX - 1, INT64_MIN, -1}},
        {INT64_MAX, INT64_MIN, INT64_MIN, {INT64_MAX, -1, INT64_MAX, -1, INT64_MAX}},
        {INT64_MIN,
         INT64_MAX,
         1,
         {INT64_MIN, INT64_MIN + 1, INT64_MIN + 2, INT64_MIN + 3, INT64_MIN + 4}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scope_counter c = {rows[i].start, rows[i].reset, rows[i].step, ""};
        struct scope s = {0};
        for (size_t k = 0; k < 5; k++)
            if (scope_count(&s, &c) != rows[i].want[k])
                fail_msg("row %zu, value %zu", i, k);
        scope_done(&s);
    }
}

static void counters_are_told_apart_by_start_reset_and_name(void **state)
{
    struct scope s = {0};

    (void)state;
    assert_int_equal(scope_count(&s, &(struct scope_counter){1, 9, 1, "a"}), 1);
    assert_int_equal(scope_count(&s, &(struct scope_counter){1, 9, 1, "b"}), 1);
    assert_int_equal(scope_count(&s, &(struct scope_counter){2, 9, 1, "a"}), 2);
    assert_int_equal(scope_count(&s, &(struct scope_counter){1, 8, 1, "a"}), 1);
    assert_int_equal(scope_count(&s, &(struct scope_counter){1, 9, 1, "a"}), 2);
    scope_done(&s);
}

static void a_counter_too_many_stays_at_its_start(void **state)
{
    struct scope s = {0};

    (void)state;
    for (int i = 0; i < SCOPE_COUNTERS_MAX; i++)
        assert_int_equal(scope_count(&s, &(struct scope_counter){i, INT64_MAX, 1, ""}), i);
    struct scope_counter more = {-1, 10, 1, ""}, known = {0, INT64_MAX, 1, ""};
    assert_int_equal(scope_count(&s, &more), -1);
    assert_int_equal(scope_count(&s, &more), -1);
    assert_int_equal(scope_count(&s, &known), 1);
    scope_done(&s);
}

static void parts_share_a_counter_without_a_value_twice(void **state)
{
    struct globals *part[3] = {globals_new(), globals_new(), globals_new()};
    struct scope_counter c = {.start = 10, .reset = 16, .step = 1, .name = ""};
    // Seven values: after them the parts go on where the round does.
    static const int64_t want[3][4] = {{10, 13, 16, 12}, {11, 14, 10, 13}, {12, 15, 11, 14}};

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(globals_count(part[i], &c, i, 3), want[i][k]);
    for (size_t i = 0; i < 3; i++)
        globals_free(part[i]);
}

#define COUNTS 5000

struct counting {
    struct globals *globals;
    bool seen[2 * COUNTS];
};

static void *count(void *arg)
{
    struct counting *c = arg;
    struct value v = {0};

    for (int i = 0; i < COUNTS; i++) {
        int64_t n = globals_count(c->globals, &(struct scope_counter){0, 1000000, 1, ""}, 0, 1);
        bool is_twice = __atomic_exchange_n(&c->seen[n], true, __ATOMIC_RELAXED);
        if (is_twice)
            return "a value came twice";
        struct value kept = {0};
        value_set_int(&kept, n);
        if (!globals_put(c->globals, "n", &kept) || !globals_get(c->globals, "n", &v))
            return "a variable was lost";
    }
    value_done(&v);
    return NULL;
}

static void threads_share_globals(void **state)
{
    static struct counting c;
    pthread_t other;
    void *said;

    (void)state;
    c.globals = globals_new();
    assert_int_equal(pthread_create(&other, NULL, count, &c), 0);
    assert_null(count(&c));
    assert_int_equal(pthread_join(other, &said), 0);
    assert_null(said);
    globals_free(c.globals);
}

static void globals_give_copies(void **state)
{
    struct globals *g = globals_new();
    struct value v = text_value("1"), got = {0};

    (void)state;
    assert_false(globals_get(g, "a", &got));
    assert_null(got.text);
    assert_true(globals_put(g, "a", &v));
    assert_true(globals_get(g, "a", &got));
    v = text_value("2");
    assert_true(globals_put(g, "a", &v));
    assert_string_equal(got.text, "1");
    globals_free(g);
    assert_string_equal(got.text, "1");
    value_done(&got);
    globals_free(NULL);
}

static void note(void *arg, const char *text)
{
    snprintf(arg, SCRIPT_WARNING_MAX + 1, "%s", text);
}

static void the_session_hides_globals_of_the_same_name(void **state)
{
    struct scope session = {0};
    struct script_env env = {.session = &session, .globals = globals_new(), .n_parts = 1};
    struct value v = text_value("global"), keep = {0};

    (void)state;
    assert_null(script_variable(&env, "a", &keep));
    script_store(&env, "a", true, &v);
    assert_string_equal(script_variable(&env, "a", &keep)->text, "global");
    v = text_value("own");
    script_store(&env, "a", false, &v);
    assert_string_equal(script_variable(&env, "a", &keep)->text, "own");
    env.session = NULL; // then all is global
    assert_string_equal(script_variable(&env, "a", &keep)->text, "global");
    v = text_value("new");
    script_store(&env, "a", false, &v);
    assert_string_equal(script_variable(&env, "a", &keep)->text, "new");
    value_done(&keep);
    scope_done(&session);
    globals_free(env.globals);
}

static void a_variable_that_is_not_kept_is_warned_of(void **state)
{
    char said[SCRIPT_WARNING_MAX + 1] = "", name[32];
    struct scope session = {0};
    struct script_env env = {
        .session = &session, .globals = globals_new(), .warn = note, .arg = said};

    (void)state;
    for (int i = 0; i <= SCOPE_VARIABLES_MAX; i++) {
        struct value v = text_value("x");
        assert_string_equal(said, "");
        snprintf(name, sizeof name, "v%d", i);
        script_store(&env, name, false, &v);
    }
    assert_string_equal(said, "the variable \"v1000\" is not kept: there are 1000 already");
    scope_done(&session);
    globals_free(env.globals);
}

static void long_warnings_are_cut(void **state)
{
    char said[SCRIPT_WARNING_MAX + 1] = "";
    struct script_env env = {.warn = note, .arg = said};

    (void)state;
    script_warn(&env, "%0*d", SCRIPT_WARNING_MAX + 10, 0);
    assert_int_equal(strlen(said), SCRIPT_WARNING_MAX - 1);
    env.warn = NULL;
    script_warn(&env, "nobody listens");
}

// The first values of xoshiro256** from the state 1, 2, 3, 4, as its reference gives them.
static void random_numbers_are_those_of_the_reference(void **state)
{
    struct script_random r = {{1, 2, 3, 4}};

    (void)state;
    assert_true(script_random_next(&r) == 11520);
    assert_true(script_random_next(&r) == 0);
    assert_true(script_random_next(&r) == 1509978240);
    assert_true(script_random_next(&r) == 1215971899390074240);
}

static void a_seed_repeats_and_streams_differ(void **state)
{
    struct script_random a, b, other, next;

    (void)state;
    script_random_seed(&a, 7, 1);
    script_random_seed(&b, 7, 1);
    script_random_seed(&other, 7, 2);
    script_random_seed(&next, 8, 1);
    for (int i = 0; i < 100; i++) {
        uint64_t x = script_random_next(&a);
        assert_true(x == script_random_next(&b));
        assert_true(x != script_random_next(&other));
        assert_true(x != script_random_next(&next));
    }
}

static void random_numbers_reach_both_ends_and_no_further(void **state)
{
    struct script_random r;
    int seen[4] = {0};

    (void)state;
    script_random_seed(&r, 1, 1);
    for (int i = 0; i < 4000; i++) {
        int64_t n = script_random_between(&r, -1, 2);
        assert_in_range(n + 1, 0, 3);
        seen[n + 1]++;
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(seen[i], 850, 1150); // 1000 each, give or take five deviations
    assert_int_equal(script_random_between(&r, 5, 5), 5);
    assert_int_equal(script_random_between(&r, INT64_MIN, INT64_MIN), INT64_MIN);
    bool is_negative = false, is_positive = false;
    for (int i = 0; i < 100; i++) {
        int64_t n = script_random_between(&r, INT64_MIN, INT64_MAX);
        is_negative |= n < 0;
        is_positive |= n > 0;
    }
    assert_true(is_negative && is_positive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_scope_has_nothing),
        cmocka_unit_test(names_are_case_sensitive_and_whole),
        cmocka_unit_test(the_last_value_of_a_name_counts),
        cmocka_unit_test(a_full_scope_takes_no_new_name_but_new_values),
        cmocka_unit_test(counters_go_round),
        cmocka_unit_test(counters_are_told_apart_by_start_reset_and_name),
        cmocka_unit_test(a_counter_too_many_stays_at_its_start),
        cmocka_unit_test(parts_share_a_counter_without_a_value_twice),
        cmocka_unit_test(threads_share_globals),
        cmocka_unit_test(globals_give_copies),
        cmocka_unit_test(the_session_hides_globals_of_the_same_name),
        cmocka_unit_test(a_variable_that_is_not_kept_is_warned_of),
        cmocka_unit_test(long_warnings_are_cut),
        cmocka_unit_test(random_numbers_are_those_of_the_reference),
        cmocka_unit_test(a_seed_repeats_and_streams_differ),
        cmocka_unit_test(random_numbers_reach_both_ends_and_no_further),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
