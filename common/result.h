// The result document of a run, its verdict and exit code. PURE; the same for a cluster and for
// --local.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "common/aggregate.h"
#include "common/judge.h"
#include "common/plan.h"

// Exit codes of lps; precedence 130, 2, 3, 4, 1, 5, 0.
enum result_exit {
    RESULT_PASSED = 0,
    RESULT_FAILED = 1,
    RESULT_USAGE = 2,
    RESULT_CLUSTER = 3,
    RESULT_DEGRADED = 4,
    RESULT_GENERATOR = 5,
    RESULT_CANCELLED = 130,
};

enum result_member_state {
    RESULT_MEMBER_UNDEFINED = 0, // still active
    RESULT_MEMBER_DONE,
    RESULT_MEMBER_LOST,
    RESULT_MEMBER_OBSERVER,
};

struct result_member {
    const char *node;
    enum result_member_state state;
    const char *reason; // of a loss: "stream lost", "runner killed by signal 9"; NULL: none
    int64_t last_k;     // newest window committed; -1: none
    uint64_t errors;    // metrics_n_errors over its windows
    bool has_start;
    int64_t start_skew_ns, start_error_ns;
    int64_t joined_ns;                 // 0: from the start
    bool has_totals;                   // FIN committed
    struct metrics_counters totals;    // over all series, from FIN
    struct metrics_counters merged;    // over all series, from this member's windows
    const struct generator *generator; // of the same windows; NULL: not known
};

// While the master was not there.
struct result_outage {
    int64_t from_ns, to_ns; // since T0, below 0 before it
};

struct result_input {
    const char *run_id;
    const struct plan *plan; // perhaps redacted
    const uint8_t *digest;   // 32 bytes: plan_digest of the plan that was run
    int64_t started_wall_ms;
    uint64_t seed;       // of all random values
    int64_t duration_ns; // T0 to the last completion known
    bool running;        // not over: no verdict yet
    bool cancelled;
    bool durable;         // false: the store failed, acknowledged from memory
    uint32_t min_members; // done members below this: degraded
    uint64_t late_windows, late_requests;
    const struct result_member *members;
    size_t n_members;
    const struct aggregate *aggregate;
    const struct judge_verdict *verdicts; // of each series; NULL: none, and the default rule is
                                          // asked of all of them together once it is over
    const struct judge_end *ends;         // so far
    size_t n_ends;
    const struct result_outage *outages;
    size_t n_outages;
};

// The document "lps.result/1" of docs/result.md; a new reference.
json_t *result_build(const struct result_input *in);
// Points as columns, as in "timeline"; a new reference.
json_t *result_points(const struct aggregate_point *points, size_t n);
// One worker's "generator"; NULL: unknown. A new reference.
json_t *result_generator(const struct generator *g);
// From the document alone.
int result_exit_code(const json_t *result);
// Makes a passed run whose generator was the limit one of RESULT_GENERATOR.
void result_be_strict(json_t *result);
// The text for people, at most `width` columns (0: 80), with ANSI colours or not; the caller frees.
// `node` is the same document over this node's own windows, or NULL to leave that part out.
char *result_format(const json_t *result, const json_t *node, int width, bool colour);
