// Shared by the sources of plan.h: readers of a plan's JSON. PURE.
//
// They add what is wrong to the walk's diag and go on; a value that is wrong stays zero.
#pragma once

#include "common/jcheck.h"
#include "common/plan.h"

#define PLAN_N_OF(array) (sizeof(array) / sizeof(array)[0])

void plan_check_keys(struct jcheck *c, json_t *object, const char *const *known, size_t n_known);
// The member, or NULL with an entry in d.
json_t *plan_require(struct jcheck *c, json_t *object, const char *key);
// Which of two names of one thing the object has; both: an entry in d. key where it has none.
const char *plan_either(struct jcheck *c, json_t *object, const char *key, const char *alias);
bool plan_read_bool(struct jcheck *c, json_t *object, const char *key);

// A member that is one of some words.
struct plan_word {
    const char *text;
    int value; // not 0
};

// dflt where it is absent, 0 where it is wrong. expected is for people.
int plan_read_word(struct jcheck *c, json_t *object, const char *key, const struct plan_word *words,
                   size_t n_words, const char *expected, int dflt);

// Goes into a member that must be an object, where it is there.
void plan_read_member(struct jcheck *c, json_t *object, const char *key,
                      void (*read)(struct jcheck *c, json_t *value, struct plan_iteration *it),
                      struct plan_iteration *it);

// The value of "httpRequest".
void plan_read_request(struct jcheck *c, json_t *request, struct plan_iteration *it);
