// What is found in a page are different URLs that are found again in a page that names them.
#include <assert.h>
#include <string.h>

#include "common/str.h"
#include "worker/runner/resources.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void append_escaped(struct buf *html, const char *text)
{
    for (; *text != '\0'; text++)
        buf_printf(html, "&#x%02x;", (unsigned char)*text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diag d = {0};
    struct plan_url base;
    struct resources found, again;
    struct buf html = {0};
    const char *text = (const char *)data;

    assert(plan_url_parse("http://a.example/b/c?d", &d, 0, 0, &base) == 0);
    resources_find(&base, text, size, &found);
    assert(found.n <= RESOURCES_MAX);
    buf_puts(&html, "");
    for (size_t i = 0; i < found.n; i++) {
        buf_puts(&html, i % 2 == 0 ? "<img src=\"" : "<link rel=stylesheet href='");
        append_escaped(&html, found.urls[i].text);
        buf_puts(&html, i % 2 == 0 ? "\">" : "'>");
    }
    resources_find(&base, html.data, html.len, &again);
    for (size_t i = 0, k = 0; i < found.n; i++) {
        // Escaped, a long one is beyond what an attribute may have.
        if (6 * strlen(found.urls[i].text) > PLAN_URL_MAX)
            continue;
        assert(k < again.n || html.len > RESOURCES_BYTES_MAX);
        assert(k >= again.n || strcmp(again.urls[k].text, found.urls[i].text) == 0);
        k++;
    }
    resources_done(&again);
    buf_done(&html);
    resources_done(&found);
    plan_url_done(&base);
    return 0;
}
