// lps-masterd: settings, store, streams, dashboard, and the loop under them.
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
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

struct options {
    const char *config; // NULL: the default, if it is there
    const char *state_dir;
    bool check, print;
};

struct program {
    struct options options;
    struct conf *conf;
    struct event_base *base;
    struct master master;
};

static void print_usage(FILE *out)
{
    fputs("usage: lps-masterd [-n | -nv] [-c FILE] [--state-dir DIR]\n"
          "\n"
          "  -c, --config FILE    settings, " CONF_PATH_DEFAULT " by default\n"
          "      --state-dir DIR  where the database is, $STATE_DIRECTORY or " STATE_DIR "\n"
          "                       by default\n"
          "  -n                   check the settings and exit\n"
          "  -v                   with -n: print the settings that would hold\n"
          "      --help, --version\n",
          out);
}

// Whether to go on; else the exit code is in *ret_code.
static bool parse_options(int argc, char **argv, struct options *o, int *ret_code)
{
    enum { STATE_DIR_OPTION = 256, HELP, VERSION };
    static const struct option names[] = {{"config", required_argument, NULL, 'c'},
                                          {"state-dir", required_argument, NULL, STATE_DIR_OPTION},
                                          {"help", no_argument, NULL, HELP},
                                          {"version", no_argument, NULL, VERSION},
                                          {0}};
    int c;

    while ((c = getopt_long(argc, argv, "c:nv", names, NULL)) != -1) {
        switch (c) {
        case 'c':
            o->config = optarg;
            break;
        case STATE_DIR_OPTION:
            o->state_dir = optarg;
            break;
        case 'n':
            o->check = true;
            break;
        case 'v':
            o->print = true;
            break;
        case HELP:
            print_usage(stdout);
            *ret_code = 0;
            return false;
        case VERSION:
            puts("lps-masterd " LPS_VERSION);
            *ret_code = 0;
            return false;
        default:
            print_usage(stderr);
            *ret_code = 2;
            return false;
        }
    }
    if (optind < argc || (o->print && !o->check)) {
        print_usage(stderr);
        *ret_code = 2;
        return false;
    }
    return true;
}

// 0, or -errno with what is wrong in *ret_text, which the caller frees.
static int load_settings(const char *path, struct conf **ret_conf, char **ret_text)
{
    struct diag d = {0};
    int r = conf_load_or_default(path, &d, ret_conf);

    if (r == -EINVAL)
        *ret_text = diag_format(&d);
    else if (r < 0)
        *ret_text = xasprintf("%s: %s\n", d.file, strerror(-r));
    diag_done(&d);
    return r;
}

static bool is_allowed(const struct conf *conf)
{
    if (conf_is_loopback(conf->cluster.master_node_ip))
        return true;
    if (!conf->cluster.insecure) {
        log_error("Cluster.MasterNodeIP is %s: gRPC in plain text is refused off this host's "
                  "loopback as long as Cluster.Insecure is not true",
                  conf->cluster.master_node_ip);
        return false;
    }
    log_warning("INSECURE: gRPC on %s is in plain text and open to whoever reaches it "
                "(Cluster.Insecure is true)",
                conf->cluster.master_node_ip);
    return true;
}

// The caller frees. systemd separates several directories by colons.
static char *choose_state_dir(const struct options *o)
{
    const char *given = getenv("STATE_DIRECTORY");

    if (o->state_dir != NULL)
        return xstrdup(o->state_dir);
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
              cluster_is_open(m->cluster) ? " with a run open, which fails" : "");
    daemon_stopping(m->daemon);
    if (m->web != NULL)
        web_stop(m->web);
    service_close(m->service, on_all_closed, p);
}

static void on_reload(void *arg)
{
    struct program *p = arg;
    struct conf *conf = NULL;
    char *text = NULL;

    if (load_settings(p->options.config, &conf, &text) < 0) {
        log_error("settings are kept, the file is wrong: %s", text);
    } else {
        master_configure(&p->master, conf);
        log_info("settings reloaded");
    }
    free(text);
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
    char *text = NULL;
    int code = 0;

    if (!parse_options(argc, argv, &p.options, &code))
        return code;
    if (load_settings(p.options.config, &p.conf, &text) < 0) {
        fputs(text, stderr);
        free(text);
        return 2;
    }
    if (p.options.check) {
        text = p.options.print ? conf_format(p.conf) : NULL;
        if (text != NULL)
            puts(text);
        free(text);
        conf_free(p.conf);
        return 0;
    }
    log_open("lps-masterd", p.conf->logger.console_level);
    // Windows come and go each second: without this every decode returns its pages to the kernel
    // and faults them in again, 100 times the cost of the decoding (measured with 1,000 workers).
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    if (p.conf->ignored != NULL)
        log_info("settings without effect here: %s", p.conf->ignored);
    code = !is_allowed(p.conf) || serve(&p) < 0 ? 1 : 0;
    log_close();
    conf_free(p.conf);
    return code;
}
