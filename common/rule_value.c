#include "common/rule.h"

#define TOLERANCE 0.0001 // of = and !=

static bool compare(enum rule_op op, double x, double a, double b, double tolerance)
{
    double difference = x < a ? a - x : x - a;

    switch (op) {
    case RULE_ABOVE:
        return x > a;
    case RULE_BELOW:
        return x < a;
    case RULE_AT_MOST:
        return x <= a;
    case RULE_AT_LEAST:
        return x >= a;
    case RULE_EQUAL:
        return difference <= tolerance;
    case RULE_NOT_EQUAL:
        return difference > tolerance;
    case RULE_BETWEEN:
        return x >= a && x <= b;
    case RULE_OP_UNDEFINED:
    case RULE_OP__COUNT:
        break;
    }
    return false;
}

static bool is_error(const struct rule_codes *c, unsigned code)
{
    if (c->op == RULE_OP_UNDEFINED)
        return code == 0 || code >= 400;
    return compare(c->op, code, c->a, c->b, 0);
}

struct counts {
    uint64_t errors, all;
};

static struct counts count(const struct metrics_series *s, const struct rule_codes *codes)
{
    struct counts c = {.errors = is_error(codes, 0) ? s->n.failed : 0, .all = s->n.failed};

    for (unsigned code = 100; code < 600; code++) {
        c.all += s->status[code];
        c.errors += is_error(codes, code) ? s->status[code] : 0;
    }
    return c;
}

static double share(uint64_t part, uint64_t of)
{
    return of == 0 ? 0 : (double)part / (double)of;
}

// As the reports show it.
static double two_decimals(double x)
{
    return x < 1e15 ? (double)(uint64_t)(x * 100 + 0.5) / 100 : x;
}

static double rate(const struct rule *rule, const struct metrics_series *s, int64_t elapsed_ms,
                   uint64_t period_ms)
{
    struct counts c = count(s, &rule->codes);
    uint64_t failed_ok = is_error(&rule->codes, 0) ? 0 : s->n.failed; // never completed

    if (period_ms == 0 || elapsed_ms < 0 || (uint64_t)elapsed_ms < period_ms)
        return 0;
    return two_decimals((double)(c.all - c.errors - failed_ok) / (double)elapsed_ms *
                        (double)period_ms);
}

static double latency_us(const struct rule *rule, const struct hist *h)
{
    switch (rule->stat) {
    case RULE_AVERAGE:
        return hist_mean(h);
    case RULE_MIN:
        return (double)h->min;
    case RULE_MAX:
        return (double)h->max;
    case RULE_SUM:
        return (double)h->sum;
    case RULE_PERCENTILE:
        return (double)hist_percentile(h, rule->percentile);
    case RULE_STAT_UNDEFINED:
        break;
    }
    return 0;
}

double rule_value(const struct rule *rule, const struct metrics_series *series, int64_t elapsed_ms,
                  uint64_t cool_down_ms)
{
    const struct metrics_counters *n = &series->n;
    struct counts c;

    switch (rule->what) {
    case RULE_ERROR_RATE:
        c = count(series, &rule->codes);
        return share(c.errors, c.all);
    case RULE_SKIP_RATIO:
        return share(n->skipped, n->started + n->skipped);
    case RULE_SKIPPED:
        return (double)n->skipped;
    case RULE_THROUGHPUT:
        return rate(rule, series, elapsed_ms, 1000);
    case RULE_RATE_PER_COOL_DOWN:
        return rate(rule, series, elapsed_ms, cool_down_ms);
    case RULE_LATENCY:
        return latency_us(rule, &series->latency[rule->latency]) / 1000;
    case RULE_DROPPED:
        return (double)n->dropped;
    case RULE_SERVER_TIME:
    case RULE_SERVER_TIME_DB:
    case RULE_SERVER_TIME_CACHE:
    case RULE_SERVER_TIME_APP:
    case RULE_WHAT_UNDEFINED:
    case RULE_WHAT__COUNT:
        break;
    }
    return 0;
}

bool rule_holds(const struct rule *rule, double value)
{
    return compare(rule->op, value, rule->a, rule->b, TOLERANCE);
}

const char *rule_default(const struct metrics_series *series, double *ret_value)
{
    static const struct {
        struct rule rule;
        const char *text;
    } rules[] = {
        {{.what = RULE_ERROR_RATE, .op = RULE_ABOVE, .a = 0.05}, "ErrorRate > 0.05"},
        {{.what = RULE_ERROR_RATE, .op = RULE_ABOVE, .a = 0.01, .codes = {RULE_AT_LEAST, 500, 500}},
         "ErrorRate > 0.01 [codes >= 500]"},
    };

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        double value = rule_value(&rules[i].rule, series, 0, 0);
        if (!rule_holds(&rules[i].rule, value))
            continue;
        *ret_value = value;
        return rules[i].text;
    }
    return NULL;
}

void rule_clock_init(struct rule_clock *c)
{
    c->since_ms = -1;
}

bool rule_clock_look(struct rule_clock *c, bool holds, int64_t grace_ms, int64_t now_ms)
{
    if (!holds)
        c->since_ms = -1;
    else if (c->since_ms < 0)
        c->since_ms = now_ms;
    return holds && now_ms - c->since_ms >= grace_ms;
}
