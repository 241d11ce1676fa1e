#include "worker/cli/fetch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <strings.h>

#include <curl/curl.h>

#define TIMEOUT_S     30
#define REDIRECTS_MAX 5

struct sink {
    struct buf *out;
    size_t left;
    bool is_full;
};

static size_t on_bytes(char *bytes, size_t size, size_t n, void *arg)
{
    struct sink *sink = arg;

    (void)size; // is 1
    sink->is_full = n > sink->left;
    if (sink->is_full)
        return 0;
    sink->left -= n;
    buf_append(sink->out, bytes, n);
    return n;
}

static void prepare(CURL *curl, const char *url, struct sink *sink, char *why)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, sink);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
}

int fetch(const char *url, size_t max, struct buf *out, char why[FETCH_WHY_MAX])
{
    struct sink sink = {.out = out, .left = max};
    long status = 0;

    // curl would take "host/path" for one.
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) {
        snprintf(why, FETCH_WHY_MAX, "expected http:// or https://");
        return -EINVAL;
    }
    CURL *curl = curl_easy_init();
    if (curl == NULL) {
        snprintf(why, FETCH_WHY_MAX, "libcurl cannot be initialised");
        return -ENOMEM;
    }
    prepare(curl, url, &sink, why);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (sink.is_full)
        return -EFBIG;
    if (code != CURLE_OK && why[0] == '\0')
        snprintf(why, FETCH_WHY_MAX, "%s", curl_easy_strerror(code));
    if (code != CURLE_OK)
        return -EIO;
    if (status / 100 == 2)
        return 0;
    snprintf(why, FETCH_WHY_MAX, "found status %ld, expected 200", status);
    return -EIO;
}
