// The standard health service.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "health.pb-c.h"
#include "tests/unit/rpc_test_util.h"

#define HEALTH "/grpc.health.v1.Health/"

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

    wait_for(f->base, &end->n_close, 1);
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

    wait_for(f->base, &known->n_messages, 1);
    assert_int_equal(known->last_health, 2);
    wait_for(f->base, &unknown->n_messages, 1);
    assert_int_equal(unknown->last_health, 3);
    wait_for(f->base, &gone->n_messages, 1);
    rpc_call_cancel(gone->call);
    expect_closed(f, gone, RPC_CANCELLED, NULL);

    rpc_server_set_serving(f->server, true);
    wait_for(f->base, &known->n_messages, 2);
    assert_int_equal(known->last_health, 1);
    stop_server(f, 60000);
    wait_for(f->base, &known->n_close, 1);
    assert_int_equal(known->n_messages, 3);
    assert_int_equal(known->last_health, 2);
    assert_int_equal(unknown->n_messages, 1);
    expect_closed(f, known, RPC_UNAVAILABLE, "shutting down");
    expect_closed(f, unknown, RPC_UNAVAILABLE, "shutting down");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(check_answers_for_the_server_and_for_its_services),
        SERVED(watch_follows_until_shutdown),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
