#include "worker/daemon/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/http.h"
#include "common/log.h"
#include "common/result.h"
#include "common/str.h"

#define SOCKET_MODE   0660
#define REASONS_SHOWN 5 // of a submission that is refused
#define RUNS_LIMIT    100

struct control {
    struct jobs *jobs;
    const char *node;
    struct http_server *server;
};

static void log_command(const struct control *c, const struct http_request *req, const char *run,
                        const char *command, const char *id)
{
    struct log_fields fields = {.run_id = run, .node = c->node, .event = "command"};

    log_event(LOG_INFO, &fields, "uid %" PRId64 ": %s%s%s", http_request_peer_uid(req), command,
              id != NULL ? " " : "", id != NULL ? id : "");
}

// The job that the path names, by its own id or by its run's; or NULL, and 404 was replied.
static struct job *named_job(const struct control *c, struct http_request *req)
{
    const char *id = http_request_arg(req, 0);
    struct job *job = jobs_find(c->jobs, id);

    if (job == NULL)
        job = jobs_find_run(c->jobs, id);
    if (job == NULL)
        http_reply_error(req, 404, "not-found", RESULT_CLUSTER,
                         "no submission or run %.64s on this node", id);
    return job;
}

// What is wrong, as one line: places are those in a text that the client never saw.
static char *reasons_of(const struct diag *d)
{
    struct buf text = {0};
    size_t shown = d->n < REASONS_SHOWN ? d->n : REASONS_SHOWN;

    for (size_t i = 0; i < shown; i++)
        buf_printf(&text, "%s%s", i > 0 ? "; " : "", d->entry[i].text);
    if (d->n > shown)
        buf_printf(&text, "; and %zu more", d->n - shown);
    return buf_take(&text);
}

static void refuse(struct http_request *req, int error, const struct diag *d)
{
    char *reasons = reasons_of(d);

    if (error == -EFBIG)
        http_reply_error(req, 413, "too-large", RESULT_USAGE, "%s", reasons);
    else
        http_reply_error(req, 400, "bad-request", RESULT_USAGE, "%s", reasons);
    free(reasons);
}

static void refuse_busy(struct http_request *req, const struct job *open)
{
    const char *id = open->run != NULL ? open->run : open->submission->id;

    http_reply_error(req, 409, "busy", RESULT_CLUSTER,
                     "another submission of this node is open: %s %s (%s); lps attach %.8s shows "
                     "it, --queue waits behind it",
                     open->run != NULL ? "run" : "submission", id, open->submission->plan->name,
                     id);
}

static void on_submit(struct http_request *req, void *arg)
{
    struct control *c = arg;
    json_t *json = http_request_json(req);
    struct submission *submission = NULL;
    struct diag d = {0};
    struct job *job;

    if (json == NULL)
        return;
    int r = submission_parse(json, &d, &submission);
    json_decref(json);
    if (r < 0) {
        refuse(req, r, &d);
        diag_done(&d);
        return;
    }
    log_command(c, req, NULL, "submit", submission->id);
    r = jobs_submit(c->jobs, submission, &d, &job);
    if (r == 0)
        http_reply_json(req, 202, job_state_event(job, clock_now().ns));
    else if (r == -EBUSY)
        refuse_busy(req, jobs_current(c->jobs));
    else if (r == -ENOSPC)
        http_reply_error(req, 409, "busy", RESULT_CLUSTER,
                         "%d submissions are queued on this node already", JOBS_QUEUE_MAX);
    else
        refuse(req, r, &d);
    diag_done(&d);
}

static void on_show(struct http_request *req, void *arg)
{
    struct control *c = arg;
    struct job *job = named_job(c, req);

    if (job != NULL)
        http_reply_json(req, 200, job_state_event(job, clock_now().ns));
}

static void on_follow(struct http_request *req, void *arg)
{
    struct control *c = arg;
    struct job *job = named_job(c, req);

    if (job == NULL)
        return;
    log_command(c, req, job->run, "follow", job->submission->id);
    jobs_follow(c->jobs, job, req);
}

// {"force": true}; an empty body is none. False: 400 was replied.
static bool read_force(struct http_request *req, bool *ret_force)
{
    size_t len;
    json_t *json, *force;

    http_request_body(req, &len);
    *ret_force = false;
    if (len == 0)
        return true;
    json = http_request_json(req);
    if (json == NULL)
        return false;
    force = json_object_get(json, "force");
    bool ok = force == NULL || json_is_boolean(force);
    *ret_force = json_is_true(force);
    json_decref(json);
    if (!ok)
        http_reply_error(req, 400, "bad-request", RESULT_USAGE, "force: expected true or false");
    return ok;
}

static void on_cancel(struct http_request *req, void *arg)
{
    struct control *c = arg;
    struct job *job = named_job(c, req);
    char id[SUBMISSION_ID_MAX + 1];
    bool force;

    if (job == NULL || !read_force(req, &force))
        return;
    snprintf(id, sizeof id, "%s", job->submission->id);
    log_command(c, req, job->run, force ? "cancel at once" : "cancel", id);
    jobs_cancel(c->jobs, job, force);
    job = jobs_find(c->jobs, id);
    if (job == NULL)
        http_reply_json(req, 202, json_object());
    else
        http_reply_json(req, 202, job_state_event(job, clock_now().ns));
}

// --- What the master is asked ---

static void refuse_answer(struct http_request *req, enum command_outcome outcome, int status,
                          const char *code, const char *text)
{
    if (outcome == COMMAND_REFUSED)
        http_reply_error(req, status, code, RESULT_CLUSTER, "%s", text);
    else
        http_reply_error(req, 503, "unavailable", RESULT_CLUSTER, "%s", text);
}

static void on_ready_answer(enum command_outcome outcome, const char *text, void *arg)
{
    struct http_request *req = arg;

    if (outcome == COMMAND_DONE)
        http_reply_json(req, 202, json_pack("{s:s}", "status", "ready"));
    else
        refuse_answer(req, outcome, 409, "refused", text);
}

static void on_ready(struct http_request *req, void *arg)
{
    static const struct command_question ready = {.verb = LPS__V1__COMMAND__VERB__READY};
    struct control *c = arg;

    log_command(c, req, NULL, "cluster ready", NULL);
    command_ask(jobs_commands(c->jobs), &ready, on_ready_answer, req);
}

static void on_document(enum command_outcome outcome, const char *text, void *arg)
{
    struct http_request *req = arg;
    json_t *json = outcome == COMMAND_DONE ? json_loads(text, 0, NULL) : NULL;

    if (json != NULL)
        http_reply_json(req, 200, json);
    else if (outcome == COMMAND_DONE)
        http_reply_error(req, 503, "unavailable", RESULT_CLUSTER,
                         "the answer of the master is no JSON");
    else
        refuse_answer(req, outcome, 404, "not-found", text);
}

static void on_runs(struct http_request *req, void *arg)
{
    struct control *c = arg;
    const char *text = http_request_query(req, "limit");
    uint64_t limit = RUNS_LIMIT;

    if (text != NULL && str_parse_u64(text, 1, COMMAND_RUNS_MAX, &limit) < 0) {
        http_reply_error(req, 400, "bad-request", RESULT_USAGE, "limit: expected 1 to %d",
                         COMMAND_RUNS_MAX);
        return;
    }
    struct command_question runs = {.verb = LPS__V1__COMMAND__VERB__RUNS, .limit = (uint32_t)limit};
    command_ask(jobs_commands(c->jobs), &runs, on_document, req);
}

static void on_run(struct http_request *req, void *arg)
{
    struct control *c = arg;
    struct command_question show = {.verb = LPS__V1__COMMAND__VERB__SHOW,
                                    .run = http_request_arg(req, 0)};

    if (submission_is_id(show.run))
        command_ask(jobs_commands(c->jobs), &show, on_document, req);
    else
        http_reply_error(req, 404, "not-found", RESULT_CLUSTER, "no run %.64s", show.run);
}

struct status_call {
    struct control *control;
    struct http_request *req;
};

static void on_status_answer(enum command_outcome outcome, const char *text, void *arg)
{
    struct status_call *call = arg;
    const struct control *c = call->control;
    const struct uplink *uplink = jobs_uplink(c->jobs);
    const struct job *job = jobs_current(c->jobs);
    json_t *cluster = outcome == COMMAND_DONE ? json_loads(text, 0, NULL) : NULL;

    http_reply_json(
        call->req, 200,
        json_pack("{s:s, s:s, s:{s:s, s:b, s:s?}, s:o, s:o, s:o}", "node", c->node, "version",
                  LPS_VERSION, "master", "address", uplink_address(uplink), "connected",
                  uplink_is_up(uplink), "message", uplink_trouble(uplink), "submission",
                  job != NULL ? job_state_event(job, clock_now().ns) : json_null(), "queue",
                  jobs_queue(c->jobs), "cluster", cluster != NULL ? cluster : json_null()));
    free(call);
}

static void on_status(struct http_request *req, void *arg)
{
    static const struct command_question state = {.verb = LPS__V1__COMMAND__VERB__STATE};
    struct status_call *call = xcalloc(1, sizeof *call);
    struct control *c = arg;

    *call = (struct status_call){c, req};
    command_ask(jobs_commands(c->jobs), &state, on_status_answer, call);
}

static void on_health(struct http_request *req, void *arg)
{
    (void)arg;
    http_reply_json(req, 200, json_pack("{s:s}", "status", "ok"));
}

static const struct http_route routes[] = {
    {"POST", "/v1/submissions", on_submit},
    {"GET", "/v1/submissions/{}", on_show},
    {"GET", "/v1/submissions/{}/events", on_follow},
    {"POST", "/v1/submissions/{}/cancel", on_cancel},
    {"POST", "/v1/cluster/ready", on_ready},
    {"GET", "/v1/runs", on_runs},
    {"GET", "/v1/runs/{}", on_run},
    {"GET", "/v1/status", on_status},
    {"GET", "/healthz", on_health},
};

struct control *control_new(struct event_base *base, struct jobs *jobs, const char *node)
{
    struct control *c = xcalloc(1, sizeof *c);
    struct http_server_config config = {.routes = routes,
                                        .n_routes = sizeof routes / sizeof *routes,
                                        .body_max = SUBMISSION_BODY_MAX,
                                        .arg = c};

    *c = (struct control){.jobs = jobs, .node = node};
    c->server = http_server_new(base, &config);
    return c;
}

int control_listen(struct control *c, int fd, const char *path)
{
    if (fd >= 0)
        return http_server_listen_fd(c->server, fd);
    return http_server_listen_unix(c->server, path, SOCKET_MODE);
}

void control_free(struct control *c)
{
    if (c == NULL)
        return;
    http_server_free(c->server);
    free(c);
}
