// Tests: `lps --url`, `lps run`, `lps validate`. Each returns the exit code of lps. Main thread.
#pragma once

#include "worker/cli/options.h"

int run_inline(const struct options *o);
int run_file(const struct options *o);
int run_validate(const struct options *o);
