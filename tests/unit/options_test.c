#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "common/str.h"
#include "worker/cli/help.h"
#include "worker/cli/options.h"

#define ARGS_MAX 250

static struct options options;

static int parse(struct diag *d, const char *const *words)
{
    char *argv[ARGS_MAX];
    int argc = 0;

    for (; words[argc] != NULL; argc++)
        argv[argc] = (char *)words[argc];
    return options_parse(argc, argv, d, &options);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

// Parses and keeps the result in options, until the next accepts or refuses.
#define accepts(...)                               \
    do {                                           \
        struct diag d_ = {0};                      \
        options_done(&options);                    \
        int r_ = parse(&d_, WORDS(__VA_ARGS__));   \
        if (r_ < 0)                                \
            print_error("%s\n", d_.entry[0].text); \
        diag_done(&d_);                            \
        assert_int_equal(r_, 0);                   \
    } while (0)

#define refuses(message, ...)                            \
    do {                                                 \
        struct diag d_ = {0};                            \
        options_done(&options);                          \
        assert_true(parse(&d_, WORDS(__VA_ARGS__)) < 0); \
        assert_int_equal(d_.n, 1);                       \
        assert_string_equal(d_.entry[0].text, message);  \
        diag_done(&d_);                                  \
    } while (0)

static const char *text(enum options_id id)
{
    return options_text(&options, id, "none");
}

static void long_options_are_found_in_any_case(void **state)
{
    (void)state;
    accepts("--requestcount", "7");
    assert_int_equal(options.value[OPTIONS_REQUEST_COUNT].count, 7);
    accepts("--REQUESTCOUNT", "7");
    accepts("--requestCount", "7");
    assert_int_equal(options.value[OPTIONS_REQUEST_COUNT].count, 7);
    accepts("--METHOD", "PUT");
    assert_string_equal(text(OPTIONS_METHOD), "PUT");
    accepts("--httpmethod", "PUT");
    assert_string_equal(text(OPTIONS_METHOD), "PUT");
}

static void short_options_keep_their_case(void **state)
{
    (void)state;
    accepts("-rc", "7");
    refuses("-RC: unknown option, did you mean -rc?", "-RC", "7");
}

static void a_value_may_follow_an_equals_sign_or_a_colon(void **state)
{
    (void)state;
    accepts("-rc=7", "--url:http://a/?b=c", "-p=a:b=c");
    assert_int_equal(options.value[OPTIONS_REQUEST_COUNT].count, 7);
    assert_string_equal(text(OPTIONS_URL), "http://a/?b=c");
    assert_string_equal(text(OPTIONS_PAYLOAD), "a:b=c");
    accepts("-p:Path:body.json");
    assert_string_equal(text(OPTIONS_PAYLOAD), "Path:body.json");
}

static void a_value_in_the_next_word_is_taken_whole(void **state)
{
    (void)state;
    accepts("-u", "http://127.0.0.1:8080/a=b", "-p", "Path:body.json", "-h",
            "https://www.example.com", "-n", "");
    assert_string_equal(text(OPTIONS_URL), "http://127.0.0.1:8080/a=b");
    assert_string_equal(text(OPTIONS_PAYLOAD), "Path:body.json");
    assert_string_equal(text(OPTIONS_HEADER), "https://www.example.com");
    assert_string_equal(text(OPTIONS_NAME), "");
}

static void an_empty_value_after_the_sign_is_a_value(void **state)
{
    (void)state;
    accepts("-p=", "-u", "x");
    assert_true(options_given(&options, OPTIONS_PAYLOAD));
    assert_string_equal(text(OPTIONS_PAYLOAD), "");
    assert_string_equal(text(OPTIONS_URL), "x");
}

static void a_value_that_begins_with_a_dash_is_taken_unless_it_is_an_option(void **state)
{
    (void)state;
    accepts("-p", "--boundary");
    assert_string_equal(text(OPTIONS_PAYLOAD), "--boundary");
    refuses("-p: the value is missing, expected -p TEXT; see lps --help", "-p", "-rc", "3");
    refuses("-p: the value is missing, expected -p TEXT; see lps --help", "-p", "--url=x");
    accepts("-p=-rc");
    assert_string_equal(text(OPTIONS_PAYLOAD), "-rc");
}

static void a_missing_value_is_named(void **state)
{
    (void)state;
    refuses("--url: the value is missing, expected --url URL; see lps --help", "--url");
    refuses("-h: the value is missing, expected -h HEADER; see lps --help", "-h");
}

static void counts_are_whole_numbers_in_their_range(void **state)
{
    (void)state;
#define RANGE "expected a whole number from 1 to 1000000000000"
    refuses("-rc 0: found \"0\", " RANGE, "-rc", "0");
    refuses("-rc -1: found \"-1\", " RANGE, "-rc", "-1");
    refuses("-rc 1e3: found \"1e3\", " RANGE, "-rc", "1e3");
    refuses("-rc : found \"\", " RANGE, "-rc", "");
    refuses("-rc  7: found \" 7\", " RANGE, "-rc", " 7");
    refuses("-rc 1000000000001: found \"1000000000001\", " RANGE, "-rc=1000000000001");
    refuses("-rc 99999999999999999999: found \"99999999999999999999\", " RANGE, "-rc",
            "99999999999999999999");
    accepts("-rc", "1");
    accepts("-rc", "1000000000000");
    assert_int_equal(options.value[OPTIONS_REQUEST_COUNT].count, 1000000000000);
    accepts("-ad", "0");
    refuses("-d 0: found \"0\", expected a whole number from 1 to 31536000", "-d", "0");
    refuses("-nc 1000001: found \"1000001\", expected a whole number from 1 to 1000000", "-nc",
            "1000001");
}

static void seconds_to_wait_may_have_a_fraction(void **state)
{
    (void)state;
    accepts("--wait", "2");
    assert_true(options.value[OPTIONS_WAIT].real == 2.0);
    accepts("--wait", "0.25");
    assert_true(options.value[OPTIONS_WAIT].real == 0.25);
    accepts("--wait", ".5");
    assert_true(options.value[OPTIONS_WAIT].real == 0.5);
    accepts("--wait", "31536000");

    static const char *const bad[] = {"",      "0",   "0.0", "-1", "+1",  "1e1",       ".",
                                      "1.2.3", "inf", "nan", "2s", "0x1", "31536000.1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct diag d = {0};
        options_done(&options);
        assert_true(parse(&d, WORDS("--wait", bad[i])) < 0);
        diag_done(&d);
    }
}

static void rates_may_have_a_fraction(void **state)
{
    (void)state;
    accepts("--rate", "33.333");
    assert_true(options.value[OPTIONS_RATE].real == 33.333);
    accepts("--rate=10000000");
    refuses("--rate 0: found \"0\", expected a number above 0 and up to 10000000", "--rate", "0");
    refuses("--rate 10000000.1: found \"10000000.1\", expected a number above 0 and up to 10000000",
            "--rate", "10000000.1");
    refuses("--rate 1k: found \"1k\", expected a number above 0 and up to 10000000", "--rate",
            "1k");
}

static void a_ramp_may_come_several_times_and_keeps_its_colon(void **state)
{
    (void)state;
    accepts("--ramp", "100:30", "--ramp=0:5", "--ramp:7:8");
    assert_int_equal(options.value[OPTIONS_RAMP].n, 3);
    assert_string_equal(options.value[OPTIONS_RAMP].text[0], "100:30");
    assert_string_equal(options.value[OPTIONS_RAMP].text[1], "0:5");
    assert_string_equal(options.value[OPTIONS_RAMP].text[2], "7:8");
}

static void http2_in_clear_text_has_three_spellings(void **state)
{
    (void)state;
    accepts("-h2c");
    assert_true(options.value[OPTIONS_SUPPORT_H2C].flag);
    assert_false(options_given(&options, OPTIONS_HEADER));
    accepts("-sh2c", "-u", "x");
    assert_true(options.value[OPTIONS_SUPPORT_H2C].flag);
    accepts("--supporth2c=false");
    assert_false(options.value[OPTIONS_SUPPORT_H2C].flag);
    accepts("-ccp", "a.pem", "-ccpw", "pw");
    assert_string_equal(text(OPTIONS_CERTIFICATE_PATH), "a.pem");
    assert_string_equal(text(OPTIONS_CERTIFICATE_PASSWORD), "pw");
}

static void a_flag_alone_is_true_and_takes_only_true_or_false(void **state)
{
    (void)state;
    accepts("cluster", "-miw");
    assert_true(options.value[OPTIONS_MASTER_IS_WORKER].flag);
    accepts("cluster", "-miw", "false", "-gp", "5002");
    assert_false(options.value[OPTIONS_MASTER_IS_WORKER].flag);
    assert_true(options_given(&options, OPTIONS_MASTER_IS_WORKER));
    accepts("cluster", "-miw:TRUE");
    assert_true(options.value[OPTIONS_MASTER_IS_WORKER].flag);
    refuses("-miw 1: found \"1\", expected true or false", "cluster", "-miw=1");
    accepts("--json", "-u", "x");
    assert_true(options.value[OPTIONS_JSON].flag);
}

static void twice_is_once_too_often_but_for_headers(void **state)
{
    const char *words[2 * OPTIONS_REPEATS_MAX + 3] = {NULL};
    struct diag d = {0};

    (void)state;
    refuses("--requestcount: given twice", "-rc", "1", "--requestcount", "1");
    accepts("-h", "A: 1", "--header", "B: 2", "-h=A: 3");
    assert_int_equal(options.value[OPTIONS_HEADER].n, 3);
    assert_string_equal(options.value[OPTIONS_HEADER].text[2], "A: 3");

    for (int i = 0; i < OPTIONS_REPEATS_MAX; i++) {
        words[2 * i] = "-h";
        words[2 * i + 1] = "A: 1";
    }
    options_done(&options);
    assert_int_equal(parse(&d, words), 0);
    words[2 * OPTIONS_REPEATS_MAX] = "-h=A: 1";
    options_done(&options);
    assert_true(parse(&d, words) < 0);
    assert_string_equal(d.entry[0].text, "-h: given more than 100 times");
    diag_done(&d);
}

static void the_nearest_option_is_suggested(void **state)
{
    (void)state;
    refuses("--requestcuont: unknown option, did you mean --requestCount?", "--requestcuont", "7");
    refuses("--zzzzzzzzzzzzz: unknown option; see lps --help", "--zzzzzzzzzzzzz=7");
}

static void an_option_of_another_command_is_told_so(void **state)
{
    (void)state;
    refuses("--url: not an option of \"lps status\"", "status", "--url", "x");
    refuses("-mip: not an option of \"lps\"", "-mip", "x");
    refuses("--wait: not an option of \"lps cluster ready\"", "cluster", "ready", "--wait", "2");
}

static void what_a_test_and_an_iteration_of_a_file_share_has_one_spelling(void **state)
{
    (void)state;
    accepts("-sr", "-dhtmler=false", "--failurerule=ErrorRate > 0.05", "-fr", "TTFB > 5;= 503",
            "-tr", "TTFB > 5;10s", "--thinktime", "20", "--seed", "9223372036854775807");
    assert_true(options.value[OPTIONS_SAVE_RESPONSE].flag);
    assert_false(options.value[OPTIONS_EMBEDDED_RESOURCES].flag);
    assert_int_equal(options.value[OPTIONS_FAILURE_RULE].n, 2);
    assert_string_equal(options.value[OPTIONS_FAILURE_RULE].text[1], "TTFB > 5;= 503");
    assert_string_equal(text(OPTIONS_TERMINATION_RULE), "TTFB > 5;10s");
    assert_int_equal(options.value[OPTIONS_CLIENT_THINK_TIME].count, 20);
    assert_true(options.value[OPTIONS_SEED].count == INT64_MAX);
    accepts("iteration", "a.yaml", "-n", "i", "-sr", "-fr", "ErrorRate > 0.05", "-tr",
            "TTFB > 5;10s", "--thinkTime", "20");
    refuses("--seed -1: found \"-1\", expected a whole number from 0 to 9223372036854775807",
            "--seed", "-1");
}

static void a_plan_file_is_selected_from_alike_by_run_and_validate(void **state)
{
    static const char *const commands[] = {"run", "validate"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        accepts(commands[i], "plan.yaml", "-t", "smoke", "slow", "-e", "prod", "--environment=eu",
                "-rn", "a");
        assert_int_equal(options.value[OPTIONS_RUN_TAG].n, 2);
        assert_int_equal(options.value[OPTIONS_RUN_ENVIRONMENT].n, 2);
        assert_string_equal(options.value[OPTIONS_RUN_ENVIRONMENT].text[1], "eu");
        assert_string_equal(text(OPTIONS_RUN_ROUND), "a");
    }
    refuses("--seed: not an option of \"lps validate\"", "validate", "plan.yaml", "--seed", "1");
    refuses("--environmnet: unknown option, did you mean --environment?", "run", "plan.yaml",
            "--environmnet", "prod");
}

static void a_plan_file_may_come_before_or_behind_its_options(void **state)
{
    (void)state;
    accepts("run", "plan.yaml");
    assert_int_equal(options.command, OPTIONS_RUN);
    assert_string_equal(options.argument, "plan.yaml");
    accepts("run", "-rn", "a", "plan.yaml", "--local");
    assert_string_equal(options.argument, "plan.yaml");
    assert_int_equal(options.value[OPTIONS_RUN_ROUND].n, 1);
    accepts("RUN", "plan.yaml", "-rn", "a", "b", "-rn", "c", "--json", "-rn=d");
    assert_int_equal(options.value[OPTIONS_RUN_ROUND].n, 4);
    assert_string_equal(options.value[OPTIONS_RUN_ROUND].text[1], "b");
    assert_string_equal(options.value[OPTIONS_RUN_ROUND].text[3], "d");
    refuses("b: unexpected after \"lps run\"", "run", "plan.yaml", "b");
    refuses("b: unexpected after \"lps run\"", "run", "plan.yaml", "-rn", "a", "--json", "b");
    refuses("plan.yaml: unexpected, did you mean lps run plan.yaml?", "plan.yaml");
    refuses("dir/plan.JSON: unexpected, did you mean lps run dir/plan.JSON?", "--local",
            "dir/plan.JSON");
    refuses("http://a/b.json: unexpected, did you mean --url http://a/b.json?", "http://a/b.json");
}

static void what_a_command_needs_is_named(void **state)
{
    (void)state;
    refuses("run: FILE is missing, expected lps run FILE", "run");
    refuses("validate: FILE is missing, expected lps validate FILE", "validate");
    refuses("completion: SHELL is missing, expected lps completion SHELL", "completion");
    refuses("create: found no --name, expected -n NAME", "create", "a.yaml");
    refuses("round: found no --name, expected -n NAME", "round", "a.yaml", "-nc", "3");
    refuses("iteration ref: found no --roundName, expected -rn NAME", "iteration", "ref", "a.yaml",
            "-n", "x");
    refuses("capture: found no --to, expected --to NAME", "capture", "a.yaml", "-in", "x");
    refuses("-h: not an option of \"lps capture\"", "capture", "a.yaml", "-h", "x");
    refuses("variable: found no --value, expected -v TEXT", "variable", "a.yaml", "-n", "x");
    refuses("record: found no --har, expected --har FILE", "record");
    accepts("record", "--har", "a.har");
    assert_null(options.argument);
    accepts("create", "--help");
    accepts("iteration", "ref", "a.yaml", "-n", "x", "-rn", "y");
    assert_int_equal(options.command, OPTIONS_ITERATION_REF);
}

static void one_spelling_is_another_option_in_another_command(void **state)
{
    (void)state;
    accepts("dashboard", "-p", "8010");
    assert_string_equal(text(OPTIONS_DASHBOARD_PORT), "8010");
    accepts("round", "a.yaml", "-n", "r", "-t", "x", "-nc", "7");
    assert_string_equal(text(OPTIONS_NEW_ROUND_NAME), "r");
    assert_int_equal(options.value[OPTIONS_CLIENTS].count, 7);
    accepts("record", "--har", "a", "-im", "PUT");
    assert_string_equal(text(OPTIONS_IGNORE_METHOD), "PUT");
    accepts("-n", "status", "create", "a.yaml");
    assert_string_equal(text(OPTIONS_NEW_PLAN_NAME), "status");
    refuses("--tga: unknown option, did you mean --tag?", "round", "a.yaml", "--tga", "x");
}

// A word in front of the command must mean the same to all of them.
static void a_spelling_takes_a_value_in_all_commands_or_in_none(void **state)
{
    (void)state;
    for (enum options_id a = 1; a < OPTIONS__COUNT; a++)
        for (enum options_id b = a + 1; b < OPTIONS__COUNT; b++)
            for (size_t i = 0; i < OPTIONS_SPELLINGS_MAX && options_row(a)->spelling[i]; i++)
                for (size_t j = 0; j < OPTIONS_SPELLINGS_MAX && options_row(b)->spelling[j]; j++) {
                    enum options_kind x = options_row(a)->kind, y = options_row(b)->kind;
                    if (strcasecmp(options_row(a)->spelling[i], options_row(b)->spelling[j]) == 0)
                        assert_int_equal(x == OPTIONS_FLAG, y == OPTIONS_FLAG);
                }
}

static void commands_are_found_by_their_first_words(void **state)
{
    (void)state;
    accepts("--url", "x");
    assert_int_equal(options.command, OPTIONS_TEST);
    accepts("status");
    assert_int_equal(options.command, OPTIONS_STATUS);
    accepts("Status", "--json");
    assert_int_equal(options.command, OPTIONS_STATUS);
    accepts("cluster");
    assert_int_equal(options.command, OPTIONS_CLUSTER);
    accepts("cluster", "ready", "--socket", "/x");
    assert_int_equal(options.command, OPTIONS_CLUSTER_READY);
    accepts("cancel", "2f1c", "--force");
    assert_int_equal(options.command, OPTIONS_CANCEL);
    assert_string_equal(options.argument, "2f1c");
    accepts("cancel");
    assert_null(options.argument);
}

static void options_may_come_before_the_command(void **state)
{
    (void)state;
    accepts("--socket", "status", "cancel", "2f1c");
    assert_int_equal(options.command, OPTIONS_CANCEL);
    assert_string_equal(text(OPTIONS_SOCKET), "status");
    assert_string_equal(options.argument, "2f1c");
    accepts("--socket=x", "cluster", "ready");
    assert_int_equal(options.command, OPTIONS_CLUSTER_READY);
    accepts("--json", "status");
    assert_int_equal(options.command, OPTIONS_STATUS);
    accepts("-miw", "false", "cluster");
    assert_int_equal(options.command, OPTIONS_CLUSTER);
    accepts("-u", "http://a/", "-p", "status");
    assert_int_equal(options.command, OPTIONS_TEST);
    refuses("-u: not an option of \"lps status\"", "-u", "http://a/", "status");
    refuses("ready: unexpected after \"lps cluster\"", "cluster", "--config", "x", "ready");
    refuses("--socket: the value is missing, expected --socket PATH; see lps --help", "status",
            "--socket");
}

static void words_that_are_no_command_are_refused(void **state)
{
    (void)state;
    refuses("watchdgo: unknown command, did you mean lps watchdog?", "watchdgo");
    refuses("statsu: unknown command, did you mean lps status?", "statsu");
    refuses("runfoooooooo: unknown command; see lps --help", "runfoooooooo");
    refuses(": unknown command; see lps --help", "");
    refuses("http://a/: unexpected, did you mean --url http://a/?", "http://a/");
    refuses("https://a/: unexpected, did you mean --url https://a/?", "-rc", "7", "https://a/");
    refuses("a/b: unexpected, did you mean --url a/b?", "--local", "a/b");
    refuses("rnu: unknown command, did you mean lps run?", "rnu", "plan.yaml");
    refuses("x: unknown command; see lps --help", "-u", "http://a/", "x");
    refuses("now: unexpected after \"lps status\"", "status", "now");
    refuses("b: unexpected after \"lps cancel\"", "cancel", "a", "b");
    refuses("redy: unexpected after \"lps cluster\"", "cluster", "redy");
}

static void runs_of_before_have_commands(void **state)
{
    (void)state;
    accepts("runs", "--limit", "1000", "--json");
    assert_int_equal(options.command, OPTIONS_RUNS);
    assert_int_equal(options.value[OPTIONS_LIMIT].count, 1000);
    refuses("--limit 1001: found \"1001\", expected a whole number from 1 to 1000", "runs",
            "--limit", "1001");
    refuses("--limit 0: found \"0\", expected a whole number from 1 to 1000", "runs", "--limit=0");
    refuses("--limt: unknown option, did you mean --limit?", "runs", "--limt", "1");
    accepts("show", "2f1c", "--json");
    assert_int_equal(options.command, OPTIONS_SHOW);
    assert_string_equal(options.argument, "2f1c");
    refuses("show: RUN is missing, expected lps show RUN", "show");
    accepts("attach");
    accepts("attach", "2f1c", "--quiet");
    assert_int_equal(options.command, OPTIONS_ATTACH);
    refuses("--wait: not an option of \"lps attach\"", "attach", "--wait", "2");
    accepts("--queue", "--detach", "--wait", "2", "-u", "http://a/");
    refuses("--queu: unknown option, did you mean --queue?", "--queu");
    refuses("shwo: unknown command, did you mean lps show?", "shwo", "2f1c");
}

static void local_excludes_what_needs_a_daemon(void **state)
{
    (void)state;
    refuses("--wait: cannot be used with --local", "--local", "--wait", "2");
    refuses("--detach: cannot be used with --local", "--detach", "--local");
    refuses("--queue: cannot be used with --local", "--queue", "--local");
    refuses("--socket: cannot be used with --local", "--local", "--socket", "x");
    refuses("--config: for a test only with --local", "--config", "x", "-u", "y");
    accepts("--local", "--config", "x");
    accepts("--local=false", "--wait", "2");
}

static void help_wins_over_what_follows_and_misses(void **state)
{
    (void)state;
    accepts("--help", "--nonsense");
    assert_true(options_is_help(&options));
    accepts("-?");
    assert_true(options_is_help(&options));
    accepts("cluster", "--HELP");
    assert_true(options_is_help(&options));
    assert_int_equal(options.command, OPTIONS_CLUSTER);
    accepts("--version");
    assert_true(options_is_help(&options));
    accepts("--help-methods");
    assert_true(options_is_help(&options));
    accepts("-h", "A: b");
    assert_false(options_is_help(&options));
}

static void no_argument_is_a_test_without_a_target(void **state)
{
    struct diag d = {0};

    (void)state;
    options_done(&options);
    assert_int_equal(options_parse(0, NULL, &d, &options), 0);
    assert_int_equal(options.command, OPTIONS_TEST);
}

static void every_row_is_whole(void **state)
{
    (void)state;
    for (enum options_id id = 1; id < OPTIONS__COUNT; id++) {
        const struct options_row *row = options_row(id);
        assert_int_not_equal(row->commands, 0);
        assert_int_equal(row->required & ~row->commands, 0);
        assert_int_not_equal(row->kind, OPTIONS_KIND_UNDEFINED);
        assert_non_null(row->spelling[0]);
        for (size_t i = 0; i < OPTIONS_SPELLINGS_MAX && row->spelling[i] != NULL; i++)
            assert_int_equal(row->spelling[i][0], '-');
        if (row->kind == OPTIONS_COUNT)
            assert_true(row->min < row->max);
        if (row->kind == OPTIONS_TEXT || row->kind == OPTIONS_COUNT || row->kind == OPTIONS_REAL)
            assert_non_null(row->arg);
        if (row->doc != NULL) { // a line of the man page must not begin so
            assert_null(strstr(row->doc, " ."));
            assert_null(strstr(row->doc, " '"));
        }
        if (id != OPTIONS_HELP_MDOC)
            assert_non_null(row->doc);
    }
    for (enum options_command c = OPTIONS_TEST; c < OPTIONS_COMMAND__COUNT; c++) {
        assert_non_null(options_command_row(c)->name);
        assert_non_null(options_command_row(c)->doc);
    }
}

static void no_spelling_means_two_things(void **state)
{
    (void)state;
    for (enum options_id a = 1; a < OPTIONS__COUNT; a++)
        for (enum options_id b = a + 1; b < OPTIONS__COUNT; b++)
            for (size_t i = 0; i < OPTIONS_SPELLINGS_MAX && options_row(a)->spelling[i]; i++)
                for (size_t j = 0; j < OPTIONS_SPELLINGS_MAX && options_row(b)->spelling[j]; j++)
                    if (options_row(a)->commands & options_row(b)->commands)
                        assert_string_not_equal(options_row(a)->spelling[i],
                                                options_row(b)->spelling[j]);
}

static void every_option_is_in_the_help_of_its_commands(void **state)
{
    (void)state;
    for (enum options_command c = OPTIONS_TEST; c < OPTIONS_COMMAND__COUNT; c++) {
        struct buf help = {0};
        help_command(c, &help);
        for (enum options_id id = 1; id < OPTIONS__COUNT; id++) {
            const struct options_row *row = options_row(id);
            if (row->doc == NULL || (row->commands & (1u << c)) == 0)
                continue;
            for (size_t i = 0; i < OPTIONS_SPELLINGS_MAX && row->spelling[i] != NULL; i++)
                assert_non_null(strstr(help.data, row->spelling[i]));
        }
        buf_done(&help);
    }
}

static void help_fits_into_eighty_columns(void **state)
{
    (void)state;
    for (enum options_command c = OPTIONS_TEST; c < OPTIONS_COMMAND__COUNT; c++) {
        struct buf help = {0};
        help_command(c, &help);
        for (const char *line = help.data; *line != '\0'; line += strcspn(line, "\n") + 1)
            assert_in_range(strcspn(line, "\n"), 0, 80);
        buf_done(&help);
    }
}

static int teardown(void **state)
{
    (void)state;
    options_done(&options);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_options_are_found_in_any_case),
        cmocka_unit_test(short_options_keep_their_case),
        cmocka_unit_test(a_value_may_follow_an_equals_sign_or_a_colon),
        cmocka_unit_test(a_value_in_the_next_word_is_taken_whole),
        cmocka_unit_test(an_empty_value_after_the_sign_is_a_value),
        cmocka_unit_test(a_value_that_begins_with_a_dash_is_taken_unless_it_is_an_option),
        cmocka_unit_test(a_missing_value_is_named),
        cmocka_unit_test(counts_are_whole_numbers_in_their_range),
        cmocka_unit_test(seconds_to_wait_may_have_a_fraction),
        cmocka_unit_test(rates_may_have_a_fraction),
        cmocka_unit_test(a_ramp_may_come_several_times_and_keeps_its_colon),
        cmocka_unit_test(http2_in_clear_text_has_three_spellings),
        cmocka_unit_test(a_flag_alone_is_true_and_takes_only_true_or_false),
        cmocka_unit_test(twice_is_once_too_often_but_for_headers),
        cmocka_unit_test(the_nearest_option_is_suggested),
        cmocka_unit_test(an_option_of_another_command_is_told_so),
        cmocka_unit_test(what_a_test_and_an_iteration_of_a_file_share_has_one_spelling),
        cmocka_unit_test(a_plan_file_is_selected_from_alike_by_run_and_validate),
        cmocka_unit_test(a_plan_file_may_come_before_or_behind_its_options),
        cmocka_unit_test(what_a_command_needs_is_named),
        cmocka_unit_test(one_spelling_is_another_option_in_another_command),
        cmocka_unit_test(a_spelling_takes_a_value_in_all_commands_or_in_none),
        cmocka_unit_test(commands_are_found_by_their_first_words),
        cmocka_unit_test(options_may_come_before_the_command),
        cmocka_unit_test(words_that_are_no_command_are_refused),
        cmocka_unit_test(runs_of_before_have_commands),
        cmocka_unit_test(local_excludes_what_needs_a_daemon),
        cmocka_unit_test(help_wins_over_what_follows_and_misses),
        cmocka_unit_test(no_argument_is_a_test_without_a_target),
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(no_spelling_means_two_things),
        cmocka_unit_test(every_option_is_in_the_help_of_its_commands),
        cmocka_unit_test(help_fits_into_eighty_columns),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
