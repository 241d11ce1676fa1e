#include "worker/runner/header_mode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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
        gives(header_mode_refuses(HEADER_MODE_RAW, false, name, "\""), NULL, name);
        gives(header_mode_refuses(HEADER_MODE_LENIENT, false, name, NULL), cases[i].lenient, name);
        gives(header_mode_refuses(HEADER_MODE_STRICT, false, name, NULL), cases[i].strict, name);
    }
}

static void a_host_needs_leave_and_gets_it_in_lenient_mode_alone(void **state)
{
    (void)state;
    gives(header_mode_refuses(HEADER_MODE_RAW, false, "Host", "a"), NULL, "Host");
    gives(header_mode_refuses(HEADER_MODE_LENIENT, true, "host", "a"), NULL, "host");
    gives(header_mode_refuses(HEADER_MODE_LENIENT, false, "host", "a"), HOST, "host");
    gives(header_mode_refuses(HEADER_MODE_STRICT, true, "Host", "a"), HOST, "Host");
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
            if (header_mode_refuses(HEADER_MODE_STRICT, false, name, cases[i].good[k]) != NULL)
                fail_msg("%s: %s is refused", name, cases[i].good[k]);
        for (size_t k = 0; k < 6 && cases[i].bad[k] != NULL; k++) {
            const char *found =
                header_mode_refuses(HEADER_MODE_STRICT, false, name, cases[i].bad[k]);
            if (found == NULL || strcmp(found, VALUE) != 0)
                fail_msg("%s: %s is allowed", name, cases[i].bad[k]);
            gives(header_mode_refuses(HEADER_MODE_LENIENT, false, name, cases[i].bad[k]), NULL,
                  name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_allowed_by_the_mode),
        cmocka_unit_test(a_host_needs_leave_and_gets_it_in_lenient_mode_alone),
        cmocka_unit_test(strict_values_have_the_form_of_their_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
