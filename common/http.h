// evhttp wrapped: routes, limits, JSON replies, and streams of events with bounded memory. Loop
// thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>
#include <jansson.h>

#define HTTP_HEAD_MAX    (16 * 1024)
#define HTTP_IDLE_S      30
#define HTTP_STREAMS_MAX 64 // of one server
#define HTTP_STREAM_MAX \
    (256 * 1024) // bytes waiting on one stream; beyond it whole events are skipped

struct http_server;
struct http_request; // until replied to
struct http_stream;

struct http_route {
    const char *method;  // "GET", "POST"
    const char *pattern; // "/api/v1/runs/{}": {} matches one segment
    void (*on_request)(struct http_request *req, void *arg); // replies, now or later, exactly once
};

struct http_server_config {
    const struct http_route *routes; // borrowed, as arg
    size_t n_routes;
    size_t body_max; // larger: 413
    void *arg;
};

struct http_server *http_server_new(struct event_base *base,
                                    const struct http_server_config *config);
// 0 or -errno. Port 0 chooses one.
int http_server_listen_tcp(struct http_server *server, const char *address, uint16_t port,
                           uint16_t *ret_port);
// Unlinks a stale socket first (one that refuses connections); -EADDRINUSE when somebody listens
// there.
int http_server_listen_unix(struct http_server *server, const char *path, int mode);
// Takes a listening descriptor (systemd's).
int http_server_listen_fd(struct http_server *server, int fd);
// Streams are closed (on_close comes), listeners too, and requests that were not replied to.
void http_server_free(struct http_server *server);
// How many requests were answered with 400, 403, 405, 413 or 501, those included that never reached
// a route: malformed or too large (evhttp answers these, without JSON), a Host that is neither an
// address nor localhost on TCP.
uint64_t http_server_n_bad(const struct http_server *server);

// What these return is borrowed until the reply.
const char *http_request_path(const struct http_request *req);          // decoded, without query
const char *http_request_arg(const struct http_request *req, size_t i); // i-th {}; NULL: none
const char *http_request_query(const struct http_request *req,
                               const char *key); // decoded; NULL: absent
const char *http_request_header(const struct http_request *req, const char *name); // NULL: absent
const char *http_request_body(const struct http_request *req, size_t *ret_len);    // NUL-terminated
// The body as JSON object, a new reference; or NULL, and 400 with the place was replied.
json_t *http_request_json(struct http_request *req);
// Unix socket: uid of the peer; -1 else.
int64_t http_request_peer_uid(const struct http_request *req);

void http_reply_json(struct http_request *req, int status, json_t *json); // takes json
// {"error":{"code":code,"message":...},"exitCode":exit_code}; exit_code -1 leaves that out.
void http_reply_error(struct http_request *req, int status, const char *code, int exit_code,
                      const char *fmt, ...) __attribute__((format(printf, 5, 6)));
// Static content, already gzip-compressed when gzip (inflated for clients that cannot take it is
// not needed: 406).
void http_reply_static(struct http_request *req, const char *type, const void *bytes, size_t len,
                       bool gzip, const char *etag);

// An endless reply. NULL: there are HTTP_STREAMS_MAX already, and 503 was replied. on_close: the
// peer went away or the server is freed; the stream is gone after it; not after http_stream_end.
struct http_stream *http_reply_stream(struct http_request *req, const char *type,
                                      void (*on_close)(struct http_stream *stream, void *arg),
                                      void *arg);
// false: skipped, the peer is too slow. Whole events only.
bool http_stream_send(struct http_stream *stream, const char *text, size_t len);
// "event: name\nid: N\ndata: ...\n\n"; id < 0: none.
bool http_stream_send_sse(struct http_stream *stream, const char *event, int64_t id,
                          const char *json);
void http_stream_end(struct http_stream *stream); // after what is queued
