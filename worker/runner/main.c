// lps-runner: executes one plan, started by lps-workerd or lps --local with a socket as
// descriptor 3.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/wire.h"
#include "common/frame.h"
#include "worker/runner/engine.h"
#include "worker/runner/program.h"
#include "worker/runner/settings.h"
#include "worker/runner/tls_memory.h"
#include "worker/runner/warnings.h"

#define PARENT_FD   3
#define THREADS_MAX 256

struct runner {
    struct loop *loop;
    struct frame frame;
    struct event *readable, *writable;
    Lps__V1__RunnerCommand *start; // its plan's files are used until the end
    struct plan *plan;
    struct settings settings;
    struct warnings *warnings;
    struct request_file *files; // of the start
    struct program *program;
    struct request_set requests;
    struct tls_identity **identities; // by origin
    struct engine *engine;
    bool is_over;
};

static void flush(struct runner *r)
{
    int rc = frame_flush(&r->frame);

    if (rc == -EAGAIN)
        event_add(r->writable, NULL);
    else if (rc < 0)
        _exit(1); // nobody is left to tell
    else if (r->is_over)
        loop_quit(r->loop);
}

static void send_event(struct runner *r, const Lps__V1__RunnerEvent *event)
{
    if (frame_queue(&r->frame, &event->base) < 0)
        _exit(1);
    flush(r);
}

static void send_failure(struct runner *r, const char *text)
{
    Lps__V1__RunnerEvent event = LPS__V1__RUNNER_EVENT__INIT;

    event.body_case = LPS__V1__RUNNER_EVENT__BODY_FAILURE;
    event.failure = (char *)text;
    r->is_over = true;
    send_event(r, &event);
}

static void send_warning(const char *text, void *arg)
{
    Lps__V1__RunnerEvent event = LPS__V1__RUNNER_EVENT__INIT;

    event.body_case = LPS__V1__RUNNER_EVENT__BODY_WARNING;
    event.warning = (char *)text;
    send_event(arg, &event);
}

static void on_window(const struct metrics_window *w, void *arg)
{
    Lps__V1__RunnerEvent event = LPS__V1__RUNNER_EVENT__INIT;

    event.body_case = LPS__V1__RUNNER_EVENT__BODY_WINDOW;
    event.window = wire_window_encode(w);
    send_event(arg, &event);
    lps__v1__window__free_unpacked(event.window, NULL);
}

static void on_end(void *arg)
{
    struct runner *r = arg;
    struct engine_outcome outcome;
    Lps__V1__RunnerEvent event = LPS__V1__RUNNER_EVENT__INIT;
    Lps__V1__RunnerFin fin = LPS__V1__RUNNER_FIN__INIT;

    char *rest = warnings_rest(r->warnings);
    if (rest != NULL)
        send_warning(rest, r);
    free(rest);
    engine_outcome(r->engine, &outcome);
    wire_totals_encode(outcome.totals, plan_n_series(r->plan), &fin.n_totals, &fin.totals);
    fin.cancelled = outcome.cancelled;
    fin.has_start = outcome.first_dispatch_ns != 0;
    fin.first_dispatch_ns = outcome.first_dispatch_ns;
    event.body_case = LPS__V1__RUNNER_EVENT__BODY_FIN;
    event.fin = &fin;
    r->is_over = true;
    send_event(r, &event);
    for (size_t i = 0; i < fin.n_totals; i++)
        lps__v1__series_totals__free_unpacked(fin.totals[i], NULL);
    free(fin.totals);
}

static uint32_t allowed_cpus(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

// More threads than clients would only wait.
static uint32_t choose_threads(const struct plan *plan, uint32_t asked)
{
    uint32_t n = asked > 0 ? asked : allowed_cpus();
    uint64_t most = plan_max_clients(plan);

    if (n > most)
        n = (uint32_t)most;
    return n < THREADS_MAX ? n : THREADS_MAX;
}

static struct request_file *take_files(const Lps__V1__RunnerStart *start)
{
    struct request_file *files = xcalloc(start->n_files, sizeof *files);

    for (size_t i = 0; i < start->n_files; i++) {
        if (start->files[i]->sha256.len == 32)
            str_hex(start->files[i]->sha256.data, 32, files[i].sha256);
        files[i].content = start->files[i]->content.data;
        files[i].len = start->files[i]->content.len;
    }
    return files;
}

// 0, or -errno and why.
static int load_identity(const struct request_origin *origin, const struct request_file *files,
                         size_t n_files, struct tls_identity **ret_identity, char *why, size_t size)
{
    char problem[160];

    if (origin->certificate[0] == '\0')
        return 0;
    for (size_t i = 0; i < n_files; i++) {
        if (strcmp(files[i].sha256, origin->certificate) != 0)
            continue;
        *ret_identity = tls_identity_new(files[i].content, files[i].len, origin->password, problem,
                                         sizeof problem);
        if (*ret_identity != NULL)
            return 0;
        snprintf(why, size, "the client certificate for %s: %s", origin->host, problem);
        return -EINVAL;
    }
    snprintf(why, size, "the client certificate %s did not come with the plan",
             origin->certificate);
    return -ENOENT;
}

// Requests that are the same each time; of the others, where they go.
static void make_requests(struct runner *r)
{
    uint32_t n = plan_n_series(r->plan);
    struct request_parts *parts = xcalloc(n, sizeof *parts);

    for (uint32_t i = 0; i < n; i++)
        if (!program_parts(r->program, i, &parts[i]))
            parts[i].method = NULL;
    request_set_init(&r->requests, parts, n, settings_by_proxy, &r->settings);
    free(parts);
}

// What the plan and the settings say becomes what the engine uses. 0, or -errno and why.
static int render(struct runner *r, const Lps__V1__RunnerStart *start, char *why, size_t size)
{
    struct program_config config = {.plan = r->plan,
                                    .n_files = start->n_files,
                                    .seed = start->seed,
                                    .part = start->part,
                                    .n_parts = start->n_parts > 0 ? start->n_parts : 1,
                                    .warn = warnings_add,
                                    .arg = r->warnings};

    config.files = r->files = take_files(start);
    int rc = settings_init(&r->settings, start->http, why, size);
    if (rc == 0)
        rc = program_new(&config, &r->program, why, size);
    if (rc == 0)
        make_requests(r);
    r->identities = xcalloc(r->requests.n_origins, sizeof(struct tls_identity *));
    for (uint32_t i = 0; i < r->requests.n_origins && rc == 0; i++)
        rc = load_identity(&r->requests.origins[i], r->files, start->n_files, &r->identities[i],
                           why, size);
    return rc;
}

// A run goes on with certificates that the servers may refuse: perhaps that is the test.
static void warn_of_identities(struct runner *r)
{
    for (uint32_t i = 0; i < r->requests.n_origins; i++) {
        const struct tls_identity *identity = r->identities[i];
        const char *doubt = identity != NULL ? tls_identity_doubt(identity) : NULL;
        if (doubt == NULL)
            continue;
        char *text =
            xasprintf("the client certificate for %s: %s", r->requests.origins[i].host, doubt);
        send_warning(text, r);
        free(text);
    }
}

static struct engine *start_engine(struct runner *r, const Lps__V1__RunnerStart *start, char *why,
                                   size_t size)
{
    struct engine_config config = {
        .plan = r->plan,
        .client = {.requests = &r->requests,
                   .conn = {.origins = r->requests.origins,
                            .n_origins = r->requests.n_origins,
                            .identities = (const struct tls_identity *const *)r->identities}},
        .program = r->program,
        .seed = start->seed,
        .watchdog = start->watchdog,
        .main = r->loop,
        .n_threads = choose_threads(r->plan, start->threads),
        .start_ns = start->start_ns,
        .k_origin_ns = start->k_origin_ns,
        .drain_ns = start->drain_ms * NS_PER_MS,
        .on_window = on_window,
        .on_warning = send_warning,
        .on_end = on_end,
        .arg = r};

    settings_fill(&r->settings, &config.client);
    return engine_start(&config, why, size);
}

static void begin(struct runner *r, const Lps__V1__RunnerStart *start)
{
    struct diag d = {.file = "plan"};
    char why[256], text[300];

    if (plan_parse((const char *)start->plan.data, start->plan.len, &d, &r->plan) < 0) {
        char *entries = diag_format(&d);
        send_failure(r, entries);
        free(entries);
        diag_done(&d);
        return;
    }
    if (render(r, start, why, sizeof why) == 0) {
        warn_of_identities(r);
        r->engine = start_engine(r, start, why, sizeof why);
    }
    if (r->engine == NULL) {
        snprintf(text, sizeof text, "cannot start: %s", why);
        send_failure(r, text);
    }
}

static void take_command(struct runner *r, const uint8_t *bytes, size_t len)
{
    Lps__V1__RunnerCommand *msg = lps__v1__runner_command__unpack(NULL, len, bytes);

    if (msg == NULL)
        _exit(1);
    if (msg->body_case == LPS__V1__RUNNER_COMMAND__BODY_START && r->start == NULL) {
        r->start = msg;
        begin(r, msg->start);
        return;
    }
    if (msg->body_case == LPS__V1__RUNNER_COMMAND__BODY_STOP && r->engine != NULL && !r->is_over)
        engine_stop(r->engine, msg->stop->abort);
    if (msg->body_case == LPS__V1__RUNNER_COMMAND__BODY_END && r->engine != NULL && !r->is_over)
        engine_end(r->engine, msg->end->series);
    lps__v1__runner_command__free_unpacked(msg, NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct runner *r = arg;
    const uint8_t *bytes;
    size_t len;
    int end = frame_fill(&r->frame), rc;

    (void)fd;
    (void)what;
    while ((rc = frame_next(&r->frame, &bytes, &len)) == 0)
        take_command(r, bytes, len);
    if (end < 0 || rc == -EMSGSIZE)
        _exit(1); // load without somebody who watches it must not go on
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    flush(arg);
}

static void raise_fd_limit(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(void)
{
    struct runner r = {.frame = {.fd = PARENT_FD}};

    if (fcntl(PARENT_FD, F_SETFL, O_NONBLOCK) < 0 || fcntl(PARENT_FD, F_SETFD, FD_CLOEXEC) < 0) {
        fputs("lps-runner is started by lps-workerd and by lps --local, not by hand: see lps(1)\n",
              stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    raise_fd_limit();
    tls_memory_init();
    r.loop = loop_new();
    if (r.loop == NULL)
        return 1;
    r.warnings = warnings_new(r.loop, send_warning, &r);
    r.readable = event_new(loop_base(r.loop), PARENT_FD, EV_READ | EV_PERSIST, on_readable, &r);
    r.writable = event_new(loop_base(r.loop), PARENT_FD, EV_WRITE, on_writable, &r);
    event_add(r.readable, NULL);
    loop_run(r.loop);

    event_free(r.readable);
    event_free(r.writable);
    engine_free(r.engine);
    loop_free(r.loop);
    frame_done(&r.frame);
    for (uint32_t i = 0; i < r.requests.n_origins; i++)
        tls_identity_free(r.identities[i]);
    free(r.identities);
    request_set_done(&r.requests);
    program_free(r.program);
    warnings_free(r.warnings);
    free(r.files);
    settings_done(&r.settings);
    plan_free(r.plan);
    if (r.start != NULL)
        lps__v1__runner_command__free_unpacked(r.start, NULL);
    return 0;
}
