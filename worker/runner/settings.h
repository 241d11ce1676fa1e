// What the settings of the worker say about connections, taken from the start message. PURE but for
// the name of a literal address.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/plan.h"
#include "lps.pb-c.h"
#include "worker/runner/client.h"

struct settings {
    const Lps__V1__HttpSettings *http; // borrowed
    char *proxy_host;                  // NULL: no proxy
    uint16_t proxy_port;
    union resolve_address *sources;
    uint32_t n_sources;
};

// http NULL: no limits, no proxy. 0, or -EINVAL and into why what is wrong.
int settings_init(struct settings *s, const Lps__V1__HttpSettings *http, char *why, size_t size);
void settings_done(struct settings *s);
// A request_by_proxy_fn; arg is a struct settings.
bool settings_by_proxy(const char *host, const void *arg);
// Borrows from s and its message.
void settings_fill(const struct settings *s, struct client_net_config *config);
