// What is accepted renders the same each time, and folded as well; what is refused says where.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/script/tmpl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *name;
    enum value_type type;
    bool is_quoted;
    const char *text;
} variables[] = {
    {"a", VALUE_INT, false, "1"},
    {"name", VALUE_STRING, false, "Bob"},
    {"key", VALUE_STRING, false, "name"},
    {"q", VALUE_JSON, true, "{\"a\": [1, {\"b\": null}]}"},
    {"csv", VALUE_CSV, false, "h1,h2\nx,y"},
    {"xml", VALUE_XML, false, "<r><i>1</i></r>"},
    {"text", VALUE_STRING, false, "${a} $$ $name("},
};

static void define(struct scope *s)
{
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        struct value v = {0};
        int r = value_set(&v, variables[i].type, variables[i].is_quoted, variables[i].text,
                          strlen(variables[i].text));
        assert(r == 0 && scope_put(s, variables[i].name, &v));
    }
}

static void listen(void *arg, const char *text)
{
    assert(strlen(text) < SCRIPT_WARNING_MAX);
    ++*(size_t *)arg;
}

// In a session of its own, as methods may store.
static char *render(const struct tmpl *t, struct globals *globals, size_t *ret_warnings)
{
    struct scope session = {0};
    struct script_random random;
    struct script_env env = {.session = &session,
                             .globals = globals,
                             .random = &random,
                             .n_parts = 1,
                             .warn = listen,
                             .arg = ret_warnings};
    struct buf out = {0};

    script_random_seed(&random, 1, 1);
    define(&session);
    tmpl_render(t, &env, &out);
    assert(env.depth == 0);
    scope_done(&session);
    return buf_take(&out);
}

static void note_name(void *arg, const char *name, bool is_store, bool is_global)
{
    (void)name, (void)is_global;
    *(bool *)arg |= is_store;
}

static void note_source(void *arg, bool is_env, const char *name)
{
    (void)arg;
    (void)is_env;
    assert(name != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tmpl_error error = {.at = SIZE_MAX};
    struct scope constants = {0};
    size_t n_first = 0, n_second = 0, n_folded = 0;
    bool stores = false;
    struct tmpl *t;

    if (tmpl_compile((const char *)data, size, &t, &error) < 0) {
        assert(error.at <= size && error.text[0] != '\0');
        return 0;
    }
    struct globals *globals = globals_new();
    char *first = render(t, globals, &n_first);
    globals_free(globals);
    globals = globals_new();
    char *second = render(t, globals, &n_second);
    globals_free(globals);
    assert(strcmp(first, second) == 0 && n_first == n_second);
    assert(tmpl_is_constant(t) == !tmpl_is_needed((const char *)data, size));

    tmpl_each_name(t, note_name, &stores);
    tmpl_each_source(t, note_source, NULL);
    define(&constants);
    tmpl_fold(t, &constants);
    globals = globals_new();
    char *folded = render(t, globals, &n_folded);
    globals_free(globals);
    // What is stored on the way is no constant.
    assert(stores || (strcmp(first, folded) == 0 && n_first == n_folded));
    free(first);
    free(second);
    free(folded);
    scope_done(&constants);
    tmpl_free(t);
    return 0;
}
