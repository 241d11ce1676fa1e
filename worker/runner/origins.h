// Where the requests of one thread go: the origins of the plan, and those that redirects and
// templates led to. PURE.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "worker/runner/request.h"

struct origins;

// The first ones, by their index; borrowed.
struct origins *origins_new(const struct request_origin *first, uint32_t n);
void origins_free(struct origins *o); // NULL is fine
uint32_t origins_n(const struct origins *o);
// Where id < origins_n. Borrowed until origins_free.
const struct request_origin *origins_get(const struct origins *o, uint32_t id);
// The id of an equal one, or of a copy of this; UINT32_MAX: there are max of them.
uint32_t origins_intern(struct origins *o, const struct request_origin *wanted, uint32_t max);
