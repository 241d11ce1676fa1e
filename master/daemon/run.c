#include "master/daemon/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/result.h"
#include "common/str.h"

// Seconds that a worker may lag behind before its windows no longer count in percentiles of the
// timeline (in the totals they always do).
#define KEEP_S 30
// Nor is a second's judgement put off for it for longer than this after its end.
#define JUDGE_LATE_S 2

struct run *run_new(const char *id, struct plan *plan, int64_t now_ms,
                    void (*warn)(void *arg, const char *text), void *arg)
{
    struct run *run = xcalloc(1, sizeof *run);

    *run = (struct run){.plan = plan,
                        .plan_text = plan_format(plan),
                        .aggregate = aggregate_new(plan_n_series(plan), KEEP_S),
                        .judge = judge_new(plan, warn, arg),
                        .judged_k = -2,
                        .late = metrics_window_new(0, plan_n_series(plan)),
                        .opened_ms = now_ms,
                        .durable = true,
                        .changed_k = INT64_MAX};
    snprintf(run->id, sizeof run->id, "%s", id);
    return run;
}

void run_free(struct run *run)
{
    if (run == NULL)
        return;
    for (size_t i = 0; i < run->n_parts; i++)
        free(run->parts[i].fin.failure);
    free(run->parts);
    free(run->outages);
    free(run->reason);
    json_decref(run->result);
    aggregate_free(run->aggregate);
    judge_free(run->judge);
    metrics_window_free(run->late);
    free(run->plan_text);
    plan_free(run->plan);
    free(run);
}

static struct run_part *part_of(struct run *run, uint32_t source)
{
    while (run->n_parts <= source) {
        run->parts = xreallocarray(run->parts, run->n_parts + 1, sizeof *run->parts);
        run->parts[run->n_parts++] = (struct run_part){.last_k = -1};
    }
    return &run->parts[source];
}

const struct run_part *run_part_at(const struct run *run, uint32_t source)
{
    static const struct run_part none = {.last_k = -1};

    return source < run->n_parts ? &run->parts[source] : &none;
}

void run_add_window(struct run *run, uint32_t source, const struct metrics_window *w)
{
    struct run_part *part = part_of(run, source);
    uint64_t in_flight = 0;

    if (aggregate_add(run->aggregate, source, w) != 0)
        return;
    for (uint32_t i = 0; i < w->n_series; i++) {
        metrics_counters_add(&part->merged, &w->series[i].n);
        part->errors += metrics_n_errors(&w->series[i]);
        in_flight += w->series[i].n.in_flight;
    }
    if (w->k >= part->last_k) {
        part->last_k = w->k;
        part->merged.in_flight = in_flight;
    }
    if (w->k < run->changed_k)
        run->changed_k = w->k;
    if (w->k <= run->judged_k) {
        metrics_merge_peer(run->late, w);
        run->has_late = true;
    }
}

// Up to where every active member has sent its windows.
static int64_t whole_k(const struct run *run, const struct cluster_run *state, bool held)
{
    int64_t least = INT64_MAX;

    for (size_t i = 0; i < state->n_members; i++) {
        const struct cluster_member *m = state->members[i];
        int64_t last_k = run_part_at(run, m->source)->last_k;
        bool may_come = held && m->state == CLUSTER_LOST && !m->gone;
        if ((m->state == CLUSTER_ACTIVE || may_come) && !m->observer && last_k < least)
            least = last_k;
    }
    return least == INT64_MAX ? aggregate_newest(run->aggregate) : least;
}

static int64_t judgeable_k(const struct run *run, const struct cluster_run *state, int64_t now_ns)
{
    bool held = now_ns < run->hold_ns;
    int64_t whole = whole_k(run, state, held), overdue = (now_ns - state->t0_ns) / NS_PER_S;

    overdue -= 1 + JUDGE_LATE_S;
    if (state->ended_ns != 0)
        return aggregate_newest(run->aggregate);
    return whole > overdue || held ? whole : overdue;
}

// What came late counts with second k.
static size_t judge_second(struct run *run, int64_t k)
{
    const struct metrics_window *w = aggregate_window(run->aggregate, k);

    if (!run->has_late)
        return judge_look(run->judge, k, w);
    if (w != NULL)
        metrics_merge_peer(run->late, w);
    run->late->k = k;
    size_t n = judge_look(run->judge, k, run->late);
    metrics_window_reset(run->late, 0);
    run->has_late = false;
    return n;
}

static size_t judge_to(struct run *run, int64_t last)
{
    size_t n = 0;

    while (run->judged_k < last)
        n += judge_second(run, ++run->judged_k);
    return n;
}

size_t run_judge(struct run *run, const struct cluster_run *state, int64_t now_ns)
{
    return state->t0_ns == 0 ? 0 : judge_to(run, judgeable_k(run, state, now_ns));
}

void run_add_fin(struct run *run, uint32_t source, struct run_fin *fin, int64_t now_ns)
{
    struct run_part *part = part_of(run, source);

    free(part->fin.failure);
    part->fin = *fin;
    fin->failure = NULL;
    run->last_fin_ns = now_ns;
}

void run_commit_fin(struct run *run, uint32_t source)
{
    struct run_part *part = part_of(run, source);

    part->has_fin = true;
    part->merged.in_flight = 0;
}

void run_add_late(struct run *run, uint64_t windows, uint64_t requests)
{
    run->late_windows += windows;
    run->late_requests += requests;
}

void run_restore_part(struct run *run, uint32_t source, struct run_part *part, int64_t fin_ns)
{
    *part_of(run, source) = *part;
    if (part->has_fin && fin_ns > run->last_fin_ns)
        run->last_fin_ns = fin_ns;
}

void run_restore_window(struct run *run, const struct cluster_run *state,
                        const struct aggregate_share *shares, size_t n,
                        const struct metrics_window *w)
{
    int64_t whole = whole_k(run, state, true);

    judge_to(run, whole < w->k ? whole : w->k - 1);
    aggregate_add_merged(run->aggregate, shares, n, w);
    run->changed_k = INT64_MIN;
}

void run_hold(struct run *run, int64_t until_ns)
{
    run->hold_ns = until_ns;
}

void run_add_outage(struct run *run, int64_t from_ns, int64_t to_ns)
{
    run->outages = xreallocarray(run->outages, run->n_outages + 1, sizeof *run->outages);
    run->outages[run->n_outages++] = (struct result_outage){from_ns, to_ns};
}

// The newest window tells the second; the FIN, sent right after the last completion, the rest.
int64_t run_duration_ns(const struct run *run, const struct cluster_run *state, int64_t now_ns)
{
    int64_t least = aggregate_newest(run->aggregate) * NS_PER_S, most = least + NS_PER_S;
    int64_t last_ns = state->ended_ns == 0 ? now_ns : run->last_fin_ns;
    int64_t duration_ns = last_ns == 0 ? most : last_ns - state->t0_ns;

    if (state->t0_ns == 0 || most <= 0)
        return 0;
    if (duration_ns > most && state->ended_ns != 0)
        duration_ns = most;
    return duration_ns < least ? least : duration_ns;
}

static enum result_member_state result_state(const struct cluster_member *m)
{
    static const enum result_member_state states[CLUSTER_MEMBER_STATE__COUNT] = {
        [CLUSTER_DONE] = RESULT_MEMBER_DONE, [CLUSTER_LOST] = RESULT_MEMBER_LOST};

    return m->observer ? RESULT_MEMBER_OBSERVER : states[m->state];
}

static int by_node(const void *a, const void *b)
{
    const struct result_member *x = a, *y = b;

    return strcmp(x->node, y->node);
}

// Of a run that is over; freed by judge_verdicts_free.
static struct judge_verdict *verdicts_of(const struct run *run, const struct cluster_run *state,
                                         int64_t duration_ns)
{
    struct judge_verdict *verdicts = xcalloc(plan_n_series(run->plan), sizeof *verdicts);

    judge_verdicts(run->judge, aggregate_totals(run->aggregate), duration_ns / NS_PER_MS,
                   state->stop != CLUSTER_GO, verdicts);
    return verdicts;
}

// Since T0; the caller frees the list.
static struct result_outage *outages_of(const struct run *run, const struct cluster_run *state)
{
    struct result_outage *list = xcalloc(run->n_outages, sizeof *list);

    for (size_t i = 0; i < run->n_outages; i++) {
        list[i].from_ns = run->outages[i].from_ns - state->t0_ns;
        list[i].to_ns = run->outages[i].to_ns - state->t0_ns;
    }
    return list;
}

json_t *run_result(const struct run *run, const struct cluster_run *state, int64_t now_ns)
{
    struct result_member *members = xcalloc(state->n_members, sizeof *members);
    int64_t duration_ns = run_duration_ns(run, state, now_ns);
    struct judge_verdict *verdicts = NULL;
    struct result_outage *outages = outages_of(run, state);

    if (state->ended_ns != 0)
        verdicts = verdicts_of(run, state, duration_ns);
    for (size_t i = 0; i < state->n_members; i++) {
        const struct cluster_member *m = state->members[i];
        const struct run_part *part = run_part_at(run, m->source);
        members[i] = (struct result_member){
            .node = m->node->name,
            .state = result_state(m),
            .reason = m->reason,
            .last_k = part->last_k,
            .has_start = part->has_fin && part->fin.has_start,
            .start_skew_ns = part->fin.start_skew_ns,
            .start_error_ns = part->fin.start_error_ns,
            .joined_ns = part->has_fin ? part->fin.joined_ns : 0,
            .has_totals = part->has_fin && !part->fin.no_totals,
            .totals = part->fin.totals,
            .errors = part->errors,
            .merged = part->merged,
            .generator = aggregate_generator(run->aggregate, m->source),
        };
    }
    if (state->n_members > 0)
        qsort(members, state->n_members, sizeof *members, by_node);
    struct result_input in = {
        .run_id = run->id,
        .plan = run->plan,
        .digest = state->digest,
        .started_wall_ms = run->started_ms,
        .seed = state->seed,
        .duration_ns = duration_ns,
        .running = state->ended_ns == 0,
        .cancelled = state->stop != CLUSTER_GO,
        .durable = run->durable,
        .min_members = state->min_members,
        .late_windows = run->late_windows,
        .late_requests = run->late_requests,
        .members = members,
        .n_members = state->n_members,
        .aggregate = run->aggregate,
        .verdicts = verdicts,
        .outages = outages,
        .n_outages = run->n_outages,
    };
    in.ends = judge_ends(run->judge, &in.n_ends);
    json_t *result = result_build(&in);
    judge_verdicts_free(verdicts, plan_n_series(run->plan));
    free(members);
    free(outages);
    return result;
}

const struct aggregate_point *run_take_changed(struct run *run, bool all, size_t max, size_t *ret_n)
{
    size_t n, skip = 0;
    const struct aggregate_point *points = aggregate_points(run->aggregate, &n);

    while (!all && skip < n && points[skip].k < run->changed_k)
        skip++;
    if (n - skip > max)
        skip = n - max;
    if (!all)
        run->changed_k = INT64_MAX;
    *ret_n = n - skip;
    return skip == n ? NULL : points + skip;
}
