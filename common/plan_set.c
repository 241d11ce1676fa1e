// Variables of a plan, and those of the environments that are asked for.
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/plan_impl.h"
#include "common/plan_variables.h"
#include "common/script/tmpl.h"
#include "common/str.h"

static const char *const variable_keys[] = {"name", "value", "as", "regex", "secret"};
static const char *const environment_keys[] = {"name", "variables"};

void plan_variable_done(struct plan_variable *v)
{
    free(v->name);
    free(v->value);
    free(v->regex);
}

static void read_type(struct plan_reader *r, json_t *json, struct plan_variable *v)
{
    char *text = plan_read_text(r, json, "as", PLAN_BYTES_MAX, false);
    struct jcheck_place back;

    v->type = VALUE_STRING;
    if (text == NULL)
        return;
    back = jcheck_key(&r->c, plan_key(r, json, "as"));
    if (value_type_parse(text, &v->type, &v->is_quoted) < 0 || v->type == VALUE_RESPONSE)
        plan_wrong(r, text,
                   "String, Json, Xml, Csv (each also with a Q before it), Int, Float, Double, "
                   "Decimal or Bool");
    jcheck_leave(&r->c, back);
    free(text);
}

static void read_value(struct plan_reader *r, json_t *json, struct plan_variable *v)
{
    struct jcheck_place back;
    json_t *value;

    if (v->is_secret && r->source == NULL && plan_find(r, json, "value") == NULL)
        return;
    if (plan_require(r, json, "value") == NULL)
        return;
    value = plan_enter(r, json, "value", &back);
    v->value = plan_text(r, value);
    r->is_secret = v->is_secret;
    if (v->value != NULL)
        plan_check_template(r, v->value, v->is_secret);
    r->is_secret = false;
    jcheck_leave(&r->c, back);
}

static void read_variable(struct plan_reader *r, json_t *json, struct plan_variable *v)
{
    plan_check_keys(r, json, variable_keys, PLAN_N_OF(variable_keys));
    v->name = plan_read_variable_name(r, json, "name");
    v->is_secret = plan_read_bool(r, json, "secret");
    read_type(r, json, v);
    read_value(r, json, v);
    v->regex = plan_read_regex(r, json, "regex");
}

// What it takes the place of and what it is made from make it secret and unshared, too.
static void inherit(const struct plan *plan, struct plan_variable *v)
{
    struct tmpl_error error;
    struct tmpl *tmpl;

    v->is_secret |= plan_is_secret_variable(plan, v->name);
    v->is_unshared |= plan_is_unshared_variable(plan, v->name);
    if (tmpl_compile(v->value, strlen(v->value), &tmpl, &error) == 0) {
        v->is_secret |= plan_find_secret(plan, tmpl) != NULL;
        v->is_unshared |= plan_is_unshared(plan, tmpl);
        tmpl_free(tmpl);
    }
    v->is_unshared |= v->is_secret;
}

static void warn(void *arg, const char *text)
{
    plan_warn(arg, "%s", text);
}

// Sets a variable that is right in itself, for those after it and for what is worked out here.
static void set(struct plan_reader *r, json_t *json, const struct plan_variable *v, bool is_warned)
{
    struct jcheck_place back = jcheck_key(&r->c, plan_key(r, json, "value"));
    char why[300];

    r->env.warn = v->is_secret || is_warned ? NULL : warn;
    if (plan_variables_set(v, 1, &r->env, why, sizeof why) < 0) {
        const char *colon = strstr(why, ": ");
        jcheck_fail(&r->c, "%s", colon != NULL ? colon + 2 : why);
        r->is_unset = true;
    }
    r->env.warn = NULL;
    jcheck_leave(&r->c, back);
}

// Those that are wrong are left out; an error is told either way.
static void add(struct plan_reader *r, json_t *json, struct plan_variable *v, bool is_wrong,
                bool is_wanted, bool is_warned)
{
    struct plan *plan = r->plan;

    if (is_wrong || v->name == NULL || !is_wanted) {
        r->is_unset |= is_wrong && is_wanted;
        plan_variable_done(v);
        return;
    }
    if (r->source != NULL) {
        inherit(plan, v);
        set(r, json, v, is_warned);
    }
    plan->variables =
        xreallocarray(plan->variables, plan->n_variables + 1, sizeof *plan->variables);
    plan->variables[plan->n_variables++] = *v;
}

// The member "variables" of a plan or an environment.
static void read_variables(struct plan_reader *r, json_t *object, bool is_wanted)
{
    struct jcheck_place outer, back;
    json_t *list = plan_enter_list(r, object, "variables", PLAN_VARIABLES_MAX, &outer);

    size_t n_first = r->plan->n_variables;

    if (list == NULL)
        return;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct plan_variable v = {0};
        size_t n_before = r->c.d->n;
        size_t n_warnings = r->source != NULL ? r->source->warnings->n : 0;
        back = jcheck_index(&r->c, i);
        if (jcheck_object(&r->c, json_array_get(list, i)) == 0)
            read_variable(r, json_array_get(list, i), &v);
        bool is_warned = r->source != NULL && r->source->warnings->n > n_warnings;
        for (size_t j = n_first; r->source != NULL && j < r->plan->n_variables; j++)
            if (v.name != NULL && strcmp(v.name, r->plan->variables[j].name) == 0)
                plan_warn(r, "found \"%s\" again: the later one holds", v.name);
        add(r, json_array_get(list, i), &v, r->c.d->n > n_before, is_wanted, is_warned);
        jcheck_leave(&r->c, back);
    }
    jcheck_leave(&r->c, outer);
}

// Environment i of the list, whose name is known.
static void read_environment(struct plan_reader *r, json_t *list, size_t i, bool is_wanted)
{
    struct jcheck_place back = jcheck_index(&r->c, i);
    json_t *json = json_array_get(list, i);
    size_t n_reads = r->plan->n_reads;

    if (jcheck_object(&r->c, json) == 0) {
        plan_check_keys(r, json, environment_keys, PLAN_N_OF(environment_keys));
        read_variables(r, json, is_wanted);
    }
    if (!is_wanted)
        plan_cut_reads(r, n_reads);
    jcheck_leave(&r->c, back);
}

// The names of environments, which are texts as they stand; "" where there is none.
static char **read_names(struct plan_reader *r, json_t *list)
{
    size_t n = json_array_size(list);
    char **names = xcalloc(n + 1, sizeof *names);

    for (size_t i = 0; i < n; i++) {
        struct jcheck_place back = jcheck_index(&r->c, i), name;
        json_t *json = json_array_get(list, i);
        if (json_is_object(json) && plan_require(r, json, "name") != NULL) {
            names[i] = plan_setup(r, plan_enter(r, json, "name", &name), false);
            if (names[i] != NULL && names[i][0] == '\0')
                jcheck_fail(&r->c, "found an empty name");
            for (size_t j = 0; names[i] != NULL && names[i][0] != '\0' && j < i; j++)
                if (strcasecmp(names[i], names[j]) == 0)
                    jcheck_fail(&r->c, "found \"%s\" again, expected a name of its own", names[i]);
            jcheck_leave(&r->c, name);
        }
        if (names[i] == NULL)
            names[i] = xstrdup("");
        jcheck_leave(&r->c, back);
    }
    return names;
}

// Those that are asked for in that order, then the others, which are only checked. NULL: none.
static void read_environments(struct plan_reader *r, json_t *list)
{
    const struct plan_source *source = r->source;
    size_t n = json_array_size(list);
    char **names = read_names(r, list);
    bool *is_read = xcalloc(n + 1, sizeof *is_read);

    for (size_t i = 0; i < source->n_environments; i++) {
        const char *wanted = source->environments[i];
        size_t at = 0;
        while (at < n && strcasecmp(names[at], wanted) != 0)
            at++;
        if (at == n) {
            char *text = plan_none_such("environment", wanted, names, n);
            plan_warn(r, "%s", text);
            free(text);
        } else if (!is_read[at]) {
            is_read[at] = true;
            read_environment(r, list, at, true);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_read[i])
            read_environment(r, list, i, false);
        free(names[i]);
    }
    free(names);
    free(is_read);
}

void plan_read_variables(struct plan_reader *r, json_t *plan)
{
    struct jcheck_place back;
    json_t *list;

    read_variables(r, plan, true);
    if (r->source == NULL)
        return;
    list = plan_enter_list(r, plan, "environments", PLAN_VARIABLES_MAX, &back);
    read_environments(r, list);
    if (list != NULL)
        jcheck_leave(&r->c, back);
}
