#include "worker/cli/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/plan.h"
#include "common/str.h"

#define TEST    (1u << OPTIONS_TEST)
#define STATUS  (1u << OPTIONS_STATUS)
#define CANCEL  (1u << OPTIONS_CANCEL)
#define CLUSTER (1u << OPTIONS_CLUSTER)
#define READY   (1u << OPTIONS_CLUSTER_READY)
#define ANY     (TEST | STATUS | CANCEL | CLUSTER | READY)

static const struct options_command_row commands[OPTIONS_COMMAND__COUNT] = {
    [OPTIONS_TEST] = {"", NULL,
                      "Submits one HTTP request, sent again and again, as a test to the worker on "
                      "this host, and waits for the result of the whole cluster."},
    [OPTIONS_STATUS] = {"status", NULL,
                        "Shows this worker, its connection to the master, and the run."},
    [OPTIONS_CANCEL] = {"cancel", "SUBMISSION",
                        "Cancels the test that was submitted on this host: before the start only "
                        "this submission, afterwards the run on every worker."},
    [OPTIONS_CLUSTER] = {"cluster", NULL,
                         "Shows the Cluster section of the settings; with options, changes it and "
                         "names the command that makes the daemons take it up."},
    [OPTIONS_CLUSTER_READY] = {"cluster ready", NULL,
                               "Asks the master to start with the workers that are waiting now."},
};

static const char *const later_commands[] = {
    "run",    "create",     "round",    "iteration", "variable", "capture",
    "record", "httpclient", "watchdog", "dashboard", "influxdb", "logger",
};

// clang-format off
static const struct options_row rows[OPTIONS__COUNT] = {
    [OPTIONS_URL] = {
        TEST, OPTIONS_TEXT, {"-u", "--url"}, "URL",
        .doc = "What to request: an absolute http or https URL. Required."},
    [OPTIONS_METHOD] = {
        TEST, OPTIONS_TEXT, {"-hm", "--httpMethod", "--method"}, "METHOD", .dflt = "GET",
        .doc = "The method of the request."},
    [OPTIONS_HEADER] = {
        TEST, OPTIONS_TEXT, {"-h", "--header"}, "HEADER", .repeatable = true,
        .doc = "A header, Name: Value; split at the first colon. May be repeated."},
    [OPTIONS_PAYLOAD] = {
        TEST, OPTIONS_TEXT, {"-p", "--payload"}, "TEXT",
        .doc = "The body of the request; Path:FILE takes it from a file."},
    [OPTIONS_REQUEST_COUNT] = {
        TEST, OPTIONS_COUNT, {"-rc", "--requestCount"}, "N", 1, PLAN_COUNT_MAX,
        .dflt = "1 in mode R",
        .doc = "Requests that each client sends (modes R and CRB)."},
    [OPTIONS_DURATION] = {
        TEST, OPTIONS_COUNT, {"-d", "--duration"}, "SECONDS", 1, PLAN_DURATION_MAX_S,
        .doc = "How long each client goes on (modes D and DCB); with a rate, how long the test "
               "goes on."},
    [OPTIONS_MODE] = {
        TEST, OPTIONS_TEXT, {"-im", "--iterationMode"}, "MODE",
        .dflt = "what the other options speak for",
        .doc = "R: a count of requests, one after the other. "
               "D: requests one after the other for a time, or at a rate. "
               "CRB, DCB, CB: batches of requests at once, for a count, for a time, or until the "
               "test is cancelled."},
    [OPTIONS_RATE] = {
        TEST, OPTIONS_REAL, {"--rate"}, "N", .max = PLAN_RATE_MAX_MHZ / 1000,
        .doc = "Requests a second of each worker, due at fixed instants whatever the responses "
               "do (mode D). May have 3 decimals. Needs a duration or a ramp."},
    [OPTIONS_RAMP] = {
        TEST, OPTIONS_TEXT, {"--ramp"}, "RATE:SECONDS", .repeatable = true,
        .doc = "Changes the rate evenly, from --rate or from 0, to this one within so many "
               "seconds. May be repeated: each goes on from the one before; the test ends with "
               "the last."},
    [OPTIONS_BATCH_SIZE] = {
        TEST, OPTIONS_COUNT, {"-bs", "--batchSize"}, "N", 1, PLAN_BATCH_MAX,
        .doc = "Requests that each client sends at once (modes CB, CRB and DCB)."},
    [OPTIONS_COOL_DOWN_TIME] = {
        TEST, OPTIONS_COUNT, {"-cdt", "--coolDownTime"}, "MS", 1, PLAN_DELAY_MAX_MS,
        .doc = "Milliseconds from one batch to the next, counted from start to start."},
    [OPTIONS_MAXIMIZE_THROUGHPUT] = {
        TEST, OPTIONS_FLAG, {"-mt", "--maximizeThroughput"}, "true|false", .dflt = "false",
        .doc = "Accepted for batches, without effect: they always start on time."},
    [OPTIONS_PACING] = {
        TEST, OPTIONS_TEXT, {"--pacing"}, "PACING", .dflt = "precise",
        .doc = "precise: wakes for each instant. batched: costs less CPU, and may be late by a "
               "fraction of a millisecond."},
    [OPTIONS_CLIENTS] = {
        TEST, OPTIONS_COUNT, {"-nc", "--numberOfClients"}, "N", 1, PLAN_CLIENTS_MAX,
        .dflt = "1; with a rate 1000",
        .doc = "Clients (virtual users), each with connections of its own. With a rate: the most "
               "requests in flight; those that are due beyond are dropped, and counted."},
    [OPTIONS_ARRIVAL_DELAY] = {
        TEST, OPTIONS_COUNT, {"-ad", "--arrivalDelay"}, "MS", 0, PLAN_DELAY_MAX_MS, .dflt = "0",
        .doc = "Milliseconds between the starts of two clients; not with a rate."},
    [OPTIONS_STARTUP_DELAY] = {
        TEST, OPTIONS_COUNT, {"-sd", "--startupDelay"}, "MS", 0, PLAN_DELAY_MAX_MS, .dflt = "0",
        .doc = "Milliseconds from the start of the test to its first client or request."},
    [OPTIONS_RUN_IN_PARALLEL] = {
        TEST, OPTIONS_FLAG, {"-rip", "--runInParallel"}, "true|false", .dflt = "false",
        .doc = "Whether iterations run together instead of one after the other; with these "
               "options there is only one."},
    [OPTIONS_DELAY_CLIENT_CREATION] = {
        TEST, OPTIONS_FLAG, {"-dcc", "--delayClientCreation"}, "true|false",
        .doc = "Accepted, without effect: connections are always opened when they are needed."},
    [OPTIONS_HTTP_VERSION] = {
        TEST, OPTIONS_TEXT, {"-hv", "--httpVersion"}, "VERSION", .dflt = "2.0",
        .doc = "1.0, 1.1 or 2.0. 2.0 is used over TLS where the server agrees, else 1.1."},
    [OPTIONS_SUPPORT_H2C] = {
        TEST, OPTIONS_FLAG, {"-h2c", "-sh2c", "--supportH2C"}, "true|false", .dflt = "false",
        .doc = "HTTP/2 without TLS, by prior knowledge; for an http URL."},
    [OPTIONS_CERTIFICATE_PATH] = {
        TEST, OPTIONS_TEXT, {"-ccp", "--clientCertificatePath"}, "FILE",
        .doc = "The client's certificate for TLS: PEM with its key, or PKCS#12. It travels with "
               "the test."},
    [OPTIONS_CERTIFICATE_PASSWORD] = {
        TEST, OPTIONS_TEXT, {"-ccpw", "--clientCertificatePassword"}, "TEXT",
        .doc = "The password of its key. Other users of this host can read it while lps runs."},
    [OPTIONS_NAME] = {
        TEST, OPTIONS_TEXT, {"-n", "--name"}, "NAME", .dflt = "Quick-Test-Plan",
        .doc = "The name of the plan."},
    [OPTIONS_ROUND_NAME] = {
        TEST, OPTIONS_TEXT, {"-rn", "--roundName"}, "NAME", .dflt = "Quick-Test-Round",
        .doc = "The name of its round."},
    [OPTIONS_ITERATION_NAME] = {
        TEST, OPTIONS_TEXT, {"-in", "--iterationName"}, "NAME", .dflt = "Quick-Http-Iteration",
        .doc = "The name of its iteration."},
    [OPTIONS_LOCAL] = {
        TEST, OPTIONS_FLAG, {"--local"},
        .doc = "Runs the test right here, without daemons and without a cluster."},
    [OPTIONS_WAIT] = {
        TEST, OPTIONS_REAL, {"--wait"}, "SECONDS", .max = 31536000, .dflt = "as long as it takes",
        .doc = "Waits at most so long for the master and the other workers, then gives up with "
               "exit code 3. May have a fraction."},
    [OPTIONS_DETACH] = {
        TEST, OPTIONS_FLAG, {"--detach"},
        .doc = "Submits, prints the submission's id and leaves at once; the test goes on."},
    [OPTIONS_FORCE] = {
        CANCEL, OPTIONS_FLAG, {"--force"},
        .doc = "Cuts requests in flight instead of waiting for their responses."},
    [OPTIONS_MASTER_NODE_IP] = {
        CLUSTER, OPTIONS_TEXT, {"-mip", "--masterNodeIP"}, "ADDRESS",
        .doc = "Sets MasterNodeIP: the master's address or host name."},
    [OPTIONS_GRPC_PORT] = {
        CLUSTER, OPTIONS_COUNT, {"-gp", "--grpcPort"}, "PORT", 1, 65535,
        .doc = "Sets GRPCPort: the master's port for workers."},
    [OPTIONS_EXPECTED_WORKERS] = {
        CLUSTER, OPTIONS_COUNT, {"-ew", "--expectedNumberOfWorkers"}, "N", 0, 100000,
        .doc = "Sets ExpectedNumberOfWorkers: how many workers a run waits for; 0: the first is "
               "enough."},
    [OPTIONS_MASTER_IS_WORKER] = {
        CLUSTER, OPTIONS_FLAG, {"-miw", "--masterNodeIsWorker"}, "true|false",
        .doc = "Sets MasterNodeIsWorker: whether the worker on the master's host makes load. No "
               "value means true."},
    [OPTIONS_JSON] = {
        TEST | STATUS, OPTIONS_FLAG, {"--json"},
        .doc = "Prints one JSON document on standard output instead of text."},
    [OPTIONS_QUIET] = {
        TEST, OPTIONS_FLAG, {"--quiet"},
        .doc = "No progress; only warnings, errors and the result."},
    [OPTIONS_SOCKET] = {
        TEST | STATUS | CANCEL | READY, OPTIONS_TEXT, {"--socket"}, "PATH",
        .dflt = "$LPS_SOCKET, else /run/lps/workerd.sock",
        .doc = "The worker's socket."},
    [OPTIONS_CONFIG] = {
        TEST | CLUSTER, OPTIONS_TEXT, {"--config"}, "FILE", .dflt = "/etc/lps/lpsSettings.json",
        .doc = "The settings file; for a test only with --local."},
    [OPTIONS_HELP] = {ANY, OPTIONS_FLAG, {"-?", "--help"}, .doc = "Shows this text."},
    [OPTIONS_VERSION] = {ANY, OPTIONS_FLAG, {"--version"}, .doc = "Shows the version."},
    [OPTIONS_HELP_MDOC] = {TEST, OPTIONS_FLAG, {"--help-mdoc"}}, // for docs/lps.1

    [OPTIONS_SAVE] = {TEST, OPTIONS_NOT_YET, {"-s", "--save"}},
    [OPTIONS_EMBEDDED_RESOURCES] = {
        TEST, OPTIONS_NOT_YET, {"-dhtmler", "--downloadHtmlEmbeddedResources"}},
    [OPTIONS_SAVE_RESPONSE] = {TEST, OPTIONS_NOT_YET, {"-sr", "--saveResponse"}},
    [OPTIONS_FAILURE_RULE] = {TEST, OPTIONS_NOT_YET, {"-fr", "--failureRule"}},
    [OPTIONS_TERMINATION_RULE] = {TEST, OPTIONS_NOT_YET, {"-tr", "--terminationRule"}},
};
// clang-format on

const struct options_row *options_row(enum options_id id)
{
    return &rows[id];
}

const struct options_command_row *options_command_row(enum options_command command)
{
    return &commands[command];
}

bool options_given(const struct options *o, enum options_id id)
{
    return o->value[id].spelling != NULL;
}

const char *options_text(const struct options *o, enum options_id id, const char *fallback)
{
    return o->value[id].n > 0 ? o->value[id].text[0] : fallback;
}

bool options_is_help(const struct options *o)
{
    return options_given(o, OPTIONS_HELP) || options_given(o, OPTIONS_VERSION) ||
           options_given(o, OPTIONS_HELP_MDOC);
}

void options_done(struct options *o)
{
    for (size_t i = 0; i < OPTIONS__COUNT; i++) {
        free(o->value[i].spelling);
        free(o->value[i].text);
    }
    *o = (struct options){0};
}

static bool spelled(const struct options_row *row, const char *name, size_t len)
{
    for (size_t i = 0; i < OPTIONS_SPELLINGS_MAX && row->spelling[i] != NULL; i++) {
        const char *s = row->spelling[i];
        bool is_long = s[1] == '-';
        if (strlen(s) == len && (is_long ? strncasecmp(s, name, len) : strncmp(s, name, len)) == 0)
            return true;
    }
    return false;
}

// OPTIONS_UNDEFINED: no such option of any of these commands.
static enum options_id find(unsigned in_commands, const char *name, size_t len)
{
    for (enum options_id id = 1; id < OPTIONS__COUNT; id++)
        if ((rows[id].commands & in_commands) != 0 && spelled(&rows[id], name, len))
            return id;
    return OPTIONS_UNDEFINED;
}

static size_t name_len(const char *token)
{
    return strcspn(token, "=:");
}

static bool is_option(unsigned in_commands, const char *token)
{
    return token[0] == '-' && find(in_commands, token, name_len(token)) != OPTIONS_UNDEFINED;
}

static int unknown_option(enum options_command command, const char *token, struct diag *d)
{
    int len = (int)name_len(token);
    const char *candidate[OPTIONS__COUNT * OPTIONS_SPELLINGS_MAX];
    size_t n = 0;

    if (find(ANY, token, (size_t)len) != OPTIONS_UNDEFINED)
        return diag_add(d, 0, 0, "%.*s: not an option of \"lps%s%s\"", len, token,
                        command == OPTIONS_TEST ? "" : " ", commands[command].name);
    for (enum options_id id = 1; id < OPTIONS__COUNT; id++)
        for (size_t i = 0; i < OPTIONS_SPELLINGS_MAX && rows[id].spelling[i] != NULL; i++)
            if ((rows[id].commands & (1u << command)) != 0)
                candidate[n++] = rows[id].spelling[i];
    char *typed = xstrndup(token, (size_t)len);
    const char *nearest = str_nearest(typed, candidate, n);
    diag_add(d, 0, 0, "%s: unknown option%s%s%s", typed, nearest ? ", did you mean " : "",
             nearest ? nearest : "; see lps --help", nearest ? "?" : "");
    free(typed);
    return -EINVAL;
}

static int unknown_command(const char *word, struct diag *d)
{
    const char *candidate[OPTIONS_COMMAND__COUNT];
    size_t n = 0;

    for (size_t i = 0; i < sizeof(later_commands) / sizeof(later_commands[0]); i++)
        if (strcasecmp(word, later_commands[i]) == 0)
            return diag_add(d, 0, 0, "%s: not supported yet", word);
    if (strpbrk(word, ":/") != NULL)
        return diag_add(d, 0, 0, "%s: unexpected, did you mean --url %s?", word, word);
    for (enum options_command c = OPTIONS_STATUS; c < OPTIONS_LATER; c++)
        candidate[n++] = commands[c].name;
    const char *nearest = str_nearest(word, candidate, n);
    return diag_add(d, 0, 0, "%s: unknown command%s%s%s", word,
                    nearest ? ", did you mean lps " : "", nearest ? nearest : "; see lps --help",
                    nearest ? "?" : "");
}

// Words of argv that make up the command's name; 0: not this one.
static int match_command(const char *name, int argc, char *const *argv)
{
    int n = 0;

    while (*name != '\0') {
        size_t len = strcspn(name, " ");
        if (n == argc || strlen(argv[n]) != len || strncasecmp(argv[n], name, len) != 0)
            return 0;
        n++;
        name += len;
        name += *name == ' ';
    }
    return n;
}

// Where the first word is that is neither an option nor the value of one; argc: nowhere.
static int find_word(int argc, char *const *argv)
{
    bool ignored;
    int at = 0;

    while (at < argc && argv[at][0] == '-') {
        const char *token = argv[at++];
        size_t len = name_len(token);
        const struct options_row *row = &rows[find(ANY, token, len)];
        if (token[len] != '\0' || at == argc)
            continue;
        if (row->kind == OPTIONS_FLAG ? str_parse_bool(argv[at], &ignored) == 0
                                      : row->arg != NULL && !is_option(ANY, argv[at]))
            at++;
    }
    return at;
}

// OPTIONS_TEST where no words name another one. The command's words are argv[*ret_at] and on.
static enum options_command find_command(int argc, char *const *argv, int *ret_at, int *ret_n_words)
{
    enum options_command command = OPTIONS_TEST;
    int at = find_word(argc, argv);

    *ret_at = at;
    *ret_n_words = 0;
    for (enum options_command c = OPTIONS_STATUS; c < OPTIONS_LATER; c++) {
        int n = match_command(commands[c].name, argc - at, argv + at);
        if (n > *ret_n_words) {
            *ret_n_words = n;
            command = c;
        }
    }
    return command;
}

bool options_parse_real(const char *text, double *ret_value)
{
    size_t whole = strspn(text, "0123456789");
    size_t fraction = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    size_t len = whole + (text[whole] == '.' ? 1 + fraction : 0);

    if (whole + fraction == 0 || len > 30 || text[len] != '\0')
        return false;
    *ret_value = strtod(text, NULL);
    return true;
}

static int parse_value(const struct options_row *row, struct options_value *v, const char *text,
                       struct diag *d)
{
    switch (row->kind) {
    case OPTIONS_FLAG:
        if (str_parse_bool(text, &v->flag) < 0)
            return diag_add(d, 0, 0, "%s %s: found \"%s\", expected true or false", v->spelling,
                            text, text);
        break;
    case OPTIONS_COUNT:
        if (str_parse_u64(text, row->min, row->max, &v->count) < 0)
            return diag_add(d, 0, 0,
                            "%s %s: found \"%s\", expected a whole number from %" PRIu64
                            " to %" PRIu64,
                            v->spelling, text, text, row->min, row->max);
        break;
    case OPTIONS_REAL:
        if (!options_parse_real(text, &v->real) || v->real <= 0 || v->real > (double)row->max)
            return diag_add(d, 0, 0,
                            "%s %s: found \"%s\", expected a number above 0 and up to %" PRIu64,
                            v->spelling, text, text, row->max);
        break;
    default:
        break;
    }
    v->text = xreallocarray(v->text, v->n + 1, sizeof(*v->text));
    v->text[v->n++] = text;
    return 0;
}

// Takes the option at argv[*at] and its value, and moves *at behind them.
static int take_option(struct options *o, int argc, char *const *argv, int *at, struct diag *d)
{
    const char *token = argv[(*at)++];
    size_t len = name_len(token);
    enum options_id id = find(1u << o->command, token, len);
    const struct options_row *row = &rows[id];
    struct options_value *v = &o->value[id];
    bool ignored;

    if (id == OPTIONS_UNDEFINED)
        return unknown_option(o->command, token, d);
    if (row->kind == OPTIONS_NOT_YET)
        return diag_add(d, 0, 0, "%.*s: not supported yet", (int)len, token);
    if (v->spelling != NULL && !row->repeatable)
        return diag_add(d, 0, 0, "%.*s: given twice", (int)len, token);
    if (v->n == OPTIONS_REPEATS_MAX)
        return diag_add(d, 0, 0, "%.*s: given more than %d times", (int)len, token,
                        OPTIONS_REPEATS_MAX);
    free(v->spelling);
    v->spelling = xstrndup(token, len);
    v->flag = true;
    if (token[len] != '\0')
        return parse_value(row, v, token + len + 1, d);

    bool has_next = *at < argc && !is_option(1u << o->command, argv[*at]);
    if (row->kind == OPTIONS_FLAG && (!has_next || str_parse_bool(argv[*at], &ignored) < 0))
        return 0;
    if (!has_next)
        return diag_add(d, 0, 0, "%s: the value is missing, expected %s %s; see lps --help",
                        v->spelling, v->spelling, row->arg);
    return parse_value(row, v, argv[(*at)++], d);
}

static int take_argument(struct options *o, const char *token, struct diag *d)
{
    if (o->command == OPTIONS_TEST)
        return unknown_command(token, d);
    if (commands[o->command].arg == NULL || o->argument != NULL)
        return diag_add(d, 0, 0, "%s: unexpected after \"lps %s\"", token,
                        commands[o->command].name);
    o->argument = token;
    return 0;
}

static int check_together(const struct options *o, struct diag *d)
{
    static const enum options_id not_local[] = {OPTIONS_SOCKET, OPTIONS_WAIT, OPTIONS_DETACH};

    if (o->command != OPTIONS_TEST)
        return 0;
    bool local = o->value[OPTIONS_LOCAL].flag;
    for (size_t i = 0; local && i < sizeof(not_local) / sizeof(not_local[0]); i++)
        if (options_given(o, not_local[i]))
            return diag_add(d, 0, 0, "%s: cannot be used with --local",
                            o->value[not_local[i]].spelling);
    if (!local && options_given(o, OPTIONS_CONFIG))
        return diag_add(d, 0, 0, "%s: for a test only with --local",
                        o->value[OPTIONS_CONFIG].spelling);
    return 0;
}

int options_parse(int argc, char *const *argv, struct diag *d, struct options *ret_options)
{
    struct options *o = ret_options;
    int words_at, n_words, at = 0, r = 0;

    *o = (struct options){0};
    o->command = find_command(argc, argv, &words_at, &n_words);
    while (r == 0 && at < argc && !options_is_help(o)) {
        if (at == words_at && n_words > 0)
            at += n_words;
        else if (argv[at][0] == '-')
            r = take_option(o, argc, argv, &at, d);
        else
            r = take_argument(o, argv[at++], d);
    }
    return r < 0 || options_is_help(o) ? r : check_together(o, d);
}
