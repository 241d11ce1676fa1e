#include "master/daemon/cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"

#define S     1000000000LL
#define MS    1000000LL
#define LEAD  (2 * S)
#define LEASE (3 * S)
#define GRACE (10 * S)
#define DRAIN (5 * S)

static const uint8_t plan_x[32] = {1}, plan_y[32] = {2};

static char session[8][2]; // only their addresses matter

struct world {
    struct cluster *c;
    int64_t now;
    struct cluster_node *node[8];
    uint64_t epoch;
    int n_runs;
    struct buf trace;
};

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

// What the caller was asked to do since the last time, without the log lines.
static const char *trace(struct world *w)
{
    const struct cluster_action *a;

    buf_done(&w->trace);
    buf_puts(&w->trace, "");
    while ((a = cluster_next_action(w->c)) != NULL)
        trace_action(w, a);
    return w->trace.data;
}

static struct cluster_config config(uint32_t expected)
{
    return (struct cluster_config){.node_name = "m",
                                   .master_is_worker = true,
                                   .expected = expected,
                                   .start_lead_ns = LEAD,
                                   .lease_ns = LEASE,
                                   .rejoin_grace_ns = GRACE,
                                   .drain_ns = DRAIN};
}

static struct world world_with(const struct cluster_config *cfg)
{
    return (struct world){.c = cluster_new(cfg), .now = 1000 * S};
}

static struct world world(uint32_t expected)
{
    struct cluster_config cfg = config(expected);

    return world_with(&cfg);
}

static void world_end(struct world *w)
{
    cluster_free(w->c);
    buf_done(&w->trace);
}

// Node i is called after its letter, instance and stream are numbered.
static int hello(struct world *w, int i, uint8_t instance, int stream)
{
    const char *name = (const char *[]){"a", "b", "c", "d", "e", "f", "g", "m"}[i];
    uint8_t id[16] = {instance, (uint8_t)i};
    struct cluster_facts facts = {.cpus = 2};

    return cluster_hello(w->c, w->now, name, id, ++w->epoch, &facts, &session[i][stream],
                         &w->node[i]);
}

static void clocks(struct world *w, int i, uint32_t n_samples)
{
    cluster_clock(w->c, w->now, w->node[i], n_samples, 300000, 150000);
}

static void submit_as(struct world *w, int i, const char *id, const uint8_t *plan, const char *run)
{
    char new_run[16];

    snprintf(new_run, sizeof new_run, "run%d", ++w->n_runs);
    struct cluster_submission s = {
        .id = id, .digest = plan, .plan_name = "plan", .run = run, .new_run = new_run};
    cluster_submit(w->c, w->now, w->node[i], &s);
}

static const char *const id_of[] = {"sa", "sb", "sc", "sd", "se", "sf", "sg", "sm"};

static void submit(struct world *w, int i)
{
    submit_as(w, i, id_of[i], plan_x, "");
}

static void join(struct world *w, int i)
{
    assert_int_equal(hello(w, i, 1, 0), 0);
    clocks(w, i, 5);
    submit(w, i);
}

static void gone(struct world *w, int i, int stream)
{
    cluster_gone(w->c, w->now, w->node[i], &session[i][stream], "stream lost");
}

static void pass(struct world *w, int64_t ns)
{
    w->now += ns;
    for (int i = 0; i < 8; i++)
        if (w->node[i] != NULL)
            cluster_seen(w->c, w->now, w->node[i]);
    cluster_timer(w->c, w->now);
}

static const char *run_id(const struct world *w)
{
    return cluster_run(w->c)->id;
}

static enum cluster_verdict window(struct world *w, int i, uint64_t seq)
{
    struct cluster_member *m;

    return cluster_window(w->c, w->now, w->node[i], run_id(w), seq, &m);
}

static enum cluster_verdict fin(struct world *w, int i, uint64_t seq)
{
    struct cluster_member *m;

    return cluster_fin(w->c, w->now, w->node[i], run_id(w), seq, &m);
}

static const struct cluster_member *member(const struct world *w, int i)
{
    return cluster_member_of(w->c, w->node[i]);
}

static void commit(struct world *w, int i, uint64_t seq, bool is_fin, const char *failure)
{
    cluster_commit(w->c, w->now, run_id(w), member(w, i)->source, seq, is_fin, failure);
}

static void finish(struct world *w, int i, uint64_t seq)
{
    assert_int_equal(fin(w, i, seq), CLUSTER_TAKE);
    commit(w, i, seq, true, NULL);
}

static enum cluster_state state(const struct world *w)
{
    return cluster_run(w->c) == NULL ? CLUSTER_IDLE : cluster_run(w->c)->state;
}

// --- The whole table ---

// "a" is a member whose clock is known, "b" is connected and no member; in Created two are
// expected.
static struct world world_in(enum cluster_state want)
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

static enum cluster_verdict data(struct world *w, bool is_fin)
{
    struct cluster_member *m;
    const char *run = cluster_run(w->c) == NULL ? "old" : run_id(w);

    return is_fin ? cluster_fin(w->c, w->now, w->node[0], run, 1, &m)
                  : cluster_window(w->c, w->now, w->node[0], run, 1, &m);
}

static void happens(struct world *w, enum cluster_event event)
{
    char err[80];

    switch (event) {
    case CLUSTER_SUBMIT:
        submit(w, 1);
        break;
    case CLUSTER_CANCEL:
        cluster_cancel(w->c, w->now, w->node[0], "sa", false);
        break;
    case CLUSTER_START:
        if (cluster_start(w->c, w->now, err, sizeof err) != 0)
            buf_printf(&w->trace, "%s", err);
        break;
    case CLUSTER_CLOCK:
        clocks(w, 0, 4);
        break;
    case CLUSTER_UP:
        hello(w, 0, 1, 1);
        break;
    case CLUSTER_REPLACED:
        gone(w, 0, 0);
        trace(w);
        hello(w, 0, 2, 1);
        break;
    case CLUSTER_DOWN:
        gone(w, 0, 0);
        break;
    case CLUSTER_WINDOW:
    case CLUSTER_FIN:
        data(w, event == CLUSTER_FIN);
        break;
    case CLUSTER_COMMIT:
        cluster_commit(w->c, w->now, w->n_runs ? run_id(w) : "old", 0, 1, true, NULL);
        break;
    default:
        pass(w, LEAD);
    }
}

static const struct {
    enum cluster_state from;
    enum cluster_event event;
    enum cluster_state to;
    const char *actions;
} expected_table[] = {
    {CLUSTER_IDLE, CLUSTER_SUBMIT, CLUSTER_READY, "opened reply(b,yes) state(*) armed"},
    {CLUSTER_IDLE, CLUSTER_CANCEL, CLUSTER_IDLE, ""},
    {CLUSTER_IDLE, CLUSTER_START, CLUSTER_IDLE, ""},
    {CLUSTER_IDLE, CLUSTER_CLOCK, CLUSTER_IDLE, ""},
    {CLUSTER_IDLE, CLUSTER_UP, CLUSTER_IDLE, "close(a,1)"},
    {CLUSTER_IDLE, CLUSTER_REPLACED, CLUSTER_IDLE, ""},
    {CLUSTER_IDLE, CLUSTER_DOWN, CLUSTER_IDLE, ""},
    {CLUSTER_IDLE, CLUSTER_WINDOW, CLUSTER_IDLE, "ack(a,1) fin(a,closed)"},
    {CLUSTER_IDLE, CLUSTER_FIN, CLUSTER_IDLE, "ack(a,1) fin(a,closed)"},
    {CLUSTER_IDLE, CLUSTER_COMMIT, CLUSTER_IDLE, ""},
    {CLUSTER_IDLE, CLUSTER_TIMER, CLUSTER_IDLE, ""},

    {CLUSTER_CREATED, CLUSTER_SUBMIT, CLUSTER_READY, "reply(b,yes) state(*) armed"},
    {CLUSTER_CREATED, CLUSTER_CANCEL, CLUSTER_STOPPED, "state(*) ended"},
    {CLUSTER_CREATED, CLUSTER_START, CLUSTER_READY, "state(*) armed"},
    {CLUSTER_CREATED, CLUSTER_CLOCK, CLUSTER_CREATED, "state(*)"},
    {CLUSTER_CREATED, CLUSTER_UP, CLUSTER_CREATED, "close(a,1) state(*)"},
    {CLUSTER_CREATED, CLUSTER_REPLACED, CLUSTER_STOPPED, "state(*) ended"},
    {CLUSTER_CREATED, CLUSTER_DOWN, CLUSTER_CREATED, "state(*)"},
    {CLUSTER_CREATED, CLUSTER_WINDOW, CLUSTER_CREATED, "close(a,3) state(*)"},
    {CLUSTER_CREATED, CLUSTER_FIN, CLUSTER_CREATED, "close(a,3) state(*)"},
    {CLUSTER_CREATED, CLUSTER_COMMIT, CLUSTER_CREATED, ""},
    {CLUSTER_CREATED, CLUSTER_TIMER, CLUSTER_CREATED, ""},

    {CLUSTER_READY, CLUSTER_SUBMIT, CLUSTER_READY, "reply(b,yes) joined(b) state(*)"},
    {CLUSTER_READY, CLUSTER_CANCEL, CLUSTER_READY, "state(*)"},
    {CLUSTER_READY, CLUSTER_START, CLUSTER_READY, ""},
    {CLUSTER_READY, CLUSTER_CLOCK, CLUSTER_READY, ""},
    {CLUSTER_READY, CLUSTER_UP, CLUSTER_READY, "close(a,1)"},
    {CLUSTER_READY, CLUSTER_REPLACED, CLUSTER_READY, "state(*)"},
    {CLUSTER_READY, CLUSTER_DOWN, CLUSTER_READY, "state(*)"},
    {CLUSTER_READY, CLUSTER_WINDOW, CLUSTER_READY, ""},
    {CLUSTER_READY, CLUSTER_FIN, CLUSTER_READY, ""},
    {CLUSTER_READY, CLUSTER_COMMIT, CLUSTER_READY, "ack(a,1) fin(a) state(*)"},
    {CLUSTER_READY, CLUSTER_TIMER, CLUSTER_RUNNING, "state(*)"},

    {CLUSTER_RUNNING, CLUSTER_SUBMIT, CLUSTER_RUNNING, "reply(b,yes,late) state(*) joined(b)"},
    {CLUSTER_RUNNING, CLUSTER_CANCEL, CLUSTER_RUNNING, "state(*)"},
    {CLUSTER_RUNNING, CLUSTER_START, CLUSTER_RUNNING, ""},
    {CLUSTER_RUNNING, CLUSTER_CLOCK, CLUSTER_RUNNING, ""},
    {CLUSTER_RUNNING, CLUSTER_UP, CLUSTER_RUNNING, "close(a,1)"},
    {CLUSTER_RUNNING, CLUSTER_REPLACED, CLUSTER_FAILED, "state(*) ended"},
    {CLUSTER_RUNNING, CLUSTER_DOWN, CLUSTER_RUNNING, "state(*)"},
    {CLUSTER_RUNNING, CLUSTER_WINDOW, CLUSTER_RUNNING, ""},
    {CLUSTER_RUNNING, CLUSTER_FIN, CLUSTER_RUNNING, ""},
    {CLUSTER_RUNNING, CLUSTER_COMMIT, CLUSTER_STOPPED, "ack(a,1) fin(a) state(*) ended"},
    {CLUSTER_RUNNING, CLUSTER_TIMER, CLUSTER_RUNNING, ""},

    {CLUSTER_STOPPED, CLUSTER_SUBMIT, CLUSTER_READY, "opened reply(b,yes) state(*) armed"},
    {CLUSTER_STOPPED, CLUSTER_CANCEL, CLUSTER_STOPPED, ""},
    {CLUSTER_STOPPED, CLUSTER_START, CLUSTER_STOPPED, ""},
    {CLUSTER_STOPPED, CLUSTER_CLOCK, CLUSTER_STOPPED, ""},
    {CLUSTER_STOPPED, CLUSTER_UP, CLUSTER_STOPPED, "close(a,1) state(a) result(a)"},
    {CLUSTER_STOPPED, CLUSTER_REPLACED, CLUSTER_STOPPED, ""},
    {CLUSTER_STOPPED, CLUSTER_DOWN, CLUSTER_STOPPED, ""},
    {CLUSTER_STOPPED, CLUSTER_WINDOW, CLUSTER_STOPPED, "ack(a,2)"},
    {CLUSTER_STOPPED, CLUSTER_FIN, CLUSTER_STOPPED, "ack(a,2) fin(a)"},
    {CLUSTER_STOPPED, CLUSTER_COMMIT, CLUSTER_STOPPED, "ack(a,1) fin(a)"},
    {CLUSTER_STOPPED, CLUSTER_TIMER, CLUSTER_STOPPED, ""},

    {CLUSTER_FAILED, CLUSTER_SUBMIT, CLUSTER_READY, "opened reply(b,yes) state(*) armed"},
    {CLUSTER_FAILED, CLUSTER_CANCEL, CLUSTER_FAILED, ""},
    {CLUSTER_FAILED, CLUSTER_START, CLUSTER_FAILED, ""},
    {CLUSTER_FAILED, CLUSTER_CLOCK, CLUSTER_FAILED, ""},
    {CLUSTER_FAILED, CLUSTER_UP, CLUSTER_FAILED, "close(a,1) state(a) result(a)"},
    {CLUSTER_FAILED, CLUSTER_REPLACED, CLUSTER_FAILED, ""},
    {CLUSTER_FAILED, CLUSTER_DOWN, CLUSTER_FAILED, ""},
    {CLUSTER_FAILED, CLUSTER_WINDOW, CLUSTER_FAILED, "ack(a,2)"},
    {CLUSTER_FAILED, CLUSTER_FIN, CLUSTER_FAILED, "ack(a,2) fin(a)"},
    {CLUSTER_FAILED, CLUSTER_COMMIT, CLUSTER_FAILED, "ack(a,1) fin(a)"},
    {CLUSTER_FAILED, CLUSTER_TIMER, CLUSTER_FAILED, ""},
};

#define N_TABLE (sizeof expected_table / sizeof *expected_table)

static void every_event_in_every_state_does_what_the_table_says(void **unused)
{
    int wrong = 0;

    (void)unused;
    for (size_t i = 0; i < N_TABLE; i++) {
        struct world w = world_in(expected_table[i].from);
        happens(&w, expected_table[i].event);
        const char *actions = trace(&w);
        if (state(&w) != expected_table[i].to || strcmp(actions, expected_table[i].actions) != 0) {
            print_error("%s, event %d: %s, \"%s\", expected %s, \"%s\"\n",
                        cluster_state_name[expected_table[i].from], expected_table[i].event,
                        cluster_state_name[state(&w)], actions,
                        cluster_state_name[expected_table[i].to], expected_table[i].actions);
            wrong++;
        }
        world_end(&w);
    }
    assert_int_equal(wrong, 0);
}

static void the_table_above_has_every_pair_once(void **unused)
{
    int seen[CLUSTER_STATE__COUNT][CLUSTER_EVENT__COUNT] = {0};

    (void)unused;
    for (size_t i = 0; i < N_TABLE; i++)
        seen[expected_table[i].from][expected_table[i].event]++;
    for (int from = 1; from < CLUSTER_STATE__COUNT; from++)
        for (int event = 1; event < CLUSTER_EVENT__COUNT; event++)
            assert_int_equal(seen[from][event], 1);
}

// --- Nodes ---

static void a_second_instance_of_a_live_name_is_refused(void **unused)
{
    struct world w = world(1);

    (void)unused;
    assert_int_equal(hello(&w, 0, 1, 0), 0);
    w.now += LEASE - 1;
    assert_int_equal(hello(&w, 0, 2, 1), -EEXIST);
    assert_ptr_equal(w.node[0]->session, &session[0][0]);
    assert_string_equal(trace(&w), "");
    world_end(&w);
}

static void a_silent_holder_of_a_name_gives_way_after_the_lease(void **unused)
{
    struct world w = world(1);

    (void)unused;
    hello(&w, 0, 1, 0);
    w.now += LEASE;
    assert_int_equal(hello(&w, 0, 2, 1), 0);
    assert_string_equal(trace(&w), "close(a,4)");
    assert_ptr_equal(w.node[0]->session, &session[0][1]);
    world_end(&w);
}

static void the_same_instance_takes_its_old_stream_over_and_keeps_its_epoch(void **unused)
{
    struct world w = world(1);

    (void)unused;
    hello(&w, 0, 1, 0);
    uint64_t epoch = w.node[0]->epoch;
    hello(&w, 0, 1, 1);
    assert_int_equal(w.node[0]->epoch, epoch);
    gone(&w, 0, 0); // the old stream's end comes later and means nothing
    assert_ptr_equal(w.node[0]->session, &session[0][1]);
    world_end(&w);
}

static void a_new_instance_has_a_new_epoch(void **unused)
{
    struct world w = world(1);

    (void)unused;
    hello(&w, 0, 1, 0);
    uint64_t epoch = w.node[0]->epoch;
    gone(&w, 0, 0);
    hello(&w, 0, 2, 1);
    assert_int_equal(w.node[0]->epoch, epoch + 1);
    world_end(&w);
}

static void a_node_silent_for_the_lease_is_disconnected(void **unused)
{
    struct world w = world(1);

    (void)unused;
    hello(&w, 0, 1, 0);
    assert_int_equal(cluster_due(w.c), w.now + LEASE);
    cluster_seen(w.c, w.now + S, w.node[0]);
    cluster_timer(w.c, w.now + LEASE);
    assert_string_equal(trace(&w), "");
    assert_int_equal(cluster_due(w.c), w.now + S + LEASE);
    cluster_timer(w.c, w.now + S + LEASE);
    assert_string_equal(trace(&w), "close(a,4)");
    assert_null(w.node[0]->session);
    assert_int_equal(cluster_due(w.c), INT64_MAX);
    world_end(&w);
}

static void nodes_that_are_away_make_place_at_the_limit(void **unused)
{
    struct world w = world(1);
    struct cluster_facts facts = {0};
    struct cluster_node *node, *last = NULL;
    uint8_t instance[16] = {9};
    char name[16];

    (void)unused;
    for (int i = 0; i < CLUSTER_NODES_MAX; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(cluster_hello(w.c, w.now, name, instance, 1, &facts, &session[0], &last),
                         0);
        trace(&w);
    }
    assert_int_equal(cluster_hello(w.c, w.now, "x", instance, 1, &facts, &session[0], &node),
                     -ENOSPC);
    cluster_gone(w.c, w.now, last, &session[0], "stream lost");
    assert_int_equal(cluster_hello(w.c, w.now, "x", instance, 1, &facts, &session[0], &node), 0);
    world_end(&w);
}

// --- The barrier ---

static void absent_or_zero_expected_workers_means_one(void **unused)
{
    struct world w = world(0);

    (void)unused;
    join(&w, 0);
    assert_int_equal(state(&w), CLUSTER_READY);
    assert_int_equal(cluster_run(w.c)->expected, 1);
    world_end(&w);
}

static void the_barrier_opens_with_the_expected_number_and_not_before(void **unused)
{
    struct world w = world(3);

    (void)unused;
    join(&w, 0);
    join(&w, 1);
    pass(&w, 3600 * S);
    assert_int_equal(state(&w), CLUSTER_CREATED);
    assert_int_equal(cluster_run(w.c)->counted, 2);
    join(&w, 2);
    assert_int_equal(state(&w), CLUSTER_READY);
    assert_int_equal(cluster_run(w.c)->t0_ns, w.now + LEAD);
    world_end(&w);
}

static void a_node_that_never_submits_delays_nobody_and_counts_for_nothing(void **unused)
{
    struct world w = world(2);

    (void)unused;
    hello(&w, 2, 1, 0);
    clocks(&w, 2, 9);
    join(&w, 0);
    assert_int_equal(state(&w), CLUSTER_CREATED);
    join(&w, 1);
    assert_int_equal(state(&w), CLUSTER_READY);
    world_end(&w);
}

static void a_member_counts_from_its_fifth_clock_sample_on(void **unused)
{
    struct world w = world(1);

    (void)unused;
    hello(&w, 0, 1, 0);
    submit(&w, 0);
    clocks(&w, 0, 4);
    assert_int_equal(state(&w), CLUSTER_CREATED);
    clocks(&w, 0, 5);
    assert_int_equal(state(&w), CLUSTER_READY);
    world_end(&w);
}

static void a_lost_stream_uncounts_at_once_and_the_barrier_waits(void **unused)
{
    struct world w = world(2);

    (void)unused;
    join(&w, 0);
    gone(&w, 0, 0);
    join(&w, 1);
    assert_int_equal(state(&w), CLUSTER_CREATED);
    assert_int_equal(cluster_run(w.c)->counted, 1);
    hello(&w, 0, 1, 1);
    assert_int_equal(state(&w), CLUSTER_CREATED);
    clocks(&w, 0, 5);
    assert_int_equal(state(&w), CLUSTER_READY);
    world_end(&w);
}

static void t0_waits_for_the_slowest_round_trip_within_bounds(void **unused)
{
    static const struct {
        int64_t rtt_ns, lead_ns;
    } cases[] = {{0, LEAD},
                 {500 * MS, LEAD},
                 {500 * MS + 1, LEAD + 4},
                 {INT64_MAX, CLUSTER_START_LEAD_MAX_NS}};

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w = world(1);
        hello(&w, 0, 1, 0);
        cluster_clock(w.c, w.now, w.node[0], 5, cases[i].rtt_ns, 1);
        submit(&w, 0);
        assert_int_equal(cluster_run(w.c)->t0_ns - w.now, cases[i].lead_ns);
        world_end(&w);
    }
}

static void the_operator_starts_with_who_is_here_but_not_with_nobody(void **unused)
{
    struct world w = world(3);
    char err[80];

    (void)unused;
    hello(&w, 0, 1, 0);
    submit(&w, 0);
    assert_int_equal(cluster_start(w.c, w.now, err, sizeof err), -EINVAL);
    assert_string_equal(err, "no worker is ready to start");
    clocks(&w, 0, 5);
    assert_int_equal(cluster_start(w.c, w.now, err, sizeof err), 0);
    assert_int_equal(state(&w), CLUSTER_READY);
    world_end(&w);
}

static void a_barrier_lowered_in_flight_is_passed(void **unused)
{
    struct world w = world(2);
    struct cluster_config lower = config(1);

    (void)unused;
    join(&w, 0);
    cluster_configure(w.c, w.now, &lower);
    assert_int_equal(state(&w), CLUSTER_READY);
    world_end(&w);
}

static void t0_is_never_withdrawn_and_at_t0_the_run_is_running(void **unused)
{
    struct world w = world(2);

    (void)unused;
    join(&w, 0);
    join(&w, 1);
    int64_t t0 = cluster_run(w.c)->t0_ns;
    gone(&w, 0, 0);
    gone(&w, 1, 0);
    cluster_timer(w.c, t0 - 1);
    assert_int_equal(state(&w), CLUSTER_READY);
    cluster_timer(w.c, t0);
    assert_int_equal(state(&w), CLUSTER_RUNNING);
    assert_int_equal(cluster_run(w.c)->t0_ns, t0);
    assert_int_equal(cluster_run(w.c)->min_members, 2);
    world_end(&w);
}

static void a_member_away_at_ready_may_come_back_and_start_in_phase(void **unused)
{
    struct world w = world(2);

    (void)unused;
    join(&w, 0);
    gone(&w, 0, 0);
    join(&w, 1);
    join(&w, 2);
    assert_int_equal(state(&w), CLUSTER_READY);
    pass(&w, LEAD);
    hello(&w, 0, 1, 1);
    assert_int_equal(member(&w, 0)->state, CLUSTER_ACTIVE);
    assert_false(member(&w, 0)->late);
    world_end(&w);
}

static void a_member_away_at_ready_that_never_returns_took_no_part(void **unused)
{
    struct world w = world(2);

    (void)unused;
    join(&w, 0);
    gone(&w, 0, 0);
    join(&w, 1);
    join(&w, 2);
    pass(&w, LEAD);
    finish(&w, 1, 1);
    finish(&w, 2, 1);
    assert_int_equal(state(&w), CLUSTER_RUNNING);
    pass(&w, GRACE);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    assert_int_equal(cluster_run(w.c)->n_members, 2);
    assert_int_equal(cluster_run(w.c)->min_members, 2);
    world_end(&w);
}

// --- The master's own worker ---

static void the_masters_own_worker_counts_like_any_other(void **unused)
{
    struct world w = world(2);

    (void)unused;
    join(&w, 7);
    assert_int_equal(state(&w), CLUSTER_CREATED);
    join(&w, 0);
    assert_int_equal(state(&w), CLUSTER_READY);
    world_end(&w);
}

static void a_master_that_is_no_worker_opens_the_run_and_watches(void **unused)
{
    struct cluster_config cfg = config(1);
    cfg.master_is_worker = false;
    struct world w = world_with(&cfg);

    (void)unused;
    join(&w, 7);
    assert_string_equal(trace(&w), "opened state(*) reply(m,yes,observer)");
    assert_int_equal(state(&w), CLUSTER_CREATED);
    join(&w, 0);
    assert_int_equal(state(&w), CLUSTER_READY);
    pass(&w, LEAD);
    assert_int_equal(cluster_n_active(cluster_run(w.c)), 1); // not the observer
    finish(&w, 0, 1);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    assert_int_equal(cluster_n_active(cluster_run(w.c)), 0);
    assert_int_equal(cluster_run(w.c)->min_members, 1);
    world_end(&w);
}

static void an_observer_must_not_send_windows(void **unused)
{
    struct cluster_config cfg = config(1);
    cfg.master_is_worker = false;
    struct world w = world_with(&cfg);

    (void)unused;
    join(&w, 7);
    join(&w, 0);
    pass(&w, LEAD);
    trace(&w);
    assert_int_equal(window(&w, 7, 1), CLUSTER_BREACH);
    assert_string_equal(trace(&w), "close(m,3)");
    world_end(&w);
}

static void an_observer_that_goes_does_not_degrade_the_run(void **unused)
{
    struct cluster_config cfg = config(1);
    cfg.master_is_worker = false;
    struct world w = world_with(&cfg);

    (void)unused;
    join(&w, 7);
    join(&w, 0);
    pass(&w, LEAD);
    gone(&w, 7, 0);
    assert_int_equal(member(&w, 7)->state, CLUSTER_ACTIVE);
    finish(&w, 0, 1);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    world_end(&w);
}

// --- Submissions ---

static const char *refusal(struct world *w)
{
    static char text[400];
    const struct cluster_action *a;

    text[0] = '\0';
    while ((a = cluster_next_action(w->c)) != NULL)
        if (a->kind == CLUSTER_SEND_REPLY && !a->accepted)
            snprintf(text, sizeof text, "%s", a->text);
    return text;
}

static void a_submission_sent_again_is_the_same_member(void **unused)
{
    struct world w = world(2);

    (void)unused;
    join(&w, 0);
    submit(&w, 0);
    assert_string_equal(trace(&w), "opened state(*) reply(a,yes) reply(a,yes) state(a)");
    assert_int_equal(cluster_run(w.c)->n_members, 1);
    world_end(&w);
}

static void another_plan_is_refused_naming_the_run_in_the_way(void **unused)
{
    struct world w = world(2);

    (void)unused;
    join(&w, 0);
    hello(&w, 1, 1, 0);
    trace(&w);
    submit_as(&w, 1, "sb", plan_y, "");
    assert_string_equal(refusal(&w), "run run1 (plan) is Created with another plan");
    world_end(&w);
}

static void a_node_is_a_member_once(void **unused)
{
    struct world w = world(2);

    (void)unused;
    join(&w, 0);
    trace(&w);
    submit_as(&w, 0, "other", plan_x, "");
    assert_string_equal(refusal(&w), "a is already a member of run run1");
    world_end(&w);
}

static void a_submission_of_another_node_cannot_be_taken(void **unused)
{
    struct world w = world(3);

    (void)unused;
    join(&w, 0);
    hello(&w, 1, 1, 0);
    cluster_cancel(w.c, w.now, w.node[1], "sa", false);
    assert_int_equal(cluster_run(w.c)->n_members, 1);
    world_end(&w);
}

static void one_withdrawal_leaves_the_others_waiting(void **unused)
{
    struct world w = world(3);

    (void)unused;
    join(&w, 0);
    join(&w, 1);
    cluster_cancel(w.c, w.now, w.node[0], "sa", false);
    assert_int_equal(state(&w), CLUSTER_CREATED);
    assert_int_equal(cluster_run(w.c)->counted, 1);
    cluster_cancel(w.c, w.now, w.node[1], "sb", false);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    assert_int_equal(cluster_global_state(w.c), CLUSTER_CREATED);
    assert_int_equal(cluster_run(w.c)->t0_ns, 0);
    world_end(&w);
}

static void a_waiting_member_that_stays_away_is_forgotten_and_may_join_anew(void **unused)
{
    struct world w = world(3);

    (void)unused;
    join(&w, 0);
    join(&w, 1);
    gone(&w, 0, 0);
    pass(&w, GRACE - 1);
    assert_int_equal(cluster_run(w.c)->n_members, 2);
    pass(&w, 1);
    assert_int_equal(cluster_run(w.c)->n_members, 1);
    hello(&w, 0, 1, 1);
    submit_as(&w, 0, "sa", plan_x, "run1");
    assert_int_equal(cluster_run(w.c)->n_members, 2);
    world_end(&w);
}

static void a_restarted_waiting_worker_may_submit_again(void **unused)
{
    struct world w = world(3);

    (void)unused;
    join(&w, 0);
    join(&w, 1);
    gone(&w, 0, 0);
    hello(&w, 0, 2, 1);
    assert_int_equal(cluster_run(w.c)->n_members, 1);
    submit(&w, 0);
    assert_int_equal(cluster_run(w.c)->n_members, 2);
    world_end(&w);
}

static void after_a_restart_of_the_master_waiting_workers_open_the_run_anew(void **unused)
{
    struct world w = world(2);

    (void)unused;
    hello(&w, 0, 1, 0);
    submit_as(&w, 0, "sa", plan_x, "run-of-before");
    assert_int_equal(state(&w), CLUSTER_CREATED);
    world_end(&w);
}

static void new_runs_are_refused_while_the_store_fails(void **unused)
{
    struct world w = world(1);

    (void)unused;
    hello(&w, 0, 1, 0);
    cluster_refuse_runs(w.c, "the disk is full");
    trace(&w);
    submit(&w, 0);
    assert_string_equal(refusal(&w), "the disk is full");
    assert_null(cluster_run(w.c));
    cluster_refuse_runs(w.c, NULL);
    submit(&w, 0);
    assert_non_null(cluster_run(w.c));
    world_end(&w);
}

static void a_worker_that_missed_the_end_hears_it(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);

    (void)unused;
    finish(&w, 0, 1);
    gone(&w, 0, 0);
    trace(&w);
    hello(&w, 0, 1, 1);
    assert_string_equal(trace(&w), "state(a) result(a)");
    submit_as(&w, 0, "sa", plan_x, "run1");
    assert_string_equal(trace(&w), "reply(a,yes) state(a) result(a)");
    world_end(&w);
}

static void a_run_that_is_over_is_not_opened_again(void **unused)
{
    struct world w = world_in(CLUSTER_STOPPED);

    (void)unused;
    submit_as(&w, 1, "sb", plan_x, "run1");
    assert_string_equal(refusal(&w), "the run is over");
    world_end(&w);
}

static void the_same_plan_on_a_late_worker_joins(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);

    (void)unused;
    submit(&w, 1);
    assert_true(member(&w, 1)->late);
    assert_int_equal(member(&w, 1)->state, CLUSTER_ACTIVE);
    finish(&w, 0, 1);
    assert_int_equal(state(&w), CLUSTER_RUNNING);
    finish(&w, 1, 1);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    world_end(&w);
}

static void nobody_joins_a_run_that_is_being_cancelled(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);

    (void)unused;
    cluster_cancel(w.c, w.now, w.node[0], "sa", false);
    trace(&w);
    submit(&w, 1);
    assert_string_equal(refusal(&w), "run run1 is being cancelled");
    world_end(&w);
}

// --- Windows ---

static void windows_are_taken_in_order_and_once(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);

    (void)unused;
    assert_int_equal(window(&w, 0, 1), CLUSTER_TAKE);
    assert_int_equal(window(&w, 0, 2), CLUSTER_TAKE);
    assert_int_equal(window(&w, 0, 2), CLUSTER_DUPLICATE);
    assert_string_equal(trace(&w), ""); // not committed, so not acknowledged
    commit(&w, 0, 1, false, NULL);
    commit(&w, 0, 2, false, NULL);
    assert_string_equal(trace(&w), "ack(a,1) ack(a,2)");
    assert_int_equal(window(&w, 0, 1), CLUSTER_DUPLICATE);
    assert_string_equal(trace(&w), "ack(a,2)");
    world_end(&w);
}

static void a_gap_in_the_sequence_ends_the_stream(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);

    (void)unused;
    assert_int_equal(window(&w, 0, 1), CLUSTER_TAKE);
    assert_int_equal(window(&w, 0, 3), CLUSTER_BREACH);
    assert_string_equal(trace(&w), "close(a,3) state(*)");
    hello(&w, 0, 1, 1);
    assert_int_equal(window(&w, 0, 2), CLUSTER_TAKE);
    world_end(&w);
}

static void windows_on_their_way_at_a_takeover_are_duplicates_afterwards(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);

    (void)unused;
    window(&w, 0, 1);
    hello(&w, 0, 1, 1);
    trace(&w);
    assert_int_equal(window(&w, 0, 1), CLUSTER_DUPLICATE);
    commit(&w, 0, 1, false, NULL);
    assert_string_equal(trace(&w), "ack(a,1)");
    world_end(&w);
}

static void nothing_follows_a_fin(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);

    (void)unused;
    assert_int_equal(fin(&w, 0, 1), CLUSTER_TAKE);
    assert_int_equal(fin(&w, 0, 1), CLUSTER_DUPLICATE);
    assert_int_equal(window(&w, 0, 2), CLUSTER_BREACH);
    world_end(&w);
}

static void windows_of_a_closed_run_are_late(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);

    (void)unused;
    submit(&w, 1);
    gone(&w, 1, 0);
    finish(&w, 0, 1);
    pass(&w, GRACE);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    hello(&w, 1, 1, 1);
    trace(&w);
    assert_int_equal(window(&w, 1, 1), CLUSTER_CLOSED);
    assert_string_equal(trace(&w), "ack(b,1) fin(b,closed)");
    assert_int_equal(fin(&w, 1, 2), CLUSTER_CLOSED);
    world_end(&w);
}

static void windows_of_another_run_are_late_and_harm_nobody(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);
    struct cluster_member *m;

    (void)unused;
    assert_int_equal(cluster_window(w.c, w.now, w.node[0], "run0", 7, &m), CLUSTER_CLOSED);
    assert_int_equal(window(&w, 0, 1), CLUSTER_TAKE);
    world_end(&w);
}

static void a_node_that_is_no_member_must_not_send_windows(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);

    (void)unused;
    assert_int_equal(window(&w, 1, 1), CLUSTER_BREACH);
    world_end(&w);
}

static void a_commit_of_a_stream_that_is_gone_is_not_answered(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);

    (void)unused;
    window(&w, 0, 1);
    gone(&w, 0, 0);
    trace(&w);
    commit(&w, 0, 1, false, NULL);
    assert_string_equal(trace(&w), "");
    assert_int_equal(member(&w, 0)->committed_seq, 1);
    world_end(&w);
}

// --- Losses and the end ---

static void a_lost_worker_is_waited_for_and_then_the_run_ends(void **unused)
{
    struct world w = world(2);

    (void)unused;
    join(&w, 0);
    join(&w, 1);
    pass(&w, LEAD);
    gone(&w, 1, 0);
    assert_string_equal(member(&w, 1)->reason, "stream lost");
    finish(&w, 0, 1);
    pass(&w, GRACE - 1);
    assert_int_equal(state(&w), CLUSTER_RUNNING);
    assert_int_equal(cluster_due(w.c), w.now + 1);
    pass(&w, 1);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    assert_int_equal(member(&w, 1)->state, CLUSTER_LOST);
    world_end(&w);
}

static void a_worker_back_within_the_grace_goes_on(void **unused)
{
    struct world w = world(2);

    (void)unused;
    join(&w, 0);
    join(&w, 1);
    pass(&w, LEAD);
    gone(&w, 1, 0);
    finish(&w, 0, 1);
    pass(&w, GRACE - 1);
    hello(&w, 1, 1, 1);
    assert_int_equal(member(&w, 1)->state, CLUSTER_ACTIVE);
    assert_null(member(&w, 1)->reason);
    pass(&w, GRACE);
    assert_int_equal(state(&w), CLUSTER_RUNNING);
    finish(&w, 1, 1);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    world_end(&w);
}

static void a_new_instance_ends_the_wait_for_the_old_one(void **unused)
{
    struct world w = world(2);

    (void)unused;
    join(&w, 0);
    join(&w, 1);
    pass(&w, LEAD);
    gone(&w, 1, 0);
    finish(&w, 0, 1);
    hello(&w, 1, 2, 1);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    assert_null(member(&w, 1));
    assert_string_equal(cluster_run(w.c)->members[1]->reason, "the worker was restarted");
    world_end(&w);
}

static void a_restarted_worker_may_join_again_as_a_late_one(void **unused)
{
    struct world w = world(2);

    (void)unused;
    join(&w, 0);
    join(&w, 1);
    pass(&w, LEAD);
    gone(&w, 1, 0);
    hello(&w, 1, 2, 1);
    submit(&w, 1);
    assert_int_equal(cluster_run(w.c)->n_members, 3);
    assert_true(member(&w, 1)->late);
    assert_int_equal(window(&w, 1, 1), CLUSTER_TAKE);
    world_end(&w);
}

static void a_runner_that_died_is_lost_for_good_at_once(void **unused)
{
    struct world w = world(2);

    (void)unused;
    join(&w, 0);
    join(&w, 1);
    pass(&w, LEAD);
    fin(&w, 1, 1);
    commit(&w, 1, 1, true, "runner killed by signal 9");
    assert_int_equal(member(&w, 1)->state, CLUSTER_LOST);
    assert_string_equal(member(&w, 1)->reason, "runner killed by signal 9");
    finish(&w, 0, 1);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    world_end(&w);
}

static void a_run_without_any_member_done_has_failed(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);

    (void)unused;
    gone(&w, 0, 0);
    pass(&w, GRACE);
    assert_int_equal(state(&w), CLUSTER_FAILED);
    world_end(&w);
}

static void a_loss_after_the_fin_is_none(void **unused)
{
    struct world w = world(2);

    (void)unused;
    join(&w, 0);
    join(&w, 1);
    pass(&w, LEAD);
    finish(&w, 0, 1);
    gone(&w, 0, 0);
    hello(&w, 0, 2, 1);
    assert_int_equal(cluster_run(w.c)->members[0]->state, CLUSTER_DONE);
    finish(&w, 1, 1);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    world_end(&w);
}

static void a_fin_committed_while_its_stream_is_lost_counts(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);

    (void)unused;
    fin(&w, 0, 1);
    gone(&w, 0, 0);
    commit(&w, 0, 1, true, NULL);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    assert_null(member(&w, 0)->reason);
    world_end(&w);
}

// --- Cancel ---

static void a_cancel_reaches_everyone_and_force_outdoes_it(void **unused)
{
    struct world w = world(2);

    (void)unused;
    join(&w, 0);
    join(&w, 1);
    pass(&w, LEAD);
    trace(&w);
    cluster_cancel(w.c, w.now, w.node[1], "sb", false);
    assert_int_equal(cluster_run(w.c)->stop, CLUSTER_DRAIN);
    assert_string_equal(trace(&w), "state(*)");
    cluster_cancel(w.c, w.now, w.node[0], "sa", true);
    assert_int_equal(cluster_run(w.c)->stop, CLUSTER_ABORT);
    assert_string_equal(trace(&w), "state(*)");
    cluster_cancel(w.c, w.now, w.node[0], "sa", false);
    assert_int_equal(cluster_run(w.c)->stop, CLUSTER_ABORT);
    assert_string_equal(trace(&w), "");
    finish(&w, 0, 1);
    finish(&w, 1, 1);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    world_end(&w);
}

static void a_run_cancelled_before_t0_still_passes_through_running(void **unused)
{
    struct world w = world_in(CLUSTER_READY);

    (void)unused;
    cluster_cancel(w.c, w.now, w.node[0], "sa", false);
    finish(&w, 0, 1);
    assert_int_equal(state(&w), CLUSTER_READY);
    pass(&w, LEAD);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    world_end(&w);
}

static void a_worker_that_does_not_stop_cannot_hold_a_cancelled_run(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);

    (void)unused;
    cluster_cancel(w.c, w.now, w.node[0], "sa", false);
    pass(&w, DRAIN + GRACE - 1);
    assert_int_equal(state(&w), CLUSTER_RUNNING);
    pass(&w, 1);
    assert_int_equal(state(&w), CLUSTER_FAILED);
    assert_string_equal(member(&w, 0)->reason, "did not stop when cancelled");
    world_end(&w);
}

static void an_instance_of_the_run_that_is_unknown_cannot_cancel(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);

    (void)unused;
    cluster_cancel(w.c, w.now, w.node[1], "sa", true);
    cluster_cancel(w.c, w.now, w.node[1], "nothing", true);
    assert_int_equal(cluster_run(w.c)->stop, CLUSTER_GO);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_above_has_every_pair_once),
        cmocka_unit_test(every_event_in_every_state_does_what_the_table_says),
        cmocka_unit_test(a_second_instance_of_a_live_name_is_refused),
        cmocka_unit_test(a_silent_holder_of_a_name_gives_way_after_the_lease),
        cmocka_unit_test(the_same_instance_takes_its_old_stream_over_and_keeps_its_epoch),
        cmocka_unit_test(a_new_instance_has_a_new_epoch),
        cmocka_unit_test(a_node_silent_for_the_lease_is_disconnected),
        cmocka_unit_test(nodes_that_are_away_make_place_at_the_limit),
        cmocka_unit_test(absent_or_zero_expected_workers_means_one),
        cmocka_unit_test(the_barrier_opens_with_the_expected_number_and_not_before),
        cmocka_unit_test(a_node_that_never_submits_delays_nobody_and_counts_for_nothing),
        cmocka_unit_test(a_member_counts_from_its_fifth_clock_sample_on),
        cmocka_unit_test(a_lost_stream_uncounts_at_once_and_the_barrier_waits),
        cmocka_unit_test(t0_waits_for_the_slowest_round_trip_within_bounds),
        cmocka_unit_test(the_operator_starts_with_who_is_here_but_not_with_nobody),
        cmocka_unit_test(a_barrier_lowered_in_flight_is_passed),
        cmocka_unit_test(t0_is_never_withdrawn_and_at_t0_the_run_is_running),
        cmocka_unit_test(a_member_away_at_ready_may_come_back_and_start_in_phase),
        cmocka_unit_test(a_member_away_at_ready_that_never_returns_took_no_part),
        cmocka_unit_test(the_masters_own_worker_counts_like_any_other),
        cmocka_unit_test(a_master_that_is_no_worker_opens_the_run_and_watches),
        cmocka_unit_test(an_observer_must_not_send_windows),
        cmocka_unit_test(an_observer_that_goes_does_not_degrade_the_run),
        cmocka_unit_test(a_submission_sent_again_is_the_same_member),
        cmocka_unit_test(another_plan_is_refused_naming_the_run_in_the_way),
        cmocka_unit_test(a_node_is_a_member_once),
        cmocka_unit_test(a_submission_of_another_node_cannot_be_taken),
        cmocka_unit_test(one_withdrawal_leaves_the_others_waiting),
        cmocka_unit_test(a_waiting_member_that_stays_away_is_forgotten_and_may_join_anew),
        cmocka_unit_test(a_restarted_waiting_worker_may_submit_again),
        cmocka_unit_test(after_a_restart_of_the_master_waiting_workers_open_the_run_anew),
        cmocka_unit_test(new_runs_are_refused_while_the_store_fails),
        cmocka_unit_test(a_worker_that_missed_the_end_hears_it),
        cmocka_unit_test(a_run_that_is_over_is_not_opened_again),
        cmocka_unit_test(the_same_plan_on_a_late_worker_joins),
        cmocka_unit_test(nobody_joins_a_run_that_is_being_cancelled),
        cmocka_unit_test(windows_are_taken_in_order_and_once),
        cmocka_unit_test(a_gap_in_the_sequence_ends_the_stream),
        cmocka_unit_test(windows_on_their_way_at_a_takeover_are_duplicates_afterwards),
        cmocka_unit_test(nothing_follows_a_fin),
        cmocka_unit_test(windows_of_a_closed_run_are_late),
        cmocka_unit_test(windows_of_another_run_are_late_and_harm_nobody),
        cmocka_unit_test(a_node_that_is_no_member_must_not_send_windows),
        cmocka_unit_test(a_commit_of_a_stream_that_is_gone_is_not_answered),
        cmocka_unit_test(a_lost_worker_is_waited_for_and_then_the_run_ends),
        cmocka_unit_test(a_worker_back_within_the_grace_goes_on),
        cmocka_unit_test(a_new_instance_ends_the_wait_for_the_old_one),
        cmocka_unit_test(a_restarted_worker_may_join_again_as_a_late_one),
        cmocka_unit_test(a_runner_that_died_is_lost_for_good_at_once),
        cmocka_unit_test(a_run_without_any_member_done_has_failed),
        cmocka_unit_test(a_loss_after_the_fin_is_none),
        cmocka_unit_test(a_fin_committed_while_its_stream_is_lost_counts),
        cmocka_unit_test(a_cancel_reaches_everyone_and_force_outdoes_it),
        cmocka_unit_test(a_run_cancelled_before_t0_still_passes_through_running),
        cmocka_unit_test(a_worker_that_does_not_stop_cannot_hold_a_cancelled_run),
        cmocka_unit_test(an_instance_of_the_run_that_is_unknown_cannot_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
