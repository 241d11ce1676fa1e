// What a browser would fetch for a page: the images, style sheets and scripts that its HTML names.
// PURE.
#pragma once

#include <stddef.h>

#include "common/plan.h"

#define RESOURCES_MAX       5000
#define RESOURCES_BYTES_MAX (4 * 1024 * 1024) // of HTML that is looked at

struct resources {
    struct plan_url *urls; // each once, in the order of the page
    size_t n;
};

// img[src], script[src] and link[href] whose rel is "stylesheet", resolved against base; a <base>
// of the page changes nothing. Not among them: what has another scheme (data:, blob:) or is no URL,
// what scripts and styles would load, and what is beyond the limits.
//
// html is read as HTML tokens (HTML standard, section 13.2.5) of an encoding that extends ASCII,
// in one pass of linear time: a tree would need limits of its own for hostile pages, and libxml2's
// reader takes time quadratic in attributes and in nesting.
void resources_find(const struct plan_url *base, const char *html, size_t len,
                    struct resources *ret_resources);
void resources_done(struct resources *r);
