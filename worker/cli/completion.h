// `lps completion SHELL`: the table of commands and options as a script. PURE.
#pragma once

#include "common/str.h"

// 0, or -EINVAL: no script for such a shell. Appends to out.
int completion_script(const char *shell, struct buf *out);
