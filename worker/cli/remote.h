// The commands that speak with the worker daemon. Each returns the exit code of lps. Main thread.
#pragma once

#include "worker/cli/options.h"
#include "worker/cli/plan_build.h"

// Submits and follows to the end, or with --detach until it is accepted. The first SIGINT cancels,
// the second forces, the third leaves.
int remote_test(const struct options *o, const struct plan_build *b);
int remote_status(const struct options *o);
int remote_runs(const struct options *o);
int remote_show(const struct options *o);
int remote_attach(const struct options *o);
int remote_cancel(const struct options *o);
int remote_cluster_ready(const struct options *o);
