#include "worker/runner/reference.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/str.h"

// RFC 3986 section 2; '%' and all that is reserved is let through.
static bool has_place(unsigned char c)
{
    return c > ' ' && c < 0x7f && strchr("\"<>\\^`{|}", c) == NULL;
}

// The reference without its fragment, in characters that URLs have.
static char *spell(const char *text, size_t len)
{
    struct buf b = {0};
    bool in_query = false;

    while (len > 0 && (unsigned char)text[len - 1] <= ' ')
        len--;
    for (; len > 0 && (unsigned char)*text <= ' '; len--)
        text++;
    for (size_t i = 0; i < len && text[i] != '#'; i++) {
        char c = text[i];
        if (c == '\t' || c == '\r' || c == '\n')
            continue;
        in_query = in_query || c == '?';
        if (c == '\\' && !in_query)
            c = '/';
        if (has_place((unsigned char)c))
            buf_append(&b, &c, 1);
        else
            buf_printf(&b, "%%%02X", (unsigned char)c);
    }
    return buf_take(&b);
}

// RFC 3986 section 3.1, without the colon; 0: there is none.
static size_t scheme_length(const char *text)
{
    size_t n = 0;

    if (!isalpha((unsigned char)*text))
        return 0;
    while (isalnum((unsigned char)text[n]) || text[n] == '+' || text[n] == '-' || text[n] == '.')
        n++;
    return text[n] == ':' ? n : 0;
}

// RFC 3986 section 5.2.4, for a path that begins with '/'.
static void append_path(struct buf *out, const char *path, size_t len)
{
    const char *end = path + len;

    while (path < end) {
        const char *next = memchr(path + 1, '/', (size_t)(end - path - 1));
        if (next == NULL)
            next = end;
        size_t n = (size_t)(next - path);
        bool is_here = n == 2 && path[1] == '.';
        bool is_up = n == 3 && path[1] == '.' && path[2] == '.';
        while (is_up && out->len > 0 && out->data[--out->len] != '/')
            ;
        if (!is_here && !is_up)
            buf_append(out, path, n);
        else if (next == end)
            buf_puts(out, "/");
        path = next;
    }
}

// RFC 3986 section 5.2.2, from the path on. base: "/" behind an authority of the reference's own.
static char *resolve_target(const char *base, const char *ref)
{
    size_t path_len = strcspn(ref, "?"), base_len = strcspn(base, "?");
    struct buf merged = {0}, out = {0};

    if (path_len == 0) {
        buf_append(&out, base, ref[0] == '?' ? base_len : strlen(base));
    } else if (ref[0] == '/') {
        append_path(&out, ref, path_len);
    } else {
        while (base[base_len - 1] != '/')
            base_len--;
        buf_append(&merged, base, base_len);
        buf_append(&merged, ref, path_len);
        append_path(&out, merged.data, merged.len);
        buf_done(&merged);
    }
    buf_puts(&out, ref + path_len);
    return buf_take(&out);
}

// Scheme, host and port of an authority that is not the base's.
static int parse_authority(bool tls, const char *text, size_t len, struct plan_url *url)
{
    struct diag d = {0};
    char *root = xasprintf("http%s://%.*s/", tls ? "s" : "", (int)len, text);

    int r = plan_url_parse(root, &d, 0, 0, url);
    diag_done(&d);
    free(root);
    return r;
}

static int resolve(const struct plan_url *base, const char *ref, struct plan_url *url)
{
    const char *base_target = base->target;
    size_t scheme = scheme_length(ref);
    bool tls = base->tls;

    if (scheme > 0) {
        tls = scheme == 5 && strncasecmp(ref, "https", 5) == 0;
        if (!tls && (scheme != 4 || strncasecmp(ref, "http", 4) != 0))
            return -EPROTONOSUPPORT;
        ref += scheme + 1;
    }
    if (strncmp(ref, "//", 2) == 0) {
        size_t len = strcspn(ref + 2, "/?");
        int r = parse_authority(tls, ref + 2, len, url);
        if (r < 0)
            return r;
        ref += 2 + len;
        base_target = "/";
    } else if (scheme > 0) {
        return -EINVAL;
    } else {
        *url = (struct plan_url){.tls = tls, .port = base->port};
        url->host = xstrdup(base->host);
        url->authority = xstrdup(base->authority);
    }
    free(url->target);
    free(url->text);
    url->target = resolve_target(base_target, ref);
    url->text = xasprintf("http%s://%s%s", tls ? "s" : "", url->authority, url->target);
    return strlen(url->text) > PLAN_URL_MAX ? -EINVAL : 0;
}

int reference_resolve(const struct plan_url *base, const char *text, size_t len,
                      struct plan_url *ret_url)
{
    struct plan_url url = {0};

    if (len > PLAN_URL_MAX)
        return -EINVAL;
    char *ref = spell(text, len);
    int r = resolve(base, ref, &url);
    free(ref);
    if (r < 0)
        plan_url_done(&url);
    else
        *ret_url = url;
    return r;
}
