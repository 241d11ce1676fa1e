#include "worker/runner/hop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/runner/redirect.h"

static const struct plan_header fields[] = {
    {"Authorization", "secret"}, {"Content-Type", "text/plain"}, {"Cookie", "own=1"}, {"X", "y"}};

static struct request_parts parts_to(const char *url, const char *method)
{
    struct request_parts parts = {
        .method = method,
        .version = PLAN_VERSION_1_1,
        .fields = fields,
        .n_fields = sizeof fields / sizeof *fields,
        .body = "hello",
        .body_len = 5,
        .certificate = "c",
        .password = "p",
    };
    struct diag d = {0};

    assert_int_equal(plan_url_parse(url, &d, 0, 0, &parts.url), 0);
    return parts;
}

static bool follow(struct hop *hop, const struct request_parts *from, unsigned status,
                   const char *location, struct request_parts *ret_parts)
{
    hop_forget_answer(hop);
    hop->location = location != NULL ? xstrdup(location) : NULL;
    return hop_follow(hop, from, status, ret_parts);
}

static void each_status_keeps_what_it_may(void **unused)
{
    static const struct {
        unsigned status;
        const char *location, *url, *method;
        size_t body_len, n_fields;
        bool has_certificate;
    } cases[] = {
        {303, "/next", "http://a/next", "GET", 0, 3, true},
        {302, "next?x", "http://a/b/next?x", "GET", 0, 3, true},
        {307, "/next", "http://a/next", "POST", 5, 4, true},
        {308, "https://a/", "https://a/", "POST", 5, 2, true}, // another origin, the same host
        {307, "//b/", "http://b/", "POST", 5, 2, false},
        {301, "http://a:81/", "http://a:81/", "GET", 0, 1, true},
    };
    struct request_parts from = parts_to("http://a/b/c", "POST");

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hop hop = {0};
        struct request_parts next;
        assert_true(follow(&hop, &from, cases[i].status, cases[i].location, &next));
        assert_string_equal(next.url.text, cases[i].url);
        assert_string_equal(next.method, cases[i].method);
        assert_int_equal(next.body_len, cases[i].body_len);
        assert_int_equal(next.n_fields, cases[i].n_fields);
        assert_string_equal(next.fields[next.n_fields - 1].name, "X");
        assert_int_equal(next.certificate != NULL, cases[i].has_certificate);
        assert_int_equal(next.password != NULL, cases[i].has_certificate);
        assert_null(hop.location);
        hop_done(&hop);
    }
    plan_url_done(&from.url);
}

static void what_leads_nowhere_is_final(void **unused)
{
    static const struct {
        unsigned status;
        const char *location;
    } cases[] = {{302, NULL},
                 {200, "/"},
                 {304, "/"},
                 {302, "mailto:a@b"},
                 {302, "http://[::x/"},
                 {302, "http://a:99999/"}};
    struct request_parts from = parts_to("http://a/", "GET"), next;

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hop hop = {0};
        assert_false(follow(&hop, &from, cases[i].status, cases[i].location, &next));
        hop_done(&hop);
    }
    plan_url_done(&from.url);
}

static void a_chain_ends_at_the_limit_and_a_new_request_begins_another(void **unused)
{
    struct request_parts from = parts_to("http://a/0", "POST"), at = from;
    struct hop hop = {0};

    (void)unused;
    for (int chain = 0; chain < 2; chain++) {
        at = from;
        for (int i = 0; i < REDIRECT_MAX; i++) { // parts of the hop itself, in place
            assert_true(follow(&hop, &at, 307, i == 2 ? "http://b/" : "x", &at));
            assert_int_equal(at.n_fields, i < 2 ? 4 : 2);
            assert_int_equal(at.certificate != NULL, i < 2);
        }
        assert_string_equal(at.url.text, "http://b/x");
        assert_false(follow(&hop, &at, 307, "x", &at));
        hop_reset(&hop);
    }
    hop_done(&hop);
    plan_url_done(&from.url);
}

static void little_memory_is_kept_for_the_next(void **unused)
{
    static char body[100000];
    struct request_parts parts = parts_to("http://a/", "POST");
    const struct request_origin origin = request_origin_of(&parts, NULL, NULL);
    struct hop hop = {0};

    (void)unused;
    request_make(&hop.request, &parts, NULL, &origin, 0);
    hop_reset(&hop);
    assert_non_null(hop.request.bytes);
    parts.body = body;
    parts.body_len = sizeof body;
    request_make(&hop.request, &parts, NULL, &origin, 0);
    hop_reset(&hop);
    assert_null(hop.request.bytes);
    hop_done(&hop);
    plan_url_done(&parts.url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_status_keeps_what_it_may),
        cmocka_unit_test(what_leads_nowhere_is_final),
        cmocka_unit_test(a_chain_ends_at_the_limit_and_a_new_request_begins_another),
        cmocka_unit_test(little_memory_is_kept_for_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
