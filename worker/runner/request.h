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
    const char *host; // borrowed from the plan
    uint16_t port;
    bool tls;
    bool may_http2;          // TLS: h2 is offered; else: spoken by prior knowledge
    const char *certificate; // SHA-256 in hex of a client's certificate, borrowed; "": none
    const char *password;    // of it; NULL: none
    bool by_proxy;
};

struct request {
    char *bytes;          // as HTTP/1
    size_t len, head_len; // the body is the rest
    nghttp2_nv *nv;       // as HTTP/2, where the origin may speak it; into names
    size_t n_nv;
    char *names;
    uint32_t origin;
    bool is_head, is_idempotent;
    bool says_close; // the plan's own "Connection: close", or HTTP/1.0 without "keep-alive"
};

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

// Which requests go through a proxy: they have the absolute form where there is no tunnel
// (RFC 9112 section 3.2.2). NULL: none.
typedef bool request_by_proxy_fn(const char *host, const void *arg);

// Borrows the plan. 0, or -ENOENT with the digest of a file that is not in files in *ret_missing
// (borrowed from the plan).
int request_set_init(struct request_set *set, const struct plan *plan,
                     const struct request_file *files, size_t n_files,
                     request_by_proxy_fn *by_proxy, const void *arg, const char **ret_missing);
void request_set_done(struct request_set *set);
