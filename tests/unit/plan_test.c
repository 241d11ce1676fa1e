// Plans as a whole: names, modes, counts, series, the canonical text.
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

static void keys_that_are_none_are_refused(void **state)
{
    (void)state;
    refuses(ROUND("\"tags\":[]"), "rounds[0]: unknown key \"tags\"");
    refuses(ROUND("\"baseUrl\":\"http://a\""), "rounds[0]: unknown key \"baseUrl\"");
    refuses(SENDS("\"clientCertificatePath\":\"x\""),
            AT "httpRequest: unknown key \"clientCertificatePath\", did you mean");
    refuses(ITERATION("\"mod\":\"R\""), "rounds[0].iterations[0]: unknown key \"mod\", did you m");
    refuses(ITERATION("\"Mode\":\"R\""), "rounds[0].iterations[0]: unknown key \"Mode\", did you");
    refuses(ITERATION("\"zzzzzz\":1"), "rounds[0].iterations[0]: unknown key \"zzzzzz\"");
    refuses(ITERATION("\"failureCriteria\":{}"),
            "rounds[0].iterations[0]: found \"failureCriteria\", expected \"failureRules\"");
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

static void placeholders_are_left_for_each_request(void **state)
{
    struct plan *plan = accepts(PLAN(
        "{\"name\":\"i\",\"httpRequest\":{\"url\":\"http://a/${x}?y=$y#z\",\"method\":\"${m}\","
        "\"headers\":{\"A\":\"x$y\"},\"payload\":{\"raw\":\"a $ b ${x}\"}}}"));

    (void)state;
    assert_string_equal(first(plan)->url.target, "/${x}?y=$y");
    assert_string_equal(first(plan)->method, "${m}");
    assert_string_equal(first(plan)->headers[0].value, "x$y");
    assert_string_equal(first(plan)->payload, "a $ b ${x}");
    plan_free(plan);
    refuses(PLAN("{\"name\":\"$n\"," REQUEST "}"), AT "name: found \"$n\", expected only");
    refuses(ITERATION("\"mode\":\"$m\""), AT "mode: found \"$m\", expected \"R\"");
    refuses(SENDS("\"method\":\"${m\""), REQ "method: at character 1: found '{' without its '}'");
    refuses(SENDS("\"headers\":{\"A\":\"x ${y\"}"), REQ "headers.A: at character 3: found '{' w");
    refuses(SENDS("\"payload\":{\"raw\":\"$nosuch()\"}"),
            REQ "payload.raw: at character 2: unknown method");
    refuses(PLAN("{\"name\":\"i\",\"httpRequest\":{\"url\":\"$u\"}}"),
            REQ "url: expected an URL that begins with http");
    refuses(PLAN("{\"name\":\"i\",\"httpRequest\":{\"url\":\"http://${h}/\"}}"),
            REQ "url: found '$' in the host");
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

static char *with_payload(size_t n, const char *members)
{
    struct buf b = {0};

    buf_puts(&b, "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"i\","
                 "\"httpRequest\":{" URL);
    buf_puts(&b, members);
    buf_puts(&b, ",\"payload\":{\"raw\":\"");
    for (size_t i = 0; i < n; i++)
        buf_puts(&b, "x");
    buf_puts(&b, "\"}}}]}]}");
    return buf_take(&b);
}

static void the_canonical_text_has_at_most_256_kib(void **state)
{
    char *text = with_payload(1, "");
    struct plan *plan = accepts(text);
    char *canonical = plan_format(plan);
    size_t room = PLAN_BYTES_MAX - strlen(canonical) + 1;

    (void)state;
    plan_free(plan);
    free(canonical);
    free(text);

    text = with_payload(room, "");
    plan = accepts(text);
    canonical = plan_format(plan);
    assert_int_equal(strlen(canonical), PLAN_BYTES_MAX);
    plan_free(plan);
    free(canonical);
    free(text);

    text = with_payload(room + 1, "");
    refuses(text, "found a plan of 262145 bytes, expected at most 262144");
    free(text);
}

// "***" is longer than what it stands for here.
static void so_has_the_text_for_others(void **state)
{
    static const char secret[] = ",\"headers\":{\"Authorization\":\"\"}";
    char *text = with_payload(1, secret);
    struct plan *plan = accepts(text);
    char *public = plan_format_public(plan);
    size_t room = PLAN_BYTES_MAX - strlen(public) + 1;

    (void)state;
    plan_free(plan);
    free(public);
    free(text);

    text = with_payload(room, secret);
    plan = accepts(text);
    plan_free(plan_public(plan));
    plan_free(plan);
    free(text);

    text = with_payload(room + 1, secret);
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
        cmocka_unit_test(keys_that_are_none_are_refused),
        cmocka_unit_test(names_have_1_to_60_of_these_characters),
        cmocka_unit_test(names_are_unique_whatever_their_letter_case),
        cmocka_unit_test(placeholders_are_left_for_each_request),
        cmocka_unit_test(each_mode_takes_its_own_count),
        cmocka_unit_test(modes_are_spelled_in_upper_case),
        cmocka_unit_test(batches_have_a_size_and_a_cool_down_time),
        cmocka_unit_test(a_batch_is_less_than_the_whole),
        cmocka_unit_test(modes_without_batches_forget_the_throughput),
        cmocka_unit_test(a_delay_has_two_names),
        cmocka_unit_test(counts_are_whole_numbers_in_their_range),
        cmocka_unit_test(a_thousand_series_are_the_limit),
        cmocka_unit_test(series_count_through_all_rounds),
        cmocka_unit_test(most_clients_are_those_of_the_largest_round),
        cmocka_unit_test(the_canonical_text_has_at_most_256_kib),
        cmocka_unit_test(so_has_the_text_for_others),
        cmocka_unit_test(a_flood_of_mistakes_is_counted_but_not_kept),
        cmocka_unit_test(freeing_nothing_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
