#include "worker/spawn/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/frame.h"
#include "common/str.h"

#define CHILD_FD 3
// A runner that has said its last word, or was told to stop, and is still there after this long
// hangs.
#define GRACE_MS 5000

extern char **environ;

struct spawn {
    const struct spawn_ops *ops;
    void *arg;
    pid_t pid;
    int pidfd;
    uint32_t drain_ms;
    struct event *readable, *writable, *exited, *overdue;
    struct frame frame;
    bool got_fin, is_reaped;
    uint64_t n_warnings;
    char *failure;
};

const char *spawn_runner_path(void)
{
    static char path[4096];
    const char *named = getenv("LPS_RUNNER");

    if (named != NULL)
        return named;
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "lps-runner");
    if (n > 0) {
        path[n] = '\0';
        char *slash = strrchr(path, '/');
        if (slash != NULL) {
            strcpy(slash + 1, "lps-runner");
            if (access(path, X_OK) == 0)
                return path;
        }
    }
    return LPS_LIBEXECDIR "/lps-runner";
}

static void fail(struct spawn *s, char *text)
{
    if (s->failure == NULL)
        s->failure = text;
    else
        free(text);
}

static void on_overdue(evutil_socket_t fd, short what, void *arg)
{
    struct spawn *s = arg;

    (void)fd;
    (void)what;
    fail(s, xstrdup("runner did not end and was killed"));
    kill(s->pid, SIGKILL);
}

static void end_within(struct spawn *s, uint64_t ms)
{
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

    event_add(s->overdue, &tv);
}

// What came after a bad frame cannot be trusted: the runner is of no more use.
static void bad_frame(struct spawn *s, size_t len)
{
    fail(s, xasprintf("runner sent %zu bytes that are no frame", len));
    event_del(s->readable);
    kill(s->pid, SIGKILL);
}

static void take_warning(struct spawn *s, const char *text)
{
    if (s->n_warnings++ >= SPAWN_WARNINGS_MAX)
        return;
    char *clean = str_clean(text, SPAWN_WARNING_BYTES_MAX);
    s->ops->on_warning(clean, s->arg);
    free(clean);
}

// false: the message has no place here.
static bool take_event(struct spawn *s, const Lps__V1__RunnerEvent *msg)
{
    if (s->got_fin)
        return false;
    switch (msg->body_case) {
    case LPS__V1__RUNNER_EVENT__BODY_WINDOW:
        s->ops->on_window(msg->window, s->arg);
        return true;
    case LPS__V1__RUNNER_EVENT__BODY_WARNING:
        take_warning(s, msg->warning);
        return true;
    case LPS__V1__RUNNER_EVENT__BODY_FIN:
        s->got_fin = true;
        s->ops->on_fin(msg->fin, s->arg);
        end_within(s, GRACE_MS);
        return true;
    case LPS__V1__RUNNER_EVENT__BODY_FAILURE:
        fail(s, xstrdup(msg->failure));
        end_within(s, GRACE_MS);
        return true;
    default:
        return false;
    }
}

// Whether there was a frame.
static bool take_frames(struct spawn *s)
{
    const uint8_t *bytes;
    size_t len;
    bool any = false;
    int r = 0;

    while (s->failure == NULL && (r = frame_next(&s->frame, &bytes, &len)) == 0) {
        Lps__V1__RunnerEvent *msg = lps__v1__runner_event__unpack(NULL, len, bytes);
        bool ok = msg != NULL && take_event(s, msg);
        if (msg != NULL)
            lps__v1__runner_event__free_unpacked(msg, NULL);
        if (!ok)
            bad_frame(s, len);
        any = true;
    }
    if (r == -EMSGSIZE)
        bad_frame(s, s->frame.in.len - s->frame.in_used);
    return any;
}

// false: nothing more to read now.
static bool read_some(struct spawn *s)
{
    int r = frame_fill(&s->frame);
    bool any = take_frames(s);

    if (r < 0 && !event_pending(s->overdue, EV_TIMEOUT, NULL))
        end_within(s, GRACE_MS);
    if (r < 0 || s->failure != NULL)
        event_del(s->readable);
    return r == 0 && any && s->failure == NULL;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    read_some(arg);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct spawn *s = arg;

    (void)fd;
    (void)what;
    // Other errors: its exit says why.
    if (frame_flush(&s->frame) == -EAGAIN)
        event_add(s->writable, NULL);
}

// What is sent is within the limits of a plan and its files, which a frame holds.
static void send_command(struct spawn *s, const Lps__V1__RunnerCommand *msg)
{
    int r = frame_queue(&s->frame, &msg->base);

    assert(r == 0);
    (void)r;
    on_writable(s->frame.fd, EV_WRITE, s);
}

static void tell_more_warnings(const struct spawn *s)
{
    if (s->n_warnings <= SPAWN_WARNINGS_MAX)
        return;
    char *text =
        xasprintf("%" PRIu64 " more warnings were not shown", s->n_warnings - SPAWN_WARNINGS_MAX);
    s->ops->on_warning(text, s->arg);
    free(text);
}

static void on_exited(evutil_socket_t fd, short what, void *arg)
{
    struct spawn *s = arg;
    int status;

    (void)fd;
    (void)what;
    if (waitpid(s->pid, &status, WNOHANG) != s->pid)
        return;
    s->is_reaped = true;
    event_del(s->exited);
    event_del(s->writable);
    while (s->failure == NULL && read_some(s))
        ; // what it wrote before it went
    event_del(s->readable);
    event_del(s->overdue);
    if (WIFSIGNALED(status))
        fail(s, xasprintf("runner killed by signal %d (%s)", WTERMSIG(status),
                          strsignal(WTERMSIG(status))));
    else if (WEXITSTATUS(status) != 0)
        fail(s, xasprintf("runner exited with code %d", WEXITSTATUS(status)));
    else if (!s->got_fin)
        fail(s, xstrdup("runner ended without its totals"));
    tell_more_warnings(s);
    s->ops->on_exit(s->failure, s->arg);
}

static int start_process(int child_fd, pid_t *ret_pid)
{
    const char *path = spawn_runner_path();
    char *argv[] = {(char *)path, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, defaults;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, child_fd, CHILD_FD);
    posix_spawn_file_actions_addclosefrom_np(&actions, CHILD_FD + 1);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    sigfillset(&defaults);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    // A process group of its own: Ctrl-C on a terminal is for lps, which then drains the runner.
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                        POSIX_SPAWN_SETPGROUP);
    int r = posix_spawn(ret_pid, path, &actions, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

int spawn_start(struct event_base *base, const Lps__V1__RunnerStart *start,
                const struct spawn_ops *ops, void *arg, struct spawn **ret_spawn)
{
    int pair[2], pidfd, r;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    // dup2 of 3 onto 3 would keep CLOEXEC.
    if (pair[1] == CHILD_FD) {
        pair[1] = fcntl(CHILD_FD, F_DUPFD_CLOEXEC, CHILD_FD + 1);
        close(CHILD_FD);
    }
    r = start_process(pair[1], &pid);
    close(pair[1]);
    if (r < 0) {
        close(pair[0]);
        return r;
    }

    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        r = -errno;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        close(pair[0]);
        return r;
    }

    evutil_make_socket_nonblocking(pair[0]);
    struct spawn *s = xcalloc(1, sizeof *s);
    *s = (struct spawn){
        .ops = ops, .arg = arg, .pid = pid, .frame = {.fd = pair[0]}, .pidfd = pidfd};
    s->drain_ms = start->drain_ms;
    s->readable = event_new(base, pair[0], EV_READ | EV_PERSIST, on_readable, s);
    s->writable = event_new(base, pair[0], EV_WRITE, on_writable, s);
    s->exited = event_new(base, s->pidfd, EV_READ | EV_PERSIST, on_exited, s);
    s->overdue = evtimer_new(base, on_overdue, s);
    event_add(s->readable, NULL);
    event_add(s->exited, NULL);

    Lps__V1__RunnerCommand msg = LPS__V1__RUNNER_COMMAND__INIT;
    msg.body_case = LPS__V1__RUNNER_COMMAND__BODY_START;
    msg.start = (Lps__V1__RunnerStart *)start;
    send_command(s, &msg);
    *ret_spawn = s;
    return 0;
}

void spawn_end(struct spawn *s, uint32_t series)
{
    Lps__V1__RunnerCommand msg = LPS__V1__RUNNER_COMMAND__INIT;
    Lps__V1__RunnerEnd end = LPS__V1__RUNNER_END__INIT;

    if (s->is_reaped)
        return;
    end.series = series;
    msg.body_case = LPS__V1__RUNNER_COMMAND__BODY_END;
    msg.end = &end;
    send_command(s, &msg);
}

void spawn_stop(struct spawn *s, bool abort)
{
    Lps__V1__RunnerCommand msg = LPS__V1__RUNNER_COMMAND__INIT;
    Lps__V1__RunnerStop stop = LPS__V1__RUNNER_STOP__INIT;

    if (s->is_reaped)
        return;
    stop.abort = abort;
    msg.body_case = LPS__V1__RUNNER_COMMAND__BODY_STOP;
    msg.stop = &stop;
    send_command(s, &msg);
    end_within(s, GRACE_MS + (abort ? 0 : (uint64_t)s->drain_ms));
}

pid_t spawn_pid(const struct spawn *s)
{
    return s->pid;
}

void spawn_free(struct spawn *s)
{
    if (s == NULL)
        return;
    if (!s->is_reaped) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    event_free(s->readable);
    event_free(s->writable);
    event_free(s->exited);
    event_free(s->overdue);
    close(s->frame.fd);
    close(s->pidfd);
    frame_done(&s->frame);
    free(s->failure);
    free(s);
}
