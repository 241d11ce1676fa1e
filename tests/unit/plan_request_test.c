// What a plan says of its requests.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"
#include "tests/unit/plan_test_util.h"

static void requests_have_the_keys_of_lps_by_their_other_names(void **state)
{
    struct plan *a = accepts(
        SENDS("\"httpMethod\":\"put\",\"httpVersion\":\"HTTP/1.1\",\"httpHeaders\":{\"A\":\"b\"}"));
    struct plan *b =
        accepts(SENDS("\"method\":\"PUT\",\"version\":\"1.1\",\"headers\":{\"A\":\"b\"}"));
    char *x = plan_format(a), *y = plan_format(b);

    (void)state;
    assert_string_equal(x, y);
    assert_string_equal(first(a)->method, "PUT");
    assert_int_equal(first(a)->version, PLAN_VERSION_1_1);
    assert_int_equal(first(a)->n_headers, 1);
    free(x);
    free(y);
    plan_free(a);
    plan_free(b);
    refuses(SENDS("\"httpMethod\":\"GET\",\"method\":\"GET\""),
            AT "httpRequest: found \"method\" and \"httpMethod\"");
    refuses(SENDS("\"httpVersion\":\"1.1\",\"version\":\"1.1\""),
            AT "httpRequest: found \"version\" and");
    refuses(SENDS("\"httpHeaders\":{},\"headers\":{}"), AT "httpRequest: found \"headers\" and");
    refuses(SENDS("\"httpMethod\":\"FETCH\""), REQ "httpMethod: found \"FETCH\"");
}

static void versions_have_several_spellings_and_one_in_the_end(void **state)
{
    static const struct {
        const char *spelled, *canonical;
        enum plan_version version;
    } good[] = {
        {"1.0", "1.0", PLAN_VERSION_1_0},  {"HTTP/1.0", "1.0", PLAN_VERSION_1_0},
        {"1.1", "1.1", PLAN_VERSION_1_1},  {"HTTP/1.1", "1.1", PLAN_VERSION_1_1},
        {"2.0", "2.0", PLAN_VERSION_2},    {"HTTP/2.0", "2.0", PLAN_VERSION_2},
        {"HTTP/2", "2.0", PLAN_VERSION_2},
    };
    static const char *const bad[] = {"", "2", "3.0", "http/1.1", "HTTP/3"};
    char text[512], canonical[32];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(text, sizeof text, SENDS("\"version\":\"%s\""), good[i].spelled);
        struct plan *plan = accepts(text);
        char *formatted = plan_format(plan);
        assert_int_equal(first(plan)->version, good[i].version);
        snprintf(canonical, sizeof canonical, "\"version\":\"%s\"", good[i].canonical);
        assert_non_null(strstr(formatted, canonical));
        free(formatted);
        plan_free(plan);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, SENDS("\"version\":\"%s\""), bad[i]);
        refuses(text, REQ "version: found \"");
    }
    refuses(SENDS("\"version\":1.1"), REQ "version: found 1.1, expected a text");
}

static void http2_in_clear_text_needs_http_and_version_2(void **state)
{
    struct plan *plan = accepts(SENDS("\"supportH2C\":true"));

    (void)state;
    assert_true(first(plan)->h2c);
    plan_free(plan);
    plan_free(accepts(SENDS("\"supportH2C\":true,\"version\":\"HTTP/2\"")));
    plan_free(accepts(TLS("\"supportH2C\":false,\"version\":\"1.0\"")));
    refuses(SENDS("\"supportH2C\":true,\"version\":\"1.1\""),
            REQ "supportH2C: found true and a version below 2.0");
    refuses(TLS("\"supportH2C\":true"), REQ "supportH2C: found true and an URL with https://");
    refuses(SENDS("\"supportH2C\":\"true\""),
            REQ "supportH2C: found \"true\", expected true or false");
    // One mistake, one complaint.
    refuses(SENDS("\"supportH2C\":true,\"version\":\"3\""), REQ "version: found \"3\"");
}

static void certificates_are_files_beside_a_plan_with_https(void **state)
{
    struct plan *plan =
        accepts(TLS("\"clientCertificate\":\"" HASH "\",\"clientCertificatePassword\":\"pw\""));
    char password[PLAN_PASSWORD_MAX + 2], text[PLAN_PASSWORD_MAX + 512];

    (void)state;
    assert_string_equal(first(plan)->certificate, HASH);
    assert_string_equal(first(plan)->certificate_password, "pw");
    plan_free(plan);
    plan = accepts(TLS("\"clientCertificate\":\"" HASH "\",\"clientCertificatePassword\":\"\""));
    assert_null(first(plan)->certificate_password);
    plan_free(plan);
    refuses(SENDS("\"clientCertificate\":\"" HASH "\""),
            REQ "clientCertificate: found a certificate and an URL with http://");
    refuses(TLS("\"clientCertificate\":\"me.pem\""),
            REQ "clientCertificate: found \"me.pem\", expected the file's SHA-256");
    refuses(TLS("\"clientCertificate\":1"), REQ "clientCertificate: found 1, expected a text");
    refuses(TLS("\"clientCertificatePassword\":\"pw\""),
            REQ "clientCertificatePassword: found a password without");

    memset(password, 'x', sizeof password);
    password[PLAN_PASSWORD_MAX] = '\0';
    snprintf(text, sizeof text,
             TLS("\"clientCertificate\":\"" HASH "\",\"clientCertificatePassword\":\"%s\""),
             password);
    plan_free(accepts(text));
    password[PLAN_PASSWORD_MAX] = 'x';
    password[PLAN_PASSWORD_MAX + 1] = '\0';
    snprintf(text, sizeof text,
             TLS("\"clientCertificate\":\"" HASH "\",\"clientCertificatePassword\":\"%s\""),
             password);
    refuses(text, REQ "clientCertificatePassword: found 1025 bytes, expected at most 1024");
}

static void connections_are_kept_unless_told_otherwise(void **state)
{
    static const struct {
        const char *version, *connection;
        bool keeps;
    } rows[] = {
        {"1.1", "\"x\"", true},
        {"1.1", "\"Close\"", false},
        {"1.1", "[\"x\",\"close\"]", false},
        {"2.0", "\"x, close\"", false},
        {"1.0", "\"x\"", false},
        {"1.0", "\"Keep-Alive\"", true},
        {"1.0", "[\"keep-alive\",\"close\"]", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = xasprintf(SENDS("\"version\":\"%s\",\"headers\":{\"cONNECTION\":%s}"),
                               rows[i].version, rows[i].connection);
        struct plan *plan = accepts(text);
        const struct plan_iteration *it = first(plan);
        assert_int_equal(plan_keeps_connection(it->version, it->headers, it->n_headers),
                         rows[i].keeps);
        plan_free(plan);
        free(text);
    }
}

static void methods_are_those_of_http(void **state)
{
    struct plan *plan = accepts(SENDS("\"method\":\"pAtCh\""));

    (void)state;
    assert_string_equal(plan->rounds[0].iterations[0].method, "PATCH");
    plan_free(plan);
    refuses(SENDS("\"method\":\"\""), REQ "method: found \"\", expected GET, HEAD");
    refuses(SENDS("\"method\":\"FETCH\""), REQ "method: found \"FETCH\", expected GET, HEAD");
    refuses(SENDS("\"method\":\"GET \""), REQ "method: found \"GET \"");
    refuses(SENDS("\"method\":1"), REQ "method: found 1, expected a text");
}

static void headers_keep_the_order_of_their_values_and_are_sorted_by_name(void **state)
{
    struct plan *plan =
        accepts(SENDS("\"headers\":{\"x\":\"\",\"B\":[\"2\",\"1\",\"2\"],\"A-A\":\"h\"}"));
    const struct plan_iteration *it = &plan->rounds[0].iterations[0];
    static const char *const expected[] = {"A-A", "h", "B", "2", "B", "1", "B", "2", "x", ""};

    (void)state;
    assert_int_equal(it->n_headers, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(it->headers[i].name, expected[2 * i]);
        assert_string_equal(it->headers[i].value, expected[2 * i + 1]);
    }
    plan_free(plan);
}

static void headers_that_cannot_be_sent_are_refused(void **state)
{
    (void)state;
    refuses(SENDS("\"headers\":[]"), REQ "headers: found a list, expected an object");
    refuses(SENDS("\"headers\":{\"\":\"\"}"), REQ "headers: found an empty header name");
    refuses(SENDS("\"headers\":{\"A\":\"b\\r\\nC: d\"}"), REQ "headers.A: found a line break");
    refuses(SENDS("\"headers\":{\"A\":[]}"), REQ "headers.A: found an empty list");
    refuses(SENDS("\"headers\":{\"A\":[\"a\",null]}"), REQ "headers.A[1]: found null");
    refuses(SENDS("\"headers\":{\"A\":1}"), REQ "headers.A: found 1, expected a text");
    refuses(SENDS("\"headers\":{\"Accept\":\"a\",\"accept\":\"b\"}"),
            REQ "headers: found Accept and accept, expected one of them with a list");
}

static char *with_headers(size_t n_names, size_t n_values)
{
    struct buf b = {0};

    buf_puts(&b, "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"i\","
                 "\"httpRequest\":{" URL ",\"headers\":{");
    for (size_t i = 0; i < n_names; i++) {
        buf_printf(&b, "%s\"h%zu\":[", i > 0 ? "," : "", i);
        for (size_t j = 0; j < n_values; j++)
            buf_printf(&b, "%s\"v\"", j > 0 ? "," : "");
        buf_puts(&b, "]");
    }
    buf_puts(&b, "}}}]}]}");
    return buf_take(&b);
}

static void a_hundred_header_values_are_the_limit(void **state)
{
    static const size_t shapes[][3] = {
        {100, 1, 0}, {1, 100, 0}, {101, 1, 1}, {1, 101, 1}, {51, 2, 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        char *text = with_headers(shapes[i][0], shapes[i][1]);
        struct diag d = {0};
        struct plan *plan = NULL;
        int r = plan_parse(text, strlen(text), &d, &plan);
        assert_int_equal(r, shapes[i][2] == 0 ? 0 : -EINVAL);
        assert_int_equal(d.n, shapes[i][2]);
        diag_done(&d);
        plan_free(plan);
        free(text);
    }
}

static void a_payload_is_a_text_or_a_file(void **state)
{
    struct plan *plan = accepts(SENDS("\"payload\":{\"raw\":\"a\\nb\"}"));

    (void)state;
    assert_string_equal(plan->rounds[0].iterations[0].payload, "a\nb");
    plan_free(plan);
    plan = accepts(SENDS("\"payload\":{\"raw\":\"\"}"));
    assert_null(plan->rounds[0].iterations[0].payload);
    plan_free(plan);
    plan = accepts(SENDS("\"payload\":{\"file\":\"" HASH "\"}"));
    assert_string_equal(plan->rounds[0].iterations[0].payload_file, HASH);
    assert_null(plan->rounds[0].iterations[0].payload);
    plan_free(plan);

    refuses(SENDS("\"payload\":\"x\""), REQ "payload: found \"x\", expected an object");
    refuses(SENDS("\"payload\":{}"), REQ "payload: found nothing, expected \"raw\"");
    refuses(SENDS("\"payload\":{\"raw\":\"\",\"file\":\"" HASH "\"}"),
            REQ "payload: found \"raw\" and \"file\", expected one of them");
    refuses(SENDS("\"payload\":{\"raw\":1}"), REQ "payload.raw: found 1");
    refuses(SENDS("\"payload\":{\"raw\":\"a\\u0000\"}"), "found \\u0000 in a text");
    refuses(SENDS("\"payload\":{\"file\":\"a.txt\"}"), REQ "payload.file: found \"a.txt\"");
    refuses(SENDS("\"payload\":{\"file\":\"" HASH "0\"}"), REQ "payload.file: found ");
    refuses(SENDS("\"payload\":{\"multipart\":{\"fields\":[{\"name\":\"a\",\"value\":\"\"}]},"
                  "\"raw\":\"\"}"),
            REQ "payload: found \"raw\" and \"multipart\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_have_the_keys_of_lps_by_their_other_names),
        cmocka_unit_test(versions_have_several_spellings_and_one_in_the_end),
        cmocka_unit_test(http2_in_clear_text_needs_http_and_version_2),
        cmocka_unit_test(certificates_are_files_beside_a_plan_with_https),
        cmocka_unit_test(connections_are_kept_unless_told_otherwise),
        cmocka_unit_test(methods_are_those_of_http),
        cmocka_unit_test(headers_keep_the_order_of_their_values_and_are_sorted_by_name),
        cmocka_unit_test(headers_that_cannot_be_sent_are_refused),
        cmocka_unit_test(a_hundred_header_values_are_the_limit),
        cmocka_unit_test(a_payload_is_a_text_or_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
