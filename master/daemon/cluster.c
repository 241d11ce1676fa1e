#include "master/daemon/cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "common/str.h"

#include "master/daemon/cluster_priv.h"

const char *const cluster_state_name[CLUSTER_STATE__COUNT] = {
    [CLUSTER_UNDEFINED] = "?",     [CLUSTER_CREATED] = "Created", [CLUSTER_READY] = "Ready",
    [CLUSTER_RUNNING] = "Running", [CLUSTER_STOPPED] = "Stopped", [CLUSTER_FAILED] = "Failed",
    [CLUSTER_IDLE] = "Idle",
};

const char *const cluster_member_state_name[CLUSTER_MEMBER_STATE__COUNT] = {
    [CLUSTER_MEMBER_UNDEFINED] = "none",
    [CLUSTER_WAITING] = "waiting",
    [CLUSTER_ACTIVE] = "active",
    [CLUSTER_DONE] = "done",
    [CLUSTER_LOST] = "lost",
};

struct cluster *cluster_new(const struct cluster_config *config)
{
    struct cluster *c = xcalloc(1, sizeof *c);

    c->config = *config;
    c->due_ns = INT64_MAX;
    return c;
}

void cluster_free(struct cluster *c)
{
    if (c == NULL)
        return;
    cluster_run_free(c->run);
    for (size_t i = 0; i < c->n_nodes; i++)
        free(c->nodes[i]);
    for (size_t i = 0; i < c->queue.n; i++)
        free(c->queue.action[i].text);
    free(c->nodes);
    free(c->queue.action);
    free(c->refuse_runs);
    free(c);
}

void cluster_configure(struct cluster *c, int64_t now, const struct cluster_config *config)
{
    c->config = *config;
    if (c->run != NULL && c->run->state == CLUSTER_CREATED) {
        c->run->expected = config->expected > 1 ? config->expected : 1;
        cluster_check_barrier(c, now);
    }
}

void cluster_refuse_runs(struct cluster *c, const char *reason)
{
    free(c->refuse_runs);
    c->refuse_runs = reason == NULL ? NULL : xstrdup(reason);
}

// --- Actions ---

static struct cluster_action *push(struct cluster_action_queue *q)
{
    if (q->head == q->n)
        q->head = q->n = 0;
    if (q->n == q->cap) {
        q->cap = q->cap ? 2 * q->cap : 16;
        q->action = xreallocarray(q->action, q->cap, sizeof *q->action);
    }
    q->action[q->n] = (struct cluster_action){0};
    return &q->action[q->n++];
}

// The caller sends the run as it is when it comes to it, so that of several broadcasts the last is
// enough.
static void drop_earlier_broadcasts(struct cluster_action_queue *q)
{
    for (size_t i = q->head; i < q->n; i++)
        if (q->action[i].kind == CLUSTER_SEND_STATE && q->action[i].node == NULL)
            q->action[i].kind = CLUSTER_ACTION_UNDEFINED;
}

struct cluster_action *cluster_emit(struct cluster *c, enum cluster_action_kind kind,
                                    struct cluster_node *node)
{
    if (kind == CLUSTER_SEND_STATE && node == NULL)
        drop_earlier_broadcasts(&c->queue);
    struct cluster_action *a = push(&c->queue);
    a->kind = kind;
    a->node = node;
    if (c->run != NULL)
        snprintf(a->run, sizeof a->run, "%s", c->run->id);
    return a;
}

void cluster_emit_log(struct cluster *c, int priority, const char *event,
                      const struct cluster_node *node, const char *fmt, ...)
{
    struct cluster_action *a = cluster_emit(c, CLUSTER_LOG, (struct cluster_node *)node);
    va_list ap;

    a->priority = priority;
    a->event = event;
    va_start(ap, fmt);
    a->text = xvasprintf(fmt, ap);
    va_end(ap);
}

void cluster_emit_close(struct cluster *c, struct cluster_node *node, enum cluster_status status,
                        const char *text)
{
    struct cluster_action *a = cluster_emit(c, CLUSTER_CLOSE, node);

    a->session = node->session;
    a->status = status;
    a->text = xstrdup(text);
    node->session = NULL;
}

const struct cluster_action *cluster_next_action(struct cluster *c)
{
    struct cluster_action_queue *q = &c->queue;

    if (q->head > 0) {
        free(q->action[q->head - 1].text);
        q->action[q->head - 1].text = NULL;
    }
    while (q->head < q->n && q->action[q->head].kind == CLUSTER_ACTION_UNDEFINED)
        q->head++;
    return q->head == q->n ? NULL : &q->action[q->head++];
}

// --- Nodes ---

static struct cluster_node *find_node(const struct cluster *c, const char *name)
{
    for (size_t i = 0; i < c->n_nodes; i++)
        if (strcmp(c->nodes[i]->name, name) == 0)
            return c->nodes[i];
    return NULL;
}

static bool is_in_run(const struct cluster *c, const struct cluster_node *node)
{
    for (size_t i = 0; c->run != NULL && i < c->run->n_members; i++)
        if (c->run->members[i]->node == node)
            return true;
    return false;
}

// A node that is away and in no run makes place for a new one; the one away for longest first.
static bool forget_a_node(struct cluster *c)
{
    size_t at = c->n_nodes;

    for (size_t i = 0; i < c->n_nodes; i++) {
        const struct cluster_node *n = c->nodes[i];
        if (n->session == NULL && !is_in_run(c, n) &&
            (at == c->n_nodes || n->seen_ns < c->nodes[at]->seen_ns))
            at = i;
    }
    if (at == c->n_nodes)
        return false;
    free(c->nodes[at]);
    c->nodes[at] = c->nodes[--c->n_nodes];
    return true;
}

static struct cluster_node *add_node(struct cluster *c, const char *name)
{
    if (c->n_nodes == CLUSTER_NODES_MAX && !forget_a_node(c))
        return NULL;
    struct cluster_node *node = xcalloc(1, sizeof *node);
    snprintf(node->name, sizeof node->name, "%s", name);
    c->nodes = xreallocarray(c->nodes, c->n_nodes + 1, sizeof(struct cluster_node *));
    c->nodes[c->n_nodes++] = node;
    return node;
}

struct cluster_node *cluster_reach_node(struct cluster *c, const char *name)
{
    struct cluster_node *node = find_node(c, name);

    return node != NULL ? node : add_node(c, name);
}

static void node_down(struct cluster *c, int64_t now, struct cluster_node *node, const char *reason)
{
    struct event ev = {.kind = CLUSTER_DOWN, .now = now, .node = node, .reason = reason};

    node->n_samples = 0;
    cluster_emit_log(c, LOG_INFO, "stream-down", node, "%s: disconnected: %s", node->name, reason);
    cluster_dispatch(c, &ev);
}

int cluster_hello(struct cluster *c, int64_t now, const char *name, const uint8_t instance[16],
                  uint64_t next_epoch, const struct cluster_facts *facts, void *session,
                  struct cluster_node **ret_node)
{
    struct cluster_node *node = find_node(c, name);
    bool known = node != NULL, same = known && memcmp(node->instance, instance, 16) == 0;

    if (known && !same && node->session != NULL && now - node->seen_ns < c->config.lease_ns)
        return -EEXIST;
    if (!known && (node = add_node(c, name)) == NULL)
        return -ENOSPC;
    if (node->session != NULL && same) {
        cluster_emit_close(c, node, CLUSTER_STATUS_CANCELLED, "taken over by a newer stream");
    } else if (node->session != NULL) {
        cluster_emit_close(c, node, CLUSTER_STATUS_DEADLINE, "silent, and another took its name");
        node_down(c, now, node, "silent");
    }
    memcpy(node->instance, instance, 16);
    if (!same)
        node->epoch = next_epoch;
    node->facts = *facts;
    node->session = session;
    node->seen_ns = now;
    node->n_samples = 0;
    node->rtt_ns = node->error_ns = 0;
    cluster_due_at(c, now + c->config.lease_ns);
    cluster_emit_log(c, LOG_INFO, "stream-up", node, "%s: connected, epoch %" PRIu64 "%s", name,
                     node->epoch,
                     same    ? ""
                     : known ? ", restarted"
                             : "");
    struct event ev = {.now = now, .node = node, .kind = CLUSTER_REPLACED};
    if (known && !same)
        cluster_dispatch(c, &ev);
    ev.kind = CLUSTER_UP;
    cluster_dispatch(c, &ev);
    *ret_node = node;
    return 0;
}

void cluster_seen(struct cluster *c, int64_t now, struct cluster_node *node)
{
    (void)c;
    node->seen_ns = now;
}

void cluster_clock(struct cluster *c, int64_t now, struct cluster_node *node, uint32_t n_samples,
                   int64_t rtt_ns, int64_t error_ns)
{
    struct event ev = {.kind = CLUSTER_CLOCK, .now = now, .node = node};

    node->n_samples = n_samples;
    node->rtt_ns = rtt_ns;
    node->error_ns = error_ns;
    cluster_dispatch(c, &ev);
}

void cluster_gone(struct cluster *c, int64_t now, struct cluster_node *node, void *session,
                  const char *reason)
{
    if (node->session != session)
        return;
    node->session = NULL;
    node_down(c, now, node, reason);
}

// --- Calls that are one event ---

void cluster_submit(struct cluster *c, int64_t now, struct cluster_node *node,
                    const struct cluster_submission *submission)
{
    struct event ev = {.kind = CLUSTER_SUBMIT, .now = now, .node = node, .submission = submission};

    cluster_dispatch(c, &ev);
}

void cluster_cancel(struct cluster *c, int64_t now, struct cluster_node *node,
                    const char *submission, bool force)
{
    struct event ev = {
        .kind = CLUSTER_CANCEL, .now = now, .node = node, .id = submission, .force = force};

    cluster_dispatch(c, &ev);
}

int cluster_start(struct cluster *c, int64_t now, char *err, size_t err_size)
{
    struct event ev = {.kind = CLUSTER_START, .now = now};

    cluster_dispatch(c, &ev);
    if (ev.error == NULL)
        return 0;
    snprintf(err, err_size, "%s", ev.error);
    return -EINVAL;
}

static enum cluster_verdict take(struct cluster *c, enum cluster_event kind, int64_t now,
                                 struct cluster_node *node, const char *run, uint64_t seq,
                                 struct cluster_member **ret_member)
{
    struct event ev = {
        .kind = kind, .now = now, .node = node, .run = run, .seq = seq, .fin = kind == CLUSTER_FIN};

    cluster_dispatch(c, &ev);
    if (ev.verdict == CLUSTER_BREACH) {
        cluster_emit_close(c, node, CLUSTER_STATUS_INVALID, "window or FIN out of place");
        node_down(c, now, node, "sent a window or FIN out of place");
    }
    if (ev.verdict == CLUSTER_TAKE)
        *ret_member = ev.member;
    return ev.verdict;
}

enum cluster_verdict cluster_window(struct cluster *c, int64_t now, struct cluster_node *node,
                                    const char *run, uint64_t seq,
                                    struct cluster_member **ret_member)
{
    return take(c, CLUSTER_WINDOW, now, node, run, seq, ret_member);
}

enum cluster_verdict cluster_fin(struct cluster *c, int64_t now, struct cluster_node *node,
                                 const char *run, uint64_t seq, struct cluster_member **ret_member)
{
    return take(c, CLUSTER_FIN, now, node, run, seq, ret_member);
}

void cluster_commit(struct cluster *c, int64_t now, const char *run, uint32_t source, uint64_t seq,
                    bool fin, const char *failure)
{
    struct event ev = {.kind = CLUSTER_COMMIT,
                       .now = now,
                       .run = run,
                       .source = source,
                       .seq = seq,
                       .fin = fin,
                       .failure = failure};

    cluster_dispatch(c, &ev);
}

void cluster_run_stored(struct cluster *c, int64_t now, const char *run)
{
    struct event ev = {.kind = CLUSTER_STORED, .now = now, .run = run, .whole = true};

    cluster_dispatch(c, &ev);
}

void cluster_member_stored(struct cluster *c, int64_t now, const char *run, uint32_t source)
{
    struct event ev = {.kind = CLUSTER_STORED, .now = now, .run = run, .source = source};

    cluster_dispatch(c, &ev);
}

// --- Time ---

void cluster_due_at(struct cluster *c, int64_t at)
{
    if (at < c->due_ns)
        c->due_ns = at;
}

static void due_again(struct cluster *c, int64_t now)
{
    const struct cluster_run *run = c->run;

    c->due_ns = INT64_MAX;
    for (size_t i = 0; i < c->n_nodes; i++)
        if (c->nodes[i]->session != NULL)
            cluster_due_at(c, c->nodes[i]->seen_ns + c->config.lease_ns);
    if (!cluster_is_open(c))
        return;
    if (run->state == CLUSTER_READY)
        cluster_due_at(c, run->t0_ns);
    if (run->stop != CLUSTER_GO && run->stop_due_ns > now)
        cluster_due_at(c, run->stop_due_ns);
    for (size_t i = 0; i < run->n_members; i++) {
        int64_t down_ns = run->members[i]->down_ns;
        if (down_ns != 0 && down_ns + c->config.rejoin_grace_ns > now)
            cluster_due_at(c, down_ns + c->config.rejoin_grace_ns);
    }
}

void cluster_timer(struct cluster *c, int64_t now)
{
    struct event ev = {.kind = CLUSTER_TIMER, .now = now};

    for (size_t i = 0; i < c->n_nodes; i++) {
        struct cluster_node *node = c->nodes[i];
        char why[64];
        if (node->session == NULL || now - node->seen_ns < c->config.lease_ns)
            continue;
        snprintf(why, sizeof why, "no message for %.1f s", (double)(now - node->seen_ns) / 1e9);
        cluster_emit_close(c, node, CLUSTER_STATUS_DEADLINE, why);
        node_down(c, now, node, why);
    }
    cluster_dispatch(c, &ev);
    due_again(c, now);
}

int64_t cluster_due(const struct cluster *c)
{
    return c->due_ns;
}

// --- Questions ---

const struct cluster_run *cluster_run(const struct cluster *c)
{
    return c->run;
}

bool cluster_is_open(const struct cluster *c)
{
    return c->run != NULL && c->run->ended_ns == 0;
}

enum cluster_state cluster_global_state(const struct cluster *c)
{
    return cluster_is_open(c) ? c->run->state : CLUSTER_CREATED;
}

struct cluster_node *const *cluster_nodes(const struct cluster *c, size_t *ret_n)
{
    *ret_n = c->n_nodes;
    return c->nodes;
}

struct cluster_member *cluster_member_of(const struct cluster *c, const struct cluster_node *node)
{
    for (size_t i = c->run == NULL ? 0 : c->run->n_members; i > 0; i--) {
        struct cluster_member *m = c->run->members[i - 1];
        if (m->node == node && m->epoch == node->epoch)
            return m;
    }
    return NULL;
}
