#include "worker/spawn/header_mode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"

#define CONNECTION "belongs to the connection"
#define HOST       "is the target's own, see AllowHostOverride"
#define UNKNOWN    "is not a known header"
#define VALUE      "has a value that is none for it"

static void gives(const char *found, const char *expected, const char *name)
{
    if (expected == NULL ? found != NULL : found == NULL || strcmp(found, expected) != 0)
        fail_msg("%s: %s instead of %s", name, found != NULL ? found : "allowed",
                 expected != NULL ? expected : "allowed");
}

static void names_are_allowed_by_the_mode(void **state)
{
    static const struct {
        const char *name, *lenient, *strict;
    } cases[] = {
        {"Content-Length", CONNECTION, CONNECTION},
        {"transfer-encoding", CONNECTION, CONNECTION},
        {"Connection", CONNECTION, CONNECTION},
        {"TE", CONNECTION, CONNECTION},
        {"UPGRADE", CONNECTION, CONNECTION},
        {"Host", HOST, HOST},
        {"Accept", NULL, NULL},
        {"content-type", NULL, NULL},
        {"User-Agent", NULL, NULL},
        {"Referer", NULL, NULL},
        {"Referrer", NULL, NULL},
        {"Authorization", NULL, NULL},
        {"Warning", NULL, NULL},
        {"Cookie", NULL, UNKNOWN},
        {"Origin", NULL, UNKNOWN},
        {"Traceparent", NULL, UNKNOWN},
        {"tracestate", NULL, UNKNOWN},
        {"X-", NULL, UNKNOWN},
        {"x-request-id", NULL, UNKNOWN},
        {"x-amz-date", NULL, UNKNOWN},
        {"CF-Ray", NULL, UNKNOWN},
        {"fastly-debug", NULL, UNKNOWN},
        {"Akamai-X", NULL, UNKNOWN},
        {"X", UNKNOWN, UNKNOWN},
        {"XY-a", UNKNOWN, UNKNOWN},
        {"Cookies", UNKNOWN, UNKNOWN},
        {"Accep", UNKNOWN, UNKNOWN},
        {"Accepts", UNKNOWN, UNKNOWN},
        {"Idempotency-Key", UNKNOWN, UNKNOWN},
        {"T", UNKNOWN, UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *name = cases[i].name;
        gives(header_mode_refuses(CONF_HEADERS_RAW, false, name, "\""), NULL, name);
        gives(header_mode_refuses(CONF_HEADERS_LENIENT, false, name, NULL), cases[i].lenient, name);
        gives(header_mode_refuses(CONF_HEADERS_STRICT, false, name, NULL), cases[i].strict, name);
    }
}

static void a_host_needs_leave_and_gets_it_in_lenient_mode_alone(void **state)
{
    (void)state;
    gives(header_mode_refuses(CONF_HEADERS_RAW, false, "Host", "a"), NULL, "Host");
    gives(header_mode_refuses(CONF_HEADERS_LENIENT, true, "host", "a"), NULL, "host");
    gives(header_mode_refuses(CONF_HEADERS_LENIENT, false, "host", "a"), HOST, "host");
    gives(header_mode_refuses(CONF_HEADERS_STRICT, true, "Host", "a"), HOST, "Host");
}

static void strict_values_have_the_form_of_their_header(void **state)
{
    static const struct {
        const char *name, *good[5], *bad[6];
    } cases[] = {
        {"Accept",
         {"*/*", "text/html, text/*;q=0.3,\t*/* ; q=0.1", "a/b;c=\"d, e\\\"\""},
         {"", "text", "text/", "text/html,", "text/html;", "text/html text/plain"}},
        {"Content-Type",
         {"text/plain", "text/plain; charset=utf-8", "multipart/form-data;boundary=\"a b\""},
         {"", "json", "text/plain, text/html", "text/plain; charset=\"", "a/b/c", "/b"}},
        {"Accept-Encoding", {"gzip", "gzip, br;q=0.5, *"}, {"", ",", "gzip br", "gzip;", "(gzip)"}},
        {"Cache-Control", {"no-cache", "max-age=0, private=\"a, b\""}, {"max-age=", "=0", "a=b=c"}},
        {"Content-Disposition", {"form-data; name=\"a\"", "attachment"}, {";a=b", "a; \"b\""}},
        {"Pragma", {"no-cache"}, {""}},
        {"Expect", {"100-continue"}, {"100 continue"}},
        {"Date",
         {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
          "Sun Nov  6 08:49:37 1994"},
         {"", "yesterday", "1994-11-06", "Sun, 31 Feb 1994 08:49:37 GMT", "0"}},
        {"Max-Forwards", {"0", "99999999999999999999"}, {"", "-1", "1.5", " 1", "1x"}},
        {"If-Match", {"*", "\"a\"", "W/\"a\", \"\" ,\"b c\""}, {"", "a", "\"a", "\"a\",", "*,*"}},
        {"If-None-Match", {"\"a\""}, {"W/"}},
        {"If-Range",
         {"\"a\"", "Sun, 06 Nov 1994 08:49:37 GMT"},
         {"*", "a", "", "W/a", "Sun, 06 Nov"}},
        {"Authorization",
         {"Basic YTpi", "Bearer a.b.c", "Digest username=\"a\", realm=\"b\"", "Negotiate"},
         {"", " ", "Basic ", ":x", "\"a\" b"}},
        {"Range",
         {"bytes=0-9", "bytes=0-,-5", "bytes=0-9, 20-"},
         {"", "bytes", "bytes=", "bytes=-", "bytes=9", "bytes=0-9,"}},
        {"Referer", {"http://a/b?c", "/b"}, {"", "a b", "<a>"}},
        {"User-Agent", {"curl/8.0 (any text)", ""}, {NULL}},
        {"From", {"a@b"}, {NULL}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *name = cases[i].name;
        for (size_t k = 0; k < 5 && cases[i].good[k] != NULL; k++)
            if (header_mode_refuses(CONF_HEADERS_STRICT, false, name, cases[i].good[k]) != NULL)
                fail_msg("%s: %s is refused", name, cases[i].good[k]);
        for (size_t k = 0; k < 6 && cases[i].bad[k] != NULL; k++) {
            const char *found =
                header_mode_refuses(CONF_HEADERS_STRICT, false, name, cases[i].bad[k]);
            if (found == NULL || strcmp(found, VALUE) != 0)
                fail_msg("%s: %s is allowed", name, cases[i].bad[k]);
            gives(header_mode_refuses(CONF_HEADERS_LENIENT, false, name, cases[i].bad[k]), NULL,
                  name);
        }
    }
}

static struct plan *plan_with(const char *headers)
{
    char *text =
        xasprintf("{\"name\": \"p\", \"rounds\": [{\"name\": \"a\", \"numberOfClients\": 1,"
                  " \"iterations\": [{\"name\": \"plain\", \"mode\": \"R\","
                  " \"requestCount\": 1, \"httpRequest\": {\"url\": \"http://h/\"}},"
                  " {\"name\": \"with\", \"mode\": \"R\", \"requestCount\": 1,"
                  " \"httpRequest\": {\"url\": \"http://h/\", \"headers\": %s}}]}]}",
                  headers);
    struct diag d = {0};
    struct plan *plan;

    if (plan_parse(text, strlen(text), &d, &plan) < 0)
        fail_msg("%s: %s", headers, d.entry[0].text);
    free(text);
    return plan;
}

// expected: what it is refused for; NULL: it is not.
static void checks(enum conf_headers mode, bool allow_host, const char *headers,
                   const char *expected)
{
    struct plan *plan = plan_with(headers);
    struct diag d = {0};

    assert_int_equal(header_mode_check(mode, allow_host, plan, &d), expected ? -EINVAL : 0);
    assert_int_equal(d.n, expected != NULL);
    if (expected != NULL)
        assert_string_equal(d.entry[0].text, expected);
    diag_done(&d);
    plan_free(plan);
}

static void a_plan_is_refused_by_round_iteration_and_header(void **state)
{
    (void)state;
    checks(CONF_HEADERS_STRICT, false, "{}", NULL);
    checks(CONF_HEADERS_STRICT, false, "{\"Accept\": \"*/*\"}", NULL);
    checks(CONF_HEADERS_STRICT, false, "{\"Accept\": [\"*/*\", \"text\"]}",
           "round \"a\", iteration \"with\": the header Accept has a value that is none for it "
           "(HeaderValidationMode Strict)");
    checks(CONF_HEADERS_LENIENT, false, "{\"Accept\": [\"*/*\", \"text\"]}", NULL);
    checks(CONF_HEADERS_STRICT, false, "{\"X-A\": \"1\"}",
           "round \"a\", iteration \"with\": the header X-A is not a known header "
           "(HeaderValidationMode Strict)");
    checks(CONF_HEADERS_LENIENT, false, "{\"X-A\": \"1\", \"Idempotency-Key\": \"1\"}",
           "round \"a\", iteration \"with\": the header Idempotency-Key is not a known header "
           "(HeaderValidationMode Lenient)");
    checks(CONF_HEADERS_LENIENT, false, "{\"Host\": \"o\"}",
           "round \"a\", iteration \"with\": the header Host is the target's own, see "
           "AllowHostOverride (HeaderValidationMode Lenient)");
    checks(CONF_HEADERS_LENIENT, true, "{\"Host\": \"o\"}", NULL);
    checks(CONF_HEADERS_RAW, false, "{\"Host\": \"o\", \"Nonsense\": \"(\"}", NULL);
}

static void a_value_that_is_not_yet_known_is_not_judged(void **state)
{
    (void)state;
    checks(CONF_HEADERS_STRICT, false, "{\"Accept\": \"$type\"}", NULL);
    checks(CONF_HEADERS_STRICT, false, "{\"X-A\": \"$type\"}",
           "round \"a\", iteration \"with\": the header X-A is not a known header "
           "(HeaderValidationMode Strict)");
}

static void each_header_has_an_entry_and_long_names_are_cut(void **state)
{
    char *headers = xasprintf("{\"%0256d\": \"\", \"X-B\": \"\"}", 0);
    struct plan *plan = plan_with(headers);
    struct diag d = {0};

    (void)state;
    assert_int_equal(header_mode_check(CONF_HEADERS_STRICT, false, plan, &d), -EINVAL);
    assert_int_equal(d.n, 2);
    assert_non_null(strstr(d.entry[0].text,
                           " 000000000000000000000000000000000000000000000000 is not a known"));
    diag_done(&d);
    plan_free(plan);
    free(headers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_allowed_by_the_mode),
        cmocka_unit_test(a_host_needs_leave_and_gets_it_in_lenient_mode_alone),
        cmocka_unit_test(strict_values_have_the_form_of_their_header),
        cmocka_unit_test(a_plan_is_refused_by_round_iteration_and_header),
        cmocka_unit_test(a_value_that_is_not_yet_known_is_not_judged),
        cmocka_unit_test(each_header_has_an_entry_and_long_names_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
