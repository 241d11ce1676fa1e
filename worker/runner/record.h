// What one thread measured: its window of the present second, handed over whole when the second is
// over, and its run-long totals, counted apart. The thread of its loop.
#pragma once

#include <stdint.h>

#include "common/metrics.h"
#include "worker/runner/loop.h"
#include "worker/runner/server_timing.h"

struct record;

// A window on its way to the sink's thread, which gives it back with record_give_back.
struct record_slot {
    struct loop_post post;
    struct record *owner;
    struct metrics_window *window;
};

struct record_config {
    uint32_t n_series;
    int64_t k_origin_ns; // window k begins here + k seconds
    int64_t first_k;
    struct loop *loop, *sink;
    void (*on_window)(struct loop_post *post); // on the sink's thread; post is in a record_slot
    void *arg;                                 // record_arg
    const uint64_t *n_fds;                     // open now
};

struct record *record_new(const struct record_config *config);
// After its thread has ended and all slots were given back.
void record_free(struct record *r);
void *record_arg(const struct record *r);

// Hands over the window when now_ns is past it. Seconds that passed whole meanwhile are left out.
// All functions below do so first.
void record_roll(struct record *r, int64_t now_ns);
// When the present window ends.
int64_t record_end_ns(const struct record *r);
// Hands over the last, partial window; nothing may be recorded after.
void record_flush(struct record *r, int64_t now_ns);
void record_give_back(struct record_slot *slot); // the sink's thread
// Of the whole run, without histograms. Borrowed; once the thread has ended.
const struct metrics_series *record_totals(const struct record *r);

// Any thread: how many are in flight now.
uint64_t record_in_flight(const struct record *r, uint32_t series);
void record_started(struct record *r, uint32_t series, int64_t now_ns);
// Each duration in ns, or -1: was not needed.
void record_connected(struct record *r, uint32_t series, int64_t now_ns, int64_t dns_ns,
                      int64_t tcp_ns, int64_t tls_ns);
void record_sent(struct record *r, uint32_t series, int64_t now_ns, uint64_t bytes, uint64_t body);
void record_received(struct record *r, uint32_t series, int64_t now_ns, uint64_t bytes,
                     uint64_t body);

// Instants of a request, of which each is no earlier than the one before.
struct record_times {
    int64_t begin_ns; // of connecting, or of sending where the connection was there
    int64_t sent_ns;  // first byte handed to the kernel
    int64_t send_ns;  // the same, but of the second sending where there was one
    int64_t whole_ns; // last byte handed to the kernel
    int64_t first_ns; // first byte of the answer
    int64_t done_ns;  // last byte of the answer
};

// What the server says of a completed request; a time of 0 is not recorded.
void record_server_times(struct record *r, uint32_t series, int64_t now_ns,
                         const struct server_timing *t);

// Each started request ends in one of these.

// intended_ns: by the schedule; 0: there is none. over_ns: done_ns, or when what belonged to the
// answer was done, and the time of the event.
void record_completed(struct record *r, uint32_t series, const struct record_times *t,
                      int64_t intended_ns, int64_t over_ns, unsigned status, bool reused);
void record_failed(struct record *r, uint32_t series, int64_t now_ns, enum metrics_error kind,
                   const char *example, bool reused);
void record_aborted(struct record *r, uint32_t series, int64_t now_ns, bool reused);

// n requests were due and are never sent.
void record_dropped(struct record *r, uint32_t series, int64_t now_ns, uint64_t n);
// One was not sent, as the plan's condition says.
void record_skipped(struct record *r, uint32_t series, int64_t now_ns);
