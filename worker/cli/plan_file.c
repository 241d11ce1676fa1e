#include "worker/cli/plan_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/file.h"
#include "common/jcheck.h"
#include "common/jtext.h"

int plan_file_is_yaml(const char *path, struct diag *d, bool *ret_yaml)
{
    const char *dot = strrchr(path, '.');

    if (dot != NULL && (strcasecmp(dot, ".yaml") == 0 || strcasecmp(dot, ".yml") == 0))
        *ret_yaml = true;
    else if (dot != NULL && strcasecmp(dot, ".json") == 0)
        *ret_yaml = false;
    else
        return diag_add(d, 0, 0, "found \"%s\", expected a name that ends in .yaml, .yml or .json",
                        path);
    return 0;
}

int plan_file_read(const char *path, struct diag *d, struct plan_file *ret_file)
{
    struct plan_file *f = ret_file;

    *f = (struct plan_file){0};
    int r = plan_file_is_yaml(path, d, &f->is_yaml);
    if (r == 0)
        r = file_read(path, 0, PLAN_FILE_MAX, &f->text);
    if (r == -EFBIG)
        r = diag_add(d, 0, 0, "found more than %d MiB", PLAN_FILE_MAX / (1024 * 1024));
    buf_reserve(&f->text, 0);
    if (r == 0)
        r = f->is_yaml ? yaml_parse(f->text.data, f->text.len, d, &f->json, &f->places)
                       : jtext_parse(f->text.data, f->text.len, d, &f->json);
    return r;
}

void plan_file_done(struct plan_file *f)
{
    json_decref(f->json);
    buf_done(&f->text);
    places_free(f->places);
    *f = (struct plan_file){0};
}

static bool is_text_key(const char *key)
{
    static const char *const keys[] = {"name", "value", "version", "httpVersion", "url", "raw"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

// The value at the pointer, as it is to be written: a new reference.
static json_t *keep_text(json_t *value, struct jcheck *at, bool is_text)
{
    bool is_plain = json_is_number(value) || json_is_boolean(value);
    const char *text = is_text && is_plain ? places_text(at->places, at->pointer.data) : NULL;
    const char *key;
    json_t *member;
    void *next;
    size_t i;

    if (text != NULL)
        return json_string(text);
    json_object_foreach_safe(value, next, key, member)
    {
        struct jcheck_place back = jcheck_key(at, key);
        bool texts = strcmp(key, "headers") == 0 || strcmp(key, "httpHeaders") == 0;
        json_object_set_new(value, key,
                            keep_text(member, at, texts || is_text_key(key) || is_text));
        jcheck_leave(at, back);
    }
    json_array_foreach(value, i, member)
    {
        struct jcheck_place back = jcheck_index(at, i);
        json_array_set_new(value, i, keep_text(member, at, is_text));
        jcheck_leave(at, back);
    }
    return json_incref(value);
}

void plan_file_keep_texts(struct plan_file *f)
{
    struct diag d = {0};
    struct jcheck at;

    if (f->places == NULL)
        return;
    jcheck_init(&at, "", 0, &d);
    at.places = f->places;
    json_decref(keep_text(f->json, &at, false));
    jcheck_done(&at);
}

static int replace(const char *path, const char *text)
{
    mode_t mask = umask(0);

    umask(mask);
    return file_replace(path, text, 0666 & ~mask);
}

static char *json_text(const json_t *json)
{
    char *dump = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    char *text = xasprintf("%s\n", dump);

    free(dump);
    return text;
}

int plan_file_write(const char *path, bool yaml, const json_t *json)
{
    char *text = yaml ? yaml_format(json) : json_text(json);
    int r = replace(path, text);

    free(text);
    return r;
}
