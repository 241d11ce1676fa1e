// The master's side: what master.c and service.c do between streams, cluster and store.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/explore/world.h"

static struct stream *stream_of(const struct cluster_node *node)
{
    return node->session;
}

uint8_t number_of(const char *id)
{
    return *id == '\0' ? 0 : (uint8_t)atoi(id + 1);
}

static const char *submission_id(const struct stream *s, struct message m, char out[8])
{
    snprintf(out, 8, "%c%u", 'a' + s->worker, m.submission);
    return out;
}

static void run_id(uint8_t number, char out[8])
{
    *out = '\0';
    if (number != 0)
        snprintf(out, 8, "r%u", number);
}

bool is_open_run(const struct world *w, uint8_t run)
{
    return cluster_is_open(w->cluster) && number_of(cluster_run(w->cluster)->id) == run;
}

static void store(struct world *w, struct pending p)
{
    if (w->n_pending == PENDING_MAX)
        world_break(w, "the store is handed a handful of rows");
    else
        w->pending[w->n_pending++] = p;
}

// --- What the cluster decided ---

static void send_state(struct world *w, const struct cluster_node *node)
{
    const struct cluster_run *run = cluster_run(w->cluster);

    if (run == NULL)
        return;
    bool is_secret = (run->state == CLUSTER_READY || run->state == CLUSTER_RUNNING) && !run->stored;
    struct message m = {.kind = STATE,
                        .run = number_of(run->id),
                        .state = (uint8_t)(is_secret ? CLUSTER_CREATED : run->state),
                        .stop = (uint8_t)run->stop};
    for (size_t i = 0; i < N_STREAMS; i++) {
        struct stream *s = &w->stream[i];
        if (!s->master_open || s->node == NULL || (node != NULL && s->node != node))
            continue;
        m.is_member = false;
        for (size_t j = 0; j < run->n_members; j++)
            m.is_member = m.is_member || run->members[j]->node == s->node;
        send_down(w, s, m);
    }
}

static void send_result(struct world *w, const struct cluster_node *node)
{
    if (node->session != NULL && w->has_result)
        send_down(w, stream_of(node),
                  (struct message){.kind = RESULT, .run = number_of(cluster_run(w->cluster)->id)});
}

// Counted here from what came over the streams, not from what the cluster believes.
static void check_barrier(struct world *w)
{
    const struct cluster_run *run = cluster_run(w->cluster);
    uint8_t there = 0;

    for (size_t i = 0; i < N_STREAMS; i++) {
        const struct stream *s = &w->stream[i];
        bool is_member = false;
        for (size_t j = 0; j < run->n_members; j++)
            is_member = is_member || (run->members[j]->node == s->node &&
                                      run->members[j]->epoch == s->node->epoch);
        there += s->master_open && s->node != NULL && s->clock_known && is_member;
    }
    if (there < w->left.workers)
        world_break(w, "a run starts only when the barrier's workers are there");
    w->t0[number_of(run->id)] = run->t0_ns;
}

static void on_ended(struct world *w)
{
    const struct cluster_run *run = cluster_run(w->cluster);

    if (run->t0_ns == 0)
        return;
    w->has_result = true;
    for (size_t i = 0; i < run->n_members; i++)
        send_result(w, run->members[i]->node);
}

static void send_reply(struct world *w, const struct cluster_action *a)
{
    if (a->node->session != NULL)
        send_down(w, stream_of(a->node),
                  (struct message){.kind = REPLY,
                                   .submission = number_of(a->submission),
                                   .run = number_of(a->run),
                                   .accepted = a->accepted,
                                   .late = a->late});
}

static void close_session(struct stream *s)
{
    s->node = NULL;
    s->master_open = false;
    s->n_up = 0;
}

static void act(struct world *w, const struct cluster_action *a)
{
    switch (a->kind) {
    case CLUSTER_SEND_STATE:
        send_state(w, a->node);
        break;
    case CLUSTER_SEND_REPLY:
        send_reply(w, a);
        break;
    case CLUSTER_SEND_ACK:
        if (a->node->session != NULL)
            send_down(
                w, stream_of(a->node),
                (struct message){.kind = ACK, .run = number_of(a->run), .seq = (uint8_t)a->seq});
        break;
    case CLUSTER_SEND_FIN_REPLY:
        if (a->node->session != NULL)
            send_down(
                w, stream_of(a->node),
                (struct message){.kind = FIN_REPLY, .run = number_of(a->run), .closed = a->closed});
        break;
    case CLUSTER_SEND_RESULT:
        send_result(w, a->node);
        break;
    case CLUSTER_CLOSE:
        close_session(a->session);
        break;
    case CLUSTER_OPENED:
        w->n_runs++;
        w->has_result = false;
        break;
    case CLUSTER_ARMED:
        check_barrier(w);
        store(w, (struct pending){.row = ROW_RUN, .run = number_of(a->run)});
        break;
    case CLUSTER_JOINED:
        store(w, (struct pending){.row = ROW_MEMBER,
                                  .run = number_of(a->run),
                                  .source = (uint8_t)a->member->source});
        break;
    case CLUSTER_ENDED:
        on_ended(w);
        break;
    default:
        break;
    }
}

static void apply(struct world *w)
{
    const struct cluster_action *a;

    while ((a = cluster_next_action(w->cluster)) != NULL)
        act(w, a);
}

// --- What comes over the streams ---

static void send_welcome(struct world *w, struct stream *s)
{
    const struct cluster_member *member = cluster_member_of(w->cluster, s->node);
    struct message m = {.kind = WELCOME, .with_clock = !w->left.slow_clocks};

    if (member != NULL) {
        m.run = number_of(cluster_run(w->cluster)->id);
        m.submission = number_of(member->submission);
        m.seq = (uint8_t)member->committed_seq;
    }
    send_down(w, s, m);
}

static void hear_clock(struct world *w, struct stream *s)
{
    s->clock_known = true;
    cluster_clock(w->cluster, w->now, s->node, CLUSTER_CLOCK_SAMPLES, 1, 1);
}

static void hear_hello(struct world *w, struct stream *s, struct message m)
{
    static const struct cluster_facts facts;
    const char name[] = {(char)('a' + s->worker), '\0'};
    uint8_t instance[16] = {m.instance};
    uint64_t epoch = w->epoch[s->worker] + (w->stored_instance[s->worker] != m.instance);

    if (cluster_hello(w->cluster, w->now, name, instance, epoch, &facts, s, &s->node) < 0) {
        close_session(s);
        return;
    }
    w->epoch[s->worker] = (uint8_t)s->node->epoch;
    w->stored_instance[s->worker] = m.instance;
    send_welcome(w, s);
    if (cluster_is_open(w->cluster))
        send_state(w, s->node);
    if (w->left.slow_clocks)
        send_down(w, s, (struct message){.kind = PONG});
    else
        hear_clock(w, s);
}

static void hear_submit(struct world *w, struct stream *s, struct message m)
{
    static const uint8_t digest[32] = {1};
    char id[8], run[8], new_run[8];
    const struct cluster_run *known = cluster_run(w->cluster);

    run_id(m.run, run);
    run_id((uint8_t)(w->n_runs + 1), new_run);
    if (m.run != 0 && w->t0[m.run] != 0 && (known == NULL || number_of(known->id) != m.run)) {
        send_down(w, s, (struct message){.kind = REPLY, .submission = m.submission, .run = m.run});
        return;
    }
    struct cluster_submission submission = {.id = submission_id(s, m, id),
                                            .digest = digest,
                                            .plan_name = "p",
                                            .run = run,
                                            .new_run = new_run};
    cluster_submit(w->cluster, w->now, s->node, &submission);
}

static void hear_data(struct world *w, struct stream *s, struct message m)
{
    struct ledger *ledger = &w->ledger[s->worker][s->instance];
    struct cluster_member *member;
    enum cluster_verdict verdict;
    char run[8];

    run_id(m.run, run);
    if (m.kind == FIN)
        verdict = cluster_fin(w->cluster, w->now, s->node, run, m.seq, &member);
    else
        verdict = cluster_window(w->cluster, w->now, s->node, run, m.seq, &member);
    if (verdict == CLUSTER_BREACH)
        world_break(w, "a worker keeps to the protocol");
    if (verdict == CLUSTER_CLOSED && m.kind == WINDOW)
        ledger->late |= m.content;
    if (verdict == CLUSTER_TAKE)
        store(w, (struct pending){.row = m.kind == FIN ? ROW_FIN : ROW_WINDOW,
                                  .run = m.run,
                                  .source = (uint8_t)member->source,
                                  .seq = m.seq,
                                  .worker = s->worker,
                                  .instance = s->instance,
                                  .failed = m.failed,
                                  .content = m.content});
}

void master_hears(struct world *w, struct stream *s, struct message m)
{
    char id[8];

    if ((m.kind == HELLO) == (s->node != NULL)) {
        world_break(w, "a worker keeps to the protocol");
        return;
    }
    if (m.kind != HELLO)
        cluster_seen(w->cluster, w->now, s->node);
    switch (m.kind) {
    case HELLO:
        hear_hello(w, s, m);
        break;
    case CLOCK:
        hear_clock(w, s);
        break;
    case SUBMIT:
        hear_submit(w, s, m);
        break;
    case CANCEL:
        cluster_cancel(w->cluster, w->now, s->node, submission_id(s, m, id), m.force);
        break;
    default:
        hear_data(w, s, m);
    }
    apply(w);
}

void master_loses(struct world *w, struct stream *s)
{
    struct cluster_node *node = s->node;

    close_session(s);
    if (node != NULL)
        cluster_gone(w->cluster, w->now, node, s, "stream lost");
    apply(w);
}

void master_timer(struct world *w)
{
    cluster_timer(w->cluster, w->now);
    apply(w);
}

// --- What the store did ---

static bool any_twice(uint32_t content)
{
    for (; content != 0; content >>= 8)
        if ((content & 0xff) > 1)
            return true;
    return false;
}

static void commit_data(struct world *w, const struct pending *p, const char *run)
{
    struct ledger *ledger = &w->ledger[p->worker][p->instance];
    bool fin = p->row == ROW_FIN;

    if (!fin && is_open_run(w, p->run))
        ledger->merged += p->content;
    else if (!fin)
        ledger->late |= p->content;
    else if (is_open_run(w, p->run) && p->content != ledger->merged)
        world_break(w, "what a FIN says is what was merged");
    if (any_twice(ledger->merged))
        world_break(w, "no window is merged twice");
    cluster_commit(w->cluster, w->now, run, p->source, p->seq, fin, p->failed ? "failed" : NULL);
}

void master_commits(struct world *w)
{
    struct pending p = w->pending[0];
    char run[8];

    run_id(p.run, run);
    memmove(w->pending, w->pending + 1, --w->n_pending * sizeof p);
    w->pending[w->n_pending] = (struct pending){0};
    if (p.row == ROW_RUN)
        cluster_run_stored(w->cluster, w->now, run);
    else if (p.row == ROW_MEMBER)
        cluster_member_stored(w->cluster, w->now, run, p.source);
    else
        commit_data(w, &p, run);
    apply(w);
}
