#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/script/tmpl_impl.h"

// What a "$" begins: its text between the braces or behind the "$", and where a call has its "(".
struct placeholder {
    const char *text, *text_end, *end;
    const char *paren; // NULL: a variable
};

int script_fail(const struct script_parse *p, const char *at, const char *fmt, ...)
{
    va_list ap;

    p->error->at = (size_t)(at - p->begin);
    va_start(ap, fmt);
    vsnprintf(p->error->text, sizeof p->error->text, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

static bool is_name(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// "$.a" is a JSON path and "$ 5" a price: without a name it is no placeholder.
bool tmpl_begins(const char *p, const char *end)
{
    return p + 1 < end && p[0] == '$' && (p[1] == '{' || is_name(p[1]));
}

bool tmpl_is_needed(const char *text, size_t len)
{
    const char *end = text + len;

    for (const char *p = text; (p = memchr(p, '$', (size_t)(end - p))) != NULL;) {
        if (tmpl_begins(p, end))
            return true;
        p += p + 1 < end && p[1] == '$' ? 2 : 1;
    }
    return false;
}

// The counterpart of the bracket at p; NULL: none.
static const char *find_close(const char *p, const char *end, char open, char close)
{
    for (size_t depth = 0; p < end; p++) {
        if (*p == open)
            depth++;
        else if (*p == close && --depth == 0)
            return p;
    }
    return NULL;
}

static int scan_braced(const struct script_parse *p, const char *at, const char *end,
                       struct placeholder *ret)
{
    const char *close = find_close(at + 1, end, '{', '}'), *q = at + 2;

    if (close == NULL)
        return script_fail(p, at, "found '{' without its '}'");
    *ret = (struct placeholder){.text = at + 2, .text_end = close, .end = close + 1};
    while (q < close && is_name(*q))
        q++;
    if (q == close || q == ret->text || *q != '(')
        return 0;
    const char *last = find_close(q, close, '(', ')');
    if (last == NULL)
        return script_fail(p, q, "found '(' without its ')'");
    if (last + 1 < close)
        return script_fail(p, last + 1, "found text behind the ')' of a method, expected '}'");
    ret->paren = q;
    return 0;
}

// A "]" that closes nothing in here belongs to the text around: "[$a, $b]".
static int scan_bare(const struct script_parse *p, const char *at, const char *end,
                     struct placeholder *ret)
{
    const char *q = at + 1;
    bool has_path = false;

    *ret = (struct placeholder){.text = q};
    for (; q < end && (is_name(*q) || *q == '.' || *q == '/' || *q == '[' || *q == '('); q++) {
        has_path |= *q == '.' || *q == '/' || *q == '[';
        if (*q != '[' && *q != '(')
            continue;
        const char *close = find_close(q, end, *q, *q == '[' ? ']' : ')');
        if (close == NULL)
            return script_fail(p, q, "found '%c' without its '%c'", *q, *q == '[' ? ']' : ')');
        if (*q == '(' && !has_path) {
            ret->paren = q;
            q = close + 1;
            break;
        }
        q = close;
    }
    ret->text_end = ret->end = q;
    return 0;
}

static int scan(const struct script_parse *p, const char *at, const char *end,
                struct placeholder *ret)
{
    return at[1] == '{' ? scan_braced(p, at, end, ret) : scan_bare(p, at, end, ret);
}

int tmpl_skip(const struct script_parse *p, const char *at, const char *end, const char **ret_end)
{
    struct placeholder found;

    int r = scan(p, at, end, &found);
    if (r == 0)
        *ret_end = found.end;
    return r;
}

size_t tmpl_placeholder(const char *text, size_t len)
{
    struct tmpl_error error;
    const struct script_parse p = {.begin = text, .error = &error};
    struct placeholder found;

    if (!tmpl_begins(text, text + len))
        return 0;
    return scan(&p, text, text + len, &found) < 0 ? len : (size_t)(found.end - text);
}

static int add_placeholder(struct script_parse *p, const struct placeholder *found, struct tmpl *t)
{
    size_t len = (size_t)(found->text_end - found->text);
    struct call *call;
    struct tmpl *inner;

    if (found->paren != NULL) {
        const char *args = found->paren + 1;
        int r = call_compile(p, found->text, (size_t)(found->paren - found->text), args,
                             (size_t)(found->text_end - 1 - args), &call);
        if (r == 0)
            tmpl_add(t, TMPL_CALL)->call = call;
        return r;
    }
    if (memchr(found->text, '$', len) == NULL) {
        tmpl_add_variable(t, found->text, len);
        return 0;
    }
    int r = tmpl_compile_part(p, found->text, len, TMPL_PLAIN, &inner);
    if (r < 0)
        return r;
    if (!tmpl_is_constant(inner)) {
        tmpl_add(t, TMPL_INDIRECT)->inner = inner;
        return 0;
    }
    const char *text = tmpl_text(inner, &len);
    tmpl_add_variable(t, text, len);
    tmpl_free(inner);
    return 0;
}

// The character that a backslash and c stand for; 0: they stand for themselves.
static char unescape(char c)
{
    static const char from[] = "\"'\\nrt", to[] = "\"'\\\n\r\t";
    const char *found = c == '\0' ? NULL : strchr(from, c);

    return found == NULL ? '\0' : to[found - from];
}

// One step at a "$" or a backslash.
static int add_special(struct script_parse *p, const char **at, const char *end, struct tmpl *t)
{
    const char *q = *at;
    struct placeholder found;
    char plain;

    if (*q == '$' && p->has_placeholders && tmpl_begins(q, end)) {
        int r = scan(p, q, end, &found);
        if (r == 0)
            r = add_placeholder(p, &found, t);
        if (r == 0)
            *at = found.end;
        return r;
    }
    if (*q == '\\' && q + 1 < end && (plain = unescape(q[1])) != '\0') {
        tmpl_add_literal(t, &plain, 1);
        *at += 2;
        return 0;
    }
    tmpl_add_literal(t, q, 1);
    *at += *q == '$' && p->has_placeholders && q + 1 < end && q[1] == '$' ? 2 : 1;
    return 0;
}

static int parse(struct script_parse *p, const char *text, const char *end,
                 enum tmpl_quoting quoting, struct tmpl *t)
{
    for (const char *q = text; q < end;) {
        const char *plain = q;
        while (q < end && *q != '$' && (*q != '\\' || quoting == TMPL_PLAIN))
            q++;
        tmpl_add_literal(t, plain, (size_t)(q - plain));
        int r = q < end ? add_special(p, &q, end, t) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

int tmpl_compile_part(struct script_parse *p, const char *text, size_t len,
                      enum tmpl_quoting quoting, struct tmpl **ret_tmpl)
{
    const char *end = text + len;

    if (p->depth > TMPL_DEPTH_MAX)
        return script_fail(p, text, "found more than %d placeholders within placeholders",
                           TMPL_DEPTH_MAX);
    if (quoting == TMPL_PLAIN && tmpl_is_needed(text, len))
        text_trim(&text, &end);
    struct tmpl *t = xcalloc(1, sizeof *t);
    p->depth++;
    int r = parse(p, text, end, quoting, t);
    p->depth--;
    if (r < 0) {
        tmpl_free(t);
        return r;
    }
    *ret_tmpl = t;
    return 0;
}

int tmpl_compile(const char *text, size_t len, struct tmpl **ret_tmpl, struct tmpl_error *ret_error)
{
    struct script_parse p = {.begin = text, .error = ret_error, .has_placeholders = true};

    if (len > TMPL_BYTES_MAX)
        return script_fail(&p, text, "found a text of %zu bytes, expected at most %d", len,
                           TMPL_BYTES_MAX);
    return tmpl_compile_part(&p, text, len, TMPL_PLAIN, ret_tmpl);
}
