#include "tests/unit/method_test_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *find_file(void *arg, bool is_env, const char *name, size_t *ret_len)
{
    const struct world *w = arg;

    for (size_t i = 0; i < w->n_files; i++) {
        const struct world_file *file = &w->files[i];
        if (file->is_env == is_env && strcmp(file->name, name) == 0) {
            *ret_len = file->len;
            return file->text;
        }
    }
    return NULL;
}

static void on_warning(void *arg, const char *text)
{
    struct world *w = arg;

    w->n_warnings++;
    buf_printf(&w->warnings, "%s\n", text);
}

int world_setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);

    script_random_seed(&w->random, 1, 1);
    w->env = (struct script_env){.session = &w->session,
                                 .globals = globals_new(),
                                 .random = &w->random,
                                 .unix_ms = WORLD_NOW_UNIX_MS,
                                 .n_parts = 1,
                                 .read = find_file,
                                 .warn = on_warning,
                                 .arg = w};
    *state = w;
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;

    scope_done(&w->session);
    globals_free(w->env.globals);
    buf_done(&w->out);
    buf_done(&w->warnings);
    free(w);
    return 0;
}

void world_put(struct world *w, const char *name, enum value_type type, const char *text)
{
    struct value v = {0};

    assert_int_equal(value_set(&v, type, false, text, strlen(text)), 0);
    assert_true(scope_put(&w->session, name, &v));
}

void world_file(struct world *w, bool is_env, const char *name, const char *text, size_t len)
{
    assert_true(w->n_files < WORLD_FILES_MAX);
    w->files[w->n_files++] = (struct world_file){is_env, name, text, len};
}

const char *world_render(struct world *w, const char *template)
{
    struct tmpl_error error;
    struct tmpl *t;

    if (tmpl_compile(template, strlen(template), &t, &error) < 0)
        fail_msg("%s: at %zu: %s", template, error.at, error.text);
    buf_done(&w->out);
    buf_done(&w->warnings);
    w->n_warnings = 0;
    tmpl_render(t, &w->env, &w->out);
    buf_append(&w->out, "", 0);
    buf_append(&w->warnings, "", 0);
    tmpl_free(t);
    return w->out.data;
}

static void gives_with(struct world *w, const char *template, const char *expected,
                       size_t n_warnings)
{
    if (strcmp(world_render(w, template), expected) != 0)
        fail_msg("%s: gives \"%s\", not \"%s\"; %s", template, w->out.data, expected,
                 w->warnings.data);
    if (w->n_warnings != n_warnings)
        fail_msg("%s: %zu warnings, not %zu: %s", template, w->n_warnings, n_warnings,
                 w->warnings.data);
}

void gives(struct world *w, const char *template, const char *expected)
{
    gives_with(w, template, expected, 0);
}

void warns(struct world *w, const char *template, const char *expected, const char *part)
{
    gives_with(w, template, expected, 1);
    if (strstr(w->warnings.data, part) == NULL)
        fail_msg("%s: \"%s\" is not in: %s", template, part, w->warnings.data);
}

void is_refused(const char *template, const char *part)
{
    struct tmpl_error error;
    struct tmpl *t;

    if (tmpl_compile(template, strlen(template), &t, &error) == 0)
        fail_msg("%s: compiles", template);
    if (strstr(error.text, part) == NULL)
        fail_msg("%s: \"%s\" is not in: %s", template, part, error.text);
}

void is_stored(struct world *w, bool is_global, const char *name, enum value_type type,
               const char *text)
{
    struct value global = {0};
    bool has_global = globals_get(w->env.globals, name, &global);
    const struct value *session = scope_find(&w->session, name);
    const struct value *v = is_global ? &global : session;

    if (has_global != is_global || (session != NULL) == is_global)
        fail_msg("%s: in globals: %d, in the session: %d", name, has_global, session != NULL);
    if (v->type != type || strcmp(v->text, text) != 0)
        fail_msg("%s: is %s \"%s\"", name, value_type_name(v->type, false), v->text);
    value_done(&global);
}
