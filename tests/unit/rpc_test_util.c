#include "tests/unit/rpc_test_util.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "health.pb-c.h"
#include "lps.pb-c.h"

static void ping_init(Lps__V1__WorkerMessage *m, Lps__V1__ClockPing *ping, uint64_t i)
{
    lps__v1__worker_message__init(m);
    lps__v1__clock_ping__init(ping);
    ping->t1_ns = (int64_t)i;
    m->body_case = LPS__V1__WORKER_MESSAGE__BODY_CLOCK;
    m->clock = ping;
}

int send_ping(struct rpc_call *call, uint64_t i)
{
    Lps__V1__WorkerMessage m;
    Lps__V1__ClockPing ping;

    ping_init(&m, &ping, i);
    return rpc_call_send(call, &m.base);
}

int send_bytes(struct rpc_call *call, size_t len)
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

void on_close(struct rpc_call *call, enum rpc_status status, const char *details, void *arg)
{
    struct end *end = arg;

    assert_ptr_equal(end->call, call);
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

struct end *end_new(struct fixture *f)
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

void stop_server(struct fixture *f, int grace_ms)
{
    wait_for_shutdown(f->base, f->server, grace_ms);
    f->server = NULL;
}

void start_server(struct fixture *f, const char *address)
{
    static struct rpc_method methods[] = {{SESSION, on_session, NULL}};
    char err[200];
    uint16_t port;

    methods[0].arg = f;
    f->server = rpc_server_new(f->loop, methods, 1);
    assert_int_equal(rpc_server_listen(f->server, address, &port, err, sizeof err), 0);
    snprintf(f->address, sizeof f->address, "127.0.0.1:%d", port);
}

int setup_loop(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->base = event_base_new();
    f->loop = rpc_loop_new(f->base);
    *state = f;
    return 0;
}

int setup(void **state)
{
    setup_loop(state);
    struct fixture *f = *state;
    start_server(f, "127.0.0.1:0");
    f->client = rpc_client_new(f->loop, f->address, CONNECT_MS);
    return 0;
}

int teardown(void **state)
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

struct end *open_call(struct fixture *f, const char *path)
{
    struct end *end = end_new(f);

    end->call = rpc_client_call(f->client, path, &client_ops, end);
    return end;
}

struct end *open_session(struct fixture *f)
{
    struct end *end = open_call(f, SESSION);

    wait_for(f->base, &f->n_calls, f->n_calls + 1);
    return end;
}

void expect_closed(struct fixture *f, struct end *end, enum rpc_status status, const char *details)
{
    wait_for(f->base, &end->n_close, 1);
    assert_int_equal(end->status, status);
    if (details != NULL)
        assert_string_equal(end->details, details);
    free(end);
}
