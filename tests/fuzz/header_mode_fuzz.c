// "name\nvalue": what a mode allows, every looser one allows as well.
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"
#include "worker/spawn/header_mode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *name = xstrndup((const char *)data, size), *value = strchr(name, '\n');

    if (value != NULL)
        *value++ = '\0';
    char *own = value != NULL ? xstrdup(value) : NULL; // with nothing behind its end
    bool by_strict = header_mode_refuses(CONF_HEADERS_STRICT, true, name, own) == NULL;
    bool by_lenient = header_mode_refuses(CONF_HEADERS_LENIENT, true, name, own) == NULL;
    assert(by_lenient || !by_strict);
    assert(header_mode_refuses(CONF_HEADERS_RAW, false, name, own) == NULL);
    free(own);
    free(name);
    return 0;
}
