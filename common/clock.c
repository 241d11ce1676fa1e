#include "common/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

struct mono clock_now(void)
{
    return (struct mono){read_ns(CLOCK_MONOTONIC)};
}

struct mono clock_boot_now(void)
{
    return (struct mono){read_ns(CLOCK_BOOTTIME)};
}

int64_t clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / NS_PER_MS;
}

void clock_boot_id(char out[37])
{
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

    if (f == NULL || fread(out, 1, 36, f) != 36)
        strcpy(out, "unknown");
    out[36] = '\0';
    if (f != NULL)
        fclose(f);
}
