#include "tests/unit/store_test_world.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/wire.h"

#include "master/daemon/cluster.h"

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

int try_open(struct fixture *f, struct store **ret_store, char *err, size_t size)
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

void open_again(struct fixture *f)
{
    char err[256] = "";

    store_close(f->store);
    f->store = NULL;
    assert_int_equal(try_open(f, &f->store, err, sizeof err), 0);
}

int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);

    strcpy(f->dir, "/tmp/store_test.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->base = event_base_new();
    open_again(f);
    *state = f;
    return 0;
}

int tear_down(void **state)
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

void wait_commits(struct fixture *f, int n)
{
    while (f->n_commits < n)
        event_base_loop(f->base, EVLOOP_ONCE);
}

void on_list(json_t *list, void *arg)
{
    struct fixture *f = arg;

    json_decref(f->list);
    f->list = list;
    f->n_read++;
}

void on_result(const char *result, void *arg)
{
    struct fixture *f = arg;

    free(f->result);
    f->result = result == NULL ? NULL : xstrdup(result);
    f->n_read++;
}

void wait_read(struct fixture *f, int n)
{
    while (f->n_read < n)
        event_base_loop(f->base, EVLOOP_ONCE);
}

void add_run(struct fixture *f, const char *id)
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

void add_member(struct fixture *f, const char *run, uint32_t source)
{
    struct store_member member = {
        .run = run, .node = "w", .submission = "s", .source = source, .epoch = 1};

    store_add_member(f->store, &member);
}

void end_run(struct fixture *f, const char *id, int exit_code)
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

void add_window(struct fixture *f, const char *run, uint32_t source, uint64_t seq, int64_t k,
                uint64_t started)
{
    struct metrics_window *w = metrics_window_new(k, 2);

    w->series[1].n.started = w->series[1].n.in_flight = started;
    w->series[1].n.reused = seq;
    hist_record(&w->series[1].latency[METRICS_SERVICE], 100 * started);
    store_add_window(f->store, run, source, seq, w);
}

sqlite3 *database(const struct fixture *f)
{
    char path[128];
    sqlite3 *db;

    snprintf(path, sizeof path, "%s/master.db", f->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

int64_t number(const struct fixture *f, const char *query)
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

void change(const struct fixture *f, const char *statement)
{
    sqlite3 *db = database(f);

    assert_int_equal(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

struct metrics_window *stored_second(const struct fixture *f, int64_t k)
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
