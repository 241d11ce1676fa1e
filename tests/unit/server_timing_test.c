#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/hist.h"
#include "worker/runner/server_timing.h"

static void says(enum server_timing_format format, const char *text, uint64_t db, uint64_t cache,
                 uint64_t app, uint64_t total)
{
    struct server_timing t = server_timing_parse(format, text, strlen(text));

    if (t.db_us != db || t.cache_us != cache || t.app_us != app || t.total_us != total)
        fail_msg("\"%s\": %ju %ju %ju %ju", text, (uintmax_t)t.db_us, (uintmax_t)t.cache_us,
                 (uintmax_t)t.app_us, (uintmax_t)t.total_us);
}

static void entries(const char *text, uint64_t db, uint64_t cache, uint64_t app, uint64_t total)
{
    says(SERVER_TIMING_ENTRIES, text, db, cache, app, total);
    says(SERVER_TIMING_AUTO, text, db, cache, app, total);
}

static void nothing(enum server_timing_format format, const char *text)
{
    says(format, text, 0, 0, 0, 0);
}

static void each_name_has_its_category(void **state)
{
    static const char *const names[3][11] = {
        {"db", "database", "mysql", "postgres", "sql", "sqlserver", "mongodb", "mongo", "redis-db",
         "query", NULL},
        {"cache", "redis", "memcached", "memcache", "varnish", "cdn", "hit", "miss", NULL},
        {"app", "application", "compute", "process", "processing", "handler", "controller", "logic",
         NULL},
    };
    static const char *const totals[] = {"total",    "server", "response",
                                         "duration", "time",   "elapsed"};
    char text[64];

    (void)state;
    for (int c = 0; c < 3; c++) {
        for (int i = 0; names[c][i] != NULL; i++) {
            snprintf(text, sizeof text, "%s;dur=2", names[c][i]);
            entries(text, c == 0 ? 2000 : 0, c == 1 ? 2000 : 0, c == 2 ? 2000 : 0, 2000);
        }
    }
    for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
        snprintf(text, sizeof text, "x;dur=5,%s;dur=2", totals[i]);
        entries(text, 0, 0, 0, 2000);
    }
    entries("DB;dur=1, Cache;DUR=2", 1000, 2000, 0, 3000);
}

static void entries_of_a_category_add_up(void **state)
{
    (void)state;
    entries("db;dur=1.5, sql;dur=2, cache;dur=0.25, app;dur=10", 3500, 250, 10000, 13750);
}

static void without_a_total_all_entries_are_the_total(void **state)
{
    (void)state;
    entries("db;dur=1, edge;dur=4", 1000, 0, 0, 5000);
    entries("dbx;dur=4", 0, 0, 0, 4000);
    entries("my-db;dur=4", 0, 0, 0, 4000);
}

static void the_last_total_counts(void **state)
{
    (void)state;
    entries("total;dur=9, db;dur=1, elapsed;dur=3", 1000, 0, 0, 3000);
    entries("db;dur=1, total;dur=0", 1000, 0, 0, 0);
}

static void entries_without_a_duration_tell_nothing(void **state)
{
    (void)state;
    nothing(SERVER_TIMING_ENTRIES, "");
    nothing(SERVER_TIMING_ENTRIES, "hit, miss;desc=\"dur\"");
    nothing(SERVER_TIMING_ENTRIES, ",;,;;dur,=;dur=,");
    nothing(SERVER_TIMING_ENTRIES, "db;dur=-1, db;dur=x, db;dur=nan, db;dur=inf, db;dur=0x10");
    nothing(SERVER_TIMING_ENTRIES, "db;dur=1 2, db;dur=., db;xdur=1, db;dur=+1, db;dur=\"1");
    entries("miss, db;dur=2", 2000, 0, 0, 2000);
}

static void quotes_hide_what_separates(void **state)
{
    (void)state;
    entries("cache;desc=\"a, db;dur=7; \\\"b\\\"\";dur=3", 0, 3000, 0, 3000);
    entries("db;desc=\"a\\", 0, 0, 0, 0);
    entries("db;dur=\"2.5\"", 2500, 0, 0, 2500);
    entries("db;dur=1;dur=2", 1000, 0, 0, 1000);
    entries(" db ; dur = 1 ;desc=x\t,\tapp; dur=2", 1000, 0, 2000, 3000);
}

static void numbers_may_be_small_large_or_in_powers_of_ten(void **state)
{
    (void)state;
    entries("db;dur=1.5e-3", 2, 0, 0, 2);
    entries("db;dur=1E2", 100000, 0, 0, 100000);
    entries("db;dur=.5", 500, 0, 0, 500);
    entries("db;dur=0.0004", 0, 0, 0, 0);
    entries("db;dur=3600000", HIST_MAX_US, 0, 0, HIST_MAX_US);
    entries("db;dur=3600000.001", HIST_MAX_US, 0, 0, HIST_MAX_US);
    entries("db;dur=1e999, db;dur=1e999", HIST_MAX_US, 0, 0, HIST_MAX_US);
    entries("db;dur=0000000000000000000000000000000000000001", 1000, 0, 0, 1000);
    nothing(SERVER_TIMING_ENTRIES, "db;dur=00000000000000000000000000000000000000001");
}

static void a_bare_number_is_the_total(void **state)
{
    (void)state;
    says(SERVER_TIMING_MILLISECONDS, "12.5", 0, 0, 0, 12500);
    says(SERVER_TIMING_SECONDS, "0.25", 0, 0, 0, 250000);
    says(SERVER_TIMING_AUTO, "12.5", 0, 0, 0, 12500);
    says(SERVER_TIMING_MILLISECONDS, " 3 ", 0, 0, 0, 3000);
}

static void a_unit_wins_over_the_format(void **state)
{
    (void)state;
    says(SERVER_TIMING_SECONDS, "12ms", 0, 0, 0, 12000);
    says(SERVER_TIMING_MILLISECONDS, "2s", 0, 0, 0, 2000000);
    says(SERVER_TIMING_AUTO, "1.5 S", 0, 0, 0, 1500000);
    says(SERVER_TIMING_AUTO, "7 MS", 0, 0, 0, 7000);
}

static void what_is_no_number_tells_nothing(void **state)
{
    static const char *const texts[] = {"",    "s",   "ms",    "-1",     "1, 2", "1,5",
                                        "1 2", "1us", "1mss",  "fast",   "1m",   "nan",
                                        "inf", "0x1", "db;du", "dur =1", "1e",   "."};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        nothing(SERVER_TIMING_MILLISECONDS, texts[i]);
        nothing(SERVER_TIMING_SECONDS, texts[i]);
        nothing(SERVER_TIMING_AUTO, texts[i]);
    }
    nothing(SERVER_TIMING_MILLISECONDS, "db;dur=1");
}

static void a_text_is_read_to_its_length(void **state)
{
    (void)state;
    assert_int_equal(server_timing_parse(SERVER_TIMING_AUTO, "12345", 2).total_us, 12000);
    assert_int_equal(server_timing_parse(SERVER_TIMING_AUTO, "db;dur=12", 8).db_us, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_has_its_category),
        cmocka_unit_test(entries_of_a_category_add_up),
        cmocka_unit_test(without_a_total_all_entries_are_the_total),
        cmocka_unit_test(the_last_total_counts),
        cmocka_unit_test(entries_without_a_duration_tell_nothing),
        cmocka_unit_test(quotes_hide_what_separates),
        cmocka_unit_test(numbers_may_be_small_large_or_in_powers_of_ten),
        cmocka_unit_test(a_bare_number_is_the_total),
        cmocka_unit_test(a_unit_wins_over_the_format),
        cmocka_unit_test(what_is_no_number_tells_nothing),
        cmocka_unit_test(a_text_is_read_to_its_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
