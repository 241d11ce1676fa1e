// The submissions of this node, and what the master says to each: the one open, those that wait
// behind it, those whose data is still owed to the master, the last ones that are over. Loop
// thread.
#pragma once

#include <event2/event.h>

#include "common/conf.h"
#include "common/rpc.h"
#include "worker/daemon/command.h"
#include "worker/daemon/job.h"

#define JOBS_DELIVERING_MAX 4 // runs that wait for a master to take their data
#define JOBS_OVER_MAX       8 // kept for who asks later
#define JOBS_QUEUE_MAX      8 // that wait behind another run

struct jobs;

// status: one line about this node for sd_notify, on every change. conf is borrowed.
struct jobs *jobs_new(struct event_base *base, struct rpc_loop *loop, const struct conf *conf,
                      void (*on_status)(const char *status, void *arg), void *arg);
// Runners are killed. Before rpc_loop_free.
void jobs_free(struct jobs *jobs);

// Takes submission. 0, also for an id that is known (then the same job); -EBUSY: another one is
// open; -ENOSPC: it would be one too many that wait; -EINVAL with entries in d: this host cannot do
// it.
int jobs_submit(struct jobs *jobs, struct submission *submission, struct diag *d,
                struct job **ret_job);
struct job *jobs_find(const struct jobs *jobs, const char *submission); // NULL: none
// By how the id of its run begins, the newest of several. NULL: none.
struct job *jobs_find_run(const struct jobs *jobs, const char *beginning);
// The open one, else the newest; NULL: none.
struct job *jobs_current(const struct jobs *jobs);
// Those that wait, as a list of state events; a new reference.
json_t *jobs_queue(const struct jobs *jobs);
void jobs_cancel(struct jobs *jobs, struct job *job, bool force);
// Answers with the stream of the job's events.
void jobs_follow(struct jobs *jobs, struct job *job, struct http_request *req);
struct uplink *jobs_uplink(const struct jobs *jobs);
struct command_queue *jobs_commands(const struct jobs *jobs);
