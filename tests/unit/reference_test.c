#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "common/str.h"
#include "worker/runner/reference.h"

static struct plan_url url_of(const char *text)
{
    struct diag d = {0};
    struct plan_url url;

    if (plan_url_parse(text, &d, 0, 0, &url) < 0)
        fail_msg("%s: %s", text, d.entry[0].text);
    return url;
}

static void resolves_from(const char *base_text, const char *ref, const char *expected)
{
    struct plan_url base = url_of(base_text), url;

    int r = reference_resolve(&base, ref, strlen(ref), &url);
    if (r < 0)
        fail_msg("%s: %d", ref, r);
    assert_string_equal(url.text, expected);
    // All parts are those of the text.
    struct plan_url other = url_of("http://other:1/"), again;
    assert_int_equal(reference_resolve(&other, url.text, strlen(url.text), &again), 0);
    assert_string_equal(again.text, url.text);
    assert_string_equal(again.target, url.target);
    assert_string_equal(again.authority, url.authority);
    assert_string_equal(again.host, url.host);
    assert_int_equal(again.port, url.port);
    assert_int_equal(again.tls, url.tls);
    plan_url_done(&again);
    plan_url_done(&other);
    plan_url_done(&url);
    plan_url_done(&base);
}

#define BASE "http://a/b/c/d;p?q"

static void resolves(const char *ref, const char *expected)
{
    resolves_from(BASE, ref, expected);
}

static void refuses(const char *ref, int error)
{
    struct plan_url base = url_of(BASE), url = {.port = 7};

    if (reference_resolve(&base, ref, strlen(ref), &url) != error)
        fail_msg("%s", ref);
    assert_int_equal(url.port, 7);
    plan_url_done(&base);
}

// RFC 3986 sections 5.4.1 and 5.4.2, without their fragments and foreign schemes.
static void the_examples_of_the_rfc_resolve(void **state)
{
    static const char *const examples[][2] = {
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g/"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q"},
        {"g#s", "http://a/b/c/g"},
        {"g?y#s", "http://a/b/c/g?y"},
        {";x", "http://a/b/c/;x"},
        {"g;x", "http://a/b/c/g;x"},
        {"g;x?y#s", "http://a/b/c/g;x?y"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"../../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {".g", "http://a/b/c/.g"},
        {"g..", "http://a/b/c/g.."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/./x", "http://a/b/c/g?y/./x"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"g#s/../x", "http://a/b/c/g"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        resolves(examples[i][0], examples[i][1]);
    refuses("g:h", -EPROTONOSUPPORT);
    refuses("http:g", -EINVAL);
}

static void another_authority_replaces_the_whole(void **state)
{
    (void)state;
    resolves("https://B.Example:8443/x/../y?z#f", "https://b.example:8443/y?z");
    resolves("HTTP://b.example:80", "http://b.example/");
    resolves("http://b.example?x", "http://b.example/?x");
    resolves("//[0:0::1]:81/x", "http://[::1]:81/x");
    resolves("//b.example/..", "http://b.example/");
    resolves_from("https://a:444/x", "//b", "https://b/");
}

static void scheme_host_and_port_stay_where_the_reference_has_none(void **state)
{
    struct plan_url base = url_of("https://[::1]:444/x"), url;

    (void)state;
    assert_int_equal(reference_resolve(&base, "y", 1, &url), 0);
    assert_true(url.tls);
    assert_string_equal(url.host, "::1");
    assert_int_equal(url.port, 444);
    assert_string_equal(url.authority, "[::1]:444");
    assert_string_equal(url.target, "/y");
    assert_string_equal(url.text, "https://[::1]:444/y");
    plan_url_done(&url);
    plan_url_done(&base);
}

static void what_has_no_place_in_an_url_is_escaped(void **state)
{
    (void)state;
    resolves("a b", "http://a/b/c/a%20b");
    resolves("\xc3\xa4?\xc3\xb6", "http://a/b/c/%C3%A4?%C3%B6");
    resolves("<\"`{|}^>", "http://a/b/c/%3C%22%60%7B%7C%7D%5E%3E");
    resolves("a%20b%", "http://a/b/c/a%20b%");
    resolves("$a${b}[c]", "http://a/b/c/$a$%7Bb%7D[c]");
    resolves("x/\x01/\x7f/", "http://a/b/c/x/%01/%7F/");
}

static void blanks_around_and_line_breaks_within_are_dropped(void **state)
{
    (void)state;
    resolves(" \t\n/g \r\n", "http://a/g");
    resolves("/g\r\nh\ti", "http://a/ghi");
    resolves(" ", "http://a/b/c/d;p?q");
    resolves("ht\ntp://b/", "http://b/");
}

static void a_backslash_is_a_slash_in_a_path_only(void **state)
{
    (void)state;
    resolves("\\\\b\\c\\..\\d", "http://b/d");
    resolves("x\\y?a\\b", "http://a/b/c/x/y?a%5Cb");
}

static void what_is_no_url_for_a_request_is_refused(void **state)
{
    (void)state;
    refuses("data:text/css,a", -EPROTONOSUPPORT);
    refuses("javascript:void(0)", -EPROTONOSUPPORT);
    refuses("httpx://b/", -EPROTONOSUPPORT);
    refuses("http://", -EINVAL);
    refuses("http:///x", -EINVAL);
    refuses("http:/x", -EINVAL);
    refuses("//b:0/", -EINVAL);
    refuses("//b:65536/", -EINVAL);
    refuses("//[::1", -EINVAL);
    refuses("//user:password@b/", -EINVAL);
    refuses("//b c/", -EINVAL);
    refuses("//\xc3\xa4.example/", -EINVAL);
}

static void a_nul_is_escaped(void **state)
{
    struct plan_url base = url_of(BASE), url;

    (void)state;
    assert_int_equal(reference_resolve(&base, "x\0y", 3, &url), 0);
    assert_string_equal(url.text, "http://a/b/c/x%00y");
    plan_url_done(&url);
    plan_url_done(&base);
}

static void the_longest_url_is_taken_and_no_longer_one(void **state)
{
    const size_t max = PLAN_URL_MAX - strlen("http://a/b/c/");
    char *ref = xcalloc(max + 2, 1);
    struct plan_url base = url_of(BASE), url;

    (void)state;
    memset(ref, 'x', max + 1);
    assert_int_equal(reference_resolve(&base, ref, max, &url), 0);
    assert_int_equal(strlen(url.text), PLAN_URL_MAX);
    plan_url_done(&url);
    assert_int_equal(reference_resolve(&base, ref, max + 1, &url), -EINVAL);
    memset(ref, ' ', max - 1);
    ref[0] = 'x';
    ref[max - 1] = 'x';
    assert_int_equal(reference_resolve(&base, ref, max, &url), -EINVAL);
    plan_url_done(&base);
    free(ref);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_rfc_resolve),
        cmocka_unit_test(another_authority_replaces_the_whole),
        cmocka_unit_test(scheme_host_and_port_stay_where_the_reference_has_none),
        cmocka_unit_test(what_has_no_place_in_an_url_is_escaped),
        cmocka_unit_test(blanks_around_and_line_breaks_within_are_dropped),
        cmocka_unit_test(a_backslash_is_a_slash_in_a_path_only),
        cmocka_unit_test(what_is_no_url_for_a_request_is_refused),
        cmocka_unit_test(a_nul_is_escaped),
        cmocka_unit_test(the_longest_url_is_taken_and_no_longer_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
