// Placeholders that are worked out when a plan is read, and the files that it names.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/plan_impl.h"
#include "common/script/expr.h"
#include "common/script/tmpl.h"
#include "common/str.h"

bool plan_is_secret_variable(const struct plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_variables; i++)
        if (plan->variables[i].is_secret && strcmp(plan->variables[i].name, name) == 0)
            return true;
    return false;
}

bool plan_is_unshared_variable(const struct plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_variables; i++)
        if (plan->variables[i].is_unshared && strcmp(plan->variables[i].name, name) == 0)
            return true;
    return false;
}

struct search {
    const struct plan *plan;
    bool (*is_wanted)(const struct plan *plan, const char *name);
    const char *found; // NULL: none
};

static void look_at_name(void *arg, const char *name, bool is_store, bool is_global)
{
    struct search *search = arg;

    (void)is_store;
    (void)is_global;
    if (name != NULL && search->found == NULL && search->is_wanted(search->plan, name))
        search->found = name;
}

static void look_at_source(void *arg, bool is_env, const char *name)
{
    struct search *search = arg;

    (void)is_env;
    if (search->found == NULL)
        search->found = name;
}

const char *plan_find_secret(const struct plan *plan, const struct tmpl *tmpl)
{
    struct search search = {.plan = plan, .is_wanted = plan_is_secret_variable};

    tmpl_each_name(tmpl, look_at_name, &search);
    return search.found;
}

bool plan_is_unshared(const struct plan *plan, const struct tmpl *tmpl)
{
    struct search search = {.plan = plan, .is_wanted = plan_is_unshared_variable};

    tmpl_each_name(tmpl, look_at_name, &search);
    tmpl_each_source(tmpl, look_at_source, &search);
    return search.found != NULL;
}

static void keep_problem(void *arg, const char *text)
{
    struct plan_reader *r = arg;

    if (r->problem == NULL)
        r->problem = xstrdup(text);
}

static int complain(struct plan_reader *r, const struct tmpl_error *error, bool is_secret)
{
    if (is_secret)
        return jcheck_fail(&r->c, "found a placeholder that is none at character %zu",
                           error->at + 1);
    return jcheck_fail(&r->c, "at character %zu: %s", error->at + 1, error->text);
}

// What the template is now; -EINVAL with an entry.
static int render(struct plan_reader *r, const struct tmpl *tmpl, bool may_be_secret, bool is_quiet,
                  struct buf *out)
{
    const char *secret = plan_find_secret(r->plan, tmpl);
    int result = 0;

    if (secret != NULL && !may_be_secret)
        return is_quiet ? -EINVAL
                        : jcheck_fail(&r->c,
                                      "found the secret variable \"%s\", expected none in what "
                                      "everybody can see",
                                      secret);
    r->env.warn = keep_problem;
    tmpl_render(tmpl, &r->env, out);
    r->env.warn = NULL;
    if (r->problem != NULL) {
        result = -EINVAL;
        if (!is_quiet)
            jcheck_fail(&r->c, "%s",
                        secret != NULL ? "found a placeholder that gives nothing" : r->problem);
    }
    free(r->problem);
    r->problem = NULL;
    return result;
}

static void take_read(void *arg, bool is_env, const char *name)
{
    struct plan_reader *r = arg;
    struct plan *plan = r->plan;
    struct plan_content content = {0};

    for (size_t i = 0; i < plan->n_reads; i++) {
        if (plan->reads[i].is_env == is_env && strcmp(plan->reads[i].name, name) == 0) {
            plan->reads[i].is_secret |= r->is_secret;
            return;
        }
    }
    if (plan->n_reads == PLAN_READS_MAX) {
        jcheck_fail(&r->c, "found more than %d files and environment variables to read",
                    PLAN_READS_MAX);
        return;
    }
    int result = is_env
                     ? r->source->env(r->source->arg, &r->c, name, &content)
                     : r->source->file(r->source->arg, &r->c, PLAN_USE_READ, name, NULL, &content);
    if (result == -ENOENT)
        plan_warn(r, "there is no %s \"%s\": it reads as empty",
                  is_env ? "environment variable" : "file", name);
    if (result < 0)
        return;
    plan->reads = xreallocarray(plan->reads, plan->n_reads + 1, sizeof *plan->reads);
    r->contents = xreallocarray(r->contents, plan->n_reads + 1, sizeof *r->contents);
    r->contents[plan->n_reads] = content;
    struct plan_read *read = &plan->reads[plan->n_reads++];
    *read = (struct plan_read){.is_env = is_env, .is_secret = r->is_secret, .name = xstrdup(name)};
    memcpy(read->file, content.sha256, sizeof read->file);
}

void plan_cut_reads(struct plan_reader *r, size_t n)
{
    while (r->plan->n_reads > n)
        free(r->plan->reads[--r->plan->n_reads].name);
}

int plan_render(struct plan_reader *r, const char *text, size_t len, bool may_be_secret,
                bool is_quiet, char **ret_text)
{
    struct tmpl_error error;
    struct buf out = {0};
    struct tmpl *tmpl;

    if (tmpl_compile(text, len, &tmpl, &error) < 0)
        return is_quiet ? -EINVAL : complain(r, &error, may_be_secret);
    tmpl_each_source(tmpl, take_read, r);
    int result = r->is_unset && !tmpl_is_constant(tmpl)
                     ? -EINVAL
                     : render(r, tmpl, may_be_secret, is_quiet, &out);
    tmpl_free(tmpl);
    if (result == 0 && out.data != NULL && memchr(out.data, '\0', out.len) != NULL)
        result = jcheck_fail(&r->c, "found a NUL in what the placeholders give, expected none");
    if (result == 0)
        *ret_text = buf_take(&out);
    buf_done(&out);
    return result;
}

int plan_check_template(struct plan_reader *r, const char *text, bool is_secret)
{
    struct tmpl_error error;
    struct tmpl *tmpl;

    if (tmpl_compile(text, strlen(text), &tmpl, &error) < 0)
        return complain(r, &error, is_secret);
    if (r->source != NULL)
        tmpl_each_source(tmpl, take_read, r);
    tmpl_free(tmpl);
    return 0;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

static void check_is_shared(struct plan_reader *r, const struct expr *expr)
{
    struct search search = {.plan = r->plan, .is_wanted = plan_is_unshared_variable};

    expr_each_name(expr, look_at_name, &search);
    expr_each_source(expr, look_at_source, &search);
    if (search.found != NULL)
        jcheck_fail(&r->c,
                    "found \"%s\", expected nothing that is secret or read from outside of the "
                    "plan: the master judges, and does not have it",
                    search.found);
}

char *plan_read_condition(struct plan_reader *r, json_t *object, const char *key, bool is_shared)
{
    struct jcheck_place back;
    json_t *value = plan_enter(r, object, key, &back);
    struct tmpl_error error;
    struct expr *expr;

    if (value == NULL)
        return NULL;
    char *text = plan_text(r, value);
    if (text != NULL && is_blank(text)) {
        free(text);
        text = NULL;
    }
    if (text != NULL && expr_compile(text, strlen(text), &expr, &error) < 0) {
        complain(r, &error, false);
    } else if (text != NULL) {
        if (r->source != NULL)
            expr_each_source(expr, take_read, r);
        if (r->source != NULL && is_shared)
            check_is_shared(r, expr);
        expr_free(expr);
    }
    jcheck_leave(&r->c, back);
    return text;
}

static void read_hash(struct plan_reader *r, const char *text, char ret_hash[65])
{
    uint8_t digest[32];

    if (str_unhex(text, sizeof digest, digest) < 0)
        plan_wrong(r, text, "the file's SHA-256 in 64 hex digits");
    else
        str_hex(digest, sizeof digest, ret_hash);
}

void plan_read_file(struct plan_reader *r, json_t *object, const char *key, enum plan_use use,
                    const char *password, char ret_hash[65], char **ret_path)
{
    struct jcheck_place back;
    json_t *value = plan_enter(r, object, key, &back);
    struct plan_content content;

    if (value == NULL)
        return;
    char *text = plan_setup(r, value, false);
    if (text != NULL && r->source == NULL)
        read_hash(r, text, ret_hash);
    else if (text != NULL && *text == '\0')
        jcheck_fail(&r->c, "found an empty path, expected that of a file");
    else if (text != NULL &&
             r->source->file(r->source->arg, &r->c, use, text, password, &content) == 0)
        memcpy(ret_hash, content.sha256, sizeof content.sha256);
    jcheck_leave(&r->c, back);
    if (ret_path != NULL)
        *ret_path = text;
    else
        free(text);
}
