#include "common/rpc_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc_security.h>

#include "common/str.h"

#define INT_ARG(name, number)                                                      \
    {                                                                              \
        .type = GRPC_ARG_INTEGER, .key = (char *)(name), .value.integer = (number) \
    }

struct rpc_client *rpc_client_new(struct rpc_loop *loop, const char *address,
                                  int connect_timeout_ms)
{
    struct rpc_client *client = xcalloc(1, sizeof *client);
    grpc_arg args[] = {
        INT_ARG("grpc.enable_http_proxy", 0),         // else http_proxy of the environment is taken
        INT_ARG("grpc.use_local_subchannel_pool", 1), // a connection of its own
        // In spite of its name this is how long one attempt to connect may take.
        INT_ARG("grpc.min_reconnect_backoff_ms", connect_timeout_ms),
        INT_ARG("grpc.initial_reconnect_backoff_ms", 500),
        INT_ARG("grpc.max_reconnect_backoff_ms", 3000),
        INT_ARG("grpc.dns_ares_query_timeout", connect_timeout_ms),
        INT_ARG("grpc.dns_min_time_between_resolutions_ms", 2000),
        INT_ARG("grpc.service_config_disable_resolution", 1),
        INT_ARG("grpc.enable_retries", 0),
        INT_ARG("grpc.keepalive_time_ms", 10000),
        INT_ARG("grpc.keepalive_timeout_ms", 5000),
        INT_ARG("grpc.keepalive_permit_without_calls", 1),
        INT_ARG("grpc.http2.max_pings_without_data", 0),
        INT_ARG("grpc.http2.bdp_probe", 0),
        INT_ARG("grpc.max_receive_message_length", RPC_MESSAGE_MAX),
    };
    grpc_channel_args all = {sizeof args / sizeof args[0], args};
    // The scheme keeps an address from being read as one of gRPC's other kinds of target.
    char *target = xasprintf("dns:%s", address);
    grpc_channel_credentials *plain = grpc_insecure_credentials_create();

    client->loop = loop;
    client->connect_timeout_ms = connect_timeout_ms;
    LIST_INIT(&client->calls);
    client->channel = grpc_channel_create(target, plain, &all);
    grpc_channel_credentials_release(plain);
    free(target);
    return client;
}

void rpc_client_call_closed(struct rpc_client *client)
{
    if (!client->freed || !LIST_EMPTY(&client->calls))
        return;
    grpc_channel_destroy(client->channel);
    free(client);
}

void rpc_client_free(struct rpc_client *client)
{
    struct rpc_call *call;

    if (client == NULL)
        return;
    client->freed = true;
    LIST_FOREACH(call, &client->calls, link)
    rpc_call_cancel(call);
    rpc_client_call_closed(client);
}

struct rpc_call *rpc_client_call(struct rpc_client *client, const char *path,
                                 const struct rpc_call_ops *ops, void *arg)
{
    grpc_slice method = grpc_slice_from_copied_string(path);
    grpc_call *grpc =
        grpc_channel_create_call(client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, client->loop->cq,
                                 method, NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    struct rpc_call *call = rpc_call_new(client->loop, grpc);

    grpc_slice_unref(method);
    call->client = client;
    call->ops = *ops;
    call->arg = arg;
    LIST_INSERT_HEAD(&client->calls, call, link);
    rpc_call_start_client(call);
    return call;
}

// What gRPC 1.51 says, and what that means to people. First match.
static const struct {
    const char *found, *text;
} explanations[] = {
    {"Connection refused", "Connection refused"},
    {"No route to host", "No route to host"},
    {"Network is unreachable", "Network is unreachable"},
    {"http1.x server", "speaks HTTP/1, not gRPC"},
    {"Domain name not found", "no such host name"},
    {"DNS resolution failed", "the host name cannot be resolved"},
    {"keepalive watchdog timeout", "connection lost: no answer to a ping"},
    {"Socket closed", "connection lost"},
    {"Broken pipe", "connection lost"},
};

static const char *status_text(enum rpc_status status)
{
    static const char *const texts[] = {
        [RPC_OK] = "closed",
        [RPC_CANCELLED] = "cancelled",
        [RPC_INVALID_ARGUMENT] = "invalid request",
        [RPC_DEADLINE_EXCEEDED] = "deadline exceeded",
        [RPC_NOT_FOUND] = "not found",
        [RPC_ALREADY_EXISTS] = "already exists",
        [RPC_PERMISSION_DENIED] = "permission denied",
        [RPC_RESOURCE_EXHAUSTED] = "limit exceeded",
        [RPC_FAILED_PRECONDITION] = "failed precondition",
        [RPC_UNIMPLEMENTED] = "unknown method",
        [RPC_INTERNAL] = "internal error",
        [RPC_UNAVAILABLE] = "unavailable",
    };
    size_t i = status;

    return i < sizeof texts / sizeof texts[0] && texts[i] != NULL ? texts[i] : "unknown error";
}

// A connection attempt that used up its time; gRPC then names whatever it was doing at that moment.
static bool is_no_answer(const char *details, int64_t elapsed_ms, int connect_timeout_ms)
{
    return strstr(details, "no answer within") != NULL ||
           strstr(details, "before receiving SETTINGS") != NULL ||
           strstr(details, "handshaker shutdown") != NULL ||
           (strstr(details, "failed to connect to all addresses") != NULL &&
            elapsed_ms >= connect_timeout_ms);
}

static const char *explain_unavailable(const char *details)
{
    for (size_t i = 0; i < sizeof explanations / sizeof explanations[0]; i++) {
        if (strstr(details, explanations[i].found) != NULL)
            return explanations[i].text;
    }
    return NULL;
}

char *rpc_explain(enum rpc_status status, const char *details, int64_t elapsed_ms,
                  int connect_timeout_ms, char *out, size_t size)
{
    const char *text = NULL;

    if (status == RPC_UNAVAILABLE) {
        text = explain_unavailable(details);
        if (text == NULL && is_no_answer(details, elapsed_ms, connect_timeout_ms)) {
            snprintf(out, size, "no answer within %g s", connect_timeout_ms / 1000.0);
            return out;
        }
        if (text == NULL && strstr(details, "Connection reset") != NULL)
            text = "connection lost";
    }
    if (text == NULL)
        text = details[0] != '\0' ? details : status_text(status);
    snprintf(out, size, "%s", text);
    // The peer wrote this, and it goes to terminals and logs.
    for (char *c = out; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
    return out;
}
