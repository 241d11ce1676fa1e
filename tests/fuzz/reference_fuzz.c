// What a reference resolves to is an URL that resolves to itself from anywhere.
#include <assert.h>
#include <string.h>

#include "worker/runner/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct plan_url url_of(const char *text)
{
    struct diag d = {0};
    struct plan_url url;

    assert(plan_url_parse(text, &d, 0, 0, &url) == 0);
    return url;
}

static void check(const struct plan_url *url, const struct plan_url *elsewhere)
{
    size_t path_len = strcspn(url->target, "?");
    struct plan_url again;

    assert(url->target[0] == '/' && strlen(url->text) <= PLAN_URL_MAX);
    for (const char *c = url->text; *c != '\0'; c++)
        assert(*c > ' ' && *c < 0x7f && *c != '#');
    const char *up = strstr(url->target, "/../");
    assert(up == NULL || up >= url->target + path_len);
    assert(reference_resolve(elsewhere, url->text, strlen(url->text), &again) == 0);
    assert(strcmp(again.text, url->text) == 0 && strcmp(again.target, url->target) == 0);
    assert(strcmp(again.host, url->host) == 0 && again.port == url->port && again.tls == url->tls);
    plan_url_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan_url base = url_of("http://a.example/b/c/d;p?q"), other = url_of("https://[::1]:8/");
    struct plan_url url;

    if (reference_resolve(&base, (const char *)data, size, &url) == 0) {
        check(&url, &other);
        plan_url_done(&url);
    }
    plan_url_done(&base);
    plan_url_done(&other);
    return 0;
}
