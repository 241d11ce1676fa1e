#include "tests/explore/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <protobuf-c/protobuf-c.h>

#define ARENA_SIZE (4 * 1024 * 1024)
#define CLASSES    20 // 32 bytes, and each the double of the one before

// The first block is the state of the heap itself, and is saved with it.
struct head {
    size_t used;
    struct block *free[CLASSES];
};
struct block {
    size_t class; // of this block
    struct block *next;
};
#define BLOCK_HEAD offsetof(struct block, next)

static union {
    struct head head;
    max_align_t align;
    unsigned char bytes[ARENA_SIZE];
} arena;
static bool in_use;

void *__real_malloc(size_t size);
void __real_free(void *p);
void *__real_realloc(void *p, size_t size);

void arena_use(bool on)
{
    in_use = on;
}

void arena_reset(void)
{
    arena.head = (struct head){.used = (sizeof(struct head) + 15) / 16 * 16 + 8};
}

size_t arena_used(void)
{
    return arena.head.used;
}

void arena_save(void *into)
{
    memcpy(into, arena.bytes, arena.head.used);
}

void arena_restore(const void *from, size_t used)
{
    memcpy(arena.bytes, from, used);
}

static bool is_ours(const void *p)
{
    return (uintptr_t)p - (uintptr_t)arena.bytes < ARENA_SIZE;
}

static struct block *block_of(void *p)
{
    return (struct block *)((unsigned char *)p - BLOCK_HEAD);
}

static size_t size_of_class(size_t class)
{
    return (size_t)32 << class;
}

static void *take(size_t size)
{
    size_t class = 0;

    while (size_of_class(class) < size + BLOCK_HEAD)
        class ++;
    struct block *b = class < CLASSES ? arena.head.free[class] : NULL;
    if (b != NULL) {
        arena.head.free[class] = b->next;
    } else {
        if (class >= CLASSES || size_of_class(class) > ARENA_SIZE - arena.head.used) {
            fputs("the explored world needs more memory than it has\n", stderr);
            abort();
        }
        b = (struct block *)(arena.bytes + arena.head.used);
        arena.head.used += size_of_class(class);
        b->class = class;
    }
    return (unsigned char *)b + BLOCK_HEAD;
}

// --- What the linker puts in the place of the C library's ---

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void __wrap_free(void *p);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
int __wrap_vasprintf(char **out, const char *fmt, va_list ap);
ProtobufCMessage *__wrap_protobuf_c_message_unpack(const ProtobufCMessageDescriptor *descriptor,
                                                   ProtobufCAllocator *allocator, size_t len,
                                                   const uint8_t *data);
void __wrap_protobuf_c_message_free_unpacked(ProtobufCMessage *message,
                                             ProtobufCAllocator *allocator);

void *__wrap_malloc(size_t size)
{
    return in_use ? take(size) : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    void *p = __wrap_malloc(n * size);

    return p == NULL ? NULL : memset(p, 0, n * size);
}

void __wrap_free(void *p)
{
    if (p == NULL || !is_ours(p)) {
        __real_free(p);
        return;
    }
    struct block *b = block_of(p);
    b->next = arena.head.free[b->class];
    arena.head.free[b->class] = b;
}

void *__wrap_realloc(void *p, size_t size)
{
    if (p == NULL)
        return __wrap_malloc(size);
    if (!is_ours(p))
        return __real_realloc(p, size);
    size_t had = size_of_class(block_of(p)->class) - BLOCK_HEAD;
    if (size <= had)
        return p;
    void *grown = take(size);
    memcpy(grown, p, had);
    __wrap_free(p);
    return grown;
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
    return __wrap_realloc(p, n * size);
}

char *__wrap_strndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = __wrap_calloc(len + 1, 1);

    return copy == NULL ? NULL : memcpy(copy, s, len);
}

char *__wrap_strdup(const char *s)
{
    return __wrap_strndup(s, SIZE_MAX);
}

int __wrap_vasprintf(char **out, const char *fmt, va_list ap)
{
    va_list again;

    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    *out = __wrap_malloc((size_t)len + 1);
    return vsnprintf(*out, (size_t)len + 1, fmt, ap);
}

// The library has its own malloc, which the linker does not see.
ProtobufCMessage *__real_protobuf_c_message_unpack(const ProtobufCMessageDescriptor *descriptor,
                                                   ProtobufCAllocator *allocator, size_t len,
                                                   const uint8_t *data);
void __real_protobuf_c_message_free_unpacked(ProtobufCMessage *message,
                                             ProtobufCAllocator *allocator);

static void *allocate(void *data, size_t size)
{
    (void)data;
    return __wrap_malloc(size);
}

static void release(void *data, void *p)
{
    (void)data;
    __wrap_free(p);
}

static ProtobufCAllocator ours = {.alloc = allocate, .free = release};

ProtobufCMessage *__wrap_protobuf_c_message_unpack(const ProtobufCMessageDescriptor *descriptor,
                                                   ProtobufCAllocator *allocator, size_t len,
                                                   const uint8_t *data)
{
    return __real_protobuf_c_message_unpack(descriptor, allocator == NULL ? &ours : allocator, len,
                                            data);
}

void __wrap_protobuf_c_message_free_unpacked(ProtobufCMessage *message,
                                             ProtobufCAllocator *allocator)
{
    __real_protobuf_c_message_free_unpacked(message, allocator == NULL ? &ours : allocator);
}
