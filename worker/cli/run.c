#include "worker/cli/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/result.h"
#include "common/str.h"
#include "worker/cli/local.h"
#include "worker/cli/plan_build.h"
#include "worker/cli/plan_file.h"
#include "worker/cli/plan_files.h"
#include "worker/cli/remote.h"
#include "worker/cli/screen.h"

static int run(const struct options *o, const struct plan_build *b)
{
    return o->value[OPTIONS_LOCAL].flag ? local_test(o, b) : remote_test(o, b);
}

// NAME.yaml in the working directory; a file of that name that says something else is left alone.
static int save(const struct plan_build *b)
{
    char *path = xasprintf("%s.yaml", b->plan->name);
    struct diag d = {.file = path};
    struct plan_file there;

    int r = plan_file_read(path, &d, &there);
    if (r == -ENOENT) {
        r = plan_file_write(path, true, b->source);
        if (r < 0)
            screen_error("%s: %s", path, strerror(-r));
        else
            screen_error("saved as %s; run it by: lps run \"%s\"", path, path);
    } else if (r == 0 && json_equal(there.json, b->source)) {
        screen_error("%s says the same already", path);
    } else {
        r = -EEXIST;
        screen_error("%s is another plan, expected a name of its own: --name NAME", path);
    }
    plan_file_done(&there);
    diag_done(&d);
    free(path);
    return r;
}

int run_inline(const struct options *o)
{
    struct diag d = {0};
    struct plan_build b;
    int code = RESULT_USAGE;

    if (plan_build(o, &d, &b) < 0)
        screen_diag(&d);
    else if (!o->value[OPTIONS_SAVE].flag || save(&b) == 0)
        code = run(o, &b);
    plan_build_done(&b);
    diag_done(&d);
    return code;
}

static int by_place(const void *a, const void *b)
{
    const struct diag_entry *x = a, *y = b;

    return x->line != y->line ? x->line - y->line : x->column - y->column;
}

// All that is wrong is told, files that cannot be read among it.
static int load(const char *path, struct plan_build *b)
{
    struct diag d = {.file = path};
    struct plan_file file;

    int r = plan_file_read(path, &d, &file);
    if (r == 0) {
        plan_files_take(file.json, file.text.data, file.text.len, file.places, &d, b);
        r = plan_parse_json(file.json, file.text.data, file.text.len, file.places, &d, &b->plan);
    }
    if (r < 0 && d.n == 0)
        screen_error("%s: %s", path, strerror(-r));
    qsort(d.entry, d.n < DIAG_MAX ? d.n : DIAG_MAX, sizeof(d.entry[0]), by_place);
    screen_diag(&d);
    if (d.n > 0)
        r = -EINVAL;
    plan_file_done(&file);
    diag_done(&d);
    return r;
}

int run_validate(const struct options *o)
{
    struct plan_build b = {0};

    int r = load(o->argument, &b);
    if (r == 0)
        screen_print("%s: valid: plan \"%s\", rounds: %zu, iterations: %u, files: %zu\n",
                     o->argument, b.plan->name, b.plan->n_rounds, plan_n_series(b.plan), b.n_files);
    plan_build_done(&b);
    return r == 0 ? RESULT_PASSED : RESULT_USAGE;
}

static bool is_selected(const struct options *o, const char *name)
{
    const struct options_value *wanted = &o->value[OPTIONS_RUN_ROUND];

    for (size_t i = 0; i < wanted->n; i++)
        if (strcasecmp(wanted->text[i], name) == 0)
            return true;
    return wanted->n == 0;
}

static void say_missing(const char *wanted, const struct plan *plan)
{
    const char **names = xcalloc(plan->n_rounds, sizeof(*names));
    bool found = false;

    for (size_t i = 0; i < plan->n_rounds; i++) {
        names[i] = plan->rounds[i].name;
        found = found || strcasecmp(names[i], wanted) == 0;
    }
    const char *nearest = str_nearest(wanted, names, plan->n_rounds);
    if (!found)
        screen_error("warning: no round is named \"%s\"%s%s%s", wanted,
                     nearest ? ", did you mean \"" : "", nearest ? nearest : "",
                     nearest ? "\"?" : "");
    free(names);
}

// Leaves the rounds that the options name, and the files of those. How many are left.
static size_t select_rounds(const struct options *o, struct plan_build *b)
{
    struct plan *whole = b->plan;
    char *text = plan_format(whole);
    json_t *json = json_loads(text, 0, NULL);
    struct diag d = {0};
    size_t n = 0;

    for (size_t i = 0; i < o->value[OPTIONS_RUN_ROUND].n; i++)
        say_missing(o->value[OPTIONS_RUN_ROUND].text[i], whole);
    for (size_t i = 0; i < whole->n_rounds; i++) {
        if (is_selected(o, whole->rounds[i].name))
            n++;
        else
            json_array_remove(json_object_get(json, "rounds"), n);
    }
    if (n > 0 && n < whole->n_rounds && plan_parse_json(json, "", 0, NULL, &d, &b->plan) == 0) {
        plan_free(whole);
        plan_files_drop_unused(b);
    }
    diag_done(&d);
    json_decref(json);
    free(text);
    return n;
}

int run_file(const struct options *o)
{
    struct plan_build b = {0};
    int code = RESULT_USAGE;

    if (load(o->argument, &b) == 0) {
        if (select_rounds(o, &b) > 0) {
            code = run(o, &b);
        } else {
            screen_error("no rounds to execute");
            code = RESULT_PASSED;
        }
    }
    plan_build_done(&b);
    return code;
}
