#include "master/daemon/master.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/jtext.h"
#include "common/log.h"
#include "common/result.h"
#include "common/str.h"

#include "master/daemon/master_restore.h"
#include "master/daemon/service.h"
#include "master/daemon/view.h"
#include "master/daemon/web.h"

#define LATE_NS (500 * NS_PER_MS) // of a timer: the loop was busy, or the host was suspended

static int64_t now_ns(void)
{
    return clock_boot_now().ns;
}

// --- What is shown ---

static struct view view_of(const struct master *m)
{
    return (struct view){
        .cluster = m->cluster,
        .run = m->run,
        .node = m->conf->cluster.node_name,
        .master_is_worker = m->conf->cluster.master_node_is_worker,
        .expected = (uint32_t)m->conf->cluster.expected_workers,
        .bad_messages = m->bad_messages,
        .bad_requests = m->web == NULL ? 0 : web_n_bad(m->web),
        .late_windows = m->late_windows,
        .late_requests = m->late_requests,
        .now_ns = now_ns(),
        .now_ms = clock_wall_ms(),
    };
}

json_t *master_state(const struct master *m)
{
    struct view v = view_of(m);

    return view_state(&v);
}

static void show_status(const struct master *m)
{
    struct view v = view_of(m);
    char status[128];

    if (m->daemon != NULL)
        daemon_status(m->daemon, "%s: %s", cluster_state_name[cluster_global_state(m->cluster)],
                      view_status(&v, status, sizeof status));
}

// --- The run in the store ---

static void store_member(const struct master *m, const struct cluster_member *member)
{
    struct store_member row = {
        .run = m->run->id,
        .node = member->node->name,
        .submission = member->submission,
        .source = member->source,
        .epoch = member->epoch,
        .observer = member->observer,
        .late = member->late,
        .counted = member->counted,
        .part = member->part,
    };

    store_add_member(m->store, &row);
}

static void on_armed(struct master *m)
{
    const struct cluster_run *state = cluster_run(m->cluster);
    struct run *run = m->run;

    run->started_ms = clock_wall_ms() + (state->t0_ns - now_ns()) / NS_PER_MS;
    struct store_run row = {
        .id = run->id,
        .plan_name = run->plan->name,
        .plan = run->plan_text,
        .digest = state->digest,
        .opened_ms = run->opened_ms,
        .started_ms = run->started_ms,
        .t0_ns = state->t0_ns,
        .alive_ns = now_ns(),
        .t0_boot_id = m->boot_id,
        .expected = state->expected,
        .seed = state->seed,
    };
    for (size_t i = 0; i < state->n_members; i++)
        store_member(m, state->members[i]);
    store_add_run(m->store, &row);
    m->stored_state = CLUSTER_READY;
    m->stored_stop = CLUSTER_GO;
}

// Who counts is settled at T0.
static void store_state(struct master *m, const struct cluster_run *state)
{
    bool open = state->state == CLUSTER_READY || state->state == CLUSTER_RUNNING;

    if (!open || m->run->started_ms == 0 ||
        (state->state == m->stored_state && state->stop == m->stored_stop))
        return;
    for (size_t i = 0; state->state != m->stored_state && i < state->n_members; i++)
        store_member(m, state->members[i]);
    store_set_state(m->store, state->id, (int)state->state, (int)state->stop);
    m->stored_state = state->state;
    m->stored_stop = state->stop;
}

static void store_end(const struct master *m)
{
    const struct cluster_run *state = cluster_run(m->cluster);
    char *result = jtext_format(m->run->result, false);
    json_t *flags_json = view_flags(state, m->run);
    char *flags = jtext_format(flags_json, false);
    uint32_t n_workers = 0;

    for (size_t i = 0; i < state->n_members; i++)
        n_workers += !state->members[i]->observer;
    struct store_end end = {
        .run = m->run->id,
        .state = (int)state->state,
        .reason = m->run->reason,
        .ended_ms = m->run->ended_ms,
        .exit_code = result_exit_code(m->run->result),
        .flags = flags,
        .n_workers = n_workers,
        .n_requests = aggregate_total(m->run->aggregate)->n.started,
        .result = result,
    };
    store_end_run(m->store, &end);
    free(result);
    free(flags);
    json_decref(flags_json);
}

static void log_verdict(const struct run *run)
{
    const json_t *verdict = json_object_get(run->result, "verdict");
    const struct metrics_series *total = aggregate_total(run->aggregate);
    struct log_fields fields = {.run_id = run->id, .event = "finished"};

    log_event(LOG_INFO, &fields, "run %s: %s, exit code %d, %llu requests, %llu errors", run->id,
              json_string_value(json_object_get(verdict, "status")), result_exit_code(run->result),
              (unsigned long long)total->n.started, (unsigned long long)metrics_n_errors(total));
}

// --- Rules ---

void master_on_judge_warning(void *arg, const char *text)
{
    const struct master *m = arg;
    struct log_fields fields = {.run_id = cluster_run(m->cluster)->id, .event = "warning"};

    log_event(LOG_WARNING, &fields, "run %s: %s", fields.run_id, text);
    store_add_event(m->store, clock_wall_ms(), fields.event, fields.run_id, NULL, text);
}

static void log_iteration_end(const struct master *m, const struct judge_end *end)
{
    struct log_fields fields = {.run_id = m->run->id, .event = "iteration-ended"};
    const struct plan_round *round;
    const struct plan_iteration *iteration;

    plan_series(m->run->plan, end->series, &round, &iteration);
    char *text = xasprintf("%s, %s ends in second %lld: %s", round->name, iteration->name,
                           (long long)end->k, end->rule);
    log_event(LOG_NOTICE, &fields, "run %s: %s", m->run->id, text);
    store_add_event(m->store, clock_wall_ms(), fields.event, m->run->id, NULL, text);
    store_add_end(m->store, m->run->id, end->series, end->k, end->value, end->rule);
    free(text);
}

// Iterations that a rule ends do so on every worker.
static void judge(struct master *m)
{
    size_t n_new = run_judge(m->run, cluster_run(m->cluster), now_ns()), n;
    const struct judge_end *ends = judge_ends(m->run->judge, &n);

    for (size_t i = n - n_new; i < n; i++)
        log_iteration_end(m, &ends[i]);
    if (n_new > 0 && m->service != NULL)
        service_tell_state(m->service);
    if (n_new > 0 && m->web != NULL)
        web_publish_state(m->web);
}

static void on_ended(struct master *m)
{
    const struct cluster_run *state = cluster_run(m->cluster);

    m->run->ended_ms = clock_wall_ms();
    if (state->t0_ns == 0)
        return;
    judge(m);
    m->run->result = run_result(m->run, state, now_ns());
    store_end(m);
    log_verdict(m->run);
    if (m->service != NULL)
        service_send_result(m->service, NULL);
    if (m->web != NULL)
        web_publish_frame(m->web);
}

void master_add_late(struct master *m, const char *run, uint64_t windows, uint64_t requests)
{
    m->late_windows += windows;
    m->late_requests += requests;
    if (m->run == NULL || strcmp(m->run->id, run) != 0)
        return;
    run_add_late(m->run, windows, requests);
    m->late_changed = true;
}

// The verdict stands; only that something came late is added to the document.
static void store_late(struct master *m)
{
    struct run *run = m->run;

    m->late_changed = false;
    if (run->result == NULL)
        return;
    json_object_set_new(run->result, "late",
                        json_pack("{s:I s:I}", "windows", (json_int_t)run->late_windows, "requests",
                                  (json_int_t)run->late_requests));
    store_end(m);
}

// --- What the cluster decided ---

static void on_opened(struct master *m, const char *id)
{
    run_free(m->run);
    m->run = run_new(id, m->plan, clock_wall_ms(), master_on_judge_warning, m);
    m->plan = NULL;
    m->late_changed = false;
}

static void on_state(struct master *m, struct cluster_node *node)
{
    const struct cluster_run *state = cluster_run(m->cluster);

    if (node != NULL) {
        if (m->service != NULL)
            service_send_state(m->service, node);
        return;
    }
    if (m->service != NULL)
        service_tell_state(m->service);
    store_state(m, state);
    if (m->web != NULL)
        web_publish_state(m->web);
    show_status(m);
}

static void on_log(struct master *m, const struct cluster_action *a)
{
    struct log_fields fields = {.run_id = *a->run == '\0' ? NULL : a->run,
                                .node = a->node == NULL ? NULL : a->node->name,
                                .event = a->event};

    log_event(a->priority, &fields, "%s", a->text);
    store_add_event(m->store, clock_wall_ms(), a->event, fields.run_id, fields.node, a->text);
}

static bool needs_service(enum cluster_action_kind kind)
{
    return kind > CLUSTER_SEND_STATE && kind <= CLUSTER_CLOSE;
}

static void act(struct master *m, const struct cluster_action *a)
{
    if (needs_service(a->kind) && m->service == NULL) // stopping
        return;
    switch (a->kind) {
    case CLUSTER_SEND_STATE:
        on_state(m, a->node);
        break;
    case CLUSTER_SEND_REPLY:
        service_send_reply(m->service, a);
        break;
    case CLUSTER_SEND_ACK:
        service_send_ack(m->service, a->node, a->run, a->seq);
        break;
    case CLUSTER_SEND_FIN_REPLY:
        service_send_fin_reply(m->service, a->node, a->run, a->closed);
        break;
    case CLUSTER_SEND_RESULT:
        service_send_result(m->service, a->node);
        break;
    case CLUSTER_CLOSE:
        service_end_session(m->service, a->session, a->status, a->text);
        break;
    case CLUSTER_OPENED:
        on_opened(m, a->run);
        break;
    case CLUSTER_ARMED:
        on_armed(m);
        break;
    case CLUSTER_JOINED:
        store_member(m, a->member);
        break;
    case CLUSTER_ENDED:
        on_ended(m);
        break;
    case CLUSTER_LOG:
        on_log(m, a);
        break;
    default:
        break;
    }
}

static void arm_timer(struct master *m)
{
    int64_t due_ns = cluster_due(m->cluster), wait_ns = due_ns - now_ns();

    if (due_ns == m->timer_ns)
        return;
    m->timer_ns = due_ns;
    if (due_ns == INT64_MAX) {
        evtimer_del(m->timer);
        return;
    }
    // Rounded up: a timer that comes early would only come again.
    int64_t wait_us = wait_ns > 0 ? wait_ns / NS_PER_US + 1 : 0;
    struct timeval wait = {wait_us / 1000000, wait_us % 1000000};
    evtimer_add(m->timer, &wait);
}

void master_apply(struct master *m)
{
    const struct cluster_action *a;

    if (m->applying)
        return;
    m->applying = true;
    while ((a = cluster_next_action(m->cluster)) != NULL)
        act(m, a);
    m->applying = false;
    arm_timer(m);
}

// --- What the store did ---

static void on_stored(const char *run, int64_t source, int error, void *arg)
{
    struct master *m = arg;

    if (error != 0 && m->run != NULL && strcmp(m->run->id, run) == 0)
        m->run->durable = false;
    if (source < 0)
        cluster_run_stored(m->cluster, now_ns(), run);
    else
        cluster_member_stored(m->cluster, now_ns(), run, (uint32_t)source);
    master_apply(m);
}

// Every worker's part of the newest second is in: viewers need not wait for the tick, which may
// fall between two parts.
static bool is_second_whole(const struct master *m)
{
    const struct aggregate *a = m->run->aggregate;
    uint64_t n_sources = aggregate_n_sources(a, aggregate_newest(a));

    return n_sources > 0 && n_sources >= cluster_n_active(cluster_run(m->cluster));
}

static void on_commit(const char *run, uint32_t source, uint64_t seq,
                      const struct metrics_window *w, int error, void *arg)
{
    struct master *m = arg;
    struct run *ours = m->run != NULL && strcmp(m->run->id, run) == 0 ? m->run : NULL;
    const char *failure = NULL;

    if (ours != NULL && error != 0)
        ours->durable = false;
    if (ours == NULL || !cluster_is_open(m->cluster)) {
        uint64_t requests = 0;
        for (uint32_t i = 0; w != NULL && i < w->n_series; i++)
            requests += w->series[i].n.started;
        master_add_late(m, run, w != NULL, requests);
    } else if (w != NULL) {
        run_add_window(ours, source, w);
        judge(m);
        if (m->web != NULL && is_second_whole(m))
            web_publish_frame(m->web);
    } else {
        run_commit_fin(ours, source);
        failure = run_part_at(ours, source)->fin.failure;
    }
    cluster_commit(m->cluster, now_ns(), run, source, seq, w == NULL, failure);
    master_apply(m);
}

static void on_failing(const char *reason, void *arg)
{
    struct master *m = arg;
    struct log_fields fields = {.run_id = cluster_is_open(m->cluster) ? m->run->id : NULL,
                                .event = reason == NULL ? "store-works" : "store-failed"};
    char *refusal = NULL;

    if (reason == NULL) {
        log_event(LOG_INFO, &fields, "the store works again");
    } else {
        log_event(LOG_ERR, &fields, "the store failed: %s; new runs are refused", reason);
        if (fields.run_id != NULL)
            m->run->durable = false;
        refusal = xasprintf("the master cannot store results: %s", reason);
    }
    cluster_refuse_runs(m->cluster, refusal);
    free(refusal);
}

// --- Time ---

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct master *m = arg;

    (void)fd;
    (void)what;
    // What the workers said meanwhile may still wait to be read.
    if (m->service != NULL && now_ns() - m->timer_ns > LATE_NS)
        service_forgive(m->service);
    m->timer_ns = INT64_MIN;
    cluster_timer(m->cluster, now_ns());
    master_apply(m);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct master *m = arg;

    (void)fd;
    (void)what;
    if (m->late_changed)
        store_late(m);
    if (cluster_is_open(m->cluster)) {
        judge(m);
        if (cluster_run(m->cluster)->t0_ns != 0)
            store_set_alive(m->store, m->run->id, now_ns());
    }
    if (m->service != NULL)
        service_tick(m->service);
    if (m->web != NULL)
        web_tick(m->web);
    show_status(m);
}

// --- Opening and closing ---

static struct cluster_config cluster_config_of(const struct conf *conf)
{
    struct cluster_config config = {
        .master_is_worker = conf->cluster.master_node_is_worker,
        .expected = (uint32_t)conf->cluster.expected_workers,
        .start_lead_ns = (int64_t)conf->cluster.start_lead_ms * NS_PER_MS,
        .lease_ns = (int64_t)conf->cluster.lease_ms * NS_PER_MS,
        .rejoin_grace_ns = (int64_t)conf->cluster.rejoin_grace_ms * NS_PER_MS,
        .drain_ns = (int64_t)conf->cluster.drain_ms * NS_PER_MS,
    };

    snprintf(config.node_name, sizeof config.node_name, "%s", conf->cluster.node_name);
    return config;
}

int master_open(struct master *m, struct event_base *base, struct conf *conf, const char *state_dir,
                char *err, size_t err_size)
{
    const struct store_ops ops = {.on_saved = master_on_saved,
                                  .on_saved_window = master_on_saved_window,
                                  .on_stored = on_stored,
                                  .on_commit = on_commit,
                                  .on_failing = on_failing};
    struct cluster_config config = cluster_config_of(conf);
    struct timeval second = {1, 0};

    *m = (struct master){.base = base, .conf = conf, .timer_ns = INT64_MAX};
    clock_boot_id(m->boot_id);
    m->cluster = cluster_new(&config);
    int r = store_open(base, state_dir, &ops, m, err, err_size, &m->store);
    if (r < 0) {
        cluster_free(m->cluster);
        run_free(m->run);
        return r;
    }
    m->timer = evtimer_new(base, on_timer, m);
    m->tick = event_new(base, -1, EV_PERSIST, on_tick, m);
    event_add(m->tick, &second);
    master_take_up(m);
    return 0;
}

void master_close(struct master *m)
{
    store_close(m->store);
    web_close(m->web);
    cluster_free(m->cluster);
    run_free(m->run);
    if (m->timer != NULL)
        event_free(m->timer);
    if (m->tick != NULL)
        event_free(m->tick);
}

void master_configure(struct master *m, struct conf *conf)
{
    struct conf *now = m->conf;

    now->cluster.master_node_is_worker = conf->cluster.master_node_is_worker;
    now->cluster.expected_workers = conf->cluster.expected_workers;
    now->cluster.start_lead_ms = conf->cluster.start_lead_ms;
    now->cluster.rejoin_grace_ms = conf->cluster.rejoin_grace_ms;
    now->cluster.drain_ms = conf->cluster.drain_ms;
    now->logger.console_level = conf->logger.console_level;
    log_set_max_priority(now->logger.console_level);
    struct cluster_config config = cluster_config_of(now);
    cluster_configure(m->cluster, now_ns(), &config);
    master_apply(m);
}
