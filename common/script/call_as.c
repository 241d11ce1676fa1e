#include <math.h>
#include <stdio.h>

#include "common/script/script_impl.h"
#include "common/script/value_impl.h"

static bool set_decimal(struct value *v, const char *text, size_t len)
{
    char digits[40];
    bool is_whole;
    int64_t n;
    double x;

    if (value_set(v, VALUE_DECIMAL, false, text, len) == 0)
        return true;
    if (value_arithmetic(text, len, &is_whole, &n, &x) < 0)
        return false;
    // As many digits as each double has of its own.
    int n_digits = is_whole ? snprintf(digits, sizeof digits, "%lld", (long long)n)
                            : snprintf(digits, sizeof digits, "%.15g", x);
    return value_set(v, VALUE_DECIMAL, false, digits, (size_t)n_digits) == 0;
}

static bool set(struct value *v, enum value_type type, const char *text, size_t len)
{
    int64_t n;
    double x;

    switch (type) {
    case VALUE_INT:
        if (call_read_int(text, len, &n) < 0)
            return false;
        value_set_int(v, n);
        return true;
    case VALUE_FLOAT:
    case VALUE_DOUBLE:
        if (call_read_number(text, len, &x) < 0)
            return false;
        value_set_double(v, x);
        return true;
    case VALUE_DECIMAL:
        return set_decimal(v, text, len);
    case VALUE_JSON:
        value_set(v, type, false, text, len);
        return value_is_parsed(v, type);
    default:
        return value_set(v, type, false, text, len) == 0;
    }
}

void call_set_as(struct value *v, enum value_type type, const char *text, size_t len)
{
    struct value typed = {0};

    if (type == VALUE_UNDEFINED)
        value_infer(&typed, text, len);
    else if (!set(&typed, type, text, len))
        value_set(&typed, VALUE_STRING, false, text, len);
    value_move(v, &typed);
}

void call_retype(const struct call *call, struct script_env *env, struct value *v)
{
    const struct method_param *params = call->method->params;

    for (size_t i = 0; params != NULL && params[i].name != NULL; i++) {
        if (params[i].kind != METHOD_TYPE)
            continue;
        enum value_type type = call_type(call, i, env);
        bool is_text = call->arg[i] != NULL && v->type == VALUE_STRING;
        if (type == VALUE_UNDEFINED ? is_text : type != v->type)
            call_set_as(v, type, v->text, v->len);
    }
}

void call_give_text(const struct call *call, struct script_env *env, struct buf *text,
                    struct value *ret_value)
{
    if (text->len > VALUE_BYTES_MAX)
        script_warn(env, "%s: the text is cut at %d bytes", call->method->name, VALUE_BYTES_MAX);
    value_set(ret_value, VALUE_STRING, false, text->data, text->len);
    buf_done(text);
}
