// A plan as people write it, in YAML or JSON: environments, global iterations, files by path,
// aliases, placeholders everywhere. Made into the canonical plan. PURE.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/diag.h"
#include "common/jcheck.h"
#include "common/plan.h"
#include "common/yaml.h"

// What a file is for.
enum plan_use {
    PLAN_USE_UNDEFINED = 0,
    PLAN_USE_PAYLOAD,
    PLAN_USE_PART, // of a multipart payload
    PLAN_USE_CERTIFICATE,
    PLAN_USE_READ, // a method reads it
};

// Borrowed from who gives it, until plan_parse_source returns. bytes may be NULL where only the
// hash is of use: not PLAN_USE_READ nor environment variables.
struct plan_content {
    char sha256[65]; // lower-case hex
    const char *bytes;
    size_t len;
};

struct plan_source {
    // Names as they were given; none: NULL and 0.
    const char *const *environments; // of variables, each over those before
    size_t n_environments;
    // A round is taken when its name or one of its tags is among these, letter case aside; all are
    // where there are neither.
    const char *const *rounds;
    size_t n_rounds;
    const char *const *tags;
    size_t n_tags;
    int64_t unix_ms; // now, for what is worked out at setup
    // Both: 0, or -ENOENT where there is none such (PLAN_USE_READ and environment variables only:
    // a warning then, and it reads as empty), or -EINVAL with an entry in d by jcheck_fail(c, ...),
    // which is at the place that names it. May be asked for the same thing several times.
    // password: of a certificate; NULL: none, or it has an entry in d already.
    int (*file)(void *arg, struct jcheck *c, enum plan_use use, const char *path,
                const char *password, struct plan_content *ret_content);
    int (*env)(void *arg, struct jcheck *c, const char *name, struct plan_content *ret_content);
    void *arg;
    struct diag *warnings; // what is odd and no error; with its place
};

// json is what text says: yaml_parse with its places, or jtext_parse with places NULL, or made by
// options, with text "". 0, or -EINVAL with all that is wrong in d; warnings have entries either
// way. No text in either shows the value of a secret variable.
int plan_parse_source(json_t *json, const char *text, size_t len, const struct places *places,
                      const struct plan_source *source, struct diag *d, struct plan **ret_plan);
