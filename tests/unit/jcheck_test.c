#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "common/jcheck.h"
#include "common/jtext.h"

static const char text[] = "{\"a\": [10,\n {\"b/~\": true}],\n \"c\": \"d\"}";
static struct diag d;
static struct jcheck c;

static int start(void **state)
{
    (void)state;
    d = (struct diag){0};
    jcheck_init(&c, text, strlen(text), &d);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    jcheck_done(&c);
    diag_done(&d);
    return 0;
}

static void told(size_t i, int line, int column, const char *expected)
{
    assert_true(d.n > i);
    assert_string_equal(d.entry[i].text, expected);
    assert_int_equal(d.entry[i].line, line);
    assert_int_equal(d.entry[i].column, column);
}

static void the_root_has_no_name(void **state)
{
    (void)state;
    assert_int_equal(jcheck_fail(&c, "found %d", 7), -EINVAL);
    told(0, 1, 1, "found 7");
}

static void a_walk_goes_down_and_back(void **state)
{
    (void)state;
    struct jcheck_place root = jcheck_key(&c, "a");
    struct jcheck_place list = jcheck_index(&c, 1);
    struct jcheck_place object = jcheck_key(&c, "b/~");
    jcheck_fail(&c, "x");
    jcheck_leave(&c, object);
    jcheck_fail_key(&c, "b/~", "y");
    jcheck_leave(&c, list);
    jcheck_fail(&c, "z");
    jcheck_leave(&c, root);
    jcheck_key(&c, "c");
    jcheck_fail(&c, "w");
    told(0, 2, 10, "a[1].b/~: x");
    told(1, 2, 3, "a[1]: y");
    told(2, 1, 7, "a: z");
    told(3, 3, 7, "c: w");
}

static void what_is_not_in_the_text_is_at_the_nearest_above_it(void **state)
{
    (void)state;
    jcheck_key(&c, "nowhere");
    jcheck_fail(&c, "x");
    told(0, 1, 1, "nowhere: x");
    jcheck_done(&c);
    jcheck_init(&c, text, strlen(text), &d);
    jcheck_key(&c, "a");
    jcheck_index(&c, 1);
    jcheck_fail_key(&c, "new", "y");
    jcheck_key(&c, "new");
    jcheck_key(&c, "newer");
    jcheck_fail(&c, "z");
    told(1, 2, 2, "a[1]: y");
    told(2, 2, 2, "a[1].new.newer: z");
    jcheck_done(&c);
    jcheck_init(&c, "", 0, &d);
    jcheck_fail(&c, "no text");
    told(3, 0, 0, "no text");
}

static void yaml_has_places_and_texts_of_its_own(void **state)
{
    static const char yaml[] = "a:\n  - 1.10\n  - \"2\"\n  - TRUE\n  - ~\n  - {b: 7}\n";
    static const char *const expected[] = {"1.10", "2", "TRUE", NULL, NULL};
    struct places *places = NULL;
    json_t *json = NULL;
    const char *found;

    (void)state;
    assert_int_equal(yaml_parse(yaml, strlen(yaml), &d, &json, &places), 0);
    c.places = places;
    struct jcheck_place root = jcheck_key(&c, "a");
    for (size_t i = 0; i < 5; i++) {
        struct jcheck_place list = jcheck_index(&c, i);
        int r = jcheck_text(&c, json_array_get(json_object_get(json, "a"), i), &found);
        assert_int_equal(r, expected[i] != NULL ? 0 : -EINVAL);
        if (r == 0)
            assert_string_equal(found, expected[i]);
        jcheck_leave(&c, list);
    }
    told(0, 5, 5, "a[3]: found null, expected a text");
    told(1, 6, 5, "a[4]: found an object, expected a text");
    jcheck_index(&c, 4);
    jcheck_fail_key(&c, "b", "x");
    told(2, 6, 6, "a[4]: x");
    jcheck_leave(&c, root);
    json_decref(json);
    places_free(places);
}

static void unknown_keys_are_quoted_without_control_characters(void **state)
{
    static const char *const known[] = {"alpha", "beta"};

    (void)state;
    assert_int_equal(jcheck_unknown(&c, "aplha", known, 2), -EINVAL);
    assert_int_equal(jcheck_unknown(&c, "\x1b[2J", known, 2), -EINVAL);
    told(0, 1, 1, "unknown key \"aplha\", did you mean \"alpha\"?");
    told(1, 1, 1, "unknown key \"\\u001B[2J\"");
}

static void each_type_is_told_from_the_others(void **state)
{
    static const char *const values[] = {"{}", "[]", "\"a\"", "true", "7", "7.0", "null"};
    // object, list, text, bool, number
    static const bool fits[][5] = {{true},
                                   {false, true},
                                   {false, false, true},
                                   {false, false, false, true},
                                   {false, false, false, false, true},
                                   {false},
                                   {false}};

    (void)state;
    for (size_t i = 0; i < 7; i++) {
        json_t *json = json_loads(values[i], JSON_DECODE_ANY, NULL);
        const char *s;
        bool b;
        uint64_t n;
        assert_int_equal(jcheck_object(&c, json) == 0, fits[i][0]);
        assert_int_equal(jcheck_list(&c, json) == 0, fits[i][1]);
        assert_int_equal(jcheck_text(&c, json, &s) == 0, fits[i][2]);
        assert_int_equal(jcheck_bool(&c, json, &b) == 0, fits[i][3]);
        assert_int_equal(jcheck_u64(&c, json, 0, UINT64_MAX, &n) == 0, fits[i][4]);
        json_decref(json);
    }
}

static void a_number_is_in_its_range_or_left_alone(void **state)
{
    static const json_int_t bad[] = {4, 7, -5, INT64_MIN, INT64_MAX};
    uint64_t n = 4711;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *json = json_integer(bad[i]);
        assert_int_equal(jcheck_u64(&c, json, 5, 6, &n), -EINVAL);
        json_decref(json);
    }
    assert_int_equal(n, 4711);
    told(0, 1, 1, "found 4, expected 5 to 6");
    json_t *json = json_integer(6);
    assert_int_equal(jcheck_u64(&c, json, 5, 6, &n), 0);
    assert_int_equal(n, 6);
    json_decref(json);
}

static void complaints_past_the_maximum_are_only_counted(void **state)
{
    (void)state;
    for (int i = 0; i < DIAG_MAX + 5; i++) {
        jcheck_fail(&c, "x");
        jcheck_fail_key(&c, "a", "y");
        jcheck_unknown(&c, "a", NULL, 0);
    }
    assert_int_equal(d.n, 3 * (DIAG_MAX + 5));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_root_has_no_name),
        TEST(a_walk_goes_down_and_back),
        TEST(what_is_not_in_the_text_is_at_the_nearest_above_it),
        TEST(yaml_has_places_and_texts_of_its_own),
        TEST(unknown_keys_are_quoted_without_control_characters),
        TEST(each_type_is_told_from_the_others),
        TEST(a_number_is_in_its_range_or_left_alone),
        TEST(complaints_past_the_maximum_are_only_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
