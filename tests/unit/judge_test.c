#include "common/judge.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_OF(array)       (sizeof(array) / sizeof *(array))
#define assert_near(x, y) assert_true((x) > (y)-1e-9 && (x) < (y) + 1e-9)
#define METRIC(text)      ((struct plan_rule){.metric = (char *)(text)})
#define CODES(text, codes_) \
    ((struct plan_rule){.metric = (char *)(text), .codes = (char *)(codes_)})
#define CONDITION(text) ((struct plan_rule){.expression = (char *)(text)})

// Round r with iterations a and b; tests fill in rules and variables.
struct world {
    struct plan_iteration iterations[2];
    struct plan_round round;
    struct plan plan;
    struct plan_rule failure[4], termination[4];
    struct plan_variable variable;
    struct judge *judge;
    struct metrics_series totals[2];
    struct judge_verdict verdicts[2];
    int n_warnings;
    char warning[600];
};

static void on_warning(void *arg, const char *text)
{
    struct world *w = arg;

    w->n_warnings++;
    snprintf(w->warning, sizeof w->warning, "%s", text);
}

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);

    w->iterations[0].name = (char *)"a";
    w->iterations[1].name = (char *)"b";
    w->round = (struct plan_round){
        .name = (char *)"r", .iterations = w->iterations, .n_iterations = N_OF(w->iterations)};
    w->plan = (struct plan){.name = (char *)"p", .rounds = &w->round, .n_rounds = 1};
    *state = w;
    return 0;
}

static void forget_verdicts(struct world *w)
{
    for (size_t i = 0; i < N_OF(w->verdicts); i++)
        free(w->verdicts[i].rule);
}

static int tear_down(void **state)
{
    struct world *w = *state;

    forget_verdicts(w);
    for (size_t i = 0; i < N_OF(w->totals); i++)
        metrics_series_done(&w->totals[i]);
    judge_free(w->judge);
    free(w);
    return 0;
}

static void start(struct world *w, size_t n_failure, size_t n_termination)
{
    w->iterations[0].failure = w->failure;
    w->iterations[0].n_failure = n_failure;
    w->iterations[0].termination = w->termination;
    w->iterations[0].n_termination = n_termination;
    w->judge = judge_new(&w->plan, on_warning, w);
}

// n answers with this status (0: none), each after us, of series id in second k.
static size_t see(struct world *w, uint32_t id, int64_t k, unsigned status, uint64_t n, uint64_t us)
{
    struct metrics_window *window = metrics_window_new(k, 2);
    struct metrics_series *s = &window->series[id];

    s->n.started = n;
    if (status == 0)
        s->n.failed = n;
    else
        s->n.completed = s->status[status] = n;
    for (uint64_t i = 0; i < n && status != 0; i++)
        hist_record(&s->latency[METRICS_SERVICE], us);
    metrics_merge_later(&w->totals[id], s);
    size_t n_new = judge_look(w->judge, k, window);
    metrics_window_free(window);
    return n_new;
}

static struct judge_end last_end(const struct world *w)
{
    size_t n;
    const struct judge_end *ends = judge_ends(w->judge, &n);

    assert_true(n > 0);
    return ends[n - 1];
}

static const struct judge_verdict *verdict(struct world *w, int64_t duration_ms, bool cancelled)
{
    forget_verdicts(w);
    judge_verdicts(w->judge, w->totals, duration_ms, cancelled, w->verdicts);
    return w->verdicts;
}

static void free_accepts_nothing(void **state)
{
    (void)state;
    judge_free(NULL);
}

static void a_plan_without_rules_ends_nothing(void **state)
{
    struct world *w = *state;
    size_t n;

    start(w, 0, 0);
    assert_int_equal(judge_look(w->judge, 0, NULL), 0);
    assert_int_equal(see(w, 0, 1, 500, 10, 1), 0);
    judge_ends(w->judge, &n);
    assert_int_equal(n, 0);
}

static void a_rule_without_grace_fires_at_the_first_look_and_once(void **state)
{
    struct world *w = *state;

    w->termination[0] = METRIC("totaltime.max > 5");
    start(w, 0, 1);
    assert_int_equal(see(w, 0, 3, 200, 1, 5000), 0);
    assert_int_equal(see(w, 0, 4, 200, 1, 6000), 1);
    assert_int_equal(last_end(w).series, 0);
    assert_int_equal(last_end(w).k, 4);
    assert_near(last_end(w).value, 6);
    assert_string_equal(last_end(w).rule, "TotalTime.Max > 5");
    assert_int_equal(see(w, 0, 5, 200, 1, 7000), 0);
    assert_int_equal(last_end(w).k, 4);
}

static void a_rule_is_of_its_own_iteration(void **state)
{
    struct world *w = *state;

    w->termination[0] = METRIC("ErrorRate > 0");
    start(w, 0, 1);
    assert_int_equal(see(w, 1, 0, 500, 10, 1), 0);
}

static void a_grace_period_is_counted_in_looks_that_hold(void **state)
{
    struct world *w = *state;

    w->termination[0] = CODES("ErrorRate >= 0.5", "= 500");
    w->termination[0].grace_ms = 2000;
    start(w, 0, 1);
    assert_int_equal(see(w, 0, 0, 500, 1, 1), 0); // 1 of 1
    assert_int_equal(see(w, 0, 1, 500, 1, 1), 0); // 2 of 2
    assert_int_equal(see(w, 0, 2, 200, 3, 1), 0); // 2 of 5: begins again
    assert_int_equal(see(w, 0, 3, 500, 1, 1), 0); // 3 of 6
    assert_int_equal(see(w, 0, 4, 500, 1, 1), 0);
    assert_int_equal(see(w, 0, 5, 500, 1, 1), 1);
    assert_int_equal(last_end(w).k, 5);
    assert_string_equal(last_end(w).rule, "ErrorRate >= 0.5 [codes = 500]");
}

static void counts_are_of_all_seconds_so_far(void **state)
{
    struct world *w = *state;

    w->termination[0] = METRIC("ErrorRate > 0.05");
    start(w, 0, 1);
    assert_int_equal(see(w, 0, 0, 200, 100, 1), 0);
    assert_int_equal(see(w, 0, 1, 500, 5, 1), 0); // all of this second, 4.8 % of all
    assert_int_equal(see(w, 0, 2, 500, 1, 1), 1);
}

static void the_first_of_several_rules_is_named(void **state)
{
    struct world *w = *state;

    w->termination[0] = METRIC("ErrorRate > 0.5");
    w->termination[1] = METRIC("TotalTime.Max > 1");
    w->termination[2] = METRIC("TotalTime.Max > 2");
    start(w, 0, 3);
    assert_int_equal(see(w, 0, 0, 200, 1, 3000), 1);
    assert_string_equal(last_end(w).rule, "TotalTime.Max > 1");
}

static void rates_begin_with_the_first_event_and_are_not_looked_at_in_silence(void **state)
{
    struct world *w = *state;

    w->termination[0] = METRIC("Throughput < 10");
    start(w, 0, 1);
    assert_int_equal(judge_look(w->judge, 0, NULL), 0);
    assert_int_equal(see(w, 1, 1, 200, 1, 1), 0);
    assert_int_equal(see(w, 0, 7, 200, 10, 1), 0); // 10/s in its first second
    assert_int_equal(judge_look(w->judge, 8, NULL), 0);
    assert_int_equal(see(w, 1, 9, 200, 1, 1), 0);  // a is silent
    assert_int_equal(see(w, 0, 10, 200, 1, 1), 1); // 11 in 4 s
    assert_near(last_end(w).value, 2.75);
}

static void a_request_that_hangs_is_looked_at(void **state)
{
    struct world *w = *state;
    struct metrics_window *hangs = metrics_window_new(1, 2);

    w->termination[0] = METRIC("Throughput < 10");
    start(w, 0, 1);
    assert_int_equal(see(w, 0, 0, 200, 10, 1), 0);
    hangs->series[0].n.in_flight = 1;
    assert_int_equal(judge_look(w->judge, 1, hangs), 1);
    metrics_window_free(hangs);
}

static void a_condition_reads_variables_and_metrics(void **state)
{
    struct world *w = *state;

    w->variable =
        (struct plan_variable){.name = (char *)"limit", .type = VALUE_INT, .value = (char *)"3"};
    w->plan.variables = &w->variable;
    w->plan.n_variables = 1;
    w->termination[0] = CONDITION("${Metrics.r.b.Throughput.RequestsCount} > ${limit} and "
                                  "${Metrics.r.a.Duration.TotalTime.Max} >= 1.5");
    start(w, 0, 1);
    assert_int_equal(see(w, 1, 0, 200, 3, 1), 0);
    assert_int_equal(see(w, 0, 1, 200, 3, 1500), 0);
    assert_int_equal(see(w, 1, 2, 200, 1, 1), 0); // a is silent
    assert_int_equal(see(w, 0, 3, 200, 1, 1), 1);
    assert_true(isnan(last_end(w).value));
    assert_string_equal(last_end(w).rule, w->termination[0].expression);
    assert_int_equal(w->n_warnings, 0);
}

static void a_rule_with_metric_and_condition_holds_by_either(void **state)
{
    struct world *w = *state;

    w->termination[0] = METRIC("ErrorRate > 0.5");
    w->termination[0].expression = (char *)"${Metrics.r.a.Throughput.RequestsCount} = 2";
    start(w, 0, 1);
    assert_int_equal(see(w, 0, 0, 200, 1, 1), 0);
    assert_int_equal(see(w, 0, 1, 200, 1, 1), 1);
    assert_true(isnan(last_end(w).value));
    judge_free(w->judge);
    w->judge = judge_new(&w->plan, on_warning, w);
    assert_int_equal(see(w, 0, 0, 500, 1, 1), 1);
    assert_string_equal(last_end(w).rule, "ErrorRate > 0.5");
    assert_near(last_end(w).value, 1);
}

static void a_condition_that_cannot_be_worked_out_is_false_and_told_once(void **state)
{
    static const char *const wrong[] = {"${nobody} > 1", "${Metrics.r.nobody.x} > 1",
                                        "${secret} = 1", "1 / 0 = 1"};
    struct world *w = *state;

    w->variable =
        (struct plan_variable){.name = (char *)"secret", .type = VALUE_INT, .is_secret = true};
    w->plan.variables = &w->variable;
    w->plan.n_variables = 1;
    for (size_t i = 0; i < N_OF(wrong); i++) {
        w->termination[0] = CONDITION(wrong[i]);
        start(w, 0, 1);
        w->n_warnings = 0;
        for (int64_t k = 0; k < 3; k++)
            assert_int_equal(see(w, 0, k, 200, 1, 1), 0);
        if (w->n_warnings != 1 || strncmp(w->warning, "r/a: rule \"", 11) != 0)
            fail_msg("%s: %d warnings, %s", wrong[i], w->n_warnings, w->warning);
        judge_free(w->judge);
        w->judge = NULL;
    }
}

static void a_rule_that_does_not_parse_is_told_and_never_holds(void **state)
{
    struct world *w = *state;

    w->termination[0] = METRIC("Nonsense > 0");
    w->termination[1] = CODES("ErrorRate > 0", "> 999");
    w->termination[2] = CONDITION("1 < ");
    start(w, 0, 3);
    assert_int_equal(w->n_warnings, 3);
    assert_int_equal(see(w, 0, 0, 500, 10, 1), 0);
}

static void a_variable_that_is_none_is_told(void **state)
{
    struct world *w = *state;

    w->variable =
        (struct plan_variable){.name = (char *)"n", .type = VALUE_INT, .value = (char *)"x"};
    w->plan.variables = &w->variable;
    w->plan.n_variables = 1;
    w->failure[0] = CONDITION("true");
    start(w, 1, 0);
    assert_int_equal(w->n_warnings, 1);
    assert_non_null(strstr(w->warning, "variable n"));
}

static void without_failure_rules_the_default_holds(void **state)
{
    struct world *w = *state;

    start(w, 0, 0);
    see(w, 0, 0, 200, 95, 1);
    see(w, 0, 1, 404, 5, 1);
    assert_int_equal(verdict(w, 2000, false)[0].status, JUDGE_SUCCESS);
    assert_null(w->verdicts[0].rule);
    assert_int_equal(w->verdicts[0].k, -1);
    see(w, 0, 2, 0, 1, 1);
    assert_int_equal(verdict(w, 3000, false)[0].status, JUDGE_FAILED);
    assert_string_equal(w->verdicts[0].rule, "ErrorRate > 0.05");
    assert_int_equal(w->verdicts[1].status, JUDGE_NOT_STARTED);
}

// 200: 90, 404: 6, 503: 3, no answer: 1.
static void failure_rules_take_the_place_of_the_default(void **state)
{
    static const struct {
        const char *metric, *codes;
        double value; // 0: success
    } cases[] = {
        {"ErrorRate > 0.05", ">= 400", 0.09}, {"ErrorRate > 0.05", ">= 500", 0},
        {"ErrorRate > 0", "= 0", 0.01},       {"ErrorRate > 0.09", "between 400 and 499", 0},
        {"ErrorRate > 0.05", NULL, 0.10},
    };
    struct world *w = *state;

    start(w, 0, 0);
    see(w, 0, 0, 200, 90, 1);
    see(w, 0, 1, 404, 6, 1);
    see(w, 0, 2, 503, 3, 1);
    see(w, 0, 3, 0, 1, 1);
    for (size_t i = 0; i < N_OF(cases); i++) {
        judge_free(w->judge);
        w->failure[0] = CODES(cases[i].metric, cases[i].codes);
        start(w, 1, 0);
        const struct judge_verdict *v = verdict(w, 4000, false);
        assert_int_equal(v->status, cases[i].value > 0 ? JUDGE_FAILED : JUDGE_SUCCESS);
        if (v->status == JUDGE_FAILED)
            assert_near(v->value, cases[i].value);
    }
}

static void a_rate_is_over_the_time_of_its_iteration(void **state)
{
    struct world *w = *state;

    w->failure[0] = METRIC("Throughput >= 0");
    start(w, 1, 0);
    see(w, 1, 0, 200, 1, 1);
    see(w, 0, 2, 200, 10, 1);
    see(w, 0, 3, 200, 10, 1);
    assert_near(verdict(w, 4000, false)[0].value, 10);
    assert_near(verdict(w, 3600, false)[0].value, 12.5);
    see(w, 1, 9, 200, 1, 1);
    assert_near(verdict(w, 10000, false)[0].value, 10);
    assert_near(verdict(w, 0, false)[0].value, 0);
}

static void a_failure_condition_reads_the_totals(void **state)
{
    struct world *w = *state;

    w->failure[0] = METRIC("ErrorRate > 0.5");
    w->failure[1] = CONDITION("${Metrics.r.b.Throughput.FailedRequestsCount} > 1");
    start(w, 2, 0);
    see(w, 0, 0, 200, 1, 1);
    see(w, 1, 0, 500, 1, 1);
    assert_int_equal(verdict(w, 1000, false)[0].status, JUDGE_SUCCESS);
    see(w, 1, 1, 0, 1, 1);
    assert_int_equal(verdict(w, 2000, false)[0].status, JUDGE_FAILED);
    assert_string_equal(w->verdicts[0].rule, w->failure[1].expression);
    assert_true(isnan(w->verdicts[0].value));
}

static void terminated_comes_before_cancelled_and_cancelled_before_failed(void **state)
{
    struct world *w = *state;

    w->failure[0] = METRIC("ErrorRate > 0");
    w->termination[0] = METRIC("ErrorRate >= 1");
    start(w, 1, 1);
    see(w, 0, 0, 200, 1, 1);
    see(w, 1, 1, 500, 1, 1);
    see(w, 0, 2, 500, 1, 1);
    assert_int_equal(verdict(w, 3000, true)[0].status, JUDGE_CANCELLED);
    assert_int_equal(w->verdicts[1].status, JUDGE_CANCELLED);
    judge_free(w->judge);
    start(w, 1, 1);
    see(w, 0, 4, 500, 1, 1);
    assert_int_equal(verdict(w, 5000, true)[0].status, JUDGE_TERMINATED);
    assert_int_equal(w->verdicts[0].k, 4);
    assert_string_equal(w->verdicts[0].rule, "ErrorRate >= 1");
    assert_near(w->verdicts[0].value, 1);
}

static void what_was_only_skipped_is_skipped_unless_a_rule_says_otherwise(void **state)
{
    struct world *w = *state;

    start(w, 0, 0);
    w->totals[0].n.skipped = 5;
    assert_int_equal(verdict(w, 1000, false)[0].status, JUDGE_SKIPPED);
    w->totals[0].n.started = w->totals[0].n.completed = w->totals[0].status[200] = 1;
    assert_int_equal(verdict(w, 1000, false)[0].status, JUDGE_SUCCESS);
    judge_free(w->judge);
    w->failure[0] = METRIC("SkipRatio > 0.5");
    start(w, 1, 0);
    assert_int_equal(verdict(w, 1000, false)[0].status, JUDGE_FAILED);
}

static void each_status_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < JUDGE_STATUS__COUNT; i++)
        assert_non_null(judge_status_name[i]);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_accepts_nothing),
        cmocka_unit_test(each_status_has_a_name),
        IN_WORLD(a_plan_without_rules_ends_nothing),
        IN_WORLD(a_rule_without_grace_fires_at_the_first_look_and_once),
        IN_WORLD(a_rule_is_of_its_own_iteration),
        IN_WORLD(a_grace_period_is_counted_in_looks_that_hold),
        IN_WORLD(counts_are_of_all_seconds_so_far),
        IN_WORLD(the_first_of_several_rules_is_named),
        IN_WORLD(rates_begin_with_the_first_event_and_are_not_looked_at_in_silence),
        IN_WORLD(a_request_that_hangs_is_looked_at),
        IN_WORLD(a_condition_reads_variables_and_metrics),
        IN_WORLD(a_rule_with_metric_and_condition_holds_by_either),
        IN_WORLD(a_condition_that_cannot_be_worked_out_is_false_and_told_once),
        IN_WORLD(a_rule_that_does_not_parse_is_told_and_never_holds),
        IN_WORLD(a_variable_that_is_none_is_told),
        IN_WORLD(without_failure_rules_the_default_holds),
        IN_WORLD(failure_rules_take_the_place_of_the_default),
        IN_WORLD(a_rate_is_over_the_time_of_its_iteration),
        IN_WORLD(a_failure_condition_reads_the_totals),
        IN_WORLD(terminated_comes_before_cancelled_and_cancelled_before_failed),
        IN_WORLD(what_was_only_skipped_is_skipped_unless_a_rule_says_otherwise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
