// The history of runs as a table, with times of this host's zone. Main thread.
#pragma once

#include <jansson.h>

// From the document of GET /v1/runs (docs/api.md); the caller frees.
char *runs_format(const json_t *document);
