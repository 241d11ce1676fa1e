#include "master/daemon/store_sql.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "common/str.h"
#include "common/wire.h"

#include "master/daemon/cluster.h"
#include "master/daemon/store.h"

#define SCHEMA_VERSION 1

// A run's second k is the sum of its parts: each commit adds one, none is ever changed. Runs are
// there from Ready on, members with their run; that, progress in members, and the parts are all
// that is needed to take up an open run again. What is only Created comes back with its workers.
static const char schema[] =
    "CREATE TABLE nodes (name TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE runs (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, plan_name TEXT NOT "
    "NULL,"
    " plan TEXT NOT NULL, t0_boot_id TEXT NOT NULL, opened_ms INTEGER NOT NULL,"
    " started_ms INTEGER NOT NULL, t0_ns INTEGER NOT NULL, expected INTEGER NOT NULL,"
    " digest BLOB NOT NULL, state INTEGER NOT NULL, reason TEXT, ended_ms INTEGER,"
    " exit_code INTEGER, flags TEXT NOT NULL DEFAULT '[]', workers INTEGER, requests INTEGER);"
    "CREATE TABLE members (run TEXT NOT NULL, source INTEGER NOT NULL, node TEXT NOT NULL,"
    " submission TEXT NOT NULL, epoch INTEGER NOT NULL, observer INTEGER NOT NULL,"
    " late INTEGER NOT NULL, last_seq INTEGER NOT NULL DEFAULT 0,"
    " last_k INTEGER NOT NULL DEFAULT -1, requests INTEGER NOT NULL DEFAULT 0,"
    " completed INTEGER NOT NULL DEFAULT 0, errors INTEGER NOT NULL DEFAULT 0, fin BLOB,"
    " PRIMARY KEY (run, source)) WITHOUT ROWID;"
    "CREATE TABLE windows (run TEXT NOT NULL, k INTEGER NOT NULL, part INTEGER NOT NULL,"
    " data BLOB NOT NULL, PRIMARY KEY (run, k, part)) WITHOUT ROWID;"
    "CREATE TABLE events (number INTEGER PRIMARY KEY, t_ms INTEGER NOT NULL, event TEXT NOT NULL,"
    " run TEXT, node TEXT, text TEXT NOT NULL);"
    "CREATE TABLE results (run TEXT PRIMARY KEY, result TEXT NOT NULL) WITHOUT ROWID;";

enum statement {
    INSERT_WINDOW = STORE_JOB__COUNT,
    UPDATE_PROGRESS,
    INSERT_RESULT,
    STATEMENT__COUNT,
};

// Of jobs: numbers are ?1 to ?6, texts ?7 to ?12, the blob ?13.
static const char *const statements[STATEMENT__COUNT] = {
    [STORE_JOB_NODE] = "INSERT INTO nodes (name, epoch) VALUES (?7, ?1)"
                       " ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch",
    [STORE_JOB_RUN] = "INSERT OR REPLACE INTO runs (id, plan_name, plan, t0_boot_id, opened_ms,"
                      " started_ms, t0_ns, expected, state, digest)"
                      " VALUES (?7, ?8, ?9, ?10, ?1, ?2, ?3, ?4, ?5, ?13)",
    [STORE_JOB_MEMBER] = "INSERT OR REPLACE INTO members (run, node, submission, source, epoch,"
                         " observer, late) VALUES (?7, ?8, ?9, ?1, ?2, ?3, ?4)",
    [STORE_JOB_RUNNING] = "UPDATE runs SET state = ?1 WHERE id = ?7",
    [STORE_JOB_FIN] = "UPDATE members SET last_seq = ?2, fin = ?13 WHERE run = ?7 AND source = ?1",
    [STORE_JOB_END] = "UPDATE runs SET state = ?1, ended_ms = ?2, exit_code = ?3, workers = ?4,"
                      " requests = ?5, reason = ?8, flags = ?9 WHERE id = ?7",
    [STORE_JOB_EVENT] = "INSERT INTO events (t_ms, event, run, node, text)"
                        " VALUES (?1, ?7, ?8, ?9, ?10)",
    [STORE_JOB_LIST] = "SELECT id, plan_name, state, started_ms, ended_ms, exit_code, flags,"
                       " workers, requests, reason FROM runs ORDER BY number DESC LIMIT ?1",
    [STORE_JOB_RESULT] = "SELECT result FROM results WHERE run = ?7",
    [INSERT_WINDOW] = "INSERT INTO windows (run, k, part, data) SELECT ?1, ?2,"
                      " coalesce(max(part) + 1, 0), ?3 FROM windows WHERE run = ?1 AND k = ?2",
    [UPDATE_PROGRESS] = "UPDATE members SET last_seq = ?3, last_k = max(last_k, ?4),"
                        " requests = requests + ?5, completed = completed + ?6,"
                        " errors = errors + ?7 WHERE run = ?1 AND source = ?2",
    [INSERT_RESULT] = "INSERT OR REPLACE INTO results (run, result) VALUES (?7, ?10)",
};

struct store_sql {
    sqlite3 *db;
    sqlite3_stmt *statement[STATEMENT__COUNT];
    char error[256];
};

static int failed(struct store_sql *sql)
{
    snprintf(sql->error, sizeof sql->error, "%s", sqlite3_errmsg(sql->db));
    return -EIO;
}

const char *store_sql_error(const struct store_sql *sql)
{
    return sql->error;
}

static int execute(struct store_sql *sql, const char *text)
{
    return sqlite3_exec(sql->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(sql);
}

static int64_t read_number(struct store_sql *sql, const char *text)
{
    sqlite3_stmt *st = NULL;
    int64_t number = -1;

    if (sqlite3_prepare_v2(sql->db, text, -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        number = sqlite3_column_int64(st, 0);
    else
        failed(sql);
    sqlite3_finalize(st);
    return number;
}

static int migrate(struct store_sql *sql)
{
    char text[64];
    int64_t version = read_number(sql, "PRAGMA user_version");

    if (version < 0)
        return -EIO;
    if (version > SCHEMA_VERSION) {
        snprintf(sql->error, sizeof sql->error, "made by a newer version (schema %lld, known: %d)",
                 (long long)version, SCHEMA_VERSION);
        return -EIO;
    }
    if (version == SCHEMA_VERSION)
        return 0;
    snprintf(text, sizeof text, "PRAGMA user_version = %d; COMMIT", SCHEMA_VERSION);
    return execute(sql, "BEGIN IMMEDIATE") || execute(sql, schema) || execute(sql, text) ? -EIO : 0;
}

static int prepare(struct store_sql *sql)
{
    for (int i = 0; i < STATEMENT__COUNT; i++)
        if (statements[i] != NULL &&
            sqlite3_prepare_v3(sql->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &sql->statement[i], NULL) != SQLITE_OK)
            return failed(sql);
    return 0;
}

int store_sql_open(const char *path, char *err, size_t err_size, struct store_sql **ret_sql)
{
    struct store_sql *sql = xcalloc(1, sizeof *sql);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int r = sqlite3_open_v2(path, &sql->db, flags, NULL) == SQLITE_OK ? 0 : failed(sql);

    if (r == 0) {
        sqlite3_busy_timeout(sql->db, 2000);
        r = execute(sql, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    }
    if (r == 0)
        r = migrate(sql);
    if (r == 0)
        r = prepare(sql);
    if (r != 0) {
        snprintf(err, err_size, "%s: %s", path, sql->error);
        store_sql_close(sql);
        return r;
    }
    *ret_sql = sql;
    return 0;
}

void store_sql_close(struct store_sql *sql)
{
    if (sql == NULL)
        return;
    for (int i = 0; i < STATEMENT__COUNT; i++)
        sqlite3_finalize(sql->statement[i]);
    sqlite3_close(sql->db);
    free(sql);
}

int store_sql_load(struct store_sql *sql, void (*on_node)(const char *name, uint64_t epoch, void *),
                   void (*on_run)(const char *id, void *), void *arg)
{
    sqlite3_stmt *st = NULL;
    int r = sqlite3_prepare_v2(sql->db, "SELECT name, epoch FROM nodes", -1, &st, NULL);

    while (r == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        on_node((const char *)sqlite3_column_text(st, 0), (uint64_t)sqlite3_column_int64(st, 1),
                arg);
    r = r != SQLITE_OK ? r : sqlite3_finalize(st);
    if (r == SQLITE_OK)
        r = sqlite3_prepare_v2(sql->db, "SELECT id FROM runs ORDER BY number", -1, &st, NULL);
    while (r == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        on_run((const char *)sqlite3_column_text(st, 0), arg);
    r = r != SQLITE_OK ? r : sqlite3_finalize(st);
    return r == SQLITE_OK ? 0 : failed(sql);
}

#define OLD_RUNS "SELECT id FROM runs WHERE number <= (SELECT max(number) FROM runs) - %d"

static int trim(struct store_sql *sql)
{
    char *text =
        xasprintf("DELETE FROM results WHERE run IN (" OLD_RUNS ");"
                  "DELETE FROM windows WHERE run IN (" OLD_RUNS ");"
                  "DELETE FROM members WHERE run IN (" OLD_RUNS ");"
                  "DELETE FROM runs WHERE id IN (" OLD_RUNS ");"
                  "DELETE FROM events WHERE number <= (SELECT max(number) FROM events) - %d",
                  STORE_RUNS_MAX, STORE_RUNS_MAX, STORE_RUNS_MAX, STORE_RUNS_MAX, STORE_EVENTS_MAX);
    int r = execute(sql, text);

    free(text);
    return r;
}

int store_sql_recover(struct store_sql *sql, int64_t now_ms)
{
    char *text = xasprintf("UPDATE runs SET state = %d, reason = 'master restarted',"
                           " ended_ms = %" PRId64 " WHERE state IN (%d, %d)",
                           CLUSTER_FAILED, now_ms, CLUSTER_READY, CLUSTER_RUNNING);
    int r = execute(sql, text);

    free(text);
    return r;
}

// --- Writing ---

static void bind_text(sqlite3_stmt *st, int at, const char *text)
{
    if (text == NULL)
        sqlite3_bind_null(st, at);
    else
        sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

static int finish(struct store_sql *sql, sqlite3_stmt *st)
{
    int r = sqlite3_step(st) == SQLITE_DONE ? 0 : failed(sql);

    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return r;
}

static sqlite3_stmt *bound(struct store_sql *sql, int statement, const struct store_job *job)
{
    sqlite3_stmt *st = sql->statement[statement];
    int n = sqlite3_bind_parameter_count(st);

    for (int i = 0; i < STORE_JOB_NUMBERS && i < n; i++)
        sqlite3_bind_int64(st, 1 + i, job->number[i]);
    for (int i = 0; i < STORE_JOB_TEXTS && STORE_JOB_NUMBERS + i < n; i++)
        bind_text(st, 1 + STORE_JOB_NUMBERS + i, job->text[i]);
    if (n > STORE_JOB_NUMBERS + STORE_JOB_TEXTS)
        sqlite3_bind_blob64(st, n, job->blob, job->blob_len, SQLITE_STATIC);
    return st;
}

static int write_progress(struct store_sql *sql, const struct store_job *job)
{
    sqlite3_stmt *st = sql->statement[UPDATE_PROGRESS];
    const struct metrics_window *w = job->window;
    uint64_t requests = 0, completed = 0, errors = 0;

    for (uint32_t i = 0; i < w->n_series; i++) {
        requests += w->series[i].n.started;
        completed += w->series[i].n.completed;
        errors += metrics_n_errors(&w->series[i]);
    }
    bind_text(st, 1, job->text[0]);
    sqlite3_bind_int64(st, 2, job->number[0]);
    sqlite3_bind_int64(st, 3, job->number[1]);
    sqlite3_bind_int64(st, 4, w->k);
    sqlite3_bind_int64(st, 5, (int64_t)requests);
    sqlite3_bind_int64(st, 6, (int64_t)completed);
    sqlite3_bind_int64(st, 7, (int64_t)errors);
    return finish(sql, st);
}

static int write_window(struct store_sql *sql, const char *run, const struct metrics_window *w)
{
    sqlite3_stmt *st = sql->statement[INSERT_WINDOW];
    Lps__V1__Window *msg = wire_window_encode(w);
    size_t len = lps__v1__window__get_packed_size(msg);
    uint8_t *bytes = xcalloc(len, 1);

    lps__v1__window__pack(msg, bytes);
    bind_text(st, 1, run);
    sqlite3_bind_int64(st, 2, w->k);
    sqlite3_bind_blob64(st, 3, bytes, len, SQLITE_STATIC);
    int r = finish(sql, st);
    free(bytes);
    lps__v1__window__free_unpacked(msg, NULL);
    return r;
}

static bool is_first_of_its_second(struct store_jobs *jobs, const struct store_job *job)
{
    const struct store_job *other;

    STAILQ_FOREACH(other, jobs, link)
    {
        if (other == job)
            return true;
        if (other->kind == STORE_JOB_WINDOW && other->window->k == job->window->k &&
            strcmp(other->text[0], job->text[0]) == 0)
            return false;
    }
    return true;
}

// The windows of all workers for this second of this run, as one part.
static int write_second(struct store_sql *sql, struct store_job *first)
{
    struct metrics_window *sum = NULL;

    for (struct store_job *job = STAILQ_NEXT(first, link); job != NULL;
         job = STAILQ_NEXT(job, link)) {
        if (job->kind != STORE_JOB_WINDOW || job->window->k != first->window->k ||
            strcmp(job->text[0], first->text[0]) != 0)
            continue;
        if (sum == NULL) {
            sum = metrics_window_new(first->window->k, first->window->n_series);
            metrics_merge_peer(sum, first->window);
        }
        metrics_merge_peer(sum, job->window);
    }
    int r = write_window(sql, first->text[0], sum != NULL ? sum : first->window);
    metrics_window_free(sum);
    return r;
}

static int write_job(struct store_sql *sql, struct store_jobs *jobs, struct store_job *job)
{
    int r = 0;

    if (job->kind == STORE_JOB_WINDOW) {
        if (is_first_of_its_second(jobs, job))
            r = write_second(sql, job);
        return r != 0 ? r : write_progress(sql, job);
    }
    r = finish(sql, bound(sql, job->kind, job));
    if (r == 0 && job->kind == STORE_JOB_END)
        r = finish(sql, bound(sql, INSERT_RESULT, job));
    if (r == 0 && job->kind == STORE_JOB_RUN)
        r = trim(sql);
    return r;
}

int store_sql_commit(struct store_sql *sql, struct store_jobs *jobs)
{
    struct store_job *job;
    int r = execute(sql, "BEGIN IMMEDIATE");

    if (r != 0)
        return r;
    STAILQ_FOREACH(job, jobs, link)
    if (r == 0)
        r = write_job(sql, jobs, job);
    if (r == 0)
        r = execute(sql, "COMMIT");
    if (r != 0 && !sqlite3_get_autocommit(sql->db))
        sqlite3_exec(sql->db, "ROLLBACK", NULL, NULL, NULL);
    return r;
}

// --- Reading ---

static json_t *number_or_null(sqlite3_stmt *st, int column)
{
    return sqlite3_column_type(st, column) == SQLITE_NULL
               ? json_null()
               : json_integer(sqlite3_column_int64(st, column));
}

static json_t *row_json(sqlite3_stmt *st)
{
    int state = sqlite3_column_int(st, 2);
    json_t *flags = json_loads((const char *)sqlite3_column_text(st, 6), 0, NULL);

    return json_pack(
        "{s:s s:s s:s s:o s:o s:o s:o s:o s:o s:s?}", "id",
        (const char *)sqlite3_column_text(st, 0), "plan", (const char *)sqlite3_column_text(st, 1),
        "state", state > 0 && state < CLUSTER_STATE__COUNT ? cluster_state_name[state] : "?",
        "startedAt", number_or_null(st, 3), "endedAt", number_or_null(st, 4), "exitCode",
        number_or_null(st, 5), "flags", flags != NULL ? flags : json_array(), "workers",
        number_or_null(st, 7), "requests", number_or_null(st, 8), "reason",
        (const char *)sqlite3_column_text(st, 9));
}

void store_sql_read(struct store_sql *sql, struct store_job *job)
{
    sqlite3_stmt *st = bound(sql, job->kind, job);
    int r;

    if (job->kind == STORE_JOB_LIST)
        job->list = json_array();
    while ((r = sqlite3_step(st)) == SQLITE_ROW) {
        if (job->kind == STORE_JOB_LIST)
            json_array_append_new(job->list, row_json(st));
        else
            job->result = xstrdup((const char *)sqlite3_column_text(st, 0));
    }
    if (r != SQLITE_DONE) {
        job->error = failed(sql);
        json_decref(job->list);
        job->list = NULL;
    }
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
}
