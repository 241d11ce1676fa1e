#include "worker/runner/resources.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/str.h"
#include "worker/runner/reference.h"

#define SLOTS 16384 // a power of two, more than twice RESOURCES_MAX

struct span {
    const char *p; // NULL: there is none
    size_t len;
};

// A start tag: its name and those of its attributes that matter, the first of each.
struct tag {
    struct span name, src, href, rel;
};

struct finder {
    const char *p, *end;
    const struct plan_url *base;
    struct resources found;
    uint16_t *slots; // 1 + index into found.urls; 0: free
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static bool is_name(struct span s, const char *name)
{
    return s.len == strlen(name) && strncasecmp(s.p, name, s.len) == 0;
}

// Behind the next place of text; the end where there is none.
static const char *behind(const char *p, const char *end, const char *text)
{
    size_t len = strlen(text);
    const char *found = memmem(p, (size_t)(end - p), text, len);

    return found != NULL ? found + len : end;
}

// --- Character references in an attribute's value ---

static void append_utf8(struct buf *out, uint32_t c)
{
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        c = 0xfffd;
    if (c < 0x80) {
        buf_append(out, &(char){(char)c}, 1);
        return;
    }
    int n_more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    char bytes[4] = {(char)(first[n_more] | c >> 6 * n_more)};
    for (int i = 1; i <= n_more; i++)
        bytes[i] = (char)(0x80 | (c >> 6 * (n_more - i) & 0x3f));
    buf_append(out, bytes, (size_t)n_more + 1);
}

// "&#38;" or "&#x26;"; how long it is, 0: it is none.
static size_t decode_number(const char *p, const char *end, struct buf *out)
{
    const char *digit = p + 2;
    uint32_t c = 0;
    bool hex = digit < end && (*digit == 'x' || *digit == 'X');

    digit += hex;
    const char *first = digit;
    for (; digit < end && (hex ? isxdigit((unsigned char)*digit) : isdigit((unsigned char)*digit));
         digit++) {
        uint32_t value = isdigit((unsigned char)*digit) ? (uint32_t)(*digit - '0')
                                                        : (uint32_t)((*digit | 0x20) - 'a' + 10);
        c = c > 0x10ffff ? c : c * (hex ? 16 : 10) + value;
    }
    if (digit == first)
        return 0;
    append_utf8(out, c);
    return (size_t)(digit - p) + (digit < end && *digit == ';');
}

// Of the named ones only those that a text of HTML needs: others have no use in an URL.
static size_t decode_name(const char *p, const char *end, struct buf *out)
{
    static const struct {
        const char *name;
        char c;
    } names[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t len = strlen(names[i].name);
        if ((size_t)(end - p) >= len && memcmp(p, names[i].name, len) == 0) {
            buf_append(out, &names[i].c, 1);
            return len;
        }
    }
    return 0;
}

static void decode(struct span value, struct buf *out)
{
    const char *p = value.p, *end = value.p + value.len;

    while (p < end) {
        const char *ampersand = memchr(p, '&', (size_t)(end - p));
        const char *stop = ampersand != NULL ? ampersand : end;
        buf_append(out, p, (size_t)(stop - p));
        p = stop;
        if (p == end)
            break;
        size_t len =
            p + 1 < end && p[1] == '#' ? decode_number(p, end, out) : decode_name(p, end, out);
        if (len == 0)
            buf_append(out, p, len = 1);
        p += len;
    }
}

// --- What was found ---

// FNV-1a.
static uint32_t hash(const char *text)
{
    uint32_t h = 2166136261u;

    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

// Takes url.
static void add_url(struct finder *f, struct plan_url *url)
{
    uint32_t i = hash(url->text) % SLOTS;

    for (; f->slots[i] != 0; i = (i + 1) % SLOTS) {
        if (strcmp(f->found.urls[f->slots[i] - 1].text, url->text) == 0) {
            plan_url_done(url);
            return;
        }
    }
    // Room doubles.
    if ((f->found.n & (f->found.n - 1)) == 0)
        f->found.urls = xreallocarray(f->found.urls, f->found.n == 0 ? 1 : 2 * f->found.n,
                                      sizeof *f->found.urls);
    f->found.urls[f->found.n++] = *url;
    f->slots[i] = (uint16_t)f->found.n;
}

static void add(struct finder *f, struct span value)
{
    struct buf text = {0};
    struct plan_url url;

    if (value.p == NULL || value.len > PLAN_URL_MAX)
        return;
    decode(value, &text);
    // An empty one would be the page itself.
    if (text.len > 0 && reference_resolve(f->base, text.data, text.len, &url) == 0)
        add_url(f, &url);
    buf_done(&text);
}

static bool is_stylesheet(struct span rel)
{
    return rel.p != NULL && rel.len == strlen("stylesheet") &&
           memcmp(rel.p, "stylesheet", rel.len) == 0;
}

static void use_tag(struct finder *f, const struct tag *tag)
{
    if (is_name(tag->name, "img") || is_name(tag->name, "script"))
        add(f, tag->src);
    else if (is_name(tag->name, "link") && is_stylesheet(tag->rel))
        add(f, tag->href);
}

// --- Tokens ---

static struct span read_value(struct finder *f)
{
    const char *first = f->p;

    if (f->p < f->end && (*f->p == '"' || *f->p == '\'')) {
        const char *close = memchr(first + 1, *first, (size_t)(f->end - first - 1));
        f->p = close != NULL ? close + 1 : f->end;
        return (struct span){first + 1, (size_t)((close != NULL ? close : f->end) - first - 1)};
    }
    while (f->p < f->end && !is_space(*f->p) && *f->p != '>')
        f->p++;
    return (struct span){first, (size_t)(f->p - first)};
}

static void skip_spaces(struct finder *f)
{
    while (f->p < f->end && is_space(*f->p))
        f->p++;
}

static void read_attribute(struct finder *f, struct tag *tag)
{
    struct span name = {f->p++, 0}, value = {f->p, 0};

    while (f->p < f->end && !is_space(*f->p) && strchr("/>=", *f->p) == NULL)
        f->p++;
    name.len = (size_t)(f->p - name.p);
    skip_spaces(f);
    if (f->p < f->end && *f->p == '=') {
        f->p++;
        skip_spaces(f);
        value = read_value(f);
    }
    struct span *goes_to = is_name(name, "src")    ? &tag->src
                           : is_name(name, "href") ? &tag->href
                           : is_name(name, "rel")  ? &tag->rel
                                                   : NULL;
    if (goes_to != NULL && goes_to->p == NULL)
        *goes_to = value;
}

// From the first letter of its name on; false: the text ends within.
static bool read_tag(struct finder *f, struct tag *ret_tag)
{
    struct tag tag = {.name.p = f->p};

    while (f->p < f->end && !is_space(*f->p) && *f->p != '/' && *f->p != '>')
        f->p++;
    tag.name.len = (size_t)(f->p - tag.name.p);
    while (f->p < f->end && *f->p != '>') {
        if (is_space(*f->p) || *f->p == '/')
            f->p++;
        else
            read_attribute(f, &tag);
    }
    if (f->p == f->end)
        return false;
    f->p++;
    *ret_tag = tag;
    return true;
}

// Elements whose content is text up to their end tag (sections 13.2.5.2 to 13.2.5.4).
static bool holds_text(struct span name)
{
    static const char *const names[] = {"script", "style",    "title",   "textarea",
                                        "iframe", "noframes", "noembed", "xmp"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_name(name, names[i]))
            return true;
    return false;
}

// To the end tag of this name.
static void skip_text(struct finder *f, struct span name)
{
    while (f->p < f->end) {
        f->p = behind(f->p, f->end, "</");
        if ((size_t)(f->end - f->p) <= name.len || strncasecmp(f->p, name.p, name.len) != 0)
            continue;
        char next = f->p[name.len];
        if (is_space(next) || next == '/' || next == '>') {
            f->p -= 2;
            return;
        }
    }
}

static void skip_comment(struct finder *f)
{
    size_t left = (size_t)(f->end - f->p);

    // Sections 13.2.5.43 and 13.2.5.44: these are whole.
    if (left > 0 && f->p[0] == '>')
        f->p++;
    else if (left > 1 && f->p[0] == '-' && f->p[1] == '>')
        f->p += 2;
    else
        f->p = behind(f->p, f->end, "-->");
}

// From behind a '<' on.
static void read_markup(struct finder *f)
{
    struct tag tag;

    if (f->p == f->end)
        return;
    bool is_end = *f->p == '/';
    f->p += is_end;
    if (f->p < f->end && isalpha((unsigned char)*f->p)) {
        if (!read_tag(f, &tag) || is_end)
            return;
        use_tag(f, &tag);
        if (holds_text(tag.name))
            skip_text(f, tag.name);
    } else if ((size_t)(f->end - f->p) >= 3 && memcmp(f->p, "!--", 3) == 0 && !is_end) {
        f->p += 3;
        skip_comment(f);
    } else if (is_end || *f->p == '!' || *f->p == '?') {
        f->p = behind(f->p, f->end, ">");
    }
}

void resources_find(const struct plan_url *base, const char *html, size_t len,
                    struct resources *ret_resources)
{
    size_t looked_at = len < RESOURCES_BYTES_MAX ? len : RESOURCES_BYTES_MAX;
    struct finder f = {.p = html, .end = html + looked_at, .base = base};

    f.slots = xcalloc(SLOTS, sizeof *f.slots);
    while (f.p < f.end && f.found.n < RESOURCES_MAX) {
        f.p = behind(f.p, f.end, "<");
        read_markup(&f);
    }
    free(f.slots);
    *ret_resources = f.found;
}

void resources_done(struct resources *r)
{
    for (size_t i = 0; i < r->n; i++)
        plan_url_done(&r->urls[i]);
    free(r->urls);
    *r = (struct resources){0};
}
