#include "master/daemon/store.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "common/str.h"
#include "common/wire.h"

#include "master/daemon/cluster.h"

struct fixture {
    struct event_base *base;
    char dir[64];
    struct store *store;
    int n_commits, n_errors;
    char order[256]; // "source:seq " of each
    char failing[256];
    int n_failing;
    json_t *list;
    char *result;
    int n_read;
};

static void on_commit(const char *run, uint32_t source, uint64_t seq,
                      const struct metrics_window *w, int error, void *arg)
{
    struct fixture *f = arg;
    size_t len = strlen(f->order);

    (void)run;
    snprintf(f->order + len, sizeof f->order - len, "%" PRIu32 ":%" PRIu64 "%s ", source, seq,
             w == NULL ? "!" : "");
    f->n_commits++;
    f->n_errors += error != 0;
}

static void on_failing(const char *reason, void *arg)
{
    struct fixture *f = arg;

    snprintf(f->failing, sizeof f->failing, "%s", reason == NULL ? "" : reason);
    f->n_failing++;
}

static int try_open(struct fixture *f, struct store **ret_store, char *err, size_t size)
{
    struct store_ops ops = {on_commit, on_failing};

    return store_open(f->base, f->dir, &ops, f, err, size, ret_store);
}

static void open_again(struct fixture *f)
{
    char err[256] = "";

    store_close(f->store);
    f->store = NULL;
    assert_int_equal(try_open(f, &f->store, err, sizeof err), 0);
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);

    strcpy(f->dir, "/tmp/store_test.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->base = event_base_new();
    open_again(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const files[] = {"master.db", "master.db-wal", "master.db-shm",
                                        "master.lock"};
    struct fixture *f = *state;
    char path[128];

    store_close(f->store);
    event_base_free(f->base);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", f->dir, files[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(f->dir), 0);
    json_decref(f->list);
    free(f->result);
    free(f);
    return 0;
}

static void wait_commits(struct fixture *f, int n)
{
    while (f->n_commits < n)
        event_base_loop(f->base, EVLOOP_ONCE);
}

static void on_list(json_t *list, void *arg)
{
    struct fixture *f = arg;

    json_decref(f->list);
    f->list = list;
    f->n_read++;
}

static void on_result(const char *result, void *arg)
{
    struct fixture *f = arg;

    free(f->result);
    f->result = result == NULL ? NULL : xstrdup(result);
    f->n_read++;
}

static void wait_read(struct fixture *f, int n)
{
    while (f->n_read < n)
        event_base_loop(f->base, EVLOOP_ONCE);
}

static void add_run(struct fixture *f, const char *id)
{
    static const uint8_t digest[32] = {7};
    struct store_run run = {.id = id,
                            .plan_name = "p",
                            .plan = "{}",
                            .digest = digest,
                            .opened_ms = 1,
                            .started_ms = 2,
                            .t0_ns = 3,
                            .t0_boot_id = "boot",
                            .expected = 2};

    store_add_run(f->store, &run);
}

static void add_member(struct fixture *f, const char *run, uint32_t source)
{
    struct store_member member = {
        .run = run, .node = "w", .submission = "s", .source = source, .epoch = 1};

    store_add_member(f->store, &member);
}

static void end_run(struct fixture *f, const char *id, int exit_code)
{
    struct store_end end = {.run = id,
                            .state = CLUSTER_STOPPED,
                            .ended_ms = 9,
                            .exit_code = exit_code,
                            .flags = "[\"degraded\"]",
                            .n_workers = 2,
                            .n_requests = 1400,
                            .result = "{\"schema\":\"lps.result/1\"}"};

    store_end_run(f->store, &end);
}

static void add_window(struct fixture *f, const char *run, uint32_t source, uint64_t seq, int64_t k,
                       uint64_t started)
{
    struct metrics_window *w = metrics_window_new(k, 2);

    w->series[1].n.started = started;
    hist_record(&w->series[1].latency[METRICS_SERVICE], 100 * started);
    store_add_window(f->store, run, source, seq, w);
}

static sqlite3 *database(const struct fixture *f)
{
    char path[128];
    sqlite3 *db;

    snprintf(path, sizeof path, "%s/master.db", f->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static int64_t number(const struct fixture *f, const char *query)
{
    sqlite3 *db = database(f);
    sqlite3_stmt *st;

    assert_int_equal(sqlite3_prepare_v2(db, query, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return n;
}

static void change(const struct fixture *f, const char *statement)
{
    sqlite3 *db = database(f);

    assert_int_equal(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

// All parts of second k of run "r".
static struct metrics_window *stored_second(const struct fixture *f, int64_t k)
{
    struct metrics_window *sum = metrics_window_new(k, 2), *part;
    sqlite3 *db = database(f);
    sqlite3_stmt *st;

    sqlite3_prepare_v2(db, "SELECT data FROM windows WHERE run = 'r' AND k = ?1", -1, &st, NULL);
    sqlite3_bind_int64(st, 1, k);
    while (sqlite3_step(st) == SQLITE_ROW) {
        Lps__V1__Window *msg = lps__v1__window__unpack(NULL, (size_t)sqlite3_column_bytes(st, 0),
                                                       sqlite3_column_blob(st, 0));
        assert_non_null(msg);
        assert_int_equal(wire_window_decode(msg, 2, &part), 0);
        metrics_merge_peer(sum, part);
        metrics_window_free(part);
        lps__v1__window__free_unpacked(msg, NULL);
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
    return sum;
}

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
    store_add_fin(f->store, "r", 0, 2, "fin", 3);
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

    assert_int_equal(store_epoch(f->store, "w1"), 0);
    assert_int_equal(store_set_epoch(f->store, "w1", 1), 0);
    assert_int_equal(store_set_epoch(f->store, "w1", 2), 0);
    assert_int_equal(store_set_epoch(f->store, "w2", 1), 0);
    assert_int_equal(store_epoch(f->store, "w1"), 2);
    open_again(f);
    assert_int_equal(store_epoch(f->store, "w1"), 2);
    assert_int_equal(store_epoch(f->store, "w2"), 1);
    assert_int_equal(store_epoch(f->store, "w3"), 0);
}

static void a_run_that_was_open_is_failed_after_a_restart(void **state)
{
    struct fixture *f = *state;

    add_run(f, "ready");
    add_run(f, "running");
    store_set_running(f->store, "running");
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

static void a_newer_database_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct store *other = NULL;
    char err[256] = "";

    store_close(f->store);
    f->store = NULL;
    change(f, "PRAGMA user_version = 99");
    assert_int_equal(try_open(f, &other, err, sizeof err), -EIO);
    assert_non_null(strstr(err, "newer version (schema 99"));
}

static void a_file_that_is_no_database_is_named(void **state)
{
    struct fixture *f = *state;
    struct store *other = NULL;
    char err[256] = "", path[128];

    store_close(f->store);
    f->store = NULL;
    snprintf(path, sizeof path, "%s/master.db", f->dir);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 2000; i++)
        fputs("nonsense\n", file);
    fclose(file);
    assert_int_equal(try_open(f, &other, err, sizeof err), -EIO);
    assert_non_null(strstr(err, path));
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
#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FACT(windows_of_a_second_are_stored_as_their_sum),
        FACT(progress_is_committed_with_the_windows),
        FACT(commits_come_back_in_order_and_fins_among_them),
        FACT(closing_writes_and_delivers_what_is_waiting),
        FACT(epochs_survive_a_restart),
        FACT(a_run_that_was_open_is_failed_after_a_restart),
        FACT(the_list_is_newest_first_and_limited),
        FACT(a_result_is_found_by_its_run_only),
        FACT(only_the_newest_runs_are_kept),
        FACT(events_are_kept_with_their_run_and_node),
        FACT(a_second_master_is_kept_out),
        FACT(a_newer_database_is_left_alone),
        FACT(a_file_that_is_no_database_is_named),
        FACT(a_missing_directory_is_named),
        FACT(a_full_disk_is_reported_and_so_is_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
