#include "worker/runner/tls_memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <threads.h>

#include <openssl/crypto.h>

// A record with all that OpenSSL 3 puts around it, rounded up (RFC 8446 section 5.2).
#define RECORD_MIN ((size_t)16 * 1024)
#define RECORD_MAX (RECORD_MIN + 1024)
// Two that are in use at once, of two connections.
#define KEPT_MAX 4

static _Thread_local struct kept {
    unsigned n;
    void *block[KEPT_MAX];
} kept;
static tss_t at_thread_end;

static void *get(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    if (n < RECORD_MIN || n > RECORD_MAX)
        return n > 0 ? malloc(n) : NULL;
    return kept.n > 0 ? kept.block[--kept.n] : malloc(RECORD_MAX);
}

static void put(void *block, const char *file, int line)
{
    size_t size = block != NULL ? malloc_usable_size(block) : 0;

    (void)file, (void)line;
    if (size < RECORD_MAX || size >= 2 * RECORD_MIN || kept.n == KEPT_MAX) {
        free(block);
        return;
    }
    if (kept.n == 0)
        tss_set(at_thread_end, &kept);
    kept.block[kept.n++] = block;
}

static void *resize(void *block, size_t n, const char *file, int line)
{
    if (n > 0)
        return realloc(block, n);
    put(block, file, line);
    return NULL;
}

static void free_kept(void *arg)
{
    struct kept *of_thread = arg;

    while (of_thread->n > 0)
        free(of_thread->block[--of_thread->n]);
}

void tls_memory_init(void)
{
    if (tss_create(&at_thread_end, free_kept) == thrd_success)
        CRYPTO_set_mem_functions(get, resize, put);
}
