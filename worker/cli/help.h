// The table of commands and options as text: --help, and the lists of the man page. PURE.
#pragma once

#include "common/str.h"
#include "worker/cli/options.h"

// A few lines, for who typed nothing.
void help_short(struct buf *out);
void help_command(enum options_command command, struct buf *out);
// The command and option lists of docs/lps.1 in mdoc(7).
void help_mdoc(struct buf *out);
