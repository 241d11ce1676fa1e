// What the files of http share; nobody else includes this. Loop thread.
#pragma once

#include <sys/queue.h>

#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "common/http.h"

#define HTTP_ARGS_MAX 4

LIST_HEAD(http_requests, http_request);
LIST_HEAD(http_streams, http_stream);

struct http_server {
    struct event_base *base;
    struct evhttp *evhttp;
    struct http_server_config config;
    struct http_requests requests; // not replied to yet
    struct http_streams streams;
    size_t n_streams;
    uint64_t n_bad;
    char *unix_path; // ours to unlink
};

struct http_request {
    LIST_ENTRY(http_request) link;
    struct http_server *server;
    struct evhttp_request *ev;
    char *path;
    char *args[HTTP_ARGS_MAX];
    struct evkeyvalq query;
    char *body;
    size_t body_len;
};

void http_request_free(struct http_request *req);
void http_stream_abort(struct http_stream *stream);
