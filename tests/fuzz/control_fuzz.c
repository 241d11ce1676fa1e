// A submission posted to the worker's socket: what is taken has a canonical plan, and its redacted
// form is a plan too.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/jtext.h"
#include "worker/daemon/submission.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diag d = {0};
    json_t *json = NULL;
    struct submission *s = NULL;

    if (jtext_parse((const char *)data, size, &d, &json) == 0 && json_is_object(json)) {
        if (submission_parse(json, &d, &s) == 0) {
            struct plan *plan = NULL;
            char *redacted = submission_redacted_plan(s);
            assert(submission_is_id(s->id) && s->wait_ns >= 0);
            assert(redacted != NULL);
            assert(plan_parse(redacted, strlen(redacted), &d, &plan) == 0);
            assert(plan_n_series(plan) == plan_n_series(s->plan));
            plan_free(plan);
            free(redacted);
        } else {
            assert(d.n > 0);
        }
    }
    submission_free(s);
    json_decref(json);
    diag_done(&d);
    return 0;
}
