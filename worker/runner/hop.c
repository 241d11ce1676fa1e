#include "worker/runner/hop.h"

#include <stdlib.h>
#include <string.h>

#include "worker/runner/redirect.h"

// What a request may keep from one use to the next: there may be as many as requests in flight.
#define KEPT_MAX (64 * 1024)

void hop_forget_answer(struct hop *hop)
{
    free(hop->location);
    hop->location = NULL;
    hop->server_time.len = 0;
}

void hop_reset(struct hop *hop)
{
    hop_forget_answer(hop);
    plan_url_done(&hop->url);
    plan_url_done(&hop->before);
    hop->n_followed = 0;
    if (hop->request.cap > KEPT_MAX)
        request_done(&hop->request);
}

void hop_done(struct hop *hop)
{
    hop_reset(hop);
    request_done(&hop->request);
    buf_done(&hop->cookie);
    buf_done(&hop->server_time);
    free(hop->fields);
    *hop = (struct hop){0};
}

// In place where the fields are ours already.
static void keep_fields(struct hop *hop, const struct redirect *next, struct request_parts *parts)
{
    size_t n = 0;

    if (hop->fields_cap < parts->n_fields) {
        hop->fields_cap = parts->n_fields;
        hop->fields = xreallocarray(hop->fields, hop->fields_cap, sizeof *hop->fields);
    }
    for (size_t i = 0; i < parts->n_fields; i++)
        if (redirect_keeps_header(next, parts->fields[i].name))
            hop->fields[n++] = parts->fields[i];
    parts->fields = hop->fields;
    parts->n_fields = n;
}

bool hop_follow(struct hop *hop, const struct request_parts *from, unsigned status,
                struct request_parts *ret_parts)
{
    struct request_parts parts = *from;
    struct redirect next;

    if (redirect_next(&from->url, from->method, (int)status, hop->location, hop->n_followed,
                      &next) < 0)
        return false;
    keep_fields(hop, &next, &parts);
    parts.method = next.method;
    if (!next.keeps_body) {
        parts.body = NULL;
        parts.body_len = 0;
    }
    // A client's certificate tells who it is: no other host is to know.
    if (strcmp(next.url.host, from->url.host) != 0)
        parts.certificate = parts.password = NULL;
    parts.url = next.url;
    plan_url_done(&hop->before);
    hop->before = hop->url;
    hop->url = next.url;
    hop->n_followed++;
    hop_forget_answer(hop);
    *ret_parts = parts;
    return true;
}
