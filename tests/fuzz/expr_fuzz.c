// What is accepted is worked out to the same each time; what is refused says where and what.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/script/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void define(struct scope *s, const char *name, enum value_type type, bool is_quoted,
                   const char *text, size_t len)
{
    struct value v = {0};

    int r = value_set(&v, type, is_quoted, text, len);
    assert(r == 0 && scope_put(s, name, &v));
}

static int eval(const struct expr *e, const char *text, size_t len, bool *ret_value)
{
    struct tmpl_error error = {.at = SIZE_MAX};
    struct scope session = {0};
    struct script_random random;
    struct script_env env = {
        .session = &session, .globals = globals_new(), .random = &random, .n_parts = 1};

    script_random_seed(&random, 1, 1);
    define(&session, "a", VALUE_INT, false, "1", 1);
    define(&session, "b", VALUE_BOOL, false, "true", 4);
    define(&session, "q", VALUE_STRING, true, "OK", 2);
    define(&session, "t", VALUE_STRING, false, text, len);
    define(&session, "l", VALUE_JSON, false, "[1, \"x\", null]", 14);
    int r = expr_eval(e, &env, ret_value, &error);
    assert(r == 0 || (error.at <= len && error.text[0] != '\0'));
    scope_done(&session);
    globals_free(env.globals);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct tmpl_error error = {.at = SIZE_MAX};
    bool first = false, second = false;
    struct expr *e;

    // The same text also is what an operand substitutes.
    int r = expr_compile("$t", 2, &e, &error);
    assert(r == 0);
    eval(e, text, size, &first);
    expr_free(e);

    if (expr_compile(text, size, &e, &error) < 0) {
        assert(error.at <= size && error.text[0] != '\0');
        return 0;
    }
    first = second = false;
    r = eval(e, text, size, &first);
    assert(r == eval(e, text, size, &second) && first == second);
    expr_free(e);
    return 0;
}
