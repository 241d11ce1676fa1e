#include <stdlib.h>
#include <string.h>

#include "common/jtext.h"
#include "common/plan.h"
#include "common/plan_impl.h"
#include "common/str.h"

#define HIDDEN "***"

static const char *const version_names[] = {
    [PLAN_VERSION_1_0] = "1.0",
    [PLAN_VERSION_1_1] = "1.1",
    [PLAN_VERSION_2] = "2.0",
};

static void set_count(json_t *json, const char *key, uint64_t count)
{
    json_object_set_new(json, key, json_integer((json_int_t)count));
}

// Left out where it is NULL.
static void set_text(json_t *json, const char *key, const char *text)
{
    if (text != NULL)
        json_object_set_new(json, key, json_string(text));
}

static void set_texts(json_t *json, const char *key, char *const *texts, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(texts[i]));
    if (n > 0)
        json_object_set(json, key, list);
    json_decref(list);
}

// A name's only value is a text, several are a list.
static json_t *format_headers(const struct plan_iteration *it, bool is_public)
{
    json_t *headers = json_object();

    for (size_t i = 0; i < it->n_headers; i++) {
        const struct plan_header *h = &it->headers[i];
        const char *value = is_public && plan_is_secret_header(h->name) ? HIDDEN : h->value;
        json_t *so_far = json_object_get(headers, h->name);
        if (so_far == NULL)
            json_object_set_new(headers, h->name, json_string(value));
        else if (json_is_array(so_far))
            json_array_append_new(so_far, json_string(value));
        else
            json_object_set_new(headers, h->name, json_pack("[O, s]", so_far, value));
    }
    return headers;
}

static json_t *format_parts(const struct plan_iteration *it)
{
    json_t *fields = json_array(), *files = json_array();
    json_t *multipart = json_pack("{s:o, s:o}", "fields", fields, "files", files);

    for (size_t i = 0; i < it->n_parts; i++) {
        const struct plan_part *part = &it->parts[i];
        json_t *json = json_pack("{s:s}", "name", part->name);
        set_text(json, "value", part->value);
        set_text(json, "file", part->value == NULL ? part->file : NULL);
        set_text(json, "contentType", part->content_type);
        json_array_append_new(part->value != NULL ? fields : files, json);
    }
    return multipart;
}

static void set_payload(json_t *json, const struct plan_iteration *it)
{
    if (it->payload_kind == PLAN_PAYLOAD_RAW)
        json_object_set_new(json, "payload", json_pack("{s:s}", "raw", it->payload));
    else if (it->payload_kind == PLAN_PAYLOAD_FILE)
        json_object_set_new(json, "payload", json_pack("{s:s}", "file", it->payload_file));
    else if (it->payload_kind == PLAN_PAYLOAD_MULTIPART)
        json_object_set_new(json, "payload", json_pack("{s:o}", "multipart", format_parts(it)));
}

static json_t *format_retry(const struct plan_retry *retry)
{
    json_t *json = json_pack("{s:s}", "strategy", retry->is_exponential ? "Exponential" : "Fixed");

    set_text(json, "if", retry->condition);
    set_text(json, "stopIf", retry->stop);
    set_count(json, "maxRetries", retry->max);
    set_count(json, "delayInMs", retry->delay_ms);
    if (retry->max_delay_ms > 0)
        set_count(json, "maxDelayInMs", retry->max_delay_ms);
    return json;
}

static json_t *format_capture(const struct plan_capture *capture)
{
    const char *type =
        capture->type == VALUE_UNDEFINED ? "" : value_type_name(capture->type, capture->is_quoted);
    json_t *json = json_pack("{s:s, s:s, s:b}", "to", capture->to, "as", type, "makeGlobal",
                             capture->is_global);

    set_text(json, "regex", capture->regex);
    return json;
}

static json_t *format_request(const struct plan_iteration *it, bool is_public)
{
    const char *password = it->certificate_password;
    json_t *json = json_pack("{s:s, s:s, s:s, s:b, s:o}", "url", it->url.text, "method", it->method,
                             "version", version_names[it->version], "supportH2C", it->h2c,
                             "headers", format_headers(it, is_public));

    if (it->certificate[0] != '\0')
        json_object_set_new(json, "clientCertificate", json_string(it->certificate));
    set_text(json, "clientCertificatePassword", password != NULL && is_public ? HIDDEN : password);
    set_payload(json, it);
    set_text(json, "skipIf", it->request_skip_if);
    set_texts(json, "before", it->request_before, it->n_request_before);
    set_texts(json, "after", it->request_after, it->n_request_after);
    if (it->retry != NULL)
        json_object_set_new(json, "retry", format_retry(it->retry));
    if (it->capture != NULL)
        json_object_set_new(json, "capture", format_capture(it->capture));
    if (it->with_resources)
        json_object_set_new(json, "downloadHtmlEmbeddedResources", json_true());
    if (it->save_response)
        json_object_set_new(json, "saveResponse", json_true());
    return json;
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

static void set_rules(json_t *json, const char *key, const struct plan_rule *rules, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *rule = json_object();
        set_text(rule, "metric", rules[i].metric);
        set_text(rule, "errorStatusCodes", rules[i].codes);
        set_text(rule, "expression", rules[i].expression);
        if (rules[i].grace_ms > 0) {
            char *grace = xasprintf("%llums", (unsigned long long)rules[i].grace_ms);
            set_text(rule, "gracePeriod", grace);
            free(grace);
        }
        json_array_append_new(list, rule);
    }
    if (n > 0)
        json_object_set(json, key, list);
    json_decref(list);
}

static void set_think(json_t *json, const struct plan_iteration *it)
{
    if (it->think_min_ms != it->think_max_ms)
        json_object_set_new(json, "thinkTime",
                            json_pack("{s:I, s:I}", "min", (json_int_t)it->think_min_ms, "max",
                                      (json_int_t)it->think_max_ms));
    else if (it->think_max_ms > 0)
        set_count(json, "thinkTime", it->think_max_ms);
}

static json_t *format_iteration(const struct plan_iteration *it, bool is_public)
{
    json_t *json = json_pack("{s:s, s:s, s:o}", "name", it->name, "mode", plan_mode_name(it->mode),
                             "httpRequest", format_request(it, is_public));

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
    set_think(json, it);
    set_text(json, "skipIf", it->skip_if);
    set_texts(json, "before", it->before, it->n_before);
    set_texts(json, "after", it->after, it->n_after);
    set_rules(json, "failureRules", it->failure, it->n_failure);
    set_rules(json, "terminationRules", it->termination, it->n_termination);
    return json;
}

static json_t *format_stage(const struct plan_stage *stage)
{
    return json_pack("{s:I, s:I, s:I}", "numberOfClients", (json_int_t)stage->n_clients,
                     "arrivalDelay", (json_int_t)stage->arrival_delay_ms, "startupDelay",
                     (json_int_t)stage->startup_delay_ms);
}

static json_t *format_round(const struct plan_round *round, bool is_public)
{
    json_t *iterations = json_array(), *stages = json_array();

    for (size_t i = 0; i < round->n_iterations; i++)
        json_array_append_new(iterations, format_iteration(&round->iterations[i], is_public));
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

static json_t *format_variable(const struct plan_variable *v, bool is_public)
{
    json_t *json = json_pack("{s:s, s:s, s:b}", "name", v->name, "as",
                             value_type_name(v->type, v->is_quoted), "secret", v->is_secret);

    set_text(json, "value", is_public && v->is_secret ? NULL : v->value);
    set_text(json, "regex", v->regex);
    return json;
}

static json_t *format_read(const struct plan_read *read, bool is_public)
{
    json_t *json =
        json_pack("{s:s, s:s}", "source", read->is_env ? "env" : "file", "name", read->name);

    if (read->is_secret)
        json_object_set_new(json, "secret", json_true());
    if (read->file[0] != '\0' && !(is_public && read->is_secret))
        set_text(json, "file", read->file);
    return json;
}

static char *format(const struct plan *plan, bool is_public)
{
    json_t *rounds = json_array(), *variables = json_array(), *reads = json_array();

    for (size_t i = 0; i < plan->n_rounds; i++)
        json_array_append_new(rounds, format_round(&plan->rounds[i], is_public));
    for (size_t i = 0; i < plan->n_variables; i++)
        json_array_append_new(variables, format_variable(&plan->variables[i], is_public));
    for (size_t i = 0; i < plan->n_reads; i++)
        json_array_append_new(reads, format_read(&plan->reads[i], is_public));
    json_t *json = json_pack("{s:s, s:o}", "name", plan->name, "rounds", rounds);
    if (plan->n_variables > 0)
        json_object_set(json, "variables", variables);
    if (plan->n_reads > 0)
        json_object_set(json, "reads", reads);
    char *text = jtext_format(json, false);
    json_decref(variables);
    json_decref(reads);
    json_decref(json);
    return text;
}

char *plan_format(const struct plan *plan)
{
    return format(plan, false);
}

char *plan_format_public(const struct plan *plan)
{
    return format(plan, true);
}

void plan_digest(const struct plan *plan, uint8_t out[32])
{
    char *text = plan_format_public(plan);

    str_sha256(text, strlen(text), out);
    free(text);
}
