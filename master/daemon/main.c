// lps-masterd: settings, store, streams, dashboard, and the loop under them.
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/conf.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/str.h"

#include "master/daemon/master.h"
#include "master/daemon/service.h"
#include "master/daemon/web.h"

#define STATE_DIR "/var/lib/lps/master"

struct program {
    struct daemon_options options;
    struct conf *conf;
    struct event_base *base;
    struct master master;
};

static const struct daemon_program about = {
    .name = "lps-masterd",
    .path_option = "state-dir",
    .flag_option = "check-store",
    .usage = "usage: lps-masterd [-c FILE] [-s DIR] [-n | -nv | --check-store]\n"
             "  -c, --config FILE    settings, default " CONF_PATH_DEFAULT "\n"
             "  -s, --state-dir DIR  where the database is, default $STATE_DIRECTORY,\n"
             "                       else " STATE_DIR "\n"
             "  -n                   check the settings and exit; -nv prints what would hold\n"
             "  --check-store        say whether the database is sound, and exit\n"
             "  -h, --help           this text\n"
             "  -V, --version        the version\n",
    .is_master = true,
};

// The caller frees. systemd separates several directories by colons.
static char *choose_state_dir(const struct daemon_options *o)
{
    const char *given = getenv("STATE_DIRECTORY");

    if (o->path != NULL)
        return xstrdup(o->path);
    if (given == NULL || *given == '\0')
        return xstrdup(STATE_DIR);
    return xstrndup(given, strcspn(given, ":"));
}

// --- Signals ---

static void on_all_closed(void *arg)
{
    struct program *p = arg;

    event_base_loopbreak(p->base);
}

static void on_stop(void *arg)
{
    struct program *p = arg;
    struct master *m = &p->master;
    const struct log_fields fields = {.event = "stopping"};

    log_event(LOG_INFO, &fields, "stopping%s",
              cluster_is_open(m->cluster) ? " with a run open; it goes on when the master is back"
                                          : "");
    daemon_stopping(m->daemon);
    if (m->web != NULL)
        web_stop(m->web);
    service_close(m->service, on_all_closed, p);
}

static void on_reload(void *arg)
{
    struct program *p = arg;
    struct conf *conf = NULL;

    if (daemon_reload(&p->options, &conf) < 0)
        return;
    master_configure(&p->master, conf);
    log_info("settings reloaded");
    conf_free(conf);
}

// --- Starting ---

static int listen_all(struct master *m)
{
    const struct log_fields fields = {.event = "started"};
    const char *host = m->conf->cluster.master_node_ip;
    char *address = conf_master_address(m->conf), err[256] = "";
    uint16_t grpc_port = 0, web_port = 0;

    int r = service_open(m, address, &grpc_port, err, sizeof err, &m->service);
    if (r < 0)
        log_error("gRPC on %s: %s", address, err);
    free(address);
    if (r == 0 && m->conf->dashboard.enabled) {
        r = web_open(m, (uint16_t)m->conf->dashboard.port, &web_port, &m->web);
        if (r < 0)
            log_error("dashboard on 127.0.0.1:%d: %s", (int)m->conf->dashboard.port, strerror(-r));
    }
    if (r < 0)
        return r;
    bool v6 = strchr(host, ':') != NULL;
    char *dashboard =
        m->web == NULL ? xstrdup("") : xasprintf(", dashboard http://127.0.0.1:%u/", web_port);
    log_event(LOG_INFO, &fields, "listening: gRPC %s%s%s:%u%s", v6 ? "[" : "", host, v6 ? "]" : "",
              grpc_port, dashboard);
    free(dashboard);
    return 0;
}

static int check_store(const struct program *p)
{
    char *dir = choose_state_dir(&p->options);
    int r = store_check(dir);

    free(dir);
    return r;
}

static int serve(struct program *p)
{
    struct master *m = &p->master;
    char err[256] = "", *dir = choose_state_dir(&p->options);

    p->base = event_base_new();
    int r = master_open(m, p->base, p->conf, dir, err, sizeof err);
    free(dir);
    if (r < 0) {
        log_error("%s", err);
        event_base_free(p->base);
        return r;
    }
    m->daemon = daemon_new(p->base, on_stop, on_reload, p);
    r = listen_all(m);
    if (r == 0)
        daemon_ready(m->daemon);
    else
        service_close(m->service, on_all_closed, p);
    event_base_dispatch(p->base);
    daemon_free(m->daemon);
    master_close(m);
    event_base_free(p->base);
    return r;
}

int main(int argc, char **argv)
{
    struct program p = {0};
    int code = daemon_start(&about, argc, argv, &p.options, &p.conf);

    if (code >= 0)
        return code;
    // Windows come and go each second: without this every decode returns its pages to the kernel
    // and faults them in again, 100 times the cost of the decoding (measured with 1,000 workers).
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    code = (p.options.flag ? check_store(&p) : serve(&p)) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    log_close();
    conf_free(p.conf);
    return code;
}
