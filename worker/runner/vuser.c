#include "worker/runner/vuser.h"

#include <errno.h>
#include <stdlib.h>

#include "common/str.h"
#include "worker/runner/http1.h"
#include "worker/runner/sched.h"

// Body bytes ahead from which on it is worth a read of their own to leave them in the kernel.
#define DISCARD_MIN 4096

struct vuser {
    struct list link;
    struct vuser_env *env;
    const struct plan_round *round;
    uint32_t first_series, iteration;
    uint64_t n_sent;   // of this iteration
    int64_t end_ns;    // of this iteration, by duration
    unsigned n_failed; // in a row, on connections that never served

    struct conn conn;  // open or on its way only while in a request, or between two
    uint32_t n_served; // responses of this connection
    bool in_request;
    bool is_reused; // the connection had served before this request
    bool is_resent; // on a fresh connection
    bool has_byte;  // of the answer
    struct http1 http;
    struct record_times times;
    struct loop_timer pause;
    struct loop_timeout timeout;
};

static void go_on(struct vuser *v);

static struct vuser *of_conn(struct conn *c)
{
    return container_of(c, struct vuser, conn);
}

static uint32_t series(const struct vuser *v)
{
    return v->first_series + v->iteration;
}

static const struct request *request(const struct vuser *v)
{
    return &v->env->requests->requests[series(v)];
}

static const struct plan_iteration *iteration(const struct vuser *v)
{
    return &v->round->iterations[v->iteration];
}

// v is gone after it.
static void finish(struct vuser *v)
{
    struct vuser_env *env = v->env;

    conn_close(&v->conn);
    loop_timer_clear(env->loop, &v->pause);
    loop_fifo_remove(&v->timeout);
    list_remove(&v->link);
    http1_done(&v->http);
    free(v);
    env->n_users--;
    env->on_done(env);
}

static void end_request(struct vuser *v)
{
    loop_fifo_remove(&v->timeout);
    v->in_request = false;
    v->times.done_ns = loop_clock(v->env->loop);
}

// The connection was closed, or is.
static void fail_request(struct vuser *v, enum metrics_error kind, const char *why)
{
    struct vuser_env *env = v->env;
    bool by_count = iteration(v)->mode == PLAN_MODE_R;

    conn_close(&v->conn);
    end_request(v);
    record_failed(env->record, series(v), v->times.done_ns, kind, why, v->is_reused);
    // A connection that had served before it failed cannot make a loop that turns on failures only.
    if (env->stopping || v->n_served > 0) {
        go_on(v);
        return;
    }
    int64_t until = v->times.done_ns + sched_pause_ns(++v->n_failed, by_count);
    loop_timer_set(env->loop, &v->pause, by_count || until < v->end_ns ? until : v->end_ns);
}

static void connect_for(struct vuser *v)
{
    v->n_served = 0;
    conn_connect(&v->conn, request(v)->origin);
}

// A kept connection that the server closed before the request reached it says nothing about the
// server: an idempotent request goes out once more on a fresh one, as with browsers (RFC 9110
// section 9.2.2, RFC 9112 section 9.3.1).
static bool send_again(struct vuser *v, enum metrics_error kind)
{
    if (!v->is_reused || v->is_resent || v->has_byte || !request(v)->is_idempotent ||
        (kind != METRICS_ERROR_RESET && kind != METRICS_ERROR_CLOSED))
        return false;
    v->is_resent = true;
    v->is_reused = false;
    conn_close(&v->conn);
    connect_for(v);
    return true;
}

static void send_request(struct vuser *v)
{
    const struct request *r = request(v);

    http1_start(&v->http, r->is_head);
    v->times.send_ns = loop_now(v->env->loop);
    if (!v->is_resent)
        v->times.sent_ns = v->times.send_ns;
    conn_send(&v->conn, r->bytes, r->len);
}

static void begin_request(struct vuser *v)
{
    struct vuser_env *env = v->env;
    int64_t now = loop_now(env->loop);

    v->n_sent++;
    v->in_request = true;
    v->has_byte = v->is_resent = false;
    v->times = (struct record_times){.begin_ns = now};
    record_started(env->record, series(v), now);
    loop_fifo_add(env->loop, &env->timeout, &v->timeout);
    v->is_reused = v->conn.state == CONN_OPEN && v->conn.origin == request(v)->origin;
    if (v->is_reused) {
        send_request(v);
        return;
    }
    conn_close(&v->conn);
    connect_for(v);
}

static void enter_iteration(struct vuser *v, int64_t begin_ns)
{
    v->n_sent = 0;
    if (v->iteration < v->round->n_iterations)
        v->end_ns = sched_end_ns(begin_ns, iteration(v)->duration_s);
}

static bool is_iteration_over(const struct vuser *v, int64_t now)
{
    return iteration(v)->mode == PLAN_MODE_R ? v->n_sent >= iteration(v)->request_count
                                             : now >= v->end_ns;
}

// What comes after a request, or at first.
static void go_on(struct vuser *v)
{
    struct vuser_env *env = v->env;
    int64_t now = loop_now(env->loop);

    if (env->stopping) {
        finish(v);
        return;
    }
    while (v->iteration < v->round->n_iterations && is_iteration_over(v, now)) {
        // Its whole duration passed before it could send: what was due counts as dropped.
        if (v->n_sent == 0)
            record_dropped(env->record, series(v), now);
        v->iteration++;
        enter_iteration(v, now);
    }
    if (v->iteration < v->round->n_iterations)
        begin_request(v);
    else
        finish(v);
}

// is_clean: the connection holds nothing that belongs to no response.
static void complete(struct vuser *v, bool is_clean)
{
    end_request(v);
    record_completed(v->env->record, series(v), &v->times, v->http.status, v->is_reused);
    v->n_failed = 0;
    v->n_served++;
    if (!is_clean || v->conn.peer_closed || !conn_is_sent(&v->conn) ||
        !http1_is_reusable(&v->http) || request(v)->says_close)
        conn_close(&v->conn);
    go_on(v);
}

static void on_open(struct conn *c)
{
    struct vuser *v = of_conn(c);

    record_connected(v->env->record, series(v), loop_now(v->env->loop), c->dns_ns, c->tcp_ns,
                     c->tls_ns);
    v->times.begin_ns = c->begin_ns; // not the wait for a turn to connect
    send_request(v);
}

static size_t beyond(size_t n, size_t limit)
{
    return n > limit ? n - limit : 0;
}

static void on_sent(struct conn *c, size_t n)
{
    struct vuser *v = of_conn(c);
    size_t head_len = request(v)->head_len;

    // The second of two readings a response: the next event of this pass begins here.
    v->times.whole_ns = v->times.first_ns = loop_clock(v->env->loop);
    record_sent(v->env->record, series(v), v->times.whole_ns, n,
                beyond(c->out_sent, head_len) - beyond(c->out_sent - n, head_len));
}

static bool on_data(struct conn *c, const char *bytes, size_t n)
{
    struct vuser *v = of_conn(c);
    uint64_t body_len = v->http.body_len;
    size_t used = n;
    enum http1_result result;

    if (!v->has_byte) {
        v->has_byte = true;
        v->times.first_ns = loop_now(v->env->loop);
        if (!conn_is_sent(c)) // answered before it was asked in full
            v->times.whole_ns = v->times.first_ns;
    }
    result = bytes == NULL ? http1_discarded(&v->http, n) : http1_feed(&v->http, bytes, n, &used);
    record_received(v->env->record, series(v), loop_now(v->env->loop), n,
                    v->http.body_len - body_len);
    if (result == HTTP1_MORE) {
        uint64_t ahead = http1_discardable(&v->http);
        conn_discard(c, ahead >= DISCARD_MIN ? ahead : 0);
        return true;
    }
    if (result == HTTP1_DONE)
        complete(v, used == n);
    else
        fail_request(v, v->http.error, v->http.why);
    return false;
}

static void on_end(struct conn *c)
{
    struct vuser *v = of_conn(c);

    if (http1_end(&v->http) == HTTP1_DONE)
        complete(v, false);
    else if (!send_again(v, v->http.error))
        fail_request(v, v->http.error, v->http.why);
}

static void on_fail(struct conn *c, enum metrics_error kind, const char *why)
{
    struct vuser *v = of_conn(c);

    if (!send_again(v, kind))
        fail_request(v, kind, why);
}

static const struct conn_ops conn_ops = {
    .on_open = on_open,
    .on_sent = on_sent,
    .on_data = on_data,
    .on_end = on_end,
    .on_fail = on_fail,
};

static void on_pause_over(struct loop_timer *timer)
{
    go_on(container_of(timer, struct vuser, pause));
}

static void on_timeout(struct loop_timeout *timeout)
{
    struct vuser *v = container_of(timeout, struct vuser, timeout);

    if (v->conn.state == CONN_NAME)
        fail_request(v, METRICS_ERROR_DNS, "the name was not resolved in time");
    else if (v->conn.state == CONN_QUEUED)
        fail_request(v, METRICS_ERROR_TIMEOUT_CONNECT, "no turn to connect in time");
    else if (v->conn.state != CONN_OPEN)
        fail_request(v, METRICS_ERROR_TIMEOUT_CONNECT, "no connection in time");
    else if (!conn_is_sent(&v->conn))
        fail_request(v, METRICS_ERROR_TIMEOUT_FIRST_BYTE, "the request was not taken in time");
    else if (!v->has_byte)
        fail_request(v, METRICS_ERROR_TIMEOUT_FIRST_BYTE, "no answer in time");
    else
        fail_request(v, METRICS_ERROR_TIMEOUT_BODY, "the answer was not whole in time");
}

int vuser_env_init(struct vuser_env *env, int64_t timeout_ns)
{
    list_init(&env->users);
    loop_fifo_init(env->loop, &env->timeout, timeout_ns, on_timeout);
    env->net = conn_net_new(&(struct conn_net_config){.loop = env->loop,
                                                      .resolve = env->resolve,
                                                      .origins = env->requests->origins,
                                                      .n_origins = env->requests->n_origins,
                                                      .ops = &conn_ops});
    return env->net != NULL ? 0 : -ENOMEM;
}

void vuser_env_done(struct vuser_env *env)
{
    conn_net_free(env->net);
}

void vuser_start(struct vuser_env *env, const struct plan_round *round, uint32_t first_series,
                 int64_t due_ns)
{
    struct vuser *v = xcalloc(1, sizeof *v);

    if (env->first_dispatch_ns == 0)
        env->first_dispatch_ns = loop_now(env->loop);
    v->env = env;
    v->round = round;
    v->first_series = first_series;
    v->pause.on_due = on_pause_over;
    v->conn.net = env->net;
    list_append(&env->users, &v->link);
    env->n_users++;
    enter_iteration(v, due_ns);
    go_on(v);
}

void vuser_stop_all(struct vuser_env *env, bool abort)
{
    env->stopping = true;
    for (struct list *at = env->users.next, *next; at != &env->users; at = next) {
        struct vuser *v = container_of(at, struct vuser, link);
        next = at->next;
        if (v->in_request && !abort)
            continue;
        if (v->in_request) {
            end_request(v);
            record_aborted(env->record, series(v), v->times.done_ns, v->is_reused);
        }
        finish(v);
    }
}
