#include "common/frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/wire.h"
#include "lps.pb-c.h"

// fds[0] is the frame's, fds[1] its peer's; both non-blocking.
struct fixture {
    struct frame frame;
    int peer;
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
        return -1;
    f->frame.fd = fds[0];
    f->peer = fds[1];
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    close(f->frame.fd);
    if (f->peer >= 0)
        close(f->peer);
    frame_done(&f->frame);
    free(f);
    return 0;
}

static void put(struct fixture *f, const char *bytes, size_t n)
{
    assert_int_equal(send(f->peer, bytes, n, 0), n);
    assert_int_equal(frame_fill(&f->frame), 0);
}

static void expect(struct fixture *f, const char *want)
{
    const uint8_t *bytes;
    size_t len;

    assert_int_equal(frame_next(&f->frame, &bytes, &len), 0);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(bytes, want, len);
}

static void a_frame_comes_whole_however_it_is_split(void **state)
{
    static const char stream[] = "\x02\0\0\0hi\0\0\0\0\x03\0\0\0you";
    struct fixture *f = *state;
    const uint8_t *bytes;
    size_t len;

    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(frame_next(&f->frame, &bytes, &len), -EAGAIN);
        put(f, stream + i, 1);
    }
    expect(f, "hi");
    put(f, stream + 6, sizeof stream - 1 - 6);
    expect(f, "");
    expect(f, "you");
    assert_int_equal(frame_next(&f->frame, &bytes, &len), -EAGAIN);
}

static void a_length_beyond_the_limit_is_refused(void **state)
{
    struct fixture *f = *state;
    const uint8_t *bytes;
    size_t len;

    put(f, "\0\0\0\x04", 4); // 64 MiB
    assert_int_equal(frame_next(&f->frame, &bytes, &len), -EAGAIN);
    frame_done(&f->frame);
    f->frame.in_used = 0;
    put(f, "\x01\0\0\x04", 4);
    assert_int_equal(frame_next(&f->frame, &bytes, &len), -EMSGSIZE);
}

static void the_end_of_the_peer_is_told(void **state)
{
    struct fixture *f = *state;

    close(f->peer);
    f->peer = -1;
    assert_int_equal(frame_fill(&f->frame), -EPIPE);
}

static void what_does_not_fit_the_socket_waits(void **state)
{
    struct fixture *f = *state;
    Lps__V1__RunnerEvent event = LPS__V1__RUNNER_EVENT__INIT;
    char *text = xcalloc(3000001, 1), *got = xcalloc(4096, 1);
    size_t total = 0, want = 0;

    memset(text, 'x', 3000000);
    event.body_case = LPS__V1__RUNNER_EVENT__BODY_FAILURE;
    event.failure = text;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(frame_queue(&f->frame, &event.base), 0);
        want += 4 + lps__v1__runner_event__get_packed_size(&event);
    }
    for (int rc; (rc = frame_flush(&f->frame)) != 0 || total < want;) {
        assert_true(rc == 0 || rc == -EAGAIN);
        for (ssize_t n; (n = recv(f->peer, got, 4096, 0)) > 0;)
            total += (size_t)n;
    }
    assert_int_equal(total, want);
    free(text);
    free(got);
}

static void a_peer_that_never_reads_is_given_up(void **state)
{
    struct fixture *f = *state;
    Lps__V1__RunnerEvent event = LPS__V1__RUNNER_EVENT__INIT;
    char *text = xcalloc((16 << 20) + 1, 1);
    int rc = 0, n = 0;

    memset(text, 'x', 16 << 20);
    event.body_case = LPS__V1__RUNNER_EVENT__BODY_FAILURE;
    event.failure = text;
    for (; rc == 0 && n < 10; n++)
        rc = frame_queue(&f->frame, &event.base);
    assert_int_equal(rc, -EMSGSIZE);
    assert_int_equal(n, 5); // four times 16 MiB and their heads are just beyond
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_frame_comes_whole_however_it_is_split, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_length_beyond_the_limit_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_end_of_the_peer_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_fit_the_socket_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_peer_that_never_reads_is_given_up, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
