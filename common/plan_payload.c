// The body of a request: text, a file, or parts.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/mime.h"
#include "common/plan_impl.h"
#include "common/str.h"

static const char *const payload_keys[] = {"type", "raw", "file", "multipart"};
static const char *const multipart_keys[] = {"fields", "files"};
static const char *const field_keys[] = {"name", "value", "contentType"};
static const char *const path_keys[] = {"name", "path", "contentType"};
static const char *const hash_keys[] = {"name", "file", "contentType"};

static const struct plan_word types[] = {
    {"Raw", PLAN_PAYLOAD_RAW},
    {"Binary", PLAN_PAYLOAD_FILE},
    {"Multipart", PLAN_PAYLOAD_MULTIPART},
};

static const char *const members[] = {
    [PLAN_PAYLOAD_RAW] = "raw",
    [PLAN_PAYLOAD_FILE] = "file",
    [PLAN_PAYLOAD_MULTIPART] = "multipart",
};

// As a template that gives the text.
static char *escape(const char *text)
{
    struct buf out = {0};

    for (; *text != '\0'; text++) {
        buf_append(&out, text, 1);
        if (*text == '$')
            buf_puts(&out, "$");
    }
    return buf_take(&out);
}

// The file's own name in lower case.
static char *name_of_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = escape(slash != NULL ? slash + 1 : path);

    for (char *p = name; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return name;
}

static void read_field(struct plan_reader *r, json_t *json, void *element)
{
    struct plan_part *part = element;

    plan_check_keys(r, json, field_keys, PLAN_N_OF(field_keys));
    if (plan_require(r, json, "name") != NULL)
        part->name = plan_read_template(r, json, "name", PLAN_BYTES_MAX);
    if (plan_require(r, json, "value") != NULL)
        part->value = plan_read_template(r, json, "value", PLAN_BYTES_MAX);
    part->content_type = plan_read_template(r, json, "contentType", PLAN_BYTES_MAX);
    if (plan_find(r, json, "name") != NULL && part->name == NULL)
        jcheck_fail_key(&r->c, plan_key(r, json, "name"), "found an empty name");
    if (part->value == NULL)
        part->value = xstrdup("");
}

static void read_part_file(struct plan_reader *r, json_t *json, void *element)
{
    struct plan_part *part = element;
    const char *key = r->source != NULL ? "path" : "file";
    char *path = NULL;

    plan_check_keys(r, json, r->source != NULL ? path_keys : hash_keys, PLAN_N_OF(path_keys));
    part->name = plan_read_template(r, json, "name", PLAN_BYTES_MAX);
    if (plan_require(r, json, key) != NULL)
        plan_read_file(r, json, key, PLAN_USE_PART, NULL, part->file, &path);
    part->content_type = plan_read_template(r, json, "contentType", PLAN_BYTES_MAX);
    if (part->name == NULL && r->source == NULL)
        jcheck_fail(&r->c, "found no name, expected one");
    if (part->name == NULL)
        part->name = name_of_path(path != NULL ? path : "");
    if (part->content_type == NULL)
        part->content_type = xstrdup(mime_type(r->source != NULL && path != NULL ? path : ""));
    free(path);
}

static void read_multipart(struct plan_reader *r, json_t *payload, struct plan_iteration *it)
{
    struct jcheck_place back;
    json_t *json = plan_enter_object(r, payload, "multipart", &back);
    struct plan_part *fields, *files;
    size_t n_fields = 0, n_files = 0, n_before = r->c.d->n;

    if (json == NULL)
        return;
    plan_check_keys(r, json, multipart_keys, PLAN_N_OF(multipart_keys));
    fields =
        plan_read_list(r, json, "fields", PLAN_PARTS_MAX, sizeof *fields, read_field, &n_fields);
    files =
        plan_read_list(r, json, "files", PLAN_PARTS_MAX, sizeof *files, read_part_file, &n_files);
    it->n_parts = n_fields + n_files;
    it->parts = xcalloc(it->n_parts + 1, sizeof *it->parts);
    if (n_fields > 0)
        memcpy(it->parts, fields, n_fields * sizeof *fields);
    if (n_files > 0)
        memcpy(it->parts + n_fields, files, n_files * sizeof *files);
    free(fields);
    free(files);
    if (it->n_parts == 0 && r->c.d->n == n_before)
        jcheck_fail(&r->c, "found no part, expected \"fields\" or \"files\" with at least one");
    if (it->n_parts > PLAN_PARTS_MAX)
        jcheck_fail(&r->c, "found %zu parts, expected at most %d", it->n_parts, PLAN_PARTS_MAX);
    jcheck_leave(&r->c, back);
}

// What it is by its members; NONE with an entry: nothing, or several things.
static enum plan_payload find_kind(struct plan_reader *r, json_t *json)
{
    enum plan_payload kind = PLAN_PAYLOAD_NONE;
    size_t n_found = 0;
    struct buf found = {0};

    for (enum plan_payload k = PLAN_PAYLOAD_RAW; k <= PLAN_PAYLOAD_MULTIPART; k++) {
        if (plan_find(r, json, members[k]) == NULL)
            continue;
        kind = k;
        buf_printf(&found, "%s\"%s\"", n_found++ > 0 ? " and " : "", members[k]);
    }
    if (n_found > 1) {
        jcheck_fail(&r->c, "found %s, expected one of them", found.data);
        kind = PLAN_PAYLOAD_NONE;
    } else if (n_found == 0 && plan_find(r, json, "type") == NULL) {
        jcheck_fail(&r->c, "found nothing, expected \"raw\", \"file\" or \"multipart\"");
    }
    buf_done(&found);
    return kind;
}

void plan_read_payload(struct plan_reader *r, json_t *request, struct plan_iteration *it)
{
    struct jcheck_place back;
    json_t *json = plan_enter_object(r, request, "payload", &back);

    if (json == NULL)
        return;
    plan_check_keys(r, json, payload_keys, PLAN_N_OF(payload_keys));
    size_t n_before = r->c.d->n;
    enum plan_payload kind = find_kind(r, json);
    int type = plan_read_word(r, json, "type", types, PLAN_N_OF(types),
                              "\"Raw\", \"Binary\" or \"Multipart\"", (int)kind);
    // A raw text may be left out: it is empty.
    bool is_empty = kind == PLAN_PAYLOAD_NONE && type == PLAN_PAYLOAD_RAW;
    if (type != 0 && type != (int)kind && !is_empty && r->c.d->n == n_before)
        jcheck_fail(&r->c, "found %s%s%s and this type, expected \"%s\"",
                    kind == PLAN_PAYLOAD_NONE ? "nothing" : "\"",
                    kind == PLAN_PAYLOAD_NONE ? "" : members[kind],
                    kind == PLAN_PAYLOAD_NONE ? "" : "\"", members[type]);
    it->payload = plan_read_template(r, json, "raw", PLAN_BYTES_MAX);
    plan_read_file(r, json, "file", PLAN_USE_PAYLOAD, NULL, it->payload_file, NULL);
    read_multipart(r, json, it);
    it->payload_kind = kind;
    if (kind == PLAN_PAYLOAD_RAW && it->payload == NULL)
        it->payload_kind = PLAN_PAYLOAD_NONE;
    jcheck_leave(&r->c, back);
}
