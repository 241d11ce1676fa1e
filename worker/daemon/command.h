// Questions to the master that have one answer: start now, what is the state, what were the runs.
// Loop thread.
#pragma once

#include <stdbool.h>

#include "worker/daemon/uplink.h"

#define COMMAND_PENDING_MAX 64
#define COMMAND_ANSWER_MAX  (64 * 1024 * 1024)
#define COMMAND_RUNS_MAX    1000 // of one list

struct command_queue;

enum command_outcome {
    COMMAND_UNDEFINED = 0,
    COMMAND_DONE,       // text: the master's answer
    COMMAND_REFUSED,    // text: why, by the master
    COMMAND_UNANSWERED, // text: why there is no answer
};

// Once for each; text is borrowed.
typedef void command_done_fn(enum command_outcome outcome, const char *text, void *arg);

struct command_queue *command_queue_new(struct event_base *base, struct uplink *uplink);
// No call-back for what is still open.
void command_queue_free(struct command_queue *q);

struct command_question {
    Lps__V1__Command__Verb verb;
    uint32_t limit;  // RUNS
    const char *run; // SHOW, else NULL
};

// The answer comes later, or at once when there is no master.
void command_ask(struct command_queue *q, const struct command_question *question,
                 command_done_fn *done, void *arg);
void command_reply(struct command_queue *q, const Lps__V1__CommandReply *reply);
// The stream is gone, and the answers with it.
void command_fail_all(struct command_queue *q, const char *why);
