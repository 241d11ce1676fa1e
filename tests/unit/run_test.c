// When a second of a run is judged, and by what.
#include "master/daemon/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"

#define S 1000000000LL

static const char plan_text[] =
    "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"numberOfClients\":1,\"iterations\":["
    "{\"name\":\"i\",\"mode\":\"D\",\"duration\":60,\"httpRequest\":{\"url\":\"http://a/\"}},"
    "{\"name\":\"j\",\"mode\":\"D\",\"duration\":60,\"httpRequest\":{\"url\":\"http://a/\"}}]}]}";

struct world {
    struct run *run;
    struct cluster_run state;
    struct cluster_member member[3], *members[3];
    int64_t now;
};

static void on_warning(void *arg, const char *text)
{
    (void)arg;
    fail_msg("warning: %s", text);
}

// Two active members since T0; the first iteration ends after a second with more than half errors.
static void begin(struct world *w, const char *metric, uint64_t grace_ms)
{
    struct diag d = {0};
    struct plan *plan;

    assert_int_equal(plan_parse(plan_text, strlen(plan_text), &d, &plan), 0);
    struct plan_iteration *it = &plan->rounds[0].iterations[0];
    it->termination = xcalloc(1, sizeof *it->termination);
    it->termination[0] = (struct plan_rule){.metric = xstrdup(metric), .grace_ms = grace_ms};
    it->n_termination = 1;
    *w = (struct world){.run = run_new("run", plan, 5, on_warning, NULL), .now = 1000 * S};
    for (uint32_t i = 0; i < 3; i++) {
        w->member[i] = (struct cluster_member){.source = i, .state = CLUSTER_ACTIVE};
        w->members[i] = &w->member[i];
    }
    w->state = (struct cluster_run){
        .state = CLUSTER_RUNNING, .t0_ns = w->now, .members = w->members, .n_members = 2};
}

static void end(struct world *w)
{
    run_free(w->run);
}

static void add(struct world *w, uint32_t source, int64_t k, uint64_t n_good, uint64_t n_bad)
{
    struct metrics_window *window = metrics_window_new(k, 2);

    window->series[0].n.started = window->series[0].n.completed = n_good + n_bad;
    window->series[0].status[200] = n_good;
    window->series[0].status[500] = n_bad;
    run_add_window(w->run, source, window);
    metrics_window_free(window);
}

static size_t look(struct world *w, int64_t ns)
{
    w->now = w->state.t0_ns + ns;
    return run_judge(w->run, &w->state, w->now);
}

static const struct judge_end *first_end(const struct world *w)
{
    size_t n;
    const struct judge_end *ends = judge_ends(w->run->judge, &n);

    assert_int_equal(n, 1);
    return ends;
}

static void a_second_is_judged_once_every_active_member_has_sent_it(void **state)
{
    struct world w;

    (void)state;
    begin(&w, "ErrorRate > 0.5", 0);
    add(&w, 0, 0, 1, 9);
    assert_int_equal(look(&w, S), 0);
    add(&w, 1, 0, 9, 1); // half of all: the rule does not hold
    assert_int_equal(look(&w, S), 0);
    assert_int_equal(w.run->judged_k, 0);
    add(&w, 0, 1, 0, 10);
    add(&w, 1, 1, 0, 10);
    assert_int_equal(look(&w, 2 * S), 1);
    assert_int_equal(first_end(&w)->series, 0);
    assert_int_equal(first_end(&w)->k, 1);
    assert_int_equal(look(&w, 2 * S), 0);
    end(&w);
}

static void a_second_is_judged_without_who_is_2_s_late(void **state)
{
    struct world w;

    (void)state;
    begin(&w, "ErrorRate > 0.5", 0);
    add(&w, 0, 0, 0, 10);
    assert_int_equal(look(&w, 3 * S - 1), 0);
    assert_int_equal(look(&w, 3 * S), 1);
    assert_int_equal(first_end(&w)->k, 0);
    end(&w);
}

static void what_comes_late_counts_in_the_next_second(void **state)
{
    struct world w;

    (void)state;
    begin(&w, "ErrorRate > 0.5", 0);
    add(&w, 0, 0, 10, 0);
    assert_int_equal(look(&w, 3 * S), 0);
    add(&w, 1, 0, 0, 30); // of second 0, which is over
    assert_int_equal(look(&w, 3 * S), 0);
    add(&w, 0, 1, 10, 0); // 20 good ones, 30 bad ones
    add(&w, 1, 1, 0, 0);
    assert_int_equal(look(&w, 3 * S), 1);
    assert_int_equal(first_end(&w)->k, 1);
    end(&w);
}

static void nobody_waits_for_the_lost_the_done_and_those_who_watch(void **state)
{
    static const struct cluster_member others[] = {
        {.source = 1, .state = CLUSTER_LOST},
        {.source = 1, .state = CLUSTER_DONE},
        {.source = 1, .state = CLUSTER_ACTIVE, .observer = true},
    };
    struct world w;

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        begin(&w, "ErrorRate > 0.5", 0);
        w.member[1] = others[i];
        add(&w, 0, 0, 0, 10);
        assert_int_equal(look(&w, S), 1);
        end(&w);
    }
}

static void the_grace_period_runs_over_seconds_judged_at_once(void **state)
{
    struct world w;

    (void)state;
    begin(&w, "ErrorRate > 0.5", 2000);
    for (int64_t k = 0; k < 5; k++) {
        add(&w, 0, k, 0, 10);
        add(&w, 1, k, 0, 10);
    }
    assert_int_equal(look(&w, 5 * S), 1);
    assert_int_equal(first_end(&w)->k, 2);
    end(&w);
}

static void before_t0_nothing_is_judged_and_at_the_end_everything_is(void **state)
{
    struct world w;

    (void)state;
    begin(&w, "ErrorRate > 0.5", 0);
    int64_t t0_ns = w.state.t0_ns;
    w.state.t0_ns = 0;
    assert_int_equal(run_judge(w.run, &w.state, w.now), 0);
    assert_int_equal(w.run->judged_k, -2);
    w.state.t0_ns = t0_ns;
    assert_int_equal(look(&w, 0), 0);
    add(&w, 0, 0, 0, 10);
    w.state.ended_ns = t0_ns + S;
    assert_int_equal(look(&w, S), 1);
    end(&w);
}

// --- After a restart ---

static void add_part(struct world *w, int64_t k, uint64_t n_good, uint64_t n_bad)
{
    const struct aggregate_share shares[] = {{.source = 0, .in_flight = 1},
                                             {.source = 1, .in_flight = 2}};
    struct metrics_window *window = metrics_window_new(k, 2);

    window->series[0].n.started = window->series[0].n.completed = n_good + n_bad;
    window->series[0].status[200] = n_good;
    window->series[0].status[500] = n_bad;
    run_restore_window(w->run, &w->state, shares, 2, window);
    metrics_window_free(window);
}

static void restore_parts(struct world *w, int64_t last_k_0, int64_t last_k_1)
{
    const int64_t last_k[] = {last_k_0, last_k_1};

    for (uint32_t i = 0; i < 2; i++) {
        struct run_part part = {.last_k = last_k[i], .merged.started = 10};
        run_restore_part(w->run, i, &part, 0);
        w->member[i].state = CLUSTER_LOST;
    }
    run_hold(w->run, w->state.t0_ns + 100 * S);
}

static void what_was_stored_is_merged_and_judged_again(void **state)
{
    struct world w;

    (void)state;
    begin(&w, "ErrorRate > 0.5", 2000);
    restore_parts(&w, 60, 60);
    for (int64_t k = 0; k <= 60; k++) // more than the aggregate keeps
        add_part(&w, k, 0, 10);
    look(&w, 62 * S);
    assert_int_equal(first_end(&w)->k, 2);
    assert_int_equal(w.run->judged_k, 60);
    assert_int_equal(aggregate_total(w.run->aggregate)->n.started, 610);
    assert_int_equal(aggregate_point_at(w.run->aggregate, 60)->n_sources, 2);
    assert_int_equal(aggregate_point_at(w.run->aggregate, 60)->in_flight, 3);
    assert_int_equal(run_part_at(w.run, 1)->merged.started, 10);
    end(&w);
}

static void after_a_restart_the_judge_waits_for_who_is_on_the_way_back(void **state)
{
    struct world w;

    (void)state;
    begin(&w, "ErrorRate > 0.5", 0);
    restore_parts(&w, 1, 0);
    add_part(&w, 0, 10, 0);
    add_part(&w, 1, 10, 0);
    assert_int_equal(look(&w, 50 * S), 0);
    assert_int_equal(w.run->judged_k, 0);
    w.member[0].state = CLUSTER_ACTIVE;
    w.member[1].state = CLUSTER_ACTIVE;
    add(&w, 1, 1, 10, 0);
    look(&w, 51 * S);
    assert_int_equal(w.run->judged_k, 1);
    look(&w, 100 * S); // and no longer than agreed
    assert_int_equal(w.run->judged_k, 97);
    end(&w);
}

static void who_is_lost_for_good_is_not_waited_for_after_a_restart(void **state)
{
    struct world w;

    (void)state;
    begin(&w, "ErrorRate > 0.5", 0);
    restore_parts(&w, 1, 0);
    w.member[1].gone = true;
    add_part(&w, 0, 10, 0);
    add_part(&w, 1, 10, 0);
    look(&w, 50 * S);
    assert_int_equal(w.run->judged_k, 1);
    end(&w);
}

static void an_end_that_was_told_stands_whatever_the_counts_say_now(void **state)
{
    struct world w;

    (void)state;
    begin(&w, "ErrorRate > 0.5", 0);
    judge_restore_end(
        w.run->judge,
        &(struct judge_end){.series = 0, .k = 1, .value = 0.75, .rule = "ErrorRate > 0.5"});
    restore_parts(&w, 3, 3);
    for (int64_t k = 0; k <= 3; k++)
        add_part(&w, k, 10, 0);
    assert_int_equal(look(&w, 5 * S), 0);
    assert_int_equal(first_end(&w)->k, 1);
    assert_true(first_end(&w)->value > 0.74);
    end(&w);
}

static void an_end_by_a_rule_that_the_plan_does_not_have_is_none(void **state)
{
    struct world w;
    size_t n;

    (void)state;
    begin(&w, "ErrorRate > 0.5", 0);
    judge_restore_end(w.run->judge,
                      &(struct judge_end){.series = 0, .value = 1, .rule = "ErrorRate > 0.9"});
    judge_restore_end(w.run->judge,
                      &(struct judge_end){.series = 1, .value = 1, .rule = "ErrorRate > 0.5"});
    judge_restore_end(w.run->judge,
                      &(struct judge_end){.series = 2, .value = 1, .rule = "ErrorRate > 0.5"});
    judge_ends(w.run->judge, &n);
    assert_int_equal(n, 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_is_judged_once_every_active_member_has_sent_it),
        cmocka_unit_test(a_second_is_judged_without_who_is_2_s_late),
        cmocka_unit_test(what_comes_late_counts_in_the_next_second),
        cmocka_unit_test(nobody_waits_for_the_lost_the_done_and_those_who_watch),
        cmocka_unit_test(the_grace_period_runs_over_seconds_judged_at_once),
        cmocka_unit_test(what_was_stored_is_merged_and_judged_again),
        cmocka_unit_test(after_a_restart_the_judge_waits_for_who_is_on_the_way_back),
        cmocka_unit_test(who_is_lost_for_good_is_not_waited_for_after_a_restart),
        cmocka_unit_test(an_end_that_was_told_stands_whatever_the_counts_say_now),
        cmocka_unit_test(an_end_by_a_rule_that_the_plan_does_not_have_is_none),
        cmocka_unit_test(before_t0_nothing_is_judged_and_at_the_end_everything_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
