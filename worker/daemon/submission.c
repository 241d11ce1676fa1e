#include "worker/daemon/submission.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/jtext.h"
#include "common/script/tmpl.h"

void submission_free(struct submission *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n_files; i++)
        buf_done(&s->files[i].content);
    free(s->files);
    plan_free(s->plan);
    free(s->plan_text);
    free(s);
}

bool submission_is_id(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(text);

    return len >= 1 && len <= SUBMISSION_ID_MAX && strspn(text, allowed) == len;
}

static int parse_id(const json_t *json, struct diag *d, struct submission *s)
{
    const char *id = json_string_value(json);

    if (id == NULL || !submission_is_id(id))
        return diag_add(d, 0, 0, "submissionId: expected 1 to %d of [A-Za-z0-9._-]",
                        SUBMISSION_ID_MAX);
    strcpy(s->id, id);
    return 0;
}

// The master must be able to take what is left of it, which may be longer than what it stands for.
static int check_redacted(const struct submission *s, struct diag *d)
{
    char *text = submission_redacted_plan(s);
    size_t len = strlen(text);

    free(text);
    if (len <= PLAN_BYTES_MAX)
        return 0;
    diag_add(d, 0, 0, "plan: %zu bytes once what is secret is replaced, at most %d", len,
             PLAN_BYTES_MAX);
    return -EFBIG;
}

static int parse_plan(const json_t *json, struct diag *d, struct submission *s)
{
    if (!json_is_object(json))
        return diag_add(d, 0, 0, "plan: expected an object");
    char *text = jtext_format(json, false);
    size_t len = strlen(text);
    int r = len > PLAN_BYTES_MAX ? -EFBIG : plan_parse(text, len, d, &s->plan);
    free(text);
    if (r == -EFBIG)
        diag_add(d, 0, 0, "plan: %zu bytes, at most %d", len, PLAN_BYTES_MAX);
    if (r < 0)
        return r;
    s->plan_text = plan_format(s->plan);
    plan_digest(s->plan, s->digest);
    return check_redacted(s, d);
}

static int parse_wait(const json_t *json, struct diag *d, struct submission *s)
{
    double seconds = json_number_value(json);

    s->wait_ns = INT64_MAX;
    if (json == NULL || json_is_null(json))
        return 0;
    if (!json_is_number(json) || seconds < 0 || seconds > SUBMISSION_WAIT_MAX_S)
        return diag_add(d, 0, 0, "waitSeconds: expected a number from 0 to %.0f",
                        SUBMISSION_WAIT_MAX_S);
    s->wait_ns = (int64_t)(seconds * NS_PER_S);
    return 0;
}

static int parse_seed(const json_t *json, struct diag *d, struct submission *s)
{
    if (json == NULL || json_is_null(json))
        return 0;
    if (!json_is_integer(json) || json_integer_value(json) < 0)
        return diag_add(d, 0, 0, "seed: expected a whole number from 0 to 2^63-1");
    s->has_seed = true;
    s->seed = (uint64_t)json_integer_value(json);
    return 0;
}

static int parse_file(const char *hash, const json_t *json, const struct plan_files *named,
                      struct diag *d, struct submission *s, size_t *total)
{
    struct submission_file *f = &s->files[s->n_files];
    const char *text = json_string_value(json);
    uint8_t digest[32];

    if (strlen(hash) != 64 || !plan_files_have(named, hash))
        return diag_add(d, 0, 0, "files: the plan names no file %.64s", hash);
    s->n_files++;
    if (text == NULL || str_unhex(hash, sizeof f->sha256, f->sha256) < 0 ||
        str_unbase64(text, json_string_length(json), &f->content) < 0)
        return diag_add(d, 0, 0, "files: %s: expected base64", hash);
    *total += f->content.len;
    if (*total > PLAN_FILES_MAX) {
        diag_add(d, 0, 0, "files: more than %d MiB", PLAN_FILES_MAX / 1024 / 1024);
        return -EFBIG;
    }
    str_sha256(f->content.data, f->content.len, digest);
    if (memcmp(digest, f->sha256, sizeof digest) != 0)
        return diag_add(d, 0, 0, "files: %s: the content has another SHA-256", hash);
    return 0;
}

static bool is_there(const struct submission *s, const char *hash)
{
    char hex[65];

    for (size_t i = 0; i < s->n_files; i++) {
        str_hex(s->files[i].sha256, 32, hex);
        if (strcmp(hex, hash) == 0)
            return true;
    }
    return false;
}

// Each file the plan names must be there.
static int check_files(const struct plan_files *named, struct diag *d, const struct submission *s)
{
    for (size_t i = 0; i < named->n; i++)
        if (!is_there(s, named->hash[i]))
            return diag_add(d, 0, 0, "files: %s is missing", named->hash[i]);
    return 0;
}

static int parse_files(json_t *json, struct diag *d, struct submission *s)
{
    struct plan_files named = plan_named_files(s->plan);
    const char *hash;
    json_t *value;
    size_t total = 0;
    int r = 0;

    if (json != NULL && !json_is_null(json) && !json_is_object(json))
        r = diag_add(d, 0, 0, "files: expected an object");
    s->files = xcalloc(json_object_size(json) + 1, sizeof *s->files);
    json_object_foreach(json, hash, value)
    {
        if (r == 0)
            r = parse_file(hash, value, &named, d, s, &total);
    }
    if (r == 0)
        r = check_files(&named, d, s);
    free(named.hash);
    return r;
}

static int parse_queue(const json_t *json, struct diag *d, struct submission *s)
{
    if (json != NULL && !json_is_null(json) && !json_is_boolean(json))
        return diag_add(d, 0, 0, "queue: expected true or false");
    s->queue = json_is_true(json);
    return 0;
}

int submission_parse(const json_t *json, struct diag *d, struct submission **ret_submission)
{
    struct submission *s = xcalloc(1, sizeof *s);
    int r = parse_id(json_object_get(json, "submissionId"), d, s);

    if (r == 0)
        r = parse_plan(json_object_get(json, "plan"), d, s);
    if (r == 0)
        r = parse_wait(json_object_get(json, "waitSeconds"), d, s);
    if (r == 0)
        r = parse_seed(json_object_get(json, "seed"), d, s);
    if (r == 0)
        r = parse_queue(json_object_get(json, "queue"), d, s);
    if (r == 0)
        r = parse_files(json_object_get(json, "files"), d, s);
    if (r < 0) {
        submission_free(s);
        return r;
    }
    *ret_submission = s;
    return 0;
}

// --- Redaction ---

static bool is_secret_header(const char *name)
{
    static const char *const parts[] = {"auth",     "cookie", "token",   "secret",   "passwd",
                                        "password", "key",    "session", "signature"};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcasestr(name, parts[i]) != NULL)
            return true;
    return false;
}

static void replace(char **text, char *by)
{
    free(*text);
    *text = by;
}

static bool is_template(const char *text, size_t len)
{
    struct tmpl_error error;
    struct tmpl *t;

    if (tmpl_compile(text, len, &t, &error) < 0)
        return false;
    tmpl_free(t);
    return true;
}

// A "?" may also be within a placeholder: then all from the first placeholder on goes.
static void redact_query(char **url)
{
    size_t len = strcspn(*url, "?");

    if ((*url)[len] == '\0')
        return;
    if (!is_template(*url, len))
        len = strcspn(*url, "$");
    replace(url, xasprintf("%.*s?redacted", (int)len, *url));
}

static void redact(struct plan_iteration *it)
{
    redact_query(&it->url.text);
    for (size_t i = 0; i < it->n_headers; i++)
        if (is_secret_header(it->headers[i].name))
            replace(&it->headers[i].value, xstrdup("redacted"));
    if (it->payload != NULL)
        replace(&it->payload, xasprintf("redacted, %zu bytes", strlen(it->payload)));
    for (size_t i = 0; i < it->n_parts; i++)
        if (it->parts[i].value != NULL)
            replace(&it->parts[i].value,
                    xasprintf("redacted, %zu bytes", strlen(it->parts[i].value)));
    if (it->certificate_password != NULL)
        replace(&it->certificate_password, xstrdup("redacted"));
}

char *submission_redacted_plan(const struct submission *s)
{
    struct plan *copy = plan_public(s->plan);

    for (size_t i = 0; i < copy->n_rounds; i++)
        for (size_t j = 0; j < copy->rounds[i].n_iterations; j++)
            redact(&copy->rounds[i].iterations[j]);
    char *text = plan_format(copy);
    plan_free(copy);
    return text;
}
