#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "common/script/method.h"

// A table of methods that stands for the real one: enough to see what calls do.

static void give_text(const struct call *call, size_t i, struct script_env *env,
                      struct value *ret_value)
{
    struct buf text = {0};

    if (call_text(call, i, env, &text))
        value_set(ret_value, VALUE_STRING, false, text.len ? text.data : "", text.len);
    buf_done(&text);
}

static void echo(const struct call *call, struct script_env *env, struct value *ret_value)
{
    give_text(call, 0, env, ret_value);
}

static void count(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct scope_counter c = {.name = ""};

    if (call_int(call, 0, env, &c.start) && call_int(call, 1, env, &c.reset) &&
        call_int(call, 2, env, &c.step))
        value_set_int(ret_value, scope_count(env->session, &c));
}

// The elements of a list of numbers.
static void length(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf text = {0};
    int n = 1;

    call_text(call, 0, env, &text);
    for (size_t i = 0; i < text.len; i++)
        n += text.data[i] == ',';
    value_set_int(ret_value, n);
    buf_done(&text);
}

static void types(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf text = {0};
    int64_t n = -1;
    double x = -1;

    bool has_n = call_int(call, 0, env, &n), has_x = call_number(call, 1, env, &x);
    buf_printf(&text, "%s%lld %s%g %s %s %s", has_n ? "" : "no ", (long long)n, has_x ? "" : "no ",
               x, call_bool(call, 2, env) ? "true" : "false",
               call_condition(call, 3, env) ? "true" : "false",
               call_type(call, 4, env) == VALUE_UNDEFINED
                   ? "inferred"
                   : value_type_name(call_type(call, 4, env), false));
    value_set(ret_value, VALUE_STRING, false, text.data, text.len);
    buf_done(&text);
}

static void set(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf name = {0};
    struct value v = {0};

    call_text(call, 0, env, &name);
    give_text(call, 1, env, ret_value);
    value_copy(&v, ret_value);
    script_store(env, name.data, call_is_global(call, env), &v);
    buf_done(&name);
}

static void nothing(const struct call *call, struct script_env *env, struct value *ret_value)
{
    (void)call;
    (void)env;
    (void)ret_value;
}

static const struct method_param source[] = {{.name = "source", .kind = METHOD_TEXT}, {0}};
static const struct method_param needed[] = {
    {.name = "value", .kind = METHOD_TEXT, .is_required = true}, {0}};
static const struct method_param counting[] = {{"start", METHOD_INT, false, "0", ""},
                                               {"reset", METHOD_INT, false, "100000", ""},
                                               {"step", METHOD_INT, false, "1", ""},
                                               {0}};
static const struct method_param typed[] = {
    {"n", METHOD_INT, false, "10", ""},       {"x", METHOD_NUMBER, false, NULL, ""},
    {"flag", METHOD_BOOL, false, "true", ""}, {"if", METHOD_EXPR, false, NULL, ""},
    {"as", METHOD_TYPE, false, NULL, ""},     {0}};
static const struct method_param setting[] = {
    {"variable", METHOD_NAME, true, NULL, ""}, {"value", METHOD_TEXT, false, "", ""}, {0}};
static const struct method_param listing[] = {
    {"args", METHOD_LIST, false, NULL, ""}, {"template", METHOD_TEXT, false, NULL, ""}, {0}};
static const struct method_param reading[] = {{"source", METHOD_TEXT, false, NULL, ""},
                                              {"path", METHOD_FILE, false, NULL, ""},
                                              {"name", METHOD_ENTRY, false, NULL, ""},
                                              {0}};
static const char *const echo_aliases[] = {"say", "repeat", NULL};

static const struct method methods[] = {
    {.name = "echo", .aliases = echo_aliases, .params = source, .is_positional = true, .run = echo},
    {.name = "need", .params = needed, .run = echo},
    {.name = "counter", .params = counting, .run = count},
    {.name = "length", .params = source, .is_positional = true, .run = length},
    {.name = "types", .params = typed, .run = types},
    {.name = "set", .params = setting, .run = set},
    {.name = "list", .params = listing, .run = echo},
    {.name = "read", .params = reading, .run = nothing},
    {.name = "nothing", .params = NULL, .run = nothing},
};

const struct method *method_at(size_t i, const char **ret_heading)
{
    (void)ret_heading;
    return i < sizeof methods / sizeof *methods ? &methods[i] : NULL;
}

// --- A session with the variables of the worked examples ---

static struct {
    struct scope session;
    struct script_env env;
    struct buf said; // warnings, a line each
    int n_said;
} world;

static void listen(void *arg, const char *text)
{
    (void)arg;
    buf_printf(&world.said, "%s\n", text);
    world.n_said++;
}

static void define(struct scope *s, const char *name, enum value_type type, bool is_quoted,
                   const char *text)
{
    struct value v = {0};

    assert_int_equal(value_set(&v, type, is_quoted, text, strlen(text)), 0);
    if (s != NULL)
        assert_true(scope_put(s, name, &v));
    else
        assert_true(globals_put(world.env.globals, name, &v));
}

static int set_up(void **state)
{
    (void)state;
    world.env = (struct script_env){
        .session = &world.session, .globals = globals_new(), .n_parts = 1, .warn = listen};
    define(NULL, "a", VALUE_INT, false, "1");
    define(NULL, "name", VALUE_STRING, false, "Bob");
    define(NULL, "idx", VALUE_INT, false, "1");
    define(NULL, "list", VALUE_JSON, false, "[10,20,30]");
    define(NULL, "key", VALUE_STRING, false, "name");
    define(NULL, "csv", VALUE_CSV, false, "h1,h2\nx,y\nz,w");
    define(NULL, "q", VALUE_STRING, true, "OK");
    define(NULL, "blank", VALUE_STRING, false, "");
    define(NULL, "dollar", VALUE_STRING, false, "$name ${name} $$");
    define(NULL, "deep", VALUE_JSON, false, "{\"name\": {\"x\": [1, {\"y\": \"z\"}]}}");
    define(NULL, "xml", VALUE_XML, false, "<r><i>1</i><i>2</i></r>");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scope_done(&world.session);
    globals_free(world.env.globals);
    buf_done(&world.said);
    memset(&world, 0, sizeof world);
    return 0;
}

static struct tmpl *compile(const char *text)
{
    struct tmpl_error error;
    struct tmpl *t;

    if (tmpl_compile(text, strlen(text), &t, &error) < 0)
        fail_msg("%s: %zu: %s", text, error.at, error.text);
    return t;
}

static void renders_tmpl(const struct tmpl *t, const char *text, const char *want)
{
    struct buf out = {0};

    tmpl_render(t, &world.env, &out);
    if (strcmp(out.data ? out.data : "", want) != 0)
        fail_msg("%s gave [%s], not [%s]", text, out.data ? out.data : "", want);
    assert_int_equal(out.len, strlen(want));
    assert_int_equal(world.env.depth, 0);
    buf_done(&out);
}

// With so many warnings.
static void renders_with(const char *text, const char *want, int n_warnings)
{
    struct tmpl *t = compile(text);
    int before = world.n_said;

    renders_tmpl(t, text, want);
    if (world.n_said != before + n_warnings)
        fail_msg("%s: %d warnings: %s", text, world.n_said - before, world.said.data);
    tmpl_free(t);
}

static void renders(const char *text, const char *want)
{
    renders_with(text, want, 0);
}

// The last warning.
static void warned(const char *want)
{
    assert_non_null(world.said.data);
    world.said.data[world.said.len - 1] = '\0';
    const char *last = strrchr(world.said.data, '\n');
    assert_string_equal(last ? last + 1 : world.said.data, want);
    world.said.data[world.said.len - 1] = '\n';
}

static void refuses_bytes(const char *text, size_t len, size_t at, const char *want)
{
    struct tmpl_error error = {.at = SIZE_MAX};
    struct tmpl *t = NULL;

    assert_int_equal(tmpl_compile(text, len, &t, &error), -EINVAL);
    assert_null(t);
    if (error.at != at || strcmp(error.text, want) != 0)
        fail_msg("%.100s: %zu: %s", text, error.at, error.text);
}

static void refuses(const char *text, size_t at, const char *want)
{
    refuses_bytes(text, strlen(text), at, want);
}

static void text_without_placeholders_stays(void **state)
{
    (void)state;
    renders("", "");
    renders(" blanks stay ", " blanks stay ");
    renders("$", "$");
    renders("5 $", "5 $");
    renders("$ 5", "$ 5");
    renders("$-$_$,", "$-$_$,");
    renders("$.a[0] $[1] $..b", "$.a[0] $[1] $..b"); // JSON paths
    renders("a \\ \" ' { } ( ) [ ]", "a \\ \" ' { } ( ) [ ]");
}

static void two_dollars_are_one(void **state)
{
    (void)state;
    renders("$$", "$");
    renders("$$a", "$a");
    renders("$$$$", "$$");
    renders("$$$a", "$1");
    renders("$${a}", "${a}");
    renders("$a$$", "1$");
}

static void placeholders_give_the_worked_examples(void **state)
{
    (void)state;
    renders("v=$a;", "v=1;");
    renders("$a_$name", "1_Bob");
    renders("$$a", "$a");
    renders("${${key}}", "Bob");
    renders("${list[$idx]}", "20");
    renders("${list[$idx+1]}", "30");
    renders("${list[$length($list)-1]}", "30");
    renders("${csv[0,1]}", "y");
    renders("[$a, $name]", "[1, Bob]");
    renders_with("${nope.x}", "${nope.x}", 1);
    warned("${nope.x}: there is no such variable");
    renders_with("$nope", "${nope}", 1);
    warned("${nope}: there is no such variable");
    refuses("${a", 0, "found '{' without its '}'");
}

static void counters_give_the_worked_examples(void **state)
{
    static const char *const up = "$counter(start=1, reset=3)",
                             *const down = "$counter(start=3, reset=1, step=-1)";

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        renders(up, (const char *[]){"1", "2", "3", "1", "2"}[i]);
        renders(down, (const char *[]){"3", "2", "1", "3", "2"}[i]);
    }
}

static void a_bare_name_ends_at_what_cannot_be_in_it(void **state)
{
    (void)state;
    renders("$name-$name,$name'$name\"$name:", "Bob-Bob,Bob'Bob\"Bob:");
    renders("$name$name", "BobBob");
    renders("$name}", "Bob}");
    renders("$name)", "Bob)");
    renders("$name]", "Bob]");
    renders("$name\xc3\xa4", "Bob\xc3\xa4");
    renders("[[$a],[$list[0]]]", "[[1],[10]]");
    renders("$deep.name.x[1].y!", "z!");
    renders("$xml/r/i[2] and", "2 and");
    renders("$list[$idx + $a] is", "30 is");
    renders_with("$name. Hi", " Hi", 1); // the dot begins a path, and texts have none
}

static void the_text_is_trimmed_where_it_has_placeholders(void **state)
{
    (void)state;
    renders(" \t\n$a b\r\n ", "1 b");
    renders("$blank x ", " x");
    renders(" $$ ", " $ ");
}

static void what_was_substituted_is_not_looked_at_again(void **state)
{
    (void)state;
    renders("$dollar!", "$name ${name} $$!");
    renders("$echo($dollar)", "$name ${name} $$");
}

static void quoted_values_come_in_quotes(void **state)
{
    (void)state;
    renders("$q", "\"OK\"");
    renders("{\"a\": ${q}}", "{\"a\": \"OK\"}");
    renders_with("${q.x}", "\"\"", 1);
}

static void paths_that_find_nothing_are_empty_with_a_warning(void **state)
{
    (void)state;
    renders_with("<${list[3]}>", "<>", 1);
    renders_with("<${name.x}>", "<>", 1);
    renders_with("<${list[}>", "<>", 1);
}

static void names_and_paths_can_be_put_together(void **state)
{
    (void)state;
    renders("${deep.${key}.x[0]}", "1");
    renders("${deep.${key}.x[${a}].y}", "z");
    define(NULL, "whole", VALUE_STRING, false, "list[2]");
    renders("${$whole}", "30");
    renders("${${echo(ke)}${echo(y)}}", "name");
    renders_with("${$blank}", "${}", 1);
    renders_with("${}", "${}", 1);
    renders_with("${list[$nope]}", "", 2);
    renders_with("${x$$y}", "${x$y}", 1);
}

static void the_session_comes_before_globals(void **state)
{
    (void)state;
    define(&world.session, "name", VALUE_STRING, false, "Eve");
    renders("$name ${${key}}", "Eve Eve");
}

static void placeholders_nest_to_a_limit(void **state)
{
    struct buf deep = {0}, deeper = {0};

    (void)state;
    for (int i = 0; i < TMPL_DEPTH_MAX; i++)
        buf_puts(&deep, "${echo(");
    buf_puts(&deep, "$a");
    for (int i = 0; i < TMPL_DEPTH_MAX; i++)
        buf_puts(&deep, ")}");
    renders(deep.data, "1");
    buf_printf(&deeper, "$echo(%s)", deep.data);
    refuses(deeper.data, 6 + 7 * TMPL_DEPTH_MAX,
            "found more than 10 placeholders within placeholders");
    world.env.depth = 1; // within another, rendering goes less deep
    struct tmpl *t = compile(deep.data);
    struct buf out = {0};
    tmpl_render(t, &world.env, &out);
    assert_int_equal(out.len, 0);
    warned("more than 10 placeholders within placeholders");
    buf_done(&out);
    tmpl_free(t);
    buf_done(&deeper);
    buf_done(&deep);
}

static void brackets_need_their_counterparts(void **state)
{
    (void)state;
    refuses("x ${", 2, "found '{' without its '}'");
    refuses("${a${b}", 0, "found '{' without its '}'");
    refuses("$echo(a", 5, "found '(' without its ')'");
    refuses("$echo(a(b)", 5, "found '(' without its ')'");
    refuses("${echo(a}", 6, "found '(' without its ')'");
    refuses("$list[0", 5, "found '[' without its ']'");
    refuses("${echo(a).b}", 9, "found text behind the ')' of a method, expected '}'");
    refuses("$name(", 5, "found '(' without its ')'");
}

static void a_text_too_long_is_refused(void **state)
{
    char *text = xcalloc(TMPL_BYTES_MAX + 1, 1);
    struct tmpl_error error;
    struct tmpl *t;

    (void)state;
    memset(text, 'x', TMPL_BYTES_MAX + 1);
    assert_int_equal(tmpl_compile(text, TMPL_BYTES_MAX, &t, &error), 0);
    tmpl_free(t);
    refuses_bytes(text, TMPL_BYTES_MAX + 1, 0,
                  "found a text of 262145 bytes, expected at most 262144");
    free(text);
}

static void a_text_rendered_too_long_is_cut(void **state)
{
    char *half = xcalloc(TMPL_RENDERED_MAX / 2 + 1, 1);
    struct tmpl *t = compile("$half$half"), *more = compile("$half${half}x$name");
    struct buf out = {0};

    (void)state;
    memset(half, 'h', TMPL_RENDERED_MAX / 2);
    define(NULL, "half", VALUE_STRING, false, half);
    buf_puts(&out, "before");
    tmpl_render(t, &world.env, &out);
    assert_int_equal(out.len, 6 + TMPL_RENDERED_MAX);
    assert_int_equal(world.n_said, 0);
    out.len = 6;
    tmpl_render(more, &world.env, &out);
    assert_int_equal(out.len, 6 + TMPL_RENDERED_MAX);
    assert_int_equal(out.data[out.len - 1], 'h');
    warned("a text is cut after 16777216 bytes");
    buf_done(&out);
    tmpl_free(more);
    tmpl_free(t);
    free(half);
}

static void a_bare_call_ends_at_its_parenthesis(void **state)
{
    (void)state;
    renders("$echo(a)/x", "a/x");
    renders("$echo(a).b[0]", "a.b[0]");
    renders("$echo(a)$echo(b)", "ab");
    renders("${echo(a)}b", "ab");
    renders("$echo((a)(b))c", "(a)(b)c");
    renders("x$nothing()y", "xy");
}

static void methods_are_found_by_name_and_alias_in_any_case(void **state)
{
    (void)state;
    renders("$ECHO(a)$Say(b)${rePeat(c)}", "abc");
    refuses("$echos()", 1, "unknown method \"echos\", did you mean \"echo\"?");
    refuses("x $sey(a)", 3, "unknown method \"sey\", did you mean \"say\"?");
    refuses("$foobarbaz()", 1, "unknown method \"foobarbaz\"");
    refuses("$echo(a=$nothin())", 6, "found \"a\", which echo does not take");
    refuses("$echo($nothin())", 7, "unknown method \"nothin\", did you mean \"nothing\"?");
    assert_null(method_find("", 0));
    assert_null(method_nearest("", 0));
    assert_ptr_equal(method_find("saying", 3), &methods[0]);
}

static void arguments_are_split_at_commas_outside_of_brackets_and_quotes(void **state)
{
    (void)state;
    renders("$echo(source=a)", "a");
    renders("$echo( source = a b )", "a b");
    renders("$echo(source=[a, b])", "[a, b]");
    renders("$echo(source={a, b})", "{a, b}");
    renders("$echo(source=(a, b))", "(a, b)");
    renders("$echo(source=\"a, b\")", "\"a, b\"");
    renders("$echo(source=\"[\", variable=v)", "\"[\"");
    renders("$echo([a, b])", "[a, b]");
    renders("$echo(\"a=b\")", "\"a=b\"");
    renders("$echo(source=a=b)", "a=b");
    renders("$echo(source=a, source=b)", "a"); // the first counts
    renders("$echo(, source=a ,, )", "a");
    renders("$echo(source=)", "");
    renders("$echo(variable=v, $a)", "1");
    renders("$echo(source=${deep.name.x[1].y})", "z");
    renders("$echo(a])", "a]");
}

static void a_list_goes_on_to_the_next_name(void **state)
{
    (void)state;
    renders("$list(args=Alice,12345)", "Alice,12345");
    renders("$list(args=[a, b], template=x)", "[a, b]");
    renders("$list(template=x, args= $a , b ,c)", "1 , b ,c");
    refuses("$list(template=x, y)", 18, "found \"y\", expected name=value");
    refuses("$list(args=a, b=2)", 14, "found \"b\", which list does not take");
}

static void arguments_have_to_be_the_method_s(void **state)
{
    (void)state;
    refuses("$echo(sauce=a)", 6,
            "found \"sauce\", which echo does not take, did you mean "
            "\"source\"?");
    refuses("$echo(Source=a)", 6,
            "found \"Source\", which echo does not take, did you mean "
            "\"source\"?");
    refuses("$echo(a, b)", 9, "found \"b\", expected name=value");
    refuses("$counter(5)", 9, "found \"5\", expected name=value");
    refuses("a $need()", 3, "found need without \"value\", expected one");
    refuses("$echo(source=a, b)", 16, "found \"b\", expected name=value");
}

static void literal_arguments_have_to_be_of_their_type(void **state)
{
    (void)state;
    refuses("$types(n=abc)", 9, "found \"abc\" for \"n\", expected a whole number");
    refuses("$types(n=)", 9, "found \"\" for \"n\", expected a whole number");
    refuses("$types(x=1..2)", 9, "found \"1..2\" for \"x\", expected a number");
    refuses("$types(flag=yes)", 12, "found \"yes\" for \"flag\", expected true or false");
    refuses("$echo(a, isGlobal=1)", 18, "found \"1\" for \"isGlobal\", expected true or false");
    refuses("$echo(a, variable=)", 18,
            "found \"\" for \"variable\", expected the name of a variable");
    refuses("$types(if=1 +)", 13, "found the end of the expression, expected a value");
    refuses("x$types(if= \"a\" < 1)", 12,
            "found \"a\" (a text) beside 1 (a number), expected two of a kind");
}

static void arguments_are_worked_out_as_their_types(void **state)
{
    (void)state;
    renders("$types()", "10 no -1 true false inferred");
    renders("$types(n=3, x=1.5, flag=FALSE, if=1 < 2, as=json)", "3 1.5 false true Json");
    renders("$types(n=2*(3+4), x=1/4.0)", "14 0.25 true false inferred");
    renders("$types(n=2.5)", "2 no -1 true false inferred");
    renders("$types(n=3.5)", "4 no -1 true false inferred");
}

static void renders_types(const char *args, const char *want, int n_warnings)
{
    char text[200];

    snprintf(text, sizeof text, "$types(%s)", args);
    renders_with(text, want, n_warnings);
}

static void what_is_no_such_value_is_taken_as_the_default(void **state)
{
    (void)state;
    renders_types("n=$a, x=$a, flag=$echo(false), if=$a = 1, as=$echo(float)",
                  "1 1 false true Double", 0);
    renders_types("n=$name", "10 no -1 true false inferred", 1);
    warned("types: n is no whole number, and taken as 10");
    renders_types("x=$name", "10 no -1 true false inferred", 1);
    warned("types: x is no number");
    renders_types("flag=$name", "10 no -1 true false inferred", 1);
    warned("types: flag is neither true nor false, and taken as true");
    renders_types("n=$blank", "10 no -1 true false inferred", 1);
    renders_types("if=$name", "10 no -1 true false inferred", 1);
    warned("\"$name\", character 1: found other text in $name, expected a number, true, false, "
           "null or a text in quotes; taken as false");
    renders_types("as=number", "10 no -1 true false Double", 0);
    renders_types("as=response", "10 no -1 true false inferred", 0);
    renders_types("as=auto", "10 no -1 true false inferred", 0);
    renders_types("as=$blank", "10 no -1 true false inferred", 0);
}

static void results_are_stored_where_variable_says(void **state)
{
    (void)state;
    renders("$echo(x, variable=v)", "x");
    assert_string_equal(scope_find(&world.session, "v")->text, "x");
    renders("$counter(variable=$key)", "0");
    assert_string_equal(scope_find(&world.session, "name")->text, "0");
    assert_int_equal(scope_find(&world.session, "name")->type, VALUE_INT);
    renders("$nothing(variable=v)", "");
    assert_string_equal(scope_find(&world.session, "v")->text, "");
    renders_with("$echo(x, variable=$blank)", "x", 1);
    warned("echo: the name in \"variable\" is empty");
}

static void is_global_stores_for_the_process(void **state)
{
    struct value v = {0};

    (void)state;
    renders("$echo(x, variable=v, isGlobal=true)", "x");
    assert_null(scope_find(&world.session, "v"));
    assert_true(globals_get(world.env.globals, "v", &v));
    assert_string_equal(v.text, "x");
    renders_with("$echo(y, variable=v, isGlobal=$name)", "y", 1);
    warned("echo: isGlobal is neither true nor false");
    assert_string_equal(scope_find(&world.session, "v")->text, "y");
    value_done(&v);
}

static void a_method_may_store_by_itself(void **state)
{
    (void)state;
    renders("$set(variable=v, value=x$a)", "x1");
    assert_string_equal(scope_find(&world.session, "v")->text, "x1");
    refuses("$set(value=x)", 1, "found set without \"variable\", expected one");
    refuses("$set(variable=, value=x)", 14,
            "found \"\" for \"variable\", expected the name of a variable");
}

static void placeholders_are_told_from_dollars(void **state)
{
    static const struct {
        const char *text;
        bool is_needed;
    } rows[] = {{"", false},    {"a", false},   {"$", false},  {"$$", false},    {"$$a", false},
                {"$$$a", true}, {"$a", true},   {"${}", true}, {"$.a", false},   {"x $ y $1", true},
                {"$$${", true}, {"$_a", false}, {"a$", false}, {"$$$$a", false}, {"$echo(", true}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (tmpl_is_needed(rows[i].text, strlen(rows[i].text)) != rows[i].is_needed)
            fail_msg("%s", rows[i].text);
}

static void constants_are_told(void **state)
{
    static const struct {
        const char *text, *constant;
    } rows[] = {{"", ""},     {"a", "a"},       {"$$", "$"},       {"a $$b $.c", "a $b $.c"},
                {"$a", NULL}, {"a${b}c", NULL}, {"$echo(a)", NULL}};
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tmpl *t = compile(rows[i].text);
        assert_int_equal(tmpl_is_constant(t), rows[i].constant != NULL);
        if (rows[i].constant != NULL) {
            assert_string_equal(tmpl_text(t, &len), rows[i].constant);
            assert_int_equal(len, strlen(rows[i].constant));
        }
        tmpl_free(t);
    }
    tmpl_free(NULL);
}

static void folding_leaves_what_is_not_constant(void **state)
{
    static const struct {
        const char *text;
        const char *constant; // NULL: none
        const char *want;
    } rows[] = {
        {"$c", "C", "C"},
        {"a ${c} b $c", "a C b C", "a C b C"},
        {"${j.x[1]}", "2", "2"},
        {"${$ck}", "C", "C"},
        {"${j.x[$one]}", "2", "2"},
        {"$c $name", NULL, "C Bob"},
        {"${j.nothing}", NULL, ""},
        {"${j.x[$idx]}", NULL, "2"},
        {"${$key}", NULL, "Bob"},
        {"$echo($c)", NULL, "C"},
        {"$types(if=\"$c\" = \"C\")", NULL, "10 no -1 true true inferred"},
        {"$echo($c, variable=$c, isGlobal=$yes)", NULL, "C"},
    };
    struct scope constants = {0};
    size_t len;

    (void)state;
    define(&constants, "c", VALUE_STRING, false, "C");
    define(&constants, "ck", VALUE_STRING, false, "c");
    define(&constants, "one", VALUE_INT, false, "1");
    define(&constants, "yes", VALUE_BOOL, false, "true");
    define(&constants, "j", VALUE_JSON, false, "{\"x\": [1, 2]}");
    define(NULL, "j", VALUE_JSON, false, "{\"x\": [1, 2]}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tmpl *t = compile(rows[i].text);
        tmpl_fold(t, &constants);
        if (tmpl_is_constant(t) != (rows[i].constant != NULL))
            fail_msg("%s", rows[i].text);
        if (rows[i].constant != NULL)
            assert_string_equal(tmpl_text(t, &len), rows[i].constant);
        renders_tmpl(t, rows[i].text, rows[i].want);
        tmpl_free(t);
    }
    assert_int_equal(world.n_said, 1); // of the path that finds nothing
    scope_done(&constants);
}

static void note_name(void *arg, const char *name, bool is_store, bool is_global)
{
    buf_printf(arg, "%s%s%s ", is_store ? "=" : "", is_global ? "global:" : "", name ? name : "?");
}

static void note_source(void *arg, bool is_env, const char *name)
{
    buf_printf(arg, "%s:%s ", is_env ? "env" : "file", name);
}

static void names_that_are_read_and_stored_are_told(void **state)
{
    static const struct {
        const char *text, *names;
    } rows[] = {
        {"a $$b", ""},
        {"$a ${b.c} $a", "a b a "},
        {"${a[$i]}", "i ? "},
        {"$echo($a, variable=v)", "a =v "},
        {"$echo(a, variable=v, isGlobal=true)", "=global:v "},
        {"$echo(a, variable=$n, isGlobal=$g)", "g n =? "},
        {"$set(variable=v, value=$w)", "=v w "},
        {"$types(if=$a > $echo($b) and \"$c\" = \"\")", "a b c "},
        {"$read(name=v)", "v "},
        {"$read(source=env, name=v)", ""},
        {"$read(source=$s, name=v)", "s v "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tmpl *t = compile(rows[i].text);
        struct buf names = {0};
        tmpl_each_name(t, note_name, &names);
        assert_string_equal(names.data ? names.data : "", rows[i].names);
        buf_done(&names);
        tmpl_free(t);
    }
}

static void files_and_environment_variables_are_told(void **state)
{
    static const struct {
        const char *text, *names;
    } rows[] = {
        {"$read(path=a.txt)", "file:a.txt "},
        {"$read(source=file, path=a/b.txt)", "file:a/b.txt "},
        {"$read(source=Env, name=HOME)", "env:HOME "},
        {"$read(source=variable, name=HOME)", ""},
        {"$read(source=variable, path=a)", ""},
        {"$read(source=$s, path=a)", ""},
        {"$read(path=$a)", ""},
        {"${x[$read(path=i)]} $types(if=$read(path=c) = 1)", "file:i file:c "},
        {"$echo(a, variable=$read(path=v), isGlobal=$read(path=g))", "file:v file:g "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tmpl *t = compile(rows[i].text);
        struct buf names = {0};
        tmpl_each_source(t, note_source, &names);
        assert_string_equal(names.data ? names.data : "", rows[i].names);
        buf_done(&names);
        tmpl_free(t);
    }
}

static void a_text_without_its_nul_is_read_to_its_length(void **state)
{
    struct tmpl_error error;
    struct tmpl *t;
    char *text = xmemdup("$name$a", 5);

    (void)state;
    assert_int_equal(tmpl_compile(text, 5, &t, &error), 0);
    renders_tmpl(t, "$name", "Bob");
    tmpl_free(t);
    free(text);
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(text_without_placeholders_stays),
        FACT(two_dollars_are_one),
        FACT(placeholders_give_the_worked_examples),
        FACT(counters_give_the_worked_examples),
        FACT(a_bare_name_ends_at_what_cannot_be_in_it),
        FACT(the_text_is_trimmed_where_it_has_placeholders),
        FACT(what_was_substituted_is_not_looked_at_again),
        FACT(quoted_values_come_in_quotes),
        FACT(paths_that_find_nothing_are_empty_with_a_warning),
        FACT(names_and_paths_can_be_put_together),
        FACT(the_session_comes_before_globals),
        FACT(placeholders_nest_to_a_limit),
        FACT(brackets_need_their_counterparts),
        FACT(a_text_too_long_is_refused),
        FACT(a_text_rendered_too_long_is_cut),
        FACT(a_bare_call_ends_at_its_parenthesis),
        FACT(methods_are_found_by_name_and_alias_in_any_case),
        FACT(arguments_are_split_at_commas_outside_of_brackets_and_quotes),
        FACT(a_list_goes_on_to_the_next_name),
        FACT(arguments_have_to_be_the_method_s),
        FACT(literal_arguments_have_to_be_of_their_type),
        FACT(arguments_are_worked_out_as_their_types),
        FACT(what_is_no_such_value_is_taken_as_the_default),
        FACT(results_are_stored_where_variable_says),
        FACT(is_global_stores_for_the_process),
        FACT(a_method_may_store_by_itself),
        FACT(placeholders_are_told_from_dollars),
        FACT(constants_are_told),
        FACT(folding_leaves_what_is_not_constant),
        FACT(names_that_are_read_and_stored_are_told),
        FACT(files_and_environment_variables_are_told),
        FACT(a_text_without_its_nul_is_read_to_its_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
