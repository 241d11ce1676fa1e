#include "worker/cli/har_impl.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/plan.h"
#include "common/str.h"
#include "worker/cli/plan_find.h"

// The list under a key, made where there is none.
static json_t *need_list(json_t *object, const char *key)
{
    if (json_object_get(object, key) == NULL)
        json_object_set_new(object, key, json_array());
    return json_object_get(object, key);
}

// A copy with a name that the list does not have.
static json_t *add_unique(json_t *list, const json_t *iteration)
{
    const char *name = har_text(iteration, "name");
    char *unique = xstrdup(name);

    for (unsigned i = 2; plan_find_named(list, unique) != NULL; i++) {
        char suffix[16];
        int len = snprintf(suffix, sizeof suffix, "_%u", i);
        free(unique);
        unique = xasprintf("%.*s%s", PLAN_NAME_MAX - len, name, suffix);
    }
    json_t *copy = json_deep_copy(iteration);
    json_object_set_new(copy, "name", json_string(unique));
    json_array_append_new(list, copy);
    free(unique);
    return copy;
}

// A token of an older recording is worth nothing any more.
static void set_variables(const struct har *h, json_t *plan)
{
    json_t *variable, *there;
    size_t i;

    json_array_foreach(h->variables, i, variable)
    {
        json_t *list = need_list(plan, "variables");
        if ((there = plan_find_named(list, har_text(variable, "name"))) != NULL)
            json_object_update(there, variable);
        else
            json_array_append_new(list, json_deep_copy(variable));
    }
}

static json_t *add_round(json_t *plan, const char *name, const struct har_options *o)
{
    json_t *round = json_object();

    json_object_set_new(round, "name", json_string(name));
    json_object_set_new(round, "numberOfClients",
                        json_integer(o->n_clients > 0 ? (json_int_t)o->n_clients : 1));
    if (o->arrival_delay_ms != NULL)
        json_object_set_new(round, "arrivalDelay", json_integer((json_int_t)*o->arrival_delay_ms));
    if (o->run_in_parallel)
        json_object_set_new(round, "runInParallel", json_true());
    json_object_set_new(round, "iterations", json_array());
    json_array_append_new(need_list(plan, "rounds"), round);
    return round;
}

static void add_all(const struct har *h, json_t *round, struct har_joined *joined)
{
    json_t *list = need_list(round, "iterations"), *iteration;
    size_t i;

    json_array_foreach(h->iterations, i, iteration)
    {
        add_unique(list, iteration);
        joined->n_added++;
    }
}

json_t *har_create(const struct har *h, const struct har_options *o)
{
    json_t *plan = json_object();
    struct har_joined joined = {0};

    json_object_set_new(plan, "name",
                        json_string(o->plan_name == NULL ? "RecordedPlan" : o->plan_name));
    set_variables(h, plan);
    add_all(h, add_round(plan, o->round == NULL ? "Main" : o->round, o), &joined);
    return plan;
}

// Whether rounds and iterations are lists of objects, where they are there.
static bool is_list(const json_t *list)
{
    size_t i;
    json_t *element;
    bool ok = list == NULL || json_is_array(list);

    json_array_foreach(list, i, element) ok = ok && json_is_object(element);
    return ok;
}

static bool is_plan(const json_t *plan)
{
    const json_t *rounds = json_object_get(plan, "rounds"), *round;
    bool ok = json_is_object(plan) && is_list(rounds) &&
              is_list(json_object_get(plan, "iterations")) &&
              is_list(json_object_get(plan, "variables"));
    size_t i;

    json_array_foreach(rounds, i, round) ok = ok && is_list(json_object_get(round, "iterations"));
    return ok;
}

static bool has_shape(const struct har_options *o)
{
    return o->n_clients > 0 || o->arrival_delay_ms != NULL || o->run_in_parallel;
}

int har_append(const struct har *h, const struct har_options *o, json_t *plan,
               struct har_joined *ret_joined)
{
    struct har_joined joined = {0};

    if (!is_plan(plan))
        return -EINVAL;
    set_variables(h, plan);
    json_t *rounds = need_list(plan, "rounds");
    json_t *round = o->round == NULL ? NULL : plan_find_named(rounds, o->round);
    joined.shape_ignored = round != NULL && has_shape(o);
    if (round == NULL) {
        char name[24];
        unsigned i = 2;
        do
            snprintf(name, sizeof name, "Round%u", i++);
        while (plan_find_named(rounds, name) != NULL);
        round = add_round(plan, o->round == NULL ? name : o->round, o);
    }
    add_all(h, round, &joined);
    *ret_joined = joined;
    return 0;
}

// --- Update ---

static const char *either(const json_t *object, const char *key, const char *other)
{
    const char *text = har_text(object, key);

    return text == NULL ? har_text(object, other) : text;
}

// Method, URL and body of an iteration as one text. The caller frees; NULL: it has no URL.
static char *key_of(const json_t *iteration, const char *base_url)
{
    static const char *const bodies[] = {"raw", "file", "multipart"};
    const json_t *request = json_object_get(iteration, "httpRequest");
    const json_t *payload = json_object_get(request, "payload");
    const char *url = har_text(request, "url");
    const char *method = either(request, "method", "httpMethod");
    struct buf key = {0};

    if (url == NULL)
        return NULL;
    buf_puts(&key, method == NULL ? "GET" : method);
    for (char *p = key.data; *p != '\0'; p++)
        *p = (char)toupper((unsigned char)*p);
    bool is_relative = strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0;
    buf_printf(&key, "\n%s%s", is_relative && base_url != NULL ? base_url : "", url);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        const json_t *body = json_object_get(payload, bodies[i]);
        if (body == NULL || (json_is_string(body) && json_string_length(body) == 0))
            continue;
        char *text = json_dumps(body, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
        buf_printf(&key, "\n%s %s", bodies[i], text);
        free(text);
    }
    return buf_take(&key);
}

// Of the first iteration of each key.
static void index_list(json_t *index, const json_t *list, const char *base_url)
{
    size_t i;
    json_t *iteration;

    json_array_foreach(list, i, iteration)
    {
        char *key = key_of(iteration, base_url);
        if (key != NULL && json_object_get(index, key) == NULL)
            json_object_set(index, key, iteration);
        free(key);
    }
}

static json_t *index_plan(const json_t *plan)
{
    json_t *index = json_object(), *round;
    size_t i;

    json_array_foreach(json_object_get(plan, "rounds"), i, round)
        index_list(index, json_object_get(round, "iterations"), har_text(round, "baseUrl"));
    index_list(index, json_object_get(plan, "iterations"), NULL);
    return index;
}

// One member, under its first name, as recorded.
static void take(json_t *request, const json_t *recorded, const char *key, const char *alias)
{
    json_t *value = json_object_get(recorded, key);

    json_object_del(request, alias);
    if (value == NULL)
        json_object_del(request, key);
    else
        json_object_set_new(request, key, json_deep_copy(value));
}

static json_t *update_round(json_t *plan, const struct har_options *o, struct har_joined *joined)
{
    json_t *rounds = json_object_get(plan, "rounds");
    const char *name = o->round == NULL ? "Main" : o->round;
    json_t *round = o->round == NULL ? json_array_get(rounds, 0) : plan_find_named(rounds, name);

    joined->shape_ignored = round != NULL && has_shape(o);
    return round == NULL ? add_round(plan, name, o) : round;
}

int har_update(const struct har *h, const struct har_options *o, json_t *plan,
               struct har_joined *ret_joined)
{
    struct har_joined joined = {0};
    json_t *iteration, *round = NULL;
    size_t i;

    if (!is_plan(plan))
        return -EINVAL;
    set_variables(h, plan);
    json_t *index = index_plan(plan), *seen = json_object();
    json_array_foreach(h->iterations, i, iteration)
    {
        char *key = key_of(iteration, NULL);
        json_t *have = json_object_get(index, key);
        if (json_object_get(seen, key) != NULL) {
            joined.n_repeated++;
        } else if (have != NULL) {
            json_t *request = json_object_get(have, "httpRequest");
            const json_t *recorded = json_object_get(iteration, "httpRequest");
            take(request, recorded, "headers", "httpHeaders");
            take(request, recorded, "version", "httpVersion");
            joined.n_updated++;
        } else {
            round = round == NULL ? update_round(plan, o, &joined) : round;
            add_unique(need_list(round, "iterations"), iteration);
            joined.n_added++;
        }
        json_object_set_new(seen, key, json_true());
        free(key);
    }
    json_decref(index);
    json_decref(seen);
    *ret_joined = joined;
    return 0;
}
