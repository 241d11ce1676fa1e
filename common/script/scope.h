// Variables: those of a virtual user, which its thread owns, and those of the whole process, which
// threads share under a lock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/script/value.h"

#define SCOPE_VARIABLES_MAX 1000 // of one scope; of a name beyond nothing is kept, with a warning
#define SCOPE_COUNTERS_MAX  1000 // of one scope; one beyond is always at its start

// Zero-initialise, then scope_done.
struct scope {
    struct scope_entry *entries; // sorted by nothing: few
    size_t n, cap;
    struct scope_counter_entry *counters;
    size_t n_counters, counters_cap;
};

// NULL: none. Valid until the scope changes. Names are case-sensitive.
struct value *scope_find(struct scope *s, const char *name);
// Takes what v holds; false: the scope is full, and v is empty either way.
bool scope_put(struct scope *s, const char *name, struct value *v);
void scope_done(struct scope *s);

// How a counter goes on; identity is (start, reset, name). step is that of each call.
struct scope_counter {
    int64_t start, reset, step;
    const char *name;
};

// The next value: start at first, then step by step; past reset (above it for a positive step, else
// below) start again.
int64_t scope_count(struct scope *s, const struct scope_counter *counter);

struct globals;

struct globals *globals_new(void);
void globals_free(struct globals *g); // NULL is fine
// Any thread. A copy; false: none.
bool globals_get(struct globals *g, const char *name, struct value *ret_value);
// Any thread. As scope_put.
bool globals_put(struct globals *g, const char *name, struct value *v);
// Any thread. Values that part i of n (0 <= i < n) takes of a counter which all parts share without
// talking: the k-th of all is start + k * step, and part i has those with k mod n = i.
int64_t globals_count(struct globals *g, const struct scope_counter *counter, uint32_t part,
                      uint32_t n_parts);
