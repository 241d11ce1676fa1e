// The commands that write plan files. Each returns the exit code of lps. Main thread.
#pragma once

#include "worker/cli/options.h"

// What plan_edit.h has: create, round, iteration, iteration ref, capture, variable.
int author_edit(const struct options *o);
int author_record(const struct options *o);
