#include "common/plan.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/jtext.h"
#include "common/plan_impl.h"
#include "common/str.h"

static const char *const request_keys[] = {"url",
                                           "method",
                                           "httpMethod",
                                           "version",
                                           "httpVersion",
                                           "supportH2C",
                                           "clientCertificate",
                                           "clientCertificatePassword",
                                           "headers",
                                           "httpHeaders",
                                           "payload"};
static const char *const payload_keys[] = {"raw", "file"};

static const char *const methods[] = {"GET",    "HEAD",    "POST",    "PUT",  "PATCH",
                                      "DELETE", "CONNECT", "OPTIONS", "TRACE"};

static const struct plan_word versions[] = {
    {"2.0", PLAN_VERSION_2},        {"1.1", PLAN_VERSION_1_1},    {"1.0", PLAN_VERSION_1_0},
    {"HTTP/2", PLAN_VERSION_2},     {"HTTP/2.0", PLAN_VERSION_2}, {"HTTP/1.1", PLAN_VERSION_1_1},
    {"HTTP/1.0", PLAN_VERSION_1_0},
};

// The text of the only entry goes under the name and place of the walk.
static void pass_on(struct jcheck *c, const char *key, struct diag *inner)
{
    if (key != NULL)
        jcheck_fail_key(c, key, "%s", inner->entry[0].text);
    else
        jcheck_fail(c, "%s", inner->entry[0].text);
    diag_done(inner);
}

static void read_url(struct jcheck *c, json_t *request, struct plan_url *url)
{
    json_t *value = plan_require(c, request, "url");
    const char *text;
    struct diag inner = {0};

    if (value == NULL)
        return;
    struct jcheck_place back = jcheck_key(c, "url");
    if (jcheck_text(c, value, &text) == 0 && plan_url_parse(text, &inner, 0, 0, url) < 0)
        pass_on(c, NULL, &inner);
    jcheck_leave(c, back);
}

static bool is_method(const char *text)
{
    for (size_t i = 0; i < PLAN_N_OF(methods); i++)
        if (strcmp(text, methods[i]) == 0)
            return true;
    return false;
}

static char *read_method(struct jcheck *c, json_t *request)
{
    const char *key = plan_either(c, request, "method", "httpMethod"), *text = "GET";
    json_t *value = json_object_get(request, key);
    char quote[JTEXT_QUOTE_SIZE];

    if (value == NULL)
        return xstrdup(text);
    struct jcheck_place back = jcheck_key(c, key);
    int r = jcheck_text(c, value, &text);
    char *method = xstrdup(text);
    for (char *p = method; *p != '\0'; p++)
        *p = (char)toupper((unsigned char)*p);
    if (r == 0 && plan_has_placeholder(method))
        jcheck_fail(c, "placeholders are not supported yet");
    else if (r == 0 && !is_method(method))
        jcheck_fail(c,
                    "found %s, expected GET, HEAD, POST, PUT, PATCH, DELETE, CONNECT, OPTIONS or "
                    "TRACE",
                    jtext_quote(value, quote, sizeof quote));
    jcheck_leave(c, back);
    return method;
}

static void add_header(struct jcheck *c, struct plan_iteration *it, const char *name,
                       const json_t *value)
{
    const char *text;
    struct diag inner = {0};

    if (jcheck_text(c, value, &text) < 0)
        return;
    if (plan_check_header(name, text, &inner, 0, 0) < 0) {
        pass_on(c, NULL, &inner);
        return;
    }
    if (it->n_headers == PLAN_HEADERS_MAX) {
        jcheck_fail(c, "found more than %d header values", PLAN_HEADERS_MAX);
        return;
    }
    it->headers = xreallocarray(it->headers, it->n_headers + 1, sizeof *it->headers);
    it->headers[it->n_headers++] = (struct plan_header){xstrdup(name), xstrdup(text)};
}

static void read_header(struct jcheck *c, json_t *value, const char *name,
                        struct plan_iteration *it)
{
    struct jcheck_place back = jcheck_key(c, name);

    if (!json_is_array(value)) {
        add_header(c, it, name, value);
    } else if (json_array_size(value) == 0) {
        jcheck_fail(c, "found an empty list, expected a text or a list of texts");
    } else {
        for (size_t i = 0; i < json_array_size(value); i++) {
            struct jcheck_place list = jcheck_index(c, i);
            add_header(c, it, name, json_array_get(value, i));
            jcheck_leave(c, list);
        }
    }
    jcheck_leave(c, back);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// The names of an object, sorted; the caller frees the array.
static const char **sorted_names(json_t *object)
{
    const char **names = xcalloc(json_object_size(object), sizeof *names);
    const char *name;
    json_t *value;
    size_t n = 0;

    json_object_foreach(object, name, value) names[n++] = name;
    qsort(names, n, sizeof *names, by_name);
    return names;
}

static void read_headers(struct jcheck *c, json_t *headers, struct plan_iteration *it)
{
    size_t n = json_object_size(headers);

    if (n > PLAN_HEADERS_MAX) {
        jcheck_fail(c, "found %zu headers, expected at most %d", n, PLAN_HEADERS_MAX);
        return;
    }
    const char **names = sorted_names(headers);
    for (size_t i = 0; i < n; i++) {
        struct diag inner = {0};
        if (plan_check_header(names[i], "", &inner, 0, 0) < 0) {
            pass_on(c, names[i], &inner);
            continue;
        }
        for (size_t j = 0; j < i; j++)
            if (strcasecmp(names[i], names[j]) == 0)
                jcheck_fail_key(c, names[i], "found %s and %s, expected one of them with a list",
                                names[j], names[i]);
        read_header(c, json_object_get(headers, names[i]), names[i], it);
    }
    free(names);
}

// The name of a file beside the plan: its SHA-256.
static void read_hash(struct jcheck *c, json_t *object, const char *key, char ret_hash[65])
{
    json_t *value = json_object_get(object, key);
    const char *text;
    uint8_t digest[32];
    char quote[JTEXT_QUOTE_SIZE];

    if (value == NULL)
        return;
    struct jcheck_place back = jcheck_key(c, key);
    if (jcheck_text(c, value, &text) == 0) {
        if (str_unhex(text, sizeof digest, digest) < 0)
            jcheck_fail(c, "found %s, expected the file's SHA-256 in 64 hex digits",
                        jtext_quote(value, quote, sizeof quote));
        else
            str_hex(digest, sizeof digest, ret_hash);
    }
    jcheck_leave(c, back);
}

// NULL where it is absent, empty or wrong.
static char *read_text(struct jcheck *c, json_t *object, const char *key, size_t max)
{
    json_t *value = json_object_get(object, key);
    const char *text = "";

    if (value == NULL)
        return NULL;
    struct jcheck_place back = jcheck_key(c, key);
    if (jcheck_text(c, value, &text) == 0) {
        if (plan_has_placeholder(text))
            jcheck_fail(c, "placeholders are not supported yet");
        else if (strlen(text) > max)
            jcheck_fail(c, "found %zu bytes, expected at most %zu", strlen(text), max);
    }
    jcheck_leave(c, back);
    return *text != '\0' ? xstrdup(text) : NULL;
}

static void read_payload(struct jcheck *c, json_t *payload, struct plan_iteration *it)
{
    bool raw = json_object_get(payload, "raw") != NULL;
    bool file = json_object_get(payload, "file") != NULL;

    plan_check_keys(c, payload, payload_keys, PLAN_N_OF(payload_keys));
    if (raw == file) {
        jcheck_fail(c, "found %s, expected one of \"raw\" and \"file\"", raw ? "both" : "neither");
        return;
    }
    read_hash(c, payload, "file", it->payload_file);
    it->payload = read_text(c, payload, "raw", PLAN_BYTES_MAX);
}

static void read_version(struct jcheck *c, json_t *request, struct plan_iteration *it)
{
    const char *key = plan_either(c, request, "version", "httpVersion");
    const char *why = NULL;

    it->version = (enum plan_version)plan_read_word(c, request, key, versions, PLAN_N_OF(versions),
                                                    "\"1.0\", \"1.1\" or \"2.0\"", PLAN_VERSION_2);
    it->h2c = plan_read_bool(c, request, "supportH2C");
    if (it->h2c && it->url.tls)
        why = "an URL with https://, expected http://";
    else if (it->h2c && it->version != PLAN_VERSION_2 && it->version != PLAN_VERSION_UNDEFINED)
        why = "a version below 2.0, expected 2.0";
    if (why != NULL) {
        struct jcheck_place back = jcheck_key(c, "supportH2C");
        jcheck_fail(c, "found true and %s", why);
        jcheck_leave(c, back);
    }
}

static void read_certificate(struct jcheck *c, json_t *request, struct plan_iteration *it)
{
    struct jcheck_place back;

    read_hash(c, request, "clientCertificate", it->certificate);
    it->certificate_password =
        read_text(c, request, "clientCertificatePassword", PLAN_PASSWORD_MAX);
    if (it->certificate[0] != '\0' && it->url.text != NULL && !it->url.tls) {
        back = jcheck_key(c, "clientCertificate");
        jcheck_fail(c, "found a certificate and an URL with http://, expected https://");
        jcheck_leave(c, back);
    }
    if (it->certificate_password != NULL && json_object_get(request, "clientCertificate") == NULL) {
        back = jcheck_key(c, "clientCertificatePassword");
        jcheck_fail(c, "found a password without a certificate");
        jcheck_leave(c, back);
    }
}

void plan_read_request(struct jcheck *c, json_t *request, struct plan_iteration *it)
{
    plan_check_keys(c, request, request_keys, PLAN_N_OF(request_keys));
    read_url(c, request, &it->url);
    it->method = read_method(c, request);
    read_version(c, request, it);
    read_certificate(c, request, it);
    plan_read_member(c, request, plan_either(c, request, "headers", "httpHeaders"), read_headers,
                     it);
    plan_read_member(c, request, "payload", read_payload, it);
}
