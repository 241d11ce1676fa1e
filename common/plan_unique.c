#include "common/plan_unique.h"

#include <string.h>

#include "common/script/expr.h"
#include "common/script/method.h"
#include "common/script/tmpl.h"
#include "common/str.h"

static void look_at_call(void *arg, const struct call *call)
{
    bool *found = arg;

    for (size_t i = 0; i < METHOD_PARAMS_MAX; i++) {
        bool is = true;
        size_t len;
        if (call->arg[i] == NULL || strcmp(call->method->params[i].name, "unique") != 0)
            continue;
        if (tmpl_is_constant(call->arg[i]) &&
            str_parse_bool(tmpl_text(call->arg[i], &len), &is) < 0)
            is = false;
        *found = *found || is;
    }
}

// Text that does not compile makes no values.
static void in_template(const char *text, bool *found)
{
    struct tmpl_error error;
    struct tmpl *t;

    if (text == NULL || *found || tmpl_compile(text, strlen(text), &t, &error) < 0)
        return;
    tmpl_each_call(t, look_at_call, found);
    tmpl_free(t);
}

static void in_templates(char *const *texts, size_t n, bool *found)
{
    for (size_t i = 0; i < n; i++)
        in_template(texts[i], found);
}

static void in_condition(const char *text, bool *found)
{
    struct tmpl_error error;
    struct expr *e;

    if (text == NULL || *found || expr_compile(text, strlen(text), &e, &error) < 0)
        return;
    expr_each_call(e, look_at_call, found);
    expr_free(e);
}

static void in_request(const struct plan_iteration *it, bool *found)
{
    in_template(it->url.target, found);
    in_template(it->method, found);
    for (size_t i = 0; i < it->n_headers; i++)
        in_template(it->headers[i].value, found);
    in_template(it->payload, found);
    for (size_t i = 0; i < it->n_parts; i++) {
        in_template(it->parts[i].name, found);
        in_template(it->parts[i].value, found);
        in_template(it->parts[i].content_type, found);
    }
}

static void in_iteration(const struct plan_iteration *it, bool *found)
{
    in_condition(it->skip_if, found);
    in_condition(it->request_skip_if, found);
    in_templates(it->before, it->n_before, found);
    in_templates(it->after, it->n_after, found);
    in_templates(it->request_before, it->n_request_before, found);
    in_templates(it->request_after, it->n_request_after, found);
    in_request(it, found);
    if (it->retry != NULL) {
        in_condition(it->retry->condition, found);
        in_condition(it->retry->stop, found);
    }
}

bool plan_has_unique(const struct plan *plan)
{
    bool found = false;

    for (size_t i = 0; i < plan->n_variables; i++)
        in_template(plan->variables[i].value, &found);
    for (size_t i = 0; i < plan->n_rounds; i++)
        for (size_t j = 0; j < plan->rounds[i].n_iterations; j++)
            in_iteration(&plan->rounds[i].iterations[j], &found);
    return found;
}
