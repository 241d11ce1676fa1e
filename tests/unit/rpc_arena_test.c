// What messages are unpacked into.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/rpc.h"
#include "lps.pb-c.h"

static void an_arena_is_reused_after_reset(void **state)
{
    struct rpc_arena *arena = rpc_arena_new();
    ProtobufCAllocator *a = rpc_arena_allocator(arena);
    void *first = a->alloc(a->allocator_data, 1);

    (void)state;
    assert_non_null(first);
    for (size_t size = 0; size < 200 * 1024; size = size * 2 + 1) {
        char *p = a->alloc(a->allocator_data, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        memset(p, 0x5a, size);
        a->free(a->allocator_data, p);
    }
    rpc_arena_reset(arena);
    assert_ptr_equal(a->alloc(a->allocator_data, 1), first);
    rpc_arena_free(arena);
    rpc_arena_free(NULL);
}

static void a_message_that_unpacks_to_too_much_is_not_unpacked(void **state)
{
    struct rpc_arena *arena = rpc_arena_new();
    ProtobufCAllocator *a = rpc_arena_allocator(arena);
    size_t n = RPC_MESSAGE_MAX / 2;
    uint8_t *bytes = malloc(2 * n);
    Lps__V1__Welcome *m;

    // Welcome.resume, field 7, empty, half a million times.
    (void)state;
    for (size_t i = 0; i < n; i++) {
        bytes[2 * i] = 7 << 3 | 2;
        bytes[2 * i + 1] = 0;
    }
    assert_null(lps__v1__welcome__unpack(a, 2 * n, bytes));
    rpc_arena_reset(arena);
    m = lps__v1__welcome__unpack(a, 2000, bytes);
    assert_non_null(m);
    assert_int_equal(m->n_resume, 1000);
    assert_null(a->alloc(a->allocator_data, RPC_ARENA_MAX + 1));
    assert_null(a->alloc(a->allocator_data, SIZE_MAX));
    rpc_arena_free(arena);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arena_is_reused_after_reset),
        cmocka_unit_test(a_message_that_unpacks_to_too_much_is_not_unpacked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
