#include "worker/runner/tls.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>

#include "common/str.h"

struct person {
    X509 *cert;
    EVP_PKEY *key;
};

// authority signs middle, middle signs server and client; stranger signs itself.
static struct person authority, middle, server, client, stranger;

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

// issuer NULL: itself. names NULL: an authority.
static struct person born(const char *name, const struct person *issuer, const char *names)
{
    static long serial;
    struct person p = {.cert = X509_new(), .key = EVP_EC_gen("P-256")};
    X509_NAME *subject = X509_get_subject_name(p.cert);

    X509_set_version(p.cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(p.cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(p.cert), -86400);
    X509_gmtime_adj(X509_getm_notAfter(p.cert), 86400);
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

static void bury(struct person *p)
{
    X509_free(p->cert);
    EVP_PKEY_free(p->key);
}

static int set_up_all(void **unused)
{
    (void)unused;
    authority = born("Authority", NULL, NULL);
    middle = born("Middle", &authority, NULL);
    server = born("Server", &middle, "DNS:host.test,DNS:*.wild.test,IP:192.0.2.7,IP:2001:db8::7");
    client = born("Client", &middle, "DNS:client.test");
    stranger = born("Stranger", NULL, "DNS:host.test");
    return 0;
}

static int tear_down_all(void **unused)
{
    (void)unused;
    bury(&authority);
    bury(&middle);
    bury(&server);
    bury(&client);
    bury(&stranger);
    return 0;
}

static void append_bio(struct buf *out, BIO *bio)
{
    char *data;
    long n = BIO_get_mem_data(bio, &data);

    buf_append(out, data, (size_t)n);
    BIO_free(bio);
}

static void append_cert(struct buf *out, const struct person *p)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_X509(bio, p->cert);
    append_bio(out, bio);
}

static void append_key(struct buf *out, const struct person *p, const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PKCS8PrivateKey(bio, p->key, password != NULL ? EVP_aes_256_cbc() : NULL, NULL, 0,
                                  NULL, (void *)(uintptr_t)password);
    append_bio(out, bio);
}

// The server's half: OpenSSL over memory, so that a test decides what reaches the client, and when.
struct pair {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    int peer_fd, fd;
    struct tls_net *net;
    struct tls *t;
    struct buf heard; // text at the client
    int end;          // what ended hearing
};

static SSL_CTX *server_ctx(int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    SSL_CTX_use_certificate(ctx, server.cert);
    SSL_CTX_use_PrivateKey(ctx, server.key);
    X509_up_ref(middle.cert);
    SSL_CTX_add_extra_chain_cert(ctx, middle.cert);
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"test", 4);
    return ctx;
}

static struct tls_net *trusting(const struct person *whom, bool verify)
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

// A fresh connection of p's net to p's ctx. config: but for the descriptor.
static void meet(struct pair *p, struct tls_config config)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    p->fd = config.fd = fds[0];
    p->peer_fd = fds[1];
    p->t = tls_new(p->net, &config);
    assert_non_null(p->t);
    p->ssl = SSL_new(p->ctx);
    p->in = BIO_new(BIO_s_mem());
    p->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(p->in, -1);
    SSL_set_bio(p->ssl, p->in, p->out);
    SSL_set_accept_state(p->ssl);
    p->end = 1;
}

static void part(struct pair *p)
{
    tls_free(p->t);
    close(p->fd);
    if (p->peer_fd >= 0)
        close(p->peer_fd);
    SSL_free(p->ssl);
    buf_done(&p->heard);
}

static const struct tls_config plain_config = {.host = "host.test", .alpn = TLS_ALPN_HTTP1};

static void pair_init(struct pair *p, int version)
{
    char why[200];

    *p = (struct pair){.ctx = server_ctx(version),
                       .net = tls_net_new(&(struct tls_net_config){0}, why, sizeof why)};
    assert_non_null(p->net);
}

static void pair_done(struct pair *p)
{
    part(p);
    tls_net_free(p->net);
    SSL_CTX_free(p->ctx);
    assert_int_equal(ERR_peek_error(), 0);
}

// What the client sent reaches the server; how much.
static size_t to_server(struct pair *p)
{
    static char bytes[1 << 20];
    ssize_t n = recv(p->peer_fd, bytes, sizeof bytes, 0);

    if (n > 0)
        BIO_write(p->in, bytes, (int)n);
    return n > 0 ? (size_t)n : 0;
}

// Up to most bytes of what the server wrote reach the client's socket; how many.
static size_t to_client(struct pair *p, size_t most)
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

// The client's result, with at most most bytes on their way to it at a time. Nothing of what the
// server sends after the handshake is delivered.
static int shake(struct pair *p, size_t most)
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

static void say(struct pair *p, const char *text, size_t n)
{
    assert_int_equal(SSL_write(p->ssl, text, (int)n), n);
}

// All that the socket has; how many calls gave text.
static size_t hear(struct pair *p)
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

static void assert_heard(struct pair *p, const char *text)
{
    assert_int_equal(p->heard.len, strlen(text));
    assert_memory_equal(p->heard.data, text, strlen(text));
    p->heard.len = 0;
}

static void assert_why(struct pair *p, const char *expected)
{
    char why[200];

    assert_string_equal(tls_why(p->t, why, sizeof why), expected);
}

static void assert_said(struct pair *p, const char *text)
{
    char got[100] = "";

    assert_int_equal(tls_send(p->t, text, strlen(text)), strlen(text));
    assert_true(tls_is_flushed(p->t));
    to_server(p);
    assert_int_equal(SSL_read(p->ssl, got, sizeof got), strlen(text));
    assert_string_equal(got, text);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
#define EACH_VERSION(v) (const int *v = versions; v < versions + 2; v++)

static void text_goes_both_ways_in_each_version(void **unused)
{
    struct pair p;

    (void)unused;
    for
        EACH_VERSION(v)
        {
            pair_init(&p, *v);
            meet(&p, plain_config);
            assert_int_equal(shake(&p, SIZE_MAX), 0);
            assert_said(&p, "question");
            say(&p, "answer", 6);
            to_client(&p, SIZE_MAX);
            hear(&p);
            assert_int_equal(p.end, -EAGAIN);
            assert_heard(&p, "answer");
            pair_done(&p);
        }
}

static void bytes_may_come_one_at_a_time(void **unused)
{
    struct pair p;

    (void)unused;
    for
        EACH_VERSION(v)
        {
            pair_init(&p, *v);
            meet(&p, plain_config);
            assert_int_equal(shake(&p, 1), 0);
            say(&p, "one", 3);
            say(&p, "two", 3);
            while (to_client(&p, 1) > 0) {
                hear(&p);
                assert_int_equal(p.end, -EAGAIN);
            }
            assert_heard(&p, "onetwo");
            pair_done(&p);
        }
}

// A ticket that holds a client's certificates is larger than the server's records here, so that
// the client has a part of a message at times. It may want to send then.
static void sending_waits_for_the_rest_of_a_ticket(void **unused)
{
    struct pair p;
    struct buf pem = {0};
    char why[200], got[1000];
    unsigned n_waits = 0, n_sent = 0;

    (void)unused;
    append_cert(&pem, &client);
    append_cert(&pem, &middle);
    append_key(&pem, &client, NULL);
    struct tls_identity *identity = tls_identity_new(pem.data, pem.len, NULL, why, sizeof why);
    assert_non_null(identity);
    pair_init(&p, TLS1_3_VERSION);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(p.ctx), authority.cert);
    SSL_CTX_set_verify(p.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_max_send_fragment(p.ctx, 512);
    meet(&p,
         (struct tls_config){.host = "host.test", .alpn = TLS_ALPN_HTTP1, .identity = identity});
    assert_int_equal(shake(&p, SIZE_MAX), 0);
    say(&p, "hello", 5);
    while (to_client(&p, 1) > 0) {
        ssize_t n = tls_send(p.t, "x", 1);
        assert_true(n == 1 || n == -EAGAIN);
        n_waits += n != 1;
        n_sent += n == 1;
        to_server(&p);
        // What it read to send is not lost to who reads.
        hear(&p);
        assert_int_equal(p.end, -EAGAIN);
    }
    assert_true(n_waits > 0 && n_sent > 0);
    assert_heard(&p, "hello");
    // All was received and no more is there to wait for.
    assert_int_equal(tls_send(p.t, "y", 1), 1);
    n_sent++;
    to_server(&p);
    for (unsigned i = 0; i < n_sent; i++)
        assert_int_equal(SSL_read(p.ssl, got, sizeof got), 1);
    pair_done(&p);
    tls_identity_free(identity);
    buf_done(&pem);
}

// Sizes at random, of records and of what comes at once, equal to what was written.
static void records_may_be_cut_anywhere(void **unused)
{
    enum { TOTAL = 2000000 };
    struct pair p;
    uint32_t seed = 1;
    char *text = malloc(TOTAL);

    (void)unused;
    for (size_t i = 0; i < TOTAL; i++)
        text[i] = (char)(i * 2654435761u >> 13);
    for
        EACH_VERSION(v)
        {
            pair_init(&p, *v);
            meet(&p, plain_config);
            assert_int_equal(shake(&p, 700), 0);
            for (size_t done = 0, n; done < TOTAL; done += n) {
                seed = seed * 1664525 + 1013904223;
                n = 1 + (seed >> 8) % (seed & 16 ? 40000 : 100);
                n = n < TOTAL - done ? n : TOTAL - done;
                say(&p, text + done, n);
                do {
                    seed = seed * 1664525 + 1013904223;
                    hear(&p);
                    assert_int_equal(p.end, -EAGAIN);
                } while (to_client(&p, 1 + (seed >> 8) % 70000) > 0);
            }
            assert_int_equal(p.heard.len, TOTAL);
            assert_memory_equal(p.heard.data, text, TOTAL);
            pair_done(&p);
        }
    free(text);
}

static void many_records_are_one_read(void **unused)
{
    struct pair p;

    (void)unused;
    for
        EACH_VERSION(v)
        {
            pair_init(&p, *v);
            meet(&p, plain_config);
            assert_int_equal(shake(&p, SIZE_MAX), 0);
            for (int i = 0; i < 500; i++)
                say(&p, "0123456789", 10);
            while (to_client(&p, SIZE_MAX) > 0) {
            }
            assert_int_equal(hear(&p), 1);
            assert_int_equal(p.heard.len, 5000);
            pair_done(&p);
        }
}

// The most that a read can give: the rest of a record of which all but a byte was there, and whole
// records. Buffers hold it, and no text is left for a read that has nothing new to go on.
static void the_largest_read_is_one(void **unused)
{
    static char text[16384];
    struct pair p;
    int size = 1 << 20;

    (void)unused;
    pair_init(&p, TLS1_3_VERSION);
    meet(&p, plain_config);
    setsockopt(p.peer_fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    assert_int_equal(shake(&p, SIZE_MAX), 0);
    to_client(&p, SIZE_MAX);
    hear(&p);
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 5; i++)
        say(&p, text, sizeof text);
    char *bytes;
    size_t record = (size_t)BIO_get_mem_data(p.out, &bytes) / 5;
    assert_int_equal(to_client(&p, record - 1), record - 1);
    assert_int_equal(hear(&p), 0);
    assert_int_equal(to_client(&p, 65536), 65536);
    assert_int_equal(hear(&p), 1);
    assert_int_equal(p.heard.len, 16384 + 3 * 16384);
    to_client(&p, SIZE_MAX);
    hear(&p);
    assert_int_equal(p.heard.len, 5 * 16384);
    pair_done(&p);
}

static void a_full_socket_takes_the_rest_later(void **unused)
{
    enum { TOTAL = 1500000 };
    struct pair p;
    char *text = malloc(TOTAL), *got = malloc(TOTAL);
    size_t sent = 0, received = 0;
    unsigned n_full = 0;
    int size = 20000;

    (void)unused;
    for (size_t i = 0; i < TOTAL; i++)
        text[i] = (char)(i * 2654435761u >> 13);
    pair_init(&p, TLS1_3_VERSION);
    meet(&p, plain_config);
    assert_int_equal(shake(&p, SIZE_MAX), 0);
    // Less than what waits, so that it goes out in several parts.
    setsockopt(p.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    for (int i = 0; i < 10000 && received < TOTAL; i++) {
        while (sent < TOTAL && tls_is_flushed(p.t)) {
            ssize_t n = tls_send(p.t, text + sent, TOTAL - sent);
            assert_true(n > 0);
            sent += (size_t)n;
        }
        if (!tls_is_flushed(p.t)) {
            assert_int_equal(tls_flush(p.t), -EAGAIN);
            n_full++;
        }
        while (to_server(&p) > 0) {
        }
        int n;
        while ((n = SSL_read(p.ssl, got + received, (int)(TOTAL - received))) > 0)
            received += (size_t)n;
        ERR_clear_error();
        int rc = tls_flush(p.t);
        assert_true(rc == 0 || rc == -EAGAIN);
    }
    assert_true(n_full > 1);
    assert_int_equal(received, TOTAL);
    assert_memory_equal(got, text, TOTAL);
    pair_done(&p);
    free(text);
    free(got);
}

static void tickets_alone_are_no_text(void **unused)
{
    struct pair p;
    const char *bytes;

    (void)unused;
    pair_init(&p, TLS1_3_VERSION);
    meet(&p, plain_config);
    assert_int_equal(shake(&p, SIZE_MAX), 0);
    assert_int_equal(tls_recv(p.t, &bytes), -EAGAIN);
    assert_null(tls_take_session(p.t));
    assert_true(to_client(&p, SIZE_MAX) > 0);
    assert_int_equal(tls_recv(p.t, &bytes), -EINTR);
    assert_int_equal(tls_recv(p.t, &bytes), -EAGAIN);
    pair_done(&p);
}

static void text_that_comes_with_the_handshake_is_kept(void **unused)
{
    struct pair p, other;
    const char *bytes;

    (void)unused;
    pair_init(&p, TLS1_2_VERSION);
    pair_init(&other, TLS1_2_VERSION);
    meet(&p, plain_config);
    meet(&other, plain_config);
    for (int i = 0; i < 10 && !SSL_is_init_finished(p.ssl); i++) {
        assert_int_equal(tls_handshake(p.t), -EAGAIN);
        to_server(&p);
        SSL_do_handshake(p.ssl);
        if (!SSL_is_init_finished(p.ssl))
            to_client(&p, SIZE_MAX);
    }
    say(&p, "first", 5);
    say(&p, "second", 6);
    SSL_shutdown(p.ssl);
    to_client(&p, SIZE_MAX);
    assert_int_equal(tls_handshake(p.t), 0);
    assert_true(tls_has_early(p.t));
    // Another connection uses the buffers meanwhile.
    tls_free(other.t);
    struct tls_net *own = other.net;
    other.t = tls_new(
        p.net, &(struct tls_config){.fd = other.fd, .host = "host.test", .alpn = TLS_ALPN_HTTP1});
    assert_int_equal(shake(&other, SIZE_MAX), 0);
    assert_int_equal(tls_recv(p.t, &bytes), 11);
    assert_memory_equal(bytes, "firstsecond", 11);
    assert_true(tls_has_early(p.t));
    assert_int_equal(tls_recv(p.t, &bytes), 0);
    assert_int_equal(tls_recv(p.t, &bytes), 0);
    tls_free(other.t);
    other.t = NULL;
    other.net = own;
    pair_done(&p);
    pair_done(&other);
}

static void the_end_comes_after_the_text_before_it(void **unused)
{
    struct pair p;
    const char *bytes;

    (void)unused;
    for
        EACH_VERSION(v)
        {
            for (int notify = 0; notify < 2; notify++) {
                pair_init(&p, *v);
                meet(&p, plain_config);
                assert_int_equal(shake(&p, SIZE_MAX), 0);
                assert_false(tls_has_early(p.t));
                say(&p, "last", 4);
                if (notify)
                    SSL_shutdown(p.ssl);
                to_client(&p, SIZE_MAX);
                if (!notify)
                    shutdown(p.peer_fd, SHUT_WR);
                assert_int_equal(tls_recv(p.t, &bytes), 4);
                // close_notify is known without the socket, and holds.
                assert_int_equal(tls_has_early(p.t), notify);
                assert_int_equal(tls_recv(p.t, &bytes), 0);
                assert_int_equal(tls_recv(p.t, &bytes), 0);
                if (notify)
                    assert_int_equal(tls_send(p.t, "x", 1), -EPIPE);
                pair_done(&p);
            }
        }
}

static void a_peer_that_is_gone_is_an_errno(void **unused)
{
    struct pair p;

    (void)unused;
    pair_init(&p, TLS1_3_VERSION);
    meet(&p, plain_config);
    assert_int_equal(tls_handshake(p.t), -EAGAIN);
    shutdown(p.peer_fd, SHUT_WR);
    assert_int_equal(tls_handshake(p.t), -ECONNRESET);
    part(&p);
    meet(&p, plain_config);
    assert_int_equal(shake(&p, SIZE_MAX), 0);
    close(p.peer_fd);
    p.peer_fd = -1;
    assert_int_equal(tls_send(p.t, "x", 1), -EPIPE);
    pair_done(&p);
}

static void a_server_without_tls_is_told(void **unused)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    struct pair p;

    (void)unused;
    pair_init(&p, TLS1_3_VERSION);
    meet(&p, plain_config);
    assert_int_equal(tls_handshake(p.t), -EAGAIN);
    assert_true(send(p.peer_fd, answer, strlen(answer), 0) > 0);
    assert_int_equal(tls_handshake(p.t), -EPROTO);
    assert_why(&p, "TLS: wrong version number");
    pair_done(&p);
}

static void a_broken_record_fails_after_the_text_before_it(void **unused)
{
    struct pair p;
    const char *bytes;
    char *record;

    (void)unused;
    for
        EACH_VERSION(v)
        {
            pair_init(&p, *v);
            meet(&p, plain_config);
            assert_int_equal(shake(&p, SIZE_MAX), 0);
            to_client(&p, SIZE_MAX);
            hear(&p);
            say(&p, "good", 4);
            say(&p, "bad", 3);
            long n = BIO_get_mem_data(p.out, &record);
            record[n - 1] ^= 1;
            to_client(&p, SIZE_MAX);
            assert_int_equal(tls_recv(p.t, &bytes), 4);
            assert_true(tls_has_early(p.t));
            assert_int_equal(tls_recv(p.t, &bytes), -EPROTO);
            assert_why(&p, "TLS: decryption failed or bad record mac");
            assert_int_equal(tls_recv(p.t, &bytes), -EPROTO);
            assert_int_equal(tls_send(p.t, "x", 1), -EPROTO);
            // The server is told.
            to_server(&p);
            assert_true(SSL_read(p.ssl, (char[1]){0}, 1) <= 0);
            assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
            ERR_clear_error();
            pair_done(&p);
        }
}

static const char *chosen; // by the server, as RFC 7301 has it

static int choose(SSL *ssl, const unsigned char **out, unsigned char *len,
                  const unsigned char *offered, unsigned n, void *arg)
{
    (void)ssl;
    (void)arg;
    return SSL_select_next_proto((unsigned char **)(uintptr_t)out, len,
                                 (const unsigned char *)chosen, (unsigned)strlen(chosen), offered,
                                 n) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void the_server_chooses_among_what_is_offered(void **unused)
{
    static const struct {
        enum tls_alpn offered;
        const char *chosen;
        int result;
        bool is_http2;
    } rows[] = {
        {TLS_ALPN_HTTP1, NULL, 0, false},
        {TLS_ALPN_HTTP2, NULL, 0, false},
        {TLS_ALPN_HTTP1, "\x08http/1.1", 0, false},
        {TLS_ALPN_HTTP2, "\x08http/1.1", 0, false},
        {TLS_ALPN_HTTP2, "\x02h2", 0, true},
        {TLS_ALPN_HTTP2, "\x02h2\x08http/1.1", 0, true},
        {TLS_ALPN_HTTP1, "\x02h2\x08http/1.1", 0, false},
        {TLS_ALPN_HTTP1, "\x02h2", -EPROTO, false},
    };
    struct pair p;

    (void)unused;
    for
        EACH_VERSION(v)
        {
            for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                pair_init(&p, *v);
                chosen = rows[i].chosen;
                if (chosen != NULL)
                    SSL_CTX_set_alpn_select_cb(p.ctx, choose, NULL);
                meet(&p, (struct tls_config){.host = "host.test", .alpn = rows[i].offered});
                assert_int_equal(shake(&p, SIZE_MAX), rows[i].result);
                if (rows[i].result == 0)
                    assert_int_equal(tls_is_http2(p.t), rows[i].is_http2);
                else
                    assert_why(&p, "TLS: tlsv1 alert no application protocol");
                pair_done(&p);
            }
        }
}

static void certificates_are_verified_where_that_is_asked_for(void **unused)
{
    static const char untrusted[] =
        "TLS: certificate verify failed: unable to get local issuer certificate";
    static const char misnamed[] = "TLS: certificate verify failed: hostname mismatch";
    static const char misplaced[] = "TLS: certificate verify failed: IP address mismatch";
    const struct {
        const struct person *trusted;
        bool verify;
        const char *host;
        bool is_literal;
        const char *why; // NULL: fine
    } rows[] = {
        {&authority, true, "host.test", false, NULL},
        {&authority, true, "HOST.test", false, NULL},
        {&authority, true, "a.wild.test", false, NULL},
        {&authority, true, "b.a.wild.test", false, misnamed},
        {&authority, true, "other.test", false, misnamed},
        {&authority, true, "Server", false, misnamed},
        {&authority, true, "192.0.2.7", true, NULL},
        {&authority, true, "2001:db8::7", true, NULL},
        {&authority, true, "192.0.2.8", true, misplaced},
        {&authority, true, "::1", true, misplaced},
        {&stranger, true, "host.test", false, untrusted},
        {&stranger, false, "other.test", false, NULL},
        {&stranger, false, "::1", true, NULL},
    };
    struct pair p;

    (void)unused;
    for
        EACH_VERSION(v)
        {
            for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                p = (struct pair){.ctx = server_ctx(*v),
                                  .net = trusting(rows[i].trusted, rows[i].verify)};
                meet(&p, (struct tls_config){.host = rows[i].host,
                                             .is_literal = rows[i].is_literal,
                                             .alpn = TLS_ALPN_HTTP1});
                assert_int_equal(shake(&p, SIZE_MAX), rows[i].why == NULL ? 0 : -EPROTO);
                if (rows[i].why != NULL)
                    assert_why(&p, rows[i].why);
                pair_done(&p);
            }
        }
}

static void a_server_that_signed_itself_is_said_to(void **unused)
{
    struct pair p;

    (void)unused;
    p = (struct pair){.ctx = server_ctx(TLS1_3_VERSION), .net = trusting(&authority, true)};
    SSL_CTX_clear_extra_chain_certs(p.ctx);
    SSL_CTX_use_certificate(p.ctx, stranger.cert);
    SSL_CTX_use_PrivateKey(p.ctx, stranger.key);
    meet(&p, plain_config);
    assert_int_equal(shake(&p, SIZE_MAX), -EPROTO);
    assert_why(&p, "TLS: certificate verify failed: self-signed certificate");
    pair_done(&p);
}

static void authorities_are_pem_or_refused(void **unused)
{
    struct buf pem = {0};
    char why[200];

    (void)unused;
    append_cert(&pem, &authority);
    append_cert(&pem, &authority);
    size_t whole = pem.len;
    buf_puts(&pem, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    const struct {
        const char *ca;
        size_t n;
        bool fine;
    } rows[] = {
        {pem.data, whole, true},      {"", 0, false},
        {"none", 4, false},           {pem.data, pem.len, false},
        {pem.data, whole / 4, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tls_net *net = tls_net_new(
            &(struct tls_net_config){.verify = true, .ca = rows[i].ca, .ca_len = rows[i].n}, why,
            sizeof why);
        assert_int_equal(net != NULL, rows[i].fine);
        if (!rows[i].fine)
            assert_string_equal(why, "the certificates of the authorities are no PEM");
        tls_net_free(net);
    }
    buf_done(&pem);
}

static void the_system_has_authorities(void **unused)
{
    char why[200];

    (void)unused;
    struct tls_net *net = tls_net_new(&(struct tls_net_config){.verify = true}, why, sizeof why);
    assert_non_null(net);
    tls_net_free(net);
}

static void names_are_told_to_the_server_and_addresses_are_not(void **unused)
{
    struct pair p;

    (void)unused;
    pair_init(&p, TLS1_3_VERSION);
    meet(&p, plain_config);
    assert_int_equal(shake(&p, SIZE_MAX), 0);
    assert_string_equal(SSL_get_servername(p.ssl, TLSEXT_NAMETYPE_host_name), "host.test");
    part(&p);
    meet(&p, (struct tls_config){.host = "192.0.2.7", .is_literal = true, .alpn = TLS_ALPN_HTTP1});
    assert_int_equal(shake(&p, SIZE_MAX), 0);
    assert_null(SSL_get_servername(p.ssl, TLSEXT_NAMETYPE_host_name));
    pair_done(&p);
}

static struct buf pkcs12(const struct person *p, EVP_PKEY *key, const char *password, int cipher)
{
    struct buf out = {0};
    STACK_OF(X509) *chain = sk_X509_new_null();
    BIO *bio = BIO_new(BIO_s_mem());

    sk_X509_push(chain, middle.cert);
    PKCS12 *p12 = PKCS12_create(password, "friend", key, p->cert, chain, 0, cipher, 0, 0, 0);
    assert_non_null(p12);
    i2d_PKCS12_bio(bio, p12);
    append_bio(&out, bio);
    PKCS12_free(p12);
    sk_X509_free(chain);
    return out;
}

// Whether a server that asks for a client of the authority gets one by what is in the file.
static void assert_known(const struct buf *file, const char *password)
{
    struct pair p;
    char why[200] = "";
    struct tls_identity *identity =
        tls_identity_new(file->data, file->len, password, why, sizeof why);

    assert_string_equal(why, "");
    assert_non_null(identity);
    for
        EACH_VERSION(v)
        {
            pair_init(&p, *v);
            X509_STORE_add_cert(SSL_CTX_get_cert_store(p.ctx), authority.cert);
            SSL_CTX_set_verify(p.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
            meet(&p, (struct tls_config){
                         .host = "host.test", .alpn = TLS_ALPN_HTTP1, .identity = identity});
            assert_int_equal(shake(&p, SIZE_MAX), 0);
            assert_true(SSL_is_init_finished(p.ssl));
            assert_int_equal(X509_cmp(SSL_get0_peer_certificate(p.ssl), client.cert), 0);
            pair_done(&p);
        }
    tls_identity_free(identity);
}

static void assert_refused(const struct buf *file, const char *password, const char *expected)
{
    char why[200] = "";

    assert_null(tls_identity_new(file->data, file->len, password, why, sizeof why));
    assert_string_equal(why, expected);
    assert_int_equal(ERR_peek_error(), 0);
}

static void a_client_is_known_by_pem(void **unused)
{
    struct buf pem = {0}, last = {0}, secret = {0};

    (void)unused;
    append_cert(&pem, &client);
    append_cert(&pem, &middle);
    append_key(&pem, &client, NULL);
    assert_known(&pem, NULL);
    assert_known(&pem, "not needed");
    append_key(&last, &client, NULL);
    append_cert(&last, &middle);
    append_cert(&last, &client);
    assert_known(&last, NULL);
    append_cert(&secret, &client);
    append_cert(&secret, &middle);
    append_key(&secret, &client, "secret");
    assert_known(&secret, "secret");
    assert_refused(&secret, "wrong", "the password is wrong");
    assert_refused(&secret, "", "the password is wrong");
    assert_refused(&secret, NULL, "it needs a password");
    buf_done(&pem);
    buf_done(&last);
    buf_done(&secret);
}

static void a_client_is_known_by_pkcs12(void **unused)
{
    struct buf file = pkcs12(&client, client.key, "secret", 0);
    struct buf open = pkcs12(&client, client.key, "", 0);

    (void)unused;
    assert_known(&file, "secret");
    assert_refused(&file, "wrong", "the password is wrong");
    assert_refused(&file, NULL, "it needs a password");
    assert_known(&open, NULL);
    assert_known(&open, "");
    buf_done(&file);
    buf_done(&open);
}

static void a_client_is_known_by_pkcs12_of_old(void **unused)
{
    OSSL_PROVIDER *legacy = OSSL_PROVIDER_try_load(NULL, "legacy", 1);

    (void)unused;
    if (legacy == NULL)
        skip();
    struct buf file = pkcs12(&client, client.key, "secret", NID_pbe_WithSHA1And40BitRC2_CBC);
    OSSL_PROVIDER_unload(legacy);
    assert_known(&file, "secret");
    assert_refused(&file, "wrong", "the password is wrong");
    buf_done(&file);
}

static void half_an_identity_is_none(void **unused)
{
    struct buf cert = {0}, key = {0}, other = {0}, der = {0}, none = {0}, text = {0};
    struct buf keyless = pkcs12(&client, NULL, "secret", 0);
    BIO *bio = BIO_new(BIO_s_mem());

    (void)unused;
    append_cert(&cert, &client);
    append_key(&key, &client, NULL);
    append_cert(&other, &client);
    append_key(&other, &stranger, NULL);
    i2d_X509_bio(bio, client.cert);
    append_bio(&der, bio);
    buf_puts(&text, "Dear Sir or Madam");
    assert_refused(&cert, NULL, "no private key in it");
    assert_refused(&key, NULL, "no certificate in it");
    assert_refused(&other, NULL, "its private key is of another certificate");
    assert_refused(&der, NULL, "no private key in it");
    assert_refused(&keyless, "secret", "no private key in it");
    assert_refused(&none, NULL, "no certificate in it");
    assert_refused(&text, NULL, "no certificate in it");
    der.len /= 2;
    assert_refused(&der, NULL, "no certificate in it");
    buf_done(&cert);
    buf_done(&key);
    buf_done(&other);
    buf_done(&der);
    buf_done(&text);
    buf_done(&keyless);
}

static void a_key_too_short_to_be_used_is_refused_at_once(void **unused)
{
    struct person weak = {.cert = X509_new(), .key = EVP_RSA_gen(512)};
    struct buf pem = {0};

    (void)unused;
    X509_gmtime_adj(X509_getm_notBefore(weak.cert), -86400);
    X509_gmtime_adj(X509_getm_notAfter(weak.cert), 86400);
    X509_set_pubkey(weak.cert, weak.key);
    X509_sign(weak.cert, weak.key, EVP_sha256());
    append_cert(&pem, &weak);
    append_key(&pem, &weak, NULL);
    assert_refused(&pem, NULL, "ee key too small");
    buf_done(&pem);
    bury(&weak);
}

static void a_client_that_is_not_known_is_told_so(void **unused)
{
    struct pair p;

    (void)unused;
    for
        EACH_VERSION(v)
        {
            pair_init(&p, *v);
            SSL_CTX_set_verify(p.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
            meet(&p, plain_config);
            // A client of TLS 1.3 is done before the server has seen what it has not.
            if (*v == TLS1_2_VERSION) {
                assert_int_equal(shake(&p, SIZE_MAX), -EPROTO);
                assert_why(&p, "TLS: sslv3 alert handshake failure");
            } else {
                assert_int_equal(shake(&p, SIZE_MAX), 0);
                to_client(&p, SIZE_MAX);
                hear(&p);
                assert_int_equal(p.end, -EPROTO);
                assert_why(&p, "TLS: tlsv13 alert certificate required");
            }
            pair_done(&p);
        }
}

static void a_session_is_resumed_more_than_once(void **unused)
{
    struct pair p;
    struct tls_config config = plain_config;

    (void)unused;
    for
        EACH_VERSION(v)
        {
            pair_init(&p, *v);
            meet(&p, config);
            assert_null(tls_take_session(p.t));
            assert_int_equal(shake(&p, SIZE_MAX), 0);
            assert_false(SSL_session_reused(p.ssl));
            to_client(&p, SIZE_MAX);
            hear(&p);
            SSL_SESSION *session = tls_take_session(p.t);
            assert_non_null(session);
            config.resume = session;
            for (int i = 0; i < 3; i++) {
                part(&p);
                p.heard = (struct buf){0};
                meet(&p, config);
                assert_int_equal(shake(&p, SIZE_MAX), 0);
                assert_true(SSL_session_reused(p.ssl));
                assert_said(&p, "again");
            }
            config.resume = NULL;
            pair_done(&p);
            SSL_SESSION_free(session);
        }
}

static void a_session_that_the_server_forgot_is_a_full_handshake(void **unused)
{
    struct pair p;
    struct tls_config config = plain_config;

    (void)unused;
    for
        EACH_VERSION(v)
        {
            pair_init(&p, *v);
            meet(&p, config);
            assert_int_equal(shake(&p, SIZE_MAX), 0);
            to_client(&p, SIZE_MAX);
            hear(&p);
            config.resume = tls_take_session(p.t);
            part(&p);
            p.heard = (struct buf){0};
            SSL_CTX_free(p.ctx);
            p.ctx = server_ctx(*v);
            meet(&p, config);
            assert_int_equal(shake(&p, SIZE_MAX), 0);
            assert_false(SSL_session_reused(p.ssl));
            SSL_SESSION_free(config.resume);
            config.resume = NULL;
            pair_done(&p);
        }
}

// What the server wrote in clear, with each byte in a record of its own (RFC 5246 section 6.2.1).
static void shred(struct pair *p)
{
    struct buf records = {0}, bytes = {0};
    char *data;
    long n = BIO_get_mem_data(p->out, &data);

    buf_append(&records, data, (size_t)n);
    BIO_reset(p->out);
    for (size_t at = 0, len; at < records.len; at += 5 + len) {
        const unsigned char *head = (const unsigned char *)records.data + at;
        len = (size_t)head[3] << 8 | head[4];
        for (size_t i = 0; i < len; i++) {
            buf_append(&bytes, head, 3);
            buf_append(&bytes, "\0\1", 2);
            buf_append(&bytes, head + 5 + i, 1);
        }
    }
    BIO_write(p->out, bytes.data, (int)bytes.len);
    buf_done(&records);
    buf_done(&bytes);
}

// The server's first flight in records of a byte each; its size, and the client's result so far.
static size_t answer_shredded(struct pair *p, size_t n_certs, int *ret_result)
{
    size_t total = 0, n;

    pair_init(p, TLS1_2_VERSION);
    for (size_t i = 1; i < n_certs; i++) {
        X509_up_ref(middle.cert);
        SSL_CTX_add_extra_chain_cert(p->ctx, middle.cert);
    }
    meet(p, plain_config);
    assert_int_equal(tls_handshake(p->t), -EAGAIN);
    to_server(p);
    SSL_do_handshake(p->ssl);
    ERR_clear_error();
    shred(p);
    do {
        n = to_client(p, SIZE_MAX);
        total += n;
        *ret_result = tls_handshake(p->t);
    } while (n > 0 && *ret_result == -EAGAIN);
    return total;
}

static void a_handshake_that_is_too_long_is_given_up(void **unused)
{
    struct pair p;
    int rc;

    (void)unused;
    assert_true(answer_shredded(&p, 50, &rc) < TLS_HANDSHAKE_MAX);
    assert_int_equal(rc, -EAGAIN);
    assert_int_equal(shake(&p, SIZE_MAX), 0);
    pair_done(&p);
    assert_true(answer_shredded(&p, 200, &rc) > TLS_HANDSHAKE_MAX);
    assert_int_equal(rc, -EPROTO);
    assert_why(&p, "TLS: the handshake is too long");
    pair_done(&p);
}

// Each request for a new handshake is refused by an alert that the peer does not read.
static void a_peer_that_does_not_read_is_given_up(void **unused)
{
    struct pair p;
    int size = 1;

    (void)unused;
    pair_init(&p, TLS1_2_VERSION);
    meet(&p, plain_config);
    assert_int_equal(shake(&p, SIZE_MAX), 0);
    setsockopt(p.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    for (int i = 0; i < 2000 && p.end != -EPROTO; i++) {
        for (int j = 0; j < 50; j++) {
            assert_int_equal(SSL_renegotiate(p.ssl), 1);
            SSL_do_handshake(p.ssl);
        }
        to_client(&p, SIZE_MAX);
        hear(&p);
        assert_true(p.end == -EAGAIN || p.end == -EPROTO);
    }
    ERR_clear_error();
    assert_int_equal(p.end, -EPROTO);
    assert_why(&p, "TLS: the peer does not read");
    pair_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_goes_both_ways_in_each_version),
        cmocka_unit_test(bytes_may_come_one_at_a_time),
        cmocka_unit_test(sending_waits_for_the_rest_of_a_ticket),
        cmocka_unit_test(records_may_be_cut_anywhere),
        cmocka_unit_test(many_records_are_one_read),
        cmocka_unit_test(the_largest_read_is_one),
        cmocka_unit_test(a_full_socket_takes_the_rest_later),
        cmocka_unit_test(tickets_alone_are_no_text),
        cmocka_unit_test(text_that_comes_with_the_handshake_is_kept),
        cmocka_unit_test(the_end_comes_after_the_text_before_it),
        cmocka_unit_test(a_peer_that_is_gone_is_an_errno),
        cmocka_unit_test(a_server_without_tls_is_told),
        cmocka_unit_test(a_broken_record_fails_after_the_text_before_it),
        cmocka_unit_test(the_server_chooses_among_what_is_offered),
        cmocka_unit_test(certificates_are_verified_where_that_is_asked_for),
        cmocka_unit_test(a_server_that_signed_itself_is_said_to),
        cmocka_unit_test(authorities_are_pem_or_refused),
        cmocka_unit_test(the_system_has_authorities),
        cmocka_unit_test(names_are_told_to_the_server_and_addresses_are_not),
        cmocka_unit_test(a_client_is_known_by_pem),
        cmocka_unit_test(a_client_is_known_by_pkcs12),
        cmocka_unit_test(a_client_is_known_by_pkcs12_of_old),
        cmocka_unit_test(half_an_identity_is_none),
        cmocka_unit_test(a_key_too_short_to_be_used_is_refused_at_once),
        cmocka_unit_test(a_client_that_is_not_known_is_told_so),
        cmocka_unit_test(a_session_is_resumed_more_than_once),
        cmocka_unit_test(a_session_that_the_server_forgot_is_a_full_handshake),
        cmocka_unit_test(a_handshake_that_is_too_long_is_given_up),
        cmocka_unit_test(a_peer_that_does_not_read_is_given_up),
    };

    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
