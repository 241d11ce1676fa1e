// The master's parts, and what ties them: does what the cluster decides. Loop thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>

#include "common/conf.h"
#include "common/daemon.h"

#include "master/daemon/cluster.h"
#include "master/daemon/run.h"
#include "master/daemon/store.h"

struct service;
struct web;

struct master {
    struct event_base *base;
    struct conf *conf;
    struct daemon *daemon; // all of these may be NULL while starting and stopping
    struct cluster *cluster;
    struct store *store;
    struct service *service;
    struct web *web;
    struct run *run; // what was measured in cluster_run
    char boot_id[37];
    struct event *timer; // cluster_due
    struct event *tick;  // each second
    int64_t timer_ns;
    struct plan *plan; // of the submission being handled, for a run that it opens
    bool applying, late_changed;
    enum cluster_state stored_state; // of the run
    enum cluster_stop stored_stop;
    bool same_boot;    // as that of T0 of the run that was taken up again
    int64_t outage_ns; // since when there was no master for it
    uint64_t bad_messages, late_windows, late_requests;
};

// Settings are borrowed. 0, or -errno with the reason in err.
int master_open(struct master *m, struct event_base *base, struct conf *conf, const char *state_dir,
                char *err, size_t err_size);
// The store last, so that what it still commits is known.
void master_close(struct master *m);
// Takes up what can change in flight.
void master_configure(struct master *m, struct conf *conf);

// To be called after every call of cluster_* that takes `now`.
void master_apply(struct master *m);
void master_add_late(struct master *m, const char *run, uint64_t windows, uint64_t requests);
// As judge_new wants it, arg the master.
void master_on_judge_warning(void *arg, const char *text);
// What a call in REST or on a stream shows: the document lps.state/1.
json_t *master_state(const struct master *m);
