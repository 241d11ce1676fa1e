// The methods of templates: one table of names, parameters, defaults and what they do, which also
// is the reference page. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/script/env.h"
#include "common/script/expr.h"
#include "common/script/tmpl.h"

#define METHOD_PARAMS_MAX 12

enum method_kind {
    METHOD_UNDEFINED = 0,
    METHOD_TEXT,
    METHOD_INT, // a number, or an arithmetic expression
    METHOD_NUMBER,
    METHOD_BOOL,
    METHOD_TYPE,  // what `as` takes
    METHOD_EXPR,  // a condition
    METHOD_NAME,  // of a variable that the method stores to
    METHOD_WHERE, // a condition over `item`, which the method works out itself: kept as text
    METHOD_LIST,  // text, commas included: up to the next ", name="
    METHOD_FILE,  // text: a path, read where a parameter "source" is "file" or not given
    METHOD_ENTRY, // text: what to read, of the environment where "source" is "env", else a variable
};

struct method_param {
    const char *name; // NULL ends the list
    enum method_kind kind;
    bool is_required;
    const char *dflt; // for people and for the method; NULL: absent
    const char *doc;  // half a line
};

// One call in a template, compiled.
struct call {
    const struct method *method;
    // By parameter of the method; NULL: not given.
    struct tmpl *arg[METHOD_PARAMS_MAX];
    struct expr *condition[METHOD_PARAMS_MAX]; // of METHOD_EXPR
    // NULL, also where the method has such a parameter itself and does what it says:
    struct tmpl *variable;  // "variable", where the result goes
    struct tmpl *is_global; // "isGlobal"
};

struct method {
    const char *name;           // as documented; letter case does not matter
    const char *const *aliases; // NULL-terminated, or NULL
    const struct method_param *params;
    bool is_positional; // the first argument may come without a name: that of the first parameter
    // What it gives, into *ret_value (empty before); empty where something is wrong, with a
    // warning.
    void (*run)(const struct call *call, struct script_env *env, struct value *ret_value);
    const char *result; // for people: its type
    const char *doc;
};

// Row i of the table, and what it is one of, where not NULL; NULL: past the end.
const struct method *method_at(size_t i, const char **ret_heading);
const struct method *method_find(const char *name, size_t len); // NULL: none
const char *method_nearest(const char *name, size_t len);       // NULL: none is near
// The whole call: runs the method, stores the result where "variable" says so, appends its text.
void call_run(const struct call *call, struct script_env *env, struct buf *out);
void call_done(struct call *call);

// For methods: argument i worked out. The default where it is not given, or is no such thing (with
// a warning); false: there is no default.
bool call_text(const struct call *call, size_t i, struct script_env *env, struct buf *out);
bool call_int(const struct call *call, size_t i, struct script_env *env, int64_t *ret_n);
bool call_number(const struct call *call, size_t i, struct script_env *env, double *ret_x);
bool call_bool(const struct call *call, size_t i, struct script_env *env);
bool call_condition(const struct call *call, size_t i, struct script_env *env);
// The type that `as` gives ("float" and "number" are doubles here); VALUE_UNDEFINED: none was
// given, or one that is to be inferred.
enum value_type call_type(const struct call *call, size_t i, struct script_env *env);
// Text as a value of the type that call_type gave: numbers may be arithmetic, halves of an int go
// to the even side; what does not fit is a string. UNDEFINED: inferred. Text may be in v. call_run
// does it with what goes to the common "variable", so that a result need not mind `as`.
void call_set_as(struct value *v, enum value_type type, const char *text, size_t len);
// The text as the result, cut at VALUE_BYTES_MAX with a warning; text is empty then.
void call_give_text(const struct call *call, struct script_env *env, struct buf *text,
                    struct value *ret_value);
// Stores what v holds, which is empty then, in the variable of this name; one without a name is not
// stored, with a warning, and stays in v.
void call_store(const struct call *call, const struct tmpl *variable, struct script_env *env,
                struct value *v);
bool call_is_global(const struct call *call, struct script_env *env);
