// Calls and servers that do what they should, up to their limits.
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/str.h"
#include "health.pb-c.h"
#include "tests/unit/rpc_test_util.h"

// --- Streams ---

static void messages_arrive_in_order_both_ways(void **state)
{
    struct fixture *f = *state;
    f->behaviour = ECHO;
    struct end *end = open_session(f);

    for (int i = 0; i < 500; i++)
        assert_int_equal(send_ping(end->call, (uint64_t)i), 0);
    wait_for(f->base, &end->n_messages, 500);
    assert_true(end->in_order);
    assert_int_equal(end->next, 500);
    assert_int_equal(f->accepted->n_messages, 500);
    assert_true(f->accepted->in_order);
    rpc_call_cancel(end->call);
    expect_closed(f, end, RPC_CANCELLED, NULL);
    wait_for(f->base, &f->n_closed, 1);
    assert_int_equal(f->closed_status, RPC_CANCELLED);
}

static void messages_sent_before_the_connection_stands_are_delivered(void **state)
{
    struct fixture *f = *state;
    f->behaviour = ECHO;
    struct end *end = open_call(f, SESSION);

    for (int i = 0; i < 10; i++)
        assert_int_equal(send_ping(end->call, (uint64_t)i), 0);
    wait_for(f->base, &end->n_messages, 10);
    assert_true(end->in_order);
    rpc_call_cancel(end->call);
    expect_closed(f, end, RPC_CANCELLED, NULL);
}

static void a_message_packed_once_goes_to_many_calls(void **state)
{
    struct fixture *f = *state;
    Grpc__Health__V1__HealthCheckRequest m = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    struct end *a = open_session(f), *at_a = f->accepted, *b = open_session(f), *at_b = f->accepted;
    size_t len = 1000 + 3; // one byte of tag and two of length

    m.service = xcalloc(1001, 1);
    memset(m.service, 'x', 1000);
    struct rpc_packed *packed = rpc_pack(&m.base);
    free(m.service);
    assert_int_equal(rpc_call_send_packed(a->call, packed), 0);
    assert_int_equal(rpc_call_send_packed(a->call, packed), 0);
    assert_int_equal(rpc_call_send_packed(b->call, packed), 0);
    rpc_packed_free(packed);
    wait_for(f->base, &at_a->n_messages, 2);
    wait_for(f->base, &at_b->n_messages, 1);
    assert_int_equal(at_a->last_len, len);
    assert_int_equal(at_b->last_len, len);
    rpc_call_cancel(a->call);
    rpc_call_cancel(b->call);
    expect_closed(f, a, RPC_CANCELLED, NULL);
    expect_closed(f, b, RPC_CANCELLED, NULL);
    wait_for(f->base, &f->n_closed, 2);
}

static void a_packed_message_is_refused_where_another_is(void **state)
{
    struct fixture *f = *state;
    Grpc__Health__V1__HealthCheckRequest m = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    struct end *end = open_session(f);

    rpc_packed_free(NULL);
    m.service = xcalloc(RPC_QUEUE_MAX, 1);
    memset(m.service, 'x', RPC_QUEUE_MAX - 1);
    struct rpc_packed *packed = rpc_pack(&m.base);
    free(m.service);
    assert_int_equal(rpc_call_send_packed(end->call, packed), 0);
    assert_int_equal(rpc_call_send_packed(end->call, packed), -EAGAIN);
    wait_for(f->base, &end->n_drained, 1);
    assert_int_equal(rpc_call_send_packed(end->call, packed), 0);
    rpc_call_cancel(end->call);
    assert_int_equal(rpc_call_send_packed(end->call, packed), -EPIPE);
    expect_closed(f, end, RPC_CANCELLED, NULL);
    rpc_packed_free(packed);
}

static void an_empty_message_is_a_message(void **state)
{
    struct fixture *f = *state;
    struct end *end = open_session(f);

    assert_int_equal(send_bytes(end->call, 0), 0);
    wait_for(f->base, &f->n_calls, 1);
    wait_for(f->base, &f->accepted->n_messages, 1);
    assert_int_equal(f->accepted->last_len, 0);
    rpc_call_cancel(end->call);
    expect_closed(f, end, RPC_CANCELLED, NULL);
}

static void the_peer_is_named(void **state)
{
    struct fixture *f = *state;
    struct end *end = open_session(f);

    assert_memory_equal(rpc_call_peer(f->accepted->call), "ipv4:127.0.0.1:", 15);
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
    wait_for(f->base, &f->n_closed, 400);
    assert_int_equal(f->n_calls, 400);
}

// --- Ends ---

static void a_call_refused_before_accept_is_closed_with_the_reason(void **state)
{
    struct fixture *f = *state;
    f->behaviour = REFUSE;

    struct end *end = open_call(f, SESSION);
    wait_for(f->base, &end->n_close, 1);
    expect_closed(f, end, RPC_ALREADY_EXISTS, "two workers are called w1");
    assert_int_equal(f->n_calls, 1);
}

static void a_call_finished_after_accept_delivers_what_is_queued_first(void **state)
{
    struct fixture *f = *state;
    f->behaviour = ACCEPT_AND_REFUSE;
    struct end *end = open_call(f, SESSION);

    wait_for(f->base, &end->n_close, 1);
    assert_int_equal(end->n_messages, 1);
    expect_closed(f, end, RPC_PERMISSION_DENIED, "not you");
    wait_for(f->base, &f->n_closed, 1);
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
    wait_for(f->base, &f->accepted->n_half_close, 1);
    assert_int_equal(f->accepted->n_messages, 20);
    assert_int_equal(send_ping(f->accepted->call, 0), 0);
    wait_for(f->base, &end->n_messages, 1);
    rpc_call_finish(f->accepted->call, RPC_OK, "");
    expect_closed(f, end, RPC_OK, NULL);
}

static void a_cancelled_client_is_seen_by_the_server(void **state)
{
    struct fixture *f = *state;
    struct end *end = open_session(f);

    rpc_call_cancel(end->call);
    expect_closed(f, end, RPC_CANCELLED, NULL);
    wait_for(f->base, &f->n_closed, 1);
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

// Takes the time that what was sent before needs to go.
static void send_bytes_when_taken(struct fixture *f, struct end *end, size_t len)
{
    int r = send_bytes(end->call, len);

    if (r == -EAGAIN) {
        wait_for(f->base, &end->n_drained, end->n_drained + 1);
        r = send_bytes(end->call, len);
    }
    assert_int_equal(r, 0);
}

static void the_largest_message_passes_and_a_larger_one_is_refused(void **state)
{
    struct fixture *f = *state;
    struct end *end = open_session(f);
    // One byte of tag and three of length.
    size_t largest = RPC_MESSAGE_MAX - 4;

    assert_int_equal(send_bytes(end->call, largest), 0);
    wait_for(f->base, &f->accepted->n_messages, 1);
    assert_int_equal(f->accepted->last_len, RPC_MESSAGE_MAX);
    send_bytes_when_taken(f, end, largest + 1);
    wait_for(f->base, &end->n_close, 1);
    assert_non_null(strstr(end->details, "larger than max"));
    expect_closed(f, end, RPC_RESOURCE_EXHAUSTED, NULL);
    wait_for(f->base, &f->n_closed, 1);
}

static void a_client_takes_no_larger_message_either(void **state)
{
    struct fixture *f = *state;
    struct end *end = open_session(f);

    assert_int_equal(send_bytes(f->accepted->call, RPC_MESSAGE_MAX - 3), 0);
    expect_closed(f, end, RPC_RESOURCE_EXHAUSTED, NULL);
    wait_for(f->base, &f->n_closed, 1);
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
    wait_for(f->base, &end->n_drained, 1);
    assert_int_equal(send_ping(end->call, 0), 0);
    wait_for(f->base, &f->accepted->n_messages, (int)n_taken + 1);
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
    wait_for(f->base, &end->n_drained, 1);
    rpc_call_cancel(end->call);
    expect_closed(f, end, RPC_CANCELLED, NULL);
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
    wait_for(f->base, &end->n_close, 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(messages_arrive_in_order_both_ways),
        SERVED(messages_sent_before_the_connection_stands_are_delivered),
        SERVED(a_message_packed_once_goes_to_many_calls),
        SERVED(a_packed_message_is_refused_where_another_is),
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
        SERVED(a_port_in_use_and_addresses_that_are_none_are_explained),
        LOOPED(a_server_that_never_listened_can_be_shut_down),
        SERVED(shutdown_tells_every_stream),
        SERVED(shutdown_does_not_wait_longer_than_grace_for_a_peer_that_reads_nothing),
        SERVED(signals_are_blocked_in_no_thread_that_had_them_open),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
