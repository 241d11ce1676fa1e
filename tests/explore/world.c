// Streams, and which steps there are.
#include "tests/explore/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"

void world_break(struct world *w, const char *promise)
{
    if (w->broken == NULL)
        w->broken = promise;
}

// --- Streams ---

static void append(struct world *w, struct message *fifo, uint8_t *n, struct message m)
{
    if (*n == FIFO_MAX)
        world_break(w, "a stream holds a handful of messages");
    else
        fifo[(*n)++] = m;
}

void send_up(struct world *w, struct stream *s, struct message m)
{
    if (s->master_open)
        append(w, s->up, &s->n_up, m);
}

void send_down(struct world *w, struct stream *s, struct message m)
{
    if (s->worker_open)
        append(w, s->down, &s->n_down, m);
}

static struct message shift(struct message *fifo, uint8_t *n)
{
    struct message m = fifo[0];

    memmove(fifo, fifo + 1, --*n * sizeof m);
    fifo[*n] = (struct message){0};
    return m;
}

static void connect(struct world *w, struct worker *k)
{
    struct stream *s = NULL;
    uint8_t who = (uint8_t)(k - w->worker), age = 1;

    for (size_t i = 0; i < N_STREAMS; i++) {
        if (w->stream[i].age != 0 && w->stream[i].worker == who && w->stream[i].age >= age)
            age = (uint8_t)(w->stream[i].age + 1);
        if (w->stream[i].age == 0 && s == NULL)
            s = &w->stream[i];
    }
    if (s == NULL) {
        world_break(w, "a worker has a handful of streams");
        return;
    }
    *s = (struct stream){.worker = who,
                         .instance = k->instance,
                         .age = age,
                         .worker_open = true,
                         .master_open = true};
    k->stream = s;
    worker_connects(w, k);
}

static void close_worker_end(struct world *w, struct stream *s)
{
    s->worker_open = false;
    s->n_down = 0;
    worker_loses(w, &w->worker[s->worker]);
}

static uint8_t n_older(const struct world *w, const struct stream *s)
{
    uint8_t n = 0;

    for (size_t i = 0; i < N_STREAMS; i++) {
        const struct stream *other = &w->stream[i];
        n += other->age != 0 && other->worker == s->worker && other->age < s->age;
    }
    return n;
}

// Nothing of a closed stream is left to tell two states apart. Oldest first, so that ages stay
// distinct.
static void tidy(struct world *w)
{
    for (size_t i = 0; i < N_STREAMS; i++) {
        struct stream *s = &w->stream[i];
        if (!s->worker_open && !s->master_open)
            *s = (struct stream){0};
        if (!s->worker_open)
            s->n_down = 0;
    }
    for (uint8_t age = 1; age < N_STREAMS; age++)
        for (size_t i = 0; i < N_STREAMS; i++)
            if (w->stream[i].age == age)
                w->stream[i].age = (uint8_t)(n_older(w, &w->stream[i]) + 1);
}

// --- Time ---

static int64_t worker_due(const struct worker *k)
{
    return k->submission == 0 ? INT64_MAX : member_due(&k->member);
}

static int64_t next_due(const struct world *w)
{
    int64_t due_ns = cluster_due(w->cluster);

    for (size_t i = 0; i < w->left.workers; i++)
        if (worker_due(&w->worker[i]) < due_ns)
            due_ns = worker_due(&w->worker[i]);
    return due_ns;
}

static void pass_time(struct world *w)
{
    w->now = next_due(w);
    for (size_t i = 0; i < w->left.workers; i++)
        if (worker_due(&w->worker[i]) <= w->now)
            worker_timer(w, &w->worker[i]);
}

// --- Steps ---

bool step_is_fault(struct step s)
{
    return s.kind >= WORKER_BREAKS;
}

struct list {
    struct step *step;
    size_t n;
};

static void offer(struct list *list, bool possible, enum step_kind kind, size_t who)
{
    if (possible && list->n < STEPS_MAX)
        list->step[list->n++] = (struct step){(uint8_t)kind, (uint8_t)who};
}

static void stream_steps(const struct world *w, struct list *list)
{
    for (size_t i = 0; i < N_STREAMS; i++) {
        const struct stream *s = &w->stream[i];
        offer(list, s->master_open && s->n_up > 0, DELIVER_UP, i);
        offer(list, s->worker_open && s->n_down > 0, DELIVER_DOWN, i);
        offer(list, s->master_open && !s->worker_open, MASTER_NOTICES, i);
        offer(list, s->worker_open && !s->master_open, WORKER_NOTICES, i);
    }
}

static void worker_steps(const struct world *w, struct list *list)
{
    for (size_t i = 0; i < w->left.workers; i++) {
        const struct worker *k = &w->worker[i];
        bool begun = k->runs && k->member.state != MEMBER_READY;
        offer(list, begun && !k->stopping && k->n_made < w->left.windows, MAKE_WINDOW, i);
        offer(list, k->runs && (k->stopping || (begun && k->n_made == w->left.windows)),
              RUNNER_ENDS, i);
        offer(list, k->stream == NULL, CONNECT, i);
        offer(list, k->submission == 0, RESUBMIT, i);
    }
}

static void fault_steps(const struct world *w, struct list *list)
{
    for (size_t i = 0; i < N_STREAMS; i++) {
        const struct stream *s = &w->stream[i];
        bool whole = s->worker_open && s->master_open;
        offer(list, whole && w->left.breaks > 0, WORKER_BREAKS, i);
        offer(list, whole && w->left.breaks > 0, MASTER_BREAKS, i);
    }
    for (size_t i = 0; i < w->left.workers; i++) {
        const struct worker *k = &w->worker[i];
        bool open = k->submission != 0 && k->member.state < MEMBER_DELIVERING;
        offer(list, w->left.crashes > 0 && k->instance + 1 < N_INSTANCES, WORKER_CRASHES, i);
        offer(list, w->left.cancels > 0 && open, USER_CANCELS, i);
    }
}

size_t world_steps(const struct world *w, struct step *ret_steps)
{
    struct list list = {.step = ret_steps};
    int64_t due_ns = next_due(w);

    stream_steps(w, &list);
    worker_steps(w, &list);
    offer(&list, w->n_pending > 0, COMMIT, 0);
    offer(&list, cluster_due(w->cluster) <= w->now, MASTER_TIMER, 0);
    offer(&list, due_ns > w->now && due_ns - w->now < HORIZON_NS, TIME, 0);
    fault_steps(w, &list);
    return list.n;
}

static void apply_to_stream(struct world *w, enum step_kind kind, struct stream *s)
{
    switch (kind) {
    case DELIVER_UP:
        master_hears(w, s, shift(s->up, &s->n_up));
        break;
    case DELIVER_DOWN:
        worker_hears(w, &w->worker[s->worker], shift(s->down, &s->n_down));
        break;
    case WORKER_BREAKS:
        w->left.breaks--;
        close_worker_end(w, s);
        break;
    case MASTER_BREAKS:
        w->left.breaks--;
        master_loses(w, s);
        break;
    case MASTER_NOTICES:
        master_loses(w, s);
        break;
    default:
        close_worker_end(w, s);
    }
}

static void apply_to_worker(struct world *w, enum step_kind kind, struct worker *k)
{
    switch (kind) {
    case MAKE_WINDOW:
        worker_makes_window(w, k);
        break;
    case RUNNER_ENDS:
        worker_runner_ends(w, k);
        break;
    case CONNECT:
        connect(w, k);
        break;
    case RESUBMIT:
        worker_submits(w, k);
        break;
    case USER_CANCELS:
        w->left.cancels--;
        worker_cancels(w, k);
        break;
    default:
        w->left.crashes--;
        worker_crashes(k);
    }
}

static void deliver_answers(struct world *w)
{
    for (size_t i = 0; i < N_STREAMS; i++)
        while (w->stream[i].worker_open && w->stream[i].n_down > 0 && w->broken == NULL)
            apply_to_stream(w, DELIVER_DOWN, &w->stream[i]);
}

static void check_t0(struct world *w)
{
    const struct cluster_run *run = cluster_run(w->cluster);

    if (run == NULL || w->t0[number_of(run->id)] == 0)
        return;
    if (run->t0_ns != w->t0[number_of(run->id)] || run->state == CLUSTER_CREATED)
        world_break(w, "T0 is never withdrawn");
}

void world_apply(struct world *w, struct step s)
{
    switch (s.kind) {
    case DELIVER_UP:
    case DELIVER_DOWN:
    case MASTER_NOTICES:
    case WORKER_NOTICES:
    case WORKER_BREAKS:
    case MASTER_BREAKS:
        apply_to_stream(w, s.kind, &w->stream[s.who]);
        break;
    case COMMIT:
        master_commits(w);
        break;
    case MASTER_TIMER:
        master_timer(w);
        break;
    case TIME:
        pass_time(w);
        break;
    default:
        apply_to_worker(w, s.kind, &w->worker[s.who]);
    }
    if (!w->left.slow_answers)
        deliver_answers(w);
    tidy(w);
    check_t0(w);
}

// --- For people ---

static const char *const message_name[] = {
    [HELLO] = "Hello",       [CLOCK] = "a clock estimate",
    [SUBMIT] = "Submit",     [CANCEL] = "Cancel",
    [WINDOW] = "window",     [FIN] = "FIN",
    [WELCOME] = "Welcome",   [PONG] = "a clock sample",
    [REPLY] = "SubmitReply", [STATE] = "RunState",
    [ACK] = "Ack",           [FIN_REPLY] = "FinReply",
    [RESULT] = "RunResult",
};

static const char *const step_name[STEP__COUNT] = {
    [DELIVER_UP] = "the master hears",
    [DELIVER_DOWN] = "hears",
    [COMMIT] = "the store commits",
    [MAKE_WINDOW] = "its runner makes a window",
    [RUNNER_ENDS] = "its runner ends",
    [MASTER_TIMER] = "the master's timer is due",
    [MASTER_NOTICES] = "the master notices that a stream is lost",
    [WORKER_NOTICES] = "notices that its stream is lost",
    [CONNECT] = "connects",
    [RESUBMIT] = "its user submits again",
    [TIME] = "time passes to the next timer",
    [WORKER_BREAKS] = "loses its stream; the master does not know yet",
    [MASTER_BREAKS] = "the master loses its stream; it does not know yet",
    [WORKER_CRASHES] = "crashes, and is started again",
    [USER_CANCELS] = "its user cancels",
};

static void describe_message(const struct message *m, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, " %s", message_name[m->kind]);

    if (m->kind == STATE)
        snprintf(out + n, size - n, " %s", cluster_state_name[m->state]);
    else if (m->kind == WINDOW || m->kind == FIN || m->kind == ACK || m->kind == WELCOME)
        snprintf(out + n, size - n, " %u", m->seq);
    else if (m->kind == REPLY)
        snprintf(out + n, size - n, ", %s%s", m->accepted ? "accepted" : "refused",
                 m->late ? " late" : "");
    else if (m->kind == FIN_REPLY && m->closed)
        snprintf(out + n, size - n, ", closed");
}

static void describe_row(const struct pending *p, char *out, size_t size)
{
    if (p->row == ROW_RUN)
        snprintf(out, size, " the run");
    else if (p->row == ROW_MEMBER)
        snprintf(out, size, " member %u", p->source);
    else
        snprintf(out, size, " %s %u of %c", p->row == ROW_FIN ? "FIN" : "window", p->seq,
                 'a' + p->worker);
}

void world_describe(const struct world *w, struct step s, char *out, size_t size)
{
    const struct stream *stream = &w->stream[s.who];
    bool of_stream = s.kind == DELIVER_UP || s.kind == DELIVER_DOWN || s.kind == MASTER_NOTICES ||
                     s.kind == WORKER_NOTICES || s.kind == WORKER_BREAKS || s.kind == MASTER_BREAKS;
    bool of_nobody = s.kind == COMMIT || s.kind == TIME || s.kind == MASTER_TIMER;
    char message[64] = "";

    if (s.kind == DELIVER_UP)
        describe_message(&stream->up[0], message, sizeof message);
    else if (s.kind == DELIVER_DOWN)
        describe_message(&stream->down[0], message, sizeof message);
    else if (s.kind == COMMIT)
        describe_row(&w->pending[0], message, sizeof message);
    if (of_nobody)
        snprintf(out, size, "   %s%s", step_name[s.kind], message);
    else
        snprintf(out, size, "%c: %s%s%s", 'a' + (of_stream ? stream->worker : s.who),
                 step_name[s.kind], message,
                 of_stream && !stream->worker_open ? " (on an old stream)" : "");
}

// --- The end ---

// Nobody is to come any more: its barrier is not met.
static bool waits_for_others(const struct world *w, const struct worker *k)
{
    const struct cluster_run *run = cluster_run(w->cluster);

    return cluster_is_open(w->cluster) && run->state == CLUSTER_CREATED &&
           run->counted < run->expected && k->member.state == MEMBER_WAITING;
}

void world_check_end(struct world *w)
{
    bool any_waits = false;

    for (size_t i = 0; i < w->left.workers; i++) {
        const struct worker *k = &w->worker[i];
        bool waits = waits_for_others(w, k);
        any_waits = any_waits || waits;
        if (!waits && (k->member.state != MEMBER_DONE || !k->finished))
            world_break(w, "each submission comes to its end");
    }
    if (cluster_is_open(w->cluster) && !any_waits)
        world_break(w, "each run comes to its end");
    for (size_t i = 0; i < w->left.workers; i++)
        for (size_t j = w->worker[i].instance; j < N_INSTANCES; j++) {
            const struct ledger *l = &w->ledger[i][j];
            if ((l->made & ~(l->merged | l->late)) != 0)
                world_break(w, "no window is lost");
        }
}

// --- The beginning ---

struct world *world_new(const struct bounds *bounds)
{
    struct cluster_config config = {.node_name = "m",
                                    .master_is_worker = true,
                                    .expected = bounds->workers,
                                    .start_lead_ns = LEAD_NS,
                                    .lease_ns = LEASE_NS,
                                    .rejoin_grace_ns = GRACE_NS,
                                    .drain_ns = DRAIN_NS};
    struct world *w = xcalloc(1, sizeof *w);

    *w = (struct world){.left = *bounds, .now = WORLD_START_NS};
    w->cluster = cluster_new(&config);
    for (size_t i = 0; i < w->left.workers; i++) {
        worker_submits(w, &w->worker[i]);
        connect(w, &w->worker[i]);
    }
    return w;
}
