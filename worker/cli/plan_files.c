#include "worker/cli/plan_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/identity.h"
#include "common/plan_source.h"
#include "common/str.h"
#include "worker/cli/fetch.h"

struct taker {
    struct plan_build *build;
    json_t *hashes; // of the paths that were read
};

static const struct plan_build_file *find_file(const struct plan_build *b, const char *sha256)
{
    for (size_t i = 0; i < b->n_files; i++)
        if (strcmp(b->files[i].sha256, sha256) == 0)
            return &b->files[i];
    return NULL;
}

static size_t bytes_left(const struct plan_build *b)
{
    size_t left = PLAN_FILES_MAX;

    for (size_t i = 0; i < b->n_files; i++)
        left -= b->files[i].len;
    return left;
}

static int too_large(struct jcheck *c, const struct plan_build *b, const char *name)
{
    return jcheck_fail(c, "%s%s has more than %d MiB",
                       b->n_files > 0 ? "with the other files, " : "", name,
                       PLAN_FILES_MAX / (1024 * 1024));
}

// Takes content. path NULL: of an environment variable. Borrowed from b until the next one.
static const struct plan_build_file *add_file(struct plan_build *b, const char *path,
                                              struct buf *content)
{
    char sha256[65];
    uint8_t digest[32];

    buf_reserve(content, 0);
    str_sha256(content->data, content->len, digest);
    str_hex(digest, sizeof(digest), sha256);
    const struct plan_build_file *there = find_file(b, sha256);
    if (there != NULL) {
        buf_done(content);
        return there;
    }
    b->files = xreallocarray(b->files, b->n_files + 1, sizeof(*b->files));
    struct plan_build_file *file = &b->files[b->n_files++];
    file->path = path != NULL ? xstrdup(path) : NULL;
    memcpy(file->sha256, sha256, sizeof(sha256));
    file->len = content->len;
    file->bytes = buf_take(content);
    return file;
}

// 0, -ENOENT, or -EINVAL with an entry.
static int read_file(struct taker *t, struct jcheck *c, const char *path,
                     const struct plan_build_file **ret_file)
{
    const char *known = json_string_value(json_object_get(t->hashes, path));
    bool is_url = strncasecmp(path, PLAN_FILES_URL, strlen(PLAN_FILES_URL)) == 0;
    struct buf content = {0};
    char why[FETCH_WHY_MAX] = "";

    if (known != NULL) {
        *ret_file = find_file(t->build, known);
        return 0;
    }
    int r = is_url ? fetch(path + strlen(PLAN_FILES_URL), bytes_left(t->build), &content, why)
                   : file_read(path, 0, bytes_left(t->build), &content);
    if (r == 0) {
        *ret_file = add_file(t->build, path, &content);
        json_object_set_new(t->hashes, path, json_string((*ret_file)->sha256));
        return 0;
    }
    buf_done(&content);
    if (r == -EFBIG)
        return too_large(c, t->build, path);
    return r == -ENOENT ? r
                        : jcheck_fail(c, "cannot read %s: %s", path, is_url ? why : strerror(-r));
}

// What no worker could use is refused before anything is submitted.
static int check_certificate(struct jcheck *c, const char *path, const struct plan_build_file *file,
                             const char *password)
{
    struct identity identity;
    char why[160];

    if (identity_read(file->bytes, file->len, password, &identity, why, sizeof(why)) < 0)
        return jcheck_fail(c, "cannot use %s: %s", path, why);
    identity_done(&identity);
    return 0;
}

static int on_file(void *arg, struct jcheck *c, enum plan_use use, const char *path,
                   const char *password, struct plan_content *ret_content)
{
    const struct plan_build_file *file = NULL;
    struct taker *t = arg;

    int r = read_file(t, c, path, &file);
    if (r == -ENOENT && use != PLAN_USE_READ)
        r = jcheck_fail(c, "cannot read %s: %s", path, strerror(ENOENT));
    if (r == 0 && use == PLAN_USE_CERTIFICATE)
        r = check_certificate(c, path, file, password);
    if (r < 0)
        return r;
    memcpy(ret_content->sha256, file->sha256, sizeof(file->sha256));
    ret_content->bytes = file->bytes;
    ret_content->len = file->len;
    return 0;
}

static int on_env(void *arg, struct jcheck *c, const char *name, struct plan_content *ret_content)
{
    const char *value = getenv(name);
    struct buf content = {0};
    struct taker *t = arg;

    if (value == NULL)
        return -ENOENT;
    if (strlen(value) > bytes_left(t->build))
        return too_large(c, t->build, name);
    buf_puts(&content, value);
    const struct plan_build_file *file = add_file(t->build, NULL, &content);
    memcpy(ret_content->sha256, file->sha256, sizeof(file->sha256));
    ret_content->bytes = file->bytes;
    ret_content->len = file->len;
    return 0;
}

static void file_done(struct plan_build_file *file)
{
    free(file->path);
    free(file->bytes);
}

// Those that only rounds name that are not selected.
static void drop_unused(struct plan_build *b)
{
    struct plan_files named = plan_named_files(b->plan);
    size_t n = 0;

    for (size_t i = 0; i < b->n_files; i++) {
        if (plan_files_have(&named, b->files[i].sha256))
            b->files[n++] = b->files[i];
        else
            file_done(&b->files[i]);
    }
    b->n_files = n;
    free(named.hash);
}

int plan_files_parse(const struct plan_file *f, const struct options *o, struct diag *warnings,
                     struct diag *d, struct plan_build *b)
{
    const struct options_value *v = o->value;
    struct taker t = {.build = b, .hashes = json_object()};
    struct plan_source source = {
        .environments = v[OPTIONS_RUN_ENVIRONMENT].text,
        .n_environments = v[OPTIONS_RUN_ENVIRONMENT].n,
        .rounds = v[OPTIONS_RUN_ROUND].text,
        .n_rounds = v[OPTIONS_RUN_ROUND].n,
        .tags = v[OPTIONS_RUN_TAG].text,
        .n_tags = v[OPTIONS_RUN_TAG].n,
        .unix_ms = clock_wall_ms(),
        .file = on_file,
        .env = on_env,
        .arg = &t,
        .warnings = warnings,
    };

    int r = plan_parse_source(f->json, f->text.data, f->text.len, f->places, &source, d, &b->plan);
    if (r == 0)
        drop_unused(b);
    json_decref(t.hashes);
    return r;
}

void plan_files_done(struct plan_build *b)
{
    for (size_t i = 0; i < b->n_files; i++)
        file_done(&b->files[i]);
    free(b->files);
    b->files = NULL;
    b->n_files = 0;
}
