// Templates with a table of methods that stands for the real one, in a session with the variables
// of the worked examples.
#pragma once

#include <stddef.h>

#include "common/script/method.h"

extern struct world {
    struct scope session;
    struct script_env env;
    struct buf said; // warnings, a line each
    int n_said;
} world;

int set_up(void **state);
int tear_down(void **state);
#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

// A variable of s; NULL: of globals.
void define(struct scope *s, const char *name, enum value_type type, bool is_quoted,
            const char *text);
struct tmpl *compile(const char *text);

void renders_tmpl(const struct tmpl *t, const char *text, const char *want);
void renders_with(const char *text, const char *want, int n_warnings);
void renders(const char *text, const char *want); // without a warning
void warned(const char *want);                    // the last warning
void refuses_bytes(const char *text, size_t len, size_t at, const char *want);
void refuses(const char *text, size_t at, const char *want);
