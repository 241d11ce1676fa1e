// A letter of a type and a path on the first line, a text below it.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/script/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const fields[] = {"Content-Type", "text/plain", "Set-Cookie", "a=1",
                                     "set_cookie",   "b=2",        "X-Id",       ""};

static bool is_same_text(const struct value *a, const struct value *b)
{
    return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

// A spelling stays as it is.
static void set_again(const struct value *v)
{
    struct value again = {0};

    assert(value_set(&again, v->type, v->is_quoted, v->text, v->len) == 0);
    assert(again.type == v->type && is_same_text(v, &again));
    value_done(&again);
}

static void infer(const char *text, size_t len)
{
    struct value v = {0}, again = {0};
    bool is_whole;
    int64_t n;
    double x;

    value_infer(&v, text, len);
    value_infer(&again, v.text, v.len);
    // 5e1 is a double, 50 is not.
    assert(is_same_text(&v, &again) && (v.type == again.type || v.type == VALUE_DOUBLE));
    value_done(&v);
    value_done(&again);
    value_arithmetic(text, len, &is_whole, &n, &x);
}

static void find(struct value *v, const char *path)
{
    struct buf out = {0};
    char why[100] = "";
    size_t n_quotes = 0;

    buf_puts(&out, "");
    int r = value_append(v, path, &out, why, sizeof why);
    assert((r < 0) == (why[0] != '\0'));
    if (r < 0 && out.len > 0)
        n_quotes = 2;
    assert(r == 0 || out.len == n_quotes);
    // By and by it is parsed: the same again and again.
    size_t len = out.len;
    for (int i = 0; i < 25; i++) {
        out.len = len;
        assert(value_append(v, path, &out, NULL, 0) == r);
        assert(out.len == 2 * len && memcmp(out.data, out.data + len, len) == 0);
    }
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *line = size > 0 ? memchr(text, '\n', size) : NULL;
    struct value v = {0};

    if (line == NULL || line == text)
        return 0;
    char *path = strndup(text + 1, (size_t)(line - text - 1));
    size_t len = size - (size_t)(line - text) - 1;
    unsigned type = (unsigned char)*text % (2 * VALUE__COUNT), body = type % 4 + VALUE_STRING;
    if (type % VALUE__COUNT == VALUE_RESPONSE)
        value_set_response(&v, 200, "OK", fields, sizeof fields / sizeof *fields / 2, body,
                           *text & 1, line + 1, len);
    else if (value_set(&v, type % VALUE__COUNT, type >= VALUE__COUNT, line + 1, len) == 0)
        set_again(&v);
    find(&v, path);
    infer(line + 1, len);
    value_done(&v);
    free(path);
    return 0;
}
