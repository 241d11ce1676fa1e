#include "master/daemon/web.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/http.h"
#include "common/jtext.h"
#include "common/str.h"

#include "master/daemon/view.h"
#include "master/daemon/www.h"

#define BODY_MAX       (64 * 1024)
#define POINTS_MAX     3600 // of one frame
#define RUNS_LIMIT     100
#define RUNS_LIMIT_MAX 1000
#define SILENCE_S      15 // then a comment shows that the stream lives
#define STATE_MS       50 // least time between two states; more where there are many nodes

struct viewer {
    LIST_ENTRY(viewer) link;
    struct http_stream *stream;
    bool behind; // something was skipped: the next frame has all points
    int silent_s;
};

struct web {
    struct master *master;
    struct http_server *http;
    LIST_HEAD(, viewer) viewers;
    struct event *state_due; // one waits to be told
    bool stopping;
};

// --- REST ---

static void on_health(struct http_request *req, void *arg)
{
    struct web *web = arg;

    if (web->stopping)
        http_reply_error(req, 503, "unavailable", -1, "the master is shutting down");
    else
        http_reply_json(req, 200, json_pack("{s:s}", "status", "ok"));
}

static void on_state(struct http_request *req, void *arg)
{
    struct web *web = arg;

    http_reply_json(req, 200, master_state(web->master));
}

static void on_runs_read(json_t *runs, void *arg)
{
    struct http_request *req = arg;

    if (runs == NULL)
        http_reply_error(req, 503, "unavailable", -1, "the history cannot be read");
    else
        http_reply_json(req, 200, json_pack("{s:o}", "runs", runs));
}

static void on_runs(struct http_request *req, void *arg)
{
    struct web *web = arg;
    const char *text = http_request_query(req, "limit");
    uint64_t limit = RUNS_LIMIT;

    if (text != NULL && str_parse_u64(text, 1, RUNS_LIMIT_MAX, &limit) < 0)
        http_reply_error(req, 400, "bad-request", -1, "limit: expected 1 to %d", RUNS_LIMIT_MAX);
    else
        store_list(web->master->store, (uint32_t)limit, on_runs_read, req);
}

static void on_result_read(const char *result, void *arg)
{
    struct http_request *req = arg;
    json_t *json = result == NULL ? NULL : json_loads(result, 0, NULL);

    if (json == NULL)
        http_reply_error(req, 404, "not-found", -1, "no run %s with a result",
                         http_request_arg(req, 0));
    else
        http_reply_json(req, 200, json);
}

static void on_run(struct http_request *req, void *arg)
{
    const struct master *m = ((struct web *)arg)->master;
    const char *id = http_request_arg(req, 0);

    if (m->run == NULL || strcmp(m->run->id, id) != 0)
        store_get_result(m->store, id, on_result_read, req);
    else if (m->run->result != NULL)
        http_reply_json(req, 200, json_incref(m->run->result));
    else
        http_reply_json(req, 200, run_result(m->run, cluster_run(m->cluster), clock_boot_now().ns));
}

static void on_asset(struct http_request *req, void *arg)
{
    const char *path = http_request_path(req);

    (void)arg;
    for (size_t i = 0; i < www_n_assets; i++) {
        const struct www_asset *a = &www_assets[i];
        if (strcmp(a->path, path) == 0) {
            http_reply_static(req, a->type, a->gzip, a->len, true, a->etag);
            return;
        }
    }
    http_reply_error(req, 404, "not-found", -1, "nothing is at %s", path);
}

// --- Server-sent events ---

static void on_viewer_close(struct http_stream *stream, void *arg)
{
    struct viewer *v = arg;

    (void)stream;
    LIST_REMOVE(v, link);
    free(v);
}

static void send_event(struct viewer *v, const char *event, int64_t id, const char *json)
{
    if (http_stream_send_sse(v->stream, event, id, json))
        v->silent_s = 0;
    else
        v->behind = true;
}

static char *state_text(const struct web *web)
{
    json_t *json = master_state(web->master);
    char *text = jtext_format(json, false);

    json_decref(json);
    return text;
}

// The caller frees; NULL: there is nothing to tell.
static char *frame_text(const struct web *web, bool all)
{
    struct run *run = web->master->run;
    size_t n = 0;

    if (run == NULL)
        return NULL;
    const struct aggregate_point *points = run_take_changed(run, all, POINTS_MAX, &n);
    if (n == 0)
        return NULL;
    json_t *json = view_frame(run, points, n);
    char *text = jtext_format(json, false);
    json_decref(json);
    return text;
}

static int64_t frame_id(const struct web *web)
{
    return aggregate_newest(web->master->run->aggregate);
}

static void send_all_points(struct web *web, struct viewer *v)
{
    char *text = frame_text(web, true);

    v->behind = false;
    if (text != NULL)
        send_event(v, "frame", frame_id(web), text);
    free(text);
}

static void on_events(struct http_request *req, void *arg)
{
    struct web *web = arg;

    if (web->stopping) {
        http_reply_error(req, 503, "unavailable", -1, "the master is shutting down");
        return;
    }
    struct viewer *v = xcalloc(1, sizeof *v);
    v->stream = http_reply_stream(req, "text/event-stream", on_viewer_close, v);
    if (v->stream == NULL) {
        free(v);
        return;
    }
    LIST_INSERT_HEAD(&web->viewers, v, link);
    char *state = state_text(web);
    send_event(v, "state", -1, state);
    free(state);
    send_all_points(web, v);
}

static void publish_state_now(struct web *web)
{
    struct viewer *v;

    event_del(web->state_due);
    if (LIST_EMPTY(&web->viewers))
        return;
    char *text = state_text(web);
    LIST_FOREACH(v, &web->viewers, link)
    send_event(v, "state", -1, text);
    free(text);
}

static void on_state_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    publish_state_now(arg);
}

// Its text takes some 10 us of CPU a node.
void web_publish_state(struct web *web)
{
    size_t n;

    cluster_nodes(web->master->cluster, &n);
    int64_t wait_ms = STATE_MS + (int64_t)n / 5;
    struct timeval wait = {(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000 * 1000)};
    if (!event_pending(web->state_due, EV_TIMEOUT, NULL))
        event_add(web->state_due, &wait);
}

void web_publish_frame(struct web *web)
{
    struct viewer *v;
    char *text = frame_text(web, false);

    if (text == NULL)
        return;
    LIST_FOREACH(v, &web->viewers, link)
    {
        if (v->behind)
            send_all_points(web, v);
        else
            send_event(v, "frame", frame_id(web), text);
    }
    free(text);
}

static bool has_connected_nodes(const struct cluster *cluster)
{
    size_t n;
    struct cluster_node *const *nodes = cluster_nodes(cluster, &n);

    for (size_t i = 0; i < n; i++)
        if (nodes[i]->session != NULL)
            return true;
    return false;
}

void web_tick(struct web *web)
{
    static const char comment[] = ": ping\n\n";
    struct viewer *v;

    if (has_connected_nodes(web->master->cluster))
        publish_state_now(web);
    web_publish_frame(web);
    LIST_FOREACH(v, &web->viewers, link)
    if (++v->silent_s >= SILENCE_S && http_stream_send(v->stream, comment, strlen(comment)))
        v->silent_s = 0;
}

// --- Opening and closing ---

static const struct http_route routes[] = {
    {"GET", "/healthz", on_health},
    {"GET", "/api/v1/state", on_state},
    {"GET", "/api/v1/runs", on_runs},
    {"GET", "/api/v1/runs/{}", on_run},
    {"GET", "/api/v1/events", on_events},
    {"GET", "/", on_asset},
    {"GET", "/{}", on_asset},
};

int web_open(struct master *master, uint16_t port, uint16_t *ret_port, struct web **ret_web)
{
    struct web *web = xcalloc(1, sizeof *web);
    struct http_server_config config = {.routes = routes,
                                        .n_routes = sizeof routes / sizeof *routes,
                                        .body_max = BODY_MAX,
                                        .arg = web};

    web->master = master;
    LIST_INIT(&web->viewers);
    web->state_due = evtimer_new(master->base, on_state_due, web);
    web->http = http_server_new(master->base, &config);
    int r = http_server_listen_tcp(web->http, "127.0.0.1", port, ret_port);
    if (r < 0)
        web_close(web);
    else
        *ret_web = web;
    return r;
}

void web_stop(struct web *web)
{
    web->stopping = true;
}

void web_close(struct web *web)
{
    if (web == NULL)
        return;
    http_server_free(web->http);
    event_free(web->state_due);
    free(web);
}

uint64_t web_n_bad(const struct web *web)
{
    return http_server_n_bad(web->http);
}
