// Preloaded into a program: its wall clock is the system's plus the seconds in the file that
// WALLCLOCK names (one int64_t), whenever it looks. Its other clocks are as they were, and so is
// how long it waits: deadlines that it gives as instants of its wall clock go to the system as
// those of the system's.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

// A deadline past that, in 2001, is one of the wall clock; the others count from the boot.
#define WALL_SECONDS_MIN 1000000000

static volatile int64_t *offset;
static long (*system_call)(long number, ...);

// Programs look at clocks before constructors run.
static long call(long number, long a, long b, long c, long d, long e, long f)
{
    if (system_call == NULL)
        *(void **)&system_call = dlsym(RTLD_NEXT, "syscall");
    return system_call(number, a, b, c, d, e, f);
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("WALLCLOCK");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);

    if (path != NULL && map == MAP_FAILED)
        abort();
    offset = map != MAP_FAILED ? map : NULL;
    if (fd >= 0)
        close(fd);
}

static time_t offset_s(void)
{
    return (time_t)(offset != NULL ? *offset : 0);
}

static struct timespec as_system(const struct timespec *deadline)
{
    struct timespec t = *deadline;

    if (t.tv_sec > WALL_SECONDS_MIN)
        t.tv_sec -= offset_s();
    return t;
}

int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
    long r = call(SYS_clock_gettime, clock, (long)ret_now, 0, 0, 0, 0);

    if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        ret_now->tv_sec += offset_s();
    return (int)r;
}

int gettimeofday(struct timeval *restrict ret_now, void *restrict zone)
{
    struct timespec ts;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &ts);
    *ret_now = (struct timeval){ts.tv_sec, ts.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *ret_now)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    if (ret_now != NULL)
        *ret_now = ts.tv_sec;
    return ts.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict deadline)
{
    bool is_wall = deadline->tv_sec > WALL_SECONDS_MIN;
    struct timespec t = as_system(deadline);

    return pthread_cond_clockwait(cond, mutex, is_wall ? CLOCK_REALTIME : CLOCK_MONOTONIC, &t);
}

// Abseil waits on a futex of its own.
long syscall(long number, ...)
{
    long a[6];
    struct timespec t;
    va_list ap;

    va_start(ap, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (number == SYS_futex && (a[1] & FUTEX_CLOCK_REALTIME) && a[3] != 0) {
        t = as_system((const struct timespec *)a[3]);
        a[3] = (long)&t;
    }
    return call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
