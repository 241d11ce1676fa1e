// What jobs.c (the table, the runner, time), jobs_master.c (what the master says) and jobs_queue.c
// (who waits) share. Loop thread.
#pragma once

#include "worker/daemon/jobs.h"

#define JOBS_MAX (1 + JOBS_QUEUE_MAX + JOBS_DELIVERING_MAX + JOBS_OVER_MAX + 1)

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

// An event for a job's member, and what follows from it. result: with MEMBER_RESULT.
void jobs_give(struct jobs *jobs, struct job *job, struct member_event e);
void jobs_give_result(struct jobs *jobs, struct job *job, struct member_event e,
                      const Lps__V1__RunResult *result);
// The master settles one thing with this node at a time: the open submission goes to it once older
// ones are done.
void jobs_give_link_up(struct jobs *jobs, struct job *job);
// After every call-back that may have changed something; jobs may be freed here.
void jobs_settle(struct jobs *jobs);
// The one that the master is asked for, or that runs; NULL: none.
struct job *jobs_open(const struct jobs *jobs);
// Gives it what is known of the link.
void jobs_register(struct jobs *jobs, struct job *job);
// A state event, if it has news, or always.
void jobs_tell_state(struct jobs *jobs, struct job *job, bool always);
void jobs_log(const struct jobs *jobs, const struct job *job, int priority, const char *event,
              const char *fmt, ...) __attribute__((format(printf, 5, 6)));

size_t jobs_n_queued(const struct jobs *jobs);
// The master refused it, and named this run. True: it waits until that is over; false: it does not
// want to, or that run is not in the way.
bool jobs_queue_behind(struct jobs *jobs, struct job *job, const char *run);
// What was in the way at the master may be over. state: newest of the newest run; NULL: unknown.
void jobs_queue_release(struct jobs *jobs, const Lps__V1__RunState *state);
// The first one goes to the master when nothing is in its way; those that wait are told for what.
void jobs_queue_settle(struct jobs *jobs);

// The call-backs of the uplink.
void jobs_on_up(const Lps__V1__Welcome *welcome, void *arg);
void jobs_on_down(const char *text, bool fresh, void *arg);
void jobs_on_message(const Lps__V1__MasterMessage *message, void *arg);
void jobs_on_clock(void *arg);
void jobs_on_drained(void *arg);
