// lps-workerd: takes submissions on a unix socket, follows the master's state, supervises the
// runner.
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/conf.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/rpc.h"
#include "common/str.h"
#include "worker/daemon/control.h"
#include "worker/daemon/jobs.h"

#define SOCKET_DEFAULT "/run/lps/workerd.sock"

struct workerd {
    const struct daemon_options *options;
    struct conf *conf;
    struct event_base *base;
    struct daemon *daemon;
};

static const struct daemon_program program = {
    .name = "lps-workerd",
    .path_option = "socket",
    .usage = "usage: lps-workerd [-c FILE] [-s PATH] [-n | -nv]\n"
             "  -c, --config FILE   settings, default " CONF_PATH_DEFAULT "\n"
             "  -s, --socket PATH   unix socket for lps, default systemd's, else $LPS_SOCKET,\n"
             "                      else $RUNTIME_DIRECTORY/workerd.sock, else " SOCKET_DEFAULT "\n"
             "  -n                  check the settings and exit; -nv prints what would hold\n"
             "  -h, --help          this text\n"
             "  -V, --version       the version\n",
};

static void on_stop(void *arg)
{
    struct workerd *w = arg;

    daemon_stopping(w->daemon);
    event_base_loopexit(w->base, NULL);
}

static void on_reload(void *arg)
{
    struct workerd *w = arg;
    struct conf *conf = NULL;

    if (daemon_reload(w->options, &conf) < 0)
        return;
    conf_take_reloadable(w->conf, conf);
    log_set_max_priority(w->conf->logger.console_level);
    conf_free(conf);
    log_info("settings read again, for the submissions from now on");
}

static void on_status(const char *status, void *arg)
{
    struct workerd *w = arg;

    daemon_status(w->daemon, "%s", status);
}

// The caller frees.
static char *socket_path(const struct daemon_options *o)
{
    const char *named = o->path != NULL ? o->path : getenv("LPS_SOCKET");
    const char *runtime = getenv("RUNTIME_DIRECTORY");

    if (named != NULL && named[0] != '\0')
        return xstrdup(named);
    if (runtime != NULL && runtime[0] != '\0')
        return xasprintf("%s/workerd.sock", runtime);
    return xstrdup(SOCKET_DEFAULT);
}

static int listen_api(struct control *control, const struct daemon_options *o)
{
    int fd = o->path == NULL ? daemon_listen_fd("api") : -1;
    char *path = fd < 0 ? socket_path(o) : NULL;
    int r = control_listen(control, fd, path);

    if (r < 0)
        log_error("cannot listen on %s: %s", fd < 0 ? path : "the socket from systemd",
                  strerror(-r));
    else
        log_info("listening on %s", fd < 0 ? path : "the socket from systemd");
    free(path);
    return r;
}

static int serve(const struct daemon_options *o, struct conf *conf)
{
    struct workerd w = {.options = o, .conf = conf, .base = event_base_new()};

    w.daemon = daemon_new(w.base, on_stop, on_reload, &w);
    struct rpc_loop *loop = rpc_loop_new(w.base);
    struct jobs *jobs = jobs_new(w.base, loop, conf, on_status, &w);
    struct control *control = control_new(w.base, jobs, conf->cluster.node_name);
    int r = listen_api(control, o);

    if (r == 0) {
        daemon_ready(w.daemon);
        event_base_dispatch(w.base);
        log_info("stopping");
    }
    control_free(control);
    jobs_free(jobs);
    rpc_loop_free(loop);
    daemon_free(w.daemon);
    event_base_free(w.base);
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct daemon_options o;
    struct conf *conf;
    int code = daemon_start(&program, argc, argv, &o, &conf);

    if (code >= 0)
        return code;
    code = serve(&o, conf);
    log_close();
    conf_free(conf);
    return code;
}
