#include "master/daemon/master_restore.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/str.h"

#include "master/daemon/message.h"

// A worker tries to reach the master at least this often (the longest pause and what it is made
// longer by, then the attempt itself); its absence counts from there on.
static int64_t longest_return_ns(const struct conf *conf)
{
    return (int64_t)(conf->cluster.backoff_max_ms * 6 / 5 + conf->cluster.connect_timeout_ms) *
           NS_PER_MS;
}

static bool was_open(const struct store_saved *saved)
{
    return saved->state == CLUSTER_READY || saved->state == CLUSTER_RUNNING;
}

// After this time no worker waits for its result any more.
static bool is_awaited(const struct master *m, const struct store_saved *saved)
{
    int64_t since_ms = clock_wall_ms() - saved->ended_ms;

    return (saved->state == CLUSTER_STOPPED || saved->state == CLUSTER_FAILED) &&
           saved->result != NULL && since_ms >= 0 &&
           since_ms < (int64_t)m->conf->cluster.master_loss_timeout_ms;
}

// What its FIN said; the caller frees the failure.
static void restore_fin(struct master *m, const struct store_saved_member *saved,
                        struct run_part *part)
{
    Lps__V1__Fin *msg =
        saved->fin == NULL ? NULL : lps__v1__fin__unpack(NULL, saved->fin_len, saved->fin);

    if (msg != NULL)
        part->has_fin = message_fin(msg, plan_n_series(m->run->plan), &part->fin) == 0;
    lps__v1__fin__free_unpacked(msg, NULL);
}

static void restore_members(struct master *m, const struct store_saved *saved,
                            struct cluster_saved_member *members)
{
    for (size_t i = 0; i < saved->n_members; i++) {
        const struct store_saved_member *from = &saved->members[i];
        struct run_part part = {
            .last_k = from->last_k, .merged = from->merged, .errors = from->errors};
        restore_fin(m, from, &part);
        if (part.has_fin)
            part.merged.in_flight = 0;
        run_restore_part(m->run, from->source, &part, from->fin_ns);
        members[i] = (struct cluster_saved_member){
            .node = from->node,
            .submission = from->submission,
            .node_epoch = from->node_epoch,
            .epoch = from->epoch,
            .source = from->source,
            .part = from->part,
            .observer = from->observer,
            .late = from->late,
            .counted = from->counted,
            .last_seq = from->last_seq,
            .has_fin = part.has_fin,
            .failure = run_part_at(m->run, from->source)->fin.failure,
        };
        memcpy(members[i].instance, from->instance, sizeof members[i].instance);
    }
}

static void restore_cluster(struct master *m, const struct store_saved *saved, int64_t extra_ns)
{
    struct cluster_saved_member *members = xcalloc(saved->n_members + 1, sizeof *members);
    struct cluster_saved run = {
        .id = saved->id,
        .plan_name = saved->plan_name,
        .digest = saved->digest,
        .state = (enum cluster_state)saved->state,
        .stop = (enum cluster_stop)saved->stop,
        .expected = saved->expected,
        .seed = saved->seed,
        .t0_ns = saved->t0_ns,
        .members = members,
        .n_members = saved->n_members,
    };

    restore_members(m, saved, members);
    cluster_restore(m->cluster, clock_boot_now().ns, &run, extra_ns);
    free(members);
}

static void restore_ends(struct master *m, const struct store_saved *saved)
{
    for (size_t i = 0; i < saved->n_ends; i++) {
        const struct store_saved_end *end = &saved->ends[i];
        judge_restore_end(m->run->judge, &(struct judge_end){.series = end->series,
                                                             .k = end->k,
                                                             .value = end->value,
                                                             .rule = end->rule});
    }
}

static void restore_outages(struct master *m, const struct store_saved *saved, int64_t now_ns)
{
    for (size_t i = 0; i < saved->n_outages; i++)
        run_add_outage(m->run, saved->outages[i].from_ns, saved->outages[i].to_ns);
    if (!was_open(saved) || !m->same_boot)
        return;
    m->outage_ns = saved->alive_ns;
    if (saved->n_outages > 0 && saved->outages[saved->n_outages - 1].to_ns > m->outage_ns)
        m->outage_ns = saved->outages[saved->n_outages - 1].to_ns;
    run_add_outage(m->run, m->outage_ns, now_ns);
}

static void restore_result(struct run *run, const struct store_saved *saved)
{
    run->ended_ms = saved->ended_ms;
    run->result = json_loads(saved->result, 0, NULL);
    const json_t *late = json_object_get(run->result, "late");
    run->late_windows = (uint64_t)json_integer_value(json_object_get(late, "windows"));
    run->late_requests = (uint64_t)json_integer_value(json_object_get(late, "requests"));
}

uint32_t master_on_saved(const struct store_saved *saved, void *arg)
{
    struct master *m = arg;
    struct diag d = {0};
    struct plan *plan = NULL;
    int64_t now_ns = clock_boot_now().ns;

    if (!was_open(saved) && !is_awaited(m, saved))
        return 0;
    int r = plan_parse(saved->plan, strlen(saved->plan), &d, &plan);
    if (r < 0)
        log_error("run %s cannot be taken up again: its plan is not one of this version: %.200s",
                  saved->id, d.entry[0].text);
    diag_done(&d);
    if (r < 0)
        return 0;
    m->run = run_new(saved->id, plan, saved->opened_ms, master_on_judge_warning, m);
    m->run->started_ms = saved->started_ms;
    m->same_boot = strcmp(saved->t0_boot_id, m->boot_id) == 0;
    m->stored_state = (enum cluster_state)saved->state;
    m->stored_stop = (enum cluster_stop)saved->stop;
    int64_t extra_ns = longest_return_ns(m->conf) - m->conf->cluster.rejoin_grace_ms * NS_PER_MS;
    extra_ns = extra_ns > 0 ? extra_ns : 0;
    restore_cluster(m, saved, extra_ns);
    restore_ends(m, saved);
    restore_outages(m, saved, now_ns);
    run_hold(m->run, now_ns + longest_return_ns(m->conf));
    if (saved->result != NULL)
        restore_result(m->run, saved);
    return plan_n_series(plan);
}

void master_on_saved_window(const struct aggregate_share *shares, size_t n,
                            const struct metrics_window *w, void *arg)
{
    struct master *m = arg;

    run_restore_window(m->run, cluster_run(m->cluster), shares, n, w);
}

void master_take_up(struct master *m)
{
    int64_t now_ns = clock_boot_now().ns;

    if (m->run == NULL || !cluster_is_open(m->cluster))
        return;
    if (!m->same_boot) {
        m->run->reason = xstrdup("the master's host was booted again: T0 was on its clock");
        cluster_fail(m->cluster, now_ns, m->run->reason);
    } else {
        store_add_outage(m->store, m->run->id, m->outage_ns, now_ns);
    }
    master_apply(m);
}
