#include "common/yaml.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "common/jtext.h"
#include "common/str.h"
#include "common/yaml_impl.h"

#define TAG_PREFIX "tag:yaml.org,2002:"

struct node {
    json_t *json;
    struct place *place;
};

struct anchor {
    char *name;
    struct node node; // json is NULL while the node is still being read
};

struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    const char *text;
    size_t len;
    struct diag *d;
    struct places *places;
    size_t n_nodes;
    struct anchor anchor[YAML_ANCHORS_MAX];
    size_t n_anchors;
};

static int fail(struct reader *r, yaml_mark_t at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct reader *r, yaml_mark_t at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    diag_add(r->d, (int)at.line + 1, (int)at.column + 1, "%s", text);
    free(text);
    return -EINVAL;
}

// "found", the beginning of a text of the document, and the rest of the sentence.
static int fail_text(struct reader *r, yaml_mark_t at, const void *text, const char *rest)
{
    char *clean = str_clean(text, 40);

    fail(r, at, "found \"%s%s\"%s", clean, strlen(clean) < strlen(text) ? "..." : "", rest);
    free(clean);
    return -EINVAL;
}

static int next(struct reader *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event))
        return 0;
    r->event = (yaml_event_t){0};
    return yaml_explain(&r->parser, r->text, r->len, r->d);
}

static struct place *new_place(struct reader *r)
{
    struct place *p = xcalloc(1, sizeof *p);

    p->older = r->places->newest;
    r->places->newest = p;
    p->line = (int)r->event.start_mark.line + 1;
    p->column = (int)r->event.start_mark.column + 1;
    return p;
}

static void add_child(struct place *p, const char *key, int line, int column, struct place *value)
{
    if ((p->n_children & (p->n_children - 1)) == 0) // 0 or a power of two: full
        p->child = xreallocarray(p->child, p->n_children ? 2 * p->n_children : 1, sizeof *p->child);
    p->child[p->n_children++] =
        (struct child){key == NULL ? NULL : xstrdup(key), line, column, value};
    if (value->height >= p->height)
        p->height = value->height + 1;
}

// --- Anchors ---

static struct anchor *find_anchor(struct reader *r, const void *name)
{
    for (size_t i = 0; i < r->n_anchors; i++)
        if (strcmp(r->anchor[i].name, name) == 0)
            return &r->anchor[i];
    return NULL;
}

// Of the node that begins here; *ret_anchor is NULL where it has none.
static int open_anchor(struct reader *r, const void *name, struct anchor **ret_anchor)
{
    struct anchor *a = name == NULL ? NULL : find_anchor(r, name);

    if (name != NULL && a == NULL) {
        if (r->n_anchors == YAML_ANCHORS_MAX)
            return fail(r, r->event.start_mark, "found more than %d anchors", YAML_ANCHORS_MAX);
        a = &r->anchor[r->n_anchors++];
        *a = (struct anchor){.name = xstrdup(name)};
    }
    if (a != NULL) {
        json_decref(a->node.json);
        a->node = (struct node){0};
    }
    *ret_anchor = a;
    return 0;
}

static void close_anchor(struct anchor *a, const struct node *node)
{
    if (a == NULL)
        return;
    json_decref(a->node.json); // another of that name, within this one
    a->node = *node;
    json_incref(a->node.json);
}

static int count_nodes(struct reader *r, size_t n)
{
    if (r->n_nodes + n > YAML_NODES_MAX)
        return fail(r, r->event.start_mark,
                    "found more than %d values, with those that aliases repeat", YAML_NODES_MAX);
    r->n_nodes += n;
    return 0;
}

static int read_alias(struct reader *r, int depth, struct node *ret_node)
{
    yaml_mark_t at = r->event.start_mark;
    const void *name = r->event.data.alias.anchor;
    const struct anchor *a = find_anchor(r, name);

    if (a == NULL)
        return fail_text(r, at, name, " as an alias, expected the name of an anchor above it");
    if (a->node.json == NULL)
        return fail_text(r, at, name, " as an alias within its own anchor, expected one outside");
    if (depth + a->node.place->height > YAML_DEPTH_MAX)
        return fail(r, at, "found more than %d levels", YAML_DEPTH_MAX);
    if (count_nodes(r, a->node.place->n_nodes) < 0)
        return -EINVAL;
    // A copy, so that changing one of them leaves the other.
    *ret_node = (struct node){json_deep_copy(a->node.json), a->node.place};
    return 0;
}

// --- Scalars ---

static bool is_among(const char *text, const char *const words[4])
{
    for (int i = 0; i < 4 && words[i] != NULL; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

// A value of the type that the text reads as; NULL: a number too large.
static json_t *resolve(const char *text)
{
    bool is_whole;

    if (is_among(text, (const char *const[4]){"", "~", "null", "Null"}) ||
        strcmp(text, "NULL") == 0)
        return json_null();
    if (is_among(text, (const char *const[4]){"true", "True", "TRUE"}))
        return json_true();
    if (is_among(text, (const char *const[4]){"false", "False", "FALSE"}))
        return json_false();
    if (!jtext_is_number(text, strlen(text), &is_whole))
        return json_string(text);
    if (!is_whole)
        return json_real(strtod(text, NULL)); // NULL for infinity
    errno = 0;
    long long n = strtoll(text, NULL, 10);
    return errno != 0 ? NULL : json_integer(n);
}

// What a standard tag asks for; json is what the text reads as.
static int apply_tag(struct reader *r, const char *text, const char *tag, json_t **json)
{
    static const struct {
        const char *tag;
        json_type type;
        const char *name;
    } known[] = {
        {TAG_PREFIX "int", JSON_INTEGER, "a whole number"},
        {TAG_PREFIX "float", JSON_REAL, "a number"},
        {TAG_PREFIX "bool", JSON_TRUE, "true or false"},
        {TAG_PREFIX "null", JSON_NULL, "null"},
    };
    yaml_mark_t at = r->event.start_mark;
    json_type type = json_typeof(*json) == JSON_FALSE ? JSON_TRUE : json_typeof(*json);

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(tag, known[i].tag) != 0)
            continue;
        if (known[i].type == JSON_REAL && type == JSON_INTEGER) {
            json_t *real = json_real((double)json_integer_value(*json));
            json_decref(*json);
            *json = real;
            return 0;
        }
        if (type == known[i].type)
            return 0;
        char *rest = xasprintf(", expected %s, as its tag says", known[i].name);
        int ret = fail_text(r, at, text, rest);
        free(rest);
        return ret;
    }
    return fail_text(r, at, tag,
                     " as a tag, expected none, !!str, !!int, !!float, !!bool or !!null");
}

static bool is_tag(const void *tag, const char *standard)
{
    return tag == NULL || strcmp(tag, "!") == 0 || strcmp(tag, standard) == 0;
}

static bool is_plain(const yaml_event_t *e)
{
    return e->data.scalar.plain_implicit && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static int read_scalar(struct reader *r, struct node *ret_node)
{
    const char *text = (const char *)r->event.data.scalar.value;
    const char *tag = (const char *)r->event.data.scalar.tag;
    size_t len = r->event.data.scalar.length;
    bool is_tagged = !is_tag(tag, TAG_PREFIX "str");
    bool is_typed = is_tagged || is_plain(&r->event);

    if (strlen(text) != len)
        return fail(r, r->event.start_mark, "found a NUL in a text, expected none");
    json_t *json = is_typed ? resolve(text) : json_stringn(text, len);
    if (json == NULL && is_typed)
        return fail_text(r, r->event.start_mark, text,
                         ", expected a number within 64 bits, or quotes around a text");
    assert(json != NULL); // libyaml lets only UTF-8 through
    if (is_tagged && apply_tag(r, text, tag, &json) < 0) {
        json_decref(json);
        return -EINVAL;
    }
    struct place *place = new_place(r);
    if (!json_is_string(json))
        place->text = xstrdup(text);
    *ret_node = (struct node){json, place};
    return 0;
}

// --- Lists and mappings ---

static int read_node(struct reader *r, int depth, struct node *ret_node);

static int check_collection(struct reader *r, int depth, const void *tag, const char *standard)
{
    if (depth == YAML_DEPTH_MAX)
        return fail(r, r->event.start_mark, "found more than %d levels", YAML_DEPTH_MAX);
    if (!is_tag(tag, standard))
        return fail_text(r, r->event.start_mark, tag,
                         " as a tag, expected none, !!seq of a list or !!map of a mapping");
    return 0;
}

static int read_list(struct reader *r, int depth, struct node *ret_node)
{
    struct place *place = new_place(r);
    json_t *list = json_array();
    struct node element;
    int ret;

    place->height = 1;
    while ((ret = next(r)) == 0 && r->event.type != YAML_SEQUENCE_END_EVENT) {
        ret = read_node(r, depth + 1, &element);
        if (ret < 0)
            break;
        json_array_append_new(list, element.json);
        add_child(place, NULL, 0, 0, element.place);
    }
    if (ret < 0) {
        json_decref(list);
        return ret;
    }
    *ret_node = (struct node){list, place};
    return 0;
}

// The keys of from that into does not have.
static void merge_one(struct node *into, const struct node *from)
{
    for (size_t i = 0; i < from->place->n_children; i++) {
        const struct child *c = &from->place->child[i];
        if (json_object_get(into->json, c->key) != NULL)
            continue;
        json_object_set(into->json, c->key, json_object_get(from->json, c->key));
        add_child(into->place, c->key, c->line, c->column, c->value);
    }
}

static int check_merge(struct reader *r, yaml_mark_t at, const json_t *from)
{
    bool ok = json_is_object(from) || json_is_array(from);
    size_t i;
    json_t *element;

    json_array_foreach(from, i, element) ok = ok && json_is_object(element);
    return ok ? 0 : fail(r, at, "found no mapping to merge, expected one, or a list of them");
}

static void merge(struct node *into, const struct node *from)
{
    if (json_is_object(from->json)) {
        merge_one(into, from);
        return;
    }
    for (size_t i = 0; i < from->place->n_children; i++)
        merge_one(into, &(struct node){json_array_get(from->json, i), from->place->child[i].value});
}

// A key; the caller frees *ret_name.
static int read_key(struct reader *r, char **ret_name)
{
    yaml_mark_t at = r->event.start_mark;
    struct anchor *anchor;

    if (r->event.type != YAML_SCALAR_EVENT)
        return fail(r, at, "found %s as a key, expected a text",
                    r->event.type == YAML_ALIAS_EVENT ? "an alias" : "a list or mapping");
    const char *text = (const char *)r->event.data.scalar.value;
    if (strlen(text) != r->event.data.scalar.length)
        return fail(r, at, "found a NUL in a key, expected none");
    if (open_anchor(r, r->event.data.scalar.anchor, &anchor) < 0)
        return -EINVAL;
    if (anchor != NULL) {
        anchor->node = (struct node){json_string(text), new_place(r)};
        anchor->node.place->n_nodes = 1;
    }
    *ret_name = xstrdup(text);
    return 0;
}

// A key and its value. merged: what the merge key leads to, for when all keys are known.
static int read_member(struct reader *r, int depth, struct node *mapping, struct node *merged)
{
    yaml_mark_t at = r->event.start_mark;
    struct node value;
    char *name = NULL;

    if (read_key(r, &name) < 0)
        return -EINVAL;
    bool is_merge = is_plain(&r->event) && strcmp(name, "<<") == 0;
    bool is_known = is_merge ? merged->json != NULL : json_object_get(mapping->json, name) != NULL;
    int ret = is_known
                  ? fail_text(r, at, name, " a second time in its mapping, expected each key once")
                  : next(r);
    if (ret == 0)
        ret = read_node(r, depth, &value);
    if (ret == 0 && is_merge) {
        *merged = value;
        ret = check_merge(r, at, value.json);
    } else if (ret == 0) {
        json_object_set_new(mapping->json, name, value.json);
        add_child(mapping->place, name, (int)at.line + 1, (int)at.column + 1, value.place);
    }
    free(name);
    return ret;
}

static int read_mapping(struct reader *r, int depth, struct node *ret_node)
{
    struct node mapping = {json_object(), new_place(r)}, merged = {0};
    int ret;

    mapping.place->height = 1;
    while ((ret = next(r)) == 0 && r->event.type != YAML_MAPPING_END_EVENT)
        if ((ret = read_member(r, depth + 1, &mapping, &merged)) < 0)
            break;
    if (ret == 0 && merged.json != NULL)
        merge(&mapping, &merged);
    json_decref(merged.json);
    if (ret < 0) {
        json_decref(mapping.json);
        return ret;
    }
    *ret_node = mapping;
    return 0;
}

// The event is the node's first one, and its last one afterwards. depth: of lists and mappings
// around it.
static int read_node(struct reader *r, int depth, struct node *ret_node)
{
    const yaml_event_t *e = &r->event;
    size_t n_before = r->n_nodes;
    struct anchor *anchor;
    int ret;

    if (e->type == YAML_ALIAS_EVENT)
        return read_alias(r, depth, ret_node);
    if (count_nodes(r, 1) < 0)
        return -EINVAL;
    if (e->type == YAML_SCALAR_EVENT) {
        if (open_anchor(r, e->data.scalar.anchor, &anchor) < 0)
            return -EINVAL;
        ret = read_scalar(r, ret_node);
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        if (open_anchor(r, e->data.sequence_start.anchor, &anchor) < 0 ||
            check_collection(r, depth, e->data.sequence_start.tag, TAG_PREFIX "seq") < 0)
            return -EINVAL;
        ret = read_list(r, depth, ret_node);
    } else {
        if (open_anchor(r, e->data.mapping_start.anchor, &anchor) < 0 ||
            check_collection(r, depth, e->data.mapping_start.tag, TAG_PREFIX "map") < 0)
            return -EINVAL;
        ret = read_mapping(r, depth, ret_node);
    }
    if (ret < 0)
        return ret;
    ret_node->place->n_nodes = r->n_nodes - n_before;
    close_anchor(anchor, ret_node);
    return 0;
}

// --- Documents ---

static int read_document(struct reader *r, struct node *ret_node)
{
    if (next(r) < 0 || next(r) < 0) // begin of the stream, of the document
        return -EINVAL;
    if (r->event.type == YAML_STREAM_END_EVENT) {
        *ret_node = (struct node){json_null(), new_place(r)};
        return 0;
    }
    if (next(r) < 0 || read_node(r, 0, ret_node) < 0)
        return -EINVAL;
    int ret = next(r); // end of the document
    if (ret == 0)
        ret = next(r);
    if (ret == 0 && r->event.type != YAML_STREAM_END_EVENT)
        ret = fail(r, r->event.start_mark, "found a second document, expected one");
    if (ret < 0)
        json_decref(ret_node->json);
    return ret;
}

int yaml_parse(const char *text, size_t len, struct diag *d, json_t **ret_json,
               struct places **ret_places)
{
    size_t bom = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    struct reader *r = xcalloc(1, sizeof *r);
    struct node root;

    r->text = text + bom;
    r->len = len - bom;
    r->d = d;
    r->places = xcalloc(1, sizeof *r->places);
    if (!yaml_parser_initialize(&r->parser))
        abort(); // out of memory
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)r->text, r->len);
    int ret = read_document(r, &root);
    if (ret == 0) {
        r->places->root = root.place;
        *ret_json = root.json;
        *ret_places = r->places;
    } else {
        places_free(r->places);
    }
    for (size_t i = 0; i < r->n_anchors; i++) {
        free(r->anchor[i].name);
        json_decref(r->anchor[i].node.json);
    }
    yaml_event_delete(&r->event);
    yaml_parser_delete(&r->parser);
    free(r);
    return ret;
}
