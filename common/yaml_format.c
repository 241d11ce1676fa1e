#include "common/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/jtext.h"
#include "common/str.h"

#define INDENT  2
#define KEY_MAX 1000 // bytes; libyaml takes keys without '?' up to 1024 characters

// --- Texts ---

// U+0085, U+2028 and U+2029 end lines, U+FEFF marks byte order; U+FFFE and U+FFFF are none.
static size_t plain_length(const char *p)
{
    size_t n = str_printable(p);

    if (n == 3 && (memcmp(p, "\xe2\x80\xa8", 3) == 0 || memcmp(p, "\xe2\x80\xa9", 3) == 0 ||
                   memcmp(p, "\xef\xbb\xbf", 3) == 0 || memcmp(p, "\xef\xbf\xbe", 3) == 0 ||
                   memcmp(p, "\xef\xbf\xbf", 3) == 0))
        return 0;
    return n;
}

static bool is_printable(const char *text, const char *also)
{
    for (size_t n; *text != '\0'; text += n) {
        n = strchr(also, *text) != NULL ? 1 : plain_length(text);
        if (n == 0)
            return false;
    }
    return true;
}

// What YAML 1.1 or 1.2 takes for something else than a text. Numbers, dates and times of all kinds
// are those that begin like a number and have nothing but their letters.
static bool is_word(const char *text)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no",   "on",    "off", "y",
                                        "n",    "~",    "<<",    "=",   ".inf", "+.inf", ".nan"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return strchr("0123456789+-.", *text) != NULL &&
           text[strspn(text, "0123456789abcdefABCDEFxXoO_:.+-TZ")] == '\0';
}

static bool is_plain(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && is_printable(text, "") && strchr(" -?:,[]{}#&*!|>'\"%@`=", *text) == NULL &&
           text[len - 1] != ' ' && text[len - 1] != ':' && strstr(text, ": ") == NULL &&
           strstr(text, " #") == NULL && strncmp(text, "...", 3) != 0 && !is_word(text);
}

static void put_quoted(struct buf *out, const char *text, size_t len)
{
    static const struct {
        char c, escape;
    } escapes[] = {{'"', '"'}, {'\\', '\\'}, {'\n', 'n'}, {'\t', 't'}, {'\r', 'r'}};
    const char *end = text + len;

    buf_puts(out, "\"");
    for (size_t n; text < end; text += n) {
        char escape = '\0';
        for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++)
            if (*text == escapes[i].c)
                escape = escapes[i].escape;
        n = plain_length(text);
        if (escape != '\0') {
            buf_printf(out, "\\%c", escape);
            n = 1;
        } else if (n > 0) {
            buf_append(out, text, n);
        } else if ((unsigned char)*text < 0x80) {
            buf_printf(out, "\\x%02x", (unsigned)*text);
            n = 1;
        } else if ((unsigned char)*text == 0xc2) { // U+0080 to U+009F
            buf_printf(out, "\\x%02x", (unsigned)(unsigned char)text[1]);
            n = 2;
        } else {
            const unsigned char *u = (const unsigned char *)text;
            buf_printf(out, "\\u%04x", (u[0] & 0x0fU) << 12 | (u[1] & 0x3fU) << 6 | (u[2] & 0x3fU));
            n = 3;
        }
    }
    buf_puts(out, "\"");
}

static void put_break(struct buf *out, int indent)
{
    buf_printf(out, "\n%*s", indent, "");
}

// With something beside line breaks.
static bool is_block(const char *text)
{
    return strchr(text, '\n') != NULL && text[strspn(text, "\n")] != '\0' &&
           is_printable(text, "\n\t");
}

// A literal block, its lines at indent.
static void put_block(struct buf *out, const char *text, int indent)
{
    size_t len = strlen(text), n_breaks = 0;
    const char *first = text + strspn(text, "\n");

    while (text[len - 1 - n_breaks] == '\n')
        n_breaks++;
    buf_puts(out, "|");
    if (*first == ' ' || *first == '\t') // else the indentation is seen
        buf_printf(out, "%d", INDENT);
    buf_puts(out, n_breaks == 0 ? "-" : n_breaks == 1 ? "" : "+");
    for (const char *line = text, *end = text + len; line < end;) {
        size_t n = strcspn(line, "\n");
        if (n > 0)
            put_break(out, indent);
        else
            buf_puts(out, "\n");
        buf_append(out, line, n);
        line += n + 1;
    }
}

static void put_text(struct buf *out, const json_t *json, int indent)
{
    const char *text = json_string_value(json);
    size_t len = json_string_length(json);

    if (strlen(text) == len && is_plain(text))
        buf_puts(out, text);
    else if (strlen(text) == len && is_block(text))
        put_block(out, text, indent);
    else
        put_quoted(out, text, len);
}

// The fewest digits that read back.
static void put_real(struct buf *out, double x)
{
    char text[40];
    bool is_whole = true;

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    buf_puts(out, text);
    jtext_is_number(text, strlen(text), &is_whole);
    if (is_whole)
        buf_puts(out, ".0");
}

// --- Values ---

static void put_value(struct buf *out, const json_t *json, int indent);

static void put_key(struct buf *out, const char *key, size_t len, int indent)
{
    struct buf text = {0};

    if (strlen(key) == len && is_plain(key))
        buf_puts(&text, key);
    else
        put_quoted(&text, key, len);
    if (text.len > KEY_MAX) {
        buf_printf(out, "? %s", text.data);
        put_break(out, indent);
    } else {
        buf_puts(out, text.data);
    }
    buf_puts(out, ":");
    buf_done(&text);
}

static bool is_nested(const json_t *json)
{
    return json_array_size(json) > 0 || json_object_size(json) > 0;
}

// Its lines, the first one without the indentation, which is there already.
static void put_object(struct buf *out, const json_t *json, int indent)
{
    const char *key;
    size_t len;
    json_t *value;
    bool is_first = true;

    json_object_keylen_foreach((json_t *)json, key, len, value)
    {
        if (!is_first)
            put_break(out, indent);
        is_first = false;
        put_key(out, key, len, indent);
        if (is_nested(value))
            put_break(out, indent + INDENT);
        else
            buf_puts(out, " ");
        put_value(out, value, indent + INDENT);
    }
}

static void put_list(struct buf *out, const json_t *json, int indent)
{
    size_t i;
    json_t *value;

    json_array_foreach(json, i, value)
    {
        if (i > 0)
            put_break(out, indent);
        buf_puts(out, "- ");
        put_value(out, value, indent + INDENT);
    }
}

// indent: of the lines of what is nested.
static void put_value(struct buf *out, const json_t *json, int indent)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        if (is_nested(json))
            put_object(out, json, indent);
        else
            buf_puts(out, "{}");
        break;
    case JSON_ARRAY:
        if (is_nested(json))
            put_list(out, json, indent);
        else
            buf_puts(out, "[]");
        break;
    case JSON_STRING:
        put_text(out, json, indent);
        break;
    case JSON_INTEGER:
        buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
        break;
    case JSON_REAL:
        put_real(out, json_real_value(json));
        break;
    case JSON_TRUE:
        buf_puts(out, "true");
        break;
    case JSON_FALSE:
        buf_puts(out, "false");
        break;
    case JSON_NULL:
        buf_puts(out, "null");
        break;
    }
}

char *yaml_format(const json_t *json)
{
    struct buf out = {0};
    int indent = json_is_string(json) ? INDENT : 0; // of a block as the root

    put_value(&out, json, indent);
    buf_puts(&out, "\n");
    return buf_take(&out);
}
