#include "worker/runner/sched.h"

#include "common/clock.h"

#define PAUSE_MIN_NS (10 * NS_PER_MS)
#define PAUSE_MAX_NS NS_PER_S

static int64_t later(int64_t at_ns, uint64_t n, int64_t unit_ns)
{
    int64_t ns;

    if (__builtin_mul_overflow(n, unit_ns, &ns) || __builtin_add_overflow(at_ns, ns, &ns))
        return INT64_MAX;
    return ns;
}

void sched_init(struct sched *s, int64_t start_ns, uint64_t delay_ms, uint64_t n_clients,
                uint32_t thread, uint32_t n_threads)
{
    *s = (struct sched){.start_ns = start_ns,
                        .delay_ms = delay_ms <= INT64_MAX ? (int64_t)delay_ms : INT64_MAX,
                        .n_clients = n_clients,
                        .next = thread,
                        .n_threads = n_threads};
}

bool sched_peek(const struct sched *s, int64_t *ret_due_ns)
{
    int64_t delay_ns;

    if (s->next >= s->n_clients)
        return false;
    if (__builtin_mul_overflow(s->delay_ms, NS_PER_MS, &delay_ns))
        delay_ns = INT64_MAX;
    *ret_due_ns = later(s->start_ns, s->next, delay_ns);
    return true;
}

void sched_pop(struct sched *s)
{
    s->next += s->n_threads;
}

int64_t sched_end_ns(int64_t begin_ns, uint64_t duration_s)
{
    return later(begin_ns, duration_s, NS_PER_S);
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
