#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/cli/progress.h"

#define ERASE "\r\033[K"

static struct progress progress;
static struct buf out;

static int setup(void **state)
{
    (void)state;
    progress = (struct progress){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    progress_done(&progress);
    buf_done(&out);
    return 0;
}

// What was written since the last look.
static void expect_written(const char *text)
{
    char *written = buf_take(&out);

    assert_string_equal(written, text);
    free(written);
}

static const struct progress_numbers numbers = {
    .elapsed_ms = 12999,
    .workers = 2,
    .requests = 700,
    .errors = 3,
    .in_flight = 2,
    .p50_us = 850,
    .p99_us = 12300,
    .rate = 139.74,
};

#define ALL "12 s  700 requests  139.7/s  3 errors  p50 850 us  p99 12.3 ms  2 in flight  2 workers"

static void show_at(int64_t seconds, int width)
{
    progress_numbers(&progress, &numbers, (struct mono){seconds * NS_PER_S}, width, &out);
}

static void a_pipe_gets_one_line_every_five_seconds(void **state)
{
    (void)state;
    show_at(100, 80);
    expect_written(ALL "\n");
    show_at(101, 80);
    show_at(104, 80);
    expect_written("");
    show_at(105, 80);
    expect_written(ALL "\n");
    show_at(109, 80);
    expect_written("");
}

static void a_pipe_gets_no_control_characters(void **state)
{
    (void)state;
    progress_state(&progress, "waiting for 2 of 3 workers: have w1", 80, &out);
    progress_notice(&progress, "lps: warning", 80, &out);
    show_at(1, 80);
    progress_clear(&progress, &out);
    expect_written("waiting for 2 of 3 workers: have w1\nlps: warning\n" ALL "\n");
}

static void a_state_is_said_once_until_it_changes(void **state)
{
    (void)state;
    progress_state(&progress, "waiting", 80, &out);
    progress_state(&progress, "waiting", 80, &out);
    progress_state(&progress, "running", 80, &out);
    expect_written("waiting\nrunning\n");
}

static void a_terminal_gets_one_line_again_and_again(void **state)
{
    (void)state;
    progress.live = true;
    progress_state(&progress, "waiting", 80, &out);
    expect_written(ERASE "waiting");
    show_at(1, 100);
    expect_written(ERASE ALL);
    show_at(1, 100);
    expect_written(ERASE ALL);
    progress_clear(&progress, &out);
    expect_written(ERASE);
    progress_clear(&progress, &out);
    expect_written("");
}

static void a_narrow_terminal_gets_whole_pieces_only(void **state)
{
    (void)state;
    progress.live = true;
    show_at(1, 32); // one column stays free
    expect_written(ERASE "12 s  700 requests  139.7/s");
    show_at(1, 28);
    expect_written(ERASE "12 s  700 requests  139.7/s");
    show_at(1, 27);
    expect_written(ERASE "12 s  700 requests");
    show_at(1, 5);
    expect_written(ERASE "12 s");
    show_at(1, 4);
    expect_written(ERASE);
    show_at(1, 0);
    expect_written(ERASE);
}

static void a_long_state_is_cut_between_characters(void **state)
{
    (void)state;
    progress.live = true;
    progress_state(&progress, "h\xc3\xa9llo", 3, &out);
    expect_written(ERASE "h\xc3\xa9");
    progress_state(&progress, "abc", 1, &out);
    expect_written(ERASE);
}

static void a_notice_moves_a_live_state_below_itself(void **state)
{
    (void)state;
    progress.live = true;
    progress_state(&progress, "waiting", 80, &out);
    buf_done(&out);
    progress_notice(&progress, "note", 80, &out);
    expect_written(ERASE "note\n" ERASE "waiting");
    show_at(1, 100);
    buf_done(&out);
    progress_notice(&progress, "note", 80, &out);
    expect_written(ERASE "note\n");
}

static void errors_are_red_where_colours_are_wanted(void **state)
{
    struct progress_numbers none = numbers;

    (void)state;
    progress.live = progress.colour = true;
    show_at(1, 40);
    expect_written(ERASE "12 s  700 requests  139.7/s  \033[31m3 errors\033[0m");
    none.errors = 0;
    progress_numbers(&progress, &none, (struct mono){0}, 40, &out);
    expect_written(ERASE "12 s  700 requests  139.7/s  0 errors");
}

static void a_second_without_completions_has_no_percentiles(void **state)
{
    (void)state;
    progress_numbers(&progress, &(struct progress_numbers){.requests = 1, .errors = 1},
                     (struct mono){0}, 80, &out);
    expect_written("0 s  1 request  0.0/s  1 error  p50 -  p99 -  0 in flight  0 workers\n");
}

static void quiet_leaves_only_notices(void **state)
{
    (void)state;
    progress.live = progress.quiet = true;
    progress_state(&progress, "waiting", 80, &out);
    show_at(1, 80);
    progress_clear(&progress, &out);
    expect_written("");
    progress_notice(&progress, "note", 80, &out);
    expect_written("note\n");
}

static void the_largest_numbers_fit(void **state)
{
    const struct progress_numbers most = {
        .elapsed_ms = INT64_MAX,
        .workers = UINT64_MAX,
        .requests = UINT64_MAX,
        .errors = UINT64_MAX,
        .in_flight = UINT64_MAX,
        .p50_us = UINT64_MAX,
        .p99_us = UINT64_MAX,
        .rate = 1e308,
    };

    (void)state;
    progress.live = true;
    progress_numbers(&progress, &most, (struct mono){INT64_MAX}, 80, &out);
    assert_in_range(out.len, strlen(ERASE), strlen(ERASE) + 79);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pipe_gets_one_line_every_five_seconds),
        TEST(a_pipe_gets_no_control_characters),
        TEST(a_state_is_said_once_until_it_changes),
        TEST(a_terminal_gets_one_line_again_and_again),
        TEST(a_narrow_terminal_gets_whole_pieces_only),
        TEST(a_long_state_is_cut_between_characters),
        TEST(a_notice_moves_a_live_state_below_itself),
        TEST(errors_are_red_where_colours_are_wanted),
        TEST(a_second_without_completions_has_no_percentiles),
        TEST(quiet_leaves_only_notices),
        TEST(the_largest_numbers_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
