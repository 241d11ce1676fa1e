#include "tests/unit/session_test_world.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define GIVE_UP_NS (30 * NS_PER_S) // only for what should never happen

struct peer {
    struct peer *next;
    int fd;
    struct event *readable;
    struct buf in;
};

struct world w;
struct plan_iteration iterations[SERIES_MAX];
static struct plan_round round_;
static struct plan plan;
struct plan_variable variables[2];
struct plan_capture capture;
struct plan_retry retry;
char warnings[4000];

// --- The server ---

static void say(struct peer *peer, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct peer *peer, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    assert_int_equal(send(peer->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    free(text);
}

static void hang_up(struct peer *peer)
{
    if (peer->readable != NULL)
        event_free(peer->readable);
    if (peer->fd >= 0)
        close(peer->fd);
    peer->readable = NULL;
    peer->fd = -1;
}

static void answer_sequence(struct peer *peer)
{
    char body[100];
    int code = *w.codes;

    if (w.codes[1] != 0)
        w.codes++;
    snprintf(body, sizeof body, "{\"token\": \"t%zu\", \"list\": [1, 22]}", w.n_heard);
    say(peer,
        "HTTP/1.1 %d Said\r\nX-Count: %zu\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
        code, w.n_heard, w.type, strlen(body), body);
}

static void answer(struct peer *peer, const char *target)
{
    static const char page[] =
        "<html><img src=/img/1><img src='/img/2'><img src=/img/1><script src=\"/img/3?x\"></script>"
        "<link rel=stylesheet href=/drop><img src=data:,x></html>";

    if (strncmp(target, "/seq", 4) == 0)
        answer_sequence(peer);
    else if (strncmp(target, "/drop", 5) == 0)
        hang_up(peer);
    else if (strncmp(target, "/page", 5) == 0)
        say(peer,
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=x\r\nContent-Length: "
            "%zu\r\n\r\n%s",
            strlen(page), page);
    else if (strncmp(target, "/hold", 5) != 0)
        say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

static void copy_field(const char *head, const char *name, char *out, size_t size)
{
    const char *at = strcasestr(head, name);

    if (at != NULL)
        snprintf(out, size, "%.*s", (int)strcspn(at + strlen(name), "\r"), at + strlen(name));
}

// One request is whole: true.
static bool take_request(struct peer *peer)
{
    const char *end = peer->in.len > 0 ? strstr(peer->in.data, "\r\n\r\n") : NULL;
    const char *length =
        peer->in.len > 0 ? strcasestr(peer->in.data, "\r\nContent-Length: ") : NULL;

    if (end == NULL)
        return false;
    size_t n = (size_t)(end - peer->in.data) + 4;
    size_t body = length != NULL && length < end ? strtoul(length + 18, NULL, 10) : 0;
    if (peer->in.len < n + body)
        return false;
    assert_true(w.n_heard < HEARD_MAX);
    size_t i = w.n_heard++;
    sscanf(peer->in.data, "%7s %199s", w.heard[i].method, w.heard[i].target);
    copy_field(peer->in.data, "\r\nX-Value: ", w.heard[i].value, sizeof w.heard[i].value);
    copy_field(peer->in.data, "\r\nCookie: ", w.heard[i].cookie, sizeof w.heard[i].cookie);
    snprintf(w.heard[i].body, sizeof w.heard[i].body, "%.*s", (int)body, peer->in.data + n);
    w.heard[i].at_ns = loop_clock(w.loop);
    peer->in.len -= n + body;
    memmove(peer->in.data, peer->in.data + n + body, peer->in.len + 1);
    answer(peer, w.heard[i].target);
    return peer->fd >= 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct peer *peer = arg;
    char bytes[65536];
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);

    (void)what;
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            hang_up(peer);
        return;
    }
    buf_append(&peer->in, bytes, (size_t)n);
    while (take_request(peer))
        ;
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    int peer_fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)what;
    (void)arg;
    if (peer_fd < 0)
        return;
    struct peer *peer = xcalloc(1, sizeof *peer);
    peer->fd = peer_fd;
    peer->next = w.peers;
    w.peers = peer;
    peer->readable = event_new(loop_base(w.loop), peer_fd, EV_READ | EV_PERSIST, on_readable, peer);
    event_add(peer->readable, NULL);
}

static uint16_t listen_on_loopback(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof addr;

    w.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(w.listener, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(w.listener, 100), 0);
    assert_int_equal(getsockname(w.listener, (struct sockaddr *)&addr, &len), 0);
    w.accepting = event_new(loop_base(w.loop), w.listener, EV_READ | EV_PERSIST, on_accept, NULL);
    event_add(w.accepting, NULL);
    return ntohs(addr.sin_port);
}

// --- The virtual user ---

static void on_warning(void *arg, const char *text)
{
    size_t len = strlen(warnings);

    (void)arg;
    snprintf(warnings + len, sizeof warnings - len, "%s\n", text);
}

static void on_limit(struct loop_timer *timer)
{
    (void)timer;
    fail_msg("nothing happens any more");
}

static void on_window(struct loop_post *post)
{
    record_give_back(container_of(post, struct record_slot, post));
}

static void on_done(struct exchange *x, bool ok);

void send_x(struct exchange *x)
{
    x->series = w.series;
    x->intended_ns = 0;
    x->on_done = on_done;
    x->owner = &w;
    w.is_within = true;
    session_send(w.session, x);
    w.is_within = false;
}

static void on_done(struct exchange *x, bool ok)
{
    assert_ptr_equal(x->owner, &w);
    w.was_within |= w.is_within;
    w.n_done++;
    w.n_ok += ok;
    w.n_skipped += x->is_skipped;
    if (w.n_to_send > 0) {
        w.n_to_send--;
        send_x(x);
        return;
    }
    exchange_free(w.net, x);
    loop_quit(w.loop);
}

void run(uint32_t series, unsigned n)
{
    w.series = series;
    w.n_to_send = n - 1;
    send_x(exchange_new(w.net));
    loop_run(w.loop);
    assert_false(w.was_within);
}

static void on_later(struct loop_timer *timer)
{
    (void)timer;
    loop_quit(w.loop);
}

void run_for(int64_t ns)
{
    w.later.on_due = on_later;
    loop_timer_set(w.loop, &w.later, loop_now(w.loop) + ns);
    loop_run(w.loop);
    loop_timer_clear(w.loop, &w.later);
}

const struct metrics_series *totals(uint32_t series)
{
    return &record_totals(w.record)[series];
}

// --- The world ---

int set_up(void **unused)
{
    static const int ok[] = {200, 0};
    static char *names[] = {"one", "two", "three"};

    (void)unused;
    w = (struct world){.loop = loop_new(), .codes = ok, .type = "application/json"};
    w.limit.on_due = on_limit;
    loop_timer_set(w.loop, &w.limit, loop_now(w.loop) + GIVE_UP_NS);
    uint16_t port = listen_on_loopback();
    for (size_t i = 0; i < SERIES_MAX; i++)
        iterations[i] = (struct plan_iteration){.name = names[i],
                                                .mode = PLAN_MODE_R,
                                                .request_count = 1,
                                                .version = PLAN_VERSION_1_1,
                                                .method = "GET",
                                                .url = {.host = "127.0.0.1",
                                                        .port = port,
                                                        .authority = "127.0.0.1",
                                                        .text = "http://127.0.0.1/",
                                                        .target = "/seq"}};
    round_ = (struct plan_round){.name = "r", .iterations = iterations, .n_iterations = SERIES_MAX};
    plan = (struct plan){.name = "p", .rounds = &round_, .n_rounds = 1, .variables = variables};
    capture = (struct plan_capture){.to = "a", .type = VALUE_JSON};
    retry = (struct plan_retry){.max = 1, .delay_ms = 1};
    warnings[0] = '\0';
    return 0;
}

void begin(void)
{
    char why[300];
    const struct program_config config = {
        .plan = &plan, .seed = 5, .n_parts = 1, .warn = on_warning};

    if (program_new(&config, &w.program, why, sizeof why) < 0)
        fail_msg("%s", why);
    w.requests = (struct request_set){.requests = xcalloc(SERIES_MAX, sizeof(struct request)),
                                      .n_requests = SERIES_MAX,
                                      .origins = &w.origin,
                                      .n_origins = 1};
    for (uint32_t i = 0; i < SERIES_MAX; i++) {
        struct request_parts parts;
        bool is_constant = program_parts(w.program, i, &parts);
        if (i == 0)
            w.origin = request_origin_of(&parts, NULL, NULL);
        if (is_constant)
            request_make(&w.requests.requests[i], &parts, NULL, &w.origin, 0);
    }
    static const struct tls_identity *identities[1];
    w.net = client_net_new(&(struct client_net_config){.conn = {.loop = w.loop,
                                                                .origins = &w.origin,
                                                                .n_origins = 1,
                                                                .identities = identities},
                                                       .requests = &w.requests,
                                                       .connections_max = 100},
                           why, sizeof why);
    if (w.net == NULL)
        fail_msg("%s", why);
    w.record = record_new(&(struct record_config){.n_series = SERIES_MAX,
                                                  .k_origin_ns = loop_now(w.loop),
                                                  .loop = w.loop,
                                                  .sink = w.loop,
                                                  .on_window = on_window,
                                                  .n_fds = client_net_n_fds(w.net)});
    client_net_set_record(w.net, w.record);
    client_init(&w.client, w.net);
    w.session = session_new(w.program, &w.client, 1);
}

void end_session(void)
{
    if (w.session == NULL)
        return;
    client_close(&w.client);
    session_free(w.session);
    w.session = NULL;
}

int tear_down(void **unused)
{
    (void)unused;
    end_session();
    run_for(NS_PER_MS); // windows come back
    for (struct peer *peer = w.peers, *next; peer != NULL; peer = next) {
        next = peer->next;
        hang_up(peer);
        buf_done(&peer->in);
        free(peer);
    }
    loop_timer_clear(w.loop, &w.limit);
    event_free(w.accepting);
    close(w.listener);
    client_net_free(w.net);
    record_free(w.record);
    for (uint32_t i = 0; i < w.requests.n_requests; i++)
        request_done(&w.requests.requests[i]);
    free(w.requests.requests);
    program_free(w.program);
    loop_free(w.loop);
    return 0;
}

void add_variable(const char *name, const char *value)
{
    variables[plan.n_variables++] = (struct plan_variable){
        .name = (char *)(uintptr_t)name, .type = VALUE_STRING, .value = (char *)(uintptr_t)value};
}
