// The run that the last master left, out of what it stored.
#include "master/daemon/cluster_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "common/str.h"

static void lost(struct cluster_member *m, const char *why, bool gone, int64_t down_ns)
{
    m->state = CLUSTER_LOST;
    m->reason = xstrdup(why);
    m->gone = gone;
    m->down_ns = down_ns;
}

static void set_state(const struct cluster *c, struct cluster_member *m,
                      const struct cluster_saved_member *saved, int64_t down_ns)
{
    bool running = c->run->state != CLUSTER_READY;

    if (saved->has_fin && (saved->failure == NULL || *saved->failure == '\0'))
        m->state = CLUSTER_DONE;
    else if (saved->has_fin)
        lost(m, saved->failure, true, down_ns);
    else if (m->observer)
        m->state = running ? CLUSTER_ACTIVE : CLUSTER_WAITING;
    else if (m->epoch != m->node->epoch)
        lost(m, "the worker was restarted", true, down_ns);
    else
        lost(m, "away since the master was restarted", false, down_ns);
}

static void restore_member(struct cluster *c, const struct cluster_saved_member *saved,
                           int64_t down_ns)
{
    struct cluster_run *run = c->run;
    struct cluster_node *node = cluster_reach_node(c, saved->node);

    if (node == NULL)
        return;
    struct cluster_member *m = xcalloc(1, sizeof *m);
    memcpy(node->instance, saved->instance, sizeof node->instance);
    node->epoch = saved->node_epoch;
    *m = (struct cluster_member){
        .node = node,
        .epoch = saved->epoch,
        .source = saved->source,
        .part = saved->part,
        .observer = saved->observer,
        .late = saved->late,
        .counted = saved->counted,
        .received_seq = saved->last_seq,
        .committed_seq = saved->last_seq,
        .fin_received = saved->has_fin,
        .stored = true,
    };
    snprintf(m->submission, sizeof m->submission, "%s", saved->submission);
    set_state(c, m, saved, down_ns);
    run->members[run->n_members++] = m;
    run->counted += m->counted;
    run->n_parts += m->part != 0;
    if (run->next_source <= m->source)
        run->next_source = m->source + 1;
}

void cluster_restore(struct cluster *c, int64_t now, const struct cluster_saved *saved,
                     int64_t extra_ns)
{
    struct cluster_run *run = c->run = xcalloc(1, sizeof *run);
    bool over = saved->state == CLUSTER_STOPPED || saved->state == CLUSTER_FAILED;

    snprintf(run->id, sizeof run->id, "%s", saved->id);
    run->plan_name = xstrdup(saved->plan_name);
    memcpy(run->digest, saved->digest, sizeof run->digest);
    run->state = saved->state;
    run->stop = saved->stop;
    run->expected = saved->expected;
    run->seed = saved->seed;
    run->t0_ns = saved->t0_ns;
    run->stored = true;
    run->members = xcalloc(saved->n_members + 1, sizeof(struct cluster_member *));
    for (size_t i = 0; i < saved->n_members; i++)
        restore_member(c, &saved->members[i], now + extra_ns);
    if (run->state != CLUSTER_READY)
        run->min_members = run->counted;
    if (over) {
        run->ended_ns = now;
        return;
    }
    if (run->stop != CLUSTER_GO)
        run->stop_due_ns = (now > run->t0_ns ? now : run->t0_ns) + extra_ns +
                           c->config.rejoin_grace_ns + c->config.drain_ns;
    cluster_emit_log(c, LOG_NOTICE, "master-restarted", NULL,
                     "run %s: %s, taken up again after a restart of the master, %" PRIu32
                     " members",
                     run->id, cluster_state_name[run->state], (uint32_t)run->n_members);
    cluster_due_at(c, now); // for T0, or an end, that came meanwhile
}

void cluster_fail(struct cluster *c, int64_t now, const char *why)
{
    for (size_t i = 0; i < c->run->n_members; i++) {
        struct cluster_member *m = c->run->members[i];
        if (!m->observer && m->state != CLUSTER_DONE && !m->gone)
            cluster_lose(c, m, now, why, true);
    }
    cluster_close_run(c, now, CLUSTER_FAILED, why);
}
