// Every event in every state.
#include "master/daemon/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/cluster_test_world.h"

static enum cluster_verdict data(struct world *w, bool is_fin)
{
    struct cluster_member *m;
    const char *run = cluster_run(w->c) == NULL ? "old" : run_id(w);

    return is_fin ? cluster_fin(w->c, w->now, w->node[0], run, 1, &m)
                  : cluster_window(w->c, w->now, w->node[0], run, 1, &m);
}

static void happens(struct world *w, enum cluster_event event)
{
    char err[80];

    switch (event) {
    case CLUSTER_SUBMIT:
        submit(w, 1);
        break;
    case CLUSTER_CANCEL:
        cluster_cancel(w->c, w->now, w->node[0], "sa", false);
        break;
    case CLUSTER_START:
        if (cluster_start(w->c, w->now, err, sizeof err) != 0)
            buf_printf(&w->trace, "%s", err);
        break;
    case CLUSTER_CLOCK:
        clocks(w, 0, 4);
        break;
    case CLUSTER_UP:
        hello(w, 0, 1, 1);
        break;
    case CLUSTER_REPLACED:
        gone(w, 0, 0);
        trace(w);
        hello(w, 0, 2, 1);
        break;
    case CLUSTER_DOWN:
        gone(w, 0, 0);
        break;
    case CLUSTER_WINDOW:
    case CLUSTER_FIN:
        data(w, event == CLUSTER_FIN);
        break;
    case CLUSTER_COMMIT:
        cluster_commit(w->c, w->now, w->n_runs ? run_id(w) : "old", 0, 1, true, NULL);
        break;
    case CLUSTER_STORED:
        cluster_run_stored(w->c, w->now, w->n_runs ? run_id(w) : "old");
        break;
    default:
        pass(w, LEAD);
    }
}

static const struct {
    enum cluster_state from;
    enum cluster_event event;
    enum cluster_state to;
    const char *actions;
} expected_table[] = {
    {CLUSTER_IDLE, CLUSTER_SUBMIT, CLUSTER_READY, "opened reply(b,yes) state(*) armed"},
    {CLUSTER_IDLE, CLUSTER_CANCEL, CLUSTER_IDLE, ""},
    {CLUSTER_IDLE, CLUSTER_START, CLUSTER_IDLE, ""},
    {CLUSTER_IDLE, CLUSTER_CLOCK, CLUSTER_IDLE, ""},
    {CLUSTER_IDLE, CLUSTER_UP, CLUSTER_IDLE, "close(a,1)"},
    {CLUSTER_IDLE, CLUSTER_REPLACED, CLUSTER_IDLE, ""},
    {CLUSTER_IDLE, CLUSTER_DOWN, CLUSTER_IDLE, ""},
    {CLUSTER_IDLE, CLUSTER_WINDOW, CLUSTER_IDLE, "ack(a,1) fin(a,closed)"},
    {CLUSTER_IDLE, CLUSTER_FIN, CLUSTER_IDLE, "ack(a,1) fin(a,closed)"},
    {CLUSTER_IDLE, CLUSTER_COMMIT, CLUSTER_IDLE, ""},
    {CLUSTER_IDLE, CLUSTER_STORED, CLUSTER_IDLE, ""},
    {CLUSTER_IDLE, CLUSTER_TIMER, CLUSTER_IDLE, ""},

    {CLUSTER_CREATED, CLUSTER_SUBMIT, CLUSTER_READY, "reply(b,yes) state(*) armed"},
    {CLUSTER_CREATED, CLUSTER_CANCEL, CLUSTER_STOPPED, "state(*) ended"},
    {CLUSTER_CREATED, CLUSTER_START, CLUSTER_READY, "state(*) armed"},
    {CLUSTER_CREATED, CLUSTER_CLOCK, CLUSTER_CREATED, "state(*)"},
    {CLUSTER_CREATED, CLUSTER_UP, CLUSTER_CREATED, "close(a,1) state(*)"},
    {CLUSTER_CREATED, CLUSTER_REPLACED, CLUSTER_STOPPED, "state(*) ended"},
    {CLUSTER_CREATED, CLUSTER_DOWN, CLUSTER_CREATED, "state(*)"},
    {CLUSTER_CREATED, CLUSTER_WINDOW, CLUSTER_CREATED, "close(a,3) state(*)"},
    {CLUSTER_CREATED, CLUSTER_FIN, CLUSTER_CREATED, "close(a,3) state(*)"},
    {CLUSTER_CREATED, CLUSTER_COMMIT, CLUSTER_CREATED, ""},
    {CLUSTER_CREATED, CLUSTER_STORED, CLUSTER_CREATED, ""},
    {CLUSTER_CREATED, CLUSTER_TIMER, CLUSTER_CREATED, ""},

    {CLUSTER_READY, CLUSTER_SUBMIT, CLUSTER_READY, "joined(b) state(*)"},
    {CLUSTER_READY, CLUSTER_CANCEL, CLUSTER_READY, "state(*)"},
    {CLUSTER_READY, CLUSTER_START, CLUSTER_READY, ""},
    {CLUSTER_READY, CLUSTER_CLOCK, CLUSTER_READY, ""},
    {CLUSTER_READY, CLUSTER_UP, CLUSTER_READY, "close(a,1)"},
    {CLUSTER_READY, CLUSTER_REPLACED, CLUSTER_READY, "state(*)"},
    {CLUSTER_READY, CLUSTER_DOWN, CLUSTER_READY, "state(*)"},
    {CLUSTER_READY, CLUSTER_WINDOW, CLUSTER_READY, ""},
    {CLUSTER_READY, CLUSTER_FIN, CLUSTER_READY, ""},
    {CLUSTER_READY, CLUSTER_COMMIT, CLUSTER_READY, "ack(a,1) fin(a) state(*)"},
    {CLUSTER_READY, CLUSTER_STORED, CLUSTER_READY, "state(*)"},
    {CLUSTER_READY, CLUSTER_TIMER, CLUSTER_RUNNING, "state(*)"},

    {CLUSTER_RUNNING, CLUSTER_SUBMIT, CLUSTER_RUNNING, "state(*) joined(b)"},
    {CLUSTER_RUNNING, CLUSTER_CANCEL, CLUSTER_RUNNING, "state(*)"},
    {CLUSTER_RUNNING, CLUSTER_START, CLUSTER_RUNNING, ""},
    {CLUSTER_RUNNING, CLUSTER_CLOCK, CLUSTER_RUNNING, ""},
    {CLUSTER_RUNNING, CLUSTER_UP, CLUSTER_RUNNING, "close(a,1)"},
    {CLUSTER_RUNNING, CLUSTER_REPLACED, CLUSTER_FAILED, "state(*) ended"},
    {CLUSTER_RUNNING, CLUSTER_DOWN, CLUSTER_RUNNING, "state(*)"},
    {CLUSTER_RUNNING, CLUSTER_WINDOW, CLUSTER_RUNNING, ""},
    {CLUSTER_RUNNING, CLUSTER_FIN, CLUSTER_RUNNING, ""},
    {CLUSTER_RUNNING, CLUSTER_COMMIT, CLUSTER_STOPPED, "ack(a,1) fin(a) state(*) ended"},
    {CLUSTER_RUNNING, CLUSTER_STORED, CLUSTER_RUNNING, "state(*)"},
    {CLUSTER_RUNNING, CLUSTER_TIMER, CLUSTER_RUNNING, ""},

    {CLUSTER_STOPPED, CLUSTER_SUBMIT, CLUSTER_READY, "opened reply(b,yes) state(*) armed"},
    {CLUSTER_STOPPED, CLUSTER_CANCEL, CLUSTER_STOPPED, ""},
    {CLUSTER_STOPPED, CLUSTER_START, CLUSTER_STOPPED, ""},
    {CLUSTER_STOPPED, CLUSTER_CLOCK, CLUSTER_STOPPED, ""},
    {CLUSTER_STOPPED, CLUSTER_UP, CLUSTER_STOPPED, "close(a,1) state(a) result(a)"},
    {CLUSTER_STOPPED, CLUSTER_REPLACED, CLUSTER_STOPPED, ""},
    {CLUSTER_STOPPED, CLUSTER_DOWN, CLUSTER_STOPPED, ""},
    {CLUSTER_STOPPED, CLUSTER_WINDOW, CLUSTER_STOPPED, "ack(a,2)"},
    {CLUSTER_STOPPED, CLUSTER_FIN, CLUSTER_STOPPED, "ack(a,2) fin(a)"},
    {CLUSTER_STOPPED, CLUSTER_COMMIT, CLUSTER_STOPPED, "ack(a,1) fin(a)"},
    {CLUSTER_STOPPED, CLUSTER_STORED, CLUSTER_STOPPED, "state(*)"},
    {CLUSTER_STOPPED, CLUSTER_TIMER, CLUSTER_STOPPED, ""},

    {CLUSTER_FAILED, CLUSTER_SUBMIT, CLUSTER_READY, "opened reply(b,yes) state(*) armed"},
    {CLUSTER_FAILED, CLUSTER_CANCEL, CLUSTER_FAILED, ""},
    {CLUSTER_FAILED, CLUSTER_START, CLUSTER_FAILED, ""},
    {CLUSTER_FAILED, CLUSTER_CLOCK, CLUSTER_FAILED, ""},
    {CLUSTER_FAILED, CLUSTER_UP, CLUSTER_FAILED, "close(a,1) state(a) result(a)"},
    {CLUSTER_FAILED, CLUSTER_REPLACED, CLUSTER_FAILED, ""},
    {CLUSTER_FAILED, CLUSTER_DOWN, CLUSTER_FAILED, ""},
    {CLUSTER_FAILED, CLUSTER_WINDOW, CLUSTER_FAILED, "ack(a,2)"},
    {CLUSTER_FAILED, CLUSTER_FIN, CLUSTER_FAILED, "ack(a,2) fin(a)"},
    {CLUSTER_FAILED, CLUSTER_COMMIT, CLUSTER_FAILED, "ack(a,1) fin(a)"},
    {CLUSTER_FAILED, CLUSTER_STORED, CLUSTER_FAILED, "state(*)"},
    {CLUSTER_FAILED, CLUSTER_TIMER, CLUSTER_FAILED, ""},
};

#define N_TABLE (sizeof expected_table / sizeof *expected_table)

static void every_event_in_every_state_does_what_the_table_says(void **unused)
{
    int wrong = 0;

    (void)unused;
    for (size_t i = 0; i < N_TABLE; i++) {
        struct world w = world_in(expected_table[i].from);
        happens(&w, expected_table[i].event);
        const char *actions = trace(&w);
        if (state(&w) != expected_table[i].to || strcmp(actions, expected_table[i].actions) != 0) {
            print_error("%s, event %d: %s, \"%s\", expected %s, \"%s\"\n",
                        cluster_state_name[expected_table[i].from], expected_table[i].event,
                        cluster_state_name[state(&w)], actions,
                        cluster_state_name[expected_table[i].to], expected_table[i].actions);
            wrong++;
        }
        world_end(&w);
    }
    assert_int_equal(wrong, 0);
}

static void the_table_above_has_every_pair_once(void **unused)
{
    int seen[CLUSTER_STATE__COUNT][CLUSTER_EVENT__COUNT] = {0};

    (void)unused;
    for (size_t i = 0; i < N_TABLE; i++)
        seen[expected_table[i].from][expected_table[i].event]++;
    for (int from = 1; from < CLUSTER_STATE__COUNT; from++)
        for (int event = 1; event < CLUSTER_EVENT__COUNT; event++)
            assert_int_equal(seen[from][event], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_above_has_every_pair_once),
        cmocka_unit_test(every_event_in_every_state_does_what_the_table_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
