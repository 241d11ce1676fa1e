// REST, server-sent events and the dashboard's files. Loop thread.
#pragma once

#include <stdint.h>

#include "master/daemon/master.h"

struct web;

// On 127.0.0.1; port 0 chooses one. master is borrowed. 0 or -errno.
int web_open(struct master *master, uint16_t port, uint16_t *ret_port, struct web **ret_web);
// Health says so, new viewers are turned away; what is open goes on.
void web_stop(struct web *web);
// After the store: nothing may still want to reply. NULL is fine.
void web_close(struct web *web);
uint64_t web_n_bad(const struct web *web); // requests

// The state or a run changed: viewers are told.
void web_publish_state(struct web *web);
void web_publish_frame(struct web *web);
// Once a second: state while nodes are connected, frames, a sign of life.
void web_tick(struct web *web);
