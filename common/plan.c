#include "common/plan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/jtext.h"
#include "common/str.h"

static const char *const mode_names[PLAN_MODE__COUNT] = {
    [PLAN_MODE_R] = "R",     [PLAN_MODE_D] = "D",     [PLAN_MODE_CB] = "CB",
    [PLAN_MODE_CRB] = "CRB", [PLAN_MODE_DCB] = "DCB",
};

static const char *const version_names[] = {
    [PLAN_VERSION_1_0] = "1.0",
    [PLAN_VERSION_1_1] = "1.1",
    [PLAN_VERSION_2] = "2.0",
};

const char *plan_mode_name(enum plan_mode mode)
{
    return mode_names[mode];
}

static void iteration_done(struct plan_iteration *it)
{
    free(it->name);
    plan_url_done(&it->url);
    free(it->method);
    for (size_t i = 0; i < it->n_headers; i++) {
        free(it->headers[i].name);
        free(it->headers[i].value);
    }
    free(it->headers);
    free(it->payload);
    free(it->certificate_password);
    free(it->ramp);
}

void plan_free(struct plan *plan)
{
    if (plan == NULL)
        return;
    for (size_t i = 0; i < plan->n_rounds; i++) {
        struct plan_round *round = &plan->rounds[i];
        for (size_t j = 0; j < round->n_iterations; j++)
            iteration_done(&round->iterations[j]);
        free(round->iterations);
        free(round->stages);
        free(round->name);
    }
    free(plan->rounds);
    free(plan->name);
    free(plan);
}

// A name's only value is a text, several are a list.
static json_t *format_headers(const struct plan_iteration *it)
{
    json_t *headers = json_object();

    for (size_t i = 0; i < it->n_headers; i++) {
        const struct plan_header *h = &it->headers[i];
        json_t *so_far = json_object_get(headers, h->name);
        if (so_far == NULL)
            json_object_set_new(headers, h->name, json_string(h->value));
        else if (json_is_array(so_far))
            json_array_append_new(so_far, json_string(h->value));
        else
            json_object_set_new(headers, h->name, json_pack("[O, s]", so_far, h->value));
    }
    return headers;
}

static json_t *format_request(const struct plan_iteration *it)
{
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:b, s:o}", "url", it->url.text, "method", it->method, "version",
                  version_names[it->version], "supportH2C", it->h2c, "headers", format_headers(it));

    if (it->certificate[0] != '\0')
        json_object_set_new(json, "clientCertificate", json_string(it->certificate));
    if (it->certificate_password != NULL)
        json_object_set_new(json, "clientCertificatePassword",
                            json_string(it->certificate_password));
    if (it->payload != NULL)
        json_object_set_new(json, "payload", json_pack("{s:s}", "raw", it->payload));
    else if (it->payload_file[0] != '\0')
        json_object_set_new(json, "payload", json_pack("{s:s}", "file", it->payload_file));
    return json;
}

static void set_count(json_t *json, const char *key, uint64_t count)
{
    json_object_set_new(json, key, json_integer((json_int_t)count));
}

static void set_rate(json_t *json, uint64_t mhz)
{
    json_object_set_new(json, "rate",
                        mhz % 1000 == 0 ? json_integer((json_int_t)(mhz / 1000))
                                        : json_real((double)mhz / 1000));
}

static json_t *format_ramp(const struct plan_iteration *it)
{
    json_t *list = json_array();

    for (size_t i = 0; i < it->n_ramp; i++) {
        json_t *json = json_object();
        set_rate(json, it->ramp[i].rate_mhz);
        set_count(json, "duration", it->ramp[i].duration_s);
        json_array_append_new(list, json);
    }
    return list;
}

static json_t *format_iteration(const struct plan_iteration *it)
{
    json_t *json = json_pack("{s:s, s:s, s:o}", "name", it->name, "mode", plan_mode_name(it->mode),
                             "httpRequest", format_request(it));

    if (it->is_open)
        set_rate(json, it->rate_mhz);
    else
        set_count(json, "delay", it->delay_ms);
    if (it->n_ramp > 0)
        json_object_set_new(json, "ramp", format_ramp(it));
    else if (it->duration_s > 0)
        set_count(json, "duration", it->duration_s);
    if (it->request_count > 0)
        set_count(json, "requestCount", it->request_count);
    if (it->batch_size > 0) {
        set_count(json, "batchSize", it->batch_size);
        set_count(json, "coolDownTime", it->cool_down_ms);
        json_object_set_new(json, "maximizeThroughput", json_boolean(it->maximize));
    }
    return json;
}

static json_t *format_stage(const struct plan_stage *stage)
{
    return json_pack("{s:I, s:I, s:I}", "numberOfClients", (json_int_t)stage->n_clients,
                     "arrivalDelay", (json_int_t)stage->arrival_delay_ms, "startupDelay",
                     (json_int_t)stage->startup_delay_ms);
}

static json_t *format_round(const struct plan_round *round)
{
    json_t *iterations = json_array(), *stages = json_array();

    for (size_t i = 0; i < round->n_iterations; i++)
        json_array_append_new(iterations, format_iteration(&round->iterations[i]));
    json_t *json = json_pack(
        "{s:s, s:I, s:b, s:s, s:o}", "name", round->name, "startupDelay",
        (json_int_t)round->startup_delay_ms, "runInParallel", round->is_parallel, "pacing",
        round->pacing == PLAN_PACING_BATCHED ? "batched" : "precise", "iterations", iterations);
    if (round->n_stages == 1 && round->stages->startup_delay_ms == 0) {
        set_count(json, "numberOfClients", round->n_clients);
        if (!round->is_open)
            set_count(json, "arrivalDelay", round->stages->arrival_delay_ms);
    } else {
        for (size_t i = 0; i < round->n_stages; i++)
            json_array_append_new(stages, format_stage(&round->stages[i]));
        json_object_set(json, "stages", stages);
    }
    json_decref(stages);
    return json;
}

char *plan_format(const struct plan *plan)
{
    json_t *rounds = json_array();

    for (size_t i = 0; i < plan->n_rounds; i++)
        json_array_append_new(rounds, format_round(&plan->rounds[i]));
    json_t *json = json_pack("{s:s, s:o}", "name", plan->name, "rounds", rounds);
    char *text = jtext_format(json, false);
    json_decref(json);
    return text;
}

void plan_digest(const struct plan *plan, uint8_t out[32])
{
    char *text = plan_format(plan);

    str_sha256(text, strlen(text), out);
    free(text);
}

uint32_t plan_n_series(const struct plan *plan)
{
    size_t n = 0;

    for (size_t i = 0; i < plan->n_rounds; i++)
        n += plan->rounds[i].n_iterations;
    return (uint32_t)n;
}

void plan_series(const struct plan *plan, uint32_t id, const struct plan_round **ret_round,
                 const struct plan_iteration **ret_iteration)
{
    const struct plan_round *round = plan->rounds;
    size_t left = id;

    assert(id < plan_n_series(plan));
    for (; left >= round->n_iterations; round++)
        left -= round->n_iterations;
    *ret_round = round;
    *ret_iteration = &round->iterations[left];
}

bool plan_may_http2(const struct plan_iteration *iteration)
{
    return iteration->version == PLAN_VERSION_2 && (iteration->url.tls || iteration->h2c);
}

static bool connection_says(const struct plan_iteration *it, const char *option)
{
    for (size_t i = 0; i < it->n_headers; i++)
        if (strcasecmp(it->headers[i].name, "Connection") == 0 &&
            strcasestr(it->headers[i].value, option) != NULL)
            return true;
    return false;
}

bool plan_keeps_connection(const struct plan_iteration *iteration)
{
    if (connection_says(iteration, "close"))
        return false;
    return iteration->version != PLAN_VERSION_1_0 || connection_says(iteration, "keep-alive");
}

uint64_t plan_max_clients(const struct plan *plan)
{
    uint64_t max = 0;

    for (size_t i = 0; i < plan->n_rounds; i++)
        if (plan->rounds[i].n_clients > max)
            max = plan->rounds[i].n_clients;
    return max;
}
