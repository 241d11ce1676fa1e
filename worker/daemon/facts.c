#include "worker/daemon/facts.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

// PRETTY_NAME="..." of os-release(5).
static void read_os(char *out, size_t size)
{
    static const char key[] = "PRETTY_NAME=";
    FILE *f = fopen("/etc/os-release", "re");
    char line[256];

    snprintf(out, size, "unknown");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, key, sizeof key - 1) != 0)
            continue;
        const char *value = line + sizeof key - 1;
        value += strspn(value, "\"'");
        snprintf(out, size, "%.*s", (int)strcspn(value, "\"'\n"), value);
    }
    if (f != NULL)
        fclose(f);
}

static uint32_t count_cpus(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (uint32_t)CPU_COUNT(&set);
    return (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
}

void facts_collect(struct facts *facts)
{
    struct utsname name;
    struct rlimit files;

    *facts = (struct facts){.cpus = count_cpus()};
    facts->memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        facts->fd_limit = files.rlim_cur;
    read_os(facts->os, sizeof facts->os);
    if (uname(&name) == 0) {
        snprintf(facts->kernel, sizeof facts->kernel, "%s", name.release);
        snprintf(facts->arch, sizeof facts->arch, "%.31s", name.machine);
    }
}
