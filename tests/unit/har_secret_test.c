// What a recording authenticates by becomes secret variables of the plan.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"
#include "common/yaml.h"
#include "worker/cli/har.h"

static const struct har_options defaults;

#define HEADER(name, value) "{\"name\": \"" name "\", \"value\": \"" value "\"}"
#define REQUEST(path, headers)                                                                   \
    "{\"request\": {\"method\": \"GET\", \"url\": \"http://h/" path "\", \"headers\": [" headers \
    "]}}"

// Entries as JSON, without the brackets around.
static struct har reads(const char *entries)
{
    char *text = xasprintf("{\"log\": {\"entries\": [%s]}}", entries);
    struct diag d = {0};
    struct har h;

    if (har_read(text, strlen(text), &defaults, &d, &h) < 0)
        fail_msg("%s: %s", text, d.entry[0].text);
    free(text);
    return h;
}

// Takes json.
static void is_yaml(json_t *json, const char *expected)
{
    char *text = yaml_format(json);

    assert_string_equal(text, expected);
    free(text);
    json_decref(json);
}

static void headers_that_authenticate_refer_to_secret_variables(void **state)
{
    struct har h =
        reads(REQUEST("a", HEADER("Authorization", "Bearer $1") ", " HEADER("X-A", "b")));

    (void)state;
    is_yaml(har_create(&h, &defaults), "name: RecordedPlan\n"
                                       "variables:\n"
                                       "  - name: recordedAuthorization\n"
                                       "    value: Bearer $$1\n"
                                       "    secret: true\n"
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
                                       "          headers:\n"
                                       "            Authorization: $recordedAuthorization\n"
                                       "            X-A: b\n");
    har_done(&h);
}

static void each_value_has_one_variable(void **state)
{
    struct har h =
        reads(REQUEST("a", HEADER("cookie", "s=1") ", " HEADER("AUTHORIZATION", "x")) ", " REQUEST(
            "b", HEADER("Cookie", "s=2")) ", " REQUEST("c",
                                                       HEADER("Cookie", "s=1") ", " HEADER(
                                                           "Proxy-Authorization", "x")));
    static const char *const expected[] = {
        "cookie: $recordedCookie\nAUTHORIZATION: $recordedAuthorization\n",
        "Cookie: $recordedCookie2\n",
        "Cookie: $recordedCookie\nProxy-Authorization: $recordedProxyAuthorization\n",
    };

    (void)state;
    assert_int_equal(json_array_size(h.variables), 4);
    for (size_t i = 0; i < 3; i++) {
        const json_t *request = json_object_get(json_array_get(h.iterations, i), "httpRequest");
        is_yaml(json_incref(json_object_get(request, "headers")), expected[i]);
    }
    har_done(&h);
}

static void several_values_of_a_header_refer_each_to_their_own(void **state)
{
    struct har h =
        reads(REQUEST("a", HEADER("Authorization", "x") ", " HEADER("authorization", "y")));
    const json_t *request = json_object_get(json_array_get(h.iterations, 0), "httpRequest");

    (void)state;
    is_yaml(json_incref(json_object_get(request, "headers")),
            "Authorization:\n  - $recordedAuthorization\n  - $recordedAuthorization2\n");
    har_done(&h);
}

static void a_later_recording_renews_them(void **state)
{
    struct har h = reads(REQUEST("a", HEADER("Cookie", "s=2")));
    struct har_joined joined;
    json_t *plan =
        json_pack("{s:[{s:s, s:s, s:b}, {s:s, s:s}], s:[]}", "variables", "name", "recordedCookie",
                  "value", "s=1", "secret", 1, "name", "mine", "value", "7", "rounds");

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal((i == 0 ? har_update : har_append)(&h, &defaults, plan, &joined), 0);
        is_yaml(
            json_incref(json_object_get(plan, "variables")),
            "- name: recordedCookie\n  value: s=2\n  secret: true\n- name: mine\n  value: \"7\"\n");
    }
    // Where a plan has something else there, it is left alone.
    json_object_set_new(plan, "variables", json_integer(1));
    assert_int_equal(har_append(&h, &defaults, plan, &joined), -EINVAL);
    assert_int_equal(json_integer_value(json_object_get(plan, "variables")), 1);
    json_decref(plan);
    har_done(&h);
}

static void credentials_are_limited(void **state)
{
    struct buf b = {0};

    (void)state;
    for (int i = 0; i <= HAR_SECRETS_MAX; i++)
        buf_printf(&b, "%s" REQUEST("a", HEADER("Cookie", "%d")), i > 0 ? ", " : "", i);
    struct har h = reads(b.data);
    assert_int_equal(json_array_size(h.variables), HAR_SECRETS_MAX);
    assert_int_equal(h.n_lost_secrets, 1);
    const json_t *last = json_array_get(h.iterations, HAR_SECRETS_MAX);
    assert_int_equal(
        json_object_size(json_object_get(json_object_get(last, "httpRequest"), "headers")), 0);
    har_done(&h);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_that_authenticate_refer_to_secret_variables),
        cmocka_unit_test(each_value_has_one_variable),
        cmocka_unit_test(several_values_of_a_header_refer_each_to_their_own),
        cmocka_unit_test(a_later_recording_renews_them),
        cmocka_unit_test(credentials_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
