// The cluster's streams: protobuf to and from the cluster. Loop thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/rpc.h"

#include "master/daemon/cluster.h"
#include "master/daemon/master.h"

#define SERVICE_SESSIONS_MAX 8192 // streams, greeted or not
#define SERVICE_HELLO_S      5    // for a stream to greet
#define SERVICE_BACKLOG_MAX  16   // windows of one member on their way to the store
#define SERVICE_BACKLOGS     4096 // the same of all members, but 2 of each in any case
#define SERVICE_MEMBERS_MAX  64   // of a larger run each session is told its own member only
#define SERVICE_STATE_MS     100  // between two broadcasts that tell of members alone

struct service;

// master is borrowed and must have its cluster and store. 0, or -errno with the reason in err;
// service_close is due in either case.
int service_open(struct master *master, const char *address, uint16_t *ret_port, char *err,
                 size_t err_size, struct service **ret_service);
// Ends all streams; then done(arg), and service is freed. The master's cluster is told nothing any
// more.
void service_close(struct service *service, void (*done)(void *arg), void *arg);

// The run, to every session: at once where it is another one or in another state, else soon,
// together with what comes until then.
void service_tell_state(struct service *service);
// node NULL: to every session. To a node without a session nothing is sent, here and below.
void service_send_state(struct service *service, struct cluster_node *node);
void service_send_reply(struct service *service, const struct cluster_action *action);
void service_send_ack(struct service *service, struct cluster_node *node, const char *run,
                      uint64_t seq);
void service_send_fin_reply(struct service *service, struct cluster_node *node, const char *run,
                            bool closed);
// node NULL: to all members.
void service_send_result(struct service *service, struct cluster_node *node);
void service_end_session(struct service *service, void *session, enum cluster_status status,
                         const char *text);
// The master itself was away: nobody's silence until now is held against them.
void service_forgive(struct service *service);
// Once a second: progress to the members, and what is overdue.
void service_tick(struct service *service);
