// JSONPath over jansson: what plans use of RFC 9535 and Newtonsoft's SelectTokens. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "common/str.h"

#define JPATH_BYTES_MAX   4096
#define JPATH_DEPTH_MAX   32 // of parentheses and filters
#define JPATH_MATCHES_MAX 100000
#define JPATH_STEPS_MAX   10000000 // nodes visited by one evaluation

struct jpath;

// "$.a.b", ".a['b c'][0]", "a.b", "[-1]", "[1:3]", "[0,2]", "[*]", "..name", "[?(@.id > 1 && @.n ==
// 'b')]",
// "" (the root). In filters: == != < <= > >= of texts, numbers, true, false and null (of paths
// anywhere, "@.tags[*] == 'x'": of any match; nothing there: false), && || ! ( ). 0, or -EINVAL and
// into why (of size) what is wrong and at which character.
int jpath_compile(const char *text, size_t len, char *why, size_t size, struct jpath **ret_path);
void jpath_free(struct jpath *path); // NULL is fine
// Matches in document order, borrowed from root; the caller frees the array. 0, or -E2BIG: a limit.
int jpath_find(const struct jpath *path, json_t *root, json_t ***ret_matches, size_t *ret_n);

// Appends compact JSON: members in their order, reals as short as they read back.
void jpath_append_json(const json_t *node, struct buf *out);
// Appends what a path gives: a text as it is, nothing for null, else the same.
void jpath_append_text(const json_t *node, struct buf *out);
