#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/script/item.h"
#include "common/script/jpath.h"
#include "common/script/match.h"
#include "common/script/method_groups.h"
#include "common/script/value_impl.h"

enum { FIND_SOURCE, FIND_PATH, FIND_WHERE, FIND_SELECT, FIND_MATCH, FIND_DEFAULT };

static const struct method_param find_params[] = {
    {"source", METHOD_TEXT, true, NULL, "the JSON; a string that holds JSON stands for that"},
    {"path", METHOD_TEXT, false, NULL,
     "JSON path of the candidates, of arrays their elements; without it those of the source, or "
     "the "
     "source where it is no array"},
    {"where", METHOD_WHERE, false, NULL,
     "a condition in which `item`, `item.a.b`, `item[0].c` and `item['a b']` are what the "
     "candidate "
     "has there, in quotes too; what is not there and null are an empty text; without it all "
     "match"},
    {"select", METHOD_TEXT, false, NULL,
     "what is made of a match: one such `item.a` with its type, or text with some in it, put in as "
     "JSON where it begins with { or [; without it all of the match"},
    {"match", METHOD_TEXT, false, "first", "`first`, `last`, `index:N` from 0, `count` or `all`"},
    {"default", METHOD_TEXT, false, "", "the result where nothing matches"},
    {"as", METHOD_TYPE, false, NULL, "type of the stored result; without it that of the JSON"},
    {0},
};

// What a search works on.
struct find {
    const struct call *call;
    struct script_env *env;
    struct match match;
    json_t *root;
    json_t **items; // borrowed from root
    size_t n, cap;
    struct item_where *where;   // NULL: all match
    struct item_select *select; // NULL: the element
    bool has_warned;            // of a condition that cannot be worked out
};

static int add_item(struct find *f, json_t *item)
{
    if (f->n == FIND_CANDIDATES_MAX) {
        script_warn(f->env, "find: there are more than %d candidates", FIND_CANDIDATES_MAX);
        return -E2BIG;
    }
    if (f->n == f->cap) {
        f->cap = f->cap == 0 ? 16 : 2 * f->cap;
        f->items = xreallocarray(f->items, f->cap, sizeof *f->items);
    }
    f->items[f->n++] = item;
    return 0;
}

static int add_flat(struct find *f, json_t *found)
{
    int r = 0;

    if (!json_is_array(found))
        return add_item(f, found);
    for (size_t i = 0; r == 0 && i < json_array_size(found); i++)
        r = add_item(f, json_array_get(found, i));
    return r;
}

static int add_by_path(struct find *f, const struct buf *text)
{
    struct jpath *path;
    json_t **found;
    char why[200];
    size_t n;

    int r = jpath_compile(text->data, text->len, why, sizeof why, &path);
    if (r < 0) {
        script_warn(f->env, "find: path: %s", why);
        return r;
    }
    r = jpath_find(path, f->root, &found, &n);
    jpath_free(path);
    if (r < 0) {
        script_warn(f->env, "find: the path takes more than %d steps or has more than %d matches",
                    JPATH_STEPS_MAX, JPATH_MATCHES_MAX);
        return r;
    }
    for (size_t i = 0; r == 0 && i < n; i++)
        r = add_flat(f, found[i]);
    free(found);
    return r;
}

// One that cannot be told leaves no candidates: a part of them would be a wrong answer.
static void add_items(struct find *f)
{
    struct buf path = {0};

    bool has_path = call_text(f->call, FIND_PATH, f->env, &path) && path.len > 0;
    if ((has_path ? add_by_path(f, &path) : add_flat(f, f->root)) < 0)
        f->n = 0;
    buf_done(&path);
}

static bool read_source(struct find *f)
{
    struct buf text = {0};
    json_error_t error;

    call_text(f->call, FIND_SOURCE, f->env, &text);
    f->root = value_load_json(text.data, text.len, &error);
    buf_done(&text);
    if (f->root == NULL) {
        script_warn(f->env, "find: source is no JSON: line %d: %s", error.line, error.text);
        return false;
    }
    if (!json_is_string(f->root))
        return true;
    json_t *within =
        value_load_json(json_string_value(f->root), json_string_length(f->root), &error);
    if (within != NULL) {
        json_decref(f->root);
        f->root = within;
    }
    return true;
}

// False: one of them is wrong, and nothing matches.
static bool read_conditions(struct find *f)
{
    struct buf where = {0}, select = {0};
    struct tmpl_error error;
    int r = 0;

    if (call_text(f->call, FIND_WHERE, f->env, &where) && where.len > 0)
        r = item_where_compile(where.data, where.len, &f->where, &error);
    if (r < 0)
        script_warn(f->env, "find: where: %s", error.text);
    if (r == 0 && call_text(f->call, FIND_SELECT, f->env, &select) && select.len > 0) {
        r = item_select_compile(select.data, select.len, &f->select, &error);
        if (r < 0)
            script_warn(f->env, "find: select: %s", error.text);
    }
    buf_done(&where);
    buf_done(&select);
    return r == 0;
}

static bool is_match(struct find *f, size_t i)
{
    struct tmpl_error error;
    bool is = true;

    if (f->where == NULL || item_where_eval(f->where, f->items[i], &is, &error) == 0)
        return is;
    if (!f->has_warned)
        script_warn(f->env, "find: where, for candidate %zu: %s; taken as false", i, error.text);
    f->has_warned = true;
    return false;
}

static void give(const struct find *f, size_t i, struct value *ret_value)
{
    if (f->select != NULL)
        item_select_apply(f->select, f->items[i], ret_value);
    else
        item_set(ret_value, f->items[i]);
}

static bool give_last(struct find *f, struct value *ret_value)
{
    for (size_t i = f->n; i-- > 0;)
        if (is_match(f, i)) {
            give(f, i, ret_value);
            return true;
        }
    return false;
}

static bool give_nth(struct find *f, size_t nth, struct value *ret_value)
{
    for (size_t i = 0; i < f->n; i++)
        if (is_match(f, i) && nth-- == 0) {
            give(f, i, ret_value);
            return true;
        }
    return false;
}

static void give_all(struct find *f, struct value *ret_value)
{
    struct match_list list = {0};

    for (size_t i = 0; i < f->n && !match_list_is_full(&list); i++) {
        struct value v = {0};
        if (!is_match(f, i))
            continue;
        give(f, i, &v);
        match_list_add(&list, &v);
        value_done(&v);
    }
    match_list_give(&list, f->call, f->env, ret_value);
    match_list_done(&list);
}

static void give_count(struct find *f, struct value *ret_value)
{
    int64_t n = 0;

    for (size_t i = 0; i < f->n; i++)
        n += is_match(f, i);
    value_set_int(ret_value, n);
}

// False: nothing matches.
static bool search(struct find *f, struct value *ret_value)
{
    switch (f->match.kind) {
    case MATCH_COUNT:
        give_count(f, ret_value);
        return true;
    case MATCH_ALL:
        give_all(f, ret_value);
        return true;
    case MATCH_LAST:
        return give_last(f, ret_value);
    default:
        return give_nth(f, f->match.index, ret_value);
    }
}

static void give_default(struct find *f, struct value *ret_value)
{
    struct buf text = {0};

    call_text(f->call, FIND_DEFAULT, f->env, &text);
    item_infer(ret_value, text.data, text.len);
    buf_done(&text);
}

static void find(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct find f = {.call = call, .env = env, .match = match_read(call, FIND_MATCH, env)};
    bool is_json = read_source(&f);

    if (is_json && read_conditions(&f))
        add_items(&f);
    // A list of what is no JSON is the default.
    if ((!is_json && f.match.kind == MATCH_ALL) || !search(&f, ret_value))
        give_default(&f, ret_value);
    item_where_free(f.where);
    item_select_free(f.select);
    free(f.items);
    json_decref(f.root);
}

const struct method methods_find[] = {
    {
        .name = "find",
        .params = find_params,
        .run = find,
        .result = "by what is found",
        .doc = "searches elements of JSON",
    },
};
const size_t n_methods_find = sizeof methods_find / sizeof *methods_find;
