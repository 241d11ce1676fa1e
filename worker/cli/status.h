// `lps status`: the worker's status document as text. PURE.
#pragma once

#include <jansson.h>

// Members that are missing are left out. The caller frees.
char *status_format(const json_t *status);
