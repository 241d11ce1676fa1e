#include "common/yaml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"

#define N_OF(array) (sizeof(array) / sizeof *(array))

static json_t *parse(const char *text, struct places **ret_places)
{
    struct diag d = {0};
    json_t *json = NULL;

    if (yaml_parse(text, strlen(text), &d, &json, ret_places) < 0)
        fail_msg("%s: %d:%d: %s", text, d.entry[0].line, d.entry[0].column, d.entry[0].text);
    assert_int_equal(d.n, 0);
    return json;
}

// The value as compact JSON.
static void reads_as(const char *text, const char *expected)
{
    struct places *places;
    json_t *json = parse(text, &places);
    char *got = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

    assert_string_equal(got, expected);
    free(got);
    json_decref(json);
    places_free(places);
}

static void refuses_bytes(const char *text, size_t len, int line, int column, const char *expected)
{
    struct diag d = {0};
    json_t *json = NULL;
    struct places *places = NULL;

    assert_int_equal(yaml_parse(text, len, &d, &json, &places), -EINVAL);
    assert_null(json);
    assert_null(places);
    assert_int_equal(d.n, 1);
    if (d.entry[0].line != line || d.entry[0].column != column)
        fail_msg("%s: %d:%d: %s", text, d.entry[0].line, d.entry[0].column, d.entry[0].text);
    assert_string_equal(d.entry[0].text, expected);
    diag_done(&d);
}

static void refuses(const char *text, int line, int column, const char *expected)
{
    refuses_bytes(text, strlen(text), line, column, expected);
}

static void an_empty_text_is_null(void **state)
{
    (void)state;
    reads_as("", "null");
    reads_as("# only a comment\n", "null");
    reads_as("\xef\xbb\xbf", "null");
    reads_as("---\n", "null");
    reads_as("--- # x\n...\n", "null");
}

static void plain_scalars_are_what_json_has(void **state)
{
    static const char *const scalars[][2] = {
        {"0", "0"},
        {"-0", "0"},
        {"12", "12"},
        {"-7", "-7"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"1.5", "1.5"},
        {"1.10", "1.1"},
        {"2.0", "2.0"},
        {"1e3", "1000.0"},
        {"1E+2", "100.0"},
        {"-2.5e-1", "-0.25"},
        {"true", "true"},
        {"True", "true"},
        {"TRUE", "true"},
        {"false", "false"},
        {"False", "false"},
        {"FALSE", "false"},
        {"null", "null"},
        {"Null", "null"},
        {"NULL", "null"},
        {"~", "null"},
    };
    static const char *const texts[] = {
        "yes",  "no",    "on",  "off",  "y",    "012",  "0x1F", "0o17",       "+1",
        ".5",   "1.",    "1e",  "--1",  ".inf", ".NaN", "tRUE", "nULL",       "1_0",
        "1:30", "1,000", "a b", "$x.y", "a#b",  "a:b",  "10s",  "2026-01-31",
    };

    (void)state;
    for (size_t i = 0; i < N_OF(scalars); i++)
        reads_as(scalars[i][0], scalars[i][1]);
    for (size_t i = 0; i < N_OF(texts); i++) {
        char *expected = xasprintf("\"%s\"", texts[i]), *list = xasprintf("[\"%s\"]", texts[i]);
        char *in_list = xasprintf("- %s", texts[i]);
        reads_as(texts[i], expected);
        reads_as(in_list, list);
        free(expected);
        free(list);
        free(in_list);
    }
}

static void quoted_scalars_are_texts(void **state)
{
    (void)state;
    reads_as("'12'", "\"12\"");
    reads_as("\"true\"", "\"true\"");
    reads_as("''", "\"\"");
    reads_as("'it''s'", "\"it's\"");
    reads_as("\"\\x41\\u20ac\\t\"", "\"A\xe2\x82\xac\\t\"");
    reads_as("|\n 12\n", "\"12\\n\"");
    reads_as(">-\n a\n b\n", "\"a b\"");
}

static void lists_and_mappings_keep_their_order(void **state)
{
    (void)state;
    reads_as("b: 1\na: [2, {c: 3}, []]\n", "{\"b\":1,\"a\":[2,{\"c\":3},[]]}");
    reads_as("- - 1\n  - 2\n- {}\n-\n", "[[1,2],{},null]");
    reads_as("{a, b: }", "{\"a\":null,\"b\":null}");
    reads_as("? a\n: 1\n? b\n", "{\"a\":1,\"b\":null}");
    reads_as("{\"a\": [1, true]}", "{\"a\":[1,true]}");
}

static void keys_are_texts_as_they_stand(void **state)
{
    (void)state;
    reads_as("1.10: a\ntrue: b\n~: c\n'': d\n", "{\"1.10\":\"a\",\"true\":\"b\",\"~\":\"c\","
                                                "\"\":\"d\"}");
    reads_as("99999999999999999999: a", "{\"99999999999999999999\":\"a\"}");
    refuses("? [a]\n: b", 1, 3, "found a list or mapping as a key, expected a text");
    refuses("a: &x b\n*x : c", 2, 1, "found an alias as a key, expected a text");
    refuses("\"a\\0\": b", 1, 1, "found a NUL in a key, expected none");
}

static void a_key_that_comes_twice_is_refused_at_the_second(void **state)
{
    (void)state;
    refuses("a: 1\nb: 2\na: 3", 3, 1,
            "found \"a\" a second time in its mapping, expected each key once");
    refuses("{a: 1, 'a': 2}", 1, 8,
            "found \"a\" a second time in its mapping, expected each key once");
    refuses("a: &x {b: 1}\nc:\n  <<: *x\n  <<: *x\n", 4, 3,
            "found \"<<\" a second time in its mapping, expected each key once");
}

static void aliases_repeat_their_anchor(void **state)
{
    struct places *places;

    (void)state;
    reads_as("a: &x [1, {b: 2}]\nc: *x\n", "{\"a\":[1,{\"b\":2}],\"c\":[1,{\"b\":2}]}");
    reads_as("&k a: 1\nb: *k\n", "{\"a\":1,\"b\":\"a\"}");
    reads_as("- &x 1\n- &x 2\n- *x\n", "[1,2,2]");
    reads_as("- &x a\n- &x [b]\n- *x\n", "[\"a\",[\"b\"],[\"b\"]]");
    json_t *json = parse("a: &x {b: 1}\nc: *x\n", &places);
    json_object_set_new(json_object_get(json, "c"), "b", json_integer(2));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "a"), "b")), 1);
    json_decref(json);
    places_free(places);
}

static void cycles_and_unknown_aliases_are_refused(void **state)
{
    (void)state;
    refuses("a: *x", 1, 4, "found \"x\" as an alias, expected the name of an anchor above it");
    refuses("a: *x\nb: &x 1", 1, 4,
            "found \"x\" as an alias, expected the name of an anchor above it");
    refuses("&x [1, *x]", 1, 8,
            "found \"x\" as an alias within its own anchor, expected one outside");
    refuses("&x {a: {b: *x}}", 1, 12,
            "found \"x\" as an alias within its own anchor, expected one outside");
    refuses("- &x 1\n- &x [*x]", 2, 7,
            "found \"x\" as an alias within its own anchor, expected one outside");
}

static void merge_keys_give_way_to_own_ones(void **state)
{
    (void)state;
    reads_as("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\n",
             "{\"a\":{\"b\":1,\"c\":2},\"d\":{\"c\":3,\"b\":1}}");
    reads_as("{c: 3, <<: {b: 1, c: 2}}", "{\"c\":3,\"b\":1}");
    reads_as("<<: [{a: 1}, {a: 2, b: 3}, {}]", "{\"a\":1,\"b\":3}");
    reads_as("'<<': {a: 1}", "{\"<<\":{\"a\":1}}");
    reads_as("<<: &x {a: 1}\nb: *x\n", "{\"b\":{\"a\":1},\"a\":1}");
    reads_as("<<: []", "{}");
    refuses("<<: 1", 1, 1, "found no mapping to merge, expected one, or a list of them");
    refuses("a: 1\n<<: [{b: 1}, 2]", 2, 1,
            "found no mapping to merge, expected one, or a list of them");
}

static void tags_are_the_standard_ones(void **state)
{
    (void)state;
    reads_as("!!str 12", "\"12\"");
    reads_as("!!int '12'", "12");
    reads_as("!!float 1", "1.0");
    reads_as("!!bool 'true'", "true");
    reads_as("!!bool False", "false");
    reads_as("!!null ''", "null");
    reads_as("! '12'", "\"12\"");
    reads_as("!!map {a: !!seq [1]}", "{\"a\":[1]}");
    reads_as("! [1]", "[1]");
    refuses("a: !!int x", 1, 4, "found \"x\", expected a whole number, as its tag says");
    refuses("!!int 1.5", 1, 1, "found \"1.5\", expected a whole number, as its tag says");
    refuses("!!null x", 1, 1, "found \"x\", expected null, as its tag says");
    refuses("!cat x", 1, 1,
            "found \"!cat\" as a tag, expected none, !!str, !!int, !!float, !!bool or !!null");
    refuses("!!map x", 1, 1,
            "found \"tag:yaml.org,2002:map\" as a tag, expected none, !!str, !!int, !!float, "
            "!!bool or !!null");
    refuses("!!set {a}", 1, 1,
            "found \"tag:yaml.org,2002:set\" as a tag, expected none, !!seq of a list or !!map of "
            "a mapping");
    refuses("!a!b c", 1, 1, "found an unknown tag, expected none, or a standard one");
}

static void numbers_beyond_64_bits_are_refused(void **state)
{
    (void)state;
    refuses("a: 9223372036854775808", 1, 4,
            "found \"9223372036854775808\", expected a number within 64 bits, or quotes around a "
            "text");
    refuses("a: -1e999", 1, 4,
            "found \"-1e999\", expected a number within 64 bits, or quotes around a text");
    reads_as("1e-999", "0.0");
}

static void bytes_that_are_no_text_are_refused_where_they_are(void **state)
{
    (void)state;
    refuses("a: 1\nb: \xc3\xa9\xff", 2, 5, "found bytes that are not UTF-8");
    refuses("a: \xc3", 1, 4, "found bytes that are not UTF-8");
    refuses("a: \xed\xa0\x80", 1, 4, "found bytes that are not UTF-8");
    refuses("a\n\x01", 2, 1,
            "found the character 0x01, expected none that controls; in double quotes it is an "
            "escape");
    refuses_bytes("a\0b", 3, 1, 2,
                  "found the character 0x00, expected none that controls; in double quotes it is "
                  "an escape");
    refuses("\"\\0\"", 1, 1, "found a NUL in a text, expected none");
    refuses("\"\\ud800\"", 1, 4,
            "found an escape that is no character, expected one up to 10FFFF and no surrogate");
}

static void what_is_no_yaml_is_told_in_words(void **state)
{
    static const char key[] = "found ':' where no key can end, expected the keys of a mapping in "
                              "one column, and quotes around a text with ': ' in it";
    static const char tab[] = "found a tab, expected blanks as indentation";

    (void)state;
    refuses("a:\n\t- b", 2, 1, tab);
    refuses("\ta: 1", 1, 1, tab);
    refuses("a: |\n\tx", 2, 1, tab);
    refuses("a: >\n x\n\ty\n", 3, 1, tab);
    refuses("a: b: c", 1, 5, key);
    refuses("a: 1\n b: 2", 2, 3, key);
    refuses("a: 'x", 1, 4, "found a text without its closing quote");
    refuses("a: @x", 1, 4, "found '@', expected a value; a text that begins so needs quotes");
    refuses("\xc3\xa4: @x", 1, 4,
            "found '@', expected a value; a text that begins so needs quotes");
    refuses("[1, 2", 2, 1,
            "found the end of the text, expected ',' or ']', as what began in line 1 goes on");
    refuses("\n{a: 1", 3, 1,
            "found the end of the text, expected ',' or '}', as what began in line 2 goes on");
    refuses("a: - b", 1, 4,
            "found '- ' in the middle of a value, expected a list to begin on a line of its own");
    refuses("- a\nb", 2, 1, "found a key without a value, expected ':' after it");
    refuses("- a\nb: 1", 2, 1,
            "found 'b', expected '- ' as far to the right as the others of its list");
    refuses("a: 'b' c", 1, 8,
            "found 'c', expected a key as far to the right as the others of its mapping");
    refuses("\"\\q\"", 1, 2,
            "found an unknown escape, expected \\n, \\t, \\\", \\\\, \\x41, \\u0041 or single "
            "quotes around the text");
    refuses("a: }", 1, 4, "found '}', expected a value");
    refuses("--- 1\n--- 2", 2, 1, "found a second document, expected one");
    refuses("a: 1\n...\nb", 3, 1, "found 'b', expected the end of the text");
    refuses("%FOO x\n--- a", 1, 5, "found what is no YAML at ' ': found unknown directive name");
    refuses("%YAML 3.0\n--- a", 1, 1, "found another version, expected YAML 1.1 or 1.2");
}

// --- Limits ---

static char *nested(int depth)
{
    struct buf b = {0};

    for (int i = 0; i < depth; i++)
        buf_puts(&b, "[");
    for (int i = 0; i < depth; i++)
        buf_puts(&b, "]");
    return buf_take(&b);
}

static void the_deepest_text_is_accepted_and_no_deeper_one(void **state)
{
    char *text = nested(YAML_DEPTH_MAX);

    (void)state;
    reads_as(text, text);
    free(text);
    text = nested(YAML_DEPTH_MAX + 1);
    refuses(text, 1, YAML_DEPTH_MAX + 1, "found more than 64 levels");
    free(text);
}

// Each anchor one level deeper than the one before: n levels in all.
static char *chain(int n)
{
    struct buf b = {0};

    buf_puts(&b, "- &a1 [x]\n");
    for (int i = 2; i < n; i++)
        buf_printf(&b, "- &a%d [*a%d]\n", i, i - 1);
    return buf_take(&b);
}

static void levels_that_aliases_add_count_as_well(void **state)
{
    struct places *places;
    char *text = chain(YAML_DEPTH_MAX);

    (void)state;
    json_decref(parse(text, &places));
    places_free(places);
    free(text);
    text = chain(YAML_DEPTH_MAX + 1);
    refuses(text, YAML_DEPTH_MAX, 9, "found more than 64 levels");
    free(text);
}

static void values_that_aliases_repeat_count_as_well(void **state)
{
    struct buf b = {0};
    struct places *places;

    (void)state;
    // A list, one of 1000 values, and 998 repetitions, each with its 1001: 1 + 999 * 1001.
    buf_puts(&b, "- &x [0");
    for (int i = 1; i < 1000; i++)
        buf_puts(&b, ",0");
    buf_puts(&b, "]\n");
    for (int i = 0; i < 998; i++)
        buf_puts(&b, "- *x\n");
    assert_int_equal(YAML_NODES_MAX, 1000000);
    json_t *json = parse(b.data, &places);
    assert_int_equal(json_array_size(json), 999);
    json_decref(json);
    places_free(places);
    buf_puts(&b, "- *x\n");
    refuses(b.data, 1000, 3, "found more than 1000000 values, with those that aliases repeat");
    buf_done(&b);
}

static void anchors_are_limited(void **state)
{
    struct buf b = {0};
    struct places *places;

    (void)state;
    for (int i = 0; i < YAML_ANCHORS_MAX; i++)
        buf_printf(&b, "- &a%d x\n", i);
    buf_puts(&b, "- &a0 x\n");
    json_decref(parse(b.data, &places));
    places_free(places);
    buf_puts(&b, "- &b x\n");
    refuses(b.data, YAML_ANCHORS_MAX + 2, 3, "found more than 1000 anchors");
    buf_done(&b);
}

// --- Places ---

static const char document[] = "a:\n"
                               "  b/c: &x [10,\n"
                               "    {d~e: 1.10}]\n"
                               "  '': *x\n"
                               "m:\n"
                               "  <<: {n: ~}\n"
                               "  o: TRUE\n"
                               "p: '1'\n";

static void places_are_those_of_values_and_keys(void **state)
{
    static const struct {
        const char *pointer;
        bool key;
        int line, column;
    } at[] = {
        {"", false, 1, 1},
        {"/a", true, 1, 1},
        {"/a", false, 2, 3},
        {"/a/b~1c", true, 2, 3},
        {"/a/b~1c", false, 2, 8},
        {"/a/b~1c/0", false, 2, 12},
        {"/a/b~1c/1", false, 3, 5},
        {"/a/b~1c/1/d~0e", true, 3, 6},
        {"/a/b~1c/1/d~0e", false, 3, 11},
        {"/a/", true, 4, 3},
        {"/a/", false, 2, 8}, // of the anchor
        {"/a//1/d~0e", false, 3, 11},
        {"/m/n", true, 6, 8}, // merged
        {"/m/n", false, 6, 11},
        {"/m/o", false, 7, 6},
    };
    static const char *const nowhere[] = {"a",
                                          "/b",
                                          "/a/b",
                                          "/a/b~1c/2",
                                          "/a/b~1c/00",
                                          "/a/b~1c/-",
                                          "/m/<<",
                                          "/a/b~1c/0/",
                                          "/a/b~1c/+1",
                                          "/a/b~1c/ 1",
                                          "/a/b~1c/1x",
                                          "/a/b~1c/",
                                          "/a/b~1c/18446744073709551617"};
    struct places *places;
    int line = 7, column = 7;

    (void)state;
    json_decref(parse(document, &places));
    for (size_t i = 0; i < N_OF(nowhere); i++)
        assert_int_equal(places_locate(places, nowhere[i], false, &line, &column), -ENOENT);
    assert_int_equal(places_locate(places, "", true, &line, &column), -ENOENT);
    assert_int_equal(places_locate(places, "/a/b~1c/0", true, &line, &column), -ENOENT);
    assert_true(line == 7 && column == 7);
    for (size_t i = 0; i < N_OF(at); i++) {
        int r = places_locate(places, at[i].pointer, at[i].key, &line, &column);
        if (r != 0 || line != at[i].line || column != at[i].column)
            fail_msg("%s: %d, %d:%d", at[i].pointer, r, line, column);
    }
    places_free(places);
    places_free(NULL);
}

static void numbers_and_booleans_keep_their_text(void **state)
{
    struct places *places;

    (void)state;
    json_decref(parse(document, &places));
    assert_string_equal(places_text(places, "/a/b~1c/1/d~0e"), "1.10");
    assert_string_equal(places_text(places, "/m/n"), "~");
    assert_string_equal(places_text(places, "/m/o"), "TRUE");
    assert_null(places_text(places, "/p"));
    assert_null(places_text(places, "/m"));
    assert_null(places_text(places, "/q"));
    places_free(places);
}

// --- Format ---

static void formats(const char *json_text, const char *expected)
{
    json_t *json = json_loads(json_text, JSON_DECODE_ANY, NULL);
    char *text = yaml_format(json);

    assert_string_equal(text, expected);
    free(text);
    json_decref(json);
}

static void values_are_written_in_block_style(void **state)
{
    (void)state;
    formats("{}", "{}\n");
    formats("[]", "[]\n");
    formats("null", "null\n");
    formats("\"a\"", "a\n");
    formats("{\"b\": 1, \"a\": [true, {\"c\": 2, \"d\": [[3, 4], []]}, {}]}", "b: 1\n"
                                                                              "a:\n"
                                                                              "  - true\n"
                                                                              "  - c: 2\n"
                                                                              "    d:\n"
                                                                              "      - - 3\n"
                                                                              "        - 4\n"
                                                                              "      - []\n"
                                                                              "  - {}\n");
    formats("[0.1, 2.0, 1e100, 0.30000000000000004]",
            "- 0.1\n- 2.0\n- 1e+100\n- 0.30000000000000004\n");
}

static void texts_that_would_read_as_something_else_are_quoted(void **state)
{
    static const char *const plain[] = {
        "a",
        "a b",
        "$x",
        "http://h:80/a?b=c#d",
        "a, b",
        "ErrorRate > 0.05",
        "10s",
        "1.2.3r",
        "200 OK",
        "a:b",
        "it's",
        "nothing",
        "\xc3\xa9\xe2\x82\xac",
    };
    static const char *const quoted[] = {
        "",     " a",  "a ",  "a: b", "a:",   "a #b", "- a",  "-",    "?",    ":a",
        "[a",   "{a}", "#a",  "&a",   "*a",   "!a",   "|",    ">= 5", "'a'",  "%a",
        "@a",   "`a`", "1",   "-1.5", "1e3",  "012",  "0x1F", "1_0",  "1:30", "00:00:10",
        "true", "Yes", "oN",  "n",    "null", "~",    "<<",   "=",    ".inf", "2026-01-31",
        "...",  "---", "2.0", ".5",   "1.",   "+1",
    };

    (void)state;
    for (size_t i = 0; i < N_OF(plain) + N_OF(quoted); i++) {
        const char *text = i < N_OF(plain) ? plain[i] : quoted[i - N_OF(plain)];
        const char *mark = i < N_OF(plain) ? "" : "\"";
        json_t *json = json_pack("{s: s}", text, text);
        char *got = yaml_format(json);
        char *expected = xasprintf("%s%s%s: %s%s%s\n", mark, text, mark, mark, text, mark);
        if (strcmp(got, expected) != 0)
            fail_msg("%s", got);
        free(expected);
        free(got);
        json_decref(json);
    }
    formats("\"\\u0001\\t\\\"\\\\\\r\\u007f\\u0085\\u2028\\ufeff\\uffff\"",
            "\"\\x01\\t\\\"\\\\\\r\\x7f\\x85\\u2028\\ufeff\\uffff\"\n");
}

static void several_lines_are_a_literal_block(void **state)
{
    (void)state;
    formats("{\"a\": \"x\\ny\\n\", \"b\": 1}", "a: |\n  x\n  y\nb: 1\n");
    formats("{\"a\": \"x\\n\\ny\"}", "a: |-\n  x\n\n  y\n");
    formats("[\"x\\n\\n\"]", "- |+\n  x\n\n");
    formats("{\"a\": {\"b\": \"  {\\n\\t}\"}}", "a:\n  b: |2-\n      {\n    \t}\n");
    formats("{\"a\": \"\\n\"}", "a: \"\\n\"\n");
    formats("{\"a\": \"x\\r\\ny\"}", "a: \"x\\r\\ny\"\n");
    formats("\"x\\ny\"", "|-\n  x\n  y\n");
}

static void parses_back(const json_t *json)
{
    struct places *places;
    char *text = yaml_format(json);
    json_t *again = parse(text, &places);

    if (!json_equal(json, again))
        fail_msg("%s", text);
    free(text);
    json_decref(again);
    places_free(places);
}

static void long_keys_parse_back(void **state)
{
    static const int lengths[] = {998, 999, 1000, 1001, 1024, 5000};

    (void)state;
    for (size_t i = 0; i < N_OF(lengths); i++) {
        char *key = xasprintf("%0*d", lengths[i], 7), *words = xasprintf("%*d", lengths[i], 7);
        json_t *json = json_pack("{s: [i, {s: s}], s: i}", key, 1, words, "x\ny", words, 2);
        parses_back(json);
        json_decref(json);
        free(key);
        free(words);
    }
}

static uint64_t seed = 88172645463325252ULL;

static unsigned below(unsigned n) // xorshift64 (Marsaglia 2003)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % n;
}

static json_t *random_text(void)
{
    static const char *const pieces[] = {
        "a",
        "\n",
        " ",
        ": ",
        " #",
        "-",
        "\t",
        "'",
        "\"",
        "\\",
        "0",
        ".",
        "e",
        "{",
        "[",
        "&",
        "\r",
        "\xc2\x85",
        "\xe2\x80\xa8",
        "?",
        "no",
        "|",
        ">",
        "%",
        "@",
        "\x01",
        ",",
        "\xef\xbb\xbf",
        "\xf0\x9f\x98\x80",
        "~",
        "<<",
        "\n\n",
    };
    struct buf b = {0};

    buf_puts(&b, "");
    for (unsigned n = below(7); n > 0; n--)
        buf_puts(&b, pieces[below(N_OF(pieces))]);
    json_t *json = json_string(b.data);
    buf_done(&b);
    return json;
}

static json_t *random_value(int depth)
{
    unsigned kind = below(depth > 0 ? 8 : 6);
    json_t *json;

    switch (kind) {
    case 0:
        return json_integer((json_int_t)seed);
    case 1:
        return json_real((double)below(1000000) / 997 * (below(2) ? 1e30 : -1e-30));
    case 2:
        return below(3) ? json_boolean(below(2)) : json_null();
    case 6:
        json = json_array();
        for (unsigned n = below(4); n > 0; n--)
            json_array_append_new(json, random_value(depth - 1));
        return json;
    case 7:
        json = json_object();
        for (unsigned n = below(4); n > 0; n--) {
            json_t *key = random_text();
            json_object_set_new(json, json_string_value(key), random_value(depth - 1));
            json_decref(key);
        }
        return json;
    default:
        return random_text();
    }
}

static void random_values_parse_back(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        json_t *json = random_value(4);
        parses_back(json);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_text_is_null),
        cmocka_unit_test(plain_scalars_are_what_json_has),
        cmocka_unit_test(quoted_scalars_are_texts),
        cmocka_unit_test(lists_and_mappings_keep_their_order),
        cmocka_unit_test(keys_are_texts_as_they_stand),
        cmocka_unit_test(a_key_that_comes_twice_is_refused_at_the_second),
        cmocka_unit_test(aliases_repeat_their_anchor),
        cmocka_unit_test(cycles_and_unknown_aliases_are_refused),
        cmocka_unit_test(merge_keys_give_way_to_own_ones),
        cmocka_unit_test(tags_are_the_standard_ones),
        cmocka_unit_test(numbers_beyond_64_bits_are_refused),
        cmocka_unit_test(bytes_that_are_no_text_are_refused_where_they_are),
        cmocka_unit_test(what_is_no_yaml_is_told_in_words),
        cmocka_unit_test(the_deepest_text_is_accepted_and_no_deeper_one),
        cmocka_unit_test(levels_that_aliases_add_count_as_well),
        cmocka_unit_test(values_that_aliases_repeat_count_as_well),
        cmocka_unit_test(anchors_are_limited),
        cmocka_unit_test(places_are_those_of_values_and_keys),
        cmocka_unit_test(numbers_and_booleans_keep_their_text),
        cmocka_unit_test(values_are_written_in_block_style),
        cmocka_unit_test(texts_that_would_read_as_something_else_are_quoted),
        cmocka_unit_test(several_lines_are_a_literal_block),
        cmocka_unit_test(long_keys_parse_back),
        cmocka_unit_test(random_values_parse_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
