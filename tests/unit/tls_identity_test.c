// Clients that are known by a certificate.
#include "worker/runner/tls.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>

#include "tests/unit/tls_test_pair.h"

static struct buf pkcs12(const struct person *p, EVP_PKEY *key, const char *password, int cipher)
{
    struct buf out = {0};
    STACK_OF(X509) *chain = sk_X509_new_null();
    BIO *bio = BIO_new(BIO_s_mem());

    sk_X509_push(chain, people.middle.cert);
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
            X509_STORE_add_cert(SSL_CTX_get_cert_store(p.ctx), people.authority.cert);
            SSL_CTX_set_verify(p.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
            meet(&p, (struct tls_config){
                         .host = "host.test", .alpn = TLS_ALPN_HTTP1, .identity = identity});
            assert_int_equal(shake(&p, SIZE_MAX), 0);
            assert_true(SSL_is_init_finished(p.ssl));
            assert_int_equal(X509_cmp(SSL_get0_peer_certificate(p.ssl), people.client.cert), 0);
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
    append_cert(&pem, &people.client);
    append_cert(&pem, &people.middle);
    append_key(&pem, &people.client, NULL);
    assert_known(&pem, NULL);
    assert_known(&pem, "not needed");
    append_key(&last, &people.client, NULL);
    append_cert(&last, &people.middle);
    append_cert(&last, &people.client);
    assert_known(&last, NULL);
    append_cert(&secret, &people.client);
    append_cert(&secret, &people.middle);
    append_key(&secret, &people.client, "secret");
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
    struct buf file = pkcs12(&people.client, people.client.key, "secret", 0);
    struct buf open = pkcs12(&people.client, people.client.key, "", 0);

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
    struct buf file =
        pkcs12(&people.client, people.client.key, "secret", NID_pbe_WithSHA1And40BitRC2_CBC);
    OSSL_PROVIDER_unload(legacy);
    assert_known(&file, "secret");
    assert_refused(&file, "wrong", "the password is wrong");
    buf_done(&file);
}

static void half_an_identity_is_none(void **unused)
{
    struct buf cert = {0}, key = {0}, other = {0}, der = {0}, none = {0}, text = {0};
    struct buf keyless = pkcs12(&people.client, NULL, "secret", 0);
    BIO *bio = BIO_new(BIO_s_mem());

    (void)unused;
    append_cert(&cert, &people.client);
    append_key(&key, &people.client, NULL);
    append_cert(&other, &people.client);
    append_key(&other, &people.stranger, NULL);
    i2d_X509_bio(bio, people.client.cert);
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
    person_done(&weak);
}

static void a_certificate_out_of_its_time_is_doubted_and_used(void **unused)
{
    static const struct {
        int days;
        const char *doubt;
    } rows[] = {{0, NULL}, {-2, "it has expired"}, {2, "it is not valid yet"}};
    char why[200];

    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct person p = person_born("Client", &people.middle, "DNS:client.test", rows[i].days);
        struct buf pem = {0};
        append_cert(&pem, &p);
        append_key(&pem, &p, NULL);
        struct tls_identity *identity = tls_identity_new(pem.data, pem.len, NULL, why, sizeof why);
        assert_non_null(identity);
        const char *doubt = tls_identity_doubt(identity);
        assert_int_equal(doubt == NULL, rows[i].doubt == NULL);
        if (doubt != NULL)
            assert_string_equal(doubt, rows[i].doubt);
        tls_identity_free(identity);
        buf_done(&pem);
        person_done(&p);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_is_known_by_pem),
        cmocka_unit_test(a_client_is_known_by_pkcs12),
        cmocka_unit_test(a_client_is_known_by_pkcs12_of_old),
        cmocka_unit_test(half_an_identity_is_none),
        cmocka_unit_test(a_key_too_short_to_be_used_is_refused_at_once),
        cmocka_unit_test(a_certificate_out_of_its_time_is_doubted_and_used),
        cmocka_unit_test(a_client_that_is_not_known_is_told_so),
    };

    return cmocka_run_group_tests(tests, people_set_up, people_tear_down);
}
