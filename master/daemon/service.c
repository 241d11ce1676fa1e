#include "master/daemon/service_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/str.h"
#include "common/wire.h"

#include "master/daemon/message.h"

static int64_t now_ns(void)
{
    return clock_boot_now().ns;
}

// --- Ending a session ---

static void give_up(struct session *s, enum rpc_status status, const char *text)
{
    struct cluster_node *node = s->node;

    service_end(s, status, text);
    s->node = NULL;
    if (node == NULL)
        return;
    cluster_gone(s->service->master->cluster, now_ns(), node, s, text);
    master_apply(s->service->master);
}

static void bad_message(struct session *s, const char *why)
{
    struct log_fields fields = {.node = s->node == NULL ? NULL : s->node->name,
                                .event = "bad-message"};

    s->service->master->bad_messages++;
    log_event(LOG_WARNING, &fields, "%s: %s", rpc_call_peer(s->call), why);
    give_up(s, RPC_INVALID_ARGUMENT, why);
}

void service_end_session(struct service *service, void *session, enum cluster_status status,
                         const char *text)
{
    struct session *s = session;

    if (status == CLUSTER_STATUS_INVALID) {
        struct log_fields fields = {.node = s->node->name, .event = "bad-message"};
        service->master->bad_messages++;
        log_event(LOG_WARNING, &fields, "%s: %s", rpc_call_peer(s->call), text);
    }
    s->node = NULL;
    service_end(s, (enum rpc_status)status, text);
}

// --- Receiving ---

static void refuse_hello(struct session *s, const char *node, enum rpc_status status,
                         const char *why)
{
    struct log_fields fields = {.node = node, .event = "refused"};

    log_event(LOG_WARNING, &fields, "%s: %s", rpc_call_peer(s->call), why);
    service_end(s, status, why);
}

static void on_hello(struct session *s, const Lps__V1__Hello *msg)
{
    struct master *m = s->service->master;
    uint64_t epoch = store_epoch(m->store, msg->node, msg->instance.data);
    struct cluster_facts facts;
    char why[128];

    message_facts(msg, &facts);
    int r = cluster_hello(m->cluster, now_ns(), msg->node, msg->instance.data, epoch, &facts, s,
                          &s->node);
    if (r == -EEXIST) {
        snprintf(why, sizeof why, "two workers are called %s", msg->node);
        refuse_hello(s, msg->node, RPC_ALREADY_EXISTS, why);
        return;
    }
    if (r < 0 || (s->node->epoch == epoch &&
                  store_set_epoch(m->store, msg->node, msg->instance.data, epoch) < 0)) {
        refuse_hello(s, msg->node, RPC_RESOURCE_EXHAUSTED, "too many nodes");
        give_up(s, RPC_RESOURCE_EXHAUSTED, "too many nodes");
        return;
    }
    service_send_welcome(s);
    if (cluster_is_open(m->cluster))
        service_send_state(s->service, s->node);
}

static void on_clock(struct session *s, const Lps__V1__ClockPing *msg, int64_t received_ns)
{
    Lps__V1__ClockPong pong = LPS__V1__CLOCK_PONG__INIT;

    pong.t1_ns = msg->t1_ns;
    pong.t2_ns = received_ns;
    pong.t3_ns = now_ns();
    service_send(s, LPS__V1__MASTER_MESSAGE__BODY_CLOCK, &pong);
    cluster_clock(s->service->master->cluster, received_ns, s->node, msg->n_samples, msg->rtt_ns,
                  msg->error_ns);
}

// A random UUID (RFC 9562 version 4).
static void new_run_id(char out[37])
{
    uint8_t b[16];
    char hex[33];

    if (getrandom(b, sizeof b, 0) != sizeof b)
        abort();
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    str_hex(b, sizeof b, hex);
    snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

// One that is the same number in all JSON.
static uint64_t new_seed(void)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        abort();
    return seed >> (64 - 53);
}

// A run that was once Ready and is not the one that cluster knows is over for good.
static bool is_over(const struct master *m, const char *run)
{
    const struct cluster_run *known = cluster_run(m->cluster);

    return *run != '\0' && (known == NULL || strcmp(known->id, run) != 0) &&
           store_has_run(m->store, run);
}

// Of who joins a run it is the same, there or left out. 0, or -EINVAL with why not for the worker.
static int take_plan(struct master *m, const Lps__V1__Submit *msg, char *why, size_t size)
{
    const struct cluster_run *run = cluster_run(m->cluster);
    struct diag d = {0};

    if (cluster_is_open(m->cluster) &&
        memcmp(run->digest, msg->digest.data, sizeof run->digest) == 0)
        return 0;
    int r = plan_parse((const char *)msg->plan.data, msg->plan.len, &d, &m->plan);
    if (r < 0)
        snprintf(why, size, "the master does not take the plan: %.200s", d.entry[0].text);
    diag_done(&d);
    return r;
}

static void on_submit(struct session *s, const Lps__V1__Submit *msg)
{
    struct master *m = s->service->master;
    char new_run[37], why[256];

    if (is_over(m, msg->run)) {
        service_answer(s, msg->submission, msg->run, "the run is over", false, false);
        return;
    }
    if (take_plan(m, msg, why, sizeof why) < 0) {
        service_answer(s, msg->submission, "", why, false, false);
        return;
    }
    new_run_id(new_run);
    struct cluster_submission submission = {.id = msg->submission,
                                            .digest = msg->digest.data,
                                            .plan_name = m->plan == NULL ? "" : m->plan->name,
                                            .run = msg->run,
                                            .new_run = new_run,
                                            .has_seed = msg->has_seed,
                                            .seed = msg->has_seed ? msg->seed : new_seed(),
                                            .has_unique = msg->has_unique};
    cluster_submit(m->cluster, now_ns(), s->node, &submission);
    master_apply(m);
    plan_free(m->plan);
    m->plan = NULL;
}

// The run's measured side when it is this one, else NULL.
static struct run *run_called(const struct master *m, const char *id)
{
    return m->run != NULL && strcmp(m->run->id, id) == 0 ? m->run : NULL;
}

static void on_window(struct session *s, const Lps__V1__WindowReport *msg)
{
    struct master *m = s->service->master;
    const struct run *run = run_called(m, msg->run);
    struct metrics_window *w = NULL;
    struct cluster_member *member;

    if (run != NULL && wire_window_decode(msg->window, plan_n_series(run->plan), &w) < 0) {
        bad_message(s, "a window that does not fit the plan");
        return;
    }
    switch (cluster_window(m->cluster, now_ns(), s->node, msg->run, msg->seq, &member)) {
    case CLUSTER_TAKE:
        store_add_window(m->store, msg->run, member->source, msg->seq, w);
        service_pause_or_resume(s->service, s);
        return;
    case CLUSTER_CLOSED:
        master_add_late(m, msg->run, 1, message_requests(msg->window));
        break;
    default:
        break;
    }
    metrics_window_free(w);
}

static void on_fin(struct session *s, const Lps__V1__Fin *msg)
{
    struct master *m = s->service->master;
    struct run *run = run_called(m, msg->run);
    struct run_fin fin = {0};
    struct cluster_member *member;
    int64_t now = now_ns();

    if (run != NULL && message_fin(msg, plan_n_series(run->plan), &fin) < 0) {
        bad_message(s, "a FIN that does not fit the plan");
        return;
    }
    if (cluster_fin(m->cluster, now, s->node, msg->run, msg->seq, &member) == CLUSTER_TAKE) {
        size_t len = lps__v1__fin__get_packed_size(msg);
        uint8_t *bytes = xcalloc(len, 1);
        lps__v1__fin__pack(msg, bytes);
        run_add_fin(run, member->source, &fin, now);
        store_add_fin(m->store, msg->run, member->source, msg->seq, now, bytes, len);
        free(bytes);
    }
    free(fin.failure);
}

static void handle(struct session *s, const Lps__V1__WorkerMessage *msg, int64_t received_ns)
{
    struct cluster *cluster = s->service->master->cluster;
    bool is_hello = msg->body_case == LPS__V1__WORKER_MESSAGE__BODY_HELLO;

    if (is_hello == (s->node != NULL)) {
        bad_message(s, is_hello ? "a second Hello" : "the first message must be Hello");
        return;
    }
    if (!is_hello)
        cluster_seen(cluster, received_ns, s->node);
    switch (msg->body_case) {
    case LPS__V1__WORKER_MESSAGE__BODY_HELLO:
        on_hello(s, msg->hello);
        break;
    case LPS__V1__WORKER_MESSAGE__BODY_CLOCK:
        on_clock(s, msg->clock, received_ns);
        break;
    case LPS__V1__WORKER_MESSAGE__BODY_SUBMIT:
        on_submit(s, msg->submit);
        break;
    case LPS__V1__WORKER_MESSAGE__BODY_CANCEL:
        cluster_cancel(cluster, received_ns, s->node, msg->cancel->submission, msg->cancel->force);
        break;
    case LPS__V1__WORKER_MESSAGE__BODY_WINDOW:
        on_window(s, msg->window);
        break;
    case LPS__V1__WORKER_MESSAGE__BODY_FIN:
        on_fin(s, msg->fin);
        break;
    default:
        service_command(s, msg->command);
    }
    master_apply(s->service->master);
}

static void on_message(struct rpc_call *call, const uint8_t *bytes, size_t len, void *arg)
{
    struct session *s = arg;
    int64_t received_ns = now_ns();

    (void)call;
    if (s->ended)
        return;
    rpc_arena_reset(s->service->arena);
    Lps__V1__WorkerMessage *msg =
        lps__v1__worker_message__unpack(rpc_arena_allocator(s->service->arena), len, bytes);
    const char *why = msg == NULL ? "bytes that are no WorkerMessage" : message_check(msg);
    if (why != NULL)
        bad_message(s, why);
    else
        handle(s, msg, received_ns);
}

static void on_drained(struct rpc_call *call, void *arg)
{
    struct session *s = arg;

    (void)call;
    if (s->state_due && s->node != NULL)
        service_send_state(s->service, s->node);
}

static void on_half_close(struct rpc_call *call, void *arg)
{
    (void)call;
    give_up(arg, RPC_OK, "the worker closed its stream");
}

static void on_close(struct rpc_call *call, enum rpc_status status, const char *details, void *arg)
{
    struct session *s = arg;
    struct service *service = s->service;

    (void)call;
    (void)status;
    (void)details;
    if (!service->closing)
        give_up(s, RPC_OK, "stream lost");
    else if (s->node != NULL)
        s->node->session = NULL;
    service_drop_answers(s);
    LIST_REMOVE(s, link);
    service->n_sessions--;
    free(s);
}

static void on_session(struct rpc_call *call, void *arg)
{
    static const struct rpc_call_ops ops = {.on_message = on_message,
                                            .on_half_close = on_half_close,
                                            .on_drained = on_drained,
                                            .on_close = on_close};
    struct service *service = arg;

    if (service->n_sessions >= SERVICE_SESSIONS_MAX) {
        rpc_call_finish(call, RPC_RESOURCE_EXHAUSTED, "too many streams");
        return;
    }
    struct session *s = xcalloc(1, sizeof *s);
    *s = (struct session){.service = service, .call = call, .opened_ns = now_ns()};
    TAILQ_INIT(&s->answers);
    LIST_INSERT_HEAD(&service->sessions, s, link);
    service->n_sessions++;
    rpc_call_accept(call, &ops, s);
}

// --- Time ---

void service_forgive(struct service *service)
{
    struct session *s;

    LIST_FOREACH(s, &service->sessions, link)
    if (s->node != NULL)
        cluster_seen(service->master->cluster, now_ns(), s->node);
}

void service_tick(struct service *service)
{
    const struct cluster *cluster = service->master->cluster;
    struct session *s;

    LIST_FOREACH(s, &service->sessions, link)
    {
        if (s->paused && s->node != NULL) // it is silent because it is not read
            cluster_seen(service->master->cluster, now_ns(), s->node);
        if (s->paused)
            service_pause_or_resume(service, s);
        if (s->node == NULL && now_ns() - s->opened_ns > SERVICE_HELLO_S * NS_PER_S)
            service_end(s, RPC_DEADLINE_EXCEEDED, "no Hello came");
    }
    if (cluster_is_open(cluster) && cluster_run(cluster)->state == CLUSTER_RUNNING)
        service_send_progress(service);
}

// --- Opening and closing ---

int service_open(struct master *master, const char *address, uint16_t *ret_port, char *err,
                 size_t err_size, struct service **ret_service)
{
    struct service *service = xcalloc(1, sizeof *service);

    service->master = master;
    service->loop = rpc_loop_new(master->base);
    service->arena = rpc_arena_new();
    service->method = (struct rpc_method){"/lps.v1.Cluster/Session", on_session, service};
    service->server = rpc_server_new(service->loop, &service->method, 1);
    LIST_INIT(&service->sessions);
    service->state_due = evtimer_new(master->base, service_on_state_due, service);
    *ret_service = service;
    int r = rpc_server_listen(service->server, address, ret_port, err, err_size);
    if (r == 0)
        rpc_server_set_serving(service->server, true);
    return r;
}

static void free_later(evutil_socket_t fd, short what, void *arg)
{
    struct service *service = arg;
    void (*done)(void *) = service->done;
    void *done_arg = service->arg;

    (void)fd;
    (void)what;
    service->master->service = NULL;
    rpc_loop_free(service->loop);
    rpc_arena_free(service->arena);
    event_free(service->freed);
    event_free(service->state_due);
    free(service);
    done(done_arg);
}

static void on_shut_down(void *arg)
{
    struct service *service = arg;

    service->freed = evtimer_new(service->master->base, free_later, service);
    event_active(service->freed, EV_TIMEOUT, 0);
}

void service_close(struct service *service, void (*done)(void *arg), void *arg)
{
    service->closing = true;
    event_del(service->state_due);
    service->done = done;
    service->arg = arg;
    rpc_server_shutdown(service->server, 2000, on_shut_down, service);
}
