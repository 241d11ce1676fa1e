#include "common/rule.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/str.h"

#define N_OF(array) (sizeof(array) / sizeof *(array))
#define LAG_P       99 // of GeneratorLag
#define DIGITS_MAX  15 // before the point of a number, and after it

// The first name of each is the one that is written.
static const struct metric {
    const char *name;
    enum rule_what what;
    enum metrics_latency latency;
} metrics[] = {
    {"ErrorRate", RULE_ERROR_RATE, METRICS_LATENCY_UNDEFINED},
    {"SkipRatio", RULE_SKIP_RATIO, METRICS_LATENCY_UNDEFINED},
    {"SkippedRatio", RULE_SKIP_RATIO, METRICS_LATENCY_UNDEFINED},
    {"SkippedRequestsRatio", RULE_SKIP_RATIO, METRICS_LATENCY_UNDEFINED},
    {"SkippedRequestsCount", RULE_SKIPPED, METRICS_LATENCY_UNDEFINED},
    {"SkippedCount", RULE_SKIPPED, METRICS_LATENCY_UNDEFINED},
    {"Throughput", RULE_THROUGHPUT, METRICS_LATENCY_UNDEFINED},
    {"RPS", RULE_THROUGHPUT, METRICS_LATENCY_UNDEFINED},
    {"RequestsPerSecond", RULE_THROUGHPUT, METRICS_LATENCY_UNDEFINED},
    {"RequestsRatePerCoolDownPeriod", RULE_RATE_PER_COOL_DOWN, METRICS_LATENCY_UNDEFINED},
    {"RPSCD", RULE_RATE_PER_COOL_DOWN, METRICS_LATENCY_UNDEFINED},
    {"Dropped", RULE_DROPPED, METRICS_LATENCY_UNDEFINED},
    {"TotalTime", RULE_LATENCY, METRICS_SERVICE},
    {"Service", RULE_LATENCY, METRICS_SERVICE},
    {"Response", RULE_LATENCY, METRICS_RESPONSE},
    {"Lag", RULE_LATENCY, METRICS_LAG},
    {"GeneratorLag", RULE_LATENCY, METRICS_LAG},
    {"DNS", RULE_LATENCY, METRICS_DNS},
    {"TTFB", RULE_LATENCY, METRICS_TTFB},
    {"TimeToFirstByte", RULE_LATENCY, METRICS_TTFB},
    {"WaitingTime", RULE_LATENCY, METRICS_WAIT},
    {"Waiting", RULE_LATENCY, METRICS_WAIT},
    {"TCPHandshake", RULE_LATENCY, METRICS_TCP},
    {"TCP", RULE_LATENCY, METRICS_TCP},
    {"TLSHandshake", RULE_LATENCY, METRICS_TLS},
    {"TLS", RULE_LATENCY, METRICS_TLS},
    {"SSL", RULE_LATENCY, METRICS_TLS},
    {"SSLHandshake", RULE_LATENCY, METRICS_TLS},
    {"SendingTime", RULE_LATENCY, METRICS_SEND},
    {"Sending", RULE_LATENCY, METRICS_SEND},
    {"Upload", RULE_LATENCY, METRICS_SEND},
    {"Upstream", RULE_LATENCY, METRICS_SEND},
    {"ReceivingTime", RULE_LATENCY, METRICS_RECEIVE},
    {"Receiving", RULE_LATENCY, METRICS_RECEIVE},
    {"Download", RULE_LATENCY, METRICS_RECEIVE},
    {"Downstream", RULE_LATENCY, METRICS_RECEIVE},
    {"ServerTime", RULE_LATENCY, METRICS_SERVER},
    {"Server", RULE_LATENCY, METRICS_SERVER},
    {"ServerTimeDB", RULE_LATENCY, METRICS_SERVER_DB},
    {"DB", RULE_LATENCY, METRICS_SERVER_DB},
    {"Database", RULE_LATENCY, METRICS_SERVER_DB},
    {"ServerTimeCache", RULE_LATENCY, METRICS_SERVER_CACHE},
    {"Cache", RULE_LATENCY, METRICS_SERVER_CACHE},
    {"ServerTimeApp", RULE_LATENCY, METRICS_SERVER_APP},
    {"App", RULE_LATENCY, METRICS_SERVER_APP},
    {"Application", RULE_LATENCY, METRICS_SERVER_APP},
};

static const struct stat {
    const char *name;
    enum rule_stat stat;
} stats[] = {
    {"Average", RULE_AVERAGE}, {"Avg", RULE_AVERAGE}, {"Min", RULE_MIN},
    {"Max", RULE_MAX},         {"Sum", RULE_SUM},
};

// Longer ones first where one begins like the other.
static const struct op {
    const char *text;
    enum rule_op op;
} ops[] = {
    {">=", RULE_AT_LEAST}, {"<=", RULE_AT_MOST}, {"!=", RULE_NOT_EQUAL},    {">", RULE_ABOVE},
    {"<", RULE_BELOW},     {"=", RULE_EQUAL},    {"between", RULE_BETWEEN},
};

static int fail(char *why, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fail(char *why, size_t size, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, size, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

// "found" a piece of text, or its end.
static int fail_at(char *why, size_t size, const char *text, size_t len, const char *expected)
{
    char *piece = xstrndup(text, len), *clean = str_clean(piece, 40);
    int ret = len == 0 ? fail(why, size, "found nothing more, expected %s", expected)
                       : fail(why, size, "found \"%s%s\", expected %s", clean,
                              strlen(clean) < len ? "..." : "", expected);

    free(clean);
    free(piece);
    return ret;
}

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t");
}

static size_t word_length(const char *p)
{
    return strcspn(p, " \t<>=!");
}

static int check_length(const char *text, char *why, size_t size)
{
    return strlen(text) <= RULE_BYTES_MAX
               ? 0
               : fail_at(why, size, text, strlen(text), "a shorter text");
}

// --- Numbers and comparisons ---

// What follows the operator: "500", "0.1 and 0.2".
struct comparison {
    enum rule_op op;
    double a, b;
};

static int parse_number(const char **p, double *ret_x, char *why, size_t size)
{
    static const char expected[] = "a number, such as 500 or 0.05";
    const char *begin = *p;
    size_t len = strcspn(begin, " \t"), whole = strspn(begin, "0123456789");
    size_t decimals = begin[whole] == '.' ? strspn(begin + whole + 1, "0123456789") : 0;
    size_t n = whole + (decimals > 0 ? 1 + decimals : 0);

    if (whole == 0 || n != len)
        return fail_at(why, size, begin, len, expected);
    *ret_x = strtod(begin, NULL);
    if (whole > DIGITS_MAX || decimals > DIGITS_MAX)
        return fail_at(why, size, begin, len, "a number of fewer digits");
    *p = begin + n;
    return 0;
}

static int parse_and(const char **p, char *why, size_t size)
{
    const char *at = skip_blanks(*p);

    if (at == *p || strncasecmp(at, "and", 3) != 0 || word_length(at) != 3)
        return fail_at(why, size, at, strcspn(at, " \t"), "\"and\" and the second number");
    *p = skip_blanks(at + 3);
    return 0;
}

static int parse_comparison(const char *p, struct comparison *ret, char *why, size_t size)
{
    struct comparison c = {0};

    for (size_t i = 0; i < N_OF(ops) && c.op == RULE_OP_UNDEFINED; i++) {
        size_t len = strlen(ops[i].text);
        if (strncasecmp(p, ops[i].text, len) != 0 ||
            (isalpha((unsigned char)*p) && !isblank((unsigned char)p[len]) && p[len] != '\0'))
            continue;
        c.op = ops[i].op;
        p += len;
    }
    if (c.op == RULE_OP_UNDEFINED)
        return fail_at(why, size, p, word_length(p) ? word_length(p) : strcspn(p, " \t"),
                       ">, <, >=, <=, =, != or between");
    p = skip_blanks(p);
    if (parse_number(&p, &c.a, why, size) < 0)
        return -EINVAL;
    c.b = c.a;
    if (c.op == RULE_BETWEEN &&
        (parse_and(&p, why, size) < 0 || parse_number(&p, &c.b, why, size) < 0))
        return -EINVAL;
    if (c.b < c.a)
        return fail(why, size, "found between %.15g and %.15g, expected the smaller number first",
                    c.a, c.b);
    p = skip_blanks(p);
    if (*p != '\0')
        return fail_at(why, size, p, strlen(p),
                       c.op == RULE_BETWEEN ? "nothing after the second number"
                                            : "nothing after the number");
    *ret = c;
    return 0;
}

// --- Metrics ---

static const struct metric *find_metric(const char *name)
{
    for (size_t i = 0; i < N_OF(metrics); i++)
        if (strcasecmp(metrics[i].name, name) == 0)
            return &metrics[i];
    return NULL;
}

// "P95", "p99.9": hist_percentile takes thousandths.
static bool parse_percentile(const char *text, double *ret_p)
{
    if (toupper((unsigned char)*text) != 'P')
        return false;
    size_t whole = strspn(text + 1, "0123456789");
    const char *rest = text + 1 + whole;
    size_t decimals = *rest == '.' ? strspn(rest + 1, "0123456789") : 0;
    double p = strtod(text + 1, NULL);

    if (whole == 0 || whole > 3 || decimals > 3 || rest[decimals > 0 ? 1 + decimals : 0] != '\0' ||
        p <= 0 || p > 100)
        return false;
    *ret_p = p;
    return true;
}

static int fail_name(const char *name, char *why, size_t size)
{
    const char *names[N_OF(metrics)];
    char *clean = str_clean(name, 40);

    for (size_t i = 0; i < N_OF(metrics); i++)
        names[i] = metrics[i].name;
    const char *nearest = str_nearest(name, names, N_OF(metrics));
    double percentile;
    if (*name == '\0')
        fail(why, size, "found no name, expected a metric, such as ErrorRate or TotalTime.P95");
    else if (parse_percentile(name, &percentile))
        fail(why, size, "found the metric \"%s\", did you mean \"TotalTime.%s\"?", clean, clean);
    else if (nearest != NULL)
        fail(why, size, "found the metric \"%s\", did you mean \"%s\"?", clean, nearest);
    else
        fail(why, size,
             "found the metric \"%s\", expected ErrorRate, Throughput, TotalTime.P95 or the like",
             clean);
    free(clean);
    return -EINVAL;
}

// stat: what follows the name's point; NULL: none.
static int set_stat(struct rule *rule, const struct metric *m, const char *stat, char *why,
                    size_t size)
{
    static const char expected[] = "a statistic: P50, P95, P99.9, Average, Min, Max or Sum";

    if (m->what != RULE_LATENCY) {
        if (stat == NULL)
            return 0;
        return fail(why, size, "found a statistic of %s, expected none: it is a single number",
                    m->name);
    }
    rule->stat = RULE_AVERAGE;
    if (strcmp(m->name, "GeneratorLag") == 0) {
        rule->stat = RULE_PERCENTILE;
        rule->percentile = LAG_P;
    }
    if (stat == NULL)
        return 0;
    for (size_t i = 0; i < N_OF(stats); i++) {
        if (strcasecmp(stats[i].name, stat) != 0)
            continue;
        rule->stat = stats[i].stat;
        rule->percentile = 0;
        return 0;
    }
    if (!parse_percentile(stat, &rule->percentile))
        return fail_at(why, size, stat, strlen(stat), expected);
    rule->stat = RULE_PERCENTILE;
    return 0;
}

int rule_parse(const char *metric, struct rule *ret_rule, char *why, size_t size)
{
    const char *p = skip_blanks(metric);
    size_t len = word_length(p);
    struct rule rule = {0};
    struct comparison c;

    if (check_length(metric, why, size) < 0)
        return -EINVAL;
    char *name = xstrndup(p, len), *stat = strchr(name, '.');
    if (stat != NULL)
        *stat++ = '\0';
    const struct metric *m = find_metric(name);
    int ret = m == NULL ? fail_name(name, why, size) : set_stat(&rule, m, stat, why, size);
    free(name);
    if (ret < 0 || (ret = parse_comparison(skip_blanks(p + len), &c, why, size)) < 0)
        return ret;
    rule.what = m->what;
    rule.latency = m->latency;
    rule.op = c.op;
    rule.a = c.a;
    rule.b = c.b;
    *ret_rule = rule;
    return 0;
}

static bool is_code(double x)
{
    return x == 0 || (x >= 100 && x <= 599 && x == (unsigned)x);
}

int rule_parse_codes(const char *codes, struct rule_codes *ret_codes, char *why, size_t size)
{
    const char *p = codes == NULL ? "" : skip_blanks(codes);
    struct comparison c;

    if (*p == '\0') {
        *ret_codes = (struct rule_codes){0};
        return 0;
    }
    if (check_length(codes, why, size) < 0)
        return -EINVAL;
    if (strchr(p, ',') != NULL)
        return fail_at(why, size, p, strlen(p),
                       "one operator and its code, such as >= 500 or between 400 and 499");
    if (parse_comparison(p, &c, why, size) < 0)
        return -EINVAL;
    if (!is_code(c.a) || !is_code(c.b))
        return fail(why, size, "found the code %.15g, expected 100 to 599, or 0: no answer",
                    is_code(c.a) ? c.b : c.a);
    *ret_codes = (struct rule_codes){c.op, (unsigned)c.a, (unsigned)c.b};
    return 0;
}

// --- Spans ---

// "[d.]hh:mm[:ss[.fff]]". 0 or -EINVAL.
static int parse_clock(const char *p, uint64_t *ret_ms)
{
    static const unsigned unit[] = {3600000, 60000, 1000};
    uint64_t ms = 0;
    int part = 0;

    if (strchr(p, '.') != NULL && strchr(p, '.') < strchr(p, ':')) {
        size_t n = strspn(p, "0123456789");
        if (n == 0 || n > 4 || p[n] != '.')
            return -EINVAL;
        ms = strtoull(p, NULL, 10) * 24 * 3600000;
        p += n + 1;
    }
    for (; part < 3; part++) {
        size_t n = strspn(p, "0123456789");
        unsigned v = (unsigned)strtoul(p, NULL, 10);
        if (n == 0 || n > 2 || v > (part == 0 ? 23 : 59))
            return -EINVAL;
        ms += (uint64_t)v * unit[part];
        p += n;
        if (*p != ':' || part == 2)
            break;
        p++;
    }
    if (part == 2 && *p == '.') { // of a second, to a millisecond
        size_t n = strspn(p + 1, "0123456789");
        for (size_t i = 0; i < 3; i++)
            ms += i < n ? (uint64_t)(p[1 + i] - '0') * (i == 0 ? 100 : i == 1 ? 10 : 1) : 0;
        if (n == 0 || n > 7)
            return -EINVAL;
        p += 1 + n;
    }
    *ret_ms = ms;
    return part > 0 && *p == '\0' ? 0 : -EINVAL;
}

static int parse_units(const char *p, uint64_t *ret_ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    size_t n = strspn(p, "0123456789");

    if (n == 0 || n > 12)
        return -EINVAL;
    uint64_t v = strtoull(p, NULL, 10);
    p = skip_blanks(p + n);
    for (size_t i = 0; i < N_OF(units); i++) {
        if (strcasecmp(p, units[i].name) != 0)
            continue;
        *ret_ms = v * units[i].ms;
        return 0;
    }
    *ret_ms = 0;
    return *p == '\0' && v == 0 ? 0 : -EINVAL;
}

int rule_parse_span(const char *span, int64_t *ret_ms, char *why, size_t size)
{
    static const char expected[] = "a time span, such as 00:00:10, 10s, 500ms or 2m";
    const char *p = skip_blanks(span);
    size_t len = strlen(p);
    uint64_t ms = 0;

    if (check_length(span, why, size) < 0)
        return -EINVAL;
    while (len > 0 && isblank((unsigned char)p[len - 1]))
        len--;
    char *text = xstrndup(p, len);
    int ret = len == 0                    ? 0
              : strchr(text, ':') != NULL ? parse_clock(text, &ms)
                                          : parse_units(text, &ms);
    if (ret < 0)
        fail_at(why, size, text, len,
                text[strspn(text, "0123456789")] == '\0'
                    ? "a unit after the number: s, ms, m, h or d"
                    : expected);
    else if (ms > RULE_SPAN_MAX_MS)
        ret = fail_at(why, size, text, len, "at most 365 days");
    else
        *ret_ms = (int64_t)ms;
    free(text);
    return ret;
}

// --- Text ---

static void put_comparison(struct buf *out, enum rule_op op, double a, double b)
{
    for (size_t i = 0; i < N_OF(ops); i++)
        if (ops[i].op == op)
            buf_printf(out, "%s ", ops[i].text);
    for (int i = 0; i < (op == RULE_BETWEEN ? 2 : 1); i++) {
        double x = i == 0 ? a : b;
        char text[48];
        for (int decimals = 0; decimals <= DIGITS_MAX; decimals++) { // as few as read back
            snprintf(text, sizeof text, "%.*f", decimals, x);
            if (strtod(text, NULL) == x)
                break;
        }
        buf_printf(out, "%s%s", i > 0 ? " and " : "", text);
    }
}

char *rule_format(const struct rule *rule)
{
    struct buf out = {0};

    for (size_t i = 0; i < N_OF(metrics) && out.len == 0; i++)
        if (metrics[i].what == rule->what && metrics[i].latency == rule->latency)
            buf_puts(&out, metrics[i].name);
    if (rule->stat == RULE_PERCENTILE)
        buf_printf(&out, ".P%.6g", rule->percentile);
    for (size_t i = 0; i < N_OF(stats); i++) {
        if (rule->stat != stats[i].stat)
            continue;
        buf_printf(&out, ".%s", stats[i].name);
        break;
    }
    buf_puts(&out, " ");
    put_comparison(&out, rule->op, rule->a, rule->b);
    if (rule->codes.op != RULE_OP_UNDEFINED) {
        buf_puts(&out, " [codes ");
        put_comparison(&out, rule->codes.op, rule->codes.a, rule->codes.b);
        buf_puts(&out, "]");
    }
    return buf_take(&out);
}
