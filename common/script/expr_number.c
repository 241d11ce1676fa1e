#include <errno.h>
#include <math.h>

#include "common/script/expr_impl.h"

double expr_as_double(const struct expr_item *item)
{
    return item->type == EXPR_INT ? (double)item->n : item->x;
}

static int overflow(struct expr_run *run, const struct expr_item *whole)
{
    return expr_complain(&run->complaint, whole, "found a number that is too large");
}

static int power(int64_t base, int64_t exponent, int64_t *ret)
{
    int64_t result = 1;

    for (; exponent > 0; exponent /= 2) {
        if (exponent % 2 == 1 && __builtin_mul_overflow(result, base, &result))
            return -EINVAL;
        if (exponent > 1 && __builtin_mul_overflow(base, base, &base))
            return -EINVAL;
    }
    *ret = result;
    return 0;
}

static int calculate_ints(struct expr_run *run, enum expr_op op, const struct expr_item *whole,
                          int64_t a, int64_t b, struct expr_item *ret)
{
    int64_t n = 0;
    bool is_over = false;

    switch (op) {
    case EXPR_ADD:
        is_over = __builtin_add_overflow(a, b, &n);
        break;
    case EXPR_SUBTRACT:
        is_over = __builtin_sub_overflow(a, b, &n);
        break;
    case EXPR_MULTIPLY:
        is_over = __builtin_mul_overflow(a, b, &n);
        break;
    case EXPR_DIVIDE:
        is_over = a == INT64_MIN && b == -1;
        n = is_over ? 0 : a / b;
        break;
    case EXPR_MODULO:
        n = b == -1 ? 0 : a % b;
        break;
    default:
        is_over = power(a, b, &n) < 0;
        break;
    }
    if (is_over)
        return overflow(run, whole);
    expr_set_int(ret, n);
    return 0;
}

static double calculate_doubles(enum expr_op op, double a, double b)
{
    switch (op) {
    case EXPR_ADD:
        return a + b;
    case EXPR_SUBTRACT:
        return a - b;
    case EXPR_MULTIPLY:
        return a * b;
    case EXPR_DIVIDE:
        return a / b;
    case EXPR_MODULO:
        return fmod(a, b);
    default:
        return pow(a, b);
    }
}

int expr_calculate(struct expr_run *run, enum expr_op op, const struct expr_item *a,
                   const struct expr_item *b, struct expr_item *ret)
{
    struct expr_item whole = {.from = a->from, .to = b->to};
    double y = expr_as_double(b);

    if ((op == EXPR_DIVIDE || op == EXPR_MODULO) && y == 0)
        return expr_complain(&run->complaint, &whole, "found a division by zero in %.*s",
                             (int)(whole.to - whole.from), run->e->source + whole.from);
    if (a->type == EXPR_INT && b->type == EXPR_INT && (op != EXPR_POWER || b->n >= 0))
        return calculate_ints(run, op, &whole, a->n, b->n, ret);
    double x = calculate_doubles(op, expr_as_double(a), y);
    if (!isfinite(x))
        return overflow(run, &whole);
    expr_set_double(ret, x);
    return 0;
}
