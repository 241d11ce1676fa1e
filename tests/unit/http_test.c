#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "common/http.h"
#include "common/str.h"

// Only for what should never happen.
#define GIVE_UP_S 30
#define BODY_MAX  1000

struct fixture {
    struct event_base *base;
    struct http_server *server;
    uint16_t port;
    char dir[32], path[64];
    bool gave_up;
    struct http_stream *stream;
    int n_stream_closes;
    struct http_request *pending;
    int64_t uid;
    struct buf seen; // what the routes saw
};

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

static const struct http_route routes[] = {
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

static int setup(void **state)
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

static int teardown(void **state)
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

struct client {
    struct bufferevent *bev;
    struct buf in;
    bool eof;
};

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

static struct client *client_new(struct fixture *f, const char *path)
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

static void client_free(struct client *c)
{
    bufferevent_free(c->bev);
    buf_done(&c->in);
    free(c);
}

static void client_write(struct client *c, const char *text)
{
    bufferevent_write(c->bev, text, strlen(text));
}

static void on_give_up(evutil_socket_t fd, short what, void *arg)
{
    struct fixture *f = arg;

    (void)fd;
    (void)what;
    f->gave_up = true;
}

// Until the client has read the text (NULL: the end), or *flag.
static void wait_for(struct fixture *f, struct client *c, const char *text, const void *const *flag)
{
    struct timeval limit = {GIVE_UP_S, 0};
    struct event *timer = evtimer_new(f->base, on_give_up, f);

    evtimer_add(timer, &limit);
    while (!f->gave_up) {
        if (flag != NULL
                ? *flag != NULL
                : (text != NULL ? c->in.data != NULL && strstr(c->in.data, text) != NULL : c->eof))
            break;
        event_base_loop(f->base, EVLOOP_ONCE);
    }
    event_free(timer);
    assert_false(f->gave_up);
}

static void wait_for_stream(struct fixture *f)
{
    wait_for(f, NULL, NULL, (const void *const *)(const void *)&f->stream);
}

// The answer to a whole request, up to the end of the connection; the caller frees.
static char *ask_at(struct fixture *f, const char *path, const char *request)
{
    struct client *c = client_new(f, path);

    client_write(c, request);
    wait_for(f, c, NULL, NULL);
    char *answer = buf_take(&c->in);
    client_free(c);
    return answer;
}

static int status_of(struct fixture *f, const char *request)
{
    int status = 0;
    char *answer = ask_at(f, NULL, request);

    sscanf(answer, "HTTP/1.%*d %d", &status);
    free(answer);
    return status;
}

static char *get(struct fixture *f, const char *target, const char *headers)
{
    char *request = xasprintf("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n",
                              target, headers);
    char *answer = ask_at(f, NULL, request);

    free(request);
    return answer;
}

static char *post(struct fixture *f, const char *target, const char *body)
{
    char *request = xasprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                              "Content-Length: %zu\r\n\r\n%s",
                              target, strlen(body), body);
    char *answer = ask_at(f, NULL, request);

    free(request);
    return answer;
}

static void expect(char *answer, const char *begin, const char *part)
{
    assert_memory_equal(answer, begin, strlen(begin));
    if (strstr(answer, part) == NULL)
        fail_msg("no \"%s\" in: %s", part, answer);
    free(answer);
}

static void expect_seen(struct fixture *f, char *answer, const char *seen)
{
    assert_memory_equal(answer, "HTTP/1.1 200 OK\r\n", 17);
    assert_string_equal(f->seen.data, seen);
    free(answer);
}

// --- Routing ---

static void a_route_sees_path_arguments_query_header_and_body(void **state)
{
    struct fixture *f = *state;

    expect_seen(f, get(f, "/echo", ""), "/echo|-|-|-|-|");
    expect_seen(f, get(f, "/echo?q=a%20b&r=1", "X-Test: yes\r\n"), "/echo|-|-|a b|yes|");
    expect_seen(f, get(f, "/runs/a%7eb?q=", ""), "/runs/a~b|a~b|-||-|");
    expect_seen(f, get(f, "/runs/1/members/w1", ""), "/runs/1/members/w1|1|w1|-|-|");
    expect_seen(f, post(f, "/echo", "body"), "/echo|-|-|-|-|body");
    assert_int_equal(f->uid, -1);
}

static void what_no_route_matches_is_404(void **state)
{
    static const char *const targets[] = {"/nothing",    "/runs/", "/runs", "/runs/1/",
                                          "/runs/1/x/2", "/echo/", "/ech",  "/../etc/passwd"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        expect(get(f, targets[i], ""), "HTTP/1.1 404 ", "{\"error\":{\"code\":\"not-found\"");
    assert_int_equal(http_server_n_bad(f->server), 0);
}

static void another_method_is_405_and_the_right_ones_are_named(void **state)
{
    struct fixture *f = *state;

    expect(post(f, "/runs/1", ""), "HTTP/1.1 405 ", "Allow: GET, DELETE\r\n");
    expect(get(f, "/json", ""), "HTTP/1.1 405 ", "Allow: POST\r\n");
    assert_int_equal(
        status_of(f, "BREW /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), 405);
    char *answer =
        ask_at(f, NULL, "HEAD /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_memory_equal(answer, "HTTP/1.1 405 ", 13);
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    free(answer);
    assert_int_equal(http_server_n_bad(f->server), 4);
}

static void a_reply_may_come_later(void **state)
{
    struct fixture *f = *state;
    struct client *c = client_new(f, NULL);

    client_write(c, "GET /later HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    wait_for(f, NULL, NULL, (const void *const *)(const void *)&f->pending);
    http_reply_json(f->pending, 200, json_object());
    wait_for(f, c, NULL, NULL);
    assert_memory_equal(c->in.data, "HTTP/1.1 200 ", 13);
    client_free(c);
}

static void a_server_may_go_while_replies_are_due(void **state)
{
    struct fixture *f = *state;
    struct client *c = client_new(f, NULL);

    client_write(c, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for(f, NULL, NULL, (const void *const *)(const void *)&f->pending);
    http_server_free(f->server);
    f->server = NULL;
    wait_for(f, c, NULL, NULL);
    assert_int_equal(c->in.len, 0);
    client_free(c);
}

static void a_client_that_left_before_the_late_reply_harms_nobody(void **state)
{
    struct fixture *f = *state;
    struct client *c = client_new(f, NULL);

    client_write(c, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for(f, NULL, NULL, (const void *const *)(const void *)&f->pending);
    client_free(c);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    http_reply_json(f->pending, 200, json_object());
    expect(get(f, "/error", ""), "HTTP/1.1 409 ", "");
}

static void a_connection_is_kept_for_the_next_request(void **state)
{
    struct fixture *f = *state;
    struct client *c = client_new(f, NULL);

    // Both at once: the second one waits for its turn.
    client_write(c, "GET /error HTTP/1.1\r\nHost: localhost\r\n\r\n"
                    "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for(f, c, "{\"length\":0}\n", NULL);
    assert_non_null(strstr(c->in.data, "HTTP/1.1 409 "));
    assert_false(c->eof);
    client_free(c);
}

// --- Replies ---

static void errors_have_code_message_and_exit_code(void **state)
{
    struct fixture *f = *state;
    char *answer = get(f, "/error", "");

    assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(answer, "X-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(answer, "Cache-Control: no-store\r\n"));
    expect(answer, "HTTP/1.1 409 ",
           "{\"error\":{\"code\":\"busy\",\"message\":\"run \\\"a\\\" is in the way\"},"
           "\"exitCode\":3}");
    assert_int_equal(http_server_n_bad(f->server), 0);
}

static void a_message_that_quotes_bytes_stays_json(void **state)
{
    struct fixture *f = *state;

    expect(get(f, "/%ff", ""), "HTTP/1.1 404 ", "\"message\":\"not UTF-8\"");
}

static void static_pages_carry_their_policy_and_a_tag(void **state)
{
    struct fixture *f = *state;
    char *answer = get(f, "/", "");

    assert_non_null(strstr(answer, "Content-Security-Policy: default-src 'self'\r\n"));
    assert_non_null(strstr(answer, "X-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(answer, "ETag: \"1\"\r\n"));
    assert_null(strstr(answer, "Content-Encoding"));
    expect(answer, "HTTP/1.1 200 ", "\r\n\r\n<p>");
    expect(get(f, "/", "If-None-Match: \"1\"\r\n"), "HTTP/1.1 304 ", "ETag: \"1\"\r\n");
    expect(get(f, "/", "If-None-Match: \"2\"\r\n"), "HTTP/1.1 200 ", "<p>");
    expect(get(f, "/gz", "Accept-Encoding: deflate, gzip\r\n"), "HTTP/1.1 200 ",
           "Content-Encoding: gzip\r\n");
    expect(get(f, "/gz", ""), "HTTP/1.1 406 ", "not-acceptable");
}

// --- Input ---

static void a_json_body_is_an_object_or_400_with_its_place(void **state)
{
    struct fixture *f = *state;

    expect(post(f, "/json", "{\"a\": [1]}"), "HTTP/1.1 202 ", "{\"a\":[1]}");
    expect(post(f, "/json", "{\n  \"a\": x\n}"), "HTTP/1.1 400 ", "\"message\":\"line 2, column 8");
    expect(post(f, "/json", ""), "HTTP/1.1 400 ", "\"code\":\"bad-request\"");
    expect(post(f, "/json", "[]"), "HTTP/1.1 400 ", "expected an object");
    expect(post(f, "/json", "{} {}"), "HTTP/1.1 400 ", "\"exitCode\":2");
    expect(post(f, "/json", "{\"a\": \"\xff\"}"), "HTTP/1.1 400 ", "line 1, column ");
    assert_int_equal(http_server_n_bad(f->server), 5);
}

static void a_body_at_the_limit_passes_and_one_past_it_is_413(void **state)
{
    struct fixture *f = *state;
    char body[BODY_MAX + 2];

    memset(body, 'x', sizeof body);
    body[BODY_MAX] = '\0';
    expect(post(f, "/echo", body), "HTTP/1.1 200 ", "{\"length\":1000}");
    body[BODY_MAX] = 'x';
    body[BODY_MAX + 1] = '\0';
    expect(post(f, "/echo", body), "HTTP/1.1 413 ", "");
    assert_int_equal(http_server_n_bad(f->server), 1);

    char *chunked = xasprintf("POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n3e9\r\n%s\r\n0\r\n\r\n",
                              body);
    assert_int_equal(status_of(f, chunked), 413);
    free(chunked);
    assert_int_equal(http_server_n_bad(f->server), 2);
}

static void what_is_not_http_is_400_and_counted(void **state)
{
    static const char *const requests[] = {
        "\x16\x03\x01 TLS\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        assert_int_equal(status_of(f, requests[i]), 400);
        assert_int_equal(http_server_n_bad(f->server), i + 1);
    }
}

static void a_head_past_its_limit_is_400(void **state)
{
    struct fixture *f = *state;
    char *padding = calloc(1, HTTP_HEAD_MAX + 2);

    memset(padding, 'x', HTTP_HEAD_MAX + 1);
    char *header = xasprintf("X-Test: %.*s\r\n", HTTP_HEAD_MAX - 200, padding);
    expect(get(f, "/echo", header), "HTTP/1.1 200 ", "");
    free(header);
    header = xasprintf("X-Test: %s\r\n", padding);
    expect(get(f, "/echo", header), "HTTP/1.1 400 ", "");
    free(header);
    // Nor is a line without end kept.
    assert_int_equal(status_of(f, padding), 400);
    free(padding);
    assert_int_equal(http_server_n_bad(f->server), 2);
}

static void only_addresses_and_localhost_are_hosts_on_tcp(void **state)
{
    static const struct {
        const char *header;
        int status;
    } rows[] = {
        {"Host: 127.0.0.1\r\n", 409},
        {"Host: 127.0.0.1:8009\r\n", 409},
        {"Host: LOCALHOST:80\r\n", 409},
        {"Host: [::1]:8009\r\n", 409},
        {"Host: [::1]\r\n", 409},
        {"Host: 192.0.2.1\r\n", 409},
        {"Host: evil.example\r\n", 403},
        {"Host: localhost.evil.example\r\n", 403},
        {"Host: 127.0.0.1.nip\r\n", 403},
        {"Host: [::1\r\n", 403},
        {"Host: \r\n", 403},
        {"", 403},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *request =
            xasprintf("GET /error HTTP/1.1\r\nConnection: close\r\n%s\r\n", rows[i].header);
        assert_int_equal(status_of(f, request), rows[i].status);
        free(request);
    }
    assert_int_equal(http_server_n_bad(f->server), 6);
}

// --- Streams ---

static struct client *open_stream(struct fixture *f)
{
    struct client *c = client_new(f, NULL);

    f->stream = NULL;
    client_write(c, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for_stream(f);
    return c;
}

static void events_of_a_stream_are_chunks_until_its_end(void **state)
{
    struct fixture *f = *state;
    struct client *c = open_stream(f);

    assert_true(http_stream_send_sse(f->stream, "state", -1, "{}"));
    assert_true(http_stream_send_sse(f->stream, "frame", 7, "{\"k\":7}"));
    wait_for(f, c, "id: 7\ndata: {\"k\":7}\n\n", NULL);
    assert_non_null(strstr(c->in.data, "Content-Type: text/event-stream\r\n"));
    assert_non_null(strstr(c->in.data, "X-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(c->in.data, "event: state\ndata: {}\n\n"));
    assert_true(http_stream_send(f->stream, "{\"a\":1}\n", 8));
    http_stream_end(f->stream);
    wait_for(f, c, NULL, NULL);
    assert_non_null(strstr(c->in.data, "\r\n8\r\n{\"a\":1}\n\r\n0\r\n\r\n"));
    assert_int_equal(f->n_stream_closes, 0);
    client_free(c);
}

static void a_client_that_leaves_closes_its_stream_at_once(void **state)
{
    struct fixture *f = *state;
    struct client *c = open_stream(f);

    client_free(c);
    while (f->n_stream_closes == 0)
        event_base_loop(f->base, EVLOOP_ONCE);
    assert_null(f->stream);
    c = open_stream(f);
    http_stream_send(f->stream, "x", 1);
    client_free(c);
    while (f->n_stream_closes == 1)
        event_base_loop(f->base, EVLOOP_ONCE);
    assert_null(f->stream);
}

static void a_client_that_talks_into_its_stream_is_not_heard(void **state)
{
    struct fixture *f = *state;
    struct client *c = open_stream(f);
    char *noise = calloc(1, 1024 * 1024);

    memset(noise, 'x', 1024 * 1024 - 1);
    client_write(c, "GET /error HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_write(c, noise);
    http_stream_send(f->stream, "event one\n", 10);
    wait_for(f, c, "event one\n", NULL);
    http_stream_send(f->stream, "event two\n", 10);
    wait_for(f, c, "event two\n", NULL);
    assert_null(strstr(c->in.data, "409"));
    http_stream_end(f->stream);
    wait_for(f, c, NULL, NULL);
    client_free(c);
    free(noise);
}

static void a_slow_reader_is_skipped_by_whole_events(void **state)
{
    struct fixture *f = *state;
    struct client *c = open_stream(f);
    char event[16 * 1024 + 1];
    int n_sent = 0, n_read = 0;

    memset(event, '.', sizeof event);
    event[sizeof event - 2] = '\n';
    event[sizeof event - 1] = '\0';
    event[0] = '!';
    bufferevent_disable(c->bev, EV_READ);
    // The sockets take some, the stream some more; then nothing.
    while (http_stream_send(f->stream, event, sizeof event - 1)) {
        assert_true(++n_sent < 10000);
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    }
    assert_true((size_t)n_sent * sizeof event > HTTP_STREAM_MAX);
    for (int i = 0; i < 100; i++) {
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        if (http_stream_send(f->stream, event, sizeof event - 1))
            n_sent++;
    }
    bufferevent_enable(c->bev, EV_READ);
    http_stream_end(f->stream);
    wait_for(f, c, NULL, NULL);
    for (size_t i = 0; i < c->in.len; i++)
        n_read += c->in.data[i] == '!';
    assert_int_equal(n_read, n_sent);
    client_free(c);
}

static void one_event_larger_than_the_limit_passes(void **state)
{
    struct fixture *f = *state;
    struct client *c = open_stream(f);
    char *event = calloc(1, 2 * HTTP_STREAM_MAX + 1);

    memset(event, '.', 2 * HTTP_STREAM_MAX);
    assert_true(http_stream_send(f->stream, "small", 5));
    assert_true(http_stream_send(f->stream, event, 2 * HTTP_STREAM_MAX));
    assert_false(http_stream_send(f->stream, "small", 5));
    http_stream_end(f->stream);
    wait_for(f, c, NULL, NULL);
    assert_true(c->in.len > 2 * HTTP_STREAM_MAX);
    client_free(c);
    free(event);
}

static void one_stream_more_than_the_limit_is_503(void **state)
{
    struct fixture *f = *state;
    struct client *clients[HTTP_STREAMS_MAX];

    for (size_t i = 0; i < HTTP_STREAMS_MAX; i++)
        clients[i] = open_stream(f);
    expect(get(f, "/stream", ""), "HTTP/1.1 503 ", "64 streams are open already");
    client_free(clients[0]);
    while (f->n_stream_closes == 0)
        event_base_loop(f->base, EVLOOP_ONCE);
    clients[0] = open_stream(f);
    for (size_t i = 0; i < HTTP_STREAMS_MAX; i++)
        client_free(clients[i]);
}

static void freeing_the_server_closes_streams(void **state)
{
    struct fixture *f = *state;
    struct client *c = open_stream(f);

    http_stream_send(f->stream, "x", 1);
    http_server_free(f->server);
    f->server = NULL;
    assert_int_equal(f->n_stream_closes, 1);
    wait_for(f, c, NULL, NULL);
    client_free(c);
}

static void http_1_0_gets_a_stream_without_chunks(void **state)
{
    struct fixture *f = *state;
    struct client *c = client_new(f, NULL);

    client_write(c, "GET /stream HTTP/1.0\r\nHost: localhost\r\n\r\n");
    wait_for_stream(f);
    http_stream_send(f->stream, "{}\n", 3);
    http_stream_end(f->stream);
    wait_for(f, c, NULL, NULL);
    assert_non_null(strstr(c->in.data, "\r\n\r\n{}\n"));
    client_free(c);
}

// --- Listening ---

static const char error_request[] = "GET /echo HTTP/1.1\r\nConnection: close\r\n\r\n";

static void a_unix_socket_has_its_mode_and_knows_its_peer(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(http_server_listen_unix(f->server, f->path, 0660), 0);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode, S_IFSOCK | 0660);
    // No Host is needed here.
    expect(ask_at(f, f->path, error_request), "HTTP/1.1 200 ", "");
    assert_int_equal(f->uid, getuid());
    http_server_free(f->server);
    f->server = NULL;
    assert_int_equal(stat(f->path, &st), -1);
}

static void a_stale_unix_socket_is_replaced_and_a_live_one_is_not(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct http_server_config config = {routes, 1, BODY_MAX, f};
    struct http_server *second = http_server_new(f->base, &config);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(addr.sun_path, f->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    close(fd);
    assert_int_equal(http_server_listen_unix(f->server, f->path, 0600), 0);
    assert_int_equal(http_server_listen_unix(second, f->path, 0600), -EADDRINUSE);
    http_server_free(second);
    expect(ask_at(f, f->path, error_request), "HTTP/1.1 200 ", "");
}

static void a_path_that_is_no_socket_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    char missing[100], longer[200];

    fclose(fopen(f->path, "w"));
    assert_int_equal(http_server_listen_unix(f->server, f->path, 0600), -EEXIST);
    assert_int_equal(stat(f->path, &st), 0);
    snprintf(missing, sizeof missing, "%s/none/sock", f->dir);
    assert_int_equal(http_server_listen_unix(f->server, missing, 0600), -ENOENT);
    memset(longer, 'x', sizeof longer);
    longer[108] = '\0';
    assert_int_equal(http_server_listen_unix(f->server, longer, 0600), -ENAMETOOLONG);
}

static void tcp_addresses_in_use_or_not_ours_are_errors(void **state)
{
    struct fixture *f = *state;
    uint16_t port = 0;

    assert_int_equal(http_server_listen_tcp(f->server, "127.0.0.1", f->port, &port), -EADDRINUSE);
    assert_int_equal(http_server_listen_tcp(f->server, "192.0.2.1", 0, &port), -EADDRNOTAVAIL);
    assert_int_equal(http_server_listen_tcp(f->server, "localhost", 0, &port), -EINVAL);
    assert_int_equal(port, 0);
    assert_int_equal(http_server_listen_tcp(f->server, "::1", 0, &port), 0);
    assert_int_not_equal(port, 0);
}

static void a_descriptor_that_listens_is_taken(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(addr.sun_path, f->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(http_server_listen_fd(f->server, fd), 0);
    expect(ask_at(f, f->path, error_request), "HTTP/1.1 200 ", "");
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(a_route_sees_path_arguments_query_header_and_body),
        SERVED(what_no_route_matches_is_404),
        SERVED(another_method_is_405_and_the_right_ones_are_named),
        SERVED(a_reply_may_come_later),
        SERVED(a_server_may_go_while_replies_are_due),
        SERVED(a_client_that_left_before_the_late_reply_harms_nobody),
        SERVED(a_connection_is_kept_for_the_next_request),
        SERVED(errors_have_code_message_and_exit_code),
        SERVED(a_message_that_quotes_bytes_stays_json),
        SERVED(static_pages_carry_their_policy_and_a_tag),
        SERVED(a_json_body_is_an_object_or_400_with_its_place),
        SERVED(a_body_at_the_limit_passes_and_one_past_it_is_413),
        SERVED(what_is_not_http_is_400_and_counted),
        SERVED(a_head_past_its_limit_is_400),
        SERVED(only_addresses_and_localhost_are_hosts_on_tcp),
        SERVED(events_of_a_stream_are_chunks_until_its_end),
        SERVED(a_client_that_leaves_closes_its_stream_at_once),
        SERVED(a_client_that_talks_into_its_stream_is_not_heard),
        SERVED(a_slow_reader_is_skipped_by_whole_events),
        SERVED(one_event_larger_than_the_limit_passes),
        SERVED(one_stream_more_than_the_limit_is_503),
        SERVED(freeing_the_server_closes_streams),
        SERVED(http_1_0_gets_a_stream_without_chunks),
        SERVED(a_unix_socket_has_its_mode_and_knows_its_peer),
        SERVED(a_stale_unix_socket_is_replaced_and_a_live_one_is_not),
        SERVED(a_path_that_is_no_socket_is_left_alone),
        SERVED(tcp_addresses_in_use_or_not_ours_are_errors),
        SERVED(a_descriptor_that_listens_is_taken),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
