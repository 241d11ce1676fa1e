#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/wire.h"

#include "master/daemon/cluster.h"
#include "tests/unit/store_test_world.h"

static void windows_of_a_second_are_stored_as_their_sum(void **state)
{
    struct fixture *f = *state;

    add_run(f, "r");
    add_member(f, "r", 0);
    add_member(f, "r", 1);
    add_window(f, "r", 0, 1, 0, 10);
    add_window(f, "r", 1, 1, 0, 20);
    add_window(f, "r", 0, 2, 1, 5);
    wait_commits(f, 3);
    add_window(f, "r", 1, 2, 0, 3); // a late one for a second that was written
    wait_commits(f, 4);
    assert_int_equal(f->n_errors, 0);
    struct metrics_window *w = stored_second(f, 0);
    assert_int_equal(w->series[1].n.started, 33);
    assert_int_equal(w->series[1].latency[METRICS_SERVICE].count, 3);
    assert_int_equal(w->series[1].latency[METRICS_SERVICE].max, 2000);
    metrics_window_free(w);
    w = stored_second(f, 1);
    assert_int_equal(w->series[1].n.started, 5);
    metrics_window_free(w);
}

static void progress_is_committed_with_the_windows(void **state)
{
    struct fixture *f = *state;

    add_run(f, "r");
    add_member(f, "r", 0);
    add_window(f, "r", 0, 1, 4, 10);
    add_window(f, "r", 0, 2, 3, 7);
    wait_commits(f, 2);
    assert_int_equal(number(f, "SELECT last_seq FROM members"), 2);
    assert_int_equal(number(f, "SELECT last_k FROM members"), 4);
    assert_int_equal(number(f, "SELECT requests FROM members"), 17);
}

static void commits_come_back_in_order_and_fins_among_them(void **state)
{
    struct fixture *f = *state;

    add_run(f, "r");
    add_member(f, "r", 0);
    add_window(f, "r", 0, 1, 0, 1);
    store_add_fin(f->store, "r", 0, 2, 77, "fin", 3);
    wait_commits(f, 2);
    assert_string_equal(f->order, "0:1 0:2! ");
    assert_int_equal(number(f, "SELECT last_seq FROM members"), 2);
    assert_int_equal(number(f, "SELECT length(fin) FROM members"), 3);
}

static void closing_writes_and_delivers_what_is_waiting(void **state)
{
    struct fixture *f = *state;

    add_run(f, "r");
    add_member(f, "r", 0);
    for (uint64_t seq = 1; seq <= 20; seq++)
        add_window(f, "r", 0, seq, (int64_t)seq, 1);
    store_list(f->store, 10, on_list, f);
    open_again(f);
    assert_int_equal(f->n_commits, 20);
    assert_int_equal(f->n_errors, 0);
    assert_int_equal(f->n_read, 1);
    assert_int_equal(number(f, "SELECT last_seq FROM members"), 20);
}

static void epochs_survive_a_restart(void **state)
{
    struct fixture *f = *state;

    static const uint8_t one[16] = {1}, two[16] = {2};

    assert_int_equal(store_epoch(f->store, "w1", one), 1);
    assert_int_equal(store_set_epoch(f->store, "w1", one, 1), 0);
    assert_int_equal(store_epoch(f->store, "w1", one), 1);
    assert_int_equal(store_epoch(f->store, "w1", two), 2);
    assert_int_equal(store_set_epoch(f->store, "w1", two, 2), 0);
    assert_int_equal(store_set_epoch(f->store, "w2", one, 1), 0);
    assert_int_equal(store_epoch(f->store, "w1", two), 2);
    open_again(f);
    assert_int_equal(store_epoch(f->store, "w1", two), 2);
    assert_int_equal(store_epoch(f->store, "w1", one), 3);
    assert_int_equal(store_epoch(f->store, "w2", one), 1);
    assert_int_equal(store_epoch(f->store, "w3", one), 1);
}

static void a_run_that_was_open_is_failed_after_a_restart(void **state)
{
    struct fixture *f = *state;

    add_run(f, "ready");
    add_run(f, "running");
    store_set_state(f->store, "running", CLUSTER_RUNNING, CLUSTER_GO);
    add_run(f, "stopped");
    end_run(f, "stopped", 0);
    open_again(f);
    assert_true(store_has_run(f->store, "running"));
    assert_false(store_has_run(f->store, "other"));
    store_list(f->store, 10, on_list, f);
    wait_read(f, 1);
    assert_int_equal(json_array_size(f->list), 3);
    static const char *const states[] = {"Stopped", "Failed", "Failed"};
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(f->list, i), "state")),
                            states[i]);
    assert_string_equal(json_string_value(json_object_get(json_array_get(f->list, 1), "reason")),
                        "master restarted");
    assert_true(json_is_null(json_object_get(json_array_get(f->list, 1), "exitCode")));
}

static void the_newest_run_is_handed_back_as_it_was_left(void **state)
{
    static const uint8_t instance[16] = {1};
    struct fixture *f = *state;

    f->takes_up = true;
    add_run(f, "older");
    store_set_epoch(f->store, "w", instance, 3);
    add_member(f, "r", 0);
    add_member(f, "r", 1);
    add_run(f, "r");
    store_set_state(f->store, "r", CLUSTER_RUNNING, CLUSTER_DRAIN);
    store_set_alive(f->store, "r", 55);
    struct store_member counted = {
        .run = "r", .node = "w", .submission = "s", .source = 1, .epoch = 1, .counted = true};
    store_add_member(f->store, &counted);
    add_window(f, "r", 0, 1, 0, 10);
    add_window(f, "r", 1, 1, 0, 20);
    wait_commits(f, 2);
    add_window(f, "r", 0, 2, 0, 4); // late
    add_window(f, "r", 1, 2, 1, 5);
    store_add_fin(f->store, "r", 1, 3, 66, "fin", 3);
    store_add_end(f->store, "r", 1, 7, 0.5, "ErrorRate > 0.1");
    store_add_end(f->store, "r", 0, 8, NAN, "a == b");
    store_add_outage(f->store, "r", 30, 40);
    open_again(f);
    assert_string_equal(
        f->saved.data,
        "run r, {}, state 3, stop 1, t0 3 of boot, seed 9, alive 55, result none\n"
        "member 0 w/s epoch 1 of 3 part 0 seq 2 k 0 started 14 reused 3 in flight 4 fin  at 0\n"
        "member 1 w/s epoch 1 of 3 part 0 counted seq 3 k 1 started 25 reused 3 in flight 5 fin "
        "fin at 66\n"
        "end of 1 at 7: ErrorRate > 0.1 (0.5)\n"
        "end of 0 at 8: a == b (nan)\n"
        "outage 30 to 40\n"
        "second 0: 30 of 0(10) 1(20)\n"
        "second 0: 4 of 0(4)\n"
        "second 1: 5 of 1(5)\n");
    assert_int_equal(number(f, "SELECT state FROM runs WHERE id = 'r'"), CLUSTER_RUNNING);
    assert_int_equal(number(f, "SELECT state FROM runs WHERE id = 'older'"), CLUSTER_FAILED);
}

static void who_joins_is_stored_before_the_run_says_so(void **state)
{
    struct fixture *f = *state;

    add_member(f, "r", 0);
    add_run(f, "r");
    add_member(f, "r", 1);
    open_again(f);
    assert_string_equal(f->stored.data, "r:0 r:-1 r:1 ");
}

static void members_without_their_run_are_dropped(void **state)
{
    struct fixture *f = *state;

    add_member(f, "r", 0);
    open_again(f);
    assert_int_equal(number(f, "SELECT count(*) FROM members"), 0);
}

static void the_list_is_newest_first_and_limited(void **state)
{
    struct fixture *f = *state;

    add_run(f, "one");
    end_run(f, "one", 0);
    add_run(f, "two");
    end_run(f, "two", 4);
    open_again(f);
    store_list(f->store, 1, on_list, f);
    wait_read(f, 1);
    assert_int_equal(json_array_size(f->list), 1);
    char *text = json_dumps(f->list, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, "[{\"endedAt\":9,\"exitCode\":4,\"flags\":[\"degraded\"],"
                              "\"id\":\"two\",\"plan\":\"p\",\"reason\":null,\"requests\":1400,"
                              "\"startedAt\":2,\"state\":\"Stopped\",\"workers\":2}]");
    free(text);
}

static void a_result_is_found_by_its_run_only(void **state)
{
    struct fixture *f = *state;

    add_run(f, "r");
    add_run(f, "open");
    end_run(f, "r", 0);
    open_again(f);
    store_get_result(f->store, "r", on_result, f);
    wait_read(f, 1);
    assert_string_equal(f->result, "{\"schema\":\"lps.result/1\"}");
    store_get_result(f->store, "open", on_result, f);
    wait_read(f, 2);
    assert_null(f->result);
    store_get_result(f->store, "x' OR 1=1 --", on_result, f);
    wait_read(f, 3);
    assert_null(f->result);
}

static void only_the_newest_runs_are_kept(void **state)
{
    struct fixture *f = *state;
    char id[16];

    for (int i = 0; i < STORE_RUNS_MAX + 2; i++) {
        snprintf(id, sizeof id, "r%d", i);
        add_run(f, id);
        if (i == 0) {
            add_member(f, id, 0);
            add_window(f, id, 0, 1, 0, 1);
            end_run(f, id, 0);
        }
    }
    open_again(f);
    assert_int_equal(number(f, "SELECT count(*) FROM runs"), STORE_RUNS_MAX);
    assert_int_equal(number(f, "SELECT count(*) FROM windows"), 0);
    assert_int_equal(number(f, "SELECT count(*) FROM members"), 0);
    assert_int_equal(number(f, "SELECT count(*) FROM results"), 0);
    assert_false(store_has_run(f->store, "r1"));
    assert_true(store_has_run(f->store, "r2"));
}

static void events_are_kept_with_their_run_and_node(void **state)
{
    struct fixture *f = *state;

    store_add_event(f->store, 5, "run-state", "r", NULL, "Created -> Ready");
    store_add_event(f->store, 6, "node-up", NULL, "w1", "connected");
    open_again(f);
    assert_int_equal(number(f, "SELECT count(*) FROM events"), 2);
    assert_int_equal(number(f, "SELECT t_ms FROM events WHERE node = 'w1' AND run IS NULL"), 6);
}

static void a_second_master_is_kept_out(void **state)
{
    struct fixture *f = *state;
    struct store *other = NULL;
    char err[256] = "";

    assert_int_equal(try_open(f, &other, err, sizeof err), -EBUSY);
    assert_non_null(strstr(err, "another lps-masterd uses this directory"));
    assert_null(other);
}

static void a_missing_directory_is_named(void **state)
{
    struct fixture *f = *state;
    struct fixture other = {.base = f->base, .dir = "/tmp/store_test.not-there"};
    struct store *store = NULL;
    char err[256] = "";

    assert_int_equal(try_open(&other, &store, err, sizeof err), -ENOENT);
    assert_non_null(strstr(err, other.dir));
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;

    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_is_reported_and_so_is_its_end(void **state)
{
    struct fixture *f = *state;

    signal(SIGXFSZ, SIG_IGN);
    add_run(f, "r");
    add_member(f, "r", 0);
    add_window(f, "r", 0, 1, 0, 1);
    wait_commits(f, 1);
    limit_file_size(0);
    add_window(f, "r", 0, 2, 1, 1);
    wait_commits(f, 2);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(f->n_errors, 1);
    assert_int_equal(f->n_failing, 1);
    assert_string_not_equal(f->failing, "");
    add_window(f, "r", 0, 3, 2, 1);
    wait_commits(f, 3);
    assert_int_equal(f->n_errors, 1);
    assert_int_equal(f->n_failing, 2);
    assert_string_equal(f->failing, "");
    assert_int_equal(number(f, "SELECT count(*) FROM windows"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(windows_of_a_second_are_stored_as_their_sum),
        FACT(progress_is_committed_with_the_windows),
        FACT(commits_come_back_in_order_and_fins_among_them),
        FACT(closing_writes_and_delivers_what_is_waiting),
        FACT(epochs_survive_a_restart),
        FACT(a_run_that_was_open_is_failed_after_a_restart),
        FACT(the_newest_run_is_handed_back_as_it_was_left),
        FACT(who_joins_is_stored_before_the_run_says_so),
        FACT(members_without_their_run_are_dropped),
        FACT(the_list_is_newest_first_and_limited),
        FACT(a_result_is_found_by_its_run_only),
        FACT(only_the_newest_runs_are_kept),
        FACT(events_are_kept_with_their_run_and_node),
        FACT(a_second_master_is_kept_out),
        FACT(a_missing_directory_is_named),
        FACT(a_full_disk_is_reported_and_so_is_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
