// What a browser recorded (HAR 1.2) as iterations of a plan. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/diag.h"

#define HAR_BYTES_MAX   (256 * 1024 * 1024)
#define HAR_ENTRIES_MAX 100000
#define HAR_SECRETS_MAX 500 // different ones

// Why an entry is left out, in the order of looking. har_rule_name[] has the words for people.
enum har_rule {
    HAR_RULE_UNDEFINED = 0,
    HAR_NO_REQUEST, // no method, or no http:// or https:// URL
    HAR_OTHER_HOST, // not of only_hosts
    HAR_IGNORED_HOST,
    HAR_IGNORED_PATH,
    HAR_IGNORED_METHOD, // also one that no plan can have
    HAR_IGNORED_TYPE,
    HAR_IGNORED_EXTENSION,
    HAR_IGNORED_CONTENT,
    HAR_RULE__COUNT,
};

extern const char *const har_rule_name[HAR_RULE__COUNT];

struct har_list { // of texts, in any letter case
    const char *const *item;
    size_t n;
};

// Zero-initialise for the defaults. The lists add to the built-in ones.
struct har_options {
    const char *plan_name;            // NULL: "RecordedPlan"
    const char *round;                // NULL: as the functions below say
    uint64_t n_clients;               // 0: not given, 1
    const uint64_t *arrival_delay_ms; // NULL: not given
    bool run_in_parallel;
    uint64_t request_count;                   // mode R; 0: 1
    uint64_t duration_s;                      // not 0: mode D instead
    bool think_time;                          // gaps between requests as `delay`
    uint64_t max_think_ms;                    // 0: a day
    bool minimal_headers;                     // without what a browser says of itself
    struct har_list only_hosts, ignore_hosts; // host, host:port or URL
    struct har_list ignore_paths;             // parts of paths
    struct har_list ignore_methods;
    struct har_list ignore_types;         // "xhr", "image"
    struct har_list ignore_extensions;    // ".css" or "css"
    struct har_list ignore_content_types; // parts of media types
    struct har_list ignore_headers;       // names; with '*' at the end what they begin with
};

struct har {
    json_t *iterations; // in the order of their start
    json_t *files;      // paths of the plan to files that were not recorded
    json_t *variables;  // secret ones that hold what the requests authenticate by
    size_t n_entries, n_left_out[HAR_RULE__COUNT];
    size_t n_lost_bodies;  // binary ones, which a plan cannot hold
    size_t n_lost_secrets; // headers beyond HAR_SECRETS_MAX
};

// What a join did.
struct har_joined {
    size_t n_added, n_updated, n_repeated;
    bool shape_ignored; // clients, delay or parallelism were given for a round that is there
};

// Texts of the recording become texts of a plan: each '$' is "$$". Values of headers that
// authenticate become variables, one for each value: recordedCookie, recordedCookie2 and so on. 0,
// or -EINVAL and entries in d. Then har_done, also where nothing was kept.
int har_read(const char *text, size_t len, const struct har_options *o, struct diag *d,
             struct har *ret_har);
void har_done(struct har *h);

// In all three the variables take the place of those of that name in the plan.
//
// A plan with one round ("Main"). A new reference.
json_t *har_create(const struct har *h, const struct har_options *o);
// To the round of that name, else to a new one of that name ("Round2", "Round3", ...). The plan is
// one that is valid. 0, or -EINVAL and it is unchanged: it has no list where a plan has one.
int har_append(const struct har *h, const struct har_options *o, json_t *plan,
               struct har_joined *ret_joined);
// Iterations of the same method, URL and body take the headers and the version, and keep all else;
// the others go to the round of that name (made where it is not there), else to the first one, else
// to "Main". Repetitions within the recording are left out. As har_append.
int har_update(const struct har *h, const struct har_options *o, json_t *plan,
               struct har_joined *ret_joined);
