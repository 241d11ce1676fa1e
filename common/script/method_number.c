#include <math.h>

#include <jansson.h>

#include "common/script/method_groups.h"
#include "common/script/script_impl.h"
#include "common/script/text.h"

static void give(const struct call *call, struct script_env *env, double x, struct value *ret_value)
{
    if (!isfinite(x))
        script_warn(env, "%s: the result is no number, or too large", call->method->name);
    else if (x == trunc(x) && fabs(x) < 0x1p63)
        value_set_int(ret_value, (int64_t)x);
    else
        value_set_double(ret_value, x);
}

static void give_double(const struct call *call, struct script_env *env, double x,
                        struct value *ret_value)
{
    if (isfinite(x))
        value_set_double(ret_value, x);
    else
        give(call, env, x, ret_value);
}

static bool operand(const struct call *call, size_t i, struct script_env *env, double *ret_x)
{
    if (call->arg[i] != NULL)
        return call_number(call, i, env, ret_x);
    script_warn(env, "%s: %s is missing", call->method->name, call->method->params[i].name);
    return false;
}

// --- Of a list ---

static const struct method_param list_params[] = {
    {"source", METHOD_TEXT, false, NULL, "JSON array, list [a, b], or one number"},
    {"as", METHOD_TYPE, false, NULL, "type of what is stored"},
    {0},
};

// Numbers as they are put together.
struct total {
    double (*add)(double a, double b);
    double x;
    size_t n, n_others;
};

static void add_number(struct total *total, double x)
{
    total->x = total->n++ == 0 ? x : total->add(total->x, x);
}

static void add_text(struct total *total, const char *text, size_t len)
{
    double x;

    if (value_parse_double(text, len, &x) == 0)
        add_number(total, x);
    else
        total->n_others++;
}

static void add_array(struct total *total, const json_t *array)
{
    size_t i;
    const json_t *item;

    json_array_foreach(array, i, item)
    {
        if (json_is_number(item))
            add_number(total, json_number_value(item));
        else if (json_is_string(item))
            add_text(total, json_string_value(item), json_string_length(item));
        else
            total->n_others++;
    }
}

static void add_source(struct total *total, const struct buf *source)
{
    json_error_t error;
    struct text_list list;
    const char *item;
    size_t len;

    if (!text_list_open(&list, source->data, source->len)) {
        add_text(total, source->data, source->len);
        return;
    }
    json_t *array = json_loadb(source->data, source->len, JSON_DECODE_INT_AS_REAL, &error);
    if (array != NULL)
        add_array(total, array);
    else
        while (text_list_next(&list, &item, &len))
            add_text(total, item, len);
    json_decref(array);
}

static bool put_together(const struct call *call, struct script_env *env,
                         double (*add)(double a, double b), struct total *ret_total)
{
    struct total total = {.add = add};
    struct buf source = {0};
    const char *name = call->method->name;

    if (call_text(call, 0, env, &source)) {
        add_source(&total, &source);
        if (total.n == 0)
            script_warn(env, "%s: there is no number in source", name);
        else if (total.n_others > 0)
            script_warn(env, "%s: left out what is no number, %zu times", name, total.n_others);
    } else {
        script_warn(env, "%s: source is missing", name);
    }
    buf_done(&source);
    *ret_total = total;
    return total.n > 0;
}

static void give_total(const struct call *call, struct script_env *env,
                       double (*add)(double a, double b), struct value *ret_value)
{
    struct total total;

    if (put_together(call, env, add, &total))
        give(call, env, total.x, ret_value);
}

static double plus(double a, double b)
{
    return a + b;
}

static double minus(double a, double b)
{
    return a - b;
}

static double times(double a, double b)
{
    return a * b;
}

static void sum(const struct call *call, struct script_env *env, struct value *ret_value)
{
    give_total(call, env, plus, ret_value);
}

static void min(const struct call *call, struct script_env *env, struct value *ret_value)
{
    give_total(call, env, fmin, ret_value);
}

static void max(const struct call *call, struct script_env *env, struct value *ret_value)
{
    give_total(call, env, fmax, ret_value);
}

static void multiply(const struct call *call, struct script_env *env, struct value *ret_value)
{
    give_total(call, env, times, ret_value);
}

static void average(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct total total;

    if (put_together(call, env, plus, &total))
        give_double(call, env, total.x / (double)total.n, ret_value);
}

// --- Of two ---

enum { PAIR_A, PAIR_B };

static const struct method_param pair_params[] = {
    {"a", METHOD_NUMBER, false, NULL, "a number"},
    {"b", METHOD_NUMBER, false, NULL, "another"},
    {"as", METHOD_TYPE, false, NULL, "type of what is stored"},
    {0},
};

static const struct method_param pow_params[] = {
    {"base", METHOD_NUMBER, false, NULL, "what is multiplied"},
    {"exponent", METHOD_NUMBER, false, NULL, "how often"},
    {"as", METHOD_TYPE, false, NULL, "type of what is stored"},
    {0},
};

static void give_pair(const struct call *call, struct script_env *env,
                      double (*of)(double a, double b), struct value *ret_value)
{
    double a, b;

    if (operand(call, PAIR_A, env, &a) && operand(call, PAIR_B, env, &b))
        give(call, env, of(a, b), ret_value);
}

// False, with a warning, where one is missing or b is 0.
static bool divisible(const struct call *call, struct script_env *env, double *ret_a, double *ret_b)
{
    if (!operand(call, PAIR_A, env, ret_a) || !operand(call, PAIR_B, env, ret_b))
        return false;
    if (*ret_b == 0)
        script_warn(env, "%s: b is 0", call->method->name);
    return *ret_b != 0;
}

static void divide(const struct call *call, struct script_env *env, struct value *ret_value)
{
    double a, b;

    if (divisible(call, env, &a, &b))
        give_double(call, env, a / b, ret_value);
}

static void mod(const struct call *call, struct script_env *env, struct value *ret_value)
{
    double a, b;

    if (divisible(call, env, &a, &b))
        give(call, env, fmod(a, b), ret_value);
}

static void subtract(const struct call *call, struct script_env *env, struct value *ret_value)
{
    give_pair(call, env, minus, ret_value);
}

static void power(const struct call *call, struct script_env *env, struct value *ret_value)
{
    give_pair(call, env, pow, ret_value);
}

static void greater(const struct call *call, struct script_env *env, struct value *ret_value)
{
    give_pair(call, env, fmax, ret_value);
}

static void less(const struct call *call, struct script_env *env, struct value *ret_value)
{
    give_pair(call, env, fmin, ret_value);
}

// --- Of one ---

static const struct method_param one_params[] = {
    {"source", METHOD_NUMBER, false, NULL, "a number"},
    {"as", METHOD_TYPE, false, NULL, "type of what is stored"},
    {0},
};

static void give_one(const struct call *call, struct script_env *env, double (*of)(double x),
                     struct value *ret_value)
{
    double x;

    if (operand(call, 0, env, &x))
        give(call, env, of(x), ret_value);
}

static void absolute(const struct call *call, struct script_env *env, struct value *ret_value)
{
    give_one(call, env, fabs, ret_value);
}

static void round_down(const struct call *call, struct script_env *env, struct value *ret_value)
{
    give_one(call, env, floor, ret_value);
}

static void round_up(const struct call *call, struct script_env *env, struct value *ret_value)
{
    give_one(call, env, ceil, ret_value);
}

enum { ROUND_SOURCE, ROUND_DIGITS };

#define ROUND_DIGITS_MAX 15

static const struct method_param round_params[] = {
    {"source", METHOD_NUMBER, false, NULL, "a number"},
    {"digits", METHOD_INT, false, "0", "behind the point, 0 to 15"},
    {"as", METHOD_TYPE, false, NULL, "type of what is stored"},
    {0},
};

static void round_to(const struct call *call, struct script_env *env, struct value *ret_value)
{
    int64_t digits;
    double x;

    if (!operand(call, ROUND_SOURCE, env, &x) || !call_int(call, ROUND_DIGITS, env, &digits))
        return;
    if (digits <= 0) {
        give(call, env, round(x), ret_value);
        return;
    }
    double scale = pow(10, (double)(digits < ROUND_DIGITS_MAX ? digits : ROUND_DIGITS_MAX));
    // Beyond 10^16 no double has a digit behind the point (Math.Round of .NET has this bound too).
    give_double(call, env, fabs(x) < 1e16 ? round(x * scale) / scale : x, ret_value);
}

enum { CLAMP_VALUE, CLAMP_MIN, CLAMP_MAX };

static const struct method_param clamp_params[] = {
    {"value", METHOD_NUMBER, false, NULL, "a number"},
    {"min", METHOD_NUMBER, false, NULL, "what it is at least"},
    {"max", METHOD_NUMBER, false, NULL, "what it is at most"},
    {"as", METHOD_TYPE, false, NULL, "type of what is stored"},
    {0},
};

static void clamp(const struct call *call, struct script_env *env, struct value *ret_value)
{
    double x, least, most;

    if (!operand(call, CLAMP_VALUE, env, &x) || !operand(call, CLAMP_MIN, env, &least) ||
        !operand(call, CLAMP_MAX, env, &most))
        return;
    if (least > most)
        script_warn(env, "clamp: min is above max, and taken for it");
    give(call, env, fmin(fmax(x, fmin(least, most)), fmax(least, most)), ret_value);
}

// --- Comparing ---

enum { COMPARE_A, COMPARE_B, COMPARE_NUMBER_VARIABLE };

static const struct method_param compare_params[] = {
    {"a", METHOD_NUMBER, false, NULL, "a number"},
    {"b", METHOD_NUMBER, false, NULL, "another"},
    {"numberVariable", METHOD_NAME, false, NULL, "variable for the larger or smaller of them"},
    {0},
};

static void store_number(const struct call *call, struct script_env *env, double x)
{
    struct buf name = {0};
    struct value v = {0};

    give(call, env, x, &v);
    call_text(call, COMPARE_NUMBER_VARIABLE, env, &name);
    if (name.len > 0)
        script_store(env, name.data, call_is_global(call, env), &v);
    else
        script_warn(env, "%s: the name in \"numberVariable\" is empty", call->method->name);
    value_done(&v);
    buf_done(&name);
}

static void compare(const struct call *call, struct script_env *env, bool (*is)(double a, double b),
                    double (*which)(double a, double b), struct value *ret_value)
{
    double a, b;
    bool has_both = operand(call, COMPARE_A, env, &a) && operand(call, COMPARE_B, env, &b);

    value_set_bool(ret_value, has_both && is(a, b));
    if (has_both && call->arg[COMPARE_NUMBER_VARIABLE] != NULL)
        store_number(call, env, which(a, b));
}

static bool is_more(double a, double b)
{
    return a > b;
}

static bool is_less(double a, double b)
{
    return a < b;
}

static bool is_at_least(double a, double b)
{
    return a >= b;
}

static bool is_at_most(double a, double b)
{
    return a <= b;
}

static void greaterthan(const struct call *call, struct script_env *env, struct value *ret_value)
{
    compare(call, env, is_more, fmax, ret_value);
}

static void smallerthan(const struct call *call, struct script_env *env, struct value *ret_value)
{
    compare(call, env, is_less, fmin, ret_value);
}

static void greaterthanorequal(const struct call *call, struct script_env *env,
                               struct value *ret_value)
{
    compare(call, env, is_at_least, fmax, ret_value);
}

static void smallerthanorequal(const struct call *call, struct script_env *env,
                               struct value *ret_value)
{
    compare(call, env, is_at_most, fmin, ret_value);
}

enum { EQUAL_A, EQUAL_B, EQUAL_TOLERANCE };

static const struct method_param equal_params[] = {
    {"a", METHOD_NUMBER, false, NULL, "a number"},
    {"b", METHOD_NUMBER, false, NULL, "another"},
    {"tolerance", METHOD_NUMBER, false, "0", "how far from each other they may be"},
    {0},
};

static void equal(const struct call *call, struct script_env *env, struct value *ret_value)
{
    double a, b, tolerance;

    value_set_bool(ret_value, operand(call, EQUAL_A, env, &a) && operand(call, EQUAL_B, env, &b) &&
                                  call_number(call, EQUAL_TOLERANCE, env, &tolerance) &&
                                  fabs(a - b) <= fabs(tolerance));
}

static const char *const average_aliases[] = {"avg", NULL};

#define INT_OR_DOUBLE "int when whole, else double"

const struct method methods_number[] = {
    {"sum", NULL, list_params, true, sum, INT_OR_DOUBLE, "the sum of a list"},
    {"min", NULL, list_params, true, min, INT_OR_DOUBLE, "the smallest of a list"},
    {"max", NULL, list_params, true, max, INT_OR_DOUBLE, "the largest of a list"},
    {"multiply", NULL, list_params, true, multiply, INT_OR_DOUBLE, "the product of a list"},
    {"average", average_aliases, list_params, true, average, "double", "the mean of a list"},
    {"divide", NULL, pair_params, false, divide, "double", "a / b"},
    {"subtract", NULL, pair_params, false, subtract, INT_OR_DOUBLE, "a - b"},
    {"mod", NULL, pair_params, false, mod, INT_OR_DOUBLE,
     "what is left of a divided by b, with the sign of a"},
    {"pow", NULL, pow_params, false, power, INT_OR_DOUBLE, "a power"},
    {"abs", NULL, one_params, true, absolute, INT_OR_DOUBLE, "without its sign"},
    {"floor", NULL, one_params, true, round_down, INT_OR_DOUBLE, "rounded down"},
    {"ceil", NULL, one_params, true, round_up, INT_OR_DOUBLE, "rounded up"},
    {"round", NULL, round_params, true, round_to, "int without digits, else double",
     "rounded, halves away from zero"},
    {"clamp", NULL, clamp_params, false, clamp, INT_OR_DOUBLE, "the nearest from min to max"},
    {"greater", NULL, pair_params, false, greater, INT_OR_DOUBLE, "the larger of two"},
    {"less", NULL, pair_params, false, less, INT_OR_DOUBLE, "the smaller of two"},
    {"greaterthan", NULL, compare_params, false, greaterthan, "bool", "a > b"},
    {"smallerthan", NULL, compare_params, false, smallerthan, "bool", "a < b"},
    {"greaterthanorequal", NULL, compare_params, false, greaterthanorequal, "bool", "a >= b"},
    {"smallerthanorequal", NULL, compare_params, false, smallerthanorequal, "bool", "a <= b"},
    {"equal", NULL, equal_params, false, equal, "bool", "a = b, or as good as that"},
};
const size_t n_methods_number = sizeof methods_number / sizeof *methods_number;
