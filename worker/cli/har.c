#include "worker/cli/har.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/jtext.h"
#include "common/plan.h"
#include "common/str.h"
#include "worker/cli/har_impl.h"

#define N_OF(array) (sizeof(array) / sizeof *(array))
#define LIST(array) ((struct har_list){array, N_OF(array)})

const char *const har_rule_name[HAR_RULE__COUNT] = {
    [HAR_RULE_UNDEFINED] = "undefined",
    [HAR_NO_REQUEST] = "no HTTP request",
    [HAR_OTHER_HOST] = "another host",
    [HAR_IGNORED_HOST] = "ignored host",
    [HAR_IGNORED_PATH] = "ignored path",
    [HAR_IGNORED_METHOD] = "ignored method",
    [HAR_IGNORED_TYPE] = "ignored resource type",
    [HAR_IGNORED_EXTENSION] = "ignored extension",
    [HAR_IGNORED_CONTENT] = "ignored content type",
};

static const char *const paths[] = {"/cdn-cgi/"};
static const char *const types[] = {"image", "stylesheet", "font", "media", "manifest", "other"};
static const char *const extensions[] = {".css", ".js",  ".mjs",  ".png", ".jpg",  ".jpeg",
                                         ".gif", ".svg", ".webp", ".ico", ".woff", ".woff2",
                                         ".ttf", ".eot", ".map",  ".mp4", ".avif"};
static const char *const content_types[] = {"text/css", "javascript", "image/",
                                            "font/",    "video/",     "audio/"};

const char *har_text(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);

    return text != NULL && strlen(text) == json_string_length(value) ? text : NULL;
}

bool har_has(struct har_list list, const char *word)
{
    for (size_t i = 0; i < list.n; i++)
        if (strcasecmp(list.item[i], word) == 0)
            return true;
    return false;
}

bool har_has_part(struct har_list list, const char *text)
{
    for (size_t i = 0; i < list.n; i++)
        if (*list.item[i] != '\0' && strcasestr(text, list.item[i]) != NULL)
            return true;
    return false;
}

// --- Hosts ---

// Host and port of "host", "host:port", "[::1]:port"; port 0 where there is none.
static void split_authority(const char *text, size_t len, char **ret_host, unsigned *ret_port)
{
    const char *user = memrchr(text, '@', len);

    if (user != NULL) {
        len -= (size_t)(user + 1 - text);
        text = user + 1;
    }
    const char *colon = memrchr(text, ':', len), *bracket = memrchr(text, ']', len);
    if (colon != NULL && bracket != NULL && colon < bracket)
        colon = NULL;
    *ret_port = colon == NULL ? 0 : (unsigned)strtoul(colon + 1, NULL, 10);
    *ret_host = xstrndup(text, colon == NULL ? len : (size_t)(colon - text));
    for (char *p = *ret_host; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
}

int har_url_parse(const char *text, struct har_url *ret_url)
{
    bool secure = strncasecmp(text, "https://", 8) == 0;
    struct har_url url;

    if (!secure && strncasecmp(text, "http://", 7) != 0)
        return -EINVAL;
    text += secure ? 8 : 7;
    size_t len = strcspn(text, "/?#");
    if (len == 0)
        return -EINVAL;
    split_authority(text, len, &url.host, &url.port);
    if (url.port == 0)
        url.port = secure ? 443 : 80;
    url.path = xstrndup(text + len, strcspn(text + len, "?#"));
    *ret_url = url;
    return 0;
}

void har_url_done(struct har_url *url)
{
    free(url->host);
    free(url->path);
}

static bool has_host(struct har_list list, const struct har_url *url)
{
    for (size_t i = 0; i < list.n; i++) {
        const char *scheme = strstr(list.item[i], "://");
        const char *text = scheme == NULL ? list.item[i] : scheme + 3;
        char *host;
        unsigned port;
        split_authority(text, strcspn(text, "/?#"), &host, &port);
        bool is = strcmp(host, url->host) == 0 && (port == 0 || port == url->port);
        free(host);
        if (is)
            return true;
    }
    return false;
}

// --- What is kept ---

// Of the last segment, with its point; NULL: none.
static const char *extension_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return strrchr(slash == NULL ? path : slash, '.');
}

static bool has_extension(struct har_list list, const char *extension)
{
    for (size_t i = 0; i < list.n; i++)
        if (strcasecmp(list.item[i] + (*list.item[i] == '.'), extension + 1) == 0)
            return true;
    return false;
}

// HAR_RULE_UNDEFINED: kept.
static enum har_rule judge(const json_t *entry, const struct har_url *url, const char *method,
                           const struct har_options *o)
{
    const json_t *content = json_object_get(json_object_get(entry, "response"), "content");
    const char *type = har_text(entry, "_resourceType");
    const char *content_type = har_text(content, "mimeType");
    const char *extension = extension_of(url->path);

    if (o->only_hosts.n > 0 && !has_host(o->only_hosts, url))
        return HAR_OTHER_HOST;
    if (has_host(o->ignore_hosts, url))
        return HAR_IGNORED_HOST;
    if (har_has_part(LIST(paths), url->path) || har_has_part(o->ignore_paths, url->path))
        return HAR_IGNORED_PATH;
    if (plan_method(method) == NULL || har_has(o->ignore_methods, method))
        return HAR_IGNORED_METHOD;
    if (type != NULL && (har_has(LIST(types), type) || har_has(o->ignore_types, type)))
        return HAR_IGNORED_TYPE;
    if (extension != NULL && (has_extension(LIST(extensions), extension) ||
                              has_extension(o->ignore_extensions, extension)))
        return HAR_IGNORED_EXTENSION;
    if (content_type != NULL && (har_has_part(LIST(content_types), content_type) ||
                                 har_has_part(o->ignore_content_types, content_type)))
        return HAR_IGNORED_CONTENT;
    return HAR_RULE_UNDEFINED;
}

// --- When ---

// ISO 8601 with a zone, "2026-01-31T09:30:00.125+01:00", in ms since 1970; NAN: none.
static double parse_time(const char *text)
{
    struct tm tm = {0};
    double second;
    int n = 0, hours = 0, minutes = 0;

    if (text == NULL ||
        sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &n) != 5 ||
        n == 0)
        return NAN;
    char *rest;
    if (!isdigit((unsigned char)text[n]))
        return NAN;
    second = strtod(text + n, &rest);
    tm.tm_year -= 1900;
    tm.tm_mon--;
    if (*rest == '+' || *rest == '-') {
        if (sscanf(rest + 1, "%2d%*1[:]%2d", &hours, &minutes) < 2)
            sscanf(rest + 1, "%2d%2d", &hours, &minutes);
        int ahead = (hours * 60 + minutes) * (*rest == '-' ? -1 : 1);
        tm.tm_min -= ahead;
    }
    return ((double)timegm(&tm) + second) * 1000;
}

// An entry that is kept.
struct kept {
    const json_t *request;
    double start_ms, end_ms;
    char *name;
    size_t i;
};

static int by_start(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;

    if (x->start_ms != y->start_ms)
        return x->start_ms < y->start_ms ? -1 : 1;
    return x->i < y->i ? -1 : 1;
}

// --- Iterations ---

static json_t *make_iteration(const struct kept *k, double gap_ms, const struct har_options *o,
                              struct har *h)
{
    double most = o->max_think_ms == 0 || o->max_think_ms > PLAN_DELAY_MAX_MS
                      ? PLAN_DELAY_MAX_MS
                      : (double)o->max_think_ms;
    json_t *it = json_object();

    json_object_set_new(it, "name", json_string(k->name));
    json_object_set_new(it, "mode", json_string(o->duration_s > 0 ? "D" : "R"));
    if (o->duration_s > 0)
        json_object_set_new(it, "duration", json_integer((json_int_t)o->duration_s));
    else
        json_object_set_new(it, "requestCount",
                            json_integer(o->request_count > 0 ? (json_int_t)o->request_count : 1));
    if (o->think_time && gap_ms >= 1)
        json_object_set_new(it, "delay", json_integer((json_int_t)(gap_ms < most ? gap_ms : most)));
    json_object_set_new(it, "httpRequest", har_request(k->request, o, h));
    return it;
}

static bool keep(const json_t *entry, const struct har_options *o, struct har *h,
                 struct kept *ret_kept)
{
    const json_t *request = json_object_get(entry, "request");
    const char *method = har_text(request, "method"), *text = har_text(request, "url");
    struct har_url url;

    if (method == NULL || *method == '\0' || text == NULL || har_url_parse(text, &url) < 0) {
        h->n_left_out[HAR_NO_REQUEST]++;
        return false;
    }
    enum har_rule rule = judge(entry, &url, method, o);
    if (rule == HAR_RULE_UNDEFINED) {
        double took_ms = json_number_value(json_object_get(entry, "time"));
        *ret_kept = (struct kept){.request = request,
                                  .start_ms = parse_time(har_text(entry, "startedDateTime")),
                                  .name = har_name(method, &url)};
        ret_kept->end_ms = ret_kept->start_ms + (took_ms > 0 ? took_ms : 0);
    } else {
        h->n_left_out[rule]++;
    }
    har_url_done(&url);
    return rule == HAR_RULE_UNDEFINED;
}

static void convert(const json_t *entries, const struct har_options *o, struct har *h)
{
    struct kept *kept = xcalloc(json_array_size(entries), sizeof *kept);
    size_t n = 0, i;
    const json_t *entry;

    json_array_foreach(entries, i, entry)
    {
        h->n_entries++;
        if (!keep(entry, o, h, &kept[n]))
            continue;
        kept[n].i = n;
        if (isnan(kept[n].start_ms)) // stays behind the one before
            kept[n].start_ms = kept[n].end_ms = n > 0 ? kept[n - 1].start_ms : 0;
        n++;
    }
    qsort(kept, n, sizeof *kept, by_start);
    for (i = 0; i < n; i++) {
        double gap_ms = i == 0 ? 0 : kept[i].start_ms - kept[i - 1].end_ms;
        json_array_append_new(h->iterations, make_iteration(&kept[i], gap_ms, o, h));
        free(kept[i].name);
    }
    free(kept);
}

// A recording with a list of entries. Recordings hold what no plan may: NULs and the same name
// twice, in bodies of answers; so jtext only says what is wrong where nothing can be read.
static int load(const char *text, size_t len, struct diag *d, json_t **ret_json)
{
    json_t *json = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    json_t *entries = json_object_get(json_object_get(json, "log"), "entries");

    if (json == NULL)
        return jtext_parse(text, len, d, &json);
    if (json_is_array(entries) && json_array_size(entries) <= HAR_ENTRIES_MAX) {
        *ret_json = json;
        return 0;
    }
    if (json_is_array(entries))
        diag_add(d, 0, 0, "found %zu requests, expected at most %d", json_array_size(entries),
                 HAR_ENTRIES_MAX);
    else
        diag_add(d, 0, 0, "found no list log.entries, expected a recording in the HAR format");
    json_decref(json);
    return -EINVAL;
}

int har_read(const char *text, size_t len, const struct har_options *o, struct diag *d,
             struct har *ret_har)
{
    struct har h = {0};
    json_t *json = NULL;

    if (len > HAR_BYTES_MAX)
        return diag_add(d, 0, 0, "found more than %d MiB", HAR_BYTES_MAX >> 20);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { // a byte order mark
        text += 3;
        len -= 3;
    }
    int ret = load(text, len, d, &json);
    if (ret < 0)
        return ret;
    h.iterations = json_array();
    h.files = json_array();
    h.variables = json_array();
    convert(json_object_get(json_object_get(json, "log"), "entries"), o, &h);
    json_decref(json);
    *ret_har = h;
    return 0;
}

void har_done(struct har *h)
{
    json_decref(h->iterations);
    json_decref(h->files);
    json_decref(h->variables);
    h->iterations = h->files = h->variables = NULL;
}
