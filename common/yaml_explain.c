#include "common/yaml_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"

#define TAB "found a tab character that violates indentation"

// libyaml says what it was doing and what did not work. A person wants to know what is there and
// what should be. %s is what is there; with '^' the place is where the token begins, not where it
// stopped.
static const struct saying {
    const char *problem, *text;
} sayings[] = {
    {"found character that cannot start any token",
     "found %s, expected a value; a text that begins so needs quotes"},
    {"mapping values are not allowed in this context",
     "found ':' where no key can end, expected the keys of a mapping in one column, and quotes "
     "around a text with ': ' in it"},
    {"mapping keys are not allowed in this context",
     "found '?' in the middle of a value, expected a value"},
    {"block sequence entries are not allowed in this context",
     "found '- ' in the middle of a value, expected a list to begin on a line of its own"},
    {"could not find expected ':'", "^found a key without a value, expected ':' after it"},
    {"found unexpected end of stream", "^found a text without its closing quote"},
    {"found unexpected document indicator",
     "found the end of the document in a text, expected its closing quote"},
    {"found unknown escape character", "found an unknown escape, expected \\n, \\t, \\\", \\\\, "
                                       "\\x41, \\u0041 or single quotes around "
                                       "the text"},
    {"did not find expected hexdecimal number", "found %s, expected a hexadecimal digit"},
    {"found invalid Unicode character escape code",
     "found an escape that is no character, expected one up to 10FFFF and no surrogate"},
    {TAB, "found a tab, expected blanks as indentation"},
    {"found a tab character where an indentation space is expected",
     "found a tab, expected blanks as indentation"},
    {"found a tab character where an intendation space is expected",
     "found a tab, expected blanks as indentation"},
    {"did not find expected alphabetic or numeric character",
     "found %s, expected a name of letters and digits"},
    {"did not find expected comment or line break", "found %s, expected the end of the line"},
    {"did not find expected <document start>", "found %s, expected the end of the text"},
    {"did not find expected key",
     "found %s, expected a key as far to the right as the others of its mapping"},
    {"did not find expected '-' indicator",
     "found %s, expected '- ' as far to the right as the others of its list"},
    {"did not find expected node content", "found %s, expected a value"},
    {"found undefined tag handle", "^found an unknown tag, expected none, or a standard one"},
    {"found duplicate %YAML directive", "^found a second directive, expected one"},
    {"found incompatible YAML document", "^found another version, expected YAML 1.1 or 1.2"},
};

// The byte of the character at a mark.
static const char *byte_at(const char *text, size_t len, size_t index)
{
    const char *p = text, *end = text + len;

    for (size_t i = 0; p < end && i < index; i++)
        for (p++; p < end && ((unsigned char)*p & 0xc0) == 0x80;)
            p++;
    return p;
}

static char *what_is_at(const char *p, const char *end)
{
    char character[5] = "";

    if (p >= end)
        return xstrdup("the end of the text");
    if (*p == '\n' || *p == '\r')
        return xstrdup("the end of the line");
    if (*p == '\t')
        return xstrdup("a tab");
    memcpy(character, p, end - p < 4 ? (size_t)(end - p) : 4);
    size_t n = str_printable(character);
    if (n == 0)
        return xasprintf("the byte 0x%02x", (unsigned char)*p);
    return xasprintf("'%.*s'", (int)n, p);
}

// Bytes that are no text at all; libyaml gives their offset alone.
static int explain_bytes(const yaml_parser_t *parser, const char *text, size_t len, struct diag *d)
{
    size_t offset = parser->problem_offset < len ? parser->problem_offset : len;
    int line = 1, column = 1;

    for (const char *p = text; p < text + offset; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*p & 0xc0) != 0x80) {
            column++;
        }
    }
    if (strcmp(parser->problem, "control characters are not allowed") == 0)
        return diag_add(d, line, column,
                        "found the character 0x%02x, expected none that controls; in double quotes "
                        "it is an escape",
                        (unsigned)parser->problem_value);
    return diag_add(d, line, column, "found bytes that are not UTF-8");
}

static const char *saying_of(const char *problem)
{
    for (size_t i = 0; i < sizeof sayings / sizeof *sayings; i++)
        if (strcmp(problem, sayings[i].problem) == 0)
            return sayings[i].text;
    return NULL;
}

int yaml_explain(const yaml_parser_t *parser, const char *text, size_t len, struct diag *d)
{
    static const char wanted[] = "did not find expected ";
    yaml_mark_t at = parser->problem_mark;

    if (parser->error == YAML_READER_ERROR)
        return explain_bytes(parser, text, len, d);
    const char *byte = byte_at(text, len, at.index);
    const char *problem = parser->problem == NULL ? "out of memory" : parser->problem;
    if (byte < text + len && *byte == '\t')
        problem = TAB;
    const char *pattern = saying_of(problem);
    if (pattern != NULL && *pattern == '^') {
        pattern++;
        at = parser->context_mark;
    }

    char *what = what_is_at(byte_at(text, len, at.index), text + len);
    const char *hole = pattern == NULL ? NULL : strstr(pattern, "%s");
    struct buf message = {0};
    if (hole != NULL) {
        buf_append(&message, pattern, (size_t)(hole - pattern));
        buf_puts(&message, what);
        buf_puts(&message, hole + 2);
    } else if (pattern != NULL) {
        buf_puts(&message, pattern);
    } else if (strncmp(problem, wanted, strlen(wanted)) == 0) {
        buf_printf(&message, "found %s, expected %s, as what began in line %zu goes on", what,
                   problem + strlen(wanted), parser->context_mark.line + 1);
    } else {
        buf_printf(&message, "found what is no YAML at %s: %s", what, problem);
    }
    diag_add(d, (int)at.line + 1, (int)at.column + 1, "%s", message.data);
    buf_done(&message);
    free(what);
    return -EINVAL;
}
