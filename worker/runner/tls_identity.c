#include "worker/runner/tls.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "common/identity.h"
#include "common/str.h"

struct tls_identity {
    struct identity own;
};

// What OpenSSL would refuse at every connection, such as a short key.
static const char *try_out(const struct tls_identity *identity)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = ctx != NULL ? SSL_new(ctx) : NULL;
    const char *why = NULL;

    if (ssl == NULL || !tls_identity_give(identity, ssl)) {
        why = ERR_reason_error_string(ERR_peek_last_error());
        why = why != NULL ? why : "it is of no use";
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return why;
}

struct tls_identity *tls_identity_new(const void *bytes, size_t n, const char *password, char *why,
                                      size_t size)
{
    struct tls_identity *identity = xcalloc(1, sizeof *identity);
    const char *reason;

    if (identity_read(bytes, n, password, &identity->own, why, size) < 0) {
        tls_identity_free(identity);
        return NULL;
    }
    reason = try_out(identity);
    ERR_clear_error();
    if (reason == NULL)
        return identity;
    snprintf(why, size, "%s", reason);
    tls_identity_free(identity);
    return NULL;
}

void tls_identity_free(struct tls_identity *identity)
{
    if (identity == NULL)
        return;
    identity_done(&identity->own);
    free(identity);
}

const char *tls_identity_doubt(const struct tls_identity *identity)
{
    if (X509_cmp_current_time(X509_get0_notAfter(identity->own.cert)) < 0)
        return "it has expired";
    if (X509_cmp_current_time(X509_get0_notBefore(identity->own.cert)) > 0)
        return "it is not valid yet";
    return NULL;
}

bool tls_identity_give(const struct tls_identity *identity, SSL *ssl)
{
    return SSL_use_cert_and_key(ssl, identity->own.cert, identity->own.key, identity->own.chain,
                                1) == 1;
}
