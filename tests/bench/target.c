// A web server to be loaded and to misbehave on demand: HTTP/1.1, plain and TLS, one epoll loop a
// thread.
//
//   /              200, a few bytes          /status/N   that status
//   /bytes/N       a body of N bytes         /chunked/N  the same in chunks
//   /delay/MS      200, so much later        /slow-body  ten bytes, one every 100 ms
//   /close         closes in mid-body        /reset      RST instead of an answer
//   /hang          never answers             /garbage    bytes that are no HTTP
//   /drop-after/N  answers N requests of a connection, then closes it without a word
//   /count         JSON: how many requests came in whole, by path; /count itself is left out
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ec.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/clock.h"
#include "common/str.h"

#define IN_MAX      8192
#define OUT_MAX     4096
#define PATHS_MAX   256
#define TARGET_MAX  64
#define THREADS_MAX 64
#define FILL_MAX    65536

struct path {
    char text[TARGET_MAX];
    atomic_uint_fast64_t n;
};

// Paths seen so far; only ever grows, under the lock. The last one takes what is too much.
static struct path paths[PATHS_MAX];
static atomic_size_t n_paths;
static pthread_mutex_t paths_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint_fast64_t n_connections;
static char fill[FILL_MAX];
static SSL_CTX *tls;

enum after { AFTER_KEEP, AFTER_CLOSE, AFTER_RESET };

struct conn {
    int fd;
    SSL *ssl; // NULL: plain
    uint32_t events;
    char in[IN_MAX];
    size_t in_len;
    uint64_t body_left; // of the request, to be skipped
    struct path *path;  // of the request whose body comes in, and of the one before
    char target[TARGET_MAX];
    bool in_body, answering, client_closes, head_only;
    uint64_t served;

    char out[OUT_MAX];
    size_t out_len, out_off;
    uint64_t fill_left, chunk_left, drip_left;
    bool chunked;
    enum after after;
    int64_t due_ns; // while in the thread's queue
    bool queued;
    TAILQ_ENTRY(conn) link;
};

struct loop {
    int epoll, plain, secure;
    TAILQ_HEAD(conn_queue, conn) queue; // by due_ns
};

static void die(const char *what)
{
    fprintf(stderr, "target: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct path *path_find(const char *text)
{
    size_t n = atomic_load(&n_paths), i;

    for (i = 0; i < n; i++)
        if (strcmp(paths[i].text, text) == 0)
            return &paths[i];
    pthread_mutex_lock(&paths_lock);
    for (i = n; i < atomic_load(&n_paths) && strcmp(paths[i].text, text) != 0; i++)
        ;
    if (i == PATHS_MAX)
        i = PATHS_MAX - 1;
    if (i == atomic_load(&n_paths)) {
        snprintf(paths[i].text, TARGET_MAX, "%s", i == PATHS_MAX - 1 ? "others" : text);
        atomic_store(&n_paths, i + 1);
    }
    pthread_mutex_unlock(&paths_lock);
    return &paths[i];
}

// --- Connections ---

static void conn_unqueue(struct loop *l, struct conn *c)
{
    if (c->queued)
        TAILQ_REMOVE(&l->queue, c, link);
    c->queued = false;
}

static void conn_wait(struct loop *l, struct conn *c, int64_t ms)
{
    struct conn *before;

    c->due_ns = clock_now().ns + ms * NS_PER_MS;
    c->queued = true;
    before = TAILQ_LAST(&l->queue, conn_queue);
    while (before != NULL && before->due_ns > c->due_ns)
        before = TAILQ_PREV(before, conn_queue, link);
    if (before != NULL)
        TAILQ_INSERT_AFTER(&l->queue, before, c, link);
    else
        TAILQ_INSERT_HEAD(&l->queue, c, link);
}

static void conn_close(struct loop *l, struct conn *c, bool reset)
{
    conn_unqueue(l, c);
    if (reset) {
        struct linger now = {.l_onoff = 1};
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    } else if (c->ssl != NULL) {
        SSL_shutdown(c->ssl);
    }
    SSL_free(c->ssl);
    close(c->fd);
    free(c);
}

static void conn_want(struct loop *l, struct conn *c, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};

    if (c->events != events)
        epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &e);
    c->events = events;
}

// > 0 bytes; 0: later, events are set; < 0: gone.
static ssize_t conn_result(struct loop *l, struct conn *c, ssize_t n, uint32_t wait_for)
{
    if (n > 0)
        return n;
    if (c->ssl != NULL) {
        int why = SSL_get_error(c->ssl, (int)n);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            return -1;
        conn_want(l, c, why == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
        return 0;
    }
    if (n == 0 || errno != EAGAIN)
        return -1;
    conn_want(l, c, wait_for);
    return 0;
}

static ssize_t conn_read(struct loop *l, struct conn *c, char *into, size_t size)
{
    ERR_clear_error(); // of another connection: SSL_get_error looks at the thread's queue
    ssize_t n = c->ssl != NULL ? SSL_read(c->ssl, into, (int)size) : read(c->fd, into, size);

    return conn_result(l, c, n, EPOLLIN);
}

static ssize_t conn_write(struct loop *l, struct conn *c, const char *from, size_t size)
{
    ERR_clear_error();
    ssize_t n =
        c->ssl != NULL ? SSL_write(c->ssl, from, (int)size) : send(c->fd, from, size, MSG_NOSIGNAL);

    return conn_result(l, c, n, EPOLLOUT);
}

// --- Answers ---

static void answer_head(struct conn *c, int status, const char *type, uint64_t length)
{
    int n = snprintf(c->out, OUT_MAX, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", status,
                     status < 400 ? "Fine" : "Not so", type);

    if (c->chunked)
        n += snprintf(c->out + n, OUT_MAX - (size_t)n, "Transfer-Encoding: chunked\r\n");
    else if (status >= 200 && status != 204 && status != 304)
        n += snprintf(c->out + n, OUT_MAX - (size_t)n, "Content-Length: %llu\r\n",
                      (unsigned long long)length);
    n += snprintf(c->out + n, OUT_MAX - (size_t)n, "%s\r\n",
                  c->after == AFTER_CLOSE ? "Connection: close\r\n" : "");
    c->out_len = (size_t)n;
}

// The head, and as much of the body as fits beside it.
static void answer_fill(struct conn *c, int status, uint64_t length)
{
    answer_head(c, status, "text/plain", length);
    if (c->head_only)
        return;
    c->fill_left = length;
    if (length <= OUT_MAX - c->out_len) {
        memset(c->out + c->out_len, 'x', (size_t)length);
        c->out_len += (size_t)length;
        c->fill_left = 0;
    }
}

static void answer_count(struct conn *c)
{
    struct buf text = {0};
    uint64_t total = 0;
    size_t n = atomic_load(&n_paths);

    buf_puts(&text, "{\"paths\": {");
    for (size_t i = 0; i < n; i++) {
        uint64_t count = atomic_load(&paths[i].n);
        total += count;
        buf_printf(&text, "%s\"%s\": %llu", i ? ", " : "", paths[i].text,
                   (unsigned long long)count);
    }
    buf_printf(&text, "}, \"requests\": %llu, \"connections\": %llu}\n", (unsigned long long)total,
               (unsigned long long)atomic_load(&n_connections));
    answer_head(c, 200, "application/json", text.len);
    if (text.len > OUT_MAX - c->out_len)
        text.len = OUT_MAX - c->out_len; // more paths than a test has any use for
    memcpy(c->out + c->out_len, text.data, text.len);
    c->out_len += text.len;
    buf_done(&text);
}

// The number behind a prefix: "/bytes/" of "/bytes/100".
static bool under(const char *target, const char *prefix, uint64_t max, uint64_t *ret_n)
{
    size_t len = strlen(prefix);

    return strncmp(target, prefix, len) == 0 && str_parse_u64(target + len, 0, max, ret_n) == 0;
}

// false: nothing will come back.
static bool answer(struct loop *l, struct conn *c)
{
    const char *t = c->target;
    uint64_t n = 0;

    c->after = c->client_closes ? AFTER_CLOSE : AFTER_KEEP;
    if (strcmp(t, "/") == 0) {
        answer_fill(c, 200, 12);
    } else if (strcmp(t, "/count") == 0) {
        answer_count(c);
    } else if (under(t, "/bytes/", 1ULL << 40, &n)) {
        answer_fill(c, 200, n);
    } else if (under(t, "/status/", 599, &n) && n >= 200) {
        answer_fill(c, (int)n, n == 204 || n == 304 ? 0 : 12);
    } else if (under(t, "/delay/", 3600000, &n)) {
        answer_fill(c, 200, 12);
        conn_wait(l, c, (int64_t)n);
    } else if (under(t, "/chunked/", 1ULL << 40, &n)) {
        c->chunked = true;
        c->chunk_left = n;
        answer_head(c, 200, "text/plain", 0);
    } else if (strcmp(t, "/slow-body") == 0) {
        answer_head(c, 200, "text/plain", 10);
        c->drip_left = 10;
    } else if (strcmp(t, "/close") == 0) {
        answer_fill(c, 200, 1000);
        c->out_len -= 500;
        c->after = AFTER_CLOSE;
    } else if (strcmp(t, "/reset") == 0) {
        c->after = AFTER_RESET;
    } else if (strcmp(t, "/hang") == 0) {
        conn_wait(l, c, 3600 * 1000);
    } else if (strcmp(t, "/garbage") == 0) {
        c->out_len = (size_t)snprintf(c->out, OUT_MAX, "\x16\x03garbage, not HTTP\r\n\r\n");
        c->after = AFTER_CLOSE;
    } else if (under(t, "/drop-after/", UINT32_MAX, &n)) {
        if (c->served >= n)
            return false;
        answer_fill(c, 200, 12);
    } else {
        answer_fill(c, 404, 12);
    }
    return true;
}

// What else there is to say once out is empty: bytes in out, 0: nothing more, < 0: later.
static int answer_more(struct loop *l, struct conn *c)
{
    c->out_off = c->out_len = 0;
    if (c->drip_left > 0) {
        c->out[0] = 'x';
        c->out_len = 1;
        c->drip_left--;
        conn_wait(l, c, 100);
        return -1;
    }
    if (c->chunk_left > 0) {
        size_t n = c->chunk_left < 1000 ? (size_t)c->chunk_left : 1000;
        c->out_len = (size_t)snprintf(c->out, OUT_MAX, "%zx\r\n%.*s\r\n", n, (int)n, fill);
        c->chunk_left -= n;
    } else if (c->chunked) {
        c->out_len = (size_t)snprintf(c->out, OUT_MAX, "0\r\n\r\n");
        c->chunked = false;
    }
    return (int)c->out_len;
}

// 1: all is out, 0: later, -1: gone.
static int conn_flush(struct loop *l, struct conn *c)
{
    while (!c->queued) {
        const char *from = c->out + c->out_off;
        size_t size = c->out_len - c->out_off;

        if (size == 0 && c->fill_left > 0) {
            from = fill;
            size = c->fill_left < FILL_MAX ? (size_t)c->fill_left : FILL_MAX;
        } else if (size == 0) {
            int more = answer_more(l, c);
            if (more == 0)
                return 1;
            continue;
        }
        ssize_t n = conn_write(l, c, from, size);
        if (n <= 0)
            return (int)n;
        if (from == fill)
            c->fill_left -= (uint64_t)n;
        else
            c->out_off += (size_t)n;
    }
    return 0;
}

// --- Requests ---

// A field's value in the head, or NULL.
static const char *field(const char *head, const char *name)
{
    const char *at = strcasestr(head, name);

    return at == NULL ? NULL : at + strlen(name) + strspn(at + strlen(name), " \t");
}

// Reads one request head off in: 1, 0: incomplete, -1: bad.
static int parse_head(struct conn *c)
{
    c->in[c->in_len] = '\0';
    char *end = strstr(c->in, "\r\n\r\n"), *target = strchr(c->in, ' ');
    if (c->in_len > 0 && (c->in[0] < 'A' || c->in[0] > 'Z'))
        return -1; // a TLS handshake at the plain port, most likely
    if (end == NULL)
        return c->in_len == IN_MAX - 1 ? -1 : 0;
    end[2] = '\0';
    if (target == NULL || field(c->in, "\r\nTransfer-Encoding:") != NULL)
        return -1;
    size_t len = strcspn(++target, " ?\r\n");
    if (len >= TARGET_MAX)
        len = TARGET_MAX - 1;
    if (c->path == NULL || strncmp(c->target, target, len) != 0 || c->target[len] != '\0') {
        memcpy(c->target, target, len);
        c->target[len] = '\0';
        if (strcspn(c->target, "\"\\") != len) // goes into JSON as it is
            return -1;
        c->path = strcmp(c->target, "/count") == 0 ? NULL : path_find(c->target);
    }
    const char *length = field(c->in, "\r\nContent-Length:"),
               *connection = field(c->in, "\r\nConnection:");
    c->head_only = strncmp(c->in, "HEAD ", 5) == 0;
    c->body_left = length != NULL ? strtoull(length, NULL, 10) : 0;
    c->client_closes = connection != NULL && strncasecmp(connection, "close", 5) == 0;
    size_t used = (size_t)(end + 4 - c->in);
    memmove(c->in, c->in + used, c->in_len -= used);
    return 1;
}

// A whole request begins to be answered: 1; 0: more bytes are needed; -1: bad.
static int take_request(struct conn *c)
{
    int rc = 1;

    if (!c->in_body)
        rc = parse_head(c);
    if (rc <= 0)
        return rc;
    size_t skip = c->body_left < c->in_len ? (size_t)c->body_left : c->in_len;
    memmove(c->in, c->in + skip, c->in_len -= skip);
    c->body_left -= skip;
    c->in_body = c->body_left > 0;
    if (c->in_body)
        return 0;
    if (c->path != NULL)
        atomic_fetch_add_explicit(&c->path->n, 1, memory_order_relaxed);
    return 1;
}

static void conn_run(struct loop *l, struct conn *c)
{
    for (;;) {
        int rc = c->answering ? 1 : take_request(c);
        if (rc == 0) {
            ssize_t n = conn_read(l, c, c->in + c->in_len, IN_MAX - 1 - c->in_len);
            if (n == 0)
                return;
            if (n < 0)
                break;
            c->in_len += (size_t)n;
            continue;
        }
        if (rc < 0) {
            c->after = AFTER_CLOSE;
            answer_fill(c, 400, 12);
        } else if (!c->answering && !answer(l, c)) {
            break;
        }
        c->answering = true;
        rc = conn_flush(l, c);
        if (rc == 0)
            return;
        if (rc < 0 || c->after != AFTER_KEEP)
            break;
        c->answering = false;
        c->served++;
        conn_want(l, c, EPOLLIN);
    }
    conn_close(l, c, c->after == AFTER_RESET);
}

// While an answer waits for its time, only the peer's going matters.
static void conn_peek(struct loop *l, struct conn *c, uint32_t events)
{
    char byte;

    if ((events & (EPOLLHUP | EPOLLERR)) || recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
        conn_close(l, c, false);
    else
        conn_want(l, c, EPOLLRDHUP);
}

static void accept_all(struct loop *l, int listener)
{
    int fd, on = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *c = xcalloc(1, sizeof *c);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        c->fd = fd;
        c->events = EPOLLIN;
        if (listener == l->secure) {
            c->ssl = SSL_new(tls);
            SSL_set_fd(c->ssl, fd);
            SSL_set_accept_state(c->ssl);
        }
        atomic_fetch_add(&n_connections, 1);
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e);
    }
}

static void *loop_run(void *arg)
{
    struct loop *l = arg;
    struct epoll_event e[256];
    struct conn *c;

    for (;;) {
        int timeout = -1;
        while ((c = TAILQ_FIRST(&l->queue)) != NULL) {
            int64_t left_ns = c->due_ns - clock_now().ns;
            timeout = (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS);
            if (left_ns > 0)
                break;
            timeout = -1;
            conn_unqueue(l, c);
            conn_want(l, c, EPOLLIN);
            conn_run(l, c);
        }
        int n = epoll_wait(l->epoll, e, 256, timeout);
        for (int i = 0; i < n; i++) {
            c = e[i].data.ptr;
            if (e[i].data.ptr == &l->plain || e[i].data.ptr == &l->secure)
                accept_all(l, *(int *)e[i].data.ptr);
            else if (c->queued)
                conn_peek(l, c, e[i].events);
            else
                conn_run(l, c);
        }
    }
    return NULL;
}

// --- Start ---

static int listen_on(uint16_t *port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (fd < 0 || bind(fd, (void *)&a, len) < 0 || listen(fd, 4096) < 0)
        die("listen");
    getsockname(fd, (void *)&a, &len);
    *port = ntohs(a.sin_port);
    return fd;
}

static void watch_listener(struct loop *l, int *fd, uint16_t *port)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = fd};

    *fd = listen_on(port);
    epoll_ctl(l->epoll, EPOLL_CTL_ADD, *fd, &e);
}

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

static void tls_open(const char *cert, const char *key)
{
    tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (cert == NULL)
        self_sign(tls);
    else if (SSL_CTX_use_certificate_chain_file(tls, cert) != 1 ||
             SSL_CTX_use_PrivateKey_file(tls, key != NULL ? key : cert, SSL_FILETYPE_PEM) != 1)
        errno = EINVAL, die(cert);
    if (SSL_CTX_check_private_key(tls) != 1)
        errno = EINVAL, die("certificate and key");
}

static void on_term(int sig)
{
    (void)sig;
    _exit(0);
}

static uint64_t number(const char *text, uint64_t min, uint64_t max)
{
    uint64_t n;

    if (str_parse_u64(text, min, max, &n) != 0)
        errno = EINVAL, die(text);
    return n;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"port", 1, NULL, 'p'},    {"tls-port", 1, NULL, 's'},
                                            {"threads", 1, NULL, 't'}, {"cert", 1, NULL, 'c'},
                                            {"key", 1, NULL, 'k'},     {NULL, 0, NULL, 0}};
    static struct loop loops[THREADS_MAX];
    uint16_t port = 0, tls_port = 0;
    uint64_t n_threads = 1;
    const char *cert = NULL, *key = NULL;
    pthread_t thread;
    int c;

    while ((c = getopt_long(argc, argv, "p:s:t:c:k:", options, NULL)) != -1) {
        switch (c) {
        case 'p':
            port = (uint16_t)number(optarg, 0, 65535);
            break;
        case 's':
            tls_port = (uint16_t)number(optarg, 0, 65535);
            break;
        case 't':
            n_threads = number(optarg, 1, THREADS_MAX);
            break;
        case 'c':
            cert = optarg;
            break;
        case 'k':
            key = optarg;
            break;
        default:
            fprintf(stderr, "usage: target [--port N] [--tls-port N] [-t THREADS] "
                            "[--cert PEM] [--key PEM]\n");
            return 2;
        }
    }
    signal(SIGTERM, on_term);
    signal(SIGPIPE, SIG_IGN);
    memset(fill, 'x', sizeof fill);
    tls_open(cert, key);
    for (uint64_t i = 0; i < n_threads; i++) {
        TAILQ_INIT(&loops[i].queue);
        loops[i].epoll = epoll_create1(EPOLL_CLOEXEC);
        watch_listener(&loops[i], &loops[i].plain, &port);
        watch_listener(&loops[i], &loops[i].secure, &tls_port);
    }
    printf("listening: http://127.0.0.1:%u https://127.0.0.1:%u\n", port, tls_port);
    fflush(stdout);
    for (uint64_t i = 1; i < n_threads; i++)
        if (pthread_create(&thread, NULL, loop_run, &loops[i]) != 0)
            die("thread");
    loop_run(&loops[0]);
    return 0;
}
