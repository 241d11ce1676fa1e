// A store in a directory of its own, and what it calls back.
#pragma once

#include <sqlite3.h>

#include "common/str.h"

#include "master/daemon/store.h"

#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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

// Another store over the same directory; as store_open.
int try_open(struct fixture *f, struct store **ret_store, char *err, size_t size);
// Closes the store and opens it as it was left.
void open_again(struct fixture *f);
int set_up(void **state);
int tear_down(void **state);
// Until n windows and FINs have come back.
void wait_commits(struct fixture *f, int n);
// For store_list and store_get_result; wait_read waits until n of them have come.
void on_list(json_t *list, void *arg);
void on_result(const char *result, void *arg);
void wait_read(struct fixture *f, int n);
void add_run(struct fixture *f, const char *id);
void add_member(struct fixture *f, const char *run, uint32_t source);
void end_run(struct fixture *f, const char *id, int exit_code);
void add_window(struct fixture *f, const char *run, uint32_t source, uint64_t seq, int64_t k,
                uint64_t started);
// The database itself; the caller closes it.
sqlite3 *database(const struct fixture *f);
int64_t number(const struct fixture *f, const char *query);
void change(const struct fixture *f, const char *statement);
// All parts of second k of run "r"; the caller frees.
struct metrics_window *stored_second(const struct fixture *f, int64_t k);
