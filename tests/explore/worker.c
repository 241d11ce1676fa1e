// The worker's side: what jobs.c, jobs_master.c, job_send.c and uplink.c do between a stream, a
// member, its spool and the runner.
#include <stdlib.h>
#include <string.h>

#include "tests/explore/world.h"

static bool has_job(const struct worker *k)
{
    return k->submission != 0;
}

static struct ledger *ledger_of(struct world *w, const struct worker *k)
{
    return &w->ledger[k - w->worker][k->instance];
}

// --- Sending ---

static void send(struct world *w, struct worker *k, struct message m)
{
    send_up(w, k->stream, m);
}

static bool send_window(struct world *w, struct worker *k)
{
    struct message m = {.kind = WINDOW, .run = k->run};
    Lps__V1__Window *window;
    uint64_t seq;

    if (!k->up || !spool_peek(k->spool, &seq, &window))
        return false;
    m.seq = (uint8_t)seq;
    m.content = (uint32_t)window->series[0]->counters->started;
    lps__v1__window__free_unpacked(window, NULL);
    if (seq < SEQ_MAX)
        k->sent[seq] = m.content;
    k->out_seq = m.seq;
    send(w, k, m);
    spool_sent(k->spool);
    return true;
}

static void send_all(struct world *w, struct worker *k)
{
    if (k->owed != 0 && !k->up)
        return;
    if (k->owed & MEMBER_SUBMIT)
        send(w, k, (struct message){.kind = SUBMIT, .submission = k->submission, .run = k->run});
    if (k->owed & MEMBER_SEND_CANCEL)
        send(w, k,
             (struct message){
                 .kind = CANCEL, .submission = k->submission, .force = k->member.cancel_force});
    k->owed = 0;
    if (k->run == 0 || k->spool == NULL)
        return;
    while (send_window(w, k))
        ;
    if (!k->member.fin_due || k->member.fin_done || k->fin_sent || !spool_all_sent(k->spool) ||
        !k->up)
        return;
    send(w, k,
         (struct message){.kind = FIN,
                          .run = k->run,
                          .seq = (uint8_t)spool_next_seq(k->spool),
                          .failed = k->member.fin_failure != NULL,
                          .content = ledger_of(w, k)->made});
    k->fin_sent = true;
}

// --- Events for the member ---

static void give(struct world *w, struct worker *k, struct member_event e)
{
    e.now_ns = w->now;
    unsigned actions = member_handle(&k->member, &e);

    k->owed |= actions & (MEMBER_SUBMIT | MEMBER_SEND_CANCEL);
    if (actions & MEMBER_START) {
        if (w->t0[k->run] == 0 || k->member.start_ns < w->t0[k->run])
            world_break(w, "a worker starts at T0, and not without one");
        k->runs = true;
    }
    if ((actions & MEMBER_STOP) && k->runs)
        k->stopping = true;
    send_all(w, k);
    if (actions & MEMBER_FINISH)
        k->finished = true;
    if (k->member.state == MEMBER_DONE && !k->runs) {
        spool_free(k->spool);
        k->spool = NULL;
    }
}

static void give_state(struct world *w, struct worker *k, const struct message *m)
{
    struct member_event e = {.expected = w->left.workers,
                             .is_member = m->is_member,
                             .t0_ns = w->t0[m->run],
                             .stop = (enum member_stop)m->stop,
                             .had_t0 = w->t0[m->run] != 0};

    switch (m->state) {
    case CLUSTER_CREATED:
        e.kind = MEMBER_RUN_CREATED;
        break;
    case CLUSTER_READY:
    case CLUSTER_RUNNING:
        if (!k->member.has_t0 && !k->clock_told)
            return;
        e.kind = MEMBER_RUN_ARMED;
        break;
    default:
        e.kind = MEMBER_RUN_OVER;
    }
    give(w, k, e);
}

// --- What the master says ---

// What the master says it has must be in the store, or be late for a run that is over.
static void check_committed(struct world *w, const struct worker *k, uint8_t last_seq)
{
    const struct ledger *ledger = &w->ledger[k - w->worker][k->instance];
    uint32_t safe = ledger->merged | ledger->late;

    // What comes out of the store after the end is late as well.
    for (size_t i = 0; i < w->n_pending; i++)
        if (w->pending[i].worker == k - w->worker && !is_open_run(w, w->pending[i].run))
            safe |= w->pending[i].content;
    for (size_t i = 0; i <= last_seq && i < SEQ_MAX; i++)
        if ((k->sent[i] & ~safe) != 0)
            world_break(w, "nothing is acknowledged before it is committed");
}

static void hear_welcome(struct world *w, struct worker *k, const struct message *m)
{
    k->up = true;
    k->clock_told = m->with_clock;
    if (!has_job(k) || k->member.state == MEMBER_DONE)
        return;
    k->known = m->submission == k->submission;
    k->fin_sent = false;
    if (k->known && k->run == 0)
        k->run = m->run;
    if (k->known && k->spool != NULL) {
        check_committed(w, k, m->seq);
        if (spool_resume(k->spool, m->seq) < 0)
            world_break(w, "a master keeps what it acknowledged");
        k->out_seq = 0;
    }
    if (k->member.state == MEMBER_DELIVERING && !k->member.started)
        k->owed = 0;
    give(w, k, (struct member_event){.kind = MEMBER_LINK_UP, .known = k->known});
}

static void hear_pong(struct world *w, struct worker *k)
{
    k->clock_told = true;
    if (has_job(k) && k->state.kind != 0 && k->member.state < MEMBER_DONE && !k->member.has_t0)
        give_state(w, k, &k->state);
    send(w, k, (struct message){.kind = CLOCK});
}

static void hear_state(struct world *w, struct worker *k, const struct message *m)
{
    k->newest_state = *m;
    if (!has_job(k) || k->run != m->run)
        return;
    k->state = *m;
    give_state(w, k, m);
}

static void hear_reply(struct world *w, struct worker *k, const struct message *m)
{
    if (!has_job(k) || m->submission != k->submission)
        return;
    struct member_event e = {
        .kind = m->accepted ? MEMBER_ACCEPTED : MEMBER_REFUSED, .text = "refused", .late = m->late};
    if (m->accepted && !k->member.has_t0)
        k->run = m->run;
    give(w, k, e);
    if (m->accepted && k->newest_state.run == k->run && k->newest_state.is_member) {
        k->state = k->newest_state;
        give_state(w, k, &k->newest_state);
    }
}

static void hear_fin_reply(struct world *w, struct worker *k, const struct message *m)
{
    bool to_fin = k->fin_sent && (k->spool == NULL || spool_is_empty(k->spool));

    if (to_fin || k->member.state < MEMBER_DRAINING)
        give(w, k, (struct member_event){.kind = MEMBER_FIN_REPLY, .closed = m->closed});
}

void worker_hears(struct world *w, struct worker *k, struct message m)
{
    bool ours = has_job(k) && k->run == m.run;

    switch (m.kind) {
    case WELCOME:
        hear_welcome(w, k, &m);
        break;
    case PONG:
        hear_pong(w, k);
        break;
    case REPLY:
        hear_reply(w, k, &m);
        break;
    case STATE:
        hear_state(w, k, &m);
        break;
    case ACK:
        if (!ours || k->spool == NULL)
            break;
        check_committed(w, k, m.seq);
        spool_ack(k->spool, m.seq);
        send_all(w, k);
        break;
    case FIN_REPLY:
        if (ours)
            hear_fin_reply(w, k, &m);
        break;
    default:
        if (ours)
            give(w, k, (struct member_event){.kind = MEMBER_RESULT});
    }
}

// --- The stream ---

void worker_connects(struct world *w, struct worker *k)
{
    send(w, k, (struct message){.kind = HELLO, .instance = (uint8_t)(k->instance + 1)});
}

void worker_loses(struct world *w, struct worker *k)
{
    k->stream = NULL;
    k->up = k->clock_told = false;
    k->newest_state = (struct message){0};
    if (!has_job(k))
        return;
    k->owed &= ~(unsigned)MEMBER_SUBMIT;
    k->fin_sent = false;
    k->out_seq = 0;
    if (k->spool != NULL)
        spool_rewind(k->spool);
    give(w, k, (struct member_event){.kind = MEMBER_LINK_DOWN, .text = "away"});
}

// --- The user, the runner, time ---

void worker_submits(struct world *w, struct worker *k)
{
    struct member_config config = {.wait_ns = INT64_MAX, .master_loss_ns = LOSS_NS};

    k->submission = (uint8_t)(k->instance + 1);
    k->spool = spool_new(w->left.spool_bytes, 1);
    member_init(&k->member, w->now, &config);
    k->known = false;
    if (k->up)
        give(w, k, (struct member_event){.kind = MEMBER_LINK_UP});
}

void worker_makes_window(struct world *w, struct worker *k)
{
    Lps__V1__Window window = LPS__V1__WINDOW__INIT;
    Lps__V1__SeriesDelta series = LPS__V1__SERIES_DELTA__INIT, *all[] = {&series};
    Lps__V1__Counters counters = LPS__V1__COUNTERS__INIT;

    counters.started = 1ull << 8 * k->n_made;
    series.counters = &counters;
    window.k = k->n_made++;
    window.n_series = 1;
    window.series = all;
    ledger_of(w, k)->made += (uint32_t)counters.started;
    spool_add(k->spool, &window);
    send_all(w, k);
}

void worker_runner_ends(struct world *w, struct worker *k)
{
    k->runs = false;
    give(w, k, (struct member_event){.kind = MEMBER_LOCAL_END});
}

void worker_timer(struct world *w, struct worker *k)
{
    give(w, k, (struct member_event){.kind = MEMBER_TIMER});
}

void worker_cancels(struct world *w, struct worker *k)
{
    give(w, k, (struct member_event){.kind = MEMBER_CANCEL});
}

void worker_crashes(struct worker *k)
{
    uint8_t instance = (uint8_t)(k->instance + 1);

    spool_free(k->spool);
    if (has_job(k))
        member_done(&k->member);
    if (k->stream != NULL) {
        k->stream->worker_open = false;
        // A Hello that comes after that of the next daemon would be taken for a still newer one.
        if (k->stream->node == NULL)
            k->stream->n_up = 0;
    }
    *k = (struct worker){.instance = instance};
}
