// The compiled form of a plan, for the sources of program.h and session.h.
#pragma once

#include <stdatomic.h>

#include "common/script/expr.h"
#include "common/script/regex.h"
#include "common/script/tmpl.h"
#include "worker/runner/program.h"

#define PROGRAM_WHY_SIZE 300

struct program_hooks {
    struct tmpl **tmpls;
    size_t n;
};

// Memory of one request, used again for the next. Zero-initialise, then program_render_done.
struct program_render {
    struct buf text;  // what templates came to, each with a NUL behind it
    size_t *at, *len; // in text, by piece
    struct buf body;  // of a multipart payload
    char boundary[64];
    struct plan_header *fields;
};

// The texts of a request by number; what a request has none of is NULL.
enum {
    PROGRAM_TARGET = 0,
    PROGRAM_METHOD,
    PROGRAM_FIELDS, // values of headers; behind them the payload
};
enum {
    PROGRAM_PART_NAME = 0,
    PROGRAM_PART_VALUE,
    PROGRAM_PART_TYPE,
    PROGRAM_PART__COUNT,
};

struct program_series {
    const struct plan_iteration *iteration;
    struct expr *skip_if, *request_skip_if, *retry_if, *retry_stop; // NULL: none
    struct program_hooks before, after, request_before, request_after;
    struct tmpl **pieces;
    size_t n_pieces;
    size_t payload; // first piece of the payload: of RAW one, of MULTIPART three for each part
    const struct request_file **files; // of FILE one, of MULTIPART by part; NULL: a field
    size_t n_files;
    struct regex *regex; // of the capture
    bool wants_answer;
    bool is_constant, is_plain;
    bool has_fixed_body; // MULTIPART: fixed.body is the body of each request
    struct program_render fixed;
    struct request_parts parts; // is_constant: all; else what program_parts says
    char *save_directory;       // of saved answers
    _Atomic int64_t next_save_ns;
    atomic_bool has_save_warning;
};

// A text that no warning shows.
struct program_secret {
    char *text;
    size_t len;
};

struct program {
    struct program_config config;
    struct globals *globals;
    struct program_series *series;
    uint32_t n_series;
    struct program_secret *secrets;
    size_t n_secrets;
    bool reads_metrics;
};

// What script_env needs of p; without a session.
void program_env(const struct program *p, struct script_env *ret_env);
// Told without its secrets.
void program_warn(const struct program *p, const char *text);
// text without what is secret; the caller frees.
char *program_mask(const struct program *p, const char *text);
const struct request_file *program_file(const struct program *p, const char *sha256);

// 0, or -EINVAL (-ENOENT: a file is missing) and into why.
int program_series_init(struct program_series *s, const struct program *p,
                        const struct plan_iteration *it, char *why, size_t size);
void program_series_done(struct program_series *s);
// Each template and condition of a series; either may be NULL.
void program_each(const struct program_series *s, void (*on_tmpl)(struct tmpl *t, void *arg),
                  void (*on_expr)(struct expr *e, void *arg), void *arg);
// Works out what is the same each time, once nothing more is folded.
int program_series_settle(struct program_series *s, const struct program *p, char *why,
                          size_t size);

// What the next request of s is made of, in r; borrowed from both. 0, or -EINVAL and into why what
// comes to no request.
int program_render(const struct program_series *s, const struct program *p, struct script_env *env,
                   struct program_render *r, struct request_parts *ret_parts, char *why,
                   size_t size);
void program_render_done(struct program_render *r);
// What is the same each time, into s: of a constant request its parts. As program_render.
int program_render_fixed(struct program_series *s, const struct program *p, char *why, size_t size);
