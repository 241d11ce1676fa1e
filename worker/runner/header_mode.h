// Which headers a plan may set, by the setting HeaderValidationMode. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// As HttpSettings.header_mode.
enum header_mode {
    HEADER_MODE_RAW = 0, // any
    HEADER_MODE_LENIENT, // known ones, those that clients often add, and X-...
    HEADER_MODE_STRICT,  // known ones, with values of their form
};

// value NULL: only known once the request is made. allow_host: Host in lenient mode. NULL: allowed;
// else what is wrong, "is not a known header".
const char *header_mode_refuses(enum header_mode mode, bool allow_host, const char *name,
                                const char *value);
