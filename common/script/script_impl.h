// What templates, calls and expressions share. PURE.
#pragma once

#include "common/script/env.h"
#include "common/script/expr.h"
#include "common/script/method.h"
#include "common/script/text.h"
#include "common/script/tmpl.h"

// One text while it is compiled; what is within it is compiled in place, so that errors say where
// they are in the whole.
struct script_parse {
    const char *begin;
    struct tmpl_error *error;
    unsigned depth;
    bool has_placeholders; // false: "$" means nothing
};

// -EINVAL, and where and what into p->error.
int script_fail(const struct script_parse *p, const char *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// Whether "$" at p begins a placeholder.
bool tmpl_begins(const char *p, const char *end);
// Where the placeholder at p ends.
int tmpl_skip(const struct script_parse *p, const char *at, const char *end, const char **ret_end);
enum tmpl_quoting {
    TMPL_PLAIN = 0,
    TMPL_QUOTED, // blanks stay, backslashes escape
};
int tmpl_compile_part(struct script_parse *p, const char *text, size_t len,
                      enum tmpl_quoting quoting, struct tmpl **ret_tmpl);

int expr_compile_part(struct script_parse *p, const char *text, size_t len, struct expr **ret_expr);

// The method of this name with these arguments, the text between the parentheses.
int call_compile(struct script_parse *p, const char *name, size_t name_len, const char *args,
                 size_t len, struct call **ret_call);
void call_free(struct call *call); // NULL is fine
// A result that is to be stored gets the type that a parameter `as` gives.
void call_retype(const struct call *call, struct script_env *env, struct value *v);
void call_fold(struct call *call, struct scope *constants);
void call_each_name(const struct call *call,
                    void (*fn)(void *arg, const char *name, bool is_store, bool is_global),
                    void *arg);
void call_each_source(const struct call *call, void (*fn)(void *arg, bool is_env, const char *name),
                      void *arg);
void call_each_call(const struct call *call, void (*fn)(void *arg, const struct call *call),
                    void *arg);
// A number, or arithmetic; halves go to the even side. 0 or -EINVAL.
int call_read_int(const char *text, size_t len, int64_t *ret_n);
int call_read_number(const char *text, size_t len, double *ret_x);
