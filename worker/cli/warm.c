#include "worker/cli/warm.h"

#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "common/str.h"
#include "worker/cli/screen.h"

#define WARM_TIMEOUT_S 30

static size_t forget(char *bytes, size_t size, size_t n, void *arg)
{
    (void)bytes;
    (void)arg;
    return size * n;
}

static void visit(const char *url)
{
    CURL *curl = curl_easy_init();

    if (curl == NULL)
        return;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)WARM_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, forget);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK)
        screen_error("warning: warm-up of %s: %s", url, curl_easy_strerror(code));
    curl_easy_cleanup(curl);
}

static const struct plan_url *url_of(const struct plan *plan, uint32_t series)
{
    const struct plan_round *round;
    const struct plan_iteration *it;

    plan_series(plan, series, &round, &it);
    return &it->url;
}

// The first series of the plan that goes to this scheme, host and port.
static uint32_t first_of(const struct plan *plan, const struct plan_url *url)
{
    uint32_t i = 0;

    while (url_of(plan, i)->tls != url->tls ||
           strcmp(url_of(plan, i)->authority, url->authority) != 0)
        i++;
    return i;
}

void warm_up(const struct plan *plan)
{
    for (uint32_t i = 0; plan->warm_up && i < plan_n_series(plan); i++) {
        const struct plan_url *url = url_of(plan, i);
        if (first_of(plan, url) < i)
            continue;
        char *root = xasprintf("%s://%s/", url->tls ? "https" : "http", url->authority);
        visit(root);
        free(root);
    }
}
