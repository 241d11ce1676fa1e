#include "tests/unit/tmpl_test_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
    assert_ptr_equal(method_find("saying", 3), method_at(0, NULL));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
