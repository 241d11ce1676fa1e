#include "common/rpc.h"

#include <stdlib.h>

#include "common/str.h"

#define BLOCK_SIZE (64 * 1024)
#define ALIGNMENT  _Alignof(max_align_t)

struct block {
    struct block *older;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

struct rpc_arena {
    ProtobufCAllocator allocator;
    struct block *newest;
    size_t allocated; // of all blocks
};

static bool add_block(struct rpc_arena *arena, size_t size)
{
    if (size < BLOCK_SIZE)
        size = BLOCK_SIZE;
    if (size > RPC_ARENA_MAX - arena->allocated)
        return false;
    // Not cleared: protobuf-c writes all it asks for.
    struct block *b = xreallocarray(NULL, 1, sizeof *b + size);
    b->older = arena->newest;
    b->used = 0;
    b->size = size;
    arena->newest = b;
    arena->allocated += size;
    return true;
}

static void *arena_alloc(void *allocator_data, size_t size)
{
    struct rpc_arena *arena = allocator_data;

    if (size > RPC_ARENA_MAX)
        return NULL;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (size > arena->newest->size - arena->newest->used && !add_block(arena, size))
        return NULL;
    void *p = arena->newest->bytes + arena->newest->used;
    arena->newest->used += size;
    return p;
}

static void arena_free(void *allocator_data, void *pointer)
{
    (void)allocator_data;
    (void)pointer;
}

struct rpc_arena *rpc_arena_new(void)
{
    struct rpc_arena *arena = xcalloc(1, sizeof *arena);

    arena->allocator = (ProtobufCAllocator){arena_alloc, arena_free, arena};
    add_block(arena, BLOCK_SIZE);
    return arena;
}

ProtobufCAllocator *rpc_arena_allocator(struct rpc_arena *arena)
{
    return &arena->allocator;
}

void rpc_arena_reset(struct rpc_arena *arena)
{
    while (arena->newest->older != NULL) {
        struct block *b = arena->newest;
        arena->newest = b->older;
        arena->allocated -= b->size;
        free(b);
    }
    arena->newest->used = 0;
}

void rpc_arena_free(struct rpc_arena *arena)
{
    if (arena == NULL)
        return;
    rpc_arena_reset(arena);
    free(arena->newest);
    free(arena);
}
