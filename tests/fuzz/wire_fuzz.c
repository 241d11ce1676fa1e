// What a peer may send: a worker's message to the master, or a runner's event. What decodes merges,
// and survives another trip unchanged.
#include <stdlib.h>
#include <string.h>

#include "common/aggregate.h"
#include "common/wire.h"

#define N_SERIES 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf pack(const struct metrics_window *w)
{
    Lps__V1__Window *msg = wire_window_encode(w);
    struct buf out = {0};

    buf_reserve(&out, lps__v1__window__get_packed_size(msg));
    out.len = lps__v1__window__pack(msg, (uint8_t *)out.data);
    lps__v1__window__free_unpacked(msg, NULL);
    return out;
}

static void check_trip(const struct metrics_window *w)
{
    struct buf once = pack(w);
    Lps__V1__Window *msg = lps__v1__window__unpack(NULL, once.len, (const uint8_t *)once.data);
    struct metrics_window *copy;

    if (msg == NULL || wire_window_decode(msg, N_SERIES, &copy) < 0)
        abort();
    struct buf twice = pack(copy);
    if (once.len != twice.len || memcmp(once.data, twice.data, once.len) != 0)
        abort();
    metrics_window_free(copy);
    lps__v1__window__free_unpacked(msg, NULL);
    buf_done(&once);
    buf_done(&twice);
}

// The same window from two workers.
static void check_merge(struct metrics_window *w)
{
    struct aggregate *a = aggregate_new(N_SERIES, 4);

    if (aggregate_add(a, 0, w) == 0) {
        const struct aggregate_point *p = aggregate_point_at(a, w->k);
        uint64_t started = p->started;
        if (p->n_sources != 1 || aggregate_newest(a) < w->k || aggregate_window(a, w->k) == NULL)
            abort();
        if (aggregate_add(a, 1, w) < 0 || aggregate_point_at(a, w->k)->started != 2 * started)
            abort();
        w->k++;
        aggregate_add(a, 0, w);
    }
    aggregate_free(a);
}

static void take_window(const Lps__V1__Window *msg)
{
    struct metrics_window *w;

    if (wire_window_decode(msg, N_SERIES, &w) < 0)
        return;
    check_trip(w);
    check_merge(w);
    metrics_window_free(w);
}

static void take_totals(size_t n, Lps__V1__SeriesTotals *const *totals)
{
    struct metrics_series *series = xcalloc(N_SERIES, sizeof *series);

    wire_totals_decode(n, totals, series, N_SERIES);
    free(series);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Lps__V1__WorkerMessage *worker = lps__v1__worker_message__unpack(NULL, size, data);
    Lps__V1__RunnerEvent *runner = lps__v1__runner_event__unpack(NULL, size, data);

    if (worker != NULL && worker->body_case == LPS__V1__WORKER_MESSAGE__BODY_WINDOW)
        take_window(worker->window->window);
    if (worker != NULL && worker->body_case == LPS__V1__WORKER_MESSAGE__BODY_FIN)
        take_totals(worker->fin->n_totals, worker->fin->totals);
    if (runner != NULL && runner->body_case == LPS__V1__RUNNER_EVENT__BODY_WINDOW)
        take_window(runner->window);
    if (runner != NULL && runner->body_case == LPS__V1__RUNNER_EVENT__BODY_FIN)
        take_totals(runner->fin->n_totals, runner->fin->totals);
    if (worker != NULL)
        lps__v1__worker_message__free_unpacked(worker, NULL);
    if (runner != NULL)
        lps__v1__runner_event__free_unpacked(runner, NULL);
    return 0;
}
