// Texts of the test language: letter case, lists, characters. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/str.h"

// Of ASCII.
static inline bool text_is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void text_trim(const char **begin, const char **end);
// Whether the text is this word, letter case aside.
bool text_is(const char *text, size_t len, const char *word);
// Writes a Unicode scalar value as UTF-8 (RFC 3629); its length.
size_t text_put_char(char out[4], uint32_t c);
// Appends it.
void text_append_char(struct buf *out, uint32_t c);
// Appends the text with each letter of the Latin, Greek, Cyrillic and Armenian alphabets in upper
// (or lower) case, one for one whatever the language; all else stays, also what is no UTF-8. A NUL
// is behind it.
void text_append_case(struct buf *out, const char *text, size_t len, bool is_upper);
// Drops one layer of double quotes.
void text_unquote(const char **text, size_t *len);

// What is left of a list.
struct text_list {
    const char *at, *end; // at NULL: nothing
};

// Of "[a, b]" what is between the brackets; false: it is none, and the whole text is a list then.
bool text_list_open(struct text_list *list, const char *text, size_t len);
// The next item, up to a comma: "a", "b, c" of a, "b, c". Blanks around it are dropped, and then a
// layer of double quotes. false: there is none.
bool text_list_next(struct text_list *list, const char **ret_item, size_t *ret_len);
