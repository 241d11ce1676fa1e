// Values of the test language: a type, a text, and what paths into the text need. PURE.
//
// A value belongs to one thread; what its copies share may be with any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/str.h"

// Of one text: what is longer is cut, and who sets it warns.
#define VALUE_BYTES_MAX        (16 * 1024 * 1024)
#define VALUE_NUMBER_BYTES_MAX 512     // of the text of a number
#define VALUE_DEPTH_MAX        100     // of parentheses in arithmetic
#define VALUE_XPATH_STEPS_MAX  1000000 // of one evaluation

enum value_type {
    VALUE_UNDEFINED = 0,
    VALUE_STRING,
    VALUE_JSON,
    VALUE_XML,
    VALUE_CSV,
    VALUE_INT,     // 32 bits, signed
    VALUE_FLOAT,   // IEEE 754 single
    VALUE_DOUBLE,  // IEEE 754 double
    VALUE_DECIMAL, // up to 28 digits
    VALUE_BOOL,
    VALUE_RESPONSE, // text is the body, of body_type
    VALUE__COUNT,
};

struct regex;
struct value_shared; // the text, what was parsed of it, the head of a response

// Zero-initialise, then value_done.
struct value {
    enum value_type type;
    enum value_type body_type; // RESPONSE: STRING, JSON, XML or CSV
    bool is_quoted;            // a template gets it in double quotes (the Q types)
    const char *text; // NULL when UNDEFINED; else NUL-terminated, may hold NULs; numbers in their
                      // one spelling
    size_t len;
    struct value_shared *shared; // with its copies; counted
};

// One of the names that `as` takes ("string", "QJson", "jsonstring", "integer", "http-response",
// ...), in any case. 0 or -EINVAL.
int value_type_parse(const char *name, enum value_type *ret_type, bool *ret_quoted);
// The first of its names: "String"; "QString" when quoted.
const char *value_type_name(enum value_type type, bool quoted);

// Becomes a text of this type. -EINVAL where it is no such number or boolean, or type is RESPONSE:
// v is unchanged then.
// Numbers take their one spelling: 1,000 -> 1000, 2.50 -> 2.5 as double (shortest that reads back),
// 2.50 as decimal.
int value_set(struct value *v, enum value_type type, bool quoted, const char *text, size_t len);
void value_set_int(struct value *v, int64_t n); // beyond 32 bits: a double, with all its digits
void value_set_double(struct value *v, double x);
void value_set_bool(struct value *v, bool b);
// What a result is taken for where no type is given: an object or array is JSON, then int, double,
// bool, else string. Text with leading zeros stays a string.
void value_infer(struct value *v, const char *text, size_t len);
void value_move(struct value *to, struct value *from); // from is empty then
// Costs a count. Both parse the text once: the first that needs it, on whichever thread.
void value_copy(struct value *to, const struct value *from);
void value_done(struct value *v);

// Appends what a template gets: quotes for Q types, a path's result where path is not "".
// path: ".a.b[0]", "['x']", "[$..]" (JSON), "/a/b[1]" (XML), "[2,0]" (CSV), ".StatusCode",
// ".StatusReason", ".Headers.Name", ".Headers.Name[1]", ".Body" and ".Body" with a path (RESPONSE);
// numeric types ignore it. Arithmetic in brackets ("[1+2]") is worked out first.
// 0; -ENOENT: nothing there, several matches, a row or field out of range; -EINVAL: the path or the
// text cannot be parsed; -ENOTSUP: the type has no such path (STRING has none). Nothing is appended
// then, but "" in quotes for Q types; into why (of size), where not NULL, what is wrong.
int value_append(const struct value *v, const char *path, struct buf *out, char *why, size_t size);

// A response that was captured: body_type STRING, JSON, XML or CSV. fields: name and value in
// turn, n_fields pairs, in the order they came.
void value_set_response(struct value *v, unsigned status, const char *reason,
                        const char *const *fields, size_t n_fields, enum value_type body_type,
                        bool quoted, const char *body, size_t len);
// What a path into the body of a response gives is cut to the first match from now on; where there
// is none, nothing is there. Before v has copies. regex is borrowed until the last of them is gone.
void value_cut_paths(struct value *v, const struct regex *regex);
// The type of a body by its media type: "application/json; charset=utf-8", "text/xml", "text/csv",
// "application/problem+json", "image/svg+xml"; else STRING.
enum value_type value_body_type(const char *media_type);

// Text of digits, blanks and . + - * / ( ) as a number: integer division where both operands are
// whole. *ret_x always, *ret_n where *ret_whole. 0, -EINVAL (no such text, division by zero,
// overflow).
int value_arithmetic(const char *text, size_t len, bool *ret_whole, int64_t *ret_n, double *ret_x);
// A double as text: shortest that reads back, no exponent for 1e-5 <= |x| < 1e15, "." whatever the
// locale; whole ones without decimals. Into out, returns out.
#define VALUE_DOUBLE_SIZE 32
char *value_format_double(double x, char out[VALUE_DOUBLE_SIZE]);
// A number as people write it: blanks around, sign, thousands separators (","), decimals, exponent.
// 0 or -EINVAL.
int value_parse_double(const char *text, size_t len, double *ret_x);
