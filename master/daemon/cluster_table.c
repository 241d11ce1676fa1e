// What each event does in each state of the run.
#include "master/daemon/cluster_priv.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "common/str.h"

// --- SUBMIT ---

static void accept(struct cluster *c, const struct cluster_member *m)
{
    struct cluster_action *a = cluster_emit(c, CLUSTER_SEND_REPLY, m->node);

    snprintf(a->submission, sizeof a->submission, "%s", m->submission);
    a->accepted = true;
    a->observer = m->observer;
    a->late = m->late;
}

static void refuse(struct cluster *c, const struct event *ev, const char *why)
{
    struct cluster_action *a = cluster_emit(c, CLUSTER_SEND_REPLY, ev->node);

    snprintf(a->submission, sizeof a->submission, "%s", ev->submission->id);
    a->text = xstrdup(why);
    cluster_emit_log(c, LOG_INFO, "refused", ev->node, "%s: submission refused: %s", ev->node->name,
                     why);
}

// A submission that was sent before: the same member.
static bool answer_known(struct cluster *c, const struct event *ev)
{
    struct cluster_member *m = cluster_member_by_submission(c->run, ev->submission->id);

    if (m == NULL || m->node != ev->node || m->epoch != ev->node->epoch)
        return false;
    if (!m->stored)
        return true; // stored_tells does
    accept(c, m);
    cluster_emit(c, CLUSTER_SEND_STATE, ev->node);
    return true;
}

// True when it was answered: known, or in the way of the run that is open.
static bool answer_known_or_refuse(struct cluster *c, const struct event *ev)
{
    const struct cluster_run *run = c->run;
    const struct cluster_member *m = cluster_member_of(c, ev->node);
    char why[320] = "";

    if (answer_known(c, ev))
        return true;
    if (memcmp(run->digest, ev->submission->digest, sizeof run->digest) != 0)
        snprintf(why, sizeof why, "run %s (%.128s) is %s with another plan", run->id,
                 run->plan_name, cluster_state_name[run->state]);
    else if (ev->submission->has_seed && ev->submission->seed != run->seed)
        snprintf(why, sizeof why, "run %s has the seed %" PRIu64 ", not %" PRIu64, run->id,
                 run->seed, ev->submission->seed);
    else if (ev->submission->has_unique && run->t0_ns != 0)
        snprintf(why, sizeof why, "run %s is %s, and its plan has unique values: nobody joins late",
                 run->id, cluster_state_name[run->state]);
    else if (m != NULL && !m->gone)
        snprintf(why, sizeof why, "%s is already a member of run %s", ev->node->name, run->id);
    else if (run->stop != CLUSTER_GO)
        snprintf(why, sizeof why, "run %s is being cancelled", run->id);
    else if (run->n_members == CLUSTER_MEMBERS_MAX)
        snprintf(why, sizeof why, "run %s is full", run->id);
    if (*why != '\0')
        refuse(c, ev, why);
    return *why != '\0';
}

static void send_fin_reply(struct cluster *c, struct cluster_node *node, const char *run,
                           bool closed)
{
    struct cluster_action *a = cluster_emit(c, CLUSTER_SEND_FIN_REPLY, node);

    snprintf(a->run, sizeof a->run, "%s", run);
    a->closed = closed;
}

static void send_ack(struct cluster *c, struct cluster_node *node, const char *run, uint64_t seq)
{
    struct cluster_action *a = cluster_emit(c, CLUSTER_SEND_ACK, node);

    snprintf(a->run, sizeof a->run, "%s", run);
    a->seq = seq;
}

// What the run before still has on its way to the store is late, and nobody knows whose it is once
// it is committed.
static void answer_what_is_left(struct cluster *c)
{
    const struct cluster_run *run = c->run;

    for (size_t i = 0; run != NULL && i < run->n_members; i++) {
        const struct cluster_member *m = run->members[i];
        if (m->received_seq == m->committed_seq || m->node->epoch != m->epoch)
            continue;
        send_ack(c, m->node, run->id, m->received_seq);
        if (m->fin_received)
            send_fin_reply(c, m->node, run->id, true);
    }
}

static void submit_opens(struct cluster *c, struct event *ev)
{
    const struct cluster_submission *s = ev->submission;
    struct cluster_run *run = c->run;
    char why[256];

    if (answer_known(c, ev)) {
        cluster_emit(c, CLUSTER_SEND_RESULT, ev->node);
        return;
    }
    if (run != NULL && run->t0_ns != 0 && strcmp(s->run, run->id) == 0) {
        refuse(c, ev, "the run is over");
        return;
    }
    if (c->refuse_runs != NULL) {
        refuse(c, ev, c->refuse_runs);
        return;
    }
    answer_what_is_left(c);
    cluster_run_free(run);
    c->run = run = xcalloc(1, sizeof *run);
    snprintf(run->id, sizeof run->id, "%s", s->new_run);
    run->plan_name = xstrdup(s->plan_name);
    memcpy(run->digest, s->digest, sizeof run->digest);
    run->seed = s->seed;
    run->state = CLUSTER_IDLE;
    run->expected = c->config.expected > 1 ? c->config.expected : 1;
    cluster_emit(c, CLUSTER_OPENED, NULL);
    snprintf(why, sizeof why, "plan %.128s, submitted on %s", s->plan_name, ev->node->name);
    cluster_change_state(c, CLUSTER_CREATED, why);
    accept(c, cluster_add_member(c, ev, CLUSTER_WAITING));
    cluster_check_barrier(c, ev->now);
}

static void submit_waits(struct cluster *c, struct event *ev)
{
    if (answer_known_or_refuse(c, ev))
        return;
    accept(c, cluster_add_member(c, ev, CLUSTER_WAITING));
    cluster_emit(c, CLUSTER_SEND_STATE, NULL);
    cluster_check_barrier(c, ev->now);
}

static void count_by_clock(struct cluster *c, struct cluster_member *m)
{
    if (m->counted || m->observer || m->node->n_samples < CLUSTER_CLOCK_SAMPLES)
        return;
    m->counted = true;
    c->run->counted++;
    cluster_emit(c, CLUSTER_SEND_STATE, NULL);
}

static void submit_takes_t0(struct cluster *c, struct event *ev)
{
    if (answer_known_or_refuse(c, ev))
        return;
    struct cluster_member *m = cluster_add_member(c, ev, CLUSTER_WAITING);
    cluster_emit(c, CLUSTER_SEND_STATE, NULL);
    cluster_emit(c, CLUSTER_JOINED, ev->node)->member = m;
    count_by_clock(c, m);
}

static void submit_joins_late(struct cluster *c, struct event *ev)
{
    if (answer_known_or_refuse(c, ev))
        return;
    struct cluster_member *m = cluster_add_member(c, ev, CLUSTER_ACTIVE);
    cluster_emit(c, CLUSTER_SEND_STATE, NULL);
    cluster_emit(c, CLUSTER_JOINED, ev->node)->member = m;
}

// --- CANCEL, START ---

static void cancel_withdraws(struct cluster *c, struct event *ev)
{
    struct cluster_run *run = c->run;

    for (size_t i = 0; i < run->n_members; i++) {
        struct cluster_member *m = run->members[i];
        if (m->node != ev->node || strcmp(m->submission, ev->id) != 0)
            continue;
        cluster_remove_member(c, i, "withdrawn");
        cluster_recount(c);
        cluster_close_if_empty(c, ev->now, "the last submission was withdrawn");
        return;
    }
}

static void cancel_stops(struct cluster *c, struct event *ev)
{
    struct cluster_run *run = c->run;
    const struct cluster_member *m = cluster_member_by_submission(run, ev->id);
    enum cluster_stop stop = ev->force ? CLUSTER_ABORT : CLUSTER_DRAIN;

    if (m == NULL || m->node != ev->node || stop <= run->stop)
        return;
    run->stop = stop;
    run->stop_due_ns = (ev->now > run->t0_ns ? ev->now : run->t0_ns) + c->config.rejoin_grace_ns +
                       (ev->force ? 0 : c->config.drain_ns);
    cluster_due_at(c, run->stop_due_ns);
    cluster_emit_log(c, LOG_INFO, "cancelled", ev->node, "run %s: cancelled by %s%s", run->id,
                     ev->node->name, ev->force ? ", at once" : "");
    cluster_emit(c, CLUSTER_SEND_STATE, NULL);
}

static void start_without_run(struct cluster *c, struct event *ev)
{
    (void)c;
    ev->error = "no run is open";
}

static void start_with_who_is_here(struct cluster *c, struct event *ev)
{
    char why[96];

    cluster_recount(c);
    if (c->run->counted == 0) {
        ev->error = "no worker is ready to start";
        return;
    }
    snprintf(why, sizeof why, "asked for with %" PRIu32 " of %" PRIu32 " workers", c->run->counted,
             c->run->expected);
    cluster_arm(c, ev->now, why);
}

// --- CLOCK, UP, REPLACED, DOWN ---

static void clock_counts(struct cluster *c, struct event *ev)
{
    if (cluster_member_of(c, ev->node) == NULL || !cluster_recount(c))
        return;
    cluster_emit(c, CLUSTER_SEND_STATE, NULL);
    cluster_check_barrier(c, ev->now);
}

static void clock_counts_for_t0(struct cluster *c, struct event *ev)
{
    struct cluster_member *m = cluster_member_of(c, ev->node);

    if (m != NULL && m->state == CLUSTER_WAITING)
        count_by_clock(c, m);
}

static void up_waits(struct cluster *c, struct event *ev)
{
    struct cluster_member *m = cluster_member_of(c, ev->node);

    if (m != NULL)
        m->down_ns = 0;
    if (m != NULL && cluster_recount(c))
        cluster_emit(c, CLUSTER_SEND_STATE, NULL);
}

static void rejoin(struct cluster *c, struct event *ev, enum cluster_member_state to)
{
    struct cluster_member *m = cluster_member_of(c, ev->node);

    if (m == NULL || m->gone)
        return;
    m->down_ns = 0;
    if (m->state != CLUSTER_LOST)
        return;
    free(m->reason);
    m->reason = NULL;
    cluster_change_member(c, m, to, "its stream is back");
    cluster_emit(c, CLUSTER_SEND_STATE, NULL);
}

static void up_rejoins_before_t0(struct cluster *c, struct event *ev)
{
    rejoin(c, ev, CLUSTER_WAITING);
}

static void up_rejoins(struct cluster *c, struct event *ev)
{
    rejoin(c, ev, CLUSTER_ACTIVE);
}

// The run ended while this worker was away.
static void up_hears_the_end(struct cluster *c, struct event *ev)
{
    if (c->run->t0_ns == 0 || cluster_member_of(c, ev->node) == NULL)
        return;
    cluster_emit(c, CLUSTER_SEND_STATE, ev->node);
    cluster_emit(c, CLUSTER_SEND_RESULT, ev->node);
}

static void replaced_leaves(struct cluster *c, struct event *ev)
{
    struct cluster_run *run = c->run;

    for (size_t i = 0; i < run->n_members; i++) {
        if (run->members[i]->node != ev->node || run->members[i]->epoch == ev->node->epoch)
            continue;
        cluster_remove_member(c, i, "the worker was restarted");
        cluster_recount(c);
        cluster_close_if_empty(c, ev->now, "its last worker was restarted");
        return;
    }
}

static bool lose_old_instance(struct cluster *c, const struct event *ev)
{
    bool any = false;

    for (size_t i = 0; i < c->run->n_members; i++) {
        struct cluster_member *m = c->run->members[i];
        bool over = m->observer || m->state == CLUSTER_DONE || m->gone;
        if (m->node != ev->node || m->epoch == ev->node->epoch || over)
            continue;
        cluster_lose(c, m, ev->now, "the worker was restarted", true);
        any = true;
    }
    if (any)
        cluster_emit(c, CLUSTER_SEND_STATE, NULL);
    return any;
}

static void replaced_is_lost_before_t0(struct cluster *c, struct event *ev)
{
    lose_old_instance(c, ev);
}

static void replaced_is_lost(struct cluster *c, struct event *ev)
{
    if (lose_old_instance(c, ev))
        cluster_end_if_over(c, ev->now);
}

static void down_uncounts(struct cluster *c, struct event *ev)
{
    struct cluster_member *m = cluster_member_of(c, ev->node);

    if (m == NULL)
        return;
    m->down_ns = ev->now;
    cluster_due_at(c, ev->now + c->config.rejoin_grace_ns);
    cluster_recount(c);
    cluster_emit(c, CLUSTER_SEND_STATE, NULL);
}

static void down_loses(struct cluster *c, struct event *ev)
{
    struct cluster_member *m = cluster_member_of(c, ev->node);

    if (m == NULL || m->observer || m->state == CLUSTER_DONE || m->state == CLUSTER_LOST)
        return;
    cluster_lose(c, m, ev->now, ev->reason, false);
    cluster_emit(c, CLUSTER_SEND_STATE, NULL);
}

// --- WINDOW, FIN, COMMIT ---

static void data_is_late(struct cluster *c, struct event *ev)
{
    ev->verdict = CLUSTER_CLOSED;
    send_ack(c, ev->node, ev->run, ev->seq);
    send_fin_reply(c, ev->node, ev->run, true);
}

// What is committed is acknowledged again; what is on its way will be.
static void data_is_duplicate(struct cluster *c, struct event *ev, const struct cluster_member *m)
{
    ev->verdict = CLUSTER_DUPLICATE;
    if (ev->seq > m->committed_seq)
        return;
    send_ack(c, ev->node, ev->run, m->committed_seq);
    if (ev->fin)
        send_fin_reply(c, ev->node, ev->run, false);
}

static void data_too_early(struct cluster *c, struct event *ev)
{
    if (strcmp(ev->run, c->run->id) == 0)
        ev->verdict = CLUSTER_BREACH;
    else
        data_is_late(c, ev);
}

static void data_in_order(struct cluster *c, struct event *ev)
{
    struct cluster_member *m = cluster_member_of(c, ev->node);

    if (strcmp(ev->run, c->run->id) != 0) {
        data_is_late(c, ev);
    } else if (m == NULL || m->observer) {
        ev->verdict = CLUSTER_BREACH;
    } else if (ev->seq <= m->received_seq) {
        data_is_duplicate(c, ev, m);
    } else if (ev->seq != m->received_seq + 1 || m->fin_received) {
        ev->verdict = CLUSTER_BREACH;
    } else {
        m->received_seq = ev->seq;
        m->fin_received = ev->fin;
        ev->verdict = CLUSTER_TAKE;
        ev->member = m;
    }
}

static void data_after_the_end(struct cluster *c, struct event *ev)
{
    struct cluster_member *m = cluster_member_of(c, ev->node);
    bool ours = strcmp(ev->run, c->run->id) == 0 && m != NULL;

    if (ours && ev->seq <= m->received_seq) {
        data_is_duplicate(c, ev, m);
        return;
    }
    // It is acknowledged, and the next Welcome must not take that back.
    if (ours)
        m->received_seq = m->committed_seq = ev->seq;
    data_is_late(c, ev);
}

static struct cluster_member *committed(struct cluster *c, const struct event *ev)
{
    for (size_t i = 0; strcmp(ev->run, c->run->id) == 0 && i < c->run->n_members; i++) {
        struct cluster_member *m = c->run->members[i];
        if (m->source != ev->source)
            continue;
        if (ev->seq > m->committed_seq)
            m->committed_seq = ev->seq;
        if (m->node->session == NULL || m->node->epoch != m->epoch)
            return m;
        send_ack(c, m->node, ev->run, ev->seq);
        if (ev->fin)
            send_fin_reply(c, m->node, ev->run, false);
        return m;
    }
    return NULL;
}

static bool commit_counts(struct cluster *c, struct event *ev)
{
    struct cluster_member *m = committed(c, ev);

    if (m == NULL || !ev->fin || m->gone)
        return false;
    if (ev->failure != NULL && *ev->failure != '\0') {
        cluster_lose(c, m, ev->now, ev->failure, true);
    } else {
        free(m->reason);
        m->reason = NULL;
        cluster_change_member(c, m, CLUSTER_DONE, "its totals are in");
    }
    cluster_emit(c, CLUSTER_SEND_STATE, NULL);
    return true;
}

static void commit_before_t0(struct cluster *c, struct event *ev)
{
    commit_counts(c, ev);
}

static void commit_may_end(struct cluster *c, struct event *ev)
{
    if (commit_counts(c, ev))
        cluster_end_if_over(c, ev->now);
}

static void commit_is_acknowledged(struct cluster *c, struct event *ev)
{
    committed(c, ev);
}

// --- STORED ---

// A worker that starts by what a restarted master does not know of would run on its own.
static void stored_tells(struct cluster *c, struct event *ev)
{
    struct cluster_run *run = c->run;

    if (strcmp(ev->run, run->id) != 0)
        return;
    if (ev->whole) {
        run->stored = true;
        cluster_emit(c, CLUSTER_SEND_STATE, NULL);
    }
    for (size_t i = 0; !ev->whole && i < run->n_members; i++) {
        struct cluster_member *m = run->members[i];
        if (m->source != ev->source || m->stored)
            continue;
        m->stored = true;
        if (m->node->session != NULL && m->node->epoch == m->epoch)
            accept(c, m);
    }
}

// --- TIMER ---

static bool is_overdue(const struct cluster *c, const struct cluster_member *m, int64_t now)
{
    return m->down_ns != 0 && now - m->down_ns >= c->config.rejoin_grace_ns;
}

// It sends its submission again when it comes back, and is a new member then.
static void timer_forgets_absent(struct cluster *c, struct event *ev)
{
    bool any = false;

    for (size_t i = c->run->n_members; i > 0; i--) {
        if (!is_overdue(c, c->run->members[i - 1], ev->now))
            continue;
        cluster_remove_member(c, i - 1, "did not come back");
        any = true;
    }
    cluster_recount(c);
    if (any)
        cluster_close_if_empty(c, ev->now, "its last worker did not come back");
}

static void timer_starts(struct cluster *c, struct event *ev)
{
    struct cluster_run *run = c->run;

    if (ev->now < run->t0_ns)
        return;
    for (size_t i = 0; i < run->n_members; i++) {
        struct cluster_member *m = run->members[i];
        run->min_members += m->counted;
        if (m->state == CLUSTER_WAITING)
            m->state = CLUSTER_ACTIVE;
    }
    cluster_change_state(c, CLUSTER_RUNNING, "T0");
    cluster_end_if_over(c, ev->now);
}

// Lost before T0 without ever having counted, and never back: took no part.
static void forget_who_took_no_part(struct cluster *c, int64_t now)
{
    for (size_t i = c->run->n_members; i > 0; i--) {
        const struct cluster_member *m = c->run->members[i - 1];
        if (m->state == CLUSTER_LOST && !m->counted && !m->late && m->received_seq == 0 &&
            is_overdue(c, m, now))
            cluster_remove_member(c, i - 1, "took no part");
    }
}

static void timer_ends(struct cluster *c, struct event *ev)
{
    struct cluster_run *run = c->run;

    forget_who_took_no_part(c, ev->now);
    for (size_t i = 0; run->stop != CLUSTER_GO && i < run->n_members; i++) {
        struct cluster_member *m = run->members[i];
        if (ev->now >= run->stop_due_ns && m->state == CLUSTER_ACTIVE && !m->observer)
            cluster_lose(c, m, ev->now, "did not stop when cancelled", true);
    }
    cluster_end_if_over(c, ev->now);
}

// --- The table ---

static void ignore(struct cluster *c, struct event *ev)
{
    (void)c;
    (void)ev;
}

typedef void handler(struct cluster *c, struct event *ev);

static handler *const table[CLUSTER_STATE__COUNT][CLUSTER_EVENT__COUNT] = {
    [CLUSTER_IDLE] =
        {
            [CLUSTER_SUBMIT] = submit_opens,
            [CLUSTER_CANCEL] = ignore,
            [CLUSTER_START] = start_without_run,
            [CLUSTER_CLOCK] = ignore,
            [CLUSTER_UP] = ignore,
            [CLUSTER_REPLACED] = ignore,
            [CLUSTER_DOWN] = ignore,
            [CLUSTER_WINDOW] = data_is_late,
            [CLUSTER_FIN] = data_is_late,
            [CLUSTER_COMMIT] = ignore,
            [CLUSTER_STORED] = ignore,
            [CLUSTER_TIMER] = ignore,
        },
    [CLUSTER_CREATED] =
        {
            [CLUSTER_SUBMIT] = submit_waits,
            [CLUSTER_CANCEL] = cancel_withdraws,
            [CLUSTER_START] = start_with_who_is_here,
            [CLUSTER_CLOCK] = clock_counts,
            [CLUSTER_UP] = up_waits,
            [CLUSTER_REPLACED] = replaced_leaves,
            [CLUSTER_DOWN] = down_uncounts,
            [CLUSTER_WINDOW] = data_too_early,
            [CLUSTER_FIN] = data_too_early,
            [CLUSTER_COMMIT] = ignore,
            [CLUSTER_STORED] = ignore,
            [CLUSTER_TIMER] = timer_forgets_absent,
        },
    [CLUSTER_READY] =
        {
            [CLUSTER_SUBMIT] = submit_takes_t0,
            [CLUSTER_CANCEL] = cancel_stops,
            [CLUSTER_START] = ignore,
            [CLUSTER_CLOCK] = clock_counts_for_t0,
            [CLUSTER_UP] = up_rejoins_before_t0,
            [CLUSTER_REPLACED] = replaced_is_lost_before_t0,
            [CLUSTER_DOWN] = down_loses,
            [CLUSTER_WINDOW] = data_in_order,
            [CLUSTER_FIN] = data_in_order,
            [CLUSTER_COMMIT] = commit_before_t0,
            [CLUSTER_STORED] = stored_tells,
            [CLUSTER_TIMER] = timer_starts,
        },
    [CLUSTER_RUNNING] =
        {
            [CLUSTER_SUBMIT] = submit_joins_late,
            [CLUSTER_CANCEL] = cancel_stops,
            [CLUSTER_START] = ignore,
            [CLUSTER_CLOCK] = ignore,
            [CLUSTER_UP] = up_rejoins,
            [CLUSTER_REPLACED] = replaced_is_lost,
            [CLUSTER_DOWN] = down_loses,
            [CLUSTER_WINDOW] = data_in_order,
            [CLUSTER_FIN] = data_in_order,
            [CLUSTER_COMMIT] = commit_may_end,
            [CLUSTER_STORED] = stored_tells,
            [CLUSTER_TIMER] = timer_ends,
        },
    [CLUSTER_STOPPED] =
        {
            [CLUSTER_SUBMIT] = submit_opens,
            [CLUSTER_CANCEL] = ignore,
            [CLUSTER_START] = start_without_run,
            [CLUSTER_CLOCK] = ignore,
            [CLUSTER_UP] = up_hears_the_end,
            [CLUSTER_REPLACED] = ignore,
            [CLUSTER_DOWN] = ignore,
            [CLUSTER_WINDOW] = data_after_the_end,
            [CLUSTER_FIN] = data_after_the_end,
            [CLUSTER_COMMIT] = commit_is_acknowledged,
            [CLUSTER_STORED] = stored_tells,
            [CLUSTER_TIMER] = ignore,
        },
    [CLUSTER_FAILED] =
        {
            [CLUSTER_SUBMIT] = submit_opens,
            [CLUSTER_CANCEL] = ignore,
            [CLUSTER_START] = start_without_run,
            [CLUSTER_CLOCK] = ignore,
            [CLUSTER_UP] = up_hears_the_end,
            [CLUSTER_REPLACED] = ignore,
            [CLUSTER_DOWN] = ignore,
            [CLUSTER_WINDOW] = data_after_the_end,
            [CLUSTER_FIN] = data_after_the_end,
            [CLUSTER_COMMIT] = commit_is_acknowledged,
            [CLUSTER_STORED] = stored_tells,
            [CLUSTER_TIMER] = ignore,
        },
};

void cluster_dispatch(struct cluster *c, struct event *ev)
{
    enum cluster_state state = c->run == NULL ? CLUSTER_IDLE : c->run->state;

    assert(table[state][ev->kind] != NULL);
    table[state][ev->kind](c, ev);
}
