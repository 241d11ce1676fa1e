// What a worker sends, from bytes to what the master would commit.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/rpc.h"
#include "common/wire.h"

#include "master/daemon/message.h"

#define N_SERIES 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const Lps__V1__WorkerMessage *msg)
{
    struct metrics_window *w;
    struct cluster_facts facts;
    struct run_fin fin = {0};

    switch (msg->body_case) {
    case LPS__V1__WORKER_MESSAGE__BODY_HELLO:
        message_facts(msg->hello, &facts);
        break;
    case LPS__V1__WORKER_MESSAGE__BODY_WINDOW:
        message_requests(msg->window->window);
        if (wire_window_decode(msg->window->window, N_SERIES, &w) == 0)
            metrics_window_free(w);
        break;
    case LPS__V1__WORKER_MESSAGE__BODY_FIN:
        message_fin(msg->fin, N_SERIES, &fin);
        free(fin.failure);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rpc_arena *arena = rpc_arena_new();
    Lps__V1__WorkerMessage *msg =
        lps__v1__worker_message__unpack(rpc_arena_allocator(arena), size, data);

    if (msg != NULL && message_check(msg) == NULL)
        use(msg);
    rpc_arena_free(arena);
    return 0;
}
