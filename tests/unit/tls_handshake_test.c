// What client and server agree on, or do not.
#include "worker/runner/tls.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "tests/unit/tls_test_pair.h"

static const char *chosen; // by the people.server, as RFC 7301 has it

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
        {&people.authority, true, "host.test", false, NULL},
        {&people.authority, true, "HOST.test", false, NULL},
        {&people.authority, true, "a.wild.test", false, NULL},
        {&people.authority, true, "b.a.wild.test", false, misnamed},
        {&people.authority, true, "other.test", false, misnamed},
        {&people.authority, true, "Server", false, misnamed},
        {&people.authority, true, "192.0.2.7", true, NULL},
        {&people.authority, true, "2001:db8::7", true, NULL},
        {&people.authority, true, "192.0.2.8", true, misplaced},
        {&people.authority, true, "::1", true, misplaced},
        {&people.stranger, true, "host.test", false, untrusted},
        {&people.stranger, false, "other.test", false, NULL},
        {&people.stranger, false, "::1", true, NULL},
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
    p = (struct pair){.ctx = server_ctx(TLS1_3_VERSION), .net = trusting(&people.authority, true)};
    SSL_CTX_clear_extra_chain_certs(p.ctx);
    SSL_CTX_use_certificate(p.ctx, people.stranger.cert);
    SSL_CTX_use_PrivateKey(p.ctx, people.stranger.key);
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
    append_cert(&pem, &people.authority);
    append_cert(&pem, &people.authority);
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
        X509_up_ref(people.middle.cert);
        SSL_CTX_add_extra_chain_cert(p->ctx, people.middle.cert);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_server_chooses_among_what_is_offered),
        cmocka_unit_test(certificates_are_verified_where_that_is_asked_for),
        cmocka_unit_test(a_server_that_signed_itself_is_said_to),
        cmocka_unit_test(authorities_are_pem_or_refused),
        cmocka_unit_test(the_system_has_authorities),
        cmocka_unit_test(names_are_told_to_the_server_and_addresses_are_not),
        cmocka_unit_test(a_session_is_resumed_more_than_once),
        cmocka_unit_test(a_session_that_the_server_forgot_is_a_full_handshake),
        cmocka_unit_test(a_handshake_that_is_too_long_is_given_up),
    };

    return cmocka_run_group_tests(tests, people_set_up, people_tear_down);
}
