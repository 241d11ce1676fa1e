#include "worker/daemon/command.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"

// The stream, as far as questions see it.
static struct {
    bool is_down;
    size_t n;
    Lps__V1__Command last;
    char run[64];
} sent;

int uplink_send(struct uplink *u, const Lps__V1__WorkerMessage *message)
{
    (void)u;
    if (sent.is_down)
        return -EPIPE;
    assert_int_equal(message->body_case, LPS__V1__WORKER_MESSAGE__BODY_COMMAND);
    sent.n++;
    sent.last = *message->command;
    snprintf(sent.run, sizeof sent.run, "%s", message->command->run);
    return 0;
}

const char *uplink_trouble(const struct uplink *u)
{
    (void)u;
    return sent.is_down ? "master M: gone" : NULL;
}

struct answer {
    int n;
    enum command_outcome outcome;
    char *text;
};

static void on_answer(enum command_outcome outcome, const char *text, void *arg)
{
    struct answer *a = arg;

    a->n++;
    a->outcome = outcome;
    free(a->text);
    a->text = xstrdup(text);
}

static void expect(struct answer *a, enum command_outcome outcome, const char *text)
{
    assert_int_equal(a->n, 1);
    assert_int_equal(a->outcome, outcome);
    assert_string_equal(a->text, text);
    free(a->text);
    *a = (struct answer){0};
}

static struct event_base *base;

static struct command_queue *begin(void)
{
    memset(&sent, 0, sizeof sent);
    base = event_base_new();
    return command_queue_new(base, NULL);
}

static void end(struct command_queue *q)
{
    command_queue_free(q);
    event_base_free(base);
}

static void ask(struct command_queue *q, Lps__V1__Command__Verb verb, struct answer *a)
{
    command_ask(q, &(struct command_question){.verb = verb, .limit = 7, .run = "abc"}, on_answer,
                a);
}

static void reply(struct command_queue *q, uint64_t id, bool ok, const char *text, bool more)
{
    Lps__V1__CommandReply r = LPS__V1__COMMAND_REPLY__INIT;

    r.id = id;
    r.ok = ok;
    r.text = (char *)text;
    r.more = more;
    command_reply(q, &r);
}

static void a_question_carries_what_it_asks_for(void **state)
{
    struct command_queue *q = begin();
    struct answer a = {0};

    (void)state;
    ask(q, LPS__V1__COMMAND__VERB__SHOW, &a);
    assert_int_equal(sent.last.verb, LPS__V1__COMMAND__VERB__SHOW);
    assert_int_equal(sent.last.limit, 7);
    assert_string_equal(sent.run, "abc");
    reply(q, sent.last.id, true, "{}", false);
    expect(&a, COMMAND_DONE, "{}");
    ask(q, LPS__V1__COMMAND__VERB__SHOW, &a);
    reply(q, sent.last.id, false, "no run abc", false);
    expect(&a, COMMAND_REFUSED, "no run abc");
    end(q);
}

static void a_long_answer_is_asked_for_to_its_end(void **state)
{
    struct command_queue *q = begin();
    struct answer a = {0}, other = {0};

    (void)state;
    ask(q, LPS__V1__COMMAND__VERB__RUNS, &a);
    uint64_t id = sent.last.id;
    ask(q, LPS__V1__COMMAND__VERB__STATE, &other);
    reply(q, id, true, "{\"runs\"", true);
    assert_int_equal(sent.last.id, id);
    assert_int_equal(sent.last.verb, LPS__V1__COMMAND__VERB__MORE);
    assert_int_equal(sent.last.offset, 7);
    reply(q, id + 1, true, "[]", false);
    expect(&other, COMMAND_DONE, "[]");
    reply(q, id, true, ":[", true);
    assert_int_equal(sent.last.offset, 9);
    reply(q, id, true, "]}", false);
    expect(&a, COMMAND_DONE, "{\"runs\":[]}");
    assert_int_equal(sent.n, 4);
    end(q);
}

static void an_answer_that_breaks_off_is_none(void **state)
{
    struct command_queue *q = begin();
    struct answer a = {0};

    (void)state;
    ask(q, LPS__V1__COMMAND__VERB__SHOW, &a);
    reply(q, sent.last.id, true, "{", true);
    reply(q, sent.last.id, false, "the answer is no longer there", false);
    expect(&a, COMMAND_REFUSED, "the answer is no longer there");
    ask(q, LPS__V1__COMMAND__VERB__SHOW, &a);
    reply(q, sent.last.id, true, "{", true);
    command_fail_all(q, "stream lost");
    expect(&a, COMMAND_UNANSWERED, "stream lost");
    ask(q, LPS__V1__COMMAND__VERB__SHOW, &a);
    sent.is_down = true;
    reply(q, sent.last.id, true, "{", true);
    expect(&a, COMMAND_UNANSWERED, "no connection to the master");
    ask(q, LPS__V1__COMMAND__VERB__SHOW, &a);
    expect(&a, COMMAND_UNANSWERED, "master M: gone");
    end(q);
}

static void replies_to_nothing_change_nothing(void **state)
{
    struct command_queue *q = begin();
    struct answer a = {0};

    (void)state;
    reply(q, 0, true, "x", false);
    reply(q, 1, true, "x", true);
    assert_int_equal(sent.n, 0);
    ask(q, LPS__V1__COMMAND__VERB__READY, &a);
    reply(q, sent.last.id + 1, true, "x", false);
    assert_int_equal(a.n, 0);
    reply(q, sent.last.id, true, "", false);
    expect(&a, COMMAND_DONE, "");
    reply(q, sent.last.id, true, "again", false);
    assert_int_equal(a.n, 0);
    end(q);
}

static void an_answer_without_end_is_given_up(void **state)
{
    struct command_queue *q = begin();
    struct answer a = {0};
    size_t len = 1024 * 1024;
    char *piece = xcalloc(len + 1, 1);

    (void)state;
    memset(piece, 'x', len);
    ask(q, LPS__V1__COMMAND__VERB__SHOW, &a);
    for (size_t n = 0; n <= COMMAND_ANSWER_MAX / len; n++) {
        assert_int_equal(a.n, 0);
        reply(q, sent.last.id, true, piece, true);
    }
    expect(&a, COMMAND_UNANSWERED, "the answer of the master is too long");
    free(piece);
    end(q);
}

static void there_is_place_for_so_many(void **state)
{
    struct command_queue *q = begin();
    struct answer a = {0}, more = {0};

    (void)state;
    for (int i = 0; i < COMMAND_PENDING_MAX; i++)
        ask(q, LPS__V1__COMMAND__VERB__STATE, &a);
    assert_int_equal(a.n, 0);
    ask(q, LPS__V1__COMMAND__VERB__STATE, &more);
    expect(&more, COMMAND_UNANSWERED, "too many questions to the master are open");
    command_fail_all(q, "stream lost");
    assert_int_equal(a.n, COMMAND_PENDING_MAX);
    free(a.text);
    ask(q, LPS__V1__COMMAND__VERB__STATE, &more);
    reply(q, sent.last.id, true, "{", true);
    end(q); // what came so far goes with it
    assert_int_equal(more.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_carries_what_it_asks_for),
        cmocka_unit_test(a_long_answer_is_asked_for_to_its_end),
        cmocka_unit_test(an_answer_that_breaks_off_is_none),
        cmocka_unit_test(replies_to_nothing_change_nothing),
        cmocka_unit_test(an_answer_without_end_is_given_up),
        cmocka_unit_test(there_is_place_for_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
