#include "worker/spawn/prepare.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/str.h"
#include "worker/runner/server_timing.h"

static char path[] = "/tmp/lps-prepare-XXXXXX";

static struct conf *settings(const char *text)
{
    struct diag d = {0};
    struct conf *conf;

    assert_int_equal(conf_parse(text, strlen(text), &d, &conf), 0);
    return conf;
}

static void write_file(const char *begin, size_t n_more)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(begin, f);
    while (n_more-- > 0)
        putc('\n', f);
    assert_int_equal(fclose(f), 0);
}

// The settings that name the file, with certificates to be verified or not.
static struct conf *settings_with_file(bool verify)
{
    char *text = xasprintf("{\"HttpClient\": {\"VerifyCertificates\": %s,"
                           " \"CertificateAuthorities\": \"%s\"}}",
                           verify ? "true" : "false", path);
    struct conf *conf = settings(text);

    free(text);
    return conf;
}

static void refuses_file(const char *expected)
{
    struct conf *conf = settings_with_file(true);
    Lps__V1__HttpSettings *http = NULL;
    struct diag d = {0};

    assert_int_equal(prepare_http(conf, &d, &http), -EINVAL);
    assert_null(http);
    assert_int_equal(d.n, 1);
    char *named = xasprintf(expected, path);
    assert_string_equal(d.entry[0].text, named);
    free(named);
    diag_done(&d);
    conf_free(conf);
}

static void defaults_ask_for_no_proxy_file_or_address(void **state)
{
    struct conf *conf = settings("{}");
    Lps__V1__HttpSettings *http;
    struct diag d = {0};

    (void)state;
    assert_int_equal(prepare_http(conf, &d, &http), 0);
    conf_free(conf);
    assert_int_equal(http->timeout_ms, 60000);
    assert_int_equal(http->connect_timeout_ms, 0);
    assert_int_equal(http->first_byte_timeout_ms, 0);
    assert_int_equal(http->lifetime_ms, 1500000);
    assert_int_equal(http->idle_ms, 350000);
    assert_int_equal(http->connections_max, 3000);
    assert_false(http->verify);
    assert_int_equal(http->ca.len, 0);
    assert_string_equal(http->proxy, "");
    assert_int_equal(http->n_no_proxy, 0);
    assert_int_equal(http->n_source, 0);
    prepare_http_free(http);
    prepare_http_free(NULL);
}

static void every_setting_survives_the_wire(void **state)
{
    struct conf *conf =
        settings("{\"HttpClient\": {\"ClientTimeoutInSeconds\": 86400,"
                 " \"ConnectTimeoutInSeconds\": 0.25, \"FirstByteTimeoutInSeconds\": 3,"
                 " \"PooledConnectionLifeTimeInSeconds\": 31536000,"
                 " \"PooledConnectionIdleTimeoutInSeconds\": 2, \"MaxConnectionsPerServer\": 7,"
                 " \"VerifyCertificates\": true, \"Proxy\": \"http://p:1\","
                 " \"NoProxy\": \"a, .b\", \"SourceAddresses\": \"127.0.0.1,::1\","
                 " \"HeaderValidationMode\": \"Lenient\", \"AllowHostOverride\": true,"
                 " \"ServerTimeHeader\": \"X-T\", \"ServerTimeFormat\": \"Seconds\"}}");
    Lps__V1__HttpSettings *http;
    struct diag d = {0};

    (void)state;
    assert_int_equal(prepare_http(conf, &d, &http), 0);
    conf_free(conf);
    size_t len = lps__v1__http_settings__get_packed_size(http);
    uint8_t *bytes = xcalloc(len, 1);
    lps__v1__http_settings__pack(http, bytes);
    prepare_http_free(http);
    http = lps__v1__http_settings__unpack(NULL, len, bytes);
    free(bytes);
    assert_non_null(http);
    assert_int_equal(http->timeout_ms, 86400000);
    assert_int_equal(http->connect_timeout_ms, 250);
    assert_int_equal(http->first_byte_timeout_ms, 3000);
    assert_int_equal(http->lifetime_ms, 31536000000);
    assert_int_equal(http->idle_ms, 2000);
    assert_int_equal(http->connections_max, 7);
    assert_true(http->verify);
    assert_string_equal(http->proxy, "http://p:1");
    assert_int_equal(http->n_no_proxy, 2);
    assert_string_equal(http->no_proxy[0], "a");
    assert_string_equal(http->no_proxy[1], ".b");
    assert_int_equal(http->n_source, 2);
    assert_string_equal(http->source[0], "127.0.0.1");
    assert_string_equal(http->source[1], "::1");
    assert_string_equal(http->server_time_header, "X-T");
    assert_int_equal(http->server_time_format, SERVER_TIMING_SECONDS);
    lps__v1__http_settings__free_unpacked(http, NULL);
}

static void words_become_the_numbers_that_the_runner_knows(void **state)
{
    static const struct {
        const char *key, *word;
        uint32_t format;
    } cases[] = {
        {"ServerTimeFormat", "Auto", SERVER_TIMING_AUTO},
        {"ServerTimeFormat", "Milliseconds", SERVER_TIMING_MILLISECONDS},
        {"ServerTimeFormat", "Seconds", SERVER_TIMING_SECONDS},
        {"ServerTimeFormat", "ServerTiming", SERVER_TIMING_ENTRIES},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = xasprintf("{\"HttpClient\": {\"%s\": \"%s\"}}", cases[i].key, cases[i].word);
        struct conf *conf = settings(text);
        Lps__V1__HttpSettings *http;
        struct diag d = {0};
        assert_int_equal(prepare_http(conf, &d, &http), 0);
        assert_int_equal(http->server_time_format, cases[i].format);
        prepare_http_free(http);
        conf_free(conf);
        free(text);
    }
}

static void without_a_limit_there_is_no_watchdog(void **state)
{
    static const char *const none[] = {
        "{}",
        "{\"Watchdog\": {}}",
        "{\"Watchdog\": {\"SuspensionMode\": \"All\", \"CoolDownRetryTimeInMs\": 10}}",
        "{\"Watchdog\": {\"MaxMemoryMB\": 0, \"MaxCPUPercentage\": 0}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        struct conf *conf = settings(none[i]);
        assert_null(prepare_watchdog(conf));
        conf_free(conf);
    }
}

static void every_limit_of_the_watchdog_survives_the_wire(void **state)
{
    struct conf *conf = settings(
        "{\"Watchdog\": {\"SuspensionMode\": \"All\", \"MaxMemoryMB\": 2147483647,"
        " \"CoolDownMemoryMB\": 4000, \"MaxCPUPercentage\": 80, \"CoolDownCPUPercentage\": 60,"
        " \"MaxConcurrentConnectionsCountPerHostName\": 3000,"
        " \"CoolDownConcurrentConnectionsCountPerHostName\": 1500,"
        " \"CoolDownRetryTimeInMs\": 250, \"MaxCoolingPeriod\": 86400,"
        " \"ResumeCoolingAfter\": 0.5}}");
    Lps__V1__WatchdogSettings *s = prepare_watchdog(conf);

    (void)state;
    conf_free(conf);
    size_t len = lps__v1__watchdog_settings__get_packed_size(s);
    uint8_t *bytes = xcalloc(len, 1);
    lps__v1__watchdog_settings__pack(s, bytes);
    free(s);
    s = lps__v1__watchdog_settings__unpack(NULL, len, bytes);
    free(bytes);
    assert_non_null(s);
    assert_true(s->all);
    assert_int_equal(s->max_memory_mb, 2147483647);
    assert_int_equal(s->cool_memory_mb, 4000);
    assert_int_equal(s->max_cpu_percent, 80);
    assert_int_equal(s->cool_cpu_percent, 60);
    assert_int_equal(s->max_in_flight, 3000);
    assert_int_equal(s->cool_in_flight, 1500);
    assert_int_equal(s->sample_ms, 250);
    assert_int_equal(s->max_cooling_ms, 86400000);
    assert_int_equal(s->resume_ms, 500);
    lps__v1__watchdog_settings__free_unpacked(s, NULL);
}

static void a_cool_down_that_is_not_given_is_four_fifths(void **state)
{
    static const struct {
        unsigned max, cool;
    } cases[] = {{1, 1}, {2, 2}, {4, 4}, {5, 4}, {6, 5}, {80, 64}, {100, 80}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = xasprintf("{\"Watchdog\": {\"MaxMemoryMB\": %u, \"MaxCPUPercentage\": %u,"
                               " \"MaxConcurrentConnectionsCountPerHostName\": %u}}",
                               cases[i].max, cases[i].max, cases[i].max);
        struct conf *conf = settings(text);
        Lps__V1__WatchdogSettings *s = prepare_watchdog(conf);
        assert_int_equal(s->cool_memory_mb, cases[i].cool);
        assert_int_equal(s->cool_cpu_percent, cases[i].cool);
        assert_int_equal(s->cool_in_flight, cases[i].cool);
        assert_false(s->all);
        free(s);
        conf_free(conf);
        free(text);
    }
}

#define PEM "-----BEGIN CERTIFICATE-----\n"

static void authorities_are_read_where_they_are_used(void **state)
{
    Lps__V1__HttpSettings *http;
    struct diag d = {0};

    (void)state;
    write_file(PEM, 0);
    struct conf *conf = settings_with_file(true);
    assert_int_equal(prepare_http(conf, &d, &http), 0);
    assert_int_equal(http->ca.len, strlen(PEM));
    assert_memory_equal(http->ca.data, PEM, strlen(PEM));
    prepare_http_free(http);
    conf_free(conf);
    unlink(path);
    conf = settings_with_file(false);
    assert_int_equal(prepare_http(conf, &d, &http), 0);
    assert_int_equal(http->ca.len, 0);
    prepare_http_free(http);
    conf_free(conf);
}

static void a_file_of_no_use_is_named_with_the_reason(void **state)
{
    (void)state;
    unlink(path);
    refuses_file("HttpClient.CertificateAuthorities: cannot read %s: No such file or directory");
    assert_int_equal(mkdir(path, 0700), 0);
    refuses_file("HttpClient.CertificateAuthorities: cannot read %s: Is a directory");
    rmdir(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    refuses_file("HttpClient.CertificateAuthorities: found no certificate in %s, expected PEM");
    unlink(path);
    write_file("", 0);
    refuses_file("HttpClient.CertificateAuthorities: found no certificate in %s, expected PEM");
    write_file("-----BEGIN PRIVATE KEY-----\n", 0);
    refuses_file("HttpClient.CertificateAuthorities: found no certificate in %s, expected PEM");
}

static void a_file_of_four_mebibytes_is_read_and_a_longer_one_refused(void **state)
{
    Lps__V1__HttpSettings *http;
    struct diag d = {0};
    struct conf *conf = settings_with_file(true);

    (void)state;
    write_file(PEM, PREPARE_CA_MAX - strlen(PEM));
    assert_int_equal(prepare_http(conf, &d, &http), 0);
    assert_int_equal(http->ca.len, PREPARE_CA_MAX);
    prepare_http_free(http);
    conf_free(conf);
    write_file(PEM, PREPARE_CA_MAX - strlen(PEM) + 1);
    refuses_file("HttpClient.CertificateAuthorities: %s has more than 4 MiB");
}

static struct plan *plan_of(uint64_t n_clients)
{
    struct diag d = {0};
    struct plan *plan;
    char *text = xasprintf("{\"name\": \"p\", \"rounds\": [{\"name\": \"crowd\","
                           " \"numberOfClients\": %llu, \"iterations\": [{\"name\": \"i\","
                           " \"mode\": \"D\", \"duration\": 60,"
                           " \"httpRequest\": {\"url\": \"http://127.0.0.1:1/\"}}]}]}",
                           (unsigned long long)n_clients);

    assert_int_equal(plan_parse(text, strlen(text), &d, &plan), 0);
    free(text);
    return plan;
}

static void a_plan_that_cannot_fit_is_refused_by_its_round(void **state)
{
    struct conf *conf = settings("{}");
    struct diag refused = {0}, doubted = {0};
    Lps__V1__HttpSettings *http = NULL;
    struct plan *plan = plan_of(1);

    (void)state;
    assert_int_equal(prepare_run(conf, plan, &refused, &doubted, &http), 0);
    assert_int_equal(refused.n, 0);
    assert_int_equal(doubted.n, 0);
    assert_non_null(http);
    prepare_http_free(http);
    plan_free(plan);
    http = NULL;
    plan = plan_of(PLAN_CLIENTS_MAX);
    assert_int_equal(prepare_run(conf, plan, &refused, &doubted, &http), -EINVAL);
    assert_null(http);
    assert_true(refused.n > 0);
    assert_non_null(strstr(refused.entry[0].text, "crowd"));
    diag_done(&refused);
    diag_done(&doubted);
    plan_free(plan);
    conf_free(conf);
}

static int set_up(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    return close(fd);
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_ask_for_no_proxy_file_or_address),
        cmocka_unit_test(every_setting_survives_the_wire),
        cmocka_unit_test(words_become_the_numbers_that_the_runner_knows),
        cmocka_unit_test(without_a_limit_there_is_no_watchdog),
        cmocka_unit_test(every_limit_of_the_watchdog_survives_the_wire),
        cmocka_unit_test(a_cool_down_that_is_not_given_is_four_fifths),
        cmocka_unit_test(authorities_are_read_where_they_are_used),
        cmocka_unit_test(a_file_of_no_use_is_named_with_the_reason),
        cmocka_unit_test(a_file_of_four_mebibytes_is_read_and_a_longer_one_refused),
        cmocka_unit_test(a_plan_that_cannot_fit_is_refused_by_its_round),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
