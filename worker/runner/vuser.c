#include "worker/runner/vuser.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"
#include "worker/runner/http1.h"
#include "worker/runner/sched.h"

struct vuser {
    struct list link;
    struct vuser_env *env;
    const struct plan_round *round;
    uint32_t first_series, iteration;
    uint64_t n_sent;   // of this iteration
    int64_t end_ns;    // of this iteration, by duration
    unsigned n_failed; // connects in a row

    struct conn conn;
    uint32_t origin; // of the open connection
    bool in_request, is_zombie;
    bool reused;   // the connection had served a request before this one
    bool resent;   // this request was sent again on a fresh connection
    bool has_byte; // of the answer
    struct http1 http;
    struct record_times times;
    int64_t dns_ns; // of this request's connection, -1: was known
    uint64_t bytes_received, body_seen;
    struct loop_timer pause;
    struct loop_timeout timeout;
    struct resolve_query query;
    bool is_asking;
    struct loop_post farewell;
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

static void free_vuser(struct vuser *v)
{
    http1_done(&v->http);
    free(v);
}

static void on_farewell(struct loop_post *post)
{
    free_vuser(container_of(post, struct vuser, farewell));
}

// Not freed here: the call-backs of its connection may be on the stack.
static void finish(struct vuser *v)
{
    struct vuser_env *env = v->env;

    conn_close(&v->conn);
    loop_timer_clear(env->conn.loop, &v->pause);
    loop_fifo_remove(&v->timeout);
    list_remove(&v->link);
    if (v->is_asking) {
        v->is_zombie = true; // the answer, if it comes, is written into it
        list_append(&env->zombies, &v->link);
    } else {
        v->farewell.on_post = on_farewell;
        loop_post(env->conn.loop, &v->farewell);
    }
    env->n_users--;
    env->on_done(env);
}

static void end_request(struct vuser *v)
{
    loop_fifo_remove(&v->timeout);
    v->in_request = false;
    if (v->bytes_received > 0)
        record_received(v->env->record, series(v), v->times.done_ns, v->bytes_received,
                        v->http.body_len);
}

static void fail_request(struct vuser *v, enum metrics_error kind, const char *why)
{
    struct vuser_env *env = v->env;
    bool answered = v->has_byte, counted = v->round->iterations[v->iteration].mode == PLAN_MODE_R;

    conn_close(&v->conn);
    v->times.done_ns = loop_clock(env->conn.loop);
    end_request(v);
    record_failed(env->record, series(v), v->times.done_ns, kind, why, v->reused);
    if (answered || kind == METRICS_ERROR_TIMEOUT_FIRST_BYTE ||
        kind == METRICS_ERROR_TIMEOUT_CONNECT) {
        v->n_failed = 0;
        go_on(v);
        return;
    }
    if (env->stopping) {
        finish(v);
        return;
    }
    loop_timer_set(env->conn.loop, &v->pause,
                   v->times.done_ns + sched_pause_ns(++v->n_failed, counted));
}

static void connect_now(struct vuser *v)
{
    v->origin = request(v)->origin;
    conn_open(&v->conn, &v->env->requests->origins[v->origin], &v->env->answers[v->origin]);
}

static void on_answer(struct loop_post *post)
{
    struct vuser *v = container_of(post, struct vuser, query.post);

    v->is_asking = false;
    if (v->is_zombie) {
        list_remove(&v->link);
        free_vuser(v);
        return;
    }
    v->dns_ns = loop_clock(v->env->conn.loop) - v->times.begin_ns;
    if (!v->in_request) // timed out meanwhile
        return;
    if (v->query.answer.n == 0) {
        fail_request(v, METRICS_ERROR_DNS, v->query.answer.why);
        return;
    }
    v->env->answers[request(v)->origin] = v->query.answer;
    connect_now(v);
}

static void find_and_connect(struct vuser *v)
{
    const struct request_origin *origin = &v->env->requests->origins[request(v)->origin];

    v->dns_ns = -1;
    if (v->env->answers[request(v)->origin].n > 0) {
        connect_now(v);
    } else if (!v->is_asking) {
        v->query.loop = v->env->conn.loop;
        v->query.host = origin->host;
        v->query.post.on_post = on_answer;
        v->is_asking = true;
        resolve_ask(v->env->resolve, &v->query);
    }
}

// A connection that the server closed while it was idle says nothing about the server: an
// idempotent request goes out once more on a fresh one, as browsers do (RFC 9110 section 9.2.2).
static bool send_again(struct vuser *v)
{
    if (!v->reused || v->has_byte || v->resent || !request(v)->is_idempotent)
        return false;
    v->resent = true;
    v->reused = false;
    conn_close(&v->conn);
    find_and_connect(v);
    return true;
}

static void send_request(struct vuser *v)
{
    const struct request *r = request(v);

    http1_start(&v->http, r->is_head);
    v->times.send_ns = loop_now(v->env->conn.loop);
    if (!v->resent)
        v->times.sent_ns = v->times.send_ns;
    conn_send(&v->conn, r->bytes, r->len);
}

static void begin_request(struct vuser *v)
{
    struct vuser_env *env = v->env;
    int64_t now = loop_now(env->conn.loop);

    if (env->first_dispatch_ns == 0)
        env->first_dispatch_ns = now;
    v->n_sent++;
    v->in_request = true;
    v->has_byte = v->resent = false;
    v->bytes_received = v->http.body_len = 0;
    v->times = (struct record_times){.begin_ns = now, .sent_ns = now, .send_ns = now};
    record_started(env->record, series(v), now);
    loop_fifo_add(env->conn.loop, &env->timeout, &v->timeout);
    v->reused = v->conn.state == CONN_OPEN && v->origin == request(v)->origin;
    if (v->reused) {
        send_request(v);
        return;
    }
    conn_close(&v->conn);
    find_and_connect(v);
}

static bool is_iteration_over(const struct vuser *v, int64_t now)
{
    const struct plan_iteration *it = &v->round->iterations[v->iteration];

    return it->mode == PLAN_MODE_R ? v->n_sent >= it->request_count : now >= v->end_ns;
}

static void enter_iteration(struct vuser *v, int64_t now)
{
    v->n_sent = 0;
    v->end_ns = v->iteration < v->round->n_iterations
                    ? sched_end_ns(now, v->round->iterations[v->iteration].duration_s)
                    : 0;
}

// What comes after a request, or at first.
static void go_on(struct vuser *v)
{
    int64_t now = loop_now(v->env->conn.loop);

    while (v->iteration < v->round->n_iterations && is_iteration_over(v, now)) {
        v->iteration++;
        enter_iteration(v, now);
    }
    if (v->env->stopping || v->iteration >= v->round->n_iterations)
        finish(v);
    else
        begin_request(v);
}

static void complete(struct vuser *v, bool has_left_over)
{
    v->n_failed = 0;
    end_request(v);
    record_completed(v->env->record, series(v), &v->times, v->http.status, v->reused);
    if (has_left_over || !http1_is_reusable(&v->http) || request(v)->says_close)
        conn_close(&v->conn);
    go_on(v);
}

static void on_open(struct conn *c, int64_t tcp_ns, int64_t tls_ns)
{
    struct vuser *v = of_conn(c);

    record_connected(v->env->record, series(v), loop_now(v->env->conn.loop), v->dns_ns, tcp_ns,
                     tls_ns);
    send_request(v);
}

static void on_sent(struct conn *c)
{
    struct vuser *v = of_conn(c);
    const struct request *r = request(v);

    v->times.whole_ns = v->times.first_ns = loop_now(v->env->conn.loop);
    record_sent(v->env->record, series(v), v->times.whole_ns, r->len, r->len - r->head_len);
}

static void on_error(struct conn *c, enum metrics_error kind, const char *why)
{
    struct vuser *v = of_conn(c);

    if (v->in_request && !send_again(v))
        fail_request(v, kind, why);
}

// The peer closed, or the connection failed, while an answer was awaited.
static void on_end(struct vuser *v, ssize_t r)
{
    char why[160];

    if (r == 0 && v->has_byte && http1_end(&v->http) == HTTP1_DONE) {
        v->times.done_ns = loop_clock(v->env->conn.loop);
        complete(v, true);
    } else if (r == 0 && !send_again(v)) {
        fail_request(v, METRICS_ERROR_CLOSED,
                     v->has_byte ? "closed before the response was whole"
                                 : "closed before any response");
    } else if (r < 0 && !send_again(v)) {
        snprintf(why, sizeof why, "%s", r == -EPROTO ? "TLS failed" : strerror((int)-r));
        fail_request(v, conn_error_kind((int)-r), why);
    }
}

// false: the response is over, one way or the other.
static bool take_bytes(struct vuser *v, const char *bytes, size_t n)
{
    size_t used = n;
    enum http1_result result;

    if (!v->has_byte)
        v->times.first_ns = loop_clock(v->env->conn.loop);
    v->has_byte = true;
    v->bytes_received += n;
    result = bytes == NULL ? http1_discarded(&v->http, n) : http1_feed(&v->http, bytes, n, &used);
    if (result == HTTP1_MORE)
        return true;
    v->times.done_ns = loop_clock(v->env->conn.loop);
    if (result == HTTP1_DONE)
        complete(v, used < n || n == LOOP_BUFFER_SIZE ||
                        v->conn.peer_closed); // a full buffer may be followed by more
    else
        fail_request(v, v->http.error, v->http.why);
    return false;
}

static void on_readable(struct conn *c)
{
    struct vuser *v = of_conn(c);
    char *buffer = loop_buffer(v->env->conn.loop);
    size_t asked;
    ssize_t n;

    if (!v->in_request ||
        c->out_len > 0) { // nothing is due: the peer closes, or speaks out of turn
        if (!v->in_request)
            conn_close(c);
        return;
    }
    do {
        uint64_t ahead = c->ssl == NULL ? http1_discardable(&v->http) : 0;
        bool discard = ahead > LOOP_BUFFER_SIZE;
        asked = discard ? (ahead < 1 << 30 ? (size_t)ahead : 1 << 30) : LOOP_BUFFER_SIZE;
        n = conn_recv(c, discard ? NULL : buffer, asked);
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            on_end(v, n);
            return;
        }
        if (!take_bytes(v, discard ? NULL : buffer, (size_t)n))
            return;
    } while (conn_has_more(c, (size_t)n, asked));
}

static const struct conn_ops conn_ops = {on_open, on_sent, on_readable, on_error};

static void on_pause_over(struct loop_timer *timer)
{
    go_on(container_of(timer, struct vuser, pause));
}

static void on_timeout(struct loop_timeout *timeout)
{
    struct vuser *v = container_of(timeout, struct vuser, timeout);

    if (v->conn.state != CONN_OPEN)
        fail_request(v, METRICS_ERROR_TIMEOUT_CONNECT, "no connection in time");
    else if (!v->has_byte)
        fail_request(v, METRICS_ERROR_TIMEOUT_FIRST_BYTE, "no answer in time");
    else
        fail_request(v, METRICS_ERROR_TIMEOUT_BODY, "the answer was not whole in time");
}

void vuser_env_init(struct vuser_env *env, int64_t timeout_ns)
{
    list_init(&env->users);
    list_init(&env->zombies);
    loop_fifo_init(env->conn.loop, &env->timeout, timeout_ns, on_timeout);
}

void vuser_env_done(struct vuser_env *env)
{
    while (!list_is_empty(&env->zombies)) {
        struct vuser *v = container_of(env->zombies.next, struct vuser, link);
        list_remove(&v->link);
        free_vuser(v);
    }
}

void vuser_start(struct vuser_env *env, const struct plan_round *round, uint32_t first_series)
{
    struct vuser *v = xcalloc(1, sizeof *v);

    v->env = env;
    v->round = round;
    v->first_series = first_series;
    v->pause.on_due = on_pause_over;
    conn_init(&v->conn, &env->conn, &conn_ops);
    list_append(&env->users, &v->link);
    env->n_users++;
    enter_iteration(v, loop_now(env->conn.loop));
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
            v->times.done_ns = loop_clock(env->conn.loop);
            end_request(v);
            record_aborted(env->record, series(v), v->times.done_ns, v->reused);
        }
        finish(v);
    }
}
