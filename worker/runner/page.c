#include "worker/runner/page.h"

#include <stdlib.h>
#include <string.h>

#include "worker/runner/channel.h"

static void on_part(struct exchange *x, bool ok)
{
    struct page *page = x->owner;

    (void)ok;
    exchange_free(page->client->net, x);
    if (--page->n_left == 0)
        page->on_done(page);
}

// The client's certificate is for the page's own server.
static struct request_parts parts_of(const struct request_parts *of, const struct plan_url *url)
{
    bool is_same = url->tls == of->url.tls && url->port == of->url.port &&
                   strcmp(url->host, of->url.host) == 0;

    return (struct request_parts){
        .method = "GET",
        .version = of->version,
        .url = *url,
        .certificate = is_same ? of->certificate : "",
        .password = is_same ? of->password : NULL,
        .h2c = is_same && of->h2c,
    };
}

static void send_part(struct page *page, const struct request_parts *of, uint32_t series, size_t i)
{
    struct client_net *net = page->client->net;
    struct request_parts parts = parts_of(of, &page->resources.urls[i]);
    const struct request_origin *origin;
    uint32_t id = client_net_origin(net, &parts, &origin);

    if (id == UINT32_MAX)
        return;
    request_make(&page->requests[i], &parts, NULL, origin, id);
    struct exchange *x = exchange_new(net);
    x->series = series;
    x->request = &page->requests[i];
    x->is_part = true;
    x->intended_ns = 0;
    x->on_done = on_part;
    x->owner = page;
    page->n_left++;
    client_send(page->client, x);
}

bool page_fetch(struct page *page, const struct request_parts *parts, uint32_t series,
                const char *html, size_t len)
{
    page_done(page);
    resources_find(&parts->url, html, len, &page->resources);
    page->requests = xcalloc(page->resources.n, sizeof *page->requests);
    // One more, as those that fail at once must not end the page under the others.
    page->n_left = 1;
    for (size_t i = 0; i < page->resources.n; i++)
        send_part(page, parts, series, i);
    return --page->n_left > 0;
}

void page_done(struct page *page)
{
    for (size_t i = 0; i < page->resources.n; i++)
        request_done(&page->requests[i]);
    free(page->requests);
    resources_done(&page->resources);
    page->requests = NULL;
    page->resources = (struct resources){0};
    page->n_left = 0;
}
