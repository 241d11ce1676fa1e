#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX 200000

static char directory[] = "/tmp/lps-file-XXXXXX";
static char path[64];

static void write_bytes(size_t n)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    for (size_t i = 0; i < n; i++)
        putc((int)(i % 251), f);
    assert_int_equal(fclose(f), 0);
}

static void all_up_to_the_limit_is_read(void **unused)
{
    static const size_t sizes[] = {0, 1, 65536, 65537, MAX};

    (void)unused;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buf b = {0};
        write_bytes(sizes[i]);
        buf_puts(&b, "before");
        assert_int_equal(file_read(path, 0, MAX, &b), 0);
        assert_int_equal(b.len, 6 + sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal((uint8_t)b.data[6 + k], k % 251);
        buf_done(&b);
    }
}

static void one_byte_more_is_too_big(void **unused)
{
    struct buf b = {0};

    (void)unused;
    write_bytes(MAX + 1);
    assert_int_equal(file_read(path, 0, MAX, &b), -EFBIG);
    assert_true(b.len <= MAX);
    assert_int_equal(file_read(path, 0, 0, &b), -EFBIG);
    assert_int_equal(file_read("/dev/zero", 0, MAX, &b), -EFBIG);
    buf_done(&b);
}

static void what_cannot_be_read_is_an_errno(void **unused)
{
    struct buf b = {0};

    (void)unused;
    assert_int_equal(file_read(directory, 0, MAX, &b), -EISDIR);
    assert_int_equal(file_read("/nowhere/at/all", 0, MAX, &b), -ENOENT);
    assert_int_equal(b.len, 0);
    buf_done(&b);
}

static void a_fifo_keeps_nobody_waiting_who_does_not_want_to(void **unused)
{
    struct buf b = {0};

    (void)unused;
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(file_read(path, O_NONBLOCK, MAX, &b), 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(file_read(path, O_NONBLOCK, MAX, &b), -EAGAIN);
    close(fd);
    assert_int_equal(b.len, 0);
    buf_done(&b);
}

static int set_up(void **unused)
{
    (void)unused;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/file", directory);
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    unlink(path);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_up_to_the_limit_is_read),
        cmocka_unit_test(one_byte_more_is_too_big),
        cmocka_unit_test(what_cannot_be_read_is_an_errno),
        cmocka_unit_test(a_fifo_keeps_nobody_waiting_who_does_not_want_to),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
