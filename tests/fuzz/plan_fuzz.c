// What is accepted has a canonical text that parses to the same plan; what is refused says why.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_limits(const struct plan *plan)
{
    const struct plan_round *round;
    const struct plan_iteration *it;

    assert(plan_n_series(plan) >= 1 && plan_n_series(plan) <= PLAN_SERIES_MAX);
    assert(plan_max_clients(plan) >= 1 && plan_max_clients(plan) <= PLAN_CLIENTS_MAX);
    for (uint32_t id = 0; id < plan_n_series(plan); id++) {
        plan_series(plan, id, &round, &it);
        assert(it->mode == PLAN_MODE_R ? it->request_count > 0 : it->duration_s > 0);
        assert(it->url.target[0] == '/' && it->url.host[0] != '\0' && it->url.port > 0);
        assert(strpbrk(it->url.target, " \r\n") == NULL && it->n_headers <= PLAN_HEADERS_MAX);
        for (size_t i = 0; i < it->n_headers; i++)
            assert(strpbrk(it->headers[i].name, " :\r\n") == NULL &&
                   strpbrk(it->headers[i].value, "\r\n") == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diag d = {0};
    struct plan *plan, *again;

    if (plan_parse((const char *)data, size, &d, &plan) < 0) {
        assert(d.n > 0);
        free(diag_format(&d));
        diag_done(&d);
        return 0;
    }
    assert(d.n == 0);
    check_limits(plan);
    char *text = plan_format(plan);
    assert(strlen(text) <= PLAN_BYTES_MAX);
    assert(plan_parse(text, strlen(text), &d, &again) == 0);
    char *text_again = plan_format(again);
    assert(strcmp(text, text_again) == 0);
    free(text_again);
    free(text);
    plan_free(again);
    plan_free(plan);
    return 0;
}
