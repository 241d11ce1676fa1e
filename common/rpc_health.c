// grpc.health.v1: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
#include "common/rpc_impl.h"

#include <stdlib.h>
#include <string.h>

#include "common/str.h"
#include "health.pb-c.h"

typedef Grpc__Health__V1__HealthCheckRequest request_t;
typedef Grpc__Health__V1__HealthCheckResponse response_t;

#define STATUS(x) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##x

struct rpc_watch {
    LIST_ENTRY(rpc_watch) link; // once the service is known
    struct rpc_server *server;
    struct rpc_call *call;
    bool known, linked;
};

// "" is the server as a whole; a service is what a method's path begins with.
static bool has_service(const struct rpc_server *server, const char *service)
{
    size_t len = strlen(service);

    for (size_t i = 0; i < server->n_methods; i++) {
        const char *path = server->methods[i].path;
        if (strncmp(path + 1, service, len) == 0 && path[1 + len] == '/')
            return true;
    }
    return len == 0;
}

static int send_status(struct rpc_call *call, int status)
{
    response_t reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

    reply.status = status;
    return rpc_call_send(call, &reply.base);
}

static int serving_status(const struct rpc_server *server)
{
    return server->serving ? STATUS(SERVING) : STATUS(NOT_SERVING);
}

static void on_check_message(struct rpc_call *call, const uint8_t *bytes, size_t len, void *arg)
{
    struct rpc_server *server = arg;
    request_t *req = grpc__health__v1__health_check_request__unpack(NULL, len, bytes);

    if (req == NULL) {
        rpc_call_finish(call, RPC_INVALID_ARGUMENT, "not a HealthCheckRequest");
    } else if (!has_service(server, req->service)) {
        rpc_call_finish(call, RPC_NOT_FOUND, "unknown service");
    } else {
        send_status(call, serving_status(server));
        rpc_call_finish(call, RPC_OK, "");
    }
    grpc__health__v1__health_check_request__free_unpacked(req, NULL);
}

static void on_check_half_close(struct rpc_call *call, void *arg)
{
    (void)arg;
    rpc_call_finish(call, RPC_INVALID_ARGUMENT, "no request");
}

static void on_check(struct rpc_call *call, void *arg)
{
    static const struct rpc_call_ops ops = {.on_message = on_check_message,
                                            .on_half_close = on_check_half_close};

    rpc_call_accept(call, &ops, arg);
}

static void on_watch_message(struct rpc_call *call, const uint8_t *bytes, size_t len, void *arg)
{
    struct rpc_watch *watch = arg;
    request_t *req = grpc__health__v1__health_check_request__unpack(NULL, len, bytes);

    if (req == NULL || watch->linked) {
        rpc_call_finish(call, RPC_INVALID_ARGUMENT, "not one HealthCheckRequest");
    } else {
        watch->known = has_service(watch->server, req->service);
        watch->linked = true;
        LIST_INSERT_HEAD(&watch->server->watches, watch, link);
        send_status(call, watch->known ? serving_status(watch->server) : STATUS(SERVICE_UNKNOWN));
    }
    grpc__health__v1__health_check_request__free_unpacked(req, NULL);
}

// The client has sent its one request; the answers go on.
static void on_watch_half_close(struct rpc_call *call, void *arg)
{
    (void)call;
    (void)arg;
}

static void on_watch_close(struct rpc_call *call, enum rpc_status status, const char *details,
                           void *arg)
{
    struct rpc_watch *watch = arg;

    (void)call;
    (void)status;
    (void)details;
    if (watch->linked)
        LIST_REMOVE(watch, link);
    free(watch);
}

static void on_watch(struct rpc_call *call, void *arg)
{
    static const struct rpc_call_ops ops = {.on_message = on_watch_message,
                                            .on_half_close = on_watch_half_close,
                                            .on_close = on_watch_close};
    struct rpc_watch *watch = xcalloc(1, sizeof *watch);

    watch->server = arg;
    watch->call = call;
    rpc_call_accept(call, &ops, watch);
}

const struct rpc_method rpc_health_methods[] = {
    {"/grpc.health.v1.Health/Check", on_check, NULL},
    {"/grpc.health.v1.Health/Watch", on_watch, NULL},
};
const size_t rpc_health_n_methods = sizeof rpc_health_methods / sizeof rpc_health_methods[0];

void rpc_health_publish(struct rpc_server *server)
{
    struct rpc_watch *watch;

    LIST_FOREACH(watch, &server->watches, link)
    {
        if (watch->known)
            send_status(watch->call, serving_status(server));
    }
}
