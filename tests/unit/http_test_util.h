// A server with routes for tests, and a client that writes its requests by hand.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/http.h"
#include "common/str.h"
#include "tests/unit/wait.h"

#define BODY_MAX 1000

struct bufferevent;
struct event_base;

struct fixture {
    struct event_base *base;
    struct http_server *server;
    uint16_t port;
    char dir[32], path[64];
    struct http_stream *stream;
    int n_stream_closes;
    struct http_request *pending;
    int64_t uid;
    struct buf seen; // what the routes saw
};

extern const struct http_route routes[];

int setup(void **state);
int teardown(void **state);
#define SERVED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

struct client {
    struct bufferevent *bev;
    struct buf in;
    bool eof;
};

struct client *client_new(struct fixture *f, const char *path); // path NULL: TCP
void client_free(struct client *c);
void client_write(struct client *c, const char *text);

void wait_for_text(struct fixture *f, const struct client *c, const char *text);
void wait_for_end(struct fixture *f, const struct client *c);
void wait_for_stream(struct fixture *f);
void wait_for_later(struct fixture *f); // until a request of /later has come

// Answers up to the end of the connection; the caller frees.
char *ask_at(struct fixture *f, const char *path, const char *request);
char *get(struct fixture *f, const char *target, const char *headers);
char *post(struct fixture *f, const char *target, const char *body);
int status_of(struct fixture *f, const char *request);
void expect(char *answer, const char *begin, const char *part);      // frees answer
void expect_seen(struct fixture *f, char *answer, const char *seen); // frees answer
