#include "master/daemon/service_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/jtext.h"
#include "common/result.h"
#include "common/str.h"

#define RESULT_SENT_MAX (128 * 1024) // a larger one would be in the way of all else on the stream

static const char unread[] = "the worker does not read what it is sent";

void service_end(struct session *s, enum rpc_status status, const char *text)
{
    if (s->ended)
        return;
    s->ended = true;
    rpc_call_finish(s->call, status, text);
}

static int send_message(struct session *s, Lps__V1__MasterMessage__BodyCase body, void *message)
{
    Lps__V1__MasterMessage msg = LPS__V1__MASTER_MESSAGE__INIT;

    msg.body_case = body;
    msg.welcome = message; // whichever body it is: they share their place
    return s->ended ? -EPIPE : rpc_call_send(s->call, &msg.base);
}

void service_send(struct session *s, Lps__V1__MasterMessage__BodyCase body, void *message)
{
    if (send_message(s, body, message) == -EAGAIN)
        service_end(s, RPC_RESOURCE_EXHAUSTED, unread);
}

static struct session *session_of(const struct cluster_node *node)
{
    return node->session;
}

static Lps__V1__State member_state(const struct cluster_member *m)
{
    static const Lps__V1__State states[CLUSTER_MEMBER_STATE__COUNT] = {
        [CLUSTER_WAITING] = LPS__V1__STATE__CREATED,
        [CLUSTER_ACTIVE] = LPS__V1__STATE__RUNNING,
        [CLUSTER_DONE] = LPS__V1__STATE__STOPPED,
        [CLUSTER_LOST] = LPS__V1__STATE__FAILED,
    };

    return states[m->state];
}

static void set_member(Lps__V1__MemberState *msg, const struct cluster_member *m)
{
    lps__v1__member_state__init(msg);
    msg->node = m->node->name;
    msg->state = member_state(m);
    msg->counted = m->counted;
    msg->part = m->part;
    msg->observer = m->observer;
    msg->reason = m->reason == NULL ? msg->reason : m->reason;
}

// Into msg, which run_state_done frees.
static void add_members(Lps__V1__RunState *msg, const struct cluster_run *run)
{
    size_t n = run->n_members <= SERVICE_MEMBERS_MAX ? run->n_members : 0;
    Lps__V1__MemberState *members = xcalloc(n + 1, sizeof *members);

    msg->n_members = n;
    msg->members = xcalloc(n + 1, sizeof *msg->members);
    msg->members[0] = members;
    for (size_t i = 0; i < n; i++) {
        set_member(&members[i], run->members[i]);
        msg->members[i] = &members[i];
    }
}

static void add_ended(Lps__V1__RunState *msg, const struct judge *judge)
{
    const struct judge_end *ends = judge_ends(judge, &msg->n_ended);
    Lps__V1__EndedSeries *ended = xcalloc(msg->n_ended + 1, sizeof *ended);

    msg->ended = xcalloc(msg->n_ended + 1, sizeof *msg->ended);
    msg->ended[0] = ended;
    for (size_t i = 0; i < msg->n_ended; i++) {
        lps__v1__ended_series__init(&ended[i]);
        ended[i].id = ends[i].series;
        ended[i].k = ends[i].k;
        msg->ended[i] = &ended[i];
    }
}

static void run_state_done(Lps__V1__RunState *msg)
{
    free(msg->members[0]);
    free(msg->members);
    free(msg->ended[0]);
    free(msg->ended);
}

static Lps__V1__RunState run_state(const struct cluster_run *run, const struct judge *judge,
                                   char *boot_id)
{
    Lps__V1__RunState msg = LPS__V1__RUN_STATE__INIT;
    bool open = run->state == CLUSTER_READY || run->state == CLUSTER_RUNNING;
    // A worker that starts by a T0 which a restarted master does not know would run on its own.
    bool is_secret = open && !run->stored;

    msg.run = (char *)run->id;
    msg.state = is_secret ? LPS__V1__STATE__CREATED : (Lps__V1__State)run->state;
    msg.plan_name = run->plan_name;
    msg.expected = run->expected;
    msg.counted = run->counted;
    msg.t0_ns = is_secret ? 0 : run->t0_ns;
    msg.t0_boot_id = msg.t0_ns == 0 ? msg.t0_boot_id : boot_id;
    msg.stop = (Lps__V1__RunState__Stop)run->stop;
    msg.seed = run->seed;
    msg.n_parts = run->n_parts;
    add_members(&msg, run);
    add_ended(&msg, judge);
    return msg;
}

// With the session's own member (NULL: it has none) where not all of them are in msg.
static void send_state(struct session *s, Lps__V1__RunState *msg, const struct cluster_member *own)
{
    size_t n = msg->n_members;

    if (n == 0 && own != NULL) {
        set_member(msg->members[0], own);
        msg->n_members = 1;
    }
    s->state_due = send_message(s, LPS__V1__MASTER_MESSAGE__BODY_RUN, msg) == -EAGAIN;
    msg->n_members = n;
}

static void send_state_to_all(struct service *service, Lps__V1__RunState *msg)
{
    const struct cluster_run *run = cluster_run(service->master->cluster);
    struct session *s;

    service->n_broadcasts++;
    // The newest member of a node is the one that its session has.
    for (size_t i = run->n_members; i > 0; i--) {
        const struct cluster_member *m = run->members[i - 1];
        s = session_of(m->node);
        if (s == NULL || m->epoch != m->node->epoch || s->broadcast == service->n_broadcasts)
            continue;
        s->broadcast = service->n_broadcasts;
        send_state(s, msg, m);
    }
    LIST_FOREACH(s, &service->sessions, link)
    if (s->node != NULL && s->broadcast != service->n_broadcasts)
        send_state(s, msg, NULL);
}

void service_send_state(struct service *service, struct cluster_node *node)
{
    const struct cluster_run *run = cluster_run(service->master->cluster);

    if (run == NULL || (node != NULL && node->session == NULL))
        return;
    Lps__V1__RunState msg = run_state(run, service->master->run->judge, service->master->boot_id);
    if (node == NULL)
        send_state_to_all(service, &msg);
    else
        send_state(session_of(node), &msg, cluster_member_of(service->master->cluster, node));
    run_state_done(&msg);
}

void service_on_state_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    service_send_state(arg, NULL);
}

static bool is_new(const struct service_headline *a, const struct service_headline *b)
{
    return strcmp(a->run, b->run) != 0 || a->state != b->state || a->stop != b->stop ||
           a->stored != b->stored || a->t0_ns != b->t0_ns || a->n_ended != b->n_ended;
}

void service_tell_state(struct service *service)
{
    const struct cluster_run *run = cluster_run(service->master->cluster);
    // Some 20 us of CPU a session: a fraction of the loop, however many there are.
    int64_t wait_ms = SERVICE_STATE_MS + (int64_t)service->n_sessions / 5;
    struct timeval wait = {(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000 * 1000)};
    struct service_headline now = {0};

    if (run == NULL)
        return;
    snprintf(now.run, sizeof now.run, "%s", run->id);
    now.state = run->state;
    now.stop = run->stop;
    now.stored = run->stored;
    now.t0_ns = run->t0_ns;
    judge_ends(service->master->run->judge, &now.n_ended);
    if (is_new(&now, &service->told)) {
        service->told = now;
        event_del(service->state_due);
        service_send_state(service, NULL);
    } else if (!event_pending(service->state_due, EV_TIMEOUT, NULL)) {
        event_add(service->state_due, &wait);
    }
}

void service_answer(struct session *s, const char *submission, const char *run, const char *refusal,
                    bool observer, bool late)
{
    Lps__V1__SubmitReply msg = LPS__V1__SUBMIT_REPLY__INIT;

    msg.submission = (char *)submission;
    msg.accepted = refusal == NULL;
    msg.run = (char *)run;
    msg.reason = refusal == NULL ? msg.reason : (char *)refusal;
    msg.observer = observer;
    msg.late = late;
    service_send(s, LPS__V1__MASTER_MESSAGE__BODY_SUBMIT, &msg);
}

void service_send_reply(struct service *service, const struct cluster_action *action)
{
    if (action->node->session == NULL)
        return;
    service_answer(session_of(action->node), action->submission, action->run,
                   action->accepted ? NULL : action->text, action->observer, action->late);
    if (action->accepted)
        service_send_state(service, action->node);
}

static bool has_backlog(const struct service *service, const struct session *s, uint64_t limit)
{
    const struct cluster_member *m =
        s->node == NULL ? NULL : cluster_member_of(service->master->cluster, s->node);

    return m != NULL && m->received_seq - m->committed_seq >= limit;
}

// Unpacked, a window of a few KiB takes a hundred.
static uint64_t backlog_max(const struct service *service)
{
    const struct cluster_run *run = cluster_run(service->master->cluster);
    size_t share = run == NULL ? 0 : SERVICE_BACKLOGS / (run->n_members + 1);

    return share < 2 ? 2 : share < SERVICE_BACKLOG_MAX ? share : SERVICE_BACKLOG_MAX;
}

void service_pause_or_resume(struct service *service, struct session *s)
{
    uint64_t most = backlog_max(service);
    bool paused = has_backlog(service, s, s->paused ? most / 2 : most);

    if (paused == s->paused || s->ended)
        return;
    s->paused = paused;
    rpc_call_pause(s->call, paused);
}

void service_send_ack(struct service *service, struct cluster_node *node, const char *run,
                      uint64_t seq)
{
    Lps__V1__Ack msg = LPS__V1__ACK__INIT;

    if (node->session == NULL)
        return;
    msg.run = (char *)run;
    msg.last_seq = seq;
    service_send(session_of(node), LPS__V1__MASTER_MESSAGE__BODY_ACK, &msg);
    service_pause_or_resume(service, session_of(node));
}

void service_send_fin_reply(struct service *service, struct cluster_node *node, const char *run,
                            bool closed)
{
    Lps__V1__FinReply msg = LPS__V1__FIN_REPLY__INIT;

    (void)service;
    if (node->session == NULL)
        return;
    msg.run = (char *)run;
    msg.closed = closed;
    service_send(session_of(node), LPS__V1__MASTER_MESSAGE__BODY_FIN, &msg);
}

static struct rpc_packed *pack_result(const struct run *run)
{
    Lps__V1__MasterMessage msg = LPS__V1__MASTER_MESSAGE__INIT;
    Lps__V1__RunResult result = LPS__V1__RUN_RESULT__INIT;
    char *text = jtext_format(run->result, false);
    size_t len = strlen(text);

    result.run = (char *)run->id;
    result.exit_code = (uint32_t)result_exit_code(run->result);
    result.result = (ProtobufCBinaryData){len <= RESULT_SENT_MAX ? len : 0, (uint8_t *)text};
    msg.body_case = LPS__V1__MASTER_MESSAGE__BODY_RESULT;
    msg.result = &result;
    struct rpc_packed *packed = rpc_pack(&msg.base);
    free(text);
    return packed;
}

static void send_packed(const struct cluster_node *node, const struct rpc_packed *packed)
{
    struct session *s = session_of(node);

    if (s != NULL && !s->ended && rpc_call_send_packed(s->call, packed) == -EAGAIN)
        service_end(s, RPC_RESOURCE_EXHAUSTED, unread);
}

void service_send_result(struct service *service, struct cluster_node *node)
{
    const struct cluster_run *state = cluster_run(service->master->cluster);
    const struct run *run = service->master->run;

    if (run == NULL || run->result == NULL || (node != NULL && node->session == NULL))
        return;
    struct rpc_packed *packed = pack_result(run);
    if (node != NULL)
        send_packed(node, packed);
    for (size_t i = 0; node == NULL && i < state->n_members; i++)
        send_packed(state->members[i]->node, packed);
    rpc_packed_free(packed);
}

void service_send_welcome(struct session *s)
{
    struct master *m = s->service->master;
    const struct cluster_member *member = cluster_member_of(m->cluster, s->node);
    Lps__V1__Welcome msg = LPS__V1__WELCOME__INIT;
    Lps__V1__Resume resume = LPS__V1__RESUME__INIT, *resumes[] = {&resume};

    msg.epoch = s->node->epoch;
    msg.master = m->conf->cluster.node_name;
    msg.version = LPS_VERSION;
    msg.boot_id = m->boot_id;
    msg.lease_ms = (uint32_t)m->conf->cluster.lease_ms;
    msg.heartbeat_ms = msg.lease_ms < 3000 ? msg.lease_ms / 3 : 1000;
    if (member != NULL) {
        resume.run = (char *)cluster_run(m->cluster)->id;
        resume.submission = (char *)member->submission;
        resume.last_seq = member->committed_seq;
        msg.n_resume = 1;
        msg.resume = resumes;
    }
    service_send(s, LPS__V1__MASTER_MESSAGE__BODY_WELCOME, &msg);
}

static const struct aggregate_point *newest_whole_point(const struct run *run, uint32_t n_active)
{
    const struct aggregate_point *newest =
        aggregate_point_at(run->aggregate, aggregate_newest(run->aggregate));

    for (int64_t k = aggregate_newest(run->aggregate), i = 0; i < 5; i++) {
        const struct aggregate_point *p = aggregate_point_at(run->aggregate, k - i);
        if (p != NULL && p->n_sources >= n_active)
            return p;
    }
    return newest;
}

void service_send_progress(struct service *service)
{
    const struct cluster_run *state = cluster_run(service->master->cluster);
    const struct run *run = service->master->run;
    Lps__V1__Progress msg = LPS__V1__PROGRESS__INIT;

    msg.workers = cluster_n_active(state);
    const struct aggregate_point *p = newest_whole_point(run, msg.workers);
    if (p == NULL)
        return;
    const struct metrics_series *total = aggregate_total(run->aggregate);
    msg.run = (char *)run->id;
    msg.k = p->k;
    msg.requests = total->n.started;
    msg.failed = metrics_n_errors(total);
    msg.rate = (double)p->completed;
    msg.in_flight = p->in_flight;
    msg.p50_us = p->p50_us;
    msg.p99_us = p->p99_us;
    for (size_t i = 0; i < state->n_members; i++)
        if (state->members[i]->node->session != NULL)
            send_message(session_of(state->members[i]->node),
                         LPS__V1__MASTER_MESSAGE__BODY_PROGRESS, &msg);
}
