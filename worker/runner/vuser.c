#include "worker/runner/vuser.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/script/env.h"
#include "common/str.h"
#include "worker/runner/sched.h"
#include "worker/runner/session.h"

// Of a timer that only vuser_pause ends.
#define NEVER INT64_MAX

// One iteration as one virtual user runs it.
struct task {
    struct vuser *user;
    const struct plan_iteration *iteration;
    uint32_t series;
    unsigned n_failed; // in a row, on connections that never served
    bool is_active;    // begun and not over
    bool is_entered;   // its hooks and its skipIf are done with
    uint64_t n_sent;
    uint64_t n_in_flight;
    int64_t end_ns; // by duration
    struct sched_batch batch;
    struct loop_timer timer; // to the begin, the end of a pause, or the next batch
};

struct vuser {
    struct list link;
    struct vuser_env *env;
    struct session *session; // NULL: the round needs none
    uint32_t index;          // in the round
    uint32_t next;           // iteration to begin, where they come one after another
    uint32_t n_busy;         // tasks that are not over
    uint32_t n_tasks;
    struct client client;
    struct task tasks[]; // one, or one for each iteration
};

static void go_on(struct task *t);
static void enter(struct task *t, uint32_t iteration, int64_t due_ns);

static bool is_batch(const struct task *t)
{
    return t->iteration->batch_size > 0;
}

static bool has_duration(const struct task *t)
{
    return t->iteration->duration_s > 0;
}

// A termination rule ended its iteration.
static bool is_cut(const struct task *t)
{
    return t->user->env->is_ended[t->series];
}

// v is gone after it.
static void finish(struct vuser *v)
{
    struct vuser_env *env = v->env;

    for (uint32_t i = 0; i < v->n_tasks; i++)
        loop_timer_clear(env->loop, &v->tasks[i].timer);
    client_close(&v->client);
    session_free(v->session);
    list_remove(&v->link);
    free(v);
    env->n_users--;
    env->on_done(env);
}

// The task is over: the next iteration, or the end of its user.
static void leave(struct task *t)
{
    struct vuser *v = t->user;
    const struct vuser_env *env = v->env;

    if (t->is_entered && v->session != NULL && !env->stopping && !is_cut(t))
        session_leave(v->session, t->series);
    t->is_active = false;
    if (!env->stopping && !env->round->is_parallel && v->next < env->round->n_iterations)
        enter(t, v->next++, loop_now(env->loop));
    else if (--v->n_busy == 0)
        finish(v);
}

static void on_done(struct exchange *x, bool ok);

static struct exchange *new_exchange(struct task *t, int64_t intended_ns)
{
    struct exchange *x = exchange_new(t->user->env->net);

    x->series = t->series;
    x->intended_ns = intended_ns;
    x->on_done = on_done;
    x->owner = t;
    return x;
}

static inline void send_one(struct task *t, struct exchange *x)
{
    struct vuser *v = t->user;

    t->n_sent++;
    t->n_in_flight++;
    if (v->session == NULL)
        client_send(&v->client, x);
    else
        session_send(v->session, x);
}

static void hold(struct task *t)
{
    loop_timer_set(t->user->env->loop, &t->timer, NEVER);
}

static void launch(struct task *t, uint64_t n, int64_t due_ns)
{
    // Counted before, as one that fails at once must not end the task under the others.
    t->n_in_flight++;
    for (uint64_t i = 0; i < n; i++)
        send_one(t, new_exchange(t, due_ns));
    t->n_in_flight--;
}

static void go_on_batches(struct task *t)
{
    struct vuser_env *env = t->user->env;
    int64_t now = loop_now(env->loop), due;
    uint64_t n;
    bool any;

    while ((any = !env->stopping && sched_batch_peek(&t->batch, &due, &n)) && due <= now) {
        if (env->is_paused) {
            hold(t);
            return;
        }
        sched_batch_pop(&t->batch);
        if (has_duration(t) && now >= t->end_ns)
            record_dropped(env->record, t->series, now, n);
        else
            launch(t, n, due);
    }
    if (any)
        loop_timer_set(env->loop, &t->timer, due);
    else if (t->n_in_flight == 0)
        leave(t);
}

static bool is_over(const struct task *t, int64_t now_ns)
{
    return has_duration(t) ? now_ns >= t->end_ns : t->n_sent >= t->iteration->request_count;
}

// One after another; x: to be used again, or NULL.
static void go_on_series(struct task *t, struct exchange *x)
{
    struct vuser_env *env = t->user->env;
    int64_t now = loop_now(env->loop);
    bool goes_on = !env->stopping && !is_over(t, now);

    if (goes_on && !env->is_paused) {
        send_one(t, x != NULL ? x : new_exchange(t, 0));
        return;
    }
    if (x != NULL)
        exchange_free(env->net, x);
    if (goes_on) {
        hold(t);
        return;
    }
    // Its whole duration passed before it could send: what was due counts as dropped.
    if (!env->stopping && t->n_sent == 0)
        record_dropped(env->record, t->series, now, 1);
    leave(t);
}

// Hooks and skipIf of the iteration; false: it is skipped.
static bool pass(struct task *t)
{
    struct vuser *v = t->user;
    const struct vuser_env *env = v->env;

    if (t->is_entered || is_cut(t))
        return !is_cut(t);
    if (v->session != NULL && !session_enter(v->session, t->series)) {
        record_skipped(env->record, t->series, loop_now(env->loop));
        return false;
    }
    t->is_entered = true;
    return true;
}

static void go_on(struct task *t)
{
    if (!pass(t))
        leave(t);
    else if (is_batch(t))
        go_on_batches(t);
    else
        go_on_series(t, NULL);
}

static void pause_series(struct task *t)
{
    struct vuser_env *env = t->user->env;
    bool by_count = !has_duration(t);
    int64_t until = loop_now(env->loop) + sched_pause_ns(++t->n_failed, by_count);

    loop_timer_set(env->loop, &t->timer, by_count || until < t->end_ns ? until : t->end_ns);
}

// Between two requests of one client, the same in each run with one seed.
static int64_t think_ns(const struct task *t)
{
    const struct plan_iteration *it = t->iteration;
    const struct vuser_env *env = t->user->env;
    struct script_random random;

    script_random_seed(&random, env->seed + t->n_sent, env->first_stream + t->user->index);
    return script_random_between(&random, (int64_t)it->think_min_ms * NS_PER_MS,
                                 (int64_t)it->think_max_ms * NS_PER_MS);
}

// x: as in go_on_series.
static void think(struct task *t, struct exchange *x)
{
    struct vuser_env *env = t->user->env;
    int64_t now = loop_now(env->loop);

    if (env->stopping || is_over(t, now)) {
        go_on_series(t, x);
        return;
    }
    exchange_free(env->net, x);
    now += think_ns(t);
    loop_timer_set(env->loop, &t->timer, has_duration(t) && now > t->end_ns ? t->end_ns : now);
}

static void on_done(struct exchange *x, bool ok)
{
    struct task *t = x->owner;
    struct vuser_env *env = t->user->env;

    t->n_in_flight--;
    if (is_batch(t)) {
        exchange_free(env->net, x);
        if (t->n_in_flight == 0 && t->timer.pos == 0)
            leave(t);
        return;
    }
    if (ok)
        t->n_failed = 0;
    // A connection that had served before it failed cannot make a loop that turns on failures only.
    if (ok || x->is_reused || env->stopping) {
        if (t->iteration->think_max_ms > 0)
            think(t, x);
        else
            go_on_series(t, x);
        return;
    }
    exchange_free(env->net, x);
    pause_series(t);
}

static void on_timer(struct loop_timer *timer)
{
    go_on(container_of(timer, struct task, timer));
}

static void enter(struct task *t, uint32_t iteration, int64_t due_ns)
{
    const struct vuser_env *env = t->user->env;
    int64_t begin_ns = sched_after_ms(due_ns, env->round->iterations[iteration].delay_ms);

    t->iteration = &env->round->iterations[iteration];
    t->series = env->first_series + iteration;
    t->n_failed = 0;
    t->n_sent = 0;
    t->is_active = true;
    t->is_entered = false;
    t->timer.on_due = on_timer;
    t->end_ns = sched_after_s(begin_ns, t->iteration->duration_s);
    if (is_batch(t))
        sched_batch_init(&t->batch, t->iteration, begin_ns);
    if (begin_ns > loop_now(env->loop))
        loop_timer_set(env->loop, &t->timer, begin_ns);
    else
        go_on(t);
}

void vuser_begin_round(struct vuser_env *env, const struct plan_round *round, uint32_t first_series,
                       uint64_t first_stream)
{
    env->round = round;
    env->first_series = first_series;
    env->first_stream = first_stream;
    env->has_sessions = program_needs_sessions(env->program, first_series, round->n_iterations);
}

void vuser_start(struct vuser_env *env, uint32_t index, int64_t due_ns)
{
    uint32_t n = env->round->is_parallel ? (uint32_t)env->round->n_iterations : 1;
    struct vuser *v = xcalloc(1, sizeof *v + n * sizeof v->tasks[0]);

    if (env->first_dispatch_ns == 0)
        env->first_dispatch_ns = loop_now(env->loop);
    v->env = env;
    v->index = index;
    v->n_tasks = n;
    v->next = n;
    v->n_busy = n + 1; // one more, so that it is not gone before all have begun
    client_init(&v->client, env->net);
    if (env->has_sessions)
        v->session = session_new(env->program, &v->client, env->first_stream + index);
    list_append(&env->users, &v->link);
    env->n_users++;
    for (uint32_t i = 0; i < n; i++) {
        v->tasks[i].user = v;
        enter(&v->tasks[i], i, due_ns);
    }
    if (--v->n_busy == 0)
        finish(v);
}

static void stop(struct vuser *v)
{
    uint32_t n_over = 1;

    v->n_busy++; // one more, so that it is not gone before all are stopped
    if (v->session != NULL)
        session_stop(v->session);
    for (uint32_t i = 0; i < v->n_tasks; i++) {
        struct task *t = &v->tasks[i];
        bool waits = t->timer.pos != 0;
        loop_timer_clear(v->env->loop, &t->timer);
        n_over += waits && t->n_in_flight == 0;
    }
    v->n_busy -= n_over;
    if (v->n_busy == 0)
        finish(v);
}

void vuser_stop_all(struct vuser_env *env, bool abort)
{
    env->stopping = true;
    for (struct list *at = env->users.next, *next; at != &env->users; at = next) {
        struct vuser *v = container_of(at, struct vuser, link);
        next = at->next;
        if (abort)
            finish(v);
        else
            stop(v);
    }
}

// Its user may be gone after it.
static void cut(struct task *t)
{
    struct vuser *v = t->user;

    loop_timer_clear(v->env->loop, &t->timer);
    if (v->session != NULL)
        session_cut(v->session, t->series);
    client_cut(&v->client, t->series);
    t->n_in_flight = 0;
    leave(t);
}

static struct task *find_task(struct vuser *v, uint32_t series)
{
    for (uint32_t i = 0; i < v->n_tasks; i++)
        if (v->tasks[i].is_active && v->tasks[i].series == series)
            return &v->tasks[i];
    return NULL;
}

void vuser_cut(struct vuser_env *env, uint32_t series)
{
    for (struct list *at = env->users.next, *next; at != &env->users; at = next) {
        struct task *t = find_task(container_of(at, struct vuser, link), series);
        next = at->next;
        if (t != NULL)
            cut(t);
    }
}

void vuser_pause(struct vuser_env *env, bool is_paused)
{
    int64_t now = loop_now(env->loop);

    env->is_paused = is_paused;
    for (struct list *at = env->users.next; at != &env->users && !is_paused; at = at->next) {
        struct vuser *v = container_of(at, struct vuser, link);
        for (uint32_t i = 0; i < v->n_tasks; i++)
            if (v->tasks[i].timer.pos != 0 && v->tasks[i].timer.due_ns == NEVER)
                loop_timer_set(env->loop, &v->tasks[i].timer, now);
    }
}
