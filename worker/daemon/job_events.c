#include "worker/daemon/job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/result.h"
#include "common/str.h"
#include "common/wire.h"

static const char *state_word(Lps__V1__State state)
{
    static const char *const words[] = {
        [LPS__V1__STATE__CREATED] = "Created", [LPS__V1__STATE__READY] = "Ready",
        [LPS__V1__STATE__RUNNING] = "Running", [LPS__V1__STATE__STOPPED] = "Stopped",
        [LPS__V1__STATE__FAILED] = "Failed",
    };

    return state > 0 && (size_t)state < sizeof words / sizeof *words ? words[state] : "Created";
}

static json_t *members_json(const Lps__V1__RunState *state)
{
    json_t *list = json_array();

    for (size_t i = 0; state != NULL && i < state->n_members; i++) {
        const Lps__V1__MemberState *m = state->members[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:b}", "node", m->node, "state",
                                              state_word(m->state), "counted", m->counted,
                                              "observer", m->observer));
    }
    return list;
}

char *job_describe(const struct job *job, char *out, size_t size)
{
    if (!job->queued)
        return member_describe(&job->member, out, size);
    snprintf(out, size, "%s", job->waits_for != NULL ? job->waits_for : "queued");
    return out;
}

json_t *job_state_event(const struct job *job, int64_t now_ns)
{
    const struct member *m = &job->member;
    char message[256];
    json_t *event =
        json_pack("{s:s, s:I, s:s, s:s, s:s, s:s?, s:s, s:I, s:I, s:o, s:b, s:b}", "event", "state",
                  "t", (json_int_t)clock_wall_ms(), "submissionId", job->submission->id, "state",
                  job->queued ? "queued" : member_state_name[m->state], "message",
                  job_describe(job, message, sizeof message), "run", job->run, "plan",
                  job->submission->plan->name, "counted", (json_int_t)m->counted, "expected",
                  (json_int_t)m->expected, "members", members_json(job->state), "observer",
                  m->observer, "late", m->late);

    if (m->state == MEMBER_READY) {
        int64_t ns = m->start_ns > now_ns ? m->start_ns - now_ns : 0;
        json_object_set_new(event, "startsInMs", json_integer(ns / NS_PER_MS));
    }
    return event;
}

json_t *job_notice_event(const char *level, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    json_t *event = json_pack("{s:s, s:I, s:s, s:s}", "event", "notice", "t",
                              (json_int_t)clock_wall_ms(), "level", level, "message", text);
    free(text);
    return event;
}

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *node_numbers(const struct job *job)
{
    const struct aggregate_point *point = NULL;
    const struct metrics_series *total;

    if (job->aggregate != NULL)
        point = aggregate_point_at(job->aggregate, job->last_k);
    if (point == NULL)
        return json_null();
    total = aggregate_total(job->aggregate);
    return json_pack("{s:i, s:o, s:o, s:f, s:o, s:o, s:o}", "workers", job->spawn != NULL ? 1 : 0,
                     "requests", number(total->n.started), "failed",
                     number(metrics_n_errors(total)), "ratePerSecond", (double)point->completed,
                     "inFlight", number(point->in_flight), "p50Us", number(point->p50_us), "p99Us",
                     number(point->p99_us));
}

static json_t *cluster_numbers(const Lps__V1__Progress *p)
{
    if (p == NULL)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:f, s:o, s:o, s:o}", "workers", number(p->workers),
                     "requests", number(p->requests), "failed", number(p->failed), "ratePerSecond",
                     p->rate, "inFlight", number(p->in_flight), "p50Us", number(p->p50_us), "p99Us",
                     number(p->p99_us));
}

json_t *job_progress_event(const struct job *job, int64_t now_ns)
{
    const struct member *m = &job->member;
    int64_t elapsed_ns = m->has_t0 && now_ns > m->k_origin_ns ? now_ns - m->k_origin_ns : 0;

    return json_pack("{s:s, s:I, s:I, s:o, s:o}", "event", "progress", "t",
                     (json_int_t)clock_wall_ms(), "elapsedMs", (json_int_t)(elapsed_ns / NS_PER_MS),
                     "node", node_numbers(job), "cluster", cluster_numbers(job->progress));
}

// The runner's own totals over all series.
static bool sum_totals(const struct job *job, struct metrics_counters *ret_totals)
{
    uint32_t n_series = plan_n_series(job->submission->plan);
    struct metrics_series *series = xcalloc(n_series + 1, sizeof *series);
    struct metrics_series *sum = &series[n_series];
    bool ok = job->fin != NULL &&
              wire_totals_decode(job->fin->n_totals, job->fin->totals, series, n_series) == 0;

    for (uint32_t i = 0; i < n_series; i++) {
        metrics_merge_later(sum, &series[i]);
        metrics_series_done(&series[i]);
    }
    if (ok)
        *ret_totals = sum->n;
    metrics_series_done(sum);
    free(series);
    return ok;
}

// The result over this node's own windows; null when it made no load.
static json_t *node_document(const struct job *job, const char *node)
{
    const struct member *m = &job->member;
    const struct metrics_series *total;
    Lps__V1__Fin fin;

    if (!m->started || job->aggregate == NULL)
        return json_null();
    total = aggregate_total(job->aggregate);
    job_fin(job, &fin);
    struct result_member self = {
        .node = node,
        .state = m->fin_failure == NULL ? RESULT_MEMBER_DONE : RESULT_MEMBER_LOST,
        .reason = m->fin_failure,
        .last_k = job->last_k,
        .errors = metrics_n_errors(total),
        .has_start = fin.has_start,
        .start_skew_ns = fin.start_skew_ns,
        .start_error_ns = fin.start_error_ns,
        .joined_ns = fin.joined_ns,
        .merged = total->n,
        .generator = aggregate_generator(job->aggregate, 0),
    };
    self.has_totals = sum_totals(job, &self.totals);
    return result_build(&(struct result_input){
        .run_id = job->run,
        .plan = job->submission->plan,
        .digest = job->submission->digest,
        .started_wall_ms = job->started_wall_ms,
        .seed = job->state->seed,
        .duration_ns = job->end_ns > m->start_ns ? job->end_ns - m->start_ns : 0,
        .cancelled = fin.cancelled,
        .durable = true,
        .min_members = 1,
        .members = &self,
        .n_members = 1,
        .aggregate = job->aggregate,
    });
}

json_t *job_result_event(const struct job *job, const char *node, json_t *document)
{
    return json_pack("{s:s, s:I, s:i, s:s?, s:o, s:o}", "event", "result", "t",
                     (json_int_t)clock_wall_ms(), "exitCode", job->member.exit_code, "message",
                     job->member.result_message, "result",
                     document != NULL ? document : json_null(), "node", node_document(job, node));
}
