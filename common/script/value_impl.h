// What the parts of value share. PURE.
#pragma once

#include <stdatomic.h>

#include <jansson.h>

#include "common/script/value.h"

struct value_tree; // what the text is, parsed; does not change any more

struct value_head {
    unsigned status;
    char *reason;
    char **fields; // name and value in turn
    size_t n_fields;
    const struct regex *regex; // of what paths into the body give; NULL: none
};

struct value_shared {
    atomic_uint n_refs;
    _Atomic(struct value_tree *) tree; // NULL: no path needed it yet
    atomic_uint n_scans;               // times that a path did without
    struct value_head *head;           // NULL: no response
    char text[];
};

// Parses the text as its type; false: it is none.
bool value_is_parsed(const struct value *v, enum value_type type);
void value_tree_free(struct value_tree *tree); // NULL is fine
// Appends what the path finds in a JSON, XML or CSV, arithmetic in brackets already worked out. As
// value_append.
int value_find(const struct value *v, enum value_type type, const char *path, struct buf *out,
               char *why, size_t size);
// Where a path of names and indexes leads to in a JSON text with a NUL behind it, which takes a
// fraction of parsing it. 0, -ENOENT, or -EAGAIN: the path or the text is not that simple.
int value_scan(const char *text, size_t len, const char *path, const char **ret_at,
               size_t *ret_len);

// A whole number of 64 bits as value_parse_double takes it; 2.0 is whole. 0 or -EINVAL.
int value_parse_int(const char *text, size_t len, int64_t *ret_n);
// The spelling of a decimal: 28 digits, fractions beyond rounded half to even. 0 or -EINVAL.
#define VALUE_DECIMAL_DIGITS 28
#define VALUE_DECIMAL_SIZE   40
int value_format_decimal(const char *text, size_t len, char out[VALUE_DECIMAL_SIZE]);
char *value_format_float(float x, char out[VALUE_DOUBLE_SIZE]);
// Any value, with numbers that jansson cannot hold as strings of their digits. NULL and *ret_error:
// it is no JSON.
json_t *value_load_json(const char *text, size_t len, json_error_t *ret_error);
