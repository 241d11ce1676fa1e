// Walks parsed JSON or YAML and complains by name and place: "12:5: Cluster.GRPCPort: found 70000".
// PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/diag.h"
#include "common/str.h"
#include "common/yaml.h"

// Where the walk is: at the root after jcheck_init. Text, places and d are borrowed until
// jcheck_done.
struct jcheck {
    const char *text;
    size_t len;
    const struct places *places; // of YAML; may be set after jcheck_init, then text is not used
    struct diag *d;
    struct buf pointer, name; // "/rounds/0/name", "rounds[0].name"
};

struct jcheck_place {
    size_t pointer_len, name_len;
};

void jcheck_init(struct jcheck *c, const char *text, size_t len, struct diag *d);
void jcheck_done(struct jcheck *c);

// Steps down; what is returned leads back by jcheck_leave.
struct jcheck_place jcheck_key(struct jcheck *c, const char *key);
struct jcheck_place jcheck_index(struct jcheck *c, size_t i);
void jcheck_leave(struct jcheck *c, struct jcheck_place back);

// One entry in d, at the value here, or what is nearest above it in the text. Always -EINVAL.
int jcheck_fail(struct jcheck *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// At a key of the object here.
int jcheck_fail_key(struct jcheck *c, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
// For a key of the object here that is none of known: names the nearest one.
int jcheck_unknown(struct jcheck *c, const char *key, const char *const *known, size_t n_known);

// What the value here is. 0, or -EINVAL with an entry in d.
int jcheck_object(struct jcheck *c, const json_t *json);
int jcheck_list(struct jcheck *c, const json_t *json);
// Borrowed from json. In YAML a plain number or boolean is the text that it was (1.10, True),
// borrowed from the places.
int jcheck_text(struct jcheck *c, const json_t *json, const char **ret_text);
int jcheck_bool(struct jcheck *c, const json_t *json, bool *ret_value);
int jcheck_u64(struct jcheck *c, const json_t *json, uint64_t min, uint64_t max,
               uint64_t *ret_value);
