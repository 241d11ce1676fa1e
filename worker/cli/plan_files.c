#include "worker/cli/plan_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/identity.h"
#include "common/jcheck.h"
#include "common/str.h"

#define NO_FILE "0000000000000000000000000000000000000000000000000000000000000000"

static const struct plan_build_file *find_file(const struct plan_build *b, const char *path)
{
    for (size_t i = 0; i < b->n_files; i++)
        if (strcmp(b->files[i].path, path) == 0)
            return &b->files[i];
    return NULL;
}

static int read_file(struct jcheck *c, const char *path, struct plan_build *b)
{
    struct buf content = {0};
    size_t max = PLAN_FILES_MAX;

    for (size_t i = 0; i < b->n_files; i++)
        max -= b->files[i].len;
    int r = file_read(path, 0, max, &content);
    if (r < 0) {
        buf_done(&content);
        if (r == -EFBIG)
            return jcheck_fail(c, "%s%s has more than %d MiB",
                               b->n_files > 0 ? "with the other files, " : "", path,
                               PLAN_FILES_MAX / (1024 * 1024));
        return jcheck_fail(c, "cannot read %s: %s", path, strerror(-r));
    }
    b->files = xreallocarray(b->files, b->n_files + 1, sizeof(*b->files));
    struct plan_build_file *file = &b->files[b->n_files++];
    uint8_t digest[32];
    file->path = xstrdup(path);
    file->len = content.len;
    file->bytes = buf_take(&content);
    str_sha256(file->bytes, file->len, digest);
    str_hex(digest, sizeof(digest), file->sha256);
    return 0;
}

// The hash of the file that the member names; a new reference. Where the file is not fit it is that
// of nothing, so that the plan's own check does not complain again.
static json_t *take_file(struct jcheck *c, const json_t *value, const char *key,
                         int (*check)(struct jcheck *c, const struct plan_build_file *file,
                                      const char *password),
                         const char *password, struct plan_build *b)
{
    struct jcheck_place back = jcheck_key(c, key);
    const struct plan_build_file *file = NULL;
    const char *path;
    int r = jcheck_text(c, value, &path);

    if (r == 0 && plan_has_placeholder(path))
        r = jcheck_fail(c, "placeholders are not supported yet");
    if (r == 0 && find_file(b, path) == NULL)
        r = read_file(c, path, b);
    if (r == 0)
        file = find_file(b, path);
    if (r == 0 && check != NULL)
        check(c, file, password);
    jcheck_leave(c, back);
    return json_string(file != NULL ? file->sha256 : NO_FILE);
}

// What no worker could use is refused before anything is submitted.
static int check_certificate(struct jcheck *c, const struct plan_build_file *file,
                             const char *password)
{
    struct identity identity;
    char why[160];

    if (password != NULL && plan_has_placeholder(password))
        return 0;
    if (identity_read(file->bytes, file->len, password, &identity, why, sizeof(why)) < 0)
        return jcheck_fail(c, "cannot use %s: %s", file->path, why);
    identity_done(&identity);
    return 0;
}

// Borrowed; NULL: none, or it is wrong, which the plan's own check tells.
static const char *password_of(struct jcheck *c, const json_t *request)
{
    const json_t *value = json_object_get(request, "clientCertificatePassword");
    const char *text = json_string_value(value);

    if (text == NULL && value != NULL && c->places != NULL) {
        struct jcheck_place back = jcheck_key(c, "clientCertificatePassword");
        text = places_text(c->places, c->pointer.data);
        jcheck_leave(c, back);
    }
    return text;
}

static void take_request(struct jcheck *c, json_t *request, struct plan_build *b)
{
    json_t *payload = json_object_get(request, "payload");
    json_t *file = json_object_get(payload, "file");
    json_t *path = json_object_get(request, "clientCertificatePath");

    if (file != NULL) {
        struct jcheck_place back = jcheck_key(c, "payload");
        json_object_set_new(payload, "file", take_file(c, file, "file", NULL, NULL, b));
        jcheck_leave(c, back);
    }
    if (json_object_get(request, "clientCertificate") != NULL)
        jcheck_fail_key(c, "clientCertificate",
                        "found \"clientCertificate\", expected \"clientCertificatePath\"");
    if (path != NULL) {
        json_t *hash = take_file(c, path, "clientCertificatePath", check_certificate,
                                 password_of(c, request), b);
        json_object_set_new(request, "clientCertificate", hash);
        json_object_del(request, "clientCertificatePath");
    }
}

// Of the plan itself, or of a round. What is no list or no object the plan's own check tells.
static void take_iterations(struct jcheck *c, json_t *parent, struct plan_build *b)
{
    struct jcheck_place outer = jcheck_key(c, "iterations");
    json_t *iteration, *request;
    size_t i;

    json_array_foreach(json_object_get(parent, "iterations"), i, iteration)
    {
        struct jcheck_place back = jcheck_index(c, i);
        jcheck_key(c, "httpRequest");
        if ((request = json_object_get(iteration, "httpRequest")) != NULL)
            take_request(c, request, b);
        jcheck_leave(c, back);
    }
    jcheck_leave(c, outer);
}

int plan_files_take(json_t *plan, const char *text, size_t len, const struct places *places,
                    struct diag *d, struct plan_build *b)
{
    size_t n_before = d->n, i;
    struct jcheck c;
    json_t *round;

    jcheck_init(&c, text, len, d);
    c.places = places;
    take_iterations(&c, plan, b);
    jcheck_key(&c, "rounds");
    json_array_foreach(json_object_get(plan, "rounds"), i, round)
    {
        struct jcheck_place back = jcheck_index(&c, i);
        take_iterations(&c, round, b);
        jcheck_leave(&c, back);
    }
    jcheck_done(&c);
    return d->n > n_before ? -EINVAL : 0;
}

static bool is_used(const struct plan *plan, const char *sha256)
{
    const struct plan_round *round;
    const struct plan_iteration *it;

    for (uint32_t i = 0; i < plan_n_series(plan); i++) {
        plan_series(plan, i, &round, &it);
        if (strcmp(it->payload_file, sha256) == 0 || strcmp(it->certificate, sha256) == 0)
            return true;
    }
    return false;
}

static void file_done(struct plan_build_file *file)
{
    free(file->path);
    free(file->bytes);
}

void plan_files_drop_unused(struct plan_build *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->n_files; i++) {
        if (is_used(b->plan, b->files[i].sha256))
            b->files[n++] = b->files[i];
        else
            file_done(&b->files[i]);
    }
    b->n_files = n;
}

void plan_files_done(struct plan_build *b)
{
    for (size_t i = 0; i < b->n_files; i++)
        file_done(&b->files[i]);
    free(b->files);
    b->files = NULL;
    b->n_files = 0;
}
