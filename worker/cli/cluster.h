// `lps cluster`: the Cluster section of the settings file. Returns the exit code of lps.
#pragma once

#include "worker/cli/options.h"

int cluster_command(const struct options *o);
