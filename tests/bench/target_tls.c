#include "tests/bench/target.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

static SSL_CTX *tls;
static BIO_METHOD *method;

// --- The transport: as OpenSSL's own, but a short read is remembered, which saves the next ---

static int bio_read(BIO *bio, char *into, int size)
{
    struct conn *c = BIO_get_data(bio);
    ssize_t n = recv(c->fd, into, (size_t)size, 0);

    BIO_clear_retry_flags(bio);
    c->drained = n < size;
    if (n < 0 && errno == EAGAIN) {
        if (!c->hung_up)
            c->readable = false;
        BIO_set_retry_read(bio);
    }
    return (int)n;
}

static int bio_write(BIO *bio, const char *from, int size)
{
    struct conn *c = BIO_get_data(bio);
    ssize_t n = send(c->fd, from, (size_t)size, MSG_NOSIGNAL);

    BIO_clear_retry_flags(bio);
    if (n < 0 && errno == EAGAIN) {
        c->writable = false;
        BIO_set_retry_write(bio);
    }
    return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long n, void *p)
{
    (void)bio;
    (void)n;
    (void)p;
    return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

// --- Start ---

static void self_sign(SSL_CTX *ctx)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    X509_EXTENSION *san =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1");

    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 365L * 24 * 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(cert, name);
    X509_set_pubkey(cert, key);
    X509_add_ext(cert, san, -1);
    X509_sign(cert, key, EVP_sha256());
    SSL_CTX_use_certificate(ctx, cert);
    SSL_CTX_use_PrivateKey(ctx, key);
    X509_EXTENSION_free(san);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *offer)
{
    const unsigned char *ours = offer;

    (void)ssl;
    return SSL_select_next_proto((unsigned char **)out, out_len, ours, (unsigned)strlen(offer), in,
                                 in_len) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Any certificate will do, and none: what came is counted, not judged.
static int on_certificate(int is_valid, X509_STORE_CTX *store)
{
    (void)is_valid;
    (void)store;
    return 1;
}

static void choose_alpn(void)
{
    static char h2[] = "\x02h2", http1[] = "\x08http/1.1", both[] = "\x02h2\x08http/1.1";
    const char *alpn = options.alpn;

    if (strcmp(alpn, "none") == 0)
        return;
    char *offer = strcmp(alpn, "h2") == 0 ? h2 : strcmp(alpn, "http/1.1") == 0 ? http1 : both;
    if (offer == both && strcmp(alpn, "both") != 0)
        errno = EINVAL, die(alpn);
    SSL_CTX_set_alpn_select_cb(tls, on_alpn, offer);
}

void tls_open(void)
{
    const char *cert = options.cert, *key = options.key != NULL ? options.key : options.cert;

    tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(tls, 1);
    SSL_CTX_set_session_id_context(tls, (const unsigned char *)"target", 6);
    if (cert == NULL)
        self_sign(tls);
    else if (SSL_CTX_use_certificate_chain_file(tls, cert) != 1 ||
             SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
        errno = EINVAL, die(cert);
    if (SSL_CTX_check_private_key(tls) != 1)
        errno = EINVAL, die("certificate and key");
    if (options.client_certificate)
        SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, on_certificate);
    choose_alpn();
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "conn");
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
    BIO_meth_set_create(method, bio_create);
}

// --- Connections ---

SSL *tls_new(struct conn *c)
{
    SSL *ssl = SSL_new(tls);
    BIO *bio = BIO_new(method);

    if (ssl == NULL || bio == NULL)
        die("TLS");
    BIO_set_data(bio, c);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    return ssl;
}

static ssize_t result(struct conn *c, int rc)
{
    int why = SSL_get_error(c->ssl, rc);

    return rc > 0 ? rc : why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static void count_handshake(struct conn *c)
{
    X509 *cert = SSL_get1_peer_certificate(c->ssl);
    char cn[128] = "";

    stat_add(COUNT_HANDSHAKES, 1);
    if (SSL_session_reused(c->ssl))
        stat_add(COUNT_RESUMPTIONS, 1);
    if (cert == NULL)
        return;
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, cn, sizeof cn);
    stat_add(COUNT_CERTIFICATES, 1);
    stat_subject(cn);
    X509_free(cert);
}

ssize_t tls_recv(struct conn *c, char *into, size_t size)
{
    ssize_t n;

    ERR_clear_error(); // of another connection: SSL_get_error looks at the thread's queue
    if (!c->handshaken) {
        n = result(c, SSL_accept(c->ssl));
        if (n <= 0)
            return n;
        c->handshaken = true;
        count_handshake(c);
    }
    n = result(c, SSL_read(c->ssl, into, (int)size));
    if (n > 0 && c->drained && !c->hung_up && !SSL_has_pending(c->ssl))
        c->readable = false;
    return n;
}

ssize_t tls_send(struct conn *c, const char *from, size_t size)
{
    ERR_clear_error();
    return result(c, SSL_write(c->ssl, from, (int)size));
}
