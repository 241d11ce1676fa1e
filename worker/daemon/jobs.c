#include "worker/daemon/jobs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/daemon/jobs_priv.h"

// --- Telling people ---

void jobs_log(const struct jobs *jobs, const struct job *job, int priority, const char *event,
              const char *fmt, ...)
{
    struct log_fields fields = {
        .run_id = job->run, .node = jobs->conf->cluster.node_name, .event = event};
    va_list ap;

    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    log_event(priority, &fields, "submission %s: %s", job->submission->id, text);
    free(text);
}

struct job *jobs_open(const struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->n; i++)
        if (job_is_open(jobs->job[i]) && !jobs->job[i]->queued)
            return jobs->job[i];
    return NULL;
}

static void tell_status(struct jobs *jobs)
{
    const struct job *job = jobs_current(jobs);
    const char *trouble = uplink_trouble(jobs->uplink);
    int64_t now_ns = clock_now().ns;
    char text[256];

    if (job == NULL || !job_is_open(job))
        snprintf(text, sizeof text, "idle%s%s", trouble != NULL ? "; " : "",
                 trouble != NULL ? trouble : "");
    else if (job->member.state == MEMBER_RUNNING && job->member.stop == MEMBER_GO)
        snprintf(text, sizeof text, "running: %lld s", (now_ns - job->member.start_ns) / NS_PER_S);
    else
        job_describe(job, text, sizeof text);
    if (jobs->status != NULL && strcmp(jobs->status, text) == 0)
        return;
    free(jobs->status);
    jobs->status = xstrdup(text);
    jobs->on_status(text, jobs->arg);
}

void jobs_tell_state(struct jobs *jobs, struct job *job, bool always)
{
    int64_t now_ns = clock_now().ns;
    char message[sizeof job->told];

    job_describe(job, message, sizeof message);
    bool changed = job->told_state != job->member.state || strcmp(job->told, message) != 0;
    if (changed && job->result == NULL)
        jobs_log(jobs, job, LOG_INFO, "member-state", "%s: %s",
                 job->queued ? "queued" : member_state_name[job->member.state], message);
    if ((changed || always) && job->result == NULL)
        feed_send(job->feed, job_state_event(job, now_ns));
    job->told_state = job->member.state;
    memcpy(job->told, message, sizeof message);
}

// For those who follow, and whoever follows later.
static void say(struct job *job, const char *level, const char *text)
{
    json_t *notice = job_notice_event(level, "%s", text);

    json_array_append(job->said, notice);
    feed_send(job->feed, notice);
}

static void warn(struct jobs *jobs, struct job *job, const char *text)
{
    jobs_log(jobs, job, LOG_WARNING, "warning", "%s", text);
    say(job, "warning", text);
}

// --- Actions ---

static void start_runner(struct jobs *jobs, struct job *job)
{
    int r = job_start_runner(job, jobs->conf);

    if (r == 0) {
        jobs_log(jobs, job, LOG_INFO, "runner-start", "runner %d starts in %.3f s",
                 (int)spawn_pid(job->spawn),
                 (double)(job->member.start_ns - clock_now().ns) / NS_PER_S);
        return;
    }
    char *why = xasprintf("cannot start %s: %s", spawn_runner_path(), strerror(-r));
    jobs_log(jobs, job, LOG_ERR, "runner-failed", "%s", why);
    say(job, "error", why);
    jobs_give(
        jobs, job,
        (struct member_event){.kind = MEMBER_LOCAL_END, .now_ns = clock_now().ns, .text = why});
    free(why);
}

static void keep_document(struct job *job, const Lps__V1__RunResult *result)
{
    json_decref(job->document);
    job->document = json_loadb((const char *)result->result.data, result->result.len, 0, NULL);
}

static void tell_result(struct job *job)
{
    job->result = job->untold;
    job->untold = NULL;
    feed_send(job->feed, json_incref(job->result));
    feed_end(job->feed);
}

struct document_call {
    struct jobs *jobs;
    char submission[SUBMISSION_ID_MAX + 1];
};

static void on_document(enum command_outcome outcome, const char *text, void *arg)
{
    struct document_call *call = arg;
    struct job *job = jobs_find(call->jobs, call->submission);
    json_t *document = outcome == COMMAND_DONE ? json_loads(text, 0, NULL) : NULL;

    free(call);
    if (job == NULL || job->untold == NULL) {
        json_decref(document);
        return;
    }
    if (document != NULL)
        json_object_set_new(job->untold, "result", document);
    else
        json_object_set_new(job->untold, "message",
                            json_sprintf("the result did not come: %.200s", text));
    tell_result(job);
}

// The master has given its verdict, and the document is too large to come with it.
static void ask_for_document(struct jobs *jobs, struct job *job)
{
    struct command_question show = {.verb = LPS__V1__COMMAND__VERB__SHOW, .run = job->run};
    struct document_call *call = xcalloc(1, sizeof *call);

    call->jobs = jobs;
    memcpy(call->submission, job->submission->id, sizeof call->submission);
    command_ask(jobs->commands, &show, on_document, call);
}

static void finish(struct jobs *jobs, struct job *job, const Lps__V1__RunResult *result)
{
    const char *node = jobs->conf->cluster.node_name, *why = job->member.result_message;

    job->queued = false;
    if (result != NULL)
        keep_document(job, result);
    bool is_there = job->document != NULL;
    job->untold = job_result_event(job, node, job->document);
    job->document = NULL;
    jobs_log(jobs, job, LOG_NOTICE, "finished", "over with exit code %d%s%s", job->member.exit_code,
             why != NULL ? ": " : "", why != NULL ? why : "");
    if (why == NULL && !is_there)
        ask_for_document(jobs, job);
    else
        tell_result(job);
}

static void act(struct jobs *jobs, struct job *job, unsigned actions,
                const Lps__V1__RunResult *result)
{
    job->owed |= actions & (MEMBER_SUBMIT | MEMBER_SEND_CANCEL);
    if (actions & MEMBER_START)
        start_runner(jobs, job);
    if ((actions & MEMBER_STOP) && job->spawn != NULL)
        spawn_stop(job->spawn, job->member.stop == MEMBER_ABORT);
    job_send(job, jobs->uplink);
    if (actions & MEMBER_FINISH)
        finish(jobs, job, result);
    else if (result != NULL && job->result == NULL)
        keep_document(job, result);
}

// --- The table of jobs ---

static void remove_job(struct jobs *jobs, size_t i)
{
    job_free(jobs->job[i]);
    jobs->n--;
    memmove(jobs->job + i, jobs->job + i + 1, (jobs->n - i) * sizeof *jobs->job);
}

// Keeps at most `max` jobs of the state, the newest.
static void keep_at_most(struct jobs *jobs, enum member_state state, size_t max)
{
    size_t n = 0;

    for (size_t i = jobs->n; i-- > 0;) {
        const struct job *job = jobs->job[i];
        if (job->member.state != state || job->spawn != NULL || ++n <= max)
            continue;
        if (state == MEMBER_DELIVERING)
            jobs_log(jobs, job, LOG_WARNING, "data-lost",
                     "no master took its data, and it is dropped");
        remove_job(jobs, i);
    }
}

static bool any_delivering(const struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->n; i++)
        if (jobs->job[i]->member.state == MEMBER_DELIVERING)
            return true;
    return false;
}

static void await_due(struct jobs *jobs)
{
    int64_t due_ns = INT64_MAX;

    for (size_t i = 0; i < jobs->n; i++) {
        int64_t ns = member_due(&jobs->job[i]->member);
        due_ns = ns < due_ns ? ns : due_ns;
    }
    if (due_ns == INT64_MAX) {
        event_del(jobs->due);
        return;
    }
    int64_t in_ns = due_ns - clock_now().ns;
    in_ns = in_ns > 0 ? in_ns : 0;
    struct timeval tv = {in_ns / NS_PER_S, in_ns % NS_PER_S / NS_PER_US + 1};
    event_add(jobs->due, &tv);
}

void jobs_give_link_up(struct jobs *jobs, struct job *job)
{
    job->up_due = job_is_open(job) && !job->queued && any_delivering(jobs);
    if (!job->up_due && !job->queued)
        jobs_give(jobs, job,
                  (struct member_event){
                      .kind = MEMBER_LINK_UP, .now_ns = clock_now().ns, .known = job->known});
}

void jobs_give_result(struct jobs *jobs, struct job *job, struct member_event e,
                      const Lps__V1__RunResult *result)
{
    bool owed = job->member.state == MEMBER_DELIVERING;
    unsigned actions = member_handle(&job->member, &e);

    if (owed && job->member.state == MEMBER_DONE)
        jobs_log(jobs, job, LOG_INFO, "delivered", "the master has all it was owed");
    act(jobs, job, actions, result);
    jobs_tell_state(jobs, job, false);
    if (job->member.state == MEMBER_DONE && job->spawn == NULL)
        job_shrink(job);
}

void jobs_give(struct jobs *jobs, struct job *job, struct member_event e)
{
    jobs_give_result(jobs, job, e, NULL);
}

void jobs_settle(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->n; i++)
        if (jobs->job[i]->lost && jobs->job[i]->member.state == MEMBER_DELIVERING)
            jobs_give(jobs, jobs->job[i],
                      (struct member_event){
                          .kind = MEMBER_FIN_REPLY, .now_ns = clock_now().ns, .closed = true});
    keep_at_most(jobs, MEMBER_DELIVERING, JOBS_DELIVERING_MAX);
    keep_at_most(jobs, MEMBER_DONE, JOBS_OVER_MAX);
    jobs_queue_settle(jobs);
    struct job *job = jobs_open(jobs);
    if (job != NULL && job->up_due && uplink_is_up(jobs->uplink) && !any_delivering(jobs))
        jobs_give_link_up(jobs, job);
    await_due(jobs);
    tell_status(jobs);
}

static void say_given_up(struct job *job)
{
    char *text = xasprintf("the master has been away for %.1f s: the run ends",
                           (double)job->member.config.master_loss_ns / NS_PER_S);

    say(job, "error", text);
    free(text);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
    struct jobs *jobs = arg;

    (void)fd;
    (void)what;
    for (size_t i = 0; i < jobs->n; i++) {
        struct job *job = jobs->job[i];
        int64_t now_ns = clock_now().ns;
        bool gave_up = job->member.gave_up;
        if (member_due(&job->member) > now_ns)
            continue;
        jobs_give(jobs, job, (struct member_event){.kind = MEMBER_TIMER, .now_ns = now_ns});
        if (job->member.gave_up && !gave_up)
            say_given_up(job);
    }
    jobs_settle(jobs);
}

// --- From the runner ---

static void on_window(struct job *job, void *arg)
{
    struct jobs *jobs = arg;

    job_send(job, jobs->uplink);
    if (job->result == NULL)
        feed_send(job->feed, job_progress_event(job, clock_now().ns));
    tell_status(jobs);
}

static void on_warning(struct job *job, const char *text, void *arg)
{
    warn(arg, job, text);
}

static void on_series_end(struct job *job, uint32_t series, int64_t k, void *arg)
{
    struct jobs *jobs = arg;
    const struct plan_round *round;
    const struct plan_iteration *iteration;

    plan_series(job->submission->plan, series, &round, &iteration);
    char *text = xasprintf("%s, %s ends: a termination rule fired in second %lld", round->name,
                           iteration->name, (long long)k);
    jobs_log(jobs, job, LOG_NOTICE, "iteration-ended", "%s", text);
    say(job, "info", text);
    free(text);
}

static void on_end(struct job *job, const char *failure, void *arg)
{
    struct jobs *jobs = arg;

    if (failure != NULL)
        jobs_log(jobs, job, LOG_ERR, "runner-failed", "%s", failure);
    else
        jobs_log(jobs, job, LOG_INFO, "runner-end", "runner ended");
    if (failure != NULL && job->result == NULL)
        say(job, "error", failure);
    jobs_give(
        jobs, job,
        (struct member_event){.kind = MEMBER_LOCAL_END, .now_ns = clock_now().ns, .text = failure});
    jobs_settle(jobs);
}

// --- Interface ---

struct jobs *jobs_new(struct event_base *base, struct rpc_loop *loop, const struct conf *conf,
                      void (*on_status)(const char *status, void *arg), void *arg)
{
    static const struct uplink_ops ops = {
        .on_up = jobs_on_up,
        .on_down = jobs_on_down,
        .on_message = jobs_on_message,
        .on_clock = jobs_on_clock,
        .on_drained = jobs_on_drained,
    };
    struct jobs *jobs = xcalloc(1, sizeof *jobs);

    *jobs = (struct jobs){.base = base, .conf = conf, .on_status = on_status, .arg = arg};
    jobs->due = evtimer_new(base, on_due, jobs);
    jobs->uplink = uplink_new(loop, base, conf, &ops, jobs);
    jobs->commands = command_queue_new(base, jobs->uplink);
    return jobs;
}

void jobs_free(struct jobs *jobs)
{
    if (jobs == NULL)
        return;
    while (jobs->n > 0)
        remove_job(jobs, jobs->n - 1);
    command_queue_free(jobs->commands);
    uplink_free(jobs->uplink);
    event_free(jobs->due);
    if (jobs->state != NULL)
        lps__v1__run_state__free_unpacked(jobs->state, NULL);
    free(jobs->status);
    free(jobs);
}

struct job *jobs_find(const struct jobs *jobs, const char *submission)
{
    for (size_t i = jobs->n; i-- > 0;)
        if (strcmp(jobs->job[i]->submission->id, submission) == 0)
            return jobs->job[i];
    return NULL;
}

struct job *jobs_find_run(const struct jobs *jobs, const char *beginning)
{
    for (size_t i = jobs->n; i-- > 0;)
        if (jobs->job[i]->run != NULL &&
            strncmp(jobs->job[i]->run, beginning, strlen(beginning)) == 0)
            return jobs->job[i];
    return NULL;
}

struct job *jobs_current(const struct jobs *jobs)
{
    struct job *open = jobs_open(jobs);

    return open != NULL || jobs->n == 0 ? open : jobs->job[jobs->n - 1];
}

static struct job *new_job(struct jobs *jobs, struct submission *submission,
                           Lps__V1__HttpSettings *http, const struct diag *doubted)
{
    static const struct job_ops ops = {on_window, on_warning, on_series_end, on_end};
    struct member_config config = {
        .wait_ns = submission->wait_ns,
        .master_loss_ns = (int64_t)jobs->conf->cluster.master_loss_timeout_ms * NS_PER_MS,
    };
    struct job *job = job_new(jobs->base, submission, http, &config, &ops, jobs);

    jobs->job[jobs->n++] = job;
    for (size_t i = 0; i < doubted->n && i < DIAG_MAX; i++)
        warn(jobs, job, doubted->entry[i].text);
    return job;
}

void jobs_register(struct jobs *jobs, struct job *job)
{
    const char *trouble = uplink_trouble(jobs->uplink);

    if (uplink_is_up(jobs->uplink))
        jobs_give_link_up(jobs, job);
    else if (trouble != NULL)
        jobs_give(jobs, job,
                  (struct member_event){
                      .kind = MEMBER_LINK_DOWN, .now_ns = clock_now().ns, .text = trouble});
    jobs_tell_state(jobs, job, false);
}

// 0; -EBUSY: not now; -ENOSPC.
static int find_place(const struct jobs *jobs, const struct submission *submission)
{
    size_t n_queued = jobs_n_queued(jobs);

    if (!submission->queue)
        return jobs_open(jobs) != NULL ? -EBUSY : 0;
    return n_queued == JOBS_QUEUE_MAX ? -ENOSPC : 0;
}

int jobs_submit(struct jobs *jobs, struct submission *submission, struct diag *d,
                struct job **ret_job)
{
    struct job *job = jobs_find(jobs, submission->id);
    Lps__V1__HttpSettings *http = NULL;
    struct diag doubted = {0};
    int r = 0;

    if (job == NULL)
        r = find_place(jobs, submission);
    if (job == NULL && r == 0)
        r = prepare_run(jobs->conf, submission->plan, d, &doubted, &http);
    if (job != NULL || r < 0) {
        submission_free(submission);
    } else {
        job = new_job(jobs, submission, http, &doubted);
        job->queued = submission->queue;
        if (!job->queued)
            jobs_register(jobs, job);
        jobs_settle(jobs);
    }
    diag_done(&doubted);
    if (r == 0)
        *ret_job = job;
    return r;
}

void jobs_cancel(struct jobs *jobs, struct job *job, bool force)
{
    jobs_give(
        jobs, job,
        (struct member_event){.kind = MEMBER_CANCEL, .now_ns = clock_now().ns, .force = force});
    jobs_settle(jobs);
}

void jobs_follow(struct jobs *jobs, struct job *job, struct http_request *req)
{
    json_t *initial = json_array();
    const char *trouble = uplink_trouble(jobs->uplink);

    json_array_append_new(initial, job_state_event(job, clock_now().ns));
    json_array_extend(initial, job->said);
    if (job->result == NULL && job->member.has_t0)
        json_array_append_new(initial, job_progress_event(job, clock_now().ns));
    if (job->result != NULL)
        json_array_append(initial, job->result);
    else if (trouble != NULL)
        json_array_append_new(initial, job_notice_event("warning", "%s, retrying", trouble));
    feed_attach(job->feed, req, initial, job->result != NULL);
}

struct uplink *jobs_uplink(const struct jobs *jobs)
{
    return jobs->uplink;
}

struct command_queue *jobs_commands(const struct jobs *jobs)
{
    return jobs->commands;
}
