// Starts lps-runner and speaks its frames. Loop thread of whoever owns it (lps-workerd, lps
// --local).
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <event2/event.h>

#include "lps.pb-c.h"

#define SPAWN_WARNINGS_MAX      20  // of a runner; further ones are only counted
#define SPAWN_WARNING_BYTES_MAX 500 // of one; the rest is cut

struct spawn;

// Borrowed messages and texts. A warning is one line for people, as str_clean makes it; the last,
// before on_exit, says how many more there were, if any. on_exit
// comes exactly once, last, after the process was reaped: failure is NULL when FIN came and the
// exit status was 0, else a text such as "runner killed by signal 9 (Killed)" or "runner sent 12
// bytes that are no frame". spawn_free may be called from on_exit, not from the others.
struct spawn_ops {
    void (*on_window)(const Lps__V1__Window *window, void *arg);
    void (*on_warning)(const char *text, void *arg);
    void (*on_fin)(const Lps__V1__RunnerFin *fin, void *arg);
    void (*on_exit)(const char *failure, void *arg);
};

// posix_spawn of the runner found by spawn_runner_path, then sends start. 0 or -errno; on failure
// no call-back comes. ops and arg are borrowed.
int spawn_start(struct event_base *base, const Lps__V1__RunnerStart *start,
                const struct spawn_ops *ops, void *arg, struct spawn **ret_spawn);
// One iteration ends; its clients go on with the next one.
void spawn_end(struct spawn *s, uint32_t series);
// Drain, or cut. A runner that does not end soon after is killed.
void spawn_stop(struct spawn *s, bool abort);
pid_t spawn_pid(const struct spawn *s);
// NULL is fine. Kills a runner that still runs and waits for it; no call-back.
void spawn_free(struct spawn *s);

// $LPS_RUNNER, else lps-runner beside the running executable, else the installed path. Borrowed.
const char *spawn_runner_path(void);
