// The files that a plan names by path become files that travel beside it, named by their hash.
// Main thread.
#pragma once

#include <jansson.h>

#include "common/diag.h"
#include "common/yaml.h"
#include "worker/cli/plan_build.h"

// Reads what the requests of plan name by payload.file and clientCertificatePath, from the working
// directory, into b, and names it by hash in plan. Certificates must be of use. Places as in
// plan_parse_json. 0, or -EINVAL with an entry in d for each file that is not fit.
int plan_files_take(json_t *plan, const char *text, size_t len, const struct places *places,
                    struct diag *d, struct plan_build *b);
// Forgets the files that b->plan does not name.
void plan_files_drop_unused(struct plan_build *b);
void plan_files_done(struct plan_build *b);
