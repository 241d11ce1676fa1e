// Failure and termination rules: "TTFB.P95 > 500", "ErrorRate > 0.05" with "between 400 and 599", a
// grace period; over the counts of a series. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/metrics.h"
#include "common/plan.h"

#define RULE_BYTES_MAX   256 // of a metric, codes or a span
#define RULE_SPAN_MAX_MS (365LL * 24 * 3600 * 1000)

enum rule_op {
    RULE_OP_UNDEFINED = 0,
    RULE_ABOVE,
    RULE_BELOW,
    RULE_AT_MOST,
    RULE_AT_LEAST,
    RULE_EQUAL,
    RULE_NOT_EQUAL,
    RULE_BETWEEN, // both ends included
    RULE_OP__COUNT,
};

enum rule_what {
    RULE_WHAT_UNDEFINED = 0,
    RULE_ERROR_RATE, // of 0 to 1, by the rule's own codes
    RULE_SKIP_RATIO,
    RULE_SKIPPED,
    RULE_THROUGHPUT,         // completed without an error, a second
    RULE_RATE_PER_COOL_DOWN, // the same within a cool-down
    RULE_LATENCY,            // of a phase, or what a server says of itself, in ms
    RULE_DROPPED,            // requests due and never sent
    RULE_WHAT__COUNT,
};

enum rule_stat {
    RULE_STAT_UNDEFINED = 0, // of what is a single number
    RULE_AVERAGE,
    RULE_MIN,
    RULE_MAX,
    RULE_SUM,
    RULE_PERCENTILE,
};

struct rule_codes { // 0: no answer at all
    enum rule_op op;
    unsigned a, b;
};

struct rule {
    enum rule_what what;
    enum metrics_latency latency; // RULE_LATENCY
    enum rule_stat stat;          // the same
    double percentile;            // 0 < p <= 100
    enum rule_op op;
    double a, b;
    struct rule_codes codes; // op undefined: >= 400, or no answer
};

// "TotalTime.P95 > 500", "ttfb<=200", "ErrorRate between 0.1 and 0.2": names and statistics in any
// case, blanks around the operator optional, Pxx any percentile (P10, P99.9), the statistic Average
// where there is none (P99 of GeneratorLag). 0, or -EINVAL and into why (of size): what was found,
// what was expected, the nearest name. Fills all of *ret_rule; codes are undefined.
int rule_parse(const char *metric, struct rule *ret_rule, char *why, size_t size);
// ">= 500", "= 0", "between 400 and 499". codes NULL or "": none.
int rule_parse_codes(const char *codes, struct rule_codes *ret_codes, char *why, size_t size);
// "00:00:10", "1.02:00:00", "00:01", "00:00:00.250", "10s", "500ms", "2m", "1h", "1d", "0", "" (0).
// In ms.
int rule_parse_span(const char *span, int64_t *ret_ms, char *why, size_t size);
// One spelling of it: "TotalTime.P95 > 500 [codes >= 500]". The caller frees.
char *rule_format(const struct rule *rule);

// What counts as an error of an iteration wherever a rule does not say: codes that any of its
// ErrorRate failure rules names; without such a rule 400 and above, or no answer.
struct rule_errors {
    bool code[600]; // 0: no answer
};

// The rules parse.
void rule_errors_init(struct rule_errors *e, const struct plan_rule *failure, size_t n);
// Responses that are errors, no answer included where it is one.
uint64_t rule_n_errors(const struct rule_errors *e, const struct metrics_series *series);

// What the metric is over these counts (of `elapsed_ms` since its first event); 0 where there is
// nothing, a rate within its first second or cool-down. errors: of the iteration; a rule's own
// codes win. cool_down_ms: 0 where the iteration has none. Rates have two decimals.
double rule_value(const struct rule *rule, const struct metrics_series *series,
                  const struct rule_errors *errors, int64_t elapsed_ms, uint64_t cool_down_ms);
bool rule_holds(const struct rule *rule, double value); // = and != within 0.0001
// Where a plan has no failure rule: more than 5 % errors (400 and above, or no answer) or more than
// 1 % of 500 and above. Which of them holds, as text, or NULL.
const char *rule_default(const struct metrics_series *series, double *ret_value);

// A termination rule's clock: it fires where the rule held at every look for the grace period.
struct rule_clock {
    int64_t since_ms; // when it began to hold; -1: it does not
};

void rule_clock_init(struct rule_clock *c);
// One look, at now_ms of the run. True: it fires.
bool rule_clock_look(struct rule_clock *c, bool holds, int64_t grace_ms, int64_t now_ms);
