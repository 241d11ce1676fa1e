#include "master/daemon/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/jtext.h"
#include "common/log.h"
#include "common/result.h"
#include "common/str.h"
#include "common/wire.h"

#include "master/daemon/message.h"

struct session {
    LIST_ENTRY(session) link;
    struct service *service;
    struct rpc_call *call;
    struct cluster_node *node; // NULL before Hello, and again once the cluster has given it up
    int64_t opened_ns;
    bool ended; // by us: messages that still come are dropped
    bool paused;
    bool state_due; // the newest run state did not fit into the queue
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
    struct event *freed; // frees outside of gRPC's call-back
    void (*done)(void *arg);
    void *arg;
};

static int64_t now_ns(void)
{
    return clock_boot_now().ns;
}

// --- Ending a session ---

static void end(struct session *s, enum rpc_status status, const char *text)
{
    if (s->ended)
        return;
    s->ended = true;
    rpc_call_finish(s->call, status, text);
}

static void give_up(struct session *s, enum rpc_status status, const char *text)
{
    struct cluster_node *node = s->node;

    end(s, status, text);
    s->node = NULL;
    if (node == NULL)
        return;
    cluster_gone(s->service->master->cluster, now_ns(), node, s, text);
    master_apply(s->service->master);
}

static void bad_message(struct session *s, const char *why)
{
    struct log_fields fields = {.node = s->node == NULL ? NULL : s->node->name,
                                .event = "bad-message"};

    s->service->master->bad_messages++;
    log_event(LOG_WARNING, &fields, "%s: %s", rpc_call_peer(s->call), why);
    give_up(s, RPC_INVALID_ARGUMENT, why);
}

void service_end_session(struct service *service, void *session, enum cluster_status status,
                         const char *text)
{
    struct session *s = session;

    if (status == CLUSTER_STATUS_INVALID)
        service->master->bad_messages++;
    s->node = NULL;
    end(s, (enum rpc_status)status, text);
}

// --- Sending ---

static int send_message(struct session *s, Lps__V1__MasterMessage__BodyCase body, void *message)
{
    Lps__V1__MasterMessage msg = LPS__V1__MASTER_MESSAGE__INIT;

    msg.body_case = body;
    msg.hello_body = message;
    return rpc_call_send(s->call, &msg.base);
}
