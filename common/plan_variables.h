// A plan's variables, set before the first request. PURE.
#pragma once

#include <stddef.h>

#include "common/plan.h"
#include "common/script/env.h"

// Into env->globals, in their order: each value rendered without a session, cut to the first match
// of its regex (empty with a warning where there is none), as its type. Those without a value are
// left out. 0, or -EINVAL and into why (of size) which one is wrong: "variable n: found "x",
// expected Int".
int plan_variables_set(const struct plan_variable *variables, size_t n, struct script_env *env,
                       char *why, size_t size);
