#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"
#include "worker/cli/plan_edit.h"

// What the command line makes of a plan in JSON; the caller frees. NULL: it is refused with d.
static char *edited(const char *plan, const char *const *words, struct diag *d)
{
    json_t *json = json_loads(plan, JSON_DECODE_ANY, NULL);
    struct options options;
    char *argv[30], *text = NULL;
    int argc = 0;

    assert_non_null(json);
    for (; words[argc] != NULL; argc++)
        argv[argc] = (char *)words[argc];
    if (options_parse(argc, argv, d, &options) < 0)
        fail_msg("%s", d->entry[0].text);
    if (plan_edit(&options, json, d) == 0)
        text = json_dumps(json, JSON_COMPACT);
    options_done(&options);
    json_decref(json);
    return text;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

// Keys in this order.
#define becomes(expected, plan, ...)                         \
    do {                                                     \
        struct diag d_ = {0};                                \
        char *text_ = edited(plan, WORDS(__VA_ARGS__), &d_); \
        if (text_ == NULL)                                   \
            fail_msg("%s", d_.entry[0].text);                \
        assert_string_equal(text_, expected);                \
        free(text_);                                         \
        diag_done(&d_);                                      \
    } while (0)

#define refuses(message, plan, ...)                         \
    do {                                                    \
        struct diag d_ = {0};                               \
        assert_null(edited(plan, WORDS(__VA_ARGS__), &d_)); \
        assert_int_equal(d_.n, 1);                          \
        assert_string_equal(d_.entry[0].text, message);     \
        diag_done(&d_);                                     \
    } while (0)

static void create_makes_or_renames_a_plan(void **state)
{
    (void)state;
    becomes("{\"name\":\"p\",\"rounds\":[]}", "{}", "create", "f", "-n", "p");
    becomes("{\"rounds\":[1],\"name\":\"q\",\"x\":{}}", "{\"rounds\":[1],\"name\":\"p\",\"x\":{}}",
            "create", "f", "-n", "q");
    becomes("{\"name\":\"$p\",\"rounds\":[]}", "{}", "create", "f", "-n", "$p");
    refuses("-n: found 0 characters, expected 1 to 60", "{}", "create", "f", "-n", "");
    refuses("-n: found 61 characters, expected 1 to 60", "{}", "create", "f", "-n",
            "1234567890123456789012345678901234567890123456789012345678901");
    refuses("--name: found \"a/b\", expected only letters, digits, ' ', '_', '.', '-'", "{}",
            "create", "f", "--name", "a/b");
    refuses("-n: found bytes that are not UTF-8", "{}", "create", "f", "-n", "\xff");
    refuses("rounds: expected a list", "{\"rounds\":{}}", "create", "f", "-n", "p");
    refuses("expected a plan", "[]", "create", "f", "-n", "p");
}

static void a_round_is_added_or_changed(void **state)
{
    (void)state;
    becomes("{\"rounds\":[{\"name\":\"r\",\"baseUrl\":\"http://a/\",\"startupDelay\":3,"
            "\"numberOfClients\":5,\"arrivalDelay\":20,"
            "\"delayClientCreationUntilIsNeeded\":true,\"runInParallel\":false,\"tags\":[\"a\","
            "\"b\"],\"iterations\":[]}]}",
            "{}", "round", "f", "-n", "r", "-burl", "http://a/", "-sd", "3", "-nc", "5", "-ad",
            "20", "-dcc", "-rip=false", "-t", "a", "b");
    // The name in any letter case; what is not given is kept, stages and iterations among it.
    becomes("{\"rounds\":[{\"name\":\"One\",\"stages\":[7],\"arrivalDelay\":9,\"iterations\":["
            "8]},{\"name\":\"Two\"}]}",
            "{\"rounds\":[{\"name\":\"One\",\"stages\":[7],\"arrivalDelay\":2,\"iterations\":["
            "8]},{\"name\":\"Two\"}]}",
            "round", "f", "-n", "ONE", "-ad", "9");
}

#define R "{\"rounds\":[{\"name\":\"r\",\"iterations\":[]}]}"

static void an_iteration_goes_to_its_round_or_to_the_plan(void **state)
{
    (void)state;
    becomes("{\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"i\",\"mode\":\"R\","
            "\"requestCount\":4,\"httpRequest\":{\"url\":\"/x\",\"method\":\"PUT\","
            "\"saveResponse\":true,\"headers\":{\"A\":\"$b\"},\"payload\":{\"file\":\"b.txt\"}},"
            "\"delay\":5}]}]}",
            R, "iteration", "f", "-rn", "R", "-n", "i", "-u", "/x", "-hm", "PUT", "-rc", "4", "-h",
            "A: $b", "-p", "Path:b.txt", "-sd", "5", "-sr");
    becomes("{\"rounds\":[],\"iterations\":[{\"name\":\"i\",\"mode\":\"D\",\"duration\":5,"
            "\"httpRequest\":{\"url\":\"${base}/x\"}}]}",
            "{\"rounds\":[]}", "iteration", "f", "-n", "i", "-u", "${base}/x", "-d", "5");
    becomes("{\"iterations\":[{\"name\":\"i\",\"mode\":\"R\",\"thinkTime\":20,\"httpRequest\":{"
            "\"url\":\"http://a/\",\"payload\":{\"file\":\"url:http://b/\"}}}]}",
            "{}", "iteration", "f", "-n", "i", "-u", "http://a/", "-p", "url:http://b/",
            "--thinkTime", "20");
    becomes("{\"rounds\":[{\"name\":\"r\",\"iterations\":[],\"reference\":[\"i\"]}],"
            "\"iterations\":[{\"name\":\"i\",\"mode\":\"R\",\"httpRequest\":{\"url\":\"http://a/"
            "\"}}]}",
            R, "iteration", "f", "-n", "i", "-g", "-rn", "r", "-u", "http://a/");
    refuses("-rn: found no round named \"other\"", R, "iteration", "f", "-rn", "other", "-n", "i",
            "-u", "/");
    refuses("-rn: found no round named \"chekout\", did you mean \"checkout\"?",
            "{\"rounds\":[{\"name\":\"checkout\"}]}", "iteration", "f", "-rn", "chekout", "-n", "i",
            "-u", "/");
    refuses("-d: mode R takes no duration", R, "iteration", "f", "-n", "i", "-u", "/", "-im", "R",
            "-d", "5");
}

static void an_iteration_of_that_name_keeps_what_no_option_speaks_of(void **state)
{
    (void)state;
    becomes("{\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"i\",\"mode\":\"D\","
            "\"httpRequest\":{\"url\":\"/new\",\"capture\":{\"to\":\"t\"}},\"skipIf\":\"x\","
            "\"failureRules\":[1],\"duration\":7}]}]}",
            "{\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"I\",\"mode\":\"R\","
            "\"requestCount\":5,\"startupDelay\":3,\"httpRequest\":{\"url\":\"/\",\"httpMethod\":"
            "\"PUT\",\"capture\":{\"to\":\"t\"},\"payload\":{\"raw\":\"x\"}},\"skipIf\":\"x\","
            "\"failureRules\":[1]}]}]}",
            "iteration", "f", "-rn", "r", "-n", "i", "-u", "/new", "-d", "7");
}

static void rules_are_split_at_their_semicolons(void **state)
{
    (void)state;
    becomes("{\"iterations\":[{\"name\":\"i\",\"mode\":\"R\",\"httpRequest\":{\"url\":\"/\"},"
            "\"failureRules\":[{\"metric\":\"ErrorRate > 0.05\",\"errorStatusCodes\":\">= 500\"},{"
            "\"metric\":\"TTFB.P95 > 5\"}],\"terminationRules\":[{\"metric\":\"TTFB.P95 > 5\","
            "\"gracePeriod\":\"00:00:10\"},{\"metric\":\"ErrorRate > 0.5\",\"gracePeriod\":\"10s\","
            "\"errorStatusCodes\":\"= 503\"}]}]}",
            "{}", "iteration", "f", "-n", "i", "-u", "/", "-fr", "ErrorRate > 0.05 ; >= 500", "-fr",
            "TTFB.P95 > 5", "-tr", "TTFB.P95 > 5;00:00:10", "-tr", "ErrorRate > 0.5;10s;= 503");
    refuses("-tr \"TTFB.P95 > 5\": expected METRIC;GRACE or METRIC;GRACE;CODES", "{}", "iteration",
            "f", "-n", "i", "-u", "/", "-tr", "TTFB.P95 > 5");
    refuses("-fr \"a;b;c\": expected METRIC or METRIC;CODES", "{}", "iteration", "f", "-n", "i",
            "-u", "/", "-fr", "a;b;c");
    refuses("-fr \"ErorRate > 1\": found the metric \"ErorRate\", did you mean \"ErrorRate\"?",
            "{}", "iteration", "f", "-n", "i", "-u", "/", "-fr", "ErorRate > 1");
}

#define G "{\"rounds\":[{\"name\":\"r\"}],\"iterations\":[{\"name\":\"login\",\"httpRequest\":{}}]}"

static void a_round_refers_to_an_iteration_once(void **state)
{
    (void)state;
    becomes("{\"rounds\":[{\"name\":\"r\",\"reference\":[\"login\"]}],\"iterations\":[{\"name\":"
            "\"login\",\"httpRequest\":{}}]}",
            G, "iteration", "ref", "f", "-rn", "r", "-n", "login");
    becomes("{\"rounds\":[{\"name\":\"r\",\"reference\":[\"login\"]}],\"iterations\":[{\"name\":"
            "\"login\"}]}",
            "{\"rounds\":[{\"name\":\"r\",\"reference\":[\"login\"]}],\"iterations\":[{\"name\":"
            "\"login\"}]}",
            "iteration", "ref", "f", "-rn", "R", "-n", "LOGIN");
    refuses("-n: found no iteration of the plan itself named \"logon\", did you mean \"login\"?", G,
            "iteration", "ref", "f", "-rn", "r", "-n", "logon");
    refuses("-rn: found no round named \"other\"", G, "iteration", "ref", "f", "-rn", "other", "-n",
            "login");
}

static void a_capture_needs_its_iteration(void **state)
{
    (void)state;
    becomes("{\"iterations\":[{\"name\":\"login\",\"httpRequest\":{\"capture\":{\"to\":\"t\","
            "\"as\":\"JSON\",\"makeGlobal\":true,\"regex\":\"a+\"}}}]}",
            "{\"iterations\":[{\"name\":\"login\",\"httpRequest\":{\"capture\":{\"to\":\"old\"}}}]"
            "}",
            "capture", "f", "-in", "Login", "--to", "t", "-as", "JSON", "-mg", "-r", "a+");
    becomes("{\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"i\",\"httpRequest\":{"
            "\"capture\":{\"to\":\"t\"}}}]}]}",
            "{\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"i\",\"httpRequest\":{}}]}]}",
            "capture", "f", "-rn", "r", "-in", "i", "--to", "t");
    refuses("-in: found no iteration named \"login\"", G, "capture", "f", "-rn", "r", "-in",
            "login", "--to", "t");
    refuses("--to: found \"a-b\", expected letters and digits", G, "capture", "f", "-in", "login",
            "--to", "a-b");
    refuses("iteration \"i\": found no httpRequest, expected one",
            "{\"iterations\":[{\"name\":\"i\"}]}", "capture", "f", "-in", "i", "--to", "t");
}

static void a_variable_is_of_the_plan_or_of_environments(void **state)
{
    (void)state;
    becomes("{\"variables\":[{\"name\":\"v\",\"value\":\"007\",\"as\":\"Int\"}]}", "{}", "variable",
            "f", "-n", "v", "-v", "007", "--as", "Int");
    becomes("{\"variables\":[{\"name\":\"v\",\"value\":\"\"}]}",
            "{\"variables\":[{\"name\":\"V\",\"value\":\"1\",\"as\":\"Int\",\"regex\":\"x\"}]}",
            "variable", "f", "-n", "v", "-v", "");
    becomes("{\"environments\":[{\"name\":\"prod\",\"variables\":[{\"name\":\"a\"},{\"name\":"
            "\"v\",\"value\":\"1\"}]},{\"name\":\"dev\",\"variables\":[{\"name\":\"v\",\"value\":"
            "\"1\"}]}]}",
            "{\"environments\":[{\"name\":\"prod\",\"variables\":[{\"name\":\"a\"}]}]}", "variable",
            "f", "-n", "v", "-v", "1", "-e", "PROD", "-e", "dev");
    // One that is secret stays so until something else is said.
    becomes("{\"variables\":[{\"name\":\"v\",\"value\":\"1\",\"secret\":true}]}", "{}", "variable",
            "f", "-n", "v", "-v", "1", "--secret");
    becomes("{\"variables\":[{\"name\":\"v\",\"value\":\"2\",\"secret\":true}]}",
            "{\"variables\":[{\"name\":\"v\",\"value\":\"1\",\"secret\":true}]}", "variable", "f",
            "-n", "v", "-v", "2");
    becomes("{\"variables\":[{\"name\":\"v\",\"value\":\"2\",\"secret\":false}]}",
            "{\"variables\":[{\"name\":\"v\",\"value\":\"1\",\"secret\":true}]}", "variable", "f",
            "-n", "v", "-v", "2", "--secret=false");
    refuses("-n: found \"\", expected letters and digits", "{}", "variable", "f", "-n", "", "-v",
            "1");
    refuses("-n: found \"a b\", expected letters and digits", "{}", "variable", "f", "-n", "a b",
            "-v", "1");
    refuses("-n: found \"Metrics\", which is what the run itself has measured", "{}", "variable",
            "f", "-n", "Metrics", "-v", "1");
    refuses("variables: expected a list", "{\"variables\":{}}", "variable", "f", "-n", "a", "-v",
            "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_makes_or_renames_a_plan),
        cmocka_unit_test(a_round_is_added_or_changed),
        cmocka_unit_test(an_iteration_goes_to_its_round_or_to_the_plan),
        cmocka_unit_test(an_iteration_of_that_name_keeps_what_no_option_speaks_of),
        cmocka_unit_test(rules_are_split_at_their_semicolons),
        cmocka_unit_test(a_round_refers_to_an_iteration_once),
        cmocka_unit_test(a_capture_needs_its_iteration),
        cmocka_unit_test(a_variable_is_of_the_plan_or_of_environments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
