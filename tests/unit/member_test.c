#include "worker/daemon/member.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MS       1000000LL
#define S        1000000000LL
#define T0       (100 * S)
#define LOSS     (60 * S)
#define NO_BOUND INT64_MAX

// The member under test, and what it wanted last.
struct fixture {
    struct member m;
    unsigned actions;
};

static void begin(struct fixture *f, int64_t wait_ns)
{
    struct member_config config = {.wait_ns = wait_ns, .master_loss_ns = LOSS};

    member_init(&f->m, 0, &config);
}

static void end(struct fixture *f)
{
    member_done(&f->m);
}

static unsigned give(struct fixture *f, struct member_event e)
{
    return f->actions = member_handle(&f->m, &e);
}

static unsigned up(struct fixture *f, int64_t now_ns, bool known)
{
    return give(f, (struct member_event){.kind = MEMBER_LINK_UP, .now_ns = now_ns, .known = known});
}

static unsigned down(struct fixture *f, int64_t now_ns)
{
    return give(f, (struct member_event){
                       .kind = MEMBER_LINK_DOWN, .now_ns = now_ns, .text = "master M: gone"});
}

static unsigned armed(struct fixture *f, int64_t now_ns, enum member_stop stop)
{
    return give(f, (struct member_event){
                       .kind = MEMBER_RUN_ARMED, .now_ns = now_ns, .t0_ns = T0, .stop = stop});
}

static unsigned timer(struct fixture *f, int64_t now_ns)
{
    return give(f, (struct member_event){.kind = MEMBER_TIMER, .now_ns = now_ns});
}

static unsigned cancel(struct fixture *f, int64_t now_ns, bool force)
{
    return give(f, (struct member_event){.kind = MEMBER_CANCEL, .now_ns = now_ns, .force = force});
}

static unsigned local_end(struct fixture *f, int64_t now_ns, const char *failure)
{
    return give(f,
                (struct member_event){.kind = MEMBER_LOCAL_END, .now_ns = now_ns, .text = failure});
}

static unsigned fin_reply(struct fixture *f, int64_t now_ns, bool closed)
{
    return give(
        f, (struct member_event){.kind = MEMBER_FIN_REPLY, .now_ns = now_ns, .closed = closed});
}

static unsigned result(struct fixture *f, int64_t now_ns, int code)
{
    return give(f,
                (struct member_event){.kind = MEMBER_RESULT, .now_ns = now_ns, .exit_code = code});
}

static unsigned created(struct fixture *f, bool is_member)
{
    return give(
        f, (struct member_event){
               .kind = MEMBER_RUN_CREATED, .counted = 2, .expected = 3, .is_member = is_member});
}

static unsigned accepted(struct fixture *f, bool observer, bool late)
{
    return give(f,
                (struct member_event){.kind = MEMBER_ACCEPTED, .observer = observer, .late = late});
}

static void to_waiting(struct fixture *f)
{
    begin(f, NO_BOUND);
    assert_int_equal(up(f, 0, false), MEMBER_SUBMIT);
    assert_int_equal(accepted(f, false, false), 0);
    assert_int_equal(created(f, true), 0);
    assert_int_equal(f->m.state, MEMBER_WAITING);
}

static void to_running(struct fixture *f)
{
    to_waiting(f);
    assert_int_equal(armed(f, T0 - 2 * S, MEMBER_GO), MEMBER_START);
    assert_int_equal(f->m.state, MEMBER_READY);
    assert_int_equal(member_due(&f->m), T0);
    assert_int_equal(timer(f, T0), 0);
    assert_int_equal(f->m.state, MEMBER_RUNNING);
}

static void to_draining(struct fixture *f)
{
    to_running(f);
    assert_int_equal(local_end(f, T0 + 10 * S, NULL), MEMBER_SEND_FIN);
    assert_int_equal(f->m.state, MEMBER_DRAINING);
}

static void observing(struct fixture *f)
{
    begin(f, NO_BOUND);
    up(f, 0, false);
    accepted(f, true, false);
    created(f, true);
}

static void a_run_goes_from_submission_to_result(void **state)
{
    struct fixture f;

    (void)state;
    to_draining(&f);
    assert_int_equal(f.m.start_ns, T0);
    assert_int_equal(f.m.k_origin_ns, T0);
    assert_null(f.m.fin_failure);
    assert_int_equal(fin_reply(&f, T0 + 11 * S, false), 0);
    assert_int_equal(result(&f, T0 + 12 * S, 1), MEMBER_FINISH);
    assert_int_equal(f.m.state, MEMBER_DONE);
    assert_int_equal(f.m.exit_code, 1);
    assert_null(f.m.result_message);
    end(&f);
}

static void nothing_is_sent_before_the_master_is_there(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NO_BOUND);
    for (int i = 0; i < 5; i++)
        assert_int_equal(down(&f, i * S), 0);
    assert_int_equal(f.m.state, MEMBER_CONNECTING);
    assert_int_equal(member_due(&f.m), INT64_MAX);
    assert_int_equal(timer(&f, 1000000 * S), 0);
    assert_int_equal(up(&f, 6 * S, false), MEMBER_SUBMIT);
    end(&f);
}

static void a_waiting_member_submits_again_after_each_loss(void **state)
{
    struct fixture f;

    (void)state;
    to_waiting(&f);
    down(&f, S);
    assert_int_equal(f.m.state, MEMBER_CONNECTING);
    assert_int_equal(up(&f, 2 * S, true), MEMBER_SUBMIT);
    accepted(&f, false, false);
    assert_int_equal(f.m.state, MEMBER_WAITING);
    end(&f);
}

static void who_was_accepted_before_ready_starts_in_phase_however_late(void **state)
{
    struct fixture f;

    (void)state;
    to_waiting(&f);
    down(&f, T0 - S);
    up(&f, T0 + 5 * S, true);
    assert_int_equal(armed(&f, T0 + 5 * S, MEMBER_GO), 0); // SubmitReply is still to come
    accepted(&f, false, false);
    assert_int_equal(armed(&f, T0 + 5 * S, MEMBER_GO), MEMBER_START);
    assert_int_equal(f.m.start_ns, T0);
    assert_int_equal(f.m.state, MEMBER_RUNNING);
    end(&f);
}

static void a_late_joiner_starts_soon_and_keeps_the_origin_of_the_run(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NO_BOUND);
    up(&f, T0 + 37 * S, false);
    accepted(&f, false, true);
    assert_int_equal(armed(&f, T0 + 37 * S, MEMBER_GO), MEMBER_START);
    assert_int_equal(f.m.start_ns, T0 + 37 * S + 200 * MS);
    assert_int_equal(f.m.k_origin_ns, T0);
    end(&f);
}

static void the_runner_is_started_once(void **state)
{
    struct fixture f;

    (void)state;
    to_running(&f);
    assert_int_equal(armed(&f, T0 + S, MEMBER_GO), 0);
    down(&f, T0 + 2 * S);
    assert_int_equal(up(&f, T0 + 3 * S, true), MEMBER_SUBMIT);
    accepted(&f, false, false);
    assert_int_equal(armed(&f, T0 + 3 * S, MEMBER_GO), 0);
    assert_int_equal(f.m.state, MEMBER_RUNNING);
    end(&f);
}

static void a_running_member_does_not_open_a_run_on_a_master_that_forgot_it(void **state)
{
    struct fixture f;

    (void)state;
    to_running(&f);
    down(&f, T0 + S);
    assert_int_equal(up(&f, T0 + 2 * S, false), 0);
    end(&f);
}

static void a_refusal_ends_with_exit_code_3(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NO_BOUND);
    up(&f, 0, false);
    assert_int_equal(give(&f, (struct member_event){.kind = MEMBER_REFUSED, .text = "no"}),
                     MEMBER_FINISH);
    assert_int_equal(f.m.state, MEMBER_DONE);
    assert_int_equal(f.m.exit_code, 3);
    assert_string_equal(f.m.result_message, "refused by the master: no");
    end(&f);
}

static void a_refusal_of_a_running_member_stops_it_and_delivers(void **state)
{
    struct fixture f;

    (void)state;
    to_running(&f);
    assert_int_equal(give(&f, (struct member_event){.kind = MEMBER_REFUSED, .text = "over"}),
                     MEMBER_STOP);
    assert_int_equal(local_end(&f, T0 + S, NULL), MEMBER_SEND_FIN | MEMBER_FINISH);
    assert_int_equal(f.m.exit_code, 3);
    assert_int_equal(f.m.state, MEMBER_DELIVERING);
    fin_reply(&f, T0 + 2 * S, true);
    assert_int_equal(f.m.state, MEMBER_DONE);
    end(&f);
}

static void the_wait_for_a_master_is_bounded(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 2 * S);
    down(&f, 0);
    assert_int_equal(member_due(&f.m), 2 * S);
    assert_int_equal(timer(&f, 2 * S - 1), 0);
    assert_int_equal(timer(&f, 2 * S), MEMBER_FINISH);
    assert_int_equal(f.m.exit_code, 3);
    assert_string_equal(f.m.result_message, "gave up after 2 s: master M: gone");
    assert_int_equal(f.m.state, MEMBER_DONE);
    end(&f);
}

static void the_wait_for_the_barrier_is_bounded_and_withdraws(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 2500 * MS);
    up(&f, 0, false);
    accepted(&f, false, false);
    created(&f, true);
    assert_int_equal(timer(&f, 2500 * MS), MEMBER_SEND_CANCEL | MEMBER_FINISH);
    assert_int_equal(f.m.exit_code, 3);
    assert_string_equal(f.m.result_message, "not started within 2.5 s: 2 of 3 workers are here");
    assert_int_equal(f.m.state, MEMBER_DELIVERING);
    created(&f, false);
    assert_int_equal(f.m.state, MEMBER_DONE);
    end(&f);
}

static void the_bound_ends_with_the_wait(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 2 * S);
    up(&f, 0, false);
    accepted(&f, false, false);
    armed(&f, S, MEMBER_GO);
    assert_int_equal(member_due(&f.m), T0);
    end(&f);
}

static void a_cancel_before_the_master_knows_needs_no_master(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, NO_BOUND);
    down(&f, 0);
    assert_int_equal(cancel(&f, S, false), MEMBER_FINISH);
    assert_int_equal(f.m.exit_code, 130);
    assert_int_equal(f.m.state, MEMBER_DONE);
    end(&f);
}

static void a_cancel_while_waiting_withdraws(void **state)
{
    struct fixture f;

    (void)state;
    to_waiting(&f);
    assert_int_equal(cancel(&f, S, false), MEMBER_SEND_CANCEL | MEMBER_FINISH);
    assert_int_equal(f.m.exit_code, 130);
    assert_int_equal(created(&f, false), 0);
    assert_int_equal(f.m.state, MEMBER_DONE);
    end(&f);
}

static void a_cancel_that_crosses_ready_gives_the_master_its_fin(void **state)
{
    struct fixture f;

    (void)state;
    to_waiting(&f);
    cancel(&f, S, false);
    assert_int_equal(armed(&f, 2 * S, MEMBER_DRAIN), MEMBER_SEND_FIN);
    assert_int_equal(armed(&f, 3 * S, MEMBER_DRAIN), 0);
    assert_string_equal(f.m.fin_failure, "withdrawn before the start");
    fin_reply(&f, 4 * S, false);
    assert_int_equal(f.m.state, MEMBER_DONE);
    end(&f);
}

static void a_cancel_while_the_master_is_away_is_told_when_it_is_back(void **state)
{
    struct fixture f;

    (void)state;
    to_waiting(&f);
    down(&f, S);
    assert_int_equal(cancel(&f, 2 * S, false), MEMBER_FINISH);
    assert_int_equal(f.m.state, MEMBER_DELIVERING);
    assert_int_equal(up(&f, 3 * S, true), MEMBER_SUBMIT);
    assert_int_equal(created(&f, true), MEMBER_SEND_CANCEL);
    created(&f, false);
    assert_int_equal(f.m.state, MEMBER_DONE);
    end(&f);
}

static void a_withdrawn_member_that_the_master_forgot_is_done(void **state)
{
    struct fixture f;

    (void)state;
    to_waiting(&f);
    down(&f, S);
    cancel(&f, 2 * S, false);
    assert_int_equal(up(&f, 3 * S, false), 0);
    assert_int_equal(f.m.state, MEMBER_DONE);
    end(&f);
}

static void a_cancel_while_running_drains_and_a_second_one_cuts(void **state)
{
    struct fixture f;

    (void)state;
    to_running(&f);
    assert_int_equal(cancel(&f, T0 + S, false), MEMBER_SEND_CANCEL | MEMBER_STOP);
    assert_int_equal(f.m.stop, MEMBER_DRAIN);
    assert_int_equal(armed(&f, T0 + S, MEMBER_DRAIN), 0); // the master's echo
    assert_int_equal(cancel(&f, T0 + S, false), MEMBER_SEND_CANCEL);
    assert_int_equal(cancel(&f, T0 + 2 * S, true), MEMBER_SEND_CANCEL | MEMBER_STOP);
    assert_int_equal(f.m.stop, MEMBER_ABORT);
    assert_true(f.m.cancel_force);
    end(&f);
}

static void another_workers_cancel_stops_this_one(void **state)
{
    struct fixture f;

    (void)state;
    to_running(&f);
    assert_int_equal(armed(&f, T0 + S, MEMBER_DRAIN), MEMBER_STOP);
    assert_int_equal(armed(&f, T0 + S, MEMBER_ABORT), MEMBER_STOP);
    assert_int_equal(armed(&f, T0 + S, MEMBER_DRAIN), 0);
    assert_int_equal(f.m.stop, MEMBER_ABORT);
    assert_true(f.m.cancelled);
    end(&f);
}

static void a_run_already_cancelled_is_not_started(void **state)
{
    struct fixture f;

    (void)state;
    to_waiting(&f);
    assert_int_equal(armed(&f, T0 - S, MEMBER_DRAIN), MEMBER_SEND_FIN);
    assert_int_equal(f.m.state, MEMBER_DRAINING);
    assert_null(f.m.fin_failure);
    end(&f);
}

static void a_killed_runner_is_reported(void **state)
{
    struct fixture f;

    (void)state;
    to_running(&f);
    assert_int_equal(local_end(&f, T0 + S, "runner killed by signal 9 (Killed)"), MEMBER_SEND_FIN);
    assert_string_equal(f.m.fin_failure, "runner killed by signal 9 (Killed)");
    assert_int_equal(f.m.state, MEMBER_DRAINING);
    end(&f);
}

static void a_run_outlives_its_master_until_the_bound(void **state)
{
    struct fixture f;

    (void)state;
    to_running(&f);
    down(&f, T0 + S);
    down(&f, T0 + 5 * S); // an attempt failed: the loss began earlier
    assert_int_equal(member_due(&f.m), T0 + S + LOSS);
    assert_int_equal(timer(&f, T0 + S + LOSS - 1), 0);
    assert_int_equal(timer(&f, T0 + S + LOSS), MEMBER_STOP);
    assert_int_equal(f.m.stop, MEMBER_DRAIN);
    assert_int_equal(member_due(&f.m), INT64_MAX);
    assert_int_equal(local_end(&f, T0 + 2 * S + LOSS, NULL), MEMBER_SEND_FIN);
    assert_string_equal(f.m.fin_failure, "stopped, as the master stayed away");
    assert_true(member_due(&f.m) <= T0 + 2 * S + LOSS);
    assert_int_equal(timer(&f, T0 + 2 * S + LOSS), MEMBER_FINISH);
    assert_int_equal(f.m.exit_code, 3);
    assert_non_null(strstr(f.m.result_message, "goes to the master"));
    assert_int_equal(f.m.state, MEMBER_DELIVERING);
    assert_int_equal(up(&f, T0 + 500 * S, true), 0);
    fin_reply(&f, T0 + 501 * S, true);
    assert_int_equal(f.m.state, MEMBER_DONE);
    end(&f);
}

static void a_cancel_is_said_again_to_a_master_that_is_back(void **state)
{
    struct fixture f;

    (void)state;
    to_running(&f);
    cancel(&f, T0 + S, false);
    down(&f, T0 + S);
    assert_int_equal(up(&f, T0 + 2 * S, true), MEMBER_SUBMIT | MEMBER_SEND_CANCEL);
    assert_false(f.m.cancel_force);
    armed(&f, T0 + 3 * S, MEMBER_ABORT); // by somebody else, and it is passed on all the same
    local_end(&f, T0 + 3 * S, NULL);
    down(&f, T0 + 4 * S);
    assert_int_equal(up(&f, T0 + 5 * S, true), MEMBER_SUBMIT | MEMBER_SEND_CANCEL);
    assert_true(f.m.cancel_force);
    down(&f, T0 + 6 * S);
    assert_int_equal(up(&f, T0 + 7 * S, false), 0);
    end(&f);
}

static void the_master_that_is_back_in_time_changes_nothing(void **state)
{
    struct fixture f;

    (void)state;
    to_running(&f);
    down(&f, T0 + S);
    up(&f, T0 + 2 * S, true);
    assert_int_equal(member_due(&f.m), INT64_MAX);
    down(&f, T0 + 50 * S);
    assert_int_equal(member_due(&f.m), T0 + 50 * S + LOSS);
    end(&f);
}

static void the_result_is_waited_for_after_the_local_end(void **state)
{
    struct fixture f;

    (void)state;
    to_running(&f);
    down(&f, T0 + S);
    local_end(&f, T0 + 10 * S, NULL);
    assert_int_equal(member_due(&f.m), T0 + 10 * S + LOSS);
    assert_int_equal(up(&f, T0 + 11 * S, true), MEMBER_SUBMIT);
    assert_int_equal(member_due(&f.m), INT64_MAX); // others may run for hours
    assert_int_equal(result(&f, T0 + 5000 * S, 0), MEMBER_FINISH);
    assert_int_equal(f.m.state, MEMBER_DELIVERING);
    fin_reply(&f, T0 + 5000 * S, false);
    assert_int_equal(f.m.state, MEMBER_DONE);
    end(&f);
}

static void a_result_that_never_comes_is_not_waited_for_endlessly(void **state)
{
    struct fixture f;

    (void)state;
    to_draining(&f);
    fin_reply(&f, T0 + 11 * S, true);
    assert_int_equal(member_due(&f.m), T0 + 16 * S);
    assert_int_equal(timer(&f, T0 + 16 * S), MEMBER_FINISH);
    assert_int_equal(f.m.exit_code, 3);
    assert_int_equal(f.m.state, MEMBER_DONE);
    end(&f);
}

static void a_result_in_mid_run_stops_first_and_is_given_out_with_the_end(void **state)
{
    struct fixture f;

    (void)state;
    to_running(&f);
    assert_int_equal(result(&f, T0 + 20 * S, 4), MEMBER_STOP);
    assert_int_equal(local_end(&f, T0 + 21 * S, NULL), MEMBER_SEND_FIN | MEMBER_FINISH);
    assert_int_equal(f.m.exit_code, 4);
    assert_int_equal(f.m.state, MEMBER_DELIVERING);
    end(&f);
}

static void windows_for_a_closed_run_stop_it(void **state)
{
    struct fixture f;

    (void)state;
    to_running(&f);
    assert_int_equal(fin_reply(&f, T0 + S, false), 0);
    assert_int_equal(fin_reply(&f, T0 + S, true), MEMBER_STOP);
    assert_false(f.m.cancelled);
    end(&f);
}

static void a_cancel_after_the_local_end_reaches_the_others(void **state)
{
    struct fixture f;

    (void)state;
    to_draining(&f);
    assert_int_equal(cancel(&f, T0 + 11 * S, false), MEMBER_SEND_CANCEL);
    down(&f, T0 + 12 * S);
    assert_int_equal(cancel(&f, T0 + 13 * S, false), MEMBER_FINISH);
    assert_int_equal(f.m.exit_code, 130);
    assert_int_equal(f.m.state, MEMBER_DELIVERING);
    end(&f);
}

static void an_observer_never_starts_a_runner(void **state)
{
    struct fixture f;

    (void)state;
    observing(&f);
    assert_int_equal(armed(&f, T0 - S, MEMBER_GO), 0);
    timer(&f, T0);
    assert_int_equal(f.m.state, MEMBER_RUNNING);
    assert_int_equal(armed(&f, T0 + S, MEMBER_DRAIN), 0);
    assert_int_equal(give(&f, (struct member_event){.kind = MEMBER_RUN_OVER, .now_ns = T0 + S}), 0);
    assert_int_equal(result(&f, T0 + 2 * S, 0), MEMBER_FINISH);
    assert_int_equal(f.m.state, MEMBER_DONE);
    end(&f);
}

static void an_observers_cancel_goes_to_the_master(void **state)
{
    struct fixture f;

    (void)state;
    observing(&f);
    armed(&f, T0 + S, MEMBER_GO);
    assert_int_equal(cancel(&f, T0 + 2 * S, true), MEMBER_SEND_CANCEL);
    down(&f, T0 + 3 * S);
    assert_int_equal(cancel(&f, T0 + 4 * S, true), MEMBER_FINISH);
    assert_int_equal(f.m.exit_code, 130);
    assert_int_equal(f.m.state, MEMBER_DONE);
    end(&f);
}

static void an_observer_gives_up_on_a_master_that_stays_away(void **state)
{
    struct fixture f;

    (void)state;
    observing(&f);
    armed(&f, T0 + S, MEMBER_GO);
    down(&f, T0 + 2 * S);
    assert_int_equal(timer(&f, T0 + 2 * S + LOSS), MEMBER_FINISH);
    assert_int_equal(f.m.exit_code, 3);
    assert_int_equal(f.m.state, MEMBER_DONE);
    end(&f);
}

static void a_run_closed_before_its_start_is_submitted_again(void **state)
{
    struct fixture f;

    (void)state;
    to_waiting(&f);
    assert_int_equal(give(&f, (struct member_event){.kind = MEMBER_RUN_OVER}), MEMBER_SUBMIT);
    assert_int_equal(give(&f, (struct member_event){.kind = MEMBER_RUN_OVER, .had_t0 = true}), 0);
    assert_int_equal(result(&f, S, 4), MEMBER_FINISH);
    end(&f);
}

static void done_stays_done(void **state)
{
    struct fixture f;

    (void)state;
    to_draining(&f);
    fin_reply(&f, T0 + 11 * S, false);
    result(&f, T0 + 11 * S, 0);
    for (int kind = 1; kind < MEMBER_EVENT__COUNT; kind++) {
        struct member_event e = {.kind = (enum member_event_kind)kind, .text = "x", .known = true};
        assert_int_equal(give(&f, e), 0);
        assert_int_equal(f.m.state, MEMBER_DONE);
    }
    assert_int_equal(member_due(&f.m), INT64_MAX);
    end(&f);
}

// Drives a fresh member into the state; false: no such state to be in.
static bool bring(struct fixture *f, int wanted)
{
    switch (wanted) {
    case MEMBER_CONNECTING:
        begin(f, NO_BOUND);
        return true;
    case MEMBER_WAITING:
        to_waiting(f);
        return true;
    case MEMBER_READY:
        to_waiting(f);
        armed(f, T0 - S, MEMBER_GO);
        return true;
    case MEMBER_RUNNING:
        to_running(f);
        return true;
    case MEMBER_DRAINING:
        to_draining(f);
        return true;
    case MEMBER_DELIVERING:
        to_waiting(f);
        cancel(f, S, false);
        return true;
    case MEMBER_DONE:
        begin(f, NO_BOUND);
        cancel(f, S, false);
        return true;
    default:
        return false;
    }
}

static void every_pair_of_state_and_event_is_defined(void **state)
{
    (void)state;
    for (int s = 1; s < MEMBER_STATE__COUNT; s++) {
        for (int kind = 1; kind < MEMBER_EVENT__COUNT; kind++) {
            struct fixture f;
            struct member_event e = {
                .kind = (enum member_event_kind)kind, .now_ns = T0, .t0_ns = T0, .text = "x"};
            char line[256];
            assert_true(bring(&f, s));
            assert_int_equal(f.m.state, s);
            bool started = f.m.started, finished = s >= MEMBER_DELIVERING;
            unsigned actions = member_handle(&f.m, &e);
            assert_true(f.m.state >= MEMBER_CONNECTING && f.m.state <= MEMBER_DONE);
            assert_true(!(actions & MEMBER_START) || (!started && s == MEMBER_WAITING));
            assert_true(!(actions & MEMBER_FINISH) || !finished);
            assert_true(!(actions & MEMBER_FINISH) == (f.m.state < MEMBER_DELIVERING || finished));
            assert_true(strlen(member_describe(&f.m, line, sizeof line)) > 0);
            assert_non_null(member_state_name[s]);
            member_done(&f.m);
        }
    }
}

static void people_are_told_what_is_waited_for(void **state)
{
    struct fixture f;
    char line[128];

    (void)state;
    to_waiting(&f);
    assert_string_equal(member_describe(&f.m, line, sizeof line),
                        "waiting for the master (2 of 3 workers)");
    armed(&f, T0 - 1500 * MS, MEMBER_GO);
    assert_string_equal(member_describe(&f.m, line, sizeof line), "ready, starting in 1.5 s");
    down(&f, T0);
    timer(&f, T0);
    assert_string_equal(member_describe(&f.m, line, sizeof line), "running on without the master");
    end(&f);
}

// Another run is in its way: it is as if it had not been submitted, and goes on when it is its
// turn.
static void who_is_queued_owes_the_master_nothing(void **state)
{
    struct member_event queued = {.kind = MEMBER_QUEUED, .text = "queued behind run X"};
    struct fixture f;

    (void)state;
    begin(&f, 10 * S);
    assert_int_equal(up(&f, 0, false), MEMBER_SUBMIT);
    assert_int_equal(give(&f, queued), 0);
    assert_int_equal(f.m.state, MEMBER_CONNECTING);
    assert_int_equal(member_due(&f.m), 10 * S);
    assert_int_equal(up(&f, 2 * S, false), MEMBER_SUBMIT);
    assert_int_equal(give(&f, queued), 0);
    assert_int_equal(cancel(&f, 3 * S, false), MEMBER_FINISH);
    assert_int_equal(f.m.state, MEMBER_DONE);
    assert_int_equal(f.m.exit_code, 130);
    end(&f);

    begin(&f, 10 * S);
    up(&f, 0, false);
    give(&f, queued);
    assert_int_equal(timer(&f, 10 * S), MEMBER_FINISH);
    assert_int_equal(f.m.state, MEMBER_DONE);
    assert_int_equal(f.m.exit_code, 3);
    assert_string_equal(f.m.result_message, "gave up after 10 s: queued behind run X");
    end(&f);

    to_waiting(&f); // and the master has forgotten it, for another
    assert_int_equal(give(&f, queued), 0);
    assert_int_equal(f.m.state, MEMBER_CONNECTING);
    assert_false(f.m.sent);
    end(&f);

    to_running(&f);
    assert_int_equal(give(&f, queued), 0);
    assert_int_equal(f.m.state, MEMBER_RUNNING);
    assert_true(f.m.sent);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_goes_from_submission_to_result),
        cmocka_unit_test(nothing_is_sent_before_the_master_is_there),
        cmocka_unit_test(a_waiting_member_submits_again_after_each_loss),
        cmocka_unit_test(who_was_accepted_before_ready_starts_in_phase_however_late),
        cmocka_unit_test(a_late_joiner_starts_soon_and_keeps_the_origin_of_the_run),
        cmocka_unit_test(the_runner_is_started_once),
        cmocka_unit_test(a_running_member_does_not_open_a_run_on_a_master_that_forgot_it),
        cmocka_unit_test(a_refusal_ends_with_exit_code_3),
        cmocka_unit_test(a_refusal_of_a_running_member_stops_it_and_delivers),
        cmocka_unit_test(the_wait_for_a_master_is_bounded),
        cmocka_unit_test(the_wait_for_the_barrier_is_bounded_and_withdraws),
        cmocka_unit_test(the_bound_ends_with_the_wait),
        cmocka_unit_test(a_cancel_before_the_master_knows_needs_no_master),
        cmocka_unit_test(a_cancel_while_waiting_withdraws),
        cmocka_unit_test(a_cancel_that_crosses_ready_gives_the_master_its_fin),
        cmocka_unit_test(a_cancel_while_the_master_is_away_is_told_when_it_is_back),
        cmocka_unit_test(a_withdrawn_member_that_the_master_forgot_is_done),
        cmocka_unit_test(a_cancel_while_running_drains_and_a_second_one_cuts),
        cmocka_unit_test(another_workers_cancel_stops_this_one),
        cmocka_unit_test(a_run_already_cancelled_is_not_started),
        cmocka_unit_test(a_killed_runner_is_reported),
        cmocka_unit_test(a_run_outlives_its_master_until_the_bound),
        cmocka_unit_test(a_cancel_is_said_again_to_a_master_that_is_back),
        cmocka_unit_test(the_master_that_is_back_in_time_changes_nothing),
        cmocka_unit_test(the_result_is_waited_for_after_the_local_end),
        cmocka_unit_test(a_result_that_never_comes_is_not_waited_for_endlessly),
        cmocka_unit_test(a_result_in_mid_run_stops_first_and_is_given_out_with_the_end),
        cmocka_unit_test(windows_for_a_closed_run_stop_it),
        cmocka_unit_test(a_cancel_after_the_local_end_reaches_the_others),
        cmocka_unit_test(an_observer_never_starts_a_runner),
        cmocka_unit_test(an_observers_cancel_goes_to_the_master),
        cmocka_unit_test(an_observer_gives_up_on_a_master_that_stays_away),
        cmocka_unit_test(a_run_closed_before_its_start_is_submitted_again),
        cmocka_unit_test(done_stays_done),
        cmocka_unit_test(every_pair_of_state_and_event_is_defined),
        cmocka_unit_test(people_are_told_what_is_waited_for),
        cmocka_unit_test(who_is_queued_owes_the_master_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
