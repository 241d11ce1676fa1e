// Hashes and keyed hashes by their names (libcrypto). PURE.
#pragma once

#include <stddef.h>

#define DIGEST_SIZE_MAX 64

struct digest;

// MD5, SHA1, SHA256, SHA384, SHA512; letter case does not matter. NULL: none. Any thread.
const struct digest *digest_find(const char *name);
// Into out; the bytes of it. Any thread.
size_t digest_of(const struct digest *d, const void *bytes, size_t len,
                 unsigned char out[DIGEST_SIZE_MAX]);
// HMAC (RFC 2104). As digest_of.
size_t digest_hmac(const struct digest *d, const void *key, size_t key_len, const void *bytes,
                   size_t len, unsigned char out[DIGEST_SIZE_MAX]);
