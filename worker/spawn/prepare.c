#include "worker/spawn/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/capacity.h"
#include "common/file.h"
#include "common/str.h"
#include "worker/spawn/header_mode.h"

static int read_authorities(const char *path, struct diag *d, struct buf *out)
{
    static const char begins[] = "CERTIFICATE-----";
    static const char key[] = "HttpClient.CertificateAuthorities";

    int r = file_read(path, O_NONBLOCK, PREPARE_CA_MAX, out);
    if (r == -EFBIG)
        return diag_add(d, 0, 0, "%s: %s has more than %d MiB", key, path,
                        PREPARE_CA_MAX / (1024 * 1024));
    if (r < 0)
        return diag_add(d, 0, 0, "%s: cannot read %s: %s", key, path, strerror(-r));
    if (out->len == 0 || memmem(out->data, out->len, begins, strlen(begins)) == NULL)
        return diag_add(d, 0, 0, "%s: found no certificate in %s, expected PEM", key, path);
    return 0;
}

// As the runner's messages number them.
static const uint32_t server_time_formats[] = {
    [CONF_SERVER_TIME_AUTO] = 1,
    [CONF_SERVER_TIME_MILLISECONDS] = 2,
    [CONF_SERVER_TIME_SECONDS] = 3,
    [CONF_SERVER_TIME_ENTRIES] = 4,
};

int prepare_http(const struct conf *conf, struct diag *d, Lps__V1__HttpSettings **ret_http)
{
    const char *ca_file = conf->http_client.verify ? conf->http_client.ca_file : NULL;
    struct buf ca = {0};

    if (ca_file != NULL && read_authorities(ca_file, d, &ca) < 0) {
        buf_done(&ca);
        return -EINVAL;
    }
    const char *server_time = conf->http_client.server_time;
    Lps__V1__HttpSettings *s = xcalloc(1, sizeof *s);
    lps__v1__http_settings__init(s);
    s->timeout_ms = (uint32_t)conf->http_client.timeout_ms;
    s->connect_timeout_ms = (uint32_t)conf->http_client.connect_timeout_ms;
    s->first_byte_timeout_ms = (uint32_t)conf->http_client.first_byte_timeout_ms;
    s->lifetime_ms = conf->http_client.lifetime_ms;
    s->idle_ms = conf->http_client.idle_ms;
    s->connections_max = (uint32_t)conf->http_client.connections_max;
    s->verify = conf->http_client.verify;
    s->ca = (ProtobufCBinaryData){ca.len, (uint8_t *)ca.data};
    s->proxy = xstrdup(conf->http_client.proxy != NULL ? conf->http_client.proxy : "");
    s->no_proxy = conf_list(conf->http_client.no_proxy, &s->n_no_proxy);
    s->source = conf_list(conf->http_client.source, &s->n_source);
    s->server_time_header = xstrdup(server_time != NULL ? server_time : "");
    s->server_time_format = server_time_formats[conf->http_client.server_time_format];
    *ret_http = s;
    return 0;
}

void prepare_http_free(Lps__V1__HttpSettings *s)
{
    if (s == NULL)
        return;
    free(s->ca.data);
    free(s->proxy);
    free(s->server_time_header);
    conf_list_free(s->no_proxy, s->n_no_proxy);
    conf_list_free(s->source, s->n_source);
    free(s);
}

// Where none is given, four fifths of the limit, rounded up: 0 could not be reached.
static uint64_t cool_down(uint64_t cool, uint64_t max)
{
    return cool > 0 ? cool : (max * 4 + 4) / 5;
}

Lps__V1__WatchdogSettings *prepare_watchdog(const struct conf *conf)
{
    uint64_t max_mb = conf->watchdog.max_memory_mb, max_cpu = conf->watchdog.max_cpu,
             max_in_flight = conf->watchdog.max_in_flight;

    if (max_mb == 0 && max_cpu == 0 && max_in_flight == 0)
        return NULL;
    Lps__V1__WatchdogSettings *s = xcalloc(1, sizeof *s);
    lps__v1__watchdog_settings__init(s);
    s->max_memory_mb = max_mb;
    s->max_cpu_percent = (uint32_t)max_cpu;
    s->max_in_flight = max_in_flight;
    s->cool_memory_mb = cool_down(conf->watchdog.cool_memory_mb, max_mb);
    s->cool_cpu_percent = (uint32_t)cool_down(conf->watchdog.cool_cpu, max_cpu);
    s->cool_in_flight = cool_down(conf->watchdog.cool_in_flight, max_in_flight);
    s->sample_ms = (uint32_t)conf->watchdog.sample_ms;
    s->max_cooling_ms = (uint32_t)conf->watchdog.max_cooling_ms;
    s->resume_ms = (uint32_t)conf->watchdog.resume_ms;
    s->all = conf->watchdog.suspension == CONF_SUSPENSION_ALL;
    return s;
}

int prepare_run(const struct conf *conf, const struct plan *plan, struct diag *refused,
                struct diag *doubted, Lps__V1__HttpSettings **ret_http)
{
    Lps__V1__HttpSettings *http;
    struct capacity capacity;

    int r =
        header_mode_check(conf->http_client.headers, conf->http_client.allow_host, plan, refused);
    if (r < 0)
        return r;
    r = prepare_http(conf, refused, &http);
    if (r < 0)
        return r;
    capacity_read(&capacity, http->n_source);
    r = capacity_check(plan, &capacity, refused, doubted);
    if (r < 0)
        prepare_http_free(http);
    else
        *ret_http = http;
    return r;
}
