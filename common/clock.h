// Reading clocks. The only place that does, so that everything else can be given a time.
#pragma once

#include <stdint.h>

#define NS_PER_US 1000LL
#define NS_PER_MS 1000000LL
#define NS_PER_S  1000000000LL

// An instant on this host's CLOCK_MONOTONIC, or, where it says so, on a master's CLOCK_BOOTTIME.
struct mono {
    int64_t ns;
};

struct mono clock_now(void);
struct mono clock_boot_now(void);
// Unix time in ms, to show to people only.
int64_t clock_wall_ms(void);
// /proc/sys/kernel/random/boot_id, 36 characters; "unknown" where it cannot be read.
void clock_boot_id(char out[37]);
