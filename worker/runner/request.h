// The bytes of each iteration's request, rendered once before the run; read by all threads after.
// PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/plan.h"

// Where connections go; equal ones are shared by the requests of a plan.
struct request_origin {
    const char *host; // borrowed from the plan
    uint16_t port;
    bool tls;
};

struct request {
    char *bytes;
    size_t len, head_len; // the body is the rest
    uint32_t origin;
    bool is_head, is_idempotent;
    bool says_close; // the plan's own "Connection: close"
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

// Borrows the plan. 0, or -ENOENT with the digest of a file that is not in files in *ret_missing
// (borrowed from the plan).
int request_set_init(struct request_set *set, const struct plan *plan,
                     const struct request_file *files, size_t n_files, const char **ret_missing);
void request_set_done(struct request_set *set);
