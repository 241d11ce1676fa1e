// TLS of one connection by OpenSSL, on a non-blocking descriptor. The thread of its loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <openssl/ssl.h>

// Certificates are not verified: a load test measures whoever answers. NULL: no memory.
SSL_CTX *tls_context_new(void);
// host becomes the server name (SNI) unless it is a literal address. fd is borrowed. Or NULL.
SSL *tls_new(SSL_CTX *ctx, int fd, const char *host, bool is_literal);

// Each returns as recv and send do, with -errno: -EAGAIN; -EPROTO where TLS itself failed.
// Handshake: 0 when done.
int tls_handshake(SSL *ssl);
ssize_t tls_recv(SSL *ssl, void *bytes, size_t n);
ssize_t tls_send(SSL *ssl, const void *bytes, size_t n);
// For people: what the last -EPROTO on this thread was; into out, returns out.
char *tls_why(char *out, size_t size);
