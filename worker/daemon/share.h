// What of a run this node's runner makes its values from. PURE.
#pragma once

#include <stdint.h>

#include "lps.pb-c.h"

struct share {
    uint64_t seed;
    uint32_t part, n_parts; // of unique values: part < n_parts
};

// As the state of the run says. A node that came too late for a part of its own is alone, with a
// seed made from that of the run and its name.
struct share share_of(const Lps__V1__RunState *state, const char *node);
