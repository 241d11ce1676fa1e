// The counts of a run as the tree that ${Metrics.Round.Iteration.Group.member} reads. PURE.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/metrics.h"
#include "common/plan.h"

// Compact JSON, {"Round": {"Iteration": {"Throughput": {...}, "Duration": {...}, "ResponseCode":
// {...}, "DataTransmission": {...}}}}. Durations are in ms with decimals, ratios from 0 to 1, data
// in bytes of bodies; no answer has HttpStatusCode 0, and reasons are not measured. totals:
// n_series, with histograms; elapsed_ms: of each series since its first event. The caller frees.
char *metrics_tree_format(const struct plan *plan, const struct metrics_series *totals,
                          const int64_t *elapsed_ms, size_t *ret_len);
