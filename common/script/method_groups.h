// The groups of the table of methods. PURE.
#pragma once

#include "common/script/method.h"

// In the order of the reference page: each is methods_<group> and n_methods_<group> of
// method_<group>.c, with a heading. One line each.
#define METHOD_GROUPS(GROUP)              \
    GROUP(make, "Making values")          \
    GROUP(code, "Encoding and hashing")   \
    GROUP(token, "Tokens")                \
    GROUP(text, "Texts")                  \
    GROUP(store, "Reading and variables") \
    GROUP(number, "Numbers")              \
    GROUP(find, "Searching in JSON")      \
    GROUP(findxml, "Searching in XML")

#define METHOD_GROUP_DECLARE(group, heading)      \
    extern const struct method methods_##group[]; \
    extern const size_t n_methods_##group;
METHOD_GROUPS(METHOD_GROUP_DECLARE)
#undef METHOD_GROUP_DECLARE
