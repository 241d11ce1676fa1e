#include "worker/daemon/uplink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/daemon/clock_sync.h"
#include "worker/daemon/facts.h"

#define SESSION          "/lps.v1.Cluster/Session"
#define BACKOFF_FACTOR   1.6
#define BURST            8 // clock exchanges one after the other when a stream begins
#define SAMPLES_MIN      5 // what the master asks for, too, before it counts a worker
#define BOOT_ID_MAX      64
#define HEARTBEAT_MIN_MS 10
// A master that says nothing for so many leases is away, whatever TCP believes.
#define SILENT_LEASES 2

struct uplink {
    struct event_base *base;
    const struct conf *conf;
    const struct uplink_ops *ops;
    void *arg;
    struct facts facts;
    uint8_t instance[16];
    char *address;
    struct rpc_client *client;
    struct rpc_arena *arena;
    struct rpc_call *call; // NULL: between two attempts
    struct event *retry, *heartbeat, *silence;
    struct mono called_at;
    int64_t backoff_ms;
    bool up, clock_told, freed;
    char boot_id[BOOT_ID_MAX + 1];
    int64_t silence_ms;
    struct clock_sync clock;
    char *own_reason; // why this side ended the call; NULL: it did not
    char *reason, *trouble;
};

static void connect_now(struct uplink *u);

static void start_timer(struct event *ev, int64_t ms)
{
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

    event_add(ev, &tv);
}

// Ends the stream; on_close comes later.
static void drop(struct uplink *u, const char *reason)
{
    if (u->own_reason == NULL)
        u->own_reason = xstrdup(reason);
    rpc_call_cancel(u->call);
}

static int send_message(struct uplink *u, Lps__V1__WorkerMessage *message)
{
    return u->call == NULL ? -EPIPE : rpc_call_send(u->call, &message->base);
}

static void send_hello(struct uplink *u)
{
    Lps__V1__WorkerMessage message = LPS__V1__WORKER_MESSAGE__INIT;
    Lps__V1__Hello hello = LPS__V1__HELLO__INIT;

    hello.node = u->conf->cluster.node_name;
    hello.instance = (ProtobufCBinaryData){sizeof u->instance, u->instance};
    hello.version = (char *)LPS_VERSION;
    hello.cpus = u->facts.cpus;
    hello.memory_bytes = u->facts.memory_bytes;
    hello.fd_limit = u->facts.fd_limit;
    hello.os = u->facts.os;
    hello.kernel = u->facts.kernel;
    hello.arch = u->facts.arch;
    message.body_case = LPS__V1__WORKER_MESSAGE__BODY_HELLO;
    message.hello = &hello;
    send_message(u, &message);
}

static void send_ping(struct uplink *u)
{
    Lps__V1__WorkerMessage message = LPS__V1__WORKER_MESSAGE__INIT;
    Lps__V1__ClockPing ping = LPS__V1__CLOCK_PING__INIT;
    struct clock_sync_estimate e;

    ping.t1_ns = clock_now().ns;
    ping.n_samples = u->clock.n_total;
    if (clock_sync_estimate(&u->clock, ping.t1_ns, &e)) {
        ping.rtt_ns = e.rtt_ns;
        ping.error_ns = e.error_ns;
    }
    message.body_case = LPS__V1__WORKER_MESSAGE__BODY_CLOCK;
    message.clock = &ping;
    send_message(u, &message); // one that is not taken is a heartbeat less
}

static void on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    send_ping(arg);
}

static void take_pong(struct uplink *u, const Lps__V1__ClockPong *pong)
{
    if (clock_sync_add(&u->clock, pong->t1_ns, pong->t2_ns, pong->t3_ns, clock_now().ns) < 0) {
        drop(u, "sent a clock that cannot be");
        return;
    }
    if (u->clock.n_total <= BURST)
        send_ping(u);
    if (u->clock.n_total >= SAMPLES_MIN && !u->clock_told) {
        u->clock_told = true;
        u->ops->on_clock(u->arg);
    }
}

static void take_welcome(struct uplink *u, const Lps__V1__Welcome *welcome)
{
    int64_t heartbeat_ms =
        welcome->heartbeat_ms > HEARTBEAT_MIN_MS ? welcome->heartbeat_ms : HEARTBEAT_MIN_MS;
    struct timeval tv = {heartbeat_ms / 1000, heartbeat_ms % 1000 * 1000};
    struct log_fields fields = {.node = u->conf->cluster.node_name, .event = "stream-up"};

    if (u->up) {
        drop(u, "said welcome twice");
        return;
    }
    u->up = true;
    u->backoff_ms = (int64_t)u->conf->cluster.backoff_min_ms;
    snprintf(u->boot_id, sizeof u->boot_id, "%s", welcome->boot_id);
    if (u->silence_ms < SILENT_LEASES * (int64_t)welcome->lease_ms)
        u->silence_ms = SILENT_LEASES * (int64_t)welcome->lease_ms;
    free(u->reason);
    free(u->trouble);
    u->reason = u->trouble = NULL;
    event_add(u->heartbeat, &tv);
    send_ping(u);
    log_event(LOG_NOTICE, &fields, "master %s: connected to %s, version %s", u->address,
              welcome->master, welcome->version);
    u->ops->on_up(welcome, u->arg);
}

static void on_message(struct rpc_call *call, const uint8_t *bytes, size_t len, void *arg)
{
    struct uplink *u = arg;

    (void)call;
    if (u->own_reason != NULL || u->freed)
        return;
    Lps__V1__MasterMessage *message =
        lps__v1__master_message__unpack(rpc_arena_allocator(u->arena), len, bytes);
    bool is_welcome =
        message != NULL && message->body_case == LPS__V1__MASTER_MESSAGE__BODY_WELCOME;
    start_timer(u->silence, u->silence_ms);
    if (message == NULL)
        drop(u, "sent bytes that are no message");
    else if (is_welcome)
        take_welcome(u, message->welcome);
    else if (!u->up)
        drop(u, "did not say welcome first");
    else if (message->body_case == LPS__V1__MASTER_MESSAGE__BODY_CLOCK)
        take_pong(u, message->clock);
    else
        u->ops->on_message(message, u->arg);
    rpc_arena_reset(u->arena);
}

static void on_drained(struct rpc_call *call, void *arg)
{
    struct uplink *u = arg;

    (void)call;
    if (u->up && !u->freed)
        u->ops->on_drained(u->arg);
}

static void on_silence(evutil_socket_t fd, short what, void *arg)
{
    struct uplink *u = arg;
    char text[64];

    (void)fd;
    (void)what;
    snprintf(text, sizeof text, "no message for %.1f s", (double)u->silence_ms / 1000);
    drop(u, text);
}

// 0.8 to 1.2 of the delay, so that a cluster does not come back in step.
static int64_t jittered(int64_t ms)
{
    uint32_t random = 0;

    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return ms;
    return ms * (800 + random % 401) / 1000;
}

static void retry_later(struct uplink *u)
{
    int64_t max_ms = (int64_t)u->conf->cluster.backoff_max_ms;

    start_timer(u->retry, jittered(u->backoff_ms));
    u->backoff_ms = (int64_t)((double)u->backoff_ms * BACKOFF_FACTOR);
    if (u->backoff_ms > max_ms)
        u->backoff_ms = max_ms;
}

static void tell_trouble(struct uplink *u, const char *reason, int64_t elapsed_ms)
{
    struct log_fields fields = {.node = u->conf->cluster.node_name, .event = "stream-down"};
    bool fresh = u->reason == NULL || strcmp(u->reason, reason) != 0;

    if (fresh) {
        free(u->reason);
        free(u->trouble);
        u->reason = xstrdup(reason);
        u->trouble = xasprintf("master %s: %s (after %.1f s)", u->address, reason,
                               (double)elapsed_ms / 1000);
        log_event(LOG_WARNING, &fields, "%s, retrying", u->trouble);
    }
    u->ops->on_down(u->trouble, fresh, u->arg);
}

static void free_now(struct uplink *u)
{
    event_free(u->retry);
    event_free(u->heartbeat);
    event_free(u->silence);
    rpc_arena_free(u->arena);
    free(u->address);
    free(u->own_reason);
    free(u->reason);
    free(u->trouble);
    free(u);
}

static void on_close(struct rpc_call *call, enum rpc_status status, const char *details, void *arg)
{
    struct uplink *u = arg;
    int64_t elapsed_ms = (clock_now().ns - u->called_at.ns) / NS_PER_MS;
    char reason[256];

    (void)call;
    u->call = NULL;
    if (u->freed) {
        free_now(u);
        return;
    }
    u->up = u->clock_told = false;
    event_del(u->heartbeat);
    event_del(u->silence);
    if (u->own_reason != NULL)
        snprintf(reason, sizeof reason, "%s", u->own_reason);
    else
        rpc_explain(status, details, elapsed_ms, (int)u->conf->cluster.connect_timeout_ms, reason,
                    sizeof reason);
    free(u->own_reason);
    u->own_reason = NULL;
    retry_later(u);
    tell_trouble(u, reason, elapsed_ms);
}

static const struct rpc_call_ops call_ops = {
    .on_message = on_message,
    .on_drained = on_drained,
    .on_close = on_close,
};

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    connect_now(arg);
}

static void connect_now(struct uplink *u)
{
    clock_sync_reset(&u->clock);
    u->called_at = clock_now();
    u->silence_ms = 2 * (int64_t)u->conf->cluster.connect_timeout_ms;
    u->call = rpc_client_call(u->client, SESSION, &call_ops, u);
    start_timer(u->silence, u->silence_ms);
    send_hello(u);
}

struct uplink *uplink_new(struct rpc_loop *loop, struct event_base *base, const struct conf *conf,
                          const struct uplink_ops *ops, void *arg)
{
    struct uplink *u = xcalloc(1, sizeof *u);

    *u = (struct uplink){.base = base, .conf = conf, .ops = ops, .arg = arg};
    if (getrandom(u->instance, sizeof u->instance, 0) != sizeof u->instance)
        abort();
    facts_collect(&u->facts);
    u->address = conf_master_address(conf);
    u->backoff_ms = (int64_t)conf->cluster.backoff_min_ms;
    u->client = rpc_client_new(loop, u->address, (int)conf->cluster.connect_timeout_ms);
    u->arena = rpc_arena_new();
    u->retry = evtimer_new(base, on_retry, u);
    u->heartbeat = event_new(base, -1, EV_PERSIST, on_heartbeat, u);
    u->silence = evtimer_new(base, on_silence, u);
    connect_now(u);
    return u;
}

void uplink_free(struct uplink *u)
{
    if (u == NULL)
        return;
    event_del(u->retry);
    event_del(u->heartbeat);
    event_del(u->silence);
    u->freed = true;
    bool open = u->call != NULL;
    rpc_client_free(u->client);
    if (!open)
        free_now(u);
}

bool uplink_is_up(const struct uplink *u)
{
    return u->up;
}

int uplink_send(struct uplink *u, const Lps__V1__WorkerMessage *message)
{
    return u->up ? rpc_call_send(u->call, &message->base) : -EPIPE;
}

int uplink_map(const struct uplink *u, const char *boot_id, int64_t master_ns, int64_t *ret_own_ns,
               int64_t *ret_error_ns)
{
    struct clock_sync_estimate e;

    if (!u->clock_told || !clock_sync_estimate(&u->clock, clock_now().ns, &e))
        return -EAGAIN;
    if (strcmp(boot_id, u->boot_id) != 0 || master_ns < 0 || master_ns > INT64_MAX / 2)
        return -ESTALE;
    // The bound is that at the instant itself: clocks drift until then.
    clock_sync_estimate(&u->clock, master_ns - e.offset_ns, &e);
    *ret_own_ns = master_ns - e.offset_ns;
    *ret_error_ns = e.error_ns;
    return 0;
}

const char *uplink_address(const struct uplink *u)
{
    return u->address;
}

const char *uplink_trouble(const struct uplink *u)
{
    return u->trouble;
}
