#include "common/str.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/sha.h>

static void *checked(void *p)
{
    if (p == NULL) {
        fputs("<2>out of memory\n", stderr);
        abort();
    }
    return p;
}

void *xcalloc(size_t n, size_t size)
{
    return checked(calloc(n ? n : 1, size ? size : 1));
}

void *xreallocarray(void *p, size_t n, size_t size)
{
    return checked(reallocarray(p, n ? n : 1, size ? size : 1));
}

void *xmemdup(const void *p, size_t n)
{
    void *copy = xcalloc(n, 1);

    if (n > 0)
        memcpy(copy, p, n);
    return copy;
}

char *xstrdup(const char *s)
{
    return checked(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
    return checked(strndup(s, n));
}

char *xvasprintf(const char *fmt, va_list ap)
{
    char *text;

    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    return checked(text);
}

char *xasprintf(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    return text;
}

void buf_reserve(struct buf *b, size_t n_more)
{
    size_t need = b->len + n_more + 1;

    if (need <= b->cap)
        return;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap *= 2;
    b->data = xreallocarray(b->data, cap, 1);
    b->cap = cap;
}

void buf_append(struct buf *b, const void *p, size_t n)
{
    buf_reserve(b, n);
    if (n > 0)
        memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    buf_puts(b, text);
    free(text);
}

char *buf_take(struct buf *b)
{
    buf_reserve(b, 0);
    b->data[b->len] = '\0';
    char *data = b->data;
    *b = (struct buf){0};
    return data;
}

void buf_done(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

int str_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret_value)
{
    if (*s == '\0' || strspn(s, "0123456789") != strlen(s))
        return -EINVAL;
    errno = 0;
    uint64_t v = strtoull(s, NULL, 10);
    if (errno != 0 || v < min || v > max)
        return -ERANGE;
    *ret_value = v;
    return 0;
}

int str_parse_bool(const char *s, bool *ret_value)
{
    bool yes = strcasecmp(s, "true") == 0;

    if (!yes && strcasecmp(s, "false") != 0)
        return -EINVAL;
    *ret_value = yes;
    return 0;
}

size_t str_printable(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    static const uint32_t least[] = {0, ' ', 0xa0, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7fU >> n);

    if (c == 0x7f || (p[0] >= 0x80 && p[0] < 0xc2) || p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) // the end of the text, too
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

char *str_clean(const char *s, size_t max)
{
    struct buf out = {0};

    while (*s != '\0') {
        size_t n = str_printable(s), len = n > 0 ? n : 1;
        if (out.len + len > max)
            break;
        buf_append(&out, n > 0 ? s : "?", len);
        s += len;
    }
    return buf_take(&out);
}

void str_hex(const void *bytes, size_t n, char *out)
{
    const uint8_t *b = bytes;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = "0123456789abcdef"[b[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[b[i] & 15];
    }
    out[2 * n] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int str_unhex(const char *hex, size_t n, void *out)
{
    uint8_t *b = out;

    if (strlen(hex) != 2 * n)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        int hi = hex_digit(hex[2 * i]), lo = hex_digit(hex[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return -EINVAL;
        b[i] = (uint8_t)(hi << 4 | lo);
    }
    return 0;
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *str_base64(const void *bytes, size_t n)
{
    const uint8_t *b = bytes;
    char *out = xcalloc((n + 2) / 3 * 4 + 1, 1), *o = out;

    for (size_t i = 0; i < n; i += 3) {
        size_t have = n - i < 3 ? n - i : 3;
        uint32_t v = (uint32_t)b[i] << 16 | (have > 1 ? (uint32_t)b[i + 1] << 8 : 0) |
                     (have > 2 ? b[i + 2] : 0);
        *o++ = base64_digits[v >> 18];
        *o++ = base64_digits[v >> 12 & 63];
        *o++ = have > 1 ? base64_digits[v >> 6 & 63] : '=';
        *o++ = have > 2 ? base64_digits[v & 63] : '=';
    }
    return out;
}

static int base64_value(char c)
{
    const char *at = c == '\0' ? NULL : strchr(base64_digits, c);

    return at == NULL ? -1 : (int)(at - base64_digits);
}

int str_unbase64(const char *text, size_t len, struct buf *out)
{
    if (len % 4 != 0)
        return -EINVAL;
    buf_reserve(out, len / 4 * 3);
    for (size_t i = 0; i < len; i += 4) {
        size_t pad =
            i + 4 < len ? 0
                        : (text[i + 3] == '=') + (size_t)(text[i + 2] == '=' && text[i + 3] == '=');
        uint32_t v = 0;
        for (size_t j = 0; j < 4; j++) {
            int d = j >= 4 - pad ? 0 : base64_value(text[i + j]);
            if (d < 0)
                return -EINVAL;
            v = v << 6 | (uint32_t)d;
        }
        uint8_t b[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
        buf_append(out, b, 3 - pad);
    }
    return 0;
}

void str_sha256(const void *bytes, size_t n, uint8_t out[32])
{
    SHA256(bytes, n, out);
}

char *str_bytes(uint64_t n, char *out, size_t size)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)n;
    size_t i = 0;

    while (v >= 1024 && i + 1 < sizeof unit / sizeof *unit) {
        v /= 1024;
        i++;
    }
    snprintf(out, size, i == 0 || v >= 100 ? "%.0f %s" : "%.1f %s", v, unit[i]);
    return out;
}

char *str_us(uint64_t us, char *out, size_t size)
{
    double v = us < 1000000 ? (double)us / 1e3 : (double)us / 1e6;

    if (us < 1000)
        snprintf(out, size, "%" PRIu64 " us", us);
    else // three significant digits
        snprintf(out, size, "%.*f %s",
                 v < 9.995   ? 2
                 : v < 99.95 ? 1
                             : 0,
                 v, us < 1000000 ? "ms" : "s");
    return out;
}

// Insertions, deletions and replacements (Levenshtein) between two words of at most NEAREST_MAX
// bytes.
#define NEAREST_MAX 64

static size_t edits(const char *a, const char *b)
{
    size_t row[NEAREST_MAX + 1], len = strlen(b);

    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < len; j++) {
            size_t best = diagonal + (tolower((unsigned char)a[i]) != tolower((unsigned char)b[j]));
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j + 1] + 1 < best)
                best = row[j + 1] + 1;
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    return row[len];
}

const char *str_nearest(const char *word, const char *const *candidates, size_t n)
{
    size_t least = strlen(word) / 3 + 2; // from here on it is another word
    const char *nearest = NULL;

    if (strlen(word) > NEAREST_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (strlen(candidates[i]) > NEAREST_MAX)
            continue;
        size_t d = edits(word, candidates[i]);
        if (d < least) {
            least = d;
            nearest = candidates[i];
        }
    }
    return nearest;
}
