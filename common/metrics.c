#include "common/metrics.h"

#include <stdlib.h>
#include <string.h>

const char *const metrics_error_name[METRICS_ERROR__COUNT] = {
    [METRICS_ERROR_UNDEFINED] = "undefined",
    [METRICS_ERROR_DNS] = "dns",
    [METRICS_ERROR_REFUSED] = "refused",
    [METRICS_ERROR_UNREACHABLE] = "unreachable",
    [METRICS_ERROR_RESET] = "reset",
    [METRICS_ERROR_CLOSED] = "closed",
    [METRICS_ERROR_TLS] = "tls",
    [METRICS_ERROR_TIMEOUT_CONNECT] = "timeout-connect",
    [METRICS_ERROR_TIMEOUT_FIRST_BYTE] = "timeout-first-byte",
    [METRICS_ERROR_TIMEOUT_BODY] = "timeout-body",
    [METRICS_ERROR_PROTOCOL] = "protocol",
    [METRICS_ERROR_TOO_LARGE] = "too-large",
    [METRICS_ERROR_LOCAL] = "local",
    [METRICS_ERROR_REQUEST] = "request",
};

const char *const metrics_latency_name[METRICS_LATENCY__COUNT] = {
    [METRICS_LATENCY_UNDEFINED] = "undefined",
    [METRICS_SERVICE] = "service",
    [METRICS_RESPONSE] = "response",
    [METRICS_LAG] = "lag",
    [METRICS_DNS] = "dns",
    [METRICS_TCP] = "tcp",
    [METRICS_TLS] = "tls",
    [METRICS_SEND] = "send",
    [METRICS_WAIT] = "wait",
    [METRICS_RECEIVE] = "receive",
    [METRICS_TTFB] = "ttfb",
    [METRICS_SERVER] = "server",
    [METRICS_SERVER_DB] = "server-db",
    [METRICS_SERVER_CACHE] = "server-cache",
    [METRICS_SERVER_APP] = "server-app",
};

struct metrics_window *metrics_window_new(int64_t k, uint32_t n_series)
{
    struct metrics_window *w = xcalloc(1, sizeof *w);

    w->k = k;
    w->n_series = n_series;
    w->series = xcalloc(n_series, sizeof *w->series);
    return w;
}

void metrics_series_done(struct metrics_series *s)
{
    for (int i = 0; i < METRICS_LATENCY__COUNT; i++)
        hist_done(&s->latency[i]);
}

void metrics_window_free(struct metrics_window *w)
{
    if (w == NULL)
        return;
    for (uint32_t i = 0; i < w->n_series; i++)
        metrics_series_done(&w->series[i]);
    free(w->series);
    free(w);
}

void metrics_window_reset(struct metrics_window *w, int64_t k)
{
    w->k = k;
    w->health = (struct metrics_health){0};
    for (uint32_t i = 0; i < w->n_series; i++) {
        struct metrics_series *s = &w->series[i];
        if (metrics_series_is_empty(s)) // most are, in a large plan
            continue;
        s->n = (struct metrics_counters){0};
        memset(s->status, 0, sizeof s->status);
        memset(s->error, 0, sizeof s->error);
        for (int l = 0; l < METRICS_LATENCY__COUNT; l++)
            hist_reset(&s->latency[l]);
    }
}

bool metrics_series_is_empty(const struct metrics_series *s)
{
    static const struct metrics_counters no_counters;
    static const uint64_t no_status[600];

    if (memcmp(&s->n, &no_counters, sizeof no_counters) != 0)
        return false;
    for (int i = 0; i < METRICS_LATENCY__COUNT; i++) {
        if (s->latency[i].count > 0)
            return false;
    }
    for (int i = 0; i < METRICS_ERROR__COUNT; i++) {
        if (s->error[i].count > 0)
            return false;
    }
    return memcmp(s->status, no_status, sizeof no_status) == 0;
}

void metrics_record_error(struct metrics_series *s, enum metrics_error kind, int64_t k,
                          const char *example)
{
    struct metrics_error_count *e = &s->error[kind];

    if (e->count++ == 0) {
        char *clean = str_clean(example, METRICS_EXAMPLE_MAX);
        strcpy(e->example, clean);
        free(clean);
        e->first_k = k;
    }
    e->last_k = k;
}

static void merge_error(struct metrics_error_count *into, const struct metrics_error_count *from)
{
    if (from->count == 0)
        return;
    if (into->count == 0 || from->first_k < into->first_k) {
        into->first_k = from->first_k;
        memcpy(into->example, from->example, sizeof into->example);
    }
    if (into->count == 0 || from->last_k > into->last_k)
        into->last_k = from->last_k;
    into->count += from->count;
}

static void merge_sums(struct metrics_series *into, const struct metrics_series *from)
{
    struct metrics_counters *a = &into->n;
    const struct metrics_counters *b = &from->n;

    if (metrics_series_is_empty(from)) // most are, in a large plan
        return;
    a->started += b->started;
    a->completed += b->completed;
    a->failed += b->failed;
    a->aborted += b->aborted;
    a->dropped += b->dropped;
    a->skipped += b->skipped;
    a->bytes_sent += b->bytes_sent;
    a->bytes_received += b->bytes_received;
    a->body_sent += b->body_sent;
    a->body_received += b->body_received;
    a->connects += b->connects;
    a->reused += b->reused;
    for (int i = 0; i < 600; i++)
        into->status[i] += from->status[i];
    for (int i = 0; i < METRICS_ERROR__COUNT; i++)
        merge_error(&into->error[i], &from->error[i]);
    for (int i = 0; i < METRICS_LATENCY__COUNT; i++)
        hist_merge(&into->latency[i], &from->latency[i]);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

// All but the descriptors, which are a gauge.
static void merge_health(struct metrics_health *into, const struct metrics_health *from)
{
    into->loop_stall_us = larger(into->loop_stall_us, from->loop_stall_us);
    into->cpu_us += from->cpu_us;
    into->paused_us = larger(into->paused_us, from->paused_us);
    into->busy_us = larger(into->busy_us, from->busy_us);
    into->steal_us = larger(into->steal_us, from->steal_us);
}

void metrics_merge_peer(struct metrics_window *into, const struct metrics_window *from)
{
    for (uint32_t i = 0; i < into->n_series && i < from->n_series; i++) {
        merge_sums(&into->series[i], &from->series[i]);
        into->series[i].n.in_flight += from->series[i].n.in_flight;
        into->series[i].n.in_flight_max += from->series[i].n.in_flight_max;
    }
    merge_health(&into->health, &from->health);
    into->health.fds += from->health.fds;
}

void metrics_merge_later_health(struct metrics_health *into, const struct metrics_health *from)
{
    merge_health(into, from);
    into->fds = from->fds;
}

void metrics_merge_later(struct metrics_series *into, const struct metrics_series *from)
{
    merge_sums(into, from);
    into->n.in_flight = from->n.in_flight;
    into->n.in_flight_max = larger(into->n.in_flight_max, from->n.in_flight_max);
}

uint64_t metrics_n_errors(const struct metrics_series *s)
{
    uint64_t n = s->n.failed;

    for (int code = 400; code < 600; code++)
        n += s->status[code];
    return n;
}

uint64_t metrics_n_5xx(const struct metrics_series *s)
{
    uint64_t n = 0;

    for (int code = 500; code < 600; code++)
        n += s->status[code];
    return n;
}

void metrics_counters_add(struct metrics_counters *into, const struct metrics_counters *from)
{
    into->started += from->started;
    into->completed += from->completed;
    into->failed += from->failed;
    into->aborted += from->aborted;
    into->dropped += from->dropped;
    into->skipped += from->skipped;
    into->bytes_sent += from->bytes_sent;
    into->bytes_received += from->bytes_received;
    into->body_sent += from->body_sent;
    into->body_received += from->body_received;
    into->connects += from->connects;
    into->reused += from->reused;
}

bool metrics_counters_equal(const struct metrics_counters *a, const struct metrics_counters *b)
{
    struct metrics_counters x = *a, y = *b;

    x.in_flight = y.in_flight = x.in_flight_max = y.in_flight_max = 0;
    return memcmp(&x, &y, sizeof x) == 0;
}
