#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/script/match.h"
#include "tests/unit/method_test_util.h"

#define ROWS(...)                          \
    (const char *const[][3]){__VA_ARGS__}, \
        sizeof((const char *const[][3]){__VA_ARGS__}) / sizeof(const char *const[3])

#define LIST "[{\"id\":1,\"n\":\"a\"},{\"id\":2,\"n\":\"b\"},{\"id\":3,\"n\":\"b\"}]"
#define MIXED                                                                          \
    "{\"data\":{\"rows\":[{\"id\":1,\"ok\":true,\"x\":1.5,\"tags\":[\"p\",\"q\"]},"    \
    "{\"id\":2,\"ok\":false,\"x\":null,\"sub\":{\"a b\":\"say \\\"hi\\\" \\\\ $1\"}}," \
    "{\"id\":\"03\",\"item\":\"item\",\"sub\":{\"c\":[{\"d\":7}]}}],\"n\":3}}"

// Arguments, result, and, where there is a warning, a part of it.
static void search(struct world *w, const char *json, const char *const rows[][3], size_t n)
{
    world_put(w, "json", VALUE_STRING, json);
    for (size_t i = 0; i < n; i++) {
        char *t = xasprintf("$find(source=${json}%s%s)", *rows[i][0] ? ", " : "", rows[i][0]);
        if (rows[i][2] == NULL)
            gives(w, t, rows[i][1]);
        else
            warns(w, t, rows[i][1], rows[i][2]);
        free(t);
    }
}

static void the_worked_examples_come_out(void **state)
{
    search(*state, LIST,
           ROWS({"where=item.n == \"b\", select=item.id", "2"},
                {"where=item.n == \"b\", select=item.id, match=last", "3"},
                {"where=item.id > 1, match=count", "2"}, {"where=item.id > 9, match=count", "0"},
                {"where=item.id > 9, select=item.id, default=none", "none"},
                {"where=item.n == \"b\", select=item.id, match=all", "[2,3]"},
                {"where=item.n == \"b\", match=index:1", "{\"id\":3,\"n\":\"b\"}"},
                {"select=item.id + 10", "1 + 10"}));
}

static void a_source_is_an_array_or_one_candidate(void **state)
{
    struct world *w = *state;

    search(w, "[]", ROWS({"", ""}, {"match=count", "0"}, {"match=all", "[]"}, {"default=x", "x"}));
    search(w, "[7]", ROWS({"", "7"}, {"match=last", "7"}, {"match=count", "1"}));
    search(w, "[[1,2],[3]]",
           ROWS({"", "[1,2]"}, {"match=count", "2"}, {"match=all", "[[1,2],[3]]"}));
    search(w, "{\"a\" : [1, 2]}",
           ROWS({"", "{\"a\":[1,2]}"}, {"match=count", "1"}, {"select=item.a[1]", "2"}));
    search(w, "true",
           ROWS({"", "true"}, {"where=item", "true"}, {"where=not item, default=no", "no"}));
    search(w, "null",
           ROWS({"", ""}, {"match=all", "[null]"}, {"where=item == \"\", match=count", "1"}));
    // A text that holds JSON, once; other texts are candidates.
    search(w, "\"[1,2]\"", ROWS({"match=count", "2"}));
    search(w, "\"\\\"[1,2]\\\"\"", ROWS({"match=count", "1"}, {"", "[1,2]"}));
    search(w, "\"plain\"", ROWS({"", "plain"}, {"where=item == \"plain\", match=count", "1"}));
}

static void what_is_no_json_gives_the_default_with_a_warning(void **state)
{
    static const char *const none[] = {"", "{", "[1,2] x", "plain", "\xff"};

    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        search(*state, none[i],
               ROWS({"", "", "source is no JSON"}, {"default=7", "7", "no JSON"},
                    {"match=count, default=7", "0", "no JSON"},
                    {"match=all, default=none", "none", "no JSON"}, {"match=all", "", "no JSON"},
                    {"path=$.a, match=last, default=7", "7", "JSON"}));
    is_refused("$find(where=item > 1)", "source");
}

static void a_path_gives_the_candidates(void **state)
{
    search(*state, MIXED,
           ROWS({"path=$.data.rows, match=count", "3"}, {"path=data.rows, match=count", "3"},
                {"path=$.data.rows[*], match=count", "3"}, {"path=$.data.n", "3"},
                {"path=$.data.rows[*].tags, match=all", "[\"p\",\"q\"]"},
                {"path=$..id, match=all", "[1,2,\"03\"]"}, {"path=$.no, match=all", "[]"},
                {"path=$.no, default=none", "none"},
                {"path=$.data.rows[?(@.id == 2)], select=item.ok", "false"},
                {"path=$.data.rows[x], default=9", "9", "path"},
                {"path=$.data.rows[x], match=all", "[]", "find: path"}));
}

static void a_condition_sees_what_the_json_has(void **state)
{
    search(
        *state, MIXED,
        ROWS(
            {"path=$.data.rows, where=item.ok, select=item.id, default=none", "1"},
            {"path=$.data.rows, where=item.x > 1.4 and item.x < 1.6, select=item.id", "1"},
            {"path=$.data.rows, where=item.tags[1] == \"q\", select=item.id", "1"},
            {"path=$.data.rows, where=item.tags[-1] == \"q\", select=item.id", "1"},
            {"path=$.data.rows[2], where=item.sub.c[0].d = 7, select=item.id", "03"},
            // What is not there and null are empty texts.
            {"path=$.data.rows[1:], where=item.x == \"\", select=item.id, match=all", "[2,\"03\"]"},
            {"path=$.data.rows, where=item.no.such[3] == \"\", match=count", "3"},
            // Objects and arrays are their JSON.
            {"path=$.data.rows, where=item.sub.c == \"[{\\\"d\\\":7}]\", match=count", "1"},
            {"path=$.data.rows, where=item.tags == \"[\\\"p\\\",\\\"q\\\"]\", select=item.id", "1"},
            // Texts with quotes, backslashes and "$" in them.
            {"path=$.data.rows, where=item.sub['a b'].Contains(\"say \\\"hi\\\" \\\\ $$1\"), "
             "select=item.id",
             "2"},
            // Members of a text; its length is no member of the JSON.
            {"path=$.data.rows, where=item.item.StartsWith(\"it\"), select=item.id", "03"},
            {"path=$.data.rows, where=(item.item).Length == 4, select=item.id", "03"},
            // Whole words only.
            {"path=$.data.n, where=\"items xitem item_ item2\" == \"items xitem item_ item2\", "
             "match=count",
             "1"}));
}

static void the_word_means_the_candidate_in_quotes_too(void **state)
{
    search(*state, MIXED,
           ROWS({"path=$.data.rows, where=\"n item.id\" == \"n 2\", select=item.id", "2"},
                {"path=$.data.rows, where=\"item.item\" == 'item.item', match=count", "3"},
                {"path=$.data.rows, where=\"<item.sub['a b']>\" == \"<>\", match=count", "2"},
                {"path=$.data.rows, where=\"item.id\" + item.id == \"22\", match=count", "1"}));
}

static void a_condition_is_rendered_once_and_not_again(void **state)
{
    struct world *w = *state;

    world_put(w, "wanted", VALUE_STRING, "b");
    world_put(w, "price", VALUE_STRING, "$wanted");
    search(w, "[{\"n\":\"b\"},{\"n\":\"$wanted\"},{\"n\":\"item.n\"}]",
           ROWS({"where=item.n == \"${wanted}\", match=all", "[{\"n\":\"b\"}]"},
                {"where=item.n == \"${price}\", match=all", "[{\"n\":\"$wanted\"}]"},
                {"where=item.n == \"$$wanted\", match=all", "[{\"n\":\"$wanted\"}]"},
                {"where=$wanted == 1, match=count", "0", "where"}));
}

static void a_wrong_condition_matches_nothing_and_warns_once(void **state)
{
    search(*state, LIST,
           ROWS({"where=item.n >$strcat(values=[]), match=count", "0", "find: where"},
                {"where=item.id + 1, match=count", "0", "where"},
                // Numbers and texts do not compare.
                {"where=item.n > 1, match=count", "0", "candidate 0"},
                {"where=item.n == 1 or item.id == 2, match=count", "0", "candidate 0"}));
    search(*state, "[{\"p\":1},{},{\"p\":3},{\"p\":\"x\"}]",
           ROWS({"where=item.p > 0, match=all, select=item.p", "[1,3]", "candidate 1"}));
}

static void a_condition_that_cannot_be_one_is_refused(void **state)
{
    (void)state;
    is_refused("$find(source=${json}, where=item.n >)", "at its character 12: found the end");
    is_refused("$find(source=${json}, where=item.n == ())", "\"where\", at its character 15");
    is_refused("$find(source=${json}, where=nope(item.id))", "\"where\"");
}

static void a_single_reference_keeps_its_type(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *select;
        enum value_type type;
        const char *text;
    } rows[] = {
        {"item.i", VALUE_INT, "1"},
        {" item.i ", VALUE_INT, "1"},
        {"item.big", VALUE_DOUBLE, "5000000000"},
        {"item.r", VALUE_DOUBLE, "2.5"},
        {"item.b", VALUE_BOOL, "true"},
        {"item.s", VALUE_STRING, "7"},
        {"item['o p'].q", VALUE_STRING, "x"},
        {"item['o p']", VALUE_JSON, "{\"q\":\"x\"}"},
        {"item.a", VALUE_JSON, "[1,2]"},
        {"item.none", VALUE_STRING, ""},
        {"item.no.such", VALUE_STRING, ""},
        // Other text is typed by what it is then.
        {"item.i.0", VALUE_STRING, ""},
        {"item.i0", VALUE_STRING, ""},
        {"item.i/2", VALUE_STRING, "1/2"},
        {"-item.i", VALUE_INT, "-1"},
        {"item.s ", VALUE_STRING, "7"},
        {"0item.i", VALUE_STRING, "0item.i"},
        {"<item.s>", VALUE_STRING, "<7>"},
        {"-item.s", VALUE_INT, "-7"},
        {"tru", VALUE_STRING, "tru"},
        {"true", VALUE_BOOL, "true"},
        {"007", VALUE_STRING, "007"},
        {"item.s-item.i item.s", VALUE_STRING, "7-1 7"},
        {"item.none!", VALUE_STRING, "!"},
        {"{\"i\": item.i, \"s\": item.s, \"t\": \"<item.u>\", \"n\": item.no}", VALUE_JSON,
         "{\"i\":1,\"s\":\"7\",\"t\":\"<\\\"u\\\">\",\"n\":null}"},
        {"[item.a, item.r]", VALUE_JSON, "[[1,2],2.5]"},
    };
    world_put(w, "json", VALUE_JSON,
              "[{\"i\":1,\"big\":5000000000,\"r\":2.5,\"b\":true,\"s\":\"7\",\"a\":[1, 2],"
              "\"o p\":{\"q\":\"x\"},\"none\":null,\"u\":\"\\\"u\\\"\"}]");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *t = xasprintf("$find(source=${json}, select=%s, variable=v)", rows[i].select);
        gives(w, t, rows[i].text);
        is_stored(w, false, "v", rows[i].type, rows[i].text);
        free(t);
    }
}

static void a_nul_in_a_result_is_a_character(void **state)
{
    struct world *w = *state;
    struct value v = {0};

    value_set(&v, VALUE_STRING, false, "a\0b", 3);
    scope_put(&w->session, "nul", &v);
    world_render(w, "$find(source=[5], select=${nul} item ${nul})");
    assert_int_equal(w->out.len, 9);
    assert_memory_equal(w->out.data, "a\0b 5 a\0b", 9);
}

static void a_list_is_json_whatever_the_text(void **state)
{
    struct world *w = *state;

    world_put(w, "latin", VALUE_STRING, "caf\xe9");
    world_put(w, "utf", VALUE_STRING, "caf\xc3\xa9");
    gives(w, "$find(source=[5], select=${latin} item, match=all)", "[\"caf? 5\"]");
    gives(w, "$find(source=[5], select=${utf} \"\" item, match=all)",
          "[\"caf\xc3\xa9 \\\"\\\" 5\"]");
}

static void large_numbers_keep_their_digits(void **state)
{
    search(*state, "[{\"id\":18446744073709551615},{\"id\":9223372036854775807},{\"id\":1e999}]",
           ROWS({"select=item.id", "18446744073709551615"},
                {"select=item.id, match=index:1", "9223372036854775807"},
                {"where=item.id == \"18446744073709551615\", match=first, select=item.id",
                 "18446744073709551615"},
                {"select=item.id, match=last", "1e999"}));
}

static void match_says_which_of_them(void **state)
{
    search(*state, "[10,11,12]",
           ROWS({"", "10"}, {"match=first", "10"}, {"match=LAST", "12"}, {"match=index:0", "10"},
                {"match=index:2", "12"}, {"match=Index: 1", "11"}, {"match=index:3", ""},
                {"match=index:3, default=d", "d"}, {"match=index:4294967295, default=d", "d"},
                {"match=index:4294967296", "10", "taken as 0"}, {"match=index:-1", "10", "as 0"},
                {"match=index:", "10", "as 0"}, {"match=index:x", "10", "as 0"},
                {"match=second", "10", "taken as first"}, {"match=", "10", "taken as first"},
                {"match=all", "[10,11,12]"}, {"match=count, default=d", "3"},
                {"where=item > 99, match=all, default=d", "[]"},
                {"where=item > 99, match=count, default=d", "0"},
                {"where=item > 99, match=last, default=d", "d"}));
}

static void a_default_is_typed(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *dflt;
        enum value_type type;
        const char *text;
    } rows[] = {
        {"", VALUE_STRING, ""},         {"5", VALUE_INT, "5"},
        {"2.50", VALUE_DOUBLE, "2.5"},  {"false", VALUE_BOOL, "false"},
        {"05", VALUE_STRING, "05"},     {"{\"a\": [1, 2]}", VALUE_JSON, "{\"a\":[1,2]}"},
        {"item", VALUE_STRING, "item"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *t = xasprintf("$find(source=[], default=%s, variable=v)", rows[i].dflt);
        gives(w, t, rows[i].text);
        is_stored(w, false, "v", rows[i].type, rows[i].text);
        free(t);
    }
}

static void results_are_stored_as_asked(void **state)
{
    struct world *w = *state;

    world_put(w, "json", VALUE_JSON, LIST);
    gives(w, "$find(source=${json}, select=item.id, as=string, variable=a)", "1");
    is_stored(w, false, "a", VALUE_STRING, "1");
    gives(w, "$find(source=${json}, select=item.id, as=double, variable=b, isGlobal=true)", "1");
    is_stored(w, true, "b", VALUE_DOUBLE, "1");
    gives(w, "$find(source=${json}, select=item.id + 10, as=int, variable=c)", "1 + 10");
    is_stored(w, false, "c", VALUE_INT, "11");
    gives(w, "$find(source=${json}, select=item.n, as=int, variable=d)", "a");
    is_stored(w, false, "d", VALUE_STRING, "a");
    gives(w, "$find(source=${json}, match=all, variable=e)", LIST);
    is_stored(w, false, "e", VALUE_JSON, LIST);
    gives(w, "${e[2].n}", "b");
    gives(w, "$find(source=${json}, match=count, variable=f)", "3");
    is_stored(w, false, "f", VALUE_INT, "3");
    gives(w, "$find(source=${json}, match=all, select=item.n, as=string, variable=g)",
          "[\"a\",\"b\",\"b\"]");
    is_stored(w, false, "g", VALUE_STRING, "[\"a\",\"b\",\"b\"]");
}

static void candidates_have_a_limit(void **state)
{
    struct world *w = *state;
    struct buf json = {0};

    buf_puts(&json, "[0");
    for (size_t i = 1; i < FIND_CANDIDATES_MAX; i++)
        buf_puts(&json, ",0");
    buf_puts(&json, "]");
    search(w, json.data,
           ROWS({"match=count", "100000"}, {"where=item < 1, match=count", "100000"}));
    json.data[json.len - 1] = ',';
    buf_puts(&json, "0]");
    search(w, json.data,
           ROWS({"match=count", "0", "more than 100000"}, {"default=d", "d", "more than 100000"}));
    buf_done(&json);
}

static void a_result_has_a_limit(void **state)
{
    struct world *w = *state;
    struct buf json = {0};

    buf_puts(&json, "[\"");
    for (size_t i = 0; i < 1 << 20; i++)
        buf_puts(&json, "x");
    buf_puts(&json, "\"");
    for (size_t i = 0; i < 100; i++)
        buf_puts(&json, ",1");
    buf_puts(&json, "]");
    // Together one byte more than is taken: 16 texts of a mebibyte.
    search(w, json.data, ROWS({"match=count", "101"}));
    world_put(w, "big", VALUE_JSON, json.data);
    warns(w,
          "$find(source=[${big},${big},${big},${big},${big},${big},${big},${big}],"
          " match=all, select=item[0]item[0])",
          "", "more than 16777216 bytes");
    buf_done(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(the_worked_examples_come_out),
        world_test(a_source_is_an_array_or_one_candidate),
        world_test(what_is_no_json_gives_the_default_with_a_warning),
        world_test(a_path_gives_the_candidates),
        world_test(a_condition_sees_what_the_json_has),
        world_test(the_word_means_the_candidate_in_quotes_too),
        world_test(a_condition_is_rendered_once_and_not_again),
        world_test(a_wrong_condition_matches_nothing_and_warns_once),
        world_test(a_condition_that_cannot_be_one_is_refused),
        world_test(a_single_reference_keeps_its_type),
        world_test(a_nul_in_a_result_is_a_character),
        world_test(a_list_is_json_whatever_the_text),
        world_test(large_numbers_keep_their_digits),
        world_test(match_says_which_of_them),
        world_test(a_default_is_typed),
        world_test(results_are_stored_as_asked),
        world_test(candidates_have_a_limit),
        world_test(a_result_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
