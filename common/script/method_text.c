#include <string.h>

#include <jansson.h>

#include "common/script/method_format.h"
#include "common/script/method_groups.h"
#include "common/script/script_impl.h"
#include "common/script/text.h"

// --- Composing ---

enum { FORMAT_TEMPLATE, FORMAT_ARGS };

static const struct method_param format_params[] = {
    {"template", METHOD_TEXT, false, NULL, "text with {0}, {1,8}, {2:F2}, ...; in quotes or not"},
    {"args", METHOD_LIST, false, "", "what goes there: a, b or [a, b]"},
    {0},
};

static void format(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf template = {0}, args = {0}, out = {0};

    if (!call_text(call, FORMAT_TEMPLATE, env, &template)) {
        script_warn(env, "format: template is missing");
    } else {
        const char *text = template.data;
        size_t len = template.len;
        struct text_list list;
        call_text(call, FORMAT_ARGS, env, &args);
        text_list_open(&list, args.data, args.len);
        text_unquote(&text, &len);
        if (method_format(call, env, text, len, &list, &out) == 0)
            call_give_text(call, env, &out, ret_value);
    }
    buf_done(&template);
    buf_done(&args);
    buf_done(&out);
}

enum { STRCAT_VALUES, STRCAT_SEPARATOR };

static const struct method_param strcat_params[] = {
    {"values", METHOD_TEXT, false, NULL, "list: [a, \" b\", $c]"},
    {"separator", METHOD_TEXT, false, "", "between two of them; in quotes or not"},
    {0},
};

static void join(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf values = {0}, between = {0}, out = {0};
    struct text_list list;
    const char *item, *separator;
    size_t len, separator_len;

    if (!call_text(call, STRCAT_VALUES, env, &values))
        script_warn(env, "strcat: values is missing");
    call_text(call, STRCAT_SEPARATOR, env, &between);
    separator = between.data;
    separator_len = between.len;
    text_unquote(&separator, &separator_len);
    if (text_list_open(&list, values.data, values.len)) {
        for (size_t n = 0; out.len <= VALUE_BYTES_MAX && text_list_next(&list, &item, &len); n++) {
            if (n > 0)
                buf_append(&out, separator, separator_len);
            buf_append(&out, item, len);
        }
    } else {
        item = values.data;
        len = values.len;
        text_unquote(&item, &len);
        buf_append(&out, item, len);
    }
    call_give_text(call, env, &out, ret_value);
    buf_done(&values);
    buf_done(&between);
}

// --- Letter case ---

static const struct method_param source_params[] = {
    {"source", METHOD_TEXT, false, NULL, "the text"},
    {0},
};

static void map_case(const struct call *call, struct script_env *env, bool is_upper,
                     struct value *ret_value)
{
    struct buf text = {0}, out = {0};

    if (!call_text(call, 0, env, &text))
        script_warn(env, "%s: source is missing", call->method->name);
    text_append_case(&out, text.data, text.len, is_upper);
    call_give_text(call, env, &out, ret_value);
    buf_done(&text);
}

static void tolowercase(const struct call *call, struct script_env *env, struct value *ret_value)
{
    map_case(call, env, false, ret_value);
}

static void touppercase(const struct call *call, struct script_env *env, struct value *ret_value)
{
    map_case(call, env, true, ret_value);
}

// --- Comparing ---

enum { COMPARE_A, COMPARE_B, COMPARE_IGNORE_CASE };

static const struct method_param search_params[] = {
    {"source", METHOD_TEXT, false, NULL, "the text"},
    {"value", METHOD_TEXT, false, NULL, "what to look for in it"},
    {"ignoreCase", METHOD_BOOL, false, "false", "upper and lower case are the same"},
    {0},
};

static const struct method_param equals_params[] = {
    {"a", METHOD_TEXT, false, NULL, "a text"},
    {"b", METHOD_TEXT, false, NULL, "another"},
    {"ignoreCase", METHOD_BOOL, false, "false", "upper and lower case are the same"},
    {0},
};

// The second of search_params is looked for: one that is empty is in every text, which nobody
// means.
static bool is_given(const struct call *call, struct script_env *env, struct buf *a, struct buf *b)
{
    const struct method_param *params = call->method->params;

    for (size_t i = COMPARE_A; i <= COMPARE_B; i++) {
        struct buf *text = i == COMPARE_A ? a : b;
        const char *what = !call_text(call, i, env, text) ? "missing" : NULL;
        if (what == NULL && text->len == 0 && i == COMPARE_B && params == search_params)
            what = "empty";
        if (what == NULL)
            continue;
        script_warn(env, "%s: %s is %s", call->method->name, params[i].name, what);
        return false;
    }
    return true;
}

static void fold(struct buf *text)
{
    struct buf upper = {0};

    text_append_case(&upper, text->data, text->len, true);
    buf_done(text);
    *text = upper;
}

static void compare(const struct call *call, struct script_env *env,
                    bool (*is)(const struct buf *a, const struct buf *b), struct value *ret_value)
{
    struct buf a = {0}, b = {0};
    bool result = false;

    if (is_given(call, env, &a, &b)) {
        if (call_bool(call, COMPARE_IGNORE_CASE, env)) {
            fold(&a);
            fold(&b);
        }
        result = is(&a, &b);
    }
    value_set_bool(ret_value, result);
    buf_done(&a);
    buf_done(&b);
}

static bool is_within(const struct buf *a, const struct buf *b)
{
    return memmem(a->data, a->len, b->data, b->len) != NULL;
}

static bool is_start(const struct buf *a, const struct buf *b)
{
    return a->len >= b->len && memcmp(a->data, b->data, b->len) == 0;
}

static bool is_end(const struct buf *a, const struct buf *b)
{
    return a->len >= b->len && memcmp(a->data + a->len - b->len, b->data, b->len) == 0;
}

static bool is_same(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static void contains(const struct call *call, struct script_env *env, struct value *ret_value)
{
    compare(call, env, is_within, ret_value);
}

static void startswith(const struct call *call, struct script_env *env, struct value *ret_value)
{
    compare(call, env, is_start, ret_value);
}

static void endswith(const struct call *call, struct script_env *env, struct value *ret_value)
{
    compare(call, env, is_end, ret_value);
}

static void stringequals(const struct call *call, struct script_env *env, struct value *ret_value)
{
    compare(call, env, is_same, ret_value);
}

// --- Counting ---

static const struct method_param length_params[] = {
    {"source", METHOD_TEXT, false, NULL, "JSON array, itself or as the text in a JSON string"},
    {0},
};

static json_t *load(const char *text, size_t len)
{
    json_error_t error;

    return json_loadb(text, len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL,
                      &error);
}

// NULL: there is none. A variable of a Q type has its quotes around an array that is not escaped.
static json_t *load_array(const char *text, size_t len)
{
    json_t *json = load(text, len), *whole = json;

    if (json_is_string(whole)) {
        json = load(json_string_value(whole), json_string_length(whole));
        json_decref(whole);
    } else if (json == NULL) {
        const char *end = text + len;
        text_trim(&text, &end);
        len = (size_t)(end - text);
        text_unquote(&text, &len);
        json = load(text, len);
    }
    if (json_is_array(json))
        return json;
    json_decref(json);
    return NULL;
}

static void length(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf text = {0};
    json_t *array = NULL;

    if (!call_text(call, 0, env, &text))
        script_warn(env, "length: source is missing");
    else if ((array = load_array(text.data, text.len)) == NULL)
        script_warn(env, "length: source is no JSON array");
    value_set_int(ret_value, (int64_t)json_array_size(array));
    json_decref(array);
    buf_done(&text);
}

const struct method methods_text[] = {
    {"format", NULL, format_params, false, format, "string",
     "a text with values in it, as .NET composes them"},
    {"strcat", NULL, strcat_params, false, join, "string",
     "the texts of a list, one behind the other"},
    {"tolowercase", NULL, source_params, true, tolowercase, "string", "in lower case"},
    {"touppercase", NULL, source_params, true, touppercase, "string", "in upper case"},
    {"contains", NULL, search_params, true, contains, "bool", "whether a text is within another"},
    {"startswith", NULL, search_params, true, startswith, "bool",
     "whether a text begins with another"},
    {"endswith", NULL, search_params, true, endswith, "bool", "whether a text ends with another"},
    {"stringequals", NULL, equals_params, false, stringequals, "bool",
     "whether two texts are the same"},
    {"length", NULL, length_params, true, length, "int", "how many elements an array has"},
};
const size_t n_methods_text = sizeof methods_text / sizeof *methods_text;
