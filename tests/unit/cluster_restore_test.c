// A run that is taken up again after a restart of the master, and what must be stored before it is
// told.
#include "master/daemon/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/cluster_test_world.h"

#define EXTRA (2 * S)

static struct cluster_saved_member saved_member(uint32_t source)
{
    static const char *const nodes[] = {"a", "b", "c"}, *const ids[] = {"sa", "sb", "sc"};

    return (struct cluster_saved_member){.node = nodes[source],
                                         .submission = ids[source],
                                         .instance = {1, (uint8_t)source},
                                         .node_epoch = 4,
                                         .epoch = 4,
                                         .source = source,
                                         .part = source + 1,
                                         .counted = true,
                                         .last_seq = 5};
}

// Of t0_ns, by members 0 to n - 1.
static struct world restored(enum cluster_state state, int64_t t0_ns, enum cluster_stop stop,
                             const struct cluster_saved_member *members, size_t n)
{
    struct world w = world(2);
    struct cluster_saved saved = {.id = "run1",
                                  .plan_name = "plan",
                                  .digest = plan_x,
                                  .state = state,
                                  .stop = stop,
                                  .expected = 2,
                                  .seed = 7,
                                  .t0_ns = t0_ns,
                                  .members = members,
                                  .n_members = n};

    cluster_restore(w.c, w.now, &saved, EXTRA);
    w.n_runs = 1;
    pass(&w, 0);
    return w;
}

static struct world restored_two(enum cluster_state state, int64_t t0_ns)
{
    struct cluster_saved_member members[] = {saved_member(0), saved_member(1)};

    return restored(state, t0_ns, CLUSTER_GO, members, 2);
}

static void workers_come_back_with_what_was_committed(void **unused)
{
    struct world w = restored_two(CLUSTER_RUNNING, 900 * S);

    (void)unused;
    assert_int_equal(cluster_run(w.c)->seed, 7);
    assert_int_equal(cluster_run(w.c)->n_parts, 2);
    assert_int_equal(cluster_run(w.c)->min_members, 2);
    assert_int_equal(cluster_global_state(w.c), CLUSTER_RUNNING);
    trace(&w);
    hello(&w, 0, 1, 0);
    assert_string_equal(trace(&w), "state(*)");
    assert_int_equal(member(&w, 0)->state, CLUSTER_ACTIVE);
    assert_int_equal(member(&w, 0)->committed_seq, 5);
    assert_int_equal(w.node[0]->epoch, 4);
    assert_int_equal(window(&w, 0, 5), CLUSTER_DUPLICATE);
    assert_int_equal(window(&w, 0, 6), CLUSTER_TAKE);
    world_end(&w);
}

static void a_submission_sent_again_is_known(void **unused)
{
    struct world w = restored_two(CLUSTER_RUNNING, 900 * S);

    (void)unused;
    hello(&w, 0, 1, 0);
    trace(&w);
    submit(&w, 0);
    assert_string_equal(trace(&w), "reply(a,yes) state(a)");
    world_end(&w);
}

static void the_run_waits_for_workers_and_then_ends_without_them(void **unused)
{
    struct world w = restored_two(CLUSTER_RUNNING, 900 * S);

    (void)unused;
    hello(&w, 0, 1, 0);
    finish(&w, 0, 6);
    pass(&w, EXTRA + GRACE - 1);
    assert_int_equal(state(&w), CLUSTER_RUNNING);
    pass(&w, 1);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    world_end(&w);
}

static void a_run_is_started_by_a_t0_that_came_meanwhile(void **unused)
{
    struct world w = restored_two(CLUSTER_READY, 999 * S);

    (void)unused;
    assert_int_equal(state(&w), CLUSTER_RUNNING);
    assert_int_equal(cluster_run(w.c)->min_members, 2);
    hello(&w, 1, 1, 0);
    assert_int_equal(member(&w, 1)->state, CLUSTER_ACTIVE);
    world_end(&w);
}

static void a_t0_to_come_stands(void **unused)
{
    struct world w = restored_two(CLUSTER_READY, 1001 * S);

    (void)unused;
    hello(&w, 0, 1, 0);
    assert_int_equal(member(&w, 0)->state, CLUSTER_WAITING);
    assert_int_equal(cluster_due(w.c), 1001 * S);
    pass(&w, 1 * S);
    assert_int_equal(state(&w), CLUSTER_RUNNING);
    assert_int_equal(member(&w, 0)->state, CLUSTER_ACTIVE);
    world_end(&w);
}

static void a_run_of_which_all_is_committed_ends_at_once(void **unused)
{
    struct cluster_saved_member members[] = {saved_member(0), saved_member(1)};

    (void)unused;
    members[0].has_fin = members[1].has_fin = true;
    members[1].failure = "runner killed by signal 9";
    struct world w = restored(CLUSTER_RUNNING, 900 * S, CLUSTER_GO, members, 2);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    assert_string_equal(trace(&w), "state(*) ended");
    assert_int_equal(cluster_run(w.c)->members[0]->state, CLUSTER_DONE);
    assert_string_equal(cluster_run(w.c)->members[1]->reason, "runner killed by signal 9");
    world_end(&w);
}

static void a_worker_that_was_restarted_meanwhile_is_lost_for_good(void **unused)
{
    struct world w = restored_two(CLUSTER_RUNNING, 900 * S);

    (void)unused;
    hello(&w, 0, 1, 0);
    hello(&w, 1, 9, 0);
    assert_true(cluster_run(w.c)->members[1]->gone);
    finish(&w, 0, 6);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    world_end(&w);
}

static void an_instance_that_was_replaced_before_stays_lost(void **unused)
{
    struct cluster_saved_member members[] = {saved_member(0), saved_member(1)};

    (void)unused;
    members[1].node_epoch = 5;
    struct world w = restored(CLUSTER_RUNNING, 900 * S, CLUSTER_GO, members, 2);
    assert_true(cluster_run(w.c)->members[1]->gone);
    world_end(&w);
}

static void a_cancel_holds_on(void **unused)
{
    struct cluster_saved_member members[] = {saved_member(0), saved_member(1)};
    struct world w = restored(CLUSTER_RUNNING, 900 * S, CLUSTER_DRAIN, members, 2);

    (void)unused;
    hello(&w, 0, 1, 0);
    assert_int_equal(cluster_run(w.c)->stop, CLUSTER_DRAIN);
    pass(&w, EXTRA + GRACE + DRAIN);
    assert_int_equal(state(&w), CLUSTER_FAILED);
    assert_string_equal(cluster_run(w.c)->members[0]->reason, "did not stop when cancelled");
    world_end(&w);
}

static void a_watcher_is_waited_for_by_nobody(void **unused)
{
    struct cluster_saved_member members[] = {saved_member(0), saved_member(1)};

    (void)unused;
    members[0].has_fin = true;
    members[1].observer = true;
    members[1].counted = false;
    struct world w = restored(CLUSTER_RUNNING, 900 * S, CLUSTER_GO, members, 2);
    assert_int_equal(state(&w), CLUSTER_STOPPED);
    world_end(&w);
}

static void who_joins_after_a_restart_gets_a_number_of_its_own(void **unused)
{
    struct world w = restored_two(CLUSTER_RUNNING, 900 * S);

    (void)unused;
    hello(&w, 2, 1, 0);
    submit(&w, 2);
    assert_int_equal(member(&w, 2)->source, 2);
    assert_int_equal(member(&w, 2)->part, 0);
    world_end(&w);
}

static void a_run_that_was_over_tells_its_end(void **unused)
{
    struct cluster_saved_member members[] = {saved_member(0), saved_member(1)};

    (void)unused;
    members[0].has_fin = members[1].has_fin = true;
    struct world w = restored(CLUSTER_STOPPED, 900 * S, CLUSTER_GO, members, 2);
    assert_int_equal(cluster_global_state(w.c), CLUSTER_CREATED);
    assert_string_equal(trace(&w), "");
    hello(&w, 0, 1, 0);
    assert_string_equal(trace(&w), "state(a) result(a)");
    assert_int_equal(fin(&w, 0, 5), CLUSTER_DUPLICATE);
    assert_string_equal(trace(&w), "ack(a,5) fin(a)");
    world_end(&w);
}

static void a_run_that_cannot_go_on_is_failed_and_says_why(void **unused)
{
    struct world w = restored_two(CLUSTER_RUNNING, 900 * S);

    (void)unused;
    trace(&w);
    cluster_fail(w.c, w.now, "booted again");
    assert_int_equal(state(&w), CLUSTER_FAILED);
    assert_string_equal(trace(&w), "state(*) ended");
    hello(&w, 0, 1, 0);
    assert_string_equal(trace(&w), "state(a) result(a)");
    assert_string_equal(member(&w, 0)->reason, "booted again");
    world_end(&w);
}

static void who_joins_is_told_once_it_is_stored(void **unused)
{
    struct world w = world_in(CLUSTER_RUNNING);

    (void)unused;
    submit(&w, 1);
    assert_string_equal(trace(&w), "state(*) joined(b)");
    submit(&w, 1);
    assert_string_equal(trace(&w), "");
    cluster_member_stored(w.c, w.now, "another", member(&w, 1)->source);
    assert_string_equal(trace(&w), "");
    cluster_member_stored(w.c, w.now, "run1", member(&w, 1)->source);
    assert_string_equal(trace(&w), "reply(b,yes,late)");
    cluster_member_stored(w.c, w.now, "run1", member(&w, 1)->source);
    assert_string_equal(trace(&w), "");
    submit(&w, 1);
    assert_string_equal(trace(&w), "reply(b,yes,late) state(b)");
    world_end(&w);
}

static void who_was_there_before_is_told_while_the_run_is_being_stored(void **unused)
{
    struct world w = world_in(CLUSTER_READY);

    (void)unused;
    assert_false(cluster_run(w.c)->stored);
    submit(&w, 0);
    assert_string_equal(trace(&w), "reply(a,yes) state(a)");
    cluster_run_stored(w.c, w.now, "run1");
    assert_true(cluster_run(w.c)->stored);
    assert_string_equal(trace(&w), "state(*)");
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_come_back_with_what_was_committed),
        cmocka_unit_test(a_submission_sent_again_is_known),
        cmocka_unit_test(the_run_waits_for_workers_and_then_ends_without_them),
        cmocka_unit_test(a_run_is_started_by_a_t0_that_came_meanwhile),
        cmocka_unit_test(a_t0_to_come_stands),
        cmocka_unit_test(a_run_of_which_all_is_committed_ends_at_once),
        cmocka_unit_test(a_worker_that_was_restarted_meanwhile_is_lost_for_good),
        cmocka_unit_test(an_instance_that_was_replaced_before_stays_lost),
        cmocka_unit_test(a_cancel_holds_on),
        cmocka_unit_test(a_watcher_is_waited_for_by_nobody),
        cmocka_unit_test(who_joins_after_a_restart_gets_a_number_of_its_own),
        cmocka_unit_test(a_run_that_was_over_tells_its_end),
        cmocka_unit_test(a_run_that_cannot_go_on_is_failed_and_says_why),
        cmocka_unit_test(who_joins_is_told_once_it_is_stored),
        cmocka_unit_test(who_was_there_before_is_told_while_the_run_is_being_stored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
