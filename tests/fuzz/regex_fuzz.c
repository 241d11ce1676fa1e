// A pattern on the first line, a text below it: a match is within the text.
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/script/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *line = size > 0 ? memchr(text, '\n', size) : NULL;
    struct regex *regex;
    char why[200] = "";
    size_t at, len;

    if (line == NULL)
        return 0;
    char *pattern = strndup(text, (size_t)(line - text));
    size_t rest = size - (size_t)(line - text) - 1;
    if (regex_compile(pattern, why, sizeof why, &regex) == 0) {
        if (regex_find(regex, line + 1, rest, &at, &len) == 0)
            assert(at <= rest && len <= rest - at);
        regex_free(regex);
    } else {
        assert(why[0] != '\0');
    }
    free(pattern);
    return 0;
}
