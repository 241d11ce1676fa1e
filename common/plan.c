#include "common/plan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/jtext.h"
#include "common/str.h"

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

static json_t *format_iteration(const struct plan_iteration *it)
{
    json_t *request = json_pack("{s:s, s:s, s:o}", "url", it->url.text, "method", it->method,
                                "headers", format_headers(it));
    json_t *json = json_pack("{s:s, s:s, s:o}", "name", it->name, "mode",
                             it->mode == PLAN_MODE_R ? "R" : "D", "httpRequest", request);

    if (it->mode == PLAN_MODE_R)
        json_object_set_new(json, "requestCount", json_integer((json_int_t)it->request_count));
    else
        json_object_set_new(json, "duration", json_integer((json_int_t)it->duration_s));
    if (it->payload != NULL)
        json_object_set_new(request, "payload", json_pack("{s:s}", "raw", it->payload));
    else if (it->payload_file[0] != '\0')
        json_object_set_new(request, "payload", json_pack("{s:s}", "file", it->payload_file));
    return json;
}

char *plan_format(const struct plan *plan)
{
    json_t *rounds = json_array();

    for (size_t i = 0; i < plan->n_rounds; i++) {
        const struct plan_round *round = &plan->rounds[i];
        json_t *iterations = json_array();
        for (size_t j = 0; j < round->n_iterations; j++)
            json_array_append_new(iterations, format_iteration(&round->iterations[j]));
        json_array_append_new(rounds, json_pack("{s:s, s:I, s:I, s:o}", "name", round->name,
                                                "numberOfClients", (json_int_t)round->n_clients,
                                                "arrivalDelay", (json_int_t)round->arrival_delay_ms,
                                                "iterations", iterations));
    }
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

uint64_t plan_max_clients(const struct plan *plan)
{
    uint64_t max = 0;

    for (size_t i = 0; i < plan->n_rounds; i++)
        if (plan->rounds[i].n_clients > max)
            max = plan->rounds[i].n_clients;
    return max;
}
