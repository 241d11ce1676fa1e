// Requests, replies, and where a server listens.
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "tests/unit/http_test_util.h"

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
    wait_for_later(f);
    http_reply_json(f->pending, 200, json_object());
    wait_for_end(f, c);
    assert_memory_equal(c->in.data, "HTTP/1.1 200 ", 13);
    client_free(c);
}

static void a_server_may_go_while_replies_are_due(void **state)
{
    struct fixture *f = *state;
    struct client *c = client_new(f, NULL);

    client_write(c, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for_later(f);
    http_server_free(f->server);
    f->server = NULL;
    wait_for_end(f, c);
    assert_int_equal(c->in.len, 0);
    client_free(c);
}

static void a_client_that_left_before_the_late_reply_harms_nobody(void **state)
{
    struct fixture *f = *state;
    struct client *c = client_new(f, NULL);

    client_write(c, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for_later(f);
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
    wait_for_text(f, c, "{\"length\":0}\n");
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
        SERVED(a_unix_socket_has_its_mode_and_knows_its_peer),
        SERVED(a_stale_unix_socket_is_replaced_and_a_live_one_is_not),
        SERVED(a_path_that_is_no_socket_is_left_alone),
        SERVED(tcp_addresses_in_use_or_not_ours_are_errors),
        SERVED(a_descriptor_that_listens_is_taken),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
