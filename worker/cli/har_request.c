#include "worker/cli/har_impl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/plan.h"
#include "common/str.h"
#include "worker/cli/plan_find.h"

#define N_OF(array)      (sizeof(array) / sizeof *(array))
#define LIST(array)      ((struct har_list){array, N_OF(array)})
#define HEADER_NAME_MAX  256
#define HEADER_VALUE_MAX 16384

// What belongs to the connection, or is made anew.
static const char *const dropped[] = {"host",       "content-length",   "connection",
                                      "keep-alive", "accept-encoding",  "proxy-connection",
                                      "upgrade",    "transfer-encoding"};
static const char *const browser_prefixes[] = {"sec-ch-*", "sec-fetch-*", "priority*",
                                               "upgrade-insecure-requests*"};

// As a text of a plan, where "$" begins a placeholder.
static json_t *plan_text(const char *text)
{
    struct buf out = {0};

    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '$')
            buf_puts(&out, "$");
        buf_append(&out, p, 1);
    }
    char *copy = buf_take(&out);
    json_t *json = json_string(copy);
    free(copy);
    return json;
}

// --- Headers ---

static bool has_pattern(struct har_list list, const char *name)
{
    for (size_t i = 0; i < list.n; i++) {
        size_t len = strlen(list.item[i]);
        bool is_prefix = len > 0 && list.item[i][len - 1] == '*';
        if (is_prefix ? strncasecmp(name, list.item[i], len - 1) == 0
                      : strcasecmp(name, list.item[i]) == 0)
            return true;
    }
    return false;
}

// A token (RFC 9110 section 5.6.2), which those of HTTP/2 that begin with ':' are not.
static bool is_name(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= HEADER_NAME_MAX &&
           name[strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

static bool is_value(const char *value)
{
    return strlen(value) <= HEADER_VALUE_MAX && strpbrk(value, "\r\n") == NULL &&
           value[strspn(value, " \t")] != '\0';
}

// A name that comes again gives a list; cookies are one value (RFC 6265 section 5.4).
static void add_header(json_t *headers, const char *name, const char *value)
{
    json_t *have = plan_find_header(headers, name), *text = plan_text(value);

    if (have == NULL) {
        json_object_set_new(headers, name, text);
    } else if (json_is_array(have)) {
        json_array_append_new(have, text);
    } else if (strcasecmp(name, "cookie") == 0) {
        char *both = xasprintf("%s; %s", json_string_value(have), json_string_value(text));
        json_string_set(have, both);
        free(both);
        json_decref(text);
    } else {
        const char *key;
        json_t *old, *list = json_pack("[O, o]", have, text);
        void *next;
        json_object_foreach_safe(headers, next, key, old) if (old == have)
        {
            json_object_set_new(headers, key, list);
            break;
        }
    }
}

// Headers that authenticate, and the variables that hold their values.
static const struct secret {
    const char *header, *variable;
} secrets[] = {
    {"authorization", "recordedAuthorization"},
    {"proxy-authorization", "recordedProxyAuthorization"},
    {"cookie", "recordedCookie"},
};

// "$recordedCookie": the variable with this value, made where there is none yet. The value is that
// of a plan already. A new reference; NULL: there are too many.
static json_t *refer(const char *variable, const json_t *value, json_t *variables)
{
    size_t n_alike = 0, i, len = strlen(variable);
    const json_t *v;

    json_array_foreach(variables, i, v)
    {
        const char *name = har_text(v, "name");
        if (strncmp(name, variable, len) != 0)
            continue;
        if (json_equal(json_object_get(v, "value"), value))
            return json_sprintf("$%s", name);
        n_alike++;
    }
    if (json_array_size(variables) == HAR_SECRETS_MAX)
        return NULL;
    char *name = n_alike == 0 ? xstrdup(variable) : xasprintf("%s%zu", variable, n_alike + 1);
    json_array_append_new(
        variables, json_pack("{s: s, s: O, s: b}", "name", name, "value", value, "secret", 1));
    json_t *reference = json_sprintf("$%s", name);
    free(name);
    return reference;
}

// Values of name, one or a list, become references.
static void hide(json_t *headers, const char *name, const char *variable, struct har *h)
{
    json_t *value = json_incref(json_object_get(headers, name)), *one;
    json_t *list = json_is_array(value) ? json_incref(value) : json_pack("[O]", value);
    json_t *hidden = json_array();
    size_t i;

    json_array_foreach(list, i, one)
    {
        json_t *reference = refer(variable, one, h->variables);
        if (reference != NULL)
            json_array_append_new(hidden, reference);
        else
            h->n_lost_secrets++;
    }
    if (json_array_size(hidden) == 0)
        json_object_del(headers, name);
    else
        json_object_set(headers, name,
                        json_array_size(hidden) == 1 ? json_array_get(hidden, 0) : hidden);
    json_decref(hidden);
    json_decref(list);
    json_decref(value);
}

static void hide_secrets(json_t *headers, struct har *h)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe(headers, next, key, value)
    {
        for (const struct secret *s = secrets; s < secrets + N_OF(secrets); s++) {
            if (strcasecmp(key, s->header) != 0)
                continue;
            char *name = xstrdup(key); // dies with the member
            hide(headers, name, s->variable, h);
            free(name);
            break;
        }
    }
}

static json_t *make_headers(const json_t *recorded, const struct har_options *o, bool is_multipart)
{
    json_t *headers = json_object();
    size_t i, n = 0;
    const json_t *header;

    json_array_foreach(recorded, i, header)
    {
        const char *name = har_text(header, "name"), *value = har_text(header, "value");
        if (name == NULL || value == NULL || !is_name(name) || !is_value(value) ||
            har_has(LIST(dropped), name) || has_pattern(o->ignore_headers, name) ||
            (o->minimal_headers && has_pattern(LIST(browser_prefixes), name)) ||
            (is_multipart && strcasecmp(name, "content-type") == 0)) // has another boundary then
            continue;
        if (n++ == PLAN_HEADERS_MAX)
            break;
        add_header(headers, name, value);
    }
    return headers;
}

// --- Bodies ---

// A file's place beside the plan: "files/" and its last name, in harmless letters.
static char *file_path(const char *name)
{
    const char *last = name;

    for (const char *c = name; *c != '\0'; c++)
        if (*c == '/' || *c == '\\')
            last = c + 1;
    char *path = xasprintf("files/%s", last);
    char *p = path + strlen("files/");

    if (p[strspn(p, ".")] == '\0') { // "", ".", ".."
        free(path);
        return xstrdup("files/file");
    }
    for (; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("._- ", *p) == NULL)
            *p = '_';
    return path;
}

static json_t *make_part(const json_t *param, struct har *h, bool *ret_is_file)
{
    const char *name = har_text(param, "name"), *value = har_text(param, "value");
    const char *file = har_text(param, "fileName"), *type = har_text(param, "contentType");
    json_t *part = json_object();

    json_object_set_new(part, "name", plan_text(name == NULL ? "" : name));
    if (file != NULL) {
        char *path = file_path(file);
        json_object_set_new(part, "path", json_string(path));
        json_array_append_new(h->files, json_string(path));
        free(path);
    } else {
        json_object_set_new(part, "value", plan_text(value == NULL ? "" : value));
    }
    if (type != NULL && *type != '\0' && (file != NULL || strcasecmp(type, "text/plain") != 0))
        json_object_set_new(part, "contentType", plan_text(type));
    *ret_is_file = file != NULL;
    return part;
}

static json_t *make_multipart(const json_t *params, struct har *h)
{
    json_t *fields = json_array(), *files = json_array(), *multipart = json_object();
    size_t i;
    const json_t *param;

    json_array_foreach(params, i, param)
    {
        bool is_file;
        json_t *part = make_part(param, h, &is_file);
        json_array_append_new(is_file ? files : fields, part);
    }
    if (json_array_size(fields) > 0)
        json_object_set(multipart, "fields", fields);
    if (json_array_size(files) > 0)
        json_object_set(multipart, "files", files);
    json_decref(fields);
    json_decref(files);
    return json_pack("{s: o}", "multipart", multipart);
}

// application/x-www-form-urlencoded (WHATWG URL section 5.2).
static void put_encoded(struct buf *out, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (isalnum((unsigned char)*p) || strchr("*-._", *p) != NULL)
            buf_append(out, p, 1);
        else if (*p == ' ')
            buf_puts(out, "+");
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*p);
    }
}

static json_t *make_form(const json_t *params)
{
    struct buf out = {0};
    size_t i;
    const json_t *param;

    json_array_foreach(params, i, param)
    {
        const char *name = har_text(param, "name"), *value = har_text(param, "value");
        buf_puts(&out, i > 0 ? "&" : "");
        put_encoded(&out, name == NULL ? "" : name);
        buf_puts(&out, "=");
        put_encoded(&out, value == NULL ? "" : value);
    }
    char *text = buf_take(&out);
    json_t *json = json_pack("{s: s}", "raw", text);
    free(text);
    return json;
}

static bool is_multipart(const json_t *post)
{
    const char *type = har_text(post, "mimeType");

    return type != NULL && strncasecmp(type, "multipart/", strlen("multipart/")) == 0 &&
           json_array_size(json_object_get(post, "params")) > 0;
}

// NULL: no body.
static json_t *make_payload(const json_t *post, struct har *h)
{
    const json_t *params = json_object_get(post, "params");
    const char *text = har_text(post, "text");

    if (is_multipart(post))
        return make_multipart(params, h);
    if (text != NULL && *text != '\0')
        return json_pack("{s: o}", "raw", plan_text(text));
    if (json_string_length(json_object_get(post, "text")) > 0) {
        h->n_lost_bodies++;
        return NULL;
    }
    return json_array_size(params) > 0 ? make_form(params) : NULL;
}

// --- Requests ---

json_t *har_request(const json_t *recorded, const struct har_options *o, struct har *h)
{
    const json_t *post = json_object_get(recorded, "postData");
    const char *url = har_text(recorded, "url"), *method = har_text(recorded, "method");
    const char *version = har_text(recorded, "httpVersion");
    char *no_fragment = xstrndup(url, strcspn(url, "#")), *upper = xstrdup(method);
    json_t *request = json_object();

    for (char *p = upper; *p != '\0'; p++)
        *p = (char)toupper((unsigned char)*p);
    json_object_set_new(request, "url", plan_text(no_fragment));
    json_object_set_new(request, "method", json_string(upper));
    if (version != NULL && (strcasecmp(version, "HTTP/1.1") == 0 ||
                            strcasecmp(version, "HTTP/1.0") == 0)) // else 2.0, the default
        json_object_set_new(request, "version", json_string(version + strlen("HTTP/")));
    json_t *headers = make_headers(json_object_get(recorded, "headers"), o, is_multipart(post));
    hide_secrets(headers, h);
    if (json_object_size(headers) > 0)
        json_object_set(request, "headers", headers);
    json_decref(headers);
    json_t *payload = make_payload(post, h);
    if (payload != NULL)
        json_object_set_new(request, "payload", payload);
    free(no_fragment);
    free(upper);
    return request;
}

char *har_name(const char *method, const struct har_url *url)
{
    const char *end = url->path + strlen(url->path);

    while (end > url->path && end[-1] == '/')
        end--;
    const char *begin = end;
    for (int slashes = 0; begin > url->path; begin--)
        if (begin[-1] == '/' && ++slashes == 2)
            break;
    while (*begin == '/')
        begin++;
    char *name = begin < end ? xasprintf("%s_%.*s", method, (int)(end - begin), begin)
                             : xasprintf("%s_%s", method, url->host);
    for (char *p = name; *p != '\0'; p++) {
        if (p < name + strlen(method))
            *p = (char)toupper((unsigned char)*p);
        if (!isalnum((unsigned char)*p) && strchr("._-", *p) == NULL)
            *p = '_';
    }
    if (strlen(name) > PLAN_NAME_MAX)
        name[PLAN_NAME_MAX] = '\0';
    return name;
}
