// When are two states the same? When they are but for the names of the two workers. Structures of
// the modules are hashed as they are but for pointers, which become what they point to, and
// instants, which become distances from now. So a field that a module gets tomorrow tells states
// apart, at worst needlessly.
#include <stdlib.h>
#include <string.h>

#include "master/daemon/cluster_priv.h"
#include "tests/explore/world.h"

// FNV-1a over words, mixed at the end as in MurmurHash3's finalizer.
static void mix(uint64_t *key, const void *data, size_t size)
{
    const unsigned char *p = data;
    uint64_t word;

    for (; size >= 8; p += 8, size -= 8) {
        memcpy(&word, p, 8);
        *key = (*key ^ word) * 0x9e3779b97f4a7c15ull;
        *key ^= *key >> 29;
    }
    word = size;
    memcpy(&word, p, size);
    *key = (*key ^ word ^ (uint64_t)size << 56) * 0x9e3779b97f4a7c15ull;
    *key ^= *key >> 32;
}

static void mix_number(uint64_t *key, uint64_t number)
{
    mix(key, &number, sizeof number);
}

// 0, if it is none or all that matters is that it is long past.
static int64_t since(const struct world *w, int64_t instant_ns, int64_t matters_ns)
{
    if (instant_ns == 0)
        return 0;
    return w->now - instant_ns < matters_ns ? w->now - instant_ns + 1 : matters_ns + 1;
}

static int64_t until(const struct world *w, int64_t instant_ns)
{
    if (instant_ns == 0)
        return 0;
    return instant_ns > w->now ? instant_ns - w->now + 1 : 1;
}

static void mix_node(uint64_t *key, const struct world *w, size_t worker)
{
    const struct cluster *c = w->cluster;

    for (size_t i = 0; i < c->n_nodes; i++) {
        struct cluster_node node = *c->nodes[i];
        const struct stream *s = node.session;
        if (node.name[0] != (char)('a' + worker))
            continue;
        node.name[0] = 'a';
        node.session = NULL;
        node.seen_ns = 0;
        mix(key, &node, sizeof node);
        mix_number(key, s == NULL ? 0 : s->age);
    }
}

static void mix_member(uint64_t *key, const struct world *w, const struct member *member)
{
    struct member m = *member;

    m.config = (struct member_config){0};
    m.trouble = m.fin_failure = m.result_message = NULL;
    m.submitted_ns = m.armed_ns = m.k_origin_ns = 0;
    m.start_ns = until(w, m.start_ns);
    m.down_ns = m.linked ? 0 : since(w, m.down_ns, LOSS_NS);
    m.ended_ns = since(w, m.ended_ns, LOSS_NS);
    m.closed_ns = since(w, m.closed_ns, LOSS_NS);
    if (m.state == MEMBER_DONE)
        m.start_ns = m.down_ns = m.ended_ns = m.closed_ns = 0;
    mix(key, &m, sizeof m);
    mix_number(key, member->fin_failure != NULL);
}

static void mix_spool(uint64_t *key, struct spool *sp)
{
    Lps__V1__Window *window;
    uint64_t seq;

    mix_number(key, spool_next_seq(sp));
    mix_number(key, spool_all_sent(sp));
    for (spool_rewind(sp); spool_peek(sp, &seq, &window); spool_ack(sp, seq)) {
        const uint64_t entry[] = {seq, window->series[0]->counters->started, (uint64_t)window->k,
                                  seq == spool_next_seq(sp)};
        mix(key, entry, sizeof entry);
        lps__v1__window__free_unpacked(window, NULL);
        spool_sent(sp);
    }
}

static void mix_streams(uint64_t *key, const struct world *w, size_t worker)
{
    for (size_t age = 1; age < N_STREAMS; age++)
        for (size_t i = 0; i < N_STREAMS; i++) {
            const struct stream *s = &w->stream[i];
            if (s->age != age || s->worker != worker)
                continue;
            const uint8_t plain[] = {s->instance,    s->worker_open,  s->master_open,
                                     s->clock_known, s->node != NULL, s->n_up,
                                     s->n_down};
            mix(key, plain, sizeof plain);
            mix(key, s->up, s->n_up * sizeof s->up[0]);
            mix(key, s->down, s->n_down * sizeof s->down[0]);
        }
}

// All that is this worker's own, and nothing that says which it is.
static uint64_t worker_key(const struct world *w, size_t worker)
{
    struct worker k = w->worker[worker];
    uint64_t key = w->epoch[worker];

    mix_number(&key, k.stream == NULL ? 0 : k.stream->age);
    if (k.submission != 0)
        mix_member(&key, w, &k.member);
    if (k.spool != NULL)
        mix_spool(&key, k.spool);
    mix_number(&key, k.spool != NULL);
    k.stream = NULL;
    k.spool = NULL;
    memset(&k.member, 0, sizeof k.member);
    mix(&key, &k, sizeof k);
    mix(&key, w->ledger[worker], sizeof w->ledger[worker]);
    mix_streams(&key, w, worker);
    mix_node(&key, w, worker);
    return key;
}

static uint64_t shared_key(const struct world *w)
{
    const struct cluster *c = w->cluster;
    uint64_t key = 0, has_t0 = 0;

    mix(&key, &w->left.breaks, 3);
    for (size_t i = 0; i <= RUNS_MAX; i++)
        has_t0 |= (uint64_t)(w->t0[i] != 0) << i;
    const uint64_t plain[] = {w->n_runs, w->has_result, has_t0, w->n_pending,
                              c->due_ns - w->now < HORIZON_NS ? (uint64_t)until(w, c->due_ns) : 0};
    mix(&key, plain, sizeof plain);
    if (c->run == NULL)
        return key;
    struct cluster_run run = *c->run;
    run.plan_name = NULL;
    run.members = NULL;
    run.t0_ns = until(w, run.t0_ns);
    run.stop_due_ns = until(w, run.stop_due_ns);
    run.ended_ns = run.ended_ns != 0;
    mix(&key, &run, sizeof run);
    return key;
}

// What stands in one order and belongs to workers; the first of them is `first`.
static uint64_t order_key(const struct world *w, size_t first)
{
    const struct cluster_run *run = w->cluster->run;
    uint64_t key = 0;

    for (size_t i = 0; i < w->n_pending; i++) {
        struct pending p = w->pending[i];
        p.worker = p.worker == first;
        mix(&key, &p, sizeof p);
    }
    for (size_t i = 0; run != NULL && i < run->n_members; i++) {
        struct cluster_member m = *run->members[i];
        size_t worker = (size_t)(m.node->name[0] - 'a');
        mix_number(&key, worker == first);
        m.submission[0] = 'a';
        m.node = NULL;
        m.reason = NULL;
        m.down_ns = since(w, m.down_ns, GRACE_NS);
        m.part = 0; // in the order of names
        mix(&key, &m, sizeof m);
    }
    return key;
}

uint64_t world_key(const struct world *w)
{
    uint64_t shared = shared_key(w), least = UINT64_MAX, own[WORKERS_MAX] = {0};

    for (size_t i = 0; i < w->left.workers; i++)
        own[i] = worker_key(w, i);
    for (size_t first = 0; first < w->left.workers; first++) {
        const uint64_t parts[] = {shared, own[first], own[WORKERS_MAX - 1 - first],
                                  order_key(w, first)};
        uint64_t key = 0;
        mix(&key, parts, sizeof parts);
        if (key < least)
            least = key;
    }
    return least;
}
