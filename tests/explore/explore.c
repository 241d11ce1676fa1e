// Every state that a small cluster can come to, depth first. TAP: one line for each set of bounds;
// what breaks a promise is shown with the steps that lead to it.
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"
#include "tests/explore/arena.h"
#include "tests/explore/world.h"

#define DEPTH_MAX 4096
#define NO_STATE  UINT32_MAX

struct state {
    uint32_t parent;
    struct step step; // from there
    bool ends;        // without a step that needs no fault
};

struct edge {
    uint32_t from, to;
};

struct level {
    uint32_t state;
    struct step step[STEPS_MAX];
    size_t n, next;
    void *image;
    size_t used, room;
};

struct search {
    struct bounds bounds;
    uint64_t *key; // open addressing; 0: free
    uint32_t *at;  // the state with that key
    size_t n_places;
    struct state *state;
    size_t n_states, room_states;
    struct edge *edge; // of steps that need no fault
    size_t n_edges, room_edges;
    size_t n_steps, deepest;
    struct level *level;
    size_t depth;
    struct world *world; // in the arena: always at the same address
};

// --- Steps that may abort ---

static jmp_buf on_assert;
static char assertion[200];

void __wrap___assert_fail(const char *what, const char *file, unsigned line, const char *function);
void __wrap___assert_fail(const char *what, const char *file, unsigned line, const char *function)
{
    snprintf(assertion, sizeof assertion, "an assertion holds: %s:%u: %s: %s", file, line, function,
             what);
    longjmp(on_assert, 1);
}

static void apply(struct world *w, struct step s)
{
    arena_use(true);
    if (setjmp(on_assert) == 0)
        world_apply(w, s);
    else
        world_break(w, assertion);
    arena_use(false);
}

static struct world *begin(const struct bounds *bounds)
{
    arena_reset();
    arena_use(true);
    struct world *w = world_new(bounds);
    arena_use(false);
    return w;
}

static bool needs_fault(const struct step *step, size_t n)
{
    return n == 0 || step_is_fault(step[0]);
}

// --- The states that are known ---

static void grow_places(struct search *s)
{
    uint64_t *key = s->key;
    uint32_t *at = s->at;
    size_t n = s->n_places;

    s->n_places = n == 0 ? 1 << 16 : 2 * n;
    s->key = xcalloc(s->n_places, sizeof *s->key);
    s->at = xcalloc(s->n_places, sizeof *s->at);
    for (size_t i = 0; i < n; i++) {
        size_t place = key[i] & (s->n_places - 1);
        while (key[i] != 0 && s->key[place] != 0)
            place = (place + 1) & (s->n_places - 1);
        if (key[i] != 0) {
            s->key[place] = key[i];
            s->at[place] = at[i];
        }
    }
    free(key);
    free(at);
}

// True when it is new.
static bool find_or_add(struct search *s, uint64_t key, uint32_t *ret_state)
{
    if (2 * s->n_states >= s->n_places)
        grow_places(s);
    key += key == 0;
    size_t place = key & (s->n_places - 1);
    while (s->key[place] != 0 && s->key[place] != key)
        place = (place + 1) & (s->n_places - 1);
    bool is_new = s->key[place] == 0;
    if (is_new) {
        s->key[place] = key;
        s->at[place] = (uint32_t)s->n_states;
        if (s->n_states == s->room_states) {
            s->room_states = 2 * s->room_states + 1024;
            s->state = xreallocarray(s->state, s->room_states, sizeof *s->state);
        }
        s->state[s->n_states++] = (struct state){.parent = NO_STATE};
    }
    *ret_state = s->at[place];
    return is_new;
}

static void add_edge(struct search *s, uint32_t from, uint32_t to)
{
    if (s->n_edges == s->room_edges) {
        s->room_edges = 2 * s->room_edges + 4096;
        s->edge = xreallocarray(s->edge, s->room_edges, sizeof *s->edge);
    }
    s->edge[s->n_edges++] = (struct edge){from, to};
}

// --- What broke, and how to get there ---

struct path {
    struct step *step;
    size_t n;
};

// As far as its steps are possible. What broke, or NULL.
static const char *replay(const struct bounds *bounds, const struct path *path, bool show)
{
    struct step step[STEPS_MAX];
    struct world *w = begin(bounds);
    char text[160];

    for (size_t i = 0; i < path->n && w->broken == NULL; i++) {
        size_t n = world_steps(w, step), at = 0;
        while (at < n && memcmp(&step[at], &path->step[i], sizeof step[0]) != 0)
            at++;
        if (at == n)
            continue;
        if (show) {
            world_describe(w, path->step[i], text, sizeof text);
            printf("# %3zu %s\n", i + 1, text);
        }
        apply(w, path->step[i]);
    }
    if (w->broken == NULL && needs_fault(step, world_steps(w, step)))
        world_check_end(w);
    return w->broken;
}

// Leaves out what is not needed for it, larger pieces first.
static void shorten(const struct bounds *bounds, struct path *path, const char *broken)
{
    struct path shorter = {.step = xcalloc(path->n + 1, sizeof *path->step)};

    for (size_t piece = path->n / 2 + 1; piece > 0; piece /= 2)
        for (size_t from = 0; from < path->n;) {
            size_t to = from + piece < path->n ? from + piece : path->n;
            memcpy(shorter.step, path->step, from * sizeof *path->step);
            memcpy(shorter.step + from, path->step + to, (path->n - to) * sizeof *path->step);
            shorter.n = path->n - (to - from);
            const char *now = replay(bounds, &shorter, false);
            if (now == NULL || strcmp(now, broken) != 0) {
                from = to;
                continue;
            }
            memcpy(path->step, shorter.step, shorter.n * sizeof *path->step);
            path->n = shorter.n;
        }
    free(shorter.step);
}

static struct path path_to(const struct search *s, uint32_t state)
{
    struct path path = {0};
    uint32_t at;

    for (at = state; s->state[at].parent != NO_STATE; at = s->state[at].parent)
        path.n++;
    path.step = xcalloc(path.n + 1, sizeof *path.step);
    size_t i = path.n;
    for (at = state; s->state[at].parent != NO_STATE; at = s->state[at].parent)
        path.step[--i] = s->state[at].step;
    return path;
}

static void show_state(const struct world *w)
{
    const struct cluster_run *run = cluster_run(w->cluster);

    printf("# now the run is %s", run == NULL ? "none" : cluster_state_name[run->state]);
    for (size_t i = 0; i < w->left.workers; i++)
        printf(", the member of %c is %s", (int)('a' + i),
               member_state_name[w->worker[i].member.state]);
    for (size_t i = 0; run != NULL && i < run->n_members; i++)
        printf(", the master has %s %s", run->members[i]->submission,
               cluster_member_state_name[run->members[i]->state]);
    puts("");
}

static void show_broken(const struct search *s, struct path path, const char *promise)
{
    char broken[sizeof assertion];

    snprintf(broken, sizeof broken, "%s", promise);
    const char *again = replay(&s->bounds, &path, false);
    if (again != NULL && strcmp(again, broken) == 0)
        shorten(&s->bounds, &path, broken);
    replay(&s->bounds, &path, true);
    show_state(s->world);
    printf("# broken: %s\n", broken);
    free(path.step);
}

// --- The search ---

// Saves the state as it is now; the level goes on from there.
static void save(struct level *level)
{
    size_t used = arena_used();

    if (used > level->room) {
        free(level->image);
        level->image = xcalloc(1, used + used / 2);
        level->room = used + used / 2;
    }
    arena_save(level->image);
    level->used = used;
}

// The world's state becomes the next level if it is new. False: it breaks a promise.
static bool enter(struct search *s, uint32_t from, struct step step)
{
    struct level *level = &s->level[s->depth];
    uint32_t state;

    save(level);
    arena_use(true);
    uint64_t key = world_key(s->world);
    arena_use(false);
    bool is_new = find_or_add(s, key, &state);
    if (from != NO_STATE && !step_is_fault(step))
        add_edge(s, from, state);
    if (!is_new)
        return true;
    s->state[state] = (struct state){.parent = from, .step = step};
    arena_restore(level->image, level->used);
    level->state = state;
    level->next = 0;
    level->n = world_steps(s->world, level->step);
    if (needs_fault(level->step, level->n)) {
        s->state[state].ends = true;
        world_check_end(s->world);
    }
    if (++s->depth > s->deepest)
        s->deepest = s->depth;
    return s->world->broken == NULL && s->depth < DEPTH_MAX;
}

static bool search(struct search *s)
{
    s->world = begin(&s->bounds);
    bool ok = enter(s, NO_STATE, (struct step){0});
    while (ok && s->depth > 0) {
        struct level *level = &s->level[s->depth - 1];
        if (level->next == level->n) {
            s->depth--;
            continue;
        }
        struct step step = level->step[level->next++];
        arena_restore(level->image, level->used);
        apply(s->world, step);
        s->n_steps++;
        ok = s->world->broken == NULL && enter(s, level->state, step);
    }
    if (ok)
        return true;
    struct path path = {.step = xcalloc(s->depth + 1, sizeof *path.step)};
    for (size_t i = 0; i < s->depth; i++)
        if (s->level[i].next > 0)
            path.step[path.n++] = s->level[i].step[s->level[i].next - 1];
    show_broken(s, path, s->world->broken == NULL ? "runs are short" : s->world->broken);
    return false;
}

// From each state an end can be reached without a fault: nothing waits, or goes round, for ever.
static bool all_lead_to_an_end(const struct search *s)
{
    uint32_t *first = xcalloc(s->n_states + 2, sizeof *first);
    uint32_t *from = xcalloc(s->n_edges + 1, sizeof *from);
    uint32_t *queue = xcalloc(s->n_states + 1, sizeof *queue);
    bool *reached = xcalloc(s->n_states + 1, sizeof *reached);
    size_t n = 0;
    uint32_t stuck = 0;

    for (size_t i = 0; i < s->n_edges; i++)
        first[s->edge[i].to + 2]++;
    for (size_t i = 2; i < s->n_states + 2; i++)
        first[i] += first[i - 1];
    for (size_t i = 0; i < s->n_edges; i++)
        from[first[s->edge[i].to + 1]++] = s->edge[i].from;
    for (uint32_t i = 0; i < s->n_states; i++)
        if (s->state[i].ends) {
            reached[i] = true;
            queue[n++] = i;
        }
    for (size_t at = 0; at < n; at++)
        for (uint32_t i = first[queue[at]]; i < first[queue[at] + 1]; i++)
            if (!reached[from[i]]) {
                reached[from[i]] = true;
                queue[n++] = from[i];
            }
    while (stuck < s->n_states && reached[stuck])
        stuck++;
    if (stuck < s->n_states)
        show_broken(s, path_to(s, stuck), "each state leads to an end");
    free(first);
    free(from);
    free(queue);
    free(reached);
    return stuck == s->n_states;
}

static bool explore(const struct bounds *bounds, int number)
{
    struct search s = {.bounds = *bounds, .level = xcalloc(DEPTH_MAX + 1, sizeof *s.level)};
    size_t n_ends = 0;
    bool ok = search(&s) && all_lead_to_an_end(&s);

    for (size_t i = 0; i < s.n_states; i++)
        n_ends += s.state[i].ends;
    printf("%s %d - %s: %zu states, %zu steps, %zu ends, at most %zu steps to one\n",
           ok ? "ok" : "not ok", number, bounds->name, s.n_states, s.n_steps, n_ends, s.deepest);
    fflush(stdout);
    for (size_t i = 0; i <= DEPTH_MAX; i++)
        free(s.level[i].image);
    free(s.level);
    free(s.key);
    free(s.at);
    free(s.state);
    free(s.edge);
    return ok;
}

#define ROOMY SPOOL_BYTES_MAX
#define TIGHT 70 // one window; with two it merges those that were never sent

// Each is a product of all that may happen in any order, so more of one thing means less of
// another.
static const struct bounds quick[] = {
    {.name = "two workers, no fault, everything is slow",
     .workers = 2,
     .windows = 2,
     .slow_clocks = true,
     .slow_answers = true,
     .spool_bytes = ROOMY},
    {.name = "one worker, a break, everything is slow",
     .workers = 1,
     .windows = 2,
     .breaks = 1,
     .slow_clocks = true,
     .slow_answers = true,
     .spool_bytes = ROOMY},
    {.name = "one worker, a break, three windows in a tight spool",
     .workers = 1,
     .windows = 3,
     .breaks = 1,
     .slow_answers = true,
     .spool_bytes = TIGHT},
};
static const struct bounds whole[] = {
    {.name = "two workers, no fault, everything is slow",
     .workers = 2,
     .windows = 2,
     .slow_clocks = true,
     .slow_answers = true,
     .spool_bytes = ROOMY},
    {.name = "one worker, two breaks, everything is slow",
     .workers = 1,
     .windows = 1,
     .breaks = 2,
     .slow_clocks = true,
     .slow_answers = true,
     .spool_bytes = ROOMY},
    {.name = "one worker, two breaks, slow answers",
     .workers = 1,
     .windows = 2,
     .breaks = 2,
     .slow_answers = true,
     .spool_bytes = ROOMY},
    {.name = "one worker, two breaks, a tight spool",
     .workers = 1,
     .windows = 2,
     .breaks = 2,
     .slow_answers = true,
     .spool_bytes = TIGHT},
    {.name = "two workers, a break, slow clocks",
     .workers = 2,
     .windows = 1,
     .breaks = 1,
     .slow_clocks = true,
     .spool_bytes = ROOMY},
    {.name = "two workers, a break", .workers = 2, .windows = 2, .breaks = 1, .spool_bytes = ROOMY},
    {.name = "two workers, a break, a tight spool",
     .workers = 2,
     .windows = 2,
     .breaks = 1,
     .spool_bytes = TIGHT},
    {.name = "two workers, one crashes",
     .workers = 2,
     .windows = 2,
     .crashes = 1,
     .spool_bytes = ROOMY},
    {.name = "one worker crashes, a break, slow answers",
     .workers = 1,
     .windows = 1,
     .breaks = 1,
     .crashes = 1,
     .slow_answers = true,
     .spool_bytes = ROOMY},
    {.name = "two workers, one cancels",
     .workers = 2,
     .windows = 1,
     .cancels = 1,
     .spool_bytes = ROOMY},
    {.name = "one worker cancels, a break",
     .workers = 1,
     .windows = 1,
     .breaks = 1,
     .cancels = 1,
     .slow_answers = true,
     .spool_bytes = ROOMY},
};

int main(int argc, char **argv)
{
    bool is_quick = argc == 2 && strcmp(argv[1], "--quick") == 0;
    const struct bounds *bounds = is_quick ? quick : whole;
    int n = is_quick ? sizeof quick / sizeof *quick : sizeof whole / sizeof *whole;
    bool ok = true;

    if (argc > 1 && !is_quick) {
        fputs("usage: explore [--quick]\n", stderr);
        return 2;
    }
    printf("1..%d\n", n);
    for (int i = 0; i < n; i++)
        ok = explore(&bounds[i], i + 1) && ok;
    return ok ? 0 : 1;
}
