#include "worker/cli/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/result.h"
#include "common/str.h"
#include "worker/cli/local.h"
#include "worker/cli/plan_build.h"
#include "worker/cli/plan_file.h"
#include "worker/cli/plan_files.h"
#include "worker/cli/remote.h"
#include "worker/cli/screen.h"
#include "worker/cli/warm.h"

static int run(const struct options *o, const struct plan_build *b)
{
    warm_up(b->plan);
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
    struct diag d = {0}, warnings = {0};
    struct plan_build b;
    int code = RESULT_USAGE;

    int r = plan_build(o, &warnings, &d, &b);
    screen_warnings(&warnings);
    screen_diag(&d);
    if (r == 0 && (!o->value[OPTIONS_SAVE].flag || save(&b) == 0))
        code = run(o, &b);
    plan_build_done(&b);
    diag_done(&warnings);
    diag_done(&d);
    return code;
}

static int by_place(const void *a, const void *b)
{
    const struct diag_entry *x = a, *y = b;

    return x->line != y->line ? x->line - y->line : x->column - y->column;
}

static void sort(struct diag *d)
{
    qsort(d->entry, d->n < DIAG_MAX ? d->n : DIAG_MAX, sizeof(d->entry[0]), by_place);
}

// The rounds that the options select. All that is wrong is told.
static int load(const struct options *o, struct plan_build *b)
{
    const char *path = o->argument;
    struct diag d = {.file = path}, warnings = {.file = path};
    struct plan_file file;

    int r = plan_file_read(path, &d, &file);
    if (r == 0)
        r = plan_files_parse(&file, o, &warnings, &d, b);
    if (r < 0 && d.n == 0)
        screen_error("%s: %s", path, strerror(-r));
    sort(&warnings);
    screen_warnings(&warnings);
    sort(&d);
    screen_diag(&d);
    plan_file_done(&file);
    diag_done(&warnings);
    diag_done(&d);
    return r;
}

int run_validate(const struct options *o)
{
    struct plan_build b = {0};

    int r = load(o, &b);
    size_t n_files = 0;
    for (size_t i = 0; i < b.n_files; i++)
        n_files += b.files[i].path != NULL;
    if (r == 0)
        screen_print("%s: valid: plan \"%s\", rounds: %zu, iterations: %u, files: %zu\n",
                     o->argument, b.plan->name, b.plan->n_rounds, plan_n_series(b.plan), n_files);
    plan_build_done(&b);
    return r == 0 ? RESULT_PASSED : RESULT_USAGE;
}

int run_file(const struct options *o)
{
    struct plan_build b = {0};
    int code = RESULT_USAGE;

    if (load(o, &b) == 0)
        code = run(o, &b);
    plan_build_done(&b);
    return code;
}
