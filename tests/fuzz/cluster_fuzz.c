// Any order of events: the run's states, members and sequences stay consistent, and a run that
// everybody left comes to its end.
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "master/daemon/cluster.h"

#define N_NODES 4
#define MS      1000000LL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct cluster *c;
    int64_t now;
    struct cluster_node *node[N_NODES];
    char session[N_NODES];
    uint64_t epoch;
    int n_runs;
};

static void take_actions(struct world *w)
{
    const struct cluster_action *a;

    while ((a = cluster_next_action(w->c)) != NULL) {
        assert(a->kind > CLUSTER_ACTION_UNDEFINED && a->kind < CLUSTER_ACTION__COUNT);
        assert(a->kind != CLUSTER_CLOSE || a->session != NULL);
        assert(a->kind != CLUSTER_JOINED || a->member->node == a->node);
    }
}

static void check(const struct world *w)
{
    const struct cluster_run *run = cluster_run(w->c);
    uint32_t counted = 0;

    if (run == NULL)
        return;
    assert(cluster_is_open(w->c) == (run->state < CLUSTER_STOPPED));
    assert((run->state == CLUSTER_CREATED) <= (run->t0_ns == 0));
    for (size_t i = 0; i < run->n_members; i++) {
        const struct cluster_member *m = run->members[i];
        assert(m->committed_seq <= m->received_seq);
        assert(m->source < run->next_source);
        assert(m->state != CLUSTER_ACTIVE || run->state != CLUSTER_CREATED);
        counted += m->counted;
    }
    assert(run->state != CLUSTER_CREATED || counted == run->counted);
}

static void hello(struct world *w, int i, uint8_t instance)
{
    const char name[] = {"abcm"[i], '\0'};
    const uint8_t id[16] = {instance & 1};
    struct cluster_facts facts = {0};
    struct cluster_node *node;

    if (cluster_hello(w->c, w->now, name, id, ++w->epoch, &facts, &w->session[i], &node) == 0)
        w->node[i] = node;
}

static void submit(struct world *w, int i, uint8_t how)
{
    const uint8_t digest[32] = {how >> 2 & 1};
    char id[16], new_run[16];

    snprintf(id, sizeof id, "s%d-%d", i, how & 3);
    snprintf(new_run, sizeof new_run, "run%d", ++w->n_runs);
    struct cluster_submission s = {
        .id = id, .digest = digest, .plan_name = "p", .run = "", .new_run = new_run};
    cluster_submit(w->c, w->now, w->node[i], &s);
}

static void cancel(struct world *w, int i, uint8_t how)
{
    char id[16];

    snprintf(id, sizeof id, "s%d-%d", i, how & 3);
    cluster_cancel(w->c, w->now, w->node[i], id, how >> 2 & 1);
}

static void data_comes(struct world *w, int i, uint8_t how, bool fin)
{
    const struct cluster_member *known = cluster_member_of(w->c, w->node[i]);
    uint64_t seq = known == NULL ? 1 : known->received_seq + (how & 3);
    const char *run = cluster_run(w->c) == NULL || how & 4 ? "other" : cluster_run(w->c)->id;
    struct cluster_member *m;

    if (seq == 0)
        return;
    if (fin)
        cluster_fin(w->c, w->now, w->node[i], run, seq, &m);
    else
        cluster_window(w->c, w->now, w->node[i], run, seq, &m);
}

static void commit(struct world *w, uint8_t how)
{
    const struct cluster_run *run = cluster_run(w->c);

    if (run == NULL || run->n_members == 0)
        return;
    const struct cluster_member *m = run->members[how % run->n_members];
    if (m->committed_seq == m->received_seq)
        return;
    uint64_t seq = m->committed_seq + 1;
    bool fin = m->fin_received && seq == m->received_seq;
    cluster_commit(w->c, w->now, run->id, m->source, seq, fin, fin && how & 64 ? "died" : NULL);
}

static void step(struct world *w, uint8_t op, uint8_t how)
{
    int i = op >> 4 & 3;
    char err[80];

    switch (op & 15) {
    case 0:
    case 1:
        hello(w, i, how);
        return;
    case 2:
        cluster_start(w->c, w->now, err, sizeof err);
        return;
    case 3:
        w->now += how * 20 * MS;
        cluster_timer(w->c, w->now);
        return;
    case 4:
        commit(w, how);
        return;
    default:
        break;
    }
    // What comes over a stream, so only while there is one.
    if (w->node[i] == NULL || w->node[i]->session == NULL)
        return;
    cluster_seen(w->c, w->now, w->node[i]);
    switch (op & 15) {
    case 5:
        cluster_gone(w->c, w->now, w->node[i], &w->session[i], "lost");
        break;
    case 6:
    case 7:
        cluster_clock(w->c, w->now, w->node[i], how & 7, (int64_t)how * MS, 1);
        break;
    case 8:
    case 9:
        submit(w, i, how);
        break;
    case 10:
        cancel(w, i, how);
        break;
    case 11:
    case 12:
        data_comes(w, i, how, false);
        break;
    case 13:
        data_comes(w, i, how, true);
        break;
    default:
        break;
    }
}

// Without any stream, all timers later.
static void everybody_leaves(struct world *w)
{
    for (int i = 0; i < N_NODES; i++)
        if (w->node[i] != NULL && w->node[i]->session != NULL)
            cluster_gone(w->c, w->now, w->node[i], &w->session[i], "lost");
    for (int i = 0; i < 10 && cluster_due(w->c) != INT64_MAX; i++) {
        w->now = cluster_due(w->c) > w->now ? cluster_due(w->c) : w->now;
        cluster_timer(w->c, w->now);
        take_actions(w);
        check(w);
    }
    assert(!cluster_is_open(w->c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct cluster_config config = {.node_name = "m",
                                    .master_is_worker = data[0] & 1,
                                    .expected = data[0] >> 1 & 3,
                                    .start_lead_ns = 200 * MS,
                                    .lease_ns = 1000 * MS,
                                    .rejoin_grace_ns = 500 * MS,
                                    .drain_ns = 300 * MS};
    struct world w = {.c = cluster_new(&config), .now = 1000 * MS};

    for (size_t i = 1; i + 1 < size && i < 2000; i += 2) {
        step(&w, data[i], data[i + 1]);
        take_actions(&w);
        check(&w);
    }
    everybody_leaves(&w);
    cluster_free(w.c);
    return 0;
}
