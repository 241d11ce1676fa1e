#include <stdio.h>
#include <string.h>

#include "common/script/jpath.h"
#include "common/script/value.h"

static void append_quoted(const char *text, size_t len, struct buf *out)
{
    static const char escapes[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    size_t done = 0;

    buf_append(out, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if ((unsigned char)c >= ' ' && c != '"' && c != '\\')
            continue;
        buf_append(out, text + done, i - done);
        done = i + 1;
        const char *found = escapes;
        while (*found != '\0' && *found != c)
            found += 2;
        char escape[8] = {'\\', found[0] != '\0' ? found[1] : 'u'};
        if (*found == '\0')
            snprintf(escape + 2, sizeof escape - 2, "%04x", (unsigned)c);
        buf_puts(out, escape);
    }
    buf_append(out, text + done, len - done);
    buf_append(out, "\"", 1);
}

// Whole ones stay reals: 2.0.
static void append_real(double x, struct buf *out)
{
    char text[VALUE_DOUBLE_SIZE];

    buf_puts(out, value_format_double(x, text));
    if (strpbrk(text, ".E") == NULL)
        buf_puts(out, ".0");
}

static void append_object(const json_t *object, struct buf *out)
{
    json_t *o = (json_t *)object; // its iterators do not change it
    char separator = '{';

    for (void *i = json_object_iter(o); i != NULL; i = json_object_iter_next(o, i)) {
        buf_append(out, &separator, 1);
        append_quoted(json_object_iter_key(i), json_object_iter_key_len(i), out);
        buf_append(out, ":", 1);
        jpath_append_json(json_object_iter_value(i), out);
        separator = ',';
    }
    buf_puts(out, separator == '{' ? "{}" : "}");
}

static void append_array(const json_t *array, struct buf *out)
{
    buf_append(out, "[", 1);
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0)
            buf_append(out, ",", 1);
        jpath_append_json(json_array_get(array, i), out);
    }
    buf_append(out, "]", 1);
}

void jpath_append_json(const json_t *node, struct buf *out)
{
    char integer[24];

    switch (json_typeof(node)) {
    case JSON_OBJECT:
        append_object(node, out);
        break;
    case JSON_ARRAY:
        append_array(node, out);
        break;
    case JSON_STRING:
        append_quoted(json_string_value(node), json_string_length(node), out);
        break;
    case JSON_INTEGER:
        snprintf(integer, sizeof integer, "%" JSON_INTEGER_FORMAT, json_integer_value(node));
        buf_puts(out, integer);
        break;
    case JSON_REAL:
        append_real(json_real_value(node), out);
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

void jpath_append_text(const json_t *node, struct buf *out)
{
    if (json_is_string(node))
        buf_append(out, json_string_value(node), json_string_length(node));
    else if (!json_is_null(node))
        jpath_append_json(node, out);
}
