#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/script/jpath_impl.h"
#include "common/script/text.h"
#include "common/str.h"

#define NAME_ENDS        ".[]"
#define FILTER_NAME_ENDS ".[]()=!<>&|,'\" \t\r\n"

// The text is a copy in which quoted names are unescaped where they stand.
struct parse {
    char *text, *p, *end;
    unsigned depth;
    char *why;
    size_t size;
};

static int surprise(struct parse *s, const char *expected)
{
    size_t at = (size_t)(s->p - s->text) + 1;

    if (s->p == s->end)
        snprintf(s->why, s->size, "found the end at character %zu, expected %s", at, expected);
    else if (*s->p < ' ' || *s->p > '~')
        snprintf(s->why, s->size, "found the byte 0x%02x at character %zu, expected %s",
                 (unsigned char)*s->p, at, expected);
    else
        snprintf(s->why, s->size, "found '%c' at character %zu, expected %s", *s->p, at, expected);
    return -EINVAL;
}

static bool at(const struct parse *s, char c)
{
    return s->p < s->end && *s->p == c;
}

static void skip_blanks(struct parse *s)
{
    while (s->p < s->end && text_is_blank(*s->p))
        s->p++;
}

static bool next_is(struct parse *s, const char *token)
{
    size_t len = strlen(token);

    skip_blanks(s);
    if ((size_t)(s->end - s->p) < len || memcmp(s->p, token, len) != 0)
        return false;
    s->p += len;
    return true;
}

static int enter(struct parse *s)
{
    if (s->depth == JPATH_DEPTH_MAX) {
        snprintf(s->why, s->size, "found more than %d levels of parentheses and filters",
                 JPATH_DEPTH_MAX);
        return -EINVAL;
    }
    s->depth++;
    return 0;
}

static struct selector *add_selector(struct jpath *path, bool is_first, bool is_descent)
{
    if (path->n == path->cap) {
        path->cap = path->cap > 0 ? 2 * path->cap : 4;
        path->selectors = xreallocarray(path->selectors, path->cap, sizeof *path->selectors);
    }
    path->selectors[path->n] = (struct selector){.is_first = is_first, .is_descent = is_descent};
    return &path->selectors[path->n++];
}

static void filter_free(struct filter *f)
{
    if (f == NULL)
        return;
    filter_free(f->left);
    filter_free(f->right);
    json_decref(f->a.literal);
    json_decref(f->b.literal);
    jpath_free(f->a.path);
    jpath_free(f->b.path);
    free(f);
}

void jpath_free(struct jpath *path)
{
    if (path == NULL)
        return;
    for (size_t i = 0; i < path->n; i++)
        filter_free(path->selectors[i].filter);
    free(path->selectors);
    free(path->text);
    free(path);
}

static bool hex4(const struct parse *s, const char *p, uint32_t *ret_code)
{
    uint32_t code = 0;

    if (s->end - p < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char *d = p[i] == '\0' ? NULL : strchr(digits, p[i]);
        if (d == NULL)
            return false;
        code = code << 4 | (uint32_t)((d - digits) % 16);
    }
    *ret_code = code;
    return true;
}

// "\u00e9", or a pair of surrogates; p is behind the u.
static int parse_unicode(struct parse *s, char **out)
{
    uint32_t c, low;

    if (!hex4(s, s->p, &c))
        return surprise(s, "four hex digits");
    s->p += 4;
    if (c >= 0xd800 && c < 0xdc00 && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u' &&
        hex4(s, s->p + 2, &low) && low >= 0xdc00 && low < 0xe000) {
        c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
        s->p += 6;
    }
    if (c == 0 || (c >= 0xd800 && c < 0xe000)) {
        snprintf(s->why, s->size, "found \\u%04x before character %zu, which is no character",
                 (unsigned)c, (size_t)(s->p - s->text) + 1);
        return -EINVAL;
    }
    *out += text_put_char(*out, c);
    return 0;
}

// In single or double quotes; no escape is shorter than what it stands for.
static int parse_quoted(struct parse *s, const char **ret_text, size_t *ret_len)
{
    static const char escapes[] = "b\bf\fn\nr\rt\t";
    char quote = *s->p++, *first = s->p, *out = first;

    while (s->p < s->end && *s->p != quote) {
        char c = *s->p++;
        if (c == '\\' && s->p < s->end) {
            c = *s->p++;
            if (c == 'u') {
                int r = parse_unicode(s, &out);
                if (r < 0)
                    return r;
                continue;
            }
            for (size_t i = 0; escapes[i] != '\0'; i += 2)
                if (c == escapes[i]) {
                    c = escapes[i + 1];
                    break;
                }
        }
        *out++ = c;
    }
    if (s->p == s->end)
        return surprise(s, quote == '"' ? "'\"'" : "\"'\"");
    s->p++;
    *ret_text = first;
    *ret_len = (size_t)(out - first);
    return 0;
}

static int parse_integer(struct parse *s, int64_t *ret_n)
{
    char *first = s->p;
    int64_t n = 0;
    bool negative = at(s, '-');

    s->p += negative;
    char *digits = s->p;
    for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *s->p - '0', &n) ||
            n > INT32_MAX) {
            s->p = first;
            return surprise(s, "a number of at most 2147483647");
        }
    if (s->p == digits)
        return surprise(s, "a number");
    *ret_n = negative ? -n : n;
    return 0;
}

static int parse_optional(struct parse *s, bool *ret_has, int64_t *ret_n)
{
    skip_blanks(s);
    *ret_has = !at(s, ':') && !at(s, ',') && !at(s, ']');
    return *ret_has ? parse_integer(s, ret_n) : 0;
}

// "0", "-1", "1:3", ":", "::2".
static int parse_index(struct parse *s, struct selector *selector)
{
    bool has_step;

    int r = parse_optional(s, &selector->has_from, &selector->from);
    if (r < 0)
        return r;
    selector->kind = SELECT_INDEX;
    selector->step = 1;
    if (!next_is(s, ":"))
        return selector->has_from ? 0 : surprise(s, "a name in quotes, a number, '*' or '?'");
    selector->kind = SELECT_SLICE;
    r = parse_optional(s, &selector->has_to, &selector->to);
    if (r == 0 && next_is(s, ":"))
        r = parse_optional(s, &has_step, &selector->step);
    if (r == 0 && selector->step == 0)
        r = surprise(s, "a step other than 0");
    return r;
}

static int parse_segments(struct parse *s, const char *name_ends, struct jpath *path);

// "null", "1.5", "'x'".
static int parse_literal(struct parse *s, json_t **ret_literal)
{
    const char *text = s->p;
    size_t len;
    json_error_t error;

    if (at(s, '\'') || at(s, '"')) {
        int r = parse_quoted(s, &text, &len);
        if (r < 0)
            return r;
        *ret_literal = json_stringn(text, len);
    } else {
        while (s->p < s->end && strchr(")=!<>&|,[]{} \t\r\n", *s->p) == NULL)
            s->p++;
        len = (size_t)(s->p - text);
        s->p -= len;
        *ret_literal = json_loadb(text, len, JSON_DECODE_ANY, &error);
        if (*ret_literal != NULL)
            s->p += len;
    }
    return *ret_literal != NULL
               ? 0
               : surprise(s, "'@', '$', a number, a text in quotes, true, false or null");
}

static int parse_operand(struct parse *s, struct operand *ret_operand)
{
    skip_blanks(s);
    if (!at(s, '@') && !at(s, '$'))
        return parse_literal(s, &ret_operand->literal);
    struct jpath *path = ret_operand->path = xcalloc(1, sizeof *path);
    path->is_from_root = *s->p++ == '$';
    return parse_segments(s, FILTER_NAME_ENDS, path);
}

static enum compare_kind parse_compare(struct parse *s)
{
    static const struct {
        const char *token;
        enum compare_kind kind;
    } tokens[] = {
        // The longest first.
        {"===", COMPARE_EQ}, {"!==", COMPARE_NE}, {"==", COMPARE_EQ}, {"!=", COMPARE_NE},
        {"<=", COMPARE_LE},  {">=", COMPARE_GE},  {"<", COMPARE_LT},  {">", COMPARE_GT},
    };

    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        if (next_is(s, tokens[i].token))
            return tokens[i].kind;
    return COMPARE_UNDEFINED;
}

static int parse_or(struct parse *s, struct filter **ret_filter);

static struct filter *add_filter(enum filter_kind kind, struct filter *left)
{
    struct filter *f = xcalloc(1, sizeof *f);

    f->kind = kind;
    f->left = left;
    return f;
}

static int parse_term(struct parse *s, struct filter **ret_filter)
{
    if (next_is(s, "!")) {
        int r = enter(s);
        if (r < 0)
            return r;
        *ret_filter = add_filter(FILTER_NOT, NULL);
        r = parse_term(s, &(*ret_filter)->left);
        s->depth--;
        return r;
    }
    if (next_is(s, "(")) {
        int r = enter(s);
        if (r == 0)
            r = parse_or(s, ret_filter);
        if (r == 0 && !next_is(s, ")"))
            r = surprise(s, "')'");
        s->depth--;
        return r;
    }
    struct filter *f = *ret_filter = add_filter(FILTER_EXISTS, NULL);
    int r = parse_operand(s, &f->a);
    if (r < 0)
        return r;
    f->compare = parse_compare(s);
    if (f->compare != COMPARE_UNDEFINED) {
        f->kind = FILTER_COMPARE;
        return parse_operand(s, &f->b);
    }
    return f->a.path != NULL ? 0 : surprise(s, "a comparison");
}

static int parse_and(struct parse *s, struct filter **ret_filter)
{
    int r = parse_term(s, ret_filter);

    while (r == 0 && next_is(s, "&&")) {
        *ret_filter = add_filter(FILTER_AND, *ret_filter);
        r = parse_term(s, &(*ret_filter)->right);
    }
    return r;
}

static int parse_or(struct parse *s, struct filter **ret_filter)
{
    int r = parse_and(s, ret_filter);

    while (r == 0 && next_is(s, "||")) {
        *ret_filter = add_filter(FILTER_OR, *ret_filter);
        r = parse_and(s, &(*ret_filter)->right);
    }
    return r;
}

static int parse_selector(struct parse *s, struct selector *selector)
{
    if (at(s, '\'') || at(s, '"')) {
        selector->kind = SELECT_NAME;
        return parse_quoted(s, &selector->name, &selector->name_len);
    }
    if (next_is(s, "*")) {
        selector->kind = SELECT_ALL;
        return 0;
    }
    if (!next_is(s, "?"))
        return parse_index(s, selector);
    selector->kind = SELECT_FILTER;
    int r = enter(s);
    if (r == 0)
        r = parse_or(s, &selector->filter);
    s->depth--;
    return r;
}

// From behind '[' on.
static int parse_brackets(struct parse *s, struct jpath *path, bool is_descent)
{
    bool is_first = true;

    for (;;) {
        skip_blanks(s);
        int r = parse_selector(s, add_selector(path, is_first, is_descent));
        if (r < 0)
            return r;
        if (next_is(s, "]"))
            return 0;
        if (!next_is(s, ","))
            return surprise(s, "',' or ']'");
        is_first = false;
    }
}

static int parse_name(struct parse *s, const char *name_ends, struct jpath *path, bool is_descent)
{
    char *first = s->p;

    while (s->p < s->end && (*s->p == '\0' || strchr(name_ends, *s->p) == NULL))
        s->p++;
    if (s->p == first)
        return surprise(s, "a name");
    struct selector *selector = add_selector(path, true, is_descent);
    selector->name = first;
    selector->name_len = (size_t)(s->p - first);
    selector->kind = selector->name_len == 1 && *first == '*' ? SELECT_ALL : SELECT_NAME;
    return 0;
}

static int parse_segments(struct parse *s, const char *name_ends, struct jpath *path)
{
    int r = 0;

    while (r == 0) {
        bool is_dot = at(s, '.');
        s->p += is_dot;
        bool is_descent = is_dot && at(s, '.');
        s->p += is_descent;
        if (at(s, '[') && is_descent == is_dot) {
            s->p++;
            r = parse_brackets(s, path, is_descent);
        } else if (is_dot) {
            r = parse_name(s, name_ends, path, is_descent);
        } else {
            break;
        }
    }
    return r;
}

int jpath_compile(const char *text, size_t len, char *why, size_t size, struct jpath **ret_path)
{
    struct jpath *path = xcalloc(1, sizeof *path);
    struct parse s = {.why = why, .size = size};
    int r = 0;

    if (len > JPATH_BYTES_MAX) {
        snprintf(why, size, "found %zu bytes, expected at most %d", len, JPATH_BYTES_MAX);
        free(path);
        return -EINVAL;
    }
    s.text = s.p = path->text = xmemdup(text, len);
    s.end = s.text + len;
    if (at(&s, '$') && (len == 1 || s.p[1] == '.' || s.p[1] == '['))
        s.p++;
    else if (len > 0 && !at(&s, '.') && !at(&s, '['))
        r = parse_name(&s, NAME_ENDS, path, false);
    if (r == 0)
        r = parse_segments(&s, NAME_ENDS, path);
    if (r == 0 && s.p < s.end)
        r = surprise(&s, "'.', '[' or the end");
    if (r < 0) {
        jpath_free(path);
        return r;
    }
    *ret_path = path;
    return 0;
}
