#include "master/daemon/store_sql.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "common/str.h"
#include "common/wire.h"

#include "master/daemon/cluster.h"
#include "master/daemon/store.h"

#define SCHEMA_VERSION 2

// A run's second k is the sum of its parts: each commit adds one, none is ever changed; `sources`
// is the message Shares. Runs are there from Ready on, members with their run; that, progress in
// members, the parts, and the ends of series are all that is needed to take up an open run again.
// What is only Created comes back with its workers.
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

// What version 2 has more. A run that version 1 left open cannot be taken up.
static const char upgrade[] =
    "ALTER TABLE nodes ADD COLUMN instance BLOB;"
    "ALTER TABLE runs ADD COLUMN seed INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE runs ADD COLUMN stop INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE runs ADD COLUMN alive_ns INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE members ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE members ADD COLUMN part INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE members ADD COLUMN fin_ns INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE members ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE members ADD COLUMN aborted INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE members ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE members ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE members ADD COLUMN bytes_sent INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE members ADD COLUMN bytes_received INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE members ADD COLUMN body_sent INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE members ADD COLUMN body_received INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE members ADD COLUMN connects INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE members ADD COLUMN reused INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE members ADD COLUMN in_flight INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE windows ADD COLUMN sources BLOB;"
    "CREATE TABLE ends (run TEXT NOT NULL, number INTEGER NOT NULL, series INTEGER NOT NULL,"
    " k INTEGER NOT NULL, value REAL, rule TEXT NOT NULL, PRIMARY KEY (run, number)) WITHOUT ROWID;"
    "CREATE TABLE outages (run TEXT NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL,"
    " PRIMARY KEY (run, from_ns)) WITHOUT ROWID;"
    "UPDATE runs SET state = 5, reason = 'left open by an older master' WHERE state IN (2, 3);";

enum statement {
    INSERT_WINDOW = STORE_JOB__COUNT,
    UPDATE_PROGRESS,
    INSERT_RESULT,
    STATEMENT__COUNT,
};

// Of jobs: numbers are ?1 to ?6, texts ?7 to ?12, the blob ?13. State 2 is Ready.
static const char *const statements[STATEMENT__COUNT] = {
    [STORE_JOB_NODE] = "INSERT INTO nodes (name, epoch, instance) VALUES (?7, ?1, ?13)"
                       " ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch,"
                       " instance = excluded.instance",
    [STORE_JOB_RUN] = "INSERT OR REPLACE INTO runs (id, plan_name, plan, t0_boot_id, opened_ms,"
                      " started_ms, t0_ns, expected, alive_ns, seed, state, digest)"
                      " VALUES (?7, ?8, ?9, ?10, ?1, ?2, ?3, ?4, ?5, ?6, 2, ?13)",
    [STORE_JOB_MEMBER] = "INSERT INTO members (run, node, submission, source, epoch, observer,"
                         " late, counted, part) VALUES (?7, ?8, ?9, ?1, ?2, ?3, ?4, ?5, ?6)"
                         " ON CONFLICT (run, source) DO UPDATE SET counted = excluded.counted",
    [STORE_JOB_STATE] = "UPDATE runs SET state = ?1, stop = ?2 WHERE id = ?7",
    [STORE_JOB_ALIVE] = "UPDATE runs SET alive_ns = ?1 WHERE id = ?7",
    [STORE_JOB_ENDED_SERIES] = "INSERT INTO ends (run, number, series, k, value, rule) SELECT ?7,"
                               " count(*), ?1, ?2, ?6, ?8 FROM ends WHERE run = ?7",
    [STORE_JOB_OUTAGE] = "INSERT OR REPLACE INTO outages (run, from_ns, to_ns)"
                         " VALUES (?7, ?1, ?2)",
    [STORE_JOB_FIN] = "UPDATE members SET last_seq = ?2, fin_ns = ?3, fin = ?13"
                      " WHERE run = ?7 AND source = ?1",
    [STORE_JOB_END] = "UPDATE runs SET state = ?1, ended_ms = ?2, exit_code = ?3, workers = ?4,"
                      " requests = ?5, reason = ?8, flags = ?9 WHERE id = ?7",
    [STORE_JOB_EVENT] = "INSERT INTO events (t_ms, event, run, node, text)"
                        " VALUES (?1, ?7, ?8, ?9, ?10)",
    [STORE_JOB_LIST] = "SELECT id, plan_name, state, started_ms, ended_ms, exit_code, flags,"
                       " workers, requests, reason FROM runs ORDER BY number DESC LIMIT ?1",
    [STORE_JOB_RESULT] = "SELECT result FROM results WHERE run = ?7",
    [INSERT_WINDOW] = "INSERT INTO windows (run, k, part, data, sources) SELECT ?1, ?2,"
                      " coalesce(max(part) + 1, 0), ?3, ?4 FROM windows WHERE run = ?1 AND k = ?2",
    [UPDATE_PROGRESS] = "UPDATE members SET last_seq = ?3, last_k = max(last_k, ?4),"
                        " in_flight = iif(?4 >= last_k, ?5, in_flight), errors = errors + ?6,"
                        " requests = requests + ?7, completed = completed + ?8,"
                        " failed = failed + ?9, aborted = aborted + ?10, dropped = dropped + ?11,"
                        " skipped = skipped + ?12, bytes_sent = bytes_sent + ?13,"
                        " bytes_received = bytes_received + ?14, body_sent = body_sent + ?15,"
                        " body_received = body_received + ?16, connects = connects + ?17,"
                        " reused = reused + ?18 WHERE run = ?1 AND source = ?2",
    [INSERT_RESULT] = "INSERT OR REPLACE INTO results (run, result) VALUES (?7, ?10)",
};

struct store_sql {
    sqlite3 *db;
    sqlite3_stmt *statement[STATEMENT__COUNT];
    char error[256];
};

sqlite3 *store_sql_db(struct store_sql *sql)
{
    return sql->db;
}

void store_sql_set_error(struct store_sql *sql, const char *text)
{
    snprintf(sql->error, sizeof sql->error, "%s", text);
}

int store_sql_failed(struct store_sql *sql)
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
    return sqlite3_exec(sql->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : store_sql_failed(sql);
}

int64_t store_sql_number(struct store_sql *sql, const char *query)
{
    sqlite3_stmt *st = NULL;
    int64_t number = -1;

    if (sqlite3_prepare_v2(sql->db, query, -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        number = sqlite3_column_int64(st, 0);
    else
        store_sql_failed(sql);
    sqlite3_finalize(st);
    return number;
}

static int migrate(struct store_sql *sql)
{
    char text[64];
    int64_t version = store_sql_number(sql, "PRAGMA user_version");
    int64_t n_tables = store_sql_number(sql, "SELECT count(*) FROM sqlite_master");

    if (version < 0 || n_tables < 0)
        return -EIO;
    if (version == 0 && n_tables > 0) {
        snprintf(sql->error, sizeof sql->error, "not a database of lps-masterd");
        return -EIO;
    }
    if (version > SCHEMA_VERSION) {
        snprintf(sql->error, sizeof sql->error, "made by a newer version (schema %lld, known: %d)",
                 (long long)version, SCHEMA_VERSION);
        return -EIO;
    }
    if (version == SCHEMA_VERSION)
        return 0;
    snprintf(text, sizeof text, "PRAGMA user_version = %d; COMMIT", SCHEMA_VERSION);
    if (execute(sql, "BEGIN IMMEDIATE") < 0 || (version == 0 && execute(sql, schema) < 0))
        return -EIO;
    return execute(sql, upgrade) < 0 || execute(sql, text) < 0 ? -EIO : 0;
}

static int prepare(struct store_sql *sql)
{
    for (int i = 0; i < STATEMENT__COUNT; i++)
        if (statements[i] != NULL &&
            sqlite3_prepare_v3(sql->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &sql->statement[i], NULL) != SQLITE_OK)
            return store_sql_failed(sql);
    return 0;
}

// SQLite deletes the log of a database that is missing or empty, and with it what was committed.
static int check_log(struct store_sql *sql, const char *path)
{
    char *log = xasprintf("%s-wal", path);
    struct stat db = {0}, wal = {0};
    bool has_db = stat(path, &db) == 0 && db.st_size > 0;
    bool has_log = stat(log, &wal) == 0 && wal.st_size > 0;

    free(log);
    if (has_db || !has_log)
        return 0;
    snprintf(sql->error, sizeof sql->error, "missing or empty, and its log (-wal) is not");
    return -EIO;
}

static int open_db(struct store_sql *sql, const char *path, int flags)
{
    int r = check_log(sql, path);

    if (r == 0 && sqlite3_open_v2(path, &sql->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        r = store_sql_failed(sql);
    if (r == 0)
        sqlite3_busy_timeout(sql->db, 2000);
    return r;
}

static int opened(struct store_sql *sql, int r, const char *path, char *err, size_t err_size,
                  struct store_sql **ret_sql)
{
    if (r != 0) {
        snprintf(err, err_size, "%s: %s%s", path, sql->error, STORE_SQL_LEFT);
        store_sql_close(sql);
        return r;
    }
    *ret_sql = sql;
    return 0;
}

int store_sql_open(const char *path, char *err, size_t err_size, struct store_sql **ret_sql)
{
    struct store_sql *sql = xcalloc(1, sizeof *sql);
    int r = open_db(sql, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);

    if (r == 0)
        r = store_sql_look_for_damage(sql, false);
    if (r == 0)
        r = execute(sql, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    if (r == 0)
        r = migrate(sql);
    if (r == 0)
        r = prepare(sql);
    return opened(sql, r, path, err, err_size, ret_sql);
}

int store_sql_open_to_look(const char *path, char *err, size_t err_size, struct store_sql **ret_sql)
{
    struct store_sql *sql = xcalloc(1, sizeof *sql);

    return opened(sql, open_db(sql, path, SQLITE_OPEN_READONLY), path, err, err_size, ret_sql);
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

#define OLD_RUNS "SELECT id FROM runs WHERE number <= (SELECT max(number) FROM runs) - %d"

static int trim(struct store_sql *sql)
{
    char *text =
        xasprintf("DELETE FROM results WHERE run IN (" OLD_RUNS ");"
                  "DELETE FROM windows WHERE run IN (" OLD_RUNS ");"
                  "DELETE FROM members WHERE run IN (" OLD_RUNS ");"
                  "DELETE FROM ends WHERE run IN (" OLD_RUNS ");"
                  "DELETE FROM outages WHERE run IN (" OLD_RUNS ");"
                  "DELETE FROM runs WHERE id IN (" OLD_RUNS ");"
                  "DELETE FROM events WHERE number <= (SELECT max(number) FROM events) - %d",
                  STORE_RUNS_MAX, STORE_RUNS_MAX, STORE_RUNS_MAX, STORE_RUNS_MAX, STORE_RUNS_MAX,
                  STORE_RUNS_MAX, STORE_EVENTS_MAX);
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
    int r = sqlite3_step(st) == SQLITE_DONE ? 0 : store_sql_failed(sql);

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
    if (job->has_real) // of NAN SQLite makes NULL
        sqlite3_bind_double(st, STORE_JOB_NUMBERS, job->real);
    for (int i = 0; i < STORE_JOB_TEXTS && STORE_JOB_NUMBERS + i < n; i++)
        bind_text(st, 1 + STORE_JOB_NUMBERS + i, job->text[i]);
    if (n > STORE_JOB_NUMBERS + STORE_JOB_TEXTS)
        sqlite3_bind_blob64(st, n, job->blob, job->blob_len, SQLITE_STATIC);
    return st;
}

static uint64_t in_flight(const struct metrics_window *w)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < w->n_series; i++)
        n += w->series[i].n.in_flight;
    return n;
}

static int write_progress(struct store_sql *sql, const struct store_job *job)
{
    sqlite3_stmt *st = sql->statement[UPDATE_PROGRESS];
    const struct metrics_window *w = job->window;
    struct metrics_counters n = {0};
    uint64_t errors = 0;

    for (uint32_t i = 0; i < w->n_series; i++) {
        metrics_counters_add(&n, &w->series[i].n);
        errors += metrics_n_errors(&w->series[i]);
    }
    const uint64_t counts[] = {
        in_flight(w), errors,          n.started,  n.completed,  n.failed,
        n.aborted,    n.dropped,       n.skipped,  n.bytes_sent, n.bytes_received,
        n.body_sent,  n.body_received, n.connects, n.reused,
    };
    bind_text(st, 1, job->text[0]);
    sqlite3_bind_int64(st, 2, job->number[0]);
    sqlite3_bind_int64(st, 3, job->number[1]);
    sqlite3_bind_int64(st, 4, w->k);
    for (int i = 0; i < (int)(sizeof counts / sizeof *counts); i++)
        sqlite3_bind_int64(st, 5 + i, (int64_t)counts[i]);
    return finish(sql, st);
}

static int write_window(struct store_sql *sql, const char *run, const struct metrics_window *w,
                        const Lps__V1__Shares *shares)
{
    sqlite3_stmt *st = sql->statement[INSERT_WINDOW];
    Lps__V1__Window *msg = wire_window_encode(w);
    size_t len = lps__v1__window__get_packed_size(msg);
    size_t shares_len = lps__v1__shares__get_packed_size(shares);
    uint8_t *bytes = xcalloc(len, 1), *shares_bytes = xcalloc(shares_len, 1);

    lps__v1__window__pack(msg, bytes);
    lps__v1__shares__pack(shares, shares_bytes);
    bind_text(st, 1, run);
    sqlite3_bind_int64(st, 2, w->k);
    sqlite3_bind_blob64(st, 3, bytes, len, SQLITE_STATIC);
    sqlite3_bind_blob64(st, 4, shares_bytes, shares_len, SQLITE_STATIC);
    int r = finish(sql, st);
    free(bytes);
    free(shares_bytes);
    lps__v1__window__free_unpacked(msg, NULL);
    return r;
}

static bool is_of_second(const struct store_job *job, const struct store_job *first)
{
    return job->kind == STORE_JOB_WINDOW && job->window->k == first->window->k &&
           strcmp(job->text[0], first->text[0]) == 0;
}

static bool is_first_of_its_second(struct store_jobs *jobs, const struct store_job *job)
{
    const struct store_job *other;

    STAILQ_FOREACH(other, jobs, link)
    {
        if (other == job)
            return true;
        if (is_of_second(other, job))
            return false;
    }
    return true;
}

static void add_share(Lps__V1__Shares *shares, size_t at, const struct store_job *job)
{
    struct aggregate_share share = aggregate_share((uint32_t)job->number[0], job->window);

    shares->source[at] = share.source;
    shares->in_flight[at] = share.in_flight;
    shares->state[at] = share.look.state;
    shares->limit[at] = share.look.limit;
    shares->value[at] = share.look.value;
}

static void shares_init(Lps__V1__Shares *shares, size_t n)
{
    lps__v1__shares__init(shares);
    shares->n_source = shares->n_in_flight = shares->n_state = shares->n_limit = shares->n_value =
        n;
    shares->source = xcalloc(n, sizeof *shares->source);
    shares->in_flight = xcalloc(n, sizeof *shares->in_flight);
    shares->state = xcalloc(n, sizeof *shares->state);
    shares->limit = xcalloc(n, sizeof *shares->limit);
    shares->value = xcalloc(n, sizeof *shares->value);
}

static void shares_done(Lps__V1__Shares *shares)
{
    free(shares->source);
    free(shares->in_flight);
    free(shares->state);
    free(shares->limit);
    free(shares->value);
}

// The windows of all workers for this second of this run, as one part.
static int write_second(struct store_sql *sql, struct store_job *first)
{
    struct metrics_window *sum = NULL;
    Lps__V1__Shares shares;
    size_t n = 0, at = 0;

    for (struct store_job *job = first; job != NULL; job = STAILQ_NEXT(job, link))
        n += is_of_second(job, first);
    shares_init(&shares, n);
    for (struct store_job *job = first; job != NULL; job = STAILQ_NEXT(job, link)) {
        if (!is_of_second(job, first))
            continue;
        add_share(&shares, at++, job);
        if (n == 1)
            continue;
        if (sum == NULL)
            sum = metrics_window_new(first->window->k, first->window->n_series);
        metrics_merge_peer(sum, job->window);
    }
    int r = write_window(sql, first->text[0], sum != NULL ? sum : first->window, &shares);
    metrics_window_free(sum);
    shares_done(&shares);
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
        job->error = store_sql_failed(sql);
        json_decref(job->list);
        job->list = NULL;
    }
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
}
