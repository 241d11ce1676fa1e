#include "worker/runner/tls.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/str.h"
#include "worker/runner/sock.h"

// One recv, and one call of tls_send.
#define CIPHER_MAX (64 * 1024)
#define SEND_MAX   (64 * 1024)

// in and out are empty between calls: what cannot be finished at once is kept by the connection.
struct tls_net {
    SSL_CTX *ctx;
    BIO_METHOD *method;
    bool verify;
    size_t in_at, in_len;
    struct buf out;
    struct buf given; // the text that came early and was asked for last
    char in[CIPHER_MAX];
    char plain[TLS_PLAIN_MAX];
};

struct tls {
    struct tls_net *net;
    SSL *ssl;
    int fd;
    bool has_buffers; // as on_info has it
    bool is_over;     // TLS is, with end as what tls_recv returns from then on
    int end;
    size_t n_received; // in the handshake
    const char *why;   // static
    long verified;     // X509_V_ERR_, where that is why
    struct buf early;  // text that nobody asked for yet
    struct buf unsent;
    size_t unsent_at;
};

static int bio_read(BIO *bio, char *out, size_t n, size_t *ret_n)
{
    struct tls_net *net = BIO_get_data(bio);
    size_t left = net->in_len - net->in_at;

    BIO_clear_retry_flags(bio);
    if (left == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *ret_n = n < left ? n : left;
    memcpy(out, net->in + net->in_at, *ret_n);
    net->in_at += *ret_n;
    return 1;
}

static int bio_write(BIO *bio, const char *bytes, size_t n, size_t *ret_n)
{
    struct tls_net *net = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    buf_append(&net->out, bytes, n);
    *ret_n = n;
    return 1;
}

static long bio_ctrl(BIO *bio, int what, long n, void *p)
{
    (void)bio;
    (void)n;
    (void)p;
    return what == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *method_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "buffers of a thread");

    if (method == NULL)
        return NULL;
    BIO_meth_set_read_ex(method, bio_read);
    BIO_meth_set_write_ex(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
    BIO_meth_set_create(method, bio_create);
    return method;
}

// A message of the handshake, as a session ticket is, leaves OpenSSL with buffers for records that
// SSL_MODE_RELEASE_BUFFERS does not release.
static void on_info(const SSL *ssl, int where, int value)
{
    struct tls *t = SSL_get_app_data(ssl);

    (void)where;
    (void)value;
    t->has_buffers = true;
}

static int accept_any(X509_STORE_CTX *store, void *arg)
{
    (void)store;
    (void)arg;
    return 1;
}

static bool add_authorities(X509_STORE *store, const void *pem, size_t n)
{
    BIO *bio = n <= INT_MAX ? BIO_new_mem_buf(pem, (int)n) : NULL;
    X509 *cert;
    bool any = false, ok = bio != NULL;

    while (ok && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        any = true;
        ok = X509_STORE_add_cert(store, cert) == 1;
        X509_free(cert);
    }
    BIO_free(bio);
    // The end of the file is reported as if a further certificate was missed.
    return ok && any && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static bool set_rules(SSL_CTX *ctx, const struct tls_net_config *config, const char **ret_why)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);

    // Without a look at the chain a handshake is cheaper, and no copy of the chain is kept.
    if (!config->verify)
        SSL_CTX_set_cert_verify_callback(ctx, accept_any, NULL);
    SSL_CTX_set_verify(ctx, config->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    *ret_why = "the certificates of the authorities are no PEM";
    if (config->ca != NULL)
        return add_authorities(SSL_CTX_get_cert_store(ctx), config->ca, config->ca_len);
    *ret_why = "the system's authorities cannot be read";
    return !config->verify || SSL_CTX_set_default_verify_paths(ctx) == 1;
}

struct tls_net *tls_net_new(const struct tls_net_config *config, char *why, size_t size)
{
    struct tls_net *net = xcalloc(1, sizeof *net);
    const char *reason = "TLS cannot be set up";

    ERR_clear_error();
    net->verify = config->verify;
    net->ctx = SSL_CTX_new(TLS_client_method());
    net->method = method_new();
    if (net->ctx == NULL || net->method == NULL ||
        SSL_CTX_set_min_proto_version(net->ctx, TLS1_2_VERSION) != 1 ||
        !set_rules(net->ctx, config, &reason)) {
        ERR_clear_error();
        snprintf(why, size, "%s", reason);
        tls_net_free(net);
        return NULL;
    }
    ERR_clear_error();
    SSL_CTX_set_mode(net->ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_info_callback(net->ctx, on_info);
    SSL_CTX_set_options(net->ctx, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(net->ctx, SSL_SESS_CACHE_OFF);
    return net;
}

void tls_net_free(struct tls_net *net)
{
    if (net == NULL)
        return;
    SSL_CTX_free(net->ctx);
    BIO_meth_free(net->method);
    buf_done(&net->out);
    buf_done(&net->given);
    free(net);
}

static bool set_name(SSL *ssl, const struct tls_config *config, bool verify)
{
    if (config->is_literal)
        return !verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), config->host) == 1;
    return SSL_set_tlsext_host_name(ssl, config->host) == 1 &&
           (!verify || SSL_set1_host(ssl, config->host) == 1);
}

// RFC 7301 section 3.1: names with their lengths. SSL_set_alpn_protos returns 0 when it is fine.
static bool offer(SSL *ssl, enum tls_alpn alpn)
{
    static const unsigned char names[] = "\x02h2\x08http/1.1";
    unsigned skip = alpn == TLS_ALPN_HTTP2 ? 0 : 3;

    return SSL_set_alpn_protos(ssl, names + skip, sizeof names - 1 - skip) == 0;
}

struct tls *tls_new(struct tls_net *net, const struct tls_config *config)
{
    struct tls *t = xcalloc(1, sizeof *t);
    BIO *bio = BIO_new(net->method);

    t->net = net;
    t->fd = config->fd;
    t->ssl = SSL_new(net->ctx);
    if (t->ssl == NULL || bio == NULL || !set_name(t->ssl, config, net->verify) ||
        !offer(t->ssl, config->alpn) ||
        (config->identity != NULL && !tls_identity_give(config->identity, t->ssl)) ||
        (config->resume != NULL && SSL_set_session(t->ssl, config->resume) != 1)) {
        BIO_free(bio);
        ERR_clear_error();
        tls_free(t);
        return NULL;
    }
    SSL_set_app_data(t->ssl, t);
    BIO_set_data(bio, net);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_connect_state(t->ssl);
    return t;
}

void tls_free(struct tls *t)
{
    if (t == NULL)
        return;
    // OpenSSL would have it that a session is of no use where its connection was not shut down.
    if (t->ssl != NULL)
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    buf_done(&t->early);
    buf_done(&t->unsent);
    free(t);
}

static int give_up(struct tls *t, const char *why)
{
    t->why = why;
    t->is_over = true;
    t->end = -EPROTO;
    t->net->in_at = t->net->in_len = 0;
    return t->end;
}

// The error queue of the thread is empty between calls, so that the hot path need not clear it.
static int give_up_ssl(struct tls *t)
{
    unsigned long error = ERR_peek_last_error();

    if (ERR_GET_LIB(error) == ERR_LIB_SSL &&
        ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        t->verified = SSL_get_verify_result(t->ssl);
    give_up(t, ERR_reason_error_string(error));
    ERR_clear_error();
    return t->end;
}

// As recv, with -errno.
static ssize_t fill(struct tls *t)
{
    struct tls_net *net = t->net;
    ssize_t n = sock_recv(t->fd, net->in, sizeof net->in);

    net->in_at = 0;
    net->in_len = n > 0 ? (size_t)n : 0;
    return n;
}

static ssize_t send_some(const struct tls *t, const char *bytes, size_t n)
{
    ssize_t sent;

    do {
        sent = sock_send(t->fd, bytes, n);
    } while (sent == -EINTR);
    return sent;
}

bool tls_is_flushed(const struct tls *t)
{
    return t->unsent.len == 0;
}

int tls_flush(struct tls *t)
{
    size_t left = t->unsent.len - t->unsent_at;
    ssize_t n = left > 0 ? send_some(t, t->unsent.data + t->unsent_at, left) : 0;

    if (n < 0)
        return (int)n;
    t->unsent_at += (size_t)n;
    if ((size_t)n < left)
        return -EAGAIN;
    t->unsent_at = 0;
    buf_done(&t->unsent);
    return 0;
}

// Sends what OpenSSL wrote; what does not go out waits in the connection. 0, -errno.
static int push(struct tls *t)
{
    struct buf *out = &t->net->out;
    size_t len = out->len;
    ssize_t n = 0;

    if (len == 0)
        return 0;
    out->len = 0;
    if (tls_is_flushed(t))
        n = send_some(t, out->data, len);
    if (n < 0 && n != -EAGAIN)
        return (int)n;
    size_t sent = n > 0 ? (size_t)n : 0;
    if (t->unsent.len + len - sent > TLS_UNSENT_MAX)
        return give_up(t, "the peer does not read");
    if (sent < len)
        buf_append(&t->unsent, out->data + sent, len - sent);
    return 0;
}

// The text of all that was received, into the shared buffer; how much.
static size_t drain(struct tls *t)
{
    struct tls_net *net = t->net;
    size_t len = 0, n;

    do {
        int rc = SSL_read_ex(t->ssl, net->plain + len, sizeof net->plain - len, &n);
        if (rc == 1) {
            len += n;
            continue;
        }
        int error = SSL_get_error(t->ssl, rc);
        if (error == SSL_ERROR_WANT_READ)
            break;
        if (error == SSL_ERROR_ZERO_RETURN) {
            t->is_over = true;
            net->in_at = net->in_len;
        } else {
            give_up_ssl(t);
        }
        break;
    } while (net->in_at < net->in_len || SSL_pending(t->ssl) > 0);
    return len;
}

static void release_buffers(struct tls *t)
{
    // Not with a part of a record in them.
    if (t->has_buffers)
        t->has_buffers = SSL_free_buffers(t->ssl) != 1;
}

// The shared buffers are the next connection's: text that came unasked is copied.
static void keep_early(struct tls *t)
{
    if (t->net->in_at == t->net->in_len)
        return;
    size_t n = drain(t);
    if (n > 0)
        buf_append(&t->early, t->net->plain, n);
}

// One step, and its bytes sent. 1: done; 0: more is to be received; -errno.
static int step(struct tls *t)
{
    int rc = SSL_do_handshake(t->ssl);
    int error = SSL_get_error(t->ssl, rc);
    bool failed = error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ;

    if (failed)
        give_up_ssl(t);
    int sent = push(t); // also an alert
    if (failed)
        return -EPROTO;
    return sent < 0 ? sent : rc == 1;
}

int tls_handshake(struct tls *t)
{
    int rc = tls_flush(t);

    if (rc < 0 && rc != -EAGAIN)
        return rc;
    ERR_clear_error();
    while ((rc = step(t)) != 1) {
        if (t->is_over)
            return t->end;
        if (t->n_received > TLS_HANDSHAKE_MAX)
            return give_up(t, "the handshake is too long");
        // Where sending fails, an alert that says why may have come before.
        ssize_t n = fill(t);
        if (n <= 0)
            return rc < 0 ? rc : n == 0 ? -ECONNRESET : (int)n;
        t->n_received += (size_t)n;
    }
    keep_early(t);
    release_buffers(t);
    return tls_is_flushed(t) ? 0 : -EAGAIN;
}

bool tls_is_http2(const struct tls *t)
{
    const unsigned char *name;
    unsigned len;

    SSL_get0_alpn_selected(t->ssl, &name, &len);
    return len == 2 && memcmp(name, "h2", 2) == 0;
}

bool tls_has_early(const struct tls *t)
{
    return t->early.len > 0 || t->is_over;
}

ssize_t tls_recv(struct tls *t, const char **ret_bytes)
{
    struct tls_net *net = t->net;

    if (t->early.len > 0) {
        buf_done(&net->given);
        net->given = t->early;
        t->early = (struct buf){0};
        *ret_bytes = net->given.data;
        return (ssize_t)net->given.len;
    }
    if (t->is_over)
        return t->end;
    ssize_t n = fill(t);
    if (n <= 0)
        return n;
    size_t len = drain(t);
    release_buffers(t);
    push(t); // an answer to a message of the handshake, an alert
    if (len > 0) {
        *ret_bytes = net->plain;
        return (ssize_t)len;
    }
    return t->is_over ? t->end : -EINTR;
}

ssize_t tls_send(struct tls *t, const void *bytes, size_t n)
{
    size_t most = n < SEND_MAX ? n : SEND_MAX, taken = 0;
    ssize_t got = 0;
    int rc;

    if (t->is_over)
        return t->end == 0 ? -EPIPE : t->end;
    // It takes all, unless it awaits the rest of a message of the handshake.
    while ((rc = SSL_write_ex(t->ssl, bytes, most, &taken)) != 1) {
        got = SSL_get_error(t->ssl, rc) == SSL_ERROR_WANT_READ ? fill(t) : give_up_ssl(t);
        if (got <= 0)
            break;
    }
    keep_early(t);
    int sent = push(t);
    if (rc != 1)
        return got == 0 ? -EPIPE : got;
    return sent < 0 ? sent : (ssize_t)taken;
}

SSL_SESSION *tls_take_session(struct tls *t)
{
    SSL_SESSION *session = SSL_is_init_finished(t->ssl) ? SSL_get1_session(t->ssl) : NULL;

    if (session == NULL || SSL_SESSION_is_resumable(session))
        return session;
    SSL_SESSION_free(session);
    return NULL;
}

char *tls_why(const struct tls *t, char *out, size_t size)
{
    const char *why = t->why != NULL ? t->why : "failed";

    if (t->verified != X509_V_OK)
        snprintf(out, size, "TLS: %s: %s", why, X509_verify_cert_error_string(t->verified));
    else
        snprintf(out, size, "TLS: %s", why);
    return out;
}
