#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <syslog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/conf_table.h"
#include "common/str.h"

static char directory[] = "/tmp/lps-conf-XXXXXX";
static char path[64]; // of a file in it

static struct conf *accepts(const char *text)
{
    struct diag d = {0};
    struct conf *conf = NULL;

    if (conf_parse(text, strlen(text), &d, &conf) < 0)
        fail_msg("%s: %s", text, d.entry[0].text);
    assert_int_equal(d.n, 0);
    return conf;
}

// The only complaint, at this place.
static void refuses(const char *text, int line, int column, const char *begin)
{
    struct diag d = {0};
    struct conf *conf = NULL;

    assert_int_equal(conf_parse(text, strlen(text), &d, &conf), -EINVAL);
    assert_null(conf);
    if (d.n != 1 || strncmp(d.entry[0].text, begin, strlen(begin)) != 0 ||
        d.entry[0].line != line || d.entry[0].column != column)
        fail_msg("%zu: %d:%d: %s", d.n, d.entry[0].line, d.entry[0].column, d.entry[0].text);
    diag_done(&d);
}

// The value of one key of the section Cluster is refused with this text after the key's name.
static void refuses_cluster(const char *key, const char *value, const char *begin)
{
    char *text = xasprintf("{\"Cluster\": {\"%s\": %s}}", key, value);
    char *named = xasprintf("Cluster.%s: %s", key, begin);

    refuses(text, 1, (int)(18 + strlen(key)), named);
    free(named);
    free(text);
}

static struct conf *cluster(const char *key, const char *value)
{
    char *text = xasprintf("{\"Cluster\": {\"%s\": %s}}", key, value);
    struct conf *conf = accepts(text);

    free(text);
    return conf;
}

static void same(const struct conf *a, const struct conf *b)
{
    char *x = conf_format(a), *y = conf_format(b);

    assert_string_equal(x, y);
    free(x);
    free(y);
}

static void write_text(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static char *read_text(const char *from)
{
    char text[65536];
    FILE *f = fopen(from, "r");

    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    return xstrndup(text, n);
}

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
    assert_int_equal(conf->logger.console_level, LOG_INFO);
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
        struct conf *conf = cluster("GRPCPort", good[i]);
        assert_int_equal(conf->cluster.grpc_port, i == 0 ? 0 : 65535);
        conf_free(conf);
    }
    conf_free(cluster("ExpectedNumberOfWorkers", "100000"));
    refuses_cluster("GRPCPort", "65536", "found 65536, expected 0 to 65535");
    refuses_cluster("GRPCPort", "-1", "found -1, expected 0 to 65535");
    refuses_cluster("GRPCPort", "5001.5", "found 5001.5, expected a whole number, 0 to 65535");
    refuses_cluster("GRPCPort", "\"5001\"", "found \"5001\", expected a whole number");
    refuses_cluster("GRPCPort", "null", "found null, expected a whole number");
    refuses_cluster("GRPCPort", "[5001]", "found a list, expected a whole number");
    refuses_cluster("ExpectedNumberOfWorkers", "100001", "found 100001, expected 0 to 100000");
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
        struct conf *conf = cluster("Lease", good[i].text);
        assert_int_equal(conf->cluster.lease_ms, good[i].ms);
        conf_free(conf);
    }
    conf_free(cluster("StartLead", "0"));
    refuses_cluster("Lease", "0.299", "found 0.299, expected 0.3 to 3600 seconds");
    refuses_cluster("Lease", "3600.001", "found 3600.001, expected 0.3 to 3600 seconds");
    refuses_cluster("StartLead", "-0.001", "found -0.001, expected 0 to 60 seconds");
    refuses_cluster("Lease", "1e300", "found 1e+300, expected");
    refuses_cluster("Lease", "\"3s\"", "found \"3s\", expected 0.3 to 3600 seconds");
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

// The value of one key of the section HttpClient is refused with this text after the key's name.
static void refuses_http(const char *key, const char *value, const char *begin)
{
    char *text = xasprintf("{\"HttpClient\": {\"%s\": %s}}", key, value);
    char *named = xasprintf("HttpClient.%s: %s", key, begin);

    refuses(text, 1, (int)(21 + strlen(key)), named);
    free(named);
    free(text);
}

static struct conf *http_client(const char *key, const char *value)
{
    char *text = xasprintf("{\"HttpClient\": {\"%s\": %s}}", key, value);
    struct conf *conf = accepts(text);

    free(text);
    return conf;
}

static void connections_have_limits_of_time_and_number(void **state)
{
    struct conf *conf = http_client("ConnectTimeoutInSeconds", "0.0004");

    (void)state;
    assert_int_equal(conf->http_client.connect_timeout_ms, 1); // not 0, which is no limit
    conf_free(conf);
    conf = http_client("FirstByteTimeoutInSeconds", "86400");
    assert_int_equal(conf->http_client.first_byte_timeout_ms, 86400000);
    conf_free(conf);
    conf = http_client("MaxConnectionsPerServer", "2147483647");
    assert_int_equal(conf->http_client.connections_max, 2147483647);
    conf_free(conf);
    refuses_http("ConnectTimeoutInSeconds", "86400.001",
                 "found 86400.001, expected 0 to 86400 seconds");
    refuses_http("FirstByteTimeoutInSeconds", "-0.5", "found -0.5, expected 0 to 86400 seconds");
    refuses_http("PooledConnectionIdleTimeoutInSeconds", "0",
                 "found 0, expected 0.001 to 31536000 seconds");
    refuses_http("MaxConnectionsPerServer", "0", "found 0, expected 1 to 2147483647");
    refuses_http("MaxConnectionsPerServer", "2147483648", "found 2147483648, expected 1 to");
    refuses_http("VerifyCertificates", "null", "found null, expected true or false");
}

static void a_connection_is_not_idle_for_longer_than_it_lives(void **state)
{
    struct conf *conf = http_client("PooledConnectionLifeTimeInSeconds", "350");

    (void)state;
    assert_int_equal(conf->http_client.idle_ms, conf->http_client.lifetime_ms);
    conf_free(conf);
    refuses("{\"HttpClient\": {\"PooledConnectionLifeTimeInSeconds\": 349.999}}", 1, 16,
            "HttpClient: found PooledConnectionIdleTimeoutInSeconds 350, expected at most "
            "PooledConnectionLifeTimeInSeconds, 349.999");
}

static void texts_may_be_null_but_not_empty(void **state)
{
    static const char *const keys[] = {"CertificateAuthorities", "Proxy", "NoProxy",
                                       "SourceAddresses"};

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        conf_free(http_client(keys[i], "null"));
        refuses_http(keys[i], "\"\"", "found \"\", expected ");
        refuses_http(keys[i], "1", "found 1, expected a text");
    }
    refuses_http("CertificateAuthorities", "\"ca.pem\"",
                 "found \"ca.pem\", expected the absolute path of a PEM file, or null");
}

static void a_proxy_is_http_with_host_and_port(void **state)
{
    static const char *const good[] = {"http://p:1", "HTTP://proxy.example.org:65535",
                                       "http://10.0.0.1:3128", "http://[fd00::1]:3128"};
    static const char *const bad[] = {
        "http://p",       "http://p:",    "http://p:0",  "http://p:65536",
        "https://p:1",    "socks5://p:1", "p:1",         "http://:1",
        "http://u:w@p:1", "http://u@p:1", "http://p:1/", "http://::1:1",
        "http://[p]:1",   "http://[::1]", "http://[]:1", "http://[:1",
        "http://10.0:80", "http://"};
    char value[64];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(value, sizeof value, "\"%s\"", good[i]);
        struct conf *conf = http_client("Proxy", value);
        assert_string_equal(conf->http_client.proxy, good[i]);
        conf_free(conf);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(value, sizeof value, "\"%s\"", bad[i]);
        refuses_http("Proxy", value, "found ");
    }
    refuses_http("Proxy", "\"p\"",
                 "found \"p\", expected http://host:port without a user, or null");
}

static void lists_have_commas_between(void **state)
{
    static const struct {
        const char *key, *good[3], *bad[6];
    } cases[] = {
        {"NoProxy",
         {"localhost", " a.example , .b.example,10.0.0.1,::1", "*"},
         {",", "a,,b", "a b", "10.0.0.0/8", "*.a", ".."}},
        {"SourceAddresses",
         {"127.0.0.1", "10.0.0.1,10.0.0.2", "fd00::1 , 10.0.0.1"},
         {"localhost", "10.0.0.1,", "10.0.0.256", "[::1]", "10.0.0.1:80", "10.0.0.1/8"}},
    };
    char value[64];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < 3; k++) {
            snprintf(value, sizeof value, "\"%s\"", cases[i].good[k]);
            conf_free(http_client(cases[i].key, value));
        }
        for (size_t k = 0; k < 6; k++) {
            snprintf(value, sizeof value, "\"%s\"", cases[i].bad[k]);
            refuses_http(cases[i].key, value, "found \"");
        }
    }
}

static void a_list_has_at_most_256_entries(void **state)
{
    struct buf text = {0};

    (void)state;
    buf_puts(&text, "\"::1");
    for (int i = 1; i < CONF_LIST_MAX; i++)
        buf_puts(&text, ",::1");
    buf_puts(&text, "\"");
    conf_free(http_client("SourceAddresses", text.data));
    text.len--;
    buf_puts(&text, ",::1\"");
    refuses_http("SourceAddresses", text.data, "found \"::1");
    buf_done(&text);
}

static void a_list_is_split_at_its_commas(void **state)
{
    size_t n;
    char **list = conf_list(" a,b c ,\t,", &n);

    (void)state;
    assert_int_equal(n, 4);
    assert_string_equal(list[0], "a");
    assert_string_equal(list[1], "b c");
    assert_string_equal(list[2], "");
    assert_string_equal(list[3], "");
    conf_list_free(list, n);
    list = conf_list(NULL, &n);
    assert_int_equal(n, 0);
    conf_list_free(list, n);
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
    struct conf *conf = cluster("Insecure", "true");

    (void)state;
    assert_true(conf->cluster.insecure);
    conf_free(conf);
    refuses_cluster("Insecure", "\"true\"", "found \"true\", expected true or false");
    refuses_cluster("MasterNodeIsWorker", "1", "found 1, expected true or false");
}

static void node_names_have_1_to_64_of_these_characters(void **state)
{
#define SIXTY_FOUR "aZ09._-890123456789012345678901234567890123456789012345678901234"
    struct conf *conf = cluster("NodeName", "\"" SIXTY_FOUR "\"");

    (void)state;
    assert_string_equal(conf->cluster.node_name, SIXTY_FOUR);
    conf_free(conf);
    refuses_cluster("NodeName", "\"\"", "found \"\", expected 1 to 64 of");
    refuses_cluster("NodeName", "\"" SIXTY_FOUR "5\"", "found \"aZ09");
    refuses_cluster("NodeName", "\"a b\"", "found \"a b\"");
    refuses_cluster("NodeName", "\"a/b\"", "found \"a/b\"");
    refuses_cluster("NodeName", "\"\xc3\xa4\"", "found \"\xc3\xa4\"");
    refuses_cluster("NodeName", "7", "found 7, expected a text");
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
        struct conf *conf = cluster("MasterNodeIP", value);
        assert_string_equal(conf->cluster.master_node_ip, good[i]);
        conf_free(conf);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(value, sizeof value, "\"%s\"", bad[i]);
        refuses_cluster("MasterNodeIP", value, "found ");
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
        struct conf *conf = cluster("MasterNodeIP", value);
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
        same(conf, again);
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
    assert_string_equal(
        conf->ignored,
        "HttpClient.HeaderValidationMode, HttpClient.AllowHostOverride, "
        "HttpClient.ServerTimeHeader, HttpClient.ServerTimeFormat, FileLogger.LogFilePath, "
        "FileLogger.EnableConsoleLogging, FileLogger.DisableConsoleErrorLogging, "
        "FileLogger.DisableFileLogging, FileLogger.LoggingLevel, Watchdog, InfluxDB");
    conf_free(conf);
}

static void the_types_of_ignored_settings_are_checked(void **state)
{
    (void)state;
    refuses("{\"Watchdog\": {\"MaxMemoryMB\": \"a\"}}", 1, 30,
            "Watchdog.MaxMemoryMB: found \"a\", expected a whole number, 0 to 2147483647");
    refuses("{\"Watchdog\": {\"SuspensionMode\": 2}}", 1, 33,
            "Watchdog.SuspensionMode: found 2, expected \"Any\", \"All\" or 0 to 1");
    refuses("{\"InfluxDB\": {\"Url\": null}}", 1, 22, "InfluxDB.Url: found null, expected a text");
    refuses("{\"HttpClient\": {\"ServerTimeHeader\": 1}}", 1, 37,
            "HttpClient.ServerTimeHeader: found 1, expected a text");
    refuses("{\"HttpClient\": {\"AllowHostOverride\": 0}}", 1, 38,
            "HttpClient.AllowHostOverride: found 0, expected true or false");
    refuses("{\"Watchdog\": {\"MaxMemory\": 1}}", 1, 15,
            "Watchdog: unknown key \"MaxMemory\", did");
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
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct conf *conf = accepts(texts[i]);
        char *text = conf_format(conf);
        struct conf *again = accepts(text);
        same(conf, again);
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

// --- Files ---

static void a_file_is_read_and_the_host_names_the_node(void **state)
{
    struct diag d = {0};
    struct conf *conf;
    char host[256] = "";

    (void)state;
    gethostname(host, sizeof host - 1);
    write_text("{\"Cluster\": {\"GRPCPort\": 7}}");
    assert_int_equal(conf_load(path, &d, &conf), 0);
    assert_int_equal(conf->cluster.grpc_port, 7);
    assert_string_equal(conf->cluster.node_name, host);
    conf_free(conf);
    write_text("{\"Cluster\": {\"NodeName\": \"w1\"}}");
    assert_int_equal(conf_load(path, &d, &conf), 0);
    assert_string_equal(conf->cluster.node_name, "w1");
    assert_int_equal(conf_take_host_name(conf, &d), 0);
    assert_string_equal(conf->cluster.node_name, "w1");
    conf_free(conf);
}

static void a_missing_file_is_told_from_a_bad_one(void **state)
{
    struct diag d = {0};
    struct conf *conf;

    (void)state;
    assert_int_equal(conf_load(path, &d, &conf), -ENOENT);
    assert_int_equal(conf_load(directory, &d, &conf), -EISDIR);
    assert_int_equal(d.n, 0);
    write_text("");
    assert_int_equal(conf_load(path, &d, &conf), -EINVAL);
    assert_int_equal(d.n, 1);
    diag_done(&d);
}

static void a_file_of_more_than_a_mebibyte_is_refused(void **state)
{
    struct diag d = {0};
    struct conf *conf;
    char *text = xcalloc(CONF_BYTES_MAX + 2, 1);

    (void)state;
    memset(text, ' ', CONF_BYTES_MAX + 1);
    text[0] = '{';
    text[1] = '}';
    write_text(text);
    assert_int_equal(conf_load(path, &d, &conf), -EINVAL);
    assert_string_equal(d.entry[0].text, "found more than 1024 KiB of settings");
    diag_done(&d);
    text[CONF_BYTES_MAX] = '\0';
    write_text(text);
    assert_int_equal(conf_load(path, &d, &conf), 0);
    conf_free(conf);
    free(text);
}

static int edit(const char *key, const char *value, struct diag *d)
{
    return conf_edit(path, &key, &value, 1, d);
}

static void edits(const char *before, const char *key, const char *value, const char *after)
{
    struct diag d = {0};

    write_text(before);
    int r = edit(key, value, &d);
    if (r < 0)
        fail_msg("%d %s", r, d.n > 0 ? d.entry[0].text : "");
    char *text = read_text(path);
    assert_string_equal(text, after);
    free(text);
}

static void an_edit_changes_its_key_and_nothing_else(void **state)
{
    (void)state;
    edits("{\"Watchdog\": {\"MaxMemoryMB\": 1},\n\"Cluster\": {\"Lease\": 0.7, \"GRPCPort\": 1}}",
          "Cluster.GRPCPort", "5002",
          "{\n  \"Watchdog\": {\n    \"MaxMemoryMB\": 1\n  },\n"
          "  \"Cluster\": {\n    \"Lease\": 0.7,\n    \"GRPCPort\": 5002\n  }\n}\n");
    edits("{}", "Cluster.MasterNodeIsWorker", "FALSE",
          "{\n  \"Cluster\": {\n    \"MasterNodeIsWorker\": false\n  }\n}\n");
    edits("{\"LPSAppSettings\": {}}", "Cluster.NodeName", "7",
          "{\n  \"LPSAppSettings\": {\n    \"Cluster\": {\n      \"NodeName\": \"7\"\n    }\n"
          "  }\n}\n");
    edits("{\"LPSDashboardConfiguration\": {}}", "Dashboard.Port", "1",
          "{\n  \"LPSDashboardConfiguration\": {\n    \"Port\": 1\n  }\n}\n");
    edits("{\"FileLogger\": {\"ConsoleLogingLevel\": 1}}", "FileLogger.ConsoleLoggingLevel",
          "Error", "{\n  \"FileLogger\": {\n    \"ConsoleLogingLevel\": \"Error\"\n  }\n}\n");
    edits("{}", "Cluster.StartLead", "0.25",
          "{\n  \"Cluster\": {\n    \"StartLead\": 0.25\n  }\n}\n");
}

static void an_edit_makes_a_file_that_is_missing(void **state)
{
    static const char *const keys[] = {"Cluster.MasterNodeIP", "Cluster.GRPCPort"};
    static const char *const values[] = {"10.0.0.1", "5002"};
    struct diag d = {0};
    struct conf *conf;
    struct stat st;

    (void)state;
    assert_int_equal(conf_edit(path, keys, values, 2, &d), 0);
    assert_int_equal(conf_load(path, &d, &conf), 0);
    assert_string_equal(conf->cluster.master_node_ip, "10.0.0.1");
    assert_int_equal(conf->cluster.grpc_port, 5002);
    conf_free(conf);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
}

static void refuses_edit(const char *key, const char *value, const char *begin)
{
    struct diag d = {0};

    assert_int_equal(edit(key, value, &d), -EINVAL);
    if (d.n != 1 || strncmp(d.entry[0].text, begin, strlen(begin)) != 0 || d.entry[0].line != 0)
        fail_msg("%zu: %d: %s", d.n, d.entry[0].line, d.entry[0].text);
    diag_done(&d);
}

static void a_bad_edit_writes_nothing(void **state)
{
    const char *before = "{\"Cluster\": {\"GRPCPort\": 1}}";

    (void)state;
    write_text(before);
    refuses_edit("Cluster.GRPCPort", "70000", "Cluster.GRPCPort: found 70000, expected 0 to 65535");
    refuses_edit("Cluster.GRPCPort", "x", "Cluster.GRPCPort: found \"x\", expected a whole number");
    refuses_edit("Cluster.GRPCPort", "", "Cluster.GRPCPort: found \"\", expected a whole number");
    refuses_edit("Cluster.GRPCPort", "1e3", "Cluster.GRPCPort: found 1000, expected a whole");
    refuses_edit("Cluster.GRPCPort", "[1]", "Cluster.GRPCPort: found \"[1]\", expected a whole");
    refuses_edit("Cluster.Insecure", "1", "Cluster.Insecure: found \"1\", expected true or false");
    refuses_edit("Cluster.NodeName", "a b", "Cluster.NodeName: found \"a b\", expected 1 to 64 of");
    refuses_edit("Cluster.NodeName", "\xff", "Cluster.NodeName: found bytes that are not UTF-8");
    refuses_edit("Cluster.Port", "1", "Cluster.Port: unknown key");
    refuses_edit("GRPCPort", "1", "GRPCPort: unknown key");
    refuses_edit("", "1", ": unknown key");
    char *after = read_text(path);
    assert_string_equal(after, before);
    free(after);
}

static void a_file_that_is_wrong_before_stays_as_it_is(void **state)
{
    struct diag d = {0};

    (void)state;
    write_text("{\"Cluster\": {\"GRPCPort\": 70000}}");
    assert_int_equal(edit("Cluster.GRPCPort", "1", &d), -EINVAL);
    assert_int_equal(d.entry[0].line, 1);
    assert_int_equal(d.entry[0].column, 26);
    diag_done(&d);
    char *after = read_text(path);
    assert_string_equal(after, "{\"Cluster\": {\"GRPCPort\": 70000}}");
    free(after);
}

static void an_edit_keeps_mode_and_link(void **state)
{
    char link_path[80];
    struct diag d = {0};
    struct stat st;
    const char *key = "Cluster.GRPCPort", *value = "9";

    (void)state;
    snprintf(link_path, sizeof link_path, "%s.link", path);
    write_text("{}");
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(symlink(path, link_path), 0);
    assert_int_equal(conf_edit(link_path, &key, &value, 1, &d), 0);
    assert_int_equal(lstat(link_path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    char *after = read_text(path);
    assert_non_null(strstr(after, "\"GRPCPort\": 9"));
    free(after);
    unlink(link_path);
}

static void a_directory_that_is_missing_is_an_error(void **state)
{
    const char *key = "Cluster.GRPCPort", *value = "9";
    struct diag d = {0};

    (void)state;
    assert_int_equal(conf_edit("/nowhere/at/all.json", &key, &value, 1, &d), -ENOENT);
    assert_int_equal(d.n, 0);
}

// --- The table ---

static void each_row_is_whole_and_known_once(void **state)
{
    const struct conf_row *row;
    size_t n = 0;

    (void)state;
    for (size_t i = 0; (row = conf_row_at(i)) != NULL; i++) {
        assert_ptr_equal(conf_row_find(row->section, row->name), row);
        if (row->alias != NULL)
            assert_ptr_equal(conf_row_find(row->section, row->alias), row);
        assert_string_equal(conf_section_find(row->section), row->section);
        assert_true(row->type > CONF_TYPE_UNDEFINED && row->type < CONF_TYPE__COUNT);
        assert_true(row->words != NULL || (row->type != CONF_LEVEL && row->type != CONF_CHOICE));
        if (row->offset == CONF_IGNORED)
            continue;
        n++;
        assert_true(row->offset < sizeof(struct conf));
        assert_non_null(row->range);
        assert_non_null(row->doc);
    }
    assert_int_equal(n, 29);
    assert_null(conf_row_find("Cluster", "Port"));
    assert_null(conf_section_find("cluster"));
}

static void no_two_rows_share_a_field(void **state)
{
    const struct conf_row *a, *b;

    (void)state;
    for (size_t i = 0; (a = conf_row_at(i)) != NULL; i++)
        for (size_t j = 0; j < i && (b = conf_row_at(j)) != NULL; j++)
            assert_true(a->offset == CONF_IGNORED || a->offset != b->offset);
}

static void every_key_is_documented_as_it_is(void **state)
{
    char *text = read_text("docs/settings.md");
    struct conf_key key;
    size_t n = 0;

    (void)state;
    for (; conf_key_at(n, &key); n++) {
        char *line =
            xasprintf("\n| `%s.%s` | %s | %s | `%s` | %s | %s |\n", key.section, key.name, key.type,
                      key.range, key.dflt, key.reloadable ? "reload" : "restart", key.doc);
        if (strstr(text, line) == NULL)
            fail_msg("docs/settings.md lacks: %s", line);
        free(line);
    }
    assert_int_equal(n, 29);
    assert_false(conf_key_at(n, &key));
    free(text);
}

static void the_shipped_file_holds_the_defaults(void **state)
{
    char *text = read_text("config/lpsSettings.json");
    struct conf *shipped = accepts(text), *defaults = conf_new();

    (void)state;
    same(shipped, defaults);
    assert_null(shipped->ignored);
    conf_free(shipped);
    conf_free(defaults);
    free(text);
}

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/lpsSettings.json", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

#define FILE_TEST(name) cmocka_unit_test_teardown(name, remove_file)

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
        cmocka_unit_test(connections_have_limits_of_time_and_number),
        cmocka_unit_test(a_connection_is_not_idle_for_longer_than_it_lives),
        cmocka_unit_test(texts_may_be_null_but_not_empty),
        cmocka_unit_test(a_proxy_is_http_with_host_and_port),
        cmocka_unit_test(lists_have_commas_between),
        cmocka_unit_test(a_list_has_at_most_256_entries),
        cmocka_unit_test(a_list_is_split_at_its_commas),
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
        FILE_TEST(a_file_is_read_and_the_host_names_the_node),
        FILE_TEST(a_missing_file_is_told_from_a_bad_one),
        FILE_TEST(a_file_of_more_than_a_mebibyte_is_refused),
        FILE_TEST(an_edit_changes_its_key_and_nothing_else),
        FILE_TEST(an_edit_makes_a_file_that_is_missing),
        FILE_TEST(a_bad_edit_writes_nothing),
        FILE_TEST(a_file_that_is_wrong_before_stays_as_it_is),
        FILE_TEST(an_edit_keeps_mode_and_link),
        FILE_TEST(a_directory_that_is_missing_is_an_error),
        cmocka_unit_test(each_row_is_whole_and_known_once),
        cmocka_unit_test(no_two_rows_share_a_field),
        cmocka_unit_test(every_key_is_documented_as_it_is),
        cmocka_unit_test(the_shipped_file_holds_the_defaults),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
