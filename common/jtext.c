#include "common/jtext.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUOTE_MAX 40

// A second reader beside jansson, which keeps no places and whose messages name none of the token
// at fault: this one walks the text, checks its shape, and knows line and column at each step.
struct scan {
    const char *p, *end;
    int line, column, depth;
    struct diag *d; // NULL: the text is known to be good
    // What is looked for: the token over the byte at `mark`, or the value (or key) of a pointer.
    const char *mark;
    bool key;
    bool found;
    int found_line, found_column;
};

static void scan_init(struct scan *s, const char *text, size_t len)
{
    *s = (struct scan){.p = text, .end = text + len, .line = 1, .column = 1};
}

static void step(struct scan *s)
{
    unsigned char c = (unsigned char)*s->p++;

    if (c == '\n') {
        s->line++;
        s->column = 1;
    } else if (c < 0x80 || c >= 0xc0) {
        s->column++; // further bytes of a UTF-8 character add none
    }
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        step(s);
}

static bool at(const struct scan *s, char c)
{
    return s->p < s->end && *s->p == c;
}

static void remember(struct scan *s, const struct scan *where)
{
    s->found = true;
    s->found_line = where->line;
    s->found_column = where->column;
}

// After each token that began at start.
static void check_mark(struct scan *s, const struct scan *start)
{
    if (s->mark != NULL && s->mark >= start->p && s->mark < s->p)
        remember(s, start);
}

// What is here is not what was expected.
static int surprise(struct scan *s, const char *expected)
{
    if (s->d == NULL)
        return -EINVAL;
    if (s->p == s->end)
        return diag_add(s->d, s->line, s->column, "found the end of the text, expected %s",
                        expected);
    if (*s->p == '#' || (*s->p == '/' && s->p + 1 < s->end && (s->p[1] == '/' || s->p[1] == '*')))
        return diag_add(s->d, s->line, s->column, "found a comment, expected %s: JSON has none",
                        expected);
    if (*s->p < ' ' || *s->p > '~')
        return diag_add(s->d, s->line, s->column, "found the byte 0x%02x, expected %s",
                        (unsigned char)*s->p, expected);
    return diag_add(s->d, s->line, s->column, "found '%c', expected %s", *s->p, expected);
}

static int scan_string(struct scan *s)
{
    struct scan start = *s;

    step(s);
    while (s->p < s->end && *s->p != '"' && (unsigned char)*s->p >= ' ') {
        if (*s->p == '\\' && s->p + 1 < s->end && (unsigned char)s->p[1] >= ' ')
            step(s);
        step(s);
    }
    if (at(s, '"')) {
        step(s);
        check_mark(s, &start);
        return 0;
    }
    if (s->d == NULL)
        return -EINVAL;
    return diag_add(s->d, start.line, start.column,
                    s->p == s->end ? "found a text without its closing '\"'"
                                   : "found a control character in a text, expected an escape such "
                                     "as \\n, or the closing '\"'");
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

bool jtext_is_number(const char *text, size_t len, bool *ret_whole)
{
    const char *p = text, *end = text + len;

    p += p < end && *p == '-';
    const char *digits = p;
    p = skip_digits(p, end);
    if (p == digits || (*digits == '0' && p - digits > 1))
        return false;
    bool is_whole = p == end;
    if (p < end && *p == '.') {
        digits = p + 1;
        p = skip_digits(digits, end);
        if (p == digits)
            return false;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        digits = p;
        p = skip_digits(digits, end);
        if (p == digits)
            return false;
    }
    if (p == end)
        *ret_whole = is_whole;
    return p == end;
}

static bool is_word_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
           c == '-' || c == '.' || c == '_';
}

static bool is_word(const char *p, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(p, word, len) == 0;
}

// A number, true, false or null.
static int scan_word(struct scan *s)
{
    struct scan start = *s;
    bool is_whole;

    while (s->p < s->end && is_word_byte(*s->p))
        step(s);
    size_t len = (size_t)(s->p - start.p);
    if (len == 0)
        return surprise(s, "a value");
    check_mark(s, &start);
    if (is_word(start.p, len, "true") || is_word(start.p, len, "false") ||
        is_word(start.p, len, "null") || jtext_is_number(start.p, len, &is_whole))
        return 0;
    if (s->d == NULL)
        return -EINVAL;
    return diag_add(s->d, start.line, start.column, "found %.*s%s, expected a value",
                    (int)(len > 40 ? 40 : len), start.p, len > 40 ? "..." : "");
}

bool jtext_segment_is(const char *pointer, const char *name, size_t len, const char **ret_rest)
{
    if (*pointer++ != '/')
        return false;
    for (; *pointer != '\0' && *pointer != '/'; pointer++) {
        char c = *pointer;
        if (c == '~' && (pointer[1] == '0' || pointer[1] == '1'))
            c = *++pointer == '0' ? '~' : '/';
        if (len == 0 || *name != c)
            return false;
        name++;
        len--;
    }
    *ret_rest = pointer;
    return len == 0;
}

// The same for a key as it stands in the text, quotes included.
static bool segment_is_key(const char *pointer, const char *key, size_t len, const char **ret_rest)
{
    if (memchr(key, '\\', len) == NULL)
        return jtext_segment_is(pointer, key + 1, len - 2, ret_rest);
    json_t *json = json_loadb(key, len, JSON_DECODE_ANY, NULL);
    bool is = json != NULL && jtext_segment_is(pointer, json_string_value(json),
                                               json_string_length(json), ret_rest);
    json_decref(json);
    return is;
}

static int scan_value(struct scan *s, const char *pointer);

static int scan_member(struct scan *s, const char *pointer)
{
    struct scan key = *s;
    const char *rest = NULL;

    if (!at(s, '"'))
        return surprise(s, "a name in double quotes");
    int r = scan_string(s);
    if (r < 0)
        return r;
    if (pointer == NULL || !segment_is_key(pointer, key.p, (size_t)(s->p - key.p), &rest))
        rest = NULL;
    if (rest != NULL && *rest == '\0' && s->key)
        remember(s, &key);
    skip_space(s);
    if (!at(s, ':'))
        return surprise(s, "':'");
    step(s);
    return scan_value(s, rest);
}

static int scan_element(struct scan *s, const char *pointer, size_t i)
{
    char index[24];
    const char *rest = NULL;

    int len = snprintf(index, sizeof index, "%zu", i);
    if (pointer == NULL || !jtext_segment_is(pointer, index, (size_t)len, &rest))
        rest = NULL;
    return scan_value(s, rest);
}

// An object or an array, from its opening bracket on.
static int scan_container(struct scan *s, const char *pointer)
{
    bool object = *s->p == '{';
    char close = object ? '}' : ']';
    int r = 0;

    if (s->depth == JTEXT_DEPTH_MAX)
        return s->d == NULL ? -EINVAL
                            : diag_add(s->d, s->line, s->column, "found more than %d levels",
                                       JTEXT_DEPTH_MAX);
    s->depth++;
    step(s);
    skip_space(s);
    for (size_t i = 0; r == 0 && !at(s, close); i++) {
        if (i > 0) {
            if (!at(s, ','))
                return surprise(s, object ? "',' or '}'" : "',' or ']'");
            step(s);
            skip_space(s);
        }
        r = object ? scan_member(s, pointer) : scan_element(s, pointer, i);
        skip_space(s);
    }
    if (r < 0)
        return r;
    step(s);
    s->depth--;
    return 0;
}

// pointer leads from here to what is looked for; NULL: it is not in here.
static int scan_value(struct scan *s, const char *pointer)
{
    skip_space(s);
    if (pointer != NULL && *pointer == '\0' && !s->key)
        remember(s, s);
    if (at(s, '{') || at(s, '['))
        return scan_container(s, pointer);
    return at(s, '"') ? scan_string(s) : scan_word(s);
}

// jansson found more than the scan does: names that come twice, numbers too large, bad UTF-8.
static int explain(const char *text, size_t len, const json_error_t *error, struct diag *d)
{
    struct scan s;
    const char *what = error->text;

    scan_init(&s, text, len);
    // Its position is behind the byte that it stumbled over.
    s.mark = text + (error->position > 0 ? error->position - 1 : 0);
    scan_value(&s, NULL);
    switch (json_error_code(error)) {
    case json_error_duplicate_key:
        what = "found a name that comes twice in its object";
        break;
    case json_error_null_character:
    case json_error_null_byte_in_key:
        what = "found \\u0000 in a text, expected none";
        break;
    case json_error_invalid_utf8:
        what = "found bytes that are not UTF-8";
        break;
    case json_error_numeric_overflow:
        what = "found a number that is too large";
        break;
    default:
        break;
    }
    return diag_add(d, s.found ? s.found_line : error->line, s.found ? s.found_column : 1, "%s",
                    what);
}

int jtext_parse(const char *text, size_t len, struct diag *d, json_t **ret_json)
{
    struct scan s;
    json_error_t error;

    scan_init(&s, text, len);
    s.d = d;
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        return diag_add(d, 1, 1, "found a byte order mark, expected JSON without one");
    int r = scan_value(&s, NULL);
    if (r < 0)
        return r;
    skip_space(&s);
    if (s.p < s.end)
        return surprise(&s, "the end of the text");

    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (json == NULL)
        return explain(text, len, &error, d);
    *ret_json = json;
    return 0;
}

int jtext_locate(const char *text, size_t len, const char *pointer, bool key, int *ret_line,
                 int *ret_column)
{
    struct scan s;

    scan_init(&s, text, len);
    s.key = key;
    scan_value(&s, pointer);
    if (!s.found)
        return -ENOENT;
    *ret_line = s.found_line;
    *ret_column = s.found_column;
    return 0;
}

// JSON's own escapes keep control characters out of messages.
static char *quote_string(const json_t *json, char *out, size_t size)
{
    const char *text = json_string_value(json);
    size_t len = json_string_length(json), cut = len;

    if (cut > QUOTE_MAX)
        for (cut = QUOTE_MAX; cut > 0 && ((unsigned char)text[cut] & 0xc0) == 0x80; cut--)
            ;
    json_t *part = json_stringn(text, cut);
    char *quoted = json_dumps(part, JSON_ENCODE_ANY);
    snprintf(out, size, "%s%s", quoted, cut < len ? "..." : "");
    free(quoted);
    json_decref(part);
    return out;
}

char *jtext_quote(const json_t *json, char *out, size_t size)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        snprintf(out, size, "an object");
        break;
    case JSON_ARRAY:
        snprintf(out, size, "a list");
        break;
    case JSON_STRING:
        return quote_string(json, out, size);
    case JSON_INTEGER:
        snprintf(out, size, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
        break;
    case JSON_REAL:
        snprintf(out, size, "%.15g", json_real_value(json));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        snprintf(out, size, json_is_true(json) ? "true" : "false");
        break;
    case JSON_NULL:
        snprintf(out, size, "null");
        break;
    }
    return out;
}

char *jtext_format(const json_t *json, bool indented)
{
    // 15 digits print 0.1 as 0.1.
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15) |
                                      (indented ? JSON_INDENT(2) : JSON_COMPACT));

    assert(text != NULL);
    return text;
}
