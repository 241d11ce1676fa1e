// A web server to be loaded and to misbehave on demand: HTTP/1.0, HTTP/1.1 and HTTP/2, plain
// (HTTP/2 by prior knowledge) and TLS (by ALPN), one edge-triggered epoll loop a thread. Cheap: one
// recv and one send for a batch of requests, no epoll_ctl, no malloc.
//
//   /               200, a few bytes
//   /status/N       that status
//   /bytes/N        a body of N bytes
//   /big/N          a body of N GiB
//   /chunked/N      N bytes in chunks; HTTP/2: without a length
//   /trailers       chunks and a trailer
//   /slow-body      ten bytes, one every 100 ms; /slow-body/N: N of them
//   /headers/N      N header lines more
//   /1xx/N          N interim answers first
//
//   /delay/MS       200, so much later
//   /delays/A,B,C   request n of this very path is answered so many ms later, in turn; decimals too
//   /stall/MS       no thread reads or answers anything for so long; then comes the answer
//   /hang           never answers
//   /flaky/P        closes instead of answering one request in P: number n of the path, from 0,
//                   where splitmix64 of seed n gives a multiple of P
//   /flaky-reset/P  the same, but as /reset
//   /drop-after/N   answers N requests of a connection, then closes it without a word;
//                   HTTP/2: GOAWAY that disowns the request, which may be sent again elsewhere
//   /close          closes in mid-body; HTTP/2: GOAWAY first
//   /early-close/N  announces N bytes, sends half of them, closes; HTTP/2: ends the stream
//   /reset          TCP RST instead of an answer; HTTP/2: RST_STREAM
//   /garbage        bytes that are no HTTP, then closes
//   /endless-headers  header lines without end; HTTP/2: CONTINUATION after CONTINUATION
//   /endless-chunks   a body without end
//   /obs-fold /bare-lf /both-lengths /bad-chunk /http10 /http10-keep: as they say, HTTP/1 only;
//                   /http10 has no length and closes
//
//   /count          JSON: how many requests came in whole, by path, and the counters of
//                   target_stat.c; /count itself is left out
//
// --proxy: is a proxy, too. CONNECT to a loopback address makes a tunnel; a GET of an absolute URL
// is answered as if it were for the target, whatever its host. /count has "tunnels" and "proxied".
//
// --stall AFTER:MS: as /stall/MS, AFTER ms after the first request.
//
// --arrivals FILE: when each request had come in whole (after its recv). In host byte order: 8
// bytes, how many came; 8 bytes, how many fit (--arrivals-max; later ones are only counted); at
// 4096 the texts of 256 paths, 256 bytes each; at 69632 an entry of 8 bytes a request: the upper 8
// bits say which path, the lower 56 the instant of CLOCK_MONOTONIC in ns. An entry of 0 is still
// being written. /count is left out.
//
// --answers: in that file, behind the room for all entries, 16 bytes for each of them: 8 bytes, the
// number of the connection, from 1; 8 bytes, the instant just before its answer began to go out, or
// 0: none did.
#include "tests/bench/target.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/str.h"

#define THREADS_MAX      64
#define STALL_MAX_MS     3600000
#define ARRIVALS_DEFAULT (4 << 20)
#define ARRIVALS_MAX     (1 << 30)

struct options options = {
    .host = "127.0.0.1",
    .alpn = "both",
    .n_threads = 1,
    .n_streams = 100,
    .arrivals_max = ARRIVALS_DEFAULT,
};

static const struct option long_options[] = {
    {"port", 1, NULL, 'p'},    {"tls-port", 1, NULL, 's'}, {"host", 1, NULL, 'H'},
    {"threads", 1, NULL, 't'}, {"cert", 1, NULL, 'c'},     {"key", 1, NULL, 'k'},
    {"alpn", 1, NULL, 'a'},    {"streams", 1, NULL, 'm'},  {"client-certificate", 0, NULL, 'C'},
    {"stall", 1, NULL, 'S'},   {"arrivals", 1, NULL, 'A'}, {"arrivals-max", 1, NULL, 'M'},
    {"proxy", 0, NULL, 'P'},   {"answers", 0, NULL, 'W'},  {NULL, 0, NULL, 0},
};

static const char usage[] =
    "usage: target [-p|--port N] [-s|--tls-port N] [--host 127.0.0.1|::1] [-t|--threads N]\n"
    "              [--cert PEM] [--key PEM] [--alpn both|h2|http/1.1|none] [--streams N]\n"
    "              [--client-certificate] [--proxy] [--stall AFTER_MS:MS]\n"
    "              [--arrivals FILE] [--arrivals-max N] [--answers]\n";

void die(const char *what)
{
    fprintf(stderr, "target: %s: %s\n", what, strerror(errno));
    exit(1);
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

static void plan_stall(char *text)
{
    char *colon = strchr(text, ':');

    if (colon == NULL)
        errno = EINVAL, die(text);
    *colon = '\0';
    stall_plan((int64_t)number(text, 0, STALL_MAX_MS) * NS_PER_MS,
               (int64_t)number(colon + 1, 0, STALL_MAX_MS) * NS_PER_MS);
}

static bool take_option(int c)
{
    switch (c) {
    case 'p':
        options.port = (uint16_t)number(optarg, 0, 65535);
        break;
    case 's':
        options.tls_port = (uint16_t)number(optarg, 0, 65535);
        break;
    case 'H':
        options.host = optarg;
        break;
    case 't':
        options.n_threads = number(optarg, 1, THREADS_MAX);
        break;
    case 'c':
        options.cert = optarg;
        break;
    case 'k':
        options.key = optarg;
        break;
    case 'a':
        options.alpn = optarg;
        break;
    case 'm':
        options.n_streams = number(optarg, 1, INT32_MAX);
        break;
    case 'C':
        options.client_certificate = true;
        break;
    case 'S':
        plan_stall(optarg);
        break;
    case 'A':
        options.arrivals = optarg;
        break;
    case 'M':
        options.arrivals_max = number(optarg, 1, ARRIVALS_MAX);
        break;
    case 'P':
        options.proxy = true;
        break;
    case 'W':
        options.answers = true;
        break;
    default:
        return false;
    }
    return true;
}

static void start_loops(void)
{
    struct loop *loops = xcalloc(options.n_threads, sizeof *loops);
    const char *before = strchr(options.host, ':') != NULL ? "[" : "";
    const char *after = *before != '\0' ? "]" : "";
    pthread_t thread;

    for (uint64_t i = 0; i < options.n_threads; i++)
        loop_open(&loops[i]);
    printf("listening: http://%s%s%s:%u https://%s%s%s:%u\n", before, options.host, after,
           options.port, before, options.host, after, options.tls_port);
    fflush(stdout);
    for (uint64_t i = 1; i < options.n_threads; i++)
        if (pthread_create(&thread, NULL, loop_run, &loops[i]) != 0)
            die("thread");
    loop_run(&loops[0]);
}

int main(int argc, char **argv)
{
    struct rlimit files;
    int c;

    while ((c = getopt_long(argc, argv, "p:s:t:", long_options, NULL)) != -1) {
        if (!take_option(c)) {
            fputs(usage, stderr);
            return 2;
        }
    }
    signal(SIGTERM, on_term);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    reply_blocks();
    http2_init();
    tls_open();
    if (options.arrivals != NULL)
        stat_open(options.arrivals, options.arrivals_max, options.answers);
    start_loops();
    return 0;
}
