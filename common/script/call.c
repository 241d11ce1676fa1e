#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/script/script_impl.h"

void call_done(struct call *call)
{
    for (size_t i = 0; i < METHOD_PARAMS_MAX; i++) {
        tmpl_free(call->arg[i]);
        expr_free(call->condition[i]);
    }
    tmpl_free(call->variable);
    tmpl_free(call->is_global);
    *call = (struct call){0};
}

void call_free(struct call *call)
{
    if (call == NULL)
        return;
    call_done(call);
    free(call);
}

static bool flag(const struct tmpl *t, const char *name, bool dflt, const struct call *call,
                 struct script_env *env)
{
    struct buf text = {0};
    bool is = dflt;

    tmpl_render(t, env, &text);
    if (text.len == 0 || str_parse_bool(text.data, &is) < 0)
        script_warn(env, "%s: %s is neither true nor false", call->method->name, name);
    buf_done(&text);
    return is;
}

bool call_is_global(const struct call *call, struct script_env *env)
{
    return call->is_global != NULL && flag(call->is_global, "isGlobal", false, call, env);
}

void call_store(const struct call *call, const struct tmpl *variable, struct script_env *env,
                struct value *v)
{
    struct buf name = {0};

    tmpl_render(variable, env, &name);
    if (name.len > 0)
        script_store(env, name.data, call_is_global(call, env), v);
    else
        script_warn(env, "%s: the name in \"variable\" is empty", call->method->name);
    buf_done(&name);
}

void call_run(const struct call *call, struct script_env *env, struct buf *out)
{
    struct value v = {0};

    call->method->run(call, env, &v);
    if (v.type == VALUE_UNDEFINED)
        value_set(&v, VALUE_STRING, false, "", 0);
    buf_append(out, v.text, v.len);
    if (call->variable != NULL) {
        call_retype(call, env, &v);
        call_store(call, call->variable, env, &v);
    }
    value_done(&v);
}

static const struct method_param *param(const struct call *call, size_t i)
{
    return &call->method->params[i];
}

static void warn_argument(const struct call *call, size_t i, struct script_env *env,
                          const char *what)
{
    // The text itself may be a secret.
    script_warn(env, "%s: %s is %s%s%s", call->method->name, param(call, i)->name, what,
                param(call, i)->dflt ? ", and taken as " : "",
                param(call, i)->dflt ? param(call, i)->dflt : "");
}

bool call_text(const struct call *call, size_t i, struct script_env *env, struct buf *out)
{
    const char *dflt = param(call, i)->dflt;

    if (call->arg[i] != NULL)
        tmpl_render(call->arg[i], env, out);
    else if (dflt != NULL)
        buf_puts(out, dflt);
    buf_append(out, "", 0); // ends with NUL even where nothing came
    return call->arg[i] != NULL || dflt != NULL;
}

int call_read_number(const char *text, size_t len, double *ret_x)
{
    bool is_whole;
    int64_t n;
    double x;

    int r = value_parse_double(text, len, &x);
    if (r < 0)
        r = value_arithmetic(text, len, &is_whole, &n, &x);
    if (r == 0)
        *ret_x = x;
    return r;
}

int call_read_int(const char *text, size_t len, int64_t *ret_n)
{
    bool is_whole = false;
    int64_t n = 0;
    double x;

    if (value_arithmetic(text, len, &is_whole, &n, &x) < 0 && value_parse_double(text, len, &x) < 0)
        return -EINVAL;
    if (!is_whole) {
        x = rint(x);
        if (!(x >= -0x1p63 && x < 0x1p63))
            return -EINVAL;
        n = (int64_t)x;
    }
    *ret_n = n;
    return 0;
}

// Reads what is given, else the default.
static bool read_argument(const struct call *call, size_t i, struct script_env *env,
                          int (*read)(const char *text, size_t len, void *ret), void *ret,
                          const char *what)
{
    const char *dflt = param(call, i)->dflt;
    struct buf text = {0};
    bool is_read = false;

    if (call->arg[i] != NULL) {
        tmpl_render(call->arg[i], env, &text);
        is_read = text.len > 0 && read(text.data, text.len, ret) == 0;
        if (!is_read)
            warn_argument(call, i, env, what);
        buf_done(&text);
    }
    return is_read || (dflt != NULL && read(dflt, strlen(dflt), ret) == 0);
}

static int read_int(const char *text, size_t len, void *ret)
{
    return call_read_int(text, len, ret);
}

static int read_number(const char *text, size_t len, void *ret)
{
    return call_read_number(text, len, ret);
}

static int read_bool(const char *text, size_t len, void *ret)
{
    (void)len;
    return str_parse_bool(text, ret);
}

bool call_int(const struct call *call, size_t i, struct script_env *env, int64_t *ret_n)
{
    return read_argument(call, i, env, read_int, ret_n, "no whole number");
}

bool call_number(const struct call *call, size_t i, struct script_env *env, double *ret_x)
{
    return read_argument(call, i, env, read_number, ret_x, "no number");
}

bool call_bool(const struct call *call, size_t i, struct script_env *env)
{
    bool is = false;

    return read_argument(call, i, env, read_bool, &is, "neither true nor false") && is;
}

bool call_condition(const struct call *call, size_t i, struct script_env *env)
{
    const char *dflt = param(call, i)->dflt;
    bool is = false;

    if (call->condition[i] != NULL)
        return expr_is_true(call->condition[i], env);
    return dflt != NULL && str_parse_bool(dflt, &is) == 0 && is;
}

enum value_type call_type(const struct call *call, size_t i, struct script_env *env)
{
    enum value_type type = VALUE_UNDEFINED;
    struct buf name = {0};
    bool is_quoted;

    if (!call_text(call, i, env, &name) || name.len == 0)
        type = VALUE_UNDEFINED;
    else if (strcasecmp(name.data, "number") == 0)
        type = VALUE_DOUBLE;
    else if (value_type_parse(name.data, &type, &is_quoted) < 0 || type == VALUE_RESPONSE)
        type = VALUE_UNDEFINED;
    buf_done(&name);
    return type == VALUE_FLOAT ? VALUE_DOUBLE : type;
}

void call_fold(struct call *call, struct scope *constants)
{
    for (size_t i = 0; i < METHOD_PARAMS_MAX; i++) {
        if (call->arg[i] != NULL)
            tmpl_fold(call->arg[i], constants);
        if (call->condition[i] != NULL)
            expr_fold(call->condition[i], constants);
    }
    if (call->variable != NULL)
        tmpl_fold(call->variable, constants);
    if (call->is_global != NULL)
        tmpl_fold(call->is_global, constants);
}

// NULL: not given, or not known before it is rendered.
static const char *literal(const struct tmpl *t)
{
    size_t len;

    return t != NULL && tmpl_is_constant(t) ? tmpl_text(t, &len) : NULL;
}

// What "source" says; "": nothing, NULL: not known.
static const char *source(const struct call *call)
{
    for (size_t i = 0; i < METHOD_PARAMS_MAX; i++)
        if (call->arg[i] != NULL && strcmp(param(call, i)->name, "source") == 0)
            return literal(call->arg[i]);
    return "";
}

void call_each_name(const struct call *call,
                    void (*fn)(void *arg, const char *name, bool is_store, bool is_global),
                    void *arg)
{
    const char *global = literal(call->is_global), *from = source(call);
    bool is_global = false;

    if (global != NULL && str_parse_bool(global, &is_global) < 0)
        is_global = false;
    for (size_t i = 0; i < METHOD_PARAMS_MAX; i++) {
        if (call->condition[i] != NULL)
            expr_each_name(call->condition[i], fn, arg);
        if (call->arg[i] == NULL)
            continue;
        tmpl_each_name(call->arg[i], fn, arg);
        if (param(call, i)->kind == METHOD_NAME)
            fn(arg, literal(call->arg[i]), true, is_global);
        else if (param(call, i)->kind == METHOD_ENTRY && (!from || strcasecmp(from, "env") != 0))
            fn(arg, literal(call->arg[i]), false, false);
    }
    if (call->is_global != NULL)
        tmpl_each_name(call->is_global, fn, arg);
    if (call->variable != NULL) {
        tmpl_each_name(call->variable, fn, arg);
        fn(arg, literal(call->variable), true, is_global);
    }
}

void call_each_source(const struct call *call, void (*fn)(void *arg, bool is_env, const char *name),
                      void *arg)
{
    const char *from = source(call);

    for (size_t i = 0; i < METHOD_PARAMS_MAX; i++) {
        const char *name = literal(call->arg[i]);
        if (call->condition[i] != NULL)
            expr_each_source(call->condition[i], fn, arg);
        if (call->arg[i] == NULL)
            continue;
        tmpl_each_source(call->arg[i], fn, arg);
        if (name == NULL || from == NULL)
            continue;
        if (param(call, i)->kind == METHOD_FILE && (*from == '\0' || strcasecmp(from, "file") == 0))
            fn(arg, false, name);
        else if (param(call, i)->kind == METHOD_ENTRY && strcasecmp(from, "env") == 0)
            fn(arg, true, name);
    }
    if (call->variable != NULL)
        tmpl_each_source(call->variable, fn, arg);
    if (call->is_global != NULL)
        tmpl_each_source(call->is_global, fn, arg);
}

void call_each_call(const struct call *call, void (*fn)(void *arg, const struct call *call),
                    void *arg)
{
    fn(arg, call);
    for (size_t i = 0; i < METHOD_PARAMS_MAX; i++) {
        if (call->condition[i] != NULL)
            expr_each_call(call->condition[i], fn, arg);
        if (call->arg[i] != NULL)
            tmpl_each_call(call->arg[i], fn, arg);
    }
    if (call->variable != NULL)
        tmpl_each_call(call->variable, fn, arg);
    if (call->is_global != NULL)
        tmpl_each_call(call->is_global, fn, arg);
}
