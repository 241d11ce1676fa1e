// The command line: one table of commands and options for parsing, help, man page and tests. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/diag.h"

enum options_command {
    OPTIONS_COMMAND_UNDEFINED = 0,
    OPTIONS_TEST, // no command word
    OPTIONS_RUN,
    OPTIONS_VALIDATE,
    OPTIONS_STATUS,
    OPTIONS_CANCEL,
    OPTIONS_RUNS,
    OPTIONS_SHOW,
    OPTIONS_ATTACH,
    OPTIONS_CREATE,
    OPTIONS_ROUND,
    OPTIONS_ITERATION,
    OPTIONS_ITERATION_REF,
    OPTIONS_CAPTURE,
    OPTIONS_VARIABLE,
    OPTIONS_RECORD,
    OPTIONS_CLUSTER,
    OPTIONS_CLUSTER_READY,
    OPTIONS_LOGGER,
    OPTIONS_HTTPCLIENT,
    OPTIONS_WATCHDOG,
    OPTIONS_DASHBOARD,
    OPTIONS_INFLUXDB,
    OPTIONS_COMPLETION,
    OPTIONS_COMMAND__COUNT,
};

enum options_id {
    OPTIONS_UNDEFINED = 0,
    OPTIONS_URL,
    OPTIONS_METHOD,
    OPTIONS_HEADER,
    OPTIONS_PAYLOAD,
    OPTIONS_REQUEST_COUNT,
    OPTIONS_DURATION,
    OPTIONS_MODE,
    OPTIONS_RATE,
    OPTIONS_RAMP,
    OPTIONS_BATCH_SIZE,
    OPTIONS_COOL_DOWN_TIME,
    OPTIONS_MAXIMIZE_THROUGHPUT,
    OPTIONS_CLIENT_THINK_TIME,
    OPTIONS_PACING,
    OPTIONS_CLIENTS,
    OPTIONS_ARRIVAL_DELAY,
    OPTIONS_STARTUP_DELAY,
    OPTIONS_RUN_IN_PARALLEL,
    OPTIONS_DELAY_CLIENT_CREATION,
    OPTIONS_HTTP_VERSION,
    OPTIONS_SUPPORT_H2C,
    OPTIONS_CERTIFICATE_PATH,
    OPTIONS_CERTIFICATE_PASSWORD,
    OPTIONS_NAME,
    OPTIONS_ROUND_NAME,
    OPTIONS_ITERATION_NAME,
    OPTIONS_LOCAL,
    OPTIONS_WAIT,
    OPTIONS_DETACH,
    OPTIONS_QUEUE,
    OPTIONS_STRICT,
    OPTIONS_SAVE,
    OPTIONS_RUN_ROUND,
    OPTIONS_RUN_TAG,
    OPTIONS_RUN_ENVIRONMENT,
    OPTIONS_SEED,
    OPTIONS_NEW_PLAN_NAME,
    OPTIONS_NEW_ROUND_NAME,
    OPTIONS_BASE_URL,
    OPTIONS_TAG,
    OPTIONS_NEW_ITERATION_NAME,
    OPTIONS_IN_ROUND,
    OPTIONS_GLOBAL,
    OPTIONS_ITERATION_DELAY,
    OPTIONS_EMBEDDED_RESOURCES,
    OPTIONS_SAVE_RESPONSE,
    OPTIONS_FAILURE_RULE,
    OPTIONS_TERMINATION_RULE,
    OPTIONS_CAPTURE_ITERATION,
    OPTIONS_TO,
    OPTIONS_MAKE_GLOBAL,
    OPTIONS_VARIABLE_NAME,
    OPTIONS_VALUE,
    OPTIONS_AS,
    OPTIONS_REGEX,
    OPTIONS_SECRET,
    OPTIONS_ENVIRONMENT,
    OPTIONS_HAR,
    OPTIONS_RECORD_NAME,
    OPTIONS_RECORD_ROUND,
    OPTIONS_RECORD_CLIENTS,
    OPTIONS_RECORD_ARRIVAL_DELAY,
    OPTIONS_RECORD_PARALLEL,
    OPTIONS_RECORD_REQUESTS,
    OPTIONS_RECORD_DURATION,
    OPTIONS_THINK_TIME,
    OPTIONS_MAX_THINK_TIME,
    OPTIONS_APPEND,
    OPTIONS_UPDATE,
    OPTIONS_ONLY_HOST,
    OPTIONS_IGNORE_HOST,
    OPTIONS_IGNORE_PATH,
    OPTIONS_IGNORE_METHOD,
    OPTIONS_IGNORE_TYPE,
    OPTIONS_IGNORE_EXTENSION,
    OPTIONS_IGNORE_CONTENT,
    OPTIONS_IGNORE_HEADER,
    OPTIONS_MINIMAL_HEADERS,
    OPTIONS_FORCE,
    OPTIONS_LIMIT,
    OPTIONS_MASTER_NODE_IP,
    OPTIONS_GRPC_PORT,
    OPTIONS_EXPECTED_WORKERS,
    OPTIONS_MASTER_IS_WORKER,
    OPTIONS_LOG_FILE_PATH,
    OPTIONS_DISABLE_FILE_LOGGING,
    OPTIONS_ENABLE_CONSOLE_LOGGING,
    OPTIONS_DISABLE_CONSOLE_ERRORS,
    OPTIONS_LOGGING_LEVEL,
    OPTIONS_CONSOLE_LEVEL,
    OPTIONS_MAX_CONNECTIONS,
    OPTIONS_POOL_LIFETIME,
    OPTIONS_POOL_IDLE,
    OPTIONS_CLIENT_TIMEOUT,
    OPTIONS_HEADER_VALIDATION,
    OPTIONS_HOST_OVERRIDE,
    OPTIONS_SERVER_TIME_HEADER,
    OPTIONS_SERVER_TIME_FORMAT,
    OPTIONS_MAX_MEMORY,
    OPTIONS_COOL_MEMORY,
    OPTIONS_MAX_CPU,
    OPTIONS_COOL_CPU,
    OPTIONS_MAX_HOST_CONNECTIONS,
    OPTIONS_COOL_HOST_CONNECTIONS,
    OPTIONS_COOL_RETRY,
    OPTIONS_MAX_COOLING,
    OPTIONS_RESUME_COOLING,
    OPTIONS_SUSPENSION_MODE,
    OPTIONS_DASHBOARD_ENABLED,
    OPTIONS_DASHBOARD_PORT,
    OPTIONS_REFRESH_RATE,
    OPTIONS_INFLUX_ENABLED,
    OPTIONS_INFLUX_URL,
    OPTIONS_INFLUX_TOKEN,
    OPTIONS_INFLUX_ORGANIZATION,
    OPTIONS_INFLUX_BUCKET,
    OPTIONS_JSON,
    OPTIONS_QUIET,
    OPTIONS_SOCKET,
    OPTIONS_CONFIG,
    OPTIONS_HELP,
    OPTIONS_VERSION,
    OPTIONS_HELP_METHODS,
    OPTIONS_HELP_MDOC,
    OPTIONS__COUNT,
};

enum options_kind {
    OPTIONS_KIND_UNDEFINED = 0,
    OPTIONS_FLAG,  // no value is true; else true or false
    OPTIONS_TEXT,  // anything
    OPTIONS_COUNT, // a whole number from min to max
    OPTIONS_REAL,  // decimal, above 0 and up to max
    OPTIONS_KIND__COUNT,
};

#define OPTIONS_SPELLINGS_MAX 4
#define OPTIONS_REPEATS_MAX   100 // PLAN_HEADERS_MAX

struct options_row {
    unsigned commands; // 1u << enum options_command, or'ed
    enum options_kind kind;
    // Short forms first. Long ones in their declared case; any case is accepted.
    const char *spelling[OPTIONS_SPELLINGS_MAX];
    const char *arg; // what the value is called; NULL: a flag
    uint64_t min, max;
    bool repeatable;   // each, or several in a row
    unsigned required; // by which commands
    const char *dflt;  // NULL: none
    const char *doc;   // one sentence or more; NULL: not in the help
};

struct options_command_row {
    const char *name; // "cluster ready"; "" for the test
    const char *arg;  // its argument; NULL: takes none
    bool is_arg_required;
    const char *doc;
};

struct options_value {
    char *spelling;    // as it was typed; NULL: not given
    const char **text; // n of them, borrowed from argv
    size_t n;
    uint64_t count;
    double real;
    bool flag;
};

struct options {
    enum options_command command;
    const char *argument; // NULL: none; borrowed from argv
    struct options_value value[OPTIONS__COUNT];
};

const struct options_row *options_row(enum options_id id);
const struct options_command_row *options_command_row(enum options_command command);

// argv without the program's name. 0, or -EINVAL with one entry in d. --help and --version stop the
// parsing, so that they win over what follows. Then options_done, also on failure.
int options_parse(int argc, char *const *argv, struct diag *d, struct options *ret_options);
void options_done(struct options *o);

// Decimal digits with at most one point: no sign, exponent, blank, or locale.
bool options_parse_real(const char *text, double *ret_value);

// --help or its like: nothing else is to be done.
bool options_is_help(const struct options *o);
bool options_given(const struct options *o, enum options_id id);
// Whether help, man page and completion of the command name the option.
bool options_is_shown(enum options_id id, enum options_command command);
// The first value, or fallback when not given.
const char *options_text(const struct options *o, enum options_id id, const char *fallback);
