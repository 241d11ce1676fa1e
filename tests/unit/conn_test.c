#include "worker/runner/conn.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "common/clock.h"
#include "tests/unit/tls_test_pair.h"

#define GIVE_UP_NS (30 * NS_PER_S) // only for what should never happen

// A connection, and a server on the same loop that answers its first question.
static struct world {
    struct loop *loop;
    struct conn conn;
    struct pair server;
    struct event *accepting, *answering;
    struct loop_timer limit;
    bool says_close;  // right behind the answer, in the same segment
    bool saw_closed;  // when the answer came
    struct buf heard; // by the connection
} w;

// --- The server ---

static void on_server_readable(evutil_socket_t fd, short what, void *arg)
{
    char question[100];

    (void)fd;
    (void)what;
    (void)arg;
    to_server(&w.server);
    if (SSL_read(w.server.ssl, question, sizeof question) > 0) {
        say(&w.server, "answer", 6);
        if (w.says_close)
            SSL_shutdown(w.server.ssl);
    }
    ERR_clear_error();
    to_client(&w.server, SIZE_MAX);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    (void)arg;
    w.server.peer_fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(w.server.peer_fd >= 0);
    serve(&w.server);
    w.answering = event_new(loop_base(w.loop), w.server.peer_fd, EV_READ | EV_PERSIST,
                            on_server_readable, NULL);
    event_add(w.answering, NULL);
}

static int listen_on_loopback(uint16_t *ret_port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *ret_port = ntohs(addr.sin_port);
    return fd;
}

// --- The connection ---

static void on_open(struct conn *c)
{
    conn_send(c, "question", 8);
}

static void on_sent(struct conn *c, size_t n)
{
    (void)c;
    (void)n;
}

static bool on_data(struct conn *c, const char *bytes, size_t n)
{
    buf_append(&w.heard, bytes, n);
    w.saw_closed = c->peer_closed;
    loop_quit(w.loop);
    return false;
}

static void on_end(struct conn *c)
{
    (void)c;
    fail_msg("the end came before the answer");
}

static void on_fail(struct conn *c, enum metrics_error kind, const char *why)
{
    (void)c;
    (void)kind;
    fail_msg("%s", why);
}

static void on_limit(struct loop_timer *timer)
{
    (void)timer;
    fail_msg("no answer");
}

// One question and its answer.
static void ask(int version, bool says_close)
{
    static const struct conn_ops ops = {on_sent, on_open, on_data, on_end, on_fail};
    static const struct tls_identity *const identities[1];
    struct request_origin origin = {.host = "127.0.0.1", .tls = true, .certificate = ""};
    char why[200];
    uint16_t port;
    int fd = listen_on_loopback(&port);

    w = (struct world){.loop = loop_new(), .says_close = says_close};
    w.server.ctx = server_ctx(version);
    w.accepting = event_new(loop_base(w.loop), fd, EV_READ, on_accept, NULL);
    event_add(w.accepting, NULL);
    w.limit.on_due = on_limit;
    loop_timer_set(w.loop, &w.limit, loop_now(w.loop) + GIVE_UP_NS);
    origin.port = port;
    struct conn_net_config config = {
        .loop = w.loop, .origins = &origin, .n_origins = 1, .identities = identities, .ops = &ops};
    struct conn_net *net = conn_net_new(&config, why, sizeof why);
    assert_non_null(net);
    w.conn.net = net;
    conn_connect(&w.conn, 0, NULL);
    loop_run(w.loop);

    conn_close(&w.conn);
    loop_timer_clear(w.loop, &w.limit);
    event_free(w.accepting);
    event_free(w.answering);
    close(w.server.peer_fd);
    close(fd);
    SSL_free(w.server.ssl);
    SSL_CTX_free(w.server.ctx);
    loop_free(w.loop);
    conn_net_free(net);
}

static void an_end_of_tls_right_behind_an_answer_is_known_with_it(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        for (int says_close = 0; says_close < 2; says_close++) {
            ask(tls_versions[i], says_close);
            assert_int_equal(w.heard.len, 6);
            assert_memory_equal(w.heard.data, "answer", 6);
            assert_int_equal(w.saw_closed, says_close);
            buf_done(&w.heard);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_of_tls_right_behind_an_answer_is_known_with_it),
    };

    return cmocka_run_group_tests(tests, people_set_up, people_tear_down);
}
