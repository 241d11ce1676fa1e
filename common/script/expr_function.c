#include <errno.h>
#include <math.h>
#include <string.h>

#include "common/script/expr_impl.h"

static int too_large(const struct expr_invocation *c)
{
    return expr_complain(&c->run->complaint, c->a, "found a number that is too large for %s",
                         c->f->name);
}

static int give_double(const struct expr_invocation *c, double x, struct expr_item *ret)
{
    if (!isfinite(x))
        return expr_complain(&c->run->complaint, c->a, "found no number from %s", c->f->name);
    expr_set_double(ret, x);
    return 0;
}

// One that whole numbers do not change.
static int rounded(const struct expr_invocation *c, struct expr_item *ret)
{
    *ret = *c->a;
    return c->a->type == EXPR_INT ? 0 : give_double(c, c->f->of(c->a->x), ret);
}

static int of_double(const struct expr_invocation *c, struct expr_item *ret)
{
    return give_double(c, c->f->of(expr_as_double(c->a)), ret);
}

static int absolute(const struct expr_invocation *c, struct expr_item *ret)
{
    *ret = *c->a;
    if (ret->type == EXPR_DOUBLE)
        ret->x = fabs(ret->x);
    else if (ret->n == INT64_MIN)
        return too_large(c);
    else if (ret->n < 0)
        ret->n = -ret->n;
    return 0;
}

static int sign(const struct expr_invocation *c, struct expr_item *ret)
{
    double x = expr_as_double(c->a);

    expr_set_int(ret, (x > 0) - (x < 0));
    return 0;
}

static bool is_less(const struct expr_item *a, const struct expr_item *b)
{
    return a->type == EXPR_INT && b->type == EXPR_INT ? a->n < b->n
                                                      : expr_as_double(a) < expr_as_double(b);
}

static void give_one(const struct expr_item *a, bool is_int, struct expr_item *ret)
{
    if (is_int)
        expr_set_int(ret, a->n);
    else
        expr_set_double(ret, expr_as_double(a));
}

static int least(const struct expr_invocation *c, struct expr_item *ret)
{
    const struct expr_item *a = c->a;

    give_one(is_less(&a[1], a) ? &a[1] : a, a->type == EXPR_INT && a[1].type == EXPR_INT, ret);
    return 0;
}

static int most(const struct expr_invocation *c, struct expr_item *ret)
{
    const struct expr_item *a = c->a;

    give_one(is_less(a, &a[1]) ? &a[1] : a, a->type == EXPR_INT && a[1].type == EXPR_INT, ret);
    return 0;
}

static int power(const struct expr_invocation *c, struct expr_item *ret)
{
    return give_double(c, pow(expr_as_double(c->a), expr_as_double(&c->a[1])), ret);
}

static int logarithm(const struct expr_invocation *c, struct expr_item *ret)
{
    double base = c->n > 1 ? log(expr_as_double(&c->a[1])) : 1;

    return give_double(c, log(expr_as_double(c->a)) / base, ret);
}

// Halves go to the even side, as Math.Round does; up to 15 digits.
static int round_to(const struct expr_invocation *c, struct expr_item *ret)
{
    int64_t digits = c->n > 1 ? c->a[1].n : 0;

    if (digits < 0 || digits > 15)
        return expr_complain(&c->run->complaint, &c->a[1], "found %lld digits, expected 0 to 15",
                             (long long)digits);
    *ret = *c->a;
    if (c->a->type == EXPR_INT)
        return 0;
    double scale = pow(10, (double)digits), scaled = c->a->x * scale;
    // From 2^52 on there is nothing behind the point.
    return give_double(c, fabs(scaled) < 0x1p52 ? rint(scaled) / scale : c->a->x, ret);
}

// A text is what it reads as, true is 1, false and null are 0.
static int to_number(const struct expr_invocation *c, struct expr_item *ret)
{
    struct expr_item number = *c->a;

    if (number.type == EXPR_TEXT && expr_read_number(number.text, number.len, &number) < 0)
        return expr_mismatch(&c->run->complaint, c->a, "a number");
    if (number.type == EXPR_BOOL || number.type == EXPR_NULL)
        expr_set_int(&number, number.type == EXPR_BOOL && number.b);
    *ret = number;
    return 0;
}

static int to_int(const struct expr_invocation *c, double (*round)(double), int64_t min,
                  int64_t max, struct expr_item *ret)
{
    struct expr_item number;

    int r = to_number(c, &number);
    if (r < 0)
        return r;
    if (number.type == EXPR_DOUBLE) {
        double x = round(number.x);
        if (!(x >= -0x1p63 && x < 0x1p63))
            return too_large(c);
        expr_set_int(&number, (int64_t)x);
    }
    if (number.n < min || number.n > max)
        return too_large(c);
    expr_set_int(ret, number.n);
    return 0;
}

static int convert_int32(const struct expr_invocation *c, struct expr_item *ret)
{
    return to_int(c, rint, INT32_MIN, INT32_MAX, ret);
}

static int convert_int64(const struct expr_invocation *c, struct expr_item *ret)
{
    return to_int(c, rint, INT64_MIN, INT64_MAX, ret);
}

static int cast_int32(const struct expr_invocation *c, struct expr_item *ret)
{
    return to_int(c, trunc, INT32_MIN, INT32_MAX, ret);
}

static int cast_int64(const struct expr_invocation *c, struct expr_item *ret)
{
    return to_int(c, trunc, INT64_MIN, INT64_MAX, ret);
}

static int to_double(const struct expr_invocation *c, struct expr_item *ret)
{
    struct expr_item number;

    int r = to_number(c, &number);
    if (r < 0)
        return r;
    return give_double(c, expr_as_double(&number), ret);
}

static int to_bool(const struct expr_invocation *c, struct expr_item *ret)
{
    const struct expr_item *a = c->a;

    if (a->type == EXPR_TEXT) {
        bool is_true = text_is(a->text, a->len, "true");
        if (!is_true && !text_is(a->text, a->len, "false"))
            return expr_mismatch(&c->run->complaint, a, "true or false");
        expr_set_bool(ret, is_true);
    } else {
        expr_set_bool(ret, (a->type == EXPR_BOOL && a->b) ||
                               (expr_is_number(a->type) && expr_as_double(a) != 0));
    }
    return 0;
}

static int to_text(const struct expr_invocation *c, struct expr_item *ret)
{
    return expr_to_text(c->run, c->a, ret);
}

static int is_empty(const struct expr_invocation *c, struct expr_item *ret)
{
    expr_set_bool(ret, c->a->type == EXPR_NULL || (c->a->type == EXPR_TEXT && c->a->len == 0));
    return 0;
}

static int is_blank(const struct expr_invocation *c, struct expr_item *ret)
{
    const char *begin = c->a->text, *end = begin;

    if (c->a->type == EXPR_TEXT) {
        end += c->a->len;
        text_trim(&begin, &end);
    }
    expr_set_bool(ret, c->a->type == EXPR_NULL || (c->a->type == EXPR_TEXT && begin == end));
    return 0;
}

const struct expr_function expr_functions[] = {
    {"", "Length", "t", EXPR_INT, expr_text_length, NULL},
    {"", "ToUpper", "t", EXPR_TEXT, expr_text_to_upper, NULL},
    {"", "ToUpperInvariant", "t", EXPR_TEXT, expr_text_to_upper, NULL},
    {"", "ToLower", "t", EXPR_TEXT, expr_text_to_lower, NULL},
    {"", "ToLowerInvariant", "t", EXPR_TEXT, expr_text_to_lower, NULL},
    {"", "Trim", "t", EXPR_TEXT, expr_text_trim, NULL},
    {"", "TrimStart", "t", EXPR_TEXT, expr_text_trim_start, NULL},
    {"", "TrimEnd", "t", EXPR_TEXT, expr_text_trim_end, NULL},
    {"", "Contains", "tt|c", EXPR_BOOL, expr_text_contains, NULL},
    {"", "StartsWith", "tt|c", EXPR_BOOL, expr_text_starts_with, NULL},
    {"", "EndsWith", "tt|c", EXPR_BOOL, expr_text_ends_with, NULL},
    {"", "Equals", "ta|c", EXPR_BOOL, expr_text_equals, NULL},
    {"", "IndexOf", "tt|c", EXPR_INT, expr_text_index_of, NULL},
    {"", "LastIndexOf", "tt|c", EXPR_INT, expr_text_last_index_of, NULL},
    {"", "Substring", "ti|i", EXPR_TEXT, expr_text_substring, NULL},
    {"", "Remove", "ti|i", EXPR_TEXT, expr_text_remove_range, NULL},
    {"", "Insert", "tit", EXPR_TEXT, expr_text_insert, NULL},
    {"", "Replace", "ttt|c", EXPR_TEXT, expr_text_replace, NULL},
    {"", "ToString", "a", EXPR_TEXT, to_text, NULL},
    {"Math", "Abs", "n", EXPR_ANY, absolute, NULL},
    {"Math", "Max", "nn", EXPR_ANY, most, NULL},
    {"Math", "Min", "nn", EXPR_ANY, least, NULL},
    {"Math", "Round", "n|i", EXPR_ANY, round_to, NULL},
    {"Math", "Floor", "n", EXPR_ANY, rounded, floor},
    {"Math", "Ceiling", "n", EXPR_ANY, rounded, ceil},
    {"Math", "Truncate", "n", EXPR_ANY, rounded, trunc},
    {"Math", "Sign", "n", EXPR_INT, sign, NULL},
    {"Math", "Pow", "nn", EXPR_DOUBLE, power, NULL},
    {"Math", "Sqrt", "n", EXPR_DOUBLE, of_double, sqrt},
    {"Math", "Exp", "n", EXPR_DOUBLE, of_double, exp},
    {"Math", "Log", "n|n", EXPR_DOUBLE, logarithm, NULL},
    {"Math", "Log10", "n", EXPR_DOUBLE, of_double, log10},
    {"Math", "Sin", "n", EXPR_DOUBLE, of_double, sin},
    {"Math", "Cos", "n", EXPR_DOUBLE, of_double, cos},
    {"Math", "Tan", "n", EXPR_DOUBLE, of_double, tan},
    {"String", "IsNullOrEmpty", "a", EXPR_BOOL, is_empty, NULL},
    {"String", "IsNullOrWhiteSpace", "a", EXPR_BOOL, is_blank, NULL},
    {"String", "Equals", "ta|c", EXPR_BOOL, expr_text_equals, NULL},
    {"Convert", "ToInt32", "a", EXPR_INT, convert_int32, NULL},
    {"Convert", "ToInt64", "a", EXPR_INT, convert_int64, NULL},
    {"Convert", "ToDouble", "a", EXPR_DOUBLE, to_double, NULL},
    {"Convert", "ToDecimal", "a", EXPR_DOUBLE, to_double, NULL},
    {"Convert", "ToBoolean", "a", EXPR_BOOL, to_bool, NULL},
    {"Convert", "ToString", "a", EXPR_TEXT, to_text, NULL},
    {"cast", "int", "a", EXPR_INT, cast_int32, NULL},
    {"cast", "integer", "a", EXPR_INT, cast_int32, NULL},
    {"cast", "long", "a", EXPR_INT, cast_int64, NULL},
    {"cast", "double", "a", EXPR_DOUBLE, to_double, NULL},
    {"cast", "float", "a", EXPR_DOUBLE, to_double, NULL},
    {"cast", "single", "a", EXPR_DOUBLE, to_double, NULL},
    {"cast", "decimal", "a", EXPR_DOUBLE, to_double, NULL},
    {"cast", "string", "a", EXPR_TEXT, to_text, NULL},
    {"cast", "bool", "a", EXPR_BOOL, to_bool, NULL},
    {"cast", "boolean", "a", EXPR_BOOL, to_bool, NULL},
};
const size_t expr_n_functions = sizeof expr_functions / sizeof *expr_functions;

const struct expr_function *expr_function_find(const char *space, const char *name, size_t len)
{
    for (size_t i = 0; i < expr_n_functions; i++) {
        const struct expr_function *f = &expr_functions[i];
        if (strcmp(f->space, space) == 0 && text_is(name, len, f->name))
            return f;
    }
    return NULL;
}
