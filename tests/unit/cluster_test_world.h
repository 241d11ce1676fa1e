// A cluster of up to eight nodes in virtual time, and what it asked its caller to do.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"
#include "master/daemon/cluster.h"

#define S     1000000000LL
#define MS    1000000LL
#define LEAD  (2 * S)
#define LEASE (3 * S)
#define GRACE (10 * S)
#define DRAIN (5 * S)

extern const uint8_t plan_x[32], plan_y[32]; // digests

struct world {
    struct cluster *c;
    int64_t now;
    struct cluster_node *node[8];
    uint64_t epoch;
    int n_runs;
    struct buf trace;
};

struct cluster_config config(uint32_t expected);
struct world world(uint32_t expected);
struct world world_with(const struct cluster_config *cfg);
// "a" is a member whose clock is known, "b" is connected and no member; in Created two are
// expected.
struct world world_in(enum cluster_state want);
void world_end(struct world *w);
// What the caller was asked to do since the last time, without the log lines; and the text of the
// last refusal in it instead. Both are good until the next call.
const char *trace(struct world *w);
const char *refusal(struct world *w);

// Node i is called after its letter, instance and stream are numbered.
int hello(struct world *w, int i, uint8_t instance, int stream);
void *session(int i, int stream); // only its address matters
void gone(struct world *w, int i, int stream);
void clocks(struct world *w, int i, uint32_t n_samples);
void submit(struct world *w, int i);
void submit_as(struct world *w, int i, const char *id, const uint8_t *plan, const char *run);
void join(struct world *w, int i);      // all of the above
void pass(struct world *w, int64_t ns); // with a sign of life from every node

enum cluster_verdict window(struct world *w, int i, uint64_t seq);
enum cluster_verdict fin(struct world *w, int i, uint64_t seq);
void commit(struct world *w, int i, uint64_t seq, bool is_fin, const char *failure);
void finish(struct world *w, int i, uint64_t seq); // fin and its commit

enum cluster_state state(const struct world *w);
const char *run_id(const struct world *w);
const struct cluster_member *member(const struct world *w, int i);
