// gRPC bidirectional streams on a libevent loop: the only code that knows <grpc/...>. Loop thread,
// but where it says any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>
#include <protobuf-c/protobuf-c.h>

// https://grpc.github.io/grpc/core/md_doc_statuscodes.html
enum rpc_status {
    RPC_OK = 0,
    RPC_CANCELLED = 1,
    RPC_INVALID_ARGUMENT = 3,
    RPC_DEADLINE_EXCEEDED = 4,
    RPC_NOT_FOUND = 5,
    RPC_ALREADY_EXISTS = 6,
    RPC_PERMISSION_DENIED = 7,
    RPC_RESOURCE_EXHAUSTED = 8,
    RPC_FAILED_PRECONDITION = 9,
    RPC_UNIMPLEMENTED = 12,
    RPC_INTERNAL = 13,
    RPC_UNAVAILABLE = 14,
};

#define RPC_MESSAGE_MAX (1024 * 1024) // received message
#define RPC_QUEUE_MAX \
    (256 * 1024) // bytes waiting to be sent on one call; one message is always taken

struct rpc_loop; // gRPC's completion queue, its poller thread and the hand-over to an event_base
struct rpc_server;
struct rpc_client; // one channel to one address
struct rpc_call;   // one stream or unary call, of either side

// Messages are borrowed during the call-back. on_close comes exactly once, last, also when opening
// failed; the call is freed after it returns. Any call-back may be NULL; without on_half_close the
// server ends the call with OK there.
struct rpc_call_ops {
    void (*on_message)(struct rpc_call *call, const uint8_t *bytes, size_t len, void *arg);
    void (*on_half_close)(struct rpc_call *call, void *arg); // server: the client will send no more
    void (*on_drained)(struct rpc_call *call, void *arg);    // the queue is empty after -EAGAIN
    void (*on_close)(struct rpc_call *call, enum rpc_status status, const char *details, void *arg);
};

// A method of a server, unary ones included: on_call must rpc_call_accept or rpc_call_finish before
// it returns.
struct rpc_method {
    const char *path; // "/lps.v1.Cluster/Session"
    void (*on_call)(struct rpc_call *call, void *arg);
    void *arg;
};

struct rpc_loop *rpc_loop_new(struct event_base *base);
// After every server and client of it is gone.
void rpc_loop_free(struct rpc_loop *loop);

// Methods are borrowed. grpc.health.v1 Check and Watch are served as well.
struct rpc_server *rpc_server_new(struct rpc_loop *loop, const struct rpc_method *methods,
                                  size_t n_methods);
// Once, or again after it failed. address "127.0.0.1:5001", port 0 chooses one. Plain text. 0, or
// -EADDRINUSE, -EADDRNOTAVAIL, -EINVAL or another -errno with the reason in err.
int rpc_server_listen(struct rpc_server *server, const char *address, uint16_t *ret_port, char *err,
                      size_t err_size);
void rpc_server_set_serving(struct rpc_server *server, bool serving); // health
// Finishes every call with UNAVAILABLE, cancels what remains after grace_ms; then done(arg), and
// server is freed.
void rpc_server_shutdown(struct rpc_server *server, int grace_ms, void (*done)(void *arg),
                         void *arg);

// connect_timeout_ms bounds a call from its beginning until the server accepts it: name, connect,
// handshake, answer.
struct rpc_client *rpc_client_new(struct rpc_loop *loop, const char *address,
                                  int connect_timeout_ms);
// Calls still open are cancelled; their on_close comes later, before rpc_loop_free returns.
void rpc_client_free(struct rpc_client *client);
// Fail-fast: an address that cannot be reached closes the call with UNAVAILABLE. Never NULL.
struct rpc_call *rpc_client_call(struct rpc_client *client, const char *path,
                                 const struct rpc_call_ops *ops, void *arg);
// For people: why a call ended, from status, details and the time since it was made: "Connection
// refused", "no answer within 2 s", "speaks HTTP/1, not gRPC". Into out, returns out.
char *rpc_explain(enum rpc_status status, const char *details, int64_t elapsed_ms,
                  int connect_timeout_ms, char *out, size_t size);

void rpc_call_accept(struct rpc_call *call, const struct rpc_call_ops *ops, void *arg); // server
// Packs now. 0; -EAGAIN: more than RPC_QUEUE_MAX is waiting, not taken, on_drained will come;
// -EPIPE: closed.
int rpc_call_send(struct rpc_call *call, const ProtobufCMessage *message);
// The same message to many calls, packed and kept once.
struct rpc_packed;
struct rpc_packed *rpc_pack(const ProtobufCMessage *message);
int rpc_call_send_packed(struct rpc_call *call, const struct rpc_packed *packed);
void rpc_packed_free(struct rpc_packed *packed); // calls that it is being sent on keep their share
// Server: status goes out after what is queued. Further sends are -EPIPE.
void rpc_call_finish(struct rpc_call *call, enum rpc_status status, const char *details);
void rpc_call_half_close(struct rpc_call *call); // client
void rpc_call_cancel(struct rpc_call *call);
// on_message stops, after at most one more unless called from there or before accept; flow control
// holds the peer. On a client the end, too, waits behind messages that were not read.
void rpc_call_pause(struct rpc_call *call, bool paused);
const char *rpc_call_peer(struct rpc_call *call); // "ipv4:127.0.0.1:49184", borrowed

// An arena for protobuf-c's unpack: one bump allocation a message; reset, not freed piecewise.
// Unpacked messages live until the next rpc_arena_reset. A message that would need more than
// RPC_ARENA_MAX bytes (two bytes of it can be a large empty submessage) is not unpacked: NULL.
#define RPC_ARENA_MAX (16 * 1024 * 1024)
struct rpc_arena;
struct rpc_arena *rpc_arena_new(void);
ProtobufCAllocator *rpc_arena_allocator(struct rpc_arena *arena);
void rpc_arena_reset(struct rpc_arena *arena);
void rpc_arena_free(struct rpc_arena *arena);
