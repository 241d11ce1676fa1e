#include "tests/unit/tls_test_pair.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct people people;

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

struct person person_born(const char *name, const struct person *issuer, const char *names,
                          int days)
{
    static long serial;
    struct person p = {.cert = X509_new(), .key = EVP_EC_gen("P-256")};
    X509_NAME *subject = X509_get_subject_name(p.cert);

    X509_set_version(p.cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(p.cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(p.cert), (days - 1) * 86400L);
    X509_gmtime_adj(X509_getm_notAfter(p.cert), (days + 1) * 86400L);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(p.cert, issuer != NULL ? X509_get_subject_name(issuer->cert) : subject);
    X509_set_pubkey(p.cert, p.key);
    if (names == NULL)
        extend(p.cert, p.cert, NID_basic_constraints, "critical,CA:TRUE");
    else
        extend(p.cert, p.cert, NID_subject_alt_name, names);
    assert_true(X509_sign(p.cert, issuer != NULL ? issuer->key : p.key, EVP_sha256()) > 0);
    return p;
}

void person_done(struct person *p)
{
    X509_free(p->cert);
    EVP_PKEY_free(p->key);
}

int people_set_up(void **unused)
{
    (void)unused;
    people.authority = person_born("Authority", NULL, NULL, 0);
    people.middle = person_born("Middle", &people.authority, NULL, 0);
    people.server = person_born("Server", &people.middle,
                                "DNS:host.test,DNS:*.wild.test,IP:192.0.2.7,IP:2001:db8::7", 0);
    people.client = person_born("Client", &people.middle, "DNS:client.test", 0);
    people.stranger = person_born("Stranger", NULL, "DNS:host.test", 0);
    return 0;
}

int people_tear_down(void **unused)
{
    (void)unused;
    person_done(&people.authority);
    person_done(&people.middle);
    person_done(&people.server);
    person_done(&people.client);
    person_done(&people.stranger);
    return 0;
}

void append_bio(struct buf *out, BIO *bio)
{
    char *data;
    long n = BIO_get_mem_data(bio, &data);

    buf_append(out, data, (size_t)n);
    BIO_free(bio);
}

void append_cert(struct buf *out, const struct person *p)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_X509(bio, p->cert);
    append_bio(out, bio);
}

void append_key(struct buf *out, const struct person *p, const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PKCS8PrivateKey(bio, p->key, password != NULL ? EVP_aes_256_cbc() : NULL, NULL, 0,
                                  NULL, (void *)(uintptr_t)password);
    append_bio(out, bio);
}

SSL_CTX *server_ctx(int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    SSL_CTX_use_certificate(ctx, people.server.cert);
    SSL_CTX_use_PrivateKey(ctx, people.server.key);
    X509_up_ref(people.middle.cert);
    SSL_CTX_add_extra_chain_cert(ctx, people.middle.cert);
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"test", 4);
    return ctx;
}

struct tls_net *trusting(const struct person *whom, bool verify)
{
    struct buf pem = {0};
    char why[200];

    append_cert(&pem, whom);
    struct tls_net *net =
        tls_net_new(&(struct tls_net_config){.verify = verify, .ca = pem.data, .ca_len = pem.len},
                    why, sizeof why);
    assert_non_null(net);
    buf_done(&pem);
    return net;
}

void serve(struct pair *p)
{
    p->ssl = SSL_new(p->ctx);
    p->in = BIO_new(BIO_s_mem());
    p->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(p->in, -1);
    SSL_set_bio(p->ssl, p->in, p->out);
    SSL_set_accept_state(p->ssl);
}

void meet(struct pair *p, struct tls_config config)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    p->fd = config.fd = fds[0];
    p->peer_fd = fds[1];
    p->t = tls_new(p->net, &config);
    assert_non_null(p->t);
    serve(p);
    p->end = 1;
}

void part(struct pair *p)
{
    tls_free(p->t);
    close(p->fd);
    if (p->peer_fd >= 0)
        close(p->peer_fd);
    SSL_free(p->ssl);
    buf_done(&p->heard);
}

const struct tls_config plain_config = {.host = "host.test", .alpn = TLS_ALPN_HTTP1};

void pair_init(struct pair *p, int version)
{
    char why[200];

    *p = (struct pair){.ctx = server_ctx(version),
                       .net = tls_net_new(&(struct tls_net_config){0}, why, sizeof why)};
    assert_non_null(p->net);
}

void pair_done(struct pair *p)
{
    part(p);
    tls_net_free(p->net);
    SSL_CTX_free(p->ctx);
    assert_int_equal(ERR_peek_error(), 0);
}

size_t to_server(struct pair *p)
{
    static char bytes[1 << 20];
    ssize_t n = recv(p->peer_fd, bytes, sizeof bytes, 0);

    if (n > 0)
        BIO_write(p->in, bytes, (int)n);
    return n > 0 ? (size_t)n : 0;
}

size_t to_client(struct pair *p, size_t most)
{
    char *bytes;
    long left = BIO_get_mem_data(p->out, &bytes);
    size_t n = (size_t)left < most ? (size_t)left : most;

    if (n == 0)
        return 0;
    ssize_t sent = send(p->peer_fd, bytes, n, MSG_NOSIGNAL);
    if (sent <= 0)
        return 0;
    char *gone = malloc((size_t)sent);
    BIO_read(p->out, gone, (int)sent);
    free(gone);
    return (size_t)sent;
}

int shake(struct pair *p, size_t most)
{
    int rc = tls_handshake(p->t);

    for (int i = 0; i < 100000 && rc == -EAGAIN; i++) {
        if (to_server(p) > 0) {
            SSL_do_handshake(p->ssl);
            ERR_clear_error();
        }
        to_client(p, most);
        rc = tls_handshake(p->t);
    }
    to_server(p);
    if (rc == 0)
        SSL_do_handshake(p->ssl);
    ERR_clear_error();
    return rc;
}

void say(struct pair *p, const char *text, size_t n)
{
    assert_int_equal(SSL_write(p->ssl, text, (int)n), n);
}

size_t hear(struct pair *p)
{
    size_t n_texts = 0;

    for (int i = 0; i < 100000; i++) {
        const char *bytes = NULL;
        ssize_t n = tls_recv(p->t, &bytes);
        if (n > 0) {
            buf_append(&p->heard, bytes, (size_t)n);
            n_texts++;
        } else if (n != -EINTR) {
            p->end = (int)n;
            return n_texts;
        }
    }
    fail_msg("endless");
    return 0;
}

void assert_heard(struct pair *p, const char *text)
{
    assert_int_equal(p->heard.len, strlen(text));
    assert_memory_equal(p->heard.data, text, strlen(text));
    p->heard.len = 0;
}

void assert_why(struct pair *p, const char *expected)
{
    char why[200];

    assert_string_equal(tls_why(p->t, why, sizeof why), expected);
}

void assert_said(struct pair *p, const char *text)
{
    char got[100] = "";

    assert_int_equal(tls_send(p->t, text, strlen(text)), strlen(text));
    assert_true(tls_is_flushed(p->t));
    to_server(p);
    assert_int_equal(SSL_read(p->ssl, got, sizeof got), strlen(text));
    assert_string_equal(got, text);
}

const int tls_versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
