// A run from its first window to its end.
#include "master/daemon/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/cluster_test_world.h"

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

static void what_was_acknowledged_as_late_is_not_asked_for_again(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);

    (void)unused;
    submit(&w, 1);
    assert_int_equal(window(&w, 1, 1), CLUSTER_TAKE);
    gone(&w, 1, 0);
    finish(&w, 0, 1);
    pass(&w, GRACE);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    hello(&w, 1, 1, 1);
    assert_int_equal(window(&w, 1, 1), CLUSTER_DUPLICATE);
    assert_int_equal(window(&w, 1, 2), CLUSTER_CLOSED);
    commit(&w, 1, 1, false, NULL);
    assert_int_equal(member(&w, 1)->committed_seq, 2);
    assert_int_equal(window(&w, 1, 2), CLUSTER_DUPLICATE);
    assert_int_equal(fin(&w, 1, 3), CLUSTER_CLOSED);
    assert_int_equal(member(&w, 1)->committed_seq, 3);
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
        cmocka_unit_test(windows_are_taken_in_order_and_once),
        cmocka_unit_test(a_gap_in_the_sequence_ends_the_stream),
        cmocka_unit_test(windows_on_their_way_at_a_takeover_are_duplicates_afterwards),
        cmocka_unit_test(nothing_follows_a_fin),
        cmocka_unit_test(windows_of_a_closed_run_are_late),
        cmocka_unit_test(what_was_acknowledged_as_late_is_not_asked_for_again),
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
