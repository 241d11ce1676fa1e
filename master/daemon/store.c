#include "master/daemon/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/str.h"

#include "master/daemon/cluster.h"
#include "master/daemon/store_sql.h"

struct known_node {
    char *name;
    uint8_t instance[16];
    uint64_t epoch;
};

struct store {
    struct store_sql *sql; // the store thread's
    struct store_ops ops;
    void *arg;
    int lock_fd;

    struct known_node *nodes;
    size_t n_nodes;
    char **runs; // oldest first
    size_t n_runs;
    bool failing;

    pthread_t thread;
    pthread_mutex_t mutex; // guards the rest
    pthread_cond_t wake;
    struct store_jobs writes, reads, finished;
    size_t n_events; // waiting in writes
    char *failure;   // why the newest commit failed; NULL: it did not
    bool stopping;
    bool at_once; // what waits in writes is not held back for a group

    int event_fd;
    struct event *on_finished;
};

// --- The store thread ---

static void jobs_take(struct store_jobs *into, struct store_jobs *from)
{
    STAILQ_INIT(into);
    STAILQ_CONCAT(into, from);
}

static int64_t commit_jobs(struct store *s, struct store_jobs *jobs)
{
    struct store_job *job;
    int64_t began_ns = clock_now().ns;
    int r = store_sql_commit(s->sql, jobs);
    char *failure = r == 0 ? NULL : xstrdup(store_sql_error(s->sql));

    STAILQ_FOREACH(job, jobs, link)
    job->error = r;
    pthread_mutex_lock(&s->mutex);
    free(s->failure);
    s->failure = failure;
    pthread_mutex_unlock(&s->mutex);
    return began_ns;
}

// A read waits for what was handed over before it, so that whoever was told of a run's end finds
// it.
static void wait_for_jobs(struct store *s, int64_t next_commit_ns)
{
    struct timespec until = {next_commit_ns / NS_PER_S, next_commit_ns % NS_PER_S};

    while (!s->stopping && !s->at_once && (STAILQ_EMPTY(&s->reads) || !STAILQ_EMPTY(&s->writes))) {
        if (STAILQ_EMPTY(&s->writes))
            pthread_cond_wait(&s->wake, &s->mutex);
        else if (pthread_cond_timedwait(&s->wake, &s->mutex, &until) == ETIMEDOUT)
            return;
    }
}

static void *store_thread(void *arg)
{
    struct store *s = arg;
    int64_t next_commit_ns = 0;
    bool more = true;

    pthread_mutex_lock(&s->mutex);
    while (more) {
        struct store_jobs writes, reads;
        struct store_job *job;
        STAILQ_INIT(&writes);
        wait_for_jobs(s, next_commit_ns);
        jobs_take(&reads, &s->reads);
        jobs_take(&writes, &s->writes);
        s->n_events = 0;
        s->at_once = false;
        pthread_mutex_unlock(&s->mutex);
        if (!STAILQ_EMPTY(&writes))
            next_commit_ns = commit_jobs(s, &writes) + STORE_COMMIT_MS * NS_PER_MS;
        STAILQ_FOREACH(job, &reads, link)
        store_sql_read(s->sql, job);
        pthread_mutex_lock(&s->mutex);
        STAILQ_CONCAT(&s->finished, &writes);
        STAILQ_CONCAT(&s->finished, &reads);
        eventfd_write(s->event_fd, 1);
        more = !s->stopping || !STAILQ_EMPTY(&s->writes) || !STAILQ_EMPTY(&s->reads);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

// --- Hand-over ---

static struct store_job *job_new(enum store_job_kind kind)
{
    struct store_job *job = xcalloc(1, sizeof *job);

    job->kind = kind;
    return job;
}

static void job_free(struct store_job *job)
{
    for (size_t i = 0; i < STORE_JOB_TEXTS; i++)
        free(job->text[i]);
    free(job->blob);
    metrics_window_free(job->window);
    free(job->result);
    free(job);
}

static char *text_or_null(const char *text)
{
    return text == NULL ? NULL : xstrdup(text);
}

static void hand_over(struct store *s, struct store_job *job)
{
    pthread_mutex_lock(&s->mutex);
    bool dropped = job->kind == STORE_JOB_EVENT && s->n_events >= STORE_EVENTS_MAX;
    if (dropped) {
        job_free(job);
    } else {
        s->n_events += job->kind == STORE_JOB_EVENT;
        s->at_once = s->at_once || job->kind == STORE_JOB_RUN;
        if (job->kind >= STORE_JOB_LIST)
            STAILQ_INSERT_TAIL(&s->reads, job, link);
        else
            STAILQ_INSERT_TAIL(&s->writes, job, link);
    }
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->mutex);
}

static void deliver(struct store *s, struct store_job *job)
{
    switch (job->kind) {
    case STORE_JOB_WINDOW:
    case STORE_JOB_FIN:
        s->ops.on_commit(job->text[0], (uint32_t)job->number[0], (uint64_t)job->number[1],
                         job->window, job->error, s->arg);
        break;
    case STORE_JOB_RUN:
        s->ops.on_stored(job->text[0], -1, job->error, s->arg);
        break;
    case STORE_JOB_MEMBER:
        s->ops.on_stored(job->text[0], job->number[0], job->error, s->arg);
        break;
    case STORE_JOB_LIST:
        ((store_list_fn *)job->done)(job->list, job->arg);
        break;
    case STORE_JOB_RESULT:
        ((store_result_fn *)job->done)(job->result, job->arg);
        break;
    default:
        break;
    }
    job_free(job);
}

static void report_failure(struct store *s, const char *failure)
{
    bool failing = failure != NULL;

    if (failing == s->failing)
        return;
    s->failing = failing;
    s->ops.on_failing(failure, s->arg);
}

static void deliver_finished(struct store *s)
{
    struct store_jobs jobs;
    struct store_job *job;

    pthread_mutex_lock(&s->mutex);
    jobs_take(&jobs, &s->finished);
    char *failure = text_or_null(s->failure);
    pthread_mutex_unlock(&s->mutex);
    report_failure(s, failure);
    free(failure);
    while ((job = STAILQ_FIRST(&jobs)) != NULL) {
        STAILQ_REMOVE_HEAD(&jobs, link);
        deliver(s, job);
    }
}

static void on_event_fd(evutil_socket_t fd, short what, void *arg)
{
    eventfd_t n;

    (void)what;
    eventfd_read(fd, &n);
    deliver_finished(arg);
}

// --- Opening and closing ---

static void known_node(const char *name, const uint8_t instance[16], uint64_t epoch, void *arg)
{
    struct store *s = arg;

    s->nodes = xreallocarray(s->nodes, s->n_nodes + 1, sizeof *s->nodes);
    struct known_node *node = &s->nodes[s->n_nodes++];
    *node = (struct known_node){.name = xstrdup(name), .epoch = epoch};
    memcpy(node->instance, instance, sizeof node->instance);
}

static void known_run(const char *id, void *arg)
{
    struct store *s = arg;

    if (s->n_runs == STORE_RUNS_MAX) {
        free(s->runs[0]);
        memmove(s->runs, s->runs + 1, (STORE_RUNS_MAX - 1) * sizeof *s->runs);
        s->n_runs--;
    }
    s->runs = xreallocarray(s->runs, s->n_runs + 1, sizeof *s->runs);
    s->runs[s->n_runs++] = xstrdup(id);
}

// Another master on the same database would hand out the same epochs.
static int lock_directory(struct store *s, const char *dir, char *err, size_t err_size)
{
    char *path = xasprintf("%s/master.lock", dir);
    int r = 0;

    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0) {
        r = -errno;
        snprintf(err, err_size, "%s: %s", path, strerror(errno));
    } else if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        r = -EBUSY;
        snprintf(err, err_size, "%s: another lps-masterd uses this directory", path);
    }
    free(path);
    return r;
}

static void store_free(struct store *s)
{
    store_sql_close(s->sql);
    for (size_t i = 0; i < s->n_nodes; i++)
        free(s->nodes[i].name);
    for (size_t i = 0; i < s->n_runs; i++)
        free(s->runs[i]);
    free(s->nodes);
    free(s->runs);
    free(s->failure);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s);
}

static void start_thread(struct store *s, struct event_base *base)
{
    pthread_condattr_t attr;

    STAILQ_INIT(&s->writes);
    STAILQ_INIT(&s->reads);
    STAILQ_INIT(&s->finished);
    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->on_finished = event_new(base, s->event_fd, EV_READ | EV_PERSIST, on_event_fd, s);
    event_add(s->on_finished, NULL);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&s->thread, NULL, store_thread, s) != 0)
        abort();
}

int store_open(struct event_base *base, const char *dir, const struct store_ops *ops, void *arg,
               char *err, size_t err_size, struct store **ret_store)
{
    struct store *s = xcalloc(1, sizeof *s);
    char *path = xasprintf("%s/master.db", dir);

    *s = (struct store){.ops = *ops, .arg = arg};
    int r = lock_directory(s, dir, err, err_size);
    if (r == 0)
        r = store_sql_open(path, err, err_size, &s->sql);
    if (r == 0) {
        r = store_sql_load(s->sql, known_node, known_run, s);
        if (r == 0)
            r = store_sql_restore(s->sql, ops, arg, clock_wall_ms());
        if (r != 0)
            snprintf(err, err_size, "%s: %s%s", path, store_sql_error(s->sql), STORE_SQL_LEFT);
    }
    free(path);
    if (r != 0) {
        store_free(s);
        return r;
    }
    start_thread(s, base);
    *ret_store = s;
    return 0;
}

int store_check(const char *dir)
{
    char *path = xasprintf("%s/master.db", dir), err[512] = "";
    struct store_sql *sql = NULL;
    int64_t n_runs = -1;
    int r = store_sql_open_to_look(path, err, sizeof err, &sql);

    if (r == 0)
        r = store_sql_look_for_damage(sql, true);
    if (r == 0 && store_sql_number(sql, "SELECT count(*) FROM sqlite_master") == 0)
        n_runs = 0; // not yet made, as far as it was committed
    else if (r == 0 && (n_runs = store_sql_number(sql, "SELECT count(*) FROM runs")) < 0)
        r = -EIO;
    if (r == 0)
        printf("%s: sound, %lld runs\n", path, (long long)n_runs);
    else if (sql == NULL)
        printf("%s\n", err);
    else
        printf("%s: %s\n", path, store_sql_error(sql));
    store_sql_close(sql);
    free(path);
    return r;
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->thread, NULL);
    deliver_finished(s);
    event_free(s->on_finished);
    close(s->event_fd);
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->wake);
    store_free(s);
}

// --- Nodes and runs that are known ---

static struct known_node *find_node(const struct store *s, const char *node)
{
    for (size_t i = 0; i < s->n_nodes; i++)
        if (strcmp(s->nodes[i].name, node) == 0)
            return &s->nodes[i];
    return NULL;
}

uint64_t store_epoch(const struct store *s, const char *node, const uint8_t instance[16])
{
    const struct known_node *known = find_node(s, node);

    if (known == NULL)
        return 1;
    return known->epoch + (memcmp(known->instance, instance, sizeof known->instance) != 0);
}

int store_set_epoch(struct store *s, const char *node, const uint8_t instance[16], uint64_t epoch)
{
    struct known_node *known = find_node(s, node);

    if (known == NULL && s->n_nodes == STORE_NODES_MAX)
        return -ENOSPC;
    if (known != NULL && known->epoch == epoch &&
        memcmp(known->instance, instance, sizeof known->instance) == 0)
        return 0;
    if (known == NULL)
        known_node(node, instance, epoch, s);
    else
        known->epoch = epoch;
    memcpy(find_node(s, node)->instance, instance, sizeof known->instance);
    struct store_job *job = job_new(STORE_JOB_NODE);
    job->number[0] = (int64_t)epoch;
    job->text[0] = xstrdup(node);
    job->blob = xmemdup(instance, 16);
    job->blob_len = 16;
    hand_over(s, job);
    return 0;
}

bool store_has_run(const struct store *s, const char *run)
{
    for (size_t i = s->n_runs; i > 0; i--)
        if (strcmp(s->runs[i - 1], run) == 0)
            return true;
    return false;
}

// --- Jobs ---

void store_add_run(struct store *s, const struct store_run *run)
{
    struct store_job *job = job_new(STORE_JOB_RUN);

    job->number[0] = run->opened_ms;
    job->number[1] = run->started_ms;
    job->number[2] = run->t0_ns;
    job->number[3] = run->expected;
    job->number[4] = run->alive_ns;
    job->number[5] = (int64_t)run->seed;
    job->text[0] = xstrdup(run->id);
    job->text[1] = xstrdup(run->plan_name);
    job->text[2] = xstrdup(run->plan);
    job->text[3] = xstrdup(run->t0_boot_id);
    job->blob = xmemdup(run->digest, 32);
    job->blob_len = 32;
    known_run(run->id, s);
    hand_over(s, job);
}

void store_add_member(struct store *s, const struct store_member *member)
{
    struct store_job *job = job_new(STORE_JOB_MEMBER);

    job->number[0] = member->source;
    job->number[1] = (int64_t)member->epoch;
    job->number[2] = member->observer;
    job->number[3] = member->late;
    job->number[4] = member->counted;
    job->number[5] = member->part;
    job->text[0] = xstrdup(member->run);
    job->text[1] = xstrdup(member->node);
    job->text[2] = xstrdup(member->submission);
    hand_over(s, job);
}

// Of a run that is there: up to two numbers.
static void set_numbers(struct store *s, enum store_job_kind kind, const char *run, int64_t a,
                        int64_t b)
{
    struct store_job *job = job_new(kind);

    job->number[0] = a;
    job->number[1] = b;
    job->text[0] = xstrdup(run);
    hand_over(s, job);
}

void store_set_state(struct store *s, const char *run, int state, int stop)
{
    set_numbers(s, STORE_JOB_STATE, run, state, stop);
}

void store_set_alive(struct store *s, const char *run, int64_t now_ns)
{
    set_numbers(s, STORE_JOB_ALIVE, run, now_ns, 0);
}

void store_add_end(struct store *s, const char *run, uint32_t series, int64_t k, double value,
                   const char *rule)
{
    struct store_job *job = job_new(STORE_JOB_ENDED_SERIES);

    job->number[0] = series;
    job->number[1] = k;
    job->real = value;
    job->has_real = true;
    job->text[0] = xstrdup(run);
    job->text[1] = xstrdup(rule);
    hand_over(s, job);
}

void store_add_outage(struct store *s, const char *run, int64_t from_ns, int64_t to_ns)
{
    set_numbers(s, STORE_JOB_OUTAGE, run, from_ns, to_ns);
}

void store_add_window(struct store *s, const char *run, uint32_t source, uint64_t seq,
                      struct metrics_window *w)
{
    struct store_job *job = job_new(STORE_JOB_WINDOW);

    job->number[0] = source;
    job->number[1] = (int64_t)seq;
    job->text[0] = xstrdup(run);
    job->window = w;
    hand_over(s, job);
}

void store_add_fin(struct store *s, const char *run, uint32_t source, uint64_t seq, int64_t now_ns,
                   const void *bytes, size_t len)
{
    struct store_job *job = job_new(STORE_JOB_FIN);

    job->number[0] = source;
    job->number[1] = (int64_t)seq;
    job->number[2] = now_ns;
    job->text[0] = xstrdup(run);
    job->blob = xmemdup(bytes, len);
    job->blob_len = len;
    hand_over(s, job);
}

void store_end_run(struct store *s, const struct store_end *end)
{
    struct store_job *job = job_new(STORE_JOB_END);

    job->number[0] = end->state;
    job->number[1] = end->ended_ms;
    job->number[2] = end->exit_code;
    job->number[3] = end->n_workers;
    job->number[4] = (int64_t)end->n_requests;
    job->text[0] = xstrdup(end->run);
    job->text[1] = text_or_null(end->reason);
    job->text[2] = xstrdup(end->flags);
    job->text[3] = xstrdup(end->result);
    hand_over(s, job);
}

void store_add_event(struct store *s, int64_t t_ms, const char *event, const char *run,
                     const char *node, const char *text)
{
    struct store_job *job = job_new(STORE_JOB_EVENT);

    job->number[0] = t_ms;
    job->text[0] = xstrdup(event);
    job->text[1] = text_or_null(run);
    job->text[2] = text_or_null(node);
    job->text[3] = xstrdup(text);
    hand_over(s, job);
}

void store_list(struct store *s, uint32_t limit, store_list_fn *done, void *arg)
{
    struct store_job *job = job_new(STORE_JOB_LIST);

    job->number[0] = limit;
    job->done = (void (*)(void))done;
    job->arg = arg;
    hand_over(s, job);
}

void store_get_result(struct store *s, const char *run, store_result_fn *done, void *arg)
{
    struct store_job *job = job_new(STORE_JOB_RESULT);

    job->text[0] = xstrdup(run);
    job->done = (void (*)(void))done;
    job->arg = arg;
    hand_over(s, job);
}
