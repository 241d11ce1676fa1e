// Who becomes a member of which run.
#include "master/daemon/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/cluster_test_world.h"

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

static void submit_seeded(struct world *w, int i, bool has_seed, uint64_t seed, bool has_unique)
{
    const char *id = (const char *[]){"sa", "sb", "sc"}[i];
    struct cluster_submission s = {.id = id,
                                   .digest = plan_x,
                                   .plan_name = "plan",
                                   .run = "",
                                   .new_run = "run1",
                                   .has_seed = has_seed,
                                   .seed = seed,
                                   .has_unique = has_unique};

    cluster_submit(w->c, w->now, w->node[i], &s);
}

static void the_first_submission_decides_the_seed(void **unused)
{
    struct world w = world(3);

    (void)unused;
    for (int i = 0; i < 3; i++)
        hello(&w, i, 1, 0);
    submit_seeded(&w, 0, false, 7, false); // the caller's choice
    trace(&w);
    submit_seeded(&w, 1, true, 8, false);
    assert_string_equal(refusal(&w), "run run1 has the seed 7, not 8");
    submit_seeded(&w, 1, true, 7, false);
    submit_seeded(&w, 2, false, 9, false);
    assert_int_equal(cluster_run(w.c)->n_members, 3);
    assert_int_equal(cluster_run(w.c)->seed, 7);
    world_end(&w);
}

static void parts_are_fixed_at_ready_in_the_order_of_names(void **unused)
{
    struct world w = world(2);

    (void)unused;
    hello(&w, 1, 1, 0); // its clock is not known yet: it is there and does not count
    submit(&w, 1);
    join(&w, 2);
    assert_int_equal(cluster_run(w.c)->n_parts, 0);
    join(&w, 0);
    assert_int_equal(state(&w), CLUSTER_READY);
    assert_int_equal(cluster_run(w.c)->n_parts, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(member(&w, i)->part, i + 1);
    join(&w, 3);
    assert_int_equal(member(&w, 3)->part, 0);
    assert_int_equal(cluster_run(w.c)->n_parts, 3);
    world_end(&w);
}

static void who_only_watches_has_no_part(void **unused)
{
    struct cluster_config cfg = config(1);
    cfg.master_is_worker = false;
    struct world w = world_with(&cfg);

    (void)unused;
    join(&w, 7); // the master's own
    join(&w, 0);
    assert_int_equal(state(&w), CLUSTER_READY);
    assert_int_equal(cluster_run(w.c)->n_parts, 1);
    assert_int_equal(member(&w, 0)->part, 1);
    assert_int_equal(member(&w, 7)->part, 0);
    world_end(&w);
}

static void nobody_joins_late_where_values_are_unique(void **unused)
{
    struct world w = world(1);

    (void)unused;
    for (int i = 0; i < 3; i++) {
        hello(&w, i, 1, 0);
        clocks(&w, i, 5);
    }
    submit_seeded(&w, 0, false, 7, true);
    assert_int_equal(state(&w), CLUSTER_READY);
    trace(&w);
    submit_seeded(&w, 1, false, 7, true);
    assert_string_equal(refusal(&w),
                        "run run1 is Ready, and its plan has unique values: nobody joins late");
    pass(&w, LEAD);
    trace(&w);
    submit_seeded(&w, 1, false, 7, true);
    assert_string_equal(refusal(&w),
                        "run run1 is Running, and its plan has unique values: nobody joins late");
    submit_seeded(&w, 0, false, 7, true); // sent again
    assert_string_equal(trace(&w), "reply(a,yes) state(a)");
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(the_first_submission_decides_the_seed),
        cmocka_unit_test(parts_are_fixed_at_ready_in_the_order_of_names),
        cmocka_unit_test(who_only_watches_has_no_part),
        cmocka_unit_test(nobody_joins_late_where_values_are_unique),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
