#include "worker/daemon/command.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/str.h"

#define ANSWER_S 5

struct pending {
    uint64_t id; // 0: free
    int64_t due_ns;
    struct buf answer; // the beginning of a long one
    command_done_fn *done;
    void *arg;
};

struct command_queue {
    struct uplink *uplink;
    struct event *overdue;
    uint64_t last_id;
    struct pending pending[COMMAND_PENDING_MAX];
};

static void finish(struct pending *p, enum command_outcome outcome, const char *text)
{
    struct pending old = *p;

    *p = (struct pending){0};
    old.done(outcome, text, old.arg);
    buf_done(&old.answer);
}

static void await(struct command_queue *q)
{
    int64_t due_ns = INT64_MAX, in_ns;

    for (size_t i = 0; i < COMMAND_PENDING_MAX; i++)
        if (q->pending[i].id != 0 && q->pending[i].due_ns < due_ns)
            due_ns = q->pending[i].due_ns;
    if (due_ns == INT64_MAX) {
        event_del(q->overdue);
        return;
    }
    in_ns = due_ns - clock_now().ns;
    in_ns = in_ns > 0 ? in_ns : 0;
    struct timeval tv = {in_ns / NS_PER_S, in_ns % NS_PER_S / NS_PER_US + 1};
    event_add(q->overdue, &tv);
}

static void on_overdue(evutil_socket_t fd, short what, void *arg)
{
    struct command_queue *q = arg;
    int64_t now_ns = clock_now().ns;

    (void)fd;
    (void)what;
    for (size_t i = 0; i < COMMAND_PENDING_MAX; i++)
        if (q->pending[i].id != 0 && q->pending[i].due_ns <= now_ns)
            finish(&q->pending[i], COMMAND_UNANSWERED, "the master did not answer within 5 s");
    await(q);
}

struct command_queue *command_queue_new(struct event_base *base, struct uplink *uplink)
{
    struct command_queue *q = xcalloc(1, sizeof *q);

    q->uplink = uplink;
    q->overdue = evtimer_new(base, on_overdue, q);
    return q;
}

void command_queue_free(struct command_queue *q)
{
    if (q == NULL)
        return;
    for (size_t i = 0; i < COMMAND_PENDING_MAX; i++)
        buf_done(&q->pending[i].answer);
    event_free(q->overdue);
    free(q);
}

static int send_command(struct command_queue *q, Lps__V1__Command *command)
{
    Lps__V1__WorkerMessage message = LPS__V1__WORKER_MESSAGE__INIT;

    message.body_case = LPS__V1__WORKER_MESSAGE__BODY_COMMAND;
    message.command = command;
    return uplink_send(q->uplink, &message);
}

static int64_t answer_due(void)
{
    return clock_now().ns + ANSWER_S * NS_PER_S;
}

void command_ask(struct command_queue *q, const struct command_question *question,
                 command_done_fn *done, void *arg)
{
    Lps__V1__Command command = LPS__V1__COMMAND__INIT;
    struct pending *p = NULL;

    for (size_t i = 0; p == NULL && i < COMMAND_PENDING_MAX; i++)
        if (q->pending[i].id == 0)
            p = &q->pending[i];
    if (p == NULL) {
        done(COMMAND_UNANSWERED, "too many questions to the master are open", arg);
        return;
    }
    command.id = q->last_id + 1;
    command.verb = question->verb;
    command.limit = question->limit;
    if (question->run != NULL)
        command.run = (char *)question->run;
    if (send_command(q, &command) < 0) {
        const char *trouble = uplink_trouble(q->uplink);
        done(COMMAND_UNANSWERED, trouble != NULL ? trouble : "no connection to the master", arg);
        return;
    }
    *p = (struct pending){.id = ++q->last_id, .due_ns = answer_due(), .done = done, .arg = arg};
    await(q);
}

static void ask_for_more(struct command_queue *q, struct pending *p)
{
    Lps__V1__Command command = LPS__V1__COMMAND__INIT;

    command.id = p->id;
    command.verb = LPS__V1__COMMAND__VERB__MORE;
    command.offset = p->answer.len;
    p->due_ns = answer_due();
    if (p->answer.len > COMMAND_ANSWER_MAX)
        finish(p, COMMAND_UNANSWERED, "the answer of the master is too long");
    else if (send_command(q, &command) < 0)
        finish(p, COMMAND_UNANSWERED, "no connection to the master");
}

static void take(struct command_queue *q, struct pending *p, const Lps__V1__CommandReply *reply)
{
    if (!reply->ok) {
        finish(p, COMMAND_REFUSED, reply->text);
        return;
    }
    buf_puts(&p->answer, reply->text);
    if (reply->more)
        ask_for_more(q, p);
    else
        finish(p, COMMAND_DONE, p->answer.data != NULL ? p->answer.data : "");
}

void command_reply(struct command_queue *q, const Lps__V1__CommandReply *reply)
{
    for (size_t i = 0; i < COMMAND_PENDING_MAX; i++)
        if (q->pending[i].id == reply->id && reply->id != 0) {
            take(q, &q->pending[i], reply);
            break;
        }
    await(q);
}

void command_fail_all(struct command_queue *q, const char *why)
{
    for (size_t i = 0; i < COMMAND_PENDING_MAX; i++)
        if (q->pending[i].id != 0)
            finish(&q->pending[i], COMMAND_UNANSWERED, why);
    await(q);
}
