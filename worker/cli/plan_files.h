// A plan as people write it becomes the canonical one, and the files that it names by path become
// files that travel beside it, named by their hash. Main thread.
#pragma once

#include "common/diag.h"
#include "worker/cli/options.h"
#include "worker/cli/plan_build.h"
#include "worker/cli/plan_file.h"

#define PLAN_FILES_URL "URL:" // begins the name of a file that is got from an http URL

// The rounds that the options select, with their environments, into b->plan, and what that names
// into b->files, from the working directory. Files are read once, and certificates must be of use.
// 0, or -EINVAL with all that is wrong in d; what is odd in warnings either way.
int plan_files_parse(const struct plan_file *f, const struct options *o, struct diag *warnings,
                     struct diag *d, struct plan_build *b);
void plan_files_done(struct plan_build *b);
