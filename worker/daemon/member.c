#include "worker/daemon/member.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/result.h"
#include "common/str.h"

// For a late joiner's runner to read its plan before the first request is due.
#define LATE_LEAD_NS (200 * NS_PER_MS)
// A master that says that a run is over sends its result with that, or never.
#define RESULT_LATE_NS (5 * NS_PER_S)
#define GAVE_UP        "stopped, as the master stayed away"
#define TEXT_MAX       300 // what a peer wrote goes to terminals, logs and JSON

const char *const member_state_name[MEMBER_STATE__COUNT] = {
    [MEMBER_UNDEFINED] = "undefined", [MEMBER_CONNECTING] = "connecting",
    [MEMBER_WAITING] = "waiting",     [MEMBER_READY] = "ready",
    [MEMBER_RUNNING] = "running",     [MEMBER_DRAINING] = "running",
    [MEMBER_DELIVERING] = "done",     [MEMBER_DONE] = "done",
};

void member_init(struct member *m, int64_t now_ns, const struct member_config *config)
{
    *m = (struct member){
        .config = *config,
        .state = MEMBER_CONNECTING,
        .submitted_ns = now_ns,
        .down_ns = now_ns,
    };
}

void member_done(struct member *m)
{
    free(m->trouble);
    free(m->fin_failure);
    free(m->result_message);
}

static int64_t later(int64_t from_ns, int64_t by_ns)
{
    return by_ns > INT64_MAX - from_ns ? INT64_MAX : from_ns + by_ns;
}

static void set_text(char **text, const char *value)
{
    free(*text);
    *text = value == NULL ? NULL : str_clean(value, TEXT_MAX);
}

static unsigned finish(struct member *m, enum member_state next, int exit_code, const char *fmt,
                       ...) __attribute__((format(printf, 4, 5)));
static unsigned finish(struct member *m, enum member_state next, int exit_code, const char *fmt,
                       ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    set_text(&m->result_message, text);
    free(text);
    m->exit_code = exit_code;
    m->state = next;
    return MEMBER_FINISH;
}

static unsigned finish_with_result(struct member *m, enum member_state next)
{
    m->state = next;
    return MEMBER_FINISH;
}

static enum member_state after_finish(const struct member *m)
{
    return m->fin_due && !m->fin_done ? MEMBER_DELIVERING : MEMBER_DONE;
}

static unsigned stop(struct member *m, enum member_stop how)
{
    if (how <= m->stop)
        return 0;
    m->stop = how;
    return MEMBER_STOP;
}

static unsigned fin_is_due(struct member *m, const char *failure)
{
    set_text(&m->fin_failure, failure);
    m->fin_due = true;
    return MEMBER_SEND_FIN;
}

// --- The link ---

static unsigned up_submits(struct member *m, const struct member_event *e)
{
    (void)e;
    m->sent = true;
    return MEMBER_SUBMIT;
}

// A master that does not know the submission must not open a run for it again. One that was
// restarted may not know of a cancel that it passed on or was just told.
static unsigned up_asks(struct member *m, const struct member_event *e)
{
    if (!e->known)
        return 0;
    if (m->cancelled)
        m->cancel_force = m->stop == MEMBER_ABORT;
    return m->cancelled ? MEMBER_SUBMIT | MEMBER_SEND_CANCEL : MEMBER_SUBMIT;
}

static unsigned up_asks_for_the_end(struct member *m, const struct member_event *e)
{
    if (!e->known && (m->fin_done || m->observer))
        m->closed_ns = e->now_ns;
    return up_asks(m, e);
}

static unsigned up_settles(struct member *m, const struct member_event *e)
{
    if (m->started)
        return 0;
    if (!e->known)
        m->state = MEMBER_DONE;
    return up_asks(m, e);
}

static unsigned down_reconnects(struct member *m, const struct member_event *e)
{
    (void)e;
    m->state = MEMBER_CONNECTING;
    return 0;
}

// --- SubmitReply ---

static unsigned accepted_waits(struct member *m, const struct member_event *e)
{
    m->observer = e->observer;
    m->late = e->late;
    m->state = MEMBER_WAITING;
    return 0;
}

static unsigned refused_finishes(struct member *m, const struct member_event *e)
{
    return finish(m, after_finish(m), RESULT_CLUSTER, "refused by the master: %s", e->text);
}

// It is as if it had not been submitted yet.
static unsigned queued_waits(struct member *m, const struct member_event *e)
{
    m->state = MEMBER_CONNECTING;
    m->sent = false;
    set_text(&m->trouble, e->text);
    return 0;
}

static unsigned refused_stops(struct member *m, const struct member_event *e)
{
    if (m->observer)
        return refused_finishes(m, e);
    if (!m->has_result) {
        m->has_result = true;
        m->exit_code = RESULT_CLUSTER;
        char *text = xasprintf("refused by the master: %s", e->text);
        set_text(&m->result_message, text);
        free(text);
    }
    return stop(m, MEMBER_DRAIN);
}

// The run is over for this node, unless its runner is still to end.
static unsigned settles(struct member *m, const struct member_event *e)
{
    (void)e;
    if (!m->started)
        m->state = MEMBER_DONE;
    return 0;
}

// --- RunState ---

static unsigned created_counts(struct member *m, const struct member_event *e)
{
    m->counted = e->counted;
    m->expected = e->expected;
    return 0;
}

// The state that answers a withdrawal is the one without this node.
static unsigned created_withdraws(struct member *m, const struct member_event *e)
{
    if (m->started)
        return 0;
    if (e->is_member)
        return MEMBER_SEND_CANCEL;
    m->state = MEMBER_DONE;
    return 0;
}

static unsigned armed_starts(struct member *m, const struct member_event *e)
{
    m->has_t0 = true;
    m->armed_ns = e->now_ns;
    m->start_ns = m->k_origin_ns = e->t0_ns;
    if (m->late && m->start_ns < e->now_ns + LATE_LEAD_NS)
        m->start_ns = e->now_ns + LATE_LEAD_NS;
    m->state = m->start_ns > e->now_ns ? MEMBER_READY : MEMBER_RUNNING;
    m->stop = e->stop;
    m->cancelled = e->stop != MEMBER_GO;
    if (m->observer)
        return 0;
    if (m->stop != MEMBER_GO) {
        m->state = MEMBER_DRAINING;
        m->ended_ns = e->now_ns;
        return fin_is_due(m, NULL);
    }
    m->started = true;
    return MEMBER_START;
}

static unsigned armed_stops(struct member *m, const struct member_event *e)
{
    m->cancelled = m->cancelled || e->stop != MEMBER_GO;
    return m->observer ? 0 : stop(m, e->stop);
}

// It became Ready before it saw the withdrawal, or while it was away: this node took no part.
static unsigned armed_settles(struct member *m, const struct member_event *e)
{
    (void)e;
    if (m->started || m->fin_due)
        return 0;
    if (m->observer) {
        m->state = MEMBER_DONE;
        return 0;
    }
    return fin_is_due(m, "withdrawn before the start");
}

// Over without a start: the master had forgotten this member.
static unsigned over_submits(struct member *m, const struct member_event *e)
{
    (void)m;
    return e->had_t0 ? 0 : MEMBER_SUBMIT;
}

static unsigned over_stops(struct member *m, const struct member_event *e)
{
    m->closed_ns = e->now_ns;
    return m->observer ? 0 : stop(m, MEMBER_DRAIN);
}

static unsigned over_closes(struct member *m, const struct member_event *e)
{
    m->closed_ns = e->now_ns;
    return 0;
}

// --- RunResult, FinReply ---

static void keep_result(struct member *m, const struct member_event *e)
{
    m->has_result = true;
    m->exit_code = e->exit_code;
    set_text(&m->result_message, NULL);
}

static unsigned result_finishes(struct member *m, const struct member_event *e)
{
    keep_result(m, e);
    return finish_with_result(m, after_finish(m));
}

static unsigned result_stops(struct member *m, const struct member_event *e)
{
    if (m->observer)
        return result_finishes(m, e);
    keep_result(m, e);
    return stop(m, MEMBER_DRAIN);
}

static unsigned closed_stops(struct member *m, const struct member_event *e)
{
    if (!e->closed)
        return 0;
    m->closed_ns = e->now_ns;
    return stop(m, MEMBER_DRAIN);
}

static unsigned fin_is_delivered(struct member *m, const struct member_event *e)
{
    m->fin_done = true;
    if (e->closed)
        m->closed_ns = e->now_ns;
    return 0;
}

static unsigned fin_ends(struct member *m, const struct member_event *e)
{
    (void)e;
    m->fin_done = true;
    m->state = MEMBER_DONE;
    return 0;
}

// --- The runner ---

static unsigned end_delivers(struct member *m, const struct member_event *e)
{
    unsigned fin = fin_is_due(m, e->text == NULL && m->gave_up ? GAVE_UP : e->text);

    m->ended_ns = e->now_ns;
    m->state = MEMBER_DRAINING;
    return m->has_result ? fin | finish_with_result(m, after_finish(m)) : fin;
}

// --- The user ---

// What a master that may know the submission is still to be told.
static enum member_state leave_to(const struct member *m)
{
    return m->sent ? MEMBER_DELIVERING : MEMBER_DONE;
}

static unsigned cancel_leaves(struct member *m, const struct member_event *e)
{
    unsigned told = m->linked && m->sent ? MEMBER_SEND_CANCEL : 0;

    m->cancel_force = e->force;
    return told | finish(m, leave_to(m), RESULT_CANCELLED, "withdrawn before the start");
}

static unsigned cancel_stops(struct member *m, const struct member_event *e)
{
    m->cancelled = true;
    m->cancel_force = e->force;
    if (m->observer && !m->linked)
        return finish(m, MEMBER_DONE, RESULT_CANCELLED,
                      "left; the master is away, the run goes on");
    if (m->observer)
        return MEMBER_SEND_CANCEL;
    return stop(m, e->force ? MEMBER_ABORT : MEMBER_DRAIN) | MEMBER_SEND_CANCEL;
}

static unsigned cancel_of_the_others(struct member *m, const struct member_event *e)
{
    m->cancel_force = e->force;
    if (m->linked)
        return MEMBER_SEND_CANCEL;
    return finish(m, after_finish(m), RESULT_CANCELLED,
                  "cancelled while the master is away; other workers may go on");
}

// --- Time ---

static unsigned timer_bounds_the_wait(struct member *m, const struct member_event *e)
{
    double waited_s = (double)m->config.wait_ns / NS_PER_S;
    unsigned told = m->linked && m->sent ? MEMBER_SEND_CANCEL : 0;

    if (e->now_ns < member_due(m))
        return 0;
    if (m->state == MEMBER_WAITING)
        return told | finish(m, leave_to(m), RESULT_CLUSTER,
                             "not started within %g s: %" PRIu32 " of %" PRIu32 " workers are here",
                             waited_s, m->counted, m->expected);
    return told | finish(m, leave_to(m), RESULT_CLUSTER, "gave up after %g s: %s", waited_s,
                         m->trouble != NULL ? m->trouble : "it did not answer");
}

static unsigned timer_runs(struct member *m, const struct member_event *e)
{
    if (e->now_ns >= m->start_ns)
        m->state = MEMBER_RUNNING;
    return 0;
}

static unsigned timer_gives_up_running(struct member *m, const struct member_event *e)
{
    if (e->now_ns < member_due(m))
        return 0;
    if (m->observer)
        return finish(m, MEMBER_DONE, RESULT_CLUSTER, "the master stayed away: %s",
                      m->trouble != NULL ? m->trouble : "the run is over there");
    m->gave_up = true;
    return stop(m, MEMBER_DRAIN);
}

static unsigned timer_gives_up_the_result(struct member *m, const struct member_event *e)
{
    if (e->now_ns < member_due(m))
        return 0;
    if (m->linked)
        return finish(m, after_finish(m), RESULT_CLUSTER,
                      "the run is over, and the master did not tell its result");
    return finish(m, after_finish(m), RESULT_CLUSTER,
                  "the master stayed away: %s; this node's part is below%s",
                  m->trouble != NULL ? m->trouble : "no connection",
                  m->fin_done ? "" : " and goes to the master when it is back");
}

int64_t member_due(const struct member *m)
{
    switch (m->state) {
    case MEMBER_CONNECTING:
    case MEMBER_WAITING:
        return later(m->submitted_ns, m->config.wait_ns);
    case MEMBER_READY:
        return m->start_ns;
    case MEMBER_RUNNING:
        if (m->linked || (m->stop != MEMBER_GO && !m->observer))
            return m->observer && m->closed_ns != 0 ? later(m->closed_ns, m->config.master_loss_ns)
                                                    : INT64_MAX;
        return later(m->down_ns, m->config.master_loss_ns);
    case MEMBER_DRAINING:
        if (m->linked)
            return m->closed_ns == 0
                       ? INT64_MAX
                       : later(m->closed_ns > m->ended_ns ? m->closed_ns : m->ended_ns,
                               RESULT_LATE_NS);
        if (m->gave_up)
            return later(m->down_ns, m->config.master_loss_ns);
        return later(m->down_ns > m->ended_ns ? m->down_ns : m->ended_ns, m->config.master_loss_ns);
    default:
        return INT64_MAX;
    }
}

// --- The table ---

static unsigned ignore(struct member *m, const struct member_event *e)
{
    (void)m;
    (void)e;
    return 0;
}

typedef unsigned handler(struct member *m, const struct member_event *e);

static handler *const table[MEMBER_STATE__COUNT][MEMBER_EVENT__COUNT] = {
    [MEMBER_CONNECTING] =
        {
            [MEMBER_LINK_UP] = up_submits,
            [MEMBER_LINK_DOWN] = ignore,
            [MEMBER_ACCEPTED] = accepted_waits,
            [MEMBER_REFUSED] = refused_finishes,
            [MEMBER_QUEUED] = queued_waits,
            [MEMBER_RUN_CREATED] = created_counts,
            [MEMBER_RUN_ARMED] = ignore, // SubmitReply comes, and the state again
            [MEMBER_RUN_OVER] = ignore,
            [MEMBER_RESULT] = result_finishes,
            [MEMBER_FIN_REPLY] = ignore,
            [MEMBER_LOCAL_END] = ignore,
            [MEMBER_CANCEL] = cancel_leaves,
            [MEMBER_TIMER] = timer_bounds_the_wait,
        },
    [MEMBER_WAITING] =
        {
            [MEMBER_LINK_UP] = up_submits,
            [MEMBER_LINK_DOWN] = down_reconnects,
            [MEMBER_ACCEPTED] = accepted_waits,
            [MEMBER_REFUSED] = refused_finishes,
            [MEMBER_QUEUED] = queued_waits,
            [MEMBER_RUN_CREATED] = created_counts,
            [MEMBER_RUN_ARMED] = armed_starts,
            [MEMBER_RUN_OVER] = over_submits,
            [MEMBER_RESULT] = result_finishes,
            [MEMBER_FIN_REPLY] = ignore,
            [MEMBER_LOCAL_END] = ignore,
            [MEMBER_CANCEL] = cancel_leaves,
            [MEMBER_TIMER] = timer_bounds_the_wait,
        },
    [MEMBER_READY] =
        {
            [MEMBER_LINK_UP] = up_asks,
            [MEMBER_LINK_DOWN] = ignore,
            [MEMBER_ACCEPTED] = ignore,
            [MEMBER_REFUSED] = refused_stops,
            [MEMBER_QUEUED] = ignore,
            [MEMBER_RUN_CREATED] = ignore,
            [MEMBER_RUN_ARMED] = armed_stops,
            [MEMBER_RUN_OVER] = over_stops,
            [MEMBER_RESULT] = result_stops,
            [MEMBER_FIN_REPLY] = closed_stops,
            [MEMBER_LOCAL_END] = end_delivers,
            [MEMBER_CANCEL] = cancel_stops,
            [MEMBER_TIMER] = timer_runs,
        },
    [MEMBER_RUNNING] =
        {
            [MEMBER_LINK_UP] = up_asks_for_the_end,
            [MEMBER_LINK_DOWN] = ignore,
            [MEMBER_ACCEPTED] = ignore,
            [MEMBER_REFUSED] = refused_stops,
            [MEMBER_QUEUED] = ignore,
            [MEMBER_RUN_CREATED] = ignore,
            [MEMBER_RUN_ARMED] = armed_stops,
            [MEMBER_RUN_OVER] = over_stops,
            [MEMBER_RESULT] = result_stops,
            [MEMBER_FIN_REPLY] = closed_stops,
            [MEMBER_LOCAL_END] = end_delivers,
            [MEMBER_CANCEL] = cancel_stops,
            [MEMBER_TIMER] = timer_gives_up_running,
        },
    [MEMBER_DRAINING] =
        {
            [MEMBER_LINK_UP] = up_asks_for_the_end,
            [MEMBER_LINK_DOWN] = ignore,
            [MEMBER_ACCEPTED] = ignore,
            [MEMBER_REFUSED] = refused_finishes,
            [MEMBER_QUEUED] = ignore,
            [MEMBER_RUN_CREATED] = ignore,
            [MEMBER_RUN_ARMED] = ignore,
            [MEMBER_RUN_OVER] = over_closes,
            [MEMBER_RESULT] = result_finishes,
            [MEMBER_FIN_REPLY] = fin_is_delivered,
            [MEMBER_LOCAL_END] = ignore,
            [MEMBER_CANCEL] = cancel_of_the_others,
            [MEMBER_TIMER] = timer_gives_up_the_result,
        },
    [MEMBER_DELIVERING] =
        {
            [MEMBER_LINK_UP] = up_settles,
            [MEMBER_LINK_DOWN] = ignore,
            [MEMBER_ACCEPTED] = ignore,
            [MEMBER_REFUSED] = settles,
            [MEMBER_QUEUED] = ignore,
            [MEMBER_RUN_CREATED] = created_withdraws,
            [MEMBER_RUN_ARMED] = armed_settles,
            [MEMBER_RUN_OVER] = settles,
            [MEMBER_RESULT] = settles,
            [MEMBER_FIN_REPLY] = fin_ends,
            [MEMBER_LOCAL_END] = ignore,
            [MEMBER_CANCEL] = ignore,
            [MEMBER_TIMER] = ignore,
        },
    [MEMBER_DONE] =
        {
            [MEMBER_LINK_UP] = ignore,
            [MEMBER_LINK_DOWN] = ignore,
            [MEMBER_ACCEPTED] = ignore,
            [MEMBER_REFUSED] = ignore,
            [MEMBER_QUEUED] = ignore,
            [MEMBER_RUN_CREATED] = ignore,
            [MEMBER_RUN_ARMED] = ignore,
            [MEMBER_RUN_OVER] = ignore,
            [MEMBER_RESULT] = ignore,
            [MEMBER_FIN_REPLY] = ignore,
            [MEMBER_LOCAL_END] = ignore,
            [MEMBER_CANCEL] = ignore,
            [MEMBER_TIMER] = ignore,
        },
};

static void note_link(struct member *m, const struct member_event *e)
{
    if (e->kind == MEMBER_LINK_UP) {
        m->linked = true;
        set_text(&m->trouble, NULL);
    } else if (e->kind == MEMBER_LINK_DOWN) {
        if (m->linked)
            m->down_ns = e->now_ns;
        m->linked = false;
        set_text(&m->trouble, e->text);
    }
}

unsigned member_handle(struct member *m, const struct member_event *e)
{
    assert(table[m->state][e->kind] != NULL);
    note_link(m, e);
    return table[m->state][e->kind](m, e);
}

static void describe_running(const struct member *m, char *out, size_t size)
{
    double joined_s = (double)(m->start_ns - m->k_origin_ns) / NS_PER_S;

    if (!m->linked)
        snprintf(out, size, "running on without the master");
    else if (m->stop != MEMBER_GO)
        snprintf(out, size, "stopping");
    else if (m->observer)
        snprintf(out, size, "running; this node only watches");
    else if (m->late)
        snprintf(out, size, "running, joined +%.0f s", joined_s);
    else
        snprintf(out, size, "running");
}

char *member_describe(const struct member *m, char *out, size_t size)
{
    switch (m->state) {
    case MEMBER_CONNECTING:
        snprintf(out, size, "connecting to the master");
        break;
    case MEMBER_WAITING:
        if (m->expected == 0) // no word of the run yet
            snprintf(out, size, "connecting to the master");
        else
            snprintf(out, size, "waiting for the master (%" PRIu32 " of %" PRIu32 " workers%s)",
                     m->counted, m->expected, m->observer ? "; this node only watches" : "");
        break;
    case MEMBER_READY:
        snprintf(out, size, "ready, starting in %.1f s",
                 (double)(m->start_ns > m->armed_ns ? m->start_ns - m->armed_ns : 0) / NS_PER_S);
        break;
    case MEMBER_RUNNING:
        describe_running(m, out, size);
        break;
    case MEMBER_DRAINING:
        snprintf(out, size, "done here, waiting for the %s",
                 m->linked ? "other workers" : "master");
        break;
    default:
        snprintf(out, size, "%s", m->result_message != NULL ? m->result_message : "done");
        break;
    }
    return out;
}
