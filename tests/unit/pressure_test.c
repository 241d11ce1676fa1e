#include "worker/runner/pressure.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"

#define MIB   64
#define SLACK (MIB / 4)

// MIB of memory that the kernel has touched: what a sanitizer notes of a touch by ourselves is
// memory, too.
static void *map(int flag)
{
    void *p = mmap(NULL, (size_t)MIB * 1024 * 1024, PROT_READ | PROT_WRITE,
                   flag | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    assert_true(p != MAP_FAILED);
    return p;
}

static void memory_that_is_touched_counts_and_a_shared_file_does_not(void **state)
{
    struct watchdog_sample before = {0}, with = {0}, after = {0}, shared = {0};
    struct pressure p;
    size_t len = (size_t)MIB * 1024 * 1024;

    (void)state;
    pressure_init(&p, 0);
    assert_int_equal(pressure_sample(&p, 1, &before), 0);
    void *own = map(MAP_PRIVATE);
    assert_int_equal(pressure_sample(&p, 2, &with), 0);
    assert_in_range(with.memory_mb, before.memory_mb + MIB - SLACK, before.memory_mb + MIB + SLACK);
    munmap(own, len);
    assert_int_equal(pressure_sample(&p, 3, &after), 0);
    assert_true(after.memory_mb <= before.memory_mb + SLACK);
    void *common = map(MAP_SHARED);
    assert_int_equal(pressure_sample(&p, 4, &shared), 0);
    assert_true(shared.memory_mb <= before.memory_mb + SLACK);
    munmap(common, len);
    pressure_done(&p);
}

// The process's own CPU clock tells the truth for the sample.
static void cpu_time_is_a_part_of_all_cores_since_the_sample_before(void **state)
{
    struct watchdog_sample sample = {.in_flight = 7, .host = "h"};
    struct timespec begin, now;
    struct pressure p;

    (void)state;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    pressure_init(&p, 0);
    int64_t spent_ns;
    do {
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        spent_ns = (now.tv_sec - begin.tv_sec) * NS_PER_S + now.tv_nsec - begin.tv_nsec;
    } while (spent_ns < 50 * NS_PER_MS);
    p.n_cpu = 2;
    assert_int_equal(pressure_sample(&p, 100 * NS_PER_MS, &sample), 0);
    assert_true(sample.cpu_percent >= 23 && sample.cpu_percent <= 35);
    assert_int_equal(sample.in_flight, 7);
    assert_string_equal(sample.host, "h");
    assert_int_equal(pressure_sample(&p, 3700 * NS_PER_S, &sample), 0);
    assert_true(sample.cpu_percent >= 0 && sample.cpu_percent < 1);
    pressure_done(&p);
}

static void a_sample_that_cannot_be_taken_changes_nothing(void **state)
{
    struct watchdog_sample sample = {1, 2, 3, "h"};
    struct pressure p;

    (void)state;
    pressure_init(&p, 5);
    assert_true(p.n_cpu > 0);
    assert_int_equal(pressure_sample(&p, 5, &sample), -EINVAL);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    int statm = p.statm;
    p.statm = fds[0];
    assert_int_equal(pressure_sample(&p, 6, &sample), -ESPIPE);
    p.statm = statm;
    close(fds[0]);
    close(fds[1]);
    pressure_done(&p);
    assert_int_equal(pressure_sample(&p, 6, &sample), -EBADF);
    pressure_done(&p);
    assert_int_equal(sample.memory_mb, 1);
    assert_true(sample.cpu_percent == 2);
    assert_int_equal(sample.in_flight, 3);
}

// What a thread used grows with what its CPU clock says, and it never waits for less than nothing.
static void a_thread_is_busy_for_as_long_as_it_has_a_cpu_or_waits_for_one(void **state)
{
    struct timespec begin, now;

    (void)state;
    uint64_t before = pressure_thread_us();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    int64_t spent_ns;
    do {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        spent_ns = (now.tv_sec - begin.tv_sec) * NS_PER_S + now.tv_nsec - begin.tv_nsec;
    } while (spent_ns < 50 * NS_PER_MS);
    assert_true(pressure_thread_us() - before >= 40000);
    assert_true(pressure_steal_us() <= pressure_steal_us());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_is_touched_counts_and_a_shared_file_does_not),
        cmocka_unit_test(cpu_time_is_a_part_of_all_cores_since_the_sample_before),
        cmocka_unit_test(a_sample_that_cannot_be_taken_changes_nothing),
        cmocka_unit_test(a_thread_is_busy_for_as_long_as_it_has_a_cpu_or_waits_for_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
