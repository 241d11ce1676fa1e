// `lps cluster`, `lps logger` and their like: each shows or changes a section of the settings file.
// Returns the exit code of lps. Main thread.
#pragma once

#include "worker/cli/options.h"

int settings_command(const struct options *o);
