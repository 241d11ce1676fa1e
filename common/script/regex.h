// Regular expressions (pcre2, UTF-8) with bounded work. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define REGEX_STEPS_MAX 1000000 // of matching, and as much in depth
#define REGEX_BYTES_MAX 4096

struct regex;

// 0, or -EINVAL and into why (of size): what is wrong, and at which character. .NET's (?<name>...)
// and the rest of what both know; options by (?i).
int regex_compile(const char *text, char *why, size_t size, struct regex **ret_regex);
void regex_free(struct regex *r); // NULL is fine
// The first match in text: 0 with where it is; -ENOENT: none; -E2BIG: too much work. Any thread.
int regex_find(const struct regex *r, const char *text, size_t len, size_t *ret_at,
               size_t *ret_len);
