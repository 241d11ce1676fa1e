// Strings, growable buffers and allocation that cannot fail. PURE.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Out of memory ends the process: no caller could do better. The caller frees.
void *xcalloc(size_t n, size_t size);
void *xreallocarray(void *p, size_t n, size_t size);
void *xmemdup(const void *p, size_t n);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *xvasprintf(const char *fmt, va_list ap);

// A growable run of bytes; zero-initialise, then buf_done. data is NUL-terminated once anything was
// appended.
struct buf {
    char *data;
    size_t len, cap;
};

void buf_reserve(struct buf *b, size_t n_more);
void buf_append(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// The text, never NULL; the caller frees it and b is empty again.
char *buf_take(struct buf *b);
void buf_done(struct buf *b);

// Decimal digits only (no sign, blank, exponent), min..max. 0, -EINVAL (not such a number),
// -ERANGE.
int str_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret_value);
// "true" or "false" in any case. 0 or -EINVAL.
int str_parse_bool(const char *s, bool *ret_value);

// The candidate that word was probably meant to be, letter case aside: few edits away for its
// length. NULL: none.
const char *str_nearest(const char *word, const char *const *candidates, size_t n);

// A copy of at most max bytes for one line of text: UTF-8 (RFC 3629) in whole characters; bytes
// that are none and control characters are '?'. The caller frees.
char *str_clean(const char *s, size_t max);
// Length in bytes of the UTF-8 character that s begins with (RFC 3629); 0: none, or a control
// character.
size_t str_printable(const char *s);

// Lower-case hex of n bytes into out[2 n + 1].
void str_hex(const void *bytes, size_t n, char *out);
// Exactly n bytes from 2 n hex digits. 0 or -EINVAL.
int str_unhex(const char *hex, size_t n, void *out);

// A base64 text (RFC 4648 section 4, padded) of n bytes; the caller frees.
char *str_base64(const void *bytes, size_t n);
// Decodes len characters; appends to out. 0 or -EINVAL (out then has what was read so far).
int str_unbase64(const char *text, size_t len, struct buf *out);

// SHA-256, 32 bytes (FIPS 180-4, by libcrypto).
void str_sha256(const void *bytes, size_t n, uint8_t out[32]);

// "1.2 MiB", "950 B"; into out, returns out.
char *str_bytes(uint64_t n, char *out, size_t size);
// Three digits: "850 us", "12.3 ms", "4.56 s"; into out, returns out.
char *str_us(uint64_t us, char *out, size_t size);
