#include "worker/runner/program.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/runner/program_impl.h"

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

// A plan of one round, made anew for each test.
static struct plan_iteration iterations[3];
static struct plan_round rounds[1];
static struct plan_variable variables[8];
static struct plan_read reads[1];
static struct plan plan;
static struct plan_header headers[3];
static struct plan_capture capture;
static struct program *program;
static char why[300], warnings[2000];

static void on_warning(void *arg, const char *text)
{
    size_t len = strlen(warnings);

    (void)arg;
    snprintf(warnings + len, sizeof warnings - len, "%s\n", text);
}

static int set_up(void **unused)
{
    static char *names[] = {"one", "two", "three"};

    (void)unused;
    for (size_t i = 0; i < 3; i++)
        iterations[i] = (struct plan_iteration){
            .name = names[i],
            .mode = PLAN_MODE_R,
            .request_count = 1,
            .version = PLAN_VERSION_1_1,
            .method = "GET",
            .url = {.text = "http://h/", .host = "h", .port = 80, .authority = "h", .target = "/"}};
    rounds[0] = (struct plan_round){.name = "round", .iterations = iterations, .n_iterations = 1};
    plan = (struct plan){
        .name = "plan", .rounds = rounds, .n_rounds = 1, .variables = variables, .reads = reads};
    program = NULL;
    why[0] = warnings[0] = '\0';
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    program_free(program);
    return 0;
}

static void add_variable(const char *name, const char *value)
{
    variables[plan.n_variables++] = (struct plan_variable){
        .name = (char *)(uintptr_t)name, .type = VALUE_STRING, .value = (char *)(uintptr_t)value};
}

static int make(void)
{
    static const struct request_file files[] = {{SHA_A, "content", 7}, {SHA_B, NULL, 0}};
    const struct program_config config = {.plan = &plan,
                                          .files = files,
                                          .n_files = 2,
                                          .seed = 7,
                                          .part = 0,
                                          .n_parts = 1,
                                          .warn = on_warning};

    return program_new(&config, &program, why, sizeof why);
}

static void add_header(const char *name, const char *value)
{
    struct plan_iteration *it = &iterations[0];

    it->headers = headers;
    headers[it->n_headers++] =
        (struct plan_header){(char *)(uintptr_t)name, (char *)(uintptr_t)value};
}

static struct request_parts constant(void)
{
    struct request_parts parts;

    if (make() < 0)
        fail_msg("%s", why);
    assert_true(program_parts(program, 0, &parts));
    return parts;
}

static const char *field(const struct request_parts *parts, const char *name)
{
    const char *found = NULL;

    for (size_t i = 0; i < parts->n_fields; i++) {
        if (strcmp(parts->fields[i].name, name) != 0)
            continue;
        assert_null(found);
        found = parts->fields[i].value;
    }
    return found;
}

// What the only series comes to at this time; variables of a session in s.
static struct program_render rendered;
static int render(struct scope *s, struct request_parts *ret_parts)
{
    struct script_random random;
    struct script_env env;

    script_random_seed(&random, 1, 1);
    program_env(program, &env);
    env.session = s;
    env.random = &random;
    return program_render(&program->series[0], program, &env, &rendered, ret_parts, why,
                          sizeof why);
}

static void put(struct scope *s, const char *name, const char *text)
{
    struct value v = {0};

    value_set(&v, VALUE_STRING, false, text, strlen(text));
    scope_put(s, name, &v);
}

static void a_request_without_placeholders_is_plain(void **unused)
{
    (void)unused;
    iterations[0].method = "post";
    iterations[0].url.target = "/a?b=$$1";
    iterations[0].payload_kind = PLAN_PAYLOAD_RAW;
    iterations[0].payload = "$$5 and $$x";
    add_header("Accept", "*/*");
    struct request_parts parts = constant();
    assert_false(program_needs_sessions(program, 0, 1));
    assert_false(program_reads_metrics(program));
    assert_string_equal(parts.method, "POST");
    assert_string_equal(parts.url.target, "/a?b=$1");
    assert_string_equal(parts.url.host, "h");
    assert_int_equal(parts.n_fields, 1);
    assert_string_equal(field(&parts, "Accept"), "*/*");
    assert_int_equal(parts.body_len, 9);
    assert_memory_equal(parts.body, "$5 and $x", 9);
}

static void variables_that_stay_are_folded(void **unused)
{
    (void)unused;
    add_variable("id", "4$strcat(values=[2])");
    add_variable("path", "shop/$id");
    add_variable("id2", "old");
    add_variable("id2", "new");
    iterations[0].url.target = "/${path}/${id2}";
    add_header("X-Id", "<$id>");
    struct request_parts parts = constant();
    assert_string_equal(parts.url.target, "/shop/42/new");
    assert_string_equal(field(&parts, "X-Id"), "<42>");
    assert_false(program_needs_sessions(program, 0, 1));
    assert_string_equal(warnings, "");
}

static void variables_that_something_stores_to_are_not_folded(void **unused)
{
    static const struct {
        char *hook, *capture;
        bool is_folded;
    } cases[] = {
        {NULL, NULL, true},
        {"$uuid(variable=other)", NULL, true},
        {"$uuid(variable=id)", NULL, false},
        {"$uuid(variable=id, isGlobal=true)", NULL, false},
        {"$uuid(variable=${name})", NULL, false}, // whichever it is
        {NULL, "id", false},
        {NULL, "other", true},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct request_parts parts;
        set_up(NULL);
        add_variable("id", "42");
        iterations[0].url.target = "/$id";
        if (cases[i].hook != NULL) {
            iterations[1].after = (char **)(uintptr_t)&cases[i].hook;
            iterations[1].n_after = 1;
        }
        capture = (struct plan_capture){.to = cases[i].capture};
        iterations[1].capture = cases[i].capture != NULL ? &capture : NULL;
        rounds[0].n_iterations = 2;
        if (make() < 0)
            fail_msg("case %zu: %s", i, why);
        if (program_parts(program, 0, &parts) != cases[i].is_folded)
            fail_msg("case %zu", i);
        program_free(program);
        program = NULL;
    }
}

static void what_is_beside_the_request_needs_a_session(void **unused)
{
    static char *hook = "$uuid(variable=x)";
    static struct plan_retry retry = {.max = 1};
    struct request_parts parts;

    (void)unused;
    for (int i = 0; i < 9; i++) {
        set_up(NULL);
        struct plan_iteration *it = &iterations[0];
        capture = (struct plan_capture){.to = "x"};
        switch (i) {
        case 0:
            it->before = &hook;
            it->n_before = 1;
            break;
        case 1:
            it->after = &hook;
            it->n_after = 1;
            break;
        case 2:
            it->request_before = &hook;
            it->n_request_before = 1;
            break;
        case 3:
            it->request_after = &hook;
            it->n_request_after = 1;
            break;
        case 4:
            it->skip_if = "1 = 2";
            break;
        case 5:
            it->request_skip_if = "1 = 2";
            break;
        case 6:
            it->retry = &retry;
            break;
        case 7:
            it->capture = &capture;
            break;
        default:
            it->with_resources = true;
            break;
        }
        assert_int_equal(make(), 0);
        assert_true(program_parts(program, 0, &parts));
        assert_true(program_needs_sessions(program, 0, 1));
        program_free(program);
        program = NULL;
    }
}

static void targets_are_spelled_as_urls_are(void **unused)
{
    static const struct {
        const char *value, *target;
    } cases[] = {
        {"/a b", "/a%20b"},
        {"/\xc3\xa9?q=\"x\"", "/%C3%A9?q=%22x%22"},
        {"/a%2", "/a%2"},
        {"/a#part", "/a"},
        {"", "/"},
        {"?a=1", "/?a=1"},
        {"#", "/"},
        {"/a\r\nX: y", "/a%0D%0AX:%20y"},
        {"/<>\\^`{|}", "/%3C%3E%5C%5E%60%7B%7C%7D"},
        {"x.example/", NULL},
        {":81/", NULL},
    };

    (void)unused;
    iterations[0].url.target = "${v}";
    add_header("X-Value", "${w}"); // behind the target in memory that moves
    if (make() < 0)
        fail_msg("%s", why);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scope s = {0};
        struct request_parts parts;
        put(&s, "v", cases[i].value);
        put(&s, "w", "kept");
        int r = render(&s, &parts);
        assert_int_equal(r, cases[i].target != NULL ? 0 : -EINVAL);
        if (r == 0) {
            assert_string_equal(parts.url.target, cases[i].target);
            assert_string_equal(field(&parts, "X-Value"), "kept");
        } else {
            assert_non_null(strstr(why, cases[i].value));
        }
        scope_done(&s);
        program_render_done(&rendered);
    }
}

static void a_target_has_a_limit(void **unused)
{
    char *text = xcalloc(PLAN_URL_MAX + 2, 1);

    (void)unused;
    iterations[0].url.target = "${v}";
    assert_int_equal(make(), 0);
    memset(text, 'a', PLAN_URL_MAX + 1);
    text[0] = '/';
    for (int i = 1; i >= 0; i--) {
        struct scope s = {0};
        struct request_parts parts;
        text[PLAN_URL_MAX + i] = '\0';
        put(&s, "v", text);
        assert_int_equal(render(&s, &parts), i == 1 ? -EINVAL : 0);
        scope_done(&s);
    }
    text[1] = ' '; // two bytes more when it goes out
    struct scope s = {0};
    struct request_parts parts;
    put(&s, "v", text);
    assert_int_equal(render(&s, &parts), -EINVAL);
    scope_done(&s);
    free(text);
    program_render_done(&rendered);
}

static void values_that_would_be_another_header_are_refused(void **unused)
{
    static const struct {
        const char *value, *why;
    } cases[] = {
        {"a\nb", "header X-Value: byte 2 of its value is a line break"},
        {"\r", "header X-Value: byte 1 of its value is a line break"},
        {"secret\xff", NULL},
        {"", NULL},
    };

    (void)unused;
    add_header("X-Value", "${v}");
    assert_int_equal(make(), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scope s = {0};
        struct request_parts parts;
        put(&s, "v", cases[i].value);
        assert_int_equal(render(&s, &parts), cases[i].why != NULL ? -EINVAL : 0);
        if (cases[i].why != NULL)
            assert_string_equal(why, cases[i].why);
        scope_done(&s);
    }
    program_render_done(&rendered);
}

static void what_is_constant_and_wrong_fails_at_once(void **unused)
{
    static const struct {
        char *method, *target, *value, *why;
    } cases[] = {
        {"GET", "/", "$bad", "iteration \"one\": header X: byte 2 of its value is a line break"},
        {"$bad", "/", "", "iteration \"one\": \"a\nb\" is no method"},
        {"GE T", "/$uuid()", "", "iteration \"one\": \"GE T\" is no method"},
        {"GET", "$bad", "$uuid()",
         "iteration \"one\": the URL is \"a\nb\" behind its host, which does not begin with /"},
        {"GET", "/${a", "", "iteration \"one\": url: character "},
        {"GET", "/$nosuch()", "", "iteration \"one\": url: character "},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_up(NULL);
        add_variable("bad", "a\nb");
        iterations[0].method = cases[i].method;
        iterations[0].url.target = cases[i].target;
        add_header("X", cases[i].value);
        assert_int_equal(make(), -EINVAL);
        if (strncmp(why, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("case %zu: %s", i, why);
        assert_null(program);
    }
}

static void methods_may_be_chosen_by_request(void **unused)
{
    struct request_parts parts;
    struct scope s = {0};

    (void)unused;
    iterations[0].method = "$m";
    iterations[0].payload_kind = PLAN_PAYLOAD_RAW;
    iterations[0].payload = "body";
    assert_int_equal(make(), 0);
    put(&s, "m", "patch");
    assert_int_equal(render(&s, &parts), 0);
    assert_string_equal(parts.method, "PATCH");
    assert_int_equal(parts.body_len, 4);
    put(&s, "m", "get");
    assert_int_equal(render(&s, &parts), 0);
    assert_string_equal(parts.method, "GET");
    assert_int_equal(parts.body_len, 0);
    put(&s, "m", "");
    assert_int_equal(render(&s, &parts), -EINVAL);
    scope_done(&s);
    program_render_done(&rendered);
}

static void a_file_is_the_body_and_has_a_type(void **unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++) {
        set_up(NULL);
        iterations[0].method = i < 2 ? "PUT" : "GET";
        iterations[0].payload_kind = PLAN_PAYLOAD_FILE;
        strcpy(iterations[0].payload_file, SHA_A);
        if (i == 1)
            add_header("content-type", "image/png");
        struct request_parts parts = constant();
        assert_int_equal(parts.body_len, i < 2 ? 7 : 0);
        assert_int_equal(parts.n_fields, i < 2 ? 1 : 0);
        if (i < 2)
            assert_string_equal(parts.fields[0].value,
                                i == 1 ? "image/png" : "application/octet-stream");
        program_free(program);
        program = NULL;
    }
}

static void files_that_did_not_come_are_missed(void **unused)
{
    (void)unused;
    iterations[0].method = "PUT";
    iterations[0].payload_kind = PLAN_PAYLOAD_FILE;
    memset(iterations[0].payload_file, 'c', 64);
    assert_int_equal(make(), -ENOENT);
    assert_non_null(strstr(why, "cccc"));
}

static void multipart_is_made_once_where_it_is_constant(void **unused)
{
    static struct plan_part parts[2] = {{.name = "field", .value = "a $$"},
                                        {.name = "file", .file = SHA_A, .content_type = "text/x"}};
    struct request_parts first, second;
    struct scope s = {0};

    (void)unused;
    for (int i = 0; i < 2; i++) {
        set_up(NULL);
        parts[0].value = i == 0 ? "a $$" : "$v";
        iterations[0].method = "POST";
        iterations[0].payload_kind = PLAN_PAYLOAD_MULTIPART;
        iterations[0].parts = parts;
        iterations[0].n_parts = 2;
        add_header("X-V", "$v");
        add_header("Content-Type", "no/such");
        assert_int_equal(make(), 0);
        put(&s, "v", "one");
        assert_int_equal(render(&s, &first), 0);
        assert_int_equal(
            strncmp(field(&first, "Content-Type"), "multipart/form-data; boundary=", 30), 0);
        const char *text = i == 0 ? "\r\na $\r\n" : "\r\none\r\n";
        assert_non_null(memmem(first.body, first.body_len, text, strlen(text)));
        assert_non_null(memmem(first.body, first.body_len, "content\r\n", 9));
        const void *body = first.body;
        if (i == 0) {
            assert_int_equal(render(&s, &second), 0);
            assert_ptr_equal(second.body, body);
        }
        program_free(program);
        program = NULL;
        program_render_done(&rendered);
    }
    scope_done(&s);
}

static void methods_read_what_came_with_the_plan(void **unused)
{
    (void)unused;
    reads[0] = (struct plan_read){.name = "data.txt", .file = SHA_A};
    plan.n_reads = 1;
    add_variable("x", "$read(path=data.txt)");
    iterations[0].url.target = "/$x";
    struct request_parts parts = constant();
    assert_string_equal(parts.url.target, "/content");
}

static void variables_of_the_wrong_type_are_told(void **unused)
{
    (void)unused;
    add_variable("n", "many");
    variables[0].type = VALUE_INT;
    assert_int_equal(make(), -EINVAL);
    assert_string_equal(why, "variable n: found \"many\", expected Int");
}

static void warnings_and_errors_have_no_secrets(void **unused)
{
    struct request_parts parts;
    struct scope s = {0};

    (void)unused;
    add_variable("password", "hunter2hunter2");
    variables[0].is_secret = true;
    add_variable("pin", "123"); // too short to be found in texts
    variables[1].is_secret = true;
    add_variable("token", "tok$password");
    iterations[0].certificate_password = "pass phrase";
    add_header("Authorization", "Bearer $token");
    iterations[0].url.target = "$v";
    assert_int_equal(make(), 0);

    struct script_env env;
    program_env(program, &env);
    script_warn(&env, "a hunter2hunter2 b pass phrase c tokhunter2hunter2 d 123 e hunter2h");
    assert_string_equal(warnings, "a *** b *** c *** d 123 e ***\n");
    put(&s, "v", "hunter2hunter2");
    assert_int_equal(render(&s, &parts), -EINVAL);
    char *masked = program_mask(program, why);
    assert_null(strstr(masked, "hunter2"));
    free(masked);
    program_free(program);
    program = NULL;

    warnings[0] = '\0';
    iterations[0].url.target = "$password";
    assert_int_equal(make(), -EINVAL);
    assert_null(strstr(why, "hunter2"));
    scope_done(&s);
    program_render_done(&rendered);
}

static void metrics_are_seen_once_they_are_set(void **unused)
{
    static char *hook = "$x";
    struct request_parts parts;

    (void)unused;
    iterations[0].url.target = "/${Metrics.r.i.Throughput.RequestsCount}";
    assert_int_equal(make(), 0);
    assert_true(program_reads_metrics(program));
    const char *json = "{\"r\":{\"i\":{\"Throughput\":{\"RequestsCount\":7}}}}";
    program_set_metrics(program, json, strlen(json));
    assert_int_equal(render(NULL, &parts), 0);
    assert_string_equal(parts.url.target, "/7");
    program_render_done(&rendered);
    program_free(program);
    program = NULL;

    iterations[0].url.target = "/";
    iterations[0].before = &hook;
    iterations[0].n_before = 1;
    assert_int_equal(make(), 0);
    assert_false(program_reads_metrics(program));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_request_without_placeholders_is_plain),
        TEST(variables_that_stay_are_folded),
        TEST(variables_that_something_stores_to_are_not_folded),
        TEST(what_is_beside_the_request_needs_a_session),
        TEST(targets_are_spelled_as_urls_are),
        TEST(a_target_has_a_limit),
        TEST(values_that_would_be_another_header_are_refused),
        TEST(what_is_constant_and_wrong_fails_at_once),
        TEST(methods_may_be_chosen_by_request),
        TEST(a_file_is_the_body_and_has_a_type),
        TEST(files_that_did_not_come_are_missed),
        TEST(multipart_is_made_once_where_it_is_constant),
        TEST(methods_read_what_came_with_the_plan),
        TEST(variables_of_the_wrong_type_are_told),
        TEST(warnings_and_errors_have_no_secrets),
        TEST(metrics_are_seen_once_they_are_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
