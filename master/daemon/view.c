#include "master/daemon/view.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/result.h"
#include "common/str.h"

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static uint32_t count_members(const struct cluster_run *state, enum cluster_member_state which)
{
    uint32_t n = 0;

    for (size_t i = 0; i < state->n_members; i++)
        n += state->members[i]->state == which && !state->members[i]->observer;
    return n;
}

static int64_t elapsed_ns(const struct cluster_run *state, int64_t now_ns)
{
    int64_t end_ns = state->ended_ns == 0 ? now_ns : state->ended_ns;

    return state->t0_ns == 0 || end_ns < state->t0_ns ? 0 : end_ns - state->t0_ns;
}

char *view_status(const struct view *v, char *out, size_t size)
{
    const struct cluster_run *state = cluster_run(v->cluster);
    double lead_s;

    switch (cluster_is_open(v->cluster) ? state->state : CLUSTER_IDLE) {
    case CLUSTER_CREATED:
        snprintf(out, size, "%" PRIu32 "/%" PRIu32 " workers", state->counted, state->expected);
        break;
    case CLUSTER_READY:
        lead_s = (double)(state->t0_ns > v->now_ns ? state->t0_ns - v->now_ns : 0) / NS_PER_S;
        snprintf(out, size, "%" PRIu32 "/%" PRIu32 " workers, starts in %.1f s", state->counted,
                 state->expected, lead_s);
        break;
    case CLUSTER_RUNNING:
        snprintf(out, size, "%" PRIu32 " workers, %" PRId64 " s, %" PRIu64 " requests%s",
                 count_members(state, CLUSTER_ACTIVE),
                 (int64_t)(elapsed_ns(state, v->now_ns) / NS_PER_S),
                 aggregate_total(v->run->aggregate)->n.started,
                 state->stop == CLUSTER_GO ? "" : ", cancelling");
        break;
    default:
        snprintf(out, size, "no run");
    }
    return out;
}

static json_t *nodes_json(const struct view *v)
{
    size_t n;
    struct cluster_node *const *nodes = cluster_nodes(v->cluster, &n);
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        const struct cluster_node *node = nodes[i];
        json_array_append_new(
            list,
            json_pack("{s:s s:b s:s s:I s:I s:I s:I s:s s:s s:s s:I s:I s:I s:I}", "node",
                      node->name, "connected", node->session != NULL, "version",
                      node->facts.version, "epoch", (json_int_t)node->epoch, "cpus",
                      (json_int_t)node->facts.cpus, "memoryBytes",
                      (json_int_t)node->facts.memory_bytes, "fdLimit",
                      (json_int_t)node->facts.fd_limit, "os", node->facts.os, "kernel",
                      node->facts.kernel, "arch", node->facts.arch, "clockSamples",
                      (json_int_t)node->n_samples, "rttUs", (json_int_t)(node->rtt_ns / NS_PER_US),
                      "clockErrorUs", (json_int_t)(node->error_ns / NS_PER_US), "lastSeenMs",
                      (json_int_t)((v->now_ns - node->seen_ns) / NS_PER_MS)));
    }
    return list;
}

// Node states are spelt like run states.
static const char *member_word(const struct cluster_member *m)
{
    static const enum cluster_state words[CLUSTER_MEMBER_STATE__COUNT] = {
        [CLUSTER_WAITING] = CLUSTER_CREATED,
        [CLUSTER_ACTIVE] = CLUSTER_RUNNING,
        [CLUSTER_DONE] = CLUSTER_STOPPED,
        [CLUSTER_LOST] = CLUSTER_FAILED};

    return cluster_state_name[words[m->state]];
}

static json_t *us_or_null(bool known, int64_t ns)
{
    return known ? json_integer(ns / NS_PER_US) : json_null();
}

static json_t *members_json(const struct cluster_run *state, const struct run *run)
{
    json_t *list = json_array();

    for (size_t i = 0; i < state->n_members; i++) {
        const struct cluster_member *m = state->members[i];
        const struct run_part *part = run_part_at(run, m->source);
        bool has_start = part->has_fin && part->fin.has_start;
        json_array_append_new(
            list,
            json_pack("{s:s s:s s:b s:b s:b s:s? s:I s:o s:o s:o s:o s:o s:I s:o}", "node",
                      m->node->name, "state", member_word(m), "counted", m->counted, "observer",
                      m->observer, "late", m->late, "reason", m->reason, "lastK",
                      (json_int_t)part->last_k, "requests", number(part->merged.started), "errors",
                      number(part->errors), "inFlight", number(part->merged.in_flight),
                      "startSkewUs", us_or_null(has_start, part->fin.start_skew_ns), "startErrorUs",
                      us_or_null(has_start, part->fin.start_error_ns), "joinedMs",
                      (json_int_t)(part->has_fin ? part->fin.joined_ns / NS_PER_MS : 0),
                      "generator",
                      result_generator(aggregate_generator(run->aggregate, m->source))));
    }
    return list;
}

static json_t *series_json(const struct plan *plan)
{
    json_t *list = json_array();

    for (uint32_t id = 0; id < plan_n_series(plan); id++) {
        const struct plan_round *round;
        const struct plan_iteration *iteration;
        plan_series(plan, id, &round, &iteration);
        json_array_append_new(
            list, json_pack("{s:s s:s}", "round", round->name, "iteration", iteration->name));
    }
    return list;
}

// Iterations that a rule has ended, in that order.
static json_t *ended_json(const struct run *run)
{
    json_t *list = json_array();
    size_t n;
    const struct judge_end *ends = judge_ends(run->judge, &n);

    for (size_t i = 0; i < n; i++) {
        const struct plan_round *round;
        const struct plan_iteration *iteration;
        plan_series(run->plan, ends[i].series, &round, &iteration);
        json_array_append_new(
            list,
            json_pack("{s:s s:s s:I s:s s:o}", "round", round->name, "iteration", iteration->name,
                      "k", (json_int_t)ends[i].k, "rule", ends[i].rule, "value",
                      isnan(ends[i].value) ? json_null() : json_real(ends[i].value)));
    }
    return list;
}

json_t *view_flags(const struct cluster_run *state, const struct run *run)
{
    if (run->result != NULL)
        return json_deep_copy(json_object_get(json_object_get(run->result, "run"), "flags"));
    json_t *flags = json_array();
    if (count_members(state, CLUSTER_LOST) > 0)
        json_array_append_new(flags, json_string("degraded"));
    if (state->stop != CLUSTER_GO)
        json_array_append_new(flags, json_string("cancelled"));
    if (!run->durable)
        json_array_append_new(flags, json_string("not-durable"));
    return flags;
}

static json_t *totals_json(const struct metrics_series *s)
{
    return json_pack("{s:o s:o s:o s:o s:o s:o}", "requests", number(s->n.started), "completed",
                     number(s->n.completed), "failed", number(s->n.failed), "aborted",
                     number(s->n.aborted), "errors", number(metrics_n_errors(s)), "dropped",
                     number(s->n.dropped));
}

static json_t *run_json(const struct view *v)
{
    static const char *const stop[] = {"none", "drain", "abort"};
    const struct cluster_run *state = cluster_run(v->cluster);
    const struct run *run = v->run;
    bool waits = state->state == CLUSTER_CREATED && state->counted < state->expected;
    char hex[65];

    str_hex(state->digest, sizeof state->digest, hex);
    return json_pack("{s:s s:s s:s s:s s:i s:i s:I s:I s:I s:s s:i s:I s:o s:o s:o s:o s:I s:o}",
                     "id", state->id, "plan", state->plan_name, "digest", hex, "state",
                     cluster_state_name[state->state], "counted", (int)state->counted, "expected",
                     (int)state->expected, "openedAt", (json_int_t)run->opened_ms, "startsAt",
                     (json_int_t)run->started_ms, "elapsedMs",
                     (json_int_t)(elapsed_ns(state, v->now_ns) / NS_PER_MS), "stop",
                     stop[state->stop], "missing",
                     waits ? (int)(state->expected - state->counted) : 0, "seed",
                     (json_int_t)state->seed, "flags", view_flags(state, run), "members",
                     members_json(state, run), "series", series_json(run->plan), "ended",
                     ended_json(run), "k", (json_int_t)aggregate_newest(run->aggregate), "totals",
                     totals_json(aggregate_total(run->aggregate)));
}

json_t *view_state(const struct view *v)
{
    char status[128];

    return json_pack("{s:s s:I s:s s:s s:s s:s s:i s:b s:o s:o s:{s:o s:o s:o s:o}}", "schema",
                     "lps.state/1", "t", (json_int_t)v->now_ms, "version", LPS_VERSION, "node",
                     v->node, "state", cluster_state_name[cluster_global_state(v->cluster)],
                     "status", view_status(v, status, sizeof status), "expectedWorkers",
                     (int)v->expected, "masterNodeIsWorker", v->master_is_worker, "nodes",
                     nodes_json(v), "run", v->run == NULL ? json_null() : run_json(v), "counters",
                     "badMessages", number(v->bad_messages), "badRequests", number(v->bad_requests),
                     "lateWindows", number(v->late_windows), "lateRequests",
                     number(v->late_requests));
}

static json_t *counted_json(const struct metrics_series *s, json_t *totals)
{
    json_t *codes = json_object(), *kinds = json_object();
    char name[12];

    for (int code = 100; code < 600; code++) {
        snprintf(name, sizeof name, "%d", code);
        if (s->status[code] > 0)
            json_object_set_new(codes, name, number(s->status[code]));
    }
    for (int kind = 1; kind < METRICS_ERROR__COUNT; kind++)
        if (s->error[kind].count > 0)
            json_object_set_new(kinds, metrics_error_name[kind], number(s->error[kind].count));
    json_object_set_new(totals, "statusCodes", codes);
    json_object_set_new(totals, "errorKinds", kinds);
    return totals;
}

json_t *view_frame(const struct run *run, const struct aggregate_point *points, size_t n)
{
    static const struct {
        const char *name;
        double p;
    } percentiles[] = {
        {"p50Us", 50}, {"p90Us", 90}, {"p95Us", 95}, {"p99Us", 99}, {"p999Us", 99.9}};
    const struct metrics_series *total = aggregate_total(run->aggregate);
    const struct hist *service = &total->latency[METRICS_SERVICE];
    const struct hist *response = &total->latency[METRICS_RESPONSE];
    json_t *totals = counted_json(total, totals_json(total));

    for (size_t i = 0; i < sizeof percentiles / sizeof *percentiles; i++)
        json_object_set_new(totals, percentiles[i].name,
                            number(hist_percentile(service, percentiles[i].p)));
    json_object_set_new(totals, "maxUs", number(service->max));
    if (response->count > 0) {
        json_object_set_new(totals, "responseP50Us", number(hist_percentile(response, 50)));
        json_object_set_new(totals, "responseP99Us", number(hist_percentile(response, 99)));
    }
    return json_pack("{s:s s:I s:o s:o}", "run", run->id, "k",
                     (json_int_t)aggregate_newest(run->aggregate), "points",
                     result_points(points, n), "totals", totals);
}
