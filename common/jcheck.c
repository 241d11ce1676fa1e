#include "common/jcheck.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/jtext.h"

void jcheck_init(struct jcheck *c, const char *text, size_t len, struct diag *d)
{
    *c = (struct jcheck){.text = text, .len = len, .d = d};
    buf_puts(&c->pointer, "");
    buf_puts(&c->name, "");
}

void jcheck_done(struct jcheck *c)
{
    buf_done(&c->pointer);
    buf_done(&c->name);
}

// RFC 6901 section 4.
static void add_segment(struct buf *pointer, const char *key)
{
    buf_puts(pointer, "/");
    for (; *key != '\0'; key++) {
        if (*key == '~' || *key == '/')
            buf_puts(pointer, *key == '~' ? "~0" : "~1");
        else
            buf_append(pointer, key, 1);
    }
}

struct jcheck_place jcheck_key(struct jcheck *c, const char *key)
{
    struct jcheck_place back = {c->pointer.len, c->name.len};

    add_segment(&c->pointer, key);
    buf_puts(&c->name, c->name.len > 0 ? "." : "");
    buf_puts(&c->name, key);
    return back;
}

struct jcheck_place jcheck_index(struct jcheck *c, size_t i)
{
    struct jcheck_place back = {c->pointer.len, c->name.len};

    buf_printf(&c->pointer, "/%zu", i);
    buf_printf(&c->name, "[%zu]", i);
    return back;
}

static void cut(struct buf *b, size_t len)
{
    b->len = len;
    b->data[len] = '\0';
}

void jcheck_leave(struct jcheck *c, struct jcheck_place back)
{
    cut(&c->pointer, back.pointer_len);
    cut(&c->name, back.name_len);
}

static int locate(const struct jcheck *c, const char *pointer, bool key, int *line, int *column)
{
    if (c->places != NULL)
        return places_locate(c->places, pointer, key, line, column);
    if (c->len == 0) // what was checked has no text
        return -ENOENT;
    return jtext_locate(c->text, c->len, pointer, key, line, column);
}

static int complain(struct jcheck *c, bool key, const char *text)
{
    char *pointer = xstrdup(c->pointer.data), *slash;
    int line = 0, column = 0;

    // A value may be none of the text: made from another one.
    if (locate(c, pointer, key, &line, &column) < 0)
        while ((slash = strrchr(pointer, '/')) != NULL) {
            *slash = '\0';
            if (locate(c, pointer, false, &line, &column) == 0)
                break;
        }
    free(pointer);
    return diag_add(c->d, line, column, "%s%s%s", c->name.data, c->name.len > 0 ? ": " : "", text);
}

// Entries past the maximum are only counted: no work for what nobody reads, and a limit to what a
// text full of mistakes can cost.
static bool is_full(const struct jcheck *c)
{
    return c->d->n >= DIAG_MAX;
}

int jcheck_fail(struct jcheck *c, const char *fmt, ...)
{
    va_list ap;

    if (is_full(c))
        return diag_add(c->d, 0, 0, "%s", "");
    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    int r = complain(c, false, text);
    free(text);
    return r;
}

int jcheck_fail_key(struct jcheck *c, const char *key, const char *fmt, ...)
{
    size_t pointer_len = c->pointer.len;
    va_list ap;

    if (is_full(c))
        return diag_add(c->d, 0, 0, "%s", "");
    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    add_segment(&c->pointer, key);
    int r = complain(c, true, text);
    cut(&c->pointer, pointer_len);
    free(text);
    return r;
}

int jcheck_unknown(struct jcheck *c, const char *key, const char *const *known, size_t n_known)
{
    char quote[JTEXT_QUOTE_SIZE];

    if (is_full(c))
        return diag_add(c->d, 0, 0, "%s", "");
    const char *nearest = str_nearest(key, known, n_known);
    json_t *json = json_string(key);
    jtext_quote(json, quote, sizeof quote);
    json_decref(json);
    if (nearest != NULL)
        return jcheck_fail_key(c, key, "unknown key %s, did you mean \"%s\"?", quote, nearest);
    return jcheck_fail_key(c, key, "unknown key %s", quote);
}

static int wrong_type(struct jcheck *c, const json_t *json, const char *expected)
{
    char quote[JTEXT_QUOTE_SIZE];

    return jcheck_fail(c, "found %s, expected %s", jtext_quote(json, quote, sizeof quote),
                       expected);
}

int jcheck_object(struct jcheck *c, const json_t *json)
{
    return json_is_object(json) ? 0 : wrong_type(c, json, "an object");
}

int jcheck_list(struct jcheck *c, const json_t *json)
{
    return json_is_array(json) ? 0 : wrong_type(c, json, "a list");
}

int jcheck_text(struct jcheck *c, const json_t *json, const char **ret_text)
{
    const char *plain = NULL;

    if (c->places != NULL && (json_is_number(json) || json_is_boolean(json)))
        plain = places_text(c->places, c->pointer.data);
    if (plain == NULL && !json_is_string(json))
        return wrong_type(c, json, c->places != NULL ? "a text" : "a text in double quotes");
    *ret_text = plain != NULL ? plain : json_string_value(json);
    return 0;
}

int jcheck_bool(struct jcheck *c, const json_t *json, bool *ret_value)
{
    if (!json_is_boolean(json))
        return wrong_type(c, json, "true or false");
    *ret_value = json_is_true(json);
    return 0;
}

int jcheck_u64(struct jcheck *c, const json_t *json, uint64_t min, uint64_t max,
               uint64_t *ret_value)
{
    json_int_t v = json_integer_value(json);
    char range[64];

    if (!json_is_integer(json) || v < 0 || (uint64_t)v < min || (uint64_t)v > max) {
        snprintf(range, sizeof range, "%s%" PRIu64 " to %" PRIu64,
                 json_is_integer(json) ? "" : "a whole number, ", min, max);
        return wrong_type(c, json, range);
    }
    *ret_value = (uint64_t)v;
    return 0;
}
