#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/script/expr_impl.h"

// Places in texts are counted as .NET does, in units of UTF-16.
static size_t units_of(const char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        n += (c & 0xc0) != 0x80;
        n += c >= 0xf0;
    }
    return n;
}

// Where unit n begins, in bytes; the end where there are fewer.
static size_t byte_of(const struct expr_item *a, size_t n)
{
    size_t i = 0;

    while (i < a->len && n > 0) {
        size_t units = (unsigned char)a->text[i] >= 0xf0 ? 2 : 1;
        n -= units < n ? units : n;
        for (i++; i < a->len && ((unsigned char)a->text[i] & 0xc0) == 0x80; i++)
            ;
    }
    return i;
}

static int out_of_range(struct expr_run *run, const struct expr_item *a)
{
    return expr_complain(&run->complaint, a, "found %.*s outside of the text",
                         (int)(a->to - a->from), run->e->source + a->from);
}

static int map_case(const struct expr_invocation *c, int (*map)(int c), struct expr_item *ret)
{
    const struct expr_item *a = c->a;
    char *text;

    int r = expr_make_text(c->run, a->len, &text);
    if (r < 0)
        return r;
    for (size_t i = 0; i < a->len; i++)
        text[i] = a->text[i] >= 0 ? (char)map(a->text[i]) : a->text[i];
    expr_set_text(ret, text, a->len);
    return 0;
}

int expr_text_to_upper(const struct expr_invocation *c, struct expr_item *ret)
{
    return map_case(c, toupper, ret);
}

int expr_text_to_lower(const struct expr_invocation *c, struct expr_item *ret)
{
    return map_case(c, tolower, ret);
}

int expr_text_length(const struct expr_invocation *c, struct expr_item *ret)
{
    const struct expr_item *a = c->a;

    expr_set_int(ret, (int64_t)units_of(a->text, a->len));
    return 0;
}

static int trim_ends(const struct expr_item *a, bool start, bool end, struct expr_item *ret)
{
    const char *from = a->text;
    size_t len = a->len;

    for (; start && len > 0 && text_is_blank(*from); len--)
        from++;
    while (end && len > 0 && text_is_blank(from[len - 1]))
        len--;
    expr_set_text(ret, from, len);
    return 0;
}

int expr_text_trim(const struct expr_invocation *c, struct expr_item *ret)
{
    return trim_ends(c->a, true, true, ret);
}

int expr_text_trim_start(const struct expr_invocation *c, struct expr_item *ret)
{
    return trim_ends(c->a, true, false, ret);
}

int expr_text_trim_end(const struct expr_invocation *c, struct expr_item *ret)
{
    return trim_ends(c->a, false, true, ret);
}

static bool is_at(const struct expr_item *a, size_t at, const struct expr_item *part,
                  bool ignores_case)
{
    if (a->len < part->len || at > a->len - part->len)
        return false;
    for (size_t i = 0; i < part->len; i++) {
        int x = (unsigned char)a->text[at + i], y = (unsigned char)part->text[i];
        if (x != y && (!ignores_case || tolower(x) != tolower(y)))
            return false;
    }
    return true;
}

// The first place of part in a, or the last; SIZE_MAX: none.
static size_t find(const struct expr_item *a, const struct expr_item *part, bool ignores_case)
{
    if (!ignores_case) {
        const char *found = memmem(a->text, a->len, part->text, part->len);
        return found == NULL ? SIZE_MAX : (size_t)(found - a->text);
    }
    for (size_t i = 0; i + part->len <= a->len; i++)
        if (is_at(a, i, part, true))
            return i;
    return SIZE_MAX;
}

// Whether the last argument says that letter case does not matter.
static bool ignores_case(const struct expr_invocation *c)
{
    return c->a[c->n - 1].type == EXPR_COMPARISON && c->a[c->n - 1].b;
}

int expr_text_contains(const struct expr_invocation *c, struct expr_item *ret)
{
    const struct expr_item *a = c->a;

    expr_set_bool(ret, find(a, &a[1], ignores_case(c)) != SIZE_MAX);
    return 0;
}

int expr_text_starts_with(const struct expr_invocation *c, struct expr_item *ret)
{
    const struct expr_item *a = c->a;

    expr_set_bool(ret, is_at(a, 0, &a[1], ignores_case(c)));
    return 0;
}

int expr_text_ends_with(const struct expr_invocation *c, struct expr_item *ret)
{
    const struct expr_item *a = c->a;

    expr_set_bool(ret, a->len >= a[1].len && is_at(a, a->len - a[1].len, &a[1], ignores_case(c)));
    return 0;
}

int expr_text_equals(const struct expr_invocation *c, struct expr_item *ret)
{
    const struct expr_item *a = c->a;

    expr_set_bool(ret, a[1].type == EXPR_TEXT && a->len == a[1].len &&
                           is_at(a, 0, &a[1], ignores_case(c)));
    return 0;
}

int expr_text_index_of(const struct expr_invocation *c, struct expr_item *ret)
{
    const struct expr_item *a = c->a;
    size_t found = find(a, &a[1], ignores_case(c));

    expr_set_int(ret, found == SIZE_MAX ? -1 : (int64_t)units_of(a->text, found));
    return 0;
}

int expr_text_last_index_of(const struct expr_invocation *c, struct expr_item *ret)
{
    const struct expr_item *a = c->a;

    expr_set_int(ret, -1);
    for (size_t i = a->len + 1; i-- > 0 && ret->n < 0;)
        if (is_at(a, i, &a[1], ignores_case(c)))
            expr_set_int(ret, (int64_t)units_of(a->text, i));
    return 0;
}

// Units a[1] and, where given, a[2] many, as bytes.
static int range_of(const struct expr_invocation *c, size_t n, size_t *ret_from, size_t *ret_to)
{
    const struct expr_item *a = c->a;

    int64_t units = (int64_t)units_of(a->text, a->len);

    if (a[1].n < 0 || a[1].n > units)
        return out_of_range(c->run, &a[1]);
    if (n > 2 && (a[2].n < 0 || a[2].n > units - a[1].n))
        return out_of_range(c->run, &a[2]);
    *ret_from = byte_of(a, (size_t)a[1].n);
    *ret_to = n > 2 ? byte_of(a, (size_t)(a[1].n + a[2].n)) : a->len;
    return 0;
}

int expr_text_substring(const struct expr_invocation *c, struct expr_item *ret)
{
    const struct expr_item *a = c->a;
    size_t from, to;

    int r = range_of(c, c->n, &from, &to);
    if (r == 0)
        expr_set_text(ret, a->text + from, to - from);
    return r;
}

int expr_text_remove_range(const struct expr_invocation *c, struct expr_item *ret)
{
    const struct expr_item *a = c->a;
    size_t from, to;
    char *text;

    int r = range_of(c, c->n, &from, &to);
    if (r == 0)
        r = expr_make_text(c->run, a->len - (to - from), &text);
    if (r < 0)
        return r;
    memcpy(text, a->text, from);
    memcpy(text + from, a->text + to, a->len - to);
    expr_set_text(ret, text, a->len - (to - from));
    return 0;
}

int expr_text_insert(const struct expr_invocation *c, struct expr_item *ret)
{
    const struct expr_item *a = c->a;
    size_t from, to;
    char *text;

    int r = range_of(c, 2, &from, &to);
    if (r == 0)
        r = expr_make_text(c->run, a->len + a[2].len, &text);
    if (r < 0)
        return r;
    memcpy(text, a->text, from);
    memcpy(text + from, a[2].text, a[2].len);
    memcpy(text + from + a[2].len, a->text + from, a->len - from);
    expr_set_text(ret, text, a->len + a[2].len);
    return 0;
}

int expr_text_replace(const struct expr_invocation *c, struct expr_item *ret)
{
    const struct expr_item *a = c->a;
    bool any_case = ignores_case(c);
    struct expr_item rest = *a;
    size_t len = a->len, found;
    char *text, *to;

    if (a[1].len == 0)
        return expr_complain(&c->run->complaint, &a[1],
                             "found nothing to replace, expected a text");
    for (; (found = find(&rest, &a[1], any_case)) != SIZE_MAX; len = len - a[1].len + a[2].len)
        expr_set_text(&rest, rest.text + found + a[1].len, rest.len - found - a[1].len);
    int r = expr_make_text(c->run, len, &text);
    if (r < 0)
        return r;
    rest = *a;
    for (to = text; (found = find(&rest, &a[1], any_case)) != SIZE_MAX;) {
        memcpy(to, rest.text, found);
        memcpy(to + found, a[2].text, a[2].len);
        to += found + a[2].len;
        expr_set_text(&rest, rest.text + found + a[1].len, rest.len - found - a[1].len);
    }
    memcpy(to, rest.text, rest.len);
    expr_set_text(ret, text, len);
    return 0;
}
