#include "worker/cli/warm.h"

#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "common/str.h"
#include "worker/cli/screen.h"

#define WARM_TIMEOUT_S 30

static char *root_of(const struct plan_iteration *it)
{
    return xasprintf("%s://%s/", it->url.tls ? "https" : "http", it->url.authority);
}

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

void warm_up(const struct plan *plan)
{
    uint32_t n = plan_n_series(plan), n_urls = 0;
    char **urls = xcalloc(n, sizeof *urls);
    const struct plan_round *round;
    const struct plan_iteration *it;

    if (!plan->warm_up)
        n = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool is_known = false;
        plan_series(plan, i, &round, &it);
        char *url = root_of(it);
        for (uint32_t k = 0; k < n_urls && !is_known; k++)
            is_known = strcmp(urls[k], url) == 0;
        if (is_known) {
            free(url);
            continue;
        }
        visit(url);
        urls[n_urls++] = url;
    }
    for (uint32_t k = 0; k < n_urls; k++)
        free(urls[k]);
    free(urls);
}
