#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/jtext.h"
#include "common/mime.h"
#include "common/script/value_impl.h"

// The first of a type's names is the one that is printed; "Q" before the names of texts quotes.
static const struct {
    const char *name;
    enum value_type type;
    bool is_quoted;
} names[] = {
    {"String", VALUE_STRING, false},
    {"Text", VALUE_STRING, false},
    {"QString", VALUE_STRING, true},
    {"Json", VALUE_JSON, false},
    {"JsonString", VALUE_JSON, false},
    {"QJson", VALUE_JSON, true},
    {"QJsonString", VALUE_JSON, true},
    {"Xml", VALUE_XML, false},
    {"XmlString", VALUE_XML, false},
    {"QXml", VALUE_XML, true},
    {"QXmlString", VALUE_XML, true},
    {"Csv", VALUE_CSV, false},
    {"CsvString", VALUE_CSV, false},
    {"QCsv", VALUE_CSV, true},
    {"QCsvString", VALUE_CSV, true},
    {"Int", VALUE_INT, false},
    {"Integer", VALUE_INT, false},
    {"Float", VALUE_FLOAT, false},
    {"Single", VALUE_FLOAT, false},
    {"Double", VALUE_DOUBLE, false},
    {"Number", VALUE_DOUBLE, false},
    {"Decimal", VALUE_DECIMAL, false},
    {"Bool", VALUE_BOOL, false},
    {"Boolean", VALUE_BOOL, false},
    {"HttpResponse", VALUE_RESPONSE, false},
    {"Http-Response", VALUE_RESPONSE, false},
    {"Http_Response", VALUE_RESPONSE, false},
    {"Response", VALUE_RESPONSE, false},
};

int value_type_parse(const char *name, enum value_type *ret_type, bool *ret_quoted)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(names[i].name, name) == 0) {
            *ret_type = names[i].type;
            *ret_quoted = names[i].is_quoted;
            return 0;
        }
    return -EINVAL;
}

const char *value_type_name(enum value_type type, bool quoted)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].type == type && names[i].is_quoted == quoted)
            return names[i].name;
    return "";
}

static void head_free(struct value_head *head)
{
    if (head == NULL)
        return;
    for (size_t i = 0; i < 2 * head->n_fields; i++)
        free(head->fields[i]);
    free(head->fields);
    free(head->reason);
    free(head);
}

void value_done(struct value *v)
{
    struct value_shared *shared = v->shared;

    *v = (struct value){0};
    if (shared == NULL || atomic_fetch_sub(&shared->n_refs, 1) > 1)
        return;
    value_tree_free(atomic_load(&shared->tree));
    head_free(shared->head);
    free(shared);
}

// Text may be in v itself.
static void set_text(struct value *v, enum value_type type, bool quoted, const char *text,
                     size_t len)
{
    if (len > VALUE_BYTES_MAX)
        for (len = VALUE_BYTES_MAX; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80; len--)
            ;
    struct value_shared *shared = xcalloc(1, sizeof *shared + len + 1);
    if (len > 0)
        memcpy(shared->text, text, len);
    shared->n_refs = 1;
    value_done(v);
    *v = (struct value){
        .type = type, .is_quoted = quoted, .text = shared->text, .len = len, .shared = shared};
}

static int format_int(const char *text, size_t len, char *out)
{
    int64_t n;

    if (value_parse_int(text, len, &n) < 0 || n < INT32_MIN || n > INT32_MAX)
        return -EINVAL;
    snprintf(out, VALUE_DECIMAL_SIZE, "%" PRId64, n);
    return 0;
}

static int format_floating(enum value_type type, const char *text, size_t len, char *out)
{
    double x;

    if (value_parse_double(text, len, &x) < 0 ||
        (type == VALUE_FLOAT && !isfinite((double)(float)x)))
        return -EINVAL;
    if (type == VALUE_FLOAT)
        value_format_float((float)x, out);
    else
        value_format_double(x, out);
    return 0;
}

static int format_bool(const char *text, size_t len, char *out)
{
    char word[8];

    while (len > 0 && strchr(" \t\r\n", *text) != NULL) {
        text++;
        len--;
    }
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
        len--;
    bool b;
    if (len >= sizeof word)
        return -EINVAL;
    snprintf(word, sizeof word, "%.*s", (int)len, text);
    if (strlen(word) != len || str_parse_bool(word, &b) < 0)
        return -EINVAL;
    strcpy(out, b ? "true" : "false");
    return 0;
}

int value_set(struct value *v, enum value_type type, bool quoted, const char *text, size_t len)
{
    char spelling[VALUE_DECIMAL_SIZE];
    int r = -EINVAL;

    switch (type) {
    case VALUE_STRING:
    case VALUE_JSON:
    case VALUE_XML:
    case VALUE_CSV:
        set_text(v, type, quoted, text, len);
        return 0;
    case VALUE_INT:
        r = format_int(text, len, spelling);
        break;
    case VALUE_FLOAT:
    case VALUE_DOUBLE:
        r = format_floating(type, text, len, spelling);
        break;
    case VALUE_DECIMAL:
        r = value_format_decimal(text, len, spelling);
        break;
    case VALUE_BOOL:
        r = format_bool(text, len, spelling);
        break;
    default:
        break;
    }
    if (r == 0)
        set_text(v, type, false, spelling, strlen(spelling));
    return r;
}

void value_set_int(struct value *v, int64_t n)
{
    char text[24];

    int len = snprintf(text, sizeof text, "%" PRId64, n);
    set_text(v, n < INT32_MIN || n > INT32_MAX ? VALUE_DOUBLE : VALUE_INT, false, text,
             (size_t)len);
}

void value_set_double(struct value *v, double x)
{
    char text[VALUE_DOUBLE_SIZE];

    value_format_double(x, text);
    set_text(v, VALUE_DOUBLE, false, text, strlen(text));
}

void value_set_bool(struct value *v, bool b)
{
    const char *text = b ? "true" : "false";

    set_text(v, VALUE_BOOL, false, text, strlen(text));
}

// The type of a text that says nothing of its type, and of a number its spelling.
static enum value_type infer(const char *text, size_t len, char *spelling)
{
    bool is_whole;

    if (!jtext_is_number(text, len, &is_whole))
        return format_bool(text, len, spelling) == 0 ? VALUE_BOOL : VALUE_STRING;
    if (!is_whole)
        return format_floating(VALUE_DOUBLE, text, len, spelling) == 0 ? VALUE_DOUBLE
                                                                       : VALUE_STRING;
    int64_t n;
    // What 64 bits do not hold keeps its digits as a text.
    if (value_parse_int(text, len, &n) < 0)
        return VALUE_STRING;
    snprintf(spelling, VALUE_DECIMAL_SIZE, "%" PRId64, n);
    return n < INT32_MIN || n > INT32_MAX ? VALUE_DOUBLE : VALUE_INT;
}

void value_infer(struct value *v, const char *text, size_t len)
{
    char spelling[VALUE_DECIMAL_SIZE];
    size_t blanks = 0;

    while (blanks < len && text[blanks] != '\0' && strchr(" \t\r\n", text[blanks]) != NULL)
        blanks++;
    if (blanks < len && (text[blanks] == '{' || text[blanks] == '[')) {
        set_text(v, VALUE_JSON, false, text, len);
        if (!value_is_parsed(v, VALUE_JSON))
            set_text(v, VALUE_STRING, false, v->text, v->len);
        return;
    }
    enum value_type type = infer(text, len, spelling);
    if (type == VALUE_STRING)
        set_text(v, type, false, text, len);
    else
        set_text(v, type, false, spelling, strlen(spelling));
}

void value_set_response(struct value *v, unsigned status, const char *reason,
                        const char *const *fields, size_t n_fields, enum value_type body_type,
                        bool quoted, const char *body, size_t len)
{
    struct value_head *head = xcalloc(1, sizeof *head);

    head->status = status;
    head->reason = xstrdup(reason);
    head->n_fields = n_fields;
    head->fields = xcalloc(2 * n_fields, sizeof *head->fields);
    for (size_t i = 0; i < 2 * n_fields; i++)
        head->fields[i] = xstrdup(fields[i]);
    set_text(v, VALUE_RESPONSE, quoted, body, len);
    v->body_type = body_type;
    v->shared->head = head;
}

void value_cut_paths(struct value *v, const struct regex *regex)
{
    v->shared->head->regex = regex;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
    size_t n = strlen(end);

    return len >= n && strncasecmp(text + len - n, end, n) == 0;
}

enum value_type value_body_type(const char *media_type)
{
    static const struct {
        const char *name;
        enum value_type type;
    } known[] = {
        {"application/json", VALUE_JSON}, {"text/json", VALUE_JSON}, {"application/xml", VALUE_XML},
        {"text/xml", VALUE_XML},          {"text/csv", VALUE_CSV},
    };

    if (media_type == NULL)
        return VALUE_STRING;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (mime_is(media_type, known[i].name))
            return known[i].type;
    media_type += strspn(media_type, " \t");
    size_t len = strcspn(media_type, "; \t");
    // RFC 6839.
    return ends_with(media_type, len, "+json")  ? VALUE_JSON
           : ends_with(media_type, len, "+xml") ? VALUE_XML
                                                : VALUE_STRING;
}

void value_move(struct value *to, struct value *from)
{
    struct value v = *from;

    *from = (struct value){0};
    value_done(to);
    *to = v;
}

void value_copy(struct value *to, const struct value *from)
{
    struct value v = *from;

    if (v.shared != NULL)
        atomic_fetch_add(&v.shared->n_refs, 1);
    value_done(to);
    *to = v;
}
