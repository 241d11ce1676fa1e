#include "tests/unit/session_test_world.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void an_answer_is_captured_for_the_next_request(void **unused)
{
    static struct plan_header headers[] = {{"X-Value", "${a.Headers.X-Count}-${a.StatusReason}"}};

    (void)unused;
    capture.type = VALUE_UNDEFINED; // by the answer's media type
    iterations[0].capture = &capture;
    iterations[1].method = "POST";
    iterations[1].url.target = "/seq/${a.Body.token}?s=${a.StatusCode}&x=${a.Body.list[0+1]}";
    iterations[1].headers = headers;
    iterations[1].n_headers = 1;
    iterations[1].payload_kind = PLAN_PAYLOAD_RAW;
    iterations[1].payload = "<${a.Body.list[0]}>";
    begin();
    for (int i = 0; i < 2; i++) { // always the newest
        run(0, 1);
        run(1, 1);
    }
    assert_string_equal(w.heard[1].target, "/seq/t1?s=200&x=22");
    assert_string_equal(w.heard[1].method, "POST");
    assert_string_equal(w.heard[1].value, "1-Said");
    assert_string_equal(w.heard[1].body, "<1>");
    assert_string_equal(w.heard[3].target, "/seq/t3?s=200&x=22");
    assert_int_equal(w.n_ok, 4);
    assert_string_equal(warnings, "");
}

static void captures_have_types_regexes_and_scopes(void **unused)
{
    static const struct {
        const char *type, *path;
        enum value_type as;
        char *regex;
        bool is_global;
        const char *target;
    } cases[] = {
        {"text/plain", "${a.Body}", VALUE_STRING, "t\\d", false, "/t1"},
        {"text/plain", "${a.Body.token}", VALUE_JSON, NULL, true, "/t1"},
        {"text/plain", "x${a.Body.token}", VALUE_UNDEFINED, NULL, false,
         "/x"}, // a text has no paths
        {"application/json", "${a.Body.token}", VALUE_UNDEFINED, "\\d+", false, "/1"},
        {"text/plain", "x${a}", VALUE_STRING, "nowhere", false, "/x"},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char target[40];
        if (i > 0)
            set_up(NULL);
        w.type = cases[i].type;
        capture.type = cases[i].as;
        capture.regex = cases[i].regex;
        capture.is_global = cases[i].is_global;
        iterations[0].capture = &capture;
        snprintf(target, sizeof target, "/%s", cases[i].path);
        iterations[1].url.target = target;
        begin();
        run(0, 1);
        if (cases[i].is_global) { // another virtual user sees it
            session_free(w.session);
            w.session = session_new(w.program, &w.client, 2);
        }
        run(1, 1);
        assert_string_equal(w.heard[1].target, cases[i].target);
        if (i + 1 < sizeof cases / sizeof *cases)
            tear_down(NULL);
    }
    assert_non_null(strstr(warnings, "regex matches nothing"));
}

static void a_failure_is_captured_as_status_0(void **unused)
{
    (void)unused;
    iterations[0].url.target = "/${which}";
    iterations[0].request_before = (char *[]){"$strcat(values=[${next}], variable=which)",
                                              "$strcat(values=[drop], variable=next)"};
    iterations[0].n_request_before = 2;
    iterations[0].capture = &capture;
    iterations[1].url.target = "/${a.StatusCode}${a.Body}";
    add_variable("next", "seq");
    begin();
    run(0, 1);
    assert_int_equal(w.n_ok, 1);
    run(0, 1);
    assert_int_equal(w.n_ok, 1);
    run(1, 1);
    assert_string_equal(w.heard[w.n_heard - 1].target, "/0");
}

static void what_comes_to_no_request_fails_and_is_told(void **unused)
{
    (void)unused;
    add_variable("password", "hunter2hunter2");
    variables[0].is_secret = true;
    iterations[0].url.target = "$target";
    iterations[0].request_before = (char *[]){"$strcat(values=[no/$password], variable=target)"};
    iterations[0].n_request_before = 1;
    iterations[0].request_after = (char *[]){"$strcat(values=[after], variable=v)"};
    iterations[0].n_request_after = 1;
    iterations[0].retry = &retry;
    iterations[1].url.target = "/$v";
    begin();
    run(0, 10);
    assert_int_equal(w.n_done, 10);
    assert_int_equal(w.n_ok, 0);
    assert_int_equal(w.n_heard, 0);
    assert_int_equal(totals(0)->n.started, 20);
    assert_int_equal(totals(0)->n.failed, 20);
    assert_int_equal(totals(0)->error[METRICS_ERROR_REQUEST].count, 20);
    run(1, 1);
    assert_string_equal(w.heard[0].target, "/after");
}

static void iterations_have_hooks_and_may_be_skipped(void **unused)
{
    (void)unused;
    iterations[0].before = (char *[]){"$strcat(values=[in], variable=v)"};
    iterations[0].n_before = 1;
    iterations[0].after = (char *[]){"$strcat(values=[out], variable=v)"};
    iterations[0].n_after = 1;
    iterations[0].skip_if = "\"$v\" = \"out\"";
    iterations[1].skip_if = "\"$v\" = \"out\"";
    iterations[2].url.target = "/$v";
    begin();
    assert_true(session_enter(w.session, 0));
    run(2, 1);
    assert_true(session_enter(w.session, 1));
    session_leave(w.session, 0);
    run(2, 1);
    assert_false(session_enter(w.session, 1));
    assert_true(session_enter(w.session, 0)); // its hooks come first
    assert_string_equal(w.heard[0].target, "/in");
    assert_string_equal(w.heard[1].target, "/out");
}

static void a_page_is_over_with_its_resources(void **unused)
{
    (void)unused;
    iterations[0].url.target = "/page";
    iterations[0].with_resources = true;
    iterations[1].with_resources = true; // of no page
    begin();
    run(0, 2);
    assert_int_equal(w.n_ok, 2);
    assert_int_equal(w.n_heard, 10);
    unsigned n_images = 0;
    for (size_t i = 0; i < w.n_heard; i++)
        n_images += strncmp(w.heard[i].target, "/img/", 5) == 0;
    assert_int_equal(n_images, 6);
    assert_int_equal(totals(0)->n.started, 2);
    assert_int_equal(totals(0)->n.completed, 2);
    assert_int_equal(totals(0)->n.failed, 0);
    assert_true(totals(0)->n.body_received > 6 * 5);
    run(1, 1);
    assert_int_equal(w.n_heard, 11);
    assert_int_equal(w.n_ok, 3);
}

static void virtual_users_have_random_values_of_their_own(void **unused)
{
    (void)unused;
    iterations[0].url.target = "/$random(length=20)";
    begin();
    run(0, 2);
    for (uint64_t stream = 1; stream <= 2; stream++) {
        session_free(w.session);
        w.session = session_new(w.program, &w.client, stream);
        run(0, 1);
    }
    assert_string_not_equal(w.heard[0].target, w.heard[1].target);
    assert_string_equal(w.heard[0].target, w.heard[2].target);
    assert_string_not_equal(w.heard[0].target, w.heard[3].target);
}

// Names below directory, the last one in name.
static unsigned count_files(const char *directory, char *name, size_t size)
{
    DIR *dir = opendir(directory);
    unsigned n = 0;

    if (dir == NULL)
        return 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(name, size, "%s/%s", directory, e->d_name);
        n++;
    }
    closedir(dir);
    return n;
}

static void one_answer_in_a_second_is_saved(void **unused)
{
    char directory[] = "/tmp/session_test.XXXXXX", name[400], text[100] = "";
    char *was = getcwd(NULL, 0);

    (void)unused;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    iterations[0].url.target = "/seq/a?secret=1";
    iterations[0].save_response = true;
    iterations[1].save_response = true;
    begin();
    FILE *in_the_way = fopen("r.two.Resources", "w");
    assert_non_null(in_the_way);
    fclose(in_the_way);
    run(0, 3);
    run(1, 1);
    assert_int_equal(count_files("r.one.Resources", name, sizeof name), 1);
    assert_int_equal(strncmp(name, "r.one.Resources/http:--127.0.0.1-seq-a_20", 41), 0);
    assert_string_equal(strrchr(name, '.'), ".json");
    FILE *saved = fopen(name, "r");
    assert_non_null(saved);
    assert_non_null(fgets(text, sizeof text, saved));
    fclose(saved);
    assert_string_equal(text, "{\"token\": \"t1\", \"list\": [1, 22]}");
    assert_non_null(strstr(warnings, "cannot be saved"));
    unlink(name);
    rmdir("r.one.Resources");
    unlink("r.two.Resources");
    assert_int_equal(chdir(was), 0);
    assert_int_equal(rmdir(directory), 0);
    free(was);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_captured_for_the_next_request),
        TEST(captures_have_types_regexes_and_scopes),
        TEST(a_failure_is_captured_as_status_0),
        TEST(what_comes_to_no_request_fails_and_is_told),
        TEST(iterations_have_hooks_and_may_be_skipped),
        TEST(a_page_is_over_with_its_resources),
        TEST(virtual_users_have_random_values_of_their_own),
        TEST(one_answer_in_a_second_is_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
