// What is accepted has a canonical text that parses to the same plan; what is refused says why.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_hash(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static void check_request(const struct plan_iteration *it)
{
    assert(it->url.target[0] == '/' && it->url.host[0] != '\0' && it->url.port > 0);
    assert(it->n_headers <= PLAN_HEADERS_MAX && it->n_parts <= PLAN_PARTS_MAX);
    assert(strchr(it->url.target, '$') != NULL || strpbrk(it->url.target, " \r\n") == NULL);
    for (size_t i = 0; i < it->n_headers; i++)
        assert(strpbrk(it->headers[i].name, " :\r\n") == NULL &&
               strpbrk(it->headers[i].value, "\r\n") == NULL);
    assert(it->version >= PLAN_VERSION_1_0 && it->version <= PLAN_VERSION_2);
    assert(!it->h2c || (it->version == PLAN_VERSION_2 && !it->url.tls));
    assert(it->certificate[0] == '\0' || (is_hash(it->certificate) && it->url.tls));
    assert(it->certificate_password == NULL || it->certificate[0] != '\0');
    assert(it->payload_file[0] == '\0' || (is_hash(it->payload_file) && it->payload == NULL));
    assert((it->payload_kind == PLAN_PAYLOAD_RAW) == (it->payload != NULL));
    assert((it->payload_kind == PLAN_PAYLOAD_FILE) == (it->payload_file[0] != '\0'));
    assert((it->payload_kind == PLAN_PAYLOAD_MULTIPART) == (it->n_parts > 0));
    for (size_t i = 0; i < it->n_parts; i++)
        assert(it->parts[i].name != NULL &&
               (it->parts[i].value != NULL) == (it->parts[i].file[0] == '\0'));
    assert(it->capture == NULL || it->capture->to[0] != '\0');
    assert(it->retry == NULL || it->retry->max <= PLAN_RETRIES_MAX);
}

static void check_rate(const struct plan_iteration *it)
{
    uint64_t max = it->rate_mhz, duration = 0;

    assert(it->mode == PLAN_MODE_D && it->delay_ms == 0 && it->n_ramp <= PLAN_STAGES_MAX);
    for (size_t i = 0; i < it->n_ramp; i++) {
        assert(it->ramp[i].duration_s > 0);
        duration += it->ramp[i].duration_s;
        max = it->ramp[i].rate_mhz > max ? it->ramp[i].rate_mhz : max;
    }
    assert(max > 0 && max <= PLAN_RATE_MAX_MHZ);
    assert(it->n_ramp == 0 || duration == it->duration_s);
}

static void check_iteration(const struct plan_round *round, const struct plan_iteration *it)
{
    bool count = it->mode == PLAN_MODE_R || it->mode == PLAN_MODE_CRB;
    bool time = it->mode == PLAN_MODE_D || it->mode == PLAN_MODE_DCB;
    bool batch = it->mode >= PLAN_MODE_CB;

    assert(it->mode > PLAN_MODE_UNDEFINED && it->mode < PLAN_MODE__COUNT);
    assert(it->is_open == round->is_open && it->delay_ms <= PLAN_DELAY_MAX_MS);
    assert((it->request_count > 0) == count && it->request_count <= PLAN_COUNT_MAX);
    assert((it->duration_s > 0) == time && it->duration_s <= PLAN_DURATION_MAX_S);
    assert((it->batch_size > 0) == batch && it->batch_size <= PLAN_BATCH_MAX);
    assert((it->cool_down_ms > 0) == batch && it->cool_down_ms <= PLAN_DELAY_MAX_MS);
    assert(it->mode != PLAN_MODE_CRB || it->request_count > it->batch_size);
    assert(it->mode != PLAN_MODE_DCB || it->duration_s * 1000 > it->cool_down_ms);
    assert(it->think_min_ms <= it->think_max_ms && it->think_max_ms <= PLAN_DELAY_MAX_MS);
    assert(it->think_max_ms == 0 || (!batch && !it->is_open));
    for (size_t i = 0; i < it->n_termination; i++)
        assert(it->termination[i].metric != NULL || it->termination[i].expression != NULL);
    if (it->is_open)
        check_rate(it);
    else
        assert(it->rate_mhz == 0 && it->n_ramp == 0);
    check_request(it);
}

static void check_limits(const struct plan *plan)
{
    const struct plan_round *round;
    const struct plan_iteration *it;

    assert(plan_n_series(plan) >= 1 && plan_n_series(plan) <= PLAN_SERIES_MAX);
    assert(plan_max_clients(plan) >= 1 && plan_max_clients(plan) <= PLAN_CLIENTS_MAX);
    for (uint32_t id = 0; id < plan_n_series(plan); id++) {
        plan_series(plan, id, &round, &it);
        uint64_t n = 0;
        assert(round->n_stages >= 1 && round->n_stages <= PLAN_STAGES_MAX);
        for (size_t i = 0; i < round->n_stages; i++)
            n += round->stages[i].n_clients;
        assert(n == round->n_clients && round->pacing != PLAN_PACING_UNDEFINED);
        check_iteration(round, it);
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
    char *texts[] = {plan_format(plan), plan_format_public(plan)};
    for (size_t i = 0; i < 2; i++) {
        assert(strlen(texts[i]) <= PLAN_BYTES_MAX);
        assert(plan_parse(texts[i], strlen(texts[i]), &d, &again) == 0);
        char *text = i == 0 ? plan_format(again) : plan_format_public(again);
        assert(strcmp(text, texts[i]) == 0);
        free(text);
        free(texts[i]);
        plan_free(again);
    }
    plan_free(plan);
    return 0;
}
