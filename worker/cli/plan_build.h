// From the options of an inline test to its plan and the files that travel beside it.
#pragma once

#include <stddef.h>

#include <jansson.h>

#include "common/diag.h"
#include "common/plan.h"
#include "worker/cli/options.h"

struct plan_build_file {
    char *path;      // as it was named first; NULL: an environment variable
    char sha256[65]; // lower-case hex: its name in the plan, of which there is one each
    char *bytes;
    size_t len;
};

struct plan_build {
    struct plan *plan;
    json_t *source; // what a plan file would say: files by path. NULL: made from one
    struct plan_build_file *files;
    size_t n_files;
};

// 0, or -EINVAL with entries in d; what is odd in warnings either way. Reads the files that the
// options name. Then plan_build_done.
int plan_build(const struct options *o, struct diag *warnings, struct diag *d,
               struct plan_build *ret_build);
void plan_build_done(struct plan_build *b);

// The iteration that the options describe, with its request; files by path, which are not read.
// is_file: for a plan file, where the URL may be a path. 0 and a new reference, or -EINVAL with an
// entry in d.
int plan_build_iteration(const struct options *o, const char *name, bool is_file, struct diag *d,
                         json_t **ret_iteration);
// JSON can hold nothing else. 0, or -EINVAL with an entry in d.
int plan_build_check_utf8(const struct options *o, struct diag *d);
// Members that are the options themselves; those that are not given are left alone.
struct plan_member {
    const char *key;
    enum options_id id;
};
void plan_build_set(const struct options *o, const struct plan_member *members, size_t n,
                    json_t *json);
