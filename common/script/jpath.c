#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/script/jpath_impl.h"
#include "common/script/value.h"
#include "common/str.h"

struct search {
    json_t *root;
    json_t **matches;
    size_t n, cap;
    size_t n_steps; // taken so far
};

// Goes over members or elements; zero-initialise but for the parent.
struct child {
    json_t *parent;
    void *iter;  // of an object
    size_t next; // of an array
    int64_t i;   // -1 in an object
    const char *name;
    size_t name_len;
    json_t *value;
};

static bool next_child(struct child *c)
{
    if (json_is_array(c->parent)) {
        c->value = json_array_get(c->parent, c->next);
        c->i = (int64_t)c->next++;
        return c->value != NULL;
    }
    c->iter =
        c->iter == NULL ? json_object_iter(c->parent) : json_object_iter_next(c->parent, c->iter);
    if (c->iter == NULL)
        return false;
    c->i = -1;
    c->name = json_object_iter_key(c->iter);
    c->name_len = json_object_iter_key_len(c->iter);
    c->value = json_object_iter_value(c->iter);
    return true;
}

static int count_steps(struct search *s, size_t n)
{
    s->n_steps += n;
    return s->n_steps > JPATH_STEPS_MAX ? -E2BIG : 0;
}

static int add_match(struct search *s, json_t *node)
{
    if (s->n == JPATH_MATCHES_MAX)
        return -E2BIG;
    if (s->n == s->cap) {
        s->cap = s->cap > 0 ? 2 * s->cap : 4;
        s->matches = xreallocarray(s->matches, s->cap, sizeof(json_t *));
    }
    s->matches[s->n++] = node;
    return 0;
}

// RFC 9535 section 2.3.4.2.2: within 0..len, and for a step backwards -1..len-1.
static void slice_bounds(const struct selector *sel, int64_t len, int64_t *ret_from,
                         int64_t *ret_to)
{
    bool back = sel->step < 0;
    int64_t least = back ? -1 : 0, most = back ? len - 1 : len;
    int64_t from = sel->has_from ? sel->from : back ? len - 1 : 0;
    int64_t to = sel->has_to ? sel->to : back ? -len - 1 : len;

    from += from < 0 ? len : 0;
    to += to < 0 ? len : 0;
    *ret_from = from < least ? least : from > most ? most : from;
    *ret_to = to < least ? least : to > most ? most : to;
}

static bool slice_has(const struct selector *sel, int64_t len, int64_t i)
{
    int64_t from, to;

    slice_bounds(sel, len, &from, &to);
    if (sel->step > 0)
        return i >= from && i < to && (i - from) % sel->step == 0;
    return i <= from && i > to && (from - i) % -sel->step == 0;
}

static int visit(struct search *s, const struct jpath *path, size_t at, json_t *node);

static bool relation_holds(enum compare_kind kind, int order)
{
    switch (kind) {
    case COMPARE_EQ:
        return order == 0;
    case COMPARE_NE:
        return order != 0;
    case COMPARE_LT:
        return order < 0;
    case COMPARE_LE:
        return order <= 0;
    case COMPARE_GT:
        return order > 0;
    case COMPARE_GE:
        return order >= 0;
    case COMPARE_UNDEFINED:
        break;
    }
    return false;
}

static int order_of(double a, double b)
{
    return (a > b) - (a < b);
}

// Objects and arrays equal nothing.
static bool compare(enum compare_kind kind, const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t x = json_integer_value(a), y = json_integer_value(b);
        return relation_holds(kind, (x > y) - (x < y));
    }
    if (json_is_number(a) && json_is_number(b))
        return relation_holds(kind, order_of(json_number_value(a), json_number_value(b)));
    if (json_is_string(a) && json_is_string(b)) {
        size_t a_len = json_string_length(a), b_len = json_string_length(b);
        int order =
            memcmp(json_string_value(a), json_string_value(b), a_len < b_len ? a_len : b_len);
        return relation_holds(kind, order != 0 ? order : (a_len > b_len) - (a_len < b_len));
    }
    bool is_same = json_typeof(a) == json_typeof(b) && !json_is_object(a) && !json_is_array(a);
    if (kind == COMPARE_NE)
        return !is_same;
    return is_same && (kind == COMPARE_EQ || kind == COMPARE_LE || kind == COMPARE_GE);
}

// What an operand stands for; the caller frees.
static int find_operand(struct search *s, const struct operand *operand, json_t *node,
                        json_t ***ret_values, size_t *ret_n)
{
    struct search inner = {.root = s->root, .n_steps = s->n_steps};
    int r = operand->path == NULL
                ? add_match(&inner, operand->literal)
                : visit(&inner, operand->path, 0, operand->path->is_from_root ? s->root : node);

    s->n_steps = inner.n_steps;
    if (r < 0) {
        free(inner.matches);
        return r;
    }
    *ret_values = inner.matches;
    *ret_n = inner.n;
    return 0;
}

// 1: it holds for some pair of what the operands stand for.
static int filter_compare(struct search *s, const struct filter *f, json_t *node)
{
    json_t **a = NULL, **b = NULL;
    size_t n_a = 0, n_b = 0;
    bool holds = false;

    int r = find_operand(s, &f->a, node, &a, &n_a);
    if (r == 0)
        r = find_operand(s, &f->b, node, &b, &n_b);
    for (size_t i = 0; i < n_a && r == 0 && !holds; i++)
        for (size_t j = 0; j < n_b && r == 0 && !holds; j++) {
            r = count_steps(s, 1 + json_string_length(a[i]) / 64);
            holds = r == 0 && compare(f->compare, a[i], b[j]);
        }
    free(a);
    free(b);
    return r < 0 ? r : holds;
}

// 0, 1 or -E2BIG.
static int filter_holds(struct search *s, const struct filter *f, json_t *node)
{
    json_t **values;
    size_t n;
    int r;

    switch (f->kind) {
    case FILTER_OR:
        r = filter_holds(s, f->left, node);
        return r != 0 ? r : filter_holds(s, f->right, node);
    case FILTER_AND:
        r = filter_holds(s, f->left, node);
        return r != 1 ? r : filter_holds(s, f->right, node);
    case FILTER_NOT:
        r = filter_holds(s, f->left, node);
        return r < 0 ? r : !r;
    case FILTER_EXISTS:
        r = find_operand(s, &f->a, node, &values, &n);
        if (r < 0)
            return r;
        free(values);
        return n > 0;
    case FILTER_COMPARE:
        return filter_compare(s, f, node);
    case FILTER_UNDEFINED:
        break;
    }
    return 0;
}

// Whether the selector takes this child: 0, 1 or -E2BIG.
static int selects(struct search *s, const struct selector *sel, const struct child *c)
{
    int64_t len = c->i < 0 ? 0 : (int64_t)json_array_size(c->parent);

    switch (sel->kind) {
    case SELECT_NAME:
        return c->i < 0 && c->name_len == sel->name_len &&
               memcmp(c->name, sel->name, sel->name_len) == 0;
    case SELECT_INDEX:
        return c->i >= 0 && c->i == (sel->from < 0 ? sel->from + len : sel->from);
    case SELECT_SLICE:
        return c->i >= 0 && slice_has(sel, len, c->i);
    case SELECT_ALL:
        return 1;
    case SELECT_FILTER:
        return filter_holds(s, sel->filter, c->value);
    case SELECT_UNDEFINED:
        break;
    }
    return 0;
}

// Children at any depth that one of the selectors at..end takes, in the order of the document.
static int descend(struct search *s, const struct jpath *path, size_t at, size_t end, json_t *node)
{
    struct child c = {.parent = node};
    int r = 0;

    while (r == 0 && next_child(&c)) {
        int takes = 0;
        r = count_steps(s, 1);
        for (size_t i = at; i < end && takes == 0 && r == 0; i++)
            takes = selects(s, &path->selectors[i], &c);
        if (takes < 0)
            return takes;
        if (takes > 0)
            r = visit(s, path, end, c.value);
        if (r == 0)
            r = descend(s, path, at, end, c.value);
    }
    return r;
}

static int visit_slice(struct search *s, const struct jpath *path, const struct selector *sel,
                       size_t end, json_t *node)
{
    int64_t from, to;
    int r = 0;

    slice_bounds(sel, (int64_t)json_array_size(node), &from, &to);
    for (int64_t i = from; r == 0 && (sel->step > 0 ? i < to : i > to); i += sel->step)
        r = visit(s, path, end, json_array_get(node, (size_t)i));
    return r;
}

static int visit_children(struct search *s, const struct jpath *path, const struct selector *sel,
                          size_t end, json_t *node)
{
    struct child c = {.parent = node};

    while (next_child(&c)) {
        int r = count_steps(s, 1);
        if (r == 0)
            r = selects(s, sel, &c);
        if (r == 1)
            r = visit(s, path, end, c.value);
        if (r < 0)
            return r;
    }
    return 0;
}

static int visit_selected(struct search *s, const struct jpath *path, const struct selector *sel,
                          size_t end, json_t *node)
{
    json_t *child = NULL;

    switch (sel->kind) {
    case SELECT_NAME:
        child = json_object_getn(node, sel->name, sel->name_len);
        break;
    case SELECT_INDEX: {
        int64_t i = sel->from < 0 ? sel->from + (int64_t)json_array_size(node) : sel->from;
        child = i < 0 ? NULL : json_array_get(node, (size_t)i);
        break;
    }
    case SELECT_SLICE:
        return visit_slice(s, path, sel, end, node);
    default:
        return visit_children(s, path, sel, end, node);
    }
    return child == NULL ? 0 : visit(s, path, end, child);
}

// What the segments from `at` on find below node.
static int visit(struct search *s, const struct jpath *path, size_t at, json_t *node)
{
    size_t end = at + 1;

    int r = count_steps(s, 1);
    if (r < 0)
        return r;
    if (at == path->n)
        return add_match(s, node);
    while (end < path->n && !path->selectors[end].is_first)
        end++;
    if (path->selectors[at].is_descent)
        return descend(s, path, at, end, node);
    for (size_t i = at; i < end && r == 0; i++)
        r = visit_selected(s, path, &path->selectors[i], end, node);
    return r;
}

int jpath_find(const struct jpath *path, json_t *root, json_t ***ret_matches, size_t *ret_n)
{
    struct search s = {.root = root};

    int r = visit(&s, path, 0, root);
    if (r < 0) {
        free(s.matches);
        return r;
    }
    *ret_matches = s.matches;
    *ret_n = s.n;
    return 0;
}
