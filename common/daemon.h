// What both daemons do with systemd and signals: readiness, status, watchdog, listening sockets.
// Loop thread.
#pragma once

#include <event2/event.h>

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
