#include "master/daemon/cluster_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "common/str.h"

// --- Members ---

static void member_free(struct cluster_member *m)
{
    free(m->reason);
    free(m);
}

void cluster_run_free(struct cluster_run *run)
{
    if (run == NULL)
        return;
    for (size_t i = 0; i < run->n_members; i++)
        member_free(run->members[i]);
    free(run->members);
    free(run->plan_name);
    free(run);
}

struct cluster_member *cluster_member_by_submission(const struct cluster_run *run, const char *id)
{
    for (size_t i = run == NULL ? 0 : run->n_members; i > 0; i--)
        if (strcmp(run->members[i - 1]->submission, id) == 0)
            return run->members[i - 1];
    return NULL;
}

uint32_t cluster_n_active(const struct cluster_run *run)
{
    uint32_t n = 0;

    for (size_t i = 0; i < run->n_members; i++)
        n += run->members[i]->state == CLUSTER_ACTIVE && !run->members[i]->observer;
    return n;
}

// LPS_EVENT of reaching a state, docs/journal.md.
static const char *const run_event[CLUSTER_STATE__COUNT] = {
    [CLUSTER_CREATED] = "submitted", [CLUSTER_READY] = "ready",     [CLUSTER_RUNNING] = "running",
    [CLUSTER_STOPPED] = "finished",  [CLUSTER_FAILED] = "finished",
};

static const char *member_event(const struct cluster_member *m, enum cluster_member_state to)
{
    if (to == CLUSTER_LOST)
        return "worker-lost";
    if (to == CLUSTER_DONE)
        return "worker-done";
    return m->state == CLUSTER_LOST ? "worker-back" : "submitted";
}

void cluster_change_member(struct cluster *c, struct cluster_member *m,
                           enum cluster_member_state to, const char *why)
{
    int priority = to == CLUSTER_LOST ? LOG_WARNING : LOG_INFO;

    cluster_emit_log(c, priority, member_event(m, to), m->node, "%s: member %s -> %s: %s",
                     m->node->name, cluster_member_state_name[m->state],
                     cluster_member_state_name[to], why);
    m->state = to;
}

void cluster_lose(struct cluster *c, struct cluster_member *m, int64_t now, const char *why,
                  bool gone)
{
    free(m->reason);
    m->reason = xstrdup(why);
    m->gone = gone;
    if (m->down_ns == 0)
        m->down_ns = now;
    cluster_due_at(c, m->down_ns + c->config.rejoin_grace_ns);
    cluster_change_member(c, m, CLUSTER_LOST, why);
}

struct cluster_member *cluster_add_member(struct cluster *c, const struct event *ev,
                                          enum cluster_member_state state)
{
    struct cluster_run *run = c->run;
    struct cluster_member *m = xcalloc(1, sizeof *m);

    m->node = ev->node;
    snprintf(m->submission, sizeof m->submission, "%s", ev->submission->id);
    m->epoch = ev->node->epoch;
    m->source = run->next_source++;
    m->observer = !c->config.master_is_worker && strcmp(ev->node->name, c->config.node_name) == 0;
    m->late = run->state == CLUSTER_RUNNING;
    m->stored = run->state == CLUSTER_CREATED;
    run->members = xreallocarray(run->members, run->n_members + 1, sizeof(struct cluster_member *));
    run->members[run->n_members++] = m;
    cluster_change_member(c, m, state, m->observer ? "submitted, watches only" : "submitted");
    return m;
}

void cluster_remove_member(struct cluster *c, size_t at, const char *why)
{
    struct cluster_run *run = c->run;
    struct cluster_member *m = run->members[at];

    cluster_emit_log(c, LOG_INFO, "worker-left", m->node, "%s: no longer a member: %s",
                     m->node->name, why);
    member_free(m);
    run->n_members--;
    memmove(run->members + at, run->members + at + 1,
            (run->n_members - at) * sizeof(struct cluster_member *));
}

// --- States ---

void cluster_change_state(struct cluster *c, enum cluster_state to, const char *why)
{
    struct cluster_run *run = c->run;

    cluster_emit_log(c, LOG_INFO, run_event[to], NULL, "run %s: %s -> %s: %s", run->id,
                     cluster_state_name[run->state], cluster_state_name[to], why);
    run->state = to;
    cluster_emit(c, CLUSTER_SEND_STATE, NULL);
}

void cluster_close_run(struct cluster *c, int64_t now, enum cluster_state to, const char *why)
{
    struct cluster_run *run = c->run;

    run->ended_ns = now;
    for (size_t i = 0; i < run->n_members; i++)
        if (run->members[i]->observer)
            run->members[i]->state = CLUSTER_DONE;
    cluster_change_state(c, to, why);
    cluster_emit(c, CLUSTER_ENDED, NULL);
}

bool cluster_recount(struct cluster *c)
{
    struct cluster_run *run = c->run;
    uint32_t before = run->counted;

    run->counted = 0;
    for (size_t i = 0; i < run->n_members; i++) {
        struct cluster_member *m = run->members[i];
        m->counted = !m->observer && m->down_ns == 0 && m->node->n_samples >= CLUSTER_CLOCK_SAMPLES;
        run->counted += m->counted;
    }
    return run->counted != before;
}

static int64_t start_lead(const struct cluster *c)
{
    int64_t worst = 0;

    for (size_t i = 0; i < c->run->n_members; i++) {
        const struct cluster_member *m = c->run->members[i];
        if (m->counted && m->node->rtt_ns > worst)
            worst = m->node->rtt_ns;
    }
    if (worst > CLUSTER_START_LEAD_MAX_NS / 4)
        worst = CLUSTER_START_LEAD_MAX_NS / 4;
    return 4 * worst > c->config.start_lead_ns ? 4 * worst : c->config.start_lead_ns;
}

static int by_node(const void *a, const void *b)
{
    const struct cluster_member *const *x = a, *const *y = b;

    return strcmp((*x)->node->name, (*y)->node->name);
}

// In the order of names, so that a run with the same seed and nodes makes the same values.
static void share_out(struct cluster_run *run)
{
    struct cluster_member **sorted = xcalloc(run->n_members, sizeof(struct cluster_member *));

    for (size_t i = 0; i < run->n_members; i++)
        if (!run->members[i]->observer)
            sorted[run->n_parts++] = run->members[i];
    if (run->n_parts > 0)
        qsort(sorted, run->n_parts, sizeof(struct cluster_member *), by_node);
    for (uint32_t i = 0; i < run->n_parts; i++)
        sorted[i]->part = i + 1;
    free(sorted);
}

// Members whose stream is lost at this moment may come back like any lost in Running.
void cluster_arm(struct cluster *c, int64_t now, const char *why)
{
    struct cluster_run *run = c->run;

    run->t0_ns = now + start_lead(c);
    cluster_due_at(c, run->t0_ns);
    for (size_t i = 0; i < run->n_members; i++) {
        struct cluster_member *m = run->members[i];
        if (m->down_ns == 0 || m->observer)
            continue;
        m->down_ns = now;
        cluster_lose(c, m, now, "away when the run became Ready", false);
    }
    share_out(run);
    cluster_change_state(c, CLUSTER_READY, why);
    cluster_emit(c, CLUSTER_ARMED, NULL);
}

void cluster_check_barrier(struct cluster *c, int64_t now)
{
    struct cluster_run *run = c->run;
    char why[64];

    cluster_recount(c);
    if (run->counted < run->expected)
        return;
    snprintf(why, sizeof why, "%" PRIu32 " of %" PRIu32 " workers", run->counted, run->expected);
    cluster_arm(c, now, why);
}

void cluster_end_if_over(struct cluster *c, int64_t now)
{
    struct cluster_run *run = c->run;
    uint32_t done = 0, lost = 0;
    char why[96];

    for (size_t i = 0; i < run->n_members; i++) {
        const struct cluster_member *m = run->members[i];
        bool back =
            m->state == CLUSTER_LOST && !m->gone && now - m->down_ns < c->config.rejoin_grace_ns;
        if (m->observer)
            continue;
        if (m->state == CLUSTER_ACTIVE || back)
            return;
        done += m->state == CLUSTER_DONE;
        lost += m->state == CLUSTER_LOST;
    }
    if (done == 0)
        snprintf(why, sizeof why, "no worker finished, %" PRIu32 " lost", lost);
    else
        snprintf(why, sizeof why, "%" PRIu32 " workers done, %" PRIu32 " lost%s", done, lost,
                 run->stop == CLUSTER_GO ? "" : ", cancelled");
    cluster_close_run(c, now, done == 0 ? CLUSTER_FAILED : CLUSTER_STOPPED, why);
}

void cluster_close_if_empty(struct cluster *c, int64_t now, const char *why)
{
    if (c->run->n_members == 0)
        cluster_close_run(c, now, CLUSTER_STOPPED, why);
    else
        cluster_emit(c, CLUSTER_SEND_STATE, NULL);
}
