#include "master/daemon/message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/plan.h"

static uint8_t zeros[PLAN_BYTES_MAX + 1];

static const char *check(Lps__V1__WorkerMessage__BodyCase body, void *message)
{
    Lps__V1__WorkerMessage msg = LPS__V1__WORKER_MESSAGE__INIT;

    msg.body_case = body;
    msg.hello = message;
    return message_check(&msg);
}

static ProtobufCBinaryData bytes(size_t n)
{
    return (ProtobufCBinaryData){n, zeros};
}

static char *repeat(size_t n)
{
    static char text[256];

    memset(text, 'x', n);
    text[n] = '\0';
    return text;
}

static void a_message_has_a_body(void **state)
{
    (void)state;
    assert_non_null(check(LPS__V1__WORKER_MESSAGE__BODY__NOT_SET, NULL));
}

static void a_hello_has_a_node_name_and_an_instance(void **state)
{
    static const struct {
        size_t name, instance;
        bool good;
    } cases[] = {{0, 16, false}, {1, 16, true},  {64, 16, true}, {65, 16, false},
                 {2, 0, false},  {2, 15, false}, {2, 17, false}};
    Lps__V1__Hello m = LPS__V1__HELLO__INIT;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        m.node = repeat(cases[i].name);
        m.instance = bytes(cases[i].instance);
        assert_int_equal(check(LPS__V1__WORKER_MESSAGE__BODY_HELLO, &m) == NULL, cases[i].good);
    }
    m.instance = bytes(16);
    m.node = "a b";
    assert_non_null(check(LPS__V1__WORKER_MESSAGE__BODY_HELLO, &m));
    m.node = "\xff";
    assert_non_null(check(LPS__V1__WORKER_MESSAGE__BODY_HELLO, &m));
}

static void a_clock_estimate_is_neither_negative_nor_absurd(void **state)
{
    static const struct {
        int64_t rtt, error;
        bool good;
    } cases[] = {{0, 0, true},
                 {3600000000000, 3600000000000, true},
                 {3600000000001, 0, false},
                 {0, 3600000000001, false},
                 {-1, 0, false},
                 {0, INT64_MIN, false}};
    Lps__V1__ClockPing m = LPS__V1__CLOCK_PING__INIT;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        m.rtt_ns = cases[i].rtt;
        m.error_ns = cases[i].error;
        assert_int_equal(check(LPS__V1__WORKER_MESSAGE__BODY_CLOCK, &m) == NULL, cases[i].good);
    }
}

static void a_submission_stays_within_its_limits(void **state)
{
    Lps__V1__Submit good = LPS__V1__SUBMIT__INIT, m;
    const int body = LPS__V1__WORKER_MESSAGE__BODY_SUBMIT;

    (void)state;
    good.submission = "s";
    good.digest = bytes(32);
    good.plan = bytes(PLAN_BYTES_MAX);
    assert_null(check(body, &good));
    m = good, m.plan = bytes(PLAN_BYTES_MAX + 1);
    assert_non_null(check(body, &m));
    m = good, m.digest = bytes(31);
    assert_non_null(check(body, &m));
    m = good, m.submission = "";
    assert_non_null(check(body, &m));
    m = good, m.submission = repeat(CLUSTER_SUBMISSION_MAX + 1);
    assert_non_null(check(body, &m));
    m = good, m.run = repeat(CLUSTER_RUN_ID_MAX);
    assert_null(check(body, &m));
    m = good, m.run = repeat(CLUSTER_RUN_ID_MAX + 1);
    assert_non_null(check(body, &m));
}

static void a_window_report_has_a_window_a_run_and_a_sequence_number(void **state)
{
    Lps__V1__Window window = LPS__V1__WINDOW__INIT;
    Lps__V1__WindowReport good = LPS__V1__WINDOW_REPORT__INIT, m;
    const int body = LPS__V1__WORKER_MESSAGE__BODY_WINDOW;

    (void)state;
    good.run = "r";
    good.seq = 1;
    good.window = &window;
    assert_null(check(body, &good));
    m = good, m.window = NULL;
    assert_non_null(check(body, &m));
    m = good, m.seq = 0;
    assert_non_null(check(body, &m));
    m = good, m.seq = UINT64_MAX;
    assert_non_null(check(body, &m));
    m = good, m.run = "";
    assert_non_null(check(body, &m));
    window.k = -1;
    assert_null(check(body, &good));
    window.k = -2;
    assert_non_null(check(body, &good));
    window.k = PLAN_DURATION_MAX_S + 1;
    assert_non_null(check(body, &good));
}

static void fins_cancels_and_commands_are_checked(void **state)
{
    Lps__V1__Fin fin = LPS__V1__FIN__INIT;
    Lps__V1__Cancel cancel = LPS__V1__CANCEL__INIT;
    Lps__V1__Command command = LPS__V1__COMMAND__INIT;

    (void)state;
    assert_non_null(check(LPS__V1__WORKER_MESSAGE__BODY_FIN, &fin));
    fin.run = "r";
    fin.seq = 1;
    assert_null(check(LPS__V1__WORKER_MESSAGE__BODY_FIN, &fin));
    assert_non_null(check(LPS__V1__WORKER_MESSAGE__BODY_CANCEL, &cancel));
    cancel.submission = "s";
    assert_null(check(LPS__V1__WORKER_MESSAGE__BODY_CANCEL, &cancel));
    assert_non_null(check(LPS__V1__WORKER_MESSAGE__BODY_COMMAND, &command));
    command.verb = LPS__V1__COMMAND__VERB__STATE;
    assert_null(check(LPS__V1__WORKER_MESSAGE__BODY_COMMAND, &command));
    command.verb = LPS__V1__COMMAND__VERB__MORE;
    assert_null(check(LPS__V1__WORKER_MESSAGE__BODY_COMMAND, &command));
    command.verb = 7;
    assert_non_null(check(LPS__V1__WORKER_MESSAGE__BODY_COMMAND, &command));
}

static void questions_for_runs_are_checked(void **state)
{
    Lps__V1__Command command = LPS__V1__COMMAND__INIT;
    char id[66];

    (void)state;
    command.verb = LPS__V1__COMMAND__VERB__RUNS;
    assert_non_null(check(LPS__V1__WORKER_MESSAGE__BODY_COMMAND, &command));
    command.limit = MESSAGE_RUNS_MAX;
    assert_null(check(LPS__V1__WORKER_MESSAGE__BODY_COMMAND, &command));
    command.limit = MESSAGE_RUNS_MAX + 1;
    assert_non_null(check(LPS__V1__WORKER_MESSAGE__BODY_COMMAND, &command));

    command.verb = LPS__V1__COMMAND__VERB__SHOW;
    assert_non_null(check(LPS__V1__WORKER_MESSAGE__BODY_COMMAND, &command));
    memset(id, 'a', sizeof id);
    id[65] = '\0';
    command.run = id;
    assert_non_null(check(LPS__V1__WORKER_MESSAGE__BODY_COMMAND, &command));
    id[64] = '\0';
    assert_null(check(LPS__V1__WORKER_MESSAGE__BODY_COMMAND, &command));
    id[1] = '/';
    assert_non_null(check(LPS__V1__WORKER_MESSAGE__BODY_COMMAND, &command));
}

static void facts_of_a_peer_are_cut_and_cleaned(void **state)
{
    Lps__V1__Hello m = LPS__V1__HELLO__INIT;
    struct cluster_facts facts;

    (void)state;
    m.version = repeat(200);
    m.os = "a\xff\nb";
    m.cpus = 3;
    message_facts(&m, &facts);
    assert_int_equal(strlen(facts.version), sizeof facts.version - 1);
    assert_string_equal(facts.os, "a??b");
    assert_int_equal(facts.cpus, 3);
}

static void a_fin_adds_up_its_series(void **state)
{
    Lps__V1__Counters n[2] = {LPS__V1__COUNTERS__INIT, LPS__V1__COUNTERS__INIT};
    Lps__V1__SeriesTotals t[2] = {LPS__V1__SERIES_TOTALS__INIT, LPS__V1__SERIES_TOTALS__INIT};
    Lps__V1__SeriesTotals *totals[] = {&t[0], &t[1]};
    Lps__V1__Fin m = LPS__V1__FIN__INIT;
    struct run_fin fin = {0};

    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        n[i].started = 10 + i;
        t[i].id = i;
        t[i].counters = &n[i];
    }
    m.n_totals = 2;
    m.totals = totals;
    m.has_start = true;
    m.start_skew_ns = -5;
    assert_int_equal(message_fin(&m, 2, &fin), 0);
    assert_int_equal(fin.totals.started, 21);
    assert_null(fin.failure);
    assert_int_equal(fin.start_skew_ns, -5);
    assert_int_equal(message_fin(&m, 1, &fin), -EBADMSG);
}

static void only_a_runner_that_failed_may_owe_its_totals(void **state)
{
    Lps__V1__Counters n = LPS__V1__COUNTERS__INIT;
    Lps__V1__SeriesTotals t = LPS__V1__SERIES_TOTALS__INIT, *totals[] = {&t};
    Lps__V1__Fin m = LPS__V1__FIN__INIT;
    struct run_fin fin = {0};

    (void)state;
    assert_int_equal(message_fin(&m, 1, &fin), 0);
    assert_false(fin.no_totals);
    m.failure = (char *)"runner killed by signal 9 (Killed)";
    assert_int_equal(message_fin(&m, 1, &fin), 0);
    assert_true(fin.no_totals);
    free(fin.failure);
    t.counters = &n;
    m.n_totals = 1;
    m.totals = totals;
    assert_int_equal(message_fin(&m, 1, &fin), 0);
    assert_false(fin.no_totals);
    free(fin.failure);
}

static void a_failure_of_a_fin_is_cut_and_cleaned(void **state)
{
    Lps__V1__Fin m = LPS__V1__FIN__INIT;
    struct run_fin fin = {0};
    char text[MESSAGE_FAILURE_MAX + 100];

    (void)state;
    memset(text, '\x01', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    m.failure = text;
    assert_int_equal(message_fin(&m, 1, &fin), 0);
    assert_int_equal(strlen(fin.failure), MESSAGE_FAILURE_MAX);
    assert_int_equal(fin.failure[0], '?');
    free(fin.failure);
}

static void requests_of_an_unknown_run_are_counted_within_reason(void **state)
{
    Lps__V1__Counters n[2] = {LPS__V1__COUNTERS__INIT, LPS__V1__COUNTERS__INIT};
    Lps__V1__SeriesDelta d[3] = {LPS__V1__SERIES_DELTA__INIT, LPS__V1__SERIES_DELTA__INIT,
                                 LPS__V1__SERIES_DELTA__INIT};
    Lps__V1__SeriesDelta *series[] = {&d[0], &d[1], &d[2]};
    Lps__V1__Window m = LPS__V1__WINDOW__INIT;

    (void)state;
    assert_int_equal(message_requests(&m), 0);
    n[0].started = 7;
    n[1].started = UINT64_MAX;
    d[0].counters = &n[0];
    d[1].counters = &n[1];
    m.n_series = 3;
    m.series = series;
    assert_int_equal(message_requests(&m), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_has_a_body),
        cmocka_unit_test(a_hello_has_a_node_name_and_an_instance),
        cmocka_unit_test(a_clock_estimate_is_neither_negative_nor_absurd),
        cmocka_unit_test(a_submission_stays_within_its_limits),
        cmocka_unit_test(a_window_report_has_a_window_a_run_and_a_sequence_number),
        cmocka_unit_test(fins_cancels_and_commands_are_checked),
        cmocka_unit_test(questions_for_runs_are_checked),
        cmocka_unit_test(facts_of_a_peer_are_cut_and_cleaned),
        cmocka_unit_test(a_fin_adds_up_its_series),
        cmocka_unit_test(only_a_runner_that_failed_may_owe_its_totals),
        cmocka_unit_test(a_failure_of_a_fin_is_cut_and_cleaned),
        cmocka_unit_test(requests_of_an_unknown_run_are_counted_within_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
