#include "worker/runner/request.h"

#include <errno.h>
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

static uint32_t intern_origin(struct request_set *set, const struct plan_url *url)
{
    for (uint32_t i = 0; i < set->n_origins; i++) {
        const struct request_origin *o = &set->origins[i];
        if (o->tls == url->tls && o->port == url->port && strcmp(o->host, url->host) == 0)
            return i;
    }
    set->origins = xreallocarray(set->origins, set->n_origins + 1, sizeof *set->origins);
    set->origins[set->n_origins] = (struct request_origin){url->host, url->port, url->tls};
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

static void render(const struct plan_iteration *it, const void *body, size_t body_len,
                   struct request *r)
{
    struct buf b = {0};
    const char *host = header(it, "Host"), *connection = header(it, "Connection");

    buf_printf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", it->method, it->url.target,
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
    r->is_head = strcmp(it->method, "HEAD") == 0;
    r->is_idempotent = is_idempotent(it->method);
    r->says_close = connection != NULL && strcasestr(connection, "close") != NULL;
}

int request_set_init(struct request_set *set, const struct plan *plan,
                     const struct request_file *files, size_t n_files, const char **ret_missing)
{
    *set = (struct request_set){.n_requests = plan_n_series(plan)};
    set->requests = xcalloc(set->n_requests, sizeof *set->requests);
    for (uint32_t i = 0; i < set->n_requests; i++) {
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
        render(it, body, body_len, &set->requests[i]);
        set->requests[i].origin = intern_origin(set, &it->url);
    }
    return 0;
}

void request_set_done(struct request_set *set)
{
    for (uint32_t i = 0; i < set->n_requests; i++)
        free(set->requests[i].bytes);
    free(set->requests);
    free(set->origins);
    *set = (struct request_set){0};
}
