#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/script/expr_impl.h"

#define ARGS_MAX 4
#define WORD_MAX 40 // bytes of a word, in a message

// How tightly operators bind.
enum power {
    POWER_ALL = 0,
    POWER_OR,
    POWER_AND,
    POWER_COMPARISON, // what "not" is followed by
    POWER_SUM,
    POWER_PRODUCT,
    POWER_POWER,
    POWER_UNARY,
};

// A text that begins like another comes after it.
static const struct infix {
    const char *text;
    enum expr_op op;
    enum power power;
} infixes[] = {
    {"||", EXPR_OR, POWER_OR},
    {"|", EXPR_OR, POWER_OR},
    {"or", EXPR_OR, POWER_OR},
    {"xor", EXPR_XOR, POWER_OR},
    {"&&", EXPR_AND, POWER_AND},
    {"&", EXPR_AND, POWER_AND},
    {"and", EXPR_AND, POWER_AND},
    {"==", EXPR_EQUAL, POWER_COMPARISON},
    {"=", EXPR_EQUAL, POWER_COMPARISON},
    {"!=", EXPR_NOT_EQUAL, POWER_COMPARISON},
    {"<>", EXPR_NOT_EQUAL, POWER_COMPARISON},
    {"<=", EXPR_AT_MOST, POWER_COMPARISON},
    {"<", EXPR_LESS, POWER_COMPARISON},
    {">=", EXPR_AT_LEAST, POWER_COMPARISON},
    {">", EXPR_MORE, POWER_COMPARISON},
    {"+", EXPR_ADD, POWER_SUM},
    {"-", EXPR_SUBTRACT, POWER_SUM},
    {"*", EXPR_MULTIPLY, POWER_PRODUCT},
    {"/", EXPR_DIVIDE, POWER_PRODUCT},
    {"%", EXPR_MODULO, POWER_PRODUCT},
    {"^", EXPR_POWER, POWER_POWER},
};

// A Pratt parser, which writes code as it goes.
struct parser {
    struct script_parse *p;
    const char *begin, *at, *end;
    struct expr *e;
    struct expr_complaint complaint;
    unsigned depth;
};

static int parse(struct parser *ps, enum power least, struct expr_item *ret);

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static uint32_t offset(const struct parser *ps, const char *at)
{
    return (uint32_t)(at - ps->begin);
}

static void skip_blanks(struct parser *ps)
{
    while (ps->at < ps->end && text_is_blank(*ps->at))
        ps->at++;
}

static bool next_is(struct parser *ps, char c)
{
    skip_blanks(ps);
    return ps->at < ps->end && *ps->at == c;
}

// Whether c is next; then it is behind.
static bool accept(struct parser *ps, char c)
{
    bool is = next_is(ps, c);

    ps->at += is;
    return is;
}

static size_t word_len(const struct parser *ps, const char *at)
{
    const char *q = at;

    if (q < ps->end && is_letter(*q))
        while (q < ps->end && (is_letter(*q) || is_digit(*q)))
            q++;
    return (size_t)(q - at);
}

static int surprise(const struct parser *ps, const char *expected)
{
    if (ps->at == ps->end)
        return script_fail(ps->p, ps->at, "found the end of the expression, expected %s", expected);
    if (*ps->at < ' ' || *ps->at > '~')
        return script_fail(ps->p, ps->at, "found the byte 0x%02x, expected %s",
                           (unsigned char)*ps->at, expected);
    return script_fail(ps->p, ps->at, "found '%c', expected %s", *ps->at, expected);
}

static int expect(struct parser *ps, char c, const char *expected)
{
    return accept(ps, c) ? 0 : surprise(ps, expected);
}

static int parse_number(struct parser *ps, struct expr_item *ret)
{
    const char *q = ps->at, *exponent;

    while (q < ps->end && is_digit(*q))
        q++;
    if (q + 1 < ps->end && *q == '.' && is_digit(q[1]))
        for (q++; q < ps->end && is_digit(*q); q++)
            ;
    if (q < ps->end && (*q == 'e' || *q == 'E')) {
        exponent = q + 1;
        exponent += exponent < ps->end && (*exponent == '+' || *exponent == '-');
        if (exponent < ps->end && is_digit(*exponent))
            for (q = exponent; q < ps->end && is_digit(*q); q++)
                ;
    }
    if (expr_read_number(ps->at, (size_t)(q - ps->at), ret) < 0)
        return script_fail(ps->p, ps->at, "found a number that is too large");
    ps->at = q;
    ret->to = offset(ps, q);
    expr_emit_const(ps->e, ret);
    return 0;
}

// Where the text in quotes at ps->at ends; quotes in its placeholders are theirs.
static int find_quote(struct parser *ps, const char **ret_quote)
{
    const char *q = ps->at + 1;

    while (q < ps->end && *q != *ps->at) {
        if (*q == '$' && ps->p->has_placeholders && tmpl_begins(q, ps->end)) {
            int r = tmpl_skip(ps->p, q, ps->end, &q);
            if (r < 0)
                return r;
        } else {
            bool is_pair = *q == '\\' || (*q == '$' && q + 1 < ps->end && q[1] == '$');
            q += is_pair && q + 1 < ps->end ? 2 : 1;
        }
    }
    if (q == ps->end)
        return script_fail(ps->p, ps->at, "found a text without its closing %c", *ps->at);
    *ret_quote = q;
    return 0;
}

static int parse_quoted(struct parser *ps, struct expr_item *ret)
{
    const char *quote = ps->at;
    struct tmpl *tmpl;

    int r = find_quote(ps, &quote);
    if (r < 0)
        return r;
    r = tmpl_compile_part(ps->p, ps->at + 1, (size_t)(quote - ps->at - 1), TMPL_QUOTED, &tmpl);
    if (r < 0)
        return r;
    ps->at = quote + 1;
    ret->type = EXPR_TEXT;
    ret->to = offset(ps, ps->at);
    expr_emit_operand(ps->e, EXPR_QUOTED, tmpl, ret);
    return 0;
}

// Placeholders without anything between them are one operand.
static int parse_placeholders(struct parser *ps, struct expr_item *ret)
{
    const char *q = ps->at;
    struct tmpl *tmpl;
    int r = 0;

    while (r == 0 && tmpl_begins(q, ps->end))
        r = tmpl_skip(ps->p, q, ps->end, &q);
    if (r == 0)
        r = tmpl_compile_part(ps->p, ps->at, (size_t)(q - ps->at), TMPL_PLAIN, &tmpl);
    if (r < 0)
        return r;
    ps->at = q;
    ret->type = EXPR_ANY;
    ret->to = offset(ps, q);
    expr_emit_operand(ps->e, EXPR_OPERAND, tmpl, ret);
    return 0;
}

// The arguments of f in parentheses; the first n of a are there already.
static int parse_call(struct parser *ps, const struct expr_function *f,
                      struct expr_item a[ARGS_MAX], size_t n, struct expr_item *ret)
{
    int r = 0;

    ret->to = offset(ps, ps->at);
    bool has_parens = accept(ps, '(');
    if (has_parens && !accept(ps, ')')) {
        do {
            skip_blanks(ps);
            if (n == ARGS_MAX)
                return surprise(ps, "fewer arguments");
            r = parse(ps, POWER_ALL, &a[n++]);
        } while (r == 0 && accept(ps, ','));
        if (r == 0)
            r = expect(ps, ')', "',' or ')'");
    }
    if (r < 0)
        return r;
    if (has_parens)
        ret->to = offset(ps, ps->at);
    r = expr_function_check(&ps->complaint, f, ret, a, n);
    if (r < 0)
        return r;
    ret->type = f->result;
    expr_emit(ps->e, EXPR_CALL, (size_t)(f - expr_functions), n, ret);
    return 0;
}

// if(condition, a, b), from the parenthesis on.
static int parse_if(struct parser *ps, struct expr_item *ret)
{
    struct expr_item condition, a, b;
    enum expr_type ignored;

    int r = expect(ps, '(', "'('");
    if (r == 0)
        r = parse(ps, POWER_ALL, &condition);
    if (r == 0)
        r = expr_check_unary(&ps->complaint, EXPR_NOT, &condition, &ignored);
    if (r == 0)
        r = expect(ps, ',', "','");
    if (r < 0)
        return r;
    size_t unless = expr_emit(ps->e, EXPR_UNLESS, 0, 0, &condition);
    r = parse(ps, POWER_ALL, &a);
    if (r == 0)
        r = expect(ps, ',', "','");
    if (r < 0)
        return r;
    size_t jump = expr_emit(ps->e, EXPR_JUMP, 0, 0, &a);
    ps->e->code[unless].arg = (uint32_t)ps->e->n_code;
    ps->e->height--; // the other branch has the same place on the stack
    r = parse(ps, POWER_ALL, &b);
    if (r == 0)
        r = expect(ps, ')', "')'");
    if (r < 0)
        return r;
    ps->e->code[jump].arg = (uint32_t)ps->e->n_code;
    ret->type = a.type == b.type ? a.type : EXPR_ANY;
    ret->to = offset(ps, ps->at);
    return 0;
}

// cast(x, type), from the parenthesis on.
static int parse_cast(struct parser *ps, struct expr_item *ret)
{
    struct expr_item a;

    int r = expect(ps, '(', "'('");
    if (r == 0)
        r = parse(ps, POWER_ALL, &a);
    if (r == 0)
        r = expect(ps, ',', "','");
    if (r < 0)
        return r;
    skip_blanks(ps);
    size_t len = word_len(ps, ps->at);
    const struct expr_function *f = expr_function_find("cast", ps->at, len);
    if (f == NULL)
        return surprise(ps, "a type: int, long, double, decimal, string or bool");
    ps->at += len;
    r = expect(ps, ')', "')'");
    if (r < 0)
        return r;
    ret->to = offset(ps, ps->at);
    ret->type = f->result;
    r = expr_function_check(&ps->complaint, f, ret, &a, 1);
    if (r == 0)
        expr_emit(ps->e, EXPR_CALL, (size_t)(f - expr_functions), 1, ret);
    return r;
}

static int parse_comparison_name(struct parser *ps, struct expr_item *ret)
{
    static const char *const names[] = {"CurrentCulture",   "CurrentCultureIgnoreCase",
                                        "InvariantCulture", "InvariantCultureIgnoreCase",
                                        "Ordinal",          "OrdinalIgnoreCase"};
    size_t len = word_len(ps, ps->at);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (text_is(ps->at, len, names[i])) {
            ps->at += len;
            ret->type = EXPR_COMPARISON;
            ret->b = i % 2 == 1;
            ret->to = offset(ps, ps->at);
            expr_emit_const(ps->e, ret);
            return 0;
        }
    return surprise(ps, "Ordinal or OrdinalIgnoreCase");
}

// A function by its name, or of a class: Max(1, 2), Math.Max(1, 2).
static int parse_function(struct parser *ps, size_t len, struct expr_item *ret)
{
    const char *name = ps->at, *space = "Math";
    static const char *const spaces[] = {"Math", "String", "Convert"};
    struct expr_item args[ARGS_MAX];

    if (name + len < ps->end && name[len] == '.') {
        const char *behind = name + len + 1;
        if (text_is(name, len, "StringComparison")) {
            ps->at = behind;
            return parse_comparison_name(ps, ret);
        }
        for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
            if (text_is(name, len, spaces[i])) {
                space = spaces[i];
                name = behind;
            }
        len = name == behind ? word_len(ps, name) : len;
    }
    const struct expr_function *f = expr_function_find(space, name, len);
    if (f == NULL)
        return script_fail(ps->p, ps->at, "found %.*s, expected a value: texts need quotes",
                           (int)(len > WORD_MAX ? WORD_MAX : len), name);
    ps->at = name + len;
    if (!next_is(ps, '('))
        return surprise(ps, "'('");
    return parse_call(ps, f, args, 0, ret);
}

static int parse_word(struct parser *ps, struct expr_item *ret)
{
    size_t len = word_len(ps, ps->at);
    const char *word = ps->at;
    bool is_true = text_is(word, len, "true");

    if (is_true || text_is(word, len, "false") || text_is(word, len, "null")) {
        expr_set_bool(ret, is_true);
        if (text_is(word, len, "null"))
            ret->type = EXPR_NULL;
        ps->at += len;
        ret->to = offset(ps, ps->at);
        expr_emit_const(ps->e, ret);
        return 0;
    }
    if (text_is(word, len, "if") || text_is(word, len, "cast")) {
        ps->at += len;
        return text_is(word, len, "if") ? parse_if(ps, ret) : parse_cast(ps, ret);
    }
    return parse_function(ps, len, ret);
}

static int parse_unary(struct parser *ps, enum expr_op op, size_t len, struct expr_item *ret)
{
    struct expr_item a;

    ps->at += len;
    int r = parse(ps, op == EXPR_NOT ? POWER_COMPARISON : POWER_UNARY, &a);
    if (r == 0)
        r = expr_check_unary(&ps->complaint, op, &a, &ret->type);
    if (r < 0)
        return r;
    ret->to = a.to;
    expr_emit(ps->e, op, 0, 0, ret);
    return 0;
}

static int parse_value(struct parser *ps, struct expr_item *ret)
{
    size_t len = word_len(ps, ps->at);
    char c = ps->at < ps->end ? *ps->at : '\0';

    if (c == '!' || text_is(ps->at, len, "not"))
        return parse_unary(ps, EXPR_NOT, c == '!' ? 1 : len, ret);
    if (c == '-')
        return parse_unary(ps, EXPR_NEGATE, 1, ret);
    if (len > 0)
        return parse_word(ps, ret);
    if (is_digit(c) || (c == '.' && ps->at + 1 < ps->end && is_digit(ps->at[1])))
        return parse_number(ps, ret);
    if (c == '"' || c == '\'')
        return parse_quoted(ps, ret);
    if (ps->p->has_placeholders && tmpl_begins(ps->at, ps->end))
        return parse_placeholders(ps, ret);
    if (!accept(ps, '('))
        return surprise(ps, "a value");
    int r = parse(ps, POWER_ALL, ret);
    return r < 0 ? r : expect(ps, ')', "')'");
}

static int parse_member(struct parser *ps, struct expr_item *ret)
{
    size_t len = word_len(ps, ps->at);
    const struct expr_function *f = expr_function_find("", ps->at, len);
    struct expr_item args[ARGS_MAX] = {*ret};

    if (f == NULL)
        return script_fail(ps->p, ps->at, "found .%.*s, expected a member of texts",
                           (int)(len > WORD_MAX ? WORD_MAX : len), ps->at);
    ps->at += len;
    return parse_call(ps, f, args, 1, ret);
}

// A value with its members.
static int parse_operand(struct parser *ps, struct expr_item *ret)
{
    skip_blanks(ps);
    *ret = (struct expr_item){.from = offset(ps, ps->at), .to = offset(ps, ps->at)};
    if (ps->depth == EXPR_DEPTH_MAX)
        return script_fail(ps->p, ps->at, "found more than %d levels", EXPR_DEPTH_MAX);
    ps->depth++;
    int r = parse_value(ps, ret);
    while (r == 0 && ps->at + 1 < ps->end && *ps->at == '.' && is_letter(ps->at[1])) {
        ps->at++;
        r = parse_member(ps, ret);
    }
    ps->depth--;
    return r;
}

static const struct infix *next_infix(struct parser *ps, size_t *ret_len)
{
    skip_blanks(ps);
    size_t len = word_len(ps, ps->at), left = (size_t)(ps->end - ps->at);

    for (size_t i = 0; i < sizeof infixes / sizeof *infixes; i++) {
        const char *text = infixes[i].text;
        size_t text_len = strlen(text);
        if (len > 0 ? !text_is(ps->at, len, text)
                    : left < text_len || memcmp(text, ps->at, text_len) != 0)
            continue;
        *ret_len = text_len;
        return &infixes[i];
    }
    return NULL;
}

static int parse_right(struct parser *ps, const struct infix *infix, struct expr_item *left)
{
    bool is_lazy = infix->op == EXPR_AND || infix->op == EXPR_OR;
    // To the right of "^" another one may follow.
    enum power least = infix->op == EXPR_POWER ? infix->power : infix->power + 1;
    size_t jump = is_lazy ? expr_emit(ps->e, infix->op, 0, 0, left) : 0;
    struct expr_item right;
    enum expr_type type;

    if (ps->depth == EXPR_DEPTH_MAX)
        return script_fail(ps->p, ps->at, "found more than %d levels", EXPR_DEPTH_MAX);
    // Only these nest without end; the others come one within another at most as powers go up.
    ps->depth += infix->op == EXPR_POWER;
    int r = parse(ps, least, &right);
    ps->depth -= infix->op == EXPR_POWER;
    if (r == 0)
        r = expr_check_binary(&ps->complaint, infix->op, left, &right, &type);
    if (r < 0)
        return r;
    left->type = type;
    if (is_lazy) {
        expr_emit(ps->e, EXPR_CHECK, 0, 0, &right);
        ps->e->code[jump].arg = (uint32_t)ps->e->n_code;
    }
    left->to = right.to;
    if (!is_lazy)
        expr_emit(ps->e, infix->op, 0, 0, left);
    return 0;
}

static int parse(struct parser *ps, enum power least, struct expr_item *ret)
{
    const struct infix *infix;
    size_t len;

    int r = parse_operand(ps, ret);
    while (r == 0 && (infix = next_infix(ps, &len)) != NULL && infix->power >= least) {
        ps->at += len;
        r = parse_right(ps, infix, ret);
    }
    return r;
}

static int parse_all(struct parser *ps, struct expr_item *ret_whole)
{
    *ret_whole = (struct expr_item){.type = EXPR_BOOL};
    if (ps->at == ps->end) {
        expr_emit_const(ps->e, ret_whole);
        return 0;
    }
    int r = parse(ps, POWER_ALL, ret_whole);
    if (r < 0)
        return r;
    skip_blanks(ps);
    return ps->at == ps->end ? 0 : surprise(ps, "an operator");
}

// The text may hold NULs.
static char *copy(const char *text, const char *end)
{
    struct buf b = {0};

    buf_append(&b, text, (size_t)(end - text));
    return buf_take(&b);
}

int expr_compile_any(struct script_parse *p, const char *text, size_t len,
                     struct expr_item *ret_whole, struct expr **ret_expr)
{
    const char *end = text + len;

    if (len > EXPR_BYTES_MAX)
        return script_fail(p, text, "found an expression of %zu bytes, expected at most %d", len,
                           EXPR_BYTES_MAX);
    text_trim(&text, &end);
    struct expr *e = xcalloc(1, sizeof *e);
    struct parser ps = {.p = p, .begin = text, .at = text, .end = end, .e = e};
    e->source = copy(text, end);
    ps.complaint =
        (struct expr_complaint){.source = text, .at = (size_t)(text - p->begin), .error = p->error};
    int r = parse_all(&ps, ret_whole);
    if (r < 0) {
        expr_free(e);
        return r;
    }
    *ret_expr = e;
    return 0;
}

int expr_compile_part(struct script_parse *p, const char *text, size_t len, struct expr **ret_expr)
{
    const char *begin = text, *end = text + len;
    struct expr_item whole;
    struct expr *e;

    int r = expr_compile_any(p, text, len, &whole, &e);
    if (r < 0)
        return r;
    text_trim(&begin, &end);
    struct expr_complaint c = {
        .source = begin, .at = (size_t)(begin - p->begin), .error = p->error};
    if (whole.type != EXPR_ANY && whole.type != EXPR_BOOL) {
        expr_free(e);
        return expr_mismatch(&c, &whole, "true or false");
    }
    *ret_expr = e;
    return 0;
}
