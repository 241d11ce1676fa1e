// A plan's rules over the counts of a run: which iterations are to end, and what each came to.
// PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/metrics.h"
#include "common/plan.h"

struct judge;

// Borrows the plan, whose rules parse; one that does not never holds. warn (not NULL): once for
// each condition that cannot be worked out, and for what goes wrong as the plan's variables are
// set.
struct judge *judge_new(const struct plan *plan, void (*warn)(void *arg, const char *text),
                        void *arg);
void judge_free(struct judge *j); // NULL is fine

// A termination rule has fired.
struct judge_end {
    uint32_t series;
    int64_t k;
    double value;     // of its metric; NAN: of a condition, which has none
    const char *rule; // one spelling; borrowed from the judge
};

// Second k of the whole run is in (w: merged, borrowed; NULL: nothing came). Each k once,
// ascending, gaps are fine. How many ends are new. A series is looked at in seconds in which it
// has an event or a request in flight: one that is over, or waits, is not ended by a rate that
// falls.
size_t judge_look(struct judge *j, int64_t k, const struct metrics_window *w);
// One that had fired before the master was restarted, and must not fire again or differently;
// before the first look. Not borrowed.
void judge_restore_end(struct judge *j, const struct judge_end *end);
// All so far, in their order; each series at most once. Borrowed until the next look.
const struct judge_end *judge_ends(const struct judge *j, size_t *ret_n);

enum judge_status {
    JUDGE_UNDEFINED = 0,
    JUDGE_SUCCESS,
    JUDGE_FAILED,     // a failure rule holds
    JUDGE_TERMINATED, // a termination rule fired
    JUDGE_SKIPPED,    // all of its requests were
    JUDGE_CANCELLED,
    JUDGE_NOT_STARTED,
    JUDGE_STATUS__COUNT,
};

extern const char *const judge_status_name[JUDGE_STATUS__COUNT]; // "success", "not started"

struct judge_verdict {
    enum judge_status status;
    char *rule;   // FAILED, TERMINATED: which; else NULL. The caller frees
    double value; // as in judge_end; 0 without a rule
    int64_t k;    // TERMINATED: when; else -1
};

// Of each series, over the run's totals (n_series of them, with histograms), into ret_verdicts.
// duration_ms: T0 to the last completion known. Rates are over the seconds from the first to the
// last look that met something of the series.
void judge_verdicts(struct judge *j, const struct metrics_series *totals, int64_t duration_ms,
                    bool cancelled, struct judge_verdict *ret_verdicts);
// A list from the heap; NULL is fine.
void judge_verdicts_free(struct judge_verdict *verdicts, uint32_t n);
