// lps-workerd: takes submissions on a unix socket, follows the master's state, supervises the
// runner.
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <event2/event.h>

#include "common/conf.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/rpc.h"
#include "common/str.h"
#include "worker/daemon/control.h"
#include "worker/daemon/jobs.h"

#define SOCKET_DEFAULT "/run/lps/workerd.sock"

enum { EXIT_BAD_USAGE = 2 };

struct options {
    const char *config; // NULL: the default, which may be missing
    const char *socket; // NULL: not named
    bool check, print;
};

struct workerd {
    const struct options *options;
    struct conf *conf;
    struct event_base *base;
    struct daemon *daemon;
};

static const char usage[] =
    "usage: lps-workerd [-c FILE] [-s PATH] [-n | -nv]\n"
    "  -c, --config FILE   settings, default " CONF_PATH_DEFAULT "\n"
    "  -s, --socket PATH   unix socket for lps, default systemd's, else $LPS_SOCKET,\n"
    "                      else $RUNTIME_DIRECTORY/workerd.sock, else " SOCKET_DEFAULT "\n"
    "  -n                  check the settings and exit; -nv prints what would hold\n"
    "  -h, --help          this text\n"
    "  -V, --version       the version\n";

// -1: go on; else the exit code.
static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"socket", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int letter;

    while ((letter = getopt_long(argc, argv, "c:s:nvhV", longs, NULL)) != -1) {
        switch (letter) {
        case 'c':
            o->config = optarg;
            break;
        case 's':
            o->socket = optarg;
            break;
        case 'n':
            o->check = true;
            break;
        case 'v':
            o->print = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        case 'V':
            puts("lps-workerd " LPS_VERSION);
            return 0;
        default:
            fputs(usage, stderr);
            return EXIT_BAD_USAGE;
        }
    }
    if (optind < argc || (o->print && !o->check)) {
        fputs(usage, stderr);
        return EXIT_BAD_USAGE;
    }
    return -1;
}

static void print_diag(const struct diag *d)
{
    char *text = diag_format(d);

    fputs(text, stderr);
    free(text);
}

// 0, or the exit code: what is wrong was said.
static int load_settings(const char *named, struct conf **ret_conf)
{
    struct diag d = {0};
    int r = conf_load_or_default(named, &d, ret_conf);

    if (d.n > 0)
        print_diag(&d);
    else if (r < 0)
        fprintf(stderr, "%s: %s\n", d.file, strerror(-r));
    diag_done(&d);
    return r < 0 ? EXIT_BAD_USAGE : 0;
}

// Where the master is, and that plain text off loopback is for who asked for it.
static int check_address(const struct conf *conf)
{
    const char *host = conf->cluster.master_node_ip;

    if (conf->cluster.grpc_port == 0) {
        fputs("Cluster.GRPCPort is 0: a worker needs to know the master's port\n", stderr);
        return EXIT_BAD_USAGE;
    }
    if (conf_is_loopback(host) || conf->cluster.insecure)
        return 0;
    fprintf(stderr,
            "Cluster.MasterNodeIP %s is not on this host, and the connection is not encrypted: "
            "set Cluster.Insecure to true to connect all the same\n",
            host);
    return EXIT_BAD_USAGE;
}

static void log_notices(const struct conf *conf)
{
    const char *host = conf->cluster.master_node_ip;

    if (!conf_is_loopback(host))
        log_warning("Cluster.Insecure: everything to and from %s is plain text, and anybody on "
                    "the way can read and change it",
                    host);
    if (conf->ignored != NULL)
        log_info("settings without effect: %s", conf->ignored);
}

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

    if (load_settings(w->options->config, &conf) != 0) {
        log_error("the settings have errors: those from before hold on");
        return;
    }
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
static char *socket_path(const struct options *o)
{
    const char *named = o->socket != NULL ? o->socket : getenv("LPS_SOCKET");
    const char *runtime = getenv("RUNTIME_DIRECTORY");

    if (named != NULL && named[0] != '\0')
        return xstrdup(named);
    if (runtime != NULL && runtime[0] != '\0')
        return xasprintf("%s/workerd.sock", runtime);
    return xstrdup(SOCKET_DEFAULT);
}

static int listen_api(struct control *control, const struct options *o)
{
    int fd = o->socket == NULL ? daemon_listen_fd("api") : -1;
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

static int serve(const struct options *o, struct conf *conf)
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
    struct options o = {0};
    struct conf *conf = NULL;
    int code = parse_options(argc, argv, &o);

    if (code >= 0)
        return code;
    code = load_settings(o.config, &conf);
    if (code == 0)
        code = check_address(conf);
    if (code != 0) {
        conf_free(conf);
        return code;
    }
    if (o.check) {
        char *text = o.print ? conf_format(conf) : xstrdup("");
        fputs(text, stdout);
        free(text);
    } else {
        log_open("lps-workerd", conf->logger.console_level);
        log_notices(conf);
        code = serve(&o, conf);
        log_close();
    }
    conf_free(conf);
    return code;
}
