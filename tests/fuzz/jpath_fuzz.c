// A path on the first line, JSON below it: what is refused says why, what is found reads back.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/script/jpath.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void find(const struct jpath *path, json_t *root)
{
    json_t **matches;
    size_t n;

    if (jpath_find(path, root, &matches, &n) < 0)
        return;
    assert(n <= JPATH_MATCHES_MAX);
    for (size_t i = 0; i < n && i < 10; i++) {
        struct buf out = {0};
        jpath_append_json(matches[i], &out);
        json_t *again = json_loadb(out.data, out.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert(again != NULL && json_equal(matches[i], again));
        jpath_append_text(matches[i], &out);
        json_decref(again);
        buf_done(&out);
    }
    free(matches);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *line = size > 0 ? memchr(text, '\n', size) : NULL;
    size_t len = line != NULL ? (size_t)(line - text) : size;
    size_t rest = line != NULL ? size - len - 1 : 0;
    struct jpath *path;
    char why[200] = "";

    if (jpath_compile(text, len, why, sizeof why, &path) < 0) {
        assert(why[0] != '\0');
        return 0;
    }
    json_t *root = rest == 0 ? json_null()
                             : json_loadb(line + 1, rest, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (root != NULL)
        find(path, root);
    json_decref(root);
    jpath_free(path);
    return 0;
}
