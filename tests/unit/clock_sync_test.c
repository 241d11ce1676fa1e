#include "worker/daemon/clock_sync.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS 1000000LL
#define S  1000000000LL

// A master whose clock shows own + offset, over a link with these delays there and back.
struct link {
    int64_t offset_ns, there_ns, back_ns, hold_ns;
};

static int exchange(struct clock_sync *cs, const struct link *l, int64_t at_ns)
{
    int64_t t2 = at_ns + l->there_ns + l->offset_ns, t3 = t2 + l->hold_ns;
    int64_t t4 = at_ns + l->there_ns + l->hold_ns + l->back_ns;

    return clock_sync_add(cs, at_ns, t2, t3, t4);
}

static int64_t distance(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

static void assert_bounded(const struct clock_sync *cs, int64_t now_ns, int64_t true_ns)
{
    struct clock_sync_estimate e;

    assert_true(clock_sync_estimate(cs, now_ns, &e));
    assert_true(distance(true_ns, e.offset_ns) <= e.error_ns);
}

static void no_exchange_gives_no_estimate(void **state)
{
    struct clock_sync cs = {0};
    struct clock_sync_estimate e;

    (void)state;
    assert_false(clock_sync_estimate(&cs, 0, &e));
}

static void a_symmetric_link_is_exact(void **state)
{
    struct clock_sync cs = {0};
    struct clock_sync_estimate e;
    struct link l = {.offset_ns = 7 * S + 13, .there_ns = 2 * MS, .back_ns = 2 * MS, .hold_ns = 9};

    (void)state;
    assert_int_equal(exchange(&cs, &l, S), 0);
    assert_true(clock_sync_estimate(&cs, S + 4 * MS, &e));
    assert_true(distance(e.offset_ns, l.offset_ns) <= 1);
    assert_int_equal(e.rtt_ns, 4 * MS);
    assert_true(e.error_ns >= 2 * MS && e.error_ns < 2 * MS + 1000);
}

static void the_worst_asymmetry_stays_within_the_bound(void **state)
{
    struct link ways[] = {
        {.offset_ns = -3 * S, .there_ns = 10 * MS, .back_ns = 0},
        {.offset_ns = -3 * S, .there_ns = 0, .back_ns = 10 * MS},
        {.offset_ns = 5, .there_ns = 1, .back_ns = 0},
        {.offset_ns = 5, .there_ns = 0, .back_ns = 1},
        {.offset_ns = 0, .there_ns = 0, .back_ns = 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct clock_sync cs = {0};
        assert_int_equal(exchange(&cs, &ways[i], 100 * S), 0);
        assert_bounded(&cs, 100 * S + 10 * MS, ways[i].offset_ns);
    }
}

static void the_shortest_round_trip_wins(void **state)
{
    struct clock_sync cs = {0};
    struct clock_sync_estimate e;
    struct link slow = {.offset_ns = S, .there_ns = 40 * MS, .back_ns = MS};
    struct link fast = {.offset_ns = S, .there_ns = MS, .back_ns = MS};

    (void)state;
    exchange(&cs, &slow, S);
    exchange(&cs, &fast, 2 * S);
    exchange(&cs, &slow, 3 * S);
    assert_true(clock_sync_estimate(&cs, 4 * S, &e));
    assert_int_equal(e.rtt_ns, 2 * MS);
    assert_int_equal(cs.n_total, 3);
}

static void an_old_exchange_loses_to_a_slightly_slower_new_one(void **state)
{
    struct clock_sync cs = {0};
    struct clock_sync_estimate e;
    struct link fast = {.offset_ns = S, .there_ns = MS, .back_ns = MS};
    struct link slower = {.offset_ns = S, .there_ns = 2 * MS, .back_ns = 2 * MS};

    (void)state;
    exchange(&cs, &fast, S);
    exchange(&cs, &slower, 100 * S);
    assert_true(clock_sync_estimate(&cs, 100 * S + 4 * MS, &e));
    assert_int_equal(e.rtt_ns, 4 * MS);
}

static void random_links_with_drift_stay_within_the_bound(void **state)
{
    (void)state;
    srand(1);
    for (int seed = 0; seed < 200; seed++) {
        struct clock_sync cs = {0};
        double ppm = rand() % 201 - 100;
        int64_t offset_ns = (int64_t)rand() * 1000 - 500 * S, now_ns = 3600 * S;
        for (int i = 0; i < 50; i++) {
            now_ns += 1 + rand() % S;
            struct link l = {.there_ns = rand() % (5 * MS), .back_ns = rand() % (5 * MS)};
            l.offset_ns = offset_ns + (int64_t)((double)(now_ns - 3600 * S) * ppm / 1e6);
            exchange(&cs, &l, now_ns);
            now_ns += l.there_ns + l.back_ns;
            int64_t true_ns = offset_ns + (int64_t)((double)(now_ns - 3600 * S) * ppm / 1e6);
            struct clock_sync_estimate e;
            assert_true(clock_sync_estimate(&cs, now_ns, &e));
            // The clock drifts during the exchange as well: at most 10 ms of it.
            assert_true(distance(true_ns, e.offset_ns) <= e.error_ns + 10 * MS / 10000);
        }
    }
}

static void a_step_of_a_clock_replaces_what_was_known(void **state)
{
    struct clock_sync cs = {0};
    struct link before = {.offset_ns = S, .there_ns = 1000, .back_ns = 1000};
    struct link after = {.offset_ns = 61 * S, .there_ns = 5 * MS, .back_ns = MS};

    (void)state;
    for (int i = 1; i < 30; i++)
        exchange(&cs, &before, i * S);
    exchange(&cs, &after, 30 * S);
    assert_bounded(&cs, 31 * S, 61 * S);
    assert_int_equal(cs.n_total, 30);
}

static void only_the_newest_are_kept(void **state)
{
    struct clock_sync cs = {0};
    struct clock_sync_estimate e;
    struct link fast = {.offset_ns = S, .there_ns = 1, .back_ns = 1};
    struct link slow = {.offset_ns = S, .there_ns = MS, .back_ns = MS};

    (void)state;
    exchange(&cs, &fast, S);
    for (int i = 0; i < CLOCK_SYNC_KEEP - 1; i++)
        exchange(&cs, &slow, S + i);
    assert_true(clock_sync_estimate(&cs, 2 * S, &e));
    assert_int_equal(e.rtt_ns, 2);
    exchange(&cs, &slow, 2 * S);
    assert_true(clock_sync_estimate(&cs, 2 * S, &e));
    assert_int_equal(e.rtt_ns, 2 * MS);
}

static void impossible_timestamps_are_refused(void **state)
{
    struct clock_sync cs = {0};

    (void)state;
    assert_int_equal(clock_sync_add(&cs, 10, 5, 5, 9), -EBADMSG);   // received before sent
    assert_int_equal(clock_sync_add(&cs, 10, 6, 5, 12), -EBADMSG);  // answered before asked
    assert_int_equal(clock_sync_add(&cs, 10, 5, 15, 12), -EBADMSG); // held longer than away
    assert_int_equal(clock_sync_add(&cs, 1, INT64_MIN, INT64_MAX, 2), -EBADMSG);
    assert_int_equal(clock_sync_add(&cs, -1, 0, 0, 2), -EBADMSG);
    assert_int_equal(clock_sync_add(&cs, INT64_MAX, 0, 0, INT64_MAX), -EBADMSG);
    assert_int_equal(cs.n_total, 0);
    assert_int_equal(clock_sync_add(&cs, 0, INT64_MAX / 2, INT64_MAX / 2, INT64_MAX / 2), 0);
    assert_int_equal(clock_sync_add(&cs, 0, 0, 0, 0), 0);
}

static void a_reset_forgets_all(void **state)
{
    struct clock_sync cs = {0};
    struct clock_sync_estimate e;
    struct link l = {.offset_ns = S};

    (void)state;
    exchange(&cs, &l, S);
    clock_sync_reset(&cs);
    assert_int_equal(cs.n_total, 0);
    assert_false(clock_sync_estimate(&cs, S, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_exchange_gives_no_estimate),
        cmocka_unit_test(a_symmetric_link_is_exact),
        cmocka_unit_test(the_worst_asymmetry_stays_within_the_bound),
        cmocka_unit_test(the_shortest_round_trip_wins),
        cmocka_unit_test(an_old_exchange_loses_to_a_slightly_slower_new_one),
        cmocka_unit_test(random_links_with_drift_stay_within_the_bound),
        cmocka_unit_test(a_step_of_a_clock_replaces_what_was_known),
        cmocka_unit_test(only_the_newest_are_kept),
        cmocka_unit_test(impossible_timestamps_are_refused),
        cmocka_unit_test(a_reset_forgets_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
