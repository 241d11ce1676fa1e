#include "worker/runner/sched.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/str.h"

#define N_OF(array) (sizeof(array) / sizeof(array)[0])
#define HOUR_S      3600
#define HOUR_NS     (HOUR_S * NS_PER_S)
#define AT_NS       (123456789 * NS_PER_S + 7) // some start

static struct plan_round round_of(const struct plan_stage *stages, size_t n_stages)
{
    struct plan_round round = {.stages = (struct plan_stage *)stages, .n_stages = n_stages};

    for (size_t i = 0; i < n_stages; i++)
        round.n_clients += stages[i].n_clients;
    return round;
}

static struct plan_iteration constant(uint64_t rate_mhz, uint64_t duration_s)
{
    return (struct plan_iteration){
        .mode = PLAN_MODE_D, .is_open = true, .rate_mhz = rate_mhz, .duration_s = duration_s};
}

static struct plan_iteration ramped(uint64_t rate_mhz, const struct plan_ramp *ramp, size_t n_ramp)
{
    struct plan_iteration it = constant(rate_mhz, 0);

    it.ramp = (struct plan_ramp *)ramp;
    it.n_ramp = n_ramp;
    for (size_t i = 0; i < n_ramp; i++)
        it.duration_s += ramp[i].duration_s;
    return it;
}

// Due instants, from the start; ended by -1.
static void clients_are_due(const struct plan_round *round, const int64_t *want_ms)
{
    struct sched_clients s;
    int64_t due;

    sched_clients_init(&s, round, AT_NS, 0, 1);
    for (; *want_ms >= 0; want_ms++, sched_clients_pop(&s)) {
        assert_true(sched_clients_peek(&s, &due));
        assert_int_equal(due - AT_NS, *want_ms * NS_PER_MS);
    }
    assert_false(sched_clients_peek(&s, &due));
}

static void no_clients_means_no_arrival(void **unused)
{
    const struct plan_stage none[] = {{0, 100, 5}, {0, 0, 0}};
    struct plan_round round = round_of(none, 1);

    (void)unused;
    clients_are_due(&round, (int64_t[]){-1});
    round = round_of(none, 2);
    clients_are_due(&round, (int64_t[]){-1});
}

static void a_thread_beyond_the_clients_gets_none(void **unused)
{
    const struct plan_stage stages[] = {{2, 100, 0}, {1, 0, 0}};
    struct plan_round round = round_of(stages, 2);
    struct sched_clients s;
    int64_t due;

    (void)unused;
    sched_clients_init(&s, &round, 5, 3, 4);
    assert_false(sched_clients_peek(&s, &due));
    sched_clients_init(&s, &round, 5, UINT32_MAX - 1, UINT32_MAX);
    assert_false(sched_clients_peek(&s, &due));
    sched_clients_init(&s, &round, 5, 2, 4);
    assert_true(sched_clients_peek(&s, &due));
    assert_int_equal(due, 5 + 100 * NS_PER_MS);
}

static void a_stage_begins_after_the_last_client_of_the_one_before(void **unused)
{
    const struct plan_stage stages[] = {{2, 100, 0}, {2, 50, 300}};
    struct plan_round round = round_of(stages, 2);

    (void)unused;
    clients_are_due(&round, (int64_t[]){0, 100, 400, 450, -1});
}

static void the_round_waits_first_and_then_its_first_stage(void **unused)
{
    const struct plan_stage stages[] = {{3, 200, 40}};
    struct plan_round round = round_of(stages, 1);

    (void)unused;
    round.startup_delay_ms = 1000;
    clients_are_due(&round, (int64_t[]){1040, 1240, 1440, -1});
}

static void stages_of_none_and_of_one_only_delay(void **unused)
{
    const struct plan_stage stages[] = {{0, 70, 5}, {1, 900, 10}, {0, 9, 0}, {1, 1, 20}, {2, 3, 0}};
    struct plan_round round = round_of(stages, N_OF(stages));

    (void)unused;
    clients_are_due(&round, (int64_t[]){15, 35, 35, 38, -1});
}

static void clients_without_delays_are_all_due_at_once(void **unused)
{
    const struct plan_stage stages[] = {{3, 0, 0}, {2, 0, 0}};
    struct plan_round round = round_of(stages, 2);

    (void)unused;
    clients_are_due(&round, (int64_t[]){0, 0, 0, 0, 0, -1});
}

static void threads_share_the_clients_between_them(void **unused)
{
    const struct plan_stage stages[] = {{4, 200, 0}, {1, 7, 30}, {1, 0, 0}, {5, 11, 13}};
    struct plan_round round = round_of(stages, N_OF(stages));
    int64_t want[11], due;
    struct sched_clients s;
    int i = 0;

    (void)unused;
    sched_clients_init(&s, &round, AT_NS, 0, 1);
    for (; sched_clients_peek(&s, &due); sched_clients_pop(&s))
        want[i++] = due;
    assert_int_equal(i, N_OF(want));
    for (uint32_t n = 1; n <= 13; n++)
        for (uint32_t t = 0; t < n; t++) {
            size_t k = t;
            sched_clients_init(&s, &round, AT_NS, t, n);
            for (; sched_clients_peek(&s, &due); sched_clients_pop(&s), k += n)
                assert_int_equal(due, want[k]);
            assert_true(k >= N_OF(want) && k < N_OF(want) + n);
        }
}

static void a_million_clients_in_a_thousand_stages_do_not_drift(void **unused)
{
    enum { STAGES = PLAN_STAGES_MAX, EACH = PLAN_CLIENTS_MAX / STAGES };
    struct plan_stage *stages = xcalloc(STAGES, sizeof *stages);
    struct sched_clients s;
    int64_t due, begin_ms = 0;
    int wrong = 0;

    (void)unused;
    for (uint64_t i = 0; i < STAGES; i++)
        stages[i] = (struct plan_stage){EACH, i % 7, i % 1013};
    struct plan_round round = round_of(stages, STAGES);
    sched_clients_init(&s, &round, AT_NS, 0, 1);
    for (uint64_t i = 0; i < STAGES; i++) {
        begin_ms += i % 1013;
        for (uint64_t k = 0; k < EACH; k++, sched_clients_pop(&s))
            wrong += !sched_clients_peek(&s, &due) ||
                     due != AT_NS + (begin_ms + (int64_t)(k * (i % 7))) * NS_PER_MS;
        begin_ms += (EACH - 1) * (i % 7);
    }
    assert_int_equal(wrong, 0);
    assert_false(sched_clients_peek(&s, &due));
    free(stages);
}

static void the_largest_round_is_exact(void **unused)
{
    const struct plan_stage stages[] = {{PLAN_CLIENTS_MAX, PLAN_DELAY_MAX_MS, PLAN_DELAY_MAX_MS}};
    struct plan_round round = round_of(stages, 1);
    struct sched_clients s;
    int64_t due;

    (void)unused;
    // 2740 years are beyond the clock, 292 are not.
    sched_clients_init(&s, &round, 0, 100000, PLAN_CLIENTS_MAX);
    assert_true(sched_clients_peek(&s, &due));
    assert_int_equal(due, 100001LL * PLAN_DELAY_MAX_MS * NS_PER_MS);
    sched_clients_init(&s, &round, 0, PLAN_CLIENTS_MAX - 1, PLAN_CLIENTS_MAX);
    assert_true(sched_clients_peek(&s, &due));
    assert_int_equal(due, INT64_MAX);
}

static void an_instant_beyond_the_clock_is_never(void **unused)
{
    const struct plan_stage stages[] = {{2, 1, 0}, {2, UINT64_MAX, UINT64_MAX}, {1, 0, 1}};
    struct plan_round round = round_of(stages, 3);
    struct sched_clients s;
    int64_t due;

    (void)unused;
    for (uint32_t t = 1; t < 5; t++) {
        sched_clients_init(&s, &round, INT64_MAX - 1, t, 5);
        assert_true(sched_clients_peek(&s, &due));
        assert_int_equal(due, INT64_MAX);
    }
    sched_clients_init(&s, &round, INT64_MAX - 1, 0, 5);
    assert_true(sched_clients_peek(&s, &due));
    assert_int_equal(due, INT64_MAX - 1);
    assert_int_equal(sched_after_s(1, UINT64_MAX), INT64_MAX);
    assert_int_equal(sched_after_s(INT64_MAX - NS_PER_S, 1), INT64_MAX);
    assert_int_equal(sched_after_s(INT64_MAX - NS_PER_S + 1, 1), INT64_MAX);
    assert_int_equal(sched_after_s(5, 2), 5 + 2 * NS_PER_S);
    assert_int_equal(sched_after_s(-5, 0), -5);
    assert_int_equal(sched_after_ms(1, UINT64_MAX), INT64_MAX);
    assert_int_equal(sched_after_ms(5, 2), 5 + 2 * NS_PER_MS);
}

// Request k of this iteration, by a thread of its own; -1: none.
static int64_t due_of(const struct plan_iteration *it, uint32_t k)
{
    struct sched_rate s;
    int64_t due;

    sched_rate_init(&s, it, AT_NS, k, UINT32_MAX);
    return sched_rate_peek(&s, &due) ? due - AT_NS : -1;
}

// All requests, one by one, as due instants from the start; at most max, ascending and in time.
static size_t list_rate(const struct plan_iteration *it, uint32_t thread, uint32_t n_threads,
                        int64_t *ret_due, size_t max)
{
    struct sched_rate s;
    size_t n = 0;
    int64_t due;

    sched_rate_init(&s, it, AT_NS, thread, n_threads);
    for (; sched_rate_peek(&s, &due); sched_rate_pop(&s)) {
        assert_true(n < max && due >= AT_NS);
        assert_true(due < AT_NS + (int64_t)it->duration_s * NS_PER_S);
        assert_true(n == 0 || due - AT_NS >= ret_due[n - 1]);
        ret_due[n++] = due - AT_NS;
    }
    return n;
}

static void a_rate_of_zero_sends_nothing(void **unused)
{
    const struct plan_ramp ramp[] = {{0, 10}, {0, 5}};
    struct plan_iteration it = constant(0, 3600);
    struct sched_rate s;
    int64_t due;

    (void)unused;
    assert_int_equal(due_of(&it, 0), -1);
    it = ramped(0, ramp, 2);
    assert_int_equal(due_of(&it, 0), -1);
    sched_rate_init(&s, &it, 0, 0, 1);
    assert_int_equal(sched_rate_skip(&s, INT64_MAX), 0);
    assert_false(sched_rate_peek(&s, &due));
}

static void the_first_is_due_at_once_and_none_at_the_end(void **unused)
{
    struct plan_iteration it = constant(1000, 3);

    (void)unused;
    assert_int_equal(due_of(&it, 0), 0);
    assert_int_equal(due_of(&it, 1), NS_PER_S);
    assert_int_equal(due_of(&it, 2), 2 * NS_PER_S);
    assert_int_equal(due_of(&it, 3), -1);
    it = constant(1, 1000); // the second would be due when the time is over
    assert_int_equal(due_of(&it, 0), 0);
    assert_int_equal(due_of(&it, 1), -1);
    it = constant(1, 1001);
    assert_int_equal(due_of(&it, 1), 1000 * NS_PER_S);
    assert_int_equal(due_of(&it, 2), -1);
}

static void instants_are_rounded_down_to_a_nanosecond(void **unused)
{
    struct plan_iteration it = constant(3000, 2);

    (void)unused;
    assert_int_equal(due_of(&it, 1), 333333333);
    assert_int_equal(due_of(&it, 2), 666666666);
    assert_int_equal(due_of(&it, 3), 1000000000);
    assert_int_equal(due_of(&it, 5), 1666666666);
    assert_int_equal(due_of(&it, 6), -1);
}

// Request k at k * 10^12 / rate, by long division, a digit at a time.
static int64_t exact_ns(uint64_t k, uint64_t rate_mhz)
{
    uint64_t whole = k / rate_mhz, rest = k % rate_mhz;

    for (int i = 0; i < 12; i++) {
        rest *= 10;
        whole = whole * 10 + rest / rate_mhz;
        rest %= rate_mhz;
    }
    return (int64_t)whole;
}

static void a_constant_rate_does_not_drift_in_a_year(void **unused)
{
    const uint64_t rates_mhz[] = {1,       7,       999,     1000,     33333,
                                  1000000, 7777777, 3e9 + 1, 1e10 - 1, PLAN_RATE_MAX_MHZ};

    (void)unused;
    for (size_t i = 0; i < N_OF(rates_mhz); i++) {
        struct plan_iteration it = constant(rates_mhz[i], PLAN_DURATION_MAX_S);
        uint64_t n = (rates_mhz[i] * PLAN_DURATION_MAX_S + 999) / 1000;
        struct sched_rate s;
        int64_t due;
        for (int64_t hour = 0; hour < PLAN_DURATION_MAX_S / HOUR_S; hour += 97) {
            sched_rate_init(&s, &it, AT_NS, 0, 1);
            uint64_t skipped = sched_rate_skip(&s, AT_NS + hour * HOUR_NS);
            for (int j = 0; j < 5 && skipped + (uint64_t)j < n; j++, sched_rate_pop(&s)) {
                assert_true(sched_rate_peek(&s, &due));
                assert_int_equal(due - AT_NS, exact_ns(skipped + (uint64_t)j, rates_mhz[i]));
            }
        }
        sched_rate_init(&s, &it, AT_NS, 0, 1);
        assert_int_equal(sched_rate_skip(&s, INT64_MAX), n);
        assert_false(sched_rate_peek(&s, &due));
    }
}

static void an_hour_one_by_one_is_exact(void **unused)
{
    struct plan_iteration it = constant(333333, HOUR_S);
    struct sched_rate s;
    int64_t due;
    uint64_t k = 0;
    int wrong = 0;

    (void)unused;
    sched_rate_init(&s, &it, AT_NS, 0, 1);
    for (; sched_rate_peek(&s, &due); sched_rate_pop(&s), k++)
        wrong += due - AT_NS != (int64_t)(k * 1000000000000 / 333333);
    assert_int_equal(wrong, 0);
    assert_int_equal(k, 1199999); // 333.333 * 3600 = 1199998.8
}

// The iterations that several tests walk through.
static const struct plan_ramp up[] = {{50000, 10}};
static const struct plan_ramp down_up[] = {{0, 7}, {0, 3}, {40000, 9}, {40000, 4}, {1, 13}};
static const struct plan_ramp late[] = {{0, 5}, {20000, 0}, {20000, 3}};
static const struct plan_ramp slow[] = {{17, 60}, {1, 300}, {1, 2500}, {0, 1000}};
static const struct plan_ramp steps[] = {{1001, 3}, {77777, 11}, {5, 2}, {5, 2}, {123456, 1}};

static const struct ramp_case {
    uint64_t rate_mhz;
    const struct plan_ramp *ramp;
    size_t n_ramp;
    uint64_t n; // ceil(integral)
} ramps[] = {
    {0, up, N_OF(up), 250},
    {50000, up, N_OF(up), 500},
    {100000, up, N_OF(up), 750},
    {30000, down_up, N_OF(down_up), 706}, // 105 + 0 + 180 + 160 + 260.0065
    {0, late, N_OF(late), 60},
    {0, slow, N_OF(slow), 7},       // 0.51 + 2.7 + 2.5 + 0.5
    {999, steps, N_OF(steps), 576}, // 3 + 433.279 + 77.782 + 0.01 + 61.7305 = 575.8015
};

static struct plan_iteration ramp_at(size_t i)
{
    return ramped(ramps[i].rate_mhz, ramps[i].ramp, ramps[i].n_ramp);
}

static void a_ramp_sends_its_integral_rounded_up(void **unused)
{
    int64_t due[1000];

    (void)unused;
    for (size_t i = 0; i < N_OF(ramps); i++) {
        struct plan_iteration it = ramp_at(i);
        assert_int_equal(list_rate(&it, 0, 1, due, N_OF(due)), ramps[i].n);
    }
}

// The rate at an instant, from the definition.
static long double rate_at(const struct plan_iteration *it, long double s)
{
    long double begin = it->rate_mhz;

    for (size_t i = 0; i < it->n_ramp; i++) {
        long double end = it->ramp[i].rate_mhz, duration = it->ramp[i].duration_s;
        if (s < duration)
            return (begin + (end - begin) * s / duration) / 1000;
        s -= duration;
        begin = end;
    }
    return 0;
}

static void ramps_follow_the_integral_of_their_rate(void **unused)
{
    const long double step_s = 1e-3L;
    int64_t due[1000];

    (void)unused;
    for (size_t i = 0; i < N_OF(ramps); i++) {
        struct plan_iteration it = ramp_at(i);
        size_t n = list_rate(&it, 0, 1, due, N_OF(due)), k = 0;
        long double sum = 0;
        // The midpoint rule is exact in a step where the rate is linear, and all steps are.
        for (int64_t j = 0; k < n; j++) {
            long double gain = rate_at(&it, (j + 0.5L) * step_s) * step_s;
            int64_t begin_ns = j * NS_PER_MS;
            assert_true(j < (int64_t)it.duration_s * 1000);
            for (; k < n && due[k] < begin_ns + NS_PER_MS; k++) {
                assert_true(due[k] >= begin_ns);
                assert_true(k > sum - 1e-6L && k < sum + gain + 1e-6L);
            }
            sum += gain;
        }
    }
}

static void ramps_have_known_instants(void **unused)
{
    const struct plan_ramp down[] = {{0, 2}};
    const struct plan_ramp gentle[] = {{2000, 100}};
    struct plan_iteration it = ramped(0, gentle, 1); // t^2 / 100

    (void)unused;
    for (uint32_t k = 0; k < 100; k++) {
        int64_t off = due_of(&it, k) - (int64_t)(sqrtl(k * 100.0L) * NS_PER_S + 0.5L);
        assert_true(off >= -1 && off <= 1);
    }
    assert_int_equal(due_of(&it, 25), 50 * NS_PER_S);
    assert_int_equal(due_of(&it, 81), 90 * NS_PER_S);
    assert_int_equal(due_of(&it, 100), -1);
    it = ramped(4000, down, 1); // 4 t - t^2
    assert_int_equal(due_of(&it, 0), 0);
    assert_int_equal(due_of(&it, 1), 267949192); // 2 - sqrt 3
    assert_int_equal(due_of(&it, 2), 585786438); // 2 - sqrt 2
    assert_int_equal(due_of(&it, 3), NS_PER_S);
    assert_int_equal(due_of(&it, 4), -1);
}

static void a_last_one_close_to_the_end_stays_before_it(void **unused)
{
    const struct plan_ramp steep[] = {{9999998001, 1}}; // its last is due 0.05 ns before the end
    const struct plan_ramp back[] = {{9999998000, 1}};
    struct plan_iteration it = ramped(0, steep, 1);

    (void)unused;
    assert_int_equal(due_of(&it, 4999999), NS_PER_S - 1);
    assert_int_equal(due_of(&it, 5000000), -1);
    it = ramped(1 + 9999998000, back, 1);
    assert_int_equal(due_of(&it, 9999998), NS_PER_S - 1);
    assert_int_equal(due_of(&it, 9999999), -1);
}

static void the_first_waits_until_a_rate_begins(void **unused)
{
    struct plan_iteration it = ramped(0, late, N_OF(late));

    (void)unused;
    assert_int_equal(due_of(&it, 0), 5 * NS_PER_S);
    assert_int_equal(due_of(&it, 1), 5 * NS_PER_S + 50 * NS_PER_MS);
}

static void a_flat_ramp_is_a_constant_rate(void **unused)
{
    const struct plan_ramp flat[] = {{7777777, 3}, {7777777, 1}, {7777777, 6}};
    struct plan_iteration a = constant(7777777, 10), b = ramped(7777777, flat, 3);

    (void)unused;
    for (uint32_t k = 0; k < 80000; k += 7) {
        int64_t off = due_of(&a, k) - due_of(&b, k);
        assert_true(off >= -1 && off <= 1); // segments begin between two requests
        assert_int_equal(due_of(&a, k) < 0, k > 77777);
    }
}

static void a_year_down_to_zero_keeps_its_digits(void **unused)
{
    const struct plan_ramp down[] = {{0, PLAN_DURATION_MAX_S}};
    struct plan_iteration it = ramped(PLAN_RATE_MAX_MHZ, down, 1);
    const int64_t end_ns = PLAN_DURATION_MAX_S * NS_PER_S;
    struct sched_rate s;
    int64_t due;

    (void)unused;
    sched_rate_init(&s, &it, 0, 0, 1);
    // The last second's share is rate / duration / 2 = 0.158 of a request; one is left from
    // sqrt(2 / (10^7 / duration)) = 2.511 s before the end on, m from sqrt(m) times that.
    for (int m = 1000; m > 0; m--) {
        int64_t left = (int64_t)(sqrtl(2.0L * m * PLAN_DURATION_MAX_S / 10000000) * NS_PER_S);
        sched_rate_skip(&s, end_ns - left - 2);
        assert_true(sched_rate_peek(&s, &due));
        assert_true(due >= end_ns - left - 2 && due <= end_ns - left + 2);
    }
    sched_rate_pop(&s);
    assert_false(sched_rate_peek(&s, &due));
    assert_int_equal(s.next, 10000000ULL * PLAN_DURATION_MAX_S / 2);
}

static void threads_together_send_what_one_would(void **unused)
{
    static int64_t want[20000], got[20000];
    const struct plan_iteration odd = constant(1234567, 10);

    (void)unused;
    for (size_t i = 0; i <= N_OF(ramps); i++) {
        struct plan_iteration it = i < N_OF(ramps) ? ramp_at(i) : odd;
        size_t n = list_rate(&it, 0, 1, want, N_OF(want));
        for (uint32_t threads = 1; threads <= 7; threads++)
            for (uint32_t t = 0; t < threads; t++) {
                size_t share = list_rate(&it, t, threads, got, N_OF(got));
                assert_int_equal(share, (n + threads - 1 - t) / threads);
                for (size_t k = 0; k < share; k++)
                    assert_int_equal(got[k], want[k * threads + t]);
            }
    }
}

static void skipping_is_popping(void **unused)
{
    static int64_t due[20000];
    const struct plan_iteration odd = constant(1234567, 10);
    unsigned random = 1;

    (void)unused;
    for (size_t i = 0; i <= N_OF(ramps); i++)
        for (uint32_t threads = 1; threads <= 3; threads++) {
            struct plan_iteration it = i < N_OF(ramps) ? ramp_at(i) : odd;
            size_t n = list_rate(&it, threads - 1, threads, due, N_OF(due)), k = 0;
            int64_t end_ns = (int64_t)it.duration_s * NS_PER_S, now = -5, next;
            struct sched_rate s;
            sched_rate_init(&s, &it, AT_NS, threads - 1, threads);
            while (now < end_ns) {
                uint64_t passed = 0;
                for (; k < n && due[k] < now; k++)
                    passed++;
                assert_int_equal(sched_rate_skip(&s, AT_NS + now), passed);
                assert_int_equal(sched_rate_skip(&s, AT_NS + now), 0);
                assert_int_equal(sched_rate_peek(&s, &next), k < n);
                if (k < n)
                    assert_int_equal(next, AT_NS + due[k]);
                random = random * 1103515245 + 12345;
                // Exactly at an instant, just past it, or anywhere.
                if (k < n && random % 4 == 0)
                    now = due[k];
                else if (k < n && random % 4 == 1)
                    now = due[k] + 1;
                else
                    now += random / 65536 * (end_ns / 1000000);
            }
        }
}

static void skipping_back_in_time_passes_none(void **unused)
{
    struct plan_iteration it = constant(1000, 10);
    struct sched_rate s;

    (void)unused;
    sched_rate_init(&s, &it, AT_NS, 0, 1);
    assert_int_equal(sched_rate_skip(&s, AT_NS), 0);
    assert_int_equal(sched_rate_skip(&s, AT_NS + 1), 1);
    assert_int_equal(sched_rate_skip(&s, INT64_MIN), 0);
    assert_int_equal(sched_rate_skip(&s, INT64_MAX), 9);
    assert_int_equal(sched_rate_skip(&s, INT64_MAX), 0);
    sched_rate_init(&s, &it, INT64_MIN, 0, 1);
    assert_int_equal(sched_rate_skip(&s, INT64_MAX), 10);
    it = constant(PLAN_RATE_MAX_MHZ, PLAN_DURATION_MAX_S);
    sched_rate_init(&s, &it, INT64_MIN, 0, 1);
    assert_int_equal(sched_rate_skip(&s, 0), 10000000ULL * PLAN_DURATION_MAX_S);
    it = ramped(0, late, N_OF(late)); // the next one's segment begins late
    sched_rate_init(&s, &it, 0, 0, 1);
    assert_int_equal(sched_rate_skip(&s, INT64_MIN), 0);
}

static void a_rate_beyond_the_clock_is_never(void **unused)
{
    struct plan_iteration it = constant(1000000000, 10); // one a microsecond
    struct sched_rate s;
    int64_t due;

    (void)unused;
    sched_rate_init(&s, &it, INT64_MAX - 2500, 0, 1);
    assert_int_equal(sched_rate_skip(&s, INT64_MAX), 3);
    assert_true(sched_rate_peek(&s, &due));
    assert_int_equal(due, INT64_MAX);
}

// Pairs of instant in ms and size; ended by -1.
static void batches_are(const struct plan_iteration *it, int64_t (*want)[2])
{
    struct sched_batch s;
    int64_t due;
    uint64_t n;

    sched_batch_init(&s, it, AT_NS);
    for (; (*want)[0] >= 0; want++, sched_batch_pop(&s)) {
        assert_true(sched_batch_peek(&s, &due, &n));
        assert_int_equal(due - AT_NS, (*want)[0] * NS_PER_MS);
        assert_int_equal(n, (*want)[1]);
    }
    assert_false(sched_batch_peek(&s, &due, &n));
}

static void the_last_batch_of_a_count_may_be_smaller(void **unused)
{
    struct plan_iteration it = {
        .mode = PLAN_MODE_CRB, .request_count = 25, .batch_size = 10, .cool_down_ms = 500};

    (void)unused;
    batches_are(&it, (int64_t[][2]){{0, 10}, {500, 10}, {1000, 5}, {-1, 0}});
    it.request_count = 20;
    batches_are(&it, (int64_t[][2]){{0, 10}, {500, 10}, {-1, 0}});
    it.request_count = 1;
    batches_are(&it, (int64_t[][2]){{0, 1}, {-1, 0}});
}

static void batches_by_time_end_before_the_duration_does(void **unused)
{
    struct plan_iteration it = {
        .mode = PLAN_MODE_DCB, .duration_s = 1, .batch_size = 2, .cool_down_ms = 400};

    (void)unused;
    batches_are(&it, (int64_t[][2]){{0, 2}, {400, 2}, {800, 2}, {-1, 0}});
    it.cool_down_ms = 500; // the third would be due at the end
    batches_are(&it, (int64_t[][2]){{0, 2}, {500, 2}, {-1, 0}});
    it.cool_down_ms = 499;
    batches_are(&it, (int64_t[][2]){{0, 2}, {499, 2}, {998, 2}, {-1, 0}});
    it.cool_down_ms = 1000;
    batches_are(&it, (int64_t[][2]){{0, 2}, {-1, 0}});
}

static void batches_without_an_end_go_on_for_ever(void **unused)
{
    struct plan_iteration it = {.mode = PLAN_MODE_CB, .batch_size = 3, .cool_down_ms = 1};
    struct sched_batch s;
    int64_t due;
    uint64_t n;

    (void)unused;
    sched_batch_init(&s, &it, AT_NS);
    for (int64_t b = 0; b < 1000; b++, sched_batch_pop(&s)) {
        assert_true(sched_batch_peek(&s, &due, &n));
        assert_int_equal(due, AT_NS + b * NS_PER_MS);
        assert_int_equal(n, 3);
    }
    s.next = UINT64_MAX / 2;
    assert_true(sched_batch_peek(&s, &due, &n));
    assert_int_equal(due, INT64_MAX);
}

static void a_batch_beyond_the_clock_is_never(void **unused)
{
    struct plan_iteration it = {.mode = PLAN_MODE_CRB,
                                .request_count = UINT64_MAX,
                                .batch_size = 1,
                                .cool_down_ms = UINT64_MAX};
    struct sched_batch s;
    int64_t due;
    uint64_t n;

    (void)unused;
    sched_batch_init(&s, &it, INT64_MAX - 1);
    sched_batch_pop(&s);
    assert_true(sched_batch_peek(&s, &due, &n));
    assert_int_equal(due, INT64_MAX);
    it.batch_size = UINT64_MAX;
    s.next = 2;
    assert_false(sched_batch_peek(&s, &due, &n));
    it.mode = PLAN_MODE_DCB;
    it.duration_s = 1;
    assert_false(sched_batch_peek(&s, &due, &n));
}

static void pauses_double_up_to_a_second_by_duration(void **unused)
{
    int64_t want = 10 * NS_PER_MS;

    (void)unused;
    for (unsigned n = 1; n <= 7; n++, want *= 2)
        assert_int_equal(sched_pause_ns(n, false), want);
    assert_int_equal(sched_pause_ns(8, false), NS_PER_S);
    assert_int_equal(sched_pause_ns(4000000000, false), NS_PER_S);
}

static void pauses_stay_short_by_count(void **unused)
{
    (void)unused;
    assert_int_equal(sched_pause_ns(1, true), 10 * NS_PER_MS);
    assert_int_equal(sched_pause_ns(1000, true), 10 * NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_clients_means_no_arrival),
        cmocka_unit_test(a_thread_beyond_the_clients_gets_none),
        cmocka_unit_test(a_stage_begins_after_the_last_client_of_the_one_before),
        cmocka_unit_test(the_round_waits_first_and_then_its_first_stage),
        cmocka_unit_test(stages_of_none_and_of_one_only_delay),
        cmocka_unit_test(clients_without_delays_are_all_due_at_once),
        cmocka_unit_test(threads_share_the_clients_between_them),
        cmocka_unit_test(a_million_clients_in_a_thousand_stages_do_not_drift),
        cmocka_unit_test(the_largest_round_is_exact),
        cmocka_unit_test(an_instant_beyond_the_clock_is_never),
        cmocka_unit_test(a_rate_of_zero_sends_nothing),
        cmocka_unit_test(the_first_is_due_at_once_and_none_at_the_end),
        cmocka_unit_test(instants_are_rounded_down_to_a_nanosecond),
        cmocka_unit_test(a_constant_rate_does_not_drift_in_a_year),
        cmocka_unit_test(an_hour_one_by_one_is_exact),
        cmocka_unit_test(a_ramp_sends_its_integral_rounded_up),
        cmocka_unit_test(ramps_follow_the_integral_of_their_rate),
        cmocka_unit_test(ramps_have_known_instants),
        cmocka_unit_test(a_last_one_close_to_the_end_stays_before_it),
        cmocka_unit_test(the_first_waits_until_a_rate_begins),
        cmocka_unit_test(a_flat_ramp_is_a_constant_rate),
        cmocka_unit_test(a_year_down_to_zero_keeps_its_digits),
        cmocka_unit_test(threads_together_send_what_one_would),
        cmocka_unit_test(skipping_is_popping),
        cmocka_unit_test(skipping_back_in_time_passes_none),
        cmocka_unit_test(a_rate_beyond_the_clock_is_never),
        cmocka_unit_test(the_last_batch_of_a_count_may_be_smaller),
        cmocka_unit_test(batches_by_time_end_before_the_duration_does),
        cmocka_unit_test(batches_without_an_end_go_on_for_ever),
        cmocka_unit_test(a_batch_beyond_the_clock_is_never),
        cmocka_unit_test(pauses_double_up_to_a_second_by_duration),
        cmocka_unit_test(pauses_stay_short_by_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
