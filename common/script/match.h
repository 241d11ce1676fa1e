// Which of its matches are the result of a search. PURE.
#pragma once

#include <stddef.h>

#include "common/script/method.h"

#define FIND_CANDIDATES_MAX 100000 // of one search; one that has more finds nothing
#define FINDXML_STEPS_MAX   (10 * VALUE_XPATH_STEPS_MAX) // of all XPaths of one search

enum match_kind {
    MATCH_UNDEFINED = 0,
    MATCH_FIRST,
    MATCH_LAST,
    MATCH_INDEX,
    MATCH_COUNT,
    MATCH_ALL,
};

struct match {
    enum match_kind kind;
    size_t index; // of INDEX, from 0
};

// What argument i of the call says: "first", "last", "index:2", "count", "all", in any case; others
// are first, with a warning.
struct match match_read(const struct call *call, size_t i, struct script_env *env);

// What "all" gives: an array of JSON. Zero-initialise, then match_list_done.
struct match_list {
    struct buf json;
};

void match_list_add(struct match_list *list, const struct value *v); // empty: null
bool match_list_is_full(const struct match_list *list);
// One that became too long gives nothing, with a warning of the method.
void match_list_give(struct match_list *list, const struct call *call, struct script_env *env,
                     struct value *ret_value);
void match_list_done(struct match_list *list);
