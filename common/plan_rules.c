// Failure and termination rules, retries and captures.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/plan_impl.h"
#include "common/rule.h"
#include "common/str.h"

static const char *const failure_keys[] = {"metric", "errorStatusCodes", "expression"};
static const char *const termination_keys[] = {"metric", "errorStatusCodes", "expression",
                                               "gracePeriod"};
static const char *const retry_keys[] = {"if",       "stopIf",    "maxRetries",
                                         "strategy", "delayInMs", "maxDelayInMs"};
static const char *const capture_keys[] = {"to", "as", "makeGlobal", "regex"};

static const struct plan_word strategies[] = {{"Fixed", 1}, {"Exponential", 2}};

// The text of a member that has to be right by this check; NULL: absent, empty or wrong.
static char *read_checked(struct plan_reader *r, json_t *json, const char *key,
                          int (*check)(const char *text, void *out, char *why, size_t size),
                          void *out)
{
    char *text = plan_read_text(r, json, key, RULE_BYTES_MAX, false), why[300];

    if (text == NULL || check(text, out, why, sizeof why) == 0)
        return text;
    plan_fail_at(r, json, key, "%s", why);
    free(text);
    return NULL;
}

static int check_metric(const char *text, void *out, char *why, size_t size)
{
    return rule_parse(text, out, why, size);
}

static int check_codes(const char *text, void *out, char *why, size_t size)
{
    return rule_parse_codes(text, out, why, size);
}

static int check_span(const char *text, void *out, char *why, size_t size)
{
    return rule_parse_span(text, out, why, size);
}

static void read_rule(struct plan_reader *r, json_t *json, struct plan_rule *rule)
{
    struct rule_codes codes;
    struct rule parsed;

    rule->metric = read_checked(r, json, "metric", check_metric, &parsed);
    rule->codes = read_checked(r, json, "errorStatusCodes", check_codes, &codes);
    rule->expression = plan_read_condition(r, json, "expression", true);
    if (plan_find(r, json, "metric") == NULL && plan_find(r, json, "expression") == NULL)
        jcheck_fail(&r->c, "found neither \"metric\" nor \"expression\", expected one of them");
}

static void read_failure(struct plan_reader *r, json_t *json, void *element)
{
    plan_check_keys(r, json, failure_keys, PLAN_N_OF(failure_keys));
    read_rule(r, json, element);
}

static void read_termination(struct plan_reader *r, json_t *json, void *element)
{
    struct plan_rule *rule = element;
    int64_t grace_ms = 0;

    plan_check_keys(r, json, termination_keys, PLAN_N_OF(termination_keys));
    read_rule(r, json, rule);
    free(read_checked(r, json, "gracePeriod", check_span, &grace_ms));
    rule->grace_ms = (uint64_t)grace_ms;
}

void plan_read_rules(struct plan_reader *r, json_t *iteration, struct plan_iteration *it)
{
    it->failure = plan_read_list(r, iteration, "failureRules", PLAN_RULES_MAX, sizeof *it->failure,
                                 read_failure, &it->n_failure);
    it->termination = plan_read_list(r, iteration, "terminationRules", PLAN_RULES_MAX,
                                     sizeof *it->termination, read_termination, &it->n_termination);
}

// Only growing delays have a bound.
static void read_delays(struct plan_reader *r, json_t *json, struct plan_retry *retry)
{
    const char *key = plan_key(r, json, "maxDelayInMs");
    bool has_max = plan_find(r, json, "maxDelayInMs") != NULL;

    retry->delay_ms = plan_read_count(r, json, "delayInMs", 1, PLAN_DELAY_MAX_MS, 100);
    if (has_max && !retry->is_exponential)
        jcheck_fail_key(&r->c, key, "found \"%s\", expected none with the strategy Fixed", key);
    else if (has_max)
        retry->max_delay_ms = plan_read_count(r, json, "maxDelayInMs", 1, PLAN_DELAY_MAX_MS, 0);
    if (retry->max_delay_ms > 0 && retry->max_delay_ms < retry->delay_ms)
        plan_fail_at(r, json, key, "found %llu, expected at least the delay of %llu ms",
                     (unsigned long long)retry->max_delay_ms, (unsigned long long)retry->delay_ms);
}

void plan_read_retry(struct plan_reader *r, json_t *request, struct plan_iteration *it)
{
    struct jcheck_place back;
    json_t *json = plan_enter_object(r, request, "retry", &back);

    if (json == NULL)
        return;
    plan_check_keys(r, json, retry_keys, PLAN_N_OF(retry_keys));
    struct plan_retry *retry = it->retry = xcalloc(1, sizeof *it->retry);
    retry->condition = plan_read_condition(r, json, "if", false);
    retry->stop = plan_read_condition(r, json, "stopIf", false);
    if (retry->condition != NULL && retry->stop != NULL &&
        strcasecmp(retry->condition, retry->stop) == 0)
        jcheck_fail_key(&r->c, plan_key(r, json, "stopIf"),
                        "found the same as in \"if\", expected another condition");
    retry->max = plan_read_count(r, json, "maxRetries", 0, PLAN_RETRIES_MAX, 1);
    int strategy = plan_read_word(r, json, "strategy", strategies, PLAN_N_OF(strategies),
                                  "\"Fixed\" or \"Exponential\"", 1);
    retry->is_exponential = strategy == 2;
    if (strategy != 0)
        read_delays(r, json, retry);
    jcheck_leave(&r->c, back);
}

// A body is a text, however its type calls it: what has no paths is String.
static void read_body_type(struct plan_reader *r, json_t *json, struct plan_capture *capture)
{
    struct jcheck_place back;
    json_t *value = plan_enter(r, json, "as", &back);
    char *text;

    capture->type = VALUE_STRING;
    if (value == NULL)
        return;
    text = plan_setup(r, value, false);
    if (text != NULL && *text == '\0')
        capture->type = VALUE_UNDEFINED;
    else if (text != NULL && value_type_parse(text, &capture->type, &capture->is_quoted) < 0)
        plan_wrong(r, text,
                   "String, Json, Xml, Csv (each also with a Q before it), or \"\": as the answer "
                   "says");
    if (capture->type > VALUE_CSV)
        capture->type = VALUE_STRING;
    free(text);
    jcheck_leave(&r->c, back);
}

void plan_read_capture(struct plan_reader *r, json_t *request, struct plan_iteration *it)
{
    struct jcheck_place back;
    json_t *json = plan_enter_object(r, request, "capture", &back);

    if (json == NULL)
        return;
    plan_check_keys(r, json, capture_keys, PLAN_N_OF(capture_keys));
    struct plan_capture *capture = it->capture = xcalloc(1, sizeof *it->capture);
    capture->to = plan_read_variable_name(r, json, "to");
    read_body_type(r, json, capture);
    capture->is_global = plan_read_bool(r, json, "makeGlobal");
    capture->regex = plan_read_regex(r, json, "regex");
    jcheck_leave(&r->c, back);
}
