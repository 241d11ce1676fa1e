// A plan as the runner executes it: its templates, conditions and patterns compiled, its variables
// set, what never changes worked out.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/plan.h"
#include "worker/runner/request.h"

struct program;

struct program_config {
    const struct plan *plan;          // borrowed
    const struct request_file *files; // borrowed
    size_t n_files;
    uint64_t seed;
    uint32_t part, n_parts; // of the cluster, for unique values; 0 of 1 when alone
    // Any thread; text has no secret in it. May be called often.
    void (*warn)(void *arg, const char *text);
    void *arg;
};

// 0, or -EINVAL (-ENOENT: a file that did not come with the plan) and into why what is wrong.
int program_new(const struct program_config *config, struct program **ret_program, char *why,
                size_t size);
void program_free(struct program *p); // NULL is fine

// Of a series whose request is the same each time: true and what it is made of, borrowed from p.
// Otherwise what is known of it (url but for its target, version), for the origin.
bool program_parts(const struct program *p, uint32_t series, struct request_parts *ret_parts);
// Whether any of n series from first on needs a session: there is more to it than its requests.
bool program_needs_sessions(const struct program *p, uint32_t first, size_t n);
// Whether something reads ${Metrics...}, and what it shall find there (JSON; any thread).
bool program_reads_metrics(const struct program *p);
void program_set_metrics(struct program *p, const char *json, size_t len);
