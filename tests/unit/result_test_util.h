// Runs of two workers, and what they came to.
#pragma once

#include <stdint.h>

#include "common/result.h"

struct fixture {
    struct plan *plan;
    uint8_t digest[32];
    struct aggregate *aggregate;
    struct result_member members[2];
    struct result_input in;
};

// For cmocka: *state is a struct fixture, of a plan with one series that nothing was sent of yet.
int set_up(void **state);
int tear_down(void **state);

// n responses of one status, 1 ms each, in second 0 of worker 0.
void answer(struct fixture *f, unsigned status, uint64_t n);
void refuse(struct fixture *f, uint64_t n);

// Another plan: five series of three hosts; series i < 4 got 10^i answers, of i + 1 ms each.
void use_hosts(struct fixture *f);
// What they came to.
void judge_hosts(struct judge_verdict *verdicts);
