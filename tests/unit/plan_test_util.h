// Texts of plans, and what becomes of them.
#pragma once

#include <stddef.h>

#include "common/plan.h"

#define URL        "\"url\":\"http://a/\""
#define REQUEST    "\"httpRequest\":{" URL "}"
#define PLAN(rest) "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"iterations\":[" rest "]}]}"
// One iteration with these members, one request with these members.
#define ITERATION(members) PLAN("{\"name\":\"i\"," REQUEST "," members "}")
#define SENDS(members)     PLAN("{\"name\":\"i\",\"httpRequest\":{" URL "," members "}}")
#define TLS(members)       PLAN("{\"name\":\"i\",\"httpRequest\":{\"url\":\"https://a/\"," members "}}")
#define RATED(members)     ITERATION("\"mode\":\"D\"," members)
#define ROUND(members)                             \
    "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\"," \
    "\"iterations\":[{\"name\":\"i\"," REQUEST "}]," members "}]}"
#define BATCH "\"batchSize\":10,\"coolDownTime\":500"
#define ONE   "{\"numberOfClients\":1}"
#define STEP  "{\"rate\":1,\"duration\":1}"
// Places of complaints.
#define AT   "rounds[0].iterations[0]."
#define IT   "rounds[0].iterations[0]: "
#define REQ  AT "httpRequest."
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct plan *accepts(const char *text);
void refuses(const char *text, const char *begin); // with one complaint, that begins so
// The n-th complaint (from 0) of n_all begins so.
void refuses_nth(const char *text, size_t n, size_t n_all, const char *begin);

const struct plan_iteration *first(const struct plan *plan);
// n times the element between the two; the caller frees.
char *with_list(const char *before, const char *element, size_t n, const char *after);
