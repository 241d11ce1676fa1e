#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "common/script/regex.h"

static void the_first_match_is_found(void **state)
{
    static const struct {
        const char *pattern, *text;
        const char *match; // NULL: none
    } rows[] = {
        {"", "", ""},
        {"", "abc", ""},
        {"b", "abc", "b"},
        {"d", "abc", NULL},
        {"d", "", NULL},
        {"\\d+", "command42 and 43", "42"},
        {"(?<year>\\d{4})-(?<month>\\d\\d)", "on 2024-05-06", "2024-05"},
        {"(?'q'a)", "cba", "a"},
        {"(?<n>a)|(?<n>b)", "b", "b"},
        {"(?<=id=)\\w+", "x id=abc;", "abc"},
        {"(?i)HELLO", "say hello", "hello"},
        {"hello", "HELLO", NULL},
        {"a.c", "a\nc", NULL},
        {"(?s)a.c", "a\nc", "a\nc"},
        {"a.c", "a\rc", "a\rc"},
        {"(?m)^b$", "a\nb\nc", "b"},
        {"c$", "abc\n", "c"},
        {"(a)\\1", "abaa", "aa"},
        {"\\w+", "\xc3\xa9t\xc3\xa9!", "\xc3\xa9t\xc3\xa9"},
        {".", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"\\p{Lu}", "ab\xc3\x84", "\xc3\x84"},
        {"b", "\xff\xfe b", "b"},
        {"(?>a+)b", "aaab", "aaab"},
        {"a++", "aaa", "aaa"},
        {"\"token\":\"([^\"]*)\"", "{\"token\":\"x\"}", "\"token\":\"x\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = rows[i].text;
        size_t at = 0, len = 0;
        struct regex *r = NULL;
        char why[200] = "";
        if (regex_compile(rows[i].pattern, why, sizeof why, &r) < 0)
            fail_msg("%s: %s", rows[i].pattern, why);
        int n = regex_find(r, text, strlen(text), &at, &len);
        if (rows[i].match == NULL)
            assert_int_equal(n, -ENOENT);
        else if (n != 0 || len != strlen(rows[i].match) ||
                 memcmp(text + at, rows[i].match, len) != 0)
            fail_msg("%s: %d %zu+%zu", rows[i].pattern, n, at, len);
        regex_free(r);
    }
}

static void texts_may_hold_nuls(void **state)
{
    struct regex *r = NULL;
    size_t at, len;
    char why[200];

    (void)state;
    assert_int_equal(regex_compile("b+", why, sizeof why, &r), 0);
    assert_int_equal(regex_find(r, "a\0bb", 4, &at, &len), 0);
    assert_int_equal(at, 2);
    assert_int_equal(len, 2);
    assert_int_equal(regex_find(r, "abb", 1, &at, &len), -ENOENT);
    regex_free(r);
}

static void what_is_no_pattern_says_where(void **state)
{
    static const struct {
        const char *pattern;
        const char *why;
    } rows[] = {
        {"a)", "unmatched closing parenthesis at character 2"},
        {"(a", "missing closing parenthesis at character 3"},
        {"[a", "missing terminating ] for character class at character 3"},
        {"\xc3\xa9*+?)", "quantifier does not follow a repeatable item at character 4"},
        {"a\\", "\\ at end of pattern at character 3"},
        {"\xff", "UTF-8 error"},
        {"\\C", "using \\C is disabled by the application at character 3"},
        {"(?<n>a", "missing closing parenthesis at character 7"},
        {"\\p{Xyzzy}", "unknown property"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct regex *r = NULL;
        char why[200] = "";
        int n = regex_compile(rows[i].pattern, why, sizeof why, &r);
        if (n != -EINVAL || r != NULL || strncmp(why, rows[i].why, strlen(rows[i].why)) != 0)
            fail_msg("%s: %d %s", rows[i].pattern, n, why);
    }
    regex_free(NULL);
}

static void a_pattern_has_a_longest_text(void **state)
{
    char text[REGEX_BYTES_MAX + 2];
    struct regex *r = NULL;
    char why[200];

    (void)state;
    memset(text, 'x', sizeof text);
    text[REGEX_BYTES_MAX + 1] = '\0';
    assert_int_equal(regex_compile(text, why, sizeof why, &r), -EINVAL);
    assert_string_equal(why, "found 4097 bytes, expected at most 4096");
    text[REGEX_BYTES_MAX] = '\0';
    assert_int_equal(regex_compile(text, why, sizeof why, &r), 0);
    regex_free(r);
}

static void endless_work_is_given_up(void **state)
{
    static const char *const patterns[] = {"^(a+)+$", "^(a|aa)*$", "^(?:(a*)*)*b",
                                           "(?R)?a+b(?1)|(a)"};
    char text[20000];

    (void)state;
    memset(text, 'a', sizeof text);
    text[40] = '!';
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct regex *r = NULL;
        size_t at = 7, len = 7;
        char why[200];
        assert_int_equal(regex_compile(patterns[i], why, sizeof why, &r), 0);
        int n = regex_find(r, text, sizeof text, &at, &len);
        if (i < 2)
            assert_int_equal(n, -E2BIG);
        else
            assert_true(n == -E2BIG || n == -ENOENT);
        assert_true(at == 7 && len == 7);
        regex_free(r);
    }
}

static void deep_matches_outgrow_the_machine_stack(void **state)
{
    size_t n = 200000, at, len;
    char *text = malloc(n);
    struct regex *r = NULL;
    char why[200];

    (void)state;
    memset(text, 'a', n);
    // Each turn of the group keeps where to come back to.
    assert_int_equal(regex_compile("^(?:a|b)*$", why, sizeof why, &r), 0);
    int found = regex_find(r, text, n, &at, &len);
    assert_true(found == -E2BIG || (found == 0 && len == n));
    found = regex_find(r, text, 10000, &at, &len);
    assert_int_equal(found, 0);
    assert_int_equal(len, 10000);
    regex_free(r);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_match_is_found),
        cmocka_unit_test(texts_may_hold_nuls),
        cmocka_unit_test(what_is_no_pattern_says_where),
        cmocka_unit_test(a_pattern_has_a_longest_text),
        cmocka_unit_test(endless_work_is_given_up),
        cmocka_unit_test(deep_matches_outgrow_the_machine_stack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
