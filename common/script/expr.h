// Conditions: typed expressions over literals and placeholders, compiled once. PURE.
//
// Grammar, loosest first: or || |, and && &, not !, comparison (= == <> != < > <= >=), xor with or;
// + -, * / %, ^ (right), unary -; literals 1, 2.5, "text", 'c', true, false, null; (x); if(c, a,
// b); cast(x, type); members of texts (.Length, .ToUpper(), .Contains(x), ...); functions (Abs,
// Max, Round, String.IsNullOrEmpty(x), Convert.ToInt32(x), Math.Max(a, b), ...); placeholders as
// operands, and inside quotes. Letter case of words does not matter.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/script/env.h"
#include "common/script/tmpl.h"

#define EXPR_BYTES_MAX (64 * 1024)
#define EXPR_DEPTH_MAX 100
#define EXPR_TEXT_MAX  (16 * 1024 * 1024) // of all that one evaluation substitutes, and all it makes

struct expr;

// Blank text is false. 0, or -EINVAL and *ret_error: what is no expression, or cannot have the
// types it has ("text < 1" of literals).
int expr_compile(const char *text, size_t len, struct expr **ret_expr,
                 struct tmpl_error *ret_error);
void expr_free(struct expr *e); // NULL is fine

// Any number of threads at once. All placeholders are worked out first, from left to right,
// whatever "and" and "or" leave out then. An operand that is a placeholder has the type of its
// text: a number, true, false, a text in quotes; other text is worked out as an expression of its
// own. 0, or -EINVAL and *ret_error: an operand of the wrong type, by name; division by zero;
// overflow.
int expr_eval(const struct expr *e, struct script_env *env, bool *ret_value,
              struct tmpl_error *ret_error);
// The same with what is wrong as a warning, and false.
bool expr_is_true(const struct expr *e, struct script_env *env);
// As tmpl_fold, tmpl_each_name, tmpl_each_source, tmpl_each_call.
void expr_fold(struct expr *e, struct scope *constants);
void expr_each_name(const struct expr *e,
                    void (*fn)(void *arg, const char *name, bool is_store, bool is_global),
                    void *arg);
void expr_each_source(const struct expr *e, void (*fn)(void *arg, bool is_env, const char *name),
                      void *arg);
void expr_each_call(const struct expr *e, void (*fn)(void *arg, const struct call *call),
                    void *arg);
