#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/script/regex.h"
#include "common/script/text.h"
#include "common/script/value_impl.h"

// Appends the number that stands in brackets as arithmetic; false: it is none.
static bool append_result(const char *text, size_t len, struct buf *out)
{
    char number[24];
    bool is_whole;
    int64_t n;
    double x;

    if (value_arithmetic(text, len, &is_whole, &n, &x) < 0)
        return false;
    if (!is_whole && fabs(x) > INT32_MAX)
        return false;
    snprintf(number, sizeof number, "%lld", is_whole ? (long long)n : llrint(x));
    buf_puts(out, number);
    return true;
}

// The path with the arithmetic in its brackets worked out: itself, or kept in *keep.
static const char *work_out(const char *path, struct buf *keep)
{
    const char *done = path, *close;
    size_t depth = 0;

    for (const char *p = path; *p != '\0'; p++) {
        if (depth > 0 && (*p == '\'' || *p == '"')) {
            close = strchr(p + 1, *p);
            if (close == NULL)
                break;
            p = close;
        } else if (*p == ']') {
            depth -= depth > 0;
        } else if (*p == '[') {
            depth++;
            size_t len = strspn(p + 1, "0123456789 .+-*/()");
            if (p[1 + len] != ']' || len == strspn(p + 1, "0123456789"))
                continue;
            size_t before = keep->len;
            buf_append(keep, done, (size_t)(p + 1 - done));
            if (append_result(p + 1, len, keep))
                done = p + 1 + len;
            else
                keep->len = before;
        }
    }
    if (done == path)
        return path;
    buf_puts(keep, done);
    return keep->data;
}

// --- The head of a response ---

// Letter case aside, and with is_loose '-' and '_' too.
static bool is_header(const char *field, const char *name, size_t len, bool is_loose)
{
    const char *end = name + len;

    if (!is_loose)
        return text_is(name, len, field);
    for (;;) {
        field += strspn(field, "-_");
        while (name < end && (*name == '-' || *name == '_'))
            name++;
        if (*field == '\0' || name == end)
            return *field == '\0' && name == end;
        if (strncasecmp(field++, name++, 1) != 0)
            return false;
    }
}

// Values of these have commas of their own, or are useless together.
static bool needs_index(const char *field)
{
    static const char *const names[] = {"Set-Cookie", "WWW-Authenticate", "Proxy-Authenticate",
                                        "Authentication-Info", "Proxy-Authentication-Info"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(field, names[i]) == 0)
            return true;
    return false;
}

// Index -1: all of them, with commas between. The number that was found, or -EINVAL.
static int append_fields(const struct value_head *head, const char *name, size_t len, bool is_loose,
                         int index, struct buf *out)
{
    int n = 0;

    for (size_t i = 0; i < head->n_fields; i++) {
        const char *field = head->fields[2 * i], *text = head->fields[2 * i + 1];
        if (!is_header(field, name, len, is_loose))
            continue;
        if (index < 0 && needs_index(field))
            return -EINVAL;
        if (index < 0 && n > 0)
            buf_puts(out, ",");
        if (index < 0 || n == index)
            buf_puts(out, text);
        n++;
    }
    return n;
}

// "Name" or "Name[1]".
static int append_header(const struct value_head *head, const char *path, struct buf *out,
                         char *why, size_t size)
{
    size_t len = strcspn(path, "[");
    const char *bracket = path + len;
    int index = -1;

    if (*bracket != '\0') {
        int64_t n;
        if (bracket[strlen(bracket) - 1] != ']' ||
            value_parse_int(bracket + 1, strlen(bracket) - 2, &n) < 0 || n < 0 || n > INT32_MAX) {
            snprintf(why, size, "found %s, expected the number of a value, from 0", bracket);
            return -EINVAL;
        }
        index = (int)n;
    }
    int n = append_fields(head, path, len, false, index, out);
    if (n == 0)
        n = append_fields(head, path, len, true, index, out);
    if (n < 0) {
        snprintf(why, size, "%.*s may come several times: expected which, as in %.*s[0]", (int)len,
                 path, (int)len, path);
        return -EINVAL;
    }
    if (n > index && n > 0)
        return 0;
    if (n == 0)
        snprintf(why, size, "there is no header %.*s", (int)len, path);
    else
        snprintf(why, size, "there is no %.*s[%d]: it came %d times", (int)len, path, index, n);
    return -ENOENT;
}

// --- Any ---

static int append_at(const struct value *v, enum value_type type, const char *path, struct buf *out,
                     char *why, size_t size)
{
    if (*path == '\0') {
        buf_append(out, v->text, v->len);
        return 0;
    }
    if (type != VALUE_JSON && type != VALUE_XML && type != VALUE_CSV) {
        snprintf(why, size, "a text has no paths: it is no Json, Xml or Csv");
        return -ENOTSUP;
    }
    return value_find(v, type, path, out, why, size);
}

// What was appended from begin on becomes its first match; 0, or -ENOENT and it is gone.
static int cut(const struct regex *regex, size_t begin, struct buf *out, char *why, size_t size)
{
    size_t at = 0, len = 0;

    buf_puts(out, ""); // so that there is data
    int r = regex_find(regex, out->data + begin, out->len - begin, &at, &len);
    memmove(out->data + begin, out->data + begin + at, len);
    out->len = begin + len;
    out->data[out->len] = '\0';
    if (r < 0)
        snprintf(why, size, r == -E2BIG ? "its regex takes too long" : "its regex matches nothing");
    return r < 0 ? -ENOENT : 0;
}

static int append_quotable(const struct value *v, enum value_type type, const char *path,
                           struct buf *out, char *why, size_t size)
{
    if (v->is_quoted)
        buf_puts(out, "\"");
    const struct regex *regex =
        v->type == VALUE_RESPONSE && *path != '\0' ? v->shared->head->regex : NULL;
    size_t begin = out->len;
    int r = append_at(v, type, path, out, why, size);
    if (r == 0 && regex != NULL)
        r = cut(regex, begin, out, why, size);
    if (v->is_quoted)
        buf_puts(out, "\"");
    return r;
}

static int append_response(const struct value *v, const char *path, struct buf *out, char *why,
                           size_t size)
{
    const struct value_head *head = v->shared->head;
    const char *word = path + (*path == '.'), *rest = word + strcspn(word, ".[/");
    size_t len = (size_t)(rest - word);
    char status[16];

    if (*path == '\0' || (*path == '.' && text_is(word, len, "Body")))
        return append_quotable(v, v->body_type, rest, out, why, size);
    if (*path == '.' && text_is(word, len, "Headers") && *rest == '.')
        return append_header(head, rest + 1, out, why, size);
    if (*path == '.' && *rest == '\0' && text_is(word, len, "StatusCode")) {
        snprintf(status, sizeof status, "%u", head->status);
        buf_puts(out, status);
        return 0;
    }
    if (*path == '.' && *rest == '\0' && text_is(word, len, "StatusReason")) {
        buf_puts(out, head->reason);
        return 0;
    }
    snprintf(why, size,
             "found %s, expected .Body, .StatusCode, .StatusReason or .Headers.Name of a response",
             path);
    return -ENOTSUP;
}

int value_append(const struct value *v, const char *path, struct buf *out, char *why, size_t size)
{
    struct buf keep = {0};
    char unread[1];
    int r;

    if (why == NULL) {
        why = unread;
        size = sizeof unread;
    }
    switch (v->type) {
    case VALUE_UNDEFINED:
        return 0;
    case VALUE_INT:
    case VALUE_FLOAT:
    case VALUE_DOUBLE:
    case VALUE_DECIMAL:
    case VALUE_BOOL:
        buf_append(out, v->text, v->len);
        return 0;
    case VALUE_RESPONSE:
        r = append_response(v, work_out(path, &keep), out, why, size);
        break;
    default:
        r = append_quotable(v, v->type, work_out(path, &keep), out, why, size);
        break;
    }
    buf_done(&keep);
    return r;
}
