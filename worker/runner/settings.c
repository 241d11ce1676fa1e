#include "worker/runner/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/plan.h"
#include "common/str.h"

static int take_proxy(struct settings *s, char *why, size_t size)
{
    struct diag d = {0};
    struct plan_url url;

    if (s->http->proxy == NULL || s->http->proxy[0] == '\0')
        return 0;
    if (plan_url_parse(s->http->proxy, &d, 0, 0, &url) < 0 || url.tls) {
        snprintf(why, size, "the proxy %s: expected http://host:port", s->http->proxy);
        diag_done(&d);
        return -EINVAL;
    }
    s->proxy_host = xstrdup(url.host);
    s->proxy_port = url.port;
    plan_url_done(&url);
    return 0;
}

static int take_sources(struct settings *s, char *why, size_t size)
{
    struct resolve_answer answer;

    s->sources = xcalloc(s->http->n_source, sizeof *s->sources);
    for (size_t i = 0; i < s->http->n_source; i++) {
        if (!resolve_literal(s->http->source[i], &answer)) {
            snprintf(why, size, "the source address %s: expected a literal address",
                     s->http->source[i]);
            return -EINVAL;
        }
        s->sources[s->n_sources++] = answer.address[0];
    }
    return 0;
}

int settings_init(struct settings *s, const Lps__V1__HttpSettings *http, char *why, size_t size)
{
    static const Lps__V1__HttpSettings none = LPS__V1__HTTP_SETTINGS__INIT;

    *s = (struct settings){.http = http != NULL ? http : &none};
    int rc = take_proxy(s, why, size);
    if (rc == 0)
        rc = take_sources(s, why, size);
    if (rc < 0)
        settings_done(s);
    return rc;
}

void settings_done(struct settings *s)
{
    free(s->proxy_host);
    free(s->sources);
    *s = (struct settings){0};
}

// "example.org" and ".example.org" mean the host and all below it, as with curl.
static bool is_below(const char *host, const char *suffix)
{
    size_t n = strlen(host), m;

    suffix += suffix[0] == '.';
    m = strlen(suffix);
    return m > 0 && n >= m && strcasecmp(host + n - m, suffix) == 0 &&
           (n == m || host[n - m - 1] == '.');
}

bool settings_by_proxy(const char *host, const void *arg)
{
    const struct settings *s = arg;

    if (s->proxy_host == NULL)
        return false;
    for (size_t i = 0; i < s->http->n_no_proxy; i++)
        if (strcmp(s->http->no_proxy[i], "*") == 0 || is_below(host, s->http->no_proxy[i]))
            return false;
    return true;
}

static int64_t ns(uint64_t ms)
{
    return ms < INT64_MAX / NS_PER_MS ? (int64_t)ms * NS_PER_MS : INT64_MAX;
}

void settings_fill(const struct settings *s, struct client_net_config *config)
{
    const Lps__V1__HttpSettings *http = s->http;

    config->timeout_ns = ns(http->timeout_ms);
    config->first_byte_ns = ns(http->first_byte_timeout_ms);
    config->lifetime_ns = ns(http->lifetime_ms);
    config->idle_ns = ns(http->idle_ms);
    config->connections_max = http->connections_max > 0 ? http->connections_max : UINT32_MAX;
    config->conn.connect_ns = ns(http->connect_timeout_ms);
    config->conn.tls.verify = http->verify;
    config->conn.tls.ca = http->ca.len > 0 ? http->ca.data : NULL;
    config->conn.tls.ca_len = http->ca.len;
    config->conn.proxy_host = s->proxy_host;
    config->conn.proxy_port = s->proxy_port;
    config->conn.sources = s->sources;
    config->conn.n_sources = s->n_sources;
    config->by_proxy = settings_by_proxy;
    config->by_proxy_arg = s;
    if (http->server_time_header[0] != '\0') {
        config->server_time_header = http->server_time_header;
        config->server_time_format = (enum server_timing_format)http->server_time_format;
    }
}
