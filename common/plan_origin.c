// The URL of a request: what is known of it when the plan is read (scheme, host, port), and the
// template that is left for each request.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/plan_impl.h"
#include "common/script/tmpl.h"
#include "common/str.h"

// Stands for the base of an iteration that no round refers to.
#define ANY_BASE "http://localhost"

struct origin {
    struct plan_reader *r;
    struct buf known;  // "https://host:8080", as text
    struct buf target; // template
    bool is_known;
};

static bool is_absolute(const char *text)
{
    return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

static bool is_word(char c)
{
    return c == '$' || c == '{' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

// As a template. At the end of the text more may follow.
static void append_escaped(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        buf_append(out, text, 1);
        if (*text == '$' && (text[1] == '\0' || is_word(text[1])))
            buf_puts(out, "$");
    }
}

// Plain text, while the origin is not known whole.
static void add_known(struct origin *o, const char *text, size_t len)
{
    char *slashes;

    buf_append(&o->known, text, len);
    if (o->known.data == NULL || (slashes = strstr(o->known.data, "://")) == NULL)
        return;
    size_t n = strcspn(slashes + 3, "/?#");
    if (slashes[3 + n] == '\0')
        return;
    o->is_known = true;
    append_escaped(&o->target, slashes + 3 + n);
    o->known.len = (size_t)(slashes + 3 + n - o->known.data);
    o->known.data[o->known.len] = '\0';
}

static int add_placeholder(struct origin *o, const char *text, size_t len, bool is_last)
{
    char *known;

    if (!o->is_known) {
        const char *slash = text[1] == '{' ? NULL : memchr(text, '/', len);
        int result = plan_render(o->r, text, len, false, slash != NULL, &known);
        if (result < 0 && slash != NULL && !o->r->is_unset)
            jcheck_fail(&o->r->c,
                        "found \"%.*s\", a path into a variable; a path behind it is "
                        "\"${%.*s}%.*s\"",
                        (int)len, text, (int)(slash - text - 1), text + 1,
                        (int)(text + len - slash), slash);
        if (result == 0) {
            add_known(o, known, strlen(known));
            free(known);
        }
        return result;
    }
    // What follows is no part of its name.
    if (is_last && text[1] != '{' && memchr(text, '{', len) == NULL &&
        memchr(text, '}', len) == NULL)
        buf_printf(&o->target, "${%.*s}", (int)len - 1, text + 1);
    else
        buf_append(&o->target, text, len);
    return 0;
}

// One template, or a part of it.
static int add(struct origin *o, const char *text)
{
    size_t len = strlen(text), n;
    int result = 0;

    for (size_t i = 0; i < len && result == 0; i += n) {
        if ((n = tmpl_placeholder(text + i, len - i)) > 0) {
            result = add_placeholder(o, text + i, n, i + n == len);
            continue;
        }
        n = text[i] == '$' && text[i + 1] == '$' ? 2 : 1;
        if (o->is_known)
            buf_append(&o->target, text + i, n);
        else
            add_known(o, text + i, 1);
    }
    return result;
}

// Whether a URL that begins with a placeholder stands for itself, or goes behind a base.
static bool is_whole(struct plan_reader *r, const char *text)
{
    size_t n = tmpl_placeholder(text, strlen(text));
    char *known;

    if (plan_render(r, text, n, false, true, &known) < 0)
        return false;
    bool is = is_absolute(known);
    free(known);
    return is;
}

// 0 with what goes before text: "" where nothing does; or -EINVAL with an entry.
static int find_base(struct plan_reader *r, const char *text, const char **ret_base)
{
    const char *base = r->base != NULL ? r->base : r->has_any_base ? ANY_BASE : NULL;
    bool is_placeholder = tmpl_placeholder(text, strlen(text)) > 0;

    if (is_absolute(text) || (is_placeholder && (base == NULL || is_whole(r, text)))) {
        *ret_base = "";
        return 0;
    }
    if (*text != '/' && !is_placeholder)
        return jcheck_fail(&r->c, "expected an URL that begins with http:// or https://, a path "
                                  "that begins with '/', or a placeholder");
    if (base == NULL)
        return jcheck_fail(&r->c, "found a path and a round without \"baseUrl\", expected an URL "
                                  "that begins with http:// or https://");
    *ret_base = base;
    return 0;
}

static void read_template(struct plan_reader *r, const char *text, struct plan_url *url)
{
    struct diag inner = {0};

    if (plan_check_template(r, text, false) == 0 && plan_url_parse_template(text, &inner, url) < 0)
        jcheck_fail(&r->c, "%s", inner.entry[0].text);
    diag_done(&inner);
}

// Both parts as one template with a known origin, which the caller frees; NULL with an entry.
static char *join(struct plan_reader *r, const char *base, const char *text)
{
    struct origin o = {.r = r};

    int result = add(&o, base);
    if (o.is_known && *text == '/' && o.target.len > 0 && o.target.data[o.target.len - 1] == '/')
        o.target.data[--o.target.len] = '\0';
    if (result == 0)
        result = add(&o, text);
    if (result == 0)
        buf_append(&o.known, o.target.data, o.target.len);
    buf_done(&o.target);
    char *whole = result == 0 ? buf_take(&o.known) : NULL;
    buf_done(&o.known);
    return whole;
}

static void read_source(struct plan_reader *r, const char *text, struct plan_url *url)
{
    const char *base = NULL;

    if (find_base(r, text, &base) < 0)
        return;
    char *whole = join(r, base, text);
    if (whole != NULL)
        read_template(r, whole, url);
    free(whole);
}

static char *trimmed(char *text)
{
    char *begin = text + strspn(text, " \t\r\n"), *out;
    size_t len = strlen(begin);

    while (len > 0 && strchr(" \t\r\n", begin[len - 1]) != NULL)
        len--;
    out = xstrndup(begin, len);
    free(text);
    return out;
}

void plan_read_url(struct plan_reader *r, json_t *request, struct plan_url *url)
{
    struct jcheck_place back;
    char *text;

    if (plan_require(r, request, "url") == NULL)
        return;
    text = plan_text(r, plan_enter(r, request, "url", &back));
    if (text != NULL && strlen(text) > PLAN_URL_MAX) {
        jcheck_fail(&r->c, "found %zu bytes, expected at most %d", strlen(text), PLAN_URL_MAX);
    } else if (text != NULL && r->source == NULL) {
        read_template(r, text, url);
    } else if (text != NULL) {
        if (tmpl_is_needed(text, strlen(text)))
            text = trimmed(text);
        read_source(r, text, url);
    }
    free(text);
    jcheck_leave(&r->c, back);
}

char *plan_read_base(struct plan_reader *r, json_t *round)
{
    struct jcheck_place back;
    json_t *value = plan_enter(r, round, "baseUrl", &back);
    struct plan_url url = {0};
    char *text, *whole = NULL;

    if (value == NULL)
        return NULL;
    text = plan_text(r, value);
    if (text != NULL)
        text = trimmed(text);
    if (text != NULL && *text != '\0') {
        if (!is_absolute(text) && tmpl_placeholder(text, strlen(text)) == 0)
            jcheck_fail(&r->c, "expected an URL that begins with http:// or https://, or a "
                               "placeholder");
        else
            whole = join(r, "", text);
        if (whole != NULL)
            read_template(r, whole, &url);
    }
    // What is wrong here is not wrong again in each URL below.
    r->has_any_base = text != NULL && *text != '\0' && url.text == NULL;
    if (url.text == NULL) {
        free(whole);
        whole = NULL;
    }
    plan_url_done(&url);
    free(text);
    jcheck_leave(&r->c, back);
    return whole;
}
