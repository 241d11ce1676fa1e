#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <float.h>
#include <math.h>

#include "common/script/value.h"

static void doubles_print_as_short_as_they_read_back(void **state)
{
    static const struct {
        double x;
        const char *text;
    } rows[] = {
        {0, "0"},
        {-0.0, "0"},
        {1, "1"},
        {-1, "-1"},
        {2.5, "2.5"},
        {-0.5, "-0.5"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {100.25, "100.25"},
        {1234567.0, "1234567"},
        {1e6, "1000000"},
        {-123456789.125, "-123456789.125"},
        {999999999999999.0, "999999999999999"},
        {1e14, "100000000000000"},
        {1e15, "1E+15"},
        {1234567890123456.0, "1.234567890123456E+15"},
        {-1.5e300, "-1.5E+300"},
        {1e-5, "0.00001"},
        {1.25e-5, "0.0000125"},
        {9.5e-6, "9.5E-06"},
        {5e-324, "5E-324"},
        {2.5e-310, "2.5E-310"},
        {DBL_MAX, "1.7976931348623157E+308"},
        {-DBL_MIN, "-2.2250738585072014E-308"},
        {NAN, "NaN"},
        {INFINITY, "Infinity"},
        {-INFINITY, "-Infinity"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[VALUE_DOUBLE_SIZE];
        assert_string_equal(value_format_double(rows[i].x, text), rows[i].text);
    }
}

static void random_doubles_read_back(void **state)
{
    uint64_t bits = 1;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        char text[VALUE_DOUBLE_SIZE];
        double x, back;
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x))
            continue;
        value_format_double(x, text);
        assert_int_equal(value_parse_double(text, strlen(text), &back), 0);
        if (back != x)
            fail_msg("%s", text);
        x = (double)(int64_t)bits / 1e6; // of everyday size, too
        value_format_double(x, text);
        assert_int_equal(value_parse_double(text, strlen(text), &back), 0);
        if (back != x)
            fail_msg("%s", text);
    }
}

static void numbers_are_read_as_people_write_them(void **state)
{
    static const struct {
        const char *text;
        double x;
    } rows[] = {
        {"0", 0},
        {"-0", 0},
        {"007", 7},
        {" \t12\n", 12},
        {"+3", 3},
        {"-3", -3},
        {"1,000", 1000},
        {"1,000,000.50", 1000000.5},
        {"1,0,0", 100},
        {"2.", 2},
        {".5", 0.5},
        {"-.5e1", -5},
        {"1e3", 1000},
        {"1E+3", 1000},
        {"25e-1", 2.5},
        {"1e-400", 0},
        {"1e308", 1e308},
        {"0e999999999", 0},
        {"0.1", 0.1},
        {"1e-99999999999999999999", 0},
        {"12345678901234567890", 12345678901234567890.0},
    };
    static const char *const refused[] = {
        "",      " ",      "+",   "-",     ".",   ",",   ",1",   "1.2.3",    "1.2,3", "1 2",
        "e5",    "1e",     "1e+", "1e5.5", "0x1", "1f",  "NaN",  "inf",      "--1",   "+-1",
        "1e999", "-1e999", "1/2", "1+1",   "$1",  "1_0", "1\v2", "\xd9\xa1",
    };
    double x;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (value_parse_double(rows[i].text, strlen(rows[i].text), &x) < 0 || x != rows[i].x)
            fail_msg("%s: %g", rows[i].text, x);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        x = 42;
        if (value_parse_double(refused[i], strlen(refused[i]), &x) != -EINVAL || x != 42)
            fail_msg("%s: %g", refused[i], x);
    }
    assert_int_equal(value_parse_double("1\0002", 3, &x), -EINVAL);
}

static void a_number_has_a_longest_text(void **state)
{
    char text[VALUE_NUMBER_BYTES_MAX + 1];
    double x;

    (void)state;
    memset(text, '0', sizeof text);
    text[0] = '1';
    text[1] = '.';
    assert_int_equal(value_parse_double(text, VALUE_NUMBER_BYTES_MAX, &x), 0);
    assert_true(x == 1);
    assert_int_equal(value_parse_double(text, VALUE_NUMBER_BYTES_MAX + 1, &x), -EINVAL);
    memset(text, '9', sizeof text);
    assert_int_equal(value_parse_double(text, VALUE_NUMBER_BYTES_MAX, &x), -EINVAL);
}

static void arithmetic_is_whole_where_its_operands_are(void **state)
{
    static const struct {
        const char *text;
        bool is_whole;
        double x;
    } rows[] = {
        {"1", true, 1},
        {" 0 + 1 ", true, 1},
        {"1+2*3", true, 7},
        {"(1+2)*3", true, 9},
        {"7/2", true, 3},
        {"-7/2", true, -3},
        {"7/2*2", true, 6},
        {"7/2.0", false, 3.5},
        {"7/2+0.5", false, 3.5},
        {"1.5*2", false, 3},
        {"10-4-3", true, 3},
        {"100/10/5", true, 2},
        {"-3", true, -3},
        {"--3", true, 3},
        {"-(2+3)*-2", true, 10},
        {"+4", true, 4},
        {"3--2", true, 5},
        {".5+.5", false, 1},
        {"007", true, 7},
        {"9223372036854775807", true, 9223372036854775807.0},
        {"9223372036854775808", false, 9223372036854775808.0},
        {"1\t+\t1", true, 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool is_whole;
        int64_t n = 0;
        double x;
        if (value_arithmetic(rows[i].text, strlen(rows[i].text), &is_whole, &n, &x) < 0)
            fail_msg("%s is refused", rows[i].text);
        if (is_whole != rows[i].is_whole || x != rows[i].x || (is_whole && (double)n != x))
            fail_msg("%s: %g", rows[i].text, x);
    }
}

static void what_is_no_arithmetic_is_refused(void **state)
{
    static const char *const refused[] = {
        "",
        " ",
        "+",
        "1+",
        "*2",
        "1 2",
        "(1",
        "1)",
        "()",
        "1.2.3",
        ".",
        "1/0",
        "1/0.0",
        "1/(2-2)",
        "a",
        "1e3",
        "1,000",
        "2^3",
        "1%2",
        "1**2",
        "9223372036854775807+1",
        "-9223372036854775807-2",
        "9223372036854775807*2",
        "(-9223372036854775807-1)/-1",
        "-(-9223372036854775807-1)",
    };
    bool is_whole = true;
    int64_t n = 42;
    double x = 42;

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (value_arithmetic(refused[i], strlen(refused[i]), &is_whole, &n, &x) != -EINVAL)
            fail_msg("%s: %g", refused[i], x);
    assert_true(is_whole && n == 42 && x == 42);
    assert_int_equal(value_arithmetic("1\0", 2, &is_whole, &n, &x), -EINVAL);
}

static void arithmetic_has_a_greatest_depth(void **state)
{
    char text[2 * VALUE_DEPTH_MAX + 2] = "";
    bool is_whole;
    int64_t n;
    double x;

    (void)state;
    // The number in the midst is a level, too.
    memset(text, '(', VALUE_DEPTH_MAX - 1);
    text[VALUE_DEPTH_MAX - 1] = '1';
    memset(text + VALUE_DEPTH_MAX, ')', VALUE_DEPTH_MAX - 1);
    assert_int_equal(value_arithmetic(text, strlen(text), &is_whole, &n, &x), 0);
    memset(text, '(', VALUE_DEPTH_MAX);
    text[VALUE_DEPTH_MAX] = '1';
    memset(text + VALUE_DEPTH_MAX + 1, ')', VALUE_DEPTH_MAX);
    assert_int_equal(value_arithmetic(text, 2 * VALUE_DEPTH_MAX + 1, &is_whole, &n, &x), -EINVAL);
    memset(text, '-', sizeof text);
    assert_int_equal(value_arithmetic(text, sizeof text, &is_whole, &n, &x), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_print_as_short_as_they_read_back),
        cmocka_unit_test(random_doubles_read_back),
        cmocka_unit_test(numbers_are_read_as_people_write_them),
        cmocka_unit_test(a_number_has_a_longest_text),
        cmocka_unit_test(arithmetic_is_whole_where_its_operands_are),
        cmocka_unit_test(what_is_no_arithmetic_is_refused),
        cmocka_unit_test(arithmetic_has_a_greatest_depth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
