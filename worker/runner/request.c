#include "worker/runner/request.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/str.h"

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcasecmp(word, *words) == 0)
            return true;
    return false;
}

static bool takes_body(const char *method)
{
    return is_one_of(method, (const char *const[]){"POST", "PUT", "PATCH", NULL});
}

// RFC 9110 section 9.2.2.
static bool is_idempotent(const char *method)
{
    return is_one_of(
        method, (const char *const[]){"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", NULL});
}

static const char *header(const struct plan_iteration *it, const char *name)
{
    for (size_t i = 0; i < it->n_headers; i++)
        if (strcasecmp(it->headers[i].name, name) == 0)
            return it->headers[i].value;
    return NULL;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static uint32_t intern_origin(struct request_set *set, const struct request_origin *wanted)
{
    for (uint32_t i = 0; i < set->n_origins; i++) {
        const struct request_origin *o = &set->origins[i];
        if (o->tls == wanted->tls && o->port == wanted->port &&
            strcmp(o->host, wanted->host) == 0 && o->may_http2 == wanted->may_http2 &&
            o->by_proxy == wanted->by_proxy && strcmp(o->certificate, wanted->certificate) == 0 &&
            same_text(o->password, wanted->password))
            return i;
    }
    set->origins = xreallocarray(set->origins, set->n_origins + 1, sizeof *set->origins);
    set->origins[set->n_origins] = *wanted;
    return set->n_origins++;
}

static int find_body(const struct plan_iteration *it, const struct request_file *files,
                     size_t n_files, const void **ret_body, size_t *ret_len)
{
    if (!takes_body(it->method) || (it->payload == NULL && it->payload_file[0] == '\0')) {
        *ret_len = 0;
        return 0;
    }
    if (it->payload_file[0] == '\0') {
        *ret_body = it->payload;
        *ret_len = strlen(it->payload);
        return 0;
    }
    for (size_t i = 0; i < n_files; i++) {
        if (strcmp(files[i].sha256, it->payload_file) == 0) {
            *ret_body = files[i].content;
            *ret_len = files[i].len;
            return 0;
        }
    }
    return -ENOENT;
}

static void render_http1(const struct plan_iteration *it, bool absolute, const void *body,
                         size_t body_len, struct request *r)
{
    struct buf b = {0};
    const char *host = header(it, "Host");
    bool is_1_0 = it->version == PLAN_VERSION_1_0;

    buf_printf(&b, "%s %s%s%s HTTP/1.%c\r\nHost: %s\r\n", it->method, absolute ? "http://" : "",
               absolute ? it->url.authority : "", it->url.target, is_1_0 ? '0' : '1',
               host != NULL ? host : it->url.authority);
    for (size_t i = 0; i < it->n_headers; i++) {
        // The length and the framing are ours: what is sent has to agree with them.
        if (!is_one_of(it->headers[i].name,
                       (const char *const[]){"Host", "Content-Length", "Transfer-Encoding", NULL}))
            buf_printf(&b, "%s: %s\r\n", it->headers[i].name, it->headers[i].value);
    }
    if (takes_body(it->method))
        buf_printf(&b, "Content-Length: %zu\r\n", body_len);
    buf_puts(&b, "\r\n");
    r->head_len = b.len;
    if (body_len > 0)
        buf_append(&b, body, body_len);
    r->len = b.len;
    r->bytes = buf_take(&b);
    r->says_close = !plan_keeps_connection(it);
}

// RFC 9113 section 8.2.2: what is about the connection has no place in HTTP/2.
static bool has_place_in_http2(const struct plan_header *h)
{
    static const char *const names[] = {
        "Host",       "Content-Length", "Transfer-Encoding", "Upgrade",
        "Connection", "Keep-Alive",     "Proxy-Connection",  NULL};

    if (strcasecmp(h->name, "TE") == 0)
        return strcasecmp(h->value, "trailers") == 0;
    return !is_one_of(h->name, names);
}

// Both are borrowed. Blanks around a value are no part of it (RFC 9113 section 8.2.1).
static void add_field(struct request *r, const char *name, const char *value)
{
    size_t len;

    value += strspn(value, " \t");
    for (len = strlen(value); len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'); len--)
        ;
    r->nv[r->n_nv++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name,
        .value = (uint8_t *)(uintptr_t)value,
        .namelen = strlen(name),
        .valuelen = len,
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
    };
}

static void render_http2(const struct plan_iteration *it, size_t body_len, struct request *r)
{
    enum { DIGITS = 24 }; // of a length, first in names
    const char *host = header(it, "Host");
    size_t names_len = DIGITS;

    for (size_t i = 0; i < it->n_headers; i++)
        names_len += strlen(it->headers[i].name) + 1;
    char *name = r->names = xcalloc(names_len, 1);
    r->nv = xcalloc(it->n_headers + 5, sizeof *r->nv); // four pseudo fields and the length
    add_field(r, ":method", it->method);
    add_field(r, ":scheme", it->url.tls ? "https" : "http");
    add_field(r, ":authority", host != NULL ? host : it->url.authority);
    add_field(r, ":path", it->url.target);
    if (takes_body(it->method)) {
        snprintf(name, DIGITS, "%zu", body_len);
        add_field(r, "content-length", name);
    }
    name += DIGITS;
    for (size_t i = 0; i < it->n_headers; i++) {
        if (!has_place_in_http2(&it->headers[i]))
            continue;
        size_t len = strlen(it->headers[i].name);
        for (size_t k = 0; k < len; k++)
            name[k] = (char)tolower((unsigned char)it->headers[i].name[k]);
        add_field(r, name, it->headers[i].value);
        name += len + 1;
    }
}

int request_set_init(struct request_set *set, const struct plan *plan,
                     const struct request_file *files, size_t n_files,
                     request_by_proxy_fn *by_proxy, const void *arg, const char **ret_missing)
{
    *set = (struct request_set){.n_requests = plan_n_series(plan)};
    set->requests = xcalloc(set->n_requests, sizeof *set->requests);
    for (uint32_t i = 0; i < set->n_requests; i++) {
        struct request *r = &set->requests[i];
        const struct plan_round *round;
        const struct plan_iteration *it;
        const void *body = NULL;
        size_t body_len;

        plan_series(plan, i, &round, &it);
        if (find_body(it, files, n_files, &body, &body_len) != 0) {
            *ret_missing = it->payload_file;
            request_set_done(set);
            return -ENOENT;
        }
        const struct request_origin origin = {
            .host = it->url.host,
            .port = it->url.port,
            .tls = it->url.tls,
            .may_http2 = plan_may_http2(it),
            .certificate = it->certificate,
            .password = it->certificate_password,
            .by_proxy = by_proxy != NULL && by_proxy(it->url.host, arg),
        };
        // TLS and prior knowledge need a tunnel; in one a request looks as without a proxy.
        bool absolute = origin.by_proxy && !origin.tls && !origin.may_http2;
        render_http1(it, absolute, body, body_len, r);
        if (origin.may_http2)
            render_http2(it, body_len, r);
        r->is_head = strcmp(it->method, "HEAD") == 0;
        r->is_idempotent = is_idempotent(it->method);
        r->origin = intern_origin(set, &origin);
    }
    return 0;
}

void request_set_done(struct request_set *set)
{
    for (uint32_t i = 0; i < set->n_requests; i++) {
        free(set->requests[i].bytes);
        free(set->requests[i].nv);
        free(set->requests[i].names);
    }
    free(set->requests);
    free(set->origins);
    *set = (struct request_set){0};
}
