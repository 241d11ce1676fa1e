// One request slot of a session: attempts until one is the last. Only for session.c and its parts.
// The thread of its loop.
#pragma once

#include "worker/runner/page.h"
#include "worker/runner/program_impl.h"
#include "worker/runner/session.h"

#define SLOTS_SPARE_MAX 16 // of a session

struct session {
    const struct program *program;
    struct client *client;
    struct loop *loop;
    struct scope variables;
    struct script_random random;
    struct script_env env;
    int64_t seen_ns;     // of the loop, when env.unix_ms was taken
    struct buf scratch;  // of hooks
    const char **fields; // of an answer
    size_t fields_cap;
    bool is_stopping;
    struct list slots; // not over
    struct list spare;
    size_t n_spare;
};

struct slot {
    struct list link; // of its session
    struct session *session;
    struct program_series *series;
    struct exchange *x;
    void (*on_done)(struct exchange *x, bool ok); // these three are of x's owner
    void *owner;
    int64_t intended_ns;
    uint64_t n_attempts;
    bool is_beginning; // session_send has not returned
    bool is_sent;      // x is the client's
    bool is_over;      // the timer tells x's owner
    bool is_ok;
    struct loop_timer timer; // to the next attempt, or to the end
    struct program_render render;
    struct request_parts parts;
    const struct request_origin *origin; // of its series; NULL: not known yet
    uint32_t origin_id;
    struct request request;
    struct answer answer;
    struct page page;
};

// What session_send does once the hooks and skipIf have been seen to.
void slot_begin(struct session *s, struct exchange *x);
void slot_skip(struct session *s, struct exchange *x);
// With session_stop: its retry does not come.
void slot_stop(struct slot *slot);
// Without a word to x's owner. x is freed, but not where it is the client's.
void slot_forget(struct slot *slot);
void slot_free(struct slot *slot);

// env of s, with the time of this pass.
struct script_env *session_env(struct session *s);
void session_run_hooks(struct session *s, const struct program_hooks *hooks);
