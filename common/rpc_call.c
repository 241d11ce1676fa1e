// One call of either side. Every change of it is a batch of operations that gRPC finishes later;
// a call ends when its fin batch did and nothing else is under way.
#include "common/rpc_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/support/alloc.h>

#include "common/str.h"

#define CALL_OF(tag_ptr, member) RPC_CONTAINER(tag_ptr, struct rpc_call, member)

static void start_recv(struct rpc_call *call);
static void start_send(struct rpc_call *call);

// gRPC refuses a batch only when it contradicts another one, which is a bug here.
static void start_batch(struct rpc_call *call, const grpc_op *ops, size_t n_ops,
                        struct rpc_tag *tag)
{
    grpc_call_error error = grpc_call_start_batch(call->call, ops, n_ops, rpc_tag_start(tag), NULL);

    assert(error == GRPC_CALL_OK);
    (void)error;
    if (tag != &call->fin)
        call->n_pending++;
}

static bool is_ending(const struct rpc_call *call)
{
    return call->fin_done || call->cancelled || call->finishing;
}

static void out_free(struct rpc_out *out)
{
    if (out == NULL)
        return;
    grpc_byte_buffer_destroy(out->bytes);
    free(out);
}

static void drop_queue(struct rpc_call *call)
{
    struct rpc_out *out;

    while ((out = STAILQ_FIRST(&call->queue)) != NULL) {
        STAILQ_REMOVE_HEAD(&call->queue, link);
        call->queued_bytes -= out->len;
        out_free(out);
    }
}

static void call_free(struct rpc_call *call)
{
    if (call->open_timer != NULL)
        event_free(call->open_timer);
    drop_queue(call);
    grpc_metadata_array_destroy(&call->initial);
    grpc_metadata_array_destroy(&call->trailing);
    grpc_slice_unref(call->details);
    grpc_call_unref(call->call);
    gpr_free(call->peer);
    free(call);
}

static enum rpc_status end_status(const struct rpc_call *call, char **ret_details)
{
    enum rpc_status status = RPC_CANCELLED;

    if (call->timed_out) {
        status = RPC_UNAVAILABLE;
        *ret_details = xasprintf("no answer within %d ms", call->client->connect_timeout_ms);
    } else if (call->client != NULL || (call->finished && !call->peer_cancelled)) {
        status = call->client != NULL ? (enum rpc_status)call->received_status : call->status;
        char *text = grpc_slice_to_c_string(call->details);
        *ret_details = xstrdup(text);
        gpr_free(text);
    } else {
        *ret_details = xstrdup(call->cancelled ? "cancelled" : "the peer went away");
    }
    return status;
}

static void close_when_done(struct rpc_call *call)
{
    if (!call->fin_done || call->n_pending > 0)
        return;
    char *details;
    enum rpc_status status = end_status(call, &details);
    struct rpc_server *server = call->server;
    struct rpc_client *client = call->client;

    if (call->ops.on_close != NULL)
        call->ops.on_close(call, status, details, call->arg);
    free(details);
    LIST_REMOVE(call, link);
    call->loop->n_calls--;
    call_free(call);
    if (server != NULL)
        rpc_server_call_closed(server);
    else
        rpc_client_call_closed(client);
}

// --- Receiving ---

static void deliver(struct rpc_call *call, grpc_byte_buffer *bytes)
{
    grpc_byte_buffer_reader reader;
    grpc_slice *first, all;

    if (call->ops.on_message == NULL || !grpc_byte_buffer_reader_init(&reader, bytes))
        return;
    size_t len = grpc_byte_buffer_length(bytes);
    if (len == 0) {
        call->ops.on_message(call, (const uint8_t *)"", 0, call->arg);
    } else if (grpc_byte_buffer_reader_peek(&reader, &first) && GRPC_SLICE_LENGTH(*first) == len) {
        call->ops.on_message(call, GRPC_SLICE_START_PTR(*first), len, call->arg);
    } else {
        grpc_byte_buffer_reader_destroy(&reader);
        grpc_byte_buffer_reader_init(&reader, bytes);
        all = grpc_byte_buffer_reader_readall(&reader);
        call->ops.on_message(call, GRPC_SLICE_START_PTR(all), len, call->arg);
        grpc_slice_unref(all);
    }
    grpc_byte_buffer_reader_destroy(&reader);
}

static void on_half_close(struct rpc_call *call)
{
    if (call->ops.on_half_close != NULL)
        call->ops.on_half_close(call, call->arg);
    else
        rpc_call_finish(call, RPC_OK, "");
}

static void on_recv(struct rpc_tag *tag, bool ok)
{
    struct rpc_call *call = CALL_OF(tag, recv);
    grpc_byte_buffer *bytes = call->received;

    call->n_pending--;
    call->receiving = false;
    call->received = NULL;
    if (ok && bytes != NULL) {
        if (!call->cancelled && !call->finishing)
            deliver(call, bytes);
        start_recv(call);
    } else {
        call->recv_ended = true;
        // No message is either the peer's half-close or a dead call; of the latter fin tells.
        if (ok && call->server != NULL && !is_ending(call) &&
            !grpc_call_failed_before_recv_message(call->call))
            on_half_close(call);
    }
    grpc_byte_buffer_destroy(bytes);
    close_when_done(call);
}

static void start_recv(struct rpc_call *call)
{
    if (!call->accepted || call->receiving || call->paused || call->recv_ended || call->fin_done)
        return;
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &call->received;
    call->receiving = true;
    start_batch(call, &op, 1, &call->recv);
}

// --- Sending ---

static void on_send(struct rpc_tag *tag, bool ok)
{
    struct rpc_call *call = CALL_OF(tag, send);

    call->n_pending--;
    call->sending = false;
    if (call->in_flight != NULL) {
        call->queued_bytes -= call->in_flight->len;
        out_free(call->in_flight);
        call->in_flight = NULL;
    }
    if (!ok) {
        call->send_failed = true;
        drop_queue(call);
    }
    start_send(call);
    if (!call->sending && call->refused_send && !call->send_failed && !is_ending(call)) {
        call->refused_send = false;
        if (call->ops.on_drained != NULL)
            call->ops.on_drained(call, call->arg);
    }
    close_when_done(call);
}

// One batch at a time: what is due now of initial metadata, message, and end.
static void start_send(struct rpc_call *call)
{
    grpc_op ops[3] = {0};
    size_t n = 0;

    if (call->sending || call->send_failed || call->fin_done || call->finished)
        return;
    if (!call->started) {
        ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
        call->started = true;
    }
    struct rpc_out *out = STAILQ_FIRST(&call->queue);
    if (out != NULL) {
        STAILQ_REMOVE_HEAD(&call->queue, link);
        call->in_flight = out;
        ops[n].op = GRPC_OP_SEND_MESSAGE;
        ops[n++].data.send_message.send_message = out->bytes;
    }
    if (STAILQ_EMPTY(&call->queue) && call->finishing) {
        call->finished = true;
        ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
        ops[n].data.send_status_from_server.status = (grpc_status_code)call->status;
        ops[n++].data.send_status_from_server.status_details = &call->details;
    } else if (STAILQ_EMPTY(&call->queue) && call->half_closing && !call->half_closed) {
        call->half_closed = true;
        ops[n++].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
    }
    if (n == 0)
        return;
    call->sending = true;
    start_batch(call, ops, n, &call->send);
}

// 0, or why a message of this length is not taken.
static int may_send(struct rpc_call *call, size_t len)
{
    if (is_ending(call) || call->send_failed || call->half_closing)
        return -EPIPE;
    if (call->queued_bytes == 0 || call->queued_bytes + len <= RPC_QUEUE_MAX)
        return 0;
    call->refused_send = true;
    return -EAGAIN;
}

static void enqueue(struct rpc_call *call, grpc_slice bytes)
{
    struct rpc_out *out = xcalloc(1, sizeof *out);

    out->bytes = grpc_raw_byte_buffer_create(&bytes, 1);
    out->len = GRPC_SLICE_LENGTH(bytes);
    STAILQ_INSERT_TAIL(&call->queue, out, link);
    call->queued_bytes += out->len;
    start_send(call);
}

static grpc_slice pack(const ProtobufCMessage *message, size_t len)
{
    grpc_slice packed = grpc_slice_malloc(len);

    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(packed));
    return packed;
}

int rpc_call_send(struct rpc_call *call, const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    int r = may_send(call, len);

    if (r < 0)
        return r;
    grpc_slice packed = pack(message, len);
    enqueue(call, packed);
    grpc_slice_unref(packed);
    return 0;
}

struct rpc_packed *rpc_pack(const ProtobufCMessage *message)
{
    struct rpc_packed *packed = xcalloc(1, sizeof *packed);

    packed->bytes = pack(message, protobuf_c_message_get_packed_size(message));
    return packed;
}

int rpc_call_send_packed(struct rpc_call *call, const struct rpc_packed *packed)
{
    int r = may_send(call, GRPC_SLICE_LENGTH(packed->bytes));

    if (r == 0)
        enqueue(call, packed->bytes);
    return r;
}

void rpc_packed_free(struct rpc_packed *packed)
{
    if (packed == NULL)
        return;
    grpc_slice_unref(packed->bytes);
    free(packed);
}

// --- Beginning and end ---

static void on_init(struct rpc_tag *tag, bool ok)
{
    struct rpc_call *call = CALL_OF(tag, init);

    call->n_pending--;
    event_del(call->open_timer);
    call->accepted = ok;
    start_recv(call);
    close_when_done(call);
}

static void on_fin(struct rpc_tag *tag, bool ok)
{
    struct rpc_call *call = CALL_OF(tag, fin);

    (void)ok; // always true: success and failure are in the status
    call->fin_done = true;
    drop_queue(call);
    close_when_done(call);
}

static void on_open_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct rpc_call *call = arg;

    (void)fd;
    (void)what;
    call->timed_out = !call->cancelled && !call->fin_done;
    rpc_call_cancel(call);
}

struct rpc_call *rpc_call_new(struct rpc_loop *loop, grpc_call *grpc)
{
    struct rpc_call *call = xcalloc(1, sizeof *call);

    call->loop = loop;
    call->call = grpc;
    call->fin.on_done = on_fin;
    call->init.on_done = on_init;
    call->recv.on_done = on_recv;
    call->send.on_done = on_send;
    call->details = grpc_empty_slice();
    STAILQ_INIT(&call->queue);
    grpc_metadata_array_init(&call->initial);
    grpc_metadata_array_init(&call->trailing);
    loop->n_calls++;
    return call;
}

void rpc_call_start_server(struct rpc_call *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

    op.data.recv_close_on_server.cancelled = &call->peer_cancelled;
    start_batch(call, &op, 1, &call->fin);
}

void rpc_call_start_client(struct rpc_call *call)
{
    grpc_op fin = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT},
            init = {.op = GRPC_OP_RECV_INITIAL_METADATA};
    int ms = call->client->connect_timeout_ms;
    struct timeval timeout = {ms / 1000, ms % 1000 * 1000};

    call->open_timer = evtimer_new(call->loop->base, on_open_timeout, call);
    evtimer_add(call->open_timer, &timeout);
    fin.data.recv_status_on_client.trailing_metadata = &call->trailing;
    fin.data.recv_status_on_client.status = &call->received_status;
    fin.data.recv_status_on_client.status_details = &call->details;
    start_batch(call, &fin, 1, &call->fin);
    init.data.recv_initial_metadata.recv_initial_metadata = &call->initial;
    start_batch(call, &init, 1, &call->init);
    start_send(call);
}

void rpc_call_accept(struct rpc_call *call, const struct rpc_call_ops *ops, void *arg)
{
    assert(call->server != NULL && !call->accepted && !call->finishing);
    call->ops = *ops;
    call->arg = arg;
    call->accepted = true;
    start_send(call);
    start_recv(call);
}

void rpc_call_finish(struct rpc_call *call, enum rpc_status status, const char *details)
{
    assert(call->server != NULL);
    if (is_ending(call))
        return;
    call->finishing = true;
    call->status = status;
    grpc_slice_unref(call->details);
    call->details = grpc_slice_from_copied_string(details != NULL ? details : "");
    start_send(call);
}

void rpc_call_half_close(struct rpc_call *call)
{
    assert(call->client != NULL);
    call->half_closing = true;
    start_send(call);
}

void rpc_call_cancel(struct rpc_call *call)
{
    if (call->fin_done || call->cancelled)
        return;
    call->cancelled = true;
    grpc_call_cancel(call->call, NULL);
}

void rpc_call_pause(struct rpc_call *call, bool paused)
{
    call->paused = paused;
    start_recv(call);
}

const char *rpc_call_peer(struct rpc_call *call)
{
    if (call->peer == NULL)
        call->peer = grpc_call_get_peer(call->call);
    return call->peer;
}
