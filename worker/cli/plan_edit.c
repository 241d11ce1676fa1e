#include "worker/cli/plan_edit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/plan.h"
#include "common/str.h"
#include "worker/cli/plan_build.h"
#include "worker/cli/plan_find.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char *given(const struct options *o, enum options_id id)
{
    return options_text(o, id, NULL);
}

static const char *spelling(const struct options *o, enum options_id id)
{
    return o->value[id].spelling;
}

static int check_name(const struct options *o, enum options_id id, struct diag *d)
{
    const char *name = given(o, id);
    size_t len = strlen(name);

    if (len == 0 || len > PLAN_NAME_MAX)
        return diag_add(d, 0, 0, "%s: found %zu characters, expected 1 to %d", spelling(o, id), len,
                        PLAN_NAME_MAX);
    if (name[0] == '$')
        return 0;
    for (const char *p = name; *p != '\0'; p++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _.-", *p) ==
            NULL)
            return diag_add(d, 0, 0,
                            "%s: found \"%s\", expected only letters, digits, ' ', '_', '.', '-'",
                            spelling(o, id), name);
    return 0;
}

static int check_variable_name(const struct options *o, enum options_id id, struct diag *d)
{
    const char *name = given(o, id);

    if (name[0] == '\0' ||
        name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")] !=
            '\0')
        return diag_add(d, 0, 0, "%s: found \"%s\", expected letters and digits", spelling(o, id),
                        name);
    if (strcasecmp(name, "metrics") == 0)
        return diag_add(d, 0, 0, "%s: found \"%s\", which is what the run itself has measured",
                        spelling(o, id), name);
    return 0;
}

// The list under key, made where it is missing. NULL: something else is there, an entry in d.
static json_t *list_of(json_t *object, const char *key, struct diag *d)
{
    json_t *list = json_object_get(object, key);

    if (list == NULL || json_is_null(list)) {
        json_object_set_new(object, key, json_array());
        list = json_object_get(object, key);
    }
    if (!json_is_array(list)) {
        diag_add(d, 0, 0, "%s: expected a list", key);
        return NULL;
    }
    return list;
}

// An entry in d that names the nearest. Always -EINVAL.
static int unknown(const struct options *o, enum options_id id, const char *what,
                   const json_t *list, struct diag *d)
{
    const char **names = xcalloc(json_array_size(list) + 1, sizeof(*names)), *name;
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(list); i++)
        if ((name = json_string_value(json_object_get(json_array_get(list, i), "name"))) != NULL)
            names[n++] = name;
    const char *nearest = str_nearest(given(o, id), names, n);
    int r =
        diag_add(d, 0, 0, "%s: found no %s named \"%s\"%s%s%s", spelling(o, id), what, given(o, id),
                 nearest ? ", did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    free(names);
    return r;
}

// The round that OPTIONS_IN_ROUND names; borrowed.
static int find_round(const struct options *o, json_t *plan, struct diag *d, json_t **ret_round)
{
    json_t *rounds = list_of(plan, "rounds", d);

    if (rounds == NULL)
        return -EINVAL;
    json_t *round = plan_find_named(rounds, given(o, OPTIONS_IN_ROUND));
    if (round == NULL)
        return unknown(o, OPTIONS_IN_ROUND, "round", rounds, d);
    *ret_round = round;
    return 0;
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text != NULL)
        json_object_set_new(object, key, json_string(text));
}

static json_t *texts_of(const struct options *o, enum options_id id)
{
    json_t *list = json_array();

    for (size_t i = 0; i < o->value[id].n; i++)
        json_array_append_new(list, json_string(o->value[id].text[i]));
    return list;
}

static int edit_create(const struct options *o, json_t *plan, struct diag *d)
{
    int r = check_name(o, OPTIONS_NEW_PLAN_NAME, d);

    if (r == 0)
        set_text(plan, "name", given(o, OPTIONS_NEW_PLAN_NAME));
    if (r == 0 && list_of(plan, "rounds", d) == NULL)
        r = -EINVAL;
    return r;
}

static int edit_round(const struct options *o, json_t *plan, struct diag *d)
{
    static const struct plan_member members[] = {
        {"baseUrl", OPTIONS_BASE_URL},
        {"startupDelay", OPTIONS_STARTUP_DELAY},
        {"numberOfClients", OPTIONS_CLIENTS},
        {"arrivalDelay", OPTIONS_ARRIVAL_DELAY},
        {"delayClientCreationUntilIsNeeded", OPTIONS_DELAY_CLIENT_CREATION},
        {"runInParallel", OPTIONS_RUN_IN_PARALLEL},
        {"pacing", OPTIONS_PACING},
    };
    json_t *rounds = list_of(plan, "rounds", d);

    if (rounds == NULL || check_name(o, OPTIONS_NEW_ROUND_NAME, d) < 0)
        return -EINVAL;
    json_t *round = plan_find_named(rounds, given(o, OPTIONS_NEW_ROUND_NAME));
    if (round == NULL) {
        round = json_object();
        json_array_append_new(rounds, round);
        set_text(round, "name", given(o, OPTIONS_NEW_ROUND_NAME));
    }
    plan_build_set(o, members, N_OF(members), round);
    if (options_given(o, OPTIONS_TAG))
        json_object_set_new(round, "tags", texts_of(o, OPTIONS_TAG));
    return list_of(round, "iterations", d) != NULL ? 0 : -EINVAL;
}

// Keys that are not owned are kept where the new object has none.
static void take_over(json_t *old, const json_t *new, const char *const *owned, size_t n_owned)
{
    for (size_t i = 0; i < n_owned; i++)
        if (json_object_get(new, owned[i]) == NULL)
            json_object_del(old, owned[i]);
    json_object_update(old, (json_t *)new);
}

static void replace_iteration(json_t *old, json_t *new)
{
    static const char *const iteration_keys[] = {
        "mode", "requestCount",       "duration", "batchSize",    "coolDownTime", "rate",
        "ramp", "maximizeThroughput", "delay",    "startupDelay", "thinkTime"};
    static const char *const request_keys[] = {"method",
                                               "httpMethod",
                                               "version",
                                               "httpVersion",
                                               "headers",
                                               "httpHeaders",
                                               "payload",
                                               "supportH2C",
                                               "clientCertificatePath",
                                               "clientCertificatePassword",
                                               "downloadHtmlEmbeddedResources",
                                               "saveResponse"};
    json_t *request = json_object_get(old, "httpRequest");

    if (json_is_object(request)) {
        take_over(request, json_object_get(new, "httpRequest"), request_keys, N_OF(request_keys));
        json_object_set(new, "httpRequest", request);
    }
    take_over(old, new, iteration_keys, N_OF(iteration_keys));
}

static int build_iteration(const struct options *o, struct diag *d, json_t **ret_json)
{
    static const struct plan_member members[] = {{"delay", OPTIONS_ITERATION_DELAY}};

    int r = check_name(o, OPTIONS_NEW_ITERATION_NAME, d);
    if (r == 0)
        r = plan_build_iteration(o, given(o, OPTIONS_NEW_ITERATION_NAME), true, d, ret_json);
    if (r == 0)
        plan_build_set(o, members, N_OF(members), *ret_json);
    return r;
}

static int add_reference(json_t *round, const char *name, struct diag *d)
{
    json_t *references = list_of(round, "reference", d), *reference;
    size_t i;

    if (references == NULL)
        return -EINVAL;
    json_array_foreach(references, i, reference)
    {
        const char *is = json_string_value(reference);
        if (is != NULL && strcasecmp(is, name) == 0)
            return 0;
    }
    json_array_append_new(references, json_string(name));
    return 0;
}

static int edit_iteration(const struct options *o, json_t *plan, struct diag *d)
{
    bool in_round = options_given(o, OPTIONS_IN_ROUND);
    bool global = o->value[OPTIONS_GLOBAL].flag || !in_round;
    const char *name = given(o, OPTIONS_NEW_ITERATION_NAME);
    json_t *round = NULL, *json = NULL;

    int r = in_round ? find_round(o, plan, d, &round) : 0;
    if (r == 0)
        r = build_iteration(o, d, &json);
    if (r < 0)
        return r;
    json_t *list = list_of(global ? plan : round, "iterations", d);
    json_t *old = plan_find_named(list, name);
    if (list == NULL)
        r = -EINVAL;
    else if (old != NULL)
        replace_iteration(old, json);
    else
        json_array_append(list, json);
    json_decref(json);
    return r == 0 && global && in_round ? add_reference(round, name, d) : r;
}

static int edit_reference(const struct options *o, json_t *plan, struct diag *d)
{
    json_t *round = NULL, *iterations = json_object_get(plan, "iterations");
    const char *name = given(o, OPTIONS_NEW_ITERATION_NAME);

    int r = find_round(o, plan, d, &round);
    if (r < 0)
        return r;
    if (plan_find_named(iterations, name) == NULL)
        return unknown(o, OPTIONS_NEW_ITERATION_NAME, "iteration of the plan itself", iterations,
                       d);
    return add_reference(round, name, d);
}

static int edit_capture(const struct options *o, json_t *plan, struct diag *d)
{
    static const struct plan_member members[] = {
        {"to", OPTIONS_TO},
        {"as", OPTIONS_AS},
        {"makeGlobal", OPTIONS_MAKE_GLOBAL},
        {"regex", OPTIONS_REGEX},
    };
    json_t *round = plan, *iteration;

    int r = options_given(o, OPTIONS_IN_ROUND) ? find_round(o, plan, d, &round) : 0;
    if (r == 0)
        r = check_variable_name(o, OPTIONS_TO, d);
    if (r < 0)
        return r;
    const json_t *list = json_object_get(round, "iterations");
    iteration = plan_find_named(list, given(o, OPTIONS_CAPTURE_ITERATION));
    json_t *request = json_object_get(iteration, "httpRequest");
    if (iteration == NULL)
        return unknown(o, OPTIONS_CAPTURE_ITERATION,
                       round != plan ? "iteration" : "iteration of the plan itself", list, d);
    if (!json_is_object(request))
        return diag_add(d, 0, 0, "iteration \"%s\": found no httpRequest, expected one",
                        given(o, OPTIONS_CAPTURE_ITERATION));
    json_t *capture = json_object();
    plan_build_set(o, members, N_OF(members), capture);
    json_object_set_new(request, "capture", capture);
    return 0;
}

static int set_variable(const struct options *o, json_t *parent, struct diag *d)
{
    static const struct plan_member members[] = {
        {"name", OPTIONS_VARIABLE_NAME}, {"value", OPTIONS_VALUE},   {"as", OPTIONS_AS},
        {"regex", OPTIONS_REGEX},        {"secret", OPTIONS_SECRET},
    };
    json_t *list = list_of(parent, "variables", d);

    if (list == NULL)
        return -EINVAL;
    json_t *variable = plan_find_named(list, given(o, OPTIONS_VARIABLE_NAME));
    if (variable == NULL) {
        variable = json_object();
        json_array_append_new(list, variable);
    } else {
        json_object_del(variable, "as");
        json_object_del(variable, "regex");
    }
    plan_build_set(o, members, N_OF(members), variable);
    return 0;
}

static int edit_variable(const struct options *o, json_t *plan, struct diag *d)
{
    const struct options_value *names = &o->value[OPTIONS_ENVIRONMENT];

    int r = check_variable_name(o, OPTIONS_VARIABLE_NAME, d);
    if (r == 0 && names->n == 0)
        r = set_variable(o, plan, d);
    for (size_t i = 0; r == 0 && i < names->n; i++) {
        json_t *list = list_of(plan, "environments", d);
        if (list == NULL)
            return -EINVAL;
        json_t *environment = plan_find_named(list, names->text[i]);
        if (environment == NULL) {
            environment = json_pack("{s:s}", "name", names->text[i]);
            json_array_append_new(list, environment);
        }
        r = set_variable(o, environment, d);
    }
    return r;
}

static int (*const edits[OPTIONS_COMMAND__COUNT])(const struct options *o, json_t *plan,
                                                  struct diag *d) = {
    [OPTIONS_CREATE] = edit_create,       [OPTIONS_ROUND] = edit_round,
    [OPTIONS_ITERATION] = edit_iteration, [OPTIONS_ITERATION_REF] = edit_reference,
    [OPTIONS_CAPTURE] = edit_capture,     [OPTIONS_VARIABLE] = edit_variable,
};

bool plan_edit_makes_plan(enum options_command command)
{
    return command == OPTIONS_CREATE || command == OPTIONS_ROUND;
}

int plan_edit(const struct options *o, json_t *plan, struct diag *d)
{
    if (!json_is_object(plan))
        return diag_add(d, 0, 0, "expected a plan");
    int r = plan_build_check_utf8(o, d);
    return r == 0 ? edits[o->command](o, plan, d) : r;
}
