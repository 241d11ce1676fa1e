// What the files of rpc share; nobody else includes this. Loop thread, but where it says any
// thread.
#pragma once

#include <stdatomic.h>
#include <sys/queue.h>

#include <grpc/grpc.h>

#include "common/rpc.h"

// One operation that gRPC has under way. Embedded in what it is about; alive until on_done.
struct rpc_tag {
    void (*on_done)(struct rpc_tag *tag, bool ok);
    struct rpc_tag *next;
    bool ok;
    // A release before the start, an acquire after the end: gRPC's queue orders the two as well,
    // but a thread sanitizer cannot see that in a library it did not build.
    atomic_int order;
};

#define RPC_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

struct rpc_loop {
    struct event_base *base;
    grpc_completion_queue *cq;
    pthread_t poller;
    int wake_fd;
    struct event *wake;
    _Atomic(struct rpc_tag *) finished; // newest first
    size_t n_calls, n_servers;
};

// The tag to hand to gRPC, made visible to the poller.
void *rpc_tag_start(struct rpc_tag *tag);

struct rpc_packed {
    grpc_slice bytes;
};

struct rpc_out {
    STAILQ_ENTRY(rpc_out) link;
    grpc_byte_buffer *bytes;
    size_t len;
};

LIST_HEAD(rpc_calls, rpc_call);

struct rpc_call {
    LIST_ENTRY(rpc_call) link; // in its server or client
    struct rpc_loop *loop;
    struct rpc_server *server; // either this
    struct rpc_client *client; // or that
    grpc_call *call;
    struct rpc_call_ops ops;
    void *arg;
    char *peer;

    int n_pending; // batches under way, fin not counted
    struct rpc_tag fin, init, recv, send;
    grpc_byte_buffer *received;

    STAILQ_HEAD(, rpc_out) queue;
    struct rpc_out *in_flight;
    size_t queued_bytes; // in_flight included
    bool started;        // initial metadata is sent
    bool sending, receiving;
    bool send_failed, refused_send;
    bool paused, recv_ended;
    bool half_closing, half_closed;
    bool accepted, cancelled, fin_done;

    bool finishing, finished; // server
    enum rpc_status status;
    grpc_slice details;
    int peer_cancelled;

    struct event *open_timer; // client: until the server answers
    bool timed_out;
    grpc_metadata_array initial, trailing;
    grpc_status_code received_status;
};

struct rpc_call *rpc_call_new(struct rpc_loop *loop, grpc_call *grpc);
void rpc_call_start_server(struct rpc_call *call);
void rpc_call_start_client(struct rpc_call *call);

struct rpc_watch; // a health watcher

struct rpc_server {
    struct rpc_loop *loop;
    grpc_server *server;
    const struct rpc_method *methods;
    size_t n_methods;
    struct rpc_calls calls;
    struct rpc_request *requests;
    size_t n_requests; // asked of gRPC and not answered

    bool serving;
    LIST_HEAD(, rpc_watch) watches;

    bool listening, stopping, stopped;
    struct rpc_tag shutdown;
    struct event *grace;
    void (*on_stopped)(void *arg);
    void *arg;
};

void rpc_server_call_closed(struct rpc_server *server);

struct rpc_client {
    struct rpc_loop *loop;
    grpc_channel *channel;
    int connect_timeout_ms;
    struct rpc_calls calls;
    bool freed;
};

void rpc_client_call_closed(struct rpc_client *client);

// Check and Watch; arg is the server.
extern const struct rpc_method rpc_health_methods[];
extern const size_t rpc_health_n_methods;
void rpc_health_publish(struct rpc_server *server);
