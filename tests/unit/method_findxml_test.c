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

#define SHOP                                                                 \
    "<shop><item id=\"1\" kind=\"a\"><n>pen</n><price>1.5</price></item>"    \
    "<item id=\"2\" kind=\"b\"><n>ink &amp; pot</n><price>12</price></item>" \
    "<item id=\"03\" kind=\"b\"><n/><!-- none --><price>7</price></item></shop>"
#define SPACED                                                                              \
    "<s:env xmlns:s=\"urn:soap\" xmlns=\"urn:x\"><s:body><r p=\"1\" s:q=\"2\"><v>5</v></r>" \
    "</s:body><s:end/></s:env>"

// Arguments, result, and, where there is a warning, a part of it.
static void search(struct world *w, const char *xml, const char *const rows[][3], size_t n)
{
    world_put(w, "xml", VALUE_STRING, xml);
    for (size_t i = 0; i < n; i++) {
        char *t = xasprintf("$findxml(source=${xml}%s%s)", *rows[i][0] ? ", " : "", rows[i][0]);
        if (rows[i][2] == NULL)
            gives(w, t, rows[i][1]);
        else
            warns(w, t, rows[i][1], rows[i][2]);
        free(t);
    }
}

static void candidates_are_what_the_root_contains_or_a_path_gives(void **state)
{
    search(*state, SHOP,
           ROWS({"match=count", "3"}, {"", "pen1.5"}, {"path=//n", "pen"},
                {"path=/shop/item[2]/n", "ink & pot"},
                {"path=//@id, match=all", "[\"1\",\"2\",\"03\"]"},
                {"path=/shop/no, match=count", "0"}, {"path=/shop/no, default=d", "d"},
                {"path=//comment(), match=last", " none "}, {"path=/, match=count", "1"},
                {"path=//item[, default=d]", "", "path"}, {"path=//a:n, default=d", "d", "prefix"},
                {"path=nope(), match=all", "[]", "function"},
                {"path=count(//n), default=d", "d", "no nodes"},
                {"path=//n | //price, match=count", "6"}));
    search(*state, "<a/>", ROWS({"match=count", "0"}, {"match=all", "[]"}, {"default=d", "d"}));
    search(*state, "<a>t<!-- c --></a>", ROWS({"match=count", "0"}, {"path=/a", "t"}));
}

static void what_is_no_xml_matches_nothing_with_a_warning(void **state)
{
    static const char *const none[] = {"", "text", "<a>", "<a></b>", "{\"a\":1}", "<a/><b/>"};

    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        search(*state, none[i],
               ROWS({"", "", "findxml: source: it is no XML"}, {"default=7", "7", "no XML"},
                    {"match=count, default=7", "0", "no XML"},
                    {"match=all, default=7", "[]", "no XML"}));
    search(*state, "<!DOCTYPE a [<!ENTITY e \"x\">]><a><b>&e;</b></a>", ROWS({"", "", "entities"}));
    search(*state, "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/hostname\">]><a><b>&e;</b></a>",
           ROWS({"", "", "entities"}));
    is_refused("$findxml(path=//a)", "source");
}

static void a_predicate_says_which(void **state)
{
    search(*state, SHOP,
           ROWS({"where=@kind='b', select=@id", "2"}, {"where=price > 10, select=n", "ink & pot"},
                {"where=@kind=\"b\" and price < 10, select=@id", "03"},
                {"where=2, select=@id", "2"}, {"where=last(), select=@id", "03"},
                {"where=@kind='c', default=none", "none"}, {"where=@kind='b', match=count", "2"},
                {"where=@kind=, match=count", "0", "path with where"},
                {"path=//price, where=. > 5, match=all", "[\"12\",\"7\"]"}));
}

static void a_path_from_the_match_gives_the_text(void **state)
{
    search(*state, SHOP,
           ROWS({"select=.", "pen1.5"}, {"select=n", "pen"}, {"select=../item[2]/n", "ink & pot"},
                {"select=@id, match=all", "[\"1\",\"2\",\"03\"]"}, {"select=count(*)", "2"},
                {"select=price * 2", "3"}, {"select=@id = 1", "true"},
                {"select=string-length(n)", "3"}, {"select=concat(@id\\, n)", "", "select"},
                // Nothing there is an empty text, and no reason for the default.
                {"select=no, default=d", ""}, {"select=no, match=all", "[\"\",\"\",\"\"]"},
                {"select=n[, default=d]", "", "findxml: select"},
                {"select=x:n, default=d", "", "prefix"}, {"select=x:n, match=all", "", "prefix"}));
}

static void match_says_which_of_them(void **state)
{
    search(*state, "<a><b>1</b><b>2</b><b>3</b></a>",
           ROWS({"", "1"}, {"match=last", "3"}, {"match=index:1", "2"},
                {"match=index:3, default=d", "d"}, {"match=index:x", "1", "taken as 0"},
                {"match=count", "3"}, {"match=ALL", "[\"1\",\"2\",\"3\"]"},
                {"match=other", "1", "taken as first"}));
}

static void namespaces_are_declared_or_ignored(void **state)
{
    search(
        *state, SPACED,
        ROWS({"path=//v, match=count", "0"}, {"path=//x:v, namespaces=x=urn:x", "5"},
             {"path=//e:body/x:r, select=x:v, namespaces=e=urn:soap;x=urn:x", "5"},
             {"path=//x:r, select=@e:q, namespaces= e = urn:soap ; x=urn:x;", "2"},
             {"path=//x:v, namespaces=x=urn:other, match=count", "0"},
             // Prefixes of the document are not those of the paths.
             {"path=//s:body, match=count", "0", "prefix"},
             {"path=//v, ignoreNamespaces=true", "5"},
             {"path=//r, select=@q, ignoreNamespaces=true", "2"},
             {"path=/env/end, match=count, ignoreNamespaces=true", "1"},
             {"path=//x:v, match=count, ignoreNamespaces=true, namespaces=x=urn:x", "0", "prefix"},
             {"path=/*, match=count, namespaces=x", "1", "prefix=uri"},
             {"path=/*, match=count, namespaces==urn:x", "1", "prefix=uri"}));
    is_refused("$findxml(source=<a/>, ignoreNamespaces=maybe)", "true or false");
}

static void results_are_strings_unless_asked_otherwise(void **state)
{
    struct world *w = *state;

    world_put(w, "xml", VALUE_XML, SHOP);
    gives(w, "$findxml(source=${xml}, select=@id, variable=a)", "1");
    is_stored(w, false, "a", VALUE_STRING, "1");
    gives(w, "$findxml(source=${xml}, select=@id, variable=b, as=int, isGlobal=true)", "1");
    is_stored(w, true, "b", VALUE_INT, "1");
    gives(w, "$findxml(source=${xml}, select=price, variable=c, as=auto)", "1.5");
    is_stored(w, false, "c", VALUE_DOUBLE, "1.5");
    gives(w, "$findxml(source=${xml}, match=count, variable=d)", "3");
    is_stored(w, false, "d", VALUE_INT, "3");
    gives(w, "$findxml(source=${xml}, select=n, match=all, variable=e)",
          "[\"pen\",\"ink & pot\",\"\"]");
    is_stored(w, false, "e", VALUE_JSON, "[\"pen\",\"ink & pot\",\"\"]");
    gives(w, "$findxml(source=${xml}, path=//no, default=5, variable=f)", "5");
    is_stored(w, false, "f", VALUE_STRING, "5");
    gives(w, "$findxml(source=${xml}, path=//no, default=5, as=double, variable=g)", "5");
    is_stored(w, false, "g", VALUE_DOUBLE, "5");
}

static void matches_and_work_have_limits(void **state)
{
    struct world *w = *state;
    struct buf xml = {0};

    buf_puts(&xml, "<a>");
    for (size_t i = 0; i < FIND_CANDIDATES_MAX; i++)
        buf_puts(&xml, "<b/>");
    size_t len = xml.len;
    buf_puts(&xml, "</a>");
    search(w, xml.data,
           ROWS({"match=count", "100000"}, {"select=name(), match=last", "b"},
                {"where=count(//b) > 0, match=count", "0", "more work"},
                {"select=count(//b), match=all", "", "more work"}));
    xml.len = len;
    buf_puts(&xml, "<b/></a>");
    search(w, xml.data, ROWS({"match=count", "0", "more than 100000"}));
    buf_done(&xml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(candidates_are_what_the_root_contains_or_a_path_gives),
        world_test(what_is_no_xml_matches_nothing_with_a_warning),
        world_test(a_predicate_says_which),
        world_test(a_path_from_the_match_gives_the_text),
        world_test(match_says_which_of_them),
        world_test(namespaces_are_declared_or_ignored),
        world_test(results_are_strings_unless_asked_otherwise),
        world_test(matches_and_work_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
