#include "worker/runner/redirect.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "worker/runner/reference.h"

// RFC 9110 sections 15.4.1 to 15.4.9; NULL: no such status leads elsewhere. 300 is taken as 302
// where it has a Location, the server's own choice of one.
static const char *next_method(int status, const char *method)
{
    switch (status) {
    case 300:
    case 301:
    case 302:
        return strcmp(method, "POST") == 0 ? "GET" : method;
    case 303:
        return strcmp(method, "HEAD") == 0 ? method : "GET";
    case 307:
    case 308:
        return method;
    default:
        return NULL;
    }
}

int redirect_next(const struct plan_url *url, const char *method, int status, const char *location,
                  int n_followed, struct redirect *ret_next)
{
    struct redirect next = {.method = next_method(status, method)};

    if (next.method == NULL || location == NULL)
        return -ENOENT;
    if (n_followed >= REDIRECT_MAX)
        return -ELOOP;
    int r = reference_resolve(url, location, strlen(location), &next.url);
    if (r < 0)
        return r;
    next.keeps_body = strcmp(next.method, method) == 0;
    next.keeps_origin = next.url.tls == url->tls && next.url.port == url->port &&
                        strcmp(next.url.host, url->host) == 0;
    *ret_next = next;
    return 0;
}

void redirect_done(struct redirect *next)
{
    plan_url_done(&next->url);
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcasecmp(name, *names) == 0)
            return true;
    return false;
}

bool redirect_keeps_header(const struct redirect *next, const char *name)
{
    static const char *const of_body[] = {"Transfer-Encoding", "Trailer", "Expect", NULL};
    static const char *const of_origin[] = {"Authorization", "Proxy-Authorization", "Cookie",
                                            "Host", NULL};

    if (!next->keeps_body && (strncasecmp(name, "Content-", 8) == 0 || is_one_of(name, of_body)))
        return false;
    return next->keeps_origin || !is_one_of(name, of_origin);
}
