#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "common/script/jpath.h"

static json_t *load(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);

    assert_non_null(json);
    return json;
}

// The matches as one JSON array; the caller frees.
static char *find(const char *path, const char *text)
{
    json_t *root = load(text), **matches = NULL;
    struct jpath *compiled = NULL;
    struct buf out = {0};
    char why[200] = "";
    size_t n = 0;

    if (jpath_compile(path, strlen(path), why, sizeof why, &compiled) < 0)
        fail_msg("%s: %s", path, why);
    assert_int_equal(jpath_find(compiled, root, &matches, &n), 0);
    buf_puts(&out, "[");
    for (size_t i = 0; i < n; i++) {
        buf_puts(&out, i > 0 ? "," : "");
        jpath_append_json(matches[i], &out);
    }
    buf_puts(&out, "]");
    free(matches);
    jpath_free(compiled);
    json_decref(root);
    return buf_take(&out);
}

static const char things[] =
    "{\"a\": {\"b\": 1, \"c d\": 2, \"x.y\": 3, \"it's\": 4, \"\": 5, \"*\": 6, \"\xc3\xa9\": 7},"
    " \"list\": [10, 20, 30, 40, 50],"
    " \"users\": [{\"id\": 1, \"n\": \"a\"}, {\"id\": 2, \"n\": \"b\", \"tags\": [\"x\", \"y\"]},"
    "             {\"id\": 3.5, \"n\": \"b\", \"ok\": true, \"none\": null}],"
    " \"deep\": {\"id\": 9, \"list\": [{\"id\": 8}]}, \"$id\": 11, \"a-b\": 12, \"@t\": 13,"
    " \"limit\": 2}";

static void paths_find_what_is_there(void **state)
{
    static const struct {
        const char *path;
        const char *found;
    } rows[] = {
        {"$.a.b", "[1]"},
        {".a.b", "[1]"},
        {"a.b", "[1]"},
        {"a['b']", "[1]"},
        {"['a'].b", "[1]"},
        {"[\"a\"][ 'b' ]", "[1]"},
        {"$['a']['c d']", "[2]"},
        {".a.c d", "[2]"},
        {".a['x.y']", "[3]"},
        {".a['it\\'s']", "[4]"},
        {".a[\"it's\"]", "[4]"},
        {".a.it's", "[4]"},
        {".a['']", "[5]"},
        {".a['*']", "[6]"},
        {".a['\\u00e9']", "[7]"},
        {".a.\xc3\xa9", "[7]"},
        {".$id", "[11]"},
        {"$id", "[11]"},
        {".a-b", "[12]"},
        {"@t", "[13]"},
        {".nope", "[]"},
        {".a.nope.more", "[]"},
        {".a[0]", "[]"},
        {".list.a", "[]"},
        {".limit.x", "[]"},
        {".limit[0]", "[]"},
        {".list[0]", "[10]"},
        {".list[4]", "[50]"},
        {".list[5]", "[]"},
        {".list[-1]", "[50]"},
        {".list[-5]", "[10]"},
        {".list[-6]", "[]"},
        {".list[ 1 ]", "[20]"},
        {".list[0,2]", "[10,30]"},
        {".list[2, 0, -1]", "[30,10,50]"},
        {".list[1:3]", "[20,30]"},
        {".list[:2]", "[10,20]"},
        {".list[3:]", "[40,50]"},
        {".list[:]", "[10,20,30,40,50]"},
        {".list[-2:]", "[40,50]"},
        {".list[::2]", "[10,30,50]"},
        {".list[1:99:3]", "[20,50]"},
        {".list[3:1]", "[]"},
        {".list[::-1]", "[50,40,30,20,10]"},
        {".list[3:0:-2]", "[40,20]"},
        {".list[-1:-3:-1]", "[50,40]"},
        {".list[::2147483647]", "[10]"},
        {".list[:1,4]", "[10,50]"},
        {".list[*]", "[10,20,30,40,50]"},
        {".list.*", "[10,20,30,40,50]"},
        {".a['b','x.y']", "[1,3]"},
        {".users[*].id", "[1,2,3.5]"},
        {".users[1:].n", "[\"b\",\"b\"]"},
        {".*.b", "[1]"},
        {"..id", "[1,2,3.5,9,8]"},
        {"$..id", "[1,2,3.5,9,8]"},
        {"$..list[0]", "[10,{\"id\":8}]"},
        {".deep..id", "[9,8]"},
        {".deep..*", "[9,[{\"id\":8}],{\"id\":8},8]"},
        {".users..[0]", "[{\"id\":1,\"n\":\"a\"},\"x\"]"},
        {".users..[-1]", "[\"y\",{\"id\":3.5,\"n\":\"b\",\"ok\":true,\"none\":null}]"},
        {".list..[1:3]", "[20,30]"},
        {".list..[::-2]", "[10,30,50]"},
        {"..['b','limit']", "[1,2]"},
        {"..nope", "[]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *found = find(rows[i].path, things);
        if (strcmp(found, rows[i].found) != 0)
            fail_msg("%s: %s", rows[i].path, found);
        free(found);
    }
}

static void the_empty_path_is_the_root(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        char *found = find(i == 0 ? "" : "$", "5");
        assert_string_equal(found, "[5]");
        free(found);
    }
}

static void filters_take_what_they_hold_for(void **state)
{
    static const struct {
        const char *filter;
        const char *ids;
    } rows[] = {
        {"?(@.id > 1 && @.n == 'b')", "[2,3.5]"},
        {"?@.id == 1", "[1]"},
        {"? ( @.id == 1.0 )", "[1]"},
        {"?(@.id == '1')", "[]"},
        {"?(1 == @.id)", "[1]"},
        {"?(@.id === 1)", "[1]"},
        {"?(@.id !== 1)", "[2,3.5]"},
        {"?(@.id != 1)", "[2,3.5]"},
        {"?(@.id < 2)", "[1]"},
        {"?(@.id <= 2)", "[1,2]"},
        {"?(@.id >= 2)", "[2,3.5]"},
        {"?(@.id > -1)", "[1,2,3.5]"},
        {"?(@.n > 'a')", "[2,3.5]"},
        {"?(@.n < 'ab')", "[1]"},
        {"?(@.n > 1)", "[]"},
        {"?(@.n != 1)", "[1,2,3.5]"},
        {"?(@.n == \"b\")", "[2,3.5]"},
        {"?(@.n=='b'||@.id==1)", "[1,2,3.5]"},
        {"?(@.id==1 || @.id==2 && @.n=='a')", "[1]"},
        {"?((@.id==1 || @.id==2) && @.n=='b')", "[2]"},
        {"?(@.tags)", "[2]"},
        {"?(!@.tags)", "[1,3.5]"},
        {"?(!(@.id == 1))", "[2,3.5]"},
        {"?(!!@.tags)", "[2]"},
        {"?(@.none)", "[3.5]"},
        {"?(@.none == null)", "[3.5]"},
        {"?(@.ok == true)", "[3.5]"},
        {"?(@.ok == false)", "[]"},
        {"?(@.ok != 'x')", "[3.5]"},
        {"?(@.ok <= true)", "[3.5]"},
        {"?(@.tags[0] == 'x')", "[2]"},
        {"?(@.tags[*] == 'y')", "[2]"},
        {"?(@.tags[?(@ == 'y')])", "[2]"},
        {"?(@.tags == @.tags)", "[]"},
        {"?(@.id == $.limit)", "[2]"},
        {"?(@['id'] == $['limit'])", "[2]"},
        {"?(@.nope == null)", "[]"},
        {"?(@.nope != 1)", "[]"},
        {"?(@..id == 2)", "[2]"},
        {"?(@)", "[1,2,3.5]"},
        {"?($.nope)", "[]"},
        {"0, ?(@.id == 2)", "[1,2]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[200];
        snprintf(path, sizeof path, ".users[%s].id", rows[i].filter);
        char *found = find(path, things);
        if (strcmp(found, rows[i].ids) != 0)
            fail_msg("%s: %s", path, found);
        free(found);
    }
    char *found = find("..[?(@.id > 7)].id", things);
    assert_string_equal(found, "[9,8]");
    free(found);
    found = find(".a[?(@ > 5)]", things);
    assert_string_equal(found, "[6,7]");
    free(found);
}

static void what_is_no_path_says_where(void **state)
{
    static const struct {
        const char *path;
        const char *why;
    } rows[] = {
        {".", "found the end at character 2, expected a name"},
        {"a.", "found the end at character 3, expected a name"},
        {"a...b", "found '.' at character 4, expected a name"},
        {"..", "found the end at character 3, expected a name"},
        {"a.[0]", "found '[' at character 3, expected a name"},
        {"]", "found ']' at character 1, expected a name"},
        {"a]", "found ']' at character 2, expected '.', '[' or the end"},
        {"a[0]b", "found 'b' at character 5, expected '.', '[' or the end"},
        {"[", "found the end at character 2, expected a number"},
        {"[]", "found ']' at character 2, expected a name in quotes, a number, '*' or '?'"},
        {"[0", "found the end at character 3, expected ',' or ']'"},
        {"[0 1]", "found '1' at character 4, expected ',' or ']'"},
        {"[0,]", "found ']' at character 4, expected a name in quotes"},
        {"[a]", "found 'a' at character 2, expected a number"},
        {"[1.5]", "found '.' at character 3, expected ',' or ']'"},
        {"[-]", "found ']' at character 3, expected a number"},
        {"[2147483648]", "found '2' at character 2, expected a number of at most 2147483647"},
        {"[99999999999999999999]", "found '9' at character 2, expected a number of at most"},
        {"[1:2:0]", "found ']' at character 7, expected a step other than 0"},
        {"[1:x]", "found 'x' at character 4, expected a number"},
        {"['a]", "found the end at character 5, expected \"'\""},
        {"[\"a", "found the end at character 4, expected '\"'"},
        {"['a\\", "found the end at character 5, expected \"'\""},
        {"['\\u12']", "found '1' at character 5, expected four hex digits"},
        {"['\\ud800']", "found \\ud800 before character 9, which is no character"},
        {"['\\u0000']", "found \\u0000 before character 9, which is no character"},
        {"[?(@.a]", "found ']' at character 7, expected ')'"},
        {"[?(@.a ==)]", "found ')' at character 10, expected '@', '$', a number"},
        {"[?(@.a = 1)]", "found '=' at character 8, expected ')'"},
        {"[?(1)]", "found ')' at character 5, expected a comparison"},
        {"[?(x == 1)]", "found 'x' at character 4, expected '@', '$', a number"},
        {"[?(@.a == {})]", "found '{' at character 11, expected '@', '$', a number"},
        {"[?(@.a == 1e999)]", "found '1' at character 11, expected '@'"},
        {"[?(@.a && )]", "found ')' at character 11, expected '@'"},
        {"[?]", "found ']' at character 3, expected '@'"},
        {"[?(@.a == '\xff')]", "found ')' at character 14, expected '@'"},
        {"a.\x01]", "found ']' at character 4, expected '.'"},
        {"[\x01]", "found the byte 0x01 at character 2, expected"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct jpath *path = NULL;
        char why[200] = "";
        int r = jpath_compile(rows[i].path, strlen(rows[i].path), why, sizeof why, &path);
        if (r != -EINVAL || path != NULL || strncmp(why, rows[i].why, strlen(rows[i].why)) != 0)
            fail_msg("%s: %d %s", rows[i].path, r, why);
    }
}

static void names_take_escapes_and_pairs(void **state)
{
    char *found =
        find("['\\ud83d\\ude00\\n\\t\\/\\\\\\\"']", "{\"\\ud83d\\ude00\\n\\t/\\\\\\\"\": 1}");

    (void)state;
    assert_string_equal(found, "[1]");
    free(found);
}

static int compile(const char *path, size_t len)
{
    struct jpath *compiled = NULL;
    char why[100];
    int r = jpath_compile(path, len, why, sizeof why, &compiled);

    jpath_free(compiled);
    return r;
}

static void a_path_has_a_longest_text(void **state)
{
    char text[JPATH_BYTES_MAX + 1];

    (void)state;
    memset(text, 'x', sizeof text);
    assert_int_equal(compile(text, JPATH_BYTES_MAX), 0);
    assert_int_equal(compile(text, JPATH_BYTES_MAX + 1), -EINVAL);
    // As many segments as there can be.
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 2 == 0 ? '.' : 'a';
    assert_int_equal(compile(text, JPATH_BYTES_MAX), 0);
}

static void filters_have_a_greatest_depth(void **state)
{
    char text[200];

    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        // The filter itself is a level.
        int n = JPATH_DEPTH_MAX - 1 + extra;
        snprintf(text, sizeof text, "[?%.*s@%.*s]", n, "((((((((((((((((((((((((((((((((", n,
                 "))))))))))))))))))))))))))))))))");
        assert_int_equal(compile(text, strlen(text)), extra == 0 ? 0 : -EINVAL);
        snprintf(text, sizeof text, "[?%.*s@]", n, "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!");
        assert_int_equal(compile(text, strlen(text)), extra == 0 ? 0 : -EINVAL);
    }
}

static int find_in(const char *path, json_t *root, size_t *ret_n)
{
    struct jpath *compiled = NULL;
    json_t **matches = NULL;
    char why[100];

    assert_int_equal(jpath_compile(path, strlen(path), why, sizeof why, &compiled), 0);
    int r = jpath_find(compiled, root, &matches, ret_n);
    if (r == 0)
        free(matches);
    jpath_free(compiled);
    return r;
}

static void work_and_matches_have_limits(void **state)
{
    json_t *root = json_array(), *big = json_array();
    size_t n = 0;

    (void)state;
    for (int i = 0; i < JPATH_MATCHES_MAX; i++)
        json_array_append_new(big, json_integer(i));
    assert_int_equal(find_in("[*]", big, &n), 0);
    assert_int_equal(n, JPATH_MATCHES_MAX);
    json_array_append_new(big, json_null());
    assert_int_equal(find_in("[*]", big, &n), -E2BIG);
    assert_int_equal(find_in("[?(@ == 5)]", big, &n), 0);
    assert_int_equal(n, 1);
    // Each element is compared with each: 10^10 steps.
    assert_int_equal(find_in("[?(@ == $[*])]", big, &n), -E2BIG);
    json_decref(big);

    // Each ".." doubles the ways to a node.
    json_t *node = root;
    for (int i = 0; i < 200; i++) {
        json_t *inner = json_array();
        json_array_append_new(node, inner);
        node = inner;
    }
    assert_int_equal(find_in("..*..*..*..*..*..*..nope", root, &n), -E2BIG);
    json_decref(root);
}

static void json_is_written_compact_in_its_order(void **state)
{
    static const struct {
        const char *in;
        const char *json, *text;
    } rows[] = {
        {"{ \"b\" : 1 , \"a\" : [ true , false , null ] }", "{\"b\":1,\"a\":[true,false,null]}",
         NULL},
        {"{}", "{}", NULL},
        {"[]", "[]", NULL},
        {"[ [], {} ]", "[[],{}]", NULL},
        {"\"a\\\"b\\\\c\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\\u00e9\"",
         "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"",
         "a\"b\\c/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9"},
        {"\"2024-01-02T03:04:05Z\"", "\"2024-01-02T03:04:05Z\"", "2024-01-02T03:04:05Z"},
        {"\"\"", "\"\"", ""},
        {"null", "null", ""},
        {"true", "true", NULL},
        {"-9223372036854775808", "-9223372036854775808", NULL},
        {"2.50", "2.5", NULL},
        {"2.0", "2.0", NULL},
        {"0.1", "0.1", NULL},
        {"1e2", "100.0", NULL},
        {"0.30000000000000004", "0.30000000000000004", NULL},
        {"1e300", "1E+300", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *json = load(rows[i].in);
        struct buf out = {0};
        jpath_append_json(json, &out);
        assert_string_equal(out.data, rows[i].json);
        json_t *again = load(out.data);
        assert_true(json_equal(json, again));
        json_decref(again);
        out.len = 0;
        buf_puts(&out, "");
        jpath_append_text(json, &out);
        assert_string_equal(out.data, rows[i].text != NULL ? rows[i].text : rows[i].json);
        buf_done(&out);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_find_what_is_there),
        cmocka_unit_test(the_empty_path_is_the_root),
        cmocka_unit_test(filters_take_what_they_hold_for),
        cmocka_unit_test(what_is_no_path_says_where),
        cmocka_unit_test(names_take_escapes_and_pairs),
        cmocka_unit_test(a_path_has_a_longest_text),
        cmocka_unit_test(filters_have_a_greatest_depth),
        cmocka_unit_test(work_and_matches_have_limits),
        cmocka_unit_test(json_is_written_compact_in_its_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
