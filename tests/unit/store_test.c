#include "master/daemon/store.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
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
    bool takes_up;
    struct buf saved;  // what was handed back of the newest run
    struct buf stored; // "run:source " of each
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

static void on_stored(const char *run, int64_t source, int error, void *arg)
{
    struct fixture *f = arg;

    buf_printf(&f->stored, "%s:%" PRId64 "%s ", run, source, error == 0 ? "" : "!");
}

static uint32_t on_saved(const struct store_saved *run, void *arg)
{
    struct fixture *f = arg;

    buf_printf(&f->saved,
               "run %s, %s, state %d, stop %d, t0 %" PRId64 " of %s, seed %" PRIu64
               ", alive %" PRId64 ", result %s\n",
               run->id, run->plan, run->state, run->stop, run->t0_ns, run->t0_boot_id, run->seed,
               run->alive_ns, run->result == NULL ? "none" : run->result);
    for (size_t i = 0; i < run->n_members; i++) {
        const struct store_saved_member *m = &run->members[i];
        buf_printf(&f->saved,
                   "member %" PRIu32 " %s/%s epoch %" PRIu64 " of %" PRIu64 " part %" PRIu32
                   "%s%s%s seq %" PRIu64 " k %" PRId64 " started %" PRIu64 " reused %" PRIu64
                   " in flight %" PRIu64 " fin %.*s at %" PRId64 "\n",
                   m->source, m->node, m->submission, m->epoch, m->node_epoch, m->part,
                   m->observer ? " observer" : "", m->late ? " late" : "",
                   m->counted ? " counted" : "", m->last_seq, m->last_k, m->merged.started,
                   m->merged.reused, m->merged.in_flight, (int)m->fin_len,
                   m->fin == NULL ? "" : (const char *)m->fin, m->fin_ns);
    }
    for (size_t i = 0; i < run->n_ends; i++)
        buf_printf(&f->saved, "end of %" PRIu32 " at %" PRId64 ": %s (%g)\n", run->ends[i].series,
                   run->ends[i].k, run->ends[i].rule, run->ends[i].value);
    for (size_t i = 0; i < run->n_outages; i++)
        buf_printf(&f->saved, "outage %" PRId64 " to %" PRId64 "\n", run->outages[i].from_ns,
                   run->outages[i].to_ns);
    return 2;
}

static void on_saved_window(const struct aggregate_share *shares, size_t n,
                            const struct metrics_window *w, void *arg)
{
    struct fixture *f = arg;

    buf_printf(&f->saved, "second %" PRId64 ": %" PRIu64 " of", w->k, w->series[1].n.started);
    for (size_t i = 0; i < n; i++)
        buf_printf(&f->saved, " %" PRIu32 "(%" PRIu64 ")", shares[i].source, shares[i].in_flight);
    buf_puts(&f->saved, "\n");
}

static void on_failing(const char *reason, void *arg)
{
    struct fixture *f = arg;

    snprintf(f->failing, sizeof f->failing, "%s", reason == NULL ? "" : reason);
    f->n_failing++;
}

static int try_open(struct fixture *f, struct store **ret_store, char *err, size_t size)
{
    struct store_ops ops = {
        .on_saved = f->takes_up ? on_saved : NULL,
        .on_saved_window = on_saved_window,
        .on_stored = on_stored,
        .on_commit = on_commit,
        .on_failing = on_failing,
    };

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
    buf_done(&f->saved);
    buf_done(&f->stored);
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
                            .expected = 2,
                            .seed = 9};

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

    w->series[1].n.started = w->series[1].n.in_flight = started;
    w->series[1].n.reused = seq;
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

// --- Damage ---

struct copy {
    uint8_t *bytes;
    size_t len;
};

static void path_of(const struct fixture *f, const char *suffix, char *path, size_t size)
{
    snprintf(path, size, "%s/master.db%s", f->dir, suffix);
}

static struct copy read_file(const struct fixture *f, const char *suffix)
{
    char path[128];
    struct copy copy = {0};

    path_of(f, suffix, path, sizeof path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    copy.len = (size_t)ftell(file);
    rewind(file);
    copy.bytes = xcalloc(copy.len + 1, 1);
    assert_int_equal(fread(copy.bytes, 1, copy.len, file), copy.len);
    fclose(file);
    return copy;
}

static void write_file(const struct fixture *f, const char *suffix, const uint8_t *bytes,
                       size_t len)
{
    char path[128];

    path_of(f, suffix, path, sizeof path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

// It is refused by name, its bytes are those of before, and the check says the same.
static void assert_refused(struct fixture *f, const char *why)
{
    struct store *other = NULL;
    char err[512] = "";
    struct copy before = read_file(f, "");

    assert_int_equal(try_open(f, &other, err, sizeof err), -EIO);
    assert_non_null(strstr(err, "master.db: "));
    if (strstr(err, why) == NULL || strstr(err, "it is left as it is") == NULL)
        fail_msg("%s", err);
    assert_int_equal(store_check(f->dir), -EIO);
    struct copy after = read_file(f, "");
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.bytes, after.bytes, before.len);
    free(before.bytes);
    free(after.bytes);
}

static void fill_and_close(struct fixture *f)
{
    add_member(f, "r", 0);
    add_run(f, "r");
    for (uint64_t seq = 1; seq <= 200; seq++)
        add_window(f, "r", 0, seq, (int64_t)seq, seq);
    store_close(f->store);
    f->store = NULL;
}

static void a_sound_store_is_said_to_be_so(void **state)
{
    struct fixture *f = *state;

    fill_and_close(f);
    assert_int_equal(store_check(f->dir), 0);
}

static void a_truncated_database_is_refused_and_kept(void **state)
{
    struct fixture *f = *state;

    fill_and_close(f);
    struct copy whole = read_file(f, "");
    write_file(f, "", whole.bytes, whole.len - 4096);
    assert_refused(f, "malformed");
    write_file(f, "", whole.bytes, whole.len / 2);
    assert_refused(f, "malformed");
    write_file(f, "", whole.bytes, 1000);
    assert_refused(f, "malformed");
    free(whole.bytes);
}

static void an_overwritten_database_is_refused_and_kept(void **state)
{
    struct fixture *f = *state;

    fill_and_close(f);
    struct copy whole = read_file(f, "");
    uint8_t *bytes = xmemdup(whole.bytes, whole.len);
    memset(bytes, 'x', 100);
    write_file(f, "", bytes, whole.len);
    assert_refused(f, "not a database");
    for (size_t page = 1; page < whole.len / 4096; page++) {
        memcpy(bytes, whole.bytes, whole.len);
        memset(bytes + page * 4096, 0x5a, 4096);
        write_file(f, "", bytes, whole.len);
        assert_refused(f, "");
    }
    free(bytes);
    free(whole.bytes);
}

static void another_programs_database_is_refused_and_kept(void **state)
{
    struct fixture *f = *state;

    store_close(f->store);
    f->store = NULL;
    write_file(f, "", (const uint8_t *)"", 0);
    change(f, "CREATE TABLE letters (text TEXT)");
    struct store *other = NULL;
    char err[512] = "";
    assert_int_equal(try_open(f, &other, err, sizeof err), -EIO);
    assert_non_null(strstr(err, "not a database of lps-masterd"));
    assert_int_equal(number(f, "SELECT count(*) FROM sqlite_master"), 1);
}

// SQLite would delete the log of an empty database.
static void an_empty_database_with_a_log_is_refused_and_both_are_kept(void **state)
{
    struct fixture *f = *state;

    add_run(f, "r");
    add_window(f, "r", 0, 1, 0, 1);
    wait_commits(f, 1);
    struct copy log = read_file(f, "-wal");
    assert_true(log.len > 0);
    store_close(f->store);
    f->store = NULL;
    write_file(f, "", (const uint8_t *)"", 0);
    write_file(f, "-wal", log.bytes, log.len);
    assert_refused(f, "its log (-wal) is not");
    struct copy after = read_file(f, "-wal");
    assert_int_equal(after.len, log.len);
    free(after.bytes);
    free(log.bytes);
}

// Power fails while the log is written: what was committed before is there, and nothing of the
// torn transaction.
static void a_torn_transaction_leaves_those_before_it(void **state)
{
    struct fixture *f = *state;
    size_t end[5];

    add_member(f, "r", 0);
    add_run(f, "r");
    for (int i = 0; i < 5; i++) {
        add_window(f, "r", 0, (uint64_t)i + 1, i, 1);
        wait_commits(f, i + 1);
        struct copy log = read_file(f, "-wal");
        end[i] = log.len;
        free(log.bytes);
    }
    struct copy db = read_file(f, ""), log = read_file(f, "-wal");
    store_close(f->store);
    f->store = NULL;
    for (int i = 1; i < 5; i++) {
        const size_t cut[] = {end[i - 1],        end[i - 1] + 1,    end[i - 1] + 24,
                              end[i - 1] + 4120, end[i] - 4096 / 2, end[i] - 1};
        for (size_t j = 0; j < sizeof cut / sizeof *cut; j++) {
            write_file(f, "", db.bytes, db.len);
            write_file(f, "-wal", log.bytes, cut[j]);
            f->n_commits = 0;
            open_again(f);
            assert_int_equal(number(f, "SELECT last_seq FROM members"), i);
            assert_int_equal(number(f, "SELECT count(*) FROM windows"), i);
            store_close(f->store);
            f->store = NULL;
            assert_int_equal(store_check(f->dir), 0);
        }
    }
    free(db.bytes);
    free(log.bytes);
}

static void a_database_of_version_1_is_taken_over(void **state)
{
    struct fixture *f = *state;

    store_close(f->store);
    f->store = NULL;
    write_file(f, "", (const uint8_t *)"", 0);
    change(f,
           "CREATE TABLE nodes (name TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;"
           "CREATE TABLE runs (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, plan_name"
           " TEXT NOT NULL, plan TEXT NOT NULL, t0_boot_id TEXT NOT NULL, opened_ms INTEGER NOT"
           " NULL, started_ms INTEGER NOT NULL, t0_ns INTEGER NOT NULL, expected INTEGER NOT"
           " NULL, digest BLOB NOT NULL, state INTEGER NOT NULL, reason TEXT, ended_ms INTEGER,"
           " exit_code INTEGER, flags TEXT NOT NULL DEFAULT '[]', workers INTEGER, requests"
           " INTEGER);"
           "CREATE TABLE members (run TEXT NOT NULL, source INTEGER NOT NULL, node TEXT NOT NULL,"
           " submission TEXT NOT NULL, epoch INTEGER NOT NULL, observer INTEGER NOT NULL,"
           " late INTEGER NOT NULL, last_seq INTEGER NOT NULL DEFAULT 0,"
           " last_k INTEGER NOT NULL DEFAULT -1, requests INTEGER NOT NULL DEFAULT 0,"
           " completed INTEGER NOT NULL DEFAULT 0, errors INTEGER NOT NULL DEFAULT 0, fin BLOB,"
           " PRIMARY KEY (run, source)) WITHOUT ROWID;"
           "CREATE TABLE windows (run TEXT NOT NULL, k INTEGER NOT NULL, part INTEGER NOT NULL,"
           " data BLOB NOT NULL, PRIMARY KEY (run, k, part)) WITHOUT ROWID;"
           "CREATE TABLE events (number INTEGER PRIMARY KEY, t_ms INTEGER NOT NULL, event TEXT"
           " NOT NULL, run TEXT, node TEXT, text TEXT NOT NULL);"
           "CREATE TABLE results (run TEXT PRIMARY KEY, result TEXT NOT NULL) WITHOUT ROWID;"
           "INSERT INTO nodes VALUES ('w1', 4);"
           "INSERT INTO runs (id, plan_name, plan, t0_boot_id, opened_ms, started_ms, t0_ns,"
           " expected, digest, state) VALUES ('r', 'p', '{}', 'b', 1, 2, 3, 1, x'00', 3);"
           "PRAGMA user_version = 1;");
    open_again(f);
    assert_int_equal(store_epoch(f->store, "w1", (const uint8_t[16]){1}), 5);
    assert_int_equal(number(f, "SELECT state FROM runs"), CLUSTER_FAILED);
    add_member(f, "new", 0);
    add_run(f, "new");
    add_window(f, "new", 0, 1, 0, 3);
    wait_commits(f, 1);
    assert_int_equal(f->n_errors, 0);
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
        FACT(the_newest_run_is_handed_back_as_it_was_left),
        FACT(who_joins_is_stored_before_the_run_says_so),
        FACT(members_without_their_run_are_dropped),
        FACT(a_sound_store_is_said_to_be_so),
        FACT(a_truncated_database_is_refused_and_kept),
        FACT(an_overwritten_database_is_refused_and_kept),
        FACT(another_programs_database_is_refused_and_kept),
        FACT(an_empty_database_with_a_log_is_refused_and_both_are_kept),
        FACT(a_torn_transaction_leaves_those_before_it),
        FACT(a_database_of_version_1_is_taken_over),
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
