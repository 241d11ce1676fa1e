#include "common/aggregate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define K_MIN       (-1)
#define K_MAX       31536000 // a year of seconds
#define SOURCES_MAX 100000
#define N_FRESH     4 // sources are seldom further apart than that

// What a source had in flight when it was last heard of.
struct source {
    bool seen;
    int64_t last_k;
    uint64_t in_flight;
    struct generator generator;
};

// One second above the horizon.
struct second {
    struct metrics_window *window; // NULL: none yet
    struct hist service;           // of all its series
};

// What came for a second since somebody last looked: of many sources only the sum is merged into
// the wide counters of the second and of the totals.
struct fresh {
    struct metrics_window *window; // NULL: none yet
    bool used;
};

struct aggregate {
    uint32_t n_series, keep_s;
    struct metrics_series *totals; // gauges unused
    struct metrics_series total;
    struct aggregate_point *points; // of k = first_k, first_k + 1, ...
    size_t n_points, cap_points;
    int64_t first_k;
    struct second *recent; // ring: second k at k mod keep_s
    struct fresh fresh[N_FRESH];
    uint32_t next_fresh; // to be taken when all are in use
    struct source *sources;
    uint32_t n_sources;
    uint64_t in_flight; // of all sources
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
    for (uint32_t i = 0; i < a->keep_s; i++) {
        metrics_window_free(a->recent[i].window);
        hist_done(&a->recent[i].service);
    }
    for (uint32_t i = 0; i < N_FRESH; i++)
        metrics_window_free(a->fresh[i].window);
    metrics_series_done(&a->total);
    free(a->totals);
    free(a->recent);
    free(a->sources);
    free(a->points);
    free(a);
}

static int64_t horizon(const struct aggregate *a)
{
    return aggregate_newest(a) - (int64_t)a->keep_s + 1;
}

static struct second *ring_slot(const struct aggregate *a, int64_t k)
{
    return &a->recent[(uint64_t)(k - K_MIN) % a->keep_s];
}

static void append_point(struct aggregate *a, int64_t k)
{
    if (a->n_points == a->cap_points) {
        a->cap_points = 2 * a->cap_points + 64;
        a->points = xreallocarray(a->points, a->cap_points, sizeof *a->points);
    }
    a->points[a->n_points++] = (struct aggregate_point){.k = k, .in_flight = a->in_flight};
}

// From k on, as far back as the horizon, the source has so many in flight.
static void set_in_flight(struct aggregate *a, struct source *s, int64_t k, uint64_t in_flight)
{
    uint64_t change = in_flight - s->in_flight; // modulo 2^64, so downwards too
    int64_t from = k > horizon(a) ? k : horizon(a);

    for (size_t i = from > a->first_k ? (size_t)(from - a->first_k) : 0; i < a->n_points; i++)
        a->points[i].in_flight += change;
    a->in_flight += change;
    s->in_flight = in_flight;
}

// A source that is silent for longer than the horizon is gone, with what it had in flight.
static void forget_silent(struct aggregate *a, int64_t k)
{
    for (uint32_t i = 0; i < a->n_sources; i++) {
        struct source *s = &a->sources[i];
        if (s->in_flight > 0 && s->last_k + (int64_t)a->keep_s < k)
            set_in_flight(a, s, s->last_k + 1, 0);
    }
}

// Points are without holes: those between are empty seconds.
static struct aggregate_point *reach_point(struct aggregate *a, int64_t k)
{
    if (a->n_points == 0)
        a->first_k = k < 0 ? k : 0;
    if (k > aggregate_newest(a))
        forget_silent(a, k);
    while (a->n_points == 0 || k > aggregate_newest(a))
        append_point(a, a->first_k + (int64_t)a->n_points);
    if (k < a->first_k) { // -1 after 0 or later
        append_point(a, k);
        memmove(a->points + 1, a->points, (a->n_points - 1) * sizeof *a->points);
        a->points[0] = (struct aggregate_point){.k = k};
        a->first_k = k;
    }
    return &a->points[k - a->first_k];
}

static struct source *reach_source(struct aggregate *a, uint32_t source)
{
    if (source >= a->n_sources) {
        a->sources = xreallocarray(a->sources, source + 1, sizeof *a->sources);
        memset(a->sources + a->n_sources, 0, (source + 1 - a->n_sources) * sizeof *a->sources);
        a->n_sources = source + 1;
    }
    return &a->sources[source];
}

static void add_counters(struct aggregate_point *p, const struct metrics_window *w)
{
    if (w->health.paused_us > p->paused_us)
        p->paused_us = w->health.paused_us;
    for (uint32_t i = 0; i < w->n_series; i++) {
        const struct metrics_series *s = &w->series[i];
        if (metrics_series_is_empty(s))
            continue;
        p->started += s->n.started;
        p->completed += s->n.completed;
        p->failed += s->n.failed;
        p->errors += metrics_n_errors(s);
        p->dropped += s->n.dropped;
        p->bytes_sent += s->n.bytes_sent;
        p->bytes_received += s->n.bytes_received;
    }
}

static void add_share(struct aggregate *a, const struct aggregate_share *share,
                      struct aggregate_point *p, int64_t k)
{
    struct source *s = reach_source(a, share->source);

    if (k >= 0) {
        generator_add(&s->generator, &share->look);
        p->generator = share->look.state > p->generator ? share->look.state : p->generator;
    }
    if (s->seen && k < s->last_k)
        return;
    set_in_flight(a, s, k, share->in_flight);
    if (!s->seen || k > s->last_k)
        p->n_sources++;
    s->seen = true;
    s->last_k = k;
}

static void set_percentiles(struct aggregate_point *p, const struct hist *h)
{
    p->p50_us = hist_percentile(h, 50);
    p->p90_us = hist_percentile(h, 90);
    p->p95_us = hist_percentile(h, 95);
    p->p99_us = hist_percentile(h, 99);
    p->p999_us = hist_percentile(h, 99.9);
    p->max_us = h->max;
}

// The merged second k above the horizon.
static struct second *reach_second(struct aggregate *a, int64_t k)
{
    struct second *second = ring_slot(a, k);

    if (second->window == NULL) {
        second->window = metrics_window_new(k, a->n_series);
    } else if (second->window->k != k) {
        metrics_window_reset(second->window, k);
        hist_reset(&second->service);
    }
    return second;
}

struct aggregate_share aggregate_share(uint32_t source, const struct metrics_window *w)
{
    struct aggregate_share share = {.source = source, .look = generator_look(w)};

    for (uint32_t i = 0; i < w->n_series; i++)
        share.in_flight += w->series[i].n.in_flight;
    return share;
}

static void settle(struct aggregate *a, struct fresh *fresh)
{
    const struct metrics_window *w = fresh->window;

    fresh->used = false;
    for (uint32_t i = 0; i < a->n_series; i++) {
        metrics_merge_later(&a->totals[i], &w->series[i]);
        metrics_merge_later(&a->total, &w->series[i]);
    }
    if (w->k < horizon(a))
        return;
    struct second *second = reach_second(a, w->k);
    metrics_merge_peer(second->window, w);
    for (uint32_t i = 0; i < a->n_series; i++)
        hist_merge(&second->service, &w->series[i].latency[METRICS_SERVICE]);
    set_percentiles(reach_point(a, w->k), &second->service);
}

// Who looks sees all that came: what is fresh is no part of what an aggregate is.
static void settle_all(const struct aggregate *a)
{
    struct aggregate *own = (struct aggregate *)a;

    for (uint32_t i = 0; i < N_FRESH; i++)
        if (a->fresh[i].used)
            settle(own, &own->fresh[i]);
}

static struct metrics_window *reach_fresh(struct aggregate *a, int64_t k)
{
    struct fresh *fresh = NULL;

    for (uint32_t i = 0; i < N_FRESH; i++) {
        if (a->fresh[i].used && a->fresh[i].window->k == k)
            return a->fresh[i].window;
        if (!a->fresh[i].used)
            fresh = &a->fresh[i];
    }
    if (fresh == NULL) {
        fresh = &a->fresh[a->next_fresh++ % N_FRESH];
        settle(a, fresh);
    }
    if (fresh->window == NULL)
        fresh->window = metrics_window_new(k, a->n_series);
    else
        metrics_window_reset(fresh->window, k);
    fresh->used = true;
    return fresh->window;
}

int aggregate_add(struct aggregate *a, uint32_t source, const struct metrics_window *w)
{
    struct aggregate_share share = aggregate_share(source, w);

    return aggregate_add_merged(a, &share, 1, w);
}

int aggregate_add_merged(struct aggregate *a, const struct aggregate_share *shares, size_t n,
                         const struct metrics_window *w)
{
    bool known = true;

    for (size_t i = 0; i < n; i++)
        known = known && shares[i].source < SOURCES_MAX;
    if (w->k < K_MIN || w->k > K_MAX || w->k > aggregate_newest(a) + AGGREGATE_GAP_MAX || !known ||
        w->n_series != a->n_series)
        return -ERANGE;
    // What leaves the horizon with this one is settled while it is still in there.
    if (w->k > aggregate_newest(a))
        settle_all(a);
    metrics_merge_peer(reach_fresh(a, w->k), w);

    struct aggregate_point *p = reach_point(a, w->k);
    add_counters(p, w);
    for (size_t i = 0; i < n; i++)
        add_share(a, &shares[i], p, w->k);
    return 0;
}

const struct generator *aggregate_generator(const struct aggregate *a, uint32_t source)
{
    static const struct generator none;

    return source < a->n_sources ? &a->sources[source].generator : &none;
}

const struct metrics_series *aggregate_totals(const struct aggregate *a)
{
    settle_all(a);
    return a->totals;
}

const struct metrics_series *aggregate_total(const struct aggregate *a)
{
    settle_all(a);
    return &a->total;
}

const struct aggregate_point *aggregate_points(const struct aggregate *a, size_t *ret_n)
{
    settle_all(a);
    *ret_n = a->n_points;
    return a->points;
}

static bool has_point(const struct aggregate *a, int64_t k)
{
    return a->n_points > 0 && k >= a->first_k && k < a->first_k + (int64_t)a->n_points;
}

const struct aggregate_point *aggregate_point_at(const struct aggregate *a, int64_t k)
{
    settle_all(a);
    return has_point(a, k) ? &a->points[k - a->first_k] : NULL;
}

uint64_t aggregate_n_sources(const struct aggregate *a, int64_t k)
{
    return has_point(a, k) ? a->points[k - a->first_k].n_sources : 0;
}

const struct metrics_window *aggregate_window(const struct aggregate *a, int64_t k)
{
    settle_all(a);
    if (!has_point(a, k) || k < horizon(a))
        return NULL;
    const struct metrics_window *w = ring_slot(a, k)->window;
    return w != NULL && w->k == k ? w : NULL;
}

int64_t aggregate_newest(const struct aggregate *a)
{
    return a->n_points == 0 ? -1 : a->first_k + (int64_t)a->n_points - 1;
}
