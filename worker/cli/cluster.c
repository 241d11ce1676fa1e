#include "worker/cli/cluster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/conf.h"
#include "common/result.h"
#include "common/str.h"
#include "worker/cli/screen.h"

#define SECTION "Cluster"

static const struct {
    enum options_id option;
    const char *key;
} editable[] = {
    {OPTIONS_MASTER_NODE_IP, SECTION ".MasterNodeIP"},
    {OPTIONS_GRPC_PORT, SECTION ".GRPCPort"},
    {OPTIONS_EXPECTED_WORKERS, SECTION ".ExpectedNumberOfWorkers"},
    {OPTIONS_MASTER_IS_WORKER, SECTION ".MasterNodeIsWorker"},
};

#define N_EDITABLE (sizeof(editable) / sizeof(editable[0]))

static int say_failure(const char *path, int error, const struct diag *d)
{
    if (d->n > 0) {
        screen_diag(d);
        return RESULT_USAGE;
    }
    screen_error("%s: %s%s", path, strerror(-error), error == -EACCES ? " (try sudo)" : "");
    return RESULT_USAGE;
}

static bool is_reloadable(const char *key)
{
    struct conf_key row;
    size_t len = strlen(SECTION ".");

    for (size_t i = 0; conf_key_at(i, &row); i++)
        if (strcmp(row.section, SECTION) == 0 && strcmp(row.name, key + len) == 0)
            return row.reloadable;
    return false;
}

// Borrowed from o.
static const char *value_text(const struct options *o, enum options_id id)
{
    if (options_row(id)->kind == OPTIONS_FLAG)
        return o->value[id].flag ? "true" : "false";
    return options_text(o, id, "");
}

// 1: changed; 0: no option asks for a change; -errno.
static int edit(const struct options *o, const char *path, struct diag *d)
{
    const char *keys[N_EDITABLE], *values[N_EDITABLE];
    bool reloadable = true;
    size_t n = 0;

    for (size_t i = 0; i < N_EDITABLE; i++) {
        if (!options_given(o, editable[i].option))
            continue;
        keys[n] = editable[i].key;
        values[n++] = value_text(o, editable[i].option);
        reloadable = reloadable && is_reloadable(editable[i].key);
    }
    if (n == 0)
        return 0;
    int r = conf_edit(path, keys, values, n, d);
    if (r < 0)
        return r;
    screen_print("%s: changed. To take it up: sudo systemctl %s lps-masterd lps-workerd\n", path,
                 reloadable ? "reload" : "restart");
    return 1;
}

static void put_value(struct buf *out, const char *key, const json_t *value)
{
    char *text = json_is_string(value) ? xstrdup(json_string_value(value))
                                       : json_dumps(value, JSON_ENCODE_ANY);

    buf_printf(out, "%-24s %s\n", key, text != NULL ? text : "-");
    free(text);
}

static void show(const struct conf *conf)
{
    char *text = conf_format(conf);
    json_t *json = json_loads(text, 0, NULL);
    struct buf out = {0};
    struct conf_key row;

    for (size_t i = 0; conf_key_at(i, &row); i++)
        if (strcmp(row.section, SECTION) == 0)
            put_value(&out, row.name, json_object_get(json_object_get(json, SECTION), row.name));
    screen_print("%s", out.data != NULL ? out.data : "");
    buf_done(&out);
    json_decref(json);
    free(text);
}

int cluster_command(const struct options *o)
{
    const char *path = options_text(o, OPTIONS_CONFIG, CONF_PATH_DEFAULT);
    struct diag d = {.file = path};
    struct conf *conf = NULL;
    int code = RESULT_PASSED;

    int r = edit(o, path, &d);
    if (r == 0) {
        r = conf_load(path, &d, &conf);
        if (r == -ENOENT && !options_given(o, OPTIONS_CONFIG)) {
            screen_error("%s does not exist: these are the defaults", path);
            conf = conf_new();
            r = 0;
        }
        if (r == 0)
            show(conf);
    }
    if (r < 0)
        code = say_failure(path, r, &d);
    conf_free(conf);
    diag_done(&d);
    return code;
}
