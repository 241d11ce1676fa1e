// What is wrong with an input, where, and what was expected: all of it, not only the first. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define DIAG_MAX 100 // entries kept; further ones are only counted

struct diag_entry {
    int line, column; // from 1; 0: no place
    char *text;       // "found X, expected Y", no newline
};

// Zero-initialise with the file's name, or NULL for a command line; then diag_done.
struct diag {
    const char *file; // borrowed
    struct diag_entry entry[DIAG_MAX];
    size_t n; // all that were added, may exceed DIAG_MAX
};

// Always returns -EINVAL, so that a check can "return diag_add(...)".
int diag_add(struct diag *d, int line, int column, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
// One line an entry, "file:line:column: text", each ended by a newline; the caller frees.
char *diag_format(const struct diag *d);
void diag_done(struct diag *d);
