// A server and a client of one loop, and all that is seen at the ends of their calls.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/rpc.h"
#include "tests/unit/wait.h"

#define SESSION    "/lps.v1.Cluster/Session"
#define CONNECT_MS 2000

struct event_base;

// One end of a call, and all that was seen there.
struct end {
    struct rpc_call *call;
    struct fixture *f;
    int n_messages, n_half_close, n_drained, n_close;
    uint64_t next; // expected t1_ns of the next message
    bool in_order;
    size_t last_len;
    int last_health;
    enum rpc_status status;
    char details[200];
};

struct fixture {
    struct event_base *base;
    struct rpc_loop *loop;
    struct rpc_server *server;
    struct rpc_client *client;
    char address[32];
    // What the server does with a call.
    enum { ACCEPT, REFUSE, ACCEPT_AND_REFUSE, ECHO, END_AT_HALF_CLOSE, PAUSE } behaviour;
    struct end *accepted; // the newest one
    int n_calls, n_closed;
    enum rpc_status closed_status;
};

// setup_loop: without a server and a client.
int setup(void **state);
int setup_loop(void **state);
int teardown(void **state);
#define SERVED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define LOOPED(test) cmocka_unit_test_setup_teardown(test, setup_loop, teardown)

void start_server(struct fixture *f, const char *address);
void stop_server(struct fixture *f, int grace_ms);

struct end *end_new(struct fixture *f);
void on_close(struct rpc_call *call, enum rpc_status status, const char *details, void *arg);
struct end *open_call(struct fixture *f, const char *path);
struct end *open_session(struct fixture *f); // with the server's end there, too
// Waits for it, and frees end. details NULL: any.
void expect_closed(struct fixture *f, struct end *end, enum rpc_status status, const char *details);

int send_ping(struct rpc_call *call, uint64_t i);
int send_bytes(struct rpc_call *call, size_t len); // a message of about len bytes
