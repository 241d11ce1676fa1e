#include "worker/daemon/uplink.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/str.h"
#include "tests/unit/wait.h"

#define BOOT "11111111-2222-3333-4444-555555555555"

// A master that does as it is told, and the uplink to it.
struct fixture {
    struct event_base *base;
    struct rpc_loop *loop;
    struct rpc_server *server; // NULL: nobody listens
    struct conf *conf;
    struct uplink *uplink;
    enum { WELCOME, REFUSE, SAY_NOTHING, CLOCK_FIRST, NO_MESSAGE, WELCOME_TWICE } behaviour;
    struct rpc_call *call; // the master's end, newest
    int n_hellos, n_pings, n_sessions_over;
    uint32_t last_samples;
    uint8_t instance[2][16];
    char node[65];
    int n_ups, n_downs, n_fresh, n_clocks, n_messages;
    char trouble[256];
};

// --- The master ---

static void answer(struct rpc_call *call, Lps__V1__MasterMessage__BodyCase body, void *message)
{
    Lps__V1__MasterMessage m = LPS__V1__MASTER_MESSAGE__INIT;

    m.body_case = body;
    m.welcome = message;
    rpc_call_send(call, &m.base);
}

static void answer_hello(struct fixture *f, struct rpc_call *call)
{
    Lps__V1__Welcome welcome = LPS__V1__WELCOME__INIT;
    Lps__V1__ClockPong pong = LPS__V1__CLOCK_PONG__INIT;

    welcome.epoch = 1;
    welcome.master = (char *)"m1";
    welcome.boot_id = (char *)BOOT;
    welcome.lease_ms = 3000;
    welcome.heartbeat_ms = 20;
    if (f->behaviour == CLOCK_FIRST)
        answer(call, LPS__V1__MASTER_MESSAGE__BODY_CLOCK, &pong);
    if (f->behaviour == NO_MESSAGE)
        rpc_call_send(call, &welcome.base); // its fields have other types as a MasterMessage
    if (f->behaviour == WELCOME || f->behaviour == WELCOME_TWICE)
        answer(call, LPS__V1__MASTER_MESSAGE__BODY_WELCOME, &welcome);
    if (f->behaviour == WELCOME_TWICE)
        answer(call, LPS__V1__MASTER_MESSAGE__BODY_WELCOME, &welcome);
}

static void take_hello(struct fixture *f, const Lps__V1__Hello *hello)
{
    assert_int_equal(hello->instance.len, 16);
    memcpy(f->instance[f->n_hellos % 2], hello->instance.data, 16);
    snprintf(f->node, sizeof f->node, "%s", hello->node);
    assert_true(hello->cpus > 0 && hello->memory_bytes > 0 && hello->fd_limit > 0);
    assert_true(strlen(hello->os) > 0 && strlen(hello->kernel) > 0 && strlen(hello->arch) > 0);
    f->n_hellos++;
}

static void on_worker_message(struct rpc_call *call, const uint8_t *bytes, size_t len, void *arg)
{
    struct fixture *f = arg;
    Lps__V1__WorkerMessage *m = lps__v1__worker_message__unpack(NULL, len, bytes);

    assert_non_null(m);
    if (m->body_case == LPS__V1__WORKER_MESSAGE__BODY_HELLO) {
        take_hello(f, m->hello);
        if (f->behaviour == REFUSE)
            rpc_call_finish(call, RPC_ALREADY_EXISTS, "two workers are called w1");
        else
            answer_hello(f, call);
    } else if (m->body_case == LPS__V1__WORKER_MESSAGE__BODY_CLOCK) {
        Lps__V1__ClockPong pong = LPS__V1__CLOCK_PONG__INIT;
        pong.t1_ns = m->clock->t1_ns;
        pong.t2_ns = pong.t3_ns = clock_boot_now().ns;
        f->n_pings++;
        f->last_samples = m->clock->n_samples;
        answer(call, LPS__V1__MASTER_MESSAGE__BODY_CLOCK, &pong);
    }
    lps__v1__worker_message__free_unpacked(m, NULL);
}

static void on_session_over(struct rpc_call *call, enum rpc_status status, const char *details,
                            void *arg)
{
    struct fixture *f = arg;

    (void)status;
    (void)details;
    if (f->call == call)
        f->call = NULL;
    f->n_sessions_over++;
}

static void on_session(struct rpc_call *call, void *arg)
{
    static const struct rpc_call_ops ops = {.on_message = on_worker_message,
                                            .on_close = on_session_over};
    struct fixture *f = arg;

    f->call = call;
    rpc_call_accept(call, &ops, f);
}

// --- The worker ---

static void on_up(const Lps__V1__Welcome *welcome, void *arg)
{
    struct fixture *f = arg;

    assert_string_equal(welcome->master, "m1");
    f->n_ups++;
}

static void on_down(const char *text, bool fresh, void *arg)
{
    struct fixture *f = arg;

    snprintf(f->trouble, sizeof f->trouble, "%s", text);
    f->n_downs++;
    f->n_fresh += fresh;
}

static void on_message(const Lps__V1__MasterMessage *message, void *arg)
{
    struct fixture *f = arg;

    (void)message;
    f->n_messages++;
}

static void on_clock(void *arg)
{
    struct fixture *f = arg;

    f->n_clocks++;
}

static const struct uplink_ops ops = {
    .on_up = on_up, .on_down = on_down, .on_message = on_message, .on_clock = on_clock};

// --- The fixture ---

static void stop_master(struct fixture *f)
{
    wait_for_shutdown(f->base, f->server, 0);
    f->server = NULL;
}

static void start_master(struct fixture *f, uint16_t port)
{
    static struct rpc_method method = {.path = "/lps.v1.Cluster/Session", .on_call = on_session};
    char address[32], err[256];
    uint16_t bound;

    method.arg = f;
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    f->server = rpc_server_new(f->loop, &method, 1);
    assert_int_equal(rpc_server_listen(f->server, address, &bound, err, sizeof err), 0);
    f->conf->cluster.grpc_port = bound;
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){.base = event_base_new(), .conf = conf_new()};
    f->loop = rpc_loop_new(f->base);
    f->conf->cluster.node_name = xstrdup("w1");
    f->conf->cluster.backoff_min_ms = 10;
    f->conf->cluster.backoff_max_ms = 20;
    start_master(f, 0);
}

static void connect_uplink(struct fixture *f)
{
    f->uplink = uplink_new(f->loop, f->base, f->conf, &ops, f);
}

static void end(struct fixture *f)
{
    uplink_free(f->uplink);
    if (f->server != NULL)
        stop_master(f);
    rpc_loop_free(f->loop);
    event_base_free(f->base);
    conf_free(f->conf);
}

// --- Tests ---

static void hello_brings_welcome_and_the_clock_follows(void **state)
{
    struct fixture f;
    int64_t own_ns, error_ns;

    (void)state;
    begin(&f);
    connect_uplink(&f);
    assert_false(uplink_is_up(f.uplink));
    wait_for(f.base, &f.n_ups, 1);
    assert_true(uplink_is_up(f.uplink));
    assert_null(uplink_trouble(f.uplink));
    assert_string_equal(f.node, "w1");
    assert_int_equal(uplink_map(f.uplink, BOOT, 0, &own_ns, &error_ns), -EAGAIN);
    wait_for(f.base, &f.n_clocks, 1);
    int64_t boot_ns = clock_boot_now().ns, now_ns = clock_now().ns;
    assert_int_equal(uplink_map(f.uplink, BOOT, boot_ns, &own_ns, &error_ns), 0);
    // The two readings are apart by what this process was interrupted between them.
    assert_true(llabs(own_ns - now_ns) <= error_ns + NS_PER_S);
    assert_int_equal(uplink_map(f.uplink, "another", boot_ns, &own_ns, &error_ns), -ESTALE);
    assert_int_equal(uplink_map(f.uplink, BOOT, INT64_MIN, &own_ns, &error_ns), -ESTALE);
    assert_int_equal(uplink_map(f.uplink, BOOT, INT64_MAX, &own_ns, &error_ns), -ESTALE);
    assert_int_equal(uplink_map(f.uplink, BOOT, INT64_MAX / 2, &own_ns, &error_ns), 0);
    wait_for(f.base, &f.n_pings, 12); // the burst, then heartbeats
    assert_true(f.last_samples >= 8);
    assert_int_equal(f.n_clocks, 1);
    end(&f);
}

static void an_outage_is_told_once_for_each_reason(void **state)
{
    struct fixture f;
    char expected[128];

    (void)state;
    begin(&f);
    stop_master(&f);
    connect_uplink(&f);
    wait_for(f.base, &f.n_downs, 4);
    assert_int_equal(f.n_fresh, 1);
    snprintf(expected, sizeof expected, "master 127.0.0.1:%d: Connection refused (after ",
             (int)f.conf->cluster.grpc_port);
    assert_int_equal(strncmp(f.trouble, expected, strlen(expected)), 0);
    assert_string_equal(uplink_trouble(f.uplink), f.trouble);
    end(&f);
}

static void the_same_instance_comes_back_after_a_loss(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    connect_uplink(&f);
    wait_for(f.base, &f.n_ups, 1);
    rpc_call_finish(f.call, RPC_UNAVAILABLE, "going down");
    wait_for(f.base, &f.n_downs, 1);
    assert_false(uplink_is_up(f.uplink));
    assert_non_null(strstr(f.trouble, "going down"));
    wait_for(f.base, &f.n_ups, 2);
    assert_null(uplink_trouble(f.uplink));
    assert_memory_equal(f.instance[0], f.instance[1], 16);
    rpc_call_finish(f.call, RPC_UNAVAILABLE, "going down");
    wait_for(f.base, &f.n_fresh, 2); // the same reason, but another outage
    end(&f);
}

static void a_master_that_appears_later_is_found(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    uint16_t port = (uint16_t)f.conf->cluster.grpc_port;
    stop_master(&f);
    connect_uplink(&f);
    wait_for(f.base, &f.n_downs, 2);
    start_master(&f, port);
    wait_for(f.base, &f.n_ups, 1);
    end(&f);
}

static void a_refusal_is_told_in_the_masters_words(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    f.behaviour = REFUSE;
    connect_uplink(&f);
    wait_for(f.base, &f.n_downs, 2);
    assert_non_null(strstr(f.trouble, "two workers are called w1"));
    assert_int_equal(f.n_fresh, 1);
    end(&f);
}

static void a_master_against_the_protocol_is_left(void **state)
{
    static const struct {
        int behaviour;
        const char *trouble;
    } cases[] = {
        {CLOCK_FIRST, "did not say welcome first"},
        {NO_MESSAGE, "sent bytes that are no message"},
        {WELCOME_TWICE, "said welcome twice"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        begin(&f);
        f.behaviour = cases[i].behaviour;
        connect_uplink(&f);
        wait_for(f.base, &f.n_downs, 1);
        if (strstr(f.trouble, cases[i].trouble) == NULL)
            fail_msg("found \"%s\", expected \"%s\"", f.trouble, cases[i].trouble);
        end(&f);
    }
}

static void a_master_that_says_nothing_is_left(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    f.conf->cluster.connect_timeout_ms = 100;
    f.behaviour = SAY_NOTHING;
    connect_uplink(&f);
    wait_for(f.base, &f.n_downs, 1);
    wait_for(f.base, &f.n_hellos, 1);
    assert_int_equal(f.n_ups, 0);
    end(&f);
}

static void nothing_is_sent_while_it_is_down(void **state)
{
    struct fixture f;
    Lps__V1__WorkerMessage m = LPS__V1__WORKER_MESSAGE__INIT;
    Lps__V1__Cancel c = LPS__V1__CANCEL__INIT;

    (void)state;
    begin(&f);
    m.body_case = LPS__V1__WORKER_MESSAGE__BODY_CANCEL;
    m.cancel = &c;
    connect_uplink(&f);
    assert_int_equal(uplink_send(f.uplink, &m), -EPIPE);
    wait_for(f.base, &f.n_ups, 1);
    assert_int_equal(uplink_send(f.uplink, &m), 0);
    rpc_call_finish(f.call, RPC_UNAVAILABLE, "");
    wait_for(f.base, &f.n_downs, 1);
    assert_int_equal(uplink_send(f.uplink, &m), -EPIPE);
    end(&f);
}

static void freed_it_calls_nobody(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    connect_uplink(&f);
    wait_for(f.base, &f.n_ups, 1);
    uplink_free(f.uplink);
    f.uplink = NULL;
    wait_for(f.base, &f.n_sessions_over, 1);
    assert_int_equal(f.n_downs, 0);
    uplink_free(NULL);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_brings_welcome_and_the_clock_follows),
        cmocka_unit_test(an_outage_is_told_once_for_each_reason),
        cmocka_unit_test(the_same_instance_comes_back_after_a_loss),
        cmocka_unit_test(a_master_that_appears_later_is_found),
        cmocka_unit_test(a_refusal_is_told_in_the_masters_words),
        cmocka_unit_test(a_master_against_the_protocol_is_left),
        cmocka_unit_test(a_master_that_says_nothing_is_left),
        cmocka_unit_test(nothing_is_sent_while_it_is_down),
        cmocka_unit_test(freed_it_calls_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
