#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "common/str.h"
#include "worker/cli/plan_build.h"

static struct options options;
static struct plan_build built;
static size_t n_warnings;
static char payload_path[] = "/tmp/lps-plan-build-XXXXXX";
static char path_word[64]; // Path:payload_path

static int build(struct diag *d, const char *const *words)
{
    struct diag warnings = {0};
    char *argv[250];
    int argc = 0;

    for (; words[argc] != NULL; argc++)
        argv[argc] = (char *)words[argc];
    plan_build_done(&built);
    options_done(&options);
    assert_int_equal(options_parse(argc, argv, d, &options), 0);
    int r = plan_build(&options, &warnings, d, &built);
    n_warnings = warnings.n;
    diag_done(&warnings);
    return r;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

#define builds(...)                                \
    do {                                           \
        struct diag d_ = {0};                      \
        int r_ = build(&d_, WORDS(__VA_ARGS__));   \
        if (r_ < 0)                                \
            print_error("%s\n", d_.entry[0].text); \
        diag_done(&d_);                            \
        assert_int_equal(r_, 0);                   \
    } while (0)

// What begins with this text is refused, in one line and without a place.
#define refuses(begin, ...)                                       \
    do {                                                          \
        struct diag d_ = {0};                                     \
        assert_true(build(&d_, WORDS(__VA_ARGS__)) < 0);          \
        assert_int_equal(d_.n, 1);                                \
        assert_int_equal(d_.entry[0].line, 0);                    \
        if (strncmp(d_.entry[0].text, begin, strlen(begin)) != 0) \
            fail_msg("%s", d_.entry[0].text);                     \
        diag_done(&d_);                                           \
    } while (0)

#define U "-u", "http://127.0.0.1:8080/"

static const struct plan_iteration *iteration(void)
{
    return &built.plan->rounds[0].iterations[0];
}

static const char *header(const char *name, size_t nth)
{
    for (size_t i = 0; i < iteration()->n_headers; i++)
        if (strcmp(iteration()->headers[i].name, name) == 0 && nth-- == 0)
            return iteration()->headers[i].value;
    return NULL;
}

static void a_target_alone_is_one_get(void **state)
{
    (void)state;
    builds(U);
    assert_string_equal(built.plan->name, "Quick-Test-Plan");
    assert_int_equal(built.plan->n_rounds, 1);
    assert_string_equal(built.plan->rounds[0].name, "Quick-Test-Round");
    assert_int_equal(built.plan->rounds[0].n_clients, 1);
    assert_int_equal(built.plan->rounds[0].stages[0].arrival_delay_ms, 0);
    assert_int_equal(built.plan->rounds[0].n_iterations, 1);
    assert_string_equal(iteration()->name, "Quick-Http-Iteration");
    assert_int_equal(iteration()->mode, PLAN_MODE_R);
    assert_int_equal(iteration()->request_count, 1);
    assert_string_equal(iteration()->method, "GET");
    assert_string_equal(iteration()->url.host, "127.0.0.1");
    assert_int_equal(iteration()->url.port, 8080);
    assert_int_equal(iteration()->n_headers, 0);
    assert_null(iteration()->payload);
    assert_string_equal(iteration()->payload_file, "");
    assert_int_equal(built.n_files, 0);
}

static void every_option_reaches_the_plan(void **state)
{
    (void)state;
    builds("-u", "https://host/a?b=c", "-n", "p", "-rn", "r", "-in", "i", "-nc", "10", "-ad", "200",
           "-rc", "700", "-hm", "post", "-p", "{\"a\": 1}", "-h", "X-A: b", "-sd", "3", "-rip",
           "-dcc", "--pacing", "batched", "-hv", "HTTP/1.1", "-h2c=false", "-mt");
    assert_string_equal(built.plan->name, "p");
    assert_string_equal(built.plan->rounds[0].name, "r");
    assert_int_equal(built.plan->rounds[0].n_clients, 10);
    assert_int_equal(built.plan->rounds[0].stages[0].arrival_delay_ms, 200);
    assert_int_equal(built.plan->rounds[0].startup_delay_ms, 3);
    assert_true(built.plan->rounds[0].is_parallel);
    assert_int_equal(built.plan->rounds[0].pacing, PLAN_PACING_BATCHED);
    assert_string_equal(iteration()->name, "i");
    assert_int_equal(iteration()->request_count, 700);
    assert_int_equal(iteration()->version, PLAN_VERSION_1_1);
    assert_false(iteration()->h2c);
    assert_string_equal(iteration()->method, "POST");
    assert_true(iteration()->url.tls);
    assert_string_equal(iteration()->url.target, "/a?b=c");
    assert_string_equal(iteration()->payload, "{\"a\": 1}");
    assert_string_equal(header("X-A", 0), "b");
}

static void a_duration_alone_means_mode_d(void **state)
{
    (void)state;
    builds(U, "-d", "60");
    assert_int_equal(iteration()->mode, PLAN_MODE_D);
    assert_int_equal(iteration()->duration_s, 60);
    assert_int_equal(iteration()->request_count, 0);
    builds(U, "-im", "d", "-d", "60");
    assert_int_equal(iteration()->mode, PLAN_MODE_D);
    builds(U, "-im", "r");
    assert_int_equal(iteration()->mode, PLAN_MODE_R);
    assert_int_equal(iteration()->request_count, 1);
}

static void a_batch_size_alone_goes_on_until_the_end(void **state)
{
    (void)state;
    builds(U, "-bs", "10", "-cdt", "500");
    assert_int_equal(iteration()->mode, PLAN_MODE_CB);
    assert_int_equal(iteration()->batch_size, 10);
    assert_int_equal(iteration()->cool_down_ms, 500);
    builds(U, "-bs", "10", "-cdt", "500", "-rc", "25", "-mt");
    assert_int_equal(iteration()->mode, PLAN_MODE_CRB);
    assert_int_equal(iteration()->request_count, 25);
    assert_true(iteration()->maximize);
    builds(U, "-bs", "2", "-cdt", "400", "-d", "1");
    assert_int_equal(iteration()->mode, PLAN_MODE_DCB);
    assert_int_equal(iteration()->duration_s, 1);
    builds(U, "-im", "crb", "-bs", "2", "-cdt", "400", "-rc", "3");
    assert_int_equal(iteration()->mode, PLAN_MODE_CRB);
}

static void a_rate_means_mode_d_and_a_bound_of_1000(void **state)
{
    (void)state;
    builds(U, "--rate", "33.333", "-d", "60");
    assert_int_equal(iteration()->mode, PLAN_MODE_D);
    assert_true(iteration()->is_open);
    assert_int_equal(iteration()->rate_mhz, 33333);
    assert_int_equal(iteration()->duration_s, 60);
    assert_int_equal(built.plan->rounds[0].n_clients, 1000);
    builds(U, "--rate", "5", "-d", "1", "-nc", "7", "-im", "D", "-mt");
    assert_int_equal(built.plan->rounds[0].n_clients, 7);
}

static void a_ramp_needs_no_rate_and_no_duration(void **state)
{
    (void)state;
    builds(U, "--ramp", "100.5:30", "--ramp", "0:5");
    assert_true(iteration()->is_open);
    assert_int_equal(iteration()->rate_mhz, 0);
    assert_int_equal(iteration()->n_ramp, 2);
    assert_int_equal(iteration()->ramp[0].rate_mhz, 100500);
    assert_int_equal(iteration()->ramp[0].duration_s, 30);
    assert_int_equal(iteration()->duration_s, 35);
    builds(U, "--rate", "1", "--ramp", "2:3");
    assert_int_equal(iteration()->rate_mhz, 1000);
}

static void rates_and_ramps_that_make_no_sense_are_refused(void **state)
{
    static const char *const bad[] = {"",      ":",    "5",     "5:",    ":5",        "5:0",
                                      "5:1.5", "-1:5", "1e3:5", "5:6:7", "5:31536001"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *begin = xasprintf("--ramp %s: found \"%s\", expected RATE:SECONDS", bad[i], bad[i]);
        refuses(begin, U, "--ramp", bad[i]);
        free(begin);
    }
    refuses("--ramp: found no rate above 0", U, "--ramp", "0:5");
    refuses("--ramp: found 0.0005, expected a number from 0", U, "--ramp", "0.0005:5");
    refuses("--ramp: found durations of 31536001 s together", U, "--ramp", "1:1", "--ramp",
            "1:31536000");
    refuses("--rate: found 0.0005, expected a number above 0", U, "-d", "1", "--rate", "0.0005");
    refuses("mode D: the duration is missing, expected -d SECONDS", U, "--rate", "5");
    refuses("-d and --ramp: found both", U, "-d", "5", "--ramp", "5:5");
    refuses("-rc: mode D takes no request count", U, "-rc", "5", "--rate", "5");
    refuses("-bs: mode D takes no batch size", U, "-bs", "5", "--rate", "5", "-d", "1");
    refuses("--rate: mode R takes no rate", U, "-im", "R", "--rate", "5");
    refuses("-ad: not with a rate", U, "-ad", "5", "--rate", "5", "-d", "1");
}

static void a_mode_and_its_options_agree(void **state)
{
    (void)state;
    refuses("-rc and -d: found both, expected one of them", U, "-rc", "7", "-d", "60");
    refuses("-rc and -d: found both, expected one of them", U, "-rc", "7", "-d", "60", "-bs", "1");
    refuses("-d: mode R takes no duration", U, "-im", "R", "-d", "60");
    refuses("-rc: mode D takes no request count", U, "-im", "D", "-d", "60", "-rc", "7");
    refuses("-cdt: mode R takes no cool-down time", U, "-im", "R", "-cdt", "60");
    refuses("-d: mode CRB takes no duration", U, "-im", "CRB", "-d", "60", "-rc", "7");
    refuses("mode D: the duration is missing, expected -d SECONDS", U, "-im", "D");
    refuses("mode CRB: the request count is missing, expected -rc N", U, "-im", "CRB");
    refuses("mode CB: the cool-down time is missing, expected -cdt MS", U, "-bs", "1");
    refuses("mode CB: the batch size is missing, expected -bs N", U, "-cdt", "1");
    refuses("-rc: found 5, expected more than the batch size of 5", U, "-bs", "5", "-cdt", "1",
            "-rc", "5");
    refuses("-d: found 1 s, expected more than the cool-down", U, "-bs", "5", "-cdt", "1000", "-d",
            "1");
    refuses("-im X: found \"X\", expected R, D, CB, CRB or DCB", U, "-im", "X");
    refuses("-im : found \"\", expected R, D, CB, CRB or DCB", U, "-im", "");
}

static void versions_and_pacings_are_named_by_their_options(void **state)
{
    (void)state;
    builds(U, "-h2c");
    assert_true(iteration()->h2c);
    refuses("-hv: found \"3.0\", expected \"1.0\"", U, "-hv", "3.0");
    refuses("--pacing: found \"fast\", expected", U, "--pacing", "fast");
    refuses("-h2c: found true and a version below 2.0", U, "-h2c", "-hv", "1.1");
    refuses("-sh2c: found true and an URL with https://", "-u", "https://a/", "-sh2c");
}

static void the_target_is_an_absolute_http_url(void **state)
{
    (void)state;
    refuses("the target is missing, expected --url URL", "-rc", "7");
    refuses("-u : ", "-u", "");
    refuses("-u example.com: ", "-u", "example.com");
    refuses("--URL ftp://a/: ", "--URL", "ftp://a/");
    refuses("-u http://a:99999/: ", "-u", "http://a:99999/");
    refuses("-u http://: ", "-u", "http://");
}

static void a_header_is_split_at_its_first_colon(void **state)
{
    (void)state;
    builds(U, "-h", "https://www.example.com", "-h", "X-Time:  12:30", "-h", "Empty:");
    assert_string_equal(header("https", 0), "//www.example.com");
    assert_string_equal(header("X-Time", 0), "12:30");
    assert_string_equal(header("Empty", 0), "");
}

static void a_header_may_have_several_values(void **state)
{
    (void)state;
    builds(U, "-h", "X-A: 1", "-h", "x-a: 2", "-h", "X-A: 1");
    assert_int_equal(iteration()->n_headers, 3);
    assert_string_equal(header("X-A", 0), "1");
    assert_string_equal(header("X-A", 1), "2");
    assert_string_equal(header("X-A", 2), "1");
}

static void headers_that_would_break_the_request_are_refused(void **state)
{
    (void)state;
    refuses("-h: found no colon, expected \"Name: value\"", U, "-h", "Accept");
    refuses("-h: found no colon, expected", U, "-h", "");
    refuses("-h \"\": ", U, "-h", ": x");
    refuses("-h \"A b\": ", U, "-h", "A b: x");
    refuses("-h \"A\": ", U, "-h", "A: x\r\nB: y");
    refuses("-h \"A\": ", U, "-h", "A: x\ny");
    refuses("-h \"A\r\": ", U, "-h", "A\r: x");
}

static void bytes_that_are_no_utf8_are_refused(void **state)
{
    (void)state;
    refuses("-p: found bytes that are not UTF-8, expected Path:FILE", U, "-p", "\xff");
    refuses("-h: found bytes that are not UTF-8", U, "-h", "A: \xc3");
    refuses("-n: found bytes that are not UTF-8", U, "-n", "\x80");
}

static void a_payload_file_travels_by_its_hash(void **state)
{
    (void)state;
    builds(U, "-p", path_word);
    assert_null(iteration()->payload);
    // printf 'a\0\377b' | sha256sum
    assert_string_equal(iteration()->payload_file,
                        "fcd85e9c993cd598fe7a2088e571af403a43adbc2ff8a39a4e67aec0dc69d960");
    assert_int_equal(built.n_files, 1);
    assert_string_equal(built.files[0].sha256, iteration()->payload_file);
    assert_int_equal(built.files[0].len, 4);
    assert_memory_equal(built.files[0].bytes,
                        "a\0\xff"
                        "b",
                        4);
}

static void a_payload_file_must_be_there(void **state)
{
    (void)state;
    refuses("-p: cannot read /nowhere/body.json: No such file or directory", U, "-p",
            "Path:/nowhere/body.json");
    refuses("-p: cannot read /tmp: Is a directory", U, "-p", "Path:/tmp");
    refuses("-p: found an empty path, expected that of a file", U, "-p", "Path:");
    refuses("-p: /dev/zero has more than 32 MiB", U, "-p", "path:/dev/zero");
    refuses("-p: cannot read URL:ftp://a/: expected http:// or https://", U, "-p", "URL:ftp://a/");
    refuses("-p: cannot read url:http://127.0.0.1:1/: ", U, "-p", "url:http://127.0.0.1:1/");
}

#define S "-u", "https://127.0.0.1/"

// A self-signed certificate with its key, in PEM; its path is the caller's to free.
static char *write_identity(const char *password)
{
    char *path = xstrdup("/tmp/lps-identity-XXXXXX.pem");
    FILE *f = fdopen(mkstemps(path, 4), "w");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();

    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_X509(f, cert), 1);
    assert_int_equal(
        PEM_write_PKCS8PrivateKey(f, key, password != NULL ? EVP_aes_128_cbc() : NULL, password,
                                  password != NULL ? (int)strlen(password) : 0, NULL, NULL),
        1);
    fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
    return path;
}

static void a_certificate_travels_by_its_hash(void **state)
{
    char *plain = write_identity(NULL), *locked = write_identity("pw");

    (void)state;
    builds(S, "-ccp", locked, "-ccpw", "pw");
    assert_string_equal(iteration()->certificate_password, "pw");
    assert_int_equal(built.n_files, 1);
    assert_string_equal(built.files[0].sha256, iteration()->certificate);
    assert_memory_equal(built.files[0].bytes, "-----BEGIN ", 11);

    builds(S, "-ccp", plain, "-p", path_word);
    assert_int_equal(built.n_files, 2);
    assert_string_equal(built.files[0].sha256, iteration()->certificate);
    assert_string_equal(built.files[1].sha256, iteration()->payload_file);
    assert_null(iteration()->certificate_password);

    refuses("-ccp: cannot use", S, "-ccp", locked, "-ccpw", "other");
    refuses("-ccp: found a certificate and an URL with http://", U, "-ccp", plain);
    remove(plain);
    remove(locked);
    free(plain);
    free(locked);
}

static void a_certificate_must_be_there_and_of_use(void **state)
{
    char *reads = xasprintf("X-A: $read(path=%s)", payload_path);

    (void)state;
    refuses("-ccp: cannot read /nowhere/me.pem: No such file", S, "-ccp", "/nowhere/me.pem");
    refuses("-ccp: found an empty path", S, "-ccp", "");
    refuses("-ccp: /dev/zero has more than 32 MiB", S, "-ccp", "/dev/zero");
    refuses("-p: with the other files, /dev/zero has more than 32 MiB", U, "-p", "Path:/dev/zero",
            "-h", reads);
    refuses("-ccpw: found a password without a certificate", S, "-ccpw", "pw");
    free(reads);
}

static void requests_may_have_placeholders(void **state)
{
    (void)state;
    builds("-u", "http://127.0.0.1:8080/$counter(start=1)", "-h", "X-A: $guid()", "-p", "${a} $$5");
    assert_string_equal(iteration()->url.host, "127.0.0.1");
    assert_string_equal(iteration()->url.target, "/${counter(start=1)}");
    assert_string_equal(header("X-A", 0), "$guid()");
    assert_string_equal(iteration()->payload, "${a} $$5");
    refuses("-u: ", "-u", "http://127.0.0.1/$nothing(");
    refuses("-h X-A: ", U, "-h", "X-A: $nothing()");
    refuses("-hm: at character 2: unknown method", U, "-hm", "$nothing()");
}

static void rules_and_flags_of_the_test_language_reach_the_plan(void **state)
{
    (void)state;
    builds(U, "-fr", "ErrorRate > 0.02;>= 500", "-fr", "TTFB.P95 > 5", "-tr",
           "TTFB > 500;10s;= 503", "-dhtmler", "-sr", "--thinkTime", "20");
    assert_int_equal(iteration()->n_failure, 2);
    assert_string_equal(iteration()->failure[0].codes, ">= 500");
    assert_int_equal(iteration()->n_termination, 1);
    assert_int_equal(iteration()->termination[0].grace_ms, 10000);
    assert_string_equal(iteration()->termination[0].codes, "= 503");
    assert_true(iteration()->with_resources);
    assert_true(iteration()->save_response);
    assert_int_equal(iteration()->think_min_ms, 20);
    assert_int_equal(iteration()->think_max_ms, 20);
    refuses("-fr \"ErorRate > 1\": found the metric \"ErorRate\", did you mean", U, "-fr",
            "ErorRate > 1");
    refuses("-tr \"TTFB > 5\": expected METRIC;GRACE or METRIC;GRACE;CODES", U, "-tr", "TTFB > 5");
    refuses("--thinkTime: mode CB takes no think time", U, "--thinkTime", "20", "-bs", "1", "-cdt",
            "5");
    refuses("--thinkTime: not with a rate", U, "--thinkTime", "20", "--rate", "1", "-d", "1");
}

static void what_a_method_reads_travels_once(void **state)
{
    char *reads = xasprintf("$read(path=%s)$read(source=env, name=LPS_TEST_READ)", payload_path);

    (void)state;
    setenv("LPS_TEST_READ", "from outside", 1);
    builds(U, "-p", reads, "-h", "X-A: $read(source=env, name=LPS_TEST_READ)");
    assert_int_equal(built.plan->n_reads, 2);
    assert_int_equal(built.n_files, 2);
    assert_string_equal(built.files[0].path == NULL ? built.files[0].bytes : built.files[1].bytes,
                        "from outside");
    // The same bytes, by whatever name, are one file.
    setenv("LPS_TEST_READ", "", 1);
    builds(U, "-h", "X-A: $read(source=env, name=LPS_TEST_READ)$read(path=/dev/null)");
    assert_int_equal(built.plan->n_reads, 2);
    assert_int_equal(built.n_files, 1);
    assert_int_equal(built.files[0].len, 0);
    assert_int_equal(n_warnings, 0);
    unsetenv("LPS_TEST_READ");
    builds(U, "-h", "X-A: $read(source=env, name=LPS_TEST_READ)$read(path=/nowhere/x)");
    assert_int_equal(built.n_files, 0);
    assert_int_equal(n_warnings, 2);
    free(reads);
}

// Nothing that an option says wrongly about a secret shows it.
static void secrets_are_not_shown(void **state)
{
    static const char *const words[][4] = {
        {"-h", "Authorization: s3cret\r\n"},
        {"-h", "Authorization s3cret"},
        {"-h", "Author ization: s3cret"},
        {"-h", "Authorization: $nothing(s3cret)"},
        {"-ccpw", "s3cret"},
        {"-ccp", "/nowhere/a.pem", "-ccpw", "s3cret"},
        {"-ccpw", "s3cret\xff"},
        {"-h", "Authorization: s3cret\xff"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct diag d = {0};
        assert_true(build(&d, WORDS("-u", "https://127.0.0.1/", words[i][0], words[i][1],
                                    words[i][2], words[i][3])) < 0);
        for (size_t k = 0; k < d.n; k++)
            if (strstr(d.entry[k].text, "s3cret") != NULL)
                fail_msg("%s", d.entry[k].text);
        diag_done(&d);
    }
}

static void an_empty_payload_is_none(void **state)
{
    (void)state;
    builds(U, "-p", "");
    assert_null(iteration()->payload);
}

static void what_the_plan_refuses_is_named_by_its_option(void **state)
{
    (void)state;
    refuses("-n: found \"a/b\"", U, "-n", "a/b");
    refuses("-rn: ", U, "-rn", "");
    refuses("--iterationname: ", U, "--iterationname",
            "1234567890123456789012345678901234567890123456789012345678901");
    refuses("-hm: found \"FETCH\"", U, "-hm", "FETCH");
    refuses("-p: ", U, "-p", "${x");
}

static int make_file(void **state)
{
    int fd = mkstemp(payload_path);

    (void)state;
    snprintf(path_word, sizeof(path_word), "Path:%s", payload_path);
    return fd >= 0 &&
                   write(fd,
                         "a\0\xff"
                         "b",
                         4) == 4 &&
                   close(fd) == 0
               ? 0
               : -1;
}

static int remove_file(void **state)
{
    (void)state;
    plan_build_done(&built);
    options_done(&options);
    return unlink(payload_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_alone_is_one_get),
        cmocka_unit_test(every_option_reaches_the_plan),
        cmocka_unit_test(a_duration_alone_means_mode_d),
        cmocka_unit_test(a_batch_size_alone_goes_on_until_the_end),
        cmocka_unit_test(a_rate_means_mode_d_and_a_bound_of_1000),
        cmocka_unit_test(a_ramp_needs_no_rate_and_no_duration),
        cmocka_unit_test(rates_and_ramps_that_make_no_sense_are_refused),
        cmocka_unit_test(a_mode_and_its_options_agree),
        cmocka_unit_test(versions_and_pacings_are_named_by_their_options),
        cmocka_unit_test(a_certificate_travels_by_its_hash),
        cmocka_unit_test(a_certificate_must_be_there_and_of_use),
        cmocka_unit_test(the_target_is_an_absolute_http_url),
        cmocka_unit_test(a_header_is_split_at_its_first_colon),
        cmocka_unit_test(a_header_may_have_several_values),
        cmocka_unit_test(headers_that_would_break_the_request_are_refused),
        cmocka_unit_test(bytes_that_are_no_utf8_are_refused),
        cmocka_unit_test(a_payload_file_travels_by_its_hash),
        cmocka_unit_test(a_payload_file_must_be_there),
        cmocka_unit_test(requests_may_have_placeholders),
        cmocka_unit_test(rules_and_flags_of_the_test_language_reach_the_plan),
        cmocka_unit_test(what_a_method_reads_travels_once),
        cmocka_unit_test(secrets_are_not_shown),
        cmocka_unit_test(an_empty_payload_is_none),
        cmocka_unit_test(what_the_plan_refuses_is_named_by_its_option),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
