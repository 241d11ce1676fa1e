// What comes before a runner: whether this host can do the plan, and the settings for it. Any
// thread.
#pragma once

#include "common/conf.h"
#include "common/diag.h"
#include "common/plan.h"
#include "lps.pb-c.h"

#define PREPARE_CA_MAX (4 * 1024 * 1024) // bytes of the file HttpClient.CertificateAuthorities

// The section HttpClient as the runner takes it. Reads the file of the certificate authorities
// where they are to be used. 0 and a message that owns what it points to, for prepare_http_free; or
// -EINVAL with an entry in d.
int prepare_http(const struct conf *conf, struct diag *d, Lps__V1__HttpSettings **ret_http);
// NULL is fine.
void prepare_http_free(Lps__V1__HttpSettings *http);

// The section Watchdog; NULL where it sets no limit. The caller frees, by free().
Lps__V1__WatchdogSettings *prepare_watchdog(const struct conf *conf);

// prepare_http, header_mode_check, and capacity_check of this host.
int prepare_run(const struct conf *conf, const struct plan *plan, struct diag *refused,
                struct diag *doubted, Lps__V1__HttpSettings **ret_http);
