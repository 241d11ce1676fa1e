#include "worker/runner/gate.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/str.h"
#include "worker/runner/pressure.h"
#include "worker/runner/watchdog.h"

// While requests were held back.
struct pause {
    int64_t begin_ns, end_ns; // INT64_MAX: they are still
};

struct gate {
    struct gate_config config;
    struct watchdog watchdog;
    struct pressure pressure;
    struct loop_timer look;
    uint32_t *host;       // by series: the first series of the same host name
    struct pause *pauses; // in their order, those of seconds that were asked for left out
    size_t n_pauses;
};

static const char *host_of(const struct gate *g, uint32_t series)
{
    const struct plan_round *round;
    const struct plan_iteration *it;

    plan_series(g->config.plan, series, &round, &it);
    return it->url.host;
}

static void find_hosts(struct gate *g)
{
    uint32_t n = plan_n_series(g->config.plan);

    g->host = xcalloc(n, sizeof *g->host);
    for (uint32_t i = 0; i < n; i++)
        while (strcmp(host_of(g, g->host[i]), host_of(g, i)) != 0)
            g->host[i]++;
}

// The host name with most requests in flight.
static void find_busiest(const struct gate *g, struct watchdog_sample *sample)
{
    uint32_t n = plan_n_series(g->config.plan);
    uint64_t *sums = xcalloc(n, sizeof *sums);

    for (uint32_t i = 0; i < n; i++) {
        uint64_t *sum = &sums[g->host[i]];
        *sum += g->config.in_flight(i, g->config.arg);
        if (*sum > sample->in_flight) {
            sample->in_flight = *sum;
            sample->host = host_of(g, i);
        }
    }
    free(sums);
}

static void note(struct gate *g, bool is_paused, int64_t now)
{
    if (!is_paused) {
        g->pauses[g->n_pauses - 1].end_ns = now;
        return;
    }
    g->pauses = xreallocarray(g->pauses, g->n_pauses + 1, sizeof *g->pauses);
    g->pauses[g->n_pauses++] = (struct pause){now, INT64_MAX};
}

static bool is_paused_now(const struct gate *g)
{
    return g->n_pauses > 0 && g->pauses[g->n_pauses - 1].end_ns == INT64_MAX;
}

static void on_look(struct loop_timer *timer)
{
    struct gate *g = container_of(timer, struct gate, look);
    int64_t now = loop_now(g->config.loop);
    struct watchdog_sample sample = {.host = ""};
    char why[200] = "";

    find_busiest(g, &sample);
    bool is_known = pressure_sample(&g->pressure, now, &sample) == 0;
    bool is_paused = watchdog_look(&g->watchdog, is_known ? &sample : NULL, now, why, sizeof why);
    if (why[0] != '\0')
        g->config.on_warning(why, g->config.arg);
    loop_timer_set(g->config.loop, timer, now + g->config.settings->sample_ms * NS_PER_MS);
    if (is_paused == is_paused_now(g))
        return;
    note(g, is_paused, now);
    g->config.on_change(is_paused, g->config.arg);
}

struct gate *gate_start(const struct gate_config *config)
{
    struct gate *g = xcalloc(1, sizeof *g);
    int64_t now = loop_now(config->loop);

    g->config = *config;
    g->look.on_due = on_look;
    find_hosts(g);
    watchdog_init(&g->watchdog, config->settings);
    pressure_init(&g->pressure, now);
    loop_timer_set(config->loop, &g->look, now + config->settings->sample_ms * NS_PER_MS);
    return g;
}

void gate_stop(struct gate *g)
{
    if (g != NULL)
        loop_timer_clear(g->config.loop, &g->look);
}

void gate_free(struct gate *g)
{
    if (g == NULL)
        return;
    pressure_done(&g->pressure);
    free(g->host);
    free(g->pauses);
    free(g);
}

uint64_t gate_paused_us(struct gate *g, int64_t k)
{
    int64_t begin = 0, end, sum = 0;
    size_t n = 0;

    if (g == NULL)
        return 0;
    begin = g->config.k_origin_ns + k * NS_PER_S;
    end = begin + NS_PER_S;
    for (size_t i = 0; i < g->n_pauses; i++) {
        struct pause p = g->pauses[i];
        int64_t now = loop_now(g->config.loop);
        int64_t from = p.begin_ns > begin ? p.begin_ns : begin;
        int64_t to = p.end_ns == INT64_MAX ? now : p.end_ns;
        to = to < end ? to : end;
        if (to > from)
            sum += to - from;
        if (p.end_ns > end)
            g->pauses[n++] = p;
    }
    g->n_pauses = n;
    return (uint64_t)(sum / NS_PER_US);
}
