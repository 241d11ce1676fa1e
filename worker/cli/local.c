#include "worker/cli/local.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/aggregate.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/judge.h"
#include "common/result.h"
#include "common/str.h"
#include "common/wire.h"
#include "worker/cli/id.h"
#include "worker/cli/screen.h"
#include "worker/spawn/prepare.h"
#include "worker/spawn/spawn.h"

#define LEAD_NS (200 * NS_PER_MS) // for the runner to read its plan before the first request is due
#define KEEP_S  2                 // one runner sends its windows in order

struct local {
    struct screen screen;
    struct event_base *base;
    struct spawn *spawn;
    const struct plan *plan;
    struct plan *judged; // without secrets, as the master of a cluster has it
    struct judge *judge;
    struct aggregate *aggregate;
    uint64_t seed;
    struct mono start;
    int64_t started_wall_ms, duration_ns;
    int n_signals;
    char *failure; // NULL: none
    struct result_member member;
    bool is_strict;
};

static void set_failure(struct local *l, const char *text)
{
    if (l->failure == NULL)
        l->failure = xstrdup(text);
}

static void show_window(struct local *l, int64_t k)
{
    const struct aggregate_point *point = aggregate_point_at(l->aggregate, k);
    const struct metrics_series *total = aggregate_total(l->aggregate);

    if (point == NULL)
        return;
    screen_numbers(&l->screen, &(struct progress_numbers){
                                   .elapsed_ms = (k + 1) * 1000,
                                   .workers = 1,
                                   .requests = total->n.started,
                                   .errors = metrics_n_errors(total),
                                   .in_flight = point->in_flight,
                                   .p50_us = point->p50_us,
                                   .p99_us = point->p99_us,
                                   .rate = (double)point->completed,
                               });
}

// Iterations that a rule ends.
static void judge_second(struct local *l, int64_t k, const struct metrics_window *w)
{
    size_t n_new = judge_look(l->judge, k, w), n;
    const struct judge_end *ends = judge_ends(l->judge, &n);

    for (size_t i = n - n_new; i < n; i++) {
        const struct plan_round *round;
        const struct plan_iteration *iteration;
        plan_series(l->plan, ends[i].series, &round, &iteration);
        screen_notice(&l->screen, "%s, %s ends in second %" PRId64 ": %s", round->name,
                      iteration->name, ends[i].k, ends[i].rule);
        spawn_end(l->spawn, ends[i].series);
    }
}

static void on_window(const Lps__V1__Window *message, void *arg)
{
    struct local *l = arg;
    struct metrics_window *w;

    if (wire_window_decode(message, plan_n_series(l->plan), &w) < 0) {
        set_failure(l, "runner sent a window that makes no sense");
        spawn_stop(l->spawn, true);
        return;
    }
    if (aggregate_add(l->aggregate, 0, w) == 0) {
        l->member.last_k = w->k;
        judge_second(l, w->k, w);
        show_window(l, w->k);
    }
    metrics_window_free(w);
}

static void on_warning(const char *text, void *arg)
{
    struct local *l = arg;

    screen_notice(&l->screen, "warning: %s", text);
}

static void on_judge_warning(void *arg, const char *text)
{
    on_warning(text, arg);
}

// The runner's own totals over all series.
static int sum_totals(const Lps__V1__RunnerFin *fin, uint32_t n_series,
                      struct metrics_counters *ret_totals)
{
    struct metrics_series *series = xcalloc(n_series + 1, sizeof(*series));
    struct metrics_series *sum = &series[n_series];

    int r = wire_totals_decode(fin->n_totals, fin->totals, series, n_series);
    for (uint32_t i = 0; i < n_series; i++) {
        metrics_merge_later(sum, &series[i]);
        metrics_series_done(&series[i]);
    }
    if (r == 0)
        *ret_totals = sum->n;
    metrics_series_done(sum);
    free(series);
    return r;
}

static void on_fin(const Lps__V1__RunnerFin *fin, void *arg)
{
    struct local *l = arg;

    l->duration_ns = clock_now().ns - l->start.ns;
    l->member.has_totals = sum_totals(fin, plan_n_series(l->plan), &l->member.totals) == 0;
    l->member.has_start = fin->has_start;
    if (fin->has_start)
        l->member.start_skew_ns = fin->first_dispatch_ns - l->start.ns;
}

static void on_exit_of_runner(const char *failure, void *arg)
{
    struct local *l = arg;

    if (failure != NULL)
        set_failure(l, failure);
    event_base_loopbreak(l->base);
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
    struct local *l = arg;

    (void)signo;
    (void)what;
    if (++l->n_signals > 2) {
        set_failure(l, "killed");
        event_base_loopbreak(l->base);
        return;
    }
    bool force = l->n_signals == 2;
    screen_notice(&l->screen, "%s",
                  force ? "cutting requests in flight"
                        : "cancelling; once more to cut requests in flight");
    spawn_stop(l->spawn, force);
}

static Lps__V1__File *files_of(const struct plan_build *b, uint8_t (*digests)[32])
{
    Lps__V1__File *files = xcalloc(b->n_files, sizeof(*files));

    for (size_t i = 0; i < b->n_files; i++) {
        lps__v1__file__init(&files[i]);
        str_unhex(b->files[i].sha256, 32, digests[i]);
        files[i].sha256 = (ProtobufCBinaryData){32, digests[i]};
        files[i].content = (ProtobufCBinaryData){b->files[i].len, (uint8_t *)b->files[i].bytes};
    }
    return files;
}

static int start_runner(struct local *l, const struct conf *conf, const struct plan_build *b,
                        Lps__V1__HttpSettings *http)
{
    static const struct spawn_ops ops = {on_window, on_warning, on_fin, on_exit_of_runner};
    uint8_t(*digests)[32] = xcalloc(b->n_files, sizeof(*digests));
    Lps__V1__File *files = files_of(b, digests);
    Lps__V1__File **pointers = xcalloc(b->n_files, sizeof(*pointers));
    char *plan = plan_format(b->plan);
    Lps__V1__RunnerStart start = LPS__V1__RUNNER_START__INIT;

    for (size_t i = 0; i < b->n_files; i++)
        pointers[i] = &files[i];
    l->start.ns = clock_now().ns + LEAD_NS;
    l->started_wall_ms = clock_wall_ms() + LEAD_NS / NS_PER_MS;
    start.plan = (ProtobufCBinaryData){strlen(plan), (uint8_t *)plan};
    start.start_ns = start.k_origin_ns = l->start.ns;
    start.http = http;
    start.drain_ms = (uint32_t)conf->cluster.drain_ms;
    start.n_files = b->n_files;
    start.files = pointers;
    start.seed = l->seed;
    start.n_parts = 1;
    start.watchdog = prepare_watchdog(conf);
    int r = spawn_start(l->base, &start, &ops, l, &l->spawn);
    free(start.watchdog);
    free(plan);
    free(pointers);
    free(files);
    free(digests);
    return r;
}

static int finish(struct local *l)
{
    char id[ID_LEN + 1];
    uint8_t digest[32];

    id_make(id);
    plan_digest(l->plan, digest);
    l->member.state = l->failure == NULL ? RESULT_MEMBER_DONE : RESULT_MEMBER_LOST;
    l->member.reason = l->failure;
    l->member.merged = aggregate_total(l->aggregate)->n;
    l->member.errors = metrics_n_errors(aggregate_total(l->aggregate));
    l->member.generator = aggregate_generator(l->aggregate, 0);
    if (l->duration_ns == 0) // no FIN; the runner may have ended before its start
        l->duration_ns = clock_now().ns - l->start.ns;
    if (l->duration_ns < 0)
        l->duration_ns = 0;
    struct judge_verdict *verdicts = xcalloc(plan_n_series(l->plan), sizeof(*verdicts));
    judge_verdicts(l->judge, aggregate_totals(l->aggregate), l->duration_ns / NS_PER_MS,
                   l->n_signals > 0, verdicts);
    json_t *result = result_build(&(struct result_input){
        .run_id = id,
        .plan = l->plan,
        .digest = digest,
        .started_wall_ms = l->started_wall_ms,
        .seed = l->seed,
        .duration_ns = l->duration_ns,
        .cancelled = l->n_signals > 0,
        .durable = true,
        .min_members = 1,
        .members = &l->member,
        .n_members = 1,
        .aggregate = l->aggregate,
        .verdicts = verdicts,
    });
    judge_verdicts_free(verdicts, plan_n_series(l->plan));
    if (l->is_strict)
        result_be_strict(result);
    if (l->failure != NULL)
        screen_notice(&l->screen, "%s", l->failure);
    screen_result(&l->screen, result, NULL);
    int code = result_exit_code(result);
    json_decref(result);
    return code;
}

static int run(struct local *l, const struct conf *conf, const struct plan_build *b,
               Lps__V1__HttpSettings *http)
{
    struct event *on_int = evsignal_new(l->base, SIGINT, on_signal, l);
    struct event *on_term = evsignal_new(l->base, SIGTERM, on_signal, l);
    int code;

    // Before there is a run: a Ctrl-C that comes early ends it as a later one does.
    event_add(on_int, NULL);
    event_add(on_term, NULL);
    int r = start_runner(l, conf, b, http);
    if (r < 0) {
        screen_error("cannot start %s: %s", spawn_runner_path(), strerror(-r));
        code = RESULT_CLUSTER;
    } else {
        event_base_dispatch(l->base);
        code = finish(l);
    }
    spawn_free(l->spawn);
    event_free(on_int);
    event_free(on_term);
    return code;
}

static uint64_t new_seed(void)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        abort();
    return seed >> (64 - 53); // the same number in all JSON
}

// Settings that are not there are the defaults, unless they were named.
static int load_settings(const struct options *o, struct conf **ret_conf)
{
    const char *path = options_text(o, OPTIONS_CONFIG, CONF_PATH_DEFAULT);
    struct diag d = {.file = path};

    int r = conf_load(path, &d, ret_conf);
    if (r == -ENOENT && !options_given(o, OPTIONS_CONFIG)) {
        *ret_conf = conf_new();
        r = 0;
    } else if (r < 0 && d.n == 0) {
        screen_error("%s: %s", path, strerror(-r));
    }
    screen_diag(&d);
    diag_done(&d);
    return r;
}

// Whether this host can do it; what it may not be able to do is said.
static int prepare(struct local *l, const struct conf *conf, Lps__V1__HttpSettings **ret_http)
{
    struct diag refused = {0}, doubted = {0};

    int r = prepare_run(conf, l->plan, &refused, &doubted, ret_http);
    screen_diag(&refused);
    for (size_t i = 0; r == 0 && i < doubted.n && i < DIAG_MAX; i++)
        on_warning(doubted.entry[i].text, l);
    diag_done(&refused);
    diag_done(&doubted);
    return r;
}

int local_test(const struct options *o, const struct plan_build *b)
{
    struct local l = {
        .plan = b->plan, .member = {.last_k = -1}, .is_strict = o->value[OPTIONS_STRICT].flag};
    Lps__V1__HttpSettings *http = NULL;
    struct conf *conf = NULL;
    char host[65] = "";
    int code = RESULT_USAGE;

    if (load_settings(o, &conf) < 0)
        return RESULT_USAGE;
    gethostname(host, sizeof(host) - 1);
    l.member.node = conf->cluster.node_name != NULL ? conf->cluster.node_name : host;
    l.base = event_base_new();
    l.aggregate = aggregate_new(plan_n_series(b->plan), KEEP_S);
    screen_init(&l.screen, o->value[OPTIONS_QUIET].flag, o->value[OPTIONS_JSON].flag);
    l.judged = plan_public(b->plan);
    l.judge = judge_new(l.judged, on_judge_warning, &l);
    l.seed = options_given(o, OPTIONS_SEED) ? o->value[OPTIONS_SEED].count : new_seed();
    if (prepare(&l, conf, &http) == 0)
        code = run(&l, conf, b, http);
    screen_done(&l.screen);
    judge_free(l.judge);
    plan_free(l.judged);
    aggregate_free(l.aggregate);
    event_base_free(l.base);
    free(l.failure);
    prepare_http_free(http);
    conf_free(conf);
    return code;
}
