// What the parts of yaml share. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <yaml.h>

#include "common/diag.h"

struct child {
    char *key; // NULL: an element of a list
    int line, column;
    struct place *value; // shared where it came by an alias
};

struct place {
    struct place *older; // of all that were made
    int line, column;
    int height;     // levels of lists and mappings from here on
    size_t n_nodes; // with this one
    char *text;     // see places_text
    struct child *child;
    size_t n_children;
};

struct places {
    struct place *newest, *root;
};

// What libyaml stumbled over, in the words and places of a diag. Always -EINVAL.
int yaml_explain(const yaml_parser_t *parser, const char *text, size_t len, struct diag *d);
