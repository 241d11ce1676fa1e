// The commands that change a plan's JSON: `lps create`, `round`, `iteration` and their like. PURE.
//
// What the plan holds beyond what a command is about is kept as it is.
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "common/diag.h"
#include "worker/cli/options.h"

// Whether the command makes a plan where there is no file.
bool plan_edit_makes_plan(enum options_command command);
// Does what o->command and its options say. 0, or -EINVAL with an entry in d, then plan is not to
// be used.
int plan_edit(const struct options *o, json_t *plan, struct diag *d);
