#include "worker/daemon/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/str.h"
#include "common/wire.h"
#include "worker/daemon/share.h"

#define KEEP_S 2 // one runner sends its windows in order

struct job *job_new(struct event_base *base, struct submission *submission,
                    Lps__V1__HttpSettings *http, const struct member_config *config,
                    const struct job_ops *ops, void *arg)
{
    struct job *job = xcalloc(1, sizeof *job);

    *job = (struct job){
        .base = base, .ops = ops, .arg = arg, .submission = submission, .http = http, .last_k = -1};
    member_init(&job->member, clock_now().ns, config);
    job->said = json_array();
    job->ended = xcalloc(plan_n_series(submission->plan), sizeof *job->ended);
    job->feed = feed_new(base);
    job->spool = spool_new(SPOOL_BYTES_MAX, plan_n_series(submission->plan));
    job->aggregate = aggregate_new(plan_n_series(submission->plan), KEEP_S);
    return job;
}

static void drop_files(struct submission *s)
{
    for (size_t i = 0; i < s->n_files; i++)
        buf_done(&s->files[i].content);
    s->n_files = 0;
}

void job_shrink(struct job *job)
{
    spool_free(job->spool);
    aggregate_free(job->aggregate);
    job->spool = NULL;
    job->aggregate = NULL;
    if (job->fin != NULL)
        lps__v1__runner_fin__free_unpacked(job->fin, NULL);
    job->fin = NULL;
    drop_files(job->submission);
}

void job_free(struct job *job)
{
    if (job == NULL)
        return;
    spawn_free(job->spawn);
    job_shrink(job);
    feed_free(job->feed);
    member_done(&job->member);
    submission_free(job->submission);
    if (job->state != NULL)
        lps__v1__run_state__free_unpacked(job->state, NULL);
    if (job->progress != NULL)
        lps__v1__progress__free_unpacked(job->progress, NULL);
    json_decref(job->untold);
    json_decref(job->result);
    json_decref(job->document);
    json_decref(job->said);
    prepare_http_free(job->http);
    free(job->ended);
    free(job->failure);
    free(job->behind);
    free(job->waits_for);
    free(job->run);
    free(job);
}

bool job_is_open(const struct job *job)
{
    return job->member.state < MEMBER_DELIVERING;
}

// --- The runner ---

static void cut(struct job *job, const char *why)
{
    if (job->failure == NULL)
        job->failure = xstrdup(why);
    spawn_stop(job->spawn, true);
}

static void on_window(const Lps__V1__Window *message, void *arg)
{
    struct job *job = arg;
    struct metrics_window *w;

    if (job->failure != NULL)
        return;
    if (wire_window_decode(message, plan_n_series(job->submission->plan), &w) < 0) {
        cut(job, "runner sent a window that makes no sense");
        return;
    }
    int r = aggregate_add(job->aggregate, 0, w);
    metrics_window_free(w);
    if (r < 0) {
        cut(job, "runner sent a window of no second");
        return;
    }
    job->last_k = message->k;
    spool_add(job->spool, message);
    job->ops->on_window(job, job->arg);
}

static void on_warning(const char *text, void *arg)
{
    struct job *job = arg;

    job->ops->on_warning(job, text, job->arg);
}

static void on_fin(const Lps__V1__RunnerFin *fin, void *arg)
{
    struct job *job = arg;
    size_t len = lps__v1__runner_fin__get_packed_size(fin);
    uint8_t *bytes = xcalloc(1, len + 1);

    lps__v1__runner_fin__pack(fin, bytes);
    job->fin = lps__v1__runner_fin__unpack(NULL, len, bytes);
    job->end_ns = clock_now().ns;
    free(bytes);
}

static void on_exit_of_runner(const char *failure, void *arg)
{
    struct job *job = arg;
    char *why = job->failure != NULL ? xstrdup(job->failure)
                : failure != NULL    ? xstrdup(failure)
                                     : NULL;

    if (job->end_ns == 0)
        job->end_ns = clock_now().ns;
    spawn_free(job->spawn);
    job->spawn = NULL;
    free(job->failure);
    job->failure = why;
    job->ops->on_end(job, why, job->arg);
}

static int start_with_files(struct job *job, Lps__V1__RunnerStart *start)
{
    static const struct spawn_ops ops = {on_window, on_warning, on_fin, on_exit_of_runner};
    struct submission *s = job->submission;
    Lps__V1__File *files = xcalloc(s->n_files + 1, sizeof *files);
    Lps__V1__File **pointers = xcalloc(s->n_files + 1, sizeof *pointers);

    for (size_t i = 0; i < s->n_files; i++) {
        lps__v1__file__init(&files[i]);
        files[i].sha256 = (ProtobufCBinaryData){32, s->files[i].sha256};
        files[i].content =
            (ProtobufCBinaryData){s->files[i].content.len, (uint8_t *)s->files[i].content.data};
        pointers[i] = &files[i];
    }
    start->files = pointers;
    start->n_files = s->n_files;
    int r = spawn_start(job->base, start, &ops, job, &job->spawn);
    free(pointers);
    free(files);
    return r;
}

int job_start_runner(struct job *job, const struct conf *conf)
{
    Lps__V1__RunnerStart start = LPS__V1__RUNNER_START__INIT;
    const struct member *m = &job->member;
    struct share share = share_of(job->state, conf->cluster.node_name);

    start.plan = (ProtobufCBinaryData){strlen(job->submission->plan_text),
                                       (uint8_t *)job->submission->plan_text};
    start.start_ns = m->start_ns;
    start.k_origin_ns = m->k_origin_ns;
    start.http = job->http;
    start.watchdog = prepare_watchdog(conf);
    start.drain_ms = (uint32_t)conf->cluster.drain_ms;
    start.seed = share.seed;
    start.part = share.part;
    start.n_parts = share.n_parts;
    job->started_wall_ms = clock_wall_ms() + (m->start_ns - clock_now().ns) / NS_PER_MS;
    int r = start_with_files(job, &start);
    drop_files(job->submission);
    free(start.watchdog);
    return r;
}

void job_end_series(struct job *job)
{
    if (job->state == NULL || (job->spawn == NULL && !job->member.observer))
        return;
    for (size_t i = 0; i < job->state->n_ended; i++) {
        const Lps__V1__EndedSeries *e = job->state->ended[i];
        if (e->id >= plan_n_series(job->submission->plan) || job->ended[e->id])
            continue;
        job->ended[e->id] = true;
        if (job->spawn != NULL)
            spawn_end(job->spawn, e->id);
        job->ops->on_series_end(job, e->id, e->k, job->arg);
    }
}

// --- Fin ---

void job_fin(const struct job *job, Lps__V1__Fin *ret_fin)
{
    const struct member *m = &job->member;

    lps__v1__fin__init(ret_fin);
    ret_fin->run = job->run;
    ret_fin->seq = spool_next_seq(job->spool);
    ret_fin->cancelled = m->cancelled && (job->fin == NULL || job->fin->cancelled);
    if (m->fin_failure != NULL)
        ret_fin->failure = m->fin_failure;
    if (m->late)
        ret_fin->joined_ns = m->start_ns - m->k_origin_ns;
    if (job->fin == NULL)
        return;
    ret_fin->n_totals = job->fin->n_totals;
    ret_fin->totals = job->fin->totals;
    ret_fin->has_start = job->fin->has_start;
    if (job->fin->has_start) {
        ret_fin->start_skew_ns = job->fin->first_dispatch_ns - m->start_ns;
        ret_fin->start_error_ns = m->late ? 0 : job->start_error_ns;
    }
}
