// The journal, or stderr with <N> prefixes where there is none. Any thread; never from the load
// path.
#pragma once

#include <stdbool.h>
#include <syslog.h>

struct log_fields {
    const char *run_id; // LPS_RUN_ID; NULL: none
    const char *node;   // LPS_NODE
    const char *event;  // LPS_EVENT, one of the words in docs/journal.md
};

// Once, at start. Native journal when stderr is the journal's (JOURNAL_STREAM) or
// LPS_JOURNAL_SOCKET (a datagram socket, for tests) is set; on a terminal "program: text"; else
// "<N>text [event=E run=R node=N]". Messages above max_priority are dropped. program is borrowed.
void log_open(const char *program, int max_priority);
void log_set_max_priority(int max_priority);
void log_close(void);

// A message is one line of at most 4096 bytes: control characters and what is not UTF-8 come out as
// "\n" or "\x1b". errno is kept.
void log_msg(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_event(int priority, const struct log_fields *fields, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(...)   log_msg(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_msg(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_msg(LOG_DEBUG, __VA_ARGS__)
