#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "common/plan.h"
#include "common/str.h"

static void parses(const char *text, const char *spelled, const char *host, uint16_t port,
                   const char *authority, const char *target)
{
    struct diag d = {0};
    struct plan_url url;

    if (plan_url_parse(text, &d, 1, 1, &url) < 0)
        fail_msg("%s: %s", text, d.entry[0].text);
    assert_string_equal(url.text, spelled);
    assert_string_equal(url.host, host);
    assert_int_equal(url.port, port);
    assert_string_equal(url.authority, authority);
    assert_string_equal(url.target, target);
    assert_int_equal(url.tls, strncmp(spelled, "https:", 6) == 0);

    struct plan_url again;
    assert_int_equal(plan_url_parse(url.text, &d, 1, 1, &again), 0);
    assert_string_equal(again.text, url.text);
    plan_url_done(&again);
    plan_url_done(&url);
}

static void refuses(const char *text, const char *begin)
{
    struct diag d = {0};
    struct plan_url url = {.port = 4711};

    assert_int_equal(plan_url_parse(text, &d, 7, 9, &url), -EINVAL);
    assert_int_equal(url.port, 4711);
    assert_int_equal(d.n, 1);
    assert_int_equal(d.entry[0].line, 7);
    assert_int_equal(d.entry[0].column, 9);
    if (strncmp(d.entry[0].text, begin, strlen(begin)) != 0)
        fail_msg("%s: %s", text, d.entry[0].text);
    diag_done(&d);
}

static void only_absolute_http_urls_are_accepted(void **state)
{
    (void)state;
    refuses("", "expected an URL that begins with http:// or https://");
    refuses("http:/a", "expected an URL");
    refuses("ftp://a/", "expected an URL");
    refuses("/path", "expected an URL");
    refuses("example.com", "expected an URL");
    refuses(" http://a/", "expected an URL");
}

static void a_host_is_required_and_its_letters_are_checked(void **state)
{
    (void)state;
    refuses("http://", "found no host");
    refuses("http:///x", "found no host");
    refuses("http://:80/", "found no host");
    refuses("http://a b/", "found a blank in the host");
    refuses("http://a%41/", "found '%' in the host");
    refuses("http://a\x01/", "found 0x01 in the host");
    refuses("http://b\xc3\xbc"
            "cher/",
            "found a host with letters beyond ASCII");
}

static void host_names_up_to_their_limit_are_accepted(void **state)
{
    char text[300], host[254 + 1];

    (void)state;
    memset(host, 'a', 254);
    host[254] = '\0';
    snprintf(text, sizeof text, "http://%s", host);
    refuses(text, "found a host of 254 bytes, expected at most 253");
    host[253] = '\0';
    snprintf(text, sizeof text, "http://%s/", host);
    parses(text, text, host, 80, host, "/");
}

static void ports_lie_between_1_and_65535(void **state)
{
    (void)state;
    parses("http://a:1", "http://a:1/", "a", 1, "a:1", "/");
    parses("http://a:65535", "http://a:65535/", "a", 65535, "a:65535", "/");
    refuses("http://a:0", "found port \"0\", expected 1 to 65535");
    refuses("http://a:65536/", "found port \"65536\"");
    refuses("http://a:99999999999999999999999/", "found port \"99999999999999999999\"");
    refuses("http://a:-1/", "found port \"-1\"");
    refuses("http://a:8o/", "found port \"8o\"");
    refuses("http://a:1:2/", "found port \"1:2\"");
}

static void the_port_of_the_scheme_is_left_out(void **state)
{
    (void)state;
    parses("http://a:80/", "http://a/", "a", 80, "a", "/");
    parses("http://a:443/", "http://a:443/", "a", 443, "a:443", "/");
    parses("https://a:443/", "https://a/", "a", 443, "a", "/");
    parses("https://a:80/", "https://a:80/", "a", 80, "a:80", "/");
    parses("http://a:/", "http://a/", "a", 80, "a", "/");
    parses("http://a:0080/", "http://a/", "a", 80, "a", "/");
}

static void scheme_and_host_have_one_letter_case(void **state)
{
    (void)state;
    parses("HTTP://Example.COM/Path?Q", "http://example.com/Path?Q", "example.com", 80,
           "example.com", "/Path?Q");
    parses("hTTps://A_b-c.d", "https://a_b-c.d/", "a_b-c.d", 443, "a_b-c.d", "/");
}

static void a_target_always_begins_with_a_slash(void **state)
{
    (void)state;
    parses("http://a", "http://a/", "a", 80, "a", "/");
    parses("http://a?b=c", "http://a/?b=c", "a", 80, "a", "/?b=c");
    parses("http://a/?", "http://a/?", "a", 80, "a", "/?");
    parses("http://a//b", "http://a//b", "a", 80, "a", "//b");
}

static void a_fragment_is_dropped(void **state)
{
    (void)state;
    parses("http://a#b", "http://a/", "a", 80, "a", "/");
    parses("http://a/b?c#d?e/f#g", "http://a/b?c", "a", 80, "a", "/b?c");
}

static void ipv6_hosts_stand_between_brackets(void **state)
{
    (void)state;
    parses("http://[::1]", "http://[::1]/", "::1", 80, "[::1]", "/");
    parses("http://[::1]:8080/x", "http://[::1]:8080/x", "::1", 8080, "[::1]:8080", "/x");
    parses("https://[2001:DB8:0:0::0001]:443?q", "https://[2001:db8::1]/?q", "2001:db8::1", 443,
           "[2001:db8::1]", "/?q");
    refuses("http://[::1", "found \"[::1\", expected [address]");
    refuses("http://[::1]x/", "found \"[::1]x\", expected [address]");
    refuses("http://[]/", "found \"[]\", expected an IPv6 address");
    refuses("http://[127.0.0.1]/", "found \"[127.0.0.1]\", expected an IPv6 address");
    refuses("http://[fe80::1%25eth0]/", "found \"[fe80::1%25eth0]\", expected an IPv6 address");
    refuses("http://[1111:1111:1111:1111:1111:1111:1111:1111:1111:1111]/", "found \"[1111:");
    refuses("http://::1/", "found no host");
}

static void a_user_is_refused_without_its_password_in_the_message(void **state)
{
    struct diag d = {0};
    struct plan_url url;

    (void)state;
    assert_int_equal(plan_url_parse("http://joe:secret@a/", &d, 1, 1, &url), -EINVAL);
    assert_null(strstr(d.entry[0].text, "secret"));
    diag_done(&d);
    parses("http://a/@", "http://a/@", "a", 80, "a", "/@");
}

static void bytes_that_would_break_the_request_are_refused(void **state)
{
    (void)state;
    refuses("http://a/b c", "found a blank in the path or query, expected %20");
    refuses("http://a/b\r\nX: y", "found 0x0d in the path or query, expected %0D");
    refuses("http://a/\x7f", "found 0x7f");
    refuses("http://a/\xc3\xa4", "found 0xc3 in the path or query, expected %C3");
    refuses("http://a/?{\"a\"}", "found '{' in the path or query, expected %7B");
    refuses("http://a/%", "found '%' in the path or query, expected two hex digits");
    refuses("http://a/%4", "found '%'");
    refuses("http://a/%4g", "found '%'");
    parses("http://a/%41[]?a[0]=~!$&'()*+,;=:@", "http://a/%41[]?a[0]=~!$&'()*+,;=:@", "a", 80, "a",
           "/%41[]?a[0]=~!$&'()*+,;=:@");
}

static void placeholders_are_told_apart_from_plain_dollars(void **state)
{
    (void)state;
    refuses("$url", "expected an URL");
    refuses("http://a/${b}", "found '{' in the path or query");
    parses("http://a/$b?$$", "http://a/$b?$$", "a", 80, "a", "/$b?$$");
    assert_true(plan_has_placeholder("$a"));
    assert_true(plan_has_placeholder("x $5"));
    assert_true(plan_has_placeholder("$$"));
    assert_true(plan_has_placeholder("$ ${"));
    assert_false(plan_has_placeholder(""));
    assert_false(plan_has_placeholder("$"));
    assert_false(plan_has_placeholder("a $ b $.c $-"));
}

static void the_longest_url_is_accepted_and_no_longer_one(void **state)
{
    struct buf b = {0};

    (void)state;
    buf_puts(&b, "http://a/");
    while (b.len < PLAN_URL_MAX)
        buf_puts(&b, "x");
    parses(b.data, b.data, "a", 80, "a", b.data + strlen("http://a"));
    buf_puts(&b, "x");
    refuses(b.data, "found 16385 bytes, expected at most 16384");
    buf_done(&b);
}

static int header(const char *name, const char *value)
{
    struct diag d = {0};

    int r = plan_check_header(name, value, &d, 3, 4);
    if (r < 0) {
        assert_int_equal(d.n, 1);
        assert_int_equal(d.entry[0].line, 3);
        assert_int_equal(d.entry[0].column, 4);
    }
    diag_done(&d);
    return r;
}

static void header_names_are_tokens(void **state)
{
    char name[258];

    (void)state;
    assert_int_equal(header("X-A_1", "v"), 0);
    assert_int_equal(header("!#$%&'*+-.^_`|~", "v"), 0);
    assert_int_equal(header("", "v"), -EINVAL);
    assert_int_equal(header("A B", "v"), -EINVAL);
    assert_int_equal(header("A:", "v"), -EINVAL);
    assert_int_equal(header("A\r", "v"), -EINVAL);
    assert_int_equal(header("\xc3\xa4", "v"), -EINVAL);
    memset(name, 'a', 257);
    name[257] = '\0';
    assert_int_equal(header(name, "v"), -EINVAL);
    name[256] = '\0';
    assert_int_equal(header(name, "v"), 0);
}

static void header_values_are_single_lines(void **state)
{
    char *value = xcalloc(16386, 1);

    (void)state;
    assert_int_equal(header("A", ""), 0);
    assert_int_equal(header("A", "\xc3\xa4\tb: c"), 0);
    assert_int_equal(header("A", "b\r\nC: d"), -EINVAL);
    assert_int_equal(header("A", "b\n"), -EINVAL);
    assert_int_equal(header("A", "\r"), -EINVAL);
    assert_int_equal(header("A", "Bearer $token"), 0);
    memset(value, 'v', 16385);
    assert_int_equal(header("A", value), -EINVAL);
    value[16384] = '\0';
    assert_int_equal(header("A", value), 0);
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_absolute_http_urls_are_accepted),
        cmocka_unit_test(a_host_is_required_and_its_letters_are_checked),
        cmocka_unit_test(host_names_up_to_their_limit_are_accepted),
        cmocka_unit_test(ports_lie_between_1_and_65535),
        cmocka_unit_test(the_port_of_the_scheme_is_left_out),
        cmocka_unit_test(scheme_and_host_have_one_letter_case),
        cmocka_unit_test(a_target_always_begins_with_a_slash),
        cmocka_unit_test(a_fragment_is_dropped),
        cmocka_unit_test(ipv6_hosts_stand_between_brackets),
        cmocka_unit_test(a_user_is_refused_without_its_password_in_the_message),
        cmocka_unit_test(bytes_that_would_break_the_request_are_refused),
        cmocka_unit_test(placeholders_are_told_apart_from_plain_dollars),
        cmocka_unit_test(the_longest_url_is_accepted_and_no_longer_one),
        cmocka_unit_test(header_names_are_tokens),
        cmocka_unit_test(header_values_are_single_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
