// A submission as lps posts it: its JSON parsed and checked. PURE.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/plan.h"
#include "common/str.h"

#define SUBMISSION_ID_MAX     64
#define SUBMISSION_WAIT_MAX_S 1e9
// The whole body: files in base64, the plan with blanks, the rest.
#define SUBMISSION_BODY_MAX (PLAN_FILES_MAX / 3 * 4 + 4 * 1024 * 1024)

struct submission_file {
    uint8_t sha256[32];
    struct buf content;
};

struct submission {
    char id[SUBMISSION_ID_MAX + 1];
    struct plan *plan;
    char *plan_text; // canonical
    uint8_t digest[32];
    struct submission_file *files;
    size_t n_files;
    int64_t wait_ns; // bound of the wait for the start; INT64_MAX: none
    bool queue;      // a run in the way is waited for
    bool has_seed;   // it asks for this seed
    uint64_t seed;
};

// 0; -EINVAL or -EFBIG (too large) with entries in d, whose places do not count.
int submission_parse(const json_t *json, struct diag *d, struct submission **ret_submission);
void submission_free(struct submission *s);
// The plan for display elsewhere: canonical, without what may be secret (credentials in headers,
// URL queries, payloads, passwords of certificates). The caller frees.
char *submission_redacted_plan(const struct submission *s);
// 1 to 64 of [A-Za-z0-9._-].
bool submission_is_id(const char *text);
