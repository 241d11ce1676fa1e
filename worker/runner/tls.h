// TLS of one connection by OpenSSL, through buffers that all connections of a thread share: an idle
// one owns none. The thread of its loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <openssl/ssl.h>

// Plain text that one read can give: of a recv of 64 KiB, and of the part of a record (RFC 8446
// section 5.2) that came before it.
#define TLS_PLAIN_MAX (80 * 1024)
// What a server may say until the handshake is over.
#define TLS_HANDSHAKE_MAX (256 * 1024)
// What may wait for a peer that does not read.
#define TLS_UNSENT_MAX (256 * 1024)

// What the connections of a thread share: buffers, and the rules of the server's certificate.
struct tls_net;

struct tls_net_config {
    bool verify;    // the server's certificate and name
    const void *ca; // PEM, borrowed for the call; NULL: the system's authorities
    size_t ca_len;
};

// NULL, and into out why: no memory, or ca is no PEM.
struct tls_net *tls_net_new(const struct tls_net_config *config, char *why, size_t size);
void tls_net_free(struct tls_net *net); // after its connections; NULL is fine

// A client certificate with its key: PEM (key in the same file) or PKCS#12, told apart by content.
struct tls_identity;

// password: NULL for none. NULL, and into why: "no certificate in it", "no private key in it",
// "the password is wrong". Main thread; used by all threads after.
struct tls_identity *tls_identity_new(const void *bytes, size_t n, const char *password, char *why,
                                      size_t size);
void tls_identity_free(struct tls_identity *identity); // NULL is fine
// What a server that looks at the dates will find: "it has expired", "it is not valid yet". NULL:
// nothing.
const char *tls_identity_doubt(const struct tls_identity *identity);
// For tls_new. false: no memory.
bool tls_identity_give(const struct tls_identity *identity, SSL *ssl);

enum tls_alpn {
    TLS_ALPN_HTTP1 = 1, // http/1.1 alone
    TLS_ALPN_HTTP2,     // h2, then http/1.1
};

struct tls;

struct tls_config {
    int fd;           // borrowed
    const char *host; // for SNI and verification
    bool is_literal;  // host is an address: no SNI (RFC 6066 section 3)
    enum tls_alpn alpn;
    const struct tls_identity *identity; // NULL: none
    SSL_SESSION *resume;                 // borrowed; NULL: a full handshake
};

// NULL: no memory; with verification also a host that no certificate could be for.
struct tls *tls_new(struct tls_net *net, const struct tls_config *config);
void tls_free(struct tls *t); // NULL is fine

// Each returns as recv and send do, with -errno: -EAGAIN; -EPROTO where TLS itself failed.
// Handshake: 0 when done, and all of it is sent.
int tls_handshake(struct tls *t);
bool tls_is_http2(const struct tls *t); // chosen by the server; after the handshake
// One recv at most, and all that can be decrypted of it: *ret_bytes are in a buffer shared by the
// thread, until the next call. 0: the peer closed. -EAGAIN: the socket is empty. -EINTR: what was
// read is not yet, or has no, text; there may be more to read.
ssize_t tls_recv(struct tls *t, const char **ret_bytes);
// The next tls_recv has something to tell without the socket: text that came with the handshake,
// or the end.
bool tls_has_early(const struct tls *t);
// Plain bytes taken, > 0. They may wait in part: then tls_is_flushed is false, and tls_flush goes
// on when the descriptor is writable. Not before all is flushed.
// -EAGAIN only where the server is in the midst of a message of the handshake.
ssize_t tls_send(struct tls *t, const void *bytes, size_t n);
bool tls_is_flushed(const struct tls *t);
int tls_flush(struct tls *t); // 0, -EAGAIN, -errno
// The newest; TLS 1.3 servers give it some time after the handshake. The caller frees with
// SSL_SESSION_free; NULL: nothing to resume.
SSL_SESSION *tls_take_session(struct tls *t);
// For people: what the last -EPROTO of this connection was; into out, returns out.
char *tls_why(const struct tls *t, char *out, size_t size);
