// What went wrong on the way, from all threads, told once each.
#pragma once

#include <stddef.h>

#include "worker/runner/loop.h"

#define WARNINGS_MAX 100 // different ones of a run; further ones are only counted

struct warnings;

// tell: on the main thread, with a text that is borrowed.
struct warnings *warnings_new(struct loop *main, void (*tell)(const char *text, void *arg),
                              void *arg);
// After all threads have ended.
void warnings_free(struct warnings *w);
// Any thread; may be called as often as something goes wrong.
void warnings_add(void *w, const char *text);
// What was not told: "3 more warnings, and 812 that were told before"; NULL: nothing. The caller
// frees.
char *warnings_rest(struct warnings *w);
