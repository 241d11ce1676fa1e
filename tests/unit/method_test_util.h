// A client in front of templates: what they give, warn of and store.
#pragma once

#include "common/script/method.h"

#define WORLD_FILES_MAX   16
#define WORLD_NOW_UNIX_MS 1700000000123 // 2023-11-14T22:13:20.123Z

struct world_file {
    bool is_env;
    const char *name, *text; // borrowed
    size_t len;
};

struct world {
    struct script_env env; // free to change
    struct scope session;
    struct script_random random;
    struct buf out;      // of the last rendering
    struct buf warnings; // since then, a line each
    size_t n_warnings;
    struct world_file files[WORLD_FILES_MAX];
    size_t n_files;
};

// For cmocka: *state is a struct world.
int world_setup(void **state);
int world_teardown(void **state);
#define world_test(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

// A variable of the session.
void world_put(struct world *w, const char *name, enum value_type type, const char *text);
// What env.read finds.
void world_file(struct world *w, bool is_env, const char *name, const char *text, size_t len);
// Renders, whatever comes, into w->out and w->warnings; the text, until the next.
const char *world_render(struct world *w, const char *template);

// The template gives this, without a warning.
void gives(struct world *w, const char *template, const char *expected);
// It gives this and one warning that contains part.
void warns(struct world *w, const char *template, const char *expected, const char *part);
// It does not compile, and the error contains part.
void is_refused(const char *template, const char *part);
// The session (globals, where is_global) has this variable, and not the other of the two.
void is_stored(struct world *w, bool is_global, const char *name, enum value_type type,
               const char *text);
