#include "tests/unit/session_test_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void attempts_are_delayed_more_and_more_up_to_a_bound(void **unused)
{
    static const int codes[] = {500, 500, 503, 500, 200, 0};

    (void)unused;
    w.codes = codes;
    iterations[0].capture = &capture;
    iterations[0].retry = &retry;
    retry = (struct plan_retry){.condition = "${a.StatusCode} >= 500",
                                .max = 5,
                                .is_exponential = true,
                                .delay_ms = 50,
                                .max_delay_ms = 60};
    begin();
    run(0, 1);
    assert_int_equal(w.n_done, 1);
    assert_int_equal(w.n_ok, 1);
    assert_int_equal(w.n_heard, 5);
    for (size_t i = 1; i < 5; i++) {
        int64_t gap = w.heard[i].at_ns - w.heard[i - 1].at_ns;
        assert_true(gap >= (i == 1 ? 49 : 59) * NS_PER_MS);
    }
    // Without the bound: 750 ms.
    assert_true(w.heard[4].at_ns - w.heard[0].at_ns < 700 * NS_PER_MS);
    assert_int_equal(totals(0)->n.started, 5);
    assert_int_equal(totals(0)->n.completed, 5);
    assert_int_equal(totals(0)->status[500], 3);
    assert_int_equal(totals(0)->status[200], 1);
}

static void how_many_attempts_there_are(void **unused)
{
    static const int codes[] = {500, 404, 500, 0};
    static const struct {
        char *condition, *stop, *target;
        uint64_t max;
        size_t n;
    } cases[] = {
        {NULL, NULL, "/seq", 2, 3}, // without a condition always
        {NULL, NULL, "/seq", 0, 1},
        {"${a.StatusCode} = 500", NULL, "/seq", 9, 2},
        {"${a.StatusCode} >= 400", "${a.StatusCode} = 404", "/seq", 9, 2},
        {"${a.StatusCode} < \"x\"", NULL, "/seq", 9, 1}, // a condition that is wrong is false
        {"${a.StatusCode} = 0", NULL, "/drop", 2, 3},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (i > 0)
            set_up(NULL);
        w.codes = codes;
        retry = (struct plan_retry){.condition = cases[i].condition,
                                    .stop = cases[i].stop,
                                    .max = cases[i].max,
                                    .delay_ms = i % 2}; // 0: at once
        iterations[0].retry = &retry;
        iterations[0].capture = &capture;
        iterations[0].url.target = cases[i].target;
        begin();
        run(0, 1);
        if (totals(0)->n.started != cases[i].n)
            fail_msg("case %zu: %d attempts", i, (int)totals(0)->n.started);
        assert_int_equal(w.n_done, 1);
        if (i + 1 < sizeof cases / sizeof *cases)
            tear_down(NULL);
    }
}

static void a_slot_that_is_skipped_takes_a_millisecond_and_sends_nothing(void **unused)
{
    enum { N = 20 };

    (void)unused;
    iterations[0].request_skip_if = "$v = 1";
    iterations[0].request_before = (char *[]){"$counter(start=1, reset=99, variable=v)"};
    iterations[0].n_request_before = 1;
    iterations[0].request_after = (char *[]){"$strcat(values=[late], variable=v)"};
    iterations[0].n_request_after = 1;
    iterations[1].request_skip_if = "true";
    iterations[2].url.target = "/$v";
    begin();
    run(0, 1);
    assert_int_equal(w.n_skipped, 1);
    assert_int_equal(w.n_ok, 1);
    assert_int_equal(w.n_heard, 0);
    run(2, 1);
    assert_string_equal(w.heard[0].target, "/1"); // no hooks after
    run(0, 1);
    assert_int_equal(w.n_skipped, 1);
    run(2, 1);
    assert_string_equal(w.heard[2].target, "/late");

    int64_t begin_ns = loop_clock(w.loop);
    run(1, N);
    assert_true(loop_clock(w.loop) - begin_ns >= N * NS_PER_MS);
    assert_int_equal(totals(1)->n.skipped, N);
    assert_int_equal(totals(1)->n.started, 0);
    assert_int_equal(totals(0)->n.skipped, 1);
}

static void slots_at_once_do_not_meet(void **unused)
{
    enum { N = 40 };
    bool seen[N + 1] = {false};

    (void)unused;
    iterations[0].url.target = "/seq/$counter(start=1, reset=1000)";
    iterations[0].capture = &capture;
    begin();
    for (int k = 0; k < 2; k++) {
        w.n_heard = w.n_done = 0;
        for (int i = 0; i < N; i++)
            send_x(exchange_new(w.net));
        while (w.n_done < N)
            loop_run(w.loop);
        assert_int_equal(w.n_heard, N);
    }
    for (size_t i = 0; i < N; i++) {
        int n = atoi(w.heard[i].target + 5) - N;
        assert_in_range(n, 1, N);
        assert_false(seen[n]);
        seen[n] = true;
    }
}

static void a_stop_ends_what_waits_for_a_retry(void **unused)
{
    static const int codes[] = {500, 0};

    (void)unused;
    w.codes = codes;
    retry = (struct plan_retry){.max = 9, .delay_ms = 86400000};
    iterations[0].retry = &retry;
    begin();
    send_x(exchange_new(w.net));
    run_for(50 * NS_PER_MS);
    assert_int_equal(w.n_done, 0);
    session_stop(w.session);
    assert_int_equal(w.n_done, 0); // in the next pass
    loop_run(w.loop);
    assert_int_equal(w.n_done, 1);
    assert_int_equal(w.n_ok, 1);
    assert_int_equal(w.n_heard, 1);
    run(0, 1); // and no retry after
    assert_int_equal(w.n_heard, 2);
}

static void a_series_that_is_cut_leaves_the_others(void **unused)
{
    (void)unused;
    retry = (struct plan_retry){.max = 9, .delay_ms = 86400000};
    iterations[0].retry = &retry;
    iterations[0].url.target = "/hold/$counter(start=1, reset=9)";
    iterations[1].url.target = "/hold2";
    iterations[1].request_skip_if = "false";
    iterations[2].retry = &retry;
    begin();
    for (w.series = 0; w.series < 3; w.series++)
        send_x(exchange_new(w.net));
    run_for(50 * NS_PER_MS);
    assert_int_equal(w.n_heard, 3);
    session_cut(w.session, 0); // in flight
    client_cut(&w.client, 0);
    session_cut(w.session, 2); // waits for a retry
    client_cut(&w.client, 2);
    run_for(20 * NS_PER_MS);
    assert_int_equal(w.n_done, 0);
    assert_int_equal(totals(0)->n.aborted, 1);
    assert_int_equal(totals(1)->n.aborted, 0);
    assert_int_equal(totals(2)->n.aborted, 0);
    w.series = 2;
    retry.max = 0;
    run(2, 1); // memory of what was cut is used again
    assert_int_equal(w.n_ok, 1);
}

static void slots_in_any_state_end_with_their_session(void **unused)
{
    (void)unused;
    retry = (struct plan_retry){.max = 9, .delay_ms = 86400000};
    iterations[0].retry = &retry;
    iterations[1].url.target = "/hold/$counter(start=1, reset=9)";
    iterations[2].request_skip_if = "true";
    begin();
    for (w.series = 0; w.series < 2; w.series++)
        send_x(exchange_new(w.net));
    run_for(50 * NS_PER_MS);
    send_x(exchange_new(w.net));
    end_session();
    run_for(20 * NS_PER_MS);
    assert_int_equal(w.n_done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(attempts_are_delayed_more_and_more_up_to_a_bound),
        TEST(how_many_attempts_there_are),
        TEST(a_slot_that_is_skipped_takes_a_millisecond_and_sends_nothing),
        TEST(slots_at_once_do_not_meet),
        TEST(a_stop_ends_what_waits_for_a_retry),
        TEST(a_series_that_is_cut_leaves_the_others),
        TEST(slots_in_any_state_end_with_their_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
