// Whether a plan makes values that no two workers of a run may have both. PURE.
#pragma once

#include "common/plan.h"

// A call in some template or condition of it has unique=true, or may have.
bool plan_has_unique(const struct plan *plan);
