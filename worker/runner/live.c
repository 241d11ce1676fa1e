#include "worker/runner/live.h"

#include <stdlib.h>

#include "common/metrics_tree.h"
#include "common/str.h"

struct live {
    const struct plan *plan;
    struct program *program;
    struct metrics_series *totals;
    int64_t *first_k, *elapsed_ms; // by series; first_k -1: no event yet
};

struct live *live_new(const struct plan *plan, struct program *program)
{
    uint32_t n = plan_n_series(plan);

    if (!program_reads_metrics(program))
        return NULL;
    struct live *l = xcalloc(1, sizeof *l);
    l->plan = plan;
    l->program = program;
    l->totals = xcalloc(n, sizeof *l->totals);
    l->first_k = xcalloc(n, sizeof *l->first_k);
    l->elapsed_ms = xcalloc(n, sizeof *l->elapsed_ms);
    for (uint32_t i = 0; i < n; i++)
        l->first_k[i] = -1;
    return l;
}

void live_free(struct live *l)
{
    if (l == NULL)
        return;
    for (uint32_t i = 0; i < plan_n_series(l->plan); i++)
        metrics_series_done(&l->totals[i]);
    free(l->totals);
    free(l->first_k);
    free(l->elapsed_ms);
    free(l);
}

void live_add(struct live *l, const struct metrics_window *w)
{
    size_t len;

    if (l == NULL)
        return;
    for (uint32_t i = 0; i < w->n_series; i++) {
        if (l->first_k[i] < 0 && !metrics_series_is_empty(&w->series[i]))
            l->first_k[i] = w->k;
        metrics_merge_later(&l->totals[i], &w->series[i]);
        l->elapsed_ms[i] = l->first_k[i] < 0 ? 0 : (w->k + 1 - l->first_k[i]) * 1000;
    }
    char *json = metrics_tree_format(l->plan, l->totals, l->elapsed_ms, &len);
    program_set_metrics(l->program, json, len);
    free(json);
}
