#include "worker/runner/origins.h"

#include <stdlib.h>

#include "common/str.h"

#define BUCKETS 1024 // a power of two
#define NONE    UINT32_MAX

struct origins {
    const struct request_origin **list; // the first n_first are borrowed
    uint32_t *next;                     // in the same bucket
    uint32_t n, cap, n_first;
    uint32_t bucket[BUCKETS];
};

// FNV-1a (www.isthe.com/chongo/tech/comp/fnv).
static uint32_t bucket_of(const struct request_origin *origin)
{
    uint32_t h = 2166136261u;

    for (const char *c = origin->host; *c != '\0'; c++)
        h = (h ^ (uint8_t)*c) * 16777619u;
    return (h ^ (uint32_t)origin->port << 1 ^ (uint32_t)origin->tls) % BUCKETS;
}

static void append(struct origins *o, const struct request_origin *origin)
{
    uint32_t *bucket = &o->bucket[bucket_of(origin)];

    if (o->n == o->cap) {
        o->cap = o->cap == 0 ? 8 : 2 * o->cap;
        o->list = xreallocarray(o->list, o->cap, sizeof(*o->list));
        o->next = xreallocarray(o->next, o->cap, sizeof *o->next);
    }
    o->list[o->n] = origin;
    o->next[o->n] = *bucket;
    *bucket = o->n++;
}

struct origins *origins_new(const struct request_origin *first, uint32_t n)
{
    struct origins *o = xcalloc(1, sizeof *o);

    for (size_t i = 0; i < BUCKETS; i++)
        o->bucket[i] = NONE;
    for (uint32_t i = 0; i < n; i++)
        append(o, &first[i]);
    o->n_first = n;
    return o;
}

void origins_free(struct origins *o)
{
    if (o == NULL)
        return;
    for (uint32_t i = o->n_first; i < o->n; i++) {
        free((char *)(uintptr_t)o->list[i]->host);
        free((char *)(uintptr_t)o->list[i]->certificate);
        free((char *)(uintptr_t)o->list[i]->password);
        free((struct request_origin *)(uintptr_t)o->list[i]);
    }
    free(o->list);
    free(o->next);
    free(o);
}

uint32_t origins_n(const struct origins *o)
{
    return o->n;
}

const struct request_origin *origins_get(const struct origins *o, uint32_t id)
{
    return o->list[id];
}

static const struct request_origin *copy(const struct request_origin *origin)
{
    struct request_origin *c = xmemdup(origin, sizeof *origin);

    c->host = xstrdup(origin->host);
    c->certificate = xstrdup(origin->certificate);
    c->password = origin->password != NULL ? xstrdup(origin->password) : NULL;
    return c;
}

uint32_t origins_intern(struct origins *o, const struct request_origin *wanted, uint32_t max)
{
    for (uint32_t id = o->bucket[bucket_of(wanted)]; id != NONE; id = o->next[id])
        if (request_origin_is_same(o->list[id], wanted))
            return id;
    if (o->n >= max)
        return UINT32_MAX;
    append(o, copy(wanted));
    return o->n - 1;
}
