#include "worker/daemon/clock_sync.h"

#include <errno.h>
#include <stddef.h>

// Beyond 146 years an instant is garbage; below, no sum of four overflows.
#define INSTANT_MAX (INT64_MAX / 2)

void clock_sync_reset(struct clock_sync *cs)
{
    *cs = (struct clock_sync){0};
}

static bool is_instant(int64_t ns)
{
    return ns >= 0 && ns <= INSTANT_MAX;
}

// Half the round trip, for the path may be as unequal as that, and what the clocks may drift in
// between.
static int64_t error_at(const struct clock_sync_sample *s, int64_t now_ns)
{
    int64_t age_ns = now_ns > s->at_ns ? now_ns - s->at_ns : s->at_ns - now_ns;

    return (s->rtt_ns + 1) / 2 + 1 + age_ns / 1000000 * CLOCK_SYNC_DRIFT_PPM;
}

bool clock_sync_estimate(const struct clock_sync *cs, int64_t now_ns,
                         struct clock_sync_estimate *ret_estimate)
{
    const struct clock_sync_sample *best = NULL;

    for (uint32_t i = 0; i < cs->n_kept; i++) {
        const struct clock_sync_sample *s = &cs->sample[i];
        if (best == NULL || error_at(s, now_ns) < error_at(best, now_ns))
            best = s;
    }
    if (best == NULL)
        return false;
    *ret_estimate = (struct clock_sync_estimate){
        .offset_ns = best->offset_ns,
        .error_ns = error_at(best, now_ns),
        .rtt_ns = best->rtt_ns,
    };
    return true;
}

static bool contradicts(const struct clock_sync *cs, const struct clock_sync_sample *s)
{
    struct clock_sync_estimate e;

    if (!clock_sync_estimate(cs, s->at_ns, &e))
        return false;
    int64_t apart_ns =
        s->offset_ns > e.offset_ns ? s->offset_ns - e.offset_ns : e.offset_ns - s->offset_ns;
    return apart_ns > e.error_ns + error_at(s, s->at_ns);
}

int clock_sync_add(struct clock_sync *cs, int64_t t1_ns, int64_t t2_ns, int64_t t3_ns,
                   int64_t t4_ns)
{
    if (!is_instant(t1_ns) || !is_instant(t2_ns) || !is_instant(t3_ns) || !is_instant(t4_ns))
        return -EBADMSG;
    int64_t rtt_ns = (t4_ns - t1_ns) - (t3_ns - t2_ns);
    if (t4_ns < t1_ns || t3_ns < t2_ns || rtt_ns < 0)
        return -EBADMSG;

    struct clock_sync_sample s = {
        .at_ns = t4_ns,
        .offset_ns = (t2_ns - t1_ns) / 2 + (t3_ns - t4_ns) / 2,
        .rtt_ns = rtt_ns,
    };
    if (contradicts(cs, &s))
        cs->n_kept = cs->next = 0;
    cs->sample[cs->next] = s;
    cs->next = (cs->next + 1) % CLOCK_SYNC_KEEP;
    if (cs->n_kept < CLOCK_SYNC_KEEP)
        cs->n_kept++;
    if (cs->n_total < UINT32_MAX)
        cs->n_total++;
    return 0;
}
