#include "tests/unit/runner_test_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "common/str.h"

#define CONNECTIONS_MAX 256

struct server {
    int fd;
    uint16_t port;
    SSL_CTX *tls; // NULL: plain
    pthread_t acceptor, threads[CONNECTIONS_MAX];
    size_t n_threads;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned n_requests, n_first, n_first_before_second;
    bool is_released, has_second;
};

struct link {
    struct server *server;
    int fd;
    SSL *ssl;
    unsigned n_requests;
};

#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// false: the peer is gone.
static bool say(struct link *l, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent =
            l->ssl != NULL ? SSL_write(l->ssl, bytes, (int)n) : send(l->fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

static ssize_t hear(struct link *l, char *bytes, size_t n)
{
    return l->ssl != NULL ? SSL_read(l->ssl, bytes, (int)n) : recv(l->fd, bytes, n, 0);
}

static bool await_end(struct link *l)
{
    char bytes[4096];

    while (hear(l, bytes, sizeof bytes) > 0) {
    }
    return false;
}

static bool reset(struct link *l)
{
    setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    return false;
}

static bool say_large(struct link *l)
{
    static const char part[30000];
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n";
    bool ok = say(l, head, strlen(head));

    for (int i = 0; i < 10 && ok; i++)
        ok = say(l, part, sizeof part);
    return ok;
}

static bool say_split(struct link *l)
{
    bool ok = true;

    for (size_t i = 0; i < strlen(OK5) && ok; i++)
        ok = say(l, OK5 + i, 1);
    return ok;
}

static bool say_endless_head(struct link *l)
{
    static const char status[] = "HTTP/1.1 200 OK\r\n", field[] = "X-Again: and again\r\n";
    bool ok = say(l, status, strlen(status));

    while (ok)
        ok = say(l, field, strlen(field));
    return false;
}

static void await_release(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->is_released)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static bool count_round(struct link *l, bool first)
{
    struct server *s = l->server;

    pthread_mutex_lock(&s->lock);
    if (first)
        s->n_first++;
    else if (!s->has_second)
        s->n_first_before_second = s->n_first;
    s->has_second |= !first;
    pthread_mutex_unlock(&s->lock);
    return say(l, OK5, strlen(OK5));
}

// Answers that are a text, and what becomes of the connection then.
static const struct {
    const char *path, *answer;
    enum { KEEP, CLOSE, RESET, AWAIT_END, READ_NOTHING } then;
} answers[] = {
    {"/ok", OK5, KEEP},
    {"/no-content", "HTTP/1.1 204 No Content\r\n\r\n", KEEP},
    {"/chunked",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     "5\r\nhello\r\n3;x=y\r\nyou\r\n0\r\nTrailer: t\r\n\r\n",
     KEEP},
    {"/interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" OK5, KEEP},
    {"/until-close", "HTTP/1.1 200 OK\r\n\r\nhello", CLOSE},
    {"/says-close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
     AWAIT_END},
    {"/left-over", OK5 "and more", AWAIT_END},
    {"/reset", "", RESET},
    {"/close", "", CLOSE},
    {"/close-in-head", "HTTP/1.1 200 OK\r\nContent-Le", CLOSE},
    {"/close-in-body", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello", CLOSE},
    {"/reset-in-body", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello", RESET},
    {"/garbage", "220 mail.example ESMTP", AWAIT_END},
    {"/bad-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n", AWAIT_END},
    {"/hang", "", AWAIT_END},
    {"/hang-in-body", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello", AWAIT_END},
    {"/early", "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", READ_NOTHING},
    {"/early-close", "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", CLOSE},
};

// true: another request may come.
static bool answer(struct link *l, const char *path)
{
    if (strcmp(path, "/large") == 0)
        return say_large(l);
    if (strcmp(path, "/split") == 0)
        return say_split(l);
    if (strcmp(path, "/endless-head") == 0)
        return say_endless_head(l);
    if (strcmp(path, "/held") == 0) {
        await_release(l->server);
        return say(l, OK5, strlen(OK5));
    }
    if (strcmp(path, "/first") == 0 || strcmp(path, "/second") == 0)
        return count_round(l, path[1] == 'f');
    if (strcmp(path, "/second-resets") == 0)
        return l->n_requests == 1 ? say(l, OK5, strlen(OK5)) : reset(l);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        if (strcmp(path, answers[i].path) != 0)
            continue;
        if (!say(l, answers[i].answer, strlen(answers[i].answer)))
            return false;
        switch (answers[i].then) {
        case KEEP:
            return true;
        case RESET:
            return reset(l);
        case AWAIT_END:
            return await_end(l);
        case READ_NOTHING:
            await_release(l->server);
            return false;
        case CLOSE:
            return false;
        }
    }
    return false;
}

// One request's path, without its body; false: none came.
static bool take_request(struct link *l, char path[64])
{
    char head[1024];
    size_t n = 0;

    while (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0) {
        if (n == sizeof head - 1 || hear(l, head + n, 1) != 1)
            return false;
        n++;
    }
    head[n] = '\0';
    pthread_mutex_lock(&l->server->lock);
    l->server->n_requests++;
    l->n_requests++;
    pthread_cond_broadcast(&l->server->changed);
    pthread_mutex_unlock(&l->server->lock);
    return sscanf(head, "%*s %63s", path) == 1;
}

static void *serve(void *arg)
{
    struct link *l = arg;
    char path[64];

    if (l->ssl == NULL || SSL_accept(l->ssl) == 1)
        while (take_request(l, path) && answer(l, path)) {
        }
    SSL_free(l->ssl);
    close(l->fd);
    free(l);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct server *s = arg;
    int fd;

    while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct link *l = xcalloc(1, sizeof *l);
        *l = (struct link){.server = s, .fd = fd};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (s->tls != NULL) {
            l->ssl = SSL_new(s->tls);
            SSL_set_fd(l->ssl, fd);
        }
        if (s->n_threads == CONNECTIONS_MAX ||
            pthread_create(&s->threads[s->n_threads++], NULL, serve, l) != 0)
            abort();
    }
    return NULL;
}

static SSL_CTX *self_signed(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();

    X509_gmtime_adj(X509_getm_notBefore(cert), -86400);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    SSL_CTX_use_certificate(ctx, cert);
    SSL_CTX_use_PrivateKey(ctx, key);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ctx;
}

struct server *server_new(bool tls)
{
    struct server *s = xcalloc(1, sizeof *s);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;

    s->tls = tls ? self_signed() : NULL;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(s->fd, 100) < 0 ||
        getsockname(s->fd, (struct sockaddr *)&a, &len) < 0)
        abort();
    s->port = ntohs(a.sin_port);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    if (pthread_create(&s->acceptor, NULL, accept_all, s) != 0)
        abort();
    return s;
}

void server_release(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    s->is_released = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void server_await(struct server *s, unsigned n_requests)
{
    pthread_mutex_lock(&s->lock);
    while (s->n_requests < n_requests)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

// After the runner has ended.
void server_free(struct server *s)
{
    server_release(s);
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->acceptor, NULL);
    for (size_t i = 0; i < s->n_threads; i++)
        pthread_join(s->threads[i], NULL);
    close(s->fd);
    SSL_CTX_free(s->tls);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s);
}

uint16_t server_port(const struct server *s)
{
    return s->port;
}

unsigned server_n_first_before_second(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = s->n_first_before_second;
    pthread_mutex_unlock(&s->lock);
    return n;
}
