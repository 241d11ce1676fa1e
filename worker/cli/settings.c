#include "worker/cli/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/conf.h"
#include "common/conf_table.h"
#include "common/result.h"
#include "common/str.h"
#include "worker/cli/screen.h"

// Who reads a section.
#define MASTER "lps-masterd"
#define WORKER "lps-workerd"

static const struct {
    const char *section, *daemons;
} sections[OPTIONS_COMMAND__COUNT] = {
    [OPTIONS_CLUSTER] = {"Cluster", MASTER " " WORKER},
    [OPTIONS_LOGGER] = {"FileLogger", MASTER " " WORKER},
    [OPTIONS_HTTPCLIENT] = {"HttpClient", WORKER},
    [OPTIONS_WATCHDOG] = {"Watchdog", WORKER},
    [OPTIONS_DASHBOARD] = {"Dashboard", MASTER},
    [OPTIONS_INFLUXDB] = {"InfluxDB", MASTER},
};

static const struct {
    enum options_id option;
    const char *key;
} editable[] = {
    {OPTIONS_MASTER_NODE_IP, "MasterNodeIP"},
    {OPTIONS_GRPC_PORT, "GRPCPort"},
    {OPTIONS_EXPECTED_WORKERS, "ExpectedNumberOfWorkers"},
    {OPTIONS_MASTER_IS_WORKER, "MasterNodeIsWorker"},
    {OPTIONS_LOG_FILE_PATH, "LogFilePath"},
    {OPTIONS_DISABLE_FILE_LOGGING, "DisableFileLogging"},
    {OPTIONS_ENABLE_CONSOLE_LOGGING, "EnableConsoleLogging"},
    {OPTIONS_DISABLE_CONSOLE_ERRORS, "DisableConsoleErrorLogging"},
    {OPTIONS_LOGGING_LEVEL, "LoggingLevel"},
    {OPTIONS_CONSOLE_LEVEL, "ConsoleLoggingLevel"},
    {OPTIONS_MAX_CONNECTIONS, "MaxConnectionsPerServer"},
    {OPTIONS_POOL_LIFETIME, "PooledConnectionLifeTimeInSeconds"},
    {OPTIONS_POOL_IDLE, "PooledConnectionIdleTimeoutInSeconds"},
    {OPTIONS_CLIENT_TIMEOUT, "ClientTimeoutInSeconds"},
    {OPTIONS_HEADER_VALIDATION, "HeaderValidationMode"},
    {OPTIONS_HOST_OVERRIDE, "AllowHostOverride"},
    {OPTIONS_SERVER_TIME_HEADER, "ServerTimeHeader"},
    {OPTIONS_SERVER_TIME_FORMAT, "ServerTimeFormat"},
    {OPTIONS_MAX_MEMORY, "MaxMemoryMB"},
    {OPTIONS_COOL_MEMORY, "CoolDownMemoryMB"},
    {OPTIONS_MAX_CPU, "MaxCPUPercentage"},
    {OPTIONS_COOL_CPU, "CoolDownCPUPercentage"},
    {OPTIONS_MAX_HOST_CONNECTIONS, "MaxConcurrentConnectionsCountPerHostName"},
    {OPTIONS_COOL_HOST_CONNECTIONS, "CoolDownConcurrentConnectionsCountPerHostName"},
    {OPTIONS_COOL_RETRY, "CoolDownRetryTimeInMs"},
    {OPTIONS_MAX_COOLING, "MaxCoolingPeriod"},
    {OPTIONS_RESUME_COOLING, "ResumeCoolingAfter"},
    {OPTIONS_SUSPENSION_MODE, "SuspensionMode"},
    {OPTIONS_DASHBOARD_ENABLED, "BuiltInDashboard"},
    {OPTIONS_DASHBOARD_PORT, "Port"},
    {OPTIONS_REFRESH_RATE, "RefreshRate"},
    {OPTIONS_INFLUX_ENABLED, "Enabled"},
    {OPTIONS_INFLUX_URL, "Url"},
    {OPTIONS_INFLUX_TOKEN, "Token"},
    {OPTIONS_INFLUX_ORGANIZATION, "Organization"},
    {OPTIONS_INFLUX_BUCKET, "Bucket"},
};

#define N_EDITABLE (sizeof(editable) / sizeof(editable[0]))

static int say_failure(const char *path, int error, const struct diag *d)
{
    if (d->n > 0)
        screen_diag(d);
    else
        screen_error("%s: %s%s", path, strerror(-error), error == -EACCES ? " (try sudo)" : "");
    return RESULT_USAGE;
}

// Borrowed from o.
static const char *value_text(const struct options *o, enum options_id id)
{
    if (options_row(id)->kind == OPTIONS_FLAG)
        return o->value[id].flag ? "true" : "false";
    return options_text(o, id, "");
}

static void say_how_to_apply(const char *path, const char *daemons, bool reloadable, bool ignored)
{
    if (ignored)
        screen_print("%s: changed. No daemon looks at these settings yet.\n", path);
    else
        screen_print("%s: changed. To take it up: sudo systemctl %s %s\n", path,
                     reloadable ? "reload" : "restart", daemons);
}

// 1: changed; 0: no option asks for a change; -errno.
static int edit(const struct options *o, const char *path, struct diag *d)
{
    const char *section = sections[o->command].section;
    const char *keys[N_EDITABLE], *values[N_EDITABLE];
    bool reloadable = true, ignored = true;
    size_t n = 0;

    for (size_t i = 0; i < N_EDITABLE; i++) {
        if (!options_given(o, editable[i].option))
            continue;
        const struct conf_row *row = conf_row_find(section, editable[i].key);
        if (row->offset != CONF_IGNORED) {
            ignored = false;
            reloadable = reloadable && row->reloadable;
        }
        keys[n] = xasprintf("%s.%s", section, editable[i].key);
        values[n++] = value_text(o, editable[i].option);
    }
    int r = n == 0 ? 0 : conf_edit(path, keys, values, n, d);
    for (size_t i = 0; i < n; i++)
        free((void *)keys[i]);
    if (n == 0 || r < 0)
        return r;
    say_how_to_apply(path, sections[o->command].daemons, reloadable, ignored);
    return 1;
}

static void put_value(struct buf *out, const char *key, const json_t *value)
{
    char *text = json_is_string(value) ? xstrdup(json_string_value(value))
                                       : json_dumps(value, JSON_ENCODE_ANY);

    buf_printf(out, "%-24s %s\n", key, text != NULL ? text : "-");
    free(text);
}

// The members of the file's section, under whatever name it has there. Borrowed from root.
static const json_t *section_of(json_t *root, const char *section)
{
    json_t *inner = json_object_get(root, CONF_ROOT), *value;
    const char *name;

    json_object_foreach(inner != NULL ? inner : root, name, value)
    {
        const char *canonical = conf_section_find(name);
        if (canonical != NULL && strcmp(canonical, section) == 0)
            return value;
    }
    return NULL;
}

// What the file says and nobody looks at. A file that cannot be read was told before.
static void put_ignored(struct buf *out, const char *path, const char *section)
{
    json_t *root = json_load_file(path, 0, NULL);
    const json_t *members = section_of(root, section), *value;
    const struct conf_row *row;

    for (size_t i = 0; (row = conf_row_at(i)) != NULL; i++) {
        if (row->offset != CONF_IGNORED || strcmp(row->section, section) != 0)
            continue;
        if ((value = json_object_get(members, row->name)) == NULL)
            continue;
        json_t *secret = strcmp(row->name, "Token") == 0 ? json_string("(set)") : NULL;
        put_value(out, row->name, secret != NULL ? secret : value);
        json_decref(secret);
        out->len--;
        buf_puts(out, "  (no effect yet)\n");
    }
    json_decref(root);
}

// What holds, defaults among it; then what is in the file without effect.
static void show(const struct conf *conf, const char *path, const char *section)
{
    char *text = conf_format(conf);
    json_t *json = json_loads(text, 0, NULL);
    struct buf out = {0};
    struct conf_key row;

    for (size_t i = 0; conf_key_at(i, &row); i++)
        if (strcmp(row.section, section) == 0)
            put_value(&out, row.name, json_object_get(json_object_get(json, section), row.name));
    put_ignored(&out, path, section);
    screen_print("%s", out.data != NULL ? out.data : "nothing is set\n");
    buf_done(&out);
    json_decref(json);
    free(text);
}

int settings_command(const struct options *o)
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
            show(conf, path, sections[o->command].section);
    }
    if (r < 0)
        code = say_failure(path, r, &d);
    conf_free(conf);
    diag_done(&d);
    return code;
}
