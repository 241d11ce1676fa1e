// Within a plan's limits instants never decrease and stay inside, threads add up, and skipping is
// popping.
#include <assert.h>
#include <string.h>

#include "common/clock.h"
#include "worker/runner/sched.h"

#define STEPS_MAX 16 // of a ramp, of a round
#define EVENTS    64 // looked at one by one

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size;
};

// 0 to max, from a shift and eight bytes, so that small numbers are as likely as large ones; 0 past
// the end.
static uint64_t take(struct input *in, uint64_t max)
{
    uint8_t bytes[9] = {0};
    size_t n = in->size < sizeof bytes ? in->size : sizeof bytes;
    uint64_t v;

    if (n > 0)
        memcpy(bytes, in->data, n);
    in->data += n;
    in->size -= n;
    memcpy(&v, bytes + 1, sizeof v);
    v >>= bytes[0] % 64;
    return max == UINT64_MAX ? v : v % (max + 1);
}

static int64_t take_instant(struct input *in)
{
    uint64_t v = take(in, UINT64_MAX);

    return v <= INT64_MAX ? (int64_t)v : -(int64_t)(v - INT64_MAX - 1) - 1;
}

static void check_clients(const struct plan_round *round, int64_t start_ns, struct input *in)
{
    uint32_t n = (uint32_t)take(in, UINT32_MAX - 1) + 1, thread = (uint32_t)take(in, n - 1);
    struct sched_clients s;
    int64_t due, last = start_ns;

    sched_clients_init(&s, round, start_ns, thread, n);
    for (int i = 0; i < EVENTS && sched_clients_peek(&s, &due); i++, sched_clients_pop(&s)) {
        assert(due >= last && s.next < round->n_clients && s.next % n == thread);
        assert(s.next >= s.stage_first && s.stage < round->n_stages);
        last = due;
    }
}

// From a little earlier, one by one.
static void check_skipped(struct sched_rate s, uint64_t next, int64_t now_ns, uint64_t before_ns)
{
    int64_t due, from_ns;

    if (__builtin_sub_overflow(now_ns, before_ns, &from_ns))
        return;
    sched_rate_skip(&s, from_ns);
    for (int i = 0; i < EVENTS && sched_rate_peek(&s, &due) && due < now_ns; i++)
        sched_rate_pop(&s);
    if (!sched_rate_peek(&s, &due) || due >= now_ns)
        assert(s.next == next);
    assert(sched_rate_skip(&s, now_ns) == 0 || s.next == next);
}

static void check_rate(const struct plan_iteration *it, int64_t start_ns, struct input *in)
{
    uint32_t n = (uint32_t)take(in, 6) + 1, thread = (uint32_t)take(in, n - 1);
    int64_t end_ns = sched_after_s(start_ns, it->duration_s), due, last = start_ns;
    int64_t now_ns = sched_after_ms(start_ns, take(in, it->duration_s * 1000));
    struct sched_rate s, t;
    uint64_t sum = 0;

    if (take(in, 3) == 0)
        now_ns = take_instant(in);
    sched_rate_init(&s, it, start_ns, thread, n);
    t = s;
    uint64_t n_skipped = sched_rate_skip(&s, now_ns);
    assert(s.next == thread + n_skipped * n);
    check_skipped(t, s.next, now_ns, take(in, NS_PER_S));
    t = s;
    for (int i = 0; i < EVENTS && sched_rate_peek(&s, &due); i++, sched_rate_pop(&s)) {
        struct sched_rate u = t;
        int64_t again;
        assert(due >= last && due >= now_ns && (due < end_ns || due == INT64_MAX));
        sched_rate_skip(&u, due);
        assert(sched_rate_peek(&u, &again) && again == due && u.next <= s.next);
        assert(due == INT64_MAX || u.next == s.next);
        last = due;
    }
    for (uint32_t i = 0; i < n; i++) {
        sched_rate_init(&t, it, start_ns, i, n);
        sum += sched_rate_skip(&t, INT64_MAX);
        assert(!sched_rate_peek(&t, &due) || due == INT64_MAX);
    }
    sched_rate_init(&t, it, start_ns, 0, 1);
    assert(sched_rate_skip(&t, INT64_MAX) == sum);
}

static void check_batches(const struct plan_iteration *it, int64_t start_ns)
{
    int64_t end_ns = sched_after_s(start_ns, it->duration_s), due, last = start_ns;
    uint64_t n, sum = 0;
    struct sched_batch s;
    int i = 0;

    sched_batch_init(&s, it, start_ns);
    for (; i < EVENTS && sched_batch_peek(&s, &due, &n); i++, sched_batch_pop(&s)) {
        assert(due >= last && n > 0 && n <= it->batch_size);
        assert(it->mode != PLAN_MODE_DCB || due < end_ns || due == INT64_MAX);
        last = due;
        sum += n;
    }
    assert(i > 0 && (it->mode != PLAN_MODE_CB || i == EVENTS));
    assert(it->mode != PLAN_MODE_CRB ||
           (i == EVENTS ? sum <= it->request_count : sum == it->request_count));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct plan_stage stages[STEPS_MAX];
    struct plan_ramp ramp[STEPS_MAX];
    int64_t start_ns = take_instant(&in);
    uint64_t left_s = PLAN_DURATION_MAX_S, left = PLAN_CLIENTS_MAX;
    struct plan_iteration it = {.ramp = ramp, .rate_mhz = take(&in, PLAN_RATE_MAX_MHZ)};
    struct plan_round round = {.stages = stages, .startup_delay_ms = take(&in, PLAN_DELAY_MAX_MS)};

    for (it.n_ramp = take(&in, STEPS_MAX), round.n_stages = 0; round.n_stages < it.n_ramp;) {
        size_t i = round.n_stages++;
        ramp[i] = (struct plan_ramp){take(&in, PLAN_RATE_MAX_MHZ), take(&in, left_s)};
        left_s -= ramp[i].duration_s;
        it.duration_s += ramp[i].duration_s;
        stages[i].n_clients = take(&in, left);
        left -= stages[i].n_clients;
        round.n_clients += stages[i].n_clients;
        stages[i].arrival_delay_ms = take(&in, PLAN_DELAY_MAX_MS);
        stages[i].startup_delay_ms = take(&in, PLAN_DELAY_MAX_MS);
    }
    if (it.n_ramp == 0)
        it.duration_s = take(&in, left_s);
    check_rate(&it, start_ns, &in);
    if (round.n_stages > 0)
        check_clients(&round, start_ns, &in);
    it.mode = PLAN_MODE_CB + take(&in, 2);
    it.batch_size = take(&in, PLAN_BATCH_MAX - 1) + 1;
    it.cool_down_ms = take(&in, PLAN_DELAY_MAX_MS - 1) + 1;
    it.request_count = take(&in, PLAN_COUNT_MAX - 1) + 1;
    it.duration_s = take(&in, PLAN_DURATION_MAX_S - 1) + 1;
    check_batches(&it, start_ns);
    return 0;
}
