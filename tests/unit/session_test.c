#include "worker/runner/session.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "worker/runner/channel.h"

#define GIVE_UP_NS (30 * NS_PER_S) // only for what should never happen
#define HEARD_MAX  200
#define SERIES_MAX 3

struct peer {
    struct peer *next;
    int fd;
    struct event *readable;
    struct buf in;
};

// One virtual user of one series or more, and a server on the same loop.
static struct world {
    struct loop *loop;
    struct loop_timer limit, later;
    int listener;
    struct event *accepting;
    struct peer *peers;
    struct {
        char method[8], target[200], cookie[40], value[40], body[40];
        int64_t at_ns;
    } heard[HEARD_MAX];
    size_t n_heard;
    const int *codes; // answers to /seq, the last one again and again
    const char *type; // of their body

    struct client_net *net;
    struct client client;
    struct record *record;
    struct request_set requests;
    struct request_origin origin;
    struct program *program;
    struct session *session;
    uint32_t series; // that is sent
    unsigned n_to_send, n_done, n_ok, n_skipped;
    bool is_within, was_within; // session_send; on_done came in there
} w;

static struct plan_iteration iterations[SERIES_MAX];
static struct plan_round round_;
static struct plan plan;
static struct plan_variable variables[2];
static struct plan_capture capture;
static struct plan_retry retry;
static char warnings[4000];

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

static void send_x(struct exchange *x)
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

// n requests of the series, one after another.
static void run(uint32_t series, unsigned n)
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

static void run_for(int64_t ns)
{
    w.later.on_due = on_later;
    loop_timer_set(w.loop, &w.later, loop_now(w.loop) + ns);
    loop_run(w.loop);
    loop_timer_clear(w.loop, &w.later);
}

static const struct metrics_series *totals(uint32_t series)
{
    return &record_totals(w.record)[series];
}

// --- The world ---

static int set_up(void **unused)
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

// What the tests have put into the plan comes to life.
static void begin(void)
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

static void end_session(void)
{
    if (w.session == NULL)
        return;
    client_close(&w.client);
    session_free(w.session);
    w.session = NULL;
}

static int tear_down(void **unused)
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

static void add_variable(const char *name, const char *value)
{
    variables[plan.n_variables++] = (struct plan_variable){
        .name = (char *)(uintptr_t)name, .type = VALUE_STRING, .value = (char *)(uintptr_t)value};
}

// --- Tests ---

static void an_answer_is_captured_for_the_next_request(void **unused)
{
    static struct plan_header headers[] = {{"X-Value", "${a.Headers.X-Count}-${a.StatusReason}"}};

    (void)unused;
    capture.type = VALUE_UNDEFINED; // by the answer's media type
    iterations[0].capture = &capture;
    iterations[1].method = "POST";
    iterations[1].url.target = "/seq/${a.Body.token}?s=${a.StatusCode}&x=${a.Body.list[0+1]}";
    iterations[1].headers = headers;
    iterations[1].n_headers = 1;
    iterations[1].payload_kind = PLAN_PAYLOAD_RAW;
    iterations[1].payload = "<${a.Body.list[0]}>";
    begin();
    for (int i = 0; i < 2; i++) { // always the newest
        run(0, 1);
        run(1, 1);
    }
    assert_string_equal(w.heard[1].target, "/seq/t1?s=200&x=22");
    assert_string_equal(w.heard[1].method, "POST");
    assert_string_equal(w.heard[1].value, "1-Said");
    assert_string_equal(w.heard[1].body, "<1>");
    assert_string_equal(w.heard[3].target, "/seq/t3?s=200&x=22");
    assert_int_equal(w.n_ok, 4);
    assert_string_equal(warnings, "");
}

static void captures_have_types_regexes_and_scopes(void **unused)
{
    static const struct {
        const char *type, *path;
        enum value_type as;
        char *regex;
        bool is_global;
        const char *target;
    } cases[] = {
        {"text/plain", "${a.Body}", VALUE_STRING, "t\\d", false, "/t1"},
        {"text/plain", "${a.Body.token}", VALUE_JSON, NULL, true, "/t1"},
        {"text/plain", "x${a.Body.token}", VALUE_UNDEFINED, NULL, false,
         "/x"}, // a text has no paths
        {"application/json", "${a.Body.token}", VALUE_UNDEFINED, "\\d+", false, "/1"},
        {"text/plain", "x${a}", VALUE_STRING, "nowhere", false, "/x"},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char target[40];
        if (i > 0)
            set_up(NULL);
        w.type = cases[i].type;
        capture.type = cases[i].as;
        capture.regex = cases[i].regex;
        capture.is_global = cases[i].is_global;
        iterations[0].capture = &capture;
        snprintf(target, sizeof target, "/%s", cases[i].path);
        iterations[1].url.target = target;
        begin();
        run(0, 1);
        if (cases[i].is_global) { // another virtual user sees it
            session_free(w.session);
            w.session = session_new(w.program, &w.client, 2);
        }
        run(1, 1);
        assert_string_equal(w.heard[1].target, cases[i].target);
        if (i + 1 < sizeof cases / sizeof *cases)
            tear_down(NULL);
    }
    assert_non_null(strstr(warnings, "regex matches nothing"));
}

static void a_failure_is_captured_as_status_0(void **unused)
{
    (void)unused;
    iterations[0].url.target = "/${which}";
    iterations[0].request_before = (char *[]){"$strcat(values=[${next}], variable=which)",
                                              "$strcat(values=[drop], variable=next)"};
    iterations[0].n_request_before = 2;
    iterations[0].capture = &capture;
    iterations[1].url.target = "/${a.StatusCode}${a.Body}";
    add_variable("next", "seq");
    begin();
    run(0, 1);
    assert_int_equal(w.n_ok, 1);
    run(0, 1);
    assert_int_equal(w.n_ok, 1);
    run(1, 1);
    assert_string_equal(w.heard[w.n_heard - 1].target, "/0");
}

static void attempts_are_delayed_more_and_more_up_to_a_bound(void **unused)
{
    static const int codes[] = {500, 500, 503, 500, 200, 0};

    (void)unused;
    w.codes = codes;
    iterations[0].capture = &capture;
    iterations[0].retry = &retry;
    retry = (struct plan_retry){.condition = "${a.StatusCode} >= 500",
                                .max = 5,
                                .is_exponential = true,
                                .delay_ms = 50,
                                .max_delay_ms = 60};
    begin();
    run(0, 1);
    assert_int_equal(w.n_done, 1);
    assert_int_equal(w.n_ok, 1);
    assert_int_equal(w.n_heard, 5);
    for (size_t i = 1; i < 5; i++) {
        int64_t gap = w.heard[i].at_ns - w.heard[i - 1].at_ns;
        assert_true(gap >= (i == 1 ? 49 : 59) * NS_PER_MS);
    }
    // Without the bound: 750 ms.
    assert_true(w.heard[4].at_ns - w.heard[0].at_ns < 700 * NS_PER_MS);
    assert_int_equal(totals(0)->n.started, 5);
    assert_int_equal(totals(0)->n.completed, 5);
    assert_int_equal(totals(0)->status[500], 3);
    assert_int_equal(totals(0)->status[200], 1);
}

static void how_many_attempts_there_are(void **unused)
{
    static const int codes[] = {500, 404, 500, 0};
    static const struct {
        char *condition, *stop, *target;
        uint64_t max;
        size_t n;
    } cases[] = {
        {NULL, NULL, "/seq", 2, 3}, // without a condition always
        {NULL, NULL, "/seq", 0, 1},
        {"${a.StatusCode} = 500", NULL, "/seq", 9, 2},
        {"${a.StatusCode} >= 400", "${a.StatusCode} = 404", "/seq", 9, 2},
        {"${a.StatusCode} < \"x\"", NULL, "/seq", 9, 1}, // a condition that is wrong is false
        {"${a.StatusCode} = 0", NULL, "/drop", 2, 3},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (i > 0)
            set_up(NULL);
        w.codes = codes;
        retry = (struct plan_retry){.condition = cases[i].condition,
                                    .stop = cases[i].stop,
                                    .max = cases[i].max,
                                    .delay_ms = i % 2}; // 0: at once
        iterations[0].retry = &retry;
        iterations[0].capture = &capture;
        iterations[0].url.target = cases[i].target;
        begin();
        run(0, 1);
        if (totals(0)->n.started != cases[i].n)
            fail_msg("case %zu: %d attempts", i, (int)totals(0)->n.started);
        assert_int_equal(w.n_done, 1);
        if (i + 1 < sizeof cases / sizeof *cases)
            tear_down(NULL);
    }
}

static void a_slot_that_is_skipped_takes_a_millisecond_and_sends_nothing(void **unused)
{
    enum { N = 20 };

    (void)unused;
    iterations[0].request_skip_if = "$v = 1";
    iterations[0].request_before = (char *[]){"$counter(start=1, reset=99, variable=v)"};
    iterations[0].n_request_before = 1;
    iterations[0].request_after = (char *[]){"$strcat(values=[late], variable=v)"};
    iterations[0].n_request_after = 1;
    iterations[1].request_skip_if = "true";
    iterations[2].url.target = "/$v";
    begin();
    run(0, 1);
    assert_int_equal(w.n_skipped, 1);
    assert_int_equal(w.n_ok, 1);
    assert_int_equal(w.n_heard, 0);
    run(2, 1);
    assert_string_equal(w.heard[0].target, "/1"); // no hooks after
    run(0, 1);
    assert_int_equal(w.n_skipped, 1);
    run(2, 1);
    assert_string_equal(w.heard[2].target, "/late");

    int64_t begin_ns = loop_clock(w.loop);
    run(1, N);
    assert_true(loop_clock(w.loop) - begin_ns >= N * NS_PER_MS);
    assert_int_equal(totals(1)->n.skipped, N);
    assert_int_equal(totals(1)->n.started, 0);
    assert_int_equal(totals(0)->n.skipped, 1);
}

static void what_comes_to_no_request_fails_and_is_told(void **unused)
{
    (void)unused;
    add_variable("password", "hunter2hunter2");
    variables[0].is_secret = true;
    iterations[0].url.target = "$target";
    iterations[0].request_before = (char *[]){"$strcat(values=[no/$password], variable=target)"};
    iterations[0].n_request_before = 1;
    iterations[0].request_after = (char *[]){"$strcat(values=[after], variable=v)"};
    iterations[0].n_request_after = 1;
    iterations[0].retry = &retry;
    iterations[1].url.target = "/$v";
    begin();
    run(0, 10);
    assert_int_equal(w.n_done, 10);
    assert_int_equal(w.n_ok, 0);
    assert_int_equal(w.n_heard, 0);
    assert_int_equal(totals(0)->n.started, 20);
    assert_int_equal(totals(0)->n.failed, 20);
    assert_int_equal(totals(0)->error[METRICS_ERROR_REQUEST].count, 20);
    run(1, 1);
    assert_string_equal(w.heard[0].target, "/after");
}

static void iterations_have_hooks_and_may_be_skipped(void **unused)
{
    (void)unused;
    iterations[0].before = (char *[]){"$strcat(values=[in], variable=v)"};
    iterations[0].n_before = 1;
    iterations[0].after = (char *[]){"$strcat(values=[out], variable=v)"};
    iterations[0].n_after = 1;
    iterations[0].skip_if = "\"$v\" = \"out\"";
    iterations[1].skip_if = "\"$v\" = \"out\"";
    iterations[2].url.target = "/$v";
    begin();
    assert_true(session_enter(w.session, 0));
    run(2, 1);
    assert_true(session_enter(w.session, 1));
    session_leave(w.session, 0);
    run(2, 1);
    assert_false(session_enter(w.session, 1));
    assert_true(session_enter(w.session, 0)); // its hooks come first
    assert_string_equal(w.heard[0].target, "/in");
    assert_string_equal(w.heard[1].target, "/out");
}

static void a_page_is_over_with_its_resources(void **unused)
{
    (void)unused;
    iterations[0].url.target = "/page";
    iterations[0].with_resources = true;
    iterations[1].with_resources = true; // of no page
    begin();
    run(0, 2);
    assert_int_equal(w.n_ok, 2);
    assert_int_equal(w.n_heard, 10);
    unsigned n_images = 0;
    for (size_t i = 0; i < w.n_heard; i++)
        n_images += strncmp(w.heard[i].target, "/img/", 5) == 0;
    assert_int_equal(n_images, 6);
    assert_int_equal(totals(0)->n.started, 2);
    assert_int_equal(totals(0)->n.completed, 2);
    assert_int_equal(totals(0)->n.failed, 0);
    assert_true(totals(0)->n.body_received > 6 * 5);
    run(1, 1);
    assert_int_equal(w.n_heard, 11);
    assert_int_equal(w.n_ok, 3);
}

static void slots_at_once_do_not_meet(void **unused)
{
    enum { N = 40 };
    bool seen[N + 1] = {false};

    (void)unused;
    iterations[0].url.target = "/seq/$counter(start=1, reset=1000)";
    iterations[0].capture = &capture;
    begin();
    for (int k = 0; k < 2; k++) {
        w.n_heard = w.n_done = 0;
        for (int i = 0; i < N; i++)
            send_x(exchange_new(w.net));
        while (w.n_done < N)
            loop_run(w.loop);
        assert_int_equal(w.n_heard, N);
    }
    for (size_t i = 0; i < N; i++) {
        int n = atoi(w.heard[i].target + 5) - N;
        assert_in_range(n, 1, N);
        assert_false(seen[n]);
        seen[n] = true;
    }
}

static void a_stop_ends_what_waits_for_a_retry(void **unused)
{
    static const int codes[] = {500, 0};

    (void)unused;
    w.codes = codes;
    retry = (struct plan_retry){.max = 9, .delay_ms = 86400000};
    iterations[0].retry = &retry;
    begin();
    send_x(exchange_new(w.net));
    run_for(50 * NS_PER_MS);
    assert_int_equal(w.n_done, 0);
    session_stop(w.session);
    assert_int_equal(w.n_done, 0); // in the next pass
    loop_run(w.loop);
    assert_int_equal(w.n_done, 1);
    assert_int_equal(w.n_ok, 1);
    assert_int_equal(w.n_heard, 1);
    run(0, 1); // and no retry after
    assert_int_equal(w.n_heard, 2);
}

static void a_series_that_is_cut_leaves_the_others(void **unused)
{
    (void)unused;
    retry = (struct plan_retry){.max = 9, .delay_ms = 86400000};
    iterations[0].retry = &retry;
    iterations[0].url.target = "/hold/$counter(start=1, reset=9)";
    iterations[1].url.target = "/hold2";
    iterations[1].request_skip_if = "false";
    iterations[2].retry = &retry;
    begin();
    for (w.series = 0; w.series < 3; w.series++)
        send_x(exchange_new(w.net));
    run_for(50 * NS_PER_MS);
    assert_int_equal(w.n_heard, 3);
    session_cut(w.session, 0); // in flight
    client_cut(&w.client, 0);
    session_cut(w.session, 2); // waits for a retry
    client_cut(&w.client, 2);
    run_for(20 * NS_PER_MS);
    assert_int_equal(w.n_done, 0);
    assert_int_equal(totals(0)->n.aborted, 1);
    assert_int_equal(totals(1)->n.aborted, 0);
    assert_int_equal(totals(2)->n.aborted, 0);
    w.series = 2;
    retry.max = 0;
    run(2, 1); // memory of what was cut is used again
    assert_int_equal(w.n_ok, 1);
}

static void slots_in_any_state_end_with_their_session(void **unused)
{
    (void)unused;
    retry = (struct plan_retry){.max = 9, .delay_ms = 86400000};
    iterations[0].retry = &retry;
    iterations[1].url.target = "/hold/$counter(start=1, reset=9)";
    iterations[2].request_skip_if = "true";
    begin();
    for (w.series = 0; w.series < 2; w.series++)
        send_x(exchange_new(w.net));
    run_for(50 * NS_PER_MS);
    send_x(exchange_new(w.net));
    end_session();
    run_for(20 * NS_PER_MS);
    assert_int_equal(w.n_done, 0);
}

static void virtual_users_have_random_values_of_their_own(void **unused)
{
    (void)unused;
    iterations[0].url.target = "/$random(length=20)";
    begin();
    run(0, 2);
    for (uint64_t stream = 1; stream <= 2; stream++) {
        session_free(w.session);
        w.session = session_new(w.program, &w.client, stream);
        run(0, 1);
    }
    assert_string_not_equal(w.heard[0].target, w.heard[1].target);
    assert_string_equal(w.heard[0].target, w.heard[2].target);
    assert_string_not_equal(w.heard[0].target, w.heard[3].target);
}

// Names below directory, the last one in name.
static unsigned count_files(const char *directory, char *name, size_t size)
{
    DIR *dir = opendir(directory);
    unsigned n = 0;

    if (dir == NULL)
        return 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(name, size, "%s/%s", directory, e->d_name);
        n++;
    }
    closedir(dir);
    return n;
}

static void one_answer_in_a_second_is_saved(void **unused)
{
    char directory[] = "/tmp/session_test.XXXXXX", name[400], text[100] = "";
    char *was = getcwd(NULL, 0);

    (void)unused;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    iterations[0].url.target = "/seq/a?secret=1";
    iterations[0].save_response = true;
    iterations[1].save_response = true;
    begin();
    FILE *in_the_way = fopen("r.two.Resources", "w");
    assert_non_null(in_the_way);
    fclose(in_the_way);
    run(0, 3);
    run(1, 1);
    assert_int_equal(count_files("r.one.Resources", name, sizeof name), 1);
    assert_int_equal(strncmp(name, "r.one.Resources/http:--127.0.0.1-seq-a_20", 41), 0);
    assert_string_equal(strrchr(name, '.'), ".json");
    FILE *saved = fopen(name, "r");
    assert_non_null(saved);
    assert_non_null(fgets(text, sizeof text, saved));
    fclose(saved);
    assert_string_equal(text, "{\"token\": \"t1\", \"list\": [1, 22]}");
    assert_non_null(strstr(warnings, "cannot be saved"));
    unlink(name);
    rmdir("r.one.Resources");
    unlink("r.two.Resources");
    assert_int_equal(chdir(was), 0);
    assert_int_equal(rmdir(directory), 0);
    free(was);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_captured_for_the_next_request),
        TEST(captures_have_types_regexes_and_scopes),
        TEST(a_failure_is_captured_as_status_0),
        TEST(attempts_are_delayed_more_and_more_up_to_a_bound),
        TEST(how_many_attempts_there_are),
        TEST(a_slot_that_is_skipped_takes_a_millisecond_and_sends_nothing),
        TEST(what_comes_to_no_request_fails_and_is_told),
        TEST(iterations_have_hooks_and_may_be_skipped),
        TEST(a_page_is_over_with_its_resources),
        TEST(slots_at_once_do_not_meet),
        TEST(a_stop_ends_what_waits_for_a_retry),
        TEST(a_series_that_is_cut_leaves_the_others),
        TEST(slots_in_any_state_end_with_their_session),
        TEST(virtual_users_have_random_values_of_their_own),
        TEST(one_answer_in_a_second_is_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
