#include "tests/unit/cluster_test_world.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

const uint8_t plan_x[32] = {1}, plan_y[32] = {2};

void *session(int i, int stream)
{
    static char sessions[8][2];

    return &sessions[i][stream];
}

static void trace_action(struct world *w, const struct cluster_action *a)
{
    const char *node = a->node == NULL ? "*" : a->node->name;
    static const char *const plain[] = {
        [CLUSTER_OPENED] = "opened", [CLUSTER_ARMED] = "armed", [CLUSTER_ENDED] = "ended"};

    if (a->kind == CLUSTER_LOG)
        return;
    if (w->trace.len > 0)
        buf_puts(&w->trace, " ");
    switch (a->kind) {
    case CLUSTER_SEND_STATE:
        buf_printf(&w->trace, "state(%s)", node);
        break;
    case CLUSTER_SEND_REPLY:
        buf_printf(&w->trace, "reply(%s,%s%s%s)", node, a->accepted ? "yes" : "no",
                   a->late ? ",late" : "", a->observer ? ",observer" : "");
        break;
    case CLUSTER_SEND_ACK:
        buf_printf(&w->trace, "ack(%s,%" PRIu64 ")", node, a->seq);
        break;
    case CLUSTER_SEND_FIN_REPLY:
        buf_printf(&w->trace, "fin(%s%s)", node, a->closed ? ",closed" : "");
        break;
    case CLUSTER_SEND_RESULT:
        buf_printf(&w->trace, "result(%s)", node);
        break;
    case CLUSTER_CLOSE:
        buf_printf(&w->trace, "close(%s,%d)", node, a->status);
        break;
    case CLUSTER_JOINED:
        buf_printf(&w->trace, "joined(%s)", a->member->node->name);
        break;
    default:
        buf_puts(&w->trace, plain[a->kind]);
    }
}

const char *trace(struct world *w)
{
    const struct cluster_action *a;

    buf_done(&w->trace);
    buf_puts(&w->trace, "");
    while ((a = cluster_next_action(w->c)) != NULL)
        trace_action(w, a);
    return w->trace.data;
}

const char *refusal(struct world *w)
{
    static char text[400];
    const struct cluster_action *a;

    text[0] = '\0';
    while ((a = cluster_next_action(w->c)) != NULL)
        if (a->kind == CLUSTER_SEND_REPLY && !a->accepted)
            snprintf(text, sizeof text, "%s", a->text);
    return text;
}

struct cluster_config config(uint32_t expected)
{
    return (struct cluster_config){.node_name = "m",
                                   .master_is_worker = true,
                                   .expected = expected,
                                   .start_lead_ns = LEAD,
                                   .lease_ns = LEASE,
                                   .rejoin_grace_ns = GRACE,
                                   .drain_ns = DRAIN};
}

struct world world_with(const struct cluster_config *cfg)
{
    return (struct world){.c = cluster_new(cfg), .now = 1000 * S};
}

struct world world(uint32_t expected)
{
    struct cluster_config cfg = config(expected);

    return world_with(&cfg);
}

void world_end(struct world *w)
{
    cluster_free(w->c);
    buf_done(&w->trace);
}

int hello(struct world *w, int i, uint8_t instance, int stream)
{
    const char *name = (const char *[]){"a", "b", "c", "d", "e", "f", "g", "m"}[i];
    uint8_t id[16] = {instance, (uint8_t)i};
    struct cluster_facts facts = {.cpus = 2};

    return cluster_hello(w->c, w->now, name, id, ++w->epoch, &facts, session(i, stream),
                         &w->node[i]);
}

void clocks(struct world *w, int i, uint32_t n_samples)
{
    cluster_clock(w->c, w->now, w->node[i], n_samples, 300000, 150000);
}

void submit_as(struct world *w, int i, const char *id, const uint8_t *plan, const char *run)
{
    char new_run[16];

    snprintf(new_run, sizeof new_run, "run%d", ++w->n_runs);
    struct cluster_submission s = {
        .id = id, .digest = plan, .plan_name = "plan", .run = run, .new_run = new_run};
    cluster_submit(w->c, w->now, w->node[i], &s);
}

static const char *const id_of[] = {"sa", "sb", "sc", "sd", "se", "sf", "sg", "sm"};

void submit(struct world *w, int i)
{
    submit_as(w, i, id_of[i], plan_x, "");
}

void join(struct world *w, int i)
{
    assert_int_equal(hello(w, i, 1, 0), 0);
    clocks(w, i, 5);
    submit(w, i);
}

void gone(struct world *w, int i, int stream)
{
    cluster_gone(w->c, w->now, w->node[i], session(i, stream), "stream lost");
}

void pass(struct world *w, int64_t ns)
{
    w->now += ns;
    for (int i = 0; i < 8; i++)
        if (w->node[i] != NULL)
            cluster_seen(w->c, w->now, w->node[i]);
    cluster_timer(w->c, w->now);
}

const char *run_id(const struct world *w)
{
    return cluster_run(w->c)->id;
}

enum cluster_verdict window(struct world *w, int i, uint64_t seq)
{
    struct cluster_member *m;

    return cluster_window(w->c, w->now, w->node[i], run_id(w), seq, &m);
}

enum cluster_verdict fin(struct world *w, int i, uint64_t seq)
{
    struct cluster_member *m;

    return cluster_fin(w->c, w->now, w->node[i], run_id(w), seq, &m);
}

const struct cluster_member *member(const struct world *w, int i)
{
    return cluster_member_of(w->c, w->node[i]);
}

void commit(struct world *w, int i, uint64_t seq, bool is_fin, const char *failure)
{
    cluster_commit(w->c, w->now, run_id(w), member(w, i)->source, seq, is_fin, failure);
}

void finish(struct world *w, int i, uint64_t seq)
{
    assert_int_equal(fin(w, i, seq), CLUSTER_TAKE);
    commit(w, i, seq, true, NULL);
}

enum cluster_state state(const struct world *w)
{
    return cluster_run(w->c) == NULL ? CLUSTER_IDLE : cluster_run(w->c)->state;
}

struct world world_in(enum cluster_state want)
{
    struct world w = world(want == CLUSTER_CREATED ? 2 : 1);

    hello(&w, 1, 1, 0);
    clocks(&w, 1, 5);
    if (want == CLUSTER_IDLE)
        hello(&w, 0, 1, 0);
    else
        join(&w, 0);
    if (want == CLUSTER_RUNNING || want == CLUSTER_STOPPED || want == CLUSTER_FAILED)
        pass(&w, LEAD);
    if (want == CLUSTER_STOPPED || want == CLUSTER_FAILED) {
        window(&w, 0, 1);
        fin(&w, 0, 2);
        commit(&w, 0, 1, false, NULL);
        commit(&w, 0, 2, true, want == CLUSTER_FAILED ? "runner killed by signal 9" : NULL);
    }
    assert_int_equal(state(&w), want);
    trace(&w);
    return w;
}
