// What is found by its name in the JSON of a plan, in any letter case. PURE.
#pragma once

#include <jansson.h>

// The first element of a list, of anything, with that "name"; borrowed. NULL: none.
json_t *plan_find_named(const json_t *list, const char *name);
// The first value of a header; borrowed. NULL: none.
json_t *plan_find_header(json_t *headers, const char *name);
