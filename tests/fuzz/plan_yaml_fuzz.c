// YAML as a plan: what is accepted is the same plan in its canonical text; what is not is told with
// a place in the text.
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/plan.h"
#include "common/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct plan *plan)
{
    char *text = plan_format(plan), *text_again;
    struct diag d = {0};
    struct plan *again = NULL;

    assert(plan_parse(text, strlen(text), &d, &again) == 0);
    text_again = plan_format(again);
    assert(strcmp(text, text_again) == 0);
    free(text_again);
    free(text);
    plan_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct places *places = NULL;
    struct plan *plan = NULL;
    struct diag d = {0};
    json_t *json = NULL;

    if (yaml_parse((const char *)data, size, &d, &json, &places) < 0)
        goto out;
    if (plan_parse_json(json, "", 0, places, &d, &plan) == 0) {
        assert(d.n == 0);
        check_again(plan);
    } else {
        assert(d.n > 0);
        for (size_t i = 0; i < d.n && i < DIAG_MAX; i++)
            assert((d.entry[i].line > 0 && d.entry[i].column > 0) ||
                   strncmp(d.entry[i].text, "found a plan of", 15) == 0);
    }
    plan_free(plan);
out:
    json_decref(json);
    places_free(places);
    diag_done(&d);
    return 0;
}
