#include "common/script/tmpl.h"

#include <stdlib.h>
#include <string.h>

#include "common/script/tmpl_impl.h"

struct tmpl_segment *tmpl_add(struct tmpl *t, enum tmpl_kind kind)
{
    if (t->n == t->cap) {
        t->cap = t->cap == 0 ? 4 : 2 * t->cap;
        t->segments = xreallocarray(t->segments, t->cap, sizeof *t->segments);
    }
    struct tmpl_segment *s = &t->segments[t->n++];
    *s = (struct tmpl_segment){.kind = kind};
    return s;
}

void tmpl_add_literal(struct tmpl *t, const char *text, size_t len)
{
    struct tmpl_segment *s = t->n > 0 ? &t->segments[t->n - 1] : NULL;

    if (len == 0)
        return;
    if (s == NULL || s->kind != TMPL_LITERAL)
        s = tmpl_add(t, TMPL_LITERAL);
    buf_append(&s->literal, text, len);
}

// Where the path begins.
static size_t name_len(const char *text, size_t len)
{
    size_t n = 0;

    while (n < len && text[n] != '.' && text[n] != '/' && text[n] != '[')
        n++;
    return n;
}

// No name and no path goes beyond a NUL.
static void set_variable(struct tmpl_segment *s, const char *text, size_t len)
{
    len = strnlen(text, len);
    size_t n = name_len(text, len);

    s->kind = TMPL_VARIABLE;
    s->name = xstrndup(text, n);
    s->path = xstrndup(text + n, len - n);
}

void tmpl_add_variable(struct tmpl *t, const char *text, size_t len)
{
    set_variable(tmpl_add(t, TMPL_VARIABLE), text, len);
}

static void segment_done(struct tmpl_segment *s)
{
    buf_done(&s->literal);
    free(s->name);
    free(s->path);
    tmpl_free(s->inner);
    call_free(s->call);
}

void tmpl_free(struct tmpl *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n; i++)
        segment_done(&t->segments[i]);
    free(t->segments);
    free(t);
}

bool tmpl_is_constant(const struct tmpl *t)
{
    return t->n == 0 || (t->n == 1 && t->segments[0].kind == TMPL_LITERAL);
}

const char *tmpl_text(const struct tmpl *t, size_t *ret_len)
{
    *ret_len = t->n == 0 ? 0 : t->segments[0].literal.len;
    return t->n == 0 ? "" : t->segments[0].literal.data;
}

static void render_variable(const char *name, const char *path, struct script_env *env,
                            struct buf *out)
{
    struct value keep = {0}, *v = script_variable(env, name, &keep);
    char why[200] = "";

    if (v == NULL) {
        buf_printf(out, "${%s%s}", name, path);
        script_warn(env, "${%s%s}: there is no such variable", name, path);
        return;
    }
    if (*path == '\0' && !v->is_quoted)
        buf_append(out, v->text, v->len);
    else if (value_append(v, path, out, why, sizeof why) < 0)
        script_warn(env, "${%s%s}: %s", name, path, why);
    value_done(&keep);
}

static void render_indirect(const struct tmpl *inner, struct script_env *env, struct buf *out)
{
    struct buf text = {0};

    tmpl_render(inner, env, &text);
    char *whole = buf_take(&text);
    size_t n = name_len(whole, strlen(whole));
    char *name = xstrndup(whole, n);
    render_variable(name, whole + n, env, out);
    free(name);
    free(whole);
}

static void render_segment(const struct tmpl_segment *s, struct script_env *env, struct buf *out)
{
    switch (s->kind) {
    case TMPL_LITERAL:
        buf_append(out, s->literal.data, s->literal.len);
        break;
    case TMPL_VARIABLE:
        render_variable(s->name, s->path, env, out);
        break;
    case TMPL_INDIRECT:
        render_indirect(s->inner, env, out);
        break;
    case TMPL_CALL:
        call_run(s->call, env, out);
        break;
    case TMPL_UNDEFINED:
        break;
    }
}

void tmpl_render(const struct tmpl *t, struct script_env *env, struct buf *out)
{
    size_t limit = out->len + TMPL_RENDERED_MAX;

    if (env->depth > TMPL_DEPTH_MAX) {
        script_warn(env, "more than %d placeholders within placeholders", TMPL_DEPTH_MAX);
        return;
    }
    env->depth++;
    for (size_t i = 0; i < t->n && out->len <= limit; i++)
        render_segment(&t->segments[i], env, out);
    env->depth--;
    if (out->len > limit) {
        out->len = limit;
        out->data[limit] = '\0';
        script_warn(env, "a text is cut after %d bytes", TMPL_RENDERED_MAX);
    }
}

// What a path does not find stays: it is for the run to warn of.
static bool fold_variable(const struct tmpl_segment *s, struct scope *constants, struct buf *out)
{
    struct value *v = scope_find(constants, s->name);

    return v != NULL && value_append(v, s->path, out, NULL, 0) == 0;
}

static void fold_segment(struct tmpl_segment *s, struct scope *constants)
{
    struct buf text = {0};
    size_t len;

    if (s->kind == TMPL_CALL)
        call_fold(s->call, constants);
    if (s->kind == TMPL_INDIRECT) {
        tmpl_fold(s->inner, constants);
        if (tmpl_is_constant(s->inner)) {
            const char *whole = tmpl_text(s->inner, &len);
            set_variable(s, whole, len);
        }
    }
    if (s->kind == TMPL_VARIABLE && fold_variable(s, constants, &text)) {
        s->literal = text;
        s->kind = TMPL_LITERAL;
    } else {
        buf_done(&text);
    }
}

void tmpl_fold(struct tmpl *t, struct scope *constants)
{
    struct tmpl old = *t;

    *t = (struct tmpl){0};
    for (size_t i = 0; i < old.n; i++) {
        struct tmpl_segment *s = &old.segments[i];
        fold_segment(s, constants);
        if (s->kind == TMPL_LITERAL) {
            tmpl_add_literal(t, s->literal.data, s->literal.len);
            segment_done(s);
        } else {
            *tmpl_add(t, s->kind) = *s;
        }
    }
    free(old.segments);
}

void tmpl_each_name(const struct tmpl *t,
                    void (*fn)(void *arg, const char *name, bool is_store, bool is_global),
                    void *arg)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct tmpl_segment *s = &t->segments[i];
        if (s->kind == TMPL_VARIABLE) {
            fn(arg, s->name, false, false);
        } else if (s->kind == TMPL_INDIRECT) {
            tmpl_each_name(s->inner, fn, arg);
            fn(arg, NULL, false, false);
        } else if (s->kind == TMPL_CALL) {
            call_each_name(s->call, fn, arg);
        }
    }
}

void tmpl_each_source(const struct tmpl *t, void (*fn)(void *arg, bool is_env, const char *name),
                      void *arg)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->segments[i].inner != NULL)
            tmpl_each_source(t->segments[i].inner, fn, arg);
        if (t->segments[i].call != NULL)
            call_each_source(t->segments[i].call, fn, arg);
    }
}

void tmpl_each_call(const struct tmpl *t, void (*fn)(void *arg, const struct call *call), void *arg)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->segments[i].inner != NULL)
            tmpl_each_call(t->segments[i].inner, fn, arg);
        if (t->segments[i].call != NULL)
            call_each_call(t->segments[i].call, fn, arg);
    }
}
