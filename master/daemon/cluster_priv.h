// What cluster.c (nodes, calls, actions), cluster_run.c (members, states, barrier, end) and
// cluster_table.c (what each event does in each state) share. PURE.
#pragma once

#include "master/daemon/cluster.h"

struct cluster_action_queue {
    struct cluster_action *action;
    size_t head, n, cap;
};

struct cluster {
    struct cluster_config config;
    char *refuse_runs; // NULL: new runs are welcome
    struct cluster_node **nodes;
    size_t n_nodes;
    struct cluster_run *run;
    int64_t due_ns;
    struct cluster_action_queue queue;
};

// One event on its way through the table; the second part is the answer.
struct event {
    enum cluster_event kind;
    int64_t now;
    struct cluster_node *node;
    const struct cluster_submission *submission; // SUBMIT
    const char *id;                              // CANCEL: submission
    bool force;
    const char *reason; // DOWN
    const char *run;    // WINDOW, FIN, COMMIT, STORED
    uint64_t seq;
    uint32_t source; // COMMIT, STORED
    bool whole;      // STORED: the run
    bool fin;
    const char *failure;

    enum cluster_verdict verdict;
    struct cluster_member *member;
    const char *error; // START
};

void cluster_dispatch(struct cluster *c, struct event *ev);

void cluster_run_free(struct cluster_run *run);
// Known or new; NULL: there are too many.
struct cluster_node *cluster_reach_node(struct cluster *c, const char *name);
// The newest with this id, or NULL; run may be NULL.
struct cluster_member *cluster_member_by_submission(const struct cluster_run *run, const char *id);
struct cluster_member *cluster_add_member(struct cluster *c, const struct event *ev,
                                          enum cluster_member_state state);
void cluster_remove_member(struct cluster *c, size_t at, const char *why);
void cluster_change_member(struct cluster *c, struct cluster_member *m,
                           enum cluster_member_state to, const char *why);
// gone: for good.
void cluster_lose(struct cluster *c, struct cluster_member *m, int64_t now, const char *why,
                  bool gone);

// The only place that changes a run's state: logs from, to and why, and tells every session.
void cluster_change_state(struct cluster *c, enum cluster_state to, const char *why);
// Who counts now, only while Created. True when their number changed.
bool cluster_recount(struct cluster *c);
// Created to Ready when enough members count.
void cluster_check_barrier(struct cluster *c, int64_t now);
// Created to Ready.
void cluster_arm(struct cluster *c, int64_t now, const char *why);
// The end of the run.
void cluster_close_run(struct cluster *c, int64_t now, enum cluster_state to, const char *why);
// Running ends when nobody is active and nobody who was lost may still come back.
void cluster_end_if_over(struct cluster *c, int64_t now);
// Created: the run is closed when it has no members left, else every session is told.
void cluster_close_if_empty(struct cluster *c, int64_t now, const char *why);

// The timer is due at `at` at the latest.
void cluster_due_at(struct cluster *c, int64_t at);
// A new action at the end of the queue, borrowed until the next one.
struct cluster_action *cluster_emit(struct cluster *c, enum cluster_action_kind kind,
                                    struct cluster_node *node);
void cluster_emit_log(struct cluster *c, int priority, const char *event,
                      const struct cluster_node *node, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
// Closes the node's stream; it has none afterwards.
void cluster_emit_close(struct cluster *c, struct cluster_node *node, enum cluster_status status,
                        const char *text);
