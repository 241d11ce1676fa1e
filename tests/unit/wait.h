// Turns an event loop until something has happened. A test fails where it does not within half a
// minute.
#pragma once

struct event_base;
struct rpc_server;
struct wait;

// For a condition of any kind: while it does not hold, turn.
struct wait *wait_begin(struct event_base *base);
void wait_turn(struct wait *w);
void wait_end(struct wait *w);

// Until *what >= at_least.
void wait_for(struct event_base *base, const int *what, int at_least);
// Takes server.
void wait_for_shutdown(struct event_base *base, struct rpc_server *server, int grace_ms);
