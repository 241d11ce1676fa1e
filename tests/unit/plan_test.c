#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include <errno.h>

#include "common/plan.h"
#include "common/str.h"

static struct plan *accepts(const char *text)
{
    struct diag d = {0};
    struct plan *plan = NULL;

    if (plan_parse(text, strlen(text), &d, &plan) < 0)
        fail_msg("%s: %s", text, d.entry[0].text);
    assert_int_equal(d.n, 0);
    return plan;
}

// The n-th complaint (from 0) of n_all begins so.
static void refuses_nth(const char *text, size_t n, size_t n_all, const char *begin)
{
    struct diag d = {0};
    struct plan *plan = NULL;

    assert_int_equal(plan_parse(text, strlen(text), &d, &plan), -EINVAL);
    assert_null(plan);
    if (d.n != n_all || strncmp(d.entry[n].text, begin, strlen(begin)) != 0)
        fail_msg("%zu: %s", d.n, d.entry[n].text);
    diag_done(&d);
}

static void refuses(const char *text, const char *begin)
{
    refuses_nth(text, 0, 1, begin);
}

#define URL        "\"url\":\"http://a/\""
#define REQUEST    "\"httpRequest\":{" URL "}"
#define PLAN(rest) "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"iterations\":[" rest "]}]}"
// One iteration with these members, one request with these members.
#define ITERATION(members) PLAN("{\"name\":\"i\"," REQUEST "," members "}")
#define SENDS(members)     PLAN("{\"name\":\"i\",\"httpRequest\":{" URL "," members "}}")
#define ROUND(members)                             \
    "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\"," \
    "\"iterations\":[{\"name\":\"i\"," REQUEST "}]," members "}]}"
#define AT   "rounds[0].iterations[0]."
#define IT   "rounds[0].iterations[0]: "
#define REQ  AT "httpRequest."
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void defaults_fill_what_is_not_said(void **state)
{
    struct plan *plan = accepts(PLAN("{\"name\":\"i\"," REQUEST "}"));
    const struct plan_iteration *it = &plan->rounds[0].iterations[0];

    (void)state;
    assert_string_equal(plan->name, "p");
    assert_int_equal(plan->n_rounds, 1);
    assert_int_equal(plan->rounds[0].n_clients, 1);
    assert_int_equal(plan->rounds[0].n_stages, 1);
    assert_int_equal(plan->rounds[0].stages[0].n_clients, 1);
    assert_int_equal(plan->rounds[0].stages[0].arrival_delay_ms, 0);
    assert_int_equal(plan->rounds[0].startup_delay_ms, 0);
    assert_false(plan->rounds[0].is_open);
    assert_false(plan->rounds[0].is_parallel);
    assert_int_equal(plan->rounds[0].pacing, PLAN_PACING_PRECISE);
    assert_int_equal(plan->rounds[0].n_iterations, 1);
    assert_int_equal(it->delay_ms, 0);
    assert_false(it->is_open);
    assert_int_equal(it->version, PLAN_VERSION_2);
    assert_false(it->h2c);
    assert_string_equal(it->certificate, "");
    assert_null(it->certificate_password);
    assert_int_equal(it->mode, PLAN_MODE_R);
    assert_int_equal(it->request_count, 1);
    assert_int_equal(it->duration_s, 0);
    assert_string_equal(it->method, "GET");
    assert_int_equal(it->n_headers, 0);
    assert_null(it->payload);
    assert_string_equal(it->payload_file, "");
    plan_free(plan);
}

static void the_canonical_text_is_this_one(void **state)
{
    struct plan *plan =
        accepts("{ \"rounds\": [{\"iterations\": [{\"httpRequest\": {\"url\": \"HTTP://A:80#x\",\n"
                "  \"method\": \"post\", \"headers\": {\"b\": [\"1\"], \"A\": [\"x\", \"y\"]},\n"
                "  \"payload\": {\"raw\": \"\\u00e4\"}}, \"name\": \"i\", \"mode\": \"D\",\n"
                "  \"duration\": 3}], \"name\": \"r\"}], \"name\": \"p\" }");
    char *text = plan_format(plan);
    uint8_t digest[32];
    char hex[65];

    (void)state;
    assert_string_equal(
        text, "{\"name\":\"p\",\"rounds\":[{\"arrivalDelay\":0,\"iterations\":[{\"delay\":0,"
              "\"duration\":3,"
              "\"httpRequest\":{\"headers\":{\"A\":[\"x\",\"y\"],\"b\":\"1\"},\"method\":\"POST\","
              "\"payload\":{\"raw\":\"\xc3\xa4\"},\"supportH2C\":false,\"url\":\"http://a/\","
              "\"version\":\"2.0\"},\"mode\":\"D\",\"name\":\"i\"}],\"name\":\"r\","
              "\"numberOfClients\":1,\"pacing\":\"precise\",\"runInParallel\":false,"
              "\"startupDelay\":0}]}");
    plan_digest(plan, digest);
    str_hex(digest, sizeof digest, hex);
    // Of the text above, by sha256sum: a change here keeps old and new programs apart.
    assert_string_equal(hex, "d60e9055196728438bf2a5e16423164e80c9434c75879e2e820312c3d0e33571");
    free(text);
    plan_free(plan);
}

static void what_is_no_plan_is_refused(void **state)
{
    (void)state;
    refuses("", "found the end of the text");
    refuses("[]", "found a list, expected an object");
    refuses_nth("{}", 0, 2, "found no \"name\"");
    refuses_nth("{}", 1, 2, "found no \"rounds\"");
    refuses("{\"name\":\"p\",\"rounds\":[]}", "rounds: found an empty list");
    refuses("{\"name\":\"p\",\"rounds\":{}}", "rounds: found an object, expected a list");
    refuses("{\"name\":\"p\",\"rounds\":[1]}", "rounds[0]: found 1, expected an object");
    refuses("{\"name\":\"p\",\"rounds\":[{\"name\":\"r\"}]}", "rounds[0]: found no \"iterations\"");
    refuses(PLAN(""), "rounds[0].iterations: found an empty list");
    refuses(PLAN("\"x\""), "rounds[0].iterations[0]: found \"x\", expected an object");
    refuses(PLAN("{\"name\":\"i\"}"), "rounds[0].iterations[0]: found no \"httpRequest\"");
    refuses(PLAN("{\"name\":\"i\",\"httpRequest\":[]}"), AT "httpRequest: found a list");
    refuses(PLAN("{\"name\":\"i\",\"httpRequest\":{}}"), AT "httpRequest: found no \"url\"");
}

static void every_complaint_has_its_place(void **state)
{
    const char *text = "{\"name\": \"p\",\n"
                       " \"rounds\": [{\"name\": \"r\", \"nmae\": 1,\n"
                       "   \"numberOfClients\": 0,\n"
                       "   \"iterations\": [{\"name\": \"i\", \"httpRequest\": {\n"
                       "     \"url\": \"x\", \"headers\": {\"A B\": \"\", \"C\": [\"\", 7]}}}]}]}";
    static const struct {
        int line, column;
        const char *begin;
    } expected[] = {
        {2, 27, "rounds[0]: unknown key \"nmae\", did you mean \"name\"?"},
        {3, 23, "rounds[0].numberOfClients: found 0, expected 1 to 1000000"},
        {5, 13, "rounds[0].iterations[0].httpRequest.url: expected an URL"},
        {5, 30, "rounds[0].iterations[0].httpRequest.headers: found a blank in a header name"},
        {5, 51, "rounds[0].iterations[0].httpRequest.headers.C[1]: found 7, expected a text"},
    };
    struct diag d = {0};
    struct plan *plan;

    (void)state;
    assert_int_equal(plan_parse(text, strlen(text), &d, &plan), -EINVAL);
    assert_int_equal(d.n, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < d.n; i++) {
        if (strncmp(d.entry[i].text, expected[i].begin, strlen(expected[i].begin)) != 0)
            fail_msg("%s", d.entry[i].text);
        assert_int_equal(d.entry[i].line, expected[i].line);
        assert_int_equal(d.entry[i].column, expected[i].column);
    }
    diag_done(&d);
}

static void keys_of_later_are_told_from_unknown_ones(void **state)
{
    (void)state;
    refuses(ROUND("\"tags\":[]"), "rounds[0]: tags is not supported yet");
    refuses(ITERATION("\"failureRules\":[]"), "rounds[0].iterations[0]: failureRules is not sup");
    refuses(SENDS("\"clientCertificatePath\":\"x\""),
            AT "httpRequest: clientCertificatePath is not");
    refuses(SENDS("\"retry\":{}"), AT "httpRequest: retry is not supported yet");
    refuses(ITERATION("\"mod\":\"R\""), "rounds[0].iterations[0]: unknown key \"mod\", did you m");
    refuses(ITERATION("\"zzzzzz\":1"), "rounds[0].iterations[0]: unknown key \"zzzzzz\"");
}

static void names_have_1_to_60_of_these_characters(void **state)
{
#define SIXTY "aZ09 _.-9012345678901234567890123456789012345678901234567890"
    static const char *const bad[] = {"a/b", "\\u00e4", "a\\u0009b", "a\\nb", "$", "a,b"};
    char text[512];

    (void)state;
    plan_free(accepts("{\"name\":\"" SIXTY
                      "\",\"rounds\":[{\"name\":\".\",\"iterations\":[{\"name\":\" \"," REQUEST
                      "}]}]}"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, PLAN("{\"name\":\"%s\"," REQUEST "}"), bad[i]);
        refuses(text, AT "name: found \"");
    }
    refuses(PLAN("{\"name\":\"\"," REQUEST "}"), AT "name: found 0 characters, expected 1 to 60");
    refuses(PLAN("{\"name\":\"" SIXTY "x\"," REQUEST "}"), AT "name: found 61 characters");
    refuses(PLAN("{\"name\":7," REQUEST "}"), AT "name: found 7, expected a text");
}

static void names_are_unique_whatever_their_letter_case(void **state)
{
#define I(name) "{\"name\":\"" name "\"," REQUEST "}"
#define R(name) "{\"name\":\"" name "\",\"iterations\":[" I("i") "]}"
    (void)state;
    plan_free(accepts("{\"name\":\"p\",\"rounds\":[" R("a") "," R("b") "]}"));
    refuses("{\"name\":\"p\",\"rounds\":[" R("ab") "," R("c") "," R("AB") "]}",
            "rounds[2].name: found \"AB\" again");
    refuses(PLAN(I("x") "," I("X")), "rounds[0].iterations[1].name: found \"X\" again");
    refuses_nth(PLAN(I("") "," I("")), 1, 2, "rounds[0].iterations[1].name: found 0 characters");
}

static void placeholders_are_refused_everywhere(void **state)
{
    (void)state;
    refuses(PLAN("{\"name\":\"$n\"," REQUEST "}"), AT "name: placeholders are not supported yet");
    refuses(ITERATION("\"mode\":\"$m\""), AT "mode: placeholders are not supported yet");
    refuses(SENDS("\"method\":\"${m}\""), REQ "method: placeholders are not supported yet");
    refuses(SENDS("\"headers\":{\"A\":\"x$y\"}"), REQ "headers.A: placeholders are not supp");
    refuses(SENDS("\"payload\":{\"raw\":\"{$x}\"}"), REQ "payload.raw: placeholders are not s");
    refuses(PLAN("{\"name\":\"i\",\"httpRequest\":{\"url\":\"$u\"}}"),
            REQ "url: placeholders are not supported yet");
    plan_free(accepts(SENDS("\"payload\":{\"raw\":\"a $ b\"}")));
}

static void each_mode_takes_its_own_count(void **state)
{
    struct plan *plan = accepts(ITERATION("\"mode\":\"D\",\"duration\":31536000"));

    (void)state;
    assert_int_equal(plan->rounds[0].iterations[0].mode, PLAN_MODE_D);
    assert_int_equal(plan->rounds[0].iterations[0].duration_s, 31536000);
    assert_int_equal(plan->rounds[0].iterations[0].request_count, 0);
    plan_free(plan);
    plan = accepts(ITERATION("\"mode\":\"R\",\"requestCount\":1000000000000"));
    assert_int_equal(plan->rounds[0].iterations[0].request_count, 1000000000000);
    plan_free(plan);

    refuses(ITERATION("\"duration\":1"), IT "found \"duration\", expected none in mode R");
    refuses(ITERATION("\"mode\":\"D\",\"duration\":1,\"requestCount\":1"),
            IT "found \"requestCount\", expected none in mode D");
    refuses(ITERATION("\"mode\":\"D\""), IT "found no \"duration\", expected one");
}

static void modes_are_spelled_in_upper_case(void **state)
{
    static const char *const bad[] = {"r", "", "Cb", "CRBX", "R "};
    char text[512], begin[128];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, ITERATION("\"mode\":\"%s\""), bad[i]);
        snprintf(begin, sizeof begin, AT "mode: found \"%s\", expected \"R\", \"D\", \"CB\"",
                 bad[i]);
        refuses(text, begin);
    }
    refuses(ITERATION("\"mode\":null"), AT "mode: found null, expected a text");
}

#define BATCH "\"batchSize\":10,\"coolDownTime\":500"

static const struct plan_iteration *first(const struct plan *plan)
{
    return &plan->rounds[0].iterations[0];
}

static void batches_have_a_size_and_a_cool_down_time(void **state)
{
    struct plan *plan = accepts(ITERATION("\"mode\":\"CRB\",\"requestCount\":25," BATCH));

    (void)state;
    assert_int_equal(first(plan)->mode, PLAN_MODE_CRB);
    assert_int_equal(first(plan)->request_count, 25);
    assert_int_equal(first(plan)->batch_size, 10);
    assert_int_equal(first(plan)->cool_down_ms, 500);
    assert_int_equal(first(plan)->duration_s, 0);
    assert_false(first(plan)->maximize);
    plan_free(plan);
    plan = accepts(ITERATION("\"mode\":\"DCB\",\"duration\":1,\"maximizeThroughput\":true," BATCH));
    assert_int_equal(first(plan)->mode, PLAN_MODE_DCB);
    assert_int_equal(first(plan)->duration_s, 1);
    assert_int_equal(first(plan)->request_count, 0);
    assert_true(first(plan)->maximize);
    plan_free(plan);
    plan = accepts(ITERATION("\"mode\":\"CB\"," BATCH));
    assert_int_equal(first(plan)->mode, PLAN_MODE_CB);
    plan_free(plan);

    refuses_nth(ITERATION("\"mode\":\"CB\""), 0, 2, IT "found no \"batchSize\"");
    refuses_nth(ITERATION("\"mode\":\"CB\""), 1, 2, IT "found no \"coolDownTime\"");
    refuses(ITERATION("\"mode\":\"CRB\"," BATCH), IT "found no \"requestCount\"");
    refuses(ITERATION("\"mode\":\"DCB\"," BATCH), IT "found no \"duration\"");
    refuses(ITERATION("\"mode\":\"CB\",\"duration\":1," BATCH),
            IT "found \"duration\", expected none in mode CB");
    refuses(ITERATION("\"mode\":\"CB\",\"requestCount\":11," BATCH),
            IT "found \"requestCount\", expected none in mode CB");
    refuses(ITERATION("\"batchSize\":1"), IT "found \"batchSize\", expected none in mode R");
    refuses(ITERATION("\"coolDownTime\":1"), IT "found \"coolDownTime\", expected none in mode R");
    refuses(ITERATION("\"mode\":\"CB\",\"batchSize\":100001,\"coolDownTime\":1"),
            AT "batchSize: found 100001, expected 1 to 100000");
    refuses(ITERATION("\"mode\":\"CB\",\"batchSize\":1,\"coolDownTime\":0"),
            AT "coolDownTime: found 0, expected 1 to 86400000");
}

static void a_batch_is_less_than_the_whole(void **state)
{
    (void)state;
    refuses(ITERATION("\"mode\":\"CRB\",\"requestCount\":10," BATCH),
            AT "requestCount: found 10, expected more than the batch size of 10");
    plan_free(accepts(ITERATION("\"mode\":\"CRB\",\"requestCount\":11," BATCH)));
    refuses(ITERATION("\"mode\":\"DCB\",\"duration\":1,\"batchSize\":1,\"coolDownTime\":1000"),
            AT "duration: found 1 s, expected more than the cool-down time of 1000 ms");
    plan_free(
        accepts(ITERATION("\"mode\":\"DCB\",\"duration\":1,\"batchSize\":1,\"coolDownTime\":999")));
}

static void modes_without_batches_forget_the_throughput(void **state)
{
    struct plan *plan = accepts(ITERATION("\"maximizeThroughput\":true"));
    char *text = plan_format(plan);

    (void)state;
    assert_false(first(plan)->maximize);
    assert_null(strstr(text, "maximizeThroughput"));
    free(text);
    plan_free(plan);
    refuses(ITERATION("\"maximizeThroughput\":1"), AT "maximizeThroughput: found 1, expected true");
}

static void a_delay_has_two_names(void **state)
{
    struct plan *plan = accepts(ITERATION("\"startupDelay\":7"));

    (void)state;
    assert_int_equal(first(plan)->delay_ms, 7);
    plan_free(plan);
    plan = accepts(ITERATION("\"delay\":86400000"));
    assert_int_equal(first(plan)->delay_ms, 86400000);
    plan_free(plan);
    refuses(ITERATION("\"delay\":86400001"), AT "delay: found 86400001");
    refuses(ITERATION("\"delay\":1,\"startupDelay\":1"),
            IT "found \"delay\" and \"startupDelay\", expected one of them");
}

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

#define TLS(members) PLAN("{\"name\":\"i\",\"httpRequest\":{\"url\":\"https://a/\"," members "}}")

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

// --- Stages ---

static void stages_add_up_to_the_clients_of_a_round(void **state)
{
    struct plan *plan =
        accepts(ROUND("\"startupDelay\":9,\"stages\":[{\"numberOfClients\":2,\"arrivalDelay\":100},"
                      "{\"numberOfClients\":3,\"arrivalDelay\":50,\"startupDelay\":300}]"));
    const struct plan_round *round = &plan->rounds[0];

    (void)state;
    assert_int_equal(round->startup_delay_ms, 9);
    assert_int_equal(round->n_clients, 5);
    assert_int_equal(plan_max_clients(plan), 5);
    assert_int_equal(round->n_stages, 2);
    assert_int_equal(round->stages[0].n_clients, 2);
    assert_int_equal(round->stages[0].arrival_delay_ms, 100);
    assert_int_equal(round->stages[0].startup_delay_ms, 0);
    assert_int_equal(round->stages[1].startup_delay_ms, 300);
    plan_free(plan);
}

static void one_stage_without_delay_is_no_stage(void **state)
{
    struct plan *a = accepts(ROUND("\"stages\":[{\"numberOfClients\":2,\"arrivalDelay\":7}]"));
    struct plan *b = accepts(ROUND("\"numberOfClients\":2,\"arrivalDelay\":7"));
    struct plan *c = accepts(
        ROUND("\"stages\":[{\"numberOfClients\":2,\"arrivalDelay\":7,\"startupDelay\":1}]"));
    char *x = plan_format(a), *y = plan_format(b), *z = plan_format(c);

    (void)state;
    assert_string_equal(x, y);
    assert_null(strstr(x, "stages"));
    assert_non_null(
        strstr(z, "\"stages\":[{\"arrivalDelay\":7,\"numberOfClients\":2,\"startupDelay\":1}]"));
    free(x);
    free(y);
    free(z);
    plan_free(a);
    plan_free(b);
    plan_free(c);
}

static void stages_and_clients_contradict_each_other(void **state)
{
#define ONE "{\"numberOfClients\":1}"
    (void)state;
    refuses(ROUND("\"stages\":[" ONE "],\"numberOfClients\":1"),
            "rounds[0]: found \"numberOfClients\" and \"stages\"");
    refuses(ROUND("\"stages\":[" ONE "],\"arrivalDelay\":0"),
            "rounds[0]: found \"arrivalDelay\" and \"stages\"");
    refuses(ROUND("\"stages\":[]"), "rounds[0].stages: found an empty list");
    refuses(ROUND("\"stages\":{}"), "rounds[0].stages: found an object, expected a list");
    refuses(ROUND("\"stages\":[1]"), "rounds[0].stages[0]: found 1, expected an object");
    refuses(ROUND("\"stages\":[{}]"), "rounds[0].stages[0]: found no \"numberOfClients\"");
    refuses(ROUND("\"stages\":[{\"numberOfClients\":0}]"),
            "rounds[0].stages[0].numberOfClients: found 0");
    refuses(ROUND("\"stages\":[{\"numberOfClients\":1,\"delay\":1}]"),
            "rounds[0].stages[0]: unknown key \"delay\"");
    refuses(ROUND("\"stages\":[{\"numberOfClients\":600000},{\"numberOfClients\":400001}]"),
            "rounds[0].stages: found 1000001 clients together, expected at most 1000000");
    plan_free(
        accepts(ROUND("\"stages\":[{\"numberOfClients\":600000},{\"numberOfClients\":400000}]")));
}

// A round with n equal elements in a list.
static char *with_list(const char *before, const char *element, size_t n, const char *after)
{
    struct buf b = {0};

    buf_puts(&b, before);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s%s", i > 0 ? "," : "", element);
    buf_puts(&b, after);
    return buf_take(&b);
}

static void a_thousand_stages_are_the_limit(void **state)
{
    static const char before[] = "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"stages\":[",
                      after[] = "],\"iterations\":[{\"name\":\"i\"," REQUEST "}]}]}";
    char *text = with_list(before, ONE, PLAN_STAGES_MAX, after);

    (void)state;
    plan_free(accepts(text));
    free(text);
    text = with_list(before, ONE, PLAN_STAGES_MAX + 1, after);
    refuses(text, "rounds[0].stages: found 1001 elements, expected at most 1000");
    free(text);
}

// --- Rates ---

#define RATED(members) ITERATION("\"mode\":\"D\"," members)

static void a_rate_opens_the_round(void **state)
{
    struct plan *plan = accepts(RATED("\"rate\":33.333,\"duration\":60"));
    char *text = plan_format(plan);

    (void)state;
    assert_true(plan->rounds[0].is_open);
    assert_true(first(plan)->is_open);
    assert_int_equal(first(plan)->rate_mhz, 33333);
    assert_int_equal(first(plan)->duration_s, 60);
    assert_int_equal(first(plan)->n_ramp, 0);
    assert_int_equal(plan->rounds[0].n_clients, 1000);
    assert_int_equal(plan->rounds[0].n_stages, 1);
    assert_int_equal(plan->rounds[0].stages[0].n_clients, 1000);
    assert_string_equal(text,
                        "{\"name\":\"p\",\"rounds\":[{\"iterations\":[{\"duration\":60,"
                        "\"httpRequest\":{\"headers\":{},\"method\":\"GET\",\"supportH2C\":false,"
                        "\"url\":\"http://a/\",\"version\":\"2.0\"},\"mode\":\"D\",\"name\":\"i\","
                        "\"rate\":33.333}],\"name\":\"r\",\"numberOfClients\":1000,"
                        "\"pacing\":\"precise\",\"runInParallel\":false,\"startupDelay\":0}]}");
    free(text);
    plan_free(plan);
}

static void rates_have_three_decimals_and_one_spelling(void **state)
{
    static const struct {
        const char *spelled, *canonical;
        uint64_t mhz;
    } good[] = {
        {"0.001", "\"rate\":0.001", 1},
        {"0.5", "\"rate\":0.5", 500},
        {"1", "\"rate\":1}", 1000},
        {"1.0", "\"rate\":1}", 1000},
        {"1e3", "\"rate\":1000}", 1000000},
        {"4.35", "\"rate\":4.35}", 4350}, // 4349.999... in binary
        {"9999999.999", "\"rate\":9999999.999", 9999999999},
        {"10000000", "\"rate\":10000000}", 10000000000},
    };
    static const char *const bad[] = {
        "0",      "0.0",    "-1",           "-0.5",  "0.0005",
        "0.0001", "1.0005", "10000000.001", "1e300", "9223372036854775807",
        "\"5\"",  "true",   "null",         "[]"};
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(text, sizeof text, RATED("\"duration\":1,\"rate\":%s"), good[i].spelled);
        struct plan *plan = accepts(text);
        char *formatted = plan_format(plan);
        assert_true(first(plan)->rate_mhz == good[i].mhz);
        if (strstr(formatted, good[i].canonical) == NULL)
            fail_msg("%s: %s", good[i].spelled, formatted);
        free(formatted);
        plan_free(plan);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, RATED("\"duration\":1,\"rate\":%s"), bad[i]);
        refuses(text, AT "rate: found ");
    }
    refuses(RATED("\"duration\":1,\"rate\":0"),
            AT "rate: found 0, expected a number above 0 and up to 10000000 with at most 3");
}

static void every_rate_of_three_decimals_comes_back(void **state)
{
    char text[512];

    (void)state;
    for (uint64_t mhz = 1; mhz < PLAN_RATE_MAX_MHZ; mhz += 1 + mhz / 97) {
        snprintf(text, sizeof text, RATED("\"duration\":1,\"rate\":%d.%03d"), (int)(mhz / 1000),
                 (int)(mhz % 1000));
        struct plan *plan = accepts(text);
        assert_true(first(plan)->rate_mhz == mhz);
        char *formatted = plan_format(plan);
        struct plan *again = accepts(formatted);
        assert_true(first(again)->rate_mhz == mhz);
        plan_free(again);
        free(formatted);
        plan_free(plan);
    }
}

static void a_ramp_has_its_own_duration_and_begins_at_the_rate(void **state)
{
    struct plan *plan = accepts(
        RATED("\"rate\":10,\"ramp\":[{\"rate\":100,\"duration\":30},{\"rate\":0,\"duration\":5}]"));
    char *text = plan_format(plan);

    (void)state;
    assert_true(first(plan)->is_open);
    assert_int_equal(first(plan)->rate_mhz, 10000);
    assert_int_equal(first(plan)->duration_s, 35);
    assert_int_equal(first(plan)->n_ramp, 2);
    assert_int_equal(first(plan)->ramp[0].rate_mhz, 100000);
    assert_int_equal(first(plan)->ramp[1].rate_mhz, 0);
    assert_int_equal(first(plan)->ramp[1].duration_s, 5);
    assert_non_null(strstr(
        text,
        "\"ramp\":[{\"duration\":30,\"rate\":100},{\"duration\":5,\"rate\":0}],\"rate\":10}"));
    free(text);
    plan_free(plan);
    plan = accepts(RATED("\"ramp\":[{\"rate\":0.5,\"duration\":1}]"));
    text = plan_format(plan);
    assert_int_equal(first(plan)->rate_mhz, 0);
    assert_non_null(strstr(text, "\"rate\":0}"));
    free(text);
    plan_free(plan);
    // From 5 down to nothing sends, too.
    plan_free(accepts(RATED("\"rate\":5,\"ramp\":[{\"rate\":0,\"duration\":1}]")));
}

static void ramps_that_make_no_sense_are_refused(void **state)
{
#define STEP "{\"rate\":1,\"duration\":1}"
    (void)state;
    refuses(RATED("\"ramp\":[{\"rate\":0,\"duration\":1},{\"rate\":0,\"duration\":1}]"),
            AT "ramp: found no rate above 0");
    refuses(RATED("\"ramp\":[" STEP "],\"duration\":1"), IT "found \"duration\" and \"ramp\"");
    refuses(RATED("\"ramp\":[]"), AT "ramp: found an empty list");
    refuses(RATED("\"ramp\":1"), AT "ramp: found 1, expected a list");
    refuses(RATED("\"ramp\":[2]"), AT "ramp[0]: found 2, expected an object");
    refuses(RATED("\"ramp\":[{\"rate\":1}]"), AT "ramp[0]: found no \"duration\"");
    refuses(RATED("\"ramp\":[{\"duration\":1}]"), AT "ramp[0]: found no \"rate\"");
    refuses(RATED("\"ramp\":[{\"rate\":-1,\"duration\":1}]"),
            AT "ramp[0].rate: found -1, expected a number from 0 and up to");
    refuses(RATED("\"ramp\":[{\"rate\":1,\"duration\":0}]"), AT "ramp[0].duration: found 0");
    refuses(RATED("\"ramp\":[{\"rate\":1,\"duration\":1,\"x\":1}]"), AT "ramp[0]: unknown key");
    refuses(RATED("\"ramp\":[{\"rate\":1,\"duration\":31536000}," STEP "]"),
            AT "ramp: found durations of 31536001 s together, expected at most 31536000");
}

static void a_thousand_ramps_are_the_limit(void **state)
{
    static const char before[] =
        "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"i\","
        "\"mode\":\"D\"," REQUEST ",\"ramp\":[";
    char *text = with_list(before, STEP, PLAN_STAGES_MAX, "]}]}]}");

    (void)state;
    plan_free(accepts(text));
    free(text);
    text = with_list(before, STEP, PLAN_STAGES_MAX + 1, "]}]}]}");
    refuses(text, AT "ramp: found 1001 elements, expected at most 1000");
    free(text);
}

static void only_mode_d_has_a_rate(void **state)
{
    (void)state;
    refuses(ITERATION("\"rate\":1"), IT "found \"rate\", expected none in mode R");
    refuses(ITERATION("\"ramp\":[" STEP "]"), IT "found \"ramp\", expected none in mode R");
    refuses(ITERATION("\"mode\":\"CB\",\"rate\":1," BATCH),
            IT "found \"rate\", expected none in mode CB");
    refuses(RATED("\"rate\":1"), IT "found no \"duration\"");
    refuses(RATED("\"rate\":1,\"duration\":1,\"requestCount\":1"),
            IT "found \"requestCount\", expected none in mode D");
}

// A round with these members, whose iterations are these.
#define WITH(members, iterations) \
    "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\"," members "\"iterations\":[" iterations "]}]}"
#define OPEN(name)   "{\"name\":\"" name "\"," REQUEST ",\"mode\":\"D\",\"rate\":5,\"duration\":3}"
#define CLOSED(name) "{\"name\":\"" name "\"," REQUEST "}"

static void a_round_is_open_or_closed(void **state)
{
    struct plan *plan =
        accepts(WITH("\"numberOfClients\":7,\"startupDelay\":2,\"runInParallel\":true,"
                     "\"pacing\":\"batched\",",
                     OPEN("a") "," OPEN("b")));

    (void)state;
    assert_true(plan->rounds[0].is_open);
    assert_true(plan->rounds[0].is_parallel);
    assert_int_equal(plan->rounds[0].pacing, PLAN_PACING_BATCHED);
    assert_int_equal(plan->rounds[0].n_clients, 7);
    assert_int_equal(plan->rounds[0].startup_delay_ms, 2);
    plan_free(plan);
    refuses(WITH("", OPEN("a") "," CLOSED("b") "," CLOSED("c")),
            "rounds[0]: found 1 with a rate and 2 without, expected one kind: a round is open or "
            "closed");
    refuses(WITH("\"arrivalDelay\":0,", OPEN("a")),
            "rounds[0]: found \"arrivalDelay\", expected none in a round whose");
    refuses(WITH("\"stages\":[" ONE "],", OPEN("a")),
            "rounds[0]: found \"stages\", expected none in a round whose");
    refuses(RATED("\"rate\":1,\"duration\":1,\"delay\":0"),
            IT "found \"delay\", expected none with a rate");
    refuses(RATED("\"rate\":1,\"duration\":1,\"startupDelay\":0"),
            IT "found \"startupDelay\", expected none with a");
    refuses(WITH("\"pacing\":\"fast\",", CLOSED("a")),
            "rounds[0].pacing: found \"fast\", expected \"precise\" or");
    refuses(WITH("\"runInParallel\":1,", CLOSED("a")),
            "rounds[0].runInParallel: found 1, expected true or false");
}

static void creation_of_clients_is_always_late(void **state)
{
    struct plan *plan = accepts(ROUND("\"delayClientCreationUntilIsNeeded\":true"));
    char *text = plan_format(plan);

    (void)state;
    assert_null(strstr(text, "delayClient"));
    free(text);
    plan_free(plan);
    refuses(ROUND("\"delayClientCreationUntilIsNeeded\":2"),
            "rounds[0].delayClientCreationUntilIsNeeded: found 2");
}

static void counts_are_whole_numbers_in_their_range(void **state)
{
    static const struct {
        const char *value, *found;
    } bad[] = {
        {"0", "found 0"},       {"-1", "found -1"},        {"1000000000001", "found 1000000000001"},
        {"1.0", "found 1, ex"}, {"1e3", "found 1000, ex"}, {"\"5\"", "found \"5\""},
        {"true", "found true"}, {"null", "found null"},    {"9223372036854775807", "found 922"},
    };
    char text[512], begin[128];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, ITERATION("\"requestCount\":%s"), bad[i].value);
        snprintf(begin, sizeof begin, AT "requestCount: %s", bad[i].found);
        refuses(text, begin);
    }
    refuses(ITERATION("\"mode\":\"D\",\"duration\":0"), AT "duration: found 0, expected 1 to 3153");
    refuses(ITERATION("\"mode\":\"D\",\"duration\":31536001"), AT "duration: found 31536001");
    refuses(ROUND("\"numberOfClients\":0"), "rounds[0].numberOfClients: found 0");
    refuses(ROUND("\"numberOfClients\":1000001"), "rounds[0].numberOfClients: found 1000001");
    refuses(ROUND("\"arrivalDelay\":-1"), "rounds[0].arrivalDelay: found -1, expected 0 to 86400");
    refuses(ROUND("\"arrivalDelay\":86400001"), "rounds[0].arrivalDelay: found 86400001");
    plan_free(accepts(ROUND("\"numberOfClients\":1000000,\"arrivalDelay\":86400000")));
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
    refuses(SENDS("\"payload\":{}"), REQ "payload: found neither, expected one of \"raw\"");
    refuses(SENDS("\"payload\":{\"raw\":\"\",\"file\":\"" HASH "\"}"), REQ "payload: found both");
    refuses(SENDS("\"payload\":{\"raw\":1}"), REQ "payload.raw: found 1");
    refuses(SENDS("\"payload\":{\"raw\":\"a\\u0000\"}"), "found \\u0000 in a text");
    refuses(SENDS("\"payload\":{\"file\":\"a.txt\"}"), REQ "payload.file: found \"a.txt\"");
    refuses(SENDS("\"payload\":{\"file\":\"" HASH "0\"}"), REQ "payload.file: found ");
    refuses(SENDS("\"payload\":{\"multipart\":[],\"raw\":\"\"}"),
            REQ "payload: multipart is not supported yet");
}

static char *with_shape(size_t n_rounds, size_t n_iterations)
{
    struct buf b = {0};

    buf_puts(&b, "{\"name\":\"p\",\"rounds\":[");
    for (size_t i = 0; i < n_rounds; i++) {
        buf_printf(&b, "%s{\"name\":\"r%zu\",\"numberOfClients\":%zu,\"iterations\":[",
                   i > 0 ? "," : "", i, i + 1);
        for (size_t j = 0; j < n_iterations; j++)
            buf_printf(&b, "%s{\"name\":\"i%zu\"," REQUEST "}", j > 0 ? "," : "", j);
        buf_puts(&b, "]}");
    }
    buf_puts(&b, "]}");
    return buf_take(&b);
}

static void a_thousand_series_are_the_limit(void **state)
{
    static const struct {
        size_t rounds, iterations;
        const char *begin;
    } bad[] = {
        {1001, 1, "rounds: found 1001 elements, expected at most 1000"},
        {1, 1001, "rounds[0].iterations: found 1001 elements"},
        {3, 334, "rounds: found more than 1000 iterations in all"},
        {50, 21, "rounds: found more than 1000 iterations in all"},
    };
    char *text = with_shape(2, 500);
    struct plan *plan = accepts(text);

    (void)state;
    assert_int_equal(plan_n_series(plan), 1000);
    plan_free(plan);
    free(text);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        text = with_shape(bad[i].rounds, bad[i].iterations);
        refuses(text, bad[i].begin);
        free(text);
    }
}

static void series_count_through_all_rounds(void **state)
{
    char *text = with_shape(3, 4);
    struct plan *plan = accepts(text);
    const struct plan_round *round;
    const struct plan_iteration *it;

    (void)state;
    assert_int_equal(plan_n_series(plan), 12);
    for (uint32_t id = 0; id < 12; id++) {
        plan_series(plan, id, &round, &it);
        assert_ptr_equal(round, &plan->rounds[id / 4]);
        assert_ptr_equal(it, &round->iterations[id % 4]);
    }
    plan_free(plan);
    free(text);
}

static void most_clients_are_those_of_the_largest_round(void **state)
{
    char *text = with_shape(7, 1);
    struct plan *plan = accepts(text);

    (void)state;
    assert_int_equal(plan_max_clients(plan), 7);
    plan_free(plan);
    free(text);
}

static char *with_payload(size_t n)
{
    struct buf b = {0};

    buf_puts(&b, "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"i\","
                 "\"httpRequest\":{" URL ",\"payload\":{\"raw\":\"");
    for (size_t i = 0; i < n; i++)
        buf_puts(&b, "x");
    buf_puts(&b, "\"}}}]}]}");
    return buf_take(&b);
}

static void the_canonical_text_has_at_most_256_kib(void **state)
{
    char *text = with_payload(1);
    struct plan *plan = accepts(text);
    char *canonical = plan_format(plan);
    size_t room = PLAN_BYTES_MAX - strlen(canonical) + 1;

    (void)state;
    plan_free(plan);
    free(canonical);
    free(text);

    text = with_payload(room);
    plan = accepts(text);
    canonical = plan_format(plan);
    assert_int_equal(strlen(canonical), PLAN_BYTES_MAX);
    plan_free(plan);
    free(canonical);
    free(text);

    text = with_payload(room + 1);
    refuses(text, "found a plan of 262145 bytes, expected at most 262144");
    free(text);
}

static void a_flood_of_mistakes_is_counted_but_not_kept(void **state)
{
    struct buf b = {0};
    struct diag d = {0};
    struct plan *plan;

    (void)state;
    buf_puts(&b, "{\"name\":\"p\",\"rounds\":[");
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%s%d", i > 0 ? "," : "", i);
    buf_puts(&b, "]}");
    assert_int_equal(plan_parse(b.data, b.len, &d, &plan), -EINVAL);
    assert_int_equal(d.n, 1000);
    char *text = diag_format(&d);
    assert_non_null(strstr(text, "rounds[99]: found 99, expected an object\nand 900 more\n"));
    free(text);
    diag_done(&d);
    buf_done(&b);
}

// --- Properties over random plans ---

static uint64_t seed;

static uint64_t dice(uint64_t n) // xorshift64* of Vigna
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (seed * 0x2545f4914f6cdd1d >> 16) % n;
}

static json_t *random_headers(void)
{
    static const char *const values[] = {"", "a", "x: y", "\xc3\xa4\xe2\x82\xac", "\t\"\\/\x01"};
    json_t *headers = json_object();

    for (uint64_t i = 0, n = dice(6); i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "%c-%d", "aZ~_"[dice(4)], (int)i);
        json_t *list = json_array();
        for (uint64_t j = 0, m = 1 + dice(3); j < m; j++)
            json_array_append_new(list, json_string(values[dice(5)]));
        if (json_array_size(list) == 1 && dice(2) == 0) {
            json_object_set(headers, name, json_array_get(list, 0));
            json_decref(list);
        } else {
            json_object_set_new(headers, name, list);
        }
    }
    return headers;
}

static json_t *random_request(void)
{
    static const char *const urls[] = {"http://a", "HTTPS://B:443/x?y#z", "http://[::1]:81/%41",
                                       "https://h:8443?q=[]"};
    static const char *const texts[] = {"", "{\"a\": [1, null]}", "\n\r\t\x7f", "\xf0\x9f\x98\x80"};
    json_t *request = json_pack("{s:s}", "url", urls[dice(4)]);

    if (dice(2))
        json_object_set_new(request, "method", json_string(dice(2) ? "get" : "DELETE"));
    if (dice(2))
        json_object_set_new(request, "headers", random_headers());
    if (dice(2))
        json_object_set_new(request, "payload",
                            dice(2) ? json_pack("{s:s}", "raw", texts[dice(4)])
                                    : json_pack("{s:s}", "file", HASH));
    if (dice(2))
        json_object_set_new(request, dice(2) ? "version" : "httpVersion",
                            json_string(dice(2) ? "HTTP/1.0" : "HTTP/2"));
    if (strncasecmp(json_string_value(json_object_get(request, "url")), "https", 5) == 0 &&
        dice(2)) {
        json_object_set_new(request, "clientCertificate", json_string(HASH));
        json_object_set_new(request, "clientCertificatePassword", json_string(dice(2) ? "" : "x"));
    }
    return request;
}

static json_t *random_rate(void)
{
    return dice(2) ? json_integer(1 + (json_int_t)dice(9999))
                   : json_real((double)(1 + dice(999999)) / 1000);
}

static json_t *random_list(const char *key, bool rates)
{
    json_t *list = json_array();

    for (uint64_t n = 1 + dice(3); n > 0; n--)
        json_array_append_new(
            list, json_pack("{s:o, s:I}", key, rates ? random_rate() : json_integer(3),
                            rates ? "duration" : "arrivalDelay", (json_int_t)(1 + dice(9))));
    return list;
}

static void set_random(json_t *json, const char *key, uint64_t min, uint64_t max)
{
    json_object_set_new(json, key, json_integer((json_int_t)(min + dice(max - min + 1))));
}

static json_t *random_iteration(int i, bool open)
{
    json_t *it =
        json_pack("{s:o, s:o}", "name", json_sprintf("i %d", i), "httpRequest", random_request());
    enum plan_mode mode = open ? PLAN_MODE_D : PLAN_MODE_R + dice(PLAN_MODE__COUNT - 1);

    json_object_set_new(it, "mode", json_string(plan_mode_name(mode)));
    if (open && dice(2))
        json_object_set_new(it, "ramp", random_list("rate", true));
    else if (mode == PLAN_MODE_D || mode == PLAN_MODE_DCB)
        set_random(it, "duration", 100, PLAN_DURATION_MAX_S);
    if (open && (json_object_get(it, "ramp") == NULL || dice(2)))
        json_object_set_new(it, "rate", random_rate());
    if (!open && dice(2))
        set_random(it, dice(2) ? "delay" : "startupDelay", 0, 9);
    if (mode == PLAN_MODE_CRB || (mode == PLAN_MODE_R && dice(2)))
        set_random(it, "requestCount", 1000, PLAN_COUNT_MAX);
    if (mode >= PLAN_MODE_CB) {
        set_random(it, "batchSize", 1, 999);
        set_random(it, "coolDownTime", 1, 99999);
    }
    if (dice(2))
        json_object_set_new(it, "maximizeThroughput", json_boolean(dice(2)));
    return it;
}

static json_t *random_plan(void)
{
    json_t *rounds = json_array();

    for (uint64_t i = 0, n = 1 + dice(3); i < n; i++) {
        json_t *iterations = json_array();
        bool open = dice(3) == 0;
        for (uint64_t j = 0, m = 1 + dice(3); j < m; j++)
            json_array_append_new(iterations, random_iteration((int)j, open));
        json_t *round =
            json_pack("{s:o, s:o}", "name", json_sprintf("r.%d", (int)i), "iterations", iterations);
        if (!open && dice(2)) {
            json_object_set_new(round, "stages", random_list("numberOfClients", false));
        } else if (dice(2)) {
            set_random(round, "numberOfClients", 1, 99);
            if (!open && dice(2))
                set_random(round, "arrivalDelay", 0, 99);
        }
        if (dice(2))
            set_random(round, "startupDelay", 0, 99);
        if (dice(2))
            json_object_set_new(round, "pacing", json_string(dice(2) ? "precise" : "batched"));
        if (dice(2))
            json_object_set_new(round, "runInParallel", json_boolean(dice(2)));
        json_array_append_new(rounds, round);
    }
    return json_pack("{s:s, s:o}", "name", "p", "rounds", rounds);
}

static void blank(struct buf *out)
{
    for (uint64_t n = dice(3); n > 0; n--)
        buf_append(out, &" \t\n\r"[dice(4)], 1);
}

// The same JSON with blanks anywhere and the members of each object in any order.
static void shuffle(const json_t *json, struct buf *out)
{
    blank(out);
    if (json_is_object(json)) {
        const char *keys[16];
        size_t n = 0;
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)json, key, value) keys[n++] = key;
        buf_puts(out, "{");
        for (bool first = true; n > 0; first = false) {
            size_t i = dice(n);
            buf_printf(out, "%s\"%s\"", first ? "" : ",", keys[i]);
            blank(out);
            buf_puts(out, ":");
            shuffle(json_object_get(json, keys[i]), out);
            keys[i] = keys[--n];
        }
        buf_puts(out, "}");
    } else if (json_is_array(json)) {
        for (size_t i = 0; i < json_array_size(json); i++) {
            buf_puts(out, i == 0 ? "[" : ",");
            shuffle(json_array_get(json, i), out);
        }
        buf_puts(out, json_array_size(json) == 0 ? "[]" : "]");
    } else {
        char *text = json_dumps(json, JSON_ENCODE_ANY | (dice(2) ? JSON_ENSURE_ASCII : 0));
        buf_puts(out, text);
        free(text);
    }
    blank(out);
}

static void same_text(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a != NULL)
        assert_string_equal(a, b);
}

static void same_iteration(const struct plan_iteration *a, const struct plan_iteration *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->mode, b->mode);
    assert_int_equal(a->request_count, b->request_count);
    assert_int_equal(a->duration_s, b->duration_s);
    assert_int_equal(a->delay_ms, b->delay_ms);
    assert_int_equal(a->batch_size, b->batch_size);
    assert_int_equal(a->cool_down_ms, b->cool_down_ms);
    assert_int_equal(a->maximize, b->maximize);
    assert_int_equal(a->is_open, b->is_open);
    assert_int_equal(a->rate_mhz, b->rate_mhz);
    assert_int_equal(a->n_ramp, b->n_ramp);
    for (size_t i = 0; i < a->n_ramp; i++) {
        assert_int_equal(a->ramp[i].rate_mhz, b->ramp[i].rate_mhz);
        assert_int_equal(a->ramp[i].duration_s, b->ramp[i].duration_s);
    }
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->h2c, b->h2c);
    assert_string_equal(a->certificate, b->certificate);
    same_text(a->certificate_password, b->certificate_password);
    assert_string_equal(a->url.text, b->url.text);
    assert_string_equal(a->url.host, b->url.host);
    assert_string_equal(a->url.authority, b->url.authority);
    assert_string_equal(a->url.target, b->url.target);
    assert_int_equal(a->url.port, b->url.port);
    assert_int_equal(a->url.tls, b->url.tls);
    assert_string_equal(a->method, b->method);
    assert_int_equal(a->n_headers, b->n_headers);
    for (size_t i = 0; i < a->n_headers; i++) {
        assert_string_equal(a->headers[i].name, b->headers[i].name);
        assert_string_equal(a->headers[i].value, b->headers[i].value);
    }
    same_text(a->payload, b->payload);
    assert_string_equal(a->payload_file, b->payload_file);
}

static void same_plan(const struct plan *a, const struct plan *b)
{
    uint8_t x[32], y[32];

    assert_string_equal(a->name, b->name);
    assert_int_equal(a->n_rounds, b->n_rounds);
    for (size_t i = 0; i < a->n_rounds; i++) {
        assert_string_equal(a->rounds[i].name, b->rounds[i].name);
        assert_int_equal(a->rounds[i].startup_delay_ms, b->rounds[i].startup_delay_ms);
        assert_int_equal(a->rounds[i].n_clients, b->rounds[i].n_clients);
        assert_int_equal(a->rounds[i].n_stages, b->rounds[i].n_stages);
        for (size_t j = 0; j < a->rounds[i].n_stages; j++)
            assert_memory_equal(&a->rounds[i].stages[j], &b->rounds[i].stages[j],
                                sizeof(struct plan_stage));
        assert_int_equal(a->rounds[i].is_open, b->rounds[i].is_open);
        assert_int_equal(a->rounds[i].is_parallel, b->rounds[i].is_parallel);
        assert_int_equal(a->rounds[i].pacing, b->rounds[i].pacing);
        assert_int_equal(a->rounds[i].n_iterations, b->rounds[i].n_iterations);
        for (size_t j = 0; j < a->rounds[i].n_iterations; j++)
            same_iteration(&a->rounds[i].iterations[j], &b->rounds[i].iterations[j]);
    }
    plan_digest(a, x);
    plan_digest(b, y);
    assert_memory_equal(x, y, sizeof x);
}

static void a_plan_comes_back_equal_from_its_canonical_text(void **state)
{
    (void)state;
    seed = 2;
    for (int i = 0; i < 300; i++) {
        json_t *json = random_plan();
        char *text = json_dumps(json, 0);
        struct plan *plan = accepts(text);
        char *canonical = plan_format(plan);
        struct plan *again = accepts(canonical);
        char *canonical_again = plan_format(again);
        same_plan(plan, again);
        assert_string_equal(canonical, canonical_again);
        free(canonical_again);
        plan_free(again);
        free(canonical);
        plan_free(plan);
        free(text);
        json_decref(json);
    }
}

static void the_digest_ignores_blanks_escapes_and_the_order_of_keys(void **state)
{
    (void)state;
    seed = 3;
    for (int i = 0; i < 300; i++) {
        json_t *json = random_plan();
        struct buf one = {0}, other = {0};
        shuffle(json, &one);
        shuffle(json, &other);
        struct plan *a = accepts(one.data), *b = accepts(other.data);
        same_plan(a, b);
        plan_free(a);
        plan_free(b);
        buf_done(&one);
        buf_done(&other);
        json_decref(json);
    }
}

static void every_difference_changes_the_digest(void **state)
{
    static const char *const texts[] = {
        ITERATION("\"requestCount\":1"),
        ITERATION("\"requestCount\":2"),
        ITERATION("\"mode\":\"D\",\"duration\":1"),
        ITERATION("\"mode\":\"D\",\"duration\":2"),
        ROUND("\"numberOfClients\":2"),
        ROUND("\"arrivalDelay\":1"),
        ROUND("\"startupDelay\":1"),
        ROUND("\"runInParallel\":true"),
        ROUND("\"pacing\":\"batched\""),
        ROUND("\"stages\":[{\"numberOfClients\":1,\"startupDelay\":1}]"),
        ROUND("\"stages\":[" ONE "," ONE "]"),
        ITERATION("\"delay\":1"),
        ITERATION("\"mode\":\"CB\"," BATCH),
        ITERATION("\"mode\":\"CB\",\"maximizeThroughput\":true," BATCH),
        ITERATION("\"mode\":\"CB\",\"batchSize\":11,\"coolDownTime\":500"),
        ITERATION("\"mode\":\"CB\",\"batchSize\":10,\"coolDownTime\":501"),
        ITERATION("\"mode\":\"CRB\",\"requestCount\":11," BATCH),
        ITERATION("\"mode\":\"DCB\",\"duration\":11," BATCH),
        RATED("\"duration\":1,\"rate\":1"),
        RATED("\"duration\":1,\"rate\":1.001"),
        RATED("\"ramp\":[" STEP "]"),
        RATED("\"ramp\":[" STEP "," STEP "]"),
        RATED("\"ramp\":[" STEP "],\"rate\":1"),
        SENDS("\"version\":\"1.0\""),
        SENDS("\"version\":\"1.1\""),
        SENDS("\"supportH2C\":true"),
        TLS("\"method\":\"GET\""),
        TLS("\"clientCertificate\":\"" HASH "\""),
        TLS("\"clientCertificate\":\"" HASH "\",\"clientCertificatePassword\":\"x\""),
        SENDS("\"method\":\"HEAD\""),
        SENDS("\"headers\":{\"A\":\"b\"}"),
        SENDS("\"headers\":{\"a\":\"b\"}"),
        SENDS("\"headers\":{\"A\":[\"b\",\"b\"]}"),
        SENDS("\"payload\":{\"raw\":\"" HASH "\"}"),
        SENDS("\"payload\":{\"file\":\"" HASH "\"}"),
        PLAN("{\"name\":\"I\"," REQUEST "}"),
    };
    enum { N = sizeof texts / sizeof *texts };
    uint8_t digest[N][32];

    (void)state;
    for (size_t i = 0; i < N; i++) {
        struct plan *plan = accepts(texts[i]);
        plan_digest(plan, digest[i]);
        plan_free(plan);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(digest[i], digest[j], 32);
    }
}

static void freeing_nothing_is_fine(void **state)
{
    (void)state;
    plan_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_what_is_not_said),
        cmocka_unit_test(the_canonical_text_is_this_one),
        cmocka_unit_test(what_is_no_plan_is_refused),
        cmocka_unit_test(every_complaint_has_its_place),
        cmocka_unit_test(keys_of_later_are_told_from_unknown_ones),
        cmocka_unit_test(names_have_1_to_60_of_these_characters),
        cmocka_unit_test(names_are_unique_whatever_their_letter_case),
        cmocka_unit_test(placeholders_are_refused_everywhere),
        cmocka_unit_test(each_mode_takes_its_own_count),
        cmocka_unit_test(modes_are_spelled_in_upper_case),
        cmocka_unit_test(batches_have_a_size_and_a_cool_down_time),
        cmocka_unit_test(a_batch_is_less_than_the_whole),
        cmocka_unit_test(modes_without_batches_forget_the_throughput),
        cmocka_unit_test(a_delay_has_two_names),
        cmocka_unit_test(requests_have_the_keys_of_lps_by_their_other_names),
        cmocka_unit_test(versions_have_several_spellings_and_one_in_the_end),
        cmocka_unit_test(http2_in_clear_text_needs_http_and_version_2),
        cmocka_unit_test(certificates_are_files_beside_a_plan_with_https),
        cmocka_unit_test(stages_add_up_to_the_clients_of_a_round),
        cmocka_unit_test(one_stage_without_delay_is_no_stage),
        cmocka_unit_test(stages_and_clients_contradict_each_other),
        cmocka_unit_test(a_thousand_stages_are_the_limit),
        cmocka_unit_test(a_rate_opens_the_round),
        cmocka_unit_test(rates_have_three_decimals_and_one_spelling),
        cmocka_unit_test(every_rate_of_three_decimals_comes_back),
        cmocka_unit_test(a_ramp_has_its_own_duration_and_begins_at_the_rate),
        cmocka_unit_test(ramps_that_make_no_sense_are_refused),
        cmocka_unit_test(a_thousand_ramps_are_the_limit),
        cmocka_unit_test(only_mode_d_has_a_rate),
        cmocka_unit_test(a_round_is_open_or_closed),
        cmocka_unit_test(creation_of_clients_is_always_late),

        cmocka_unit_test(counts_are_whole_numbers_in_their_range),
        cmocka_unit_test(methods_are_those_of_http),
        cmocka_unit_test(headers_keep_the_order_of_their_values_and_are_sorted_by_name),
        cmocka_unit_test(headers_that_cannot_be_sent_are_refused),
        cmocka_unit_test(a_hundred_header_values_are_the_limit),
        cmocka_unit_test(a_payload_is_a_text_or_a_file),
        cmocka_unit_test(a_thousand_series_are_the_limit),
        cmocka_unit_test(series_count_through_all_rounds),
        cmocka_unit_test(most_clients_are_those_of_the_largest_round),
        cmocka_unit_test(the_canonical_text_has_at_most_256_kib),
        cmocka_unit_test(a_flood_of_mistakes_is_counted_but_not_kept),
        cmocka_unit_test(a_plan_comes_back_equal_from_its_canonical_text),
        cmocka_unit_test(the_digest_ignores_blanks_escapes_and_the_order_of_keys),
        cmocka_unit_test(every_difference_changes_the_digest),
        cmocka_unit_test(freeing_nothing_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
