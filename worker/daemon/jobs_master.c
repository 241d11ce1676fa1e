// What the master says, to whom it belongs.
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "common/clock.h"
#include "common/str.h"
#include "worker/daemon/jobs_priv.h"

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

static enum member_stop stop_of(const Lps__V1__RunState *state)
{
    switch (state->stop) {
    case LPS__V1__RUN_STATE__STOP__GO:
        return MEMBER_GO;
    case LPS__V1__RUN_STATE__STOP__DRAIN:
        return MEMBER_DRAIN;
    default:
        return MEMBER_ABORT;
    }
}

// Ready or Running. T0 is mapped once; without clock samples it waits for on_clock.
static void give_armed(struct jobs *jobs, struct job *job, const Lps__V1__RunState *state)
{
    struct member_event e = {
        .kind = MEMBER_RUN_ARMED, .now_ns = clock_now().ns, .stop = stop_of(state)};

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
    jobs_give(jobs, job, e);
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
        jobs_give(jobs, job, e);
        break;
    case LPS__V1__STATE__READY:
    case LPS__V1__STATE__RUNNING:
        give_armed(jobs, job, state);
        break;
    case LPS__V1__STATE__STOPPED:
    case LPS__V1__STATE__FAILED:
        e.kind = MEMBER_RUN_OVER;
        e.had_t0 = state->t0_ns != 0;
        jobs_give(jobs, job, e);
        break;
    default:
        break;
    }
    job_end_series(job);
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
    jobs_queue_release(jobs, state);
    if (job == NULL)
        return;
    keep_state(&job->state, state);
    give_state(jobs, job, state);
    if (job->result == NULL)
        jobs_tell_state(jobs, job, true);
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
    if (!reply->accepted && jobs_queue_behind(jobs, job, reply->run))
        return;
    e.kind = reply->accepted && submission_is_id(reply->run) ? MEMBER_ACCEPTED : MEMBER_REFUSED;
    if (e.kind == MEMBER_ACCEPTED && !job->member.has_t0) {
        free(job->run);
        job->run = xstrdup(reply->run);
    }
    jobs_give(jobs, job, e);
    // The state that was sent before the answer; one without this node is older than that.
    if (e.kind == MEMBER_ACCEPTED && jobs->state != NULL &&
        strcmp(jobs->state->run, job->run) == 0 &&
        has_member(jobs->state, jobs->conf->cluster.node_name)) {
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
        jobs_give(jobs, job,
                  (struct member_event){
                      .kind = MEMBER_FIN_REPLY, .now_ns = clock_now().ns, .closed = reply->closed});
}

static void take_result(struct jobs *jobs, const Lps__V1__RunResult *result)
{
    struct job *job = job_of_run(jobs, result->run);

    if (job != NULL)
        jobs_give_result(jobs, job,
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

void jobs_on_message(const Lps__V1__MasterMessage *message, void *arg)
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
            job_send(job, jobs->uplink);
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
    jobs_settle(jobs);
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
    jobs_log(jobs, job, LOG_ERR, "data-lost",
             "the master lost windows after number %" PRIu64 " that it had acknowledged",
             from->last_seq);
    return false;
}

void jobs_on_up(const Lps__V1__Welcome *welcome, void *arg)
{
    struct jobs *jobs = arg;

    jobs_queue_release(jobs, NULL);
    for (size_t i = 0; i < jobs->n; i++) {
        struct job *job = jobs->job[i];
        if (job->member.state == MEMBER_DONE)
            continue;
        bool resumed = resume(jobs, job, resume_of(welcome, job));
        if (job->member.state == MEMBER_DELIVERING && !job->member.started)
            job->owed = 0;
        feed_send(job->feed,
                  job_notice_event("info", "master %s: connected", uplink_address(jobs->uplink)));
        jobs_give_link_up(jobs, job);
        if (!resumed)
            jobs_give(jobs, job,
                      (struct member_event){.kind = MEMBER_REFUSED,
                                            .now_ns = clock_now().ns,
                                            .text = "it lost windows that it had acknowledged"});
    }
    jobs_settle(jobs);
}

void jobs_on_down(const char *text, bool fresh, void *arg)
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
        if (job->progress != NULL)
            lps__v1__progress__free_unpacked(job->progress, NULL);
        job->progress = NULL; // of the cluster nothing is known any more
        if (fresh && job->result == NULL)
            feed_send(job->feed, job_notice_event("warning", "%s, retrying", text));
        jobs_give(jobs, job,
                  (struct member_event){
                      .kind = MEMBER_LINK_DOWN, .now_ns = clock_now().ns, .text = text});
    }
    jobs_settle(jobs);
}

void jobs_on_clock(void *arg)
{
    struct jobs *jobs = arg;

    for (size_t i = 0; i < jobs->n; i++) {
        struct job *job = jobs->job[i];
        if (job->state != NULL && job->member.state < MEMBER_DONE && !job->member.has_t0)
            give_state(jobs, job, job->state);
    }
    jobs_settle(jobs);
}

void jobs_on_drained(void *arg)
{
    struct jobs *jobs = arg;

    for (size_t i = 0; i < jobs->n; i++)
        job_send(jobs->job[i], jobs->uplink);
}
