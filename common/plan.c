#include "common/plan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/plan_impl.h"

static const char *const mode_names[PLAN_MODE__COUNT] = {
    [PLAN_MODE_R] = "R",     [PLAN_MODE_D] = "D",     [PLAN_MODE_CB] = "CB",
    [PLAN_MODE_CRB] = "CRB", [PLAN_MODE_DCB] = "DCB",
};

const char *plan_mode_name(enum plan_mode mode)
{
    return mode_names[mode];
}

static void texts_free(char **texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    free(texts);
}

static void rules_free(struct plan_rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(rules[i].metric);
        free(rules[i].codes);
        free(rules[i].expression);
    }
    free(rules);
}

static void body_done(struct plan_iteration *it)
{
    free(it->payload);
    for (size_t i = 0; i < it->n_parts; i++) {
        free(it->parts[i].name);
        free(it->parts[i].value);
        free(it->parts[i].content_type);
    }
    free(it->parts);
}

static void request_done(struct plan_iteration *it)
{
    free(it->certificate_password);
    plan_url_done(&it->url);
    free(it->method);
    for (size_t i = 0; i < it->n_headers; i++) {
        free(it->headers[i].name);
        free(it->headers[i].value);
    }
    free(it->headers);
    body_done(it);
    free(it->request_skip_if);
    texts_free(it->request_before, it->n_request_before);
    texts_free(it->request_after, it->n_request_after);
    if (it->retry != NULL) {
        free(it->retry->condition);
        free(it->retry->stop);
        free(it->retry);
    }
    if (it->capture != NULL) {
        free(it->capture->to);
        free(it->capture->regex);
        free(it->capture);
    }
}

static void iteration_done(struct plan_iteration *it)
{
    free(it->name);
    free(it->ramp);
    free(it->skip_if);
    texts_free(it->before, it->n_before);
    texts_free(it->after, it->n_after);
    rules_free(it->failure, it->n_failure);
    rules_free(it->termination, it->n_termination);
    request_done(it);
}

void plan_round_done(struct plan_round *round)
{
    for (size_t i = 0; i < round->n_iterations; i++)
        iteration_done(&round->iterations[i]);
    free(round->iterations);
    free(round->stages);
    free(round->name);
}

void plan_free(struct plan *plan)
{
    if (plan == NULL)
        return;
    for (size_t i = 0; i < plan->n_rounds; i++)
        plan_round_done(&plan->rounds[i]);
    for (size_t i = 0; i < plan->n_variables; i++)
        plan_variable_done(&plan->variables[i]);
    for (size_t i = 0; i < plan->n_reads; i++)
        free(plan->reads[i].name);
    free(plan->rounds);
    free(plan->variables);
    free(plan->reads);
    free(plan->name);
    free(plan);
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

// "": none.
static void add_file(struct plan_files *files, const char *hash)
{
    if (hash[0] != '\0')
        files->hash[files->n++] = hash;
}

static size_t max_files(const struct plan *plan)
{
    size_t n = plan->n_reads;

    for (size_t i = 0; i < plan->n_rounds; i++)
        for (size_t j = 0; j < plan->rounds[i].n_iterations; j++)
            n += 2 + plan->rounds[i].iterations[j].n_parts;
    return n;
}

struct plan_files plan_named_files(const struct plan *plan)
{
    struct plan_files files = {.hash = xcalloc(max_files(plan), sizeof(*files.hash))};

    for (size_t i = 0; i < plan->n_rounds; i++) {
        for (size_t j = 0; j < plan->rounds[i].n_iterations; j++) {
            const struct plan_iteration *it = &plan->rounds[i].iterations[j];
            add_file(&files, it->payload_file);
            add_file(&files, it->certificate);
            for (size_t k = 0; k < it->n_parts; k++)
                add_file(&files, it->parts[k].file);
        }
    }
    for (size_t i = 0; i < plan->n_reads; i++)
        add_file(&files, plan->reads[i].file);
    return files;
}

bool plan_files_have(const struct plan_files *files, const char *hash)
{
    for (size_t i = 0; i < files->n; i++)
        if (strcmp(files->hash[i], hash) == 0)
            return true;
    return false;
}

bool plan_may_http2(enum plan_version version, bool tls, bool h2c)
{
    return version == PLAN_VERSION_2 && (tls || h2c);
}

static bool connection_says(const struct plan_header *headers, size_t n, const char *option)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(headers[i].name, "Connection") == 0 &&
            strcasestr(headers[i].value, option) != NULL)
            return true;
    return false;
}

bool plan_keeps_connection(enum plan_version version, const struct plan_header *headers, size_t n)
{
    if (connection_says(headers, n, "close"))
        return false;
    return version != PLAN_VERSION_1_0 || connection_says(headers, n, "keep-alive");
}

uint64_t plan_max_clients(const struct plan *plan)
{
    uint64_t max = 0;

    for (size_t i = 0; i < plan->n_rounds; i++)
        if (plan->rounds[i].n_clients > max)
            max = plan->rounds[i].n_clients;
    return max;
}
