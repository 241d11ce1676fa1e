#include "worker/runner/request.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/str.h"

#define LENGTH_DIGITS 24 // of a Content-Length, with its NUL

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcasecmp(word, *words) == 0)
            return true;
    return false;
}

bool request_takes_body(const char *method)
{
    return is_one_of(method, (const char *const[]){"POST", "PUT", "PATCH", NULL});
}

// RFC 9110 section 9.2.2.
static bool is_idempotent(const char *method)
{
    return is_one_of(
        method, (const char *const[]){"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", NULL});
}

static const char *header(const struct request_parts *p, const char *name)
{
    for (size_t i = 0; i < p->n_fields; i++)
        if (strcasecmp(p->fields[i].name, name) == 0)
            return p->fields[i].value;
    return NULL;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

struct request_origin request_origin_of(const struct request_parts *parts,
                                        request_by_proxy_fn *by_proxy, const void *arg)
{
    return (struct request_origin){
        .host = parts->url.host,
        .port = parts->url.port,
        .tls = parts->url.tls,
        .may_http2 = plan_may_http2(parts->version, parts->url.tls, parts->h2c),
        .certificate = parts->certificate != NULL ? parts->certificate : "",
        .password = parts->password,
        .by_proxy = by_proxy != NULL && by_proxy(parts->url.host, arg),
    };
}

bool request_origin_has_identity(const struct request_origin *origin,
                                 const struct request_origin *other)
{
    return strcmp(origin->certificate, other->certificate) == 0 &&
           same_text(origin->password, other->password);
}

bool request_origin_is_same(const struct request_origin *a, const struct request_origin *b)
{
    return a->tls == b->tls && a->port == b->port && strcmp(a->host, b->host) == 0 &&
           a->may_http2 == b->may_http2 && a->by_proxy == b->by_proxy &&
           request_origin_has_identity(a, b);
}

static uint32_t intern_origin(struct request_set *set, const struct request_origin *wanted)
{
    for (uint32_t i = 0; i < set->n_origins; i++)
        if (request_origin_is_same(&set->origins[i], wanted))
            return i;
    set->origins = xreallocarray(set->origins, set->n_origins + 1, sizeof *set->origins);
    set->origins[set->n_origins] = *wanted;
    return set->n_origins++;
}

static void put_fields(struct buf *b, const struct request_parts *p, const char *cookie)
{
    for (size_t i = 0; i < p->n_fields; i++) {
        const struct plan_header *f = &p->fields[i];
        // The length and the framing are ours: what is sent has to agree with them.
        if (is_one_of(f->name,
                      (const char *const[]){"Host", "Content-Length", "Transfer-Encoding", NULL}))
            continue;
        // There may be only one Cookie field (RFC 6265 section 5.4).
        bool joins = cookie != NULL && strcasecmp(f->name, "Cookie") == 0;
        buf_puts(b, f->name);
        buf_puts(b, ": ");
        buf_puts(b, f->value);
        buf_puts(b, joins && f->value[0] != '\0' ? "; " : "");
        buf_puts(b, joins ? cookie : "");
        buf_puts(b, "\r\n");
        if (joins)
            cookie = NULL;
    }
    if (cookie != NULL)
        buf_printf(b, "Cookie: %s\r\n", cookie);
}

static void render_http1(struct request *r, const char *cookie, bool absolute, size_t body_len)
{
    const struct request_parts *p = &r->parts;
    const char *host = header(p, "Host");
    struct buf b = {.data = r->bytes, .cap = r->cap};

    buf_puts(&b, p->method);
    buf_puts(&b, absolute ? " http://" : " ");
    buf_puts(&b, absolute ? p->url.authority : "");
    buf_puts(&b, p->url.target);
    buf_puts(&b, p->version == PLAN_VERSION_1_0 ? " HTTP/1.0\r\nHost: " : " HTTP/1.1\r\nHost: ");
    buf_puts(&b, host != NULL ? host : p->url.authority);
    buf_puts(&b, "\r\n");
    put_fields(&b, p, cookie);
    if (request_takes_body(p->method))
        buf_printf(&b, "Content-Length: %zu\r\n", body_len);
    buf_puts(&b, "\r\n");
    r->head_len = b.len;
    if (body_len > 0)
        buf_append(&b, p->body, body_len);
    r->bytes = b.data;
    r->len = b.len;
    r->cap = b.cap;
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

// What is not borrowed from the parts goes one after another into names.
static void reserve_http2(struct request *r, const char *cookie)
{
    const struct request_parts *p = &r->parts;
    size_t names_len = LENGTH_DIGITS + (cookie != NULL ? strlen(cookie) + 1 : 0);

    for (size_t i = 0; i < p->n_fields; i++)
        names_len += strlen(p->fields[i].name) + 1;
    if (names_len > r->names_cap) {
        free(r->names);
        r->names = xcalloc(names_len, 1);
        r->names_cap = names_len;
    }
    size_t most = p->n_fields + 6; // four pseudo fields, the length, the cookies
    if (most > r->nv_cap) {
        free(r->nv);
        r->nv = xcalloc(most, sizeof *r->nv);
        r->nv_cap = most;
    }
    r->n_nv = 0;
}

static void render_http2(struct request *r, const char *cookie, size_t body_len)
{
    const struct request_parts *p = &r->parts;
    const char *host = header(p, "Host");

    reserve_http2(r, cookie);
    char *name = r->names;
    add_field(r, ":method", p->method);
    add_field(r, ":scheme", p->url.tls ? "https" : "http");
    add_field(r, ":authority", host != NULL ? host : p->url.authority);
    add_field(r, ":path", p->url.target);
    if (request_takes_body(p->method)) {
        snprintf(name, LENGTH_DIGITS, "%zu", body_len);
        add_field(r, "content-length", name);
        name += LENGTH_DIGITS;
    }
    for (size_t i = 0; i < p->n_fields; i++) {
        if (!has_place_in_http2(&p->fields[i]))
            continue;
        size_t len = strlen(p->fields[i].name);
        for (size_t k = 0; k < len; k++)
            name[k] = (char)tolower((unsigned char)p->fields[i].name[k]);
        name[len] = '\0';
        add_field(r, name, p->fields[i].value);
        name += len + 1;
    }
    if (cookie != NULL) {
        memcpy(name, cookie, strlen(cookie) + 1);
        add_field(r, "cookie", name);
    }
}

void request_make(struct request *r, const struct request_parts *parts, const char *cookie,
                  const struct request_origin *origin, uint32_t origin_id)
{
    size_t body_len = request_takes_body(parts->method) ? parts->body_len : 0;
    // TLS and prior knowledge need a tunnel; in one a request looks as without a proxy.
    bool absolute = origin->by_proxy && !origin->tls && !origin->may_http2;

    r->parts = *parts;
    render_http1(r, cookie, absolute, body_len);
    if (origin->may_http2)
        render_http2(r, cookie, body_len);
    r->origin = origin_id;
    r->is_head = strcmp(parts->method, "HEAD") == 0;
    r->is_idempotent = is_idempotent(parts->method);
    r->says_close = !plan_keeps_connection(parts->version, parts->fields, parts->n_fields);
}

void request_done(struct request *r)
{
    free(r->bytes);
    free(r->nv);
    free(r->names);
    *r = (struct request){0};
}

void request_set_init(struct request_set *set, const struct request_parts *parts, uint32_t n,
                      request_by_proxy_fn *by_proxy, const void *arg)
{
    *set = (struct request_set){.n_requests = n};
    set->requests = xcalloc(n, sizeof *set->requests);
    for (uint32_t i = 0; i < n; i++) {
        const struct request_origin origin = request_origin_of(&parts[i], by_proxy, arg);
        uint32_t id = intern_origin(set, &origin);
        if (parts[i].method != NULL)
            request_make(&set->requests[i], &parts[i], NULL, &origin, id);
    }
}

void request_set_done(struct request_set *set)
{
    for (uint32_t i = 0; i < set->n_requests; i++)
        request_done(&set->requests[i]);
    free(set->requests);
    free(set->origins);
    *set = (struct request_set){0};
}
