// The lps-runner that was built, against a server that misbehaves: what it counts, and how it ends.
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/wire.h"
#include "tests/unit/runner_test_server.h"

#define N_SERIES 2
#define PATIENCE 60 // s, until a runner that says nothing counts as hung

struct run {
    pid_t pid;
    int fd;
    bool has_fin;
    char *failure;
    bool cancelled, has_start;
    int64_t last_k;
    size_t n_windows;
    struct metrics_series sum[N_SERIES], totals[N_SERIES]; // of the windows; of FIN
    int exit_status;
};

static const struct options {
    uint32_t timeout_ms, drain_ms;
    int64_t start_s; // from now
    size_t file_len; // of a payload of zeros that travels beside the plan
} usual = {.timeout_ms = 20000, .drain_ms = 20000};

static char *runner_path(void)
{
    const char *build = getenv("LPS_BUILD");
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (build != NULL)
        return xasprintf("%s/lps-runner", build);
    assert_true(n > 0);
    self[n] = '\0';
    return xasprintf("%s/../lps-runner", dirname(self));
}

static void send_all(int fd, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        assert_true(sent > 0);
        bytes += sent;
        n -= (size_t)sent;
    }
}

static void send_command(int fd, const Lps__V1__RunnerCommand *command)
{
    size_t size = lps__v1__runner_command__get_packed_size(command);
    uint8_t *bytes = xcalloc(size + 4, 1);

    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(size >> 8 * i);
    lps__v1__runner_command__pack(command, bytes + 4);
    send_all(fd, bytes, size + 4);
    free(bytes);
}

static void launch(struct run *r)
{
    posix_spawn_file_actions_t actions;
    char *path = runner_path(), *argv[] = {path, NULL};
    int fds[2];

    *r = (struct run){.last_k = INT64_MIN};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    posix_spawn_file_actions_init(&actions);
    // Where the end is descriptor 3 already, dup2 to itself would leave it to be closed.
    int end = fcntl(fds[1], F_DUPFD_CLOEXEC, 10);
    posix_spawn_file_actions_adddup2(&actions, end, 3);
    if (posix_spawn(&r->pid, path, &actions, NULL, argv, environ) != 0)
        fail_msg("cannot start %s", path);
    posix_spawn_file_actions_destroy(&actions);
    close(end);
    close(fds[1]);
    r->fd = fds[0];
    setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = PATIENCE},
               sizeof(struct timeval));
    free(path);
}

static void start(struct run *r, const char *plan, const struct options *o)
{
    Lps__V1__RunnerCommand command = LPS__V1__RUNNER_COMMAND__INIT;
    Lps__V1__RunnerStart msg = LPS__V1__RUNNER_START__INIT;
    Lps__V1__HttpSettings http = LPS__V1__HTTP_SETTINGS__INIT;
    Lps__V1__File file = LPS__V1__FILE__INIT, *files = &file;
    uint8_t digest[32], *content = xcalloc(o->file_len, 1);

    launch(r);
    if (o->file_len > 0) {
        str_sha256(content, o->file_len, digest);
        file.sha256.data = digest;
        file.sha256.len = sizeof digest;
        file.content.data = content;
        file.content.len = o->file_len;
        msg.files = &files;
        msg.n_files = 1;
    }
    msg.plan.data = (uint8_t *)plan;
    msg.plan.len = strlen(plan);
    msg.start_ns = msg.k_origin_ns = clock_now().ns + o->start_s * NS_PER_S;
    http.timeout_ms = o->timeout_ms;
    msg.http = &http;
    msg.drain_ms = o->drain_ms;
    msg.threads = 2;
    command.body_case = LPS__V1__RUNNER_COMMAND__BODY_START;
    command.start = &msg;
    send_command(r->fd, &command);
    free(content);
}

static void stop(struct run *r, bool abort)
{
    Lps__V1__RunnerCommand command = LPS__V1__RUNNER_COMMAND__INIT;
    Lps__V1__RunnerStop msg = LPS__V1__RUNNER_STOP__INIT;

    msg.abort = abort;
    command.body_case = LPS__V1__RUNNER_COMMAND__BODY_STOP;
    command.stop = &msg;
    send_command(r->fd, &command);
}

static void take_window(struct run *r, const Lps__V1__Window *msg)
{
    struct metrics_window *w;

    assert_int_equal(wire_window_decode(msg, N_SERIES, &w), 0);
    if (r->n_windows++ > 0)
        assert_int_equal(w->k, r->last_k + 1); // none twice, none left out
    r->last_k = w->k;
    for (int i = 0; i < N_SERIES; i++)
        metrics_merge_later(&r->sum[i], &w->series[i]);
    metrics_window_free(w);
}

// One event; false at the end of the stream.
static bool take_event(struct run *r)
{
    uint8_t head[4];
    ssize_t n = recv(r->fd, head, 4, MSG_WAITALL);

    if (n == 0)
        return false;
    if (n != 4)
        fail_msg("the runner says nothing: %s", strerror(errno));
    assert_false(r->has_fin);
    size_t size = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
    uint8_t *bytes = xcalloc(size, 1);
    assert_int_equal(recv(r->fd, bytes, size, MSG_WAITALL), size);
    Lps__V1__RunnerEvent *e = lps__v1__runner_event__unpack(NULL, size, bytes);
    assert_non_null(e);
    if (e->body_case == LPS__V1__RUNNER_EVENT__BODY_WINDOW) {
        take_window(r, e->window);
    } else if (e->body_case == LPS__V1__RUNNER_EVENT__BODY_FAILURE) {
        r->failure = xstrdup(e->failure);
    } else {
        r->has_fin = true;
        r->cancelled = e->fin->cancelled;
        r->has_start = e->fin->has_start;
        assert_int_equal(wire_totals_decode(e->fin->n_totals, e->fin->totals, r->totals, N_SERIES),
                         0);
    }
    lps__v1__runner_event__free_unpacked(e, NULL);
    free(bytes);
    return true;
}

static void end(struct run *r)
{
    while (take_event(r)) {
    }
    close(r->fd);
    assert_int_equal(waitpid(r->pid, &r->exit_status, 0), r->pid);
}

static void run_done(struct run *r)
{
    for (int i = 0; i < N_SERIES; i++)
        metrics_series_done(&r->sum[i]);
    free(r->failure);
}

// What holds of every run that came to its end.
static void end_and_reconcile(struct run *r)
{
    end(r);
    assert_int_equal(r->exit_status, 0);
    assert_true(r->has_fin);
    assert_true(r->n_windows > 0);
    for (int i = 0; i < N_SERIES; i++) {
        const struct metrics_counters *n = &r->totals[i].n;
        assert_int_equal(n->started, n->completed + n->failed + n->aborted);
        assert_true(metrics_counters_equal(&r->sum[i].n, n));
        assert_int_equal(r->sum[i].n.in_flight, 0);
        assert_memory_equal(r->sum[i].status, r->totals[i].status, sizeof r->sum[i].status);
        assert_int_equal(r->sum[i].latency[METRICS_SERVICE].count, n->completed);
        for (int e = 0; e < METRICS_ERROR__COUNT; e++)
            assert_int_equal(r->sum[i].error[e].count, r->totals[i].error[e].count);
    }
}

// A server, a plan of one iteration for it, and a run of it.

struct scene {
    struct server *server; // NULL: nobody listens any more
    char *plan;
    struct options options;
    struct run run;
};

#define COUNT(n)   "\"mode\":\"R\",\"requestCount\":" #n
#define SECONDS(n) "\"mode\":\"D\",\"duration\":" #n

static char *plan_of(const char *scheme_host, uint16_t port, const char *path, const char *method,
                     const char *mode, unsigned n_clients, const char *payload)
{
    return xasprintf("{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"numberOfClients\":%u,"
                     "\"iterations\":[{\"name\":\"i\",%s,\"httpRequest\":{\"url\":\"%s:%u%s\","
                     "\"method\":\"%s\"%s}}]}]}",
                     n_clients, mode, scheme_host, port, path, method, payload);
}

static void scene_begin(struct scene *c, const char *path, const char *method, const char *mode,
                        unsigned n_clients)
{
    *c = (struct scene){.server = server_new(false), .options = usual};
    c->plan =
        plan_of("http://127.0.0.1", server_port(c->server), path, method, mode, n_clients, "");
}

static void scene_start(struct scene *c)
{
    start(&c->run, c->plan, &c->options);
}

// The run ends, and what holds of every run is checked.
static const struct metrics_series *scene_end(struct scene *c)
{
    end_and_reconcile(&c->run);
    return &c->run.totals[0];
}

static void scene_done(struct scene *c)
{
    if (c->server != NULL)
        server_free(c->server);
    run_done(&c->run);
    free(c->plan);
}

static void every_shape_of_answer_is_read(void **unused)
{
    static const struct {
        const char *path;
        unsigned status;
        uint64_t body, connects;
    } cases[] = {
        {"/ok", 200, 5, 3},         {"/split", 200, 5, 3},        {"/chunked", 200, 8, 3},
        {"/interim", 200, 5, 3},    {"/until-close", 200, 5, 12}, {"/no-content", 204, 0, 3},
        {"/left-over", 200, 5, 12}, {"/large", 200, 300000, 3},   {"/says-close", 200, 5, 12},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene c;
        scene_begin(&c, cases[i].path, "GET", COUNT(4), 3);
        scene_start(&c);
        const struct metrics_series *t = scene_end(&c);
        if (t->status[cases[i].status] != 12 || t->n.body_received != 12 * cases[i].body ||
            t->n.connects != cases[i].connects || t->n.reused != 12 - cases[i].connects)
            fail_msg("%s: %lu of the status, body %lu, connects %lu, reused %lu", cases[i].path,
                     t->status[cases[i].status], t->n.body_received, t->n.connects, t->n.reused);
        assert_false(c.run.cancelled);
        assert_true(c.run.has_start);
        scene_done(&c);
    }
}

static void every_misbehaviour_is_counted_by_its_kind(void **unused)
{
    static const struct {
        const char *path;
        enum metrics_error kind;
        uint32_t timeout_ms;
    } cases[] = {
        {"/reset", METRICS_ERROR_RESET, 20000},
        {"/close", METRICS_ERROR_CLOSED, 20000},
        {"/close-in-head", METRICS_ERROR_CLOSED, 20000},
        {"/close-in-body", METRICS_ERROR_CLOSED, 20000},
        {"/reset-in-body", METRICS_ERROR_RESET, 20000},
        {"/garbage", METRICS_ERROR_PROTOCOL, 20000},
        {"/bad-chunk", METRICS_ERROR_PROTOCOL, 20000},
        {"/endless-head", METRICS_ERROR_TOO_LARGE, 20000},
        {"/hang", METRICS_ERROR_TIMEOUT_FIRST_BYTE, 200},
        {"/hang-in-body", METRICS_ERROR_TIMEOUT_BODY, 200},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene c;
        scene_begin(&c, cases[i].path, "GET", COUNT(3), 3);
        c.options.timeout_ms = cases[i].timeout_ms;
        scene_start(&c);
        const struct metrics_series *t = scene_end(&c);
        for (int e = 0; e < METRICS_ERROR__COUNT; e++)
            if (t->error[e].count != (e == (int)cases[i].kind ? 9 : 0))
                fail_msg("%s: %lu are %s: %s", cases[i].path, t->error[e].count,
                         metrics_error_name[e], t->error[e].example);
        assert_true(t->error[cases[i].kind].example[0] != '\0');
        scene_done(&c);
    }
}

static void a_closed_port_is_refused(void **unused)
{
    struct scene c;

    (void)unused;
    scene_begin(&c, "/", "GET", COUNT(4), 3);
    server_free(c.server);
    c.server = NULL;
    scene_start(&c);
    const struct metrics_series *t = scene_end(&c);
    assert_int_equal(t->error[METRICS_ERROR_REFUSED].count, 12);
    assert_int_equal(t->n.connects, 0);
    scene_done(&c);
}

static void a_dead_target_is_not_hammered(void **unused)
{
    struct scene c;

    (void)unused;
    scene_begin(&c, "/", "GET", SECONDS(1), 1);
    server_free(c.server);
    c.server = NULL;
    scene_start(&c);
    // At 0, 10, 30, 70, 150, 310 and 630 ms, and at 1 s the test is over.
    assert_in_range(scene_end(&c)->error[METRICS_ERROR_REFUSED].count, 1, 7);
    scene_done(&c);
}

// Each connection answers one request and is reset by the second.
static void a_kept_connection_that_went_away_is_replaced_for_idempotent_methods(void **unused)
{
    struct scene c;

    (void)unused;
    scene_begin(&c, "/second-resets", "GET", COUNT(4), 3);
    scene_start(&c);
    const struct metrics_series *t = scene_end(&c);
    assert_int_equal(t->n.completed, 12);
    assert_int_equal(t->n.connects, 12);
    assert_int_equal(t->n.reused, 0);
    scene_done(&c);

    scene_begin(&c, "/second-resets", "POST", COUNT(4), 3);
    scene_start(&c);
    t = scene_end(&c);
    assert_int_equal(t->n.completed, 6);
    assert_int_equal(t->error[METRICS_ERROR_RESET].count, 6);
    assert_int_equal(t->n.connects, 6);
    scene_done(&c);
}

static void an_answer_before_the_end_of_the_request_counts(void **unused)
{
    static const char *const paths[] = {"/early", "/early-close"};
    size_t len = 16 << 20; // more than the buffers of both sockets hold
    uint8_t digest[32], *content = xcalloc(len, 1);
    char hex[65];

    (void)unused;
    str_sha256(content, len, digest);
    str_hex(digest, 32, hex);
    free(content);
    for (size_t i = 0; i < 2; i++) {
        struct scene c;
        char *payload = xasprintf(",\"payload\":{\"file\":\"%s\"}", hex);
        scene_begin(&c, "", "", COUNT(1), 1);
        free(c.plan);
        c.plan = plan_of("http://127.0.0.1", server_port(c.server), paths[i], "POST", COUNT(3), 1,
                         payload);
        c.options.file_len = len;
        scene_start(&c);
        const struct metrics_series *t = scene_end(&c);
        assert_int_equal(t->status[413], 3);
        assert_int_equal(t->n.connects, 3);
        scene_done(&c);
        free(payload);
    }
}

static void a_name_is_resolved_and_its_addresses_tried(void **unused)
{
    struct scene c;

    (void)unused;
    scene_begin(&c, "", "", COUNT(1), 1);
    free(c.plan);
    c.plan = plan_of("http://localhost", server_port(c.server), "/ok", "GET", COUNT(4), 3, "");
    scene_start(&c);
    assert_int_equal(scene_end(&c)->n.completed, 12);
    assert_in_range(c.run.sum[0].latency[METRICS_DNS].count, 1, 3);
    scene_done(&c);
}

static void tls_is_spoken_without_a_look_at_the_certificate(void **unused)
{
    struct scene c = {.server = server_new(true), .options = usual};

    (void)unused;
    c.plan = plan_of("https://127.0.0.1", server_port(c.server), "/large", "GET", COUNT(4), 3, "");
    scene_start(&c);
    const struct metrics_series *t = scene_end(&c);
    assert_int_equal(t->n.completed, 12);
    assert_int_equal(t->n.body_received, 12 * 300000);
    assert_int_equal(t->n.connects, 3);
    assert_int_equal(c.run.sum[0].latency[METRICS_TLS].count, 3);
    scene_done(&c);
}

static void a_server_without_tls_fails_as_tls(void **unused)
{
    struct scene c;

    (void)unused;
    scene_begin(&c, "", "", COUNT(1), 1);
    free(c.plan);
    c.plan = plan_of("https://127.0.0.1", server_port(c.server), "/", "GET", COUNT(2), 1, "");
    c.options.timeout_ms = 300; // it waits for the end of a request, in what is a handshake
    scene_start(&c);
    const struct metrics_series *t = scene_end(&c);
    assert_int_equal(t->error[METRICS_ERROR_TIMEOUT_CONNECT].count, 2);
    assert_int_equal(t->n.connects, 0);
    scene_done(&c);
}

// Five clients whose requests the server holds back.
static void begin_held(struct scene *c, uint32_t drain_ms)
{
    scene_begin(c, "/held", "GET", SECONDS(1000), 5);
    c->options.drain_ms = drain_ms;
    scene_start(c);
    server_await(c->server, 5);
}

static void a_stop_lets_requests_in_flight_finish(void **unused)
{
    struct scene c;

    (void)unused;
    begin_held(&c, 20000);
    stop(&c.run, false);
    server_release(c.server);
    const struct metrics_series *t = scene_end(&c);
    assert_true(c.run.cancelled);
    assert_int_equal(t->n.aborted, 0);
    assert_true(t->n.completed >= 5);
    scene_done(&c);
}

static void requests_that_outlast_the_drain_are_aborted(void **unused)
{
    struct scene c;

    (void)unused;
    begin_held(&c, 50);
    stop(&c.run, false);
    assert_int_equal(scene_end(&c)->n.aborted, 5);
    assert_true(c.run.cancelled);
    scene_done(&c);
}

static void an_abort_waits_for_nothing(void **unused)
{
    for (int drained = 0; drained < 2; drained++) {
        struct scene c;
        (void)unused;
        begin_held(&c, 1000000);
        if (drained)
            stop(&c.run, false);
        stop(&c.run, true);
        assert_int_equal(scene_end(&c)->n.aborted, 5);
        scene_done(&c);
    }
}

static void a_stop_before_the_start_sends_nothing(void **unused)
{
    struct scene c;

    (void)unused;
    scene_begin(&c, "/ok", "GET", COUNT(4), 3);
    c.options.start_s = 1000;
    scene_start(&c);
    stop(&c.run, false);
    assert_int_equal(scene_end(&c)->n.started, 0);
    assert_true(c.run.cancelled);
    assert_false(c.run.has_start);
    scene_done(&c);
}

static void a_late_start_runs_the_full_count(void **unused)
{
    struct scene c;

    (void)unused;
    scene_begin(&c, "/ok", "GET", COUNT(4), 3);
    c.options.start_s = -10;
    scene_start(&c);
    assert_int_equal(scene_end(&c)->n.completed, 12);
    assert_true(c.run.last_k >= 10);
    scene_done(&c);
}

static void a_late_start_ends_with_its_duration(void **unused)
{
    struct scene c;

    (void)unused;
    scene_begin(&c, "/ok", "GET", SECONDS(2), 3);
    c.options.start_s = -10;
    scene_start(&c);
    const struct metrics_series *t = scene_end(&c);
    assert_int_equal(t->n.started, 0);
    assert_int_equal(t->n.dropped, 3);
    scene_done(&c);
}

static void the_next_round_waits_for_all_clients_of_this_one(void **unused)
{
    static const char round[] =
        "{\"name\":\"r%u\",\"numberOfClients\":%u,\"arrivalDelay\":20,\"iterations\":[{\"name\":"
        "\"i\"," COUNT(3) ",\"httpRequest\":{\"url\":\"http://127.0.0.1:%u%s\",\"method\":"
                          "\"GET\"}}]}";
    struct scene c;
    char first[512], second[512];

    (void)unused;
    scene_begin(&c, "", "", COUNT(1), 1);
    free(c.plan);
    snprintf(first, sizeof first, round, 1, 5, server_port(c.server), "/first");
    snprintf(second, sizeof second, round, 2, 2, server_port(c.server), "/second");
    c.plan = xasprintf("{\"name\":\"p\",\"rounds\":[%s,%s]}", first, second);
    scene_start(&c);
    scene_end(&c);
    assert_int_equal(c.run.totals[0].n.completed, 15);
    assert_int_equal(c.run.totals[1].n.completed, 6);
    assert_int_equal(server_n_first_before_second(c.server), 15);
    scene_done(&c);
}

static void windows_come_each_second_also_without_events(void **unused)
{
    struct scene c;

    (void)unused;
    scene_begin(&c, "/held", "GET", COUNT(1), 1);
    scene_start(&c);
    while (c.run.n_windows < 3)
        assert_true(take_event(&c.run));
    assert_int_equal(c.run.sum[0].n.in_flight, 1);
    server_release(c.server);
    assert_int_equal(scene_end(&c)->n.completed, 1);
    scene_done(&c);
}

static void a_bad_plan_is_a_failure_with_a_reason(void **unused)
{
    struct run r;

    (void)unused;
    start(&r, "{\"name\":\"p\"}", &usual);
    end(&r);
    assert_false(r.has_fin);
    assert_non_null(r.failure);
    run_done(&r);
}

static void without_its_parent_it_ends_at_once(void **unused)
{
    struct scene c;

    (void)unused;
    begin_held(&c, 1000000);
    close(c.run.fd);
    assert_int_equal(waitpid(c.run.pid, &c.run.exit_status, 0), c.run.pid);
    assert_true(WIFEXITED(c.run.exit_status) && WEXITSTATUS(c.run.exit_status) == 1);
    scene_done(&c);
}

static void what_is_no_frame_ends_it(void **unused)
{
    static const struct {
        uint8_t bytes[5];
        size_t n;
    } inputs[] = {{{0xff, 0xff, 0xff, 0xff}, 4}, {{1, 0, 0, 0, 0xff}, 5}};

    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        struct run r;
        launch(&r);
        send_all(r.fd, inputs[i].bytes, inputs[i].n);
        end(&r);
        assert_true(WIFEXITED(r.exit_status) && WEXITSTATUS(r.exit_status) == 1);
        run_done(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_of_answer_is_read),
        cmocka_unit_test(every_misbehaviour_is_counted_by_its_kind),
        cmocka_unit_test(a_closed_port_is_refused),
        cmocka_unit_test(a_dead_target_is_not_hammered),
        cmocka_unit_test(a_kept_connection_that_went_away_is_replaced_for_idempotent_methods),
        cmocka_unit_test(an_answer_before_the_end_of_the_request_counts),
        cmocka_unit_test(a_name_is_resolved_and_its_addresses_tried),
        cmocka_unit_test(tls_is_spoken_without_a_look_at_the_certificate),
        cmocka_unit_test(a_server_without_tls_fails_as_tls),
        cmocka_unit_test(a_stop_lets_requests_in_flight_finish),
        cmocka_unit_test(requests_that_outlast_the_drain_are_aborted),
        cmocka_unit_test(an_abort_waits_for_nothing),
        cmocka_unit_test(a_stop_before_the_start_sends_nothing),
        cmocka_unit_test(a_late_start_runs_the_full_count),
        cmocka_unit_test(a_late_start_ends_with_its_duration),
        cmocka_unit_test(the_next_round_waits_for_all_clients_of_this_one),
        cmocka_unit_test(windows_come_each_second_also_without_events),
        cmocka_unit_test(a_bad_plan_is_a_failure_with_a_reason),
        cmocka_unit_test(without_its_parent_it_ends_at_once),
        cmocka_unit_test(what_is_no_frame_ends_it),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
