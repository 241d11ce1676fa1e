#include "worker/daemon/feed.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/str.h"

#define PING_S 5

struct feed {
    struct event *ping;
    struct http_stream *stream[HTTP_STREAMS_MAX];
    size_t n;
};

static void await_ping(struct feed *f)
{
    struct timeval tv = {PING_S, 0};

    if (f->n > 0)
        event_add(f->ping, &tv);
    else
        event_del(f->ping);
}

static void on_ping(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    feed_send(arg, json_pack("{s:s, s:I}", "event", "ping", "t", (json_int_t)clock_wall_ms()));
}

struct feed *feed_new(struct event_base *base)
{
    struct feed *f = xcalloc(1, sizeof *f);

    f->ping = evtimer_new(base, on_ping, f);
    return f;
}

void feed_free(struct feed *f)
{
    if (f == NULL)
        return;
    feed_end(f);
    event_free(f->ping);
    free(f);
}

static char *line_of(const json_t *event)
{
    char *text = json_dumps(event, JSON_COMPACT);
    char *line = xasprintf("%s\n", text != NULL ? text : "{}");

    free(text);
    return line;
}

static void on_gone(struct http_stream *stream, void *arg)
{
    struct feed *f = arg;

    for (size_t i = 0; i < f->n; i++) {
        if (f->stream[i] != stream)
            continue;
        f->stream[i] = f->stream[--f->n];
        break;
    }
    await_ping(f);
}

void feed_attach(struct feed *f, struct http_request *req, json_t *initial, bool ends)
{
    struct http_stream *stream = http_reply_stream(req, "application/x-ndjson", on_gone, f);
    json_t *event;
    size_t i;

    json_array_foreach(initial, i, event)
    {
        char *line = line_of(event);
        if (stream != NULL)
            http_stream_send(stream, line, strlen(line));
        free(line);
    }
    json_decref(initial);
    if (stream == NULL)
        return;
    if (ends) {
        http_stream_end(stream);
        return;
    }
    f->stream[f->n++] = stream;
    await_ping(f);
}

void feed_send(struct feed *f, json_t *event)
{
    char *line = f->n > 0 ? line_of(event) : NULL;

    for (size_t i = 0; i < f->n; i++)
        http_stream_send(f->stream[i], line, strlen(line));
    free(line);
    json_decref(event);
    await_ping(f);
}

void feed_end(struct feed *f)
{
    for (size_t i = 0; i < f->n; i++)
        http_stream_end(f->stream[i]);
    f->n = 0;
    await_ping(f);
}
