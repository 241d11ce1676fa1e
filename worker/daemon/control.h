// The local API of docs/api.md: HTTP and JSON on the worker's socket. Loop thread.
#pragma once

#include "worker/daemon/jobs.h"

struct control;

// jobs and node are borrowed.
struct control *control_new(struct event_base *base, struct jobs *jobs, const char *node);
// Before jobs_free: calls that wait for the master are dropped.
void control_free(struct control *c);

// A listening descriptor (systemd's), or fd < 0 and a path. 0 or -errno.
int control_listen(struct control *c, int fd, const char *path);
