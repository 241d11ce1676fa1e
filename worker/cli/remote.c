#include "worker/cli/remote.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <jansson.h>

#include "common/jtext.h"
#include "common/result.h"
#include "common/str.h"
#include "worker/cli/client.h"
#include "worker/cli/id.h"
#include "worker/cli/runs.h"
#include "worker/cli/screen.h"
#include "worker/cli/status.h"

#define SOCKET_DEFAULT "/run/lps/workerd.sock"
#define RUNS_LIMIT     20
#define ID_MAX         64 // of a submission that another client may have made
#define ID_CHARACTERS  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

static const char *socket_path(const struct options *o)
{
    const char *env = getenv("LPS_SOCKET");

    return options_text(o, OPTIONS_SOCKET, env != NULL && env[0] != '\0' ? env : SOCKET_DEFAULT);
}

static const char *text_of(const json_t *json, const char *key, const char *fallback)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text != NULL ? text : fallback;
}

static uint64_t count_of(const json_t *json, const char *key)
{
    double n = json_number_value(json_object_get(json, key));

    return n > 0 ? (uint64_t)n : 0;
}

// The exit code for a refusal, which is said as one line.
static int say_refusal(const struct client_reply *reply)
{
    const json_t *error = json_object_get(reply->json, "error");
    const json_t *code = json_object_get(reply->json, "exitCode");

    screen_error("%s", text_of(error, "message", "lps-workerd refused without saying why"));
    if (json_is_integer(code))
        return (int)json_integer_value(code);
    return reply->status == 400 ? RESULT_USAGE : RESULT_CLUSTER;
}

// One call, start to end. RESULT_PASSED with a reply of whatever status, or an exit code, and why
// was said.
static int ask(const struct options *o, const char *method, const char *path, const json_t *body,
               struct client_reply *ret_reply)
{
    struct client *c = client_new(socket_path(o));
    int code = RESULT_PASSED;

    if (client_call(c, method, path, body, ret_reply) < 0) {
        screen_error("%s", client_error(c));
        code = RESULT_CLUSTER;
    }
    client_free(c);
    return code;
}

// The same, where a refusal is said as well; *ret_json may be NULL.
static int call(const struct options *o, const char *method, const char *path, const json_t *body,
                json_t **ret_json)
{
    struct client_reply reply = {0};
    int code = ask(o, method, path, body, &reply);

    if (code == RESULT_PASSED && reply.status / 100 != 2) {
        code = say_refusal(&reply);
        json_decref(reply.json);
    } else {
        *ret_json = reply.json;
    }
    return code;
}

static json_t *submission(const struct options *o, const struct plan_build *b, const char *id)
{
    char *plan = plan_format(b->plan);
    json_t *body = json_pack("{s:s, s:o}", "submissionId", id, "plan", json_loads(plan, 0, NULL));

    if (b->n_files > 0) {
        json_t *files = json_object();
        for (size_t i = 0; i < b->n_files; i++) {
            char *base64 = str_base64(b->files[i].bytes, b->files[i].len);
            json_object_set_new(files, b->files[i].sha256, json_string(base64));
            free(base64);
        }
        json_object_set_new(body, "files", files);
    }
    if (options_given(o, OPTIONS_WAIT))
        json_object_set_new(body, "waitSeconds", json_real(o->value[OPTIONS_WAIT].real));
    if (o->value[OPTIONS_QUEUE].flag)
        json_object_set_new(body, "queue", json_true());
    if (options_given(o, OPTIONS_SEED))
        json_object_set_new(body, "seed", json_integer((json_int_t)o->value[OPTIONS_SEED].count));
    free(plan);
    return body;
}

struct follower {
    const struct options *options;
    struct screen screen;
    const char *id;
    int signal_fd;
    int n_signals;
    bool detaches; // as soon as the submission is accepted
    bool has_left, has_result;
    int exit_code;
    struct client *client;
};

static void on_progress(struct follower *f, const json_t *event)
{
    const json_t *numbers = json_object_get(event, "cluster");

    if (!json_is_object(numbers))
        numbers = json_object_get(event, "node");
    if (!json_is_object(numbers))
        return;
    screen_numbers(&f->screen,
                   &(struct progress_numbers){
                       .elapsed_ms = (int64_t)count_of(event, "elapsedMs"),
                       .workers = count_of(numbers, "workers"),
                       .requests = count_of(numbers, "requests"),
                       .errors = count_of(numbers, "failed"),
                       .in_flight = count_of(numbers, "inFlight"),
                       .p50_us = count_of(numbers, "p50Us"),
                       .p99_us = count_of(numbers, "p99Us"),
                       .rate = json_number_value(json_object_get(numbers, "ratePerSecond")),
                   });
}

static void on_result(struct follower *f, const json_t *event)
{
    json_t *result = json_deep_copy(json_object_get(event, "result"));
    const json_t *node = json_object_get(event, "node");
    const char *message = text_of(event, "message", NULL);

    f->exit_code = (int)json_integer_value(json_object_get(event, "exitCode"));
    if (f->exit_code == RESULT_PASSED && f->options->value[OPTIONS_STRICT].flag) {
        result_be_strict(result);
        f->exit_code = result_exit_code(result);
    }
    if (message != NULL)
        screen_notice(&f->screen, "%s", message);
    screen_result(&f->screen, json_is_object(result) ? result : NULL,
                  json_is_object(node) ? node : NULL);
    json_decref(result);
    f->has_result = true;
}

// What is needed to come back goes to standard output.
static bool leave(struct follower *f, const json_t *event)
{
    const char *run = text_of(event, "run", NULL), *message = text_of(event, "message", "");

    if (run != NULL) {
        screen_notice(&f->screen, "%s; lps attach %.8s comes back to it", message, run);
        screen_print("%s\n", run);
    } else if (strcmp(text_of(event, "state", ""), "queued") == 0) {
        screen_notice(&f->screen, "%s; lps attach %s comes back to it", message, f->id);
        screen_print("%s\n", f->id);
    } else {
        return false;
    }
    f->has_left = true;
    return true;
}

static bool on_event(json_t *event, void *arg)
{
    struct follower *f = arg;
    const char *kind = text_of(event, "event", "");

    if (strcmp(kind, "state") == 0) {
        if (f->detaches && leave(f, event))
            return false;
        screen_state(&f->screen, text_of(event, "message", text_of(event, "state", "")));
    } else if (strcmp(kind, "notice") == 0) {
        const char *level = text_of(event, "level", "info");
        bool is_info = strcmp(level, "info") == 0;
        if (!is_info || !f->screen.progress.quiet)
            screen_notice(&f->screen, "%s%s%s", is_info ? "" : level, is_info ? "" : ": ",
                          text_of(event, "message", ""));
    } else if (strcmp(kind, "progress") == 0) {
        on_progress(f, event);
    } else if (strcmp(kind, "result") == 0) {
        on_result(f, event);
        return false;
    }
    return true;
}

static void post_cancel(struct follower *f, bool force)
{
    char *path = xasprintf("/v1/submissions/%s/cancel", f->id);
    json_t *body = json_pack("{s:b}", "force", force), *answer = NULL;

    call(f->options, "POST", path, body, &answer);
    json_decref(answer);
    json_decref(body);
    free(path);
}

static void on_signal(void *arg)
{
    struct follower *f = arg;
    struct signalfd_siginfo info;

    if (read(f->signal_fd, &info, sizeof(info)) != sizeof(info))
        return;
    f->n_signals++;
    if (f->n_signals > 2) {
        screen_notice(&f->screen, "left; the worker goes on cancelling");
        screen_done(&f->screen);
        _exit(RESULT_CANCELLED);
    }
    bool force = f->n_signals == 2;
    screen_notice(&f->screen, force ? "cutting requests in flight"
                                    : "cancelling; once more to cut requests in flight");
    post_cancel(f, force);
}

static int follow(struct follower *f)
{
    static const struct client_ops ops = {.on_event = on_event, .on_signal = on_signal};
    char *path = xasprintf("/v1/submissions/%s/events", f->id);

    int r = client_follow(f->client, path, f->signal_fd, &ops, f);
    if (r < 0)
        screen_notice(&f->screen, "%s", client_error(f->client));
    else if (!f->has_result && !f->has_left)
        screen_notice(&f->screen, "lps-workerd ended without a result");
    free(path);
    if (f->has_left)
        return RESULT_PASSED;
    if (f->has_result)
        return f->exit_code;
    return f->n_signals > 0 ? RESULT_CANCELLED : RESULT_CLUSTER;
}

// SIGINT and SIGTERM as a descriptor: from here on they interrupt nothing.
static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int follow_submission(const struct options *o, const char *id, int signal_fd, bool detaches)
{
    struct follower f = {.options = o,
                         .id = id,
                         .signal_fd = signal_fd,
                         .detaches = detaches,
                         .client = client_new(socket_path(o))};

    screen_init(&f.screen, o->value[OPTIONS_QUIET].flag, o->value[OPTIONS_JSON].flag);
    int code = follow(&f);
    screen_done(&f.screen);
    client_free(f.client);
    return code;
}

int remote_test(const struct options *o, const struct plan_build *b)
{
    char id[ID_LEN + 1];
    json_t *accepted = NULL;

    id_make(id);
    json_t *body = submission(o, b, id);
    int signal_fd = open_signals();
    int code = call(o, "POST", "/v1/submissions", body, &accepted);
    json_decref(body);
    json_decref(accepted);
    if (code == RESULT_PASSED)
        code = follow_submission(o, id, signal_fd, o->value[OPTIONS_DETACH].flag);
    close(signal_fd);
    return code;
}

// From the status document: the submission that is not done yet, or NULL.
static const char *open_submission(const json_t *status)
{
    const json_t *submission_now = json_object_get(status, "submission");

    if (strcmp(text_of(submission_now, "state", "done"), "done") == 0)
        return NULL;
    return text_of(submission_now, "submissionId", NULL);
}

// The id that is named, or that of the submission that is open on this worker; kept in *ret_status.
// RESULT_PASSED, or an exit code, and why was said.
static int find_id(const struct options *o, const char *command, json_t **ret_status,
                   const char **ret_id)
{
    const char *id = o->argument;
    int code = RESULT_PASSED;

    if (id == NULL) {
        code = call(o, "GET", "/v1/status", NULL, ret_status);
        if (code == RESULT_PASSED && (id = open_submission(*ret_status)) == NULL) {
            screen_error("no test is open on this worker");
            code = RESULT_CLUSTER;
        }
    } else if (id[0] == '\0' || strlen(id) > ID_MAX || strspn(id, ID_CHARACTERS) != strlen(id)) {
        screen_error("%s %s: expected the id of a run or a submission", command, id);
        code = RESULT_USAGE;
    }
    *ret_id = id;
    return code;
}

int remote_cancel(const struct options *o)
{
    json_t *status = NULL, *answer = NULL;
    const char *id;
    int code = find_id(o, "cancel", &status, &id);

    if (code == RESULT_PASSED) {
        char *path = xasprintf("/v1/submissions/%s/cancel", id);
        json_t *body = json_pack("{s:b}", "force", o->value[OPTIONS_FORCE].flag);
        code = call(o, "POST", path, body, &answer);
        json_decref(body);
        free(path);
    }
    if (code == RESULT_PASSED) {
        screen_print("cancelling %s\n", id);
    }
    json_decref(answer);
    json_decref(status);
    return code;
}

// What the master has of a run. RESULT_PASSED, or an exit code, and why was said.
static int get_result(const struct options *o, const char *run, json_t **ret_result)
{
    char *path = xasprintf("/v1/runs/%s", run);
    int code = call(o, "GET", path, NULL, ret_result);

    free(path);
    return code;
}

static void show_result(const struct options *o, const json_t *result)
{
    struct screen screen;

    screen_init(&screen, false, o->value[OPTIONS_JSON].flag);
    screen_result(&screen, result, NULL);
    screen_done(&screen);
}

int remote_show(const struct options *o)
{
    json_t *status = NULL, *result = NULL;
    const char *run;
    int code = find_id(o, "show", &status, &run);

    if (code == RESULT_PASSED)
        code = get_result(o, run, &result);
    if (code == RESULT_PASSED)
        show_result(o, result);
    json_decref(result);
    json_decref(status);
    return code;
}

// A run that this worker has nothing of, or no longer.
static int attach_elsewhere(const struct options *o, const char *run)
{
    json_t *result = NULL;
    int code = get_result(o, run, &result);

    if (code == RESULT_PASSED && !json_is_object(json_object_get(result, "verdict"))) {
        screen_error("run %s goes on without this worker; lps show %s shows it so far", run, run);
        code = RESULT_CLUSTER;
    } else if (code == RESULT_PASSED) {
        show_result(o, result);
        code = result_exit_code(result);
    }
    json_decref(result);
    return code;
}

static int attach(const struct options *o, const char *id)
{
    char *path = xasprintf("/v1/submissions/%s", id);
    struct client_reply reply = {0};
    int code = ask(o, "GET", path, NULL, &reply);

    if (code == RESULT_PASSED && reply.status == 404) {
        code = attach_elsewhere(o, id);
    } else if (code == RESULT_PASSED && reply.status != 200) {
        code = say_refusal(&reply);
    } else if (code == RESULT_PASSED) {
        int signal_fd = open_signals();
        code = follow_submission(o, text_of(reply.json, "submissionId", id), signal_fd, false);
        close(signal_fd);
    }
    json_decref(reply.json);
    free(path);
    return code;
}

int remote_attach(const struct options *o)
{
    json_t *status = NULL;
    const char *id;
    int code = find_id(o, "attach", &status, &id);

    if (code == RESULT_PASSED)
        code = attach(o, id);
    json_decref(status);
    return code;
}

int remote_cluster_ready(const struct options *o)
{
    json_t *answer = NULL;
    int code = call(o, "POST", "/v1/cluster/ready", NULL, &answer);

    if (code == RESULT_PASSED)
        screen_print("ready: the run starts with the workers that are here\n");
    json_decref(answer);
    return code;
}

static int print_document(const struct options *o, const char *path,
                          char *(*format)(const json_t *document))
{
    json_t *document = NULL;
    int code = call(o, "GET", path, NULL, &document);

    if (code != RESULT_PASSED)
        return code;
    char *text = o->value[OPTIONS_JSON].flag ? jtext_format(document, true) : format(document);
    screen_print("%s", text);
    free(text);
    json_decref(document);
    return code;
}

int remote_status(const struct options *o)
{
    return print_document(o, "/v1/status", status_format);
}

int remote_runs(const struct options *o)
{
    uint64_t limit = options_given(o, OPTIONS_LIMIT) ? o->value[OPTIONS_LIMIT].count : RUNS_LIMIT;
    char *path = xasprintf("/v1/runs?limit=%llu", (unsigned long long)limit);
    int code = print_document(o, path, runs_format);

    free(path);
    return code;
}
