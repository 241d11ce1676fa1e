// What ${Metrics...} gives in a runner: its own counts so far, once a second. Main thread.
#pragma once

#include "common/metrics.h"
#include "common/plan.h"
#include "worker/runner/program.h"

struct live;

// NULL where nothing in the plan reads it. Borrows both.
struct live *live_new(const struct plan *plan, struct program *program);
void live_free(struct live *l); // NULL is fine
// One window, ascending k; l NULL is fine.
void live_add(struct live *l, const struct metrics_window *w);
