// What a template, a method or an expression meets when it is worked out. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/script/scope.h"

#define SCRIPT_WARNING_MAX 500 // bytes of one warning; what is longer is cut

// A generator of its own for each virtual user, so that a run with the same seed sends the same
// (xoshiro256**, seeded by splitmix64: prng.di.unimi.it).
struct script_random {
    uint64_t s[4];
};

void script_random_seed(struct script_random *r, uint64_t seed, uint64_t stream);
uint64_t script_random_next(struct script_random *r);
// Uniform over min..max, both included; min <= max.
int64_t script_random_between(struct script_random *r, int64_t min, int64_t max);

struct script_env {
    struct scope *session;   // NULL: there is none, and what would go there goes to globals
    struct globals *globals; // not NULL
    struct script_random *random;
    int64_t unix_ms;        // now
    uint32_t part, n_parts; // of the cluster, for unique counters; 0 of 1 when alone
    // The content of a file or environment variable that came with the plan; NULL: none such.
    const char *(*read)(void *arg, bool is_env, const char *name, size_t *ret_len);
    // Once for each thing that went wrong on the way; text is borrowed. May be called often:
    // whoever listens keeps a bound.
    void (*warn)(void *arg, const char *text);
    void *arg;
    unsigned depth; // of templates being rendered within templates; 0 at first
};

void script_warn(struct script_env *env, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
// The variable of this name, session first: borrowed for the session's, else copied into *keep (the
// caller's, value_done). NULL: none.
struct value *script_variable(struct script_env *env, const char *name, struct value *keep);
// Takes what v holds. is_global, or no session: for the process.
void script_store(struct script_env *env, const char *name, bool is_global, struct value *v);
