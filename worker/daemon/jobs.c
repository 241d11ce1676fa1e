#include "worker/daemon/jobs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/result.h"
#include "common/str.h"

#define JOBS_MAX (1 + JOBS_DELIVERING_MAX + JOBS_OVER_MAX + 1)

struct jobs {
    struct event_base *base;
    const struct conf *conf;
    void (*on_status)(const char *status, void *arg);
    void *arg;
    struct uplink *uplink;
    struct command_queue *commands;
    struct event *due;
    struct job *job[JOBS_MAX]; // the oldest first
    size_t n;
    Lps__V1__RunState *state; // newest of any run; NULL: none on this stream
    char *status;
};

static void give(struct jobs *jobs, struct job *job, struct member_event e);

// --- Telling people ---

static void log_job(const struct jobs *jobs, const struct job *job, int priority, const char *event,
                    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
static void log_job(const struct jobs *jobs, const struct job *job, int priority, const char *event,
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

static struct job *open_job(const struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->n; i++)
        if (job_is_open(jobs->job[i]))
            return jobs->job[i];
    return NULL;
}

static void tell_status(struct jobs *jobs)
{
    const struct job *job = open_job(jobs);
    const char *trouble = uplink_trouble(jobs->uplink);
    int64_t now_ns = clock_now().ns;
    char text[256];

    if (job == NULL)
        snprintf(text, sizeof text, "idle%s%s", trouble != NULL ? "; " : "",
                 trouble != NULL ? trouble : "");
    else if (job->member.state == MEMBER_RUNNING && job->member.stop == MEMBER_GO)
        snprintf(text, sizeof text, "running: %" PRId64 " s",
                 (now_ns - job->member.start_ns) / NS_PER_S);
    else
        member_describe(&job->member, now_ns, text, sizeof text);
    if (jobs->status != NULL && strcmp(jobs->status, text) == 0)
        return;
    free(jobs->status);
    jobs->status = xstrdup(text);
    jobs->on_status(text, jobs->arg);
}

static void tell_state(struct jobs *jobs, struct job *job, bool always)
{
    int64_t now_ns = clock_now().ns;
    char message[sizeof job->told];

    member_describe(&job->member, now_ns, message, sizeof message);
    bool changed = job->told_state != job->member.state || strcmp(job->told, message) != 0;
    if (changed)
        log_job(jobs, job, LOG_INFO, "member-state", "%s -> %s: %s",
                member_state_name[job->told_state], member_state_name[job->member.state], message);
    if ((changed || always) && job->result == NULL)
        feed_send(job->feed, job_state_event(job, now_ns));
    job->told_state = job->member.state;
    memcpy(job->told, message, sizeof message);
}

// --- To the master ---

static int send_submit(struct jobs *jobs, const struct job *job)
{
    Lps__V1__WorkerMessage message = LPS__V1__WORKER_MESSAGE__INIT;
    Lps__V1__Submit submit = LPS__V1__SUBMIT__INIT;
    char *plan = submission_redacted_plan(job->submission);

    submit.submission = job->submission->id;
    submit.digest = (ProtobufCBinaryData){sizeof job->submission->digest, job->submission->digest};
    submit.plan_name = job->submission->plan->name;
    submit.plan = (ProtobufCBinaryData){strlen(plan), (uint8_t *)plan};
    if (job->run != NULL)
        submit.run = job->run;
    message.body_case = LPS__V1__WORKER_MESSAGE__BODY_SUBMIT;
    message.submit = &submit;
    int r = uplink_send(jobs->uplink, &message);
    free(plan);
    return r;
}

static int send_cancel(struct jobs *jobs, const struct job *job)
{
    Lps__V1__WorkerMessage message = LPS__V1__WORKER_MESSAGE__INIT;
    Lps__V1__Cancel cancel = LPS__V1__CANCEL__INIT;

    cancel.submission = job->submission->id;
    cancel.force = job->member.cancel_force;
    message.body_case = LPS__V1__WORKER_MESSAGE__BODY_CANCEL;
    message.cancel = &cancel;
    return uplink_send(jobs->uplink, &message);
}

static int send_window(struct jobs *jobs, struct job *job)
{
    Lps__V1__WorkerMessage message = LPS__V1__WORKER_MESSAGE__INIT;
    Lps__V1__WindowReport report = LPS__V1__WINDOW_REPORT__INIT;

    if (!spool_peek(job->spool, &report.seq, &report.window))
        return -ENODATA;
    report.run = job->run;
    message.body_case = LPS__V1__WORKER_MESSAGE__BODY_WINDOW;
    message.window = &report;
    int r = uplink_send(jobs->uplink, &message);
    lps__v1__window__free_unpacked(report.window, NULL);
    if (r == 0)
        spool_sent(job->spool);
    return r;
}

static int send_fin(struct jobs *jobs, struct job *job)
{
    Lps__V1__WorkerMessage message = LPS__V1__WORKER_MESSAGE__INIT;
    Lps__V1__Fin fin;

    job_fin(job, &fin);
    message.body_case = LPS__V1__WORKER_MESSAGE__BODY_FIN;
    message.fin = &fin;
    int r = uplink_send(jobs->uplink, &message);
    job->fin_sent = r == 0;
    return r;
}

// Sends what is due, in its order, until the stream takes no more.
static void pump(struct jobs *jobs, struct job *job)
{
    if ((job->owed & MEMBER_SUBMIT) && send_submit(jobs, job) < 0)
        return;
    job->owed &= ~(unsigned)MEMBER_SUBMIT;
    if ((job->owed & MEMBER_SEND_CANCEL) && send_cancel(jobs, job) < 0)
        return;
    job->owed &= ~(unsigned)MEMBER_SEND_CANCEL;
    if (job->run == NULL || job->spool == NULL || job->lost)
        return;
    while (send_window(jobs, job) == 0)
        ;
    if (job->member.fin_due && !job->member.fin_done && !job->fin_sent &&
        spool_all_sent(job->spool))
        send_fin(jobs, job);
}

// --- Actions ---

static void start_runner(struct jobs *jobs, struct job *job)
{
    int r = job_start_runner(job, jobs->conf);

    if (r == 0) {
        log_job(jobs, job, LOG_INFO, "runner-start", "runner %d starts in %.3f s",
                (int)spawn_pid(job->spawn),
                (double)(job->member.start_ns - clock_now().ns) / NS_PER_S);
        return;
    }
    char *why = xasprintf("cannot start %s: %s", spawn_runner_path(), strerror(-r));
    log_job(jobs, job, LOG_ERR, "runner-failed", "%s", why);
    feed_send(job->feed, job_notice_event("error", "%s", why));
    give(jobs, job,
         (struct member_event){.kind = MEMBER_LOCAL_END, .now_ns = clock_now().ns, .text = why});
    free(why);
}

static void finish(struct jobs *jobs, struct job *job, const Lps__V1__RunResult *result)
{
    const char *node = jobs->conf->cluster.node_name, *why = job->member.result_message;
    json_t *document = NULL;

    if (result != NULL)
        document = json_loadb((const char *)result->result.data, result->result.len, 0, NULL);
    job->result = job_result_event(job, node, document);
    log_job(jobs, job, LOG_NOTICE, "submission-over", "over with exit code %d%s%s",
            job->member.exit_code, why != NULL ? ": " : "", why != NULL ? why : "");
    feed_send(job->feed, json_incref(job->result));
    feed_end(job->feed);
}

static void act(struct jobs *jobs, struct job *job, unsigned actions,
                const Lps__V1__RunResult *result)
{
    job->owed |= actions & (MEMBER_SUBMIT | MEMBER_SEND_CANCEL);
    if (actions & MEMBER_START)
        start_runner(jobs, job);
    if ((actions & MEMBER_STOP) && job->spawn != NULL)
        spawn_stop(job->spawn, job->member.stop == MEMBER_ABORT);
    pump(jobs, job);
    if (actions & MEMBER_FINISH)
        finish(jobs, job, result);
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
            log_job(jobs, job, LOG_WARNING, "data-lost",
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

// The master settles one thing with this node at a time: the open submission goes to it once older
// ones are done.
static void give_link_up(struct jobs *jobs, struct job *job)
{
    job->up_due = job_is_open(job) && any_delivering(jobs);
    if (!job->up_due)
        give(jobs, job,
             (struct member_event){
                 .kind = MEMBER_LINK_UP, .now_ns = clock_now().ns, .known = job->known});
}

static void give_result(struct jobs *jobs, struct job *job, struct member_event e,
                        const Lps__V1__RunResult *result)
{
    unsigned actions = member_handle(&job->member, &e);

    act(jobs, job, actions, result);
    tell_state(jobs, job, false);
    if (job->member.state == MEMBER_DONE && job->spawn == NULL)
        job_shrink(job);
}

static void give(struct jobs *jobs, struct job *job, struct member_event e)
{
    give_result(jobs, job, e, NULL);
}

// After every call-back that may have changed something; jobs may be freed here.
static void settle(struct jobs *jobs)
{
    struct job *job = open_job(jobs);

    keep_at_most(jobs, MEMBER_DELIVERING, JOBS_DELIVERING_MAX);
    keep_at_most(jobs, MEMBER_DONE, JOBS_OVER_MAX);
    if (job != NULL && job->up_due && uplink_is_up(jobs->uplink) && !any_delivering(jobs))
        give_link_up(jobs, job);
    await_due(jobs);
    tell_status(jobs);
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
        give(jobs, job, (struct member_event){.kind = MEMBER_TIMER, .now_ns = now_ns});
        if (job->member.gave_up && !gave_up)
            feed_send(job->feed,
                      job_notice_event("error", "the master has been away for %.1f s: the run ends",
                                       (double)job->member.config.master_loss_ns / NS_PER_S));
    }
    settle(jobs);
}

// --- From the runner ---

static void on_window(struct job *job, void *arg)
{
    struct jobs *jobs = arg;

    pump(jobs, job);
    if (job->result == NULL)
        feed_send(job->feed, job_progress_event(job, clock_now().ns));
    tell_status(jobs);
}

static void on_end(struct job *job, const char *failure, void *arg)
{
    struct jobs *jobs = arg;

    log_job(jobs, job, failure == NULL ? LOG_INFO : LOG_ERR, "runner-end", "%s",
            failure == NULL ? "runner ended" : failure);
    if (failure != NULL && job->result == NULL)
        feed_send(job->feed, job_notice_event("error", "%s", failure));
    give(
        jobs, job,
        (struct member_event){.kind = MEMBER_LOCAL_END, .now_ns = clock_now().ns, .text = failure});
    settle(jobs);
}

// --- From the master ---

static struct job *job_of_run(const struct jobs *jobs, const char *run)
{
    for (size_t i = jobs->n; i-- > 0;)
        if (jobs->job[i]->run != NULL && strcmp(jobs->job[i]->run, run) == 0)
            return jobs->job[i];
    return NULL;
}

static bool has_member(const Lps__V1__RunState *state, const char *node)
{
    for (size_t i = 0; i < state->n_members; i++)
        if (strcmp(state->members[i]->node, node) == 0)
            return true;
    return false;
}

// Ready or Running. T0 is mapped once; without clock samples it waits for on_clock.
static void give_armed(struct jobs *jobs, struct job *job, const Lps__V1__RunState *state)
{
    struct member_event e = {
        .kind = MEMBER_RUN_ARMED, .now_ns = clock_now().ns, .stop = (enum member_stop)state->stop};

    if (!job->member.has_t0) {
        int r = uplink_map(jobs->uplink, state->t0_boot_id, state->t0_ns, &e.t0_ns,
                           &job->start_error_ns);
        if (r == -EAGAIN)
            return;
        if (r < 0) {
            e.kind = MEMBER_REFUSED;
            e.text = "its host was booted again since the run became Ready";
        }
    }
    give(jobs, job, e);
}

static void give_state(struct jobs *jobs, struct job *job, const Lps__V1__RunState *state)
{
    const char *node = jobs->conf->cluster.node_name;
    struct member_event e = {.now_ns = clock_now().ns};

    switch (state->state) {
    case LPS__V1__STATE__CREATED:
        e.kind = MEMBER_RUN_CREATED;
        e.counted = state->counted;
        e.expected = state->expected;
        e.is_member = has_member(state, node);
        give(jobs, job, e);
        break;
    case LPS__V1__STATE__READY:
    case LPS__V1__STATE__RUNNING:
        give_armed(jobs, job, state);
        break;
    case LPS__V1__STATE__STOPPED:
    case LPS__V1__STATE__FAILED:
        e.kind = MEMBER_RUN_OVER;
        e.had_t0 = state->t0_ns != 0;
        give(jobs, job, e);
        break;
    default:
        break;
    }
}

static Lps__V1__RunState *copy_state(const Lps__V1__RunState *state)
{
    size_t len = lps__v1__run_state__get_packed_size(state);
    uint8_t *bytes = xcalloc(1, len + 1);

    lps__v1__run_state__pack(state, bytes);
    Lps__V1__RunState *copy = lps__v1__run_state__unpack(NULL, len, bytes);
    free(bytes);
    return copy;
}

static void keep_state(Lps__V1__RunState **into, const Lps__V1__RunState *state)
{
    if (*into != NULL)
        lps__v1__run_state__free_unpacked(*into, NULL);
    *into = copy_state(state);
}

static void take_run_state(struct jobs *jobs, const Lps__V1__RunState *state)
{
    struct job *job = job_of_run(jobs, state->run);

    keep_state(&jobs->state, state);
    if (job == NULL)
        return;
    keep_state(&job->state, state);
    give_state(jobs, job, state);
    if (job->result == NULL)
        tell_state(jobs, job, true);
}

static void take_submit_reply(struct jobs *jobs, const Lps__V1__SubmitReply *reply)
{
    struct job *job = jobs_find(jobs, reply->submission);
    struct member_event e = {.now_ns = clock_now().ns,
                             .text = reply->reason,
                             .observer = reply->observer,
                             .late = reply->late};

    if (job == NULL)
        return;
    e.kind = reply->accepted && submission_is_id(reply->run) ? MEMBER_ACCEPTED : MEMBER_REFUSED;
    if (e.kind == MEMBER_ACCEPTED && !job->member.has_t0) {
        free(job->run);
        job->run = xstrdup(reply->run);
    }
    give(jobs, job, e);
    // The state that was sent before the answer.
    if (e.kind == MEMBER_ACCEPTED && jobs->state != NULL &&
        strcmp(jobs->state->run, job->run) == 0) {
        keep_state(&job->state, jobs->state);
        give_state(jobs, job, jobs->state);
    }
}

static void take_fin_reply(struct jobs *jobs, const Lps__V1__FinReply *reply)
{
    struct job *job = job_of_run(jobs, reply->run);

    if (job == NULL)
        return;
    // Each window of a closed run is answered by one, too; the last answer is that to Fin.
    bool to_fin = job->fin_sent && (job->spool == NULL || spool_is_empty(job->spool));
    if (to_fin || job->member.state < MEMBER_DRAINING)
        give(jobs, job,
             (struct member_event){
                 .kind = MEMBER_FIN_REPLY, .now_ns = clock_now().ns, .closed = reply->closed});
}

static void take_result(struct jobs *jobs, const Lps__V1__RunResult *result)
{
    struct job *job = job_of_run(jobs, result->run);

    if (job != NULL)
        give_result(jobs, job,
                    (struct member_event){.kind = MEMBER_RESULT,
                                          .now_ns = clock_now().ns,
                                          .exit_code = (int)result->exit_code},
                    result);
}

static void take_progress(struct jobs *jobs, const Lps__V1__Progress *progress)
{
    struct job *job = job_of_run(jobs, progress->run);

    if (job == NULL || job->result != NULL)
        return;
    if (job->progress == NULL) {
        job->progress = xcalloc(1, sizeof *job->progress);
        lps__v1__progress__init(job->progress);
        job->progress->run = xstrdup(progress->run);
    }
    char *run = job->progress->run;
    *job->progress = *progress;
    job->progress->base.unknown_fields = NULL;
    job->progress->base.n_unknown_fields = 0;
    job->progress->run = run;
    // The own windows come once a second as well, and carry these numbers.
    if (job->spawn == NULL)
        feed_send(job->feed, job_progress_event(job, clock_now().ns));
}

static void on_message(const Lps__V1__MasterMessage *message, void *arg)
{
    struct jobs *jobs = arg;
    struct job *job;

    switch (message->body_case) {
    case LPS__V1__MASTER_MESSAGE__BODY_SUBMIT:
        take_submit_reply(jobs, message->submit);
        break;
    case LPS__V1__MASTER_MESSAGE__BODY_RUN:
        take_run_state(jobs, message->run);
        break;
    case LPS__V1__MASTER_MESSAGE__BODY_ACK:
        job = job_of_run(jobs, message->ack->run);
        if (job != NULL && job->spool != NULL) {
            spool_ack(job->spool, message->ack->last_seq);
            pump(jobs, job);
        }
        return;
    case LPS__V1__MASTER_MESSAGE__BODY_FIN:
        take_fin_reply(jobs, message->fin);
        break;
    case LPS__V1__MASTER_MESSAGE__BODY_PROGRESS:
        take_progress(jobs, message->progress);
        return;
    case LPS__V1__MASTER_MESSAGE__BODY_RESULT:
        take_result(jobs, message->result);
        break;
    case LPS__V1__MASTER_MESSAGE__BODY_COMMAND:
        command_reply(jobs->commands, message->command);
        return;
    default:
        return;
    }
    settle(jobs);
}

static const Lps__V1__Resume *resume_of(const Lps__V1__Welcome *welcome, const struct job *job)
{
    for (size_t i = 0; i < welcome->n_resume; i++)
        if (strcmp(welcome->resume[i]->submission, job->submission->id) == 0)
            return welcome->resume[i];
    return NULL;
}

// Where the master stands with this job; false: it lost what it had acknowledged.
static bool resume(struct jobs *jobs, struct job *job, const Lps__V1__Resume *from)
{
    job->known = from != NULL;
    job->fin_sent = false;
    if (from == NULL)
        return true;
    if (job->run == NULL && submission_is_id(from->run))
        job->run = xstrdup(from->run);
    if (job->spool == NULL || spool_resume(job->spool, from->last_seq) == 0)
        return true;
    job->lost = true;
    log_job(jobs, job, LOG_ERR, "data-lost",
            "the master lost windows after number %" PRIu64 " that it had acknowledged",
            from->last_seq);
    return false;
}

static void on_up(const Lps__V1__Welcome *welcome, void *arg)
{
    struct jobs *jobs = arg;

    for (size_t i = 0; i < jobs->n; i++) {
        struct job *job = jobs->job[i];
        if (job->member.state == MEMBER_DONE)
            continue;
        bool ok = resume(jobs, job, resume_of(welcome, job));
        if (job->member.state == MEMBER_DELIVERING && !job->member.started)
            job->owed = 0;
        feed_send(job->feed,
                  job_notice_event("info", "master %s: connected", uplink_address(jobs->uplink)));
        give_link_up(jobs, job);
        if (!ok)
            give(jobs, job,
                 (struct member_event){.kind = job_is_open(job) ? MEMBER_REFUSED : MEMBER_FIN_REPLY,
                                       .now_ns = clock_now().ns,
                                       .closed = true,
                                       .text = "it lost windows that it had acknowledged"});
    }
    settle(jobs);
}

static void on_down(const char *text, bool fresh, void *arg)
{
    struct jobs *jobs = arg;

    command_fail_all(jobs->commands, text);
    if (jobs->state != NULL)
        lps__v1__run_state__free_unpacked(jobs->state, NULL);
    jobs->state = NULL;
    for (size_t i = 0; i < jobs->n; i++) {
        struct job *job = jobs->job[i];
        job->owed &= ~(unsigned)MEMBER_SUBMIT;
        job->up_due = job->fin_sent = false;
        if (job->spool != NULL)
            spool_rewind(job->spool);
        if (fresh && job->result == NULL)
            feed_send(job->feed, job_notice_event("warning", "%s, retrying", text));
        give(jobs, job,
             (struct member_event){
                 .kind = MEMBER_LINK_DOWN, .now_ns = clock_now().ns, .text = text});
    }
    settle(jobs);
}

static void on_clock(void *arg)
{
    struct jobs *jobs = arg;

    for (size_t i = 0; i < jobs->n; i++) {
        struct job *job = jobs->job[i];
        if (job->state != NULL && job->member.state < MEMBER_DONE && !job->member.has_t0)
            give_state(jobs, job, job->state);
    }
    settle(jobs);
}

static void on_drained(void *arg)
{
    struct jobs *jobs = arg;

    for (size_t i = 0; i < jobs->n; i++)
        pump(jobs, jobs->job[i]);
}

// --- Interface ---

struct jobs *jobs_new(struct event_base *base, struct rpc_loop *loop, const struct conf *conf,
                      void (*on_status)(const char *status, void *arg), void *arg)
{
    static const struct uplink_ops ops = {
        .on_up = on_up,
        .on_down = on_down,
        .on_message = on_message,
        .on_clock = on_clock,
        .on_drained = on_drained,
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

struct job *jobs_newest(const struct jobs *jobs)
{
    return jobs->n > 0 ? jobs->job[jobs->n - 1] : NULL;
}

int jobs_submit(struct jobs *jobs, struct submission *submission, struct job **ret_job)
{
    static const struct job_ops ops = {on_window, on_end};
    struct member_config config = {
        .wait_ns = submission->wait_ns,
        .master_loss_ns = (int64_t)jobs->conf->cluster.master_loss_timeout_ms * NS_PER_MS,
    };
    struct job *job = jobs_find(jobs, submission->id);

    if (job != NULL || open_job(jobs) != NULL) {
        submission_free(submission);
        if (job == NULL)
            return -EBUSY;
        *ret_job = job;
        return 0;
    }
    job = job_new(jobs->base, submission, &config, &ops, jobs);
    jobs->job[jobs->n++] = job;
    if (uplink_is_up(jobs->uplink))
        give_link_up(jobs, job);
    else if (uplink_trouble(jobs->uplink) != NULL)
        give(jobs, job,
             (struct member_event){.kind = MEMBER_LINK_DOWN,
                                   .now_ns = clock_now().ns,
                                   .text = uplink_trouble(jobs->uplink)});
    tell_state(jobs, job, false);
    settle(jobs);
    *ret_job = job;
    return 0;
}

void jobs_cancel(struct jobs *jobs, struct job *job, bool force)
{
    give(jobs, job,
         (struct member_event){.kind = MEMBER_CANCEL, .now_ns = clock_now().ns, .force = force});
    settle(jobs);
}

void jobs_follow(struct jobs *jobs, struct job *job, struct http_request *req)
{
    json_t *initial = json_array();
    const char *trouble = uplink_trouble(jobs->uplink);

    json_array_append_new(initial, job_state_event(job, clock_now().ns));
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
