// The section HttpClient: limits, proxies, lists.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/str.h"
#include "tests/unit/conf_test_util.h"

static void connections_have_limits_of_time_and_number(void **state)
{
    struct conf *conf = accepts_key("HttpClient", "ConnectTimeoutInSeconds", "0.0004");

    (void)state;
    assert_int_equal(conf->http_client.connect_timeout_ms, 1); // not 0, which is no limit
    conf_free(conf);
    conf = accepts_key("HttpClient", "FirstByteTimeoutInSeconds", "86400");
    assert_int_equal(conf->http_client.first_byte_timeout_ms, 86400000);
    conf_free(conf);
    conf = accepts_key("HttpClient", "MaxConnectionsPerServer", "2147483647");
    assert_int_equal(conf->http_client.connections_max, 2147483647);
    conf_free(conf);
    refuses_key("HttpClient", "ConnectTimeoutInSeconds", "86400.001",
                "found 86400.001, expected 0 to 86400 seconds");
    refuses_key("HttpClient", "FirstByteTimeoutInSeconds", "-0.5",
                "found -0.5, expected 0 to 86400 seconds");
    refuses_key("HttpClient", "PooledConnectionIdleTimeoutInSeconds", "0",
                "found 0, expected 0.001 to 31536000 seconds");
    refuses_key("HttpClient", "MaxConnectionsPerServer", "0", "found 0, expected 1 to 2147483647");
    refuses_key("HttpClient", "MaxConnectionsPerServer", "2147483648",
                "found 2147483648, expected 1 to");
    refuses_key("HttpClient", "VerifyCertificates", "null", "found null, expected true or false");
}

static void a_connection_is_not_idle_for_longer_than_it_lives(void **state)
{
    struct conf *conf = accepts_key("HttpClient", "PooledConnectionLifeTimeInSeconds", "350");

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
                                       "SourceAddresses", "ServerTimeHeader"};

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        conf_free(accepts_key("HttpClient", keys[i], "null"));
        refuses_key("HttpClient", keys[i], "\"\"", "found \"\", expected ");
        refuses_key("HttpClient", keys[i], "1", "found 1, expected a text");
    }
    refuses_key("HttpClient", "CertificateAuthorities", "\"ca.pem\"",
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
        struct conf *conf = accepts_key("HttpClient", "Proxy", value);
        assert_string_equal(conf->http_client.proxy, good[i]);
        conf_free(conf);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(value, sizeof value, "\"%s\"", bad[i]);
        refuses_key("HttpClient", "Proxy", value, "found ");
    }
    refuses_key("HttpClient", "Proxy", "\"p\"",
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
            conf_free(accepts_key("HttpClient", cases[i].key, value));
        }
        for (size_t k = 0; k < 6; k++) {
            snprintf(value, sizeof value, "\"%s\"", cases[i].bad[k]);
            refuses_key("HttpClient", cases[i].key, value, "found \"");
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
    conf_free(accepts_key("HttpClient", "SourceAddresses", text.data));
    text.len--;
    buf_puts(&text, ",::1\"");
    refuses_key("HttpClient", "SourceAddresses", text.data, "found \"::1");
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

static void header_modes_are_words_or_their_numbers(void **state)
{
    static const struct {
        const char *text;
        int headers;
    } cases[] = {{"\"Strict\"", CONF_HEADERS_STRICT},      {"0", CONF_HEADERS_STRICT},
                 {"\"lenient\"", CONF_HEADERS_LENIENT},    {"1", CONF_HEADERS_LENIENT},
                 {"\"RAWPASSTHROUGH\"", CONF_HEADERS_RAW}, {"2", CONF_HEADERS_RAW}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct conf *conf = accepts_key("HttpClient", "HeaderValidationMode", cases[i].text);
        assert_int_equal(conf->http_client.headers, cases[i].headers);
        conf_free(conf);
    }
    refuses_key("HttpClient", "HeaderValidationMode", "3",
                "found 3, expected \"Strict\", \"Lenient\", \"RawPassthrough\" or 0 to 2");
    refuses_key("HttpClient", "HeaderValidationMode", "\"Raw\"", "found \"Raw\", expected ");
    refuses_key("HttpClient", "AllowHostOverride", "0", "found 0, expected true or false");
}

static void a_strict_mode_has_no_exception_for_the_host(void **state)
{
    (void)state;
    conf_free(accepts_key("HttpClient", "AllowHostOverride", "true"));
    conf_free(accepts("{\"HttpClient\": {\"AllowHostOverride\": true,"
                      " \"HeaderValidationMode\": \"Lenient\"}}"));
    refuses("{\"HttpClient\": {\"AllowHostOverride\": true, \"HeaderValidationMode\": 0}}", 1, 16,
            "HttpClient: found AllowHostOverride true, expected false with HeaderValidationMode "
            "Strict");
}

static void times_of_the_server_have_a_header_and_a_format(void **state)
{
    static const char *const formats[] = {"Auto", "Milliseconds", "Seconds", "ServerTiming"};
    char value[300];

    (void)state;
    for (int i = 0; i < 4; i++) {
        snprintf(value, sizeof value, "\"%s\"", formats[i]);
        struct conf *conf = accepts_key("HttpClient", "ServerTimeFormat", value);
        assert_int_equal(conf->http_client.server_time_format, i);
        conf_free(conf);
    }
    struct conf *conf = accepts_key("HttpClient", "ServerTimeHeader", "\"Server-Timing\"");
    assert_string_equal(conf->http_client.server_time, "Server-Timing");
    conf_free(conf);
    snprintf(value, sizeof value, "\"%0256d\"", 0);
    conf_free(accepts_key("HttpClient", "ServerTimeHeader", value));
    snprintf(value, sizeof value, "\"%0257d\"", 0);
    refuses_key("HttpClient", "ServerTimeHeader", value, "found \"0000");
    refuses_key("HttpClient", "ServerTimeHeader", "\"X-T:\"",
                "found \"X-T:\", expected a header's name, or null");
    refuses_key("HttpClient", "ServerTimeHeader", "\"X T\"", "found \"X T\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_have_limits_of_time_and_number),
        cmocka_unit_test(a_connection_is_not_idle_for_longer_than_it_lives),
        cmocka_unit_test(texts_may_be_null_but_not_empty),
        cmocka_unit_test(a_proxy_is_http_with_host_and_port),
        cmocka_unit_test(lists_have_commas_between),
        cmocka_unit_test(a_list_has_at_most_256_entries),
        cmocka_unit_test(a_list_is_split_at_its_commas),
        cmocka_unit_test(header_modes_are_words_or_their_numbers),
        cmocka_unit_test(a_strict_mode_has_no_exception_for_the_host),
        cmocka_unit_test(times_of_the_server_have_a_header_and_a_format),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
