#include "worker/runner/watchdog.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/clock.h"

enum gauge_kind { MEMORY, CPU, IN_FLIGHT, GAUGE__COUNT };

struct gauge {
    double value;
    uint64_t max, cool; // max 0: it is not looked at
};

static void read_gauges(const struct watchdog *w, const struct watchdog_sample *sample,
                        struct gauge gauges[GAUGE__COUNT])
{
    const Lps__V1__WatchdogSettings *s = w->settings;

    gauges[MEMORY] = (struct gauge){(double)sample->memory_mb, s->max_memory_mb, s->cool_memory_mb};
    gauges[CPU] = (struct gauge){sample->cpu_percent, s->max_cpu_percent, s->cool_cpu_percent};
    gauges[IN_FLIGHT] =
        (struct gauge){(double)sample->in_flight, s->max_in_flight, s->cool_in_flight};
}

// A CPU cannot be busier than its limit of 100, so that one is passed when it is reached.
static bool is_passed(enum gauge_kind kind, double value, uint64_t limit)
{
    return kind == CPU ? value >= (double)limit : value > (double)limit;
}

static bool is_pressed(const struct gauge gauges[GAUGE__COUNT], bool all, bool to_cool)
{
    int n_limits = 0, n_passed = 0;

    for (enum gauge_kind i = 0; i < GAUGE__COUNT; i++) {
        if (gauges[i].max == 0)
            continue;
        n_limits++;
        n_passed += is_passed(i, gauges[i].value, to_cool ? gauges[i].cool : gauges[i].max);
    }
    return n_passed > 0 && (!all || n_passed == n_limits);
}

static bool holds(enum watchdog_state state)
{
    return state == WATCHDOG_HOT || state == WATCHDOG_COOLING;
}

static enum watchdog_state next_state(const struct watchdog *w,
                                      const struct watchdog_sample *sample, int64_t now_ns)
{
    int64_t lasted_ns = now_ns - w->since_ns;
    struct gauge gauges[GAUGE__COUNT];

    if (sample == NULL)
        return WATCHDOG_BLIND;
    if (w->state == WATCHDOG_RESUMED && lasted_ns < w->settings->resume_ms * NS_PER_MS)
        return WATCHDOG_RESUMED;
    read_gauges(w, sample, gauges);
    bool is_hot = is_pressed(gauges, w->settings->all, false);
    if (!holds(w->state))
        return is_hot ? WATCHDOG_HOT : WATCHDOG_COOL;
    if (!is_pressed(gauges, w->settings->all, true))
        return WATCHDOG_COOL;
    if (lasted_ns >= w->settings->max_cooling_ms * NS_PER_MS)
        return WATCHDOG_RESUMED;
    return is_hot ? WATCHDOG_HOT : WATCHDOG_COOLING;
}

static void tell_limits(const struct watchdog *w, const struct watchdog_sample *sample, char *why,
                        size_t size)
{
    const char *between = "requests are held back:";
    struct gauge gauges[GAUGE__COUNT];
    size_t len = 0;

    read_gauges(w, sample, gauges);
    for (enum gauge_kind i = 0; i < GAUGE__COUNT && len < size; i++) {
        if (gauges[i].max == 0 || !is_passed(i, gauges[i].value, gauges[i].max))
            continue;
        char *at = why + len;
        size_t room = size - len;
        int n = i == MEMORY ? snprintf(at, room, "%s %" PRIu64 " MiB of memory, limit %" PRIu64,
                                       between, sample->memory_mb, gauges[i].max)
                : i == CPU  ? snprintf(at, room, "%s %.1f %% of CPU, limit %" PRIu64, between,
                                       sample->cpu_percent, gauges[i].max)
                            : snprintf(at, room, "%s %" PRIu64 " in flight to %s, limit %" PRIu64,
                                       between, sample->in_flight, sample->host, gauges[i].max);
        len += (size_t)n;
        between = ";";
    }
}

static void tell(const struct watchdog *w, enum watchdog_state next,
                 const struct watchdog_sample *sample, int64_t now_ns, char *why, size_t size)
{
    double lasted_s = (double)(now_ns - w->since_ns) / NS_PER_S;
    bool is_change = holds(w->state) != holds(next);

    if (next == WATCHDOG_BLIND && w->state != WATCHDOG_BLIND)
        snprintf(why, size, "requests flow: this host's memory and CPU cannot be read");
    else if (is_change && next == WATCHDOG_HOT)
        tell_limits(w, sample, why, size);
    else if (is_change && next == WATCHDOG_RESUMED)
        snprintf(why, size, "requests flow for %g s, whatever the pressure, after %.2f s",
                 w->settings->resume_ms / 1000.0, lasted_s);
    else if (is_change)
        snprintf(why, size, "requests flow again after %.2f s", lasted_s);
    else
        snprintf(why, size, "%s", "");
}

void watchdog_init(struct watchdog *w, const Lps__V1__WatchdogSettings *settings)
{
    *w = (struct watchdog){.settings = settings, .state = WATCHDOG_COOL};
}

bool watchdog_look(struct watchdog *w, const struct watchdog_sample *sample, int64_t now_ns,
                   char *why, size_t size)
{
    enum watchdog_state next = next_state(w, sample, now_ns);

    tell(w, next, sample, now_ns, why, size);
    if (holds(w->state) != holds(next))
        w->since_ns = now_ns;
    w->state = next;
    return holds(next);
}
