#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/method_test_util.h"

struct row {
    const char *call, *text;
    enum value_type type;
};

// Each gives its text, and the same stored with its type.
static void give(struct world *w, const struct row *rows, size_t n)
{
    char text[400];

    for (size_t i = 0; i < n; i++) {
        snprintf(text, sizeof text, "$%s, variable=v)", rows[i].call);
        gives(w, text, rows[i].text);
        is_stored(w, false, "v", rows[i].type, rows[i].text);
    }
}

#define GIVE(w, rows) give(w, rows, sizeof rows / sizeof *rows)

static void lists_are_put_together(void **state)
{
    static const struct row rows[] = {
        {"sum(source=[1, 2, 3]", "6", VALUE_INT},
        {"sum([1, 2.5]", "3.5", VALUE_DOUBLE},
        {"sum([1.5, 1.5]", "3", VALUE_INT},
        {"sum([-1, 1]", "0", VALUE_INT},
        {"sum(5", "5", VALUE_INT},
        {"sum([\"1\", \"2\"]", "3", VALUE_INT},
        {"sum([\"1,000\", 2]", "1002", VALUE_INT},
        {"sum([2147483647, 1]", "2147483648", VALUE_DOUBLE},
        {"sum([9000000000000000, 1]", "9000000000000001", VALUE_DOUBLE},
        {"sum([1e300, 1]", "1E+300", VALUE_DOUBLE},
        {"min([3, 1, 2]", "1", VALUE_INT},
        {"min(source=[-1.5, 2]", "-1.5", VALUE_DOUBLE},
        {"min([7]", "7", VALUE_INT},
        {"max([3, 1, 2]", "3", VALUE_INT},
        {"max([-3, -1.25]", "-1.25", VALUE_DOUBLE},
        {"multiply([2, 3, 4]", "24", VALUE_INT},
        {"multiply([0.5, 3]", "1.5", VALUE_DOUBLE},
        {"multiply([0.5, 4]", "2", VALUE_INT},
        {"average([1, 2, 6]", "3", VALUE_DOUBLE},
        {"avg([1, 2]", "1.5", VALUE_DOUBLE},
        {"average(4", "4", VALUE_DOUBLE},
        {"average(1e300", "1E+300", VALUE_DOUBLE},
    };
    struct world *w = *state;

    GIVE(w, rows);
    world_put(w, "n", VALUE_STRING, "1,234.5");
    gives(w, "$sum($n)", "1234.5");
    world_put(w, "list", VALUE_JSON, "[10, 20, 30]");
    gives(w, "$sum(source=$list)", "60");
    world_put(w, "a", VALUE_INT, "1");
    gives(w, "$max(source=[$a, $n, 2])", "234.5"); // the comma of a text divides a list
}

static void what_is_no_number_is_left_out_with_a_warning(void **state)
{
    struct world *w = *state;

    world_put(w, "a", VALUE_INT, "1");
    warns(w, "$sum(source=[$a, 2, abc])", "3", "sum: left out what is no number, 1 times");
    warns(w, "$sum([1, null, true, {\"a\": [5, 6]}, [7, 8], 2])", "3", "4 times");
    warns(w, "$sum([1, , x, 2024-01-01])", "1", "3 times");
    warns(w, "$average([2, x, 4])", "3", "average: left out");
    warns(w, "$min([x, 4])", "4", "min: left out");
}

static void a_list_without_numbers_gives_nothing(void **state)
{
    static const char *const names[] = {"sum", "min", "max", "multiply", "average"};
    static const char *const sources[] = {"[]", "[ ]", "[x]", "x", "[null]", "{}", ""};
    struct world *w = *state;
    char text[100], part[100];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t k = 0; k < sizeof sources / sizeof *sources; k++) {
            snprintf(text, sizeof text, "$%s(source=%s)", names[i], sources[k]);
            snprintf(part, sizeof part, "%s: there is no number in source", names[i]);
            warns(w, text, "", part);
        }
        snprintf(text, sizeof text, "$%s()", names[i]);
        snprintf(part, sizeof part, "%s: source is missing", names[i]);
        warns(w, text, "", part);
    }
    warns(w, "$sum([], variable=v)", "", "no number");
    is_stored(w, false, "v", VALUE_STRING, "");
}

static void pairs_are_worked_out(void **state)
{
    static const struct row rows[] = {
        {"divide(a=7, b=2", "3.5", VALUE_DOUBLE},
        {"divide(a=8, b=2", "4", VALUE_DOUBLE},
        {"divide(a=0, b=-2", "0", VALUE_DOUBLE},
        {"divide(a=1, b=3", "0.3333333333333333", VALUE_DOUBLE},
        {"subtract(a=7, b=2", "5", VALUE_INT},
        {"subtract(a=0.3, b=0.1", "0.19999999999999998", VALUE_DOUBLE},
        {"subtract(a=-2147483648, b=1", "-2147483649", VALUE_DOUBLE},
        {"mod(a=7, b=3", "1", VALUE_INT},
        {"mod(a=-7, b=3", "-1", VALUE_INT},
        {"mod(a=7, b=-3", "1", VALUE_INT},
        {"mod(a=7.5, b=2", "1.5", VALUE_DOUBLE},
        {"pow(base=2, exponent=10", "1024", VALUE_INT},
        {"pow(base=2, exponent=-1", "0.5", VALUE_DOUBLE},
        {"pow(base=0, exponent=0", "1", VALUE_INT},
        {"pow(base=4, exponent=0.5", "2", VALUE_INT},
        {"greater(a=1, b=2.5", "2.5", VALUE_DOUBLE},
        {"greater(a=1, b=-2", "1", VALUE_INT},
        {"less(a=1, b=2.5", "1", VALUE_INT},
        {"less(a=1, b=-2", "-2", VALUE_INT},
        {"subtract(a=2*3, b=(1+1)", "4", VALUE_INT},
    };
    struct world *w = *state;

    GIVE(w, rows);
    is_refused("$subtract(a=\"1\", b=0)", "expected a number");
    world_put(w, "n", VALUE_STRING, " 1,000 ");
    gives(w, "$subtract(a=$n, b=1)", "999");
}

static void what_cannot_be_worked_out_gives_nothing(void **state)
{
    struct world *w = *state;

    world_put(w, "zero", VALUE_INT, "0");
    world_put(w, "x", VALUE_STRING, "x");
    world_put(w, "blank", VALUE_STRING, "");
    warns(w, "$divide(a=1, b=$zero)", "", "divide: b is 0");
    warns(w, "$mod(a=1, b=0)", "", "mod: b is 0");
    warns(w, "$divide(a=1e308, b=1e-308)", "", "divide: the result is no number, or too large");
    warns(w, "$pow(base=10, exponent=400)", "", "pow: the result is no number, or too large");
    warns(w, "$pow(base=-8, exponent=0.5)", "", "pow: the result is no number, or too large");
    warns(w, "$multiply([1e300, 1e300])", "", "multiply: the result is no number, or too large");
    warns(w, "$average([1.7e308, 1.7e308])", "", "average: the result is no number, or too large");
    warns(w, "$divide(a=$x, b=1)", "", "divide: a is no number");
    warns(w, "$subtract(a=1, b=$blank)", "", "subtract: b is no number");
    is_refused("$abs(x)", "expected a number");
    is_refused("$divide(a=1, c=2)", "found \"c\", which divide does not take");
}

static void missing_operands_give_nothing(void **state)
{
    static const struct {
        const char *call, *part;
    } rows[] = {
        {"divide(b=1)", "divide: a is missing"},
        {"divide(a=1)", "divide: b is missing"},
        {"subtract(a=1)", "subtract: b is missing"},
        {"mod(a=1)", "mod: b is missing"},
        {"pow(base=1)", "pow: exponent is missing"},
        {"pow(exponent=1)", "pow: base is missing"},
        {"greater(a=1)", "greater: b is missing"},
        {"less(b=1)", "less: a is missing"},
        {"abs()", "abs: source is missing"},
        {"floor()", "floor: source is missing"},
        {"ceil()", "ceil: source is missing"},
        {"round(digits=2)", "round: source is missing"},
        {"clamp(min=1, max=2)", "clamp: value is missing"},
        {"clamp(value=1, max=2)", "clamp: min is missing"},
        {"clamp(value=1, min=2)", "clamp: max is missing"},
    };
    struct world *w = *state;
    char text[100];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text, "$%s", rows[i].call);
        warns(w, text, "", rows[i].part);
    }
}

static void single_numbers_are_worked_out(void **state)
{
    static const struct row rows[] = {
        {"abs(-5", "5", VALUE_INT},
        {"abs(source=-2.5", "2.5", VALUE_DOUBLE},
        {"abs(-2147483648", "2147483648", VALUE_DOUBLE},
        {"floor(2.7", "2", VALUE_INT},
        {"floor(-2.1", "-3", VALUE_INT},
        {"floor(source=3", "3", VALUE_INT},
        {"ceil(2.1", "3", VALUE_INT},
        {"ceil(-0.5", "0", VALUE_INT},
        {"ceil(1e20", "1E+20", VALUE_DOUBLE},
        {"round(source=2.5", "3", VALUE_INT},
        {"round(-2.5", "-3", VALUE_INT},
        {"round(2.4", "2", VALUE_INT},
        {"round(0.49999999999999994", "0", VALUE_INT},
        {"round(2.345, digits=1", "2.3", VALUE_DOUBLE},
        {"round(2.25, digits=1", "2.3", VALUE_DOUBLE},
        {"round(-2.25, digits=1", "-2.3", VALUE_DOUBLE},
        {"round(2.999, digits=2", "3", VALUE_DOUBLE},
        {"round(2.6, digits=-5", "3", VALUE_INT},
        {"round(0.1234567890123456, digits=15", "0.123456789012346", VALUE_DOUBLE},
        {"round(0.1234567890123456, digits=16", "0.123456789012346", VALUE_DOUBLE},
        {"round(1e300, digits=15", "1E+300", VALUE_DOUBLE},
        {"clamp(value=5, min=1, max=10", "5", VALUE_INT},
        {"clamp(value=0, min=1, max=10", "1", VALUE_INT},
        {"clamp(value=11, min=1, max=10", "10", VALUE_INT},
        {"clamp(value=11, min=1, max=9.5", "9.5", VALUE_DOUBLE},
        {"clamp(value=1, min=1, max=1", "1", VALUE_INT},
    };
    struct world *w = *state;

    GIVE(w, rows);
    warns(w, "$clamp(value=15, min=10, max=0)", "10", "clamp: min is above max");
    warns(w, "$clamp(value=-1, min=10, max=0)", "0", "clamp: min is above max");
    world_put(w, "x", VALUE_STRING, "x");
    warns(w, "$round(2.26, digits=$x)", "2", "round: digits is no whole number, and taken as 0");
}

static void as_says_how_a_result_is_stored(void **state)
{
    static const struct {
        const char *call, *text, *stored;
        enum value_type type;
    } rows[] = {
        {"sum([1, 3], as=double", "4", "4", VALUE_DOUBLE},
        {"sum([1, 3], as=float", "4", "4", VALUE_DOUBLE},
        {"sum([1, 3], as=number", "4", "4", VALUE_DOUBLE},
        {"sum([1, 3], as=string", "4", "4", VALUE_STRING},
        {"sum([1, 3], as=Text", "4", "4", VALUE_STRING},
        {"sum([1, 3], as=json", "4", "4", VALUE_JSON},
        {"sum([1, 3], as=decimal", "4", "4", VALUE_DECIMAL},
        {"sum([1, 3], as=bool", "4", "4", VALUE_STRING},
        {"sum([1, 3], as=other", "4", "4", VALUE_INT},
        {"divide(a=5, b=2, as=int", "2.5", "2", VALUE_INT},
        {"divide(a=7, b=2, as=int", "3.5", "4", VALUE_INT},
        {"divide(a=8, b=2, as=auto", "4", "4", VALUE_DOUBLE},
        {"divide(a=5, b=2, as=decimal", "2.5", "2.5", VALUE_DECIMAL},
        {"average([1, 2], as=integer", "1.5", "2", VALUE_INT},
        {"subtract(a=5e9, b=0, as=int", "5000000000", "5000000000", VALUE_DOUBLE},
        {"multiply([1, 2], as=int", "2", "2", VALUE_INT},
        {"min([2.5], as=int", "2.5", "2", VALUE_INT},
        {"max([2.5], as=string", "2.5", "2.5", VALUE_STRING},
        {"mod(a=5, b=3, as=double", "2", "2", VALUE_DOUBLE},
        {"pow(base=2, exponent=2, as=double", "4", "4", VALUE_DOUBLE},
        {"abs(-1, as=double", "1", "1", VALUE_DOUBLE},
        {"floor(1.5, as=double", "1", "1", VALUE_DOUBLE},
        {"ceil(1.5, as=string", "2", "2", VALUE_STRING},
        {"round(1.25, digits=1, as=int", "1.3", "1", VALUE_INT},
        {"clamp(value=1, min=0, max=2, as=double", "1", "1", VALUE_DOUBLE},
        {"greater(a=1, b=0, as=double", "1", "1", VALUE_DOUBLE},
        {"less(a=1, b=0, as=string", "0", "0", VALUE_STRING},
    };
    struct world *w = *state;
    char text[200];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text, "$%s, variable=v)", rows[i].call);
        gives(w, text, rows[i].text);
        is_stored(w, false, "v", rows[i].type, rows[i].stored);
    }
    gives(w, "$sum([1, 3], as=double, variable=g, isGlobal=true)", "4");
    is_stored(w, true, "g", VALUE_DOUBLE, "4");
    is_refused("$equal(a=1, b=1, as=int)", "which equal does not take");
    is_refused("$greaterthan(a=1, b=1, as=int)", "which greaterthan does not take");
}

static void comparisons_say_whether_and_which(void **state)
{
    static const struct {
        const char *name, *a, *b, *want, *number;
        enum value_type type;
    } rows[] = {
        {"greaterthan", "2", "1", "true", "2", VALUE_INT},
        {"greaterthan", "1", "1", "false", "1", VALUE_INT},
        {"greaterthan", "1", "2.5", "false", "2.5", VALUE_DOUBLE},
        {"greaterthanorequal", "1", "1", "true", "1", VALUE_INT},
        {"greaterthanorequal", "1", "2", "false", "2", VALUE_INT},
        {"smallerthan", "1", "2", "true", "1", VALUE_INT},
        {"smallerthan", "1", "1", "false", "1", VALUE_INT},
        {"smallerthan", "1", "-2.5", "false", "-2.5", VALUE_DOUBLE},
        {"smallerthanorequal", "1", "1", "true", "1", VALUE_INT},
        {"smallerthanorequal", "2", "1", "false", "1", VALUE_INT},
    };
    struct world *w = *state;
    char text[200];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text, "$%s(a=%s, b=%s, variable=v, numberVariable=n)", rows[i].name,
                 rows[i].a, rows[i].b);
        gives(w, text, rows[i].want);
        is_stored(w, false, "v", VALUE_BOOL, rows[i].want);
        is_stored(w, false, "n", rows[i].type, rows[i].number);
    }
    gives(w, "$greaterthan(a=2, b=1, variable=gv, numberVariable=gn, isGlobal=true)", "true");
    is_stored(w, true, "gv", VALUE_BOOL, "true");
    is_stored(w, true, "gn", VALUE_INT, "2");
    gives(w, "$smallerthan(a=2, b=1)", "false");
}

static void comparisons_without_an_operand_are_false(void **state)
{
    static const char *const names[] = {"greaterthan", "smallerthan", "greaterthanorequal",
                                        "smallerthanorequal", "equal"};
    struct world *w = *state;
    char text[100], part[100];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool has_number = strcmp(names[i], "equal") != 0;
        snprintf(text, sizeof text, "$%s(a=1, variable=v%s)", names[i],
                 has_number ? ", numberVariable=n" : "");
        snprintf(part, sizeof part, "%s: b is missing", names[i]);
        warns(w, text, "false", part);
        is_stored(w, false, "v", VALUE_BOOL, "false");
        assert_null(scope_find(&w->session, "n"));
    }
    world_put(w, "blank", VALUE_STRING, "");
    warns(w, "$greaterthan(a=2, b=1, numberVariable=$blank)", "true",
          "greaterthan: the name in \"numberVariable\" is empty");
    is_refused("$greaterthan(a=2, b=1, numberVariable=)", "expected the name of a variable");
}

static void equal_has_a_tolerance(void **state)
{
    struct world *w = *state;

    gives(w, "$equal(a=1, b=1.0)", "true");
    gives(w, "$equal(a=1, b=1.1)", "false");
    gives(w, "$equal(a=1, b=1.5, tolerance=0.5)", "true");
    gives(w, "$equal(a=1, b=1.5, tolerance=-0.5)", "true");
    gives(w, "$equal(a=1, b=1.5, tolerance=0.4)", "false");
    gives(w, "$equal(a=1, b=1, variable=v)", "true");
    is_stored(w, false, "v", VALUE_BOOL, "true");
    world_put(w, "x", VALUE_STRING, "x");
    warns(w, "$equal(a=1, b=1.5, tolerance=$x)", "false",
          "equal: tolerance is no number, and taken as 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(lists_are_put_together),
        world_test(what_is_no_number_is_left_out_with_a_warning),
        world_test(a_list_without_numbers_gives_nothing),
        world_test(pairs_are_worked_out),
        world_test(what_cannot_be_worked_out_gives_nothing),
        world_test(missing_operands_give_nothing),
        world_test(single_numbers_are_worked_out),
        world_test(as_says_how_a_result_is_stored),
        world_test(comparisons_say_whether_and_which),
        world_test(comparisons_without_an_operand_are_false),
        world_test(equal_has_a_tolerance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
