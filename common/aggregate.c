#include "common/aggregate.h"

#include <errno.h>
#include <stdlib.h>

#define K_MIN       (-1)
#define K_MAX       31536000 // a year of seconds
#define SOURCES_MAX 100000

// What a source had in flight when it was last heard of.
struct source {
    bool seen;
    int64_t last_k;
    uint64_t in_flight;
};

struct aggregate {
    uint32_t n_series, keep_s;
    struct metrics_series *totals; // gauges unused
    struct metrics_series total;
    struct aggregate_point *points; // of k = first_k, first_k + 1, ...
    size_t n_points, cap_points;
    int64_t first_k;
    struct metrics_window **recent; // ring: window k at k mod keep_s
    struct source *sources;
    uint32_t n_sources;
    struct metrics_series scratch; // one second over all series
};

struct aggregate *aggregate_new(uint32_t n_series, uint32_t keep_s)
{
    struct aggregate *a = xcalloc(1, sizeof *a);

    a->n_series = n_series;
    a->keep_s = keep_s > 0 ? keep_s : 1;
    a->totals = xcalloc(n_series, sizeof *a->totals);
    a->recent = xcalloc(a->keep_s, sizeof *a->recent);
    return a;
}

void aggregate_free(struct aggregate *a)
{
    if (a == NULL)
        return;
    for (uint32_t i = 0; i < a->n_series; i++)
        metrics_series_done(&a->totals[i]);
    for (uint32_t i = 0; i < a->keep_s; i++)
        metrics_window_free(a->recent[i]);
    metrics_series_done(&a->total);
    metrics_series_done(&a->scratch);
    free(a->totals);
    free(a->recent);
    free(a->sources);
    free(a->points);
    free(a);
}

static bool is_recent(const struct aggregate *a, int64_t k)
{
    return k > aggregate_newest(a) - (int64_t)a->keep_s;
}

static struct metrics_window **ring_slot(const struct aggregate *a, int64_t k)
{
    return &a->recent[(uint64_t)(k - K_MIN) % a->keep_s];
}

// Points are without holes: those between are empty seconds.
static struct aggregate_point *reach_point(struct aggregate *a, int64_t k)
{
    int64_t last = a->first_k + (int64_t)a->n_points - 1;

    if (a->n_points == 0)
        a->first_k = k < 0 ? k : 0;
    if (a->n_points == 0 || k > last || k < a->first_k) {
        int64_t from = k < a->first_k ? k : a->first_k;
        size_t n = (size_t)((a->n_points == 0 || k > last ? k : last) - from + 1);
        size_t shift = (size_t)(a->first_k - from);
        if (n > a->cap_points) {
            a->cap_points = n + n / 2 + 64;
            a->points = xreallocarray(a->points, a->cap_points, sizeof *a->points);
        }
        for (size_t i = a->n_points; shift > 0 && i-- > 0;)
            a->points[i + shift] = a->points[i];
        for (size_t i = 0; i < n; i++) {
            if (i < shift || i >= shift + a->n_points)
                a->points[i] = (struct aggregate_point){.k = from + (int64_t)i};
        }
        a->n_points = n;
        a->first_k = from;
    }
    return &a->points[k - a->first_k];
}

static struct source *reach_source(struct aggregate *a, uint32_t source)
{
    if (source >= a->n_sources) {
        a->sources = xreallocarray(a->sources, source + 1, sizeof *a->sources);
        for (uint32_t i = a->n_sources; i <= source; i++)
            a->sources[i] = (struct source){0};
        a->n_sources = source + 1;
    }
    return &a->sources[source];
}

static uint64_t sum_in_flight(const struct aggregate *a)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < a->n_sources; i++)
        n += a->sources[i].in_flight;
    return n;
}

static void add_counters(struct aggregate_point *p, const struct metrics_window *w)
{
    for (uint32_t i = 0; i < w->n_series; i++) {
        const struct metrics_series *s = &w->series[i];
        p->started += s->n.started;
        p->completed += s->n.completed;
        p->failed += s->n.failed;
        p->errors += metrics_n_errors(s);
        p->bytes_sent += s->n.bytes_sent;
        p->bytes_received += s->n.bytes_received;
    }
}

static void set_percentiles(struct aggregate *a, struct aggregate_point *p,
                            const struct metrics_window *w)
{
    struct hist *h = &a->scratch.latency[METRICS_SERVICE];

    hist_reset(h);
    for (uint32_t i = 0; i < w->n_series; i++)
        hist_merge(h, &w->series[i].latency[METRICS_SERVICE]);
    p->p50_us = hist_percentile(h, 50);
    p->p90_us = hist_percentile(h, 90);
    p->p95_us = hist_percentile(h, 95);
    p->p99_us = hist_percentile(h, 99);
    p->p999_us = hist_percentile(h, 99.9);
    p->max_us = h->max;
}

// The merged window of k, or NULL when k lies below the horizon.
static struct metrics_window *reach_window(struct aggregate *a, int64_t k)
{
    struct metrics_window **slot = ring_slot(a, k);

    if (!is_recent(a, k))
        return NULL;
    if (*slot == NULL)
        *slot = metrics_window_new(k, a->n_series);
    else if ((*slot)->k != k)
        metrics_window_reset(*slot, k);
    return *slot;
}

int aggregate_add(struct aggregate *a, uint32_t source, const struct metrics_window *w)
{
    if (w->k < K_MIN || w->k > K_MAX || source >= SOURCES_MAX || w->n_series != a->n_series)
        return -ERANGE;

    struct aggregate_point *p = reach_point(a, w->k);
    struct metrics_window *merged = reach_window(a, w->k);
    struct source *from = reach_source(a, source);

    for (uint32_t i = 0; i < a->n_series; i++) {
        metrics_merge_later(&a->totals[i], &w->series[i]);
        metrics_merge_later(&a->total, &w->series[i]);
    }
    add_counters(p, w);
    if (!from->seen || w->k > from->last_k)
        p->n_sources++;
    if (!from->seen || w->k >= from->last_k) {
        *from = (struct source){.seen = true, .last_k = w->k};
        for (uint32_t i = 0; i < w->n_series; i++)
            from->in_flight += w->series[i].n.in_flight;
    }
    p->in_flight = sum_in_flight(a);
    if (merged != NULL) {
        metrics_merge_peer(merged, w);
        set_percentiles(a, p, merged);
    }
    return 0;
}

const struct metrics_series *aggregate_totals(const struct aggregate *a)
{
    return a->totals;
}

const struct metrics_series *aggregate_total(const struct aggregate *a)
{
    return &a->total;
}

const struct aggregate_point *aggregate_points(const struct aggregate *a, size_t *ret_n)
{
    *ret_n = a->n_points;
    return a->points;
}

const struct aggregate_point *aggregate_point_at(const struct aggregate *a, int64_t k)
{
    if (a->n_points == 0 || k < a->first_k || k >= a->first_k + (int64_t)a->n_points)
        return NULL;
    return &a->points[k - a->first_k];
}

const struct metrics_window *aggregate_window(const struct aggregate *a, int64_t k)
{
    if (aggregate_point_at(a, k) == NULL || !is_recent(a, k))
        return NULL;
    const struct metrics_window *w = *ring_slot(a, k);
    return w != NULL && w->k == k ? w : NULL;
}

int64_t aggregate_newest(const struct aggregate *a)
{
    return a->n_points == 0 ? -1 : a->first_k + (int64_t)a->n_points - 1;
}
