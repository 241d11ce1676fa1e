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

struct service;

// master is borrowed and must have its cluster and store. 0, or -errno with the reason in err;
// service_close is due in either case.
int service_open(struct master *master, const char *address, uint16_t *ret_port, char *err,
                 size_t err_size, struct service **ret_service);
// Ends all streams; then done(arg), and service is freed. The master's cluster is told nothing any
// more.
void service_close(struct service *service, void (*done)(void *arg), void *arg);

// node NULL: to every session. To a node without a session nothing is sent, here and below.
void service_send_state(struct service *service, struct cluster_node *node);
void service_send_reply(struct service *service, const struct cluster_action *action);
void service_send_ack(struct service *service, struct cluster_node *node, const char *run,
                      uint64_t seq);
void service_send_fin_reply(struct service *service, struct cluster_node *node, const char *run,
                            bool closed);
void service_send_result(struct service *service, struct cluster_node *node);
void service_end_session(struct service *service, void *session, enum cluster_status status,
                         const char *text);
// Once a second: progress to the members, and what is overdue.
void service_tick(struct service *service);
