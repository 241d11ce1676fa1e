// The canonical test plan: parse, check, format, digest. PURE; used by every program.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/diag.h"
#include "common/script/value.h"

#define PLAN_BYTES_MAX      (256 * 1024)       // canonical JSON
#define PLAN_FILES_MAX      (32 * 1024 * 1024) // content of all files together
#define PLAN_NAME_MAX       60                 // characters, of it, a round or an iteration
#define PLAN_SERIES_MAX     1000
#define PLAN_CLIENTS_MAX    1000000
#define PLAN_HEADERS_MAX    100
#define PLAN_COUNT_MAX      1000000000000 // requests of a client
#define PLAN_DURATION_MAX_S 31536000
#define PLAN_DELAY_MAX_MS   86400000
#define PLAN_URL_MAX        16384
#define PLAN_STAGES_MAX     1000        // of a round, or of a ramp
#define PLAN_BATCH_MAX      100000      // requests of one batch
#define PLAN_RATE_MAX_MHZ   10000000000 // 10,000,000 requests a second
#define PLAN_PASSWORD_MAX   1024        // bytes, of a client certificate
#define PLAN_VARIABLES_MAX  1000        // also of one environment
#define PLAN_HOOKS_MAX      100         // of one list
#define PLAN_RULES_MAX      100         // of one list
#define PLAN_PARTS_MAX      100         // of a multipart payload
#define PLAN_RETRIES_MAX    1000
#define PLAN_READS_MAX      1000

enum plan_mode {
    PLAN_MODE_UNDEFINED = 0,
    PLAN_MODE_R,   // a count of requests, one after another
    PLAN_MODE_D,   // for a time, one after another; with a rate: at fixed instants
    PLAN_MODE_CB,  // batches until the run is cancelled
    PLAN_MODE_CRB, // batches until a count is sent
    PLAN_MODE_DCB, // batches for a time
    PLAN_MODE__COUNT,
};

enum plan_version {
    PLAN_VERSION_UNDEFINED = 0,
    PLAN_VERSION_1_0,
    PLAN_VERSION_1_1,
    PLAN_VERSION_2, // where the server agrees (ALPN), else 1.1; without TLS only by supportH2C
};

// How precisely instants are kept: PRECISE wakes for each; BATCHED never sleeps less than a
// quantum, and costs less CPU.
enum plan_pacing {
    PLAN_PACING_UNDEFINED = 0,
    PLAN_PACING_PRECISE,
    PLAN_PACING_BATCHED,
};

// Texts marked "template" are of common/script/tmpl.h, "condition" of common/script/expr.h: as they
// were written, with "$$" for "$". All others are what they are.

struct plan_header {
    char *name, *value; // value: template
};

// Of the whole process, set in this order before the first request.
struct plan_variable {
    char *name;
    enum value_type type;
    bool is_quoted;
    bool is_secret;
    bool is_unshared; // its value is known only where the plan is submitted: of what is read there
    char *value;      // template; NULL: secret and left out of a text for others
    char *regex;      // NULL: none; its first match is the value
};

// A file or environment variable that a method reads; it travels beside the plan.
struct plan_read {
    bool is_env;
    bool is_secret; // a secret variable reads it
    char *name;     // as the template has it
    char file[65];  // SHA-256 in hex; "": secret and left out of a text for others
};

struct plan_rule {
    char *metric;      // of rule_parse; NULL: only a condition
    char *codes;       // of rule_parse_codes; NULL: none
    char *expression;  // condition over variables of the process and ${Metrics...}; NULL: none
    uint64_t grace_ms; // of a termination rule; else 0
};

struct plan_retry {
    char *condition; // NULL: always
    char *stop;      // condition, looked at before; NULL: never
    uint64_t max;    // attempts after the first
    bool is_exponential;
    uint64_t delay_ms, max_delay_ms; // max_delay_ms 0: no bound
};

struct plan_capture {
    char *to;
    enum value_type type; // of the body; UNDEFINED: by the answer's media type
    bool is_quoted, is_global;
    char *regex; // NULL: none
};

// Of a multipart payload.
struct plan_part {
    char *name;         // template; of a file also its file name
    char *value;        // template; NULL: a file
    char file[65];      // SHA-256 in hex of a file that travels beside the plan
    char *content_type; // template; NULL: text/plain. A file always has one
};

enum plan_payload {
    PLAN_PAYLOAD_NONE = 0,
    PLAN_PAYLOAD_RAW,
    PLAN_PAYLOAD_FILE,
    PLAN_PAYLOAD_MULTIPART,
};

// URL in its parts (RFC 3986); http and https only.
struct plan_url {
    char *text; // in its one spelling
    bool tls;
    char *host; // lower case, without brackets
    uint16_t port;
    char *authority; // for the Host header: port only when not the scheme's default
    char *target;    // path and query, begins with '/'; of an iteration: template
};

// Clients of a round: client i of a stage arrives i * arrival_delay_ms after the stage begins; a
// stage begins startup_delay_ms after the last client of the one before.
struct plan_stage {
    uint64_t n_clients, arrival_delay_ms, startup_delay_ms;
};

// The rate changes evenly from what it was to this one.
struct plan_ramp {
    uint64_t rate_mhz; // requests in 1000 s
    uint64_t duration_s;
};

struct plan_iteration {
    char *name;
    enum plan_mode mode;
    uint64_t delay_ms;                   // before a client begins it
    uint64_t request_count;              // R, CRB, per client; else 0
    uint64_t duration_s;                 // D, DCB; else 0. With a ramp: the sum of its durations
    uint64_t batch_size;                 // CB, CRB, DCB; else 0
    uint64_t cool_down_ms;               // the same: from one batch to the next
    bool maximize;                       // the same: accepted; batches are on their grid either way
    uint64_t think_min_ms, think_max_ms; // R and D: a client waits so long after each request
    char *skip_if;                       // condition, before a client begins it; NULL: none
    char **before, **after;              // templates, before and after a client's requests
    size_t n_before, n_after;
    struct plan_rule *failure, *termination;
    size_t n_failure, n_termination;
    bool is_open;           // D only: requests are due at a rate, whatever the answers do
    uint64_t rate_mhz;      // is_open: requests in 1000 s, at first where there is a ramp
    struct plan_ramp *ramp; // is_open; n_ramp = 0: the rate is constant
    size_t n_ramp;
    enum plan_version version;
    bool h2c;             // HTTP/2 without TLS by prior knowledge: version 2 and http only
    char certificate[65]; // SHA-256 in hex of a file beside the plan: PEM with key, or PKCS#12
    char *certificate_password; // NULL: none
    struct plan_url url;
    char *method;                // template; upper case where it has no placeholder
    struct plan_header *headers; // by name, values of one name in their order
    size_t n_headers;
    enum plan_payload payload_kind;
    char *payload;           // RAW: template, not empty
    char payload_file[65];   // FILE: SHA-256 in hex of a file that travels beside the plan; else ""
    struct plan_part *parts; // MULTIPART: fields, then files
    size_t n_parts;
    char *request_skip_if; // condition, of each request
    char **request_before, **request_after;
    size_t n_request_before, n_request_after;
    struct plan_retry *retry;     // NULL: none
    struct plan_capture *capture; // NULL: none
    bool with_resources;          // downloadHtmlEmbeddedResources
    bool save_response;
};

// A round is open (all its iterations are, and its clients are only the bound on requests in
// flight; they have no arrival of their own) or closed (none is).
struct plan_round {
    char *name;
    uint64_t startup_delay_ms;
    struct plan_stage *stages; // at least one
    size_t n_stages;
    uint64_t n_clients; // of all stages
    bool is_open;
    bool is_parallel; // iterations of a client begin together, else one after another
    enum plan_pacing pacing;
    struct plan_iteration *iterations;
    size_t n_iterations;
};

struct plan {
    char *name;
    struct plan_variable *variables;
    size_t n_variables;
    struct plan_read *reads;
    size_t n_reads;
    bool warm_up;              // of a source: the client greets each server before it submits
    struct plan_round *rounds; // in sequence
    size_t n_rounds;
};

// Strict: an unknown key, a wrong type, a value out of range, or one that contradicts the mode is
// an entry in d (all of them, with the place in text). 0 or -EINVAL. Keys as in the reference:
// {"name","rounds":[{"name","startupDelay","numberOfClients","arrivalDelay" or "stages":
// [{"numberOfClients","arrivalDelay","startupDelay"}],"runInParallel","pacing","iterations":
// [{"name","delay","mode","requestCount","duration","batchSize","coolDownTime",
// "maximizeThroughput","rate","ramp":[{"rate","duration"}],"httpRequest":{"url","method","version",
// "supportH2C","clientCertificate","clientCertificatePassword","headers":{name: value or
// [values]},"payload":{"raw"} or {"file"}}}]}]}; docs/plan.md has types, ranges and defaults.
int plan_parse(const char *text, size_t len, struct diag *d, struct plan **ret_plan);
void plan_free(struct plan *plan);
// Canonical JSON: one spelling, defaults written out, keys sorted, compact; parses again to an
// equal plan. The caller frees.
char *plan_format(const struct plan *plan);
// The same for others to see: secret variables without their value, nor the hash of what they read;
// certificate passwords and the values of Authorization, Proxy-Authorization and Cookie as "***".
// Parses, too.
char *plan_format_public(const struct plan *plan);
// The plan of that text, of one that was parsed; for plan_free.
struct plan *plan_public(const struct plan *plan);
// SHA-256 of plan_format_public.
void plan_digest(const struct plan *plan, uint8_t out[32]);

// Series = (round, iteration) pairs, counted through all rounds.
uint32_t plan_n_series(const struct plan *plan);
// Borrowed from plan; id < plan_n_series.
void plan_series(const struct plan *plan, uint32_t id, const struct plan_round **ret_round,
                 const struct plan_iteration **ret_iteration);
// Hashes of the files that a plan names: of its iterations, then what its methods read. Some may be
// there twice.
struct plan_files {
    const char **hash; // borrowed from the plan; the caller frees the list
    size_t n;
};
struct plan_files plan_named_files(const struct plan *plan);
bool plan_files_have(const struct plan_files *files, const char *hash);
// "R" to "DCB"; mode is one of them.
const char *plan_mode_name(enum plan_mode mode);
// Whether the server may be asked for HTTP/2: by ALPN, or by prior knowledge.
bool plan_may_http2(enum plan_version version, bool tls, bool h2c);
// Whether its requests leave an HTTP/1 connection open for the next: not with "Connection: close",
// nor in HTTP/1.0 without "Connection: keep-alive".
bool plan_keeps_connection(enum plan_version version, const struct plan_header *headers, size_t n);
// Clients of the largest round, for checks of what fits: rounds run one after another.
uint64_t plan_max_clients(const struct plan *plan);

// "http://host:port/path", where "$" is itself; fragment dropped, empty path becomes "/". 0, or
// -EINVAL with a text entry in d at the given place.
int plan_url_parse(const char *text, struct diag *d, int line, int column,
                   struct plan_url *ret_url);
void plan_url_done(struct plan_url *url);
// A name (RFC 9110 token, at most 256) and a value (no CR, LF, NUL; at most 16384). 0, or -EINVAL
// and an entry in d.
int plan_check_header(const char *name, const char *value, struct diag *d, int line, int column);
// Its one spelling, static; NULL: no method that plans know. Letter case does not matter.
const char *plan_method(const char *text);
// Authorization, Proxy-Authorization and Cookie.
bool plan_is_secret_header(const char *name);
// Whether "$" begins a variable or a method call in text, or stands for "$" as "$$".
bool plan_has_placeholder(const char *text);
