// References of redirects and pages, resolved against the URL they were found at (RFC 3986 section
// 5.2). PURE.
#pragma once

#include <stddef.h>

#include "common/plan.h"

// Lenient as browsers are, for what a server writes: blanks around the text and line breaks and
// tabs in it are dropped, '\' in a path is '/', a byte that has no place in an URL becomes %XX, a
// '%' without two hex digits stays. The fragment is dropped. Not taken: a host beyond ASCII, and a
// user before the host (RFC 9110 section 4.2.4).
//
// 0 and *ret_url, for plan_url_done; -EPROTONOSUPPORT (neither http nor https), -EINVAL (no URL,
// or longer than PLAN_URL_MAX). base is of plan_url_parse or of here.
int reference_resolve(const struct plan_url *base, const char *text, size_t len,
                      struct plan_url *ret_url);
