#include "worker/cli/options.h"

#include "common/plan.h"

#define TEST       (1u << OPTIONS_TEST)
#define RUN        (1u << OPTIONS_RUN)
#define VALIDATE   (1u << OPTIONS_VALIDATE)
#define STATUS     (1u << OPTIONS_STATUS)
#define CANCEL     (1u << OPTIONS_CANCEL)
#define HISTORY    (1u << OPTIONS_RUNS)
#define SHOW       (1u << OPTIONS_SHOW)
#define ATTACH     (1u << OPTIONS_ATTACH)
#define CREATE     (1u << OPTIONS_CREATE)
#define ROUND      (1u << OPTIONS_ROUND)
#define ITERATION  (1u << OPTIONS_ITERATION)
#define REFERENCE  (1u << OPTIONS_ITERATION_REF)
#define CAPTURE    (1u << OPTIONS_CAPTURE)
#define VARIABLE   (1u << OPTIONS_VARIABLE)
#define RECORD     (1u << OPTIONS_RECORD)
#define CLUSTER    (1u << OPTIONS_CLUSTER)
#define READY      (1u << OPTIONS_CLUSTER_READY)
#define LOGGER     (1u << OPTIONS_LOGGER)
#define HTTPCLIENT (1u << OPTIONS_HTTPCLIENT)
#define WATCHDOG   (1u << OPTIONS_WATCHDOG)
#define DASHBOARD  (1u << OPTIONS_DASHBOARD)
#define INFLUXDB   (1u << OPTIONS_INFLUXDB)
#define RUNS       (TEST | RUN)
#define FILES      (RUN | VALIDATE)
#define REQUESTS   (TEST | ITERATION)
#define SETTINGS   (CLUSTER | LOGGER | HTTPCLIENT | WATCHDOG | DASHBOARD | INFLUXDB)
#define ANY        ((1u << OPTIONS_COMMAND__COUNT) - (1u << OPTIONS_TEST))

#define SHOWS(section)                                                           \
    "Shows the " section                                                         \
    " section of the settings, or changes it. What options say is written, and " \
    "the command that makes the daemons take it up is named."

// clang-format off
static const struct options_command_row commands[OPTIONS_COMMAND__COUNT] = {
    [OPTIONS_TEST] = {
        "", .doc = "Submits one HTTP request, sent again and again, as a test to the worker on "
                   "this host, and waits for the result of the whole cluster."},
    [OPTIONS_RUN] = {
        "run", "FILE", true,
        "Submits the plan of a YAML or JSON file as a test, and waits for the result of the whole "
        "cluster. Files that the plan names are read from the working directory and travel with "
        "it."},
    [OPTIONS_VALIDATE] = {
        "validate", "FILE", true,
        "Tells all that is wrong with a plan file, each with its line and column. Sends nothing."},
    [OPTIONS_STATUS] = {
        "status", .doc = "Shows this worker, its connection to the master, and the run."},
    [OPTIONS_CANCEL] = {
        "cancel", "SUBMISSION", false,
        "Cancels the test that was submitted on this host, or that of the submission or run that "
        "is named: before the start only this submission, afterwards the run on every worker."},
    [OPTIONS_RUNS] = {
        "runs", .doc = "Lists the runs that the master knows, the newest first, with how the id "
                       "of each begins, which is enough for all commands that take a run."},
    [OPTIONS_SHOW] = {
        "show", "RUN", true,
        "Shows the result of a run as it was shown when the run ended; of one that goes on, the "
        "result so far."},
    [OPTIONS_ATTACH] = {
        "attach", "RUN", false,
        "Shows the progress and the result of the run that this host takes part in, as if the "
        "test had been submitted here and now, and leaves with its exit code. Ctrl-C cancels. A "
        "run that is over shows its result. The id of a submission that is queued does, too."},
    [OPTIONS_CREATE] = {
        "create", "FILE", true,
        "Makes a plan file without rounds, or gives the plan of a file another name. As with all "
        "commands that change a plan file, YAML or JSON as the name ends, the file is written "
        "anew: comments and anchors are lost, all else that it holds is kept."},
    [OPTIONS_ROUND] = {
        "round", "FILE", true,
        "Adds a round to a plan file, or changes the round of that name: what is given replaces "
        "what is there. A file that is missing is made, with a plan named Default."},
    [OPTIONS_ITERATION] = {
        "iteration", "FILE", true,
        "Adds an iteration to a round, or to the plan itself for rounds to refer to; one of that "
        "name gets the mode and the request that are given here, and keeps its other keys."},
    [OPTIONS_ITERATION_REF] = {
        "iteration ref", "FILE", true,
        "Lets a round refer to an iteration of the plan itself."},
    [OPTIONS_CAPTURE] = {
        "capture", "FILE", true, "Sets what an iteration of a plan file keeps of its responses."},
    [OPTIONS_VARIABLE] = {
        "variable", "FILE", true,
        "Sets a variable of a plan file, or of environments in it. A variable of that name is "
        "replaced."},
    [OPTIONS_RECORD] = {
        "record", "OUTPUT", false,
        "Makes a plan file, RecordedPlan.yaml or OUTPUT, of the requests that a browser has "
        "recorded. Values of Authorization, Proxy-Authorization and Cookie headers become secret "
        "variables of the plan, recordedCookie and so on."},
    [OPTIONS_CLUSTER] = {"cluster", .doc = SHOWS("Cluster")},
    [OPTIONS_CLUSTER_READY] = {
        "cluster ready", .doc = "Asks the master to start with the workers that are waiting now."},
    [OPTIONS_LOGGER] = {"logger", .doc = SHOWS("FileLogger")},
    [OPTIONS_HTTPCLIENT] = {"httpclient", .doc = SHOWS("HttpClient")},
    [OPTIONS_WATCHDOG] = {"watchdog", .doc = SHOWS("Watchdog")},
    [OPTIONS_DASHBOARD] = {"dashboard", .doc = SHOWS("Dashboard")},
    [OPTIONS_INFLUXDB] = {"influxdb", .doc = SHOWS("InfluxDB")},
    [OPTIONS_COMPLETION] = {
        "completion", "SHELL", true,
        "Prints what makes bash, zsh or fish complete the commands and options of lps."},
};

static const struct options_row rows[OPTIONS__COUNT] = {
    [OPTIONS_URL] = {
        REQUESTS, OPTIONS_TEXT, {"-u", "--url"}, "URL",
        .doc = "What to request: an absolute http or https URL, which may have placeholders "
               "such as $counter(start=1) behind its host. In the plan of a file it may be a path "
               "below the baseUrl of the round. Required."},
    [OPTIONS_METHOD] = {
        REQUESTS, OPTIONS_TEXT, {"-hm", "--httpMethod", "--method"}, "METHOD", .dflt = "GET",
        .doc = "The method of the request."},
    [OPTIONS_HEADER] = {
        REQUESTS, OPTIONS_TEXT, {"-h", "--header"}, "HEADER", .repeatable = true,
        .doc = "A header, Name: Value; split at the first colon. Its value may have "
               "placeholders. May be repeated."},
    [OPTIONS_PAYLOAD] = {
        REQUESTS, OPTIONS_TEXT, {"-p", "--payload"}, "TEXT",
        .doc = "The body of the request. Path:FILE takes it from a file; URL:http://host/path "
               "from there, got once before the test."},
    [OPTIONS_REQUEST_COUNT] = {
        REQUESTS, OPTIONS_COUNT, {"-rc", "--requestCount"}, "N", 1, PLAN_COUNT_MAX,
        .dflt = "1 in mode R",
        .doc = "Requests that each client sends (modes R and CRB)."},
    [OPTIONS_DURATION] = {
        REQUESTS, OPTIONS_COUNT, {"-d", "--duration"}, "SECONDS", 1, PLAN_DURATION_MAX_S,
        .doc = "How long each client goes on (modes D and DCB); with a rate, how long the test "
               "goes on."},
    [OPTIONS_MODE] = {
        REQUESTS, OPTIONS_TEXT, {"-im", "--iterationMode"}, "MODE",
        .dflt = "what the other options speak for",
        .doc = "R: a count of requests, one after the other. "
               "D: requests one after the other for a time, or at a rate. "
               "CRB, DCB, CB: batches of requests at once, for a count, for a time, or until the "
               "test is cancelled."},
    [OPTIONS_RATE] = {
        REQUESTS, OPTIONS_REAL, {"--rate"}, "N", .max = PLAN_RATE_MAX_MHZ / 1000,
        .doc = "Requests a second of each worker, due at fixed instants whatever the responses "
               "do (mode D). May have 3 decimals. Needs a duration or a ramp."},
    [OPTIONS_RAMP] = {
        REQUESTS, OPTIONS_TEXT, {"--ramp"}, "RATE:SECONDS", .repeatable = true,
        .doc = "Changes the rate evenly, from --rate or from 0, to this one within so many "
               "seconds. May be repeated: each goes on from the one before; the test ends with "
               "the last."},
    [OPTIONS_BATCH_SIZE] = {
        REQUESTS, OPTIONS_COUNT, {"-bs", "--batchSize"}, "N", 1, PLAN_BATCH_MAX,
        .doc = "Requests that each client sends at once (modes CB, CRB and DCB)."},
    [OPTIONS_COOL_DOWN_TIME] = {
        REQUESTS, OPTIONS_COUNT, {"-cdt", "--coolDownTime"}, "MS", 1, PLAN_DELAY_MAX_MS,
        .doc = "Milliseconds from one batch to the next, counted from start to start."},
    [OPTIONS_MAXIMIZE_THROUGHPUT] = {
        REQUESTS, OPTIONS_FLAG, {"-mt", "--maximizeThroughput"}, "true|false", .dflt = "false",
        .doc = "Accepted for batches, without effect: they always start on time."},
    [OPTIONS_CLIENT_THINK_TIME] = {
        REQUESTS, OPTIONS_COUNT, {"--thinkTime"}, "MS", 0, PLAN_DELAY_MAX_MS, .dflt = "0",
        .doc = "Milliseconds that a client waits after each of its requests (modes R and D)."},
    [OPTIONS_PACING] = {
        TEST | ROUND, OPTIONS_TEXT, {"--pacing"}, "PACING", .dflt = "precise",
        .doc = "precise: wakes for each instant. batched: costs less CPU, and may be late by a "
               "fraction of a millisecond."},
    [OPTIONS_CLIENTS] = {
        TEST | ROUND, OPTIONS_COUNT, {"-nc", "--numberOfClients"}, "N", 1, PLAN_CLIENTS_MAX,
        .dflt = "1; with a rate 1000",
        .doc = "Clients (virtual users), each with connections of its own. With a rate: the most "
               "requests in flight; those that are due beyond are dropped, and counted."},
    [OPTIONS_ARRIVAL_DELAY] = {
        TEST | ROUND, OPTIONS_COUNT, {"-ad", "--arrivalDelay"}, "MS", 0, PLAN_DELAY_MAX_MS, .dflt = "0",
        .doc = "Milliseconds between the starts of two clients; not with a rate."},
    [OPTIONS_STARTUP_DELAY] = {
        TEST | ROUND, OPTIONS_COUNT, {"-sd", "--startupDelay"}, "MS", 0, PLAN_DELAY_MAX_MS, .dflt = "0",
        .doc = "Milliseconds before the first client or request of the round."},
    [OPTIONS_RUN_IN_PARALLEL] = {
        TEST | ROUND, OPTIONS_FLAG, {"-rip", "--runInParallel"}, "true|false", .dflt = "false",
        .doc = "Whether the iterations of a round run together instead of one after the other."},
    [OPTIONS_DELAY_CLIENT_CREATION] = {
        TEST | ROUND, OPTIONS_FLAG, {"-dcc", "--delayClientCreation"}, "true|false",
        .doc = "Accepted, without effect: connections are always opened when they are needed."},
    [OPTIONS_HTTP_VERSION] = {
        REQUESTS, OPTIONS_TEXT, {"-hv", "--httpVersion"}, "VERSION", .dflt = "2.0",
        .doc = "1.0, 1.1 or 2.0. 2.0 is used over TLS where the server agrees, else 1.1."},
    [OPTIONS_SUPPORT_H2C] = {
        REQUESTS, OPTIONS_FLAG, {"-h2c", "-sh2c", "--supportH2C"}, "true|false", .dflt = "false",
        .doc = "HTTP/2 without TLS, by prior knowledge; for an http URL."},
    [OPTIONS_CERTIFICATE_PATH] = {
        REQUESTS, OPTIONS_TEXT, {"-ccp", "--clientCertificatePath"}, "FILE",
        .doc = "The client's certificate for TLS: PEM with its key, or PKCS#12. It travels with "
               "the test."},
    [OPTIONS_CERTIFICATE_PASSWORD] = {
        REQUESTS, OPTIONS_TEXT, {"-ccpw", "--clientCertificatePassword"}, "TEXT",
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
        RUNS, OPTIONS_FLAG, {"--local"},
        .doc = "Runs the test right here, without daemons and without a cluster."},
    [OPTIONS_WAIT] = {
        RUNS, OPTIONS_REAL, {"--wait"}, "SECONDS", .max = 31536000, .dflt = "as long as it takes",
        .doc = "Waits at most so long for the master and the other workers, then gives up with "
               "exit code 3. May have a fraction."},
    [OPTIONS_DETACH] = {
        RUNS, OPTIONS_FLAG, {"--detach"},
        .doc = "Leaves as soon as the master has accepted the test, and prints the id of its run; "
               "of one that is queued, the id of the submission. The test goes on; lps attach "
               "comes back to it."},
    [OPTIONS_QUEUE] = {
        RUNS, OPTIONS_FLAG, {"--queue"},
        .doc = "Waits until a run that is in the way is over, on this host or in the cluster, "
               "instead of being refused."},
    [OPTIONS_STRICT] = {
        RUNS, OPTIONS_FLAG, {"--strict"},
        .doc = "Leaves with exit code 5 where the test passed, but a load generator was the limit "
               "of what was measured."},
    [OPTIONS_SAVE] = {
        TEST, OPTIONS_FLAG, {"-s", "--save"}, "true|false", .dflt = "false",
        .doc = "Writes the test into the working directory as a plan file, NAME.yaml after its "
               "plan. A file of that name that says something else is left alone, and nothing "
               "is run."},
    [OPTIONS_RUN_ROUND] = {
        FILES, OPTIONS_TEXT, {"-rn", "--roundName"}, "NAME", .repeatable = true,
        .doc = "Takes only the rounds with these names, in any letter case. May be repeated."},
    [OPTIONS_RUN_TAG] = {
        FILES, OPTIONS_TEXT, {"-t", "--tag"}, "TAG", .repeatable = true,
        .doc = "Takes the rounds with any of these tags, in any letter case, and those that are "
               "named. May be repeated."},
    [OPTIONS_RUN_ENVIRONMENT] = {
        FILES, OPTIONS_TEXT, {"-e", "--environment"}, "NAME", .repeatable = true,
        .doc = "Sets the variables of these environments of the plan over its own, a later one "
               "over an earlier one. May be repeated."},
    [OPTIONS_SEED] = {
        RUNS, OPTIONS_COUNT, {"--seed"}, "N", 0, INT64_MAX, .dflt = "another one each time",
        .doc = "Makes random values of the plan come out again as in the run with this seed, "
               "which its result shows."},

    [OPTIONS_NEW_PLAN_NAME] = {
        CREATE, OPTIONS_TEXT, {"-n", "--name"}, "NAME", .required = CREATE,
        .doc = "The name of the plan."},
    [OPTIONS_NEW_ROUND_NAME] = {
        ROUND, OPTIONS_TEXT, {"-n", "--name"}, "NAME", .required = ROUND,
        .doc = "The name of the round."},
    [OPTIONS_BASE_URL] = {
        ROUND, OPTIONS_TEXT, {"-burl", "--baseUrl"}, "URL",
        .doc = "What precedes the URLs of its iterations that are paths."},
    [OPTIONS_TAG] = {
        ROUND, OPTIONS_TEXT, {"-t", "--tag"}, "TAG", .repeatable = true,
        .doc = "Tags of the round, instead of those that it has. May be repeated."},
    [OPTIONS_NEW_ITERATION_NAME] = {
        ITERATION | REFERENCE, OPTIONS_TEXT, {"-n", "--name"}, "NAME",
        .required = ITERATION | REFERENCE, .doc = "The name of the iteration."},
    [OPTIONS_IN_ROUND] = {
        ITERATION | REFERENCE | CAPTURE, OPTIONS_TEXT, {"-rn", "--roundName"}, "NAME",
        .required = REFERENCE,
        .doc = "The round that the iteration is in, or refers to it. Without one the iterations "
               "of the plan itself are meant."},
    [OPTIONS_GLOBAL] = {
        ITERATION, OPTIONS_FLAG, {"-g", "--global"}, "true|false", .dflt = "false",
        .doc = "Makes it an iteration of the plan itself; a round that is named refers to it."},
    [OPTIONS_ITERATION_DELAY] = {
        ITERATION, OPTIONS_COUNT, {"-sd", "--startupDelay", "--delay"}, "MS", 0,
        PLAN_DELAY_MAX_MS, .dflt = "0",
        .doc = "Milliseconds before a client begins the iteration."},
    [OPTIONS_EMBEDDED_RESOURCES] = {
        REQUESTS, OPTIONS_FLAG, {"-dhtmler", "--downloadHtmlEmbeddedResources"}, "true|false",
        .dflt = "false",
        .doc = "Whether the images, scripts and styles that an HTML page embeds are requested, "
               "too, as part of its request."},
    [OPTIONS_SAVE_RESPONSE] = {
        REQUESTS, OPTIONS_FLAG, {"-sr", "--saveResponse"}, "true|false", .dflt = "false",
        .doc = "Whether responses, at most one a second, are kept as files by the workers."},
    [OPTIONS_FAILURE_RULE] = {
        REQUESTS, OPTIONS_TEXT, {"-fr", "--failureRule"}, "RULE", .repeatable = true,
        .dflt = "\"ErrorRate > 0.05\" and \"ErrorRate > 0.01;>= 500\"",
        .doc = "METRIC or METRIC;CODES: when the iteration has failed, judged at its end, such as "
               "\"TTFB.P95 > 500\", or \"ErrorRate > 0.02;>= 500\" where CODES says which status "
               "codes are errors. May be repeated."},
    [OPTIONS_TERMINATION_RULE] = {
        REQUESTS, OPTIONS_TEXT, {"-tr", "--terminationRule"}, "RULE", .repeatable = true,
        .doc = "METRIC;GRACE or METRIC;GRACE;CODES: when the iteration is ended on all workers, "
               "such as \"TTFB.P95 > 500;10s\": GRACE is for how long it has to be so, 10s or "
               "00:00:10. May be repeated."},
    [OPTIONS_CAPTURE_ITERATION] = {
        CAPTURE, OPTIONS_TEXT, {"-in", "--iterationName"}, "NAME", .required = CAPTURE,
        .doc = "The iteration whose responses are captured."},
    [OPTIONS_TO] = {
        CAPTURE, OPTIONS_TEXT, {"--to"}, "NAME", .required = CAPTURE,
        .doc = "The variable that takes the response: letters and digits."},
    [OPTIONS_MAKE_GLOBAL] = {
        CAPTURE, OPTIONS_FLAG, {"-mg", "--makeGlobal"}, "true|false", .dflt = "false",
        .doc = "Whether all clients see it."},
    [OPTIONS_VARIABLE_NAME] = {
        VARIABLE, OPTIONS_TEXT, {"-n", "--name"}, "NAME", .required = VARIABLE,
        .doc = "The name of the variable: letters and digits."},
    [OPTIONS_VALUE] = {
        VARIABLE, OPTIONS_TEXT, {"-v", "--value"}, "TEXT", .required = VARIABLE,
        .doc = "Its value, which may have placeholders. $read(source=env, name=TOKEN) takes it from "
               "the environment of lps run. Other users of this host can read what is given "
               "here while lps runs."},
    [OPTIONS_SECRET] = {
        VARIABLE, OPTIONS_FLAG, {"--secret"}, "true|false", .dflt = "what it was, else false",
        .doc = "Whether its value is shown nowhere: not in results, nor logs, nor by the master."},
    [OPTIONS_AS] = {
        CAPTURE | VARIABLE, OPTIONS_TEXT, {"-as", "--as"}, "TYPE",
        .dflt = "String; of a capture what the response says",
        .doc = "What the text is read as: String, Int, Double, Decimal, Bool, JSON, XML, CSV and "
               "others."},
    [OPTIONS_REGEX] = {
        CAPTURE | VARIABLE, OPTIONS_TEXT, {"-r", "--regex"}, "PATTERN",
        .doc = "What is taken out of the text: its first match."},
    [OPTIONS_ENVIRONMENT] = {
        VARIABLE, OPTIONS_TEXT, {"-e", "--environment"}, "NAME", .repeatable = true,
        .doc = "Sets it in these environments instead, which are made where they are missing. May "
               "be repeated."},

    [OPTIONS_HAR] = {
        RECORD, OPTIONS_TEXT, {"--har"}, "FILE", .required = RECORD,
        .doc = "What a browser's developer tools saved (HAR 1.2)."},
    [OPTIONS_RECORD_NAME] = {
        RECORD, OPTIONS_TEXT, {"-n", "--name"}, "NAME", .dflt = "the name of OUTPUT",
        .doc = "The name of the plan."},
    [OPTIONS_RECORD_ROUND] = {
        RECORD, OPTIONS_TEXT, {"-rn", "--round"}, "NAME",
        .dflt = "Main; with --append Round2, Round3 and so on", .doc = "The name of the round."},
    [OPTIONS_RECORD_CLIENTS] = {
        RECORD, OPTIONS_COUNT, {"-nc", "--number-of-clients"}, "N", 1, PLAN_CLIENTS_MAX,
        .dflt = "1", .doc = "Clients of the round."},
    [OPTIONS_RECORD_ARRIVAL_DELAY] = {
        RECORD, OPTIONS_COUNT, {"-ad", "--arrival-delay"}, "MS", 0, PLAN_DELAY_MAX_MS,
        .doc = "Milliseconds between the starts of two clients."},
    [OPTIONS_RECORD_PARALLEL] = {
        RECORD, OPTIONS_FLAG, {"-rip", "--run-in-parallel"}, "true|false", .dflt = "false",
        .doc = "Whether the iterations of the round run together."},
    [OPTIONS_RECORD_REQUESTS] = {
        RECORD, OPTIONS_COUNT, {"-rc", "--request-count"}, "N", 1, PLAN_COUNT_MAX, .dflt = "1",
        .doc = "How often each request is sent."},
    [OPTIONS_RECORD_DURATION] = {
        RECORD, OPTIONS_COUNT, {"-d", "--duration"}, "SECONDS", 1, PLAN_DURATION_MAX_S,
        .doc = "For how long each request is sent, instead of a count."},
    [OPTIONS_THINK_TIME] = {
        RECORD, OPTIONS_FLAG, {"-tt", "--think-time"}, "true|false", .dflt = "false",
        .doc = "Keeps the time between two requests as the delay of the second."},
    [OPTIONS_MAX_THINK_TIME] = {
        RECORD, OPTIONS_COUNT, {"-mtt", "--max-think-time"}, "MS", 1, PLAN_DELAY_MAX_MS,
        .doc = "The longest such delay."},
    [OPTIONS_APPEND] = {
        RECORD, OPTIONS_FLAG, {"-a", "--append"}, "true|false", .dflt = "false",
        .doc = "Adds to the plan that OUTPUT is: to the round that is named, or a new one."},
    [OPTIONS_UPDATE] = {
        RECORD, OPTIONS_FLAG, {"-up", "--update"}, "true|false", .dflt = "false",
        .doc = "Renews the requests of the plan that OUTPUT is (same method, URL and body), and "
               "adds the others."},
    [OPTIONS_ONLY_HOST] = {
        RECORD, OPTIONS_TEXT, {"-oh", "--only-host"}, "HOST", .repeatable = true,
        .doc = "Keeps only requests to these hosts. May be repeated, as all that follow may."},
    [OPTIONS_IGNORE_HOST] = {
        RECORD, OPTIONS_TEXT, {"-ih", "--ignore-host"}, "HOST", .repeatable = true,
        .doc = "Leaves out requests to these hosts."},
    [OPTIONS_IGNORE_PATH] = {
        RECORD, OPTIONS_TEXT, {"-ip", "--ignore-path"}, "TEXT", .repeatable = true,
        .doc = "Leaves out requests with this in their path."},
    [OPTIONS_IGNORE_METHOD] = {
        RECORD, OPTIONS_TEXT, {"-im", "--ignore-method"}, "METHOD", .repeatable = true,
        .doc = "Leaves out requests with these methods."},
    [OPTIONS_IGNORE_TYPE] = {
        RECORD, OPTIONS_TEXT, {"-irt", "--ignore-resource-type"}, "TYPE", .repeatable = true,
        .doc = "Leaves out such resources: xhr, document and so on; images, styles, fonts and "
               "media are left out already."},
    [OPTIONS_IGNORE_EXTENSION] = {
        RECORD, OPTIONS_TEXT, {"-iext", "--ignore-extension"}, "EXT", .repeatable = true,
        .doc = "Leaves out paths that end so."},
    [OPTIONS_IGNORE_CONTENT] = {
        RECORD, OPTIONS_TEXT, {"-ict", "--ignore-content-type"}, "TYPE", .repeatable = true,
        .doc = "Leaves out responses of these media types."},
    [OPTIONS_IGNORE_HEADER] = {
        RECORD, OPTIONS_TEXT, {"-ihdr", "--ignore-header"}, "NAME", .repeatable = true,
        .doc = "Leaves out these headers; NAME* means all that begin so."},
    [OPTIONS_MINIMAL_HEADERS] = {
        RECORD, OPTIONS_FLAG, {"-mh", "--minimal-headers"}, "true|false", .dflt = "false",
        .doc = "Leaves out what a browser says of itself."},

    [OPTIONS_FORCE] = {
        CANCEL, OPTIONS_FLAG, {"--force"},
        .doc = "Cuts requests in flight instead of waiting for their responses."},
    [OPTIONS_LIMIT] = {
        HISTORY, OPTIONS_COUNT, {"--limit"}, "N", 1, 1000, .dflt = "20",
        .doc = "How many runs at most."},
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

    [OPTIONS_LOG_FILE_PATH] = {
        LOGGER, OPTIONS_TEXT, {"-lfp", "--logFilePath"}, "PATH",
        .doc = "Sets LogFilePath."},
    [OPTIONS_DISABLE_FILE_LOGGING] = {
        LOGGER, OPTIONS_FLAG, {"-dfl", "--disableFileLogging"}, "true|false",
        .doc = "Sets DisableFileLogging."},
    [OPTIONS_ENABLE_CONSOLE_LOGGING] = {
        LOGGER, OPTIONS_FLAG, {"-ecl", "--enableConsoleLogging"}, "true|false",
        .doc = "Sets EnableConsoleLogging."},
    [OPTIONS_DISABLE_CONSOLE_ERRORS] = {
        LOGGER, OPTIONS_FLAG, {"-dcel", "--disableConsoleErrorLogging"}, "true|false",
        .doc = "Sets DisableConsoleErrorLogging."},
    [OPTIONS_LOGGING_LEVEL] = {
        LOGGER, OPTIONS_TEXT, {"-ll", "--loggingLevel"}, "LEVEL",
        .doc = "Sets LoggingLevel."},
    [OPTIONS_CONSOLE_LEVEL] = {
        LOGGER, OPTIONS_TEXT, {"-cll", "--consoleLoggingLevel"}, "LEVEL",
        .doc = "Sets ConsoleLoggingLevel."},
    [OPTIONS_MAX_CONNECTIONS] = {
        HTTPCLIENT, OPTIONS_TEXT, {"-mcps", "--maxConnectionsPerServer"}, "N",
        .doc = "Sets MaxConnectionsPerServer."},
    [OPTIONS_POOL_LIFETIME] = {
        HTTPCLIENT, OPTIONS_TEXT, {"-pclt", "--poolConnectionLifeTime"}, "SECONDS",
        .doc = "Sets PooledConnectionLifeTimeInSeconds."},
    [OPTIONS_POOL_IDLE] = {
        HTTPCLIENT, OPTIONS_TEXT, {"-pcit", "--poolConnectionIdleTimeout"}, "SECONDS",
        .doc = "Sets PooledConnectionIdleTimeoutInSeconds."},
    [OPTIONS_CLIENT_TIMEOUT] = {
        HTTPCLIENT, OPTIONS_TEXT, {"-cto", "--clientTimeout"}, "SECONDS",
        .doc = "Sets ClientTimeoutInSeconds."},
    [OPTIONS_HEADER_VALIDATION] = {
        HTTPCLIENT, OPTIONS_TEXT, {"-hvm", "--headerValidationMode"}, "MODE",
        .doc = "Sets HeaderValidationMode."},
    [OPTIONS_HOST_OVERRIDE] = {
        HTTPCLIENT, OPTIONS_FLAG, {"-aho", "--allowHostOverride"}, "true|false",
        .doc = "Sets AllowHostOverride."},
    [OPTIONS_SERVER_TIME_HEADER] = {
        HTTPCLIENT, OPTIONS_TEXT, {"-sth", "--serverTimeHeader"}, "NAME",
        .doc = "Sets ServerTimeHeader."},
    [OPTIONS_SERVER_TIME_FORMAT] = {
        HTTPCLIENT, OPTIONS_TEXT, {"-stf", "--serverTimeFormat"}, "FORMAT",
        .doc = "Sets ServerTimeFormat."},
    [OPTIONS_MAX_MEMORY] = {
        WATCHDOG, OPTIONS_TEXT, {"-mmm", "--maxMemoryMB"}, "MB",
        .doc = "Sets MaxMemoryMB."},
    [OPTIONS_COOL_MEMORY] = {
        WATCHDOG, OPTIONS_TEXT, {"-cdmm", "--coolDownMemoryMB"}, "MB",
        .doc = "Sets CoolDownMemoryMB."},
    [OPTIONS_MAX_CPU] = {
        WATCHDOG, OPTIONS_TEXT, {"-mcp", "--maxCPUPercentage"}, "PERCENT",
        .doc = "Sets MaxCPUPercentage."},
    [OPTIONS_COOL_CPU] = {
        WATCHDOG, OPTIONS_TEXT, {"-cdcp", "--coolDownCPUPercentage"}, "PERCENT",
        .doc = "Sets CoolDownCPUPercentage."},
    [OPTIONS_MAX_HOST_CONNECTIONS] = {
        WATCHDOG, OPTIONS_TEXT, {"-mcccphn", "--maxConcurrentConnectionsCountPerHostName"}, "N",
        .doc = "Sets MaxConcurrentConnectionsCountPerHostName."},
    [OPTIONS_COOL_HOST_CONNECTIONS] = {
        WATCHDOG, OPTIONS_TEXT, {"-cdcccphn", "--coolDownConcurrentConnectionsCountPerHostName"},
        "N", .doc = "Sets CoolDownConcurrentConnectionsCountPerHostName."},
    [OPTIONS_COOL_RETRY] = {
        WATCHDOG, OPTIONS_TEXT, {"-cdrtims", "--coolDownRetryTimeInMs"}, "MS",
        .doc = "Sets CoolDownRetryTimeInMs."},
    [OPTIONS_MAX_COOLING] = {
        WATCHDOG, OPTIONS_TEXT, {"-maxcp", "--maxCoolingPeriod"}, "SECONDS",
        .doc = "Sets MaxCoolingPeriod."},
    [OPTIONS_RESUME_COOLING] = {
        WATCHDOG, OPTIONS_TEXT, {"-rca", "--resumeCoolingAfter"}, "SECONDS",
        .doc = "Sets ResumeCoolingAfter."},
    [OPTIONS_SUSPENSION_MODE] = {
        WATCHDOG, OPTIONS_TEXT, {"-sm", "--suspensionMode"}, "MODE",
        .doc = "Sets SuspensionMode."},
    [OPTIONS_DASHBOARD_ENABLED] = {
        DASHBOARD, OPTIONS_FLAG, {"-bid", "--builtInDashboard"}, "true|false",
        .doc = "Sets BuiltInDashboard."},
    [OPTIONS_DASHBOARD_PORT] = {
        DASHBOARD, OPTIONS_TEXT, {"-p", "--port"}, "PORT",
        .doc = "Sets Port."},
    [OPTIONS_REFRESH_RATE] = {
        DASHBOARD, OPTIONS_TEXT, {"-rr", "--refreshRate"}, "SECONDS",
        .doc = "Sets RefreshRate."},
    [OPTIONS_INFLUX_ENABLED] = {
        INFLUXDB, OPTIONS_FLAG, {"-ie", "--influxDBEnabled"}, "true|false",
        .doc = "Sets Enabled."},
    [OPTIONS_INFLUX_URL] = {
        INFLUXDB, OPTIONS_TEXT, {"-iu", "--influxDBUrl"}, "URL",
        .doc = "Sets Url."},
    [OPTIONS_INFLUX_TOKEN] = {
        INFLUXDB, OPTIONS_TEXT, {"-it", "--influxDBToken"}, "TEXT",
        .doc = "Sets Token."},
    [OPTIONS_INFLUX_ORGANIZATION] = {
        INFLUXDB, OPTIONS_TEXT, {"-io", "--influxDBOrganization"}, "NAME",
        .doc = "Sets Organization."},
    [OPTIONS_INFLUX_BUCKET] = {
        INFLUXDB, OPTIONS_TEXT, {"-ib", "--influxDBBucket"}, "NAME",
        .doc = "Sets Bucket."},

    [OPTIONS_JSON] = {
        RUNS | STATUS | HISTORY | SHOW | ATTACH, OPTIONS_FLAG, {"--json"},
        .doc = "Prints one JSON document on standard output instead of text."},
    [OPTIONS_QUIET] = {
        RUNS | ATTACH, OPTIONS_FLAG, {"--quiet"},
        .doc = "No progress; only warnings, errors and the result."},
    [OPTIONS_SOCKET] = {
        RUNS | STATUS | CANCEL | HISTORY | SHOW | ATTACH | READY, OPTIONS_TEXT, {"--socket"}, "PATH",
        .dflt = "$LPS_SOCKET, else /run/lps/workerd.sock",
        .doc = "The worker's socket."},
    [OPTIONS_CONFIG] = {
        RUNS | SETTINGS, OPTIONS_TEXT, {"--config"}, "FILE", .dflt = "/etc/lps/lpsSettings.json",
        .doc = "The settings file; for a test only with --local."},
    [OPTIONS_HELP] = {ANY, OPTIONS_FLAG, {"-?", "--help"}, .doc = "Shows this text."},
    [OPTIONS_VERSION] = {ANY, OPTIONS_FLAG, {"--version"}, .doc = "Shows the version."},
    [OPTIONS_HELP_METHODS] = {
        TEST, OPTIONS_FLAG, {"--help-methods"},
        .doc = "Shows the methods that placeholders may call."},
    [OPTIONS_HELP_MDOC] = {TEST, OPTIONS_FLAG, {"--help-mdoc"}}, // for docs/lps.1
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
