// The first contact with each server of a plan that asks for it ("warmUp"): in nobody's numbers.
#pragma once

#include "common/plan.h"

// One GET / to each scheme, host and port of the plan, one after another, 30 s each at most, on
// which nothing depends: what goes wrong is a notice. Redirects are not followed.
void warm_up(const struct plan *plan);
