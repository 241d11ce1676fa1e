// Databases that are damaged, torn, foreign or of another version.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "master/daemon/cluster.h"
#include "tests/unit/store_test_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(a_sound_store_is_said_to_be_so),
        FACT(a_truncated_database_is_refused_and_kept),
        FACT(an_overwritten_database_is_refused_and_kept),
        FACT(another_programs_database_is_refused_and_kept),
        FACT(an_empty_database_with_a_log_is_refused_and_both_are_kept),
        FACT(a_torn_transaction_leaves_those_before_it),
        FACT(a_database_of_version_1_is_taken_over),
        FACT(a_newer_database_is_left_alone),
        FACT(a_file_that_is_no_database_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
