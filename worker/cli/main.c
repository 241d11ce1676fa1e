// lps: tests an HTTP server from the command line, by the cluster or by this host alone.
#include <stdio.h>

#include <curl/curl.h>

#include "common/result.h"
#include "common/script/method_page.h"
#include "common/str.h"
#include "worker/cli/author.h"
#include "worker/cli/completion.h"
#include "worker/cli/help.h"
#include "worker/cli/options.h"
#include "worker/cli/remote.h"
#include "worker/cli/run.h"
#include "worker/cli/screen.h"
#include "worker/cli/settings.h"

static int completion(const struct options *o)
{
    struct buf out = {0};
    int code = RESULT_PASSED;

    if (completion_script(o->argument, &out) == 0) {
        screen_print("%s", out.data);
    } else {
        screen_error("completion %s: expected bash, zsh or fish", o->argument);
        code = RESULT_USAGE;
    }
    buf_done(&out);
    return code;
}

static int (*const run_command[OPTIONS_COMMAND__COUNT])(const struct options *o) = {
    [OPTIONS_TEST] = run_inline,
    [OPTIONS_RUN] = run_file,
    [OPTIONS_VALIDATE] = run_validate,
    [OPTIONS_STATUS] = remote_status,
    [OPTIONS_CANCEL] = remote_cancel,
    [OPTIONS_RUNS] = remote_runs,
    [OPTIONS_SHOW] = remote_show,
    [OPTIONS_ATTACH] = remote_attach,
    [OPTIONS_CREATE] = author_edit,
    [OPTIONS_ROUND] = author_edit,
    [OPTIONS_ITERATION] = author_edit,
    [OPTIONS_ITERATION_REF] = author_edit,
    [OPTIONS_CAPTURE] = author_edit,
    [OPTIONS_VARIABLE] = author_edit,
    [OPTIONS_RECORD] = author_record,
    [OPTIONS_CLUSTER] = settings_command,
    [OPTIONS_CLUSTER_READY] = remote_cluster_ready,
    [OPTIONS_LOGGER] = settings_command,
    [OPTIONS_HTTPCLIENT] = settings_command,
    [OPTIONS_WATCHDOG] = settings_command,
    [OPTIONS_DASHBOARD] = settings_command,
    [OPTIONS_INFLUXDB] = settings_command,
    [OPTIONS_COMPLETION] = completion,
};

static int show_help(const struct options *o)
{
    struct buf out = {0};

    if (options_given(o, OPTIONS_VERSION))
        buf_puts(&out, "lps " LPS_VERSION "\n");
    else if (options_given(o, OPTIONS_HELP_METHODS))
        method_page(&out);
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
