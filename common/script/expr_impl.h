// The compiled form of an expression: code for a stack of typed items. PURE.
#pragma once

#include <stdint.h>

#include "common/script/script_impl.h"

enum expr_type {
    EXPR_ANY = 0, // not known before it is worked out
    EXPR_NULL,
    EXPR_BOOL,
    EXPR_INT,
    EXPR_DOUBLE,
    EXPR_TEXT,
    EXPR_COMPARISON, // a name of .NET's StringComparison
};

struct expr_item {
    enum expr_type type;
    uint32_t from, to; // what of the expression it is, for messages
    bool b;            // COMPARISON: letter case does not matter
    int64_t n;
    double x;
    const char *text;
    size_t len;
};

enum expr_op {
    EXPR_OP_UNDEFINED = 0,
    EXPR_CONST,   // arg: which constant
    EXPR_OPERAND, // arg: which template; typed by its text
    EXPR_QUOTED,  // arg: which template; a text
    EXPR_NOT,
    EXPR_NEGATE,
    EXPR_ADD,
    EXPR_SUBTRACT,
    EXPR_MULTIPLY,
    EXPR_DIVIDE,
    EXPR_MODULO,
    EXPR_POWER,
    EXPR_EQUAL,
    EXPR_NOT_EQUAL,
    EXPR_LESS,
    EXPR_MORE,
    EXPR_AT_MOST,
    EXPR_AT_LEAST,
    EXPR_XOR,
    EXPR_AND,    // arg: where to go on with a left side that decides
    EXPR_OR,     // the same
    EXPR_CHECK,  // the right side of those is true or false
    EXPR_UNLESS, // arg: where to go on when the condition, which it takes, is false
    EXPR_JUMP,
    EXPR_CALL, // arg: which function, of n arguments
};

struct expr_code {
    enum expr_op op;
    uint32_t arg, n;
    uint32_t from, to;
};

struct expr {
    char *source;
    struct expr_code *code;
    size_t n_code, code_cap;
    struct expr_item *consts;
    size_t n_consts, consts_cap;
    struct tmpl **operands;
    size_t n_operands, operands_cap;
    size_t height, height_max; // of the stack
};

// Code goes to the end. Where it stands, for jumps that are known later.
size_t expr_emit(struct expr *e, enum expr_op op, size_t arg, size_t n,
                 const struct expr_item *item);
void expr_emit_const(struct expr *e, const struct expr_item *item);
void expr_emit_operand(struct expr *e, enum expr_op op, struct tmpl *tmpl,
                       const struct expr_item *item); // takes tmpl

// As expr_compile_part, of any type, which goes to *ret_whole.
int expr_compile_any(struct script_parse *p, const char *text, size_t len,
                     struct expr_item *ret_whole, struct expr **ret_expr);

// Who complains: of an expression that is compiled, or worked out.
struct expr_complaint {
    const char *source;
    size_t at; // of source, in the text that errors count in
    struct tmpl_error *error;
};

// -EINVAL: "found <item> (a number), expected ...".
int expr_mismatch(const struct expr_complaint *c, const struct expr_item *item,
                  const char *expected);
int expr_complain(const struct expr_complaint *c, const struct expr_item *item, const char *fmt,
                  ...) __attribute__((format(printf, 3, 4)));
// Whether the operator takes such items (ANY passes), and the type that comes of them, as far as
// known. 0 or -EINVAL.
int expr_check_unary(const struct expr_complaint *c, enum expr_op op, const struct expr_item *a,
                     enum expr_type *ret_type);
int expr_check_binary(const struct expr_complaint *c, enum expr_op op, const struct expr_item *a,
                      const struct expr_item *b, enum expr_type *ret_type);
bool expr_is_number(enum expr_type type);

// One evaluation.
struct expr_run {
    const struct expr *e;
    struct expr_complaint complaint;
    void **made; // texts, freed when it is over
    size_t n_made, made_cap;
    size_t bytes_made;
};

// Room for a text of len bytes and a NUL. 0 or -EINVAL: too much.
int expr_make_text(struct expr_run *run, size_t len, char **ret_text);
// The item as text, as "+" takes it.
int expr_to_text(struct expr_run *run, const struct expr_item *a, struct expr_item *ret);
// A number as people write it without thousands separators, as int where it is whole and has
// neither point nor exponent. 0 or -EINVAL.
int expr_read_number(const char *text, size_t len, struct expr_item *ret);
// Of a number.
double expr_as_double(const struct expr_item *item);
void expr_set_int(struct expr_item *item, int64_t n);
void expr_set_double(struct expr_item *item, double x);
void expr_set_bool(struct expr_item *item, bool b);
void expr_set_text(struct expr_item *item, const char *text, size_t len);
// a op b for arithmetic of numbers.
int expr_calculate(struct expr_run *run, enum expr_op op, const struct expr_item *a,
                   const struct expr_item *b, struct expr_item *ret);

struct expr_function;

// One call of a function; its arguments are as it takes them.
struct expr_invocation {
    struct expr_run *run;
    const struct expr_function *f;
    const struct expr_item *a;
    size_t n;
};

struct expr_function {
    const char *space; // "": a member of a text; "cast"; "Math", which may be left out
    const char *name;
    // A letter for each: t text, n number, i whole number, c comparison, a any; those behind "|"
    // may be left out.
    const char *args;
    enum expr_type result; // ANY: depends
    // Gives all of *ret but the place. 0 or -EINVAL, complained.
    int (*run)(const struct expr_invocation *c, struct expr_item *ret);
    double (*of)(double x); // for run
};

extern const struct expr_function expr_functions[];
extern const size_t expr_n_functions;

// Letter case does not matter. NULL: none.
const struct expr_function *expr_function_find(const char *space, const char *name, size_t len);
int expr_function_check(const struct expr_complaint *c, const struct expr_function *f,
                        const struct expr_item *whole, const struct expr_item *a, size_t n);

int expr_text_to_upper(const struct expr_invocation *c, struct expr_item *ret);
int expr_text_to_lower(const struct expr_invocation *c, struct expr_item *ret);
int expr_text_length(const struct expr_invocation *c, struct expr_item *ret);
int expr_text_trim(const struct expr_invocation *c, struct expr_item *ret);
int expr_text_trim_start(const struct expr_invocation *c, struct expr_item *ret);
int expr_text_trim_end(const struct expr_invocation *c, struct expr_item *ret);
int expr_text_contains(const struct expr_invocation *c, struct expr_item *ret);
int expr_text_starts_with(const struct expr_invocation *c, struct expr_item *ret);
int expr_text_ends_with(const struct expr_invocation *c, struct expr_item *ret);
int expr_text_equals(const struct expr_invocation *c, struct expr_item *ret);
int expr_text_index_of(const struct expr_invocation *c, struct expr_item *ret);
int expr_text_last_index_of(const struct expr_invocation *c, struct expr_item *ret);
int expr_text_substring(const struct expr_invocation *c, struct expr_item *ret);
int expr_text_remove_range(const struct expr_invocation *c, struct expr_item *ret);
int expr_text_insert(const struct expr_invocation *c, struct expr_item *ret);
int expr_text_replace(const struct expr_invocation *c, struct expr_item *ret);
