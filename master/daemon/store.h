// History and journal of runs in SQLite, written in groups by a thread of its own. Loop thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>
#include <jansson.h>

#include "common/aggregate.h"
#include "common/metrics.h"

#define STORE_NODES_MAX  100000
#define STORE_RUNS_MAX   1000   // kept; older ones are deleted with all they have
#define STORE_EVENTS_MAX 100000 // kept, and at most so many waiting
#define STORE_COMMIT_MS  250    // least time between two commits

struct store;

// The newest run, as the last master left it. What it points to is borrowed in the call-back.
struct store_saved_member {
    char *node, *submission;
    uint8_t instance[16]; // the newest of the node
    uint64_t node_epoch, epoch, last_seq, errors;
    uint32_t source, part;
    bool observer, late, counted;
    int64_t last_k;
    struct metrics_counters merged; // from its windows
    int64_t fin_ns;                 // when its FIN came
    void *fin;                      // the Fin message; NULL: none
    size_t fin_len;
};
struct store_saved_end {
    uint32_t series;
    int64_t k;
    double value; // NAN: none
    char *rule;
};
struct store_saved_outage {
    int64_t from_ns, to_ns; // CLOCK_BOOTTIME
};
struct store_saved {
    char *id, *plan_name, *plan, *t0_boot_id;
    char *result; // NULL: none
    uint8_t digest[32];
    int state, stop; // enum cluster_state, enum cluster_stop
    int64_t opened_ms, started_ms, ended_ms, t0_ns;
    int64_t alive_ns; // when the last master was there for certain
    uint32_t expected;
    uint64_t seed;
    struct store_saved_member *members; // by source
    size_t n_members;
    struct store_saved_end *ends;
    size_t n_ends;
    struct store_saved_outage *outages;
    size_t n_outages;
};

struct store_ops {
    // Within store_open; NULL: no run is taken up. How many series the run has: all of its parts of
    // seconds follow, ascending. 0: it is not taken up, and Failed if it was open.
    uint32_t (*on_saved)(const struct store_saved *run, void *arg);
    void (*on_saved_window)(const struct aggregate_share *shares, size_t n,
                            const struct metrics_window *w, void *arg);
    // The run and the members that it had then (source -1), or a member of it, are committed, or
    // (error not 0) could not be.
    void (*on_stored)(const char *run, int64_t source, int error, void *arg);
    // A window (or, w NULL, a FIN) is committed, or (error not 0) could not be. Windows and FINs of
    // a run come in the order in which they were handed over. Borrowed.
    void (*on_commit)(const char *run, uint32_t source, uint64_t seq,
                      const struct metrics_window *w, int error, void *arg);
    // Writing fails with this reason; NULL: it works again.
    void (*on_failing)(const char *reason, void *arg);
};

// Opens or makes dir/master.db; runs that were open and are not taken up become Failed. 0, or
// -errno with the reason in err; -EBUSY: another master uses dir; -EIO: it is damaged, and left as
// it is.
int store_open(struct event_base *base, const char *dir, const struct store_ops *ops, void *arg,
               char *err, size_t err_size, struct store **ret_store);
// Writes what is waiting, then delivers all call-backs. NULL is fine.
void store_close(struct store *s);

// Says in one line, on standard output, whether dir/master.db is sound, and changes nothing. 0, or
// -EIO: it is not.
int store_check(const char *dir);

// The epoch of this instance of the node: that of the newest one known, or the next.
uint64_t store_epoch(const struct store *s, const char *node, const uint8_t instance[16]);
// -ENOSPC beyond STORE_NODES_MAX.
int store_set_epoch(struct store *s, const char *node, const uint8_t instance[16], uint64_t epoch);
// Whether a run with this id was stored (and not yet deleted).
bool store_has_run(const struct store *s, const char *run);

// A run as it becomes Ready. Times in Unix ms but T0.
struct store_run {
    const char *id, *plan_name, *plan; // canonical JSON
    const uint8_t *digest;             // 32 bytes
    int64_t opened_ms, started_ms;     // started: T0
    int64_t t0_ns, alive_ns;           // alive: now
    const char *t0_boot_id;
    uint32_t expected;
    uint64_t seed;
};
// After its members. Committed at once; on_stored comes.
void store_add_run(struct store *s, const struct store_run *run);
struct store_member {
    const char *run, *node, *submission;
    uint32_t source;
    uint64_t epoch;
    uint32_t part;
    bool observer, late, counted;
};
// on_stored comes. One that is there already: what may have changed until T0.
void store_add_member(struct store *s, const struct store_member *member);
// enum cluster_state, enum cluster_stop.
void store_set_state(struct store *s, const char *run, int state, int stop);
// The master was there at this instant of CLOCK_BOOTTIME.
void store_set_alive(struct store *s, const char *run, int64_t now_ns);
// A rule has ended a series. value NAN: it has none.
void store_add_end(struct store *s, const char *run, uint32_t series, int64_t k, double value,
                   const char *rule);
void store_add_outage(struct store *s, const char *run, int64_t from_ns, int64_t to_ns);
// Takes w.
void store_add_window(struct store *s, const char *run, uint32_t source, uint64_t seq,
                      struct metrics_window *w);
// bytes: the Fin message, which came at now_ns.
void store_add_fin(struct store *s, const char *run, uint32_t source, uint64_t seq, int64_t now_ns,
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
