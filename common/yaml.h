// YAML text as JSON values, with the place of each. libyaml. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "common/diag.h"

#define YAML_DEPTH_MAX   64
#define YAML_NODES_MAX   1000000 // after aliases are followed
#define YAML_ANCHORS_MAX 1000

struct places; // of values and keys, by JSON pointer

// One document: mappings with text keys, lists, scalars. Plain scalars that read as a JSON number,
// true, false (also True, TRUE) or null (also Null, NULL, ~, nothing) are those; quoted ones and
// all others (yes, 012, 0x1F, .5) are texts. Anchors, aliases and merge keys (<<) are followed. A
// duplicate key, a second document, a tag other than !!str, !!int, !!float, !!bool, !!null, !!map
// and !!seq, a number beyond 64 bits, a NUL is an error. A UTF-8 byte order mark is skipped. An
// empty text is null. 0 with a new reference and places, or -EINVAL and one entry in d.
int yaml_parse(const char *text, size_t len, struct diag *d, json_t **ret_json,
               struct places **ret_places);
// As jtext_locate: of the value, or its key. What came by an alias is where its anchor is. 0 or
// -ENOENT.
int places_locate(const struct places *p, const char *pointer, bool key, int *ret_line,
                  int *ret_column);
// A plain number, boolean or null as it stands in the text: "1.10", "TRUE", "~". NULL: nothing
// there, or no such value.
const char *places_text(const struct places *p, const char *pointer);
void places_free(struct places *p); // NULL is fine
// JSON values as YAML text: block style, keys in the order of the value, texts quoted where they
// would read as something else (to YAML 1.1, too), several lines as literal blocks; parses back to
// an equal value where no text holds a NUL. The caller frees.
char *yaml_format(const json_t *json);
