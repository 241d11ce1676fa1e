// The cookies of one virtual user (RFC 6265). PURE.
//
// Not known: public suffixes, so that a server of a.example may set a cookie for all of "example".
// Not used: HttpOnly (there are no scripts) and SameSite (there are no pages of others).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/plan.h"
#include "common/str.h"

#define COOKIES_MAX                 200  // in a jar: the one unused longest makes way
#define COOKIES_BYTES_MAX           4096 // name and value: a longer one is not taken
#define COOKIES_ATTRIBUTE_BYTES_MAX 1024 // of its domain, of its path: as if it were not there

struct cookie;

// Zero-initialise, then cookies_done. Has no memory of its own while it has no cookies.
struct cookies {
    struct cookie *list; // in the order in which they are sent
    size_t n, cap;
    uint64_t n_uses;
};

void cookies_done(struct cookies *jar);

// The value of one Set-Cookie field in an answer from url. What is malformed, too long, or for
// another domain is not taken. now_s: unix time.
void cookies_set(struct cookies *jar, const struct plan_url *url, const char *field, size_t len,
                 int64_t now_s);
// Appends the value of a request's Cookie field, "a=1; b=2"; false and nothing where no cookie is
// for this scheme, host and path. Drops those that have expired.
bool cookies_append(struct cookies *jar, const struct plan_url *url, int64_t now_s,
                    struct buf *out);
