// What both daemons do: options and settings at the start; with systemd and signals, readiness,
// status, watchdog, listening sockets. Loop thread.
#pragma once

#include <stdbool.h>

#include <event2/event.h>

#include "common/conf.h"

struct daemon_program {
    const char *name;        // "lps-workerd"
    const char *usage;       // the text of --help
    const char *path_option; // the long option of its own, which takes a path; -s is short for it
    const char *flag_option; // another, long and without an argument; NULL: none
    bool is_master;
};

struct daemon_options {
    const char *config; // NULL: the default, which may be missing
    const char *path;   // NULL: not named
    bool check, print, flag;
};

// Reads the options and the settings that they name, and opens the log. -1: go on with both; else
// the exit code, and what is to be said was said: a mistake, help, settings that were checked.
// Plain text off loopback is for who asked for it.
int daemon_start(const struct daemon_program *program, int argc, char **argv,
                 struct daemon_options *ret_options, struct conf **ret_conf);
// The settings anew. 0; -errno, and it was logged.
int daemon_reload(const struct daemon_options *options, struct conf **ret_conf);

struct daemon;

// SIGTERM and SIGINT call on_stop (once; a second one ends the process), SIGHUP on_reload; SIGPIPE
// is ignored. The watchdog is fed from the loop at half of WATCHDOG_USEC.
struct daemon *daemon_new(struct event_base *base, void (*on_stop)(void *arg),
                          void (*on_reload)(void *arg), void *arg);
void daemon_free(struct daemon *d);

void daemon_ready(struct daemon *d); // READY=1: everything listens
void daemon_status(struct daemon *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))); // STATUS=
void daemon_stopping(struct daemon *d);
// The descriptor systemd passed under this FileDescriptorName, or -1.
int daemon_listen_fd(const char *name);
