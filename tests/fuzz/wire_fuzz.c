// What a peer may send: a worker's message to the master, or a runner's event; what decodes must
// merge and encode again.
#include <stdlib.h>

#include "common/aggregate.h"
#include "common/wire.h"

#define N_SERIES 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_window(const Lps__V1__Window *msg)
{
    struct metrics_window *w;

    if (msg == NULL || wire_window_decode(msg, N_SERIES, &w) < 0)
        return;
    // A second this far out would make the aggregate's timeline long, which costs the fuzzer its
    // speed only.
    if (w->k < 1000) {
        struct aggregate *a = aggregate_new(N_SERIES, 4);
        aggregate_add(a, 0, w);
        aggregate_free(a);
    }
    Lps__V1__Window *again = wire_window_encode(w);
    lps__v1__window__free_unpacked(again, NULL);
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
    if (worker != NULL)
        lps__v1__worker_message__free_unpacked(worker, NULL);
    if (runner != NULL)
        lps__v1__runner_event__free_unpacked(runner, NULL);
    return 0;
}
