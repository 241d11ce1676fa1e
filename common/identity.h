// A client certificate with its key: PEM (key in the same file) or PKCS#12, told apart by content.
#pragma once

#include <stddef.h>

#include <openssl/x509.h>

struct identity {
    X509 *cert;
    STACK_OF(X509) * chain; // without cert
    EVP_PKEY *key;
};

// password: NULL for none. 0; -EINVAL, and into why: "no certificate in it", "no private key in
// it", "the password is wrong". The caller gives it to identity_done.
int identity_read(const void *bytes, size_t n, const char *password, struct identity *ret_identity,
                  char *why, size_t size);
void identity_done(struct identity *identity); // an empty one is fine
