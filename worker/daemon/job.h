// One submission with all that belongs to it: its member, the runner, the windows, the followers.
// Loop thread.
#pragma once

#include "common/aggregate.h"
#include "common/conf.h"
#include "lps.pb-c.h"
#include "worker/daemon/feed.h"
#include "worker/daemon/member.h"
#include "worker/daemon/spool.h"
#include "worker/daemon/submission.h"
#include "worker/daemon/uplink.h"
#include "worker/spawn/prepare.h"
#include "worker/spawn/spawn.h"

struct job;

struct job_ops {
    void (*on_window)(struct job *job, void *arg); // spooled and counted
    void (*on_warning)(struct job *job, const char *text, void *arg);
    void (*on_series_end)(struct job *job, uint32_t series, int64_t k, void *arg);
    void (*on_end)(struct job *job, const char *failure, void *arg); // the runner is gone
};

struct job {
    struct event_base *base;
    const struct job_ops *ops;
    void *arg;
    struct submission *submission;
    struct member member;
    struct feed *feed;

    bool queued;     // the master is not asked yet, or no more
    char *behind;    // run that was in its way at the master; NULL: none
    char *waits_for; // for people, while queued

    char *run;                    // NULL: not accepted yet
    Lps__V1__RunState *state;     // newest of the run; NULL: none yet
    Lps__V1__Progress *progress;  // newest; NULL: none yet
    json_t *result;               // the result event; NULL: not over
    json_t *document;             // the master's, which came before the own end; NULL: none
    json_t *untold;               // the result event, while its document is asked for; else NULL
    enum member_state told_state; // last state event
    char told[256];

    json_t *said; // notice events, for whoever follows later

    bool *ended; // by series: the runner and followers were told that it ends
    Lps__V1__HttpSettings *http;
    struct spawn *spawn; // NULL: no runner
    char *failure;       // why the runner was cut, found here
    struct spool *spool;
    struct aggregate *aggregate;
    Lps__V1__RunnerFin *fin; // NULL: not there yet
    int64_t start_error_ns, started_wall_ms, end_ns, last_k;

    unsigned owed; // of enum member_action: SUBMIT, SEND_CANCEL that are still to be sent
    bool fin_sent; // on this stream
    bool known;    // to the master's Welcome
    bool up_due;   // MEMBER_LINK_UP is held back
    bool lost;     // the master lost what it had acknowledged: nothing more is sent
};

// Takes submission and http.
struct job *job_new(struct event_base *base, struct submission *submission,
                    Lps__V1__HttpSettings *http, const struct member_config *config,
                    const struct job_ops *ops, void *arg);
// NULL is fine. Kills a runner that still runs.
void job_free(struct job *job);
// 0, or -errno: there is no runner.
int job_start_runner(struct job *job, const struct conf *conf);
// Tells the runner, or who only watches, of the iterations that the run has ended, each once.
void job_end_series(struct job *job);
// Drops what only a run needs; state and result stay.
void job_shrink(struct job *job);

bool job_is_open(const struct job *job); // followers still wait for the result
// This node's Fin of the run; what it points to is borrowed from job.
void job_fin(const struct job *job, Lps__V1__Fin *ret_fin);

// Sends what the master is owed, in its order, until the stream takes no more.
void job_send(struct job *job, struct uplink *uplink);

// One line for people about its state; into out, returns out.
char *job_describe(const struct job *job, char *out, size_t size);
// The events of docs/api.md; new references.
json_t *job_state_event(const struct job *job, int64_t now_ns);
json_t *job_notice_event(const char *level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
json_t *job_progress_event(const struct job *job, int64_t now_ns);
// document: the master's, or NULL; taken.
json_t *job_result_event(const struct job *job, const char *node, json_t *document);
