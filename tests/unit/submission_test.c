#include "worker/daemon/submission.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/jtext.h"

#define ID "\"submissionId\":\"2f1c\""
#define PLAN(request)                                                                       \
    "\"plan\":{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"numberOfClients\":1,"           \
    "\"arrivalDelay\":0,\"iterations\":[{\"name\":\"i\",\"mode\":\"R\",\"requestCount\":1," \
    "\"httpRequest\":{" request "}}]}]}"
#define GET PLAN("\"url\":\"http://127.0.0.1/\",\"method\":\"GET\",\"headers\":{}")
#define POST \
    PLAN("\"url\":\"http://127.0.0.1/\",\"method\":\"POST\",\"payload\":{\"file\":\"" ABC "\"}")
// SHA-256 of "abc" (FIPS 180-4, example), which is YWJj in base64.
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static int parse(const char *text, struct diag *d, struct submission **ret)
{
    json_t *json = NULL;

    assert_int_equal(jtext_parse(text, strlen(text), d, &json), 0);
    int r = submission_parse(json, d, ret);
    json_decref(json);
    return r;
}

static void assert_refused(const char *text, int error, const char *why)
{
    struct diag d = {0};
    struct submission *s = NULL;

    assert_int_equal(parse(text, &d, &s), error);
    assert_null(s);
    assert_true(d.n > 0);
    if (strstr(d.entry[0].text, why) == NULL)
        fail_msg("%s: found \"%s\", expected \"%s\"", text, d.entry[0].text, why);
    diag_done(&d);
}

static struct submission *taken(const char *text)
{
    struct diag d = {0};
    struct submission *s = NULL;

    if (parse(text, &d, &s) < 0)
        fail_msg("%s: %s", text, d.entry[0].text);
    diag_done(&d);
    return s;
}

static void the_least_submission_is_taken(void **state)
{
    struct submission *s = taken("{" ID "," GET ",\"unknown\":1}");
    uint8_t digest[32];

    (void)state;
    assert_string_equal(s->id, "2f1c");
    assert_string_equal(s->plan->name, "p");
    assert_true(s->wait_ns == INT64_MAX);
    assert_int_equal(s->n_files, 0);
    plan_digest(s->plan, digest);
    assert_memory_equal(digest, s->digest, 32);
    submission_free(s);
    submission_free(NULL);
}

static void ids_are_short_and_plain(void **state)
{
    char longest[SUBMISSION_ID_MAX + 2];

    (void)state;
    assert_refused("{" GET "}", -EINVAL, "submissionId");
    assert_refused("{\"submissionId\":7," GET "}", -EINVAL, "submissionId");
    assert_refused("{\"submissionId\":\"\"," GET "}", -EINVAL, "submissionId");
    assert_refused("{\"submissionId\":\"a/b\"," GET "}", -EINVAL, "submissionId");
    memset(longest, 'a', sizeof longest);
    longest[SUBMISSION_ID_MAX + 1] = '\0';
    assert_false(submission_is_id(longest));
    longest[SUBMISSION_ID_MAX] = '\0';
    assert_true(submission_is_id(longest));
}

static void a_bad_plan_is_refused_by_name(void **state)
{
    (void)state;
    assert_refused("{" ID "}", -EINVAL, "plan");
    assert_refused("{" ID ",\"plan\":[]}", -EINVAL, "plan");
    assert_refused("{" ID "," PLAN("\"url\":\"ftp://a/\"") "}", -EINVAL, "url");
}

static void a_plan_beyond_the_limit_is_too_large(void **state)
{
    char *name = xcalloc(1, PLAN_BYTES_MAX + 1);

    (void)state;
    memset(name, 'a', PLAN_BYTES_MAX);
    char *text = xasprintf("{" ID ",\"plan\":{\"name\":\"%s\"}}", name);
    assert_refused(text, -EFBIG, "at most");
    free(text);
    free(name);
}

static void the_wait_is_a_bounded_number(void **state)
{
    struct submission *s = taken("{" ID "," GET ",\"waitSeconds\":2.5}");

    (void)state;
    assert_true(s->wait_ns == 2500000000LL);
    submission_free(s);
    s = taken("{" ID "," GET ",\"waitSeconds\":0}");
    assert_true(s->wait_ns == 0);
    submission_free(s);
    s = taken("{" ID "," GET ",\"waitSeconds\":1e9}");
    submission_free(s);
    assert_refused("{" ID "," GET ",\"waitSeconds\":-1}", -EINVAL, "waitSeconds");
    assert_refused("{" ID "," GET ",\"waitSeconds\":1.1e9}", -EINVAL, "waitSeconds");
    assert_refused("{" ID "," GET ",\"waitSeconds\":\"2\"}", -EINVAL, "waitSeconds");
}

static void files_are_checked_by_their_hash(void **state)
{
    struct submission *s = taken("{" ID "," POST ",\"files\":{\"" ABC "\":\"YWJj\"}}");

    (void)state;
    assert_int_equal(s->n_files, 1);
    assert_int_equal(s->files[0].content.len, 3);
    assert_memory_equal(s->files[0].content.data, "abc", 3);
    submission_free(s);
    assert_refused("{" ID "," POST "}", -EINVAL, "is missing");
    assert_refused("{" ID "," POST ",\"files\":{\"" ABC "\":\"YWJk\"}}", -EINVAL, "SHA-256");
    assert_refused("{" ID "," POST ",\"files\":{\"" ABC "\":\"?\"}}", -EINVAL, "base64");
    assert_refused("{" ID "," POST ",\"files\":{\"" ABC "\":1}}", -EINVAL, "base64");
    assert_refused("{" ID "," POST ",\"files\":[]}", -EINVAL, "expected an object");
    assert_refused("{" ID "," GET ",\"files\":{\"" ABC "\":\"YWJj\"}}", -EINVAL, "names no file");
    assert_refused("{" ID "," GET ",\"files\":{\"\":\"YWJj\"}}", -EINVAL, "names no file");
}

static void the_seed_is_a_whole_number_or_absent(void **state)
{
    struct submission *s = taken("{" ID "," GET ",\"seed\":null}");

    (void)state;
    assert_false(s->has_seed);
    submission_free(s);
    s = taken("{" ID "," GET ",\"seed\":9223372036854775807}");
    assert_true(s->has_seed);
    assert_true(s->seed == INT64_MAX);
    submission_free(s);
    assert_refused("{" ID "," GET ",\"seed\":-1}", -EINVAL, "seed");
    assert_refused("{" ID "," GET ",\"seed\":1.5}", -EINVAL, "seed");
    assert_refused("{" ID "," GET ",\"seed\":\"1\"}", -EINVAL, "seed");
}

static void it_waits_for_others_only_when_asked_to(void **state)
{
    struct submission *s = taken("{" ID "," GET ",\"queue\":null}");

    (void)state;
    assert_false(s->queue);
    submission_free(s);
    s = taken("{" ID "," GET ",\"queue\":true}");
    assert_true(s->queue);
    submission_free(s);
    assert_refused("{" ID "," GET ",\"queue\":1}", -EINVAL, "queue");
}

static void a_certificate_is_a_file_of_the_plan(void **state)
{
#define CERTIFICATE                                                    \
    PLAN("\"url\":\"https://127.0.0.1/\",\"clientCertificate\":\"" ABC \
         "\",\"clientCertificatePassword\":\"hush\"")
    struct submission *s = taken("{" ID "," CERTIFICATE ",\"files\":{\"" ABC "\":\"YWJj\"}}");
    char *text = submission_redacted_plan(s);

    (void)state;
    assert_int_equal(s->n_files, 1);
    assert_null(strstr(text, "hush"));
    assert_non_null(strstr(text, "\"clientCertificatePassword\":\"redacted\""));
    assert_non_null(strstr(text, ABC));
    assert_non_null(strstr(s->plan_text, "hush")); // what runs is untouched
    free(text);
    submission_free(s);
    assert_refused("{" ID "," CERTIFICATE "}", -EINVAL, "is missing");
}

// Base64 of n zero bytes, n a multiple of 3; their hash into hex.
static char *zeros(size_t n, char hex[65])
{
    uint8_t *bytes = xcalloc(1, n), digest[32];
    char *text = str_base64(bytes, n);

    str_sha256(bytes, n, digest);
    str_hex(digest, 32, hex);
    free(bytes);
    return text;
}

static void files_beyond_the_limit_are_too_large(void **state)
{
    char hex[65], *text, *base64;

    (void)state;
    for (int over = 0; over <= 1; over++) {
        base64 = zeros(PLAN_FILES_MAX / 3 * 3 + (over ? 3 : 0), hex);
        text = xasprintf(
            "{" ID "," PLAN("\"url\":\"http://a/"
                            "\",\"method\":\"POST\",\"payload\":{\"file\":\"%s\"}") ",\"files\":{"
                                                                                    "\"%s\":\"%s\"}"
                                                                                    "}",
            hex, hex, base64);
        assert_true(strlen(text) < SUBMISSION_BODY_MAX);
        if (over)
            assert_refused(text, -EFBIG, "more than 32 MiB");
        else
            submission_free(taken(text));
        free(text);
        free(base64);
    }
}

static void secrets_do_not_leave_the_node(void **state)
{
    struct submission *s = taken(
        "{" ID "," PLAN("\"url\":\"http://127.0.0.1/a?code=hush\",\"method\":\"POST\",\"headers\":{"
                        "\"Authorization\":\"Bearer hush\",\"x-api-KEY\":[\"hush\",\"hush\"],"
                        "\"Accept\":\"text/html\"},\"payload\":{\"raw\":\"pin=hush\"}") "}");
    char *text = submission_redacted_plan(s);

    (void)state;
    assert_null(strstr(text, "hush"));
    assert_non_null(strstr(text, "text/html"));
    assert_non_null(strstr(text, "redacted, 8 bytes"));
    assert_non_null(strstr(s->plan_text, "hush")); // what runs is untouched
    free(text);
    submission_free(s);
}

static void queries_are_cut_outside_of_placeholders(void **state)
{
    static const char *const rows[][2] = {
        {"http://a/b", "http://a/b"},
        {"http://a/b?c", "http://a/b?redacted"},
        {"http://a/${b}?c", "http://a/${b}?redacted"},
        {"http://a/b/$touppercase(what?)/c?d", "http://a/b/?redacted"},
        {"http://a/$$?b", "http://a/$$?redacted"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = xasprintf("{" ID "," PLAN("\"url\":\"%s\"") "}", rows[i][0]);
        char *expected = xasprintf("\"url\":\"%s\"", rows[i][1]);
        struct submission *s = taken(text);
        char *redacted = submission_redacted_plan(s);
        if (strstr(redacted, expected) == NULL)
            fail_msg("found %s, expected %s", redacted, expected);
        submission_free(s);
        free(redacted);
        free(expected);
        free(text);
    }
}

static void secret_variables_and_parts_do_not_leave_the_node(void **state)
{
    struct submission *s =
        taken("{" ID ",\"plan\":{\"name\":\"p\",\"variables\":[{\"name\":\"pin\",\"value\":"
              "\"hush\",\"secret\":true},{\"name\":\"open\",\"value\":\"word\"}],\"rounds\":[{"
              "\"name\":\"r\",\"iterations\":[{\"name\":\"i\",\"httpRequest\":{\"url\":"
              "\"http://a/\",\"method\":\"POST\",\"payload\":{\"multipart\":{\"fields\":[{"
              "\"name\":\"f\",\"value\":\"hush\"}]}}}}]}]}}");
    char *text = submission_redacted_plan(s);

    (void)state;
    assert_null(strstr(text, "hush"));
    assert_non_null(strstr(text, "word"));
    assert_non_null(strstr(s->plan_text, "hush")); // what runs is untouched
    free(text);
    submission_free(s);
}

// A thousand short payloads, and paths of pad bytes each.
static char *with_payloads(int pad)
{
    struct buf b = {0};

    buf_puts(&b, "{" ID ",\"plan\":{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"iterations\":[");
    for (int i = 0; i < 1000; i++)
        buf_printf(&b,
                   "%s{\"name\":\"i%d\",\"httpRequest\":{\"url\":\"http://a/%0*d\",\"method\":"
                   "\"POST\",\"payload\":{\"raw\":\"x\"}}}",
                   i > 0 ? "," : "", i, pad, 0);
    buf_puts(&b, "]}]}}");
    return buf_take(&b);
}

static void a_plan_that_the_master_could_not_take_is_too_large(void **state)
{
    char *text = with_payloads(1);
    struct submission *s = taken(text);
    int pad = (int)(PLAN_BYTES_MAX - strlen(s->plan_text)) / 1000;

    (void)state;
    submission_free(s);
    free(text);
    text = with_payloads(pad); // a payload grows by more than that when it is redacted
    assert_refused(text, -EFBIG, "once what is secret is replaced");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_submission_is_taken),
        cmocka_unit_test(ids_are_short_and_plain),
        cmocka_unit_test(a_bad_plan_is_refused_by_name),
        cmocka_unit_test(a_plan_beyond_the_limit_is_too_large),
        cmocka_unit_test(the_wait_is_a_bounded_number),
        cmocka_unit_test(files_are_checked_by_their_hash),
        cmocka_unit_test(the_seed_is_a_whole_number_or_absent),
        cmocka_unit_test(it_waits_for_others_only_when_asked_to),
        cmocka_unit_test(a_certificate_is_a_file_of_the_plan),
        cmocka_unit_test(files_beyond_the_limit_are_too_large),
        cmocka_unit_test(secrets_do_not_leave_the_node),
        cmocka_unit_test(queries_are_cut_outside_of_placeholders),
        cmocka_unit_test(secret_variables_and_parts_do_not_leave_the_node),
        cmocka_unit_test(a_plan_that_the_master_could_not_take_is_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
