// From the options of an inline test to its plan and the files that travel beside it.
#pragma once

#include <stddef.h>

#include "common/diag.h"
#include "common/plan.h"
#include "worker/cli/options.h"

struct plan_build_file {
    char sha256[65]; // lower-case hex: its name in the plan
    char *bytes;
    size_t len;
};

struct plan_build {
    struct plan *plan;
    struct plan_build_file *files;
    size_t n_files;
};

// 0, or -EINVAL with entries in d. Reads the files that the options name. Then plan_build_done.
int plan_build(const struct options *o, struct diag *d, struct plan_build *ret_build);
void plan_build_done(struct plan_build *b);
