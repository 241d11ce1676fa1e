#include "worker/runner/request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"

#define DIGEST "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

// A plan of one request whose members are given as JSON.
static struct plan *plan_of(const char *request)
{
    struct diag d = {0};
    struct plan *plan;
    char *text = xasprintf("{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":"
                           "\"i\",\"mode\":\"R\",\"requestCount\":1,\"httpRequest\":{%s}}]}]}",
                           request);

    if (plan_parse(text, strlen(text), &d, &plan) != 0)
        fail_msg("%s", diag_format(&d));
    free(text);
    return plan;
}

static void expect(const char *members, const char *bytes, bool idempotent)
{
    struct plan *plan = plan_of(members);
    struct request_file file = {DIGEST, "hello", 5};
    struct request_set set;
    const char *missing;

    assert_int_equal(request_set_init(&set, plan, &file, 1, &missing), 0);
    assert_string_equal(set.requests[0].bytes, bytes);
    assert_int_equal(set.requests[0].len, strlen(bytes));
    assert_int_equal(set.requests[0].head_len, strstr(bytes, "\r\n\r\n") + 4 - bytes);
    assert_int_equal(set.requests[0].is_idempotent, idempotent);
    request_set_done(&set);
    plan_free(plan);
}

static void a_get_has_a_host_and_no_length(void **unused)
{
    (void)unused;
    expect("\"url\":\"http://127.0.0.1:8080/a?b\",\"method\":\"GET\"",
           "GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n", true);
}

static void a_host_of_the_plan_replaces_ours(void **unused)
{
    (void)unused;
    expect("\"url\":\"http://127.0.0.1/\",\"method\":\"GET\",\"headers\":{\"host\":\"a.example\","
           "\"X\":[\"1\",\"2\"]}",
           "GET / HTTP/1.1\r\nHost: a.example\r\nX: 1\r\nX: 2\r\n\r\n", true);
}

static void length_and_framing_are_ours(void **unused)
{
    (void)unused;
    expect("\"url\":\"http://a/\",\"method\":\"POST\",\"headers\":{\"content-length\":\"9\","
           "\"Transfer-Encoding\":\"chunked\"},\"payload\":{\"raw\":\"hello\"}",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", false);
}

static void a_body_may_come_from_a_file(void **unused)
{
    (void)unused;
    expect("\"url\":\"http://a/\",\"method\":\"PUT\",\"payload\":{\"file\":\"" DIGEST "\"}",
           "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", true);
}

static void a_post_without_a_body_says_so(void **unused)
{
    (void)unused;
    expect("\"url\":\"http://a/\",\"method\":\"POST\"",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", false);
}

static void a_missing_file_is_named(void **unused)
{
    struct plan *plan = plan_of("\"url\":\"http://a/\",\"method\":\"PUT\",\"payload\":{\"file\":"
                                "\"" DIGEST "\"}");
    struct request_set set;
    const char *missing;

    (void)unused;
    assert_int_equal(request_set_init(&set, plan, NULL, 0, &missing), -ENOENT);
    assert_string_equal(missing, DIGEST);
    plan_free(plan);
}

static void equal_origins_are_shared(void **unused)
{
    static const char text[] =
        "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"iterations\":["
        "{\"name\":\"a\",\"mode\":\"R\",\"requestCount\":1,\"httpRequest\":{\"url\":\"http://h/\","
        "\"method\":\"GET\"}},"
        "{\"name\":\"b\",\"mode\":\"R\",\"requestCount\":1,\"httpRequest\":{\"url\":\"https://h/\","
        "\"method\":\"HEAD\"}},"
        "{\"name\":\"c\",\"mode\":\"R\",\"requestCount\":1,\"httpRequest\":{\"url\":\"http://H:80/"
        "x\",\"method\":\"GET\",\"headers\":{\"Connection\":\"Close\"}}}]}]}";
    struct diag d = {0};
    struct plan *plan;
    struct request_set set;
    const char *missing;

    (void)unused;
    assert_int_equal(plan_parse(text, strlen(text), &d, &plan), 0);
    assert_int_equal(request_set_init(&set, plan, NULL, 0, &missing), 0);
    assert_int_equal(set.n_origins, 2);
    assert_int_equal(set.requests[0].origin, set.requests[2].origin);
    assert_true(set.origins[set.requests[1].origin].tls);
    assert_true(set.requests[1].is_head);
    assert_false(set.requests[0].says_close);
    assert_true(set.requests[2].says_close);
    request_set_done(&set);
    plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_get_has_a_host_and_no_length),
        cmocka_unit_test(a_host_of_the_plan_replaces_ours),
        cmocka_unit_test(length_and_framing_are_ours),
        cmocka_unit_test(a_body_may_come_from_a_file),
        cmocka_unit_test(a_post_without_a_body_says_so),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(equal_origins_are_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
