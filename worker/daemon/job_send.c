#include "worker/daemon/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/plan_unique.h"

static int send_submit(struct uplink *uplink, const struct job *job)
{
    Lps__V1__WorkerMessage message = LPS__V1__WORKER_MESSAGE__INIT;
    Lps__V1__Submit submit = LPS__V1__SUBMIT__INIT;
    char *plan = submission_redacted_plan(job->submission);

    submit.submission = job->submission->id;
    submit.digest = (ProtobufCBinaryData){sizeof job->submission->digest, job->submission->digest};
    submit.plan_name = job->submission->plan->name;
    submit.plan = (ProtobufCBinaryData){strlen(plan), (uint8_t *)plan};
    submit.has_seed = job->submission->has_seed;
    submit.seed = job->submission->seed;
    submit.has_unique = plan_has_unique(job->submission->plan);
    if (job->run != NULL)
        submit.run = job->run;
    message.body_case = LPS__V1__WORKER_MESSAGE__BODY_SUBMIT;
    message.submit = &submit;
    int r = uplink_send(uplink, &message);
    free(plan);
    return r;
}

static int send_cancel(struct uplink *uplink, const struct job *job)
{
    Lps__V1__WorkerMessage message = LPS__V1__WORKER_MESSAGE__INIT;
    Lps__V1__Cancel cancel = LPS__V1__CANCEL__INIT;

    cancel.submission = job->submission->id;
    cancel.force = job->member.cancel_force;
    message.body_case = LPS__V1__WORKER_MESSAGE__BODY_CANCEL;
    message.cancel = &cancel;
    return uplink_send(uplink, &message);
}

static int send_window(struct uplink *uplink, struct job *job)
{
    Lps__V1__WorkerMessage message = LPS__V1__WORKER_MESSAGE__INIT;
    Lps__V1__WindowReport report = LPS__V1__WINDOW_REPORT__INIT;

    if (!spool_peek(job->spool, &report.seq, &report.window))
        return -ENODATA;
    report.run = job->run;
    message.body_case = LPS__V1__WORKER_MESSAGE__BODY_WINDOW;
    message.window = &report;
    int r = uplink_send(uplink, &message);
    lps__v1__window__free_unpacked(report.window, NULL);
    if (r == 0)
        spool_sent(job->spool);
    return r;
}

static int send_fin(struct uplink *uplink, struct job *job)
{
    Lps__V1__WorkerMessage message = LPS__V1__WORKER_MESSAGE__INIT;
    Lps__V1__Fin fin;

    job_fin(job, &fin);
    message.body_case = LPS__V1__WORKER_MESSAGE__BODY_FIN;
    message.fin = &fin;
    int r = uplink_send(uplink, &message);
    job->fin_sent = r == 0;
    return r;
}

void job_send(struct job *job, struct uplink *uplink)
{
    if ((job->owed & MEMBER_SUBMIT) && send_submit(uplink, job) < 0)
        return;
    job->owed &= ~(unsigned)MEMBER_SUBMIT;
    if ((job->owed & MEMBER_SEND_CANCEL) && send_cancel(uplink, job) < 0)
        return;
    job->owed &= ~(unsigned)MEMBER_SEND_CANCEL;
    if (job->run == NULL || job->spool == NULL || job->lost)
        return;
    while (send_window(uplink, job) == 0)
        ;
    if (job->member.fin_due && !job->member.fin_done && !job->fin_sent &&
        spool_all_sent(job->spool))
        send_fin(uplink, job);
}
