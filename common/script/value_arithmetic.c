#include <errno.h>
#include <math.h>

#include "common/script/value_impl.h"

struct operand {
    bool is_whole;
    int64_t n; // where is_whole
    double x;
};

struct scan {
    const char *p, *end;
    unsigned depth;
};

static void skip_blanks(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t'))
        s->p++;
}

static bool next_is(struct scan *s, char c)
{
    skip_blanks(s);
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

static int calculate(char op, struct operand *a, const struct operand *b)
{
    bool overflows = false;

    if (op == '/' && b->x == 0)
        return -EINVAL;
    if (a->is_whole && b->is_whole) {
        if (op == '+')
            overflows = __builtin_add_overflow(a->n, b->n, &a->n);
        else if (op == '-')
            overflows = __builtin_sub_overflow(a->n, b->n, &a->n);
        else if (op == '*')
            overflows = __builtin_mul_overflow(a->n, b->n, &a->n);
        else if (a->n == INT64_MIN && b->n == -1)
            overflows = true;
        else
            a->n /= b->n;
        a->x = (double)a->n;
        return overflows ? -EINVAL : 0;
    }
    a->is_whole = false;
    if (op == '+')
        a->x += b->x;
    else if (op == '-')
        a->x -= b->x;
    else if (op == '*')
        a->x *= b->x;
    else
        a->x /= b->x;
    return isfinite(a->x) ? 0 : -EINVAL;
}

static int scan_sum(struct scan *s, struct operand *ret_v);

static int scan_literal(struct scan *s, struct operand *ret_v)
{
    const char *first = s->p;

    ret_v->is_whole = true;
    for (; s->p < s->end && ((*s->p >= '0' && *s->p <= '9') || *s->p == '.'); s->p++)
        ret_v->is_whole &= *s->p != '.';
    size_t len = (size_t)(s->p - first);
    if (ret_v->is_whole && value_parse_int(first, len, &ret_v->n) == 0) {
        ret_v->x = (double)ret_v->n;
        return 0;
    }
    ret_v->is_whole = false;
    return value_parse_double(first, len, &ret_v->x);
}

static int scan_factor(struct scan *s, struct operand *ret_v)
{
    int r;

    if (++s->depth > VALUE_DEPTH_MAX)
        return -EINVAL;
    if (next_is(s, '-')) {
        struct operand zero = {.is_whole = true};
        r = scan_factor(s, ret_v);
        if (r == 0)
            r = calculate('-', &zero, ret_v);
        *ret_v = zero;
    } else if (next_is(s, '+')) {
        r = scan_factor(s, ret_v);
    } else if (next_is(s, '(')) {
        r = scan_sum(s, ret_v);
        if (r == 0 && !next_is(s, ')'))
            r = -EINVAL;
    } else {
        r = scan_literal(s, ret_v);
    }
    s->depth--;
    return r;
}

static int scan_product(struct scan *s, struct operand *ret_v)
{
    struct operand right;
    char op;

    int r = scan_factor(s, ret_v);
    while (r == 0 && (op = next_is(s, '*') ? '*' : next_is(s, '/') ? '/' : '\0') != '\0') {
        r = scan_factor(s, &right);
        if (r == 0)
            r = calculate(op, ret_v, &right);
    }
    return r;
}

static int scan_sum(struct scan *s, struct operand *ret_v)
{
    struct operand right;
    char op;

    int r = scan_product(s, ret_v);
    while (r == 0 && (op = next_is(s, '+') ? '+' : next_is(s, '-') ? '-' : '\0') != '\0') {
        r = scan_product(s, &right);
        if (r == 0)
            r = calculate(op, ret_v, &right);
    }
    return r;
}

int value_arithmetic(const char *text, size_t len, bool *ret_whole, int64_t *ret_n, double *ret_x)
{
    struct scan s = {.p = text, .end = text + len};
    struct operand v = {0};

    int r = scan_sum(&s, &v);
    if (r < 0)
        return r;
    skip_blanks(&s);
    if (s.p < s.end)
        return -EINVAL;
    *ret_whole = v.is_whole;
    if (v.is_whole)
        *ret_n = v.n;
    *ret_x = v.x;
    return 0;
}
