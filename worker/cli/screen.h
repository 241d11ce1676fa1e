// Everything lps writes: progress, notices and errors on stderr, the result on stdout. Main thread.
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "common/diag.h"
#include "worker/cli/progress.h"

struct screen {
    struct progress progress;
    bool json; // the result as a document
};

// Looks at the terminal, NO_COLOR and TERM.
void screen_init(struct screen *s, bool quiet, bool json);
void screen_done(struct screen *s);

void screen_state(struct screen *s, const char *text);
void screen_numbers(struct screen *s, const struct progress_numbers *n);
// "lps: text", as a line of its own.
void screen_notice(struct screen *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// result and node as in result_format; without result that of node alone, and says so; NULL both:
// nothing.
void screen_result(struct screen *s, const json_t *result, const json_t *node);

// Without a screen: one line "lps: text"; and one line an entry, of a warning with that word.
void screen_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void screen_diag(const struct diag *d);
void screen_warnings(const struct diag *d);
// To stdout; a failure (a full disk) is said on stderr.
void screen_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
