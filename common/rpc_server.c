#include "common/rpc_impl.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <grpc/grpc_security.h>

#include "common/str.h"

// Calls that may begin at once; further ones wait in gRPC until one of these is answered.
#define N_REQUESTS  128
#define MEMORY_MAX  (256 * 1024 * 1024)
#define STREAMS_MAX 100 // of one connection

struct rpc_request {
    struct rpc_tag tag;
    struct rpc_server *server;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
};

#define INT_ARG(name, number)                                                      \
    {                                                                              \
        .type = GRPC_ARG_INTEGER, .key = (char *)(name), .value.integer = (number) \
    }

static grpc_server *create_server(void)
{
    grpc_resource_quota *quota = grpc_resource_quota_create("lps");
    grpc_arg args[] = {
        // A second master on the same port must fail, not share it.
        INT_ARG("grpc.so_reuseport", 0),
        INT_ARG("grpc.max_receive_message_length", RPC_MESSAGE_MAX),
        INT_ARG("grpc.max_concurrent_streams", STREAMS_MAX),
        // With the probe a stream that is not read buffers 4 MiB, without it 64 KiB.
        INT_ARG("grpc.http2.bdp_probe", 0),
        // Identity only: the message limit is applied after inflation.
        INT_ARG("grpc.compression_enabled_algorithms_bitset", 1),
        INT_ARG("grpc.keepalive_time_ms", 10000),
        INT_ARG("grpc.keepalive_timeout_ms", 5000),
        INT_ARG("grpc.keepalive_permit_without_calls", 1),
        INT_ARG("grpc.http2.max_pings_without_data", 0),
        INT_ARG("grpc.http2.min_ping_interval_without_data_ms", 5000),
        INT_ARG("grpc.server_handshake_timeout_ms", 10000),
        {.type = GRPC_ARG_POINTER,
         .key = (char *)GRPC_ARG_RESOURCE_QUOTA,
         .value.pointer = {quota, grpc_resource_quota_arg_vtable()}},
    };
    grpc_channel_args all = {sizeof args / sizeof args[0], args};

    grpc_resource_quota_resize(quota, MEMORY_MAX);
    grpc_server *server = grpc_server_create(&all, NULL);
    grpc_resource_quota_unref(quota);
    return server;
}

struct rpc_server *rpc_server_new(struct rpc_loop *loop, const struct rpc_method *methods,
                                  size_t n_methods)
{
    struct rpc_server *server = xcalloc(1, sizeof *server);

    server->loop = loop;
    server->methods = methods;
    server->n_methods = n_methods;
    LIST_INIT(&server->calls);
    LIST_INIT(&server->watches);
    server->server = create_server();
    grpc_server_register_completion_queue(server->server, loop->cq, NULL);
    loop->n_servers++;
    return server;
}

// --- Calls ---

static void free_when_stopped(struct rpc_server *server)
{
    if (!server->stopped || server->n_requests > 0 || !LIST_EMPTY(&server->calls))
        return;
    void (*on_stopped)(void *) = server->on_stopped;
    void *arg = server->arg;

    grpc_server_destroy(server->server);
    server->loop->n_servers--;
    event_free(server->grace);
    free(server->requests);
    free(server);
    if (on_stopped != NULL)
        on_stopped(arg);
}

void rpc_server_call_closed(struct rpc_server *server)
{
    free_when_stopped(server);
}

static bool answer(struct rpc_call *call, const grpc_slice *path, const struct rpc_method *methods,
                   size_t n_methods, void *health_arg)
{
    for (size_t i = 0; i < n_methods; i++) {
        if (grpc_slice_str_cmp(*path, methods[i].path) != 0)
            continue;
        methods[i].on_call(call, health_arg != NULL ? health_arg : methods[i].arg);
        assert(call->accepted || call->finishing);
        return true;
    }
    return false;
}

static void start_request(struct rpc_request *req)
{
    grpc_call_details_init(&req->details);
    grpc_metadata_array_init(&req->metadata);
    grpc_call_error error = grpc_server_request_call(
        req->server->server, &req->call, &req->details, &req->metadata, req->server->loop->cq,
        req->server->loop->cq, rpc_tag_start(&req->tag));
    assert(error == GRPC_CALL_OK);
    (void)error;
    req->server->n_requests++;
}

static void begin_call(struct rpc_server *server, grpc_call *grpc, const grpc_slice *path)
{
    struct rpc_call *call = rpc_call_new(server->loop, grpc);

    call->server = server;
    LIST_INSERT_HEAD(&server->calls, call, link);
    rpc_call_start_server(call);
    if (server->stopping)
        rpc_call_finish(call, RPC_UNAVAILABLE, "shutting down");
    else if (!answer(call, path, server->methods, server->n_methods, NULL) &&
             !answer(call, path, rpc_health_methods, rpc_health_n_methods, server))
        rpc_call_finish(call, RPC_UNIMPLEMENTED, "no such method");
}

static void on_request(struct rpc_tag *tag, bool ok)
{
    struct rpc_request *req = RPC_CONTAINER(tag, struct rpc_request, tag);
    struct rpc_server *server = req->server;

    server->n_requests--;
    if (ok)
        begin_call(server, req->call, &req->details.method);
    grpc_call_details_destroy(&req->details);
    grpc_metadata_array_destroy(&req->metadata);
    if (ok && !server->stopping)
        start_request(req);
    free_when_stopped(server);
}

// --- Listening ---

// "host:port" or "[address]:port" into host and port.
static int split_address(const char *address, char *host, size_t host_size, const char **ret_port)
{
    const char *colon = strrchr(address, ':');
    size_t len = colon != NULL ? (size_t)(colon - address) : 0;
    uint64_t port;

    if (len > 1 && address[0] == '[' && address[len - 1] == ']') {
        address++;
        len -= 2;
    } else if (memchr(address, ':', len) != NULL) {
        return -EINVAL;
    }
    if (len == 0 || len >= host_size || str_parse_u64(colon + 1, 0, 65535, &port) != 0)
        return -EINVAL;
    memcpy(host, address, len);
    host[len] = '\0';
    *ret_port = colon + 1;
    return 0;
}

// gRPC only says that it could not listen; why, is asked of the kernel first.
static int try_bind(const char *address, char *err, size_t err_size)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found;
    char host[256];
    const char *port;
    int one = 1, r = 0;

    if (split_address(address, host, sizeof host, &port) != 0) {
        snprintf(err, err_size, "\"%s\" is not HOST:PORT", address);
        return -EINVAL;
    }
    int gai = getaddrinfo(host, port, &hints, &found);
    if (gai != 0) {
        snprintf(err, err_size, "%s: %s", host, gai_strerror(gai));
        return -EADDRNOTAVAIL;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) < 0)
        r = -errno;
    if (fd >= 0)
        close(fd);
    freeaddrinfo(found);
    if (r != 0)
        snprintf(err, err_size, "%s: %s", address, strerror(-r));
    return r;
}

int rpc_server_listen(struct rpc_server *server, const char *address, uint16_t *ret_port, char *err,
                      size_t err_size)
{
    assert(!server->listening);
    int r = try_bind(address, err, err_size);
    if (r != 0)
        return r;
    grpc_server_credentials *plain = grpc_insecure_server_credentials_create();
    int port = grpc_server_add_http2_port(server->server, address, plain);
    grpc_server_credentials_release(plain);
    if (port <= 0) {
        snprintf(err, err_size, "%s: gRPC cannot listen there", address);
        return -EADDRINUSE;
    }
    grpc_server_start(server->server);
    server->listening = true;
    server->requests = xcalloc(N_REQUESTS, sizeof *server->requests);
    for (size_t i = 0; i < N_REQUESTS; i++) {
        server->requests[i].server = server;
        server->requests[i].tag.on_done = on_request;
        start_request(&server->requests[i]);
    }
    if (ret_port != NULL)
        *ret_port = (uint16_t)port;
    return 0;
}

void rpc_server_set_serving(struct rpc_server *server, bool serving)
{
    server->serving = serving;
    rpc_health_publish(server);
}

// --- The end ---

static void on_shutdown(struct rpc_tag *tag, bool ok)
{
    struct rpc_server *server = RPC_CONTAINER(tag, struct rpc_server, shutdown);

    (void)ok;
    server->stopped = true;
    free_when_stopped(server);
}

static void on_grace(evutil_socket_t fd, short what, void *arg)
{
    struct rpc_server *server = arg;

    (void)fd;
    (void)what;
    grpc_server_cancel_all_calls(server->server);
}

void rpc_server_shutdown(struct rpc_server *server, int grace_ms, void (*done)(void *arg),
                         void *arg)
{
    struct timeval grace = {grace_ms / 1000, grace_ms % 1000 * 1000};
    struct rpc_call *call;

    assert(!server->stopping);
    server->stopping = true;
    server->on_stopped = done;
    server->arg = arg;
    rpc_server_set_serving(server, false);
    LIST_FOREACH(call, &server->calls, link)
    rpc_call_finish(call, RPC_UNAVAILABLE, "shutting down");
    server->shutdown.on_done = on_shutdown;
    grpc_server_shutdown_and_notify(server->server, server->loop->cq,
                                    rpc_tag_start(&server->shutdown));
    server->grace = evtimer_new(server->loop->base, on_grace, server);
    evtimer_add(server->grace, &grace);
}
