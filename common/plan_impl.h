// Shared by the sources of plan.h and plan_source.h: readers of a plan's JSON. PURE.
//
// They add what is wrong to the walk's diag and go on; a value that is wrong stays zero.
#pragma once

#include "common/jcheck.h"
#include "common/plan.h"
#include "common/plan_source.h"
#include "common/script/env.h"
#include "common/script/tmpl.h"

#define PLAN_N_OF(array) (sizeof(array) / sizeof(array)[0])

struct plan_reader {
    struct jcheck c;
    const struct plan_source *source; // NULL: the JSON is canonical
    struct plan *plan;
    // Of a source: what placeholders are that are worked out here.
    struct script_env env;
    struct script_random random;
    struct plan_content *contents; // of plan->reads
    bool is_secret;                // what is being read is a secret variable's
    char *problem;                 // the first thing that went wrong in a rendering
    bool is_unset;     // some variable is wrong: placeholders are passed over, not complained about
    const char *base;  // the round's baseUrl; NULL: none
    bool has_any_base; // of an iteration that no round refers to
    json_t *globals;   // iterations that rounds may refer to; NULL: none
    char **global_names;   // of each; "": it has none
    bool *is_global_wrong; // its complaints are made
};

// In a source keys are known in any letter case, null is as nothing, and scalars may be texts.

void plan_check_keys(struct plan_reader *r, json_t *object, const char *const *known,
                     size_t n_known);
// By its name or its alias ("method": "httpMethod"). NULL: absent.
json_t *plan_find(struct plan_reader *r, json_t *object, const char *key);
// As the object spells it; key where it is absent.
const char *plan_key(struct plan_reader *r, json_t *object, const char *key);
// The member, or NULL with an entry in d.
json_t *plan_require(struct plan_reader *r, json_t *object, const char *key);
// Steps into the member; NULL: absent, and no step. Then jcheck_leave.
json_t *plan_enter(struct plan_reader *r, json_t *object, const char *key,
                   struct jcheck_place *ret_back);
// The same for one that must be an object, or a list of 1 to max elements; NULL also where it is
// none, with an entry.
json_t *plan_enter_object(struct plan_reader *r, json_t *object, const char *key,
                          struct jcheck_place *ret_back);
json_t *plan_enter_list(struct plan_reader *r, json_t *object, const char *key, size_t max,
                        struct jcheck_place *ret_back);
// Reads each element, which must be an object, into those that arg has room for.
typedef void plan_read_fn(struct plan_reader *r, json_t *json, void *element);
// A list as an array that the caller frees; NULL and 0: absent, or wrong.
void *plan_read_list(struct plan_reader *r, json_t *object, const char *key, size_t max,
                     size_t element_size, plan_read_fn *read, size_t *ret_n);
// A warning of the source at the place of the walk.
void plan_warn(struct plan_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// An entry at the member's value, as jcheck_fail makes it there.
int plan_fail_at(struct plan_reader *r, json_t *object, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
// found "x", expected what is written: about a value that is wrong.
int plan_wrong(struct plan_reader *r, const char *text, const char *expected);

// That there is none of this name, and which of the n was perhaps meant: there is no round "x", did
// you mean "y"? The caller frees.
char *plan_none_such(const char *what, const char *name, char *const *names, size_t n);

// The scalar here as text that the caller frees; NULL with an entry: none.
char *plan_text(struct plan_reader *r, const json_t *json);
// The same, with the placeholders of a source worked out. NULL without an entry, too: they depend
// on a variable that is wrong. Not with those of secret variables, unless may_be_secret.
char *plan_setup(struct plan_reader *r, const json_t *json, bool may_be_secret);
// Of text that is a template, into *ret_text. 0, or -EINVAL with an entry (unless is_quiet).
int plan_render(struct plan_reader *r, const char *text, size_t len, bool may_be_secret,
                bool is_quiet, char **ret_text);
// The first of the plan's secret variables that it names; NULL: none.
const char *plan_find_secret(const struct plan *plan, const struct tmpl *tmpl);
bool plan_is_secret_variable(const struct plan *plan, const char *name);
// Whether its value is known only where the plan is submitted.
bool plan_is_unshared(const struct plan *plan, const struct tmpl *tmpl);
bool plan_is_unshared_variable(const struct plan *plan, const char *name);
// Whether text is a template; else an entry, which quotes nothing where it is secret. The files
// that it reads go into the plan.
int plan_check_template(struct plan_reader *r, const char *text, bool is_secret);

// Members; those that are absent are dflt, false or NULL.
uint64_t plan_read_count(struct plan_reader *r, json_t *object, const char *key, uint64_t min,
                         uint64_t max, uint64_t dflt);
bool plan_read_bool(struct plan_reader *r, json_t *object, const char *key);

// A member that is one of some words.
struct plan_word {
    const char *text;
    int value; // not 0
};

// dflt where it is absent, 0 where it is wrong. expected is for people. In a source in any case.
int plan_read_word(struct plan_reader *r, json_t *object, const char *key,
                   const struct plan_word *words, size_t n_words, const char *expected, int dflt);
// NULL also where it is empty. Worked out in a source.
char *plan_read_text(struct plan_reader *r, json_t *object, const char *key, size_t max,
                     bool may_be_secret);
char *plan_read_regex(struct plan_reader *r, json_t *object, const char *key);
// Both as they stand; NULL also where they are blank. is_shared: the master works it out, too.
char *plan_read_template(struct plan_reader *r, json_t *object, const char *key, size_t max);
char *plan_read_condition(struct plan_reader *r, json_t *object, const char *key, bool is_shared);
char **plan_read_hooks(struct plan_reader *r, json_t *object, const char *key, size_t *ret_n);
// The name of a plan, round or iteration; never NULL.
char *plan_read_name(struct plan_reader *r, json_t *object);
// The name of a variable that is made here; NULL: absent or wrong.
char *plan_read_variable_name(struct plan_reader *r, json_t *object, const char *key);
// The SHA-256 of a file: as it is written in a canonical plan, else of the file at this path, whose
// path is *ret_path (NULL: not asked for; the caller frees). "" where it is wrong.
void plan_read_file(struct plan_reader *r, json_t *object, const char *key, enum plan_use use,
                    const char *password, char ret_hash[65], char **ret_path);

// Parts of a plan.
void plan_read_variables(struct plan_reader *r, json_t *plan);
void plan_read_iteration(struct plan_reader *r, json_t *json, struct plan_iteration *it);
bool plan_has_rate(struct plan_reader *r, json_t *iteration);
void plan_read_rules(struct plan_reader *r, json_t *iteration, struct plan_iteration *it);
void plan_read_request(struct plan_reader *r, json_t *request, struct plan_iteration *it);
void plan_read_payload(struct plan_reader *r, json_t *request, struct plan_iteration *it);
// The member "baseUrl" as a template whose origin is known; NULL: none, or wrong. The caller frees.
char *plan_read_base(struct plan_reader *r, json_t *round);
void plan_read_url(struct plan_reader *r, json_t *request, struct plan_url *url);
void plan_read_retry(struct plan_reader *r, json_t *request, struct plan_iteration *it);
void plan_read_capture(struct plan_reader *r, json_t *request, struct plan_iteration *it);
void plan_round_done(struct plan_round *round);
void plan_variable_done(struct plan_variable *v);
// Reads beyond the first n are forgotten.
void plan_cut_reads(struct plan_reader *r, size_t n);

// As plan_url_parse, with a target that is a template.
int plan_url_parse_template(const char *text, struct diag *d, struct plan_url *ret_url);
