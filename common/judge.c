#include "common/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/metrics_tree.h"
#include "common/plan_variables.h"
#include "common/rule.h"
#include "common/script/expr.h"

const char *const judge_status_name[JUDGE_STATUS__COUNT] = {
    [JUDGE_UNDEFINED] = "undefined",     [JUDGE_SUCCESS] = "success",
    [JUDGE_FAILED] = "failed",           [JUDGE_TERMINATED] = "terminated",
    [JUDGE_SKIPPED] = "skipped",         [JUDGE_CANCELLED] = "cancelled",
    [JUDGE_NOT_STARTED] = "not started",
};

struct judge_rule {
    struct rule metric;
    char *metric_text; // NULL: only a condition
    struct expr *condition;
    const char *condition_text; // of the plan; NULL: only a metric
    bool reads_metrics, has_warned;
    int64_t grace_ms;
    struct rule_clock clock;
};

struct judge_series {
    const struct plan_round *round;
    const struct plan_iteration *iteration;
    struct rule_errors errors;
    struct judge_rule *failure, *termination;
    size_t n_failure, n_termination;
    const struct judge_end *end; // NULL: none
    bool has_begun;
    int64_t first_k, last_k; // of what came, once it has begun
};

struct judge {
    const struct plan *plan;
    uint32_t n_series;
    struct judge_series *series;
    struct metrics_series *counts; // to the last look; NULL: no termination rule needs them
    struct judge_end *ends;        // room for all series
    size_t n_ends;
    struct globals *globals; // NULL: no rule has a condition
    struct script_random random;
    struct judge_rule *at; // whose condition is worked out; NULL: variables are set
    const struct judge_series *at_series;
    void (*warn)(void *arg, const char *text);
    void *arg;
};

// --- Conditions ---

// One warning for a condition says enough: the next look would say the same.
static void on_warning(void *arg, const char *text)
{
    struct judge *j = arg;

    if (j->at == NULL) {
        j->warn(j->arg, text);
        return;
    }
    if (j->at->has_warned)
        return;
    j->at->has_warned = true;
    char *all = xasprintf("%s/%s: rule \"%s\": %s", j->at_series->round->name,
                          j->at_series->iteration->name, j->at->condition_text, text);
    j->warn(j->arg, all);
    free(all);
}

static struct script_env env_of(struct judge *j)
{
    return (struct script_env){
        .globals = j->globals, .random = &j->random, .n_parts = 1, .warn = on_warning, .arg = j};
}

static bool is_true(struct judge *j, const struct judge_series *s, struct judge_rule *r)
{
    struct script_env env = env_of(j);
    struct tmpl_error error;
    bool value = false;

    j->at = r;
    j->at_series = s;
    if (expr_eval(r->condition, &env, &value, &error) < 0) {
        on_warning(j, error.text);
        value = false;
    }
    return value;
}

static void on_name(void *arg, const char *name, bool is_store, bool is_global)
{
    struct judge_rule *r = arg;

    (void)is_global;
    if (!is_store && (name == NULL || strcmp(name, "Metrics") == 0))
        r->reads_metrics = true;
}

static void set_variables(struct judge *j)
{
    struct script_env env = env_of(j);
    char why[300];

    j->at = NULL;
    if (plan_variables_set(j->plan->variables, j->plan->n_variables, &env, why, sizeof why) < 0)
        j->warn(j->arg, why);
}

static int64_t elapsed_ms(const struct judge_series *s, int64_t end_ms)
{
    int64_t last_ms = (s->last_k + 1) * 1000, begin_ms = s->first_k * 1000;

    if (!s->has_begun || end_ms <= begin_ms)
        return 0;
    return (end_ms < last_ms ? end_ms : last_ms) - begin_ms;
}

static void set_metrics(struct judge *j, const struct metrics_series *counts, int64_t end_ms)
{
    int64_t *elapsed = xcalloc(j->n_series, sizeof *elapsed);
    struct value value = {0};
    size_t len;

    for (uint32_t id = 0; id < j->n_series; id++)
        elapsed[id] = elapsed_ms(&j->series[id], end_ms);
    char *text = metrics_tree_format(j->plan, counts, elapsed, &len);
    value_set(&value, VALUE_JSON, false, text, len);
    globals_put(j->globals, "Metrics", &value);
    free(text);
    free(elapsed);
}

static bool any_reads_metrics(const struct judge_rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rules[i].reads_metrics)
            return true;
    return false;
}

// --- Rules ---

// A rule that does not parse never holds; plans that have one are refused long before.
static void compile(struct judge *j, struct judge_series *s, const struct plan_rule *from,
                    struct judge_rule *r)
{
    struct tmpl_error error;
    char why[300];

    r->grace_ms = (int64_t)from->grace_ms;
    rule_clock_init(&r->clock);
    if (from->metric != NULL &&
        (rule_parse(from->metric, &r->metric, why, sizeof why) < 0 ||
         rule_parse_codes(from->codes, &r->metric.codes, why, sizeof why) < 0))
        j->warn(j->arg, why);
    else if (from->metric != NULL)
        r->metric_text = rule_format(&r->metric);
    if (from->expression == NULL)
        return;
    r->condition_text = from->expression;
    if (expr_compile(from->expression, strlen(from->expression), &r->condition, &error) < 0) {
        j->at = r;
        j->at_series = s;
        on_warning(j, error.text);
        return;
    }
    expr_each_name(r->condition, on_name, r);
    if (j->globals == NULL)
        j->globals = globals_new();
}

static struct judge_rule *compile_all(struct judge *j, struct judge_series *s,
                                      const struct plan_rule *from, size_t n)
{
    struct judge_rule *rules = xcalloc(n, sizeof *rules);

    for (size_t i = 0; i < n; i++)
        compile(j, s, &from[i], &rules[i]);
    return rules;
}

static void free_rules(struct judge_rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(rules[i].metric_text);
        expr_free(rules[i].condition);
    }
    free(rules);
}

struct judge *judge_new(const struct plan *plan, void (*warn)(void *arg, const char *text),
                        void *arg)
{
    struct judge *j = xcalloc(1, sizeof *j);
    bool has_termination = false;

    j->plan = plan;
    j->n_series = plan_n_series(plan);
    j->series = xcalloc(j->n_series, sizeof *j->series);
    j->ends = xcalloc(j->n_series, sizeof *j->ends);
    j->warn = warn;
    j->arg = arg;
    script_random_seed(&j->random, 0, 0);
    for (uint32_t id = 0; id < j->n_series; id++) {
        struct judge_series *s = &j->series[id];
        plan_series(plan, id, &s->round, &s->iteration);
        rule_errors_init(&s->errors, s->iteration->failure, s->iteration->n_failure);
        s->n_failure = s->iteration->n_failure;
        s->failure = compile_all(j, s, s->iteration->failure, s->n_failure);
        s->n_termination = s->iteration->n_termination;
        s->termination = compile_all(j, s, s->iteration->termination, s->n_termination);
        has_termination |= s->n_termination > 0;
    }
    if (has_termination)
        j->counts = xcalloc(j->n_series, sizeof *j->counts);
    if (j->globals != NULL)
        set_variables(j);
    return j;
}

void judge_free(struct judge *j)
{
    if (j == NULL)
        return;
    for (uint32_t id = 0; id < j->n_series; id++) {
        free_rules(j->series[id].failure, j->series[id].n_failure);
        free_rules(j->series[id].termination, j->series[id].n_termination);
        if (j->counts != NULL)
            metrics_series_done(&j->counts[id]);
    }
    free(j->counts);
    free(j->series);
    free(j->ends);
    globals_free(j->globals);
    free(j);
}

// Either of metric and condition.
static bool holds(struct judge *j, const struct judge_series *s, struct judge_rule *r,
                  const struct metrics_series *counts, int64_t end_ms, const char **ret_text,
                  double *ret_value)
{
    if (r->metric_text != NULL) {
        double value = rule_value(&r->metric, counts, &s->errors, elapsed_ms(s, end_ms),
                                  s->iteration->cool_down_ms);
        if (rule_holds(&r->metric, value)) {
            *ret_text = r->metric_text;
            *ret_value = value;
            return true;
        }
    }
    if (r->condition == NULL || !is_true(j, s, r))
        return false;
    *ret_text = r->condition_text;
    *ret_value = NAN;
    return true;
}

// --- Termination ---

// Clocks of all its rules go on, whichever fires.
static void look_at(struct judge *j, uint32_t id, int64_t k)
{
    struct judge_series *s = &j->series[id];
    struct judge_end end = {.series = id, .k = k};
    int64_t now_ms = (k + 1) * 1000;

    for (size_t i = 0; i < s->n_termination; i++) {
        struct judge_rule *r = &s->termination[i];
        const char *text = NULL;
        double value = 0;
        bool is_held = holds(j, s, r, &j->counts[id], now_ms, &text, &value);
        if (!rule_clock_look(&r->clock, is_held, r->grace_ms, now_ms) || end.rule != NULL)
            continue;
        end.rule = text;
        end.value = value;
    }
    if (end.rule == NULL)
        return;
    j->ends[j->n_ends] = end;
    s->end = &j->ends[j->n_ends++];
}

size_t judge_look(struct judge *j, int64_t k, const struct metrics_window *w)
{
    size_t n_before = j->n_ends;
    bool reads_metrics = false;

    if (w == NULL)
        return 0;
    for (uint32_t id = 0; id < j->n_series; id++) {
        struct judge_series *s = &j->series[id];
        if (metrics_series_is_empty(&w->series[id]))
            continue;
        if (!s->has_begun)
            s->first_k = k;
        s->has_begun = true;
        s->last_k = k;
        if (j->counts != NULL)
            metrics_merge_later(&j->counts[id], &w->series[id]);
        reads_metrics |= s->end == NULL && any_reads_metrics(s->termination, s->n_termination);
    }
    if (reads_metrics)
        set_metrics(j, j->counts, (k + 1) * 1000);
    for (uint32_t id = 0; id < j->n_series; id++)
        if (j->series[id].end == NULL && !metrics_series_is_empty(&w->series[id]))
            look_at(j, id, k);
    return j->n_ends - n_before;
}

void judge_restore_end(struct judge *j, const struct judge_end *end)
{
    if (end->series >= j->n_series || j->series[end->series].end != NULL)
        return;
    struct judge_series *s = &j->series[end->series];
    for (size_t i = 0; i < s->n_termination; i++) {
        const struct judge_rule *r = &s->termination[i];
        const char *text = isnan(end->value) ? r->condition_text : r->metric_text;
        if (text == NULL || strcmp(text, end->rule) != 0)
            continue;
        j->ends[j->n_ends] = *end;
        j->ends[j->n_ends].rule = text;
        s->end = &j->ends[j->n_ends++];
        return;
    }
}

const struct judge_end *judge_ends(const struct judge *j, size_t *ret_n)
{
    *ret_n = j->n_ends;
    return j->ends;
}

// --- Verdicts ---

// The first failure rule that holds; NULL: none.
static const char *find_failure(struct judge *j, const struct judge_series *s,
                                const struct metrics_series *total, int64_t end_ms,
                                double *ret_value)
{
    const char *text;

    if (s->n_failure == 0)
        return rule_default(total, ret_value);
    for (size_t i = 0; i < s->n_failure; i++)
        if (holds(j, s, &s->failure[i], total, end_ms, &text, ret_value))
            return text;
    return NULL;
}

static struct judge_verdict verdict_of(struct judge *j, const struct judge_series *s,
                                       const struct metrics_series *total, int64_t end_ms,
                                       bool cancelled)
{
    const struct metrics_counters *n = &total->n;
    struct judge_verdict v = {.status = JUDGE_SUCCESS, .k = -1};
    const char *rule;

    if (s->end != NULL)
        return (struct judge_verdict){JUDGE_TERMINATED, xstrdup(s->end->rule), s->end->value,
                                      s->end->k};
    if (cancelled) {
        v.status = JUDGE_CANCELLED;
    } else if (n->started == 0 && n->skipped == 0 && n->dropped == 0 && n->failed == 0) {
        v.status = JUDGE_NOT_STARTED;
    } else if ((rule = find_failure(j, s, total, end_ms, &v.value)) != NULL) {
        v.status = JUDGE_FAILED;
        v.rule = xstrdup(rule);
    } else if (n->started == 0 && n->skipped > 0) {
        v.status = JUDGE_SKIPPED;
    }
    return v;
}

void judge_verdicts(struct judge *j, const struct metrics_series *totals, int64_t duration_ms,
                    bool cancelled, struct judge_verdict *ret_verdicts)
{
    bool reads_metrics = false;

    for (uint32_t id = 0; id < j->n_series; id++)
        reads_metrics |= any_reads_metrics(j->series[id].failure, j->series[id].n_failure);
    if (reads_metrics)
        set_metrics(j, totals, duration_ms);
    for (uint32_t id = 0; id < j->n_series; id++)
        ret_verdicts[id] = verdict_of(j, &j->series[id], &totals[id], duration_ms, cancelled);
}

void judge_verdicts_free(struct judge_verdict *verdicts, uint32_t n)
{
    for (uint32_t i = 0; verdicts != NULL && i < n; i++)
        free(verdicts[i].rule);
    free(verdicts);
}
