// The cluster as the master knows it: nodes, the run, its members, the start barrier, and one table
// of (state, event). PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLUSTER_NAME_MAX          64
#define CLUSTER_RUN_ID_MAX        40
#define CLUSTER_SUBMISSION_MAX    64
#define CLUSTER_NODES_MAX         5000
#define CLUSTER_MEMBERS_MAX       10000
#define CLUSTER_CLOCK_SAMPLES     5 // below that a member does not count
#define CLUSTER_START_LEAD_MAX_NS 30000000000LL
#define CLUSTER_SEED_MAX          INT64_MAX

// The first five are the values of proto State.
enum cluster_state {
    CLUSTER_UNDEFINED = 0,
    CLUSTER_CREATED,
    CLUSTER_READY,
    CLUSTER_RUNNING,
    CLUSTER_STOPPED,
    CLUSTER_FAILED,
    CLUSTER_IDLE, // no run since the start
    CLUSTER_STATE__COUNT,
};

enum cluster_event {
    CLUSTER_EVENT_UNDEFINED = 0,
    CLUSTER_SUBMIT,
    CLUSTER_CANCEL,
    CLUSTER_START,    // the operator's "start with who is here"
    CLUSTER_CLOCK,    // a node's clock estimate
    CLUSTER_UP,       // a node's stream is up, same instance or a first one
    CLUSTER_REPLACED, // a new instance in place of one that was known
    CLUSTER_DOWN,     // a node's stream is lost
    CLUSTER_WINDOW,
    CLUSTER_FIN,
    CLUSTER_COMMIT, // a window or FIN was committed
    CLUSTER_STORED, // the run or a member is in the store
    CLUSTER_TIMER,
    CLUSTER_EVENT__COUNT,
};

enum cluster_member_state {
    CLUSTER_MEMBER_UNDEFINED = 0,
    CLUSTER_WAITING,
    CLUSTER_ACTIVE,
    CLUSTER_DONE, // FIN committed
    CLUSTER_LOST,
    CLUSTER_MEMBER_STATE__COUNT,
};

enum cluster_stop { CLUSTER_GO = 0, CLUSTER_DRAIN, CLUSTER_ABORT }; // as in proto RunState.Stop

extern const char *const cluster_state_name[CLUSTER_STATE__COUNT];               // "Created"
extern const char *const cluster_member_state_name[CLUSTER_MEMBER_STATE__COUNT]; // "waiting"

struct cluster_config {
    char node_name[CLUSTER_NAME_MAX + 1]; // the master's own
    bool master_is_worker;
    uint32_t expected; // ExpectedNumberOfWorkers
    int64_t start_lead_ns, lease_ns, rejoin_grace_ns, drain_ns;
};

struct cluster_facts {
    char version[32], os[128], kernel[128], arch[32];
    uint32_t cpus;
    uint64_t memory_bytes, fd_limit;
};

struct cluster_node {
    char name[CLUSTER_NAME_MAX + 1];
    uint8_t instance[16];
    uint64_t epoch;
    void *session; // the caller's stream; NULL: none
    int64_t seen_ns;
    struct cluster_facts facts;
    uint32_t n_samples; // on this stream
    int64_t rtt_ns, error_ns;
};

struct cluster_member {
    struct cluster_node *node;
    char submission[CLUSTER_SUBMISSION_MAX + 1];
    uint64_t epoch;  // the instance of the node it belongs to
    uint32_t source; // 0, 1, 2, ... within the run
    enum cluster_member_state state;
    bool counted; // live while Created, kept from Ready on
    bool observer;
    bool late;
    bool gone;       // lost for good: restarted, or its runner failed
    int64_t down_ns; // since when its stream is lost; 0: it is up
    char *reason;    // of a loss, else NULL
    uint32_t part;   // of n_parts, from 1; 0: none
    uint64_t received_seq, committed_seq;
    bool fin_received;
    bool stored; // of who joins from Ready on, and is told only then; true of who is stored with
                 // the run
};

struct cluster_run {
    char id[CLUSTER_RUN_ID_MAX + 1];
    char *plan_name;
    uint8_t digest[32];
    enum cluster_state state;
    enum cluster_stop stop;
    uint32_t expected; // what the barrier asks for
    uint32_t counted;
    uint32_t min_members; // counted at T0
    uint64_t seed;
    uint32_t n_parts; // members that were there at Ready, observers aside
    int64_t t0_ns, ended_ns;
    bool stored;         // nobody is to be told T0 before: a restart must find it
    int64_t stop_due_ns; // when a cancel is no longer waited for
    uint32_t next_source;
    struct cluster_member **members;
    size_t n_members;
};

// What the caller has to do, in this order, after every call that takes `now`.
enum cluster_action_kind {
    CLUSTER_ACTION_UNDEFINED = 0,
    CLUSTER_SEND_STATE,     // the run as it is now, to node or (NULL) to every session
    CLUSTER_SEND_REPLY,     // SubmitReply to node: run, submission, accepted, observer, late, text
    CLUSTER_SEND_ACK,       // to node: run, seq
    CLUSTER_SEND_FIN_REPLY, // to node: run, closed
    CLUSTER_SEND_RESULT,    // the ended run's result, to node
    CLUSTER_CLOSE,          // session: status, text
    CLUSTER_OPENED,         // a run, in place of the last one
    CLUSTER_ARMED,          // it is Ready: T0 is fixed; cluster_run_stored is due
    CLUSTER_JOINED,         // member, after that; cluster_member_stored is due
    CLUSTER_ENDED,          // the run is Stopped or Failed; t0_ns 0: it never started
    CLUSTER_LOG,            // priority, event, node, run, text
    CLUSTER_ACTION__COUNT,
};

// The statuses of CLUSTER_CLOSE, as in gRPC.
enum cluster_status {
    CLUSTER_STATUS_CANCELLED = 1,
    CLUSTER_STATUS_INVALID = 3,
    CLUSTER_STATUS_DEADLINE = 4,
};

struct cluster_action {
    enum cluster_action_kind kind;
    struct cluster_node *node;
    struct cluster_member *member;
    void *session;
    char run[CLUSTER_RUN_ID_MAX + 1];
    char submission[CLUSTER_SUBMISSION_MAX + 1];
    bool accepted, observer, late, closed;
    uint64_t seq;
    enum cluster_status status;
    int priority; // syslog
    const char *event;
    char *text; // NULL: none
};

struct cluster;

struct cluster *cluster_new(const struct cluster_config *config);
void cluster_free(struct cluster *c);
// New runs are refused with this reason; NULL: no longer.
void cluster_refuse_runs(struct cluster *c, const char *reason);

// `now` is CLOCK_BOOTTIME in ns everywhere, the clock of T0.

// For the decisions from now on; a barrier that it meets is passed.
void cluster_configure(struct cluster *c, int64_t now, const struct cluster_config *config);

// A stream's Hello. next_epoch is for a new instance; node->epoch == next_epoch afterwards says
// that it was one. 0; -EEXIST: two workers have this name; -ENOSPC: no more nodes.
int cluster_hello(struct cluster *c, int64_t now, const char *name, const uint8_t instance[16],
                  uint64_t next_epoch, const struct cluster_facts *facts, void *session,
                  struct cluster_node **ret_node);
// A message came.
void cluster_seen(struct cluster *c, int64_t now, struct cluster_node *node);
void cluster_clock(struct cluster *c, int64_t now, struct cluster_node *node, uint32_t n_samples,
                   int64_t rtt_ns, int64_t error_ns);
// The stream ended; nothing happens when the node has another one by now.
void cluster_gone(struct cluster *c, int64_t now, struct cluster_node *node, void *session,
                  const char *reason);

struct cluster_submission {
    const char *id;
    const uint8_t *digest; // 32 bytes
    const char *plan_name;
    const char *run;     // the run it says it belongs to; "": none
    const char *new_run; // the id of the run that it may open
    bool has_seed;       // it asks for this one
    uint64_t seed;       // else that of the run that it may open
    bool has_unique;     // the plan has values that each member needs a part of
};
void cluster_submit(struct cluster *c, int64_t now, struct cluster_node *node,
                    const struct cluster_submission *submission);
void cluster_cancel(struct cluster *c, int64_t now, struct cluster_node *node,
                    const char *submission, bool force);
// 0, or -EINVAL with why not for people in err.
int cluster_start(struct cluster *c, int64_t now, char *err, size_t err_size);

enum cluster_verdict {
    CLUSTER_TAKE = 1,  // commit it, then cluster_commit
    CLUSTER_DUPLICATE, // received before
    CLUSTER_CLOSED,    // for a run that is over: counts as late; it was answered
    CLUSTER_BREACH,    // against the protocol: the stream is being closed
};
// A window or FIN of this node. ret_member is set for CLUSTER_TAKE.
enum cluster_verdict cluster_window(struct cluster *c, int64_t now, struct cluster_node *node,
                                    const char *run, uint64_t seq,
                                    struct cluster_member **ret_member);
enum cluster_verdict cluster_fin(struct cluster *c, int64_t now, struct cluster_node *node,
                                 const char *run, uint64_t seq, struct cluster_member **ret_member);
// failure: of a FIN, NULL or "" when it went to its end. A run or member that is no longer known is
// fine.
void cluster_commit(struct cluster *c, int64_t now, const char *run, uint32_t source, uint64_t seq,
                    bool fin, const char *failure);
// The run, with the members that it has then, can be taken up again after a restart (or never will
// be: the store fails).
void cluster_run_stored(struct cluster *c, int64_t now, const char *run);
void cluster_member_stored(struct cluster *c, int64_t now, const char *run, uint32_t source);
void cluster_timer(struct cluster *c, int64_t now);

// A member as it was stored.
struct cluster_saved_member {
    const char *node, *submission;
    uint8_t instance[16];       // the newest of the node
    uint64_t node_epoch, epoch; // that one's, and the member's own
    uint32_t source, part;
    bool observer, late, counted;
    uint64_t last_seq;
    bool has_fin;
    const char *failure; // of its FIN; NULL: none
};
struct cluster_saved {
    const char *id, *plan_name;
    const uint8_t *digest; // 32 bytes
    enum cluster_state state;
    enum cluster_stop stop;
    uint32_t expected;
    uint64_t seed;
    int64_t t0_ns;
    const struct cluster_saved_member *members; // by source
    size_t n_members;
};
// The run that the last master left, before anything else happens; on a clock that goes on, unless
// it is over. Who is not done counts as lost since now + extra_ns, and comes back like any other.
void cluster_restore(struct cluster *c, int64_t now, const struct cluster_saved *saved,
                     int64_t extra_ns);
// The run that is open cannot go on, for this reason: it is Failed.
void cluster_fail(struct cluster *c, int64_t now, const char *why);

// When cluster_timer is due next; INT64_MAX: never.
int64_t cluster_due(const struct cluster *c);
// The next action, borrowed until the next call of any function; NULL: none.
const struct cluster_action *cluster_next_action(struct cluster *c);

// The run that is open or the last one; NULL: none yet.
const struct cluster_run *cluster_run(const struct cluster *c);
uint32_t cluster_n_active(const struct cluster_run *run); // members that make load now
// The master's global state: that of the open run, else Created.
enum cluster_state cluster_global_state(const struct cluster *c);
bool cluster_is_open(const struct cluster *c);
struct cluster_node *const *cluster_nodes(const struct cluster *c, size_t *ret_n);
// This node's newest member in the run, of this instance; NULL: none.
struct cluster_member *cluster_member_of(const struct cluster *c, const struct cluster_node *node);
