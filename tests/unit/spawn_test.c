#include "worker/spawn/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/str.h"

// Frames of a fake runner, in shell: a window of second 7, a FIN, a failure "no", and a warning of
// two lines.
#define WINDOW "printf '\\004\\000\\000\\000\\012\\002\\010\\016' >&3\n"
#define FIN    "printf '\\002\\000\\000\\000\\022\\000' >&3\n"
#define FAILED "printf '\\004\\000\\000\\000\\032\\002no' >&3\n"
#define WARNS  "printf '\\006\\000\\000\\000\\042\\004a\\nb!' >&3\n"

#define DEADLINE_S 30 // only when something hangs

struct seen {
    struct event_base *base;
    struct spawn *spawn;
    int n_windows, n_warnings, n_fins, n_exits;
    int64_t last_k;
    bool stop_at_window, abort, free_at_exit;
    uint32_t end_at_window; // 0: none
    char *warning;          // the last
    char *failure;
};

static char dir[] = "/tmp/lps-spawn-XXXXXX";
static char *runner;

static void on_window(const Lps__V1__Window *window, void *arg)
{
    struct seen *seen = arg;

    seen->n_windows++;
    seen->last_k = window->k;
    if (seen->end_at_window != 0)
        spawn_end(seen->spawn, seen->end_at_window);
    if (seen->stop_at_window)
        spawn_stop(seen->spawn, seen->abort);
}

static void on_warning(const char *text, void *arg)
{
    struct seen *seen = arg;

    seen->n_warnings++;
    free(seen->warning);
    seen->warning = xstrdup(text);
}

static void on_fin(const Lps__V1__RunnerFin *fin, void *arg)
{
    struct seen *seen = arg;

    (void)fin;
    seen->n_fins++;
}

static void on_exit_of_runner(const char *failure, void *arg)
{
    struct seen *seen = arg;

    seen->n_exits++;
    seen->failure = failure == NULL ? NULL : xstrdup(failure);
    event_base_loopbreak(seen->base);
    if (seen->free_at_exit) {
        spawn_free(seen->spawn);
        seen->spawn = NULL;
    }
}

static const struct spawn_ops ops = {on_window, on_warning, on_fin, on_exit_of_runner};

static void write_runner(const char *script)
{
    FILE *f = fopen(runner, "w");

    fprintf(f, "#!/bin/sh\n%s", script);
    fclose(f);
    chmod(runner, 0700);
}

static int start(struct seen *seen, size_t plan_bytes)
{
    Lps__V1__RunnerStart message = LPS__V1__RUNNER_START__INIT;

    message.plan.data = xcalloc(plan_bytes + 1, 1);
    message.plan.len = plan_bytes;
    seen->base = event_base_new();
    int r = spawn_start(seen->base, &message, &ops, seen, &seen->spawn);
    free(message.plan.data);
    return r;
}

// Runs the script to its end.
static void run(struct seen *seen, const char *script)
{
    struct timeval deadline = {DEADLINE_S, 0};

    write_runner(script);
    assert_int_equal(start(seen, 10), 0);
    assert_true(spawn_pid(seen->spawn) > 0);
    event_base_loopexit(seen->base, &deadline);
    event_base_dispatch(seen->base);
    assert_int_equal(seen->n_exits, 1);
}

static void done(struct seen *seen)
{
    spawn_free(seen->spawn);
    event_base_free(seen->base);
    free(seen->warning);
    free(seen->failure);
    // Nothing is left to reap.
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void a_runner_that_is_not_there_is_an_error_and_no_call_back(void **state)
{
    struct seen seen = {0};

    (void)state;
    unlink(runner);
    assert_int_equal(start(&seen, 10), -ENOENT);
    assert_int_equal(seen.n_exits, 0);
    done(&seen);
}

static void windows_and_fin_arrive_and_the_exit_comes_last(void **state)
{
    struct seen seen = {0};

    (void)state;
    run(&seen, WINDOW WINDOW FIN);
    assert_int_equal(seen.n_windows, 2);
    assert_int_equal(seen.last_k, 7);
    assert_int_equal(seen.n_fins, 1);
    assert_null(seen.failure);
    done(&seen);
}

static void a_frame_in_bits_is_one_frame(void **state)
{
    struct seen seen = {0};

    (void)state;
    run(&seen, "for b in 004 000 000 000 012 002 010 016; do printf \"\\\\$b\" >&3; done\n" FIN);
    assert_int_equal(seen.n_windows, 1);
    assert_null(seen.failure);
    done(&seen);
}

static void the_exit_status_is_named(void **state)
{
    struct seen seen = {0};

    (void)state;
    run(&seen, WINDOW "exit 3\n");
    assert_int_equal(seen.n_windows, 1);
    assert_string_equal(seen.failure, "runner exited with code 3");
    done(&seen);
}

static void a_failing_exit_after_fin_is_a_failure(void **state)
{
    struct seen seen = {0};

    (void)state;
    run(&seen, FIN "exit 1\n");
    assert_int_equal(seen.n_fins, 1);
    assert_string_equal(seen.failure, "runner exited with code 1");
    done(&seen);
}

static void an_exit_without_fin_is_a_failure(void **state)
{
    struct seen seen = {0};

    (void)state;
    run(&seen, WINDOW);
    assert_string_equal(seen.failure, "runner ended without its totals");
    done(&seen);
}

static void the_signal_is_named_and_what_came_before_it_counts(void **state)
{
    struct seen seen = {0};

    (void)state;
    run(&seen, WINDOW "kill -9 $$\n");
    assert_int_equal(seen.n_windows, 1);
    assert_string_equal(seen.failure, "runner killed by signal 9 (Killed)");
    done(&seen);
}

static void the_runners_own_word_for_its_failure_is_kept(void **state)
{
    struct seen seen = {0};

    (void)state;
    run(&seen, FAILED "exit 1\n");
    assert_string_equal(seen.failure, "no");
    done(&seen);
}

static void a_warning_is_a_line_and_ends_nothing(void **state)
{
    struct seen seen = {0};

    (void)state;
    run(&seen, WARNS WINDOW FIN);
    assert_int_equal(seen.n_warnings, 1);
    assert_string_equal(seen.warning, "a?b!");
    assert_int_equal(seen.n_windows, 1);
    assert_int_equal(seen.n_fins, 1);
    assert_null(seen.failure);
    done(&seen);
}

static void warnings_beyond_their_limit_are_counted_and_long_ones_cut(void **state)
{
    struct seen seen = {0};

    (void)state;
    run(&seen, "for i in $(seq 20); do\n" WARNS "done\n" FIN);
    assert_int_equal(seen.n_warnings, SPAWN_WARNINGS_MAX);
    assert_string_equal(seen.warning, "a?b!");
    done(&seen);
    seen = (struct seen){0};
    run(&seen, "for i in $(seq 23); do\n" WARNS "done\n" FIN);
    assert_int_equal(seen.n_warnings, SPAWN_WARNINGS_MAX + 1);
    assert_string_equal(seen.warning, "3 more warnings were not shown");
    assert_int_equal(seen.n_fins, 1);
    assert_null(seen.failure);
    done(&seen);
    seen = (struct seen){0};
    // A frame of 3 + 600 bytes.
    run(&seen, "printf '\\133\\002\\000\\000\\042\\330\\004%0600d' 0 >&3\n" FIN);
    assert_int_equal(strlen(seen.warning), SPAWN_WARNING_BYTES_MAX);
    done(&seen);
}

static void the_runner_is_told_which_iteration_ends(void **state)
{
    struct seen seen = {.end_at_window = 7};

    (void)state;
    // The start and the end of series 7, without their lengths: 3 and 4 bytes behind the first 4.
    run(&seen, WINDOW "n=$(od -An -tu1 -N4 <&3 | awk '{print $1}')\n"
                      "head -c $n <&3 >/dev/null\n"
                      "test \"$(od -An -tx1 -N8 <&3 | tr -d ' ')\" = 040000001a020807 && " FIN);
    assert_null(seen.failure);
    assert_int_equal(seen.n_fins, 1);
    done(&seen);
}

static void garbage_ends_the_runner(void **state)
{
    struct seen seen = {0};

    (void)state;
    run(&seen, "printf '\\003\\000\\000\\000\\377\\377\\377' >&3\nexec sleep 1000\n");
    assert_string_equal(seen.failure, "runner sent 3 bytes that are no frame");
    done(&seen);
}

static void a_length_beyond_the_limit_ends_the_runner(void **state)
{
    struct seen seen = {0};

    (void)state;
    run(&seen, "printf '\\001\\000\\000\\004abc' >&3\nexec sleep 1000\n");
    assert_non_null(strstr(seen.failure, "that are no frame"));
    done(&seen);
}

static void an_event_without_content_is_no_frame(void **state)
{
    struct seen seen = {0};

    (void)state;
    run(&seen, "printf '\\000\\000\\000\\000' >&3\nexec sleep 1000\n");
    assert_string_equal(seen.failure, "runner sent 0 bytes that are no frame");
    done(&seen);
}

static void nothing_may_follow_fin(void **state)
{
    struct seen seen = {0};

    (void)state;
    run(&seen, FIN WINDOW "exec sleep 1000\n");
    assert_int_equal(seen.n_windows, 0);
    assert_non_null(strstr(seen.failure, "that are no frame"));
    done(&seen);
}

static void a_frame_cut_off_by_the_end_is_not_delivered(void **state)
{
    struct seen seen = {0};

    (void)state;
    run(&seen, "printf '\\004\\000\\000\\000\\012' >&3\n");
    assert_int_equal(seen.n_windows, 0);
    assert_string_equal(seen.failure, "runner ended without its totals");
    done(&seen);
}

static void descriptors_of_the_parent_are_not_inherited(void **state)
{
    struct seen seen = {0};
    int leaked = fcntl(1, F_DUPFD, 20);

    (void)state;
    char *script = xasprintf("test -e /proc/$$/fd/%d && exit 1\n%s", leaked, FIN);
    run(&seen, script);
    assert_null(seen.failure);
    free(script);
    close(leaked);
    done(&seen);
}

static void a_large_start_is_sent_whole(void **state)
{
    struct seen seen = {0};
    struct timeval deadline = {DEADLINE_S, 0};

    (void)state;
    // 4 bytes of length, 9 of the two tags and lengths.
    write_runner("test \"$(head -c 3000013 <&3 | wc -c)\" = 3000013 || exit 1\n" FIN);
    assert_int_equal(start(&seen, 3000000), 0);
    event_base_loopexit(seen.base, &deadline);
    event_base_dispatch(seen.base);
    assert_int_equal(seen.n_exits, 1);
    assert_null(seen.failure);
    done(&seen);
}

static void stop_is_a_frame_after_start(void **state)
{
    struct seen seen = {.stop_at_window = true, .abort = true};

    (void)state;
    // Start is 4 + 2 + 2 + 10 bytes, then stop: length 4, field 2, abort.
    run(&seen, WINDOW "head -c 18 <&3 >/dev/null\n"
                      "test \"$(head -c 8 <&3 | od -An -tx1 | tr -d ' ')\" = 0400000012020801"
                      " || exit 1\n" FIN);
    assert_null(seen.failure);
    done(&seen);
}

static void a_spawn_may_be_freed_from_its_exit(void **state)
{
    struct seen seen = {.free_at_exit = true};

    (void)state;
    run(&seen, FIN);
    assert_null(seen.spawn);
    done(&seen);
}

static void freeing_kills_and_reaps_a_runner_that_still_runs(void **state)
{
    struct seen seen = {0};

    (void)state;
    write_runner("exec sleep 1000\n");
    assert_int_equal(start(&seen, 10), 0);
    done(&seen);
    spawn_free(NULL);
    assert_int_equal(seen.n_exits, 0);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL)
        return -1;
    runner = xasprintf("%s/runner", dir);
    return setenv("LPS_RUNNER", runner, 1);
}

static int tear_down(void **state)
{
    (void)state;
    unlink(runner);
    free(runner);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_runner_that_is_not_there_is_an_error_and_no_call_back),
        cmocka_unit_test(windows_and_fin_arrive_and_the_exit_comes_last),
        cmocka_unit_test(a_frame_in_bits_is_one_frame),
        cmocka_unit_test(the_exit_status_is_named),
        cmocka_unit_test(a_failing_exit_after_fin_is_a_failure),
        cmocka_unit_test(an_exit_without_fin_is_a_failure),
        cmocka_unit_test(the_signal_is_named_and_what_came_before_it_counts),
        cmocka_unit_test(the_runners_own_word_for_its_failure_is_kept),
        cmocka_unit_test(a_warning_is_a_line_and_ends_nothing),
        cmocka_unit_test(warnings_beyond_their_limit_are_counted_and_long_ones_cut),
        cmocka_unit_test(the_runner_is_told_which_iteration_ends),
        cmocka_unit_test(garbage_ends_the_runner),
        cmocka_unit_test(a_length_beyond_the_limit_ends_the_runner),
        cmocka_unit_test(an_event_without_content_is_no_frame),
        cmocka_unit_test(nothing_may_follow_fin),
        cmocka_unit_test(a_frame_cut_off_by_the_end_is_not_delivered),
        cmocka_unit_test(descriptors_of_the_parent_are_not_inherited),
        cmocka_unit_test(a_large_start_is_sent_whole),
        cmocka_unit_test(stop_is_a_frame_after_start),
        cmocka_unit_test(a_spawn_may_be_freed_from_its_exit),
        cmocka_unit_test(freeing_kills_and_reaps_a_runner_that_still_runs),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
