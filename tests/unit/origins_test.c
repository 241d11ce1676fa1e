#include "worker/runner/origins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void equal_ones_are_one_and_others_are_not(void **unused)
{
    static const struct request_origin first[] = {
        {.host = "a", .port = 80, .certificate = ""},
        {.host = "a", .port = 443, .tls = true, .certificate = ""},
    };
    static const struct request_origin others[] = {
        {.host = "b", .port = 80, .certificate = ""},
        {.host = "a", .port = 81, .certificate = ""},
        {.host = "a", .port = 80, .tls = true, .certificate = ""},
        {.host = "a", .port = 80, .may_http2 = true, .certificate = ""},
        {.host = "a", .port = 80, .certificate = "c"},
        {.host = "a", .port = 80, .certificate = "c", .password = "p"},
        {.host = "a", .port = 80, .certificate = "", .by_proxy = true},
    };
    const uint32_t n = sizeof others / sizeof *others;
    struct origins *o = origins_new(first, 2);

    (void)unused;
    for (uint32_t i = 0; i < 2; i++) {
        struct request_origin same = first[i];
        assert_int_equal(origins_intern(o, &same, 100), i);
        assert_ptr_equal(origins_get(o, i), &first[i]);
    }
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(origins_intern(o, &others[i], 100), 2 + i);
    assert_int_equal(origins_n(o), 2 + n);
    origins_free(o);
    origins_free(NULL);
}

static void what_was_asked_for_is_copied_and_stays_where_it_is(void **unused)
{
    char host[] = "host", certificate[] = "certificate", password[] = "password";
    const struct request_origin wanted = {
        .host = host, .port = 1, .certificate = certificate, .password = password};
    struct origins *o = origins_new(NULL, 0);

    (void)unused;
    assert_int_equal(origins_intern(o, &wanted, 100), 0);
    const struct request_origin *kept = origins_get(o, 0);
    host[0] = certificate[0] = password[0] = 'x';
    for (uint16_t i = 2; i < 100; i++)
        origins_intern(o, &(struct request_origin){.host = "h", .port = i, .certificate = ""}, 100);
    assert_ptr_equal(origins_get(o, 0), kept);
    assert_string_equal(kept->host, "host");
    assert_string_equal(kept->certificate, "certificate");
    assert_string_equal(kept->password, "password");
    origins_free(o);
}

static void at_the_limit_only_known_ones_are_found(void **unused)
{
    struct origins *o = origins_new(NULL, 0);
    const uint32_t max = 3000;
    char host[16];

    (void)unused;
    for (uint32_t i = 0; i <= max + 1; i++) {
        snprintf(host, sizeof host, "h%u", i);
        const struct request_origin wanted = {.host = host, .certificate = ""};
        assert_int_equal(origins_intern(o, &wanted, max), i < max ? i : UINT32_MAX);
    }
    const struct request_origin last = {.host = "h2999", .certificate = ""};
    assert_int_equal(origins_intern(o, &last, max), 2999);
    assert_int_equal(origins_n(o), max);
    origins_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_ones_are_one_and_others_are_not),
        cmocka_unit_test(what_was_asked_for_is_copied_and_stays_where_it_is),
        cmocka_unit_test(at_the_limit_only_known_ones_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
