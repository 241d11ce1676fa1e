#include "common/http_impl.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "common/jtext.h"
#include "common/str.h"

struct http_stream {
    LIST_ENTRY(http_stream) link;
    struct http_server *server;
    struct evhttp_request *ev;
    struct bufferevent *bev;
    void (*on_close)(struct http_stream *stream, void *arg);
    void *arg;
};

static void set_header(struct http_request *req, const char *name, const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(req->ev), name, value);
}

static void send_reply(struct http_request *req, int status, const char *type,
                       struct evbuffer *body)
{
    struct evhttp_request *ev = req->ev;

    if (type != NULL)
        set_header(req, "Content-Type", type);
    set_header(req, "X-Content-Type-Options", "nosniff");
    http_request_free(req);
    // evhttp would send it after the head of an answer to HEAD, too.
    evhttp_send_reply(ev, status, NULL,
                      evhttp_request_get_command(ev) == EVHTTP_REQ_HEAD ? NULL : body);
}

void http_reply_json(struct http_request *req, int status, json_t *json)
{
    struct evbuffer *body = evbuffer_new();
    char *text = jtext_format(json, false);

    evbuffer_add_printf(body, "%s\n", text);
    free(text);
    json_decref(json);
    set_header(req, "Cache-Control", "no-store");
    send_reply(req, status, "application/json", body);
    evbuffer_free(body);
}

void http_reply_error(struct http_request *req, int status, const char *code, int exit_code,
                      const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *message = xvasprintf(fmt, ap);
    va_end(ap);
    json_t *text = json_string(message);
    if (text == NULL) // quotes the peer, and that is not UTF-8
        text = json_string("not UTF-8");
    json_t *json = json_pack("{s:{s:s, s:o}}", "error", "code", code, "message", text);
    if (exit_code >= 0)
        json_object_set_new(json, "exitCode", json_integer(exit_code));
    free(message);
    http_reply_json(req, status, json);
}

void http_reply_static(struct http_request *req, const char *type, const void *bytes, size_t len,
                       bool gzip, const char *etag)
{
    const char *accepted = http_request_header(req, "Accept-Encoding");
    const char *known = http_request_header(req, "If-None-Match");

    if (gzip && (accepted == NULL || strstr(accepted, "gzip") == NULL)) {
        http_reply_error(req, 406, "not-acceptable", -1, "this is sent as gzip only");
        return;
    }
    struct evbuffer *body = evbuffer_new();
    bool fresh = known != NULL && strcmp(known, etag) == 0;
    if (!fresh)
        evbuffer_add_reference(body, bytes, len, NULL, NULL);
    if (gzip)
        set_header(req, "Content-Encoding", "gzip");
    set_header(req, "ETag", etag);
    set_header(req, "Cache-Control", "no-cache");
    set_header(req, "Content-Security-Policy", "default-src 'self'");
    send_reply(req, fresh ? 304 : 200, type, body);
    evbuffer_free(body);
}

// --- Streams ---

static void stream_free(struct http_stream *stream)
{
    LIST_REMOVE(stream, link);
    stream->server->n_streams--;
    free(stream);
}

static void on_connection_close(struct evhttp_connection *conn, void *arg)
{
    struct http_stream *stream = arg;
    struct evhttp_request *ev = stream->ev;

    (void)conn;
    if (stream->on_close != NULL)
        stream->on_close(stream, stream->arg);
    stream_free(stream);
    // evhttp took the request off the connection and left it to us: this only frees it.
    assert(evhttp_request_get_connection(ev) == NULL);
    evhttp_send_reply_end(ev);
}

struct http_stream *http_reply_stream(struct http_request *req, const char *type,
                                      void (*on_close)(struct http_stream *stream, void *arg),
                                      void *arg)
{
    struct http_server *server = req->server;

    if (server->n_streams >= HTTP_STREAMS_MAX) {
        http_reply_error(req, 503, "unavailable", -1, "%d streams are open already",
                         HTTP_STREAMS_MAX);
        return NULL;
    }
    struct http_stream *stream = xcalloc(1, sizeof *stream);
    struct evhttp_connection *conn = evhttp_request_get_connection(req->ev);
    struct timeval stuck = {HTTP_IDLE_S, 0};

    *stream = (struct http_stream){.server = server,
                                   .ev = req->ev,
                                   .bev = evhttp_connection_get_bufferevent(conn),
                                   .on_close = on_close,
                                   .arg = arg};
    LIST_INSERT_HEAD(&server->streams, stream, link);
    server->n_streams++;
    set_header(req, "Content-Type", type);
    set_header(req, "X-Content-Type-Options", "nosniff");
    set_header(req, "Cache-Control", "no-store");
    set_header(req, "Connection", "close");
    http_request_free(req);
    evhttp_connection_set_closecb(conn, on_connection_close, stream);
    evhttp_send_reply_start(stream->ev, 200, "OK");
    // The peer has nothing more to say, however long it takes; what it says all the same is not
    // kept.
    bufferevent_set_timeouts(stream->bev, NULL, &stuck);
    bufferevent_setwatermark(stream->bev, EV_READ, 0, 4096);
    return stream;
}

bool http_stream_send(struct http_stream *stream, const char *text, size_t len)
{
    if (evbuffer_get_length(bufferevent_get_output(stream->bev)) > HTTP_STREAM_MAX)
        return false;
    struct evbuffer *chunk = evbuffer_new();
    evbuffer_add(chunk, text, len);
    evhttp_send_reply_chunk(stream->ev, chunk);
    evbuffer_free(chunk);
    return true;
}

bool http_stream_send_sse(struct http_stream *stream, const char *event, int64_t id,
                          const char *json)
{
    struct buf text = {0};

    buf_printf(&text, "event: %s\n", event);
    if (id >= 0)
        buf_printf(&text, "id: %" PRId64 "\n", id);
    buf_printf(&text, "data: %s\n\n", json);
    bool sent = http_stream_send(stream, text.data, text.len);
    buf_done(&text);
    return sent;
}

void http_stream_end(struct http_stream *stream)
{
    struct evhttp_request *ev = stream->ev;

    evhttp_connection_set_closecb(evhttp_request_get_connection(ev), NULL, NULL);
    stream_free(stream);
    evhttp_send_reply_end(ev);
}

// The connection, its request included, is freed by the server.
void http_stream_abort(struct http_stream *stream)
{
    evhttp_connection_set_closecb(evhttp_request_get_connection(stream->ev), NULL, NULL);
    if (stream->on_close != NULL)
        stream->on_close(stream, stream->arg);
    stream_free(stream);
}
