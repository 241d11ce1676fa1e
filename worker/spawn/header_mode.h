// Which headers a plan may set, by the setting HeaderValidationMode. PURE.
#pragma once

#include "common/conf.h"
#include "common/diag.h"
#include "common/plan.h"

// value NULL: only known once the request is made. allow_host: Host in lenient mode. NULL: allowed;
// else what is wrong, "is not a known header".
const char *header_mode_refuses(enum conf_headers mode, bool allow_host, const char *name,
                                const char *value);
// All headers of all requests. 0, or -EINVAL with entries in d.
int header_mode_check(enum conf_headers mode, bool allow_host, const struct plan *plan,
                      struct diag *d);
