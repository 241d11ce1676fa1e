// A client over a socket and, as its server, OpenSSL over memory: a test decides what reaches the
// client, and when.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

#include "common/str.h"
#include "worker/runner/tls.h"

struct person {
    X509 *cert;
    EVP_PKEY *key;
};

// authority signs middle, middle signs server and client; stranger signs itself.
struct people {
    struct person authority, middle, server, client, stranger;
};

extern struct people people; // from people_set_up to people_tear_down

int people_set_up(void **unused);
int people_tear_down(void **unused);
// issuer NULL: itself. names NULL: an authority. Valid for a day around now + days.
struct person person_born(const char *name, const struct person *issuer, const char *names,
                          int days);
void person_done(struct person *p);

// PEM.
void append_cert(struct buf *out, const struct person *p);
void append_key(struct buf *out, const struct person *p, const char *password); // NULL: in clear
void append_bio(struct buf *out, BIO *bio);                                     // takes bio

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

extern const struct tls_config plain_config;

SSL_CTX *server_ctx(int version);
struct tls_net *trusting(const struct person *whom, bool verify);
void pair_init(struct pair *p, int version);
void pair_done(struct pair *p);
// A fresh connection of p's net to p's ctx, and its end. config: but for the descriptor.
void meet(struct pair *p, struct tls_config config);
void part(struct pair *p);
void serve(struct pair *p); // the server alone, for a peer_fd from elsewhere

// What the client sent reaches the server; how much.
size_t to_server(struct pair *p);
// Up to most bytes of what the server wrote reach the client's socket; how many.
size_t to_client(struct pair *p, size_t most);
// The client's result, with at most most bytes on their way to it at a time. Nothing of what the
// server sends after the handshake is delivered.
int shake(struct pair *p, size_t most);
void say(struct pair *p, const char *text, size_t n); // the server
size_t hear(struct pair *p); // all that the socket has; how many calls gave text

void assert_heard(struct pair *p, const char *text);
void assert_why(struct pair *p, const char *expected);
void assert_said(struct pair *p, const char *text); // the client says it, the server hears it

extern const int tls_versions[2];
#define EACH_VERSION(v) (const int *v = tls_versions; v < tls_versions + 2; v++)
