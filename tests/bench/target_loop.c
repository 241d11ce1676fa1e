#include "tests/bench/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/str.h"

#define EVENTS_MAX  256
#define BACKLOG_MAX 4096

static int64_t planned_after_ns = -1, planned_for_ns;
static atomic_bool planned_is_set;
static _Atomic int64_t stall_from_ns, stall_until_ns;

// --- Waiting ---

static void heap_put(struct loop *l, size_t at, struct wait *w)
{
    l->heap[at] = w;
    w->at = at;
}

static void heap_up(struct loop *l, size_t at, struct wait *w)
{
    for (; at > 1 && l->heap[at / 2]->due_ns > w->due_ns; at /= 2)
        heap_put(l, at, l->heap[at / 2]);
    heap_put(l, at, w);
}

static void heap_down(struct loop *l, size_t at, struct wait *w)
{
    size_t child;

    for (; (child = 2 * at) <= l->n_heap; at = child) {
        if (child < l->n_heap && l->heap[child + 1]->due_ns < l->heap[child]->due_ns)
            child++;
        if (l->heap[child]->due_ns >= w->due_ns)
            break;
        heap_put(l, at, l->heap[child]);
    }
    heap_put(l, at, w);
}

void wait_start(struct loop *l, struct wait *w, int64_t delay_ns, void (*on_due)(struct wait *w))
{
    int64_t now_ns = clock_now().ns;

    wait_stop(l, w);
    w->due_ns = delay_ns < INT64_MAX - now_ns ? now_ns + delay_ns : INT64_MAX;
    w->on_due = on_due;
    if (l->n_heap + 2 > l->heap_cap) {
        l->heap_cap = l->heap_cap ? 2 * l->heap_cap : 1024;
        l->heap = xreallocarray(l->heap, l->heap_cap, sizeof *l->heap);
    }
    heap_up(l, ++l->n_heap, w);
}

void wait_stop(struct loop *l, struct wait *w)
{
    size_t at = w->at;

    if (at == 0)
        return;
    w->at = 0;
    struct wait *last = l->heap[l->n_heap--];
    if (last == w)
        return;
    heap_up(l, at, last);
    heap_down(l, last->at, last);
}

// --- Stalls ---

void stall_plan(int64_t after_ns, int64_t for_ns)
{
    planned_after_ns = after_ns;
    planned_for_ns = for_ns;
}

static void stall_set(int64_t from_ns, int64_t for_ns)
{
    atomic_store(&stall_from_ns, from_ns);
    atomic_store(&stall_until_ns, from_ns + for_ns);
}

void stall_begin(int64_t for_ns)
{
    stall_set(clock_now().ns, for_ns);
}

void stall_first_request(int64_t now_ns)
{
    if (planned_after_ns >= 0 && !atomic_load_explicit(&planned_is_set, memory_order_relaxed) &&
        !atomic_exchange(&planned_is_set, true))
        stall_set(now_ns + planned_after_ns, planned_for_ns);
}

void loop_stall(void)
{
    int64_t until_ns = atomic_load_explicit(&stall_until_ns, memory_order_relaxed), now_ns;

    if (until_ns == 0)
        return;
    now_ns = clock_now().ns;
    if (now_ns < atomic_load(&stall_from_ns) || now_ns >= until_ns)
        return;
    struct timespec until = {.tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

// --- Listening ---

static int listen_on(uint16_t *port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = {.v4 = {.sin_family = AF_INET}};
    bool is_v6 = strchr(options.host, ':') != NULL;
    socklen_t len = is_v6 ? sizeof a.v6 : sizeof a.v4;
    int on = 1;

    if (is_v6)
        a.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(*port)};
    else
        a.v4.sin_port = htons(*port);
    errno = EINVAL;
    if (inet_pton(a.any.sa_family, options.host,
                  is_v6 ? (void *)&a.v6.sin6_addr : (void *)&a.v4.sin_addr) != 1)
        die(options.host);
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (fd < 0 || bind(fd, &a.any, len) < 0 || listen(fd, BACKLOG_MAX) < 0)
        die("listen");
    getsockname(fd, &a.any, &len);
    *port = ntohs(is_v6 ? a.v6.sin6_port : a.v4.sin_port);
    return fd;
}

static void on_listener(struct loop *l, struct source *s, uint32_t events)
{
    struct listener *listener = (struct listener *)s;
    int fd, on = 1;

    (void)events;
    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        conn_new(l, fd, listener->secure)->number = stat_add(COUNT_CONNECTIONS, 1);
    }
}

static void listener_open(struct loop *l, struct listener *listener, uint16_t *port)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &listener->source};

    listener->source.on_event = on_listener;
    listener->fd = listen_on(port);
    epoll_ctl(l->epoll, EPOLL_CTL_ADD, listener->fd, &e);
}

// --- The loop ---

void loop_open(struct loop *l)
{
    TAILQ_INIT(&l->ready);
    TAILQ_INIT(&l->dead);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->secure.secure = true;
    listener_open(l, &l->plain, &options.port);
    listener_open(l, &l->secure, &options.tls_port);
}

static void run_due(struct loop *l)
{
    int64_t now_ns = l->n_heap > 0 ? clock_now().ns : 0;

    while (l->n_heap > 0 && l->heap[1]->due_ns <= now_ns) {
        struct wait *w = l->heap[1];
        wait_stop(l, w);
        w->on_due(w);
    }
}

static int wait_for_events(struct loop *l, struct epoll_event *e)
{
    int64_t left_ns = 0;

    if (l->n_ready == 0 && l->n_heap == 0)
        return epoll_wait(l->epoll, e, EVENTS_MAX, -1);
    if (l->n_ready == 0)
        left_ns = l->heap[1]->due_ns - clock_now().ns;
    if (left_ns < 0)
        left_ns = 0;
    struct timespec left = {.tv_sec = left_ns / NS_PER_S, .tv_nsec = left_ns % NS_PER_S};
    return epoll_pwait2(l->epoll, e, EVENTS_MAX, &left, NULL);
}

void *loop_run(void *loop)
{
    struct loop *l = loop;
    struct epoll_event e[EVENTS_MAX];
    struct conn *c;

    for (;;) {
        int n = wait_for_events(l, e);
        loop_stall();
        for (int i = 0; i < n; i++) {
            struct source *s = e[i].data.ptr;
            s->on_event(l, s, e[i].events);
        }
        run_due(l);
        conn_run_ready(l);
        while ((c = TAILQ_FIRST(&l->dead)) != NULL) {
            TAILQ_REMOVE(&l->dead, c, link);
            free(c);
        }
    }
    return NULL;
}
