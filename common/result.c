#include "common/result.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/rule.h"

#define SCHEMA   "lps.result/1"
#define TEXT_MAX 500 // bytes of a reason or a name

// The default failure rule of the reference: shares of all responses that are errors, and that are
// 5xx.
#define ERROR_SHARE_MAX 0.05
#define SHARE_5XX_MAX   0.01

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

// What peers say may be any bytes; jansson takes UTF-8 only.
static json_t *text_or_null(const char *text)
{
    if (text == NULL)
        return json_null();
    char *clean = str_clean(text, TEXT_MAX);
    json_t *json = json_string(clean);
    free(clean);
    return json;
}

static json_t *latency_json(const struct hist *h)
{
    return json_pack("{s:o s:o s:f s:o s:o s:o s:o s:o s:o}", "count", number(h->count), "min",
                     number(h->min), "mean", hist_mean(h), "p50", number(hist_percentile(h, 50)),
                     "p90", number(hist_percentile(h, 90)), "p95", number(hist_percentile(h, 95)),
                     "p99", number(hist_percentile(h, 99)), "p999",
                     number(hist_percentile(h, 99.9)), "max", number(h->max));
}

static json_t *errors_json(const struct metrics_series *s)
{
    json_t *list = json_array();

    for (int kind = 1; kind < METRICS_ERROR__COUNT; kind++) {
        const struct metrics_error_count *e = &s->error[kind];
        if (e->count > 0)
            json_array_append_new(
                list,
                json_pack("{s:s s:o s:I s:I s:o}", "kind", metrics_error_name[kind], "count",
                          number(e->count), "firstSecond", (json_int_t)e->first_k, "lastSecond",
                          (json_int_t)e->last_k, "example", text_or_null(e->example)));
    }
    return list;
}

static json_t *series_json(const struct metrics_series *s, uint64_t errors, double seconds)
{
    const struct metrics_counters *n = &s->n;
    uint64_t ended = n->completed + n->failed;
    json_t *status = json_object(), *latency = json_object();

    for (int code = 100; code < 600; code++) {
        char name[12];
        snprintf(name, sizeof name, "%d", code);
        if (s->status[code] > 0)
            json_object_set_new(status, name, number(s->status[code]));
    }
    for (int kind = 1; kind < METRICS_LATENCY__COUNT; kind++) {
        if (s->latency[kind].count > 0)
            json_object_set_new(latency, metrics_latency_name[kind],
                                latency_json(&s->latency[kind]));
    }
    return json_pack(
        "{s:o s:o s:o s:o s:o s:o s:o s:f s:f s:o s:o s:o s:{s:o s:o s:o s:o} s:{s:o s:o}}",
        "requests", number(n->started), "completed", number(n->completed), "failed",
        number(n->failed), "aborted", number(n->aborted), "dropped", number(n->dropped), "skipped",
        number(n->skipped), "errors", number(errors), "errorRatio",
        ended > 0 ? (double)errors / (double)ended : 0.0, "ratePerSecond",
        seconds > 0 ? (double)n->completed / seconds : 0.0, "statusCodes", status, "errorKinds",
        errors_json(s), "latencyUs", latency, "bytes", "sent", number(n->bytes_sent), "received",
        number(n->bytes_received), "bodySent", number(n->body_sent), "bodyReceived",
        number(n->body_received), "connections", "opened", number(n->connects), "reused",
        number(n->reused));
}

// Of each series by its own rules; the caller frees the list.
static uint64_t *errors_of(const struct result_input *in)
{
    uint64_t *errors = xcalloc(plan_n_series(in->plan), sizeof *errors);

    for (uint32_t id = 0; id < plan_n_series(in->plan); id++) {
        const struct plan_round *round;
        const struct plan_iteration *iteration;
        struct rule_errors codes;
        plan_series(in->plan, id, &round, &iteration);
        rule_errors_init(&codes, iteration->failure, iteration->n_failure);
        errors[id] = rule_n_errors(&codes, &aggregate_totals(in->aggregate)[id]);
    }
    return errors;
}

// What is known of a series so far.
static struct judge_verdict status_of(const struct result_input *in, uint32_t id)
{
    if (in->verdicts != NULL)
        return in->verdicts[id];
    for (size_t i = 0; i < in->n_ends; i++)
        if (in->ends[i].series == id)
            return (struct judge_verdict){JUDGE_TERMINATED, (char *)in->ends[i].rule,
                                          in->ends[i].value, in->ends[i].k};
    return (struct judge_verdict){.k = -1};
}

static void add_status(json_t *series, const struct judge_verdict *v)
{
    json_object_set_new(
        series, "status",
        text_or_null(v->status == JUDGE_UNDEFINED ? NULL : judge_status_name[v->status]));
    json_object_set_new(series, "rule", text_or_null(v->rule));
    json_object_set_new(series, "value",
                        v->rule == NULL || isnan(v->value) ? json_null() : json_real(v->value));
    json_object_set_new(series, "second", v->k < 0 ? json_null() : json_integer(v->k));
}

static json_t *all_series_json(const struct result_input *in, const uint64_t *errors,
                               double seconds)
{
    json_t *list = json_array();

    for (uint32_t id = 0; id < plan_n_series(in->plan); id++) {
        const struct plan_round *round;
        const struct plan_iteration *iteration;
        struct judge_verdict status = status_of(in, id);
        plan_series(in->plan, id, &round, &iteration);
        json_t *series = series_json(&aggregate_totals(in->aggregate)[id], errors[id], seconds);
        json_object_set_new(series, "round", json_string(round->name));
        json_object_set_new(series, "iteration", json_string(iteration->name));
        add_status(series, &status);
        json_array_append_new(list, series);
    }
    return list;
}

// The host of each series; the caller frees the list.
static const char **hosts_of(const struct plan *plan)
{
    const char **hosts = xcalloc(plan_n_series(plan), sizeof *hosts);
    uint32_t id = 0;

    for (size_t i = 0; i < plan->n_rounds; i++)
        for (size_t j = 0; j < plan->rounds[i].n_iterations; j++)
            hosts[id++] = plan->rounds[i].iterations[j].url.authority;
    return hosts;
}

// All series of one host in one; NULL marks those that are done.
static json_t *host_json(const char **hosts, uint32_t first, const struct result_input *in,
                         const uint64_t *errors, double seconds)
{
    struct metrics_series *sum = xcalloc(1, sizeof *sum);
    const char *host = hosts[first];
    uint64_t n_errors = 0;

    for (uint32_t id = first, n = plan_n_series(in->plan); id < n; id++) {
        if (hosts[id] == NULL || strcmp(hosts[id], host) != 0)
            continue;
        metrics_merge_later(sum, &aggregate_totals(in->aggregate)[id]);
        n_errors += errors[id];
        hosts[id] = NULL;
    }
    json_t *json = series_json(sum, n_errors, seconds);
    json_object_set_new(json, "host", text_or_null(host));
    metrics_series_done(sum);
    free(sum);
    return json;
}

// In the order of the plan.
static json_t *all_hosts_json(const struct result_input *in, const uint64_t *errors, double seconds)
{
    const char **hosts = hosts_of(in->plan);
    uint32_t n = plan_n_series(in->plan);
    json_t *list = json_array();

    for (uint32_t id = 0; id < n; id++)
        if (hosts[id] != NULL)
            json_array_append_new(list, host_json(hosts, id, in, errors, seconds));
    free(hosts);
    return list;
}

#define COLUMN(name, field)                           \
    {                                                 \
        name, offsetof(struct aggregate_point, field) \
    }

static const struct {
    const char *name;
    size_t offset; // of a 64-bit field
} columns[] = {
    COLUMN("k", k),
    COLUMN("workers", n_sources),
    COLUMN("requests", started),
    COLUMN("completed", completed),
    COLUMN("failed", failed),
    COLUMN("errors", errors),
    COLUMN("dropped", dropped),
    COLUMN("pausedUs", paused_us),
    COLUMN("generator", generator),
    COLUMN("inFlight", in_flight),
    COLUMN("bytesSent", bytes_sent),
    COLUMN("bytesReceived", bytes_received),
    COLUMN("p50Us", p50_us),
    COLUMN("p90Us", p90_us),
    COLUMN("p95Us", p95_us),
    COLUMN("p99Us", p99_us),
    COLUMN("p999Us", p999_us),
    COLUMN("maxUs", max_us),
};

json_t *result_points(const struct aggregate_point *points, size_t n)
{
    json_t *all = json_object();

    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
        json_t *column = json_array();
        for (size_t i = 0; i < n; i++) {
            json_int_t value;
            memcpy(&value, (const char *)&points[i] + columns[c].offset, sizeof value);
            json_array_append_new(column, json_integer(value));
        }
        json_object_set_new(all, columns[c].name, column);
    }
    return all;
}

static const char *const member_state_name[] = {
    [RESULT_MEMBER_UNDEFINED] = "active",
    [RESULT_MEMBER_DONE] = "done",
    [RESULT_MEMBER_LOST] = "lost",
    [RESULT_MEMBER_OBSERVER] = "observer",
};

static json_t *ms_or_null(bool known, int64_t ns)
{
    return known ? json_real((double)ns / NS_PER_MS) : json_null();
}

json_t *result_generator(const struct generator *g)
{
    static const struct generator none;

    if (g == NULL)
        g = &none;
    struct generator_look look = generator_verdict(g);
    char *text = generator_text(g);
    json_t *json = json_pack("{s:s s:o s:s}", "state", generator_state_name[look.state], "limit",
                             text_or_null(generator_limit_name[look.limit]), "text", text);

    free(text);
    return json;
}

// That of the worker that was worst.
static json_t *all_generators_json(const struct result_input *in)
{
    const struct result_member *worst = NULL;
    enum generator_state state = GENERATOR_UNDEFINED;

    for (size_t i = 0; i < in->n_members; i++) {
        const struct result_member *m = &in->members[i];
        if (m->generator != NULL && generator_verdict(m->generator).state > state) {
            state = generator_verdict(m->generator).state;
            worst = m;
        }
    }
    json_t *json = result_generator(worst != NULL ? worst->generator : NULL);
    json_object_set_new(json, "node",
                        state > GENERATOR_CLEAN ? text_or_null(worst->node) : json_null());
    return json;
}

static json_t *member_json(const struct result_member *m)
{
    return json_pack("{s:o s:s s:o s:o s:o s:o s:o s:o s:f s:o}", "node", text_or_null(m->node),
                     "state", member_state_name[m->state], "reason", text_or_null(m->reason),
                     "lastSecond", m->last_k < 0 ? json_null() : json_integer(m->last_k),
                     "requests", number(m->merged.started), "errors", number(m->errors),
                     "startSkewMs", ms_or_null(m->has_start, m->start_skew_ns), "startErrorMs",
                     ms_or_null(m->has_start, m->start_error_ns), "joinedAfterSeconds",
                     (double)m->joined_ns / NS_PER_S, "generator", result_generator(m->generator));
}

// The worst start of those that began with the run.
static json_t *start_skew_json(const struct result_input *in)
{
    const struct result_member *worst = NULL;

    for (size_t i = 0; i < in->n_members; i++) {
        const struct result_member *m = &in->members[i];
        if (m->has_start && m->joined_ns == 0 &&
            (worst == NULL || llabs(m->start_skew_ns) > llabs(worst->start_skew_ns)))
            worst = m;
    }
    if (worst == NULL)
        return json_null();
    return json_pack("{s:f s:f}", "maxMs", (double)worst->start_skew_ns / NS_PER_MS, "errorMs",
                     (double)worst->start_error_ns / NS_PER_MS);
}

#define COUNTER(name, field)                           \
    {                                                  \
        name, offsetof(struct metrics_counters, field) \
    }

// What must agree: all but the gauges.
static const struct {
    const char *name;
    size_t offset;
} reconciled[] = {
    COUNTER("requests", started),
    COUNTER("completed", completed),
    COUNTER("failed", failed),
    COUNTER("aborted", aborted),
    COUNTER("dropped", dropped),
    COUNTER("skipped", skipped),
    COUNTER("bytesSent", bytes_sent),
    COUNTER("bytesReceived", bytes_received),
    COUNTER("bodySent", body_sent),
    COUNTER("bodyReceived", body_received),
    COUNTER("connectionsOpened", connects),
    COUNTER("connectionsReused", reused),
};
static_assert(sizeof reconciled / sizeof *reconciled + 2 == sizeof(struct metrics_counters) / 8,
              "a counter is missing");

static void reconcile(const struct result_member *m, json_t *differences)
{
    for (size_t i = 0; i < sizeof reconciled / sizeof *reconciled; i++) {
        uint64_t counted, merged;
        memcpy(&counted, (const char *)&m->totals + reconciled[i].offset, sizeof counted);
        memcpy(&merged, (const char *)&m->merged + reconciled[i].offset, sizeof merged);
        if (counted != merged)
            json_array_append_new(differences,
                                  json_pack("{s:o s:s s:o s:o}", "node", text_or_null(m->node),
                                            "counter", reconciled[i].name, "counted",
                                            number(counted), "merged", number(merged)));
    }
}

static json_t *reconciliation_json(const struct result_input *in)
{
    json_t *differences = json_array();

    for (size_t i = 0; i < in->n_members; i++) {
        if (in->members[i].has_totals)
            reconcile(&in->members[i], differences);
    }
    return json_pack("{s:b s:o}", "agrees", json_array_size(differences) == 0, "differences",
                     differences);
}

static void add_text(json_t *list, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add_text(json_t *list, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    json_array_append_new(list, text_or_null(text));
    free(text);
}

// Why the default failure rule fires, or nothing.
static void judge_total(const struct metrics_series *total, json_t *reasons)
{
    uint64_t ended = total->n.completed + total->n.failed, errors = metrics_n_errors(total);
    uint64_t n_5xx = metrics_n_5xx(total);

    if ((double)errors > ERROR_SHARE_MAX * (double)ended)
        add_text(reasons,
                 "%" PRIu64 " of %" PRIu64 " requests are errors (%.2f %%): more than %.0f %%",
                 errors, ended, 100 * (double)errors / (double)ended, 100 * ERROR_SHARE_MAX);
    if ((double)n_5xx > SHARE_5XX_MAX * (double)ended)
        add_text(reasons,
                 "%" PRIu64 " of %" PRIu64
                 " requests were answered 5xx (%.2f %%): more than %.0f %%",
                 n_5xx, ended, 100 * (double)n_5xx / (double)ended, 100 * SHARE_5XX_MAX);
}

// One that is over for a rule: which, and what it came to.
static void judge_series(const struct result_input *in, uint32_t id, json_t *reasons)
{
    const struct judge_verdict *v = &in->verdicts[id];
    const struct plan_round *round;
    const struct plan_iteration *iteration;
    char when[40] = "", value[60] = "";

    if (v->status != JUDGE_FAILED && v->status != JUDGE_TERMINATED)
        return;
    plan_series(in->plan, id, &round, &iteration);
    if (v->status == JUDGE_TERMINATED)
        snprintf(when, sizeof when, " at second %" PRId64, v->k);
    if (!isnan(v->value))
        snprintf(value, sizeof value, v->value < 1e6 ? " (was %.6g)" : " (was %.0f)", v->value);
    add_text(reasons, "%s/%s %s%s: %s%s%s", round->name, iteration->name,
             v->status == JUDGE_FAILED ? "failed" : "was terminated", when, v->rule, value,
             v->status == JUDGE_FAILED && iteration->n_failure == 0 ? ", the default rule" : "");
}

static void judge_load(const struct result_input *in, json_t *reasons)
{
    const struct metrics_series *total = aggregate_total(in->aggregate);

    if (total->n.completed + total->n.failed == 0 &&
        (total->n.started > 0 || total->n.skipped == 0))
        add_text(reasons,
                 total->n.started == 0 ? "no request was sent" : "no request was answered");
    if (in->verdicts == NULL)
        judge_total(total, reasons);
    for (uint32_t id = 0; in->verdicts != NULL && id < plan_n_series(in->plan); id++)
        judge_series(in, id, reasons);
}

static void judge_members(const struct result_input *in, json_t *reasons)
{
    uint32_t n_done = 0;

    for (size_t i = 0; i < in->n_members; i++) {
        const struct result_member *m = &in->members[i];
        n_done += m->state == RESULT_MEMBER_DONE;
        if (m->state == RESULT_MEMBER_LOST && m->last_k >= 0)
            add_text(reasons, "%s was lost (%s): data to second %" PRId64, m->node,
                     m->reason ? m->reason : "no reason known", m->last_k);
        else if (m->state == RESULT_MEMBER_LOST)
            add_text(reasons, "%s was lost (%s): no data", m->node,
                     m->reason ? m->reason : "no reason known");
    }
    if (n_done < in->min_members)
        add_text(reasons, "%u of %u workers came to the end", n_done, in->min_members);
}

static void judge_differences(const json_t *reconciliation, json_t *reasons)
{
    size_t i;
    const json_t *d;

    json_array_foreach(json_object_get(reconciliation, "differences"), i, d) add_text(
        reasons, "%s counted %s %" JSON_INTEGER_FORMAT ", merged are %" JSON_INTEGER_FORMAT,
        json_string_value(json_object_get(d, "node")),
        json_string_value(json_object_get(d, "counter")),
        json_integer_value(json_object_get(d, "counted")),
        json_integer_value(json_object_get(d, "merged")));
}

static json_t *verdict_json(const struct result_input *in, json_t *reconciliation, json_t *flags)
{
    json_t *reasons = json_array(), *degraded = json_array();
    size_t n_failed;
    enum result_exit code = RESULT_PASSED;
    const char *status = "passed";

    judge_load(in, reasons);
    n_failed = json_array_size(reasons);
    judge_members(in, degraded);
    if (json_array_size(degraded) > 0)
        json_array_append_new(flags, json_string("degraded"));
    if (!json_is_true(json_object_get(reconciliation, "agrees"))) {
        json_array_append_new(flags, json_string("unreconciled"));
        judge_differences(reconciliation, degraded);
    }
    if (n_failed > 0) {
        code = RESULT_FAILED;
        status = "failed";
    }
    if (json_array_size(degraded) > 0) {
        code = RESULT_DEGRADED;
        status = "degraded";
    }
    if (in->cancelled) {
        code = RESULT_CANCELLED;
        status = "cancelled";
    }
    json_array_extend(degraded, reasons);
    json_decref(reasons);
    return json_pack("{s:i s:s s:o}", "exitCode", code, "status", status, "reasons", degraded);
}

static json_t *outages_json(const struct result_input *in)
{
    json_t *list = json_array();

    for (size_t i = 0; i < in->n_outages; i++) {
        const struct result_outage *o = &in->outages[i];
        json_array_append_new(list,
                              json_pack("{s:f s:f}", "second", (double)o->from_ns / NS_PER_S,
                                        "seconds", (double)(o->to_ns - o->from_ns) / NS_PER_S));
    }
    return list;
}

json_t *result_build(const struct result_input *in)
{
    double seconds = (double)in->duration_ns / NS_PER_S;
    json_t *flags = json_array(), *workers = json_array(),
           *reconciliation = reconciliation_json(in);
    json_t *verdict = in->running ? json_null() : verdict_json(in, reconciliation, flags);
    char hex[65];
    size_t n_points;
    uint64_t *errors = errors_of(in), n_errors = 0;
    const struct aggregate_point *points = aggregate_points(in->aggregate, &n_points);

    if (in->cancelled)
        json_array_append_new(flags, json_string("cancelled"));
    if (!in->durable)
        json_array_append_new(flags, json_string("not-durable"));
    if (in->n_outages > 0)
        json_array_append_new(flags, json_string("master-restarted"));
    str_hex(in->digest, 32, hex);
    for (uint32_t id = 0; id < plan_n_series(in->plan); id++)
        n_errors += errors[id];
    for (size_t i = 0; i < in->n_members; i++)
        json_array_append_new(workers, member_json(&in->members[i]));
    json_t *result = json_pack(
        "{s:s s:{s:s s:s s:s s:I s:I s:f s:o} s:o s:o s:o s:o s:{s:o s:o} s:o s:o s:o s:o s:o s:o}",
        "schema", SCHEMA, "run", "id", in->run_id, "plan", in->plan->name, "digest", hex, "seed",
        (json_int_t)in->seed, "startedAt", (json_int_t)in->started_wall_ms, "durationSeconds",
        seconds, "flags", flags, "verdict", verdict, "workers", workers, "startSkew",
        start_skew_json(in), "reconciliation", reconciliation, "late", "windows",
        number(in->late_windows), "requests", number(in->late_requests), "outages",
        outages_json(in), "generator", all_generators_json(in), "totals",
        series_json(aggregate_total(in->aggregate), n_errors, seconds), "series",
        all_series_json(in, errors, seconds), "hosts", all_hosts_json(in, errors, seconds),
        "timeline", result_points(points, n_points));
    free(errors);
    return result;
}

void result_be_strict(json_t *result)
{
    json_t *verdict = json_object_get(result, "verdict");
    const json_t *generator = json_object_get(result, "generator");
    const char *state = json_string_value(json_object_get(generator, "state"));

    if (result_exit_code(result) != RESULT_PASSED || state == NULL ||
        strcmp(state, generator_state_name[GENERATOR_LIMITED]) != 0)
        return;
    json_object_set_new(verdict, "exitCode", json_integer(RESULT_GENERATOR));
    json_object_set_new(verdict, "status", json_string(state));
    add_text(json_object_get(verdict, "reasons"), "%s: %s",
             json_string_value(json_object_get(generator, "node")),
             json_string_value(json_object_get(generator, "text")));
}

int result_exit_code(const json_t *result)
{
    const json_t *code = json_object_get(json_object_get(result, "verdict"), "exitCode");

    return json_is_integer(code) ? (int)json_integer_value(code) : RESULT_CLUSTER;
}
