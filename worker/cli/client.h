// HTTP to the worker daemon over its unix socket. Blocking, one call at a time; main thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#define CLIENT_BODY_MAX  (64 * 1024 * 1024) // of an answer, or of one event
#define CLIENT_CALL_S    30                 // one call, start to end
#define CLIENT_SILENCE_S 30                 // between two events; the daemon pings every 5 s

struct client;

struct client_reply {
    long status;  // HTTP
    json_t *json; // NULL: the body is none
};

// Path as in LPS_SOCKET; copied.
struct client *client_new(const char *socket_path);
void client_free(struct client *c);

// body NULL: none. 0, whatever the status is, and the caller json_decrefs the reply's JSON; or
// -errno when there was no answer, and client_error says why.
int client_call(struct client *c, const char *method, const char *path, const json_t *body,
                struct client_reply *ret_reply);

struct client_ops {
    bool (*on_event)(json_t *event, void *arg); // borrowed; false ends the following
    void (*on_signal)(void *arg);               // signal_fd can be read; calls go by another client
};

// Follows an endless GET of one JSON object a line. 0: on_event ended it, or the daemon did;
// -EPROTO: the answer was another status; -errno as in client_call.
int client_follow(struct client *c, const char *path, int signal_fd, const struct client_ops *ops,
                  void *arg);

// One line for people about the last failure, with the way out where there is one. Borrowed.
const char *client_error(const struct client *c);
