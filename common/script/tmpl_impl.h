// The compiled form of a template. PURE.
#pragma once

#include "common/script/script_impl.h"

enum tmpl_kind {
    TMPL_UNDEFINED = 0,
    TMPL_LITERAL,
    TMPL_VARIABLE,
    TMPL_INDIRECT,
    TMPL_CALL,
};

struct tmpl_segment {
    enum tmpl_kind kind;
    struct buf literal;
    char *name, *path;  // VARIABLE; path "": none
    struct tmpl *inner; // INDIRECT: gives "name.path"
    struct call *call;
};

// No two literals are neighbours, and none is empty.
struct tmpl {
    struct tmpl_segment *segments;
    size_t n, cap;
};

void tmpl_add_literal(struct tmpl *t, const char *text, size_t len);
// "name.path", copied.
void tmpl_add_variable(struct tmpl *t, const char *text, size_t len);
// An empty one at the end.
struct tmpl_segment *tmpl_add(struct tmpl *t, enum tmpl_kind kind);
