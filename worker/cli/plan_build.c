#include "worker/cli/plan_build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "common/str.h"

void plan_build_done(struct plan_build *b)
{
    plan_free(b->plan);
    for (size_t i = 0; i < b->n_files; i++)
        free(b->files[i].bytes);
    free(b->files);
    *b = (struct plan_build){0};
}

static const char *spelling(const struct options *o, enum options_id id)
{
    return o->value[id].spelling;
}

// A mode that is not among the options is the one its options speak for.
static int choose_mode(const struct options *o, struct diag *d, const char **ret_mode)
{
    const char *mode = options_text(o, OPTIONS_MODE, NULL);
    bool has_count = options_given(o, OPTIONS_REQUEST_COUNT);
    bool has_duration = options_given(o, OPTIONS_DURATION);

    if (mode == NULL && has_count && has_duration)
        return diag_add(d, 0, 0, "%s and %s: found both, expected one of them",
                        spelling(o, OPTIONS_REQUEST_COUNT), spelling(o, OPTIONS_DURATION));
    if (mode == NULL)
        mode = has_duration ? "D" : "R";
    if (strcasecmp(mode, "CB") == 0 || strcasecmp(mode, "CRB") == 0 || strcasecmp(mode, "DCB") == 0)
        return diag_add(d, 0, 0, "%s %s: not supported yet", spelling(o, OPTIONS_MODE), mode);

    bool is_r = strcasecmp(mode, "R") == 0;
    if (!is_r && strcasecmp(mode, "D") != 0)
        return diag_add(d, 0, 0, "%s %s: found \"%s\", expected R or D", spelling(o, OPTIONS_MODE),
                        mode, mode);
    if (is_r && has_duration)
        return diag_add(d, 0, 0, "%s: mode R takes a request count, not a duration",
                        spelling(o, OPTIONS_DURATION));
    if (!is_r && has_count)
        return diag_add(d, 0, 0, "%s: mode D takes a duration, not a request count",
                        spelling(o, OPTIONS_REQUEST_COUNT));
    if (!is_r && !has_duration)
        return diag_add(d, 0, 0, "%s %s: the duration is missing, expected -d SECONDS",
                        spelling(o, OPTIONS_MODE), mode);
    *ret_mode = is_r ? "R" : "D";
    return 0;
}

static int check_url(const struct options *o, struct diag *d)
{
    const char *text = options_text(o, OPTIONS_URL, NULL);
    struct diag inner = {0};
    struct plan_url url;

    if (text == NULL)
        return diag_add(d, 0, 0, "the target is missing, expected --url URL; see lps --help");
    if (plan_url_parse(text, &inner, 0, 0, &url) == 0)
        plan_url_done(&url);
    else
        diag_add(d, 0, 0, "%s %s: %s", spelling(o, OPTIONS_URL), text, inner.entry[0].text);
    diag_done(&inner);
    return d->n > 0 ? -EINVAL : 0;
}

// The value under a name that differs at most in case from this one, or NULL.
static json_t *find_header(json_t *headers, const char *name)
{
    const char *key;
    json_t *value;

    json_object_foreach(headers, key, value) if (strcasecmp(key, name) == 0) return value;
    return NULL;
}

static int add_header(json_t *headers, const char *spelled, const char *text, struct diag *d)
{
    struct diag inner = {0};
    const char *colon = strchr(text, ':');
    char *name = NULL;
    int r = 0;

    if (colon == NULL) {
        r = diag_add(d, 0, 0, "%s: found \"%s\", expected \"Name: value\"", spelled, text);
        goto out;
    }
    name = xstrndup(text, (size_t)(colon - text));
    for (size_t len = strlen(name); len > 0 && name[len - 1] == ' '; len--)
        name[len - 1] = '\0';
    const char *value = colon + 1 + strspn(colon + 1, " \t");

    if (plan_check_header(name, value, &inner, 0, 0) < 0) {
        r = diag_add(d, 0, 0, "%s \"%s\": %s", spelled, text, inner.entry[0].text);
        goto out;
    }
    json_t *values = find_header(headers, name);
    if (values == NULL) {
        values = json_array();
        json_object_set_new(headers, name, values);
    }
    json_array_append_new(values, json_string(value));
out:
    diag_done(&inner);
    free(name);
    return r;
}

static int read_all(int fd, struct buf *out)
{
    char chunk[65536];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
        buf_append(out, chunk, (size_t)n);
        if (out->len > PLAN_FILES_MAX)
            return -EFBIG;
    }
    return n < 0 ? -errno : 0;
}

static int read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    int r = read_all(fd, out);
    close(fd);
    return r;
}

static int add_file(const struct options *o, const char *path, struct diag *d, struct plan_build *b)
{
    struct buf content = {0};
    uint8_t digest[32];

    int r = read_file(path, &content);
    if (r < 0) {
        buf_done(&content);
        if (r == -EFBIG)
            return diag_add(d, 0, 0, "%s: %s has more than %d MiB", spelling(o, OPTIONS_PAYLOAD),
                            path, PLAN_FILES_MAX / (1024 * 1024));
        return diag_add(d, 0, 0, "%s: cannot read %s: %s", spelling(o, OPTIONS_PAYLOAD), path,
                        strerror(-r));
    }
    struct plan_build_file *file = xcalloc(1, sizeof(*file));
    file->len = content.len;
    file->bytes = buf_take(&content);
    str_sha256(file->bytes, file->len, digest);
    str_hex(digest, sizeof(digest), file->sha256);
    b->files = file;
    b->n_files = 1;
    return 0;
}

static int add_payload(const struct options *o, json_t *request, struct diag *d,
                       struct plan_build *b)
{
    const char *text = options_text(o, OPTIONS_PAYLOAD, "");

    if (text[0] == '\0')
        return 0;
    if (strncasecmp(text, "URL:", 4) == 0)
        return diag_add(d, 0, 0, "%s URL:...: not supported yet", spelling(o, OPTIONS_PAYLOAD));
    if (strncasecmp(text, "Path:", 5) == 0) {
        int r = add_file(o, text + 5, d, b);
        if (r < 0)
            return r;
        json_object_set_new(request, "payload", json_pack("{s:s}", "file", b->files[0].sha256));
        return 0;
    }
    json_object_set_new(request, "payload", json_pack("{s:s}", "raw", text));
    return 0;
}

// JSON can hold nothing else.
static int check_utf8(const struct options *o, struct diag *d)
{
    for (enum options_id id = 1; id < OPTIONS__COUNT; id++) {
        for (size_t i = 0; i < o->value[id].n; i++) {
            json_t *json = json_string(o->value[id].text[i]);
            if (json == NULL)
                return diag_add(d, 0, 0, "%s: found bytes that are not UTF-8%s", spelling(o, id),
                                id == OPTIONS_PAYLOAD ? ", expected Path:FILE for such" : "");
            json_decref(json);
        }
    }
    return 0;
}

static int build_request(const struct options *o, struct diag *d, struct plan_build *b,
                         json_t **ret_request)
{
    const struct options_value *header = &o->value[OPTIONS_HEADER];
    json_t *headers = json_object();
    json_t *request =
        json_pack("{s:s, s:s, s:o}", "url", options_text(o, OPTIONS_URL, ""), "method",
                  options_text(o, OPTIONS_METHOD, "GET"), "headers", headers);
    int r = 0;

    for (size_t i = 0; r == 0 && i < header->n; i++)
        r = add_header(headers, header->spelling, header->text[i], d);
    if (r == 0)
        r = add_payload(o, request, d, b);
    if (r == 0)
        *ret_request = request;
    else
        json_decref(request);
    return r;
}

static json_int_t number(const struct options *o, enum options_id id, json_int_t fallback)
{
    return options_given(o, id) ? (json_int_t)o->value[id].count : fallback;
}

// Takes request.
static json_t *build_json(const struct options *o, const char *mode, json_t *request)
{
    json_t *iteration = json_pack("{s:s, s:s, s:o}", "name",
                                  options_text(o, OPTIONS_ITERATION_NAME, "Quick-Http-Iteration"),
                                  "mode", mode, "httpRequest", request);

    if (mode[0] == 'R')
        json_object_set_new(iteration, "requestCount",
                            json_integer(number(o, OPTIONS_REQUEST_COUNT, 1)));
    else
        json_object_set_new(iteration, "duration", json_integer(number(o, OPTIONS_DURATION, 1)));
    json_t *round = json_pack("{s:s, s:I, s:I, s:[o]}", "name",
                              options_text(o, OPTIONS_ROUND_NAME, "Quick-Test-Round"),
                              "numberOfClients", number(o, OPTIONS_CLIENTS, 1), "arrivalDelay",
                              number(o, OPTIONS_ARRIVAL_DELAY, 0), "iterations", iteration);
    return json_pack("{s:s, s:[o]}", "name", options_text(o, OPTIONS_NAME, "Quick-Test-Plan"),
                     "rounds", round);
}

#define ITERATION "rounds[0].iterations[0]."

// Entries about the JSON that the user never saw become entries about the option behind it.
static void name_options(const struct options *o, struct diag *d)
{
    static const struct {
        const char *key;
        enum options_id id;
    } origin[] = {
        {"name: ", OPTIONS_NAME},
        {"rounds[0].name: ", OPTIONS_ROUND_NAME},
        {ITERATION "name: ", OPTIONS_ITERATION_NAME},
        {ITERATION "httpRequest.method: ", OPTIONS_METHOD},
        {ITERATION "httpRequest.payload.raw: ", OPTIONS_PAYLOAD},
    };

    for (size_t i = 0; i < d->n && i < DIAG_MAX; i++) {
        struct diag_entry *e = &d->entry[i];
        e->line = 0;
        for (size_t k = 0; k < sizeof(origin) / sizeof(origin[0]); k++) {
            size_t len = strlen(origin[k].key);
            if (!options_given(o, origin[k].id) || strncmp(e->text, origin[k].key, len) != 0)
                continue;
            char *text = xasprintf("%s: %s", spelling(o, origin[k].id), e->text + len);
            free(e->text);
            e->text = text;
            break;
        }
    }
}

int plan_build(const struct options *o, struct diag *d, struct plan_build *ret_build)
{
    const char *mode = NULL;
    json_t *request = NULL;

    *ret_build = (struct plan_build){0};
    int r = check_url(o, d);
    if (r == 0)
        r = check_utf8(o, d);
    if (r == 0)
        r = choose_mode(o, d, &mode);
    if (r == 0)
        r = build_request(o, d, ret_build, &request);
    if (r < 0)
        return r;

    json_t *json = build_json(o, mode, request);
    char *text = json_dumps(json, JSON_COMPACT);
    r = plan_parse(text, strlen(text), d, &ret_build->plan);
    if (r < 0)
        name_options(o, d);
    free(text);
    json_decref(json);
    return r;
}
