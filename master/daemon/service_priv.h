// What service.c (sessions, what they say), service_send.c (what they are told) and
// service_answer.c (what they ask for) share. Loop thread.
#pragma once

#include <sys/queue.h>

#include "lps.pb-c.h"

#include "master/daemon/service.h"

#define SERVICE_ANSWERS_MAX 8 // to one worker, under way

struct service_answer;
TAILQ_HEAD(service_answers, service_answer);

struct session {
    LIST_ENTRY(session) link;
    struct service *service;
    struct rpc_call *call;
    struct cluster_node *node; // NULL before Hello, and again once the cluster has given it up
    int64_t opened_ns;
    bool ended; // by us: messages that still come are dropped
    bool paused;
    struct service_answers answers; // under way
    size_t n_answers;
    bool state_due;     // the newest run state did not fit into the queue
    uint64_t broadcast; // the newest that it was in
};

// What of a run's state is told at once.
struct service_headline {
    char run[CLUSTER_RUN_ID_MAX + 1];
    enum cluster_state state;
    enum cluster_stop stop;
    bool stored; // T0 is told
    int64_t t0_ns;
    size_t n_ended;
};

struct service {
    struct master *master;
    struct rpc_loop *loop;
    struct rpc_server *server;
    struct rpc_method method;
    struct rpc_arena *arena;
    LIST_HEAD(, session) sessions;
    size_t n_sessions;
    bool closing;
    uint64_t n_broadcasts;
    struct service_headline told;
    struct event *state_due; // a broadcast waits
    struct event *freed;     // frees outside of gRPC's call-back
    void (*done)(void *arg);
    void *arg;
};

// Further messages of it are dropped; its end comes as on_close.
void service_end(struct session *s, enum rpc_status status, const char *text);
// A worker that does not read loses its stream: it reconnects and hears all of it again.
void service_send(struct session *s, Lps__V1__MasterMessage__BodyCase body, void *message);
// SubmitReply; refusal NULL: accepted.
void service_answer(struct session *s, const char *submission, const char *run, const char *refusal,
                    bool observer, bool late);
void service_on_state_due(evutil_socket_t fd, short what, void *service);
void service_send_welcome(struct session *s);
void service_send_progress(struct service *service);
// Reads on or not, by what of the member waits for the store.
void service_pause_or_resume(struct service *service, struct session *s);
// Answers a Command, now or later.
void service_command(struct session *s, const Lps__V1__Command *msg);
// The session is going: nothing is answered any more.
void service_drop_answers(struct session *s);
