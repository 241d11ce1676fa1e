#include "tests/unit/tmpl_test_util.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// A table of methods that stands for the real one: enough to see what calls do.

static void give_text(const struct call *call, size_t i, struct script_env *env,
                      struct value *ret_value)
{
    struct buf text = {0};

    if (call_text(call, i, env, &text))
        value_set(ret_value, VALUE_STRING, false, text.len ? text.data : "", text.len);
    buf_done(&text);
}

static void echo(const struct call *call, struct script_env *env, struct value *ret_value)
{
    give_text(call, 0, env, ret_value);
}

static void count(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct scope_counter c = {.name = ""};

    if (call_int(call, 0, env, &c.start) && call_int(call, 1, env, &c.reset) &&
        call_int(call, 2, env, &c.step))
        value_set_int(ret_value, scope_count(env->session, &c));
}

// The elements of a list of numbers.
static void length(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf text = {0};
    int n = 1;

    call_text(call, 0, env, &text);
    for (size_t i = 0; i < text.len; i++)
        n += text.data[i] == ',';
    value_set_int(ret_value, n);
    buf_done(&text);
}

static void types(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf text = {0};
    int64_t n = -1;
    double x = -1;

    bool has_n = call_int(call, 0, env, &n), has_x = call_number(call, 1, env, &x);
    buf_printf(&text, "%s%lld %s%g %s %s %s", has_n ? "" : "no ", (long long)n, has_x ? "" : "no ",
               x, call_bool(call, 2, env) ? "true" : "false",
               call_condition(call, 3, env) ? "true" : "false",
               call_type(call, 4, env) == VALUE_UNDEFINED
                   ? "inferred"
                   : value_type_name(call_type(call, 4, env), false));
    value_set(ret_value, VALUE_STRING, false, text.data, text.len);
    buf_done(&text);
}

static void set(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf name = {0};
    struct value v = {0};

    call_text(call, 0, env, &name);
    give_text(call, 1, env, ret_value);
    value_copy(&v, ret_value);
    script_store(env, name.data, call_is_global(call, env), &v);
    buf_done(&name);
}

static void nothing(const struct call *call, struct script_env *env, struct value *ret_value)
{
    (void)call;
    (void)env;
    (void)ret_value;
}

static const struct method_param source[] = {{.name = "source", .kind = METHOD_TEXT}, {0}};
static const struct method_param needed[] = {
    {.name = "value", .kind = METHOD_TEXT, .is_required = true}, {0}};
static const struct method_param counting[] = {{"start", METHOD_INT, false, "0", ""},
                                               {"reset", METHOD_INT, false, "100000", ""},
                                               {"step", METHOD_INT, false, "1", ""},
                                               {0}};
static const struct method_param typed[] = {
    {"n", METHOD_INT, false, "10", ""},       {"x", METHOD_NUMBER, false, NULL, ""},
    {"flag", METHOD_BOOL, false, "true", ""}, {"if", METHOD_EXPR, false, NULL, ""},
    {"as", METHOD_TYPE, false, NULL, ""},     {0}};
static const struct method_param setting[] = {
    {"variable", METHOD_NAME, true, NULL, ""}, {"value", METHOD_TEXT, false, "", ""}, {0}};
static const struct method_param listing[] = {
    {"args", METHOD_LIST, false, NULL, ""}, {"template", METHOD_TEXT, false, NULL, ""}, {0}};
static const struct method_param reading[] = {{"source", METHOD_TEXT, false, NULL, ""},
                                              {"path", METHOD_FILE, false, NULL, ""},
                                              {"name", METHOD_ENTRY, false, NULL, ""},
                                              {0}};
static const char *const echo_aliases[] = {"say", "repeat", NULL};

static const struct method methods[] = {
    {.name = "echo", .aliases = echo_aliases, .params = source, .is_positional = true, .run = echo},
    {.name = "need", .params = needed, .run = echo},
    {.name = "counter", .params = counting, .run = count},
    {.name = "length", .params = source, .is_positional = true, .run = length},
    {.name = "types", .params = typed, .run = types},
    {.name = "set", .params = setting, .run = set},
    {.name = "list", .params = listing, .run = echo},
    {.name = "read", .params = reading, .run = nothing},
    {.name = "nothing", .params = NULL, .run = nothing},
};

const struct method *method_at(size_t i, const char **ret_heading)
{
    (void)ret_heading;
    return i < sizeof methods / sizeof *methods ? &methods[i] : NULL;
}

// --- A session with the variables of the worked examples ---

struct world world;

static void listen(void *arg, const char *text)
{
    (void)arg;
    buf_printf(&world.said, "%s\n", text);
    world.n_said++;
}

void define(struct scope *s, const char *name, enum value_type type, bool is_quoted,
            const char *text)
{
    struct value v = {0};

    assert_int_equal(value_set(&v, type, is_quoted, text, strlen(text)), 0);
    if (s != NULL)
        assert_true(scope_put(s, name, &v));
    else
        assert_true(globals_put(world.env.globals, name, &v));
}

int set_up(void **state)
{
    (void)state;
    world.env = (struct script_env){
        .session = &world.session, .globals = globals_new(), .n_parts = 1, .warn = listen};
    define(NULL, "a", VALUE_INT, false, "1");
    define(NULL, "name", VALUE_STRING, false, "Bob");
    define(NULL, "idx", VALUE_INT, false, "1");
    define(NULL, "list", VALUE_JSON, false, "[10,20,30]");
    define(NULL, "key", VALUE_STRING, false, "name");
    define(NULL, "csv", VALUE_CSV, false, "h1,h2\nx,y\nz,w");
    define(NULL, "q", VALUE_STRING, true, "OK");
    define(NULL, "blank", VALUE_STRING, false, "");
    define(NULL, "dollar", VALUE_STRING, false, "$name ${name} $$");
    define(NULL, "deep", VALUE_JSON, false, "{\"name\": {\"x\": [1, {\"y\": \"z\"}]}}");
    define(NULL, "xml", VALUE_XML, false, "<r><i>1</i><i>2</i></r>");
    return 0;
}

int tear_down(void **state)
{
    (void)state;
    scope_done(&world.session);
    globals_free(world.env.globals);
    buf_done(&world.said);
    memset(&world, 0, sizeof world);
    return 0;
}

struct tmpl *compile(const char *text)
{
    struct tmpl_error error;
    struct tmpl *t;

    if (tmpl_compile(text, strlen(text), &t, &error) < 0)
        fail_msg("%s: %zu: %s", text, error.at, error.text);
    return t;
}

void renders_tmpl(const struct tmpl *t, const char *text, const char *want)
{
    struct buf out = {0};

    tmpl_render(t, &world.env, &out);
    if (strcmp(out.data ? out.data : "", want) != 0)
        fail_msg("%s gave [%s], not [%s]", text, out.data ? out.data : "", want);
    assert_int_equal(out.len, strlen(want));
    assert_int_equal(world.env.depth, 0);
    buf_done(&out);
}

void renders_with(const char *text, const char *want, int n_warnings)
{
    struct tmpl *t = compile(text);
    int before = world.n_said;

    renders_tmpl(t, text, want);
    if (world.n_said != before + n_warnings)
        fail_msg("%s: %d warnings: %s", text, world.n_said - before, world.said.data);
    tmpl_free(t);
}

void renders(const char *text, const char *want)
{
    renders_with(text, want, 0);
}

void warned(const char *want)
{
    assert_non_null(world.said.data);
    world.said.data[world.said.len - 1] = '\0';
    const char *last = strrchr(world.said.data, '\n');
    assert_string_equal(last ? last + 1 : world.said.data, want);
    world.said.data[world.said.len - 1] = '\n';
}

void refuses_bytes(const char *text, size_t len, size_t at, const char *want)
{
    struct tmpl_error error = {.at = SIZE_MAX};
    struct tmpl *t = NULL;

    assert_int_equal(tmpl_compile(text, len, &t, &error), -EINVAL);
    assert_null(t);
    if (error.at != at || strcmp(error.text, want) != 0)
        fail_msg("%.100s: %zu: %s", text, error.at, error.text);
}

void refuses(const char *text, size_t at, const char *want)
{
    refuses_bytes(text, strlen(text), at, want);
}
