#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <csv.h>
#include <jansson.h>

#include "common/jtext.h"
#include "common/script/jpath.h"
#include "common/script/value_impl.h"
#include "common/script/xml.h"

// A table of CSV: fields in one run of bytes.
struct csv {
    struct buf bytes;
    uint32_t *field_end; // in bytes, of each field
    size_t n_fields, fields_cap;
    size_t *row_end; // in fields, of each row; the first is the header
    size_t n_rows, rows_cap;
};

struct value_tree {
    enum value_type type; // JSON, XML or CSV
    char *why;            // the text cannot be parsed; NULL: it was
    json_t *json;
    xmlDoc *xml;
    xmlXPathContext *xpath;
    pthread_mutex_t xml_lock; // libxml2 allows one thread at a time in a document
    struct csv csv;
};

// --- JSON ---

static size_t number_length(const char *p, const char *end)
{
    const char *first = p;

    while (p < end && (strchr("+-.eE", *p) != NULL || (*p >= '0' && *p <= '9')) && *p != '\0')
        p++;
    return (size_t)(p - first);
}

static size_t string_length(const char *p, const char *end)
{
    const char *first = p++;

    while (p < end && *p != '"')
        p += *p == '\\' && p + 1 < end ? 2 : 1;
    return (size_t)(p - first) + (p < end);
}

// Whether jansson holds it: 64 bits, or a double.
static bool is_held(const char *text, size_t len)
{
    bool is_whole;
    int64_t n;
    double x;

    if (!jtext_is_number(text, len, &is_whole))
        return true; // and is refused as what it is
    return is_whole ? value_parse_int(text, len, &n) == 0 : value_parse_double(text, len, &x) == 0;
}

// The same text with the numbers in quotes that jansson cannot hold: so their digits stay.
static char *quote_large(const char *text, size_t len, size_t *ret_len)
{
    const char *p = text, *end = text + len, *done = text;
    struct buf out = {0};

    while (p < end) {
        if (*p == '"') {
            p += string_length(p, end);
            continue;
        }
        size_t n = *p == '-' || (*p >= '0' && *p <= '9') ? number_length(p, end) : 0;
        if (n > 0 && !is_held(p, n)) {
            buf_append(&out, done, (size_t)(p - done));
            buf_append(&out, "\"", 1);
            buf_append(&out, p, n);
            buf_append(&out, "\"", 1);
            done = p + n;
        }
        p += n > 0 ? n : 1;
    }
    buf_append(&out, done, (size_t)(end - done));
    *ret_len = out.len;
    return buf_take(&out);
}

json_t *value_load_json(const char *text, size_t len, json_error_t *error)
{
    size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_t *json = json_loadb(text, len, flags, error);

    if (json == NULL && json_error_code(error) == json_error_numeric_overflow) {
        char *quoted = quote_large(text, len, &len);
        json = json_loadb(quoted, len, flags, error);
        free(quoted);
    }
    return json;
}

static void parse_json(struct value_tree *tree, const char *text, size_t len)
{
    json_error_t error;

    tree->json = value_load_json(text, len, &error);
    if (tree->json == NULL)
        tree->why = xasprintf("it is no JSON: line %d: %s", error.line, error.text);
}

// What a scan found; false: it is not as simple as that.
static bool append_slice(const char *text, size_t len, struct buf *out)
{
    json_error_t error;

    if (*text == '"' && memchr(text, '\\', len) == NULL) {
        buf_append(out, text + 1, len - 2);
        return true;
    }
    json_t *json = value_load_json(text, len, &error);
    if (json == NULL)
        return false;
    jpath_append_text(json, out);
    json_decref(json);
    return true;
}

static int find_json(struct value_tree *tree, const char *path, struct buf *out, char *why,
                     size_t size)
{
    size_t len = strlen(path), n;
    struct jpath *compiled;
    json_t **matches;

    // What stands behind a variable's name cannot begin with "$": ".$.a" and "[$.a]" are "$.a".
    if (path[0] == '.' && path[1] == '$' && (len == 2 || path[2] == '.' || path[2] == '[')) {
        path++;
        len--;
    } else if (path[0] == '[' && path[1] == '$' && path[len - 1] == ']') {
        path++;
        len -= 2;
    }
    int r = jpath_compile(path, len, why, size, &compiled);
    if (r < 0)
        return r;
    r = jpath_find(compiled, tree->json, &matches, &n);
    jpath_free(compiled);
    if (r < 0) {
        snprintf(why, size, "the path takes more than %d steps or has more than %d matches",
                 JPATH_STEPS_MAX, JPATH_MATCHES_MAX);
        return -EINVAL;
    }
    if (n == 1)
        jpath_append_text(matches[0], out);
    else if (n == 0)
        snprintf(why, size, "there is nothing at this path");
    else
        snprintf(why, size, "there are %zu matches, expected one", n);
    free(matches);
    return n == 1 ? 0 : -ENOENT;
}

// --- XML ---

static void parse_xml(struct value_tree *tree, const char *text, size_t len)
{
    char why[200];

    tree->xml = xml_parse(text, len, why, sizeof why);
    if (tree->xml == NULL)
        tree->why = xstrdup(why);
    else
        tree->xpath = xml_xpath_new(tree->xml, VALUE_XPATH_STEPS_MAX);
}

static int find_xml(struct value_tree *tree, const char *path, struct buf *out, char *why,
                    size_t size)
{
    int r = -EINVAL;

    pthread_mutex_lock(&tree->xml_lock);
    tree->xpath->opCount = 0;
    xmlXPathObject *found = xml_xpath(tree->xpath, (xmlNode *)tree->xml, path, why, size);
    if (found != NULL)
        r = xml_append(found, out) ? 0 : -ENOENT;
    if (r == -ENOENT)
        snprintf(why, size, "there is nothing at this path");
    xmlXPathFreeObject(found);
    pthread_mutex_unlock(&tree->xml_lock);
    return r;
}

// --- CSV ---

static int no_space(unsigned char c)
{
    (void)c;
    return 0; // RFC 4180 section 2: spaces are part of a field
}

static void on_field(void *text, size_t len, void *arg)
{
    struct csv *csv = arg;

    buf_append(&csv->bytes, text, len);
    if (csv->n_fields == csv->fields_cap) {
        csv->fields_cap = csv->fields_cap > 0 ? 2 * csv->fields_cap : 64;
        csv->field_end = xreallocarray(csv->field_end, csv->fields_cap, sizeof *csv->field_end);
    }
    csv->field_end[csv->n_fields++] = (uint32_t)csv->bytes.len;
}

static void on_row(int c, void *arg)
{
    struct csv *csv = arg;

    (void)c;
    if (csv->n_rows == csv->rows_cap) {
        csv->rows_cap = csv->rows_cap > 0 ? 2 * csv->rows_cap : 16;
        csv->row_end = xreallocarray(csv->row_end, csv->rows_cap, sizeof *csv->row_end);
    }
    csv->row_end[csv->n_rows++] = csv->n_fields;
}

static void parse_csv(struct value_tree *tree, const char *text, size_t len)
{
    struct csv_parser parser;

    csv_init(&parser, 0);
    csv_set_space_func(&parser, no_space);
    csv_set_blk_size(&parser, 4096);
    size_t n = csv_parse(&parser, text, len, on_field, on_row, &tree->csv);
    // Only an end within quotes is an error; a quote within a field stands for itself.
    csv_set_opts(&parser, CSV_STRICT | CSV_STRICT_FINI);
    if (n != len || csv_fini(&parser, on_field, on_row, &tree->csv) != 0)
        tree->why = xstrdup("it is no CSV: a field's closing quote is missing");
    csv_free(&parser);
}

// "[row,column]".
static int parse_cell(const char *path, int64_t ret_cell[2])
{
    const char *p = path, *end = path + strlen(path);

    if (*p != '[' || end[-1] != ']')
        return -EINVAL;
    p++;
    for (int i = 0; i < 2; i++) {
        const char *stop = i == 1 ? end - 1 : memchr(p, ',', (size_t)(end - p));
        bool is_whole;
        double x;
        if (stop == NULL || stop < p ||
            value_arithmetic(p, (size_t)(stop - p), &is_whole, &ret_cell[i], &x) < 0 || !is_whole)
            return -EINVAL;
        p = stop + 1;
    }
    return 0;
}

static int find_csv(struct value_tree *tree, const char *path, struct buf *out, char *why,
                    size_t size)
{
    const struct csv *csv = &tree->csv;
    int64_t cell[2];

    if (parse_cell(path, cell) < 0) {
        snprintf(why, size, "found %s, expected [row,column]", path);
        return -EINVAL;
    }
    size_t n_rows = csv->n_rows > 0 ? csv->n_rows - 1 : 0; // the header is none
    if (cell[0] < 0 || (uint64_t)cell[0] >= n_rows) {
        snprintf(why, size, "there is no row %lld: it has %zu, from 0", (long long)cell[0], n_rows);
        return -ENOENT;
    }
    size_t first = csv->row_end[cell[0]], n = csv->row_end[cell[0] + 1] - first;
    if (cell[1] < 0 || (uint64_t)cell[1] >= n) {
        snprintf(why, size, "there is no field %lld: the row has %zu, from 0", (long long)cell[1],
                 n);
        return -ENOENT;
    }
    size_t i = first + (size_t)cell[1], begin = csv->field_end[i - 1];
    buf_append(out, csv->bytes.data + begin, csv->field_end[i] - begin);
    return 0;
}

// --- Any ---

static const struct {
    void (*parse)(struct value_tree *tree, const char *text, size_t len);
    int (*find)(struct value_tree *tree, const char *path, struct buf *out, char *why, size_t size);
} kinds[VALUE__COUNT] = {
    [VALUE_JSON] = {parse_json, find_json},
    [VALUE_XML] = {parse_xml, find_xml},
    [VALUE_CSV] = {parse_csv, find_csv},
};

void value_tree_free(struct value_tree *tree)
{
    if (tree == NULL)
        return;
    free(tree->why);
    json_decref(tree->json);
    xmlXPathFreeContext(tree->xpath);
    xmlFreeDoc(tree->xml);
    pthread_mutex_destroy(&tree->xml_lock);
    buf_done(&tree->csv.bytes);
    free(tree->csv.field_end);
    free(tree->csv.row_end);
    free(tree);
}

// Past a byte order mark.
static const char *text_of(const struct value *v, size_t *ret_len)
{
    size_t mark = v->len >= 3 && memcmp(v->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

    *ret_len = v->len - mark;
    return v->text + mark;
}

// Borrowed from v.
static struct value_tree *parse(const struct value *v, enum value_type type)
{
    struct value_tree *tree = atomic_load(&v->shared->tree), *theirs = NULL;
    size_t len;
    const char *text = text_of(v, &len);

    if (tree != NULL) {
        assert(tree->type == type);
        return tree;
    }
    tree = xcalloc(1, sizeof *tree);
    tree->type = type;
    pthread_mutex_init(&tree->xml_lock, NULL);
    kinds[type].parse(tree, text, len);
    // Another thread may have parsed the same meanwhile.
    if (atomic_compare_exchange_strong(&v->shared->tree, &theirs, tree))
        return tree;
    value_tree_free(tree);
    return theirs;
}

bool value_is_parsed(const struct value *v, enum value_type type)
{
    return parse(v, type)->why == NULL;
}

// Parsing costs as much as about this many scans: so what is asked once or twice is not parsed, and
// what is asked often is, for at most twice the work that would have been best.
#define SCANS 20

static bool is_worth_a_scan(const struct value *v)
{
    return atomic_load(&v->shared->tree) == NULL && atomic_load(&v->shared->n_scans) < SCANS &&
           atomic_fetch_add(&v->shared->n_scans, 1) < SCANS;
}

int value_find(const struct value *v, enum value_type type, const char *path, struct buf *out,
               char *why, size_t size)
{
    if (type == VALUE_JSON && is_worth_a_scan(v)) {
        size_t len;
        const char *at, *text = text_of(v, &len);
        int r = value_scan(text, len, path, &at, &len);
        if (r == 0 && append_slice(at, len, out))
            return 0;
        if (r == -ENOENT) {
            snprintf(why, size, "there is nothing at this path");
            return r;
        }
    }
    struct value_tree *tree = parse(v, type);
    if (tree->why == NULL)
        return kinds[type].find(tree, path, out, why, size);
    snprintf(why, size, "%s", tree->why);
    return -EINVAL;
}
