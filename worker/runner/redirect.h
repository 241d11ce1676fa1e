// What a client does about an answer that leads elsewhere (RFC 9110 section 15.4). PURE.
#pragma once

#include <stdbool.h>

#include "common/plan.h"

#define REDIRECT_MAX 5 // in a row

struct redirect {
    struct plan_url url;
    const char *method; // the request's own, or "GET"
    bool keeps_body;
    bool keeps_origin; // scheme, host and port are those of the request
};

// The next request after this answer; location is NULL where it has none. n_followed: how many
// redirects led to it, of the request that the plan asked for.
//
// 0 and *ret_next, for redirect_done; it borrows method. Otherwise the answer is final: -ENOENT (it
// is no redirect, or names no place), -ELOOP (REDIRECT_MAX of them were followed), or what
// reference_resolve says of location.
int redirect_next(const struct plan_url *url, const char *method, int status, const char *location,
                  int n_followed, struct redirect *ret_next);
void redirect_done(struct redirect *next);

// Whether a header that the plan gave the request goes along: one about a body only with it, and
// Authorization, Cookie, Host and their like only to the same origin. The cookies of a jar are
// another matter: it is asked again for the next URL.
bool redirect_keeps_header(const struct redirect *next, const char *name);
