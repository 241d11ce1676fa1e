#include "common/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf_table.h"
#include "common/file.h"
#include "common/jtext.h"
#include "common/str.h"

static int read_file(const char *path, struct diag *d, struct buf *out)
{
    int r = file_read(path, 0, CONF_BYTES_MAX, out);

    if (r == -EFBIG)
        r = diag_add(d, 0, 0, "found more than %d KiB of settings", CONF_BYTES_MAX / 1024);
    buf_reserve(out, 0);
    return r;
}

int conf_take_host_name(struct conf *conf, struct diag *d)
{
    char host[256] = "";

    if (conf->cluster.node_name != NULL)
        return 0;
    gethostname(host, sizeof host - 1);
    if (!conf_is_node_name(host))
        return diag_add(
            d, 0, 0, "Cluster.NodeName: found none, and the host's name \"%s\" is none for a node",
            host);
    conf->cluster.node_name = xstrdup(host);
    return 0;
}

int conf_load(const char *path, struct diag *d, struct conf **ret_conf)
{
    struct buf text = {0};
    struct conf *conf = NULL;

    int r = read_file(path, d, &text);
    if (r == 0)
        r = conf_parse(text.data, text.len, d, &conf);
    if (r == 0)
        r = conf_take_host_name(conf, d);
    buf_done(&text);
    if (r < 0) {
        conf_free(conf);
        return r;
    }
    *ret_conf = conf;
    return 0;
}

int conf_load_or_default(const char *named, struct diag *d, struct conf **ret_conf)
{
    d->file = named != NULL ? named : CONF_PATH_DEFAULT;
    int r = conf_load(d->file, d, ret_conf);
    if (r != -ENOENT || named != NULL)
        return r;

    struct conf *conf = conf_new();
    d->file = NULL;
    r = conf_take_host_name(conf, d);
    if (r == 0)
        *ret_conf = conf;
    else
        conf_free(conf);
    return r;
}

// A value from the command line: what reads as a number, true or false is one where the key wants
// it, and "null" where there is an option to say it; conf_parse judges the rest.
static json_t *to_json(const struct conf_row *row, const char *text)
{
    bool flag;
    json_t *json = NULL;

    if (row->type == CONF_BOOL && str_parse_bool(text, &flag) == 0)
        return json_boolean(flag);
    if (row->type == CONF_HEADER_OR_NULL && strcmp(text, "null") == 0)
        return json_null();
    if (row->type == CONF_COUNT || row->type == CONF_SECONDS || row->type == CONF_LEVEL ||
        row->type == CONF_CHOICE)
        json = json_loads(text, JSON_DECODE_ANY, NULL);
    if (json_is_number(json))
        return json;
    json_decref(json);
    return json_string(text); // NULL: not UTF-8
}

// The section as the file spells it; made when it is not there.
static json_t *find_section(json_t *root, const char *section)
{
    json_t *inner = json_object_get(root, CONF_ROOT), *found = NULL;
    const char *name;
    json_t *value;

    if (inner != NULL)
        root = inner;
    json_object_foreach(root, name, value)
    {
        const char *canonical = conf_section_find(name);
        if (canonical != NULL && strcmp(canonical, section) == 0)
            found = value;
    }
    if (found == NULL) {
        found = json_object();
        json_object_set_new(root, section, found);
    }
    return found;
}

static int set_key(json_t *root, const char *key, const char *value, struct diag *d)
{
    const char *dot = strchr(key, '.');
    char *section = xstrndup(key, dot != NULL ? (size_t)(dot - key) : 0);
    const struct conf_row *row = dot != NULL ? conf_row_find(section, dot + 1) : NULL;

    free(section);
    if (row == NULL)
        return diag_add(d, 0, 0, "%s: unknown key", key);
    json_t *json = to_json(row, value);
    if (json == NULL)
        return diag_add(d, 0, 0, "%s: found bytes that are not UTF-8", key);
    json_t *object = find_section(root, row->section);
    const char *spelled =
        row->alias != NULL && json_object_get(object, row->alias) != NULL ? row->alias : row->name;
    json_object_set_new(object, spelled, json);
    return 0;
}

// The new text must parse; its complaints lose their places, nobody has seen that text yet.
static int check_text(const char *text, struct diag *d)
{
    struct diag inner = {0};
    struct conf *conf = NULL;

    int r = conf_parse(text, strlen(text), &inner, &conf);
    for (size_t i = 0; i < inner.n && i < DIAG_MAX; i++)
        diag_add(d, 0, 0, "%s", inner.entry[i].text);
    diag_done(&inner);
    conf_free(conf);
    return r;
}

int conf_edit(const char *path, const char *const *keys, const char *const *values, size_t n,
              struct diag *d)
{
    struct buf text = {0};
    struct conf *before = NULL;
    json_t *root = NULL;
    char *dump = NULL, *after = NULL;

    int r = read_file(path, d, &text);
    if (r == -ENOENT) {
        buf_puts(&text, "{}");
        r = 0;
    }
    if (r == 0)
        r = conf_parse(text.data, text.len, d, &before);
    if (r == 0)
        r = jtext_parse(text.data, text.len, d, &root);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = set_key(root, keys[i], values[i], d);
    if (r == 0) {
        dump = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
        after = xasprintf("%s\n", dump);
        r = check_text(after, d);
    }
    if (r == 0)
        r = file_replace(path, after, 0644);
    free(after);
    free(dump);
    json_decref(root);
    conf_free(before);
    buf_done(&text);
    return r;
}
