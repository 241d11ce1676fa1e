// A session of one virtual user, and a server on the same loop that it sends to.
#pragma once

#include "common/clock.h"
#include "worker/runner/channel.h"
#include "worker/runner/session.h"

#define HEARD_MAX  200
#define SERIES_MAX 3

// One virtual user of one series or more, and a server on the same loop.
extern struct world {
    struct loop *loop;
    struct loop_timer limit, later;
    int listener;
    struct event *accepting;
    struct peer *peers;
    struct {
        char method[8], target[200], cookie[40], value[40], body[40];
        int64_t at_ns;
    } heard[HEARD_MAX];
    size_t n_heard;
    const int *codes; // answers to /seq, the last one again and again
    const char *type; // of their body

    struct client_net *net;
    struct client client;
    struct record *record;
    struct request_set requests;
    struct request_origin origin;
    struct program *program;
    struct session *session;
    uint32_t series; // that is sent
    unsigned n_to_send, n_done, n_ok, n_skipped;
    bool is_within, was_within; // session_send; on_done came in there
} w;

// Of the plan: for the tests to fill before begin. iterations has SERIES_MAX that ask for /seq.
extern struct plan_iteration iterations[SERIES_MAX];
extern struct plan_variable variables[2];
extern struct plan_capture capture;
extern struct plan_retry retry;
extern char warnings[4000];

int set_up(void **unused);
int tear_down(void **unused);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

void add_variable(const char *name, const char *value);
// What the tests have put into the plan comes to life.
void begin(void);
void end_session(void);
// n requests of the series, one after another.
void run(uint32_t series, unsigned n);
void send_x(struct exchange *x); // of w.series
void run_for(int64_t ns);
const struct metrics_series *totals(uint32_t series);
