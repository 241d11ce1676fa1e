// Measured data to and from protobuf. PURE.
#pragma once

#include "common/metrics.h"
#include "lps.pb-c.h"

#define WIRE_MESSAGE_MAX (1024 * 1024)       // one gRPC message
#define WIRE_FRAME_MAX   (64 * 1024 * 1024)  // one frame between worker and runner
#define WIRE_COUNT_MAX   (1ULL << 56)        // a counter: bytes of two years at 10 Gbit/s
#define WIRE_HISTS_MAX   (256 * 1024 * 1024) // memory of all histograms in one window

// A new message; free with lps__v1__window__free_unpacked(msg, NULL). Series without events are
// left out.
Lps__V1__Window *wire_window_encode(const struct metrics_window *w);
// 0, or -EBADMSG: no message (NULL), series id >= n_series, unknown status code, error or latency
// kind, any of these not ascending, a bad histogram, or beyond a limit above. Caller frees with
// metrics_window_free.
int wire_window_decode(const Lps__V1__Window *msg, uint32_t n_series,
                       struct metrics_window **ret_window);

// Totals are series without histograms. The arrays belong to the caller: free each element with
// lps__v1__series_totals__free_unpacked and the array with free.
void wire_totals_encode(const struct metrics_series *series, uint32_t n_series, size_t *ret_n,
                        Lps__V1__SeriesTotals ***ret_totals);
// Adds into series[n_series] (zeroed by the caller). 0, or -EBADMSG with a part of it added.
int wire_totals_decode(size_t n, Lps__V1__SeriesTotals *const *totals,
                       struct metrics_series *series, uint32_t n_series);
