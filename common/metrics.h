// What is measured: series of counters and histograms, in one-second windows that merge. PURE.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/hist.h"

// The names that people and machines see are in metrics_error_name[] and metrics_latency_name[].
enum metrics_error {
    METRICS_ERROR_UNDEFINED = 0,
    METRICS_ERROR_DNS,
    METRICS_ERROR_REFUSED,
    METRICS_ERROR_UNREACHABLE,
    METRICS_ERROR_RESET,
    METRICS_ERROR_CLOSED, // by the peer before the response was whole
    METRICS_ERROR_TLS,
    METRICS_ERROR_TIMEOUT_CONNECT, // TCP and TLS
    METRICS_ERROR_TIMEOUT_FIRST_BYTE,
    METRICS_ERROR_TIMEOUT_BODY,
    METRICS_ERROR_PROTOCOL,  // bytes that are no HTTP response
    METRICS_ERROR_TOO_LARGE, // head beyond the limit
    METRICS_ERROR_LOCAL,     // out of ports, descriptors or buffers on this host
    METRICS_ERROR_REQUEST,   // what the plan says does not come to a request
    METRICS_ERROR__COUNT,
};

enum metrics_latency {
    METRICS_LATENCY_UNDEFINED = 0,
    METRICS_SERVICE,  // sent to last byte
    METRICS_RESPONSE, // intended to last byte; only where there is a schedule
    METRICS_LAG,      // intended to sent; the same
    METRICS_DNS,
    METRICS_TCP,
    METRICS_TLS,
    METRICS_SEND,    // first to last byte of the request handed to the kernel
    METRICS_WAIT,    // request sent to first byte
    METRICS_RECEIVE, // first to last byte
    METRICS_TTFB,    // start of connect (or send, when reused) to first byte
    METRICS_SERVER,  // what the server says of itself (Server-Timing); the next three are parts
    METRICS_SERVER_DB,
    METRICS_SERVER_CACHE,
    METRICS_SERVER_APP,
    METRICS_LATENCY__COUNT,
};

extern const char
    *const metrics_error_name[METRICS_ERROR__COUNT]; // "refused", "timeout-first-byte"
extern const char *const metrics_latency_name[METRICS_LATENCY__COUNT]; // "service", "ttfb"

#define METRICS_EXAMPLE_MAX 200

struct metrics_error_count {
    uint64_t count;
    int64_t first_k, last_k;
    char example[METRICS_EXAMPLE_MAX + 1]; // of the first; as str_clean makes it
};

// The fields of proto Counters, in its order and with its meaning.
struct metrics_counters {
    uint64_t started, completed, failed, aborted, dropped, skipped;
    uint64_t bytes_sent, bytes_received, body_sent, body_received;
    uint64_t connects, reused;
    uint64_t in_flight,
        in_flight_max; // gauges: summed over threads and workers, replaced over time
};

struct metrics_series {
    struct metrics_counters n;
    uint64_t status[600]; // by code; below 100 unused
    struct metrics_error_count error[METRICS_ERROR__COUNT];
    struct hist latency[METRICS_LATENCY__COUNT];
};

struct metrics_health {
    uint64_t loop_stall_us, cpu_us, fds;
    uint64_t paused_us; // while the watchdog held requests back; of several workers the longest
    uint64_t busy_us;   // that the busiest event loop had a CPU or waited for one
    uint64_t steal_us;  // that the hypervisor took, of the host's CPUs on average
};

// All series of a plan in second k since T0; n_series is fixed by the plan.
struct metrics_window {
    int64_t k;
    uint32_t n_series;
    struct metrics_series *series;
    struct metrics_health health;
};

struct metrics_window *metrics_window_new(int64_t k, uint32_t n_series);
void metrics_window_free(struct metrics_window *w);
// Empty again for second k, memory kept.
void metrics_window_reset(struct metrics_window *w, int64_t k);

bool metrics_series_is_empty(const struct metrics_series *s); // no event and nothing in flight
void metrics_series_done(struct metrics_series *s);
// example may be any bytes.
void metrics_record_error(struct metrics_series *s, enum metrics_error kind, int64_t k,
                          const char *example);

// The same second seen by two sources: everything adds up, gauges too. Both have the same n_series.
void metrics_merge_peer(struct metrics_window *into, const struct metrics_window *from);
// A later second of the same source: counters and histograms add up, gauges are replaced
// (in_flight) or raised (in_flight_max).
void metrics_merge_later(struct metrics_series *into, const struct metrics_series *from);
void metrics_merge_later_health(struct metrics_health *into, const struct metrics_health *from);

// Responses that count as errors: failed plus HTTP status >= 400 (reference rule: code 0 or >=
// 400).
uint64_t metrics_n_errors(const struct metrics_series *s);
uint64_t metrics_n_5xx(const struct metrics_series *s);
void metrics_counters_add(struct metrics_counters *into,
                          const struct metrics_counters *from); // but for gauges
bool metrics_counters_equal(const struct metrics_counters *a,
                            const struct metrics_counters *b); // but for gauges
