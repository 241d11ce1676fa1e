#include "common/plan.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/plan_impl.h"
#include "common/script/tmpl.h"
#include "common/str.h"

#define HOST_MAX         253 // RFC 1035 section 2.3.4, as text
#define HEADER_NAME_MAX  256
#define HEADER_VALUE_MAX 16384

bool plan_has_placeholder(const char *text)
{
    for (const char *p = strchr(text, '$'); p != NULL; p = strchr(p + 1, '$'))
        if (p[1] == '{' || p[1] == '$' || isalnum((unsigned char)p[1]))
            return true;
    return false;
}

// An URL while it is taken apart, with the place to complain about.
struct parse {
    struct diag *d;
    int line, column;
    bool is_template; // of the target
    struct plan_url *url;
};

#define bad(p, ...) diag_add((p)->d, (p)->line, (p)->column, __VA_ARGS__)

// Bytes as messages show them.
static const char *shown(unsigned char c, char out[8])
{
    snprintf(out, 8, c == ' ' ? "a blank" : c > ' ' && c <= '~' ? "'%c'" : "0x%02x", c);
    return out;
}

static int parse_port(struct parse *p, const char *text, size_t len)
{
    uint64_t port = p->url->tls ? 443 : 80;
    char *digits = xstrndup(text, len);

    int r = len == 0 ? 0 : str_parse_u64(digits, 1, 65535, &port);
    if (r < 0)
        r = bad(p, "found port \"%.20s\", expected 1 to 65535", digits);
    free(digits);
    p->url->port = (uint16_t)port;
    return r;
}

static int parse_host(struct parse *p, const char *text, size_t len)
{
    char out[8];

    if (len == 0)
        return bad(p, "found no host, expected http://host:port/path");
    if (len > HOST_MAX)
        return bad(p, "found a host of %zu bytes, expected at most %d", len, HOST_MAX);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x80)
            return bad(p, "found a host with letters beyond ASCII, expected its xn-- form");
        if (!isalnum(c) && strchr("-._", c) == NULL)
            return bad(p, "found %s in the host, expected letters, digits, '-', '.', '_'",
                       shown(c, out));
    }
    p->url->host = xstrndup(text, len);
    for (char *c = p->url->host; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    return 0;
}

// What stands between brackets: in the one spelling of RFC 5952.
static int parse_ipv6(struct parse *p, const char *text, size_t len)
{
    char spelled[INET6_ADDRSTRLEN] = "";
    struct in6_addr address;

    if (len < sizeof spelled)
        memcpy(spelled, text, len);
    if (len >= sizeof spelled || inet_pton(AF_INET6, spelled, &address) != 1)
        return bad(p, "found \"[%.*s]\", expected an IPv6 address between brackets",
                   (int)(len < 60 ? len : 60), text);
    inet_ntop(AF_INET6, &address, spelled, sizeof spelled);
    p->url->host = xstrdup(spelled);
    return 0;
}

static int parse_authority(struct parse *p, const char *text, size_t len)
{
    struct plan_url *url = p->url;
    const char *end = text + len, *port;
    int r;

    if (memchr(text, '@', len) != NULL)
        return bad(p, "found a user before '@', expected none: use an Authorization header");
    if (len > 0 && *text == '[') {
        const char *close = memchr(text, ']', len);
        if (close == NULL || (close + 1 < end && close[1] != ':'))
            return bad(p, "found \"%.*s\", expected [address] or [address]:port",
                       (int)(len < 60 ? len : 60), text);
        r = parse_ipv6(p, text + 1, (size_t)(close - text - 1));
        port = close + 1;
    } else {
        port = memchr(text, ':', len);
        if (port == NULL)
            port = end;
        r = parse_host(p, text, (size_t)(port - text));
    }
    if (r == 0)
        r = port < end ? parse_port(p, port + 1, (size_t)(end - port - 1)) : parse_port(p, port, 0);
    if (r < 0)
        return r;

    bool six = *text == '[', usual = url->port == (url->tls ? 443 : 80);
    url->authority = xasprintf("%s%s%s", six ? "[" : "", url->host, six ? "]" : "");
    if (!usual) {
        char *bare = url->authority;
        url->authority = xasprintf("%s:%u", bare, url->port);
        free(bare);
    }
    return 0;
}

// The placeholder at the beginning of a target; 0: none.
static size_t placeholder(const struct parse *p, const char *text, size_t len)
{
    return p->is_template ? tmpl_placeholder(text, len) : 0;
}

// Without the fragment.
static size_t target_length(const struct parse *p, const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++) {
        size_t skip = placeholder(p, text + i, len - i);
        if (skip > 0)
            i += skip - 1;
        else if (text[i] == '#')
            return i;
    }
    return len;
}

// RFC 3986 sections 3.3 and 3.4; brackets are let through, as everyone does in queries.
static int parse_target(struct parse *p, const char *text, size_t len)
{
    char out[8];

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        size_t skip = placeholder(p, text + i, len - i);
        if (skip > 0) {
            i += skip - 1;
            continue;
        }
        if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}", c) != NULL)
            return bad(p, "found %s in the path or query, expected %%%02X", shown(c, out), c);
        bool is_given = len - i >= 2 && placeholder(p, text + i + 1, len - i - 1) > 0;
        if (c == '%' && !is_given &&
            (len - i < 3 || !isxdigit((unsigned char)text[i + 1]) ||
             !isxdigit((unsigned char)text[i + 2])))
            return bad(p, "found '%%' in the path or query, expected two hex digits after it");
    }
    p->url->target = xasprintf("%s%.*s", len > 0 && *text == '/' ? "" : "/", (int)len, text);
    return 0;
}

static int parse_url(struct parse *p, const char *text, struct plan_url *ret_url)
{
    struct plan_url url = {0};

    p->url = &url;
    if (strlen(text) > PLAN_URL_MAX)
        return bad(p, "found %zu bytes, expected at most %d", strlen(text), PLAN_URL_MAX);
    url.tls = strncasecmp(text, "https://", 8) == 0;
    if (!url.tls && strncasecmp(text, "http://", 7) != 0)
        return bad(p, "expected an URL that begins with http:// or https://");

    const char *authority = text + (url.tls ? 8 : 7);
    const char *target = authority + strcspn(authority, "/?#");
    int r = parse_authority(p, authority, (size_t)(target - authority));
    if (r == 0)
        r = parse_target(p, target, target_length(p, target));
    if (r < 0) {
        plan_url_done(&url);
        return r;
    }
    url.text = xasprintf("http%s://%s%s", url.tls ? "s" : "", url.authority, url.target);
    *ret_url = url;
    return 0;
}

int plan_url_parse(const char *text, struct diag *d, int line, int column, struct plan_url *ret_url)
{
    struct parse p = {.d = d, .line = line, .column = column};

    return parse_url(&p, text, ret_url);
}

int plan_url_parse_template(const char *text, struct diag *d, struct plan_url *ret_url)
{
    struct parse p = {.d = d, .is_template = true};

    return parse_url(&p, text, ret_url);
}

void plan_url_done(struct plan_url *url)
{
    free(url->text);
    free(url->host);
    free(url->authority);
    free(url->target);
    *url = (struct plan_url){0};
}

// RFC 9110 section 5.6.2.
static bool is_token_byte(unsigned char c)
{
    return isalnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

int plan_check_header(const char *name, const char *value, struct diag *d, int line, int column)
{
    char out[8];
    size_t len = strlen(name);

    if (len == 0)
        return diag_add(d, line, column, "found an empty header name");
    if (len > HEADER_NAME_MAX)
        return diag_add(d, line, column, "found a header name of %zu bytes, expected at most %d",
                        len, HEADER_NAME_MAX);
    for (size_t i = 0; i < len; i++)
        if (!is_token_byte((unsigned char)name[i]))
            return diag_add(d, line, column,
                            "found %s in a header name, expected letters, digits, !#$%%&'*+-.^_`|~",
                            shown((unsigned char)name[i], out));
    if (strlen(value) > HEADER_VALUE_MAX)
        return diag_add(d, line, column, "found a header value of %zu bytes, expected at most %d",
                        strlen(value), HEADER_VALUE_MAX);
    if (strpbrk(value, "\r\n") != NULL)
        return diag_add(d, line, column, "found a line break in a header value, expected none");
    return 0;
}
