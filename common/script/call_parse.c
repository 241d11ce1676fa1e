#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/script/item.h"
#include "common/script/script_impl.h"

#define QUOTE_MAX 40 // bytes of what was found, in a message

struct range {
    const char *begin, *end; // NULL: not given
};

// The arguments of a call as they stand in the text.
struct arguments {
    struct range param[METHOD_PARAMS_MAX];
    struct range variable, is_global;
    struct range *last; // given with its name; NULL: none
    bool last_is_list;
};

static int quote_len(const char *begin, const char *end)
{
    return end - begin > QUOTE_MAX ? QUOTE_MAX : (int)(end - begin);
}

static bool is_key(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// The next comma that is in no brackets and no quotes, or the end.
static const char *find_comma(const char *p, const char *end)
{
    bool is_quoted = false;
    size_t depth = 0;

    for (; p < end; p++) {
        if (*p == '"')
            is_quoted = !is_quoted;
        else if (is_quoted)
            continue;
        else if (*p == ',' && depth == 0)
            break;
        else if (*p == '(' || *p == '[' || *p == '{')
            depth++;
        else if ((*p == ')' || *p == ']' || *p == '}') && depth > 0)
            depth--;
    }
    return p;
}

static bool is_param(const char *name, const char *key, size_t len)
{
    return strlen(name) == len && memcmp(name, key, len) == 0;
}

static size_t count_params(const struct method *m)
{
    size_t n = 0;

    while (m->params != NULL && m->params[n].name != NULL)
        n++;
    assert(n <= METHOD_PARAMS_MAX);
    return n;
}

static int unknown_param(struct script_parse *p, const struct method *m, const char *key,
                         size_t len)
{
    const char *names[METHOD_PARAMS_MAX + 2];
    size_t n = count_params(m);
    char *word = xstrndup(key, len);

    for (size_t i = 0; i < n; i++)
        names[i] = m->params[i].name;
    names[n] = "variable";
    names[n + 1] = "isGlobal";
    const char *nearest = str_nearest(word, names, n + 2);
    free(word);
    return script_fail(p, key, "found \"%.*s\", which %s does not take%s%s%s",
                       quote_len(key, key + len), key, m->name, nearest ? ", did you mean \"" : "",
                       nearest ? nearest : "", nearest ? "\"?" : "");
}

static struct range *find_param(const struct method *m, struct arguments *a, const char *key,
                                size_t len)
{
    size_t n = count_params(m);

    a->last_is_list = false;
    for (size_t i = 0; i < n; i++)
        if (is_param(m->params[i].name, key, len)) {
            a->last_is_list = m->params[i].kind == METHOD_LIST;
            return &a->param[i];
        }
    if (is_param("variable", key, len))
        return &a->variable;
    return is_param("isGlobal", key, len) ? &a->is_global : NULL;
}

// One piece between commas. Of a name that comes twice the first counts.
static int add_piece(struct script_parse *p, const struct method *m, struct arguments *a,
                     const char *begin, const char *end)
{
    const char *key_end = begin, *equals;

    while (key_end < end && is_key(*key_end))
        key_end++;
    for (equals = key_end; equals < end && *equals == ' '; equals++)
        ;
    if (key_end > begin && equals < end && *equals == '=') {
        struct range value = {equals + 1, end};
        struct range *to = find_param(m, a, begin, (size_t)(key_end - begin));
        if (to == NULL)
            return unknown_param(p, m, begin, (size_t)(key_end - begin));
        text_trim(&value.begin, &value.end);
        a->last = to->begin == NULL ? to : NULL;
        if (to->begin == NULL)
            *to = value;
    } else if (a->last != NULL && a->last_is_list) {
        a->last->end = end;
    } else if (m->is_positional && a->param[0].begin == NULL) {
        a->param[0] = (struct range){begin, end};
    } else {
        return script_fail(p, begin, "found \"%.*s\", expected name=value", quote_len(begin, end),
                           begin);
    }
    return 0;
}

static int split(struct script_parse *p, const struct method *m, const char *args, size_t len,
                 struct arguments *a)
{
    const char *end = args + len;
    int r = 0;

    for (const char *q = args; r == 0 && q < end;) {
        const char *begin = q, *comma = find_comma(q, end), *piece_end = comma;
        text_trim(&begin, &piece_end);
        if (begin < piece_end)
            r = add_piece(p, m, a, begin, piece_end);
        q = comma < end ? comma + 1 : end;
    }
    return r;
}

static int check_where(struct script_parse *p, const struct method_param *param,
                       const struct range *at, const char *text, size_t len)
{
    struct item_where *where = NULL;
    struct tmpl_error error;

    if (len == 0 || item_where_compile(text, len, &where, &error) == 0) {
        item_where_free(where);
        return 0;
    }
    return script_fail(p, at->begin, "\"%s\", at its character %zu: %s", param->name, error.at + 1,
                       error.text);
}

// Whether a text that is the same each time is what the parameter takes.
static int check_literal(struct script_parse *p, const struct method_param *param,
                         const struct range *at, const struct tmpl *t)
{
    const char *expected = NULL;
    bool is_true;
    int64_t n;
    double x;
    size_t len;

    if (!tmpl_is_constant(t))
        return 0;
    const char *text = tmpl_text(t, &len);
    if (param->kind == METHOD_WHERE)
        return check_where(p, param, at, text, len);
    if (param->kind == METHOD_INT && call_read_int(text, len, &n) < 0)
        expected = "a whole number";
    else if (param->kind == METHOD_NUMBER && call_read_number(text, len, &x) < 0)
        expected = "a number";
    else if (param->kind == METHOD_BOOL && str_parse_bool(text, &is_true) < 0)
        expected = "true or false";
    else if (param->kind == METHOD_NAME && len == 0)
        expected = "the name of a variable";
    if (expected == NULL)
        return 0;
    return script_fail(p, at->begin, "found \"%.*s\" for \"%s\", expected %s",
                       quote_len(at->begin, at->end), at->begin, param->name, expected);
}

static int compile_argument(struct script_parse *p, const struct method_param *param,
                            const struct range *at, struct tmpl **ret_tmpl)
{
    int r = tmpl_compile_part(p, at->begin, (size_t)(at->end - at->begin), TMPL_PLAIN, ret_tmpl);

    return r < 0 ? r : check_literal(p, param, at, *ret_tmpl);
}

static int compile_arguments(struct script_parse *p, const struct arguments *a, struct call *call)
{
    static const struct method_param variable = {.name = "variable", .kind = METHOD_NAME},
                                     is_global = {.name = "isGlobal", .kind = METHOD_BOOL};
    size_t n = count_params(call->method);
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        const struct range *at = &a->param[i];
        if (at->begin == NULL)
            continue;
        if (call->method->params[i].kind == METHOD_EXPR)
            r = expr_compile_part(p, at->begin, (size_t)(at->end - at->begin), &call->condition[i]);
        else
            r = compile_argument(p, &call->method->params[i], at, &call->arg[i]);
    }
    if (r == 0 && a->variable.begin != NULL)
        r = compile_argument(p, &variable, &a->variable, &call->variable);
    if (r == 0 && a->is_global.begin != NULL)
        r = compile_argument(p, &is_global, &a->is_global, &call->is_global);
    return r;
}

static int check_required(struct script_parse *p, const struct method *m, const struct arguments *a,
                          const char *name)
{
    size_t n = count_params(m);

    for (size_t i = 0; i < n; i++)
        if (m->params[i].is_required && a->param[i].begin == NULL)
            return script_fail(p, name, "found %s without \"%s\", expected one", m->name,
                               m->params[i].name);
    return 0;
}

int call_compile(struct script_parse *p, const char *name, size_t name_len, const char *args,
                 size_t len, struct call **ret_call)
{
    const struct method *m = method_find(name, name_len);
    struct arguments a = {0};

    if (m == NULL) {
        const char *nearest = method_nearest(name, name_len);
        return script_fail(
            p, name, "unknown method \"%.*s\"%s%s%s", quote_len(name, name + name_len), name,
            nearest ? ", did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    }
    int r = split(p, m, args, len, &a);
    if (r == 0)
        r = check_required(p, m, &a, name);
    if (r < 0)
        return r;
    struct call *call = xcalloc(1, sizeof *call);
    call->method = m;
    r = compile_arguments(p, &a, call);
    if (r < 0) {
        call_free(call);
        return r;
    }
    *ret_call = call;
    return 0;
}
