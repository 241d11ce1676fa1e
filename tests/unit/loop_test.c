#include "worker/runner/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// What call-backs leave behind; the last of them ends the loop.
static struct loop *loop;
static int order[1000], n_calls, n_expected;

static int set_up(void **unused)
{
    (void)unused;
    loop = loop_new();
    n_calls = 0;
    return loop != NULL ? 0 : -1;
}

static int tear_down(void **unused)
{
    (void)unused;
    loop_free(loop);
    return 0;
}

static void note(int what)
{
    order[n_calls++] = what;
    if (n_calls == n_expected)
        loop_quit(loop);
}

struct numbered {
    int number;
    struct loop_timer timer;
    struct loop_timeout timeout;
    struct loop_post post;
};

static void on_due(struct loop_timer *timer)
{
    note(container_of(timer, struct numbered, timer)->number);
}

static void on_expire(struct loop_timeout *timeout)
{
    note(container_of(timeout, struct numbered, timeout)->number);
}

static void on_post(struct loop_post *post)
{
    note(container_of(post, struct numbered, post)->number);
}

static void timers_come_in_the_order_of_their_times(void **unused)
{
    enum { N = 200 };
    struct numbered t[N] = {0};
    int64_t now = loop_now(loop);

    (void)unused;
    for (int i = 0; i < N; i++) {
        t[i].number = i * 77 % N; // 77 and N have no common divisor: each number once
        t[i].timer.on_due = on_due;
        loop_timer_set(loop, &t[i].timer, now - 1000 + t[i].number);
    }
    n_expected = N;
    loop_run(loop);
    for (int i = 0; i < N; i++)
        assert_int_equal(order[i], i);
}

static void a_cleared_or_moved_timer_does_not_come_at_its_old_time(void **unused)
{
    struct numbered a = {.number = 1, .timer.on_due = on_due},
                    b = {.number = 2, .timer.on_due = on_due},
                    c = {.number = 3, .timer.on_due = on_due};
    int64_t now = loop_now(loop);

    (void)unused;
    loop_timer_set(loop, &a.timer, now - 30);
    loop_timer_set(loop, &b.timer, now - 20);
    loop_timer_set(loop, &c.timer, now - 10);
    loop_timer_clear(loop, &a.timer);
    loop_timer_clear(loop, &a.timer);
    loop_timer_set(loop, &b.timer, now - 5);
    n_expected = 2;
    loop_run(loop);
    assert_int_equal(order[0], 3);
    assert_int_equal(order[1], 2);
    assert_int_equal(a.timer.pos, 0);
}

static struct numbered again;

static void on_due_again(struct loop_timer *timer)
{
    if (n_calls < 3)
        loop_timer_set(loop, timer, loop_now(loop) + 1);
    note(0);
}

static void a_timer_may_set_itself(void **unused)
{
    (void)unused;
    again = (struct numbered){.timer.on_due = on_due_again};
    loop_timer_set(loop, &again.timer, 0);
    n_expected = 4;
    loop_run(loop);
    assert_int_equal(n_calls, 4);
}

static void timeouts_expire_in_order_unless_removed(void **unused)
{
    struct loop_fifo fifo, never;
    struct numbered t[3] = {{.number = 0}, {.number = 1}, {.number = 2}}, late = {.number = 9};

    (void)unused;
    loop_fifo_init(loop, &fifo, 0, on_expire);
    loop_fifo_init(loop, &never, INT64_MAX / 2, on_expire);
    loop_fifo_add(loop, &never, &late.timeout);
    for (int i = 0; i < 3; i++)
        loop_fifo_add(loop, &fifo, &t[i].timeout);
    loop_fifo_remove(&t[1].timeout);
    loop_fifo_remove(&t[1].timeout);
    n_expected = 2;
    loop_run(loop);
    assert_int_equal(order[0], 0);
    assert_int_equal(order[1], 2);
    loop_fifo_remove(&late.timeout);
}

static struct numbered awaited = {.number = 1};

static void on_in_time(struct loop_post *post)
{
    (void)post;
    loop_fifo_remove(&awaited.timeout);
    note(2);
}

// The thread was kept from its loop while both happened.
static void what_came_before_a_timeout_was_seen_is_in_time(void **unused)
{
    struct loop_post post = {.on_post = on_in_time};
    struct loop_fifo fifo;

    (void)unused;
    n_expected = 1;
    loop_fifo_init(loop, &fifo, 0, on_expire);
    loop_fifo_add(loop, &fifo, &awaited.timeout);
    loop_post(loop, &post);
    loop_run(loop);
    assert_int_equal(order[0], 2);
}

enum { POSTS = 500 };

static void *poster(void *arg)
{
    struct numbered *posts = arg;

    for (int i = 0; i < POSTS; i++)
        loop_post(loop, &posts[i].post);
    return NULL;
}

static void posts_of_a_thread_keep_their_order(void **unused)
{
    static struct numbered posts[2][POSTS];
    pthread_t threads[2];
    int next[2] = {0, POSTS};

    (void)unused;
    n_expected = 2 * POSTS;
    for (int t = 0; t < 2; t++) {
        for (int i = 0; i < POSTS; i++)
            posts[t][i] = (struct numbered){.number = t * POSTS + i, .post.on_post = on_post};
        assert_int_equal(pthread_create(&threads[t], NULL, poster, posts[t]), 0);
    }
    loop_run(loop);
    for (int t = 0; t < 2; t++)
        pthread_join(threads[t], NULL);
    for (int i = 0; i < 2 * POSTS; i++)
        assert_int_equal(order[i], next[order[i] / POSTS]++);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(timers_come_in_the_order_of_their_times, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cleared_or_moved_timer_does_not_come_at_its_old_time,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_timer_may_set_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(timeouts_expire_in_order_unless_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_came_before_a_timeout_was_seen_is_in_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(posts_of_a_thread_keep_their_order, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
