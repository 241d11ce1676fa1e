#include "common/wire.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define COUNTER(field)                                                               \
    {                                                                                \
        offsetof(struct metrics_counters, field), offsetof(Lps__V1__Counters, field) \
    }

// The 64-bit fields of both, which have the same names.
static const struct {
    size_t ours, theirs;
} counters[] = {
    COUNTER(started),   COUNTER(completed),     COUNTER(failed),     COUNTER(aborted),
    COUNTER(dropped),   COUNTER(skipped),       COUNTER(bytes_sent), COUNTER(bytes_received),
    COUNTER(body_sent), COUNTER(body_received), COUNTER(connects),   COUNTER(reused),
    COUNTER(in_flight), COUNTER(in_flight_max),
};
static_assert(sizeof counters / sizeof *counters == sizeof(struct metrics_counters) / 8,
              "a counter is missing");

static Lps__V1__Counters *encode_counters(const struct metrics_counters *n)
{
    Lps__V1__Counters *msg = xcalloc(1, sizeof *msg);

    lps__v1__counters__init(msg);
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        memcpy((char *)msg + counters[i].theirs, (const char *)n + counters[i].ours, 8);
    return msg;
}

static int decode_counters(const Lps__V1__Counters *msg, struct metrics_counters *n)
{
    for (size_t i = 0; msg != NULL && i < sizeof counters / sizeof *counters; i++) {
        uint64_t *ours = (uint64_t *)((char *)n + counters[i].ours), theirs;
        memcpy(&theirs, (const char *)msg + counters[i].theirs, 8);
        if (theirs > WIRE_COUNT_MAX)
            return -EBADMSG;
        *ours += theirs;
    }
    return 0;
}

static void encode_status(const struct metrics_series *s, size_t *ret_n,
                          Lps__V1__StatusCount ***ret_status)
{
    size_t n = 0;
    Lps__V1__StatusCount **list = NULL;

    for (uint32_t code = 100; code < 600; code++) {
        if (s->status[code] == 0)
            continue;
        list = xreallocarray(list, n + 1, sizeof *list);
        list[n] = xcalloc(1, sizeof **list);
        lps__v1__status_count__init(list[n]);
        list[n]->code = code;
        list[n++]->count = s->status[code];
    }
    *ret_n = n;
    *ret_status = list;
}

static void encode_errors(const struct metrics_series *s, size_t *ret_n,
                          Lps__V1__ErrorCount ***ret_errors)
{
    size_t n = 0;
    Lps__V1__ErrorCount **list = NULL;

    for (uint32_t kind = 1; kind < METRICS_ERROR__COUNT; kind++) {
        const struct metrics_error_count *e = &s->error[kind];
        if (e->count == 0)
            continue;
        list = xreallocarray(list, n + 1, sizeof *list);
        list[n] = xcalloc(1, sizeof **list);
        lps__v1__error_count__init(list[n]);
        list[n]->kind = kind;
        list[n]->count = e->count;
        list[n]->first_k = e->first_k;
        list[n]->last_k = e->last_k;
        list[n++]->example = str_clean(e->example, METRICS_EXAMPLE_MAX);
    }
    *ret_n = n;
    *ret_errors = list;
}

static void encode_latency(const struct metrics_series *s, size_t *ret_n,
                           Lps__V1__Latency ***ret_latency)
{
    size_t n = 0;
    Lps__V1__Latency **list = NULL;

    for (uint32_t kind = 1; kind < METRICS_LATENCY__COUNT; kind++) {
        const struct hist *h = &s->latency[kind];
        if (h->count == 0)
            continue;
        struct buf buckets = {0};
        hist_encode(h, &buckets);
        list = xreallocarray(list, n + 1, sizeof *list);
        list[n] = xcalloc(1, sizeof **list);
        lps__v1__latency__init(list[n]);
        list[n]->kind = kind;
        Lps__V1__Hist *hist = list[n++]->hist = xcalloc(1, sizeof *hist);
        lps__v1__hist__init(hist);
        hist->count = h->count;
        hist->sum_us = h->sum;
        hist->min_us = h->min;
        hist->max_us = h->max;
        hist->buckets.len = buckets.len;
        hist->buckets.data = (uint8_t *)buf_take(&buckets);
    }
    *ret_n = n;
    *ret_latency = list;
}

Lps__V1__Window *wire_window_encode(const struct metrics_window *w)
{
    Lps__V1__Window *msg = xcalloc(1, sizeof *msg);

    lps__v1__window__init(msg);
    msg->k = w->k;
    msg->health = xcalloc(1, sizeof *msg->health);
    lps__v1__health__init(msg->health);
    msg->health->loop_stall_us = w->health.loop_stall_us;
    msg->health->cpu_us = w->health.cpu_us;
    msg->health->fds = w->health.fds;
    msg->health->paused_us = w->health.paused_us;
    msg->health->busy_us = w->health.busy_us;
    msg->health->steal_us = w->health.steal_us;
    msg->series = xcalloc(w->n_series, sizeof *msg->series);
    for (uint32_t i = 0; i < w->n_series; i++) {
        const struct metrics_series *s = &w->series[i];
        if (metrics_series_is_empty(s))
            continue;
        Lps__V1__SeriesDelta *delta = xcalloc(1, sizeof *delta);
        lps__v1__series_delta__init(delta);
        delta->id = i;
        delta->counters = encode_counters(&s->n);
        encode_status(s, &delta->n_status, &delta->status);
        encode_errors(s, &delta->n_errors, &delta->errors);
        encode_latency(s, &delta->n_latency, &delta->latency);
        msg->series[msg->n_series++] = delta;
    }
    return msg;
}

static int decode_status(size_t n, Lps__V1__StatusCount *const *status, struct metrics_series *s)
{
    uint32_t previous = 99;

    for (size_t i = 0; i < n; i++) {
        uint32_t code = status[i]->code;
        if (code <= previous || code > 599 || status[i]->count > WIRE_COUNT_MAX)
            return -EBADMSG;
        s->status[code] += status[i]->count;
        previous = code;
    }
    return 0;
}

static int decode_errors(size_t n, Lps__V1__ErrorCount *const *errors, struct metrics_series *s)
{
    uint32_t previous = METRICS_ERROR_UNDEFINED;

    for (size_t i = 0; i < n; i++) {
        const Lps__V1__ErrorCount *msg = errors[i];
        if (msg->kind <= previous || msg->kind >= METRICS_ERROR__COUNT ||
            msg->count > WIRE_COUNT_MAX || msg->first_k > msg->last_k ||
            strlen(msg->example) > METRICS_EXAMPLE_MAX)
            return -EBADMSG;
        previous = msg->kind;
        struct metrics_error_count *e = &s->error[msg->kind];
        char *example = str_clean(msg->example, METRICS_EXAMPLE_MAX);
        e->count += msg->count;
        e->first_k = msg->first_k;
        e->last_k = msg->last_k;
        strcpy(e->example, example);
        free(example);
    }
    return 0;
}

// A few bytes can ask for a page: n_bytes, of the whole window so far, keeps what a peer can take.
static int decode_latency(size_t n, Lps__V1__Latency *const *latency, struct metrics_series *s,
                          size_t *n_bytes)
{
    uint32_t previous = METRICS_LATENCY_UNDEFINED;

    for (size_t i = 0; i < n; i++) {
        const Lps__V1__Latency *msg = latency[i];
        const Lps__V1__Hist *h = msg->hist;
        if (msg->kind <= previous || msg->kind >= METRICS_LATENCY__COUNT || h == NULL ||
            h->count > WIRE_COUNT_MAX ||
            hist_decode_add(&s->latency[msg->kind], h->buckets.data, h->buckets.len, h->count,
                            h->sum_us, h->min_us, h->max_us) < 0)
            return -EBADMSG;
        previous = msg->kind;
        *n_bytes += hist_bytes(&s->latency[msg->kind]);
        if (*n_bytes > WIRE_HISTS_MAX)
            return -EBADMSG;
    }
    return 0;
}

int wire_window_decode(const Lps__V1__Window *msg, uint32_t n_series,
                       struct metrics_window **ret_window)
{
    if (msg == NULL || msg->n_series > n_series)
        return -EBADMSG;

    struct metrics_window *w = metrics_window_new(msg->k, n_series);
    size_t n_bytes = 0;

    if (msg->health != NULL)
        w->health = (struct metrics_health){msg->health->loop_stall_us, msg->health->cpu_us,
                                            msg->health->fds,           msg->health->paused_us,
                                            msg->health->busy_us,       msg->health->steal_us};
    for (size_t i = 0; i < msg->n_series; i++) {
        const Lps__V1__SeriesDelta *delta = msg->series[i];
        if (delta->id >= n_series || (i > 0 && delta->id <= msg->series[i - 1]->id))
            goto bad;
        struct metrics_series *s = &w->series[delta->id];
        if (decode_counters(delta->counters, &s->n) < 0 ||
            decode_status(delta->n_status, delta->status, s) < 0 ||
            decode_errors(delta->n_errors, delta->errors, s) < 0 ||
            decode_latency(delta->n_latency, delta->latency, s, &n_bytes) < 0)
            goto bad;
    }
    *ret_window = w;
    return 0;
bad:
    metrics_window_free(w);
    return -EBADMSG;
}

void wire_totals_encode(const struct metrics_series *series, uint32_t n_series, size_t *ret_n,
                        Lps__V1__SeriesTotals ***ret_totals)
{
    Lps__V1__SeriesTotals **list = xcalloc(n_series, sizeof *list);
    size_t n = 0;

    for (uint32_t i = 0; i < n_series; i++) {
        if (metrics_series_is_empty(&series[i]))
            continue;
        Lps__V1__SeriesTotals *t = list[n++] = xcalloc(1, sizeof *t);
        lps__v1__series_totals__init(t);
        t->id = i;
        t->counters = encode_counters(&series[i].n);
        encode_status(&series[i], &t->n_status, &t->status);
        encode_errors(&series[i], &t->n_errors, &t->errors);
    }
    *ret_n = n;
    *ret_totals = list;
}

int wire_totals_decode(size_t n, Lps__V1__SeriesTotals *const *totals,
                       struct metrics_series *series, uint32_t n_series)
{
    for (size_t i = 0; i < n; i++) {
        const Lps__V1__SeriesTotals *t = totals[i];
        if (t->id >= n_series || (i > 0 && t->id <= totals[i - 1]->id))
            return -EBADMSG;
        if (decode_counters(t->counters, &series[t->id].n) < 0 ||
            decode_status(t->n_status, t->status, &series[t->id]) < 0 ||
            decode_errors(t->n_errors, t->errors, &series[t->id]) < 0)
            return -EBADMSG;
    }
    return 0;
}
