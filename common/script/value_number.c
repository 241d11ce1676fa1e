#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/script/text.h"
#include "common/script/value_impl.h"

// digits * 10^exponent; leading zeros are dropped, those behind the point kept.
struct number {
    bool is_negative;
    char digits[VALUE_NUMBER_BYTES_MAX];
    size_t n;
    long exponent;
};

#define EXPONENT_MAX 100000 // beyond what any type holds

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void add_digit(struct number *num, char c)
{
    if (num->n > 0 || c != '0')
        num->digits[num->n++] = c;
}

// From behind the "e" on.
static int scan_exponent(const char *p, const char *end, long *ret_exponent)
{
    bool negative = p < end && *p == '-';
    long e = 0;

    p += p < end && (*p == '-' || *p == '+');
    if (p == end)
        return -EINVAL;
    for (; p < end; p++) {
        if (!is_digit(*p))
            return -EINVAL;
        if (e < EXPONENT_MAX)
            e = e * 10 + (*p - '0');
    }
    *ret_exponent = negative ? -e : e;
    return 0;
}

static int scan_number(const char *text, size_t len, struct number *num)
{
    const char *p = text, *end = text + len;
    size_t n_seen = 0;
    long e = 0;

    text_trim(&p, &end);
    if (p == end || end - p > VALUE_NUMBER_BYTES_MAX)
        return -EINVAL;
    num->n = 0;
    num->exponent = 0;
    num->is_negative = *p == '-';
    p += *p == '-' || *p == '+';
    for (; p < end && (is_digit(*p) || (*p == ',' && n_seen > 0)); p++)
        if (*p != ',') {
            add_digit(num, *p);
            n_seen++;
        }
    if (p < end && *p == '.')
        for (p++; p < end && is_digit(*p); p++) {
            add_digit(num, *p);
            n_seen++;
            num->exponent--;
        }
    if (n_seen == 0)
        return -EINVAL;
    if (p == end)
        return 0;
    if (*p != 'e' && *p != 'E')
        return -EINVAL;
    int r = scan_exponent(p + 1, end, &e);
    num->exponent += e;
    return r;
}

int value_parse_double(const char *text, size_t len, double *ret_x)
{
    char plain[VALUE_NUMBER_BYTES_MAX + 32];
    struct number num;

    int r = scan_number(text, len, &num);
    if (r < 0)
        return r;
    // Without a point, which strtod would want as the locale has it.
    snprintf(plain, sizeof plain, "%s%.*se%ld", num.is_negative ? "-" : "", (int)num.n, num.digits,
             num.exponent);
    double x = num.n == 0 ? 0 : strtod(plain, NULL);
    if (!isfinite(x))
        return -EINVAL;
    *ret_x = x;
    return 0;
}

int value_parse_int(const char *text, size_t len, int64_t *ret_n)
{
    struct number num;
    int64_t v = 0;

    int r = scan_number(text, len, &num);
    if (r < 0)
        return r;
    while (num.n > 0 && num.exponent < 0 && num.digits[num.n - 1] == '0') {
        num.n--;
        num.exponent++;
    }
    if (num.n > 0 && (num.exponent < 0 || num.exponent > 18))
        return -EINVAL;
    for (size_t i = 0; num.n > 0 && i < num.n + (size_t)num.exponent; i++) {
        int digit = i < num.n ? num.digits[i] - '0' : 0;
        // Downwards, as the least number has no positive counterpart.
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, digit, &v))
            return -EINVAL;
    }
    if (!num.is_negative && __builtin_sub_overflow(0, v, &v))
        return -EINVAL;
    *ret_n = v;
    return 0;
}

// Half to even; drop <= num->n.
static void round_digits(struct number *num, size_t drop)
{
    const char *cut = num->digits + num->n - drop;
    bool is_odd = drop < num->n && (cut[-1] - '0') % 2 == 1;
    bool is_half = *cut == '5';

    for (size_t i = 1; i < drop && is_half; i++)
        is_half = cut[i] == '0';
    bool up = is_half ? is_odd : *cut >= '5';
    num->n -= drop;
    num->exponent += (long)drop;
    if (!up)
        return;
    size_t i = num->n;
    while (i > 0 && num->digits[i - 1] == '9')
        num->digits[--i] = '0';
    if (i > 0) {
        num->digits[i - 1]++;
        return;
    }
    // 99.9 -> 100: one digit more than were left, in place of one that was dropped.
    memmove(num->digits + 1, num->digits, num->n++);
    num->digits[0] = '1';
}

int value_format_decimal(const char *text, size_t len, char out[VALUE_DECIMAL_SIZE])
{
    struct number num;
    char *o = out;

    int r = scan_number(text, len, &num);
    if (r < 0)
        return r;
    if (num.n == 0 && num.exponent > 0)
        num.exponent = 0;
    while (num.exponent > 0 && num.n < VALUE_DECIMAL_DIGITS) {
        num.digits[num.n++] = '0';
        num.exponent--;
    }
    // Rounding may carry into one digit more, which the second turn drops.
    while (num.n > VALUE_DECIMAL_DIGITS || num.exponent < -VALUE_DECIMAL_DIGITS) {
        size_t by_digits = num.n > VALUE_DECIMAL_DIGITS ? num.n - VALUE_DECIMAL_DIGITS : 0;
        size_t by_scale = num.exponent < -VALUE_DECIMAL_DIGITS
                              ? (size_t)(-num.exponent - VALUE_DECIMAL_DIGITS)
                              : 0;
        size_t drop = by_digits > by_scale ? by_digits : by_scale;
        if (num.exponent >= 0)
            break;
        if (drop > num.n) { // less than half of the least
            num.n = 0;
            num.exponent = -VALUE_DECIMAL_DIGITS;
        } else if ((long)drop > -num.exponent) {
            return -EINVAL;
        } else {
            round_digits(&num, drop);
        }
    }
    if (num.exponent > 0 || num.n > VALUE_DECIMAL_DIGITS)
        return -EINVAL;

    size_t scale = (size_t)-num.exponent;
    if (num.is_negative && num.n > 0)
        *o++ = '-';
    for (size_t i = num.n > scale ? num.n : scale + 1; i-- > 0;) {
        *o++ = i < num.n ? num.digits[num.n - 1 - i] : '0';
        if (i == scale && scale > 0)
            *o++ = '.';
    }
    *o = '\0';
    return 0;
}

// The fewest digits that read back as x; *ret_power is that of the first. What has no more than
// FLT_DIG or DBL_DIG reads back from these and zeros, but for the subnormal.
static size_t shortest(double x, bool is_single, char digits[20], int *ret_power)
{
    int n_min = fabs(x) < (is_single ? (double)FLT_MIN : DBL_MIN) ? 1
                : is_single                                       ? FLT_DIG
                                                                  : DBL_DIG;
    int n_max = is_single ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG;
    char text[64];
    size_t n = 0;

    for (int precision = n_min; precision <= n_max; precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, x);
        if (is_single ? strtof(text, NULL) == (float)x : strtod(text, NULL) == x)
            break;
    }
    const char *p = text;
    for (; *p != 'e'; p++)
        if (is_digit(*p)) // the point is the locale's, and is passed over
            digits[n++] = *p;
    *ret_power = atoi(p + 1);
    while (n > 1 && digits[n - 1] == '0')
        n--;
    return n;
}

static char *format_real(double x, bool is_single, char out[VALUE_DOUBLE_SIZE])
{
    char digits[20], *o = out;
    int power;

    if (!isfinite(x)) {
        snprintf(out, VALUE_DOUBLE_SIZE, "%s", isnan(x) ? "NaN" : x < 0 ? "-Infinity" : "Infinity");
        return out;
    }
    if (x == floor(x) && fabs(x) < 1e6) {
        snprintf(out, VALUE_DOUBLE_SIZE, "%d", (int)x);
        return out;
    }
    int n = (int)shortest(x, is_single, digits, &power);
    if (x < 0)
        *o++ = '-';
    if (power < -5 || power >= 15) {
        snprintf(o, VALUE_DOUBLE_SIZE - 1, "%c%s%.*sE%+03d", digits[0], n > 1 ? "." : "", n - 1,
                 digits + 1, power);
        return out;
    }
    for (int i = power < 0 ? power : 0; i < n || i <= power; i++) {
        *o++ = i >= 0 && i < n ? digits[i] : '0';
        if (i == power && i + 1 < n)
            *o++ = '.';
    }
    *o = '\0';
    return out;
}

char *value_format_double(double x, char out[VALUE_DOUBLE_SIZE])
{
    return format_real(x, false, out);
}

char *value_format_float(float x, char out[VALUE_DOUBLE_SIZE])
{
    return format_real((double)x, true, out);
}
