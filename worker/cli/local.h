// `lps --local`: a test by a runner of our own, with neither daemon nor cluster. Main thread.
#pragma once

#include "worker/cli/options.h"
#include "worker/cli/plan_build.h"

// Returns the exit code of lps. The first SIGINT drains, the second cuts, the third kills.
int local_test(const struct options *o, const struct plan_build *b);
