// Texts with placeholders: $name, ${name.path}, ${outer${inner}}, $method(key=value, ...), $$.
// Compiled once, rendered per request. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/script/env.h"
#include "common/str.h"

#define TMPL_BYTES_MAX    (256 * 1024)
#define TMPL_DEPTH_MAX    10                 // placeholders within placeholders
#define TMPL_RENDERED_MAX (16 * 1024 * 1024) // of what one rendering appends

// Where and what a text is wrong.
struct tmpl_error {
    size_t at; // byte, from 0
    char text[200];
};

struct tmpl;

// Leading and trailing blanks of the whole text are dropped where it has a placeholder. 0, or
// -EINVAL and *ret_error: an unmatched brace or parenthesis, an unknown parameter of a method, a
// missing one, a literal argument that is no number, boolean or expression where one is due. An
// unknown method is an error too, with the nearest name.
int tmpl_compile(const char *text, size_t len, struct tmpl **ret_tmpl,
                 struct tmpl_error *ret_error);
void tmpl_free(struct tmpl *t); // NULL is fine

// Whether it is the same text each time; tmpl_text is that text.
bool tmpl_is_constant(const struct tmpl *t);
const char *tmpl_text(const struct tmpl *t, size_t *ret_len);
// References to these variables become their text, and what is constant then is folded.
void tmpl_fold(struct tmpl *t, struct scope *constants);

// Appends. Any number of threads at once. Unknown variables stay as "${name.path}" with a warning;
// a path that finds nothing is empty with a warning. What was substituted is not looked at again.
// Beyond the limits the rest is left out, with a warning.
void tmpl_render(const struct tmpl *t, struct script_env *env, struct buf *out);

// Calls fn for each name of a variable that it reads or that a method in it stores to (is_store;
// is_global as given there, false where that is not a literal). name NULL: one that is known only
// when it is rendered.
void tmpl_each_name(const struct tmpl *t,
                    void (*fn)(void *arg, const char *name, bool is_store, bool is_global),
                    void *arg);
// Calls fn for each literal file (or environment variable) that a method in it reads.
void tmpl_each_source(const struct tmpl *t, void (*fn)(void *arg, bool is_env, const char *name),
                      void *arg);
// Calls fn for each call of a method, also those within arguments.
struct call;
void tmpl_each_call(const struct tmpl *t, void (*fn)(void *arg, const struct call *call),
                    void *arg);
// Whether text has a placeholder at all ("$$" is none).
bool tmpl_is_needed(const char *text, size_t len);
// The bytes of the placeholder that text begins with: all of them where its end is missing; 0: it
// begins with none.
size_t tmpl_placeholder(const char *text, size_t len);
