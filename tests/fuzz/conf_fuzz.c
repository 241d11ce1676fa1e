// What is accepted prints as settings that are the same; what is refused says why.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diag d = {0};
    struct conf *conf, *again;

    if (conf_parse((const char *)data, size, &d, &conf) < 0) {
        assert(d.n > 0);
        free(diag_format(&d));
        diag_done(&d);
        return 0;
    }
    assert(d.n == 0);
    char *text = conf_format(conf);
    assert(conf_parse(text, strlen(text), &d, &again) == 0);
    char *text_again = conf_format(again);
    assert(strcmp(text, text_again) == 0);
    free(text_again);
    free(text);
    conf_free(again);
    conf_free(conf);
    return 0;
}
