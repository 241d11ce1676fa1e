#include "worker/cli/har.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"
#include "common/yaml.h"

#define N_OF(array) (sizeof(array) / sizeof *(array))
#define LIST(...)                                          \
    ((struct har_list){(const char *const[]){__VA_ARGS__}, \
                       N_OF(((const char *const[]){__VA_ARGS__}))})

static const struct har_options defaults;

// Entries as JSON, without the brackets around.
static struct har reads(const char *entries, const struct har_options *o)
{
    struct diag d = {0};
    struct har h;
    char *text = xasprintf("{\"log\": {\"version\": \"1.2\", \"entries\": [%s]}}", entries);

    if (har_read(text, strlen(text), o, &d, &h) < 0)
        fail_msg("%s: %s", text, d.entry[0].text);
    free(text);
    return h;
}

static void is_yaml(const json_t *plan, const char *expected)
{
    char *text = yaml_format(plan);

    assert_string_equal(text, expected);
    free(text);
}

// The first iteration's httpRequest.
static void requests(const char *request, const struct har_options *o, const char *expected)
{
    char *entry = xasprintf("{\"request\": %s}", request);
    struct har h = reads(entry, o);

    assert_int_equal(json_array_size(h.iterations), 1);
    is_yaml(json_object_get(json_array_get(h.iterations, 0), "httpRequest"), expected);
    har_done(&h);
    free(entry);
}

static void what_is_no_recording_is_refused(void **state)
{
    static const char *const texts[][2] = {
        {"", "found the end of the text, expected a value"},
        {"{\"log\": ", "found the end of the text, expected a value"},
        {"7", "found no list log.entries, expected a recording in the HAR format"},
        {"{}", "found no list log.entries, expected a recording in the HAR format"},
        {"{\"log\": {\"entries\": 1}}",
         "found no list log.entries, expected a recording in the HAR format"},
    };

    (void)state;
    for (size_t i = 0; i < N_OF(texts); i++) {
        struct diag d = {0};
        struct har h;
        assert_int_equal(har_read(texts[i][0], strlen(texts[i][0]), &defaults, &d, &h), -EINVAL);
        assert_string_equal(d.entry[0].text, texts[i][1]);
        diag_done(&d);
    }
}

static void recordings_are_limited(void **state)
{
    struct buf b = {0};
    struct diag d = {0};
    struct har h;

    (void)state;
    assert_int_equal(har_read("", (size_t)HAR_BYTES_MAX + 1, &defaults, &d, &h), -EINVAL);
    assert_string_equal(d.entry[0].text, "found more than 256 MiB");
    diag_done(&d);
    buf_puts(&b, "{\"log\": {\"entries\": [0");
    for (int i = 1; i < HAR_ENTRIES_MAX; i++)
        buf_puts(&b, ",0");
    buf_puts(&b, "]}}");
    assert_int_equal(har_read(b.data, b.len, &defaults, &d, &h), 0);
    assert_int_equal(h.n_left_out[HAR_NO_REQUEST], HAR_ENTRIES_MAX);
    har_done(&h);
    b.len -= 3;
    buf_puts(&b, ",0]}}");
    assert_int_equal(har_read(b.data, b.len, &defaults, &d, &h), -EINVAL);
    assert_string_equal(d.entry[0].text, "found 100001 requests, expected at most 100000");
    diag_done(&d);
    buf_done(&b);
}

static void marks_nuls_and_names_that_come_twice_are_no_hindrance(void **state)
{
    static const char text[] =
        "\xef\xbb\xbf{\"log\": {\"entries\": [{\"request\": {\"method\": \"GET\", \"url\": "
        "\"http://h/\"}, \"response\": {\"content\": {\"text\": \"\\u0000\", \"text\": \"\"}}}]}}";
    struct diag d = {0};
    struct har h;

    (void)state;
    assert_int_equal(har_read(text, strlen(text), &defaults, &d, &h), 0);
    assert_int_equal(json_array_size(h.iterations), 1);
    har_done(&h);
}

#define ENTRY(method, url) "{\"request\": {\"method\": \"" method "\", \"url\": \"" url "\"}}"
#define TYPED(key, value) \
    "{\"request\": {\"method\": \"GET\", \"url\": \"http://h/\"}, \"" key "\": " value "}"

static void entries_are_kept_by_the_rules(void **state)
{
    const struct har_options only = {.only_hosts = LIST("https://A.example/x", "b.example:8080")};
    const struct har_options more = {.ignore_hosts = LIST("ads.example"),
                                     .ignore_paths = LIST("/Track"),
                                     .ignore_methods = LIST("options"),
                                     .ignore_types = LIST("XHR"),
                                     .ignore_extensions = LIST("pdf", ".ZIP"),
                                     .ignore_content_types = LIST("Application/Octet")};
    const struct {
        const char *entry;
        const struct har_options *o;
        enum har_rule rule;
    } cases[] = {
        {"7", &defaults, HAR_NO_REQUEST},
        {"{}", &defaults, HAR_NO_REQUEST},
        {ENTRY("", "http://h/"), &defaults, HAR_NO_REQUEST},
        {ENTRY("GET", ""), &defaults, HAR_NO_REQUEST},
        {ENTRY("GET", "data:x"), &defaults, HAR_NO_REQUEST},
        {ENTRY("GET", "ws://h/"), &defaults, HAR_NO_REQUEST},
        {ENTRY("GET", "http:///x"), &defaults, HAR_NO_REQUEST},
        {ENTRY("GET", "http://h/\\u0000"), &defaults, HAR_NO_REQUEST},
        {ENTRY("GET", "HTTP://h"), &defaults, HAR_RULE_UNDEFINED},
        {ENTRY("GET", "https://a.EXAMPLE/"), &only, HAR_RULE_UNDEFINED},
        {ENTRY("GET", "http://a.example:99/"), &only, HAR_RULE_UNDEFINED},
        {ENTRY("GET", "http://b.example:8080/"), &only, HAR_RULE_UNDEFINED},
        {ENTRY("GET", "http://b.example/"), &only, HAR_OTHER_HOST},
        {ENTRY("GET", "http://xa.example/"), &only, HAR_OTHER_HOST},
        {ENTRY("GET", "http://ads.example:1/"), &more, HAR_IGNORED_HOST},
        {ENTRY("GET", "http://h/CDN-CGI/x"), &defaults, HAR_IGNORED_PATH},
        {ENTRY("GET", "http://h/a/tracker"), &more, HAR_IGNORED_PATH},
        {ENTRY("GET", "http://h/?u=/track"), &more, HAR_RULE_UNDEFINED},
        {ENTRY("PROPFIND", "http://h/"), &defaults, HAR_IGNORED_METHOD},
        {ENTRY("OPTIONS", "http://h/"), &defaults, HAR_RULE_UNDEFINED},
        {ENTRY("OPTIONS", "http://h/"), &more, HAR_IGNORED_METHOD},
        {ENTRY("GET", "http://h/a.CSS"), &defaults, HAR_IGNORED_EXTENSION},
        {ENTRY("GET", "http://h/a.woff2?v=1"), &defaults, HAR_IGNORED_EXTENSION},
        {ENTRY("GET", "http://h/a.css/b"), &defaults, HAR_RULE_UNDEFINED},
        {ENTRY("GET", "http://h.css/"), &defaults, HAR_RULE_UNDEFINED},
        {ENTRY("GET", "http://h/a.html"), &defaults, HAR_RULE_UNDEFINED},
        {ENTRY("GET", "http://h/a.PDF"), &more, HAR_IGNORED_EXTENSION},
        {ENTRY("GET", "http://h/a.zip"), &more, HAR_IGNORED_EXTENSION},
        {TYPED("_resourceType", "\"xhr\""), &defaults, HAR_RULE_UNDEFINED},
        {TYPED("_resourceType", "\"Image\""), &defaults, HAR_IGNORED_TYPE},
        {TYPED("_resourceType", "\"xhr\""), &more, HAR_IGNORED_TYPE},
        {TYPED("response", "{\"content\": {\"mimeType\": \"text/html\"}}"), &defaults,
         HAR_RULE_UNDEFINED},
        {TYPED("response", "{\"content\": {\"mimeType\": \"application/JavaScript\"}}"), &defaults,
         HAR_IGNORED_CONTENT},
        {TYPED("response", "{\"content\": {\"mimeType\": \"application/octet-stream\"}}"), &more,
         HAR_IGNORED_CONTENT},
    };

    (void)state;
    for (size_t i = 0; i < N_OF(cases); i++) {
        struct har h = reads(cases[i].entry, cases[i].o);
        bool kept = json_array_size(h.iterations) == 1;
        assert_int_equal(h.n_entries, 1);
        if (kept != (cases[i].rule == HAR_RULE_UNDEFINED) ||
            (!kept && h.n_left_out[cases[i].rule] != 1))
            fail_msg("%s", cases[i].entry);
        har_done(&h);
    }
    for (int i = 0; i < HAR_RULE__COUNT; i++)
        assert_non_null(har_rule_name[i]);
}

static void iterations_are_named_after_method_and_path(void **state)
{
    static const char *const names[][2] = {
        {ENTRY("get", "http://h/cart/items/?x=1#y"), "GET_cart_items"},
        {ENTRY("GET", "http://h/a/b/c"), "GET_b_c"},
        {ENTRY("GET", "http://h/a"), "GET_a"},
        {ENTRY("GET", "http://shop.example:8080/"), "GET_shop.example"},
        {ENTRY("GET", "http://[::1]:8080"), "GET____1_"},
        {ENTRY("GET", "http://h/a%20b/c~d"), "GET_a_20b_c_d"},
        {ENTRY("GET", "http://h/"
                      "1234567890123456789012345678901234567890123456789012345678901234567890"),
         "GET_12345678901234567890123456789012345678901234567890123456"},
    };

    (void)state;
    for (size_t i = 0; i < N_OF(names); i++) {
        struct har h = reads(names[i][0], &defaults);
        assert_string_equal(
            json_string_value(json_object_get(json_array_get(h.iterations, 0), "name")),
            names[i][1]);
        har_done(&h);
    }
}

static void headers_of_the_connection_are_dropped(void **state)
{
    static const char request[] =
        "{\"method\": \"GET\", \"url\": \"http://h/\", \"headers\": ["
        "{\"name\": \":authority\", \"value\": \"h\"}, {\"name\": \"Host\", \"value\": \"h\"},"
        "{\"name\": \"content-length\", \"value\": \"7\"},"
        "{\"name\": \"Connection\", \"value\": \"close\"},"
        "{\"name\": \"Accept-Encoding\", \"value\": \"gzip\"},"
        "{\"name\": \"X-Empty\", \"value\": \" \"}, {\"name\": \"bad name\", \"value\": \"x\"},"
        "{\"name\": \"X-Lines\", \"value\": \"a\\nb\"}, 7, {\"name\": \"X\"},"
        "{\"name\": \"Sec-CH-UA\", \"value\": \"u\"}, {\"name\": \"priority\", \"value\": \"i\"},"
        "{\"name\": \"X-Trace\", \"value\": \"t\"}, {\"name\": \"X-Id\", \"value\": \"$7\"}]}";
    const struct har_options minimal = {.minimal_headers = true, .ignore_headers = LIST("x-tr*")};
    const struct har_options exact = {.ignore_headers = LIST("x-id", "sec-ch", "*")};

    (void)state;
    requests(request, &defaults,
             "url: http://h/\nmethod: GET\nheaders:\n  Sec-CH-UA: u\n  priority: i\n  X-Trace: t\n"
             "  X-Id: $$7\n");
    requests(request, &minimal, "url: http://h/\nmethod: GET\nheaders:\n  X-Id: $$7\n");
    requests(request, &exact, "url: http://h/\nmethod: GET\n");
}

static void headers_that_come_again_are_lists_and_cookies_one_value(void **state)
{
    (void)state;
    requests("{\"method\": \"GET\", \"url\": \"http://h/\", \"headers\": ["
             "{\"name\": \"Accept\", \"value\": \"a\"}, {\"name\": \"Cookie\", \"value\": \"b=1\"},"
             "{\"name\": \"accept\", \"value\": \"c\"}, {\"name\": \"cookie\", \"value\": \"d=2\"},"
             "{\"name\": \"ACCEPT\", \"value\": \"e\"}]}",
             &defaults,
             "url: http://h/\nmethod: GET\nheaders:\n  Accept:\n    - a\n    - c\n    - e\n"
             "  Cookie: $recordedCookie\n");
}

static void headers_are_limited(void **state)
{
    struct buf b = {0};

    (void)state;
    buf_puts(&b, "{\"request\": {\"method\": \"GET\", \"url\": \"http://h/\", \"headers\": [0");
    for (int i = 0; i < 101; i++)
        buf_printf(&b, ", {\"name\": \"x%d\", \"value\": \"y\"}", i);
    buf_puts(&b, "]}}");
    struct har h = reads(b.data, &defaults);
    const json_t *request = json_object_get(json_array_get(h.iterations, 0), "httpRequest");
    assert_int_equal(json_object_size(json_object_get(request, "headers")), 100);
    har_done(&h);
    buf_done(&b);
}

static void versions_are_those_that_a_plan_need_not_guess(void **state)
{
    (void)state;
    requests("{\"method\": \"GET\", \"url\": \"http://h/\", \"httpVersion\": \"http/1.1\"}",
             &defaults, "url: http://h/\nmethod: GET\nversion: \"1.1\"\n");
    requests("{\"method\": \"GET\", \"url\": \"http://h/\", \"httpVersion\": \"HTTP/1.0\"}",
             &defaults, "url: http://h/\nmethod: GET\nversion: \"1.0\"\n");
    requests("{\"method\": \"GET\", \"url\": \"http://h/\", \"httpVersion\": \"h3\"}", &defaults,
             "url: http://h/\nmethod: GET\n");
}

#define POST(data) "{\"method\": \"POST\", \"url\": \"http://h/\", \"postData\": " data "}"
#define HEAD       "url: http://h/\nmethod: POST\n"

static void bodies_are_raw_texts(void **state)
{
    (void)state;
    requests(POST("{\"text\": \"\"}"), &defaults, HEAD);
    requests(POST("{\"text\": \"{\\n  \\\"a\\\": \\\"$b\\\"\\n}\"}"), &defaults,
             HEAD "payload:\n  raw: |-\n    {\n      \"a\": \"$$b\"\n    }\n");
    requests(POST("{\"mimeType\": \"application/x-www-form-urlencoded\", \"text\": \"a=b%20c\","
                  "\"params\": [{\"name\": \"a\", \"value\": \"b c\"}]}"),
             &defaults, HEAD "payload:\n  raw: a=b%20c\n");
    requests(POST("{\"mimeType\": \"application/x-www-form-urlencoded\", \"params\": ["
                  "{\"name\": \"a b\", \"value\": \"\\u00e9&$\"}, {\"name\": \"c\"}]}"),
             &defaults, HEAD "payload:\n  raw: a+b=%C3%A9%26%24&c=\n");
    requests(POST("{\"mimeType\": \"multipart/form-data; boundary=x\", \"text\": \"--x--\","
                  "\"params\": []}"),
             &defaults, HEAD "payload:\n  raw: \"--x--\"\n");
}

static void binary_bodies_are_counted_as_lost(void **state)
{
    struct har h = reads("{\"request\": " POST("{\"text\": \"a\\u0000b\"}") "}", &defaults);

    (void)state;
    assert_int_equal(h.n_lost_bodies, 1);
    is_yaml(json_object_get(json_array_get(h.iterations, 0), "httpRequest"), HEAD);
    har_done(&h);
}

static void multipart_bodies_name_their_files(void **state)
{
    static const char request[] =
        "{\"request\": {\"method\": \"POST\", \"url\": \"http://h/\", \"headers\": ["
        "{\"name\": \"Content-Type\", \"value\": \"multipart/form-data; boundary=x\"}],"
        "\"postData\": {\"mimeType\": \"multipart/form-data; boundary=x\", \"params\": ["
        "{\"name\": \"user\", \"value\": \"$u\", \"contentType\": \"text/plain\"},"
        "{\"name\": \"data\", \"value\": \"{}\", \"contentType\": \"application/json\"},"
        "{\"name\": \"photo\", \"fileName\": \"C:\\\\my\\\\ph\\u00f6to.png\","
        " \"contentType\": \"image/png\"},"
        "{\"name\": \"up\", \"fileName\": \"/etc/..\"}]}}}";
    struct har h = reads(request, &defaults);

    (void)state;
    is_yaml(json_object_get(json_array_get(h.iterations, 0), "httpRequest"),
            HEAD "payload:\n"
                 "  multipart:\n"
                 "    fields:\n"
                 "      - name: user\n"
                 "        value: $$u\n"
                 "      - name: data\n"
                 "        value: \"{}\"\n"
                 "        contentType: application/json\n"
                 "    files:\n"
                 "      - name: photo\n"
                 "        path: files/ph__to.png\n"
                 "        contentType: image/png\n"
                 "      - name: up\n"
                 "        path: files/file\n");
    is_yaml(h.files, "- files/ph__to.png\n- files/file\n");
    har_done(&h);
}

#define AT(time, took, path)                              \
    "{\"startedDateTime\": \"" time "\", \"time\": " took \
    ", \"request\": {\"method\": \"GET\", \"url\": \"http://h/" path "\"}}"

// Names and delays, "a:0 b:125 ".
static void has_delays(const char *entries, const struct har_options *o, const char *expected)
{
    struct har h = reads(entries, o);
    struct buf b = {0};
    size_t i;
    const json_t *it;

    json_array_foreach(h.iterations, i, it)
        buf_printf(&b, "%s:%d ", json_string_value(json_object_get(it, "name")) + strlen("GET_"),
                   (int)json_integer_value(json_object_get(it, "delay")));
    assert_string_equal(b.data, expected);
    buf_done(&b);
    har_done(&h);
}

static void gaps_between_requests_are_think_time(void **state)
{
    const struct har_options think = {.think_time = true};
    const struct har_options capped = {.think_time = true, .max_think_ms = 1000};
    static const char entries[] = AT("2026-01-31T09:30:00.000Z", "100",
                                     "a") "," AT("2026-01-31T09:30:00.500Z", "100.5", "b") ","
        // In another zone, and before its neighbour in the list.
        AT("2026-01-31T10:30:05.000+01:00", "0",
           "d") "," AT("2026-01-31T04:00:00.6-0530", "1",
                       "c") "," AT("2026-01-31T09:30:05.0009Z", "-1",
                                   "e") "," AT("2026-02-02T09:30:06Z", "0", "f");

    (void)state;
    has_delays(entries, &think, "a:0 b:400 c:0 d:4399 e:0 f:86400000 ");
    has_delays(entries, &capped, "a:0 b:400 c:0 d:1000 e:0 f:1000 ");
    has_delays(entries, &defaults, "a:0 b:0 c:0 d:0 e:0 f:0 ");
    has_delays(AT("2026-01-31T09:30:00Z", "5",
                  "a") "," AT("yesterday", "5", "b") "," AT("2026-01-31T09:30:00.010Z", "5", "c"),
               &think, "a:0 b:0 c:10 ");
}

#define TWO \
    ENTRY("GET", "http://h/a") "," ENTRY("GET", "http://h/a") "," ENTRY("POST", "http://h/b")

static void a_plan_has_one_round(void **state)
{
    const uint64_t delay = 0;
    const struct har_options shaped = {.plan_name = "Shop",
                                       .round = "Load",
                                       .n_clients = 5,
                                       .arrival_delay_ms = &delay,
                                       .run_in_parallel = true,
                                       .duration_s = 60};
    struct har h = reads(TWO, &defaults);
    json_t *plan = har_create(&h, &defaults);

    (void)state;
    is_yaml(plan, "name: RecordedPlan\n"
                  "rounds:\n"
                  "  - name: Main\n"
                  "    numberOfClients: 1\n"
                  "    iterations:\n"
                  "      - name: GET_a\n"
                  "        mode: R\n"
                  "        requestCount: 1\n"
                  "        httpRequest:\n"
                  "          url: http://h/a\n"
                  "          method: GET\n"
                  "      - name: GET_a_2\n"
                  "        mode: R\n"
                  "        requestCount: 1\n"
                  "        httpRequest:\n"
                  "          url: http://h/a\n"
                  "          method: GET\n"
                  "      - name: POST_b\n"
                  "        mode: R\n"
                  "        requestCount: 1\n"
                  "        httpRequest:\n"
                  "          url: http://h/b\n"
                  "          method: POST\n");
    json_decref(plan);
    har_done(&h);
    h = reads(ENTRY("GET", "http://h/a"), &shaped);
    plan = har_create(&h, &shaped);
    is_yaml(plan, "name: Shop\n"
                  "rounds:\n"
                  "  - name: Load\n"
                  "    numberOfClients: 5\n"
                  "    arrivalDelay: 0\n"
                  "    runInParallel: true\n"
                  "    iterations:\n"
                  "      - name: GET_a\n"
                  "        mode: D\n"
                  "        duration: 60\n"
                  "        httpRequest:\n"
                  "          url: http://h/a\n"
                  "          method: GET\n");
    json_decref(plan);
    har_done(&h);
}

// --- Append and update ---

static json_t *plan_of(const char *text)
{
    struct diag d = {0};
    struct places *places;
    json_t *plan;

    assert_int_equal(yaml_parse(text, strlen(text), &d, &plan, &places), 0);
    places_free(places);
    return plan;
}

// "Main: GET_a GET_b, Round2: x, "
static char *names_of(const json_t *plan)
{
    struct buf b = {0};
    size_t i, j;
    const json_t *round, *it;

    buf_puts(&b, "");
    json_array_foreach(json_object_get(plan, "rounds"), i, round)
    {
        buf_printf(&b, "%s:", json_string_value(json_object_get(round, "name")));
        json_array_foreach(json_object_get(round, "iterations"), j, it)
            buf_printf(&b, " %s", json_string_value(json_object_get(it, "name")));
        buf_puts(&b, ", ");
    }
    return buf_take(&b);
}

static void append_adds_a_round_or_to_one(void **state)
{
    static const char existing[] = "name: x\n"
                                   "rounds:\n"
                                   "  - {name: round2}\n"
                                   "  - {name: Main, iterations: [{name: get_A, httpRequest: "
                                   "{url: 'http://h/z'}}]}\n";
    const struct {
        const char *plan, *round;
        uint64_t n_clients;
        const char *names;
        bool shape_ignored;
    } cases[] = {
        {"{}", NULL, 7, "Round2: GET_a GET_a_2 POST_b, ", false},
        {existing, NULL, 0, "round2:, Main: get_A, Round3: GET_a GET_a_2 POST_b, ", false},
        {existing, "main", 7, "round2:, Main: get_A GET_a_2 GET_a_3 POST_b, ", true},
        {existing, "main", 0, "round2:, Main: get_A GET_a_2 GET_a_3 POST_b, ", false},
        {existing, "round2", 0, "round2: GET_a GET_a_2 POST_b, Main: get_A, ", false},
        {existing, "New", 7, "round2:, Main: get_A, New: GET_a GET_a_2 POST_b, ", false},
    };

    (void)state;
    for (size_t i = 0; i < N_OF(cases); i++) {
        const struct har_options o = {.round = cases[i].round, .n_clients = cases[i].n_clients};
        struct har h = reads(TWO, &o);
        struct har_joined joined;
        json_t *plan = plan_of(cases[i].plan);
        assert_int_equal(har_append(&h, &o, plan, &joined), 0);
        char *names = names_of(plan);
        assert_string_equal(names, cases[i].names);
        assert_int_equal(joined.n_added, 3);
        assert_int_equal(joined.shape_ignored, cases[i].shape_ignored);
        free(names);
        json_decref(plan);
        har_done(&h);
    }
}

static void long_names_stay_within_their_limit(void **state)
{
    static const char path[] =
        "http://h/1234567890123456789012345678901234567890123456789012345678901234567890";
    char *entries = xasprintf("{\"request\": {\"method\": \"GET\", \"url\": \"%s\"}}, "
                              "{\"request\": {\"method\": \"GET\", \"url\": \"%s\"}}",
                              path, path);
    struct har h = reads(entries, &defaults);
    json_t *plan = har_create(&h, &defaults);
    char *names = names_of(plan);

    (void)state;
    assert_string_equal(names, "Main: GET_12345678901234567890123456789012345678901234567890123456 "
                               "GET_123456789012345678901234567890123456789012345678901234_2, ");
    free(names);
    json_decref(plan);
    har_done(&h);
    free(entries);
}

static void update_finds_method_url_and_body(void **state)
{
    static const char existing[] = "name: x\n"
                                   "rounds:\n"
                                   "  - name: First\n"
                                   "    baseUrl: http://h\n"
                                   "    iterations:\n"
                                   "      - name: mine\n"
                                   "        mode: D\n"
                                   "        duration: 9\n"
                                   "        failureRules:\n"
                                   "          - metric: RPS < 1\n"
                                   "        httpRequest:\n"
                                   "          url: /a\n"
                                   "          httpMethod: get\n"
                                   "          httpHeaders:\n"
                                   "            X: old\n"
                                   "          version: \"1.0\"\n"
                                   "          capture:\n"
                                   "            to: t\n"
                                   "iterations:\n"
                                   "  - name: global\n"
                                   "    httpRequest:\n"
                                   "      url: http://h/p\n"
                                   "      method: POST\n"
                                   "      payload:\n"
                                   "        type: Raw\n"
                                   "        raw: one\n";
    static const char entries[] =
        "{\"request\": {\"method\": \"GET\", \"url\": \"http://h/a\", \"httpVersion\": "
        "\"HTTP/1.1\","
        " \"headers\": [{\"name\": \"X\", \"value\": \"new\"}]}},"
        "{\"request\": {\"method\": \"GET\", \"url\": \"http://h/a\"}},"
        "{\"request\": {\"method\": \"POST\", \"url\": \"http://h/p\", \"postData\": {\"text\": "
        "\"one\"}}},"
        "{\"request\": {\"method\": \"POST\", \"url\": \"http://h/p\", \"postData\": {\"text\": "
        "\"two\"}}},"
        "{\"request\": {\"method\": \"POST\", \"url\": \"http://h/p\", \"postData\": {\"text\": "
        "\"two\"}}}";
    struct har h = reads(entries, &defaults);
    struct har_joined joined;
    json_t *plan = plan_of(existing);

    (void)state;
    assert_int_equal(har_update(&h, &defaults, plan, &joined), 0);
    assert_int_equal(joined.n_updated, 2);
    assert_int_equal(joined.n_repeated, 2);
    assert_int_equal(joined.n_added, 1);
    is_yaml(plan, "name: x\n"
                  "rounds:\n"
                  "  - name: First\n"
                  "    baseUrl: http://h\n"
                  "    iterations:\n"
                  "      - name: mine\n"
                  "        mode: D\n"
                  "        duration: 9\n"
                  "        failureRules:\n"
                  "          - metric: RPS < 1\n"
                  "        httpRequest:\n"
                  "          url: /a\n"
                  "          httpMethod: get\n"
                  "          version: \"1.1\"\n"
                  "          capture:\n"
                  "            to: t\n"
                  "          headers:\n"
                  "            X: new\n"
                  "      - name: POST_p\n"
                  "        mode: R\n"
                  "        requestCount: 1\n"
                  "        httpRequest:\n"
                  "          url: http://h/p\n"
                  "          method: POST\n"
                  "          payload:\n"
                  "            raw: two\n"
                  "iterations:\n"
                  "  - name: global\n"
                  "    httpRequest:\n"
                  "      url: http://h/p\n"
                  "      method: POST\n"
                  "      payload:\n"
                  "        type: Raw\n"
                  "        raw: one\n");
    json_decref(plan);
    har_done(&h);
}

static void update_makes_a_round_where_there_is_none(void **state)
{
    const struct {
        const char *plan, *round, *names;
        bool shape_ignored;
    } cases[] = {
        {"{}", NULL, "Main: GET_a POST_b, ", false},
        {"rounds: [{name: A}, {name: B}]", NULL, "A: GET_a POST_b, B:, ", true},
        {"rounds: [{name: A}, {name: B}]", "b", "A:, B: GET_a POST_b, ", true},
        {"rounds: [{name: A}]", "C", "A:, C: GET_a POST_b, ", false},
    };

    (void)state;
    for (size_t i = 0; i < N_OF(cases); i++) {
        const struct har_options o = {.round = cases[i].round, .n_clients = 2};
        struct har h = reads(TWO, &o);
        struct har_joined joined;
        json_t *plan = plan_of(cases[i].plan);
        assert_int_equal(har_update(&h, &o, plan, &joined), 0);
        char *names = names_of(plan);
        assert_string_equal(names, cases[i].names);
        assert_int_equal(joined.shape_ignored, cases[i].shape_ignored);
        free(names);
        json_decref(plan);
        har_done(&h);
    }
}

static void what_is_no_plan_stays_as_it_is(void **state)
{
    static const char *const texts[] = {"[]",
                                        "7",
                                        "{rounds: 1}",
                                        "{rounds: [1]}",
                                        "{rounds: [{iterations: 1}]}",
                                        "{iterations: [1]}"};
    struct har h = reads(TWO, &defaults);
    struct har_joined joined;

    (void)state;
    for (size_t i = 0; i < N_OF(texts); i++) {
        json_t *plan = plan_of(texts[i]), *copy = json_deep_copy(plan);
        assert_int_equal(har_append(&h, &defaults, plan, &joined), -EINVAL);
        assert_int_equal(har_update(&h, &defaults, plan, &joined), -EINVAL);
        assert_true(json_equal(plan, copy));
        json_decref(copy);
        json_decref(plan);
    }
    har_done(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_recording_is_refused),
        cmocka_unit_test(recordings_are_limited),
        cmocka_unit_test(marks_nuls_and_names_that_come_twice_are_no_hindrance),
        cmocka_unit_test(entries_are_kept_by_the_rules),
        cmocka_unit_test(iterations_are_named_after_method_and_path),
        cmocka_unit_test(headers_of_the_connection_are_dropped),
        cmocka_unit_test(headers_that_come_again_are_lists_and_cookies_one_value),
        cmocka_unit_test(headers_are_limited),
        cmocka_unit_test(versions_are_those_that_a_plan_need_not_guess),
        cmocka_unit_test(bodies_are_raw_texts),
        cmocka_unit_test(binary_bodies_are_counted_as_lost),
        cmocka_unit_test(multipart_bodies_name_their_files),
        cmocka_unit_test(gaps_between_requests_are_think_time),
        cmocka_unit_test(a_plan_has_one_round),
        cmocka_unit_test(append_adds_a_round_or_to_one),
        cmocka_unit_test(long_names_stay_within_their_limit),
        cmocka_unit_test(update_finds_method_url_and_body),
        cmocka_unit_test(update_makes_a_round_where_there_is_none),
        cmocka_unit_test(what_is_no_plan_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
