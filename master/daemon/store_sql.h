// The database behind store.h: schema and statements. Whoever opened it, then the store thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <jansson.h>

#include "common/metrics.h"

#include "master/daemon/store.h"

enum store_job_kind {
    STORE_JOB_UNDEFINED = 0,
    STORE_JOB_NODE,
    STORE_JOB_RUN,
    STORE_JOB_MEMBER,
    STORE_JOB_STATE,
    STORE_JOB_ALIVE,
    STORE_JOB_ENDED_SERIES,
    STORE_JOB_OUTAGE,
    STORE_JOB_WINDOW,
    STORE_JOB_FIN,
    STORE_JOB_END,
    STORE_JOB_EVENT,
    STORE_JOB_LIST, // from here on: reading
    STORE_JOB_RESULT,
    STORE_JOB__COUNT,
};

#define STORE_JOB_NUMBERS 6
#define STORE_JOB_TEXTS   6

// What a job of each kind has in its numbers and texts is in store.c where it is made, and in
// store_sql.c where it is used, in the order of the statement's parameters.
struct store_job {
    STAILQ_ENTRY(store_job) link;
    enum store_job_kind kind;
    int64_t number[STORE_JOB_NUMBERS];
    double real; // bound in place of number[5]; NAN: SQL's NULL
    bool has_real;
    char *text[STORE_JOB_TEXTS]; // owned, NULL: SQL's NULL
    void *blob;                  // owned
    size_t blob_len;
    struct metrics_window *window; // owned

    int error; // 0 or -errno
    json_t *list;
    char *result;
    void (*done)(void); // the caller's, cast by kind
    void *arg;
};

STAILQ_HEAD(store_jobs, store_job);

// Ends each message on a database that is not used.
#define STORE_SQL_LEFT "; it is left as it is"

struct sqlite3;

struct store_sql;

// For store_load.c.
struct sqlite3 *store_sql_db(struct store_sql *sql);
int store_sql_open(const char *path, char *err, size_t err_size, struct store_sql **ret_sql);
void store_sql_close(struct store_sql *sql);
// Calls back for every node, then every run.
int store_sql_load(struct store_sql *sql,
                   void (*on_node)(const char *name, const uint8_t instance[16], uint64_t epoch,
                                   void *),
                   void (*on_run)(const char *id, void *), void *arg);
// Hands the newest run and its parts of seconds to ops; a run that is open and not taken up becomes
// Failed. 0 or -EIO.
int store_sql_restore(struct store_sql *sql, const struct store_ops *ops, void *arg,
                      int64_t now_ms);
// 0, or -EIO: damage was found. all: looked for until the end; else for as long as a start may
// take.
int store_sql_look_for_damage(struct store_sql *sql, bool all);
// For reading only.
int store_sql_open_to_look(const char *path, char *err, size_t err_size,
                           struct store_sql **ret_sql);
int64_t store_sql_number(struct store_sql *sql, const char *query); // -1: it failed
void store_sql_set_error(struct store_sql *sql, const char *text);
int store_sql_failed(struct store_sql *sql); // keeps the error; -EIO
// All jobs in one transaction: all or none. 0, or -EIO.
int store_sql_commit(struct store_sql *sql, struct store_jobs *jobs);
void store_sql_read(struct store_sql *sql, struct store_job *job);
const char *store_sql_error(const struct store_sql *sql);
