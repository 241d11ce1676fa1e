#include "common/generator.h"

#include <inttypes.h>
#include <stdbool.h>

#include "common/str.h"

const char *const generator_state_name[GENERATOR_STATE__COUNT] = {
    [GENERATOR_UNDEFINED] = "unknown",
    [GENERATOR_CLEAN] = "clean",
    [GENERATOR_DEGRADED] = "degraded",
    [GENERATOR_LIMITED] = "generator-limited",
};

const char *const generator_limit_name[GENERATOR_LIMIT__COUNT] = {
    [GENERATOR_SOCKETS] = "sockets", [GENERATOR_CPU] = "cpu",           [GENERATOR_STEAL] = "steal",
    [GENERATOR_LOOP] = "event-loop", [GENERATOR_WATCHDOG] = "watchdog",
};

// Above four fifths of a CPU what waits for it queues up; the rest is by experience.
const struct generator_bounds generator_bounds[GENERATOR_LIMIT__COUNT] = {
    [GENERATOR_SOCKETS] = {1, 1}, [GENERATOR_CPU] = {80, 95},      [GENERATOR_STEAL] = {5, 20},
    [GENERATOR_LOOP] = {50, 500}, [GENERATOR_WATCHDOG] = {1, 500},
};

static uint64_t n_without_socket(const struct metrics_window *w)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < w->n_series; i++)
        n += w->series[i].error[METRICS_ERROR_LOCAL].count;
    return n;
}

static enum generator_state state_of(enum generator_limit limit, uint64_t value)
{
    if (value >= generator_bounds[limit].limited)
        return GENERATOR_LIMITED;
    return value >= generator_bounds[limit].degraded ? GENERATOR_DEGRADED : GENERATOR_CLEAN;
}

struct generator_look generator_look(const struct metrics_window *w)
{
    const struct metrics_health *h = &w->health;
    const uint64_t values[GENERATOR_LIMIT__COUNT] = {
        [GENERATOR_SOCKETS] = n_without_socket(w),  [GENERATOR_CPU] = h->busy_us / 10000,
        [GENERATOR_STEAL] = h->steal_us / 10000,    [GENERATOR_LOOP] = h->loop_stall_us / 1000,
        [GENERATOR_WATCHDOG] = h->paused_us / 1000,
    };
    struct generator_look look = {.state = GENERATOR_CLEAN};

    for (int i = GENERATOR_NONE + 1; i < GENERATOR_LIMIT__COUNT; i++) {
        enum generator_state state = state_of(i, values[i]);
        if (state > look.state)
            look = (struct generator_look){state, i, values[i]};
    }
    return look;
}

void generator_add(struct generator *g, const struct generator_look *look)
{
    struct generator_reach *reach = &g->reach[look->limit];

    g->n_seconds++;
    g->n_degraded += look->state == GENERATOR_DEGRADED;
    g->n_limited += look->state == GENERATOR_LIMITED;
    if (look->limit == GENERATOR_NONE)
        return;
    reach->n++;
    if (look->state > reach->state)
        reach->state = look->state;
    if (look->value > reach->value)
        reach->value = look->value;
}

static bool are_many(uint64_t n, const struct generator *g)
{
    return n * 10 > g->n_seconds;
}

struct generator_look generator_verdict(const struct generator *g)
{
    struct generator_look look = {.state = g->n_seconds > 0 ? GENERATOR_CLEAN : 0};

    if (are_many(g->n_limited, g) || g->reach[GENERATOR_SOCKETS].n > 0)
        look.state = GENERATOR_LIMITED;
    else if (are_many(g->n_limited + g->n_degraded, g))
        look.state = GENERATOR_DEGRADED;
    if (look.state <= GENERATOR_CLEAN)
        return look;
    for (int i = GENERATOR_NONE + 1; i < GENERATOR_LIMIT__COUNT; i++)
        if (g->reach[i].state >= look.state && g->reach[i].n > g->reach[look.limit].n)
            look.limit = i;
    look.value = g->reach[look.limit].value;
    return look;
}

char *generator_text(const struct generator *g)
{
    struct generator_look look = generator_verdict(g);
    uint64_t v = look.value, n = g->reach[look.limit].n, all = g->n_seconds;

    switch (look.limit) {
    case GENERATOR_SOCKETS:
        return xasprintf("up to %" PRIu64 " requests a second found no port, descriptor or buffer, "
                         "in %" PRIu64 " of %" PRIu64 " s",
                         v, n, all);
    case GENERATOR_CPU:
        return xasprintf("an event loop had a CPU, or waited for one, up to %" PRIu64
                         " %% of the time, in %" PRIu64 " of %" PRIu64 " s",
                         v, n, all);
    case GENERATOR_STEAL:
        return xasprintf("the hypervisor took up to %" PRIu64 " %% of the CPUs, in %" PRIu64
                         " of %" PRIu64 " s",
                         v, n, all);
    case GENERATOR_LOOP:
        return xasprintf("an event loop was away for up to %" PRIu64 " ms, in %" PRIu64
                         " of %" PRIu64 " s",
                         v, n, all);
    case GENERATOR_WATCHDOG:
        return xasprintf("the watchdog held requests back, in %" PRIu64 " of %" PRIu64 " s", n,
                         all);
    default:
        return xstrdup("");
    }
}
