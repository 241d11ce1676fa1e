#include "common/script/datetime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define YEAR_1_S    (-62135596800) // 0001-01-01T00:00:00Z
#define YEAR_9999_S 253402300799   // 9999-12-31T23:59:59Z

struct moment {
    struct tm tm;
    int ms;
    int64_t offset_min;
};

static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

// learn.microsoft.com/dotnet/standard/base-types/standard-date-and-time-format-strings
static const struct {
    char letter;
    const char *format;
} standard[] = {
    {'d', "MM/dd/yyyy"},
    {'D', "dddd, dd MMMM yyyy"},
    {'f', "dddd, dd MMMM yyyy HH:mm"},
    {'F', "dddd, dd MMMM yyyy HH:mm:ss"},
    {'g', "MM/dd/yyyy HH:mm"},
    {'G', "MM/dd/yyyy HH:mm:ss"},
    {'m', "MMMM dd"},
    {'M', "MMMM dd"},
    {'o', "yyyy-MM-ddTHH:mm:ss.fffffffK"},
    {'O', "yyyy-MM-ddTHH:mm:ss.fffffffK"},
    {'r', "ddd, dd MMM yyyy HH:mm:ss 'GMT'"},
    {'R', "ddd, dd MMM yyyy HH:mm:ss 'GMT'"},
    {'s', "yyyy-MM-ddTHH:mm:ss"},
    {'t', "HH:mm"},
    {'T', "HH:mm:ss"},
    {'u', "yyyy-MM-dd HH:mm:ss'Z'"},
    {'U', "dddd, dd MMMM yyyy HH:mm:ss"},
    {'y', "yyyy MMMM"},
    {'Y', "yyyy MMMM"},
};

// At least n digits. By hand: printf takes longer than all the rest.
static void number(int value, size_t n, struct buf *out)
{
    char digits[12], *p = digits + sizeof digits;

    do
        *--p = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    size_t len = (size_t)(digits + sizeof digits - p);
    for (; n > len; n--)
        buf_append(out, "0", 1);
    buf_append(out, p, len);
}

// One or two digits, the first three letters, or the name.
static void number_or_name(int value, const char *name, size_t n, struct buf *out)
{
    if (n <= 2)
        number(value, n, out);
    else
        buf_append(out, name, n == 3 ? 3 : strlen(name));
}

// F leaves zeros at the end out, and a point before nothing.
static int fraction(const struct moment *m, bool is_short, size_t n, struct buf *out)
{
    char digits[] = "0000000";

    if (n >= sizeof digits)
        return -EINVAL;
    for (int i = 2, ms = m->ms; i >= 0; i--, ms /= 10)
        digits[i] = (char)('0' + ms % 10);
    while (is_short && n > 0 && digits[n - 1] == '0')
        n--;
    if (n > 0)
        buf_append(out, digits, n);
    else if (out->len > 0 && out->data[out->len - 1] == '.')
        out->data[--out->len] = '\0';
    return 0;
}

static void zone(const struct moment *m, size_t n, struct buf *out)
{
    long minutes = labs((long)m->offset_min);

    buf_printf(out, "%c%0*ld", m->offset_min < 0 ? '-' : '+', n == 1 ? 1 : 2, minutes / 60);
    if (n > 2)
        buf_printf(out, ":%02ld", minutes % 60);
}

// A run of n times c.
static int field(const struct moment *m, const char *run, size_t n, struct buf *out)
{
    const struct tm *tm = &m->tm;
    int year = tm->tm_year + 1900, hour = tm->tm_hour;
    size_t two = n < 2 ? n : 2;

    switch (*run) {
    case 'd':
        number_or_name(tm->tm_mday, days[tm->tm_wday], n, out);
        break;
    case 'f':
    case 'F':
        return fraction(m, *run == 'F', n, out);
    case 'g':
        buf_puts(out, "A.D.");
        break;
    case 'h':
        number((hour + 11) % 12 + 1, two, out);
        break;
    case 'H':
        number(hour, two, out);
        break;
    case 'K':
        for (size_t i = 0; i < n; i++)
            if (m->offset_min == 0)
                buf_puts(out, "Z");
            else
                zone(m, 3, out);
        break;
    case 'm':
        number(tm->tm_min, two, out);
        break;
    case 'M':
        number_or_name(tm->tm_mon + 1, months[tm->tm_mon], n, out);
        break;
    case 's':
        number(tm->tm_sec, two, out);
        break;
    case 't':
        buf_append(out, hour < 12 ? "AM" : "PM", two);
        break;
    case 'y':
        number(n > 2 ? year : year % 100, n, out);
        break;
    case 'z':
        zone(m, n, out);
        break;
    default:
        buf_append(out, run, n);
    }
    return 0;
}

// The text in quotes at p. 0 and where it ends, or -EINVAL.
static int quoted(const char *p, const char **ret_end, struct buf *out)
{
    char quote = *p++;

    for (; *p != quote; p++) {
        if (*p == '\\')
            p++;
        if (*p == '\0')
            return -EINVAL;
        buf_append(out, p, 1);
    }
    *ret_end = p + 1;
    return 0;
}

static int custom(const struct moment *m, const char *p, struct buf *out)
{
    int r = 0;

    while (r == 0 && *p != '\0') {
        size_t n = 1;
        if (*p == '\'' || *p == '"') {
            r = quoted(p, &p, out);
            continue;
        }
        if (*p == '\\') {
            if (*++p == '\0')
                return -EINVAL;
            buf_append(out, p++, 1);
            continue;
        }
        if (*p == '%') {
            if (*++p == '\0' || strchr("%'\"\\", *p) != NULL)
                return -EINVAL;
        } else {
            while (p[n] == *p)
                n++;
        }
        r = field(m, p, n, out);
        p += n;
    }
    return r;
}

int datetime_format(int64_t unix_ms, int64_t offset_ms, const char *format, struct buf *out)
{
    struct moment m = {.offset_min = offset_ms / 60000};
    int64_t ms;

    if (__builtin_add_overflow(unix_ms, offset_ms, &ms))
        return -ERANGE;
    time_t s = ms / 1000 - (ms % 1000 < 0);
    m.ms = (int)((ms % 1000 + 1000) % 1000);
    if (s < YEAR_1_S || s > YEAR_9999_S)
        return -ERANGE;
    gmtime_r(&s, &m.tm);
    if (strlen(format) > 1)
        return custom(&m, format, out);
    for (size_t i = 0; i < sizeof standard / sizeof *standard; i++)
        if (standard[i].letter == *format)
            return custom(&m, standard[i].format, out);
    return -EINVAL;
}
