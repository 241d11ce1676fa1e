#include "common/rpc_impl.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <grpc/support/log.h>
#include <grpc/support/time.h>

#include "common/log.h"
#include "common/str.h"

// How long gRPC's own threads may take to notice that they are not needed any more.
#define SHUTDOWN_WAIT_MS 1000

static void on_gpr_log(gpr_log_func_args *args)
{
    log_debug("grpc: %s", args->message);
}

void *rpc_tag_start(struct rpc_tag *tag)
{
    atomic_store_explicit(&tag->order, 1, memory_order_release);
    return tag;
}

static void hand_over(struct rpc_loop *loop, struct rpc_tag *tag)
{
    struct rpc_tag *newest = atomic_load_explicit(&loop->finished, memory_order_relaxed);

    do
        tag->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&loop->finished, &newest, tag,
                                                  memory_order_release, memory_order_relaxed));
    if (newest == NULL)
        eventfd_write(loop->wake_fd, 1);
}

static void *poll_main(void *arg)
{
    struct rpc_loop *loop = arg;

    for (;;) {
        grpc_event ev =
            grpc_completion_queue_next(loop->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (ev.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        struct rpc_tag *tag = ev.tag;
        atomic_load_explicit(&tag->order, memory_order_acquire);
        tag->ok = ev.success != 0;
        hand_over(loop, tag);
    }
}

static void drain(struct rpc_loop *loop)
{
    struct rpc_tag *tag = atomic_exchange_explicit(&loop->finished, NULL, memory_order_acquire);
    struct rpc_tag *oldest = NULL;

    while (tag != NULL) {
        struct rpc_tag *next = tag->next;
        tag->next = oldest;
        oldest = tag;
        tag = next;
    }
    while (oldest != NULL) {
        tag = oldest;
        oldest = tag->next;
        tag->on_done(tag, tag->ok);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    eventfd_t n;

    (void)what;
    eventfd_read((int)fd, &n);
    drain(arg);
}

struct rpc_loop *rpc_loop_new(struct event_base *base)
{
    struct rpc_loop *loop = xcalloc(1, sizeof *loop);
    sigset_t all, old;

    loop->base = base;
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->wake = event_new(base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    if (loop->wake_fd < 0 || loop->wake == NULL || event_add(loop->wake, NULL) != 0)
        goto fail;

    // Signals are for the thread of the event_base alone: gRPC's threads inherit this mask.
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    gpr_set_log_function(on_gpr_log);
    grpc_init();
    loop->cq = grpc_completion_queue_create_for_next(NULL);
    int error = pthread_create(&loop->poller, NULL, poll_main, loop);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error != 0)
        goto fail;
    pthread_setname_np(loop->poller, "grpc-poll");
    return loop;

fail:
    // Like memory: a process that cannot have one descriptor and one thread cannot start.
    log_error("cannot start gRPC: no descriptor or thread left");
    abort();
}

void rpc_loop_free(struct rpc_loop *loop)
{
    if (loop == NULL)
        return;
    assert(loop->n_servers == 0);
    while (loop->n_calls > 0) {
        struct pollfd wake = {.fd = loop->wake_fd, .events = POLLIN};
        poll(&wake, 1, -1);
        on_wake(loop->wake_fd, EV_READ, loop);
    }
    grpc_completion_queue_shutdown(loop->cq);
    pthread_join(loop->poller, NULL);
    drain(loop);
    grpc_completion_queue_destroy(loop->cq);
    event_free(loop->wake);
    close(loop->wake_fd);
    free(loop);
    grpc_shutdown();
    // Connections that were just closed hold gRPC open from threads of their own; they must not
    // outlive main.
    for (int ms = 0; grpc_is_initialized() && ms < SHUTDOWN_WAIT_MS; ms++)
        usleep(1000);
}
