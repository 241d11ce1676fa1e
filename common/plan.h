// The canonical test plan: parse, check, format, digest. PURE; used by every program.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/diag.h"

#define PLAN_BYTES_MAX      (256 * 1024)       // canonical JSON
#define PLAN_FILES_MAX      (32 * 1024 * 1024) // content of all files together
#define PLAN_SERIES_MAX     1000
#define PLAN_CLIENTS_MAX    1000000
#define PLAN_HEADERS_MAX    100
#define PLAN_COUNT_MAX      1000000000000 // requests of a client
#define PLAN_DURATION_MAX_S 31536000
#define PLAN_DELAY_MAX_MS   86400000
#define PLAN_URL_MAX        16384

enum plan_mode {
    PLAN_MODE_UNDEFINED = 0,
    PLAN_MODE_R,
    PLAN_MODE_D,
    PLAN_MODE__COUNT,
};

struct plan_header {
    char *name, *value;
};

// URL in its parts (RFC 3986); http and https only.
struct plan_url {
    char *text; // in its one spelling
    bool tls;
    char *host; // lower case, without brackets
    uint16_t port;
    char *authority; // for the Host header: port only when not the scheme's default
    char *target;    // path and query, begins with '/'
};

struct plan_iteration {
    char *name;
    enum plan_mode mode;
    uint64_t request_count; // R, per client; else 0
    uint64_t duration_s;    // D; else 0
    struct plan_url url;
    char *method;                // upper case
    struct plan_header *headers; // by name, values of one name in their order
    size_t n_headers;
    char *payload;         // text; NULL: none or a file
    char payload_file[65]; // SHA-256 in hex of a file that travels beside the plan; "": none
};

struct plan_round {
    char *name;
    uint64_t n_clients;
    uint64_t arrival_delay_ms;
    struct plan_iteration *iterations; // in sequence
    size_t n_iterations;
};

struct plan {
    char *name;
    struct plan_round *rounds; // in sequence
    size_t n_rounds;
};

// Strict: an unknown key, a wrong type, a value out of range, or one that contradicts the mode is
// an entry in d (all of them, with the place in text). 0 or -EINVAL. Keys as in the reference:
// {"name","rounds":[{"name","numberOfClients","arrivalDelay","iterations":[{"name","mode","requestCount",
// "duration","httpRequest":{"url","method","headers":{name: value or [values]},"payload":{"raw"} or
// {"file"}}}]}]}
int plan_parse(const char *text, size_t len, struct diag *d, struct plan **ret_plan);
void plan_free(struct plan *plan);
// Canonical JSON: one spelling, defaults written out, keys sorted, compact; parses again to an
// equal plan. The caller frees.
char *plan_format(const struct plan *plan);
// SHA-256 of plan_format.
void plan_digest(const struct plan *plan, uint8_t out[32]);

// Series = (round, iteration) pairs, counted through all rounds.
uint32_t plan_n_series(const struct plan *plan);
// Borrowed from plan; id < plan_n_series.
void plan_series(const struct plan *plan, uint32_t id, const struct plan_round **ret_round,
                 const struct plan_iteration **ret_iteration);
// Clients of the largest round, for checks of what fits: rounds run one after another.
uint64_t plan_max_clients(const struct plan *plan);

// "http://host:port/path"; fragment dropped, empty path becomes "/". 0, or -EINVAL with a text
// entry in d at the given place.
int plan_url_parse(const char *text, struct diag *d, int line, int column,
                   struct plan_url *ret_url);
void plan_url_done(struct plan_url *url);
// A name (RFC 9110 token, at most 256) and a value (no CR, LF, NUL; at most 16384). 0, or -EINVAL
// and an entry in d.
int plan_check_header(const char *name, const char *value, struct diag *d, int line, int column);
// Whether "$" begins a variable or a method call in text (reserved: nothing replaces them yet).
bool plan_has_placeholder(const char *text);
