#include "common/plan_variables.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/script/regex.h"
#include "common/script/tmpl.h"

// The first match, in place of the whole.
static int cut(const struct plan_variable *v, struct script_env *env, struct buf *text, char *why,
               size_t size)
{
    char problem[120];
    struct regex *regex;
    size_t at, len;

    if (regex_compile(v->regex, problem, sizeof problem, &regex) < 0) {
        snprintf(why, size, "variable %s: regex: %s", v->name, problem);
        return -EINVAL;
    }
    int r = regex_find(regex, text->data != NULL ? text->data : "", text->len, &at, &len);
    regex_free(regex);
    if (r < 0) {
        script_warn(env, "variable %s: %s", v->name,
                    r == -E2BIG ? "its regex takes too long" : "its regex matches nothing");
        at = len = 0;
    }
    if (len > 0)
        memmove(text->data, text->data + at, len);
    text->len = len;
    return 0;
}

static int set_one(const struct plan_variable *v, struct script_env *env, char *why, size_t size)
{
    struct tmpl_error error;
    struct value value = {0};
    struct buf text = {0};
    struct tmpl *tmpl;
    int r;

    if (tmpl_compile(v->value, strlen(v->value), &tmpl, &error) < 0) {
        snprintf(why, size, "variable %s: at character %zu: %s", v->name, error.at + 1, error.text);
        return -EINVAL;
    }
    tmpl_render(tmpl, env, &text);
    tmpl_free(tmpl);
    r = v->regex != NULL ? cut(v, env, &text, why, size) : 0;
    if (r == 0) {
        r = value_set(&value, v->type, v->is_quoted, text.data != NULL ? text.data : "", text.len);
        if (r < 0 && v->is_secret)
            snprintf(why, size, "variable %s: found a value that is none, expected %s", v->name,
                     value_type_name(v->type, false));
        else if (r < 0)
            snprintf(why, size, "variable %s: found \"%.*s\", expected %s", v->name,
                     (int)(text.len < 60 ? text.len : 60), text.data != NULL ? text.data : "",
                     value_type_name(v->type, false));
    }
    if (r == 0)
        script_store(env, v->name, true, &value);
    value_done(&value);
    buf_done(&text);
    return r;
}

int plan_variables_set(const struct plan_variable *variables, size_t n, struct script_env *env,
                       char *why, size_t size)
{
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++)
        if (variables[i].value != NULL)
            r = set_one(&variables[i], env, why, size);
    return r;
}
