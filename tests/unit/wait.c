#include "tests/unit/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/rpc.h"

#define GIVE_UP_S 30

struct wait {
    struct event_base *base;
    struct event *limit;
    bool gave_up;
};

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
    struct wait *w = arg;

    (void)fd;
    (void)what;
    w->gave_up = true;
}

struct wait *wait_begin(struct event_base *base)
{
    struct timeval limit = {.tv_sec = GIVE_UP_S};
    struct wait *w = calloc(1, sizeof *w);

    w->base = base;
    w->limit = evtimer_new(base, on_limit, w);
    evtimer_add(w->limit, &limit);
    return w;
}

void wait_turn(struct wait *w)
{
    event_base_loop(w->base, EVLOOP_ONCE);
    if (w->gave_up) {
        wait_end(w);
        fail_msg("nothing in %d s", GIVE_UP_S);
    }
}

void wait_end(struct wait *w)
{
    event_free(w->limit);
    free(w);
}

void wait_for(struct event_base *base, const int *what, int at_least)
{
    struct wait *w = wait_begin(base);

    while (*what < at_least)
        wait_turn(w);
    wait_end(w);
}

static void on_stopped(void *arg)
{
    *(int *)arg = 1;
}

void wait_for_shutdown(struct event_base *base, struct rpc_server *server, int grace_ms)
{
    int stopped = 0;

    rpc_server_shutdown(server, grace_ms, on_stopped, &stopped);
    wait_for(base, &stopped, 1);
}
