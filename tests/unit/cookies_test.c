#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "common/http_date.h"
#include "worker/runner/cookies.h"

#define NOW 1700000000

static struct plan_url url_of(const char *text)
{
    struct diag d = {0};
    struct plan_url url;

    assert_int_equal(plan_url_parse(text, &d, 0, 0, &url), 0);
    return url;
}

static void set_at(struct cookies *jar, const char *from, const char *field, int64_t now_s)
{
    struct plan_url url = url_of(from);

    cookies_set(jar, &url, field, strlen(field), now_s);
    plan_url_done(&url);
}

static void set(struct cookies *jar, const char *from, const char *field)
{
    set_at(jar, from, field, NOW);
}

// expected: NULL: nothing is sent.
static void sends_at(struct cookies *jar, const char *to, int64_t now_s, const char *expected)
{
    struct plan_url url = url_of(to);
    struct buf out = {0};

    bool any = cookies_append(jar, &url, now_s, &out);
    assert_int_equal(any, expected != NULL);
    if (expected == NULL)
        assert_int_equal(out.len, 0);
    else
        assert_string_equal(out.data, expected);
    buf_done(&out);
    plan_url_done(&url);
}

static void sends(struct cookies *jar, const char *to, const char *expected)
{
    sends_at(jar, to, NOW, expected);
}

// What a jar with this one cookie from a.b.example/d/e sends back to the same place.
static void becomes(const char *field, const char *expected)
{
    struct cookies jar = {0};

    set(&jar, "http://a.b.example/d/e", field);
    sends(&jar, "http://a.b.example/d/e", expected);
    cookies_done(&jar);
}

static void an_empty_jar_has_no_memory(void **state)
{
    struct cookies jar = {0};

    (void)state;
    sends(&jar, "http://a.example/", NULL);
    set(&jar, "http://a.example/", "nonsense");
    set(&jar, "http://a.example/", "a=1; Domain=b.example");
    assert_null(jar.list);
    cookies_done(&jar);
}

static void a_field_is_a_name_and_a_value(void **state)
{
    (void)state;
    becomes("a=1", "a=1");
    becomes(" a \t=\t 1 2 ;", "a=1 2");
    becomes("a=", "a=");
    becomes("a=b=c", "a=b=c");
    becomes("a=\"x, y\"", "a=\"x, y\"");
    becomes("a=\xc3\xa4", "a=\xc3\xa4");
    becomes("a=1; HttpOnly; SameSite=Strict; Unknown=2;;=;", "a=1");
    becomes("", NULL);
    becomes("a", NULL);
    becomes("=1", NULL);
    becomes(" = ", NULL);
    becomes("; a=1", NULL);
    becomes("a; b=1", NULL);
}

static void control_characters_are_not_taken(void **state)
{
    struct plan_url url = url_of("http://a.example/");
    struct cookies jar = {0};

    (void)state;
    becomes("a=1\r\nX: y", NULL);
    becomes("a=1\x7f", NULL);
    becomes("a=1; Path=/\x01", NULL);
    becomes("a=1\t2", "a=1\t2");
    cookies_set(&jar, &url, "a=1\0", 4, NOW);
    assert_int_equal(jar.n, 0);
    cookies_set(&jar, &url, "a=12", 3, NOW);
    sends(&jar, "http://a.example/", "a=1");
    cookies_done(&jar);
    plan_url_done(&url);
}

static void the_longest_cookie_is_taken_and_no_longer_one(void **state)
{
    char *field = xcalloc(COOKIES_BYTES_MAX + 3, 1);

    (void)state;
    memset(field, 'v', COOKIES_BYTES_MAX + 1);
    memcpy(field, "a=", 2);
    becomes(field, field);
    field[COOKIES_BYTES_MAX + 1] = 'v';
    becomes(field, NULL);
    free(field);
}

static void without_a_domain_it_is_for_its_host_alone(void **state)
{
    struct cookies jar = {0};

    (void)state;
    set(&jar, "http://b.example/", "a=1");
    sends(&jar, "http://b.example:81/", "a=1");
    sends(&jar, "http://a.b.example/", NULL);
    sends(&jar, "http://example/", NULL);
    cookies_done(&jar);
}

static void a_domain_is_for_the_hosts_below_it(void **state)
{
    static const char *const fields[] = {"a=1; Domain=b.example", "a=1; domain = .B.Example",
                                         "a=1; Domain=x; Domain=b.example; Domain="};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct cookies jar = {0};
        set(&jar, "http://a.b.example/", fields[i]);
        sends(&jar, "http://b.example/", "a=1");
        sends(&jar, "http://c.d.b.example/", "a=1");
        sends(&jar, "http://ab.example/", NULL);
        sends(&jar, "http://example/", NULL);
        cookies_done(&jar);
    }
}

static void a_server_sets_cookies_of_its_own_domains_only(void **state)
{
    (void)state;
    becomes("a=1; Domain=a.b.example", "a=1");
    becomes("a=1; Domain=example", "a=1");
    becomes("a=1; Domain=x.a.b.example", NULL);
    becomes("a=1; Domain=c.example", NULL);
    becomes("a=1; Domain=.example.", NULL);
    becomes("a=1; Domain=.", "a=1");
    becomes("a=1; Domain=", "a=1");
}

static void addresses_have_no_domains(void **state)
{
    struct cookies jar = {0};

    (void)state;
    set(&jar, "http://127.0.0.1/", "a=1; Domain=0.0.1");
    set(&jar, "http://[::1]/", "b=1; Domain=1");
    assert_int_equal(jar.n, 0);
    set(&jar, "http://127.0.0.1/", "a=1; Domain=127.0.0.1");
    set(&jar, "http://[::1]/", "b=1");
    sends(&jar, "http://127.0.0.1/", "a=1");
    sends(&jar, "http://[::1]:81/", "b=1");
    cookies_done(&jar);
}

static void paths_match_whole_segments(void **state)
{
    static const struct {
        const char *path, *to, *sent;
    } rows[] = {
        {"/d", "/d", "a=1"},       {"/d", "/d/", "a=1"}, {"/d", "/d/e?q", "a=1"},
        {"/d", "/d?q", "a=1"},     {"/d", "/de", NULL},  {"/d", "/", NULL},
        {"/d", "/D", NULL},        {"/d/", "/d", NULL},  {"/d/", "/d/", "a=1"},
        {"/d/", "/d/e", "a=1"},    {"/", "/", "a=1"},    {"/", "/x", "a=1"},
        {"/d", "/x?/d/", NULL},    {"", "/x/z", "a=1"},  {"", "/y", NULL},
        {"x", "/x/z", "a=1"},      {"x", "/x", "a=1"},   {"/d; Path=/e", "/e", "a=1"},
        {"/d; Path=", "/d", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cookies jar = {0};
        char *field = xasprintf("a=1; Path=%s", rows[i].path);
        char *to = xasprintf("http://a.example%s", rows[i].to);
        set(&jar, "http://a.example/x/y?/z/", field);
        sends(&jar, to, rows[i].sent);
        free(to);
        free(field);
        cookies_done(&jar);
    }
}

static void the_default_path_is_that_of_the_request_without_its_last_segment(void **state)
{
    static const char *const rows[][3] = {
        {"/", "/x", "a=1"},      {"/x", "/y", "a=1"}, {"/x/", "/x", "a=1"},
        {"/x/y", "/x", "a=1"},   {"/x/y", "/", NULL}, {"/x/y/", "/x/y", "a=1"},
        {"/x/y/", "/x/z", NULL}, {"//", "/x", "a=1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cookies jar = {0};
        char *from = xasprintf("http://a.example%s", rows[i][0]);
        char *to = xasprintf("http://a.example%s", rows[i][1]);
        set(&jar, from, "a=1");
        sends(&jar, to, rows[i][2]);
        free(to);
        free(from);
        cookies_done(&jar);
    }
}

static void attributes_that_are_too_long_are_as_if_not_there(void **state)
{
    char path[COOKIES_ATTRIBUTE_BYTES_MAX + 2];

    (void)state;
    memset(path, 'p', sizeof path);
    path[0] = '/';
    for (size_t extra = 0; extra < 2; extra++) {
        struct cookies jar = {0};
        char *field = xasprintf("a=1; Path=%.*s", (int)(COOKIES_ATTRIBUTE_BYTES_MAX + extra), path);
        set(&jar, "http://a.example/", field);
        sends(&jar, "http://a.example/", extra == 0 ? NULL : "a=1");
        free(field);
        field = xasprintf("a=1; Domain=%.*s", (int)(COOKIES_ATTRIBUTE_BYTES_MAX + extra), path);
        becomes(field, extra == 0 ? NULL : "a=1");
        free(field);
        cookies_done(&jar);
    }
}

static void secure_cookies_go_over_tls_only(void **state)
{
    struct cookies jar = {0};

    (void)state;
    set(&jar, "https://a.example/", "a=1; secure");
    sends(&jar, "http://a.example/", NULL);
    sends(&jar, "https://a.example/", "a=1");
    cookies_done(&jar);
}

static void longer_paths_go_first_then_older_cookies(void **state)
{
    struct cookies jar = {0};

    (void)state;
    set(&jar, "http://a.example/", "a=1");
    set(&jar, "http://a.example/", "b=1; Path=/x/y");
    set(&jar, "http://a.example/", "c=1; Path=/x");
    set(&jar, "http://a.example/", "d=1");
    set(&jar, "http://a.example/", "e=1; Path=/x/y");
    sends(&jar, "http://a.example/x/y", "b=1; e=1; c=1; a=1; d=1");
    sends(&jar, "http://a.example/", "a=1; d=1");
    cookies_done(&jar);
}

static void a_cookie_is_replaced_in_its_place(void **state)
{
    struct cookies jar = {0};

    (void)state;
    set(&jar, "http://a.example/", "a=1; Max-Age=5");
    set(&jar, "http://a.example/", "b=1");
    set(&jar, "http://a.example/", "A=1");
    set(&jar, "http://a.example/", "a=2; Domain=A.example");
    set(&jar, "http://a.example/x/", "a=3");
    sends_at(&jar, "http://a.example/x/", NOW + 10, "a=3; a=2; b=1; A=1");
    cookies_done(&jar);
}

static void max_age_counts_from_now_and_wins_over_expires(void **state)
{
    static const struct {
        const char *attributes;
        int64_t after_s; // last second in which it is sent; -1: never; INT64_MAX: for ever
    } rows[] = {
        {"", INT64_MAX},
        {"; Max-Age=1", 0},
        {"; max-age = 10", 9},
        {"; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT", 9},
        {"; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=10", 9},
        {"; Max-Age=0", -1},
        {"; Max-Age=-1", -1},
        {"; Max-Age=-99999999999999999999", -1},
        {"; Max-Age=9223372036854775807", INT64_MAX},
        {"; Max-Age=99999999999999999999999", INT64_MAX},
        {"; Max-Age=10; Max-Age=20", 19},
        {"; Max-Age=10; Max-Age=x", 9},
        {"; Max-Age=", INT64_MAX},
        {"; Max-Age=-", INT64_MAX},
        {"; Max-Age=+1", INT64_MAX},
        {"; Max-Age=1.5", INT64_MAX},
        {"; Max-Age", INT64_MAX},
        {"; Expires=Tue, 14 Nov 2023 22:13:30 GMT", 9}, // NOW + 10
        {"; Expires=Tue, 14 Nov 2023 22:13:20 GMT", -1},
        {"; Expires=0", INT64_MAX},
        {"; Expires=", INT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t after_s = rows[i].after_s;
        struct cookies jar = {0};
        char *field = xasprintf("a=1%s", rows[i].attributes);
        set(&jar, "http://a.example/", field);
        if (jar.n != (after_s >= 0))
            fail_msg("%s", rows[i].attributes);
        int64_t last_s = after_s == INT64_MAX ? NOW + (int64_t)100 * 365 * 86400 : NOW + after_s;
        sends_at(&jar, "http://a.example/", last_s, after_s >= 0 ? "a=1" : NULL);
        if (after_s < INT64_MAX) {
            sends_at(&jar, "http://a.example/", last_s + 1, NULL);
            assert_int_equal(jar.n, 0);
        }
        free(field);
        cookies_done(&jar);
    }
}

static void a_cookie_is_deleted_by_one_that_has_expired(void **state)
{
    struct cookies jar = {0};

    (void)state;
    set(&jar, "http://a.example/", "a=1");
    set(&jar, "http://a.example/", "b=1");
    set(&jar, "http://a.example/", "a=; Path=/x; Max-Age=0");
    sends(&jar, "http://a.example/", "a=1; b=1");
    set(&jar, "http://a.example/", "a=; Max-Age=0");
    sends(&jar, "http://a.example/", "b=1");
    cookies_done(&jar);
}

static void in_a_full_jar_the_one_unused_longest_makes_way(void **state)
{
    struct cookies jar = {0};
    char field[64];

    (void)state;
    for (int i = 0; i < COOKIES_MAX; i++) {
        snprintf(field, sizeof field, "c%d=1; Path=/%d", i, i);
        set(&jar, "http://a.example/", field);
    }
    assert_int_equal(jar.n, COOKIES_MAX);
    sends(&jar, "http://a.example/0", "c0=1");
    set(&jar, "http://a.example/", "c2=1; Path=/2"); // replaces, and makes no one go
    assert_int_equal(jar.n, COOKIES_MAX);
    sends(&jar, "http://a.example/1", "c1=1");
    set(&jar, "http://a.example/", "new=1; Path=/new");
    assert_int_equal(jar.n, COOKIES_MAX);
    sends(&jar, "http://a.example/0", "c0=1");
    sends(&jar, "http://a.example/1", "c1=1");
    sends(&jar, "http://a.example/2", "c2=1");
    sends(&jar, "http://a.example/3", NULL);
    sends(&jar, "http://a.example/4", "c4=1");
    sends(&jar, "http://a.example/new", "new=1");
    cookies_done(&jar);
}

static void those_that_have_expired_make_way_first(void **state)
{
    struct cookies jar = {0};
    char field[64];

    (void)state;
    for (int i = 0; i < COOKIES_MAX; i++) {
        snprintf(field, sizeof field, "c%d=1; Path=/%d%s", i, i, i == 7 ? "; Max-Age=5" : "");
        set(&jar, "http://a.example/", field);
    }
    set_at(&jar, "http://a.example/", "new=1; Path=/new", NOW + 5);
    assert_int_equal(jar.n, COOKIES_MAX);
    sends_at(&jar, "http://a.example/0", NOW + 5, "c0=1");
    sends_at(&jar, "http://a.example/7", NOW + 5, NULL);
    cookies_done(&jar);
}

static void dates_are_read_as_they_are_written(void **state)
{
    static const char *const same[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",      "6 nov 1994 8:49:37",
        "08:49:37 november 6th 94",      "1994 ... 06/NOV/94 08:49:37x +0100",
        "06-Nov-1994 08:49:37",
    };
    int64_t s;

    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        if (http_date_parse(same[i], strlen(same[i]), &s) != 0 || s != 784111777)
            fail_msg("%s", same[i]);
    }
}

static void dates_have_their_limits(void **state)
{
    static const struct {
        const char *text;
        int64_t s; // -1: none
    } rows[] = {
        {"1 Jan 1970 00:00:00", 0},
        {"1 Jan 70 00:00:00", 0},
        {"31 Dec 69 23:59:59", 3155759999}, // 2069
        {"1 Jan 00 00:00:00", 946684800},   // 2000
        {"1 Jan 1601 00:00:00", -11644473600},
        {"31 Dec 9999 23:59:59", 253402300799},
        {"29 Feb 2024 00:00:00", 1709164800},
        {"29 Feb 2023 00:00:00", -1},
        {"31 Apr 2023 00:00:00", -1},
        {"31 Dec 1600 00:00:00", -1},
        {"1 Jan 100 00:00:00", -1},
        {"1 Jan 12345 00:00:00", -1},
        {"0 Jan 2000 00:00:00", -1},
        {"32 Jan 2000 00:00:00", -1},
        {"1 Jan 2000 24:00:00", -1},
        {"1 Jan 2000 00:60:00", -1},
        {"1 Jan 2000 00:00:60", -1},
        {"1 Jan 2000 00:00", -1},
        {"1 Jan 2000 000:00:00", -1},
        {"1 Jan 2000", -1},
        {"1 Foo 2000 00:00:00", -1},
        {"Jan 2000 00:00:00", -1},
        {"1 Jan 00:00:00", -1},
        {"", -1},
        {" ", -1},
        {"99999999999999999999 Jan", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t s = -1;
        int r = http_date_parse(rows[i].text, strlen(rows[i].text), &s);
        if (s != rows[i].s || r != (s == -1 ? -EINVAL : 0))
            fail_msg("%s: %d, %jd", rows[i].text, r, (intmax_t)s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_jar_has_no_memory),
        cmocka_unit_test(a_field_is_a_name_and_a_value),
        cmocka_unit_test(control_characters_are_not_taken),
        cmocka_unit_test(the_longest_cookie_is_taken_and_no_longer_one),
        cmocka_unit_test(without_a_domain_it_is_for_its_host_alone),
        cmocka_unit_test(a_domain_is_for_the_hosts_below_it),
        cmocka_unit_test(a_server_sets_cookies_of_its_own_domains_only),
        cmocka_unit_test(addresses_have_no_domains),
        cmocka_unit_test(paths_match_whole_segments),
        cmocka_unit_test(the_default_path_is_that_of_the_request_without_its_last_segment),
        cmocka_unit_test(attributes_that_are_too_long_are_as_if_not_there),
        cmocka_unit_test(secure_cookies_go_over_tls_only),
        cmocka_unit_test(longer_paths_go_first_then_older_cookies),
        cmocka_unit_test(a_cookie_is_replaced_in_its_place),
        cmocka_unit_test(max_age_counts_from_now_and_wins_over_expires),
        cmocka_unit_test(a_cookie_is_deleted_by_one_that_has_expired),
        cmocka_unit_test(in_a_full_jar_the_one_unused_longest_makes_way),
        cmocka_unit_test(those_that_have_expired_make_way_first),
        cmocka_unit_test(dates_are_read_as_they_are_written),
        cmocka_unit_test(dates_have_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
