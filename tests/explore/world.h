// A whole cluster in small: the real cluster, member and spool, and between them models of what is
// not pure: streams, store, runners, and the wiring of both daemons (master.c, service.c; jobs.c,
// jobs_master.c, job_send.c, uplink.c).
//
// Time passes only where a step says so, to the next instant at which a timer is due. Streams that
// are whole always have a heartbeat; a lease that ends is a stream that the master loses first.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/daemon/cluster.h"
#include "worker/daemon/member.h"
#include "worker/daemon/spool.h"

#define WORKERS_MAX 2
#define N_INSTANCES 2 // of a worker: it crashes at most once
#define N_STREAMS   10
#define FIFO_MAX    24
#define PENDING_MAX 16
#define SEQ_MAX     8
#define RUNS_MAX    4
#define STEPS_MAX   64

// What may happen at most; windows are those that each runner makes.
struct bounds {
    const char *name;
    uint8_t workers, windows, breaks, crashes, cancels;
    bool slow_clocks;  // their estimates take messages of their own
    bool slow_answers; // what the master says takes its time, too; else it arrives, or is lost
    size_t spool_bytes;
};

enum message_kind {
    MESSAGE_UNDEFINED = 0,
    HELLO, // from here on by a worker
    CLOCK,
    SUBMIT,
    CANCEL,
    WINDOW,
    FIN,
    WELCOME, // from here on by the master
    PONG,
    REPLY,
    STATE,
    ACK,
    FIN_REPLY,
    RESULT,
};

// Only bytes, so that messages can be compared as such, and none that says which worker it is:
// their streams do. Runs, and the submissions of one worker, are numbers from 1, 0: none; T0 is
// that of the run.
struct message {
    uint8_t kind, instance, submission, run, seq;
    uint8_t accepted, late, closed, force, failed;
    uint8_t state, stop, is_member;
    uint8_t with_clock; // of a Welcome: no further message is needed
    uint16_t unused;
    uint32_t content; // of a window; of a FIN: of all windows
};

// An end that is closed neither sends nor hears; what the other one sent before may still arrive.
struct stream {
    uint8_t worker, instance;
    uint8_t age; // 0: this place is free; the oldest of a worker has the lowest
    bool worker_open, master_open;
    bool clock_known;          // to the master
    struct cluster_node *node; // as the master's session has it
    uint8_t n_up, n_down;
    struct message up[FIFO_MAX], down[FIFO_MAX];
};

struct worker {
    uint8_t instance;
    struct stream *stream;
    bool up, clock_told;
    struct message newest_state; // of any run, on this stream

    // Its job, when submission is not 0.
    uint8_t submission, run;
    struct member member;
    struct spool *spool; // NULL: no longer needed
    struct message state;
    unsigned owed;
    bool fin_sent, known, finished;
    bool runs, stopping; // the runner
    uint8_t n_made;

    // What is only watched.
    uint8_t out_seq; // newest sent on this stream
    uint32_t sent[SEQ_MAX];
};

// Byte i counts window i.
struct ledger {
    uint32_t made, merged, late;
};

enum row { ROW_RUN = 1, ROW_MEMBER, ROW_WINDOW, ROW_FIN };

// Handed over to the store, and not committed.
struct pending {
    uint8_t row, run, source, seq, worker, instance, failed, unused;
    uint32_t content;
};

struct world {
    struct bounds left; // of what may still happen
    int64_t now;
    struct cluster *cluster;
    uint8_t epoch[WORKERS_MAX], stored_instance[WORKERS_MAX];
    uint8_t n_runs;
    bool has_result;
    int64_t t0[RUNS_MAX + 1];
    uint8_t n_pending;
    struct pending pending[PENDING_MAX];
    struct worker worker[WORKERS_MAX];
    struct stream stream[N_STREAMS];
    struct ledger ledger[WORKERS_MAX][N_INSTANCES];
    const char *broken; // the first promise that was; NULL: none
};

enum step_kind {
    STEP_UNDEFINED = 0,
    DELIVER_UP,
    DELIVER_DOWN,
    COMMIT,         // the next of what is pending
    MAKE_WINDOW,    // by the runner
    RUNNER_ENDS,    // after its last window, or stopped
    MASTER_TIMER,   // is due
    MASTER_NOTICES, // that the other end is closed; what was on its way is lost
    WORKER_NOTICES,
    CONNECT,
    RESUBMIT,      // the user, after a crash
    TIME,          // passes to the next timer; the workers' timers, which only they see, go off
    WORKER_BREAKS, // a stream: its end is closed first. From here on faults, and what users do
    MASTER_BREAKS,
    WORKER_CRASHES, // and is started again
    USER_CANCELS,
    STEP__COUNT,
};

// who: worker, or place of the stream.
struct step {
    uint8_t kind, who;
};

#define WORLD_START_NS 1000000000000LL
#define LEAD_NS        2000000000LL
#define GRACE_NS       10000000000LL
#define DRAIN_NS       5000000000LL
#define LOSS_NS        60000000000LL
#define LEASE_NS       1000000000000000LL // never within what is explored
#define HORIZON_NS     (LEASE_NS / 2)

struct world *world_new(const struct bounds *bounds);
// At most STEPS_MAX; those that need no fault come first.
size_t world_steps(const struct world *w, struct step *ret_steps);
bool step_is_fault(struct step s);
void world_apply(struct world *w, struct step s);
// For a state without a step that needs no fault: is all over, and all accounted for?
void world_check_end(struct world *w);
// Equal for states with equal futures. Leaves the spools drained: put the state back afterwards.
uint64_t world_key(const struct world *w);
// A step that is about to happen, for people.
void world_describe(const struct world *w, struct step s, char *out, size_t size);

// --- Between the parts ---

void world_break(struct world *w, const char *promise);
void send_up(struct world *w, struct stream *s, struct message m);
void send_down(struct world *w, struct stream *s, struct message m);

void master_hears(struct world *w, struct stream *s, struct message m);
void master_loses(struct world *w, struct stream *s);
void master_commits(struct world *w);
void master_timer(struct world *w);
uint8_t number_of(const char *id);
bool is_open_run(const struct world *w, uint8_t run);

void worker_submits(struct world *w, struct worker *worker);
void worker_connects(struct world *w, struct worker *worker);
void worker_hears(struct world *w, struct worker *worker, struct message m);
void worker_loses(struct world *w, struct worker *worker);
void worker_makes_window(struct world *w, struct worker *worker);
void worker_runner_ends(struct world *w, struct worker *worker);
void worker_timer(struct world *w, struct worker *worker);
void worker_cancels(struct world *w, struct worker *worker);
void worker_crashes(struct worker *worker);
