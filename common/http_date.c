#include "common/http_date.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

// What RFC 6265 section 5.1.1 makes of a date, however it is written: the first token that looks
// like a time is the time, and so on.
struct date {
    bool has_time, has_day, has_month, has_year;
    int hour, minute, second, day, month, year;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_delimiter(char c)
{
    unsigned char u = (unsigned char)c;

    return u == 0x09 || (u >= 0x20 && u <= 0x2f) || (u >= 0x3b && u <= 0x40) ||
           (u >= 0x5b && u <= 0x60) || (u >= 0x7b && u <= 0x7e);
}

// At least min and at most max digits, none following. Their count or 0.
static size_t read_digits(const char *p, const char *end, size_t min, size_t max, int *ret_n)
{
    size_t n = 0;
    int value = 0;

    for (; p + n < end && is_digit(p[n]) && n <= max; n++)
        value = value * 10 + (p[n] - '0');
    if (n < min || n > max)
        return 0;
    *ret_n = value;
    return n;
}

static bool read_time(struct date *d, const char *p, const char *end)
{
    int part[3];

    for (int i = 0; i < 3; i++) {
        size_t n = read_digits(p, end, 1, 2, &part[i]);
        if (n == 0)
            return false;
        p += n;
        if (i < 2 && (p == end || *p++ != ':'))
            return false;
    }
    d->hour = part[0];
    d->minute = part[1];
    d->second = part[2];
    return true;
}

static bool read_month(struct date *d, const char *p, const char *end)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (int i = 0; i < 12 && end - p >= 3; i++) {
        if (strncasecmp(p, names + 3 * i, 3) == 0) {
            d->month = i + 1;
            return true;
        }
    }
    return false;
}

static void read_token(struct date *d, const char *p, const char *end)
{
    if (!d->has_time && read_time(d, p, end))
        d->has_time = true;
    else if (!d->has_day && read_digits(p, end, 1, 2, &d->day) > 0)
        d->has_day = true;
    else if (!d->has_month && read_month(d, p, end))
        d->has_month = true;
    else if (!d->has_year && read_digits(p, end, 2, 4, &d->year) > 0)
        d->has_year = true;
}

// Of the Gregorian calendar. timegm would do, but for the lock and the environment in it.
static int64_t days_since_1970(int year, int month, int day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    int64_t past = year - 1; // whole years since the year 1, in which 1970 is day 719162

    return past * 365 + past / 4 - past / 100 + past / 400 - 719162 + before[month - 1] +
           (is_leap && month > 2) + day - 1;
}

int http_date_parse(const char *text, size_t len, int64_t *ret_s)
{
    const char *p = text, *end = text + len;
    struct date d = {0};

    while (p < end) {
        const char *token = p;
        while (p < end && !is_delimiter(*p))
            p++;
        read_token(&d, token, p);
        p += p < end;
    }
    if (d.year <= 99)
        d.year += d.year >= 70 ? 1900 : 2000;
    if (!d.has_time || !d.has_day || !d.has_month || !d.has_year || d.year < 1601 || d.hour > 23 ||
        d.minute > 59 || d.second > 59)
        return -EINVAL;

    int64_t days = days_since_1970(d.year, d.month, d.day);
    // A day that its month does not have would be one of the next.
    if (d.day < 1 || (d.month < 12 && days >= days_since_1970(d.year, d.month + 1, 1)) ||
        d.day > 31)
        return -EINVAL;
    *ret_s = days * 86400 + d.hour * 3600 + d.minute * 60 + d.second;
    return 0;
}
