// Each line is a Set-Cookie field; its first byte says from where, and how much time goes by. What
// is sent is one line of text.
#include <assert.h>
#include <string.h>

#include "worker/runner/cookies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct plan_url url_of(const char *text)
{
    struct diag d = {0};
    struct plan_url url;

    assert(plan_url_parse(text, &d, 0, 0, &url) == 0);
    return url;
}

static void check(struct cookies *jar, const struct plan_url *url, int64_t now_s)
{
    struct buf out = {0};

    bool any = cookies_append(jar, url, now_s, &out);
    assert(any == (out.len > 0) && jar->n <= COOKIES_MAX && (!any || jar->n > 0));
    for (size_t i = 0; i < out.len; i++)
        assert((out.data[i] & ~0x1f) != 0 || out.data[i] == '\t');
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const texts[] = {"http://a.example/", "https://b.a.example/x/y?z",
                                        "http://127.0.0.1/x/", "http://example:81/x"};
    const char *p = (const char *)data, *end = p + size;
    struct cookies jar = {0};
    struct plan_url urls[4];
    int64_t now_s = 1700000000;

    for (int i = 0; i < 4; i++)
        urls[i] = url_of(texts[i]);
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline != NULL ? newline : end;
        if (stop > p) {
            now_s += (unsigned char)*p >> 2;
            cookies_set(&jar, &urls[*p & 3], p + 1, (size_t)(stop - p - 1), now_s);
            check(&jar, &urls[(unsigned char)*p >> 6], now_s);
        }
        p = newline != NULL ? newline + 1 : end;
    }
    cookies_done(&jar);
    for (int i = 0; i < 4; i++)
        plan_url_done(&urls[i]);
    return 0;
}
