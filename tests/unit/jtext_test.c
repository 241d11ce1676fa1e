#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "common/jtext.h"
#include "common/str.h"

// The only entry of what the text is refused for, at this place, beginning with these words.
static void refuses_bytes(const char *text, size_t len, int line, int column, const char *begin)
{
    struct diag d = {0};
    json_t *json = NULL;

    assert_int_equal(jtext_parse(text, len, &d, &json), -EINVAL);
    assert_null(json);
    assert_int_equal(d.n, 1);
    if (strncmp(d.entry[0].text, begin, strlen(begin)) != 0 || d.entry[0].line != line ||
        d.entry[0].column != column)
        fail_msg("%d:%d: %s", d.entry[0].line, d.entry[0].column, d.entry[0].text);
    diag_done(&d);
}

static void refuses(const char *text, int line, int column, const char *begin)
{
    refuses_bytes(text, strlen(text), line, column, begin);
}

static json_t *accepts(const char *text)
{
    struct diag d = {0};
    json_t *json = NULL;

    if (jtext_parse(text, strlen(text), &d, &json) < 0)
        fail_msg("%s", d.entry[0].text);
    assert_int_equal(d.n, 0);
    return json;
}

static void texts_that_end_too_early_are_refused_at_their_end(void **state)
{
    (void)state;
    refuses("", 1, 1, "found the end of the text, expected a value");
    refuses("  \n ", 2, 2, "found the end of the text, expected a value");
    refuses("{", 1, 2, "found the end of the text, expected a name in double quotes");
    refuses("{\"a\"", 1, 5, "found the end of the text, expected ':'");
    refuses("{\"a\":", 1, 6, "found the end of the text, expected a value");
    refuses("{\"a\": 1", 1, 8, "found the end of the text, expected ',' or '}'");
    refuses("{\"a\": 1,\n", 2, 1, "found the end of the text, expected a name");
    refuses("[1", 1, 3, "found the end of the text, expected ',' or ']'");
    refuses("[\n  \"abc", 2, 3, "found a text without its closing");
    refuses("\"abc\\", 1, 1, "found a text without its closing");
}

static void a_byte_order_mark_is_refused(void **state)
{
    (void)state;
    refuses("\xef\xbb\xbf{}", 1, 1, "found a byte order mark");
}

static void comments_are_refused(void **state)
{
    (void)state;
    refuses("// hello\n{}", 1, 1, "found a comment");
    refuses("{\n  /* hello */ \"a\": 1}", 2, 3, "found a comment");
    refuses("{\"a\": 1 # hello\n}", 1, 9, "found a comment");
    refuses("{} // bye", 1, 4, "found a comment");
    refuses("[1, / 2]", 1, 5, "found '/'");
}

static void what_follows_the_value_is_refused(void **state)
{
    (void)state;
    refuses("{}}", 1, 3, "found '}', expected the end of the text");
    refuses("1 2", 1, 3, "found '2', expected the end of the text");
    refuses_bytes("{}\0", 3, 1, 3, "found the byte 0x00, expected the end of the text");
}

static void misspelt_values_are_refused_where_they_begin(void **state)
{
    (void)state;
    refuses("[yes]", 1, 2, "found yes, expected a value");
    refuses("[True]", 1, 2, "found True, expected a value");
    refuses("[NaN]", 1, 2, "found NaN");
    refuses("[007]", 1, 2, "found 007");
    refuses("[-]", 1, 2, "found -,");
    refuses("[1.]", 1, 2, "found 1.,");
    refuses("[.5]", 1, 2, "found .5");
    refuses("[1e]", 1, 2, "found 1e,");
    refuses("[1e+]", 1, 2, "found 1e+,");
    refuses("[+1]", 1, 2, "found +1");
    refuses("['a']", 1, 2, "found ''', expected a value");
    refuses("[1,]", 1, 4, "found ']', expected a value");
    refuses("{\"a\":1,}", 1, 8, "found '}', expected a name in double quotes");
    refuses("{a: 1}", 1, 2, "found 'a', expected a name in double quotes");
    refuses("{\"a\" 1}", 1, 6, "found '1', expected ':'");
    refuses("[1 2]", 1, 4, "found '2', expected ',' or ']'");
    refuses("[\"a\tb\"]", 1, 2, "found a control character");
    refuses("[\"a\nb\"]", 1, 2, "found a control character");
}

static void a_name_that_comes_twice_is_refused_at_the_second(void **state)
{
    (void)state;
    refuses("{\"a\": 1,\n \"b\": {\"a\": 2},\n \"a\": 3}", 3, 2, "found a name that comes twice");
    refuses("{\"a\": 1, \"\\u0061\": 3}", 1, 10, "found a name that comes twice");
}

static void what_only_jansson_sees_has_a_place_as_well(void **state)
{
    (void)state;
    refuses("[1,\n  99999999999999999999]", 2, 3, "found a number that is too large");
    refuses("[1,\n  1e999]", 2, 3, "found a number that is too large");
    refuses("[1, \"ab\xff\"]", 1, 5, "found bytes that are not UTF-8");
    refuses("{\"\\u0000\": 1}", 1, 2, "found \\u0000 in a text");
    refuses("[\"a\", \"b\\u0000\"]", 1, 7, "found \\u0000 in a text");
    refuses("[\"\\x\"]", 1, 2, "");
    refuses("[\"\\ud800\"]", 1, 2, "");
}

static void columns_count_characters_not_bytes(void **state)
{
    (void)state;
    refuses("[\"\xc3\xa4\xe2\x82\xac\", x]", 1, 8, "found x");
}

static char *nested(size_t n)
{
    struct buf b = {0};

    for (size_t i = 0; i < n; i++)
        buf_puts(&b, "[");
    for (size_t i = 0; i < n; i++)
        buf_puts(&b, "]");
    return buf_take(&b);
}

static void the_deepest_text_is_accepted_and_no_deeper_one(void **state)
{
    char *deepest = nested(JTEXT_DEPTH_MAX), *deeper = nested(JTEXT_DEPTH_MAX + 1);

    (void)state;
    json_decref(accepts(deepest));
    refuses(deeper, 1, JTEXT_DEPTH_MAX + 1, "found more than 64 levels");
    free(deepest);
    free(deeper);
}

static void siblings_do_not_count_as_depth(void **state)
{
    struct buf b = {0};

    (void)state;
    for (size_t i = 0; i < 3 * JTEXT_DEPTH_MAX; i++)
        buf_puts(&b, i == 0 ? "[{}" : ",[]");
    buf_puts(&b, "]");
    json_decref(accepts(b.data));
    buf_done(&b);
}

static void any_value_may_be_the_root(void **state)
{
    static const char *const texts[] = {"{}", "[]", "\"a\"", "-1.5e+3", "0", "true", "null"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        json_decref(accepts(texts[i]));
}

static void a_text_without_its_nul_is_read_to_its_length(void **state)
{
    struct diag d = {0};
    json_t *json;

    (void)state;
    assert_int_equal(jtext_parse("12345", 2, &d, &json), 0);
    assert_int_equal(json_integer_value(json), 12);
    json_decref(json);
}

static const char document[] = "{\"a\": {\"b/c\": [10,\n   20],\n"
                               "  \"d~e\" :\ttrue},\n"
                               " \"\": {\"\\u0061b\": \"x\"}, \"a~1b\": 0}";

static void locates(const char *pointer, bool key, int line, int column)
{
    int l = -1, c = -1;

    int r = jtext_locate(document, strlen(document), pointer, key, &l, &c);
    if (r != 0 || l != line || c != column)
        fail_msg("%s: %d, %d:%d", pointer, r, l, c);
}

static void a_pointer_finds_its_value(void **state)
{
    (void)state;
    locates("", false, 1, 1);
    locates("/a", false, 1, 7);
    locates("/a/b~1c", false, 1, 15);
    locates("/a/b~1c/0", false, 1, 16);
    locates("/a/b~1c/1", false, 2, 4);
    locates("/a/d~0e", false, 3, 11);
    locates("/", false, 4, 6);
    locates("//ab", false, 4, 18);
    locates("/a~01b", false, 4, 32);
}

static void a_pointer_finds_its_key(void **state)
{
    (void)state;
    locates("/a", true, 1, 2);
    locates("/a/b~1c", true, 1, 8);
    locates("/a/d~0e", true, 3, 3);
    locates("//ab", true, 4, 7);
    locates("/a~01b", true, 4, 24);
}

static void a_pointer_to_nothing_is_told(void **state)
{
    static const char *const pointers[] = {"/b",        "/a/b",       "/a/b~1c/2", "/a/b~1c/00",
                                           "/a/b~1c/-", "/a/b~1c/0/", "a",         "/a/"};
    int line = 7, column = 7;

    (void)state;
    for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++)
        assert_int_equal(
            jtext_locate(document, strlen(document), pointers[i], false, &line, &column), -ENOENT);
    assert_int_equal(jtext_locate(document, strlen(document), "", true, &line, &column), -ENOENT);
    assert_int_equal(line, 7);
    assert_int_equal(column, 7);
}

static void quotes(const char *text, const char *expected)
{
    json_t *json = accepts(text);
    char out[JTEXT_QUOTE_SIZE];

    assert_string_equal(jtext_quote(json, out, sizeof out), expected);
    json_decref(json);
}

static void values_are_quoted_as_they_stand_in_the_text(void **state)
{
    (void)state;
    quotes("70000", "70000");
    quotes("-1", "-1");
    quotes("0.1", "0.1");
    quotes("false", "false");
    quotes("null", "null");
    quotes("{\"a\": 1}", "an object");
    quotes("[1]", "a list");
    quotes("\"\"", "\"\"");
    quotes("\"a \\\"b\\\" \\u001b[0m\\n\"", "\"a \\\"b\\\" \\u001B[0m\\n\"");
}

static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    quotes("\"1234567890123456789012345678901234567890\"",
           "\"1234567890123456789012345678901234567890\"");
    quotes("\"12345678901234567890123456789012345678901\"",
           "\"1234567890123456789012345678901234567890\"...");
    quotes("\"123456789012345678901234567890123456789\xe2\x82\xac\"",
           "\"123456789012345678901234567890123456789\"...");
}

static void forty_control_characters_fit_into_a_quote(void **state)
{
    struct buf b = {0};
    char out[JTEXT_QUOTE_SIZE];

    (void)state;
    buf_puts(&b, "\"");
    for (int i = 0; i < 41; i++)
        buf_puts(&b, "\\u0001");
    buf_puts(&b, "\"");
    json_t *json = accepts(b.data);
    jtext_quote(json, out, sizeof out);
    assert_int_equal(strlen(out), 40 * 6 + 2 + 3);
    json_decref(json);
    buf_done(&b);
}

static void formats(const char *text, bool indented, const char *expected)
{
    json_t *json = accepts(text);
    char *out = jtext_format(json, indented);

    assert_string_equal(out, expected);
    free(out);
    json_decref(json);
}

static void formatting_sorts_keys_and_keeps_decimals_short(void **state)
{
    (void)state;
    formats("{\"b\": 0.1, \"a\": [1, 2.5]}", false, "{\"a\":[1,2.5],\"b\":0.1}");
    formats("{\"b\": true, \"a\": {}}", true, "{\n  \"a\": {},\n  \"b\": true\n}");
    formats(" \"x\" ", false, "\"x\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_that_end_too_early_are_refused_at_their_end),
        cmocka_unit_test(a_byte_order_mark_is_refused),
        cmocka_unit_test(comments_are_refused),
        cmocka_unit_test(what_follows_the_value_is_refused),
        cmocka_unit_test(misspelt_values_are_refused_where_they_begin),
        cmocka_unit_test(a_name_that_comes_twice_is_refused_at_the_second),
        cmocka_unit_test(what_only_jansson_sees_has_a_place_as_well),
        cmocka_unit_test(columns_count_characters_not_bytes),
        cmocka_unit_test(the_deepest_text_is_accepted_and_no_deeper_one),
        cmocka_unit_test(siblings_do_not_count_as_depth),
        cmocka_unit_test(any_value_may_be_the_root),
        cmocka_unit_test(a_text_without_its_nul_is_read_to_its_length),
        cmocka_unit_test(a_pointer_finds_its_value),
        cmocka_unit_test(a_pointer_finds_its_key),
        cmocka_unit_test(a_pointer_to_nothing_is_told),
        cmocka_unit_test(values_are_quoted_as_they_stand_in_the_text),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(forty_control_characters_fit_into_a_quote),
        cmocka_unit_test(formatting_sorts_keys_and_keeps_decimals_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
