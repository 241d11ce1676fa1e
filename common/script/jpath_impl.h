// What the parts of jpath share: a path, compiled. PURE.
#pragma once

#include <stdint.h>

#include "common/script/jpath.h"

enum selector_kind {
    SELECT_UNDEFINED = 0,
    SELECT_NAME,
    SELECT_INDEX,
    SELECT_SLICE,
    SELECT_ALL,
    SELECT_FILTER,
};

// ".a" and "[0,2]" are segments of one and two selectors.
struct selector {
    enum selector_kind kind;
    bool is_first;   // of its segment
    bool is_descent; // its segment looks at any depth
    const char *name;
    size_t name_len;
    int64_t from, to, step; // INDEX has from alone
    bool has_from, has_to;
    struct filter *filter;
};

struct jpath {
    char *text; // where names are; NULL in a path within a filter
    struct selector *selectors;
    size_t n, cap;
    bool is_from_root; // of one within a filter: "$", else "@"
};

enum filter_kind {
    FILTER_UNDEFINED = 0,
    FILTER_OR,
    FILTER_AND,
    FILTER_NOT, // left
    FILTER_EXISTS,
    FILTER_COMPARE,
};

enum compare_kind {
    COMPARE_UNDEFINED = 0,
    COMPARE_EQ,
    COMPARE_NE,
    COMPARE_LT,
    COMPARE_LE,
    COMPARE_GT,
    COMPARE_GE,
};

struct operand {
    json_t *literal; // or
    struct jpath *path;
};

struct filter {
    enum filter_kind kind;
    enum compare_kind compare;
    struct filter *left, *right;
    struct operand a, b; // EXISTS has a alone
};
