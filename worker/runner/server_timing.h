// Where a server says its time went, in a header of its answer. PURE.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum server_timing_format {
    SERVER_TIMING_UNDEFINED = 0,
    SERVER_TIMING_AUTO, // ENTRIES where the text has "dur=", else MILLISECONDS
    SERVER_TIMING_MILLISECONDS,
    SERVER_TIMING_SECONDS,
    SERVER_TIMING_ENTRIES, // W3C Server Timing: db;dur=12.3, cache;desc="a, b";dur=4
    SERVER_TIMING__COUNT,
};

// Microseconds, HIST_MAX_US at most; 0: not told, and not to be recorded.
struct server_timing {
    uint64_t db_us, cache_us, app_us, total_us;
};

// text: the header's values joined by ", ". What is not understood tells nothing. total_us is the
// last entry that is called so, else the sum of all entries, known names or not.
struct server_timing server_timing_parse(enum server_timing_format format, const char *text,
                                         size_t len);
