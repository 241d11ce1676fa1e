#include "common/script/item.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/script/expr_impl.h"
#include "common/script/jpath.h"
#include "common/script/tmpl_impl.h"
#include "common/script/value_impl.h"

static const char word[] = "item";
#define WORD_LEN (sizeof word - 1)

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (unsigned char)c >= 0x80;
}

// Past one ".name", "[0]" or "['a b']"; p itself: there is none.
static const char *skip_step(const char *p, const char *end)
{
    const char *q = p + 1;

    if (p < end && *p == '.') {
        while (q < end && is_word(*q))
            q++;
        return q == p + 1 || (q < end && *q == '(') ? p : q;
    }
    if (end - p < 3 || *p != '[')
        return p;
    if (*q == '\'')
        for (q++; q < end && *q != '\'' && strchr("\\\"{}$", *q) == NULL;)
            q++;
    else
        for (q += *q == '-'; q < end && *q >= '0' && *q <= '9';)
            q++;
    q += q < end && *q == '\'' && p[1] == '\'';
    return q < end && *q == ']' && q > p + 1 ? q + 1 : p;
}

// The next reference in what is left of text; end: none.
static const char *find_reference(const char *text, const char *p, const char *end,
                                  const char **ret_end)
{
    for (; (p = memmem(p, (size_t)(end - p), word, WORD_LEN)) != NULL; p++) {
        const char *q = p + WORD_LEN, *next;
        if ((p > text && is_word(p[-1])) || (q < end && is_word(*q)))
            continue;
        while ((next = skip_step(q, end)) > q)
            q = next;
        *ret_end = q;
        return p;
    }
    return end;
}

static int compile_path(const char *text, size_t len, struct jpath **ret_path,
                        struct tmpl_error *ret_error)
{
    char why[100];

    int r = jpath_compile(text, len, why, sizeof why, ret_path);
    if (r < 0)
        snprintf(ret_error->text, sizeof ret_error->text, "item%.*s: %s", len > 40 ? 40 : (int)len,
                 text, why);
    return r;
}

// NULL: nothing is there.
static const json_t *resolve(const struct jpath *path, json_t *item)
{
    const json_t *found;
    json_t **matches;
    size_t n;

    if (jpath_find(path, item, &matches, &n) < 0)
        return NULL;
    found = n == 1 ? matches[0] : NULL;
    free(matches);
    return found;
}

// --- Conditions ---

// A reference that is an operand: a constant of the expression, set anew for each element.
struct operand {
    struct jpath *path;
    size_t constant;
    struct buf text;
};

struct item_where {
    struct expr *e;
    struct operand *operands;
    size_t n;
    bool has_texts; // others are in quotes
};

static void append_escaped(struct buf *out, const char *p, const char *end)
{
    for (; p < end; p++)
        buf_append(out, *p == '$' ? "$$" : p, *p == '$' ? 2 : 1);
}

// The references as placeholders: the expression then knows where they are.
static void write_placeholders(const char *text, size_t len, struct buf *out)
{
    const char *end = text + len, *p = text, *from, *to;

    for (; (from = find_reference(text, p, end, &to)) < end; p = to) {
        append_escaped(out, p, from);
        buf_puts(out, "${");
        buf_append(out, from, (size_t)(to - from));
        buf_puts(out, "}");
    }
    append_escaped(out, p, end);
    buf_append(out, "", 0);
}

static int make_constants(struct item_where *w, struct tmpl_error *ret_error)
{
    struct expr *e = w->e;

    w->operands = xcalloc(e->n_operands + 1, sizeof *w->operands);
    e->consts = xreallocarray(e->consts, e->n_consts + e->n_operands + 1, sizeof *e->consts);
    for (size_t i = 0; i < e->n_code; i++) {
        struct expr_code *code = &e->code[i];
        if (code->op != EXPR_OPERAND && code->op != EXPR_QUOTED)
            continue;
        struct tmpl *tmpl = e->operands[code->arg];
        if (code->op == EXPR_QUOTED || tmpl->n != 1) {
            w->has_texts |= !tmpl_is_constant(tmpl);
            continue;
        }
        struct operand *o = &w->operands[w->n];
        const char *path = tmpl->segments[0].path;
        int r = compile_path(path, strlen(path), &o->path, ret_error);
        if (r < 0)
            return r;
        w->n++;
        tmpl_free(tmpl);
        e->operands[code->arg] = xcalloc(1, sizeof *tmpl); // is not rendered then
        o->constant = e->n_consts;
        e->consts[e->n_consts++] = (struct expr_item){.from = code->from, .to = code->to};
        code->op = EXPR_CONST;
        code->arg = (uint32_t)o->constant;
    }
    e->consts_cap = e->n_consts;
    return 0;
}

int item_where_compile(const char *text, size_t len, struct item_where **ret_where,
                       struct tmpl_error *ret_error)
{
    struct item_where *w = xcalloc(1, sizeof *w);
    struct tmpl_error error = {0};
    struct buf written = {0};

    write_placeholders(text, len, &written);
    int r = expr_compile(written.data, written.len, &w->e, &error);
    buf_done(&written);
    if (r == 0)
        r = make_constants(w, &error);
    if (r < 0) {
        item_where_free(w);
        *ret_error = error;
        return r;
    }
    *ret_where = w;
    return 0;
}

void item_where_free(struct item_where *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->n; i++) {
        jpath_free(w->operands[i].path);
        buf_done(&w->operands[i].text);
    }
    free(w->operands);
    expr_free(w->e);
    free(w);
}

static void set_operand(struct operand *o, json_t *item, struct expr_item *ret)
{
    const json_t *node = resolve(o->path, item);

    if (json_is_integer(node)) {
        expr_set_int(ret, json_integer_value(node));
    } else if (json_is_real(node)) {
        expr_set_double(ret, json_real_value(node));
    } else if (json_is_boolean(node)) {
        expr_set_bool(ret, json_is_true(node));
    } else {
        o->text.len = 0;
        buf_append(&o->text, "", 0);
        if (node != NULL)
            jpath_append_text(node, &o->text);
        expr_set_text(ret, o->text.data, o->text.len);
    }
}

int item_where_eval(struct item_where *w, json_t *item, bool *ret_value,
                    struct tmpl_error *ret_error)
{
    struct scope scope = {0};
    struct script_env env = {.session = &scope};

    for (size_t i = 0; i < w->n; i++)
        set_operand(&w->operands[i], item, &w->e->consts[w->operands[i].constant]);
    if (w->has_texts) {
        struct value v = {0};
        struct buf json = {0};
        jpath_append_json(item, &json);
        value_set(&v, VALUE_JSON, false, json.data, json.len);
        scope_put(&scope, word, &v);
        buf_done(&json);
    }
    int r = expr_eval(w->e, &env, ret_value, ret_error);
    scope_done(&scope);
    return r;
}

// --- Results ---

struct part {
    struct buf literal; // before the reference
    struct jpath *path; // NULL: none, it is the end
    bool is_quoted;     // JSON: the reference stands within a string
};

struct item_select {
    struct part *parts;
    size_t n;
    bool is_json;
};

static bool ends_in_quotes(const char *p, const char *end, bool is_quoted)
{
    for (; p < end; p++) {
        if (*p == '"')
            is_quoted = !is_quoted;
        else if (*p == '\\' && is_quoted)
            p++;
    }
    return is_quoted;
}

int item_select_compile(const char *text, size_t len, struct item_select **ret_select,
                        struct tmpl_error *ret_error)
{
    struct item_select *s = xcalloc(1, sizeof *s);
    const char *end = text + len, *from, *to;
    struct tmpl_error error = {0};
    bool is_quoted = false;

    text_trim(&text, &end);
    s->is_json = text < end && (*text == '{' || *text == '[');
    for (const char *p = text;; p = to) {
        s->parts = xreallocarray(s->parts, s->n + 1, sizeof *s->parts);
        struct part *part = &s->parts[s->n++];
        from = find_reference(text, p, end, &to);
        is_quoted = ends_in_quotes(p, from, is_quoted);
        *part = (struct part){.is_quoted = is_quoted};
        buf_append(&part->literal, p, (size_t)(from - p));
        if (from == end)
            break;
        from += WORD_LEN;
        int r = compile_path(from, (size_t)(to - from), &part->path, &error);
        if (r < 0) {
            item_select_free(s);
            *ret_error = error;
            return r;
        }
    }
    *ret_select = s;
    return 0;
}

void item_select_free(struct item_select *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n; i++) {
        buf_done(&s->parts[i].literal);
        jpath_free(s->parts[i].path);
    }
    free(s->parts);
    free(s);
}

// As a part of a string of JSON.
static void append_in_quotes(const json_t *node, struct buf *out)
{
    struct buf text = {0}, json = {0};

    jpath_append_text(node, &text);
    json_t *string = json_stringn_nocheck(text.data ? text.data : "", text.len);
    jpath_append_json(string, &json);
    buf_append(out, json.data + 1, json.len - 2);
    json_decref(string);
    buf_done(&json);
    buf_done(&text);
}

static void append_part(const struct item_select *s, const struct part *part, json_t *item,
                        struct buf *out)
{
    buf_append(out, part->literal.data, part->literal.len);
    if (part->path == NULL)
        return;
    const json_t *node = resolve(part->path, item);
    if (s->is_json && !part->is_quoted && node == NULL)
        buf_puts(out, "null");
    else if (s->is_json && !part->is_quoted)
        jpath_append_json(node, out);
    else if (s->is_json && node != NULL)
        append_in_quotes(node, out);
    else if (node != NULL)
        jpath_append_text(node, out);
}

void item_select_apply(const struct item_select *s, json_t *item, struct value *ret_value)
{
    struct buf text = {0};

    if (s->n == 2 && s->parts[0].literal.len == 0 && s->parts[1].literal.len == 0) {
        item_set(ret_value, resolve(s->parts[0].path, item));
        return;
    }
    for (size_t i = 0; i < s->n && text.len <= VALUE_BYTES_MAX; i++)
        append_part(s, &s->parts[i], item, &text);
    item_infer(ret_value, text.data ? text.data : "", text.len);
    buf_done(&text);
}

void item_set(struct value *v, const json_t *node)
{
    struct buf text = {0};
    enum value_type type = VALUE_STRING;

    if (node == NULL || json_is_null(node)) {
        value_done(v);
        return;
    }
    jpath_append_text(node, &text);
    if (json_is_object(node) || json_is_array(node))
        type = VALUE_JSON;
    else if (json_is_real(node))
        type = VALUE_DOUBLE;
    else if (json_is_boolean(node))
        type = VALUE_BOOL;
    if (json_is_integer(node))
        value_set_int(v, json_integer_value(node));
    else
        value_set(v, type, false, text.data ? text.data : "", text.len);
    buf_done(&text);
}

void item_infer(struct value *v, const char *text, size_t len)
{
    json_error_t error;

    value_infer(v, text, len);
    if (v->type != VALUE_JSON)
        return;
    json_t *json = value_load_json(v->text, v->len, &error);
    if (json != NULL)
        item_set(v, json);
    json_decref(json);
}
