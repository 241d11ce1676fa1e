#include "worker/cli/author.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/file.h"
#include "common/plan.h"
#include "common/result.h"
#include "common/str.h"
#include "worker/cli/har.h"
#include "worker/cli/plan_edit.h"
#include "worker/cli/plan_file.h"
#include "worker/cli/screen.h"

// What is in the file, or where it is missing or blank and may be made, an empty plan. Says what is
// wrong. 0 and a new reference, or -errno.
static int load(const char *path, bool make, bool *ret_yaml, json_t **ret_plan)
{
    struct diag d = {.file = path};
    struct plan_file file = {0};

    int r = plan_file_read(path, &d, &file);
    if (r == 0) {
        plan_file_keep_texts(&file);
        *ret_plan = make && json_is_null(file.json) ? json_object() : json_incref(file.json);
    } else if (make && r == -ENOENT) {
        *ret_plan = json_object();
        r = 0;
    } else if (d.n == 0) {
        screen_error("%s: %s", path, strerror(-r));
    }
    *ret_yaml = file.is_yaml;
    screen_diag(&d);
    plan_file_done(&file);
    diag_done(&d);
    return r;
}

static int store(const char *path, bool yaml, const json_t *plan)
{
    int r = plan_file_write(path, yaml, plan);

    if (r < 0)
        screen_error("%s: %s", path, strerror(-r));
    return r;
}

int author_edit(const struct options *o)
{
    bool make = plan_edit_makes_plan(o->command), yaml;
    const char *path = o->argument;
    struct diag d = {.file = path};
    json_t *plan = NULL;
    int code = RESULT_USAGE;

    if (load(path, make, &yaml, &plan) < 0)
        return code;
    if (o->command == OPTIONS_ROUND && json_object_size(plan) == 0)
        json_object_set_new(plan, "name", json_string("Default"));
    if (plan_edit(o, plan, &d) < 0) {
        screen_diag(&d);
    } else if (store(path, yaml, plan) == 0) {
        screen_print("%s: written\n", path);
        code = RESULT_PASSED;
    }
    json_decref(plan);
    diag_done(&d);
    return code;
}

// The name of the file without directory and ending, as a plan may be called; the caller frees.
static char *plan_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = xstrdup(slash != NULL ? slash + 1 : path);
    char *dot = strrchr(name, '.');

    if (dot != NULL && dot != name)
        *dot = '\0';
    for (char *p = name; *p != '\0'; p++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _.-", *p) ==
            NULL)
            *p = '_';
    if (strlen(name) > PLAN_NAME_MAX)
        name[PLAN_NAME_MAX] = '\0';
    return name;
}

static struct har_list list_of(const struct options *o, enum options_id id)
{
    return (struct har_list){o->value[id].text, o->value[id].n};
}

static struct har_options har_options_of(const struct options *o, const char *name)
{
    const struct options_value *v = o->value;

    return (struct har_options){
        .plan_name = options_text(o, OPTIONS_RECORD_NAME, name),
        .round = options_text(o, OPTIONS_RECORD_ROUND, NULL),
        .n_clients = v[OPTIONS_RECORD_CLIENTS].count,
        .arrival_delay_ms = options_given(o, OPTIONS_RECORD_ARRIVAL_DELAY)
                                ? &v[OPTIONS_RECORD_ARRIVAL_DELAY].count
                                : NULL,
        .run_in_parallel = v[OPTIONS_RECORD_PARALLEL].flag,
        .request_count = v[OPTIONS_RECORD_REQUESTS].count,
        .duration_s = v[OPTIONS_RECORD_DURATION].count,
        .think_time = v[OPTIONS_THINK_TIME].flag,
        .max_think_ms = v[OPTIONS_MAX_THINK_TIME].count,
        .minimal_headers = v[OPTIONS_MINIMAL_HEADERS].flag,
        .only_hosts = list_of(o, OPTIONS_ONLY_HOST),
        .ignore_hosts = list_of(o, OPTIONS_IGNORE_HOST),
        .ignore_paths = list_of(o, OPTIONS_IGNORE_PATH),
        .ignore_methods = list_of(o, OPTIONS_IGNORE_METHOD),
        .ignore_types = list_of(o, OPTIONS_IGNORE_TYPE),
        .ignore_extensions = list_of(o, OPTIONS_IGNORE_EXTENSION),
        .ignore_content_types = list_of(o, OPTIONS_IGNORE_CONTENT),
        .ignore_headers = list_of(o, OPTIONS_IGNORE_HEADER),
    };
}

static int read_har(const char *path, const struct har_options *ho, struct har *ret_har)
{
    struct diag d = {.file = path};
    struct buf text = {0};

    int r = file_read(path, 0, HAR_BYTES_MAX, &text);
    buf_reserve(&text, 0);
    if (r == -EFBIG)
        r = diag_add(&d, 0, 0, "found more than %d MiB", HAR_BYTES_MAX / (1024 * 1024));
    if (r == 0)
        r = har_read(text.data, text.len, ho, &d, ret_har);
    if (r < 0 && d.n == 0)
        screen_error("%s: %s", path, strerror(-r));
    screen_diag(&d);
    diag_done(&d);
    buf_done(&text);
    return r;
}

static void say_left_out(const struct har *h)
{
    struct buf out = {0};

    for (enum har_rule rule = HAR_RULE_UNDEFINED + 1; rule < HAR_RULE__COUNT; rule++)
        if (h->n_left_out[rule] > 0)
            buf_printf(&out, "%s%s: %zu", out.len > 0 ? ", " : "", har_rule_name[rule],
                       h->n_left_out[rule]);
    screen_print("kept %zu of %zu requests%s%s\n", json_array_size(h->iterations), h->n_entries,
                 out.len > 0 ? "; left out: " : "", out.len > 0 ? out.data : "");
    buf_done(&out);
}

static void say_missing(const struct har *h, const char *path)
{
    json_t *file;
    size_t i;

    if (h->n_lost_bodies > 0)
        screen_error("warning: binary bodies that a plan cannot hold are left out: %zu",
                     h->n_lost_bodies);
    json_array_foreach(h->files, i, file)
        screen_error("warning: %s was not recorded, the plan needs it", json_string_value(file));
    if (h->n_lost_secrets > 0)
        screen_error("warning: there are more than %d different credentials; headers left out: %zu",
                     HAR_SECRETS_MAX, h->n_lost_secrets);
    if (json_array_size(h->variables) > 0)
        screen_error("warning: %s holds credentials of the recording, in variables that no run "
                     "shows: %zu; keep it to yourself",
                     path, json_array_size(h->variables));
}

// Into the plan that is there, or a new one. 0 and a new reference.
static int join(const struct options *o, const struct har_options *ho, const struct har *h,
                const char *path, bool *ret_yaml, json_t **ret_plan)
{
    bool update = o->value[OPTIONS_UPDATE].flag, append = o->value[OPTIONS_APPEND].flag;
    struct diag d = {.file = path};
    struct har_joined joined = {0};
    json_t *plan = NULL;
    int r;

    if (update || append) {
        r = load(path, true, ret_yaml, &plan);
    } else {
        r = plan_file_is_yaml(path, &d, ret_yaml);
        screen_diag(&d);
    }
    diag_done(&d);
    if (r < 0)
        return r;
    if (plan == NULL || json_object_size(plan) == 0) {
        json_decref(plan);
        *ret_plan = har_create(h, ho);
        return 0;
    }
    r = update ? har_update(h, ho, plan, &joined) : har_append(h, ho, plan, &joined);
    if (r < 0) {
        screen_error("%s: found no plan, left as it is", path);
        json_decref(plan);
        return r;
    }
    if (joined.shape_ignored)
        screen_error("warning: the round is there already and keeps its clients and delays");
    screen_print("added: %zu, renewed: %zu, repeated: %zu\n", joined.n_added, joined.n_updated,
                 joined.n_repeated);
    *ret_plan = plan;
    return 0;
}

int author_record(const struct options *o)
{
    const char *path = o->argument != NULL ? o->argument : "RecordedPlan.yaml";
    char *name = plan_name(path);
    struct har_options ho = har_options_of(o, name);
    struct har h = {0};
    json_t *plan = NULL;
    bool yaml = true;
    int code = RESULT_USAGE;

    if (read_har(options_text(o, OPTIONS_HAR, ""), &ho, &h) < 0)
        goto out;
    say_left_out(&h);
    if (json_array_size(h.iterations) == 0) {
        screen_error("nothing is left, so %s is not written", path);
    } else if (join(o, &ho, &h, path, &yaml, &plan) == 0 && store(path, yaml, plan) == 0) {
        say_missing(&h, path);
        screen_print("%s: written; run it by: lps run \"%s\"\n", path, path);
        code = RESULT_PASSED;
    }
    json_decref(plan);
out:
    har_done(&h);
    free(name);
    return code;
}
