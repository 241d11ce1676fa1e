#include "worker/runner/loop.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/str.h"

#define NEVER INT64_MAX

struct loop {
    struct event_base *base;
    struct event *timer_event, *post_event;
    int timer_fd, post_fd;
    bool quit;

    bool has_reading; // now_ns was taken in this pass
    int64_t now_ns;
    int64_t wake_ns; // first reading of this pass
    int64_t seen_ns; // what had come by then was handled in the passes before
    int64_t stall_ns;

    struct loop_timer **heap; // heap[0] unused
    size_t n_timers, heap_cap;
    struct loop_fifo *fifos;
    int64_t armed_ns; // what the timerfd is set to
    struct list late;

    _Atomic(struct loop_post *) posts; // newest first
    char buffer[LOOP_BUFFER_SIZE];
};

// Not inlined: loop_now is to need no frame.
__attribute__((noinline)) int64_t loop_clock(struct loop *loop)
{
    loop->now_ns = clock_now().ns;
    if (!loop->has_reading) {
        loop->has_reading = true;
        loop->wake_ns = loop->now_ns;
    }
    return loop->now_ns;
}

int64_t loop_now(struct loop *loop)
{
    return loop->has_reading ? loop->now_ns : loop_clock(loop);
}

static void note_stall(struct loop *loop, int64_t ns)
{
    if (ns > loop->stall_ns)
        loop->stall_ns = ns;
}

int64_t loop_take_stall(struct loop *loop)
{
    int64_t ns = loop->stall_ns;

    loop->stall_ns = 0;
    return ns;
}

static void arm(struct loop *loop, int64_t due_ns)
{
    // A time of zero would disarm; one in the past fires at once, but is no lateness of ours.
    int64_t at = due_ns > loop_now(loop) ? due_ns : loop_now(loop);
    struct itimerspec spec = {
        .it_value = {.tv_sec = at / NS_PER_S, .tv_nsec = at % NS_PER_S},
    };

    timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    loop->armed_ns = at;
}

static void heap_put(struct loop *loop, size_t pos, struct loop_timer *timer)
{
    loop->heap[pos] = timer;
    timer->pos = pos;
}

static void heap_up(struct loop *loop, size_t pos, struct loop_timer *timer)
{
    for (; pos > 1 && loop->heap[pos / 2]->due_ns > timer->due_ns; pos /= 2)
        heap_put(loop, pos, loop->heap[pos / 2]);
    heap_put(loop, pos, timer);
}

static void heap_down(struct loop *loop, size_t pos, struct loop_timer *timer)
{
    for (size_t child; (child = 2 * pos) <= loop->n_timers; pos = child) {
        if (child < loop->n_timers && loop->heap[child + 1]->due_ns < loop->heap[child]->due_ns)
            child++;
        if (loop->heap[child]->due_ns >= timer->due_ns)
            break;
        heap_put(loop, pos, loop->heap[child]);
    }
    heap_put(loop, pos, timer);
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
    size_t pos = timer->pos;

    if (pos == 0)
        return;
    timer->pos = 0;
    struct loop_timer *last = loop->heap[loop->n_timers--];
    if (last == timer)
        return;
    if (pos > 1 && loop->heap[pos / 2]->due_ns > last->due_ns)
        heap_up(loop, pos, last);
    else
        heap_down(loop, pos, last);
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t due_ns)
{
    loop_timer_clear(loop, timer);
    timer->due_ns = due_ns;
    if (loop->n_timers + 2 > loop->heap_cap) {
        loop->heap_cap = loop->heap_cap * 2 + 16;
        loop->heap = xreallocarray(loop->heap, loop->heap_cap, sizeof *loop->heap);
    }
    heap_up(loop, ++loop->n_timers, timer);
    if (due_ns < loop->armed_ns)
        arm(loop, due_ns);
}

void loop_fifo_init(struct loop *loop, struct loop_fifo *fifo, int64_t duration_ns,
                    void (*on_expire)(struct loop_timeout *timeout))
{
    *fifo =
        (struct loop_fifo){.duration_ns = duration_ns, .on_expire = on_expire, .next = loop->fifos};
    list_init(&fifo->timeouts);
    loop->fifos = fifo;
}

void loop_fifo_add(struct loop *loop, struct loop_fifo *fifo, struct loop_timeout *timeout)
{
    timeout->due_ns = loop_now(loop) + fifo->duration_ns;
    list_append(&fifo->timeouts, &timeout->link);
    if (timeout->due_ns < loop->armed_ns)
        arm(loop, timeout->due_ns);
}

void loop_fifo_remove(struct loop_timeout *timeout)
{
    list_remove(&timeout->link);
}

static struct loop_timeout *oldest(struct loop_fifo *fifo)
{
    return list_is_empty(&fifo->timeouts)
               ? NULL
               : container_of(fifo->timeouts.next, struct loop_timeout, link);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    int64_t now = loop_clock(loop), due = NEVER;
    (void)fd, (void)what;

    if (loop->armed_ns != NEVER)
        note_stall(loop, now - loop->armed_ns);
    // Not before all were served: what a timer sets meanwhile is seen below.
    loop->armed_ns = 0;
    while (loop->n_timers > 0 && loop->heap[1]->due_ns <= now) {
        struct loop_timer *timer = loop->heap[1];
        loop_timer_clear(loop, timer);
        timer->on_due(timer);
    }
    for (struct loop_fifo *fifo = loop->fifos; fifo != NULL; fifo = fifo->next) {
        struct loop_timeout *timeout;
        // Where the thread was kept away, what it waited for may have come in time.
        while ((timeout = oldest(fifo)) != NULL && timeout->due_ns < loop->seen_ns) {
            loop_fifo_remove(timeout);
            fifo->on_expire(timeout);
        }
        if (timeout != NULL && timeout->due_ns < due)
            due = timeout->due_ns;
    }
    if (loop->n_timers > 0 && loop->heap[1]->due_ns < due)
        due = loop->heap[1]->due_ns;
    loop->armed_ns = NEVER;
    if (due != NEVER)
        arm(loop, due);
}

void loop_post(struct loop *loop, struct loop_post *post)
{
    struct loop_post *head = atomic_load_explicit(&loop->posts, memory_order_relaxed);

    do
        post->next = head;
    while (!atomic_compare_exchange_weak_explicit(&loop->posts, &head, post, memory_order_release,
                                                  memory_order_relaxed));
    if (head == NULL)
        eventfd_write(loop->post_fd, 1);
}

static void on_posts(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    struct loop_post *in_order = NULL;
    eventfd_t n;
    (void)what;

    eventfd_read(fd, &n);
    struct loop_post *post = atomic_exchange_explicit(&loop->posts, NULL, memory_order_acquire);
    while (post != NULL) {
        struct loop_post *next = post->next;
        post->next = in_order;
        in_order = post;
        post = next;
    }
    while (in_order != NULL) {
        post = in_order;
        in_order = post->next;
        post->on_post(post);
    }
}

struct loop *loop_new(void)
{
    struct loop *loop = xcalloc(1, sizeof *loop);
    struct event_config *config = event_config_new();

    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    loop->post_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->armed_ns = NEVER;
    list_init(&loop->late);
    // libevent's own timers are not used, so it need not read the clock each pass.
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME);
    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    if (loop->timer_fd < 0 || loop->post_fd < 0 || loop->base == NULL) {
        loop_free(loop);
        return NULL;
    }
    // Edge-triggered: an expiry is an edge, so the count need not be read.
    loop->timer_event =
        event_new(loop->base, loop->timer_fd, EV_READ | EV_PERSIST | EV_ET, on_timer, loop);
    loop->post_event = event_new(loop->base, loop->post_fd, EV_READ | EV_PERSIST, on_posts, loop);
    event_add(loop->timer_event, NULL);
    event_add(loop->post_event, NULL);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->timer_event != NULL)
        event_free(loop->timer_event);
    if (loop->post_event != NULL)
        event_free(loop->post_event);
    if (loop->base != NULL)
        event_base_free(loop->base);
    if (loop->timer_fd >= 0)
        close(loop->timer_fd);
    if (loop->post_fd >= 0)
        close(loop->post_fd);
    free(loop->heap);
    free(loop);
}

void loop_late(struct loop *loop, struct loop_late *late)
{
    if (late->link.next == NULL)
        list_append(&loop->late, &late->link);
}

static void run_late(struct loop *loop)
{
    while (!list_is_empty(&loop->late)) {
        struct loop_late *late = container_of(loop->late.next, struct loop_late, link);
        list_remove(&late->link);
        late->on_late(late);
    }
}

void loop_run(struct loop *loop)
{
    loop->quit = false;
    while (!loop->quit) {
        loop->seen_ns = loop->wake_ns;
        loop->has_reading = false;
        event_base_loop(loop->base, EVLOOP_ONCE);
        run_late(loop);
        if (loop->has_reading)
            note_stall(loop, loop_clock(loop) - loop->wake_ns);
    }
}

void loop_quit(struct loop *loop)
{
    loop->quit = true;
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

char *loop_buffer(struct loop *loop)
{
    return loop->buffer;
}
