// The database behind store.h: schema and statements. Whoever opened it, then the store thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <jansson.h>

#include "common/metrics.h"

enum store_job_kind {
    STORE_JOB_UNDEFINED = 0,
    STORE_JOB_NODE,
    STORE_JOB_RUN,
    STORE_JOB_MEMBER,
    STORE_JOB_RUNNING,
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

struct store_sql;

int store_sql_open(const char *path, char *err, size_t err_size, struct store_sql **ret_sql);
void store_sql_close(struct store_sql *sql);
// Calls back for every node, then every run.
int store_sql_load(struct store_sql *sql, void (*on_node)(const char *name, uint64_t epoch, void *),
                   void (*on_run)(const char *id, void *), void *arg);
// Runs that were open become Failed. 0 or -EIO.
int store_sql_recover(struct store_sql *sql, int64_t now_ms);
// All jobs in one transaction: all or none. 0, or -EIO.
int store_sql_commit(struct store_sql *sql, struct store_jobs *jobs);
void store_sql_read(struct store_sql *sql, struct store_job *job);
const char *store_sql_error(const struct store_sql *sql);
