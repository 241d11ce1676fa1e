#include "common/script/digest.h"

#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

_Static_assert(DIGEST_SIZE_MAX >= EVP_MAX_MD_SIZE, "room for any");

struct digest {
    const char *name;
    EVP_MD *md;
    EVP_MAC_CTX *mac; // without a key; copied for each use
};

// To look one up costs libcrypto more than to hash a short text: each is looked up once.
static struct digest digests[] = {
    {.name = "MD5"}, {.name = "SHA1"}, {.name = "SHA256"}, {.name = "SHA384"}, {.name = "SHA512"},
};
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void look_up(void)
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

    for (size_t i = 0; i < sizeof digests / sizeof *digests; i++) {
        struct digest *d = &digests[i];
        OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)d->name, 0),
            OSSL_PARAM_construct_end()};
        d->md = EVP_MD_fetch(NULL, d->name, NULL);
        d->mac = EVP_MAC_CTX_new(hmac);
        if (d->md == NULL || d->mac == NULL || !EVP_MAC_CTX_set_params(d->mac, params))
            d->name = "";
    }
    EVP_MAC_free(hmac);
}

const struct digest *digest_find(const char *name)
{
    pthread_once(&once, look_up);
    for (size_t i = 0; i < sizeof digests / sizeof *digests; i++)
        if (*name != '\0' && strcasecmp(digests[i].name, name) == 0)
            return &digests[i];
    return NULL;
}

// Nothing but memory can be missing.
static void check(int is_ok)
{
    if (!is_ok)
        abort();
}

size_t digest_of(const struct digest *d, const void *bytes, size_t len,
                 unsigned char out[DIGEST_SIZE_MAX])
{
    unsigned n;

    check(EVP_Digest(bytes, len, out, &n, d->md, NULL));
    return n;
}

size_t digest_hmac(const struct digest *d, const void *key, size_t key_len, const void *bytes,
                   size_t len, unsigned char out[DIGEST_SIZE_MAX])
{
    EVP_MAC_CTX *mac = EVP_MAC_CTX_dup(d->mac);
    size_t n;

    check(mac != NULL && EVP_MAC_init(mac, key, key_len, NULL) && EVP_MAC_update(mac, bytes, len) &&
          EVP_MAC_final(mac, out, &n, DIGEST_SIZE_MAX));
    EVP_MAC_CTX_free(mac);
    return n;
}
