#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/rpc.h"
#include "health.pb-c.h"
#include "lps.pb-c.h"

#define SESSION "/lps.v1.Cluster/Session"
#define HEALTH  "/grpc.health.v1.Health/"
// Only for what should never happen: a test waits for events, not for times.
#define GIVE_UP_S  30
#define CONNECT_MS 2000

// One end of a call, and all that was seen there.
struct end {
    struct rpc_call *call;
    struct fixture *f;
    int n_messages, n_half_close, n_drained, n_close;
    uint64_t next; // expected t1_ns of the next message
    bool in_order;
    size_t last_len;
    int last_health;
    enum rpc_status status;
    char details[200];
};

struct fixture {
    struct event_base *base;
    struct rpc_loop *loop;
    struct rpc_server *server;
    struct rpc_client *client;
    char address[32];
    bool stopped, gave_up;
    // What the server does with a call.
    enum { ACCEPT, REFUSE, ACCEPT_AND_REFUSE, ECHO, END_AT_HALF_CLOSE, PAUSE } behaviour;
    struct end *accepted; // the newest one
    int n_calls, n_closed;
    enum rpc_status closed_status;
};

// --- The ends ---

static void on_give_up(evutil_socket_t fd, short what, void *arg)
{
    struct fixture *f = arg;

    (void)fd;
    (void)what;
    f->gave_up = true;
}

// Runs the loop until *what >= at_least.
static void wait_for(struct fixture *f, const int *what, int at_least)
{
    struct timeval limit = {GIVE_UP_S, 0};
    struct event *timer = evtimer_new(f->base, on_give_up, f);

    evtimer_add(timer, &limit);
    while (*what < at_least && !f->gave_up)
        event_base_loop(f->base, EVLOOP_ONCE);
    event_free(timer);
    assert_false(f->gave_up);
}

static void ping_init(Lps__V1__WorkerMessage *m, Lps__V1__ClockPing *ping, uint64_t i)
{
    lps__v1__worker_message__init(m);
    lps__v1__clock_ping__init(ping);
    ping->t1_ns = (int64_t)i;
    m->body_case = LPS__V1__WORKER_MESSAGE__BODY_CLOCK;
    m->clock = ping;
}

static int send_ping(struct rpc_call *call, uint64_t i)
{
    Lps__V1__WorkerMessage m;
    Lps__V1__ClockPing ping;

    ping_init(&m, &ping, i);
    return rpc_call_send(call, &m.base);
}

// A message of about len bytes.
static int send_bytes(struct rpc_call *call, size_t len)
{
    Grpc__Health__V1__HealthCheckRequest m = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    char *text = malloc(len + 1);

    memset(text, 'x', len);
    text[len] = '\0';
    m.service = text;
    int r = rpc_call_send(call, &m.base);
    free(text);
    return r;
}

// Takes the time that what was sent before needs to go.
static void send_bytes_when_taken(struct fixture *f, struct end *end, size_t len)
{
    int r = send_bytes(end->call, len);

    if (r == -EAGAIN) {
        wait_for(f, &end->n_drained, end->n_drained + 1);
        r = send_bytes(end->call, len);
    }
    assert_int_equal(r, 0);
}

static void on_message(struct rpc_call *call, const uint8_t *bytes, size_t len, void *arg)
{
    struct end *end = arg;
    Lps__V1__WorkerMessage *m = lps__v1__worker_message__unpack(NULL, len, bytes);

    end->n_messages++;
    end->last_len = len;
    if (m != NULL && m->body_case == LPS__V1__WORKER_MESSAGE__BODY_CLOCK) {
        if ((uint64_t)m->clock->t1_ns != end->next++)
            end->in_order = false;
        if (end->f->behaviour == ECHO && call == end->call && end == end->f->accepted)
            assert_int_equal(rpc_call_send(call, &m->base), 0);
    }
    if (m != NULL)
        lps__v1__worker_message__free_unpacked(m, NULL);
}

static void on_half_close(struct rpc_call *call, void *arg)
{
    struct end *end = arg;

    end->n_half_close++;
    if (end->f->behaviour == END_AT_HALF_CLOSE)
        rpc_call_finish(call, RPC_OK, "");
}

static void on_drained(struct rpc_call *call, void *arg)
{
    struct end *end = arg;

    (void)call;
    end->n_drained++;
}

static void on_close(struct rpc_call *call, enum rpc_status status, const char *details, void *arg)
{
    struct end *end = arg;

    assert_ptr_equal(rpc_call_arg(call), arg);
    end->n_close++;
    end->status = status;
    snprintf(end->details, sizeof end->details, "%s", details);
    end->call = NULL;
}

static void on_accepted_close(struct rpc_call *call, enum rpc_status status, const char *details,
                              void *arg)
{
    struct end *end = arg;

    on_close(call, status, details, arg);
    end->f->n_closed++;
    end->f->closed_status = status;
    if (end->f->accepted == end)
        end->f->accepted = NULL;
    free(end);
}

static const struct rpc_call_ops client_ops = {on_message, NULL, on_drained, on_close};
static const struct rpc_call_ops server_ops = {on_message, on_half_close, on_drained,
                                               on_accepted_close};

static struct end *end_new(struct fixture *f)
{
    struct end *end = calloc(1, sizeof *end);

    end->f = f;
    end->in_order = true;
    return end;
}

static void on_session(struct rpc_call *call, void *arg)
{
    struct fixture *f = arg;

    f->n_calls++;
    if (f->behaviour == REFUSE) {
        rpc_call_finish(call, RPC_ALREADY_EXISTS, "two workers are called w1");
        return;
    }
    f->accepted = end_new(f);
    f->accepted->call = call;
    rpc_call_pause(call, f->behaviour == PAUSE);
    rpc_call_accept(call, &server_ops, f->accepted);
    if (f->behaviour == ACCEPT_AND_REFUSE) {
        send_ping(call, 0);
        rpc_call_finish(call, RPC_PERMISSION_DENIED, "not you");
    }
}

// --- The fixture ---

static void on_stopped(void *arg)
{
    struct fixture *f = arg;

    f->stopped = true;
    f->server = NULL;
}

static void stop_server(struct fixture *f, int grace_ms)
{
    struct timeval limit = {GIVE_UP_S, 0};
    struct event *timer = evtimer_new(f->base, on_give_up, f);

    f->stopped = false;
    rpc_server_shutdown(f->server, grace_ms, on_stopped, f);
    evtimer_add(timer, &limit);
    while (!f->stopped && !f->gave_up)
        event_base_loop(f->base, EVLOOP_ONCE);
    event_free(timer);
    assert_false(f->gave_up);
}

static void start_server(struct fixture *f, const char *address)
{
    static struct rpc_method methods[] = {{SESSION, on_session, NULL}};
    char err[200];
    uint16_t port;

    methods[0].arg = f;
    f->server = rpc_server_new(f->loop, methods, 1);
    assert_int_equal(rpc_server_listen(f->server, address, &port, err, sizeof err), 0);
    snprintf(f->address, sizeof f->address, "127.0.0.1:%d", port);
}

static int setup_loop(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->base = event_base_new();
    f->loop = rpc_loop_new(f->base);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    setup_loop(state);
    struct fixture *f = *state;
    start_server(f, "127.0.0.1:0");
    f->client = rpc_client_new(f->loop, f->address, CONNECT_MS);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    rpc_client_free(f->client);
    if (f->server != NULL)
        stop_server(f, 0);
    rpc_loop_free(f->loop);
    event_base_free(f->base);
    free(f);
    return 0;
}

static struct end *open_call(struct fixture *f, const char *path)
{
    struct end *end = end_new(f);

    end->call = rpc_client_call(f->client, path, &client_ops, end);
    return end;
}

// With the server's end there, too.
static struct end *open_session(struct fixture *f)
{
    struct end *end = open_call(f, SESSION);

    wait_for(f, &f->n_calls, f->n_calls + 1);
    return end;
}

static void expect_closed(struct fixture *f, struct end *end, enum rpc_status status,
                          const char *details)
{
    wait_for(f, &end->n_close, 1);
    assert_int_equal(end->status, status);
    if (details != NULL)
        assert_string_equal(end->details, details);
    free(end);
}

// --- Streams ---

static void messages_arrive_in_order_both_ways(void **state)
{
    struct fixture *f = *state;
    f->behaviour = ECHO;
    struct end *end = open_session(f);

    for (int i = 0; i < 500; i++)
        assert_int_equal(send_ping(end->call, (uint64_t)i), 0);
    wait_for(f, &end->n_messages, 500);
    assert_true(end->in_order);
    assert_int_equal(end->next, 500);
    assert_int_equal(f->accepted->n_messages, 500);
    assert_true(f->accepted->in_order);
    rpc_call_cancel(end->call);
    expect_closed(f, end, RPC_CANCELLED, NULL);
    wait_for(f, &f->n_closed, 1);
    assert_int_equal(f->closed_status, RPC_CANCELLED);
}

static void messages_sent_before_the_connection_stands_are_delivered(void **state)
{
    struct fixture *f = *state;
    f->behaviour = ECHO;
    struct end *end = open_call(f, SESSION);

    for (int i = 0; i < 10; i++)
        assert_int_equal(send_ping(end->call, (uint64_t)i), 0);
    wait_for(f, &end->n_messages, 10);
    assert_true(end->in_order);
    rpc_call_cancel(end->call);
    expect_closed(f, end, RPC_CANCELLED, NULL);
}

static void an_empty_message_is_a_message(void **state)
{
    struct fixture *f = *state;
    struct end *end = open_session(f);

    assert_int_equal(send_bytes(end->call, 0), 0);
    wait_for(f, &f->n_calls, 1);
    wait_for(f, &f->accepted->n_messages, 1);
    assert_int_equal(f->accepted->last_len, 0);
    rpc_call_cancel(end->call);
    expect_closed(f, end, RPC_CANCELLED, NULL);
}

static void the_peer_is_named(void **state)
{
    struct fixture *f = *state;
    struct end *end = open_session(f);

    assert_memory_equal(rpc_call_peer(f->accepted->call), "ipv4:127.0.0.1:", 15);
    assert_ptr_equal(rpc_call_arg(end->call), end);
    rpc_call_cancel(end->call);
    expect_closed(f, end, RPC_CANCELLED, NULL);
}

static void two_hundred_calls_one_after_the_other_and_two_hundred_at_once(void **state)
{
    struct fixture *f = *state;
    struct end *ends[200];
    f->behaviour = END_AT_HALF_CLOSE;

    for (int i = 0; i < 200; i++) {
        struct end *end = open_call(f, SESSION);
        rpc_call_half_close(end->call);
        expect_closed(f, end, RPC_OK, NULL);
    }
    // One connection carries 100 of these, the rest waits for them.
    for (int i = 0; i < 200; i++) {
        ends[i] = open_call(f, SESSION);
        send_ping(ends[i]->call, 0);
        rpc_call_half_close(ends[i]->call);
    }
    for (int i = 0; i < 200; i++)
        expect_closed(f, ends[i], RPC_OK, NULL);
    wait_for(f, &f->n_closed, 400);
    assert_int_equal(f->n_calls, 400);
}

// --- Ends ---

static void a_call_refused_before_accept_is_closed_with_the_reason(void **state)
{
    struct fixture *f = *state;
    f->behaviour = REFUSE;

    struct end *end = open_call(f, SESSION);
    wait_for(f, &end->n_close, 1);
    expect_closed(f, end, RPC_ALREADY_EXISTS, "two workers are called w1");
    assert_int_equal(f->n_calls, 1);
}

static void a_call_finished_after_accept_delivers_what_is_queued_first(void **state)
{
    struct fixture *f = *state;
    f->behaviour = ACCEPT_AND_REFUSE;
    struct end *end = open_call(f, SESSION);

    wait_for(f, &end->n_close, 1);
    assert_int_equal(end->n_messages, 1);
    expect_closed(f, end, RPC_PERMISSION_DENIED, "not you");
    wait_for(f, &f->n_closed, 1);
    assert_int_equal(f->closed_status, RPC_PERMISSION_DENIED);
}

static void after_finish_and_after_the_end_sends_are_refused(void **state)
{
    struct fixture *f = *state;
    struct end *end = open_session(f);

    rpc_call_finish(f->accepted->call, RPC_OK, "");
    assert_int_equal(send_ping(f->accepted->call, 0), -EPIPE);
    rpc_call_finish(f->accepted->call, RPC_INTERNAL, "second");
    expect_closed(f, end, RPC_OK, NULL);

    end = open_session(f);
    rpc_call_half_close(end->call);
    assert_int_equal(send_ping(end->call, 0), -EPIPE);
    rpc_call_cancel(end->call);
    rpc_call_cancel(end->call);
    assert_int_equal(send_ping(end->call, 0), -EPIPE);
    expect_closed(f, end, RPC_CANCELLED, NULL);
}

static void a_half_close_comes_after_the_messages_and_the_server_may_go_on(void **state)
{
    struct fixture *f = *state;
    struct end *end = open_session(f);

    for (int i = 0; i < 20; i++)
        send_ping(end->call, (uint64_t)i);
    rpc_call_half_close(end->call);
    wait_for(f, &f->accepted->n_half_close, 1);
    assert_int_equal(f->accepted->n_messages, 20);
    assert_int_equal(send_ping(f->accepted->call, 0), 0);
    wait_for(f, &end->n_messages, 1);
    rpc_call_finish(f->accepted->call, RPC_OK, "");
    expect_closed(f, end, RPC_OK, NULL);
}

static void a_cancelled_client_is_seen_by_the_server(void **state)
{
    struct fixture *f = *state;
    struct end *end = open_session(f);

    rpc_call_cancel(end->call);
    expect_closed(f, end, RPC_CANCELLED, NULL);
    wait_for(f, &f->n_closed, 1);
    assert_int_equal(f->closed_status, RPC_CANCELLED);
}

static void an_unknown_method_is_unimplemented(void **state)
{
    struct fixture *f = *state;

    expect_closed(f, open_call(f, "/lps.v1.Cluster/Nothing"), RPC_UNIMPLEMENTED, "no such method");
    expect_closed(f, open_call(f, "/"), RPC_UNIMPLEMENTED, NULL);
    assert_int_equal(f->n_calls, 0);
}

static void freeing_a_client_closes_its_calls(void **state)
{
    struct fixture *f = *state;
    struct end *end = open_session(f), *unborn = open_call(f, SESSION);

    rpc_client_free(f->client);
    f->client = NULL;
    assert_int_equal(end->n_close, 0);
    expect_closed(f, end, RPC_CANCELLED, NULL);
    expect_closed(f, unborn, RPC_CANCELLED, NULL);
}

static void a_loop_closes_the_calls_of_freed_clients_before_it_goes(void **state)
{
    struct fixture *f = *state;
    struct end *end = open_session(f);

    stop_server(f, 0);
    struct end *late = open_call(f, SESSION);
    rpc_client_free(f->client);
    rpc_loop_free(f->loop);
    f->client = NULL;
    f->loop = NULL;
    assert_int_equal(end->n_close, 1);
    assert_int_equal(late->n_close, 1);
    free(end);
    free(late);
}

// --- Limits ---

static void the_largest_message_passes_and_a_larger_one_is_refused(void **state)
{
    struct fixture *f = *state;
    struct end *end = open_session(f);
    // One byte of tag and three of length.
    size_t largest = RPC_MESSAGE_MAX - 4;

    assert_int_equal(send_bytes(end->call, largest), 0);
    wait_for(f, &f->accepted->n_messages, 1);
    assert_int_equal(f->accepted->last_len, RPC_MESSAGE_MAX);
    send_bytes_when_taken(f, end, largest + 1);
    wait_for(f, &end->n_close, 1);
    assert_non_null(strstr(end->details, "larger than max"));
    expect_closed(f, end, RPC_RESOURCE_EXHAUSTED, NULL);
    wait_for(f, &f->n_closed, 1);
}

static void a_client_takes_no_larger_message_either(void **state)
{
    struct fixture *f = *state;
    struct end *end = open_session(f);

    assert_int_equal(send_bytes(f->accepted->call, RPC_MESSAGE_MAX - 3), 0);
    expect_closed(f, end, RPC_RESOURCE_EXHAUSTED, NULL);
    wait_for(f, &f->n_closed, 1);
}

static void a_paused_reader_holds_the_sender_until_it_reads_again(void **state)
{
    struct fixture *f = *state;
    f->behaviour = PAUSE;
    struct end *end = open_session(f);
    size_t n_taken = 0;
    int r, turns = 0;

    // A window of 64 KiB drains, then nothing does.
    while ((r = send_bytes(end->call, 32 * 1024)) == 0 && ++turns < 10000) {
        n_taken++;
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    }
    assert_int_equal(r, -EAGAIN);
    assert_true(n_taken * 32 * 1024 >= RPC_QUEUE_MAX - 64 * 1024);
    assert_int_equal(f->accepted->n_messages, 0);
    assert_int_equal(end->n_drained, 0);
    assert_int_equal(send_bytes(end->call, 32 * 1024), -EAGAIN);

    rpc_call_pause(f->accepted->call, false);
    wait_for(f, &end->n_drained, 1);
    assert_int_equal(send_ping(end->call, 0), 0);
    wait_for(f, &f->accepted->n_messages, (int)n_taken + 1);
    assert_int_equal(end->n_drained, 1);
    rpc_call_cancel(end->call);
    expect_closed(f, end, RPC_CANCELLED, NULL);
}

static void one_message_is_taken_by_an_empty_queue_whatever_its_size(void **state)
{
    struct fixture *f = *state;
    f->behaviour = PAUSE;
    struct end *end = open_session(f);

    assert_int_equal(send_bytes(end->call, RPC_QUEUE_MAX + 1), 0);
    assert_int_equal(send_ping(end->call, 0), -EAGAIN);
    rpc_call_pause(f->accepted->call, false);
    wait_for(f, &end->n_drained, 1);
    rpc_call_cancel(end->call);
    expect_closed(f, end, RPC_CANCELLED, NULL);
}

// --- Connections that fail ---

static struct end *fail_to_connect(struct fixture *f, const char *address, int timeout_ms,
                                   char *why, size_t size)
{
    struct mono begin = clock_now();

    f->client = rpc_client_new(f->loop, address, timeout_ms);
    struct end *end = open_call(f, SESSION);
    wait_for(f, &end->n_close, 1);
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
    wait_for(f, &end->n_messages, 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    wait_for(f, &end->n_close, 1);
    rpc_explain(end->status, end->details, 60000, CONNECT_MS, why, sizeof why);
    assert_string_equal(why, "connection lost");
    expect_closed(f, end, RPC_UNAVAILABLE, NULL);

    end = open_call(f, SESSION);
    wait_for(f, &end->n_close, 1);
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

// --- Explanations ---

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

// --- Listening ---

static void a_port_in_use_and_addresses_that_are_none_are_explained(void **state)
{
    struct fixture *f = *state;
    struct rpc_server *second = rpc_server_new(f->loop, NULL, 0);
    char err[200];
    uint16_t port = 0;

    assert_int_equal(rpc_server_listen(second, f->address, &port, err, sizeof err), -EADDRINUSE);
    assert_non_null(strstr(err, "Address already in use"));
    assert_non_null(strstr(err, f->address));
    assert_int_equal(rpc_server_listen(second, "192.0.2.1:0", &port, err, sizeof err),
                     -EADDRNOTAVAIL);
    static const char *const none[] = {"",         "127.0.0.1",       "127.0.0.1:",  ":5001",
                                       "::1:5001", "127.0.0.1:65536", "127.0.0.1:x", "[]:1"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(rpc_server_listen(second, none[i], &port, err, sizeof err), -EINVAL);
    assert_int_equal(port, 0);
    assert_int_equal(rpc_server_listen(second, "[::1]:0", &port, err, sizeof err), 0);
    assert_int_not_equal(port, 0);

    struct rpc_server *first = f->server;
    f->server = second;
    stop_server(f, 0);
    f->server = first;
}

static void a_server_that_never_listened_can_be_shut_down(void **state)
{
    struct fixture *f = *state;

    f->server = rpc_server_new(f->loop, NULL, 0);
    stop_server(f, 0);
}

// --- Shutdown ---

static void shutdown_tells_every_stream(void **state)
{
    struct fixture *f = *state;
    struct end *ends[20];

    for (int i = 0; i < 20; i++)
        ends[i] = open_session(f);
    stop_server(f, 60000);
    assert_int_equal(f->n_closed, 20);
    for (int i = 0; i < 20; i++)
        expect_closed(f, ends[i], RPC_UNAVAILABLE, "shutting down");
}

static void shutdown_does_not_wait_longer_than_grace_for_a_peer_that_reads_nothing(void **state)
{
    struct fixture *f = *state;
    struct end *end = open_session(f);
    int turns = 0;

    rpc_call_pause(end->call, true);
    while (send_bytes(f->accepted->call, 32 * 1024) == 0 && ++turns < 10000)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    assert_true(turns < 10000);
    stop_server(f, 50);
    assert_int_equal(f->n_closed, 1);
    assert_int_equal(f->closed_status, RPC_CANCELLED);
    rpc_call_pause(end->call, false);
    wait_for(f, &end->n_close, 1);
    assert_int_not_equal(end->status, RPC_OK);
    free(end);
}

static void signals_are_blocked_in_no_thread_that_had_them_open(void **state)
{
    sigset_t mask;

    (void)state;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGTERM), 0);
}

// --- Health ---

static void on_health(struct rpc_call *call, const uint8_t *bytes, size_t len, void *arg)
{
    struct end *end = arg;
    Grpc__Health__V1__HealthCheckResponse *m =
        grpc__health__v1__health_check_response__unpack(NULL, len, bytes);

    (void)call;
    end->n_messages++;
    end->last_health = (int)m->status;
    grpc__health__v1__health_check_response__free_unpacked(m, NULL);
}

static struct end *ask_health(struct fixture *f, const char *path, const char *service)
{
    static const struct rpc_call_ops ops = {.on_message = on_health, .on_close = on_close};
    Grpc__Health__V1__HealthCheckRequest m = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    struct end *end = end_new(f);

    m.service = (char *)service;
    end->call = rpc_client_call(f->client, path, &ops, end);
    assert_int_equal(rpc_call_send(end->call, &m.base), 0);
    rpc_call_half_close(end->call);
    return end;
}

static int check(struct fixture *f, const char *service)
{
    struct end *end = ask_health(f, HEALTH "Check", service);

    wait_for(f, &end->n_close, 1);
    int answer = end->status == RPC_OK ? end->last_health : -(int)end->status;
    free(end);
    return answer;
}

static void check_answers_for_the_server_and_for_its_services(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(check(f, ""), 2);
    rpc_server_set_serving(f->server, true);
    assert_int_equal(check(f, ""), 1);
    assert_int_equal(check(f, "lps.v1.Cluster"), 1);
    assert_int_equal(check(f, "lps.v1"), -RPC_NOT_FOUND);
    assert_int_equal(check(f, "lps.v1.Cluster/Session"), -RPC_NOT_FOUND);

    struct end *silent = open_call(f, HEALTH "Check");
    rpc_call_half_close(silent->call);
    expect_closed(f, silent, RPC_INVALID_ARGUMENT, "no request");
    struct end *garbled = open_call(f, HEALTH "Check");
    send_bytes(garbled->call, 0); // an empty one is a request for ""
    expect_closed(f, garbled, RPC_OK, NULL);
}

static void watch_follows_until_shutdown(void **state)
{
    struct fixture *f = *state;
    struct end *known = ask_health(f, HEALTH "Watch", "lps.v1.Cluster");
    struct end *unknown = ask_health(f, HEALTH "Watch", "no.such.Service");
    struct end *gone = ask_health(f, HEALTH "Watch", "");

    wait_for(f, &known->n_messages, 1);
    assert_int_equal(known->last_health, 2);
    wait_for(f, &unknown->n_messages, 1);
    assert_int_equal(unknown->last_health, 3);
    wait_for(f, &gone->n_messages, 1);
    rpc_call_cancel(gone->call);
    expect_closed(f, gone, RPC_CANCELLED, NULL);

    rpc_server_set_serving(f->server, true);
    wait_for(f, &known->n_messages, 2);
    assert_int_equal(known->last_health, 1);
    stop_server(f, 60000);
    wait_for(f, &known->n_close, 1);
    assert_int_equal(known->n_messages, 3);
    assert_int_equal(known->last_health, 2);
    assert_int_equal(unknown->n_messages, 1);
    expect_closed(f, known, RPC_UNAVAILABLE, "shutting down");
    expect_closed(f, unknown, RPC_UNAVAILABLE, "shutting down");
}

// --- The arena ---

static void an_arena_is_reused_after_reset(void **state)
{
    struct rpc_arena *arena = rpc_arena_new();
    ProtobufCAllocator *a = rpc_arena_allocator(arena);
    void *first = a->alloc(a->allocator_data, 1);

    (void)state;
    assert_non_null(first);
    for (size_t size = 0; size < 200 * 1024; size = size * 2 + 1) {
        char *p = a->alloc(a->allocator_data, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        memset(p, 0x5a, size);
        a->free(a->allocator_data, p);
    }
    rpc_arena_reset(arena);
    assert_ptr_equal(a->alloc(a->allocator_data, 1), first);
    rpc_arena_free(arena);
    rpc_arena_free(NULL);
}

static void a_message_that_unpacks_to_too_much_is_not_unpacked(void **state)
{
    struct rpc_arena *arena = rpc_arena_new();
    ProtobufCAllocator *a = rpc_arena_allocator(arena);
    size_t n = RPC_MESSAGE_MAX / 2;
    uint8_t *bytes = malloc(2 * n);
    Lps__V1__Welcome *m;

    // Welcome.resume, field 7, empty, half a million times.
    (void)state;
    for (size_t i = 0; i < n; i++) {
        bytes[2 * i] = 7 << 3 | 2;
        bytes[2 * i + 1] = 0;
    }
    assert_null(lps__v1__welcome__unpack(a, 2 * n, bytes));
    rpc_arena_reset(arena);
    m = lps__v1__welcome__unpack(a, 2000, bytes);
    assert_non_null(m);
    assert_int_equal(m->n_resume, 1000);
    assert_null(a->alloc(a->allocator_data, RPC_ARENA_MAX + 1));
    assert_null(a->alloc(a->allocator_data, SIZE_MAX));
    rpc_arena_free(arena);
    free(bytes);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define LOOPED(test) cmocka_unit_test_setup_teardown(test, setup_loop, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SERVED(messages_arrive_in_order_both_ways),
        SERVED(messages_sent_before_the_connection_stands_are_delivered),
        SERVED(an_empty_message_is_a_message),
        SERVED(the_peer_is_named),
        SERVED(two_hundred_calls_one_after_the_other_and_two_hundred_at_once),
        SERVED(a_call_refused_before_accept_is_closed_with_the_reason),
        SERVED(a_call_finished_after_accept_delivers_what_is_queued_first),
        SERVED(after_finish_and_after_the_end_sends_are_refused),
        SERVED(a_half_close_comes_after_the_messages_and_the_server_may_go_on),
        SERVED(a_cancelled_client_is_seen_by_the_server),
        SERVED(an_unknown_method_is_unimplemented),
        SERVED(freeing_a_client_closes_its_calls),
        SERVED(a_loop_closes_the_calls_of_freed_clients_before_it_goes),
        SERVED(the_largest_message_passes_and_a_larger_one_is_refused),
        SERVED(a_client_takes_no_larger_message_either),
        SERVED(a_paused_reader_holds_the_sender_until_it_reads_again),
        SERVED(one_message_is_taken_by_an_empty_queue_whatever_its_size),
        LOOPED(a_closed_port_is_connection_refused),
        LOOPED(a_silent_acceptor_is_no_answer_within_the_timeout),
        LOOPED(an_http1_server_is_named),
        LOOPED(a_killed_server_closes_the_stream_at_once),
        LOOPED(a_stopped_process_does_not_answer),
        LOOPED(an_address_that_is_none_fails_and_says_something),
        cmocka_unit_test(explanations_are_for_people),
        SERVED(a_port_in_use_and_addresses_that_are_none_are_explained),
        LOOPED(a_server_that_never_listened_can_be_shut_down),
        SERVED(shutdown_tells_every_stream),
        SERVED(shutdown_does_not_wait_longer_than_grace_for_a_peer_that_reads_nothing),
        SERVED(signals_are_blocked_in_no_thread_that_had_them_open),
        SERVED(check_answers_for_the_server_and_for_its_services),
        SERVED(watch_follows_until_shutdown),
        cmocka_unit_test(an_arena_is_reused_after_reset),
        cmocka_unit_test(a_message_that_unpacks_to_too_much_is_not_unpacked),
    };

    signal(SIGPIPE, SIG_IGN);
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        return serve();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
