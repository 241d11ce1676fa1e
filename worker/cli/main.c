// lps: tests an HTTP server from the command line, by the cluster or by this host alone.
#include <stdio.h>

#include <curl/curl.h>

#include "common/result.h"
#include "common/str.h"
#include "worker/cli/cluster.h"
#include "worker/cli/help.h"
#include "worker/cli/local.h"
#include "worker/cli/options.h"
#include "worker/cli/plan_build.h"
#include "worker/cli/remote.h"
#include "worker/cli/screen.h"

static int test(const struct options *o)
{
    struct diag d = {0};
    struct plan_build b;
    int code = RESULT_USAGE;

    if (plan_build(o, &d, &b) < 0)
        screen_diag(&d);
    else
        code = o->value[OPTIONS_LOCAL].flag ? local_test(o, &b) : remote_test(o, &b);
    plan_build_done(&b);
    diag_done(&d);
    return code;
}

static int (*const run_command[OPTIONS_COMMAND__COUNT])(const struct options *o) = {
    [OPTIONS_TEST] = test,
    [OPTIONS_STATUS] = remote_status,
    [OPTIONS_CANCEL] = remote_cancel,
    [OPTIONS_CLUSTER] = cluster_command,
    [OPTIONS_CLUSTER_READY] = remote_cluster_ready,
};

static int show_help(const struct options *o)
{
    struct buf out = {0};

    if (options_given(o, OPTIONS_VERSION))
        buf_puts(&out, "lps " LPS_VERSION "\n");
    else if (options_given(o, OPTIONS_HELP_MDOC))
        help_mdoc(&out);
    else
        help_command(o->command, &out);
    screen_print("%s", out.data);
    buf_done(&out);
    return RESULT_PASSED;
}

static int no_arguments(void)
{
    struct buf out = {0};

    help_short(&out);
    fputs(out.data, stderr);
    buf_done(&out);
    return RESULT_USAGE;
}

int main(int argc, char **argv)
{
    struct options o;
    struct diag d = {0};
    int code = RESULT_USAGE;

    if (argc < 2)
        return no_arguments();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (options_parse(argc - 1, argv + 1, &d, &o) < 0)
        screen_diag(&d);
    else if (options_is_help(&o))
        code = show_help(&o);
    else
        code = run_command[o.command](&o);
    options_done(&o);
    diag_done(&d);
    curl_global_cleanup();
    return code;
}
