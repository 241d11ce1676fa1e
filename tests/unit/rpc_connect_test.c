// Connections that fail, and how that is told.
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/clock.h"
#include "tests/unit/rpc_test_util.h"

static struct end *fail_to_connect(struct fixture *f, const char *address, int timeout_ms,
                                   char *why, size_t size)
{
    struct mono begin = clock_now();

    f->client = rpc_client_new(f->loop, address, timeout_ms);
    struct end *end = open_call(f, SESSION);
    wait_for(f->base, &end->n_close, 1);
    int64_t elapsed_ms = (clock_now().ns - begin.ns) / NS_PER_MS;
    rpc_explain(end->status, end->details, elapsed_ms, timeout_ms, why, size);
    return end;
}

static int tcp_listener(uint16_t *ret_port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *ret_port = ntohs(addr.sin_port);
    return fd;
}

static void a_closed_port_is_connection_refused(void **state)
{
    struct fixture *f = *state;
    char address[32], why[100];
    uint16_t port;

    close(tcp_listener(&port));
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    struct end *end = fail_to_connect(f, address, CONNECT_MS, why, sizeof why);
    assert_string_equal(why, "Connection refused");
    assert_int_equal(end->n_close, 1);
    expect_closed(f, end, RPC_UNAVAILABLE, NULL);
}

static void a_silent_acceptor_is_no_answer_within_the_timeout(void **state)
{
    struct fixture *f = *state;
    char address[32], why[100];
    uint16_t port;
    int fd = tcp_listener(&port);

    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    struct end *end = fail_to_connect(f, address, 300, why, sizeof why);
    assert_string_equal(why, "no answer within 0.3 s");
    expect_closed(f, end, RPC_UNAVAILABLE, NULL);
    close(fd);
}

static void on_http1(evutil_socket_t fd, short what, void *arg)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    int *conn = arg;

    (void)what;
    *conn = accept(fd, NULL, NULL);
    assert_int_equal(write(*conn, answer, sizeof answer - 1), sizeof answer - 1);
}

static void an_http1_server_is_named(void **state)
{
    struct fixture *f = *state;
    char address[32], why[100];
    uint16_t port;
    int fd = tcp_listener(&port), conn = -1;
    struct event *listening = event_new(f->base, fd, EV_READ, on_http1, &conn);

    event_add(listening, NULL);
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    struct end *end = fail_to_connect(f, address, CONNECT_MS, why, sizeof why);
    assert_string_equal(why, "speaks HTTP/1, not gRPC");
    expect_closed(f, end, RPC_UNAVAILABLE, NULL);
    event_free(listening);
    close(conn);
    close(fd);
}

static void an_address_that_is_none_fails_and_says_something(void **state)
{
    static const char *const addresses[] = {"", ":"};
    struct fixture *f = *state;
    char why[200];

    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        struct end *end = fail_to_connect(f, addresses[i], 300, why, sizeof why);
        assert_int_not_equal(why[0], '\0');
        assert_int_not_equal(end->status, RPC_OK);
        free(end);
        rpc_client_free(f->client);
        f->client = NULL;
    }
}

// A server in a process of its own, so that it can be killed or stopped. The process is this
// program again; it writes its port to standard output.
static int serve(void)
{
    struct fixture *f;

    setup_loop((void **)&f);
    f->behaviour = ECHO;
    start_server(f, "127.0.0.1:0");
    puts(f->address);
    fflush(stdout);
    event_base_dispatch(f->base);
    return 1;
}

static pid_t spawn_server(char *address, size_t size)
{
    char program[] = "/proc/self/exe", serve_arg[] = "serve", *argv[] = {program, serve_arg, NULL};
    posix_spawn_file_actions_t actions;
    int fds[2];
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    assert_int_equal(posix_spawn(&pid, program, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    FILE *out = fdopen(fds[0], "r");
    assert_non_null(fgets(address, (int)size, out));
    address[strcspn(address, "\n")] = '\0';
    fclose(out);
    return pid;
}

static void a_killed_server_closes_the_stream_at_once(void **state)
{
    struct fixture *f = *state;
    char address[32], why[100];
    pid_t pid = spawn_server(address, sizeof address);

    f->client = rpc_client_new(f->loop, address, CONNECT_MS);
    struct end *end = open_call(f, SESSION);
    send_ping(end->call, 0);
    wait_for(f->base, &end->n_messages, 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    wait_for(f->base, &end->n_close, 1);
    rpc_explain(end->status, end->details, 60000, CONNECT_MS, why, sizeof why);
    assert_string_equal(why, "connection lost");
    expect_closed(f, end, RPC_UNAVAILABLE, NULL);

    end = open_call(f, SESSION);
    wait_for(f->base, &end->n_close, 1);
    rpc_explain(end->status, end->details, 5, CONNECT_MS, why, sizeof why);
    assert_string_equal(why, "Connection refused");
    expect_closed(f, end, RPC_UNAVAILABLE, NULL);
}

static void a_stopped_process_does_not_answer(void **state)
{
    struct fixture *f = *state;
    char address[32], why[100];
    pid_t pid = spawn_server(address, sizeof address);

    kill(pid, SIGSTOP);
    struct end *end = fail_to_connect(f, address, 300, why, sizeof why);
    assert_string_equal(why, "no answer within 0.3 s");
    free(end);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void explanations_are_for_people(void **state)
{
    static const struct {
        enum rpc_status status;
        const char *details;
        int64_t elapsed_ms;
        const char *text;
    } rows[] = {
        {RPC_UNAVAILABLE,
         "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: "
         "Failed to connect to remote host: Connection refused",
         2, "Connection refused"},
        {RPC_UNAVAILABLE,
         "failed to connect to all addresses; last error: Connection reset by peer", 2000,
         "no answer within 2 s"},
        {RPC_UNAVAILABLE,
         "failed to connect to all addresses; last error: Connection reset by peer", 1999,
         "connection lost"},
        {RPC_UNAVAILABLE, "Socket closed", 3600000, "connection lost"},
        {RPC_UNAVAILABLE, "recvmsg:Connection reset by peer", 3600000, "connection lost"},
        {RPC_UNAVAILABLE, "shutting down", 10, "shutting down"},
        {RPC_UNAVAILABLE, "", 10, "unavailable"},
        {RPC_UNAVAILABLE,
         "DNS resolution failed for a.invalid:1: C-ares status is not ARES_SUCCESS "
         "qtype=A name=a.invalid is_balancer=0: Domain name not found",
         6, "no such host name"},
        {RPC_ALREADY_EXISTS, "two workers are called w1", 10, "two workers are called w1"},
        {RPC_ALREADY_EXISTS, "Connection refused", 10, "Connection refused"},
        {RPC_OK, "", 10, "closed"},
        {(enum rpc_status)2, "", 10, "unknown error"},
        {(enum rpc_status) - 1, "", 10, "unknown error"},
        {RPC_INTERNAL, "a\nb\x1b[2Jc\x7f", 10, "a?b?[2Jc?"},
    };
    char out[200], small[8];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(
            rpc_explain(rows[i].status, rows[i].details, rows[i].elapsed_ms, 2000, out, sizeof out),
            rows[i].text);
    assert_string_equal(rpc_explain(RPC_INTERNAL, "0123456789", 0, 1, small, sizeof small),
                        "0123456");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        LOOPED(a_closed_port_is_connection_refused),
        LOOPED(a_silent_acceptor_is_no_answer_within_the_timeout),
        LOOPED(an_http1_server_is_named),
        LOOPED(a_killed_server_closes_the_stream_at_once),
        LOOPED(a_stopped_process_does_not_answer),
        LOOPED(an_address_that_is_none_fails_and_says_something),
        cmocka_unit_test(explanations_are_for_people),
    };

    signal(SIGPIPE, SIG_IGN);
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        return serve();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
