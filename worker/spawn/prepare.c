#include "worker/spawn/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/capacity.h"
#include "common/file.h"
#include "common/str.h"

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

int prepare_http(const struct conf *conf, struct diag *d, Lps__V1__HttpSettings **ret_http)
{
    const char *ca_file = conf->http_client.verify ? conf->http_client.ca_file : NULL;
    struct buf ca = {0};

    if (ca_file != NULL && read_authorities(ca_file, d, &ca) < 0) {
        buf_done(&ca);
        return -EINVAL;
    }
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
    *ret_http = s;
    return 0;
}

void prepare_http_free(Lps__V1__HttpSettings *s)
{
    if (s == NULL)
        return;
    free(s->ca.data);
    free(s->proxy);
    conf_list_free(s->no_proxy, s->n_no_proxy);
    conf_list_free(s->source, s->n_source);
    free(s);
}

int prepare_run(const struct conf *conf, const struct plan *plan, struct diag *refused,
                struct diag *doubted, Lps__V1__HttpSettings **ret_http)
{
    Lps__V1__HttpSettings *http;
    struct capacity capacity;

    int r = prepare_http(conf, refused, &http);
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
