#include "worker/runner/server_timing.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/hist.h"

#define NUMBER_MAX 40 // bytes; a double has 17 digits

enum category {
    OTHER = 0,
    DB,
    CACHE,
    APP,
    TOTAL,
    CATEGORY__COUNT,
};

static const struct {
    const char *name;
    enum category category;
} categories[] = {
    {"db", DB},           {"database", DB},    {"mysql", DB},       {"postgres", DB},
    {"sql", DB},          {"sqlserver", DB},   {"mongodb", DB},     {"mongo", DB},
    {"redis-db", DB},     {"query", DB},       {"cache", CACHE},    {"redis", CACHE},
    {"memcached", CACHE}, {"memcache", CACHE}, {"varnish", CACHE},  {"cdn", CACHE},
    {"hit", CACHE},       {"miss", CACHE},     {"app", APP},        {"application", APP},
    {"compute", APP},     {"process", APP},    {"processing", APP}, {"handler", APP},
    {"controller", APP},  {"logic", APP},      {"total", TOTAL},    {"server", TOTAL},
    {"response", TOTAL},  {"duration", TOTAL}, {"time", TOTAL},     {"elapsed", TOTAL},
};

struct span {
    const char *p;
    size_t len;
};

static struct span trim(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (p < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct span){p, (size_t)(end - p)};
}

static bool is_word(struct span s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.p, word, s.len) == 0;
}

static enum category category_of(struct span name)
{
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
        if (is_word(name, categories[i].name))
            return categories[i].category;
    return OTHER;
}

// A decimal number, not negative. 0 or -EINVAL.
static int parse_number(struct span s, double *ret_x)
{
    char digits[NUMBER_MAX + 1];
    char *end;

    if (s.len == 0 || s.len > NUMBER_MAX)
        return -EINVAL;
    memcpy(digits, s.p, s.len);
    digits[s.len] = '\0';
    // strtod also takes blanks, signs, hex, "inf" and "nan".
    if (strspn(digits, "0123456789.eE+-") != s.len || digits[0] == '-' || digits[0] == '+')
        return -EINVAL;
    double x = strtod(digits, &end);
    if (end == digits || *end != '\0')
        return -EINVAL;
    *ret_x = x;
    return 0;
}

static uint64_t to_us(double ms)
{
    return ms >= (double)HIST_MAX_US / 1e3 ? HIST_MAX_US : (uint64_t)(ms * 1e3 + 0.5);
}

// To the next of two bytes outside quotes (RFC 9110 section 5.6.4), or the end.
static const char *skip_until(const char *p, const char *end, char a, char b)
{
    bool quoted = false;

    for (; p < end && (quoted || (*p != a && *p != b)); p++) {
        if (*p == '"')
            quoted = !quoted;
        else if (*p == '\\' && quoted && p + 1 < end)
            p++;
    }
    return p;
}

// The first dur of an entry's parameters, from its ';' on. 0 or -EINVAL.
static int find_duration(const char *p, const char *end, double *ret_ms)
{
    while (p < end) {
        const char *next = skip_until(p + 1, end, ';', ';');
        const char *equals = memchr(p, '=', (size_t)(next - p));
        if (equals != NULL && is_word(trim(p + 1, equals), "dur")) {
            struct span value = trim(equals + 1, next);
            if (value.len >= 2 && value.p[0] == '"' && value.p[value.len - 1] == '"')
                value = (struct span){value.p + 1, value.len - 2};
            return parse_number(value, ret_ms);
        }
        p = next;
    }
    return -EINVAL;
}

static struct server_timing parse_entries(const char *p, const char *end)
{
    double ms[CATEGORY__COUNT] = {0}, sum = 0;
    bool has_total = false;

    while (p < end) {
        const char *next = skip_until(p, end, ',', ',');
        const char *parameters = skip_until(p, next, ';', ';');
        double duration;
        if (find_duration(parameters, next, &duration) == 0) {
            enum category c = category_of(trim(p, parameters));
            ms[c] = c == TOTAL ? duration : ms[c] + duration;
            has_total = has_total || c == TOTAL;
            sum += duration;
        }
        p = next < end ? next + 1 : end;
    }
    return (struct server_timing){to_us(ms[DB]), to_us(ms[CACHE]), to_us(ms[APP]),
                                  to_us(has_total ? ms[TOTAL] : sum)};
}

static struct server_timing parse_total(struct span s, double unit_ms)
{
    double x;

    if (s.len > 2 && strncasecmp(s.p + s.len - 2, "ms", 2) == 0) {
        unit_ms = 1;
        s.len -= 2;
    } else if (s.len > 1 && (s.p[s.len - 1] == 's' || s.p[s.len - 1] == 'S')) {
        unit_ms = 1e3;
        s.len--;
    }
    if (parse_number(trim(s.p, s.p + s.len), &x) < 0)
        return (struct server_timing){0};
    return (struct server_timing){.total_us = to_us(x * unit_ms)};
}

static bool has_duration(const char *text, size_t len)
{
    for (size_t i = 0; i + 4 <= len; i++)
        if (strncasecmp(text + i, "dur=", 4) == 0)
            return true;
    return false;
}

struct server_timing server_timing_parse(enum server_timing_format format, const char *text,
                                         size_t len)
{
    if (format == SERVER_TIMING_ENTRIES ||
        (format == SERVER_TIMING_AUTO && has_duration(text, len)))
        return parse_entries(text, text + len);
    return parse_total(trim(text, text + len), format == SERVER_TIMING_SECONDS ? 1e3 : 1);
}
