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
    w->health = (struct metrics_health){1, 99, 3, 4, 5, 6};
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
    assert_memory_equal(&copy->health, &w->health, sizeof w->health);
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

static void a_series_with_nothing_but_a_latency_is_sent(void **unused)
{
    struct metrics_window *w = metrics_window_new(0, 2), *copy;

    (void)unused;
    hist_record(&w->series[1].latency[METRICS_DNS], 70);
    Lps__V1__Window *msg = wire_window_encode(w);
    assert_int_equal(wire_window_decode(msg, 2, &copy), 0);
    assert_int_equal(copy->series[1].latency[METRICS_DNS].count, 1);
    lps__v1__window__free_unpacked(msg, NULL);
    metrics_window_free(copy);
    metrics_window_free(w);
}

static void an_empty_window_survives_the_wire(void **unused)
{
    struct metrics_window *w = metrics_window_new(-1, 2), *copy;
    Lps__V1__Window *msg = wire_window_encode(w);

    (void)unused;
    assert_int_equal(msg->n_series, 0);
    assert_int_equal(wire_window_decode(msg, 2, &copy), 0);
    assert_int_equal(copy->k, -1);
    assert_true(metrics_series_is_empty(&copy->series[0]));
    assert_true(metrics_series_is_empty(&copy->series[1]));
    lps__v1__window__free_unpacked(msg, NULL);
    metrics_window_free(copy);
    metrics_window_free(w);
}

static void an_error_text_of_any_bytes_becomes_utf8_of_one_line(void **unused)
{
    struct metrics_window *w = metrics_window_new(0, 1), *copy;

    (void)unused;
    metrics_record_error(&w->series[0], METRICS_ERROR_PROTOCOL, 0, "got \xff\x01 M\xc3\xbcnchen");
    Lps__V1__Window *msg = wire_window_encode(w);
    char **example = &msg->series[0]->errors[0]->example;
    assert_string_equal(*example, "got ?? M\xc3\xbcnchen");
    free(*example); // and from a peer that sends what it likes
    *example = xstrdup("\x1b]0;\xc3");
    assert_int_equal(wire_window_decode(msg, 1, &copy), 0);
    assert_string_equal(copy->series[0].error[METRICS_ERROR_PROTOCOL].example, "?]0;?");
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

static void assert_taken(Lps__V1__Window *msg, uint32_t n_series)
{
    struct metrics_window *copy = NULL;

    assert_int_equal(wire_window_decode(msg, n_series, &copy), 0);
    metrics_window_free(copy);
}

// Sets a field to a value that is refused, and back.
#define REFUSED_WITH(field, value)     \
    do {                               \
        __typeof__(field) was = field; \
        field = value;                 \
        assert_refused(msg, 3);        \
        field = was;                   \
        assert_taken(msg, 3);          \
    } while (0)

static void what_no_runner_sends_is_refused(void **unused)
{
    struct metrics_window *w = sample_window();
    Lps__V1__Window *msg = wire_window_encode(w);
    Lps__V1__SeriesDelta *delta = msg->series[0];

    (void)unused;
    assert_refused(NULL, 3);
    assert_refused(msg, 1);
    REFUSED_WITH(delta->id, 3);
    REFUSED_WITH(delta->status[0]->code, 99);
    REFUSED_WITH(delta->status[1]->code, 600);
    REFUSED_WITH(delta->status[1]->code, 200);
    REFUSED_WITH(delta->errors[0]->kind, METRICS_ERROR_UNDEFINED);
    REFUSED_WITH(delta->errors[0]->kind, METRICS_ERROR__COUNT);
    REFUSED_WITH(delta->errors[0]->first_k, 19);
    REFUSED_WITH(delta->latency[0]->kind, METRICS_LATENCY_UNDEFINED);
    REFUSED_WITH(delta->latency[0]->kind, METRICS_LATENCY__COUNT);
    REFUSED_WITH(delta->latency[0]->hist, NULL);
    REFUSED_WITH(delta->latency[0]->hist->count, 10);
    REFUSED_WITH(delta->latency[0]->hist->sum_us, 1);
    char *too_long = xcalloc(METRICS_EXAMPLE_MAX + 2, 1);
    memset(too_long, 'x', METRICS_EXAMPLE_MAX + 1);
    REFUSED_WITH(delta->errors[0]->example, too_long);
    free(too_long);
    lps__v1__window__free_unpacked(msg, NULL);
    metrics_window_free(w);
}

static void counts_beyond_the_limit_are_refused(void **unused)
{
    struct metrics_window *w = sample_window();
    Lps__V1__Window *msg = wire_window_encode(w);
    Lps__V1__SeriesDelta *delta = msg->series[0];

    (void)unused;
    delta->counters->bytes_sent = delta->status[0]->count = delta->errors[0]->count =
        WIRE_COUNT_MAX;
    assert_taken(msg, 3);
    REFUSED_WITH(delta->counters->bytes_sent, WIRE_COUNT_MAX + 1);
    REFUSED_WITH(delta->status[0]->count, WIRE_COUNT_MAX + 1);
    REFUSED_WITH(delta->errors[0]->count, WIRE_COUNT_MAX + 1);
    lps__v1__window__free_unpacked(msg, NULL);
    metrics_window_free(w);
}

static void the_same_twice_is_refused(void **unused)
{
    struct metrics_window *w = sample_window();
    Lps__V1__Window *msg = wire_window_encode(w), twice = *msg;
    Lps__V1__SeriesDelta *delta = msg->series[0], *deltas[] = {delta, delta};
    Lps__V1__ErrorCount *errors[] = {delta->errors[0], delta->errors[0]};
    Lps__V1__Latency *latencies[] = {delta->latency[0], delta->latency[0]};

    (void)unused;
    twice.n_series = 2;
    twice.series = deltas;
    assert_refused(&twice, 3);

    Lps__V1__SeriesDelta other = *delta;
    twice.n_series = 1;
    deltas[0] = &other;
    assert_taken(&twice, 3);
    other.n_errors = 2;
    other.errors = errors;
    assert_refused(&twice, 3);
    other = *delta;
    other.n_latency = 2;
    other.latency = latencies;
    assert_refused(&twice, 3);
    lps__v1__window__free_unpacked(msg, NULL);
    metrics_window_free(w);
}

// 2^32 samples in each page below 2^29 us, where their sum fits: the cheapest way to ask for
// memory.
static void fill(struct hist *h)
{
    struct hist copy = {0};

    for (uint32_t bucket = 0; hist_lowest(bucket) < 1U << 29; bucket += HIST_PAGE)
        hist_record(h, hist_lowest(bucket));
    for (int i = 0; i < 32; i++) {
        hist_merge(&copy, h);
        hist_merge(h, &copy);
        hist_done(&copy);
    }
}

static void a_window_takes_so_much_memory_at_most(void **unused)
{
    struct metrics_window *w = metrics_window_new(0, 1);

    (void)unused;
    fill(&w->series[0].latency[METRICS_SERVICE]);
    const uint32_t n =
        (uint32_t)(WIRE_HISTS_MAX / hist_bytes(&w->series[0].latency[METRICS_SERVICE]));
    Lps__V1__Window *one = wire_window_encode(w), many = *one;
    Lps__V1__SeriesDelta *delta = xcalloc(n + 1, sizeof *delta),
                         **list = xcalloc(n + 1, sizeof *list);
    for (uint32_t i = 0; i <= n; i++) {
        delta[i] = *one->series[0];
        delta[i].id = i;
        list[i] = &delta[i];
    }
    many.series = list;
    many.n_series = n;
    assert_true(lps__v1__window__get_packed_size(&many) < WIRE_MESSAGE_MAX);
    assert_taken(&many, n + 1);
    many.n_series = n + 1;
    assert_refused(&many, n + 1);
    lps__v1__window__free_unpacked(one, NULL);
    metrics_window_free(w);
    free(delta);
    free(list);
}

static void totals_with_absurd_members_are_refused(void **unused)
{
    struct metrics_window *w = sample_window();
    struct metrics_series *copy = xcalloc(3, sizeof *copy);
    size_t n;
    Lps__V1__SeriesTotals **totals, *twice[2];

    (void)unused;
    wire_totals_encode(w->series, 3, &n, &totals);
    twice[0] = twice[1] = totals[0];
    assert_int_equal(wire_totals_decode(2, twice, copy, 3), -EBADMSG);
    totals[0]->counters->started = WIRE_COUNT_MAX + 1;
    assert_int_equal(wire_totals_decode(n, totals, copy, 3), -EBADMSG);
    lps__v1__counters__free_unpacked(totals[0]->counters, NULL);
    totals[0]->counters = NULL;
    assert_int_equal(wire_totals_decode(n, totals, copy, 3), 0);
    totals[0]->errors[0]->kind = 0;
    assert_int_equal(wire_totals_decode(n, totals, copy, 3), -EBADMSG);
    assert_int_equal(wire_totals_decode(0, NULL, copy, 3), 0);
    lps__v1__series_totals__free_unpacked(totals[0], NULL);
    free(totals);
    free(copy);
    metrics_window_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_survives_the_wire),
        cmocka_unit_test(totals_survive_the_wire),
        cmocka_unit_test(a_series_with_nothing_but_a_latency_is_sent),
        cmocka_unit_test(an_empty_window_survives_the_wire),
        cmocka_unit_test(an_error_text_of_any_bytes_becomes_utf8_of_one_line),
        cmocka_unit_test(what_no_runner_sends_is_refused),
        cmocka_unit_test(counts_beyond_the_limit_are_refused),
        cmocka_unit_test(the_same_twice_is_refused),
        cmocka_unit_test(a_window_takes_so_much_memory_at_most),
        cmocka_unit_test(totals_with_absurd_members_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
