#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "common/script/expr_impl.h"

static struct {
    struct scope session;
    struct script_env env;
    char said[SCRIPT_WARNING_MAX];
    int n_said;
    int n_tallies;
} world;

// The only method here: it counts its calls.
static void tally(const struct call *call, struct script_env *env, struct value *ret_value)
{
    (void)call;
    (void)env;
    value_set_int(ret_value, ++world.n_tallies);
}

const struct method *method_at(size_t i, const char **ret_heading)
{
    static const struct method_param none[] = {{0}};
    static const struct method methods[] = {{.name = "tally", .params = none, .run = tally}};

    (void)ret_heading;
    return i < 1 ? &methods[i] : NULL;
}

static void listen(void *arg, const char *text)
{
    (void)arg;
    snprintf(world.said, sizeof world.said, "%s", text);
    world.n_said++;
}

static void define(const char *name, enum value_type type, bool is_quoted, const char *text)
{
    struct value v = {0};

    assert_int_equal(value_set(&v, type, is_quoted, text, strlen(text)), 0);
    assert_true(scope_put(&world.session, name, &v));
}

static int set_up(void **state)
{
    (void)state;
    world.env = (struct script_env){
        .session = &world.session, .globals = globals_new(), .n_parts = 1, .warn = listen};
    define("one", VALUE_INT, false, "1");
    define("half", VALUE_DOUBLE, false, "0.5");
    define("yes", VALUE_BOOL, false, "true");
    define("name", VALUE_STRING, false, "Bob");
    define("q", VALUE_STRING, true, "OK");
    define("says", VALUE_STRING, true, "he said \"no\" twice");
    define("blank", VALUE_STRING, false, "");
    define("sum", VALUE_STRING, false, "1 + 2 * 3");
    define("dollar", VALUE_STRING, false, "$one = 1");
    define("condition", VALUE_STRING, false, "\"a\" = \"b\"");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scope_done(&world.session);
    globals_free(world.env.globals);
    memset(&world, 0, sizeof world);
    return 0;
}

static struct expr *compile(const char *text)
{
    struct tmpl_error error;
    struct expr *e;

    if (expr_compile(text, strlen(text), &e, &error) < 0)
        fail_msg("%s: %zu: %s", text, error.at, error.text);
    return e;
}

static bool is_true(const char *text)
{
    struct expr *e = compile(text);
    struct tmpl_error error;
    bool is = false;

    if (expr_eval(e, &world.env, &is, &error) < 0)
        fail_msg("%s: %zu: %s", text, error.at, error.text);
    expr_free(e);
    return is;
}

static void all_true(const char *const *texts)
{
    for (; *texts != NULL; texts++)
        if (!is_true(*texts))
            fail_msg("%s is false", *texts);
}

static void all_false(const char *const *texts)
{
    for (; *texts != NULL; texts++)
        if (is_true(*texts))
            fail_msg("%s is true", *texts);
}

#define TRUE(...)  all_true((const char *const[]){__VA_ARGS__, NULL})
#define FALSE(...) all_false((const char *const[]){__VA_ARGS__, NULL})

static void refuses(const char *text, size_t at, const char *want)
{
    struct tmpl_error error = {.at = SIZE_MAX};
    struct expr *e = NULL;

    assert_int_equal(expr_compile(text, strlen(text), &e, &error), -EINVAL);
    assert_null(e);
    if (error.at != at || strcmp(error.text, want) != 0)
        fail_msg("%s: %zu: %s", text, error.at, error.text);
}

// Compiles, and cannot be worked out.
static void fails(const char *text, size_t at, const char *want)
{
    struct expr *e = compile(text);
    struct tmpl_error error = {.at = SIZE_MAX};
    bool is = false;

    if (expr_eval(e, &world.env, &is, &error) == 0)
        fail_msg("%s is %s", text, is ? "true" : "false");
    if (error.at != at || strcmp(error.text, want) != 0)
        fail_msg("%s: %zu: %s", text, error.at, error.text);
    assert_false(expr_is_true(e, &world.env));
    expr_free(e);
}

static void an_empty_expression_is_false(void **state)
{
    (void)state;
    FALSE("", " ", "\t\r\n");
    expr_free(NULL);
}

static void literals_have_their_types(void **state)
{
    (void)state;
    TRUE("true", "TRUE", " True ", "not false", "1 = 1", "1 = 1.0", "007 = 7", ".5 = 0.5",
         "1e3 = 1000", "1.5E-1 = 0.15", "\"a\" = \"a\"", "\"\" = \"\"", "'c' = \"c\"",
         "null = null", "NULL <> \"\"", "null != 0", "9223372036854775807 > 9223372036854775806",
         "9223372036854775808 > 1");
    FALSE("false", "\"a\" = \"A\"", "null = \"null\"");
    refuses("1", 0, "found 1 (a number), expected true or false");
    refuses("\"true\"", 0, "found \"true\" (a text), expected true or false");
    refuses("null", 0, "found null (null), expected true or false");
    refuses("1e999 = 1", 0, "found a number that is too large");
    refuses("true = \"a", 7, "found a text without its closing \"");
    refuses("abc = 1", 0, "found abc, expected a value: texts need quotes");
    refuses("1 = 5abc", 5, "found 'a', expected an operator");
}

static void escapes_in_texts_stand_for_characters(void **state)
{
    (void)state;
    TRUE("\"a\\\"b\" = 'a\"b'", "\"\\\\\".Length = 1", "\"\\n\\r\\t\".Length = 3",
         "\"\\d\".Length = 2", "'\\''.Length = 1", "\"$$\" = \"$\" + \"\"", "\"$$1\".Length = 2");
}

static void operators_compare(void **state)
{
    (void)state;
    TRUE("1 < 2", "2 > 1", "1 <= 1", "1 >= 1", "1 <> 2", "1 != 2", "1 == 1", "1 < 1.5",
         "\"a\" < \"b\"", "\"a\" < \"aa\"", "\"B\" < \"a\"", "\"b\" >= \"b\"", "true = true",
         "true <> false", "1 = 1 = true", "(1 > 2) = false");
    FALSE("1 > 1", "1 < 1", "2 <= 1", "1 >= 2", "1 = 2", "\"\" > \"\"");
}

static void logic_has_its_precedence(void **state)
{
    (void)state;
    TRUE("true or false and false", "not false and true", "not 1 = 2", "!(1 = 1) or true",
         "true xor false", "1 = 1 and 2 = 2", "true | false", "true || false", "true & true",
         "true && true", "true AND not False", "1=1and 2=2", "!false", "!!true", "not not true");
    FALSE("false or true and false", "true xor true", "not true or false", "true and not true",
          "true xor true xor false", "false | false", "true&false");
    refuses("1 and true", 0, "found 1 (a number), expected true or false");
    refuses("true or \"a\"", 8, "found \"a\" (a text), expected true or false");
    refuses("not 1", 4, "found 1 (a number), expected true or false");
    refuses("!null", 1, "found null (null), expected true or false");
    refuses("true and", 8, "found the end of the expression, expected a value");
    refuses("true nand false", 5, "found 'n', expected an operator");
    refuses("or true", 0, "found or, expected a value: texts need quotes");
}

static void arithmetic_has_its_precedence(void **state)
{
    (void)state;
    TRUE("1 + 2 * 3 = 7", "(1 + 2) * 3 = 9", "7 / 2 = 3", "-7 / 2 = -3", "7 / 2.0 = 3.5",
         "7 % 4 = 3", "-7 % 4 = -3", "5.5 % 2 = 1.5", "2 ^ 10 = 1024", "2 ^ 3 ^ 2 = 512",
         "-2 ^ 2 = 4", "2 ^ -1 = 0.5", "2 ^ 0.5 > 1.414", "10 - 4 - 3 = 3", "8 / 4 / 2 = 1",
         "- - 3 = 3", "0 ^ 0 = 1", "2 * 3 % 4 = 2", "1 - -1 = 2", "(-1) ^ 9223372036854775807 = -1",
         "0.1 + 0.2 > 0.3", "-9223372036854775807 - 1 < 0");
    refuses("1 + true = 1", 4, "found true (true or false), expected a number");
    refuses("-\"a\" = 1", 1, "found \"a\" (a text), expected a number");
    refuses("\"a\" * 2 = 1", 0, "found \"a\" (a text), expected a number");
    refuses("1 +", 3, "found the end of the expression, expected a value");
    refuses("* 2", 0, "found '*', expected a value");
}

static void numbers_beyond_their_range_are_told(void **state)
{
    static const char want[] = "found a number that is too large";

    (void)state;
    fails("9223372036854775807 + 1 = 0", 0, want);
    fails("1 = -9223372036854775807 - 2", 4, want);
    fails("3037000500 * 3037000500 = 0", 0, want);
    fails("2 ^ 63 = 0", 0, want);
    fails("(-9223372036854775807 - 1) / -1 = 0", 1, want);
    fails("-(-9223372036854775807 - 1) = 0", 0, want);
    fails("1e308 * 10 = 0", 0, want);
    TRUE("2 ^ 62 > 0", "(-2) ^ 63 < 0", "(-9223372036854775807 - 1) % -1 = 0");
}

static void division_by_zero_is_told(void **state)
{
    (void)state;
    fails("1 / 0 = 1", 0, "found a division by zero in 1 / 0");
    fails("1 = 1 % 0", 4, "found a division by zero in 1 % 0");
    fails("1.5 / 0.0 = 1", 0, "found a division by zero in 1.5 / 0.0");
    TRUE("true or 1 / 0 = 1", "not (false and 1 / 0 = 1)", "if(true, 1, 1 / 0) = 1");
}

static void plus_joins_texts(void **state)
{
    (void)state;
    TRUE("\"a\" + \"b\" = \"ab\"", "\"a\" + 1 = \"a1\"", "1 + \"a\" = \"1a\"",
         "1 + 2 + \"a\" = \"3a\"", "\"a\" + 2.50 = \"a2.5\"", "\"a\" + true = \"atrue\"",
         "\"a\" + null = \"a\"", "\"\" + \"\" = \"\"");
    refuses("true + 1 = 2", 0, "found true (true or false), expected a number");
}

static void unlike_things_are_not_compared(void **state)
{
    (void)state;
    refuses("\"text\" < 1", 0,
            "found \"text\" (a text) beside 1 (a number), expected two of a kind");
    refuses("x$", 0, "found x, expected a value: texts need quotes");
    refuses("1 = \"${one}\"", 0,
            "found 1 (a number) beside \"${one}\" (a text), expected two of a kind");
    refuses("true = 1", 0,
            "found true (true or false) beside 1 (a number), expected two of a kind");
    refuses("true < false", 0, "found true (true or false), expected a number or a text");
    refuses("1 < null", 4, "found null (null), expected a number or a text");
    refuses("\"a\".Length = \"b\"", 0,
            "found \"a\".Length (a number) beside \"b\" (a text), expected two of a kind");
    fails("${name} + \"\" = ${one}", 0,
          "found other text in ${name}, expected a number, true, false, null or a text in quotes");
    fails("\"a\" = ${one}", 0,
          "found \"a\" (a text) beside ${one} (a number), expected two of a kind");
    fails("${q} < ${one}", 0,
          "found ${q} (a text) beside ${one} (a number), expected two of a kind");
    fails("${q} and true", 0, "found ${q} (a text), expected true or false");
    fails("true and ${one}", 9, "found ${one} (a number), expected true or false");
    fails("-${q} = 1", 1, "found ${q} (a text), expected a number");
    fails("if(${one}, true, false)", 3, "found ${one} (a number), expected true or false");
    fails("${one}", 0, "found ${one} (a number), expected true or false");
    fails("${one} * ${q} = 1", 9, "found ${q} (a text), expected a number");
}

static void placeholders_are_operands_of_their_text_s_type(void **state)
{
    (void)state;
    TRUE("$one = 1", "${one} < 2", "$half + $half = 1", "$yes", "not ($yes and false)",
         "${q} = \"OK\"", "${sum} = 7", "${one}${one} = 11", "$one$one=11", "$yes = true",
         "-${one} = -1", "${says} = \"he said \\\"no\\\" twice\"", "${q}.Length = 2",
         "$tally() = 1", "$tally()=2", "\"${q}\".Contains(\"OK\")");
    FALSE("${condition}", "not $yes");
    assert_int_equal(world.n_said, 0);
    fails("${blank} = 1", 0, "found ${blank} empty, expected a value");
    fails(
        "${dollar}", 0,
        "found other text in ${dollar}, expected a number, true, false, null or a text in quotes");
    fails("1 = ${nope}", 4,
          "found other text in ${nope}, expected a number, true, false, null or a text in quotes");
    refuses("${one = 1", 0, "found '{' without its '}'");
    refuses("1 = $nopes()", 5, "unknown method \"nopes\"");
    refuses("$one 2", 5, "found '2', expected an operator");
}

static void placeholders_in_quotes_are_texts(void **state)
{
    (void)state;
    TRUE("\"${name}\" = \"Bob\"", "\"$name\" = \"Bob\"", "\" $name \" = \" Bob \"",
         "\"${one}\" = \"1\"", "\"${blank}\" = \"\"", "'$name$one' = \"Bob1\"",
         "\"${q}\" = \"\\\"OK\\\"\"", "\"[${name}]\".Length = 5", "\"$$name\" = \"$\" + \"name\"");
    define("hostile", VALUE_STRING, false, "\" = \"\" or \"\" = \"");
    FALSE("\"${hostile}\" = \"x\""); // a text stays a text
    assert_int_equal(world.n_said, 0);
    FALSE("\"${nope}\" = \"x\"");
    assert_int_equal(world.n_said, 1);
}

static void operands_have_no_thousands_separators(void **state)
{
    (void)state;
    define("thousands", VALUE_STRING, false, "1,000");
    fails("${thousands} = 1000", 0,
          "found other text in ${thousands}, expected a number, true, false, null or a text in "
          "quotes");
}

static void all_placeholders_are_worked_out_once(void **state)
{
    (void)state;
    TRUE("true or $tally() = 100", "not (false and $tally() = 100)", "$tally() = 3");
}

static void conditions_choose(void **state)
{
    (void)state;
    TRUE("if(true, 1, 2) = 1", "IF(false, 1, 2) = 2", "if(1 = 1, true, 5)",
         "if($one = 1, \"a\", \"b\") = \"a\"", "if(false, 1, if(true, 2, 3)) = 2");
    refuses("if(1, 2, 3) = 1", 3, "found 1 (a number), expected true or false");
    refuses("if(true, 1) = 1", 10, "found ')', expected ','");
    refuses("if(true, 1, 2", 13, "found the end of the expression, expected ')'");
    refuses("if true", 3, "found 't', expected '('");
    fails("if(true, 5, true)", 9, "found 5 (a number), expected true or false");
}

static void casts_change_types(void **state)
{
    (void)state;
    TRUE("cast(2.9, int) = 2", "cast(-2.9, long) = -2", "cast(\"12\", Int) = 12",
         "cast(1, string) = \"1\"", "cast(2.5, string) = \"2.5\"", "cast(1, double) / 2 = 0.5",
         "cast(\"true\", bool)", "cast(0, boolean) = false", "cast(\"1.5\", decimal) = 1.5",
         "cast(true, int) = 1");
    refuses("cast(1, thing) = 1", 8,
            "found 't', expected a type: int, long, double, decimal, string or bool");
    fails("cast(\"a\", int) = 1", 5, "found \"a\" (a text), expected a number");
    fails("cast(2147483648, int) = 1", 5, "found a number that is too large for int");
    fails("cast(1e19, long) = 1", 5, "found a number that is too large for long");
    fails("cast(\"maybe\", bool)", 5, "found \"maybe\" (a text), expected true or false");
    TRUE("cast(2147483647, int) > 0", "cast(2147483648, long) > 0");
}

static void members_of_texts(void **state)
{
    (void)state;
    TRUE("\"\".Length = 0", "\"abc\".length = 3", "\"\xc3\xa4\xe2\x82\xac\".Length = 2",
         "\"\xf0\x9f\x98\x80\".Length = 2", "\"abC\".ToUpper() = \"ABC\"",
         "\"abC\".ToLower() = \"abc\"", "\" a b \".Trim() = \"a b\"", "\"  \".Trim() = \"\"",
         "\" a \".TrimStart() = \"a \"", "\" a \".TrimEnd() = \" a\"", "\"abc\".Contains(\"b\")",
         "\"abc\".Contains(\"\")", "not \"abc\".Contains(\"B\")", "\"abc\".StartsWith(\"ab\")",
         "not \"abc\".StartsWith(\"abcd\")", "\"abc\".EndsWith(\"bc\")",
         "not \"c\".EndsWith(\"bc\")", "\"abcb\".IndexOf(\"b\") = 1", "\"a\".IndexOf(\"b\") = -1",
         "\"\xc3\xa4x\".IndexOf(\"x\") = 1", "\"abcb\".LastIndexOf(\"b\") = 3",
         "\"a\".LastIndexOf(\"b\") = -1", "\"abc\".Substring(1) = \"bc\"",
         "\"abc\".Substring(3) = \"\"", "\"abc\".Substring(0, 2) = \"ab\"",
         "\"\xc3\xa4\xc3\xb6x\".Substring(1, 1) = \"\xc3\xb6\"", "\"abc\".Remove(1) = \"a\"",
         "\"abc\".Remove(1, 1) = \"ac\"", "\"ac\".Insert(1, \"b\") = \"abc\"",
         "\"aXbX\".Replace(\"X\", \"--\") = \"a--b--\"", "\"aaa\".Replace(\"aa\", \"\") = \"a\"",
         "\"abc\".Equals(\"abc\")", "not \"abc\".Equals(5)", "\"a\".ToUpper().ToLower() = \"a\"",
         "5.ToString = \"5\"", "(5).ToString() = \"5\"");
}

static void letter_case_is_ignored_where_it_says_so(void **state)
{
    (void)state;
    TRUE("\"ABC\".Contains(\"b\", StringComparison.OrdinalIgnoreCase)",
         "\"ABC\".StartsWith(\"ab\", stringcomparison.CurrentCultureIgnoreCase)",
         "\"ABC\".EndsWith(\"bc\", StringComparison.InvariantCultureIgnoreCase)",
         "\"ABC\".Equals(\"abc\", StringComparison.OrdinalIgnoreCase)",
         "\"ABC\".IndexOf(\"c\", StringComparison.OrdinalIgnoreCase) = 2",
         "\"ABC\".Replace(\"b\", \"\", StringComparison.OrdinalIgnoreCase) = \"AC\"",
         "String.Equals(\"A\", \"a\", StringComparison.OrdinalIgnoreCase)",
         "not \"ABC\".Contains(\"b\", StringComparison.Ordinal)");
    refuses("\"a\".Contains(\"A\", true)", 18,
            "found true (true or false), expected a name such as "
            "StringComparison.OrdinalIgnoreCase");
    refuses("\"a\" = StringComparison.Loose", 23,
            "found 'L', expected Ordinal or OrdinalIgnoreCase");
    refuses("StringComparison.Ordinal = StringComparison.Ordinal", 0,
            "found StringComparison.Ordinal (a StringComparison), expected a number or a text");
}

static void functions_of_numbers(void **state)
{
    (void)state;
    TRUE("Abs(-1) = 1", "abs(-1.5) = 1.5", "Math.Abs(1) = 1", "Max(1, 2) = 2", "Min(1, 2.5) = 1",
         "Max(1, 2.5) = 2.5", "Round(2.5) = 2", "Round(3.5) = 4", "Round(2.346, 2) = 2.35",
         "Round(7) = 7", "Round(1e300) = 1e300", "Floor(-1.5) = -2", "Ceiling(1.2) = 2",
         "Truncate(-1.7) = -1", "Sign(-3) = -1", "Sign(0.0) = 0", "Pow(2, 3) = 8", "Sqrt(9) = 3",
         "Log(1) = 0", "Log(8, 2) > 2.99", "Log10(1000) = 3", "Exp(0) = 1",
         "Sin(0) + Cos(0) + Tan(0) = 1", "Abs(Min(-1, Max(-5, -3))) = 3");
    refuses("Max(1) = 1", 0, "found 1 argument of Max, expected 2");
    refuses("Abs(\"a\") = 1", 4, "found \"a\" (a text), expected a number");
    refuses("Abs() = 1", 0, "found 0 arguments of Abs, expected 1");
    refuses("Round(1, 2, 3) = 1", 0, "found 3 arguments of Round, expected 2 at most");
    refuses("Round(1, 1.5) = 1", 9, "found 1.5 (a number), expected a whole number");
    refuses("Max(1, 2, 3, 4, 5) = 1", 16, "found '5', expected fewer arguments");
    refuses("Abs = 1", 4, "found '=', expected '('");
    refuses("Math.Foo(1) = 1", 0, "found Foo, expected a value: texts need quotes");
    fails("Round(1.5, 16) = 1", 11, "found 16 digits, expected 0 to 15");
    fails("Sqrt(-1) = 1", 5, "found no number from Sqrt");
    fails("Abs(-9223372036854775807 - 1) = 1", 4, "found a number that is too large for Abs");
    fails("Abs(${q}) = 1", 4, "found ${q} (a text), expected a number");
}

static void functions_of_classes(void **state)
{
    (void)state;
    TRUE("String.IsNullOrEmpty(\"\")", "string.isnullorempty(null)",
         "not String.IsNullOrEmpty(\" \")", "String.IsNullOrWhiteSpace(\" \")",
         "not String.IsNullOrEmpty(0)", "String.IsNullOrEmpty(\"${blank}\")",
         "Convert.ToInt32(\"12\") = 12", "Convert.ToInt32(2.5) = 2", "Convert.ToInt32(3.5) = 4",
         "Convert.ToInt64(\"3000000000\") = 3000000000", "Convert.ToDouble(\"1.5\") = 1.5",
         "Convert.ToString(5) = \"5\"", "Convert.ToBoolean(\"True\")", "Convert.ToBoolean(2)",
         "Convert.ToInt32(null) = 0", "Convert.ToDecimal(\"0.1\") = 0.1");
    fails("Convert.ToInt32(\"a\") = 1", 16, "found \"a\" (a text), expected a number");
    fails("Convert.ToInt32(3000000000) = 1", 16, "found a number that is too large for ToInt32");
}

static void members_complain_of_their_arguments(void **state)
{
    (void)state;
    refuses("\"a\".Foo() = 1", 4, "found .Foo, expected a member of texts");
    refuses("\"a\".Contains()", 0, "found 0 arguments of Contains, expected 1 or more");
    refuses("\"a\".Contains(1)", 13, "found 1 (a number), expected a text");
    refuses("\"a\".Contains(\"b\"", 16, "found the end of the expression, expected ',' or ')'");
    refuses("(5).Length = 1", 1, "found 5 (a number), expected a text");
    fails("\"abc\".Substring(4) = \"\"", 16, "found 4 outside of the text");
    fails("\"abc\".Substring(1, 3) = \"\"", 19, "found 3 outside of the text");
    fails("\"abc\".Substring(-1) = \"\"", 16, "found -1 outside of the text");
    fails("\"abc\".Replace(\"\", \"x\") = \"\"", 14, "found nothing to replace, expected a text");
}

static void a_text_made_too_long_is_told(void **state)
{
    char *text = xcalloc(EXPR_TEXT_MAX / 4 + 1, 1);

    (void)state;
    memset(text, 'x', EXPR_TEXT_MAX / 4);
    define("long", VALUE_STRING, false, text);
    TRUE("(\"${long}\" + \"${long}\" + \"\").Length > 0");
    TRUE("\"${long}${long}\" = \"${long}${long}\"");
    fails("\"${long}${long}\" = \"${long}${long}$one\"", 0,
          "found texts of more than 16777216 bytes");
    fails("(\"${long}\" + \"${long}\" + \"${long}\").Length > 0", 0,
          "found texts of more than 16777216 bytes");
    fails("\"x x x x x\".Replace(\"x\", \"${long}\").Length > 0", 0,
          "found texts of more than 16777216 bytes");
    free(text);
}

static char *repeat(const char *before, const char *middle, const char *after, size_t n)
{
    struct buf b = {0};

    for (size_t i = 0; i < n; i++)
        buf_puts(&b, before);
    buf_puts(&b, middle);
    for (size_t i = 0; i < n; i++)
        buf_puts(&b, after);
    return buf_take(&b);
}

static void expressions_nest_to_a_limit(void **state)
{
    static const struct {
        const char *before, *middle, *after;
    } rows[] = {{"(", "true", ")"},
                {"!", "true", ""},
                {"not ", "true", ""},
                {"if(true,", "true", ",false)"},
                {"(1 = 1 or ", "true", ")"}};
    struct tmpl_error error;
    struct expr *e;
    bool is;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = repeat(rows[i].before, rows[i].middle, rows[i].after, EXPR_DEPTH_MAX - 1);
        e = compile(text);
        assert_int_equal(expr_eval(e, &world.env, &is, &error), 0);
        expr_free(e);
        free(text);
        text = repeat(rows[i].before, rows[i].middle, rows[i].after, EXPR_DEPTH_MAX);
        assert_int_equal(expr_compile(text, strlen(text), &e, &error), -EINVAL);
        assert_string_equal(error.text, "found more than 100 levels");
        free(text);
    }
    char *powers = repeat("1^", "1=1", "", EXPR_DEPTH_MAX);
    assert_int_equal(expr_compile(powers, strlen(powers), &e, &error), -EINVAL);
    free(powers);
}

static void a_long_chain_is_no_depth(void **state)
{
    char *text = repeat("1+", "1 > 5", " and true", 5000);

    (void)state;
    TRUE(text);
    free(text);
}

static void an_expression_too_long_is_refused(void **state)
{
    char *text = xcalloc(EXPR_BYTES_MAX + 2, 1);
    struct tmpl_error error;
    struct expr *e;

    (void)state;
    memset(text, ' ', EXPR_BYTES_MAX + 1);
    memcpy(text, "true", 4);
    assert_int_equal(expr_compile(text, EXPR_BYTES_MAX, &e, &error), 0);
    expr_free(e);
    refuses(text, 0, "found an expression of 65537 bytes, expected at most 65536");
    free(text);
}

static void what_goes_wrong_is_false_with_a_warning(void **state)
{
    struct expr *e = compile("  ${name} = 1");

    (void)state;
    assert_false(expr_is_true(e, &world.env));
    assert_string_equal(world.said, "\"${name} = 1\", character 1: found other text in ${name}, "
                                    "expected a number, true, false, null or a text in quotes; "
                                    "taken as false");
    expr_free(e);
}

static void note_name(void *arg, const char *name, bool is_store, bool is_global)
{
    buf_printf(arg, "%s%s%s ", is_store ? "=" : "", is_global ? "global:" : "", name);
}

static void folding_makes_operands_constant(void **state)
{
    struct expr *e = compile("$one = $half or \"$name\" = \"Bob\"");
    struct buf names = {0};

    (void)state;
    expr_each_name(e, note_name, &names);
    assert_string_equal(names.data, "one half name ");
    buf_done(&names);
    expr_fold(e, &world.session);
    expr_each_name(e, note_name, &names);
    assert_null(names.data);
    scope_done(&world.session);
    assert_true(expr_is_true(e, &world.env));
    assert_int_equal(world.n_said, 0);
    expr_free(e);
}

static void functions_are_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < expr_n_functions; i++) {
        const struct expr_function *f = &expr_functions[i];
        assert_non_null(f->run);
        assert_true(strlen(f->args) > 0 && strspn(f->args, "tnica|") == strlen(f->args));
        assert_ptr_equal(expr_function_find(f->space, f->name, strlen(f->name)), f);
    }
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(an_empty_expression_is_false),
        FACT(literals_have_their_types),
        FACT(escapes_in_texts_stand_for_characters),
        FACT(operators_compare),
        FACT(logic_has_its_precedence),
        FACT(arithmetic_has_its_precedence),
        FACT(numbers_beyond_their_range_are_told),
        FACT(division_by_zero_is_told),
        FACT(plus_joins_texts),
        FACT(unlike_things_are_not_compared),
        FACT(placeholders_are_operands_of_their_text_s_type),
        FACT(placeholders_in_quotes_are_texts),
        FACT(operands_have_no_thousands_separators),
        FACT(all_placeholders_are_worked_out_once),
        FACT(conditions_choose),
        FACT(casts_change_types),
        FACT(members_of_texts),
        FACT(letter_case_is_ignored_where_it_says_so),
        FACT(functions_of_numbers),
        FACT(functions_of_classes),
        FACT(members_complain_of_their_arguments),
        FACT(a_text_made_too_long_is_told),
        FACT(expressions_nest_to_a_limit),
        FACT(a_long_chain_is_no_depth),
        FACT(an_expression_too_long_is_refused),
        FACT(what_goes_wrong_is_false_with_a_warning),
        FACT(folding_makes_operands_constant),
        FACT(functions_are_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
