// What is kept of an answer for those who asked: its head, and its body where they read it. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/str.h"

#define ANSWER_BODY_MAX (16 * 1024 * 1024) // decoded; what is longer is cut

struct decode;

// Zero-initialise, set wants_body, then answer_done.
struct answer {
    bool wants_body;   // decoded by its Content-Encoding
    unsigned status;   // 0: no answer came
    char reason[64];   // as the server wrote it, cut; HTTP/2 has none
    struct buf fields; // "name\0value\0" of each, in their order
    size_t n_fields;
    struct buf body;
    bool is_cut;         // the body is longer than ANSWER_BODY_MAX
    const char *problem; // its encoding is unknown or broken: body has what came before. NULL: none
    struct decode *decode;
};

void answer_done(struct answer *a);
// Empty again, memory kept where it is little; wants_body stays.
void answer_reset(struct answer *a);

// From the channel, in this order; a second head (a redirect was followed) comes after
// answer_reset.
void answer_head(struct answer *a, unsigned status, const char *reason, size_t len);
void answer_field(struct answer *a, const char *name, size_t name_len, const char *value,
                  size_t value_len);
void answer_body(struct answer *a, const char *bytes, size_t n);
void answer_end(struct answer *a);

// The first value of a field, in any letter case; NULL: none. Borrowed until the next change.
const char *answer_find(const struct answer *a, const char *name);
