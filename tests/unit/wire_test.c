#include "common/wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct metrics_window *sample_window(void)
{
    struct metrics_window *w = metrics_window_new(17, 3);
    struct metrics_series *s = &w->series[1];

    s->n = (struct metrics_counters){
        .started = 12, .completed = 9, .failed = 2, .aborted = 1, .in_flight = 4};
    s->status[200] = 8;
    s->status[503] = 1;
    metrics_record_error(s, METRICS_ERROR_RESET, 17, "Connection reset by peer");
    metrics_record_error(s, METRICS_ERROR_RESET, 18, "another");
    for (uint64_t i = 1; i < 10; i++)
        hist_record(&s->latency[METRICS_SERVICE], i * 1000);
    w->health.cpu_us = 99;
    return w;
}

static void a_window_survives_the_wire(void **unused)
{
    struct metrics_window *w = sample_window(), *copy;
    Lps__V1__Window *msg = wire_window_encode(w);

    (void)unused;
    assert_int_equal(msg->n_series, 1);
    assert_int_equal(wire_window_decode(msg, 3, &copy), 0);
    assert_int_equal(copy->k, 17);
    assert_int_equal(copy->health.cpu_us, 99);
    assert_memory_equal(&copy->series[1].n, &w->series[1].n, sizeof w->series[1].n);
    assert_memory_equal(copy->series[1].status, w->series[1].status, sizeof w->series[1].status);
    assert_int_equal(copy->series[1].error[METRICS_ERROR_RESET].count, 2);
    assert_int_equal(copy->series[1].error[METRICS_ERROR_RESET].last_k, 18);
    assert_string_equal(copy->series[1].error[METRICS_ERROR_RESET].example,
                        "Connection reset by peer");
    assert_int_equal(hist_percentile(&copy->series[1].latency[METRICS_SERVICE], 50),
                     hist_percentile(&w->series[1].latency[METRICS_SERVICE], 50));
    lps__v1__window__free_unpacked(msg, NULL);
    metrics_window_free(w);
    metrics_window_free(copy);
}

static void totals_survive_the_wire(void **unused)
{
    struct metrics_window *w = sample_window();
    struct metrics_series *copy = xcalloc(3, sizeof *copy);
    size_t n;
    Lps__V1__SeriesTotals **totals;

    (void)unused;
    wire_totals_encode(w->series, 3, &n, &totals);
    assert_int_equal(n, 1);
    assert_int_equal(wire_totals_decode(n, totals, copy, 3), 0);
    assert_true(metrics_counters_equal(&copy[1].n, &w->series[1].n));
    assert_int_equal(copy[1].status[503], 1);
    assert_int_equal(wire_totals_decode(n, totals, copy, 1), -EBADMSG);
    lps__v1__series_totals__free_unpacked(totals[0], NULL);
    free(totals);
    free(copy);
    metrics_window_free(w);
}

static void an_error_text_of_any_bytes_becomes_printable(void **unused)
{
    struct metrics_window *w = metrics_window_new(0, 1), *copy;

    (void)unused;
    w->series[0].n.failed = 1;
    metrics_record_error(&w->series[0], METRICS_ERROR_PROTOCOL, 0, "got \xff\x01 here");
    Lps__V1__Window *msg = wire_window_encode(w);
    assert_string_equal(msg->series[0]->errors[0]->example, "got ?? here");
    assert_int_equal(wire_window_decode(msg, 1, &copy), 0);
    lps__v1__window__free_unpacked(msg, NULL);
    metrics_window_free(copy);
    metrics_window_free(w);
}

static void assert_refused(Lps__V1__Window *msg, uint32_t n_series)
{
    struct metrics_window *copy = NULL;

    assert_int_equal(wire_window_decode(msg, n_series, &copy), -EBADMSG);
    assert_null(copy);
}

static void what_no_runner_sends_is_refused(void **unused)
{
    struct metrics_window *w = sample_window();
    Lps__V1__Window *msg = wire_window_encode(w);
    Lps__V1__SeriesDelta *delta = msg->series[0];
    Lps__V1__SeriesDelta *twice[] = {delta, delta};

    (void)unused;
    assert_refused(msg, 1);
    Lps__V1__Window again = *msg;
    again.n_series = 2;
    again.series = twice;
    assert_refused(&again, 3);
    delta->status[0]->code = 600;
    assert_refused(msg, 3);
    delta->status[0]->code = 200;
    delta->errors[0]->kind = METRICS_ERROR__COUNT;
    assert_refused(msg, 3);
    delta->errors[0]->kind = METRICS_ERROR_RESET;
    delta->latency[0]->hist->count++;
    assert_refused(msg, 3);
    delta->latency[0]->hist->count--;
    Lps__V1__Hist *hist = delta->latency[0]->hist;
    delta->latency[0]->hist = NULL;
    assert_refused(msg, 3);
    delta->latency[0]->hist = hist;
    lps__v1__window__free_unpacked(msg, NULL);
    metrics_window_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_survives_the_wire),
        cmocka_unit_test(totals_survive_the_wire),
        cmocka_unit_test(an_error_text_of_any_bytes_becomes_printable),
        cmocka_unit_test(what_no_runner_sends_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
