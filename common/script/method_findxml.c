#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/xpathInternals.h>

#include "common/script/match.h"
#include "common/script/method_groups.h"
#include "common/script/xml.h"

enum {
    FINDXML_SOURCE,
    FINDXML_PATH,
    FINDXML_WHERE,
    FINDXML_SELECT,
    FINDXML_MATCH,
    FINDXML_DEFAULT,
    FINDXML_NAMESPACES,
    FINDXML_IGNORE_NAMESPACES,
};

static const struct method_param findxml_params[] = {
    {"source", METHOD_TEXT, true, NULL, "the XML"},
    {"path", METHOD_TEXT, false, "/*/*", "XPath 1.0 of the candidates"},
    {"where", METHOD_TEXT, false, NULL,
     "a predicate of XPath that is put behind the path, in brackets"},
    {"select", METHOD_TEXT, false, ".", "XPath from a match to the text of the result"},
    {"match", METHOD_TEXT, false, "first", "`first`, `last`, `index:N` from 0, `count` or `all`"},
    {"default", METHOD_TEXT, false, "", "the result where nothing matches"},
    {"namespaces", METHOD_TEXT, false, NULL,
     "prefixes that the paths may use: `prefix=uri;prefix=uri`"},
    {"ignoreNamespaces", METHOD_BOOL, false, "false", "whether names match in any namespace"},
    {"as", METHOD_TYPE, false, NULL, "type of the stored result; without it a string"},
    {0},
};

// What a search works on.
struct findxml {
    const struct call *call;
    struct script_env *env;
    struct match match;
    xmlDoc *doc;
    xmlXPathContext *xpath;
    xmlXPathObject *found; // the matches; NULL: none
};

// Neither elements nor attributes are in a namespace then.
static void strip_namespaces(xmlNode *root)
{
    xmlNode *node = root;

    while (node != NULL) {
        if (node->type == XML_ELEMENT_NODE) {
            node->ns = NULL;
            for (xmlAttr *a = node->properties; a != NULL; a = a->next)
                a->ns = NULL;
        }
        if (node->type == XML_ELEMENT_NODE && node->children != NULL) {
            node = node->children;
            continue;
        }
        while (node != root && node->next == NULL)
            node = node->parent;
        node = node == root ? NULL : node->next;
    }
}

// Neither prefixes nor URIs have blanks in them.
static char *trim(char *text)
{
    text += strspn(text, " ");
    text[strcspn(text, " ")] = '\0';
    return text;
}

static void add_namespace(struct findxml *f, char *pair)
{
    char *uri = strchr(pair, '=');

    if (uri != NULL)
        *uri++ = '\0';
    pair = trim(pair);
    if (uri == NULL || *pair == '\0' ||
        xmlXPathRegisterNs(f->xpath, (const xmlChar *)pair, (const xmlChar *)trim(uri)) != 0)
        script_warn(f->env, "findxml: namespaces: expected prefix=uri;prefix=uri");
}

static void add_namespaces(struct findxml *f)
{
    struct buf text = {0};
    char *rest, *pair;

    if (call_text(f->call, FINDXML_NAMESPACES, f->env, &text))
        for (pair = strtok_r(text.data, ";", &rest); pair; pair = strtok_r(NULL, ";", &rest))
            if (pair[strspn(pair, " ")] != '\0')
                add_namespace(f, pair);
    buf_done(&text);
}

static bool read_source(struct findxml *f)
{
    struct buf text = {0};
    char why[200];

    call_text(f->call, FINDXML_SOURCE, f->env, &text);
    f->doc = xml_parse(text.data, text.len, why, sizeof why);
    buf_done(&text);
    if (f->doc == NULL) {
        script_warn(f->env, "findxml: source: %s", why);
        return false;
    }
    f->xpath = xml_xpath_new(f->doc, FINDXML_STEPS_MAX);
    if (call_bool(f->call, FINDXML_IGNORE_NAMESPACES, f->env))
        strip_namespaces(xmlDocGetRootElement(f->doc));
    else
        add_namespaces(f);
    return true;
}

static void find_nodes(struct findxml *f)
{
    struct buf path = {0}, where = {0};
    char why[200] = "";

    call_text(f->call, FINDXML_PATH, f->env, &path);
    if (call_text(f->call, FINDXML_WHERE, f->env, &where) && where.len > 0)
        buf_printf(&path, "[%s]", where.data);
    f->found = xml_xpath(f->xpath, (xmlNode *)f->doc, path.data, why, sizeof why);
    if (f->found != NULL && f->found->type != XPATH_NODESET)
        strcpy(why, "it gives no nodes");
    else if (f->found != NULL &&
             xmlXPathNodeSetGetLength(f->found->nodesetval) > FIND_CANDIDATES_MAX)
        snprintf(why, sizeof why, "there are more than %d matches", FIND_CANDIDATES_MAX);
    if (*why != '\0') {
        script_warn(f->env, "findxml: path%s: %s", where.len > 0 ? " with where" : "", why);
        xmlXPathFreeObject(f->found);
        f->found = NULL;
    }
    buf_done(&where);
    buf_done(&path);
}

// False: the path from the match is none.
static bool give(struct findxml *f, size_t i, const char *select, struct value *ret_value)
{
    struct buf text = {0};
    char why[200];

    xmlXPathObject *found =
        xml_xpath(f->xpath, f->found->nodesetval->nodeTab[i], select, why, sizeof why);
    if (found == NULL) {
        script_warn(f->env, "findxml: select: %s", why);
        return false;
    }
    xml_append(found, &text);
    xmlXPathFreeObject(found);
    value_set(ret_value, VALUE_STRING, false, text.data ? text.data : "", text.len);
    buf_done(&text);
    return true;
}

static void give_all(struct findxml *f, size_t n, const char *select, struct value *ret_value)
{
    struct match_list list = {0};
    bool goes_on = true;

    for (size_t i = 0; i < n && goes_on && !match_list_is_full(&list); i++) {
        struct value v = {0};
        goes_on = give(f, i, select, &v);
        if (goes_on)
            match_list_add(&list, &v);
        value_done(&v);
    }
    if (goes_on)
        match_list_give(&list, f->call, f->env, ret_value);
    match_list_done(&list);
}

static void give_default(struct findxml *f, struct value *ret_value)
{
    struct buf text = {0};

    call_text(f->call, FINDXML_DEFAULT, f->env, &text);
    value_set(ret_value, VALUE_STRING, false, text.data, text.len);
    buf_done(&text);
}

static void give_result(struct findxml *f, struct value *ret_value)
{
    size_t n = f->found ? (size_t)xmlXPathNodeSetGetLength(f->found->nodesetval) : 0;
    size_t i = f->match.kind == MATCH_LAST ? n - 1 : f->match.index;
    struct buf select = {0};

    call_text(f->call, FINDXML_SELECT, f->env, &select);
    if (f->match.kind == MATCH_COUNT)
        value_set_int(ret_value, (int64_t)n);
    else if (f->match.kind == MATCH_ALL)
        give_all(f, n, select.data, ret_value);
    else if (i < n)
        give(f, i, select.data, ret_value);
    else
        give_default(f, ret_value);
    buf_done(&select);
}

static void findxml(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct findxml f = {.call = call, .env = env, .match = match_read(call, FINDXML_MATCH, env)};

    if (read_source(&f))
        find_nodes(&f);
    give_result(&f, ret_value);
    xmlXPathFreeObject(f.found);
    xmlXPathFreeContext(f.xpath);
    xmlFreeDoc(f.doc);
}

const struct method methods_findxml[] = {
    {
        .name = "findxml",
        .params = findxml_params,
        .run = findxml,
        .result = "string; int for `count`, JSON for `all`",
        .doc = "searches nodes of XML",
    },
};
const size_t n_methods_findxml = sizeof methods_findxml / sizeof *methods_findxml;
