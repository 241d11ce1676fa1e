// What this host is, for the master's node table. Any thread.
#pragma once

#include <stdint.h>

struct facts {
    uint32_t cpus; // that the runner may use
    uint64_t memory_bytes, fd_limit;
    char os[128]; // "Debian GNU/Linux 12 (bookworm)"
    char kernel[128], arch[32];
};

void facts_collect(struct facts *facts);
