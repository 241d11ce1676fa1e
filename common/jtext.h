// JSON text in and out: jansson, with places in the text for what is wrong. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "common/diag.h"

#define JTEXT_DEPTH_MAX  64
#define JTEXT_QUOTE_SIZE 256 // holds any quote

// Strict JSON: no byte order mark, comment, duplicate key or trailing text; at most JTEXT_DEPTH_MAX
// levels. Any value may be the root. 0 with a new reference in *ret_json, or -EINVAL with one entry
// in d.
int jtext_parse(const char *text, size_t len, struct diag *d, json_t **ret_json);
// Where the value of a JSON pointer (RFC 6901) such as "/Cluster/GRPCPort" begins; its key when key
// is true. Text that jtext_parse accepted. 0 or -ENOENT.
int jtext_locate(const char *text, size_t len, const char *pointer, bool key, int *ret_line,
                 int *ret_column);
// Whether the first segment of a JSON pointer is this name; then *ret_rest is what follows it.
bool jtext_segment_is(const char *pointer, const char *name, size_t len, const char **ret_rest);
// Whether the text is a number of JSON (RFC 8259 section 6), and then one without decimals and
// exponent.
bool jtext_is_number(const char *text, size_t len, bool *ret_whole);
// A value as messages quote it: 70000, true, "abc" (its first 40 bytes), an object; into out,
// returns out.
char *jtext_quote(const json_t *json, char *out, size_t size);
// Compact or indented (2) text, keys sorted; the caller frees.
char *jtext_format(const json_t *json, bool indented);
