// What becomes of a request on its way: the cookies that go with it, and where redirects lead.
// PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/plan.h"
#include "common/str.h"
#include "worker/runner/request.h"

// Of one exchange. Zero-initialise, then hop_done.
struct hop {
    struct request request; // that goes out in place of the one that was asked for
    struct buf cookie;      // of it
    struct buf server_time; // of its answer: values of the header that tells it, joined by ", "
    char *location;         // of its answer, the first; NULL: none
    struct plan_url url;    // that a redirect led to
    struct plan_url before; // where that one was, as somebody may still look at it
    struct plan_header *fields;
    size_t fields_cap;
    int n_followed; // redirects
};

// For another request, memory kept where it is little.
void hop_reset(struct hop *hop);
void hop_done(struct hop *hop);
// For another answer.
void hop_forget_answer(struct hop *hop);

// What comes after this request (hop->request, or the one that was asked for) had an answer of this
// status. True: *ret_parts borrows from hop until the next call. False: the answer is final.
bool hop_follow(struct hop *hop, const struct request_parts *from, unsigned status,
                struct request_parts *ret_parts);
