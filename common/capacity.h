// Whether a host can hold what a plan needs at once. PURE but for capacity_read.
#pragma once

#include <stdint.h>

#include "common/diag.h"
#include "common/plan.h"

// What a connection takes in the runner, its client included.
#define CAPACITY_PLAIN_BYTES 1024
#define CAPACITY_TLS_BYTES   (24 * 1024)
#define CAPACITY_HTTP2_BYTES (64 * 1024)
// How long a request is thought to take at most: ClientTimeoutInSeconds where it is not set.
#define CAPACITY_REQUEST_MS 60000

struct capacity {
    uint64_t descriptors;  // for connections: the process's hard limit, less its own few
    uint64_t ports;        // local ports of each (source address, destination)
    uint64_t n_sources;    // source addresses, at least 1
    uint64_t memory_bytes; // available, of the host or the control group; 0: unknown
};

// Of this process and host. n_sources as configured (0 counts as 1).
void capacity_read(struct capacity *ret_capacity, uint64_t n_sources);
// What the plan surely needs at once and does not fit is an entry in refused; what may not fit is
// one in doubted. Each names the round, what is needed and what is there. 0, or -EINVAL: refused
// has entries.
//
// Sure is one connection of each client that is at work at the same time as others for as long as
// its durations last, because a client keeps a connection from its first request to its last; gaps
// between requests count only where the plan does not close it (HTTP/1.0, "Connection: close"). A
// count of requests may be over at once, so it makes nothing sure. Thought possible is that each
// request takes CAPACITY_REQUEST_MS, and that a batch without HTTP/2 has a connection for each.
int capacity_check(const struct plan *plan, const struct capacity *c, struct diag *refused,
                   struct diag *doubted);
