#include "worker/runner/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"

#define S NS_PER_S

// A record whose windows come to the test's own loop, which is run until they are all here.
struct fixture {
    struct loop *loop;
    struct record *record;
    uint64_t n_fds;
    struct record_slot *slots[10];
    size_t n_slots, n_expected;
};

static void on_window(struct loop_post *post)
{
    struct record_slot *slot = container_of(post, struct record_slot, post);
    struct fixture *f = record_arg(slot->owner);

    f->slots[f->n_slots++] = slot;
    if (f->n_slots == f->n_expected)
        loop_quit(f->loop);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->loop = loop_new();
    f->n_fds = 5;
    f->record = record_new(&(struct record_config){.n_series = 2,
                                                   .k_origin_ns = 100 * S,
                                                   .first_k = 0,
                                                   .loop = f->loop,
                                                   .sink = f->loop,
                                                   .on_window = on_window,
                                                   .arg = f,
                                                   .n_fds = &f->n_fds});
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < f->n_slots; i++)
        record_give_back(f->slots[i]);
    record_free(f->record);
    loop_free(f->loop);
    free(f);
    return 0;
}

static const struct metrics_series *series_of(struct fixture *f, size_t window, uint32_t series)
{
    return &f->slots[window]->window->series[series];
}

static void receive(struct fixture *f, size_t n)
{
    f->n_expected = n;
    loop_run(f->loop);
}

static struct record_times times_until(int64_t done_ns)
{
    return (struct record_times){.begin_ns = done_ns - 900 * NS_PER_US,
                                 .sent_ns = done_ns - 800 * NS_PER_US,
                                 .send_ns = done_ns - 800 * NS_PER_US,
                                 .whole_ns = done_ns - 700 * NS_PER_US,
                                 .first_ns = done_ns - 300 * NS_PER_US,
                                 .done_ns = done_ns};
}

static void complete(struct record *r, uint32_t series, int64_t done_ns, unsigned status,
                     bool reused)
{
    const struct record_times t = times_until(done_ns);

    record_completed(r, series, &t, 0, done_ns, status, reused);
}

static void an_event_belongs_to_the_second_it_came_in(void **state)
{
    struct fixture *f = *state;

    record_started(f->record, 0, 101 * S - 1);
    complete(f->record, 0, 101 * S, 200, false); // at the very end of second 0: in second 1
    record_flush(f->record, 101 * S + 1);
    receive(f, 2);
    assert_int_equal(f->slots[0]->window->k, 0);
    assert_int_equal(series_of(f, 0, 0)->n.started, 1);
    assert_int_equal(series_of(f, 0, 0)->n.completed, 0);
    assert_int_equal(series_of(f, 0, 0)->n.in_flight, 1);
    assert_int_equal(f->slots[1]->window->k, 1);
    assert_int_equal(series_of(f, 1, 0)->n.completed, 1);
    assert_int_equal(series_of(f, 1, 0)->status[200], 1);
    assert_int_equal(series_of(f, 1, 0)->n.in_flight, 0);
    assert_int_equal(series_of(f, 1, 0)->n.in_flight_max, 1);
    assert_int_equal(f->slots[1]->window->health.fds, 5);
}

static void latencies_are_parts_of_the_whole(void **state)
{
    static const struct {
        enum metrics_latency kind;
        uint64_t us;
    } want[] = {{METRICS_SERVICE, 800},
                {METRICS_SEND, 100},
                {METRICS_WAIT, 400},
                {METRICS_RECEIVE, 300},
                {METRICS_TTFB, 600}};
    struct fixture *f = *state;

    record_started(f->record, 1, 100 * S);
    record_connected(f->record, 1, 100 * S, -1, 50 * NS_PER_US, -1);
    complete(f->record, 1, 100 * S + S / 2, 404, false);
    record_flush(f->record, 100 * S + S / 2);
    receive(f, 1);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const struct hist *h = &series_of(f, 0, 1)->latency[want[i].kind];
        assert_int_equal(h->count, 1);
        assert_int_equal(h->max, want[i].us);
    }
    assert_int_equal(series_of(f, 0, 1)->latency[METRICS_TCP].max, 50);
    assert_int_equal(series_of(f, 0, 1)->latency[METRICS_DNS].count, 0);
    assert_int_equal(series_of(f, 0, 1)->latency[METRICS_TLS].count, 0);
    assert_int_equal(series_of(f, 0, 1)->latency[METRICS_RESPONSE].count, 0);
}

static void whole_seconds_away_leave_holes(void **state)
{
    struct fixture *f = *state;

    record_started(f->record, 0, 100 * S);
    record_roll(f->record, 104 * S + 1);
    assert_int_equal(record_end_ns(f->record), 105 * S);
    record_flush(f->record, 104 * S + 2);
    receive(f, 2);
    assert_int_equal(f->slots[0]->window->k, 0);
    assert_int_equal(f->slots[1]->window->k, 4);
    assert_int_equal(series_of(f, 1, 0)->n.in_flight, 1);
    assert_int_equal(series_of(f, 1, 0)->n.in_flight_max, 1);
}

static void a_window_that_was_given_back_is_empty_again(void **state)
{
    struct fixture *f = *state;

    record_started(f->record, 0, 100 * S);
    record_failed(f->record, 0, 100 * S, METRICS_ERROR_RESET, "x", false);
    record_roll(f->record, 101 * S);
    receive(f, 1);
    struct record_slot *slot = f->slots[0];
    record_give_back(slot);
    f->n_slots = 0;
    record_roll(f->record, 102 * S);
    record_flush(f->record, 102 * S);
    receive(f, 2);
    assert_ptr_equal(f->slots[1], slot);
    assert_int_equal(slot->window->k, 2);
    assert_int_equal(series_of(f, 1, 0)->n.failed, 0);
    assert_int_equal(series_of(f, 1, 0)->error[METRICS_ERROR_RESET].count, 0);
}

static void what_belongs_to_an_answer_is_in_its_service_and_in_no_phase(void **state)
{
    struct fixture *f = *state;
    const struct record_times t = times_until(100 * S + S / 4);

    record_started(f->record, 0, 100 * S);
    record_completed(f->record, 0, &t, 100 * S, 100 * S + S / 2, 200, false);
    record_flush(f->record, 100 * S + S / 2);
    receive(f, 1);
    const struct hist *latency = series_of(f, 0, 0)->latency;
    assert_int_equal(latency[METRICS_RESPONSE].max, 500000);
    assert_int_equal(latency[METRICS_SERVICE].max, 250800);
    assert_int_equal(latency[METRICS_LAG].max, 249200);
    assert_int_equal(latency[METRICS_RECEIVE].max, 300);
}

static void what_a_server_says_of_its_time_is_recorded_where_it_does(void **state)
{
    struct fixture *f = *state;
    const struct server_timing t = {.db_us = 12, .total_us = 40};

    record_server_times(f->record, 0, 100 * S, &t);
    record_server_times(f->record, 0, 100 * S, &(struct server_timing){0});
    record_flush(f->record, 100 * S);
    receive(f, 1);
    const struct hist *latency = series_of(f, 0, 0)->latency;
    assert_int_equal(latency[METRICS_SERVER].count, 1);
    assert_int_equal(latency[METRICS_SERVER].max, 40);
    assert_int_equal(latency[METRICS_SERVER_DB].max, 12);
    assert_int_equal(latency[METRICS_SERVER_CACHE].count, 0);
    assert_int_equal(latency[METRICS_SERVER_APP].count, 0);
}

static void a_skipped_request_is_only_counted(void **state)
{
    struct fixture *f = *state;

    record_skipped(f->record, 1, 100 * S);
    record_flush(f->record, 100 * S);
    receive(f, 1);
    assert_int_equal(series_of(f, 0, 1)->n.skipped, 1);
    assert_int_equal(series_of(f, 0, 1)->n.started, 0);
    assert_int_equal(record_totals(f->record)[1].n.skipped, 1);
}

static void totals_are_the_sum_of_all_windows(void **state)
{
    struct fixture *f = *state;
    struct metrics_series sum = {0};

    for (int i = 0; i < 30; i++) {
        int64_t now = 100 * S + i * (S / 10);
        record_started(f->record, 0, now);
        record_sent(f->record, 0, now, 50, 10);
        record_received(f->record, 0, now, 70, 20);
        if (i % 3 == 0)
            complete(f->record, 0, now, 200 + (unsigned)i % 2, true);
        else if (i % 3 == 1)
            record_failed(f->record, 0, now, METRICS_ERROR_CLOSED, "why", false);
        else
            record_aborted(f->record, 0, now, false);
        if (i % 10 == 0)
            record_dropped(f->record, 0, now, 1);
    }
    record_flush(f->record, 103 * S - 1);
    receive(f, 3);
    for (size_t i = 0; i < f->n_slots; i++)
        metrics_merge_later(&sum, series_of(f, i, 0));
    const struct metrics_series *totals = record_totals(f->record);
    assert_true(metrics_counters_equal(&sum.n, &totals->n));
    assert_int_equal(totals->n.started, totals->n.completed + totals->n.failed + totals->n.aborted);
    assert_int_equal(totals->n.reused, 10);
    assert_memory_equal(sum.status, totals->status, sizeof sum.status);
    assert_int_equal(totals->error[METRICS_ERROR_CLOSED].count, 10);
    assert_int_equal(totals->error[METRICS_ERROR_CLOSED].first_k, 0);
    assert_int_equal(totals->error[METRICS_ERROR_CLOSED].last_k, 2);
    assert_string_equal(totals->error[METRICS_ERROR_CLOSED].example, "why");
    metrics_series_done(&sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_belongs_to_the_second_it_came_in, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(latencies_are_parts_of_the_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_belongs_to_an_answer_is_in_its_service_and_in_no_phase,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_server_says_of_its_time_is_recorded_where_it_does,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_skipped_request_is_only_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whole_seconds_away_leave_holes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_window_that_was_given_back_is_empty_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(totals_are_the_sum_of_all_windows, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
