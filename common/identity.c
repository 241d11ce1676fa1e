#include "common/identity.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>

struct question {
    const char *password;
    bool was_asked;
};

static int on_password(char *out, int size, int is_writing, void *arg)
{
    struct question *q = arg;

    (void)is_writing;
    q->was_asked = true;
    if (q->password == NULL || strlen(q->password) > (size_t)size)
        return -1;
    memcpy(out, q->password, strlen(q->password));
    return (int)strlen(q->password);
}

static const char *password_why(const char *password)
{
    return password == NULL ? "it needs a password" : "the password is wrong";
}

// The certificate of the key is its own, wherever it stands in the file.
static const char *take_own(struct identity *identity)
{
    for (int i = 0; i < sk_X509_num(identity->chain) && identity->cert == NULL; i++)
        if (X509_check_private_key(sk_X509_value(identity->chain, i), identity->key) == 1)
            identity->cert = sk_X509_delete(identity->chain, i);
    return identity->cert != NULL ? NULL : "its private key is of another certificate";
}

static const char *read_pem(struct identity *identity, BIO *bio, const char *password)
{
    struct question q = {.password = password};
    X509 *cert;

    identity->chain = sk_X509_new_null();
    while ((cert = PEM_read_bio_X509(bio, NULL, on_password, &q)) != NULL)
        sk_X509_push(identity->chain, cert);
    if (sk_X509_num(identity->chain) <= 0)
        return "no certificate in it";
    BIO_reset(bio);
    identity->key = PEM_read_bio_PrivateKey(bio, NULL, on_password, &q);
    if (identity->key == NULL)
        return q.was_asked ? password_why(password) : "no private key in it";
    return take_own(identity);
}

static const char *read_der(struct identity *identity, BIO *bio, const char *password)
{
    PKCS12 *p12 = d2i_PKCS12_bio(bio, NULL);

    if (p12 == NULL) {
        BIO_reset(bio);
        identity->cert = d2i_X509_bio(bio, NULL);
        return identity->cert != NULL ? "no private key in it" : "no certificate in it";
    }
    // Files of old programs are enciphered by RC2, which the default provider does not have.
    OSSL_PROVIDER *legacy = OSSL_PROVIDER_try_load(NULL, "legacy", 1);
    const char *why = NULL;
    if (PKCS12_parse(p12, password, &identity->key, &identity->cert, &identity->chain) != 1)
        why = ERR_GET_REASON(ERR_peek_last_error()) == PKCS12_R_MAC_VERIFY_FAILURE
                  ? password_why(password)
                  : "it cannot be deciphered";
    else if (identity->key == NULL)
        why = "no private key in it";
    else if (identity->cert == NULL)
        why = "no certificate in it";
    if (legacy != NULL)
        OSSL_PROVIDER_unload(legacy);
    PKCS12_free(p12);
    return why;
}

int identity_read(const void *bytes, size_t n, const char *password, struct identity *ret_identity,
                  char *why, size_t size)
{
    struct identity identity = {0};
    BIO *bio = n > 0 && n <= INT_MAX ? BIO_new_mem_buf(bytes, (int)n) : NULL;
    const char *reason = "no certificate in it";

    ERR_clear_error();
    if (bio != NULL)
        reason = memmem(bytes, n, "-----BEGIN ", 11) != NULL ? read_pem(&identity, bio, password)
                                                             : read_der(&identity, bio, password);
    BIO_free(bio);
    ERR_clear_error();
    if (reason == NULL) {
        *ret_identity = identity;
        return 0;
    }
    snprintf(why, size, "%s", reason);
    identity_done(&identity);
    return -EINVAL;
}

void identity_done(struct identity *identity)
{
    X509_free(identity->cert);
    sk_X509_pop_free(identity->chain, X509_free);
    EVP_PKEY_free(identity->key);
    *identity = (struct identity){0};
}
