// What a waiting user reads: one live line on a terminal, plain lines on a pipe. PURE.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/str.h"

#define PROGRESS_PERIOD_NS (5 * NS_PER_S) // between two plain lines

struct progress_numbers {
    int64_t elapsed_ms;
    uint64_t workers, requests, errors, in_flight, p50_us, p99_us;
    double rate; // requests completed per second
};

// Zero is a pipe without colours that has said nothing yet; then progress_done.
struct progress {
    bool live; // a terminal
    bool colour;
    bool quiet;       // notices only
    bool on_screen;   // the live line stands there
    bool shows_state; // and is a state, which does not come again by itself
    bool has_printed; // a plain line of numbers, at last_plain
    struct mono last_plain;
    char *state; // the newest one
};

// Everything to be written is appended to out. width: columns of the terminal now.
// A state that was not the last one: the live line, or a plain line.
void progress_state(struct progress *p, const char *text, int width, struct buf *out);
void progress_numbers(struct progress *p, const struct progress_numbers *n, struct mono now,
                      int width, struct buf *out);
// A line of its own. A live state moves below it; numbers come again by themselves.
void progress_notice(struct progress *p, const char *text, int width, struct buf *out);
// Takes the live line away, for the summary or for the end.
void progress_clear(struct progress *p, struct buf *out);
void progress_done(struct progress *p);
