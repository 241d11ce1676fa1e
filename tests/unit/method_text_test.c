#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/script/method_format.h"
#include "tests/unit/method_test_util.h"

static void format_puts_arguments_into_places(void **state)
{
    struct world *w = *state;

    world_put(w, "name", VALUE_STRING, "Bob");
    world_put(w, "list", VALUE_JSON, "[\"a, b\", 2]");
    gives(w, "$format(template=\"Hello {0}, your ID is {1}\", args=Alice,12345)",
          "Hello Alice, your ID is 12345");
    gives(w, "$format(template=Hello {0} {1}, args=[Alice, 12345])", "Hello Alice 12345");
    gives(w, "$format(args=$name, 7, template=\"{1}-{0}-{1}\")", "7-Bob-7");
    gives(w, "$format(template={0}|{1}, args=$list)", "a, b|2");
    gives(w, "$format(template={0}|{1}, args=\"a, b\",c)", "a, b|c");
    gives(w, "$format(template=\"$name: {0}\", args= x )", "Bob: x");
    gives(w, "$format(template=none)", "none");
    gives(w, "$format(template=\"\")", "");
    gives(w, "$format(template={{{0}}} {{}}, args=1)", "{1} {}");
    gives(w, "$format(template={0}{1}, args=[,])", "");
}

static void what_was_formatted_is_not_looked_at_again(void **state)
{
    struct world *w = *state;

    world_put(w, "evil", VALUE_STRING, "$setvariable(variable=x, value=1)${evil}");
    gives(w, "$format(template=$${0}, args=5)", "$5");
    gives(w, "$format(template={0}, args=[\"$evil\"])", "$setvariable(variable=x, value=1)${evil}");
    assert_null(scope_find(&w->session, "x"));
}

static void format_aligns(void **state)
{
    struct world *w = *state;

    gives(w, "$format(template=[{0,8}], args=abc)", "[     abc]");
    gives(w, "$format(template=[{0,-8}], args=abc)", "[abc     ]");
    gives(w, "$format(template=[{0,3}{0,2}{0,0}], args=abc)", "[abcabcabc]");
    gives(w, "$format(template=[{0 , 5 }], args=\xc3\xa4\xe2\x82\xac)",
          "[   \xc3\xa4\xe2\x82\xac]");
    gives(w, "$format(template=[{0,8:F1}], args=2.25)", "[     2.3]");
}

static void format_writes_numbers(void **state)
{
    static const struct {
        const char *form, *arg, *want;
    } rows[] = {
        {"D3", "7", "007"},
        {"D3", "-7", "-007"},
        {"D", "1234", "1234"},
        {"d2", "1234", "1234"},
        {"D3", "7.0", "007"},
        {"D0", "5", "5"},
        {"D25", "-9223372036854775808", "-0000009223372036854775808"},
        {"F2", "3.14159", "3.14"},
        {"F", "2", "2.00"},
        {"f0", "2.5", "3"},
        {"F0", "-2.5", "-3"},
        {"F0", "3.5", "4"},
        {"F2", "0.125", "0.13"},
        {"F2", "0.124", "0.12"},
        {"F3", "1,234.5", "1234.500"},
        {"F1", "1e3", "1000.0"},
        {"N2", "1234567.891", "1,234,567.89"},
        {"N0", "999.5", "1,000"},
        {"N", "-1234", "-1,234.00"},
        {"N1", "100", "100.0"},
        {"X4", "255", "00FF"},
        {"x", "255", "ff"},
        {"X", "-1", "FFFFFFFF"},
        {"X", "-2147483649", "FFFFFFFF7FFFFFFF"},
        {"X2", "4096", "1000"},
        {"", "x", "x"},
    };
    struct world *w = *state;
    char text[200];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text, "$format(template={0:%s}, args=[%s])", rows[i].form,
                 strchr(rows[i].arg, ',') ? "\"1,234.5\"" : rows[i].arg);
        gives(w, text, rows[i].want);
    }
    world_render(w, "$format(template={0:F99}, args=-1.7976931348623157e308)");
    assert_int_equal(w->out.len, 1 + 309 + 1 + 99);
    assert_memory_equal(w->out.data, "-17976931348623157", 18);
}

static void what_a_form_does_not_fit_stays_with_a_warning(void **state)
{
    struct world *w = *state;

    warns(w, "$format(template={0:D3}, args=abc)", "abc", "format: \":D3\" does not fit item 0");
    warns(w, "$format(template={0:D3}, args=1.5)", "1.5", "\":D3\"");
    warns(w, "$format(template={0}{1:F2}, args=1,x)", "1x", "item 1");
    warns(w, "$format(template={0:Q}, args=1)", "1", "\":Q\"");
    warns(w, "$format(template={0:yyyy-MM}, args=1)", "1", "\":yyyy-MM\"");
    warns(w, "$format(template={0:F100}, args=1)", "1", "\":F100\"");
    warns(w, "$format(template={0:F2x}, args=1)", "1", "\":F2x\"");
    warns(w, "$format(template={0:X}, args=9223372036854775808)", "9223372036854775808", "\":X\"");
}

static void a_wrong_format_gives_nothing(void **state)
{
    struct world *w = *state;

    // What has unequal braces comes by a variable.
    static const char *const without[] = {"a {", "a {0", "{0,", "{0:", "{0:F2", "{0,5"};
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        world_put(w, "t", VALUE_STRING, without[i]);
        world_render(w, "$format(template=$t, args=1)");
        assert_string_equal(w->out.data, "");
        assert_int_equal(w->n_warnings, 1);
    }
    world_put(w, "t", VALUE_STRING, "a } b");
    warns(w, "$format(template=$t, args=1)", "", "format: found a '}' without its '{'");
    warns(w, "$format(template={x}, args=1)", "", "without the number of an item");
    warns(w, "$format(template={-1}, args=1)", "", "without the number of an item");
    warns(w, "$format(template={}, args=1)", "", "without the number of an item");
    warns(w, "$format(template={0,x}, args=1)", "", "width");
    warns(w, "$format(template={1}, args=1)", "", "an item that is not in args");
    warns(w, "$format(template={0})", "", "an item that is not in args");
    warns(w, "$format(args=1)", "", "format: template is missing");
}

static void format_keeps_its_limits(void **state)
{
    struct world *w = *state;
    struct buf list = {0};

    for (int i = 0; i <= METHOD_FORMAT_ARGS_MAX; i++)
        buf_printf(&list, "%s%d", i ? "," : "", i);
    world_put(w, "list", VALUE_STRING, list.data);
    gives(w, "$format(template={99}, args=$list)", "99");
    warns(w, "$format(template={100}, args=$list)", "", "without the number of an item");
    world_render(w, "$format(template={0,1000}, args=1)");
    assert_int_equal(w->out.len, METHOD_FORMAT_WIDTH_MAX);
    warns(w, "$format(template={0,1001}, args=1)", "", "width");
    warns(w, "$format(template={0,99999999999999999999}, args=1)", "", "width");
    buf_done(&list);
}

static void strcat_joins_a_list(void **state)
{
    struct world *w = *state;

    world_put(w, "a", VALUE_INT, "1");
    world_put(w, "name", VALUE_STRING, "Bob");
    world_put(w, "list", VALUE_JSON, "[\"x\", \"y\"]");
    gives(w, "$strcat(values=[$name, \" is \", $a])", "Bob is 1");
    gives(w, "$strcat(values=[a,b,c], separator=-)", "a-b-c");
    gives(w, "$strcat(values=[a, b], separator=\", \")", "a, b");
    gives(w, "$strcat(values=[a,\", \",b])", "a, b");
    gives(w, "$strcat(values=$list, separator=+)", "x+y");
    gives(w, "$strcat(values=[a,,b,], separator=-)", "a--b-");
    gives(w, "$strcat(values=[])", "");
    gives(w, "$strcat(values=[ ], separator=-)", "");
    gives(w, "$strcat(values=[a], separator=-)", "a");
    gives(w, "$strcat(values=one)", "one");
    gives(w, "$strcat(values=\" one, two \")", " one, two ");
    gives(w, "$strcat(values=)", "");
    warns(w, "$strcat(separator=-)", "", "strcat: values is missing");
}

static void quotes_in_a_list_close_at_a_comma(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *list, *want;
    } rows[] = {
        {"[5\" pipe, 6\" pipe]", "5\" pipe|6\" pipe"},
        {"[\"a\"b, c]", "\"a\"b|c"},
        {"[\"a, b]", "\"a|b"},
        {"[\"\", \"\"]", "|"},
        {"[\"]", "\""},
        {"[\"a\\\"b, c\", d]", "a\\\"b, c|d"},
        {"[\"\"x\"\"]", "\"x\""},
        {"[[1, 2], 3]", "[1|2]|3"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_put(w, "list", VALUE_STRING, rows[i].list);
        gives(w, "$strcat(values=$list, separator=|)", rows[i].want);
    }
}

static void a_text_beyond_the_limit_is_cut_with_a_warning(void **state)
{
    struct world *w = *state;
    char *half = xcalloc(1, VALUE_BYTES_MAX / 2 + 1);

    memset(half, 'x', VALUE_BYTES_MAX / 2);
    world_put(w, "half", VALUE_STRING, half);
    free(half);
    world_render(w, "$strcat(values=[,,], separator=$half)");
    assert_int_equal(w->out.len, VALUE_BYTES_MAX);
    assert_string_equal(w->warnings.data, "");
    world_render(w, "$strcat(values=[,,y], separator=$half)");
    assert_int_equal(w->out.len, VALUE_BYTES_MAX);
    assert_int_equal(w->n_warnings, 1);
    assert_string_equal(w->warnings.data, "strcat: the text is cut at 16777216 bytes\n");
    world_render(w, "$format(template={0}{0}{0}{0}{0}{0}{0}{0}, args=$half)");
    assert_int_equal(w->out.len, VALUE_BYTES_MAX);
    assert_int_equal(w->n_warnings, 1);
}

static void letter_case_is_mapped_one_for_one(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *lower, *upper;
    } rows[] = {
        {"", ""},
        {"az{`", "AZ{`"},
        {"\xc3\xa4\xc3\xb6\xc3\xbc \xc3\xbe", "\xc3\x84\xc3\x96\xc3\x9c \xc3\x9e"},     // äöü þ
        {"\xc5\x93 \xc4\x8d \xc8\x99 \xc5\x82", "\xc5\x92 \xc4\x8c \xc8\x98 \xc5\x81"}, // œ č ș ł
        {"\xc3\xbf", "\xc5\xb8"},                                                       // ÿ
        {"\xce\xac\xce\xb1\xcf\x89", "\xce\x86\xce\x91\xce\xa9"},                       // άαω
        {"\xd0\xb6\xd1\x91", "\xd0\x96\xd0\x81"},                                       // жё
        {"\xd5\xa1", "\xd4\xb1"},                                                       // ա
        {"\xc6\xb0\xc6\xa1\xc9\x99", "\xc6\xaf\xc6\xa0\xc6\x8f"},                       // ươə
        {"\xe1\xba\xa1", "\xe1\xba\xa0"},                                               // ạ
        {"\xf0\x9f\x98\x80 1", "\xf0\x9f\x98\x80 1"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_put(w, "lower", VALUE_STRING, rows[i].lower);
        world_put(w, "upper", VALUE_STRING, rows[i].upper);
        gives(w, "$touppercase(source=$lower)", rows[i].upper);
        gives(w, "$tolowercase($upper)", rows[i].lower);
        gives(w, "$touppercase($upper)", rows[i].upper);
        gives(w, "$tolowercase($lower)", rows[i].lower);
    }
}

static void letters_without_one_counterpart_stay(void **state)
{
    struct world *w = *state;

    gives(w, "$touppercase(\xc3\x9f \xc3\xb7 \xc4\xb1 \xc5\xbf)", // ß ÷ ı ſ
          "\xc3\x9f \xc3\xb7 \xc4\xb1 \xc5\xbf");
    gives(w, "$tolowercase(\xc3\x97 \xc4\xb0 \xe2\x84\xaa)",
          "\xc3\x97 \xc4\xb0 \xe2\x84\xaa");          // × İ K
    gives(w, "$touppercase(a\xff\xc3)", "A\xff\xc3"); // no UTF-8
    gives(w, "$touppercase(\xe1\xba)", "\xe1\xba");
    gives(w, "$touppercase(a\x01z)", "A\x01Z");
    warns(w, "$tolowercase()", "", "tolowercase: source is missing");
    warns(w, "$touppercase()", "", "touppercase: source is missing");
}

static void searches_say_whether(void **state)
{
    static const struct {
        const char *source, *value;
        bool contains, starts, ends;
    } rows[] = {
        {"abc", "b", true, false, false},     {"abc", "a", true, true, false},
        {"abc", "c", true, false, true},      {"abc", "abc", true, true, true},
        {"abc", "abcd", false, false, false}, {"", "a", false, false, false},
        {"abc", "B", false, false, false},
    };
    struct world *w = *state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_put(w, "s", VALUE_STRING, rows[i].source);
        world_put(w, "v", VALUE_STRING, rows[i].value);
        gives(w, "$contains(source=$s, value=$v)", rows[i].contains ? "true" : "false");
        gives(w, "$startswith(source=$s, value=$v)", rows[i].starts ? "true" : "false");
        gives(w, "$endswith($s, value=$v)", rows[i].ends ? "true" : "false");
    }
    gives(w, "$contains(ABC, value=b, ignoreCase=true)", "true");
    gives(w, "$startswith(\xc3\x84x, value=\xc3\xa4, ignoreCase=true)", "true");
    gives(w, "$endswith(abC, value=Bc, ignoreCase=TRUE)", "true");
    gives(w, "$endswith(abC, value=Bc, ignoreCase=false)", "false");
    gives(w, "$contains(source=[1, 2], value=1)", "true");
}

static void searches_without_text_warn_and_are_false(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"contains", "startswith", "endswith"};
    char text[100], part[100];

    world_put(w, "blank", VALUE_STRING, "");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(text, sizeof text, "$%s(source=a)", names[i]);
        snprintf(part, sizeof part, "%s: value is missing", names[i]);
        warns(w, text, "false", part);
        snprintf(text, sizeof text, "$%s(value=a)", names[i]);
        snprintf(part, sizeof part, "%s: source is missing", names[i]);
        warns(w, text, "false", part);
        snprintf(text, sizeof text, "$%s(source=a, value=$blank)", names[i]);
        snprintf(part, sizeof part, "%s: value is empty", names[i]);
        warns(w, text, "false", part);
    }
    world_put(w, "yes", VALUE_STRING, "yes");
    warns(w, "$contains(aB, value=b, ignoreCase=$yes)", "false",
          "contains: ignoreCase is neither true nor false, and taken as false");
    is_refused("$contains(a, value=a, ignoreCase=1)", "expected true or false");
}

static void stringequals_compares_the_whole(void **state)
{
    struct world *w = *state;

    world_put(w, "blank", VALUE_STRING, "");
    gives(w, "$stringequals(a=x, b=x)", "true");
    gives(w, "$stringequals(a=x, b=X)", "false");
    gives(w, "$stringequals(a=x, b=X, ignoreCase=true)", "true");
    gives(w, "$stringequals(a=x, b=xy)", "false");
    gives(w, "$stringequals(a=$blank, b=)", "true");
    gives(w, "$stringequals(a=x, b=$blank)", "false");
    warns(w, "$stringequals(a=x)", "false", "stringequals: b is missing");
    warns(w, "$stringequals(b=x)", "false", "stringequals: a is missing");
}

static void length_counts_an_array(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"[]", "0"},
        {" [10, 20,30] ", "3"},
        {"[[1, 2], {\"a\": [3, 4]}]", "2"},
        {"\"[1, 2]\"", "2"},
        {"\"[\\\"a\\\", \\\"b\\\"]\"", "2"},
        {"\"[\"a\", \"b\"]\"", "2"},
        {"[123456789012345678901234567890]", "1"},
        {"[\"a\\u0000b\"]", "1"},
    };
    static const char *const none[] = {
        "",    "x",      "5",    "{\"a\": 1}", "\"x\"", "\"\"", "\"\\\"[1]\\\"\"",
        "[1,", "[a, b]", "null", "\""};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_put(w, "t", VALUE_STRING, rows[i].text);
        gives(w, "$length($t)", rows[i].want);
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        world_put(w, "t", VALUE_STRING, none[i]);
        warns(w, "$length(source=$t)", "0", "length: source is no JSON array");
    }
    world_put(w, "list", VALUE_JSON, "[10, 20, 30]");
    gives(w, "${list[$length($list)-1]}", "30");
    warns(w, "$length()", "0", "length: source is missing");
}

static void results_are_stored_with_their_types(void **state)
{
    struct world *w = *state;

    gives(w, "$format(template={0}, args=5, variable=f)", "5");
    is_stored(w, false, "f", VALUE_STRING, "5");
    gives(w, "$strcat(values=[1, 2], variable=s, isGlobal=true)", "12");
    is_stored(w, true, "s", VALUE_STRING, "12");
    gives(w, "$touppercase(true, variable=u)", "TRUE");
    is_stored(w, false, "u", VALUE_STRING, "TRUE");
    gives(w, "$tolowercase(X, variable=l, isGlobal=false)", "x");
    is_stored(w, false, "l", VALUE_STRING, "x");
    gives(w, "$contains(abc, value=b, variable=c)", "true");
    is_stored(w, false, "c", VALUE_BOOL, "true");
    gives(w, "$startswith(abc, value=b, variable=c)", "false");
    is_stored(w, false, "c", VALUE_BOOL, "false");
    gives(w, "$endswith(abc, value=c, variable=e, isGlobal=true)", "true");
    is_stored(w, true, "e", VALUE_BOOL, "true");
    gives(w, "$stringequals(a=1, b=1, variable=q)", "true");
    is_stored(w, false, "q", VALUE_BOOL, "true");
    gives(w, "$length([1, 2], variable=n)", "2");
    is_stored(w, false, "n", VALUE_INT, "2");
    warns(w, "$length(x, variable=n)", "0", "no JSON array");
    is_stored(w, false, "n", VALUE_INT, "0");
    warns(w, "$format(template={x}, variable=f)", "", "number of an item");
    is_stored(w, false, "f", VALUE_STRING, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(format_puts_arguments_into_places),
        world_test(what_was_formatted_is_not_looked_at_again),
        world_test(format_aligns),
        world_test(format_writes_numbers),
        world_test(what_a_form_does_not_fit_stays_with_a_warning),
        world_test(a_wrong_format_gives_nothing),
        world_test(format_keeps_its_limits),
        world_test(strcat_joins_a_list),
        world_test(quotes_in_a_list_close_at_a_comma),
        world_test(a_text_beyond_the_limit_is_cut_with_a_warning),
        world_test(letter_case_is_mapped_one_for_one),
        world_test(letters_without_one_counterpart_stay),
        world_test(searches_say_whether),
        world_test(searches_without_text_warn_and_are_false),
        world_test(stringequals_compares_the_whole),
        world_test(length_counts_an_array),
        world_test(results_are_stored_with_their_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
