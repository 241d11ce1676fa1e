// What a request says: method, version, headers, certificate.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/jtext.h"
#include "common/plan_impl.h"
#include "common/script/tmpl.h"
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
                                           "payload",
                                           "skipIf",
                                           "before",
                                           "after",
                                           "retry",
                                           "capture",
                                           "downloadHtmlEmbeddedResources",
                                           "saveResponse"};
// The certificate is a file: by its hash, or in a source by its path.
#define CERTIFICATE_KEY 6

static const struct plan_word versions[] = {
    {"2.0", PLAN_VERSION_2},        {"1.1", PLAN_VERSION_1_1},    {"1.0", PLAN_VERSION_1_0},
    {"HTTP/2", PLAN_VERSION_2},     {"HTTP/2.0", PLAN_VERSION_2}, {"HTTP/1.1", PLAN_VERSION_1_1},
    {"HTTP/1.0", PLAN_VERSION_1_0},
};

// The text of the only entry goes under the name and place of the walk.
static void pass_on(struct plan_reader *r, const char *key, struct diag *inner)
{
    if (key != NULL)
        jcheck_fail_key(&r->c, key, "%s", inner->entry[0].text);
    else
        jcheck_fail(&r->c, "%s", inner->entry[0].text);
    diag_done(inner);
}

const char *plan_method(const char *text)
{
    static const char *const methods[] = {"GET",    "HEAD",    "POST",    "PUT",  "PATCH",
                                          "DELETE", "CONNECT", "OPTIONS", "TRACE"};

    for (size_t i = 0; i < PLAN_N_OF(methods); i++)
        if (strcasecmp(text, methods[i]) == 0)
            return methods[i];
    return NULL;
}

static char *read_method(struct plan_reader *r, json_t *request)
{
    struct jcheck_place back;
    json_t *value = plan_enter(r, request, "method", &back);

    if (value == NULL)
        return xstrdup("GET");
    char *method = plan_text(r, value);
    if (method != NULL && tmpl_is_needed(method, strlen(method))) {
        plan_check_template(r, method, false);
    } else if (method != NULL) {
        for (char *p = method; *p != '\0'; p++)
            *p = (char)toupper((unsigned char)*p);
        if (plan_method(method) == NULL)
            plan_wrong(r, method, "GET, HEAD, POST, PUT, PATCH, DELETE, CONNECT, OPTIONS or TRACE");
    }
    jcheck_leave(&r->c, back);
    return method != NULL ? method : xstrdup("");
}

bool plan_is_secret_header(const char *name)
{
    static const char *const names[] = {"Authorization", "Proxy-Authorization", "Cookie"};

    for (size_t i = 0; i < PLAN_N_OF(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

static void add_header(struct plan_reader *r, struct plan_iteration *it, const char *name,
                       const json_t *value)
{
    char *text = plan_text(r, value);
    struct diag inner = {0};

    if (text == NULL)
        return;
    if (plan_check_header(name, text, &inner, 0, 0) < 0) {
        pass_on(r, NULL, &inner);
    } else if (it->n_headers == PLAN_HEADERS_MAX) {
        jcheck_fail(&r->c, "found more than %d header values", PLAN_HEADERS_MAX);
    } else if (plan_check_template(r, text, plan_is_secret_header(name)) == 0) {
        it->headers = xreallocarray(it->headers, it->n_headers + 1, sizeof *it->headers);
        it->headers[it->n_headers++] = (struct plan_header){xstrdup(name), text};
        return;
    }
    free(text);
}

static void read_header(struct plan_reader *r, json_t *value, const char *name,
                        struct plan_iteration *it)
{
    struct jcheck_place back = jcheck_key(&r->c, name);

    if (!json_is_array(value)) {
        add_header(r, it, name, value);
    } else if (json_array_size(value) == 0) {
        jcheck_fail(&r->c, "found an empty list, expected a text or a list of texts");
    } else {
        for (size_t i = 0; i < json_array_size(value); i++) {
            struct jcheck_place list = jcheck_index(&r->c, i);
            add_header(r, it, name, json_array_get(value, i));
            jcheck_leave(&r->c, list);
        }
    }
    jcheck_leave(&r->c, back);
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

static void check_headers(struct plan_reader *r, json_t *headers, struct plan_iteration *it)
{
    size_t n = json_object_size(headers);

    if (n > PLAN_HEADERS_MAX) {
        jcheck_fail(&r->c, "found %zu headers, expected at most %d", n, PLAN_HEADERS_MAX);
        return;
    }
    const char **names = sorted_names(headers);
    for (size_t i = 0; i < n; i++) {
        struct diag inner = {0};
        if (plan_check_header(names[i], "", &inner, 0, 0) < 0) {
            pass_on(r, names[i], &inner);
            continue;
        }
        for (size_t j = 0; j < i; j++)
            if (strcasecmp(names[i], names[j]) == 0)
                jcheck_fail_key(&r->c, names[i],
                                "found %s and %s, expected one of them with a list", names[j],
                                names[i]);
        read_header(r, json_object_get(headers, names[i]), names[i], it);
    }
    free(names);
}

static void read_headers(struct plan_reader *r, json_t *request, struct plan_iteration *it)
{
    struct jcheck_place back;
    json_t *headers = plan_enter_object(r, request, "headers", &back);

    if (headers == NULL)
        return;
    check_headers(r, headers, it);
    jcheck_leave(&r->c, back);
}

static void read_version(struct plan_reader *r, json_t *request, struct plan_iteration *it)
{
    const char *why = NULL;

    it->version =
        (enum plan_version)plan_read_word(r, request, "version", versions, PLAN_N_OF(versions),
                                          "\"1.0\", \"1.1\" or \"2.0\"", PLAN_VERSION_2);
    it->h2c = plan_read_bool(r, request, "supportH2C");
    if (it->h2c && it->url.tls)
        why = "an URL with https://, expected http://";
    else if (it->h2c && it->version != PLAN_VERSION_2 && it->version != PLAN_VERSION_UNDEFINED)
        why = "a version below 2.0, expected 2.0";
    if (why != NULL)
        plan_fail_at(r, request, "supportH2C", "found true and %s", why);
}

static void check_extension(struct plan_reader *r, json_t *request, const char *key,
                            const char *path)
{
    static const char *const extensions[] = {".pfx", ".p12", ".pem", ".cer", ".crt"};
    const char *dot = strrchr(path, '.');
    struct jcheck_place back;

    for (size_t i = 0; dot != NULL && i < PLAN_N_OF(extensions); i++)
        if (strcasecmp(dot, extensions[i]) == 0)
            return;
    back = jcheck_key(&r->c, plan_key(r, request, key));
    plan_wrong(r, path, "a file that ends in .pfx, .p12, .pem, .cer or .crt");
    jcheck_leave(&r->c, back);
}

static void read_certificate(struct plan_reader *r, json_t *request, struct plan_iteration *it)
{
    const char *key = r->source != NULL ? "clientCertificatePath" : "clientCertificate";
    bool has = plan_find(r, request, key) != NULL;
    char *path = NULL;

    it->certificate_password =
        plan_read_text(r, request, "clientCertificatePassword", PLAN_PASSWORD_MAX, true);
    plan_read_file(r, request, key, PLAN_USE_CERTIFICATE, it->certificate_password, it->certificate,
                   &path);
    if (r->source != NULL && path != NULL && it->certificate[0] != '\0')
        check_extension(r, request, key, path);
    free(path);
    if (it->certificate[0] != '\0' && it->url.text != NULL && !it->url.tls)
        plan_fail_at(r, request, key,
                     "found a certificate and an URL with http://, expected https://");
    if (it->certificate_password != NULL && !has)
        plan_fail_at(r, request, "clientCertificatePassword",
                     "found a password without a certificate");
}

void plan_read_request(struct plan_reader *r, json_t *request, struct plan_iteration *it)
{
    const char *keys[PLAN_N_OF(request_keys)];

    memcpy(keys, request_keys, sizeof keys);
    if (r->source != NULL)
        keys[CERTIFICATE_KEY] = "clientCertificatePath";
    plan_check_keys(r, request, keys, PLAN_N_OF(keys));
    plan_read_url(r, request, &it->url);
    it->method = read_method(r, request);
    read_version(r, request, it);
    read_certificate(r, request, it);
    read_headers(r, request, it);
    plan_read_payload(r, request, it);
    it->request_skip_if = plan_read_condition(r, request, "skipIf", false);
    it->request_before = plan_read_hooks(r, request, "before", &it->n_request_before);
    it->request_after = plan_read_hooks(r, request, "after", &it->n_request_after);
    plan_read_retry(r, request, it);
    plan_read_capture(r, request, it);
    it->with_resources = plan_read_bool(r, request, "downloadHtmlEmbeddedResources");
    it->save_response = plan_read_bool(r, request, "saveResponse");
}
