#include "common/conf.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

#include "common/conf_table.h"
#include "common/conf_text.h"
#include "common/jcheck.h"
#include "common/jtext.h"
#include "common/str.h"

#define KEYS_MAX 64 // rows of the table

static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR, LOG_CRIT}; // of a level

// One walk through the file's settings.
struct reader {
    struct jcheck c;
    struct conf *conf;
    bool seen[KEYS_MAX]; // by row
};

static void *field(struct conf *conf, const struct conf_row *row)
{
    return (char *)conf + row->offset;
}

// --- Values ---

static int fail_type(struct jcheck *c, const json_t *json, const char *expected)
{
    char quote[JTEXT_QUOTE_SIZE];

    return jcheck_fail(c, "found %s, expected %s", jtext_quote(json, quote, sizeof quote),
                       expected);
}

static bool is_path(const char *text)
{
    return text[0] == '/';
}

static bool is_text(enum conf_type type)
{
    return type >= CONF_TEXT && type <= CONF_HEADER_OR_NULL;
}

static bool is_nullable(enum conf_type type)
{
    return type >= CONF_TEXT_OR_NULL && type <= CONF_HEADER_OR_NULL;
}

// What a text of this type looks like; NULL: like any.
static bool (*const looks_right[CONF_TYPE__COUNT])(const char *text) = {
    [CONF_HOST] = conf_text_is_host,
    [CONF_NODE] = conf_is_node_name,
    [CONF_PATH_OR_NULL] = is_path,
    [CONF_PROXY_OR_NULL] = conf_text_is_proxy,
    [CONF_NO_PROXY_OR_NULL] = conf_text_is_no_proxy,
    [CONF_ADDRESSES_OR_NULL] = conf_text_is_addresses,
    [CONF_HEADER_OR_NULL] = conf_text_is_header,
};

static int read_text(struct jcheck *c, const struct conf_row *row, const json_t *json,
                     struct conf *conf)
{
    const char *text;

    if (is_nullable(row->type) && json_is_null(json))
        return 0;
    int r = jcheck_text(c, json, &text);
    if (r < 0)
        return r;
    if (looks_right[row->type] != NULL && !looks_right[row->type](text))
        return fail_type(c, json, row->range);
    if (row->offset == CONF_IGNORED)
        return 0;
    char **into = field(conf, row);
    free(*into);
    *into = xstrdup(text);
    return 0;
}

// By its word, whatever its letter case, or by its index.
static int read_word(struct jcheck *c, const struct conf_row *row, const json_t *json, int *ret)
{
    struct buf expected = {0};
    size_t n = 0, found = SIZE_MAX;

    for (; row->words[n] != NULL; n++) {
        buf_printf(&expected, "%s\"%s\"", n > 0 ? ", " : "", row->words[n]);
        if ((json_is_string(json) && strcasecmp(json_string_value(json), row->words[n]) == 0) ||
            (json_is_integer(json) && json_integer_value(json) == (json_int_t)n))
            found = n;
    }
    buf_printf(&expected, " or 0 to %zu", n - 1);
    int r = found == SIZE_MAX ? fail_type(c, json, expected.data) : 0;
    buf_done(&expected);
    if (r == 0)
        *ret = (int)found;
    return r;
}

static int read_seconds(struct jcheck *c, const struct conf_row *row, const json_t *json,
                        uint64_t *ret_ms)
{
    double ms = json_number_value(json) * 1000, tiny = 1e-6;

    if (!json_is_number(json) || ms < (double)row->min - tiny || ms > (double)row->max + tiny) {
        char *expected = xasprintf("%s seconds", row->range);
        int r = fail_type(c, json, expected);
        free(expected);
        return r;
    }
    *ret_ms = ms > 0 && ms < 1 ? 1 : (uint64_t)(ms + 0.5); // 0 may stand for no limit
    return 0;
}

static int read_value(struct jcheck *c, const struct conf_row *row, const json_t *json,
                      struct conf *conf)
{
    bool stored = row->offset != CONF_IGNORED;
    bool flag = false;
    uint64_t number = 0;
    int word = 0, r = -EINVAL;

    switch (row->type) {
    case CONF_TEXT:
    case CONF_HOST:
    case CONF_NODE:
    case CONF_TEXT_OR_NULL:
    case CONF_PATH_OR_NULL:
    case CONF_PROXY_OR_NULL:
    case CONF_NO_PROXY_OR_NULL:
    case CONF_ADDRESSES_OR_NULL:
    case CONF_HEADER_OR_NULL:
        return read_text(c, row, json, conf);
    case CONF_BOOL:
        r = jcheck_bool(c, json, &flag);
        if (r == 0 && stored)
            *(bool *)field(conf, row) = flag;
        return r;
    case CONF_COUNT:
        r = jcheck_u64(c, json, row->min, row->max, &number);
        break;
    case CONF_SECONDS:
        r = read_seconds(c, row, json, &number);
        break;
    case CONF_LEVEL:
    case CONF_CHOICE:
        r = read_word(c, row, json, &word);
        if (r == 0 && stored)
            *(int *)field(conf, row) = row->type == CONF_LEVEL ? priorities[word] : word;
        return r;
    case CONF_TYPE_UNDEFINED:
    case CONF_TYPE__COUNT:
        assert(!"a row without a type");
    }
    if (r == 0 && stored)
        *(uint64_t *)field(conf, row) = number;
    return r;
}

static json_t *format_value(const struct conf_row *row, const struct conf *conf)
{
    const void *value = (const char *)conf + row->offset;
    uint64_t ms;
    size_t level = 0;

    switch (row->type) {
    case CONF_BOOL:
        return json_boolean(*(const bool *)value);
    case CONF_COUNT:
        return json_integer((json_int_t) * (const uint64_t *)value);
    case CONF_SECONDS:
        ms = *(const uint64_t *)value;
        return ms % 1000 == 0 ? json_integer((json_int_t)(ms / 1000))
                              : json_real((double)ms / 1000);
    case CONF_LEVEL:
        while (priorities[level] != *(const int *)value)
            level++;
        return json_string(row->words[level]);
    case CONF_CHOICE:
        return json_string(row->words[*(const int *)value]);
    default:
        return json_string(*(char *const *)value); // NULL: not given
    }
}

// --- The file ---

static int unknown_key(struct jcheck *c, const char *section, const char *key)
{
    const char *known[KEYS_MAX];
    const struct conf_row *row;
    size_t n = 0;

    for (size_t i = 0; (row = conf_row_at(i)) != NULL; i++)
        if (strcmp(row->section, section) == 0)
            known[n++] = row->name;
    return jcheck_unknown(c, key, known, n);
}

static int unknown_section(struct jcheck *c, const char *name, bool may_be_root)
{
    const char *known[KEYS_MAX + 1];
    const struct conf_row *row;
    size_t n = 0;

    for (size_t i = 0; (row = conf_row_at(i)) != NULL; i++)
        if (n == 0 || strcmp(row->section, known[n - 1]) != 0)
            known[n++] = row->section;
    if (may_be_root)
        known[n++] = CONF_ROOT;
    return jcheck_unknown(c, name, known, n);
}

static size_t row_index(const struct conf_row *row)
{
    return (size_t)(row - conf_row_at(0));
}

static void read_key(struct reader *r, const char *section, const char *key, const json_t *value)
{
    const struct conf_row *row = conf_row_find(section, key);

    if (row == NULL) {
        unknown_key(&r->c, section, key);
        return;
    }
    bool *seen = &r->seen[row_index(row)];
    if (*seen)
        jcheck_fail_key(&r->c, key, "%s is set twice, expected once", row->name);
    *seen = true;
    struct jcheck_place back = jcheck_key(&r->c, key);
    read_value(&r->c, row, value, r->conf);
    jcheck_leave(&r->c, back);
}

static void check_cluster(struct reader *r)
{
    const struct conf *conf = r->conf;

    if (conf->cluster.backoff_max_ms < conf->cluster.backoff_min_ms)
        jcheck_fail(&r->c, "found ReconnectDelayMax %g, expected at least ReconnectDelay, %g",
                    (double)conf->cluster.backoff_max_ms / 1000,
                    (double)conf->cluster.backoff_min_ms / 1000);
}

static void check_http_client(struct reader *r)
{
    const struct conf *conf = r->conf;

    if (conf->http_client.idle_ms > conf->http_client.lifetime_ms)
        jcheck_fail(&r->c,
                    "found PooledConnectionIdleTimeoutInSeconds %g, expected at most "
                    "PooledConnectionLifeTimeInSeconds, %g",
                    (double)conf->http_client.idle_ms / 1000,
                    (double)conf->http_client.lifetime_ms / 1000);
    if (conf->http_client.headers == CONF_HEADERS_STRICT && conf->http_client.allow_host)
        jcheck_fail(&r->c, "found AllowHostOverride true, expected false with "
                           "HeaderValidationMode Strict");
}

static void check_watchdog(struct reader *r)
{
    const struct conf *conf = r->conf;
    const struct {
        const char *name, *cool_name;
        uint64_t max, cool;
    } limits[] = {
        {"MaxMemoryMB", "CoolDownMemoryMB", conf->watchdog.max_memory_mb,
         conf->watchdog.cool_memory_mb},
        {"MaxCPUPercentage", "CoolDownCPUPercentage", conf->watchdog.max_cpu,
         conf->watchdog.cool_cpu},
        {"MaxConcurrentConnectionsCountPerHostName",
         "CoolDownConcurrentConnectionsCountPerHostName", conf->watchdog.max_in_flight,
         conf->watchdog.cool_in_flight},
    };

    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (limits[i].cool > 0 && limits[i].cool >= limits[i].max)
            jcheck_fail(&r->c, "found %s %" PRIu64 ", expected less than %s, %" PRIu64,
                        limits[i].cool_name, limits[i].cool, limits[i].name, limits[i].max);
}

// Of values that go together, where each one is right.
static void check_section(struct reader *r, const char *section)
{
    if (strcmp(section, "Cluster") == 0)
        check_cluster(r);
    else if (strcmp(section, "HttpClient") == 0)
        check_http_client(r);
    else if (strcmp(section, "Watchdog") == 0)
        check_watchdog(r);
}

static void read_sections(struct reader *r, json_t *root, bool may_be_root)
{
    const char *name, *key;
    json_t *section, *value;

    json_object_foreach(root, name, section)
    {
        const char *canonical = conf_section_find(name);
        if (canonical == NULL) {
            unknown_section(&r->c, name, may_be_root);
            continue;
        }
        struct jcheck_place back = jcheck_key(&r->c, name);
        size_t n_before = r->c.d->n;
        if (jcheck_object(&r->c, section) == 0)
            json_object_foreach(section, key, value) read_key(r, canonical, key, value);
        if (r->c.d->n == n_before)
            check_section(r, canonical);
        jcheck_leave(&r->c, back);
    }
}

static void read_root(struct reader *r, json_t *root)
{
    json_t *inner;
    const char *name;
    json_t *value;

    if (jcheck_object(&r->c, root) < 0)
        return;
    inner = json_object_get(root, CONF_ROOT);
    if (inner == NULL) {
        read_sections(r, root, true);
        return;
    }
    json_object_foreach(root, name, value)
    {
        if (value != inner)
            jcheck_fail_key(&r->c, name, "found a key beside %s, expected it inside", CONF_ROOT);
    }
    struct jcheck_place back = jcheck_key(&r->c, CONF_ROOT);
    if (jcheck_object(&r->c, inner) == 0)
        read_sections(r, inner, false);
    jcheck_leave(&r->c, back);
}

static bool has_effect(const char *section)
{
    const struct conf_row *row;

    for (size_t i = 0; (row = conf_row_at(i)) != NULL; i++)
        if (strcmp(row->section, section) == 0 && row->offset != CONF_IGNORED)
            return true;
    return false;
}

// Sections without any effect by their name alone, once.
static char *list_ignored(const struct reader *r)
{
    const char *last = "";
    struct buf out = {0};
    const struct conf_row *row;

    for (size_t i = 0; (row = conf_row_at(i)) != NULL; i++) {
        bool whole = !has_effect(row->section);
        if (row->offset != CONF_IGNORED || !r->seen[i] ||
            (whole && strcmp(row->section, last) == 0))
            continue;
        buf_printf(&out, "%s%s%s%s", out.len > 0 ? ", " : "", row->section, whole ? "" : ".",
                   whole ? "" : row->name);
        last = row->section;
    }
    return out.len > 0 ? buf_take(&out) : NULL;
}

int conf_parse(const char *text, size_t len, struct diag *d, struct conf **ret_conf)
{
    struct reader r = {0};
    size_t n_before = d->n;
    json_t *json;

    int failed = jtext_parse(text, len, d, &json);
    if (failed < 0)
        return failed;
    r.conf = conf_new();
    jcheck_init(&r.c, text, len, d);
    read_root(&r, json);
    jcheck_done(&r.c);
    r.conf->ignored = list_ignored(&r);
    json_decref(json);
    if (d->n > n_before) {
        conf_free(r.conf);
        return -EINVAL;
    }
    *ret_conf = r.conf;
    return 0;
}

char *conf_format(const struct conf *conf)
{
    json_t *root = json_object();
    const struct conf_row *row;

    for (size_t i = 0; (row = conf_row_at(i)) != NULL; i++) {
        json_t *value = row->offset != CONF_IGNORED ? format_value(row, conf) : NULL;
        if (value == NULL)
            continue;
        if (json_object_get(root, row->section) == NULL)
            json_object_set_new(root, row->section, json_object());
        json_object_set_new(json_object_get(root, row->section), row->name, value);
    }
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    char *line = xasprintf("%s\n", text);
    free(text);
    json_decref(root);
    return line;
}

struct conf *conf_new(void)
{
    struct conf *conf = xcalloc(1, sizeof *conf);
    struct diag d = {0};
    struct jcheck c;
    const struct conf_row *row;

    jcheck_init(&c, "", 0, &d);
    for (size_t i = 0; (row = conf_row_at(i)) != NULL; i++) {
        assert(i < KEYS_MAX);
        if (row->dflt == NULL)
            continue;
        json_t *value = json_loads(row->dflt, JSON_DECODE_ANY, NULL);
        int r = read_value(&c, row, value, conf);
        assert(r == 0);
        (void)r;
        json_decref(value);
    }
    jcheck_done(&c);
    return conf;
}

void conf_free(struct conf *conf)
{
    const struct conf_row *row;

    if (conf == NULL)
        return;
    for (size_t i = 0; (row = conf_row_at(i)) != NULL; i++)
        if (is_text(row->type) && row->offset != CONF_IGNORED)
            free(*(char **)field(conf, row));
    free(conf->ignored);
    free(conf);
}

char *conf_master_address(const struct conf *conf)
{
    bool six = strchr(conf->cluster.master_node_ip, ':') != NULL;

    return xasprintf("%s%s%s:%u", six ? "[" : "", conf->cluster.master_node_ip, six ? "]" : "",
                     (unsigned)conf->cluster.grpc_port);
}

static size_t size_of(enum conf_type type)
{
    if (is_text(type))
        return sizeof(char *);
    if (type == CONF_BOOL)
        return sizeof(bool);
    return type == CONF_LEVEL || type == CONF_CHOICE ? sizeof(int) : sizeof(uint64_t);
}

void conf_take_reloadable(struct conf *conf, struct conf *from)
{
    const struct conf_row *row;

    for (size_t i = 0; (row = conf_row_at(i)) != NULL; i++) {
        if (!row->reloadable)
            continue;
        size_t size = size_of(row->type);
        uint8_t kept[sizeof(uint64_t)];
        memcpy(kept, field(conf, row), size);
        memcpy(field(conf, row), field(from, row), size);
        memcpy(field(from, row), kept, size);
    }
}

static const char *const type_names[CONF_TYPE__COUNT] = {
    [CONF_TEXT] = "text",
    [CONF_HOST] = "text",
    [CONF_NODE] = "text",
    [CONF_TEXT_OR_NULL] = "text or null",
    [CONF_PATH_OR_NULL] = "text or null",
    [CONF_PROXY_OR_NULL] = "text or null",
    [CONF_NO_PROXY_OR_NULL] = "text or null",
    [CONF_ADDRESSES_OR_NULL] = "text or null",
    [CONF_HEADER_OR_NULL] = "text or null",
    [CONF_BOOL] = "true/false",
    [CONF_COUNT] = "whole number",
    [CONF_SECONDS] = "seconds",
    [CONF_LEVEL] = "level",
    [CONF_CHOICE] = "choice",
};

bool conf_key_at(size_t i, struct conf_key *ret_key)
{
    const struct conf_row *row;

    for (size_t at = 0; (row = conf_row_at(at)) != NULL; at++) {
        if (row->offset == CONF_IGNORED || i-- > 0)
            continue;
        *ret_key = (struct conf_key){
            .section = row->section,
            .name = row->name,
            .type = type_names[row->type],
            .range = row->range,
            .dflt = row->dflt != NULL ? row->dflt : "the host's name",
            .doc = row->doc,
            .reloadable = row->reloadable,
        };
        return true;
    }
    return false;
}
