#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/script/expr_impl.h"

#define QUOTE_MAX 60 // bytes of an operand, in a message

static const char *const type_names[] = {
    [EXPR_ANY] = "not known",
    [EXPR_NULL] = "null",
    [EXPR_BOOL] = "true or false",
    [EXPR_INT] = "a number",
    [EXPR_DOUBLE] = "a number",
    [EXPR_TEXT] = "a text",
    [EXPR_COMPARISON] = "a StringComparison",
};

bool expr_is_number(enum expr_type type)
{
    return type == EXPR_INT || type == EXPR_DOUBLE;
}

int expr_complain(const struct expr_complaint *c, const struct expr_item *item, const char *fmt,
                  ...)
{
    va_list ap;

    c->error->at = c->at + item->from;
    va_start(ap, fmt);
    vsnprintf(c->error->text, sizeof c->error->text, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

static int quote_len(const struct expr_item *item)
{
    return item->to - item->from > QUOTE_MAX ? QUOTE_MAX : (int)(item->to - item->from);
}

int expr_mismatch(const struct expr_complaint *c, const struct expr_item *item,
                  const char *expected)
{
    return expr_complain(c, item, "found %.*s (%s), expected %s", quote_len(item),
                         c->source + item->from, type_names[item->type], expected);
}

static int check_bool(const struct expr_complaint *c, const struct expr_item *a)
{
    return a->type == EXPR_ANY || a->type == EXPR_BOOL ? 0 : expr_mismatch(c, a, "true or false");
}

int expr_check_unary(const struct expr_complaint *c, enum expr_op op, const struct expr_item *a,
                     enum expr_type *ret_type)
{
    if (op == EXPR_NEGATE && a->type != EXPR_ANY && !expr_is_number(a->type))
        return expr_mismatch(c, a, "a number");
    int r = op == EXPR_NEGATE ? 0 : check_bool(c, a);
    if (r == 0)
        *ret_type = op == EXPR_NEGATE ? a->type : EXPR_BOOL;
    return r;
}

static enum expr_type number_of(enum expr_type a, enum expr_type b)
{
    if (a == EXPR_ANY || b == EXPR_ANY)
        return EXPR_ANY;
    return a == EXPR_DOUBLE || b == EXPR_DOUBLE ? EXPR_DOUBLE : EXPR_INT;
}

static int check_numbers(const struct expr_complaint *c, const struct expr_item *a,
                         const struct expr_item *b)
{
    if (a->type != EXPR_ANY && !expr_is_number(a->type))
        return expr_mismatch(c, a, "a number");
    if (b->type != EXPR_ANY && !expr_is_number(b->type))
        return expr_mismatch(c, b, "a number");
    return 0;
}

// With a text on one side everything else is one too.
static int check_sum(const struct expr_complaint *c, const struct expr_item *a,
                     const struct expr_item *b)
{
    const struct expr_item *comparison = a->type == EXPR_COMPARISON ? a : b;

    if (comparison->type == EXPR_COMPARISON)
        return expr_mismatch(c, comparison, "a number or a text");
    // What is not known yet may be a text.
    bool may_be_text =
        a->type == EXPR_TEXT || b->type == EXPR_TEXT || a->type == EXPR_ANY || b->type == EXPR_ANY;
    return may_be_text ? 0 : check_numbers(c, a, b);
}

static int check_comparison(const struct expr_complaint *c, enum expr_op op,
                            const struct expr_item *a, const struct expr_item *b)
{
    bool is_equality = op == EXPR_EQUAL || op == EXPR_NOT_EQUAL;
    bool is_known = a->type != EXPR_ANY && b->type != EXPR_ANY;

    for (int i = 0; i < 2; i++) {
        const struct expr_item *side = i == 0 ? a : b;
        if (side->type == EXPR_COMPARISON ||
            (!is_equality && (side->type == EXPR_BOOL || side->type == EXPR_NULL)))
            return expr_mismatch(c, side, "a number or a text");
    }
    if (!is_known || (expr_is_number(a->type) && expr_is_number(b->type)) || a->type == b->type ||
        (is_equality && (a->type == EXPR_NULL || b->type == EXPR_NULL)))
        return 0;
    return expr_complain(c, a, "found %.*s (%s) beside %.*s (%s), expected two of a kind",
                         quote_len(a), c->source + a->from, type_names[a->type], quote_len(b),
                         c->source + b->from, type_names[b->type]);
}

int expr_check_binary(const struct expr_complaint *c, enum expr_op op, const struct expr_item *a,
                      const struct expr_item *b, enum expr_type *ret_type)
{
    enum expr_type type = EXPR_BOOL;
    int r;

    switch (op) {
    case EXPR_ADD:
        type =
            a->type == EXPR_TEXT || b->type == EXPR_TEXT ? EXPR_TEXT : number_of(a->type, b->type);
        r = check_sum(c, a, b);
        break;
    case EXPR_SUBTRACT:
    case EXPR_MULTIPLY:
    case EXPR_DIVIDE:
    case EXPR_MODULO:
        type = number_of(a->type, b->type);
        r = check_numbers(c, a, b);
        break;
    case EXPR_POWER:
        type = EXPR_ANY; // of whole numbers 2 ^ 2 is one, and 2 ^ -2 is none
        r = check_numbers(c, a, b);
        break;
    case EXPR_AND:
    case EXPR_OR:
    case EXPR_XOR:
        r = check_bool(c, a);
        if (r == 0)
            r = check_bool(c, b);
        break;
    default:
        r = check_comparison(c, op, a, b);
        break;
    }
    if (r == 0)
        *ret_type = type;
    return r;
}

static bool takes(char kind, enum expr_type type)
{
    switch (kind) {
    case 't':
        return type == EXPR_TEXT;
    case 'n':
        return expr_is_number(type);
    case 'i':
        return type == EXPR_INT;
    case 'c':
        return type == EXPR_COMPARISON;
    default:
        return type != EXPR_COMPARISON;
    }
}

static const char *kind_name(char kind)
{
    switch (kind) {
    case 't':
        return "a text";
    case 'n':
        return "a number";
    case 'i':
        return "a whole number";
    case 'c':
        return "a name such as StringComparison.OrdinalIgnoreCase";
    default:
        return "a value";
    }
}

int expr_function_check(const struct expr_complaint *c, const struct expr_function *f,
                        const struct expr_item *whole, const struct expr_item *a, size_t n)
{
    size_t least = strcspn(f->args, "|"), most = strlen(f->args) - (f->args[least] != '\0');

    if (n < least || n > most) {
        size_t own = *f->space == '\0'; // a member's text is no argument to people
        return expr_complain(c, whole, "found %zu argument%s of %s, expected %zu%s", n - own,
                             n - own == 1 ? "" : "s", f->name, (n < least ? least : most) - own,
                             least == most ? ""
                             : n < least   ? " or more"
                                           : " at most");
    }
    for (size_t i = 0; i < n; i++) {
        char kind = f->args[i < least ? i : i + 1];
        if (a[i].type != EXPR_ANY && !takes(kind, a[i].type))
            return expr_mismatch(c, &a[i], kind_name(kind));
    }
    return 0;
}
