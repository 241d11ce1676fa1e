#include "worker/daemon/share.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"

// The newest of this name: an older one is of a worker daemon that was restarted since.
static uint32_t part_of(const Lps__V1__RunState *state, const char *node)
{
    for (size_t i = state->n_members; i-- > 0;)
        if (strcmp(state->members[i]->node, node) == 0)
            return state->members[i]->part;
    return 0;
}

static uint64_t derived_seed(uint64_t seed, const char *node)
{
    char *text = xasprintf("%" PRIu64 " %s", seed, node);
    uint8_t digest[32];
    uint64_t derived;

    str_sha256(text, strlen(text), digest);
    memcpy(&derived, digest, sizeof derived);
    free(text);
    return derived;
}

struct share share_of(const Lps__V1__RunState *state, const char *node)
{
    uint32_t part = part_of(state, node);

    if (part == 0 || part > state->n_parts)
        return (struct share){derived_seed(state->seed, node), 0, 1};
    return (struct share){state->seed, part - 1, state->n_parts};
}
