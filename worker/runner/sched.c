#include "worker/runner/sched.h"

#include <math.h>

#include "common/clock.h"

#define PAUSE_MIN_NS (10 * NS_PER_MS)
#define PAUSE_MAX_NS NS_PER_S
// A rate in requests per 1000 s, times seconds, times two: so that the integral over a segment,
// (begin + end) * duration / 2, is a whole number and sums are exact. The largest plan has 6.3e17.
#define AREA_PER_REQUEST 2000

static int64_t later(int64_t at_ns, uint64_t n, int64_t unit_ns)
{
    int64_t ns;

    if (__builtin_mul_overflow(n, unit_ns, &ns) || __builtin_add_overflow(at_ns, ns, &ns))
        return INT64_MAX;
    return ns;
}

int64_t sched_after_s(int64_t begin_ns, uint64_t duration_s)
{
    return later(begin_ns, duration_s, NS_PER_S);
}

int64_t sched_after_ms(int64_t begin_ns, uint64_t duration_ms)
{
    return later(begin_ns, duration_ms, NS_PER_MS);
}

// Point n of a grid.
static int64_t grid(int64_t begin_ns, uint64_t n, uint64_t step_ms)
{
    uint64_t ms;

    return __builtin_mul_overflow(n, step_ms, &ms) ? INT64_MAX : sched_after_ms(begin_ns, ms);
}

// To the stage of the next client.
static void clients_settle(struct sched_clients *s)
{
    const struct plan_round *round = s->round;

    while (s->next < round->n_clients &&
           s->next - s->stage_first >= round->stages[s->stage].n_clients) {
        const struct plan_stage *stage = &round->stages[s->stage++];
        if (stage->n_clients > 0)
            s->stage_start_ns =
                grid(s->stage_start_ns, stage->n_clients - 1, stage->arrival_delay_ms);
        s->stage_start_ns =
            sched_after_ms(s->stage_start_ns, round->stages[s->stage].startup_delay_ms);
        s->stage_first += stage->n_clients;
    }
}

void sched_clients_init(struct sched_clients *s, const struct plan_round *round, int64_t start_ns,
                        uint32_t thread, uint32_t n_threads)
{
    int64_t begin_ns = sched_after_ms(start_ns, round->startup_delay_ms);

    *s = (struct sched_clients){
        .round = round,
        .n_threads = n_threads,
        .next = thread,
        .stage_start_ns = sched_after_ms(begin_ns, round->stages[0].startup_delay_ms),
    };
    clients_settle(s);
}

bool sched_clients_peek(const struct sched_clients *s, int64_t *ret_due_ns)
{
    if (s->next >= s->round->n_clients)
        return false;
    *ret_due_ns = grid(s->stage_start_ns, s->next - s->stage_first,
                       s->round->stages[s->stage].arrival_delay_ms);
    return true;
}

void sched_clients_pop(struct sched_clients *s)
{
    s->next += s->n_threads;
    clients_settle(s);
}

struct segment {
    uint64_t begin_mhz, end_mhz, duration_s;
};

static size_t n_segments(const struct plan_iteration *it)
{
    return it->n_ramp > 0 ? it->n_ramp : 1;
}

static struct segment segment_at(const struct plan_iteration *it, size_t i)
{
    if (it->n_ramp == 0)
        return (struct segment){it->rate_mhz, it->rate_mhz, it->duration_s};
    return (struct segment){i == 0 ? it->rate_mhz : it->ramp[i - 1].rate_mhz, it->ramp[i].rate_mhz,
                            it->ramp[i].duration_s};
}

static uint64_t segment_area(struct segment g)
{
    return (g.begin_mhz + g.end_mhz) * g.duration_s;
}

// When the integral from a segment's slow end reaches area, in ns from there. The usual solution
// of the quadratic equation, turned so that it has no difference in it: it loses no digits, and
// also serves a rate of 0 at the slow end.
static int64_t ramp_ns(long double slow_mhz, long double fast_mhz, uint64_t duration_s,
                       uint64_t area)
{
    long double gain = (fast_mhz - slow_mhz) / duration_s;

    if (area == 0)
        return 0;
    return (int64_t)(NS_PER_S * (area / (slow_mhz + sqrtl(slow_mhz * slow_mhz + gain * area))) +
                     0.5L);
}

// When the integral reaches area, in ns from the segment's begin: in [0, duration), as area is
// below the segment's.
static int64_t segment_ns(struct segment g, uint64_t area)
{
    int64_t duration_ns = (int64_t)g.duration_s * NS_PER_S, ns;

    if (g.begin_mhz == g.end_mhz) {
        // Rounded down. In two steps, as area * 10^9 is beyond 64 bits.
        uint64_t per_s = 2 * g.begin_mhz;
        return (int64_t)(area / per_s * NS_PER_S + area % per_s * (NS_PER_S / 2) / g.begin_mhz);
    }
    if (g.begin_mhz < g.end_mhz)
        ns = ramp_ns(g.begin_mhz, g.end_mhz, g.duration_s, area);
    else
        ns = duration_ns - ramp_ns(g.end_mhz, g.begin_mhz, g.duration_s, segment_area(g) - area);
    return ns < 0 ? 0 : ns < duration_ns ? ns : duration_ns - 1;
}

static long double segment_area_until(struct segment g, int64_t ns)
{
    long double s = (long double)ns / NS_PER_S;
    long double gain = ((long double)g.end_mhz - g.begin_mhz) / g.duration_s;

    return s * (2.0L * g.begin_mhz + gain * s);
}

static bool rate_is_over(const struct sched_rate *s)
{
    return s->segment >= n_segments(s->iteration);
}

// To the segment of the next request: the one in which the integral passes it. One at rate 0
// throughout is none's.
static void rate_settle(struct sched_rate *s)
{
    while (!rate_is_over(s)) {
        struct segment g = segment_at(s->iteration, s->segment);
        if (s->next < (s->before + segment_area(g) + AREA_PER_REQUEST - 1) / AREA_PER_REQUEST)
            break;
        s->before += segment_area(g);
        s->segment_ns += (int64_t)g.duration_s * NS_PER_S;
        s->segment++;
    }
}

// To this thread's first request that is not before k.
static void rate_jump(struct sched_rate *s, uint64_t k)
{
    if (k > s->next)
        s->next += (k - s->next + s->n_threads - 1) / s->n_threads * s->n_threads;
    rate_settle(s);
}

void sched_rate_init(struct sched_rate *s, const struct plan_iteration *iteration, int64_t start_ns,
                     uint32_t thread, uint32_t n_threads)
{
    *s = (struct sched_rate){
        .iteration = iteration, .start_ns = start_ns, .n_threads = n_threads, .next = thread};
    rate_settle(s);
}

bool sched_rate_peek(const struct sched_rate *s, int64_t *ret_due_ns)
{
    if (rate_is_over(s))
        return false;
    struct segment g = segment_at(s->iteration, s->segment);
    int64_t ns = s->segment_ns + segment_ns(g, s->next * AREA_PER_REQUEST - s->before);
    *ret_due_ns = later(s->start_ns, (uint64_t)ns, 1);
    return true;
}

void sched_rate_pop(struct sched_rate *s)
{
    s->next += s->n_threads;
    rate_settle(s);
}

uint64_t sched_rate_skip(struct sched_rate *s, int64_t now_ns)
{
    uint64_t first = s->next;
    int64_t elapsed_ns, due_ns;

    if (__builtin_sub_overflow(now_ns, s->start_ns, &elapsed_ns))
        elapsed_ns = now_ns < 0 ? INT64_MIN : INT64_MAX;
    while (!rate_is_over(s)) {
        struct segment g = segment_at(s->iteration, s->segment);
        if (elapsed_ns <= s->segment_ns)
            break;
        int64_t ns = elapsed_ns - s->segment_ns;
        if (ns < (int64_t)g.duration_s * NS_PER_S) {
            // Rounded, so from a little before it the last few go one by one, by the very rule of
            // peek.
            uint64_t k = (uint64_t)((s->before + segment_area_until(g, ns)) / AREA_PER_REQUEST);
            rate_jump(s, k > 2 ? k - 2 : 0);
            break;
        }
        rate_jump(s, (s->before + segment_area(g) + AREA_PER_REQUEST - 1) / AREA_PER_REQUEST);
    }
    while (sched_rate_peek(s, &due_ns) && due_ns < now_ns)
        sched_rate_pop(s);
    return (s->next - first) / s->n_threads;
}

void sched_batch_init(struct sched_batch *s, const struct plan_iteration *iteration,
                      int64_t start_ns)
{
    *s = (struct sched_batch){.iteration = iteration, .start_ns = start_ns};
}

bool sched_batch_peek(const struct sched_batch *s, int64_t *ret_due_ns, uint64_t *ret_n)
{
    const struct plan_iteration *it = s->iteration;
    uint64_t n = it->batch_size, sent;

    if (it->mode == PLAN_MODE_CRB) {
        if (__builtin_mul_overflow(s->next, it->batch_size, &sent) || sent >= it->request_count)
            return false;
        if (n > it->request_count - sent)
            n = it->request_count - sent;
    } else if (it->mode == PLAN_MODE_DCB &&
               grid(0, s->next, it->cool_down_ms) >= sched_after_s(0, it->duration_s)) {
        return false;
    }
    *ret_due_ns = grid(s->start_ns, s->next, it->cool_down_ms);
    *ret_n = n;
    return true;
}

void sched_batch_pop(struct sched_batch *s)
{
    s->next++;
}

// A closed loop against a port that refuses would turn at the speed of the CPU, measuring nothing
// and using up local ports. By duration the pause doubles, and 1 s is soon enough to notice that a
// target came back. By count the number of tries is bounded, and a long pause would only make a
// short test of a dead target take minutes.
int64_t sched_pause_ns(unsigned n, bool counted)
{
    if (counted)
        return PAUSE_MIN_NS;
    return n > 7 ? PAUSE_MAX_NS : PAUSE_MIN_NS << (n - 1);
}
