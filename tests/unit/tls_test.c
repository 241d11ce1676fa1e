// Text over TLS: cut anywhere, before and after its end.
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

#include "tests/unit/tls_test_pair.h"

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
    append_cert(&pem, &people.client);
    append_cert(&pem, &people.middle);
    append_key(&pem, &people.client, NULL);
    struct tls_identity *identity = tls_identity_new(pem.data, pem.len, NULL, why, sizeof why);
    assert_non_null(identity);
    pair_init(&p, TLS1_3_VERSION);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(p.ctx), people.authority.cert);
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
        cmocka_unit_test(a_peer_that_does_not_read_is_given_up),
    };

    return cmocka_run_group_tests(tests, people_set_up, people_tear_down);
}
