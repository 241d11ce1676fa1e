// Keys, values, and what is printed of them.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <cmocka.h>

#include "tests/unit/conf_test_util.h"

static void an_empty_file_has_the_defaults(void **state)
{
    struct conf *conf = accepts("{}");

    (void)state;
    assert_string_equal(conf->cluster.master_node_ip, "127.0.0.1");
    assert_true(conf->cluster.master_node_is_worker);
    assert_int_equal(conf->cluster.grpc_port, 5001);
    assert_int_equal(conf->cluster.expected_workers, 0);
    assert_null(conf->cluster.node_name);
    assert_int_equal(conf->cluster.start_lead_ms, 2000);
    assert_int_equal(conf->cluster.lease_ms, 3000);
    assert_int_equal(conf->cluster.backoff_min_ms, 500);
    assert_int_equal(conf->cluster.backoff_max_ms, 5000);
    assert_int_equal(conf->cluster.connect_timeout_ms, 2000);
    assert_int_equal(conf->cluster.rejoin_grace_ms, 10000);
    assert_int_equal(conf->cluster.master_loss_timeout_ms, 60000);
    assert_int_equal(conf->cluster.drain_ms, 5000);
    assert_false(conf->cluster.insecure);
    assert_true(conf->dashboard.enabled);
    assert_int_equal(conf->dashboard.port, 8009);
    assert_int_equal(conf->dashboard.refresh_s, 3);
    assert_int_equal(conf->http_client.timeout_ms, 60000);
    assert_int_equal(conf->http_client.connect_timeout_ms, 0);
    assert_int_equal(conf->http_client.first_byte_timeout_ms, 0);
    assert_int_equal(conf->http_client.lifetime_ms, 1500000);
    assert_int_equal(conf->http_client.idle_ms, 350000);
    assert_int_equal(conf->http_client.connections_max, 3000);
    assert_false(conf->http_client.verify);
    assert_null(conf->http_client.ca_file);
    assert_null(conf->http_client.proxy);
    assert_null(conf->http_client.no_proxy);
    assert_null(conf->http_client.source);
    assert_int_equal(conf->http_client.headers, CONF_HEADERS_RAW);
    assert_false(conf->http_client.allow_host);
    assert_null(conf->http_client.server_time);
    assert_int_equal(conf->http_client.server_time_format, CONF_SERVER_TIME_AUTO);
    assert_int_equal(conf->logger.console_level, LOG_INFO);
    assert_int_equal(conf->watchdog.max_memory_mb, 0);
    assert_int_equal(conf->watchdog.max_cpu, 0);
    assert_int_equal(conf->watchdog.max_in_flight, 0);
    assert_int_equal(conf->watchdog.sample_ms, 100);
    assert_int_equal(conf->watchdog.max_cooling_ms, 30000);
    assert_int_equal(conf->watchdog.resume_ms, 90000);
    assert_null(conf->ignored);
    conf_free(conf);
    conf_free(NULL);
}

static void texts_that_are_no_json_are_refused_with_their_place(void **state)
{
    (void)state;
    refuses("", 1, 1, "found the end of the text");
    refuses("\xef\xbb\xbf{}", 1, 1, "found a byte order mark");
    refuses("{\n  // the port\n  \"Cluster\": {}\n}", 2, 3, "found a comment");
    refuses("{\"Cluster\": {\"GRPCPort\": 50", 1, 28, "found the end of the text");
    refuses("{\"Cluster\": {\"GRPCPort\": 1,\n \"GRPCPort\": 2}}", 2, 2, "found a name that comes");
    refuses("{\"Cluster\": {},\n \"Cluster\": {}}", 2, 2, "found a name that comes twice");
    refuses("[]", 1, 1, "found a list, expected an object");
    refuses("{\"Cluster\": []}", 1, 13, "Cluster: found a list, expected an object");
}

static void unknown_keys_name_the_nearest_known_one(void **state)
{
    (void)state;
    refuses("{\"Cluster\": {\"GRPCport\": 1}}", 1, 14,
            "Cluster: unknown key \"GRPCport\", did you mean \"GRPCPort\"?");
    refuses("{\"Cluster\": {\"MasterNodeIp\": \"a\"}}", 1, 14,
            "Cluster: unknown key \"MasterNodeIp\", did you mean \"MasterNodeIP\"?");
    refuses("{\"Cluster\": {\"Bananas\": 1}}", 1, 14, "Cluster: unknown key \"Bananas\"");
    refuses("{\n \"Clutser\": {}}", 2, 2, "unknown key \"Clutser\", did you mean \"Cluster\"?");
    refuses("{\"LPSAppSetings\": {}}", 1, 2,
            "unknown key \"LPSAppSetings\", did you mean \"LPSAppSettings\"?");
}

static void sections_may_stand_inside_the_root_member(void **state)
{
    struct conf *conf = accepts("{\"LPSAppSettings\": {\"Cluster\": {\"GRPCPort\": 7}}}");

    (void)state;
    assert_int_equal(conf->cluster.grpc_port, 7);
    conf_free(conf);
    refuses("{\"LPSAppSettings\": {\"Cluster\": {\"GRPCPort\": 70000}}}", 1, 45,
            "LPSAppSettings.Cluster.GRPCPort: found 70000, expected 0 to 65535");
    refuses("{\"LPSAppSettings\": 1}", 1, 20, "LPSAppSettings: found 1, expected an object");
    refuses("{\"LPSAppSettings\": {}, \"Cluster\": {}}", 1, 24,
            "found a key beside LPSAppSettings");
    refuses("{\"LPSAppSettings\": {\"LPSAppSettings\": {}}}", 1, 21,
            "LPSAppSettings: unknown key \"LPSAppSettings\"");
}

static void the_dashboard_has_two_names(void **state)
{
    struct conf *conf =
        accepts("{\"LPSDashboardConfiguration\": {\"Port\": 1, \"BuiltInDashboard\": false,"
                " \"RefreshRate\": 1}}");

    (void)state;
    assert_int_equal(conf->dashboard.port, 1);
    assert_int_equal(conf->dashboard.refresh_s, 1);
    assert_false(conf->dashboard.enabled);
    conf_free(conf);
    refuses("{\"Dashboard\": {\"Port\": 1}, \"LPSDashboardConfiguration\": {\"Port\": 1}}", 1, 58,
            "LPSDashboardConfiguration: Port is set twice, expected once");
}

static void numbers_are_whole_and_in_their_range(void **state)
{
    static const char *const good[] = {"0", "65535"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct conf *conf = accepts_key("Cluster", "GRPCPort", good[i]);
        assert_int_equal(conf->cluster.grpc_port, i == 0 ? 0 : 65535);
        conf_free(conf);
    }
    conf_free(accepts_key("Cluster", "ExpectedNumberOfWorkers", "100000"));
    refuses_key("Cluster", "GRPCPort", "65536", "found 65536, expected 0 to 65535");
    refuses_key("Cluster", "GRPCPort", "-1", "found -1, expected 0 to 65535");
    refuses_key("Cluster", "GRPCPort", "5001.5",
                "found 5001.5, expected a whole number, 0 to 65535");
    refuses_key("Cluster", "GRPCPort", "\"5001\"", "found \"5001\", expected a whole number");
    refuses_key("Cluster", "GRPCPort", "null", "found null, expected a whole number");
    refuses_key("Cluster", "GRPCPort", "[5001]", "found a list, expected a whole number");
    refuses_key("Cluster", "ExpectedNumberOfWorkers", "100001",
                "found 100001, expected 0 to 100000");
    refuses("{\"Dashboard\": {\"RefreshRate\": 0}}", 1, 31,
            "Dashboard.RefreshRate: found 0, expected 1 to 3600");
}

static void seconds_may_have_a_fraction(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {{"0.3", 300}, {"3600", 3600000}, {"1.0015", 1002}, {"0.7", 700}, {"2.5e1", 25000}};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct conf *conf = accepts_key("Cluster", "Lease", good[i].text);
        assert_int_equal(conf->cluster.lease_ms, good[i].ms);
        conf_free(conf);
    }
    conf_free(accepts_key("Cluster", "StartLead", "0"));
    refuses_key("Cluster", "Lease", "0.299", "found 0.299, expected 0.3 to 3600 seconds");
    refuses_key("Cluster", "Lease", "3600.001", "found 3600.001, expected 0.3 to 3600 seconds");
    refuses_key("Cluster", "StartLead", "-0.001", "found -0.001, expected 0 to 60 seconds");
    refuses_key("Cluster", "Lease", "1e300", "found 1e+300, expected");
    refuses_key("Cluster", "Lease", "\"3s\"", "found \"3s\", expected 0.3 to 3600 seconds");
    refuses("{\"HttpClient\": {\"ClientTimeoutInSeconds\": 0}}", 1, 43,
            "HttpClient.ClientTimeoutInSeconds: found 0, expected 0.001 to 86400 seconds");
}

static void the_longest_pause_is_not_below_the_first(void **state)
{
    struct conf *conf =
        accepts("{\"Cluster\": {\"ReconnectDelayMax\": 0.1, \"ReconnectDelay\": 0.1}}");

    (void)state;
    assert_int_equal(conf->cluster.backoff_min_ms, 100);
    conf_free(conf);
    refuses("{\"Cluster\": {\"ReconnectDelay\": 6}}", 1, 13,
            "Cluster: found ReconnectDelayMax 5, expected at least ReconnectDelay, 6");
    refuses("{\"Cluster\": {\"ReconnectDelayMax\": 0.25}}", 1, 13,
            "Cluster: found ReconnectDelayMax 0.25, expected at least ReconnectDelay, 0.5");
}

static void a_reload_takes_what_it_may_and_leaves_the_rest(void **state)
{
    struct conf *conf = accepts("{\"Cluster\": {\"GRPCPort\": 1, \"DrainTimeout\": 1},"
                                " \"HttpClient\": {\"NoProxy\": \"a\"}}");
    struct conf *from = accepts("{\"Cluster\": {\"GRPCPort\": 2, \"DrainTimeout\": 2},"
                                " \"FileLogger\": {\"ConsoleLoggingLevel\": 4},"
                                " \"HttpClient\": {\"Proxy\": \"http://p:1\","
                                " \"VerifyCertificates\": true}}");

    (void)state;
    conf_take_reloadable(conf, from);
    assert_int_equal(conf->cluster.grpc_port, 1);
    assert_int_equal(conf->cluster.drain_ms, 2000);
    assert_int_equal(conf->logger.console_level, LOG_CRIT);
    assert_true(conf->http_client.verify);
    assert_string_equal(conf->http_client.proxy, "http://p:1");
    assert_null(conf->http_client.no_proxy);
    assert_null(from->http_client.proxy);
    assert_string_equal(from->http_client.no_proxy, "a");
    conf_free(from);
    assert_string_equal(conf->http_client.proxy, "http://p:1");
    conf_free(conf);
}

static void truth_is_true_or_false(void **state)
{
    struct conf *conf = accepts_key("Cluster", "Insecure", "true");

    (void)state;
    assert_true(conf->cluster.insecure);
    conf_free(conf);
    refuses_key("Cluster", "Insecure", "\"true\"", "found \"true\", expected true or false");
    refuses_key("Cluster", "MasterNodeIsWorker", "1", "found 1, expected true or false");
}

static void node_names_have_1_to_64_of_these_characters(void **state)
{
#define SIXTY_FOUR "aZ09._-890123456789012345678901234567890123456789012345678901234"
    struct conf *conf = accepts_key("Cluster", "NodeName", "\"" SIXTY_FOUR "\"");

    (void)state;
    assert_string_equal(conf->cluster.node_name, SIXTY_FOUR);
    conf_free(conf);
    refuses_key("Cluster", "NodeName", "\"\"", "found \"\", expected 1 to 64 of");
    refuses_key("Cluster", "NodeName", "\"" SIXTY_FOUR "5\"", "found \"aZ09");
    refuses_key("Cluster", "NodeName", "\"a b\"", "found \"a b\"");
    refuses_key("Cluster", "NodeName", "\"a/b\"", "found \"a/b\"");
    refuses_key("Cluster", "NodeName", "\"\xc3\xa4\"", "found \"\xc3\xa4\"");
    refuses_key("Cluster", "NodeName", "7", "found 7, expected a text");
}

static void the_master_is_an_address_or_a_host_name(void **state)
{
    static const char *const good[] = {"10.0.0.1", "::1", "fd00::1", "localhost",
                                       "m-1.example.org"};
    static const char *const bad[] = {"",       "10.0.0",        "10.0.0.256", "1.2.3.4.5", "[::1]",
                                      "a:5001", "::1::",         "http://a",   "a b",       "a,b",
                                      "a/b",    "10.0.0.1:5001", "\xc3\xa4"};
    char value[64];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(value, sizeof value, "\"%s\"", good[i]);
        struct conf *conf = accepts_key("Cluster", "MasterNodeIP", value);
        assert_string_equal(conf->cluster.master_node_ip, good[i]);
        conf_free(conf);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(value, sizeof value, "\"%s\"", bad[i]);
        refuses_key("Cluster", "MasterNodeIP", value, "found ");
    }
}

static void the_masters_address_has_brackets_where_it_needs_them(void **state)
{
    static const char *const cases[][2] = {
        {"127.0.0.1", "127.0.0.1:5001"}, {"::1", "[::1]:5001"}, {"m1", "m1:5001"}};
    char value[64];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        snprintf(value, sizeof value, "\"%s\"", cases[i][0]);
        struct conf *conf = accepts_key("Cluster", "MasterNodeIP", value);
        char *address = conf_master_address(conf);
        assert_string_equal(address, cases[i][1]);
        free(address);
        conf_free(conf);
    }
}

static void levels_have_words_and_numbers_and_two_spellings(void **state)
{
    static const struct {
        const char *text;
        int priority;
    } cases[] = {
        {"{\"FileLogger\": {\"ConsoleLogingLevel\": 0}}", LOG_DEBUG},
        {"{\"FileLogger\": {\"ConsoleLoggingLevel\": 1}}", LOG_INFO},
        {"{\"FileLogger\": {\"ConsoleLogingLevel\": \"Warning\"}}", LOG_WARNING},
        {"{\"FileLogger\": {\"ConsoleLoggingLevel\": \"error\"}}", LOG_ERR},
        {"{\"FileLogger\": {\"ConsoleLoggingLevel\": 4}}", LOG_CRIT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct conf *conf = accepts(cases[i].text);
        assert_int_equal(conf->logger.console_level, cases[i].priority);
        char *text = conf_format(conf);
        struct conf *again = accepts(text);
        assert_same_conf(conf, again);
        free(text);
        conf_free(again);
        conf_free(conf);
    }
    refuses("{\"FileLogger\": {\"ConsoleLogingLevel\": 5}}", 1, 39,
            "FileLogger.ConsoleLogingLevel: found 5, expected \"Verbose\", \"Information\", "
            "\"Warning\", \"Error\", \"Critical\" or 0 to 4");
    refuses("{\"FileLogger\": {\"ConsoleLogingLevel\": -1}}", 1, 39,
            "FileLogger.ConsoleLogingLevel: found -1");
    refuses("{\"FileLogger\": {\"ConsoleLogingLevel\": \"\"}}", 1, 39,
            "FileLogger.ConsoleLogingLevel: found \"\"");
    refuses("{\"FileLogger\": {\"ConsoleLogingLevel\": 1, \"ConsoleLoggingLevel\": 1}}", 1, 42,
            "FileLogger: ConsoleLoggingLevel is set twice, expected once");
}

static const char foreign[] =
    "{\"LPSAppSettings\": {\n"
    "  \"FileLogger\": {\"LogFilePath\": \"logs/lpslog.log\", \"EnableConsoleLogging\": true,\n"
    "    \"DisableConsoleErrorLogging\": true, \"DisableFileLogging\": false,\n"
    "    \"LoggingLevel\": 0, \"ConsoleLogingLevel\": 1},\n"
    "  \"Watchdog\": {\"SuspensionMode\": \"Any\", \"MaxMemoryMB\": 5000, \"CoolDownMemoryMB\": "
    "4000,\n"
    "    \"MaxCPUPercentage\": 80, \"CoolDownCPUPercentage\": 60,\n"
    "    \"MaxConcurrentConnectionsCountPerHostName\": 3000,\n"
    "    \"CoolDownConcurrentConnectionsCountPerHostName\": 1500,\n"
    "    \"CoolDownRetryTimeInMs\": 100, \"MaxCoolingPeriod\": 30, \"ResumeCoolingAfter\": 90},\n"
    "  \"HttpClient\": {\"ClientTimeoutInSeconds\": 60,\n"
    "    \"PooledConnectionLifeTimeInSeconds\": 1500,\n"
    "    \"PooledConnectionIdleTimeoutInSeconds\": 350, \"MaxConnectionsPerServer\": 3000,\n"
    "    \"HeaderValidationMode\": \"RawPassthrough\", \"AllowHostOverride\": false,\n"
    "    \"ServerTimeHeader\": null, \"ServerTimeFormat\": \"Auto\"},\n"
    "  \"Dashboard\": {\"BuiltInDashboard\": true, \"Port\": 8009, \"RefreshRate\": 3},\n"
    "  \"InfluxDB\": {\"Enabled\": false, \"Url\": \"u\", \"Token\": \"t\", \"Organization\": "
    "\"LPS\",\n"
    "    \"Bucket\": \"LPS_Metrics\"}}}";

static void settings_of_later_are_accepted_and_listed_once(void **state)
{
    struct conf *conf = accepts(foreign);

    (void)state;
    assert_string_equal(conf->ignored,
                        "FileLogger.LogFilePath, FileLogger.EnableConsoleLogging, "
                        "FileLogger.DisableConsoleErrorLogging, "
                        "FileLogger.DisableFileLogging, FileLogger.LoggingLevel, InfluxDB");
    conf_free(conf);
}

static void the_types_of_ignored_settings_are_checked(void **state)
{
    (void)state;
    refuses("{\"InfluxDB\": {\"Url\": null}}", 1, 22, "InfluxDB.Url: found null, expected a text");
    refuses("{\"InfluxDB\": {\"Enabled\": 0}}", 1, 26,
            "InfluxDB.Enabled: found 0, expected true or false");
    refuses("{\"FileLogger\": {\"LoggingLevel\": 5}}", 1, 33, "FileLogger.LoggingLevel: found 5");
}

static void all_mistakes_are_told_at_once(void **state)
{
    const char *text = "{\"Cluster\": {\"GRPCPort\": 70000, \"Lease\": 0, \"X\": 1},\n \"Y\": 2}";
    struct diag d = {.file = "a.json"};
    struct conf *conf;

    (void)state;
    assert_int_equal(conf_parse(text, strlen(text), &d, &conf), -EINVAL);
    char *all = diag_format(&d);
    assert_string_equal(all, "a.json:1:26: Cluster.GRPCPort: found 70000, expected 0 to 65535\n"
                             "a.json:1:42: Cluster.Lease: found 0, expected 0.3 to 3600 seconds\n"
                             "a.json:1:45: Cluster: unknown key \"X\"\n"
                             "a.json:2:2: unknown key \"Y\"\n");
    free(all);
    diag_done(&d);
}

static void what_is_printed_parses_to_the_same(void **state)
{
    static const char *const texts[] = {
        "{}",
        foreign,
        "{\"Cluster\": {\"MasterNodeIP\": \"::1\", \"MasterNodeIsWorker\": false, \"GRPCPort\": 0,"
        " \"ExpectedNumberOfWorkers\": 3, \"NodeName\": \"w.1\", \"StartLead\": 0.001,"
        " \"Lease\": 0.333, \"ReconnectDelay\": 0.05, \"ReconnectDelayMax\": 3599.999,"
        " \"ConnectTimeout\": 0.25, \"RejoinGrace\": 0, \"MasterLossTimeout\": 86400,"
        " \"DrainTimeout\": 0.1, \"Insecure\": true},"
        " \"Dashboard\": {\"BuiltInDashboard\": false, \"Port\": 0, \"RefreshRate\": 60},"
        " \"HttpClient\": {\"ClientTimeoutInSeconds\": 0.5, \"ConnectTimeoutInSeconds\": 0.25,"
        " \"FirstByteTimeoutInSeconds\": 3, \"PooledConnectionLifeTimeInSeconds\": 31536000,"
        " \"PooledConnectionIdleTimeoutInSeconds\": 0.001, \"MaxConnectionsPerServer\": 1,"
        " \"VerifyCertificates\": true, \"CertificateAuthorities\": \"/a b\","
        " \"Proxy\": \"http://[::1]:3128\", \"NoProxy\": \"a, .b\", \"SourceAddresses\": "
        "\"::1,10.0.0.1\"},"
        " \"FileLogger\": {\"ConsoleLogingLevel\": 4}}",
        "{\"HttpClient\": {\"HeaderValidationMode\": \"Lenient\", \"AllowHostOverride\": true,"
        " \"ServerTimeHeader\": \"Server-Timing\", \"ServerTimeFormat\": \"Seconds\"},"
        " \"Watchdog\": {\"SuspensionMode\": 1, \"MaxMemoryMB\": 2147483647,"
        " \"CoolDownMemoryMB\": 2147483646, \"MaxCPUPercentage\": 100,"
        " \"CoolDownCPUPercentage\": 1, \"MaxConcurrentConnectionsCountPerHostName\": 1,"
        " \"CoolDownRetryTimeInMs\": 60000, \"MaxCoolingPeriod\": 0.5,"
        " \"ResumeCoolingAfter\": 86400}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct conf *conf = accepts(texts[i]);
        char *text = conf_format(conf);
        struct conf *again = accepts(text);
        assert_same_conf(conf, again);
        assert_null(again->ignored);
        free(text);
        conf_free(again);
        conf_free(conf);
    }
    struct conf *conf = accepts(texts[2]);
    assert_int_equal(conf->cluster.backoff_max_ms, 3599999);
    char *text = conf_format(conf);
    assert_non_null(strstr(text, "\"ReconnectDelayMax\": 3599.999,\n"));
    assert_non_null(strstr(text, "\"Lease\": 0.333,\n"));
    free(text);
    conf_free(conf);
}

static void loopback_is_told_from_the_rest(void **state)
{
    static const char *const inside[] = {"localhost", "LocalHost", "127.0.0.1",       "127.255.3.4",
                                         "::1",       "0::1",      "::ffff:127.0.0.1"};
    static const char *const outside[] = {"",
                                          "0.0.0.0",
                                          "::",
                                          "10.0.0.1",
                                          "128.0.0.1",
                                          "126.9.9.9",
                                          "::2",
                                          "::ffff:10.0.0.1",
                                          "127.0.0",
                                          "localhost.example.org",
                                          "127.0.0.1.nip.io"};

    (void)state;
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
        assert_true(conf_is_loopback(inside[i]));
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        assert_false(conf_is_loopback(outside[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_has_the_defaults),
        cmocka_unit_test(texts_that_are_no_json_are_refused_with_their_place),
        cmocka_unit_test(unknown_keys_name_the_nearest_known_one),
        cmocka_unit_test(sections_may_stand_inside_the_root_member),
        cmocka_unit_test(the_dashboard_has_two_names),
        cmocka_unit_test(numbers_are_whole_and_in_their_range),
        cmocka_unit_test(seconds_may_have_a_fraction),
        cmocka_unit_test(the_longest_pause_is_not_below_the_first),
        cmocka_unit_test(a_reload_takes_what_it_may_and_leaves_the_rest),
        cmocka_unit_test(truth_is_true_or_false),
        cmocka_unit_test(node_names_have_1_to_64_of_these_characters),
        cmocka_unit_test(the_master_is_an_address_or_a_host_name),
        cmocka_unit_test(the_masters_address_has_brackets_where_it_needs_them),
        cmocka_unit_test(levels_have_words_and_numbers_and_two_spellings),
        cmocka_unit_test(settings_of_later_are_accepted_and_listed_once),
        cmocka_unit_test(the_types_of_ignored_settings_are_checked),
        cmocka_unit_test(all_mistakes_are_told_at_once),
        cmocka_unit_test(what_is_printed_parses_to_the_same),
        cmocka_unit_test(loopback_is_told_from_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
