// History and journal of runs in SQLite, written in groups by a thread of its own. Loop thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>
#include <jansson.h>

#include "common/metrics.h"

#define STORE_NODES_MAX  100000
#define STORE_RUNS_MAX   1000   // kept; older ones are deleted with all they have
#define STORE_EVENTS_MAX 100000 // kept, and at most so many waiting
#define STORE_COMMIT_MS  250    // least time between two commits

struct store;

struct store_ops {
    // A window (or, w NULL, a FIN) is committed, or (error not 0) could not be. Windows and FINs of
    // a run come in the order in which they were handed over. Borrowed.
    void (*on_commit)(const char *run, uint32_t source, uint64_t seq,
                      const struct metrics_window *w, int error, void *arg);
    // Writing fails with this reason; NULL: it works again.
    void (*on_failing)(const char *reason, void *arg);
};

// Opens or makes dir/master.db and marks runs that were open as Failed. 0, or -errno with the
// reason in err; -EBUSY: another master uses dir.
int store_open(struct event_base *base, const char *dir, const struct store_ops *ops, void *arg,
               char *err, size_t err_size, struct store **ret_store);
// Writes what is waiting, then delivers all call-backs. NULL is fine.
void store_close(struct store *s);

// Epoch of the newest instance known of this node; 0: none yet.
uint64_t store_epoch(const struct store *s, const char *node);
// -ENOSPC beyond STORE_NODES_MAX.
int store_set_epoch(struct store *s, const char *node, uint64_t epoch);
// Whether a run with this id was stored (and not yet deleted).
bool store_has_run(const struct store *s, const char *run);

// A run as it becomes Ready. Times in Unix ms but T0.
struct store_run {
    const char *id, *plan_name, *plan; // canonical JSON
    const uint8_t *digest;             // 32 bytes
    int64_t opened_ms, started_ms;     // started: T0
    int64_t t0_ns;
    const char *t0_boot_id;
    uint32_t expected;
};
void store_add_run(struct store *s, const struct store_run *run);
struct store_member {
    const char *run, *node, *submission;
    uint32_t source;
    uint64_t epoch;
    bool observer, late;
};
void store_add_member(struct store *s, const struct store_member *member);
void store_set_running(struct store *s, const char *run);
// Takes w.
void store_add_window(struct store *s, const char *run, uint32_t source, uint64_t seq,
                      struct metrics_window *w);
// bytes: the Fin message.
void store_add_fin(struct store *s, const char *run, uint32_t source, uint64_t seq,
                   const void *bytes, size_t len);
struct store_end {
    const char *run;
    int state; // enum cluster_state
    const char *reason;
    int64_t ended_ms;
    int exit_code;
    const char *flags; // JSON array
    uint32_t n_workers;
    uint64_t n_requests;
    const char *result; // JSON
};
void store_end_run(struct store *s, const struct store_end *end);
// run and node may be NULL.
void store_add_event(struct store *s, int64_t t_ms, const char *event, const char *run,
                     const char *node, const char *text);

// A new reference to the "runs" of docs/api.md, or NULL: reading failed.
typedef void store_list_fn(json_t *runs, void *arg);
void store_list(struct store *s, uint32_t limit, store_list_fn *done, void *arg);
// The result document; NULL: no such run, or it has none. Borrowed.
typedef void store_result_fn(const char *result, void *arg);
void store_get_result(struct store *s, const char *run, store_result_fn *done, void *arg);
