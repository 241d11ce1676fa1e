// The least that a client can do: the same bytes by send, recv and epoll, and no understanding of
// them. Closed loop: each connection sends its next request when the last answer is in. The length
// of an answer is learnt from the first one, which counts as the others do.
//
//   floor -c CONNECTIONS (-d SECONDS | -n REQUESTS) [--post BYTES | --body FILE]
//   http://IP:PORT/PATH
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/str.h"

#define CONNECTIONS_MAX 60000
#define SECONDS_MAX     86400
#define BODY_MAX        (64 << 20)
#define HEAD_MAX        4096 // answers longer than this are discarded in the kernel behind it
#define EVENTS_MAX      256

struct conn {
    int fd;
    size_t sent;
    uint64_t got;
};

static struct addrinfo *address;
static struct buf request;
static uint64_t answer_len, n_sent, n_done, n_max = UINT64_MAX;
static int64_t end_ns = INT64_MAX;
static bool over;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t number(const char *text, uint64_t max)
{
    uint64_t n;

    if (str_parse_u64(text, 1, max, &n) != 0)
        errno = EINVAL, die(text);
    return n;
}

// --- Connections ---

// Sends the rest of a request; edge-triggered: EAGAIN is followed by an event.
static void push(struct conn *c)
{
    while (c->sent < request.len) {
        ssize_t n = send(c->fd, request.data + c->sent, request.len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            die("send");
        c->sent += (size_t)n;
    }
}

static void next(struct conn *c)
{
    if (over || n_sent == n_max)
        return;
    n_sent++;
    c->sent = 0;
    c->got = 0;
    push(c);
}

// One recv: false when the socket has no more.
static bool pull(struct conn *c)
{
    static char into[HEAD_MAX];
    bool discard = c->got >= HEAD_MAX;
    uint64_t left = answer_len - c->got;
    size_t size = discard ? (size_t)left : HEAD_MAX;
    ssize_t n = recv(c->fd, discard ? NULL : into, size, discard ? MSG_TRUNC : 0);

    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0)
        die(n == 0 ? "closed" : "recv");
    c->got += (uint64_t)n;
    if (c->got > answer_len)
        errno = EPROTO, die("an answer of another length");
    if (c->got == answer_len) {
        n_done++;
        next(c);
        return false; // nothing was asked for yet when the recv returned
    }
    return (size_t)n == size;
}

static void conn_open(struct conn *c, int epoll)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    int on = 1;

    c->fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, address->ai_addr, address->ai_addrlen) != 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->sent = request.len;
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e);
}

// --- The first answer ---

static void learn(void)
{
    static char head[HEAD_MAX + 1];
    size_t len = 0;
    char *end = NULL, *field;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, address->ai_addr, address->ai_addrlen) != 0)
        die("connect");
    for (size_t sent = 0; sent < request.len;) {
        ssize_t n = send(fd, request.data + sent, request.len - sent, MSG_NOSIGNAL);
        if (n < 0)
            die("send");
        sent += (size_t)n;
    }
    while (end == NULL && len < HEAD_MAX) {
        ssize_t n = recv(fd, head + len, HEAD_MAX - len, 0);
        if (n <= 0)
            die("recv");
        len += (size_t)n;
        head[len] = '\0';
        end = strstr(head, "\r\n\r\n");
    }
    field = strcasestr(head, "\r\nContent-Length:");
    if (end == NULL || field == NULL || field > end)
        errno = EPROTO, die("an answer without a length");
    answer_len = (uint64_t)(end + 4 - head) + strtoull(field + 17, NULL, 10);
    n_sent = n_done = 1;
    for (uint64_t left = answer_len - len; left > 0;) {
        ssize_t n = recv(fd, head, left < HEAD_MAX ? (size_t)left : HEAD_MAX, 0);
        if (n <= 0)
            die("recv");
        left -= (uint64_t)n;
    }
    close(fd);
}

// --- Run ---

static void run(uint64_t n_conns)
{
    struct conn *conns = xcalloc(n_conns, sizeof *conns);
    struct epoll_event e[EVENTS_MAX];
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    for (uint64_t i = 0; i < n_conns; i++)
        conn_open(&conns[i], epoll);
    for (uint64_t i = 0; i < n_conns; i++)
        next(&conns[i]);
    while (n_done < n_sent) {
        int n = epoll_wait(epoll, e, EVENTS_MAX, -1);
        over = over || clock_now().ns >= end_ns;
        for (int i = 0; i < n; i++) {
            struct conn *c = e[i].data.ptr;
            if (c->sent < request.len)
                push(c);
            while ((e[i].events & ~(uint32_t)EPOLLOUT) != 0 && pull(c))
                ;
        }
    }
    for (uint64_t i = 0; i < n_conns; i++)
        close(conns[i].fd);
    close(epoll);
    free(conns);
}

static void read_url(char *url)
{
    static const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    bool is_http = strncmp(url, "http://", 7) == 0;
    char *host = url + 7, *path = is_http ? strchr(host, '/') : NULL, *port;

    if (path == NULL)
        errno = EINVAL, die(url);
    buf_printf(&request, "%s HTTP/1.1\r\nHost: %.*s\r\n", path, (int)(path - host), host);
    *path = '\0';
    port = strrchr(host, ':');
    if (port == NULL)
        errno = EINVAL, die(url);
    *port++ = '\0';
    if (host[0] == '[') {
        host++;
        host[strcspn(host, "]")] = '\0';
    }
    if (getaddrinfo(host, port, &hints, &address) != 0)
        errno = EINVAL, die(host);
}

static void read_body(const char *file, struct buf *body)
{
    FILE *f = fopen(file, "re");

    if (f == NULL)
        die(file);
    buf_reserve(body, BODY_MAX + 1);
    body->len = fread(body->data, 1, BODY_MAX + 1, f);
    if (body->len > BODY_MAX)
        errno = EFBIG, die(file);
    fclose(f);
}

static void report(int64_t took_ns)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    double user = (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6;
    double system = (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6;
    printf("requests: %llu\nseconds: %.3f\nrequests/s: %.0f\n", (unsigned long long)n_done,
           (double)took_ns / 1e9, (double)n_done / ((double)took_ns / 1e9));
    printf("cpu: %.3f s (user %.3f, system %.3f), %.3f us/request\n", user + system, user, system,
           (user + system) * 1e6 / (double)n_done);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"post", 1, NULL, 'p'}, {"body", 1, NULL, 'b'}, {NULL, 0, NULL, 0}};
    struct buf body = {0};
    uint64_t n_conns = 1, seconds = 0;
    const char *method = "GET ";
    int c;

    while ((c = getopt_long(argc, argv, "c:d:n:", options, NULL)) != -1) {
        if (c == 'c')
            n_conns = number(optarg, CONNECTIONS_MAX);
        else if (c == 'd')
            seconds = number(optarg, SECONDS_MAX);
        else if (c == 'n')
            n_max = number(optarg, UINT64_MAX);
        else if (c == 'p')
            body.len = 0, buf_printf(&body, "%0*d", (int)number(optarg, BODY_MAX), 0);
        else if (c == 'b')
            read_body(optarg, &body);
        if (c == 'p' || c == 'b')
            method = "POST ";
    }
    if (optind + 1 != argc || (seconds == 0) == (n_max == UINT64_MAX)) {
        fprintf(stderr, "usage: floor -c CONNECTIONS (-d SECONDS | -n REQUESTS) "
                        "[--post BYTES | --body FILE] http://IP:PORT/PATH\n");
        return 2;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    buf_puts(&request, method);
    read_url(argv[optind]);
    if (method[0] == 'P')
        buf_printf(&request, "Content-Length: %zu\r\n", body.len);
    buf_puts(&request, "\r\n");
    buf_append(&request, body.data, body.len);
    buf_done(&body);

    int64_t began_ns = clock_now().ns;
    if (seconds > 0)
        end_ns = began_ns + (int64_t)seconds * NS_PER_S;
    learn();
    run(n_conns);
    report(clock_now().ns - began_ns);
    freeaddrinfo(address);
    buf_done(&request);
    return 0;
}
