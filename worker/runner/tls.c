#include "worker/runner/tls.h"

#include <errno.h>
#include <stdio.h>

#include <openssl/err.h>

SSL_CTX *tls_context_new(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (ctx == NULL)
        return NULL;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    // An idle connection keeps no buffers; one recv fetches as many records as there are.
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    // Servers that close without close_notify are common; the HTTP framing tells what is missing.
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_quiet_shutdown(ctx, 1);
    return ctx;
}

SSL *tls_new(SSL_CTX *ctx, int fd, const char *host, bool is_literal)
{
    SSL *ssl = SSL_new(ctx);

    // RFC 6066 section 3: a literal address is no server name.
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 ||
        (!is_literal && SSL_set_tlsext_host_name(ssl, host) != 1)) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_connect_state(ssl);
    return ssl;
}

static int result(SSL *ssl, int rc)
{
    int saved = errno;

    switch (SSL_get_error(ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        return saved != 0 ? -saved : 0;
    default:
        return -EPROTO;
    }
}

int tls_handshake(SSL *ssl)
{
    ERR_clear_error();
    errno = 0;
    int rc = SSL_do_handshake(ssl);
    if (rc == 1)
        return 0;
    rc = result(ssl, rc);
    return rc == 0 ? -ECONNRESET : rc;
}

ssize_t tls_recv(SSL *ssl, void *bytes, size_t n)
{
    size_t got;

    ERR_clear_error();
    errno = 0;
    int rc = SSL_read_ex(ssl, bytes, n, &got);
    return rc == 1 ? (ssize_t)got : result(ssl, rc);
}

ssize_t tls_send(SSL *ssl, const void *bytes, size_t n)
{
    size_t sent;

    ERR_clear_error();
    errno = 0;
    int rc = SSL_write_ex(ssl, bytes, n, &sent);
    if (rc == 1)
        return (ssize_t)sent;
    rc = result(ssl, rc);
    return rc == 0 ? -EPIPE : rc;
}

char *tls_why(char *out, size_t size)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    snprintf(out, size, "TLS: %s", reason != NULL ? reason : "failed");
    return out;
}
