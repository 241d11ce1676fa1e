// One thread's event loop: libevent for descriptors, own timers by timerfd, posts from other
// threads. Each loop belongs to the thread that runs it; only loop_post may be called by others.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>

#include "worker/runner/list.h"

#define LOOP_BUFFER_SIZE (64 * 1024)

struct loop;

struct loop *loop_new(void); // NULL: no descriptors left
void loop_free(struct loop *loop);
// Until loop_quit.
void loop_run(struct loop *loop);
void loop_quit(struct loop *loop);

struct event_base *loop_base(struct loop *loop);
// Scratch of LOOP_BUFFER_SIZE bytes, shared by everything that reads on this thread.
char *loop_buffer(struct loop *loop);

// The newest reading of CLOCK_MONOTONIC; the first call after a wake-up takes one.
int64_t loop_now(struct loop *loop);
// Takes a reading.
int64_t loop_clock(struct loop *loop);
// Longest time away from the kernel since the last call: a pass that took long, or a timer served
// late.
int64_t loop_take_stall(struct loop *loop);

// A timer with a time of its own. Zero-initialise and set on_due; embed it, and find its owner
// by offset.
struct loop_timer {
    int64_t due_ns;
    size_t pos; // in the heap, from 1; 0: not set
    void (*on_due)(struct loop_timer *timer);
};

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t due_ns);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer); // not set is fine

// Timeouts that all last equally long: a list in the order of expiry, O(1) to add and remove.
struct loop_timeout {
    struct list link;
    int64_t due_ns;
};

struct loop_fifo {
    struct list timeouts;
    int64_t duration_ns;
    void (*on_expire)(struct loop_timeout *timeout);
    struct loop_fifo *next;
};

// fifo stays in use until loop_free.
void loop_fifo_init(struct loop *loop, struct loop_fifo *fifo, int64_t duration_ns,
                    void (*on_expire)(struct loop_timeout *timeout));
void loop_fifo_add(struct loop *loop, struct loop_fifo *fifo, struct loop_timeout *timeout);
void loop_fifo_remove(struct loop_timeout *timeout); // not running is fine

// A message from another thread: on_post runs on the loop's thread, in the order of posting by each
// poster. The post belongs to the loop from here until on_post.
struct loop_post {
    struct loop_post *next;
    void (*on_post)(struct loop_post *post);
};

void loop_post(struct loop *loop, struct loop_post *post); // any thread

// Something to be done once, at the end of the present pass. Zero-initialise and set on_late; embed
// it, and find its owner by offset.
struct loop_late {
    struct list link;
    void (*on_late)(struct loop_late *late);
};

void loop_late(struct loop *loop, struct loop_late *late); // asked for already is fine
