// Submissions that wait until another run is over, in the order in which they came.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/str.h"
#include "worker/daemon/jobs_priv.h"

static struct job *first_queued(const struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->n; i++)
        if (jobs->job[i]->queued)
            return jobs->job[i];
    return NULL;
}

size_t jobs_n_queued(const struct jobs *jobs)
{
    size_t n = 0;

    for (size_t i = 0; i < jobs->n; i++)
        n += jobs->job[i]->queued;
    return n;
}

json_t *jobs_queue(const struct jobs *jobs)
{
    json_t *queue = json_array();

    for (size_t i = 0; i < jobs->n; i++)
        if (jobs->job[i]->queued)
            json_array_append_new(queue, job_state_event(jobs->job[i], clock_now().ns));
    return queue;
}

static bool is_over(const Lps__V1__RunState *state)
{
    return state->state == LPS__V1__STATE__STOPPED || state->state == LPS__V1__STATE__FAILED;
}

bool jobs_queue_behind(struct jobs *jobs, struct job *job, const char *run)
{
    const Lps__V1__RunState *state = jobs->state;

    if (!job->submission->queue || job->member.has_t0 || state == NULL || is_over(state) ||
        strcmp(state->run, run) != 0 || (job->run != NULL && strcmp(job->run, run) == 0))
        return false;
    free(job->behind);
    free(job->run);
    job->behind = xstrdup(run);
    job->run = NULL;
    job->queued = true;
    return true;
}

void jobs_queue_release(struct jobs *jobs, const Lps__V1__RunState *state)
{
    for (size_t i = 0; i < jobs->n; i++) {
        struct job *job = jobs->job[i];
        if (job->behind == NULL ||
            (state != NULL && !is_over(state) && strcmp(job->behind, state->run) == 0))
            continue;
        free(job->behind);
        job->behind = NULL;
    }
}

// What all of the queue waits for.
static char *describe_the_way(const struct jobs *jobs)
{
    const struct job *open = jobs_open(jobs), *first = first_queued(jobs);

    if (open != NULL)
        return xasprintf("%s %s (%s)", open->run != NULL ? "run" : "submission",
                         open->run != NULL ? open->run : open->submission->id,
                         open->submission->plan->name);
    if (first->behind != NULL && jobs->state != NULL &&
        strcmp(first->behind, jobs->state->run) == 0)
        return xasprintf("run %s (%s)", first->behind, jobs->state->plan_name);
    return xasprintf("run %s", first->behind != NULL ? first->behind : "?");
}

static void tell(struct jobs *jobs, struct job *job, char *text)
{
    if (job->waits_for != NULL && strcmp(job->waits_for, text) == 0) {
        free(text);
        return;
    }
    free(job->waits_for);
    job->waits_for = text;
    jobs_give(jobs, job,
              (struct member_event){.kind = MEMBER_QUEUED, .now_ns = clock_now().ns, .text = text});
}

void jobs_queue_settle(struct jobs *jobs)
{
    struct job *first = first_queued(jobs);
    size_t n_before = 0;

    if (first == NULL)
        return;
    if (jobs_open(jobs) == NULL && first->behind == NULL) {
        first->queued = false;
        free(first->waits_for);
        first->waits_for = NULL;
        jobs_register(jobs, first);
        if ((first = first_queued(jobs)) == NULL)
            return;
    }
    char *way = describe_the_way(jobs);
    for (size_t i = 0; i < jobs->n; i++) {
        if (!jobs->job[i]->queued)
            continue;
        tell(jobs, jobs->job[i],
             n_before == 0 ? xasprintf("queued behind %s", way)
                           : xasprintf("queued behind %s, as number %zu", way, n_before + 1));
        n_before++;
    }
    free(way);
}
