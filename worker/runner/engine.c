#include "worker/runner/engine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "common/clock.h"
#include "common/str.h"
#include "worker/runner/flow.h"
#include "worker/runner/gate.h"
#include "worker/runner/live.h"
#include "worker/runner/pressure.h"
#include "worker/runner/sched.h"
#include "worker/runner/vuser.h"

// Virtual users that arrive in one pass of the loop, before it is the others' turn.
#define ARRIVALS_MAX 256

// An order from the engine to a thread, or a report back; freed by whoever receives it.
struct message {
    struct loop_post post;
    struct thread *thread;
    uint32_t round;
    int64_t start_ns;
    bool abort, is_paused;
    uint32_t series;
};

struct thread {
    struct engine *engine;
    pthread_t id;
    uint32_t index;
    struct loop *loop;
    struct record *record;
    struct client_net *net;
    const struct plan_round *round; // NULL: between rounds
    struct vuser_env env;           // of closed rounds
    struct sched_clients arrivals;
    struct flow *flow; // of an open round
    bool *is_ended;    // by series
    struct loop_timer arrival, second, drain;
    int64_t handed_k; // newest window given to the engine
};

struct engine {
    struct engine_config config;
    struct thread *threads;
    struct resolve *resolve;
    uint32_t n_series, round, n_busy, n_ended;
    bool stopping, finishing;
    struct metrics_window **pending; // of k = next_k, next_k + 1, ...; NULL: nothing came
    size_t n_pending;
    int64_t next_k;
    uint64_t cpu_us, steal_us;
    struct metrics_series *totals;
    int64_t first_dispatch_ns;
    struct live *live; // NULL: nothing reads it
    struct gate *gate; // NULL: no watchdog
};

static struct message *new_message(struct thread *t, void (*on_post)(struct loop_post *post))
{
    struct message *m = xcalloc(1, sizeof *m);

    m->thread = t;
    m->post.on_post = on_post;
    return m;
}

static int64_t second_of(const struct engine *e, int64_t ns)
{
    int64_t d = ns - e->config.k_origin_ns;

    return d >= 0 ? d / NS_PER_S : -1;
}

static uint64_t cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

// Windows of which every thread has handed over its part, or has gone on past it.
static void emit_until(struct engine *e, int64_t k)
{
    while (e->next_k <= k) {
        struct metrics_window *w = e->n_pending > 0 ? e->pending[0] : NULL;
        if (w == NULL)
            w = metrics_window_new(e->next_k, e->n_series);
        uint64_t cpu = cpu_us();
        w->health.cpu_us = cpu - e->cpu_us;
        e->cpu_us = cpu;
        uint64_t steal = pressure_steal_us();
        w->health.steal_us = steal - e->steal_us;
        e->steal_us = steal;
        w->health.paused_us = gate_paused_us(e->gate, w->k);
        e->config.on_window(w, e->config.arg);
        live_add(e->live, w);
        metrics_window_free(w);
        for (size_t i = 1; i < e->n_pending; i++)
            e->pending[i - 1] = e->pending[i];
        e->n_pending -= e->n_pending > 0;
        e->next_k++;
    }
}

static void emit_whole(struct engine *e)
{
    int64_t k = INT64_MAX;

    for (uint32_t i = 0; i < e->config.n_threads; i++)
        k = e->threads[i].handed_k < k ? e->threads[i].handed_k : k;
    emit_until(e, k);
}

// Main thread: one thread's part of a second.
static void on_part(struct loop_post *post)
{
    struct record_slot *slot = container_of(post, struct record_slot, post);
    struct thread *t = record_arg(slot->owner);
    struct engine *e = t->engine;
    size_t i = (size_t)(slot->window->k - e->next_k);

    while (e->n_pending <= i) {
        e->pending = xreallocarray(e->pending, e->n_pending + 1, sizeof *e->pending);
        e->pending[e->n_pending++] = NULL;
    }
    if (e->pending[i] == NULL)
        e->pending[i] = metrics_window_new(slot->window->k, e->n_series);
    metrics_merge_peer(e->pending[i], slot->window);
    t->handed_k = slot->window->k;
    record_give_back(slot);
    emit_whole(e);
}

static void begin_round(struct engine *e, int64_t start_ns);

// Main thread. Rounds are in sequence over all threads.
static void on_round_over(struct loop_post *post)
{
    struct message *m = container_of(post, struct message, post);
    struct engine *e = m->thread->engine;

    free(m);
    if (--e->n_busy > 0)
        return;
    e->round++;
    begin_round(e, clock_now().ns);
}

// Thread.
static void end_round(struct thread *t)
{
    t->round = NULL;
    loop_post(t->engine->config.main, &new_message(t, on_round_over)->post);
}

static void check_round(struct thread *t)
{
    int64_t due;

    if (t->round == NULL || t->flow != NULL || t->env.n_users > 0 ||
        (!t->env.stopping && !t->round->is_open && sched_clients_peek(&t->arrivals, &due)))
        return;
    end_round(t);
}

static void on_flow_done(void *arg)
{
    struct thread *t = arg;

    if (t->env.first_dispatch_ns == 0)
        t->env.first_dispatch_ns = flow_first_dispatch_ns(t->flow);
    flow_free(t->flow);
    t->flow = NULL;
    end_round(t);
}

static void on_user_done(struct vuser_env *env)
{
    check_round(container_of(env, struct thread, env));
}

static void on_arrival(struct loop_timer *timer)
{
    struct thread *t = container_of(timer, struct thread, arrival);
    int64_t due;

    for (int i = 0;
         i < ARRIVALS_MAX && sched_clients_peek(&t->arrivals, &due) && due <= loop_now(t->loop);
         i++) {
        uint32_t index = (uint32_t)t->arrivals.next;
        sched_clients_pop(&t->arrivals);
        vuser_start(&t->env, index, due); // with the last one the round may end
    }
    if (t->round != NULL && sched_clients_peek(&t->arrivals, &due)) {
        int64_t next_pass = loop_now(t->loop) + 1;
        loop_timer_set(t->loop, timer, due > next_pass ? due : next_pass);
    }
}

static void on_begin_round(struct loop_post *post)
{
    struct message *m = container_of(post, struct message, post);
    struct thread *t = m->thread;
    const struct plan *plan = t->engine->config.plan;
    uint32_t first_series = 0;
    uint64_t first_stream = 0;
    int64_t due;

    t->round = &plan->rounds[m->round];
    for (uint32_t i = 0; i < m->round; i++) {
        first_series += (uint32_t)plan->rounds[i].n_iterations;
        first_stream += plan->rounds[i].n_clients;
    }
    if (t->round->is_open && !t->env.stopping) {
        t->flow = flow_start(&(struct flow_config){.loop = t->loop,
                                                   .net = t->net,
                                                   .record = t->record,
                                                   .program = t->engine->config.program,
                                                   .is_ended = t->is_ended,
                                                   .round = t->round,
                                                   .first_series = first_series,
                                                   .first_stream = first_stream,
                                                   .start_ns = m->start_ns,
                                                   .thread = t->index,
                                                   .n_threads = t->engine->config.n_threads,
                                                   .on_done = on_flow_done,
                                                   .arg = t});
        if (t->env.is_paused)
            flow_pause(t->flow, true);
        free(m);
        return;
    }
    vuser_begin_round(&t->env, t->round, first_series, first_stream);
    sched_clients_init(&t->arrivals, t->round, m->start_ns, t->index, t->engine->config.n_threads);
    free(m);
    if (!t->env.stopping && sched_clients_peek(&t->arrivals, &due))
        loop_timer_set(t->loop, &t->arrival, due);
    else
        check_round(t);
}

static void on_second(struct loop_timer *timer)
{
    struct thread *t = container_of(timer, struct thread, second);

    record_roll(t->record, loop_now(t->loop));
    loop_timer_set(t->loop, timer, record_end_ns(t->record));
}

static void stop_load(struct thread *t, bool abort)
{
    vuser_stop_all(&t->env, abort);
    if (t->flow != NULL)
        flow_stop(t->flow, abort);
}

static void on_drained(struct loop_timer *timer)
{
    stop_load(container_of(timer, struct thread, drain), true);
}

static void on_stop(struct loop_post *post)
{
    struct message *m = container_of(post, struct message, post);
    struct thread *t = m->thread;

    if (!m->abort && !t->env.stopping)
        loop_timer_set(t->loop, &t->drain, loop_now(t->loop) + t->engine->config.drain_ns);
    loop_timer_clear(t->loop, &t->arrival);
    stop_load(t, m->abort);
    free(m);
    check_round(t);
}

static void on_cut(struct loop_post *post)
{
    struct message *m = container_of(post, struct message, post);
    struct thread *t = m->thread;

    t->is_ended[m->series] = true;
    vuser_cut(&t->env, m->series);
    if (t->flow != NULL)
        flow_cut(t->flow, m->series);
    free(m);
}

static void on_pause(struct loop_post *post)
{
    struct message *m = container_of(post, struct message, post);
    struct thread *t = m->thread;

    vuser_pause(&t->env, m->is_paused);
    if (t->flow != NULL)
        flow_pause(t->flow, m->is_paused);
    free(m);
}

// Main thread.
static void on_thread_ended(struct loop_post *post)
{
    struct message *m = container_of(post, struct message, post);
    struct engine *e = m->thread->engine;

    pthread_join(m->thread->id, NULL);
    free(m);
    if (++e->n_ended < e->config.n_threads)
        return;
    gate_stop(e->gate);
    emit_until(e, e->next_k + (int64_t)e->n_pending - 1);
    e->totals = xcalloc(e->n_series, sizeof *e->totals);
    for (uint32_t i = 0; i < e->config.n_threads; i++) {
        struct thread *t = &e->threads[i];
        for (uint32_t s = 0; s < e->n_series; s++)
            metrics_merge_later(&e->totals[s], &record_totals(t->record)[s]);
        int64_t first = t->env.first_dispatch_ns;
        if (first != 0 && (e->first_dispatch_ns == 0 || first < e->first_dispatch_ns))
            e->first_dispatch_ns = first;
    }
    e->config.on_end(e->config.arg);
}

static void on_finish(struct loop_post *post)
{
    struct message *m = container_of(post, struct message, post);
    struct thread *t = m->thread;

    free(m);
    loop_timer_clear(t->loop, &t->drain);
    loop_timer_clear(t->loop, &t->second);
    record_flush(t->record, loop_clock(t->loop));
    loop_post(t->engine->config.main, &new_message(t, on_thread_ended)->post);
    loop_quit(t->loop);
}

// Each thread gets a copy of the message.
static void tell(struct engine *e, void (*on_post)(struct loop_post *post),
                 const struct message *what)
{
    for (uint32_t i = 0; i < e->config.n_threads; i++) {
        struct message *m = xcalloc(1, sizeof *m);
        *m = *what;
        m->thread = &e->threads[i];
        m->post.on_post = on_post;
        loop_post(e->threads[i].loop, &m->post);
    }
}

static void begin_round(struct engine *e, int64_t start_ns)
{
    if (e->stopping || e->round >= e->config.plan->n_rounds) {
        e->finishing = true;
        tell(e, on_finish, &(struct message){0});
        return;
    }
    e->n_busy = e->config.n_threads;
    tell(e, on_begin_round, &(struct message){.round = e->round, .start_ns = start_ns});
}

void engine_stop(struct engine *e, bool abort)
{
    if (e->finishing)
        return;
    e->stopping = true;
    tell(e, on_stop, &(struct message){.abort = abort});
}

static void on_gate(bool is_paused, void *arg)
{
    struct engine *e = arg;

    if (!e->finishing)
        tell(e, on_pause, &(struct message){.is_paused = is_paused});
}

static void on_gate_warning(const char *text, void *arg)
{
    struct engine *e = arg;

    e->config.on_warning(text, e->config.arg);
}

// Requests in flight to one host, of all threads.
static uint64_t count_in_flight(uint32_t series, void *arg)
{
    const struct engine *e = arg;
    uint64_t n = 0;

    for (uint32_t i = 0; i < e->config.n_threads; i++)
        n += record_in_flight(e->threads[i].record, series);
    return n;
}

void engine_end(struct engine *e, uint32_t series)
{
    if (!e->finishing && series < e->n_series)
        tell(e, on_cut, &(struct message){.series = series});
}

static void *run_thread(void *arg)
{
    struct thread *t = arg;

    prctl(PR_SET_TIMERSLACK, 1UL);
    loop_timer_set(t->loop, &t->second, record_end_ns(t->record));
    loop_run(t->loop);
    return NULL;
}

static bool set_up_thread(struct engine *e, struct thread *t, int64_t first_k, char *why,
                          size_t size)
{
    struct client_net_config client = e->config.client;

    t->engine = e;
    t->index = (uint32_t)(t - e->threads);
    t->handed_k = first_k - 1;
    t->arrival.on_due = on_arrival;
    t->second.on_due = on_second;
    t->drain.on_due = on_drained;
    t->loop = loop_new();
    if (t->loop == NULL)
        return false;
    client.conn.loop = t->loop;
    client.conn.resolve = e->resolve;
    client.conn.first_source = t->index;
    t->net = client_net_new(&client, why, size);
    if (t->net == NULL)
        return false;
    t->record = record_new(&(struct record_config){.n_series = e->n_series,
                                                   .k_origin_ns = e->config.k_origin_ns,
                                                   .first_k = first_k,
                                                   .loop = t->loop,
                                                   .sink = e->config.main,
                                                   .on_window = on_part,
                                                   .arg = t,
                                                   .n_fds = client_net_n_fds(t->net)});
    client_net_set_record(t->net, t->record);
    t->is_ended = xcalloc(e->n_series, sizeof *t->is_ended);
    t->env = (struct vuser_env){.loop = t->loop,
                                .net = t->net,
                                .record = t->record,
                                .program = e->config.program,
                                .seed = e->config.seed,
                                .is_ended = t->is_ended,
                                .on_done = on_user_done};
    list_init(&t->env.users);
    return true;
}

struct engine *engine_start(const struct engine_config *config, char *why, size_t size)
{
    struct engine *e = xcalloc(1, sizeof *e);
    int64_t now = clock_now().ns;
    int64_t first_k;
    bool ok = true;

    snprintf(why, size, "threads or file descriptors are lacking");
    e->config = *config;
    e->n_series = plan_n_series(config->plan);
    e->threads = xcalloc(config->n_threads, sizeof *e->threads);
    e->resolve = resolve_new();
    e->steal_us = pressure_steal_us();
    first_k = second_of(e, config->start_ns > now ? config->start_ns : now);
    e->next_k = first_k;
    for (uint32_t i = 0; i < config->n_threads && ok; i++)
        ok = set_up_thread(e, &e->threads[i], first_k, why, size);
    ok = ok && e->resolve != NULL;
    for (uint32_t i = 0; i < config->n_threads && ok; i++)
        ok = pthread_create(&e->threads[i].id, NULL, run_thread, &e->threads[i]) == 0;
    if (!ok)
        return NULL; // the process ends with it: nothing to unwind
    e->live = live_new(config->plan, config->program);
    if (config->watchdog != NULL)
        e->gate = gate_start(&(struct gate_config){.plan = config->plan,
                                                   .settings = config->watchdog,
                                                   .loop = config->main,
                                                   .k_origin_ns = config->k_origin_ns,
                                                   .in_flight = count_in_flight,
                                                   .on_change = on_gate,
                                                   .on_warning = on_gate_warning,
                                                   .arg = e});
    begin_round(e, config->start_ns);
    return e;
}

void engine_outcome(const struct engine *e, struct engine_outcome *ret_outcome)
{
    *ret_outcome = (struct engine_outcome){e->totals, e->stopping, e->first_dispatch_ns};
}

void engine_free(struct engine *e)
{
    if (e == NULL)
        return;
    resolve_close(e->resolve);
    for (uint32_t i = 0; i < e->config.n_threads; i++) {
        struct thread *t = &e->threads[i];
        client_net_free(t->net);
        free(t->is_ended);
        record_free(t->record);
        loop_free(t->loop);
    }
    gate_free(e->gate);
    live_free(e->live);
    free(e->pending);
    free(e->threads);
    free(e->totals);
    free(e);
}
