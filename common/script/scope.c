#include "common/script/scope.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct scope_entry {
    char *name;
    size_t len; // of the name
    struct value value;
};

struct scope_counter_entry {
    char *name;
    int64_t start, reset;
    uint64_t n_taken;
};

struct globals {
    pthread_mutex_t lock; // over scope
    struct scope scope;
};

struct value *scope_find(struct scope *s, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < s->n; i++)
        if (s->entries[i].len == len && memcmp(s->entries[i].name, name, len) == 0)
            return &s->entries[i].value;
    return NULL;
}

// The capacity for one more.
static size_t grow(size_t n, size_t cap)
{
    return n < cap ? cap : cap == 0 ? 8 : 2 * cap;
}

bool scope_put(struct scope *s, const char *name, struct value *v)
{
    struct value *found = scope_find(s, name);

    if (found != NULL) {
        value_done(found);
        value_move(found, v);
        return true;
    }
    if (s->n == SCOPE_VARIABLES_MAX) {
        value_done(v);
        return false;
    }
    s->cap = grow(s->n, s->cap);
    s->entries = xreallocarray(s->entries, s->cap, sizeof *s->entries);
    struct scope_entry *entry = &s->entries[s->n++];
    *entry = (struct scope_entry){.name = xstrdup(name), .len = strlen(name)};
    value_move(&entry->value, v);
    return true;
}

void scope_done(struct scope *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->entries[i].name);
        value_done(&s->entries[i].value);
    }
    for (size_t i = 0; i < s->n_counters; i++)
        free(s->counters[i].name);
    free(s->entries);
    free(s->counters);
    *s = (struct scope){0};
}

// NULL: there are too many.
static struct scope_counter_entry *counter_entry(struct scope *s, const struct scope_counter *c)
{
    for (size_t i = 0; i < s->n_counters; i++) {
        struct scope_counter_entry *e = &s->counters[i];
        if (e->start == c->start && e->reset == c->reset && strcmp(e->name, c->name) == 0)
            return e;
    }
    if (s->n_counters == SCOPE_COUNTERS_MAX)
        return NULL;
    s->counters_cap = grow(s->n_counters, s->counters_cap);
    s->counters = xreallocarray(s->counters, s->counters_cap, sizeof *s->counters);
    struct scope_counter_entry *entry = &s->counters[s->n_counters++];
    *entry = (struct scope_counter_entry){
        .name = xstrdup(c->name), .start = c->start, .reset = c->reset};
    return entry;
}

// Unsigned throughout: the distance of two int64_t has 64 bits of its own.
static int64_t nth(const struct scope_counter *c, uint64_t n)
{
    uint64_t start = (uint64_t)c->start, reset = (uint64_t)c->reset, step = (uint64_t)c->step;
    bool up = c->step > 0;
    bool stays = c->step == 0 || (up ? c->start > c->reset : c->start < c->reset);

    if (stays)
        return c->start;
    uint64_t period = (up ? (reset - start) / step : (start - reset) / -step) + 1;
    // 0: all 2^64 values, which n goes round by itself.
    return (int64_t)(start + (period == 0 ? n : n % period) * step);
}

static int64_t take(struct scope *s, const struct scope_counter *c, uint32_t part, uint32_t n_parts)
{
    struct scope_counter_entry *e = counter_entry(s, c);

    return e == NULL ? c->start : nth(c, part + e->n_taken++ * n_parts);
}

int64_t scope_count(struct scope *s, const struct scope_counter *counter)
{
    return take(s, counter, 0, 1);
}

struct globals *globals_new(void)
{
    struct globals *g = xcalloc(1, sizeof *g);

    pthread_mutex_init(&g->lock, NULL);
    return g;
}

void globals_free(struct globals *g)
{
    if (g == NULL)
        return;
    scope_done(&g->scope);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

bool globals_get(struct globals *g, const char *name, struct value *ret_value)
{
    pthread_mutex_lock(&g->lock);
    struct value *found = scope_find(&g->scope, name);
    if (found != NULL)
        value_copy(ret_value, found);
    pthread_mutex_unlock(&g->lock);
    return found != NULL;
}

bool globals_put(struct globals *g, const char *name, struct value *v)
{
    pthread_mutex_lock(&g->lock);
    bool is_kept = scope_put(&g->scope, name, v);
    pthread_mutex_unlock(&g->lock);
    return is_kept;
}

int64_t globals_count(struct globals *g, const struct scope_counter *counter, uint32_t part,
                      uint32_t n_parts)
{
    assert(part < n_parts);
    pthread_mutex_lock(&g->lock);
    int64_t n = take(&g->scope, counter, part, n_parts);
    pthread_mutex_unlock(&g->lock);
    return n;
}
