// This node's part in one submission: waits, starts, stops, delivers. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum member_state {
    MEMBER_UNDEFINED = 0,
    MEMBER_CONNECTING, // the master does not know the submission, or is away
    MEMBER_WAITING,    // accepted; the run is Created
    MEMBER_READY,      // T0 is known and not reached
    MEMBER_RUNNING,
    MEMBER_DRAINING,   // over here; the master is owed data, or owes the result
    MEMBER_DELIVERING, // the result was given out; the master is still owed something
    MEMBER_DONE,
    MEMBER_STATE__COUNT,
};

extern const char *const member_state_name[MEMBER_STATE__COUNT]; // as in docs/api.md

enum member_event_kind {
    MEMBER_EVENT_UNDEFINED = 0,
    MEMBER_LINK_UP,     // Welcome
    MEMBER_LINK_DOWN,   // also: an attempt failed
    MEMBER_ACCEPTED,    // SubmitReply
    MEMBER_REFUSED,     // SubmitReply
    MEMBER_QUEUED,      // it waits for another run to be over; the master does not know it (now)
    MEMBER_RUN_CREATED, // RunState of the submission's run
    MEMBER_RUN_ARMED,   // RunState Ready or Running
    MEMBER_RUN_OVER,    // RunState Stopped or Failed
    MEMBER_RESULT,      // RunResult
    MEMBER_FIN_REPLY,
    MEMBER_LOCAL_END, // the runner is gone, or could not be started
    MEMBER_CANCEL,    // by the user
    MEMBER_TIMER,
    MEMBER_EVENT__COUNT,
};

enum member_stop { MEMBER_GO = 0, MEMBER_DRAIN, MEMBER_ABORT }; // as in proto RunState.Stop

// Texts are borrowed.
struct member_event {
    enum member_event_kind kind;
    int64_t now_ns;             // own CLOCK_MONOTONIC, as every instant here
    const char *text;           // LINK_DOWN, REFUSED, QUEUED: why; LOCAL_END: failure, NULL: none
    bool known;                 // LINK_UP: the master's Welcome names the submission
    bool observer, late;        // ACCEPTED
    uint32_t counted, expected; // RUN_CREATED
    bool is_member;             // RUN_CREATED: this node is among the run's members
    int64_t t0_ns;              // RUN_ARMED
    enum member_stop stop;      // RUN_ARMED
    bool had_t0;                // RUN_OVER: it was Running
    int exit_code;              // RESULT
    bool force;                 // CANCEL
    bool closed;                // FIN_REPLY: the run was over
};

// What the caller has to do, in this order.
enum member_action {
    MEMBER_SUBMIT = 1 << 0,      // send Submit
    MEMBER_SEND_CANCEL = 1 << 1, // send Cancel, with cancel_force
    MEMBER_START = 1 << 2,       // start the runner for start_ns and k_origin_ns
    MEMBER_STOP = 1 << 3,        // stop it as `stop` says, when there is one
    MEMBER_SEND_FIN = 1 << 4,    // Fin is due, after the windows, with fin_failure
    MEMBER_FINISH = 1 << 5,      // followers get their result: exit_code, result_message
};

struct member_config {
    int64_t wait_ns;        // bound of the wait for the start; INT64_MAX: none
    int64_t master_loss_ns; // how long a run goes on without a master
};

struct member {
    struct member_config config;
    enum member_state state;
    int64_t submitted_ns;

    bool linked;
    int64_t down_ns; // since when, while not linked
    char *trouble;   // why, for people; NULL: nothing went wrong yet
    bool sent;       // Submit went out at least once
    bool observer, late;
    uint32_t counted, expected;

    bool has_t0, started; // started: MEMBER_START was asked for
    int64_t armed_ns, start_ns, k_origin_ns;
    enum member_stop stop;
    bool cancel_force;
    bool cancelled; // stopped by a user, here or elsewhere
    bool gave_up;   // stopped because the master stayed away

    int64_t ended_ns; // local end
    char *fin_failure;
    bool fin_due, fin_done;
    int64_t closed_ns; // since when the master says that the run is over; 0: it does not
    bool has_result;
    int exit_code;
    char *result_message; // NULL: none
};

void member_init(struct member *m, int64_t now_ns, const struct member_config *config);
void member_done(struct member *m);

// A set of enum member_action.
unsigned member_handle(struct member *m, const struct member_event *e);
// When MEMBER_TIMER is due; INT64_MAX: never.
int64_t member_due(const struct member *m);
// One line for people: "waiting for the master (2 of 3 workers)"; into out, returns out.
char *member_describe(const struct member *m, char *out, size_t size);
