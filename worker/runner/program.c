#include "worker/runner/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/plan_variables.h"
#include "worker/runner/program_impl.h"

#define SECRET_MIN 4 // bytes; what is shorter would make any text unreadable
// Bytes of a secret that are one already: a warning may have been cut within it.
#define SECRET_BEGIN 8

const struct request_file *program_file(const struct program *p, const char *sha256)
{
    for (size_t i = 0; i < p->config.n_files; i++)
        if (strcmp(p->config.files[i].sha256, sha256) == 0)
            return &p->config.files[i];
    return NULL;
}

static const char *read_source(void *arg, bool is_env, const char *name, size_t *ret_len)
{
    const struct program *p = arg;
    const struct plan *plan = p->config.plan;

    for (size_t i = 0; i < plan->n_reads; i++) {
        const struct plan_read *read = &plan->reads[i];
        if (read->is_env != is_env || strcmp(read->name, name) != 0)
            continue;
        const struct request_file *file = program_file(p, read->file);
        *ret_len = file != NULL ? file->len : 0;
        return file == NULL ? NULL : file->len > 0 ? file->content : "";
    }
    return NULL;
}

// How much of the text is (the begin of) a secret.
static size_t secret_at(const struct program *p, const char *text)
{
    size_t longest = 0;

    for (size_t i = 0; i < p->n_secrets; i++) {
        const struct program_secret *secret = &p->secrets[i];
        size_t n = 0;
        while (n < secret->len && text[n] == secret->text[n])
            n++;
        if ((n == secret->len || n >= SECRET_BEGIN) && n > longest)
            longest = n;
    }
    return longest;
}

char *program_mask(const struct program *p, const char *text)
{
    struct buf out = {0};

    while (*text != '\0') {
        size_t n = secret_at(p, text);
        if (n > 0)
            buf_puts(&out, "***");
        else
            buf_append(&out, text, 1);
        text += n > 0 ? n : 1;
    }
    return buf_take(&out);
}

void program_warn(const struct program *p, const char *text)
{
    if (p->config.warn == NULL)
        return;
    char *masked = program_mask(p, text);
    p->config.warn(p->config.arg, masked);
    free(masked);
}

static void on_warning(void *arg, const char *text)
{
    program_warn(arg, text);
}

void program_env(const struct program *p, struct script_env *ret_env)
{
    *ret_env = (struct script_env){.globals = p->globals,
                                   .unix_ms = clock_wall_ms(),
                                   .part = p->config.part,
                                   .n_parts = p->config.n_parts > 0 ? p->config.n_parts : 1,
                                   .read = read_source,
                                   .warn = on_warning,
                                   .arg = (void *)(uintptr_t)p};
}

static void add_secret(struct program *p, const char *text, size_t len)
{
    if (text == NULL || len < SECRET_MIN)
        return;
    p->secrets = xreallocarray(p->secrets, p->n_secrets + 1, sizeof *p->secrets);
    p->secrets[p->n_secrets++] = (struct program_secret){xstrndup(text, len), len};
}

// Once what is known of them is folded.
static void find_secrets_of_series(struct program *p, const struct program_series *s)
{
    const struct plan_iteration *it = s->iteration;
    size_t len;

    if (it->certificate_password != NULL)
        add_secret(p, it->certificate_password, strlen(it->certificate_password));
    for (size_t i = 0; i < it->n_headers; i++) {
        const struct tmpl *t = s->pieces[PROGRAM_FIELDS + i];
        if (!plan_is_secret_header(it->headers[i].name) || !tmpl_is_constant(t))
            continue;
        const char *value = tmpl_text(t, &len);
        const char *blank = memchr(value, ' ', len);
        add_secret(p, value, len);
        if (blank != NULL) // the credentials, without their scheme
            add_secret(p, blank + 1, len - (size_t)(blank + 1 - value));
    }
}

// Before a variable is set, another may warn of it: what the plan says is known from the start.
static void find_secrets_of_variables(struct program *p, bool are_set)
{
    const struct plan *plan = p->config.plan;

    for (size_t i = 0; i < plan->n_variables; i++) {
        const struct plan_variable *v = &plan->variables[i];
        struct value value = {0};
        if (!v->is_secret)
            continue;
        if (!are_set && v->value != NULL)
            add_secret(p, v->value, strlen(v->value));
        if (are_set && globals_get(p->globals, v->name, &value))
            add_secret(p, value.text, value.len);
        value_done(&value);
    }
}

// Names that something stores to.
struct names {
    const char **names;
    size_t n;
    bool any; // one that nobody knows before
    bool reads_metrics;
};

static bool has_name(const struct names *stored, const char *name)
{
    for (size_t i = 0; i < stored->n; i++)
        if (strcmp(stored->names[i], name) == 0)
            return true;
    return false;
}

static void on_name(void *arg, const char *name, bool is_store, bool is_global)
{
    struct names *names = arg;

    (void)is_global; // one in a session hides the global one
    if (!is_store) {
        names->reads_metrics |= name == NULL || strcmp(name, "Metrics") == 0;
    } else if (name == NULL) {
        names->any = true;
    } else if (!has_name(names, name)) {
        names->names = xreallocarray(names->names, names->n + 1, sizeof *names->names);
        names->names[names->n++] = name;
    }
}

static void names_of_tmpl(struct tmpl *t, void *arg)
{
    tmpl_each_name(t, on_name, arg);
}

static void names_of_expr(struct expr *e, void *arg)
{
    expr_each_name(e, on_name, arg);
}

static void fold_tmpl(struct tmpl *t, void *arg)
{
    tmpl_fold(t, arg);
}

static void fold_expr(struct expr *e, void *arg)
{
    expr_fold(e, arg);
}

// Variables that stay as they are become part of what reads them.
static void fold(struct program *p)
{
    const struct plan *plan = p->config.plan;
    struct scope constants = {0};
    struct names stored = {0};

    for (uint32_t i = 0; i < p->n_series; i++) {
        program_each(&p->series[i], names_of_tmpl, names_of_expr, &stored);
        if (p->series[i].iteration->capture != NULL)
            on_name(&stored, p->series[i].iteration->capture->to, true, false);
    }
    p->reads_metrics = stored.reads_metrics;
    for (size_t i = 0; i < plan->n_variables && !stored.any; i++) {
        struct value value = {0};
        const char *name = plan->variables[i].name;
        if (!has_name(&stored, name) && globals_get(p->globals, name, &value))
            scope_put(&constants, name, &value);
        value_done(&value);
    }
    for (uint32_t i = 0; i < p->n_series; i++)
        program_each(&p->series[i], fold_tmpl, fold_expr, &constants);
    scope_done(&constants);
    free(stored.names);
}

// Equal on all workers: their variables are the same.
static int set_variables(struct program *p, char *why, size_t size)
{
    const struct plan *plan = p->config.plan;
    struct script_random random;
    struct script_env env;

    script_random_seed(&random, p->config.seed, UINT64_MAX);
    program_env(p, &env);
    env.random = &random;
    find_secrets_of_variables(p, false);
    int r = plan_variables_set(plan->variables, plan->n_variables, &env, why, size);
    find_secrets_of_variables(p, true);
    return r;
}

static int set_up(struct program *p, char *why, size_t size)
{
    const struct plan_round *round;
    const struct plan_iteration *it;
    int r = set_variables(p, why, size);

    for (uint32_t i = 0; i < p->n_series && r == 0; i++) {
        plan_series(p->config.plan, i, &round, &it);
        r = program_series_init(&p->series[i], p, it, why, size);
        p->series[i].save_directory = xasprintf("%s.%s.Resources", round->name, it->name);
    }
    if (r < 0)
        return r;
    fold(p);
    for (uint32_t i = 0; i < p->n_series; i++)
        find_secrets_of_series(p, &p->series[i]);
    for (uint32_t i = 0; i < p->n_series && r == 0; i++)
        r = program_series_settle(&p->series[i], p, why, size);
    return r;
}

int program_new(const struct program_config *config, struct program **ret_program, char *why,
                size_t size)
{
    struct program *p = xcalloc(1, sizeof *p);
    char problem[PROGRAM_WHY_SIZE];

    p->config = *config;
    p->globals = globals_new();
    p->n_series = plan_n_series(config->plan);
    p->series = xcalloc(p->n_series, sizeof *p->series);
    int r = set_up(p, problem, sizeof problem);
    if (r < 0) {
        char *masked = program_mask(p, problem);
        snprintf(why, size, "%s", masked);
        free(masked);
        program_free(p);
        return r;
    }
    *ret_program = p;
    return 0;
}

void program_free(struct program *p)
{
    if (p == NULL)
        return;
    for (uint32_t i = 0; i < p->n_series; i++)
        program_series_done(&p->series[i]);
    for (size_t i = 0; i < p->n_secrets; i++)
        free(p->secrets[i].text);
    globals_free(p->globals);
    free(p->series);
    free(p->secrets);
    free(p);
}

bool program_parts(const struct program *p, uint32_t series, struct request_parts *ret_parts)
{
    *ret_parts = p->series[series].parts;
    return p->series[series].is_constant;
}

bool program_needs_sessions(const struct program *p, uint32_t first, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!p->series[first + i].is_plain)
            return true;
    return false;
}

bool program_reads_metrics(const struct program *p)
{
    return p->reads_metrics;
}

void program_set_metrics(struct program *p, const char *json, size_t len)
{
    struct value value = {0};

    value_set(&value, VALUE_JSON, false, json, len);
    globals_put(p->globals, "Metrics", &value);
}
