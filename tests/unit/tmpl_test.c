#include "tests/unit/tmpl_test_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
        FACT(placeholders_are_told_from_dollars),
        FACT(constants_are_told),
        FACT(folding_leaves_what_is_not_constant),
        FACT(names_that_are_read_and_stored_are_told),
        FACT(files_and_environment_variables_are_told),
        FACT(a_text_without_its_nul_is_read_to_its_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
