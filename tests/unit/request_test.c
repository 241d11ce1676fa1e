#include "worker/runner/request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"
#include "worker/runner/program.h"

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

// The requests of a plan, as the runner makes them. What they borrow stays until set_done.
static struct program *program;

static void set_init(struct request_set *set, const struct plan *plan,
                     const struct request_file *files, size_t n_files,
                     request_by_proxy_fn *by_proxy, const void *arg)
{
    const struct program_config config = {
        .plan = plan, .files = files, .n_files = n_files, .n_parts = 1};
    uint32_t n = plan_n_series(plan);
    struct request_parts *parts = xcalloc(n, sizeof *parts);
    char why[200];

    if (program_new(&config, &program, why, sizeof why) != 0)
        fail_msg("%s", why);
    for (uint32_t i = 0; i < n; i++)
        assert_true(program_parts(program, i, &parts[i]));
    request_set_init(set, parts, n, by_proxy, arg);
    free(parts);
}

static void set_done(struct request_set *set)
{
    request_set_done(set);
    program_free(program);
}

static void expect(const char *members, const char *bytes, bool idempotent)
{
    struct plan *plan = plan_of(members);
    struct request_file file = {DIGEST, "hello", 5};
    struct request_set set;

    set_init(&set, plan, &file, 1, NULL, NULL);
    assert_string_equal(set.requests[0].bytes, bytes);
    assert_int_equal(set.requests[0].len, strlen(bytes));
    assert_int_equal(set.requests[0].head_len, strstr(bytes, "\r\n\r\n") + 4 - bytes);
    assert_int_equal(set.requests[0].is_idempotent, idempotent);
    set_done(&set);
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
           "PUT / HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\nContent-Length: "
           "5\r\n\r\nhello",
           true);
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
    const struct program_config config = {.plan = plan, .n_parts = 1};
    char why[200];

    (void)unused;
    assert_int_equal(program_new(&config, &program, why, sizeof why), -ENOENT);
    assert_non_null(strstr(why, DIGEST));
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

    (void)unused;
    assert_int_equal(plan_parse(text, strlen(text), &d, &plan), 0);
    set_init(&set, plan, NULL, 0, NULL, NULL);
    assert_int_equal(set.n_origins, 2);
    assert_int_equal(set.requests[0].origin, set.requests[2].origin);
    assert_true(set.origins[set.requests[1].origin].tls);
    assert_true(set.requests[1].is_head);
    assert_false(set.requests[0].says_close);
    assert_true(set.requests[2].says_close);
    set_done(&set);
    plan_free(plan);
}

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void http_1_0_closes_unless_told_otherwise(void **unused)
{
    static const struct {
        const char *version, *connection;
        bool closes;
    } cases[] = {
        {"1.0", "", true},  {"1.0", "Keep-Alive", false}, {"1.0", "keep-alive, close", true},
        {"1.1", "", false}, {"1.1", "close", true},       {"2.0", "", false},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct request_set set;
        char *headers = cases[i].connection[0] != '\0'
                            ? xasprintf(",\"headers\":{\"Connection\":\"%s\"}", cases[i].connection)
                            : xstrdup("");
        char *members = xasprintf("\"url\":\"http://a/\",\"method\":\"GET\",\"version\":\"%s\"%s",
                                  cases[i].version, headers);
        struct plan *plan = plan_of(members);
        set_init(&set, plan, NULL, 0, NULL, NULL);
        const char *line =
            i < 3 ? "GET / HTTP/1.0\r\nHost: a\r\n" : "GET / HTTP/1.1\r\nHost: a\r\n";
        assert_memory_equal(set.requests[0].bytes, line, strlen(line));
        assert_int_equal(set.requests[0].says_close, cases[i].closes);
        set_done(&set);
        plan_free(plan);
        free(members);
        free(headers);
    }
}

// The fields as "name: value|...", or "" where HTTP/2 is not spoken.
static void expect_http2(const char *members, const char *fields)
{
    struct plan *plan = plan_of(members);
    struct request_set set;
    struct buf text = {0};

    set_init(&set, plan, NULL, 0, NULL, NULL);
    const struct request *r = &set.requests[0];
    assert_int_equal(set.origins[0].may_http2, fields[0] != '\0');
    for (size_t i = 0; i < r->n_nv; i++) {
        assert_int_equal(r->nv[i].flags,
                         NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE);
        buf_printf(&text, "%.*s: %.*s|", (int)r->nv[i].namelen, r->nv[i].name,
                   (int)r->nv[i].valuelen, r->nv[i].value);
    }
    buf_puts(&text, "");
    assert_string_equal(text.data, fields);
    assert_non_null(strstr(r->bytes, " / HTTP/1.1\r\n")); // where the server does not agree
    buf_done(&text);
    set_done(&set);
    plan_free(plan);
}

static void http2_has_lower_case_names_and_pseudo_fields_first(void **unused)
{
    (void)unused;
    expect_http2(
        "\"url\":\"https://a:8443/\",\"method\":\"POST\",\"version\":\"2.0\",\"headers\":{"
        "\"X-Many\":[\"1\",\"2\"],\"User-Agent\":\" lps \"},\"payload\":{\"raw\":\"hello\"}",
        ":method: POST|:scheme: https|:authority: a:8443|:path: /|content-length: 5|"
        "user-agent: lps|x-many: 1|x-many: 2|");
}

static void http2_has_nothing_about_the_connection(void **unused)
{
    (void)unused;
    expect_http2(
        "\"url\":\"https://a/\",\"method\":\"PUT\",\"version\":\"2.0\",\"headers\":{"
        "\"Host\":\"b.example\",\"connection\":\"x\",\"Keep-Alive\":\"5\",\"Upgrade\":\"x\","
        "\"Proxy-Connection\":\"x\",\"Transfer-Encoding\":\"chunked\",\"TE\":\"gzip\","
        "\"Content-Length\":\"9\"}",
        ":method: PUT|:scheme: https|:authority: b.example|:path: /|content-length: 0|");
    expect_http2("\"url\":\"https://a/\",\"method\":\"PUT\",\"version\":\"2.0\",\"headers\":{"
                 "\"TE\":\"Trailers\"}",
                 ":method: PUT|:scheme: https|:authority: a|:path: /|content-length: 0|"
                 "te: Trailers|");
}

static void http2_is_for_tls_or_prior_knowledge(void **unused)
{
    (void)unused;
    expect_http2("\"url\":\"http://a/\",\"method\":\"PUT\",\"version\":\"2.0\"", "");
    expect_http2("\"url\":\"https://a/\",\"method\":\"PUT\",\"version\":\"1.1\"", "");
    expect_http2("\"url\":\"http://a/\",\"method\":\"PUT\",\"version\":\"2.0\",\"supportH2C\":true",
                 ":method: PUT|:scheme: http|:authority: a|:path: /|content-length: 0|");
}

static bool all_but_b(const char *host, const void *arg)
{
    assert_string_equal(arg, "arg");
    return strcmp(host, "b") != 0;
}

static void only_plain_requests_by_proxy_have_the_absolute_form(void **unused)
{
    static const struct {
        const char *url, *more, *line;
        bool by_proxy;
    } cases[] = {
        {"http://a:81/x?y", "", "GET http://a:81/x?y HTTP/1.1\r\nHost: a:81\r\n\r\n", true},
        {"http://b/x", "", "GET /x HTTP/1.1\r\nHost: b\r\n\r\n", false},
        {"https://a/x", "", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"http://a/x", ",\"supportH2C\":true", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"http://[::1]:81/", "", "GET http://[::1]:81/ HTTP/1.1\r\nHost: [::1]:81\r\n\r\n", true},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct request_set set;
        char *members =
            xasprintf("\"url\":\"%s\",\"method\":\"GET\"%s", cases[i].url, cases[i].more);
        struct plan *plan = plan_of(members);
        set_init(&set, plan, NULL, 0, all_but_b, "arg");
        assert_string_equal(set.requests[0].bytes, cases[i].line);
        assert_int_equal(set.origins[0].by_proxy, cases[i].by_proxy);
        set_done(&set);
        plan_free(plan);
        free(members);
    }
}

static void origins_differ_by_version_and_certificate(void **unused)
{
    static const char *const more[] = {
        "",
        ",\"version\":\"1.1\"",
        ",\"clientCertificate\":\"" SHA_A "\"",
        ",\"clientCertificate\":\"" SHA_A "\",\"clientCertificatePassword\":\"x\"",
        ",\"clientCertificate\":\"" SHA_A "\",\"clientCertificatePassword\":\"y\"",
        ",\"clientCertificate\":\"" DIGEST "\",\"clientCertificatePassword\":\"y\"",
    };
    const size_t n = sizeof more / sizeof *more;
    struct buf text = {0};
    struct diag d = {0};
    struct plan *plan;
    struct request_set set;

    (void)unused;
    buf_puts(&text, "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"iterations\":[");
    for (size_t i = 0; i < 2 * n; i++)
        buf_printf(&text,
                   "%s{\"name\":\"i%zu\",\"mode\":\"R\",\"requestCount\":1,\"httpRequest\":{"
                   "\"url\":\"https://a/%zu\",\"method\":\"GET\"%s}}",
                   i > 0 ? "," : "", i, i, more[i % n]);
    buf_puts(&text, "]}]}");
    if (plan_parse(text.data, text.len, &d, &plan) != 0)
        fail_msg("%s", diag_format(&d));
    set_init(&set, plan, NULL, 0, NULL, NULL);
    assert_int_equal(set.n_origins, n);
    for (size_t i = 0; i < 2 * n; i++)
        assert_int_equal(set.requests[i].origin, i % n);
    assert_string_equal(set.origins[0].certificate, "");
    assert_null(set.origins[0].password);
    assert_string_equal(set.origins[4].password, "y");
    set_done(&set);
    plan_free(plan);
    buf_done(&text);
}

// The fields of a request as "name: value|...".
static void put_nv(struct buf *text, const struct request *r)
{
    text->len = 0;
    buf_puts(text, "");
    for (size_t i = 0; i < r->n_nv; i++)
        buf_printf(text, "%.*s: %.*s|", (int)r->nv[i].namelen, r->nv[i].name,
                   (int)r->nv[i].valuelen, r->nv[i].value);
}

// One after another in the same memory.
static void cookies_go_beside_those_of_the_plan(void **unused)
{
    static const struct plan_header own[] = {
        {"cookie", "own=1"}, {"Cookie", "own=2"}, {"X", "y"}, {"Cookie", ""}};
    static const struct {
        const struct plan_header *fields;
        size_t n_fields;
        const char *cookie, *lines, *http2;
    } cases[] = {
        {NULL, 0, NULL, "", ""},
        {NULL, 0, "a=1; b=2", "Cookie: a=1; b=2\r\n", "cookie: a=1; b=2|"},
        {own, 3, "a=1", "cookie: own=1; a=1\r\nCookie: own=2\r\nX: y\r\n",
         "cookie: own=1|cookie: own=2|x: y|cookie: a=1|"},
        {own, 1, NULL, "cookie: own=1\r\n", "cookie: own=1|"},
        {own + 3, 1, "a=1", "Cookie: a=1\r\n", "cookie: |cookie: a=1|"},
        {own + 2, 1, "a=1", "X: y\r\nCookie: a=1\r\n", "x: y|cookie: a=1|"},
    };
    struct request r = {0};
    struct buf text = {0};
    struct diag d = {0};
    struct request_parts parts = {.method = "GET", .version = PLAN_VERSION_2};

    (void)unused;
    assert_int_equal(plan_url_parse("https://a/x", &d, 0, 0, &parts.url), 0);
    const struct request_origin origin = request_origin_of(&parts, NULL, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parts.fields = cases[i].fields;
        parts.n_fields = cases[i].n_fields;
        request_make(&r, &parts, cases[i].cookie, &origin, 7);
        char *bytes = xasprintf("GET /x HTTP/1.1\r\nHost: a\r\n%s\r\n", cases[i].lines);
        char *fields =
            xasprintf(":method: GET|:scheme: https|:authority: a|:path: /x|%s", cases[i].http2);
        put_nv(&text, &r);
        assert_string_equal(r.bytes, bytes);
        assert_string_equal(text.data, fields);
        assert_int_equal(r.len, strlen(bytes));
        assert_int_equal(r.origin, 7);
        free(bytes);
        free(fields);
    }
    buf_done(&text);
    request_done(&r);
    plan_url_done(&parts.url);
}

static void a_request_is_made_of_another_in_its_memory(void **unused)
{
    struct request r = {0};
    struct diag d = {0};
    struct request_parts parts = {
        .method = "POST", .version = PLAN_VERSION_1_0, .body = "a\0b", .body_len = 3};
    struct plan_url next;

    (void)unused;
    assert_int_equal(plan_url_parse("http://a/x", &d, 0, 0, &parts.url), 0);
    assert_int_equal(plan_url_parse("http://a/y", &d, 0, 0, &next), 0);
    const struct request_origin origin = request_origin_of(&parts, NULL, NULL);
    request_make(&r, &parts, NULL, &origin, 0);
    assert_memory_equal(r.bytes, "POST /x HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\n\r\na\0b",
                        r.len);
    assert_int_equal(r.len - r.head_len, 3);
    assert_true(r.says_close);
    const char *bytes = r.bytes;
    struct request_parts follow = r.parts;
    follow.method = "GET";
    follow.url = next;
    request_make(&r, &follow, NULL, &origin, 0);
    assert_ptr_equal(r.bytes, bytes);
    assert_string_equal(r.bytes, "GET /y HTTP/1.0\r\nHost: a\r\n\r\n"); // a GET has no body
    assert_int_equal(r.len, r.head_len);
    assert_int_equal(r.n_nv, 0);
    request_done(&r);
    request_done(&r);
    plan_url_done(&next);
    plan_url_done(&parts.url);
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
        cmocka_unit_test(http_1_0_closes_unless_told_otherwise),
        cmocka_unit_test(http2_has_lower_case_names_and_pseudo_fields_first),
        cmocka_unit_test(http2_has_nothing_about_the_connection),
        cmocka_unit_test(http2_is_for_tls_or_prior_knowledge),
        cmocka_unit_test(only_plain_requests_by_proxy_have_the_absolute_form),
        cmocka_unit_test(cookies_go_beside_those_of_the_plan),
        cmocka_unit_test(a_request_is_made_of_another_in_its_memory),
        cmocka_unit_test(origins_differ_by_version_and_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
