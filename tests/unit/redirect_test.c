#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "worker/runner/redirect.h"

static struct plan_url url_of(const char *text)
{
    struct diag d = {0};
    struct plan_url url;

    assert_int_equal(plan_url_parse(text, &d, 0, 0, &url), 0);
    return url;
}

#define FROM "http://a.example/x/y?q"

static struct redirect follows(const char *method, int status, const char *location)
{
    struct plan_url url = url_of(FROM);
    struct redirect next;

    int r = redirect_next(&url, method, status, location, 0, &next);
    if (r != 0)
        fail_msg("%s %d %s: %d", method, status, location, r);
    plan_url_done(&url);
    return next;
}

static void is_final(const char *method, int status, const char *location, int n_followed,
                     int error)
{
    struct plan_url url = url_of(FROM);
    struct redirect next = {.keeps_body = true};

    int r = redirect_next(&url, method, status, location, n_followed, &next);
    if (r != error)
        fail_msg("%s %d %s: %d", method, status, location, r);
    assert_null(next.url.text);
    assert_true(next.keeps_body);
    plan_url_done(&url);
}

static void the_status_decides_the_method_and_the_body(void **state)
{
    static const struct {
        int status;
        const char *method, *next;
    } rows[] = {
        {301, "GET", "GET"},    {301, "HEAD", "HEAD"},     {301, "POST", "GET"},
        {301, "PUT", "PUT"},    {301, "DELETE", "DELETE"}, {302, "GET", "GET"},
        {302, "POST", "GET"},   {302, "PATCH", "PATCH"},   {303, "GET", "GET"},
        {303, "HEAD", "HEAD"},  {303, "POST", "GET"},      {303, "PUT", "GET"},
        {303, "DELETE", "GET"}, {307, "POST", "POST"},     {307, "GET", "GET"},
        {308, "POST", "POST"},  {308, "PUT", "PUT"},       {300, "POST", "GET"},
        {300, "HEAD", "HEAD"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct redirect next = follows(rows[i].method, rows[i].status, "/z");
        assert_string_equal(next.method, rows[i].next);
        assert_int_equal(next.keeps_body, strcmp(rows[i].method, rows[i].next) == 0);
        assert_string_equal(next.url.text, "http://a.example/z");
        redirect_done(&next);
    }
}

static void other_answers_are_final(void **state)
{
    static const int statuses[] = {100, 200, 201, 204, 299, 304, 305, 306, 309, 399, 404, 503};

    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        is_final("GET", statuses[i], "/z", 0, -ENOENT);
    is_final("GET", 302, NULL, 0, -ENOENT);
    is_final("GET", 300, NULL, 0, -ENOENT);
}

static void a_location_that_cannot_be_asked_for_is_final(void **state)
{
    (void)state;
    is_final("GET", 302, "ftp://a.example/", 0, -EPROTONOSUPPORT);
    is_final("GET", 302, "http://", 0, -EINVAL);
    is_final("GET", 302, "http://u:p@a.example/", 0, -EINVAL);
}

static void the_last_redirect_is_followed_and_not_one_more(void **state)
{
    struct plan_url url = url_of(FROM);
    struct redirect next;

    (void)state;
    assert_int_equal(redirect_next(&url, "GET", 302, "/z", REDIRECT_MAX - 1, &next), 0);
    redirect_done(&next);
    plan_url_done(&url);
    is_final("GET", 302, "/z", REDIRECT_MAX, -ELOOP);
}

static void a_location_is_relative_to_the_request(void **state)
{
    struct redirect next = follows("GET", 302, "../z?r#f");

    (void)state;
    assert_string_equal(next.url.text, "http://a.example/z?r");
    redirect_done(&next);
    // Its own place is a redirect like another, and bounded as they are.
    next = follows("GET", 302, "");
    assert_string_equal(next.url.text, FROM);
    redirect_done(&next);
}

static void scheme_host_and_port_are_the_origin(void **state)
{
    static const struct {
        const char *location;
        bool same;
    } rows[] = {
        {"/z", true},
        {"http://A.example:80/z", true},
        {"http://a.example:81/z", false},
        {"https://a.example/z", false},
        {"https://a.example:80/z", false},
        {"http://b.a.example/z", false},
        {"//example/z", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct redirect next = follows("GET", 302, rows[i].location);
        if (next.keeps_origin != rows[i].same)
            fail_msg("%s", rows[i].location);
        redirect_done(&next);
    }
}

static void headers_go_along_where_they_mean_the_same(void **state)
{
    static const struct {
        const char *name;
        bool without_body, to_another_origin;
    } rows[] = {
        {"Accept", true, true},
        {"X-Content-Type", true, true},
        {"content-type", false, true},
        {"Content-Encoding", false, true},
        {"Transfer-Encoding", false, true},
        {"Expect", false, true},
        {"AUTHORIZATION", true, false},
        {"Proxy-Authorization", true, false},
        {"cookie", true, false},
        {"Host", true, false},
        {"Cookies", true, true},
    };
    struct redirect to_get = {.keeps_origin = true}, elsewhere = {.keeps_body = true};
    struct redirect same = {.keeps_body = true, .keeps_origin = true};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(redirect_keeps_header(&same, rows[i].name));
        if (redirect_keeps_header(&to_get, rows[i].name) != rows[i].without_body ||
            redirect_keeps_header(&elsewhere, rows[i].name) != rows[i].to_another_origin)
            fail_msg("%s", rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_status_decides_the_method_and_the_body),
        cmocka_unit_test(other_answers_are_final),
        cmocka_unit_test(a_location_that_cannot_be_asked_for_is_final),
        cmocka_unit_test(the_last_redirect_is_followed_and_not_one_more),
        cmocka_unit_test(a_location_is_relative_to_the_request),
        cmocka_unit_test(scheme_host_and_port_are_the_origin),
        cmocka_unit_test(headers_go_along_where_they_mean_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
