#include "worker/runner/pressure.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

static int64_t cpu_ns(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * NS_PER_US;
}

void pressure_init(struct pressure *p, int64_t now_ns)
{
    cpu_set_t set;

    *p = (struct pressure){.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC),
                           .n_cpu = 1,
                           .at_ns = now_ns,
                           .cpu_ns = cpu_ns()};
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        p->n_cpu = (uint32_t)CPU_COUNT(&set);
}

void pressure_done(struct pressure *p)
{
    if (p->statm >= 0)
        close(p->statm);
    p->statm = -1;
}

// The begin of a file; "" where it cannot be read.
static void read_begin(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, size - 1) : 0;

    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

// Linux, Documentation/scheduler/sched-stats.rst: ns on a CPU, ns runnable without one.
uint64_t pressure_thread_us(void)
{
    uint64_t on_ns, waited_ns = 0;
    struct timespec t;
    char text[100];

    read_begin("/proc/thread-self/schedstat", text, sizeof text);
    if (sscanf(text, "%" SCNu64 " %" SCNu64, &on_ns, &waited_ns) != 2) {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        on_ns = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
    }
    return (on_ns + waited_ns) / NS_PER_US;
}

// proc_stat(5): "cpu  user nice system idle iowait irq softirq steal ...", of all CPUs together.
uint64_t pressure_steal_us(void)
{
    long n_cpu = sysconf(_SC_NPROCESSORS_ONLN), hz = sysconf(_SC_CLK_TCK);
    uint64_t ticks;
    char text[200];

    read_begin("/proc/stat", text, sizeof text);
    if (sscanf(text, "cpu %*u %*u %*u %*u %*u %*u %*u %" SCNu64, &ticks) != 1)
        return 0;
    return ticks * 1000000 / (uint64_t)hz / (uint64_t)(n_cpu > 0 ? n_cpu : 1);
}

int pressure_sample(struct pressure *p, int64_t now_ns, struct watchdog_sample *sample)
{
    uint64_t resident, shared;
    char text[200];

    ssize_t n = pread(p->statm, text, sizeof text - 1, 0);
    if (n < 0)
        return -errno;
    text[n] = '\0';
    if (sscanf(text, "%*u %" SCNu64 " %" SCNu64, &resident, &shared) != 2)
        return -EIO;
    if (now_ns <= p->at_ns)
        return -EINVAL;
    int64_t cpu = cpu_ns();
    // The kernel's counts lag, each by a little.
    uint64_t own = resident > shared ? resident - shared : 0;
    sample->memory_mb = own * (uint64_t)sysconf(_SC_PAGESIZE) / (1024 * 1024);
    sample->cpu_percent =
        100.0 * (double)(cpu - p->cpu_ns) / (double)(now_ns - p->at_ns) / p->n_cpu;
    p->at_ns = now_ns;
    p->cpu_ns = cpu;
    return 0;
}
