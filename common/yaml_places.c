#include "common/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/yaml_impl.h"

// Whether the segment at pointer (after its '/') is this key; then *ret_rest is what follows it.
static bool segment_is(const char *pointer, const char *key, const char **ret_rest)
{
    for (; *pointer != '\0' && *pointer != '/'; pointer++) {
        char c = *pointer;
        if (c == '~' && (pointer[1] == '0' || pointer[1] == '1'))
            c = *++pointer == '0' ? '~' : '/';
        if (*key++ != c)
            return false;
    }
    *ret_rest = pointer;
    return *key == '\0';
}

static const struct child *find_child(const struct place *p, const char *segment,
                                      const char **ret_rest)
{
    char index[24];

    for (size_t i = 0; i < p->n_children; i++) {
        snprintf(index, sizeof index, "%zu", i);
        if (segment_is(segment, p->child[i].key == NULL ? index : p->child[i].key, ret_rest))
            return &p->child[i];
    }
    return NULL;
}

// NULL: nothing there. *ret_child is NULL for the root.
static const struct place *find(const struct places *p, const char *pointer,
                                const struct child **ret_child)
{
    const struct place *at = p->root;

    *ret_child = NULL;
    while (*pointer != '\0') {
        const struct child *c = *pointer == '/' ? find_child(at, pointer + 1, &pointer) : NULL;
        if (c == NULL)
            return NULL;
        *ret_child = c;
        at = c->value;
    }
    return at;
}

int places_locate(const struct places *p, const char *pointer, bool key, int *ret_line,
                  int *ret_column)
{
    const struct child *child;
    const struct place *at = find(p, pointer, &child);

    if (at == NULL || (key && (child == NULL || child->key == NULL)))
        return -ENOENT;
    *ret_line = key ? child->line : at->line;
    *ret_column = key ? child->column : at->column;
    return 0;
}

const char *places_text(const struct places *p, const char *pointer)
{
    const struct child *child;
    const struct place *at = find(p, pointer, &child);

    return at == NULL ? NULL : at->text;
}

void places_free(struct places *p)
{
    if (p == NULL)
        return;
    while (p->newest != NULL) {
        struct place *place = p->newest;
        p->newest = place->older;
        for (size_t i = 0; i < place->n_children; i++)
            free(place->child[i].key);
        free(place->child);
        free(place->text);
        free(place);
    }
    free(p);
}
