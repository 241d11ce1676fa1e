#include "master/daemon/message.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/plan.h"
#include "common/str.h"
#include "common/wire.h"

#define CLOCK_NS_MAX 3600000000000LL // no round trip takes longer

// Ids are spelt like node names.
static bool is_id(const char *id, size_t max)
{
    return strlen(id) <= max && conf_is_node_name(id);
}

static const char *check_hello(const Lps__V1__Hello *m)
{
    if (!conf_is_node_name(m->node))
        return "Hello: bad node name";
    return m->instance.len == 16 ? NULL : "Hello: an instance has 16 bytes";
}

static const char *check_clock(const Lps__V1__ClockPing *m)
{
    if (m->rtt_ns < 0 || m->rtt_ns > CLOCK_NS_MAX)
        return "ClockPing: round trip out of range";
    return m->error_ns < 0 || m->error_ns > CLOCK_NS_MAX ? "ClockPing: error out of range" : NULL;
}

static const char *check_submit(const Lps__V1__Submit *m)
{
    if (!is_id(m->submission, CLUSTER_SUBMISSION_MAX))
        return "Submit: bad submission id";
    if (m->digest.len != 32)
        return "Submit: a digest has 32 bytes";
    if (m->plan.len > PLAN_BYTES_MAX)
        return "Submit: plan too large";
    if (m->seed > CLUSTER_SEED_MAX)
        return "Submit: seed out of range";
    return *m->run == '\0' || is_id(m->run, CLUSTER_RUN_ID_MAX) ? NULL : "Submit: bad run id";
}

static const char *check_data(const char *run, uint64_t seq)
{
    if (!is_id(run, CLUSTER_RUN_ID_MAX))
        return "bad run id";
    return seq == 0 || seq > INT64_MAX ? "sequence number out of range" : NULL;
}

static const char *check_command(const Lps__V1__Command *m)
{
    switch (m->verb) {
    case LPS__V1__COMMAND__VERB__READY:
    case LPS__V1__COMMAND__VERB__STATE:
    case LPS__V1__COMMAND__VERB__MORE:
        return NULL;
    case LPS__V1__COMMAND__VERB__RUNS:
        return m->limit == 0 || m->limit > MESSAGE_RUNS_MAX ? "Command: limit out of range" : NULL;
    case LPS__V1__COMMAND__VERB__SHOW:
        return is_id(m->run, CLUSTER_SUBMISSION_MAX) ? NULL : "Command: bad run id";
    default:
        return "Command: unknown verb";
    }
}

const char *message_check(const Lps__V1__WorkerMessage *msg)
{
    switch (msg->body_case) {
    case LPS__V1__WORKER_MESSAGE__BODY_HELLO:
        return check_hello(msg->hello);
    case LPS__V1__WORKER_MESSAGE__BODY_CLOCK:
        return check_clock(msg->clock);
    case LPS__V1__WORKER_MESSAGE__BODY_SUBMIT:
        return check_submit(msg->submit);
    case LPS__V1__WORKER_MESSAGE__BODY_CANCEL:
        return is_id(msg->cancel->submission, CLUSTER_SUBMISSION_MAX) ? NULL
                                                                      : "Cancel: bad submission id";
    case LPS__V1__WORKER_MESSAGE__BODY_WINDOW:
        if (msg->window->window == NULL)
            return "WindowReport: no window";
        if (msg->window->window->k < -1 || msg->window->window->k > PLAN_DURATION_MAX_S)
            return "WindowReport: second out of range";
        return check_data(msg->window->run, msg->window->seq);
    case LPS__V1__WORKER_MESSAGE__BODY_FIN:
        return check_data(msg->fin->run, msg->fin->seq);
    case LPS__V1__WORKER_MESSAGE__BODY_COMMAND:
        return check_command(msg->command);
    default:
        return "a message without a known body";
    }
}

static void copy_clean(char *into, size_t size, const char *text)
{
    char *clean = str_clean(text, size - 1);

    snprintf(into, size, "%s", clean);
    free(clean);
}

void message_facts(const Lps__V1__Hello *hello, struct cluster_facts *ret_facts)
{
    *ret_facts = (struct cluster_facts){
        .cpus = hello->cpus, .memory_bytes = hello->memory_bytes, .fd_limit = hello->fd_limit};
    copy_clean(ret_facts->version, sizeof ret_facts->version, hello->version);
    copy_clean(ret_facts->os, sizeof ret_facts->os, hello->os);
    copy_clean(ret_facts->kernel, sizeof ret_facts->kernel, hello->kernel);
    copy_clean(ret_facts->arch, sizeof ret_facts->arch, hello->arch);
}

int message_fin(const Lps__V1__Fin *msg, uint32_t n_series, struct run_fin *ret_fin)
{
    struct metrics_window *sum = metrics_window_new(0, n_series);
    struct metrics_window *all = metrics_window_new(0, 1);
    int r = wire_totals_decode(msg->n_totals, msg->totals, sum->series, n_series);

    for (uint32_t i = 0; r == 0 && i < n_series; i++)
        metrics_merge_later(&all->series[0], &sum->series[i]);
    if (r == 0)
        *ret_fin = (struct run_fin){
            .totals = all->series[0].n,
            .no_totals = msg->n_totals == 0 && *msg->failure != '\0',
            .failure = *msg->failure == '\0' ? NULL : str_clean(msg->failure, MESSAGE_FAILURE_MAX),
            .has_start = msg->has_start,
            .start_skew_ns = msg->start_skew_ns,
            .start_error_ns = msg->start_error_ns,
            .joined_ns = msg->joined_ns};
    metrics_window_free(all);
    metrics_window_free(sum);
    return r;
}

uint64_t message_requests(const Lps__V1__Window *msg)
{
    uint64_t n = 0;

    for (size_t i = 0; i < msg->n_series; i++)
        if (msg->series[i]->counters != NULL && msg->series[i]->counters->started <= WIRE_COUNT_MAX)
            n += msg->series[i]->counters->started;
    return n;
}
