#include "common/rule.h"

#include <string.h>

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

static void add_codes(struct rule_errors *e, const struct rule_codes *codes)
{
    e->code[0] |= is_error(codes, 0);
    for (unsigned code = 100; code < 600; code++)
        e->code[code] |= is_error(codes, code);
}

void rule_errors_init(struct rule_errors *e, const struct plan_rule *failure, size_t n)
{
    static const struct rule_codes usual;
    bool is_empty = true;

    memset(e, 0, sizeof *e);
    for (size_t i = 0; i < n; i++) {
        struct rule rule;
        char why[200];
        if (failure[i].metric == NULL ||
            rule_parse(failure[i].metric, &rule, why, sizeof why) < 0 ||
            rule.what != RULE_ERROR_RATE ||
            rule_parse_codes(failure[i].codes, &rule.codes, why, sizeof why) < 0)
            continue;
        add_codes(e, &rule.codes);
        is_empty = false;
    }
    if (is_empty)
        add_codes(e, &usual);
}

uint64_t rule_n_errors(const struct rule_errors *e, const struct metrics_series *s)
{
    uint64_t n = e->code[0] ? s->n.failed : 0;

    for (unsigned code = 100; code < 600; code++)
        n += e->code[code] ? s->status[code] : 0;
    return n;
}

static uint64_t n_answers(const struct metrics_series *s)
{
    uint64_t n = 0;

    for (unsigned code = 100; code < 600; code++)
        n += s->status[code];
    return n;
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

// What was not answered never completed, whatever the codes say of it.
static double rate(const struct rule_errors *errors, const struct metrics_series *s,
                   int64_t elapsed_ms, uint64_t period_ms)
{
    uint64_t failed = errors->code[0] ? s->n.failed : 0;
    uint64_t good = n_answers(s) - (rule_n_errors(errors, s) - failed);

    if (period_ms == 0 || elapsed_ms < 0 || (uint64_t)elapsed_ms < period_ms)
        return 0;
    return two_decimals((double)good / (double)elapsed_ms * (double)period_ms);
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

double rule_value(const struct rule *rule, const struct metrics_series *series,
                  const struct rule_errors *errors, int64_t elapsed_ms, uint64_t cool_down_ms)
{
    const struct metrics_counters *n = &series->n;
    struct rule_errors own = {0};

    if (rule->what == RULE_ERROR_RATE || rule->codes.op != RULE_OP_UNDEFINED) {
        add_codes(&own, &rule->codes);
        errors = &own;
    }
    switch (rule->what) {
    case RULE_ERROR_RATE:
        return share(rule_n_errors(errors, series), n_answers(series) + n->failed);
    case RULE_SKIP_RATIO:
        return share(n->skipped, n->started + n->skipped);
    case RULE_SKIPPED:
        return (double)n->skipped;
    case RULE_THROUGHPUT:
        return rate(errors, series, elapsed_ms, 1000);
    case RULE_RATE_PER_COOL_DOWN:
        return rate(errors, series, elapsed_ms, cool_down_ms);
    case RULE_LATENCY:
        return latency_us(rule, &series->latency[rule->latency]) / 1000;
    case RULE_DROPPED:
        return (double)n->dropped;
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
        double value = rule_value(&rules[i].rule, series, NULL, 0, 0);
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
