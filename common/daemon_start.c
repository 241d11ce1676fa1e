#include "common/daemon.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/str.h"

enum { BAD_USAGE = 2 };

static int refuse_usage(const struct daemon_program *p)
{
    fputs(p->usage, stderr);
    return BAD_USAGE;
}

// -1: go on; else the exit code.
static int parse_options(const struct daemon_program *p, int argc, char **argv,
                         struct daemon_options *o)
{
    const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {p->path_option, required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {p->flag_option, no_argument, NULL, 'f'}, // without a name it is the end
        {0},
    };
    int letter;

    while ((letter = getopt_long(argc, argv, "c:s:nvhV", longs, NULL)) != -1) {
        switch (letter) {
        case 'c':
            o->config = optarg;
            break;
        case 's':
            o->path = optarg;
            break;
        case 'n':
            o->check = true;
            break;
        case 'v':
            o->print = true;
            break;
        case 'f':
            o->flag = true;
            break;
        case 'h':
            fputs(p->usage, stdout);
            return EXIT_SUCCESS;
        case 'V':
            printf("%s " LPS_VERSION "\n", p->name);
            return EXIT_SUCCESS;
        default:
            return refuse_usage(p);
        }
    }
    return optind < argc || (o->print && !o->check) ? refuse_usage(p) : -1;
}

// 0, or -errno with what is wrong in *ret_text, which the caller frees.
static int load_settings(const char *named, struct conf **ret_conf, char **ret_text)
{
    struct diag d = {0};
    int r = conf_load_or_default(named, &d, ret_conf);

    if (d.n > 0)
        *ret_text = diag_format(&d);
    else if (r < 0)
        *ret_text = xasprintf("%s: %s\n", d.file, strerror(-r));
    diag_done(&d);
    return r;
}

// What makes settings useless that are right each by itself; NULL: nothing. The caller frees.
static char *find_fault(const struct daemon_program *p, const struct conf *conf)
{
    const char *host = conf->cluster.master_node_ip;

    if (!p->is_master && conf->cluster.grpc_port == 0)
        return xstrdup("Cluster.GRPCPort is 0: a worker needs to know the master's port\n");
    if (conf_is_loopback(host) || conf->cluster.insecure)
        return NULL;
    return xasprintf("Cluster.MasterNodeIP %s is not on this host's loopback, and nothing is "
                     "encrypted: set Cluster.Insecure to true to use it all the same\n",
                     host);
}

static void log_notices(const struct conf *conf)
{
    const char *host = conf->cluster.master_node_ip;

    if (!conf_is_loopback(host))
        log_warning("Cluster.Insecure: everything to and from the master on %s is plain text, and "
                    "anybody who reaches it or is on the way can read and change it",
                    host);
    if (conf->ignored != NULL)
        log_info("settings without effect: %s", conf->ignored);
}

int daemon_start(const struct daemon_program *p, int argc, char **argv,
                 struct daemon_options *ret_options, struct conf **ret_conf)
{
    struct daemon_options o = {0};
    struct conf *conf = NULL;
    char *fault = NULL, *text;
    int code = parse_options(p, argc, argv, &o);

    if (code >= 0)
        return code;
    if (load_settings(o.config, &conf, &fault) == 0)
        fault = find_fault(p, conf);
    if (fault == NULL && !o.check) {
        log_open(p->name, conf->logger.console_level);
        log_notices(conf);
        *ret_options = o;
        *ret_conf = conf;
        return -1;
    }
    text = fault == NULL && o.print ? conf_format(conf) : xstrdup("");
    fputs(text, stdout);
    fputs(fault != NULL ? fault : "", stderr);
    code = fault != NULL ? BAD_USAGE : EXIT_SUCCESS;
    free(text);
    free(fault);
    conf_free(conf);
    return code;
}

int daemon_reload(const struct daemon_options *options, struct conf **ret_conf)
{
    char *text = NULL;
    int r = load_settings(options->config, ret_conf, &text);

    if (r < 0)
        log_error("the settings have errors, and those from before hold on: %s", text);
    free(text);
    return r;
}
