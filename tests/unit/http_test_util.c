#include "tests/unit/http_test_util.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

// --- Routes ---

static void on_echo(struct http_request *req, void *arg)
{
    struct fixture *f = arg;
    const char *q = http_request_query(req, "q"), *x = http_request_header(req, "X-Test");
    size_t len;

    f->uid = http_request_peer_uid(req);
    f->seen.len = 0;
    buf_printf(&f->seen, "%s|%s|%s|%s|%s|%s", http_request_path(req),
               http_request_arg(req, 0) ? http_request_arg(req, 0) : "-",
               http_request_arg(req, 1) ? http_request_arg(req, 1) : "-", q ? q : "-", x ? x : "-",
               http_request_body(req, &len));
    assert_null(http_request_arg(req, 100));
    http_reply_json(req, 200, json_pack("{s:i}", "length", (int)len));
}

static void on_json(struct http_request *req, void *arg)
{
    (void)arg;
    json_t *json = http_request_json(req);
    if (json != NULL)
        http_reply_json(req, 202, json);
}

static void on_error(struct http_request *req, void *arg)
{
    (void)arg;
    http_reply_error(req, 409, "busy", 3, "%s", "run \"a\" is in the way");
}

static void on_page(struct http_request *req, void *arg)
{
    (void)arg;
    http_reply_static(req, "text/html", "<p>", 3, strcmp(http_request_path(req), "/gz") == 0,
                      "\"1\"");
}

static void on_later(struct http_request *req, void *arg)
{
    struct fixture *f = arg;

    f->pending = req;
}

static void on_stream_close(struct http_stream *stream, void *arg)
{
    struct fixture *f = arg;

    if (f->stream == stream)
        f->stream = NULL;
    f->n_stream_closes++;
}

static void on_stream(struct http_request *req, void *arg)
{
    struct fixture *f = arg;

    f->stream = http_reply_stream(req, "text/event-stream", on_stream_close, f);
}

const struct http_route routes[] = {
    {"GET", "/", on_page},
    {"GET", "/gz", on_page},
    {"GET", "/echo", on_echo},
    {"POST", "/echo", on_echo},
    {"GET", "/runs/{}", on_echo},
    {"DELETE", "/runs/{}", on_echo},
    {"GET", "/runs/{}/members/{}", on_echo},
    {"POST", "/json", on_json},
    {"GET", "/error", on_error},
    {"GET", "/later", on_later},
    {"GET", "/stream", on_stream},
};

// --- Fixture and client ---

int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct http_server_config config = {routes, sizeof routes / sizeof routes[0], BODY_MAX, f};

    f->base = event_base_new();
    f->server = http_server_new(f->base, &config);
    assert_int_equal(http_server_listen_tcp(f->server, "127.0.0.1", 0, &f->port), 0);
    strcpy(f->dir, "/tmp/http_test.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/sock", f->dir);
    *state = f;
    return 0;
}

int teardown(void **state)
{
    struct fixture *f = *state;

    http_server_free(f->server);
    event_base_free(f->base);
    unlink(f->path);
    rmdir(f->dir);
    buf_done(&f->seen);
    free(f);
    return 0;
}

static void on_client_read(struct bufferevent *bev, void *arg)
{
    struct client *c = arg;
    char chunk[4096];
    size_t n;

    while ((n = bufferevent_read(bev, chunk, sizeof chunk)) > 0)
        buf_append(&c->in, chunk, n);
}

static void on_client_event(struct bufferevent *bev, short what, void *arg)
{
    struct client *c = arg;

    on_client_read(bev, c);
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        c->eof = true;
}

struct client *client_new(struct fixture *f, const char *path)
{
    struct client *c = calloc(1, sizeof *c);
    struct sockaddr_in tcp = {
        .sin_family = AF_INET, .sin_port = htons(f->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    if (path != NULL)
        strcpy(un.sun_path, path);
    c->bev = bufferevent_socket_new(f->base, -1, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(c->bev, on_client_read, NULL, on_client_event, c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    assert_int_equal(
        bufferevent_socket_connect(c->bev, path ? (struct sockaddr *)&un : (struct sockaddr *)&tcp,
                                   path ? sizeof un : sizeof tcp),
        0);
    return c;
}

void client_free(struct client *c)
{
    bufferevent_free(c->bev);
    buf_done(&c->in);
    free(c);
}

void client_write(struct client *c, const char *text)
{
    bufferevent_write(c->bev, text, strlen(text));
}

void wait_for_text(struct fixture *f, const struct client *c, const char *text)
{
    struct wait *w = wait_begin(f->base);

    while (c->in.data == NULL || strstr(c->in.data, text) == NULL)
        wait_turn(w);
    wait_end(w);
}

void wait_for_end(struct fixture *f, const struct client *c)
{
    struct wait *w = wait_begin(f->base);

    while (!c->eof)
        wait_turn(w);
    wait_end(w);
}

void wait_for_stream(struct fixture *f)
{
    struct wait *w = wait_begin(f->base);

    while (f->stream == NULL)
        wait_turn(w);
    wait_end(w);
}

void wait_for_later(struct fixture *f)
{
    struct wait *w = wait_begin(f->base);

    while (f->pending == NULL)
        wait_turn(w);
    wait_end(w);
}

char *ask_at(struct fixture *f, const char *path, const char *request)
{
    struct client *c = client_new(f, path);

    client_write(c, request);
    wait_for_end(f, c);
    char *answer = buf_take(&c->in);
    client_free(c);
    return answer;
}

int status_of(struct fixture *f, const char *request)
{
    int status = 0;
    char *answer = ask_at(f, NULL, request);

    sscanf(answer, "HTTP/1.%*d %d", &status);
    free(answer);
    return status;
}

char *get(struct fixture *f, const char *target, const char *headers)
{
    char *request = xasprintf("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n",
                              target, headers);
    char *answer = ask_at(f, NULL, request);

    free(request);
    return answer;
}

char *post(struct fixture *f, const char *target, const char *body)
{
    char *request = xasprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                              "Content-Length: %zu\r\n\r\n%s",
                              target, strlen(body), body);
    char *answer = ask_at(f, NULL, request);

    free(request);
    return answer;
}

void expect(char *answer, const char *begin, const char *part)
{
    assert_memory_equal(answer, begin, strlen(begin));
    if (strstr(answer, part) == NULL)
        fail_msg("no \"%s\" in: %s", part, answer);
    free(answer);
}

void expect_seen(struct fixture *f, char *answer, const char *seen)
{
    assert_memory_equal(answer, "HTTP/1.1 200 OK\r\n", 17);
    assert_string_equal(f->seen.data, seen);
    free(answer);
}
