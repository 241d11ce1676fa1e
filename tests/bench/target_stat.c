#include "tests/bench/target.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/str.h"

// The arrival log, as target.c documents it.
struct arrivals {
    atomic_uint_fast64_t n;
    uint64_t capacity;
    char unused[4096 - 16];
    char paths[PATHS_MAX][TARGET_MAX];
    uint64_t entry[];
};

struct answer {
    uint64_t connection, at_ns;
};

#define ENTRY_PATH_SHIFT 56 // of an uptime, 2^56 ns are 2.2 years

// Paths seen so far; only ever grows, under the lock.
static struct path paths[PATHS_MAX];
static atomic_size_t n_paths;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char subject[128];
static atomic_uint_fast64_t counters[COUNT__N];
static struct arrivals *arrivals;
static struct answer *answers; // behind the last entry; NULL: not asked for

static const char *const counter_names[COUNT__N] = {
    [COUNT_CONNECTIONS] = "connections",
    [COUNT_HANDSHAKES] = "handshakes",
    [COUNT_RESUMPTIONS] = "resumptions",
    [COUNT_CERTIFICATES] = "client_certificates",
    [COUNT_HTTP1] = "http1",
    [COUNT_HTTP2] = "http2",
    [COUNT_REQUEST_BYTES] = "request_bytes",
    [COUNT_BODY_BYTES] = "body_bytes",
    [COUNT_FLAKY] = "flaky_closed",
    [COUNT_FLAKY_RESET] = "flaky_reset",
    [COUNT_PROXIED] = "proxied",
    [COUNT_TUNNELS] = "tunnels",
};

void stat_open(const char *file, uint64_t capacity, bool with_answers)
{
    size_t size = sizeof *arrivals + capacity * sizeof arrivals->entry[0];
    int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (with_answers)
        size += capacity * sizeof *answers;
    if (fd < 0 || posix_fallocate(fd, 0, (off_t)size) != 0)
        die(file);
    arrivals = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (arrivals == MAP_FAILED)
        die(file);
    arrivals->capacity = capacity;
    if (with_answers)
        answers = (struct answer *)&arrivals->entry[capacity];
    close(fd);
}

struct path *stat_path(const char *text)
{
    size_t n = atomic_load(&n_paths), i;

    for (i = 0; i < n; i++)
        if (strcmp(paths[i].text, text) == 0)
            return &paths[i];
    pthread_mutex_lock(&lock);
    for (i = n; i < atomic_load(&n_paths) && strcmp(paths[i].text, text) != 0; i++)
        ;
    if (i == PATHS_MAX)
        i = PATHS_MAX - 1;
    if (i == atomic_load(&n_paths)) {
        snprintf(paths[i].text, TARGET_MAX, "%s", i == PATHS_MAX - 1 ? "others" : text);
        if (arrivals != NULL)
            memcpy(arrivals->paths[i], paths[i].text, TARGET_MAX);
        atomic_store(&n_paths, i + 1);
    }
    pthread_mutex_unlock(&lock);
    return &paths[i];
}

uint64_t stat_add(enum counter counter, uint64_t n)
{
    return atomic_fetch_add_explicit(&counters[counter], n, memory_order_relaxed) + n;
}

void stat_subject(const char *cn)
{
    pthread_mutex_lock(&lock);
    snprintf(subject, sizeof subject, "%s", cn);
    for (char *c = subject; *c != '\0'; c++)
        if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
            *c = '?';
    pthread_mutex_unlock(&lock);
}

uint64_t stat_arrived(struct loop *l, struct arrival *a, uint64_t connection)
{
    if (a->path == NULL)
        return 0;
    stall_first_request(l->now_ns);
    if (arrivals != NULL) {
        uint64_t at = atomic_fetch_add_explicit(&arrivals->n, 1, memory_order_relaxed);
        if (at < arrivals->capacity)
            arrivals->entry[at] =
                (uint64_t)(a->path - paths) << ENTRY_PATH_SHIFT | (uint64_t)l->now_ns;
        if (answers != NULL && at < arrivals->capacity)
            answers[at].connection = connection;
        a->entry = at;
    }
    stat_add(a->http2 ? COUNT_HTTP2 : COUNT_HTTP1, 1);
    stat_add(COUNT_REQUEST_BYTES, a->bytes);
    if (a->body_bytes > 0)
        stat_add(COUNT_BODY_BYTES, a->body_bytes);
    return atomic_fetch_add_explicit(&a->path->n, 1, memory_order_relaxed);
}

void stat_answered(const struct arrival *a)
{
    if (answers != NULL && a->path != NULL && a->entry < arrivals->capacity)
        answers[a->entry].at_ns = (uint64_t)clock_now().ns;
}

size_t stat_json(char *out, size_t size)
{
    struct buf text = {0};
    uint64_t total = 0;
    size_t n = atomic_load(&n_paths), len;

    buf_puts(&text, "{\"paths\": {");
    for (size_t i = 0; i < n; i++) {
        uint64_t count = atomic_load(&paths[i].n);
        total += count;
        buf_printf(&text, "%s\"%s\": %llu", i ? ", " : "", paths[i].text,
                   (unsigned long long)count);
    }
    buf_printf(&text, "}, \"requests\": %llu", (unsigned long long)total);
    for (size_t i = 0; i < COUNT__N; i++)
        buf_printf(&text, ", \"%s\": %llu", counter_names[i],
                   (unsigned long long)atomic_load(&counters[i]));
    pthread_mutex_lock(&lock);
    buf_printf(&text, ", \"client_subject\": \"%s\"}\n", subject);
    pthread_mutex_unlock(&lock);
    len = text.len < size ? text.len : size;
    memcpy(out, text.data, len);
    buf_done(&text);
    return len;
}
