#include "common/script/method_format.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/script/value_impl.h"

// "{index,width:kind digits}"
struct place {
    long index, width; // width below 0: to the left
    const char *form;  // what is behind the colon
    size_t form_len;
};

struct item {
    const char *text;
    size_t len;
};

// Digits; -1: none, or above max.
static long read_number(const char **at, const char *end, long max)
{
    const char *p = *at;
    long n = 0;

    for (; p < end && isdigit((unsigned char)*p); p++)
        if ((n = n * 10 + (*p - '0')) > max)
            return -1;
    if (p == *at)
        return -1;
    *at = p;
    return n;
}

static void skip_blanks(const char **at, const char *end)
{
    while (*at < end && **at == ' ')
        ++*at;
}

// From behind the "{" to behind the "}". NULL, or what is wrong.
static const char *read_place(const char **at, const char *end, struct place *ret)
{
    *ret = (struct place){.form = ""};
    ret->index = read_number(at, end, METHOD_FORMAT_ARGS_MAX - 1);
    if (ret->index < 0)
        return "a '{' without the number of an item";
    skip_blanks(at, end);
    if (*at < end && **at == ',') {
        ++*at;
        skip_blanks(at, end);
        bool is_left = *at < end && **at == '-';
        *at += is_left;
        ret->width = read_number(at, end, METHOD_FORMAT_WIDTH_MAX);
        if (ret->width < 0)
            return "a width that is no number, or too large";
        ret->width = is_left ? -ret->width : ret->width;
        skip_blanks(at, end);
    }
    if (*at < end && **at == ':') {
        ret->form = ++*at;
        while (*at < end && **at != '}' && **at != '{')
            ++*at;
        ret->form_len = (size_t)(*at - ret->form);
    }
    if (*at == end || **at != '}')
        return "a '{' without its '}'";
    ++*at;
    return NULL;
}

// With a half away from zero, as .NET does, where printf goes to the even side.
static int print_fixed(double x, int digits, char *out, size_t size)
{
    // A half at that place is a whole number of halves of 2^-digits, as no other double is.
    if (fmod(fabs(ldexp(x, digits + 1)), 2) == 1)
        x = nextafter(x, x < 0 ? -INFINITY : INFINITY);
    return snprintf(out, size, "%.*f", digits, x);
}

static void append_thousands(const char *digits, struct buf *out)
{
    size_t n = strspn(digits, "-"), whole = strspn(digits + n, "0123456789");

    buf_append(out, digits, n);
    for (size_t i = 0; i < whole; i++) {
        if (i > 0 && (whole - i) % 3 == 0)
            buf_append(out, ",", 1);
        buf_append(out, digits + n + i, 1);
    }
    buf_puts(out, digits + n + whole);
}

static void append_whole(char kind, int digits, int64_t n, struct buf *out)
{
    unsigned long long magnitude = n < 0 ? -(unsigned long long)n : (unsigned long long)n;
    // A negative number of 32 bits stays one: -1 is FFFFFFFF.
    unsigned long long bits =
        n < 0 && n >= INT32_MIN ? (uint32_t)(int32_t)n : (unsigned long long)n;

    if (kind == 'x')
        buf_printf(out, "%0*llx", digits, bits);
    else if (kind == 'X')
        buf_printf(out, "%0*llX", digits, bits);
    else
        buf_printf(out, "%s%0*llu", n < 0 ? "-" : "", digits, magnitude);
}

// false: it is no such form, or no number for it.
static bool append_number(const struct place *place, const struct item *item, struct buf *out)
{
    const char *at = place->form, *end = at + place->form_len;
    char fixed[512]; // 309 digits before the point at most
    int64_t n;
    double x;

    char kind = *at++;
    long digits = at == end ? -1 : read_number(&at, end, METHOD_FORMAT_DIGITS_MAX);
    if (at != end)
        return false;
    if (strchr("DdXx", kind) != NULL) {
        if (value_parse_int(item->text, item->len, &n) < 0)
            return false;
        append_whole(kind, digits < 0 ? 1 : (int)digits, n, out);
        return true;
    }
    if (strchr("FfNn", kind) == NULL || value_parse_double(item->text, item->len, &x) < 0)
        return false;
    print_fixed(x, digits < 0 ? 2 : (int)digits, fixed, sizeof fixed);
    if (toupper(kind) == 'N')
        append_thousands(fixed, out);
    else
        buf_puts(out, fixed);
    return true;
}

static void pad(size_t n, struct buf *out)
{
    for (; n > 0; n--)
        buf_append(out, " ", 1);
}

static size_t count_chars(const char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

static void append_item(const struct call *call, struct script_env *env, const struct place *place,
                        const struct item *item, struct buf *out)
{
    struct buf number = {0};
    const char *text = item->text;
    size_t len = item->len, width = (size_t)labs(place->width);

    if (place->form_len > 0 && append_number(place, item, &number)) {
        text = number.data;
        len = number.len;
    } else if (place->form_len > 0) {
        script_warn(env, "%s: \":%.*s\" does not fit item %ld", call->method->name,
                    place->form_len > 40 ? 40 : (int)place->form_len, place->form, place->index);
    }
    size_t n_chars = width == 0 ? 0 : count_chars(text, len);
    size_t n_blanks = width > n_chars ? width - n_chars : 0;
    pad(place->width > 0 ? n_blanks : 0, out);
    buf_append(out, text, len);
    pad(place->width < 0 ? n_blanks : 0, out);
    buf_done(&number);
}

int method_format(const struct call *call, struct script_env *env, const char *text, size_t len,
                  struct text_list *list, struct buf *out)
{
    struct item items[METHOD_FORMAT_ARGS_MAX];
    const char *p = text, *end = text + len, *wrong = NULL;
    struct place place;
    long n = 0;

    while (n < METHOD_FORMAT_ARGS_MAX && text_list_next(list, &items[n].text, &items[n].len))
        n++;
    while (p < end && wrong == NULL && out->len <= VALUE_BYTES_MAX) {
        const char *plain = p;
        while (p < end && *p != '{' && *p != '}')
            p++;
        buf_append(out, plain, (size_t)(p - plain));
        if (p == end)
            break;
        char c = *p++;
        if (p < end && *p == c) {
            buf_append(out, p++, 1);
        } else if (c == '}') {
            wrong = "a '}' without its '{'";
        } else if ((wrong = read_place(&p, end, &place)) == NULL) {
            if (place.index < n)
                append_item(call, env, &place, &items[place.index], out);
            else
                wrong = "the number of an item that is not in args";
        }
    }
    if (wrong != NULL)
        script_warn(env, "%s: found %s", call->method->name, wrong);
    return wrong != NULL ? -EINVAL : 0;
}
