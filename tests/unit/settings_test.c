#include "worker/runner/settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"
#include "worker/runner/header_mode.h"

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
static void checks(enum header_mode mode, bool allow_host, const char *headers,
                   const char *expected)
{
    Lps__V1__HttpSettings http = LPS__V1__HTTP_SETTINGS__INIT;
    struct plan *plan = plan_with(headers);
    struct settings s;
    char why[256] = "";

    http.header_mode = mode;
    http.allow_host = allow_host;
    assert_int_equal(settings_init(&s, &http, why, sizeof why), 0);
    assert_int_equal(settings_check_headers(&s, plan, why, sizeof why), expected ? -EINVAL : 0);
    assert_string_equal(why, expected != NULL ? expected : "");
    settings_done(&s);
    plan_free(plan);
}

static void a_plan_is_refused_by_round_iteration_and_header(void **state)
{
    (void)state;
    checks(HEADER_MODE_STRICT, false, "{}", NULL);
    checks(HEADER_MODE_STRICT, false, "{\"Accept\": \"*/*\"}", NULL);
    checks(HEADER_MODE_STRICT, false, "{\"Accept\": [\"*/*\", \"text\"]}",
           "round \"a\", iteration \"with\": the header Accept has a value that is none for it "
           "(HeaderValidationMode Strict)");
    checks(HEADER_MODE_LENIENT, false, "{\"Accept\": [\"*/*\", \"text\"]}", NULL);
    checks(HEADER_MODE_STRICT, false, "{\"X-A\": \"1\"}",
           "round \"a\", iteration \"with\": the header X-A is not a known header "
           "(HeaderValidationMode Strict)");
    checks(HEADER_MODE_LENIENT, false, "{\"X-A\": \"1\", \"Idempotency-Key\": \"1\"}",
           "round \"a\", iteration \"with\": the header Idempotency-Key is not a known header "
           "(HeaderValidationMode Lenient)");
    checks(HEADER_MODE_LENIENT, false, "{\"Host\": \"o\"}",
           "round \"a\", iteration \"with\": the header Host is the target's own, see "
           "AllowHostOverride (HeaderValidationMode Lenient)");
    checks(HEADER_MODE_LENIENT, true, "{\"Host\": \"o\"}", NULL);
    checks(HEADER_MODE_RAW, false, "{\"Host\": \"o\", \"Nonsense\": \"(\"}", NULL);
}

static void a_value_that_is_not_yet_known_is_not_judged(void **state)
{
    (void)state;
    checks(HEADER_MODE_STRICT, false, "{\"Accept\": \"$type\"}", NULL);
    checks(HEADER_MODE_STRICT, false, "{\"X-A\": \"$type\"}",
           "round \"a\", iteration \"with\": the header X-A is not a known header "
           "(HeaderValidationMode Strict)");
}

static void long_names_are_cut(void **state)
{
    char *name = xasprintf("%0256d", 0), *headers = xasprintf("{\"%s\": \"\"}", name);
    struct plan *plan = plan_with(headers);
    Lps__V1__HttpSettings http = LPS__V1__HTTP_SETTINGS__INIT;
    struct settings s;
    char why[256] = "";

    (void)state;
    http.header_mode = HEADER_MODE_STRICT;
    assert_int_equal(settings_init(&s, &http, why, sizeof why), 0);
    assert_int_equal(settings_check_headers(&s, plan, why, sizeof why), -EINVAL);
    assert_non_null(
        strstr(why, " 000000000000000000000000000000000000000000000000 is not a known"));
    settings_done(&s);
    plan_free(plan);
    free(headers);
    free(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_refused_by_round_iteration_and_header),
        cmocka_unit_test(a_value_that_is_not_yet_known_is_not_judged),
        cmocka_unit_test(long_names_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
