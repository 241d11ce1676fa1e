// Many workers in one process, for measuring a master: each has the stream of lps-workerd's own
// uplink, over a TCP connection of its own, and makes up what its runner would have measured.
// Prints as JSON what it sent and what became of it; on stderr, when the first second of the run
// was over anywhere, and when the last one was everywhere.
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <event2/event.h>
#include <jansson.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/plan.h"
#include "common/rpc.h"
#include "common/str.h"
#include "common/wire.h"

#include "worker/daemon/uplink.h"

#define WORKERS_MAX  5000
#define SERIES_MAX   1000
#define SECONDS_MAX  86400
#define REQUESTS_MAX 1000000
#define SAMPLES      64  // different windows; workers take them in turn
#define IDLE_MAX_S   300 // for the start, and for the end after the last window

struct worker {
    struct swarm *swarm;
    struct conf conf; // the swarm's, with a name of its own
    char name[16], submission[24];
    char run[64]; // empty: not accepted yet
    struct uplink *uplink;
    struct event *due;
    bool was_up, told, done;
    int64_t t0_master_ns, t0_ns; // t0_ns: on the own clock, 0 until it is known
    char boot_id[64];
    uint64_t made, sent, acked; // sequence numbers; the last is that of the totals
    int64_t *sent_ns;           // of each, when it was sent first
};

struct swarm {
    uint32_t n_workers, n_series, seconds, requests;
    struct conf *conf;
    struct event_base *base;
    struct rpc_loop *loop;
    struct event *give_up;
    char *plan_text, *plan_name;
    uint8_t digest[32];
    struct worker *workers;
    Lps__V1__Window *sample[SAMPLES];
    struct metrics_series *totals; // of one worker
    Lps__V1__SeriesTotals **fin_totals;
    size_t n_fin_totals;

    uint32_t n_told, n_running, n_measured, n_refused, n_done;
    uint32_t n_failed_attempts, n_lost_streams;
    char trouble[256]; // the first
    int64_t told_first_ns, told_last_ns, lead_least_ns;
    uint64_t n_sent, n_resent, n_acked, n_fins_acked, bytes, bytes_most;
    struct hist ack;
    int exit_code; // of the run, as the last worker was told; -1: of none
};

// --- What is measured ---

// Medians in us.
static const double median_us[METRICS_LATENCY__COUNT] = {
    [METRICS_SERVICE] = 20000,    [METRICS_RESPONSE] = 21000,  [METRICS_LAG] = 100,
    [METRICS_DNS] = 500,          [METRICS_TCP] = 800,         [METRICS_TLS] = 3000,
    [METRICS_SEND] = 30,          [METRICS_WAIT] = 18000,      [METRICS_RECEIVE] = 1000,
    [METRICS_TTFB] = 19000,       [METRICS_SERVER] = 15000,    [METRICS_SERVER_DB] = 8000,
    [METRICS_SERVER_CACHE] = 300, [METRICS_SERVER_APP] = 5000,
};

static double uniform(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (double)(*state >> 11) / 9007199254740992.0;
}

// Lognormal with sigma 0.5, and one in a hundred ten times as long.
static uint64_t latency_us(uint64_t *state, double median)
{
    double normal = -6;

    for (int i = 0; i < 12; i++)
        normal += uniform(state);
    double us = median * exp(0.5 * normal) * (uniform(state) < 0.01 ? 10 : 1);
    return us < 1 ? 1 : (uint64_t)us;
}

// All samples have the same counters, so that a worker's totals are a multiple of them.
static struct metrics_window *make_window(const struct swarm *sw, uint64_t *random)
{
    struct metrics_window *w = metrics_window_new(0, sw->n_series);

    for (uint32_t i = 0; i < sw->n_series; i++) {
        struct metrics_series *s = &w->series[i];
        uint64_t n = sw->requests / sw->n_series + (i < sw->requests % sw->n_series);
        s->n = (struct metrics_counters){.started = n,
                                         .completed = n - n / 20,
                                         .failed = n / 20,
                                         .bytes_sent = 200 * n,
                                         .bytes_received = 1200 * n,
                                         .body_received = 1000 * n,
                                         .connects = n / 10,
                                         .reused = n - n / 10,
                                         .in_flight_max = n / 10 + 1};
        s->status[200] = s->n.completed - n / 10;
        s->status[304] = n / 10;
        for (uint64_t j = 0; j < s->n.failed; j++)
            metrics_record_error(s, METRICS_ERROR_RESET, 0, "Connection reset by peer");
        for (uint64_t j = 0; j < s->n.completed; j++)
            for (int kind = 1; kind < METRICS_LATENCY__COUNT; kind++)
                hist_record(&s->latency[kind], latency_us(random, median_us[kind]));
    }
    w->health = (struct metrics_health){.loop_stall_us = 900, .cpu_us = 120000, .fds = 120};
    return w;
}

static void make_measurements(struct swarm *sw)
{
    uint64_t random = 88172645463325252ULL;

    sw->totals = xcalloc(sw->n_series, sizeof *sw->totals);
    for (int i = 0; i < SAMPLES; i++) {
        struct metrics_window *w = make_window(sw, &random);
        sw->sample[i] = wire_window_encode(w);
        for (uint32_t j = 0; i == 0 && j < sw->n_series; j++)
            for (int kind = 1; kind < METRICS_LATENCY__COUNT; kind++)
                hist_done(&w->series[j].latency[kind]);
        for (uint32_t k = 0; i == 0 && k < sw->seconds; k++)
            for (uint32_t j = 0; j < sw->n_series; j++)
                metrics_merge_later(&sw->totals[j], &w->series[j]);
        metrics_window_free(w);
    }
    wire_totals_encode(sw->totals, sw->n_series, &sw->n_fin_totals, &sw->fin_totals);
}

static char *make_plan(struct swarm *sw)
{
    struct buf text = {0};
    struct diag d = {0};
    struct plan *plan;

    buf_printf(&text, "{\"name\":\"swarm\",\"rounds\":[{\"name\":\"r\",\"iterations\":[");
    for (uint32_t i = 0; i < sw->n_series; i++)
        buf_printf(&text,
                   "%s{\"name\":\"i%" PRIu32 "\",\"mode\":\"D\",\"duration\":%" PRIu32
                   ",\"httpRequest\":{\"url\":\"http://target.test/%" PRIu32 "\"}}",
                   i > 0 ? "," : "", i, sw->seconds, i);
    buf_printf(&text, "]}]}");
    if (plan_parse(text.data, text.len, &d, &plan) < 0) {
        fprintf(stderr, "swarm: %s\n", d.entry[0].text);
        exit(2);
    }
    char *canonical = plan_format(plan);
    plan_digest(plan, sw->digest);
    sw->plan_name = xstrdup(plan->name);
    plan_free(plan);
    buf_done(&text);
    return canonical;
}

// --- Sending ---

static bool is_all_made(const struct worker *w)
{
    return w->made > w->swarm->seconds;
}

static int send_submit(struct worker *w)
{
    struct swarm *sw = w->swarm;
    Lps__V1__WorkerMessage message = LPS__V1__WORKER_MESSAGE__INIT;
    Lps__V1__Submit submit = LPS__V1__SUBMIT__INIT;

    submit.submission = w->submission;
    submit.digest = (ProtobufCBinaryData){sizeof sw->digest, sw->digest};
    submit.plan_name = sw->plan_name;
    submit.plan = (ProtobufCBinaryData){strlen(sw->plan_text), (uint8_t *)sw->plan_text};
    submit.run = w->run;
    message.body_case = LPS__V1__WORKER_MESSAGE__BODY_SUBMIT;
    message.submit = &submit;
    return uplink_send(w->uplink, &message);
}

static int send_window(struct worker *w, uint64_t seq)
{
    struct swarm *sw = w->swarm;
    Lps__V1__WorkerMessage message = LPS__V1__WORKER_MESSAGE__INIT;
    Lps__V1__WindowReport report = LPS__V1__WINDOW_REPORT__INIT;

    report.run = w->run;
    report.seq = seq;
    report.window = sw->sample[((uint64_t)(w - sw->workers) + seq) % SAMPLES];
    report.window->k = (int64_t)seq - 1;
    message.body_case = LPS__V1__WORKER_MESSAGE__BODY_WINDOW;
    message.window = &report;
    int r = uplink_send(w->uplink, &message);
    if (r == 0 && w->sent_ns[seq] == 0) {
        size_t len = lps__v1__worker_message__get_packed_size(&message);
        sw->n_sent++;
        sw->bytes += len;
        sw->bytes_most = len > sw->bytes_most ? len : sw->bytes_most;
    }
    return r;
}

static int send_fin(struct worker *w, uint64_t seq)
{
    Lps__V1__WorkerMessage message = LPS__V1__WORKER_MESSAGE__INIT;
    Lps__V1__Fin fin = LPS__V1__FIN__INIT;

    fin.run = w->run;
    fin.seq = seq;
    fin.n_totals = w->swarm->n_fin_totals;
    fin.totals = w->swarm->fin_totals;
    fin.has_start = true;
    fin.start_error_ns = NS_PER_MS;
    message.body_case = LPS__V1__WORKER_MESSAGE__BODY_FIN;
    message.fin = &fin;
    return uplink_send(w->uplink, &message);
}

static void send_due(struct worker *w)
{
    while (w->sent < w->made) {
        uint64_t seq = w->sent + 1;
        int r = seq <= w->swarm->seconds ? send_window(w, seq) : send_fin(w, seq);
        if (r < 0)
            return;
        w->swarm->n_resent += w->sent_ns[seq] != 0;
        if (w->sent_ns[seq] == 0)
            w->sent_ns[seq] = clock_now().ns;
        w->sent = seq;
    }
}

// --- The run ---

static void await_second(struct worker *w)
{
    int64_t wait_ns = w->t0_ns + (int64_t)(w->made + 1) * NS_PER_S - clock_now().ns;
    int64_t wait_us = wait_ns > 0 ? wait_ns / NS_PER_US + 1 : 0;
    struct timeval tv = {wait_us / 1000000, wait_us % 1000000};

    event_add(w->due, &tv);
}

// A second is over; with the last one the totals are there as well.
static void on_second(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;

    (void)fd;
    (void)what;
    w->made++;
    if (w->made == 1 && w->swarm->n_running++ == 0)
        fprintf(stderr, "first second\n");
    if (w->made == w->swarm->seconds)
        w->made++;
    send_due(w);
    if (is_all_made(w) && ++w->swarm->n_measured == w->swarm->n_workers)
        fprintf(stderr, "last second\n");
    if (!is_all_made(w))
        await_second(w);
}

static void map_t0(struct worker *w)
{
    int64_t error_ns;

    if (!w->told || w->t0_ns != 0 ||
        uplink_map(w->uplink, w->boot_id, w->t0_master_ns, &w->t0_ns, &error_ns) < 0)
        return;
    await_second(w);
}

static void extend_patience(struct swarm *sw, uint32_t s)
{
    struct timeval tv = {s, 0};

    event_add(sw->give_up, &tv);
}

static void take_state(struct worker *w, const Lps__V1__RunState *state)
{
    struct swarm *sw = w->swarm;
    int64_t now_ns = clock_now().ns;

    if (state->t0_ns == 0 || w->told || w->run[0] == '\0' || strcmp(state->run, w->run) != 0)
        return;
    w->told = true;
    w->t0_master_ns = state->t0_ns;
    snprintf(w->boot_id, sizeof w->boot_id, "%s", state->t0_boot_id);
    if (sw->n_told++ == 0) {
        sw->told_first_ns = now_ns;
        extend_patience(sw, sw->seconds + IDLE_MAX_S);
    }
    sw->told_last_ns = now_ns;
    // All of this is one host: its CLOCK_BOOTTIME is the master's.
    int64_t lead_ns = state->t0_ns - clock_boot_now().ns;
    if (sw->n_told == 1 || lead_ns < sw->lead_least_ns)
        sw->lead_least_ns = lead_ns;
    map_t0(w);
}

static void take_ack(struct worker *w, uint64_t last_seq)
{
    struct swarm *sw = w->swarm;
    int64_t now_ns = clock_now().ns;

    for (; w->acked < last_seq && w->acked < w->made; w->acked++) {
        hist_record(&sw->ack, (uint64_t)((now_ns - w->sent_ns[w->acked + 1]) / NS_PER_US));
        if (w->acked < sw->seconds)
            sw->n_acked++;
        else
            sw->n_fins_acked++;
    }
}

static void finish(struct worker *w)
{
    struct swarm *sw = w->swarm;

    if (w->done)
        return;
    w->done = true;
    if (++sw->n_done == sw->n_workers)
        event_base_loopbreak(sw->base);
}

static void note_trouble(struct swarm *sw, const char *text)
{
    if (sw->trouble[0] == '\0')
        snprintf(sw->trouble, sizeof sw->trouble, "%s", text);
}

static void take_reply(struct worker *w, const Lps__V1__SubmitReply *reply)
{
    if (reply->accepted) {
        snprintf(w->run, sizeof w->run, "%s", reply->run);
    } else if (!w->done) {
        w->swarm->n_refused++;
        note_trouble(w->swarm, reply->reason);
        finish(w);
    }
}

static void on_message(const Lps__V1__MasterMessage *message, void *arg)
{
    struct worker *w = arg;

    switch (message->body_case) {
    case LPS__V1__MASTER_MESSAGE__BODY_SUBMIT:
        take_reply(w, message->submit);
        break;
    case LPS__V1__MASTER_MESSAGE__BODY_RUN:
        take_state(w, message->run);
        break;
    case LPS__V1__MASTER_MESSAGE__BODY_ACK:
        if (strcmp(message->ack->run, w->run) == 0)
            take_ack(w, message->ack->last_seq);
        break;
    case LPS__V1__MASTER_MESSAGE__BODY_RESULT:
        w->swarm->exit_code = (int)message->result->exit_code;
        finish(w);
        break;
    default:
        break;
    }
}

static void on_up(const Lps__V1__Welcome *welcome, void *arg)
{
    struct worker *w = arg;

    w->was_up = true;
    for (size_t i = 0; i < welcome->n_resume; i++)
        if (strcmp(welcome->resume[i]->submission, w->submission) == 0)
            take_ack(w, welcome->resume[i]->last_seq);
    w->sent = w->acked;
    if (!w->done)
        send_submit(w);
    send_due(w);
}

static void on_down(const char *text, bool fresh, void *arg)
{
    struct worker *w = arg;

    (void)fresh;
    if (w->was_up)
        w->swarm->n_lost_streams++;
    else
        w->swarm->n_failed_attempts++;
    note_trouble(w->swarm, text);
}

static void on_clock(void *arg)
{
    map_t0(arg);
}

static void on_drained(void *arg)
{
    send_due(arg);
}

static void start_worker(struct swarm *sw, uint32_t i)
{
    static const struct uplink_ops ops = {.on_up = on_up,
                                          .on_down = on_down,
                                          .on_message = on_message,
                                          .on_clock = on_clock,
                                          .on_drained = on_drained};
    struct worker *w = &sw->workers[i];

    w->swarm = sw;
    snprintf(w->name, sizeof w->name, "s%05" PRIu32, i + 1);
    snprintf(w->submission, sizeof w->submission, "swarm-%05" PRIu32, i + 1);
    w->conf = *sw->conf;
    w->conf.cluster.node_name = w->name;
    w->sent_ns = xcalloc(sw->seconds + 2, sizeof *w->sent_ns);
    w->due = evtimer_new(sw->base, on_second, w);
    w->uplink = uplink_new(sw->loop, sw->base, &w->conf, &ops, w);
}

// --- The report ---

static double ms(int64_t ns)
{
    return (double)ns / NS_PER_MS;
}

static void report(const struct swarm *sw)
{
    struct metrics_counters n = {0};

    for (uint32_t i = 0; i < sw->n_series; i++) {
        n.started += sw->totals[i].n.started * sw->n_workers;
        n.completed += sw->totals[i].n.completed * sw->n_workers;
        n.failed += sw->totals[i].n.failed * sw->n_workers;
        n.bytes_received += sw->totals[i].n.bytes_received * sw->n_workers;
    }
    json_t *json = json_pack(
        "{s:i s:i s:i s:i s:s s:{s:i s:f s:f} s:{s:I s:I s:I s:I s:f s:I}"
        " s:{s:f s:f s:f} s:{s:i s:i s:i s:s} s:{s:I s:I s:I s:I} s:i}",
        "workers", (int)sw->n_workers, "series", (int)sw->n_series, "seconds", (int)sw->seconds,
        "requestsPerWindow", (int)sw->requests, "run", sw->workers[0].run, "ready", "told",
        (int)sw->n_told, "spreadMs", ms(sw->told_last_ns - sw->told_first_ns), "leadLeastMs",
        ms(sw->lead_least_ns), "windows", "sent", (json_int_t)sw->n_sent, "resent",
        (json_int_t)sw->n_resent, "acknowledged", (json_int_t)sw->n_acked, "totalsAcknowledged",
        (json_int_t)sw->n_fins_acked, "bytesMean",
        sw->n_sent == 0 ? 0.0 : (double)sw->bytes / (double)sw->n_sent, "bytesMost",
        (json_int_t)sw->bytes_most, "ackMs", "p50", (double)hist_percentile(&sw->ack, 50) / 1000,
        "p99", (double)hist_percentile(&sw->ack, 99) / 1000, "max", (double)sw->ack.max / 1000,
        "streams", "failedAttempts", (int)sw->n_failed_attempts, "lost", (int)sw->n_lost_streams,
        "refused", (int)sw->n_refused, "trouble", sw->trouble, "totals", "requests",
        (json_int_t)n.started, "completed", (json_int_t)n.completed, "failed", (json_int_t)n.failed,
        "bytesReceived", (json_int_t)n.bytes_received, "results", (int)sw->n_done);
    json_object_set_new(json, "exitCode", json_integer(sw->exit_code));
    json_dumpf(json, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(json);
}

// --- Beginning and end ---

static void on_give_up(evutil_socket_t fd, short what, void *arg)
{
    struct swarm *sw = arg;

    (void)fd;
    (void)what;
    note_trouble(sw, "gave up waiting");
    event_base_loopbreak(sw->base);
}

static void parse_address(struct swarm *sw, const char *text)
{
    const char *colon = strrchr(text, ':');

    sw->conf = conf_new();
    free(sw->conf->cluster.master_node_ip);
    sw->conf->cluster.master_node_ip =
        colon == NULL ? NULL : xstrndup(text, (size_t)(colon - text));
    if (colon == NULL || str_parse_u64(colon + 1, 1, 65535, &sw->conf->cluster.grpc_port) < 0) {
        fprintf(stderr, "swarm: %s: expected HOST:PORT\n", text);
        exit(2);
    }
}

static uint32_t parse_count(const char *name, const char *text, uint64_t most)
{
    uint64_t n;

    if (str_parse_u64(text, 1, most, &n) < 0) {
        fprintf(stderr, "swarm: %s: expected 1 to %" PRIu64 "\n", name, most);
        exit(2);
    }
    return (uint32_t)n;
}

static void raise_descriptors(uint32_t n)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < n + 100) {
        fprintf(stderr, "swarm: %" PRIu32 " workers need more descriptors (ulimit -Hn)\n", n);
        exit(2);
    }
}

static void swarm_done(struct swarm *sw)
{
    for (uint32_t i = 0; i < sw->n_workers; i++) {
        uplink_free(sw->workers[i].uplink);
        event_free(sw->workers[i].due);
        free(sw->workers[i].sent_ns);
    }
    rpc_loop_free(sw->loop);
    event_free(sw->give_up);
    event_base_free(sw->base);
    for (int i = 0; i < SAMPLES; i++)
        lps__v1__window__free_unpacked(sw->sample[i], NULL);
    for (size_t i = 0; i < sw->n_fin_totals; i++)
        lps__v1__series_totals__free_unpacked(sw->fin_totals[i], NULL);
    for (uint32_t i = 0; i < sw->n_series; i++)
        metrics_series_done(&sw->totals[i]);
    free(sw->fin_totals);
    free(sw->totals);
    free(sw->workers);
    free(sw->plan_text);
    free(sw->plan_name);
    hist_done(&sw->ack);
    conf_free(sw->conf);
}

int main(int argc, char **argv)
{
    struct swarm sw = {.exit_code = -1};

    if (argc != 6) {
        fprintf(stderr, "usage: swarm HOST:PORT WORKERS SERIES SECONDS REQUESTS-A-WINDOW\n");
        return 2;
    }
    parse_address(&sw, argv[1]);
    sw.n_workers = parse_count("WORKERS", argv[2], WORKERS_MAX);
    sw.n_series = parse_count("SERIES", argv[3], SERIES_MAX);
    sw.seconds = parse_count("SECONDS", argv[4], SECONDS_MAX);
    sw.requests = parse_count("REQUESTS", argv[5], REQUESTS_MAX);
    raise_descriptors(sw.n_workers);
    log_open("swarm", LOG_ERR);
    sw.plan_text = make_plan(&sw);
    make_measurements(&sw);
    sw.base = event_base_new();
    sw.loop = rpc_loop_new(sw.base);
    sw.give_up = evtimer_new(sw.base, on_give_up, &sw);
    extend_patience(&sw, IDLE_MAX_S);
    sw.workers = xcalloc(sw.n_workers, sizeof *sw.workers);
    for (uint32_t i = 0; i < sw.n_workers; i++)
        start_worker(&sw, i);
    event_base_dispatch(sw.base);
    report(&sw);
    bool whole = sw.n_done == sw.n_workers && sw.n_refused == 0;
    swarm_done(&sw);
    return whole ? 0 : 1;
}
