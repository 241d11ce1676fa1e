// Reading at the start: nodes, runs, the newest run as it was left, damage. Part of store_sql.h.
#include "master/daemon/store_sql.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "common/clock.h"
#include "common/str.h"
#include "common/wire.h"

#include "master/daemon/cluster.h"

// A start is not put off for longer than this; a database that is not read to its end by then (at
// some 100 MB/s from a disk) is looked at by --check-store.
#define LOOK_NS  (2 * NS_PER_S)
#define LOOK_OPS 10000 // of SQLite's machine, between two looks at the clock

static int damaged(struct store_sql *sql, const char *what)
{
    char *text = xasprintf("damaged: %s", what);

    for (char *c = text; *c != '\0'; c++)
        *c = *c == '\n' ? ' ' : *c;
    store_sql_set_error(sql, text);
    free(text);
    return -EIO;
}

// --- Rows ---

static char *text_at(sqlite3_stmt *st, int column)
{
    const char *text = (const char *)sqlite3_column_text(st, column);

    return text == NULL ? NULL : xstrdup(text);
}

// size bytes; zeros when the column has another length.
static void bytes_at(sqlite3_stmt *st, int column, uint8_t *into, size_t size)
{
    const void *bytes = sqlite3_column_blob(st, column);

    memset(into, 0, size);
    if ((size_t)sqlite3_column_bytes(st, column) == size)
        memcpy(into, bytes, size);
}

// What each row of a query is for. 0, or -EIO: there are no further rows.
typedef int row_fn(sqlite3_stmt *st, void *arg);

static int each_row(struct store_sql *sql, const char *query, const char *run, row_fn *on_row,
                    void *arg)
{
    sqlite3_stmt *st = NULL;
    int step = SQLITE_ERROR, r = 0;

    if (sqlite3_prepare_v2(store_sql_db(sql), query, -1, &st, NULL) == SQLITE_OK) {
        if (run != NULL)
            sqlite3_bind_text(st, 1, run, -1, SQLITE_STATIC);
        while ((step = sqlite3_step(st)) == SQLITE_ROW && r == 0)
            r = on_row(st, arg);
    }
    if (r == 0 && step != SQLITE_DONE)
        r = store_sql_failed(sql);
    sqlite3_finalize(st);
    return r;
}

// --- Nodes and runs ---

struct known {
    void (*on_node)(const char *name, const uint8_t instance[16], uint64_t epoch, void *);
    void (*on_run)(const char *id, void *);
    void *arg;
};

static int on_node_row(sqlite3_stmt *st, void *arg)
{
    const struct known *known = arg;
    uint8_t instance[16];

    bytes_at(st, 2, instance, sizeof instance);
    known->on_node((const char *)sqlite3_column_text(st, 0), instance,
                   (uint64_t)sqlite3_column_int64(st, 1), known->arg);
    return 0;
}

static int on_run_row(sqlite3_stmt *st, void *arg)
{
    const struct known *known = arg;

    known->on_run((const char *)sqlite3_column_text(st, 0), known->arg);
    return 0;
}

int store_sql_load(struct store_sql *sql,
                   void (*on_node)(const char *name, const uint8_t instance[16], uint64_t epoch,
                                   void *),
                   void (*on_run)(const char *id, void *), void *arg)
{
    struct known known = {on_node, on_run, arg};
    int r = each_row(sql, "SELECT name, epoch, instance FROM nodes", NULL, on_node_row, &known);

    return r != 0 ? r
                  : each_row(sql, "SELECT id FROM runs ORDER BY number", NULL, on_run_row, &known);
}

// --- The newest run ---

static int on_saved_run(sqlite3_stmt *st, void *arg)
{
    struct store_saved *run = arg;

    *run = (struct store_saved){
        .id = text_at(st, 0),
        .plan_name = text_at(st, 1),
        .plan = text_at(st, 2),
        .t0_boot_id = text_at(st, 3),
        .opened_ms = sqlite3_column_int64(st, 4),
        .started_ms = sqlite3_column_int64(st, 5),
        .ended_ms = sqlite3_column_int64(st, 6),
        .t0_ns = sqlite3_column_int64(st, 7),
        .alive_ns = sqlite3_column_int64(st, 8),
        .expected = (uint32_t)sqlite3_column_int64(st, 9),
        .seed = (uint64_t)sqlite3_column_int64(st, 10),
        .state = sqlite3_column_int(st, 11),
        .stop = sqlite3_column_int(st, 12),
        .result = text_at(st, 14),
    };
    bytes_at(st, 13, run->digest, sizeof run->digest);
    return 0;
}

static int on_saved_member(sqlite3_stmt *st, void *arg)
{
    struct store_saved *run = arg;

    if (run->n_members == CLUSTER_MEMBERS_MAX)
        return 0;
    run->members = xreallocarray(run->members, run->n_members + 1, sizeof *run->members);
    struct store_saved_member *m = &run->members[run->n_members++];
    *m = (struct store_saved_member){
        .source = (uint32_t)sqlite3_column_int64(st, 0),
        .node = text_at(st, 1),
        .submission = text_at(st, 2),
        .epoch = (uint64_t)sqlite3_column_int64(st, 3),
        .observer = sqlite3_column_int(st, 4) != 0,
        .late = sqlite3_column_int(st, 5) != 0,
        .counted = sqlite3_column_int(st, 6) != 0,
        .part = (uint32_t)sqlite3_column_int64(st, 7),
        .last_seq = (uint64_t)sqlite3_column_int64(st, 8),
        .last_k = sqlite3_column_int64(st, 9),
        .errors = (uint64_t)sqlite3_column_int64(st, 10),
        .fin_ns = sqlite3_column_int64(st, 11),
        .node_epoch = (uint64_t)sqlite3_column_int64(st, 13),
    };
    if (sqlite3_column_type(st, 12) != SQLITE_NULL) {
        m->fin_len = (size_t)sqlite3_column_bytes(st, 12);
        m->fin = xcalloc(m->fin_len + 1, 1);
        memcpy(m->fin, sqlite3_column_blob(st, 12), m->fin_len);
    }
    bytes_at(st, 14, m->instance, sizeof m->instance);
    uint64_t *const counts[] = {
        &m->merged.started,       &m->merged.completed,      &m->merged.failed,
        &m->merged.aborted,       &m->merged.dropped,        &m->merged.skipped,
        &m->merged.bytes_sent,    &m->merged.bytes_received, &m->merged.body_sent,
        &m->merged.body_received, &m->merged.connects,       &m->merged.reused,
        &m->merged.in_flight,
    };
    for (int i = 0; i < (int)(sizeof counts / sizeof *counts); i++)
        *counts[i] = (uint64_t)sqlite3_column_int64(st, 15 + i);
    return 0;
}

static int on_saved_end(sqlite3_stmt *st, void *arg)
{
    struct store_saved *run = arg;

    run->ends = xreallocarray(run->ends, run->n_ends + 1, sizeof *run->ends);
    run->ends[run->n_ends++] = (struct store_saved_end){
        .series = (uint32_t)sqlite3_column_int64(st, 0),
        .k = sqlite3_column_int64(st, 1),
        .value = sqlite3_column_type(st, 2) == SQLITE_NULL ? NAN : sqlite3_column_double(st, 2),
        .rule = text_at(st, 3),
    };
    return 0;
}

static int on_saved_outage(sqlite3_stmt *st, void *arg)
{
    struct store_saved *run = arg;

    run->outages = xreallocarray(run->outages, run->n_outages + 1, sizeof *run->outages);
    run->outages[run->n_outages++] =
        (struct store_saved_outage){sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1)};
    return 0;
}

static void saved_done(struct store_saved *run)
{
    for (size_t i = 0; i < run->n_members; i++) {
        free(run->members[i].node);
        free(run->members[i].submission);
        free(run->members[i].fin);
    }
    for (size_t i = 0; i < run->n_ends; i++)
        free(run->ends[i].rule);
    free(run->id);
    free(run->plan_name);
    free(run->plan);
    free(run->t0_boot_id);
    free(run->result);
    free(run->members);
    free(run->ends);
    free(run->outages);
}

static int read_saved(struct store_sql *sql, struct store_saved *run)
{
    int r = each_row(sql,
                     "SELECT id, plan_name, plan, t0_boot_id, opened_ms, started_ms, ended_ms,"
                     " t0_ns, alive_ns, expected, seed, state, stop, digest, result FROM runs"
                     " LEFT JOIN results ON run = id ORDER BY number DESC LIMIT 1",
                     NULL, on_saved_run, run);

    if (r != 0 || run->id == NULL)
        return r;
    r = each_row(sql,
                 "SELECT source, node, submission, members.epoch, observer, late, counted, part,"
                 " last_seq, last_k, errors, fin_ns, fin, nodes.epoch, instance, requests,"
                 " completed, failed, aborted, dropped, skipped, bytes_sent, bytes_received,"
                 " body_sent, body_received, connects, reused, in_flight"
                 " FROM members JOIN nodes ON name = node WHERE run = ?1 ORDER BY source",
                 run->id, on_saved_member, run);
    if (r == 0)
        r = each_row(sql, "SELECT series, k, value, rule FROM ends WHERE run = ?1 ORDER BY number",
                     run->id, on_saved_end, run);
    if (r == 0)
        r = each_row(sql, "SELECT from_ns, to_ns FROM outages WHERE run = ?1 ORDER BY from_ns",
                     run->id, on_saved_outage, run);
    return r;
}

struct replay {
    struct store_sql *sql;
    const struct store_ops *ops;
    void *arg;
    uint32_t n_series;
};

static bool is_whole(const Lps__V1__Shares *shares)
{
    size_t n = shares->n_source;
    bool whole = shares->n_in_flight == n && shares->n_state == n && shares->n_limit == n &&
                 shares->n_value == n;

    for (size_t i = 0; whole && i < n; i++)
        whole =
            shares->state[i] < GENERATOR_STATE__COUNT && shares->limit[i] < GENERATOR_LIMIT__COUNT;
    return whole;
}

static int replay_part(const struct replay *replay, const Lps__V1__Window *msg,
                       const Lps__V1__Shares *shares)
{
    struct metrics_window *w = NULL;

    if (msg == NULL || shares == NULL || !is_whole(shares) ||
        wire_window_decode(msg, replay->n_series, &w) < 0)
        return damaged(replay->sql, "a second of the newest run makes no sense");
    struct aggregate_share *list = xcalloc(shares->n_source, sizeof *list);
    for (size_t i = 0; i < shares->n_source; i++)
        list[i] =
            (struct aggregate_share){shares->source[i],
                                     shares->in_flight[i],
                                     {(enum generator_state)shares->state[i],
                                      (enum generator_limit)shares->limit[i], shares->value[i]}};
    replay->ops->on_saved_window(list, shares->n_source, w, replay->arg);
    free(list);
    metrics_window_free(w);
    return 0;
}

static int on_saved_part(sqlite3_stmt *st, void *arg)
{
    Lps__V1__Window *msg = lps__v1__window__unpack(NULL, (size_t)sqlite3_column_bytes(st, 0),
                                                   sqlite3_column_blob(st, 0));
    Lps__V1__Shares *shares = lps__v1__shares__unpack(NULL, (size_t)sqlite3_column_bytes(st, 1),
                                                      sqlite3_column_blob(st, 1));
    int r = replay_part(arg, msg, shares);

    lps__v1__window__free_unpacked(msg, NULL);
    lps__v1__shares__free_unpacked(shares, NULL);
    return r;
}

// Members whose run's row was not committed with them are of no run.
static int close_open_runs(struct store_sql *sql, const char *but, int64_t now_ms)
{
    char *text =
        sqlite3_mprintf("UPDATE runs SET state = %d, reason = 'master restarted', ended_ms = %lld"
                        " WHERE state IN (%d, %d) AND id <> %Q;"
                        "DELETE FROM members WHERE run NOT IN (SELECT id FROM runs)",
                        CLUSTER_FAILED, (long long)now_ms, CLUSTER_READY, CLUSTER_RUNNING, but);
    int r = sqlite3_exec(store_sql_db(sql), text, NULL, NULL, NULL) == SQLITE_OK
                ? 0
                : store_sql_failed(sql);

    sqlite3_free(text);
    return r;
}

int store_sql_restore(struct store_sql *sql, const struct store_ops *ops, void *arg, int64_t now_ms)
{
    struct store_saved run = {0};
    struct replay replay = {.sql = sql, .ops = ops, .arg = arg};
    int r = read_saved(sql, &run);

    if (r == 0 && run.id != NULL && ops->on_saved != NULL)
        replay.n_series = ops->on_saved(&run, arg);
    if (replay.n_series > 0)
        r = each_row(sql, "SELECT data, sources FROM windows WHERE run = ?1 ORDER BY k, part",
                     run.id, on_saved_part, &replay);
    if (r == 0)
        r = close_open_runs(sql, replay.n_series > 0 ? run.id : "", now_ms);
    saved_done(&run);
    return r;
}

// --- Damage ---

static int on_progress(void *arg)
{
    const int64_t *until_ns = arg;

    return clock_now().ns > *until_ns;
}

static int on_finding(sqlite3_stmt *st, void *arg)
{
    const char *text = (const char *)sqlite3_column_text(st, 0);

    return text != NULL && strcmp(text, "ok") == 0 ? 0 : damaged(arg, text != NULL ? text : "?");
}

int store_sql_look_for_damage(struct store_sql *sql, bool all)
{
    int64_t until_ns = clock_now().ns + LOOK_NS;
    sqlite3 *db = store_sql_db(sql);

    if (!all)
        sqlite3_progress_handler(db, LOOK_OPS, on_progress, &until_ns);
    int r = each_row(sql, all ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)", NULL,
                     on_finding, sql);
    bool timed_out = r != 0 && sqlite3_errcode(db) == SQLITE_INTERRUPT;
    sqlite3_progress_handler(db, 0, NULL, NULL);
    return timed_out ? 0 : r;
}
