// Replies without an end.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "tests/unit/http_test_util.h"

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
    wait_for_text(f, c, "id: 7\ndata: {\"k\":7}\n\n");
    assert_non_null(strstr(c->in.data, "Content-Type: text/event-stream\r\n"));
    assert_non_null(strstr(c->in.data, "X-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(c->in.data, "event: state\ndata: {}\n\n"));
    assert_true(http_stream_send(f->stream, "{\"a\":1}\n", 8));
    http_stream_end(f->stream);
    wait_for_end(f, c);
    assert_non_null(strstr(c->in.data, "\r\n8\r\n{\"a\":1}\n\r\n0\r\n\r\n"));
    assert_int_equal(f->n_stream_closes, 0);
    client_free(c);
}

static void a_client_that_leaves_closes_its_stream_at_once(void **state)
{
    struct fixture *f = *state;
    struct client *c = open_stream(f);

    client_free(c);
    wait_for(f->base, &f->n_stream_closes, 1);
    assert_null(f->stream);
    c = open_stream(f);
    http_stream_send(f->stream, "x", 1);
    client_free(c);
    wait_for(f->base, &f->n_stream_closes, 2);
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
    wait_for_text(f, c, "event one\n");
    http_stream_send(f->stream, "event two\n", 10);
    wait_for_text(f, c, "event two\n");
    assert_null(strstr(c->in.data, "409"));
    http_stream_end(f->stream);
    wait_for_end(f, c);
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
    wait_for_end(f, c);
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
    wait_for_end(f, c);
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
    wait_for(f->base, &f->n_stream_closes, 1);
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
    wait_for_end(f, c);
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
    wait_for_end(f, c);
    assert_non_null(strstr(c->in.data, "\r\n\r\n{}\n"));
    client_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(events_of_a_stream_are_chunks_until_its_end),
        SERVED(a_client_that_leaves_closes_its_stream_at_once),
        SERVED(a_client_that_talks_into_its_stream_is_not_heard),
        SERVED(a_slow_reader_is_skipped_by_whole_events),
        SERVED(one_event_larger_than_the_limit_passes),
        SERVED(one_stream_more_than_the_limit_is_503),
        SERVED(freeing_the_server_closes_streams),
        SERVED(http_1_0_gets_a_stream_without_chunks),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
