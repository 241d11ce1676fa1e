#include "worker/runner/flow.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/str.h"
#include "worker/runner/sched.h"
#include "worker/runner/session.h"

// The least sleep: what is due meanwhile is sent after it. A wake-up costs as much as a request.
static const int64_t quantum_ns[] = {
    [PLAN_PACING_PRECISE] = 50 * NS_PER_US,
    [PLAN_PACING_BATCHED] = 500 * NS_PER_US,
};
// Requests sent in one pass of the loop, before answers have their turn.
#define PASS_MAX 64
// How long a request waits for one in flight to be over before it counts as dropped: longer than a
// generator is kept off its CPU now and then, so that not the target pays for that.
#define PATIENCE_NS (20 * NS_PER_MS)
// Of a timer that only flow_pause ends.
#define NEVER INT64_MAX

// A client with its connections, for one request at a time.
struct seat {
    struct seat *next; // free ones, the last used first: as few connections as will do
    struct client client;
    struct session *session; // NULL: the round needs none
    uint32_t series;         // of its request
    bool is_busy;
};

// One iteration.
struct stream {
    struct flow *flow;
    struct sched_rate sched;
    uint32_t series;
    bool is_waiting; // for a seat
    struct loop_timer timer;
};

struct flow {
    struct flow_config config;
    struct seat **seats, *free;
    uint64_t n_seats, seats_max, n_in_flight;
    uint32_t n_active; // streams with something left to send
    uint32_t n_waiting;
    bool is_sending, is_over, is_paused;
    bool has_sessions; // some iteration needs one
    int64_t first_dispatch_ns;
    struct loop_timer end;
    struct stream streams[];
};

static void check_over(struct flow *f)
{
    if (f->n_active > 0 || f->n_in_flight > 0 || f->is_sending || f->is_over)
        return;
    f->is_over = true;
    f->config.on_done(f->config.arg);
}

static struct seat *take_seat(struct flow *f)
{
    struct seat *seat = f->free;

    if (seat != NULL) {
        f->free = seat->next;
        return seat;
    }
    if (f->n_seats == f->seats_max)
        return NULL;
    seat = xcalloc(1, sizeof *seat);
    client_init(&seat->client, f->config.net);
    if (f->has_sessions)
        seat->session = session_new(f->config.program, &seat->client,
                                    f->config.first_stream + f->config.thread +
                                        f->n_seats * f->config.n_threads);
    if ((f->n_seats & (f->n_seats - 1)) == 0) // grows by doubling
        f->seats =
            xreallocarray(f->seats, f->n_seats > 0 ? 2 * f->n_seats : 1, sizeof(struct seat *));
    f->seats[f->n_seats++] = seat;
    return seat;
}

static void send_waiting(struct flow *f);

static void give_back(struct flow *f, struct seat *seat)
{
    seat->is_busy = false;
    seat->next = f->free;
    f->free = seat;
    f->n_in_flight--;
}

static void on_done(struct exchange *x, bool ok)
{
    struct flow *f = x->owner;
    struct seat *seat = container_of(x->client, struct seat, client);

    (void)ok;
    exchange_free(f->config.net, x);
    give_back(f, seat);
    send_waiting(f);
    check_over(f);
}

static void send_from(struct stream *s, struct seat *seat, int64_t due_ns)
{
    struct flow *f = s->flow;
    struct exchange *x = exchange_new(f->config.net);

    x->series = s->series;
    x->intended_ns = due_ns;
    x->on_done = on_done;
    x->owner = f;
    x->client = &seat->client;
    seat->series = s->series;
    seat->is_busy = true;
    f->n_in_flight++;
    if (f->first_dispatch_ns == 0)
        f->first_dispatch_ns = loop_now(f->config.loop);
    if (seat->session == NULL)
        client_send(&seat->client, x);
    else
        session_send(seat->session, x);
}

static void set_waiting(struct stream *s, bool waits)
{
    s->flow->n_waiting += (uint32_t)waits - (uint32_t)s->is_waiting;
    s->is_waiting = waits;
}

// Sends what is due, and sets the timer for what is not.
static void send_due(struct stream *s)
{
    struct flow *f = s->flow;
    struct loop *loop = f->config.loop;
    int64_t due, now = loop_now(loop), earliest = now + 1;
    bool any;

    set_waiting(s, false);
    for (int i = 0; (any = sched_rate_peek(&s->sched, &due)) && due <= now && i < PASS_MAX; i++) {
        struct seat *seat = take_seat(f);
        set_waiting(s, seat == NULL && now - due < PATIENCE_NS);
        if (s->is_waiting)
            break;
        sched_rate_pop(&s->sched);
        if (seat != NULL)
            send_from(s, seat, due);
        else
            record_dropped(f->config.record, s->series, now, 1);
        now = loop_now(loop);
    }
    if (s->is_waiting)
        due += PATIENCE_NS;
    else if (due > now)
        earliest = now + quantum_ns[f->config.round->pacing];
    if (any) {
        loop_timer_set(loop, &s->timer, due > earliest ? due : earliest);
        return;
    }
    loop_timer_clear(loop, &s->timer); // it may have been set to wait for a seat
    f->n_active--;
}

static void on_due(struct loop_timer *timer)
{
    struct stream *s = container_of(timer, struct stream, timer);
    struct flow *f = s->flow;

    f->is_sending = true; // one that fails at once comes to on_done, but must not send from there
    send_due(s);
    f->is_sending = false;
    check_over(f);
}

static struct stream *longest_waiting(struct flow *f)
{
    struct stream *found = NULL;
    int64_t due, earliest = INT64_MAX;

    for (uint32_t i = 0; i < f->config.round->n_iterations; i++) {
        struct stream *s = &f->streams[i];
        if (s->is_waiting && sched_rate_peek(&s->sched, &due) && due < earliest) {
            found = s;
            earliest = due;
        }
    }
    return found;
}

static void send_waiting(struct flow *f)
{
    if (f->is_sending || f->is_paused)
        return;
    f->is_sending = true;
    while (f->free != NULL && f->n_waiting > 0)
        send_due(longest_waiting(f));
    f->is_sending = false;
}

static void on_end(struct loop_timer *timer)
{
    check_over(container_of(timer, struct flow, end));
}

static void begin_stream(struct flow *f, uint32_t i, int64_t start_ns)
{
    struct stream *s = &f->streams[i];
    int64_t now = loop_now(f->config.loop), due;

    s->flow = f;
    s->series = f->config.first_series + i;
    s->timer.on_due = on_due;
    sched_rate_init(&s->sched, &f->config.round->iterations[i], start_ns, f->config.thread,
                    f->config.n_threads);
    uint64_t missed = sched_rate_skip(&s->sched, now);
    if (missed > 0)
        record_dropped(f->config.record, s->series, now, missed);
    if (f->config.is_ended[s->series] || !sched_rate_peek(&s->sched, &due))
        return;
    f->n_active++;
    loop_timer_set(f->config.loop, &s->timer, due);
}

struct flow *flow_start(const struct flow_config *config)
{
    const struct plan_round *round = config->round;
    struct flow *f = xcalloc(1, sizeof *f + round->n_iterations * sizeof f->streams[0]);
    int64_t start_ns = sched_after_ms(config->start_ns, round->startup_delay_ms);

    f->config = *config;
    f->end.on_due = on_end;
    f->has_sessions =
        program_needs_sessions(config->program, config->first_series, round->n_iterations);
    // Each thread that sends can have at least one request in flight.
    if (f->config.n_threads > round->n_clients)
        f->config.n_threads = (uint32_t)round->n_clients;
    bool has_part = config->thread < f->config.n_threads;
    f->seats_max = round->n_clients / f->config.n_threads +
                   (config->thread < round->n_clients % f->config.n_threads);
    for (uint32_t i = 0; i < round->n_iterations && has_part; i++) {
        begin_stream(f, i, start_ns);
        if (!round->is_parallel)
            start_ns = sched_after_s(start_ns, round->iterations[i].duration_s);
    }
    if (f->n_active == 0)
        loop_timer_set(config->loop, &f->end, loop_now(config->loop) + 1);
    return f;
}

static void close_seats(struct flow *f)
{
    for (uint64_t i = 0; i < f->n_seats; i++)
        client_close(&f->seats[i]->client);
}

// Those of its requests that were due and still waited will not be sent.
static void stop_stream(struct stream *s)
{
    struct loop *loop = s->flow->config.loop;
    int64_t now = loop_now(loop);
    bool is_active = s->timer.pos != 0;

    loop_timer_clear(loop, &s->timer);
    if (s->is_waiting || (is_active && s->flow->is_paused))
        record_dropped(s->flow->config.record, s->series, now, sched_rate_skip(&s->sched, now));
    set_waiting(s, false);
}

static void stop_retries(struct flow *f)
{
    for (uint64_t i = 0; i < f->n_seats; i++)
        if (f->seats[i]->session != NULL)
            session_stop(f->seats[i]->session);
}

void flow_stop(struct flow *f, bool abort)
{
    for (uint32_t i = 0; i < f->config.round->n_iterations; i++)
        stop_stream(&f->streams[i]);
    f->n_active = 0;
    f->is_sending = true; // the ends of slots must not end the flow
    stop_retries(f);
    f->is_sending = false;
    if (abort) {
        close_seats(f);
        f->n_in_flight = 0;
    }
    check_over(f);
}

void flow_cut(struct flow *f, uint32_t series)
{
    uint32_t i = series - f->config.first_series;

    if (i >= f->config.round->n_iterations)
        return;
    struct stream *s = &f->streams[i];
    if (s->timer.pos != 0) {
        stop_stream(s);
        f->n_active--;
    }
    for (uint64_t k = 0; k < f->n_seats; k++) {
        struct seat *seat = f->seats[k];
        if (!seat->is_busy || seat->series != series)
            continue;
        if (seat->session != NULL)
            session_cut(seat->session, series);
        client_cut(&seat->client, series);
        give_back(f, seat);
    }
    send_waiting(f);
    check_over(f);
}

void flow_pause(struct flow *f, bool is_paused)
{
    int64_t now = loop_now(f->config.loop);

    f->is_paused = is_paused;
    for (uint32_t i = 0; i < f->config.round->n_iterations; i++) {
        struct stream *s = &f->streams[i];
        if (s->timer.pos != 0)
            loop_timer_set(f->config.loop, &s->timer, is_paused ? NEVER : now);
    }
}

void flow_free(struct flow *f)
{
    if (f == NULL)
        return;
    loop_timer_clear(f->config.loop, &f->end);
    close_seats(f);
    for (uint64_t i = 0; i < f->n_seats; i++) {
        session_free(f->seats[i]->session);
        free(f->seats[i]);
    }
    free(f->seats);
    free(f);
}

int64_t flow_first_dispatch_ns(const struct flow *f)
{
    return f->first_dispatch_ns;
}
