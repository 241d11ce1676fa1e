#include "worker/runner/record.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/str.h"
#include "worker/runner/pressure.h"

struct record {
    struct record_config config;
    struct record_slot *slot;   // of the present window
    struct metrics_series *now; // its series
    int64_t end_ns;
    uint64_t busy_us;                    // of this thread, when the last window was handed over
    struct metrics_series *totals;       // without histograms
    _Atomic uint64_t *in_flight;         // by series; written by this thread only
    _Atomic(struct record_slot *) spare; // given back, empty
};

uint64_t record_in_flight(const struct record *r, uint32_t series)
{
    return atomic_load_explicit(&r->in_flight[series], memory_order_relaxed);
}

// One writer: a plain addition, which others may read.
static uint64_t count_in_flight(struct record *r, uint32_t series, int64_t change)
{
    uint64_t n = record_in_flight(r, series) + (uint64_t)change;

    atomic_store_explicit(&r->in_flight[series], n, memory_order_relaxed);
    return n;
}

static struct record_slot *take_slot(struct record *r, int64_t k)
{
    struct record_slot *slot = atomic_exchange_explicit(&r->spare, NULL, memory_order_acquire);

    if (slot == NULL) {
        slot = xcalloc(1, sizeof *slot);
        slot->window = metrics_window_new(k, r->config.n_series);
    } else {
        metrics_window_reset(slot->window, k);
    }
    slot->owner = r;
    slot->post.on_post = r->config.on_window;
    return slot;
}

static void free_slot(struct record_slot *slot)
{
    if (slot == NULL)
        return;
    metrics_window_free(slot->window);
    free(slot);
}

void record_give_back(struct record_slot *slot)
{
    free_slot(atomic_exchange_explicit(&slot->owner->spare, slot, memory_order_acq_rel));
}

static void open_window(struct record *r, int64_t k)
{
    r->slot = take_slot(r, k);
    r->now = r->slot->window->series;
    r->end_ns = r->config.k_origin_ns + (k + 1) * NS_PER_S;
    for (uint32_t i = 0; i < r->config.n_series; i++)
        r->now[i].n.in_flight_max = record_in_flight(r, i);
}

static void hand_over(struct record *r)
{
    struct metrics_window *w = r->slot->window;

    for (uint32_t i = 0; i < r->config.n_series; i++)
        r->now[i].n.in_flight = record_in_flight(r, i);
    w->health.loop_stall_us = (uint64_t)(loop_take_stall(r->config.loop) / NS_PER_US);
    w->health.fds = *r->config.n_fds;
    uint64_t busy_us = pressure_thread_us();
    w->health.busy_us = busy_us - r->busy_us;
    r->busy_us = busy_us;
    loop_post(r->config.sink, &r->slot->post);
    r->slot = NULL;
}

struct record *record_new(const struct record_config *config)
{
    struct record *r = xcalloc(1, sizeof *r);

    r->config = *config;
    r->totals = xcalloc(config->n_series, sizeof *r->totals);
    r->in_flight = xcalloc(config->n_series, sizeof *r->in_flight);
    open_window(r, config->first_k);
    return r;
}

void record_free(struct record *r)
{
    if (r == NULL)
        return;
    free_slot(r->slot);
    free_slot(atomic_load_explicit(&r->spare, memory_order_acquire));
    free(r->totals);
    free(r->in_flight);
    free(r);
}

void *record_arg(const struct record *r)
{
    return r->config.arg;
}

void record_roll(struct record *r, int64_t now_ns)
{
    if (now_ns < r->end_ns)
        return;
    int64_t k = r->slot->window->k;
    hand_over(r);
    open_window(r, k + 1 + (now_ns - r->end_ns) / NS_PER_S);
}

int64_t record_end_ns(const struct record *r)
{
    return r->end_ns;
}

void record_flush(struct record *r, int64_t now_ns)
{
    record_roll(r, now_ns);
    hand_over(r);
}

const struct metrics_series *record_totals(const struct record *r)
{
    return r->totals;
}

// Counted twice on purpose: totals summed from windows could not show that a window was lost.
#define COUNT(r, series, field, amount)          \
    do {                                         \
        (r)->now[series].n.field += (amount);    \
        (r)->totals[series].n.field += (amount); \
    } while (0)

static void record_ns(struct record *r, uint32_t series, enum metrics_latency kind, int64_t ns)
{
    hist_record(&r->now[series].latency[kind], (uint64_t)((ns + NS_PER_US / 2) / NS_PER_US));
}

void record_started(struct record *r, uint32_t series, int64_t now_ns)
{
    record_roll(r, now_ns);
    struct metrics_counters *n = &r->now[series].n;
    COUNT(r, series, started, 1);
    uint64_t in_flight = count_in_flight(r, series, 1);
    if (in_flight > n->in_flight_max)
        n->in_flight_max = in_flight;
}

void record_connected(struct record *r, uint32_t series, int64_t now_ns, int64_t dns_ns,
                      int64_t tcp_ns, int64_t tls_ns)
{
    record_roll(r, now_ns);
    COUNT(r, series, connects, 1);
    if (dns_ns >= 0)
        record_ns(r, series, METRICS_DNS, dns_ns);
    record_ns(r, series, METRICS_TCP, tcp_ns);
    if (tls_ns >= 0)
        record_ns(r, series, METRICS_TLS, tls_ns);
}

void record_sent(struct record *r, uint32_t series, int64_t now_ns, uint64_t bytes, uint64_t body)
{
    record_roll(r, now_ns);
    COUNT(r, series, bytes_sent, bytes);
    COUNT(r, series, body_sent, body);
}

void record_received(struct record *r, uint32_t series, int64_t now_ns, uint64_t bytes,
                     uint64_t body)
{
    record_roll(r, now_ns);
    COUNT(r, series, bytes_received, bytes);
    COUNT(r, series, body_received, body);
}

static void end_one(struct record *r, uint32_t series, int64_t now_ns, bool reused)
{
    record_roll(r, now_ns);
    count_in_flight(r, series, -1);
    COUNT(r, series, reused, reused);
}

void record_completed(struct record *r, uint32_t series, const struct record_times *t,
                      int64_t intended_ns, int64_t over_ns, unsigned status, bool reused)
{
    end_one(r, series, over_ns, reused);
    COUNT(r, series, completed, 1);
    r->now[series].status[status]++;
    r->totals[series].status[status]++;
    if (intended_ns != 0) {
        record_ns(r, series, METRICS_RESPONSE, over_ns - intended_ns);
        record_ns(r, series, METRICS_LAG, t->sent_ns - intended_ns);
    }
    record_ns(r, series, METRICS_SERVICE, over_ns - t->sent_ns);
    record_ns(r, series, METRICS_SEND, t->whole_ns - t->send_ns);
    record_ns(r, series, METRICS_WAIT, t->first_ns - t->whole_ns);
    record_ns(r, series, METRICS_RECEIVE, t->done_ns - t->first_ns);
    record_ns(r, series, METRICS_TTFB, t->first_ns - t->begin_ns);
}

void record_server_times(struct record *r, uint32_t series, int64_t now_ns,
                         const struct server_timing *t)
{
    const struct {
        enum metrics_latency kind;
        uint64_t us;
    } times[] = {
        {METRICS_SERVER, t->total_us},
        {METRICS_SERVER_DB, t->db_us},
        {METRICS_SERVER_CACHE, t->cache_us},
        {METRICS_SERVER_APP, t->app_us},
    };

    record_roll(r, now_ns);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (times[i].us > 0)
            hist_record(&r->now[series].latency[times[i].kind], times[i].us);
}

void record_failed(struct record *r, uint32_t series, int64_t now_ns, enum metrics_error kind,
                   const char *example, bool reused)
{
    end_one(r, series, now_ns, reused);
    COUNT(r, series, failed, 1);
    metrics_record_error(&r->now[series], kind, r->slot->window->k, example);
    metrics_record_error(&r->totals[series], kind, r->slot->window->k, example);
}

void record_aborted(struct record *r, uint32_t series, int64_t now_ns, bool reused)
{
    end_one(r, series, now_ns, reused);
    COUNT(r, series, aborted, 1);
}

void record_dropped(struct record *r, uint32_t series, int64_t now_ns, uint64_t n)
{
    record_roll(r, now_ns);
    COUNT(r, series, dropped, n);
}

void record_skipped(struct record *r, uint32_t series, int64_t now_ns)
{
    record_roll(r, now_ns);
    COUNT(r, series, skipped, 1);
}
