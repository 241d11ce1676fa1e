// Nodes, and how a run comes to start.
#include "master/daemon/cluster.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/cluster_test_world.h"

// --- Nodes ---

static void a_second_instance_of_a_live_name_is_refused(void **unused)
{
    struct world w = world(1);

    (void)unused;
    assert_int_equal(hello(&w, 0, 1, 0), 0);
    w.now += LEASE - 1;
    assert_int_equal(hello(&w, 0, 2, 1), -EEXIST);
    assert_ptr_equal(w.node[0]->session, session(0, 0));
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
    assert_ptr_equal(w.node[0]->session, session(0, 1));
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
    assert_ptr_equal(w.node[0]->session, session(0, 1));
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
        assert_int_equal(cluster_hello(w.c, w.now, name, instance, 1, &facts, session(0, 0), &last),
                         0);
        trace(&w);
    }
    assert_int_equal(cluster_hello(w.c, w.now, "x", instance, 1, &facts, session(0, 0), &node),
                     -ENOSPC);
    cluster_gone(w.c, w.now, last, session(0, 0), "stream lost");
    assert_int_equal(cluster_hello(w.c, w.now, "x", instance, 1, &facts, session(0, 0), &node), 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
