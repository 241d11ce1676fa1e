// The bytes of each iteration's request, rendered once before the run; read by all threads after.
// PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h>

#include "common/plan.h"

// Where connections go and as whom; equal ones are shared by the requests of a plan.
struct request_origin {
    const char *host; // borrowed
    uint16_t port;
    bool tls;
    bool may_http2;          // TLS: h2 is offered; else: spoken by prior knowledge
    const char *certificate; // SHA-256 in hex of a client's certificate, borrowed; "": none
    const char *password;    // of it; NULL: none
    bool by_proxy;
};

// What one request is made of; all borrowed.
struct request_parts {
    const char *method;
    enum plan_version version;
    struct plan_url url;              // target as it goes out
    const struct plan_header *fields; // values as they go out
    size_t n_fields;
    const void *body; // sent with POST, PUT and PATCH
    size_t body_len;
    const char *certificate, *password; // of the origin; as in request_origin
    bool h2c;
};

// Which requests go through a proxy: they have the absolute form where there is no tunnel
// (RFC 9112 section 3.2.2).
typedef bool request_by_proxy_fn(const char *host, const void *arg);

// Where a request made of these goes. by_proxy NULL: never through one.
struct request_origin request_origin_of(const struct request_parts *parts,
                                        request_by_proxy_fn *by_proxy, const void *arg);
// Whether connections to both show the same client's certificate.
bool request_origin_has_identity(const struct request_origin *origin,
                                 const struct request_origin *other);
bool request_origin_is_same(const struct request_origin *a, const struct request_origin *b);

struct request {
    struct request_parts parts;
    char *bytes;          // as HTTP/1
    size_t len, head_len; // the body is the rest
    nghttp2_nv *nv;       // as HTTP/2, where the origin may speak it; into names
    size_t n_nv;
    char *names;
    size_t cap, nv_cap, names_cap; // of bytes, of nv, of names
    uint32_t origin;
    bool is_head, is_idempotent;
    bool says_close; // the plan's own "Connection: close", or HTTP/1.0 without "keep-alive"
};

// Makes r of parts for this origin, in the memory that r has; cookie: the value of a Cookie field
// beside that of parts, or NULL. Zero-initialise r once, then request_done. r borrows what parts
// borrow; parts may be those of r itself.
void request_make(struct request *r, const struct request_parts *parts, const char *cookie,
                  const struct request_origin *origin, uint32_t origin_id);
void request_done(struct request *r);
// Whether a request of this method has a body, in upper case: POST, PUT and PATCH.
bool request_takes_body(const char *method);

struct request_file {
    char sha256[65]; // hex
    const void *content;
    size_t len;
};

struct request_set {
    struct request *requests; // by series
    uint32_t n_requests;
    struct request_origin *origins;
    uint32_t n_origins;
};

// Each borrows what its parts borrow; method NULL: there is only its origin. by_proxy as in
// request_origin_of.
void request_set_init(struct request_set *set, const struct request_parts *parts, uint32_t n,
                      request_by_proxy_fn *by_proxy, const void *arg);
void request_set_done(struct request_set *set);
