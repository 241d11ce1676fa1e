#include "common/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/jtext.h"
#include "common/yaml_impl.h"

// What the first segment of pointer leads to; NULL: nothing.
static const struct child *find_child(const struct place *p, const char *pointer,
                                      const char **ret_rest)
{
    bool is_list = p->n_children > 0 && p->child[0].key == NULL;
    char index[24];

    if (is_list) {
        unsigned long i = strtoul(pointer + 1, NULL, 10);
        int len = snprintf(index, sizeof index, "%lu", i);
        bool is = i < p->n_children && jtext_segment_is(pointer, index, (size_t)len, ret_rest);
        return is ? &p->child[i] : NULL;
    }
    for (size_t i = 0; i < p->n_children; i++)
        if (jtext_segment_is(pointer, p->child[i].key, strlen(p->child[i].key), ret_rest))
            return &p->child[i];
    return NULL;
}

// NULL: nothing there. *ret_child is NULL for the root.
static const struct place *find(const struct places *p, const char *pointer,
                                const struct child **ret_child)
{
    const struct place *at = p->root;

    *ret_child = NULL;
    while (*pointer != '\0') {
        const struct child *c = find_child(at, pointer, &pointer);
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
